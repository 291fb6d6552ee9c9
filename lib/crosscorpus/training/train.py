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
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.training import adam, heads, training_tasks


class TrainingError(RuntimeError):
    """A training that went wrong; the message says how."""


@dataclass(frozen=True)
class Fitted:
    """A trained head, the scaling of its input, and its learning curves.

    `history` has a row for each epoch: epoch (from 1), loss and val_loss; and, the same in all rows, the
    accuracies (0 to 1) of the weights that were kept, train_accuracy and validation_accuracy, and the utterances,
    n_train and n_validation. Where the latter is 0, nothing was held out, and what is of validation is of the
    training part.
    """

    model: keras.Model
    scaler: StandardScaler | None
    history: pd.DataFrame


@dataclass(frozen=True)
class Ready:
    """A training set split and scaled, float32 [utterances, dim], and a head with its initial weights.

    Without a part held out (`n_validation` 0), that for validation is the training part again.
    """

    model: keras.Model
    scaler: StandardScaler | None
    X: np.ndarray
    y: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray
    n_validation: int

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The four arrays, in the order above."""
        return self.X, self.y, self.X_validation, self.y_validation


def prepare(task: training_tasks.Task, protocol: Protocol) -> Ready:
    """Split off validation data, scale both parts by the training part, and draw the initial weights."""
    torch.set_num_threads(1)  # the same bytes however many cores; and small layers gain nothing from more
    with without_tensorflow():
        keras.utils.set_random_seed(task.seed)
    part, validation = training_tasks.parts(task, protocol)
    scaler = StandardScaler().fit(task.X[part]) if protocol["scaling"] == "standardise" else None
    model = heads.build(task.head, task.X.shape[1], task.n_classes, protocol)
    watched = validation if len(validation) else part
    X, X_validation = (scaled(scaler, task.X[rows]) for rows in (part, watched))
    return Ready(model, scaler, X, task.y[part], X_validation, task.y[watched], len(validation))


def scaled(scaler: StandardScaler | None, X: np.ndarray) -> np.ndarray:
    """Return embeddings as a head sees them, float32 [utterances, dim]."""
    return (X if scaler is None else scaler.transform(X)).astype(np.float32, copy=False)


def order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order in which an epoch (from 1) goes through n utterances; batches are cut from it."""
    return np.random.default_rng((seed, epoch)).permutation(n)


def fit(task: training_tasks.Task, protocol: Protocol, device: str = "cpu") -> Fitted:
    """Train a head with Adam, cross-entropy and early stopping (paper, section III.B).

    Parameters
    ----------
    task
        What is trained.
    protocol
        Settings, see `protocol_settings.load`.
    device
        "cpu" or "cuda".

    Raises
    ------
    TrainingError
        The loss became NaN or infinite.
    """
    with keras.device(device), tiny_numbers_as_zero():
        ready = prepare(task, protocol)
        X, y, X_validation, y_validation = (torch.from_numpy(array).to(device) for array in ready.data)
        weights = [variable.value for variable in ready.model.trainable_variables]
        optimiser = Adam(weights, protocol)
        stopping = EarlyStopping(protocol, ready.n_validation > 0)
        losses: list[float] = []
        for epoch in range(1, protocol["epochs"] + 1):
            total = 0.0
            for rows in torch.from_numpy(order(task.seed, epoch, len(y))).to(device).split(protocol["batch_size"]):
                optimiser.zero_grad()
                loss = cross_entropy(ready.model(X[rows], training=True), y[rows])
                loss.backward()
                optimiser.step()
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
        self.param_groups[0]["eps"] = epsilon(self.n_steps)
        super().step()


def epsilon(step: int) -> float:
    """Return what torch's Adam is given for Keras's epsilon in a step, counted from 1."""
    return keras.config.epsilon() / (1 - adam.SECOND**step) ** 0.5


class EarlyStopping:
    """Keras's rule: end after `patience` epochs without a lower validation loss; keep the best or last weights.

    Without a validation part (`is_watched` False) all epochs are run, and the last weights kept.
    """

    def __init__(self, protocol: Protocol, is_watched: bool = True) -> None:
        self.patience, self.waited = protocol["patience"] if is_watched else protocol["epochs"], 0
        self.keeps_last = protocol["kept_weights"] == "last" or not is_watched
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
    history["n_train"], history["n_validation"] = len(ready.y), ready.n_validation
    return Fitted(ready.model, ready.scaler, history)


@contextlib.contextmanager
def tiny_numbers_as_zero() -> Iterator[None]:
    """Take numbers below 1e-38 for 0, as a GPU does: a CPU takes many times as long with them.

    Once a head is sure of all that it is trained on, most of its gradients are as small.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


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
