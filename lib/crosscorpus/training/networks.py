"""A Keras head as a function of its weights, which `torch.func` can differentiate and stack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import torch
from keras import layers

from crosscorpus.training import train

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

    def gradients(self, X: torch.Tensor, y: torch.Tensor, masks: Tensors) -> torch.Tensor:
        """Put the gradients of the mean cross-entropy into `grad` of the weights, and return the cross-entropy."""
        for weight in self.weights:
            weight.requires_grad_().grad = None
        loss = train.cross_entropy(self.probabilities(self.weights, X, masks), y)
        loss.backward()
        return loss.detach()

    @torch.no_grad()
    def answers(self, X: torch.Tensor) -> torch.Tensor:
        """Return class probabilities with nothing dropped, float32 [utterances, classes]."""
        return self.probabilities(self.weights, X, None)


def has_state(model: keras.Model) -> bool:
    """Return whether training changes more than weights and the seeds of dropout: batch normalisation does."""
    seeds = {id(layer.seed_generator.state) for layer in _dropouts(model)}
    return any(id(variable) not in seeds for variable in model.non_trainable_variables)


def _dropouts(model: keras.Model) -> list[layers.Dropout]:
    return [layer for layer in model.layers if type(layer) is layers.Dropout and layer.rate]


def network(model: keras.Model) -> Network:
    """Return a Keras head without a state as a function of its weights."""
    weights = [variable.value.detach().clone() for variable in model.trainable_variables]
    return Network(weights, _by_keras(model), _dropouts(model))


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
