"""A SavedModel with TRILLsson's interface and random weights: its network is published with its weights alone."""

from pathlib import Path

import numpy as np


def save(folder: Path, dimension: int = 1024, key: str = "embedding", shortest: int = 32_000) -> Path:
    """Write the SavedModel: windows of 2 s, random features of each, averaged; return its folder.

    Parameters
    ----------
    folder
        Where it is written.
    dimension, key
        Of an embedding, and its name among what the model returns.
    shortest
        Samples that a clip has at least; it refuses shorter ones.
    """
    import tensorflow as tf

    class Stand(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            rng = np.random.default_rng(0)
            self.weight = tf.Variable(rng.normal(scale=0.1, size=(500, dimension)), dtype=tf.float32)
            self.bias = tf.Variable(rng.normal(size=dimension), dtype=tf.float32)
            self.calls = tf.Variable(0, dtype=tf.int64)

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
        def __call__(self, samples):  # type: ignore[no-untyped-def]
            tf.debugging.assert_greater_equal(tf.shape(samples)[1], shortest, "too short")
            windows = tf.signal.frame(samples, 32_000, 32_000)
            level = tf.math.log(1e-6 + tf.reduce_mean(tf.signal.frame(windows, 64, 64) ** 2, axis=-1))
            found = tf.tanh(tf.tensordot(level, self.weight, 1) + self.bias)
            return {key: tf.reduce_mean(found, axis=1)}

    tf.saved_model.save(Stand(), str(folder))
    return folder
