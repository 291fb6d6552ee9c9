"""MP3 files whole: each whole file is read to its end, whatever its header tells; each that is not is refused."""

import io

import numpy as np
import pytest
import soundfile

from crosscorpus.corpora import audio_damage, decoding, mp3

RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # MPEG 2.5, 2 and 1
MODES = ("CONSTANT", "VARIABLE", "AVERAGE")


def encoded(rate=16_000, mode="VARIABLE", channels=1, seconds=3.0, quiet_first=True):
    """An MP3 file of a tone that is there half of the time, so that bit rates differ; LAME's, with its header."""
    time = np.arange(round(rate * seconds)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 300 * time) * ((time > seconds / 2) == quiet_first)
    file = io.BytesIO()
    samples = np.stack([tone, 0.5 * tone][:channels], axis=1)
    quality = {"bitrate_mode": mode, "compression_level": 0.1}
    soundfile.write(file, samples, rate, format="MP3", subtype="MPEG_LAYER_III", **quality)
    return file.getvalue()


def frames(data):
    return list(mp3._frames(data))


def streamed(data):
    """The same without the frame that tells the number of frames, as an encoder to a pipe writes it."""
    return data[frames(data)[1].at :]


def read(path, data):
    path.write_bytes(data)
    audio_damage.check(path)
    return decoding.read(path)


def refused(path, data):
    with pytest.raises(decoding.AudioError) as caught:
        read(path, data)
    return caught.value.reason


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.mp3"


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_that_tells_its_frames_is_read_as_its_decoder_reads_it(path, rate, channels):
    data = encoded(rate, channels=channels)
    samples, found = read(path, data)
    np.testing.assert_array_equal(samples, soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0])
    assert (found, samples.shape) == (rate, (3 * rate, channels))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("quiet_first", [True, False])
def test_a_stream_is_read_to_its_end(path, rate, mode, quiet_first):
    data = encoded(rate, mode, quiet_first=quiet_first)
    whole = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    samples, found = read(path, streamed(data))
    assert found == rate
    # The encoder's padding at both ends is still there: it stood in the frame that is gone.
    assert len(whole) <= len(samples) < len(whole) + 3 * 1152
    start = next(s for s in (576, 1105) if np.allclose(samples[s : s + len(whole)], whole, atol=1e-5))
    assert start + len(whole) <= len(samples)


def test_a_piece_of_a_stream_is_read_to_its_end(path):
    data = encoded(44_100, seconds=2)
    for first in (2, 7, 20):
        rest = data[frames(data)[first].at :]
        assert len(read(path, rest)[0]) > 1152 * (len(frames(rest)) - 1)


@pytest.mark.parametrize("kind", ["told and told", "told and not", "not and told", "not and not"])
def test_joined_files_are_read_one_after_the_other(path, kind):
    first, second = encoded(), encoded(mode="CONSTANT", quiet_first=False)
    first, second = (data if told == "told" else streamed(data)
                     for data, told in zip((first, second), kind.split(" and "), strict=True))  # fmt: skip
    one, two = read(path, first)[0], read(path, second)[0]
    both = read(path, first + second)[0]
    if kind == "not and not":  # nothing tells where the second begins
        assert abs(len(both) - len(one) - len(two)) <= 1152
    else:
        assert len(both) == len(one) + len(two)
        np.testing.assert_allclose(both[: len(one) - 1152], one[: len(one) - 1152], atol=1e-5)
        np.testing.assert_array_equal(both[-len(two) :], two)


ID3V2 = b"ID3\x03\0\0\0\0\x02\x01" + b"\xff\xfb\x90\x44" * 64 + b"\0"
ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (40).to_bytes(4, "little") + (1).to_bytes(4, "little")
APE_TAG = APE + (0xA0000000).to_bytes(4, "little") + bytes(8) + b"\xff\xfb\x90\x44\0\0\0\0"
APE_TAG += APE + (0x80000000).to_bytes(4, "little") + bytes(8)
AROUND = {
    "an ID3v2 tag before it": (ID3V2, b""),
    "an ID3v1 tag after it": (b"", ID3V1),
    "an APE tag after it": (b"", APE_TAG),
    "all tags": (ID3V2 + ID3V2, APE_TAG + ID3V1),
    "zeros around it": (bytes(3000), bytes(3000)),
    "junk before it": (np.random.default_rng(2).bytes(5_000), b""),
    "junk after it": (b"", b"no frame" + np.random.default_rng(1).bytes(5_000)),
}


@pytest.mark.parametrize("what", AROUND)
@pytest.mark.parametrize("told", [True, False])
def test_tags_and_junk_are_passed_over(path, what, told):
    before, after = AROUND[what]
    data = encoded() if told else streamed(encoded())
    expected = read(path, data)[0]
    np.testing.assert_array_equal(read(path, before + data + after)[0], expected)
    twice = read(path, before + data + after + before + data + after)[0]
    assert abs(len(twice) - 2 * len(expected)) <= (0 if told else 1152)


def test_random_bytes_between_two_files_are_passed_over_in_time(path):
    data, junk = encoded(), np.random.default_rng(0).bytes(2_000_000)
    assert len(read(path, data + junk + data)[0]) == 2 * len(read(path, data)[0])


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_that_tells_more_frames_than_it_has_is_cut(path, share):
    data = encoded()
    cut = data[: frames(data)[int(share * len(frames(data)))].at]  # between two frames
    assert refused(path, cut).startswith(f"is truncated ({len(frames(cut)) - 1} of {len(frames(data)) - 1} frames")


def test_the_cut_one_of_joined_files_is_noticed(path):
    data = encoded()
    cut = data[: frames(data)[40].at]
    assert "truncated (39 of" in refused(path, cut + data)
    assert "truncated (39 of" in refused(path, data + cut)


def test_a_stream_whose_last_frame_is_cut_is_refused(path):
    data = streamed(encoded())
    last = frames(data)[-1]
    reason = f"is truncated (its last frame has {last.size - 5} of {last.size} bytes)"
    assert refused(path, data[:-5]) == reason


def test_an_encoder_that_counts_its_own_frame_has_lost_nothing(path):
    data = bytearray(encoded())
    at = data.find(b"Xing") + 8
    data[at : at + 4] = len(frames(bytes(data))).to_bytes(4, "big")
    assert len(read(path, bytes(data))[0]) >= 48_000


def test_a_header_that_tells_no_number_of_frames(path):
    data = bytearray(encoded())
    at = data.find(b"Xing")
    data[at + 4 : at + 8] = bytes(4)
    assert len(read(path, bytes(data))[0]) >= 48_000


@pytest.mark.parametrize("missing", [0, 1])
def test_a_header_as_fraunhofers_encoder_writes_it(path, missing):
    data = encoded(44_100)
    rest = streamed(data)
    first = bytearray(data[:4]) + bytes(frames(data)[0].size - 4)
    told = (len(rest) + len(first)).to_bytes(4, "big") + (len(frames(rest)) + missing * 9).to_bytes(4, "big")
    first[36:54] = b"VBRI\0\1\0\0\0\0" + told
    if missing:
        assert "truncated" in refused(path, bytes(first) + rest)
    else:
        samples = read(path, bytes(first) + rest)[0]
        assert 3 * 44_100 <= len(samples) <= 3 * 44_100 + 3 * 1152


def test_recordings_of_unlike_form_are_refused_with_both(path):
    said = refused(path, encoded(16_000) + encoded(22_050))
    assert said == (
        "holds recordings of unlike form, one after the other (16000 Hz in 1 channel and 22050 Hz in 1 channel)"
    )
    said = refused(path, encoded(16_000) + streamed(encoded(16_000, channels=2)))
    assert "16000 Hz in 1 channel and 16000 Hz in 2 channels" in said


def test_a_stream_in_stereo_keeps_its_channels(path):
    samples, _ = read(path, streamed(encoded(44_100, channels=2)))
    left, right = np.sqrt((samples[66_150:] ** 2).mean(axis=0))
    assert right == pytest.approx(left / 2, rel=0.05)


def test_an_mp3_under_another_suffix_is_read_by_content(tmp_path):
    assert len(read(tmp_path / "a.wav", encoded())[0]) == 48_000


@pytest.mark.parametrize("data", [b"ID3\3\0\0\0\0\0\0", ID3V2, ID3V1, b"\xff\xfb\x90\x44", b"no sound " * 100])
def test_what_has_no_frames_is_refused(path, data):
    assert "MP3 frames" in (said := refused(path, data)) or "cannot be decoded" in said or "truncated" in said


def test_the_remedy_fits_a_recording_of_ones_own(path):
    with pytest.raises(decoding.AudioError) as caught:
        read(path, encoded()[:-5])
    assert caught.value.remedy == "copy, export or download the file again, or convert it to WAV or FLAC"
