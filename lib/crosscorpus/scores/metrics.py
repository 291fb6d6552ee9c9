"""Scores from the table of predictions, or of their counts (`count_tables`), alone.

Every score is in percent, and every one derives from three counts per emotion k (`counts`): n_k utterances of it,
m_k predictions of it, and r_k right ones.

- accuracy (WA): the sum of r_k over that of n_k
- UAR (UA): the mean over k of the recall, r_k / n_k
- macro-F1: the mean over k of F1, 2 r_k / (n_k + m_k)

The means are over the emotions that the scored utterances have (n_k > 0). So a test fold that lacks an emotion is
not blamed for it, and an emotion that is only ever predicted is no class of its own: it costs recall alone. These
are scikit-learn's `accuracy_score`, `balanced_accuracy_score`, and `f1_score` with the true emotions as `labels`,
`average="macro"` and `zero_division=0`.
"""

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import count_tables, counted_cells, label_sets

CELL = count_tables.CELL
METRICS = ["accuracy", "uar", "macro_f1"]

TOGETHER = 32
"""Cells that are resampled at once: clusters are drawn once for all, and what is drawn stays in megabytes."""

N, PREDICTED, RIGHT = range(3)  # the last axis of `counts`


def counts(predictions: pd.DataFrame, unit: str) -> tuple[np.ndarray, pd.Index, pd.Index]:
    """Count what `score` needs, for each unit (a fold, a speaker), seed and emotion.

    Parameters
    ----------
    predictions
        Rows of one cell, or counts.
    unit
        Column to count within. Counts add up over units.

    Returns
    -------
    counted
        Float [units, seeds, emotions, 3]: utterances with the emotion (`N`), predictions of it (`PREDICTED`), and
        those of them that are right (`RIGHT`). The emotions are the true ones, sorted.
    units, seeds
        Labels of the first two axes, sorted.
    """
    predictions = count_tables.rows_by(predictions, unit)
    i, units = pd.factorize(predictions[unit], sort=True)
    j, seeds = pd.factorize(predictions["seed"], sort=True)
    truth, emotions = pd.factorize(predictions["emotion"], sort=True)
    guess = emotions.get_indexer(predictions["predicted"])  # -1 for an emotion that is never true
    shape = (len(units), len(seeds), len(emotions))
    return counted_cells.of_codes((i, j, truth, guess), count_tables.times(predictions), shape), units, seeds


def score(counted: np.ndarray) -> dict[str, np.ndarray]:
    """Return each of `METRICS`, in percent [...], from counts [..., emotions, 3]; NaN where nothing is counted."""
    n, predicted, right = counted[..., N], counted[..., PREDICTED], counted[..., RIGHT]
    return {
        "accuracy": 100 * _ratio(right.sum(axis=-1), n.sum(axis=-1)),
        "uar": 100 * mean_recall(right, n),
        "macro_f1": 100 * _mean_where(n > 0, _ratio(2 * right, n + predicted)),
    }


def mean_recall(right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the mean [...] of right / n [..., emotions] over the emotions with utterances (n > 0)."""
    return _mean_where(n > 0, _ratio(right, n))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)


def _mean_where(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    where = np.broadcast_to(where, values.shape)
    return _ratio(np.where(where, values, 0).sum(axis=-1), where.sum(axis=-1))


def per_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score every test fold.

    Parameters
    ----------
    predictions
        Table with `unit_of_work.COLUMNS`.

    Returns
    -------
    One row per cell, seed and fold: `CELL`, seed, fold, n (test utterances), and in percent
    `accuracy` (also called WA), `uar` (unweighted average recall, UA) and `macro_f1`. The last two are means over
    the emotions that the fold's test utterances have. `label_sets.COLUMNS` say what the whole cell is scored on.
    """
    each, columns = [], [*CELL, "seed", "fold", "n", *METRICS, *label_sets.COLUMNS]
    for one in counted_cells.count(predictions, "fold"):
        counted = one.counts.swapaxes(0, 1)
        n = counted[..., N].sum(axis=-1).astype(int).ravel()
        seeds, folds = (labels.ravel() for labels in np.meshgrid(one.seeds, one.units, indexing="ij"))
        values = [seeds.astype(int), folds.astype(int), n, *(v.ravel() for v in score(counted).values())]
        there = n > 0  # a fold need not have been run with every seed
        each.append((one, there.sum(), [column[there] for column in values]))
    if not each:
        return pd.DataFrame(columns=columns)
    cells = [[*one.cell, *_task(one).values()] for one, _, _ in each]
    facts = pd.DataFrame(cells, columns=[*CELL, *label_sets.COLUMNS])
    scored = [np.concatenate(parts) for parts in zip(*(values for _, _, values in each), strict=True)]
    table = facts.loc[facts.index.repeat([n for _, n, _ in each])].reset_index(drop=True)
    return table.assign(**dict(zip(["seed", "fold", "n", *METRICS], scored, strict=True)))[columns]


def _task(one: counted_cells.Counted) -> dict[str, str | int | float]:
    return label_sets.of_cell(one.counts[..., N].sum(axis=(0, 1)), list(one.emotions))


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Average scores per cell: over seeds within each fold, then mean and spread over folds.

    Returns
    -------
    One row per cell: `CELL`, n_folds, n_seeds, and for each metric its mean; `<metric>_sd`, the standard
    deviation over folds (with n - 1); and `<metric>_seed_sd`, that over seeds of the mean over folds (missing with
    one seed). Both are in percentage points. `label_sets.COLUMNS` are kept where they are given.
    """
    folds = scores.groupby([*CELL, "fold"], sort=False)[METRICS].mean().reset_index()
    seeds = scores.groupby([*CELL, "seed"], sort=False)[METRICS].mean().reset_index()
    cells = folds.groupby(CELL, sort=False)[METRICS]
    over_seeds = seeds.groupby(CELL, sort=False)[METRICS].std().add_suffix("_seed_sd")
    table = cells.mean().join([cells.std().add_suffix("_sd"), over_seeds]).reset_index()
    sizes = scores.groupby(CELL, sort=False).agg(n_folds=("fold", "nunique"), n_seeds=("seed", "nunique"))
    of_cell = scores[[*CELL, *(c for c in label_sets.COLUMNS if c in scores)]].drop_duplicates(CELL)
    return table.merge(sizes.reset_index(), on=CELL).merge(of_cell, on=CELL)


def fold_means_against_whole(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how far the mean over folds of a cell is from the score of all its test utterances together.

    Returns
    -------
    A row per cell: `CELL`, and for each metric the absolute difference, in points, of means over seeds.
    """
    means = summary(per_fold(predictions)).set_index(CELL)[METRICS]
    whole = {
        one.cell: {metric: values.mean() for metric, values in score(one.counts.sum(axis=0)).items()}
        for one in counted_cells.count(predictions, "fold")
    }
    together = pd.DataFrame.from_dict(whole, orient="index").rename_axis(CELL)
    return (means - together).abs().reset_index()


def recalls(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the recall of each emotion over all folds and seeds of a cell: the diagonal of its `confusion`.

    Returns
    -------
    One row per cell and emotion that its test utterances have: `CELL`, emotion, n (test utterances), recall
    (percent). The mean of a cell's recalls is the UAR of `interval`.
    """
    by = [*CELL, "emotion"]
    table = count_tables.utterances(predictions, by).rename("n").to_frame()
    return table.assign(recall=count_tables.accuracy(predictions, by)).reset_index()


# -- intervals ------------------------------------------------------------------------------------------------


def interval(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score every cell, with bootstrap intervals over the speakers of its test corpus.

    The score is that of all test utterances of a cell together, over its folds, averaged over seeds. It is not the
    mean over folds of `summary`: accuracy differs by the folds' unequal sizes alone, UAR and macro-F1 by several
    points where a fold has few utterances of an emotion. That mean has no usable bootstrap, because a fold of the
    regime ``speaker`` can be one speaker, whom many resamples lack, and F1 of few utterances is biased (Forman and
    Scholz 2010, https://doi.org/10.1145/1882471.1882479). So show an interval beside its own score, the one here.

    It says how much the score would vary with other speakers like these. Heads and training data stay as they are;
    for what they add, see the spread over seeds in `summary`.

    Parameters
    ----------
    predictions
        Table with `unit_of_work.COLUMNS`, or counts.
    utterances
        `corpus`, `utterance` and `speaker` of all test utterances; see `with_clusters`. Not needed for counts.
    confidence, n_resamples
        See `bootstrap`.
    seed
        Of the resampling, which starts anew for each cell: no interval depends on what else is in the table.

    Returns
    -------
    One row per cell: `CELL`, n_seeds, n_utterances, n_clusters, `clusters` ("speakers", or "utterances" where the
    corpus names no speaker), for each metric its value, `<metric>_low` and `<metric>_high`, in percent, and
    `label_sets.COLUMNS`. Intervals from fewer than six clusters are too short, and missing from one; see
    `bootstrap`.

    Raises
    ------
    ValueError
        A test utterance is not in `utterance_tables`, or was not tested once with every seed.
    """
    table = with_clusters(predictions, utterances)
    counted_cells.check_tested_once(table)
    cells = list(counted_cells.count(table, "cluster"))
    ends = np.empty((len(cells), 2, len(METRICS)))
    for some in alike([one.counts.shape for one in cells]):
        ends[some] = _ends([cells[at].counts for at in some], confidence, n_resamples, seed)
    rows = []
    for one, (low, high) in zip(cells, ends, strict=True):
        n, n_clusters = int(one.counts[:, 0, :, N].sum()), len(one.units)
        kind = "utterances" if n_clusters == n else "speakers"
        values = np.stack([_mean_over_seeds(one.counts.sum(axis=0)), low, high], axis=1).ravel()
        rows.append([*one.cell, len(one.seeds), n, n_clusters, kind, *values, *_task(one).values()])
    named = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    sizes = ["n_seeds", "n_utterances", "n_clusters", "clusters"]
    return pd.DataFrame(rows, columns=[*CELL, *sizes, *named, *label_sets.COLUMNS])


def alike(kinds: Sequence[Hashable]) -> Iterator[list[int]]:
    """Yield positions of equal kinds, no more than `TOGETHER` at once."""
    found: dict[Hashable, list[int]] = {}
    for at, kind in enumerate(kinds):
        found.setdefault(kind, []).append(at)
    for group in found.values():
        for start in range(0, len(group), TOGETHER):
            yield group[start : start + TOGETHER]


def _ends(counted: Sequence[np.ndarray], confidence: float, n_resamples: int, seed: int) -> np.ndarray:
    """Return intervals [cells, 2, metrics] of cells with as many clusters, whose draws are the same."""
    of_draws = functools.partial(_scores_of_draws, np.stack(counted))
    n_clusters = len(counted[0])
    both = bootstrap(of_draws, n_clusters, confidence=confidence, n_resamples=n_resamples, seed=seed)
    return np.stack(both).reshape(2, len(METRICS), len(counted)).transpose(2, 0, 1)


def _scores_of_draws(counted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return scores [metrics x cells, resamples] of counts [cells, clusters, seeds, emotions, 3]."""
    scores = _mean_over_seeds(np.tensordot(weights, counted, (1, 1)))
    return scores.swapaxes(1, 2).reshape(-1, len(weights))


def _mean_over_seeds(counted: np.ndarray) -> np.ndarray:
    return np.stack([values.mean(axis=-1) for values in score(counted).values()])


def as_counts(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of predictions (see `count_tables`): all that scores and paired tests need of them.

    Raises
    ------
    ValueError
        As `interval`.
    """
    table = with_clusters(predictions, utterances)
    counted_cells.check_tested_once(table)
    return count_tables.of_clustered(table)


def with_clusters(predictions: pd.DataFrame, utterances: pd.DataFrame | None) -> pd.DataFrame:
    """Add what is resampled as one, in the column `cluster`: the speaker, or the utterance where none is named.

    Utterances of one speaker are right or wrong together more often than by chance, so that intervals and tests
    that took them as independent would be too sure.

    Parameters
    ----------
    predictions
        Table with `test_corpus` and `utterance`; counts have their clusters, and are returned as they are.
    utterances
        `corpus`, `utterance` and `speaker`, with the last empty where it is not known: the tables of utterances,
        one below the other. Other columns and repeated rows do not matter.

    Raises
    ------
    ValueError
        A test utterance is not in `utterance_tables`, or is there with two speakers.
    """
    if count_tables.holds_counts(predictions):
        return predictions
    if utterances is None:
        raise ValueError("predictions need the table of their utterances, which names speakers; counts do not")
    known = utterances[["corpus", "utterance", "speaker"]].drop_duplicates()
    twice = known[known.duplicated(["corpus", "utterance"])]
    if len(twice):
        raise ValueError(f"{twice['corpus'].iloc[0]}: {twice['utterance'].iloc[0]} has two speakers")
    own = "utterance " + known["utterance"]  # no speaker is called that
    cluster = known["speaker"].mask(known["speaker"].fillna("") == "", own)
    known = known.drop(columns="speaker").rename(columns={"corpus": "test_corpus"}).assign(cluster=cluster)
    table = predictions.merge(known, on=["test_corpus", "utterance"], how="left")
    if table["cluster"].isna().any():
        first = table[table["cluster"].isna()].iloc[0]
        raise ValueError(f"{first['test_corpus']}: {first['utterance']} is not in the table of utterances")
    return table


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    n_clusters: int | Sequence[int],
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap intervals of numbers that follow from how often each cluster counts.

    Clusters are drawn with replacement by `scipy.stats.bootstrap`. Of its methods the percentile one is taken,
    with its level raised for few clusters, as in Hesterberg's expanded percentile interval (2015,
    https://arxiv.org/abs/1411.5279): plain percentiles are as near to each other as if z stood for t and n for
    n - 1. In simulations with 6, 10 and 24 speakers of different difficulty, nominal 95 % intervals of accuracy,
    UAR and macro-F1 held the truth in 87, 90 and 93 % of cases with plain percentiles and with BCa, and in 94, 95
    and 95 % with this; `make coverage` runs such a simulation again, whose result the book shows. Two to five
    clusters are too few for any resampling: it was 92 % with 5, 89 % with 4, and 48 % with 2, where the interval
    goes from one cluster's score to the other's.

    Parameters
    ----------
    statistic
        Gets weights, float [resamples, n_clusters], whole numbers that say how often a cluster was drawn; returns
        [numbers, resamples].
    n_clusters
        How many there are; with fewer than two the intervals are NaN. Of several kinds, which are drawn each by
        itself (speakers of two corpora, or speakers and texts), the number of each: weights then stand side by
        side, in this order, and the level is raised as for the fewest.
    confidence
        Share of such intervals that should hold the truth.
    n_resamples
        How often clusters are drawn.
    seed
        Of the drawing.

    Returns
    -------
    Lower and upper ends, each [numbers].
    """
    sizes = [n_clusters] if isinstance(n_clusters, int) else list(n_clusters)
    fewest = min(sizes)
    if fewest < 2:
        missing = np.full(len(statistic(np.ones((1, sum(sizes))))), np.nan)
        return missing, missing
    t = scipy.stats.t.ppf((1 + confidence) / 2, fewest - 1)
    expanded = 1 - 2 * scipy.stats.norm.sf(t * np.sqrt(fewest / (fewest - 1)))

    def of_draws(*draws: np.ndarray, axis: int) -> np.ndarray:
        weights = [_weights(drawn, n) for drawn, n in zip(draws, sizes, strict=True)]
        return statistic(np.concatenate(weights, axis=1))

    ends = scipy.stats.bootstrap(
        [np.arange(n) for n in sizes], of_draws, vectorized=True, method="percentile", confidence_level=expanded,
        n_resamples=n_resamples, batch=500, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return ends.low, ends.high


def _weights(draws: np.ndarray, n: int) -> np.ndarray:
    """Return how often each of n clusters was drawn, float [resamples, n], from draws [resamples, n]."""
    row = n * np.arange(len(draws))[:, np.newaxis]
    return np.bincount((draws + row).ravel(), minlength=draws.size).reshape(draws.shape).astype(float)
