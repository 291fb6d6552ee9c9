"""Published results, and ours beside them."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import f1bounds, granularity, label_sets, metrics

CELL = ["ptm", "head", "train_corpus", "test_corpus"]


@functools.cache
def tables() -> dict[str, dict[str, Any]]:
    """Return what the published tables in data/reference are: name -> an entry of its tables.yaml."""
    return yaml.safe_load((paths.DATA / "reference" / "tables.yaml").read_text(encoding="utf-8"))


def load(name: str) -> pd.DataFrame:
    """Return a published table by its name in tables.yaml; names of models and corpora as printed there.

    Table I of the paper comes in this project's names, as from `table1`. Where `note` is not empty, a cell is
    doubtful. `osman2024_results` gets the column `test_set`: the corpus where a model was trained on it (a fifth
    was then tested), "whole" and the corpus elsewhere.

    Raises
    ------
    known_names.UnknownNameError
        There is no such table.
    """
    known_names.check(name, tables(), "published table")
    if name == "phukan2025_table1":
        return table1()
    table = pd.read_csv(paths.DATA / "reference" / f"{name}.csv", dtype={"note": str}, keep_default_na=True)
    table["note"] = table["note"].fillna("")
    if name == "osman2024_results":
        whole = table["train_corpus"] != table["test_corpus"]
        table.insert(3, "test_set", table["test_corpus"].where(~whole, "whole " + table["test_corpus"]))
    return table


@dataclass(frozen=True)
class Sizes:
    """Which test sets a published table may have had.

    Attributes
    ----------
    n_folds
        Folds of the cross-validation.
    variants
        Variant -> test corpus -> sizes of its folds; the most likely variant first.
    speaker
        The like for folds without shared speakers.
    classes
        Test corpus -> class counts of each fold in question (of the first variant); empty where not known.
    columns
        Names of the table's columns: accuracy, macro_f1 (may be missing), test, by.
    """

    n_folds: int
    variants: dict[str, dict[str, tuple[int, ...]]]
    speaker: dict[str, dict[str, tuple[int, ...]]]
    classes: dict[str, list[tuple[int, ...]]]
    columns: dict[str, str]


@functools.cache
def sizes(name: str) -> Sizes:
    """Return the test sets of a published table, from data/reference/test_sizes.yaml.

    Raises
    ------
    known_names.UnknownNameError
        Nothing is known of the test sets of this table.
    """
    known = yaml.safe_load((paths.DATA / "reference" / "test_sizes.yaml").read_text(encoding="utf-8"))
    entry = known[known_names.check(name, known, "published table with known test sets")]
    n_folds = entry["folds"]

    def dealt(value: int | list[int]) -> tuple[int, ...]:
        return granularity.deal(value, n_folds) if isinstance(value, int) else tuple(value)

    variants = {v: {c: dealt(n) for c, n in given.items()} for v, given in entry["variants"].items()}
    tested = list(next(iter(variants.values())))
    speaker = {
        v: {c: speaker_folds(c, labels == "five") for c in tested}
        for v, labels in entry.get("speaker", {}).items()
    }
    if entry.get("classes") == "corpora":
        classes = {c: stratified_classes(c, folds) for c, folds in next(iter(variants.values())).items()}
    else:
        classes = {c: [tuple(fold) for fold in given] for c, given in entry.get("classes", {}).items()}
    return Sizes(n_folds, variants, speaker, classes, entry["columns"])


def listed_classes(name: str) -> dict[str, list[tuple[int, ...]]]:
    """Return the class counts of each test fold in the published lists of splits, for all corpora of a table.

    Raises
    ------
    known_names.UnknownNameError
        No such lists are known for this table.
    """
    known = yaml.safe_load((paths.DATA / "reference" / "test_sizes.yaml").read_text(encoding="utf-8"))
    known = {table: entry["lists"] for table, entry in known.items() if "lists" in entry}
    entry = known[known_names.check(name, known, "published table with lists of splits")]
    return {corpus: [tuple(fold) for fold in folds] for corpus, folds in entry.items()}


def stratified_classes(corpus: str, folds: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the class counts that a stratified fold of a corpus can have, with the labels of the protocol."""
    totals = [corpus_registry.get(corpus).counts[emotion] for emotion in protocol_settings.load()["emotions"]]
    return sorted(set().union(*(f1bounds.compositions(totals, len(folds), n) for n in set(folds))))


@functools.cache
def _labelled_speaker_folds(corpus: str) -> pd.DataFrame:
    table = utterance_tables.read_table(paths.DATA / "folds" / f"{corpus}.csv")
    listed = file_lists.file_list(corpus)
    assert listed is not None, f"{corpus}: no list of files in data/reference/utterances"
    return table[table["regime"] == "speaker"].merge(listed[["utterance", "emotion"]], on="utterance")


def speaker_folds(corpus: str, five: bool) -> tuple[int, ...]:
    """Return the sizes of a corpus's committed speaker-disjoint folds, with the labels of the protocol or all."""
    table = _labelled_speaker_folds(corpus)
    if five:
        table = table[table["emotion"].isin(protocol_settings.load()["emotions"])]
    return tuple(int(n) for n in table["fold"].value_counts().sort_index())


def table1() -> pd.DataFrame:
    """Return Table I of Phukan et al. (2025), 400 cells, in this project's names.

    Columns: ptm, head, train_corpus, test_corpus, accuracy and macro_f1 (percent). In two blocks the table
    prints a second row "W2" where WavLM's is due; it is read as WavLM's by its position.

    Raises
    ------
    known_names.UnknownNameError
        The registry names a model or a corpus otherwise than the table.
    """
    table = pd.read_csv(paths.DATA / "reference" / "phukan2025_table1.csv")
    corpus_ids = {entry.name: key for key, entry in corpus_registry.registry().items()}
    ptm_ids = {entry.name: key for key, entry in model_registry.registry().items()}
    table["head"] = table["head"].str.lower()
    for column, ids in (("ptm", ptm_ids), ("train_corpus", corpus_ids), ("test_corpus", corpus_ids)):
        for name in table[column].unique():
            known_names.check(name, ids, f"{column} of Table I, as the registry must name it")
        table[column] = table[column].map(ids)
    return table[[*CELL, "accuracy", "macro_f1"]]


def published_labels() -> str:
    """Return the label set of Table I, as tables of scores show it: the emotions that all its corpora share."""
    return label_sets.text(protocol_settings.load()["emotions"])


def beside(intervals: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Put the paper's accuracy and macro-F1 beside ours.

    Parameters
    ----------
    intervals, means
        What `metrics.interval` and `metrics.summary` return of the same cells: scores of all test utterances
        together, with intervals, and means over folds, which is what the paper prints.

    Returns
    -------
    The table `intervals` with, for both scores, `<score>_of_folds`, `paper_<score>` and `<score>_difference`, the
    mean over folds minus the paper's. The last two are missing where the paper has no such cell, and where ours is
    scored on other emotions than the paper's, as `other_labels` tells.
    """
    scores = ("accuracy", "macro_f1")
    of_folds = means.set_index(metrics.CELL)[list(scores)].add_suffix("_of_folds")
    paper = table1().rename(columns={score: f"paper_{score}" for score in scores})
    table = intervals.join(of_folds, on=metrics.CELL).merge(paper, on=CELL, how="left", validate="many_to_one")
    table["other_labels"] = table["paper_accuracy"].notna() & (table["emotions"] != published_labels())
    for score in scores:
        table[f"paper_{score}"] = table[f"paper_{score}"].mask(table["other_labels"])
        table[f"{score}_difference"] = table[f"{score}_of_folds"] - table[f"paper_{score}"]
    return table


def of_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of what `beside` returns that the paper has too."""
    return table[table["paper_accuracy"].notna()]


def not_comparable(table: pd.DataFrame) -> str:
    """Return a sentence on cells of what `beside` returns that are no match for the paper's; "" if none are."""
    others = table[table["other_labels"]]
    if not len(others):
        return ""
    n = len(others.drop_duplicates(CELL))
    sets = "; ".join(others["emotions"].unique())
    return (
        f"Not comparable: {n} {'cell' if n == 1 else 'cells'} of the paper, run here with other labels ({sets}). "
        f"Its values are of {published_labels()}."
    )


def other_labels(emotions: Iterable[str]) -> str:
    """Return a sentence where a run's emotions are not the paper's; "" where they are."""
    run = label_sets.text(emotions)
    if run == published_labels():
        return ""
    return f"Not comparable: this run has other labels ({run}) than the paper's values ({published_labels()})."


def to_picture(table: pd.DataFrame, ptm: str) -> pd.DataFrame:
    """Return the rows of one model: of `ptm` if it has some, else of the first one."""
    chosen = ptm if ptm in set(table["ptm"]) else next(iter(table["ptm"]), ptm)
    return table[table["ptm"] == chosen]
