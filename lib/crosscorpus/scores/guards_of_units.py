"""Soft guards that must see every row of predictions, one unit of work after the other.

What they say is kept with each unit's counts, so that `guards` need no rows. To tell whether two models have the
same predictions takes rows of both: of those test folds alone where it may be.
"""

import itertools

import numpy as np
import pandas as pd

from crosscorpus.scores import count_tables, guard_parts, guards_of_predictions

SAME = "same predictions"
BLOCK = [column for column in guard_parts.TEST_FOLD if column != "ptm"]


def of_rows(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return what the guards say that must see every row, of the predictions of one unit of work.

    Parameters
    ----------
    predictions, utterances
        As of `guards.check_results`.

    Returns
    -------
    `guard_parts.COLUMNS`, a row for each thing that the guards of utterances, of probabilities and of constant
    ones looked at, with an empty message where nothing is wrong; and one for each test fold that may be compared
    with another model's, with the sums of its probabilities, `p_<emotion>`, for `perhaps_same`.
    """
    columns = [f"p_{emotion}" for emotion in guard_parts.emotions_of(predictions)]
    folds = guard_parts.sighted(predictions).groupby(guard_parts.TEST_FOLD, observed=True, sort=False)
    sums = folds[columns].sum().astype(float).reset_index()
    nothing = pd.Series(False, sums.index)
    compared = guard_parts.report(SAME, sums, nothing, str, every=True)
    found = [
        guards_of_predictions.wrong_utterances(predictions, utterances, every=True),
        guards_of_predictions.wrong_probabilities(predictions, utterances, every=True),
        guards_of_predictions.constant(predictions, every=True),
        compared.assign(**sums[columns]),
    ]
    together = pd.concat(found, ignore_index=True)
    together.attrs = {}
    return together


def perhaps_same(found: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """Return the test folds whose rows must be compared, as two models may have the same predictions there.

    Others cannot: probabilities that are the same, but for `guards_of_predictions.SAME`, have sums that are, and
    the same labels are counted alike.

    Parameters
    ----------
    found, counted
        What `of_rows` returns, and counts of the same predictions, of all units of work together.

    Returns
    -------
    Rows of `found`.
    """
    table = compared(found)
    of_fold = ["emotion", "predicted", count_tables.TIMES]
    rows = guard_parts.plain_texts(count_tables.rows_by(counted, "fold")[[*guard_parts.TEST_FOLD, *of_fold]])
    rows = rows.sort_values(of_fold)
    answer = pd.util.hash_pandas_object(rows[of_fold], index=False)
    answers = rows.assign(answers=answer).groupby(guard_parts.TEST_FOLD)["answers"].agg(lambda of: hash(tuple(of)))
    answer = table.join(answers, on=guard_parts.TEST_FOLD)["answers"].to_numpy()
    sums = table.filter(like="p_").fillna(0.0).to_numpy()
    may_be = np.zeros(len(table), dtype=bool)
    for places in table.groupby(BLOCK, sort=False).indices.values():
        for a, b in itertools.combinations(places, 2):
            near = np.abs(sums[a] - sums[b]) <= 1.01 * guards_of_predictions.SAME * np.maximum(sums[a], sums[b])
            may_be[[a, b]] |= near.all() or answer[a] == answer[b]
    return table[may_be]


def with_same(found: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `found` of all units together, with what comparing the rows of `perhaps_same` says."""
    same = guards_of_predictions.same_predictions(rows).set_index(guard_parts.TEST_FOLD)["message"].rename("said")
    said = found[guard_parts.TEST_FOLD].join(same, on=guard_parts.TEST_FOLD)["said"]
    return found.assign(message=found["message"].mask((found["guard"] == SAME) & said.notna(), said))


def compared(found: pd.DataFrame) -> pd.DataFrame:
    """Return the test folds of `of_rows`, of all units of work together, that several models have, by model."""
    table = found[found["guard"] == SAME]
    several = table.groupby(BLOCK)["ptm"].transform("nunique") > 1
    return table[several].sort_values("ptm", kind="stable")


def tripped(found: pd.DataFrame) -> list[pd.DataFrame]:
    """Return, for each of these guards, what it found, and in `attrs` how much it looked at."""
    parts = []
    for guard, looked_at in found.groupby("guard", sort=False):
        table = compared(found) if guard == SAME else looked_at
        bad = table.loc[table["message"] != "", guard_parts.COLUMNS].reset_index(drop=True)
        bad.attrs["checked"] = {guard: len(table)}
        parts.append(bad)
    return parts
