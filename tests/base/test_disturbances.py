import numpy as np
import pytest
from scipy import signal

from crosscorpus.base import disturbances, sound

RATE = sound.SAMPLE_RATE
FLAT = np.ones(disturbances.SEGMENT // 2 + 1)


def speech(seconds=2.0, pause=0.0, seed=0):
    """Noise that is low-pass and comes in syllables, and a pause after it."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    voiced = signal.lfilter([1], [1, -0.9], rng.standard_normal(n)) * (1.2 + np.sin(np.arange(n) / RATE * 20))
    return np.concatenate([0.05 * voiced, np.zeros(round(pause * RATE))]).astype(np.float32)


def test_pauses_do_not_lower_the_active_level():
    assert disturbances.active_power(speech(pause=4)) == pytest.approx(
        disturbances.active_power(speech()), rel=0.02
    )
    assert np.square(speech(pause=4)).mean() < 0.5 * disturbances.active_power(speech())


@pytest.mark.parametrize(("condition", "ratio"), disturbances.NOISES.items())
@pytest.mark.parametrize("seconds", [0.003, 0.5, 2.0])
def test_noise_is_as_far_below_speech_as_it_says(condition, ratio, seconds):
    clean = 0.2 * speech(seconds)
    noisy = disturbances.applied(condition, clean, FLAT, np.random.default_rng(1))
    assert noisy.dtype == np.float32
    assert noisy.shape == clean.shape
    noise = np.square(noisy - clean, dtype=np.float64).mean()
    assert 10 * np.log10(disturbances.active_power(clean) / noise) == pytest.approx(ratio, abs=0.1)


def test_noise_has_the_spectrum_of_the_speech():
    target = disturbances.spectrum([speech(seed=seed) for seed in range(4)])
    noise = disturbances.noise(20 * RATE, target, np.random.default_rng(0))
    found = signal.welch(noise, RATE, nperseg=disturbances.SEGMENT)[1]
    bands = np.log10(found / found.sum()) - np.log10(target / target.sum())
    assert np.abs(bands[2:-2]).max() < 0.15
    assert np.square(noise).mean() == pytest.approx(1)


def test_the_same_seed_gives_the_same_noise_at_every_level():
    clean = 0.2 * speech()
    given = [
        (disturbances.applied(c, clean, FLAT, np.random.default_rng(3)) - clean).astype(float)
        for c in ("20 dB", "0 dB", "0 dB")
    ]
    assert np.allclose(given[1], given[2])
    assert np.allclose(10 * given[0], given[1], atol=1e-5)


@pytest.mark.parametrize(("hertz", "passes"), [(100, False), (1000, True), (3000, True), (5000, False)])
def test_a_telephone_passes_its_band_alone(hertz, passes):
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    heard = disturbances.applied("telephone", tone, FLAT, np.random.default_rng(0))
    assert heard.shape == tone.shape
    share = np.square(heard[2000:-2000]).mean() / np.square(tone).mean()
    assert share > 0.7 if passes else share < 0.01


@pytest.mark.parametrize("condition", disturbances.CONDITIONS)
@pytest.mark.parametrize("n", [1, 7, 319, RATE])
def test_nothing_is_clipped_and_silence_and_single_samples_are_taken(condition, n):
    loud = np.sign(speech(1.0)[:n]) * 0.999
    changed = disturbances.applied(condition, loud.astype(np.float32), FLAT, np.random.default_rng(0))
    assert len(changed) == n
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() <= 1
    silent = disturbances.applied(condition, np.zeros(n, np.float32), FLAT, np.random.default_rng(0))
    assert not silent.any()


def test_clean_speech_is_the_same_object_and_a_corpus_of_silence_has_no_spectrum():
    clean = speech()
    assert disturbances.applied("clean", clean, FLAT, np.random.default_rng(0)) is clean
    with pytest.raises(ValueError, match="digital silence"):
        disturbances.spectrum([np.zeros(1000, np.float32)])
