"""Tables on disk that say what made them: Parquet files with a record in their metadata."""

import functools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crosscorpus import protocol, versions

KEY = b"crosscorpus"
"""Name of the record among a file's metadata."""

_commit = functools.cache(versions.of_commit)  # asked for once a process, not once a file


def of_run(settings: protocol.Protocol, device: str = "cpu") -> dict[str, Any]:
    """Return what is recorded of a run.

    Parameters
    ----------
    settings
        All that were used, see `protocol.load`.
    device
        "cpu" or "cuda".

    Returns
    -------
    `protocol`: all settings; `changed`: those that differ from `data/protocol.yaml`; `libraries`; `device`;
    `commit`.
    """
    return {
        "protocol": settings,
        "changed": protocol.changes(settings),
        "libraries": versions.of_libraries(),
        "device": versions.of_device(device),
        "commit": _commit(),
    }


def write(table: pd.DataFrame, file: Path, record: dict[str, Any]) -> None:
    """Write a table without its index as Parquet, and a record into the file's metadata as JSON."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    text = json.dumps(record, sort_keys=True).encode()
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), KEY: text}), file)


def read(file: Path) -> dict[str, Any]:
    """Return the record of a file, empty where it has none."""
    text = (pq.read_schema(file).metadata or {}).get(KEY)
    return json.loads(text) if text else {}
