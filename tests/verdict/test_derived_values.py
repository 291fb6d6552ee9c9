import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.verdict import derived_values, published_tables


def results(models=("a", "b"), corpora=("W", "X", "Y"), alone=("Z",), seed=0):
    rng = np.random.default_rng(seed)
    pairs = [*itertools.product(corpora, corpora), *((c, c) for c in alone)]
    rows = [(m, train, test, round(rng.random(), 5)) for m in models for train, test in pairs]
    return pd.DataFrame(rows, columns=["model", "train_corpus", "test_corpus", "macro_f1"])


@pytest.fixture(scope="module")
def serevals():
    return published_tables.load("osman2024_results"), published_tables.load("osman2024_table3")


def test_eligible_are_the_corpora_that_are_tested_on_the_most_others():
    assert derived_values.eligible(results()) == ["W", "X", "Y"]


def test_all_nine_rows_of_table_3_are_reproduced_to_the_printed_digits(serevals):
    away = derived_values.away(derived_values.ser_evals_table3(serevals[0]), serevals[1], decimals=6)
    assert away.shape == (9, 5)
    assert away.max(axis=None) <= 0.5


@pytest.mark.parametrize(
    ("spread", "ddof"), [("row means", 0), ("column means", 1), ("cells", 1), ("column means", 0), ("cells", 0)]
)
def test_another_definition_of_the_spread_reproduces_no_row(serevals, spread, ddof):
    other = derived_values.ser_evals_table3(serevals[0], spread=spread, ddof=ddof)
    away = derived_values.away(other, serevals[1], decimals=6)
    assert (away[["out_of_domain_sd", "weighted_average"]] > 0.5).all(axis=None)
    assert (away[["in_domain", "out_of_domain"]] <= 0.5).all(axis=None)


def test_a_changed_digit_is_seen(serevals):
    changed = serevals[1].copy()
    changed.loc[3, "out_of_domain"] += 1e-6
    away = derived_values.away(derived_values.ser_evals_table3(serevals[0]), changed, decimals=6)
    assert int((away > 0.5).sum(axis=None)) == 1


def test_table_3_of_three_corpora_by_hand():
    table = results(models=["a"])
    f1 = table.set_index(["train_corpus", "test_corpus"])["macro_f1"]
    row = derived_values.ser_evals_table3(table).iloc[0]
    means = [np.mean([f1[i, j] for j in "WXY" if j != i]) for i in "WXY"]
    own = [f1[c, c] for c in "WXYZ"]
    assert row["out_of_domain"] == pytest.approx(np.mean(means))
    assert row["out_of_domain_sd"] == pytest.approx(np.std(means, ddof=1))
    assert row["in_domain"] == pytest.approx(np.mean(own))
    assert row["weighted_average"] == pytest.approx(
        (np.mean(means) + np.mean(own) - np.std(means, ddof=1) - np.std(own, ddof=1)) / 2
    )
    without = derived_values.ser_evals_table3(table, without=["X"]).iloc[0]
    assert without["out_of_domain"] == pytest.approx(np.mean([means[0], means[2]]))


def test_a_gap_in_a_matrix_is_named():
    table = results()
    gone = (table["model"] == "b") & (table["train_corpus"] == "W") & (table["test_corpus"] == "Y")
    with pytest.raises(ValueError, match="b: 1 pairs of W, X, Y have no macro_f1"):
        derived_values.ser_evals_table3(table[~gone])


def test_equation_1_by_hand_for_all_ten_models():
    table = published_tables.load("ma2024_table5")
    found = derived_values.average_across(table).set_index("model")
    assert len(found) == 10
    # Whisper's twelve values, added in hundredths.
    whisper = [4614, 3824, 4612, 5142, 4700, 3644, 4812, 4068, 6691, 4930, 4218, 4963]
    assert found.loc["Whisper large v3", "average"] == pytest.approx(sum(whisper) / 1200)
    turned = table.rename(columns={"train_corpus": "test_corpus", "test_corpus": "train_corpus"})
    pd.testing.assert_frame_equal(derived_values.average_across(turned).set_index("model"), found)


def test_equation_1_leaves_the_diagonal_out_and_names_a_model_that_lacks_a_pair():
    rows = [("m", i, j, 90 if i == j else 10) for i in "ABC" for j in "ABC"]
    table = pd.DataFrame(rows, columns=["model", "train_corpus", "test_corpus", "accuracy"])
    assert derived_values.average_across(table)["average"].item() == 10
    with pytest.raises(ValueError, match="m: expected 6 pairs of 3 corpora, got 5"):
        derived_values.average_across(table.drop(index=1))


def test_one_definition_alone_reproduces_the_spread(serevals):
    found = derived_values.reproduced_by(*serevals, decimals=6)
    assert len(found) == 6
    best = found[found["out_of_domain_sd"] > 0]
    assert best[["taken over", "SD"]].to_numpy().tolist() == [["row means", "sample"]]
    assert best[derived_values.TABLE3].to_numpy().tolist() == [[9] * 5]


def test_a_row_is_left_out_and_ranks_follow():
    table = results(models=["a", "b", "c"])
    found = derived_values.with_and_without(table, "X")
    assert sorted(found["rank"]) == sorted(found["rank_without"]) == [1, 2, 3]
    plain = derived_values.ser_evals_table3(table, without=["X"]).set_index("model")
    assert found.set_index("model")["weighted_average_without"].to_dict() == plain["weighted_average"].to_dict()
