import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import shown_names
from crosscorpus.book import score_figures
from crosscorpus.models import model_registry
from crosscorpus.scores import label_sets

FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]
MODELS = ["whisper-base", "ecapa-tdnn", "x-vector"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def cells(models=MODELS, corpora=("emodb", "ravdess"), heads=("fcn", "cnn"), regimes=("stratified", "speaker")):
    rows = [
        {"ptm": m, "head": h, "regime": r, "train_corpus": a, "test_corpus": b}
        for m, h, r, a, b in itertools.product(models, heads, regimes, corpora, corpora)
    ]
    table = pd.DataFrame(rows)
    value = np.linspace(10, 90, len(table))
    table = table.assign(paper_accuracy=np.nan, **label_sets.of_cell(np.array([2, 1, 1, 1, 1]), FIVE))
    table.loc[table["ptm"] == "whisper-base", "paper_accuracy"] = 55.0
    return table.assign(accuracy=value, accuracy_low=value - 3, accuracy_high=value + 4)


def seen(fig):
    return [ax for ax in fig.axes if ax.get_visible()]


def titles(fig):
    return [ax.get_title() for ax in seen(fig)]


def test_beside_the_paper_there_is_a_panel_for_each_head_and_a_row_for_each_pair():
    fig = score_figures.scores_beside_paper(cells(models=["whisper-base"]))
    assert titles(fig) == ["FCN", "CNN"]
    rows = [label.get_text() for label in seen(fig)[0].get_yticklabels()]
    assert rows == ["Emo-DB", "Emo-DB → RAVDESS", "RAVDESS → Emo-DB", "RAVDESS"]
    levels = ["chance", "always the most frequent"]
    shown = [t.get_text() for t in fig.legends[0].get_texts()]
    assert shown == ["stratified folds", "speaker folds", "paper", *levels]


def test_the_ends_of_a_bar_are_those_of_the_interval():
    table = cells(models=["whisper-base"], corpora=["emodb"], heads=["fcn"], regimes=["speaker"])
    (container,) = seen(score_figures.scores_beside_paper(table))[0].containers
    (segment,) = container[2][0].get_segments()
    assert list(segment[:, 0]) == [table["accuracy_low"].iloc[0], table["accuracy_high"].iloc[0]]


def test_a_missing_cell_leaves_a_gap():
    table = cells(models=["whisper-base"])
    fig = score_figures.scores_beside_paper(table[(table["regime"] == "stratified") | (table["head"] == "cnn")])
    drawn = [sum(len(c[0].get_xdata()) for c in ax.containers) for ax in seen(fig)]
    assert drawn == [4, 8]


def test_models_without_a_value_of_the_paper_have_no_cross():
    fig = score_figures.scores_beside_paper(cells(models=["ecapa-tdnn"]))
    assert "paper" not in [t.get_text() for t in fig.legends[0].get_texts()]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_there_is_a_small_heat_map_for_each_model_and_head(n):
    table = cells(models=MODELS[:n], regimes=["speaker"])
    fig = score_figures.grids(table)
    assert len(seen(fig)) == 2 * n
    assert titles(fig)[:2] == ["Whisper\nFCN", "Whisper\nCNN"]
    shown = {t.get_text() for t in seen(fig)[0].texts}
    expected = table[(table["ptm"] == MODELS[0]) & (table["head"] == "fcn")]["accuracy"]
    assert shown == {f"{value:.0f}" for value in expected}


def test_a_pair_that_was_not_run_is_empty_in_the_heat_map():
    table = cells(models=["whisper-base"], heads=["fcn"], regimes=["speaker"]).iloc[1:]
    assert len(seen(score_figures.grids(table))[0].texts) == 3


def test_recalls_have_a_panel_for_each_corpus_and_head_and_a_row_for_each_model():
    of_emotions = pd.DataFrame({"emotion": FIVE, "recall": range(0, 100, 20)})
    table = cells(regimes=["speaker"]).merge(of_emotions, how="cross")
    fig = score_figures.recalls(table, FIVE)
    assert titles(fig) == ["Emo-DB, FCN", "RAVDESS, FCN", "Emo-DB, CNN", "RAVDESS, CNN"]
    assert [t.get_text() for t in seen(fig)[0].texts] == 3 * ["0", "20", "40", "60", "80"]


def test_an_emotion_that_was_not_tested_is_empty():
    table = cells(models=MODELS[:1], corpora=["emodb"], heads=["fcn"], regimes=["speaker"])
    table = table.merge(pd.DataFrame({"emotion": FIVE[:3], "recall": 50.0}), how="cross")
    assert len(seen(score_figures.recalls(table, FIVE))[0].texts) == 3


@pytest.mark.parametrize(
    "draw",
    [
        score_figures.grids,
        lambda table: score_figures.recalls(table, FIVE),
        lambda table: score_figures.scores_beside_paper(table),
    ],
)
def test_nothing_to_show_is_said(draw):
    fig = draw(cells().iloc[:0])
    assert "nothing to show" in fig.texts[0].get_text()


def test_the_full_size_of_the_paper_can_be_drawn():
    models = [*MODELS, "wavlm-base", "trillsson4", "mms-1b", "xls-r-300m", "wav2vec2-base"]
    table = cells(models=models, corpora=["cremad", "mesd", "emodb", "aesdd", "ravdess"])
    assert len(seen(score_figures.grids(table[table["regime"] == "speaker"]))) == 16
    width, height = score_figures.scores_beside_paper(table[table["ptm"] == "whisper-base"]).get_size_inches()
    assert width < 10
    assert height < 14


def test_names_of_heads_and_models():
    assert [shown_names.head_name(h) for h in ("fcn", "svm", "logistic")] == ["FCN", "SVM", "logistic regression"]
    assert model_registry.model_name("whisper-base") == "Whisper"
    assert model_registry.model_name("mean of models") == "mean of models"
