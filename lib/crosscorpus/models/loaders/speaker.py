"""x-vector and ECAPA-TDNN, two networks that were trained to tell speakers apart, through SpeechBrain.

A spectrum of 25 ms is taken every 10 ms, brought to decibels on a mel scale, and freed of its mean over the clip.
Convolutions work on these frames, and statistics over time make one vector of them. It is what SpeechBrain's
`EncoderClassifier.encode_batch` gives by default, which leaves the embedding itself as it is. The network is put
together here: the published `hyperparams.yaml` could construct any Python object.

Convolutions mirror a clip at its ends, and statistics run over all of it, so only clips of exactly one length are
put into one batch. Mirroring needs 5 frames: clips shorter than 40 ms are lengthened to it with silence.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from crosscorpus.base import known_names
from crosscorpus.models import extractor_types
from crosscorpus.models.extractor_types import Extractor
from crosscorpus.models.model_registry import Model, NotAvailableError

POOLINGS = {
    "clip": "the network's own statistics over the frames of the clip",
    "padded": "the network's own statistics over all frames of a zero-padded batch of neighbours in alphabetical "
    "order, padding included",
}
SHORTEST = 640
WEIGHTS = "embedding_model.ckpt"


def load(model: Model, weights: Path | None, pooling: str, device: str, dtype: str) -> Extractor:
    """Load the network and return its extractor; see `loading.load`.

    Raises
    ------
    model_registry.NotAvailableError
        The file of the weights is not there.
    ValueError
        The file holds weights of another network than the registry's.
    known_names.UnknownNameError
        The dtype is not float32, or the registry names a class that is not known here.
    """
    import torch

    known_names.check(dtype, ["float32"], f"dtype of {model.name}")
    n_mels = model.architecture["n_mels"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.seed or 0)
        network = build(model)
    if model.seed is None:
        file = weights / WEIGHTS if weights else Path(WEIGHTS)
        if not file.is_file():
            raise NotAvailableError(f"{model.name}: {file} is not there; it comes with {model.handle}")
        try:
            network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        except RuntimeError as error:
            raise ValueError(
                f"{model.name}: {file} does not hold the weights of a {type(network).__name__} with {n_mels} mel "
                f"bands; fetch "
                f"{model.handle} again ({' '.join(str(error).split())[:200]})"
            ) from error
    network = network.eval().requires_grad_(False).to(device)
    features = speechbrain("lobes.features").Fbank(n_mels=n_mels).eval().to(device)
    normalise = speechbrain("processing.features").InputNormalization(norm_type="sentence", std_norm=False)

    @torch.inference_mode()
    def embed(clips: Sequence[np.ndarray]) -> np.ndarray:
        batch = torch.from_numpy(np.stack(clips)).to(device)
        return network(normalise(features(batch))).squeeze(1).cpu().numpy()

    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        clips = [lengthen(w, SHORTEST) for w in waveforms]
        if pooling == "padded":
            clips = [lengthen(c, max(map(len, clips))) for c in clips]
        vectors = np.empty((len(clips), model.dimension), dtype=np.float32)
        for group in extractor_types.equal_lengths(clips):
            vectors[group] = embed([clips[i] for i in group])
        return vectors

    parameters = sum(p.numel() for p in network.parameters())
    return Extractor(extract, parameters, "float32", device)


def build(model: Model) -> Any:
    """Return a model's network with random weights, as SpeechBrain's published checkpoints have it.

    It takes mel bands, float32 [batch, frames, n_mels], and gives [batch, 1, 512 or 192].
    """
    kind, n_mels = model.architecture["class"], model.architecture["n_mels"]
    if known_names.check(kind, ["Xvector", "ECAPA_TDNN"], "class of a speaker model") == "ECAPA_TDNN":
        return speechbrain("lobes.models.ECAPA_TDNN").ECAPA_TDNN(
            n_mels,
            channels=[1024, 1024, 1024, 1024, 3072],
            kernel_sizes=[5, 3, 3, 3, 1],
            dilations=[1, 2, 3, 4, 1],
            attention_channels=128,
            lin_neurons=192,
        )
    network = speechbrain("lobes.models.Xvector").Xvector(
        in_channels=n_mels,
        tdnn_blocks=5,
        tdnn_channels=[512, 512, 512, 512, 1500],
        tdnn_kernel_sizes=[5, 3, 3, 1, 1],
        tdnn_dilations=[1, 2, 3, 1, 1],
        lin_neurons=512,
    )
    still(network)
    return network


def still(network: Any) -> None:
    """Let an x-vector's statistics be the same whenever and beside whatever they are taken, in place.

    SpeechBrain adds noise to the means over time, in evaluation too: Gaussian, then stretched over the batch to
    lie between 1 and 9 times `eps`, so it changes with every call and with the batch. It moves an embedding (of
    random weights) by 3e-4 of its norm, thirty times what batches may. Here it is replaced by its expectation.
    """
    import torch

    for layer in network.modules():
        if type(layer).__name__ == "StatisticsPooling":
            mean = 5 * layer.eps
            layer._get_gauss_noise = lambda shape, device, mean=mean: torch.full(shape, mean, device=device)


def lengthen(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Return a waveform with zeros at its end, so that it has so many samples at least."""
    return np.pad(waveform, (0, max(0, samples - len(waveform))))


def speechbrain(module: str) -> ModuleType:
    """Import a module of SpeechBrain, with or without torchaudio.

    SpeechBrain imports torchaudio whatever one asks it for, and nothing that is used here needs it. Where it is
    not to be had, an empty module takes its place for as long as the import lasts, and no longer: transformers
    would take it for the real one.
    """
    stand_in = ModuleType("torchaudio")
    stand_in.__version__ = "2.9.0"  # type: ignore[attr-defined]  # without one, SpeechBrain warns
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError, RuntimeError):  # the last two: a build for another torch
        sys.modules["torchaudio"] = stand_in
    try:
        return importlib.import_module(f"speechbrain.{module}")
    finally:
        if sys.modules["torchaudio"] is stand_in:
            del sys.modules["torchaudio"]
