import pandas as pd
import pytest

from crosscorpus.book import corpus_table
from crosscorpus.corpora import corpus_entries, corpus_registry
from crosscorpus.protocols import official_splits


@pytest.fixture(scope="module")
def table():
    return corpus_table.corpora("pack").set_index("corpus")


def test_every_corpus_of_the_registry_has_a_row(table):
    assert list(table.index) == list(corpus_registry.registry())
    assert len(table) >= 38
    assert set(table["access"]) <= set(corpus_entries.ACCESS)


def test_a_row_says_what_the_registry_says(table):
    row = table.loc["cafe"]
    assert (row["language"], row["utterances"], row["speakers"]) == ("Canadian French", 936, 12)
    assert row["used by"] == "EmoBox, SER Evals"
    assert row["get it"] == "`python -m crosscorpus.embeddings.downloads cafe`"
    assert row["models run"] == 0
    assert table.loc["emodb", "models run"] > 0
    assert table.loc["emodb", "used by"] == "the paper, EmoBox, SER Evals"


def test_hours_are_those_of_the_published_lists_and_missing_where_there_is_none(table):
    assert table.loc["emodb", "hours"] == pytest.approx(official_splits.read("emodb")["seconds"].sum() / 3600)
    assert pd.isna(table.loc["masc", "hours"])


def test_languages_add_up(table):
    found = corpus_table.languages(table.reset_index())
    assert found["corpora"].sum() == len(table)
    assert found["hours"].sum() == pytest.approx(table["hours"].sum())
    german = found.set_index("language").loc["German"]
    assert german["names"] == "Emo-DB, PAVOQUE, Thorsten"


def test_terms_say_how_audio_comes_and_what_the_pack_may_carry():
    terms = corpus_table.terms().set_index("corpus")
    assert terms.loc["emodb", "comes"] == "by itself"
    assert terms.loc["savee", "comes"].startswith("by hand: register")
    assert terms.loc["savee", "in the pack"].startswith("no: its owners ask every user to register")
    assert (terms[["licence", "stated at", "comes", "in the pack"]] != "").all(axis=None)


def test_splits_that_test_the_voices_they_train_on_are_marked_and_named():
    splits = corpus_table.splits()
    by_id = splits.set_index("corpus")
    assert by_id.loc["emodb", "mark"] != ""
    assert by_id.loc["ravdess", "mark"] == by_id.loc["mer2023", "mark"] == ""  # the second names no speakers
    marked = int((splits["mark"] != "").sum())
    said = corpus_table.heard(splits)
    assert said.startswith(f"Of 32 published splits, {marked} test voices")
    assert "the owners of Emo-DB published" in said
    assert "owners" not in corpus_table.heard(splits[splits["by"] != "owners"])
