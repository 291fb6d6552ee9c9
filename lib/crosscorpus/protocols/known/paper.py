"""The paper's own protocol: five emotions, five folds, two heads on one vector an utterance."""

import numpy as np
import pandas as pd

from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.protocols.protocol_parts import (
    ClipHeads,
    Fold,
    Protocol,
    Representation,
    Variant,
    answers_of_both,
)

FILE = protocol_settings.of_paper()
HEADS = ("fcn", "cnn", "logistic", "svm", "majority")


def parts(settings: protocol_settings.Protocol) -> Protocol:
    """Return the protocol; see `protocol_parts.Protocol`."""
    emotions = settings["emotions"]
    scaled = "training part" if settings["scaling"] == "standardise" else "none"
    return Protocol(
        name="paper",
        title="the paper's",
        settings=settings,
        labels=lambda corpus, utterances: utterances["emotion"].where(utterances["emotion"].isin(emotions)),
        classes=lambda labels: [emotion for emotion in emotions if (labels == emotion).any()],
        regimes=protocol_settings.REGIMES,
        partition=partition,
        across=across,
        representation=Representation("clip", scaled),
        sweep=[Variant(ClipHeads(HEADS), None)],
        selections=("validation",),
        adjustments=("answers of both",),
        adjust=answers_of_both,
        scores=("accuracy", "macro_f1"),
        aggregate=aggregate,
    )


def _fold(corpus: str, utterances: pd.DataFrame, regime: str) -> pd.Series:
    dealt = folds.load(corpus, utterances, regime).set_index("utterance")["fold"]
    return utterances["utterance"].map(dealt)


def partition(corpus: str, utterances: pd.DataFrame, labels: pd.Series, regime: str, seed: int) -> list[Fold]:
    """Return the committed or published folds; the part for early stopping is split off in training."""
    fold, used = _fold(corpus, utterances, regime), labels.notna().to_numpy()
    there, fold = used & fold.notna().to_numpy(), fold.fillna(0)  # what has no fold is in none of the parts
    each = range(1, int(fold.max()) + 1)
    return [Fold(*(there & part for part in folds.parts(fold, number, regime))) for number in each]


def across(
    corpus: str, utterances: pd.DataFrame, labels: pd.Series, regime: str, fold: int, n_folds: int
) -> np.ndarray:
    """Return the same fold of the other corpus, and of its further folds those that come round to this one."""
    dealt = _fold(corpus, utterances, regime)
    return (labels.notna() & (dealt > 0) & ((dealt - 1) % n_folds == fold)).to_numpy()


def aggregate(cells: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return for each model its means over same-corpus and over cross-corpus cells: ptm, same, cross."""
    same = cells["train_corpus"] == cells["test_corpus"]
    of = [part.groupby("ptm", sort=False)[score].mean() for part in (cells[same], cells[~same])]
    return pd.concat(of, axis=1, keys=["same", "cross"]).rename_axis("ptm").reset_index()
