"""From embeddings to the table of predictions: the grid of heads, corpora, regimes and seeds.

In fold i of a regime, a head is trained on the other folds of the training corpus and tested on fold i of each
test corpus (paper, section III.C), the training corpus among them. One training serves all test corpora. There are
five folds as a rule, and one to six where a split was published: `unit_of_work` says which are paired.
"""

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crosscorpus.base import (
    devices,
    known_names,
    processes,
    progress,
    remote_store,
    table_files,
    text_columns,
    whole_files,
)
from crosscorpus.embeddings import corpus_scans, store, store_folders
from crosscorpus.protocols import cells, folds, protocol_settings
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import hard_guards
from crosscorpus.training import (
    baselines,
    count_files,
    grid_results,
    heads,
    input_guards,
    prediction_files,
    run_records,
    unit_of_work,
)


def results(
    ptms: Sequence[str],
    train_corpora: Sequence[str],
    test_corpora: Sequence[str],
    chosen_heads: Sequence[str],
    regimes: Sequence[str],
    seeds: Sequence[int],
    protocol: Protocol,
    *,
    source: str = "pack",
    workers: int = 0,
    device: str = "auto",
    may_be_empty: bool = False,
) -> grid_results.Results:
    """Return the results of a grid, training only what the store does not hold yet.

    Parameters
    ----------
    ptms, train_corpora, test_corpora, chosen_heads, regimes, seeds
        The sides of the grid. A (model, corpus) pair without embeddings is left out, and so are the cells of
        `cells.left_out`, which have too few speakers, emotions or utterances.
    protocol
        Settings, see `protocol_settings.load`.
    source
        Where embeddings come from, "pack" or "audio".
    workers
        Processes side by side, each with one thread; 0 for one a core. Their number changes no result.
    device
        Where heads are trained: "cpu", "cuda" (one process, trainings stacked) or "auto", a GPU if there is one.

    Raises
    ------
    store_folders.NotStoredError
        None of the pairs has embeddings.
    cells.NothingLeftError
        All cells are left out, unless `may_be_empty`: then tables are without rows.
    guard_parts.GuardError
        Folds do not fit the utterances, something would be in training and in test at once, or a loss is not a
        number.
    """
    for regime in regimes:
        known_names.check(regime, protocol_settings.REGIMES, "regime")
    for head in chosen_heads:
        known_names.check(head, [*heads.HEADS, *baselines.BASELINES], "head")
    units: list[unit_of_work.Unit] = []
    embedded: dict[str, pd.DataFrame] = {}
    out = pd.DataFrame(columns=cells.COLUMNS)
    for ptm in ptms:
        stored = store.available([ptm], {*train_corpora, *test_corpora}, source, protocol["layer"])
        here = {c: _sharing(e, embedded.get(c)) for (_, c), e in stored.items()}
        tables = {c: e.utterances for c, e in here.items()}
        if not all(embedded.get(c) is table for c, table in tables.items()):
            embedded |= tables
            out = cells.left_out(embedded, regimes, protocol, train_corpora, test_corpora)
        for regime, corpus in itertools.product(regimes, (c for c in train_corpora if c in here)):
            tests = [here[c] for c in test_corpora if c in here and not cells.is_left_out(out, regime, corpus, c)]
            # A baseline draws no random numbers: one seed is all.
            kinds = [(h, s) for h in chosen_heads for s in (seeds[:1] if h in baselines.BASELINES else seeds)]
            if tests:
                units += [
                    unit_of_work.Unit(head, regime, seed, here[corpus], tests, protocol) for head, seed in kinds
                ]
    if not units and not embedded:
        raise store_folders.NotStoredError(
            f"no embeddings of {', '.join(ptms)} for {', '.join(train_corpora)} in source {source!r}; the page of "
            "a model makes embeddings: papermill notebooks/model.ipynb out.ipynb -p source audio"
        )
    if not units and not may_be_empty:
        why = " ".join(cells.sentences(out)) or "the corpora to train on have no embeddings."
        raise cells.NothingLeftError(f"nothing of this grid can be run. {why}")
    made = grid_results.Results(units, run(units, workers, device) if units else [], protocol["emotions"])
    if len(made.history):
        hard_guards.check_history(made.history)
    return made


def _sharing(e: store.Embeddings, table: pd.DataFrame | None) -> store.Embeddings:
    """Return embeddings with another model's table where it is the same: what is asked of it is asked once."""
    same = table is not None and e.utterances.equals(table)
    return dataclasses.replace(e, utterances=table) if same else e


def grid(*sides: Any, **how: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all predictions and learning curves of `results`, for what must look at every row."""
    made = results(*sides, **how)
    return made.rows(), made.history


def run(units: Sequence[unit_of_work.Unit], workers: int = 0, device: str = "auto") -> list[tuple[Path, Path]]:
    """Train and test what is not stored yet; return the files of predictions and of learning curves of each unit.

    See `grid` for `workers` and `device`.

    Raises
    ------
    guard_parts.GuardError
        Folds do not fit the utterances, or something would be in training and in test at once.
    """
    device = devices.choose_device(device)
    known: dict[tuple, str] = {}  # hashes of embeddings and folds, which many units share
    files = [prediction_files.of_unit(unit, known, device) for unit in units]
    to_do = [
        (unit, pair) for unit, pair in zip(units, files, strict=True) if not all(map(remote_store.here, pair))
    ]
    _check_inputs([unit for unit, _ in to_do])  # what is stored passed, with the same rows: they are in its name
    if device == "cuda":
        _run_stacked([job for job in to_do if job[0].head in heads.HEADS], device)
        to_do = [job for job in to_do if job[0].head not in heads.HEADS]
    if to_do:
        # Long ones first, so that workers end together.
        to_do.sort(key=lambda job: _work(job[0]), reverse=True)
        ended, name = processes.run(_run, to_do, workers), _named(unit for unit, _ in to_do)
        whole = sum(_work(unit) for unit, _ in to_do)
        for _ in progress.over(ended, name, len(to_do), "heads on all folds", whole, float):
            pass
    return files


def _work(unit: unit_of_work.Unit) -> float:
    """Return about how much longer than others a unit takes: as measured, and for nothing but when it is done."""
    utterances, dimensions = unit.trained_on.vectors.shape
    return utterances * {"cnn": 200 + dimensions, "fcn": 100 + dimensions / 10}.get(unit.head, 50)


def _named(units: Iterable[unit_of_work.Unit]) -> str:
    """Return what a run of units is, for its lines on a screen that others share."""
    sides = {(unit.trained_on.ptm, unit.trained_on.corpus) for unit in units}
    ptm, corpus = sides.pop()
    return "training" if sides else f"training on {corpus}, {ptm}"


def _check_inputs(units: Sequence[unit_of_work.Unit]) -> None:
    alike: dict[str, list[unit_of_work.Unit]] = {}
    for unit in units:
        alike.setdefault(
            json.dumps([unit.regime, unit.protocol["emotions"], unit.protocol["n_folds"]]), []
        ).append(unit)
    for some in alike.values():
        of_corpus = {e.corpus: e.utterances for unit in some for e in (unit.trained_on, *unit.tests)}
        input_guards.check_inputs(of_corpus, [some[0].regime], some[0].protocol)


def utterances(corpus_ids: Iterable[str], source: str = "pack") -> pd.DataFrame:
    """Return the utterances that are trained and tested on, of several corpora together.

    Returns
    -------
    Their tables, `corpora.COLUMNS`, one below the other, without what has no fold in any regime.
    """
    tables = []
    for corpus in corpus_ids:
        table = corpus_scans.read_scan(corpus, source).utterances
        tables.append(table[text_columns.isin(table["utterance"], folds.with_fold(corpus, table))])
    return pd.concat(tables, ignore_index=True)


def _run(unit: unit_of_work.Unit, files: tuple[Path, Path]) -> float:
    _keep(unit, unit_of_work.train_and_test(unit), files)
    return _work(unit)


def _run_stacked(jobs: list[tuple[unit_of_work.Unit, tuple[Path, Path]]], device: str) -> None:
    """Train the heads of many units on a GPU at once, as many as go into a stack."""
    from crosscorpus.training import engine

    kinds = [
        (unit.head, unit.trained_on.vectors.shape[1], unit.trained_on.corpus, json.dumps(unit.settings))
        for unit, _ in jobs
    ]
    unlike = dict.fromkeys(kinds)
    for kind in progress.over(unlike, "training heads", len(unlike), "kinds of stacks"):
        alike = [job for job, other in zip(jobs, kinds, strict=True) if other == kind]
        settings = alike[0][0].settings
        size = max(1, engine.STACK // settings["n_folds"])
        for start in range(0, len(alike), size):
            some = alike[start : start + size]
            tasks = [unit_of_work.trainings(unit) for unit, _ in some]
            fitted = iter(engine.fit_many(list(itertools.chain(*tasks)), settings, device))
            for (unit, files), own in zip(some, tasks, strict=True):
                tables = unit_of_work.tested_heads(unit, list(itertools.islice(fitted, len(own))))
                _keep(unit, tables, files, device)


def _keep(
    unit: unit_of_work.Unit,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    files: tuple[Path, Path],
    device: str = "cpu",
) -> None:
    record = run_records.of_run(unit.protocol, device, [unit.trained_on, *unit.tests])
    for table, file in zip(tables, files, strict=True):
        whole_files.replace_file(file, functools.partial(table_files.write, table, record=record))
    remote_store.send(*files)
    known: count_files.Known = {}
    for keep in (count_files.read, count_files.read_found, count_files.read_bins):
        keep(files[0], [unit.trained_on, *unit.tests], known, rows=tables[0])


def training_summary(history: pd.DataFrame) -> pd.DataFrame:
    """Return how training went, by head, training corpus and regime.

    Columns: trainings, n_train and n_validation (utterances, mean), validation_share (percent), epochs (mean
    number run), best_epoch (mean, by validation loss), train_accuracy and validation_accuracy (mean, percent, of
    the weights that were kept). Nothing is held out where n_validation is 0, and validation_accuracy is missing
    there.
    """
    rows = []
    for group, part in history.groupby(["head", "train_corpus", "regime"], sort=False):
        runs = part.groupby(["ptm", "seed", "fold"])
        best = part.loc[runs["val_loss"].idxmin()]
        held_out, sizes = best["n_validation"] > 0, best[["n_train", "n_validation"]].sum()
        rows.append(
            {
                **dict(zip(("head", "train_corpus", "regime"), group, strict=True)),
                "trainings": runs.ngroups,
                "n_train": best["n_train"].mean(),
                "n_validation": best["n_validation"].mean(),
                "validation_share": 100 * sizes["n_validation"] / sizes.sum(),
                "epochs": runs["epoch"].max().mean(),
                "best_epoch": best["epoch"].mean(),
                "train_accuracy": 100 * best["train_accuracy"].mean(),
                "validation_accuracy": 100 * best.loc[held_out, "validation_accuracy"].mean(),
            }
        )
    return pd.DataFrame(rows)


def tables(corpus_ids: Iterable[str], source: str = "pack") -> dict[str, pd.DataFrame]:
    """Return the tables of utterances that are stored, by corpus."""
    return {corpus: scan.utterances for corpus, scan in corpus_scans.stored(corpus_ids, source).items()}


def left_out(
    corpus_ids: Sequence[str],
    regimes: Sequence[str],
    protocol: Protocol,
    source: str = "pack",
    train_corpora: Sequence[str] | None = None,
    test_corpora: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return `cells.left_out` of the corpora whose tables of utterances are stored; parameters as in `grid`."""
    return cells.left_out(tables(corpus_ids, source), regimes, protocol, train_corpora, test_corpora)
