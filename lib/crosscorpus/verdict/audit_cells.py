"""Whether each printed accuracy of a table can come from a test set of a given size."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from crosscorpus.scores import granularity

Folds = tuple[int, ...]


class AuditError(ValueError):
    """A table or an option that cannot be audited; the message says what is expected."""


def cells(
    table: pd.DataFrame,
    folds: Mapping[str, Folds],
    *,
    accuracy: str = "accuracy",
    test: str = "test_corpus",
    decimals: int = 2,
    unit: str = "percent",
) -> pd.DataFrame:
    """Judge whether each published accuracy can be of one held-out fold, of a mean of the folds, or neither.

    Parameters
    ----------
    table
        A row for each cell, with the columns `accuracy` and `test`; all others are kept. Rows without an accuracy
        or with a test corpus that is not in `folds` are left out.
    folds
        Test corpus -> sizes of its test folds.
    decimals, unit
        How accuracies are printed ("percent" or "fraction").

    Returns
    -------
    The table with the columns
    `units` (accuracy in units of the last decimal), `one_fold` and `mean_of_folds` (whether the value is k/n for
    a fold, or the mean of such values over all folds, rounded half up or half to even), `one_fold_cut` and
    `mean_cut` (the same where digits are cut off), `right` ("55 of 75", the first that fits), `verdict` under
    rounding ("either", "mean of folds" or "neither"), and the chances that any value fits, `one_fold_chance` and
    `mean_chance`: the share of all values that can be printed which fit. What fits one of f folds always fits a
    mean, too: f k / n is a whole number q and r / n, which q folds all right and r right answers in this one give.

    Raises
    ------
    AuditError
        An accuracy is no number, has too many decimals or is outside 0 to 100 %.
    """
    full = granularity.scale(decimals, unit)
    rows = table[table[accuracy].notna() & table[test].isin(list(folds))].copy()
    rows["units"] = [checked_units(value, decimals, full, accuracy, row) for row, value in rows[accuracy].items()]
    strict: dict[str, tuple[str, Callable[[Folds], list[Folds]]]] = {
        "one_fold": ("rounding", lambda sizes: [(n,) for n in sorted(set(sizes))]),
        "mean_of_folds": ("rounding", lambda sizes: [sizes]),
        "one_fold_cut": ("truncation", lambda sizes: [(n,) for n in sorted(set(sizes))]),
        "mean_cut": ("truncation", lambda sizes: [sizes]),
    }
    for name, (rule, of) in strict.items():
        fits = {corpus: granularity.union(of(sizes), rule, full) for corpus, sizes in folds.items()}
        values = zip(rows[test], rows["units"], strict=True)
        rows[name] = np.array([fits[corpus][units] for corpus, units in values], dtype=bool)
        if rule == "rounding":
            chance = {corpus: float(fit.mean()) for corpus, fit in fits.items()}
            rows[name.replace("_of_folds", "") + "_chance"] = rows[test].map(chance)
    rows["right"] = [
        _right(folds[corpus], units, full) for corpus, units in zip(rows[test], rows["units"], strict=True)
    ]
    rows["verdict"] = np.select([rows["one_fold"], rows["mean_of_folds"]], ["either", "mean of folds"], "neither")
    rows.attrs = {"full": full, "test": test, "folds": dict(folds)}
    return rows


def checked_units(value: object, decimals: int, full: int, column: str, row: object) -> int:
    """Return a printed value in units of its last decimal; `AuditError` where it cannot be one."""
    try:
        units = granularity.to_units(str(value), decimals)
    except ValueError as error:
        raise AuditError(
            f"row {row}, column {column}: {error}; decimals and unit say how values are read"
        ) from None
    if not 0 <= units <= full:
        raise AuditError(f"row {row}, column {column}: {value} is not from 0 to 100 %; percent or fraction?")
    return units


def _right(folds: Folds, units: int, full: int) -> str:
    for n in sorted(set(folds)):
        found = granularity.hits(n, units, "rounding", full)
        if found:
            return f"{found[0]} of {n}"
    return ""
