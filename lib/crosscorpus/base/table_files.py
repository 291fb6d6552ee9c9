"""Tables on disk: CSV files as text, and Parquet files with a record of what made them in their metadata."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crosscorpus.base import stamp

KEY = b"crosscorpus"
"""Name of the record among a file's metadata."""


def write(table: pd.DataFrame, file: Path, record: dict[str, Any]) -> None:
    """Write a table without its index as Parquet, and a record, and the stamp, into the file's metadata."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    text = json.dumps(record, sort_keys=True).encode()
    metadata = {**(arrow.schema.metadata or {}), KEY: text, **stamp.facts()}
    pq.write_table(arrow.replace_schema_metadata(metadata), file)


def read_record(file: Path) -> dict[str, Any]:
    """Return the record of a file, empty where it has none."""
    text = (pq.read_schema(file).metadata or {}).get(KEY)
    return json.loads(text) if text else {}
