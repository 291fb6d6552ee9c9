"""Embed the utterances of a corpus: from audio files, through an extractor, into the store.

Utterances are read, encoded and written in shards, so memory does not grow with the corpus, and a run that
was stopped goes on where it was.
"""

import concurrent.futures
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus import (
    audio,
    corpora,
    extractors,
    names,
    processes,
    recordings,
    scans,
    status,
    store,
    versions,
    weights,
)
from crosscorpus.progress import Progress

SHARD = {"cpu": 32, "cuda": 512}
"""Utterances that are written at a time: what a run that is stopped may have to do again, for each worker."""
BATCH = {"cpu": 8, "cuda": 64}
"""Utterances that are encoded at a time, at most."""
BATCH_SECONDS = {"cpu": 32.0, "cuda": 480.0}
"""Seconds of audio that are encoded at a time, padding included, at most (but one utterance at least)."""
READERS = 8
"""Threads that decode audio for a GPU."""

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
    dtype
        What is computed in; see `extractors.load`.

    Raises
    ------
    extractors.NotAvailableError
        The model or the corpus is not here; the message says what is needed.
    """
    root = corpora.find(corpus, mirror)
    if root is None:
        entry = corpora.get(corpus)
        raise extractors.NotAvailableError(
            f"{entry.name}: no audio; `python -m crosscorpus.downloads {corpus}` fetches it, or put it into "
            f"corpora/{corpus}/ of the mirror folder ({entry.home})"
        )
    pooling = pooling or extractors.get(ptm).pooling
    scan = scans.fresh(corpus, root)
    identity = store.identity(ptm, pooling, scan.utterances, dtype)
    whole = store.embeddings_path(ptm, corpus, pooling, store.key(identity), dtype=dtype)
    if not whole.exists() or not store.is_protected(whole) or _made_with_other_weights(ptm, whole, mirror):
        for other in store.others(whole, identity):
            logger.warning(other)
        on = extractors.choose_device(device)
        folder = weights.fetch(ptm, mirror)
        load = (ptm, pooling, on, folder, dtype)
        _extract(load, corpus, workers, scan.utterances, root, identity, whole)
    return store.load(ptm, corpus, "audio", pooling, dtype)


def _made_with_other_weights(ptm: str, whole: Path, mirror: str | None) -> bool:
    here = weights.find(ptm, mirror)
    made_with = store.read_embeddings(whole)[1].get("weights_sha256")
    return here is not None and made_with != weights.fingerprint(here, extractors.get(ptm).files)


Load = tuple[str, str, str, Path | None, str]
"""The arguments of `extractors.load`."""


def plan(seconds: Sequence[float], device: str, neighbours: int = 0) -> list[list[np.ndarray]]:
    """Divide utterances into shards of batches, by the same rule whoever runs them.

    Parameters
    ----------
    seconds
        Durations in the order of the table of utterances.
    device
        "cpu" or "cuda".
    neighbours
        0: batches of similar length, longest first. Otherwise batches of so many, in the table's order.

    Returns
    -------
    Shards, each a list of batches, each an array of positions in the table.
    """
    lengths = np.asarray(seconds, dtype=float)
    order = np.arange(len(lengths)) if neighbours else np.argsort(-lengths, kind="stable")
    batches: list[list[int]] = []
    for position in order:
        full = neighbours or BATCH[device]
        if not neighbours and batches and batches[-1]:
            full = min(full, int(BATCH_SECONDS[device] / max(lengths[batches[-1][0]], 1e-3)))
        if not batches or len(batches[-1]) >= full:
            batches.append([])
        batches[-1].append(int(position))
    shards: list[list[np.ndarray]] = []
    for batch in batches:
        if not shards or sum(map(len, shards[-1])) + len(batch) > SHARD[device]:
            shards.append([])
        shards[-1].append(np.array(batch))
    return shards


def _extract(
    load: Load,
    corpus: str,
    workers: int,
    utterances: pd.DataFrame,
    root: Path,
    identity: dict[str, str],
    whole: Path,
) -> None:
    ptm, pooling, on, folder, _ = load
    model = extractors.get(ptm)
    neighbours = extractors.NEIGHBOURS if pooling == "padded" else 0
    shards = plan(utterances["seconds"].tolist(), on, neighbours)
    used = {"weights_sha256": weights.fingerprint(folder, model.files) if folder else ""}
    device = versions.of_device(on)
    libraries = ", ".join(f"{name} {version}" for name, version in versions.of_libraries().items())
    # Parts by other weights, another device or other libraries are never gone on from.
    part_of = hashlib.sha256(json.dumps([used, device, libraries]).encode()).hexdigest()[:16]
    parts = whole.with_suffix("")
    files = [parts / part_of / f"{number:05d}.safetensors" for number in range(len(shards))]
    to_do = [(s, f) for s, f in zip(shards, files, strict=True) if not _is_done(f, s)]
    started = time.perf_counter()
    stored = len(utterances) - sum(len(b) for s, _ in to_do for b in s)
    with Progress(f"{model.name} on {corpus}", len(utterances), "utterances", stored) as bar:
        on_device = on_cpu if on == "cpu" else on_gpu
        facts = on_device(load, utterances, root, to_do, workers, bar)
    elapsed = time.perf_counter() - started
    vectors = np.empty((len(utterances), model.dimension), dtype=np.float32)
    try:
        for file in files:
            part, rows = store.read_part(file)
            vectors[rows] = part
        loaded = store.read_embeddings(files[0])[1]
    except store.NotStoredError:
        if not whole.exists():
            raise
        return shutil.rmtree(parts, ignore_errors=True)  # another run of the same has finished just now
    store.check_vectors(vectors, utterances, model.dimension, f"{model.name} on {corpus}")
    made_by = {
        "corpus": corpus,
        "dim": str(model.dimension),
        "device": device,
        "commit": versions.of_commit(),
        "libraries": libraries,
    }
    store.write_embeddings(whole, vectors, identity | used | loaded | made_by)
    if len(to_do) == len(shards):  # a resumed run has no honest figure
        speed = {"utterances_per_second": f"{len(utterances) / elapsed:.2f}", "seconds": f"{elapsed:.1f}"}
        store.write_run(whole, speed | facts)
    shutil.rmtree(parts, ignore_errors=True)


def _is_done(file: Path, shard: list[np.ndarray]) -> bool:
    try:
        return np.array_equal(store.read_part(file)[1], np.concatenate(shard))
    except (store.NotStoredError, store.StoredWrongError):
        return False


Task = tuple[list[np.ndarray], Path]
"""A shard, and the file that it is written to."""


def on_cpu(
    load: Load,
    utterances: pd.DataFrame,
    root: Path,
    tasks: list[Task],
    workers: int,
    bar: Progress,
    pool: concurrent.futures.Executor | None = None,
) -> dict[str, str]:
    """Encode and write shards, in `workers` processes of one thread (0: one a core); return facts of the run."""
    jobs = ((load, utterances.iloc[np.concatenate(s)], root, s, f) for s, f in tasks)
    for done in processes.run(_embed_shard, jobs, workers, pool):
        bar.update(done)
    return {"workers": str(processes.count_of(workers))}


def on_gpu(
    load: Load, utterances: pd.DataFrame, root: Path, tasks: list[Task], workers: int, bar: Progress
) -> dict[str, str]:
    """Encode shards one after the other, while threads decode the next one; as `on_cpu`, with one worker."""

    def start(shard: list[np.ndarray]) -> list[concurrent.futures.Future]:
        return [pool.submit(_read, row, root) for row in utterances.iloc[np.concatenate(shard)].itertuples()]

    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        ahead = start(tasks[0][0]) if tasks else []
        for number, (shard, file) in enumerate(tasks):
            waveforms = [future.result() for future in ahead]
            ahead = start(tasks[number + 1][0]) if number + 1 < len(tasks) else []
            bar.update(_write_shard(load, utterances.iloc[np.concatenate(shard)], waveforms, shard, file))
    return {"workers": "1"}


_loaded: dict[Load, extractors.Extractor] = {}


def _embed_shard(load: Load, rows: pd.DataFrame, root: Path, shard: list[np.ndarray], file: Path) -> int:
    import torch  # seconds to import, and not needed to look up what is stored

    torch.set_num_threads(1)
    return _write_shard(load, rows, [_read(row, root) for row in rows.itertuples()], shard, file)


def loaded(load: Load) -> extractors.Extractor:
    """Return an extractor; it is loaded once a process, and the one before is let go."""
    if load not in _loaded:
        _loaded.clear()
        ptm, pooling, device, folder, dtype = load
        _loaded[load] = extractors.load(ptm, pooling, device, folder, dtype)
    return _loaded[load]


def encode(extract: extractors.Extract, waveforms: Sequence[np.ndarray], divide: bool = True) -> np.ndarray:
    """Return embeddings [utterances, dim]; where memory does not hold the batch, encode it in halves.

    Parameters
    ----------
    extract
        The extractor's function.
    waveforms
        float32 arrays, mono, 16 kHz.
    divide
        False where an embedding depends on the batch (pooling `padded`): then the error goes on.

    Raises
    ------
    MemoryError
        Not even one utterance fits, or the batch may not be divided.
    """
    try:
        return extract(waveforms)
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        seconds = sum(map(len, waveforms)) / audio.SAMPLE_RATE
        batch = f"{len(waveforms)} utterances ({seconds:.1f} s)"
        if len(waveforms) == 1 or not divide:
            raise MemoryError(
                f"a batch of {batch} does not fit into memory and cannot be divided; free memory of the device, "
                "use the parameter device=cpu, or leave out the longest utterances"
            ) from error
        half = len(waveforms) // 2
        logger.warning("out of memory with %s: going on with %d and %d", batch, half, len(waveforms) - half)
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # outside of the handler, which keeps the failed batch alive
    return np.concatenate([encode(extract, part) for part in (waveforms[:half], waveforms[half:])])


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # TensorFlow's, without importing it; and what torch's allocator for CPUs raises
    return type(error).__name__ == "ResourceExhaustedError" or "DefaultCPUAllocator" in str(error)


def _write_shard(
    load: Load, rows: pd.DataFrame, waveforms: list[np.ndarray], shard: list[np.ndarray], file: Path
) -> int:
    extractor = loaded(load)
    vectors, at = [], 0
    by_batch = load[1] == "padded"
    for batch in shard:
        vectors.append(encode(extractor.extract, waveforms[at : at + len(batch)], divide=not by_batch))
        at += len(batch)
    together = np.concatenate(vectors)
    model = extractors.get(load[0])
    store.check_vectors(together, rows, model.dimension, f"{model.name} on {rows['corpus'].iloc[0]}")
    facts = {"parameters": str(extractor.parameters), "weights_dtype": extractor.weights_dtype}
    store.write_embeddings(file, together, facts, np.concatenate(shard))
    return len(together)


def _read(row: object, root: Path) -> np.ndarray:
    path = root / row.path  # type: ignore[attr-defined]
    samples, rate = audio.read(path, *recordings.span(row.start, row.end))  # type: ignore[attr-defined]
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
    dtype: str = "float32",
    extract: bool = True,
) -> dict[str, store.Embeddings]:
    """Return the embeddings of several corpora: the pack's, or from audio by `embed`; see `store` for sources.

    What cannot be had is left out, with a printed line that says what it needs; without `extract`, so is what is
    not stored yet. All corpora are read before the model is loaded: what is wrong with one is known at once.
    """
    names.check(source, store.SOURCES, "source")
    from_pack = {c for c in corpus_ids if source == "any" and status.is_stored(ptm, c, "pack")}
    if source != "pack" and extract:
        for corpus in corpus_ids:
            root = None if corpus in from_pack else corpora.find(corpus, mirror)
            if root is not None:
                scans.fresh(corpus, root)
    found = {}
    for corpus in corpus_ids:
        try:
            if source == "pack" or corpus in from_pack:
                found[corpus] = store.load(ptm, corpus, "pack", pooling, dtype)
            elif not extract:
                found[corpus] = store.load(ptm, corpus, "audio", pooling, dtype)
            else:
                how = {"pooling": pooling, "device": device, "mirror": mirror, "workers": workers, "dtype": dtype}
                found[corpus] = embed(ptm, corpus, **how)  # type: ignore[arg-type]
        except store.NotStoredError:
            made_by = store.command(ptm, corpus, pooling, dtype)
            print(f"Not yet run on {corpora.get(corpus).name}. To run it:\n  {made_by}")
        except extractors.NotAvailableError as error:
            print(f"Not yet run on {corpora.get(corpus).name}. {error}")
    return found


def summary(embeddings: Mapping[str, store.Embeddings]) -> pd.DataFrame:
    """Return what was made, by corpus: utterances, dimension, and what made them."""
    rows = []
    for corpus, e in embeddings.items():
        seconds = float(e.utterances["seconds"].sum())
        rows.append(
            {
                "corpus": corpora.get(corpus).name,
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
    window = getattr(extractors.loader(ptm), "WINDOW", None)
    if window is None:
        return pd.DataFrame(columns=["mean", "least", "most"])
    share = 100 * utterances["seconds"] * audio.SAMPLE_RATE / window
    table = share.groupby(utterances["corpus"], sort=False).agg(["mean", "min", "max"])
    return table.set_axis(["mean (%)", "least (%)", "most (%)"], axis=1).round(1)
