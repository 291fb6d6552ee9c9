"""Decode an audio file to mono float32 samples."""

import io
import os
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from crosscorpus.corpora import containers, mp3

SUFFIXES = (
    ".wav", ".flac", ".mp3", ".aiff", ".aif", ".aifc", ".w64", ".rf64", ".caf", ".au", ".snd", ".sph", ".nist",
    ".ogg", ".oga", ".opus", ".mp2", ".voc", ".ircam", ".paf", ".pvf", ".avr", ".8svx",
)  # fmt: skip
"""Suffixes of files that are read, whatever they hold; of two copies of an utterance, the one that comes first."""
UNREADABLE_SUFFIXES = (
    ".m4a", ".mp4", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mka", ".mov", ".ape", ".wv", ".ra", ".shn", ".spx",
)  # fmt: skip
"""Suffixes of audio that is not read; such files are problems, with the remedy."""
CONVERT = "convert it to WAV or FLAC"


class AudioError(ValueError):
    """An audio file that cannot be used; the message names the file, the reason and the remedy."""

    def __init__(self, path: str | os.PathLike[str], reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path, self.reason, self.remedy = Path(path), reason, remedy

    def __reduce__(self) -> tuple:
        """Let the error survive the way back from a worker process."""
        return AudioError, (self.path, self.reason, self.remedy)


FETCH_AGAIN = "copy, export or download the file again"


def read(
    path: str | os.PathLike[str], start: float | None = None, end: float | None = None
) -> tuple[np.ndarray, int]:
    """Decode a file, or a segment of it.

    Parameters
    ----------
    path
        WAV, FLAC or MP3 file.
    start, end
        Of the segment, in seconds from the file's beginning; None for the file's own. Of WAV and FLAC files only
        the segment is decoded.

    Returns
    -------
    samples
        float32 array [frames, channels], in [-1, 1] for integer formats.
    rate
        Sample rate of the file in Hz.

    Raises
    ------
    AudioError
        The file is missing, empty, not audio, cut short or cannot be read whole, or holds samples that are not
        finite; or it has no such segment.
    """
    if start is not None or end is not None:
        return _read_segment(path, start or 0.0, end)
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror})", "check path and permissions") from error
    if not head:
        raise AudioError(path, "is empty (0 bytes)", FETCH_AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise AudioError(path, "is a Git-LFS pointer, not audio", "run `git lfs pull` in the corpus's folder")
    if cut := containers.truncation(path):
        raise AudioError(path, cut, FETCH_AGAIN)
    samples, rate = _decode(path)
    if len(samples) == 0:
        raise AudioError(path, "holds no samples", FETCH_AGAIN)
    if not np.isfinite(samples).all():
        raise AudioError(path, "holds samples that are not finite", FETCH_AGAIN)
    return samples, rate


def _decode(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    try:
        if is_mp3(path):
            return mp3.read(Path(path).read_bytes())
        found = containers.samples(path)
        whole = io.BytesIO(_with_length(path, found)) if found and found.streamed else os.fspath(path)
        declared = soundfile.info(whole).frames
        if isinstance(whole, io.BytesIO):
            whole.seek(0)
        samples, rate = soundfile.read(whole, dtype="float32", always_2d=True)
    except mp3.Mp3Error as error:
        raise AudioError(path, str(error), f"{FETCH_AGAIN}, or {CONVERT}") from error
    except soundfile.LibsndfileError as error:
        if containers.is_header_alone(path):
            raise AudioError(path, "holds no samples", FETCH_AGAIN) from error
        if Path(path).suffix.lower() in UNREADABLE_SUFFIXES:
            kind = Path(path).suffix.lower()
            raise AudioError(path, f"is of a format that cannot be read ({kind})", CONVERT) from error
        reason = "cannot be decoded: damaged, or of a format that is not read"
        raise AudioError(path, reason, f"{FETCH_AGAIN}, or {CONVERT}") from error
    if len(samples) < declared:
        raise AudioError(path, f"is truncated ({len(samples)} of {declared} frames)", FETCH_AGAIN)
    return samples, rate


def is_mp3(path: str | os.PathLike[str]) -> bool:
    """Return whether a file holds MP3 frames, after tags or, where its name says so, anything else."""
    try:
        return soundfile.info(os.fspath(path)).format == "MP3"
    except soundfile.LibsndfileError:
        named_so = Path(path).suffix.lower() in (".mp3", ".mp2")
        return named_so and mp3.has_frames(Path(path).read_bytes())


def _with_length(path: str | os.PathLike[str], found: containers.Samples) -> bytes:
    """Return a WAV file's bytes with the length of its samples, which its writer could not go back to tell."""
    data = Path(path).read_bytes()
    if data[:4] not in (b"RIFF", b"RIFX"):
        return data
    order: Literal["little", "big"] = "little" if data[:4] == b"RIFF" else "big"
    return data[: found.at - 4] + found.present.to_bytes(4, order) + data[found.at :]


BEYOND = 0.01
"""Seconds by which a segment may end after its file: times in tables are rounded."""


def _read_segment(path: str | os.PathLike[str], start: float, end: float | None) -> tuple[np.ndarray, int]:
    try:
        info = soundfile.info(os.fspath(path))
        seekable = _is_seekable(path, info.format)
    except (OSError, soundfile.LibsndfileError):
        seekable = False  # as reading all of it will say
    if seekable:
        if cut := containers.truncation(path):
            raise AudioError(path, cut, FETCH_AGAIN)
        frames, rate = info.frames, info.samplerate
    else:
        whole, rate = read(path)
        frames = len(whole)
    stop = frames if end is None else round(end * rate)
    if stop > frames + BEYOND * rate or start * rate >= frames:
        asked = f"{start:g} to {'its end' if end is None else format(end, 'g')} s"
        raise AudioError(path, f"lasts {frames / rate:.3f} s and has no segment {asked}", "correct start and end")
    first, stop = round(start * rate), min(stop, frames)
    if not seekable:
        samples = whole[first:stop]
    else:
        try:
            samples, _ = soundfile.read(os.fspath(path), start=first, stop=stop, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(path, f"cannot be decoded from {start:g} s on: damaged", FETCH_AGAIN) from error
        if len(samples) < stop - first:
            raise AudioError(path, f"is truncated ({len(samples)} of {stop - first} frames)", FETCH_AGAIN)
    if len(samples) == 0:
        raise AudioError(
            path, f"holds no samples between {start:g} and {stop / rate:g} s", "correct start and end"
        )
    if not np.isfinite(samples).all():
        raise AudioError(path, "holds samples that are not finite", FETCH_AGAIN)
    return np.ascontiguousarray(samples), rate


def _is_seekable(path: str | os.PathLike[str], kind: str) -> bool:
    # A writer that could not go back leaves sizes in a WAV file, or a count of 0 in a FLAC file, that say nothing.
    if kind == "FLAC":
        with open(path, "rb") as file:
            return int.from_bytes(file.read(26)[21:26], "big") & (2**36 - 1) > 0
    found = containers.samples(path) if kind in ("WAV", "WAVEX") else None
    return found is not None and not found.streamed
