"""Which library modules a chapter depends on, so that the workflow runs again what a change touches."""

import ast
import functools
import json
from pathlib import Path

from crosscorpus import paths

PACKAGE = paths.ROOT / "lib" / "crosscorpus"


def of_notebook(notebook: str | Path) -> list[str]:
    """Return the files of all library modules that a notebook imports, directly or through others.

    Paths are relative to the project's root and sorted; the package's `__init__.py` is always among them.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return _of_source(source)


def of_module(name: str) -> list[str]:
    """Return the file of a library module and those of all that it imports, as `of_notebook` does."""
    return _of_source(f"import crosscorpus.{name}")


def _of_source(source: str) -> list[str]:
    found = {PACKAGE / "__init__.py"}
    to_visit = set(_imported(source))
    while to_visit:
        module = to_visit.pop()
        if module not in found:
            found.add(module)
            to_visit |= _imported(module.read_text(encoding="utf-8")) - found
    return sorted(str(module.relative_to(paths.ROOT)) for module in found)


@functools.cache
def _imported(source: str) -> frozenset[Path]:
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files: set[Path] = set()
    for name in modules:
        first, *rest = name.split(".")
        if first == "crosscorpus":
            base = PACKAGE.joinpath(*rest)
            if base.is_dir() and rest:  # its members are loaded by name, so each of them counts
                files |= set(base.glob("*.py"))
            files |= {base.with_suffix(".py")} & set(PACKAGE.rglob("*.py"))
    return frozenset(files)
