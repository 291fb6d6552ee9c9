import pytest

from crosscorpus.book import model_table, score_tables
from crosscorpus.models import model_registry


@pytest.fixture(scope="module")
def table():
    return model_table.models("pack").set_index("ptm")


def test_every_model_but_untrained_twins_has_a_row(table):
    assert list(table.index) == [m.id for m in model_registry.registry().values() if not m.twin_of]
    assert len(table) >= 36


def test_a_row_says_what_the_registry_says(table):
    row = table.loc["whisper-large-v3"]
    assert (row["used by"], row["dimension"], row["layers"]) == ("EmoBox, SER Evals", 1280, 32)
    assert row["memory (GB)"] == "2.55 / 1.27"
    assert row["download (GB)"] == pytest.approx(3.087, abs=1e-3)
    assert row["get it"] == "`python -m crosscorpus.embeddings.downloads whisper-large-v3`"
    assert (row["run on"], row["heard"]) == (0, "not known")
    assert table.loc["whisper-base", "run on"] >= 4
    assert table.loc["wav2vec2-base", "used by"] == "the paper, EmoBox"


def test_what_is_not_run_says_how_embeddings_are_added(table):
    assert table.loc["mert-330m", "get it"] == (
        "embeddings made elsewhere: `python -m crosscorpus.embeddings add FILE --model mert-330m --corpus CORPUS`"
    )
    assert table.loc["mfcc", "get it"] == "nothing to get"
    assert table.loc["egemaps", "get it"] == "`make opensmile`"
    assert "/" not in table.loc["x-vector", "memory (GB)"]


def test_what_models_have_heard_is_shown_by_use_and_with_names(table):
    assert table.loc["wav2vec2-audeering", "heard"] == "MSP-Podcast"
    assert table.loc["emotion2vec-plus-base", "heard"] == "32 corpora; others are not known"
    assert table.loc["wavlm-base", "heard"] == "none"
    heard = model_table.heard()
    audio = heard[(heard["ptm"] == "emotion2vec-base") & (heard["what was used"] == "audio")]
    assert audio["corpora"].tolist() == ["IEMOCAP, MELD, MEAD, MSP-Podcast"]
    assert set(heard["what was used"]) == set(score_tables.WORDS.values())


def test_each_statement_has_its_source_and_each_issue_its_model():
    stated = model_table.trained_on()
    assert stated["stated at"].str.contains("https://").all()
    assert not stated["stated at"].str.contains("`").any()
    assert set(model_table.issues()["ptm"]) >= {"data2vec-base", "wav2vec2-large-robust"}


def test_the_sentence_counts():
    assert model_table.summary().startswith(f"{len(model_table.listed())} models are listed, of which ")
