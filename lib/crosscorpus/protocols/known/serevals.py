"""SER Evals' protocol (Osman et al. 2024): eight classes, one split, an MLP on frames, logit adjustment."""

import functools

import numpy as np
import pandas as pd

from crosscorpus.protocols import folds, protocol_parts
from crosscorpus.protocols.protocol_parts import Fold, FrameHead, Protocol, Recipe, Representation, Variant
from crosscorpus.protocols.protocol_settings import Protocol as Settings

ADJUSTMENTS = ("published", "corrected", "none")
OTHER = "other"
TINY = 1e-12
"""What the publication adds to priors."""
DIVIDED_AT_FIRST, DIVIDED_AT_LAST, RISING = 25.0, 1e4, 0.1
LEAST_BETA, MOST_BETA = 0.85, 0.95
"""Of torch's one-cycle schedule: defaults, but for the share of steps in which the rate rises."""


def parts(settings: Settings) -> Protocol:
    """Return the protocol; see `protocol_parts.Protocol`."""
    first = settings["adjustment"]
    head = FrameHead((settings["width"],) * settings["layers"], "gelu", True, settings["dropout"], "logits")
    recipe = Recipe(
        optimiser="adamw",
        rates=functools.partial(one_cycle, settings["learning_rate"], settings["epochs"]),
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        weight_decay=settings["weight_decay"],
        largest_gradient=settings["largest_gradient"],
        label_smoothing=settings["label_smoothing"],
        drop_last=True,
    )
    return Protocol(
        name="serevals",
        title="SER Evals",
        settings=settings,
        labels=functools.partial(labels, settings),
        classes=lambda labels: list(settings["classes"]),
        regimes=("random", "disjoint"),
        partition=functools.partial(partition, settings),
        across=functools.partial(across, settings),
        representation=Representation(settings["unit"], "none", settings["longest"], "beginning"),
        sweep=[Variant(head, recipe)],
        selections=("last",),
        adjustments=(first, *(how for how in ADJUSTMENTS if how != first)),
        adjust=functools.partial(adjust, settings),
        scores=("macro_f1", "uar", "accuracy"),
        aggregate=functools.partial(aggregate, settings),
    )


def labels(settings: Settings, corpus: str, utterances: pd.DataFrame) -> pd.Series:
    """Return the class of each utterance, which is never missing but where its label stands for no emotion."""
    classes = protocol_parts.renamed(corpus, utterances, settings["label_map"])
    return classes.where(classes.isin(settings["classes"]) | classes.isna(), OTHER)


def partition(
    settings: Settings, corpus: str, utterances: pd.DataFrame, labels: pd.Series, regime: str, seed: int
) -> list[Fold]:
    """Return the one split: at random, or by whole speakers, of which as many as come nearest to the share."""
    used, drawn_by = labels.notna().to_numpy(), settings["split_seed"] + seed
    if regime == "random":
        test = protocol_parts.held_out(used, labels, settings["test_share"], drawn_by)
    else:
        group = folds.groups(corpus, utterances, "speaker").to_numpy()
        test = used & np.isin(group, _speakers(group[used], settings["test_share"], drawn_by))
    return [Fold(used & ~test, np.zeros(len(used), bool), test)]


def _speakers(group: np.ndarray, share: float, seed: int) -> list[str]:
    names, sizes = np.unique(group, return_counts=True)
    taken: list[str] = []
    n, wanted = 0, share * len(group)
    for i in np.random.default_rng(seed).permutation(len(names)):
        if not taken or abs(n + sizes[i] - wanted) < abs(n - wanted):
            taken, n = [*taken, names[i]], n + int(sizes[i])
    return taken


def across(
    settings: Settings,
    corpus: str,
    utterances: pd.DataFrame,
    labels: pd.Series,
    regime: str,
    fold: int,
    n_folds: int,
) -> np.ndarray:
    """Return all of the other corpus but what is of no class, or of "other"."""
    return (labels.notna() & (labels != OTHER)).to_numpy()


def one_cycle(rate: float, epochs: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rate and Adam's first beta of every step, two float64 arrays [epochs x steps].

    As torch's `OneCycleLR`: along a cosine from a 25th up to the rate in a tenth of the steps, and down to a
    250 000th; the first beta goes the other way, between 0.95 and 0.85.
    """
    n = epochs * steps
    at, peak = np.arange(n, dtype=float), RISING * n - 1
    first, last = rate / DIVIDED_AT_FIRST, rate / DIVIDED_AT_FIRST / DIVIDED_AT_LAST

    def cosine(start: float, end: float, share: np.ndarray) -> np.ndarray:
        return end + (start - end) / 2 * (1 + np.cos(np.pi * share))

    rises, rest = np.clip(at / max(peak, 1e-9), 0, 1), np.clip((at - peak) / max(n - 1 - peak, 1e-9), 0, 1)
    rising = at <= peak
    rates = np.where(rising, cosine(first, rate, rises), cosine(rate, last, rest))
    betas = np.where(rising, cosine(MOST_BETA, LEAST_BETA, rises), cosine(LEAST_BETA, MOST_BETA, rest))
    return rates, betas


def adjust(
    settings: Settings, how: str, logits: np.ndarray, trained: np.ndarray, tested: np.ndarray, elsewhere: bool
) -> np.ndarray:
    """Return adjusted logits, see `Protocol.adjust` and the setting `adjustment`; in domain, as they are."""
    if not elsewhere:
        return logits
    banned = np.array([name == OTHER for name in settings["classes"]])
    if how == "published":
        adjusted = logits - np.log(trained + TINY) + np.log(tested + TINY)
    elif how == "corrected":
        banned = banned | (trained == 0) | (tested == 0)
        safe = [np.log(np.where(prior > 0, prior, 1.0)) for prior in (trained, tested)]
        adjusted = logits - safe[0] + safe[1]
    else:
        adjusted = logits
    return np.where(banned, -np.inf, adjusted)


def aggregate(settings: Settings, cells: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return for each model what its Table 3 has: ptm, in_domain, out_of_domain, their SDs, weighted_average.

    In domain: mean and sample standard deviation over the diagonal of all corpora. Out of domain: mean over pairs
    of different eligible corpora, and the standard deviation of the means over test corpora of each training
    corpus. The weighted average is the mean of both means minus that of both SDs. Of fewer corpora than it had,
    the numbers are of those; missing where there are too few.
    """
    rows = []
    for ptm, part in cells.groupby("ptm", sort=False):
        diagonal = part.loc[part["train_corpus"] == part["test_corpus"], score]
        matrix = eligible_pairs(settings, part, score)
        inside, inside_sd = diagonal.mean(), diagonal.std()
        outside, outside_sd = np.nanmean(matrix) if matrix.size else np.nan, matrix.mean(axis=1).std()
        weighted = (outside + inside) / 2 - (outside_sd + inside_sd) / 2
        rows.append((ptm, inside, inside_sd, outside, outside_sd, weighted))
    columns = ["ptm", "in_domain", "in_domain_sd", "out_of_domain", "out_of_domain_sd", "weighted_average"]
    return pd.DataFrame(rows, columns=columns)


def eligible_pairs(settings: Settings, cells: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the matrix of one model out of domain, training corpora x test corpora, empty on the diagonal."""
    here = cells["train_corpus"].isin(settings["eligible"]) & cells["test_corpus"].isin(settings["eligible"])
    pairs = cells[here & (cells["train_corpus"] != cells["test_corpus"])]
    return pairs.pivot(index="train_corpus", columns="test_corpus", values=score)
