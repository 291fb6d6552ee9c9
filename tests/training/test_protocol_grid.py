"""Any protocol is run by one function; the paper's gives what it always gave; a fourth is a module and a file."""

import re

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import known_names, paths
from crosscorpus.embeddings import corpus_scans, store_folders
from crosscorpus.protocols import known, known_protocols, protocol_settings
from crosscorpus.training import evaluate, heads, protocol_grid, unit_of_work

CORPORA = ["emodb", "aesdd"]
QUICK = "unit=clip,epochs=2"


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "BUILD", tmp_path / "_build")


def run(name, overrides, corpora=CORPORA, **more):
    protocol = known_protocols.load(name, overrides)
    return protocol, protocol_grid.run(protocol, ["mfcc"], corpora, source="pack", workers=1, **more)


def test_the_paper_s_predictions_are_those_of_the_grid_from_the_same_files():
    settings = protocol_settings.load("epochs=2")
    before, _ = evaluate.grid(["mfcc"], CORPORA, CORPORA, ["fcn"], ["speaker"], [0], settings, workers=1)
    files = set((paths.BUILD / "predictions").rglob("*.parquet"))
    _, after = run("paper", "epochs=2", regimes=["speaker"], heads=["fcn"])
    assert set((paths.BUILD / "predictions").rglob("*.parquet")) == files  # nothing was trained again
    columns = unit_of_work.COLUMNS
    pd.testing.assert_frame_equal(after[columns], before[columns])
    assert set(after["way"]) == {"engine"}


def test_how_the_paper_s_heads_were_trained_is_asked_not_assumed(monkeypatch):
    def with_a_state(dim, n_classes, protocol):
        import keras

        embedding = keras.Input((dim,))
        normalised = keras.layers.BatchNormalization()(embedding)
        return keras.Model(embedding, keras.layers.Dense(n_classes, activation="softmax")(normalised))

    monkeypatch.setitem(heads.HEADS, "normalised", with_a_state)
    quick = {"regimes": ["stratified"], "across": False}
    _, table = run("paper", "epochs=2", ["emodb"], heads=["normalised", "fcn", "logistic"], **quick)
    assert table.groupby("head")["way"].unique().str.join("").to_dict() == {
        "fcn": "engine",
        "logistic": "scikit-learn",
        "normalised": "plain loop",
    }


def test_emobox_measures_three_ways_to_choose():
    protocol, table = run("emobox", QUICK)
    assert set(table["selection"]) == {"validation", "last", "test"}
    assert set(table["test_corpus"]) == set(CORPORA)
    assert (table["train_corpus"] == table["test_corpus"]).all()  # the track within
    scores = protocol_grid.scores(protocol, table).set_index(["train_corpus", "selection"])["accuracy"]
    assert (scores.xs("test", level=1) >= scores.xs("validation", level=1) - 1e-9).mean() >= 0.5
    folds = table.groupby(["train_corpus", "selection"])["fold"].nunique()
    assert folds["emodb"].tolist() == [5] * 3
    assert folds["aesdd"].tolist() == [1] * 3
    assert not table.duplicated(["train_corpus", "fold", "utterance", "selection"]).any()


def test_emobox_across_corpora_is_tested_on_balanced_sets():
    _, table = run("emobox", f"{QUICK},track=across", ["emodb", "ravdess"])
    across = table[table["train_corpus"] != table["test_corpus"]]
    assert set(across["test_corpus"]) == {"ravdess"}
    assert set(across["selection"]) == {"validation", "last", "test"}
    assert across.groupby(["selection", "emotion"]).size().tolist() == [60] * 12
    right = (across["emotion"] == across["predicted"]).groupby(across["selection"]).mean()
    assert right["test"] == right.max()  # chosen on these very utterances


def test_ser_evals_adjusts_across_corpora_alone():
    _, table = run("serevals", QUICK)
    wide = table.pivot(
        index=["regime", "train_corpus", "test_corpus", "utterance"], columns="adjustment", values="predicted"
    )
    own = wide.index.get_level_values(1) == wide.index.get_level_values(2)
    assert (wide.loc[own, "published"] == wide.loc[own, "none"]).all()
    assert (wide.loc[~own, "published"] != wide.loc[~own, "none"]).any()
    across = wide.xs(("random", "aesdd", "emodb"))
    assert set(across["published"]) == {"neutral"}  # AESDD has none: its prior of zero takes all answers
    assert "neutral" not in set(across["corrected"])
    assert len(table[table["regime"] == "disjoint"])


def test_stored_predictions_are_taken_and_other_settings_are_others(monkeypatch):
    _, before = run("serevals", QUICK, regimes=["random"])
    files = set((paths.BUILD / "protocols").rglob("*.parquet"))
    assert len(files) == 2
    monkeypatch.setattr(protocol_grid, "trainings", lambda unit: pytest.fail("trained again"))
    _, after = run("serevals", QUICK, regimes=["random"])
    pd.testing.assert_frame_equal(before, after)
    monkeypatch.undo()
    monkeypatch.setattr(paths, "BUILD", next(iter(files)).parents[4])
    run("serevals", "unit=clip,epochs=1", regimes=["random"])
    assert len(set((paths.BUILD / "protocols").rglob("*.parquet")) - files) == 2


def test_another_order_of_utterances_or_other_labels_are_another_file():
    protocol = known_protocols.load("serevals", QUICK)
    given = protocol_grid.read(protocol, "mfcc", "aesdd", "pack")
    unit = protocol_grid.Unit(protocol, given, [given], "random", 0)
    others = {
        "labels": protocol_grid.Inputs(**{**vars(given), "labels": given.labels.replace("fear", "other")}),
        "vectors": protocol_grid.Inputs(**{**vars(given), "made_by": "other"}),
    }
    files = [protocol_grid.Unit(protocol, one, [one], "random", 0).file() for one in others.values()]
    files += [
        protocol_grid.Unit(protocol, given, [given], *kind).file() for kind in (("disjoint", 0), ("random", 1))
    ]
    assert len({unit.file(), *files}) == 5


def test_frames_that_are_not_stored_are_named_with_their_command():
    protocol = known_protocols.load("serevals")
    with pytest.raises((store_folders.NotStoredError, FileNotFoundError), match=r"whisper-base|corpora|scan"):
        protocol_grid.run(protocol, ["whisper-base"], ["emodb"], workers=1)


def test_a_regime_that_is_not_the_protocol_s_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="unknown regime of the protocol 'stratified'"):
        run("serevals", QUICK, regimes=["stratified"])


# -- a fourth -------------------------------------------------------------------------------------------------

PAGE = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_a_fourth_protocol_is_one_module_and_one_file(tmp_path, monkeypatch, capsys):
    """As CONTRIBUTING.md shows it; its steps are run in a copy of the project by `tests/faults`, too."""
    section = re.search(r"^## Add a protocol$(.*?)(?=^## )", PAGE, re.M | re.S)[1]
    ((module, source),) = re.findall(r"cat > (\S+) <<'END'\n(.*?)^END$", section, re.M | re.S)
    edits = re.findall(r"-e 's/\^(.*?)\$/(.*?)/'", section)
    assert len(edits) == 3
    settings = known_protocols.file("emobox").read_text(encoding="utf-8")
    for old, new in edits:
        settings = re.sub(rf"^{old}$", new, settings, flags=re.M)
    name = module.rpartition("/")[2].removesuffix(".py")
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    (tmp_path / f"{name}.yaml").write_text(settings, encoding="utf-8")
    monkeypatch.setattr(known, "__path__", [*known.__path__, str(tmp_path)])
    original = known_protocols.file
    monkeypatch.setattr(
        known_protocols, "file", lambda one: tmp_path / f"{name}.yaml" if one == name else original(one)
    )
    assert {"emobox", "paper", "serevals", name} <= set(known_protocols.names())
    protocol_grid.main([name, "--ptms", "mfcc", "--corpora", "aesdd", "--workers", "1"])
    said = capsys.readouterr().out
    assert "aesdd" in said
    assert "Predictions by the way their heads were trained: engine" in said
    table = protocol_grid.run(known_protocols.load(name), ["mfcc"], ["aesdd"], source="pack", workers=1)
    speakers = corpus_scans.read_scan("aesdd", "pack").utterances.set_index("utterance")["speaker"]
    assert table["utterance"].map(speakers).groupby(table["fold"]).nunique().tolist() == [1] * 6
    assert np.isclose((table["predicted"] == table["emotion"]).mean(), 0.5, atol=0.35)


def test_where_nobody_can_be_tested_nothing_is_trained(monkeypatch):
    monkeypatch.setattr(protocol_grid, "trainings", lambda unit: pytest.fail("trained"))
    _, table = run("emobox", f"{QUICK},track=across")  # neither corpus has a balanced test set
    assert not len(table)
    assert list(table) == protocol_grid.COLUMNS
