"""Download a corpus from its home into the cache folder, or say how to get it by hand."""

import concurrent.futures
import hashlib
import os
import re
import shutil
import urllib.parse
from pathlib import Path

from tqdm import tqdm

from crosscorpus.base import archives, paths, web
from crosscorpus.corpora import corpus_entries, corpus_registry, decoding

POINTER = re.compile(rb"version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\s*\Z")


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
        web.fetch(f"{media}/{urllib.parse.quote(name)}", path, sha256=sha256, size=size, what=name, quiet=True)

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
    known_names.UnknownNameError
        There is no such corpus.
    DownloadError
        It could not be had, or only by hand; the message ends with what a person can do.
    """
    entry = corpus_registry.get(corpus_id)
    if found := corpus_registry.find(corpus_id):
        return found
    if "url" not in entry.download:
        raise web.DownloadError(by_hand(entry))
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
    except web.DownloadError as error:
        raise web.DownloadError(f"{error}\n{by_hand(entry)}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(work, target)
    print(f"{entry.name}: {count} of {sum(entry.counts.values())} utterances in {target}")
    return target


def _fetch_and_unpack(entry: corpus_entries.Corpus, to: Path) -> None:
    print(f"{entry.name}: licence {entry.licence}; home {entry.home}")
    known = {key: entry.download[key] for key in ("sha256", "md5", "size") if key in entry.download}
    archive = web.fetch(entry.download["url"], to.with_name(f"{to.name}.archive"), what=entry.name, **known)
    try:
        archives.unpack(archive, to, wanted=entry.download.get("wanted", "*"))
    except web.DownloadError:
        archive.unlink()  # without a checksum it would be taken for the right one again
        raise
    archive.unlink()


def _count(entry: corpus_entries.Corpus, folder: Path) -> int:
    """Return how many utterances a folder has, by file names; without any, remove it."""
    files = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in decoding.SUFFIXES
    ]
    utterances = {facts["utterance"] for file in files if (facts := corpus_entries.parse(entry, file))}
    if not utterances:
        shutil.rmtree(folder)
        raise web.DownloadError(
            f"{entry.download['url']}: none of its {len(files)} audio files is named as {entry.name} names them; "
            f"expected {sum(entry.counts.values())} utterances; correct the address in data/corpora.yaml"
        )
    return len(utterances)


def by_hand(entry: corpus_entries.Corpus) -> str:
    """Return what a person does to put a corpus where it is looked for."""
    steps = entry.download.get("by_hand") or f"fetch it from {entry.home}"
    mirror = paths.mirror() or f"the folder that {paths.MIRROR_SETTING} names"
    return (
        f"{entry.name} by hand: {steps}; unpack it and put the audio, in any layout, into corpora/{entry.id}/ of "
        f"{mirror}, or into {paths.cache() / 'corpora' / entry.id}/"
    )
