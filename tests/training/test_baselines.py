import subprocess
import sys

import numpy as np
import pytest

from crosscorpus.base import known_names
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import baselines

N, DIM, CLASSES = 200, 24, 5


@pytest.fixture(scope="module")
def toy():
    """Five clouds, well apart."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % CLASSES
    X = rng.normal(scale=6.0, size=(CLASSES, DIM))[y] + rng.normal(size=(N, DIM))
    return X.astype(np.float32), y


def probabilities(baseline, X, y, at=None, overrides=""):
    fitted = baselines.fit(baseline, X, y, protocol_settings.load(overrides))
    return baselines.predict(fitted, X if at is None else at)


@pytest.mark.parametrize("baseline", ["logistic", "svm"])
def test_a_baseline_learns_a_separable_toy(baseline, toy):
    X, y = toy
    assert (probabilities(baseline, X, y).argmax(axis=1) == y).all()


@pytest.mark.parametrize("baseline", baselines.BASELINES)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_probabilities_are_float32_and_sum_to_one(baseline, classes, toy):
    X, y = toy
    few = y < classes
    p = probabilities(baseline, X[few], y[few])
    assert p.shape == (few.sum(), classes)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_majority_is_the_share_of_each_class():
    y = np.array([0, 1, 1, 1])
    p = probabilities("majority", np.zeros((4, 2), dtype=np.float32), y)
    np.testing.assert_allclose(p, [[0.25, 0.75]] * 4)


@pytest.mark.parametrize("classes", [2, 3])
def test_an_svms_probabilities_rank_as_it_decides(classes):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(90, 4)).astype(np.float32), np.arange(90) % classes
    X[:, 0] += y
    fitted = baselines.fit("svm", X, y, protocol_settings.load())
    assert (baselines.predict(fitted, X).argmax(axis=1) == fitted.predict(X)).all()


@pytest.mark.parametrize("baseline", ["logistic", "svm"])
def test_scaling_makes_units_irrelevant_unless_told_otherwise(baseline, toy):
    X, y = toy
    X = X + np.random.default_rng(2).normal(scale=8, size=X.shape).astype(np.float32)
    first, second = (probabilities(baseline, X * np.float32(f), y) for f in (1, 1000))
    np.testing.assert_allclose(first, second, atol=1e-3)
    first, second = (probabilities(baseline, X * np.float32(f), y, overrides="scaling=none") for f in (1, 0.001))
    assert np.abs(first - second).max() > 1e-3 or baseline == "svm"  # gamma="scale" scales by itself


def test_settings_come_from_the_protocol(toy):
    X, y = toy
    X = X + np.random.default_rng(2).normal(scale=8, size=X.shape).astype(np.float32)
    for baseline, setting in (("logistic", "logistic_c"), ("svm", "svm_c")):
        changed = probabilities(baseline, X, y, overrides=f"{setting}=0.0001")
        assert np.abs(changed - probabilities(baseline, X, y)).max() > 1e-3


def test_an_unknown_baseline_lists_the_known_ones(toy):
    with pytest.raises(known_names.UnknownNameError, match="majority, logistic, svm"):
        baselines.fit("forest", *toy, protocol_settings.load())


def test_every_baseline_is_described_with_its_settings():
    table = baselines.describe(protocol_settings.load("svm_c=2.5"))
    assert list(table["baseline"]) == list(baselines.BASELINES)
    assert "C = 2.5" in table["what"].iloc[-1]


def test_a_baseline_is_trained_without_loading_what_trains_heads():
    """Keras and PyTorch take seconds to import, and a first grid is to be there in as many."""
    code = (
        "import sys\n"
        "from crosscorpus.embeddings import store\n"
        "from crosscorpus.protocols import protocol_settings\n"
        "from crosscorpus.training import unit_of_work\n"
        "e = store.load('mfcc', 'emodb', 'pack')\n"
        "unit = unit_of_work.Unit('logistic', 'speaker', 0, e, [e], protocol_settings.load())\n"
        "assert len(unit_of_work.train_and_test(unit)[0])\n"
        "assert not {'keras', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
