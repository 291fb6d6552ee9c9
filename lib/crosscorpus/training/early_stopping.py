"""Where early stopping chose an epoch by few utterances, and where none were held out at all."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crosscorpus.corpora import corpus_registry

SMALL = 40
"""Validation utterances below which the best epoch is mostly chance."""
COLUMNS = ["train_corpus", "regime", "n_validation", "most"]


def small(history: pd.DataFrame) -> pd.DataFrame:
    """Return where some training held out fewer than `SMALL` utterances, or none.

    Parameters
    ----------
    history
        Learning curves, as `evaluate.results` returns them.

    Returns
    -------
    A row for each training corpus and regime: `COLUMNS`, where n_validation is the smallest number of utterances
    that a fold held out (0: trained for all epochs) and most the largest.
    """
    if not len(history):
        return pd.DataFrame(columns=COLUMNS)
    sizes = history.groupby(["train_corpus", "regime"], sort=False)["n_validation"].agg(["min", "max"])
    sizes = sizes[sizes["min"] < SMALL].reset_index()
    return sizes.rename(columns={"min": "n_validation", "max": "most"})


def sentences(history: pd.DataFrame) -> list[str]:
    """Return what `small` found as sentences, one for each corpus and regime."""
    return [_sentence(row) for row in small(history).to_dict("records")]


def listed(history: pd.DataFrame) -> str:
    """Return `sentences` as a list in Markdown; empty where every training held out enough."""
    return "\n".join(f"- {said}" for said in sentences(history))


def _sentence(row: Mapping[str, Any]) -> str:
    least, most = row["n_validation"], row["most"]
    where = f"{corpus_registry.corpus_name(row['train_corpus'])}, {row['regime']} folds"
    if most == 0:
        return (
            f"{where}: too few utterances to hold some out, so heads were trained for all epochs, without early "
            "stopping (setting `fixed_epochs_below`)."
        )
    held = f"{least}" if least == most else f"{least} to {most}"
    none = "; where it is 0, heads were trained for all epochs" if least == 0 else ""
    return (
        f"{where}: the epoch was chosen by {held} validation utterances{none}. That few say little: compare with "
        "logistic regression, which needs none."
    )
