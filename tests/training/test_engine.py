import keras
import numpy as np
import pytest
import torch
from keras import layers

from crosscorpus.base import known_names
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import engine, fast_layers, heads, networks, train, training_tasks

N, DIM, CLASSES = 150, 21, 4
SHORT = "fixed_epochs_below=0,epochs=4,fcn_widths=16 8,cnn_filters=6,cnn_widths=8,"


def task(head="fcn", seed=1, n=N, noise=2.0, classes=CLASSES, dim=DIM):
    rng = np.random.default_rng(100 * seed + n)
    y = np.arange(n) % classes
    X = rng.normal(size=(classes, dim))[y] + noise * rng.normal(size=(n, dim))
    return training_tasks.Task(head, X.astype(np.float32), y, np.arange(n) % 10, classes, seed)


def batch_normalised(dim, n_classes, settings):
    return keras.Sequential([keras.Input((dim,)), layers.BatchNormalization(), layers.Dense(n_classes, "softmax")])


def with_skip(dim, n_classes, settings):
    x = keras.Input((dim,))
    h = layers.Dropout(0.2, seed=5)(layers.Dense(dim, activation="gelu")(x))
    return keras.Model(x, layers.Dense(n_classes, activation="softmax")(layers.Add()([x, h])))


@pytest.fixture
def any_head(monkeypatch):
    monkeypatch.setitem(heads.HEADS, "with_skip", with_skip)
    monkeypatch.setitem(heads.HEADS, "batch_normalised", batch_normalised)


def assert_same(one, other, exactly=True):
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(one.history[column], other.history[column], rtol=1e-6 if exactly else 1e-4)
    for a, b in zip(one.model.trainable_variables, other.model.trainable_variables, strict=True):
        if exactly:
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        else:
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-3)


@pytest.mark.parametrize("dim", [21, 22])  # an odd and an even number of steps to pool
@pytest.mark.parametrize(
    "changes",
    ["", "dropout=0.0", "scaling=none,batch_size=150", "cnn_pool=3", "patience=1", "patience=1,kept_weights=last"],
)
@pytest.mark.parametrize("head", heads.HEADS)
def test_one_by_one_gives_what_the_plain_way_gives(head, changes, dim):
    """Sums are added in another order; what has no rules of its own gives the same bytes."""
    settings, one = protocol_settings.load(SHORT + changes), task(head, dim=dim)
    has_rules = layers_of(heads.build(head, dim, CLASSES, settings))[0] is not None
    assert has_rules == (head == "fcn" or changes not in ("cnn_pool=3", "activation=tanh"))
    assert_same(engine.fit_many([one], settings)[0], train.fit(one, settings), exactly=not has_rules)


@pytest.mark.parametrize("head", heads.HEADS)
def test_the_engine_gives_the_same_bytes_each_time(head):
    settings = protocol_settings.load(SHORT)
    assert_same(*(engine.fit_many([task(head)], settings)[0] for _ in range(2)))


@pytest.mark.parametrize("head", ["with_skip", "batch_normalised"])
def test_any_keras_head_can_be_trained(any_head, head):
    settings = protocol_settings.load(SHORT)
    for fitted in (engine.fit_many([task(head)], settings)[0], engine.fit_stack([task(head)], settings, "cpu")[0]):
        assert_same(fitted, train.fit(task(head), settings), exactly=False)


def test_another_optimizer_is_refused_before_training():
    with pytest.raises(known_names.UnknownNameError, match="adam"):
        protocol_settings.load("optimizer=sgd")


@pytest.mark.parametrize("head", [*heads.HEADS, "with_skip"])
def test_a_stack_gives_what_each_gives_alone(any_head, head):
    """Training sets of several sizes, last batches of several lengths."""
    settings = protocol_settings.load(SHORT + "batch_size=16")
    tasks = [task(head, seed, n) for seed, n in ((1, 150), (2, 97), (3, 150), (4, 61))]
    stacked = engine.fit_stack(tasks, settings, "cpu")
    for one, fitted in zip(tasks, stacked, strict=True):
        assert_same(fitted, train.fit(one, settings), exactly=False)


def test_trainings_of_a_stack_stop_when_each_would_alone():
    settings = protocol_settings.load("fixed_epochs_below=0,epochs=12,patience=1,fcn_widths=16,learning_rate=0.02")
    tasks = [task(seed=seed, noise=noise) for seed, noise in ((1, 0.1), (2, 4.0), (3, 6.0), (4, 1.0))]
    lengths = [len(fitted.history) for fitted in engine.fit_stack(tasks, settings, "cpu")]
    assert lengths == [len(train.fit(one, settings).history) for one in tasks]
    assert len(set(lengths)) > 1


def test_a_stack_does_not_depend_on_its_other_members():
    settings = protocol_settings.load(SHORT)
    alone, together = (
        engine.fit_stack([task(seed=2)], settings, "cpu"),
        engine.fit_stack([task(seed=1), task(seed=2), task(seed=3)], settings, "cpu"),
    )
    assert_same(alone[0], together[1], exactly=False)


def test_unlike_tasks_come_back_in_their_order(monkeypatch):
    """As on a GPU, where trainings of one shape are stacked."""
    settings = protocol_settings.load(SHORT)
    tasks = [
        task("fcn", 1),
        task("cnn", 2),
        task("fcn", 3, dim=30),
        task("fcn", 4, n=90),
        task("cnn", 5, classes=3),
    ]
    original = engine.fit_stack
    sizes = []
    monkeypatch.setattr(
        engine, "fit_stack", lambda some, s, device: (sizes.append(len(some)), original(some, s, "cpu"))[1]
    )
    for one, fitted in zip(tasks, engine.fit_many(tasks, settings, "cuda"), strict=True):
        assert_same(fitted, train.fit(one, settings), exactly=False)
    assert sorted(sizes) == [1, 1, 1, 2]


def layers_of(model):
    weights = [variable.value.detach().clone() for variable in model.trainable_variables]
    return fast_layers.of(model, weights), weights


def test_the_paper_s_heads_have_rules_of_their_own_and_others_go_by_keras():
    settings = protocol_settings.load()
    for head in heads.HEADS:
        assert layers_of(heads.build(head, DIM, CLASSES, settings))[0]
    assert layers_of(with_skip(DIM, CLASSES, settings))[0] is None
    for changes in ("cnn_pool=3", "activation=tanh"):
        assert layers_of(heads.build("cnn", DIM, CLASSES, protocol_settings.load(changes)))[0] is None
    strided = [layers.Reshape((1, DIM)), layers.Conv1D(3, 3, strides=2, data_format="channels_first")]
    strided += [layers.MaxPooling1D(2, data_format="channels_first"), layers.Flatten(), layers.Dense(2, "softmax")]
    assert layers_of(keras.Sequential([keras.Input((DIM,)), *strided]))[0] is None
    assert layers_of(keras.Sequential([keras.Input((DIM,)), layers.Dense(2)]))[0] is None  # no probabilities


@pytest.mark.parametrize("dim", [21, 22])  # an odd and an even number of steps to pool
@pytest.mark.parametrize("changes", ["", "dropout=0.0", "cnn_kernel=5", "fcn_widths=16"])
@pytest.mark.parametrize("head", heads.HEADS)
def test_gradients_are_those_of_automatic_differentiation(head, changes, dim):
    """Of batches of two sizes one after the other, so that memory is used again."""
    settings = protocol_settings.load(changes)
    model = heads.build(head, dim, CLASSES, settings)
    net, (some, weights) = networks.network(model), layers_of(model)
    for n in (7, 4, 9):
        X, y = torch.randn(n, dim), torch.arange(n) % CLASSES
        masks = [torch.bernoulli(torch.full((n, *layer.output.shape[1:]), 0.7)) for layer in net.dropouts]
        assert float(fast_layers.gradients(some, X, y, masks)) == pytest.approx(float(net.gradients(X, y, masks)))
        for ours, theirs in zip(weights, net.weights, strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad)
        torch.testing.assert_close(fast_layers.probabilities(some, X), net.answers(X))


def test_a_loss_that_is_clipped_has_no_gradient():
    """Keras clips probabilities; a head that is sure, rightly or wrongly, learns no more from the utterance."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, "softmax")])
    net, (some, weights) = networks.network(model), layers_of(model)
    X, y = torch.tensor([[300.0, 0.0], [-300.0, 0.0], [0.1, 0.2]]), torch.tensor([0, 0, 1])
    for kernel in (weights[0], net.weights[0]):
        kernel.copy_(torch.tensor([[1.0, -1.0], [0.5, 0.5]]))
    assert float(fast_layers.gradients(some, X, y, [])) == pytest.approx(float(net.gradients(X, y, [])))
    for ours, theirs in zip(weights, net.weights, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("head", [*heads.HEADS, "with_skip"])
def test_a_network_is_the_keras_model(any_head, head):
    model = heads.build(head, DIM, CLASSES, protocol_settings.load())
    X = torch.randn(7, DIM)
    net = networks.network(model)
    torch.testing.assert_close(net.probabilities(net.weights, X, None), model(X, training=False))


def test_adam_is_keras_s():
    start, rng = np.ones((3, 4), dtype=np.float32), np.random.default_rng(0)
    variable = keras.Variable(start)
    of_keras = keras.optimizers.Adam(0.01)
    alone, stacked = (torch.from_numpy(start.copy()) for _ in range(2))
    ours = train.Adam([alone.requires_grad_()], {"learning_rate": 0.01})
    weights = [torch.stack([stacked, stacked])]
    of_stack = engine.StackedAdam(weights, 0.01)
    for scale in (1.0, 1e-6, 1e-3, 0.0):
        gradient = torch.from_numpy((scale * rng.normal(size=(3, 4))).astype(np.float32))
        of_keras.apply([gradient], [variable])
        alone.grad = gradient
        ours.step()
        of_stack.step(weights, [torch.stack([gradient, gradient])], torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(alone.detach().numpy(), variable.numpy(), rtol=1e-5)
    np.testing.assert_allclose(weights[0][0].numpy(), variable.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(weights[0][1].numpy(), start)  # it rested


@pytest.mark.parametrize("head", heads.HEADS)
def test_the_plain_way_follows_keras_s_own_fit(head):
    """Same order of batches, same masks: the losses of Keras's `fit` to rounding, in the first epochs."""
    settings, one = protocol_settings.load(SHORT), task(head)
    ready = train.prepare(one, settings)
    ready.model.compile(keras.optimizers.Adam(settings["learning_rate"]), loss="sparse_categorical_crossentropy")
    history = train.fit(one, settings).history
    for epoch in (1, 2, 3):
        rows = train.order(one.seed, epoch, len(ready.y))
        log = ready.model.fit(
            ready.X[rows], ready.y[rows], batch_size=settings["batch_size"], shuffle=False, verbose=0,
            validation_data=(ready.X_validation, ready.y_validation),
        )  # fmt: skip
        assert log.history["loss"][0] == pytest.approx(history["loss"][epoch - 1], rel=1e-3)
        assert log.history["val_loss"][0] == pytest.approx(history["val_loss"][epoch - 1], rel=1e-3)


@pytest.mark.parametrize(("kept", "epoch_kept"), [("best", 4), ("last", 7)])
def test_early_stopping_is_keras_s(kept, epoch_kept):
    losses = [3.0, 2.0, 2.0, 2.5, 1.5, 1.6, 1.7, 1.8, 1.0]
    callback = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=kept == "best")
    model = heads.build("fcn", 2, 2, protocol_settings.load())
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    ours = train.EarlyStopping(protocol_settings.load({"patience": 3, "kept_weights": kept}))
    for epoch, loss in enumerate(losses):
        weights = [torch.full((2,), float(epoch))]
        callback.on_epoch_end(epoch, {"val_loss": loss})
        over = ours.after(loss, weights)
        assert over == model.stop_training
        if over:
            break
    assert epoch == 7
    assert callback.best_epoch == 4
    assert ours.kept[0][0] == epoch_kept


def test_a_loss_that_is_not_finite_stops_the_run():
    bad = task()
    bad.X[3] = np.inf
    for fit in (engine.fit_one, lambda t, s: engine.fit_stack([t], s, "cpu")):
        with pytest.raises(train.TrainingError, match="not finite"):
            fit(bad, protocol_settings.load(SHORT + "scaling=none"))
