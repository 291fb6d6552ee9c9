"""An entry of the registry of corpora, and what it says of a file's name."""

import functools
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from crosscorpus.base import known_names

ACCESS = ("free", "registration", "request", "paid")
"""What owners ask for: nothing, an account or form that is answered at once, their consent, or money."""
PROTOCOLS = ("emobox", "serevals")
"""Whose protocols a corpus can be part of, beside the paper's."""
LETTER = "speaker2"
"""Group of a pattern that ends the name of a speaker, where it stands in two places of a file's name."""
GROUPS = ("utterance", "speaker", LETTER, "emotion", "text_id")
"""What a pattern may name."""
TOLD = ("name", "utterance", "speaker", "emotion", "text_id", "start", "end")
"""What the rows of an owners' table may tell."""
TEXTS = ("name", "title", "language", "licence", "terms", "home", "citation", "speakers", "called")
TABLE_FIELDS = ("file", "separator", "lines", "rows", *TOLD)


@dataclass(frozen=True)
class Corpus:
    """One entry of the registry; the fields are described at the head of `data/corpora.yaml`."""

    id: str
    name: str
    title: str
    language: str
    licence: str
    home: str
    pattern: str
    emotions: Mapping[str, str]
    counts: Mapping[str, int]
    access: str = ""
    terms: str = ""
    citation: str = ""
    speakers: str = ""
    n_speakers: int | None = None
    n_utterances: int | None = None
    in_protocols: tuple[str, ...] = ()
    pack: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Mapping[str, str], ...] = ()
    called: str = ""
    folds_keep_together: str = "speaker"
    texts: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    not_used: Mapping[str, str] = field(default_factory=dict)
    same_audio: tuple[tuple[str, ...], ...] = ()
    known_issues: tuple[Mapping[str, str], ...] = ()
    download: Mapping[str, Any] = field(default_factory=dict)
    in_paper: bool = False
    # The data file that it is in.
    file: str = field(default="data/corpora.yaml", metadata={"of_file": False})
    # Native labels that stand for no emotion: those of `emotions` without a value.
    no_emotion: tuple[str, ...] = field(default=(), metadata={"of_file": False})
    # Of a corpus that is a CSV table: the facts of each utterance, and of those whose label stands for nothing.
    table: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata={"of_file": False})
    left_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata={"of_file": False})

    @property
    def size(self) -> int:
        """How many utterances it has: the sum of `counts`, or `n_utterances` where its owners count otherwise."""
        return sum(self.counts.values()) if self.n_utterances is None else self.n_utterances


def checked(key: str, entry: Mapping[str, Any], file: str) -> Corpus:
    """Return an entry of a data file, which has the name `file` in messages.

    Raises
    ------
    known_names.UnknownNameError
        It has a field that there is not, or an emotion that its counts do not have, or an access or a protocol
        that is none.
    ValueError
        It lacks a field, its pattern cannot be used, or a field is not of its type.
    """
    what = f"{key} in {file}"
    known_names.check_fields(entry, Corpus, what)
    for name in TEXTS:
        if name in entry and not isinstance(entry[name], str):
            raise ValueError(f"{what}: {name} is {entry[name]!r}, which is no text; put it in quotation marks")
    emotions = {native: emotion for native, emotion in entry["emotions"].items() if emotion is not None}
    harmonised, counted = list(emotions.values()), list(entry["counts"])
    for emotion in harmonised if counted else []:
        known_names.check(emotion, counted, f"emotion (not among the counts) of {what}")
    for emotion in counted:
        known_names.check(emotion, harmonised, f"emotion among the counts of {what}")
    try:
        groups = re.compile(entry["pattern"]).groupindex
    except re.error as error:
        raise ValueError(f"{file}: the pattern of {key} is no regular expression ({error})") from error
    if "emotion" not in groups and not entry.get("tables"):
        raise ValueError(f"{file}: the pattern of {key} has no group `emotion`")
    for named in groups:
        known_names.check(named, GROUPS, f"group in the pattern of {what}")
    for _, group, _, _ in string.Formatter().parse(entry.get("called", "")):
        if group is not None:
            known_names.check(group, groups, f"group in `called` of {what}")
    for table in entry.get("tables", []):
        for name in table:
            known_names.check(name, TABLE_FIELDS, f"field of a table of {what}")
        if missing := [name for name in ("file", "name") if name not in table]:
            raise ValueError(f"{what}: a table has no {', '.join(missing)}")
    if "access" not in entry:
        raise ValueError(f"{what} has no access; it is one of {', '.join(ACCESS)}")
    known_names.check(entry["access"], ACCESS, f"access of {what}")
    for protocol in entry.get("in_protocols", []):
        known_names.check(protocol, PROTOCOLS, f"protocol of {what}")
    for name in ("n_speakers", "n_utterances"):
        if name in entry and not (type(entry[name]) is int and entry[name] > 0):
            raise ValueError(f"{what}: {name} is {entry[name]!r}; write a number above 0, or leave it out")
    _check_texts(entry.get("texts", {}), what)
    pack = entry.get("pack", {"carry": False, "why": "not decided"})
    if set(pack) != {"carry", "why"} or type(pack["carry"]) is not bool or not pack["why"]:
        raise ValueError(f"{what}: pack is {pack}; write `carry: yes` or `carry: no`, and `why: ...`")
    given: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in entry.items()}
    given |= {"emotions": emotions, "pack": pack, "file": file}
    given["no_emotion"] = tuple(native for native, emotion in entry["emotions"].items() if emotion is None)
    return Corpus(id=key, **given)


def _check_texts(texts: Mapping[str, str], what: str) -> None:
    for name in texts:
        known_names.check(name, ("pattern", "note"), f"field of `texts` of {what}")
    try:
        groups = re.compile(texts.get("pattern", "(?P<text>)")).groupindex
    except re.error as error:
        raise ValueError(f"{what}: the pattern of `texts` is no regular expression ({error})") from error
    for group in groups:
        known_names.check(group, ("text", "voice"), f"group in `texts` of {what}")
    if "text" not in groups:
        raise ValueError(f"{what}: the pattern of `texts` has no group `text`")


def harmonised(corpus: Corpus, native: str) -> str | None:
    """Return the emotion that a native label stands for, "" where it stands for none, None where it is unknown."""
    return corpus.emotions.get(native, "" if native in corpus.no_emotion else None)


@functools.lru_cache(maxsize=256)
def _grammar(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|/)(?P<whole_name>{pattern})\Z")


def parse(corpus: Corpus, path: str | PurePosixPath) -> dict[str, Any] | None:
    """Read the facts that a file's name tells.

    Parameters
    ----------
    path
        Path below the corpus's folder. The grammar is matched against its end, without the suffix. Of a corpus
        that is a CSV table: a path of the table, or the name of a segment.

    Returns
    -------
    A dict with `utterance`, `speaker` ("" where the corpus names none), `emotion_native`, `emotion` ("" where the
    label stands for none) and `text_id` ("" likewise), or None where the name does not follow the grammar. Of a
    corpus whose owners tell more in tables (`corpus_tables`): what its names tell alone, and nothing for the rest.
    """
    if corpus.table is not None:
        facts = corpus.table.get(PurePosixPath(path).as_posix())
        return dict(facts) if facts else None
    folder, _, last = (path if isinstance(path, str) else path.as_posix()).rpartition("/")
    dot = last.rfind(".")
    stem = last[:dot] if 0 < dot < len(last) - 1 else last
    match = _grammar(corpus.pattern).search(f"{folder}/{corpus.renamed.get(stem, stem)}".lstrip("/"))
    if match is None:
        return None
    found = match.groupdict()
    told = {"utterance": found.get("utterance") or corpus.called.format(**found) or found["whole_name"]}
    if "speaker" in found or not corpus.tables:
        told["speaker"] = (found.get("speaker") or "") + (found.get(LETTER) or "")
    if "emotion" in found:
        emotion = harmonised(corpus, found["emotion"])
        if emotion is None:
            return None
        told |= {"emotion_native": found["emotion"], "emotion": emotion}
    if "text_id" in found or not corpus.tables:
        told["text_id"] = found.get("text_id") or ""
    return told
