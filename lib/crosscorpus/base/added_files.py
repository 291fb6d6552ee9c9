"""Files of embeddings that were made elsewhere, and added: where they are, and what their headers say.

`data/own/embeddings/<model>/<corpus>.safetensors` says all that is known of its model: without it, there is none.
"""

import functools
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from crosscorpus.base import paths

UNKNOWN = "not known"


def folder() -> Path:
    """Return the folder of embeddings made elsewhere."""
    return paths.own() / "embeddings"


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
        return f"made elsewhere; by whom and when is {UNKNOWN}"
    return f"made elsewhere, by {by or f'whom is {UNKNOWN}'}, on {on or f'a day that is {UNKNOWN}'}"
