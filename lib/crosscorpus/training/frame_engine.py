"""Train heads on frames fast, with the results of the plain way (`frame_loop`).

Utterances of a batch stand one after the other, without padding. Trainings on the same batches (a sweep's) go
through them together: frames are read and scaled once for all, and first layers are one product. Other folds and
seeds are trained side by side, one thread each.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from crosscorpus.base import processes
from crosscorpus.protocols.protocol_parts import FrameHead
from crosscorpus.training import frame_heads, frame_inputs, frame_loop
from crosscorpus.training.frame_heads import Fitted, Task


def fit_many(tasks: Sequence[Task], workers: int = 1) -> list[Fitted]:
    """Train heads, as `frame_loop.fit` would one by one, and does where a head is no `FrameHead`.

    Parameters
    ----------
    tasks
        What is trained.
    workers
        Processes side by side, each with one thread; 0 for one a core.

    Raises
    ------
    RuntimeError
        The loss of one became NaN or infinite.
    """
    stacks: dict[tuple, list[int]] = {}
    for i, task in enumerate(tasks):
        stacks.setdefault(_alike(task), []).append(i)
    fitted: dict[int, Fitted] = {}
    jobs = [(numbers, [tasks[i] for i in numbers]) for numbers in stacks.values()]
    for numbers, some in processes.run(_fit_stack, jobs, workers):
        fitted |= zip(numbers, some, strict=True)
    return [fitted[i] for i in range(len(tasks))]


def _alike(task: Task) -> tuple:
    """Return what trainings have in common that go through the same batches."""
    recipe = task.recipe
    sets = (
        (name, id(one.frames), id(one.scaling), one.y.tobytes(), one.rows.tobytes())
        for name, one in task.watched.items()
    )
    kind = (isinstance(task.head, FrameHead), id(task.frames), id(task.scaling), task.seed)
    return (
        *kind,
        task.training.tobytes(),
        task.y.tobytes(),
        recipe.epochs,
        recipe.batch_size,
        recipe.drop_last,
        *sets,
    )


def _fit_stack(numbers: list[int], tasks: list[Task]) -> tuple[list[int], list[Fitted]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if isinstance(tasks[0].head, FrameHead):
            return numbers, fit_stack(tasks)
        return numbers, [frame_loop.fit(task) for task in tasks]
    finally:
        torch.set_num_threads(threads)


def fit_stack(tasks: Sequence[Task]) -> list[Fitted]:
    """Train heads that go through the same batches."""
    one, heads = tasks[0], [_head(task.head) for task in tasks]
    dim, steps = one.frames.vectors.shape[1], frame_heads.n_steps(one)
    weights = [
        [w.requires_grad_() for w in frame_heads.first_weights(head, dim, task.n_classes, task.seed)]
        for head, task in zip(heads, tasks, strict=True)
    ]
    optimisers = [frame_heads.optimiser(task.recipe, own) for task, own in zip(tasks, weights, strict=True)]
    rates = [task.recipe.rates(steps) for task in tasks]
    keepers = [frame_heads.Keeper(task) for task in tasks]
    step = 0
    for epoch in range(1, one.recipe.epochs + 1):
        total, n = np.zeros(len(tasks)), 0
        for rows in frame_heads.batches(one, epoch):
            X, counts = _read(one.frames, one.scaling, rows)
            firsts, pool = _first_layers(X, weights, heads), frame_inputs.means(counts)
            losses = []
            for task, head, own, first in zip(tasks, heads, weights, firsts, strict=True):
                masks = _masks(head, task.seed, step, len(X)) if head.dropout else None
                losses.append(frame_heads.loss(task, _logits(head, own, first, pool, masks), rows))
            for optimiser in optimisers:
                optimiser.zero_grad()
            torch.stack(losses).sum().backward()
            for task, own, optimiser, (rate, beta) in zip(tasks, weights, optimisers, rates, strict=True):
                frame_heads.set_rate(optimiser, rate[step], beta[step])
                if task.recipe.largest_gradient:
                    torch.nn.utils.clip_grad_norm_(own, task.recipe.largest_gradient)
                optimiser.step()
            total += [float(loss.detach()) * len(rows) for loss in losses]
            n, step = n + len(rows), step + 1
        found = {name: _accuracies(some, heads, weights) for name, some in one.watched.items()}
        for i, keeper in enumerate(keepers):
            keeper.after(total[i] / n, {name: each[i] for name, each in found.items()}, weights[i])
    return [keeper.fitted(own, "engine") for keeper, own in zip(keepers, weights, strict=True)]


def _read(
    frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None, rows: np.ndarray
) -> tuple[torch.Tensor, np.ndarray]:
    X, counts = frames.batch(rows)
    return (X if scaling is None else scaling.apply(X, rows, counts)), counts


def _first_layers(
    X: torch.Tensor, weights: Sequence[Sequence[torch.Tensor]], heads: Sequence[FrameHead]
) -> tuple[torch.Tensor, ...]:
    if len(weights) == 1:
        return (functional.linear(X, weights[0][0], weights[0][1]),)
    weight, bias = (torch.cat([own[i] for own in weights]) for i in range(2))
    return functional.linear(X, weight, bias).split([head.widths[0] for head in heads], dim=1)


def _masks(head: FrameHead, seed: int, step: int, n: int) -> list[torch.Tensor]:
    return [frame_heads.kept(head, seed, step, layer, n) for layer in range(len(head.widths))]


def _head(head: object) -> FrameHead:
    if not isinstance(head, FrameHead):
        raise TypeError(f"the engine has no rules for a head that is a {type(head).__name__}")
    return head


def _logits(
    head: FrameHead, weights: Sequence[torch.Tensor], first: torch.Tensor, pool: torch.Tensor,
    masks: Sequence[torch.Tensor] | None,
) -> torch.Tensor:  # fmt: skip
    return functional.linear(pool @ frame_heads.hidden(head, weights, first, masks), weights[-2], weights[-1])


@torch.no_grad()
def _accuracies(
    watched: frame_heads.Watched, heads: Sequence[FrameHead], weights: Sequence[Sequence[torch.Tensor]]
) -> list[float]:
    right = np.zeros(len(heads))
    for some in watched.frames.chunks(watched.rows):
        X, counts = _read(watched.frames, watched.scaling, some)
        firsts, pool = _first_layers(X, weights, heads), frame_inputs.means(counts)
        for i, (head, own, first) in enumerate(zip(heads, weights, firsts, strict=True)):
            answers = _logits(head, own, first, pool, None).argmax(dim=1).numpy()
            right[i] += (answers == watched.y[some]).sum()
    return list(right / len(watched.rows))


def predict(
    fitted: Fitted, selection: str, frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None,
    rows: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return logits, float32 [rows, classes], of a head with the weights of a selection."""
    weights, found = fitted.weights[selection], []
    if not isinstance(fitted.head, FrameHead):
        return frame_loop.predict(fitted, selection, frames, scaling, rows)
    with torch.no_grad():
        for some in frames.chunks(rows):
            X, counts = _read(frames, scaling, some)
            (first,) = _first_layers(X, [weights], [fitted.head])
            found.append(_logits(fitted.head, weights, first, frame_inputs.means(counts), None).numpy())
    return np.concatenate(found)
