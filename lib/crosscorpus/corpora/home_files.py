"""What a home of a corpus gives, in a folder: an archive unpacked, or the files of a list, one by one."""

import fnmatch
import hashlib
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosscorpus.base import archives, listed_files, web
from crosscorpus.corpora import decoding, parquet_audio

POINTER = re.compile(rb"version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\s*\Z")
PARQUET = (".parquet",)
KINDS = (decoding.SUFFIXES, archives.SUFFIXES, PARQUET)
"""Suffixes of the forms in which a list of files may have audio."""


def shown(home: Mapping[str, Any]) -> str:
    """Return the address of a home, as a person would look at it."""
    if "huggingface" in home:
        given = home["huggingface"]
        return f"https://huggingface.co/datasets/{given['dataset']}/tree/{given['revision']}"
    if "dataverse" in home:
        given = home["dataverse"]
        return f"{given['server']}/dataset.xhtml?persistentId={given['doi']}"
    return str(home["url"])


def fetch(home: Mapping[str, Any], to: Path, what: str) -> Path:
    """Fetch all that a home has of a corpus into a folder; go on where an earlier try stopped.

    Parameters
    ----------
    home
        As the head of `data/corpora.yaml` says: with `url`, `dataverse` or `huggingface`.
    to
        The folder, which appears when all is there. What is on its way stands beside it, under its name and more.
    what
        The corpus's name.

    Raises
    ------
    DownloadError
        It cannot be had, or is not what was expected.
    """
    if not to.is_dir():
        (_fetch_archive if "url" in home else _fetch_listed)(home, to, what)
    if "lfs" in home:
        fetch_lfs(to, [home["lfs"]] if isinstance(home["lfs"], str) else home["lfs"], what=what)
    elif pointers := [path for path, *_ in _pointers(to) if _is(path.name, decoding.SUFFIXES)]:
        name = pointers[0].relative_to(to)
        shutil.rmtree(to)  # another time there may be content
        raise web.DownloadError(
            f"{shown(home)}: a Git-LFS pointer came in place of the content of {name} and {len(pointers) - 1} "
            "more files; what came was removed; see its home page"
        )
    return to


def _fetch_archive(home: Mapping[str, Any], to: Path, what: str) -> None:
    known = {key: home[key] for key in ("sha256", "md5", "size") if key in home}
    archive = web.fetch(home["url"], to.with_name(f"{to.name}.archive"), what=what, **known)
    try:
        archives.unpack(archive, to, wanted=home.get("wanted", "*"))
    except web.DownloadError:
        archive.unlink()  # without a checksum it would be taken for the right one again
        raise
    archive.unlink()


def _fetch_listed(home: Mapping[str, Any], to: Path, what: str) -> None:
    of = listed_files.of_dataverse if "dataverse" in home else listed_files.of_huggingface
    files = of(**home.get("dataverse", home.get("huggingface")))
    wanted = [file for file in files if fnmatch.fnmatchcase(file.path, home.get("wanted", "*"))]
    chosen = max(([file for file in wanted if _is(file.path, kind)] for kind in KINDS), key=_size)
    if not chosen:
        names = ", ".join(sorted(file.path for file in files)[:5]) or "none"
        forms = "audio, an archive or a Parquet table; programs that load a data set are not run"
        raise web.DownloadError(f"{shown(home)}: none of its {len(files)} files ({names}) is {forms}")
    # Named by the list, so that what is left of another version is never taken for a part of this one.
    listed = json.dumps([(file.path, file.size, dict(file.checksums)) for file in chosen])
    part = to.with_name(f"{to.name}.files-{hashlib.sha256(listed.encode()).hexdigest()[:8]}")
    listed_files.fetch(chosen, part, what=what)
    packed = [part / file.path for file in chosen if not _is(file.path, decoding.SUFFIXES)]
    for file in packed:
        unpacked = file.with_name(f"{file.name}.unpacked")
        if not unpacked.is_dir():
            try:
                (parquet_audio if _is(file.name, PARQUET) else archives).unpack(file, unpacked)
            except web.DownloadError:
                file.unlink()
                raise
    for file in packed:  # only now: while one is missing, the others would be fetched again
        file.unlink()
    os.replace(part, to)


def _is(path: str, suffixes: tuple[str, ...]) -> bool:
    return path.lower().endswith(suffixes)


def _size(files: Sequence[listed_files.Listed]) -> tuple[int, int]:
    return sum(file.size for file in files), len(files)


def fetch_lfs(folder: Path, media: Sequence[str], *, what: str = "", workers: int = 8) -> None:
    """Replace every Git-LFS pointer below a folder by its content, `workers` files at a time.

    Parameters
    ----------
    folder
        An unpacked archive of GitHub: one folder that holds all, and that is no part of the paths.
    media
        Addresses below which the content is, by path, tried in turn: the pointers have its checksums.

    Raises
    ------
    DownloadError
        As `listed_files.fetch`. What came so far is kept, and the other pointers stay.
    """
    pointers = []
    for path, sha256, size in _pointers(folder):
        name = path.relative_to(folder)
        urls = tuple(f"{home}/{urllib.parse.quote('/'.join(name.parts[1:]))}" for home in media)
        pointers.append(listed_files.Listed(name.as_posix(), urls, size, {"sha256": sha256}))
    listed_files.fetch(pointers, folder, what=what, workers=workers)


def _pointers(folder: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield the Git-LFS pointers below a folder: path, and SHA-256 and bytes of the content."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= 1024):
        if match := POINTER.match(path.read_bytes()):
            yield path, match[1].decode(), int(match[2])


def key(home: Mapping[str, Any]) -> str:
    """Return a name of a home's content, so that what is left of another version is never continued."""
    return json.dumps({name: home[name] for name in ("url", "dataverse", "huggingface") if name in home})
