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
    of its own. So names may begin with folders of another machine. Where two names mean an utterance by different
    rules, the later rule's means none; nor does one that could mean several that others mean already.
    """
    by_rule: dict[str, dict[str, list[Candidate]]] = {rule: {} for rule in RULES}
    for utterance, path in zip(utterances["utterance"], utterances["path"], strict=True):
        file, name = PurePosixPath(plain(path)), PurePosixPath(plain(utterance))
        keys = (file.name, file.stem, file.name, file.stem, name.as_posix(), _without_suffix(name))
        for rule, key in zip(RULES, keys, strict=True):
            by_rule[rule].setdefault(key, []).append((file.parts[:-1], utterance))
    each = [_meant(PurePosixPath(plain(name)), by_rule) for name in names]
    best: dict[str, int] = {}  # the first rule by which a name means an utterance, and nothing else
    for number, meant in each:
        if len(meant) == 1:
            best[meant[0]] = min(best.get(meant[0], number), number)
    found = [meant[0] if len(meant) == 1 and number == best[meant[0]] else None for number, meant in each]
    rules = collections.Counter(rule for (rule, _), one in zip(each, found, strict=True) if one is not None)
    ambiguous = {
        number: meant for number, (_, meant) in enumerate(each) if len(meant) > 1 and not best.keys() >= {*meant}
    }
    return Matches(found, {RULES[rule]: rules[rule] for rule in sorted(rules)}, ambiguous)


Candidate = tuple[Sequence[str], str]  # folders of an utterance's path, and the utterance


def _meant(name: PurePosixPath, by_rule: Mapping[str, Mapping[str, list[Candidate]]]) -> tuple[int, list[str]]:
    """Return the number of the first rule that some utterance follows, and the utterances that do."""
    for number, rule in enumerate(RULES):
        # A name without suffix may have a point in it, so it is looked for as it is first.
        keys = (name.as_posix(), _without_suffix(name)) if rule.startswith("id") else (name.name, name.stem)
        for key in keys if rule.endswith("without suffix") else keys[:1]:
            near = by_rule[rule].get(key, [])
            if rule.startswith("path"):
                near = _nearest(name.parts[:-1], near)
            if near:
                return number, [utterance for _, utterance in near]
    return len(RULES), []


def _nearest(folders: Sequence[str], near: Sequence[Candidate]) -> list[Candidate]:
    """Return those that share most folders with a name, one at least, or that have none, as the name."""
    shared = [_shared(folders, others) or (not folders and not others) for others, _ in near]
    return [one for one, n in zip(near, shared, strict=True) if n and n == max(shared)]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _without_suffix(name: PurePosixPath) -> str:
    return name.as_posix().removesuffix(name.suffix)
