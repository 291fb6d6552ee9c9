"""Where tables and embeddings are, and how a file of the pack is known for the right one.

Two places hold the same things. `pack` is the part that the repository carries (`data/embeddings/`); `audio` is
what was made here from audio (`_build/`). `any` is the pack where that has it, and `audio` elsewhere.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from crosscorpus.base import added_files, known_names, paths, remote_store

SOURCES = ("pack", "audio", "any")


class NotStoredError(FileNotFoundError):
    """Something that has not been made yet; the message names the command that makes it."""


class StoredWrongError(ValueError):
    """A stored file that does not hold what it should; the message names file, reason and remedy."""


def folder(source: str) -> Path:
    """Return the folder of a source, "pack" or "audio"."""
    return paths.PACK if known_names.check(source, SOURCES[:2], "source") == "pack" else paths.BUILD / "embeddings"


def packed_corpora() -> list[str]:
    """Return the ids of the corpora of the pack."""
    return sorted(file.stem for file in (paths.PACK / "utterances").glob("*.csv"))


def may_hold(ptm: str, corpus: str) -> bool:
    """Return whether a file of embeddings has the names of a model and a corpus: a quick look that reads none."""
    if remote_store.address():  # there, only asking for a file tells
        return True
    folders = (paths.PACK / ptm, *paths.BUILD.glob(f"*/{ptm}"), added_files.folder() / ptm)
    return any(next(folder.glob(f"{corpus}*"), None) is not None for folder in folders)


def table_hash(path: Path) -> str:
    """Return the SHA-256 of a table's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pack_note(name: str) -> dict[str, str]:
    """Return what the pack's list says of one of its files; empty where it says nothing."""
    path = paths.PACK / "provenance.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get(name, {}) if path.exists() else {}
    except (ValueError, AttributeError) as error:
        reason = f"not JSON ({error}); fetch the repository's again"
        raise StoredWrongError(f"{paths.shown(path)}: {reason}") from error


def check_pack(path: Path, name: str, facts: Mapping[str, str]) -> None:
    """Raise `StoredWrongError` where facts of a file of the pack are not those that the pack's list has."""
    known = pack_note(name)
    differ = sorted(fact for fact in facts if known and facts[fact] != known.get(fact))
    if differ:
        raise StoredWrongError(
            f"{paths.shown(path)}: its {differ[0]} is {facts[differ[0]]!r}, provenance.json beside it says "
            f"{known.get(differ[0])!r}; fetch the repository's again, or make both with `make pack`"
        )
