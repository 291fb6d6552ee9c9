"""The extractors that run transformers: small networks of the same classes, and real weights where they are."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, WhisperConfig, WhisperFeatureExtractor, WhisperModel

from crosscorpus.base import known_names
from crosscorpus.embeddings import pack
from crosscorpus.models import loading, model_registry
from crosscorpus.models.loaders import wav2vec2, whisper
from tests.models.test_loading import waveforms

SECONDS = [0.2, 0.7, 1.0, 1.0, 2.5, 3.1, 11.0, 30.0]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SMALL |= {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
KINDS = {
    "wavlm-base": {},
    "unispeech-sat-base": {},
    "wav2vec2-base": {},
    "xls-r-300m": {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True},
}


def small(ptm):
    """A model of the registry with few and random weights."""
    model = model_registry.get(ptm)
    if ptm == "whisper-base":
        shape = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
        return dataclasses.replace(model, seed=0, parameters=None, architecture=shape)
    shape = {key: model.architecture[key] for key in ("class", "preprocessing")} | KINDS[ptm] | SMALL
    return dataclasses.replace(model, seed=0, parameters=None, architecture=shape)


MODELS = {ptm: small(ptm) for ptm in [*KINDS, "whisper-base"]}
INVARIANT = [(ptm, "clip") for ptm in KINDS] + [("whisper-base", p) for p in whisper.POOLINGS]


@pytest.fixture(scope="module")
def extractor():
    made = {}

    def get(ptm, pooling, dtype="float32"):
        if (ptm, pooling, dtype) not in made:
            made[ptm, pooling, dtype] = loading.loader(ptm).load(MODELS[ptm], None, pooling, "cpu", dtype)
        return made[ptm, pooling, dtype]

    return get


@pytest.mark.parametrize(("ptm", "pooling"), INVARIANT)
def test_a_batch_equals_batches_of_one(extractor, ptm, pooling):
    batch = waveforms(SECONDS)
    extract = extractor(ptm, pooling).extract
    single = np.concatenate([extract([w]) for w in batch])
    assert pack.difference(extract(batch), single) <= 1e-5
    order = np.random.default_rng(0).permutation(len(batch))
    assert pack.difference(extract([batch[i] for i in order]), single[order]) <= 1e-5


@pytest.mark.parametrize("ptm", KINDS)
def test_convolving_a_padded_batch_changes_nothing_either(ptm, monkeypatch):
    """What a GPU does: there the convolutions see the batch as a whole."""
    batch = waveforms(SECONDS[:6])
    plain = wav2vec2.load(MODELS[ptm], None, "clip", "cpu", "float32").extract
    monkeypatch.setattr(wav2vec2, "clip_by_clip", lambda device: False)
    together = wav2vec2.load(MODELS[ptm], None, "clip", "cpu", "float32").extract
    single = np.concatenate([plain([w]) for w in batch])
    assert pack.difference(together(batch), single) <= 1e-5


@pytest.mark.parametrize("ptm", KINDS)
def test_an_embedding_is_the_mean_of_transformers_own_states(extractor, ptm):
    """The plain way: stock network and preprocessing, one clip at a time."""
    model = MODELS[ptm]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = wav2vec2.build(model).eval()
    features = Wav2Vec2FeatureExtractor(**model.architecture["preprocessing"])
    batch = waveforms([0.2, 1.3, 2.5])
    plain = []
    for w in batch:
        inputs = features(w, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            plain.append(network(inputs.input_values).last_hidden_state.mean(dim=1).numpy())
    assert pack.difference(extractor(ptm, "clip").extract(batch), np.concatenate(plain)) <= 1e-5


@pytest.mark.parametrize("ptm", KINDS)
def test_padded_is_what_padding_does(extractor, ptm):
    batch = waveforms([0.5, 2.0])
    padded, clip = extractor(ptm, "padded").extract, extractor(ptm, "clip").extract
    assert pack.difference(padded(batch)[:1], clip(batch)[:1]) > 1e-2
    assert pack.difference(padded(batch[1:]), clip(batch[1:])) <= 1e-5  # nothing to pad
    assert pack.difference(padded(batch), np.concatenate([padded([w]) for w in batch])) > 1e-2


@pytest.mark.parametrize(("ptm", "pooling"), [*INVARIANT, ("wav2vec2-base", "padded")])
@pytest.mark.parametrize("samples", [1, 399, 400, 480_001])
def test_any_length_gives_a_finite_embedding(extractor, ptm, pooling, samples):
    got = extractor(ptm, pooling).extract([np.full(samples, 0.01, dtype=np.float32)])
    assert got.dtype == np.float32
    assert got.shape == (1, 16 if ptm == "whisper-base" else 32)
    assert np.isfinite(got).all()


@pytest.mark.parametrize(("ptm", "pooling"), INVARIANT)
def test_silence_gives_a_finite_embedding(extractor, ptm, pooling):
    assert np.isfinite(extractor(ptm, pooling).extract([np.zeros(16_000, dtype=np.float32)])).all()


@pytest.mark.parametrize("ptm", MODELS)
def test_bfloat16_is_near_and_not_equal(extractor, ptm):
    batch = waveforms([0.5, 2.0])
    exact, fast = extractor(ptm, "clip").extract(batch), extractor(ptm, "clip", "bfloat16").extract(batch)
    cosine = (exact * fast).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    assert fast.dtype == np.float32
    assert (cosine > 0.99).all()
    assert not np.array_equal(exact, fast)


@pytest.mark.parametrize("ptm", MODELS)
def test_the_same_seed_gives_the_same_network_and_another_does_not(ptm):
    batch = waveforms([0.5])
    load = loading.loader(ptm).load
    first, again = (load(MODELS[ptm], None, "clip", "cpu", "float32").extract(batch) for _ in range(2))
    other = load(dataclasses.replace(MODELS[ptm], seed=1), None, "clip", "cpu", "float32").extract(batch)
    np.testing.assert_array_equal(first, again)
    assert pack.difference(first, other) > 1e-2


# -- weights on disk ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["safetensors", "pickle"])
def saved(request, tmp_path_factory):
    """A folder as of a checkpoint on its hub, with weights in either format."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(5)
    network = wav2vec2.build(MODELS["wav2vec2-base"])
    network.save_pretrained(folder)
    if request.param == "pickle":
        (folder / "model.safetensors").unlink()
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def load_saved(folder, **changes):
    model = dataclasses.replace(MODELS["wav2vec2-base"], seed=None, **changes)
    return wav2vec2.load(model, folder, "clip", "cpu", "float32")


def test_weights_are_those_on_disk(saved):
    batch = waveforms([0.5, 1.5])
    torch.manual_seed(5)
    network = wav2vec2.build(MODELS["wav2vec2-base"]).eval()
    clip = (batch[0] - batch[0].mean()) / np.sqrt(batch[0].var() + 1e-7)
    with torch.inference_mode():
        plain = network(torch.from_numpy(clip[None])).last_hidden_state.mean(dim=1).numpy()
    got = load_saved(saved)
    assert got.weights_dtype == "float32"
    assert pack.difference(got.extract(batch)[:1], plain) <= 1e-5


def test_the_checkpoints_own_preprocessing_decides(saved):
    loud = [10 * waveforms([0.5])[0]]
    extract = load_saved(saved).extract
    assert pack.difference(extract(loud), extract([loud[0] / 10])) <= 1e-4


def test_the_listed_format_is_taken_where_both_are_there(saved, tmp_path):
    import shutil

    folder = shutil.copytree(saved, tmp_path / "both")
    torch.manual_seed(6)
    other = wav2vec2.build(MODELS["wav2vec2-base"])
    if (folder / "model.safetensors").exists():
        torch.save(other.state_dict(), folder / "pytorch_model.bin")
        listed = "model.safetensors"
    else:
        other.save_pretrained(folder)
        listed = "pytorch_model.bin"
    batch = waveforms([0.5])
    expected = load_saved(saved).extract(batch)
    assert pack.difference(load_saved(folder, files={"config.json": "", listed: ""}).extract(batch), expected) == 0


def test_a_tensor_that_is_missing_is_named(saved, tmp_path):
    network = wav2vec2.build(MODELS["wav2vec2-base"])
    state = network.state_dict()
    del state["encoder.layers.1.attention.q_proj.weight"]
    network.config.save_pretrained(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"lacks 1 of the network's tensors.*layers\.1\.attention\.q_proj"):
        load_saved(tmp_path)


def test_weights_of_another_size_are_refused(saved):
    with pytest.raises(ValueError, match=r"parameters where data/models\.yaml says 94371712"):
        load_saved(saved, parameters=94371712)


def test_an_empty_folder_says_what_it_must_hold(tmp_path):
    with pytest.raises(model_registry.NotAvailableError, match=r"must hold config\.json.*facebook/wav2vec2-base"):
        load_saved(tmp_path)


def test_a_pickle_that_would_run_code_is_refused(saved, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-run"), "w"))

    wav2vec2.build(MODELS["wav2vec2-base"]).config.save_pretrained(tmp_path)
    torch.save({"weight": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises((model_registry.NotAvailableError, pickle.UnpicklingError)):
        load_saved(tmp_path)
    assert not (tmp_path / "was-run").exists()


# -- Whisper ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (320, 1), (321, 2), (16_000, 50), (480_000, 1500)])
def test_frames_that_a_clip_covers(samples, frames):
    assert whisper.frame_count(samples) == frames


def test_poolings_agree_on_a_full_window_only(extractor):
    full, short = waveforms([30.0, 3.0])
    clip, window, exact = (extractor("whisper-base", p).extract for p in ("clip", "window", "exact"))
    assert pack.difference(clip([full]), window([full])) <= 1e-6
    assert pack.difference(clip([full]), exact([full])) <= 1e-4
    assert pack.difference(clip([short]), window([short])) > 1e-3
    assert pack.difference(clip([short]), exact([short])) > 1e-5


def test_clip_pooling_is_the_mean_over_covered_frames(extractor):
    wave = waveforms([1.234])[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = whisper.build(MODELS["whisper-base"]).eval()
    features = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        states = encoder(features.input_features).last_hidden_state[0].numpy()
    expected = states[: int(np.ceil(1.234 * 50))].mean(axis=0)
    assert pack.difference(extractor("whisper-base", "clip").extract([wave]), expected[None]) <= 1e-5


def test_exact_gives_the_encoder_the_clips_own_spectrogram(monkeypatch):
    """Columns of the clip's mel spectrogram are those of the padded window."""
    wave = waveforms([1.3])[0]
    seen = []
    encoder = whisper.build(MODELS["whisper-base"]).eval()
    run = whisper._exact(encoder, WhisperFeatureExtractor())
    original = encoder.conv1.forward
    monkeypatch.setattr(encoder.conv1, "forward", lambda x: (seen.append(x), original(x))[1])
    with torch.inference_mode():
        run([wave])
    whole = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt").input_features
    torch.testing.assert_close(seen[0], whole[:, :, : seen[0].shape[2]], rtol=1e-4, atol=1e-4)
    assert seen[0].shape[2] == 130


def test_the_encoder_of_a_whole_model_on_disk_is_taken(tmp_path):
    config = WhisperConfig(
        **MODELS["whisper-base"].architecture, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32,
        vocab_size=5, pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    whole = WhisperModel(config).eval()
    whole.half().save_pretrained(tmp_path)
    WhisperFeatureExtractor().save_pretrained(tmp_path)
    model = dataclasses.replace(MODELS["whisper-base"], seed=None)
    got = whisper.load(model, tmp_path, "clip", "cpu", "float32")
    assert got.weights_dtype == "float16"
    assert got.parameters == sum(p.numel() for p in whole.get_encoder().parameters())
    wave = waveforms([30.0])
    mels = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        expected = whole.float().get_encoder()(mels).last_hidden_state.mean(dim=1).numpy()
    assert pack.difference(got.extract(wave), expected) <= 1e-5


@pytest.mark.parametrize("pooling", whisper.POOLINGS)
def test_real_whisper_is_the_same_in_any_batch(mirror, pooling):
    folder = mirror / "weights" / "whisper-base"
    if not folder.is_dir():
        pytest.skip("the mirror has no weights/whisper-base")
    extract = loading.load("whisper-base", pooling, "cpu", folder).extract
    batch = waveforms([0.2, 2.5, 30.0])
    single = np.concatenate([extract([w]) for w in batch])
    assert pack.difference(extract(batch[::-1]), single[::-1]) <= 1e-5


def test_unknown_pooling_lists_the_known_ones():
    with pytest.raises(known_names.UnknownNameError, match="clip, padded, peak"):
        loading.load("wav2vec2-base-untrained", "window", "cpu")
