"""Tables of utterances: made from audio, read from a file, checked against what the corpus says."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import joblib
import pandas as pd

from crosscorpus.base import known_names, progress
from crosscorpus.corpora import corpus_tables, decoding, recordings
from crosscorpus.corpora.corpus_entries import Corpus, parse
from crosscorpus.corpora.corpus_tables import WHOLE

COLUMNS = [
    "corpus",
    "utterance",
    "path",
    "start",
    "end",
    "speaker",
    "emotion_native",
    "emotion",
    "text_id",
    "seconds",
    "sample_rate_native",
    "sha256",
]
QUALITY_COLUMNS = ["corpus", "utterance", "channels", "peak_dbfs", "level_dbfs"]
PROBLEM_COLUMNS = ["corpus", "path", "reason", "remedy"]


@dataclass(frozen=True)
class Scan:
    """What a folder holds: the utterances, their signal quality, and the files that could not be used."""

    utterances: pd.DataFrame
    quality: pd.DataFrame
    problems: pd.DataFrame


class NothingUsableError(ValueError):
    """A corpus of which not one file can be used; the message names the first, the reason and the remedy."""

    def __init__(self, message: str, problems: pd.DataFrame) -> None:
        super().__init__(message)
        self.problems = problems

    def __reduce__(self) -> tuple:
        """Let the error survive the way back from a worker process."""
        return NothingUsableError, (str(self), self.problems)


class OwnTableChangedError(ValueError):
    """A stored table of utterances that says otherwise than the table in `data/own/`, which was changed since."""


def read_audio(entry: Corpus, root: Path, workers: int = 1) -> Scan:
    """Read the audio of a corpus below a folder; see `scanning.scan`."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; put the audio of {entry.name} there")
    copies, problems = _named(entry, root) if entry.table is None else _of_table(entry)
    check = recordings.checker(root)
    jobs = (joblib.delayed(recordings.measure_first_good)(root, copies[name], check) for name in sorted(copies))
    parallel = joblib.Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    reading = progress.over(parallel(jobs), f"reading {entry.name}", len(copies), "files")
    rows, qualities = [], []
    for row, quality, found in reading:
        problems += found
        if row is not None:
            rows.append(row)
            qualities.append(quality)
    tables = Scan(
        pd.DataFrame(rows, columns=COLUMNS[1:]).assign(corpus=entry.id)[COLUMNS],
        pd.DataFrame(qualities, columns=QUALITY_COLUMNS[1:]).assign(corpus=entry.id)[QUALITY_COLUMNS],
        pd.DataFrame(sorted(problems), columns=PROBLEM_COLUMNS[1:]).assign(corpus=entry.id)[PROBLEM_COLUMNS],
    )
    if not rows:
        raise NothingUsableError(_nothing(entry, root, tables.problems), tables.problems)
    return tables


def _named(entry: Corpus, root: Path) -> tuple[dict[str, list[dict[str, Any]]], list[recordings.Problem]]:
    """Return the files of a folder by the utterance that their names tell, best suffix first; and the others."""
    files, problems = recordings.listed(root)
    copies: dict[str, list[dict[str, Any]]] = {}
    suffixes = {suffix: number for number, suffix in enumerate(decoding.SUFFIXES)}
    order = sorted(files, key=lambda p: (suffixes.get(PurePosixPath(p).suffix.lower(), len(suffixes)), p))
    for path, found in corpus_tables.of_files(entry, root, order):
        unused = [why for pattern, why in entry.not_used.items() if re.search(pattern, path)]
        if unused:
            problems.append((path, f"not used: {unused[0]}", "none needed"))
        elif not found:
            remedy = f"rename it as {entry.name} names its files (pattern in {entry.file}), or leave it"
            named = entry.tables and parse(entry, path)
            problems.append((path, "in none of its owners' tables" if named else "wrongly named", remedy))
        for facts in [] if unused else found:
            if facts["emotion"]:
                copies.setdefault(facts["utterance"], []).append(facts)
            else:
                name = path if math.isnan(facts["start"]) else facts["utterance"]
                reason = f"{LEFT_OUT} {facts['emotion_native']!r} stands for no emotion"
                problems.append((name, reason, f"none needed; see `emotions` in {entry.file}"))
    return copies, problems


LEFT_OUT = "left out: the label"
"""How the reason begins, among the problems of a corpus, where a row's label stands for no emotion."""


def _of_table(entry: Corpus) -> tuple[dict[str, list[dict[str, Any]]], list[recordings.Problem]]:
    labels = PurePosixPath(entry.home).with_suffix(".yaml")
    problems = [
        (name, f"{LEFT_OUT} {facts['emotion_native']!r} stands for no emotion", f"none needed; see {labels}")
        for name, facts in entry.left_out.items()
    ]
    return {name: [dict(facts)] for name, facts in (entry.table or {}).items()}, problems


def _nothing(entry: Corpus, root: Path, problems: pd.DataFrame) -> str:
    lost = problems[~problems["reason"].str.startswith(LEFT_OUT)]
    where = f"{entry.name} ({entry.home})" if entry.table is not None else f"{entry.name} in {root}"
    if lost.empty:
        return (
            f"{where}: no file could be used: there is none; put its audio ({', '.join(decoding.SUFFIXES)}) there"
        )
    first = lost.iloc[0]
    return (
        f"{where}: none of {len(lost)} files could be used. The first, looked for as {root / first['path']}: "
        f"{first['reason']}; {first['remedy']}"
    )


def lost(scan: Scan) -> str:
    """Say how many utterances or files of a corpus could not be used, and how many rows their label leaves out.

    Second copies, and files that the registry says are not used, do not count.

    Returns
    -------
    One or two sentences, or "" where nothing is lost.
    """
    reasons = scan.problems["reason"].astype(str)
    left_out = scan.problems[reasons.str.startswith(LEFT_OUT)]
    bad = scan.problems[~reasons.str.startswith((LEFT_OUT, "second copy", "not used: "))]
    said = []
    if len(bad):
        first = bad.iloc[0]
        said.append(
            f"{len(bad)} of {len(bad) + len(scan.utterances)} could not be used, the first {first['path']}: "
            f"{first['reason']} ({first['remedy']})."
        )
    if len(left_out):
        counted = left_out["reason"].str.extract(f"{LEFT_OUT} (.*) stands for")[0].value_counts()
        labels = ", ".join(f"{label} {count}" for label, count in counted.items())
        said.append(f"{len(left_out)} rows are left out by their label, which stands for no emotion: {labels}.")
    return " ".join(said)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table of utterances, labels or folds; identifiers such as "03" stay text.

    A table of utterances that was stored before there were segments gets their columns: all are whole files.
    """
    text = ["corpus", "utterance", "path", "file", "speaker", "emotion_native", "text_id", "sha256"]
    empty = {column: [""] for column in ("seconds", "start", "end")}
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=empty)
    if list(table) == [column for column in COLUMNS if column not in WHOLE]:
        table = table.assign(**WHOLE)[COLUMNS]
    return table


def check_table(corpus: Corpus, table: pd.DataFrame, problems: pd.DataFrame | None = None) -> None:
    """Check a table of utterances against the registry, or against the corpus's own CSV table.

    Parameters
    ----------
    problems
        What was stored with it. Where given, every row of a CSV table must be in one of the two.

    Raises
    ------
    OwnTableChangedError
        The CSV table says otherwise: it was changed since this one was stored.
    ValueError
        Other columns than `COLUMNS`, an utterance twice, an emotion that the corpus does not have, facts that are
        not those that a file's name tells, or a duration, rate or hash that is none. The message names the first
        utterance.
    """
    if list(table) != COLUMNS:
        raise ValueError(f"its columns are {', '.join(table)} where {', '.join(COLUMNS)} are expected")
    twice = table.loc[table["utterance"].duplicated(), "utterance"]
    if len(twice):
        raise ValueError(f"utterance {twice.iloc[0]} is there twice")
    known = set(corpus.emotions.values())
    for row in table.to_dict("records"):
        what = f"utterance {row['utterance']}"
        if row["corpus"] != corpus.id:
            raise ValueError(f"{what} is of the corpus {row['corpus']}, not of {corpus.id}")
        if corpus.table is not None:
            _check_own(corpus, row, what)
        elif row["emotion"] not in known:
            known_names.check(row["emotion"], sorted(known), f"emotion of {what}")
        for column, value in _told(corpus, row["path"]).items():
            if not _same(row[column], value):
                raise ValueError(f"{what} has the {column} {row[column]!r}, its file's name says {value!r}")
        if not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
            raise ValueError(f"{what} has the sha256 {row['sha256']!r}, which is none")
    for column in ("seconds", "sample_rate_native"):
        wrong = ~(pd.to_numeric(table[column], errors="coerce") > 0)
        if wrong.any():
            first = table[wrong].iloc[0]
            raise ValueError(f"utterance {first['utterance']} has {column} {first[column]!r}, which is none")
    if corpus.table is not None and problems is not None:
        new = [name for name in corpus.table if name not in {*table["utterance"], *problems["path"]}]
        if new:
            raise OwnTableChangedError(
                f"it has no utterance {new[0]}, which {corpus.home} has; read the audio again"
            )


def _told(corpus: Corpus, path: str) -> dict[str, Any]:
    """Return what a file's name alone tells of its one utterance; of tables, nothing is known without them."""
    if corpus.table is not None or any("start" in table for table in corpus.tables):
        return {}
    return WHOLE | (parse(corpus, path) or {})


def _check_own(corpus: Corpus, row: Mapping[str, Any], what: str) -> None:
    facts = (corpus.table or {}).get(row["utterance"])
    if facts is None:
        raise OwnTableChangedError(f"{what} is not in {corpus.home}, or is left out there; read the audio again")
    for column, value in facts.items():
        if not _same(row[column], value):
            raise OwnTableChangedError(
                f"{what} has the {column} {row[column]!r}, {corpus.home} says {value!r}; read the audio again"
            )


def _same(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)  # NaN, the start and end of a whole file
