"""Downloads of corpora and models from their homes (`python -m crosscorpus.downloads emodb wavlm-base`).

What stands under its final name is whole: files and folders grow under another name, are checked, and are renamed
then. What was cut short goes on where it stopped when it is asked for again.
"""

import argparse
import concurrent.futures
import fnmatch
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tarfile
import time
import urllib.parse
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml
from tqdm import tqdm

from crosscorpus import audio, corpora, extractors, names, paths

PAUSES: tuple[float, ...] = (1, 4, 15)
"""Seconds to wait before each further try of a download that was cut."""
TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for each next piece."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be gone at the next try."""
BLOCK = 2**14
"""Bytes to write at a time; a connection that is cut loses fewer than these."""
LARGEST, LARGEST_RATIO = 20 * 10**9, 200
"""Bytes that an archive may unpack to, and how many times its own size; audio stays far below."""

TERMS = "its terms may have to be accepted by a person, on its home page"
MOVED = "it may have moved: see its home page, or put a copy where it is looked for"
REMEDIES = {401: TERMS, 403: TERMS, 404: MOVED, 410: MOVED}
POINTER = re.compile(rb"version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\s*\Z")


class DownloadError(RuntimeError):
    """Something that could not be had; the message names it, what happened, what was expected, what to do."""


# -- files --------------------------------------------------------------------------------------------------


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


# -- archives -----------------------------------------------------------------------------------------------


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
            if not inner.name.startswith("._"):  # macOS keeps notes on a file under such a name
                name = f"{archive}, in it {inner.relative_to(part)}"
                left -= _extract(inner, inner.with_suffix(""), "*", left, name)
                inner.unlink()
        os.replace(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return to


def _extract(archive: Path, to: Path, wanted: str, limit: int, shown: str) -> int:
    """Check all members, then write the wanted ones; return their bytes. `shown` names the archive in errors."""
    chosen, total = [], 0
    try:
        # In this order, because zipfile also takes a tar file that ends with a zip.
        with tarfile.open(archive) if tarfile.is_tarfile(archive) else zipfile.ZipFile(archive) as opened:
            for name, size, is_folder, is_file, read in _members(opened):
                parts = re.split(r"[/\\]", name)
                if ".." in parts or not parts[0] or re.match("[A-Za-z]:", name) or "\0" in name:
                    raise _refusal(shown, f"member {name!r} would be written elsewhere")
                if not (is_folder or is_file):
                    raise _refusal(shown, f"member {name!r} is a link or a device")
                if is_file and fnmatch.fnmatchcase(name, wanted):
                    chosen.append((to.joinpath(*parts), read))
                    total += size
                if total > limit:
                    raise _refusal(shown, f"it unpacks to more than {limit} bytes")
            for path, read in chosen:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Both libraries give no more bytes than the member declares, so the limit holds.
                with read() as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file)
    except DownloadError:
        raise
    except Exception as error:  # damaged archives raise errors of a dozen kinds
        reason = f"cannot be unpacked ({type(error).__name__}: {error})"
        expected = "expected a whole zip or tar archive, and room for its content"
        raise DownloadError(f"{shown}: {reason}; {expected}; fetch it again") from error
    return total


def _refusal(archive: str, reason: str) -> DownloadError:
    remedy = "expected plain files alone; nothing was unpacked, and this archive is not to be trusted"
    return DownloadError(f"{archive}: {reason}; {remedy}")


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, int, bool, bool, Any]]:
    """Yield name, declared bytes, whether it is a folder, whether it is a file, and the function that opens it."""
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            read = functools.partial(opened.extractfile, entry)
            yield entry.name, entry.size, entry.isdir(), entry.isreg(), read
        return
    for info in opened.infolist():
        name = info.orig_filename  # what the archive says; zipfile cleans `filename`, in silence
        is_folder, kind = name.endswith("/"), stat.S_IFMT(info.external_attr >> 16)
        is_file = not is_folder and kind in (0, stat.S_IFREG)  # 0: not every system stores it
        yield name, info.file_size, is_folder, is_file, functools.partial(opened.open, info)


# -- corpora ------------------------------------------------------------------------------------------------


def fetch_lfs(folder: Path, media: str, *, what: str = "", workers: int = 8) -> None:
    """Replace every Git-LFS pointer below a folder by its content, `workers` files at a time.

    Parameters
    ----------
    folder
        An unpacked archive of GitHub: one folder that holds all, and that is no part of the paths.
    media
        Address below which the content is, by path.

    Raises
    ------
    DownloadError
        As `fetch`. What came so far is kept, and the other pointers stay.
    """

    def put(path: Path, sha256: str, size: int) -> None:
        name = "/".join(path.relative_to(folder).parts[1:])
        fetch(f"{media}/{urllib.parse.quote(name)}", path, sha256=sha256, size=size, what=name, quiet=True)

    pointers = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            if match := POINTER.match(file.read(1024)):
                pointers.append((path, match[1].decode(), int(match[2])))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(put, *pointer) for pointer in pointers]
        try:
            done = concurrent.futures.as_completed(jobs)
            for job in tqdm(done, total=len(jobs), desc=what or folder.name, unit="file", mininterval=5):
                job.result()
        except BaseException:  # also when a person stops it: do not fetch thousands of files first
            pool.shutdown(cancel_futures=True)
            raise


def corpus(corpus_id: str) -> Path:
    """Return the folder of a corpus's audio, downloading it into the cache folder where it is not here.

    Raises
    ------
    names.UnknownNameError
        There is no such corpus.
    DownloadError
        It could not be had, or only by hand; the message ends with what a person can do.
    """
    entry = corpora.get(corpus_id)
    if found := corpora.find(corpus_id):
        return found
    if "url" not in entry.download:
        raise DownloadError(by_hand(entry))
    target = paths.cache() / "corpora" / entry.id
    # Named by the address, so that what is left of another version is never continued.
    key = hashlib.sha256(entry.download["url"].encode()).hexdigest()[:8]
    work = paths.cache() / "downloads" / f"{entry.id}-{key}"
    try:
        if not work.is_dir():
            _fetch_and_unpack(entry, work)
        if "lfs" in entry.download:
            fetch_lfs(work, entry.download["lfs"], what=entry.name)
        count = _count(entry, work)
    except DownloadError as error:
        raise DownloadError(f"{error}\n{by_hand(entry)}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(work, target)
    print(f"{entry.name}: {count} of {sum(entry.counts.values())} utterances in {target}")
    return target


def _fetch_and_unpack(entry: corpora.Corpus, to: Path) -> None:
    print(f"{entry.name}: licence {entry.licence}; home {entry.home}")
    known = {key: entry.download[key] for key in ("sha256", "md5", "size") if key in entry.download}
    archive = fetch(entry.download["url"], to.with_name(f"{to.name}.archive"), what=entry.name, **known)
    try:
        unpack(archive, to, wanted=entry.download.get("wanted", "*"))
    except DownloadError:
        archive.unlink()  # without a checksum it would be taken for the right one again
        raise
    archive.unlink()


def _count(entry: corpora.Corpus, folder: Path) -> int:
    """Return how many utterances a folder has, by file names; without any, remove it."""
    files = [
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in audio.SUFFIXES
    ]
    utterances = {facts["utterance"] for file in files if (facts := corpora.parse(entry, file))}
    if not utterances:
        shutil.rmtree(folder)
        raise DownloadError(
            f"{entry.download['url']}: none of its {len(files)} audio files is named as {entry.name} names them; "
            f"expected {sum(entry.counts.values())} utterances; correct the address in data/corpora.yaml"
        )
    return len(utterances)


def by_hand(entry: corpora.Corpus) -> str:
    """Return what a person does to put a corpus where it is looked for."""
    steps = entry.download.get("by_hand") or f"fetch it from {entry.home}"
    mirror = paths.mirror() or f"the folder that {paths.MIRROR_SETTING} names"
    return (
        f"{entry.name} by hand: {steps}; unpack it and put the audio, in any layout, into corpora/{entry.id}/ of "
        f"{mirror}, or into {paths.cache() / 'corpora' / entry.id}/"
    )


# -- command ------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch corpora and models by name and print where each is; return the exit status.

    The status is 1 if one that was named by hand could not be had; those of a profile are only reported.

    Raises
    ------
    names.UnknownNameError
        A name is neither a corpus nor a model, or the profile is unknown.
    """
    parser = argparse.ArgumentParser(prog="crosscorpus.downloads", description="Fetch corpora and models.")
    parser.add_argument("names", nargs="*", help="ids in data/corpora.yaml and data/models.yaml")
    parser.add_argument("--profile", help="fetch what profiles/<PROFILE>.yaml names; a failure is not fatal")
    given = parser.parse_args(argv)
    wanted: list[str] = list(given.names)
    if given.profile:
        profiles = {path.stem: path for path in (paths.ROOT / "profiles").glob("*.yaml") if path.stem != "schema"}
        path = profiles[names.check(given.profile, sorted(profiles), "profile")]
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted += [*values["corpora"], *values["ptms"]]
    known = [*corpora.ids(), *extractors.registry()]
    rows = [(name, *_get(name)) for name in dict.fromkeys(names.check_all(wanted, known, "corpus or model"))]
    width = max(len(name) for name, *_ in rows)
    for name, state, where in rows:
        print(f"{name:{width}}  {state:8}  " + where.replace("\n", f"\n{'':{width + 12}}"))
    return int(any(state != HERE and name in given.names for name, state, _ in rows))


HERE, NOT_HERE = "here", "not here"


def _get(name: str) -> tuple[str, str]:
    try:
        if name in corpora.ids():
            return HERE, str(corpus(name))
        from crosscorpus import weights  # which imports this module

        return HERE, str(weights.fetch(name) or "needs no weights")
    except Exception as error:  # whatever happens to one, the others go on
        return NOT_HERE, str(error) if isinstance(error, (RuntimeError, OSError)) else repr(error)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as mistake:
        sys.exit(f"crosscorpus.downloads: {mistake}")
