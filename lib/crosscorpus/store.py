"""Tables of utterances and embeddings on disk: where they are, how they are named, written and checked.

Two places hold the same things. `pack` is the part that the repository carries (`data/embeddings/`); `audio`
is what was made here from audio (`_build/`). An embedding file of the latter is named by a hash of all that
made it, so what was made otherwise is never found. `any` is the pack where that has it, and `audio` elsewhere.
"""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crosscorpus import audio, containers, corpora, extractors, mp3, names, paths, versions

SOURCES = ("pack", "audio", "any")


class NotStoredError(FileNotFoundError):
    """Something that has not been made yet; the message names the command that makes it."""


class StoredWrongError(ValueError):
    """A stored file that does not hold what it should; the message names file, reason and remedy."""


class NotWrittenError(OSError):
    """A file that could not be written; the message names it, the reason and the remedy."""


FULL, READ_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one corpus by one model.

    `vectors` is float32 [utterances, dim]; its rows are in the order of the table `utterances`, which has the
    columns `corpora.COLUMNS`. `metadata` says what made them, `run` how fast that went; all values as text.
    """

    ptm: str
    corpus: str
    utterances: pd.DataFrame
    vectors: np.ndarray
    metadata: dict[str, str]
    run: dict[str, str] = field(default_factory=dict)


def folder(source: str) -> Path:
    """Return the folder of a source, "pack" or "audio"."""
    return paths.PACK if names.check(source, SOURCES[:2], "source") == "pack" else paths.BUILD / "embeddings"


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is either whole or not there: `write` gets a temporary path beside it.

    Raises
    ------
    NotWrittenError
        The disk is full, or nothing may be written there. What stood under the name before is still there.
    """
    for left in (2, 1, 0):
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(part)
            return os.replace(part, path)
        except (OSError, SafetensorError) as error:
            number = _error_number(error)
            if left and number == errno.ENOENT and not path.parent.is_dir():
                continue  # another run of the same has finished just now, and swept the folder
            if number not in (*FULL, *READ_ONLY):
                raise
            remedy = "free some space" if number in FULL else "make its folder writable, or choose another"
            raise NotWrittenError(
                f"{paths.shown(path)}: cannot be written ({os.strerror(number)}); {remedy}, and run again: it "
                "goes on from what is stored"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _error_number(error: OSError | SafetensorError) -> int:
    # safetensors writes it as text: "... No space left on device (os error 28)"
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else getattr(error, "errno", None) or 0


# -- utterances ---------------------------------------------------------------------------------------------


def write_scan(corpus: str, scan: corpora.Scan, to: Path) -> None:
    """Write a scan below a folder: `utterances/`, `quality/` and `problems/<corpus>.csv`."""
    tables = {"utterances": scan.utterances, "quality": scan.quality, "problems": scan.problems}
    for kind, table in tables.items():
        path, text = to / kind / f"{corpus}.csv", table.to_csv(index=False)
        if not path.exists() or path.read_bytes() != text.encode():  # so a store that is whole may be read-only
            replace_file(path, functools.partial(Path.write_bytes, data=text.encode()))


def read_scan(corpus: str, source: str = "pack") -> corpora.Scan:
    """Read what `write_scan` wrote.

    What was read from audio keeps what was measured; emotions, speakers and the like are as names and tables say
    now, so that a corrected table counts without the audio being read again.

    Raises
    ------
    NotStoredError
        This source has no such table, or the corpus's own table names files that were not read yet.
    StoredWrongError
        The table of utterances is not what a scan of the corpus gives.
    """
    entry = corpora.get(corpus)
    if source == "any":
        return read_scan(corpus, "pack" if (paths.PACK / "utterances" / f"{corpus}.csv").exists() else "audio")
    tables = []
    for kind in ("utterances", "quality", "problems"):
        path = folder(source) / kind / f"{corpus}.csv"
        if not path.exists():
            raise NotStoredError(
                f"{paths.shown(path)}: not there; "
                + (
                    "the pack has no such corpus"
                    if source == "pack"
                    else f"run `papermill notebooks/data.ipynb out.ipynb -p source audio -p corpora {corpus}`"
                )
            )
        try:
            tables.append(corpora.read_table(path))
            if kind == "utterances":
                if source == "audio":
                    tables[-1] = _as_named_now(entry, tables[-1])
                corpora.check_table(entry, tables[-1])
                if source == "pack":
                    _check_pack(path, f"utterances/{corpus}", {"sha256": table_hash(path)})
        except StoredWrongError:
            raise
        except ValueError as error:
            again = (
                "make it again, or fetch the repository's again" if source == "pack" else "delete it and run again"
            )
            raise StoredWrongError(f"{paths.shown(path)}: {error}; {again}") from error
    scan = corpora.Scan(*tables)
    read = {*scan.utterances["utterance"], *scan.problems["path"]}
    unread = [name for name in (entry.table or {} if source == "audio" else {}) if name not in read]
    if unread:
        raise NotStoredError(
            f"{entry.home} was changed: {len(unread)} of its utterances were not read yet, first {unread[0]}; "
            f"run `papermill notebooks/data.ipynb out.ipynb -p source audio -p corpora {corpus}`"
        )
    return scan


def _as_named_now(entry: corpora.Corpus, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of utterances with the facts that names, or the corpus's own table, tell today."""
    known = table["path" if entry.table is None else "utterance"]
    told = [corpora.parse(entry, name) for name in known]
    kept = table[[facts is not None for facts in told]].reset_index(drop=True)
    facts = pd.DataFrame([facts for facts in told if facts is not None], index=kept.index)
    return kept.assign(**facts).sort_values("utterance", ignore_index=True)


# -- embeddings ---------------------------------------------------------------------------------------------


def table_hash(path: Path) -> str:
    """Return the SHA-256 of a table's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def audio_hash(utterances: pd.DataFrame) -> str:
    """Return one hash (64 hex digits) of all utterances: their names and audio, in order."""
    lines = "\n".join(f"{row.utterance} {row.sha256}" for row in utterances.itertuples())
    return hashlib.sha256(lines.encode()).hexdigest()


def key(identity: Mapping[str, str]) -> str:
    """Return the hash (16 hex digits) that names what the given facts make."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]


def embeddings_path(
    ptm: str, corpus: str, pooling: str, made_by: str, source: str = "audio", dtype: str = "float32"
) -> Path:
    """Return the file of one corpus's embeddings; `made_by` is their key (the pack's names do without)."""
    if source == "pack":
        variant = "" if pooling in ("", extractors.get(ptm).pooling) else f"-{pooling}"
        return folder(source) / ptm / f"{corpus}{variant}.safetensors"
    how = pooling if dtype == "float32" else f"{pooling}-{dtype}"
    return folder(source) / ptm / f"{corpus}-{how}-{made_by}.safetensors"


def write_embeddings(
    path: Path,
    vectors: np.ndarray,
    metadata: Mapping[str, str],
    rows: np.ndarray | None = None,
    *,
    stored_as: str = "float32",
) -> None:
    """Write vectors [utterances, dim] and what made them, atomically; the same input gives the same bytes.

    `rows`, for a part of a corpus, are the positions [utterances] of the vectors in its table of utterances.
    `stored_as` "float16" takes half the room, rounds, and is noted in the metadata.
    """
    tensors = {"embeddings": np.ascontiguousarray(vectors, dtype=stored_as)}
    if stored_as != "float32":
        metadata = {**metadata, "stored_as": stored_as}
    if rows is not None:
        tensors["rows"] = np.ascontiguousarray(rows, dtype=np.int64)
    facts = {**metadata, "sha256": _sha256(tensors)}
    facts[FACTS_HASH] = _sha256_of_facts(facts)
    # One text, because safetensors writes several in an order that changes from run to run.
    text = {"made_by": json.dumps(facts, sort_keys=True)}
    replace_file(path, lambda part: save_file(tensors, part, metadata=text))


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
    tensors, metadata = _read(path)
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
    tensors, _ = _read(path)
    return tensors["embeddings"], tensors["rows"]


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    if not path.exists():
        raise NotStoredError(f"{paths.shown(path)}: not there")
    again = "delete it, it will be made again"
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            made_by = (file.metadata() or {}).get("made_by", "")
        metadata = json.loads(made_by) if made_by else {}
        protected = metadata.pop(FACTS_HASH, None)
    except (SafetensorError, ValueError, AttributeError, KeyError) as error:
        raise StoredWrongError(f"{path}: not a whole safetensors file ({error}); {again}") from error
    if not made_by:
        raise StoredWrongError(f"{path}: written by another version of this project or by something else; {again}")
    facts_changed = protected is not None and protected != _sha256_of_facts(metadata)
    if "embeddings" not in tensors or metadata.pop("sha256", None) != _sha256(tensors) or facts_changed:
        raise StoredWrongError(f"{path}: its content is not what was written (its SHA-256 differs); {again}")
    return tensors, metadata


def write_run(path: Path, facts: Mapping[str, str]) -> None:
    """Write how a run went that made embeddings (its speed, say), beside their file."""
    text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
    replace_file(path.with_suffix(".run.json"), lambda part: part.write_text(text, encoding="utf-8"))


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
        raise StoredWrongError(f"{what}: shape {vectors.shape} where {expected} is expected; extract it again")
    wrong = ~np.isfinite(vectors).all(axis=1) | (vectors.max(axis=1) == vectors.min(axis=1))
    if wrong.any():
        first = utterances["utterance"].iloc[int(np.argmax(wrong))]
        raise StoredWrongError(
            f"{what}: {int(wrong.sum())} embeddings are not finite or constant, "
            f"the first of utterance {first}; listen to its audio, and leave it out or extract it again"
        )
    table = utterances[["utterance", "sha256"]].assign(row=[row.tobytes() for row in vectors])
    same = table[table.duplicated("row", keep=False) & ~table.duplicated(["row", "sha256"], keep=False)]
    if len(same):
        pair = list(same.loc[same["row"] == same["row"].iloc[0], "utterance"][:2])
        raise StoredWrongError(
            f"{what}: {len(same)} embeddings equal another utterance's though their audio differs, first "
            f"{' and '.join(pair)}; the extractor does not look at its input there: extract again, and report it"
        )


def load(ptm: str, corpus: str, source: str = "pack", pooling: str = "", dtype: str = "float32") -> Embeddings:
    """Load and check the embeddings of one corpus by one model.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    source
        "pack", "audio" or "any".
    pooling
        The extractor's pooling; "" for the model's default. The pack holds few others; see `data/pack.yaml`.
    dtype
        What they were computed in; see `extractors.load`. The pack holds float32 alone.

    Raises
    ------
    NotStoredError
        They have not been made; the message names the command that makes them.
    StoredWrongError
        What is stored does not fit the table of utterances.
    """
    model = extractors.get(ptm)
    pooling = pooling or model.pooling
    if source == "any":
        try:
            return load(ptm, corpus, "pack", pooling, dtype)
        except NotStoredError:
            source = "audio"
    make = command(ptm, corpus, pooling, dtype)
    utterances = read_scan(corpus, source).utterances
    asked = identity(ptm, pooling, utterances, dtype) if source == "audio" else {}
    path = embeddings_path(ptm, corpus, pooling, key(asked), source, dtype)
    if not path.exists():
        raise NotStoredError(f"{paths.shown(path)}: not there; it is made by `{make}`")
    vectors, metadata = read_embeddings(path)
    check_vectors(vectors, utterances, model.dimension, str(path))
    if source == "pack":
        _check_pack(path, f"{ptm}/{path.stem}", metadata)
    elif not is_protected(path):
        raise StoredWrongError(
            f"{path}: no hash protects what made it: an older version wrote it, or it was changed; delete it, it "
            f"will be made again by `{make}`"
        )
    asked |= {"audio_hash": audio_hash(utterances), "pooling": pooling, "dtype": dtype}
    differ = [name for name, value in asked.items() if metadata.get(name) != value]
    if differ:
        made_with = ", ".join(f"{name} {metadata.get(name, 'unknown')}" for name in differ)
        raise StoredWrongError(
            f"{path}: made from other audio or otherwise ({made_with}) than asked for "
            f"({', '.join(f'{name} {asked[name]}' for name in differ)}); make it again with `{make}`"
        )
    return Embeddings(ptm, corpus, utterances, vectors, metadata, read_run(path))


def others(path: Path, asked: Mapping[str, str]) -> list[str]:
    """Say which embeddings of the same model, corpus and pooling are stored that were made otherwise, and how.

    Parameters
    ----------
    path
        The file that would be used; see `embeddings_path`.
    asked
        Its identity; see `identity`.
    """
    said = []
    for file in sorted(path.parent.glob(f"{path.stem.rpartition('-')[0]}-*.safetensors")):
        if file == path or len(file.stem) != len(path.stem):
            continue
        try:
            metadata = read_embeddings(file)[1]
        except (StoredWrongError, NotStoredError) as error:
            said.append(str(error))
            continue
        differ = [f"{n} {metadata.get(n, 'unknown')}, not {v}" for n, v in asked.items() if metadata.get(n) != v]
        said.append(f"{paths.shown(file)}: made otherwise ({'; '.join(differ)}); not used, and may be deleted")
    return said


def _listed(name: str) -> dict[str, str]:
    """Return what the pack's list says of one of its files; empty where it says nothing."""
    path = paths.PACK / "provenance.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get(name, {}) if path.exists() else {}
    except (ValueError, AttributeError) as error:
        reason = f"not JSON ({error}); fetch the repository's again"
        raise StoredWrongError(f"{paths.shown(path)}: {reason}") from error


def _check_pack(path: Path, name: str, facts: Mapping[str, str]) -> None:
    """Raise `StoredWrongError` where facts of a file of the pack are not those that the pack's list has."""
    known = _listed(name)
    differ = sorted(fact for fact in facts if known and facts[fact] != known.get(fact))
    if differ:
        raise StoredWrongError(
            f"{paths.shown(path)}: its {differ[0]} is {facts[differ[0]]!r}, provenance.json beside it says "
            f"{known.get(differ[0])!r}; fetch the repository's again, or make both with `make pack`"
        )


def command(ptm: str, corpus: str, pooling: str = "", dtype: str = "float32") -> str:
    """Return the command that makes embeddings from audio."""
    make = f"papermill notebooks/model.ipynb out.ipynb -p source audio -p ptm {ptm} -p corpora {corpus}"
    make += f" -p pooling {pooling}" if pooling not in ("", extractors.get(ptm).pooling) else ""
    return make + (f" -p dtype {dtype}" if dtype != "float32" else "")


ENCODING = ("torch", "transformers", "numpy", "soundfile", "soxr")
"""Libraries that embeddings come from; another version may give others."""


def identity(ptm: str, pooling: str, utterances: pd.DataFrame, dtype: str = "float32") -> dict[str, str]:
    """Return all that decides what the embeddings of some utterances are; its `key` names their file."""
    model = extractors.get(ptm)
    return {
        "ptm": ptm,
        "handle": model.handle,
        "revision": model.revision,
        "architecture": json.dumps(dict(model.architecture), sort_keys=True),
        "pooling": pooling,
        "dtype": dtype,
        "audio_hash": audio_hash(utterances),
        "code": versions.of_code(audio, containers, mp3, *extractors.sources(ptm)),
        "encoded_with": versions.of_some(*ENCODING),
    }
