"""What heads on frames read: frames of many utterances, one after the other, by slice and never whole.

A batch is the frames of its utterances without padding, [frames, dim], with how many each has.
"""

import mmap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

CHUNK = 4096
"""Frames that are read at once where nothing is trained."""
EPSILON = 1e-5
"""Added to variances, as in torch's layer normalisation."""


class Frames(Protocol):
    """What frames of an utterance are taken from, such as stored embeddings.

    `offsets`, int64 [utterances + 1], says where each begins and ends in `vectors`, float16 or float32 [frames,
    dim], which may be a memory-mapped file.
    """

    @property
    def offsets(self) -> np.ndarray:
        """Where each utterance begins, and where the last ends."""

    @property
    def vectors(self) -> np.ndarray:
        """All frames, one utterance after the other."""


@dataclass(frozen=True)
class Ragged:
    """Frames that go to another process by the name of their file, where they are one; see `Frames`."""

    offsets: np.ndarray
    vectors: np.ndarray
    most: int = 2**31
    """Frames of an utterance that are read, from its beginning."""

    @classmethod
    def of(cls, frames: Frames, most: int = 2**31) -> "Ragged":
        """Return the frames of an object that has both arrays."""
        return cls(np.asarray(frames.offsets, dtype=np.int64), frames.vectors, most)

    @classmethod
    def of_clips(cls, vectors: np.ndarray) -> "Ragged":
        """Return one vector an utterance, [utterances, dim], as utterances of one frame."""
        return cls(np.arange(len(vectors) + 1), vectors)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it: a memory map is opened there, and never copied."""
        mapped = self.vectors
        if isinstance(mapped, np.memmap) and mapped.filename and isinstance(mapped.base, mmap.mmap):
            where = (str(mapped.filename), mapped.dtype.str, mapped.offset, mapped.shape)
            return _opened, (self.offsets, self.most, *where)
        return Ragged, (self.offsets, np.asarray(self.vectors), self.most)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        """Return the frames of some utterances, float32 [frames, dim], and how many each has, int64 [rows]."""
        counts = self.counts(rows)
        X = torch.empty(int(counts.sum()), self.vectors.shape[1])
        self.copy(rows, X)
        return X, counts

    def copy(self, rows: Sequence[int] | np.ndarray, to: torch.Tensor) -> None:
        """Write the frames of some utterances to a matrix, float32 [frames, dim], that is as long as they are."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            stored = torch.from_numpy(self.vectors)  # read alone
        counts, starts = self.counts(rows), self.offsets[rows]
        if (counts == 1).all():
            to.copy_(stored.index_select(0, torch.from_numpy(starts)))
            return
        for start, part in zip(starts.tolist(), to.split(counts.tolist()), strict=True):
            part.copy_(stored[start : start + len(part)])

    def counts(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return how many frames of some utterances are read, int64 [rows]."""
        return (self.offsets[np.asarray(rows) + 1] - self.offsets[rows]).clip(max=self.most)

    def chunks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Cut some utterances into runs of about `CHUNK` frames, in their order."""
        ends = np.cumsum(self.offsets[rows + 1] - self.offsets[rows]) // CHUNK
        yield from np.split(rows, np.flatnonzero(np.diff(ends)) + 1)


def _opened(offsets: np.ndarray, most: int, file: str, dtype: str, start: int, shape: tuple[int, ...]) -> Ragged:
    return Ragged(offsets, np.memmap(file, dtype, "r", start, shape), most)


@dataclass(frozen=True)
class Scaling:
    """What is taken from frames, and what they are multiplied by: float32 [dim], or [utterances] each."""

    shift: torch.Tensor
    factor: torch.Tensor
    by_utterance: bool

    def apply(self, X: torch.Tensor, rows: np.ndarray, counts: np.ndarray) -> torch.Tensor:
        """Scale, in place, the frames [frames, dim] of some utterances that have so many each."""
        if not self.by_utterance:
            return X.sub_(self.shift).mul_(self.factor)
        each = torch.from_numpy(np.repeat(rows, counts))
        return X.sub_(self.shift[each, None]).mul_(self.factor[each, None])


def scaling(frames: Ragged, normalisation: str, training: np.ndarray) -> Scaling | None:
    """Return how frames are scaled, see `protocol_parts.Representation`; None for "none"."""
    if normalisation == "none":
        return None
    if normalisation == "utterance":
        return _by_utterance(frames)
    total = np.zeros((2, frames.vectors.shape[1]))
    n = 0
    for rows in frames.chunks(np.sort(training)):
        X = frames.batch(rows)[0].double()
        total += torch.stack([X.sum(dim=0), X.square().sum(dim=0)]).numpy()
        n += len(X)
    mean, square = total / n
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    deviation[deviation < 1e-7 * np.maximum(np.abs(mean), 1)] = 1  # a dimension that does not vary
    return _scaling(mean, 1 / deviation, by_utterance=False)


def _by_utterance(frames: Ragged) -> Scaling:
    n = len(frames.offsets) - 1
    mean, variance = np.zeros(n), np.ones(n)
    for rows in frames.chunks(np.arange(n)):
        X, counts = frames.batch(rows)
        of_frame = torch.stack([X.mean(dim=1), X.square().mean(dim=1)]).double().numpy()
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        here = counts > 0
        sums = np.add.reduceat(of_frame, starts[here], axis=1) / counts[here]
        mean[rows[here]], variance[rows[here]] = sums[0], np.maximum(sums[1] - sums[0] ** 2, 0)
    return _scaling(mean, 1 / np.sqrt(variance + EPSILON), by_utterance=True)


def _scaling(shift: np.ndarray, factor: np.ndarray, by_utterance: bool) -> Scaling:
    single = [torch.from_numpy(array.astype(np.float32)) for array in (shift, factor)]
    return Scaling(single[0], single[1], by_utterance)


class Means:
    """Means over the frames of each utterance, and the gradients by those frames.

    By a product, which takes less time than a loop over utterances, and than padding them; utterances of one frame
    are their own means.
    """

    def __init__(self, counts: np.ndarray) -> None:
        self.matrix = None if (counts == 1).all() else _matrix_of_means(counts)

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means, float32 [utterances, ...], of frames [frames, ...]."""
        return x if self.matrix is None else self.matrix @ x

    def spread(self, slopes: torch.Tensor) -> torch.Tensor:
        """Return gradients by frames [frames, ...], of those by means [utterances, ...]."""
        return slopes if self.matrix is None else self.matrix.t() @ slopes


def _matrix_of_means(counts: np.ndarray) -> torch.Tensor:
    frame = np.repeat(np.arange(len(counts)), counts)
    matrix = torch.zeros(len(counts), len(frame))
    matrix[torch.from_numpy(frame), torch.arange(len(frame))] = torch.from_numpy(
        np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    )
    return matrix
