"""What benchmarks measure against: the plain way to extract, a device's peak, and the work that a model takes.

Nothing is imported here that a bare machine with a GPU lacks (`benchmarks.gpu`).
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from crosscorpus.base import sound
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.models import loading, model_registry


@functools.cache
def durations() -> np.ndarray:
    """Return the seconds of all utterances of the paper's five corpora, by their file lists."""
    listed = [file_lists.file_list(key) for key, entry in corpus_registry.registry().items() if entry.in_paper]
    return pd.concat(listed)["seconds"].dropna().to_numpy()


def plain(ptm: str, folder: Path | None, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the plain extractor of a transformer: one waveform in, one embedding out."""
    from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor, WhisperModel

    model = model_registry.get(ptm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.seed or 0)
        network = loading.loader(ptm).build(model)
    if model.loader == "whisper":
        if folder:
            network = WhisperModel.from_pretrained(folder, dtype=torch.float32).get_encoder()
        features: Any = WhisperFeatureExtractor()
    else:
        features = Wav2Vec2FeatureExtractor(**model.architecture["preprocessing"])
    network = network.eval().to(device)

    @torch.inference_mode()
    def run(waveform: np.ndarray) -> np.ndarray:
        inputs = features(waveform, sampling_rate=sound.SAMPLE_RATE, return_tensors="pt")
        first = inputs["input_features" if model.loader == "whisper" else "input_values"]
        states = network(first.to(device)).last_hidden_state[0]
        covered = -(-len(waveform) // 320) if model.loader == "whisper" else len(states)
        return states[:covered].mean(dim=0).cpu().numpy()

    return run


def peak_flops(device: str, dtype: torch.dtype) -> float:
    """Return the largest rate (floating-point operations a second) of a matrix product, all cores together."""
    size = 2048 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device, dtype=dtype)
    linear = torch.nn.Linear(size, size, device=device, dtype=dtype).requires_grad_(False)
    products = [lambda: a @ a]
    if device == "cpu" and dtype == torch.float32:
        from crosscorpus.models.loaders import transformer

        faster = transformer.OneDnnLinear(linear)
        products.append(lambda: faster(a))
    best = 0.0
    with torch.inference_mode():
        for product in products:
            product()
            for _ in range(5):
                started = time.perf_counter()
                product()
                if device == "cuda":
                    torch.cuda.synchronize()
                best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def work(ptm: str, seconds: np.ndarray) -> float:
    """Return the floating-point operations that the plain way needs for clips of these durations."""
    model = model_registry.get(ptm)
    with torch.device("meta"):
        network = loading.loader(ptm).build(model).eval()

    @functools.cache
    def of(samples: int) -> int:
        shape = (1, 80, 3000) if model.loader == "whisper" else (1, samples)
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(shape, device="meta"))
        return counter.get_total_flops()

    return float(sum(of(round(s * sound.SAMPLE_RATE)) for s in seconds))
