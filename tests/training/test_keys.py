"""What a stored thing depends on names it: each column and each setting is changed once, and nothing else.

What must change has another name then, and so is made anew; what need not has the same name, and is found.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml

from crosscorpus.base import paths, versions
from crosscorpus.corpora import corpus_registry, utterance_tables
from crosscorpus.embeddings import corpus_scans, store, store_folders
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.training import baselines, heads, prediction_files, unit_of_work

SETTINGS = protocol_settings.load()
HEADS = [*heads.HEADS, *baselines.BASELINES]
N_SPEAKERS = 6


def table():
    """Six speakers with five emotions each, four times, and one emotion that is not used."""
    rows = []
    for n in range(N_SPEAKERS * 24):
        emotion = [*SETTINGS["emotions"], "neutral"][n // 4 % 6]
        rows.append(
            {
                "corpus": "toys",
                "utterance": f"u{n:03d}",
                "path": f"u{n:03d}.wav",
                "speaker": f"s{n // 24}",
                "emotion_native": emotion[:3],
                "emotion": emotion,
                "text_id": f"t{n % 4}",
                "start": np.nan,
                "end": np.nan,
                "seconds": 1.0 + n / 100,
                "sample_rate_native": 16_000,
                "sha256": f"{n:064x}",
            }
        )
    return pd.DataFrame(rows)[utterance_tables.COLUMNS]


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    entry = dataclasses.replace(corpus_registry.get("emodb"), id="toys", same_audio=())
    original = corpus_registry.get
    monkeypatch.setattr(corpus_registry, "get", lambda corpus: entry if corpus == "toys" else original(corpus))


def embeddings(utterances, corpus="toys"):
    vectors = np.random.default_rng(0).normal(size=(len(utterances), 8)).astype(np.float32)
    return store.Embeddings("mfcc", corpus, utterances, vectors, {})


def names_of(utterances, settings=SETTINGS, code="", vectors=None):
    """Return the name of everything that is stored of a corpus, by what it is."""
    e = embeddings(utterances)
    if vectors is not None:
        e = dataclasses.replace(e, vectors=vectors)
    found = {"embeddings": store.key(store.identity("mfcc", "clip", utterances))}
    for head in HEADS:
        for regime in protocol_settings.DEALT:
            unit = unit_of_work.Unit(head, regime, 0, e, [e], settings)
            found[f"{head}, {regime}"] = prediction_files.of_unit(unit, {}, "cpu")[0].name
    return found


def changed(*arguments, **more):
    before, after = names_of(table()), names_of(*arguments, **more)
    return {what for what in before if before[what] != after[what]}


ALL = {f"{head}, {regime}" for head in HEADS for regime in protocol_settings.DEALT}
OF_SPEAKER = {what for what in ALL if what.endswith("speaker")}
DEPENDS = {
    "utterance": {"embeddings", *ALL},
    "speaker": OF_SPEAKER,
    "emotion": ALL,
    "sha256": {"embeddings", *ALL},
    "corpus": set(),  # that of the embeddings counts
    "path": set(),
    "emotion_native": set(),
    "text_id": set(),
    "start": set(),  # a segment's samples are in its sha256
    "end": set(),
    "seconds": set(),
    "sample_rate_native": set(),
}
OTHER = {
    "emotion": "fear",
    "sha256": "f" * 64,
    "seconds": 9.0,
    "sample_rate_native": 8_000,
    "start": 0.1,
    "end": 0.2,
}


def test_every_column_is_looked_at():
    assert set(DEPENDS) == set(utterance_tables.COLUMNS)


@pytest.mark.parametrize("column", DEPENDS)
def test_a_changed_cell_makes_anew_what_depends_on_it_and_nothing_else(column):
    corrected = table()
    corrected.loc[0, column] = OTHER.get(column, "other")
    assert changed(corrected) == DEPENDS[column]


def test_the_text_names_predictions_where_folds_keep_texts_together(monkeypatch):
    by_text = dataclasses.replace(corpus_registry.get("toys"), folds_keep_together="text_id")
    monkeypatch.setattr(corpus_registry, "get", lambda corpus: by_text)
    before, corrected = names_of(table()), table()
    corrected.loc[0, "text_id"] = "t3"
    after = names_of(corrected)
    assert {what for what in before if before[what] != after[what]} == OF_SPEAKER


def test_an_emotion_that_is_not_used_changes_no_prediction():
    """But in the folds: they are dealt over all that is there, and here come out the same."""
    corrected = table()
    corrected.loc[corrected["emotion"] == "neutral", "emotion"] = "calm"
    assert changed(corrected) <= ALL
    dealt = [folds.make("toys", t).to_csv() for t in (table(), corrected)]
    if dealt[0] == dealt[1]:
        assert changed(corrected) == set()


CHANGES = {
    "emotions": "emotions=anger fear",
    "layer": "layer=mean",
    "scaling": "scaling=none",
    "fcn_widths": "fcn_widths=8",
    "cnn_filters": "cnn_filters=8",
    "cnn_kernel": "cnn_kernel=5",
    "cnn_pool": "cnn_pool=3",
    "cnn_widths": "cnn_widths=8",
    "activation": "activation=tanh",
    "dropout": "dropout=0.1",
    "learning_rate": "learning_rate=0.01",
    "batch_size": "batch_size=8",
    "epochs": "epochs=2",
    "patience": "patience=2",
    "kept_weights": "kept_weights=last",
    "validation_share": "validation_share=0.2",
    "fixed_epochs_below": "fixed_epochs_below=50",
    "logistic_c": "logistic_c=2.0",
    "svm_c": "svm_c=2.0",
}
FIXED = {"n_folds", "optimizer"}
"""Settings that have one value, so far."""


def test_every_setting_is_changed():
    assert set(CHANGES) | FIXED == set(SETTINGS)


@pytest.mark.parametrize("setting", CHANGES)
def test_a_changed_setting_trains_anew_whom_it_concerns_and_nobody_else(setting):
    entry = yaml.safe_load((paths.DATA / "protocol.yaml").read_text(encoding="utf-8"))[setting]
    whose = {None: HEADS, "heads": list(heads.HEADS), "embeddings": []}.get(entry.get("of"), [entry.get("of")])
    expected = {f"{head}, {regime}" for head in whose for regime in protocol_settings.DEALT}
    assert changed(table(), protocol_settings.load(CHANGES[setting])) == expected


@pytest.mark.parametrize("head", HEADS)
def test_training_reads_no_setting_that_is_not_in_its_name(head):
    """Settings of others are not even there: reading one is an error."""
    few = {"epochs": 1, "fcn_widths": [4], "cnn_filters": 2, "cnn_widths": [4]}
    e = embeddings(table())
    unit = unit_of_work.Unit(head, "stratified", 0, e, [e], protocol_settings.load(few))
    assert len(unit.settings) < len(SETTINGS)
    predictions, _ = unit_of_work.train_and_test(unit)
    assert len(predictions) == (table()["emotion"] != "neutral").sum()


def test_a_setting_of_another_head_is_refused_with_the_place_to_declare_it():
    of_fcn = protocol_settings.used_by(SETTINGS, "fcn", "heads")
    with pytest.raises(KeyError, match=r"cnn_filters is not this head's.*data/protocol\.yaml"):
        of_fcn["cnn_filters"]


def test_other_vectors_change_every_prediction():
    other = embeddings(table()).vectors + np.float32(1e-4)
    assert changed(table(), vectors=other) == ALL


@pytest.mark.parametrize("library", versions.LIBRARIES)
def test_another_version_of_a_library_makes_anew_what_comes_from_it(library, monkeypatch):
    before = names_of(table())
    known = versions.of_libraries() | {library: "0.0"}
    monkeypatch.setattr(versions, "of_libraries", lambda: known)
    after = names_of(table())
    moved = {what for what in before if before[what] != after[what]}
    expected = set()
    if library in store.ENCODING:
        expected |= {"embeddings"}
    if library in ("keras", "torch", "numpy", "scikit-learn"):
        expected |= ALL
    assert moved == expected
    assert moved  # none is recorded for nothing


def test_other_code_makes_anew_what_it_makes(monkeypatch):
    before = names_of(table())
    prediction_files._code.cache_clear()
    monkeypatch.setattr(versions, "of_code", lambda *modules: "other")
    after = names_of(table())
    prediction_files._code.cache_clear()
    assert all(before[what] != after[what] for what in before)


def test_a_label_map_changes_a_table_that_is_stored_already(build_folder):
    """Corrected labels count at once, in every chapter: what was measured stays."""
    entry = corpus_registry.get("emodb")
    stored = corpus_scans.read_scan("emodb", "pack").utterances.head(3)
    renamed = stored.assign(emotion="happiness", emotion_native="F", speaker="99", text_id="x")
    corpus_scans.write_scan(
        "emodb",
        utterance_tables.Scan(renamed, renamed, pd.DataFrame(columns=utterance_tables.PROBLEM_COLUMNS)),
        store_folders.folder("audio"),
    )
    assert entry.table is None
    pd.testing.assert_frame_equal(corpus_scans.read_scan("emodb", "audio").utterances, stored)
