"""Train one head on one training set the plain way: a Keras model in a loop over batches.

`engine` does the same many times faster, and is held to the results of this module by its tests.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

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


@dataclass(frozen=True)
class Task:
    """What one training takes.

    Attributes
    ----------
    head
        Name, see `heads.HEADS`.
    X, y
        Embeddings, float32 [utterances, dim], and classes, integers from 0, [utterances].
    groups
        What the validation split keeps together (speakers, say), [utterances].
    n_classes
        How many classes there are, whether or not all occur in `y`.
    seed
        Decides the validation split, the initial weights, the order of batches and dropout.
    """

    head: str
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    n_classes: int
    seed: int


@dataclass(frozen=True)
class Ready:
    """A training set split and scaled, float32 [utterances, dim], and a head with its initial weights."""

    model: keras.Model
    scaler: StandardScaler | None
    X: np.ndarray
    y: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The four arrays, in the order above."""
        return self.X, self.y, self.X_validation, self.y_validation


def prepare(task: Task, protocol: Protocol) -> Ready:
    """Split off validation data, scale both parts by the training part, and draw the initial weights."""
    torch.set_num_threads(1)  # the same bytes however many cores; and small layers gain nothing from more
    with without_tensorflow():
        keras.utils.set_random_seed(task.seed)
    part, validation = split_validation(task.y, task.groups, protocol["validation_share"], task.seed)
    scaler = StandardScaler().fit(task.X[part]) if protocol["scaling"] == "standardise" else None
    model = heads.build(task.head, task.X.shape[1], task.n_classes, protocol)
    X, X_validation = (scaled(scaler, task.X[rows]) for rows in (part, validation))
    return Ready(model, scaler, X, task.y[part], X_validation, task.y[validation])


def scaled(scaler: StandardScaler | None, X: np.ndarray) -> np.ndarray:
    """Return embeddings as a head sees them, float32 [utterances, dim]."""
    return (X if scaler is None else scaler.transform(X)).astype(np.float32, copy=False)


def order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order in which an epoch (from 1) goes through n utterances; batches are cut from it."""
    return np.random.default_rng((seed, epoch)).permutation(n)


def fit(task: Task, protocol: Protocol, device: str = "cpu") -> Fitted:
    """Train a head with Adam, cross-entropy and early stopping (paper, section III.B).

    Parameters
    ----------
    task
        What is trained.
    protocol
        Settings, see `protocol.load`.
    device
        "cpu" or "cuda".

    Raises
    ------
    TrainingError
        The loss became NaN or infinite.
    """
    with keras.device(device):
        ready = prepare(task, protocol)
        X, y, X_validation, y_validation = (torch.from_numpy(array).to(device) for array in ready.data)
        weights = [variable.value for variable in ready.model.trainable_variables]
        adam = Adam(weights, protocol)
        stopping = EarlyStopping(protocol)
        losses: list[float] = []
        for epoch in range(1, protocol["epochs"] + 1):
            total = 0.0
            for rows in torch.from_numpy(order(task.seed, epoch, len(y))).to(device).split(protocol["batch_size"]):
                adam.zero_grad()
                loss = cross_entropy(ready.model(X[rows], training=True), y[rows])
                loss.backward()
                adam.step()
                total += float(loss.detach()) * len(rows)
            losses.append(total / len(y))
            validation = cross_entropy(_in_parts(ready.model, X_validation), y_validation)
            if stopping.after(float(validation), weights):
                break
        return finish(task.head, ready, stopping.kept, losses, stopping.losses)


def cross_entropy(p: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Return Keras's cross-entropy of probabilities [utterances, classes] and classes [utterances]."""
    epsilon = keras.config.epsilon()
    return functional.nll_loss(torch.log(torch.clip(p, epsilon, 1 - epsilon)), y, reduction=reduction)


class Adam(torch.optim.Adam):
    """torch's Adam by Keras's formula: epsilon is added to the root of the second moment before its correction."""

    def __init__(self, weights: Sequence[torch.Tensor], protocol: Protocol) -> None:
        super().__init__(weights, lr=protocol["learning_rate"], fused=True)
        self.n_steps = 0

    def step(self) -> None:  # type: ignore[override]
        """Change the weights by their gradients."""
        self.n_steps += 1
        group = self.param_groups[0]
        group["eps"] = keras.config.epsilon() / (1 - group["betas"][1] ** self.n_steps) ** 0.5
        super().step()


class EarlyStopping:
    """Keras's rule: end after `patience` epochs without a lower validation loss; keep the best or last weights."""

    def __init__(self, protocol: Protocol) -> None:
        self.patience, self.waited = protocol["patience"], 0
        self.keeps_last = protocol["kept_weights"] == "last"
        self.losses: list[float] = []
        self.kept: list[torch.Tensor] = []

    def after(self, loss: float, weights: Sequence[torch.Tensor]) -> bool:
        """Note the validation loss after an epoch, and return whether this epoch was the last."""
        self.waited += 1
        better = not self.losses or loss < min(self.losses)
        if better:
            self.waited = 0
        if better or self.keeps_last:
            self.kept = [weight.detach().clone() for weight in weights]
        self.losses.append(loss)
        return self.waited >= self.patience and len(self.losses) > 1


def finish(
    head: str, ready: Ready, weights: Sequence[torch.Tensor], loss: list[float], val_loss: list[float]
) -> Fitted:
    """Return a head with its trained weights, and its learning curves.

    Raises
    ------
    TrainingError
        A loss is NaN or infinite.
    """
    history = pd.DataFrame({"epoch": np.arange(1, len(loss) + 1), "loss": loss, "val_loss": val_loss})
    if not np.isfinite(history.to_numpy()).all():
        raise TrainingError(f"{head}: the loss is not finite; look at the embeddings, or lower learning_rate")
    for variable, weight in zip(ready.model.trainable_variables, weights, strict=True):
        variable.assign(weight)
    for part, X, y in (("train", ready.X, ready.y), ("validation", ready.X_validation, ready.y_validation)):
        history[f"{part}_accuracy"] = float((probabilities(ready.model, X).argmax(axis=1) == y).mean())
    return Fitted(ready.model, ready.scaler, history)


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
    return probabilities(fitted.model, scaled(fitted.scaler, X))


def probabilities(model: keras.Model, X: np.ndarray) -> np.ndarray:
    """Return what a head puts out, float32 [utterances, classes], for scaled embeddings [utterances, dim]."""
    return _in_parts(model, torch.from_numpy(X).to(model.weights[0].value.device)).cpu().numpy()


@torch.no_grad()
def _in_parts(model: keras.Model, X: torch.Tensor) -> torch.Tensor:
    # In parts whose hidden layers fit into a processor's cache.
    return torch.cat([model(part, training=False) for part in X.split(256)])
