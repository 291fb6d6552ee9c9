"""Audio files of a corpus: which a folder has, what they are measured to be, and why one cannot be used."""

import functools
import math
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosscorpus.base import paths, sound
from crosscorpus.corpora import audio_damage, decoding

Problem = tuple[str, str, str]
"""Path, reason, remedy."""


def listed(root: Path) -> tuple[list[str], list[Problem]]:
    """Return the audio files below a folder, and what of it cannot be looked at.

    A CSV table holds neither bytes that are no UTF-8 nor, unquoted, a carriage return.
    """
    files: list[str] = []
    problems: list[Problem] = []

    def shown(path: str | os.PathLike[str]) -> str:
        text = os.fsencode(os.path.relpath(path, root)).decode("utf-8", "backslashreplace")
        return text.replace("\r", "\\r")

    def cannot_be_listed(error: OSError) -> None:
        remedy = "check its permissions, or leave it out"
        problems.append((shown(error.filename), f"folder cannot be listed ({error.strerror})", remedy))

    for folder, folders, names_here in os.walk(root, onerror=cannot_be_listed):
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                reason, remedy = "is a link to a folder, which is not followed", "put the folder itself there"
                problems.append((shown(os.path.join(folder, name)), reason, remedy))
        for name in names_here:
            path = Path(folder, name)
            if paths.is_note(path.relative_to(root).parts):
                continue
            if path.suffix.lower() not in (*decoding.SUFFIXES, *decoding.UNREADABLE_SUFFIXES):
                continue
            relative = path.relative_to(root).as_posix()
            if shown(path) != relative:
                problems.append((shown(path), "has a name that is not UTF-8 or breaks a line", "rename it"))
            else:
                files.append(relative)
    return sorted(files), problems


def checker(root: Path) -> Callable[[str], decoding.AudioError | None]:
    """Return a function that says what is wrong with a file; it looks at each file once, however many segments."""

    @functools.cache
    def check(path: str) -> decoding.AudioError | None:
        try:
            audio_damage.check(root / path)
        except decoding.AudioError as error:
            return error
        return None

    return check


def span(start: float, end: float) -> tuple[float, float | None] | tuple[()]:
    """Return the arguments of `decoding.read` after the path.

    None for a whole file, whose start and end are NaN.
    """
    if math.isnan(start) and math.isnan(end):
        return ()
    return 0.0 if math.isnan(start) else start, None if math.isnan(end) else end


def measure_first_good(
    root: Path, copies: Sequence[Mapping[str, Any]], check: Callable[[str], decoding.AudioError | None]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, list[Problem]]:
    """Read the copies of an utterance until one can be used.

    Parameters
    ----------
    root
        Folder that paths count from.
    copies
        Facts of each: `utterance`, `path`, `start`, `end`, and others.
    check
        See `checker`.

    Returns
    -------
    The facts of the one that is used with duration, rate and hash, and its quality (both None where none can be
    used); and the problems of the others.
    """
    row: dict[str, Any] | None = None
    quality: dict[str, Any] | None = None
    problems: list[Problem] = []
    for facts in copies:
        path, cut = facts["path"], span(facts["start"], facts["end"])
        named = facts["utterance"] if cut else path  # of a segment: which of the file's
        if row is not None:
            problems.append((path, f"second copy of utterance {facts['utterance']}", f"{row['path']} is used"))
            continue
        try:
            if wrong := check(path):
                raise wrong
            samples, rate = decoding.read(root / path, *cut)
            audio_damage.check_samples(root / path, samples)
            mix = sound.resample(samples, rate)
            audio_damage.check_mix(root / path, samples, mix)
        except decoding.AudioError as error:
            absent = not os.path.lexists(root / path)
            problems.append((named, error.reason, where_is(root, path) if absent else error.remedy))
            continue
        except MemoryError:
            problems.append((named, "does not fit into memory", "cut it into utterances"))
            continue
        row = {**facts, "seconds": round(len(samples) / rate, 4), "sample_rate_native": rate}
        row |= {"sha256": sound.fingerprint(samples, rate)}
        peak, level = sound.levels_dbfs(mix)
        quality = {"utterance": facts["utterance"], "channels": samples.shape[1]}
        quality |= {"peak_dbfs": round(peak, 2), "level_dbfs": round(level, 2)}
    return row, quality, problems


def where_is(root: Path, path: str) -> str:
    """Say what to do about a file that is not there: what its folder has instead, or where it was looked for."""
    if "\\" in path:
        if os.path.exists(root / path.replace("\\", "/")):
            return f"it is there as {path.replace(chr(92), '/')}: write / for \\ in the path"
        return "a path of Windows: write it with /, as this machine names it (in WSL, C:\\ is /mnt/c/)"
    if re.match("[A-Za-z]:/", path):
        return "a path of Windows: write it as this machine names it (in WSL, C:/ is /mnt/c/)"
    here = Path("/") if Path(path).is_absolute() else root
    for part in Path(path).parts:
        if os.path.lexists(here / part):
            here /= part
            continue
        for entry in _entries(str(here)):
            if unicodedata.normalize("NFC", entry) == unicodedata.normalize("NFC", part):
                form = next((f for f in ("NFC", "NFD") if unicodedata.is_normalized(f, entry)), "another form")
                return (
                    f"{here} has this name in another Unicode normalisation, {form}: {entry} ({entry!a}); "
                    "copy the name from there into the table, or rename the file"
                )
            if entry.casefold() == part.casefold():
                return f"{here} has {entry}: write it so, with its capitals"
        break
    counted = "" if Path(path).is_absolute() else f"; paths count from {root}, or are absolute"
    return f"correct the path: {here} has no {part}{counted}"


def _entries(folder: str) -> tuple[str, ...]:
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return ()


@functools.lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> tuple[str, ...]:
    return tuple(sorted(os.listdir(folder)))
