"""Tables of utterances and embeddings on disk: where they are, how they are named, written and checked.

Two places hold the same things. `pack` is the part that the repository carries (`data/embeddings/`); `audio`
is what was made here from audio (`_build/`). An embedding file of the latter is named by a hash of all that
made it, so what was made otherwise is never found.
"""

import functools
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crosscorpus import audio, corpora, extractors, names, paths, versions

SOURCES = ("pack", "audio")


class NotStoredError(FileNotFoundError):
    """Something that has not been made yet; the message names the command that makes it."""


class StoredWrongError(ValueError):
    """A stored file that does not hold what it should; the message names file, reason and remedy."""


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one corpus by one model.

    `vectors` is float32 [utterances, dim]; its rows are in the order of the table `utterances`, which has the
    columns `corpora.COLUMNS`. `metadata` says what made them, all values as text.
    """

    ptm: str
    corpus: str
    utterances: pd.DataFrame
    vectors: np.ndarray
    metadata: dict[str, str]


def folder(source: str) -> Path:
    """Return the folder of a source, "pack" or "audio"."""
    return paths.PACK if names.check(source, SOURCES, "source") == "pack" else paths.BUILD / "embeddings"


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is either whole or not there: `write` gets a temporary path beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# -- utterances ---------------------------------------------------------------------------------------------


def write_scan(corpus: str, scan: corpora.Scan, to: Path) -> None:
    """Write a scan below a folder: `utterances/`, `quality/` and `problems/<corpus>.csv`."""
    tables = {"utterances": scan.utterances, "quality": scan.quality, "problems": scan.problems}
    for kind, table in tables.items():
        replace_file(to / kind / f"{corpus}.csv", functools.partial(table.to_csv, index=False))


def read_scan(corpus: str, source: str = "pack") -> corpora.Scan:
    """Read what `write_scan` wrote.

    Raises
    ------
    NotStoredError
        This source has no such table.
    """
    corpora.get(corpus)
    tables = []
    for kind in ("utterances", "quality", "problems"):
        path = folder(source) / kind / f"{corpus}.csv"
        if not path.exists():
            raise NotStoredError(
                f"{path}: not there; "
                + (
                    "the pack has no such corpus"
                    if source == "pack"
                    else f"run `papermill notebooks/data.ipynb out.ipynb -p source audio -p corpora {corpus}`"
                )
            )
        tables.append(corpora.read_table(path))
    return corpora.Scan(*tables)


# -- embeddings ---------------------------------------------------------------------------------------------


def audio_hash(utterances: pd.DataFrame) -> str:
    """Return one hash (64 hex digits) of all utterances: their names and audio, in order."""
    lines = "\n".join(f"{row.utterance} {row.sha256}" for row in utterances.itertuples())
    return hashlib.sha256(lines.encode()).hexdigest()


def key(identity: Mapping[str, str]) -> str:
    """Return the hash (16 hex digits) that names what the given facts make."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]


def embeddings_path(ptm: str, corpus: str, pooling: str, made_by: str, source: str = "audio") -> Path:
    """Return the file of one corpus's embeddings; `made_by` is their key (the pack's names do without)."""
    if source == "pack":
        return folder(source) / ptm / f"{corpus}.safetensors"
    return folder(source) / ptm / f"{corpus}-{pooling}-{made_by}.safetensors"


def write_embeddings(path: Path, vectors: np.ndarray, metadata: Mapping[str, str]) -> None:
    """Write float32 vectors [utterances, dim] and what made them, atomically."""
    tensors = {"embeddings": np.ascontiguousarray(vectors, dtype=np.float32)}
    replace_file(path, lambda part: save_file(tensors, part, metadata=dict(metadata)))


def read_embeddings(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Read vectors and metadata.

    Raises
    ------
    NotStoredError
        There is no such file.
    StoredWrongError
        The file is cut short or is no safetensors file.
    """
    if not path.exists():
        raise NotStoredError(f"{path}: not there")
    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor("embeddings"), dict(file.metadata() or {})
    except SafetensorError as error:
        raise StoredWrongError(
            f"{path}: not a whole safetensors file ({error}); delete it, it will be made again"
        ) from error


def check_vectors(vectors: np.ndarray, utterances: pd.DataFrame, dimension: int, what: str) -> None:
    """Check embeddings against the table of their utterances.

    Raises
    ------
    StoredWrongError
        Wrong shape, or a row that is not finite or all one value; the message names the utterance.
    """
    expected = (len(utterances), dimension)
    if vectors.shape != expected:
        raise StoredWrongError(f"{what}: shape {vectors.shape} where {expected} is expected; extract it again")
    wrong = ~np.isfinite(vectors).all(axis=1) | (vectors.max(axis=1) == vectors.min(axis=1))
    if wrong.any():
        first = utterances["utterance"].iloc[int(np.argmax(wrong))]
        raise StoredWrongError(
            f"{what}: {int(wrong.sum())} embeddings are not finite or constant, "
            f"the first of utterance {first}; listen to its audio, and leave it out or extract it again"
        )


def load(ptm: str, corpus: str, source: str = "pack", pooling: str = "") -> Embeddings:
    """Load and check the embeddings of one corpus by one model.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    source
        "pack" or "audio".
    pooling
        The extractor's pooling; "" for the model's default. The pack holds the default alone.

    Raises
    ------
    NotStoredError
        They have not been made; the message names the command that makes them.
    StoredWrongError
        What is stored does not fit the table of utterances.
    """
    model = extractors.get(ptm)
    pooling = pooling or model.pooling
    make = f"papermill notebooks/extraction.ipynb out.ipynb -p source audio -p ptm {ptm} -p corpora {corpus}"
    make += f" -p pooling {pooling}" if pooling != model.pooling else ""
    utterances = read_scan(corpus, source).utterances
    if source == "pack":
        path = embeddings_path(ptm, corpus, pooling, "", source)
    else:
        made_by = key(identity(ptm, pooling, utterances)) if model.loader else ""
        path = embeddings_path(ptm, corpus, pooling, made_by)
    if not path.exists():
        raise NotStoredError(f"{path}: not there; it is made by `{make}`")
    vectors, metadata = read_embeddings(path)
    check_vectors(vectors, utterances, model.dimension, str(path))
    made_with = metadata.get("pooling", "unknown")
    if metadata.get("audio_hash") != audio_hash(utterances) or made_with != pooling:
        raise StoredWrongError(
            f"{path}: made from other audio or with other pooling ({made_with}) than asked for ({pooling}); "
            f"make it again with `{make}`"
        )
    return Embeddings(ptm, corpus, utterances, vectors, metadata)


def identity(ptm: str, pooling: str, utterances: pd.DataFrame) -> dict[str, str]:
    """Return all that decides what the embeddings of some utterances are; its `key` names their file."""
    model = extractors.get(ptm)
    return {
        "ptm": ptm,
        "handle": model.handle,
        "revision": model.revision,
        "pooling": pooling,
        "audio_hash": audio_hash(utterances),
        "code": versions.of_code(audio, extractors.loader(ptm)),
    }
