"""Heads that are kept: trained once, named by all that made them, and found again only where that is the same."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from crosscorpus.base import known_names, paths, progress, versions
from crosscorpus.embeddings import embedding_files, store, store_folders
from crosscorpus.protocols import protocol_settings
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import calibration
from crosscorpus.training import heads, own_scaling, prediction_files, training_tasks
from crosscorpus.training.training_sets import TrainingSet

if TYPE_CHECKING:
    from crosscorpus.training import train

SEED = 0
FOLDER = "kept-heads"


@dataclass(frozen=True)
class KeptHead:
    """A trained head with its emotions, in the order of its classes.

    `temperature` was fitted on the part that was held out for early stopping, `n_held_out` utterances of the
    corpora that it was trained on; `is_new` says that it was not found among those that are kept.
    """

    emotions: tuple[str, ...]
    fitted: "train.Fitted"
    temperature: float
    n_held_out: int
    is_new: bool = False

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities as trained, [recordings, classes], of embeddings [recordings, dim]."""
        from crosscorpus.training import train  # Keras takes seconds to import

        with train.without_tensorflow():
            return train.predict(self.fitted, np.ascontiguousarray(X, dtype=np.float32))


def settings_of(head: str, overrides: str = "") -> Protocol:
    """Return the settings that a head depends on.

    Recordings come one by one: they are scaled by the training data, never by a mean and variance of their own.

    Raises
    ------
    known_names.UnknownNameError
        There is no such head.
    """
    known_names.check(head, heads.HEADS, "head")
    values = protocol_settings.load(overrides)
    if values["scaling"] in own_scaling.GROUPS:
        values["scaling"] = "standardise"
    return protocol_settings.used_by(values, head, "heads")


def path(head: str, given: TrainingSet, settings: Protocol) -> Path:
    """Return the file of a head: its name has a hash of labels, embeddings, settings, code and libraries."""
    identity = {
        "head": head,
        "ptm": given.ptm,
        "emotions": json.dumps(given.emotions),
        "corpora": json.dumps(given.corpora),
        "data": given.digest,
        "protocol": json.dumps(settings, sort_keys=True),
        "seed": str(SEED),
        "code": _code(),
        "libraries": versions.of_some("keras", "torch", "numpy", "scikit-learn"),
    }
    return paths.BUILD / FOLDER / given.ptm / f"{head}-{store.key(identity)}.safetensors"


@functools.cache
def _code() -> str:
    names = (*prediction_files.TRAINS_HEADS, "kept_heads")
    here = (Path(__file__).with_name(f"{name}.py") for name in names)
    return versions.of_code(*here, Path(calibration.__file__))


def find_or_train(head: str, sets: Sequence[TrainingSet], settings: Protocol) -> list[KeptHead]:
    """Return a head for each training set, training those that are not kept.

    A file that is damaged is not used: its head is trained again. They are trained here, one after the other: that
    takes seconds, no more than it takes to start processes.
    """
    files = [path(head, one, settings) for one in sets]
    absent = [n for n, file in enumerate(files) if not _is_whole(file)]
    for n in progress.over(absent, f"training {head.upper()}", len(absent), "heads"):
        _train(head, sets[n], settings, files[n])
    return [_read(head, one, settings, files[n], n in absent) for n, one in enumerate(sets)]


def _is_whole(file: Path) -> bool:
    try:
        embedding_files.read_tensors(file)
    except (store_folders.NotStoredError, store_folders.StoredWrongError):
        return False
    return True


def _train(head: str, given: TrainingSet, settings: Protocol, file: Path) -> None:
    from crosscorpus.training import engine, train  # Keras takes seconds to import

    groups = given.rows["group"].to_numpy()
    task = training_tasks.Task(head, given.X, given.y, groups, len(given.emotions), SEED)
    fitted = engine.fit_one(task, settings)
    _, held_out = training_tasks.parts(task, settings)
    p = train.predict(fitted, given.X[held_out]) if len(held_out) else np.zeros((0, len(given.emotions)))
    t = calibration.temperature(p, given.y[held_out])
    tensors = {f"weight_{n:03d}": np.asarray(w) for n, w in enumerate(fitted.model.get_weights())}
    if fitted.scaler is not None:
        tensors |= {"mean": fitted.scaler.mean_, "scale": fitted.scaler.scale_}
    facts = {"head": head, "ptm": given.ptm, "emotions": json.dumps(given.emotions)}
    facts |= {"trained_on": json.dumps(given.corpora), "settings": json.dumps(settings, sort_keys=True)}
    facts |= {"temperature": repr(t), "n_held_out": str(len(held_out)), "commit": versions.of_commit()}
    embedding_files.write_tensors(file, tensors, facts)


def _read(head: str, given: TrainingSet, settings: Protocol, file: Path, is_new: bool) -> KeptHead:
    from crosscorpus.training import train  # Keras takes seconds to import

    tensors, facts = embedding_files.read_tensors(file)
    with train.without_tensorflow():
        model = heads.build(head, given.X.shape[1], len(given.emotions), settings)
    model.set_weights([tensors[name] for name in sorted(tensors) if name.startswith("weight_")])
    scaler = None
    if "mean" in tensors:
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_, scaler.n_features_in_ = tensors["mean"], tensors["scale"], given.X.shape[1]
    fitted = train.Fitted(model, scaler, pd.DataFrame())
    return KeptHead(
        tuple(json.loads(facts["emotions"])), fitted, float(facts["temperature"]), int(facts["n_held_out"]), is_new
    )
