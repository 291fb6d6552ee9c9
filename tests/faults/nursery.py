"""A process that has imported everything, and forks others to be killed: `python -m tests.faults.nursery`.

It reads a line of JSON for each job from standard input and answers with one: `{"job", "folder", "kill_after",
"options"}` -> `{"killed", "exit", "seconds", "error"}`. Importing takes seconds; a fork takes milliseconds, so
hundreds of runs can be killed. A killed process is like any that got SIGKILL: no handler, no `finally`.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from crosscorpus.base import paths
from crosscorpus.embeddings import extraction, sharding
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import evaluate

torch.set_num_threads(1)  # no pool of threads may be there when this process forks


def extract(mirror, workers=1, corpora=("emodb",), shard=2):
    """Embed a corpus by MFCC, in small parts."""
    sharding.SHARD = {"cpu": shard}
    for corpus in corpora:
        extraction.embed("mfcc", corpus, mirror=mirror, device="cpu", workers=workers)


def fit(epochs=1, source="pack", workers=1):
    """Train and test a small grid from the pack's embeddings."""
    settings = protocol_settings.load(f"epochs={epochs},fcn_widths=4")
    grid = (["mfcc"], ["emodb"], ["emodb"], ["fcn", "logistic"], ["stratified", "speaker"], [0])
    evaluate.grid(*grid, settings, source=source, workers=workers)


def twice(of, given, late):
    """Do a job in two processes at once, the second some seconds after the first."""
    pids = []
    for pause in (0, late):
        time.sleep(pause)
        pid = os.fork()
        if not pid:
            try:
                JOBS[of](**given)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(ended):
        raise RuntimeError(f"they ended with {ended}")


JOBS = {"extract": extract, "fit": fit, "twice": twice}


def victim(job, folder, options, report):
    """What runs in the fork."""
    os.setsid()  # so that all its children can be killed with it
    with open(report, "w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 2)
        os.dup2(log.fileno(), 1)
        try:
            paths.BUILD = Path(folder)
            JOBS[job](**options)
        except BaseException:
            traceback.print_exc()
            log.flush()
            os._exit(1)
        os._exit(0)


def run(job, folder, kill_after=None, log=None, options=None):
    """Fork, wait, kill; return what became of it."""
    report = log or f"{folder}.log"
    Path(report).parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    pid = os.fork()
    if not pid:
        victim(job, folder, dict(options or {}), report)
    killed = False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        passed = time.perf_counter() - began
        if done:
            break
        if kill_after is not None and passed >= kill_after and not killed:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:  # too young to have a group
                os.kill(pid, signal.SIGKILL)
            killed = True
        time.sleep(0.0005 if kill_after is not None else 0.01)
    code = os.waitstatus_to_exitcode(status)
    error = Path(report).read_text(encoding="utf-8", errors="replace") if code > 0 else ""
    return {"killed": code == -signal.SIGKILL, "exit": code, "seconds": passed, "error": error[-2000:]}


def main():
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
