"""Embeddings of recordings that belong to no corpus: made once, and kept beside what is said of them."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from crosscorpus.base import devices, other_sounds, paths, sound, whole_files
from crosscorpus.corpora import loose_recordings
from crosscorpus.embeddings import availability, embedding_files, sharding, store
from crosscorpus.models import model_registry, weights


def embed(
    ptm: str,
    table: pd.DataFrame,
    root: Path,
    folder: Path,
    *,
    device: str = "auto",
    mirror: str | None = None,
    workers: int = 0,
) -> np.ndarray:
    """Return one vector for each recording, by a model as it made those of the corpora.

    Unlike those of a corpus, two may be equal (one recording in two formats), and a vector that is not finite is
    returned as it is: one bad recording does not stop the others.

    Parameters
    ----------
    ptm
        Id in the registry.
    table
        Recordings, as `loose_recordings.read` returns them.
    root
        Folder that their paths count from.
    folder
        Where embeddings are kept; what is there already is not made again.
    device, mirror, workers
        See `extraction.embed`.

    Returns
    -------
    float32 [recordings, dim].

    Raises
    ------
    model_registry.NotAvailableError
        The model cannot be run here; the message says what it needs.
    decoding.AudioError
        A file was changed while this ran.
    """
    model = model_registry.get(ptm)
    if needs := availability.needs_of_model(ptm, mirror):
        raise model_registry.NotAvailableError(f"{model.name} cannot be run here; it needs {needs}")
    identity = store.identity(ptm, model.pooling, table)
    load = (ptm, model.pooling, devices.choose_device(device), weights.find(ptm, mirror), "float32")
    parts = folder / "embeddings" / f"{ptm}-{store.key(identity)}"
    what = str(table["corpus"].iloc[0]) if len(table) else ""
    files, _, _ = sharding.run(load, what, table, root, parts, workers, sharding.holds, _keep)
    vectors = np.empty((len(table), model.dimension), dtype=np.float32)
    for file in files:
        part, rows = embedding_files.read_part(file)
        vectors[rows] = part
    return vectors


def _keep(
    load: sharding.Load, rows: pd.DataFrame, waveforms: list[np.ndarray], shard: list[np.ndarray], file: Path
) -> int:
    extract = sharding.loaded(load).extract
    vectors = np.concatenate([sharding.encode(extract, batch) for batch in sharding.batches(waveforms, shard)])
    embedding_files.write_embeddings(file, vectors, {"ptm": load[0]}, np.concatenate(shard))
    return len(rows)


def of_other_sounds(ptm: str, mirror: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the kinds [sounds] and embeddings, float32 [sounds, dim], of `other_sounds`; see `embed`."""
    folder = paths.BUILD / "recordings" / "other-sounds"
    kinds = {}
    for number, (kind, samples) in enumerate(other_sounds.all_sounds()):
        kinds[name := f"{number:02d} {kind}.wav"] = kind
        write = functools.partial(
            soundfile.write, data=samples, samplerate=sound.SAMPLE_RATE, subtype="FLOAT", format="WAV"
        )
        whole_files.replace_file(folder / "audio" / name, write)
    table = loose_recordings.read(folder / "audio").utterances
    table = table[table["utterance"].isin(kinds)].reset_index(drop=True)  # not those of another version
    X = embed(ptm, table, folder / "audio", folder, mirror=mirror, workers=1)
    return table["utterance"].map(kinds).to_numpy(dtype=str), X
