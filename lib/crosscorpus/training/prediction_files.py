"""What a file of predictions is named by: a hash of all that made it."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

from crosscorpus.base import paths, versions
from crosscorpus.embeddings import store
from crosscorpus.protocols import folds, text_disjoint
from crosscorpus.training import baselines, heads, unit_of_work


def of_unit(unit: unit_of_work.Unit, known: dict[tuple, str], device: str) -> tuple[Path, Path]:
    """Return the files of a unit's predictions and learning curves; `known` keeps hashes from unit to unit."""
    here = [unit.trained_on, *unit.tests]
    emotions = unit_of_work.classes(unit.trained_on, unit.regime, unit.protocol)
    for e in here:
        # By object: one model and corpus can come with several poolings. Units keep their embeddings alive.
        if ("vectors", id(e.vectors)) not in known:
            known["vectors", id(e.vectors)] = _hash(e)
        if ("rows", unit.regime, unit.deal, *emotions, id(e.utterances)) not in known:
            of_rows = _hash_rows(e, unit.regime, emotions, unit.deal)
            known["rows", unit.regime, unit.deal, *emotions, id(e.utterances)] = of_rows
    identity = {
        "unit": json.dumps(list(unit.keys.values())),
        "embeddings": json.dumps([(e.corpus, known["vectors", id(e.vectors)]) for e in here]),
        "rows": json.dumps([known["rows", unit.regime, unit.deal, *emotions, id(e.utterances)] for e in here]),
        "protocol": json.dumps(unit.settings, sort_keys=True),
        "code": _code(unit.head),
        "device": device if unit.head in heads.HEADS else "cpu",
        "libraries": versions.of_some("keras", "torch", "numpy", "scikit-learn"),
    }
    stem = f"{unit.head}-{unit.regime}-{unit.seed}-{store.key(identity)}"
    folder = paths.BUILD / "predictions" / unit.trained_on.ptm / unit.trained_on.corpus
    return folder / f"{stem}.parquet", folder / f"{stem}.history.parquet"


TRAINS_HEADS = (
    "heads", "training_tasks", "train", "engine", "adam", "networks", "fast_layers", "reused_memory"
)  # fmt: skip
"""Modules of this room that what a trained head is depends on."""


@functools.cache
def _code(head: str) -> str:
    own = ("baselines", "training_tasks") if head in baselines.BASELINES else TRAINS_HEADS
    here = (Path(__file__).with_name(f"{name}.py") for name in (*own, "own_scaling", "unit_of_work"))
    return versions.of_code(*here, folds, text_disjoint)


def _hash(embeddings: store.Embeddings) -> str:
    return hashlib.sha256(embeddings.vectors.tobytes()).hexdigest()


def _hash_rows(embeddings: store.Embeddings, regime: str, emotions: list[str], deal: int) -> str:
    """Return a hash of what training and tests take from a table of utterances, and of which vector is whose."""
    table = embeddings.utterances.rename_axis("position").reset_index()
    rows, _ = unit_of_work.with_folds(dataclasses.replace(embeddings, utterances=table), regime, emotions, deal)
    used = rows[["position", "utterance", "sha256", "emotion", "fold"]]
    used = used.assign(group=folds.groups(embeddings.corpus, rows, regime))
    return hashlib.sha256(used.to_csv(index=False).encode()).hexdigest()
