"""What all guards share: keys of tables, what is needed of them, and the form of a finding."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import text_columns
from crosscorpus.protocols import folds
from crosscorpus.scores import count_tables

UNIT = ["ptm", "head", "regime", "seed", "train_corpus"]
TRAINING = [*UNIT, "fold"]
TEST_FOLD = [*UNIT, "test_corpus", "fold"]
BLOCK = ["head", "regime", "train_corpus", "test_corpus"]
COLUMNS = ["guard", *TEST_FOLD, "message"]
BLIND = ("majority",)
"""Heads that look at no input, on purpose: guards against heads that do not look at it pass them by."""


class GuardError(ValueError):
    """A table that no honest run has; the message says what is wrong, where, and what to do."""


def training_fold(fold: int, n_folds: int) -> int:
    """Return the training by which fold `fold` of a test corpus is tested, of a training corpus with `n_folds`.

    It is the training that keeps out its own fold of that number; where the training corpus has fewer folds, they
    are counted through again: fold 4 is tested by the first of three.
    """
    return (fold - 1) % n_folds + 1


def report(
    guard: str,
    checked: pd.DataFrame,
    bad: "pd.Series[bool]",
    message: Callable[[Any], str],
    every: bool = False,
) -> pd.DataFrame:
    # `checked` has a row for each thing looked at, with those columns of TEST_FOLD that name it.
    """Return what a guard found: a row for each of `checked` that is `bad`; or for all, with an empty message."""
    is_bad = bad.to_numpy(dtype=bool)
    rows = checked if every else checked[is_bad]
    table = pd.DataFrame(index=range(len(rows)), columns=COLUMNS)
    for column in TEST_FOLD:
        kind = "Int64" if column in ("seed", "fold") else str
        blank = pd.NA if column in ("seed", "fold") else ""
        table[column] = pd.Series(rows[column].to_numpy() if column in rows else blank, table.index, dtype=kind)
    table["guard"] = pd.Series(guard, table.index, dtype=str)
    said = [message(row) if is_bad[at] else "" for at, row in enumerate(checked.itertuples())]
    said = said if every else list(itertools.compress(said, is_bad))
    table["message"] = pd.Series(said, table.index, dtype=str)
    table.attrs["checked"] = {guard: len(checked)}
    return table


def need_columns(table: pd.DataFrame, columns: Iterable[str], what: str, may_miss: bool = False) -> None:
    # Values that are missing in a key would drop out of every group unseen.
    """Raise `GuardError` where a table lacks a column, or values in it."""
    for column in columns:
        if column not in table:
            raise GuardError(f"{what} has no column {column}, only {', '.join(map(str, table))}; make it again")
        if not may_miss and table[column].isna().any():
            raise GuardError(f"{what} has {table[column].isna().sum()} rows without {column}; make it again")


def plain_texts(table: pd.DataFrame) -> pd.DataFrame:
    # Categories of two tables do not merge; texts do.
    """Return a table with texts for categories."""
    return table.astype({column: str for column in table if table[column].dtype.name in ("category", "object")})


def sighted(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of heads that look at their input."""
    blind = table["head"].isin(BLIND) if "head" in table else pd.Series(False, table.index)
    return table[~blind] if blind.any() else table


def emotions_of(predictions: pd.DataFrame) -> list[str]:
    """Return the emotions that predictions have probabilities of, or that counts of them know."""
    if count_tables.holds_counts(predictions):
        return list(predictions["predicted"].cat.categories)
    emotions = [column[2:] for column in predictions if column.startswith("p_")]
    if not emotions:
        raise GuardError("the table of predictions has no column p_<emotion>; make it again")
    return emotions


def probabilities_of(predictions: pd.DataFrame) -> np.ndarray:
    """Return the probabilities of predictions, float32 [rows, emotions]."""
    return predictions[[f"p_{emotion}" for emotion in emotions_of(predictions)]].to_numpy(dtype=np.float32)


def known_emotions(utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the true emotion of each utterance; each must be there once."""
    columns = ["corpus", "utterance", "emotion"]
    need_columns(utterances, columns, "the table of utterances")
    known = plain_texts(utterances[columns])
    twice = known[known.duplicated(["corpus", "utterance"])]
    if len(twice):
        corpus, name = twice.iloc[0][["corpus", "utterance"]]
        raise GuardError(f"{name} of {corpus} is twice in the table of utterances; pass each corpus once")
    return known


def in_regimes(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return `known_emotions` for each regime of predictions, with the columns regime and tested.

    Of a split that was published, it has the utterances of its parts alone, and `tested` says whether a fold tests
    one; where folds are dealt, each is tested.
    """
    known, tables = known_emotions(utterances), []
    for regime in map(str, predictions["regime"].unique()):
        for corpus, part in known.groupby("corpus", sort=False):
            fold = folds.published(str(corpus), regime)
            here = part if fold is None else part[text_columns.isin(part["utterance"], fold.index)]
            tested = True if fold is None else here["utterance"].map(fold) > 0
            tables.append(here.assign(regime=regime, tested=tested))
    return pd.concat(tables, ignore_index=True)


def labels_told_apart(
    predictions: pd.DataFrame, known: pd.DataFrame, more: Iterable[str] = ()
) -> dict[tuple[str, str], list[str]]:
    # The emotions of the table that the corpus has, in its parts where a split was published.
    """Return what a head tells apart, by regime and training corpus; `known` as `in_regimes` returns it."""
    emotions = emotions_of(predictions)
    known = known[["regime", "corpus", "emotion"]].drop_duplicates()  # before pandas goes through them one by one
    of_corpus = known.groupby("corpus")["emotion"].agg(set)
    trained = {*predictions["train_corpus"].unique(), *more}
    for corpus in sorted({*trained, *predictions["test_corpus"].unique()}):
        if corpus not in of_corpus.index:
            raise GuardError(
                f"{corpus} is in the results but not in the table of utterances; pass those of all corpora"
            )
    of_regime = known.groupby(["regime", "corpus"])["emotion"].agg(set)
    return {
        (regime, corpus): [e for e in emotions if e in of_regime.get((regime, corpus), ())]
        for regime in sorted(known["regime"].unique())
        for corpus in sorted(trained)
    }
