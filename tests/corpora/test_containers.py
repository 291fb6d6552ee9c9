"""What containers tell of their length: files that are whole, cut, from a pipe, and of several layouts."""

import io
import struct

import numpy as np
import pytest
import soundfile

from crosscorpus.corpora import audio_damage, containers, decoding

FORMATS = [
    ("WAV", "PCM_16", ".wav"),
    ("WAV", "ULAW", ".wav"),
    ("WAVEX", "PCM_24", ".wav"),
    ("RF64", "PCM_16", ".rf64"),
    ("W64", "PCM_24", ".w64"),
    ("AIFF", "PCM_16", ".aiff"),
    ("AIFF", "ULAW", ".aifc"),
    ("AU", "PCM_16", ".au"),
    ("CAF", "PCM_16", ".caf"),
    ("CAF", "ALAC_16", ".caf"),
    ("NIST", "PCM_16", ".sph"),
    ("SVX", "PCM_16", ".8svx"),
    ("OGG", "VORBIS", ".ogg"),
    ("OGG", "OPUS", ".opus"),
]
every_format = pytest.mark.parametrize(("kind", "subtype", "suffix"), FORMATS)


def encoded(samples, kind="WAV", subtype="PCM_16", **more):
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind, subtype=subtype, **more)
    return file.getvalue()


def read(path, data):
    path.write_bytes(data)
    audio_damage.check(path)
    return decoding.read(path)[0]


def refused(path, data):
    with pytest.raises(decoding.AudioError) as caught:
        read(path, data)
    return caught.value


@every_format
def test_a_whole_file_is_read(tmp_path, noise, kind, subtype, suffix):
    data = encoded(noise, kind, subtype)
    expected = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}", data), expected)
    np.testing.assert_array_equal(read(tmp_path / "a.wav", data), expected)  # by content, not by name


@every_format
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_cut_file_is_refused(tmp_path, noise, kind, subtype, suffix, share):
    data = encoded(noise, kind, subtype)
    said = refused(tmp_path / f"a{suffix}", data[: int(share * len(data))])
    assert "truncated" in said.reason or "cannot be decoded" in said.reason
    assert said.remedy.startswith("copy, export or download the file again")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_damaged_page_of_ogg_is_refused(tmp_path, noise, subtype):
    data = bytearray(encoded(noise, "OGG", subtype))
    data[len(data) // 2] ^= 1
    assert "checksum" in refused(tmp_path / "a.ogg", bytes(data)).reason


def test_a_page_of_ogg_that_is_missing_is_noticed(tmp_path, noise):
    data = encoded(np.tile(noise, 5), "OGG", "VORBIS")
    pages = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    without = data[: pages[3]] + data[pages[4] :]
    assert refused(tmp_path / "a.ogg", without).reason == "is damaged (page 3 is missing)"
    without = data[: pages[-1]]
    assert refused(tmp_path / "a.ogg", without).reason == "is truncated (it has no last page)"


def test_joined_ogg_files_are_refused(tmp_path, noise):
    data = encoded(noise, "OGG", "VORBIS")
    time = encoded(noise[:8_000], "OGG", "OPUS")
    assert refused(tmp_path / "a.ogg", data + time).reason == "holds more than one recording"


# -- from a pipe ----------------------------------------------------------------------------------------------

PIPED = (0, 0x7FFF_EFFD, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_F000, 0xFFFF_FFFF)
LIST = b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf58.76.100\0"


def piped(data, size, riff=None, before=b""):
    """A WAV file with other sizes in its header; `before` stands before the samples."""
    at = data.index(b"data")
    riff = size if riff is None else riff
    return (
        data[:4]
        + struct.pack("<I", riff)
        + data[8:at]
        + before
        + b"data"
        + struct.pack("<I", size)
        + data[at + 8 :]
    )


@pytest.mark.parametrize("size", PIPED)
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16")],
)
@pytest.mark.parametrize("before", [b"", LIST])
def test_a_wav_file_from_a_pipe_is_read_by_its_own_size(tmp_path, noise, size, kind, subtype, before):
    data = encoded(np.stack([noise, noise / 2], axis=1), kind, subtype)
    expected = read(tmp_path / "whole.wav", data)
    for riff in (None, 0, 36, 0xFFFF_FFFF, 0x7FFF_F024):
        found = read(tmp_path / "a.wav", piped(data, size, riff, before))
        np.testing.assert_array_equal(found, expected)


def test_a_piped_file_that_begins_with_silence_is_read(tmp_path, noise):
    samples = np.concatenate([np.zeros(1_000, np.float32), noise])
    for size in PIPED:
        assert len(read(tmp_path / "a.wav", piped(encoded(samples), size))) == 17_000


@pytest.mark.parametrize("size", PIPED)
def test_a_pipe_that_gave_a_header_alone_holds_no_samples(tmp_path, noise, size):
    said = refused(tmp_path / "a.wav", piped(encoded(noise), size)[:44])
    assert said.reason == "holds no samples"


def test_a_length_of_nothing_is_true_where_chunks_follow(tmp_path):
    said = refused(tmp_path / "a.wav", encoded(np.zeros((0, 1))) + LIST)
    assert said.reason == "holds no samples"


def test_a_file_that_ends_before_its_samples_holds_none(tmp_path, noise):
    fmt = encoded(noise)[12:36]
    said = refused(tmp_path / "a.wav", b"RIFF\x1c\0\0\0WAVE" + fmt)
    assert said.reason == "holds no samples"


@pytest.mark.parametrize("missing", [1, 2, 100])
def test_a_size_that_a_file_can_have_is_believed(tmp_path, noise, missing):
    data = encoded(noise)
    reason = refused(tmp_path / "a.wav", data[:-missing]).reason
    assert reason == f"is truncated ({32_000 - missing} of 32000 bytes of samples)"


def test_a_big_endian_wav_file_is_read(tmp_path, noise):
    data = encoded(noise, endian="BIG")
    assert data[:4] == b"RIFX"
    np.testing.assert_array_equal(read(tmp_path / "a.wav", data)[:, 0], noise)
    assert "truncated" in refused(tmp_path / "a.wav", data[:-100]).reason
    at = data.index(b"data") + 4
    for size in PIPED:
        from_pipe = data[:at] + struct.pack(">I", size) + data[at + 4 :]
        np.testing.assert_array_equal(read(tmp_path / "a.wav", from_pipe)[:, 0], noise)


@pytest.mark.parametrize("pad", [b"", b"\0"])
@pytest.mark.parametrize("after", [b"", LIST])
def test_samples_of_odd_length_with_a_pad_or_without(tmp_path, noise, pad, after):
    samples = noise[:8_001]
    data = encoded(samples, subtype="PCM_U8")
    data = data[: data.index(b"data") + 8 + 8_001] + pad + after
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert len(read(tmp_path / "a.wav", data)) == 8_001


def test_a_container_that_tells_nothing_gives_none(tmp_path):
    (tmp_path / "a.txt").write_text("no audio, but some text that is long enough")
    assert containers.samples(tmp_path / "a.txt") is None
    assert containers.truncation(tmp_path / "a.txt") == ""
