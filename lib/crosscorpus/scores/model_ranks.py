"""Mean ranks of models over blocks.

A block is a cell (`metrics.CELL`) without what is compared: when models are compared, a head, a regime, a training
corpus and a test corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from crosscorpus.base import known_names
from crosscorpus.scores import metrics


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of models over blocks, and which of them differ (Demšar 2006).

    Attributes
    ----------
    mean
        Mean rank of each model, the best (lowest) first.
    n_blocks, n_left_out
        Blocks that were ranked, and those left out because a model is missing there.
    statistic, p
        Friedman's test that all models rank alike.
    critical_difference
        Two models differ if their mean ranks are at least this far apart (Nemenyi's test).
    groups
        Longest runs of two or more models, best first, that do not differ. All in one where Friedman's test does
        not reject.
    """

    mean: pd.Series
    n_blocks: int
    n_left_out: int
    statistic: float
    p: float
    critical_difference: float
    groups: list[list[str]]


def matrix(
    table: pd.DataFrame, between: str = "ptm", metric: str = "accuracy", over: Sequence[str] = ()
) -> pd.DataFrame:
    """Return scores as blocks × models, missing where a block lacks a model.

    `table` is what `metrics.summary` or `metrics.interval` returns; see `pairs` for `between`. Scores are averaged
    over the columns `over` (heads, say), which makes fewer and more different blocks.
    """
    known_names.check(between, metrics.CELL, "column to compare")
    block = [column for column in metrics.CELL if column not in (between, *over)]
    order = list(table[between].unique())
    if over:
        table = table.groupby([*block, between], sort=False)[metric].mean().reset_index()
    return table.pivot(index=block, columns=between, values=metric)[order]


def ranking(scores: pd.DataFrame, alpha: float = 0.05) -> tuple[Ranks, list[str]]:
    """Rank, with `mean_ranks`, the models that have the most blocks.

    Returns
    -------
    The ranks, without any where fewer than two models or two blocks are left; and the models that were left out
    because they miss blocks that others have.
    """
    n_blocks = scores.notna().sum()
    whole = scores.loc[:, n_blocks == n_blocks.max()].dropna()
    left_out = [str(name) for name in scores.columns[n_blocks < n_blocks.max()]]
    if min(whole.shape) > 1:
        return mean_ranks(whole, alpha), left_out
    nothing = float("nan")
    return Ranks(pd.Series(dtype=float), len(whole), 0, nothing, nothing, nothing, []), left_out


def mean_ranks(scores: pd.DataFrame, alpha: float = 0.05) -> Ranks:
    """Rank models within blocks and test whether they differ.

    Friedman's test asks whether any differ, and Nemenyi's which: those whose mean ranks are at least

        CD = q sqrt(k (k + 1) / (6 N))

    apart, for k models and N blocks, where q is the quantile of the Studentized range (k groups, infinite degrees
    of freedom) over sqrt(2) (Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, section 3.2). With two
    models, Friedman's test is the sign test, and its exact p-value is given.

    Both take blocks as independent. Blocks that share a test corpus, a training corpus or a head are not quite,
    and p is then too small: fewer but more different blocks are safer ground.

    Parameters
    ----------
    scores
        Blocks × models, as `matrix` returns; higher is better. Scores that are equal to 9 decimals share their
        mean rank. Blocks with a missing score are left out.
    alpha
        Level of both tests.

    Raises
    ------
    ValueError
        Fewer than two models, or fewer than two blocks that have all of them.
    """
    whole = scores.dropna().round(9)
    n, k = whole.shape
    if k < 2:
        raise ValueError(f"mean ranks need two models or more, and here is {k}")
    if n < 2:
        missing = ", ".join(str(name) for name in scores.columns[scores.isna().any()])
        without = f"; missing in some: {missing}" if missing else ""
        raise ValueError(f"mean ranks need two blocks or more that have all {k} models, and there is {n}{without}")
    mean = whole.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    statistic, p = _friedman(whole)
    critical = float(
        stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    )
    groups = _groups(mean, critical) if p < alpha else [list(mean.index)]
    return Ranks(mean, n, len(scores) - n, statistic, p, critical, groups)


def _friedman(scores: pd.DataFrame) -> tuple[float, float]:
    if (scores.max(axis=1) == scores.min(axis=1)).all():  # 0 / 0 in the formula
        return 0.0, 1.0
    if scores.shape[1] > 2:
        result = stats.friedmanchisquare(*scores.to_numpy().T)
        return float(result.statistic), float(result.pvalue)
    difference = np.sign(scores.iloc[:, 0] - scores.iloc[:, 1])
    wins, decided = int((difference > 0).sum()), int((difference != 0).sum())
    return (2 * wins - decided) ** 2 / decided, float(stats.binomtest(wins, decided).pvalue)


def _groups(mean: pd.Series, critical: float) -> list[list[str]]:
    values, models = mean.to_numpy(), list(mean.index)
    found: list[list[str]] = []
    reached = 0  # the end of the last run: one that ends no further is a part of it
    for start in range(len(models)):
        end = start + int((values[start:] - values[start] < critical).sum())
        if end - start > 1 and end > reached:
            found.append(models[start:end])
            reached = end
    return found
