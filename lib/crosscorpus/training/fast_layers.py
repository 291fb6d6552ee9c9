"""The layers of the paper's heads on a CPU: what comes out, and gradients, without an automatic differentiation.

Each is called by itself and writes into memory that is used again. Convolution and max-pooling by 2 are one
product for each utterance: its rows are each filter at even and at odd steps, and the larger of both is what
pooling keeps. Sums are added in another order than by Keras.
"""

import itertools
from collections.abc import Sequence

import keras
import torch
from keras import layers

from crosscorpus.training.reused_memory import Memory

TOGETHER = 16
"""Utterances whose products are made by one call: a call by itself costs as much as a small product, and those of
many no longer fit a processor's cache. No result depends on it."""

_through_threshold = torch.ops.aten.threshold_backward.grad_input


class Dense:
    """A dense layer with a ReLU, or without where it is the last, and the dropout that follows it.

    Weights are those of Keras: kernel [dim, width] and bias [width].
    """

    def __init__(self, kernel: torch.Tensor, bias: torch.Tensor, is_last: bool, dropout: float) -> None:
        self.kernel, self.bias, self.is_last, self.dropout = kernel, bias, is_last, dropout
        kernel.grad, bias.grad = torch.empty_like(kernel), torch.empty_like(bias)
        self.memory = Memory()
        self.given: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]

    def forward(self, X: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return outputs, float32 [utterances, width]; `mask` is 0 where one is dropped, else 1."""
        out = self.memory.matrix("outputs", len(X), len(self.bias))
        torch.addmm(self.bias, X, self.kernel, out=out)
        if not self.is_last:
            out.relu_()
        scale = None if mask is None else mask / (1 - self.dropout)
        self.given = X, out, scale
        return out if scale is None else out.mul_(scale)

    def backward(self, slope: torch.Tensor, *, of_input: bool) -> torch.Tensor:
        """Put the gradients of the last outputs where they belong, given the loss's by them, which is overwritten.

        Return the gradient by the input where it is asked for, else nothing of use.
        """
        X, out, scale = self.given
        if scale is not None:
            slope.mul_(scale)
        if not self.is_last:
            _through_threshold(slope, out, 0, grad_input=slope)  # what was dropped has no slope any more
        torch.mm(X.t(), slope, out=self.kernel.grad)
        torch.sum(slope, 0, out=self.bias.grad)
        if not of_input:
            return slope
        return torch.mm(slope, self.kernel.t(), out=self.memory.matrix("slopes", *X.shape))


class Convolution:
    """A convolution, a ReLU, and max-pooling by 2.

    Weights are those of Keras: kernel [steps, 1, filters] and bias [filters].
    """

    dropout = 0.0

    def __init__(self, kernel: torch.Tensor, bias: torch.Tensor) -> None:
        self.kernel, self.bias = kernel, bias
        kernel.grad, bias.grad = torch.empty_like(kernel), torch.empty_like(bias)
        self.memory = Memory()
        self.given: tuple[torch.Tensor, torch.Tensor, torch.Tensor]

    def forward(self, X: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return what is pooled, float32 [utterances, filters x pooled steps]."""
        size, n = self.kernel.shape[::2]
        windows = self._matrices("windows", len(X), size + 2, (X.shape[1] - size + 1) // 2)
        windows[:, : size + 1] = X.unfold(1, size + 1, 2).transpose(1, 2)
        windows[:, size + 1] = 1  # what biases are multiplied by
        pooled, lead = (self._matrices(name, len(X), n, windows.shape[2]) for name in ("pooled", "lead"))
        both = torch.zeros(2 * n, size + 2)
        both[:n, :size] = both[n:, 1 : size + 1] = self.kernel[:, 0].t()
        both[:, size + 1] = self.bias.repeat(2)
        for some, larger, ahead in zip(*(of.split(TOGETHER) for of in (windows, pooled, lead)), strict=True):
            outputs = self._matrices("outputs", len(some), 2 * n, windows.shape[2])
            even, odd = outputs.split(n, dim=1)
            torch.bmm(both.expand(len(some), -1, -1), some, out=outputs)
            torch.sub(even, odd, out=ahead)
            torch.maximum(even, odd, out=larger)
            larger.relu_()  # it never falls: the larger output is that of the larger input
        self.given = windows, pooled, lead
        return pooled.flatten(1)

    def backward(self, slope: torch.Tensor, *, of_input: bool) -> torch.Tensor:
        """As of `Dense`; it is always the first layer, so that no gradient by the input is asked for."""
        assert not of_input
        windows, pooled, lead = self.given
        size, n = self.kernel.shape[::2]
        sums = torch.zeros(size + 2, 2 * n)
        parts = (of.split(TOGETHER) for of in (windows, pooled, lead, slope.view_as(pooled)))
        for some, larger, ahead, by_larger in zip(*parts, strict=True):
            outputs = self._matrices("outputs", len(some), 2 * n, windows.shape[2])
            even, odd = outputs.split(n, dim=1)
            _through_threshold(by_larger, larger, 0, grad_input=by_larger)
            _through_threshold(by_larger, ahead, 0, grad_input=even)
            torch.sub(by_larger, even, out=odd)
            sums.addbmm_(some, outputs.mT)
        assert self.kernel.grad is not None
        torch.add(sums[:size, :n], sums[1 : size + 1, n:], out=self.kernel.grad[:, 0])
        torch.add(sums[size + 1, :n], sums[size + 1, n:], out=self.bias.grad)
        return slope

    def _matrices(self, name: str, *shape: int) -> torch.Tensor:
        return self.memory.matrix(name, shape[0], shape[1] * shape[2]).view(shape)


Layers = Sequence[Dense | Convolution]


def of(model: keras.Model, weights: Sequence[torch.Tensor]) -> Layers | None:
    """Return the layers of a head, which change `weights` (in Keras's order); None where one has no rule here."""
    chain = [layer for layer in model.layers if type(layer) is not layers.InputLayer]
    if any(layer.input is not before.output for before, layer in itertools.pairwise(chain)):
        return None
    used, found = iter(weights), list[Dense | Convolution]()
    kinds = [type(layer) for layer in chain]
    of_convolution = [layers.Reshape, layers.Conv1D, layers.MaxPooling1D, layers.Flatten]
    if kinds[:4] == of_convolution:
        if not _is_plain_convolution(*chain[:3]):
            return None
        found.append(Convolution(next(used), next(used)))
        chain = chain[4:]
    while chain:
        dense = chain.pop(0)
        dropout = chain.pop(0).rate if chain and type(chain[0]) is layers.Dropout else 0.0
        expected = "relu" if chain else "softmax"
        if type(dense) is not layers.Dense or not dense.use_bias or dense.activation.__name__ != expected:
            return None
        found.append(Dense(next(used), next(used), not chain, dropout))
    return found


def _is_plain_convolution(reshape: layers.Reshape, conv: layers.Conv1D, pooling: layers.MaxPooling1D) -> bool:
    plain = (conv.strides, conv.dilation_rate, conv.groups, conv.padding) == ((1,), (1,), 1, "valid")
    by_two = (pooling.pool_size, pooling.strides, pooling.padding) == ((2,), (2,), "valid")
    order = {conv.data_format, pooling.data_format} == {"channels_first"}
    relu = conv.use_bias and conv.activation.__name__ == "relu"
    return plain and by_two and order and relu and reshape.output.shape[1] == 1


def gradients(some: Layers, X: torch.Tensor, y: torch.Tensor, masks: Sequence[torch.Tensor]) -> torch.Tensor:
    """Put the gradients of the mean cross-entropy where they belong, and return the cross-entropy.

    `masks` are those of layers with dropout, in their order.
    """
    x, dropped = X, iter(masks)
    for layer in some:
        x = layer.forward(x, next(dropped) if layer.dropout else None)
    p, epsilon = x.softmax(dim=1), keras.config.epsilon()
    right = p.gather(1, y[:, None])
    loss = -right.clip(epsilon, 1 - epsilon).log().mean()
    slope = p.scatter_add_(1, y[:, None], torch.full_like(right, -1.0))
    slope.mul_(((right >= epsilon) & (right <= 1 - epsilon)) / len(y))  # where it is clipped, nothing changes
    for layer in reversed(some):
        slope = layer.backward(slope, of_input=layer is not some[0])
    return loss


def probabilities(some: Layers, X: torch.Tensor) -> torch.Tensor:
    """Return class probabilities with nothing dropped, float32 [utterances, classes]."""
    for layer in some:
        X = layer.forward(X, None)
    return X.softmax(dim=1)
