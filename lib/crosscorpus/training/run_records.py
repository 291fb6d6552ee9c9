"""What is recorded of a run beside its predictions."""

import functools
from typing import Any

from crosscorpus.base import versions
from crosscorpus.protocols import protocol_settings

_commit = functools.cache(versions.of_commit)  # asked for once a process, not once a file


def of_run(settings: protocol_settings.Protocol, device: str = "cpu") -> dict[str, Any]:
    """Return what is recorded of a run.

    Parameters
    ----------
    settings
        All that were used, see `protocol_settings.load`.
    device
        "cpu" or "cuda".

    Returns
    -------
    `protocol`: all settings; `changed`: those that differ from `data/protocol.yaml`; `libraries`; `device`;
    `commit`.
    """
    return {
        "protocol": settings,
        "changed": protocol_settings.changes(settings),
        "libraries": versions.of_libraries(),
        "device": versions.of_device(device),
        "commit": _commit(),
    }
