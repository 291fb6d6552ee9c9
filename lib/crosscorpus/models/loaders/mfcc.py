"""Mean and standard deviation of mel-frequency cepstral coefficients over a clip, through SpeechBrain.

Every 10 ms there are 20 coefficients of a spectrum of 25 ms, with their first and second derivatives over time:
60 numbers. An embedding is their means and then their standard deviations over the clip's frames. A clip of one
sample makes one frame, whose standard deviations are 0, so clips may be of any length.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crosscorpus.base import known_names
from crosscorpus.models import extractor_types
from crosscorpus.models.extractor_types import Extractor
from crosscorpus.models.loaders import speaker
from crosscorpus.models.model_registry import Model

POOLINGS = {"clip": "mean and standard deviation over frames"}


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Return the extractor; see `loading.load`. There are no weights, and one pooling.

    Raises
    ------
    known_names.UnknownNameError
        The dtype is not float32.
    """
    import torch

    known_names.check(dtype, ["float32"], f"dtype of {model.name}")
    features = speaker.speechbrain("lobes.features")
    coefficients = features.MFCC(n_mfcc=20, deltas=True, context=False).eval().to(device)

    @torch.inference_mode()
    def embed(clips: Sequence[np.ndarray]) -> np.ndarray:
        frames = coefficients(torch.from_numpy(np.stack(clips)).to(device))
        return torch.cat([frames.mean(dim=1), frames.std(dim=1, correction=0)], dim=1).cpu().numpy()

    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        vectors = np.empty((len(waveforms), model.dimension), dtype=np.float32)
        for group in extractor_types.equal_lengths(waveforms):
            vectors[group] = embed([waveforms[i] for i in group])
        return vectors

    return Extractor(extract, 0, "none", device)
