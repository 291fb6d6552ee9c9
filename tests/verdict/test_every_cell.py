"""Every cell of a run in one table, and its means: on data unlike the book's, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.verdict import every_cell, published_tables

FIVE = protocol_settings.load()["emotions"]
OF_CORPUS = {"emodb": FIVE, "ravdess": FIVE, "tess": FIVE[:2]}


def predictions(ptms=("whisper-base", "a/strange name"), heads=("cnn", "majority"), seeds=(0, 3)):
    """Two folds of unequal size; a corpus with two emotions, so that its pairs are another task."""
    rng = np.random.default_rng(5)
    rows = [
        (
            ptm,
            head,
            "speaker",
            seed,
            train,
            test,
            fold,
            f"{test}-{emotion}-{i}",
            emotion,
            str(rng.choice(FIVE[:2])),
        )
        for ptm in ptms
        for head in heads
        for seed in seeds
        for train in OF_CORPUS
        for test in OF_CORPUS
        for fold, times in ((1, range(3)), (2, range(3, 4)))
        for emotion in OF_CORPUS[test]
        if emotion in OF_CORPUS[train]
        for i in times
    ]
    columns = ["ptm", "head", "regime", "seed", "train_corpus", "test_corpus", "fold", "utterance", "emotion"]
    return pd.DataFrame(rows, columns=[*columns, "predicted"])


def utterances(speakers=2):
    tested = predictions()[["test_corpus", "utterance"]].drop_duplicates()
    who = [f"s{i % speakers}" for i in range(len(tested))]
    return tested.rename(columns={"test_corpus": "corpus"}).assign(speaker=who)


@pytest.fixture(scope="module")
def cells():
    return every_cell.table(predictions(), utterances())


def test_every_cell_is_there_with_heads_and_baselines_within_and_across(cells):
    asked = predictions().drop_duplicates(metrics.CELL)[metrics.CELL]
    found = cells[metrics.CELL]
    assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, asked.to_numpy()))
    assert len(found) == 2 * 2 * 9


def test_means_over_folds_and_scores_together_are_those_of_their_functions(cells):
    means = metrics.summary(metrics.per_fold(predictions())).set_index(metrics.CELL)
    together = metrics.interval(predictions(), utterances()).set_index(metrics.CELL)
    found = cells.set_index(metrics.CELL)
    for metric in metrics.METRICS:
        pd.testing.assert_series_equal(found[metric], means.loc[found.index, metric])
        pd.testing.assert_series_equal(
            found[f"{metric}_pooled"], together.loc[found.index, metric], check_names=False
        )
        pd.testing.assert_series_equal(found[f"{metric}_low"], together.loc[found.index, f"{metric}_low"])
    assert (found["accuracy"] != found["accuracy_pooled"]).any()


def test_a_difference_is_of_the_mean_over_folds_and_only_with_the_papers_labels(cells):
    both = cells[cells["paper_accuracy"].notna()]
    paper = published_tables.table1().set_index(published_tables.CELL)["accuracy"]
    assert set(both["ptm"]) == {"whisper-base"}
    assert set(both["head"]) == {"cnn"}
    for row in both.itertuples():
        printed = paper[row.ptm, row.head, row.train_corpus, row.test_corpus]
        assert row.accuracy_difference == pytest.approx(row.accuracy - printed)
    assert not {"tess"} & {*both["train_corpus"], *both["test_corpus"]}


def test_means_are_of_cells_with_the_same_labels_and_name_their_part(cells):
    means = every_cell.means(cells)
    one = means[(means["ptm"] == "whisper-base") & (means["head"] == "cnn")]
    own = one[one["over"] == every_cell.OWN].set_index("emotions")
    assert own["n_cells"].to_dict() == {", ".join(FIVE): 2, ", ".join(FIVE[:2]): 1}
    part = cells[(cells["ptm"] == "whisper-base") & (cells["head"] == "cnn") & (cells["n_emotions"] == 2)]
    across = part[part["train_corpus"] != part["test_corpus"]]
    row = one[(one["over"] == every_cell.ROW) & (one["corpus"] == "tess")].iloc[0]
    assert row["n_cells"] == 2
    assert row["uar"] == pytest.approx(across.loc[across["train_corpus"] == "tess", "uar"].mean())
    assert set(one["over"]) == {every_cell.OWN, every_cell.OTHER, every_cell.ROW, every_cell.COLUMN}


def test_the_papers_mean_stands_only_where_it_has_all_cells(cells):
    means = every_cell.means(cells)
    own = means[means["over"] == every_cell.OWN].set_index(["ptm", "head", "emotions"])["paper_accuracy"]
    assert own.index.is_unique
    there = {key: not missing for key, missing in own.isna().items()}
    assert there == {key: key == ("whisper-base", "cnn", ", ".join(FIVE)) for key in there}


def test_one_speaker_gives_scores_without_intervals():
    found = every_cell.table(predictions(seeds=(0,)), utterances(speakers=1))
    assert found["uar_low"].isna().all()
    assert found["uar_pooled"].notna().all()


def test_a_grid_of_which_nothing_is_here_has_no_rows():
    nothing = every_cell.of_grid(["trillsson4"], ["cremad"], ["fcn"], ["speaker"], [0], protocol_settings.load())
    assert len(nothing) == 0
    assert list(nothing) == every_cell.COLUMNS
    assert len(every_cell.means(nothing)) == 0


def test_all_columns_of_a_run_are_the_ones_that_are_named(cells):
    assert [*cells, "guard"] == every_cell.COLUMNS
