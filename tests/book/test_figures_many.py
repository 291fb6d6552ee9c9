"""Pictures of few and many corpora: none is left out, and none is too wide for a page."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import figure_colours, figures, interactive, score_figures
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import projection
from crosscorpus.models import model_registry
from crosscorpus.scores import label_sets

FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]
PAGE = 13  # inches: what a page shows with text that can be read
many = pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def ids(n, monkeypatch):
    """As many corpora: those of the registry, and others like them."""
    known = dict(corpus_registry.registry())
    some = next(iter(known.values()))
    for number in range(n):
        known.setdefault(
            f"own-{number}", type(some)(**{**vars(some), "id": f"own-{number}", "name": f"Own {number}"})
        )
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    return list(known)[-n:]


@pytest.fixture
def parts(ids):
    """Synthetic embeddings: clouds by emotion; corpora differ in size and in emotions."""
    rng, made = np.random.default_rng(0), {}
    for number, corpus in enumerate(ids):
        emotions = [FIVE, FIVE[:2], FIVE[2:], ["anger", "excited"]][number % 4]
        table = pd.DataFrame({"emotion": np.repeat(emotions, 4 + number)})
        table = table.assign(
            corpus=corpus, utterance=[f"u{i}" for i in table.index], speaker="", text_id="", seconds=1.0
        )
        made[corpus] = (rng.normal(size=(len(table), 6)).astype(np.float32) + number, table)
    return made


def panels(fig):
    return [ax for ax in fig.axes if ax.get_visible()]


def in_legends(fig):
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
    return {text.get_text() for legend in legends for text in legend.get_texts()}


def names(ids):
    return {corpus_registry.registry()[corpus].name for corpus in ids}


@many
def test_embeddings_in_the_plane_have_a_panel_for_each_corpus(parts, ids):
    planes = {corpus_registry.corpus_name(c): projection.tsne(*part) for c, part in parts.items()}
    fig = figures.points(planes, by="emotion")
    assert {ax.get_title() for ax in panels(fig)} == names(ids)
    assert in_legends(fig) == {e for _, table in parts.values() for e in table["emotion"]}
    assert fig.get_size_inches()[0] < PAGE
    fig.canvas.draw()


@many
def test_one_emotion_over_the_corpora_shows_each_with_its_own_mark(parts, ids):
    plane = projection.tsne(*projection.of_emotion(parts, "anger"))
    fig = figures.points({"anger": plane}, by="corpus")
    there = {c for c in ids if "anger" in set(parts[c][1]["emotion"])}
    assert in_legends(fig) == names(there)
    data = interactive.points({"anger": plane}).data
    assert all(f'"{name}":"#' in data for name in names(there))


@many
def test_silhouettes_have_a_row_for_each_corpus_and_emotion_that_is_there(parts, ids):
    found = projection.silhouettes(parts, ["anger", "surprise"])
    assert list(found.index) == [*ids, "anger"]


@many
def test_durations_and_norms_show_every_corpus(parts, ids):
    utterances = pd.concat([table.assign(seconds=1.0 + np.arange(len(table)) / 9) for _, table in parts.values()])
    assert in_legends(figures.durations(utterances)) == names(ids)
    assert in_legends(figures.norms({c: x for c, (x, _) in parts.items()})) == names(ids)


@many
def test_counts_have_a_panel_for_each_corpus_in_rows_that_can_be_read(ids):
    counts = pd.DataFrame(1, index=ids, columns=[*FIVE, "excited"])
    fig = figures.emotion_counts(counts, FIVE)
    assert {ax.get_title() for ax in panels(fig)} == names(ids)
    assert fig.get_size_inches()[0] < PAGE


@many
def test_confusions_and_learning_curves_are_wrapped(ids):
    matrix = pd.DataFrame(50.0, index=FIVE[:2], columns=FIVE[:2])
    fig = score_figures.confusions({corpus_registry.corpus_name(c): matrix for c in ids})
    assert len(panels(fig)) == len(ids)
    assert fig.get_size_inches()[0] < PAGE
    history = pd.DataFrame({"epoch": [1, 2], "loss": 1.0, "val_loss": 1.0})
    history = pd.concat([history.assign(head=h, train_corpus=c) for h in ("fcn", "cnn") for c in ids])
    fig = figures.learning_curves(history)
    titles = [ax.get_title() for ax in panels(fig)]
    assert sorted(titles) == sorted(f"{h} on {name}" for h in ("FCN", "CNN") for name in names(ids))
    assert fig.get_size_inches()[0] < PAGE
    labelled = [ax.get_title() for ax in panels(fig) if ax.get_xlabel()]
    assert len(labelled) == 2 * min(3, len(ids))


@many
def test_the_grid_is_not_wider_than_a_page(ids):
    rows = itertools.product(("mfcc", "whisper-base"), ("fcn", "cnn"), ids, ids)
    table = pd.DataFrame(rows, columns=["ptm", "head", "train_corpus", "test_corpus"]).assign(accuracy=50.0)
    fig = score_figures.grids(table.assign(**label_sets.of_cell(np.ones(5), FIVE)), FIVE)
    assert len(panels(fig)) == 4
    assert fig.get_size_inches()[0] < PAGE


def test_no_two_series_look_alike():
    looks = [figure_colours.style(k) for k in range(28)]
    assert len(set(looks)) == len({look[:2] for look in looks}) == len({(c, line) for c, _, line in looks}) == 28


def test_cells_of_other_emotions_have_no_colour_and_say_how_many_they_are():
    rows = itertools.product(["mfcc"], ["fcn"], ["emodb", "ravdess"], ["emodb", "ravdess"])
    table = pd.DataFrame(rows, columns=["ptm", "head", "train_corpus", "test_corpus"]).assign(accuracy=60.0)
    table = table.assign(**label_sets.of_cell(np.ones(5), FIVE))
    table.loc[1, ["accuracy", "emotions", "n_emotions"]] = [100.0, "anger", 1]
    (ax,) = panels(score_figures.grids(table, FIVE))
    shown = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert shown == {(0, 0): "60", (0, 1): "60", (1, 1): "60", (1, 0): "100\n(1)"}
    assert np.isnan(np.ma.filled(ax.images[0].get_array(), np.nan)[0, 1])


def test_chance_and_the_most_frequent_emotion_are_those_of_each_row():
    rows = pd.DataFrame({"train_corpus": ["emodb", "emodb"], "test_corpus": ["emodb", "ravdess"]})
    table = rows.assign(
        ptm="mfcc", head="fcn", regime="speaker", accuracy=70.0, accuracy_low=60.0, accuracy_high=80.0
    )
    table = table.assign(paper_accuracy=np.nan, chance=[20.0, 50.0], majority=[30.0, 75.0])
    fig = score_figures.scores_beside_paper(table)
    (ax,) = panels(fig)
    lines = [found for found in ax.collections if hasattr(found, "get_segments")]  # the others are marks
    ends = [segment.tolist() for line in lines for segment in line.get_segments()]
    assert [[20.0, 0.5], [20.0, 1.5]] in ends
    assert [[50.0, -0.5], [50.0, 0.5]] in ends
    assert [[75.0, -0.5], [75.0, 0.5]] in ends
    assert fig.get_suptitle() == model_registry.model_name("mfcc")
