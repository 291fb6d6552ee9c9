"""From audio files through an extractor into the store."""

import dataclasses
import importlib.util
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from crosscorpus.base import paths, sound
from crosscorpus.base.progress import Progress
from crosscorpus.corpora import corpus_registry, decoding, file_lists, scanning
from crosscorpus.embeddings import (
    disturbed,
    embedding_files,
    extraction,
    pack,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import loading, model_registry, weights
from tests import real_weights
from tests.models.test_loading import waveforms

COUNT = 40


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


def put_audio(folder, count=COUNT):
    """Write synthetic utterances under Emo-DB's names, of 0.2 to 1.5 s."""
    folder.mkdir(parents=True)
    listed = file_lists.file_list("emodb").head(count)
    for name, wave in zip(listed["utterance"], waveforms(np.linspace(0.2, 1.5, count)), strict=True):
        soundfile.write(folder / f"{name}.wav", wave, sound.SAMPLE_RATE)


@pytest.fixture
def audio_mirror(tmp_path, build_folder):
    put_audio(tmp_path / "mirror" / "corpora" / "emodb")
    return str(tmp_path / "mirror")


@pytest.fixture
def small_mirror(tmp_path, audio_mirror, tiny_weights, monkeypatch):
    """A mirror with synthetic audio, and an untrained Whisper of 16 dimensions."""
    (tmp_path / "mirror" / "weights").mkdir()
    (tmp_path / "mirror" / "weights" / "whisper-base").symlink_to(tiny_weights)
    small = dataclasses.replace(model_registry.get("whisper-base"), dimension=16, parameters=None)
    monkeypatch.setattr(model_registry, "registry", lambda: {"whisper-base": small})
    monkeypatch.setattr(sharding, "SHARD", {"cpu": 16})
    sharding._loaded.clear()
    yield str(tmp_path / "mirror")
    sharding._loaded.clear()


def embed(mirror, **options):
    return extraction.embed("whisper-base", "emodb", mirror=mirror, **({"device": "cpu", "workers": 1} | options))


def _other_weights(tmp_path, tiny_weights):
    link = tmp_path / "mirror" / "weights" / "whisper-base"
    link.unlink()
    config = WhisperConfig.from_pretrained(tiny_weights)
    WhisperModel(config).save_pretrained(link)
    WhisperFeatureExtractor().save_pretrained(link)
    sharding._loaded.clear()


def only_file(ptm="whisper-base"):
    (file,) = (store_folders.folder("audio") / ptm).glob("*.safetensors")
    return file


# -- what is encoded together ---------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [0, 4])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_plan_has_every_utterance_once(device, neighbours):
    seconds = np.random.default_rng(0).gamma(2, 1.5, size=1001)
    shards = sharding.plan(seconds, device, neighbours)
    assert sorted(np.concatenate([b for s in shards for b in s])) == list(range(1001))
    assert all(sum(map(len, s)) <= sharding.SHARD[device] for s in shards)


def test_batches_have_similar_lengths_and_a_bounded_size():
    seconds = np.random.default_rng(0).gamma(2, 1.5, size=1001)
    batches = [b for s in sharding.plan(seconds, "cpu") for b in s]
    assert all(len(b) <= sharding.BATCH["cpu"] for b in batches)
    assert all(len(b) == 1 or len(b) * seconds[b].max() <= sharding.BATCH_SECONDS["cpu"] for b in batches)
    padding = sum(len(b) * seconds[b].max() - seconds[b].sum() for b in batches)
    assert padding < 0.03 * seconds.sum()


def test_neighbours_stay_in_the_tables_order():
    batches = [b.tolist() for s in sharding.plan([3.0, 1.0, 2.0, 9.0, 1.0], "cpu", 2) for b in s]
    assert batches == [[0, 1], [2, 3], [4]]


def test_a_clip_longer_than_a_batch_goes_alone():
    batches = [b.tolist() for s in sharding.plan([1.0, 100.0], "cpu") for b in s]
    assert batches == [[1], [0]]


# -- embed ----------------------------------------------------------------------------------------------------


def test_embed_stores_what_load_finds(small_mirror):
    made = embed(small_mirror)
    found = store.load("whisper-base", "emodb", "audio")
    assert made.vectors.shape == (COUNT, 16)
    np.testing.assert_array_equal(made.vectors, found.vectors)
    assert list(made.utterances["utterance"]) == sorted(made.utterances["utterance"])
    assert float(found.run["utterances_per_second"]) > 0
    assert float(found.run["processor_seconds"]) > 0


def test_rows_are_those_of_the_utterances(small_mirror):
    made = embed(small_mirror)
    folder = weights.find("whisper-base", small_mirror)
    extract = loading.load("whisper-base", device="cpu", weights=folder).extract
    for row in (0, 17, COUNT - 1):
        samples, rate = decoding.read(
            corpus_registry.find("emodb", small_mirror) / made.utterances["path"].iloc[row]
        )
        single = extract([sound.resample(samples, rate)])
        assert pack.difference(single, made.vectors[[row]]) <= 1e-5


def test_the_number_of_workers_does_not_change_a_byte(audio_mirror):
    contents = []
    for workers in (1, 3):
        extraction.embed("mfcc", "emodb", mirror=audio_mirror, device="cpu", workers=workers)
        contents.append(only_file("mfcc").read_bytes())
        only_file("mfcc").unlink()
    assert contents[0] == contents[1]


def test_a_gpus_way_of_reading_ahead_gives_the_same(small_mirror, monkeypatch):
    on_cpu = embed(small_mirror)
    only_file().unlink()
    monkeypatch.setattr(sharding, "on_cpu", sharding.on_gpu)
    np.testing.assert_array_equal(embed(small_mirror).vectors, on_cpu.vectors)


def test_each_option_has_its_own_file(small_mirror):
    for options in ({}, {"pooling": "window"}, {"dtype": "bfloat16"}, {"pooling": "peak"}):
        embed(small_mirror, **options)
    files = sorted(
        f.name.rpartition("-")[0] for f in (store_folders.folder("audio") / "whisper-base").glob("*.safetensors")
    )
    assert files == ["emodb-clip", "emodb-clip-bfloat16", "emodb-peak", "emodb-window"]


def test_embed_resumes_where_it_was_stopped(small_mirror, monkeypatch):
    embed(small_mirror)
    whole = only_file().read_bytes()
    only_file().unlink()
    encoded = []
    original = sharding.write_shard

    def stops_after_one(*arguments):
        if encoded:
            raise KeyboardInterrupt
        encoded.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(sharding, "write_shard", stops_after_one)
    with pytest.raises(KeyboardInterrupt):
        embed(small_mirror)
    assert encoded[0].exists()

    def counts(*arguments):
        encoded.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(sharding, "write_shard", counts)
    again = embed(small_mirror)
    assert len(encoded) == 3
    assert only_file().read_bytes() == whole
    assert again.vectors.shape == (COUNT, 16)


def test_parts_that_a_run_left_at_its_very_end_are_removed_by_the_next(small_mirror):
    embed(small_mirror)
    whole = only_file()
    left = whole.with_suffix("") / "0123456789abcdef" / "00000.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of a run that was killed after it had joined its parts")
    before = whole.stat().st_mtime_ns
    embed(small_mirror)
    assert not whole.with_suffix("").exists()
    assert whole.stat().st_mtime_ns == before


def test_a_damaged_part_is_made_again(small_mirror, monkeypatch):
    embed(small_mirror)
    whole = only_file().read_bytes()
    parts = only_file().with_suffix("")
    only_file().unlink()
    original = embedding_files.write_embeddings

    def damages(path, vectors, metadata, rows=None):
        original(path, vectors, metadata, rows)
        if rows is not None and path.name == "00001.safetensors":
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)

    monkeypatch.setattr(embedding_files, "write_embeddings", damages)
    with pytest.raises(
        store_folders.StoredWrongError, match=r"00001\.safetensors: its content is not what was written"
    ):
        embed(small_mirror)
    assert parts.is_dir()
    monkeypatch.setattr(embedding_files, "write_embeddings", original)
    embed(small_mirror)
    assert only_file().read_bytes() == whole


def test_changed_audio_is_not_taken_for_the_old(small_mirror):
    before = embed(small_mirror)
    file = pathlib.Path(small_mirror) / "corpora" / "emodb" / before.utterances.iloc[0]["path"]
    soundfile.write(file, waveforms([0.9], seed=1)[0], sound.SAMPLE_RATE)
    after = embed(small_mirror)
    assert not np.array_equal(before.vectors[0], after.vectors[0])
    assert pack.difference(before.vectors[1:], after.vectors[1:]) <= 1e-5


def test_other_weights_under_the_same_name_are_noticed(small_mirror, tmp_path, tiny_weights):
    before = embed(small_mirror)
    _other_weights(tmp_path, tiny_weights)
    after = embed(small_mirror)
    assert before.metadata["weights_sha256"] != after.metadata["weights_sha256"]
    assert pack.difference(after.vectors, before.vectors) > 1e-2


def test_disturbed_speech_has_embeddings_of_its_own_made_once_and_again_by_other_weights(
    small_mirror, tmp_path, tiny_weights, monkeypatch
):
    utterances = embed(small_mirror).utterances.head(6)
    of_speech = disturbed.speech_spectrum("emodb", utterances, small_mirror)

    def made(condition, seed=0):
        return disturbed.embed(
            "whisper-base", "emodb", utterances, condition, of_speech, mirror=small_mirror, workers=1, seed=seed
        )

    clean, soft, loud = (made(condition) for condition in ("clean", "20 dB", "0 dB"))
    whole = embed(small_mirror)
    rows = whole.utterances["utterance"].isin(utterances["utterance"]).to_numpy()
    assert pack.difference(clean.vectors, whole.vectors[rows]) <= 1e-5
    assert 0 < pack.difference(soft.vectors, clean.vectors) < pack.difference(loud.vectors, clean.vectors)
    assert not np.array_equal(made("0 dB", seed=1).vectors, loud.vectors)
    with monkeypatch.context() as patched:
        patched.setattr(extraction, "extract_into", lambda *_: pytest.fail("made twice"))
        np.testing.assert_array_equal(made("0 dB").vectors, loud.vectors)
    _other_weights(tmp_path, tiny_weights)
    assert pack.difference(made("0 dB").vectors, loud.vectors) > 1e-2
    with pytest.raises(ValueError, match="condition"):
        made("5 dB")


@pytest.mark.parametrize("option", [{"pooling": "exact"}, {"dtype": "bfloat16"}])
def test_what_the_pack_has_in_another_way_only_is_extracted(small_mirror, monkeypatch, option):
    # The pack has Whisper on Emo-DB with other options: in the default pooling and float32.
    loaded = store.load

    def load(ptm, corpus, source="pack", pooling="", dtype="float32", layer="last"):
        if source == "pack" and (pooling in ("", "clip"), dtype) == (True, "float32"):
            return "of the pack"
        return loaded(ptm, corpus, source, pooling, dtype, layer)

    monkeypatch.setattr(store, "load", load)
    how = {"device": "cpu", "mirror": small_mirror, "workers": 1}
    assert extraction.collect("whisper-base", ["emodb"], "any", **how) == {"emodb": "of the pack"}
    in_audio = store_folders.folder("audio")
    monkeypatch.setattr(store_folders, "folder", lambda _: in_audio)  # a pack without the other way
    found = extraction.collect("whisper-base", ["emodb"], "any", **how, **option)
    assert len(found["emodb"].vectors) == COUNT


def test_an_embedding_that_is_not_finite_stops_with_the_utterances_name(small_mirror, monkeypatch):
    original = sharding.read

    def read(row, root):
        waveform = original(row, root)
        return waveform * np.float32("nan") if row.utterance == "03a04Nc" else waveform

    monkeypatch.setattr(sharding, "read", read)
    with pytest.raises(
        store_folders.StoredWrongError, match=r"Whisper on emodb: 1 embeddings .* of utterance 03a04Nc"
    ):
        embed(small_mirror)


def test_an_error_in_a_worker_process_arrives_whole(audio_mirror, tmp_path):
    """The message of a file that changed during a run, from another process."""
    root = corpus_registry.find("emodb", audio_mirror)
    table = scanning.scan("emodb", root).utterances.assign(sha256="0" * 64)
    load = ("mfcc", "clip", "cpu", None, "float32")
    tasks = [([np.array([i])], tmp_path / f"part{i}.safetensors") for i in range(2)]
    with pytest.raises(
        decoding.AudioError, match="has changed since the corpus was read; run the extraction again"
    ):
        sharding.on_cpu(load, table, root, tasks, 2, Progress("some", len(table), "utterances"))


def test_corpus_without_audio_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    with pytest.raises(
        model_registry.NotAvailableError, match=r"CREMA-D.*downloads cremad.*corpora/cremad.*github"
    ):
        extraction.embed("whisper-base", "cremad", mirror=str(tmp_path))


# -- killed ---------------------------------------------------------------------------------------------------

RUN = """
import sys, pathlib
from crosscorpus.base import paths
from crosscorpus.embeddings import extraction, sharding
paths.BUILD = pathlib.Path(sys.argv[1])
sharding.SHARD = {"cpu": 2}
print("ready", flush=True)
extraction.embed("mfcc", "emodb", mirror=sys.argv[2], device="cpu", workers=1)
"""


def test_a_run_killed_at_any_instant_ends_with_the_same_bytes(tmp_path):
    """SIGKILL, to the whole process group, at random instants; then the run goes on."""
    put_audio(tmp_path / "mirror" / "corpora" / "emodb", 24)

    def start(build):
        command = [sys.executable, "-c", RUN, str(tmp_path / build), str(tmp_path / "mirror")]
        environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        run = subprocess.Popen(command, start_new_session=True, env=environment, **pipes)
        run.stdout.readline()
        return run

    def result(build):
        (file,) = (tmp_path / build / "embeddings" / "mfcc").glob("*.safetensors")
        return file.name, file.read_bytes()

    begun = time.perf_counter()
    undisturbed = start("undisturbed")
    assert undisturbed.wait(120) == 0, undisturbed.stderr.read()
    took = time.perf_counter() - begun
    rng = random.Random(0)
    for _ in range(4):
        run = start("killed")
        time.sleep(rng.uniform(0, took))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    last = start("killed")
    assert last.wait(120) == 0, last.stderr.read()
    assert result("killed") == result("undisturbed")


# -- the real thing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ptm", "corpus", "pooling"), pack.contents())
def test_the_pack_is_what_real_audio_and_weights_give(mirror, ptm, corpus, pooling):
    """Every 291st utterance again; elsewhere than on the machine that made it, to a tolerance."""
    model, root = model_registry.get(ptm), corpus_registry.find(corpus, str(mirror))
    folder = weights.find(ptm, str(mirror))
    if ptm == "ecapa-tdnn":
        try:
            folder = real_weights.ecapa()
        except model_registry.NotAvailableError as error:
            pytest.skip(str(error))
    if root is None or (folder is None and model.home != "none"):
        pytest.skip(f"the mirror has no corpora/{corpus} or no weights/{ptm}")
    if model.needs and importlib.util.find_spec(model.needs) is None:
        pytest.skip(f"{model.needs} is not installed: `make {model.needs}`")
    extractor = loading.load(ptm, pooling, device="cpu", weights=folder)
    committed = store.load(ptm, corpus, "pack", pooling)
    tolerance = pack.ROUNDED if pooling else pack.TOLERANCE
    for row in range(0, len(committed.vectors), 291):
        samples, rate = decoding.read(root / committed.utterances["path"].iloc[row])
        assert sound.fingerprint(samples, rate) == committed.utterances["sha256"].iloc[row]
        fresh = extractor.extract([sound.resample(samples, rate)])
        assert pack.difference(fresh, committed.vectors[[row]]) <= tolerance
