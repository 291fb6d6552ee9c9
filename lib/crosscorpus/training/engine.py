"""Train many heads fast, with the results of the plain way (`train.fit`).

On a CPU one training follows the other, in one thread, with the same operations as the plain way and so the same
bytes; what is saved is time between them, and in max-pooling. The processes of `evaluate.grid` stand side by side.
On a GPU the trainings of a list are stacked and go through each step together, because one small head would leave
the device idle; there sums are added in another order.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import torch
from keras import layers
from torch.nn import functional

from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.training import train

STACK = 48
"""Most trainings in one stack: as many as keep a GPU busy, in a few gigabytes."""


def fit_many(tasks: Sequence[train.Task], protocol: Protocol, device: str = "cpu") -> list[train.Fitted]:
    """Train heads, as `train.fit` would one by one.

    Parameters
    ----------
    tasks
        What is trained. On a GPU, trainings of one head, dimension and number of classes are stacked.
    protocol
        Settings, see `protocol_settings.load`.
    device
        "cpu" or "cuda".

    Raises
    ------
    train.TrainingError
        The loss of one became NaN or infinite.
    """
    if device == "cpu":
        return [fit_one(task, protocol) for task in tasks]
    fitted: dict[int, train.Fitted] = {}
    kinds = [(task.head, task.X.shape[1], task.n_classes) for task in tasks]
    for kind in dict.fromkeys(kinds):
        alike = [i for i, other in enumerate(kinds) if other == kind]
        alike.sort(key=lambda i: len(tasks[i].y))  # a stack takes as many steps as its largest training set
        for start in range(0, len(alike), STACK):
            some = alike[start : start + STACK]
            fitted |= zip(some, fit_stack([tasks[i] for i in some], protocol, device), strict=True)
    return [fitted[i] for i in range(len(tasks))]


# -- a head as a function of its weights ------------------------------------------------------------------------


Tensors = Sequence[torch.Tensor]
Probabilities = Callable[[Tensors, torch.Tensor, Tensors | None], torch.Tensor]


@dataclass(frozen=True)
class Network:
    """A Keras head as a function, which `torch.func` can differentiate and stack.

    `probabilities(weights, X, masks)` returns class probabilities [utterances, classes]. `masks` are 0 or 1, in
    the order of `dropouts`, or None when nothing is to be dropped.
    """

    weights: list[torch.Tensor]
    probabilities: Probabilities
    dropouts: list[layers.Dropout]


def has_state(model: keras.Model) -> bool:
    """Return whether training changes more than weights and the seeds of dropout: batch normalisation does."""
    seeds = {id(layer.seed_generator.state) for layer in _dropouts(model)}
    return any(id(variable) not in seeds for variable in model.non_trainable_variables)


def _dropouts(model: keras.Model) -> list[layers.Dropout]:
    return [layer for layer in model.layers if type(layer) is layers.Dropout and layer.rate]


def network(model: keras.Model, *, stacked: bool = False) -> Network:
    """Return a Keras head without a state as a function of its weights; `stacked` where `vmap` shall run it."""
    weights = [variable.value.detach().clone() for variable in model.trainable_variables]
    probabilities = (None if stacked else _by_rules(model)) or _by_keras(model)
    return Network(weights, probabilities, _dropouts(model))


def _by_keras(model: keras.Model) -> Probabilities:
    def copied(layer: layers.Layer) -> layers.Layer:
        if type(layer) is layers.Dropout and layer.rate:
            return _Masked(layer.rate)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    masked = [layer for layer in copy.layers if isinstance(layer, _Masked)]

    def probabilities(weights: Tensors, X: torch.Tensor, masks: Tensors | None) -> torch.Tensor:
        for i, layer in enumerate(masked):
            layer.mask = None if masks is None else masks[i]
        return copy.stateless_call(weights, [], X, training=masks is not None)[0]

    return probabilities


class _Masked(layers.Layer):
    """Dropout whose mask is given."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.mask: torch.Tensor | None = None

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.mask is None else _dropped(x, self.mask, self.rate)


def _dropped(x: torch.Tensor, mask: torch.Tensor, rate: float) -> torch.Tensor:
    return x / (1 - rate) * mask


def _by_rules(model: keras.Model) -> Probabilities | None:
    """Return a chain of layers as bare tensor operations, the same that Keras calls; None without rules for all.

    Small heads spend more time between Keras's operations than in them.
    """
    chain = list(model.layers)
    if any(a.output is not b.input for a, b in itertools.pairwise(chain)):
        return None
    steps = []
    for layer in chain[1:]:
        operation = RULES[type(layer)](layer) if type(layer) in RULES else None
        if operation is None:
            return None
        steps.append((operation, len(layer.trainable_variables), type(layer) is layers.Dropout and layer.rate))

    def probabilities(weights: Tensors, X: torch.Tensor, masks: Tensors | None) -> torch.Tensor:
        x, used, dropped = X, 0, 0
        for operation, n_weights, is_dropout in steps:
            if not is_dropout:
                x = operation(x, *weights[used : used + n_weights])
                used += n_weights
            elif masks is not None:
                x = operation(x, masks[dropped])
                dropped += 1
        return x

    return probabilities


Operation = Callable[..., torch.Tensor]
ACTIVATIONS: dict[str, Operation] = {
    "linear": lambda x: x,
    "relu": functional.relu,
    "tanh": torch.tanh,
    "softmax": functools.partial(torch.softmax, dim=-1),
}


def _dense(layer: layers.Dense) -> Operation | None:
    activation = ACTIVATIONS.get(layer.activation.__name__)
    if activation is None or not layer.use_bias:
        return None
    return lambda x, kernel, bias: activation(torch.matmul(x, kernel) + bias)


def _dropout(layer: layers.Dropout) -> Operation:
    return lambda x, mask=None: _dropped(x, mask, layer.rate) if layer.rate else x


def _reshape(layer: layers.Reshape) -> Operation:
    return lambda x: x.reshape(len(x), *layer.output.shape[1:])


def _conv1d(layer: layers.Conv1D) -> Operation | None:
    activation = ACTIVATIONS.get(layer.activation.__name__)
    plain = (layer.strides, layer.dilation_rate, layer.groups, layer.padding) == ((1,), (1,), 1, "valid")
    if activation is None or not (plain and layer.use_bias and layer.data_format == "channels_first"):
        return None
    return lambda x, kernel, bias: activation(functional.conv1d(x, kernel.permute(2, 1, 0)) + bias[:, None])


def _max_pooling(layer: layers.MaxPooling1D) -> Operation | None:
    plain = (layer.pool_size, layer.strides, layer.padding) == ((2,), (2,), "valid")
    return _LargerOfTwo.apply if plain and layer.data_format == "channels_first" else None


RULES: dict[type, Callable[..., Operation | None]] = {
    layers.Dense: _dense,
    layers.Dropout: _dropout,
    layers.Reshape: _reshape,
    layers.Flatten: _reshape,
    layers.Conv1D: _conv1d,
    layers.MaxPooling1D: _max_pooling,
}


class _LargerOfTwo(torch.autograd.Function):
    """Max-pooling by 2. Torch's own takes a third of a CNN's time, to note places.

    Where both are equal, the gradient goes to the first, as in torch's.
    """

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        n = x.shape[-1] // 2
        first, second = x[..., : 2 * n : 2], x[..., 1 : 2 * n : 2]
        ctx.save_for_backward(first >= second)
        ctx.size = x.shape[-1]
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (is_first,) = ctx.saved_tensors
        whole = gradient.new_zeros((*gradient.shape[:-1], ctx.size))
        pairs = whole[..., : 2 * gradient.shape[-1]].unflatten(-1, (-1, 2))
        torch.mul(gradient, is_first, out=pairs[..., 0])
        torch.mul(gradient, ~is_first, out=pairs[..., 1])
        return whole


# -- one training after the other -------------------------------------------------------------------------------


def fit_one(task: train.Task, protocol: Protocol) -> train.Fitted:
    """Train a head on a CPU, with Adam."""
    with keras.device("cpu"):
        ready = train.prepare(task, protocol)
        if has_state(ready.model):
            return train.fit(task, protocol)
        net = network(ready.model)
        X, y, X_validation, y_validation = map(torch.from_numpy, ready.data)
        weights = [weight.requires_grad_() for weight in net.weights]
        adam = train.Adam(weights, protocol)
        losses: list[float] = []
        stopping, step = train.EarlyStopping(protocol, ready.n_validation > 0), 0
        for epoch in range(1, protocol["epochs"] + 1):
            total = torch.zeros(())
            for rows in torch.from_numpy(train.order(task.seed, epoch, len(y))).split(protocol["batch_size"]):
                masks = [_mask(layer, step, len(rows)) for layer in net.dropouts]
                loss = train.cross_entropy(net.probabilities(weights, X[rows], masks), y[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
                step += 1
                total += loss.detach() * len(rows)
            losses.append(float(total) / len(y))
            with torch.no_grad():
                parts = [net.probabilities(weights, part, None) for part in X_validation.split(256)]
                validation = float(train.cross_entropy(torch.cat(parts), y_validation))
            if stopping.after(validation, weights):
                break
        return train.finish(task.head, ready, stopping.kept, losses, stopping.losses)


def _mask(layer: layers.Dropout, step: int, n: int) -> torch.Tensor:
    """Return which outputs of the layer before are kept in a step: 0 or 1, as Keras draws them on a CPU."""
    seed, drawn = (int(value) for value in layer.seed_generator.state.value)
    generator = torch.Generator().manual_seed((seed + drawn + step) & 0xFFFFFFFF)
    return torch.bernoulli(torch.full((n, *layer.output.shape[1:]), 1 - layer.rate), generator=generator)


# -- many trainings at once -------------------------------------------------------------------------------------


def fit_stack(tasks: Sequence[train.Task], protocol: Protocol, device: str) -> list[train.Fitted]:
    """Train heads of one shape at once, each with its own data, order, masks and early stopping.

    Training sets need not be of one size: a training that has no batch left in an epoch, or has stopped, rests
    while the others go on. On a GPU dropout masks are drawn there, so they are not those of the CPU.
    """
    with keras.device(device):
        readies = [train.prepare(task, protocol) for task in tasks]
        if has_state(readies[0].model):
            return [train.fit(task, protocol, device) for task in tasks]
        nets = [network(ready.model, stacked=True) for ready in readies]
        probabilities, dropouts = nets[0].probabilities, [net.dropouts for net in nets]
        weights = [torch.stack(same) for same in zip(*(net.weights for net in nets), strict=True)]
        n = [len(ready.y) for ready in readies]
        size = protocol["batch_size"]
        n_steps = -(-max(n) // size)
        X, y, X_validation, y_validation = (
            torch.nn.utils.rnn.pad_sequence([torch.from_numpy(a).to(device) for a in same], batch_first=True)
            for same in zip(*(ready.data for ready in readies), strict=True)
        )
        counts = torch.tensor([len(ready.y_validation) for ready in readies], device=device)
        in_validation = (torch.arange(y_validation.shape[1], device=device) < counts[:, None]).float()

        def mean_loss(weights, X, y, share, masks):  # type: ignore[no-untyped-def]
            return (train.cross_entropy(probabilities(weights, X, masks), y, reduction="none") * share).sum()

        slopes = torch.func.vmap(torch.func.grad_and_value(mean_loss))
        validate = torch.func.vmap(lambda weights, X, y, share: mean_loss(weights, X, y, share, None))
        shares_validation = in_validation / counts[:, None]
        adam = StackedAdam(weights, protocol["learning_rate"])
        losses: list[list[float]] = [[] for _ in tasks]
        stoppings = [train.EarlyStopping(protocol, ready.n_validation > 0) for ready in readies]
        going = torch.ones(len(tasks), device=device)
        each = torch.arange(len(tasks), device=device)[:, None]
        for epoch in range(1, protocol["epochs"] + 1):
            rows, share = _epoch(tasks, n, epoch, size, n_steps, device)
            masks = _masks_of_epoch(dropouts, epoch, n, size, n_steps, device)
            total = torch.zeros(len(tasks), device=device)
            for step in range(n_steps):
                here = rows[:, step]
                kept = [mask[:, step].float() for mask in masks]
                gradients, loss = slopes(weights, X[each, here], y[each, here], share[:, step], kept)
                adam.step(weights, gradients, going * (share[:, step, 0] > 0))
                total += loss * (share[:, step] > 0).sum(dim=1)
            with torch.no_grad():
                of_validation = validate(weights, X_validation, y_validation, shares_validation).tolist()
            for i in torch.nonzero(going)[:, 0].tolist():
                losses[i].append(float(total[i]) / n[i])
                going[i] = not stoppings[i].after(of_validation[i], [weight[i] for weight in weights])
            if not going.any():
                break
        return [
            train.finish(task.head, ready, stopping.kept, loss, stopping.losses)
            for task, ready, loss, stopping in zip(tasks, readies, losses, stoppings, strict=True)
        ]


def _epoch(
    tasks: Sequence[train.Task], n: list[int], epoch: int, size: int, n_steps: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an epoch's rows [trainings, steps, batch], and each one's share in the batch's loss (0: no row)."""
    rows = np.zeros((len(tasks), n_steps * size), dtype=np.int64)
    share = np.zeros(rows.shape, dtype=np.float32)
    for i, (task, count) in enumerate(zip(tasks, n, strict=True)):
        rows[i, :count] = train.order(task.seed, epoch, count)
        share[i, :count] = 1 / size
        share[i, count // size * size : count] = 1 / (count % size or size)
    shape = (len(tasks), n_steps, size)
    return torch.from_numpy(rows.reshape(shape)).to(device), torch.from_numpy(share.reshape(shape)).to(device)


def _masks_of_epoch(
    dropouts: list[list[layers.Dropout]], epoch: int, n: list[int], size: int, n_steps: int, device: str
) -> list[torch.Tensor]:
    """Return masks [trainings, steps, batch, ...] for each dropout layer: Keras's on a CPU, a GPU's own there."""
    of_layers = []
    for same in zip(*dropouts, strict=True):
        stacked = torch.zeros((len(n), n_steps, size, *same[0].output.shape[1:]), dtype=torch.bool, device=device)
        for i, layer in enumerate(same):
            steps = -(-n[i] // size)
            if device == "cpu":
                for step in range(steps):
                    stacked[i, step] = _mask(layer, (epoch - 1) * steps + step, size).bool()
            else:
                seed, drawn = (int(value) for value in layer.seed_generator.state.value)
                generator = torch.Generator(device).manual_seed((seed + drawn + epoch) & 0xFFFFFFFF)
                stacked[i, :steps].bernoulli_(1 - layer.rate, generator=generator)
        of_layers.append(stacked)
    return of_layers


class StackedAdam:
    """Keras's Adam for stacked weights, each training with a step count of its own."""

    def __init__(self, weights: Tensors, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.first, self.second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
        self.steps = torch.zeros(len(weights[0]), device=weights[0].device, dtype=torch.float64)

    @torch.no_grad()
    def step(self, weights: Tensors, gradients: Tensors, active: torch.Tensor) -> None:
        """Change weights in place where `active`, float32 [trainings], is 1; leave them where it is 0."""
        beta_1, beta_2 = 0.9, 0.999
        self.steps += active
        corrected = (1 - beta_2**self.steps).sqrt() / (1 - beta_1**self.steps).clamp(min=1e-9)
        rate = (self.learning_rate * corrected).float() * active
        for weight, gradient, first, second in zip(weights, gradients, self.first, self.second, strict=True):
            shape = (-1, *[1] * (weight.ndim - 1))
            first.lerp_(gradient, ((1 - beta_1) * active).reshape(shape))
            second.lerp_(gradient.square(), ((1 - beta_2) * active).reshape(shape))
            weight.addcdiv_(first * rate.reshape(shape), second.sqrt().add_(keras.config.epsilon()), value=-1)
