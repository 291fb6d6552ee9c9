"""Speech corpora: the registry, file-name grammars, and the table of utterances of a folder.

Everything that is a fact about a corpus stands in `data/corpora.yaml`, or in a CSV table in `data/own/`; nothing
here knows a corpus by name.
"""

import functools
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import joblib
import pandas as pd
import yaml
from tqdm import tqdm

from crosscorpus import audio, names, paths, soundness

COLUMNS = [
    "corpus",
    "utterance",
    "path",
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
    # Of a corpus that is a CSV table: the facts of each path.
    table: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata={"of_file": False})


@dataclass(frozen=True)
class Scan:
    """What a folder holds: the utterances, their signal quality, and the files that could not be used."""

    utterances: pd.DataFrame
    quality: pd.DataFrame
    problems: pd.DataFrame


@functools.cache
def registry() -> dict[str, Corpus]:
    """Return all known corpora by id: those of `data/corpora.yaml` in its order, then those of `data/own/*.csv`.

    Raises
    ------
    names.UnknownNameError
        An entry has a field that there is not, or an emotion that its counts do not have.
    ValueError
        An entry lacks a field, its pattern cannot be used, or a CSV table is wrong.
    """
    file = paths.DATA / "corpora.yaml"
    entries: Mapping = yaml.safe_load(file.read_text(encoding="utf-8"))
    known = {key: _entry(key, entry, paths.shown(file)) for key, entry in entries.items()}
    emotions = {emotion for corpus in known.values() for emotion in corpus.emotions.values()}
    for table in sorted((paths.DATA / "own").glob("*.csv")):
        if table.stem in known:
            raise ValueError(f"{paths.shown(table)}: a corpus {table.stem} is known already; rename the file")
        known[table.stem] = _own(table, emotions)
    return known


def _entry(key: str, entry: Mapping[str, Any], file: str) -> Corpus:
    names.check_fields(entry, Corpus, f"{key} in {file}")
    harmonised, counted = list(entry["emotions"].values()), list(entry["counts"])
    for emotion in harmonised:
        names.check(emotion, counted, f"emotion (not among the counts) of {key} in {file}")
    for emotion in counted:
        names.check(emotion, harmonised, f"emotion among the counts of {key} in {file}")
    try:
        groups = re.compile(entry["pattern"]).groupindex
    except re.error as error:
        raise ValueError(f"{file}: the pattern of {key} is no regular expression ({error})") from error
    if "emotion" not in groups:
        raise ValueError(f"{file}: the pattern of {key} has no group `emotion`")
    return Corpus(id=key, **entry)


OWN_COLUMNS = ["path", "speaker", "emotion"]


def _own(file: Path, emotions: Collection[str]) -> Corpus:
    """Return the entry of a corpus that is a CSV table of paths, speakers and emotions."""
    shown = paths.shown(file)
    if not re.fullmatch("[a-z0-9-]+", file.stem):
        raise ValueError(f"{shown}: the name may have small letters, digits and hyphens; rename the file")
    table = read_table(file)
    missing = [column for column in OWN_COLUMNS if column not in table]
    if missing or not len(table):
        what = f"has no column {', '.join(missing)}" if missing else "has no rows"
        raise ValueError(f"{shown}: {what}; it needs {', '.join(OWN_COLUMNS)}, and a row for each audio file")
    for line, row in enumerate(table.to_dict("records"), start=2):
        names.check(row["emotion"], sorted(emotions), f"emotion in {shown}, line {line},")
        if not row["path"]:
            raise ValueError(f"{shown}, line {line}: no path; name the audio file")
    twice = table.loc[table["path"].duplicated(), "path"]
    if len(twice):
        raise ValueError(f"{shown}: {twice.iloc[0]} is there twice; keep one of the two rows")
    facts = {
        row["path"]: {
            "utterance": row["path"],
            "speaker": row["speaker"],
            "emotion_native": row["emotion"],
            "emotion": row["emotion"],
            "text_id": row.get("text_id", ""),
        }
        for row in table.to_dict("records")
    }
    return Corpus(
        id=file.stem,
        name=file.stem,
        title=f"a corpus of your own ({shown})",
        language="not stated",
        licence="not stated",
        home=shown,
        pattern="",
        emotions={emotion: emotion for emotion in sorted(set(table["emotion"]))},
        counts=table["emotion"].value_counts().sort_index().to_dict(),
        speakers=str(table["speaker"].nunique()),
        table=facts,
    )


def get(corpus: str) -> Corpus:
    """Return one corpus; an unknown id raises `names.UnknownNameError`, which lists the known ones."""
    return registry()[names.check(corpus, registry(), "corpus")]


def label_map() -> pd.DataFrame:
    """Return a table [corpus, emotion_native, emotion] of every native label and its harmonised one."""
    rows = [(c.id, native, emotion) for c in registry().values() for native, emotion in c.emotions.items()]
    return pd.DataFrame(rows, columns=["corpus", "emotion_native", "emotion"])


def parse(corpus: Corpus, path: str | PurePosixPath) -> dict[str, Any] | None:
    """Read the facts that a file's name tells.

    Parameters
    ----------
    path
        Path below the corpus's folder. The grammar is matched against its end, without the suffix.

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


def find(corpus: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a corpus's audio, or None.

    It is `corpora/<corpus>` below the mirror folder or, where that has none, below the folder of downloads. Where
    neither has one, the paths of a CSV table count from the table's own folder.
    """
    own = [paths.DATA / "own"] if get(corpus).table is not None else []
    folders = [root / "corpora" / corpus for root in (paths.mirror(mirror), paths.cache()) if root]
    return next((folder for folder in [*folders, *own] if folder.is_dir()), None)


def scan(corpus: str, folder: str | Path, workers: int = 1) -> Scan:
    """Read every audio file below a folder, under any layout.

    Parameters
    ----------
    corpus
        Id of the corpus in the registry.
    folder
        Folder with its audio (`audio.SUFFIXES`).
    workers
        Threads that decode side by side.

    Returns
    -------
    Utterances (`COLUMNS`), their quality (`QUALITY_COLUMNS`) and problems (`PROBLEM_COLUMNS`), each sorted
    by utterance or path. A file that cannot be used is a row of the problems and nothing else.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    """
    entry, root = get(corpus), Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; put the audio of {entry.name} there")
    files, found = _audio_files(root) if entry.table is None else (sorted(entry.table), [])
    problems = [(corpus, *problem) for problem in found]
    copies: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    suffixes = {suffix: number for number, suffix in enumerate(audio.SUFFIXES)}
    for path in sorted(files, key=lambda p: (suffixes.get(PurePosixPath(p).suffix.lower(), len(suffixes)), p)):
        unused = [why for pattern, why in entry.not_used.items() if re.search(pattern, path)]
        facts = parse(entry, path)
        if unused:
            problems.append((corpus, path, f"not used: {unused[0]}", "none needed"))
        elif facts is None:
            remedy = f"rename it as {entry.name} names its files (pattern in data/corpora.yaml), or leave it"
            problems.append((corpus, path, "wrongly named", remedy))
        else:
            copies.setdefault(facts["utterance"], []).append((path, facts))

    jobs = (joblib.delayed(_measure_first_good)(corpus, root, copies[utterance]) for utterance in sorted(copies))
    parallel = joblib.Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    reading = tqdm(parallel(jobs), total=len(copies), desc=f"reading {entry.name}", unit="file", mininterval=5)
    rows, qualities = [], []
    for row, quality, found in reading:
        problems += found
        if row is not None:
            rows.append(row)
            qualities.append(quality)
    return Scan(
        pd.DataFrame(rows, columns=COLUMNS),
        pd.DataFrame(qualities, columns=QUALITY_COLUMNS),
        pd.DataFrame(sorted(problems), columns=PROBLEM_COLUMNS),
    )


def _audio_files(root: Path) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return the audio files below a folder, and what of it cannot be looked at: path, reason, remedy.

    A CSV table holds neither bytes that are no UTF-8 nor, unquoted, a carriage return.
    """
    files: list[str] = []
    problems: list[tuple[str, str, str]] = []

    def shown(path: str | os.PathLike[str]) -> str:
        text = os.fsencode(os.path.relpath(path, root)).decode("utf-8", "backslashreplace")
        return text.replace("\r", "\\r")

    def cannot_be_listed(error: OSError) -> None:
        remedy = "check its permissions, or leave it out"
        problems.append((shown(error.filename), f"folder cannot be listed ({error.strerror})", remedy))

    for folder, folders, names_here in os.walk(root, onerror=cannot_be_listed):
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                reason, remedy = "is a link to a folder, which is not followed", "put the folder itself there"
                problems.append((shown(os.path.join(folder, name)), reason, remedy))
        for name in names_here:
            path = Path(folder, name)
            if path.suffix.lower() not in (*audio.SUFFIXES, *audio.UNREADABLE_SUFFIXES):
                continue
            relative = path.relative_to(root).as_posix()
            if shown(path) != relative:
                problems.append((shown(path), "has a name that is not UTF-8 or breaks a line", "rename it"))
            else:
                files.append(relative)
    return sorted(files), problems


def _measure_first_good(
    corpus: str, root: Path, copies: list[tuple[str, dict[str, Any]]]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, list[tuple[str, str, str, str]]]:
    row, quality, problems = None, None, []
    for path, facts in copies:
        if row is not None:
            found = (f"second copy of utterance {facts['utterance']}", f"{row['path']} is used")
            problems.append((corpus, path, *found))
            continue
        try:
            soundness.check(root / path)
            samples, rate = audio.read(root / path)
            soundness.check_samples(root / path, samples)
            mix = audio.resample(samples, rate)
            soundness.check_mix(root / path, samples, mix)
        except audio.AudioError as error:
            problems.append((corpus, path, error.reason, error.remedy))
            continue
        except MemoryError:
            problems.append((corpus, path, "does not fit into memory", "cut it into utterances"))
            continue
        row = {"corpus": corpus, "path": path, **facts}
        row |= {"seconds": round(len(samples) / rate, 4), "sample_rate_native": rate}
        row |= {"sha256": audio.fingerprint(samples, rate)}
        peak, level = audio.levels_dbfs(mix)
        quality = {"corpus": corpus, "utterance": facts["utterance"], "channels": samples.shape[1]}
        quality |= {"peak_dbfs": round(peak, 2), "level_dbfs": round(level, 2)}
    return row, quality, problems


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table of utterances, labels or folds; identifiers such as "03" stay text."""
    text = ["corpus", "utterance", "path", "file", "speaker", "emotion_native", "text_id", "sha256"]
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values={"seconds": [""]})


def check_table(corpus: Corpus, table: pd.DataFrame) -> None:
    """Check a table of utterances against the registry.

    Raises
    ------
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
        if row["emotion"] not in known:
            names.check(row["emotion"], sorted(known), f"emotion of {what}")
        for column, value in (parse(corpus, row["path"]) or {}).items():
            if row[column] != value:
                raise ValueError(f"{what} has the {column} {row[column]!r}, its file's name says {value!r}")
        if not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
            raise ValueError(f"{what} has the sha256 {row['sha256']!r}, which is none")
    for column in ("seconds", "sample_rate_native"):
        wrong = ~(pd.to_numeric(table[column], errors="coerce") > 0)
        if wrong.any():
            first = table[wrong].iloc[0]
            raise ValueError(f"utterance {first['utterance']} has {column} {first[column]!r}, which is none")


def file_list(corpus: str) -> pd.DataFrame | None:
    """Return the official list of a corpus's files as a table of utterances, or None where there is none.

    Columns: `corpus, utterance, file, speaker, emotion_native, emotion, text_id, seconds,
    sample_rate_native, listed`. `listed` is `manifest` for files named in EmoBox's manifests and `inferred`
    for the two of MESD that only the corpus's design implies. `seconds` is missing for the latter.
    """
    path = paths.DATA / "reference" / "utterances" / f"{get(corpus).id}.csv"
    if not path.exists():
        return None
    table = read_table(path)
    parsed = [parse(get(corpus), file) for file in table["file"]]
    wrong = [file for file, facts in zip(table["file"], parsed, strict=True) if facts is None]
    if wrong:
        raise ValueError(f"{path}: {len(wrong)} names do not follow the grammar of {corpus}, first {wrong[0]}")
    facts = pd.DataFrame(parsed).drop(columns="emotion")
    table = pd.concat([facts, table], axis=1).assign(corpus=corpus)
    return table.sort_values("utterance", ignore_index=True)


def compare(utterances: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Compare a table of utterances with the corpus's official files.

    Returns
    -------
    A table [corpus, utterance, difference], where the difference is `missing` or `extra`; where no file list
    is known, a row for each emotion whose count is not the official one.
    """
    entry, listed = get(corpus), file_list(corpus)
    rows = []
    if listed is not None:
        present, official = set(utterances["utterance"]), set(listed["utterance"])
        rows += [(corpus, name, "missing") for name in sorted(official - present)]
        rows += [(corpus, name, "extra") for name in sorted(present - official)]
    else:
        counts = utterances["emotion"].value_counts()
        for emotion, expected in entry.counts.items():
            found = int(counts.get(emotion, 0))
            if found != expected:
                rows.append((corpus, f"({emotion})", f"{found} utterances where {expected} are official"))
    return pd.DataFrame(rows, columns=["corpus", "utterance", "difference"])


def repeated_audio(utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances whose decoded audio occurs more than once, sorted by hash and name."""
    twice = utterances[utterances.duplicated("sha256", keep=False)]
    return twice.sort_values(["sha256", "utterance"], ignore_index=True)


def overview(ids: Iterable[str]) -> pd.DataFrame:
    """Return what the registry says of some corpora, a row each, as a reader wants to see it."""
    entries = [get(corpus) for corpus in ids]
    return pd.DataFrame(
        {
            "Corpus": [e.name for e in entries],
            "Language": [e.language for e in entries],
            "Speakers": [e.speakers for e in entries],
            "Utterances": [sum(e.counts.values()) for e in entries],
            "Licence": [e.licence for e in entries],
            "Home": [e.home for e in entries],
        }
    )


def counts(corpus: str, utterances: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return utterances per emotion: by the owners, in the file list, and here.

    Returns
    -------
    A table with the emotions of the corpus as rows and the columns `official`, `listed` (missing where no
    file list is known) and `here` (missing where `utterances` is None).
    """
    entry, listed = get(corpus), file_list(corpus)
    table = pd.DataFrame({"official": pd.Series(dict(entry.counts))}).sort_index()
    for column, source in (("listed", listed), ("here", utterances)):
        found = None if source is None else source["emotion"].value_counts().reindex(table.index, fill_value=0)
        table[column] = pd.Series(found, index=table.index, dtype="Int64")
    return table.rename_axis("emotion").reset_index().assign(corpus=corpus)


def count_check(table: pd.DataFrame) -> pd.DataFrame:
    """Condense tables from `counts`: the sums per corpus, and the emotions whose three counts differ."""
    rows = []
    for corpus, part in table.groupby("corpus", sort=False):
        three = part[["official", "listed", "here"]]
        differ = part.loc[(three.max(axis=1) != three.min(axis=1)), "emotion"]
        sums = three.sum(min_count=1).astype("Int64")
        rows.append({"corpus": get(str(corpus)).name, **sums, "differing": ", ".join(differ) or "none"})
    return pd.DataFrame(rows)


def known_issues(ids: Iterable[str]) -> pd.DataFrame:
    """Return the reported defects of some corpora: corpus, files, issue, source."""
    return pd.DataFrame([{"corpus": get(c).name, **issue} for c in ids for issue in get(c).known_issues])
