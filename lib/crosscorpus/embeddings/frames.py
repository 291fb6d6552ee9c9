"""All hidden states of one layer for every utterance of a corpus: made from audio, read by slice from disk.

    found = frames.embed_frames("whisper-base", "emodb", layer="4")
    found[7]                    # float16 [frames, dim] of the utterance in row 7 of found.utterances

The file is one of `block_files`: float16, all utterances one after the other. It is mapped into memory and never
loaded whole. An utterance's frames are those that the pooling takes, so that their mean is its embedding, but for
the rounding to half precision.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.embeddings import (
    block_files,
    corpus_scans,
    disk_space,
    embedding_files,
    sharding,
    state_extraction,
    store,
    store_folders,
)
from crosscorpus.models import hidden_states, model_registry

LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Frames(Sequence[np.ndarray]):
    """Frames of a corpus: `frames[i]` reads those of utterance i from disk, float16 [frames, dim].

    `utterances` is the corpus's table, in the order of its rows; `layer` a name of `hidden_states.names(ptm)`.
    """

    ptm: str
    corpus: str
    layer: str
    utterances: pd.DataFrame
    blocks: block_files.Blocks

    @property
    def offsets(self) -> np.ndarray:
        """int64 [utterances + 1]: utterance i has the rows offsets[i] to offsets[i + 1] of `vectors`."""
        return self.blocks.offsets

    @property
    def vectors(self) -> np.ndarray:
        """All frames, float16 [frames, dim], memory-mapped; what is read of it directly is not checked."""
        return self.blocks.vectors

    @property
    def metadata(self) -> dict[str, str]:
        """What made them, all values as text."""
        return self.blocks.metadata

    @property
    def run(self) -> dict[str, str]:
        """How the run went that made them; empty where it was stopped on the way."""
        return embedding_files.read_run(self.blocks.path)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.blocks)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        """Read the frames of one utterance, float16 [frames, dim]; raises as `block_files.Blocks`."""
        return self.blocks[index]


def embed_frames(
    ptm: str,
    corpus: str,
    *,
    layer: str = hidden_states.LAST,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
    dtype: str = "float32",
) -> Frames:
    """Return the frames of a corpus, extracting them where they are not stored; their size is printed before.

    Parameters
    ----------
    ptm, corpus, pooling, device, mirror, workers, dtype
        As of `extraction.embed`. The pooling decides which frames are an utterance's own.
    layer
        One of `hidden_states.names(ptm)`.

    Raises
    ------
    model_registry.NotAvailableError
        The model or the corpus is not here, or the model has no frames.
    known_names.UnknownNameError
        The model has no such layer.
    whole_files.NotWrittenError
        The disk has no room for them; the message has the sizes.
    """
    what, name = _what(ptm, corpus, layer, pooling, dtype)
    blocks = state_extraction.embed(
        "frames",
        what,
        keep=functools.partial(keep, name),
        size=lambda utterances: disk_space.of_frames(ptm, float(utterances["seconds"].sum())),
        device=device,
        mirror=mirror,
        workers=workers,
    )
    return Frames(ptm, corpus, name, corpus_scans.read_scan(corpus, "audio").utterances, blocks)


def load_frames(
    ptm: str, corpus: str, *, layer: str = hidden_states.LAST, pooling: str = "", dtype: str = "float32"
) -> Frames:
    """Return frames that are stored; parameters as of `embed_frames`.

    Raises
    ------
    NotStoredError
        They have not been made; the message names the command that makes them.
    StoredWrongError
        The file is damaged, or of other frames than asked for.
    """
    what, name = _what(ptm, corpus, layer, pooling, dtype)
    utterances = corpus_scans.read_scan(corpus, "audio").utterances
    make = command(ptm, corpus, name)
    blocks = store.read_states("frames", ptm, corpus, what.identity("frames", utterances), make)
    return Frames(ptm, corpus, name, utterances, blocks)


def command(ptm: str, corpus: str, layer: str = hidden_states.LAST) -> str:
    """Return the command that makes frames from audio."""
    return f"python -m crosscorpus.embeddings frames --model {ptm} --corpus {corpus} --layer {layer}"


def _what(ptm: str, corpus: str, layer: str, pooling: str, dtype: str) -> tuple[state_extraction.What, str]:
    name = hidden_states.name(ptm, layer)
    of = pooling or model_registry.get(ptm).pooling
    return state_extraction.What(ptm, corpus, of, dtype, {"layer": name}), name


def keep(
    layer: str,
    load: sharding.Load,
    rows: pd.DataFrame,
    waveforms: list[np.ndarray],
    shard: list[np.ndarray],
    file: Path,
) -> int:
    """Encode a shard and write the frames of a layer; see `sharding.Keep`."""
    ptm, extractor = load[0], sharding.loaded(load)

    def halves(some: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [_half(one) for one in hidden_states.frames(ptm, extractor, some, layer)]

    blocks = [one for batch in sharding.batches(waveforms, shard) for one in sharding.encode(halves, batch)]
    for name, block in zip(rows["utterance"], blocks, strict=True):
        if not np.isfinite(block).all():
            raise store_folders.StoredWrongError(
                f"{model_registry.get(ptm).name} on {rows['corpus'].iloc[0]}: frames of {name} are not finite, or "
                f"beyond what half precision holds ({LARGEST:.0f}); listen to its audio, or choose another layer"
            )
    facts = {"parameters": str(extractor.parameters), "weights_dtype": extractor.weights_dtype}
    block_files.write(file, blocks, facts, np.concatenate(shard))
    return len(blocks)


def _half(block: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # looked for by whoever writes it
        return block.astype(np.float16)
