"""Layers and frames of a corpus: made from audio by a small untrained network, stored, and read by slice."""

import dataclasses
import functools
import pickle
import shutil

import numpy as np
import pytest

from crosscorpus.base import known_names, paths, whole_files
from crosscorpus.embeddings import (
    __main__ as command,
)
from crosscorpus.embeddings import (
    block_files,
    disk_space,
    frames,
    layers,
    pack,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import model_registry
from tests.embeddings.test_extraction import COUNT, audio_mirror, embed, small_mirror, tiny_weights  # noqa: F401

PTM, CORPUS = "whisper-base", "emodb"


@pytest.fixture
def two_layers(small_mirror, monkeypatch):  # noqa: F811  # noqa: F811
    """The mirror, and a registry that knows how many layers the small network has."""
    model = dataclasses.replace(model_registry.get(PTM), architecture={"encoder_layers": 2})
    monkeypatch.setattr(model_registry, "registry", lambda: {PTM: model})
    return small_mirror


def made_frames(mirror, **options):
    return frames.embed_frames(PTM, CORPUS, mirror=mirror, **({"device": "cpu", "workers": 1} | options))


def made_layers(mirror):
    return layers.embed_layers(PTM, CORPUS, mirror=mirror, device="cpu", workers=1)


def stops_after(monkeypatch, module, shards):
    """Let a run be stopped after so many shards, as by a kill."""
    original, calls = module.keep, []

    def keep(*arguments):
        if len(calls) == shards:
            raise KeyboardInterrupt
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(module, "keep", keep)


# -- layers ---------------------------------------------------------------------------------------------------


def test_layers_are_stored_once_and_read_by_layer(two_layers):
    clips = embed(two_layers)
    stored = made_layers(two_layers)
    assert stored.vectors.shape == (3 * COUNT, 16)
    assert [block.shape for block in stored] == [(3, 16)] * COUNT
    one = embed(two_layers, layer="1")
    np.testing.assert_array_equal(one.vectors, [block[1] for block in stored])
    np.testing.assert_allclose(
        embed(two_layers, layer="mean").vectors, [b.mean(axis=0) for b in stored], atol=1e-6
    )
    assert pack.difference(np.stack([block[-1] for block in stored]), clips.vectors) <= 1e-6
    assert len(list((paths.BUILD / "layers" / PTM).iterdir())) == 2  # the file, and how its run went
    assert one.metadata["layer"] == "1"
    assert "layer" not in clips.metadata
    assert embed(two_layers, layer="2").vectors.tobytes() == clips.vectors.tobytes()  # the last, by its number


def test_layers_that_are_not_stored_name_the_command(two_layers):
    embed(two_layers)
    with pytest.raises(store_folders.NotStoredError, match=r"model\.ipynb .*-p corpora emodb -r layer 1`"):
        store.load(PTM, CORPUS, "audio", layer="1")
    with pytest.raises(store_folders.NotStoredError, match="the pack holds last hidden states alone"):
        store.load(PTM, CORPUS, "pack", layer="mean")


def test_an_unknown_layer_is_refused(two_layers):
    for make in (lambda: embed(two_layers, layer="3"), lambda: made_frames(two_layers, layer="3")):
        with pytest.raises(known_names.UnknownNameError, match=r"layer of Whisper.*last, mean, 0, 1, 2"):
            make()
    with pytest.raises(known_names.UnknownNameError, match="last, mean, 0, 1, 2"):
        store.available([PTM], [CORPUS], "audio", "9")


def test_a_model_without_layers_is_refused(audio_mirror):  # noqa: F811
    with pytest.raises(model_registry.NotAvailableError, match="MFCC statistics has no layers and no frames here"):
        layers.embed_layers("mfcc", CORPUS, mirror=audio_mirror)
    assert store.available(["mfcc"], [CORPUS], "audio", "1") == {}


# -- frames ---------------------------------------------------------------------------------------------------


def test_what_workers_are_given_can_be_sent_to_them():
    assert pickle.loads(pickle.dumps(functools.partial(frames.keep, "1"))).args == ("1",)


def test_the_mean_of_frames_is_the_embedding(two_layers):
    clips, found = embed(two_layers), made_frames(two_layers)
    assert found.utterances.equals(clips.utterances)
    assert (found.offsets.dtype, found.offsets.shape) == (np.int64, (COUNT + 1,))
    assert isinstance(found.vectors, np.memmap)
    assert (found.vectors.dtype, found.vectors.shape) == (np.float16, (found.offsets[-1], 16))
    expected = [-(-round(s * 16_000) // 320) for s in found.utterances["seconds"]]
    assert [len(block) for block in found] == expected
    means = np.stack([block.mean(axis=0, dtype=np.float64) for block in found])
    assert pack.difference(means, clips.vectors) <= 2e-3
    np.testing.assert_array_equal(found[-1], found.vectors[found.offsets[-2] :])
    with pytest.raises(IndexError, match="no utterance 40; it has 40"):
        found[COUNT]


def test_frames_of_another_layer_are_another_file(two_layers):
    last, first = made_frames(two_layers), made_frames(two_layers, layer=1)
    assert last.blocks.path != first.blocks.path
    expected = embed(two_layers, layer="1").vectors
    assert pack.difference(np.stack([b.mean(axis=0, dtype=np.float64) for b in first]), expected) <= 2e-3
    assert made_frames(two_layers, layer=2).blocks.path == last.blocks.path
    np.testing.assert_array_equal(frames.load_frames(PTM, CORPUS)[3], last[3])
    with pytest.raises(store_folders.NotStoredError, match=r"embeddings frames --model .* --layer mean"):
        frames.load_frames(PTM, CORPUS, layer="mean")


@pytest.mark.parametrize(("module", "make"), [(frames, made_frames), (layers, made_layers)])
def test_a_run_that_was_stopped_goes_on(two_layers, monkeypatch, module, make):
    with monkeypatch.context() as stopped:
        stops_after(stopped, module, 1)
        with pytest.raises(KeyboardInterrupt):
            make(two_layers)
    kind = module.__name__.rpartition(".")[2]
    (part,) = (paths.BUILD / kind).rglob("0*.safetensors")
    written = part.stat().st_mtime_ns
    original, done = module.keep, []
    monkeypatch.setattr(module, "keep", lambda *given: done.append(given[-1]) or original(*given))
    resumed = [block.copy() for block in make(two_layers)]
    assert len(done) == 2  # of three shards
    assert written
    assert list((paths.BUILD / kind / PTM).rglob("0*.safetensors")) == []
    shutil.rmtree(paths.BUILD / kind)
    for block, again in zip(resumed, make(two_layers), strict=True):
        np.testing.assert_array_equal(block, again)


def test_a_full_disk_is_refused_with_sizes_before_anything_runs(two_layers, monkeypatch, capsys):
    embed(two_layers)
    free = shutil.disk_usage("/")._replace(free=30_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    monkeypatch.setattr(sharding, "run", lambda *a, **k: pytest.fail("it ran"))
    said = (
        r"Whisper on Emo-DB, frames last: .* kB \(5.76 MB an hour of audio\), .* while it is made; 30 kB are free"
    )
    with pytest.raises(whole_files.NotWrittenError, match=f"{said}.*free .* or more there.*nothing was written"):
        made_frames(two_layers)
    assert not (paths.BUILD / "frames").exists()


def test_the_size_is_said_before_the_run(two_layers, capsys):
    found = made_frames(two_layers)
    said = capsys.readouterr().out
    size = disk_space.of_frames(PTM, float(found.utterances["seconds"].sum()))
    assert f"Whisper on Emo-DB, frames last: {disk_space.in_words(size)} (5.76 MB an hour of audio)" in said
    assert abs(found.vectors.nbytes / size - 1) < 0.05
    made_frames(two_layers)
    assert capsys.readouterr().out == ""  # nothing is made


def test_a_damaged_utterance_is_named(two_layers):
    found = made_frames(two_layers)
    kept = found[5]
    with open(found.blocks.path, "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    again = made_frames(two_layers)
    np.testing.assert_array_equal(again[5], kept)
    with pytest.raises(store_folders.StoredWrongError, match=r"utterance 39 are not what was written.*delete it"):
        again[COUNT - 1]


@pytest.mark.parametrize("damage", ["cut", "offsets", "facts", "header", "empty"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "some.safetensors"
    blocks = [np.ones((n, 4), dtype=np.float16) for n in (2, 3)]
    block_files.write(path, blocks, {"ptm": "some"}, np.arange(2))
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    changed = {
        "cut": content[:-3],
        "offsets": content[: start + 8] + b"\x01" + content[start + 9 :],
        "facts": content.replace(b"some", b"none"),
        "header": b"\xff" * 8 + content[8:],
        "empty": b"",
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(store_folders.StoredWrongError, match=r"some\.safetensors: .*delete it"):
        block_files.read(path)


def test_other_tools_read_the_file(tmp_path):
    from safetensors.numpy import load_file

    rng = np.random.default_rng(0)
    parts = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    blocks = [rng.normal(size=(n, 4)).astype(np.float16) for n in (3, 1, 2, 5)]
    block_files.write(parts[0], [blocks[2], blocks[0]], {"ptm": "x"}, np.array([2, 0]))
    block_files.write(parts[1], [blocks[3], blocks[1]], {"ptm": "x"}, np.array([3, 1]))
    block_files.join(tmp_path / "whole.safetensors", parts, {"corpus": "y"})
    found = load_file(tmp_path / "whole.safetensors")
    np.testing.assert_array_equal(found["vectors"], np.concatenate(blocks))
    np.testing.assert_array_equal(found["offsets"], [0, 3, 4, 6, 11])
    assert block_files.read(tmp_path / "whole.safetensors").metadata == {"ptm": "x", "corpus": "y"}


def test_the_command_makes_frames(two_layers, capsys, monkeypatch):
    monkeypatch.setenv(paths.MIRROR_SETTING, two_layers)
    command.main(["frames", "--model", PTM, "--corpus", CORPUS, "--layer", "1", "--workers", "1"])
    assert "40 utterances" in capsys.readouterr().out
    command.main(["layers", "--model", PTM, "--corpus", CORPUS, "--workers", "1"])
    assert "40 utterances, 120 vectors of 16 dimensions" in capsys.readouterr().out


def test_states_that_one_machine_made_another_finds(two_layers, tmp_path, monkeypatch):
    monkeypatch.setenv(paths.STORE_SETTING, f"file://{tmp_path}/shared")
    made = [np.concatenate(list(made_frames(two_layers))), np.stack(list(made_layers(two_layers)))]
    monkeypatch.setattr(paths, "BUILD", paths.BUILD.with_name("another machine"))
    with pytest.raises(store_folders.NotStoredError):
        frames.load_frames(PTM, CORPUS, layer="1")
    found = frames.load_frames(PTM, CORPUS)
    np.testing.assert_array_equal(np.concatenate(list(found)), made[0])
    monkeypatch.setattr(sharding, "run", None)  # nothing is encoded
    np.testing.assert_array_equal(np.concatenate(list(made_frames(two_layers))), made[0])
    np.testing.assert_array_equal(np.stack(list(made_layers(two_layers))), made[1])
    assert found.run
