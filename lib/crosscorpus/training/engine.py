"""Train many heads fast, with the results of the plain way (`train.fit`).

On a CPU one training follows the other, in one thread; the layers of the paper's heads have rules of their own
(`fast_layers`), whose sums are added in another order than in the plain way. Any other head goes by Keras. The
processes of `evaluate.grid` stand side by side. On a GPU the trainings of a list are stacked and go through each
step together, because one small head would leave the device idle; sums are in another order there, too.
"""

from collections.abc import Sequence

import keras
import numpy as np
import torch
from keras import layers

from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.training import adam, fast_layers, networks, train, training_tasks
from crosscorpus.training.networks import Tensors

STACK = 48
"""Most trainings in one stack: as many as keep a GPU busy, in a few gigabytes."""


def fit_many(tasks: Sequence[training_tasks.Task], protocol: Protocol, device: str = "cpu") -> list[train.Fitted]:
    """Train heads, as `train.fit` would one by one, to the rounding of sums.

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


# -- one training after the other -------------------------------------------------------------------------------


def fit_one(task: training_tasks.Task, protocol: Protocol) -> train.Fitted:
    """Train a head on a CPU, with Adam."""
    with keras.device("cpu"), train.tiny_numbers_as_zero():
        ready = train.prepare(task, protocol)
        if networks.has_state(ready.model):
            return train.fit(task, protocol)
        net = networks.network(ready.model)
        fast = fast_layers.of(ready.model, net.weights)
        X, y, X_validation, y_validation = map(torch.from_numpy, ready.data)
        optimiser = adam.Adam(net.weights)
        losses: list[float] = []
        stopping, step = train.EarlyStopping(protocol, ready.n_validation > 0), 0
        for epoch in range(1, protocol["epochs"] + 1):
            total = torch.zeros(())
            for rows in torch.from_numpy(train.order(task.seed, epoch, len(y))).split(protocol["batch_size"]):
                masks = [_mask(layer, step, len(rows)) for layer in net.dropouts]
                given = X[rows], y[rows], masks
                loss = net.gradients(*given) if fast is None else fast_layers.gradients(fast, *given)
                step += 1
                optimiser.step(protocol["learning_rate"], adam.FIRST, epsilon=train.epsilon(step))
                total += loss * len(rows)
            losses.append(float(total) / len(y))
            parts = X_validation.split(protocol["batch_size"])
            answers = [
                net.answers(part) if fast is None else fast_layers.probabilities(fast, part) for part in parts
            ]
            if stopping.after(float(train.cross_entropy(torch.cat(answers), y_validation)), net.weights):
                break
        return train.finish(task.head, ready, stopping.kept, losses, stopping.losses)


def _mask(layer: layers.Dropout, step: int, n: int) -> torch.Tensor:
    """Return which outputs of the layer before are kept in a step: 0 or 1, as Keras draws them on a CPU."""
    seed, drawn = (int(value) for value in layer.seed_generator.state.value)
    generator = torch.Generator().manual_seed((seed + drawn + step) & 0xFFFFFFFF)
    return torch.bernoulli(torch.full((n, *layer.output.shape[1:]), 1 - layer.rate), generator=generator)


# -- many trainings at once -------------------------------------------------------------------------------------


def fit_stack(tasks: Sequence[training_tasks.Task], protocol: Protocol, device: str) -> list[train.Fitted]:
    """Train heads of one shape at once, each with its own data, order, masks and early stopping.

    Training sets need not be of one size: a training that has no batch left in an epoch, or has stopped, rests
    while the others go on. On a GPU dropout masks are drawn there, so they are not those of the CPU.
    """
    with keras.device(device):
        readies = [train.prepare(task, protocol) for task in tasks]
        if networks.has_state(readies[0].model):
            return [train.fit(task, protocol, device) for task in tasks]
        nets = [networks.network(ready.model) for ready in readies]
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
        stacked = StackedAdam(weights, protocol["learning_rate"])
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
                stacked.step(weights, gradients, going * (share[:, step, 0] > 0))
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
    tasks: Sequence[training_tasks.Task], n: list[int], epoch: int, size: int, n_steps: int, device: str
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
        beta_1, beta_2 = adam.FIRST, adam.SECOND
        self.steps += active
        corrected = (1 - beta_2**self.steps).sqrt() / (1 - beta_1**self.steps).clamp(min=1e-9)
        rate = (self.learning_rate * corrected).float() * active
        for weight, gradient, first, second in zip(weights, gradients, self.first, self.second, strict=True):
            shape = (-1, *[1] * (weight.ndim - 1))
            first.lerp_(gradient, ((1 - beta_1) * active).reshape(shape))
            second.lerp_(gradient.square(), ((1 - beta_2) * active).reshape(shape))
            weight.addcdiv_(first * rate.reshape(shape), second.sqrt().add_(keras.config.epsilon()), value=-1)
