"""Temperatures of heads, on embeddings that are made up."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import reliability_figures
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import training_tasks, unit_of_work
from crosscorpus.verdict import temperatures

FIVE = protocol_settings.load()["emotions"]


def test_the_temperature_is_of_utterances_that_were_not_trained_on():
    """Noise in many dimensions: training is learned by heart, so that what was held out asks to be less sure."""
    real = store.load("mfcc", "emodb", "pack")
    X = np.random.default_rng(0).normal(size=(len(real.utterances), 300)).astype(np.float32)
    made = dataclasses.replace(real, vectors=X)
    unit = unit_of_work.Unit("logistic", "speaker", 0, made, [made], protocol_settings.load())
    predictors, found, sizes = temperatures.fitted(unit)
    assert min(found) > 1.5
    tasks = unit_of_work.trainings(unit)
    for predict, task, n in zip(predictors, tasks, sizes, strict=True):
        part, held_out = training_tasks.parts(task, unit.settings)
        assert len(held_out) == n > 0
        assert (predict(task.X[part]).argmax(axis=1) == task.y[part]).mean() > 0.95


@pytest.fixture(scope="module")
def table():
    return temperatures.run(["logistic"], ["mfcc"], ["emodb", "mesd"], workers=1)


def test_a_row_for_each_bin_of_each_cell_and_way(table):
    assert list(table) == temperatures.COLUMNS
    n = table.groupby(["train_corpus", "test_corpus", "way"], sort=False)["n"].sum().unstack()
    assert len(n) == 4
    assert (n["as trained"] == n["with temperature"]).all()
    assert set(n.loc[(slice(None), "emodb"), "as trained"]) == {
        store.load("mfcc", "emodb", "pack").utterances["emotion"].isin(FIVE).sum()
    }
    assert table["sure"].between(20, 100).all()


def test_a_temperature_moves_sureness_and_no_answer(table):
    whole = table.assign(right=table["right"] * table["n"], sure=table["sure"] * table["n"])
    sums = whole.groupby(["train_corpus", "test_corpus", "way"])[["right", "sure"]].sum().unstack()
    np.testing.assert_allclose(sums["right"]["as trained"], sums["right"]["with temperature"])
    assert (sums["sure"]["as trained"] != sums["sure"]["with temperature"]).all()


def test_condensed_tables_are_means_of_cells_and_sums_of_bins(table):
    shown = temperatures.by_head(table)
    assert list(zip(shown["cell"], shown["ptm"], strict=True)) == [("within", "mfcc"), ("across", "mfcc")]
    one = table[(table["way"] == "with temperature") & (table["train_corpus"] == table["test_corpus"])]
    by_cell = [
        ((part["sure"] - part["right"]).abs() * part["n"]).sum() / part["n"].sum()
        for _, part in one.groupby("test_corpus")
    ]
    assert shown["ece_scaled"].iloc[0] == pytest.approx(np.mean(by_cell))
    bins = temperatures.reliability(table)
    assert bins["n"].sum() == table["n"].sum()
    assert (bins["n"] * bins["right"]).sum() == pytest.approx((table["n"] * table["right"]).sum())
    for _, part in bins.groupby(["head", "cell", "way"]):
        assert part["sure"].is_monotonic_increasing


def test_the_committed_table_is_whole():
    table, facts = temperatures.results()
    assert list(table) == temperatures.COLUMNS
    cells = table[["head", "ptm", "train_corpus", "test_corpus", "way"]].drop_duplicates()
    sides = (temperatures.HEADS, temperatures.PTMS, temperatures.CORPORA, temperatures.CORPORA, temperatures.WAYS)
    assert len(cells) == np.prod([len(side) for side in sides])
    assert facts["heads"] == list(temperatures.HEADS)
    assert pd.api.types.is_integer_dtype(table["n"])


def test_a_panel_for_each_head_and_kind_of_cell(table):
    fig = reliability_figures.reliability(temperatures.reliability(table))
    assert [ax.get_title() for ax in fig.axes] == [
        "logistic regression, within corpora",
        "logistic regression, across corpora",
    ]
    assert all(len(ax.lines) == 3 for ax in fig.axes)  # each way, and as right as sure
    assert len(reliability_figures.reliability(temperatures.reliability(table).iloc[:0]).axes) <= 1
