"""Whether an audio file contradicts itself; tests/faults/test_audio.py looks at many more."""

import struct

import numpy as np
import pytest
import soundfile

from crosscorpus.base import sound
from crosscorpus.corpora import audio_damage, decoding


def wav(samples, *, rate=16_000, per_second=32_000, declared=None, after=b""):
    """A 16-bit mono WAV file by hand; `declared` bytes of samples in its header."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, per_second, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples) if declared is None else declared) + samples + after
    return struct.pack("<4sI4s", b"RIFF", 4 + len(fmt) + len(data), b"WAVE") + fmt + data


SAMPLES = np.arange(100, dtype="<i2").tobytes()


def reason(path, data):
    path.write_bytes(data)
    with pytest.raises(decoding.AudioError) as caught:
        audio_damage.check(path)
    return caught.value.reason


@pytest.mark.parametrize("data", [wav(SAMPLES), wav(SAMPLES, after=b"LIST\4\0\0\0INFO"), wav(SAMPLES, declared=0)])
def test_a_sound_file_passes(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    audio_damage.check(tmp_path / "a.wav")


def test_a_header_that_contradicts_itself(tmp_path):
    said = reason(tmp_path / "a.wav", wav(SAMPLES, rate=22_050))
    assert said == (
        "has a header that contradicts itself (1 channels of 16 bits at 22050 Hz, "
        "but 2 bytes a frame and 32000 a second)"
    )


@pytest.mark.parametrize("missing", [2, 4, 100])
def test_samples_that_the_header_does_not_count(tmp_path, missing):
    said = reason(tmp_path / "a.wav", wav(SAMPLES, declared=len(SAMPLES) - missing))
    assert said == f"has {missing} bytes after its samples that are no part of it"


@pytest.mark.parametrize("rate", [1, 999, 768_001])
def test_a_rate_that_no_speech_has(tmp_path, rate):
    said = reason(tmp_path / "a.wav", wav(SAMPLES, rate=rate, per_second=2 * rate))
    assert said == f"is declared to have a sample rate of {rate} Hz"


def test_a_flac_file_with_other_samples_than_its_checksum(tmp_path):
    for value, name in ((0.1, "a.flac"), (0.2, "b.flac")):
        soundfile.write(tmp_path / name, np.linspace(0, value, 5000), 16_000)
        audio_damage.check(tmp_path / name)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.flac", "b.flac"))
    assert reason(tmp_path / "a.flac", a[:26] + b[26:42] + a[42:]) == "holds other samples than its checksum says"


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_a_whole_flac_file_passes_in_stereo(tmp_path, subtype, noise):
    soundfile.write(tmp_path / "a.flac", np.stack([noise, -noise / 2], axis=1), 22_050, subtype=subtype)
    audio_damage.check(tmp_path / "a.flac")


def test_samples_without_sound_or_far_too_loud(tmp_path):
    with pytest.raises(decoding.AudioError, match="no sound"):
        audio_damage.check_samples("a.wav", np.zeros((10, 2), dtype=np.float32))
    with pytest.raises(decoding.AudioError, match="up to 1e\\+03 where full scale is 1"):
        audio_damage.check_samples("a.wav", np.array([[0.0], [-1000.0]], dtype=np.float32))
    audio_damage.check_samples("a.wav", np.array([[0.0], [1.5]], dtype=np.float32))


def mixed(samples, rate=16_000):
    samples = np.asarray(samples, dtype=np.float32)
    audio_damage.check_mix("a.wav", samples, sound.resample(samples, rate))


@pytest.mark.parametrize("factor", [-1, -1.05, -0.95, -0.999])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_channels_that_cancel_out_are_refused(noise, factor, rate):
    with pytest.raises(decoding.AudioError) as caught:
        mixed(np.stack([noise, factor * noise], axis=1), rate)
    assert caught.value.reason == "its channels cancel out when averaged"
    assert "one channel" in caught.value.remedy


def test_channels_that_cancel_but_for_an_offset_or_a_whisper_are_refused(noise):
    hiss = 0.01 * np.random.default_rng(1).standard_normal((16_000, 2)) * noise.std()
    for more in (0.1, hiss):
        with pytest.raises(decoding.AudioError, match="cancel out"):
            mixed(np.stack([noise, -noise], axis=1) + more)


def test_channels_that_are_alike_unlike_or_empty_pass(noise):
    other = np.random.default_rng(1).permutation(noise)
    for second in (noise, other, 0 * noise, -noise / 2, np.roll(noise, 40)):
        mixed(np.stack([noise, second], axis=1))
    mixed(noise[:, None])
    mixed(1e-4 * noise[:, None])
    mixed(np.stack([noise, *[0 * noise] * 7], axis=1))  # one of eight


def test_sound_that_16_khz_cannot_hold_is_refused():
    tone = np.sin(2 * np.pi * 15_000 * np.arange(48_000) / 48_000)[:, None]
    with pytest.raises(decoding.AudioError, match="no sound below 8 kHz"):
        mixed(tone * np.hanning(48_000)[:, None], 48_000)


def test_formats_that_tell_no_damage_are_counted():
    assert audio_damage.unchecked(["a.wav", "b.ogg", "c.flac", "d.mp3"]) == {}
    assert audio_damage.unchecked(["a.voc", "x/b.VOC", "c.avr", "d.wav"]) == {".voc": 2, ".avr": 1}
    assert set(audio_damage.UNCHECKED) <= set(decoding.SUFFIXES)


@pytest.mark.parametrize("kind", ["VOC", "PAF", "PVF", "AVR", "IRCAM"])
def test_a_format_that_tells_no_damage_is_read(tmp_path, noise, kind):
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, noise, 16_000, format=kind, subtype="PCM_16")
    audio_damage.check(path)
    np.testing.assert_array_equal(decoding.read(path)[0][:, 0], noise)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"text, not sound", b"fLaC"])
def test_what_is_no_audio_is_left_to_the_decoder(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    audio_damage.check(tmp_path / "a.wav")
    with pytest.raises(decoding.AudioError):
        decoding.read(tmp_path / "a.wav")
