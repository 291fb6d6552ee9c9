"""Unpack archives from the web that are not to be trusted."""

import fnmatch
import functools
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crosscorpus.base import paths, web

LARGEST, LARGEST_RATIO = 20 * 10**9, 200
"""Bytes that an archive may unpack to, and how many times its own size; audio stays far below."""
SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""How names of archives end that `unpack` takes."""
MANIFEST = "MANIFEST.TXT"
"""A member that is always unpacked: in it, Dataverse says what it left out of a zip that it made."""


def unpack(archive: Path, to: Path, *, wanted: str = "*", limit: int = LARGEST) -> Path:
    """Unpack a zip or tar archive, and the zips that it holds, into a folder that must not exist yet.

    Parameters
    ----------
    archive, to
        The file, and the folder, which appears when all is unpacked.
    wanted
        Pattern for the members to unpack, as of `fnmatch`.
    limit
        Bytes that it may unpack to; never more than `LARGEST_RATIO` times its own size.

    Raises
    ------
    DownloadError
        It is no archive or damaged, a member would leave the folder or is neither file nor folder, or it
        would unpack to more than the limit. Nothing is left behind.
    """
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
    part.mkdir(parents=True)
    try:
        left = min(limit, LARGEST_RATIO * archive.stat().st_size)
        left -= _extract(archive, part, wanted, left, str(archive))
        for inner in [path for path in part.rglob("*") if path.suffix.lower() == ".zip" and path.is_file()]:
            name = f"{archive}, in it {inner.relative_to(part)}"
            left -= _extract(inner, inner.with_suffix(""), "*", left, name)
            inner.unlink()
        os.replace(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return to


def climbs(name: str) -> bool:
    """Return whether a relative path that others wrote would lead elsewhere."""
    parts = re.split(r"[/\\]", name)
    return ".." in parts or not parts[0] or bool(re.match("[A-Za-z]:", name)) or "\0" in name


def left_out(folder: Path) -> list[str]:
    """Return the files that a zip made by Dataverse lacks, by the manifests below the folder it was unpacked to.

    Files are left out above a size limit of the server, and where access to them is restricted.
    """
    said = r"(?m)^(.+?)(?: \([^()]*\) *skipped because\b| IS RESTRICTED AND CANNOT BE DOWNLOADED).*$"
    manifests = sorted(path for path in folder.rglob(MANIFEST) if path.is_file())
    return [name for path in manifests for name in re.findall(said, path.read_text("utf-8", errors="replace"))]


def _extract(archive: Path, to: Path, wanted: str, limit: int, shown: str) -> int:
    """Check all members, then write the wanted ones; return their bytes. `shown` names the archive in errors."""
    chosen, total = [], 0
    try:
        # In this order, because zipfile also takes a tar file that ends with a zip.
        with tarfile.open(archive) if tarfile.is_tarfile(archive) else zipfile.ZipFile(archive) as opened:
            for name, size, is_folder, is_file, read in _members(opened):
                if climbs(name):
                    raise _refusal(shown, f"member {name!r} would be written elsewhere")
                if not (is_folder or is_file):
                    raise _refusal(shown, f"member {name!r} is a link or a device")
                parts = re.split(r"[/\\]", name)
                is_wanted = fnmatch.fnmatchcase(name, wanted) or parts[-1] == MANIFEST
                if is_file and is_wanted and not paths.is_note(parts):
                    chosen.append((to.joinpath(*parts), read))
                    total += size
                if total > limit:
                    raise _refusal(shown, f"it unpacks to more than {limit} bytes")
            for path, read in chosen:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Both libraries give no more bytes than the member declares, so the limit holds.
                with read() as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file)
    except web.DownloadError:
        raise
    except Exception as error:  # damaged archives raise errors of a dozen kinds
        reason = f"cannot be unpacked ({type(error).__name__}: {error})"
        expected = "expected a whole zip or tar archive, and room for its content"
        raise web.DownloadError(f"{shown}: {reason}; {expected}; fetch it again") from error
    return total


def _refusal(archive: str, reason: str) -> web.DownloadError:
    remedy = "expected plain files alone; nothing was unpacked, and this archive is not to be trusted"
    return web.DownloadError(f"{archive}: {reason}; {remedy}")


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, int, bool, bool, Any]]:
    """Yield name, declared bytes, whether it is a folder, whether it is a file, and the function that opens it."""
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            read = functools.partial(opened.extractfile, entry)
            yield entry.name, entry.size, entry.isdir(), entry.isreg(), read
        return
    for info in opened.infolist():
        name = info.orig_filename  # what the archive says; zipfile cleans `filename`, in silence
        is_folder, kind = name.endswith(("/", "\\")), stat.S_IFMT(info.external_attr >> 16)
        is_file = not is_folder and kind in (0, stat.S_IFREG)  # 0: not every system stores it
        yield name, info.file_size, is_folder, is_file, functools.partial(opened.open, info)
