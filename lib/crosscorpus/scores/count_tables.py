"""Tables of counts: how many test utterances, instead of which.

They are for all scores that do not ask which. Functions of `metrics`, `comparison` and `label_sets` take them or
predictions, and return the same.

A table of counts has the columns `KEYS`, `TIMES` (test utterances) and `TESTED` (uint64), and rows of two kinds,
as no score asks which of a speaker's utterances are in which fold:

- by fold: a row for each cell, seed, fold, true and predicted emotion that occurs; `cluster` is empty;
- by cluster (see `metrics.with_clusters`): `fold` is 0, and of a mistake one side alone is told. So a cluster and
  an emotion have three rows at most: what has the emotion and is right; what has it and is wrong, where
  `predicted` is missing; and what is wrongly predicted to have it, where `emotion` is missing.

Texts are categories, sorted, the same for both corpora and for both emotions, and all emotions that a head tells
apart are among the latter. The length of a table grows with
speakers and emotions, not with utterances, but for corpora that name no speaker.

`TESTED` is the sum, modulo 2^64, of hashes of the utterances in rows by cluster: equal where the same were tested,
which is all that paired tests ask of them.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

KEYS = [
    "ptm", "head", "regime", "seed", "train_corpus", "test_corpus", "fold", "cluster", "emotion", "predicted",
]  # fmt: skip
TEXTS = [["ptm"], ["head"], ["regime"], ["train_corpus", "test_corpus"], ["cluster"], ["emotion", "predicted"]]
"""Columns of texts; those together have the same categories."""
TIMES, TESTED = "times", "tested"
COLUMNS = [*KEYS, TIMES, TESTED]
CELL = ["ptm", "head", "regime", "train_corpus", "test_corpus"]


def holds_counts(table: pd.DataFrame) -> bool:
    """Return whether a table is one of counts, not of predictions."""
    return TIMES in table


def rows_by(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the rows by "fold" or by "cluster" of a table of counts; of predictions, all."""
    return table[(table["fold"] == 0) == (unit == "cluster")] if holds_counts(table) else table


def times(table: pd.DataFrame) -> np.ndarray:
    """Return for how many test utterances each row stands, int [rows]: 1 in a table of predictions."""
    return table[TIMES].to_numpy() if holds_counts(table) else np.ones(len(table), dtype=int)


def total(table: pd.DataFrame) -> int:
    """Return how many predictions a table has or counts."""
    return int(times(rows_by(table, "fold")).sum())


def of_clustered(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of predictions that have the column `cluster`; cells stay in their order."""
    hashes = pd.util.hash_pandas_object(predictions[["utterance", "emotion"]].astype(str), index=False).to_numpy()
    classes = [column.removeprefix("p_") for column in predictions if column.startswith("p_")]
    table = _categories(predictions[KEYS].reset_index(drop=True), classes)
    right, none = table["emotion"] == table["predicted"], np.zeros_like(hashes)
    own = table.assign(fold=0)
    return joined(
        [
            _counted(table.assign(cluster=""), none),
            _counted(own.assign(predicted=own["predicted"].where(right)), hashes),
            _counted(own.assign(emotion=own["emotion"].where(right))[~right], none[~right]),
        ]
    )


def _counted(table: pd.DataFrame, hashes: np.ndarray) -> pd.DataFrame:
    """Return a row for each different one, in the order of the first; faster by numbers than by a groupby."""
    number, first = numbered(table, KEYS)
    rows = table.iloc[first]
    counted = {TIMES: np.bincount(number, minlength=len(rows)), TESTED: sums_by(hashes, number, len(rows))}
    return _categories(rows.assign(**counted))


def numbered(table: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each different row by some columns, in their order, and where each is first."""
    number = np.zeros(len(table), dtype=np.int64)
    for column in columns:
        codes, values = pd.factorize(table[column])
        number = pd.factorize(number * (len(values) + 1) + codes)[0]
    return number, np.flatnonzero(~pd.Series(number).duplicated())


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of counts, one below the other."""
    each = {column: [table[column] for table in tables] for column in COLUMNS}
    texts = {*itertools.chain(*TEXTS)}
    return _categories(
        pd.DataFrame(
            {
                column: pd.api.types.union_categoricals(parts) if column in texts else np.concatenate(parts)
                for column, parts in each.items()
            }
        )
    )


def _categories(table: pd.DataFrame, emotions: Sequence[str] = ()) -> pd.DataFrame:
    found: dict[str, pd.Series] = {}
    for together in TEXTS:
        texts = {column: table[column].astype("category") for column in together}
        more = emotions if "emotion" in texts else ()
        known = sorted({*itertools.chain(more, *(text.cat.categories for text in texts.values()))})
        found |= {column: text.cat.set_categories(known) for column, text in texts.items()}
    small = {column: kind for column, kind in (("fold", np.int16), (TIMES, np.int32)) if column in table}
    return table.assign(**found).astype(small)


def tested(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the sums of `TESTED` of each group of a table of counts; rows without an emotion have none."""
    grouped = rows_by(table.dropna(subset="emotion"), "cluster").groupby(list(by), sort=True, observed=True)
    found = sums_by(grouped.obj[TESTED].to_numpy(), grouped.ngroup().to_numpy(), grouped.ngroups)
    return pd.Series(found, grouped.size().index)


def check_counted_once(counted: pd.DataFrame) -> None:
    """Check that no row is there twice, and that in every cell every seed has the same utterances.

    Raises
    ------
    ValueError
        They do not: counts of a run that was cut short, or that were read twice.
    """
    twice = counted.duplicated(KEYS).to_numpy()
    if twice.any():
        cell = ", ".join(str(value) for value in counted[CELL].iloc[int(np.argmax(twice))])
        raise ValueError(f"{cell}: its predictions are counted more than once, and should be once")
    by_seed = tested(counted, [*CELL, "seed"])
    unlike = (by_seed != by_seed.groupby(level=CELL, observed=True).transform("first")).to_numpy()
    if unlike.any():
        *cell, other = by_seed.index[int(np.argmax(unlike))]
        first = by_seed.loc[tuple(cell)].index[0]
        where = ", ".join(map(str, cell))
        raise ValueError(f"{where}: seeds {first} and {other} were tested on different utterances")


def utterances(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return how many different test utterances each group has, in the order of the table.

    Of counts, it is the most that a repetition (a seed; a model, where `by` has none) has.
    """
    if not holds_counts(table):
        return table.groupby(list(by), sort=False, observed=True)["utterance"].nunique()
    inner = [column for column in (*CELL, "seed") if column in table and column not in by]
    each = rows_by(table, "fold").groupby([*by, *inner], sort=False, observed=True)[TIMES].sum()
    return _texts(each.groupby(level=list(range(len(by))), sort=False, observed=True).max().astype(int))


def accuracy(table: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the accuracy of each group, in percent, in the order of the table."""
    rows = rows_by(table, "fold")
    n, right = times(rows), (rows["emotion"].astype(str) == rows["predicted"].astype(str)).to_numpy()
    sums = rows[list(by)].assign(right=100.0 * n * right, n=n).groupby(list(by), sort=False, observed=True).sum()
    return _texts(sums["right"] / sums["n"])


def _texts(of_groups: pd.Series) -> pd.Series:
    """Return values of groups with texts for categories in the index."""
    keys = of_groups.index.to_frame(index=False)
    keys = keys.astype({column: str for column in keys if keys[column].dtype == "category"})
    index = pd.MultiIndex.from_frame(keys) if keys.shape[1] > 1 else pd.Index(keys.iloc[:, 0])
    return of_groups.set_axis(index)


def sums_by(hashes: np.ndarray, number: np.ndarray, n: int) -> np.ndarray:
    """Return sums of hashes by number, uint64 [n], modulo 2^64."""
    found = np.zeros(n, dtype=np.uint64)
    np.add.at(found, number, hashes)
    return found
