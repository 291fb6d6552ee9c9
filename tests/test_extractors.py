import numpy as np
import pytest
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from crosscorpus import audio, corpora, extraction, extractors, names, pack, store
from crosscorpus.extractors import whisper

SECONDS = [0.2, 0.7, 1.0, 2.5, 3.1, 30.0]


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    """Untrained weights of Whisper's own class, small enough for a test."""
    folder = tmp_path_factory.mktemp("weights")
    config = WhisperConfig(
        d_model=16, encoder_layers=2, decoder_layers=0, encoder_attention_heads=2, encoder_ffn_dim=32,
        vocab_size=1, pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tiny_weights):
    return {p: whisper.load(extractors.get("whisper-base"), tiny_weights, p, "cpu") for p in whisper.POOLINGS}


def waveforms(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(scale=0.1, size=round(s * audio.SAMPLE_RATE)).astype(np.float32) for s in seconds]


def largest_gap(a, b):
    return pack.difference(a, b)


@pytest.mark.parametrize("pooling", whisper.POOLINGS)
def test_a_batch_equals_batches_of_one(tiny, pooling):
    batch = waveforms(SECONDS)
    single = np.concatenate([tiny[pooling].extract([w]) for w in batch])
    assert largest_gap(tiny[pooling].extract(batch), single) <= 1e-5


def test_order_in_a_batch_does_not_matter(tiny):
    batch = waveforms(SECONDS)
    there = tiny["clip"].extract(batch)
    back = tiny["clip"].extract(batch[::-1])[::-1]
    assert largest_gap(there, back) <= 1e-5


def test_embeddings_are_float32_rows(tiny):
    got = tiny["clip"].extract(waveforms([0.5, 1.0, 2.0]))
    assert got.shape == (3, 16)
    assert got.dtype == np.float32


@pytest.mark.parametrize("samples", [1, 160, 480_000, 480_001, 1_000_000])
def test_any_length_gives_a_finite_embedding(tiny, samples):
    wave = np.full(samples, 0.01, dtype=np.float32)
    assert np.isfinite(tiny["clip"].extract([wave])).all()


def test_silence_gives_a_finite_embedding(tiny):
    assert np.isfinite(tiny["clip"].extract([np.zeros(16_000, dtype=np.float32)])).all()


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (320, 1), (321, 2), (16_000, 50), (480_000, 1500)])
def test_frames_that_a_clip_covers(samples, frames):
    assert whisper.frame_count(samples) == frames


def test_clip_and_window_agree_on_a_full_window_only(tiny):
    full, short = waveforms([30.0, 3.0])
    assert largest_gap(tiny["clip"].extract([full]), tiny["window"].extract([full])) <= 1e-6
    assert largest_gap(tiny["clip"].extract([short]), tiny["window"].extract([short])) > 1e-3


def test_clip_pooling_is_the_mean_over_covered_frames(tiny_weights, tiny):
    import torch

    wave = waveforms([1.234])[0]
    features = WhisperFeatureExtractor.from_pretrained(tiny_weights)(
        wave, sampling_rate=16_000, return_tensors="pt"
    )
    encoder = WhisperModel.from_pretrained(tiny_weights).get_encoder().eval()
    with torch.inference_mode():
        states = encoder(features.input_features).last_hidden_state[0].numpy()
    expected = states[: int(np.ceil(1.234 * 50))].mean(axis=0)
    assert largest_gap(tiny["clip"].extract([wave]), expected[None]) <= 1e-5


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(names.UnknownNameError, match=r"did you mean 'whisper-base'.*trillsson4"):
        extractors.get("wisper-base")


def test_unknown_pooling_lists_the_known_ones():
    with pytest.raises(names.UnknownNameError, match=r"clip, window"):
        extractors.load("whisper-base", pooling="mean")


def test_a_model_without_a_loader_says_so():
    with pytest.raises(extractors.NotAvailableError, match="TRILLsson: there is no loader"):
        extractors.load("trillsson4")


def test_missing_weights_say_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "weights").mkdir()
    with pytest.raises(extractors.NotAvailableError, match=r"weights/whisper-base.*openai/whisper-base"):
        extractors.load("whisper-base", mirror=str(tmp_path), device="cpu")


def test_corpus_without_audio_says_where_to_put_it(tmp_path):
    with pytest.raises(extractors.NotAvailableError, match=r"CREMA-D.*corpora/cremad.*github.com"):
        extraction.embed("whisper-base", "cremad", mirror=str(tmp_path))


@pytest.fixture
def small_mirror(tmp_path, build_folder, tiny_weights, monkeypatch):
    """Forty synthetic utterances under Emo-DB's names, and an untrained Whisper of 16 dimensions."""
    import dataclasses

    import soundfile

    folder = tmp_path / "mirror" / "corpora" / "emodb"
    folder.mkdir(parents=True)
    listed = corpora.file_list("emodb").head(40)
    for name, wave in zip(listed["utterance"], waveforms(np.linspace(0.2, 1.5, 40)), strict=True):
        soundfile.write(folder / f"{name}.wav", wave, audio.SAMPLE_RATE)
    (tmp_path / "mirror" / "weights").mkdir()
    (tmp_path / "mirror" / "weights" / "whisper-base").symlink_to(tiny_weights)
    small = dataclasses.replace(extractors.get("whisper-base"), dimension=16)
    monkeypatch.setattr(extractors, "registry", lambda: {"whisper-base": small})
    monkeypatch.setattr(extraction, "SHARD", 16)
    extraction._loaded.clear()
    yield str(tmp_path / "mirror")
    extraction._loaded.clear()


def test_embed_stores_what_load_finds(small_mirror):
    made = extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    found = store.load("whisper-base", "emodb", "audio")
    assert made.vectors.shape == (40, 16)
    np.testing.assert_array_equal(made.vectors, found.vectors)
    assert list(made.utterances["utterance"]) == sorted(made.utterances["utterance"])


def test_embed_resumes_where_it_was_stopped(small_mirror, monkeypatch):
    whole = extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    path = next((store.folder("audio") / "whisper-base").glob("*.safetensors"))
    path.unlink()
    encoded = []
    original = extraction._embed_shard

    def stops_after_one(*arguments):
        if encoded:
            raise KeyboardInterrupt
        encoded.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(extraction, "_embed_shard", stops_after_one)
    with pytest.raises(KeyboardInterrupt):
        extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    assert encoded[0].exists()

    def counts(*arguments):
        encoded.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(extraction, "_embed_shard", counts)
    again = extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    assert len(encoded) == 3
    np.testing.assert_array_equal(whole.vectors, again.vectors)


def test_changed_audio_is_not_taken_for_the_old(small_mirror):
    import pathlib

    import soundfile

    before = extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    first = before.utterances.iloc[0]
    file = pathlib.Path(small_mirror) / "corpora" / "emodb" / first["path"]
    soundfile.write(file, waveforms([0.9], seed=1)[0], audio.SAMPLE_RATE)
    after = extraction.embed("whisper-base", "emodb", mirror=small_mirror, device="cpu", workers=1)
    assert not np.array_equal(before.vectors[0], after.vectors[0])
    np.testing.assert_array_equal(before.vectors[1:], after.vectors[1:])


def test_the_pack_is_what_real_audio_and_weights_give(mirror):
    """Every 291st utterance again from the mirror; elsewhere than on the machine that made it, to a tolerance."""
    extractor = extractors.load("whisper-base", device="cpu", mirror=str(mirror))
    assert extractor.parameters == extractors.get("whisper-base").parameters
    for corpus in ("emodb", "ravdess"):
        committed = store.load("whisper-base", corpus, "pack")
        root = corpora.find(corpus, str(mirror))
        for row in range(0, len(committed.vectors), 291):
            samples, rate = audio.read(root / committed.utterances["path"].iloc[row])
            assert audio.fingerprint(samples, rate) == committed.utterances["sha256"].iloc[row]
            fresh = extractor.extract([audio.resample(samples, rate)])
            assert largest_gap(fresh, committed.vectors[[row]]) <= pack.TOLERANCE


def test_real_whisper_is_the_same_in_any_batch(mirror):
    extractor = extractors.load("whisper-base", device="cpu", mirror=str(mirror))
    batch = waveforms([0.2, 2.5, 1.0])
    single = np.concatenate([extractor.extract([w]) for w in batch])
    assert largest_gap(extractor.extract(batch), single) <= 1e-5
