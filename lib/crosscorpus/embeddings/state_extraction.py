"""Hidden states of a corpus from audio into the store: what layers and frames have in common.

The size is said, and the free disk looked at, before anything is encoded. Shards are written as parts, so that a
run that was stopped goes on where it was; the parts are joined on disk, one at a time.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import devices, remote_store
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import (
    availability,
    block_files,
    corpus_scans,
    disk_space,
    embedding_files,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import hidden_states, model_registry, weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class What:
    """What is made: ids of model and corpus, how its frames are chosen or pooled, and what it is computed in.

    `more` are facts that name the file beside those of `store.identity`.
    """

    ptm: str
    corpus: str
    pooling: str
    dtype: str
    more: dict[str, str] = field(default_factory=dict)

    def identity(self, kind: str, utterances: pd.DataFrame) -> dict[str, str]:
        """Return all that decides what is stored."""
        return store.identity(self.ptm, self.pooling, utterances, self.dtype, kind) | self.more


def embed(
    kind: str,
    what: What,
    *,
    keep: sharding.Keep,
    size: Callable[[pd.DataFrame], int],
    device: str,
    mirror: str | None,
    workers: int,
) -> block_files.Blocks:
    """Return hidden states of a kind, making those that are not stored.

    Parameters
    ----------
    kind
        "layers" or "frames".
    what
        Of which model and corpus, and how.
    keep
        Writes a shard; see `sharding.Keep`.
    size
        The bytes that a table of utterances takes.
    device, mirror, workers
        As of `extraction.embed`.

    Raises
    ------
    model_registry.NotAvailableError, whole_files.NotWrittenError
        As `layers.embed_layers`.
    """
    model = model_registry.get(what.ptm)
    if not hidden_states.count(what.ptm):
        raise model_registry.NotAvailableError(
            f"{model.name} has no layers and no frames here ({model.layer or 'one vector an utterance'}); choose "
            "a model that runs a transformer"
        )
    root = availability.needed_root(what.corpus, mirror)
    utterances = corpus_scans.fresh(what.corpus, root).utterances
    asked = what.identity(kind, utterances)
    whole = store.states_path(kind, what.ptm, what.corpus, asked)
    if not remote_store.here(whole) or weights.are_others(
        what.ptm, block_files.read(whole).metadata.get("weights_sha256"), mirror
    ):
        named = f"{model.name} on {corpus_registry.get(what.corpus).name}, {' '.join([kind, *what.more.values()])}"
        print(disk_space.check(named, size(utterances), utterances, whole))
        folder, on = weights.fetch(what.ptm, mirror), devices.choose_device(device)
        load = (what.ptm, what.pooling, on, folder, what.dtype)
        _extract(load, what.corpus, utterances, root, whole, workers, keep, asked)
    else:
        shutil.rmtree(whole.with_suffix(""), ignore_errors=True)  # of a run that was stopped at its very end
    return store.read_states(kind, what.ptm, what.corpus, asked, "python -m crosscorpus.embeddings")


def _extract(
    load: sharding.Load,
    corpus: str,
    utterances: pd.DataFrame,
    root: Path,
    whole: Path,
    workers: int,
    keep: sharding.Keep,
    asked: dict[str, str],
) -> None:
    parts = whole.with_suffix("")
    files, made_by, speed = sharding.run(load, corpus, utterances, root, parts, workers, _is_done, keep)
    try:
        block_files.join(whole, files, asked | made_by)
    except store_folders.NotStoredError:
        if not whole.exists():
            raise
    embedding_files.send(whole, speed)
    shutil.rmtree(parts, ignore_errors=True)  # or another run of the same has finished just now


def _is_done(file: Path, shard: list[np.ndarray]) -> bool:
    try:
        return np.array_equal(block_files.read(file).rows, np.concatenate(shard))
    except (store_folders.NotStoredError, store_folders.StoredWrongError):
        return False
