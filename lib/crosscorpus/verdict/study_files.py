"""Committed tables of studies, in data/results/: a CSV, and beside it a JSON file with what made it."""

import datetime
import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from crosscorpus.base import paths, versions, whole_files
from crosscorpus.embeddings import store_folders


def read(path: Path, target: str, **how: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table of results, and what made it.

    Parameters
    ----------
    path
        The CSV file.
    target
        Of the Makefile: what makes the table.
    how
        As of `pandas.read_csv`.

    Raises
    ------
    store_folders.NotStoredError
        It is not there; the message names the command that makes it.
    """
    check(path, target)
    return pd.read_csv(path, **how), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def check(path: Path, target: str) -> None:
    """Raise `store_folders.NotStoredError` where a table of results is not there; see `read`."""
    if not path.exists():
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there; `make {target}` makes it")


def write(path: Path, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Write a table of results as CSV, and what made it as JSON beside it."""
    write_table(path, table)
    text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
    whole_files.replace_file(path.with_suffix(".json"), lambda part: part.write_text(text, encoding="utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, with three decimals."""
    to_csv = functools.partial(table.to_csv, index=False, float_format="%.3f", lineterminator="\n")
    whole_files.replace_file(path, to_csv)


def made_since(started: float) -> dict[str, Any]:
    """Return what every study keeps: date, commit, libraries, and seconds since a time of `time.perf_counter`."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "libraries": versions.of_libraries(),
        "seconds": round(time.perf_counter() - started, 1),
    }
