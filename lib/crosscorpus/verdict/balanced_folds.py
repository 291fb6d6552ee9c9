"""What the class counts of published test folds say of printed scores.

Two facts need no more than the lists of a benchmark. On one test fold, accuracy is a whole number of right answers
over its size. And where all classes of a fold are of one size, the mean of the classes' recalls (UA) is accuracy
(WA), for one evaluation as for the mean of any number of them.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from crosscorpus.scores import granularity
from crosscorpus.verdict import audit_cells

Classes = Mapping[str, Sequence[audit_cells.Folds]]


def single_folds(classes: Classes) -> dict[str, audit_cells.Folds]:
    """Return the size of the test set of each corpus that has one fold: corpus -> (utterances,)."""
    return {corpus: (sum(folds[0]),) for corpus, folds in classes.items() if len(folds) == 1}


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
