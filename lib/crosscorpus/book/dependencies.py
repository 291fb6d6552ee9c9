"""Which library modules a chapter depends on, so that the workflow runs again what a change touches."""

import ast
import functools
import json
from pathlib import Path

import grimp

from crosscorpus.base import paths

LIBRARY = paths.ROOT / "lib"
PACKAGE = "crosscorpus"


def of_notebook(notebook: str | Path) -> list[str]:
    """Return the files of all library modules that a notebook imports, directly or through others.

    Paths are relative to the project's root and sorted; the package's `__init__.py` is always among them, and
    those of the rooms of all modules, which run first.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return _files(imported(source))


@functools.cache
def graph() -> grimp.ImportGraph:
    """Return which module of the library imports which."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def imported(source: str) -> set[str]:
    """Return the modules of the library that some Python imports itself."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & graph().modules


def behind(modules: set[str]) -> set[str]:
    """Return modules with all that they import, directly or through others, and the packages that these are in."""
    found, left = set(), {PACKAGE, *modules}
    while left:
        module = left.pop()
        found.add(module)
        more = graph().find_modules_directly_imported_by(module) | {module.rpartition(".")[0] or PACKAGE}
        if module.count(".") == 2:  # a package in a room: its members are loaded by name, so each of them counts
            more |= graph().find_children(module)
        left |= more - found
    return found


def _files(modules: set[str]) -> list[str]:
    return sorted(str(_file(module).relative_to(paths.ROOT)) for module in behind(modules))


def _file(module: str) -> Path:
    base = LIBRARY.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
