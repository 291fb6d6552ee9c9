"""By how much the best model of each column of Table I leads, beside what chance in the test sets would give.

The question is put as gently as it can be: are the two best models of a column told apart at all? Assumed is that
both have the same chance of being right, their mean, and are right or wrong independently of each other and from
utterance to utterance. Then both counts are binomial, and the distribution of their difference is exact. Models
that are tested on the same utterances err together in part, which makes differences by chance smaller; utterances
of one speaker err together too, which makes them larger.
"""

import numpy as np
import pandas as pd
import scipy

from crosscorpus.verdict import published_tables

COLUMN = ["train_corpus", "test_corpus", "head"]
LEVEL = 0.05
"""Two-sided level at which a lead is more than chance, and the share of columns that chance alone gives."""
ROUNDING = 0.01
"""Points that two rounded values, of two decimals each, can be apart where the counts are equal."""


def chance_of_lead(lead: float, accuracy: float, n: int) -> float:
    """Return how probable a lead of this size is, in either direction, where two models are equally good.

    Parameters
    ----------
    lead, accuracy
        Points, and percent: the mean of the two.
    n
        Utterances that both were tested on.
    """
    least = max(0, int(np.ceil((lead - ROUNDING) * n / 100 - 1e-9)))
    if least == 0:
        return 1.0
    right = scipy.stats.binom.pmf(np.arange(n + 1), n, accuracy / 100)
    as_many_or_more = np.cumsum(right[::-1])[::-1]
    return float(min(1, 2 * np.sum(right[: n + 1 - least] * as_many_or_more[least:])))


def columns(table: pd.DataFrame, name: str = "phukan2025_table1") -> pd.DataFrame:
    """Return the lead of the best model of each column, and how probable chance makes it.

    Parameters
    ----------
    table
        Cells with `published_tables.CELL` and accuracy (percent).
    name
        The published table whose test sets are assumed; of its readings the first, the most likely.

    Returns
    -------
    A row for each column (`COLUMN`): `cells` ("same corpus" or "cross-corpus"), `best` and `second` (models),
    `lead` (points), `n_fold` and `n_all` (utterances of the smallest test fold, and of all of them), `p_fold` and
    `p_all` (see `chance_of_lead`: if one fold is printed, and if the mean over all is).
    """
    sizes = next(iter(published_tables.sizes(name).variants.values()))
    rows = []
    for column, cells in table.groupby(COLUMN, sort=False):
        first, second = cells.nlargest(2, "accuracy").itertuples()
        lead, level, folds = (
            first.accuracy - second.accuracy,
            (first.accuracy + second.accuracy) / 2,
            sizes[column[1]],
        )
        kind = "same corpus" if column[0] == column[1] else "cross-corpus"
        chances = [chance_of_lead(lead, level, n) for n in (min(folds), sum(folds))]
        rows.append((*column, kind, first.ptm, second.ptm, lead, min(folds), sum(folds), *chances))
    named = [*COLUMN, "cells", "best", "second", "lead", "n_fold", "n_all", "p_fold", "p_all"]
    return pd.DataFrame(rows, columns=named)


def counted(leads: pd.DataFrame) -> pd.DataFrame:
    """Count the leads that are more than chance.

    Returns
    -------
    A row for each kind of cell and best model: `columns`, `median_lead` (points), `one_fold` and `all_folds`
    (those whose lead is more than chance at `LEVEL`), and `by_chance`, how many chance alone would give.
    """
    found = leads.groupby(["cells", "best"], sort=False).agg(
        columns=("lead", "size"),
        median_lead=("lead", "median"),
        one_fold=("p_fold", lambda p: int((p < LEVEL).sum())),
        all_folds=("p_all", lambda p: int((p < LEVEL).sum())),
    )
    return found.assign(by_chance=LEVEL * found["columns"]).reset_index()
