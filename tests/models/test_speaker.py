import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from crosscorpus.base import known_names, sound
from crosscorpus.embeddings import pack
from crosscorpus.models import model_registry
from crosscorpus.models.loaders import speaker
from tests import real_weights

SECONDS = [0.2, 0.7, 1.0, 1.0, 2.5, 30.0]
ORDER = [3, 5, 0, 2, 4, 1]
PARAMETERS = {"x-vector": 4_211_604, "ecapa-tdnn": 20_767_552}


def network(kind, n_mels):
    architecture = {"class": kind, "n_mels": n_mels}
    return speaker.build(dataclasses.replace(model_registry.get("x-vector"), architecture=architecture))


def untrained(ptm, pooling="clip", seed=0):
    return speaker.load(dataclasses.replace(model_registry.get(ptm), seed=seed), None, pooling, "cpu", "float32")


def speech(seconds, seed=0):
    """Something like speech: a gliding buzz, louder and softer four times a second, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * sound.SAMPLE_RATE))) / sound.SAMPLE_RATE
    phase = np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * time + seed)) / sound.SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 20))
    wave = 0.1 * buzz * (0.2 + np.sin(2 * np.pi * 4 * time + seed) ** 2) + rng.normal(scale=0.002, size=len(time))
    return wave.astype(np.float32)


def check_that_batches_do_not_matter(extractor, batch):
    single = np.concatenate([extractor.extract([w]) for w in batch])
    assert pack.difference(extractor.extract(batch), single) <= 1e-5
    assert pack.difference(extractor.extract([batch[i] for i in ORDER]), single[ORDER]) <= 1e-5
    same = [speech(1.0, seed) for seed in range(4)]
    single = np.concatenate([extractor.extract([w]) for w in same])
    assert pack.difference(extractor.extract(same), single) <= 1e-5


@pytest.fixture(scope="module")
def batch():
    return [speech(s, seed) for seed, s in enumerate(SECONDS)]


@pytest.fixture(scope="module", params=PARAMETERS)
def extractor(request):
    return request.param, untrained(request.param)


@pytest.fixture(scope="module")
def ecapa():
    try:
        return real_weights.ecapa()
    except model_registry.NotAvailableError as error:
        pytest.skip(str(error))


def test_a_batch_equals_batches_of_one_in_any_order(extractor, batch):
    check_that_batches_do_not_matter(extractor[1], batch)


def test_embeddings_are_float32_rows(extractor):
    ptm, loaded = extractor
    got = loaded.extract([speech(0.5), speech(1.0), speech(0.5, 1)])
    assert got.shape == (3, model_registry.get(ptm).dimension)
    assert got.dtype == np.float32


@pytest.mark.parametrize("samples", [1, 160, 479, 480, 639, 640, 641])
def test_any_length_gives_a_finite_embedding(extractor, samples):
    assert np.isfinite(extractor[1].extract([np.full(samples, 0.01, dtype=np.float32)])).all()


def test_silence_gives_a_finite_embedding(extractor):
    assert np.isfinite(extractor[1].extract([np.zeros(16_000, dtype=np.float32)])).all()


def test_facts(extractor):
    ptm, loaded = extractor
    assert loaded.parameters == PARAMETERS[ptm] == model_registry.get(ptm).parameters
    assert (loaded.weights_dtype, loaded.device) == ("float32", "cpu")


def test_a_seed_makes_the_weights_and_leaves_torchs_own_alone(extractor):
    ptm, loaded = extractor
    before = torch.random.get_rng_state()
    again, other = untrained(ptm), untrained(ptm, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    wave = [speech(0.5)]
    np.testing.assert_array_equal(loaded.extract(wave), again.extract(wave))
    assert pack.difference(loaded.extract(wave), other.extract(wave)) > 0.1


def test_an_x_vector_is_within_what_speechbrains_noise_makes_of_it():
    """The noise averages out: the mean of many noisy embeddings comes nearer to the one without."""
    model = dataclasses.replace(model_registry.get("x-vector"), seed=0)
    batch = torch.from_numpy(np.stack([speech(0.5)]))
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        noisy = speaker.speechbrain("lobes.models.Xvector").Xvector(in_channels=24).eval()
        features = speaker.speechbrain("lobes.features").Fbank(n_mels=24)(batch)
        normalise = speaker.speechbrain("processing.features").InputNormalization(
            norm_type="sentence", std_norm=False
        )
        many = torch.cat([noisy(normalise(features)) for _ in range(100)]).squeeze(1).numpy()
    still = speaker.load(model, None, "clip", "cpu", "float32").extract([speech(0.5)])
    assert 1e-5 < pack.difference(many[:1], still) < 1e-3
    assert pack.difference(many.mean(axis=0, keepdims=True), still) < pack.difference(many[:1], still) / 3


@pytest.mark.parametrize("ptm", PARAMETERS)
def test_padding_counts_in_padded_batches_only(ptm):
    clip, padded = untrained(ptm), untrained(ptm, "padded")
    batch = [speech(0.5), speech(0.003, 1), speech(1.0, 2)]
    got = padded.extract(batch)
    assert np.isfinite(got).all()
    longest = [2]
    np.testing.assert_allclose(got[longest], clip.extract(batch)[longest], rtol=1e-3, atol=1e-5)
    assert pack.difference(got[:1], clip.extract(batch)[:1]) > 1e-3
    zeros = np.pad(batch[0], (0, len(batch[2]) - len(batch[0])))
    assert pack.difference(got[:1], clip.extract([zeros])) <= 1e-5


@pytest.mark.parametrize("first", ["transformers", "speaker"])
def test_speechbrain_and_transformers_go_together(first):
    """Also where torchaudio is not installed; and nothing is said about it."""
    steps = {
        "transformers": "from transformers import WavLMModel",
        "speaker": "from crosscorpus.models import loading; loading.load('x-vector-untrained')",
    }
    order = sorted(steps, key=lambda name: name != first)
    check = "import sys; assert 'torchaudio' not in sys.modules or sys.modules['torchaudio'].__spec__"
    code = "\n".join([steps[order[0]], steps[order[1]], check])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "torchaudio" not in run.stderr


def test_a_real_torchaudio_stays(monkeypatch):
    real = type(sys)("torchaudio")
    monkeypatch.setitem(sys.modules, "torchaudio", real)
    speaker.speechbrain("lobes.features")
    assert sys.modules["torchaudio"] is real


def test_a_torchaudio_that_does_not_load_is_as_none(tmp_path, monkeypatch):
    (tmp_path / "torchaudio.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    assert speaker.speechbrain("lobes.features").Fbank
    assert "torchaudio" not in sys.modules


def test_missing_weights_say_what_is_needed(tmp_path):
    with pytest.raises(
        model_registry.NotAvailableError, match=r"x-vector: .*embedding_model\.ckpt is not there.*xvect"
    ):
        speaker.load(model_registry.get("x-vector"), tmp_path, "clip", "cpu", "float32")


def test_weights_of_another_network_say_so(tmp_path):
    torch.save(network("Xvector", 40).state_dict(), tmp_path / "embedding_model.ckpt")
    with pytest.raises(ValueError, match=r"does not hold the weights of a Xvector with 24 mel bands"):
        speaker.load(model_registry.get("x-vector"), tmp_path, "clip", "cpu", "float32")


def test_stored_weights_are_the_ones_that_run(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        torch.save(network("Xvector", 24).state_dict(), tmp_path / "embedding_model.ckpt")
    stored = speaker.load(model_registry.get("x-vector"), tmp_path, "clip", "cpu", "float32")
    np.testing.assert_array_equal(
        stored.extract([speech(0.5)]), untrained("x-vector", seed=5).extract([speech(0.5)])
    )


def test_other_dtypes_are_refused():
    with pytest.raises(known_names.UnknownNameError, match="dtype of x-vector 'bfloat16'"):
        speaker.load(dataclasses.replace(model_registry.get("x-vector"), seed=0), None, "clip", "cpu", "bfloat16")


def test_an_unknown_class_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="Xvector, ECAPA_TDNN"):
        network("Xvectors", 24)


def test_real_ecapa_is_the_same_in_any_batch(ecapa, batch):
    loaded = speaker.load(model_registry.get("ecapa-tdnn"), ecapa, "clip", "cpu", "float32")
    assert loaded.parameters == PARAMETERS["ecapa-tdnn"]
    check_that_batches_do_not_matter(loaded, batch)


def test_real_ecapa_is_speechbrains(ecapa, tmp_path):
    """The published hyperparams.yaml is run here, after its checksum was compared."""
    official = speaker.speechbrain("inference.classifiers").EncoderClassifier.from_hparams(
        str(ecapa), savedir=str(tmp_path), overrides={"pretrained_path": str(ecapa)}
    )
    waves = [speech(s, seed) for seed, s in enumerate([0.2, 1.0, 2.8])]
    expected = np.concatenate([official.encode_batch(torch.from_numpy(w)).squeeze(1).numpy() for w in waves])
    loaded = speaker.load(model_registry.get("ecapa-tdnn"), ecapa, "clip", "cpu", "float32")
    assert pack.difference(loaded.extract(waves), expected) <= 1e-5
