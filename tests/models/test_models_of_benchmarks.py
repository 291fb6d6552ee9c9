"""The models of other benchmarks: each as a small network with random weights, and what only some of them do."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import transformers
from transformers import Wav2Vec2FeatureExtractor

from crosscorpus.embeddings import availability, downloads, pack
from crosscorpus.models import hidden_states, loading, model_registry
from crosscorpus.models.loaders import clap, data2vec, transformer, w2v_bert, wav2vec2, whisper
from tests.models.test_loading import waveforms

SECONDS = [0.03, 0.2, 0.7, 1.0, 1.0, 2.5, 11.0]
FILE = "data/models_of_benchmarks.yaml"
THEIRS = {key: model for key, model in model_registry.registry().items() if model.file == FILE}
RUN = [key for key, model in THEIRS.items() if model.loader != "elsewhere"]
NOT_RUN = [key for key in THEIRS if key not in RUN]
SMALL = {
    "wav2vec2": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
        "conv_dim": [16] * 7, "num_conv_pos_embedding_groups": 4,
    },
    "w2v_bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "whisper": {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32},
    "clap": {
        "patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 1, 2, 1],
        "num_attention_heads": [1, 1, 2, 2],
    },
}  # fmt: skip


def small(ptm):
    """A model of the registry, with few and random weights, and all that its architecture has otherwise."""
    model = model_registry.get(ptm)
    shape = dict(model.architecture) | SMALL[model.loader]
    if model.loader == "wav2vec2" and "Data2Vec" not in shape["class"]:
        shape["num_conv_pos_embeddings"] = 16
    return dataclasses.replace(model, seed=0, parameters=None, architecture=shape)


@pytest.fixture(scope="module")
def extractor():
    made = {}

    def get(ptm, dtype="float32"):
        if (ptm, dtype) not in made:
            made[ptm, dtype] = loading.loader(ptm).load(small(ptm), None, "clip", "cpu", dtype)
        return made[ptm, dtype]

    return get


def test_eighteen_are_run_and_five_are_not():
    assert (len(RUN), len(NOT_RUN)) == (18, 5)


@pytest.mark.parametrize("ptm", RUN)
def test_a_batch_of_unlike_lengths_equals_batches_of_one(extractor, ptm):
    batch = waveforms(SECONDS)
    extract = extractor(ptm).extract
    alone = np.concatenate([extract([w]) for w in batch])
    assert alone.dtype == np.float32
    assert alone.shape == (len(batch), {"clap": 64, "whisper": 16}.get(model_registry.get(ptm).loader, 32))
    assert pack.difference(extract(batch), alone) <= 1e-5
    order = np.random.default_rng(0).permutation(len(batch))
    assert pack.difference(extract([batch[i] for i in order]), alone[order]) <= 1e-5
    assert min(np.linalg.norm(a - b) for a, b in itertools.pairwise(alone)) > 1e-3  # not all one vector


@pytest.mark.parametrize("ptm", [key for key in RUN if model_registry.get(key).loader == "wav2vec2"])
def test_convolving_a_padded_batch_changes_nothing_either(ptm, monkeypatch):
    batch = waveforms(SECONDS[:6])
    plain = wav2vec2.load(small(ptm), None, "clip", "cpu", "float32").extract
    monkeypatch.setattr(wav2vec2, "clip_by_clip", lambda device: False)
    together = wav2vec2.load(small(ptm), None, "clip", "cpu", "float32").extract
    assert pack.difference(together(batch), np.concatenate([plain([w]) for w in batch])) <= 1e-5


@pytest.mark.parametrize("ptm", RUN)
def test_the_same_seed_gives_the_same_embeddings_and_another_does_not(extractor, ptm):
    batch = waveforms([0.5])
    load = loading.loader(ptm).load
    first = extractor(ptm).extract(batch)
    np.testing.assert_array_equal(first, extractor(ptm).extract(batch))
    np.testing.assert_array_equal(first, load(small(ptm), None, "clip", "cpu", "float32").extract(batch))
    other = load(dataclasses.replace(small(ptm), seed=1), None, "clip", "cpu", "float32").extract(batch)
    assert pack.difference(first, other) > 1e-3


@pytest.mark.parametrize("ptm", RUN)
@pytest.mark.parametrize("samples", [1, 399, 560, 480_001])
def test_any_length_and_silence_give_finite_embeddings(extractor, ptm, samples):
    for level in (0.01, 0.0):
        assert np.isfinite(extractor(ptm).extract([np.full(samples, level, dtype=np.float32)])).all()


@pytest.mark.parametrize("ptm", RUN)
def test_half_precision_is_near_and_not_equal(extractor, ptm):
    batch = waveforms([0.5, 2.0])
    exact, fast = extractor(ptm).extract(batch), extractor(ptm, "bfloat16").extract(batch)
    cosine = (exact * fast).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    assert (cosine > 0.99).all()
    assert not np.array_equal(exact, fast)


# -- layers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ptm", ["hubert-base", "data2vec-base", "wavlm-large", "w2v-bert-2"])
def test_layers_are_those_that_transformers_counts(extractor, ptm):
    clip = waveforms([1.31])[0]
    if ptm == "w2v-bert-2":
        features = transformers.SeamlessM4TFeatureExtractor(padding_value=1)
        given = features(clip, sampling_rate=16_000, return_tensors="pt").input_features
        given = given[:, :-1]  # the last frame is half of one
    else:
        normalise = small(ptm).architecture["preprocessing"]["do_normalize"]
        given = torch.from_numpy(wav2vec2.prepare(clip, normalise))[None]
    with torch.inference_mode():
        out = built(ptm)(given, output_hidden_states=True)
    expected = [*out.hidden_states[:-1], out.last_hidden_state]
    ours = extractor(ptm).states([clip], range(3), False)[0]
    assert len(expected) == 3
    for mine, theirs in zip(ours, expected, strict=True):
        assert pack.difference(mine, theirs[0].numpy()) <= 1e-5


def test_clap_has_stages_of_several_sizes_and_so_no_layers(extractor):
    assert hidden_states.names("clap") == ["last"]
    assert extractor("clap").states is None


# -- beside transformers' own way, one clip at a time ----------------------------------------------------------


def built(ptm):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return loading.loader(ptm).build(small(ptm)).eval()


@pytest.mark.parametrize(
    "ptm", ["hubert-base", "hubert-large", "wavlm-large", "data2vec-base", "wav2vec2-audeering"]
)
def test_the_wav2vec2_kin_are_as_transformers_has_them(extractor, ptm):
    features = Wav2Vec2FeatureExtractor(**small(ptm).architecture["preprocessing"])
    network, batch, plain = built(ptm), waveforms([0.2, 1.3, 2.5]), []
    for w in batch:
        with torch.inference_mode():
            inputs = features(w, sampling_rate=16_000, return_tensors="pt").input_values
            plain.append(network(inputs).last_hidden_state.mean(dim=1).numpy())
    assert pack.difference(extractor(ptm).extract(batch), np.concatenate(plain)) <= 1e-5


def test_w2v_bert_is_as_transformers_has_it(extractor):
    features = transformers.SeamlessM4TFeatureExtractor(padding_value=1)
    network, batch, plain = built("w2v-bert-2"), waveforms([0.2, 0.31, 1.3]), []
    for w in batch:
        inputs = features(w, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            states = network(**inputs).last_hidden_state[0, inputs.attention_mask[0].bool()]
        plain.append(states.mean(dim=0, keepdim=True).numpy())
    assert pack.difference(extractor("w2v-bert-2").extract(batch), np.concatenate(plain)) <= 1e-5


def test_clap_is_as_transformers_has_it_and_a_long_clip_is_its_windows(extractor):
    import soxr

    clip = waveforms([1.3])[0]
    features = transformers.ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    fine = soxr.resample(clip, 16_000, 48_000, quality="HQ")
    picture = features(fine, sampling_rate=48_000, return_tensors="pt").input_features
    with torch.inference_mode():
        plain = built("clap")(picture).pooler_output.numpy()
    extract = extractor("clap").extract
    assert pack.difference(extract([clip]), plain) <= 1e-5
    long = waveforms([25.0])[0]
    parts = extract([long[:160_000], long[160_000:320_000], long[320_000:]])
    assert pack.difference(extract([long]), np.average(parts, axis=0, weights=[10, 10, 5])[None]) <= 1e-5


def test_without_the_zeros_between_data2vecs_convolutions_padding_is_heard(monkeypatch):
    """What the loader is for: transformers' own positions give a clip in a batch another embedding."""
    batch = waveforms([0.5, 2.0])

    def own(embedding, states):
        x = states.transpose(1, 2)
        for layer in embedding.layers:
            x = layer(x)
        return x.transpose(1, 2)

    monkeypatch.setattr(data2vec, "positions", own)
    extract = wav2vec2.load(small("data2vec-base"), None, "clip", "cpu", "float32").extract
    assert pack.difference(extract(batch)[:1], extract(batch[:1])) > 1e-4


# -- weights on disk -------------------------------------------------------------------------------------------


def test_of_a_whole_whisper_the_encoder_alone_is_read_and_in_half_where_asked(tmp_path, caplog):
    shape = small("whisper-large-v3").architecture | {"decoder_layers": 1, "decoder_attention_heads": 2}
    tokens = {
        "vocab_size": 5,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "decoder_start_token_id": 0,
    }
    config = transformers.WhisperConfig(**shape, **tokens, decoder_ffn_dim=32, suppress_tokens=None)
    whole = transformers.WhisperForConditionalGeneration(config).eval()
    whole.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor(feature_size=128).save_pretrained(tmp_path)
    model = dataclasses.replace(small("whisper-large-v3"), seed=None)
    read = {
        d: transformer.load(model, tmp_path, whisper._encoder_of, lambda: None, d) for d in ("float32", "bfloat16")
    }
    for dtype, (encoder, stored) in read.items():
        assert stored == "float32"
        assert {str(p.dtype) for p in encoder.parameters()} == {f"torch.{dtype}"}
        assert not any("decoder" in name for name, _ in encoder.named_parameters())
    for name, value in whole.get_encoder().state_dict().items():
        assert torch.equal(read["float32"][0].state_dict()[name], value)
        assert torch.equal(read["bfloat16"][0].state_dict()[name], value.bfloat16())
    assert "decoder" not in caplog.text
    got = whisper.load(model, tmp_path, "clip", "cpu", "bfloat16")
    assert (got.weights_dtype, got.extract(waveforms([0.5])).shape) == ("float32", (1, 16))


@pytest.mark.parametrize("pickled", [False, True])
def test_of_a_whole_clap_the_audio_encoder_alone_is_read(tmp_path, pickled):
    texts = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 9,
    }
    config = transformers.ClapConfig(text_config=texts, audio_config=small("clap").architecture)
    whole = transformers.ClapModel(config).eval()
    whole.save_pretrained(tmp_path)
    if pickled:
        (tmp_path / "model.safetensors").unlink()
        torch.save(whole.state_dict(), tmp_path / "pytorch_model.bin")
    transformers.ClapFeatureExtractor().save_pretrained(tmp_path)
    model = dataclasses.replace(small("clap"), seed=None)
    encoder, stored = transformer.load(model, tmp_path, clap._encoder_of, lambda: None, "bfloat16")
    assert stored == "float32"
    for name, value in whole.audio_model.named_parameters():
        assert torch.equal(encoder.get_parameter(name), value.bfloat16())
    whole_encoder = clap.load(model, tmp_path, "clip", "cpu", "float32")
    assert whole_encoder.parameters == sum(p.numel() for p in whole.audio_model.parameters())


def test_heads_above_hidden_states_are_left_aside_and_no_code_of_the_hub_is_run(tmp_path):
    """As audEERING's checkpoint: a class of its own, with layers that transformers does not know."""
    import json

    network = built("wav2vec2-audeering")
    state = {f"wav2vec2.{name}": value for name, value in network.state_dict().items()}
    state |= {"classifier.dense.weight": torch.zeros(4, 4), "classifier.out_proj.bias": torch.zeros(3)}
    network.config.save_pretrained(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"architectures": ["EmotionModel"], "auto_map": {"AutoModel": "evil.EmotionModel"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path)
    model = dataclasses.replace(small("wav2vec2-audeering"), seed=None, files={})
    batch = waveforms([0.5])
    expected = wav2vec2.load(small("wav2vec2-audeering"), None, "clip", "cpu", "float32").extract(batch)
    assert (
        pack.difference(wav2vec2.load(model, tmp_path, "clip", "cpu", "float32").extract(batch), expected) <= 1e-6
    )
    assert not (tmp_path / "was-run").exists()


def test_w2v_bert_is_read_from_disk_with_its_own_preprocessing(tmp_path):
    network = built("w2v-bert-2")
    network.save_pretrained(tmp_path)
    transformers.SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(tmp_path)
    model = dataclasses.replace(small("w2v-bert-2"), seed=None)
    batch = waveforms([0.5, 1.0])
    expected = w2v_bert.load(small("w2v-bert-2"), None, "clip", "cpu", "float32").extract(batch)
    np.testing.assert_array_equal(
        w2v_bert.load(model, tmp_path, "clip", "cpu", "float32").extract(batch), expected
    )


# -- what is not run, and what models have heard ---------------------------------------------------------------


@pytest.mark.parametrize("ptm", NOT_RUN)
def test_what_transformers_cannot_run_points_to_the_import(ptm, capsys):
    with pytest.raises(
        model_registry.NotAvailableError, match=rf"crosscorpus\.embeddings add FILE --model {ptm} "
    ):
        loading.load(ptm, device="cpu")
    assert f"crosscorpus.embeddings add FILE --model {ptm} " in availability.needs_of_model(ptm)
    assert "transformers" in model_registry.get(ptm).note
    assert downloads.main([ptm]) == 1
    assert "nothing here runs it; embeddings made elsewhere" in capsys.readouterr().out


def test_they_are_not_in_the_tables_of_the_book():
    assert not set(model_registry.of_this_book()) & set(THEIRS)
    assert not set(model_registry.overview()["id"]) & set(THEIRS)
    assert "CLAP" not in " ".join(loading.pooling_options()["models"])


@pytest.mark.parametrize(
    ("ptm", "corpus", "expected"),
    [
        ("wav2vec2-audeering", "msppodcast", "labels"),
        ("wav2vec2-audeering", "emodb", "no"),
        ("emotion2vec-base", "iemocap", "audio"),
        ("emotion2vec-base", "ravdess", "no"),
        ("emotion2vec-plus-base", "ravdess", "labels"),
        ("trillsson4", "cremad", "chosen"),
        ("wavlm-large", "msppodcast", "perhaps"),
        ("wavlm-base", "emodb", "no"),
        ("whisper-base", "emodb", "not known"),
        ("whisper-base-untrained", "emodb", "no"),
        ("egemaps", "emodb", "no"),
    ],
)  # fmt: skip
def test_what_a_model_has_heard_of_a_corpus(ptm, corpus, expected):
    assert model_registry.heard(ptm, corpus) == expected
