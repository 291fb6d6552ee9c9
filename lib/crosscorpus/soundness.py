"""Whether an audio file says the same of itself everywhere: what decoders believe, and get wrong in silence.

A decoder believes the header. Where that is damaged, or the file is cut, some formats give fewer samples, or
others, without a word. What a file repeats tells: a WAV header gives its data rate three times over, and chunks
must fill the file; a FLAC file carries a checksum of its samples. Formats that repeat nothing are refused.

Not found: a changed sample of a WAV file, changed music data of an MP3 file, and an MP3 file without a Xing header
that was cut. Nothing in those files tells.
"""

import hashlib
import os
import stat
import struct
from pathlib import Path

import numpy as np
import soundfile

from crosscorpus.audio import FETCH_AGAIN, AudioError

RATES = (1_000, 768_000)
"""Sample rates (Hz) that speech may have; a header with another is damaged."""
LARGEST = 2**30
"""Samples, of all channels together, that are decoded at once: 4 GB, or 18 hours of 16 kHz."""
LOUDEST = 10.0
"""Largest absolute sample; full scale is 1, and a float file may exceed it a little."""
CHECKED = ("WAV", "WAVEX", "FLAC", "MP3")
"""Formats, as libsndfile names them, whose damage is noticed here or by their decoder."""
FLAC_RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
"""Sample rates (Hz) that a FLAC frame names by a number of four bits; RFC 9639, section 9.1.2."""


def check(path: str | os.PathLike[str]) -> None:
    """Check a file before it is decoded.

    Raises
    ------
    AudioError
        It is no regular file, is of a format whose damage would not be noticed, declares what it cannot hold, or
        contradicts itself. A file that cannot be opened, or is no audio at all, passes: `audio.read` refuses it.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise AudioError(path, "is no regular file", "put a copy of the audio there")
        with open(path, "rb") as file:
            head = file.read(12)
        info = soundfile.info(os.fspath(path))
    except (OSError, soundfile.LibsndfileError):
        return
    if info.format not in CHECKED or head[:4] in (b"RIFX", b"RF64"):
        kind = info.format_info if head[:4] != b"RIFX" else "big-endian WAV"
        raise AudioError(
            path, f"is of the format {kind}, in which damage goes unnoticed", "convert it to WAV or FLAC"
        )
    if head[:4] == b"RIFF":
        _check_wav(path)
    if not RATES[0] <= info.samplerate <= RATES[1]:
        raise AudioError(path, f"is declared to have a sample rate of {info.samplerate} Hz", FETCH_AGAIN)
    if info.frames * info.channels > LARGEST:
        hours = info.frames / info.samplerate / 3600
        remedy = f"{FETCH_AGAIN}, or cut it into utterances"
        raise AudioError(path, f"is declared to last {hours:.0f} hours in {info.channels} channels", remedy)
    if head[:4] == b"fLaC":
        _check_flac(path, info.samplerate)


def check_samples(path: str | os.PathLike[str], samples: np.ndarray) -> None:
    """Check what a file was decoded to.

    Raises
    ------
    AudioError
        The samples, float32 [frames, channels], are all the same, as in digital silence or a clip of one sample,
        or are far beyond full scale.
    """
    if (samples == samples[0]).all():
        raise AudioError(path, "holds no sound: all samples are the same", f"{FETCH_AGAIN}, or leave it out")
    peak = float(np.abs(samples).max(initial=0))
    if peak > LOUDEST:
        raise AudioError(path, f"holds samples up to {peak:.3g} where full scale is 1", "scale it to [-1, 1]")


def _check_wav(path: str | os.PathLike[str]) -> None:
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        end = min(size, 8 + struct.unpack("<4xI4x", file.read(12))[0])
        length = 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"fmt " and 16 <= length <= size:
                _check_format(path, file.read(length))
                file.seek(-length, os.SEEK_CUR)
            file.seek(length + length % 2, os.SEEK_CUR)
            if name == b"data":
                break
        if length in (0, 0xFFFFFFFF):  # left so by a writer that could not go back: nothing to compare
            return
        while (left := end - file.tell()) > 0:
            name, length = struct.unpack("<4sI", file.read(8)) if left >= 8 else (b"", left)
            if len(name) < 4 or not name.decode("latin-1").isprintable() or length > left - 8:
                raise AudioError(path, f"has {left} bytes after its samples that are no part of it", FETCH_AGAIN)
            file.seek(length + length % 2, os.SEEK_CUR)


def _check_format(path: str | os.PathLike[str], chunk: bytes) -> None:
    kind, channels, rate, per_second, per_frame, bits = struct.unpack("<HHIIHH", chunk[:16])
    if kind == 0xFFFE and len(chunk) >= 26:
        kind = struct.unpack("<H", chunk[24:26])[0]
    expected = channels * ((bits + 7) // 8)
    if kind in (1, 3, 6, 7) and (per_frame, per_second) != (expected, rate * expected):
        raise AudioError(
            path,
            f"has a header that contradicts itself ({channels} channels of {bits} bits at {rate} Hz, but "
            f"{per_frame} bytes a frame and {per_second} a second)",
            f"{FETCH_AGAIN}, or write the header anew with an audio editor",
        )


def _check_flac(path: str | os.PathLike[str], rate: int) -> None:
    data = Path(path).read_bytes()
    bits = (int.from_bytes(data[20:22], "big") >> 4 & 31) + 1  # STREAMINFO; RFC 9639, section 8.2
    declared, at, last = data[26:42], 4, False
    while not last and at + 4 <= len(data):
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    code = data[at + 2] & 15 if at + 2 < len(data) else 0
    if 0 < code < len(FLAC_RATES) and FLAC_RATES[code] != rate:
        reason = f"is declared to have a sample rate of {rate} Hz, its frames {FLAC_RATES[code]} Hz"
        raise AudioError(path, reason, FETCH_AGAIN)
    width = (bits + 7) // 8
    if not any(declared):  # an encoder that does not go back leaves it empty
        return
    try:
        samples = soundfile.read(os.fspath(path), dtype="int32", always_2d=True)[0]
    except soundfile.LibsndfileError:
        return  # as `audio.read` will say
    little = (samples >> (32 - bits)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    if hashlib.md5(little.tobytes(), usedforsecurity=False).digest() != declared:
        raise AudioError(path, "holds other samples than its checksum says", FETCH_AGAIN)
