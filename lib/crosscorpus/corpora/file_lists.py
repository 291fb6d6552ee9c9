"""Official lists of utterances: read, checked, counted, and compared with what was found."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from crosscorpus.base import paths
from crosscorpus.corpora import corpus_registry
from crosscorpus.corpora.corpus_entries import parse
from crosscorpus.corpora.utterance_tables import (
    COLUMNS,
    PROBLEM_COLUMNS,
    QUALITY_COLUMNS,
    WHOLE,
    Scan,
    read_table,
)

LIST_COLUMNS = ["file", "emotion", "sample_rate_native", "seconds"]
"""Columns of an official file list, as it is stored."""


class FileListError(ValueError):
    """An official file list that cannot be used; the message names file and line."""


def file_list(corpus: str) -> pd.DataFrame | None:
    """Return the official list of a corpus's files as a table of utterances, or None where there is none.

    Columns: `corpus, utterance, speaker, emotion_native, text_id`, which the names tell, and those of the file,
    `LIST_COLUMNS`: the files that EmoBox's manifests name. `seconds` is missing where it is not known.

    Raises
    ------
    FileListError
        The file (`data/reference/utterances/<corpus>.csv`) lacks a column, or a name in it does not follow the
        corpus's grammar, is there twice or has another emotion than the list says; or a number is none.
    """
    entry = corpus_registry.get(corpus)
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


def without_audio(corpus: str) -> Scan | None:
    """Return the table of utterances that a corpus should have, as far as names and lists tell, without its audio.

    Of a CSV table in `data/own/`, its rows; else the official list.
    What is not known is "" (`sha256`), or missing (`seconds`, `sample_rate_native`).
    None where the corpus has neither table nor list.
    """
    entry, table = corpus_registry.get(corpus), file_list(corpus)
    if entry.table is not None:
        table = pd.DataFrame(list(entry.table.values())).assign(corpus=corpus, sample_rate_native=np.nan)
        table["seconds"] = table["end"] - table["start"]
    elif table is not None:
        table = table.assign(path=table["file"], **WHOLE)
    else:
        return None
    table = table.assign(sha256="").sort_values("utterance", ignore_index=True)[COLUMNS]
    return Scan(table, pd.DataFrame(columns=QUALITY_COLUMNS), pd.DataFrame(columns=PROBLEM_COLUMNS))


def compare(utterances: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Compare a table of utterances with the corpus's official files.

    Returns
    -------
    A table [corpus, utterance, difference], where the difference is `missing` or `extra`; where no file list
    is known, a row for each emotion whose count is not the official one.
    """
    entry, listed = corpus_registry.get(corpus), file_list(corpus)
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
    known = utterances[utterances["sha256"] != ""]
    twice = known[known.duplicated("sha256", keep=False)]
    return twice.sort_values(["sha256", "utterance"], ignore_index=True)


def overview(ids: Iterable[str]) -> pd.DataFrame:
    """Return what the registry says of some corpora, a row each, as a reader wants to see it."""
    entries = [corpus_registry.get(corpus) for corpus in ids]
    return pd.DataFrame(
        {
            "Corpus": [e.name for e in entries],
            "Language": [e.language for e in entries],
            "Speakers": [e.speakers for e in entries],
            "Utterances": [e.size for e in entries],
            "Licence": [e.licence for e in entries],
            "Home": [e.home for e in entries],
        }
    )


def counts(corpus: str, utterances: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return utterances per emotion: by the owners, in the file list, and here.

    Returns
    -------
    A table with the emotions of the corpus as rows and the columns `official`, `listed` (missing where no
    file list is known) and `here` (missing where `utterance_tables` is None).
    """
    entry, listed = corpus_registry.get(corpus), file_list(corpus)
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
        rows.append(
            {"corpus": corpus_registry.get(str(corpus)).name, **sums, "differing": ", ".join(differ) or "none"}
        )
    return pd.DataFrame(rows)
