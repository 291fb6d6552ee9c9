"""Heads on frames that go through the same batches: first layers as one product, and what a batch makes of them.

Nearly all of a step's work is two products of all frames with the first layers, forward and for their gradient.
They are called by themselves, into memory that is used again; what lies between is done utterance by utterance, or
a few at a time, while they are in a processor's cache. Sums are added in another order than in `frame_loop`.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from crosscorpus.protocols.protocol_parts import FrameHead
from crosscorpus.training import frame_heads, frame_inputs
from crosscorpus.training.reused_memory import Memory

IN_CACHE = 1000
"""Frames that are read, and taken through what follows their product, at once."""


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
    for here, part in _in_parts(X, counts):
        frames.copy(rows[here], part)
        if scaling is not None:
            scaling.apply(part, rows[here], counts[here])
    return X, counts


def first_layers(some: Stack, X: torch.Tensor) -> torch.Tensor:
    """Return the first layers' products, before anything else: float32 [frames, sum of first widths]."""
    return torch.addmm(some.bias, X, some.kernel.t(), out=some.memory.matrix("hidden", len(X), len(some.bias)))


@torch.no_grad()
def logits(some: Stack, X: torch.Tensor, counts: np.ndarray) -> list[torch.Tensor]:
    """Return what each head answers to utterances of so many frames: float32 [utterances, classes]."""
    H, plain = first_layers(some, X), _are_plain(some.heads)
    found: list[list[torch.Tensor]] = [[] for _ in some.heads]
    for here, part in _in_parts(H, counts):
        pool = frame_inputs.means(counts[here])
        firsts = (pool @ part.relu_() if plain else part).split(some.widths, dim=1)
        for answers, head, own, x in zip(found, some.heads, some.weights, firsts, strict=True):
            pooled = x if plain else pool @ frame_heads.hidden(head, own, x, None)
            answers.append(functional.linear(pooled, own[-2], own[-1]))
    return [torch.cat(answers) for answers in found]


def gradients(
    some: Stack,
    tasks: Sequence[frame_heads.Task],
    X: torch.Tensor,
    counts: np.ndarray,
    rows: np.ndarray,
    step: int,
) -> np.ndarray:
    """Put the gradient of the loss of a batch into `grad` of all weights, and return each head's loss.

    Parameters
    ----------
    some, tasks
        Heads, and what each of them is trained on.
    X, counts, rows
        Frames of the batch's utterances, how many each has, and which they are.
    step
        Number of the batch, which dropout depends on.
    """
    H = first_layers(some, X)
    for own in some.weights:
        for weight in own[2:]:
            weight.grad = None
    some.slopes[1].zero_()
    through = _through_relu if _are_plain(some.heads) else _through_layers
    losses = through(some, tasks, H, counts, rows, step)
    torch.mm(H.t(), X, out=some.slopes[0])
    return losses


def _are_plain(heads: Sequence[FrameHead]) -> bool:
    """Return whether each is one layer with a ReLU, then the mean: what can be done for all of them at once."""
    return all(
        len(head.widths) == 1 and head.activation == "relu" and not (head.layer_norm or head.dropout)
        for head in heads
    )


def _through_relu(
    some: Stack,
    tasks: Sequence[frame_heads.Task],
    H: torch.Tensor,
    counts: np.ndarray,
    rows: np.ndarray,
    step: int,
) -> np.ndarray:
    """Overwrite first layers' products [frames, ...] with the losses' gradient by them, and return the losses."""
    parts = [(part, frame_inputs.means(counts[here])) for here, part in _in_parts(H, counts)]
    pooled = torch.cat([pool @ part.relu_() for part, pool in parts])
    losses, slopes = [], []
    for task, own, x in zip(tasks, some.weights, pooled.split(some.widths, dim=1), strict=True):
        x.requires_grad_()
        loss = frame_heads.loss(task, functional.linear(x, own[-2], own[-1]), rows)
        loss.backward()
        losses.append(float(loss.detach()))
        slopes.append(x.grad)
    of_parts = torch.cat(slopes, dim=1).split([len(pool) for _, pool in parts])
    for (part, pool), slope in zip(parts, of_parts, strict=True):
        # What autograd calls, too, but in place.
        torch.ops.aten.threshold_backward.grad_input(pool.t() @ slope, part, 0, grad_input=part)
        _add_sum(some.slopes[1], part)
    return np.array(losses)


def _through_layers(
    some: Stack,
    tasks: Sequence[frame_heads.Task],
    H: torch.Tensor,
    counts: np.ndarray,
    rows: np.ndarray,
    step: int,
) -> np.ndarray:
    """As `_through_relu`, for any heads."""
    losses, begin = np.zeros(len(tasks)), 0
    drawn = [_masks(task, head, step, len(H)) for task, head in zip(tasks, some.heads, strict=True)]
    for here, part in _in_parts(H, counts):
        firsts, pool = part.split(some.widths, dim=1), frame_inputs.means(counts[here])
        for i, (task, head, own, first) in enumerate(zip(tasks, some.heads, some.weights, firsts, strict=True)):
            x = first.detach().requires_grad_()
            masks = [mask[begin : begin + len(part)] for mask in drawn[i]] if head.dropout else None
            pooled = pool @ frame_heads.hidden(head, own, x, masks)
            loss = frame_heads.loss(task, functional.linear(pooled, own[-2], own[-1]), rows[here])
            loss = loss * (len(pool) / len(rows))
            loss.backward()
            losses[i] += float(loss.detach())
            first.copy_(x.grad)
        _add_sum(some.slopes[1], part)
        begin += len(part)
    return losses


def _masks(task: frame_heads.Task, head: FrameHead, step: int, n: int) -> list[torch.Tensor]:
    layers = range(len(head.widths))
    return [frame_heads.kept(head, task.seed, step, layer, n) for layer in layers] if head.dropout else []


def _add_sum(to: torch.Tensor, x: torch.Tensor) -> None:
    """Add the sum of frames [frames, ...] to a vector; a product takes less time than a sum."""
    to.addmv_(x.t(), torch.ones(len(x)))


def _in_parts(X: torch.Tensor, counts: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield about `IN_CACHE` frames at a time, of whole utterances: which these are, and their rows of X."""
    ends = np.cumsum(counts)
    cuts = [0, *(np.flatnonzero(np.diff(ends // IN_CACHE)) + 1).tolist(), len(counts)]
    begin = 0
    for first, last in itertools.pairwise(cuts):
        yield slice(first, last), X[begin : (begin := int(ends[last - 1]))]
