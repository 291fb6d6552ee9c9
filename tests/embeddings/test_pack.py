import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from crosscorpus.base import paths, versions
from crosscorpus.corpora import file_lists, utterance_tables
from crosscorpus.embeddings import corpus_scans, embedding_files, pack, store, store_folders
from crosscorpus.models import model_registry


@pytest.fixture
def made(build_folder, tmp_path, monkeypatch):
    """A function that puts embeddings of three utterances into the store of this machine, as extraction does."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "PACK", tmp_path / "pack")
    monkeypatch.setattr(model_registry, "registry", lambda: {"whisper-base": MODEL})
    listed = file_lists.file_list("emodb").head(3)
    hashes = [f"{i:064d}" for i in range(3)]
    table = listed.assign(path=listed["file"], start=np.nan, end=np.nan, sha256=hashes)[utterance_tables.COLUMNS]
    quality = pd.DataFrame(
        [("emodb", u, 1, -1.0, -20.0) for u in table["utterance"]], columns=utterance_tables.QUALITY_COLUMNS
    )
    scan = utterance_tables.Scan(table, quality, pd.DataFrame(columns=utterance_tables.PROBLEM_COLUMNS))

    def make(vectors, pooling="clip", **changes):
        corpus_scans.write_scan("emodb", scan, store_folders.folder("audio"))
        identity = store.identity("whisper-base", pooling, table)
        path = store.embeddings_path("whisper-base", "emodb", pooling, store.key(identity))
        embedding_files.write_embeddings(path, vectors, identity | {"corpus": "emodb", "dim": "4"} | changes)

    return make


MODEL = model_registry.Model(
    id="whisper-base",
    name="Whisper",
    family="",
    handle="x",
    dimension=4,
    source="",
    loader="whisper",
)
VECTORS = np.arange(1, 13, dtype=np.float32).reshape(3, 4)


def update():
    return pack.update("whisper-base", "emodb")


def test_a_first_pack_is_written_whole(made):
    made(VECTORS)
    assert "nothing like it was committed" in update()
    packed = store.load("whisper-base", "emodb", "pack")
    np.testing.assert_array_equal(packed.vectors, VECTORS)
    assert (paths.PACK / "provenance.json").exists()
    assert (paths.PACK / "quality" / "emodb.csv").exists()


def test_how_fast_it_went_is_packed_too(made):
    made(VECTORS)
    identity = store.identity("whisper-base", "clip", corpus_scans.read_scan("emodb", "audio").utterances)
    path = store.embeddings_path("whisper-base", "emodb", "clip", store.key(identity))
    embedding_files.write_run(path, {"utterances_per_second": "2.5"})
    update()
    assert store.load("whisper-base", "emodb", "pack").run == {"utterances_per_second": "2.5"}
    assert '"utterances_per_second": "2.5"' in (paths.PACK / "provenance.json").read_text(encoding="utf-8")


def test_the_same_again_changes_no_file(made):
    made(VECTORS)
    update()
    before = {file: file.stat().st_mtime_ns for file in paths.PACK.rglob("*") if file.is_file()}
    assert update() == "Whisper on emodb: bit for bit what is committed"
    assert before == {file: file.stat().st_mtime_ns for file in paths.PACK.rglob("*") if file.is_file()}


def test_a_tiny_difference_keeps_what_is_committed(made):
    made(VECTORS)
    update()
    made(VECTORS * np.float32(1 + 1e-5))
    assert "within 0.0001" in update()
    np.testing.assert_array_equal(store.load("whisper-base", "emodb", "pack").vectors, VECTORS)


def test_a_larger_difference_replaces_it(made):
    made(VECTORS)
    update()
    made(VECTORS * np.float32(1.01))
    assert "largest relative difference 1.0e-02" in update()
    assert not np.array_equal(store.load("whisper-base", "emodb", "pack").vectors, VECTORS)


def test_another_pooling_is_packed_beside_the_default_in_half_precision(made):
    made(VECTORS)
    update()
    third = VECTORS / 3  # not exact in float16
    made(third, pooling="window")
    assert "Whisper on emodb, pooling window: written" in pack.update("whisper-base", "emodb", "window")
    packed = store.load("whisper-base", "emodb", "pack", "window")
    assert packed.vectors.dtype == np.float32
    np.testing.assert_array_equal(packed.vectors, third.astype(np.float16))
    assert packed.metadata["stored_as"] == "float16"
    np.testing.assert_array_equal(store.load("whisper-base", "emodb", "pack").vectors, VECTORS)
    notes = json.loads((paths.PACK / "provenance.json").read_text(encoding="utf-8"))
    assert {name: note["pooling"] for name, note in notes.items() if "pooling" in note} == {
        "whisper-base/emodb": "clip",
        "whisper-base/emodb-window": "window",
    }
    assert pack.update("whisper-base", "emodb", "window").endswith("bit for bit what is committed")


def test_newer_code_is_noted(made, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(versions, "of_code", lambda *_: "older")
        made(VECTORS)
        update()
    made(VECTORS)
    assert "by newer code" in update()
    assert store.load("whisper-base", "emodb", "pack").metadata["code"] != "older"


def test_nothing_made_names_the_command(made, tmp_path):
    with pytest.raises(store_folders.NotStoredError, match="papermill"):
        update()


def test_difference_of_unlike_shapes_is_infinite():
    assert pack.difference(VECTORS, VECTORS[:2]) == float("inf")


def test_the_committed_pack_is_whole():
    """Row counts of the corpora, all their emotions, and vectors that fit their tables."""
    expected = {"emodb": (535, 7), "ravdess": (1440, 8), "aesdd": (603, 5), "mesd": (862, 6)}
    in_no_copy = {"aesdd": ["s01 (1)"]}
    for ptm, corpus, pooling in pack.contents():
        packed = store.load(ptm, corpus, "pack", pooling)
        assert (len(packed.vectors), packed.utterances["emotion"].nunique()) == expected[corpus]
        assert list(file_lists.compare(packed.utterances, corpus)["utterance"]) == in_no_copy.get(corpus, [])


def test_provenance_tells_of_everything_in_the_pack():
    notes = json.loads((paths.PACK / "provenance.json").read_text(encoding="utf-8"))
    copies = yaml.safe_load((paths.DATA / "pack.yaml").read_text(encoding="utf-8"))["copies"]
    for ptm, corpus, pooling in pack.contents():
        packed = store.load(ptm, corpus, "pack", pooling)
        note = notes.pop(f"{ptm}/{corpus}-{pooling}" if pooling else f"{ptm}/{corpus}")
        assert note["vectors_sha256"] == hashlib.sha256(packed.vectors.tobytes()).hexdigest()
        assert packed.metadata.items() <= note.items()
        table = store_folders.table_hash(paths.PACK / "utterances" / f"{corpus}.csv")
        assert notes[f"utterances/{corpus}"] == {"sha256": table, "copy": copies[corpus]}
    assert {name.partition("/")[0] for name in notes} == {"utterances"}
