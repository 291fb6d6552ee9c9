"""How scores grow with what is trained on, within and across corpora (`make amounts`)."""

import argparse
import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import paths, processes, progress
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.training import baselines, training_tasks, unit_of_work
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "amounts.csv"
PTMS = ("whisper-base", "ecapa-tdnn", "egemaps", "mfcc")
CORPORA = ("emodb", "ravdess", "aesdd", "mesd")
REGIMES = ("speaker", "stratified")
HEAD = "logistic"
SHARES = (5, 10, 25, 50, 100)
"""Of the training part, in percent."""
DRAWS = 5
SCORES = ("accuracy", "uar")
COLUMNS = [*metrics.CELL, "share", "n_train", "draws", *SCORES, *(f"{score}_sd" for score in SCORES)]


def nested(y: np.ndarray, shares: Sequence[int], rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Draw subsets of a training part: each emotion by its share, and a smaller one inside every larger one.

    Parameters
    ----------
    y
        Classes [utterances].
    shares
        Percent of the utterances of each emotion that a subset has, rounded, and at least one utterance.
    rng
        What the order is drawn with in which utterances are added.

    Returns
    -------
    Indices into `y`, sorted, by share.
    """
    orders = [rng.permutation(np.flatnonzero(y == one)) for one in np.unique(y)]
    return {
        share: np.sort(np.concatenate([order[: max(1, round(share * len(order) / 100))] for order in orders]))
        for share in shares
    }


def predictions(
    unit: unit_of_work.Unit, shares: Sequence[int], draws: int
) -> dict[int, tuple[pd.DataFrame, float]]:
    """Train a baseline on subsets of the training part of every fold, and test it.

    Parameters
    ----------
    unit
        A baseline on a corpus, and the corpora that it is tested on. All of the training part is what the baseline
        is trained on elsewhere: without the test fold, and without what heads hold out for early stopping.
    shares
        See `nested`.
    draws
        How often subsets are drawn; the whole part is there once.

    Returns
    -------
    By share: predictions with `unit_of_work.COLUMNS`, in which `seed` is the number of the draw, from 0; and
    utterances that were trained on, mean over folds and draws.
    """
    tasks = unit_of_work.trainings(unit)
    parts = [training_tasks.parts(task, unit.settings)[0] for task in tasks]
    found: dict[int, tuple[pd.DataFrame, float]] = {}
    subsets = {
        (draw, fold): nested(task.y[part], shares, np.random.default_rng((draw, fold)))
        for draw in range(draws)
        for fold, (task, part) in enumerate(zip(tasks, parts, strict=True), start=1)
    }  # of rows of the corpus's table alone: the same utterances for every model
    for share in shares:
        tables, sizes = [], []
        for draw in range(draws if share < 100 else 1):
            predictors = []
            for fold, (task, part) in enumerate(zip(tasks, parts, strict=True), start=1):
                rows = part[subsets[draw, fold][share]]
                fitted = baselines.fit(unit.head, task.X[rows], task.y[rows], unit.settings)
                predictors.append(functools.partial(baselines.predict, fitted))
                sizes.append(len(rows))
            tables.append(unit_of_work.tested(unit, predictors).assign(seed=draw))
        found[share] = pd.concat(tables, ignore_index=True), float(np.mean(sizes))
    return found


def of_corpus(
    ptm: str, corpus: str, tests: Sequence[str], regime: str, source: str, shares: Sequence[int], draws: int
) -> pd.DataFrame:
    """Return the rows of a model that is trained on a corpus, `COLUMNS`: one a share and test corpus.

    Cells that are scored on other emotions than the protocol's are left out.
    """
    settings = protocol_settings.load()
    tested = [store.load(ptm, one, source) for one in tests]
    unit = unit_of_work.Unit(HEAD, regime, 0, store.load(ptm, corpus, source), tested, settings)
    tables = []
    for share, (table, n_train) in predictions(unit, shares, draws).items():
        alike = label_sets.alike(table, only=label_sets.text(settings["emotions"]))
        # What `summary` takes for seeds are draws: their spread is that of the mean over folds.
        scores = metrics.summary(metrics.per_fold(alike))
        scores = scores.drop(columns=[f"{score}_sd" for score in SCORES])
        scores = scores.rename(columns={f"{score}_seed_sd": f"{score}_sd" for score in SCORES})
        tables.append(scores.rename(columns={"n_seeds": "draws"}).assign(share=share, n_train=n_train))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def run(
    ptms: Sequence[str] = PTMS,
    corpus_ids: Sequence[str] = CORPORA,
    source: str = "pack",
    draws: int = DRAWS,
    workers: int = 0,
) -> pd.DataFrame:
    """Return `of_corpus` of all models and corpora that have embeddings, in each of `REGIMES`.

    A row for each share and cell: `COLUMNS`. Scores are means over folds and draws, in percent; `<score>_sd` is
    the standard deviation over draws of the mean over folds, in points, missing where there is one.
    """
    there = store.available(ptms, corpus_ids, source)
    jobs = [
        (ptm, corpus, [c for c in corpus_ids if (ptm, c) in there], regime, source, SHARES, draws)
        for ptm, corpus in there
        for regime in REGIMES
    ]
    ended = processes.run(of_corpus, jobs, workers)
    tables = list(progress.over(ended, "parts of training sets", len(jobs), "models, corpora and regimes"))
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    sides = {"ptm": ptms, "regime": REGIMES, "train_corpus": corpus_ids, "test_corpus": corpus_ids}
    places = [table[column].map(list(names).index) for column, names in sides.items()]
    return table.iloc[np.lexsort([table["share"], *places[::-1]])].reset_index(drop=True)


def by_share(table: pd.DataFrame, regime: str, score: str = "uar") -> pd.DataFrame:
    """Condense a table of results: the mean score by share, within corpora and across them.

    Returns
    -------
    A row for each model and kind of cell, "within" or "across": ptm, cell, cells (how many the mean is over), and
    for each share, named as "5 %", the mean score in percent.
    """
    part = table[table["regime"] == regime]
    within = part["train_corpus"] == part["test_corpus"]
    part = part.assign(cell=np.where(within, "within", "across"))
    means = part.pivot_table(index=["ptm", "cell"], columns="share", values=score, aggfunc="mean", sort=False)
    counts = part[part["share"] == part["share"].max()].groupby(["ptm", "cell"]).size()
    means.columns = [f"{share} %" for share in means.columns]
    means.insert(0, "cells", counts)
    return means.reset_index()


def last_doubling(table: pd.DataFrame, regime: str, score: str = "uar") -> dict[str, float]:
    """Return what all of the training part gives above half of it, in points, mean over models and cells.

    By kind of cell: "within" and "across".
    """
    means = by_share(table, regime, score)
    gains = (means["100 %"] - means["50 %"]).groupby(means["cell"]).mean()
    return {cell: float(gains[cell]) for cell in ("within", "across")}


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "amounts")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study (see `--help`)."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.data_amounts", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"draws of what is trained on ({DRAWS})")
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = run(draws=given.draws, workers=given.workers)
    facts = {
        "ptms": list(PTMS),
        "corpora": list(CORPORA),
        "regimes": list(REGIMES),
        "head": HEAD,
        "logistic_c": protocol_settings.load()["logistic_c"],
        "shares": list(SHARES),
        "draws": given.draws,
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(f"{paths.shown(RESULTS)}: {len(table)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
