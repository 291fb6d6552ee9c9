"""Train heads on frames fast, with the results of the plain way (`frame_loop`).

Utterances of a batch stand one after the other, without padding. Trainings on the same batches (a sweep's) go
through them together: frames are read and scaled once for all, and first layers are one product (`frame_stacks`).
Other folds and seeds are trained side by side, one thread each.
"""

from collections.abc import Sequence

import numpy as np
import torch

from crosscorpus.base import processes
from crosscorpus.protocols.protocol_parts import FrameHead, Recipe
from crosscorpus.training import adam, frame_heads, frame_inputs, frame_loop, frame_stacks
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
        task.n_classes,
        recipe.epochs,
        recipe.batch_size,
        recipe.drop_last,
        recipe.label_smoothing,
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
    drawn = [frame_heads.first_weights(h, dim, t.n_classes, t.seed) for h, t in zip(heads, tasks, strict=True)]
    some = frame_stacks.stack(heads, drawn)
    optimisers = [_optimiser(task.recipe, own) for task, own in zip(tasks, some.weights, strict=True)]
    rates = [task.recipe.rates(steps) for task in tasks]
    keepers = [frame_heads.Keeper(task) for task in tasks]
    step = 0
    for epoch in range(1, one.recipe.epochs + 1):
        total, n = np.zeros(len(tasks)), 0
        for rows in frame_heads.batches(one, epoch):
            total += frame_stacks.gradients(some, tasks, rows, step) * len(rows)
            for task, optimiser, (rate, beta) in zip(tasks, optimisers, rates, strict=True):
                optimiser.step(rate[step], beta[step], task.recipe.largest_gradient)
            n, step = n + len(rows), step + 1
        found = {name: _accuracies(watched, some) for name, watched in one.watched.items()}
        for i, (keeper, own) in enumerate(zip(keepers, some.weights, strict=True)):
            keeper.after(total[i] / n, {name: each[i] for name, each in found.items()}, own)
    return [keeper.fitted(own, "engine") for keeper, own in zip(keepers, some.weights, strict=True)]


def _optimiser(recipe: Recipe, weights: Sequence[torch.Tensor]) -> adam.Adam:
    return adam.Adam(weights, weight_decay=recipe.weight_decay, decoupled=recipe.optimiser == "adamw")


def _head(head: object) -> FrameHead:
    if not isinstance(head, FrameHead):
        raise TypeError(f"the engine has no rules for a head that is a {type(head).__name__}")
    return head


def _accuracies(watched: frame_heads.Watched, some: frame_stacks.Stack) -> list[float]:
    answers = frame_stacks.logits(some, watched.frames, watched.scaling, watched.rows)
    return [float((one.argmax(dim=1).numpy() == watched.y[watched.rows]).mean()) for one in answers]


def predict(
    fitted: Fitted, selection: str, frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None,
    rows: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return logits, float32 [rows, classes], of a head with the weights of a selection."""
    if not isinstance(fitted.head, FrameHead):
        return frame_loop.predict(fitted, selection, frames, scaling, rows)
    some = frame_stacks.stack([fitted.head], [fitted.weights[selection]])
    return frame_stacks.logits(some, frames, scaling, rows)[0].numpy()
