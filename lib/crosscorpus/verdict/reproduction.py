"""What the same procedure prints when it is run again: single folds, and means over folds.

The paper tested the same people as we do, so an interval over speakers is no yardstick for its values. These are:
(i) the scores of our single folds, as a printed value may be one fold's; and (ii) the mean over folds, with what
other seeds and other folds move it.
"""

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import known_names
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.verdict import reruns

SCORES = ("accuracy", "macro_f1")
"""The two that the paper prints."""
LEAST = 3
"""Runs below which their spread is not estimated."""
COLUMNS = [*metrics.CELL, "metric", "n_runs", "n_deals", "n_folds"]
COLUMNS += ["seed_sd", "deal_sd", "fold_low", "fold_high", "mean_low", "mean_high"]


def known_folds(predictions: pd.DataFrame, settings: protocol_settings.Protocol) -> pd.DataFrame:
    """Return the scores of single folds that are known of the cells of a run.

    Parameters
    ----------
    predictions
        Of the run, or their counts, as `evaluate.results` has them.
    settings
        That they were made with. Where they are the protocol's and the study `reruns` has a cell, its folds are
        taken, among them those of the run; elsewhere the run's own.

    Returns
    -------
    A table with `reruns.COLUMNS`; deal is 0 for a run's own folds.
    """
    own = metrics.per_fold(label_sets.alike(predictions, settings["emotions"])).assign(deal=0)[reruns.COLUMNS]
    if protocol_settings.changes(settings) or not reruns.RESULTS.exists():
        return own
    study, _ = reruns.results()
    wanted = own[metrics.CELL].drop_duplicates()
    study = study.merge(wanted, on=metrics.CELL)
    run = own.merge(study[metrics.CELL].drop_duplicates(), on=metrics.CELL, how="left", indicator=True)
    rest = run[run["_merge"] == "left_only"]
    return pd.concat([study, rest], ignore_index=True)[reruns.COLUMNS]


def spans(folds: pd.DataFrame) -> pd.DataFrame:
    """Return between which values single folds and means over folds of each cell lie.

    Parameters
    ----------
    folds
        A row for each cell, deal, seed and fold: `reruns.COLUMNS`.

    Returns
    -------
    A row for each cell and metric of `SCORES`: `COLUMNS`. n_runs, n_deals and n_folds count runs, those with folds
    dealt anew, and single folds of all runs. In points: seed_sd, the standard deviation (n - 1) of means over the
    committed folds (deal 0) between seeds, and deal_sd, that between other deals, whose seeds differ too; missing
    with fewer than `LEAST`. In percent: fold_low and fold_high, the least and the greatest single fold; mean_low
    and mean_high, the ends of the 95 % prediction interval of the mean over folds of one more run. This is of
    other deals where there are some, else of other seeds; missing where there are fewer than `LEAST`.
    """
    rows = []
    for cell, part in folds.groupby(metrics.CELL, sort=False):
        means = part.groupby(["deal", "seed"])[list(SCORES)].mean().reset_index()
        for metric in SCORES:
            seeds, deals = (means.loc[which, metric] for which in (means["deal"] == 0, means["deal"] > 0))
            sizes = (len(means), len(deals), len(part))
            spread = (_sd(seeds), _sd(deals))
            single = (part[metric].min(), part[metric].max())
            rows.append((*cell, metric, *sizes, *spread, *single, *one_more(deals if len(deals) else seeds)))
    return pd.DataFrame(rows, columns=COLUMNS)


def counted(spans: pd.DataFrame) -> pd.DataFrame:
    """Return how often cells were run, and how far their means over folds move.

    Parameters
    ----------
    spans
        As the function `spans` returns them.

    Returns
    -------
    A row for each model, regime, head and metric: n_runs, n_deals and n_folds of the cell that has fewest, and the
    means over cells of seed_sd and deal_sd, in points.
    """
    counts = dict.fromkeys(("n_runs", "n_deals", "n_folds"), "min")
    how = counts | dict.fromkeys(("seed_sd", "deal_sd"), "mean")
    return spans.groupby(["ptm", "regime", "head", "metric"], sort=False).agg(how).reset_index()


def _sd(values: "pd.Series[float]") -> float:
    return float(values.std()) if len(values) >= LEAST else np.nan


def one_more(values: "pd.Series[float]", confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of the interval that one more value lies in, of values from a normal distribution.

    mean ± t s sqrt(1 + 1 / n), with t of n - 1 degrees of freedom; missing with fewer than `LEAST` values.
    """
    n = len(values)
    if n < LEAST:
        return np.nan, np.nan
    half = scipy.stats.t.ppf((1 + confidence) / 2, n - 1) * values.std() * np.sqrt(1 + 1 / n)
    return float(values.mean() - half), float(values.mean() + half)


def outside(folds: pd.DataFrame, metric: str = "accuracy", alone: int = 0) -> tuple[int, int]:
    """Hold our own reruns against our own yardstick: how often a mean over folds is outside of (ii), by chance.

    Parameters
    ----------
    folds
        As of `spans`.
    metric
        One of `SCORES`.
    alone
        Deal from which a run is held against all others, one after the other: 0 for all, 1 without the committed
        folds.

    Returns
    -------
    Runs outside of what the other deals of their cell predict, and all runs. About 5 % should be.
    """
    known_names.check(metric, SCORES, "metric")
    n_outside = n = 0
    for _, part in folds[folds["deal"] >= alone].groupby(metrics.CELL, sort=False):
        means = part.groupby(["deal", "seed"])[metric].mean()
        for run, value in means.items():
            others = means[(means.index.get_level_values("deal") > 0) & (means.index != run)]
            low, high = one_more(others)
            n += not np.isnan(low)
            n_outside += bool(value < low or value > high)
    return n_outside, n
