"""Embeddings of utterances in noise or in a telephone's band: made from audio, stored apart."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import devices, disturbances, known_names, paths, versions
from crosscorpus.embeddings import availability, embedding_files, extraction, sharding, store
from crosscorpus.models import model_registry, weights


def speech_spectrum(corpus: str, utterances: pd.DataFrame, mirror: str | None = None) -> np.ndarray:
    """Return the long-term spectrum of some utterances of a corpus; see `disturbances.spectrum`.

    Raises
    ------
    model_registry.NotAvailableError
        The corpus is not here.
    """
    root = availability.needed_root(corpus, mirror)
    return disturbances.spectrum(sharding.read(row, root) for row in utterances.itertuples())


def embed(
    ptm: str,
    corpus: str,
    utterances: pd.DataFrame,
    condition: str,
    of_speech: np.ndarray,
    *,
    pooling: str = "",
    mirror: str | None = None,
    workers: int = 0,
    seed: int = 0,
) -> store.Embeddings:
    """Return embeddings of some utterances of a corpus in a condition, extracting what is not stored.

    Parameters
    ----------
    ptm, corpus
        Ids in the registries.
    utterances
        Rows of the corpus's table.
    condition
        One of `disturbances.CONDITIONS`.
    of_speech
        The spectrum that noise has, see `speech_spectrum`.
    pooling, mirror, workers
        As of `extraction.embed`.
    seed
        Of the noise. Every utterance has its own, the same at every level and for every model.

    Raises
    ------
    model_registry.NotAvailableError
        The model or the corpus is not here; the message says what is needed.
    """
    known_names.check(condition, disturbances.CONDITIONS, "condition")
    pooling = pooling or model_registry.get(ptm).pooling
    root = availability.needed_root(corpus, mirror)
    utterances = utterances.reset_index(drop=True)
    identity = store.identity(ptm, pooling, utterances) | {
        "condition": condition,
        "noise": f"seed {seed}, spectrum {hashlib.sha256(of_speech.tobytes()).hexdigest()[:16]}",
        "code_of_conditions": versions.of_code(disturbances),
    }
    name = f"{corpus}-{pooling}-{condition.replace(' ', '')}-{store.key(identity)}.safetensors"
    whole = paths.BUILD / "disturbed" / ptm / name
    if not whole.exists() or weights.are_others(
        ptm, embedding_files.read_embeddings(whole)[1].get("weights_sha256"), mirror
    ):
        load = (ptm, pooling, devices.choose_device("auto"), weights.fetch(ptm, mirror), "float32")
        keep = functools.partial(_keep, condition, of_speech, seed)
        extraction.extract_into(load, corpus, workers, utterances, root, identity, whole, keep)
    vectors, metadata = embedding_files.read_embeddings(whole)
    return store.Embeddings(ptm, corpus, utterances, vectors, metadata)


def _keep(
    condition: str,
    of_speech: np.ndarray,
    seed: int,
    load: sharding.Load,
    rows: pd.DataFrame,
    waveforms: list[np.ndarray],
    shard: list[np.ndarray],
    file: Path,
) -> int:
    # Noise hangs on the audio alone, not on the order in which utterances are encoded.
    generators = [np.random.default_rng([seed, int(sha256[:16], 16)]) for sha256 in rows["sha256"]]
    changed = [
        disturbances.applied(condition, waveform, of_speech, rng)
        for waveform, rng in zip(waveforms, generators, strict=True)
    ]
    return sharding.write_shard(load, rows, changed, shard, file)
