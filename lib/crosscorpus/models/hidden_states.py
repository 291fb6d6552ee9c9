"""Layers of a model: what they are called, how many there are, and one vector of each.

Layer 0 is the input embedding, what goes into the first layer of the transformer. Layer n is what its n-th layer
puts out; the last one's are "the last hidden states", after a final norm where the network has one. `last` is that
layer, and `mean` the mean of all, the input embedding included.
"""

from collections.abc import Sequence

import numpy as np

from crosscorpus.base import known_names
from crosscorpus.models import extractor_types, loading, model_registry

LAST, MEAN = "last", "mean"
FRAMES_PER_SECOND = 50
"""Of all models with layers that are run here: a frame stands for 20 ms."""


def count(ptm: str) -> int:
    """Return the number of a model's last layer; 0 for one that has no layers here."""
    model = model_registry.get(ptm)
    declared = loading.declared(model.loader, "LAYERS")
    return int(model.architecture.get(declared["setting"], declared["default"])) if declared else 0


def names(ptm: str) -> list[str]:
    """Return what a layer of a model may be called; `last` alone for a model without layers."""
    last = count(ptm)
    return [LAST, MEAN, *(str(number) for number in range(last + 1))] if last else [LAST]


def name(ptm: str, layer: str | int) -> str:
    """Return a layer's name: `last`, `mean` or a number, and `last` for the number of the last.

    Raises
    ------
    known_names.UnknownNameError
        The model has no such layer; the message lists those that it has.
    """
    given = known_names.check(str(layer), names(ptm), f"layer of {model_registry.get(ptm).name}")
    return LAST if given == str(count(ptm)) else given


def numbers(ptm: str, layer: str) -> list[int]:
    """Return the numbers of the layers that a name stands for: one, or for `mean` all of them."""
    chosen, last = name(ptm, layer), count(ptm)
    return list(range(last + 1)) if chosen == MEAN else [last if chosen == LAST else int(chosen)]


def pooled(ptm: str, extractor: extractor_types.Extractor, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Return one vector a layer, float32 [utterances, layers, dim], each pooled as the extractor's embeddings.

    Raises
    ------
    model_registry.NotAvailableError
        The extractor has no layers.
    """
    return np.stack(_states(ptm, extractor)(waveforms, range(count(ptm) + 1), True))


def frames(
    ptm: str, extractor: extractor_types.Extractor, waveforms: Sequence[np.ndarray], layer: str = LAST
) -> list[np.ndarray]:
    """Return all hidden states of a layer, one array float32 [frames, dim] an utterance; raises as `pooled`."""
    states = _states(ptm, extractor)(waveforms, numbers(ptm, layer), False)
    return [one.mean(axis=0) if len(one) > 1 else one[0] for one in states]


def _states(ptm: str, extractor: extractor_types.Extractor) -> extractor_types.States:
    if extractor.states is None:
        raise model_registry.NotAvailableError(
            f"{model_registry.get(ptm).name}: with this pooling it gives one vector an utterance, and no layers "
            "or frames; use the pooling clip of a model that has layers"
        )
    return extractor.states


def chosen(vectors: np.ndarray, layer: str) -> np.ndarray:
    """Return one layer of vectors [utterances, layers, dim], as float32 [utterances, dim]."""
    if layer == MEAN:
        return vectors.mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(vectors[:, -1 if layer == LAST else int(layer)], dtype=np.float32)
