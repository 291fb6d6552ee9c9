"""What the class counts of published test folds say of printed scores.

Two facts need no more than the lists of a benchmark. On one test fold, accuracy is a whole number of right answers
over its size. And where all classes of a fold are of one size, the mean of the classes' recalls (UA) is accuracy
(WA), for one evaluation as for the mean of any number of them.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import scipy

from crosscorpus.scores import granularity
from crosscorpus.verdict import audit_cells, audit_spread

Classes = Mapping[str, Sequence[audit_cells.Folds]]


def single_folds(classes: Classes) -> dict[str, audit_cells.Folds]:
    """Return the size of the test set of each corpus that has one fold: corpus -> (utterances,)."""
    return {corpus: (sum(folds[0]),) for corpus, folds in classes.items() if len(folds) == 1}


def shares(judged: pd.DataFrame) -> pd.DataFrame:
    """Count, over all cells and those that say something, the accuracies that one test set can give.

    `judged` is what `audit_cells.cells` returns for test sets of one fold, in whose `test` column corpora are.

    Returns
    -------
    `which` ("all", "strong": the chance that any value fits is at most `audit_spread.WEAK`), `corpora, cells`,
    `one_fold` (fits under rounding), `cut_too` (or where digits are cut off), `by_chance` and `p` (chance of so
    many or more under rounding, if all values were arbitrary).
    """
    rows = []
    for which, part in (
        ("all", judged),
        ("strong", judged[judged["one_fold_chance"] <= audit_spread.WEAK]),
    ):
        fit, chance = int(part["one_fold"].sum()), part["one_fold_chance"].to_numpy()
        rows.append({
            "which": which, "corpora": part[judged.attrs["test"]].nunique(), "cells": len(part), "one_fold": fit,
            "cut_too": int((part["one_fold"] | part["one_fold_cut"]).sum()), "by_chance": float(chance.sum()),
            "p": float(scipy.stats.poisson_binom.sf(fit - 1, chance)) if len(part) else 1.0,
        })  # fmt: skip
    return pd.DataFrame(rows)


def of_one_size(classes: Classes) -> list[str]:
    """Return the corpora in each of whose test folds all classes have as many utterances."""
    return [corpus for corpus, folds in classes.items() if all(len(set(fold)) == 1 for fold in folds)]


def ua_beside_wa(table: pd.DataFrame, classes: Classes, *, decimals: int = 2) -> pd.DataFrame:
    """Hold UA against WA where they must be equal.

    Parameters
    ----------
    table
        A row for each cell: `model, corpus, ua, wa` in percent with so many decimals.
    classes
        Corpus -> class counts of each test fold.

    Returns
    -------
    The rows of corpora whose classes are `of_one_size`, with `units`: UA minus WA in units of the last decimal.
    """
    rows = table[table["corpus"].isin(of_one_size(classes))].copy()
    units = {
        column: [
            audit_cells.checked_units(value, decimals, granularity.scale(decimals), column, row)
            for row, value in rows[column].items()
        ]
        for column in ("ua", "wa")
    }
    rows["units"] = pd.Series(units["ua"], index=rows.index) - pd.Series(units["wa"], index=rows.index)
    return rows


def by_corpus(beside: pd.DataFrame) -> pd.DataFrame:
    """Summarise `ua_beside_wa`: `corpus, cells, unequal, largest` (difference in percentage points)."""
    grouped = beside.assign(size=beside["units"].abs()).groupby("corpus", sort=False)["size"]
    found = pd.DataFrame({"cells": grouped.size(), "unequal": grouped.agg(lambda size: int((size > 0).sum()))})
    return found.assign(largest=grouped.max() / 100).reset_index()


def fewest_evaluations(values: Sequence[str | float], size: int, *, most: int = 200) -> int:
    """Return the smallest number of evaluations of one test set whose mean can be printed as each of some values.

    Parameters
    ----------
    values
        Percentages with at most two decimals.
    size
        Utterances in the test set.
    most
        Numbers of evaluations that are tried; 0 is returned where none fits all values.
    """
    full = granularity.scale(2)
    units = [granularity.to_units(str(value), 2) for value in values]
    fitting = (
        m for m in range(1, most + 1) if all(granularity.hits(m * size, u, "rounding", full) for u in units)
    )
    return next(fitting, 0)
