"""Names that a person types: corpora, models, heads, regimes, settings."""

import difflib
from collections.abc import Iterable


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
