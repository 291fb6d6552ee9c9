"""What speech goes through outside a studio: steady noise and the band of a telephone, made anew from a seed.

Noise is Gaussian with the long-term spectrum of a corpus's own speech, so that it covers speech alike in all
bands. Its level is set against the active level of an utterance, which pauses do not lower.
"""

from collections.abc import Iterable

import numpy as np
import soxr
from scipy import signal

from crosscorpus.base import sound

CLEAN, TELEPHONE = "clean", "telephone"
NOISES = {"20 dB": 20.0, "10 dB": 10.0, "0 dB": 0.0}
"""Conditions with noise, and their ratio of speech to noise, in dB."""
CONDITIONS = (CLEAN, *NOISES, TELEPHONE)
FRAME = sound.SAMPLE_RATE // 50
"""Samples of a frame of 20 ms, of which speech is active or not."""
MARGIN = 15.9
"""By how much an active frame may be below the active level, in dB: the margin of ITU-T P.56."""
BAND = (300.0, 3400.0)
"""Of a telephone, in Hz."""
SEGMENT = 512
"""Samples of a segment of which spectra are averaged."""


def active_power(waveform: np.ndarray) -> float:
    """Return the mean power of the frames of a waveform [samples] that are active; 0 for digital silence.

    Frames are left out that are more than `MARGIN` below the mean of the others, until none is: in the manner of
    ITU-T P.56, on frames instead of an envelope.
    """
    n = max(1, len(waveform) // FRAME)
    power = np.array([np.square(frame, dtype=np.float64).mean() for frame in np.array_split(waveform, n)])
    active = power > 0
    while active.any():
        level = float(power[active].mean())
        kept = power > level / 10 ** (MARGIN / 10)
        if (kept == active).all():
            return level
        active = kept
    return 0.0


def spectrum(waveforms: Iterable[np.ndarray]) -> np.ndarray:
    """Return the long-term power spectrum of utterances at one active level, float64 [SEGMENT // 2 + 1].

    Raises
    ------
    ValueError
        None of them has a sample that is not 0.
    """
    found = []
    for waveform in waveforms:
        if level := active_power(waveform):
            padded = np.pad(waveform.astype(np.float64), (0, max(0, SEGMENT - len(waveform))))
            found.append(signal.welch(padded, sound.SAMPLE_RATE, nperseg=SEGMENT)[1] / level)
    if not found:
        raise ValueError("no spectrum of speech: all of these utterances are digital silence")
    return np.mean(found, axis=0)


def noise(n: int, of_speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return Gaussian noise of mean power 1 with a power spectrum (see `spectrum`), float64 [n]."""
    at = np.linspace(0, 1, len(of_speech))
    bins = np.fft.rfft(rng.standard_normal(n))
    shaped = np.fft.irfft(bins * np.sqrt(np.interp(np.linspace(0, 1, len(bins)), at, of_speech)), n)
    power = np.square(shaped).mean()
    return shaped / np.sqrt(power) if power > 0 else shaped


def with_noise(waveform: np.ndarray, ratio: float, of_speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a waveform [samples] with noise that is `ratio` dB below its active level; silence stays as it is."""
    level = active_power(waveform)
    return waveform + noise(len(waveform), of_speech, rng) * np.sqrt(level / 10 ** (ratio / 10))


def telephone(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform [samples] in a telephone's band: at 8 kHz, 300 to 3400 Hz, and at 16 kHz again.

    The band is cut by a Butterworth filter of order 6 on either side, near the mask of ITU-T G.712. No codec is
    applied.
    """
    rate = sound.SAMPLE_RATE // 2
    narrow = soxr.resample(waveform, sound.SAMPLE_RATE, rate, quality="HQ")
    filtered = signal.sosfilt(signal.butter(6, BAND, "bandpass", fs=rate, output="sos"), narrow)
    wide = soxr.resample(filtered, rate, sound.SAMPLE_RATE, quality="HQ")[: len(waveform)]
    return np.pad(wide, (0, len(waveform) - len(wide)))


def applied(condition: str, waveform: np.ndarray, of_speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a waveform in one of `CONDITIONS`, float32 [samples].

    Nothing is clipped: what would exceed 1, and did not before, is scaled down, speech and noise alike.

    Parameters
    ----------
    condition
        One of `CONDITIONS`.
    waveform
        float32, mono, 16 kHz.
    of_speech
        See `spectrum`; for noise.
    rng
        What noise is drawn with. The same generator gives the same noise at every ratio.
    """
    if condition == CLEAN:
        return waveform
    if condition == TELEPHONE:
        changed = telephone(waveform)
    else:
        changed = with_noise(waveform, NOISES[condition], of_speech, rng)
    most = max(1.0, float(np.abs(waveform).max(initial=0)))
    return (changed * min(1.0, most / max(np.abs(changed).max(initial=0), 1e-12))).astype(np.float32)
