"""Speech corpora: the registry, file-name grammars, and the table of utterances of a folder.

Everything that is a fact about a corpus stands in `data/corpora.yaml`, or in a CSV table in `data/own/`; nothing
here knows a corpus by name.
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import yaml

from crosscorpus import names, own_tables, paths
from crosscorpus.entries import Corpus, checked, parse
from crosscorpus.utterances import (
    COLUMNS,
    PROBLEM_COLUMNS,
    QUALITY_COLUMNS,
    NothingUsableError,
    OwnTableChangedError,
    Scan,
    check_table,
    lost,
    read_audio,
    read_table,
)

__all__ = [
    "COLUMNS",
    "PROBLEM_COLUMNS",
    "QUALITY_COLUMNS",
    "Corpus",
    "FileListError",
    "NothingUsableError",
    "OwnTableChangedError",
    "Scan",
    "check_table",
    "compare",
    "count_check",
    "counts",
    "file_list",
    "find",
    "get",
    "ids",
    "known_issues",
    "label_map",
    "lost",
    "overview",
    "parse",
    "read_table",
    "registry",
    "repeated_audio",
    "scan",
]


LIST_COLUMNS = ["file", "emotion", "sample_rate_native", "seconds", "listed"]
"""Columns of an official file list, as it is stored."""


class FileListError(ValueError):
    """An official file list that cannot be used; the message names file and line."""


@functools.cache
def registry() -> dict[str, Corpus]:
    """Return the corpora of `data/corpora.yaml` by id, in its order; those of CSV tables are found by `get`.

    Raises
    ------
    names.UnknownNameError
        An entry has a field that there is not, or an emotion that its counts do not have.
    ValueError
        An entry lacks a field, or its pattern cannot be used.
    """
    file = paths.DATA / "corpora.yaml"
    found: Mapping = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key: checked(key, entry, paths.shown(file)) for key, entry in found.items()}


def ids() -> list[str]:
    """Return the ids of all corpora: the registry's, then those of CSV tables in `data/own/`, unread."""
    return [*registry(), *(corpus for corpus in own_tables.tables() if corpus not in registry())]


@functools.lru_cache(maxsize=32)
def _own(corpus: str, own: own_tables.OwnTable, shown: str) -> Corpus:
    """Return the entry of a corpus that is a CSV table of paths, speakers and emotions."""
    rows = pd.DataFrame(list(own.utterances.values()))
    return Corpus(
        id=corpus,
        name=corpus,
        title=f"a corpus of your own ({shown})",
        language="not stated",
        licence="not stated",
        home=shown,
        pattern="",
        emotions=dict(sorted(set(zip(rows["emotion_native"], rows["emotion"], strict=True)))),
        counts=rows["emotion"].value_counts().sort_index().to_dict(),
        speakers=str(rows["speaker"].nunique()),
        same_audio=own.overlapping,
        table=own.utterances,
        left_out=own.left_out,
    )


def get(corpus: str) -> Corpus:
    """Return one corpus, of the registry or of a CSV table in `data/own/`; a table that was changed is read anew.

    Raises
    ------
    names.UnknownNameError
        There is no such corpus; the message lists those that there are, and says if a table is misnamed.
    own_tables.OwnTableError
        Its CSV table cannot be used, or has the id of a corpus of the registry.
    """
    own = own_tables.tables().get(corpus)
    if corpus in registry():
        if own is not None:
            raise own_tables.OwnTableError(
                f"{paths.shown(own)}: a corpus {corpus} is in data/corpora.yaml already; rename the file"
            )
        return registry()[corpus]
    if own is None:
        try:
            names.check(corpus, ids(), "corpus")
        except names.UnknownNameError as error:
            raise names.UnknownNameError(f"{error} {own_tables.misnamed(corpus)}".rstrip()) from None
    known = {emotion for entry in registry().values() for emotion in entry.emotions.values()}
    return _own(corpus, own_tables.read(corpus, known), paths.shown(own_tables.tables()[corpus]))


def label_map(ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return a table [corpus, emotion_native, emotion] of the native labels of some corpora, or the registry's."""
    entries = registry().values() if ids is None else [get(corpus) for corpus in ids]
    rows = [(c.id, native, emotion) for c in entries for native, emotion in c.emotions.items()]
    return pd.DataFrame(rows, columns=["corpus", "emotion_native", "emotion"])


def find(corpus: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a corpus's audio, or None.

    It is `corpora/<corpus>` below the mirror folder or, where that has none, below the folder of downloads. Where
    neither has one, the paths of a CSV table count from the table's own folder.
    """
    own = [own_tables.folder()] if get(corpus).table is not None else []
    folders = [root / "corpora" / corpus for root in (paths.mirror(mirror), paths.cache()) if root]
    return next((folder for folder in [*folders, *own] if folder.is_dir()), None)


def scan(corpus: str, folder: str | Path, workers: int = 1) -> Scan:
    """Read every audio file below a folder, under any layout.

    Parameters
    ----------
    corpus
        Id of the corpus in the registry.
    folder
        Folder with its audio (`audio.SUFFIXES`); what relative paths of a CSV table count from.
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
    NothingUsableError
        Not one utterance can be used.
    """
    return read_audio(get(corpus), Path(folder), workers)


def file_list(corpus: str) -> pd.DataFrame | None:
    """Return the official list of a corpus's files as a table of utterances, or None where there is none.

    Columns: `corpus, utterance, speaker, emotion_native, text_id`, which the names tell, and those of the file,
    `LIST_COLUMNS`. `listed` is `manifest` for files named in EmoBox's manifests and `inferred` for the two of MESD
    that only the corpus's design implies. `seconds` is missing for the latter.

    Raises
    ------
    FileListError
        The file (`data/reference/utterances/<corpus>.csv`) lacks a column, or a name in it does not follow the
        corpus's grammar, is there twice or has another emotion than the list says; or a number is none.
    """
    entry = get(corpus)
    path = paths.DATA / "reference" / "utterances" / f"{entry.id}.csv"
    if not path.exists():
        return None
    table = read_table(path)
    missing = [column for column in LIST_COLUMNS if column not in table]
    if missing:
        raise FileListError(
            f"{paths.shown(path)}: has no column {', '.join(missing)}; a file list has {', '.join(LIST_COLUMNS)} "
            "(File formats in the book says what they hold)"
        )
    parsed = [parse(entry, file) for file in table["file"]]
    facts = pd.DataFrame([facts or dict.fromkeys(("utterance", "emotion")) for facts in parsed], table.index)
    for wrong, what in (
        (facts["utterance"].isna(), f"the name does not follow the pattern of {corpus}"),
        (facts["utterance"].duplicated(), "the utterance is there twice"),
        (table["emotion"] != facts["emotion"], "the name tells another emotion"),
        (pd.to_numeric(table["sample_rate_native"], errors="coerce").isna(), "the sample rate is no number"),
        (
            table["seconds"].notna() & pd.to_numeric(table["seconds"], errors="coerce").isna(),
            "seconds is no number",
        ),
    ):
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            raise FileListError(f"{paths.shown(path)}, line {line + 2}: {table['file'].iloc[line]}: {what}")
    columns = [column for column in facts if column not in LIST_COLUMNS]
    table = pd.concat([facts[columns], table], axis=1).assign(corpus=corpus)
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
