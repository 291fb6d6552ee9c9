"""What is recorded of a run beside its predictions."""

import functools
from collections.abc import Iterable
from typing import Any

from crosscorpus.base import versions
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings

_commit = functools.cache(versions.of_commit)  # asked for once a process, not once a file


MADE_BY = ("ptm", "handle", "revision", "pooling", "dtype", "weights_sha256", "device", "commit")
ADDED = ("by", "on", "note", "file", "file_sha256", "added")
"""What is recorded of embeddings; the second, of those that were made elsewhere."""


def of_embeddings(embeddings: Iterable[store.Embeddings]) -> dict[str, dict[str, str]]:
    """Return what made embeddings, by corpus; what was made elsewhere says so, as its `device`."""
    return {
        e.corpus: {name: e.metadata[name] for name in (*MADE_BY, *ADDED) if name in e.metadata} for e in embeddings
    }


def of_run(
    settings: protocol_settings.Protocol, device: str = "cpu", embeddings: Iterable[store.Embeddings] = ()
) -> dict[str, Any]:
    """Return what is recorded of a run.

    Parameters
    ----------
    settings
        All that were used, see `protocol_settings.load`.
    device
        "cpu" or "cuda".
    embeddings
        That were trained and tested on.

    Returns
    -------
    `protocol`: all settings; `changed`: those that differ from `data/protocol.yaml`; `libraries`; `device`;
    `commit`; `embeddings`: see `of_embeddings`.
    """
    return {
        "protocol": settings,
        "changed": protocol_settings.changes(settings),
        "libraries": versions.of_libraries(),
        "device": versions.of_device(device),
        "commit": _commit(),
        "embeddings": of_embeddings(embeddings),
    }
