"""What a model takes in memory, said before it is loaded, and how many processes can have it side by side."""

import functools
import sys
from pathlib import Path

from crosscorpus.base.progress import MARK
from crosscorpus.models import loading, model_registry

BYTES = {"float32": 4, "bfloat16": 2}
"""Of a number, by what is computed in. Weights in half precision are never held in more than that."""
BESIDE = 10**9
"""Bytes that a process takes beside the weights, at most: libraries, a batch of audio, and what is made of it."""
GROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a group of processes may take, and takes."""


@functools.cache
def parameters(ptm: str) -> int | None:
    """Return how many parameters a model has, by the registry or by its network; None where neither tells."""
    model = model_registry.get(ptm)
    if model.parameters is not None or model.home == "tfhub" or not hasattr(loading.loader(ptm), "build"):
        return model.parameters
    import torch  # seconds to import, and not needed where the registry tells

    with torch.device("meta"):
        return sum(p.numel() for p in loading.loader(ptm).build(model).parameters())


def weights_in_memory(ptm: str, dtype: str = "float32") -> int | None:
    """Return the bytes that a model's weights take in memory; None where its parameters are not known."""
    count = parameters(ptm)
    return None if count is None else count * BYTES[dtype]


def free_memory() -> int | None:
    """Return the bytes of memory that are free, of the machine or of this group of processes; None if not told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        most, used = (int((GROUP / f"memory.{n}").read_text(encoding="ascii")) for n in ("max", "current"))
        stat = dict(line.split() for line in (GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):  # no group, or one without a limit
        return free
    kept = int(stat.get("inactive_file", 0))  # of files, given up where memory is asked for
    return min(free, max(0, most - used + kept))


def fitting(ptm: str, dtype: str, processes: int) -> int:
    """Return how many of some processes can have a model side by side in memory, and say what it takes.

    Parameters
    ----------
    ptm
        Id in the registry.
    dtype
        What is computed in; see `loading.load`.
    processes
        How many are wanted; each loads the model for itself.

    Raises
    ------
    NotAvailableError
        Not even one fits; the message says what it takes, what there is, and what takes less.
    """
    weights, free = weights_in_memory(ptm, dtype), free_memory()
    if weights is None:
        return processes
    name, each = model_registry.get(ptm).name, weights + BESIDE
    takes = f"{name}: weights take {gigabytes(weights)} in {dtype}"
    if free is not None and each > free:
        half = weights_in_memory(ptm, "bfloat16") or 0
        less = f"; dtype=bfloat16 takes {gigabytes(half)}" if dtype == "float32" and half + BESIDE <= free else ""
        raise model_registry.NotAvailableError(
            f"{takes}, and with what is computed up to {gigabytes(each)}, where {gigabytes(free)} of memory are "
            f"free{less}; free memory, or use a machine with more"
        )
    fit = processes if free is None else max(1, min(processes, free // each))
    many = "in one process" if fit == 1 else f"in each of {fit} processes"
    fewer = f" ({processes} do not fit into {gigabytes(free)})" if fit < processes and free is not None else ""
    print(f"{MARK}{takes}, {many}{fewer}", file=sys.stderr, flush=True)
    return fit


def gigabytes(count: float) -> str:
    """Return a number of bytes as a person says it: 2.5 GB, 82 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
