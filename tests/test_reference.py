import pandas as pd
import pytest

from crosscorpus import extractors, reference

METRICS = ["accuracy", "macro_f1"]
IN_PAPER = ["cremad", "mesd", "emodb", "aesdd", "ravdess"]


@pytest.fixture(scope="module")
def table():
    return reference.table1()


def test_the_table_has_four_hundred_cells(table):
    assert len(table) == 400
    assert list(table.columns) == [*reference.CELL, *METRICS]


def test_the_cells_are_eight_models_by_twenty_five_pairs_by_two_heads(table):
    assert set(table["ptm"]) == {m.id for m in extractors.registry().values() if m.in_paper}
    assert set(table["train_corpus"]) == set(table["test_corpus"]) == set(IN_PAPER)
    assert set(table["head"]) == {"fcn", "cnn"}
    assert not table.duplicated(reference.CELL).any()


def test_the_table_has_no_gaps(table):
    assert table.notna().all(axis=None)


def test_every_value_is_a_percentage(table):
    assert table[METRICS].min(axis=None) > 0
    assert table[METRICS].max(axis=None) <= 100


@pytest.mark.parametrize(
    ("ptm", "head", "train", "test", "accuracy", "macro_f1"),
    [
        ("mms-1b", "fcn", "cremad", "cremad", 76.00, 75.82),
        ("wavlm-base", "cnn", "emodb", "emodb", 94.67, 94.88),
        ("wavlm-base", "fcn", "ravdess", "emodb", 17.33, 15.84),
        ("trillsson4", "cnn", "ravdess", "ravdess", 96.36, 96.35),
        ("trillsson4", "fcn", "mesd", "emodb", 55.33, 47.03),
        ("x-vector", "cnn", "aesdd", "emodb", 52.19, 49.28),
        ("x-vector", "cnn", "ravdess", "cremad", 37.92, 36.40),
        ("whisper-base", "fcn", "emodb", "emodb", 86.67, None),
        ("whisper-base", "cnn", "ravdess", "emodb", 64.00, None),
    ],
)
def test_a_cell_is_what_the_paper_prints(table, ptm, head, train, test, accuracy, macro_f1):
    row = table.set_index(reference.CELL).loc[(ptm, head, train, test)]
    assert row["accuracy"] == accuracy
    assert macro_f1 in (None, row["macro_f1"])


@pytest.mark.parametrize("metric", METRICS)
def test_trillsson_is_best_in_every_column(table, metric):
    columns = table.pivot(index=["train_corpus", "test_corpus", "head"], columns="ptm", values=metric)
    assert len(columns) == 50
    assert (columns.idxmax(axis=1) == "trillsson4").all()


def test_the_cnn_is_never_below_the_fcn_in_accuracy(table):
    sides = table.pivot(index=["ptm", "train_corpus", "test_corpus"], columns="head", values="accuracy")
    assert len(sides) == 200
    assert (sides["cnn"] >= sides["fcn"]).all()


def ours(**changed):
    cell = {"ptm": "whisper-base", "head": "fcn", "regime": "stratified"}
    cell |= {"train_corpus": "emodb", "test_corpus": "emodb", "accuracy": 80.0, "macro_f1": 70.0}
    return cell | changed


def test_beside_gives_ours_minus_the_papers(table):
    row = reference.beside(pd.DataFrame([ours()])).iloc[0]
    assert row["paper_accuracy"] == 86.67
    assert row["accuracy_difference"] == pytest.approx(80 - 86.67)
    assert row["macro_f1_difference"] == pytest.approx(70 - row["paper_macro_f1"])


def test_both_regimes_stand_beside_the_same_cell():
    result = reference.beside(pd.DataFrame([ours(), ours(regime="speaker", accuracy=75.0)]))
    assert list(result["paper_accuracy"]) == [86.67, 86.67]
    assert list(result["regime"]) == ["stratified", "speaker"]


def test_a_cell_that_the_paper_lacks_has_no_difference():
    result = reference.beside(pd.DataFrame([ours(), ours(test_corpus="urdu")]))
    assert list(result["accuracy_difference"].isna()) == [False, True]
    assert list(result["accuracy"]) == [80, 80]


def test_one_model_is_chosen_for_a_picture():
    shown = pd.DataFrame({"ptm": ["x-vector", "whisper-base"], "paper_accuracy": [None, 1.0]})
    assert list(reference.to_picture(shown, "whisper-base")["ptm"]) == ["whisper-base"]
    assert list(reference.to_picture(shown, "mms-1b")["ptm"]) == ["x-vector"]
    assert reference.to_picture(shown.iloc[:0], "mms-1b").empty
    assert list(reference.of_paper(shown)["ptm"]) == ["whisper-base"]
