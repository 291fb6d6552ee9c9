import numpy as np
import pandas as pd
import pytest

from crosscorpus.corpora import file_lists
from crosscorpus.protocols import folds
from crosscorpus.verdict import leakage


def test_what_training_and_test_share_by_hand():
    utterances = pd.DataFrame(
        {"utterance": list("abcd"), "speaker": ["1", "1", "2", "2"], "text_id": ["x", "y", "x", ""]}
    )
    dealt = pd.DataFrame(
        {
            "corpus": "c",
            "utterance": list("abcd") * 2,
            "regime": ["stratified"] * 4 + ["speaker"] * 4,
            "fold": [1, 2, 2, 2, 1, 1, 2, 2],
        }
    )
    table = leakage.shared(utterances, dealt).set_index("regime")
    # Stratified: speaker 1 is in both folds (a, b), speaker 2 in one; text x is in both (a, c), y is there once.
    assert table.loc["stratified", ["n", "speaker", "text"]].tolist() == [4, 50, pytest.approx(200 / 3)]
    assert table.loc["speaker", ["n", "speaker", "text"]].tolist() == [4, 0, pytest.approx(200 / 3)]


def test_speakers_that_are_not_known_are_missing():
    utterances = pd.DataFrame({"utterance": ["a", "b"], "speaker": "", "text_id": ["x", "x"]})
    dealt = pd.DataFrame({"corpus": "c", "utterance": ["a", "b"], "regime": "stratified", "fold": [1, 2]})
    row = leakage.shared(utterances, dealt).iloc[0]
    assert np.isnan(row["speaker"])
    assert row["text"] == 100


def test_the_committed_folds_keep_their_promise():
    table = leakage.of_file_lists(["emodb", "mesd", "aesdd"]).set_index(["corpus", "regime"])
    assert table.loc[("emodb", "speaker"), "speaker"] == 0
    assert table.loc[("emodb", "stratified"), "speaker"] == 100
    # A word in one kind of voice is kept together; other voices say it too.
    listed = file_lists.file_list("mesd")
    by_voice = leakage.shared(listed, folds.load("mesd", listed)).set_index("regime")
    assert by_voice.loc["speaker", "text"] == 0
    assert 80 < table.loc[("mesd", "speaker"), "text"] < table.loc[("mesd", "stratified"), "text"] < 100
    assert list(table["n"].groupby("corpus").first()) == [604, 375, 719]


def test_a_corpus_without_a_list_is_left_out():
    assert leakage.of_file_lists(["tess"]).empty


def predictions(**right):
    """Predictions by regime and pair: right answers (of four, by two speakers) for "regime_train_test"."""
    parts = []
    for cell, answers in right.items():
        regime, train, test = cell.split("_")
        part = pd.DataFrame({"utterance": list("abcd"), "emotion": ["anger", "fear"] * 2})
        part["predicted"] = [e if ok else "none" for e, ok in zip(part["emotion"], answers, strict=True)]
        parts.append(
            part.assign(ptm="x", head="fcn", regime=regime, seed=0, train_corpus=train, test_corpus=test, fold=1)
        )
    return pd.concat(parts, ignore_index=True)


UTTERANCES = pd.concat(
    [pd.DataFrame({"corpus": c, "utterance": list("abcd"), "speaker": list("1122")}) for c in ("e", "r")]
)


def test_within_and_across_look_at_their_own_cells():
    made = predictions(
        stratified_e_e=[1, 1, 1, 1],
        speaker_e_e=[1, 0, 1, 1],
        stratified_r_e=[1, 0, 0, 0],
        speaker_r_e=[1, 1, 1, 0],
    )
    (own,) = leakage.within(made, UTTERANCES).to_dict("records")
    (other,) = leakage.across(made, UTTERANCES).to_dict("records")
    assert (own["train_corpus"], own["difference"]) == ("e", 25)
    assert (other["train_corpus"], other["difference"]) == ("r", -50)
    # UAR: of fear, 2 of 2 against 1 of 2; of anger, 2 of 2 in both.
    assert leakage.within(made, UTTERANCES, "uar")["difference"].tolist() == [25]


def test_one_regime_alone_gives_no_difference():
    made = predictions(stratified_e_e=[1, 1, 1, 1], stratified_r_e=[1, 0, 0, 0])
    assert leakage.within(made, UTTERANCES).empty
    assert leakage.across(made, UTTERANCES).empty


def test_facts_for_a_sentence():
    columns = ["ptm", "head", "corpus", "difference", "low", "high", "p_adjusted"]
    rows = [
        ("whisper-base", "fcn", "emodb", 4.0, 1.0, 7.0, 0.01),
        ("egemaps", "logistic", "ravdess", 10.0, 8.0, 12.0, 0.06),
        ("mfcc", "cnn", "emodb", -2.0, -3.0, -1.0, 0.01),
    ]
    found = leakage.summary(pd.DataFrame(rows, columns=columns))
    assert [found[key] for key in ("n_rows", "n_above", "n_significant", "mean_difference")] == [3, 2, 1, 4]
    assert [found[f"largest_{of}"] for of in ("model", "corpus", "head")] == [
        "eGeMAPS",
        "RAVDESS",
        "logistic regression",
    ]
    assert (found["largest"], found["largest_low"], found["largest_high"]) == (10, 8, 12)


def test_facts_of_nothing():
    found = leakage.summary(pd.DataFrame(columns=["difference", "p_adjusted"]))
    assert found["n_rows"] == 0
    assert found["largest_model"] == ""


def test_winners_by_hand():
    rows = [
        ("x", "fcn", "stratified", "e", "e", 90.0),
        ("y", "fcn", "stratified", "e", "e", 80.0),
        ("x", "fcn", "speaker", "e", "e", 60.0),
        ("y", "fcn", "speaker", "e", "e", 70.0),
        ("x", "cnn", "stratified", "e", "e", 90.0),
        ("x", "cnn", "speaker", "e", "e", 90.0),
        ("x", "fcn", "speaker", "r", "e", 99.0),
    ]
    columns = ["ptm", "head", "regime", "train_corpus", "test_corpus", "accuracy"]
    (found,) = leakage.winners(pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert found == {"corpus": "e", "head": "fcn", "models": 2, "stratified": "x", "speaker": "y", "kendall": -1}
