"""Sounds that are no speech, made anew from a seed: what a warning must not be silent about."""

from collections.abc import Iterator

import numpy as np

from crosscorpus.base import sound

LENGTHS = (1.0, 3.0)
"""Seconds of each sound."""
NOTES = (262.0, 330.0, 392.0, 523.0)
"""Of chord and melody, in Hz."""
HARMONICS = (1, 2, 3, 4, 5)


def all_sounds() -> Iterator[tuple[str, np.ndarray]]:
    """Yield kind and samples (float32, mono, 16 kHz, within [-1, 1]) of each sound in each of `LENGTHS`."""
    for seconds in LENGTHS:
        for kind, samples in _sounds(round(seconds * sound.SAMPLE_RATE)).items():
            yield kind, np.clip(samples, -1, 1).astype(np.float32)


def _sounds(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    time, white = np.arange(n) / sound.SAMPLE_RATE, 0.1 * rng.standard_normal(n)
    melody = np.array(NOTES)[(time * 4).astype(int) % len(NOTES)]
    turns = np.cumsum(melody) / sound.SAMPLE_RATE
    faded = 0.3 * np.exp(-3 * (time * 4 % 1))  # a note is struck, and fades
    return {
        "white noise": white,
        "quiet white noise": 0.01 * white,
        "pink noise": _coloured(white, 0.5),
        "brown noise": _coloured(white, 1.0),
        "bursts of noise": white * (np.sin(2 * np.pi * 3 * time) > 0),
        "hum of 50 Hz": 0.1 * sum(np.sin(2 * np.pi * 50 * k * time) / k for k in HARMONICS) + 0.01 * white,
        "tone of 440 Hz": 0.3 * np.sin(2 * np.pi * 440 * time),
        "chord": np.sum([0.1 * np.sin(2 * np.pi * note * time) for note in NOTES[:3]], axis=0),
        "melody": faded * sum(np.sin(2 * np.pi * k * turns) / k for k in HARMONICS),
        "clicks": np.where(np.arange(n) % 4000 < 20, 0.5, 0.0) + 0.001 * white,
    }


def _coloured(white: np.ndarray, slope: float) -> np.ndarray:
    """Return noise whose amplitude falls with frequency to the power of `slope`, as loud as what it is made of."""
    bins = np.fft.rfft(white)
    fallen = np.fft.irfft(bins / np.maximum(20, np.arange(len(bins))) ** slope, len(white))
    return fallen * white.std() / fallen.std()
