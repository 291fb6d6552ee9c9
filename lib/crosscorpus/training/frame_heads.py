"""Heads on frames: what is trained, their first weights, and what comes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from crosscorpus.protocols.protocol_parts import FrameHead, Recipe
from crosscorpus.training import frame_inputs

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"relu": functional.relu, "gelu": functional.gelu}


@dataclass(frozen=True)
class Watched:
    """Utterances whose accuracy is noted after every epoch, of the corpus that is trained on or of another.

    `frames`, `scaling` and `y` are as in `Task`; `rows` are positions in them.
    """

    frames: frame_inputs.Ragged
    scaling: frame_inputs.Scaling | None
    y: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Task:
    """What one training takes.

    Attributes
    ----------
    head, recipe
        See `protocol_parts`.
    frames, scaling
        What is read, and how it is scaled.
    y
        Class of each utterance of `frames`, int64 [utterances]; those of no class are in none of the sets below.
    training
        Positions of the utterances that are trained on.
    watched
        Whose accuracy is noted after every epoch, by a name: "validation", and of a test what `tested_on` gives.
    n_classes
        How many there are, whether or not all occur.
    seed
        Decides first weights, the order of batches and dropout.
    """

    head: FrameHead | Callable[..., torch.nn.Module]
    recipe: Recipe
    frames: frame_inputs.Ragged
    scaling: frame_inputs.Scaling | None
    y: np.ndarray
    training: np.ndarray
    watched: Mapping[str, Watched]
    n_classes: int
    seed: int


@dataclass(frozen=True)
class Fitted:
    """A trained head: weights after the best epoch by each watched set and after the `last`, and its curves.

    `history` has a row for each epoch: epoch (from 1), loss, `<name>_accuracy` (0 to 1) of each watched set. Of
    epochs that are equally good, the first is the best. `way` is "engine" or "plain loop".
    """

    head: FrameHead | Callable[..., torch.nn.Module]
    weights: Mapping[str, Sequence[torch.Tensor]]
    history: pd.DataFrame
    way: str


def tested_on(corpus: str) -> str:
    """Return the name of a watched set that is the test part of a corpus."""
    return f"test {corpus}"


def first_weights(head: FrameHead, dim: int, n_classes: int, seed: int) -> list[torch.Tensor]:
    """Return the weights before training, as torch draws those of its linear layers, in the order of the layers.

    For each hidden layer: weight [width, inputs], bias [width] and, with `layer_norm`, its gain and bias; then
    weight [classes, width] and bias.
    """
    generator = torch.Generator().manual_seed(seed)
    found, inputs = [], dim
    for width in (*head.widths, n_classes):
        bound = inputs**-0.5
        for shape in ((width, inputs), (width,)):
            found.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))
        if head.layer_norm and len(found) < n_weights(head) - 2:
            found += [torch.ones(width), torch.zeros(width)]
        inputs = width
    return found


def n_weights(head: FrameHead) -> int:
    """Return how many tensors of weights a head has."""
    return (4 if head.layer_norm else 2) * len(head.widths) + 2


def kept(head: FrameHead, seed: int, step: int, layer: int, n: int) -> torch.Tensor:
    """Return which outputs dropout keeps of n frames, in their order: 0 or 1, float32 [n, width].

    Each is dropped with the head's probability, rounded to a 65536th: four are drawn at once, in a tenth of the
    time of torch's own numbers.
    """
    width = head.widths[layer]
    raw = np.random.SFC64([seed, step, layer]).random_raw(-(-n * width // 4))
    drawn = raw.view(np.uint16)[: n * width].reshape(n, width)
    return torch.from_numpy((drawn >= round(head.dropout * 65536)).astype(np.float32))


def hidden(
    head: FrameHead, weights: Sequence[torch.Tensor], x: torch.Tensor, masks: Sequence[torch.Tensor] | None
) -> torch.Tensor:
    """Return the last hidden layer's output for each frame, from the first one's product [frames, width]."""
    each, activation = 4 if head.layer_norm else 2, ACTIVATIONS[head.activation]
    for layer in range(len(head.widths)):
        weight, bias, *norm = weights[each * layer : each * (layer + 1)]
        if layer:
            x = functional.linear(x, weight, bias)
        if norm:
            x = functional.layer_norm(x, (head.widths[layer],), norm[0], norm[1])
        x = activation(x)
        if masks is not None:
            x = x * masks[layer] / (1 - head.dropout)
    return x


def batches(task: Task, epoch: int) -> list[np.ndarray]:
    """Return the positions of each batch of an epoch (from 1)."""
    order = np.random.default_rng((task.seed, epoch)).permutation(task.training)
    size = task.recipe.batch_size
    whole = len(order) // size * size if task.recipe.drop_last and len(order) >= size else len(order)
    return [order[start : start + size] for start in range(0, whole, size)]


def n_steps(task: Task) -> int:
    """Return the steps of an epoch."""
    return len(batches(task, 1))


def targets(task: Task, rows: np.ndarray) -> torch.Tensor:
    """Return the share of each class that a head is trained to answer, float32 [rows, classes]."""
    smoothing = task.recipe.label_smoothing
    found = torch.full((len(rows), task.n_classes), smoothing / task.n_classes)
    found[torch.arange(len(rows)), torch.from_numpy(task.y[rows])] += 1 - smoothing
    return found


def loss(task: Task, logits: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
    """Return the cross-entropy of logits [rows, classes]."""
    y = torch.from_numpy(task.y[rows])
    return functional.cross_entropy(logits, y, label_smoothing=task.recipe.label_smoothing)


class Keeper:
    """Notes losses and accuracies after every epoch, and keeps the weights of the best by each watched set."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.rows: list[dict[str, float]] = []
        self.weights: dict[str, list[torch.Tensor]] = {}

    def after(self, loss: float, accuracies: Mapping[str, float], weights: Sequence[torch.Tensor]) -> None:
        """Note an epoch."""
        for name, accuracy in accuracies.items():
            if all(accuracy > row[f"{name}_accuracy"] for row in self.rows):
                self.weights[name] = [weight.detach().clone() for weight in weights]
        named = {f"{name}_accuracy": accuracy for name, accuracy in accuracies.items()}
        self.rows.append({"epoch": len(self.rows) + 1, "loss": loss, **named})

    def fitted(self, weights: Sequence[torch.Tensor], way: str) -> Fitted:
        """Return the trained head.

        Raises
        ------
        RuntimeError
            A loss is NaN or infinite.
        """
        history = pd.DataFrame(self.rows)
        if not np.isfinite(history["loss"]).all():
            raise RuntimeError("the loss of a head on frames is not finite; look at the frames, or lower its rate")
        last = [weight.detach().clone() for weight in weights]
        return Fitted(self.task.head, {**self.weights, "last": last}, history, way)
