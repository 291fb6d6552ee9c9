"""Embeddings by model and corpus: what each depends on, its name that follows, and how they are looked up.

An embedding file that was made here is named by a hash of all that made it, so what was made otherwise is never
found.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import added_files, paths, remote_store, sound, versions
from crosscorpus.corpora import containers, decoding, mp3
from crosscorpus.embeddings import block_files, corpus_scans, embedding_files, store_folders
from crosscorpus.models import hidden_states, loading, model_registry


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one corpus by one model.

    `vectors` is float32 [utterances, dim]; its rows are in the order of the table `utterance_tables`, which has
    the columns `corpora.COLUMNS`. `metadata` says what made them, `run` how fast that went; all values as text.
    """

    ptm: str
    corpus: str
    utterances: pd.DataFrame
    vectors: np.ndarray
    metadata: dict[str, str]
    run: dict[str, str] = field(default_factory=dict)


def audio_hash(utterances: pd.DataFrame) -> str:
    """Return one hash (64 hex digits) of all utterances: their names and audio, in order."""
    named = zip(utterances["utterance"], utterances["sha256"], strict=True)
    lines = "\n".join(f"{utterance} {sha256}" for utterance, sha256 in named)
    return hashlib.sha256(lines.encode()).hexdigest()


def key(identity: Mapping[str, str]) -> str:
    """Return the hash (16 hex digits) that names what the given facts make."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]


def embeddings_path(
    ptm: str, corpus: str, pooling: str, made_by: str, source: str = "audio", dtype: str = "float32"
) -> Path:
    """Return the file of one corpus's embeddings; `made_by` is their key (the pack's names do without)."""
    if source == "pack":
        variant = "" if pooling in ("", model_registry.get(ptm).pooling) else f"-{pooling}"
        return store_folders.folder(source) / ptm / f"{corpus}{variant}.safetensors"
    how = pooling if dtype == "float32" else f"{pooling}-{dtype}"
    return store_folders.folder(source) / ptm / f"{corpus}-{how}-{made_by}.safetensors"


def load(
    ptm: str,
    corpus: str,
    source: str = "pack",
    pooling: str = "",
    dtype: str = "float32",
    layer: str = hidden_states.LAST,
) -> Embeddings:
    """Load and check the embeddings of one corpus by one model.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    source
        "pack", "audio" or "any". What was made elsewhere is in none of them, and found with each.
    pooling
        The extractor's pooling; "" for the model's default. The pack holds few others; see `data/pack.yaml`.
    dtype
        What they were computed in; see `loading.load`. The pack holds float32 alone.
    layer
        One of `hidden_states.names(ptm)`. The pack holds the last alone.

    Raises
    ------
    NotStoredError
        They have not been made; the message names the command that makes them.
    StoredWrongError
        What is stored does not fit the table of utterances.
    known_names.UnknownNameError
        The model has no such layer.
    """
    model = model_registry.get(ptm)
    pooling = pooling or model.pooling
    if hidden_states.name(ptm, layer) != hidden_states.LAST:
        return _of_layer(ptm, corpus, source, pooling, dtype, layer)
    if model_registry.is_made_elsewhere(ptm):
        return _added(ptm, corpus, source, pooling)
    if source == "any":
        try:
            return load(ptm, corpus, "pack", pooling, dtype)
        except store_folders.NotStoredError:
            source = "audio"
    make = command(ptm, corpus, pooling, dtype)
    utterances = corpus_scans.read_scan(corpus, source).utterances
    asked = identity(ptm, pooling, utterances, dtype) if source == "audio" else {}
    path = embeddings_path(ptm, corpus, pooling, key(asked), source, dtype)
    if not remote_store.here(path):
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there; it is made by `{make}`")
    vectors, metadata = embedding_files.read_embeddings(path)
    embedding_files.check_vectors(vectors, utterances, model.dimension, str(path))
    if source == "pack":
        store_folders.check_pack(path, f"{ptm}/{path.stem}", metadata)
    elif not embedding_files.is_protected(path):
        raise store_folders.StoredWrongError(
            f"{path}: no hash protects what made it: an older version wrote it, or it was changed; delete it, it "
            f"will be made again by `{make}`"
        )
    asked |= {"audio_hash": audio_hash(utterances), "pooling": pooling, "dtype": dtype}
    differ = [name for name, value in asked.items() if metadata.get(name) != value]
    if differ:
        made_with = ", ".join(f"{name} {metadata.get(name, 'unknown')}" for name in differ)
        raise store_folders.StoredWrongError(
            f"{path}: made from other audio or otherwise ({made_with}) than asked for "
            f"({', '.join(f'{name} {asked[name]}' for name in differ)}); make it again with `{make}`"
        )
    return Embeddings(ptm, corpus, utterances, vectors, metadata, embedding_files.read_run(path))


def _added(ptm: str, corpus: str, source: str, pooling: str) -> Embeddings:
    """Return embeddings that were made elsewhere: those of the utterances that a source's table has."""
    path, make = added_files.path(ptm, corpus), command(ptm, corpus)
    if not path.exists() or pooling != "clip":
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there; it is added by `{make}`")
    again = f"add it again: `{make}`, or take it away: `python -m crosscorpus.embeddings remove --model {ptm}`"
    vectors, names, metadata = embedding_files.read_named(path, again)
    utterances, row = corpus_scans.read_scan(corpus, source).utterances, {name: n for n, name in enumerate(names)}
    absent = [name for name in utterances["utterance"] if name not in row]
    if absent:
        raise store_folders.StoredWrongError(
            f"{paths.shown(path)}: has no vector for {len(absent)} utterances that {corpus} has now, first "
            f"{absent[0]}; {again}"
        )
    return Embeddings(ptm, corpus, utterances, vectors[[row[name] for name in utterances["utterance"]]], metadata)


def _of_layer(ptm: str, corpus: str, source: str, pooling: str, dtype: str, layer: str) -> Embeddings:
    if source == "pack":
        make = command(ptm, corpus, pooling, dtype, layer)
        raise store_folders.NotStoredError(
            f"the pack holds last hidden states alone; `{make}` makes layer {layer} of {ptm} on {corpus}"
        )
    return from_layers(ptm, corpus, layer, pooling, dtype)


def from_layers(ptm: str, corpus: str, layer: str, pooling: str = "", dtype: str = "float32") -> Embeddings:
    """Return one layer of what `layers.embed_layers` stored, `last` among them; raises as `load`."""
    pooling, name = pooling or model_registry.get(ptm).pooling, hidden_states.name(ptm, layer)
    make = command(ptm, corpus, pooling, dtype, layer)
    utterances = corpus_scans.read_scan(corpus, "audio").utterances
    stored = read_states("layers", ptm, corpus, identity(ptm, pooling, utterances, dtype, "layers"), make)
    dimension = model_registry.get(ptm).dimension
    vectors = np.empty((len(utterances), dimension), dtype=np.float32)
    for row, block in zip(vectors, stored, strict=True):
        row[:] = hidden_states.chosen(block[None], name)[0]
    embedding_files.check_vectors(vectors, utterances, dimension, f"{stored.path}, layer {name}")
    return Embeddings(ptm, corpus, utterances, vectors, {**stored.metadata, "layer": name})


def states_path(kind: str, ptm: str, corpus: str, asked: Mapping[str, str]) -> Path:
    """Return the file of hidden states of a kind, "layers" or "frames", that an identity names."""
    how = "-".join(
        asked[fact] for fact in ("layer", "pooling", "dtype") if asked.get(fact, "float32") != "float32"
    )
    return paths.BUILD / kind / ptm / f"{corpus}-{how}-{key(asked)}.safetensors"


def read_states(kind: str, ptm: str, corpus: str, asked: Mapping[str, str], make: str) -> block_files.Blocks:
    """Open stored hidden states of a kind.

    Raises
    ------
    NotStoredError
        They have not been made; the message names the command `make`, which makes them.
    StoredWrongError
        The file is damaged, or of other hidden states than asked for.
    """
    path = states_path(kind, ptm, corpus, asked)
    if not remote_store.here(path):
        raise store_folders.NotStoredError(f"{paths.shown(path)}: not there; it is made by `{make}`")
    stored = block_files.read(path)
    differ = [fact for fact, value in asked.items() if stored.metadata.get(fact) != value]
    if differ:
        raise store_folders.StoredWrongError(
            f"{path}: made otherwise than asked for ({', '.join(differ)}); make it again with `{make}`"
        )
    return stored


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
            metadata = embedding_files.read_embeddings(file)[1]
        except (store_folders.StoredWrongError, store_folders.NotStoredError) as error:
            said.append(str(error))
            continue
        differ = [f"{n} {metadata.get(n, 'unknown')}, not {v}" for n, v in asked.items() if metadata.get(n) != v]
        said.append(f"{paths.shown(file)}: made otherwise ({'; '.join(differ)}); not used, and may be deleted")
    return said


def command(
    ptm: str, corpus: str, pooling: str = "", dtype: str = "float32", layer: str = hidden_states.LAST
) -> str:
    """Return the command that makes embeddings from audio, or adds those that were made elsewhere."""
    if model_registry.is_made_elsewhere(ptm):
        return f"python -m crosscorpus.embeddings add FILE --model {ptm} --corpus {corpus}"
    make = f"papermill notebooks/model.ipynb out.ipynb -p source audio -p ptm {ptm} -p corpora {corpus}"
    make += f" -p pooling {pooling}" if pooling not in ("", model_registry.get(ptm).pooling) else ""
    make += f" -p dtype {dtype}" if dtype != "float32" else ""
    return make + (f" -r layer {layer}" if layer != hidden_states.LAST else "")  # raw: a number stays text


ENCODING = ("torch", "transformers", "numpy", "soundfile", "soxr")
"""Libraries that embeddings come from; another version may give others."""


def identity(
    ptm: str, pooling: str, utterances: pd.DataFrame, dtype: str = "float32", kind: str = "clip"
) -> dict[str, str]:
    """Return all that decides what the embeddings of some utterances are; its `key` names their file.

    `kind` is "clip" for one vector an utterance, or "layers" or "frames" for hidden states.
    """
    model = model_registry.get(ptm)
    of_kind = {} if kind == "clip" else {"kind": kind, "code_of_states": versions.of_code(hidden_states)}
    return of_kind | {
        "ptm": ptm,
        "handle": model.handle,
        "revision": model.revision,
        "architecture": json.dumps(dict(model.architecture), sort_keys=True),
        "pooling": pooling,
        "dtype": dtype,
        "audio_hash": audio_hash(utterances),
        "code": versions.of_code(sound, decoding, containers, mp3, *loading.sources(ptm)),
        "encoded_with": versions.of_some(*ENCODING),
    }


def available(
    ptms: Sequence[str], corpora: Sequence[str] | set[str], source: str, layer: str = hidden_states.LAST
) -> dict[tuple[str, str], Embeddings]:
    """Return the embeddings that are stored, by (model, corpus); none of a model without layers to choose from.

    Raises
    ------
    known_names.UnknownNameError
        A model that has layers has none of that name.
    """
    found = {}
    with_layer = [ptm for ptm in ptms if layer == hidden_states.LAST or hidden_states.count(ptm)]
    for ptm, corpus in itertools.product(with_layer, sorted(corpora)):
        try:
            found[ptm, corpus] = load(ptm, corpus, source, layer=layer)
        except store_folders.NotStoredError:
            continue
    return found
