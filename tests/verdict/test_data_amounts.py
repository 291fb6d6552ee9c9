"""Training on parts of a training set, on embeddings that are made up: what they hold is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import amount_figures
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import unit_of_work
from crosscorpus.verdict import data_amounts

FIVE = protocol_settings.load()["emotions"]


def made_up(corpus, noise, seed):
    """A corpus's utterances, each a vector of its emotion and noise, in 8 dimensions."""
    real = store.load("mfcc", corpus, "pack")
    y = real.utterances["emotion"].map(lambda emotion: FIVE.index(emotion) if emotion in FIVE else 5).to_numpy()
    X = np.eye(8)[y] + np.random.default_rng(seed).normal(scale=noise, size=(len(y), 8))
    return dataclasses.replace(real, vectors=X.astype(np.float32))


@pytest.fixture(scope="module")
def unit():
    emodb, aesdd = made_up("emodb", 0.6, 0), made_up("aesdd", 0.6, 1)
    return unit_of_work.Unit("logistic", "speaker", 0, emodb, [emodb, aesdd], protocol_settings.load())


def test_subsets_are_nested_and_have_each_emotion_by_its_share():
    y = np.repeat([0, 1, 2], [100, 40, 8])
    found = data_amounts.nested(y, data_amounts.SHARES, np.random.default_rng(0))
    counts = {share: np.bincount(y[rows], minlength=3).tolist() for share, rows in found.items()}
    assert counts == {5: [5, 2, 1], 10: [10, 4, 1], 25: [25, 10, 2], 50: [50, 20, 4], 100: [100, 40, 8]}
    for smaller, larger in zip(data_amounts.SHARES, data_amounts.SHARES[1:], strict=False):
        assert set(found[smaller]) < set(found[larger])
    again, other = (data_amounts.nested(y, [10], np.random.default_rng(seed))[10] for seed in (0, 1))
    assert again.tolist() == found[10].tolist() != other.tolist()


def test_all_of_the_training_part_gives_what_the_grid_gives(unit):
    whole, _ = data_amounts.predictions(unit, [100], 1)[100]
    pd.testing.assert_frame_equal(whole, unit_of_work.train_and_test(unit)[0])


def test_more_of_what_tells_emotions_apart_is_better(unit):
    found = data_amounts.predictions(unit, [5, 100], 3)
    (few, n_few), (whole, n_whole) = found[5], found[100]
    assert n_few < 0.07 * n_whole
    assert set(few["seed"]) == {0, 1, 2}
    assert set(whole["seed"]) == {0}
    for corpus in ("emodb", "aesdd"):
        right = [
            (part["emotion"] == part["predicted"])[part["test_corpus"] == corpus].mean() for part in (few, whole)
        ]
        assert right[1] > right[0] + 0.02


def test_what_says_nothing_stays_at_chance_however_much_there_is():
    noise = made_up("emodb", 0, 0)
    X = np.random.default_rng(2).normal(size=noise.vectors.shape).astype(np.float32)
    noise = dataclasses.replace(noise, vectors=X)
    unit = unit_of_work.Unit("logistic", "stratified", 0, noise, [noise], protocol_settings.load())
    for table, _ in data_amounts.predictions(unit, [10, 100], 3).values():
        recalls = (table["emotion"] == table["predicted"]).groupby(table["emotion"]).mean()
        assert recalls.mean() == pytest.approx(1 / 5, abs=0.06)


@pytest.fixture(scope="module")
def table():
    return data_amounts.run(["mfcc"], ["emodb", "mesd"], draws=2, workers=1)


def test_a_row_for_each_share_and_cell(table):
    assert list(table) == data_amounts.COLUMNS
    keys = ["regime", "train_corpus", "test_corpus", "share"]
    expected = [(r, a, b, s) for r in data_amounts.REGIMES for a in ("emodb", "mesd") for b in ("emodb", "mesd")
                for s in data_amounts.SHARES]  # fmt: skip
    assert list(table[keys].itertuples(index=False, name=None)) == expected
    assert table["accuracy"].between(5, 100).all()
    assert (table["accuracy_sd"].isna() == (table["share"] == 100)).all()
    assert (table["draws"] == np.where(table["share"] == 100, 1, 2)).all()


def test_means_are_by_kind_of_cell(table):
    shown = data_amounts.by_share(table, "speaker")
    assert list(shown.columns) == ["ptm", "cell", "cells", "5 %", "10 %", "25 %", "50 %", "100 %"]
    assert dict(zip(shown["cell"], shown["cells"], strict=True)) == {"within": 2, "across": 2}
    part = table[(table["regime"] == "speaker") & (table["train_corpus"] != table["test_corpus"])]
    across = shown[shown["cell"] == "across"].iloc[0]
    assert across["5 %"] == pytest.approx(part.loc[part["share"] == 5, "uar"].mean())
    gains = data_amounts.last_doubling(table, "speaker")
    assert gains["across"] == pytest.approx(across["100 %"] - across["50 %"])


def test_the_committed_table_is_whole_and_what_the_code_asks_for():
    table, facts = data_amounts.results()
    assert list(table) == data_amounts.COLUMNS
    sides = (data_amounts.PTMS, data_amounts.REGIMES, data_amounts.CORPORA, data_amounts.CORPORA)
    assert len(table) == np.prod([len(side) for side in sides]) * len(data_amounts.SHARES)
    assert facts["shares"] == list(data_amounts.SHARES)
    by = table.groupby(["ptm", "regime", "train_corpus", "test_corpus"])["n_train"]
    assert by.apply(lambda n: n.is_monotonic_increasing).all()
    sizes = table.groupby(["regime", "train_corpus", "share"])["n_train"].agg(["min", "max"])
    assert (sizes["min"] == sizes["max"]).all()  # the same utterances for every model


def test_a_panel_for_each_training_corpus_within_and_across(table):
    fig = amount_figures.by_size(table[table["regime"] == "speaker"], "uar", 20)
    assert len(fig.axes) == 4
    assert [len(ax.lines) for ax in fig.axes] == [2, 2, 2, 2]  # the model's, and chance
    line = fig.axes[0].lines[0]
    assert line.get_xdata().tolist() == sorted(line.get_xdata())
    assert len(line.get_xdata()) == len(data_amounts.SHARES)
    assert len(amount_figures.by_size(table.iloc[:0], "uar", 20).axes) <= 1
