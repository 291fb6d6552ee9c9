"""Rows of a file of embeddings that was made elsewhere, before anything is known of their corpus."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

NAMES = (
    *("utterance", "utterance_id", "utt_id", "path", "file_path", "filepath", "file", "file_name", "filename"),
    *("audio", "audio_path", "wav", "segment_id", "name", "names", "id", "ids", "key"),
)
"""Columns, keys or fields that name utterances, the surest first; case and what is no letter do not count."""


class ImportFileError(ValueError):
    """A file of embeddings that cannot be used; the message names file, row, reason and remedy."""


@dataclass(frozen=True)
class Rows:
    """What a file holds.

    Attributes
    ----------
    names
        Of utterances, as the file has them, a name for each vector.
    vectors
        Numbers [rows, dim], of any type that NumPy has.
    place
        What a row is called in messages, and the number of the first: ("row", 1), ("line", 2).
    read
        In words: what was read, and what was not.
    """

    names: list[str]
    vectors: np.ndarray
    place: tuple[str, int]
    read: str

    def at(self, number: int) -> str:
        """Return how a message calls a row, counted from 0."""
        return f"{self.place[0]} {self.place[1] + number}"


def refuse(file: Path, problem: str, remedy: str, where: str = "") -> NoReturn:
    """Raise `ImportFileError`."""
    raise ImportFileError(f"{file}{', ' if where else ''}{where}: {problem}; {remedy}")


def plain(name: str) -> str:
    """Return the name of a column or key as `NAMES` are written."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def column_of_names(names: Iterable[str]) -> str | None:
    """Return which of some columns or keys names utterances; None where none does."""
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    return next((by_plain[name] for name in NAMES if name in by_plain), None)


def listed(some: Sequence[str], most: int = 20) -> str:
    """Return names with commas between, the first of them where there are many."""
    more = f" and {len(some) - most} more" if len(some) > most else ""
    return ", ".join(map(str, some[:most])) + more


def as_text(file: Path, array: np.ndarray, where: str) -> list[str]:
    """Return an array of names [rows] as texts; whole numbers are names, too."""
    if array.ndim != 1:
        refuse(file, f"names of the shape {array.shape}", "give one name for each vector, [utterances]", where)
    if array.dtype.kind == "S":
        return [name.decode("utf-8", "replace") for name in array.tolist()]
    if array.dtype.kind not in "Uiu":
        refuse(file, f"names are {array.dtype}, no texts", "save them as texts: `names.astype(str)`", where)
    return [str(name) for name in array.tolist()]
