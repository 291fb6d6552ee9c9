"""One vector a layer for every utterance of a corpus: made from audio, stored once, and read by layer.

The file is one of `block_files`: utterance i has the rows of its layers, float32 [layers, dim], layer 0 (the input
embedding) first. `store.load` reads one layer of it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.embeddings import block_files, disk_space, sharding, state_extraction, store_folders
from crosscorpus.models import hidden_states, model_registry


def embed_layers(
    ptm: str,
    corpus: str,
    *,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
    dtype: str = "float32",
) -> block_files.Blocks:
    """Return all layers of a corpus's embeddings, extracting them where they are not stored.

    Parameters
    ----------
    ptm, corpus, pooling, device, mirror, workers, dtype
        As of `extraction.embed`.

    Returns
    -------
    One block float32 [layers, dim] an utterance, in the order of the corpus's table; see `block_files.Blocks`.

    Raises
    ------
    model_registry.NotAvailableError
        The model or the corpus is not here, or the model has no layers.
    whole_files.NotWrittenError
        The disk has no room for them.
    """
    return state_extraction.embed(
        "layers",
        state_extraction.What(ptm, corpus, pooling or model_registry.get(ptm).pooling, dtype),
        keep=keep,
        size=lambda utterances: disk_space.of_layers(ptm, len(utterances)),
        device=device,
        mirror=mirror,
        workers=workers,
    )


def keep(
    load: sharding.Load, rows: pd.DataFrame, waveforms: list[np.ndarray], shard: list[np.ndarray], file: Path
) -> int:
    """Encode a shard and write its layers; see `sharding.Keep`."""
    ptm, extractor = load[0], sharding.loaded(load)
    vectors = np.concatenate(
        [
            sharding.encode(lambda some: hidden_states.pooled(ptm, extractor, some), batch)
            for batch in sharding.batches(waveforms, shard)
        ]
    )
    wrong = ~np.isfinite(vectors).all(axis=(1, 2))
    if wrong.any():
        raise store_folders.StoredWrongError(
            f"{model_registry.get(ptm).name} on {rows['corpus'].iloc[0]}: {int(wrong.sum())} utterances have "
            f"layers that are not finite, the first {rows['utterance'].iloc[int(np.argmax(wrong))]}; listen to "
            "its audio, and leave it out or extract it again"
        )
    facts = {"parameters": str(extractor.parameters), "weights_dtype": extractor.weights_dtype}
    block_files.write(file, list(vectors), facts, np.concatenate(shard))
    return len(vectors)
