"""Whether a head is as often right as it is sure: reliability, expected calibration error, temperature."""

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import label_sets, metrics

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
    return _means(_sums(predictions))


def _sums(predictions: pd.DataFrame) -> pd.DataFrame:
    sure = confidence(predictions)
    right = (predictions["emotion"] == predictions["predicted"]).astype(float)
    part = np.minimum((BINS * sure).astype(int), BINS - 1)
    table = pd.DataFrame({"bin": part, "sure": 100 * sure, "right": 100 * right, "n": 1})
    return table.groupby("bin").sum().reset_index()


def _means(sums: pd.DataFrame) -> pd.DataFrame:
    by_bin = sums.groupby("bin")[["sure", "right", "n"]].sum().reset_index(drop=True)
    return by_bin.assign(sure=by_bin["sure"] / by_bin["n"], right=by_bin["right"] / by_bin["n"])


def binned(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the sums that calibration needs of predictions, which add up over units of work.

    Returns
    -------
    A row for each cell and bin of confidence that has predictions: `metrics.CELL`, emotions (the cell's label set,
    see `label_sets`), bin, sure and right (sums of percents), and n.
    """
    parts = [
        _sums(part).assign(
            **dict(zip(metrics.CELL, cell, strict=True)), emotions=label_sets.text(part["emotion"].unique())
        )
        for cell, part in predictions.groupby(metrics.CELL, sort=False)
    ]
    columns = [*metrics.CELL, "emotions", "bin", "sure", "right", "n"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def calibration(table: pd.DataFrame) -> pd.DataFrame:
    """Return how well each cell is calibrated, all folds and seeds together.

    Parameters
    ----------
    table
        Predictions, or what `binned` returns of them.

    Returns
    -------
    A row for each cell: `metrics.CELL`; sure (mean confidence) and accuracy, in percent; and ece, the expected
    calibration error in points: the mean distance of confidence and accuracy over bins, by their size (Guo et al.
    2017, https://proceedings.mlr.press/v70/guo17a.html).
    """
    rows = []
    for cell, part in (table if "bin" in table else binned(table)).groupby(metrics.CELL, sort=False):
        bins = _means(part)
        share = bins["n"] / bins["n"].sum()
        rows.append((*cell, (bins["sure"] * share).sum(), (bins["right"] * share).sum(), ece(bins)))
    return pd.DataFrame(rows, columns=[*metrics.CELL, "sure", "accuracy", "ece"])


LEAST_P = 1e-30
"""Probabilities are taken as no smaller: a class that float32 has at 0 is not out of the question."""
TEMPERATURES = (0.05, 20.0)
"""Between which a temperature is looked for."""


def temperature(p: np.ndarray, y: np.ndarray) -> float:
    """Return the temperature with which probabilities are most likely, of utterances that were not trained on.

    Parameters
    ----------
    p, y
        Class probabilities [utterances, classes], and classes [utterances].

    Returns
    -------
    Above 1 for a head that is too sure (Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html); 1 where
    there are no utterances.
    """
    if not len(y):
        return 1.0

    def loss(log_t: float) -> float:
        chosen = with_temperature(p, float(np.exp(log_t)))[np.arange(len(y)), y]
        return -float(np.log(np.maximum(chosen, LEAST_P)).mean())

    found = scipy.optimize.minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def with_temperature(p: np.ndarray, t: float) -> np.ndarray:
    """Return class probabilities [utterances, classes] as they would be with logits divided by `t`.

    The most probable class stays so. Probabilities tell logits but for a constant, which does not matter.
    """
    logits = np.log(np.maximum(p.astype(float), LEAST_P)) / t
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def ece(bins: pd.DataFrame) -> float:
    """Return the expected calibration error, in points, of what `reliability` returns."""
    return float(((bins["sure"] - bins["right"]).abs() * bins["n"]).sum() / bins["n"].sum())
