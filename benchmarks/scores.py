"""What scores of very many predictions take (`make bench-scores`); written to _build/bench/scores.json.

Synthetic predictions of ten models, two heads, two fold regimes and five seeds, trained on each of ten corpora and
tested on all: 2000 units of work. A first part writes each unit's file of predictions, and its counts, as training
does; it is timed by itself. The results side then is one process: it reads the counts of all units, scores all
cells with intervals, and compares all models in pairs in one regime. It is measured with a tenth of the rows, and
with all of them.
"""

import argparse
import itertools
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from crosscorpus.base import paths, table_files, versions
from crosscorpus.embeddings import store
from crosscorpus.scores import comparison, count_tables, metrics
from crosscorpus.training import count_files

RESULT = paths.BUILD / "bench" / "scores.json"
FOLDER = paths.BUILD / "bench" / "scores"
BARS = {"seconds": 300.0, "gb": 2.0, "memory_ratio": 1.1}
"""What each may be at most; `memory_ratio` is that of all rows to a tenth of them."""
ROWS = 100_000_000
EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness"]
MODELS, HEADS, REGIMES, SEEDS = 10, ("cnn", "fcn"), ("stratified", "speaker"), range(5)
SPEAKERS = (6, 6, 10, 10, 24, 24, 40, 60, 91, 200)
"""Of each corpus: small acted ones, some of middling size, a large one."""
N_FOLDS = 5
Unit = tuple[str, str, str, int, str]
"""Model, head, regime, seed and training corpus."""
COMPARED = "speaker"
"""The regime of paired tests."""


def corpora(share: float) -> list[store.Embeddings]:
    """Return tables of utterances, without vectors, for a share of `ROWS` predictions."""
    rng, made = np.random.default_rng(0), []
    n = round(share * ROWS / len(SPEAKERS) ** 2 / (MODELS * len(HEADS) * len(REGIMES) * len(SEEDS)))
    for number, speakers in enumerate(SPEAKERS):
        corpus = f"corpus-{number}"
        speaker = np.arange(n) % speakers
        table = pd.DataFrame(
            {
                "corpus": corpus,
                "utterance": [f"{corpus}_{i:07d}" for i in range(n)],
                "speaker": [f"s{i:03d}" for i in speaker],
                "emotion": rng.choice(EMOTIONS, n),
                "stratified": rng.integers(1, N_FOLDS + 1, n),
                "speaker_fold": speaker % N_FOLDS + 1,
            }
        )
        made.append(store.Embeddings("any", corpus, table, np.empty((n, 0), np.float32), {}))
    return made


def units() -> list[Unit]:
    """Return all units of work."""
    ptms, trained = [f"model-{i}" for i in range(MODELS)], [f"corpus-{i}" for i in range(len(SPEAKERS))]
    return list(itertools.product(ptms, HEADS, REGIMES, SEEDS, trained))


def file_of(folder: Path, unit: Unit) -> Path:
    """Return a unit's file of predictions."""
    ptm, head, regime, seed, corpus = unit
    return folder / "predictions" / ptm / corpus / f"{head}-{regime}-{seed}.parquet"


def predicted(number: int, unit: Unit, tests: Sequence[store.Embeddings]) -> pd.DataFrame:
    """Return a unit's predictions: two fifths right, more by one model than by another."""
    ptm, head, regime, seed, corpus = unit
    rng = np.random.default_rng(number)
    rows = pd.concat([test.utterances for test in tests], ignore_index=True)
    true = rows["emotion"].map(EMOTIONS.index).to_numpy()
    p = rng.exponential(size=(len(rows), len(EMOTIONS))).astype(np.float32)
    p[np.arange(len(rows)), true] += 0.5 + 0.05 * int(ptm[6:])
    p /= p.sum(axis=1, keepdims=True)
    keys = {"ptm": ptm, "head": head, "regime": regime, "seed": seed, "train_corpus": corpus}
    table = pd.DataFrame({**keys, "test_corpus": rows["corpus"]})
    table["fold"] = rows["stratified" if regime == "stratified" else "speaker_fold"]
    table[["utterance", "emotion"]] = rows[["utterance", "emotion"]]
    table["predicted"] = np.array(EMOTIONS)[p.argmax(axis=1)]
    return table.join(pd.DataFrame(p, columns=[f"p_{emotion}" for emotion in EMOTIONS]))


def write(folder: Path, share: float, numbers: Sequence[int]) -> tuple[int, float]:
    """Write some units; return their rows, and the seconds that counting took."""
    tests, each, n, seconds = corpora(share), units(), 0, 0.0
    known: dict[int, str] = {}
    for number in numbers:
        table, file = predicted(number, each[number], tests), file_of(folder, each[number])
        file.parent.mkdir(parents=True, exist_ok=True)
        table_files.write(table, file, {})
        n, started = n + len(table), time.perf_counter()
        count_files.read(file, tests, known, table)
        seconds += time.perf_counter() - started
    return n, seconds


def results(folder: Path, share: float) -> dict[str, float]:
    """Score what was written, in this process; return seconds and peak memory (GB)."""
    steps: dict[str, float] = {}

    def done(what: str, started: float) -> float:
        steps[f"seconds of {what}"] = time.perf_counter() - started
        return time.perf_counter()

    tests, known, begun = corpora(share), dict[int, str](), time.perf_counter()
    counted = count_tables.joined([count_files.read(file_of(folder, unit), tests, known) for unit in units()])
    at = done("reading", begun)
    means = metrics.summary(metrics.per_fold(counted))
    at = done("folds", at)
    intervals = metrics.interval(counted)
    at = done("intervals", at)
    pairs = comparison.pairs(counted[counted["regime"] == COMPARED], correction="bh")
    done("paired tests", at)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sizes = {"counts": len(counted), "cells": len(means), "intervals": len(intervals), "pairs": len(pairs)}
    return {"gb": peak, "seconds": time.perf_counter() - begun, **steps, **sizes}


def measured(share: float, workers: int) -> dict[str, float]:
    """Write a share of the rows, score them in a process of their own, and delete them."""
    folder = FOLDER / f"{share:g}"
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    parts = np.array_split(np.arange(len(units())), 10 * workers)
    written: Iterator[tuple[int, float]] = joblib.Parallel(workers)(
        joblib.delayed(write)(folder, share, part) for part in parts
    )
    rows, counting = (sum(column) for column in zip(*written, strict=True))
    facts = {"rows": rows, "units": len(units()), "seconds of writing": time.perf_counter() - started}
    command = [sys.executable, "-m", "benchmarks.scores", "--results", str(folder), "--share", str(share)]
    run = subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(folder)
    found = facts | {"seconds of counting": counting} | json.loads(run.stdout.splitlines()[-1])
    print(", ".join(f"{name}: {value:,.2f}".removesuffix(".00") for name, value in found.items()), flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of 100 million rows (1)")
    parser.add_argument("--workers", type=int, default=2, help="processes that write (2); one scores")
    parser.add_argument("--results", type=Path, help="score what is in this folder, and no more")
    given = parser.parse_args()
    if given.results:
        print(json.dumps(results(given.results, given.share)))
        return
    rows = [measured(share, given.workers) for share in (0.1 * given.share, given.share)]
    found = {name: rows[-1][name] for name in ("seconds", "gb")}
    found["memory_ratio"] = rows[-1]["gb"] / rows[0]["gb"]
    for name, value in found.items():
        print(f"{name}: {value:.2f}, at most {BARS[name]:.2f}: {'kept' if value <= BARS[name] else 'NOT KEPT'}")
    record = {"measured": rows, **found, "bars": BARS, "on": versions.of_device("cpu")}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
