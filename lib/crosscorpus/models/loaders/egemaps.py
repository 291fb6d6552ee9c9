"""eGeMAPS: 88 numbers about pitch, loudness, voice quality and spectrum, through openSMILE.

They are functionals (means, percentiles, slopes, rates) over the whole clip, one clip at a time. openSMILE's
longest window is 60 ms, and for anything shorter it gives nothing: such clips are lengthened to it with silence.
"""

import ctypes
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosscorpus.base import known_names
from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models.extractor_types import Extractor
from crosscorpus.models.model_registry import Model, NotAvailableError

POOLINGS = {"clip": "functionals over the clip"}
SHORTEST = 960


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Return the extractor; see `loading.load`. There are no weights, and one pooling. It runs on the CPU.

    Raises
    ------
    model_registry.NotAvailableError
        openSMILE is not installed.
    known_names.UnknownNameError
        The dtype is not float32.
    """
    known_names.check(dtype, ["float32"], f"dtype of {model.name}")
    smile = _smile()

    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        # Not `process_signal`, which gives the same numbers in a table, more slowly.
        return np.stack([smile(prepare(w), SAMPLE_RATE)[0, :, 0] for w in waveforms]).astype(np.float32)

    return Extractor(extract, 0, "none", "cpu")


def feature_names() -> list[str]:
    """Return the 88 names of an embedding's numbers, in their order; see `load` for what it raises."""
    return list(_smile().feature_names)


def prepare(waveform: np.ndarray) -> np.ndarray:
    """Return a clip of 60 ms at least, and within what 16 bits can hold.

    openSMILE goes by way of 16-bit integers, in which a sample of 1 or more would turn into one of -1.
    """
    padded = np.pad(waveform, (0, max(0, SHORTEST - len(waveform))))
    return np.clip(padded, -1, np.float32(1 - 2**-15))


def _smile() -> Any:
    found = importlib.util.find_spec("opensmile")
    if found is None or found.origin is None:
        raise NotAvailableError(
            "openSMILE is not installed; `make opensmile` installs it; openSMILE is free for research only"
        )
    # TensorFlow has other functions by the names of those of openSMILE's Fourier transform. If it was imported
    # first, openSMILE would call them, and crash. A library that is loaded like this calls its own.
    if hasattr(os, "RTLD_DEEPBIND"):
        for library in Path(found.origin).parent.glob("core/bin/*/libSMILEapi.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
