import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.embeddings import store
from crosscorpus.verdict import text_leak


@pytest.fixture(scope="module")
def emodb():
    return store.load("mfcc", "emodb", "pack")


def test_embeddings_of_words_alone_gain_from_texts_that_are_heard(emodb):
    """A vector that is the text and, within a text, the emotion: only who heard the text knows its emotions."""
    table = emodb.utterances
    rng = np.random.default_rng(0)
    code = {key: rng.normal(size=200) for key in sorted(set(zip(table["text_id"], table["emotion"], strict=True)))}
    X = np.array([code[key] for key in zip(table["text_id"], table["emotion"], strict=True)], dtype=np.float32)
    made = dataclasses.replace(emodb, vectors=X + rng.normal(scale=0.1, size=X.shape).astype(np.float32))
    right, sizes, groups = text_leak.right_answers(made, 1)
    assert right["speaker-matched"].mean() > right["speaker-text"].mean() + 0.3
    assert right["speaker-text"].mean() < 0.6
    assert sizes["speaker-matched"] == sizes["speaker-text"] < sizes["speaker-disjoint"] == sizes["heard"]
    assert groups == 5
    worth, low, high, over = text_leak.price(right, "speaker-matched", "speaker-text")
    assert worth == pytest.approx(100 * (right["speaker-matched"] - right["speaker-text"]).mean())
    assert 0 < low < worth < high
    assert over == "speakers and texts"


def test_embeddings_of_speakers_and_emotions_gain_from_speakers_that_are_heard(emodb):
    table = emodb.utterances
    rng = np.random.default_rng(0)
    code = {key: rng.normal(size=200) for key in sorted(set(zip(table["speaker"], table["emotion"], strict=True)))}
    X = np.array([code[key] for key in zip(table["speaker"], table["emotion"], strict=True)], dtype=np.float32)
    right, _, _ = text_leak.right_answers(dataclasses.replace(emodb, vectors=X), 1)
    assert right["heard"].mean() > right["speaker-disjoint"].mean() + 0.3
    assert abs(right["speaker-matched"].mean() - right["speaker-text"].mean()) < 0.15


def of(speakers, texts, gain=0.0):
    rows = [(f"s{i}", f"t{j}", gain, 0.0) for i in range(speakers) for j in range(texts)]
    return pd.DataFrame(rows, columns=["speaker", "text", "speaker-matched", "speaker-text"])


@pytest.mark.parametrize(
    ("speakers", "texts", "over"),
    [(6, 6, "speakers and texts"), (24, 2, "speakers"), (3, 48, "texts"), (3, 2, "")],
)
def test_the_price_is_nothing_where_answers_are_the_same_and_few_are_not_drawn(speakers, texts, over):
    *found, said = text_leak.price(of(speakers, texts), "speaker-matched", "speaker-text")
    assert said == over
    assert found[0] == 0
    assert np.isnan(found[1:]).all() if not over else found[1:] == [0, 0]


def test_the_interval_is_as_wide_as_speakers_and_texts_differ():
    """By simulation: effects of speakers and of texts, and the true price in about 95 of 100 intervals."""
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(100):
        by = rng.normal(0, 5, 10)[:, None] + rng.normal(0, 5, 10)[None, :] + 10
        right = pd.DataFrame(
            [(str(i), str(j), by[i, j] / 100, 0.0) for i in range(10) for j in range(10)],
            columns=["speaker", "text", "speaker-matched", "speaker-text"],
        )
        _, low, high, _ = text_leak.price(right, "speaker-matched", "speaker-text", n_resamples=300, seed=seed)
        inside += low <= 10 <= high
    assert 84 <= inside <= 100


def test_a_row_for_each_condition_with_scores_in_percent(emodb):
    table = text_leak.of_pair("mfcc", "emodb", "pack", 1)
    assert list(table) == text_leak.COLUMNS
    assert set(table["n_speakers"]) == {10}
    assert set(table["n_texts"]) == {10}
    assert table["accuracy"].between(40, 100).all()
    assert set(table["groups"]) == {5}
    shown = text_leak.beside(table)
    assert len(shown) == 1
    assert shown["texts"].item() == pytest.approx(shown["speaker-matched"].item() - shown["speaker-text"].item())
    assert shown["speakers"].item() == pytest.approx(shown["heard"].item() - shown["speaker-disjoint"].item())


def test_what_names_no_texts_is_left_out_with_a_reason(monkeypatch, capsys, emodb):
    bare = dataclasses.replace(emodb, utterances=emodb.utterances.assign(text_id=""))
    monkeypatch.setattr(store, "available", lambda *_: {("mfcc", "emodb"): bare})
    table = text_leak.run(["mfcc"], ["emodb"], workers=1)
    assert list(table) == text_leak.COLUMNS
    assert not len(table)
    assert "Left out: Emo-DB, because no utterance has a text that is known (text_id)." in capsys.readouterr().out


def test_whether_a_price_foretells_a_loss_says_on_how_many_points_it_rests():
    models, corpora = ["a", "b", "c", "d"], ["x", "y"]
    priced = pd.DataFrame([(c, m, i + 1.0) for c in corpora for i, m in enumerate(models)],
                          columns=["corpus", "ptm", "texts"])  # fmt: skip
    scores = [
        (m, a, b, 80.0 - (10 * i if a != b else 0)) for i, m in enumerate(models) for a in corpora for b in corpora
    ]
    table = pd.DataFrame(scores, columns=["ptm", "train_corpus", "test_corpus", "accuracy"])
    found = text_leak.foretold(priced, table).set_index("corpus")
    assert list(found.index) == ["x", "y", "all"]
    assert (found["points"] == 4).all()
    assert found["rho"].tolist() == pytest.approx([1, 1, 1])
    assert found["p"].tolist() == pytest.approx([2 / 24] * 3)
    assert found["least_p"].tolist() == pytest.approx([2 / 24] * 3)
    few = text_leak.foretold(priced[priced["ptm"].isin(["a", "b"])], table)
    assert few[["rho", "p", "least_p"]].isna().all(axis=None)
