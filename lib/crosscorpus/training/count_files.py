"""Counts of stored predictions, kept by unit of work: what scores read, instead of every row."""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from crosscorpus.base import table_files, versions, whole_files
from crosscorpus.embeddings import store
from crosscorpus.scores import count_tables, metrics


def file_of(predictions: Path) -> Path:
    """Return where the counts of a file of predictions are kept: under the same name, in a folder of their own."""
    below = predictions.parents[2]  # model, corpus: a worker process need not know where builds go
    return below.parent / "counts" / predictions.relative_to(below)


def read(
    predictions: Path, tests: Sequence[store.Embeddings], known: dict[int, str] | None = None
) -> pd.DataFrame:
    """Return the counts of a file of predictions (see `count_tables`), made from it where they are not stored.

    They are made again where the file has changed since, or what names speakers, or how is counted; and where
    the file of counts is damaged.

    Parameters
    ----------
    predictions
        The file, below the folder of predictions.
    tests
        What was tested: their tables of utterances name the speakers.
    known
        Keeps hashes of these tables, by object, from file to file while they live.

    Raises
    ------
    ValueError
        As `metrics.as_counts`.
    """
    file, record = file_of(predictions), _made_of(predictions, tests, known)
    try:
        if table_files.read_record(file) == record:
            return pd.read_parquet(file)
    except (OSError, ValueError, pa.ArrowException):
        pass  # not there, or damaged: made again
    return write(predictions, tests, pd.read_parquet(predictions))


def write(predictions: Path, tests: Sequence[store.Embeddings], table: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of a file of predictions, keep the counts, and return them; parameters as of `read`."""
    utterances = pd.concat([test.utterances for test in tests], ignore_index=True)
    counted = metrics.as_counts(table, utterances)
    write_table = functools.partial(table_files.write, counted, record=_made_of(predictions, tests))
    whole_files.replace_file(file_of(predictions), write_table)
    return counted


def _made_of(
    predictions: Path, tests: Sequence[store.Embeddings], known: dict[int, str] | None = None
) -> dict[str, Any]:
    known = {} if known is None else known
    for test in tests:
        if id(test.utterances) not in known:
            known[id(test.utterances)] = _hash(test.utterances)
    return {
        "predictions": hashlib.sha256(predictions.read_bytes()).hexdigest(),
        "speakers": [[test.corpus, known[id(test.utterances)]] for test in tests],
        "code": versions.of_code(count_tables, metrics),
        "pandas": pd.__version__,
    }


def _hash(utterances: pd.DataFrame) -> str:
    named = utterances[["utterance", "speaker"]].to_csv(index=False)
    return hashlib.sha256(named.encode()).hexdigest()[:16]
