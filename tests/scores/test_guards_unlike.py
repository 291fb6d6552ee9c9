"""Guards on honest runs of unlike corpora: other emotions, other numbers of folds, few utterances."""

import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.scores import guard_parts, guards, guards_of_predictions, guards_of_scores, hard_guards
from crosscorpus.training import unit_of_work

SIX = ["anger", "disgust", "fear", "happiness", "sadness", "boredom"]
LABELS = {
    "emodb": SIX[:5],
    "two": ["anger", "fear"],
    "three": ["disgust", "happiness", "sadness"],
    "all": SIX,
    "odd": ["fear", "sadness", "boredom"],
    "few": ["anger", "sadness"],
}
FOLDS = {"emodb": 5, "two": 2, "three": 3, "all": 4, "odd": 5, "few": 2}
OF_EACH = {"emodb": 20, "two": 8, "three": 12, "all": 16, "odd": 10, "few": 4}
MODELS = ["mms-1b", "whisper-base"]


def make_utterances():
    rows = [
        (corpus, f"{emotion}{i}", emotion, i % FOLDS[corpus] + 1)
        for corpus, emotions in LABELS.items()
        for emotion in emotions
        for i in range(OF_EACH[corpus])
    ]
    return pd.DataFrame(rows, columns=["corpus", "utterance", "emotion", "fold"])


def make_predictions(utterances, sure=0.7, models=MODELS, regime="stratified"):
    """Predict as a head does that is right in a part of its answers, and often more sure of what is not asked."""
    rng = np.random.default_rng(0)
    parts = []
    for ptm, source, target in itertools.product(models, LABELS, LABELS):
        labels = LABELS[source]
        if len(set(labels) & set(LABELS[target])) < 2:
            continue
        table = utterances[(utterances["corpus"] == target) & utterances["emotion"].isin(labels)]
        table = table.rename(columns={"corpus": "test_corpus"})
        table = table.assign(ptm=ptm, head="fcn", regime=regime, seed=0, train_corpus=source)
        logits = rng.normal(size=(len(table), len(labels)))
        logits[np.arange(len(table)), table["emotion"].map(labels.index)] += sure
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        shared = np.isin(labels, LABELS[target])
        table["predicted"] = np.array(labels)[np.where(shared, p, -1).argmax(axis=1)]
        parts.append(table.assign(**dict(zip([f"p_{e}" for e in labels], p.astype(np.float32).T, strict=True))))
    table = pd.concat(parts, ignore_index=True)
    return table[[*unit_of_work.COLUMNS, *(f"p_{emotion}" for emotion in SIX)]]


def make_history(models=MODELS):
    rows = [
        (ptm, "fcn", "stratified", 0, corpus, fold)
        for ptm in models
        for corpus in LABELS
        for fold in range(1, FOLDS[corpus] + 1)
    ]
    curves = pd.DataFrame({"epoch": [1, 2], "loss": [1.5, 1.0], "val_loss": [1.6, 1.3], "train_accuracy": 1.0})
    curves = curves.assign(n_train=9, n_validation=1)
    return pd.DataFrame(rows, columns=guard_parts.TRAINING).merge(curves, how="cross")


@pytest.fixture(scope="module")
def honest():
    utterances = make_utterances()
    return make_predictions(utterances), make_history(), utterances


def without_chance_hits(tripped):
    """What tripped, without folds of a few utterances in which a bad head may say the same to all of them."""
    return tripped[tripped["guard"] != "single class"]


def test_unlike_corpora_trip_nothing_and_everything_was_looked_at(honest):
    predictions, history, utterances = honest
    assert (predictions.groupby(["train_corpus", "test_corpus"])["emotion"].nunique() < 5).any()
    tripped = guards.check_results(predictions, history, utterances)
    assert list(without_chance_hits(tripped)["message"]) == []
    checked = guards.summary(tripped).set_index("guard")["checked"]
    assert (checked > 0).all()
    assert checked["at chance"] == len(MODELS) * sum(FOLDS.values())


def test_some_emotion_that_is_not_tested_is_the_most_probable_one(honest):
    predictions, _, utterances = honest
    p = predictions[[f"p_{emotion}" for emotion in SIX]].to_numpy()
    most = np.array(SIX)[np.nanargmax(p, axis=1)]
    assert (most != predictions["predicted"]).any()
    assert guards_of_predictions.wrong_probabilities(predictions, utterances).empty


def test_a_prediction_that_is_not_the_most_probable_of_the_tested_ones_trips(honest):
    predictions, _, utterances = honest
    table = predictions.copy()
    of_pair = (table["train_corpus"] == "all") & (table["test_corpus"] == "odd") & (table["ptm"] == "mms-1b")
    at = table.index[of_pair][0]
    least = table.loc[at, [f"p_{emotion}" for emotion in LABELS["odd"]]].astype(float).idxmin()
    table.loc[at, "predicted"] = least[2:]
    (row,) = guards_of_predictions.wrong_probabilities(table, utterances).to_dict("records")
    assert (row["train_corpus"], row["test_corpus"], row["ptm"]) == ("all", "odd", "mms-1b")
    assert "1 predict an emotion that is not the most probable one tested" in row["message"]


def test_an_answer_that_was_not_asked_for_trips(honest):
    predictions, _, utterances = honest
    table = predictions.copy()
    at = table.index[(table["train_corpus"] == "all") & (table["test_corpus"] == "two")][0]
    table.loc[at, "predicted"] = "boredom"
    assert len(guards_of_predictions.wrong_probabilities(table, utterances)) == 1


@pytest.mark.parametrize(("fold", "n_folds", "training"), [(1, 5, 1), (5, 5, 5), (4, 3, 1), (5, 3, 2), (5, 2, 1)])
def test_folds_are_counted_through_again_where_the_training_corpus_has_fewer(fold, n_folds, training):
    assert guard_parts.training_fold(fold, n_folds) == training


def test_a_lost_curve_of_a_corpus_with_fewer_folds_trips(honest):
    predictions, history, utterances = honest
    lost = (history["train_corpus"] == "three") & (history["fold"] == 3) & (history["ptm"] == "mms-1b")
    (row,) = guards_of_scores.at_chance(predictions, history[~lost], utterances).to_dict("records")
    assert (row["train_corpus"], row["fold"]) == ("three", 3)


def test_of_few_utterances_guessing_all_is_no_reproach_but_guessing_the_most_frequent_is(honest):
    predictions, history, utterances = honest
    half = history.assign(train_accuracy=history["train_accuracy"].where(history["train_corpus"] != "few", 0.5))
    tripped = guards_of_scores.at_chance(predictions, half, utterances)
    assert set(tripped["train_corpus"]) == {"few"}
    assert len(tripped) == len(MODELS) * FOLDS["few"]


def test_a_copy_that_has_no_fold_in_one_regime_is_not_missed(honest):
    predictions, _, utterances = honest
    hashes = (utterances["corpus"] + utterances["utterance"]).mask(
        (utterances["corpus"] == "two") & (utterances["utterance"] == "anger7"), "twoanger0"
    )
    hashed = utterances.assign(sha256=hashes)
    both = pd.concat([predictions, predictions.assign(regime="speaker")], ignore_index=True)
    untested = (both["test_corpus"] == "two") & (both["utterance"] == "anger7") & (both["regime"] == "speaker")
    assert guards_of_predictions.wrong_utterances(both[~untested], hashed).empty
    once = untested & (both["train_corpus"] == "two") & (both["ptm"] == "mms-1b")
    (row,) = guards_of_predictions.wrong_utterances(both[~once], hashed).to_dict("records")
    assert (row["regime"], row["train_corpus"], row["ptm"]) == ("speaker", "two", "mms-1b")
    no_copies = both[~(untested | untested & both["utterance"].eq("anger0"))]
    assert set(guards_of_predictions.wrong_utterances(no_copies, utterances)["test_corpus"]) == {"two"}


def test_two_models_that_say_one_thing_to_all_are_not_taken_for_one(honest):
    predictions = honest[0]
    chosen = (predictions["train_corpus"] == "emodb") & (predictions["test_corpus"] == "emodb")
    table = predictions.assign(predicted=predictions["predicted"].mask(chosen, "fear"))
    assert guards_of_predictions.same_predictions(table).empty
    assert (guards_of_predictions.single_class(table)["train_corpus"] == "emodb").sum() >= len(MODELS) * FOLDS[
        "emodb"
    ]


def test_a_head_that_is_sure_of_the_one_emotion_of_a_fold_is_not_constant(honest):
    predictions = honest[0]
    sure = predictions[(predictions["test_corpus"] == "two") & (predictions["train_corpus"] == "two")].copy()
    sure = sure[sure["emotion"] == "anger"].assign(p_anger=np.float32(1), p_fear=np.float32(0))
    assert guards_of_predictions.constant(sure).empty
    mixed = ["anger", "anger", "fear", "fear"] * (len(sure) // 4)
    assert len(guards_of_predictions.constant(sure.assign(emotion=mixed))) == len(MODELS) * FOLDS["two"]


def test_few_utterances_may_have_the_same_scores():
    scores = pd.DataFrame({"ptm": MODELS, "head": "fcn", "accuracy": 75.0, "macro_f1": 70.0})
    assert guards_of_scores.same_scores(scores.assign(n_utterances=guards_of_scores.FEW - 1)).empty
    assert len(guards_of_scores.same_scores(scores.assign(n_utterances=guards_of_scores.FEW))) == 1


def test_corpora_with_other_numbers_of_folds_are_looked_at_in_pairs():
    def table(corpus, n_folds, hashes):
        n = range(n_folds)
        named = [f"u{i}" for i in n]
        return (
            pd.DataFrame({"corpus": corpus, "utterance": named, "speaker": named, "sha256": hashes}),
            pd.DataFrame({"corpus": corpus, "utterance": named, "regime": "speaker", "fold": [i + 1 for i in n]}),
        )

    five, dealt = table("emodb", 5, ["a", "b", "c", "d", "e"])
    three, dealt3 = table("ravdess", 3, ["k", "l", "m"])
    utterances, folds = pd.concat([five, three]), pd.concat([dealt, dealt3])
    hard_guards.check_overlaps(utterances, folds)
    alike = utterances.assign(sha256=utterances["sha256"].replace("b", "l"))  # fold 2 of both
    hard_guards.check_overlaps(alike, folds)
    apart = utterances.assign(sha256=utterances["sha256"].replace("d", "l"))  # fold 4 of one, 2 of the other
    with pytest.raises(guard_parts.GuardError, match="trained on emodb, tested on ravdess, speaker, fold 2"):
        hard_guards.check_overlaps(apart, folds)
