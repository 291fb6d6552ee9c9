import subprocess
import sys

import pytest

from crosscorpus.base import old_names, paths


def run(*arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)


def test_an_old_command_runs_and_names_the_new_one():
    old = run("-m", "crosscorpus.audit", "--help")
    new = run("-m", "crosscorpus.verdict.audit_command", "--help")
    assert old.returncode == new.returncode == 0
    assert old.stdout == new.stdout
    assert "python -m crosscorpus.audit is now python -m crosscorpus.verdict.audit_command" in old.stderr
    assert new.stderr == ""


@pytest.mark.parametrize(
    "command", ["downloads", "folds", "headline", "pack", "pdf", "sensitivity", "timings", "audit"]
)
def test_every_old_command_has_a_new_one(command):
    entry = old_names.moved()[command]
    file = paths.ROOT / "lib" / "crosscorpus" / f"{entry.get('command', entry['homes'][0]).replace('.', '/')}.py"
    assert '__name__ == "__main__"' in file.read_text(encoding="utf-8")


def test_old_imports_give_the_new_modules_own_things():
    code = """
from crosscorpus import evaluate, folds, audio, soundness, corpora, protocol, extraction, verdict, extractors
from crosscorpus.extractors import whisper
from crosscorpus.training import evaluate as new
from crosscorpus.corpora import corpus_registry, decoding, scanning
assert evaluate.grid is new.grid and evaluate.UNIT and audio.AudioError is decoding.AudioError
assert corpora.scan is scanning.scan and corpora.registry is corpus_registry.registry
assert verdict.cells and whisper.POOLINGS and extractors.load and folds.load and soundness.check
assert protocol.load() and extraction.embed
"""
    done = run("-W", "ignore", "-c", code)
    assert done.returncode == 0, done.stderr


def test_an_old_import_says_where_it_is_now():
    done = run("-W", "error::DeprecationWarning:__main__", "-c", "from crosscorpus import corpora; corpora.scan")
    assert "crosscorpus.corpora.scan is now crosscorpus.corpora.scanning.scan" in done.stderr


@pytest.mark.parametrize("old", old_names.moved())
def test_every_old_name_leads_to_files(old):
    for home in old_names.moved()[old]["homes"]:
        assert (paths.ROOT / "lib" / "crosscorpus" / f"{home.replace('.', '/')}.py").is_file()


def test_a_module_that_never_was_is_not_found():
    assert "No module named crosscorpus.nothing" in run("-m", "crosscorpus.nothing").stderr
    assert "has no attribute 'nothing'" in run("-c", "from crosscorpus import corpora; corpora.nothing").stderr
