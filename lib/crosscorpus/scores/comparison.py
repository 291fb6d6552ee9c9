"""Which models differ: paired tests on the same test utterances."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import known_names
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import count_tables, counted_cells, metrics

PAIRED = ("accuracy", "uar")
CORRECTIONS = ("holm", "bh")
N_FLIPS = 99_999
"""Random combinations of signs of a permutation test."""
AT_ONCE = 2000
"""Combinations of signs that are held in memory."""


def pairs(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame | None = None,
    between: str = "ptm",
    metric: str = "accuracy",
    *,
    baseline: str = "",
    correction: str = "holm",
    confidence: float = 0.95,
    n_resamples: int = 2000,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare models (or heads, ...) in pairs, on the same test utterances of each block.

    What is compared is the score over all test utterances of the block, averaged over seeds, as in
    `metrics.interval`. The difference a minus b is a sum over speakers, and speaker s adds

        accuracy: c_s = (sum over k of d_sk) / N    UAR: c_s = mean over k of d_sk / n_k

    where d_sk counts the right answers of a minus those of b to the utterances of emotion k by s, averaged over
    seeds; n_k the utterances of k, and N all. If a and b were alike, they could be swapped for any speaker, and
    each c_s would be as likely with the other sign. The p-value is that of this permutation test, two-sided, over
    all 2^speakers combinations of signs where they are no more than `n_flips`, else over that many random ones.

    So p is at least 2 / 2^speakers. With six speakers it is never below 0.03, and Holm's correction for more than
    one comparison leaves nothing significant. Where utterances stand for speakers and there is one seed, the test
    of accuracy is McNemar's, exact. Heads and training data are taken as they are; see `metrics.interval`.

    Parameters
    ----------
    predictions
        Table with `unit_of_work.COLUMNS`, or counts (`count_tables`).
    utterances
        `corpus`, `utterance` and `speaker` of all test utterances; see `metrics.with_clusters`. Not needed for
        counts.
    between
        Column of `metrics.CELL` whose values are compared; not the test corpus.
    metric
        "accuracy" or "uar".
    baseline
        Compare all others with this value alone. "" for all pairs.
    correction
        For all rows of the result together: "holm" limits the chance of any false difference, "bh" (Benjamini
        and Hochberg 1995) the share of false ones among those found, which suits a large table.
    confidence, n_resamples
        Of the intervals, which are not corrected for many comparisons; see `metrics.bootstrap`.
    n_flips
        Random combinations of signs. With fewer than 40 for each row of the result, Holm's correction leaves
        nothing significant.
    seed
        Of resampling and flips, which start anew for each block.

    Returns
    -------
    One row per block and pair: the block's columns, a, b, n_utterances, n_clusters, difference (a minus b, in
    percentage points), low, high (its interval), p, p_adjusted. Values of `between` come in the order of
    `predictions`; with a baseline, that is b. A block with one of them only has no row.

    Raises
    ------
    known_names.UnknownNameError
        `between`, `metric`, `baseline` or `correction` is not known.
    ValueError
        Two models of a block were tested on different utterances, an utterance is not in `utterance_tables`, or
        was not tested once with every seed.
    """
    known_names.check(between, [column for column in metrics.CELL if column != "test_corpus"], "column to compare")
    known_names.check(metric, PAIRED, "metric of paired comparisons")
    known_names.check(correction, CORRECTIONS, "correction")
    table, shares = _compared(
        predictions,
        utterances,
        between,
        metric,
        baseline,
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
    )
    p = _p_values(shares, n_flips, seed)
    return table.assign(p=p, p_adjusted=_adjusted(p, correction))


def _compared(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame | None,
    between: str,
    metric: str = "accuracy",
    baseline: str = "",
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Return the table of `pairs` without p-values, and what they follow from: the shares of each block."""
    block = [column for column in metrics.CELL if column != between]
    order = list(predictions[between].unique())
    if baseline and order:
        known_names.check(baseline, order, f"{between} in the predictions")
    blocks = []
    for where, right, n in _right_answers(metrics.with_clusters(predictions, utterances), between):
        here = [value for value in order if value in right]
        if baseline:
            sides = [(value, baseline) for value in here if value != baseline and baseline in right]
        else:
            sides = list(itertools.combinations(here, 2))
        if sides:
            blocks.append(_Block(where, sides, np.stack([right[a] - right[b] for a, b in sides]), n))
    ends = _ends(blocks, metric, confidence, n_resamples, seed)
    tables = [
        pd.DataFrame(one.sides, columns=["a", "b"]).assign(
            n_utterances=int(one.n.sum()),
            n_clusters=len(one.n),
            difference=_differences(one.difference, one.n, metric, np.ones((1, len(one.n))))[:, 0],
            low=low,
            high=high,
            **dict(zip(block, one.where, strict=True)),
        )
        for one, (low, high) in zip(blocks, ends, strict=True)
    ]
    shares = [_shares(one.difference, one.n, metric) for one in blocks]
    columns = [*block, "a", "b", "n_utterances", "n_clusters", "difference", "low", "high"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return table[columns], shares


def _adjusted(p: np.ndarray, correction: str) -> np.ndarray:
    return holm(p) if correction == "holm" or not len(p) else scipy.stats.false_discovery_control(p)


def wins(table: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Count, for each pair, in how many blocks either side is better; `table` is what `pairs` returns.

    Returns
    -------
    One row per a and b: blocks, a_better, a_significant (those of them with `p_adjusted` below `alpha`), b_better,
    b_significant, and difference (a minus b, in percentage points, mean over blocks).
    """
    significant = table["p_adjusted"] < alpha
    better, worse = table["difference"] > 1e-9, table["difference"] < -1e-9
    counted = table[["a", "b", "difference"]].assign(
        blocks=1,
        a_better=better,
        a_significant=better & significant,
        b_better=worse,
        b_significant=worse & significant,
    )
    sums = ["blocks", "a_better", "a_significant", "b_better", "b_significant"]
    grouped = counted.groupby(["a", "b"], sort=False)
    return grouped[sums].sum().astype(int).join(grouped["difference"].mean()).reset_index()


def over_models(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with models taken as repetitions, as seeds are: so scores are means over models.

    `ptm` becomes "mean of models", and `seed` a number for each model and seed.
    """
    repetition = predictions.groupby(["ptm", "seed"], sort=False).ngroup()
    return predictions.assign(ptm="mean of models", seed=repetition)


def in_both_regimes(table: pd.DataFrame, cell: Sequence[str]) -> pd.DataFrame:
    """Return the rows of predictions whose utterance both dealt regimes test in a cell.

    Of counts, the rows of cells that are there in both; they must be of the same utterances, or `pairs` says so.
    """
    table = table[table["regime"].isin(protocol_settings.DEALT)]
    keys = [*cell] if count_tables.holds_counts(table) else [*cell, "utterance"]
    number = table.groupby(keys, sort=False, observed=True).ngroup().to_numpy()
    return table[table["regime"].astype(str).groupby(number).transform("nunique") == 2]


def leakage(predictions: pd.DataFrame, utterances: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what it is worth that test speakers were heard in training, on the same test utterances.

    Parameters
    ----------
    predictions, utterances
        As of `pairs`, counts being of utterances that both regimes have; same-corpus cells in both regimes are
        compared, and nothing else is looked at.

    Returns
    -------
    One row per model, head and corpus: accuracy (percent) with `stratified` and with `speaker` folds, difference
    (the first minus the second, in percentage points), low and high (its interval), p and p_adjusted (Benjamini
    and Hochberg), n_utterances, n_clusters. Without rows where one of the regimes is missing.
    """
    cell = ["ptm", "head", "test_corpus"]
    same = in_both_regimes(predictions[predictions["train_corpus"] == predictions["test_corpus"]], cell)
    columns = ["ptm", "head", "corpus", "stratified", "speaker", "difference", "low", "high", "p", "p_adjusted"]
    columns += ["n_utterances", "n_clusters"]
    if not len(same):
        return pd.DataFrame(columns=columns)
    table = pairs(same, utterances, "regime", baseline="speaker", correction="bh")
    accuracy = count_tables.accuracy(same, [*cell, "regime"]).unstack()
    return table.join(accuracy, on=cell).rename(columns={"test_corpus": "corpus"})[columns]


def domain_loss(predictions: pd.DataFrame, utterances: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how much is lost where the training corpus is not the test corpus, on the same test utterances.

    Parameters
    ----------
    predictions, utterances
        As of `pairs`. A pair of corpora that is evaluated on fewer emotions than the test corpus with itself is
        left out, as the two do not have the same task.

    Returns
    -------
    One row per cross-corpus cell: `metrics.CELL`, accuracy (percent) `in_domain` and `out_of_domain`, difference
    (the first minus the second, in percentage points), low and high (its interval), p and p_adjusted (Benjamini
    and Hochberg), n_utterances, n_clusters.
    """
    columns = [*metrics.CELL, "in_domain", "out_of_domain", "difference", "low", "high", "p", "p_adjusted"]
    columns += ["n_utterances", "n_clusters"]
    tables, shares = [], []
    for target, part in predictions.groupby("test_corpus", sort=False):
        own = part[part["train_corpus"] == target]
        for source, other in part[part["train_corpus"] != target].groupby("train_corpus", sort=False):
            if set(own["emotion"].dropna()) != set(other["emotion"].dropna()):
                continue
            both = pd.concat([own, other])
            repetition = both.groupby(["ptm", "head", "regime", "seed"])["train_corpus"]
            both = both[repetition.transform("nunique") == 2]  # a model may miss one of the corpora
            table, of_blocks = _compared(both, utterances, "train_corpus", baseline=str(target))
            shares += of_blocks
            turned = {"difference": -table["difference"], "low": -table["high"], "high": -table["low"]}
            tables.append(table.assign(train_corpus=source, **turned))
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=columns)
    joined = pd.concat(tables, ignore_index=True)
    joined["p"] = _p_values(shares, N_FLIPS, 0)  # of all at once: the same signs are drawn once
    joined["p_adjusted"] = _adjusted(joined["p"].to_numpy(), "bh")
    accuracy = count_tables.accuracy(predictions, metrics.CELL)
    joined = joined.join(accuracy.rename("out_of_domain"), on=metrics.CELL)
    joined["in_domain"] = joined["out_of_domain"] + joined["difference"]
    return joined[columns]


@dataclass(frozen=True)
class _Block:
    """One block: its pairs, their differences of right answers [pairs, clusters, emotions], and utterances."""

    where: tuple[str, ...]
    sides: list[tuple[str, str]]
    difference: np.ndarray
    n: np.ndarray


def _ends(
    blocks: Sequence[_Block], metric: str, confidence: float, n_resamples: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the intervals of each block's pairs; those of the same test utterances are drawn at once."""
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for some in metrics.alike([(one.n.shape, one.n.tobytes()) for one in blocks]):
        n, differences = blocks[some[0]].n, [blocks[at].difference for at in some]
        of_draws = functools.partial(_differences, np.concatenate(differences), n, metric)
        both = metrics.bootstrap(of_draws, len(n), confidence=confidence, n_resamples=n_resamples, seed=seed)
        cuts = np.cumsum([len(one) for one in differences])[:-1]
        found |= zip(some, zip(*(np.split(end, cuts) for end in both), strict=True), strict=True)
    return [found[at] for at in range(len(blocks))]


def _right_answers(
    table: pd.DataFrame, between: str
) -> Iterator[tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]]:
    """Yield each block, each value's right answers (mean over seeds), and utterances: [clusters, emotions]."""
    counted_cells.check_tested_once(table)
    tested, names = counted_cells.tested(table)
    place = metrics.CELL.index(between)
    blocks: dict[tuple[str, ...], dict[str, counted_cells.Counted]] = {}
    for one in counted_cells.count(table, "cluster"):
        rest = one.cell[:place] + one.cell[place + 1 :]
        blocks.setdefault(rest, {})[one.cell[place]] = one
    for where, values in blocks.items():
        first = next(iter(values.values()))
        for value, one in values.items():
            (a, sums), (b, others) = tested[one.cell], tested[first.cell]
            if not (np.array_equal(a, b) and np.array_equal(sums, others)):
                sides = (zip(x.tolist(), y.tolist(), strict=True) for x, y in ((a, sums), (b, others)))
                unlike = set.symmetric_difference(*map(set, sides))
                raise ValueError(
                    f"{', '.join(where)}: {first.cell[place]} and {value} were tested on different utterances, "
                    f"such as {names[min(unlike)[0]]}"
                )
        right = {value: one.counts[..., metrics.RIGHT].mean(axis=1) for value, one in values.items()}
        yield where, right, first.counts[:, 0, :, metrics.N]


def _differences(difference: np.ndarray, n: np.ndarray, metric: str, weights: np.ndarray) -> np.ndarray:
    """Return differences in points [pairs, resamples]; see `metrics.bootstrap` for the weights."""
    drawn, drawn_n = np.tensordot(weights, difference, (1, 1)).swapaxes(0, 1), weights @ n
    if metric == "accuracy":
        return 100 * drawn.sum(axis=-1) / drawn_n.sum(axis=-1)
    return 100 * metrics.mean_recall(drawn, drawn_n)


def _shares(difference: np.ndarray, n: np.ndarray, metric: str) -> np.ndarray:
    """Return what each cluster adds to the differences, in points [clusters, pairs]."""
    if metric == "accuracy":
        return 100 * difference.sum(axis=-1).T / n.sum()
    return 100 * (difference / n.sum(axis=0)).mean(axis=-1).T


def _p_values(shares: list[np.ndarray], n_flips: int, seed: int) -> np.ndarray:
    """Return p-values of several blocks' shares, one after the other: as `_flipped` of each, but faster.

    Blocks with as many clusters get the same signs anyway.
    """
    sizes = np.array([len(block) for block in shares], dtype=int)
    owner = np.repeat(np.arange(len(shares)), np.array([block.shape[1] for block in shares], dtype=int))
    p = np.empty(len(owner))
    for size in np.unique(sizes):
        here = np.flatnonzero(sizes[owner] == size)
        columns = np.concatenate([block for block in shares if len(block) == size], axis=1)
        for start in range(0, len(here), 1000):  # to hold so many sums of some signs in memory, not more
            end = start + 1000
            p[here[start:end]] = _flipped(columns[:, start:end], n_flips, seed)
    return p


def _flipped(shares: np.ndarray, n_flips: int, seed: int) -> np.ndarray:
    """Return two-sided p-values [pairs] under other signs of the rows of shares [clusters, pairs].

    These are as of `scipy.stats.permutation_test`: twice the smaller side's, and random signs count the observed
    ones among them.
    """
    n = len(shares)
    is_exact = 2**n <= n_flips
    n_signs = 2**n if is_exact else n_flips
    rng, less, more = np.random.default_rng(seed), 0, 0
    for start in range(0, n_signs, AT_ONCE):
        here = np.arange(start, min(start + AT_ONCE, n_signs))
        drawn = here[:, None] >> np.arange(n) & 1 if is_exact else rng.integers(2, size=(len(here), n), dtype="i1")
        fallen = drawn.astype(float) @ shares  # half of it; sums that are equal but for rounding count as equal
        less, more = less + (fallen > -1e-9).sum(axis=0), more + (fallen < 1e-9).sum(axis=0)
    observed = 0 if is_exact else 1
    return np.minimum(2 * (np.minimum(less, more) + observed) / (n_signs + observed), 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted by Holm's step-down method, in the order given.

    With the m p-values sorted, the i-th becomes the largest of (m - j + 1) p_j over all j up to i, but no more
    than 1 (Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70).
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.arange(len(p), 0, -1) * np.asarray(p)[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
