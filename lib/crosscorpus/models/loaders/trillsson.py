"""TRILLsson, a SavedModel from TensorFlow Hub: from float32 [batch, samples] to `embedding`, [batch, 1024].

It cuts a clip into windows of about 2 s by itself, and averages over them. It cannot be told which samples are
padding, so only clips of exactly one length are put into one batch.

A clip shorter than one window is lengthened here to exactly 2 s, by its mirror image, its image again, and so on
(numpy's mode "symmetric"). That is what Google's published code of the front end does, too, but this way it is
certain: what the SavedModel does with a short clip never matters.
"""

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosscorpus.base import known_names
from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models import extractor_types
from crosscorpus.models.extractor_types import Extractor
from crosscorpus.models.model_registry import Model, NotAvailableError

POOLINGS = {
    "clip": "the model's own average over the windows of the clip",
    "padded": "the model's own average over all windows of a zero-padded batch of neighbours in alphabetical "
    "order, padding included",
}
SHORTEST = 2 * SAMPLE_RATE


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Load the SavedModel and return its extractor; see `loading.load`.

    It runs on a GPU if that is asked for and TensorFlow sees one, else on the CPU; the extractor's `device` says
    where.

    Raises
    ------
    model_registry.NotAvailableError
        The folder holds no SavedModel, or one that cannot be read.
    ValueError
        The SavedModel is another than the registry's: it does not give `embedding` of its dimension.
    known_names.UnknownNameError
        The dtype is not float32.
    """
    known_names.check(dtype, ["float32"], f"dtype of {model.name}")
    if weights is None or not (weights / "saved_model.pb").is_file():
        raise NotAvailableError(
            f"{model.name}: no SavedModel in {weights}, which must hold saved_model.pb and variables/ of "
            f"{model.handle}"
        )
    tf, hub = _tensorflow()
    on_gpu = device == "cuda" and bool(tf.config.list_physical_devices("GPU"))
    place = "/GPU:0" if on_gpu else "/CPU:0"
    try:
        with tf.device(place):
            network = hub.load(str(weights))
        reader = tf.train.load_checkpoint(str(weights / "variables" / "variables"))
    except (OSError, tf.errors.OpError) as error:
        raise NotAvailableError(
            f"{model.name}: the SavedModel in {weights} cannot be read ({str(error).splitlines()[0]}); fetch "
            f"{model.handle} again"
        ) from error

    def embed(batch: np.ndarray) -> np.ndarray:
        with tf.device(place):
            return network(tf.constant(lengthen(batch)))["embedding"].numpy()

    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        if pooling == "padded":
            longest = max(map(len, waveforms))
            return embed(np.stack([np.pad(w, (0, longest - len(w))) for w in waveforms]))
        clips = [lengthen(w) for w in waveforms]
        vectors = np.empty((len(clips), model.dimension), dtype=np.float32)
        for group in extractor_types.equal_lengths(clips):
            vectors[group] = embed(np.stack([clips[i] for i in group]))
        return vectors

    _check(network, model, tf)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    parameters = sum(math.prod(shape) for name, shape in shapes.items() if dtypes[name].is_floating)
    return Extractor(extract, parameters, "float32", "cuda" if on_gpu else "cpu")


def lengthen(waveforms: np.ndarray) -> np.ndarray:
    """Return float32 [..., samples] mirrored at its end, again and again, until it has 2 s; as it is if it has."""
    missing = max(0, SHORTEST - waveforms.shape[-1])
    return np.pad(waveforms, [(0, 0)] * (waveforms.ndim - 1) + [(0, missing)], mode="symmetric")


def _check(network: Any, model: Model, tf: Any) -> None:
    expected = [2, model.dimension]
    wrong = f"{model.name}: this is not {model.handle}: float32 [2, {SHORTEST}] must give `embedding` {expected}"
    try:
        shape = list(network(tf.zeros([2, SHORTEST]))["embedding"].shape)
    except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{wrong}; it gave {type(error).__name__}: {reason}") from error
    if shape != expected:
        raise ValueError(f"{wrong}; it gave {shape}")


def _tensorflow() -> tuple[Any, Any]:
    # Both count at the import only. Level 2 leaves errors. oneDNN would announce itself at any level, rounds
    # differently from one processor to another, and is not faster for one clip at a time.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import tensorflow_hub as hub

    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        if torch.get_num_threads() == 1:  # one of several processes
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # TensorFlow has run in this process already, and keeps the settings that it has
    return tf, hub
