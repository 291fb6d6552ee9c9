"""What a check of a claim gets and gives: the claim, what is known, the verdict with its evidence."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.verdict import published_tables

HOLDS = "holds"
IN_TABLE = "holds in the printed table"
FAILS = "does not hold"
OPEN = "cannot be checked yet"
CONTRADICTS = "contradicts another statement"
NEARLY = "holds but for few"
HARD = "hard to reconcile with the printed table"
BY_NAME = {"holds": HOLDS, "in_table": IN_TABLE, "nearly": NEARLY, "hard": HARD, "fails": FAILS}
BY_NAME |= {"open": OPEN, "contradicts": CONTRADICTS}
VERDICTS = tuple(BY_NAME.values())


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; the fields are described at the head of `data/claims.yaml`."""

    id: str
    claim: str
    place: str
    kind: str
    check: str
    stated: Any
    assumptions: str


@dataclass(frozen=True)
class Finding:
    """What a check found: one of `VERDICTS`, and the numbers that it follows from, by name."""

    verdict: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What checks look at, besides the registries of models and corpora.

    Attributes
    ----------
    printed
        Table I, as from `published_tables.table1`.
    predictions, history
        Ours, or their counts, as from `evaluate.results`, with any fold regimes; may be empty.
    settings
        That they were made with.
    source
        Of embeddings, "pack" or "audio".
    """

    printed: pd.DataFrame
    predictions: pd.DataFrame
    history: pd.DataFrame
    settings: protocol_settings.Protocol
    source: str = "pack"

    @functools.cached_property
    def ours(self) -> pd.DataFrame:
        """Our accuracy and macro-F1 for cells of Table I, with stratified folds, in the form of `printed`.

        Both are means over folds, as the paper's. Cells that are scored on other emotions than the paper's are
        left out.
        """
        here = self.predictions[self.predictions["regime"] == "stratified"]
        here = label_sets.alike(here, only=published_tables.published_labels())
        means = metrics.summary(metrics.per_fold(here))[[*published_tables.CELL, "accuracy", "macro_f1"]]
        return self.printed[published_tables.CELL].merge(means, on=published_tables.CELL)


Check = Callable[[Claim, Known], Finding]


def name_of(ptm: str) -> str:
    """Return the name of a model."""
    return model_registry.get(ptm).name
