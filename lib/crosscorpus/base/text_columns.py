"""Columns of texts asked for many names at once, which pandas does one name at a time.

pandas 3 makes a scalar of Arrow of each name that `Series.isin` looks for, and of each value that a column is
iterated by: 50 ms for 5000 utterances where a table of hashes takes 1.
"""

from collections.abc import Iterable

import pandas as pd


def isin(column: pd.Series, names: Iterable[str]) -> "pd.Series[bool]":
    """Return which values of a column of texts are among some names; a missing one is among none."""
    wanted = names.to_numpy(dtype=object) if isinstance(names, pd.Series | pd.Index) else list(names)
    return column.astype(object).isin(wanted) & column.notna()


def different(column: pd.Series) -> set[str]:
    """Return the different values of a column of texts, without missing ones."""
    return set(column.dropna().tolist())
