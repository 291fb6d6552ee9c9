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


def test_sums_of_units_calibrate_as_their_rows_do():
    rng = np.random.default_rng(4)
    units = [table(rng.uniform(0.5, 1, n), rng.random(n) < 0.6).assign(seed=n) for n in (7, 60, 3)]
    other = [unit.assign(train_corpus="né_2") for unit in units[:1]]
    rows = pd.concat([*units, *other])
    binned = pd.concat([calibration.binned(unit) for unit in (*units, *other)], ignore_index=True)
    pd.testing.assert_frame_equal(calibration.calibration(binned), calibration.calibration(rows), rtol=1e-12)
    assert set(binned["emotions"]) == {"anger, fear"}
    assert calibration.calibration(calibration.binned(rows.iloc[:0])).empty


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


def drawn(n, sharper, seed=0):
    """Probabilities of three classes, classes drawn from them, and the same with logits times `sharper`."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 1, 1], n)
    y = np.array([rng.choice(3, p=row) for row in p])
    raised = p**sharper
    return p, y, raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("sharper", [0.5, 1, 3])
def test_a_temperature_undoes_what_made_a_head_too_sure(sharper):
    p, y, given = drawn(20_000, sharper)
    t = calibration.temperature(given, y)
    assert t == pytest.approx(sharper, rel=0.05)
    np.testing.assert_allclose(calibration.with_temperature(given, sharper), p, atol=1e-6)


def test_a_temperature_changes_no_answer_and_takes_probabilities_of_nothing():
    given = np.array([[1, 0, 0], [0.2, 0.5, 0.3]], dtype=np.float32)
    soft = calibration.with_temperature(given, 4)
    assert soft.argmax(axis=1).tolist() == given.argmax(axis=1).tolist()
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert np.isfinite(calibration.temperature(given, np.array([1, 1])))
    assert calibration.temperature(given[:0], np.array([], dtype=int)) == 1


def test_bins_give_the_error_of_their_cell():
    made = table([0.92] * 4 + [0.61] * 2, [1, 1, 0, 0, 1, 0])
    assert calibration.ece(calibration.reliability(made)) == calibration.calibration(made)["ece"].item()
