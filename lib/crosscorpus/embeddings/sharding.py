"""Read, encode and write utterances shard by shard: by processes on a CPU, or one after the other on a GPU."""

import concurrent.futures
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import processes, sound
from crosscorpus.base.progress import Progress
from crosscorpus.corpora import decoding, recordings
from crosscorpus.embeddings import embedding_files
from crosscorpus.models import extractor_types, loading, model_registry, model_sizes

SHARD = {"cpu": 32, "cuda": 512}
"""Utterances that are written at a time: what a run that is stopped may have to do again, for each worker."""
BATCH = {"cpu": 8, "cuda": 64}
"""Utterances that are encoded at a time, at most."""
BATCH_SECONDS = {"cpu": 32.0, "cuda": 480.0}
"""Seconds of audio that are encoded at a time, padding included, at most (but one utterance at least)."""
READERS = 8
"""Threads that decode audio for a GPU."""
logger = logging.getLogger(__name__)
Load = tuple[str, str, str, Path | None, str]
"""The arguments of `loading.load`."""


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
    workers = model_sizes.fitting(load[0], load[4], processes.count_of(workers))
    for done in processes.run(_embed_shard, jobs, workers, pool):
        bar.update(done)
    return {"workers": str(workers)}


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


_loaded: dict[Load, extractor_types.Extractor] = {}


def _embed_shard(load: Load, rows: pd.DataFrame, root: Path, shard: list[np.ndarray], file: Path) -> int:
    import torch  # seconds to import, and not needed to look up what is stored

    torch.set_num_threads(1)
    return _write_shard(load, rows, [_read(row, root) for row in rows.itertuples()], shard, file)


def loaded(load: Load) -> extractor_types.Extractor:
    """Return an extractor; it is loaded once a process, and the one before is let go."""
    if load not in _loaded:
        _loaded.clear()
        ptm, pooling, device, folder, dtype = load
        _loaded[load] = loading.load(ptm, pooling, device, folder, dtype)
    return _loaded[load]


def encode(extract: extractor_types.Extract, waveforms: Sequence[np.ndarray], divide: bool = True) -> np.ndarray:
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
        seconds = sum(map(len, waveforms)) / sound.SAMPLE_RATE
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
    model = model_registry.get(load[0])
    embedding_files.check_vectors(together, rows, model.dimension, f"{model.name} on {rows['corpus'].iloc[0]}")
    facts = {"parameters": str(extractor.parameters), "weights_dtype": extractor.weights_dtype}
    embedding_files.write_embeddings(file, together, facts, np.concatenate(shard))
    return len(together)


def _read(row: object, root: Path) -> np.ndarray:
    path = root / row.path  # type: ignore[attr-defined]
    samples, rate = decoding.read(path, *recordings.span(row.start, row.end))  # type: ignore[attr-defined]
    if sound.fingerprint(samples, rate) != row.sha256:  # type: ignore[attr-defined]
        raise decoding.AudioError(path, "has changed since the corpus was read", "run the extraction again")
    return sound.resample(samples, rate)
