import subprocess
import sys

import pytest

from crosscorpus.base import old_commands, paths


def run(module, *arguments):
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)


def test_an_old_command_runs_and_names_the_new_one():
    old = run("crosscorpus.audit", "--help")
    new = run("crosscorpus.verdict.audit_command", "--help")
    assert old.returncode == new.returncode == 0
    assert old.stdout == new.stdout
    assert "python -m crosscorpus.audit is now python -m crosscorpus.verdict.audit_command" in old.stderr
    assert new.stderr == ""


@pytest.mark.parametrize("new", old_commands.MOVED.values())
def test_every_new_command_has_its_file(new):
    file = paths.ROOT / "lib" / "crosscorpus" / f"{new.replace('.', '/')}.py"
    assert '__name__ == "__main__"' in file.read_text(encoding="utf-8")


def test_a_module_that_never_was_is_not_found():
    assert "No module named crosscorpus.nothing" in run("crosscorpus.nothing").stderr
