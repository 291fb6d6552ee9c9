"""What the containers of audio tell of their length: a decoder shortens a file that was cut, in silence.

WAV, AIFF, CAF, W64, AU and NIST files say how many bytes of samples they hold; Ogg files (Vorbis, Opus) are pages
with numbers and checksums, of which one is marked as the last.
"""

import os
import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

STREAMED = 0x7FFF_0000
"""Sizes from here on stand where a writer to a pipe could not go back: programs put 0, 2 GiB less a page (rounded
to whole samples), 2 GiB, 4 GiB less 1 and the like."""


@dataclass(frozen=True)
class Layout:
    """How the chunks of a container are laid out: the struct of their heads, and where the first begins."""

    head: str
    first: int
    samples: tuple[bytes, ...]
    align: int = 2
    counts_itself: bool = False


LAYOUTS = {
    b"RIFF": Layout("<4sI", 12, (b"data",)),
    b"RIFX": Layout(">4sI", 12, (b"data",)),
    b"RF64": Layout("<4sI", 12, (b"data",)),
    b"FORM": Layout(">4sI", 12, (b"SSND", b"BODY")),
    b"caff": Layout(">4sQ", 8, (b"data",), align=1),
    b"riff": Layout("<4s12xQ", 40, (b"data",), align=8, counts_itself=True),  # W64
}


@dataclass(frozen=True)
class Samples:
    """Where the samples of a file begin, their bytes as declared and as present, and if the latter count."""

    at: int
    declared: int
    present: int
    streamed: bool


def samples(path: str | os.PathLike[str]) -> Samples | None:
    """Return the bytes of samples of a file, or None where its container does not tell."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(1024)
        if head[:4] in LAYOUTS and (head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:12] == b"WAVE"):
            return _of_chunks(file, size, LAYOUTS[head[:4]], head[:4])
        if head[:4] in (b".snd", b"dns.") and len(head) >= 12:  # AU, of either byte order
            at, declared = struct.unpack(">II" if head[:1] == b"." else "<II", head[4:12])
            return Samples(at, declared, max(size - at, 0), _is_unknown(declared))
        if head[:7] == b"NIST_1A":
            return _of_nist(head, size)
    return None


def truncation(path: str | os.PathLike[str]) -> str:
    """Say how a file is cut, by what its container tells; "" for one that is not, or does not tell."""
    with open(path, "rb") as file:
        if file.read(4) == b"OggS":
            file.seek(0)
            return _of_ogg(file.read())
    found = samples(path)
    if found and not found.streamed and found.present < found.declared:
        return f"is truncated ({found.present} of {found.declared} bytes of samples)"
    return ""


def is_header_alone(path: str | os.PathLike[str]) -> bool:
    """Return whether a WAV file ends before its samples begin, and its RIFF header says so, too."""
    with open(path, "rb") as file:
        head = file.read(12)
    whole = len(head) == 12 and os.path.getsize(path) == 8 + int.from_bytes(head[4:8], "little")
    return whole and head[:4] == b"RIFF" and head[8:] == b"WAVE" and samples(path) is None


def _of_chunks(file: BinaryIO, size: int, layout: Layout, kind: bytes) -> Samples | None:
    length, at, declared_elsewhere = struct.calcsize(layout.head), layout.first, None
    while True:
        file.seek(at)
        head = file.read(length)
        if len(head) < length:
            return None
        name, declared = struct.unpack(layout.head, head)
        if layout.counts_itself:
            declared = max(declared - length, 0)
        if kind == b"RF64" and name == b"ds64":
            file.seek(at + length + 8)
            declared_elsewhere = int.from_bytes(file.read(8), "little")
        if name in layout.samples:
            begin = at + length
            if declared_elsewhere is not None and declared == 0xFFFF_FFFF:
                declared = declared_elsewhere
            streamed = _is_unknown(declared) and not (declared == 0 and _are_chunks(file, begin, size, layout))
            return Samples(begin, declared, size - begin, streamed)
        at += length + declared + -declared % layout.align


def _is_unknown(declared: int) -> bool:
    return declared == 0 or declared >= STREAMED


def _are_chunks(file: BinaryIO, at: int, size: int, layout: Layout) -> bool:
    """Return whether all from here to the end are whole chunks, so that a length of 0 before them is true."""
    length = struct.calcsize(layout.head)
    while at < size:
        file.seek(at)
        head = file.read(length)
        if len(head) < length:
            return False
        name, declared = struct.unpack(layout.head, head)
        at += length + declared
        if not name.decode("latin-1").isprintable() or at > size:
            return False
        at += -declared % layout.align
    return True


def _of_nist(head: bytes, size: int) -> Samples | None:
    # NIST SPHERE: a header of text, its own length in the second line.
    told = {key: int(value) for key, value in re.findall(rb"^(\w+) -i (\d+)", head, re.MULTILINE)}
    length = re.match(rb"NIST_1A\n\s*(\d+)\n", head)
    if length is None or not {b"sample_count", b"sample_n_bytes"} <= set(told):
        return None
    declared = told[b"sample_count"] * told[b"sample_n_bytes"] * told.get(b"channel_count", 1)
    return Samples(int(length[1]), declared, max(size - int(length[1]), 0), False)


def _of_ogg(data: bytes) -> str:
    """Say what is wrong with the pages of an Ogg file (RFC 3533): cut, damaged, or several recordings."""
    at, flags, expected, streams = 0, 0, 0, set()
    while at < len(data):
        if data[at : at + 4] != b"OggS" or len(data) < at + 27:
            return f"is truncated or damaged (no whole page at byte {at} of {len(data)})"
        table = at + 27 + data[at + 26]
        end = table + sum(data[at + 27 : table])
        if end > len(data):
            return f"is truncated (its last page has {len(data) - at} of {end - at} bytes)"
        flags, stream, number, checksum = struct.unpack("<5xB8x4sII", data[at : at + 26])
        if _checksum(data[at : at + 22] + bytes(4) + data[at + 26 : end]) != checksum:
            return f"is damaged (the page at byte {at} has another checksum than it tells)"
        streams.add(stream)
        if len(streams) > 1:
            return "holds more than one recording"
        if number != expected:
            return f"is damaged (page {expected} is missing)"
        at, expected = end, expected + 1
    return "" if flags & 4 else "is truncated (it has no last page)"


BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(page: bytes) -> int:
    # Ogg's CRC-32 is zlib's with all bits in the other order, from 0 and without a last inversion.
    value = zlib.crc32(page.translate(BACKWARDS), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(value.to_bytes(4, "little").translate(BACKWARDS), "big")
