"""What scores of very many predictions take (`make bench-scores`); written to _build/bench/scores.json.

Synthetic predictions of ten models, two heads, two fold regimes and five seeds, trained on each of ten corpora and
tested on all: 2000 units of work of 50 000 rows. A first part writes each unit's file of predictions, and its
counts, as training does; it is timed by itself. The results side then is one process: it reads the counts of all
units, scores all cells with intervals, and compares all models in pairs in one regime. How memory grows is
measured for 100 of these units and for the same with ten times the rows: what is more, the tables of ten times the
utterances, is as much for all units.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
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
"""What each may be at most; `memory_ratio` is that of ten times the rows in the same units to these rows."""
UNITS, GROWN, ROWS = 2000, 100, 50_000
EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness"]
MODELS, HEADS, REGIMES, SEEDS = 10, ("cnn", "fcn"), ("speaker", "stratified"), range(5)
SPEAKERS = (6, 6, 10, 10, 12, 24, 24, 24, 40, 91)
"""Of each corpus, as in acted ones; each has a tenth of a unit's rows."""
N_FOLDS = 5
COMPARED = "speaker"
"""The regime of paired tests."""
Unit = tuple[str, str, str, int, str]
"""Model, head, regime, seed and training corpus."""


def corpora(rows: int) -> list[store.Embeddings]:
    """Return tables of utterances, without vectors, for as many rows in a unit."""
    rng, made, n = np.random.default_rng(0), [], rows // len(SPEAKERS)
    for number, speakers in enumerate(SPEAKERS):
        corpus, speaker = f"corpus-{number}", np.arange(n) % speakers
        table = pd.DataFrame(
            {
                "corpus": corpus,
                "utterance": [f"{corpus}_{i:07d}" for i in range(n)],
                "speaker": [f"s{i:03d}" for i in speaker],
                "emotion": rng.choice(EMOTIONS, n),
                "stratified": rng.integers(1, N_FOLDS + 1, n),
                "by_speaker": speaker % N_FOLDS + 1,
            }
        )
        made.append(store.Embeddings("any", corpus, table, np.empty((n, 0), np.float32), {}))
    return made


def units(count: int) -> list[Unit]:
    """Return the first units of work: of a part of them, those of the same cells."""
    ptms, trained = [f"model-{i}" for i in range(MODELS)], [f"corpus-{i}" for i in range(len(SPEAKERS))]
    every = itertools.product(trained, REGIMES, SEEDS, HEADS, ptms)
    return [(ptm, head, regime, seed, corpus) for corpus, regime, seed, head, ptm in every][:count]


def file_of(folder: Path, unit: Unit) -> Path:
    """Return a unit's file of predictions."""
    ptm, head, regime, seed, corpus = unit
    return folder / "predictions" / ptm / corpus / f"{head}-{regime}-{seed}.parquet"


def predicted(number: int, unit: Unit, tests: Sequence[store.Embeddings]) -> pd.DataFrame:
    """Return a unit's predictions, which are right more often than by chance, of some models more than others."""
    ptm, head, regime, seed, corpus = unit
    rng = np.random.default_rng(number)
    rows = pd.concat([test.utterances for test in tests], ignore_index=True)
    true = pd.Index(EMOTIONS).get_indexer(rows["emotion"])
    p = rng.random((len(rows), len(EMOTIONS)), dtype=np.float32)
    p[np.arange(len(rows)), true] += 0.2 + 0.02 * int(ptm[6:])
    p /= p.sum(axis=1, keepdims=True)
    keys = {"ptm": ptm, "head": head, "regime": regime, "seed": seed, "train_corpus": corpus}
    table = rows[["utterance", "emotion"]].assign(**keys, test_corpus=rows["corpus"])
    table["fold"] = rows["stratified" if regime == "stratified" else "by_speaker"]
    table["predicted"] = np.array(EMOTIONS)[p.argmax(axis=1)]
    return table.join(pd.DataFrame(p, columns=[f"p_{emotion}" for emotion in EMOTIONS]))


def write(folder: Path, rows: int, numbered: Sequence[tuple[int, Unit]]) -> float:
    """Write some units; return the seconds of the processor that counting took."""
    tests, known, seconds = corpora(rows), count_files.Known(), 0.0
    for number, unit in numbered:
        table, file = predicted(number, unit, tests), file_of(folder, unit)
        file.parent.mkdir(parents=True, exist_ok=True)
        table_files.write(table, file, {})
        started = time.process_time()
        count_files.read(file, tests, known, table)
        seconds += time.process_time() - started
    return seconds


def results(folder: Path, count: int, rows: int) -> dict[str, float]:
    """Score what was written, in this process; return seconds, also of the processor, and peak memory (GB)."""
    steps: dict[str, float] = {}
    tests, known, begun = corpora(rows), count_files.Known(), time.perf_counter()

    def done(what: str) -> None:
        steps[what] = time.perf_counter() - begun - sum(steps.values())

    counted = count_tables.joined([count_files.read(file_of(folder, unit), tests, known) for unit in units(count)])
    done("reading")
    means = metrics.summary(metrics.per_fold(counted))
    done("folds")
    intervals = metrics.interval(counted)
    done("intervals")
    pairs = comparison.pairs(counted[counted["regime"] == COMPARED], correction="bh")
    done("paired tests")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = dict(line.split(":", 1) for line in lines)["VmHWM"]  # ru_maxrss has the memory of a parent, too
    gb = 1.024e-6 * int(peak.split()[0])
    sizes = {"counts": len(counted), "cells": len(means), "intervals of": len(intervals), "pairs": len(pairs)}
    processor = time.process_time()
    return {"gb": gb, "seconds": time.perf_counter() - begun, "of the processor": processor, **steps, **sizes}


def measured(count: int, rows: int, workers: int) -> dict[str, float]:
    """Write units, score them in a process of its own, and delete them."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    parts = [list(enumerate(units(count)))[start :: 10 * workers] for start in range(10 * workers)]
    started = time.perf_counter()
    counting = sum(joblib.Parallel(workers)(joblib.delayed(write)(FOLDER, rows, part) for part in parts if part))
    facts = {"units": count, "rows": count * rows, "writing": time.perf_counter() - started, "counting": counting}
    command = [sys.executable, "-m", "benchmarks.scores", "--results", str(count), "--rows", str(rows)]
    run = subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(FOLDER)
    found = facts | json.loads(run.stdout.splitlines()[-1])
    print(", ".join(f"{name} {value:,.2f}".removesuffix(".00") for name, value in found.items()), flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help=f"of {UNITS} units (1)")
    parser.add_argument("--workers", type=int, default=2, help="processes that write (2); one scores")
    parser.add_argument("--results", type=int, help="score as many units that were written, and no more")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of a unit ({ROWS})")
    given = parser.parse_args()
    if given.results:
        print(json.dumps(results(FOLDER, given.results, given.rows)))
        return
    few = round(GROWN * given.share)
    small, grown = (measured(few, rows, given.workers) for rows in (given.rows, 10 * given.rows))
    whole = measured(round(UNITS * given.share), given.rows, given.workers)
    found = {
        "seconds": whole["seconds"],
        "gb": whole["gb"],
        "memory_ratio": 1 + (grown["gb"] - small["gb"]) / whole["gb"],
    }
    for name, value in found.items():
        print(f"{name}: {value:.2f}, at most {BARS[name]:.2f}: {'kept' if value <= BARS[name] else 'NOT KEPT'}")
    record = {"measured": [small, grown, whole], **found, "bars": BARS, "on": versions.of_device("cpu")}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
