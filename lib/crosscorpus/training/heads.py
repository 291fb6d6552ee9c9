"""The paper's two heads (its Figure 1), as Keras models; how they are trained is another module's matter.

Both take a batch of embeddings [utterances, dim] and put out class probabilities [utterances, classes]. Every
choice that the paper leaves open is a setting of the protocol (`data/protocol.yaml`).
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pandas as pd

from crosscorpus.base import known_names
from crosscorpus.protocols.protocol_settings import Protocol

if TYPE_CHECKING:
    import keras

# Keras takes seconds to import, and most chapters ask for the names of heads alone: functions import it.


def fcn(dim: int, n_classes: int, protocol: Protocol) -> keras.Model:
    """Return the fully connected network of Figure 1 (a): dense layers, then softmax."""
    import keras

    embedding = keras.Input((dim,), name="embedding")
    hidden = _dense_block(embedding, protocol["fcn_widths"], protocol)
    return keras.Model(embedding, _softmax(hidden, n_classes), name="fcn")


def cnn(dim: int, n_classes: int, protocol: Protocol) -> keras.Model:
    """Return the network of Figure 1 (b): 1D convolution, max-pooling, flatten, dense layers, then softmax.

    The embedding is read as one channel of `dim` steps.
    """
    import keras
    from keras import layers

    first = {"data_format": "channels_first"}  # torch's own order: a sixth faster, the same network
    embedding = keras.Input((dim,), name="embedding")
    sequence = layers.Reshape((1, dim))(embedding)
    filters, kernel = protocol["cnn_filters"], protocol["cnn_kernel"]
    convolved = layers.Conv1D(filters, kernel, activation=protocol["activation"], **first)(sequence)
    pooled = layers.MaxPooling1D(protocol["cnn_pool"], **first)(convolved)
    hidden = _dense_block(layers.Flatten()(pooled), protocol["cnn_widths"], protocol)
    return keras.Model(embedding, _softmax(hidden, n_classes), name="cnn")


def _dense_block(x: Any, widths: list[int], protocol: Protocol) -> Any:
    from keras import layers

    for width in widths:
        x = layers.Dense(width, activation=protocol["activation"])(x)
        # A seed of its own, drawn from Keras's: otherwise masks come from torch's global stream, and would depend
        # on what else draws from it.
        x = layers.Dropout(protocol["dropout"], seed=random.randrange(2**31))(x)
    return x


def _softmax(x: Any, n_classes: int) -> Any:
    from keras import layers

    return layers.Dense(n_classes, activation="softmax", name="emotion")(x)


HEADS = {"fcn": fcn, "cnn": cnn}


def build(head: str, dim: int, n_classes: int, protocol: Protocol) -> keras.Model:
    """Return a new, untrained head by name ("fcn" or "cnn"); Keras's seed decides its weights."""
    return HEADS[known_names.check(head, HEADS, "head")](dim, n_classes, protocol)


def describe(model: keras.Model) -> pd.DataFrame:
    """Return the layers of a head: layer, output shape, trainable parameters."""
    rows = [
        (layer.name, " × ".join(str(size) for size in layer.output.shape[1:]), layer.count_params())
        for layer in model.layers
    ]
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def sizes(dimensions: list[int], n_classes: int, protocol: Protocol) -> pd.DataFrame:
    """Return the trainable parameters (millions) of each head by dimension of the embedding."""
    table = {
        name.upper(): [_n_parameters(name, dim, n_classes, protocol) / 1e6 for dim in dimensions] for name in HEADS
    }
    return pd.DataFrame(table, index=pd.Index(dimensions, name="dimension"))


def _n_parameters(head: str, dim: int, n_classes: int, protocol: Protocol) -> int:
    # The paper's heads by arithmetic: a page that only counts them need not load Keras and PyTorch, for seconds.
    if HEADS[head] is fcn:
        return _n_dense(dim, protocol["fcn_widths"], n_classes)
    if HEADS[head] is cnn:
        filters, kernel = protocol["cnn_filters"], protocol["cnn_kernel"]
        pooled = filters * ((dim - kernel + 1) // protocol["cnn_pool"])
        return filters * (kernel + 1) + _n_dense(pooled, protocol["cnn_widths"], n_classes)
    return build(head, dim, n_classes, protocol).count_params()


def _n_dense(dim: int, widths: list[int], n_classes: int) -> int:
    return sum((before + 1) * width for before, width in itertools.pairwise([dim, *widths, n_classes]))
