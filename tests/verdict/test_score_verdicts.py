"""Verdicts on cells, hand-worked; and the ten lines that the page shows."""

import ast

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crosscorpus.book import chapters
from crosscorpus.corpora import file_lists
from crosscorpus.scores import metrics
from crosscorpus.verdict import published_tables, score_verdicts


def interval_of(ptm="whisper-base", head="fcn", train="emodb", test="emodb", regime="stratified", **values):
    """A row of `metrics.interval`; the paper's accuracy | macro-F1 in this cell is 86.67 | 86.69."""
    row = dict(zip(metrics.CELL, (ptm, head, regime, train, test), strict=True)) | {"n_clusters": 10}
    row |= {"emotions": published_tables.published_labels()}
    ends = {"accuracy": 80.0, "accuracy_low": 75.0, "accuracy_high": 85.0}
    ends |= {"macro_f1": 80.0, "macro_f1_low": 75.0, "macro_f1_high": 85.0}
    return row | ends | values


def cells(*rows, regimes=("stratified",)):
    return score_verdicts.cells(pd.DataFrame(rows), regimes)


def one(table, metric="accuracy"):
    return table[(table["verdict"] != score_verdicts.NOT_RUN) & (table["metric"] == metric)].squeeze()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (80.0, 90.0, score_verdicts.INSIDE),
        (86.67, 90.0, score_verdicts.INSIDE),  # the ends belong to it
        (80.0, 86.67, score_verdicts.INSIDE),
        (80.0, 86.66, score_verdicts.ABOVE),
        (86.68, 90.0, score_verdicts.BELOW),
        (np.nan, np.nan, score_verdicts.ABOVE),  # no interval: ours, 80, stands for it
    ],
)
def test_the_verdict_on_a_cell(low, high, expected):
    assert one(cells(interval_of(accuracy_low=low, accuracy_high=high)))["verdict"] == expected


def test_metrics_are_judged_apart_and_the_difference_is_ours_minus_published():
    table = cells(interval_of(accuracy_high=90.0, macro_f1=82.0))
    assert one(table)["verdict"] == score_verdicts.INSIDE
    assert one(table, "macro_f1")["verdict"] == score_verdicts.ABOVE
    assert one(table)["difference"] == pytest.approx(80 - 86.67)
    assert one(table, "macro_f1")["difference"] == pytest.approx(82 - 86.69)


def test_a_cell_with_other_labels_than_the_papers_is_not_judged():
    table = cells(interval_of(emotions="anger, fear, sadness"), interval_of(head="cnn"))
    (row,) = table[(table["verdict"] == score_verdicts.OTHER_LABELS) & (table["metric"] == "accuracy")].to_dict(
        "records"
    )
    assert row["head"] == "fcn"
    assert np.isnan([row["ours"], row["low"], row["high"], row["difference"]]).all()
    counts = score_verdicts.counts(table).iloc[0]
    assert (counts["run"], counts[score_verdicts.OTHER_LABELS], counts[score_verdicts.NOT_RUN]) == (1, 1, 398)


def test_all_cells_are_there_in_the_order_of_the_paper_whatever_was_run():
    table = cells(interval_of(), regimes=("stratified", "speaker"))
    assert len(table) == 400 * 2 * 2
    assert (table["verdict"] == score_verdicts.NOT_RUN).sum() == 1600 - 2
    first = table[(table["regime"] == "speaker") & (table["metric"] == "accuracy")]
    paper = published_tables.table1()
    assert (first[published_tables.CELL].to_numpy() == paper[published_tables.CELL].to_numpy()).all()
    assert list(first["published"]) == list(paper["accuracy"])


def test_what_the_paper_does_not_have_is_left_out():
    table = cells(interval_of(ptm="egemaps"), interval_of(head="logistic"))
    assert set(table["verdict"]) == {score_verdicts.NOT_RUN}


def test_no_results_at_all():
    table = score_verdicts.cells(pd.DataFrame([interval_of()]).iloc[:0], ["stratified"])
    assert set(table["verdict"]) == {score_verdicts.NOT_RUN}
    assert score_verdicts.counts(table)["share"].isna().all()


def test_a_cell_that_is_there_twice_is_refused():
    with pytest.raises(pd.errors.MergeError):
        cells(interval_of(), interval_of())


def test_counts_by_hand():
    table = cells(
        interval_of(accuracy=87.67, accuracy_high=90.0),  # 1 point off, inside
        interval_of(head="cnn", accuracy=86.33),  # paper 89.33, 3 points off, above
        interval_of(
            train="ravdess", test="ravdess", accuracy=80.52, accuracy_low=78.0
        ),  # paper 75.52, 5 off, below
    )
    row = score_verdicts.counts(table).set_index("metric").loc["accuracy"]
    assert row[["cells", "run", *score_verdicts.VERDICTS]].tolist() == [400, 3, 1, 1, 1, 397, 0]
    assert row["share"] == pytest.approx(100 / 3)
    assert row["distance"] == pytest.approx(3)


def test_wide_has_a_row_for_each_cell():
    table = score_verdicts.wide(cells(interval_of(), regimes=("stratified", "speaker")), "macro_f1")
    assert len(table) == 400
    run = table[table["stratified_ours"].notna()].squeeze()
    assert run["published"] == 86.69
    assert run["stratified_verdict"] == score_verdicts.ABOVE
    assert run["speaker_verdict"] == score_verdicts.NOT_RUN


# -- order of models --------------------------------------------------------------------------------------------


def of_models(**accuracies):
    """Cells of Emo-DB with the FCN: the paper has MMS 86.95, Whisper 86.67, WavLM 89.33, XLS-R 78.67."""
    ids = {"mms": "mms-1b", "whisper": "whisper-base", "wavlm": "wavlm-base", "xlsr": "xls-r-300m"}
    rows = [interval_of(ptm=ids[name], accuracy=value) for name, value in accuracies.items()]
    table = score_verdicts.agreement(cells(*rows))
    return table[(table["metric"] == "accuracy") & (table["n"] > 0)].squeeze()


def test_the_same_order_the_reverse_and_one_exchange():
    same = of_models(wavlm=90, mms=85, whisper=80, xlsr=70)
    assert (same["n"], same["kendall"], same["spearman"]) == (4, 1, 1)
    assert of_models(wavlm=70, mms=80, whisper=85, xlsr=90)["kendall"] == -1
    changed = of_models(wavlm=90, mms=80, whisper=85, xlsr=70)  # one of six pairs is exchanged
    assert changed["kendall"] == pytest.approx(4 / 6)
    assert changed["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_too_few_or_equal_models_have_no_order():
    assert np.isnan(of_models(wavlm=90, mms=85)["kendall"])
    assert np.isnan(of_models(wavlm=80, mms=80, whisper=80)["kendall"])
    assert not np.isnan(of_models(wavlm=90, mms=85, whisper=80)["kendall"])


def test_every_block_is_listed():
    assert len(score_verdicts.agreement(cells(interval_of()))) == 2 * 50


def test_cells_of_one_model_can_be_ordered():
    rows = [interval_of(head=head, train=c, test=c) for head in ("fcn", "cnn") for c in ("emodb", "ravdess")]
    for row, value in zip(rows, (10.0, 5.0, 20.0, 7.0), strict=True):  # paper 86.67, 75.52, 89.33, 79.69
        row["accuracy"] = value
    table = score_verdicts.agreement(cells(*rows), ("regime", "metric", "ptm"))
    found = table[(table["ptm"] == "whisper-base") & (table["metric"] == "accuracy")].squeeze()
    assert found["n"] == 4
    assert found["kendall"] == 1


# -- folds --------------------------------------------------------------------------------------------------------


def test_equal_folds_fit_the_table_far_better():
    table = score_verdicts.fold_sizes().set_index("regime")
    assert table.loc["stratified", "fit"] == 331
    assert table.loc["stratified", "smallest"] == pytest.approx(20, abs=0.05)
    assert table.loc["speaker", "largest"] > 30
    assert table.loc["speaker", "cells"] == 320  # a speaker-disjoint fold of MESD has 144, as its stratified ones
    assert table.loc["speaker", "fit"] < 2 * table.loc["speaker", "by_chance"]


# -- the ten lines ------------------------------------------------------------------------------------------------


def ten_lines():
    notebook = nbformat.read(chapters.path("paper-and-ours"), as_version=4)
    (cell,) = (cell for cell in notebook.cells if "ten-lines" in cell.metadata.get("tags", []))
    return cell.source


@pytest.fixture(scope="module")
def results():
    """Predictions of a few cells with two seeds, by heads of different skill; and the tables of utterances."""
    rng = np.random.default_rng(0)
    emotions = ["anger", "disgust", "fear", "happiness", "sadness"]
    tables, parts = [], []
    for corpus in ("emodb", "mesd"):
        listed = file_lists.file_list(corpus)
        table = listed[listed["emotion"].isin(emotions)].reset_index(drop=True)
        tables.append(table)
        for ptm, head, regime, train, seed in (
            ("whisper-base", "fcn", "stratified", "emodb", 0),
            ("whisper-base", "fcn", "stratified", "emodb", 1),
            ("whisper-base", "cnn", "speaker", "ravdess", 0),
            ("trillsson4", "cnn", "stratified", "mesd", 0),
            ("egemaps", "cnn", "stratified", "mesd", 0),
        ):
            skill = rng.uniform(0.1, 0.95)
            guess = rng.choice(emotions, len(table), p=[0.4, 0.3, 0.1, 0.1, 0.1])
            predicted = np.where(rng.random(len(table)) < skill, table["emotion"], guess)
            part = table[["utterance", "emotion"]].assign(predicted=predicted, fold=1, p_anger=0.2)
            keys = {"ptm": ptm, "head": head, "regime": regime, "train_corpus": train, "seed": seed}
            parts.append(part.assign(**keys, test_corpus=corpus))
    return pd.concat(parts, ignore_index=True), pd.concat(tables, ignore_index=True)


def test_ten_lines_are_ten_lines():
    lines = ten_lines().splitlines()
    assert len(lines) == 10
    assert all(len(ast.parse(line).body) == 1 for line in lines)


def test_the_ten_lines_give_every_verdict_of_the_downloaded_table(results, tmp_path):
    predictions, utterances = results
    intervals = metrics.interval(predictions, utterances)
    table = score_verdicts.cells(intervals, ["stratified", "speaker"])
    file = tmp_path / "downloaded.parquet"
    score_verdicts.for_download(predictions, utterances).to_parquet(file, index=False)
    run = table[table["verdict"] != score_verdicts.NOT_RUN]
    assert len(run) == 2 * 2 * 3  # metrics, test corpora, cells of the paper
    assert len(set(run["verdict"])) >= 2
    code = ast.parse(ten_lines())
    last = ast.Expression(code.body.pop().value)
    for choice in run[metrics.CELL].drop_duplicates().to_dict("records"):
        names = {"np": np, "pd": pd, "norm": stats.norm, "t": stats.t, "file": file, "choice": choice}
        names |= {"by": ["seed", "cluster", "emotion", "predicted"]}
        names |= {"words": [score_verdicts.BELOW, score_verdicts.INSIDE, score_verdicts.ABOVE]}
        exec(compile(code, "ten lines", "exec"), names)
        found = eval(compile(last, "last line", "eval"), names)
        same = run[(run[metrics.CELL] == pd.Series(choice)).all(axis=1)].set_index("metric")
        assert found == same["verdict"].to_dict()
        for metric in score_verdicts.METRICS:
            assert list(names["span"][metric]) == pytest.approx(list(same.loc[metric, ["low", "high"]]), abs=1e-9)


def test_the_download_has_no_probabilities_and_knows_speakers(results):
    predictions, utterances = results
    table = score_verdicts.for_download(predictions, utterances)
    assert len(table) == len(predictions)
    assert not [column for column in table if column.startswith("p_")]
    assert table.loc[table["test_corpus"] == "emodb", "cluster"].nunique() == 10
    assert table.loc[table["test_corpus"] == "mesd", "cluster"].nunique() == 719
    assert table.loc[table["ptm"] == "egemaps", "published_accuracy"].isna().all()
