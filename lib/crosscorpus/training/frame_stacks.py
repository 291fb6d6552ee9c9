"""Heads on frames that go through the same batches: first layers as one product, and what a batch makes of them.

Nearly all of a step's work is two products of all frames with the first layers, forward and for their gradient.
A batch is read and taken through all of it a few utterances at a time, while their frames are in a processor's
cache, in memory that is used again. Sums are added in another order than in `frame_loop`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from crosscorpus.protocols.protocol_parts import FrameHead
from crosscorpus.training import frame_heads, frame_inputs
from crosscorpus.training.reused_memory import Memory

IN_CACHE = 2000
"""Frames that are read, and taken through a step, at once."""


@dataclass(frozen=True)
class Stack:
    """Several heads, and their weights in the order of `frame_heads.first_weights`.

    `kernel` [sum of first widths, dim] and `bias` are their first layers, one below the other, of which the first
    two weights of each head are parts; `slopes` are both's gradients, likewise.
    """

    heads: Sequence[FrameHead]
    weights: Sequence[Sequence[torch.Tensor]]
    kernel: torch.Tensor
    bias: torch.Tensor
    slopes: tuple[torch.Tensor, torch.Tensor]
    memory: Memory

    @property
    def widths(self) -> list[int]:
        """Of the heads' first layers."""
        return [head.widths[0] for head in self.heads]


def stack(heads: Sequence[FrameHead], weights: Sequence[Sequence[torch.Tensor]]) -> Stack:
    """Return heads with copies of these weights, of which those after the first layer note their gradients."""
    both = [torch.cat([own[i] for own in weights]) for i in range(2)]
    slopes = (torch.zeros_like(both[0]), torch.zeros_like(both[1]))
    widths = [head.widths[0] for head in heads]
    parts = [list(zip(*(one.split(widths) for one in some), strict=True)) for some in (both, slopes)]
    found = []
    for own, firsts, slopes_of_firsts in zip(weights, *parts, strict=True):
        for first, slope in zip(firsts, slopes_of_firsts, strict=True):
            first.grad = slope
        found.append([*firsts, *(weight.clone().requires_grad_() for weight in own[2:])])
    return Stack(heads, found, both[0], both[1], slopes, Memory())


def read(
    frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None, rows: np.ndarray, memory: Memory
) -> tuple[torch.Tensor, np.ndarray]:
    """Return the scaled frames of some utterances, float32 [frames, dim], and how many each has, int64 [rows]."""
    counts = frames.counts(rows)
    X = memory.matrix("frames", int(counts.sum()), frames.vectors.shape[1])
    frames.copy(rows, X)
    return X if scaling is None else scaling.apply(X, rows, counts), counts


def first_layers(some: Stack, X: torch.Tensor) -> torch.Tensor:
    """Return the first layers' products, before anything else: float32 [frames, sum of first widths]."""
    return torch.addmm(some.bias, X, some.kernel.t(), out=some.memory.matrix("hidden", len(X), len(some.bias)))


@torch.no_grad()
def logits(
    some: Stack, frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None, rows: np.ndarray
) -> list[torch.Tensor]:
    """Return what each head answers to some utterances: float32 [utterances, classes]."""
    plain, found = _are_plain(some.heads), []
    for here in _in_parts(frames.counts(rows)):
        X, counts = read(frames, scaling, rows[here], some.memory)
        H, means = first_layers(some, X), frame_inputs.Means(counts)
        firsts = (means.of(H.relu_()) if plain else H).split(some.widths, dim=1)
        answers = []
        for head, own, x in zip(some.heads, some.weights, firsts, strict=True):
            pooled = x if plain else means.of(frame_heads.hidden(head, own, x, None))
            answers.append(functional.linear(pooled, own[-2], own[-1]))
        found.append(answers)
    return [torch.cat(answers) for answers in zip(*found, strict=True)]


def gradients(some: Stack, tasks: Sequence[frame_heads.Task], rows: np.ndarray, step: int) -> np.ndarray:
    """Put the gradient of the loss of a batch into `grad` of all weights, and return each head's loss.

    Parameters
    ----------
    some, tasks
        Heads, and what each of them is trained on; frames, scaling, classes and their smoothing are those of the
        first, and the same in all.
    rows
        The batch's utterances.
    step
        Number of the batch, which dropout depends on.
    """
    one, losses, begin = tasks[0], np.zeros(len(tasks)), 0
    for own in some.weights:
        for weight in own[2:]:
            weight.grad = None
    some.slopes[1].zero_()
    counts = one.frames.counts(rows)
    through = _through_relu if _are_plain(some.heads) else _through_layers
    masks = [_masks(task, head, step, int(counts.sum())) for task, head in zip(tasks, some.heads, strict=True)]
    for here in _in_parts(counts):
        X, _ = read(one.frames, one.scaling, rows[here], some.memory)
        H, end = first_layers(some, X), begin + len(X)
        kept = [[mask[begin:end] for mask in masks_of_head] for masks_of_head in masks]
        losses += through(some, tasks, H, frame_inputs.Means(counts[here]), rows[here], len(rows), kept)
        some.slopes[1].addmv_(H.t(), torch.ones(len(H)))  # their sum; a product takes less time
        some.slopes[0].addmm_(H.t(), X, beta=float(begin > 0))
        begin = end
    return losses


def _in_parts(counts: np.ndarray) -> list[slice]:
    """Cut utterances of so many frames into runs of about `IN_CACHE` frames, in their order."""
    ends = np.cumsum(counts)
    cuts = [0, *(np.flatnonzero(np.diff(ends // IN_CACHE)) + 1).tolist(), len(counts)]
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


def _are_plain(heads: Sequence[FrameHead]) -> bool:
    """Return whether each is one layer with a ReLU, then the mean: what can be done for all of them at once."""
    return all(
        len(head.widths) == 1 and head.activation == "relu" and not (head.layer_norm or head.dropout)
        for head in heads
    )


def _masks(task: frame_heads.Task, head: FrameHead, step: int, n: int) -> list[torch.Tensor]:
    layers = range(len(head.widths))
    return [frame_heads.kept(head, task.seed, step, layer, n) for layer in layers] if head.dropout else []


@torch.no_grad()
def _through_relu(
    some: Stack,
    tasks: Sequence[frame_heads.Task],
    H: torch.Tensor,
    means: frame_inputs.Means,
    rows: np.ndarray,
    n: int,
    masks: Sequence[Sequence[torch.Tensor]],
) -> np.ndarray:
    """Overwrite first layers' products [frames, ...] with the gradient by them of the losses, which are returned.

    `rows` are some of a batch's n utterances, and the losses their part of its mean.
    """
    pooled = means.of(H.relu_())
    firsts = pooled.split(some.widths, dim=1)
    answers = [functional.linear(x, own[-2], own[-1]) for x, own in zip(firsts, some.weights, strict=True)]
    logs = torch.stack(answers).log_softmax(dim=2)
    wanted = frame_heads.targets(tasks[0], rows)
    slopes = (logs.exp() - wanted) / n
    by_pooled = []
    for x, own, slope in zip(firsts, some.weights, slopes, strict=True):
        for weight, of_weight in zip(own[-2:], (slope.t() @ x, slope.sum(dim=0)), strict=True):
            weight.grad = of_weight if weight.grad is None else weight.grad.add_(of_weight)
        by_pooled.append(slope @ own[-2])
    by_frame = means.spread(torch.cat(by_pooled, dim=1))
    torch.ops.aten.threshold_backward.grad_input(by_frame, H, 0, grad_input=H)  # as autograd, but in place
    return -(wanted * logs).sum(dim=(1, 2)).double().numpy() / n


def _through_layers(
    some: Stack,
    tasks: Sequence[frame_heads.Task],
    H: torch.Tensor,
    means: frame_inputs.Means,
    rows: np.ndarray,
    n: int,
    masks: Sequence[Sequence[torch.Tensor]],
) -> np.ndarray:
    """As `_through_relu`, for any heads."""
    losses = np.zeros(len(tasks))
    each = zip(tasks, some.heads, some.weights, H.split(some.widths, dim=1), masks, strict=True)
    for i, (task, head, own, first, kept) in enumerate(each):
        x = first.detach().requires_grad_()
        pooled = means.of(frame_heads.hidden(head, own, x, kept if head.dropout else None))
        loss = frame_heads.loss(task, functional.linear(pooled, own[-2], own[-1]), rows) * (len(rows) / n)
        loss.backward()
        losses[i] = float(loss.detach())
        first.copy_(x.grad)
    return losses
