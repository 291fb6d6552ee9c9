"""Cells of a published matrix in which one class takes all answers, found from accuracy and macro-F1 alone."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

CLASSES = range(2, 9)
"""Numbers of classes that are tried where none is given: SER Evals has eight."""
NO_PRIOR = 1e-12
"""What SER Evals adds to each prior before it takes the logarithm."""


def f1_of_one_answer(share: np.ndarray | float, classes: np.ndarray | int) -> np.ndarray | float:
    """Return macro-F1 where one class, which a `share` of the utterances has, takes all answers.

    Recall of the class is 1 and its precision the share p, so its F1 is 2p / (1 + p); F1 of all others is 0.
    """
    return 2 * share / (1 + share) / classes


def cells(table: pd.DataFrame, *, decimals: int = 5, classes: Iterable[int] = CLASSES) -> pd.DataFrame:
    """Tell for each cell whether its scores are those of a model that always gives one answer.

    Parameters
    ----------
    table
        A row for each cell, with `accuracy` and `macro_f1` as fractions, both printed with so many `decimals`.
    classes
        Numbers of classes that a test set may have.

    Returns
    -------
    The table with `constant` (whether an accuracy and a macro-F1 exist that are printed so and fit one another,
    for any of the numbers of classes) and `classes` (the smallest such number; 0 for none). A model that answers
    differently can fit by accident, about as rarely as two printed values agree.
    """
    slack = 0.5 * 10**-decimals + 1e-12  # the latter for binary fractions
    tried = np.array(sorted(classes))
    share, f1 = (table[column].to_numpy(dtype=float)[:, None] for column in ("accuracy", "macro_f1"))
    lowest = f1_of_one_answer(np.maximum(share - slack, 0), tried) - slack
    highest = f1_of_one_answer(np.minimum(share + slack, 1), tried) + slack
    fits = (lowest <= f1) & (f1 <= highest) & (share > 0)
    fitting = np.where(fits.any(axis=1), tried[fits.argmax(axis=1)], 0)
    return table.assign(constant=fits.any(axis=1), classes=fitting)


def rows(table: pd.DataFrame, *, decimals: int = 5, classes: Iterable[int] = CLASSES) -> pd.DataFrame:
    """Count constant cells by training corpus, over all models: the guard.

    Parameters
    ----------
    table, decimals, classes
        As for `cells`, the table with `model, train_corpus, test_corpus`; only pairs of different corpora count.

    Returns
    -------
    `train_corpus, cells, constant_cells, values` (different pairs of scores among them, over all models) and
    `constant` (whether all cells are), those with most constant cells first.
    """
    across = cells(table[table["train_corpus"] != table["test_corpus"]], decimals=decimals, classes=classes)
    grouped = across.groupby("train_corpus", sort=False)
    found = pd.DataFrame({
        "cells": grouped.size(),
        "constant_cells": grouped["constant"].sum(),
        "values": grouped.apply(lambda part: len(part[["test_corpus", "accuracy", "macro_f1"]].drop_duplicates())),
    })  # fmt: skip
    found["constant"] = found["constant_cells"] == found["cells"]
    return found.sort_values("constant_cells", ascending=False, kind="stable").reset_index()


def explained(table: pd.DataFrame, train: str, trained: int, classes: int) -> pd.DataFrame:
    """Put the scores of a constant row beside what one answer gives, and say by how much that answer is raised.

    Parameters
    ----------
    table
        As for `rows`, with at least one model.
    train
        The training corpus of the row.
    trained, classes
        Numbers of classes that this corpus has, and that the test sets have.

    Returns
    -------
    A row for each test corpus: `test_corpus, models, share` (accuracy, which for one answer is the share of its
    class), `macro_f1` (as printed), `one_answer` (macro-F1 by `f1_of_one_answer`) and `lead` (nats; see
    `lead_of_absent_class`). Of a column that is not the same for all models, the first is shown.
    """
    own = table[(table["train_corpus"] == train) & (table["test_corpus"] != train)]
    found = own.groupby("test_corpus", sort=False).agg(
        models=("model", "size"), share=("accuracy", "first"), macro_f1=("macro_f1", "first")
    )
    found["one_answer"] = f1_of_one_answer(found["share"].astype(float), classes)
    found["lead"] = [lead_of_absent_class(share, trained) for share in found["share"].astype(float)]
    return found.reset_index()


def adjustment(share: float, trained: float) -> float:
    """Return what SER Evals' adjustment of logits adds for a class, in nats: its equation in the published code.

    Parameters
    ----------
    share, trained
        The class's prior in the test set and in the training set, from 0 to 1.
    """
    return float(np.log(share + NO_PRIOR) - np.log(trained + NO_PRIOR))


def lead_of_absent_class(share: float, others: int) -> float:
    """Return by how many nats a class that was not trained is at least raised above each that was.

    `share` is its prior in the test set. The classes that were trained have equal priors, `others` of them, and
    any of them may have the rest of the test set, which raises it the most.
    """
    return adjustment(share, 0) - adjustment(1 - share, 1 / others)


def settled_gap(smoothing: float, classes: int) -> float:
    """Return the gap between the right logit and any other, in nats, where smoothed cross-entropy is smallest.

    With label smoothing s and C classes the target is 1 - s + s/C for one class and s/C for the others; this is
    the gap of the softmax that fits it.
    """
    return float(np.log((1 - smoothing + smoothing / classes) / (smoothing / classes)))
