"""Totals, evenness and repeats of the values of a table, beside what chance gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from crosscorpus.verdict import audit_cells

WEAK = 0.05
"""A cell that would fit by chance with more than this probability does not count as evidence."""
DRAWS = 20_000
"""Random tables of the permutation test."""


def totals(judged: pd.DataFrame, by: str) -> pd.DataFrame:
    """Count verdicts by a column (model, test corpus), the most misses first.

    Returns
    -------
    `by`, `cells`, `one_fold`, `mean_only`, `neither`, and `by_chance`: how many would fit as one fold if all
    values were arbitrary.
    """
    grouped = judged.groupby(by, sort=False)
    table = pd.DataFrame({
        "cells": grouped.size(),
        "one_fold": grouped["one_fold"].sum(),
        "mean_only": grouped.apply(lambda part: int((part["mean_of_folds"] & ~part["one_fold"]).sum())),
        "neither": grouped.apply(lambda part: int((part["verdict"] == "neither").sum())),
        "by_chance": grouped["one_fold_chance"].sum(),
    })  # fmt: skip
    return table.sort_values(["one_fold", "neither"], ascending=[True, False], kind="stable").reset_index()


def evenness(
    judged: pd.DataFrame, by: str, within: str | None = None, *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Test whether the cells that do not fit are spread evenly over the values of a column.

    A permutation test, exact but for the number of draws: with the number of misses in each stratum (a value of
    `within`) and the cells of each group fixed, misses are dealt at random, each cell of a stratum being as likely
    as any other; the statistic is Pearson's chi-square of misses per group. It assumes that cells are independent
    and, within a stratum, would fit by chance alike; for groups of test corpora, that is so only nearly, so the
    test is also made without cells whose chance is above `WEAK`.

    Returns
    -------
    A row for each kind of miss ("not one fold", "neither") and choice of cells ("all", "strong"): `misses_are,
    which, cells, misses, chi_square, p`. p is never below 1 / (draws + 1).
    """
    rows = []
    kinds = {"not one fold": ~judged["one_fold"], "neither": judged["verdict"] == "neither"}
    chances = {
        "not one fold": judged["one_fold_chance"],
        "neither": judged[["one_fold_chance", "mean_chance"]].max(axis=1),
    }
    for kind, missed in kinds.items():
        for which in ("all", "strong"):
            here = judged[(chances[kind] <= WEAK) | (which == "all")]
            if here.empty:
                continue
            strata = here[within] if within else pd.Series("all", index=here.index)
            chi_square, p = _spread(missed.loc[here.index], here[by], strata, draws, seed)
            rows.append((kind, which, len(here), int(missed.loc[here.index].sum()), chi_square, p))
    return pd.DataFrame(rows, columns=["misses_are", "which", "cells", "misses", "chi_square", "p"])


def _spread(missed: pd.Series, groups: pd.Series, strata: pd.Series, draws: int, seed: int) -> tuple[float, float]:
    sizes = pd.crosstab(strata, groups)
    misses = missed.groupby(strata).sum().reindex(sizes.index).to_numpy(dtype=int)
    expected = (sizes.to_numpy() / sizes.sum(axis=1).to_numpy()[:, None] * misses[:, None]).sum(axis=0)
    observed = missed.groupby(groups).sum().reindex(sizes.columns).to_numpy(dtype=int)
    used = expected > 0
    if not used.any():
        return 0.0, 1.0
    rng = np.random.default_rng(seed)
    dealt = np.zeros((draws, len(expected)), dtype=np.int64)
    for row, m in zip(sizes.to_numpy(), misses, strict=True):
        dealt += rng.multivariate_hypergeometric(row, m, size=draws)

    def chi_square(counts: np.ndarray) -> np.ndarray:
        return ((counts[..., used] - expected[used]) ** 2 / expected[used]).sum(axis=-1)

    statistic = float(chi_square(observed))
    as_large = int((chi_square(dealt) >= statistic - 1e-9).sum())
    return statistic, (1 + as_large) / (draws + 1)


@dataclass(frozen=True)
class Repeats:
    """Cells that share accuracy and macro-F1.

    Attributes
    ----------
    cells
        Cells of one test corpus with the same two values, group by group (`group`, from 1), with `constant`: the
        values are those of a classifier that always answers one class, which cells at chance level may well share.
    pairs
        Pairs of such cells.
    same_accuracy
        Pairs of cells of one test corpus with the same accuracy.
    expected
        Pairs that also share macro-F1, by chance.
    p
        Chance of so many or more (Poisson).
    """

    cells: pd.DataFrame
    pairs: int
    same_accuracy: int
    expected: float
    p: float


def repeats(
    judged: pd.DataFrame,
    classes: Mapping[str, Sequence[audit_cells.Folds]] | None = None,
    *,
    column: str = "macro_f1",
    decimals: int = 2,
    near: float = 1.0,
) -> Repeats:
    """List cells of one test corpus that share accuracy and macro-F1, with the chance of so many.

    The chance is conditional: equal accuracies are taken as they are, as few values are possible. How likely two
    cells with about the same accuracy (within `near` percentage points) have the same macro-F1 is read off the
    table itself: the share of such pairs of one test corpus whose macro-F1 differ by at most `near` points,
    divided by the number of printed differences in that range. This takes differences within the range as equally
    likely, and pairs as independent. Both heads of one model see the same embeddings, so some likeness is natural.
    """
    full, test = judged.attrs["full"], judged.attrs["test"]
    rows = judged[judged[column].notna()].copy()
    rows["f1_units"] = [
        audit_cells.checked_units(value, decimals, full, column, row) for row, value in rows[column].items()
    ]
    reach = round(near * full / 100)
    pairs, same_accuracy, expected = 0, 0, 0.0
    for _, part in rows.groupby(test, sort=False):
        one, other = np.triu_indices(len(part), 1)
        by_accuracy = np.abs(np.subtract(*(part["units"].to_numpy()[side] for side in (one, other))))
        by_f1 = np.abs(np.subtract(*(part["f1_units"].to_numpy()[side] for side in (one, other))))
        equal, close = by_accuracy == 0, by_accuracy <= reach
        pairs += int((equal & (by_f1 == 0)).sum())
        same_accuracy += int(equal.sum())
        if close.any():
            expected += int(equal.sum()) * float((by_f1[close] <= reach).mean()) / (2 * reach + 1)
    keys = [test, "units", "f1_units"]
    shown = rows[rows.duplicated(keys, keep=False)].sort_values(keys, kind="stable")
    shown["group"] = shown.groupby(keys, sort=False).ngroup() + 1
    constants = {c: _constants(given, full) for c, given in (classes or {}).items()}
    shown["constant"] = [
        pair in constants.get(c, set())
        for c, pair in zip(shown[test], zip(shown["units"], shown["f1_units"], strict=True), strict=True)
    ]
    return Repeats(shown, pairs, same_accuracy, expected, float(scipy.stats.poisson.sf(pairs - 1, expected)))


def _constants(classes: Sequence[audit_cells.Folds], full: int) -> set[tuple[int, int]]:
    # Accuracy and macro-F1 in units, both of half up and half even, where one class takes all answers.
    found = set()
    for counts in classes:
        n = sum(counts)
        for size in set(counts):
            f1 = full * 2 * size / (n + size) / len(counts)
            accuracies = {full * size // n, -(-full * size // n)}
            found |= {
                (a, f) for a in accuracies for f in {round(f1), int(f1 + 0.5)} if abs(a - full * size / n) <= 0.5
            }
    return found
