"""Embed the utterances of a corpus: from audio files, through an extractor, into the store.

Utterances are read, encoded and written in shards, so memory does not grow with the corpus, and a run that
was stopped goes on where it was.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from crosscorpus import audio, corpora, extractors, names, store, versions

SHARD = 32
BATCH = 8


def embed(
    ptm: str,
    corpus: str,
    *,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
) -> store.Embeddings:
    """Return the embeddings of a corpus, extracting those that the store does not hold yet.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    pooling
        One of `extractors.poolings(ptm)`; "" for the model's default.
    device
        "auto", "cpu" or "cuda".
    mirror
        Folder of local copies; see `paths.mirror`.
    workers
        Processes side by side, each with one thread; 0 for one a core. On a GPU there is one.

    Raises
    ------
    extractors.NotAvailableError
        The model or the corpus is not here; the message says what is needed.
    """
    root = corpora.find(corpus, mirror)
    if root is None:
        entry = corpora.get(corpus)
        raise extractors.NotAvailableError(
            f"{entry.name}: no audio in corpora/{corpus} of the mirror; get it from {entry.home}"
        )
    pooling = pooling or extractors.get(ptm).pooling
    scan = corpora.scan(corpus, root)
    store.write_scan(corpus, scan, store.folder("audio"))
    identity = store.identity(ptm, pooling, scan.utterances)
    whole = store.embeddings_path(ptm, corpus, pooling, store.key(identity))
    if not whole.exists():
        _extract(ptm, corpus, pooling, device, mirror, workers, scan.utterances, root, identity, whole)
    return store.load(ptm, corpus, "audio", pooling)


def _extract(
    ptm: str,
    corpus: str,
    pooling: str,
    device: str,
    mirror: str | None,
    workers: int,
    utterances: pd.DataFrame,
    root: Path,
    identity: dict[str, str],
    whole: Path,
) -> None:
    model = extractors.get(ptm)
    on = extractors.choose_device(device)
    extractor = extractors.load(ptm, pooling, on, mirror)
    shards = [utterances.iloc[at : at + SHARD] for at in range(0, len(utterances), SHARD)]
    files = [whole.with_suffix("") / f"{number:05d}.safetensors" for number in range(len(shards))]
    to_do = [(s, f) for s, f in zip(shards, files, strict=True) if not f.exists()]
    started = time.perf_counter()
    jobs = (joblib.delayed(_embed_shard)(ptm, pooling, on, mirror, s, root, f) for s, f in to_do)
    run = joblib.Parallel(n_jobs=(workers or -1) if on == "cpu" else 1, return_as="generator_unordered")
    with tqdm(total=len(utterances), desc=f"{model.name} on {corpus}", unit="utterance", mininterval=5) as bar:
        bar.update(len(utterances) - sum(len(s) for s, _ in to_do))
        for done in run(jobs):
            bar.update(done)
    elapsed = time.perf_counter() - started
    vectors = np.concatenate([store.read_embeddings(file)[0] for file in files])
    store.check_vectors(vectors, utterances, model.dimension, f"{model.name} on {corpus}")
    metadata = identity | {
        "corpus": corpus,
        "dim": str(vectors.shape[1]),
        "dtype": str(vectors.dtype),
        "weights_dtype": extractor.weights_dtype,
        "parameters": str(extractor.parameters),
        "device": versions.of_device(on),
        "commit": versions.of_commit(),
        "libraries": ", ".join(f"{name} {version}" for name, version in versions.of_libraries().items()),
    }
    if len(to_do) == len(shards):  # a resumed run has no honest figure
        metadata["utterances_per_second"] = f"{len(utterances) / elapsed:.2f}"
        metadata["workers"] = str(joblib.effective_n_jobs(run.n_jobs))
    store.write_embeddings(whole, vectors, metadata)
    for file in files:
        file.unlink()
    files[0].parent.rmdir()


_loaded: dict[tuple, extractors.Extractor] = {}


def _embed_shard(
    ptm: str, pooling: str, device: str, mirror: str | None, shard: pd.DataFrame, root: Path, file: Path
) -> int:
    if device == "cpu":
        torch.set_num_threads(1)
    which = (ptm, pooling, device, mirror)
    if which not in _loaded:  # once a process
        _loaded[which] = extractors.load(*which)
    vectors = []
    for at in range(0, len(shard), BATCH):
        waveforms = [_read(row, root) for row in shard.iloc[at : at + BATCH].itertuples()]
        vectors.append(_loaded[which].extract(waveforms))
    store.write_embeddings(file, np.concatenate(vectors), {"ptm": ptm})
    return len(shard)


def _read(row: object, root: Path) -> np.ndarray:
    path = root / row.path  # type: ignore[attr-defined]
    samples, rate = audio.read(path)
    if audio.fingerprint(samples, rate) != row.sha256:  # type: ignore[attr-defined]
        raise audio.AudioError(path, "has changed since the corpus was read", "run the extraction again")
    return audio.resample(samples, rate)


def collect(
    ptm: str,
    corpus_ids: Sequence[str],
    source: str,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
) -> dict[str, store.Embeddings]:
    """Return the embeddings of several corpora: the pack's, or from audio by `embed`.

    What cannot be had is left out, with a printed line that says what it needs.

    Raises
    ------
    store.NotStoredError
        There are no embeddings for any of the corpora.
    """
    names.check(source, store.SOURCES, "source")
    found = {}
    for corpus in corpus_ids:
        try:
            if source == "pack":
                found[corpus] = store.load(ptm, corpus, source, pooling)
            else:
                found[corpus] = embed(ptm, corpus, pooling=pooling, device=device, mirror=mirror, workers=workers)
        except (store.NotStoredError, extractors.NotAvailableError) as error:
            print(f"not yet run: {extractors.get(ptm).name} on {corpora.get(corpus).name}: {error}")
    if not found:
        raise store.NotStoredError(f"no embeddings by {ptm} for {', '.join(corpus_ids)} in source {source!r}")
    return found


def summary(embeddings: Mapping[str, store.Embeddings]) -> pd.DataFrame:
    """Return what was made, by corpus: utterances, dimension, and what made them."""
    rows = []
    for corpus, e in embeddings.items():
        seconds = float(e.utterances["seconds"].sum())
        rate = e.metadata.get("utterances_per_second")
        rows.append(
            {
                "corpus": corpora.get(corpus).name,
                "utterances": len(e.vectors),
                "speech (min)": round(seconds / 60, 1),
                "dimension": e.vectors.shape[1],
                "pooling": e.metadata["pooling"],
                "weights stored as": e.metadata["weights_dtype"],
                "utterances/s": rate or "–",
                "device": e.metadata["device"],
                "commit": e.metadata["commit"],
            }
        )
    return pd.DataFrame(rows).set_index("corpus").T


def window_share(ptm: str, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return how much of a model's fixed window utterances cover (percent), by corpus.

    Empty for a model without a fixed window.
    """
    window = getattr(extractors.loader(ptm), "WINDOW", None)
    if window is None:
        return pd.DataFrame(columns=["mean", "least", "most"])
    share = 100 * utterances["seconds"] * audio.SAMPLE_RATE / window
    table = share.groupby(utterances["corpus"], sort=False).agg(["mean", "min", "max"])
    return table.set_axis(["mean (%)", "least (%)", "most (%)"], axis=1).round(1)
