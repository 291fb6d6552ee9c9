import numpy as np
import pandas as pd
import pytest

from crosscorpus.scores import calibration, metrics

CELL = dict(zip(metrics.CELL, ("x", "fcn", "speaker", "emodb", "ravdess"), strict=True))


def table(sure, right):
    """Predictions of anger with some confidence, the rest on fear; right or not."""
    truth = np.where(right, "anger", "fear")
    made = pd.DataFrame({"emotion": truth, "predicted": "anger", "p_anger": sure, "p_fear": 1 - np.array(sure)})
    return made.assign(**CELL)


def test_the_error_by_hand():
    made = table([0.92] * 4 + [0.61] * 2, [1, 1, 0, 0, 1, 0])
    bins = calibration.reliability(made)
    assert bins["n"].tolist() == [2, 4]
    assert bins["right"].tolist() == [50, 50]
    row = calibration.calibration(made).iloc[0]
    assert row["ece"] == pytest.approx((2 * 11 + 4 * 42) / 6)
    assert row["accuracy"] == pytest.approx(50)
    assert row["sure"] == pytest.approx((4 * 92 + 2 * 61) / 6)


def test_who_is_as_often_right_as_sure_has_no_error():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 40_000)
    assert calibration.calibration(table(sure, rng.random(40_000) < sure))["ece"].item() < 1


def test_emotions_that_the_test_corpus_lacks_take_no_probability():
    made = table([0.6, 0.3], [1, 0]).assign(p_fear=[0.2, 0.3], p_sadness=[0.2, 0.4])
    assert calibration.confidence(made).tolist() == pytest.approx([0.75, 0.5])


def test_classes_that_a_head_does_not_know_are_no_number():
    made = table([0.75, 0.5], [1, 0]).assign(p_sadness=np.nan)
    assert calibration.confidence(made).tolist() == [0.75, 0.5]
    assert calibration.confidence(table([1.0, 1.0], [1, 1]).assign(emotion=["anger", "anger"])).tolist() == [1, 1]
