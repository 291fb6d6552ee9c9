"""An entry of the registry of corpora, and what it says of a file's name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from crosscorpus.base import known_names


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
    citation: str = ""
    speakers: str = ""
    folds_keep_together: str = "speaker"
    renamed: Mapping[str, str] = field(default_factory=dict)
    not_used: Mapping[str, str] = field(default_factory=dict)
    same_audio: tuple[tuple[str, ...], ...] = ()
    known_issues: tuple[Mapping[str, str], ...] = ()
    download: Mapping[str, Any] = field(default_factory=dict)
    in_paper: bool = False
    # Of a corpus that is a CSV table: the facts of each utterance, and of those whose label stands for nothing.
    table: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata={"of_file": False})
    left_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata={"of_file": False})


def checked(key: str, entry: Mapping[str, Any], file: str) -> Corpus:
    """Return an entry of a data file, which has the name `file` in messages.

    Raises
    ------
    known_names.UnknownNameError
        It has a field that there is not, or an emotion that its counts do not have.
    ValueError
        It lacks a field, or its pattern cannot be used.
    """
    known_names.check_fields(entry, Corpus, f"{key} in {file}")
    harmonised, counted = list(entry["emotions"].values()), list(entry["counts"])
    for emotion in harmonised:
        known_names.check(emotion, counted, f"emotion (not among the counts) of {key} in {file}")
    for emotion in counted:
        known_names.check(emotion, harmonised, f"emotion among the counts of {key} in {file}")
    try:
        groups = re.compile(entry["pattern"]).groupindex
    except re.error as error:
        raise ValueError(f"{file}: the pattern of {key} is no regular expression ({error})") from error
    if "emotion" not in groups:
        raise ValueError(f"{file}: the pattern of {key} has no group `emotion`")
    return Corpus(id=key, **entry)


def parse(corpus: Corpus, path: str | PurePosixPath) -> dict[str, Any] | None:
    """Read the facts that a file's name tells.

    Parameters
    ----------
    path
        Path below the corpus's folder. The grammar is matched against its end, without the suffix. Of a corpus
        that is a CSV table: a path of the table, or the name of a segment.

    Returns
    -------
    A dict with `utterance`, `speaker` ("" where the corpus names none), `emotion_native`, `emotion` and
    `text_id` ("" likewise), or None where the name does not follow the grammar.
    """
    if corpus.table is not None:
        facts = corpus.table.get(PurePosixPath(path).as_posix())
        return dict(facts) if facts else None
    stem = PurePosixPath(path).with_suffix("").as_posix()
    folder, _, last = stem.rpartition("/")
    stem = f"{folder}/{corpus.renamed.get(last, last)}".lstrip("/")
    match = re.search(rf"(?:^|/)(?P<utterance>{corpus.pattern})\Z", stem)
    if match is None or match["emotion"] not in corpus.emotions:
        return None
    found = match.groupdict()
    return {
        "utterance": found["utterance"],
        "speaker": found.get("speaker") or "",
        "emotion_native": found["emotion"],
        "emotion": corpus.emotions[found["emotion"]],
        "text_id": found.get("text_id") or "",
    }
