import importlib.util
import os
import re
import subprocess
import sys

import pytest

from crosscorpus.base import paths, versions

SOURCE = '''"""What the module does."""
import math

LIMIT = 3  # a comment


def area(r):
    """Return an area."""
    return math.pi * r**2


class Shape:
    """A shape."""

    sides = 4
'''


@pytest.fixture
def version_of(tmp_path):
    def version(source):
        file = tmp_path / "module.py"
        file.write_text(source)
        spec = importlib.util.spec_from_file_location("module", file)
        return versions.of_code(importlib.util.module_from_spec(spec))

    return version


def test_the_version_of_code_is_sixteen_hex_digits(version_of):
    assert re.fullmatch(r"[0-9a-f]{16}", version_of(SOURCE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ("\n\n\nclass", "\n\n\n\n# on shapes\nclass"),
        ("What the module does.", "What this module does."),
        ("Return an area.", "Return the area of a disc."),
        ("A shape.", "Any shape."),
        ("r**2", "r ** 2"),
        ('    """Return an area."""\n', ""),
    ],
)
def test_comments_docstrings_and_spaces_do_not_count(version_of, old, new):
    assert version_of(SOURCE.replace(old, new)) == version_of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("r**2", "r**3"), ("sides = 4", "sides = 5"), ("(r)", "(r, /)")]
)
def test_what_code_does_counts(version_of, old, new):
    assert version_of(SOURCE.replace(old, new)) != version_of(SOURCE)


def test_every_module_counts():
    assert len({versions.of_code(versions), versions.of_code(paths), versions.of_code(versions, paths)}) == 3


def test_a_module_without_a_source_file_is_refused():
    with pytest.raises((ValueError, AttributeError)):
        versions.of_code(sys)


def test_the_versions_of_libraries_are_named():
    found = versions.of_libraries()
    assert set(found) == {"python", *versions.LIBRARIES}
    assert found["python"].startswith("3.11.")


def test_the_commit_is_twelve_hex_digits_with_a_mark_for_changes():
    assert re.fullmatch(r"[0-9a-f]{12}\+?|unknown", versions.of_commit())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    for setting in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(setting)  # within a Git hook they would lead to the project's own repository
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
def test_outside_a_repository_the_commit_is_unknown():
    assert versions.of_commit() == "unknown"


def test_a_change_of_a_tracked_file_marks_the_commit(elsewhere):
    def git(*arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", "-C", elsewhere, *identity, *arguments], check=True, capture_output=True)

    (elsewhere / "a.txt").write_text("one")
    git("init")
    git("add", "a.txt")
    git("commit", "--no-verify", "-m", "one")
    (elsewhere / "untracked.txt").write_text("new")
    clean = versions.of_commit()
    (elsewhere / "a.txt").write_text("two")
    assert re.fullmatch("[0-9a-f]{12}", clean)
    assert versions.of_commit() == f"{clean}+"


def test_a_cpu_is_named_with_its_cores():
    assert re.fullmatch(r"cpu \(.+, \d+ cores\)", versions.of_device("cpu"))
