"""Killed at any instant, and run again: the bytes are those of an undisturbed run."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile

from crosscorpus.base import paths, sound
from crosscorpus.corpora import file_lists, utterance_tables
from crosscorpus.embeddings import embedding_files

UTTERANCES = 16


def files_of(folder):
    """Return the bytes of all that a store holds, by path; how fast it was made is no part of it."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith(".") and not file.name.endswith(".run.json"):
            found[file.relative_to(folder).as_posix()] = file.read_bytes()
    return found


def half_written(folder):
    """Return what stands under a final name and cannot be read whole."""
    wrong = []
    for file in folder.rglob("*"):
        try:
            if file.name.startswith("."):
                continue
            if file.suffix == ".safetensors":
                embedding_files.read_embeddings(file)
            elif file.suffix == ".parquet":
                pd.read_parquet(file)
            elif file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
            elif file.suffix == ".csv":
                utterance_tables.read_table(file)
        except Exception as error:
            wrong.append(f"{file.name}: {error!r}")
    return wrong


def put_audio(folder, count=UTTERANCES):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in file_lists.file_list("emodb")["utterance"].head(count):
        clip = 0.1 * rng.standard_normal(int(rng.uniform(0.2, 0.6) * sound.SAMPLE_RATE))
        soundfile.write(folder / f"{name}.wav", clip, sound.SAMPLE_RATE)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    put_audio(folder / "corpora" / "emodb")
    folder.chmod(0o755)
    return str(folder)


@pytest.fixture(scope="module")
def nursery():
    """Ask for a run; see `tests.faults.nursery`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tests.faults.nursery"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=paths.ROOT, env=environment, **pipes) as process:
        assert json.loads(process.stdout.readline()) == {"ready": True}

        def ask(job, folder, kill_after=None, log=None, **options):
            order = {"job": job, "folder": str(folder), "kill_after": kill_after, "log": log, "options": options}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def killed_and_resumed(run, undisturbed, folder, count, draw, counted):
    """Kill `count` runs, each in a store of its own, and finish each; `run(folder, kill_after)` runs once."""
    whole = undisturbed / "store"
    took = run(whole, None)["seconds"]
    expected = files_of(whole)
    assert expected
    kills, number = 0, 0
    while kills < count:
        number += 1
        assert number < 4 * count, "most runs end before they are killed"
        store_folder = folder / f"{number}"
        struck = run(store_folder, draw.uniform(0, took))
        if not struck["killed"]:
            assert struck["exit"] == 0, struck["error"]
            took = min(took, struck["seconds"])  # the first run pays for what later ones find warm
            continue
        kills += 1
        wrong = half_written(store_folder) if store_folder.exists() else []
        resumed = run(store_folder, None)
        now = files_of(store_folder)
        if wrong:
            counted.count("silently_wrong", f"kill {number}: {wrong}")
        elif resumed["exit"]:
            counted.count("lost", f"kill {number}: the next run failed: {resumed['error']}")
        elif now != expected:
            other = sorted(name for name in {*now, *expected} if now.get(name) != expected.get(name))
            counted.count("silently_wrong" if set(now) == set(expected) else "lost", f"kill {number}: {other}")
        else:
            counted.count("survived")
    counted.check(at_least=count)


def test_extraction(nursery, mirror, tmp_path, draw, many, row):
    def run(folder, kill_after):
        return nursery("extract", folder, kill_after, mirror=mirror)

    killed_and_resumed(run, tmp_path / "whole", tmp_path, many(5, 50), draw, row("kill: extraction"))


def test_training(nursery, tmp_path, draw, many, row):
    def run(folder, kill_after):
        return nursery("fit", folder, kill_after)

    killed_and_resumed(run, tmp_path / "whole", tmp_path, many(2, 50), draw, row("kill: training"))


WORKERS = """
import sys, pathlib
from crosscorpus.base import paths
from crosscorpus.embeddings import extraction, sharding
paths.BUILD = pathlib.Path(sys.argv[1])
sharding.SHARD = {"cpu": 1}
if __name__ == "__main__":
    extraction.embed("mfcc", "emodb", mirror=sys.argv[2], device="cpu", workers=2)
"""


def test_workers_end_when_their_parent_is_killed(mirror, tmp_path, row):
    """Only the parent gets SIGKILL, as from a kernel that is short of memory."""
    counted = row("kill: parent of workers")
    script = tmp_path / "run.py"
    script.write_text(WORKERS)
    command = [sys.executable, str(script), str(tmp_path / "store"), mirror]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent, workers, until = psutil.Process(process.pid), [], time.monotonic() + 120
    while (
        process.poll() is None and time.monotonic() < until and not list(tmp_path.glob("store/**/*.safetensors"))
    ):
        workers = parent.children(recursive=True)
        time.sleep(0.02)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    for one in alive:
        one.kill()
    counted.count("lost" if alive else "survived", f"{len(alive)} processes are left behind")
    counted.check()


def left_behind(mark):
    """Return the processes that have a variable in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.environ().values():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_nothing_is_left_when_papermill_is_killed_in_training(tmp_path, row):
    """Only papermill gets SIGKILL: its kernel and the kernel's workers end by themselves."""
    counted = row("kill: papermill in training")
    mark = f"killed-{os.getpid()}-{time.monotonic_ns()}"
    chapter = paths.ROOT / "notebooks" / "heads.ipynb"
    # So many epochs, and no early end, that it is still training when it is killed.
    given = {"ptms": "mfcc", "corpora": "emodb", "heads": "fcn", "workers": "2", "seeds": "0,1,2,3"}
    given["overrides"] = "epochs=2000,patience=2000"
    options = [part for name, value in given.items() for part in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", str(chapter), str(tmp_path / "out.ipynb"), *options]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib"), "MARK": mark}
    run = subprocess.Popen(command, cwd=paths.ROOT, env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < until:
        workers = [p for p in left_behind(mark) if "spawn_main" in " ".join(p.cmdline())]
        if len(workers) >= 2 and all(p.cpu_times().user > 3 for p in workers):  # imports are done: they train
            break
        time.sleep(0.5)
    assert len(workers) >= 2
    run.kill()
    run.wait()
    until = time.monotonic() + 20
    while (alive := left_behind(mark)) and time.monotonic() < until:
        time.sleep(0.5)
    for one in alive:
        one.kill()
    counted.count("lost" if alive else "survived", f"{len(alive)} processes are left behind")
    counted.check()
