"""Facts of utterances that owners tell in tables of their own, not in file names: read as they release them.

Which files, and what is in which column, stands in the field `tables` of `data/corpora.yaml`.
"""

import csv
import fnmatch
import functools
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from crosscorpus.base import paths, safe_yaml
from crosscorpus.corpora.corpus_entries import TOLD, Corpus, harmonised, parse

WHOLE = {"start": math.nan, "end": math.nan}
"""Start and end, in seconds, of an utterance that is a whole file."""


class CorpusTableError(ValueError):
    """Owners' tables that are missing or cannot be read; the message names the file and what to do."""


def of_files(entry: Corpus, root: Path, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each audio file with the facts of its utterances.

    Parameters
    ----------
    root
        Folder of the corpus, in which its owners' tables are too, where it has any.
    files
        Paths below it.

    Yields
    ------
    Path, and a dict for each utterance: `utterance`, `path`, `start` and `end` (seconds; NaN for a whole file),
    `speaker`, `emotion_native`, `emotion` ("" where the label stands for none), `text_id`. The list is empty where
    neither the name nor a table tells what the file is.

    Raises
    ------
    CorpusTableError
        A table is missing, or cannot be read.
    """
    told = _told(entry, root) if entry.tables else {}
    for path in files:
        facts = parse(entry, path)
        if facts is None:
            yield path, []
        elif entry.tables:
            rows = told.get(facts["utterance"], [])
            blank = {"speaker": "", "text_id": ""}
            yield path, [WHOLE | {"path": path} | blank | facts | row for row in rows]
        else:
            yield path, [WHOLE | {"path": path} | facts]


def _told(entry: Corpus, root: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the facts in the tables below a folder, by the utterance that the file's name tells."""
    below = [
        os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
        for folder, _, names in os.walk(root)
        for name in names
    ]
    told: dict[str, list[dict[str, Any]]] = {}
    for table in entry.tables:
        found = sorted(name for name in below if fnmatch.fnmatchcase(f"/{name}", f"*/{table['file']}"))
        if not found:
            raise CorpusTableError(
                f"{root}: has no {table['file']}, the owners' table that tells what {entry.name}'s file names do "
                f"not; put it there, in any folder (it comes with the corpus: {entry.home})"
            )
        for name in found:
            for facts, key in _facts(entry, table, root / name):
                if facts not in told.setdefault(key, []):
                    told[key].append(facts)
    return told


def _facts(entry: Corpus, table: Mapping[str, str], file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    shown = paths.shown(file)
    for number, row in enumerate(_rows(table, file), start=1):
        try:
            told = {name: table[name].format_map(row).strip() for name in TOLD if name in table}
            span = {name: float(told.pop(name)) for name in ("start", "end") if name in told}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise CorpusTableError(
                f"{shown}, row {number}: {what}; it has {', '.join(map(str, row))}. Correct `tables` of "
                f"{entry.id} in {entry.file}"
            ) from error
        named = parse(entry, told.pop("name"))
        if named is None:
            continue  # of a part of the release that the entry does not use
        if "emotion" in told:
            told["emotion_native"] = told["emotion"]
            emotion = harmonised(entry, told["emotion"])
            if emotion is None:
                raise CorpusTableError(
                    f"{shown}, row {number}: the label {told['emotion']!r} is not among the emotions of "
                    f"{entry.id} in {entry.file}; add it there, without a value if it stands for no emotion"
                )
            told["emotion"] = emotion
        yield told | span, named["utterance"]


def _rows(table: Mapping[str, str], file: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table: columns of CSV, groups of a regular expression, or mappings in JSON or YAML.

    Each has the column `file` as well: the name of the table's file without its suffix.
    """
    given = {"file": file.stem}
    try:
        text = file.read_text(encoding="utf-8-sig", errors="strict" if "lines" not in table else "replace")
        if "lines" in table:
            for match in _compiled(table["lines"]).finditer(text):
                yield given | {name: found or "" for name, found in match.groupdict().items()}
        elif "rows" in table:
            data = json.loads(text) if file.suffix == ".json" else safe_yaml.read(text)
            for key, row in _walk(data, table["rows"].split("/")):
                yield {**row} | given | {"key": key}
        else:
            for cells in csv.DictReader(io.StringIO(text, newline=""), delimiter=table.get("separator", ",")):
                yield given | {str(name): cell or "" for name, cell in cells.items()}
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise CorpusTableError(f"{paths.shown(file)}: cannot be read ({problem}); fetch it again") from error


_compiled = functools.lru_cache(maxsize=64)(lambda pattern: re.compile(pattern, re.M))


def _walk(data: Any, way: list[str], key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the mappings at the end of a way through nested data, each with its key; `*` is any key or index."""
    if not way:
        if isinstance(data, Mapping):
            yield key, data
        return
    items = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for name, value in items:
        if way[0] in ("*", name):
            yield from _walk(value, way[1:], str(name))
