"""wav2vec 2.0 and its kin (XLS-R, MMS, UniSpeech-SAT, WavLM, HuBERT, data2vec), through transformers.

Convolutions turn 400 samples (25 ms) into a frame, every 320 samples (20 ms); a transformer works on the frames.
Clips shorter than one frame are lengthened with silence.

A batch must not change what its utterances' embeddings are. So the first convolution's group norm, which runs over
time, looks at each clip's own frames only, and the transformer gets an attention mask.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from transformers import Wav2Vec2FeatureExtractor
from transformers.models.data2vec.modeling_data2vec_audio import Data2VecAudioPositionalConvEmbedding
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from crosscorpus.base.sound import SAMPLE_RATE
from crosscorpus.models import extractor_types
from crosscorpus.models.extractor_types import Extractor
from crosscorpus.models.loaders import data2vec, layer_taps, transformer
from crosscorpus.models.model_registry import Model

POOLINGS = {
    "clip": "mean over the frames that the clip covers",
    "padded": "mean over all frames of a zero-padded batch of neighbours in alphabetical order, padding included",
}
LAYERS = {"setting": "num_hidden_layers", "default": 12}
SHORTEST = 400


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Load the network and return its extractor; see `loading.load`.

    Raises
    ------
    model_registry.NotAvailableError
        The files of the weights are not there or cannot be read.
    ValueError
        The files are those of another model than the registry's.
    """
    kind = getattr(transformers, model.architecture["class"])
    loaded = functools.partial(kind.from_pretrained, use_safetensors=_safetensors(model, weights))
    network, stored = transformer.load(model, weights, loaded, lambda: build(model), dtype)
    # The checkpoint's own file decides; the registry's words are for networks without one.
    make = Wav2Vec2FeatureExtractor
    features = make.from_pretrained(weights) if weights else make(**model.architecture["preprocessing"])
    parameters = transformer.count(network, model)
    for module in network.modules():
        if isinstance(module, WavLMAttention):
            module.torch_multi_head_self_attention = functools.partial(attend, module)
        if isinstance(module, Data2VecAudioPositionalConvEmbedding):
            module.forward = functools.partial(data2vec.positions, module)
    network = transformer.place(network, device, dtype)
    if pooling == "padded":
        return Extractor(_padded(network, features), parameters, stored, device)
    extract, states = _clip(network, features.do_normalize)
    return Extractor(extract, parameters, stored, device, states)


def _safetensors(model: Model, weights: Path | None) -> bool | None:
    # The file that the registry lists, whose checksum it knows, though another format may stand beside it; None
    # (whatever is there) for a copy of one's own that lacks it.
    listed = [f for f in model.files if not f.endswith(".json") and weights and (weights / f).is_file()]
    return listed[0].endswith(".safetensors") if listed else None


def build(model: Model) -> Any:
    """Return a model's network with random weights."""
    kind = getattr(transformers, model.architecture["class"])
    settings = {k: v for k, v in model.architecture.items() if k not in ("class", "preprocessing")}
    return kind(kind.config_class(**settings))


def clip_by_clip(device: str) -> bool:
    """Return whether clips are convolved one by one: on a CPU, where the states of one stay in the cache."""
    return device == "cpu"


def _clip(network: Any, normalise: bool) -> tuple[extractor_types.Extract, extractor_types.States]:
    norm = None
    if getattr(network.config, "feat_extract_norm", "layer") == "group":  # data2vec has layer norms alone
        first = network.feature_extractor.conv_layers[0]
        norm = first.layer_norm = OwnFramesNorm(first.layer_norm)

    def convolve(waveforms: list[np.ndarray]) -> torch.Tensor:
        batch = np.zeros((len(waveforms), max(map(len, waveforms))), dtype=np.float32)
        for row, waveform in zip(batch, waveforms, strict=True):
            row[: len(waveform)] = waveform
        if norm is not None:
            kernel, stride = network.config.conv_kernel[0], network.config.conv_stride[0]
            norm.frames = [(len(w) - kernel) // stride + 1 for w in waveforms]
        states = network.feature_extractor(torch.from_numpy(batch).to(network.device, network.dtype))
        projected = network.feature_projection(states.transpose(1, 2))
        return projected[0] if isinstance(projected, tuple) else projected  # HuBERT's is alone

    def prepared(waveforms: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        clips = [prepare(w, normalise) for w in waveforms]
        groups = [[c] for c in clips] if clip_by_clip(network.device.type) else [clips]
        parts = [states for group in groups for states in convolve(group)]
        frames = network._get_feat_extract_output_lengths(torch.tensor([len(c) for c in clips])).tolist()
        states = nn.utils.rnn.pad_sequence([p[:n] for p, n in zip(parts, frames, strict=True)], batch_first=True)
        mask = torch.arange(states.shape[1])[None] < torch.tensor(frames)[:, None]
        return states, mask.to(network.device), frames

    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        states, mask, frames = prepared(waveforms)
        hidden = network.encoder(states, attention_mask=mask).last_hidden_state
        sums = (hidden.float() * mask[..., None]).sum(dim=1)
        return (sums.cpu() / torch.tensor(frames)[:, None]).numpy()

    @torch.inference_mode()
    def by_layer(waveforms: Sequence[np.ndarray], layers: Sequence[int], pooled: bool) -> list[np.ndarray]:
        states, mask, frames = prepared(waveforms)
        found = layer_taps.every(
            lambda: network.encoder(states, attention_mask=mask).last_hidden_state,
            frames,
            network.encoder.layers,
            layers,
            pooled,
        )
        each = [one / n if pooled else one for one, n in zip(found, frames, strict=True)]
        return [one.float().cpu().numpy() for one in each]

    return extract, by_layer


def _padded(network: Any, features: Wav2Vec2FeatureExtractor) -> extractor_types.Extract:
    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        clips = [np.pad(w, (0, max(0, SHORTEST - len(w)))) for w in waveforms]
        batch = features(clips, sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt")
        batch["input_values"] = batch["input_values"].to(network.dtype)
        hidden = network(**batch.to(network.device)).last_hidden_state  # with a mask where the checkpoint has one
        return hidden.float().mean(dim=1).cpu().numpy()

    return extract


def prepare(waveform: np.ndarray, normalise: bool) -> np.ndarray:
    """Return a clip as the network expects it: normalised if its checkpoint says so, of 400 samples at least."""
    if normalise:  # as Wav2Vec2FeatureExtractor does it
        waveform = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
    return np.pad(waveform, (0, max(0, SHORTEST - len(waveform)))).astype(np.float32)


def attend(
    attention: WavLMAttention, states: torch.Tensor, mask: torch.Tensor | None, bias: torch.Tensor
) -> tuple[torch.Tensor, None]:
    """Return WavLM's attention, without the weights that transformers computes along with it and nobody needs.

    Parameters
    ----------
    attention
        The layer, of `heads` heads.
    states
        float [batch, frames, dim].
    mask
        True for a clip's own frames [batch, frames]; None where all are.
    bias
        Of relative positions, gated: float [batch x heads, frames, frames].
    """
    batch, frames, _ = states.shape
    heads = attention.num_heads
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    query, key, value = (p(states).view(batch, frames, heads, -1).transpose(1, 2) for p in projections)
    bias = bias.view(batch, heads, frames, frames).to(states.dtype)
    if mask is not None:
        bias = bias.masked_fill(~mask.bool()[:, None, None], float("-inf"))
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return attention.out_proj(mixed.transpose(1, 2).reshape(states.shape)), None


class OwnFramesNorm(nn.Module):
    """A group norm with one channel a group, over the first `frames[i]` frames of batch row i only."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm
        self.frames: list[int] = []

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Normalise float [batch, channels, frames]; frames beyond a row's own are zero."""
        if min(self.frames) == states.shape[2]:
            return self.norm(states)
        frames = torch.tensor(self.frames, device=states.device)[:, None, None]
        own = torch.arange(states.shape[2], device=states.device) < frames
        x = states.float()  # statistics of bfloat16 need it
        mean = torch.where(own, x, 0).sum(dim=2, keepdim=True) / frames
        centred = torch.where(own, x - mean, 0)
        variance = centred.square().sum(dim=2, keepdim=True) / frames
        normed = centred * torch.rsqrt(variance + self.norm.eps)
        scaled = normed * self.norm.weight[:, None] + self.norm.bias[:, None]
        return torch.where(own, scaled, 0).to(states.dtype)
