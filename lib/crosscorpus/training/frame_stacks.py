"""Heads on frames that go through the same batches: first layers as one product, and what a batch makes of them.

Nearly all of a step's work is two products of all frames with the first layers, forward and for their gradient. They
are called by themselves, into memory that is used again; what lies between is done utterance by utterance, or a few
at a time, while they are in a processor's cache. Sums are added in another order than in `frame_loop`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from crosscorpus.protocols.protocol_parts import FrameHead
from crosscorpus.training import frame_heads, frame_inputs

IN_CACHE = 1000
"""Frames whose hidden layers are computed at once where they have more than a ReLU."""


@dataclass
class Memory:
    """Matrices of frames that are written again for each batch, and grow with the largest."""

    kept: dict[tuple, torch.Tensor] = field(default_factory=dict)

    def matrix(self, name: str, rows: int, columns: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Return a matrix of this size, with whatever stands in it."""
        key = (name, columns, dtype)
        if key not in self.kept or len(self.kept[key]) < rows:
            self.kept[key] = torch.empty(rows, columns, dtype=dtype)
        return self.kept[key][:rows]


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
    parts, counts = frames.parts(rows)
    dim = frames.vectors.shape[1]
    stored = memory.matrix("stored", int(counts.sum()), dim, torch.from_numpy(frames.vectors[:0].copy()).dtype)
    np.concatenate(parts, out=stored.numpy())
    X = memory.matrix("frames", len(stored), dim)
    each = zip(X.split(counts.tolist()), stored.split(counts.tolist()), rows, counts, strict=True)
    for part, of_file, row, count in each:
        part.copy_(of_file)
        if scaling is not None:
            scaling.apply(part, np.array([row]), np.array([count]))
    return X, counts


def first_layers(some: Stack, X: torch.Tensor) -> torch.Tensor:
    """Return the first layers' products, before anything else: float32 [frames, sum of first widths]."""
    return torch.addmm(some.bias, X, some.kernel.t(), out=some.memory.matrix("hidden", len(X), len(some.bias)))


@torch.no_grad()
def logits(some: Stack, X: torch.Tensor, counts: np.ndarray) -> list[torch.Tensor]:
    """Return what each head answers to utterances of so many frames: float32 [utterances, classes]."""
    H = first_layers(some, X)
    if _are_plain(some.heads):
        pooled = _means(H.relu_(), counts).split(some.widths, dim=1)
        return [functional.linear(x, own[-2], own[-1]) for x, own in zip(pooled, some.weights, strict=True)]
    found: list[list[torch.Tensor]] = [[] for _ in some.heads]
    for _, part, of_part in _in_parts(H, counts):
        firsts = part.split(some.widths, dim=1)
        for answers, head, own, first in zip(found, some.heads, some.weights, firsts, strict=True):
            x = _means(frame_heads.hidden(head, own, first, None), of_part)
            answers.append(functional.linear(x, own[-2], own[-1]))
    return [torch.cat(answers) for answers in found]


def gradients(
    some: Stack, tasks: Sequence[frame_heads.Task], X: torch.Tensor, counts: np.ndarray, rows: np.ndarray, step: int
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
    through = _through_relu if _are_plain(some.heads) else _through_layers
    losses = through(some, tasks, H, counts, rows, step)
    torch.mm(H.t(), X, out=some.slopes[0])
    torch.sum(H, dim=0, out=some.slopes[1])
    return losses


def _are_plain(heads: Sequence[FrameHead]) -> bool:
    """Return whether each is one layer with a ReLU, then the mean: what can be done for all of them at once."""
    return all(
        len(head.widths) == 1 and head.activation == "relu" and not (head.layer_norm or head.dropout)
        for head in heads
    )


def _through_relu(
    some: Stack, tasks: Sequence[frame_heads.Task], H: torch.Tensor, counts: np.ndarray, rows: np.ndarray, step: int
) -> np.ndarray:
    """Overwrite first layers' products [frames, ...] with the losses' gradient by them, and return the losses."""
    pooled = _means(H.relu_(), counts)
    losses, slopes = [], []
    for task, own, x in zip(tasks, some.weights, pooled.split(some.widths, dim=1), strict=True):
        x.requires_grad_()
        loss = frame_heads.loss(task, functional.linear(x, own[-2], own[-1]), rows)
        loss.backward()
        losses.append(float(loss.detach()))
        slopes.append(x.grad)
    of_frames = torch.cat(slopes, dim=1) / torch.from_numpy(counts.clip(min=1))[:, None]
    for part, slope in zip(H.split(counts.tolist()), of_frames, strict=True):
        part.sign_().mul_(slope)  # the sign is 1 where the unit was active, else 0
    return np.array(losses)


def _through_layers(
    some: Stack, tasks: Sequence[frame_heads.Task], H: torch.Tensor, counts: np.ndarray, rows: np.ndarray, step: int
) -> np.ndarray:
    """As `_through_relu`, for any heads."""
    losses = np.zeros(len(tasks))
    drawn = [_masks(task, head, step, len(H)) for task, head in zip(tasks, some.heads, strict=True)]
    begin = 0
    for at, part, of_part in _in_parts(H, counts):
        firsts, here = part.split(some.widths, dim=1), rows[at : at + len(of_part)]
        for i, (task, head, own, first) in enumerate(zip(tasks, some.heads, some.weights, firsts, strict=True)):
            x = first.detach().requires_grad_()
            masks = [mask[begin : begin + len(part)] for mask in drawn[i]] if head.dropout else None
            pooled = _means(frame_heads.hidden(head, own, x, masks), of_part)
            loss = frame_heads.loss(task, functional.linear(pooled, own[-2], own[-1]), here)
            loss = loss * (len(here) / len(rows))
            loss.backward()
            losses[i] += float(loss.detach())
            first.copy_(x.grad)
        begin += len(part)
    return losses


def _masks(task: frame_heads.Task, head: FrameHead, step: int, n: int) -> list[torch.Tensor]:
    layers = range(len(head.widths))
    return [frame_heads.kept(head, task.seed, step, layer, n) for layer in layers] if head.dropout else []


def _means(x: torch.Tensor, counts: np.ndarray) -> torch.Tensor:
    """Return each utterance's mean [utterances, ...] of its frames [frames, ...]; 0 where it has none."""
    sums = torch.stack([part.sum(dim=0) for part in x.split(counts.tolist())])
    return sums / torch.from_numpy(counts.clip(min=1))[:, None]


def _in_parts(H: torch.Tensor, counts: np.ndarray) -> Iterator[tuple[int, torch.Tensor, np.ndarray]]:
    """Yield a few utterances at a time: the first one's position, their rows of H, and how many each has."""
    ends = np.cumsum(counts)
    cuts = np.flatnonzero(np.diff(ends // IN_CACHE)) + 1
    of_parts = np.split(counts, cuts)
    parts = H.split([int(some.sum()) for some in of_parts])
    yield from zip([0, *cuts.tolist()], parts, of_parts, strict=True)
