"""What scores need of every cell of a table, by numbers: a table of a thousand cells is not cut into a thousand.

A cell is one combination of `count_tables.CELL`; tables are predictions or counts of them (`count_tables`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crosscorpus.scores import count_tables

CELL = count_tables.CELL


@dataclass(frozen=True)
class Counted:
    """One cell: its values of `CELL`, and what is counted in it.

    `counts` is float [units, seeds, emotions, 3]: utterances with the emotion, predictions of it, and those of
    them that are right. `units`, `seeds` and `emotions` (the true ones) are the labels of its axes, sorted.
    """

    cell: tuple[str, ...]
    counts: np.ndarray
    units: np.ndarray
    seeds: np.ndarray
    emotions: np.ndarray


def count(table: pd.DataFrame, unit: str) -> Iterator[Counted]:
    """Yield the counts of every cell of a table, in their order there.

    Parameters
    ----------
    table
        Predictions, or counts of them.
    unit
        Column to count within: "fold", or "cluster".
    """
    table = count_tables.rows_by(table, unit)
    within, units = pd.factorize(table[unit], sort=True)
    seed, seeds = pd.factorize(table["seed"], sort=True)
    both = pd.concat([table["emotion"].astype(object), table["predicted"].astype(object)], ignore_index=True)
    codes, emotions = pd.factorize(both, sort=True)
    truth, guess = np.split(codes, 2)
    times = count_tables.times(table)
    place = np.empty(len(emotions) + 1, dtype=np.int64)  # the last is for a missing one, whose code is -1
    for cell, rows in _rows_of_cells(table):
        (own_units, i), (own_seeds, j) = (np.unique(c[rows], return_inverse=True) for c in (within, seed))
        there = np.unique(truth[rows])
        there = there[there >= 0]
        place[:] = -1
        place[there] = np.arange(len(there))
        counted = of_codes(
            (i, j, place[truth[rows]], place[guess[rows]]),
            times[rows],
            (len(own_units), len(own_seeds), len(there)),
        )
        labels = (np.asarray(units)[own_units], np.asarray(seeds)[own_seeds], np.asarray(emotions)[there])
        yield Counted(cell, counted, *labels)


def of_codes(
    codes: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], times: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Return the counts of one cell, float [units, seeds, emotions, 3], see `Counted`.

    Parameters
    ----------
    codes
        Unit, seed, true and predicted emotion of each row, as places in `shape`; -1 for an emotion that is missing
        or never true.
    times
        For how many utterances each row stands.
    shape
        How many units, seeds and emotions there are.
    """
    i, j, truth, guess = codes

    def counted(emotion: np.ndarray, keep: np.ndarray) -> np.ndarray:
        flat = np.ravel_multi_index((i[keep], j[keep], emotion[keep]), shape)
        return np.bincount(flat, times[keep], minlength=int(np.prod(shape))).reshape(shape)

    known, named = truth >= 0, guess >= 0
    three = [counted(truth, known), counted(guess, named), counted(truth, known & (truth == guess))]
    return np.stack(three, axis=-1).astype(float)


Tested = dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]


def tested(table: pd.DataFrame) -> tuple[Tested, np.ndarray]:
    """Return what tells, for each cell, whether two were tested on the same; one seed stands for all.

    Returns
    -------
    found
        For each cell, numbers that stand for an utterance (of counts: a cluster) and its emotion, sorted, the same
        in all cells; and with each, 1, or the sum of the utterances' hashes (see `count_tables`).
    names
        The utterance or cluster that each number stands for.
    """
    holds_counts = count_tables.holds_counts(table)
    table = count_tables.rows_by(table[table["emotion"].notna()], "cluster")
    unit, units = pd.factorize(table["cluster" if holds_counts else "utterance"], sort=True)
    emotion, emotions = pd.factorize(table["emotion"], sort=True)
    pair, seed = unit * len(emotions) + emotion, table["seed"].to_numpy()
    hashes = table[count_tables.TESTED].to_numpy() if holds_counts else np.ones(len(table), dtype=np.uint64)
    found = {}
    for cell, rows in _rows_of_cells(table):
        rows = rows[seed[rows] == seed[rows[0]]]
        there, number = np.unique(pair[rows], return_inverse=True)
        found[cell] = there, count_tables.sums_by(hashes[rows], number, len(there))
    return found, np.repeat(np.asarray(units), len(emotions))


def check_tested_once(table: pd.DataFrame) -> None:
    """Check that every cell has every utterance once for every seed.

    Raises
    ------
    ValueError
        One has not: a run that was cut short, or a table read twice; of predictions it names the utterance.
    """
    if count_tables.holds_counts(table):
        return count_tables.check_counted_once(table)
    cell, _ = count_tables.numbered(table, CELL)
    tested, first = count_tables.numbered(table.assign(cell=cell), ["cell", "utterance"])
    seed, seeds = pd.factorize(table["seed"])
    shape = (len(first), len(seeds))
    times = np.bincount(tested * len(seeds) + seed, minlength=int(np.prod(shape))).reshape(shape)
    has_seed = np.zeros((cell.max(initial=-1) + 1, len(seeds)), dtype=bool)
    has_seed[cell, seed] = True
    wrong = (times != 1) & has_seed[cell[first]]
    if wrong.any():
        at, of_seed = np.argwhere(wrong)[0]
        row = table.iloc[first[at]]
        raise ValueError(
            f"{', '.join(str(value) for value in row[CELL])}: {row['utterance']} was tested {times[at, of_seed]} "
            f"times with seed {seeds[of_seed]}, and should be once"
        )


def _rows_of_cells(table: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield each cell with the positions of its rows."""
    number, first = count_tables.numbered(table, CELL)
    names = [table[column].iloc[first].astype(object).to_numpy() for column in CELL]
    order = np.argsort(number, kind="stable")
    cuts = np.cumsum(np.bincount(number, minlength=len(first)))[:-1]
    for at, rows in enumerate(np.split(order, cuts) if len(first) else []):
        yield tuple(column[at] for column in names), rows
