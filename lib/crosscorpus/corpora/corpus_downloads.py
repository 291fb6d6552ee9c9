"""Download a corpus from its home into the cache folder, or say how to get it by hand."""

import concurrent.futures
import hashlib
import os
import re
import shutil
import urllib.parse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from crosscorpus.base import archives, paths, web
from crosscorpus.corpora import corpus_entries, corpus_registry, corpus_tables, decoding, file_lists


class IncompleteError(web.DownloadError):
    """A corpus of which something is missing; the message says what, and what to do."""


POINTER = re.compile(rb"version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\s*\Z")


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
        As `fetch`, of the last address. What came so far is kept, and the other pointers stay.
    """

    def put(path: Path, sha256: str, size: int) -> None:
        name = "/".join(path.relative_to(folder).parts[1:])
        for number, home in enumerate(media, start=1):
            url = f"{home}/{urllib.parse.quote(name)}"
            try:
                web.fetch(url, path, sha256=sha256, size=size, what=name, quiet=True)
                return
            except web.DownloadError:
                if number == len(media):
                    raise

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

    Its homes are tried in turn, until one gives all of it.

    Raises
    ------
    known_names.UnknownNameError
        There is no such corpus.
    IncompleteError
        What is here, or what came from the best of its homes, is not all of it; it is kept.
    DownloadError
        It could not be had, or only by hand; the message ends with what a person can do.
    """
    entry = corpus_registry.get(corpus_id)
    if found := corpus_registry.find(corpus_id):
        _check_whole(entry, found, f"; to fetch it again, remove {found}")
        return found
    if not homes(entry):
        raise web.DownloadError(by_hand(entry))
    came: list[tuple[int, Path]] = []
    troubles = []
    for home in homes(entry):
        try:
            work = _from_home(entry, home)
        except web.DownloadError as error:
            troubles.append(error)
            continue
        came.append((len(_utterances(entry, work)), work))
        if not missing(entry, work):
            break
    if not came:
        reasons = "\n".join(map(str, troubles))
        offline = all(isinstance(trouble, web.NoNetworkError) for trouble in troubles)
        kind = web.NoNetworkError if offline else web.DownloadError
        raise kind(f"{reasons}\n{by_hand(entry)}")
    count, best = max(came)
    target = paths.cache() / "corpora" / entry.id
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # empty, or it would have been found
        target.rmdir()
    os.replace(best, target)
    print(f"{entry.name}: {count} of {entry.size} utterances in {target}")
    _check_whole(entry, target, "; ".join(["", *map(str, troubles), by_hand(entry)]))
    return target


def homes(entry: corpus_entries.Corpus) -> list[Mapping[str, Any]]:
    """Return where a corpus can be downloaded, the first to be tried first; none where only a person can."""
    several = entry.download.get("homes")
    return list(several) if several else [entry.download] if "url" in entry.download else []


def missing(entry: corpus_entries.Corpus, folder: Path) -> list[str]:
    """Return what a folder lacks of a corpus, by file names: utterances of the official list, or emotions."""
    here = _utterances(entry, folder)
    listed = file_lists.file_list(entry.id)
    if listed is not None:
        return sorted(set(listed["utterance"]) - set(here))
    found = Counter(here.values())
    few = {emotion: n for emotion, n in entry.counts.items() if found[emotion] < n}
    return [f"{emotion} ({found[emotion]} of {n} utterances)" for emotion, n in few.items()]


def _check_whole(entry: corpus_entries.Corpus, folder: Path, remedy: str) -> None:
    if entry.table is None and (lacking := missing(entry, folder)):
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise IncompleteError(f"{folder}: not whole: missing {', '.join(lacking[:3])}{more}{remedy}")


def _from_home(entry: corpus_entries.Corpus, home: Mapping[str, Any]) -> Path:
    """Return a folder with what came from a home."""
    # Named by the address, so that what is left of another version is never continued.
    key = hashlib.sha256(home["url"].encode()).hexdigest()[:8]
    work = paths.cache() / "downloads" / f"{entry.id}-{key}"
    if not work.is_dir():
        _fetch_and_unpack(entry, home, work)
    if "lfs" in home:
        fetch_lfs(work, [home["lfs"]] if isinstance(home["lfs"], str) else home["lfs"], what=entry.name)
    if not _utterances(entry, work):
        n = sum(1 for path in work.rglob("*") if path.suffix.lower() in decoding.SUFFIXES)
        shutil.rmtree(work)
        raise web.DownloadError(
            f"{home['url']}: none of its {n} audio files is named as {entry.name} names them; "
            f"expected {entry.size} utterances; correct the address in {entry.file}"
        )
    return work


def _fetch_and_unpack(entry: corpus_entries.Corpus, home: Mapping[str, Any], to: Path) -> None:
    print(f"{entry.name}: licence {entry.licence}; home {entry.home}")
    known = {key: home[key] for key in ("sha256", "md5", "size") if key in home}
    archive = web.fetch(home["url"], to.with_name(f"{to.name}.archive"), what=entry.name, **known)
    try:
        archives.unpack(archive, to, wanted=home.get("wanted", "*"))
    except web.DownloadError:
        archive.unlink()  # without a checksum it would be taken for the right one again
        raise
    archive.unlink()


def _utterances(entry: corpus_entries.Corpus, folder: Path) -> dict[str, str]:
    """Return the utterances that file names below a folder, or its tables, tell, with their emotions."""
    files = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in decoding.SUFFIXES and not paths.is_note(path.relative_to(folder).parts)
    )
    try:
        told = [facts for _, found in corpus_tables.of_files(entry, folder, files) for facts in found]
    except corpus_tables.CorpusTableError:
        return {}  # without its tables it is nothing yet; scanning says which are missing
    return {facts["utterance"]: facts["emotion"] for facts in told}


def by_hand(entry: corpus_entries.Corpus) -> str:
    """Return what a person does to put a corpus where it is looked for."""
    steps = entry.download.get("by_hand") or f"fetch it from {entry.home}"
    mirror = paths.mirror() or f"the folder that {paths.MIRROR_SETTING} names"
    return (
        f"{entry.name} by hand: {steps}; unpack it and put the audio, in any layout, into corpora/{entry.id}/ of "
        f"{mirror}, or into {paths.cache() / 'corpora' / entry.id}/"
    )
