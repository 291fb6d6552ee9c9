"""Models that nothing here runs: their embeddings were made elsewhere, and added (`data/own/embeddings/`).

A file there, `<model>/<corpus>.safetensors`, says all that is known of its model: without it, there is none.
"""

import functools
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from crosscorpus.base import paths

LOADER = "elsewhere"
FAMILY = "made elsewhere"
UNKNOWN = "not known"


def folder() -> Path:
    """Return the folder of embeddings made elsewhere."""
    return paths.DATA / "own" / "embeddings"


def path(ptm: str, corpus: str) -> Path:
    """Return the file of one corpus's embeddings by a model that nothing here runs."""
    return folder() / ptm / f"{corpus}.safetensors"


def files(ptm: str = "*", corpus: str = "*") -> list[Path]:
    """Return the files that were added, of all models and corpora, or of some."""
    return sorted(file for file in folder().glob(f"{ptm}/{corpus}.safetensors") if file.is_file())


def facts(file: Path) -> dict[str, str]:
    """Return what a file's header says was added; empty where it is damaged, which reading its vectors says.

    Keys: `by`, `on`, `note` and `title` as given ("" where nothing was), `dim`, and others that `imports` writes.
    """
    status = file.stat()
    return _header(file, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=256)
def _header(file: Path, *stamp: int) -> dict[str, str]:
    try:
        with safe_open(file, framework="numpy") as opened:
            found = json.loads((opened.metadata() or {}).get("made_by", "{}"))
    except (SafetensorError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def made(known: dict[str, str]) -> str:
    """Say who made embeddings elsewhere, and when, or that it is not known."""
    by, on = known.get("by", ""), known.get("on", "")
    if not by and not on:
        return f"{FAMILY}; by whom and when is {UNKNOWN}"
    return f"{FAMILY}, by {by or f'whom is {UNKNOWN}'}, on {on or f'a day that is {UNKNOWN}'}"


def entries() -> dict[str, dict[str, Any]]:
    """Return the fields of an entry of the registry for each model that was added, by id."""
    found: dict[str, dict[str, Any]] = {}
    for file in files():
        known = facts(file)
        said = f"{made(known)}" + (f" ({known['note']})" if known.get("note") else "")
        entry = found.setdefault(file.parent.name, {"name": file.parent.name, "dimension": 0, "said": []})
        entry["name"] = known.get("title") or entry["name"]
        entry["dimension"] = int(known.get("dim", entry["dimension"]))
        entry["said"] += [said] if said not in entry["said"] else []
    return {ptm: _entry(ptm, **entry) for ptm, entry in found.items()}


def _entry(ptm: str, name: str, dimension: int, said: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "family": FAMILY,
        "loader": LOADER,
        "home": "none",
        "handle": "; ".join(said),
        "dimension": dimension,
        "layer": UNKNOWN,
        "licence": "not stated",
        "source": paths.shown(folder() / ptm),
        "note": "embeddings that were made elsewhere: nothing here runs the model",
    }
