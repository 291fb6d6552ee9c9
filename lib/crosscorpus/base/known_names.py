"""Names that a person types: corpora, models, heads, regimes, settings."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class UnknownNameError(ValueError):
    """A name that nothing is known by."""


def check(name: str, known: Iterable[str], kind: str) -> str:
    """Return `name` if it is one of `known`.

    Raises
    ------
    UnknownNameError
        It is not; the message lists the known names and suggests the nearest.
    """
    choices = list(known)
    if name in choices:
        return name
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    hint = f"; did you mean {by_lower[near[0]]!r}?" if near else "."
    raise UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(choices)}.")


def check_all(names: Iterable[str] | str, known: Iterable[str], kind: str) -> list[str]:
    """Return a list of known names from a list, or from one string with commas between names.

    Raises
    ------
    UnknownNameError
        One of them is not known.
    ValueError
        The list is empty.
    """
    listed = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    choices = list(known)
    if not listed or listed == [""]:
        raise ValueError(f"no {kind} was named; known: {', '.join(choices)}")
    return [check(name, choices, kind) for name in listed]


def check_fields(entry: Mapping[str, Any], kind: Any, what: str) -> None:
    """Check that an entry of a data file has the fields of a dataclass: none unknown, none that it needs missing.

    `id`, and what is annotated as not of a file (`metadata` with `of_file` False), are no fields of an entry.

    Raises
    ------
    UnknownNameError
        A field is unknown; the message suggests the nearest.
    ValueError
        A field is missing.
    """
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name != "id" and f.metadata.get("of_file", True)}
    for name in entry:
        check(name, fields, f"field of {what}")
    bare = dataclasses.MISSING
    missing = [n for n, f in fields.items() if n not in entry and f.default is bare and f.default_factory is bare]
    if missing:
        raise ValueError(f"{what} has no {', '.join(missing)}; the head of the file explains the fields")
