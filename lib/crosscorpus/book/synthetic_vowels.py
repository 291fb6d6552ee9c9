"""Synthetic vowels that differ in what listeners hear emotion by, for the page that explains cues.

A source and a filter (Fant 1960): pulses at the pitch, through resonances at a vowel's formants. Nothing here is
speech of a person, and no result depends on it.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
import scipy
import soundfile
from IPython.display import HTML

RATE = 16_000
FORMANTS = ((730, 90), (1090, 110), (2440, 140))  # Hz: frequency and bandwidth of /a/ (Peterson and Barney 1952)


@dataclass(frozen=True)
class Manner:
    """How syllables are spoken.

    Attributes
    ----------
    pitch, range
        Mean pitch (Hz), and by how many semitones it rises and falls in a syllable.
    rate
        Syllables per second.
    level
        Level relative to full scale (dB).
    tilt
        How much the source falls with frequency (dB per octave): a pressed voice falls less, a soft one more.
    """

    pitch: float
    range: float
    rate: float
    level: float
    tilt: float


MANNERS = {
    "calm": Manner(pitch=120, range=1, rate=2.5, level=-18, tilt=-12),
    "aroused": Manner(pitch=220, range=6, rate=4.5, level=-12, tilt=-6),
    "subdued": Manner(pitch=105, range=0.5, rate=1.6, level=-26, tilt=-18),
}


def synthesise(manner: Manner, seconds: float = 1.6, seed: int = 0) -> np.ndarray:
    """Return syllables /a/ spoken in a manner, float32 [seconds x 16 000] in [-1, 1]; the seed decides jitter."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = (time * manner.rate) % 1  # of the syllable
    jitter = scipy.signal.lfilter([0.01], [1, -0.99], rng.normal(size=len(time)))  # slow, as in a voice
    pitch = manner.pitch * 2 ** ((manner.range * np.sin(np.pi * phase) + 2 * jitter) / 12)
    cycles = np.cumsum(pitch) / RATE
    harmonics = np.arange(1, int(RATE / 2 / pitch.max()))
    fall = 10 ** (manner.tilt * np.log2(harmonics) / 20)
    source = sum(a * np.sin(2 * np.pi * k * cycles) for k, a in zip(harmonics, fall, strict=True))
    source = source + 0.002 * rng.normal(size=len(time))  # breath
    wave = np.asarray(source)
    for frequency, bandwidth in FORMANTS:
        radius = np.exp(-np.pi * bandwidth / RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        wave = scipy.signal.lfilter([sum(poles)], poles, wave)
    wave *= np.clip(np.sin(np.pi * phase), 0, None) ** 0.5  # syllables rise and fall
    level = np.sqrt(np.mean(wave**2))
    return np.clip(10 ** (manner.level / 20) * wave / level, -1, 1).astype(np.float32)


def measure(waveform: np.ndarray) -> dict[str, float]:
    """Measure what a manner should have changed.

    Returns
    -------
    `pitch (Hz)`: median over frames of 40 ms, by autocorrelation; `level (dB)`: root mean square relative to full
    scale; `syllables/s`: the strongest rhythm of the envelope between 1 and 8 Hz; `above 1 kHz (%)`: share of the
    energy there.
    """
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequency = np.fft.rfftfreq(len(waveform), 1 / RATE)
    envelope = scipy.signal.resample_poly(np.abs(waveform), 1, 160)
    rhythm = np.abs(np.fft.rfft(envelope - envelope.mean(), 16 * len(envelope)))
    beat = np.fft.rfftfreq(16 * len(envelope), 0.01)
    heard = (beat >= 1) & (beat <= 8)
    return {
        "pitch (Hz)": _pitch(waveform),
        "level (dB)": float(10 * np.log10(np.mean(np.square(waveform, dtype=float)))),
        "syllables/s": float(beat[heard][rhythm[heard].argmax()]),
        "above 1 kHz (%)": 100 * float(power[frequency > 1000].sum() / power.sum()),
    }


def _pitch(waveform: np.ndarray) -> float:
    size = round(0.04 * RATE)
    lags = np.arange(RATE // 400, RATE // 70)  # 70 to 400 Hz
    found = []
    for start in range(0, len(waveform) - size, size):
        frame = waveform[start : start + size].astype(float)
        if np.sqrt(np.mean(frame**2)) < 0.3 * np.sqrt(np.mean(np.square(waveform, dtype=float))):
            continue
        similar = np.correlate(frame, frame, "full")[size - 1 :] / np.arange(size, 0, -1)
        # The first high peak: twice the period is as similar.
        high = lags[similar[lags] > 0.9 * similar[lags].max()]
        first = high[: int(np.argmax(np.diff(high, append=high[-1] + 2) > 1)) + 1]
        found.append(RATE / first[similar[first].argmax()])
    return float(np.median(found)) if found else float("nan")


def player(name: str, waveform: np.ndarray) -> HTML:
    """Return a player of a waveform, which is inside the page (WAV, 16 bit), labelled as synthetic."""
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="WAV", subtype="PCM_16")
    data = base64.b64encode(file.getvalue()).decode()
    return HTML(
        f'<div class="clip"><span>{name} (synthetic)</span> '
        f'<audio controls aria-label="{name}, a synthetic clip" src="data:audio/wav;base64,{data}"></audio></div>'
    )
