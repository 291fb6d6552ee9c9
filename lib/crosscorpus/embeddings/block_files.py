"""Files of blocks: so many rows for each utterance, read by slice from disk and never loaded whole.

A file is a safetensors file, written a part at a time. It holds `vectors` [rows, dim], all utterances' one after
the other; `offsets`, int64 [utterances + 1], so that utterance i has the rows from offsets[i] to offsets[i + 1];
`checksums`, CRC-32 of each utterance's rows, uint32 [utterances], which every reading is checked against; and, in
a part of a corpus, `rows`, int64 [utterances], the positions of its utterances in the table.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosscorpus.base import paths, whole_files
from crosscorpus.embeddings import store_folders

AGAIN = "delete it, it will be made again"
"""The remedy for a file that is not what was written."""
KINDS = {"float16": "F16", "float32": "F32", "int64": "I64", "uint32": "U32"}
"""NumPy's dtypes, and what a safetensors header calls them."""
LONGEST_HEADER = 100_000_000
"""Bytes; the limit that safetensors has."""


@dataclass(frozen=True)
class Blocks(Sequence[np.ndarray]):
    """An opened file: `blocks[i]` is a copy of the rows of utterance i, [rows, dim].

    `vectors` is memory-mapped and stays on disk until it is read; `rows` are positions in the table of utterances,
    where the file is a part of a corpus.
    """

    path: Path
    offsets: np.ndarray
    checksums: np.ndarray
    vectors: np.ndarray
    rows: np.ndarray
    metadata: dict[str, str]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.checksums)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        """Read the rows of one utterance.

        Raises
        ------
        IndexError
            There is no such utterance.
        store_folders.StoredWrongError
            They are not what was written.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{paths.shown(self.path)}: no utterance {index}; it has {len(self)}, from 0 on")
        index = int(index) % len(self)
        block = self._read(int(self.offsets[index]), int(self.offsets[index + 1]))
        if _checksum(block) != self.checksums[index]:
            raise store_folders.StoredWrongError(
                f"{self.path}: the vectors of utterance {index} are not what was written (their CRC-32 differs); "
                f"{AGAIN}"
            )
        return block

    def _read(self, start: int, end: int) -> np.ndarray:
        # Of a mapping of its own, which is let go: pages of one that stays would count as this process's memory.
        if start == end or not isinstance(self.vectors, np.memmap):
            return np.array(self.vectors[start:end])
        width = self.vectors.shape[1]
        at = self.vectors.offset + start * width * self.vectors.itemsize
        return np.array(np.memmap(self.path, self.vectors.dtype, "r", at, (end - start, width)))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Read one utterance after the other."""
        return (self[index] for index in range(len(self)))


def _checksum(block: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(block).data.cast("B") if block.size else b"")


def write(path: Path, blocks: Sequence[np.ndarray], metadata: Mapping[str, str], rows: np.ndarray) -> None:
    """Write a part of a corpus: one array [rows, dim] an utterance, and their positions in its table."""
    lengths = np.array([len(block) for block in blocks])
    checksums = np.array([_checksum(block) for block in blocks], dtype=np.uint32)
    _write(path, lambda: enumerate(blocks), lengths, checksums, blocks[0], metadata, rows)


def join(path: Path, parts: Sequence[Path], metadata: Mapping[str, str]) -> None:
    """Write the file of a corpus from its parts, in the order of the table; one part is opened at a time.

    Raises
    ------
    NotStoredError, StoredWrongError
        As `read`; or a part is not what was written.
    """
    opened = read(parts[0])
    count = sum(len(read(part)) for part in parts)
    lengths, checksums = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.uint32)
    for part in map(read, parts):
        lengths[part.rows], checksums[part.rows] = np.diff(part.offsets), part.checksums

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for part in parts:
            one = read(part)
            yield from zip(map(int, one.rows), one, strict=True)

    _write(path, blocks, lengths, checksums, opened.vectors, {**opened.metadata, **metadata}, None)


def _write(
    path: Path,
    blocks: Callable[[], Iterable[tuple[int, np.ndarray]]],
    lengths: np.ndarray,
    checksums: np.ndarray,
    like: np.ndarray,
    metadata: Mapping[str, str],
    rows: np.ndarray | None,
) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    small = {"offsets": offsets, "rows": rows, "checksums": checksums}
    arrays = {name: a for name, a in small.items() if a is not None}
    facts = {**metadata, "sha256": _sha256(arrays, metadata)}
    header: dict[str, object] = {"__metadata__": {"made_by": json.dumps(facts, sort_keys=True)}}
    at = 0
    shapes = {name: (a.dtype, a.shape) for name, a in arrays.items()}
    shapes["vectors"] = (like.dtype, (int(offsets[-1]), like.shape[1]))
    for name, (dtype, shape) in shapes.items():
        size = int(np.prod(shape)) * dtype.itemsize
        header[name] = {"dtype": KINDS[dtype.name], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    width = like.shape[1] * like.dtype.itemsize

    def fill(part: Path) -> None:
        with open(part, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).tobytes())
            start = file.tell()
            for row, block in blocks():
                file.seek(start + int(offsets[row]) * width)
                file.write(np.ascontiguousarray(block).tobytes())
            file.truncate(8 + len(text) + at)

    whole_files.replace_file(path, fill)


def _sha256(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Return one hash of what says where each utterance's rows are, what they are, and what made them."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def read(path: Path) -> Blocks:
    """Open a file, without reading its vectors.

    Raises
    ------
    NotStoredError
        There is no such file.
    StoredWrongError
        It is cut short, is no such file, or what it says of its vectors was changed.
    """
    if not path.exists():
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there")
    try:
        header, start = _header(path)
        facts = json.loads(header.pop("__metadata__")["made_by"])
        found = {name: _mapped(path, start, entry) for name, entry in header.items()}
        written = facts.pop("sha256")
        arrays = {name: np.array(a) for name, a in found.items() if name != "vectors"}
        whole = path.stat().st_size == start + max(entry["data_offsets"][1] for entry in header.values())
        rows = arrays.get("rows", np.zeros(0, np.int64))
        blocks = Blocks(path, arrays["offsets"], arrays["checksums"], found["vectors"], rows, facts)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise store_folders.StoredWrongError(f"{path}: not a whole file of blocks ({error}); {AGAIN}") from error
    if not whole or written != _sha256(arrays, facts):
        reason = "what it says of its vectors is not what was written" if whole else "it is cut short"
        raise store_folders.StoredWrongError(f"{path}: {reason}; {AGAIN}")
    return blocks


def _header(path: Path) -> tuple[dict, int]:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(LONGEST_HEADER, path.stat().st_size):
            raise ValueError("its header is longer than the file")
        return json.loads(file.read(length)), 8 + length


def _mapped(path: Path, start: int, entry: Mapping) -> np.ndarray:
    dtype = next(name for name, kind in KINDS.items() if kind == entry["dtype"])
    shape, (at, end) = tuple(entry["shape"]), entry["data_offsets"]
    if int(np.prod(shape)) * np.dtype(dtype).itemsize != end - at or start + end > path.stat().st_size:
        raise ValueError("it is cut short, or its header does not fit")
    return np.memmap(path, dtype, "r", start + at, shape) if end > at else np.zeros(shape, dtype)
