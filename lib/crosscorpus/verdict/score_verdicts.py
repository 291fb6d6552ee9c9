"""The paper's scores beside ours, cell by cell: which of them our procedure prints. Arithmetic on tables alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import metrics
from crosscorpus.verdict import audit_cells, published_tables, reproduction

METRICS = reproduction.SCORES
"""The two that the paper prints."""

MEANS, FOLDS, ABOVE, BELOW, NOT_RUN = "within reruns", "within single folds", "above", "below", "not yet run"
OTHER_LABELS = "not comparable: other labels"
VERDICTS = (MEANS, FOLDS, ABOVE, BELOW, NOT_RUN, OTHER_LABELS)
"""Where the paper's value is: within the means over folds that one more run would print, else within our single
folds, else above or below both. With other labels than the paper's there is nothing to compare."""
REPRODUCED = (MEANS, FOLDS)
"""Verdicts on a value that the same procedure can print."""

NEAREST = "stratified"
"""The fold regime that is nearest to the paper, by the sizes of folds: see `fold_sizes`."""

BLOCK = ("regime", "metric", "train_corpus", "test_corpus", "head")
"""What is the same for all models that the paper compares with each other."""

LEAST = 3
"""Values below which a rank correlation says nothing: two can only agree or disagree."""

SPAN = ["fold_low", "fold_high", "mean_low", "mean_high"]


def cells(means: pd.DataFrame, spans: pd.DataFrame, regimes: Sequence[str]) -> pd.DataFrame:
    """Put every cell of the paper's Table I beside ours.

    Parameters
    ----------
    means
        What `metrics.summary` returns, of any models and heads; those that the paper does not have are left out.
    spans
        What `reproduction.spans` returns, of the same cells.
    regimes
        Fold regimes; all cells are there once for each.

    Returns
    -------
    A row for each cell (`published_tables.CELL`), regime and metric of `METRICS`, in the order of Table I:
    published and ours (percent, mean over folds), difference (ours minus published, in points), `SPAN` and the
    sizes of `reproduction.COLUMNS`, verdict, one of `VERDICTS`, and beyond: by how many points the published value
    is outside of both spans, 0 where it is in one. The ends of a span belong to it; printed values have two
    decimals, and ours are rounded likewise. All that is ours is missing where it is scored on other emotions than
    the paper's.
    """
    paper = published_tables.table1().melt(published_tables.CELL, list(METRICS), "metric", "published")
    every = pd.concat([paper.assign(regime=regime) for regime in regimes], ignore_index=True)
    keys = [*metrics.CELL, "metric"]
    ours = means.melt([*metrics.CELL, "emotions"], list(METRICS), "metric", "ours").merge(
        spans, on=keys, how="left"
    )
    table = every.merge(ours, on=keys, how="left", validate="one_to_one")
    other = table["ours"].notna() & (table["emotions"] != published_tables.published_labels())
    table[["ours", *SPAN]] = table[["ours", *SPAN]].mask(other)
    table["difference"] = table["ours"] - table["published"]
    ends = table[SPAN].round(2)
    low, high = ends[["fold_low", "mean_low"]].min(axis=1), ends[["fold_high", "mean_high"]].max(axis=1)
    value = table["published"]
    table["beyond"] = (value - high).clip(lower=0) + (low - value).clip(lower=0)
    table["verdict"] = np.select(
        [
            other,
            table["ours"].isna(),
            value.between(ends["mean_low"], ends["mean_high"]),
            value.between(low, high),
            value > high,
        ],
        [OTHER_LABELS, NOT_RUN, MEANS, FOLDS, ABOVE],
        default=BELOW,
    )
    columns = ["regime", "metric", "published", "ours", "difference", *SPAN, "n_runs", "n_deals", "n_folds"]
    return table[[*published_tables.CELL, *columns, "verdict", "beyond"]]


def judged(
    predictions: pd.DataFrame, settings: dict, regimes: Sequence[str] = (NEAREST,)
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `cells` of a run, and the scores of single folds that it rests on; see `reproduction.known_folds`.

    Every page takes verdicts from here: one rule.
    """
    folds = reproduction.known_folds(predictions, settings)
    means = metrics.summary(metrics.per_fold(predictions))
    return cells(means, reproduction.spans(folds), regimes), folds


def wide(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return what `cells` returns with a row for each cell, of one metric.

    Columns: `published_tables.CELL`, published, and for each regime `<regime>_` before ours, difference, `SPAN`,
    verdict and beyond.
    """
    part = table[table["metric"] == metric]
    found = part.drop_duplicates(published_tables.CELL)[[*published_tables.CELL, "published"]]
    for regime, of_regime in part.groupby("regime", sort=False):
        columns = ["ours", "difference", *SPAN, "verdict", "beyond"]
        named = of_regime.set_index(published_tables.CELL)[columns].add_prefix(f"{regime}_")
        found = found.join(named, on=published_tables.CELL)
    return found.reset_index(drop=True)


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count verdicts.

    Parameters
    ----------
    table
        What `cells` returns.

    Returns
    -------
    A row for each regime and metric: cells; run, those of them that are run here, with the paper's labels; one
    column for each of `VERDICTS`; share, the percentage of the run cells whose published value the same procedure
    can print (NaN where none is run); distance, the mean of the absolute differences in points; and beyond, the
    mean of `beyond` over cells above or below (NaN where none is).
    """
    grouped = table.groupby(["regime", "metric"], sort=False)
    found = grouped["verdict"].value_counts().unstack(fill_value=0).reindex(columns=list(VERDICTS), fill_value=0)
    found = found.reindex(list(grouped.groups))
    found.index = found.index.set_names(["regime", "metric"])
    total = found.sum(axis=1)
    run = total - found[NOT_RUN] - found[OTHER_LABELS]
    found.insert(0, "cells", total)
    found.insert(1, "run", run)
    found["share"] = 100 * found[list(REPRODUCED)].sum(axis=1) / run.where(run > 0)
    keys = [table["regime"], table["metric"]]
    found["distance"] = table["difference"].abs().groupby(keys).mean()
    found["beyond"] = table["beyond"].where(table["verdict"].isin([ABOVE, BELOW])).groupby(keys).mean()
    return found.rename_axis(columns=None).reset_index()


def agreement(table: pd.DataFrame, within: Sequence[str] = BLOCK) -> pd.DataFrame:
    """Compare the order of our scores with the order of the published ones.

    Parameters
    ----------
    table
        What `cells` returns; cells that are not run are left out.
    within
        Columns of a block. By default the models of a block are ordered; with ("regime", "metric", "ptm"), the
        cells of a model.

    Returns
    -------
    A row for each block of the table: `within`, n (values run), kendall (tau-b) and spearman, both from -1 to 1;
    missing with fewer than `LEAST` values, or where all of them are equal on one side.
    """
    rows = []
    for block, part in table.groupby(list(within), sort=False):
        run = part[part["ours"].notna()]
        values = np.round(run[["ours", "published"]].to_numpy(dtype=float), 9)
        tau = rho = np.nan
        if len(run) >= LEAST and (np.ptp(values, axis=0) > 0).all():
            tau = scipy.stats.kendalltau(*values.T).statistic
            rho = scipy.stats.spearmanr(*values.T).statistic
        rows.append((*block, len(run), float(tau), float(rho)))
    return pd.DataFrame(rows, columns=[*within, "n", "kendall", "spearman"])


def for_download(folds: pd.DataFrame) -> pd.DataFrame:
    """Return scores of single folds with the published values beside, all that a verdict takes.

    Parameters
    ----------
    folds
        As of `reproduction.spans`.

    Returns
    -------
    A row for each cell of the paper, deal, seed and fold: `reruns.COLUMNS`, published_accuracy and
    published_macro_f1 (percent).
    """
    published = {metric: f"published_{metric}" for metric in METRICS}
    paper = published_tables.table1().rename(columns=published)
    return folds.merge(paper, on=published_tables.CELL)


def fold_sizes() -> pd.DataFrame:
    """Return how many accuracies of Table I fit one test fold, for folds dealt in either regime.

    Returns
    -------
    A row for each regime (our committed folds of the five common emotions): regime, smallest and largest (percent
    of a corpus that the smallest and the largest fold have), cells, fit (accuracies that are a whole number of
    right answers in one of the folds), by_chance (how many of as many arbitrary values would be). Cells tested on
    a corpus of which some speaker-disjoint fold has the very size of the stratified ones are left out of the
    second row: such a fit does not tell the two apart.
    """
    sizes = published_tables.sizes("phukan2025_table1")
    variants = {"stratified": sizes.variants["five labels"], "speaker": next(iter(sizes.speaker.values()))}
    printed, rows = published_tables.load("phukan2025_table1"), []
    for regime, folds in variants.items():
        alike = [c for c, of_corpus in folds.items() if {*of_corpus} & {*variants["stratified"][c]}]
        told = printed if regime == "stratified" else printed[~printed["test_corpus"].isin(alike)]
        judged = audit_cells.cells(told, folds)
        shares = [100 * n / sum(of_corpus) for of_corpus in folds.values() for n in of_corpus]
        fit, chance = judged["one_fold"].sum(), judged["one_fold_chance"].sum()
        rows.append((regime, min(shares), max(shares), len(judged), int(fit), float(chance)))
    return pd.DataFrame(rows, columns=["regime", "smallest", "largest", "cells", "fit", "by_chance"])
