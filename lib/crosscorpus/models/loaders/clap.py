"""CLAP's audio encoder (HTSAT), a transformer on the picture of a spectrum, through transformers.

CLAP hears 10 s at 48 kHz. A shorter clip is repeated as often as it fits whole, and filled up with silence, as its
own preprocessing does; a longer one is cut into windows of 10 s, and not at a random place, as there. Clips come
at 16 kHz, so nothing above 8 kHz is heard. The states are a map of 2 bands by 32 times, which does not follow the
clip: they are averaged, windows by how much of the clip each holds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from torch import nn
from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models.extractor_types import Extract, Extractor
from crosscorpus.models.loaders import transformer
from crosscorpus.models.model_registry import Model

POOLINGS = {"clip": "mean over the map of states of 10-s windows, a shorter clip repeated to fill one"}
RATE = 48_000
SECONDS = 10


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Load the encoder and return its extractor; see `loading.load`.

    Raises
    ------
    model_registry.NotAvailableError
        The files of the weights are not there or cannot be read.
    ValueError
        The files are those of another model than the registry's.
    """
    encoder, stored = transformer.load(model, weights, _encoder_of, lambda: build(model), dtype)
    how = {"truncation": "rand_trunc", "padding": "repeatpad"}
    features = ClapFeatureExtractor.from_pretrained(weights, **how) if weights else ClapFeatureExtractor(**how)
    parameters = transformer.count(encoder, model)
    return Extractor(_mean(transformer.place(encoder, device, dtype), features), parameters, stored, device)


def build(model: Model) -> Any:
    """Return a model's encoder with random weights."""
    return ClapAudioModel(ClapAudioConfig(**model.architecture))


class AudioAlone(ClapAudioModel):
    """The audio encoder of a whole model's files, whose encoder of texts is not read."""

    _keys_to_ignore_on_load_unexpected = (r"^text_", r"^audio_projection\.", r"^logit_scale")


def _encoder_of(weights: Path, **options: Any) -> tuple[nn.Module, dict]:
    return AudioAlone.from_pretrained(weights, key_mapping={r"^audio_model\.": ""}, **options)


def _mean(encoder: Any, features: ClapFeatureExtractor) -> Extract:
    longest = SECONDS * SAMPLE_RATE

    def picture(window: np.ndarray) -> torch.Tensor:
        """Return the mel spectrum [1, 1001, 64] of a window of at most 10 s at 16 kHz."""
        fine = soxr.resample(window, SAMPLE_RATE, RATE, quality="HQ")[: SECONDS * RATE]
        fine = np.pad(fine, (0, max(0, 1 - len(fine))))
        return features(fine, sampling_rate=RATE, return_tensors="pt").input_features[0]

    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        windows = [w[at : at + longest] for w in waveforms for at in range(0, len(w), longest)]
        owners = np.array([i for i, w in enumerate(waveforms) for _ in range(0, len(w), longest)])
        per = 1 if encoder.device.type == "cpu" else len(windows)
        vectors = []
        for at in range(0, len(windows), per):
            batch = torch.stack([picture(w) for w in windows[at : at + per]])
            vectors.append(encoder(batch.to(encoder.device, encoder.dtype)).pooler_output.float().cpu().numpy())
        lengths = np.array([len(w) for w in windows], dtype=np.float64)[:, None]
        sums = np.zeros((len(waveforms), vectors[0].shape[1]))
        np.add.at(sums, owners, np.concatenate(vectors) * lengths)
        return (sums / np.array([len(w) for w in waveforms])[:, None]).astype(np.float32)

    return extract
