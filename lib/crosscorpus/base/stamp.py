"""What all that a checkout makes is stamped with, so that nothing made up is ever taken for a result.

The project itself has no stamp. A rehearsal writes one into its copy (`benchmarks/rehearsal.py`), and from then
on it is on every figure, in every table and at the top of every notebook that is made there.
"""

import pandas as pd

from crosscorpus.base import paths

PLACE = "data/stamp.txt"
FILE = paths.ROOT / PLACE
NAME = "stamp"
"""Of the column of a table, and of the entry among a file's facts."""


def text() -> str:
    """Return the stamp of this checkout, "" where it has none."""
    return FILE.read_text(encoding="utf-8").strip() if FILE.exists() else ""


def facts() -> dict[str, str]:
    """Return the stamp as an entry for a file's facts; no entry where there is none."""
    return {NAME: said} if (said := text()) else {}


def on_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the stamp in each row, as its last column; the same table where there is none."""
    return table.assign(**facts())
