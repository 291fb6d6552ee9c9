"""On which device, and in which numbers, a model runs."""

import contextlib
import ctypes
import functools

from crosscorpus.base import known_names

DTYPES = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda")


def choose_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cuda" or "cpu"."""
    if known_names.check(device, DEVICES, "device") != "auto":
        return device
    if not _has_driver():
        return "cpu"
    import torch  # seconds to import, and not needed where there is no driver

    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def _has_driver() -> bool:
    """Return whether NVIDIA's driver is installed, without which PyTorch finds no GPU."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
            return True
    return False
