import numpy as np
import pandas as pd
import pytest

from crosscorpus.verdict import chance_leads, published_tables


def test_the_chance_of_a_lead_is_counted_by_hand_for_two_utterances():
    # Two fair coins each: the counts differ by 2 in 2 of 16 cases, by 1 or more in 10 of 16.
    assert chance_leads.chance_of_lead(100, 50, 2) == pytest.approx(2 / 16)
    assert chance_leads.chance_of_lead(50, 50, 2) == pytest.approx(10 / 16)
    assert chance_leads.chance_of_lead(0, 50, 2) == 1


@pytest.mark.parametrize(("lead", "accuracy", "n"), [(8, 40, 75), (5, 60, 192), (2, 35, 1271)])
def test_the_chance_of_a_lead_is_what_simulated_models_give(lead, accuracy, n):
    rng = np.random.default_rng(0)
    one, other = (rng.binomial(n, accuracy / 100, 200_000) for _ in range(2))
    simulated = np.mean(np.abs(one - other) * 100 / n >= lead - chance_leads.ROUNDING)
    assert chance_leads.chance_of_lead(lead, accuracy, n) == pytest.approx(simulated, abs=0.004)


def test_a_lead_as_printed_counts_as_the_whole_number_behind_it():
    # 6 of 75 is 8.00 points; two rounded accuracies may differ by 8.00 plus or minus a hundredth.
    exact = chance_leads.chance_of_lead(8.0, 40, 75)
    assert chance_leads.chance_of_lead(8.01, 40, 75) == exact == chance_leads.chance_of_lead(7.99, 40, 75)


def test_more_utterances_make_the_same_lead_less_probable():
    assert chance_leads.chance_of_lead(5, 50, 960) < chance_leads.chance_of_lead(5, 50, 192)


def test_equal_models_lead_by_more_than_chance_as_seldom_as_stated():
    rng = np.random.default_rng(1)
    share = np.mean(
        [
            chance_leads.chance_of_lead(abs(a - b) / 1.92, 55, 192) < chance_leads.LEVEL
            for a, b in rng.binomial(192, 0.55, (2000, 2))
        ]
    )
    assert 0.03 < share <= chance_leads.LEVEL + 0.01


def test_every_column_of_the_table_has_its_best_model_and_lead():
    found = chance_leads.columns(published_tables.table1())
    assert len(found) == 50
    row = found.set_index(chance_leads.COLUMN).loc["aesdd", "aesdd", "cnn"]
    cells = published_tables.table1().query("train_corpus == test_corpus == 'aesdd' and head == 'cnn'")["accuracy"]
    best, second = cells.nlargest(2)
    assert row["lead"] == pytest.approx(best - second)
    assert (row["n_fold"], row["n_all"]) == (121, 605)
    assert (found["p_all"] <= found["p_fold"] + 1e-9).all()


def test_counts_are_of_columns_and_chance_is_the_level():
    table = pd.DataFrame({"cells": "cross-corpus", "best": ["a", "a", "b"], "lead": [1.0, 3.0, 2.0],
                          "p_fold": [0.2, 0.01, 0.04], "p_all": [0.04, 0.001, 0.06]})  # fmt: skip
    found = chance_leads.counted(table).set_index("best")
    assert list(found.loc["a"]) == ["cross-corpus", 2, 2.0, 1, 2, pytest.approx(0.1)]
    assert list(found.loc["b"]) == ["cross-corpus", 1, 2.0, 1, 0, pytest.approx(0.05)]
