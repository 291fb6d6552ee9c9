"""Folds that were asked for before: a grid asks for those of each corpus once for each training and test."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import pandas as pd

MOST = 500
"""Tables that are remembered at once."""
_known: dict[tuple, pd.DataFrame] = {}


def find_or_make(
    facts: tuple[Hashable, ...], rows: pd.DataFrame, files: Sequence[Path], make: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """Return a copy of what `make` returned for the same facts, rows and files, or call it.

    Parameters
    ----------
    facts, rows
        What decides: compared by value, so that a table that was changed in place is another one.
    files
        What it reads: compared by name, size and time of change, or absence.
    make
        Makes the table of folds.
    """
    content = pd.util.hash_pandas_object(rows).to_numpy().tobytes()
    key = (facts, tuple(rows), content, *map(_state, files))
    if key not in _known:
        made = make()
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = made
    return _known[key].copy()


def _state(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return str(file), 0, -1
    return str(file), found.st_mtime_ns, found.st_size
