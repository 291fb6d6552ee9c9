"""Fetch a file from the web: checked, and gone on with where it was cut short; or ask an API.

What stands under its final name is whole: a file grows under another name, is checked, and is renamed then.
"""

import email.utils
import functools
import hashlib
import importlib.metadata
import os
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests
from tqdm import tqdm
from urllib3.exceptions import NameResolutionError

PAUSES: tuple[float, ...] = (1, 5, 20, 60)
"""Seconds to wait before each further try, unless the server says how long."""
LONGEST_PAUSE = 300.0
"""Seconds that are waited at most where a server asks for more."""
TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for each next piece."""
PASSING = (403, 408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be gone at the next try; homes refuse in waves, and addresses that are signed expire."""
BLOCK = 2**14
"""Bytes to write at a time; a connection that is cut loses fewer than these."""
AGENT = f"crosscorpus/{importlib.metadata.version('crosscorpus')} (reproduces https://arxiv.org/abs/2509.16182)"
"""Who asks: homes refuse programs that give the name of their library alone."""
TERMS = "its terms may have to be accepted by a person, on its home page"
REFUSED = f"refused: programs are blocked, a quota is spent, or {TERMS}; try again later, or in a browser"
MOVED = "it may have moved: see its home page, or put a copy where it is looked for"
LATER = "check the connection and try again later: it goes on where it stopped"
REMEDIES = {401: TERMS, 403: REFUSED, 404: MOVED, 410: MOVED}

RESOLVE = 2
"""Times that a host's name is asked for in vain until the network, or the host, is taken not to be there."""

_unresolved: dict[str, int] = {}  # host -> how many times in a row its name could not be resolved


class DownloadError(RuntimeError):
    """Something that could not be had; the message names it, what happened, what was expected, what to do."""


class NoNetworkError(DownloadError):
    """The name of a host cannot be resolved: there is no network, or no such host."""


class Trouble(NamedTuple):
    """What went wrong in one try, "" for nothing; the seconds that the server asks to wait; what to do."""

    what: str
    wait: float = 0.0
    remedy: str = LATER


def fetch(url: str, to: Path, *, size: int = 0, what: str = "", quiet: bool = False, **checksums: str) -> Path:
    """Download a file, unless it is there and right; go on where an earlier try stopped (`<to>.part`).

    Parameters
    ----------
    url, to
        Where it is, and the file to write.
    size
        Its length in bytes, where known.
    what
        Its name for a person to read.
    quiet
        Without progress bar and report.
    checksums
        Those known, in hex, by their names in `hashlib` (`sha256`, `md5`); "" for one that is not. Without any,
        what came is not checked beyond its length; its SHA-256 is printed.

    Raises
    ------
    NoNetworkError
        The host's name cannot be resolved; it is not asked for again in this process.
    DownloadError
        The server refuses or does not have it, the connection fails again and again, or what came is wrong.
    """
    what, part = what or to.name, to.with_name(f"{to.name}.part")
    expected = {name: value.lower() for name, value in checksums.items() if value}
    if to.is_file() and not _difference(to, size, expected):
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    _again_and_again(url, what, lambda: _go_on(url, part, size, expected, "" if quiet else what))
    if wrong := _difference(part, size, expected):
        part.unlink()
        remedy = "try again; if that comes again, it was changed at its home or on the way: see its home page"
        raise DownloadError(f"{url}: {wrong}; what came was removed; {remedy}")
    os.replace(part, to)
    if not quiet:
        unknown = f"SHA-256 {_checksum(to, 'sha256')}, none is known to compare it with"
        print(f"{what}: {to.stat().st_size} bytes from {url}; {'checksum right' if expected else unknown}")
    return to


def pages(url: str, what: str) -> Iterator[Any]:
    """Yield what an API answers, from JSON, and the further pages to which its answers link (RFC 8288).

    Raises
    ------
    NoNetworkError, DownloadError
        As `fetch`; or what came is no JSON. `what` is said to have been expected.
    """
    while url:
        came: list[requests.Response] = []
        _again_and_again(url, what, functools.partial(_read, url, what, came))
        try:
            yield came[0].json()
        except ValueError as error:
            raise DownloadError(f"{url}: no JSON came ({error}); expected {what}; {MOVED}") from error
        following = came[0].links.get("next", {}).get("url", "")
        url = following and urllib.parse.urljoin(url, following)


def _again_and_again(url: str, what: str, once: Callable[[], Trouble]) -> None:
    """Try until there is no trouble; the last is raised."""
    _refuse_unknown_host(url)
    for pause in (*PAUSES, None):
        trouble = once()
        if not trouble.what:
            return
        _refuse_unknown_host(url)
        if pause is None:
            tries = f"after {len(PAUSES) + 1} tries"
            raise DownloadError(f"{url}: {trouble.what}, {tries}; expected {what}; {trouble.remedy}")
        time.sleep(max(pause, min(trouble.wait, LONGEST_PAUSE)))


def _read(url: str, what: str, into: list[requests.Response]) -> Trouble:
    """Ask once for an answer that fits into memory; return what went wrong."""
    try:
        with requests.get(url, headers={"User-Agent": AGENT}, timeout=TIMEOUT) as response:
            trouble = _refusal(url, response, what, (200,))
            if not trouble.what:
                into.append(response)
            return trouble
    except requests.RequestException as error:
        return _no_connection(url, error)


def _go_on(url: str, part: Path, size: int, expected: Mapping[str, str], bar_name: str) -> Trouble:
    """Ask once for what `part` lacks and append it; return what went wrong."""
    have = part.stat().st_size if part.exists() else 0
    if size and have >= size:
        return Trouble("")
    # Without "identity" a server may compress, and lengths and ranges would be of compressed bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            trouble = _refusal(url, response, "a file", (200, 206, 416) if have else (200, 206))
            if trouble.what:
                return trouble
            status, span = response.status_code, response.headers.get("Content-Range", "")
            # With 416 nothing follows: what is here is whole, if that can be told.
            if status == 416 and (span == f"bytes */{have}" or (expected and not _difference(part, 0, expected))):
                return Trouble("")
            if status == 416 or (status == 206 and not span.startswith(f"bytes {have}-")):
                part.unlink(missing_ok=True)  # of another file, it seems
                return Trouble(f"{_answer(response)} ({span or 'no range'}) when asked for bytes from {have} on")
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
        return _no_connection(url, error)
    return Trouble(f"it ended after {have} of {size} bytes" if have < size else "")


def _answer(response: requests.Response) -> str:
    return f"the server answered {response.status_code} {response.reason}"


def _refusal(url: str, response: requests.Response, what: str, good: tuple[int, ...]) -> Trouble:
    """Return how a server refuses for a while, or no trouble; one that refuses for good is an error."""
    status = response.status_code
    _unresolved.pop(_host(url), None)
    if status in PASSING:
        wait = _seconds(response.headers.get("Retry-After", ""))
        return Trouble(_answer(response), wait, REMEDIES.get(status, LATER))
    if status not in good:
        remedy = REMEDIES.get(status, "see its home page")
        raise DownloadError(f"{url}: {_answer(response)} where {what} was expected; {remedy}")
    return Trouble("")


def _no_connection(url: str, error: requests.RequestException) -> Trouble:
    if isinstance(getattr(error.args[0] if error.args else None, "reason", None), NameResolutionError):
        _unresolved[_host(url)] = _unresolved.get(_host(url), 0) + 1
    return Trouble(f"connection trouble ({error})")


def check_host(url: str) -> None:
    """Raise `NoNetworkError` where the name of an address's host cannot be resolved; for libraries that fetch."""
    if requests.utils.get_environ_proxies(url):  # a proxy resolves names
        return
    while True:
        _refuse_unknown_host(url)
        try:
            socket.getaddrinfo(_host(url), None)
        except OSError:
            _unresolved[_host(url)] = _unresolved.get(_host(url), 0) + 1
            time.sleep(PAUSES[0] if _unresolved[_host(url)] < RESOLVE else 0)
        else:
            _unresolved.pop(_host(url), None)
            return


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or ""


def _refuse_unknown_host(url: str) -> None:
    if _unresolved.get(_host(url), 0) >= RESOLVE:
        raise NoNetworkError(f"{url}: no network, or no such host: {_host(url)}; connect, and run again")


def _seconds(retry_after: str) -> float:
    """Return how long a server asks to wait, in seconds: it gives a number or a date (RFC 9110, 10.2.3)."""
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0


def _difference(path: Path, size: int, expected: Mapping[str, str]) -> str:
    """Return how a file differs from what it should be, or ""."""
    found = path.stat().st_size
    if found < 1024 and expected and path.read_bytes().startswith(b"version https://git-lfs"):
        return "a Git-LFS pointer came in place of the content"
    if size and found != size:
        return f"size is {found} bytes, expected {size}"
    for name, right in expected.items():
        if (came := _checksum(path, name)) != right:
            return f"{name} is {came}, expected {right}"
    return ""


def _checksum(path: Path, name: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
