import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crosscorpus.base import known_names
from crosscorpus.scores import granularity
from crosscorpus.verdict import (
    audit,
    audit_cells,
    audit_command,
    audit_f1,
    audit_readings,
    audit_spread,
    published_tables,
)

FOLDS = {"E": (75,) * 5, "R": (192,) * 5}
COLUMNS = {"accuracy": "accuracy", "macro_f1": "macro_f1", "test": "test_corpus", "by": "model"}


def table(*rows, columns=("model", "test_corpus", "accuracy", "macro_f1")):
    return pd.DataFrame(rows, columns=list(columns))


@pytest.fixture(scope="module")
def table1():
    return audit.of_reference("phukan2025_table1", draws=2000)


# -- one cell at a time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corpus", "accuracy", "verdict", "right"),
    [
        ("E", 17.33, "either", "13 of 75"),
        ("E", 86.93, "mean of folds", ""),  # 326 of 375
        ("E", 35.74, "neither", ""),
        ("E", 100, "either", "75 of 75"),
        ("R", 40.62, "either", "78 of 192"),  # 40.625 exactly, rounded half to even
        ("R", 40.63, "either", "78 of 192"),  # and rounded half up
        ("R", 40.64, "neither", ""),
        ("R", "72.40", "either", "139 of 192"),
    ],
)
def test_a_verdict(corpus, accuracy, verdict, right):
    row = audit_cells.cells(table(("a", corpus, accuracy, 1.0)), FOLDS).iloc[0]
    assert (row["verdict"], row["right"]) == (verdict, right)


@pytest.mark.parametrize("folds", [(3, 2), (5, 2), (7, 7, 5), (5, 3, 2, 2)])
def test_what_one_fold_can_have_a_mean_can_have(folds):
    values = [f"{100 * k / n:.2f}" for n in folds for k in range(n + 1)]
    rows = audit_cells.cells(table(*(("a", "X", value, 1.0) for value in values)), {"X": folds})
    assert (rows["verdict"] == "either").all()


def test_digits_that_were_cut_off():
    row = audit_cells.cells(table(("a", "E", 38.66, 1.0)), FOLDS).iloc[0]
    assert (row["one_fold"], row["one_fold_cut"]) == (False, True)  # 29/75 = 38.666...


def test_the_chance_is_the_share_of_values_that_fit():
    rows = audit_cells.cells(table(("a", "E", 50.0, 1.0), ("a", "R", 50.0, 1.0)), FOLDS)
    assert rows["one_fold_chance"].iloc[0] == pytest.approx(76 / 10_001)
    assert rows["mean_chance"].iloc[0] == pytest.approx(376 / 10_001)
    # k/192 is 625 k / 12 units. Where that ends in a half, the two ways of rounding differ if the digit is even.
    both = sum((625 * k) % 12 == 6 and (625 * k) // 12 % 2 == 0 for k in range(193))
    assert rows["one_fold_chance"].iloc[1] == pytest.approx((193 + both) / 10_001)


def test_rows_without_accuracy_or_test_size_are_left_out():
    rows = audit_cells.cells(table(("a", "E", np.nan, 1.0), ("a", "Z", 50, 1.0), ("b", "E", 60, 1.0)), FOLDS)
    assert list(rows["model"]) == ["b"]


@pytest.mark.parametrize(
    ("accuracy", "message"), [("12.345", "more than 2"), ("x", "no number"), (101, "0 to 100")]
)
def test_a_value_that_cannot_be_read_is_named(accuracy, message):
    with pytest.raises(audit_cells.AuditError, match=rf"row 0, column accuracy: .*{message}"):
        audit_cells.cells(table(("a", "E", accuracy, 1.0)), FOLDS)


# -- hypotheses ------------------------------------------------------------------------------------------------


def test_evidence_of_cells_that_all_fit():
    share, bits = audit_readings.evidence(np.ones(10, dtype=bool), np.full(10, 0.25))
    assert (share, bits) == pytest.approx((1, 20))  # each says 1 / 0.25: two bits


def test_evidence_of_cells_that_fit_as_often_as_by_chance():
    fit = np.array([True] + [False] * 3)
    assert audit_readings.evidence(fit, np.full(4, 0.25)) == pytest.approx((0, 0), abs=0.01)


def test_evidence_is_at_the_share_that_makes_it_largest():
    fit, chance = np.array([True] * 6 + [False] * 4), np.full(10, 0.1)
    share, bits = audit_readings.evidence(fit, chance)
    assert share == pytest.approx((0.6 - 0.1) / 0.9)
    tried = [np.sum(np.log2(1 - s + s * fit / chance)) for s in np.linspace(0, 0.999, 1000)]
    assert bits == pytest.approx(max(tried), abs=1e-3)


def test_weak_cells_give_no_evidence():
    assert audit_readings.evidence(np.ones(50, dtype=bool), np.ones(50))[1] == 0


@pytest.mark.parametrize("truth", ["one fold", "mean of the folds", "one of 3 folds"])
def test_the_hypothesis_that_made_a_table_is_found(truth):
    rng = np.random.default_rng(1)
    rows = []
    for i in range(60):
        corpus, n = [("E", 75), ("R", 192)][i % 2]
        size = {"one fold": n, "mean of the folds": 5 * n, "one of 3 folds": 5 * n // 3}[truth]
        rows.append(("a", corpus, f"{100 * rng.integers(0, size + 1) / size:.2f}", 1.0))
    found = audit_readings.hypotheses(audit_cells.cells(table(*rows), FOLDS), {"v": FOLDS}, 5)
    assert found.iloc[0][["reading", "printing", "explained"]].tolist() == [truth, "rounding", 60]


def test_expected_and_p_are_those_of_independent_cells():
    judged = audit_cells.cells(table(("a", "E", 76.0, 1.0), ("a", "E", 76.01, 1.0)), FOLDS)
    row = (
        audit_readings.hypotheses(judged, {"v": FOLDS}, 5)
        .query("reading == 'one fold' and printing == 'rounding'")
        .iloc[0]
    )
    assert row["explained"] == 1
    assert row["expected"] == pytest.approx(2 * 76 / 10_001)
    assert row["p"] == pytest.approx(1 - (1 - 76 / 10_001) ** 2)


def test_a_single_split_has_no_other_folds():
    names_of = [reading.name for reading in audit_readings.readings(1, regular=False)]
    assert names_of == ["one fold", f"mean over batches of {audit_readings.BATCH} in a fold"]


def test_a_mean_over_batches():
    # 75 in batches of 32, 32 and 11: (32/32 + 16/32 + 11/11) / 3 = 83.33 %
    reading = next(r for r in audit_readings.readings(5) if r.name.startswith("mean over batches"))
    assert reading.values((75,)) == {(32, 32, 11)}


# -- how misses are spread -------------------------------------------------------------------------------------


def judged_as(misses):
    """Cells of three models on two test corpora, four of each; `misses` counts those that do not fit by model."""
    rows = []
    for model, wrong in misses.items():
        for i in range(8):
            rows.append((model, "ER"[i % 2], 35.74 if i < wrong else 0.0, 1.0))
    return audit_cells.cells(table(*rows), FOLDS)


def test_even_misses_are_likely():
    found = audit_spread.evenness(judged_as({"a": 2, "b": 2, "c": 2}), "model", draws=500)
    assert (found["p"] > 0.9).all()
    assert (found["chi_square"] == 0).all()


def test_misses_in_one_model_are_unlikely_and_agree_with_fishers_exact_test():
    found = audit_spread.evenness(judged_as({"a": 6, "b": 0, "c": 0}), "model", draws=20_000).iloc[0]
    # All six misses in one of three groups of eight: 3 C(8, 6) / C(24, 6).
    assert found["p"] == pytest.approx(3 * math.comb(8, 6) / math.comb(24, 6), abs=4e-4)
    two = audit_spread.evenness(judged_as({"a": 5, "b": 1}), "model", draws=20_000).iloc[0]
    assert two["p"] == pytest.approx(stats.fisher_exact([[5, 1], [3, 7]])[1], abs=0.015)


def test_within_strata_only_what_differs_inside_counts():
    rows = [(m, "E", 35.74, 1.0) for m in "aabb"] + [(m, "R", 0.0, 1.0) for m in "aabb"]
    found = audit_spread.evenness(audit_cells.cells(table(*rows), FOLDS), "model", "test_corpus", draws=200)
    assert (found["p"] == 1).all()


def test_totals_count_each_kind():
    rows = [("a", "E", 76.0, 1.0), ("a", "E", 86.93, 1.0), ("a", "E", 35.74, 1.0), ("b", "E", 76.0, 1.0)]
    found = audit_spread.totals(audit_cells.cells(table(*rows), FOLDS), "model").set_index("model")
    assert found.loc["a", ["cells", "one_fold", "mean_only", "neither"]].tolist() == [3, 1, 1, 1]
    assert found.loc["b", ["cells", "one_fold", "mean_only", "neither"]].tolist() == [1, 1, 0, 0]
    assert found.loc["a", "by_chance"] == pytest.approx(3 * 76 / 10_001)


# -- macro-F1 and repeats --------------------------------------------------------------------------------------


def test_flags_of_macro_f1():
    rows = [
        ("above", "E", 20.0, 60.0),  # 15 of 75 right cannot give that
        ("below", "E", 96.0, 50.0),
        ("far", "E", 20.0, 22.5),
        ("fine", "E", 76.0, 75.0),
    ]
    found = audit_f1.macro_f1(audit_cells.cells(table(*rows), FOLDS), {"E": [(15,) * 5]}).set_index("model")
    expected = ["above what is possible", "below what is possible", "far above accuracy", ""]
    assert found["flag"].tolist() == expected
    assert found.loc["far", "difference"] == pytest.approx(2.5)
    assert (found["bounds_for"] == "one fold").all()


def test_a_macro_f1_with_the_value_of_an_accuracy():
    rows = audit_cells.cells(table(("a", "E", 35.74, 38.67), ("a", "E", 76.0, 75.9)), FOLDS)
    found = audit_f1.macro_f1(rows, {})
    assert found["f1_fits_one_fold"].tolist() == [True, False]
    assert (found["bounds_for"] == "nothing").all()


def test_a_cell_without_macro_f1_is_left_out():
    rows = audit_cells.cells(table(("a", "E", 76.0, np.nan), ("b", "E", 76.0, 75.9)), FOLDS)
    assert list(audit_f1.macro_f1(rows, {})["model"]) == ["b"]


def test_repeats_are_listed_by_test_corpus():
    rows = [("a", "E", 76.0, 70.0), ("b", "E", 76.0, 70.0), ("c", "R", 75.0, 70.0), ("d", "R", 75.0, 70.2)]
    found = audit_spread.repeats(audit_cells.cells(table(*rows), FOLDS))
    assert list(found.cells["model"]) == ["a", "b"]
    assert (found.pairs, found.same_accuracy) == (1, 2)
    # Each corpus has one pair within a point in both: equal macro-F1 is one of 201 differences.
    assert found.expected == pytest.approx(2 / 201)
    assert found.p == pytest.approx(1 - math.exp(-2 / 201))


def test_a_constant_answer_is_marked():
    # All answers one class of 15 among 75: accuracy 20 %, F1 (2 * 15 / 90) / 5 = 6.67 %.
    rows = [("a", "E", 20.0, 6.67), ("b", "E", 20.0, 6.67), ("c", "E", 20.0, 8.0), ("d", "E", 20.0, 8.0)]
    found = audit_spread.repeats(audit_cells.cells(table(*rows), FOLDS), {"E": [(15,) * 5]})
    assert found.cells["constant"].tolist() == [True, True, False, False]


# -- the published tables --------------------------------------------------------------------------------------


def test_the_counts_of_table_1(table1):
    cells = table1.cells
    assert cells["one_fold"].sum() == 331
    assert (cells["one_fold"] | cells["one_fold_cut"]).sum() == 333
    assert (cells["verdict"] == "neither").sum() == 43
    misses = (~cells["one_fold"]).groupby(cells["ptm"]).sum().to_dict()
    assert misses == {
        "trillsson4": 29, "x-vector": 11, "xls-r-300m": 9, "mms-1b": 6, "whisper-base": 5, "wavlm-base": 5,
        "wav2vec2-base": 2, "unispeech-sat-base": 2,
    }  # fmt: skip


def test_table_1_is_explained_best_by_one_fold_of_the_shared_labels(table1):
    best = table1.hypotheses.iloc[0]
    assert (best["variant"], best["reading"], best["printing"]) == ("five labels", "one fold", "rounding")
    assert best["expected"] < 20
    assert table1.evenness["ptm"].iloc[0]["p"] < 0.01


def test_the_repeats_of_table_1(table1):
    assert table1.repeats.pairs == 7
    twice = table1.repeats.cells.query("ptm == 'trillsson4'")
    assert list(zip(twice["train_corpus"], twice["test_corpus"], strict=True)) == [
        ("cremad", "ravdess"),
        ("emodb", "ravdess"),
    ]


def test_table_1_has_three_values_of_macro_f1_far_above_accuracy(table1):
    flagged = table1.macro_f1.query("flag == 'far above accuracy'")
    assert (flagged["test_corpus"] == "emodb").all()
    assert len(flagged) == 3
    assert flagged["f1_fits_one_fold"].all()


def test_every_accuracy_of_ser_evals_is_a_share_of_its_test_set():
    found = audit.of_reference("osman2024_results", draws=200)
    assert (found.cells["verdict"] == "either").all()
    assert len(found.cells) == 11 * (
        19 + 3 * 8
    )  # in domain, and three corpora without a class "other", tested whole
    assert found.hypotheses.iloc[0]["reading"] == "one fold"


@pytest.mark.parametrize("name", ["ma2024_table4", "ma2024_table5"])
def test_the_accuracies_of_emobox_fit_no_reading(name):
    found = audit.of_reference(name, draws=200)
    assert found.cells["one_fold"].mean() < 0.05
    assert (found.hypotheses["bits"] < 5).all()


def test_a_table_without_test_sizes_says_so():
    with pytest.raises(known_names.UnknownNameError, match="known test sets 'osman2024_table3'"):
        audit.of_reference("osman2024_table3")


def test_facts_are_those_of_the_tables(table1):
    found = audit.facts(table1)
    assert found["n_cells"] == found["n_one_fold"] + found["n_mean_only"] + found["n_neither"] == 400
    assert found["n_cut_only"] == 2
    assert found["best_explained"] == table1.hypotheses["explained"].iloc[0]
    assert found["f1_fitting"] == 14  # by chance fewer than two
    assert found["f1_p"] < 1e-6
    assert (found["repeat_pairs"], found["repeat_constant"]) == (7, 1)


def test_gentler_readings_are_compared_beyond_chance(table1):
    found = audit.gentler(table1)
    assert found["excess"].is_monotonic_decreasing
    assert not found["reading"].duplicated().any()
    assert (found["of_misses"] <= 43).all()
    assert found["excess"].to_numpy() == pytest.approx(found["of_misses"] - found["misses_expected"])


def test_a_summary_has_a_row_for_each_table(table1):
    found = audit.summary([table1, audit.of_reference("ma2024_table5", draws=200)])
    assert list(found["table"]) == ["phukan2025_table1", "ma2024_table5"]
    assert list(found["n_one_fold"]) == [331, 3]


# -- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("model,test_corpus,accuracy,macro_f1\na,E,76.00,70.10\na,R,40.62,39\nb,E,35.74,38.67\n")
    return path


def test_the_command_reports(file, tmp_path, capsys):
    out = tmp_path / "cells.csv"
    assert (
        audit_command.main(
            [str(file), "--n", "E=75", "--n", "R=192", "--classes", "E=15,15,15,15,15", "--csv", str(out)]
        )
        == 0
    )
    text = capsys.readouterr().out
    assert "3 of 3 rows" in text
    assert "2 fit one fold" in text
    assert "| b       | E             |      35.74 |      38.67 |" in text
    written = pd.read_csv(out)
    assert written["verdict"].tolist() == ["either", "either", "neither"]
    assert written["flag"].tolist()[2] == "far above accuracy"


def test_the_command_knows_the_published_tables(capsys):
    assert audit_command.main(["ma2024_table5"]) == 0
    assert "120 of 120 rows" in capsys.readouterr().out


def test_other_columns_and_fractions(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text("system;x\n")
    path.write_text("system,set,acc\na,E,0.14286\nb,E,0.5\n")
    options = ["--n", "E=588", "--accuracy", "acc", "--test", "set", "--by", "system", "--folds", "1"]
    assert audit_command.main([str(path), *options, "--decimals", "5", "--unit", "fraction"]) == 0
    assert "2 fit one fold" in capsys.readouterr().out


def test_unequal_folds_are_given_one_by_one(file, capsys):
    assert audit_command.main([str(file), "--n", "E=75,75,75,75,75", "--n", "R=192"]) == 0
    equal = capsys.readouterr().out
    assert audit_command.main([str(file), "--n", "E=75", "--n", "R=192"]) == 0
    assert capsys.readouterr().out == equal


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--n", "E=75"], "no test size for R; add --n R=SIZE"),
        (["--n", "E=75", "--n", "R=x"], "--n R=x: expected NAME=NUMBER"),
        (["--n", "E=0", "--n", "R=1"], "--n E=0: expected NAME=NUMBER"),
        (["--n", "E=75", "--n", "Q=3"], "'Q'"),
        (["--n", "E=75", "--n", "R=192", "--accuracy", "acc"], "line 1: no column 'acc' (for --accuracy)"),
        (["--n", "E=75", "--n", "R=192", "--decimals", "1"], "line 2, column accuracy: 76.00"),
        (["--n", "E=75", "--n", "R=192", "--unit", "fraction"], "line 2, column accuracy: 76.00 is not from"),
        (["--n", "E=75", "--n", "R=192", "--classes", "E=1,2"], "they sum to 3"),
        (["--n", "E=75", "--n", "R=192", "--folds", "0"], "--folds must be at least 1"),
        (["--n", "E=75", "--n", "R=192", "--by", "who"], "no column 'who' (for --by)"),
    ],
)
def test_wrong_options_are_explained(file, options, message, capsys):
    if "1" in options[-1:] and "--decimals" in options:
        file.write_text("model,test_corpus,accuracy\na,E,76.00\nb,R,40.62\n")
        message = "line 3, column accuracy: 40.62 has more than 1 decimals"
    assert audit_command.main([str(file), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert str(file) in captured.err or "--" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2,3\n4,5,6,7\n"])
def test_a_file_that_is_no_table_is_explained(tmp_path, content, capsys):
    path = tmp_path / "own.csv"
    if content is not None:
        path.write_text(content)
    assert audit_command.main([str(path), "--n", "E=75"]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_table_to_group_by_is_needed(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text("system,test_corpus,accuracy\na,E,76.00\n")
    assert audit_command.main([str(path), "--n", "E=75"]) == 2
    assert "--by" in capsys.readouterr().err


def test_the_audit_of_an_empty_table_is_refused():
    sizes = published_tables.Sizes(5, {"v": FOLDS}, {}, {}, COLUMNS)
    with pytest.raises(audit_cells.AuditError, match="no row has an accuracy"):
        audit.run(table(("a", "Z", 50.0, 1.0)), sizes)


def test_the_audit_of_table_1_takes_seconds():
    begin = time.process_time()  # of this process, so that a busy machine does not count
    granularity.attainable.cache_clear()
    audit.of_reference("phukan2025_table1")
    assert time.process_time() - begin < 30
