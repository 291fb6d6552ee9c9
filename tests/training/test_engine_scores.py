"""Sums in another order give other weights, to rounding, and at times other answers: how much is it of a score?"""

import itertools

import pandas as pd

from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import engine, train, unit_of_work

SETTINGS = protocol_settings.load("epochs=5,fcn_widths=64 16,cnn_filters=8,cnn_widths=16")
CORPORA = ["emodb", "aesdd", "mesd", "ravdess"]


def scores(fit, seed, ptms=("mfcc", "egemaps", "ecapa-tdnn")):
    """Return the mean accuracy over folds (percent) of 48 cells, or those of some models."""
    tables = []
    for ptm, head, trained_on in itertools.product(ptms, ["fcn", "cnn"], CORPORA[:2]):
        tests = [store.load(ptm, corpus, "pack") for corpus in CORPORA]
        own = tests[CORPORA.index(trained_on)]
        unit = unit_of_work.Unit(head, "stratified", seed, own, tests, SETTINGS)
        tables.append(unit_of_work.tested_heads(unit, fit(unit_of_work.trainings(unit)))[0])
    cells = metrics.summary(metrics.per_fold(pd.concat(tables)))
    return cells.set_index(["ptm", "head", "train_corpus", "test_corpus"])["accuracy"].sort_index()


def by_engine(tasks):
    return engine.fit_many(tasks, SETTINGS)


def test_scores_differ_from_the_plain_way_s_by_less_than_two_seeds_do():
    ours, plain = scores(by_engine, 0), scores(lambda tasks: [train.fit(task, SETTINGS) for task in tasks], 0)
    differ, spread = (ours - plain).abs(), (ours - scores(by_engine, 1, ["mfcc"])).abs().dropna()
    assert (len(differ), len(spread)) == (48, 16)
    assert differ.mean() < 0.3
    assert differ.mean() < spread.mean() / 3
    assert differ.max() < spread.max()
