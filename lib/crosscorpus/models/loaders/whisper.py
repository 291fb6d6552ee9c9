"""Whisper's encoder, through transformers.

Whisper sees a fixed window of 30 s: shorter clips are padded with silence before the log-mel spectrogram, and
the encoder puts out 1500 frames of 20 ms whatever the clip's length. Longer clips are cut into windows, and
their frames are averaged as if they had been one. The pooling `exact` gives the encoder the clip's own frames
alone, at its first positions: much less work, and not what the model was trained on.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models.extractor_types import Extract, Extractor, States
from crosscorpus.models.loaders import layer_taps, transformer
from crosscorpus.models.model_registry import Model

POOLINGS = {
    "clip": "mean over the frames that the clip covers, one per started 20 ms",
    "window": "mean over all 1500 frames of the 30-s window, padding included",
    "exact": "mean over the clip's frames, with nothing but the clip given to the encoder",
}
LAYERS = {"setting": "encoder_layers", "default": 6}
WINDOW = 30 * SAMPLE_RATE
FRAME = SAMPLE_RATE // 50


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
    features = WhisperFeatureExtractor.from_pretrained(weights) if weights else _features(model)
    parameters = transformer.count(encoder, model)
    encoder = transformer.place(encoder, device, dtype)
    states = _exact(encoder, features) if pooling == "exact" else _whole(encoder, features, pooling)
    return Extractor(_mean_over_windows(states), parameters, stored, device, _by_layer(states, encoder.layers))


def build(model: Model) -> Any:
    """Return a model's encoder with random weights."""
    return WhisperEncoder(WhisperConfig(**model.architecture))


def _features(model: Model) -> WhisperFeatureExtractor:
    bands = WhisperConfig(**model.architecture).num_mel_bins  # 128 instead of 80 from large-v3 on
    return WhisperFeatureExtractor(feature_size=bands)


class EncoderAlone(WhisperEncoder):
    """The encoder of a whole model's files, whose decoder (most of the larger models) is not read."""

    _keys_to_ignore_on_load_unexpected = (r"(^|\.)decoder\.", r"^proj_out\.")


def _encoder_of(weights: Path, **options: Any) -> tuple[nn.Module, dict]:
    names = {r"^(model\.)?encoder\.": ""}
    return EncoderAlone.from_pretrained(weights, key_mapping=names, use_safetensors=True, **options)


def frame_count(samples: int) -> int:
    """Return the number of 20-ms encoder frames that a clip of so many samples (at 16 kHz) covers."""
    return -(-samples // FRAME)


def _mean_over_windows(states: Any) -> Extract:
    """Return the extractor: `states` takes, of windows of at most 30 s, those frames of each that are pooled."""

    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        windows, owners = _cut(waveforms)
        pooled = states(windows)
        sums = np.zeros((len(waveforms), pooled[0].shape[1]))
        frames = np.zeros((len(waveforms), 1))
        for owner, own in zip(owners, pooled, strict=True):
            sums[owner] += own.float().cpu().numpy().sum(axis=0, dtype=np.float64)
            frames[owner] += len(own)
        return (sums / frames).astype(np.float32)

    return extract


def _cut(waveforms: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    windows = [w[at : at + WINDOW] for w in waveforms for at in range(0, len(w), WINDOW)]
    return windows, [i for i, w in enumerate(waveforms) for _ in range(0, len(w), WINDOW)]


def _by_layer(states: Any, stack: Any) -> States:
    @torch.inference_mode()
    def by_layer(waveforms: Sequence[np.ndarray], layers: Sequence[int], pooled: bool) -> list[np.ndarray]:
        windows, owners = _cut(waveforms)
        frames: list[int] = []

        def every(run: layer_taps.Run, own: Sequence[int]) -> list[torch.Tensor]:
            frames.extend(own)
            return layer_taps.every(run, own, stack, layers, pooled)

        parts = [part.cpu().numpy() for part in states(windows, every)]
        found = []
        for utterance in range(len(waveforms)):
            own = [i for i, owner in enumerate(owners) if owner == utterance]
            if pooled:
                found.append(np.sum([parts[i] for i in own], axis=0) / sum(frames[i] for i in own))
            else:
                found.append(np.concatenate([parts[i] for i in own], axis=1))
        return [one.astype(np.float32, copy=False) for one in found]

    return by_layer


def _whole(encoder: Any, features: WhisperFeatureExtractor, pooling: str) -> Any:
    how = {"sampling_rate": SAMPLE_RATE, "return_tensors": "pt", "device": encoder.device.type}

    def states(windows: list[np.ndarray], take: Any = layer_taps.last) -> list[torch.Tensor]:
        # A window is work enough for a CPU, and its states stay in the cache.
        per = 1 if encoder.device.type == "cpu" else len(windows)
        hidden: list[torch.Tensor] = []
        for at in range(0, len(windows), per):
            part = windows[at : at + per]
            mels = features(part, **how).input_features.to(encoder.device, encoder.dtype)
            own = [frame_count(len(w)) if pooling == "clip" else WINDOW // FRAME for w in part]
            hidden += take(lambda mels=mels: encoder(mels).last_hidden_state, own)
        return hidden

    return states


def _exact(encoder: Any, features: WhisperFeatureExtractor) -> Any:
    how = {"sampling_rate": SAMPLE_RATE, "return_tensors": "pt", "device": encoder.device.type}

    def mel(window: np.ndarray) -> torch.Tensor:
        # A frame is two columns of the spectrogram. The padding beyond them lets the last columns see silence, as
        # they do in the whole window, and not a mirror image of the clip's end.
        columns = 2 * frame_count(len(window))
        room = columns * features.hop_length + features.n_fft - len(window)
        padded = np.pad(window, (0, room))
        made = features(padded, padding=False, **how).input_features
        return made[0, :, :columns].T

    def states(windows: list[np.ndarray], take: Any = layer_taps.last) -> list[torch.Tensor]:
        frames = [frame_count(len(w)) for w in windows]
        # Columns come in pairs, so the strided convolution sees none of a shorter clip's padding.
        mels = nn.utils.rnn.pad_sequence([mel(w) for w in windows], batch_first=True).transpose(1, 2)
        x = nn.functional.gelu(encoder.conv1(mels.to(encoder.device, encoder.dtype)))
        x = nn.functional.gelu(encoder.conv2(x)).transpose(1, 2)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        own = torch.arange(x.shape[1])[None] < torch.tensor(frames)[:, None]
        mask = None if bool(own.all()) else own[:, None, None].to(encoder.device)

        def run() -> torch.Tensor:
            return encoder.layer_norm(functools.reduce(lambda x, layer: layer(x, mask), encoder.layers, x))

        return take(run, frames)

    return states
