"""w2v-BERT 2.0, a conformer on mel bands, through transformers.

A spectrum of 25 ms is taken every 10 ms; each of its 80 mel bands is brought to mean 0 and variance 1 over the
clip; two of them make a frame of 20 ms. Clips with fewer than two are lengthened with silence. Convolutions look
back alone, and get zeros for padding, as attention gets a mask, so a batch changes nothing.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models.extractor_types import Extract, Extractor, States
from crosscorpus.models.loaders import layer_taps, transformer
from crosscorpus.models.model_registry import Model

POOLINGS = {"clip": "mean over the frames that the clip covers"}
LAYERS = {"setting": "num_hidden_layers", "default": 24}
SHORTEST = 560
"""Samples of two spectra: the variance of one is not defined."""


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Load the network and return its extractor; see `loading.load`.

    Raises
    ------
    model_registry.NotAvailableError
        The files of the weights are not there or cannot be read.
    ValueError
        The files are those of another model than the registry's.
    """
    loaded = functools.partial(Wav2Vec2BertModel.from_pretrained, use_safetensors=True)
    network, stored = transformer.load(model, weights, loaded, lambda: build(model), dtype)
    make = SeamlessM4TFeatureExtractor
    features = make.from_pretrained(weights) if weights else make(padding_value=1)
    parameters = transformer.count(network, model)
    extract, states = _clip(transformer.place(network, device, dtype), features)
    return Extractor(extract, parameters, stored, device, states)


def build(model: Model) -> Any:
    """Return a model's network with random weights."""
    return Wav2Vec2BertModel(Wav2Vec2BertConfig(**model.architecture))


def _clip(network: Any, features: SeamlessM4TFeatureExtractor) -> tuple[Extract, States]:
    def prepare(waveform: np.ndarray) -> torch.Tensor:
        """Return a clip's own frames [frames, 160]; a last spectrum without a second is left out."""
        clip = np.pad(waveform, (0, max(0, SHORTEST - len(waveform))))
        made = features(clip, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return made.input_features[0][made.attention_mask[0].bool()]

    def padded(waveforms: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        clips = [prepare(w) for w in waveforms]
        frames = torch.tensor([len(c) for c in clips])
        batch = nn.utils.rnn.pad_sequence(clips, batch_first=True).to(network.device, network.dtype)
        mask = (torch.arange(batch.shape[1])[None] < frames[:, None]).to(network.device)
        return batch, mask, frames

    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        batch, mask, frames = padded(waveforms)
        hidden = network(batch, attention_mask=mask).last_hidden_state
        sums = (hidden.float() * mask[..., None]).sum(dim=1)
        return (sums.cpu() / frames[:, None]).numpy()

    @torch.inference_mode()
    def by_layer(waveforms: Sequence[np.ndarray], layers: Sequence[int], pooled: bool) -> list[np.ndarray]:
        batch, mask, frames = padded(waveforms)
        found = layer_taps.every(
            lambda: network(batch, attention_mask=mask).last_hidden_state,
            frames.tolist(),
            network.encoder.layers,
            layers,
            pooled,
        )
        each = [one / n if pooled else one for one, n in zip(found, frames.tolist(), strict=True)]
        return [one.float().cpu().numpy() for one in each]

    return extract, by_layer
