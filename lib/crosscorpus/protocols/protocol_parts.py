"""The parts that every protocol has, and what each of them is.

A protocol is a module of `crosscorpus.protocols.known` with a function `parts(settings)`, and a file of settings.
Its functions take tables of utterances of one corpus, with `corpora.COLUMNS`; arrays are in their rows' order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

PARTS = ("labels", "partition", "representation", "head", "recipe", "adjustment", "scores")
"""What the field `part` of a setting may be."""


@dataclass(frozen=True)
class Fold:
    """Who is trained on, watched during training, and tested: three bool arrays [utterances].

    Where nobody is watched, the second is all False; training then may hold out a part of its own.
    """

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Representation:
    """What a head is given.

    Attributes
    ----------
    unit
        "clip", one vector an utterance, or "frames", all of them. Either can be given to a head on frames: a clip
        is an utterance of one frame.
    normalisation
        "none"; "training part", mean 0 and variance 1 in each dimension; or "utterance", one mean and one variance
        over time and dimensions together.
    longest
        Seconds: what is longer is left out (`keeps` "none") or cut (`keeps` "beginning").
    keeps
        See `longest`.
    """

    unit: str
    normalisation: str
    longest: float = float("inf")
    keeps: str = "none"


@dataclass(frozen=True)
class FrameHead:
    """Hidden layers on every frame, a mean over the utterance's frames, and a linear layer to the classes.

    Attributes
    ----------
    widths
        Of the hidden layers.
    activation
        "relu" or "gelu".
    layer_norm
        Whether each hidden layer's output is normalised over its units before the activation, with weights.
    dropout
        After each activation, 0 for none; drawn for each frame.
    averages
        "hidden" or "logits": whether the mean is taken before the last layer or after it. Both are linear, so that
        it is the same up to rounding.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    layer_norm: bool = False
    dropout: float = 0.0
    averages: str = "hidden"


@dataclass(frozen=True)
class ClipHeads:
    """Heads on one vector an utterance, by their names in `training.heads` and `training.baselines`."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How a head on frames is trained.

    Attributes
    ----------
    optimiser
        "adam" or "adamw".
    rates
        From the number of steps in an epoch to the learning rate and Adam's first beta of every step: two float64
        arrays [epochs x steps].
    epochs, batch_size
        As they are called.
    weight_decay
        Of AdamW.
    largest_gradient
        Norm of the gradient of all weights at which it is cut; 0 for never.
    label_smoothing
        Share of the target that is spread over all classes.
    drop_last
        Whether a last batch that is not full is left out.
    """

    optimiser: str
    rates: Callable[[int], tuple[np.ndarray, np.ndarray]]
    epochs: int
    batch_size: int
    weight_decay: float = 0.0
    largest_gradient: float = 0.0
    label_smoothing: float = 0.0
    drop_last: bool = False


@dataclass(frozen=True)
class Variant:
    """One head with one recipe; `says` is what sets it apart from the others of a sweep."""

    head: Any
    recipe: Recipe | None
    says: str = ""


@dataclass(frozen=True)
class Protocol:
    """A protocol in parts, the same for all.

    Attributes
    ----------
    name, title
        Id, and what readers see.
    settings
        All values, see `protocol_settings.load`.
    labels
        (corpus, utterances) -> class of each utterance, missing where it is left out.
    classes
        (labels of a training corpus) -> the classes that a head tells apart, in order.
    regimes
        Ways to part a corpus; the first is the protocol's own.
    partition
        (corpus, utterances, labels, regime, seed) -> folds.
    across
        (corpus, utterances, labels, regime, fold, folds) -> who is tested of another corpus than the training
        corpus, by the head of one of its so many folds (from 0): bool [utterances].
    representation, sweep
        What a head is given; and heads with recipes: more than one are chosen among by `selections`.
    selections
        By what an epoch and a variant of the sweep are chosen: "validation"; "last" (epoch), with the variant
        that is best on validation where there are several; or "test", by the accuracy of unadjusted answers on
        each test set by itself, which is no fair score and is named so wherever it is shown. The first is the
        default.
    adjustments, adjust
        Names of what may be done to logits at test time, and the function: (name, logits [utterances, classes],
        prior of the training set [classes], prior of the test set, whether it is another corpus) -> logits, -inf
        for a class that cannot be answered. The first is the default.
    scores
        Of `metrics.METRICS`: the first is the one that models are ranked by.
    aggregate
        Table of cells (`ptm`, `train_corpus`, `test_corpus` and a score, a row for each) and the name of the score
        -> a row for each model: `ptm`, and the numbers that the protocol reports.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    labels: Callable[[str, pd.DataFrame], pd.Series]
    classes: Callable[[pd.Series], list[str]]
    regimes: Sequence[str]
    partition: Callable[[str, pd.DataFrame, pd.Series, str, int], list[Fold]]
    across: Callable[[str, pd.DataFrame, pd.Series, str, int, int], np.ndarray]
    representation: Representation
    sweep: Sequence[Variant]
    selections: Sequence[str]
    adjustments: Sequence[str]
    adjust: Callable[[str, np.ndarray, np.ndarray, np.ndarray, bool], np.ndarray]
    scores: Sequence[str]
    aggregate: Callable[[pd.DataFrame, str], pd.DataFrame]


def answers_of_both(
    how: str, logits: np.ndarray, trained: np.ndarray, tested: np.ndarray, elsewhere: bool
) -> np.ndarray:
    """Return logits without answers that another corpus never has; an adjustment, see `Protocol.adjust`."""
    return np.where(tested > 0, logits, -np.inf) if elsewhere else logits


def renamed(corpus: str, utterances: pd.DataFrame, label_map: Mapping[str, str]) -> pd.Series:
    """Return the emotion of each utterance by a map from `corpus.emotion`; missing where a label has none."""
    of = {name.partition(".")[2]: to for name, to in label_map.items() if name.partition(".")[0] == corpus}
    emotions = utterances["emotion"].where(utterances["emotion"] != "")
    return emotions.replace(of)


def held_out(rows: np.ndarray, labels: pd.Series, share: float, seed: int) -> np.ndarray:
    """Return a random share of some utterances, whoever speaks, bool [utterances]; one at least, never all.

    `rows` is bool [utterances]; the others of `labels` are left alone.
    """
    chosen = np.flatnonzero(rows)
    drawn = np.random.default_rng(seed).permutation(chosen)
    n = min(max(1, round(share * len(chosen))), len(chosen) - 1)
    return np.isin(np.arange(len(labels)), drawn[:n])
