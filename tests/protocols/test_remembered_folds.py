"""Folds that are remembered are those that would be made now."""

import pandas as pd
import pytest

from crosscorpus.corpora import file_lists
from crosscorpus.protocols import folds, remembered_folds


@pytest.fixture
def calls(monkeypatch):
    made = []
    original = folds._load
    monkeypatch.setattr(folds, "_load", lambda *a: (made.append(a[2]), original(*a))[1])
    monkeypatch.setattr(remembered_folds, "_known", {})
    return made


@pytest.fixture
def table():
    return file_lists.file_list("emodb").assign(sha256=lambda t: t["utterance"])


def test_the_same_question_is_answered_once_and_answers_are_copies(calls, table):
    first = folds.load("emodb", table, "speaker")
    first["fold"] = 0
    again = folds.load("emodb", table.copy(), "speaker")
    assert again["fold"].min() == 1
    assert calls == ["speaker"]
    folds.load("emodb", table, "stratified")
    assert calls == ["speaker", "stratified"]


@pytest.mark.parametrize("column", ["emotion", "speaker", "sha256", "text_id"])
def test_a_corrected_table_is_another_question(calls, table, column):
    folds.load("emodb", table, "stratified")
    table.loc[[0, 1], column] = table[column].iloc[[1, 0]].to_numpy()
    table.loc[0, column] = "another"
    folds.load("emodb", table, "stratified")
    assert len(calls) == 2


def test_folds_that_were_dealt_again_are_read_again(calls, table, tmp_path, monkeypatch):
    monkeypatch.setattr(folds, "path", lambda corpus: tmp_path / f"{corpus}.csv")
    before = folds.load("emodb", table, "stratified")  # none are committed
    again = before.assign(fold=before["fold"].map({1: 2, 2: 1}).fillna(before["fold"]).astype(int))
    every = folds.make("emodb", table)
    pd.concat([again, every[every["regime"] == "speaker"]]).to_csv(folds.path("emodb"), index=False)
    pd.testing.assert_frame_equal(folds.load("emodb", table, "stratified"), again)
    assert len(calls) == 2
