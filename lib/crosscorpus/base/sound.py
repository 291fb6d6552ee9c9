"""A recording as samples: the form that every extractor expects, mono, 16 kHz, float32."""

import hashlib

import numpy as np
import soxr

SAMPLE_RATE = 16_000


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Average the channels and resample to 16 kHz.

    Parameters
    ----------
    samples
        float32 array [frames, channels].
    rate
        Its sample rate in Hz.

    Returns
    -------
    float32 array [samples at 16 kHz]; resampled with soxr at its high-quality setting.
    """
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)


def scale_to_peak(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform with a largest absolute sample of 1; digital silence stays as it is."""
    peak = np.abs(waveform).max(initial=0)
    return waveform / peak if peak > 0 else waveform


def fingerprint(samples: np.ndarray, rate: int) -> str:
    """Return the SHA-256 of the decoded samples, shape and rate: the same for WAV and FLAC of one recording."""
    digest = hashlib.sha256(f"{samples.shape} {rate}".encode())
    digest.update(np.ascontiguousarray(samples, dtype="<f4").data)
    return digest.hexdigest()


def levels_dbfs(samples: np.ndarray) -> tuple[float, float]:
    """Return peak and root-mean-square level in dB relative to full scale (-inf for digital silence)."""
    power = np.square(samples, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(power.max())), float(10 * np.log10(power.mean()))
