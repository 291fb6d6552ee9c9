"""Fetch a file from the web: checked, and gone on with where it was cut short.

What stands under its final name is whole: a file grows under another name, is checked, and is renamed then.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

PAUSES: tuple[float, ...] = (1, 4, 15)
"""Seconds to wait before each further try of a download that was cut."""
TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for each next piece."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be gone at the next try."""
BLOCK = 2**14
"""Bytes to write at a time; a connection that is cut loses fewer than these."""
TERMS = "its terms may have to be accepted by a person, on its home page"
MOVED = "it may have moved: see its home page, or put a copy where it is looked for"
REMEDIES = {401: TERMS, 403: TERMS, 404: MOVED, 410: MOVED}


class DownloadError(RuntimeError):
    """Something that could not be had; the message names it, what happened, what was expected, what to do."""


def fetch(
    url: str, to: Path, *, sha256: str = "", md5: str = "", size: int = 0, what: str = "", quiet: bool = False
) -> Path:
    """Download a file, unless it is there and right; go on where an earlier try stopped (`<to>.part`).

    Parameters
    ----------
    url, to
        Where it is, and the file to write.
    sha256, md5, size
        Its checksums in hex and its length in bytes, where known. Without a checksum, what came is not checked
        beyond its length; its SHA-256 is printed.
    what
        Its name for a person to read.
    quiet
        Without progress bar and report.

    Raises
    ------
    DownloadError
        The server refuses or does not have it, the connection fails again and again, or what came is wrong.
    """
    what, part = what or to.name, to.with_name(f"{to.name}.part")
    expected = {"sha256": sha256.lower(), "md5": md5.lower()}
    if to.is_file() and not _difference(to, size, expected):
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    for pause in (*PAUSES, None):
        trouble = _go_on(url, part, size, expected, "" if quiet else what)
        if not trouble:
            break
        if pause is None:
            remedy = "check the connection and try again later: it goes on where it stopped"
            raise DownloadError(f"{url}: {trouble}, after {len(PAUSES) + 1} tries; expected {what}; {remedy}")
        time.sleep(pause)
    if wrong := _difference(part, size, expected):
        part.unlink()
        remedy = "try again; if that comes again, it was changed at its home or on the way: see its home page"
        raise DownloadError(f"{url}: {wrong}; what came was removed; {remedy}")
    os.replace(part, to)
    if not quiet:
        unknown = f"SHA-256 {_checksum(to, 'sha256')}, none is known to compare it with"
        print(f"{what}: {to.stat().st_size} bytes from {url}; {'checksum right' if sha256 or md5 else unknown}")
    return to


def _go_on(url: str, part: Path, size: int, expected: Mapping[str, str], bar_name: str) -> str:
    """Ask once for what `part` lacks and append it; return what went wrong, or "" where its end was reached."""
    have = part.stat().st_size if part.exists() else 0
    if size and have >= size:
        return ""
    # Without "identity" a server may compress, and lengths and ranges would be of compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status, span = response.status_code, response.headers.get("Content-Range", "")
            answer = f"the server answered {status} {response.reason}"
            if status in PASSING:
                return answer
            if status == 416 and have:  # nothing follows: what is here is whole, if that can be told
                if span == f"bytes */{have}" or (any(expected.values()) and not _difference(part, 0, expected)):
                    return ""
            elif status not in (200, 206):
                remedy = REMEDIES.get(status, "see its home page")
                raise DownloadError(f"{url}: {answer} where a file was expected; {remedy}")
            if status == 416 or (status == 206 and not span.startswith(f"bytes {have}-")):
                part.unlink(missing_ok=True)  # of another file, it seems
                return f"{answer} ({span or 'no range'}) when asked for bytes from {have} on"
            have = have if status == 206 else 0  # with 200, all of it comes again
            total = size or have + int(response.headers.get("Content-Length", 0)) or None
            look: Any = {"unit": "B", "unit_scale": True, "mininterval": 5, "disable": not bar_name}
            bar = tqdm(desc=bar_name, initial=have, total=total, **look)
            with open(part, "ab" if have else "wb") as file, bar:
                for block in response.iter_content(BLOCK):
                    have += file.write(block)
                    bar.update(len(block))
                    if size and have > size:
                        break
    except requests.RequestException as error:
        return f"connection trouble ({error})"
    return f"it ended after {have} of {size} bytes" if have < size else ""


def _difference(path: Path, size: int, expected: Mapping[str, str]) -> str:
    """Return how a file differs from what it should be, or ""."""
    found = path.stat().st_size
    if size and found != size:
        return f"size is {found} bytes, expected {size}"
    for name, right in expected.items():
        if right and (came := _checksum(path, name)) != right:
            return f"{name} is {came}, expected {right}"
    return ""


def _checksum(path: Path, name: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
