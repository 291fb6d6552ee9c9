"""Download a corpus from its home into the cache folder, or say how to get it by hand."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosscorpus.base import archives, paths, web
from crosscorpus.corpora import corpus_entries, corpus_registry, corpus_tables, decoding, file_lists, home_files


class IncompleteError(web.DownloadError):
    """A corpus of which something is missing; the message says what, and what to do."""


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
        if entry.download.get("lacks"):
            print(f"{entry.name}: {_told(entry, found)}")
        return found
    if not homes(entry):
        raise web.DownloadError(by_hand(entry))
    came: dict[Path, tuple[bool, int, str]] = {}
    troubles = []
    print(f"{entry.name}: licence {entry.licence}; home {entry.home}")
    for home in homes(entry):
        try:
            work = _from_home(entry, home)
        except web.DownloadError as error:
            troubles.append(error)
            continue
        whole = not missing(entry, work)
        came[work] = whole, len(_known(entry, work)), home_files.shown(home)
        if whole:
            break
    if not came:
        reasons = "\n".join(map(str, troubles))
        offline = all(isinstance(trouble, web.NoNetworkError) for trouble in troubles)
        kind = web.NoNetworkError if offline else web.DownloadError
        raise kind(f"{reasons}\n{by_hand(entry)}")
    best = max(came, key=lambda work: came[work][:2])
    target = paths.cache() / "corpora" / entry.id
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # empty, or it would have been found
        target.rmdir()
    os.replace(best, target)
    print(f"{entry.name}: {_told(entry, target)}; from {came[best][2]}")
    _check_whole(entry, target, "; ".join(["", *map(str, troubles), by_hand(entry)]))
    for work in came:
        shutil.rmtree(work, ignore_errors=True)  # of a home that had less
    return target


def homes(entry: corpus_entries.Corpus) -> list[Mapping[str, Any]]:
    """Return where a corpus can be downloaded, the first to be tried first; none where only a person can."""
    alone = [entry.download] if {"url", "dataverse", "huggingface"} & set(entry.download) else []
    return list(entry.download.get("homes", alone))


def missing(entry: corpus_entries.Corpus, folder: Path) -> list[str]:
    """Return what a folder lacks of a corpus.

    Returns
    -------
    Files that a manifest of Dataverse says were left out of a zip, if they may hold more than is here; utterances
    of the official list, but for those that the registry says no home has; where there is no list, emotions with
    too few.
    """
    here = _utterances(entry, folder)
    listed = _official(entry)
    if listed:
        lacking = sorted(listed - set(here) - set(entry.download.get("lacks", ())))
    else:
        found = Counter(here.values())
        few = {emotion: n for emotion, n in entry.counts.items() if found[emotion] < n}
        lacking = [f"{emotion} ({found[emotion]} of {n} utterances)" for emotion, n in few.items()]
    left_out = [name for name in archives.left_out(folder) if _may_hold_more(entry, name, {*here, *lacking})]
    return [f"{name} (left out of the zip, says its {archives.MANIFEST})" for name in left_out] + lacking


def _may_hold_more(entry: corpus_entries.Corpus, name: str, known: Collection[str]) -> bool:
    facts = corpus_entries.parse(entry, name) if name.lower().endswith(decoding.SUFFIXES) else None
    return name.lower().endswith(archives.SUFFIXES) or bool(facts and facts["utterance"] not in known)


def _told(entry: corpus_entries.Corpus, folder: Path) -> str:
    """Return how many utterances are in a folder, and which are known to be nowhere or are not on the list."""
    here, known = set(_utterances(entry, folder)), _known(entry, folder)
    told = f"{len(known)} of {entry.size} utterances in {folder}"
    if absent := sorted(set(entry.download.get("lacks", ())) - here):
        told += f"; no home has {', '.join(absent)}"
    if more := sorted(here - known):
        told += f"; not on the official list: {_some(more)}"
    return told


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _known(entry: corpus_entries.Corpus, folder: Path) -> set[str]:
    """Return the utterances in a folder that are on the official list, where there is one."""
    here = set(_utterances(entry, folder))
    return here & (_official(entry) or here)


def _official(entry: corpus_entries.Corpus) -> set[str]:
    listed = file_lists.file_list(entry.id)
    return set() if listed is None else set(listed["utterance"])


def _check_whole(entry: corpus_entries.Corpus, folder: Path, remedy: str) -> None:
    if entry.table is None and (lacking := missing(entry, folder)):
        raise IncompleteError(f"{folder}: not whole: missing {_some(lacking)}{remedy}")


def _from_home(entry: corpus_entries.Corpus, home: Mapping[str, Any]) -> Path:
    """Return a folder with what came from a home."""
    key = hashlib.sha256(home_files.key(home).encode()).hexdigest()[:8]
    work = home_files.fetch(home, paths.cache() / "downloads" / f"{entry.id}-{key}", entry.name)
    if not _utterances(entry, work):
        n = sum(1 for path in work.rglob("*") if path.suffix.lower() in decoding.SUFFIXES)
        shutil.rmtree(work)
        raise web.DownloadError(
            f"{home_files.shown(home)}: none of its {n} audio files is named as {entry.name} names them; "
            f"expected {entry.size} utterances; correct the address in {entry.file}"
        )
    return work


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
