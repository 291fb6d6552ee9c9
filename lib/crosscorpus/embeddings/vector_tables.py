"""Tables with embeddings that were made elsewhere: .csv and .parquet, a row for each utterance.

A row has one column with its vector, or a column for each dimension. What could be read in two ways is refused.
"""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crosscorpus.embeddings import vector_arrays, vector_rows
from crosscorpus.embeddings.vector_rows import Rows, refuse

FACTS = (
    *("", "index", "level_0", "unnamed_0", "corpus", "dataset", "language", "split", "fold", "sample_rate"),
    *("speaker", "speaker_id", "gender", "sex", "age", "emotion", "emotion_native", "label", "labels"),
    *("start", "end", "seconds", "duration", "text", "text_id", "transcript"),
)
"""Columns that say something of an utterance, and are no dimensions though they may be numbers."""


def dimensions(file: Path, columns: Sequence[str], numbers: Collection[str]) -> list[str]:
    """Return the columns that are the dimensions of the vectors, in their order.

    Parameters
    ----------
    columns
        All but that of the names.
    numbers
        Those that hold numbers.

    Raises
    ------
    ImportFileError
        None does, a number is missing among numbered columns, or there are other numbers beside them.
    """
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        if (match := re.fullmatch(r"(.*?)(\d+)", column.strip())) and vector_rows.plain(column) not in FACTS:
            found.setdefault(match[1], {})[int(match[2])] = column
    numbered = {prefix: by for prefix, by in found.items() if len(by) > 1 and min(by) <= 1}
    others = [column for column in numbers if vector_rows.plain(column) not in FACTS]
    if len(numbered) != 1:  # names of features, as F0_mean
        if not others:
            expected = "a column `embedding` with the whole vector, or a column for each dimension"
            refuse(file, "no column holds numbers", f"it needs {expected}")
        return others
    prefix, by = next(iter(numbered.items()))
    beside = [column for column in others if column not in by.values()]
    if beside:
        refuse(
            file,
            f"beside the numbered columns {prefix}{min(by)} to {prefix}{max(by)} there are other numbers "
            f"({vector_rows.listed(beside)})",
            "delete or rename the columns that are no dimensions, as to `label`, or number all dimensions",
        )
    missing = sorted(set(range(min(by), max(by) + 1)) - set(by))
    if missing:
        refuse(file, f"the column {prefix}{missing[0]} is missing", "every dimension must have its column")
    return [by[number] for number in sorted(by)]


def _names(file: Path, columns: Sequence[str], texts: Sequence[str]) -> str:
    for column in columns:
        if columns.count(column) > 1:
            refuse(file, f"the column {column!r} is there twice", "rename or delete one")
    chosen = vector_rows.column_of_names(columns)
    texts = [column for column in texts if vector_rows.plain(column) not in FACTS]
    if chosen is None and len(texts) == 1:
        chosen = texts[0]
    if chosen is None:
        refuse(file, f"no column names the utterances ({vector_rows.listed(columns, 8)})", "call it `utterance`")
    return chosen


def _read(name: str, vectors: Sequence[str], columns: Sequence[str]) -> str:
    span = repr(vectors[0]) if len(vectors) == 1 else f"{len(vectors)} columns, {vectors[0]} to {vectors[-1]}"
    rest = [column for column in columns if column not in (name, *vectors)]
    return f"vectors from {span}, names from {name!r}" + (
        f"; not read: {vector_rows.listed(rest)}" if rest else ""
    )


def read_csv(file: Path) -> Rows:
    """Read a CSV table."""
    rows = vector_arrays.read_cells(file)
    (_, columns), rows = rows[0], rows[1:]
    if not rows:
        refuse(file, "has no rows", "it needs a header, and a row for each utterance")
    for line, cells in rows:
        if len(cells) != len(columns):
            here = f"{len(cells)} cells, where there are {len(columns)} columns"
            refuse(
                file,
                here,
                "give every column a cell; a cell with a comma stands in quotation marks",
                f"line {line}",
            )
    by_column = {column: [cells[n] for _, cells in rows[:20]] for n, column in enumerate(columns)}
    numbers = [column for column, cells in by_column.items() if any(map(_is_number, cells))]
    whole = [
        c for c, cells in by_column.items() if all(len(_parts(cell)) > 1 for cell in cells) and c not in numbers
    ]
    name = _names(file, columns, [c for c in columns if c not in (*numbers, *whole)])
    whole = [column for column in whole if column != name]
    if len(whole) > 1:
        refuse(file, f"several columns hold vectors ({vector_rows.listed(whole)})", "keep one of them")
    chosen = whole or dimensions(file, [c for c in columns if c != name], [c for c in numbers if c != name])
    positions = [columns.index(column) for column in chosen]
    take: Callable = (
        (lambda cells: _parts(cells[positions[0]])) if whole else lambda cells: [cells[n] for n in positions]
    )
    vectors = [_numbers(file, line, take(cells), chosen) for line, cells in rows]
    for (line, _), vector in zip(rows, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            here = f"{len(vector)} numbers, where line {rows[0][0]} has {len(vectors[0])}"
            refuse(file, here, "every vector must have one dimension", f"line {line}")
    at = columns.index(name)
    return Rows(
        [cells[at] for _, cells in rows], np.stack(vectors), ("line", rows[0][0]), _read(name, chosen, columns)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parts(cell: str) -> list[str]:
    """Return the numbers of a whole vector in a cell, as [0.1, 0.2] or with blanks or semicolons between."""
    parts = re.split(r"[\s,;]+", cell.strip("[]() \t\r\n"))
    return parts if len(parts) > 1 and _is_number(parts[0]) and _is_number(parts[-1]) else []


def _numbers(file: Path, line: int, cells: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        bad = next(n for n, cell in enumerate(cells) if not _is_number(cell))
        column = columns[min(bad, len(columns) - 1)]
        what = repr(cells[bad]) if cells[bad] else "an empty cell"
        refuse(file, f"{what} in the column {column!r} is no number", "write it as 0.125", f"line {line}")


def read_parquet(file: Path) -> Rows:
    """Read a Parquet table."""
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        refuse(file, f"no whole .parquet file ({error})", "save it again, or correct its suffix")
    if not len(table):
        refuse(file, "has no rows", "it needs a row for each utterance")
    kinds = {}
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
        kinds[field.name] = "text" if is_text else "list" if is_list else "number" if is_number else "other"
    columns = list(table.column_names)
    name = _names(file, columns, [column for column in kinds if kinds[column] == "text"])
    if kinds[name] not in ("text", "number"):
        refuse(file, f"the column {name!r} is {table.schema.field(name).type}", "names must be texts")
    whole = [column for column in columns if kinds[column] == "list"]
    if len(whole) > 1:
        refuse(file, f"several columns hold vectors ({vector_rows.listed(whole)})", "keep one of them")
    chosen = whole or dimensions(
        file, [c for c in columns if c != name], [c for c in columns if kinds[c] == "number" and c != name]
    )
    names = ["" if one is None else str(one) for one in table[name].to_pylist()]
    vectors = _of_lists(file, table[whole[0]]) if whole else _of_columns(file, table, chosen)
    return Rows(names, vectors, ("row", 1), _read(name, chosen, columns))


def _of_columns(file: Path, table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    for column in columns:
        kind = table.schema.field(column).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            refuse(file, f"the column {column!r} is {kind}, no numbers", "save it as float32")
    return np.stack([table[column].to_numpy().astype(float) for column in columns], axis=1)


def _of_lists(file: Path, column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    kind = values.type.value_type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        remedy = "a vector is a list of numbers: average frames or layers to one vector first"
        refuse(file, f"a column of lists of {kind}", remedy)
    lengths = [-1 if n is None else n for n in pc.list_value_length(values).to_pylist()]
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            here = "no vector" if length < 0 else f"{length} numbers, where row 1 has {lengths[0]}"
            refuse(file, here, "every vector must have one dimension", f"row {row + 1}")
    if lengths[0] < 0:
        refuse(file, "no vector", "every row needs one", "row 1")
    flat = pc.list_flatten(values)
    return flat.to_numpy(zero_copy_only=False).reshape(len(lengths), lengths[0])
