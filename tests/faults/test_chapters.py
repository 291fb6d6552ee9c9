"""Chapters killed at any instant, and run again: what they show and store is that of an undisturbed run."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from sphinx.errors import ExtensionError

from crosscorpus.base import paths
from tests.faults.conftest import SEED, is_full
from tests.faults.test_kill import files_of, half_written

sys.path.insert(0, str(paths.ROOT / "book" / "_ext"))
import executed

PARAMETERS = {
    "ptms": "mfcc",
    "corpora": "emodb",
    "heads": "fcn",
    "baselines": "majority",
    "overrides": "epochs=1,fcn_widths=4",
    "workers": "1",
}
CHAINS, KILLS = 10, 5
"""Chains of kills, and kills in each, one run after the other, before a run is let to its end."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Make a copy of the project with a store of its own: `checkout(name)`."""

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(
            paths.ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
        for part in ("data", "notebooks", "profiles"):
            (folder / part).symlink_to(paths.ROOT / part)
        return folder

    return make


def start_chapter(folder):
    given = [part for name, value in PARAMETERS.items() for part in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", "notebooks/same-corpus.ipynb", "out.ipynb", *given]
    environment = os.environ | {"PYTHONPATH": str(folder / "lib"), "OMP_NUM_THREADS": "1"}
    log = open(folder / "log", "ab")  # noqa: SIM115 - closed by the process that gets it
    with log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def outputs(notebook):
    """Return what a reader sees of an executed chapter, without the line that has the date."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    shown = [o for c in cells if "provenance" not in c["metadata"].get("tags", []) for o in c.get("outputs", [])]
    return [output["data"] for output in shown if "data" in output]


def is_published(notebook):
    """Return whether the book would show an executed chapter, after a kill."""
    try:
        found = json.loads(notebook.read_text(encoding="utf-8"))
        executed.check(notebook, found["cells"], found["metadata"].get("papermill", {}))
    except (OSError, ValueError, KeyError, ExtensionError):
        return False
    return True


def kill_chapter(process, alone):
    """Kill papermill alone, or its whole tree at once; return the processes that must end by themselves."""
    children = psutil.Process(process.pid).children(recursive=True)
    for one in [process, *([] if alone else children)]:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    process.wait()
    return children if alone else []


@pytest.fixture(scope="module")
def undisturbed(request, checkout):
    """Run the chapter once; return its folder, and the seconds that it took."""
    if not is_full(request.config):
        pytest.skip("takes minutes: `make test-faults` kills chapters")
    folder, began = checkout("whole"), time.perf_counter()
    assert start_chapter(folder).wait(300) == 0, (folder / "log").read_text()
    return folder, time.perf_counter() - began


@pytest.mark.parametrize("chain", range(CHAINS))
def test_chapters(chain, undisturbed, checkout, row):
    """Papermill and its kernel, or papermill alone, in a chain of kills; then the chapter is run to its end.

    The kernel that is left when papermill alone is killed must end by itself.
    """
    counted, draw = row("kill: chapters"), random.Random(SEED + chain)
    (whole, took), folder = undisturbed, checkout("killed")
    kills, started = [], 0
    while len(kills) < KILLS:
        started += 1
        assert started < 6 * KILLS, "most runs end before they are killed"
        process = start_chapter(folder)
        try:
            process.wait(draw.uniform(0, took))
        except subprocess.TimeoutExpired:
            left = kill_chapter(process, alone=len(kills) % 2 == 1)
            _, alive = psutil.wait_procs(left, timeout=30)
            for one in alive:
                one.kill()
            wrong = half_written(folder / "_build") if (folder / "_build").exists() else []
            # A kill may come after the last cell, while papermill ends: then all is there, and may be shown.
            cut = is_published(folder / "out.ipynb") and outputs(folder / "out.ipynb") != outputs(
                whole / "out.ipynb"
            )
            wrong += ["a chapter that was cut short would be shown"] if cut else []
            wrong += [f"{len(alive)} processes are left behind"] if alive else []
            kills.append(wrong)
        else:
            (folder / "out.ipynb").unlink()
    ended = start_chapter(folder).wait(300)
    same = not ended and files_of(folder / "_build") == files_of(whole / "_build")
    same = same and outputs(folder / "out.ipynb") == outputs(whole / "out.ipynb")
    for wrong in kills:
        outcome = "lost" if wrong or ended else "survived" if same else "silently_wrong"
        counted.count(outcome, str(wrong) if wrong or same else (folder / "log").read_text()[-2000:])
    counted.check(at_least=KILLS)
