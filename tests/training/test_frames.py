"""Heads on frames: the engine against the plain loop, reading by slice, and what the loop alone can train."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch

from crosscorpus.protocols import known_protocols
from crosscorpus.protocols.protocol_parts import FrameHead
from crosscorpus.training import adam, frame_engine, frame_heads, frame_inputs, frame_loop

N, DIM, CLASSES = 90, 24, 4


def made(apart=0.6, seed=0, dtype=np.float16):
    """Synthetic utterances of 1 to 40 frames with a centre for each class."""
    rng = np.random.default_rng(seed)
    counts, y = rng.integers(1, 40, N), rng.integers(0, CLASSES, N)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    centres = rng.normal(size=(CLASSES, DIM)) * apart
    vectors = rng.normal(size=(offsets[-1], DIM)) + 3 + np.repeat(centres[y], counts, axis=0)
    return frame_inputs.Ragged(offsets, vectors.astype(dtype)), y


def tasks(frames, y, name, overrides, seed=1):
    protocol = known_protocols.load(name, overrides)
    training = np.arange(60)
    scaling = frame_inputs.scaling(frames, protocol.representation.normalisation, training)
    sets = {"validation": np.arange(60, 75), "test": np.arange(75, 90)}
    watched = {name: frame_heads.Watched(frames, scaling, y, rows) for name, rows in sets.items()}
    return [
        frame_heads.Task(v.head, v.recipe, frames, scaling, y, training, watched, CLASSES, seed)
        for v in protocol.sweep
    ]


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("emobox", {"epochs": 5, "learning_rates": [0.01, 0.001], "widths": [8, 16]}),
        ("emobox", {"epochs": 5, "normalisation": "training part", "schedule": "meant", "warm_up": 1}),
        ("serevals", {"epochs": 5, "width": 16, "learning_rate": 0.01}),
        ("serevals", {"epochs": 5, "width": 16, "layers": 2, "learning_rate": 0.01, "batch_size": 7}),
    ],
)
def test_the_engine_has_the_results_of_the_plain_loop(name, overrides):
    frames, y = made()
    some = tasks(frames, y, name, overrides)
    for fast, plain in zip(frame_engine.fit_many(some), map(frame_loop.fit, some), strict=True):
        assert (fast.way, plain.way) == ("engine", "plain loop")
        assert np.allclose(fast.history, plain.history, atol=1e-4)
        for selection in ("validation", "test", "last"):
            logits = [
                module.predict(fitted, selection, frames, some[0].scaling, np.arange(N))
                for module, fitted in ((frame_engine, fast), (frame_loop, plain))
            ]
            assert np.allclose(*logits, atol=1e-3)
            assert (logits[0].argmax(axis=1) == logits[1].argmax(axis=1)).mean() >= 0.999


def test_side_by_side_is_one_after_the_other(tmp_path):
    frames, y = made()
    np.save(tmp_path / "frames.npy", frames.vectors)
    mapped = frame_inputs.Ragged(frames.offsets, np.load(tmp_path / "frames.npy", mmap_mode="r"))
    some = [t for seed in (0, 1) for t in tasks(mapped, y, "emobox", {"epochs": 2, "widths": [8]}, seed)]
    for one, other in zip(frame_engine.fit_many(some, workers=2), frame_engine.fit_many(some), strict=True):
        assert (one.history == other.history).all(axis=None)
        assert all((a == b).all() for a, b in zip(one.weights["last"], other.weights["last"], strict=True))


def test_trainings_on_the_same_batches_do_not_change_each_other():
    frames, y = made()
    some = tasks(frames, y, "emobox", {"epochs": 3, "widths": [8, 16]})
    for alone, together in zip(
        (frame_engine.fit_stack([t])[0] for t in some), frame_engine.fit_stack(some), strict=True
    ):
        assert np.allclose(alone.history, together.history, atol=1e-5)


def test_what_is_separable_is_learned_and_shuffled_labels_are_not():
    frames, y = made(apart=2.0)
    quick = {"epochs": 20, "learning_rates": [0.03], "widths": [32]}
    learned = frame_engine.fit_many(tasks(frames, y, "emobox", quick))[0]
    assert learned.history["test_accuracy"].iloc[-1] == 1
    shuffled = np.random.default_rng(0).permutation(y)
    found = [
        frame_engine.fit_many(tasks(frames, shuffled, "emobox", {"epochs": 3, "widths": [32]}, seed))[0]
        for seed in range(5)
    ]
    assert np.mean([one.history["test_accuracy"].iloc[-1] for one in found]) < 0.6


def test_the_best_epoch_is_kept_by_each_watched_set():
    frames, y = made(apart=0.3)
    (task,) = tasks(frames, y, "emobox", {"epochs": 8, "widths": [16], "learning_rates": [0.03]})
    fitted = frame_engine.fit_stack([task])[0]
    for name, some in task.watched.items():
        logits = frame_engine.predict(fitted, name, frames, task.scaling, some.rows)
        accuracy = (logits.argmax(axis=1) == y[some.rows]).mean()
        assert accuracy == pytest.approx(fitted.history[f"{name}_accuracy"].max())


def test_another_corpus_can_be_watched():
    frames, y = made(apart=2.0)
    other = frame_inputs.Ragged(frames.offsets[:31], frames.vectors)
    (task,) = tasks(frames, y, "emobox", {"epochs": 8, "widths": [16], "learning_rates": [0.03]})
    turned = frame_heads.Watched(other, task.scaling, (y[:30] + 1) % CLASSES, np.arange(30))
    task = dataclasses.replace(task, watched=task.watched | {frame_heads.tested_on("other"): turned})
    for fitted in (frame_engine.fit_stack([task])[0], frame_loop.fit(task)):
        curve = fitted.history["test other_accuracy"]
        assert fitted.history["test_accuracy"].iloc[-1] == 1
        assert curve.iloc[-1] == 0  # its labels are others, so what is learned here is wrong there
        logits = frame_engine.predict(fitted, "test other", other, task.scaling, turned.rows)
        assert (logits.argmax(axis=1) == turned.y).mean() == pytest.approx(curve.max())


def test_layer_normalisation_is_over_time_and_dimensions_together():
    frames, _ = made(dtype=np.float32)
    scaling = frame_inputs.scaling(frames, "utterance", np.arange(60))
    for row in (0, 17):
        X, counts = frames.batch([row])
        expected = torch.nn.functional.layer_norm(X, X.shape)
        assert torch.allclose(scaling.apply(X, np.array([row]), counts), expected, atol=1e-5)


def test_scaling_by_the_training_part_sees_no_other():
    frames, _ = made(dtype=np.float32)
    scaling = frame_inputs.scaling(frames, "training part", np.arange(60))
    X = frames.vectors[: frames.offsets[60]]
    assert np.allclose(scaling.shift, X.mean(axis=0), atol=1e-4)
    assert np.allclose(1 / scaling.factor, X.std(axis=0), atol=1e-4)
    frames.vectors[frames.offsets[60] :] = 1e6
    again = frame_inputs.scaling(frames, "training part", np.arange(60))
    assert torch.equal(scaling.shift, again.shift)


def test_another_process_opens_the_file(tmp_path):
    frames, _ = made()
    np.save(tmp_path / "frames.npy", frames.vectors)
    mapped = frame_inputs.Ragged(frames.offsets, np.load(tmp_path / "frames.npy", mmap_mode="r"))
    sent = pickle.dumps(mapped)
    assert len(sent) < frames.offsets.nbytes + 2000
    assert torch.equal(pickle.loads(sent).batch([3, 1])[0], frames.batch([3, 1])[0])
    assert torch.equal(pickle.loads(pickle.dumps(frames)).batch([5])[0], frames.batch([5])[0])


def test_chunks_are_in_order_and_whole(monkeypatch):
    monkeypatch.setattr(frame_inputs, "CHUNK", 64)
    frames, _ = made()
    rows = np.random.default_rng(0).permutation(N)
    chunks = list(frames.chunks(rows))
    assert np.concatenate(chunks).tolist() == rows.tolist()
    assert len(chunks) > 10


def test_a_clip_is_an_utterance_of_one_frame():
    vectors = np.random.default_rng(0).normal(size=(5, DIM)).astype(np.float32)
    X, counts = frame_inputs.Ragged.of_clips(vectors).batch([4, 2])
    assert (X.numpy() == vectors[[4, 2]]).all()
    assert counts.tolist() == [1, 1]


class Recurrent(torch.nn.Module):
    """A head that the engine has no rules for."""

    def __init__(self, dim, n_classes):
        super().__init__()
        self.gru = torch.nn.GRU(dim, 12, batch_first=True)
        self.out = torch.nn.Linear(12, n_classes)

    def forward(self, X, valid):
        return self.out((self.gru(X)[0] * valid[..., None]).sum(dim=1) / valid.sum(dim=1)[:, None])


def test_another_head_is_trained_by_the_plain_loop_and_says_so():
    frames, y = made(apart=2.0)
    (task,) = tasks(frames, y, "emobox", {"epochs": 12, "widths": [8], "learning_rates": [0.01]})
    task = frame_heads.Task(Recurrent, *(getattr(task, name) for name in list(task.__dataclass_fields__)[1:]))
    (fitted,) = frame_engine.fit_many([task])
    assert fitted.way == "plain loop"
    assert fitted.history["test_accuracy"].max() > 0.9
    rows = task.watched["test"].rows
    logits = frame_engine.predict(fitted, "last", frames, task.scaling, rows)
    accuracy = (logits.argmax(axis=1) == y[rows]).mean()
    assert accuracy == pytest.approx(fitted.history["test_accuracy"].iloc[-1])
    with pytest.raises(TypeError, match="no rules for a head that is a type"):
        frame_engine.fit_stack([task])


def test_a_loss_that_is_no_number_is_an_error():
    frames, y = made()
    frames.vectors[0] = np.nan
    with pytest.raises(RuntimeError, match="not finite"):
        frame_engine.fit_many(tasks(frames, y, "serevals", {"epochs": 1, "width": 8}))


def test_first_weights_are_drawn_as_torch_draws_them():
    weights = frame_heads.first_weights(FrameHead((16, 8), "gelu", True), DIM, CLASSES, 0)
    assert [tuple(w.shape) for w in weights] == [
        (16, DIM), (16,), (16,), (16,), (8, 16), (8,), (8,), (8,), (CLASSES, 8), (CLASSES,)
    ]  # fmt: skip
    assert weights[0].abs().max() <= DIM**-0.5
    assert len(weights) == frame_heads.n_weights(FrameHead((16, 8), "gelu", True))


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_is_torch_s_to_the_last_bit(decoupled):
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = torch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
    ours = theirs.detach().clone().requires_grad_()
    of_torch = kind([theirs], lr=0.0, weight_decay=0.1, fused=True)
    own = adam.Adam([ours], weight_decay=0.1, decoupled=decoupled)
    for rate, beta, scale in ((0.01, 0.9, 1.0), (0.02, 0.85, 1e-6), (0.005, 0.95, 3.0)):
        for group in of_torch.param_groups:
            group["lr"], group["betas"] = rate, (beta, 0.999)
        theirs.grad = scale * torch.arange(12.0).reshape(3, 4)
        ours.grad = theirs.grad.clone()
        of_torch.step()
        own.step(rate, beta)
    assert torch.equal(ours, theirs)
    theirs.grad, ours.grad = torch.full((3, 4), 2.0), torch.full((3, 4), 2.0)
    torch.nn.utils.clip_grad_norm_([theirs], 0.5)
    of_torch.step()
    own.step(rate, beta, largest=0.5)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_dropout_drops_its_share():
    head = FrameHead(widths=(64,), activation="relu", layer_norm=False, dropout=0.1, averages="hidden")
    kept = frame_heads.kept(head, 3, 5, 0, 4001)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert abs(float(kept.mean()) - 0.9) < 0.003
    assert torch.equal(kept, frame_heads.kept(head, 3, 5, 0, 4001))
    assert not torch.equal(kept, frame_heads.kept(head, 3, 6, 0, 4001))
