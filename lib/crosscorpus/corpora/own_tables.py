"""Corpora of one's own: CSV tables in `data/own/`, read as spreadsheets save them, or refused by file and line.

`mine.csv` has a row for each utterance: an audio file, or the part of one between `start` and `end`. `mine.yaml`
beside it, where there is one, says what labels stand for. Nothing is guessed: what could be read in two ways is an
error that says what to do. A table is read when its corpus is asked for, so a bad one stops nobody else.
"""

import difflib
import functools
import math
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import own_sheets


@dataclass(frozen=True, eq=False)
class OwnTable:
    """What a table says.

    Attributes
    ----------
    utterances
        Facts by utterance: `utterance`, `path`, `start` and `end` (seconds; NaN for a whole file, or for its end),
        `speaker`, `emotion_native`, `emotion`, `text_id`.
    left_out
        The same facts of the utterances whose label stands for no emotion (`emotion` is "").
    overlapping
        Utterances that share more than half of the shorter one's audio: groups of two or more.
    """

    utterances: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, Mapping[str, Any]]
    overlapping: tuple[tuple[str, ...], ...]


def folder() -> Path:
    """Return the folder of tables."""
    return paths.own()


def tables() -> dict[str, Path]:
    """Return the tables by the id of their corpus, unread: files whose name can be an id."""
    files = sorted(folder().glob("*.csv"))
    return {file.stem: file for file in files if re.fullmatch("[a-z0-9-]+", file.stem) and file.is_file()}


def misnamed(corpus: str) -> str:
    """Say which file was perhaps meant by an id that there is not, and how to rename it; "" where none was."""
    known, said = set(tables().values()), ""
    for file in sorted(folder().iterdir()) if folder().is_dir() else []:
        suffix = file.suffix.lower()
        if file in known or file.name.startswith((".", "~$")) or suffix in ("", ".yaml", ".yml"):
            continue
        wanted = re.sub("[^a-z0-9]+", "-", unicodedata.normalize("NFKD", file.stem).lower()).strip("-")
        if difflib.get_close_matches(str(corpus).strip().lower(), [file.stem.strip().lower(), wanted], cutoff=0.8):
            do = "rename it" if suffix == ".csv" else "save it as CSV, as"
            said += f" {paths.shown(file)} is not read: a corpus's id has small letters, digits and hyphens, and "
            said += f"its table ends in .csv; {do} {wanted or 'mine'}.csv."
    return said.lstrip()


def read(corpus: str, emotions: Collection[str]) -> OwnTable:
    """Read the table of a corpus, and the map of labels beside it.

    Parameters
    ----------
    corpus
        One of `tables()`.
    emotions
        The harmonised labels that there are.

    Raises
    ------
    OwnTableError
        The table or the map cannot be used.
    known_names.UnknownNameError
        A label, or what the map says that it stands for, is none of the emotions.
    """
    file = tables()[corpus]
    other = file.with_suffix(".yml")
    if other.exists():
        raise own_sheets.OwnTableError(
            f"{paths.shown(other)}: a map of labels ends in .yaml; rename it {file.stem}.yaml"
        )
    labels = file.with_suffix(".yaml")
    return _read(
        file,
        tuple(sorted(emotions)),
        own_sheets.stamp_of(file),
        own_sheets.stamp_of(labels) if labels.exists() else None,
    )


def unused_columns(corpus: str) -> list[str]:
    """Return the columns of a corpus's own table that nothing is read from; none where it has no such table.

    Raises
    ------
    OwnTableError
        The table cannot be read.
    """
    file = tables().get(corpus)
    return [] if file is None else list(own_sheets.read_sheet(file, own_sheets.stamp_of(file)).unused)


@functools.lru_cache(maxsize=32)
def _read(
    file: Path, emotions: tuple[str, ...], stamp: tuple[int, ...], labels_stamp: tuple[int, ...] | None
) -> OwnTable:
    shown, sheet = paths.shown(file), own_sheets.read_sheet(file, stamp)
    labels = {} if labels_stamp is None else _label_map(file.with_suffix(".yaml"), emotions)
    utterances: dict[str, dict[str, Any]] = {}
    left_out: dict[str, dict[str, Any]] = {}
    line_of: dict[str, int] = {}
    for line, row in sheet.rows:
        where = f"{shown}, line {line}"
        facts = _facts(where, row, sheet.separator) | {"emotion": _emotion(where, row, labels, emotions, file)}
        name = facts["utterance"]
        if name in line_of:
            raise own_sheets.OwnTableError(
                f"{where}: {name} is there twice (line {line_of[name]}); keep one of the two rows"
            )
        line_of[name] = line
        (utterances if facts["emotion"] else left_out)[name] = facts
    _check_speakers(shown, [(line, row["speaker"]) for line, row in sheet.rows])
    if not utterances:
        raise own_sheets.OwnTableError(
            f"{shown}: every row's label stands for no emotion in {file.stem}.yaml; map some"
        )
    return OwnTable(utterances, left_out, _overlapping(utterances.values()))


def _facts(where: str, row: Mapping[str, str], separator: str) -> dict[str, Any]:
    """Return the facts of a row, but for its emotion."""
    for column in (*own_sheets.NEEDED, "text_id"):
        if re.search("[\r\n]", row.get(column, "")):
            raise own_sheets.OwnTableError(
                f"{where}: the {column} has a line break in it; close its quotation marks"
            )
    if not row["path"]:
        raise own_sheets.OwnTableError(f"{where}: no path; name the audio file")
    path = os.path.expanduser(row["path"])
    path = PurePosixPath(os.path.expandvars(path) if path.startswith("$") else path).as_posix()
    start, end = (_seconds(where, column, row.get(column, ""), separator) for column in ("start", "end"))
    name = path
    if not (math.isnan(start) and math.isnan(end)):
        start = 0.0 if math.isnan(start) else start
        if start < 0 or end <= start:
            problem = f"start {start:g} and end {end:g}" if start >= 0 else f"the start {start:g}"
            raise own_sheets.OwnTableError(
                f"{where}: {problem}: a segment starts at 0 s or later, and ends after its start"
            )
        name = f"{path}#{_short(start)}-{_short(end)}"
    return {
        "utterance": name,
        "path": path,
        "start": start,
        "end": end,
        "speaker": row["speaker"],
        "emotion_native": row["emotion"],
        "text_id": row.get("text_id", ""),
    }


def _short(seconds: float) -> str:
    return "" if math.isnan(seconds) else repr(seconds).removesuffix(".0")


def _seconds(where: str, column: str, cell: str, separator: str) -> float:
    if not cell:
        return math.nan
    # Spreadsheets separate by semicolons where a comma stands before the decimals; elsewhere 1,500 may be 1500.
    number = cell.replace(",", ".") if separator == ";" else cell
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", number):
        raise own_sheets.OwnTableError(f"{where}: the {column} {cell!r} is no number of seconds; write it as 12.5")
    if not math.isfinite(float(number)):
        raise own_sheets.OwnTableError(f"{where}: the {column} {cell!r} is no time; write seconds, as 12.5")
    return float(number)


def _emotion(
    where: str, row: Mapping[str, str], labels: Mapping[str, str], emotions: Sequence[str], file: Path
) -> str:
    label = row["emotion"]
    if not label and label not in labels:
        raise own_sheets.OwnTableError(f"{where}: no emotion; name one, or leave the row out")
    if label in labels or label in emotions:
        return labels.get(label, label)
    try:
        return known_names.check(label, emotions, f"emotion in {where},")
    except known_names.UnknownNameError as error:
        beside = paths.shown(file.with_suffix(".yaml"))
        raise known_names.UnknownNameError(
            f"{error} A label of your own is mapped in {beside}: `emotions: {{{label}: {emotions[0]}}}`, or left "
            f"out there: `emotions: {{{label}: }}`."
        ) from None


def _label_map(file: Path, emotions: Sequence[str]) -> dict[str, str]:
    """Read `emotions: {native label: emotion, other label: }`; "" where a label stands for no emotion."""
    shown = paths.shown(file)
    example = "it looks like `emotions: {w: anger, xxx: }`"
    try:
        root = yaml.compose(
            own_sheets.read_text(file), Loader=yaml.BaseLoader
        )  # texts alone: `no` and `1` are labels
    except yaml.YAMLError as error:
        raise own_sheets.OwnTableError(
            f"{shown}: is no YAML ({' '.join(str(error).split())}); {example}"
        ) from error
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    if len(entries) != 1 or entries[0][0].value != "emotions" or not isinstance(entries[0][1], yaml.MappingNode):
        raise own_sheets.OwnTableError(f"{shown}: must have the one entry `emotions`, a map of labels; {example}")
    labels: dict[str, str] = {}
    for key, value in entries[0][1].value:
        where = f"{shown}, line {key.start_mark.line + 1}"
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            raise own_sheets.OwnTableError(f"{where}: a label stands for one emotion, or for none; {example}")
        native, emotion = own_sheets.stripped(key.value), own_sheets.stripped(value.value)
        if native in labels:
            raise own_sheets.OwnTableError(f"{where}: the label {native} is there twice; keep one")
        nothing = emotion in ("", "~", "null")
        labels[native] = "" if nothing else known_names.check(emotion, emotions, f"emotion in {where},")
    return labels


def plain(name: str) -> str:
    """Return what names that a person takes for one have in common: `Anna` and `anna`, `1`, `01` and `1.0`."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())
    if not re.fullmatch("[0-9]+([.,][0-9]*)?", text):
        return text
    whole, _, decimals = text.replace(",", ".").partition(".")
    return f"{whole.lstrip('0') or '0'}.{decimals.rstrip('0')}".removesuffix(".")


def _check_speakers(shown: str, speakers: Sequence[tuple[int, str]]) -> None:
    """Refuse speakers that look like one person: they would be in training and in test at once."""
    seen: dict[str, tuple[int, str]] = {}
    for line, name in speakers:
        first, other = seen.setdefault(plain(name), (line, name))
        if other != name:
            alike = unicodedata.normalize("NFKC", other) == unicodedata.normalize("NFKC", name)
            write = ascii if alike else repr
            both = f"{write(other)} (line {first}) and {write(name)} (line {line})"
            raise own_sheets.OwnTableError(
                f"{shown}: the speakers {both} look like one person; write the name in one way, or, if they are "
                "two, give them names that differ more"
            )
    if "" in seen and len(seen) > 1:
        line = seen[""][0]
        raise own_sheets.OwnTableError(
            f"{shown}, line {line}: no speaker, where other rows have one; name the speaker, or leave the row out"
        )


def _overlapping(utterances: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    spans: dict[str, list[tuple[float, float, str]]] = {}
    for facts in utterances:
        start = 0.0 if math.isnan(facts["start"]) else facts["start"]
        end = math.inf if math.isnan(facts["end"]) else facts["end"]
        spans.setdefault(facts["path"], []).append((start, end, facts["utterance"]))
    group: dict[str, set[str]] = {}
    for some in spans.values():
        some.sort()
        for number, (start, end, name) in enumerate(some):
            for later, until, other in some[number + 1 :]:
                if later >= end:
                    break
                if min(end, until) - later > min(end - start, until - later) / 2 or until == end == math.inf:
                    joined = group.get(name, {name}) | group.get(other, {other})
                    group |= dict.fromkeys(joined, joined)
    return tuple(sorted({tuple(sorted(members)) for members in group.values()}))
