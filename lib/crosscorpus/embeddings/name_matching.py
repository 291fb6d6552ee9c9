"""Which utterance of a corpus a name means that somebody else gave it: by path, file name or id."""

import collections
import itertools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

RULES = (
    "path",
    "path without suffix",
    "file name",
    "file name without suffix",
    "id",
    "id without suffix",
)
"""In this order: the first that an utterance follows decides on a name."""


@dataclass(frozen=True)
class Matches:
    """What names mean.

    Attributes
    ----------
    utterances
        The utterance that each name means; None where none does.
    rules
        How many names each rule decided on.
    ambiguous
        Utterances that a name could mean, by its position, where there are several.
    """

    utterances: list[str | None]
    rules: dict[str, int]
    ambiguous: dict[int, list[str]]


def plain(name: str) -> str:
    """Return a name as it is compared: with one form of letters, `/` between folders, and no `./` before it."""
    return PurePosixPath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/")).as_posix()


def match(names: Iterable[str], utterances: pd.DataFrame) -> Matches:
    """Match names with a table of utterances (`utterance`, `path`).

    By path, the utterance is meant with whose path a name shares most folders from its end, one at least, or all
    of its own. So names may begin with folders of another machine.
    """
    by_rule: dict[str, dict[str, list[Candidate]]] = {rule: {} for rule in RULES}
    for utterance, path in zip(utterances["utterance"], utterances["path"], strict=True):
        file, name = PurePosixPath(plain(path)), PurePosixPath(plain(utterance))
        keys = (file.name, file.stem, file.name, file.stem, name.as_posix(), _without_suffix(name))
        for rule, key in zip(RULES, keys, strict=True):
            by_rule[rule].setdefault(key, []).append((file.parts[:-1], utterance))
    found: list[str | None] = []
    rules: collections.Counter[str] = collections.Counter()
    ambiguous = {}
    for number, given in enumerate(names):
        rule, meant = _meant(PurePosixPath(plain(given)), by_rule)
        found.append(meant[0] if len(meant) == 1 else None)
        if len(meant) > 1:
            ambiguous[number] = meant
        elif meant:
            rules[rule] += 1
    return Matches(found, {rule: rules[rule] for rule in RULES if rules[rule]}, ambiguous)


Candidate = tuple[Sequence[str], str]  # folders of an utterance's path, and the utterance


def _meant(name: PurePosixPath, by_rule: Mapping[str, Mapping[str, list[Candidate]]]) -> tuple[str, list[str]]:
    """Return the first rule that some utterance follows, and the utterances that do."""
    for rule in RULES:
        # A name without suffix may have a point in it, so it is looked for as it is first.
        keys = (name.as_posix(), _without_suffix(name)) if rule.startswith("id") else (name.name, name.stem)
        for key in keys if rule.endswith("without suffix") else keys[:1]:
            near = by_rule[rule].get(key, [])
            if rule.startswith("path"):
                near = _nearest(name.parts[:-1], near)
            if near:
                return rule, [utterance for _, utterance in near]
    return "", []


def _nearest(folders: Sequence[str], near: Sequence[Candidate]) -> list[Candidate]:
    """Return those that share most folders with a name, one at least, or that have none, as the name."""
    shared = [_shared(folders, others) or (not folders and not others) for others, _ in near]
    return [one for one, n in zip(near, shared, strict=True) if n and n == max(shared)]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _without_suffix(name: PurePosixPath) -> str:
    return name.as_posix().removesuffix(name.suffix)
