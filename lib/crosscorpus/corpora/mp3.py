"""MP3 files whole: their frames are counted here, as decoders take the number that a header tells, or guess it.

An encoder that writes to a stream tells no number of frames, and a file that was joined from several tells that of
the first; decoders then guess from the first frame's bit rate, and stop early or late. So the frames are found by
their own headers, over tags and junk, and each recording in the file is decoded with its right number of frames.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates (Hz) of MPEG 1, 2 and 2.5, by the header's version bits; ISO/IEC 11172-3, 13818-3."""
KILOBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates (kbit/s) by whether the version is MPEG 1, and the layer; the same standards."""

DELAY = 529
"""Samples by which a decoder of layer III lags, which it cuts off at the beginning."""


class Mp3Error(ValueError):
    """An MP3 file that cannot be read whole; the message says why, to stand after the file's name."""


@dataclass(frozen=True)
class Frame:
    """One frame: where it begins, its bytes, and what its header says."""

    at: int
    size: int
    samples: int
    rate: int
    channels: int
    version: int
    layer: int

    @property
    def kind(self) -> tuple[int, ...]:
        """What all frames of a recording share."""
        return self.rate, self.version, self.layer, self.channels


@dataclass(frozen=True)
class Part:
    """One recording of a file: its frames, and the frame before them that tells their number, if it is right."""

    head: Frame | None
    frames: list[Frame]


def parts(data: bytes) -> list[Part]:
    """Find the recordings in the bytes of an MP3 file: more than one where files were joined.

    Raises
    ------
    Mp3Error
        There are no frames, fewer than a header tells, the last one is cut, or recordings differ in sample rate or
        channels.
    """
    found: list[Part] = []
    head: Frame | None = None
    declared: tuple[int, int] | None = None
    frames: list[Frame] = []
    end = 0
    for frame in _frames(data):
        told = _declared(data, frame)
        if told is not None or (declared is not None and len(frames) == declared[0]):
            found += _part(data, head, declared, frames)
            head, declared, frames = (frame, told, []) if told is not None else (None, None, [frame])
        else:
            frames.append(frame)
        end = frame.at + frame.size
    found += _part(data, head, declared, frames)
    if not found:
        raise Mp3Error("holds no MP3 frames")
    cut = _header(data, end)
    if cut and cut.kind == found[-1].frames[-1].kind and found[-1].head is None:
        raise Mp3Error(f"is truncated (its last frame has {len(data) - end} of {cut.size} bytes)")
    forms = sorted({(frame.rate, frame.channels) for part in found for frame in part.frames})
    if len(forms) > 1:
        words = " and ".join(f"{rate} Hz in {channels} channel{'s'[: channels - 1]}" for rate, channels in forms)
        raise Mp3Error(f"holds recordings of unlike form, one after the other ({words})")
    return found


def has_frames(data: bytes) -> bool:
    """Return whether there are MP3 frames among some bytes."""
    return next(_frames(data), None) is not None


def samples(found: list[Part]) -> int:
    """Return the number of samples in all channels together, before the encoder's padding is cut off."""
    return sum(frame.samples * frame.channels for part in found for frame in part.frames)


def read(data: bytes) -> tuple[np.ndarray, int]:
    """Decode all frames of an MP3 file.

    Returns
    -------
    float32 samples [frames, channels] of all recordings in the file, and their sample rate in Hz.

    Raises
    ------
    Mp3Error
        The file cannot be read whole; see `parts`.
    soundfile.LibsndfileError
        It cannot be decoded.
    """
    decoded = []
    for part in parts(data):
        whole, expected = _decodable(data, part)
        values, _ = soundfile.read(io.BytesIO(whole), dtype="float32", always_2d=True)
        if len(values) < expected:
            raise Mp3Error(f"cannot be decoded whole ({len(values)} of {expected} samples)")
        decoded.append(values)
    return np.concatenate(decoded), part.frames[0].rate


def _decodable(data: bytes, part: Part) -> tuple[bytes, int]:
    """Return the bytes of one recording as a decoder reads them whole, and how many samples it then gives."""
    frames = b"".join(data[frame.at : frame.at + frame.size] for frame in part.frames)
    if part.head:
        whole = data[part.head.at : part.head.at + part.head.size] + frames
        return whole, soundfile.info(io.BytesIO(whole)).frames
    samples = len(part.frames) * part.frames[0].samples
    if part.frames[0].layer != 3 or soundfile.info(io.BytesIO(frames)).frames == samples:
        return frames, samples
    return _new_head(data, part) + frames, samples - DELAY


def _part(
    data: bytes, head: Frame | None, declared: tuple[int, int] | None, frames: list[Frame]
) -> Iterator[Part]:
    if head and declared and declared[0] != len(frames):
        # Some encoders count the frame that tells the number, too; then the bytes that it tells are all there.
        bytes_here = head.size + sum(frame.size for frame in frames)
        if len(frames) + 1 != declared[0] or bytes_here != declared[1]:
            raise Mp3Error(f"is truncated ({len(frames)} of {declared[0]} frames)")
        head = None
    if head and data[head.at + 36 : head.at + 40] == b"VBRI":  # of which the decoder knows nothing
        head = None
    if frames:
        yield Part(head, frames)


BEGINNINGS = re.compile(rb"\xff[\xe0-\xff]|ID3|TAG|APETAGEX")
"""Of frames and tags."""


def _frames(data: bytes) -> Iterator[Frame]:
    """Find all whole frames: each where the one before ends or, past what is none, where one like it follows."""
    at, before = 0, None
    while at < len(data):
        tag = _tag(data, at)
        if tag:
            at, before = at + tag, None
            continue
        frame = _header(data, at)
        if frame and at + frame.size <= len(data):
            follows = before is not None and before.kind == frame.kind
            if follows or _is_confirmed(data, frame):
                yield frame
                at, before = at + frame.size, frame
                continue
        found = BEGINNINGS.search(data, at + 1)
        at, before = found.start() if found else len(data), None


def _is_confirmed(data: bytes, frame: Frame) -> bool:
    # By two headers that follow: among two million random bytes there is a pair of headers, now and then.
    after = frame.at + frame.size
    for _ in range(2):
        following = _header(data, after)
        if following is None:
            return after == len(data) or bool(_tag(data, after))
        if following.kind != frame.kind:
            return False
        after += following.size
        if after > len(data):
            return True
    return True


def _tag(data: bytes, at: int) -> int:
    """Return the bytes of the ID3 or APE tag that begins here, or 0."""
    if data[at : at + 3] == b"ID3" and len(data) >= at + 10 and max(data[at + 6 : at + 10]) < 128:
        size = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[at + 6 : at + 10]))
        return size + (10 if data[at + 5] & 0x10 else 0)
    if data[at : at + 3] == b"TAG" and len(data) >= at + 128:
        return 128
    if data[at : at + 8] == b"APETAGEX" and len(data) >= at + 32:
        # Of a header and a footer, each 32 bytes, the size counts the footer; a footer ends its tag.
        is_header = bool(data[at + 23] & 0x20)
        return 32 + (int.from_bytes(data[at + 12 : at + 16], "little") if is_header else 0)
    return 0


def _header(data: bytes, at: int) -> Frame | None:
    """Read a frame's header; None where there is none, or one without a bit rate ("free format")."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] < 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bits, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    kilobits, rate = KILOBITS[version == 3, layer][bits - 1], RATES[version][rate]
    padding = data[at + 2] >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    size = (samples // 8 // slot * kilobits * 1000 // rate + padding) * slot
    return Frame(at, size, samples, rate, 1 if data[at + 3] >> 6 == 3 else 2, version, layer)


def _side(frame: Frame) -> int:
    """Return the bytes of a frame's side information."""
    if frame.version == 3:
        return 17 if frame.channels == 1 else 32
    return 9 if frame.channels == 1 else 17


def _declared(data: bytes, frame: Frame) -> tuple[int, int] | None:
    """Return the frames and bytes (0: not told) that a frame of no sound tells of those after it, or None."""
    if frame.layer != 3:
        return None
    for at in (frame.at + 4 + _side(frame), frame.at + 6 + _side(frame)):  # the latter where frames have checksums
        if data[at : at + 4] in (b"Xing", b"Info"):
            flags = data[at + 7]
            if not flags & 1:
                return None
            told = int.from_bytes(data[at + 12 : at + 16], "big") if flags & 2 else 0
            return int.from_bytes(data[at + 8 : at + 12], "big"), told
    at = frame.at + 36
    if data[at : at + 4] == b"VBRI":
        return int.from_bytes(data[at + 14 : at + 18], "big"), int.from_bytes(data[at + 10 : at + 14], "big")
    return None


def _new_head(data: bytes, part: Part) -> bytes:
    """Make a frame of no sound that tells the number of frames, like the first of them but without a checksum."""
    first = part.frames[0]
    header = bytearray(data[first.at : first.at + 4])
    header[1] |= 1
    sizes = {}
    for bits in range(1, 15):
        header[2] = bits << 4 | header[2] & 0b1100
        made = _header(bytes(header), 0)
        sizes[bytes(header)] = made.size if made else 0
    needed = 4 + _side(first) + 16
    begin, size = next((begin, size) for begin, size in sizes.items() if size >= needed)
    total = size + sum(frame.size for frame in part.frames)
    told = b"Xing" + (3).to_bytes(4, "big") + len(part.frames).to_bytes(4, "big") + total.to_bytes(4, "big")
    return (begin + bytes(_side(first)) + told).ljust(size, b"\0")
