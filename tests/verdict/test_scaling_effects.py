import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import own_scaling, unit_of_work
from crosscorpus.verdict import scaling_effects


@pytest.fixture(scope="module")
def emodb():
    return store.load("mfcc", "emodb", "pack")


@pytest.mark.parametrize("scaling", ["corpus", "speaker"])
def test_each_group_has_mean_0_and_variance_1(emodb, scaling):
    X = own_scaling.scaled(emodb.vectors, emodb.utterances, scaling)
    assert X.dtype == np.float32
    groups = [np.arange(len(X))] if scaling == "corpus" else emodb.utterances.groupby("speaker").indices.values()
    for rows in groups:
        np.testing.assert_allclose(X[rows].mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(X[rows].std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("scaling", ["standardise", "none"])
def test_the_other_scalings_leave_embeddings_to_training(emodb, scaling):
    assert own_scaling.scaled(emodb.vectors, emodb.utterances, scaling) is emodb.vectors


def test_without_speakers_the_corpus_is_the_group_and_a_constant_is_0():
    table = pd.DataFrame({"speaker": [None, None, ""]})
    X = np.array([[1, 5], [2, 5], [3, 5]], dtype=np.float32)
    np.testing.assert_allclose(own_scaling.scaled(X, table, "speaker"), own_scaling.scaled(X, table, "corpus"))
    assert (own_scaling.scaled(X, table, "corpus")[:, 1] == 0).all()


@pytest.mark.parametrize("head", ["logistic", "svm", "fcn"])
def test_a_shift_of_the_test_corpus_is_taken_away_for_heads_and_baselines(emodb, head):
    """The same corpus, shifted and stretched, is another corpus: only its own statistics bring it back."""
    shifted = dataclasses.replace(emodb, vectors=(3 * emodb.vectors + 500).astype(np.float32))
    accuracy = {}
    for scaling in ("standardise", "corpus"):
        settings = protocol_settings.load(f"scaling={scaling},epochs=8")
        for name, tested in (("itself", emodb), ("shifted", shifted)):
            unit = unit_of_work.Unit(head, "stratified", 0, emodb, [tested], settings)
            predictions, _ = unit_of_work.train_and_test(unit)
            accuracy[scaling, name] = (predictions["emotion"] == predictions["predicted"]).mean()
    assert accuracy["standardise", "shifted"] < accuracy["standardise", "itself"] - 0.15
    assert accuracy["corpus", "shifted"] == pytest.approx(accuracy["corpus", "itself"], abs=0.02)


def results(**values):
    """Scores of two corpora: (within, across) by scaling."""
    rows = [
        (scaling, "x", "logistic", "speaker", a, b, *3 * [values[scaling][a != b]])
        for scaling in scaling_effects.SCALINGS
        for a, b in itertools.product(["emodb", "ravdess"], repeat=2)
    ]
    return pd.DataFrame(rows, columns=["scaling", *metrics.CELL, *metrics.METRICS])


def test_what_scaling_brings_back_by_hand():
    table = scaling_effects.carried_over(results(standardise=(70, 30), corpus=(72, 50), speaker=(75, 80)))
    row = table.iloc[0]
    assert (row["within"], row["standardise"], row["corpus"], row["speaker"]) == (70, 30, 50, 80)
    assert (row["back_corpus"], row["back_speaker"]) == (50, 125)
    assert len(scaling_effects.wide(results(standardise=(1, 2), corpus=(3, 4), speaker=(5, 6)))) == 4


def test_the_committed_study_has_every_cell_once():
    table, _ = scaling_effects.results()
    assert not table.duplicated(["scaling", *metrics.CELL]).any()
    assert set(table["scaling"]) == set(scaling_effects.SCALINGS)
    assert len(table) % (3 * 16) == 0
    assert table[metrics.METRICS].notna().all(axis=None)
