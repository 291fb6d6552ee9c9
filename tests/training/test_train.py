import itertools
import subprocess
import sys

import numpy as np
import pytest

from crosscorpus.base import known_names
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import heads, train, training_tasks

N, DIM, CLASSES = 200, 24, 5


@pytest.fixture(scope="module")
def toy():
    """Five well-separated clouds; groups are ten "speakers" with all classes each."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % CLASSES
    centres = rng.normal(scale=6.0, size=(CLASSES, DIM))
    X = (centres[y] + rng.normal(size=(N, DIM))).astype(np.float32)
    return X, y, np.arange(N) // (N // 10)


def fit(head, toy, settings=None, seed=0):
    X, y, groups = toy
    return train.fit(training_tasks.Task(head, X, y, groups, CLASSES, seed), settings or protocol_settings.load())


@pytest.mark.parametrize("head", heads.HEADS)
def test_a_head_learns_a_separable_toy(head, toy):
    X, y, _ = toy
    fitted = fit(head, toy)
    assert (train.predict(fitted, X).argmax(axis=1) == y).all()


@pytest.mark.parametrize("head", heads.HEADS)
def test_same_seed_same_probabilities(head, toy):
    first, second = (train.predict(fit(head, toy, seed=3), toy[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_seed_gives_other_probabilities(toy):
    assert not np.array_equal(*(train.predict(fit("fcn", toy, seed=s), toy[0]) for s in (0, 1)))


def test_shuffled_labels_give_chance(toy):
    X, y, groups = toy
    rng = np.random.default_rng(1)
    half = rng.permutation(N) < N // 2
    shuffled = rng.permutation(y)
    fitted = train.fit(
        training_tasks.Task("fcn", X[half], shuffled[half], groups[half], CLASSES, 0), protocol_settings.load()
    )
    accuracy = (train.predict(fitted, X[~half]).argmax(axis=1) == shuffled[~half]).mean()
    assert accuracy < 0.36  # chance is 0.2; 4 standard deviations of 100 draws above it


def test_probabilities_sum_to_one(toy):
    p = train.predict(fit("cnn", toy), toy[0])
    assert p.shape == (N, CLASSES)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("head", heads.HEADS)
def test_scaling_makes_units_irrelevant(head, toy):
    X, y, groups = toy
    for factor in (1.0, 1000.0):
        fitted = train.fit(
            training_tasks.Task(head, X * np.float32(factor), y, groups, CLASSES, 0), protocol_settings.load()
        )
        assert (train.predict(fitted, X * np.float32(factor)).argmax(axis=1) == y).all()


def test_scaling_uses_the_training_part_alone(toy):
    X, y, groups = toy
    fitted = fit("fcn", toy)
    part, _ = training_tasks.split_validation(y, groups, 0.1, 0)
    np.testing.assert_allclose(fitted.scaler.mean_, X[part].mean(axis=0), rtol=1e-4, atol=1e-4)


def test_no_scaling_when_told_so(toy):
    assert fit("fcn", toy, protocol_settings.load("scaling=none,epochs=1")).scaler is None


@pytest.mark.parametrize("kept", ["best", "last"])
def test_early_stopping_keeps_the_best_epoch_or_the_last(toy, kept):
    X, _, groups = toy
    y = np.random.default_rng(2).permutation(toy[1])  # only to be learnt by heart: validation soon gets worse
    settings = protocol_settings.load(f"patience=2,epochs=20,learning_rate=0.01,kept_weights={kept}")
    fitted = fit("fcn", (X, y, groups), settings)
    assert fitted.history["val_loss"].idxmin() < len(fitted.history) - 1
    _, validation = training_tasks.split_validation(y, groups, 0.1, 0)
    p = train.predict(fitted, X[validation])
    loss = -np.log(np.clip(p[np.arange(len(p)), y[validation]], 1e-7, 1)).mean()
    losses = fitted.history["val_loss"]
    assert loss == pytest.approx(losses.min() if kept == "best" else losses.iloc[-1], abs=1e-5)


def test_history_starts_at_epoch_one(toy):
    history = fit("fcn", toy, protocol_settings.load("epochs=3")).history
    assert list(history["epoch"]) == [1, 2, 3]
    assert {"loss", "val_loss", "train_accuracy", "validation_accuracy"} <= set(history)


def test_nan_is_an_error(toy):
    X, y, groups = toy
    bad = X.copy()
    bad[0, 0] = np.nan
    task = training_tasks.Task("fcn", bad, y, groups, CLASSES, 0)
    with pytest.raises(train.TrainingError, match="not finite"):
        train.fit(task, protocol_settings.load("scaling=none,epochs=2"))


def test_validation_keeps_groups_whole(toy):
    _, y, groups = toy
    training, validation = training_tasks.split_validation(y, groups, 0.1, seed=5)
    assert not set(groups[training]) & set(groups[validation])
    assert sorted([*training, *validation]) == list(range(N))
    assert len(validation) == N // 10


@pytest.mark.parametrize("sizes", [[8, 8, 8], [60, 60], [24]])
def test_where_a_group_would_be_too_much_utterances_are_held_out(sizes):
    y, groups = np.arange(sum(sizes)) % 2, np.repeat(np.arange(len(sizes)), sizes)
    training, validation = training_tasks.split_validation(y, groups, 0.1, seed=0)
    assert sorted([*training, *validation]) == list(range(len(y)))
    assert len(validation) == round(len(y) / 10)
    assert set(y[training]) == {0, 1}


SPEAKERS = {
    "uneven": [174, 40, 35, 30, 21],
    "one gives most": [60, 8, 8, 8, 8, 8],
    "of Emo-DB": [49, 58, 43, 38, 55, 35, 61, 69],
    "equal": [60] * 5,
    "many": [3] * 90,
}


@pytest.mark.parametrize("sizes", SPEAKERS.values(), ids=SPEAKERS)
def test_validation_is_near_the_share_and_drawn_by_the_seed(sizes):
    y, groups = np.arange(sum(sizes)) % 5, np.repeat(np.arange(len(sizes)), sizes)
    splits = [training_tasks.split_validation(y, groups, 0.1, seed) for seed in range(12)]
    for training, validation in splits:
        assert not set(groups[training]) & set(groups[validation])
        nearest = min(abs(size / len(y) - 0.1) for size in sizes)
        assert abs(len(validation) / len(y) - 0.1) <= max(0.025, 1.25 * nearest)
    near = sum(abs(size / len(y) - 0.1) <= 0.025 for size in sizes)
    assert len({tuple(sorted(set(groups[validation]))) for _, validation in splits}) >= max(2, min(4, near))


def test_every_class_is_left_to_train_on():
    """Speaker 0 alone says the last class."""
    y, groups = np.tile(np.arange(4), 25), np.repeat(np.arange(10), 10)
    y[groups == 0] = 4
    for seed in range(20):
        training, validation = training_tasks.split_validation(y, groups, 0.1, seed)
        assert set(y[training]) == set(range(5))
        assert len(validation) == 10


@pytest.mark.parametrize("n", [2, 5, 8, 12])
def test_ten_of_each_class_and_fewer_are_split(n):
    y = np.repeat(np.arange(5), n)
    training, validation = training_tasks.split_validation(y, np.arange(len(y)), 0.1, seed=0)
    assert len(validation) == max(1, round(len(y) / 10))
    assert set(y[training]) == set(range(5))


def test_below_a_size_all_epochs_are_run_without_a_validation_part(toy):
    fitted = fit("fcn", toy, protocol_settings.load("fixed_epochs_below=201,epochs=15,patience=1"))
    assert len(fitted.history) == 15
    assert (fitted.history["n_validation"] == 0).all()
    assert (fitted.history["n_train"] == N).all()
    early = fit("fcn", toy, protocol_settings.load("fixed_epochs_below=200,epochs=15,patience=1"))
    assert (early.history["n_validation"] == N // 10).all()


@pytest.mark.parametrize(
    ("dim", "fcn", "cnn"), [(512, 309_281, 735_073), (768, 440_353, 1_103_713), (1024, 571_425, 1_472_353)]
)
def test_parameter_counts(dim, fcn, cnn):
    """Dense 512 and 90: 512 d + 512 + 512 * 90 + 90 + 90 * 5 + 5; CNN by the same sums."""
    settings = protocol_settings.load()
    assert heads.build("fcn", dim, 5, settings).count_params() == fcn
    assert heads.build("cnn", dim, 5, settings).count_params() == cnn


@pytest.mark.parametrize("changes", ["", "fcn_widths=90,cnn_filters=7,cnn_kernel=5,cnn_pool=3,cnn_widths=64 32"])
def test_sizes_by_arithmetic_are_those_of_the_networks(changes):
    settings = protocol_settings.load(changes)
    counted = heads.sizes([88, 513], 4, settings)
    for (dim, row), head in itertools.product(counted.iterrows(), heads.HEADS):
        assert row[head.upper()] == heads.build(head, dim, 4, settings).count_params() / 1e6


def test_a_head_of_another_kind_is_counted_by_building_it(monkeypatch):
    monkeypatch.setitem(
        heads.HEADS, "other", lambda dim, n, protocol: heads.fcn(dim, n, protocol | {"fcn_widths": [7]})
    )
    assert heads.sizes([10], 3, protocol_settings.load())["OTHER"].tolist() == [(11 * 7 + 8 * 3) / 1e6]


def test_cnn_follows_the_figure():
    layers = [type(layer).__name__ for layer in heads.build("cnn", 512, 5, protocol_settings.load()).layers]
    expected = ["InputLayer", "Reshape", "Conv1D", "MaxPooling1D", "Flatten", "Dense", "Dropout", "Dense"]
    assert layers == expected


def test_settings_reach_the_heads():
    settings = protocol_settings.load("fcn_widths=90,cnn_filters=64,dropout=0.5")
    assert heads.build("fcn", 512, 5, settings).count_params() == 512 * 90 + 90 + 90 * 5 + 5
    cnn = heads.build("cnn", 512, 5, settings)
    assert cnn.layers[2].filters == 64
    assert cnn.layers[-2].rate == 0.5


def test_unknown_head_lists_the_known_ones():
    with pytest.raises(known_names.UnknownNameError, match="fcn, cnn"):
        heads.build("fnc", 512, 5, protocol_settings.load())


def test_validation_of_small_groups_is_stratified():
    y = np.repeat([0, 1, 2, 3, 4], 40)
    groups = np.arange(200)
    groups[1] = 0  # one pair with identical audio
    training, validation = training_tasks.split_validation(y, groups, 0.1, seed=0)
    assert list(np.bincount(y[validation])) in ([4] * 5, [5, 4, 4, 4, 4])
    assert (0 in training) == (1 in training)


def test_training_does_not_import_tensorflow():
    """It is installed, for TRILLsson, and Keras would import it along the way."""
    code = (
        "import sys, numpy as np\n"
        "from crosscorpus.protocols import protocol_settings\n"
        "from crosscorpus.training import train, training_tasks\n"
        "X = np.random.default_rng(0).normal(size=(60, 8)).astype('float32')\n"
        "y = np.arange(60) % 3\n"
        "fitted = train.fit(training_tasks.Task('fcn', X, y, np.arange(60).astype(str), 3, 0), "
        "protocol_settings.load('epochs=1'))\n"
        "train.predict(fitted, X)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
