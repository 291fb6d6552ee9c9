"""Modules of the version before are found under their old names for one release, as imports and as commands.

`data/old_names.yaml` says where each is now.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

import yaml

from crosscorpus.base import paths

PACKAGE = "crosscorpus."


@functools.cache
def moved() -> dict[str, dict[str, Any]]:
    """Return what `data/old_names.yaml` says: old name -> homes, and the command where it is another module."""
    return yaml.safe_load((paths.DATA / "old_names.yaml").read_text(encoding="utf-8"))


def attribute(old: str, name: str) -> Any:
    """Return what a module of the version before had under a name; for the rooms that are named as one, too.

    Raises
    ------
    AttributeError
        None of its new homes has it.
    """
    here = paths.ROOT / "lib" / "crosscorpus" / old
    is_module = (here / f"{name}.py").exists() or (
        here / name
    ).is_dir()  # Python asks for attributes before modules
    for home in moved()[old]["homes"] if not (is_module or name.startswith("__")) else ():
        found = getattr(importlib.import_module(PACKAGE + home), name, None)
        if found is not None and not isinstance(found, ModuleType):
            message = f"{PACKAGE}{old}.{name} is now {PACKAGE}{home}.{name}"
            warnings.warn(message, DeprecationWarning, stacklevel=3)
            return found
    raise AttributeError(f"module {PACKAGE}{old} has no attribute {name!r}", name=name)


class _Old(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return attribute(self.__name__.removeprefix(PACKAGE), name)


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Old(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def get_code(self, fullname: str) -> CodeType:
        """Return the command's code, for `python -m`, and say where it is now."""
        entry = moved()[fullname.removeprefix(PACKAGE)]
        new = PACKAGE + (entry.get("command") or entry["homes"][0])
        print(f"python -m {fullname} is now python -m {new}, and will go with the next release", file=sys.stderr)
        return importlib.util.find_spec(new).loader.get_code(new)  # type: ignore[union-attr]


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        old = fullname.removeprefix(PACKAGE)
        if old == fullname or old not in moved():
            return None
        is_package = any(other.startswith(f"{old}.") for other in moved())
        return importlib.util.spec_from_loader(fullname, _Loader(), is_package=is_package)


def install() -> None:
    """Let Python look for old names where no module has the name."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
