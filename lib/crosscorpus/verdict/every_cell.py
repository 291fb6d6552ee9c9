"""Every cell of a run in one table, published values beside, and the means that a grid's reader looks for."""

from collections.abc import Sequence

import pandas as pd

from crosscorpus.embeddings import store_folders
from crosscorpus.models import model_registry
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import guards, label_sets, metrics
from crosscorpus.training import evaluate
from crosscorpus.verdict import published_tables

OWN, OTHER, ROW, COLUMN = "own corpus", "other corpora", "trained on", "tested on"
"""What means are over: cells of a corpus with itself, cells of two corpora, and of these a row or a column."""
SYSTEM = ["ptm", "head", "regime"]
COLUMNS = [
    *metrics.CELL, *label_sets.COLUMNS, "n_folds", "n_seeds", "n_utterances", "n_clusters", "clusters", "heard",
    *(f"{metric}{end}" for metric in metrics.METRICS
      for end in ("", "_sd", "_seed_sd", "_pooled", "_low", "_high", "_difference")
      if (metric, end) != ("uar", "_difference")),
    "paper_accuracy", "paper_macro_f1", "other_labels", "guard",
]  # fmt: skip


def of_grid(
    ptms: Sequence[str],
    corpora: Sequence[str],
    heads: Sequence[str],
    regimes: Sequence[str],
    seeds: Sequence[int],
    settings: Protocol,
    *,
    source: str = "pack",
    workers: int = 0,
) -> pd.DataFrame:
    """Return `table` of a grid, every corpus with every corpus; without rows where nothing of it can be run here.

    Parameters are those of `evaluate.results`, which says what it raises; missing embeddings are no error here.
    """
    try:
        run = evaluate.results(
            ptms, corpora, corpora, heads, regimes, seeds, settings, source=source, workers=workers,
            may_be_empty=True,
        )  # fmt: skip
    except store_folders.NotStoredError:
        return pd.DataFrame(columns=COLUMNS)
    if not len(run.counts):
        return pd.DataFrame(columns=COLUMNS)
    utterances = evaluate.utterances(run.counts["test_corpus"].unique(), source)
    return table(run.counts, None, run.tripped(utterances))


def table(
    predictions: pd.DataFrame, utterances: pd.DataFrame | None = None, tripped: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return all scores of all cells, of heads and baselines, within and across corpora.

    Parameters
    ----------
    predictions, utterances
        As for `metrics.interval`.
    tripped
        What `guards.check_results` returns; where given, there is a column `guard`.

    Returns
    -------
    A row for each cell: `metrics.CELL`; `label_sets.COLUMNS`; n_folds, n_seeds, n_utterances, n_clusters and
    `clusters` (what is resampled); `heard`, what the model had of the test corpus before (`model_registry.heard`).
    For each of `metrics.METRICS`, in percent: `<metric>`, the mean over folds; `<metric>_sd` and
    `<metric>_seed_sd`, its spread over folds and seeds; `<metric>_pooled`, of all test utterances together, with
    the ends of its interval, `<metric>_low` and `<metric>_high`. For accuracy and macro-F1 `paper_<metric>`, and
    `<metric>_difference`, our mean over folds minus the paper's; both are missing where the paper has no such
    cell, and where ours has other emotions, as `other_labels` tells.
    """
    means = metrics.summary(metrics.per_fold(predictions))
    intervals = metrics.interval(predictions, utterances)
    pooled = published_tables.beside(intervals, means).drop(columns=["n_seeds", *label_sets.COLUMNS])
    pooled = pooled.rename(columns={metric: f"{metric}_pooled" for metric in metrics.METRICS})
    found = means.merge(
        pooled.drop(columns=list(pooled.filter(like="_of_folds"))), on=metrics.CELL, validate="1:1"
    )
    found["heard"] = [
        model_registry.heard(*pair) if pair[0] in model_registry.registry() else model_registry.UNKNOWN
        for pair in zip(found["ptm"], found["test_corpus"], strict=True)
    ]
    found = found[[column for column in COLUMNS if column in found]]
    return found if tripped is None else guards.mark(found, tripped)


def means(cells: pd.DataFrame) -> pd.DataFrame:
    """Average cells, as the margins of a grid do; cells of unlike label sets are never put together.

    Parameters
    ----------
    cells
        What `table` returns.

    Returns
    -------
    A row for each model, head, regime, label set (`emotions`) and part of the grid: `SYSTEM`, emotions,
    n_emotions, `over` (`OWN`, `OTHER`, `ROW` or `COLUMN`), `corpus` (that of a row or column, else ""), n_cells,
    and in percent each of `metrics.METRICS`, the mean over cells of means over folds. `paper_<metric>`, of
    accuracy and macro-F1, is the paper's mean over the same cells; it is missing unless the paper has them all.
    """
    own = cells["train_corpus"] == cells["test_corpus"]
    across = cells[~own]
    parts = [
        cells[own].assign(over=OWN, corpus=""),
        across.assign(over=OTHER, corpus=""),
        across.assign(over=ROW, corpus=across["train_corpus"]),
        across.assign(over=COLUMN, corpus=across["test_corpus"]),
    ]
    values = [*metrics.METRICS, *cells.filter(like="paper_")]
    key = [*SYSTEM, "emotions", "n_emotions", "over", "corpus"]
    grouped = pd.concat(parts, ignore_index=True).groupby(key, sort=False)
    found = grouped[values].agg(lambda column: column.mean(skipna=False)).astype(float)
    found.insert(0, "n_cells", grouped.size())
    return found.reset_index()
