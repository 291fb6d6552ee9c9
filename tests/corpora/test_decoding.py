import numpy as np
import pytest
import soundfile

from crosscorpus.base import sound
from crosscorpus.corpora import decoding

FORMATS = [".wav", ".flac", ".mp3"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_decoded(recordings, suffix):
    samples, rate = decoding.read(recordings[suffix])
    assert (samples.shape, samples.dtype, rate) == ((16_000, 1), np.float32, 16_000)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_lossless_formats_give_the_samples_that_were_written(recordings, noise, suffix):
    np.testing.assert_array_equal(decoding.read(recordings[suffix])[0][:, 0], noise)


def test_mp3_gives_nearly_what_was_written(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    soundfile.write(tmp_path / "tone.mp3", tone, 16_000)
    samples = decoding.read(tmp_path / "tone.mp3")[0][4_000:28_000, 0]
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 1e-7), ("FLOAT", 0), ("DOUBLE", 0)],
)
def test_every_sample_format_of_wav_gives_the_same_values(tmp_path, noise, subtype, tolerance):
    soundfile.write(tmp_path / "a.wav", noise, 16_000, subtype=subtype)
    np.testing.assert_allclose(decoding.read(tmp_path / "a.wav")[0][:, 0], noise, rtol=0, atol=tolerance)


@pytest.mark.parametrize("suffix", FORMATS)
def test_stereo_keeps_its_channels_when_read(tmp_path, noise, suffix):
    soundfile.write(tmp_path / f"a{suffix}", np.stack([noise, -noise / 2], axis=1), 16_000)
    assert decoding.read(tmp_path / f"a{suffix}")[0].shape == (16_000, 2)


def test_names_with_spaces_and_accents_are_read(tmp_path, noise):
    soundfile.write(tmp_path / "señal (1).wav", noise, 16_000)
    assert len(decoding.read(tmp_path / "señal (1).wav")[0]) == 16_000


def test_a_path_may_be_text(recordings):
    assert decoding.read(str(recordings[".wav"]))[1] == 16_000


def test_a_wav_file_from_a_writer_that_could_not_seek_is_read(tmp_path, recordings):
    content = bytearray(recordings[".wav"].read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "streamed.wav").write_bytes(content)
    assert len(decoding.read(tmp_path / "streamed.wav")[0]) == 16_000


# -- errors -------------------------------------------------------------------------------------------------


def caught(path):
    with pytest.raises(decoding.AudioError) as error:
        decoding.read(path)
    assert error.value.path == path
    assert str(error.value).startswith(f"{path}: {error.value.reason}; ")
    assert error.value.remedy
    assert str(error.value).endswith(error.value.remedy)
    return error.value


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_empty_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert "empty" in caught(path).reason


def test_a_missing_file_is_refused(tmp_path):
    error = caught(tmp_path / "a.wav")
    assert "No such file" in error.reason
    assert "check path" in error.remedy


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.wav").mkdir()
    assert "cannot be opened" in caught(tmp_path / "a.wav").reason


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_not_audio_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("<html>404 not found</html>\n" * 40)
    assert "cannot be decoded" in caught(path).reason


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_reason_for_what_is_not_audio_is_true(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("<html>404 not found</html>\n" * 40)
    assert "does not exist" not in caught(path).reason


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused(recordings, tmp_path, suffix, share):
    whole = recordings[suffix].read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    reason = caught(path).reason
    assert "truncated" in reason or "cannot be decoded" in reason


@pytest.mark.parametrize("size", [4, 11, 20, 43, 44])
def test_a_wav_file_cut_in_its_header_is_refused(recordings, tmp_path, size):
    path = tmp_path / "cut.wav"
    path.write_bytes(recordings[".wav"].read_bytes()[:size])
    caught(path)


def test_a_wav_file_that_lacks_its_last_sample_is_refused(recordings, tmp_path):
    whole = recordings[".wav"].read_bytes()
    path = tmp_path / "cut.wav"
    path.write_bytes(whole[:-2])
    assert f"{len(whole) - 46} of {len(whole) - 44} bytes of samples" in caught(path).reason


@pytest.mark.parametrize("suffix", decoding.UNREADABLE_SUFFIXES)
def test_a_format_that_is_not_read_is_refused_with_a_fitting_remedy(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    error = caught(path)
    assert error.reason == f"is of a format that cannot be read ({suffix})"
    assert error.remedy == "convert it to WAV or FLAC"


def test_a_suffix_is_either_read_or_not():
    assert not set(decoding.SUFFIXES) & set(decoding.UNREADABLE_SUFFIXES)


def test_a_git_lfs_pointer_is_refused(tmp_path):
    path = tmp_path / "1001_DFA_ANG_XX.wav"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 72836\n")
    error = caught(path)
    assert "Git-LFS pointer" in error.reason
    assert "git lfs pull" in error.remedy


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, noise, value):
    samples = noise.copy()
    samples[100] = value
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert "not finite" in caught(tmp_path / "a.wav").reason


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_without_frames_is_refused(tmp_path, suffix):
    soundfile.write(tmp_path / f"a{suffix}", np.zeros((0, 1)), 16_000)
    caught(tmp_path / f"a{suffix}")


def test_a_wav_file_without_frames_says_so(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 16_000)
    assert "no samples" in caught(tmp_path / "a.wav").reason


# -- to mono and 16 kHz ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_414, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [1, 2.5])
def test_every_rate_comes_to_16_khz(rate, seconds):
    frames = round(rate * seconds)
    resampled = sound.resample(np.zeros((frames, 1), np.float32), rate)
    assert abs(len(resampled) - frames * 16_000 / rate) < 1


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_414, 44_100, 48_000, 96_000])
def test_a_tone_is_the_same_from_every_rate(rate):
    tone = np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate).astype(np.float32)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    resampled = sound.resample(tone[:, None], rate)
    np.testing.assert_allclose(resampled[500:15_500], expected[500:15_500], atol=2e-3)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_what_16_khz_cannot_hold_is_gone_and_not_folded_back(rate):
    tone = np.sin(2 * np.pi * 10_000 * np.arange(rate) / rate).astype(np.float32)
    assert np.abs(sound.resample(tone[:, None], rate)[500:-500]).max() < 1e-3


def test_16_khz_mono_is_left_as_it_is(noise):
    np.testing.assert_array_equal(sound.resample(noise[:, None], 16_000), noise)


def test_stereo_becomes_the_mean_of_its_channels(noise):
    stereo = np.stack([noise, np.zeros_like(noise)], axis=1)
    np.testing.assert_allclose(sound.resample(stereo, 16_000), noise / 2, atol=1e-7)


def test_two_equal_channels_are_one(noise):
    np.testing.assert_array_equal(sound.resample(np.stack([noise, noise], axis=1), 16_000), noise)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_result_is_contiguous_float32(rate):
    resampled = sound.resample(np.ones((rate, 2), np.float32), rate)
    assert resampled.dtype == np.float32
    assert resampled.ndim == 1
    assert resampled.flags.c_contiguous


def test_one_sample_survives():
    assert len(sound.resample(np.ones((1, 1), np.float32), 16_000)) == 1


# -- fingerprint ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_wav_and_flac_of_one_recording_have_one_fingerprint(tmp_path, noise, subtype):
    for suffix in (".wav", ".flac"):
        soundfile.write(tmp_path / f"a{suffix}", noise, 16_000, subtype=subtype)
    wav, flac = (sound.fingerprint(*decoding.read(tmp_path / f"a{suffix}")) for suffix in (".wav", ".flac"))
    assert wav == flac


def test_a_fingerprint_is_a_sha256(noise):
    assert len(bytes.fromhex(sound.fingerprint(noise[:, None], 16_000))) == 32


def test_one_changed_sample_changes_the_fingerprint(noise):
    changed = noise.copy()
    changed[8_000] += 2**-15
    assert sound.fingerprint(changed[:, None], 16_000) != sound.fingerprint(noise[:, None], 16_000)


def test_another_rate_changes_the_fingerprint(noise):
    assert sound.fingerprint(noise[:, None], 16_000) != sound.fingerprint(noise[:, None], 48_000)


def test_another_number_of_channels_changes_the_fingerprint(noise):
    assert sound.fingerprint(noise[:, None], 16_000) != sound.fingerprint(noise.reshape(-1, 2), 16_000)


# -- levels ---------------------------------------------------------------------------------------------------


def test_levels_of_a_full_scale_sine():
    sine = np.sin(2 * np.pi * np.arange(16_000) / 16)
    peak, level = sound.levels_dbfs(sine.astype(np.float32)[:, None])
    assert peak == pytest.approx(0, abs=1e-4)
    assert level == pytest.approx(-3.0103, abs=1e-4)


def test_half_the_amplitude_is_six_decibels_less(noise):
    whole, half = sound.levels_dbfs(noise[:, None]), sound.levels_dbfs(noise[:, None] / 2)
    np.testing.assert_allclose(np.subtract(whole, half), 6.0206, atol=1e-3)


@pytest.mark.filterwarnings("error")
def test_levels_of_silence():
    assert sound.levels_dbfs(np.zeros((100, 1), np.float32)) == (-np.inf, -np.inf)
