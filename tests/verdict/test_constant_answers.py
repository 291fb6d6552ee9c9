import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from crosscorpus.verdict import constant_answers, published_tables


def cell(truth, answers, train="A", test="B"):
    f1 = f1_score(truth, answers, average="macro", zero_division=0)
    return ("m", train, test, round(accuracy_score(truth, answers), 5), round(f1, 5))


def table(*rows):
    return pd.DataFrame(rows, columns=["model", "train_corpus", "test_corpus", "accuracy", "macro_f1"])


@pytest.mark.parametrize("counts", [(3, 4, 5), (84,) * 7, (1, 400, 499), (13, 11000, 200, 7)])
def test_a_model_that_always_gives_one_answer_is_found(counts):
    truth = np.repeat(np.arange(len(counts)), counts)
    found = constant_answers.cells(table(cell(truth, np.zeros_like(truth))))
    assert found["constant"].item()
    assert found["classes"].item() == len(counts)


def test_a_model_that_gives_two_answers_is_not_taken_for_one():
    truth = np.repeat(np.arange(5), 40)
    answers = np.where(np.arange(200) % 3 == 0, 1, 0)
    assert not constant_answers.cells(table(cell(truth, answers)))["constant"].item()
    assert not constant_answers.cells(table(cell(truth, truth)))["constant"].item()


def test_a_row_is_constant_where_all_its_cells_are():
    truth = np.repeat(np.arange(4), 25)
    rng = np.random.default_rng(0)
    rows = [cell(truth, np.zeros_like(truth), "A", c) for c in "BC"]
    rows += [cell(truth, np.zeros_like(truth), "B", "A"), cell(truth, rng.integers(0, 4, 100), "B", "C")]
    rows += [cell(truth, np.zeros_like(truth), "C", "C")]  # the diagonal is not looked at
    found = constant_answers.rows(table(*rows)).set_index("train_corpus")
    assert found["constant"].to_dict() == {"A": True, "B": False}
    assert found["constant_cells"].to_dict() == {"A": 2, "B": 1}


def test_the_guard_finds_one_row_of_ser_evals():
    found = constant_answers.rows(published_tables.load("osman2024_results")).set_index("train_corpus")
    assert list(found.index[found["constant"]]) == ["MESD"]
    assert found.loc["MESD", ["cells", "constant_cells", "values"]].tolist() == [88, 88, 8]
    assert found.drop(index="MESD")["constant_cells"].max() <= 1


def test_an_absent_class_is_raised_beyond_what_training_settles_at():
    assert constant_answers.adjustment(1, 0) == pytest.approx(12 * np.log(10))
    gap = constant_answers.settled_gap(0.1, 8)
    logits = np.array([gap, *[0.0] * 7])
    softmax = np.exp(logits) / np.exp(logits).sum()
    assert softmax[0] == pytest.approx(0.9 + 0.1 / 8)
    # One utterance in a thousand is enough, whichever class has the others.
    assert constant_answers.lead_of_absent_class(0.001, 6) > 4 * gap


def test_a_constant_row_is_explained():
    found = constant_answers.explained(published_tables.load("osman2024_results"), "MESD", trained=6, classes=7)
    assert len(found) == 8
    assert (found["models"] == 11).all()
    assert (found["one_answer"] - found["macro_f1"]).abs().max() < 1e-5
    assert found["lead"].min() > 4 * constant_answers.settled_gap(0.1, 8)
