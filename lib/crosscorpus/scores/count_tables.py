"""Tables of counts: how many test utterances, instead of which.

They are for all scores that do not ask which.

A table of counts has a row for each cell, seed, fold, cluster (see `metrics.with_clusters`), true and predicted
emotion that occurs: `KEYS`, `TIMES` (test utterances, int) and `TESTED` (uint64). It is a table of predictions in
which alike rows are one, so functions of `metrics` and `comparison` take either and return the same. Its length
grows with speakers and emotions, not with utterances, but for corpora that name no speaker.

`TESTED` is the sum, modulo 2^64, of hashes of the utterances: equal where the same were tested, which is all that
paired tests ask of them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEYS = [
    "ptm", "head", "regime", "seed", "train_corpus", "test_corpus", "fold", "cluster", "emotion", "predicted",
]  # fmt: skip
TIMES, TESTED = "times", "tested"
CELL = ["ptm", "head", "regime", "train_corpus", "test_corpus"]


def holds_counts(table: pd.DataFrame) -> bool:
    """Return whether a table is one of counts, not of predictions."""
    return TIMES in table


def times(table: pd.DataFrame) -> np.ndarray:
    """Return for how many test utterances each row stands, int [rows]: 1 in a table of predictions."""
    return table[TIMES].to_numpy() if holds_counts(table) else np.ones(len(table), dtype=int)


def of_clustered(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of predictions that have the column `cluster`; cells stay in their order."""
    if not len(predictions):
        return pd.DataFrame(columns=[*KEYS, TIMES, TESTED]).astype({TIMES: int, TESTED: np.uint64})
    number = predictions.groupby(KEYS, sort=False, observed=True).ngroup().to_numpy()
    counted = predictions.loc[~predictions.duplicated(KEYS), KEYS].reset_index(drop=True)
    hashes = pd.util.hash_pandas_object(predictions[["utterance", "emotion"]].astype(str), index=False)
    return counted.assign(**{TIMES: np.bincount(number), TESTED: _sums(hashes.to_numpy(), number, len(counted))})


def tested(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the sums of `TESTED` of each group of a table of counts."""
    grouped = table.groupby(list(by), sort=True, observed=True)
    sums = _sums(table[TESTED].to_numpy(), grouped.ngroup().to_numpy(), grouped.ngroups)
    return pd.Series(sums, grouped.size().index)


def check_counted_once(counted: pd.DataFrame) -> None:
    """Check counts of one cell: no row is there twice, and every seed has the same utterances.

    Raises
    ------
    ValueError
        They do not: counts of a run that was cut short, or that were read twice.
    """
    cell = ", ".join(str(value) for value in counted[CELL].iloc[0])
    if counted.duplicated(KEYS).any():
        raise ValueError(f"{cell}: its predictions are counted more than once, and should be once")
    sums = tested(counted, ["seed"])
    if (sums != sums.iloc[0]).any():
        other = sums.index[(sums != sums.iloc[0]).to_numpy()][0]
        raise ValueError(f"{cell}: seeds {sums.index[0]} and {other} were tested on different utterances")


def utterances(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return how many different test utterances each group has, in the order of the table.

    Of counts, it is the most that a repetition (a seed; a model, where `by` has none) has.
    """
    if not holds_counts(table):
        return table.groupby(list(by), sort=False, observed=True)["utterance"].nunique()
    inner = [column for column in (*CELL, "seed") if column in table and column not in by]
    each = table.groupby([*by, *inner], sort=False, observed=True)[TIMES].sum()
    return each.groupby(level=list(range(len(by))), sort=False).max()


def accuracy(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the accuracy of each group, in percent, in the order of the table."""
    n = times(table)
    right = (table["emotion"].astype(str) == table["predicted"].astype(str)).to_numpy()
    sums = table[list(by)].assign(right=100.0 * n * right, n=n).groupby(list(by), sort=False, observed=True).sum()
    return sums["right"] / sums["n"]


def _sums(hashes: np.ndarray, number: np.ndarray, n: int) -> np.ndarray:
    """Return sums of hashes by number, uint64 [n], modulo 2^64."""
    found = np.zeros(n, dtype=np.uint64)
    np.add.at(found, number, hashes)
    return found
