"""Decode an audio file and bring it to the form that every extractor expects: mono, 16 kHz, float32."""

import hashlib
import os
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAMPLE_RATE = 16_000
SUFFIXES = (".wav", ".flac", ".mp3")


class AudioError(ValueError):
    """An audio file that cannot be used; the message names the file, the reason and the remedy."""

    def __init__(self, path: str | os.PathLike[str], reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path, self.reason, self.remedy = Path(path), reason, remedy

    def __reduce__(self) -> tuple:
        """Let the error survive the way back from a worker process."""
        return AudioError, (self.path, self.reason, self.remedy)


FETCH_AGAIN = "fetch the file again from the corpus's home"


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
        The file is missing, empty, not audio, cut short, or holds samples that are not finite; or it has no such
        segment.
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
    _check_wav_length(path)
    try:
        declared = soundfile.info(os.fspath(path)).frames
        samples, rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path, "cannot be decoded: damaged, or not a WAV, FLAC or MP3 file", FETCH_AGAIN
        ) from error
    if len(samples) < declared:
        raise AudioError(path, f"is truncated ({len(samples)} of {declared} frames)", FETCH_AGAIN)
    if len(samples) == 0:
        raise AudioError(path, "holds no samples", FETCH_AGAIN)
    if not np.isfinite(samples).all():
        raise AudioError(path, "holds samples that are not finite", FETCH_AGAIN)
    return samples, rate


BEYOND = 0.01
"""Seconds by which a segment may end after its file: times in tables are rounded."""


def _read_segment(path: str | os.PathLike[str], start: float, end: float | None) -> tuple[np.ndarray, int]:
    try:
        info = soundfile.info(os.fspath(path))
        seekable = info.format in ("WAV", "WAVEX", "FLAC") and _has_honest_length(path)
    except (OSError, soundfile.LibsndfileError):
        seekable = False  # as reading all of it will say
    if seekable:
        _check_wav_length(path)
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


def _has_honest_length(path: str | os.PathLike[str]) -> bool:
    # A writer that could not go back leaves sizes in a WAV file, or a count of 0 in a FLAC file, that say nothing.
    with open(path, "rb") as file:
        head = file.read(42)
        if head[:4] == b"fLaC":
            return int.from_bytes(head[21:26], "big") & (2**36 - 1) > 0
        size = int.from_bytes(head[4:8], "little")
        return head[:4] == b"RIFF" and 0 < size <= os.path.getsize(path)


def _check_wav_length(path: str | os.PathLike[str]) -> None:
    # libsndfile shortens a cut WAV file in silence; the size that its data chunk declares tells. (The size of the
    # whole file, in the RIFF header, is often a few bytes off in sound files.)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:8], "little")
            if chunk[:4] == b"data":
                present = os.path.getsize(path) - file.tell()
                streamed = size in (0, 0xFFFFFFFF)  # left so by a writer that could not go back
                if present < size and not streamed:
                    raise AudioError(path, f"is truncated ({present} of {size} bytes of samples)", FETCH_AGAIN)
                return
            file.seek(size + size % 2, os.SEEK_CUR)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Average the channels and resample to 16 kHz.

    Parameters
    ----------
    samples
        float32 array [frames, channels].
    rate
        Its sample rate in Hz.

    Returns
    -------
    float32 array [samples at 16 kHz]; resampled with soxr at its high-quality setting.
    """
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)


def scale_to_peak(waveform: np.ndarray) -> np.ndarray:
    """Return a waveform with a largest absolute sample of 1; digital silence stays as it is."""
    peak = np.abs(waveform).max(initial=0)
    return waveform / peak if peak > 0 else waveform


def fingerprint(samples: np.ndarray, rate: int) -> str:
    """Return the SHA-256 of the decoded samples, shape and rate: the same for WAV and FLAC of one recording."""
    digest = hashlib.sha256(f"{samples.shape} {rate}".encode())
    digest.update(np.ascontiguousarray(samples, dtype="<f4").data)
    return digest.hexdigest()


def levels_dbfs(samples: np.ndarray) -> tuple[float, float]:
    """Return peak and root-mean-square level in dB relative to full scale (-inf for digital silence)."""
    power = np.square(samples, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(power.max())), float(10 * np.log10(power.mean()))
