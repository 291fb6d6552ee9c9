"""Whisper's encoder, through transformers.

Whisper sees a fixed window of 30 s: shorter clips are padded with silence before the log-mel spectrogram, and
the encoder puts out 1500 frames of 20 ms whatever the clip's length. Longer clips are cut into windows, and
their frames are averaged as if they had been one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crosscorpus.audio import SAMPLE_RATE
from crosscorpus.extractors import Extractor, Model, NotAvailableError

POOLINGS = {
    "clip": "mean over the frames that the clip covers, one per started 20 ms",
    "window": "mean over all 1500 frames of the 30-s window, padding included",
}
WINDOW = 30 * SAMPLE_RATE
FRAME = SAMPLE_RATE // 50


def load(model: Model, weights: Path | None, pooling: str, device: str) -> Extractor:
    """Load the encoder and return its extractor; see `extractors.load`.

    Raises
    ------
    extractors.NotAvailableError
        The weights are not in the mirror, not in transformers' cache, and cannot be downloaded.
    """
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    place = str(weights) if weights else model.handle
    revision = None if weights else model.revision
    try:
        features = WhisperFeatureExtractor.from_pretrained(place, revision=revision)
        whole = WhisperModel.from_pretrained(place, revision=revision, use_safetensors=True, dtype="auto")
    except OSError as error:
        raise NotAvailableError(
            f"{model.name}: no weights in the mirror (weights/{model.id}), and {model.handle} at {revision} "
            f"cannot be downloaded ({str(error).splitlines()[0]})"
        ) from error
    encoder = whole.get_encoder()
    stored = str(encoder.dtype).removeprefix("torch.")
    encoder = encoder.to(device, torch.float32).eval()

    @torch.inference_mode()
    def extract(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        windows = [w[at : at + WINDOW] for w in waveforms for at in range(0, len(w), WINDOW)]
        owners = [i for i, w in enumerate(waveforms) for _ in range(0, len(w), WINDOW)]
        inputs = features(windows, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        hidden = encoder(inputs.input_features.to(device)).last_hidden_state.float().cpu().numpy()
        sums = np.zeros((len(waveforms), hidden.shape[2]))
        frames = np.zeros((len(waveforms), 1))
        for owner, window, states in zip(owners, windows, hidden, strict=True):
            valid = frame_count(len(window)) if pooling == "clip" else len(states)
            sums[owner] += states[:valid].sum(axis=0, dtype=np.float64)
            frames[owner] += valid
        return (sums / frames).astype(np.float32)

    parameters = sum(p.numel() for p in encoder.parameters())
    return Extractor(extract, parameters, stored, device)


def frame_count(samples: int) -> int:
    """Return the number of 20-ms encoder frames that a clip of so many samples (at 16 kHz) covers."""
    return -(-samples // FRAME)
