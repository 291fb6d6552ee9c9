import numpy as np
import pandas as pd
import pytest

from crosscorpus.verdict import audit_cells, balanced_folds, published_tables

CLASSES = {"one": [(10, 10)], "two": [(5, 5, 5), (4, 4, 4)], "uneven": [(10, 11)], "late": [(5, 5), (5, 6)]}


def test_which_corpora_have_one_fold_and_which_have_classes_of_one_size():
    assert balanced_folds.single_folds(CLASSES) == {"one": (20,), "uneven": (21,)}
    assert balanced_folds.of_one_size(CLASSES) == ["one", "two"]


def test_a_mean_of_evaluations_of_balanced_folds_has_equal_ua_and_wa():
    rng, rows = np.random.default_rng(0), []
    for model in "abc":
        scores = []
        for _ in range(3):  # trainings, each tested on both folds
            for fold in CLASSES["two"]:
                right = [rng.integers(0, n + 1) for n in fold]
                scores.append((np.mean([k / n for k, n in zip(right, fold, strict=True)]), sum(right) / sum(fold)))
        ua, wa = (f"{100 * x:.2f}" for x in np.mean(scores, axis=0))
        rows += [(model, "two", ua, wa), (model, "uneven", "50.00", "49.00")]
    found = balanced_folds.ua_beside_wa(pd.DataFrame(rows, columns=["model", "corpus", "ua", "wa"]), CLASSES)
    assert list(found["corpus"].unique()) == ["two"]
    assert (found["units"].abs() <= 1).all()  # binary fractions may round a half to either side


def test_how_many_evaluations_a_value_needs():
    assert balanced_folds.fewest_evaluations(["87.00"], 100) == 1
    assert balanced_folds.fewest_evaluations([87.5], 100) == 2
    assert balanced_folds.fewest_evaluations(["33.33"], 100) == 3
    assert balanced_folds.fewest_evaluations(["87.5", "33.33"], 100) == 6
    assert balanced_folds.fewest_evaluations(["33.34"], 3, most=10) == 0


@pytest.fixture(scope="module")
def emobox():
    return published_tables.load("ma2024_table4"), published_tables.listed_classes("ma2024_table4")


def test_no_accuracy_on_urdu_is_a_share_of_its_hundred_utterances(emobox):
    table, classes = emobox
    sizes = balanced_folds.single_folds(classes)
    assert len(sizes) == 21
    judged = audit_cells.cells(table, sizes, accuracy="wa", test="corpus")
    urdu = judged[judged["corpus"] == "URDU"].set_index("model")
    assert sizes["URDU"] == (100,)
    assert not urdu["one_fold"].any()
    assert urdu.loc["wav2vec 2.0 base", "wa"] == 87.5


def test_ua_and_wa_of_emobox_where_classes_are_of_one_size(emobox):
    found = balanced_folds.ua_beside_wa(*emobox)
    unequal = found[found["units"] != 0].groupby("corpus").size()
    assert len(found) == 100
    assert unequal.to_dict() == {"eNTERFACE": 8, "ESD": 1}


def test_accuracies_of_one_evaluation_all_fit_and_arbitrary_ones_as_often_as_by_chance():
    rng = np.random.default_rng(3)
    sizes = {"small": (104,), "large": (1722,)}
    made = [("m", c, f"{100 * rng.integers(0, n + 1) / n:.2f}") for c, (n,) in sizes.items() for _ in range(100)]
    other = [("m", c, f"{rng.integers(0, 10_001) / 100:.2f}") for c in sizes for _ in range(100)]
    for rows, expected in ((made, [200, 100]), (other, None)):
        table = pd.DataFrame(rows, columns=["model", "corpus", "wa"])
        found = balanced_folds.shares(audit_cells.cells(table, sizes, accuracy="wa", test="corpus"))
        assert list(found["cells"]) == [200, 100]
        assert list(found["corpora"]) == [2, 1]
        if expected:
            assert list(found["one_fold"]) == expected
            assert (found["p"] < 1e-9).all()
        else:
            assert (found["p"] > 0.01).all()


def test_a_summary_of_ua_beside_wa(emobox):
    found = balanced_folds.by_corpus(balanced_folds.ua_beside_wa(*emobox)).set_index("corpus")
    assert found.loc["URDU"].tolist() == [10, 0, 0]
    assert found.loc["eNTERFACE"].tolist() == [10, 8, 0.07]
