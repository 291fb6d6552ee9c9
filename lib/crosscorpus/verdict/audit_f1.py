"""Whether printed macro-F1 can stand beside printed accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crosscorpus.scores import f1bounds, granularity
from crosscorpus.verdict import audit_cells

FAR = 2.0
"""Percentage points above accuracy from which macro-F1 is listed as far above it."""


def macro_f1(
    judged: pd.DataFrame,
    classes: Mapping[str, Sequence[audit_cells.Folds]],
    *,
    column: str = "macro_f1",
    decimals: int = 2,
    far: float = FAR,
) -> pd.DataFrame:
    """Hold each published macro-F1 against what its accuracy allows.

    Parameters
    ----------
    judged
        What `cells` returns, with the column `column`.
    classes
        Test corpus -> class counts of the test folds in question; cells of others get no bounds.
    far
        Percentage points above accuracy from which a value is listed.

    Returns
    -------
    The cells that have a macro-F1, with `difference` (macro-F1 minus accuracy, percentage points), `lowest` and
    `highest` (bounds in percent, from `f1bounds.between`), `bounds_for` ("one fold", "mean of folds" or
    "nothing"), `flag` ("above what is possible", "below what is possible", "far above accuracy" or ""), and
    `f1_fits_one_fold`: whether macro-F1 has a value that an accuracy on one fold could have, which is rare
    (`f1_chance`) unless the two columns were exchanged.
    """
    full, test, folds = judged.attrs["full"], judged.attrs["test"], judged.attrs["folds"]
    rows = judged[judged[column].notna()].copy()
    printed = [
        audit_cells.checked_units(value, decimals, full, column, row) for row, value in rows[column].items()
    ]
    to_percent = 100 / full
    rows["difference"] = (np.array(printed, dtype=int) - rows["units"]) * to_percent
    known: dict[tuple[str, int], tuple] = {}
    for key in set(zip(rows[test], rows["units"], strict=True)):
        known[key] = f1bounds.between(classes.get(key[0], []), key[1], "rounding", full)
    found = [known[key] for key in zip(rows[test], rows["units"], strict=True)]
    rows["lowest"] = [100 * low if low is not None else np.nan for low, _, _ in found]
    rows["highest"] = [100 * high if high is not None else np.nan for _, high, _ in found]
    rows["bounds_for"] = [kind for _, _, kind in found]
    slack = to_percent / 2 + 1e-9  # of printing; bounds are floats
    value = np.array(printed, dtype=float) * to_percent
    rows["flag"] = np.select(
        [value > rows["highest"] + slack, value < rows["lowest"] - slack, rows["difference"] >= far - 1e-9],
        ["above what is possible", "below what is possible", "far above accuracy"],
        default="",
    )
    fits = {c: granularity.union([(n,) for n in set(sizes)], "rounding", full) for c, sizes in folds.items()}
    rows["f1_fits_one_fold"] = [bool(fits[c][u]) for c, u in zip(rows[test], printed, strict=True)]
    rows["f1_chance"] = rows[test].map({c: float(fit.mean()) for c, fit in fits.items()})
    return rows
