"""Mean ranks of models over blocks.

A block is a cell (`metrics.CELL`) without what is compared: when models are compared, a head, a regime, a training
corpus and a test corpus.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import known_names
from crosscorpus.scores import metrics


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of models over blocks, and which of them are told apart (Demšar 2006).

    Attributes
    ----------
    mean
        Mean rank of each model, the best (lowest) first.
    n_blocks, n_left_out
        Blocks that were ranked, and those left out because a model is missing there.
    statistic, p
        Friedman's test that all models rank alike, with its permutation distribution.
    critical_difference
        Two models are told apart if their mean ranks are at least this far from each other (Nemenyi's test).
    groups
        Longest runs of two or more models, best first, that are not told apart. All in one where Friedman's test
        does not reject.
    n_least
        Blocks from which on any two of so many models could be told apart; with fewer, nothing is shown by the
        groups.
    """

    mean: pd.Series
    n_blocks: int
    n_left_out: int
    statistic: float
    p: float
    critical_difference: float
    groups: list[list[str]]
    n_least: int

    @property
    def could_differ(self) -> bool:
        """Whether there are blocks enough for any two models to be told apart."""
        return len(self.mean) > 1 and self.n_blocks >= self.n_least


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
    return Ranks(pd.Series(dtype=float), len(whole), 0, nothing, nothing, nothing, [], 2), left_out


def mean_ranks(scores: pd.DataFrame, alpha: float = 0.05) -> Ranks:
    """Rank models within blocks and test whether they differ.

    Friedman's test asks whether any differ, Nemenyi's which are told apart: those whose mean ranks are at least

        CD = q sqrt(k (k + 1) / (6 N))

    apart, for k models and N blocks, where q is the quantile of the Studentized range (k groups, infinite degrees
    of freedom) over sqrt(2) (Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, section 3.2). No two mean
    ranks are further apart than k - 1, so that fewer blocks than `least_blocks` can tell nothing apart.

    The p-value is that of exchanging ranks within blocks: exact where there are at most `MOST_EXACT` ways to do
    so, else of as many random ones. The usual chi-square is another matter with few blocks: three models in two
    blocks have p = 1/6 at the least, and it says 0.14; it is used with more than `FEW_BLOCKS`. With two models it
    is the sign test.

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
        scipy.stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    )
    groups = _groups(mean, critical) if p < alpha else [list(mean.index)]
    return Ranks(mean, n, len(scores) - n, statistic, p, critical, groups, least_blocks(k, alpha))


def least_blocks(k: int, alpha: float = 0.05) -> int:
    """Return the smallest number of blocks with which any two of k models could be told apart by `mean_ranks`.

    Their critical difference must not exceed k - 1, nor the smallest p of Friedman's test, (1 / k!)^(blocks - 1),
    alpha.
    """
    q = float(scipy.stats.studentized_range.ppf(1 - alpha, k, np.inf)) / np.sqrt(2)
    by_distance = int(np.ceil(q**2 * k * (k + 1) / (6 * (k - 1) ** 2)))
    by_p = 1 + int(np.floor(np.log(1 / alpha) / np.log(math.factorial(k)))) + 1
    return max(by_distance, by_p, 2)


MOST_EXACT = 20_000
"""Ways to exchange ranks that are all gone through; where there are more, so many are drawn."""
FEW_BLOCKS = 30
"""With more blocks than these, chi-square is as good, and tells smaller p-values than draws can."""


def _friedman(scores: pd.DataFrame) -> tuple[float, float]:
    if (scores.max(axis=1) == scores.min(axis=1)).all():  # 0 / 0 in the formula
        return 0.0, 1.0
    if scores.shape[1] > 2:
        return float(scipy.stats.friedmanchisquare(*scores.to_numpy().T).statistic), _exchanged(scores)
    difference = np.sign(scores.iloc[:, 0] - scores.iloc[:, 1])
    wins, decided = int((difference > 0).sum()), int((difference != 0).sum())
    return (2 * wins - decided) ** 2 / decided, float(scipy.stats.binomtest(wins, decided).pvalue)


def _exchanged(scores: pd.DataFrame) -> float:
    """Return how often sums of ranks are as uneven as they are when ranks are exchanged within blocks."""
    ranks = scores.rank(axis=1).to_numpy()
    n, k = ranks.shape

    def unevenness(sums: np.ndarray) -> np.ndarray:
        return np.round(((sums - n * (k + 1) / 2) ** 2).sum(axis=-1), 6)

    seen = unevenness(ranks.sum(axis=0))
    if n > FEW_BLOCKS:
        return float(scipy.stats.chi2.sf(scipy.stats.friedmanchisquare(*scores.to_numpy().T).statistic, k - 1))
    if (n - 1) * math.log(math.factorial(k)) <= math.log(MOST_EXACT):  # the first block may stay as it is
        ways = [[row[list(order)] for order in itertools.permutations(range(k))] for row in ranks[1:]]
        sums = ranks[0] + np.array([sum(way) for way in itertools.product(*ways)])
        return float((unevenness(sums) >= seen).mean())
    rng = np.random.default_rng(0)
    sums = np.zeros((MOST_EXACT, k))
    for row in sorted(map(sorted, ranks.tolist())):  # so that the order of blocks and models does not matter
        sums += rng.permuted(np.tile(row, (MOST_EXACT, 1)), axis=1)
    return float(((unevenness(sums) >= seen).sum() + 1) / (MOST_EXACT + 1))


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
