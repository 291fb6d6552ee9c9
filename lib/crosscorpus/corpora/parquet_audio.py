"""Audio files out of Parquet tables, as Hugging Face keeps data sets: a column of `bytes` and `path`."""

import os
import re
import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet

from crosscorpus.base import archives, web

ROWS = 64
"""Rows to read at a time: a table may be larger than memory."""


def unpack(table: Path, to: Path) -> Path:
    """Write the audio files that a table holds, under their own names, into a folder that must not exist yet.

    The name of a file is the last part of its path in the table: converters keep no more, or a path of their own
    machine.

    Raises
    ------
    DownloadError
        It is no Parquet table or damaged, no column holds files, a file has no name, two files have one name, or
        all are larger than `archives.LARGEST`. Nothing is left behind.
    """
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
    part.mkdir(parents=True)
    try:
        with pyarrow.parquet.ParquetFile(table) as opened:
            column = _column(opened.schema_arrow)
            if not column:
                raise _refusal(table, f"no column of files among {', '.join(opened.schema_arrow.names)}")
            left = archives.LARGEST
            for batch in opened.iter_batches(ROWS, columns=[column]):
                for file in batch.to_pylist():
                    left -= _write(table, file[column] or {}, part)
                    if left < 0:
                        raise _refusal(table, f"it holds more than {archives.LARGEST} bytes")
        os.replace(part, to)
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise _refusal(table, f"cannot be read ({type(error).__name__}: {error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return to


def _column(schema: pyarrow.Schema) -> str:
    """Return the first column that holds files, or ""."""
    structs = (field for field in schema if pyarrow.types.is_struct(field.type))
    return next((str(field.name) for field in structs if {"bytes", "path"} <= {f.name for f in field.type}), "")


def _write(table: Path, file: dict, folder: Path) -> int:
    content, name = file["bytes"], re.split(r"[/\\]", file["path"] or "")[-1]
    if content is None:
        return 0  # a row that only points to a file elsewhere
    if not name or archives.climbs(name):
        raise _refusal(table, f"{file['path']!r} is no name for a file")
    path = folder / name
    if path.exists() and path.read_bytes() != content:
        raise _refusal(table, f"two files are called {name}")
    path.write_bytes(content)
    return len(content)


def _refusal(table: Path, reason: str) -> web.DownloadError:
    expected = "expected a Parquet table with a column of `bytes` and `path`, one row a file"
    return web.DownloadError(f"{table}: {reason}; {expected}; nothing was unpacked")
