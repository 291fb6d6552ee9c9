"""EmoBox's protocol (Ma et al. 2024): published splits, a small head on frames, a sweep.

Within a corpus the splits are those of `official_splits`. Across corpora the test sets are those of
`balanced_tests`; what it trained on is not defined in its publication, and here it is all of the other corpus that
has one of the four emotions, but for a part for validation.
"""

import functools
import itertools

import numpy as np
import pandas as pd

from crosscorpus.protocols import balanced_tests, folds, protocol_parts
from crosscorpus.protocols.protocol_parts import Fold, FrameHead, Protocol, Recipe, Representation, Variant
from crosscorpus.protocols.protocol_settings import Protocol as Settings

SELECTIONS = ("validation", "last", "test")


def parts(settings: Settings) -> Protocol:
    """Return the protocol; see `protocol_parts.Protocol`."""
    first = settings["selection"]
    return Protocol(
        name="emobox",
        title="EmoBox",
        settings=settings,
        labels=functools.partial(labels, settings),
        classes=lambda labels: sorted(labels.dropna().unique()),
        regimes=("official",),
        partition=functools.partial(partition, settings),
        across=functools.partial(across, settings),
        representation=Representation(settings["unit"], settings["normalisation"], settings["longest"]),
        sweep=sweep(settings),
        selections=(first, *(s for s in SELECTIONS if s != first)),
        adjustments=("answers of both",),
        adjust=protocol_parts.answers_of_both,
        scores=("accuracy", "uar", "macro_f1"),
        aggregate=aggregate,
    )


def labels(settings: Settings, corpus: str, utterances: pd.DataFrame) -> pd.Series:
    """Return the emotion of each utterance: all of the corpus, or the four of the track across corpora."""
    emotions = protocol_parts.renamed(corpus, utterances, settings["label_map"])
    return emotions if settings["track"] == "within" else emotions.where(emotions.isin(settings["emotions"]))


def partition(
    settings: Settings, corpus: str, utterances: pd.DataFrame, labels: pd.Series, regime: str, seed: int
) -> list[Fold]:
    """Return the published folds; across corpora, one fold that trains on all that its own balanced set leaves."""
    used = labels.notna().to_numpy()
    if settings["track"] == "across":
        test = across(settings, corpus, utterances, labels, regime, 0, 1)
        return [_with_validation(settings, used & ~test, np.zeros(len(used), bool), test, labels, seed)]
    dealt = folds.load(corpus, utterances, regime).set_index("utterance")["fold"]
    fold = utterances["utterance"].map(dealt)
    there, found = used & fold.notna().to_numpy(), []
    for number in range(1, int(fold.max()) + 1):
        training, validation, test = (there & part for part in folds.parts(fold, number, regime))
        found.append(_with_validation(settings, training, validation, test, labels, 1000 * seed + number))
    return found


def _with_validation(
    settings: Settings,
    training: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    labels: pd.Series,
    seed: int,
) -> Fold:
    if not validation.any():
        validation = protocol_parts.held_out(training, labels, settings["validation_share"], seed)
    return Fold(training & ~validation, validation, test)


def across(
    settings: Settings,
    corpus: str,
    utterances: pd.DataFrame,
    labels: pd.Series,
    regime: str,
    fold: int,
    n_folds: int,
) -> np.ndarray:
    """Return the balanced test set of a corpus that has one; of another, and in the track within, nothing."""
    if settings["track"] == "within":
        return np.zeros(len(utterances), bool)
    listed = balanced_tests.read(corpus)["utterance"]
    return (utterances["utterance"].isin(listed) & labels.notna()).to_numpy()


def sweep(settings: Settings) -> list[Variant]:
    """Return every learning rate with every width."""
    found = []
    for rate, width in itertools.product(settings["learning_rates"], settings["widths"]):
        recipe = Recipe(
            optimiser="adam",
            rates=functools.partial(rates, rate, settings["epochs"], settings["warm_up"], settings["schedule"]),
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            largest_gradient=settings["largest_gradient"],
        )
        found.append(Variant(FrameHead((width,)), recipe, f"rate {rate:g}, width {width}"))
    return found


def rates(rate: float, epochs: int, warm_up: int, schedule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the learning rate and Adam's first beta of every step, two float64 arrays [epochs x steps].

    See the setting `schedule`.
    """
    at = np.arange(epochs, dtype=float)
    rising = at / max(warm_up, 1)
    shares = np.where(at < warm_up, rising, (epochs - at) / max(epochs - warm_up, 1))
    if schedule == "published":
        shares = np.concatenate([[1.0], shares[:-1]])
    elif schedule == "constant":
        shares = np.ones(epochs)
    each = np.repeat(rate * shares, steps)
    return each, np.full(len(each), 0.9)


def aggregate(cells: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return for each model what EmoBox reports: ptm, within, across.

    `within` is the mean over corpora of scores on a corpus's own folds; `across`, its equation 1, the mean over
    ordered pairs of different corpora. Missing where there is no such cell.
    """
    same = cells["train_corpus"] == cells["test_corpus"]
    of = [part.groupby("ptm", sort=False)[score].mean() for part in (cells[same], cells[~same])]
    return pd.concat(of, axis=1, keys=["within", "across"]).rename_axis("ptm").reset_index()
