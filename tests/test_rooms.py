"""The nine rooms of the library: their order is a contract, and their docstrings are lists of what is there."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import crosscorpus
from crosscorpus.base import paths

LIBRARY = paths.ROOT / "lib" / "crosscorpus"
ROOMS = "base", "corpora", "models", "embeddings", "protocols", "scores", "training", "verdict", "book"
LINT = [sys.executable, "-c", "from importlinter import cli; cli.lint_imports_command()", "--no-cache"]


@pytest.fixture
def copy(tmp_path):
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(LIBRARY, tmp_path / "crosscorpus", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint(root):
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        LINT, cwd=root, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def test_there_are_nine_rooms_and_nothing_beside_them():
    assert {path.name for path in LIBRARY.iterdir() if path.name != "__pycache__"} == {"__init__.py", *ROOMS}


def test_the_order_holds(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("base/paths.py", "from crosscorpus.corpora import corpus_registry"),
        ("models/weights.py", "from crosscorpus.corpora import decoding"),
        ("corpora/decoding.py", "from crosscorpus.models import weights"),
        ("training/heads.py", "def late():\n    from crosscorpus.book import figures"),
        ("scores/metrics.py", "from crosscorpus.base import table_files"),
        ("scores/metrics.py", "from crosscorpus.scores import guards"),
    ],
)
def test_an_import_against_the_order_is_told(copy, module, line):
    file = copy / "crosscorpus" / module
    file.write_text(file.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    result = lint(copy)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_modules(room):
    text = (LIBRARY / room / "__init__.py").read_text(encoding="utf-8")
    found = {path.stem for path in (LIBRARY / room).iterdir()} - {"__init__", "__pycache__"}
    assert sorted(re.findall(r"(?m)^- `(\w+)`", text)) == sorted(found)


def test_rooms_are_named_in_their_order():
    assert re.findall(r"`(\w+)` \(", crosscorpus.__doc__) == list(ROOMS)


def test_no_module_is_longer_than_a_reader_bears():
    lengths = {str(p.relative_to(LIBRARY)): len(p.read_text("utf-8").splitlines()) for p in LIBRARY.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 400} == {}
