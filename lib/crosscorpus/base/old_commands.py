"""Commands of the version before still run for one release: `python -m crosscorpus.OLD` names the new one."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

MOVED = {
    "audit": "verdict.audit_command",
    "downloads": "embeddings.downloads",
    "folds": "protocols.folds",
    "headline": "book.headline",
    "pack": "embeddings.pack",
    "pdf": "book.pdf",
    "sensitivity": "verdict.sensitivity",
    "timings": "book.ending",
}


class _Moved(importlib.abc.MetaPathFinder):
    """Finds the new module under the old name; it is asked last, so only for what is nowhere else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        old = fullname.removeprefix("crosscorpus.")
        if old == fullname or old not in MOVED:
            return None
        new = importlib.util.find_spec(f"crosscorpus.{MOVED[old]}")
        if new is None or new.origin is None:
            return None
        print(
            f"python -m {fullname} is now python -m {new.name}, and will go with the next release", file=sys.stderr
        )
        return importlib.util.spec_from_file_location(fullname, new.origin)


def install() -> None:
    """Let Python find old commands where no module has their name."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
