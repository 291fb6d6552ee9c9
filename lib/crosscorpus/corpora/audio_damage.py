"""Whether an audio file says the same of itself everywhere: what decoders believe, and get wrong in silence.

A decoder believes the header. Where that is damaged, or the file is cut, some formats give fewer samples, or
others, without a word. What a file repeats tells: a WAV header gives its data rate three times over, and chunks
must fill the file; FLAC and Ogg files carry checksums; other containers tell their length. A few old formats tell
nothing: their files are read, and `unchecked` counts them.

Not found: a changed sample of a WAV file, changed music data of an MP3 file, and an MP3 file without a Xing header
that was cut between two frames. Nothing in those files tells.
"""

import hashlib
import os
import stat
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
import soundfile

from crosscorpus.corpora import containers, mp3
from crosscorpus.corpora.decoding import FETCH_AGAIN, AudioError

RATES = (1_000, 768_000)
"""Sample rates (Hz) that speech may have; a header with another is damaged."""
LARGEST = 2**30
"""Samples, of all channels together, that are decoded at once: 4 GB, or 18 hours of 16 kHz."""
LOUDEST = 10.0
"""Largest absolute sample; full scale is 1, and a float file may exceed it a little."""
CANCELLED = 0.1
"""Of the channels' level, the least that their mean may have; two microphones, or one, leave half or more."""
SILENT = 0.001
"""Of the channels' level, the least that must be left at 16 kHz."""
UNCHECKED = (".voc", ".ircam", ".paf", ".pvf", ".avr")
"""Suffixes of formats that tell neither length nor checksum: a file that is cut is read as a shorter one."""
FLAC_RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
"""Sample rates (Hz) that a FLAC frame names by a number of four bits; RFC 9639, section 9.1.2."""


def check(path: str | os.PathLike[str]) -> None:
    """Check a file before it is decoded.

    Raises
    ------
    AudioError
        It is no regular file, declares what it cannot hold, or contradicts itself. A file that cannot be opened,
        or is no audio at all, passes: `decoding.read` refuses it.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise AudioError(path, "is no regular file", "put a copy of the audio there")
        with open(path, "rb") as file:
            head = file.read(12)
        info = soundfile.info(os.fspath(path))
    except (OSError, soundfile.LibsndfileError):
        return
    if head[:4] in (b"RIFF", b"RIFX"):
        _check_wav(path, "<" if head[:4] == b"RIFF" else ">")
    if not RATES[0] <= info.samplerate <= RATES[1]:
        raise AudioError(path, f"is declared to have a sample rate of {info.samplerate} Hz", FETCH_AGAIN)
    if _declared(path, info) > LARGEST:
        hours = _declared(path, info) / info.channels / info.samplerate / 3600
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


def check_mix(path: str | os.PathLike[str], samples: np.ndarray, mix: np.ndarray) -> None:
    """Check that what is embedded of a recording still has its sound.

    Parameters
    ----------
    samples
        float32 [frames, channels], as decoded.
    mix
        float32 [samples at 16 kHz], what `sound.resample` makes of them.

    Raises
    ------
    AudioError
        The channels cancel out when averaged, as with one of them inverted, or all sound is above 8 kHz.
    """
    if samples.shape == (len(mix), 1):  # the same samples
        return
    level = float(np.sqrt(samples.var(axis=0, dtype=np.float64).mean()))
    if float(samples.mean(axis=1, dtype=np.float64).std()) <= CANCELLED * level:
        remedy = "use one channel alone, or turn the sign of one"
        raise AudioError(path, "its channels cancel out when averaged", remedy)
    if float(mix.std(dtype=np.float64)) <= SILENT * level and len(mix) > 1:
        remedy = "check how it was made, or leave it out"
        raise AudioError(path, "holds no sound below 8 kHz, which is all that is embedded", remedy)


def unchecked(files: Iterable[str | os.PathLike[str]]) -> dict[str, int]:
    """Count the files whose format tells no damage, by suffix, so that a page can say so.

    Returns
    -------
    suffix -> files, for example {".voc": 3}; empty where damage of every file would be noticed.
    """
    suffixes = Counter(PurePath(file).suffix.lower() for file in files)
    return {suffix: suffixes[suffix] for suffix in UNCHECKED if suffixes[suffix]}


def _declared(path: str | os.PathLike[str], info: object) -> int:
    """Return the samples of all channels together: by the frames where the header may tell none, or too few."""
    if info.format == "MP3":  # type: ignore[attr-defined]
        try:
            return mp3.samples(mp3.parts(Path(path).read_bytes()))
        except mp3.Mp3Error:
            return 0  # as `decoding.read` will say
    return info.frames * info.channels  # type: ignore[attr-defined]


def _check_wav(path: str | os.PathLike[str], order: str) -> None:
    size, found = os.path.getsize(path), containers.samples(path)
    with open(path, "rb") as file:
        end = min(size, 8 + struct.unpack(f"{order}4xI4x", file.read(12))[0])
        length = 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", head)
            if name == b"fmt " and 16 <= length <= size:
                _check_format(path, file.read(length), order)
                file.seek(-length, os.SEEK_CUR)
            file.seek(length + length % 2, os.SEEK_CUR)
            if name == b"data":
                break
        if found is None or found.streamed:  # left so by a writer that could not go back: nothing to compare
            return
        after = found.at + found.declared
        if not any(
            _are_chunks(file, at, end, order) for at in (after, after + after % 2)
        ):  # some leave the pad out
            left = end - after - after % 2
            raise AudioError(path, f"has {left} bytes after its samples that are no part of it", FETCH_AGAIN)


def _are_chunks(file: BinaryIO, at: int, end: int, order: str) -> bool:
    """Return whether there are chunks from here to the end, and nothing else."""
    while at < end:
        file.seek(at)
        head = file.read(8)
        name, length = struct.unpack(f"{order}4sI", head) if len(head) == 8 else (b"\0", 0)
        if not name.decode("latin-1").isprintable() or length > end - at - 8:
            return False
        at += 8 + length + length % 2
    return True


def _check_format(path: str | os.PathLike[str], chunk: bytes, order: str) -> None:
    kind, channels, rate, per_second, per_frame, bits = struct.unpack(f"{order}HHIIHH", chunk[:16])
    if kind == 0xFFFE and len(chunk) >= 26:
        kind = struct.unpack(f"{order}H", chunk[24:26])[0]
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
        return  # as `decoding.read` will say
    little = (samples >> (32 - bits)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    if hashlib.md5(little.tobytes(), usedforsecurity=False).digest() != declared:
        raise AudioError(path, "holds other samples than its checksum says", FETCH_AGAIN)
