import numpy as np
import pytest
import torch

from crosscorpus.base import known_names, sound
from crosscorpus.embeddings import pack
from crosscorpus.models import model_registry
from crosscorpus.models.loaders import mfcc, speaker

SECONDS = [0.2, 0.7, 1.0, 1.0, 2.5, 30.0]
ORDER = [3, 5, 0, 2, 4, 1]


@pytest.fixture(scope="module")
def extractor():
    return mfcc.load(model_registry.get("mfcc"), None, "clip", "cpu", "float32")


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=round(s * sound.SAMPLE_RATE)).astype(np.float32) for s in SECONDS]


def test_a_batch_equals_batches_of_one_in_any_order(extractor, batch):
    single = np.concatenate([extractor.extract([w]) for w in batch])
    assert pack.difference(extractor.extract(batch), single) <= 1e-5
    assert pack.difference(extractor.extract([batch[i] for i in ORDER]), single[ORDER]) <= 1e-5


def test_embeddings_are_means_and_deviations_of_60_rows(extractor, batch):
    got = extractor.extract(batch[1:4])
    assert got.shape == (3, 120)
    assert got.dtype == np.float32
    features = speaker.speechbrain("lobes.features").MFCC(context=False)
    frames = features(torch.from_numpy(batch[2][None]))[0].numpy().astype(np.float64)
    assert frames.shape == (101, 60)
    np.testing.assert_allclose(got[1, :60], frames.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[1, 60:], frames.std(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 159, 160, 400])
def test_any_length_gives_a_finite_embedding(extractor, samples):
    assert np.isfinite(extractor.extract([np.full(samples, 0.01, dtype=np.float32)])).all()


def test_silence_does_not_vary(extractor):
    got = extractor.extract([np.zeros(16_000, dtype=np.float32)])
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[:, 60:], 0, atol=1e-4)


def test_nothing_in_it_is_learned(extractor, batch):
    assert (extractor.parameters, extractor.weights_dtype) == (0, "none")
    again = mfcc.load(model_registry.get("mfcc"), None, "clip", "cpu", "float32")
    np.testing.assert_array_equal(extractor.extract(batch), again.extract(batch))


def test_other_dtypes_are_refused():
    with pytest.raises(known_names.UnknownNameError, match="dtype of MFCC statistics 'bfloat16'"):
        mfcc.load(model_registry.get("mfcc"), None, "clip", "cpu", "bfloat16")
