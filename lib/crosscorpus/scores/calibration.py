"""Whether a head is as often right as it is sure: reliability and expected calibration error."""

import numpy as np
import pandas as pd

from crosscorpus.scores import metrics

BINS = 10
"""Parts of equal width that confidence, from 0 to 1, is cut into."""


def confidence(predictions: pd.DataFrame) -> pd.Series:
    """Return the probability of each predicted emotion (0 to 1), from the columns `p_<emotion>`.

    It is among the emotions that could be predicted: those that the utterance's test corpus lacks are left out,
    and the others sum to 1.
    """
    columns = [column for column in predictions if column.startswith("p_")]
    p = predictions[columns].to_numpy(dtype=float)
    shared = predictions.groupby("test_corpus")["emotion"].unique()
    known = {
        corpus: [column.removeprefix("p_") in set(here) for column in columns] for corpus, here in shared.items()
    }
    may_be = np.array([known[corpus] for corpus in predictions["test_corpus"]])
    p = np.where(may_be & ~np.isnan(p), p, 0)
    place = {column.removeprefix("p_"): i for i, column in enumerate(columns)}
    chosen = p[np.arange(len(p)), predictions["predicted"].map(place).to_numpy()]
    return pd.Series(chosen / np.maximum(p.sum(axis=1), 1e-12), predictions.index)


def reliability(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how often predictions are right, by how sure they are.

    Returns
    -------
    A row for each of `BINS` that has predictions: sure (mean confidence), right (both in percent) and n.
    """
    sure = confidence(predictions)
    right = (predictions["emotion"] == predictions["predicted"]).astype(float)
    part = np.minimum((BINS * sure).astype(int), BINS - 1)
    table = pd.DataFrame({"sure": 100 * sure, "right": 100 * right, "part": part})
    found = table.groupby("part").agg(sure=("sure", "mean"), right=("right", "mean"), n=("right", "size"))
    return found.reset_index(drop=True)


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how well each cell is calibrated, all folds and seeds together.

    Returns
    -------
    A row for each cell: `metrics.CELL`; sure (mean confidence) and accuracy, in percent; and ece, the expected
    calibration error in points: the mean distance of confidence and accuracy over bins, by their size (Guo et al.
    2017, https://proceedings.mlr.press/v70/guo17a.html).
    """
    rows = []
    for cell, part in predictions.groupby(metrics.CELL, sort=False):
        bins = reliability(part)
        share = bins["n"] / bins["n"].sum()
        ece = ((bins["sure"] - bins["right"]).abs() * share).sum()
        rows.append((*cell, (bins["sure"] * share).sum(), (bins["right"] * share).sum(), ece))
    return pd.DataFrame(rows, columns=[*metrics.CELL, "sure", "accuracy", "ece"])
