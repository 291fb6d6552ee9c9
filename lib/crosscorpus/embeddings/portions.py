"""Embed a corpus in portions, as many as jobs share it, and join them by reference.

A portion is some of the shards (`sharding.plan`) of a corpus, so its vectors are, to the last bit, those that one
job would have made. Each is a file of its own. What joins them is a small file under the name that the embeddings
of the whole corpus have; it names the portions and their hashes, and every reader follows it (`embedding_files`).
"""

import contextlib
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import devices, remote_store
from crosscorpus.embeddings import (
    availability,
    corpus_scans,
    embedding_files,
    extraction,
    extraction_jobs,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import extractor_types, model_registry, weights


@dataclass(frozen=True)
class _Whole:
    """A corpus that is embedded in portions: its table, what decides its vectors, and their file."""

    utterances: pd.DataFrame
    identity: dict[str, str]
    file: Path

    def portion(self, number: int, count: int) -> Path:
        """Return the file of a portion, by its number from 1 on."""
        return embedding_files.folder_of_portions(self.file) / f"{number:05d}-of-{count:05d}.safetensors"


def divide(
    seconds: Sequence[float] | np.ndarray, on: str, count: int, neighbours: int = 0, window: float = 0
) -> list[np.ndarray]:
    """Divide a corpus among jobs.

    Parameters
    ----------
    seconds
        Durations in the order of the table of utterances.
    on
        "cpu" or "cuda".
    count
        How many portions, at most: there are never more than shards.
    neighbours
        See `sharding.plan`.
    window
        Seconds that a model encodes at least, however short an utterance; see `extraction_jobs.window`.

    Returns
    -------
    Portions of about the same work, each an ascending array of positions in the table.
    """
    shards = [np.concatenate(shard) for shard in sharding.plan(seconds, on, neighbours)]
    each = extraction_jobs.encoded(seconds, window)
    ends = np.cumsum([each[shard].sum() for shard in shards])
    middles = ends - np.diff(ends, prepend=0.0) / 2
    _, of = np.unique((middles * count / ends[-1]).astype(int), return_inverse=True)
    starts = np.searchsorted(of, np.arange(of[-1] + 1))
    return [np.sort(np.concatenate(some)) for some in _split(shards, starts[1:])]


def _split(shards: list[np.ndarray], at: np.ndarray) -> list[list[np.ndarray]]:
    bounds = [0, *at.tolist(), len(shards)]
    return [shards[start:end] for start, end in itertools.pairwise(bounds)]


def embed(
    ptm: str,
    corpus: str,
    number: int,
    count: int,
    *,
    pooling: str = "",
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
    dtype: str = "float32",
) -> str:
    """Embed a portion of a corpus from audio, unless it is stored; say what was done.

    Parameters
    ----------
    ptm, corpus, pooling, device, mirror, workers, dtype
        See `extraction.embed`.
    number, count
        Which portion, from 1 on, of how many.

    Raises
    ------
    ValueError
        There is no such portion.
    model_registry.NotAvailableError
        The model or the corpus is not here; the message says what is needed.
    """
    if not 1 <= number <= count:
        raise ValueError(f"portion {number}/{count}: the first number is from 1 to the second; write 1/{count}")
    whole, root = _whole(ptm, corpus, pooling, mirror, dtype), availability.needed_root(corpus, mirror)
    name = f"portion {number} of {count} of {corpus} by {ptm}"
    if extraction.is_made(whole.file, ptm, mirror):
        return f"{name}: the whole corpus is stored"
    pooling, on = pooling or model_registry.get(ptm).pooling, devices.choose_device(device)
    neighbours = extractor_types.NEIGHBOURS if pooling == "padded" else 0
    seconds, window = whole.utterances["seconds"].to_numpy(), extraction_jobs.window(ptm)
    portions = divide(seconds, on, count, neighbours, window)
    if number > len(portions):
        return f"{name}: there is nothing in it, as the corpus has shards for {len(portions)}"
    rows, file = portions[number - 1], whole.portion(number, count)
    if _holds(file, whole.identity, rows) and extraction.is_made(file, ptm, mirror):
        return f"{name}: {len(rows)} utterances are stored"
    load = (ptm, pooling, on, weights.fetch(ptm, mirror), dtype)
    table = whole.utterances.iloc[rows].reset_index(drop=True)
    extraction.extract_into(load, corpus, workers, table, root, whole.identity, file, rows=rows)
    return f"{name}: {len(rows)} utterances"


def join(
    ptm: str,
    corpus: str,
    count: int,
    *,
    pooling: str = "",
    mirror: str | None = None,
    dtype: str = "float32",
) -> str:
    """Join the stored portions of a corpus by reference, unless they are joined; say what was done.

    One portion at a time is in memory. Parameters as in `embed`.

    Raises
    ------
    store_folders.NotStoredError
        A portion has not been made; the message names the command that makes it.
    store_folders.StoredWrongError
        A portion is damaged, portions were made with different weights, or utterances of different portions have
        equal vectors though their audio differs.
    """
    whole = _whole(ptm, corpus, pooling, mirror, dtype)
    name = f"{corpus} by {ptm}"
    if extraction.is_made(whole.file, ptm, mirror):
        return f"{name}: stored already"
    seen, hashes = np.zeros(len(whole.utterances), dtype=int), np.zeros(len(whole.utterances), dtype=np.int64)
    facts, runs, referred = [], [], []
    for number in range(1, count + 1):
        file = whole.portion(number, count)
        if not remote_store.here(file):
            continue
        vectors, rows, made_by, reference = embedding_files.read_portion(file)
        seen[rows] += 1
        hashes[rows] = [hash(vector.tobytes()) for vector in vectors]
        referred.append(reference)
        facts.append(made_by)
        runs.append(embedding_files.read_run(file))
    absent = np.flatnonzero(seen != 1)
    if len(absent):
        first = whole.utterances["utterance"].iloc[int(absent[0])]
        make = f"python -m crosscorpus.embeddings portion --model {ptm} --corpus {corpus} --of {count} --number N"
        raise store_folders.NotStoredError(
            f"{name}: {len(absent)} utterances are in no portion of {count}, first {first}; `{make}` makes one"
        )
    embedding_files.check_repeated(hashes, whole.utterances, name)
    embedding_files.write_references(whole.file, referred, whole.identity | _together(facts, name))
    run: dict[str, str] = {}
    if all(runs):
        seconds = sum(float(run["seconds"]) for run in runs)
        speed = {"utterances_per_second": f"{len(seen) / seconds:.2f}", "seconds": f"{seconds:.1f}"}
        if all("processor_seconds" in run for run in runs):  # those of the version before lack it
            speed["processor_seconds"] = f"{sum(float(run['processor_seconds']) for run in runs):.2f}"
        run = {**runs[0], **speed}
    embedding_files.send(whole.file, run)
    return f"{name}: {len(seen)} utterances in {len(referred)} portions"


def _whole(ptm: str, corpus: str, pooling: str, mirror: str | None, dtype: str) -> _Whole:
    pooling = pooling or model_registry.get(ptm).pooling
    utterances = _read(corpus, mirror)
    identity = store.identity(ptm, pooling, utterances, dtype)
    file = store.embeddings_path(ptm, corpus, pooling, store.key(identity), dtype=dtype)
    return _Whole(utterances, identity, file)


def _read(corpus: str, mirror: str | None) -> pd.DataFrame:
    # What was read stays: an utterance whose audio has changed since is refused where it is encoded. The table of
    # a corpus that embeddings were added for is not of this audio.
    if corpus_scans.is_stored(corpus, "audio"):
        with contextlib.suppress(store_folders.NotStoredError):
            return corpus_scans.read_scan(corpus, "audio").utterances
    return corpus_scans.fresh(corpus, availability.needed_root(corpus, mirror)).utterances


def _holds(file: Path, identity: dict[str, str], rows: np.ndarray) -> bool:
    try:
        _, stored, made_by, _ = embedding_files.read_portion(file)
    except (store_folders.NotStoredError, store_folders.StoredWrongError):
        return False
    same = all(made_by.get(fact) == value for fact, value in identity.items())
    return same and np.array_equal(stored, rows)


def _together(facts: list[dict[str, str]], name: str) -> dict[str, str]:
    """Return the facts of all portions: where they differ, as devices may, each value once."""
    values = {fact: list(dict.fromkeys(one.get(fact, "unknown") for one in facts)) for fact in facts[0]}
    if len(values["weights_sha256"]) > 1:
        raise store_folders.StoredWrongError(
            f"{name}: its portions were made with different weights ({', '.join(values['weights_sha256'])}); "
            "delete the folder of portions, and make them again with one copy of the weights"
        )
    return {fact: "; ".join(some) for fact, some in values.items()}


def tidy(ptm: str, corpus: str) -> None:
    """Remove what no longer belongs to any embeddings of a corpus by a model: portions of another number."""
    for folder in (store_folders.folder("audio") / ptm).glob(f"{corpus}-*.portions"):
        whole = folder.with_suffix(".safetensors")
        kept = set(embedding_files.portions_of(whole)) if whole.exists() else set(folder.iterdir())
        for file in set(folder.glob("*.safetensors")) - kept:
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            file.unlink(missing_ok=True)
            embedding_files.run_file(file).unlink(missing_ok=True)
