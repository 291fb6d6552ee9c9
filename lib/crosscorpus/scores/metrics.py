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
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import count_tables, label_sets

CELL = count_tables.CELL
METRICS = ["accuracy", "uar", "macro_f1"]

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
    times = count_tables.times(predictions)

    def count(emotion: np.ndarray, keep: np.ndarray) -> np.ndarray:
        flat = np.ravel_multi_index((i[keep], j[keep], emotion[keep]), shape)
        return np.bincount(flat, times[keep], minlength=int(np.prod(shape))).reshape(shape)

    known, named = truth >= 0, guess >= 0
    counted = [count(truth, known), count(guess, named), count(truth, known & (truth == guess))]
    return np.stack(counted, axis=-1).astype(float), units, seeds


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
    tables = []
    for cell, part in predictions.groupby(CELL, sort=False):
        counted, folds, seeds = counts(part, "fold")
        task = _task(counted, part)
        counted = counted.swapaxes(0, 1)
        table = pd.MultiIndex.from_product([seeds, folds], names=["seed", "fold"]).to_frame(index=False)
        table = table.astype({"seed": int, "fold": int})
        table["n"] = counted[..., N].sum(axis=-1).astype(int).ravel()
        table = table.assign(**{metric: values.ravel() for metric, values in score(counted).items()})
        table = table[table["n"] > 0]  # a fold need not have been run with every seed
        tables.append(table.assign(**dict(zip(CELL, cell, strict=True)), **task))
    columns = [*CELL, "seed", "fold", "n", *METRICS, *label_sets.COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _task(counted: np.ndarray, cell: pd.DataFrame) -> dict[str, str | int | float]:
    names = pd.factorize(cell["emotion"], sort=True)[1]
    return label_sets.of_cell(counted[..., N].sum(axis=(0, 1)), list(names))


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
        cell: {metric: values.mean() for metric, values in score(counts(part, "fold")[0].sum(axis=0)).items()}
        for cell, part in predictions.groupby(CELL, sort=False)
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
    rows = []
    for cell, part in with_clusters(predictions, utterances).groupby(CELL, sort=False):
        check_tested_once(part)
        counted, clusters, seeds = counts(part, "cluster")
        point = _mean_over_seeds(counted.sum(axis=0))
        low, high = bootstrap(
            functools.partial(_scores_of_draws, counted),
            len(clusters),
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
        )
        n = int(count_tables.utterances(part, CELL).iloc[0])
        kind = "utterances" if len(clusters) == n else "speakers"
        ends = np.stack([point, low, high], axis=1).ravel()
        rows.append([*cell, len(seeds), n, len(clusters), kind, *ends, *_task(counted, part).values()])
    named = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    sizes = ["n_seeds", "n_utterances", "n_clusters", "clusters"]
    return pd.DataFrame(rows, columns=[*CELL, *sizes, *named, *label_sets.COLUMNS])


def _scores_of_draws(counted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _mean_over_seeds(np.tensordot(weights, counted, 1))


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
    for _, part in table.groupby(CELL, sort=False):
        check_tested_once(part)
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


def check_tested_once(predictions: pd.DataFrame) -> None:
    """Check that the rows of one cell have every utterance once for every seed.

    Raises
    ------
    ValueError
        They do not: rows of two cells, a run that was cut short, or a table read twice.
    """
    if count_tables.holds_counts(predictions):
        return count_tables.check_counted_once(predictions)
    seed, seeds = pd.factorize(predictions["seed"])
    utterance, utterances = pd.factorize(predictions["utterance"])
    times = np.bincount(seed * len(utterances) + utterance, minlength=len(seeds) * len(utterances))
    if (times != 1).any():
        at = int(np.argmax(times != 1))
        cell = ", ".join(str(value) for value in predictions[CELL].iloc[0])
        raise ValueError(
            f"{cell}: {utterances[at % len(utterances)]} was tested {times[at]} times with seed "
            f"{seeds[at // len(utterances)]}, and should be once"
        )


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
