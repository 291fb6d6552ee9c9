"""Corpora of one's own: CSV tables in `data/own/`, read as spreadsheets save them, or refused by file and line.

`mine.csv` has a row for each utterance: an audio file, or the part of one between `start` and `end`. `mine.yaml`
beside it, where there is one, says what labels stand for. Nothing is guessed: what could be read in two ways is an
error that says what to do. A table is read when its corpus is asked for, so a bad one stops nobody else.
"""

import codecs
import csv
import difflib
import functools
import io
import math
import os
import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from crosscorpus import names, paths

NEEDED = ("path", "speaker", "emotion")
OPTIONAL = ("text_id", "start", "end")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Bytes that a text file may begin with, and the encoding that they are the sign of."""
SAVE = "save it as UTF-8 (in a spreadsheet's dialogue: CSV UTF-8)"
INVISIBLE = "\\s\ufeff\u200b-\u200f\u2060"
RECENT_NS = 2_000_000_000
"""A file that was written so shortly ago may be written again without its time of change telling."""


class OwnTableError(ValueError):
    """A table of one's own that cannot be used; the message names file and line, what was seen and what to do."""


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
    return paths.DATA / "own"


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
    names.UnknownNameError
        A label, or what the map says that it stands for, is none of the emotions.
    """
    file = tables()[corpus]
    other = file.with_suffix(".yml")
    if other.exists():
        raise OwnTableError(f"{paths.shown(other)}: a map of labels ends in .yaml; rename it {file.stem}.yaml")
    labels = file.with_suffix(".yaml")
    return _read(file, tuple(sorted(emotions)), _stamp(file), _stamp(labels) if labels.exists() else None)


def unused_columns(corpus: str) -> list[str]:
    """Return the columns of a corpus's own table that nothing is read from; none where it has no such table.

    Raises
    ------
    OwnTableError
        The table cannot be read.
    """
    file = tables().get(corpus)
    return [] if file is None else list(_sheet(file, _stamp(file)).unused)


# -- bytes, separators, rows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sheet:
    rows: list[tuple[int, dict[str, str]]]  # lines of the file, and cells by column
    unused: tuple[str, ...]
    separator: str


def _stamp(file: Path) -> tuple[int, ...]:
    """Return what is another where a file was changed."""
    try:
        found = file.stat()
    except OSError as error:
        raise OwnTableError(f"{paths.shown(file)}: cannot be read ({error.strerror})") from error
    now = time.time_ns()
    return (found.st_mtime_ns, found.st_size, found.st_ino, now if now - found.st_mtime_ns < RECENT_NS else 0)


def _text(file: Path) -> str:
    shown = paths.shown(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise OwnTableError(
            f"{shown}: cannot be read ({error.strerror}); check its permissions, or move it away"
        ) from error
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        line = _line_of(data[: data.index(b"\0")].decode("latin-1"))
        raise OwnTableError(f"{shown}, line {line}: holds zero bytes, as UTF-16 without its mark has; {SAVE}")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_of(data[: error.start].decode(encoding, "replace"))
        here = f"{shown}, line {line}: the byte 0x{data[error.start]:02X}"
        if encoding != "utf-8":
            raise OwnTableError(
                f"{here} is no {encoding.upper()}, which the file's first bytes are the sign of; {SAVE}"
            ) from error
        before = re.split("[\r\n]", data[: error.start].decode("utf-8", "replace"))[-1][-20:]
        letter = data[error.start : error.start + 1].decode("cp1252", "replace")
        raise OwnTableError(
            f"{here} after {before!r} is no UTF-8. In Windows-1252 it is {letter!r}, in other encodings another "
            f"letter, and nothing in the file tells which; {SAVE}"
        ) from error
    if "\ufffd" in text:
        line = _line_of(text[: text.index("\ufffd")])
        raise OwnTableError(f"{shown}, line {line}: holds a letter that was lost (�); {SAVE}")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise OwnTableError(f"{shown}: is empty ({len(data)} bytes); {_wanted()}")
    return text


def _line_of(before: str) -> int:
    return len(re.findall("\r\n|\r|\n", before)) + 1


def _wanted() -> str:
    return f"it needs {', '.join(NEEDED)}, and a row for each utterance"


def _strip(cell: str) -> str:
    return re.sub(f"^[{INVISIBLE}]+|[{INVISIBLE}]+$", "", cell)


def _lines(file: Path, text: str, separator: str, first: int) -> Iterable[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the line where it begins; cells are stripped."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )  # newline="" leaves CR, LF and CRLF to the reader
    line = first
    while True:
        try:
            cells = [_strip(cell) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise OwnTableError(
                f"{paths.shown(file)}, line {line}: a quotation mark that does not fit ({error}); a cell that "
                'begins with " ends with ", and within it " is written ""'
            ) from error
        if any(cells):
            yield line, cells
        line = first + reader.line_num


@functools.lru_cache(maxsize=32)
def _sheet(file: Path, stamp: tuple[int, ...]) -> _Sheet:
    text, shown = _text(file), paths.shown(file)
    stated = re.match(
        r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', text, re.I
    )  # a line that spreadsheets write for each other
    first = 2 if stated else 1
    text = text[stated.end() :] if stated else text
    found = {}
    for separator in [stated[1]] if stated else SEPARATORS:
        try:
            line, cells = next(iter(_lines(file, text, separator, first)), (first, []))
        except OwnTableError:
            if stated:
                raise
            continue
        columns = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in cells]
        found[separator] = (sum(name in columns for name in NEEDED), line, columns)
    if not found:
        next(iter(_lines(file, text, ",", first)))  # says what is wrong with the first line
    separator = max(found, key=lambda one: found[one][0])
    _, line, columns = found[separator]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        begins = re.split("[\r\n]", text.lstrip("\r\n"))[0][:80]
        raise OwnTableError(
            f"{shown}, line {line}: has no column {', '.join(missing)} ({begins!r} was read with the separators "
            f"{', '.join(SEPARATORS.values())}); {_wanted()}"
        )
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise OwnTableError(f"{shown}, line {line}: the column {twice[0]} is there twice; rename or delete one")
    columns = [name or f"(column {n})" for n, name in enumerate(columns, 1)]
    rows = []
    for row_line, cells in list(_lines(file, text, separator, first))[1:]:
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns):
            many = len(cells) > len(columns)
            do = "give every column a cell, if an empty one"
            if many:
                what = SEPARATORS.get(separator, "separator")
                do = f'a cell with a {what} in it stands in quotation marks ("a{separator} b.wav")'
            seen = f"{len(cells)} cells where there are {len(columns)} columns"
            raise OwnTableError(f"{shown}, line {row_line}: {seen}; {do}")
        rows.append((row_line, dict(zip(columns, cells, strict=True))))
    if not rows:
        raise OwnTableError(f"{shown}: has no rows; {_wanted()}")
    others = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    unused = [name for name in others if not name.startswith("(column ") or any(row[name] for _, row in rows)]
    return _Sheet(rows, tuple(unused), separator)


# -- what rows mean -----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def _read(
    file: Path, emotions: tuple[str, ...], stamp: tuple[int, ...], labels_stamp: tuple[int, ...] | None
) -> OwnTable:
    shown, sheet = paths.shown(file), _sheet(file, stamp)
    labels = {} if labels_stamp is None else _label_map(file.with_suffix(".yaml"), emotions)
    utterances: dict[str, dict[str, Any]] = {}
    left_out: dict[str, dict[str, Any]] = {}
    line_of: dict[str, int] = {}
    for line, row in sheet.rows:
        where = f"{shown}, line {line}"
        facts = _facts(where, row, sheet.separator) | {"emotion": _emotion(where, row, labels, emotions, file)}
        name = facts["utterance"]
        if name in line_of:
            raise OwnTableError(f"{where}: {name} is there twice (line {line_of[name]}); keep one of the two rows")
        line_of[name] = line
        (utterances if facts["emotion"] else left_out)[name] = facts
    _check_speakers(shown, [(line, row["speaker"]) for line, row in sheet.rows])
    if not utterances:
        raise OwnTableError(f"{shown}: every row's label stands for no emotion in {file.stem}.yaml; map some")
    return OwnTable(utterances, left_out, _overlapping(utterances.values()))


def _facts(where: str, row: Mapping[str, str], separator: str) -> dict[str, Any]:
    """Return the facts of a row, but for its emotion."""
    for column in (*NEEDED, "text_id"):
        if re.search("[\r\n]", row.get(column, "")):
            raise OwnTableError(f"{where}: the {column} has a line break in it; close its quotation marks")
    if not row["path"]:
        raise OwnTableError(f"{where}: no path; name the audio file")
    path = os.path.expanduser(row["path"])
    path = PurePosixPath(os.path.expandvars(path) if path.startswith("$") else path).as_posix()
    start, end = (_seconds(where, column, row.get(column, ""), separator) for column in ("start", "end"))
    name = path
    if not (math.isnan(start) and math.isnan(end)):
        start = 0.0 if math.isnan(start) else start
        if start < 0 or end <= start:
            problem = f"start {start:g} and end {end:g}" if start >= 0 else f"the start {start:g}"
            raise OwnTableError(f"{where}: {problem}: a segment starts at 0 s or later, and ends after its start")
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
        raise OwnTableError(f"{where}: the {column} {cell!r} is no number of seconds; write it as 12.5")
    if not math.isfinite(float(number)):
        raise OwnTableError(f"{where}: the {column} {cell!r} is no time; write seconds, as 12.5")
    return float(number)


def _emotion(
    where: str, row: Mapping[str, str], labels: Mapping[str, str], emotions: Sequence[str], file: Path
) -> str:
    label = row["emotion"]
    if not label and label not in labels:
        raise OwnTableError(f"{where}: no emotion; name one, or leave the row out")
    if label in labels or label in emotions:
        return labels.get(label, label)
    try:
        return names.check(label, emotions, f"emotion in {where},")
    except names.UnknownNameError as error:
        beside = paths.shown(file.with_suffix(".yaml"))
        raise names.UnknownNameError(
            f"{error} A label of your own is mapped in {beside}: `emotions: {{{label}: {emotions[0]}}}`, or left "
            f"out there: `emotions: {{{label}: }}`."
        ) from None


def _label_map(file: Path, emotions: Sequence[str]) -> dict[str, str]:
    """Read `emotions: {native label: emotion, other label: }`; "" where a label stands for no emotion."""
    shown = paths.shown(file)
    example = "it looks like `emotions: {w: anger, xxx: }`"
    try:
        root = yaml.compose(_text(file), Loader=yaml.BaseLoader)  # texts alone: `no` and `1` are labels
    except yaml.YAMLError as error:
        raise OwnTableError(f"{shown}: is no YAML ({' '.join(str(error).split())}); {example}") from error
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    if len(entries) != 1 or entries[0][0].value != "emotions" or not isinstance(entries[0][1], yaml.MappingNode):
        raise OwnTableError(f"{shown}: must have the one entry `emotions`, a map of labels; {example}")
    labels: dict[str, str] = {}
    for key, value in entries[0][1].value:
        where = f"{shown}, line {key.start_mark.line + 1}"
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            raise OwnTableError(f"{where}: a label stands for one emotion, or for none; {example}")
        native, emotion = _strip(key.value), _strip(value.value)
        if native in labels:
            raise OwnTableError(f"{where}: the label {native} is there twice; keep one")
        nothing = emotion in ("", "~", "null")
        labels[native] = "" if nothing else names.check(emotion, emotions, f"emotion in {where},")
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
            raise OwnTableError(
                f"{shown}: the speakers {both} look like one person; write the name in one way, or, if they are "
                "two, give them names that differ more"
            )
    if "" in seen and len(seen) > 1:
        line = seen[""][0]
        raise OwnTableError(
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
