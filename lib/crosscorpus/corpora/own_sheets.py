"""CSV files as spreadsheets save them: their bytes, lines and columns, or why they are refused."""

import codecs
import csv
import functools
import io
import re
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crosscorpus.base import paths

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


@dataclass(frozen=True)
class _Sheet:
    rows: list[tuple[int, dict[str, str]]]  # lines of the file, and cells by column
    unused: tuple[str, ...]
    separator: str


def stamp_of(file: Path) -> tuple[int, ...]:
    """Return what is another where a file was changed."""
    try:
        found = file.stat()
        is_recent = time.time_ns() - found.st_mtime_ns < RECENT_NS
        content = zlib.crc32(file.read_bytes()) if is_recent and file.is_file() else 0
    except OSError as error:
        raise OwnTableError(f"{paths.shown(file)}: cannot be read ({error.strerror})") from error
    return (found.st_mtime_ns, found.st_size, found.st_ino, content)


def read_text(file: Path) -> str:
    """Return the text of a file."""
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


def stripped(cell: str) -> str:
    """Return a text without the invisible characters around it."""
    return re.sub(f"^[{INVISIBLE}]+|[{INVISIBLE}]+$", "", cell)


def _lines(file: Path, text: str, separator: str, first: int) -> Iterable[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the line where it begins; cells are stripped."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )  # newline="" leaves CR, LF and CRLF to the reader
    line = first
    while True:
        try:
            cells = [stripped(cell) for cell in next(reader)]
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
def read_sheet(file: Path, stamp: tuple[int, ...]) -> _Sheet:
    """Return the rows of a table."""
    text, shown = read_text(file), paths.shown(file)
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
