"""A small grid on a SLURM cluster of this machine: a job fails, a node is lost, the bytes are a local run's.

Skipped where Debian's `slurmctld`, `slurmd` and `munge` are not installed, or Snakemake's executor is not
(`make cluster`); nothing here installs them. `make test-cluster` runs it.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import yaml

from crosscorpus.base import paths, sound
from tests import newcomer
from tests.faults.test_kill import files_of

HERE = Path(__file__).parent
PLUGIN = importlib.util.find_spec("snakemake_executor_plugin_slurm")
LACKING = [program for program in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(program) is None]
CORPORA = ("north", "south")
TARGETS = ["_build/tiny/train/mfcc-north.ipynb"]
SLURM = (
    "snakemake --nolock --workflow-profile profiles/slurm --set-threads portion=1 train=1 --slurm-no-account "
    "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 2 --seconds-between-status-checks 2"
)
"""The profile as it is, but for cores, of which a node of this machine has one, and for waiting."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a cluster of two nodes."""
    if LACKING:
        pytest.skip(f"SLURM is not installed here (no {', '.join(LACKING)}): nothing was run on a cluster")
    if PLUGIN is None:
        pytest.skip("Snakemake's executor for SLURM is not installed here (`make cluster`)")
    if os.geteuid():
        pytest.skip("only root may start a SLURM cluster")
    folder = tmp_path_factory.mktemp("cluster")
    started = subprocess.run(["bash", HERE / "start.sh", folder, "2"], capture_output=True, text=True)
    if "left alone" in started.stderr:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield folder
    subprocess.run(["bash", HERE / "stop.sh", folder], check=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the project with two corpora of few speakers and labels, and a profile that divides them."""
    folder = newcomer.copy(tmp_path_factory.mktemp("machine") / "project")
    newcomer.make_environment(folder)
    rng, rows = np.random.default_rng(0), {corpus: ["path,speaker,emotion"] for corpus in CORPORA}
    for corpus, n in ((corpus, n) for corpus in CORPORA for n in range(72)):
        file = folder / "audio" / corpus / f"{n}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.1 * rng.standard_normal(int(sound.SAMPLE_RATE * rng.uniform(0.3, 0.6))), 16_000)
        rows[corpus].append(f"{file},{corpus}-{n % 3},{('anger', 'fear')[n // 3 % 2]}")
    for corpus, lines in rows.items():
        own = folder / "data" / "own" / f"{corpus}.csv"
        own.parent.mkdir(exist_ok=True)
        own.write_text("\n".join(lines) + "\n", encoding="utf-8")
    profile = yaml.safe_load((paths.ROOT / "profiles" / "smoke.yaml").read_text(encoding="utf-8"))
    profile |= {"profile": "tiny", "source": "audio", "ptms": ["mfcc"], "ptm": "mfcc", "corpora": list(CORPORA)}
    profile |= {"regimes": ["stratified"], "hours_per_job": 0.005}
    (folder / "profiles" / "tiny.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    return folder


def start(checkout, command, log):
    """Start a run; `hours_per_job` divides it, wherever it runs."""
    command = f"source .venv/bin/activate && {command} --configfile profiles/tiny.yaml -- {' '.join(TARGETS)}"
    plugin = {} if PLUGIN is None else {"PYTHONPATH": str(Path(PLUGIN.origin).parents[1])}
    environment = newcomer.variables(checkout.parent, PYTHONUNBUFFERED="1", **plugin)
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command], cwd=checkout, env=environment, stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def running():
    """Return the running jobs, and the node of each."""
    listed = subprocess.run(
        ["squeue", "--noheader", "--states=R", "--format=%i %N"], capture_output=True, text=True
    )
    return dict(line.split() for line in listed.stdout.splitlines())


def processes_of(job):
    """Return the processes of a job, those that watch over it first."""
    watching = [p for p in psutil.process_iter(["cmdline"]) if f"[{job}." in " ".join(p.info["cmdline"] or [])]
    watching = [p for p in watching if "slurmstepd" in " ".join(p.info["cmdline"])]
    return watching, [child for p in watching for child in p.children(recursive=True)]


def end(processes):
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def wait_for(run, what, node):
    """Wait until a job runs on a node; return it."""
    while run.poll() is None:
        found = [job for job, at in running().items() if at == node and processes_of(job)[1]]
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"the run ended before {what}")


def test_a_run_on_a_cluster_that_loses_a_job_and_a_node_gives_the_bytes_of_a_local_run(
    checkout, cluster, tmp_path
):
    with open(tmp_path / "local.log", "w", encoding="utf-8") as log:
        assert start(checkout, "snakemake --cores 1 --nolock", log).wait(540) == 0, Path(log.name).read_text()
    expected = files_of(checkout / "_build" / "embeddings") | files_of(checkout / "_build" / "predictions")
    assert sum(".portions/" in name for name in expected) == 4
    assert sum(name.endswith(".parquet") for name in expected) == 6
    shutil.rmtree(checkout / "_build")

    with open(tmp_path / "slurm.log", "w", encoding="utf-8") as log:
        run = start(checkout, SLURM, log)
        try:
            failed = wait_for(run, "a job could fail", "node1")
            end(processes_of(failed)[1])
            lost = wait_for(run, "a node could be lost", "node2")
            os.kill(int((cluster / "slurmd-node2.pid").read_text()), signal.SIGKILL)
            watching, working = processes_of(lost)
            end([*watching, *working])
            assert run.wait(540) == 0, Path(log.name).read_text(encoding="utf-8")
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    said = (tmp_path / "slurm.log").read_text(encoding="utf-8")
    assert "Trying to restart job" in said
    nodes = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format=%N %t"], capture_output=True, text=True
    ).stdout
    assert "node2 down" in nodes.replace("*", "")
    found = files_of(checkout / "_build" / "embeddings") | files_of(checkout / "_build" / "predictions")
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
