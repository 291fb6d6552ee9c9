"""Files of embeddings: written, read, and checked against what was written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crosscorpus.base import paths, whole_files
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
    tensors, metadata = read_tensors(path, needed="embeddings")
    return tensors["embeddings"].astype(np.float32, copy=False), metadata


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
    if not path.exists():
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
    facts_changed = protected is not None and protected != _sha256_of_facts(metadata)
    if (needed and needed not in tensors) or metadata.pop("sha256", None) != _sha256(tensors) or facts_changed:
        raise store_folders.StoredWrongError(
            f"{path}: its content is not what was written (its SHA-256 differs); {again}"
        )
    return tensors, metadata


def write_run(path: Path, facts: Mapping[str, str]) -> None:
    """Write how a run went that made embeddings (its speed, say), beside their file."""
    text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
    whole_files.replace_file(path.with_suffix(".run.json"), lambda part: part.write_text(text, encoding="utf-8"))


def read_run(path: Path) -> dict[str, str]:
    """Read what `write_run` wrote; empty where nothing is."""
    file = path.with_suffix(".run.json")
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


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
    table = utterances[["utterance", "sha256"]].assign(row=[row.tobytes() for row in vectors])
    same = table[table.duplicated("row", keep=False) & ~table.duplicated(["row", "sha256"], keep=False)]
    if len(same):
        pair = list(same.loc[same["row"] == same["row"].iloc[0], "utterance"][:2])
        raise store_folders.StoredWrongError(
            f"{what}: {len(same)} embeddings equal another utterance's though their audio differs, first "
            f"{' and '.join(pair)}; the extractor does not look at its input there: extract again, and report it"
        )
