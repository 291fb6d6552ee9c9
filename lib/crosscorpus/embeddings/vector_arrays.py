"""Files of arrays with embeddings that were made elsewhere: .npz, .npy and .safetensors.

Nothing in them is executed: Python objects, which only a pickle could hold, are refused unread: NumPy's default.
"""

import contextlib
import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from crosscorpus.corpora import own_sheets
from crosscorpus.embeddings import vector_rows
from crosscorpus.embeddings.vector_rows import Rows, refuse

PICKLED = (
    "could only be read as Python objects (a pickle), which may run anything, and are never read",
    "save plain arrays: numbers as float32, names as `names.astype(str)`",
)

LARGEST_CELL = 10**8
"""Characters of a cell, which may hold a whole vector."""


def read_npy(file: Path, names: Path | None) -> Rows:
    """Read an array [utterances, dim], and the CSV table of its names."""
    if names is None:
        refuse(file, "an array has no names", "give them: --names NAMES.csv, a row for each vector, in its order")
    with _damage(file, ".npy file"):
        array = np.load(file)
    if not isinstance(array, np.ndarray):
        array.close()
        refuse(file, "holds several arrays: it is an .npz file", "rename it")
    return Rows(read_names(names, len(array) if array.ndim else 0), array, ("row", 1), f"names from {names.name}")


def read_npz(file: Path, names: Path | None) -> Rows:
    """Read an array [utterances, dim] and one of names, or an array [dim] for each utterance, under its name."""
    with _damage(file, ".npz file"), np.load(file) as opened:
        if isinstance(opened, np.ndarray):
            refuse(file, "is a single array: an .npy file", "rename it, and give its names by --names")
        arrays = {}
        for key in opened.files:
            try:
                arrays[key] = opened[key]
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                refuse(file, *PICKLED, where=f"key {key!r}")
    return _of_arrays(file, arrays, names, {})


def read_safetensors(file: Path, names: Path | None) -> Rows:
    """Read a tensor [utterances, dim], with names in the metadata or in a CSV table, or a tensor [dim] a name."""
    try:
        with safe_open(file, framework="pt") as opened:  # NumPy has no bfloat16
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        refuse(file, f"no whole .safetensors file ({error})", "save it again, or correct its suffix")
    arrays = {name: (t.float() if t.is_floating_point() else t).numpy() for name, t in tensors.items()}
    doubles = {name: t.numpy() for name, t in tensors.items() if str(t.dtype) == "torch.float64"}
    return _of_arrays(file, arrays | doubles, names, metadata)


@contextlib.contextmanager
def _damage(file: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except vector_rows.ImportFileError:
        raise
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, KeyError, SyntaxError) as error:
        if "pickle" in str(error):
            refuse(file, PICKLED[0], PICKLED[1])
        refuse(file, f"no whole {kind} ({' '.join(str(error).split())})", "save it again, or correct its suffix")


def _of_arrays(
    file: Path, arrays: Mapping[str, np.ndarray], names: Path | None, metadata: Mapping[str, str]
) -> Rows:
    wide = [key for key, array in arrays.items() if array.ndim > 1 and array.dtype.kind in "fiubc"]
    flat = [key for key, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "fc"]
    texts = [key for key, array in arrays.items() if array.dtype.kind in "US"]
    if len(wide) > 1 and all(arrays[key].shape[0] == 1 and arrays[key].ndim == 2 for key in wide) and not texts:
        flat, wide, arrays = [*flat, *wide], [], {key: array.reshape(-1) for key, array in arrays.items()}
    if not wide and flat and not texts and names is None:
        lengths = {key: len(arrays[key]) for key in flat}
        if len(set(lengths.values())) > 1:
            odd = next(key for key in flat if lengths[key] != lengths[flat[0]])
            here = f"{lengths[odd]} numbers, where {flat[0]!r} has {lengths[flat[0]]}"
            refuse(file, here, "every vector must have one dimension", f"key {odd!r}")
        unread = f"; not read: {vector_rows.listed(rest)}" if (rest := sorted({*arrays} - {*flat})) else ""
        return Rows(flat, np.stack([arrays[key] for key in flat]), ("vector", 1), f"a vector for each key{unread}")
    if len(wide) != 1:
        found = vector_rows.listed([f"{key} {array.dtype} {array.shape}" for key, array in arrays.items()])
        expected = "keep one array of numbers [utterances, dim], or one [dim] for each utterance, by its name"
        refuse(file, f"which array holds the vectors cannot be told ({found or 'there is none'})", expected)
    vectors, key = arrays[wide[0]], wide[0]
    read = f"vectors from {key!r}"
    rest = [other for other in arrays if other != key]
    if names is not None:
        named = read_names(names, len(vectors))
        read += f", names from {names.name}"
    else:
        chosen, named = _names_within(file, {other: arrays[other] for other in texts}, arrays, metadata)
        rest = [other for other in rest if other != chosen]
        read += f", names from {chosen!r}"
    return Rows(named, vectors, ("row", 1), read + (f"; not read: {vector_rows.listed(rest)}" if rest else ""))


def _names_within(
    file: Path, texts: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> tuple[str, list[str]]:
    chosen = vector_rows.column_of_names(texts) or vector_rows.column_of_names(arrays)
    if chosen is None and len(texts) == 1:
        chosen = next(iter(texts))
    if chosen is not None:
        return chosen, vector_rows.as_text(file, arrays[chosen], f"key {chosen!r}")
    field = vector_rows.column_of_names(metadata)
    if field is not None:
        with contextlib.suppress(ValueError):
            found = json.loads(metadata[field])
            if isinstance(found, list) and all(isinstance(name, str) for name in found):
                return field, found
        refuse(file, "names in the metadata are no JSON list of texts", "save them with `json.dumps`", field)
    several = f": {vector_rows.listed(list(texts))} could be" if texts else ""
    refuse(
        file,
        f"no array names the utterances{several}",
        "call it `utterance`, or give the names by --names NAMES.csv, a row for each vector, in its order",
    )


def read_names(file: Path, n: int) -> list[str]:
    """Read a CSV table of n names, in the order of vectors: one column, or one of `vector_rows.NAMES`."""
    rows = read_cells(file)
    width = len(rows[0][1])
    header = vector_rows.column_of_names(rows[0][1])
    if width > 1 and header is None:
        refuse(file, "no column names the utterances", f"call it {vector_rows.NAMES[0]}", f"line {rows[0][0]}")
    column = 0 if width == 1 or header is None else rows[0][1].index(header)
    if header is not None or len(rows) == n + 1:  # one column may do without a header
        rows = rows[1:]
    for line, cells in rows:
        if len(cells) != width:
            refuse(file, f"{len(cells)} cells, where there are {width} columns", "correct it", f"line {line}")
    if len(rows) != n:
        refuse(file, f"{len(rows)} names of {n} vectors", "give one name for each vector, in their order")
    return [cells[column] for _, cells in rows]


def read_cells(file: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file that are not empty, each with its line; separated by commas, ; or tabs."""
    try:
        text = own_sheets.read_text(file)
    except own_sheets.OwnTableError as error:
        raise vector_rows.ImportFileError(str(error)) from error
    first = text.lstrip().splitlines()[0]
    separator = max(own_sheets.SEPARATORS, key=first.count)
    csv.field_size_limit(LARGEST_CELL)
    rows, line = [], 1
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for row in cells:
            stripped = [own_sheets.stripped(cell) for cell in row]
            if any(stripped):
                rows.append((line, stripped))
            line = cells.line_num + 1
    except csv.Error as error:
        refuse(
            file, f"a quotation mark does not fit, or a cell is too long ({error})", "correct it", f"line {line}"
        )
    return rows
