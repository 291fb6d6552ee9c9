"""Scores from counts are those from predictions, to the last digit."""

import numpy as np
import pandas as pd
import pytest

from crosscorpus.scores import comparison, confusions, count_tables, label_sets, metrics

CORPORA = {
    "many": ("anger fear happiness sadness", 12),
    "lone": ("anger fear happiness sadness", 1),
    "né_2": ("anger fear", 3),
    "nameless": ("anger happiness sadness fear", 0),
}
"""Emotions, and how many speakers."""


def of_corpus(corpus, n, rng):
    emotions, speakers = CORPORA[corpus]
    # Some speakers lack an emotion: those are drawn, not dealt.
    return pd.DataFrame(
        {
            "corpus": corpus,
            "utterance": [f"{corpus}/{i}" for i in range(n)],
            "speaker": [f"s{i}" for i in rng.integers(speakers, size=n)] if speakers else "",
            "emotion": rng.choice(emotions.split(), n),
            "fold": rng.integers(1, 4, n),
        }
    )


@pytest.fixture(scope="module")
def tables():
    """Predictions of three models, seeds of unlike numbers, and the utterances."""
    rng = np.random.default_rng(3)
    known = {corpus: of_corpus(corpus, 37, rng) for corpus in CORPORA}
    parts = []
    for ptm, seeds in {"zeta": (0, 1), "alpha": (4,), "m": (0, 1, 2)}.items():
        for seed in seeds:
            for train in ("many", "né_2"):
                for test, rows in known.items():
                    shared = sorted({*CORPORA[train][0].split()} & {*CORPORA[test][0].split()})
                    here = rows[rows["emotion"].isin(shared)].rename(columns={"corpus": "test_corpus"})
                    guess = np.where(rng.random(len(here)) < 0.4, here["emotion"], rng.choice(shared, len(here)))
                    cell = {"ptm": ptm, "head": "fcn", "regime": "stratified", "seed": seed, "train_corpus": train}
                    parts.append(here.drop(columns="speaker").assign(**cell, predicted=guess))
    return pd.concat(parts, ignore_index=True), pd.concat(known.values(), ignore_index=True)


def alike(of_counts, of_rows):
    pd.testing.assert_frame_equal(of_counts, of_rows, check_exact=True)


def test_scores_are_those_of_rows_to_the_last_digit(tables):
    rows, utterances = tables
    counted = metrics.as_counts(rows, utterances)
    assert counted.loc[counted["fold"] > 0, "times"].sum() == len(rows)
    alike(metrics.per_fold(counted), metrics.per_fold(rows))
    alike(metrics.recalls(counted), metrics.recalls(rows))
    alike(metrics.fold_means_against_whole(counted), metrics.fold_means_against_whole(rows))
    alike(label_sets.of_pairs(counted), label_sets.of_pairs(rows))
    emotions = ["anger", "fear", "happiness", "sadness"]
    alike(confusions.percent(counted, emotions), confusions.percent(rows, emotions))
    alike(metrics.per_fold(label_sets.alike(counted)), metrics.per_fold(label_sets.alike(rows)))


def test_a_head_that_is_always_right_is_counted(tables):
    rows, utterances = tables
    for predicted in (rows["emotion"], pd.Series("surprise", rows.index)):
        table = rows.assign(predicted=predicted)
        counted = metrics.as_counts(table, utterances)
        alike(metrics.per_fold(counted), metrics.per_fold(table))
        alike(metrics.interval(counted, n_resamples=20), metrics.interval(table, utterances, n_resamples=20))


def test_intervals_are_those_of_rows_to_the_last_digit(tables):
    rows, utterances = tables
    counted = metrics.as_counts(rows, utterances)
    found = metrics.interval(counted, n_resamples=50)
    alike(found, metrics.interval(rows, utterances, n_resamples=50))
    assert set(found["clusters"]) == {"speakers", "utterances"}
    assert found.loc[found["test_corpus"] == "lone", "accuracy_low"].isna().all()


@pytest.mark.parametrize("how", [{}, {"metric": "uar", "baseline": "m"}, {"between": "seed"}])
def test_paired_tests_are_those_of_rows_to_the_last_digit(tables, how):
    rows, utterances = tables
    counted, few = metrics.as_counts(rows, utterances), {"n_resamples": 50, "n_flips": 199}
    if how == {"between": "seed"}:  # models as repetitions, and heads compared
        second = rows.assign(head="cnn", predicted=rows["predicted"].sample(frac=1, random_state=0).to_numpy())
        rows = comparison.over_models(pd.concat([rows, second], ignore_index=True))
        both = count_tables.joined([counted, metrics.as_counts(second, utterances)])
        counted, how = comparison.over_models(both), {"between": "head"}
    alike(comparison.pairs(counted, **how, **few), comparison.pairs(rows, utterances, **how, **few))


def test_what_is_lost_across_corpora_is_that_of_rows(tables):
    rows, utterances = tables
    rows = rows[rows["test_corpus"].isin(["many", "nameless"]) & (rows["train_corpus"] == "many")]
    turned = {"train_corpus": rows["train_corpus"].where(rows["seed"] > 9, "nameless")}
    other = rows[rows["test_corpus"] == "many"].assign(**turned)
    rows = pd.concat([rows[rows["test_corpus"] == "many"], other], ignore_index=True)
    found = comparison.domain_loss(metrics.as_counts(rows, utterances))
    assert len(found)
    alike(found, comparison.domain_loss(rows, utterances))


def test_counts_do_not_grow_with_utterances():
    rng = np.random.default_rng(0)
    cell = {"ptm": "x", "head": "fcn", "regime": "stratified", "seed": 0, "train_corpus": "many"}
    sizes = []
    for n in (4_000, 40_000):
        rows = of_corpus("many", n, rng)
        table = rows.rename(columns={"corpus": "test_corpus"}).assign(
            **cell, predicted=rng.permutation(rows["emotion"])
        )
        counted = metrics.as_counts(table, rows)
        alike(metrics.per_fold(counted), metrics.per_fold(table))
        alike(metrics.interval(counted, n_resamples=20), metrics.interval(table, rows, n_resamples=20))
        assert count_tables.total(counted) == n
        sizes.append(counted.memory_usage(deep=True).sum())
    assert sizes[1] <= 1.1 * sizes[0]


def test_counts_say_what_is_not_whole(tables):
    rows, utterances = tables
    counted = metrics.as_counts(rows, utterances)
    with pytest.raises(ValueError, match="more than once"):
        metrics.interval(pd.concat([counted, counted]))
    cut = rows.drop(index=rows.index[(rows["ptm"] == "m") & (rows["seed"] == 1)][0])
    one_seed = [metrics.as_counts(part, utterances) for _, part in cut.groupby("seed", sort=False)]
    with pytest.raises(ValueError, match=r"m, fcn, stratified, many, many: seeds .* different utterances"):
        metrics.interval(count_tables.joined(one_seed))
    with pytest.raises(ValueError, match=r"many/.* was tested 0 times"):
        metrics.as_counts(cut, utterances)
    with pytest.raises(ValueError, match="predictions need the table of their utterances"):
        metrics.interval(rows)


def test_models_that_were_tested_on_different_utterances_are_not_paired(tables):
    rows, utterances = tables
    here = rows[(rows["seed"] == 0) & (rows["train_corpus"] == "many") & (rows["test_corpus"] == "many")]
    of_m = here[here["ptm"] == "m"].copy()
    first = of_m.index[0]
    # As many of each emotion, one of them another.
    changed = pd.concat([here[here["ptm"] == "zeta"], of_m.drop(index=first)])
    added = of_m.loc[[first]].assign(utterance="many/new")
    known = utterances[utterances["utterance"] == of_m.loc[first, "utterance"]].assign(utterance="many/new")
    counted = metrics.as_counts(pd.concat([changed, added]), pd.concat([utterances, known]))
    with pytest.raises(ValueError, match="zeta and m were tested on different utterances, such as s"):
        comparison.pairs(counted)


def test_an_empty_table_has_the_columns_of_counts(tables):
    rows, utterances = tables
    empty = metrics.as_counts(rows.iloc[:0], utterances)
    assert list(empty) == [*count_tables.KEYS, "times", "tested"]
    assert not len(metrics.per_fold(empty))
