"""Bundles: from one store to another, checked, without overwriting; and cells that are trained again."""

import hashlib
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import added_files, paths, table_files
from crosscorpus.embeddings import corpus_scans, embedding_files, imports, store, store_folders
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import bundles, evaluate, verification
from tests.embeddings.test_imports import FILES, own  # noqa: F401
from tests.embeddings.test_store import PTM, scan_of, vectors_of

SETTINGS = "epochs=2,fcn_widths=4"


def grid(regime="speaker"):
    return evaluate.grid(
        ["mfcc"],
        ["emodb"],
        ["emodb", "ravdess"],
        ["fcn", "logistic"],
        [regime],
        [0],
        protocol_settings.load(SETTINGS),
        workers=1,
        device="cpu",
    )[0]


def everything(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture
def elsewhere(own, kept, tmp_path, monkeypatch):  # noqa: F811
    """Another person's bundle, and a store of one's own that is empty."""
    if not kept:
        monkeypatch.setattr(paths, "BUILD", tmp_path / "theirs")
        kept["predictions"], kept["said"] = filled(tmp_path)
        kept["bytes"] = (tmp_path / "b.zip").read_bytes()
        shutil.rmtree(own / "embeddings")
    (tmp_path / "b.zip").write_bytes(kept["bytes"])
    monkeypatch.setattr(paths, "BUILD", tmp_path / "ours")
    return tmp_path / "b.zip", kept["predictions"], kept["said"]


def filled(folder):
    """Fill a store, and write its bundle; return the predictions, and what was said."""
    scan = scan_of()
    corpus_scans.write_scan("emodb", scan, store_folders.folder("audio"))
    identity = store.identity(PTM, "clip", scan.utterances)
    path = store.embeddings_path(PTM, "emodb", "clip", store.key(identity))
    facts = identity | {"corpus": "emodb", "device": "cpu (theirs)"}
    embedding_files.write_embeddings(path, vectors_of(scan.utterances), facts)
    np.savez(folder / "mine.npz", utterance=np.array(FILES), x=np.random.default_rng(0).random((18, 4)))
    imports.add(folder / "mine.npz", "secret", "mine")
    return grid(), bundles.write(folder / "b.zip", "B. Person")


def changed(bundle, change):
    """Rewrite a bundle with some files changed: name -> bytes, or None to leave one out."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files = {name: data for name, data in (files | change).items() if data is not None}
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def names(bundle, kind):
    with zipfile.ZipFile(bundle) as archive:
        return [name for name in archive.namelist() if name.startswith(kind)]


def relisted(bundle, name, data):
    """Change a file and its hash: what somebody would do who means it."""
    with zipfile.ZipFile(bundle) as archive:
        facts = json.loads(archive.read(bundles.LIST))
    facts["files"][name] = hashlib.sha256(data).hexdigest()
    changed(bundle, {name: data, bundles.LIST: json.dumps(facts).encode()})


def test_only_what_may_be_passed_on_is_in_it(elsewhere):
    bundle, _, said = elsewhere
    assert not names(bundle, "added/")
    assert len(names(bundle, "embeddings/")) == 1
    assert len(names(bundle, "predictions/")) == 4
    assert any(
        "left out, 1 files: embeddings of mine are not passed on: nothing is known" in line for line in said
    )


def test_what_was_trained_elsewhere_is_not_trained_again_and_says_so(elsewhere, monkeypatch):
    bundle, made, _ = elsewhere
    assert "added 1 of embeddings, 2 of predictions, 3 of tables; 0 left out" in bundles.merge(bundle)[-1]
    monkeypatch.setattr(evaluate, "_run", None)  # nothing may be trained
    pd.testing.assert_frame_equal(grid(), made)
    for file in (paths.BUILD / "predictions").rglob("*.parquet"):
        assert table_files.read_record(file)["came_with"].endswith("by B. Person")


def test_embeddings_are_found_and_say_so(elsewhere):
    bundles.merge(elsewhere[0])
    found = store.load(PTM, "emodb", "audio")
    assert np.array_equal(found.vectors, vectors_of(scan_of().utterances))
    assert found.metadata["device"].startswith("cpu (theirs), bundle b.zip, of ")


def test_what_is_here_stays(elsewhere):
    grid()
    before = everything(paths.BUILD)
    said = bundles.merge(elsewhere[0])
    assert sum("is here already" in line for line in said) == 2
    after = everything(paths.BUILD)
    assert {name: after[name] for name in before} == before
    bundles.merge(elsewhere[0])
    assert everything(paths.BUILD) == after


def test_a_corpus_that_was_read_here_stays_and_embeddings_of_other_audio_are_left_out(elsewhere):
    corpus_scans.write_scan("emodb", scan_of(n=5), store_folders.folder("audio"))
    said = "\n".join(bundles.merge(elsewhere[0]))
    assert "utterances/emodb.csv: the corpus was read here already" in said
    assert "made with other audio_hash than here" in said
    with pytest.raises(store_folders.NotStoredError):
        store.load(PTM, "emodb", "audio")


def test_predictions_by_another_version_are_left_out(elsewhere, monkeypatch):
    monkeypatch.setattr("crosscorpus.base.versions.of_some", lambda *names: "others")
    said = "\n".join(bundles.merge(elsewhere[0]))
    assert "made of other embeddings, utterances, folds, settings, code or libraries than here" in said
    assert "made with other encoded_with than here" in said
    assert not (paths.BUILD / "predictions").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({bundles.LIST: None}, "has no list bundle.json"),
        ({bundles.LIST: b"[]"}, "has no list bundle.json"),
        ({"predictions/mfcc/emodb/x.py": b"1"}, "has no place in a store"),
        ({"tables/other/emodb.csv": b"1"}, "has no place in a store"),
        ({"tables/utterances/ravdess.csv": b"1"}, "is not on its list"),
        ({"tables/utterances/emodb.csv": b"1"}, "is not what was packed"),
        ({"tables/utterances/emodb.csv": None}, "is missing"),
        ({"../out.csv": b"1"}, "would be written elsewhere"),
    ],
)
def test_a_bundle_that_is_not_what_was_packed_is_refused_whole(elsewhere, change, message):
    bundle = elsewhere[0]
    changed(bundle, change)
    with pytest.raises(bundles.BundleError, match=message):
        bundles.merge(bundle)
    assert not paths.BUILD.exists()


def test_a_text_is_no_bundle(tmp_path):
    (tmp_path / "b.zip").write_text("no archive")
    with pytest.raises(bundles.BundleError, match="no bundle"):
        bundles.merge(tmp_path / "b.zip")


def forged(elsewhere, tmp_path, change):
    """Merge the bundle with one file of predictions changed by somebody who corrects its hash, too."""
    bundle = elsewhere[0]
    name = next(n for n in names(bundle, "predictions/") if "/fcn-" in n and "history" not in n)
    with zipfile.ZipFile(bundle) as archive:
        (tmp_path / "p.parquet").write_bytes(archive.read(name))
    table, record = pd.read_parquet(tmp_path / "p.parquet"), table_files.read_record(tmp_path / "p.parquet")
    table_files.write(change(table), tmp_path / "p.parquet", record)
    relisted(bundle, name, (tmp_path / "p.parquet").read_bytes())
    return "\n".join(bundles.merge(bundle))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[1:], "its utterances, emotions and folds"),
        (
            lambda table: table.assign(fold=table["fold"] % 5 + 1),
            "its utterances, emotions and folds",
        ),
        (lambda table: table.assign(p_anger=2.0), "its probabilities are none"),
        (lambda table: table.assign(predicted="bored"), "its probabilities are none, or it predicts"),
        (lambda table: table.assign(seed=7), "made of other"),
        (lambda table: table.drop(columns="head"), "no file of predictions"),
    ],
)
def test_predictions_that_do_not_fit_are_left_out(elsewhere, tmp_path, change, message):
    assert message in forged(elsewhere, tmp_path, change)


def test_what_was_trained_elsewhere_agrees_when_trained_again(elsewhere):
    bundles.merge(elsewhere[0])
    table, said = verification.verify(5)
    assert list(table["agree (%)"]) == [100, 100]
    assert table["largest difference"].max() < 1e-5
    assert said == []
    assert verification.main(["--cells", "1", "--elsewhere"]) == 0


def test_predictions_that_were_made_up_are_found_out(elsewhere, tmp_path):
    def turned(table):
        return table.assign(predicted=np.where(table["predicted"] == "anger", "sadness", "anger"))

    forged(elsewhere, tmp_path, turned)
    table, _ = verification.verify(5)
    assert table.loc[table["head"] == "fcn", "agree (%)"].iloc[0] < 60
    assert verification.main([]) == 1


def test_an_empty_store_has_nothing_to_pass_on_or_to_verify(build_folder, tmp_path, capsys):
    with pytest.raises(bundles.BundleError, match="nothing to pass on"):
        bundles.main(["write", str(tmp_path / "b.zip")])
    assert verification.main([]) == 1
    assert "nothing could be trained again" in capsys.readouterr().out


def test_no_bundle_is_overwritten(build_folder, tmp_path):
    (tmp_path / "b.zip").touch()
    with pytest.raises(bundles.BundleError, match="is there already"):
        bundles.write(tmp_path / "b.zip")


def test_embeddings_that_were_added_come_along(elsewhere, tmp_path, monkeypatch):
    names = list(corpus_scans.read_scan("emodb").utterances["utterance"])
    np.savez(tmp_path / "e.npz", utterance=np.array(names), x=np.random.default_rng(0).random((len(names), 4)))
    imports.add(tmp_path / "e.npz", "theirs", "emodb", by="C")
    bundles.write(tmp_path / "c.zip")
    here = store.load("theirs", "emodb").vectors
    imports.remove("theirs")
    assert "added 1 of added" in bundles.merge(tmp_path / "c.zip")[-1]
    assert np.array_equal(store.load("theirs", "emodb").vectors, here)
    assert added_files.facts(added_files.path("theirs", "emodb"))["came_with"].startswith("bundle c.zip")
    assert "is here already" in bundles.merge(tmp_path / "c.zip")[0]
