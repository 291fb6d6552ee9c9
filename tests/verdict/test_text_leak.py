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
    right, sizes = text_leak.right_answers(made, 1)
    assert right["matched"].mean() > right["speaker-text"].mean() + 0.3
    assert right["speaker-text"].mean() < 0.6
    assert sizes["matched"] == sizes["speaker-text"] < sizes["speaker-disjoint"]
    worth, low, high = text_leak.price(right, "matched")
    assert worth == pytest.approx(100 * (right["matched"] - right["speaker-text"]).mean())
    assert 0 < low < worth < high


def test_the_price_is_nothing_where_answers_are_the_same():
    right = pd.DataFrame({"speaker": list("aabb"), "text_id": list("xyxy"), "matched": 1.0, "speaker-text": 1.0})
    assert text_leak.price(right, "matched") == (0, 0, 0)


def test_the_interval_is_as_wide_as_speakers_and_texts_differ():
    """By simulation: effects of speakers and of texts, and the true price in about 95 of 100 intervals."""
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(100):
        by = rng.normal(0, 5, 10)[:, None] + rng.normal(0, 5, 10)[None, :] + 10
        right = pd.DataFrame(
            [(str(i), str(j), by[i, j] / 100, 0.0) for i in range(10) for j in range(10)],
            columns=["speaker", "text_id", "matched", "speaker-text"],
        )
        _, low, high = text_leak.price(right, "matched", n_resamples=300, seed=seed)
        inside += low <= 10 <= high
    assert 84 <= inside <= 100


def test_a_row_for_each_condition_with_scores_in_percent(emodb):
    table = text_leak.of_pair("mfcc", "emodb", "pack", 1)
    assert list(table) == text_leak.COLUMNS
    assert set(table["n_speakers"]) == {10}
    assert set(table["n_texts"]) == {10}
    assert table["accuracy"].between(40, 100).all()
    shown = text_leak.beside(table)
    assert len(shown) == 1
    assert shown["price"].item() == pytest.approx(shown["matched"].item() - shown["speaker-text"].item())
