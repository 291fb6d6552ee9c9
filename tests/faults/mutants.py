"""Audio files that are damaged, odd or no audio at all, each with what a run must make of it."""

import io
import struct
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io.wavfile
import soundfile

RATES = (4_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
SUBTYPES = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}


@dataclass(frozen=True)
class Mutant:
    """A file's content, and the truth of it.

    `samples` (float64 [frames, channels], full scale 1) and `rate` are what a right decoder reads, or None where
    the file must be refused. `either`: where refusing is right too, because the damage may be harmless.
    """

    what: str
    data: bytes
    samples: np.ndarray | None = None
    rate: int = 0
    either: bool = False
    suffix: str = ".wav"


def clip(rng: np.random.Generator, frames: int, channels: int, rate: int) -> np.ndarray:
    """Return a tone in noise, float64 [frames, channels]; the channels differ."""
    seconds = np.arange(frames)[:, None] / rate
    pitch = rng.uniform(100, 0.2 * rate, size=channels)
    return 0.3 * np.sin(2 * np.pi * pitch * seconds) + 0.03 * rng.standard_normal((frames, channels))


def encoded(samples: np.ndarray, rate: int, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    """Return a whole file of the samples."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def reference(data: bytes) -> tuple[np.ndarray, int]:
    """Decode a whole WAV file by other code than the project's: the standard library, or SciPy for floats.

    Returns
    -------
    float64 [frames, channels] with full scale 1, and the rate.
    """
    if struct.unpack("<H", data[20:22])[0] == 1:
        with wave.open(io.BytesIO(data)) as file:
            width, rate, channels = file.getsampwidth(), file.getframerate(), file.getnchannels()
            raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, width)
        if width == 1:
            values = raw[:, 0].astype(float) - 128
        else:  # the sign is in the last byte
            powers = 256.0 ** np.arange(width)
            values = raw @ powers - (raw[:, -1] >= 128) * 256.0**width
        return values.reshape(-1, channels) / 2 ** (8 * width - 1), rate
    rate, values = scipy.io.wavfile.read(io.BytesIO(data))
    if values.dtype.kind == "i":
        values = values / 2.0 ** (8 * values.dtype.itemsize - 1)
    return values.reshape(len(values), -1).astype(float), rate


def valid(rng: np.random.Generator, count: int) -> list[Mutant]:
    """Return whole files: every sample format, 1 to 8 channels, 4 to 192 kHz; each value once, then at random.

    Eight-bit files are among them; so is WAVE_FORMAT_EXTENSIBLE, which writers use for many channels.
    """
    choices = [(s, 1, 16_000) for s in SUBTYPES] + [("PCM_16", c, 16_000) for c in range(2, 9)]
    choices += [("PCM_24", 2, rate) for rate in RATES]
    while len(choices) < count:
        choices.append((rng.choice(list(SUBTYPES)), int(rng.integers(1, 9)), int(rng.choice(RATES))))
    found = []
    for number, (subtype, channels, rate) in enumerate(choices[:count]):
        kind = "WAVEX" if number % 5 == 4 and subtype != "PCM_U8" else "WAV"
        data = encoded(clip(rng, int(rng.integers(2, rate // 4)), channels, rate), rate, subtype, kind)
        plain = data if kind == "WAV" else _plain(data)
        found.append(Mutant(f"{kind} {subtype}, {channels} channels, {rate} Hz", data, *reference(plain)))
    return found


def _plain(data: bytes) -> bytes:
    """Return a WAVE_FORMAT_EXTENSIBLE file as a plain one, for reference decoders that do not know it."""
    kind = data[44:46]
    _, channels, rate, per_second, per_frame, bits = struct.unpack("<HHIIHH", data[20:36])
    fmt = kind + struct.pack("<HIIHH", channels, rate, per_second, per_frame, bits)
    samples = data[data.index(b"data", 60) :]
    return b"RIFF" + struct.pack("<I", 28 + len(samples)) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + samples


def truncated(rng: np.random.Generator, count: int) -> list[Mutant]:
    """Return files cut in each region: in the header, at its borders, in the samples, before the last byte."""
    files = {
        ".wav": encoded(clip(rng, 4000, 2, 16_000), 16_000),
        ".flac": encoded(clip(rng, 4000, 1, 16_000), 16_000, kind="FLAC"),
        ".mp3": encoded(clip(rng, 8000, 1, 16_000), 16_000, "MPEG_LAYER_III", "MP3"),
    }
    found = []
    for number in range(count):
        suffix = list(files)[number % 3]
        data = files[suffix]
        borders = [0, 1, 3, 4, 8, 11, 12, 16, 20, 36, 40, 43, 44, 45, 46, 48, len(data) // 2, len(data) - 1]
        cut = borders[number // 3] if number // 3 < len(borders) else int(rng.integers(len(data)))
        found.append(Mutant(f"{suffix} cut to {cut} of {len(data)} bytes", data[:cut], suffix=suffix))
    return found


def wrong_headers(rng: np.random.Generator, count: int) -> list[Mutant]:
    """Return files with one byte of their header changed: read as before, or refused."""
    files = {
        ".wav": encoded(clip(rng, 3000, 2, 22_050), 22_050),
        ".flac": encoded(clip(rng, 3000, 1, 16_000), 16_000, kind="FLAC"),
    }
    found = []
    for number in range(count):
        suffix = list(files)[number % 2]
        data = bytearray(files[suffix])
        at = (number // 2) % 44
        data[at] ^= int(rng.integers(1, 256))
        samples, rate = soundfile.read(io.BytesIO(files[suffix]), always_2d=True)
        what = f"{suffix} with byte {at} of the header changed to {data[at]}"
        found.append(Mutant(what, bytes(data), samples, rate, either=True, suffix=suffix))
    return found


def odd(rng: np.random.Generator, count: int) -> list[Mutant]:
    """Return what is no usable audio: empty, not finite, too loud, other formats, other files, bombs."""
    whole = clip(rng, 800, 1, 16_000)
    sound = encoded(whole, 16_000)
    found = [
        Mutant("0 bytes", b""),
        Mutant("no samples", encoded(whole[:0], 16_000)),
        Mutant("one sample", encoded(whole[:1], 16_000)),
        Mutant("digital silence", encoded(0 * whole, 16_000)),
        Mutant("float at the scale of integers", encoded(32_768 * whole, 16_000, "FLOAT")),
        Mutant("zip", b"PK\x03\x04" + rng.bytes(400)),
        Mutant("text", b"no sound\n" * 50),
        Mutant("page of a server", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        Mutant("Git-LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\n"),
        Mutant("header alone", sound[:44]),
        Mutant("little-endian under the name of RIFX", b"RIFX" + sound[4:]),
        Mutant("hours in a few bytes", encoded(whole, 16_000, kind="FLAC")[:21] + b"\xff" * 5, suffix=".flac"),
    ]
    for kind in ("AIFF", "AU", "CAF", "RF64", "W64", "OGG"):
        data = encoded(whole, 16_000, "VORBIS" if kind == "OGG" else "PCM_16", kind)
        truth = soundfile.read(io.BytesIO(data), always_2d=True) if kind == "OGG" else reference(sound)
        found.append(Mutant(f"{kind} under the name of a WAV file", data, *truth))
        found.append(Mutant(f"{kind} under the name of a WAV file, cut", data[: int(0.7 * len(data))]))
    for name, kind, suffix in (("FLAC", "FLAC", ".wav"), ("WAV", "WAV", ".flac"), ("WAV", "WAV", ".mp3")):
        data = encoded(whole, 16_000, kind=kind)
        truth = soundfile.read(io.BytesIO(data), always_2d=True)
        found.append(Mutant(f"{name} under the name {suffix}", data, *truth, suffix=suffix))
    while len(found) < count:
        value = rng.choice([np.nan, np.inf, -np.inf])
        subtype = str(rng.choice(["FLOAT", "DOUBLE"]))
        damaged = whole.copy()
        damaged[rng.integers(len(whole), size=rng.integers(1, 20))] = value
        found.append(Mutant(f"{value} in {subtype}", encoded(damaged, 16_000, subtype)))
        noise = rng.bytes(int(rng.integers(1, 5000)))
        head = [b"", sound[:12], sound[:44], b"fLaC", b"ID3", b"\xff\xfb"][rng.integers(6)]
        if head != sound[:44]:  # noise after a whole header is a cut or a noisy file, by its length
            found.append(Mutant(f"{len(noise)} random bytes after {head[:4]!r}", head + noise))
    return found


NAMES = (
    "plain", "with space", " leading", "trailing ", "quote'", 'double"quote', "new\nline", "tab\t", "back\\slash",
    "comma,semicolon;", "日本語", "Ελληνικά", "русский", "العربية", "e\u0301combining", "🎙", "#hash", "=1+1",
    "-dash", "%41", "$HOME", "`touch x`", "*", "[a]", "{b}", "~", "NA", "nan", "x" * 180,
)  # fmt: skip
"""Names of folders that hold a good file, which must be read."""

BAD_NAMES = (b"latin1-\xe9", b"carriage\rreturn", b"\xff\xfe")
"""Names that no table of text holds: refused."""


def put(folder: Path, name: str, mutant: Mutant) -> Path:
    """Write a mutant's file and return its path."""
    path = folder / f"{name}{mutant.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mutant.data)
    return path
