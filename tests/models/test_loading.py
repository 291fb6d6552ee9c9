"""The registry of models, and what all extractors have in common."""

import dataclasses

import numpy as np
import pytest
import torch

from crosscorpus.base import known_names
from crosscorpus.embeddings import pack
from crosscorpus.models import extractor_types, hidden_states, loading, model_registry
from crosscorpus.models.loaders import transformer, wav2vec2

BY_TRANSFORMERS = ("wav2vec2", "whisper", "w2v_bert", "clap")
TRANSFORMERS = [key for key, m in model_registry.registry().items() if m.loader in BY_TRANSFORMERS]
PAPER = ["TRILLsson", "WavLM", "UniSpeech-SAT", "wav2vec2", "XLS-R", "Whisper", "MMS", "x-vector"]


def waveforms(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(scale=0.1, size=round(s * 16_000)).astype(np.float32) for s in seconds]


def test_the_eight_models_of_the_paper_are_there():
    assert [m.name for m in model_registry.registry().values() if m.in_paper] == PAPER


@pytest.mark.parametrize("ptm", model_registry.registry())
def test_every_model_has_a_loader_and_its_default_pooling(ptm):
    model = model_registry.get(ptm)
    assert model.pooling in loading.loader(ptm).POOLINGS
    assert callable(loading.loader(ptm).load)
    assert "peak" in loading.poolings(ptm)


@pytest.mark.parametrize("ptm", [key for key, m in model_registry.registry().items() if m.home == "huggingface"])
def test_every_download_has_a_pinned_revision_and_files(ptm):
    model = model_registry.get(ptm)
    assert len(model.revision) == 40 or (model.revision == "main" and "not pinned" in model.known_issues[0])
    assert any(file.endswith((".safetensors", ".bin", ".ckpt")) for file in model.files)
    assert all(len(checksum) in (0, 64) for checksum in model.files.values())


@pytest.mark.parametrize("ptm", TRANSFORMERS)
def test_parameters_and_dimension_are_those_of_the_architecture(ptm):
    """Counted in the network itself, built without memory for its weights."""
    model = model_registry.get(ptm)
    with torch.device("meta"):
        network = loading.loader(ptm).build(model)
    counted = sum(p.numel() for p in network.parameters())
    assert counted == model.parameters or (model.parameters is None and "not checked" in model.known_issues[1])
    assert network.config.hidden_size == model.dimension
    assert hidden_states.count(ptm) == (model.layers or 0)
    assert model.loader == "clap" or network.config.num_hidden_layers == model.layers


def test_each_transformer_of_the_paper_has_an_untrained_twin():
    twins = {m.twin_of: m for m in model_registry.registry().values() if m.twin_of}
    for key in TRANSFORMERS:
        model = model_registry.get(key)
        if model.in_paper:
            twin = twins[key]
            assert (twin.family, twin.home, twin.files) == ("control", "none", {})
            assert twin.architecture == model.architecture
            assert "untrained" in twin.name


def test_no_two_twins_are_the_same_network():
    twins = [m for m in model_registry.registry().values() if m.twin_of]
    assert len({(str(m.architecture), m.seed) for m in twins}) == len(twins)


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(known_names.UnknownNameError, match=r"did you mean 'whisper-base'.*trillsson4"):
        model_registry.get("wisper-base")


@pytest.mark.parametrize(
    ("option", "expected"),
    [({"pooling": "mean"}, "clip, window, exact, peak"), ({"dtype": "float16"}, "float32, bfloat16")],
)
def test_an_unknown_option_lists_the_known_ones(option, expected):
    with pytest.raises(known_names.UnknownNameError, match=expected):
        loading.load("whisper-base", **option)


def test_a_model_without_its_weights_says_so():
    with pytest.raises(model_registry.NotAvailableError, match=r"Whisper: .*weights of openai/whisper-base"):
        loading.load("whisper-base", device="cpu")


def test_peak_is_the_default_after_scaling(monkeypatch):
    def load(model, weights, pooling, device, dtype):
        assert pooling == "clip"
        extract = lambda ws: np.array([[np.abs(w).max(), len(w)] for w in ws], dtype=np.float32)  # noqa: E731
        return extractor_types.Extractor(extract, 0, "none", device)

    monkeypatch.setattr(loading.loader("mfcc"), "load", load)
    batch = [*waveforms([0.1, 0.2]), np.zeros(160, dtype=np.float32)]
    got = loading.load("mfcc", "peak", "cpu").extract(batch)
    np.testing.assert_allclose(got, [[1, 1600], [1, 3200], [0, 160]], rtol=1e-6)


def test_equal_lengths_are_grouped():
    batch = [np.zeros(n) for n in (3, 5, 3, 4, 5)]
    assert extractor_types.equal_lengths(batch) == [[0, 2], [1, 4], [3]]


def test_the_card_shows_ours_beside_the_papers():
    card = model_registry.card("xls-r-300m")
    assert tuple(card.loc["dimension"]) == ("1024", "1280")
    assert model_registry.card("ecapa-tdnn").loc["dimension", "paper"] == "–"


def test_the_overview_has_every_model_of_the_book_and_the_poolings_their_loaders():
    assert list(model_registry.overview()["id"]) == model_registry.of_this_book()
    options = loading.pooling_options()
    assert set(options["pooling"]) == {"clip", "padded", "window", "exact", "peak"}
    assert "untrained" not in " ".join(options["models"])


# -- what transformers share ----------------------------------------------------------------------------------


def test_onednn_gives_what_torch_gives():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(96, 64), torch.nn.ModuleDict({"inner": torch.nn.Linear(64, 32)}))
    x = torch.randn(5, 7, 96)
    with torch.inference_mode():
        expected = plain[1]["inner"](plain[0](x))
        transformer.use_onednn(plain)
        got = plain[1]["inner"](plain[0](x))
    assert isinstance(plain[1]["inner"], transformer.OneDnnLinear)
    assert torch.linalg.norm(got - expected) <= 1e-6 * torch.linalg.norm(expected)


def test_a_seed_leaves_the_global_one_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    transformer.load(model_registry.get("wav2vec2-base-untrained"), None, None, lambda: torch.nn.Linear(2, 2))
    assert torch.rand(1) == expected


def test_other_weights_than_the_registrys_are_refused():
    model = dataclasses.replace(model_registry.get("wav2vec2-base"), parameters=7)
    with pytest.raises(ValueError, match=r"6 parameters where .* says 7"):
        transformer.count(torch.nn.Linear(2, 2), model)


def test_group_norm_over_own_frames_is_that_of_each_clip_alone():
    torch.manual_seed(0)
    norm = torch.nn.GroupNorm(4, 4)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    own = wav2vec2.OwnFramesNorm(norm)
    clips = [torch.randn(1, 4, n) for n in (9, 5, 2)]
    own.frames = [9, 5, 2]
    with torch.inference_mode():
        got = own(torch.cat([torch.nn.functional.pad(c, (0, 9 - c.shape[2]), value=3.0) for c in clips]))
        for row, clip in zip(got, clips, strict=True):
            frames = clip.shape[2]
            torch.testing.assert_close(row[:, :frames], norm(clip)[0], rtol=1e-5, atol=1e-5)
            assert not row[:, frames:].any()


def test_difference_is_relative():
    assert pack.difference(np.array([[3.0, 4.0]]), np.array([[3.0, 4.5]])) == pytest.approx(0.5 / np.hypot(3, 4.5))
