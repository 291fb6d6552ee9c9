"""Embed the utterances of a corpus: from audio files, through an extractor, into the store.

Utterances are read, encoded and written in shards (`sharding`), so memory does not grow with the corpus, and a run
that was stopped goes on where it was.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import devices, known_names, remote_store
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import (
    availability,
    corpus_scans,
    embedding_files,
    extraction_jobs,
    layers,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import hidden_states, model_registry, weights

logger = logging.getLogger(__name__)


def embed(
    ptm: str,
    corpus: str,
    *,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
    dtype: str = "float32",
    layer: str = hidden_states.LAST,
) -> store.Embeddings:
    """Return the embeddings of a corpus, extracting those that the store does not hold yet.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    pooling
        One of `loading.poolings(ptm)`; "" for the model's default.
    device
        "auto", "cpu" or "cuda".
    mirror
        Folder of local copies; see `paths.mirror`.
    workers
        Processes side by side, each with one thread; 0 for one a core. On a GPU there is one.
    dtype
        What is computed in; see `loading.load`.
    layer
        One of `hidden_states.names(ptm)`. For another than `last`, all layers are stored, once; see `layers`.

    Raises
    ------
    model_registry.NotAvailableError
        The model or the corpus is not here; the message says what is needed.
    known_names.UnknownNameError
        The model has no such layer.
    """
    if hidden_states.name(ptm, layer) != hidden_states.LAST:
        layers.embed_layers(
            ptm, corpus, pooling=pooling, device=device, mirror=mirror, workers=workers, dtype=dtype
        )
        return store.load(ptm, corpus, "audio", pooling, dtype, layer)
    root = availability.needed_root(corpus, mirror)
    pooling = pooling or model_registry.get(ptm).pooling
    scan = corpus_scans.fresh(corpus, root)
    identity = store.identity(ptm, pooling, scan.utterances, dtype)
    whole = store.embeddings_path(ptm, corpus, pooling, store.key(identity), dtype=dtype)
    if not is_made(whole, ptm, mirror):
        for other in store.others(whole, identity):
            logger.warning(other)
        on = devices.choose_device(device)
        folder = weights.fetch(ptm, mirror)
        load = (ptm, pooling, on, folder, dtype)
        extract_into(load, corpus, workers, scan.utterances, root, identity, whole)
    else:
        shutil.rmtree(whole.with_suffix(""), ignore_errors=True)  # of a run that was stopped at its very end
    return store.load(ptm, corpus, "audio", pooling, dtype)


def is_made(file: Path, ptm: str, mirror: str | None) -> bool:
    """Return whether a file of embeddings is there, protected by a hash, and made with the weights here."""
    if not remote_store.here(file) or not embedding_files.is_protected(file):
        return False
    return not weights.are_others(ptm, embedding_files.read_facts(file).get("weights_sha256"), mirror)


def extract_into(
    load: sharding.Load,
    corpus: str,
    workers: int,
    utterances: pd.DataFrame,
    root: Path,
    identity: dict[str, str],
    whole: Path,
    keep: sharding.Keep | None = None,
    rows: np.ndarray | None = None,
) -> None:
    """Extract embeddings of utterances, and write them to a file with what made them.

    Parameters
    ----------
    load, corpus, workers, utterances, root, keep
        See `sharding.run`.
    identity
        What decides what they are; see `store.identity`.
    whole
        The file.
    rows
        The utterances' positions in their corpus's table, for a portion of a corpus.
    """
    model, parts = model_registry.get(load[0]), whole.with_suffix("")
    files, made_by, speed = sharding.run(load, corpus, utterances, root, parts, workers, sharding.holds, keep)
    vectors = np.empty((len(utterances), model.dimension), dtype=np.float32)
    try:
        for file in files:
            part, at = embedding_files.read_part(file)
            vectors[at] = part
        loaded = embedding_files.read_embeddings(files[0])[1]
    except store_folders.NotStoredError:
        if not whole.exists():
            raise
        return shutil.rmtree(parts, ignore_errors=True)  # another run of the same has finished just now
    embedding_files.check_vectors(vectors, utterances, model.dimension, f"{model.name} on {corpus}")
    embedding_files.write_embeddings(whole, vectors, identity | loaded | made_by, rows)
    embedding_files.send(whole, speed)
    shutil.rmtree(parts, ignore_errors=True)


def collect(
    ptm: str,
    corpus_ids: Sequence[str],
    source: str,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
    dtype: str = "float32",
    extract: bool = True,
    layer: str = hidden_states.LAST,
) -> dict[str, store.Embeddings]:
    """Return the embeddings of several corpora: the pack's, or from audio by `embed`; see `store` for sources.

    What cannot be had is left out, with a printed line that says what it needs; without `extract`, so is what is
    not stored yet. All corpora are read before the model is loaded: what is wrong with one is known at once.
    """
    known_names.check(source, store_folders.SOURCES, "source")
    added = model_registry.is_made_elsewhere(ptm)  # and not made here, so whatever is there is stored
    from_pack = {
        c
        for c in corpus_ids
        if added or (source == "any" and availability.is_stored(ptm, c, "pack", layer, pooling, dtype))
    }
    if source != "pack" and extract:
        for corpus in corpus_ids:
            root = None if corpus in from_pack else corpus_registry.find(corpus, mirror)
            if root is not None:
                corpus_scans.fresh(corpus, root)
    found = {}
    for corpus in corpus_ids:
        try:
            if source == "pack" or corpus in from_pack:
                found[corpus] = store.load(ptm, corpus, source if added else "pack", pooling, dtype, layer)
            elif not extract:
                found[corpus] = store.load(ptm, corpus, "audio", pooling, dtype, layer)
            else:
                how = {"pooling": pooling, "device": device, "mirror": mirror, "workers": workers, "dtype": dtype}
                found[corpus] = embed(ptm, corpus, **how, layer=layer)  # type: ignore[arg-type]
        except store_folders.NotStoredError:
            made_by = store.command(ptm, corpus, pooling, dtype, layer)
            print(f"Not yet run on {corpus_registry.get(corpus).name}. To run it:\n  {made_by}")
        except model_registry.NotAvailableError as error:
            print(f"Not yet run on {corpus_registry.get(corpus).name}. {error}")
    return found


def summary(embeddings: Mapping[str, store.Embeddings]) -> pd.DataFrame:
    """Return what was made, by corpus: utterances, dimension, and what made them."""
    rows = []
    for corpus, e in embeddings.items():
        seconds = float(e.utterances["seconds"].sum())
        rows.append(
            {
                "corpus": corpus_registry.get(corpus).name,
                "utterances": len(e.vectors),
                "speech (min)": round(seconds / 60, 1),
                "dimension": e.vectors.shape[1],
                "pooling": e.metadata["pooling"],
                "weights stored as": e.metadata["weights_dtype"],
                "computed in": e.metadata["dtype"],
                "utterances/s": e.run.get("utterances_per_second", "–"),
                "processes": e.run.get("workers", "–"),
                "device": e.metadata["device"],
                "commit": e.metadata["commit"],
            }
        )
    return pd.DataFrame(rows).set_index("corpus").T if rows else pd.DataFrame()


def window_share(ptm: str, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return how much of a model's fixed window utterances cover (percent), by corpus.

    Empty for a model without a fixed window.
    """
    window = extraction_jobs.window(ptm)  # without the loader, which takes seconds to import
    if not window:
        return pd.DataFrame(columns=["mean", "least", "most"])
    share = 100 * utterances["seconds"] / window
    table = share.groupby(utterances["corpus"], sort=False).agg(["mean", "min", "max"])
    return table.set_axis(["mean (%)", "least (%)", "most (%)"], axis=1).round(1)
