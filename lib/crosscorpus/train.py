"""Train one head on one training set: the reference way, plain `model.fit`."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from crosscorpus import heads
from crosscorpus.protocol import Protocol


class TrainingError(RuntimeError):
    """A training that went wrong; the message says how."""


@dataclass(frozen=True)
class Fitted:
    """A trained head, the scaling of its input, and its learning curves.

    `history` has a row for each epoch: epoch (from 1), loss and val_loss, and the accuracies (0 to 1) of the
    weights that were kept, train_accuracy and validation_accuracy, which are the same in all rows.
    """

    model: keras.Model
    scaler: StandardScaler | None
    history: pd.DataFrame


def split_validation(y: np.ndarray, groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a training set for early stopping, groups kept whole, classes as even as groups allow.

    Parameters
    ----------
    y, groups
        Class and group of each utterance, [utterances].
    share
        Of the utterances to split off, between 0 and 0.5.
    seed
        Of the shuffle.

    Returns
    -------
    Indices of the training and of the validation part.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    n_splits = min(round(1 / share), len(first))
    if len(first) > len(y) / 2 and (y == y[first][group]).all():  # single utterances, but for a few: dealt fast
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
        _, held_out = next(iter(splitter.split(first, y[first])))
        validation = np.isin(group, held_out)
        return np.flatnonzero(~validation), np.flatnonzero(validation)
    grouped = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    return next(iter(grouped.split(y, y, groups)))


def fit(
    head: str, X: np.ndarray, y: np.ndarray, groups: np.ndarray, n_classes: int, protocol: Protocol, seed: int
) -> Fitted:
    """Train a head with Adam, cross-entropy and early stopping (paper, section III.B).

    Parameters
    ----------
    head
        "fcn" or "cnn".
    X
        Embeddings, float32 [utterances, dim].
    y
        Classes, integers from 0, [utterances].
    groups
        What the validation split keeps together (speakers, say), [utterances].
    n_classes
        How many classes there are, whether or not all occur in `y`.
    protocol
        Settings, see `protocol.load`.
    seed
        Decides the validation split, the initial weights, the order of batches and dropout.

    Raises
    ------
    TrainingError
        The loss became NaN or infinite.
    """
    torch.set_num_threads(1)  # the same bytes however many cores; and small layers gain nothing from more
    with without_tensorflow():
        keras.utils.set_random_seed(seed)
    train, validation = split_validation(y, groups, protocol["validation_share"], seed)
    scaler = StandardScaler().fit(X[train]) if protocol["scaling"] == "standardise" else None
    scaled = X if scaler is None else scaler.transform(X)
    model = heads.build(head, X.shape[1], n_classes, protocol)
    model.compile(
        optimizer=keras.optimizers.get(
            {"class_name": protocol["optimizer"], "config": {"learning_rate": protocol["learning_rate"]}}
        ),
        loss="sparse_categorical_crossentropy",
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=protocol["patience"], restore_best_weights=True)
    log = model.fit(
        scaled[train],
        y[train],
        batch_size=protocol["batch_size"],
        epochs=protocol["epochs"],
        validation_data=(scaled[validation], y[validation]),
        callbacks=[stop],
        verbose=0,
    )
    history = pd.DataFrame(log.history)[["loss", "val_loss"]]
    if not np.isfinite(history.to_numpy()).all():
        raise TrainingError(f"{head}: the loss is not finite; look at the embeddings, or lower learning_rate")
    history.insert(0, "epoch", np.arange(1, len(history) + 1))
    for part, rows in (("train", train), ("validation", validation)):
        guess = model.predict(scaled[rows], batch_size=1024, verbose=0).argmax(axis=1)
        history[f"{part}_accuracy"] = float((guess == y[rows]).mean())
    return Fitted(model, scaler, history)


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Keep Keras from importing TensorFlow, for seconds and a gigabyte, only because it is installed."""
    if "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


def predict(fitted: Fitted, X: np.ndarray) -> np.ndarray:
    """Return class probabilities, float32 [utterances, classes], of embeddings [utterances, dim]."""
    scaled = X if fitted.scaler is None else fitted.scaler.transform(X)
    return fitted.model.predict(scaled, batch_size=1024, verbose=0).astype(np.float32)
