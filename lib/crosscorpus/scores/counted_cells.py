"""What scores need of every cell of a table, by numbers: a table of a thousand cells is not cut into a thousand.

A cell is one combination of `count_tables.CELL`; tables are predictions or counts of them (`count_tables`).
"""

from collections.abc import Iterator, Sequence
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
    holds_counts = count_tables.holds_counts(table)
    if not (_are_counted_once(table) if holds_counts else _are_tested_once(table)):
        check = count_tables.check_counted_once if holds_counts else _check_cell
        for _, rows in _rows_of_cells(table):
            check(table.iloc[rows])


def _are_counted_once(table: pd.DataFrame) -> bool:
    if table.duplicated(count_tables.KEYS).any():
        return False
    sums = count_tables.tested(table, [*CELL, "seed"])
    return bool((sums == sums.groupby(level=CELL, observed=True).transform("first")).all())


def _are_tested_once(table: pd.DataFrame) -> bool:
    cell, _ = _numbered(table, CELL)
    tested, _ = _numbered(table.assign(cell=cell), ["cell", "utterance"])
    seed, seeds = pd.factorize(table["seed"])
    of_seed = pd.Series(cell * len(seeds) + seed)
    n_utterances = pd.Series(cell).groupby(pd.Series(tested)).first().value_counts()
    n_rows = of_seed.value_counts()
    whole = (n_rows.to_numpy() == n_utterances.reindex(n_rows.index // max(len(seeds), 1)).to_numpy()).all()
    return bool(whole) and not pd.Series(tested * len(seeds) + seed).duplicated().any()


def _check_cell(predictions: pd.DataFrame) -> None:
    seed, seeds = pd.factorize(predictions["seed"])
    utterance, utterances = pd.factorize(predictions["utterance"])
    times = np.bincount(seed * len(utterances) + utterance, minlength=len(seeds) * len(utterances))
    if (times != 1).any():
        at = int(np.argmax(times != 1))
        cell = ", ".join(str(value) for value in predictions[CELL].iloc[0])
        raise ValueError(
            f"{cell}: {utterances[at % len(utterances)]} was tested {times[at]} times with seed "
            f"{seeds[at // len(utterances)]}, and should be once"
        )


def _rows_of_cells(table: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield each cell with the positions of its rows."""
    number, first = _numbered(table, CELL)
    names = [table[column].iloc[first].astype(object).to_numpy() for column in CELL]
    order = np.argsort(number, kind="stable")
    cuts = np.cumsum(np.bincount(number, minlength=len(first)))[:-1]
    for at, rows in enumerate(np.split(order, cuts) if len(first) else []):
        yield tuple(column[at] for column in names), rows


def _numbered(table: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each different row, in the order of the first, and where each is first."""
    number = np.zeros(len(table), dtype=np.int64)
    for column in columns:
        codes, values = pd.factorize(table[column])
        number = pd.factorize(number * (len(values) + 1) + codes)[0]
    return number, np.flatnonzero(~pd.Series(number).duplicated())
