"""What scores and guards need of stored predictions, kept by unit of work: so they need not read every row."""

import functools
import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa

from crosscorpus.base import table_files, text_columns, versions, whole_files
from crosscorpus.embeddings import store
from crosscorpus.protocols import folds
from crosscorpus.scores import (
    calibration,
    count_tables,
    guard_parts,
    guards_of_predictions,
    guards_of_units,
    metrics,
)

COUNTS, FOUND, BINS = "counts", "found", "bins"
"""Folders beside that of predictions: their counts, what guards found in their rows, and sums by confidence."""
Known = dict[tuple[str, int], str]
"""Hashes of tables of utterances, and of who has a fold in them, by what they are of and the table's id."""
CODE: dict[str, tuple[ModuleType, ...]] = {
    COUNTS: (count_tables, metrics),
    FOUND: (guard_parts, guards_of_predictions, guards_of_units, folds),
    BINS: (calibration,),
}


def file_of(predictions: Path, kind: str = COUNTS) -> Path:
    """Return where a file of predictions has its counts, or what guards found: the same name, another folder."""
    below = predictions.parents[2]  # model, corpus: a worker process need not know where builds go
    return below.parent / kind / predictions.relative_to(below)


def read(
    predictions: Path,
    corpora: Sequence[store.Embeddings],
    known: Known | None = None,
    rows: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the counts of a file of predictions (see `count_tables`), made from it where they are not stored.

    They are made again where the file has changed since, or what names speakers, or how is counted; and where
    the file of counts is damaged.

    Parameters
    ----------
    predictions
        The file, below the folder of predictions.
    corpora
        What was tested, and trained on: their tables of utterances name the speakers.
    known
        Keeps hashes of these tables, by object, from file to file while they live.
    rows
        The predictions, where they are at hand.

    Raises
    ------
    ValueError
        As `metrics.as_counts`.
    """
    return _kept(COUNTS, metrics.as_counts, predictions, corpora, known, rows)


def read_found(
    predictions: Path,
    corpora: Sequence[store.Embeddings],
    known: Known | None = None,
    rows: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `guards_of_units.of_rows` of a file of predictions, kept like its counts; parameters as of `read`."""
    return _kept(FOUND, _guarded, predictions, corpora, known, rows)


def read_bins(
    predictions: Path,
    corpora: Sequence[store.Embeddings],
    known: Known | None = None,
    rows: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `calibration.binned` of a file of predictions, kept like its counts; parameters as of `read`."""
    return _kept(BINS, lambda table, _: calibration.binned(table), predictions, corpora, known, rows)


def _guarded(rows: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    # A published split asks nothing of folds that are dealt, which may not be possible.
    is_published = rows["regime"].unique().tolist() == [folds.PUBLISHED]

    def named(corpus: str, table: pd.DataFrame) -> set[str]:
        if is_published:
            return text_columns.different(folds.load(corpus, table, folds.PUBLISHED)["utterance"])
        return folds.with_fold(corpus, table)

    tables = [
        table[text_columns.isin(table["utterance"], named(str(corpus), table))]
        for corpus, table in utterances.groupby("corpus", sort=False)
    ]
    return guards_of_units.of_rows(rows, pd.concat(tables, ignore_index=True))


def _kept(
    kind: str,
    make: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame],
    predictions: Path,
    corpora: Sequence[store.Embeddings],
    known: Known | None,
    rows: pd.DataFrame | None,
) -> pd.DataFrame:
    each = {one.corpus: one.utterances for one in corpora}
    file, record = file_of(predictions, kind), _made_of(predictions, each, {} if known is None else known, kind)
    try:
        if table_files.read_record(file) == record:
            return pd.read_parquet(file)
    except (OSError, ValueError, pa.ArrowException):
        pass  # not there, or damaged: made again
    rows = pd.read_parquet(predictions) if rows is None else rows
    made = make(rows, pd.concat(each.values(), ignore_index=True))
    whole_files.replace_file(file, functools.partial(table_files.write, made, record=record))
    return made


def _made_of(predictions: Path, corpora: dict[str, pd.DataFrame], known: Known, kind: str) -> dict[str, Any]:
    hashes: dict[str, Callable[[str, pd.DataFrame], str]] = {"utterances": _hash}
    if kind == FOUND:
        hashes["folds"] = _hash_folds
    for (what, hashed), (corpus, table) in itertools.product(hashes.items(), corpora.items()):
        if (what, id(table)) not in known:
            known[what, id(table)] = hashed(corpus, table)
    with predictions.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "predictions": content,
        **{what: [[corpus, known[what, id(table)]] for corpus, table in corpora.items()] for what in hashes},
        "code": versions.of_code(*CODE[kind]),
        "pandas": pd.__version__,
    }


def _hash_folds(corpus: str, utterances: pd.DataFrame) -> str:
    """Return a hash of who has a fold, which guards ask for, and which files of folds decide."""
    try:
        names = folds.with_fold(corpus, utterances)
    except folds.FoldError:  # none can be dealt, and a published split is in the predictions themselves
        names = set()
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


def _hash(_: str, utterances: pd.DataFrame) -> str:
    named = utterances[[c for c in ("utterance", "speaker", "emotion", "sha256") if c in utterances]]
    return hashlib.sha256(named.to_csv(index=False).encode()).hexdigest()[:16]
