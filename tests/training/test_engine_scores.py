"""Sums in another order give other weights, to rounding, and at times other answers: how much is it of a score?"""

import itertools

import pandas as pd
import pytest

from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import engine, train, unit_of_work

SETTINGS = protocol_settings.load("epochs=8,fcn_widths=64 16,cnn_filters=8,cnn_widths=16")
CORPORA = ["emodb", "aesdd", "mesd", "ravdess"]


def scores(fit, seed):
    """Return the mean accuracy over folds (percent) of 48 cells."""
    tables = []
    for ptm, head, trained_on in itertools.product(["mfcc", "egemaps", "ecapa-tdnn"], ["fcn", "cnn"], CORPORA[:2]):
        tests = [store.load(ptm, corpus, "pack") for corpus in CORPORA]
        own = tests[CORPORA.index(trained_on)]
        unit = unit_of_work.Unit(head, "stratified", seed, own, tests, SETTINGS)
        tables.append(unit_of_work.tested_heads(unit, fit(unit_of_work.trainings(unit)))[0])
    cells = metrics.summary(metrics.per_fold(pd.concat(tables)))
    return cells.set_index(["ptm", "head", "train_corpus", "test_corpus"])["accuracy"].sort_index()


@pytest.fixture(scope="module")
def of_seeds():
    return [scores(lambda tasks: engine.fit_many(tasks, SETTINGS), seed) for seed in (0, 1)]


def test_scores_differ_from_the_plain_way_s_by_less_than_two_seeds_do(of_seeds):
    plain = scores(lambda tasks: [train.fit(task, SETTINGS) for task in tasks], 0)
    differ, spread = (of_seeds[0] - plain).abs(), (of_seeds[0] - of_seeds[1]).abs()
    assert len(differ) == 48
    assert differ.mean() < 0.3
    assert differ.mean() < spread.mean() / 3
    assert differ.max() < spread.max()
