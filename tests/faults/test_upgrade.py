"""A store by an older version of an extractor: recognised, computed anew, never mixed.

`old_store/` holds three embeddings that an older version of this project wrote, byte for byte (commit cb9974d), of
clips of noise that are drawn again here.
"""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosscorpus.corpora import scanning
from crosscorpus.embeddings import embedding_files, extraction, sharding, store, store_folders
from tests.faults.test_kill import files_of

OLD = Path(__file__).parent / "old_store" / "embeddings"
UTTERANCES = ("03a01Fa", "03a01Nc", "08a01Wa")


@pytest.fixture
def mirror(tmp_path):
    rng = np.random.default_rng(5)
    folder = tmp_path / "mirror" / "corpora" / "emodb"
    folder.mkdir(parents=True)
    for name in UTTERANCES:
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(3200), 16_000)
    return str(tmp_path / "mirror")


@pytest.fixture
def old_store(build_folder):
    shutil.copytree(OLD, build_folder / "embeddings")
    return build_folder / "embeddings"


def only_old():
    (file,) = (OLD / "mfcc").glob("*.safetensors")
    return file


def embed(mirror):
    return extraction.embed("mfcc", "emodb", mirror=mirror, device="cpu", workers=1)


def test_the_old_store_is_of_the_same_audio_by_other_code(old_store, mirror):
    """Else these tests would show nothing."""
    scan = scanning.scan("emodb", Path(mirror) / "corpora" / "emodb")
    metadata = embedding_files.read_embeddings(only_old())[1]
    assert metadata["audio_hash"] == store.audio_hash(scan.utterances)
    assert metadata["code"] != store.identity("mfcc", "clip", scan.utterances)["code"]
    assert metadata["pooling"] == "clip"


def test_an_old_store_is_recognised_and_computed_anew(old_store, mirror, build_folder, caplog, row):
    counted = row("upgrade: older store")
    old = only_old()
    with pytest.raises(store_folders.NotStoredError, match="not there; it is made by `papermill"):
        store.load("mfcc", "emodb", "audio")
    counted.count("survived")
    with caplog.at_level(logging.WARNING):
        made = embed(mirror)
    said = f"{old.name}: made otherwise (code" in caplog.text and "not used" in caplog.text
    counted.count("survived" if said else "lost", caplog.text)
    current = store.identity("mfcc", "clip", made.utterances)
    counted.count("survived" if made.metadata["code"] == current["code"] else "silently_wrong")
    mixed = (old_store / "mfcc" / old.name).read_bytes() != old.read_bytes()
    counted.count("lost" if mixed else "survived", "the older file was touched")
    found = files_of(build_folder)
    shutil.rmtree(build_folder)
    embed(mirror)
    found.pop(f"embeddings/mfcc/{old.name}")
    same = found == files_of(build_folder)
    counted.count("survived" if same else "silently_wrong", "not what an empty store gives")
    counted.check(at_least=5)


def test_an_old_file_under_the_new_name_is_refused(old_store, mirror, row):
    counted = row("upgrade: older store")
    utterances = embed(mirror).utterances
    new = store.embeddings_path("mfcc", "emodb", "clip", store.key(store.identity("mfcc", "clip", utterances)))
    shutil.copy(only_old(), new)
    with pytest.raises(store_folders.StoredWrongError, match="an older version wrote it"):
        store.load("mfcc", "emodb", "audio")
    counted.count("survived")
    embedding_files.write_embeddings(
        new, *embedding_files.read_embeddings(new)
    )  # as this version would have written it
    with pytest.raises(store_folders.StoredWrongError, match=r"made from other audio or otherwise \(code "):
        store.load("mfcc", "emodb", "audio")
    counted.count("survived")
    counted.check(at_least=2)


def test_parts_by_an_older_version_are_not_gone_on_from(mirror, build_folder, monkeypatch, row):
    """A run that was killed, and then weights, libraries or the layout of parts changed: all is computed anew."""
    counted = row("upgrade: older parts")
    whole = embed(mirror)
    (file,) = (store_folders.folder("audio") / "mfcc").glob("*.safetensors")
    expected = file.read_bytes()
    poison = np.full((3, 120), 7, np.float32) + np.arange(120, dtype=np.float32)
    order = np.concatenate(sharding.plan(whole.utterances["seconds"].tolist(), "cpu")[0])
    for folder in (file.with_suffix(""), file.with_suffix("") / "0123456789abcdef"):
        file.unlink()
        embedding_files.write_embeddings(folder / "00000.safetensors", poison, {"parameters": "0"}, order)
        embed(mirror)
        counted.count("survived" if file.read_bytes() == expected else "silently_wrong", str(folder))
        left = file.with_suffix("").exists()
        assert not left
    counted.check(at_least=2)
