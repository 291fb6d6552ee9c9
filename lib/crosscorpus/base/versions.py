"""What made a result: the version of our own code, of the libraries, and the commit."""

import ast
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from types import ModuleType

from crosscorpus.base import paths

LIBRARIES = ["torch", "transformers", "keras", "numpy", "scikit-learn", "soundfile", "soxr"]


def of_code(*modules: ModuleType | Path) -> str:
    """Return a hash (16 hex digits) of what modules or their files do: comments and docstrings do not count."""
    digest = hashlib.sha256()
    for module in modules:
        file = module if isinstance(module, Path) else module.__file__
        if file is None:
            raise ValueError(f"{module} has no source file to take a version from")
        digest.update(_meaning(Path(file).read_bytes()))
    return digest.hexdigest()[:16]


@functools.cache
def _meaning(source: bytes) -> bytes:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree).encode()


def of_libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


@functools.cache
def _version(name: str) -> str:
    return importlib.metadata.version(name)


def of_some(*names: str) -> str:
    """Return the versions of some of `LIBRARIES` in one line, for keys."""
    libraries = of_libraries()
    return " ".join(f"{name} {libraries[name]}" for name in names)


def of_commit() -> str:
    """Return the commit of the working tree (12 hex digits), with `+` where tracked files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(paths.ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def of_device(device: str) -> str:
    """Return the name of "cpu" or "cuda", as a reader would want to see it."""
    if device == "cuda":
        import torch  # heavy, and not needed to name a CPU

        return f"cuda ({torch.cuda.get_device_name()})"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"cpu ({name}, {os.cpu_count()} cores)"
