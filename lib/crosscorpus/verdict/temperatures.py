"""Whether sureness carries over: temperatures fitted on validation parts (`make temperatures`)."""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import paths, processes, progress
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import calibration, label_sets, metrics
from crosscorpus.training import baselines, training_tasks, unit_of_work
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "temperatures.csv"
PTMS = ("whisper-base", "ecapa-tdnn", "egemaps", "mfcc")
CORPORA = ("emodb", "ravdess", "aesdd", "mesd")
REGIME = "speaker"
HEADS = ("fcn", "logistic")
WAYS = ("as trained", "with temperature")
COLUMNS = [*metrics.CELL, "way", "temperature", "n_validation", "bin", "sure", "right", "n"]


def fitted(unit: unit_of_work.Unit) -> tuple[list[Callable[[np.ndarray], np.ndarray]], list[float], list[int]]:
    """Train a head or a baseline on each fold, and fit a temperature on the fold's validation part.

    Returns
    -------
    For each fold: what returns class probabilities [utterances, classes] of embeddings [utterances, dim], as
    trained; the temperature; and how many utterances it was fitted on. It is 1 where none are held out.
    """
    from crosscorpus.training import engine, train  # Keras takes seconds to import

    tasks = unit_of_work.trainings(unit)
    parts = [training_tasks.parts(task, unit.settings) for task in tasks]
    predictors: list[Callable[[np.ndarray], np.ndarray]]
    if unit.head in baselines.BASELINES:
        predictors = [
            functools.partial(
                baselines.predict, baselines.fit(unit.head, task.X[part], task.y[part], unit.settings)
            )
            for task, (part, _) in zip(tasks, parts, strict=True)
        ]
    else:
        predictors = [functools.partial(train.predict, one) for one in engine.fit_many(tasks, unit.settings)]
    found = [
        calibration.temperature(predict(task.X[held_out]), task.y[held_out]) if len(held_out) else 1.0
        for predict, task, (_, held_out) in zip(predictors, tasks, parts, strict=True)
    ]
    return predictors, found, [len(held_out) for _, held_out in parts]


def _softened(predict: Callable[[np.ndarray], np.ndarray], t: float, X: np.ndarray) -> np.ndarray:
    return calibration.with_temperature(predict(X), t).astype(np.float32)


def of_corpus(head: str, ptm: str, corpus: str, tests: Sequence[str], source: str = "pack") -> pd.DataFrame:
    """Return the rows of a head that is trained on a corpus and tested on several, `COLUMNS`.

    Cells that are scored on other emotions than the protocol's are left out.
    """
    settings = protocol_settings.load()
    tested = [store.load(ptm, one, source) for one in tests]
    unit = unit_of_work.Unit(head, REGIME, 0, store.load(ptm, corpus, source), tested, settings)
    predictors, temperatures, sizes = fitted(unit)
    softened: list[Callable[[np.ndarray], np.ndarray]]
    softened = [functools.partial(_softened, *pair) for pair in zip(predictors, temperatures, strict=True)]
    tables = []
    for way, some in zip(WAYS, (predictors, softened), strict=True):
        table = label_sets.alike(unit_of_work.tested(unit, some), only=label_sets.text(settings["emotions"]))
        for cell, part in table.groupby(metrics.CELL, sort=False):
            bins = calibration.reliability(part)
            facts = {**dict(zip(metrics.CELL, cell, strict=True)), "way": way, "bin": range(1, len(bins) + 1)}
            means = {"temperature": float(np.mean(temperatures)), "n_validation": float(np.mean(sizes))}
            tables.append(bins.assign(**facts, **means))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def run(
    heads: Sequence[str] = HEADS,
    ptms: Sequence[str] = PTMS,
    corpus_ids: Sequence[str] = CORPORA,
    source: str = "pack",
    workers: int = 0,
) -> pd.DataFrame:
    """Return `of_corpus` of all heads, models and corpora that have embeddings.

    A row for each cell, way and bin of sureness that has predictions: `COLUMNS`. Temperature and n_validation are
    means over folds; sure (mean confidence) and right are in percent.
    """
    there = store.available(ptms, corpus_ids, source)
    jobs = [
        (head, ptm, corpus, [c for c in corpus_ids if (ptm, c) in there], source)
        for head in heads
        for ptm, corpus in there
    ]
    ended = processes.run(of_corpus, jobs, workers)
    tables = list(progress.over(ended, "temperatures", len(jobs), "heads, models and corpora"))
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    sides = {"head": heads, "ptm": ptms, "train_corpus": corpus_ids, "test_corpus": corpus_ids, "way": WAYS}
    places = [table[column].map(list(names).index) for column, names in sides.items()]
    return table.iloc[np.lexsort([table["bin"], *places[::-1]])].reset_index(drop=True)


def by_head(table: pd.DataFrame) -> pd.DataFrame:
    """Condense a table of results: calibration within corpora and across them.

    Returns
    -------
    A row for each head, model and kind of cell, "within" or "across", means over cells: head, ptm, cell,
    temperature, right (accuracy) and sure, in percent, as trained; and the expected calibration error in points,
    `ece` as trained and `ece_scaled` with temperature.
    """
    rows = []
    for cell, part in table.groupby([*metrics.CELL, "way"], sort=False):
        share = part["n"] / part["n"].sum()
        sums = {name: float((part[name] * share).sum()) for name in ("sure", "right")}
        facts = dict(zip([*metrics.CELL, "way"], cell, strict=True))
        rows.append({**facts, **sums, "ece": calibration.ece(part), "temperature": part["temperature"].iloc[0]})
    scores = pd.DataFrame(rows)
    within = scores["train_corpus"] == scores["test_corpus"]
    scores = scores.assign(cell=np.where(within, "within", "across"))
    means = scores.groupby(["way", "head", "ptm", "cell"], sort=False)[
        ["temperature", "right", "sure", "ece"]
    ].mean()
    first, second = (means.loc[way] for way in WAYS)
    return first.assign(ece_scaled=second["ece"]).reset_index()


def reliability(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often predictions are right, by how sure they are, over all models and cells of a kind.

    A row for each head, kind of cell, way and bin: head, cell, way, sure, right (percent) and n.
    """
    within = table["train_corpus"] == table["test_corpus"]
    part = table.assign(cell=np.where(within, "within", "across"), tenth=(table["sure"] // 10).clip(upper=9))
    part = part.assign(sure=part["sure"] * part["n"], right=part["right"] * part["n"])
    sums = part.groupby(["head", "cell", "way", "tenth"], sort=False)[["sure", "right", "n"]].sum()
    means = sums.assign(sure=sums["sure"] / sums["n"], right=sums["right"] / sums["n"])
    means = means.reset_index().sort_values("tenth", kind="stable")
    places = [means[column].map(list(table[column].unique()).index) for column in ("way", "head")]
    order = np.lexsort([places[0], means["cell"] == "across", places[1]])  # stable: bins stay in order
    return means.iloc[order].drop(columns="tenth").reset_index(drop=True)


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "temperatures")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study (see `--help`)."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.temperatures", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = run(workers=given.workers)
    facts = {
        "ptms": list(PTMS),
        "corpora": list(CORPORA),
        "regime": REGIME,
        "heads": list(HEADS),
        "seeds": [0],
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(f"{paths.shown(RESULTS)}: {len(table)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
