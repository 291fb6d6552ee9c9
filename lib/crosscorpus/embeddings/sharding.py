"""Read, encode and write utterances shard by shard: by processes on a CPU, or one after the other on a GPU."""

import concurrent.futures
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import processes, sound, versions
from crosscorpus.base.progress import Progress
from crosscorpus.corpora import decoding, recordings
from crosscorpus.embeddings import embedding_files, store_folders
from crosscorpus.models import extractor_types, loading, model_registry, model_sizes, weights

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


def plan(seconds: Sequence[float] | np.ndarray, device: str, neighbours: int = 0) -> list[list[np.ndarray]]:
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
Keep = Callable[[Load, pd.DataFrame, list[np.ndarray], list[np.ndarray], Path], int]
"""Encodes a shard's utterances and writes its file: loading, rows of the table, waveforms, shard, file; returns
how many. A function of a module, or a `functools.partial` of one: workers import it."""


def run(
    load: Load,
    corpus: str,
    utterances: pd.DataFrame,
    root: Path,
    parts: Path,
    workers: int,
    is_done: Callable[[Path, list[np.ndarray]], bool],
    keep: Keep | None = None,
) -> tuple[list[Path], dict[str, str], dict[str, str]]:
    """Make the shards of a corpus that are not there yet.

    Parameters
    ----------
    load
        What encodes it.
    corpus, utterances, root
        Its id, its table, and the folder of its audio.
    parts
        The folder for the shards' files.
    workers
        Processes side by side; see `extraction.embed`.
    is_done
        Tells whether a file holds a shard.
    keep
        What is kept of a shard; None for one vector an utterance.

    Returns
    -------
    The shards' files, facts of what made them, and how fast that went: empty after a run that was resumed, which
    has no honest figure.
    """
    ptm, pooling, on, folder, _ = load
    model = model_registry.get(ptm)
    shards = plan(utterances["seconds"].tolist(), on, extractor_types.NEIGHBOURS if pooling == "padded" else 0)
    used = {"weights_sha256": weights.fingerprint(folder, model.files) if folder else ""}
    device = versions.of_device(on)
    libraries = ", ".join(f"{name} {version}" for name, version in versions.of_libraries().items())
    # Parts by other weights, another device or other libraries are never gone on from.
    part_of = hashlib.sha256(json.dumps([used, device, libraries]).encode()).hexdigest()[:16]
    files = [parts / part_of / f"{number:05d}.safetensors" for number in range(len(shards))]
    to_do = [(s, f) for s, f in zip(shards, files, strict=True) if not is_done(f, s)]
    started, spent = time.perf_counter(), processes.processor_time()
    stored = len(utterances) - sum(len(b) for s, _ in to_do for b in s)
    with Progress(f"{model.name} on {corpus}", len(utterances), "utterances", stored) as bar:
        on_device = on_cpu if on == "cpu" else on_gpu
        speed = on_device(load, utterances, root, to_do, workers, bar, keep=keep)
    elapsed = time.perf_counter() - started
    speed["processor_seconds"] = f"{processes.processor_time() - spent:.2f}"  # workers have ended
    speed |= {"utterances_per_second": f"{len(utterances) / elapsed:.2f}", "seconds": f"{elapsed:.1f}"}
    facts = {"corpus": corpus, "dim": str(model.dimension), "device": device, "commit": versions.of_commit()}
    facts |= used | {"libraries": libraries}
    return files, facts, speed if len(to_do) == len(shards) else {}


def holds(file: Path, shard: list[np.ndarray]) -> bool:
    """Tell whether a file holds one vector for each utterance of a shard."""
    try:
        return np.array_equal(embedding_files.read_part(file)[1], np.concatenate(shard))
    except (store_folders.NotStoredError, store_folders.StoredWrongError):
        return False


def on_cpu(
    load: Load,
    utterances: pd.DataFrame,
    root: Path,
    tasks: list[Task],
    workers: int,
    bar: Progress,
    pool: concurrent.futures.Executor | None = None,
    keep: Keep | None = None,
) -> dict[str, str]:
    """Encode and write shards, in `workers` processes of one thread (0: one a core); return facts of the run."""
    jobs = ((load, utterances.iloc[np.concatenate(s)], root, s, f, keep) for s, f in tasks)
    workers = model_sizes.fitting(load[0], load[4], processes.count_of(workers))
    for done in processes.run(_embed_shard, jobs, workers, pool):
        bar.update(done)
    return {"workers": str(workers)}


def on_gpu(
    load: Load,
    utterances: pd.DataFrame,
    root: Path,
    tasks: list[Task],
    workers: int,
    bar: Progress,
    keep: Keep | None = None,
) -> dict[str, str]:
    """Encode shards one after the other, while threads decode the next one; as `on_cpu`, with one worker."""
    model_sizes.fitting(load[0], load[4], 1)  # weights go through the machine's memory to the GPU's

    def start(shard: list[np.ndarray]) -> list[concurrent.futures.Future]:
        return [pool.submit(read, row, root) for row in utterances.iloc[np.concatenate(shard)].itertuples()]

    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        ahead = start(tasks[0][0]) if tasks else []
        for number, (shard, file) in enumerate(tasks):
            waveforms = [future.result() for future in ahead]
            ahead = start(tasks[number + 1][0]) if number + 1 < len(tasks) else []
            rows = utterances.iloc[np.concatenate(shard)]
            bar.update((keep or write_shard)(load, rows, waveforms, shard, file))
    return {"workers": "1"}


_loaded: dict[Load, extractor_types.Extractor] = {}


def _embed_shard(
    load: Load, rows: pd.DataFrame, root: Path, shard: list[np.ndarray], file: Path, keep: Keep | None = None
) -> int:
    import torch  # seconds to import, and not needed to look up what is stored

    torch.set_num_threads(1)
    waveforms = [read(row, root) for row in rows.itertuples()]
    return (keep or write_shard)(load, rows, waveforms, shard, file)


def loaded(load: Load) -> extractor_types.Extractor:
    """Return an extractor; it is loaded once a process, and the one before is let go."""
    if load not in _loaded:
        _loaded.clear()
        ptm, pooling, device, folder, dtype = load
        _loaded[load] = loading.load(ptm, pooling, device, folder, dtype)
    return _loaded[load]


def encode(extract: Callable[..., Any], waveforms: Sequence[np.ndarray], divide: bool = True) -> Any:
    """Return what a function makes of waveforms; where memory does not hold the batch, encode it in halves.

    Parameters
    ----------
    extract
        The extractor's function, or another that returns an array [utterances, ...], or a list of one array each.
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
    first, second = (encode(extract, part) for part in (waveforms[:half], waveforms[half:]))
    return first + second if isinstance(first, list) else np.concatenate([first, second])


def batches(waveforms: list[np.ndarray], shard: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Yield the waveforms of a shard, batch by batch."""
    at = 0
    for batch in shard:
        yield waveforms[at : at + len(batch)]
        at += len(batch)


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # TensorFlow's, without importing it; and what torch's allocator for CPUs raises
    return type(error).__name__ == "ResourceExhaustedError" or "DefaultCPUAllocator" in str(error)


def write_shard(
    load: Load, rows: pd.DataFrame, waveforms: list[np.ndarray], shard: list[np.ndarray], file: Path
) -> int:
    """Encode a shard and write its vectors, one an utterance; see `Keep`."""
    extractor = loaded(load)
    divide = load[1] != "padded"
    together = np.concatenate([encode(extractor.extract, b, divide) for b in batches(waveforms, shard)])
    model = model_registry.get(load[0])
    embedding_files.check_vectors(together, rows, model.dimension, f"{model.name} on {rows['corpus'].iloc[0]}")
    facts = {"parameters": str(extractor.parameters), "weights_dtype": extractor.weights_dtype}
    embedding_files.write_embeddings(file, together, facts, np.concatenate(shard))
    return len(together)


def read(row: object, root: Path) -> np.ndarray:
    """Return the audio of a row of a table as extractors take it: float32, mono, 16 kHz."""
    path = root / row.path  # type: ignore[attr-defined]
    samples, rate = decoding.read(path, *recordings.span(row.start, row.end))  # type: ignore[attr-defined]
    if sound.fingerprint(samples, rate) != row.sha256:  # type: ignore[attr-defined]
        raise decoding.AudioError(path, "has changed since the corpus was read", "run the extraction again")
    return sound.resample(samples, rate)
