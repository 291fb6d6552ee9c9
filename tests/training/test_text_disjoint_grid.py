"""Heads and baselines in the regimes that part texts."""

import pandas as pd
import pytest

from crosscorpus.embeddings import corpus_scans
from crosscorpus.protocols import protocol_settings
from crosscorpus.protocols.text_disjoint import speakers_and_texts
from crosscorpus.scores import comparison, counted_cells, metrics
from crosscorpus.training import evaluate

FAST = protocol_settings.load("epochs=1")
REGIMES = ["speaker", *protocol_settings.CROSSED]


@pytest.fixture(scope="module")
def predictions():
    sides = ["mfcc"], ["aesdd"], ["aesdd", "ravdess"]
    found = [
        evaluate.grid(*sides, ["logistic"], REGIMES, [0], FAST, workers=1)[0],
        evaluate.grid(*sides, ["fcn"], ["speaker-text"], [0], FAST, workers=1)[0],
    ]
    return pd.concat(found, ignore_index=True)


def test_every_cell_tests_every_utterance_once_within_and_across(predictions):
    for _, part in predictions.groupby(metrics.CELL):
        counted_cells.check_tested_once(part)
    sizes = predictions.groupby(["test_corpus", "head", "regime"]).size()
    assert len(sizes) == 2 * 4
    # RAVDESS has a recording twice, which the control may deal apart: then the second is left out.
    assert (sizes.groupby("test_corpus").max() - sizes.groupby("test_corpus").min()).tolist() <= [0, 1]


def test_folds_are_pairs_of_groups(predictions):
    own = predictions[(predictions["train_corpus"] == "aesdd") & (predictions["test_corpus"] == "aesdd")]
    assert own.groupby("regime")["fold"].nunique().to_dict() == {
        "speaker": 5,
        "speaker-matched": 25,
        "speaker-text": 25,
    }
    known = speakers_and_texts("aesdd", corpus_scans.read_scan("aesdd", "pack").utterances)
    assert known.nunique().tolist() == [6, 20]


def test_scores_intervals_and_comparisons_take_them(predictions):
    utterances = evaluate.utterances(["aesdd", "ravdess"])
    assert metrics.interval(predictions, utterances)["uar_low"].notna().all()
    assert metrics.summary(metrics.per_fold(predictions))["accuracy"].between(0, 100).all()
    assert not len(comparison.leakage(predictions, utterances))  # of two regimes that are not both here


def test_a_corpus_without_known_texts_is_left_out_with_a_sentence():
    from crosscorpus.protocols import cells

    table = corpus_scans.read_scan("aesdd", "pack").utterances.assign(text_id="")
    (said,) = cells.sentences(cells.left_out({"aesdd": table}, REGIMES, FAST))
    assert "speaker-text and speaker-matched folds" in said
    assert "no utterance has a text that is known (text_id)" in said
