"""Which emotions a cell is scored on, and which cells may be averaged, ranked or coloured together.

A pair of corpora is scored on the emotions that both have. To tell two emotions apart is another task than to tell
five, so scores of unlike label sets are never put together. Where some cell is scored on all emotions of the
protocol, those cells alone are; elsewhere cells with the same emotions are.

Tables of scores say it in the column `emotions` (names, sorted, joined by commas); in a table of predictions it is
what its rows have. Functions here take either.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from crosscorpus.scores import count_tables

PAIR = ["regime", "train_corpus", "test_corpus"]
COLUMNS = ["emotions", "n_emotions", "chance", "majority"]
"""What tables of scores say of the task: its emotions, how many they are, and two accuracies in percent that need
no head: by guessing evenly, and by always naming the most frequent emotion of the test utterances."""

MOST_NAMED = 6


def text(emotions: Iterable[str]) -> str:
    """Return a label set as tables of scores show it."""
    return ", ".join(sorted(emotions))


def of_cell(counts: np.ndarray, emotions: Sequence[str]) -> dict[str, str | int | float]:
    """Return `COLUMNS` of one cell.

    Parameters
    ----------
    counts
        Test utterances of each emotion; those of several seeds together will do.
    emotions
        Their names; an emotion without utterances is not in the label set.
    """
    there = [emotion for emotion, n in zip(emotions, counts, strict=True) if n > 0]
    return {
        "emotions": text(there),
        "n_emotions": len(there),
        "chance": 100 / len(there) if there else float("nan"),
        "majority": 100 * float(np.max(counts)) / float(np.sum(counts)) if there else float("nan"),
    }


def of_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the label set of each pair of corpora and regime: those of `PAIR` that the table has, and `COLUMNS`.

    Parameters
    ----------
    table
        Predictions, counts of them, or scores with `COLUMNS`.
    """
    pair = [column for column in PAIR if column in table]
    if "emotions" in table:
        return table[[*pair, *(c for c in COLUMNS if c in table)]].drop_duplicates(pair, ignore_index=True)
    counted = count_tables.utterances(table, [*pair, "emotion"]).rename("n").reset_index()
    rows = [
        dict(zip(pair, key, strict=True)) | of_cell(part["n"].to_numpy(), list(part["emotion"]))
        for key, part in counted.groupby(pair, observed=True, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*pair, *COLUMNS])


def chosen(table: pd.DataFrame, of_protocol: Sequence[str] = ()) -> str:
    """Return the label set that is put together: the protocol's if some pair has it, else that of most pairs.

    Of sets that are as frequent, the larger one; "" where there is nothing.
    """
    found = of_pairs(table)["emotions"]
    if text(of_protocol) in set(found):
        return text(of_protocol)
    frequent = found.value_counts()
    return max(frequent.index, key=lambda name: (frequent[name], name.count(","), name), default="")


def alike(table: pd.DataFrame, of_protocol: Sequence[str] = (), only: str = "") -> pd.DataFrame:
    """Return the rows of the cells that are scored on the label set `chosen`, or on `only`."""
    wanted, pairs = only or chosen(table, of_protocol), of_pairs(table)
    if (pairs["emotions"] == wanted).all():
        return table
    if "emotions" in table:
        return table[table["emotions"] == wanted]
    pair = [column for column in PAIR if column in table]
    kept = pd.MultiIndex.from_frame(pairs.loc[pairs["emotions"] == wanted, pair])
    number = table.groupby(pair, observed=True, sort=False).ngroup().to_numpy()
    first = pd.MultiIndex.from_frame(table.drop_duplicates(pair)[pair])  # in the order of the numbers
    return table[first.isin(kept)[number]]


def comparable(table: pd.DataFrame, of_protocol: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of scores that may be averaged, and the columns that a mean must keep apart besides.

    Where some cell has all emotions of the protocol, its like alone are returned, and nothing is kept apart. Else
    all are, and means are within cells of the same `emotions`.
    """
    sets = table["emotions"].unique()
    if text(of_protocol) in sets:
        return alike(table, of_protocol), []
    return table, ["emotions"] if len(sets) > 1 else []


def differing(table: pd.DataFrame, of_protocol: Sequence[str] = ()) -> pd.DataFrame:
    """Return the pairs of corpora whose label set is not `chosen`: train_corpus, test_corpus, `COLUMNS`."""
    pairs = of_pairs(table)
    return pairs[pairs["emotions"] != chosen(table, of_protocol)].drop_duplicates(
        ["train_corpus", "test_corpus"], ignore_index=True
    )


def said(table: pd.DataFrame, of_protocol: Sequence[str], name: Callable[[str], str] = str) -> str:
    """Return sentences on what is left out of means and rankings, for a page; "" where nothing is.

    `name` gives a corpus the name that readers know.
    """
    both = ["train_corpus", "test_corpus"]
    n, other = len(of_pairs(table).drop_duplicates(both)), differing(table, of_protocol)
    if not len(other):
        return ""
    named = []
    for train, test, how_many in zip(
        other["train_corpus"], other["test_corpus"], other["n_emotions"], strict=True
    ):
        pair = name(train) if train == test else f"{name(train)} → {name(test)}"
        named.append(f"{pair} ({counted(how_many)})")
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    listed, kept = ", ".join(named[:MOST_NAMED]) + more, chosen(table, of_protocol)
    if kept == text(of_protocol):
        return (
            f"{len(other)} of {n} pairs of corpora are scored on fewer emotions than the others, because a corpus "
            f"does not have them all: {listed}. They are marked, and left out of means, comparisons and ranks."
        )
    return (
        f"No pair of corpora has all of {text(of_protocol)}. Means are within pairs that share the same emotions, "
        f"and comparisons and ranks are over the {n - len(other)} of {n} pairs with {kept}; others: {listed}."
    )


def counted(n: int) -> str:
    """Return "3 emotions"."""
    return f"{n} emotion" if n == 1 else f"{n} emotions"
