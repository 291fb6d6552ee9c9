"""The paper's scores beside ours, cell by cell: which lie within our intervals. Arithmetic on tables alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from crosscorpus.scores import label_sets, metrics
from crosscorpus.verdict import audit_cells, published_tables

METRICS = ("accuracy", "macro_f1")
"""The two that the paper prints."""

INSIDE, ABOVE, BELOW, NOT_RUN = "inside our interval", "above", "below", "not yet run"
OTHER_LABELS = "not comparable: other labels"
VERDICTS = (INSIDE, ABOVE, BELOW, NOT_RUN, OTHER_LABELS)
"""Where the paper's value is: above and below mean above and below our interval. With other labels than the
paper's there is nothing to compare."""

BLOCK = ("regime", "metric", "train_corpus", "test_corpus", "head")
"""What is the same for all models that the paper compares with each other."""

LEAST = 3
"""Values below which a rank correlation says nothing: two can only agree or disagree."""


def cells(intervals: pd.DataFrame, regimes: Sequence[str]) -> pd.DataFrame:
    """Put every cell of the paper's Table I beside ours.

    Parameters
    ----------
    intervals
        What `metrics.interval` returns, of any models and heads; those that the paper does not have are left out.
    regimes
        Fold regimes; all cells are there once for each.

    Returns
    -------
    A row for each cell (`published_tables.CELL`), regime and metric of `METRICS`, in the order of Table I:
    published and
    ours (percent), low and high (our interval), difference (ours minus published, in points), n_clusters, and
    verdict, one of `VERDICTS`. The ends of the interval belong to it. Without an interval, ours stands for both.
    Ours is missing where it is scored on other emotions than the paper's.
    """
    paper = published_tables.table1().melt(published_tables.CELL, list(METRICS), "metric", "published")
    every = pd.concat([paper.assign(regime=regime) for regime in regimes], ignore_index=True)
    parts = [
        intervals[[*metrics.CELL, "n_clusters", "emotions"]].assign(
            metric=metric, ours=intervals[metric], low=intervals[f"{metric}_low"], high=intervals[f"{metric}_high"]
        )
        for metric in METRICS
    ]
    keys = [*metrics.CELL, "metric"]
    table = every.merge(pd.concat(parts), on=keys, how="left", validate="one_to_one")
    other = table["ours"].notna() & (table["emotions"] != published_tables.published_labels())
    table[["ours", "low", "high"]] = table[["ours", "low", "high"]].mask(other)
    low, high = (table[end].fillna(table["ours"]) for end in ("low", "high"))
    table["difference"] = table["ours"] - table["published"]
    table["verdict"] = np.select(
        [other, table["ours"].isna(), table["published"] > high, table["published"] < low],
        [OTHER_LABELS, NOT_RUN, ABOVE, BELOW],
        default=INSIDE,
    )
    columns = ["regime", "metric", "published", "ours", "low", "high", "difference", "n_clusters", "verdict"]
    return table[[*published_tables.CELL, *columns]]


def wide(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return what `cells` returns with a row for each cell, of one metric.

    Columns: `published_tables.CELL`, published, and for each regime `<regime>_ours`, `<regime>_low`,
    `<regime>_high`, `<regime>_difference` and `<regime>_verdict`.
    """
    part = table[table["metric"] == metric]
    found = part.drop_duplicates(published_tables.CELL)[[*published_tables.CELL, "published"]]
    for regime, of_regime in part.groupby("regime", sort=False):
        columns = ["ours", "low", "high", "difference", "verdict"]
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
    column for each of `VERDICTS`; share, the percentage of the run cells whose published value is inside our
    interval (NaN where none is run); and distance, the mean of the absolute differences in points.
    """
    grouped = table.groupby(["regime", "metric"], sort=False)
    found = grouped["verdict"].value_counts().unstack(fill_value=0).reindex(columns=list(VERDICTS), fill_value=0)
    found = found.reindex(list(grouped.groups))
    found.index = found.index.set_names(["regime", "metric"])
    total = found.sum(axis=1)
    run = total - found[NOT_RUN] - found[OTHER_LABELS]
    found.insert(0, "cells", total)
    found.insert(1, "run", run)
    found["share"] = 100 * found[INSIDE] / run.where(run > 0)
    found["distance"] = table["difference"].abs().groupby([table["regime"], table["metric"]]).mean()
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
            tau = stats.kendalltau(*values.T).statistic
            rho = stats.spearmanr(*values.T).statistic
        rows.append((*block, len(run), float(tau), float(rho)))
    return pd.DataFrame(rows, columns=[*within, "n", "kendall", "spearman"])


def for_download(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return all that a reader needs to make verdicts again: our predictions for cells of the paper.

    Parameters
    ----------
    predictions, utterances
        As of `metrics.interval`.

    Returns
    -------
    A row for each prediction: `unit_of_work.COLUMNS`, cluster (the speaker, or the utterance where the corpus
    names
    none), published_accuracy and published_macro_f1 (percent; missing where the paper has no such cell, or ours is
    scored on other emotions).
    Probabilities are left out; the columns emotion and predicted have the same categories.
    """
    published = {metric: f"published_{metric}" for metric in METRICS}
    paper = published_tables.table1().rename(columns=published)
    table = metrics.with_clusters(predictions, utterances).merge(paper, on=published_tables.CELL, how="left")
    same = label_sets.alike(table, only=published_tables.published_labels()).index
    table.loc[~table.index.isin(same), list(published.values())] = np.nan
    labels = pd.CategoricalDtype(sorted({*table["emotion"], *table["predicted"]}))
    table = table.astype({"emotion": labels, "predicted": labels})
    return table[[column for column in table if not column.startswith("p_")]]


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
