"""Files of embeddings: written, read, and checked against what was written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crosscorpus.base import paths, remote_store, whole_files
from crosscorpus.embeddings import store_folders

AGAIN = "delete it, it will be made again"
"""The remedy for a file that is not what was written."""


def write_embeddings(
    path: Path,
    vectors: np.ndarray,
    metadata: Mapping[str, str],
    rows: np.ndarray | None = None,
    *,
    stored_as: str = "float32",
    utterances: Sequence[str] | None = None,
) -> None:
    """Write vectors [utterances, dim] and what made them, atomically; the same input gives the same bytes.

    `rows`, for a part of a corpus, are the positions [utterances] of the vectors in its table of utterances.
    `stored_as` "float16" takes half the room, rounds, and is noted in the metadata. `utterances` are the names of
    the rows, for a file that does not lean on a table beside it.
    """
    tensors = {"embeddings": np.ascontiguousarray(vectors, dtype=stored_as)}
    if stored_as != "float32":
        metadata = {**metadata, "stored_as": stored_as}
    if rows is not None:
        tensors["rows"] = np.ascontiguousarray(rows, dtype=np.int64)
    if utterances is not None:
        tensors["utterances"] = np.frombuffer("\n".join(utterances).encode(), dtype=np.uint8)
    write_tensors(path, tensors, metadata)


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays by name and what made them, atomically, each with a hash that `read_tensors` checks."""
    facts = {**metadata, "sha256": _sha256(tensors)}
    facts[FACTS_HASH] = _sha256_of_facts(facts)
    # One text, because safetensors writes several in an order that changes from run to run.
    text = {"made_by": json.dumps(facts, sort_keys=True)}
    whole_files.replace_file(path, lambda part: save_file(dict(tensors), part, metadata=text))


FACTS_HASH = "sha256_of_facts"
"""What protects the metadata; files that were written before it came do without."""


def _sha256_of_facts(facts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()


def _sha256(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()


def read_embeddings(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Read vectors (float32) and metadata, checked against the hash that they were written with.

    Raises
    ------
    NotStoredError
        There is no such file.
    StoredWrongError
        The file is cut short, is no safetensors file, or was changed.
    """
    tensors, metadata, _ = _read(path, AGAIN, ("embeddings", REFERENCES))
    if REFERENCES in tensors:
        return _joined(path, tensors[REFERENCES]), metadata
    return tensors["embeddings"].astype(np.float32, copy=False), metadata


def read_facts(path: Path) -> dict[str, str]:
    """Read what a file of embeddings says made them, checked, without what it refers to; as `read_embeddings`."""
    return _read(path, AGAIN, ("embeddings", REFERENCES))[1]


REFERENCES = "portions"
"""The array of a file that refers to others, as UTF-8: a JSON list of `reference`s."""


def folder_of_portions(path: Path) -> Path:
    """Return the folder of the files that a file of embeddings refers to, if it does."""
    return path.with_suffix(".portions")


def read_portion(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str], dict[str, Any]]:
    """Read a portion of a corpus: vectors, their positions in its table of utterances, metadata, and a reference.

    The reference has the portion's `file` (its name), `rows` (how many) and `sha256` (of its content), as
    `write_references` takes it. Raises as `read_embeddings`.
    """
    tensors, metadata, digest = _read(path, AGAIN, ("embeddings",))
    reference = {"file": path.name, "rows": len(tensors["rows"]), "sha256": digest}
    return tensors["embeddings"], tensors["rows"], metadata, reference


def write_references(path: Path, references: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]) -> None:
    """Write a file of embeddings that refers to portions in `folder_of_portions`, atomically."""
    text = json.dumps(list(references), sort_keys=True)
    write_tensors(path, {REFERENCES: np.frombuffer(text.encode(), dtype=np.uint8)}, metadata)


def portions_of(path: Path) -> list[Path]:
    """Return the files that a file of embeddings refers to; none, where it holds the vectors itself."""
    tensors, _, _ = _read(path, AGAIN, ("embeddings", REFERENCES))
    return [folder_of_portions(path) / one["file"] for one in _references(tensors.get(REFERENCES))]


def undivided(path: Path, folder: Path) -> Path:
    """Return a file that is not in portions: it itself, or a copy of all its vectors in a folder."""
    if path.suffix != ".safetensors" or not portions_of(path):
        return path
    copy = folder / path.parent.name / path.name
    write_embeddings(copy, *read_embeddings(path))
    return copy


def _references(array: np.ndarray | None) -> list[dict[str, Any]]:
    return [] if array is None else json.loads(array.tobytes())


def _joined(path: Path, array: np.ndarray) -> np.ndarray:
    """Return the vectors [utterances, dim] of all portions that a file refers to; one at a time is read."""
    references, joined = _references(array), np.empty((0, 0), dtype=np.float32)
    for reference in references:
        file = folder_of_portions(path) / reference["file"]
        try:
            vectors, rows, _, found = read_portion(file)
        except store_folders.NotStoredError as error:
            raise store_folders.StoredWrongError(f"{path}: refers to {error}; {AGAIN}") from error
        if found != reference:
            raise store_folders.StoredWrongError(f"{path}: refers to another content of {file.name}; {AGAIN}")
        if not joined.size:
            joined = np.empty((sum(one["rows"] for one in references), vectors.shape[1]), dtype=np.float32)
        joined[rows] = vectors
    return joined


def is_protected(path: Path) -> bool:
    """Return whether a hash protects what a file says made it; not so in files by older versions of this project.

    Without it, a changed name of a fact could not be told from a file that never had that fact.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return FACTS_HASH in json.loads((file.metadata() or {}).get("made_by", "{}"))
    except (SafetensorError, ValueError):
        return True  # no whole file: reading it says so


def read_part(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a part of a corpus: vectors, and their positions in its table of utterances; as `read_embeddings`."""
    tensors, _ = read_tensors(path, needed="embeddings")
    return tensors["embeddings"], tensors["rows"]


def read_named(path: Path, again: str) -> tuple[np.ndarray, list[str], dict[str, str]]:
    """Read vectors, names of their utterances, and metadata; as `read_embeddings`, with a remedy of its own."""
    tensors, metadata = read_tensors(path, again, "embeddings")
    names = tensors.get("utterances", np.zeros(0, np.uint8)).tobytes().decode().split("\n")
    if len(names) != len(tensors["embeddings"]):
        raise store_folders.StoredWrongError(
            f"{path}: {len(names)} names of {len(tensors['embeddings'])}; {again}"
        )
    return tensors["embeddings"].astype(np.float32, copy=False), names, metadata


def read_tensors(path: Path, again: str = AGAIN, needed: str = "") -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `write_tensors` wrote, an array of the name `needed` among it; raises as `read_embeddings`."""
    tensors, metadata, _ = _read(path, again, (needed,) if needed else ())
    return tensors, metadata


def _read(path: Path, again: str, needed: tuple[str, ...]) -> tuple[dict[str, np.ndarray], dict[str, str], str]:
    """Read what `write_tensors` wrote, one of the arrays `needed` among it, and the hash of all arrays."""
    if not remote_store.here(path):
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            made_by = (file.metadata() or {}).get("made_by", "")
        metadata = json.loads(made_by) if made_by else {}
        protected = metadata.pop(FACTS_HASH, None)
    except (SafetensorError, ValueError, AttributeError, KeyError) as error:
        raise store_folders.StoredWrongError(f"{path}: not a whole safetensors file ({error}); {again}") from error
    if not made_by:
        raise store_folders.StoredWrongError(
            f"{path}: written by another version of this project or by something else; {again}"
        )
    facts_changed, digest = protected is not None and protected != _sha256_of_facts(metadata), _sha256(tensors)
    lacks = bool(needed) and not any(name in tensors for name in needed)
    if lacks or metadata.pop("sha256", None) != digest or facts_changed:
        raise store_folders.StoredWrongError(
            f"{path}: its content is not what was written (its SHA-256 differs); {again}"
        )
    return tensors, metadata, digest


def run_file(path: Path) -> Path:
    """Return the file beside a file of embeddings that says how the run went that made them."""
    return path.with_suffix(".run.json")


def write_run(path: Path, facts: Mapping[str, str]) -> None:
    """Write how a run went that made embeddings (its speed, say), beside their file."""
    text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
    whole_files.replace_file(run_file(path), lambda part: part.write_text(text, encoding="utf-8"))


def send(path: Path, run: Mapping[str, str]) -> None:
    """Write how a run went, unless nothing is known of it, and send both files to the shared store, if any."""
    if run:
        write_run(path, run)
        remote_store.send(run_file(path))
    remote_store.send(path)


def read_run(path: Path) -> dict[str, str]:
    """Read what `write_run` wrote; empty where nothing is."""
    file = run_file(path)
    return json.loads(file.read_text(encoding="utf-8")) if remote_store.here(file) else {}


def check_vectors(vectors: np.ndarray, utterances: pd.DataFrame, dimension: int, what: str) -> None:
    """Check embeddings against the table of their utterances.

    Raises
    ------
    StoredWrongError
        Wrong shape; a row that is not finite or all one value; or equal rows for utterances whose audio differs.
        The message names the utterances.
    """
    expected = (len(utterances), dimension)
    if vectors.shape != expected:
        raise store_folders.StoredWrongError(
            f"{what}: shape {vectors.shape} where {expected} is expected; extract it again"
        )
    wrong = ~np.isfinite(vectors).all(axis=1) | (vectors.max(axis=1) == vectors.min(axis=1))
    if wrong.any():
        first = utterances["utterance"].iloc[int(np.argmax(wrong))]
        raise store_folders.StoredWrongError(
            f"{what}: {int(wrong.sum())} embeddings are not finite or constant, "
            f"the first of utterance {first}; listen to its audio, and leave it out or extract it again"
        )
    check_repeated([row.tobytes() for row in vectors], utterances, what)


def check_repeated(rows: Sequence[bytes] | np.ndarray, utterances: pd.DataFrame, what: str) -> None:
    """Check that utterances whose audio differs have different vectors, given as bytes or as their hashes.

    Raises
    ------
    StoredWrongError
        Some do not; the message names two.
    """
    table = utterances[["utterance", "sha256"]].assign(row=rows)
    same = table[table.duplicated("row", keep=False) & ~table.duplicated(["row", "sha256"], keep=False)]
    if len(same):
        pair = list(same.loc[same["row"] == same["row"].iloc[0], "utterance"][:2])
        raise store_folders.StoredWrongError(
            f"{what}: {len(same)} embeddings equal another utterance's though their audio differs, first "
            f"{' and '.join(pair)}; the extractor does not look at its input there: extract again, and report it"
        )
