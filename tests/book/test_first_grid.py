"""A first grid with baselines alone, from the embeddings that the repository carries."""

import pandas as pd
import pytest

from crosscorpus.base import paths
from crosscorpus.book import first_grid
from crosscorpus.scores import guard_parts, guards
from crosscorpus.training import unit_of_work


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setattr(first_grid, "FOLDER", tmp_path / "quick")
    return tmp_path / "quick"


def test_a_page_with_grid_intervals_and_pictures(folder, capsys):
    assert first_grid.main(["emodb,", "ravdess", "--model", "mfcc", "--workers", "1"]) == 0
    assert str(folder / "index.html") in capsys.readouterr().out
    scores, intervals = (pd.read_csv(folder / name) for name in ("scores.csv", "intervals.csv"))
    ids = {"emodb", "ravdess"}
    cells = {(a, b, head) for a in ids for b in ids for head in ("majority", "logistic", "svm")}
    for table in (scores, intervals):
        assert set(table[["train_corpus", "test_corpus", "head"]].itertuples(index=False, name=None)) == cells
    assert (intervals["uar_low"] <= intervals["uar"]).all()
    assert (intervals["uar"] <= intervals["uar_high"]).all()
    best = scores[scores["head"] != "majority"].groupby("train_corpus")["accuracy"].max()
    assert (best > scores["chance"].max()).all()
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "baselines alone" in page
    assert "make own CORPUS=&quot;emodb ravdess&quot;" in page
    assert "http-equiv" not in page
    assert "src=" not in page  # nothing is fetched


def test_a_dagger_says_which_cell_it_is_of():
    keys = {"ptm": "mfcc", "head": "svm", "regime": "speaker", "seed": 0, "train_corpus": "emodb"}
    rows = pd.DataFrame([{**keys, "test_corpus": "ravdess", "fold": fold, "said": "so"} for fold in (1, 2)])
    of_cell = guard_parts.report("constant", rows, pd.Series([True, True]), lambda row: f"{row.said} it is")
    of_all = guard_parts.report(
        "same scores", rows.drop(columns=["ptm", "seed", "fold"]).iloc[:1], pd.Series([True]), lambda _: "alike"
    )
    assert first_grid.daggers(pd.concat([of_cell, of_all])) == [
        "† SVM, Emo-DB → RAVDESS (2 times): so it is",
        "† SVM, Emo-DB → RAVDESS: alike",
    ]
    assert first_grid.daggers(of_cell.iloc[:0]) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "none, two or more are expected"),
        (["emodb"], "emodb, two or more are expected"),
        (["emodb", "emodb"], "corpora"),
        (["emodb", "ravdes"], "ravdess"),
        (["emodb", "ravdess", "--model", "mfc"], "mfcc"),
    ],
)
def test_what_cannot_be_compared_is_said_and_nothing_is_written(folder, capsys, given, said):
    assert first_grid.main(given) == 2
    assert said in capsys.readouterr().err
    assert not folder.exists()


def test_baselines_alone_have_no_curves_to_guard_and_heads_must():
    keys = {"ptm": "mfcc", "regime": "speaker", "seed": 0, "train_corpus": "a", "test_corpus": "a", "fold": 1}
    rows = [
        {**keys, "head": "svm", "utterance": str(n), "emotion": e, "predicted": p, "p_anger": a, "p_fear": 1 - a}
        for n, (e, p, a) in enumerate([("anger", "anger", 0.8), ("fear", "fear", 0.1), ("fear", "anger", 0.6)])
    ]
    predictions = pd.DataFrame(rows)
    utterances = predictions[["utterance", "emotion"]].assign(corpus="a", fold=1, speaker="s", sha256="0")
    none = pd.DataFrame(columns=[*unit_of_work.UNIT, "fold"])
    checked = guards.check_results(predictions, none, utterances).attrs["checked"]
    assert "loss" not in checked
    assert checked["constant"]
    with pytest.raises(guard_parts.GuardError, match="learning curves"):
        guards.check_results(predictions.assign(head="fcn"), none, utterances)
