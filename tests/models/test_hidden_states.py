"""Layers of the extractors that run transformers, on small networks with random weights."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from crosscorpus.base import known_names
from crosscorpus.embeddings import pack
from crosscorpus.models import hidden_states, loading, model_registry
from tests.models import test_models_of_benchmarks as others
from tests.models.test_loading import waveforms
from tests.models.test_transformers import MODELS

SECONDS = [0.02, 0.2, 0.7, 1.0, 1.0, 2.5, 31.0]
CASES = [(ptm, "clip") for ptm in MODELS] + [("whisper-base", "window"), ("whisper-base", "exact")]
CLIPS = waveforms(SECONDS)


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(model_registry, "registry", lambda: MODELS)


@pytest.fixture(scope="module")
def made():
    """Extractors by model and pooling, each with the vectors of all layers of `CLIPS`."""
    kept = {}

    def get(ptm, pooling):
        if (ptm, pooling) not in kept:
            extractor = loading.loader(ptm).load(MODELS[ptm], None, pooling, "cpu", "float32")
            kept[ptm, pooling] = extractor, hidden_states.pooled(ptm, extractor, CLIPS)
        return kept[ptm, pooling]

    return get


@pytest.mark.parametrize(("ptm", "pooling"), CASES)
def test_the_last_layer_is_the_embedding(made, ptm, pooling):
    extractor, vectors = made(ptm, pooling)
    assert vectors.dtype == np.float32
    assert vectors.shape[:2] == (len(CLIPS), 3)  # two layers, and what goes into the first
    assert pack.difference(vectors[:, -1], extractor.extract(CLIPS)) <= 1e-6


@pytest.mark.parametrize(("ptm", "pooling"), CASES)
def test_no_layer_depends_on_what_else_is_in_the_batch(made, ptm, pooling):
    extractor, vectors = made(ptm, pooling)
    alone = np.concatenate([hidden_states.pooled(ptm, extractor, [clip]) for clip in CLIPS])
    for layer in range(vectors.shape[1]):
        assert pack.difference(vectors[:, layer], alone[:, layer]) <= 1e-5


@pytest.mark.parametrize("layer", ["last", "0", "1", "mean"])
@pytest.mark.parametrize(("ptm", "pooling"), CASES)
def test_the_mean_of_frames_is_the_layer(made, ptm, pooling, layer):
    extractor, vectors = made(ptm, pooling)
    frames = hidden_states.frames(ptm, extractor, CLIPS, layer)
    alone = [hidden_states.frames(ptm, extractor, [clip], layer)[0] for clip in CLIPS]
    for one, other in zip(frames, alone, strict=True):
        assert np.linalg.norm(one - other) <= 1e-5 * np.linalg.norm(other)
    means = np.stack([one.mean(axis=0, dtype=np.float64) for one in frames])
    assert pack.difference(means, hidden_states.chosen(vectors, layer)) <= 1e-5


@pytest.mark.parametrize("ptm", MODELS)
def test_layers_are_those_that_transformers_counts(ptm):
    """Its own hidden states, of one clip in a batch of its own, are the reference."""
    extractor = loading.loader(ptm).load(MODELS[ptm], None, "clip", "cpu", "float32")
    clip = waveforms([30.0] if ptm == "whisper-base" else [1.3])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(MODELS[ptm].seed)
        network = loading.loader(ptm).build(MODELS[ptm]).eval()
    if isinstance(network, WhisperEncoder):
        from transformers import WhisperFeatureExtractor

        given = WhisperFeatureExtractor()(clip, sampling_rate=16_000, return_tensors="pt").input_features
    else:
        normalise = MODELS[ptm].architecture["preprocessing"]["do_normalize"]
        given = torch.from_numpy(loading.loader(ptm).prepare(clip[0], normalise))[None]
    with torch.inference_mode():
        out = network(given, output_hidden_states=True)
    expected = [*out.hidden_states[:-1], out.last_hidden_state]
    ours = extractor.states(clip, range(len(expected)), False)[0]
    assert len(expected) == hidden_states.count(ptm) + 1
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.linalg.norm(mine - theirs[0].numpy()) <= 1e-5 * np.linalg.norm(theirs[0].numpy())


def test_peak_scales_layers_too(monkeypatch):
    peak = loading.load("whisper-base", "peak", "cpu", _folder(monkeypatch))
    plain = loading.load("whisper-base", "clip", "cpu", _folder(monkeypatch))
    quiet = [0.01 * clip for clip in CLIPS[2:4]]
    loud = [clip / np.abs(clip).max() for clip in quiet]
    scaled, expected = (hidden_states.pooled("whisper-base", e, w) for e, w in ((peak, quiet), (plain, loud)))
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


def _folder(monkeypatch):
    untrained = dataclasses.replace(MODELS["whisper-base"], home="none")
    monkeypatch.setattr(model_registry, "registry", lambda: {"whisper-base": untrained})


def test_names_of_layers():
    assert hidden_states.names("whisper-base") == ["last", "mean", "0", "1", "2"]
    assert [hidden_states.name("whisper-base", layer) for layer in ("last", 2, "2", 0, "mean")] == [
        *("last", "last", "last", "0", "mean")
    ]


def test_an_unknown_layer_is_refused_with_those_there_are():
    for wrong in (3, "-1", "first", "1.0"):
        with pytest.raises(known_names.UnknownNameError, match=r"layer of Whisper.*last, mean, 0, 1, 2"):
            hidden_states.name("whisper-base", wrong)


def test_a_model_without_layers_says_so(monkeypatch):
    monkeypatch.undo()
    assert hidden_states.names("mfcc") == ["last"]
    assert {m for m in model_registry.registry() if hidden_states.count(m)} >= {"whisper-base", "wavlm-base"}
    assert hidden_states.count("mms-1b") == 48
    extractor = loading.load("mfcc", device="cpu")
    with pytest.raises(model_registry.NotAvailableError, match=r"MFCC.*no layers"):
        hidden_states.pooled("mfcc", extractor, CLIPS)


# -- the models of other benchmarks ---------------------------------------------------------------------------

LAYERED = [ptm for ptm in others.RUN if others.THEIRS[ptm].loader != "clap"]


@pytest.mark.parametrize("ptm", others.RUN)
def test_the_registry_and_the_loader_agree_on_the_number_of_layers(ptm, monkeypatch):
    monkeypatch.undo()
    assert hidden_states.count(ptm) == (others.THEIRS[ptm].layers if ptm in LAYERED else 0)


@pytest.mark.parametrize("ptm", LAYERED)
def test_models_of_other_benchmarks_have_layers_that_do_not_depend_on_the_batch(ptm, monkeypatch):
    monkeypatch.undo()
    model, clips = others.small(ptm), CLIPS[1:6]
    monkeypatch.setattr(model_registry, "registry", lambda: {ptm: model})
    extractor = loading.loader(ptm).load(model, None, "clip", "cpu", "float32")
    vectors = hidden_states.pooled(ptm, extractor, clips)
    assert vectors.shape[1] == 3
    assert pack.difference(vectors[:, -1], extractor.extract(clips)) <= 1e-6
    alone = np.concatenate([hidden_states.pooled(ptm, extractor, [clip]) for clip in clips])
    for layer, name in enumerate(("0", "1", "last")):
        assert pack.difference(vectors[:, layer], alone[:, layer]) <= 1e-5
        means = [one.mean(axis=0) for one in hidden_states.frames(ptm, extractor, clips, name)]
        assert pack.difference(np.stack(means), vectors[:, layer]) <= 1e-5
