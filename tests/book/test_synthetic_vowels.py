import base64
import dataclasses
import io
import re

import numpy as np
import pytest
import soundfile

from crosscorpus.book import synthetic_vowels

CALM = synthetic_vowels.MANNERS["calm"]


def measured(**changes):
    return synthetic_vowels.measure(synthetic_vowels.synthesise(dataclasses.replace(CALM, **changes)))


@pytest.mark.parametrize("name", synthetic_vowels.MANNERS)
def test_a_clip_is_one_waveform_of_its_length(name):
    clip = synthetic_vowels.synthesise(synthetic_vowels.MANNERS[name], seconds=0.5)
    assert clip.dtype == np.float32
    assert clip.shape == (8000,)
    assert np.abs(clip).max() < 1  # not clipped


def test_the_same_seed_gives_the_same_clip():
    first, second, other = (synthetic_vowels.synthesise(CALM, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("pitch", [100, 150, 250])
def test_pitch_is_what_was_asked_for(pitch):
    assert measured(pitch=pitch, range=0)["pitch (Hz)"] == pytest.approx(pitch, rel=0.06)


@pytest.mark.parametrize("level", [-30, -18])
def test_level_is_what_was_asked_for(level):
    assert measured(level=level)["level (dB)"] == pytest.approx(level, abs=0.05)


@pytest.mark.parametrize("rate", [1.5, 3, 5])
def test_tempo_is_what_was_asked_for(rate):
    assert measured(rate=rate)["syllables/s"] == pytest.approx(rate, abs=0.2)


def test_a_tenser_voice_has_more_energy_high_up():
    soft, tense = (measured(tilt=tilt)["above 1 kHz (%)"] for tilt in (-18, -6))
    assert tense > 5 * soft


def test_pitch_of_a_pure_tone():
    time = np.arange(synthetic_vowels.RATE) / synthetic_vowels.RATE
    assert synthetic_vowels.measure(np.sin(2 * np.pi * 200 * time))["pitch (Hz)"] == pytest.approx(200, rel=0.02)


def test_a_player_holds_the_clip_and_says_that_it_is_synthetic():
    clip = synthetic_vowels.synthesise(CALM, seconds=0.5)
    html = synthetic_vowels.player("calm", clip).data
    assert "synthetic" in html
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == synthetic_vowels.RATE
    np.testing.assert_allclose(samples, clip, atol=2 / 2**15)


def test_all_clips_together_are_small():
    assert (
        sum(
            len(synthetic_vowels.player(name, synthetic_vowels.synthesise(m)).data)
            for name, m in synthetic_vowels.MANNERS.items()
        )
        < 300_000
    )
