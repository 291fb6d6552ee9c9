"""Worker processes of one thread each, side by side, that end with the process that started them.

Nothing heavy is imported here: a worker reads the settings below before it loads a library that has threads.
"""

import concurrent.futures
import contextlib
import importlib
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

SETTINGS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # oneDNN keeps what it prepared for each shape of its input, by default for a thousand: as many as utterances
    # have lengths.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}
"""What a worker has in its environment before it loads anything."""


class WorkerEndedError(RuntimeError):
    """A worker process ended before its work did; the message says what that usually means."""


def count_of(workers: int) -> int:
    """Return a number of processes: the one that is given, or one a core for 0."""
    import joblib  # loads NumPy, which a worker may not do before it has its settings

    return workers or int(joblib.cpu_count())


def processor_time() -> float:
    """Return the seconds of processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def run(
    function: Callable[..., Any],
    jobs: Iterable[tuple],
    workers: int = 0,
    pool: concurrent.futures.Executor | None = None,
) -> Iterator[Any]:
    """Call a function for each job, in processes side by side, and yield what it returns as calls end.

    Parameters
    ----------
    function
        A function of a module, which workers can import.
    jobs
        Its arguments, a tuple for each call.
    workers
        Processes side by side; 0 for one a core. There are never more than jobs, and for one the calls are made
        here, without a process.
    pool
        What `start` returned, to use again; it stays open.

    Raises
    ------
    WorkerEndedError
        A worker was killed, as happens where memory is short.
    """
    jobs = list(jobs)
    count = min(count_of(workers), len(jobs))
    if count <= 1 and pool is None:
        for job in jobs:
            yield function(*job)
        return
    function = _importable(function)
    own = pool or start(count)
    try:
        with _without_main():
            calls = [own.submit(function, *job) for job in jobs]
        for call in concurrent.futures.as_completed(calls):
            yield call.result()
    except BrokenProcessPool as error:
        raise WorkerEndedError(
            "a worker process ended in the middle of its work, most often because memory was short; run it again, "
            "which goes on from what is stored, with fewer processes side by side (parameter workers, or make "
            "CORES=1)"
        ) from error
    finally:
        if pool is None:
            own.shutdown(cancel_futures=True)


def start(count: int) -> concurrent.futures.ProcessPoolExecutor:
    """Return so many worker processes, which start with their first job."""
    # Not joblib's, which end when they grow, as they do with the first large clip, and stay when this process is
    # killed. New ones rather than forks, which may not use a GPU, nor threads that were running.
    spawn = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(count, mp_context=spawn, initializer=_begin)


def _begin() -> None:
    os.environ.update(SETTINGS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker whose parent was killed would finish its work, and then wait for more for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _importable(function: Callable[..., Any]) -> Callable[..., Any]:
    # A module that runs as a command is called `__main__`, which workers do not have: it is imported by its name.
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if function.__module__ != "__main__" or spec is None:
        return function
    return getattr(importlib.import_module(spec.name), function.__name__)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    # A new process would run the script that is running here once more, and start processes of its own.
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
