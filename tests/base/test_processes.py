"""Worker processes: what they return, what they have in their environment, and that they end."""

import os
import signal
import subprocess
import sys

import pytest

from crosscorpus.base import paths, processes

SCRIPT = """
import os
from crosscorpus.base import processes
print(sorted(processes.run(abs, [(-1,), (-2,), (-3,)], workers=2)))
"""


def test_everything_comes_back():
    assert sorted(processes.run(divmod, [(7, 2), (9, 4), (5, 5)], workers=2)) == [(1, 0), (2, 1), (3, 1)]


def test_one_process_is_this_one():
    assert list(processes.run(os.getpid, [(), ()], workers=1)) == [os.getpid()] * 2
    assert list(processes.run(os.getpid, [()], workers=8)) == [os.getpid()]
    assert list(processes.run(os.getpid, [], workers=8)) == []


def test_workers_have_one_thread_each():
    names = [(name,) for name in processes.SETTINGS]
    assert sorted(processes.run(os.getenv, names, workers=2)) == sorted(processes.SETTINGS.values())


def test_an_error_of_a_worker_comes_back_as_it_is():
    with pytest.raises(ZeroDivisionError):
        list(processes.run(divmod, [(1, 0), (1, 1)], workers=2))


def test_a_killed_worker_is_said():
    with pytest.raises(processes.WorkerEndedError, match=r"memory was short; .* fewer processes"):
        list(processes.run(signal.raise_signal, [(signal.SIGKILL,), (signal.SIGKILL,)], workers=2))


def test_a_script_without_a_guard_is_not_run_by_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib")}
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert run.stdout == "[1, 2, 3]\n", run.stderr


def test_a_module_that_runs_as_a_command_shares_its_own_functions(tmp_path):
    """As `python -m` calls it `__main__`, which workers do not have."""
    (tmp_path / "study.py").write_text(
        "from crosscorpus.base import processes\n"
        "def half(n):\n    return n // 2\n"
        "if __name__ == '__main__':\n    print(sorted(processes.run(half, [(2,), (4,)], workers=2)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib")}
    command = [sys.executable, "-m", "study"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout == "[1, 2]\n", run.stderr


def count_to(number):
    return sum(range(number))


def test_processor_time_has_that_of_workers_once_they_have_ended():
    before = processes.processor_time()
    list(processes.run(count_to, [(3_000_000,), (3_000_000,)], workers=2))
    took = processes.processor_time() - before
    assert took > 0.05  # two workers alone have started Python twice
