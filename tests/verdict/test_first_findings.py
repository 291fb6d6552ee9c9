import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.scores import label_sets
from crosscorpus.verdict import first_findings, published_tables

FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]
CELL = published_tables.CELL


def folds(ptm, cells, deals=range(5), seeds=(0,)):
    """Five folds for each cell (head, trained, tested) and run; accuracy 40, one more for each deal."""
    rows = [
        {
            "ptm": ptm, "regime": "stratified", "head": head, "train_corpus": trained, "test_corpus": tested,
            "deal": deal, "seed": seed, "fold": fold, "n": 10, "accuracy": 38.0 + fold + deal, "macro_f1": 30.0,
        }
        for (head, trained, tested), deal, seed, fold in itertools.product(cells, deals, seeds, range(5))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_means_are_of_the_cells_that_both_have():
    cells = [("fcn", "emodb", "ravdess"), ("cnn", "ravdess", "emodb")]
    table = first_findings.means_across(folds("whisper-base", cells), FIVE).set_index("ptm")
    assert len(table) == 8
    assert table["n"].unique().tolist() == [40]
    printed = published_tables.table1().set_index(CELL)["accuracy"]
    row = table.loc["whisper-base"]
    assert row["n_run"] == 2
    assert row["paper_run"] == pytest.approx(np.mean([printed["whisper-base", *cell] for cell in cells]))
    assert row["ours"] == 40  # the run's own folds
    assert row["low"] < 42.5 < row["high"]  # of the others: 41 to 44
    assert (row["low"] + row["high"]) / 2 == pytest.approx(42.5)
    across = printed[printed.index.get_level_values(2) != printed.index.get_level_values(3)]
    assert row["paper"] == pytest.approx(across["whisper-base"].mean())
    others = table.drop("whisper-base")
    assert (others["n_run"] == 0).all()
    assert others[["paper_run", "ours", "low", "high"]].isna().all(axis=None)
    assert table["paper"].is_monotonic_decreasing


def test_a_run_that_lacks_a_cell_is_no_part_of_the_spread():
    whole = folds("mms-1b", [("fcn", "emodb", "aesdd"), ("fcn", "aesdd", "emodb")])
    part = folds("mms-1b", [("fcn", "emodb", "aesdd")], deals=[9]).assign(accuracy=99.0)
    both = first_findings.means_across(pd.concat([whole, part]), FIVE).set_index("ptm")
    alone = first_findings.means_across(whole, FIVE).set_index("ptm")
    assert both.loc["mms-1b"].equals(alone.loc["mms-1b"])


def test_the_same_corpus_other_models_and_other_labels_are_left_out():
    within = folds("whisper-base", [("fcn", "emodb", "emodb")])
    ours = folds("ecapa-tdnn", [("fcn", "emodb", "ravdess")])
    for given, emotions in (
        (within, FIVE),
        (ours, FIVE),
        (folds("mms-1b", [("fcn", "emodb", "aesdd")]), FIVE[:2]),
    ):
        assert (first_findings.means_across(given, emotions)["n_run"] == 0).all()


def test_two_runs_have_no_spread():
    few = folds("whisper-base", [("fcn", "emodb", "ravdess")], deals=[0], seeds=[0, 1])
    row = first_findings.means_across(few, FIVE).set_index("ptm").loc["whisper-base"]
    assert np.isnan(row["low"])
    assert row["ours"] == 40


def judged(*differences):
    cells = [("whisper-base", "cnn", "ravdess", "emodb"), ("whisper-base", "fcn", "emodb", "ravdess")]
    rows = [
        {
            **dict(zip(CELL, cell, strict=True)),
            "metric": metric,
            "published": 60.0,
            "ours": 60.0 + d,
            "difference": d,
        }
        for cell, d in zip(cells, differences, strict=False)
        for metric in ("accuracy", "macro_f1")
    ]
    return pd.DataFrame(rows, columns=[*CELL, "metric", "published", "ours", "difference"])


TRIED = pd.DataFrame(
    [("whisper-base", "cnn", "ravdess", "emodb", 44.0), ("whisper-base", "cnn", "ravdess", "emodb", 51.0),
     ("whisper-base", "fcn", "ravdess", "emodb", 90.0)],
    columns=[*CELL, "accuracy"],
)  # fmt: skip


def test_the_furthest_cell_is_found_with_the_most_that_was_tried():
    found = first_findings.furthest(judged(-24.0, 3.0), TRIED)
    assert [found[name] for name in CELL] == ["whisper-base", "cnn", "ravdess", "emodb"]
    assert (found["published"], found["ours"], found["difference"]) == (60, 36, -24)
    assert (found["most"], found["n_settings"]) == (51, 2)


def test_a_cell_may_have_been_tried_with_no_other_settings_or_not_run_at_all():
    found = first_findings.furthest(judged(1.0, -3.0), TRIED)
    assert found["head"] == "fcn"
    assert found["n_settings"] == 0
    assert np.isnan(found["most"])
    of_tried = first_findings.furthest(judged(1.0, -3.0), TRIED.iloc[:2], only_tried=True)
    assert (of_tried["head"], of_tried["difference"], of_tried["n_settings"]) == ("cnn", 1, 2)
    assert first_findings.furthest(judged(np.nan, np.nan), TRIED) == {}
    assert first_findings.furthest(judged(np.nan, np.nan), TRIED, only_tried=True) == {}


def scores(
    by_model, pairs=(("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")), heads=("fcn", "cnn")
):
    rows = [
        {
            "ptm": ptm, "head": head, "regime": "speaker", "train_corpus": one, "test_corpus": other,
            "accuracy": value + k + (head == "cnn"), **label_sets.of_cell(np.ones(5), FIVE),
        }
        for (k, (one, other)), (ptm, value), head in itertools.product(enumerate(pairs), by_model.items(), heads)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_heads_are_compared_on_the_pairs_that_have_both():
    table = scores({"m": 40.0})
    assert first_findings.heads_compared(table) == {"n": 6, "above": 6, "mean": 1.0}
    assert first_findings.heads_compared(table.iloc[1:])["n"] == 5
    one = first_findings.heads_compared(table[table["head"] == "fcn"])
    assert (one["n"], one["above"]) == (0, 0)


def test_a_lead_in_all_of_many_pairs_is_more_than_chance():
    found = first_findings.leader(scores({"good": 60.0, "middle": 50.0, "bad": 40.0}))
    assert (found["first"], found["second"]) == ("good", "middle")
    assert found["ahead"] == pytest.approx(10)
    assert found["mean"] == pytest.approx(63)
    assert found["n_blocks"] == 6
    assert found["p"] < 0.01
    assert not found["apart"]  # one rank apart: less than the critical difference of six pairs
    assert found["n_tests"] == 3
    many = [*itertools.permutations("abcdef", 2)]
    two = first_findings.leader(scores({"good": 60.0, "bad": 40.0}, many))
    assert two["apart"] == 1


def test_the_leader_has_the_highest_mean_and_who_ranks_first_is_named_beside_it():
    table = scores({"often": 60.0, "far": 59.0})
    easy = (table["ptm"] == "far") & (table["test_corpus"] == "a")
    table.loc[easy, "accuracy"] += 20  # one corpus makes the mean; "often" is above in the others
    found = first_findings.leader(table)
    assert (found["first"], found["second"], found["by_rank"]) == ("far", "often", "often")
    assert found["ahead"] > 0
    many = scores({"often": 60.0, "far": 59.0}, [*itertools.permutations("abcdefgh", 2)])
    many.loc[(many["ptm"] == "far") & (many["test_corpus"] == "a"), "accuracy"] += 200
    assert first_findings.leader(many)["apart"] == 0  # they are told apart, the other way round


def test_it_takes_two_models_to_lead():
    assert first_findings.leader(scores({"alone": 60.0})) == {}
    assert first_findings.leader(scores({"alone": 60.0}).iloc[:0]) == {}


def test_most_printed_accuracies_are_fractions_of_one_fold():
    found = first_findings.fractions_of_one_fold()
    assert found["n"] == len(published_tables.table1())
    assert found["by_chance"] < found["n_one_fold"] <= found["n"]
