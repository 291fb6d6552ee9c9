import pandas as pd
import pytest

from crosscorpus.corpora import own_tables
from crosscorpus.protocols import cells, protocol_settings

SETTINGS = protocol_settings.load()
REGIMES = ["stratified", "speaker"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Return a function that makes a corpus and its table: n utterances of each emotion for each speaker."""
    monkeypatch.setattr(own_tables, "folder", lambda: tmp_path)

    def make(corpus, n, emotions, speakers):
        rows = [(f"{s}-{e}-{i}", s, e) for s in speakers for e in emotions for i in range(n)]
        found = pd.DataFrame(rows, columns=["utterance", "speaker", "emotion"])
        found.rename(columns={"utterance": "path"}).to_csv(tmp_path / f"{corpus}.csv", index=False)
        return found.assign(corpus=corpus, text_id="", sha256=found["utterance"])

    return make


def said(tables, **sides):
    return cells.sentences(cells.left_out(tables, REGIMES, SETTINGS, **sides))


def test_a_corpus_that_has_all_is_not_named(table):
    assert said({"one": table("one", 4, ["anger", "fear"], ["a", "b", "c"])}) == []


def test_one_speaker_leaves_out_a_regime_both_in_training_and_in_test(table):
    one, other = table("one", 9, ["anger", "fear"], ["anna"]), table("other", 9, ["anger", "fear"], "abcde")
    out = cells.left_out({"one": one, "other": other}, REGIMES, SETTINGS)
    assert cells.sentences(out) == [
        "Left out with speaker folds: training and testing on one: all is of one speaker, anna."
    ]
    assert cells.is_left_out(out, "speaker", "other", "one")
    assert cells.is_left_out(out, "speaker", "one", "other")
    assert not cells.is_left_out(out, "speaker", "other", "other")
    assert not cells.is_left_out(out, "stratified", "other", "one")


def test_one_usable_emotion_is_no_task(table):
    (sentence,) = said({"one": table("one", 9, ["anger", "neutral"], "abcde")})
    assert sentence.startswith(
        "Left out with stratified and speaker folds: training and testing on one: it has one"
    )
    assert "one emotion alone, anger" in sentence


def test_a_pair_that_shares_one_emotion_is_left_out_and_its_corpora_are_not(table):
    tables = {
        "one": table("one", 9, ["anger", "fear"], "abc"),
        "other": table("other", 9, ["anger", "sadness"], "abc"),
    }
    out = cells.left_out(tables, REGIMES, SETTINGS)
    assert set(zip(out["train_corpus"], out["test_corpus"], strict=True)) == {("one", "other"), ("other", "one")}
    assert "they share one emotion alone, anger" in cells.listed(out)


def test_an_emotion_of_one_speaker_cannot_be_learned_from_the_others(table):
    both = pd.concat([table("one", 9, ["anger", "fear"], "abcde"), table("one", 9, ["sadness"], "a")])
    both[["speaker", "emotion"]].assign(path=both["utterance"]).to_csv(
        own_tables.folder() / "one.csv", index=False
    )
    (sentence,) = said({"one": both.reset_index(drop=True)})
    assert sentence.startswith("Left out with speaker folds: training on one: sadness has 9 utterances, all by a:")


def test_only_the_sides_that_are_asked_for_are_looked_at(table):
    tables = {"one": table("one", 9, ["neutral"], "abc"), "other": table("other", 9, ["anger", "fear"], "abc")}
    assert said(tables, train_corpora=["other"], test_corpora=["other"]) == []


def test_jupyter_shows_the_sentence_alone():
    error = cells.NothingLeftError("nothing of this grid can be run. Why.")
    assert error._render_traceback_() == ["Nothing to run: nothing of this grid can be run. Why."]
