"""What the same procedure prints: spans by hand, coverage by simulation, folds dealt anew."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import unit_of_work
from crosscorpus.verdict import reproduction, reruns

CELL = ("whisper-base", "fcn", "stratified", "emodb", "emodb")


def folds(runs, cell=CELL):
    """Rows from (deal, seed) -> accuracies of its folds."""
    rows = [
        (*cell, deal, seed, fold, 75, value, value - 1)
        for (deal, seed), values in runs.items()
        for fold, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows, columns=reruns.COLUMNS)


def test_spans_by_hand():
    runs = {
        (0, 0): [80, 90],
        (0, 1): [82, 84],
        (0, 2): [84, 88],
        (1, 1): [70, 90],
        (2, 2): [80, 84],
        (3, 3): [81, 87],
    }
    row = reproduction.spans(folds(runs)).set_index("metric").loc["accuracy"]
    assert (row["n_runs"], row["n_deals"], row["n_folds"]) == (6, 3, 12)
    assert (row["fold_low"], row["fold_high"]) == (70, 90)  # of all runs
    assert row["seed_sd"] == pytest.approx(np.std([85, 83, 86], ddof=1))
    assert row["deal_sd"] == pytest.approx(np.std([80, 82, 84], ddof=1))
    half = stats.t.ppf(0.975, 2) * 2 * np.sqrt(4 / 3)
    assert (row["mean_low"], row["mean_high"]) == pytest.approx((82 - half, 82 + half))
    f1 = reproduction.spans(folds(runs)).set_index("metric").loc["macro_f1"]
    assert (f1["fold_low"], f1["mean_low"]) == pytest.approx((69, 81 - half))


def test_counts_of_runs_are_whole_and_of_the_cell_that_has_fewest():
    often = reproduction.spans(folds({(0, s): [80 + s, 90 + s] for s in range(4)}))
    seldom = reproduction.spans(folds({(0, s): [70 + s, 90 - s] for s in range(3)})).assign(test_corpus="other")
    table = reproduction.counted(pd.concat([often, seldom])).set_index("metric")
    assert len(table) == 2
    row = table.loc["accuracy"]
    assert (row["n_runs"], row["n_deals"], row["n_folds"]) == (3, 0, 6)
    assert {table[column].dtype.kind for column in ("n_runs", "n_deals", "n_folds")} == {"i"}
    assert row["seed_sd"] == pytest.approx((np.std([85, 86, 87, 88], ddof=1) + 0) / 2)
    assert np.isnan(row["deal_sd"])


def test_seeds_stand_in_where_no_folds_were_dealt_and_two_runs_have_no_spread():
    row = reproduction.spans(folds({(0, s): [80 + s, 90 + s] for s in range(3)})).iloc[0]
    assert (row["mean_low"] + row["mean_high"]) / 2 == pytest.approx(86)
    assert np.isnan(row["deal_sd"])
    two = reproduction.spans(folds({(0, s): [80 + s, 90 + s] for s in range(2)})).iloc[0]
    assert np.isnan([two["mean_low"], two["mean_high"], two["seed_sd"]]).all()
    assert (two["fold_low"], two["fold_high"]) == (80, 91)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_one_more_value_is_inside_in_95_of_100_cases(n):
    rng = np.random.default_rng(0)
    drawn = rng.normal(80, 2, (3000, n + 1))
    inside = [
        low <= one[-1] <= high for one in drawn for low, high in [reproduction.one_more(pd.Series(one[:-1]))]
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_our_own_runs_are_held_against_the_others():
    table = folds({(d, d): [80 + d % 2, 90 + d % 2] for d in range(1, 7)} | {(7, 7): [50, 60], (0, 0): [85, 85]})
    assert reproduction.outside(table) == (1, 8)
    assert reproduction.outside(table, alone=1) == (1, 7)
    assert reproduction.outside(folds({(0, 0): [1, 2]})) == (0, 0)


@pytest.fixture(scope="module")
def emodb():
    return store.load("mfcc", "emodb", "pack")


def test_other_deals_have_the_same_utterances_in_other_folds(emodb):
    regime = "stratified"
    emotions = protocol_settings.load()["emotions"]
    dealt = [unit_of_work.with_folds(emodb, regime, emotions, deal) for deal in (0, 1, 2)]
    names = [rows["utterance"].tolist() for rows, _ in dealt]
    assert names[0] == names[1] == names[2]
    for one, other in itertools.combinations([rows["fold"] for rows, _ in dealt], 2):
        assert (one != other).mean() > 0.5
    for rows, _ in dealt:
        assert set(rows["fold"]) == {1, 2, 3, 4, 5}
        assert rows["fold"].value_counts().max() == 75
    with pytest.raises(ValueError, match="stratified alone"):
        unit_of_work.with_folds(emodb, "speaker", emotions, 1)


def test_the_study_has_a_row_for_each_fold_and_its_own_folds_in_the_store(emodb, build_folder):
    profile = {
        "ptms": ["mfcc"],
        "corpora": ["emodb"],
        "heads": ["fcn"],
        "regimes": ["stratified"],
        "seeds": [0, 1],
    }
    units = reruns.plan(profile | {"source": "pack", "overrides": "epochs=1"}, [1])
    assert [(unit.deal, unit.seed) for unit in units] == [(0, 0), (0, 1), (1, 1)]
    table = reruns.run(units, workers=1)
    assert list(table) == reruns.COLUMNS
    assert len(table) == 3 * 5
    whole = table[table["deal"] == 0].groupby("seed")["n"].sum()
    assert set(whole) == {375}
    assert (
        len(list((build_folder / "predictions").rglob("*.history.parquet"))) == 3
    )  # no file stands for two deals


def test_a_run_with_other_settings_is_judged_by_its_own_folds(monkeypatch, tmp_path):
    predictions = pd.DataFrame(
        [
            (*CELL[:3], 0, "emodb", "emodb", fold, f"u{fold}{e}", e, e if fold > 1 else "anger")
            for fold in range(1, 6)
            for e in protocol_settings.load()["emotions"]
        ],
        columns=unit_of_work.COLUMNS,
    )
    study = folds({(d, d): [1, 2] for d in range(5)})
    study.to_parquet(tmp_path / "reruns.parquet")
    monkeypatch.setattr(reruns, "RESULTS", tmp_path / "reruns.parquet")
    own = reproduction.known_folds(predictions, protocol_settings.load("epochs=2"))
    assert list(own["accuracy"]) == [20, 100, 100, 100, 100]
    known = reproduction.known_folds(predictions, protocol_settings.load())
    assert list(known["accuracy"]) == list(study["accuracy"])
    other = predictions.assign(ptm="wavlm-base")
    both = reproduction.known_folds(pd.concat([predictions, other]), protocol_settings.load())
    assert len(both) == len(study) + 5
    assert set(both[metrics.CELL[0]]) == {"whisper-base", "wavlm-base"}
