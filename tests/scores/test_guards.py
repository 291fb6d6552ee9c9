import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import tables
from crosscorpus.corpora import file_lists, utterance_tables
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.scores import (
    count_tables,
    guard_parts,
    guards,
    guards_of_predictions,
    guards_of_scores,
    guards_of_units,
    hard_guards,
    metrics,
)
from crosscorpus.training import unit_of_work
from crosscorpus.verdict import published_tables

EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness"]
OF_CORPUS = {"emodb": EMOTIONS, "ravdess": EMOTIONS, "urdu": ["anger", "happiness", "sadness"]}
MODELS = ["mms-1b", "whisper-base", "x-vector"]
P = [f"p_{emotion}" for emotion in EMOTIONS]
N = 20  # utterances of each emotion in a corpus, four in each fold


# -- honest tables --------------------------------------------------------------------------------------------


def make_utterances():
    rows = [
        (corpus, f"{emotion}{i}", emotion, i % 5 + 1)
        for corpus, emotions in OF_CORPUS.items()
        for emotion in emotions
        for i in range(N)
    ]
    return pd.DataFrame(rows, columns=["corpus", "utterance", "emotion", "fold"])


def make_predictions(utterances, models=MODELS, head="fcn", seeds=(0, 1)):
    rng = np.random.default_rng(0)
    parts = []
    for ptm, seed, source, target in itertools.product(models, seeds, OF_CORPUS, OF_CORPUS):
        labels = OF_CORPUS[source]
        table = utterances[(utterances["corpus"] == target) & utterances["emotion"].isin(labels)]
        table = table.rename(columns={"corpus": "test_corpus"})
        table = table.assign(ptm=ptm, head=head, regime="stratified", seed=seed, train_corpus=source)
        logits = rng.normal(size=(len(table), len(labels)))
        logits[np.arange(len(table)), table["emotion"].map(labels.index)] += 2 if source == target else 0.5
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        shared = np.isin(labels, OF_CORPUS[target])  # the answer is one of those that are tested
        table["predicted"] = np.array(labels)[np.where(shared, p, -1).argmax(axis=1)]
        for label, of_label in zip(labels, p.astype(np.float32).T, strict=True):
            table[f"p_{label}"] = of_label
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    return table[[*unit_of_work.COLUMNS, *P]]


def make_history(predictions):
    trainings = predictions[guard_parts.TRAINING].drop_duplicates()
    curves = pd.DataFrame({"epoch": [1, 2], "loss": [1.5, 1.0], "val_loss": [1.6, 1.3], "train_accuracy": 0.9})
    return trainings.merge(curves.assign(n_train=90, n_validation=10), how="cross")


@pytest.fixture(scope="module")
def honest():
    utterances = make_utterances()
    predictions = make_predictions(utterances)
    return utterances, predictions, make_history(predictions)


@pytest.fixture
def utterances(honest):
    return honest[0].copy()


@pytest.fixture
def predictions(honest):
    return honest[1].copy()


@pytest.fixture
def history(honest):
    return honest[2].copy()


def rows_of(table, **where):
    chosen = pd.Series(True, table.index)
    for column, value in where.items():
        chosen &= table[column] == value
    return chosen


ONE_FOLD = {
    "ptm": "whisper-base",
    "head": "fcn",
    "regime": "stratified",
    "seed": 1,
    "train_corpus": "emodb",
    "test_corpus": "ravdess",
    "fold": 3,
}


def names_only(tripped, **where):
    """Whether one row tripped, and it names what `where` does and nothing else."""
    assert list(tripped.columns) == guard_parts.COLUMNS
    assert len(tripped) == 1
    row = tripped.iloc[0]
    given = {c: row[c] for c in guard_parts.TEST_FOLD if not (pd.isna(row[c]) or row[c] == "")}
    return given == where


def without(keys, **where):
    return {column: value for column, value in where.items() if column not in keys}


def predict(table, chosen, emotion, p=0.9):
    """Have all chosen rows predicted as one emotion, with a probability that varies a little."""
    n = int(chosen.sum())
    high = p - 0.05 * np.random.default_rng(1).random(n)
    for column in P:
        table.loc[chosen, column] = ((1 - high) / 4).astype(np.float32)
    table.loc[chosen, f"p_{emotion}"] = high.astype(np.float32)
    table.loc[chosen, "predicted"] = emotion


# -- all soft guards ------------------------------------------------------------------------------------------


def test_an_honest_run_trips_nothing_and_everything_was_looked_at(predictions, history, utterances):
    tripped = guards.check_results(predictions, history, utterances)
    assert list(tripped.columns) == guard_parts.COLUMNS
    assert tripped.empty
    table = guards.summary(tripped).set_index("guard")
    assert list(table.index) == list(guards.GUARDS)
    assert (table["tripped"] == 0).all()
    cells = len(MODELS) * 2 * 9
    assert table["checked"].to_dict() == {
        "utterances": cells,
        "probabilities": 5 * cells,
        "missing class": 5 * 9,
        "single class": 5 * cells,
        "constant": 5 * cells,
        "same predictions": 5 * cells,
        "same scores": 9,
        "loss": 5 * len(MODELS) * 2 * 3,
        "at chance": 5 * len(MODELS) * 2 * 3,
        "validation share": 5 * len(MODELS) * 2 * 3,
    }


def test_tables_are_left_as_they_were(predictions, history, utterances):
    before = [table.copy() for table in (predictions, history, utterances)]
    guards.mark(predictions, guards.check_results(predictions, history, utterances))
    for table, copy in zip((predictions, history, utterances), before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_the_order_of_rows_does_not_matter(predictions, history, utterances):
    predict(predictions, rows_of(predictions, **ONE_FOLD), "anger")
    history.loc[rows_of(history, **without(["test_corpus"], **ONE_FOLD)), "train_accuracy"] = 0.2
    tripped = guards.check_results(predictions, history, utterances)
    shuffled = guards.check_results(
        predictions.sample(frac=1, random_state=0), history.sample(frac=1, random_state=0), utterances[::-1]
    )
    assert sorted(tripped["guard"]) == ["at chance", "single class"]
    pd.testing.assert_frame_equal(tripped, shuffled)


def test_every_guard_finds_its_fault_among_all(predictions, history, utterances):
    cell = {**ONE_FOLD, "train_corpus": "ravdess", "test_corpus": "emodb"}
    folds_of_cell = [rows_of(predictions, **{**cell, "fold": fold}) for fold in range(1, 6)]
    predict(predictions, folds_of_cell[0], "anger")
    predictions.loc[folds_of_cell[1], P] = np.float32(0.2)
    predictions.loc[folds_of_cell[2], "p_fear"] += np.float32(0.5)
    other = rows_of(predictions, **{**cell, "fold": 4, "ptm": "mms-1b"})
    predictions.loc[folds_of_cell[3], ["predicted", *P]] = predictions.loc[other, ["predicted", *P]].to_numpy()
    predictions = predictions.drop(predictions.index[folds_of_cell[4]][0])
    missing = rows_of(predictions, train_corpus="urdu", test_corpus="urdu", fold=2, emotion="anger")
    predictions = predictions[~missing]
    same = rows_of(predictions, train_corpus="urdu", test_corpus="ravdess")
    for ptm in MODELS:
        predict(predictions, same & (predictions["ptm"] == ptm), "anger")
        predictions.loc[same, ["p_disgust", "p_fear"]] = np.nan
    history.loc[history.index[0], "val_loss"] = np.nan
    history["train_accuracy"] = history["train_accuracy"].where(history["train_corpus"] != "emodb", 0.1)
    history.loc[history["fold"] == 3, ["n_train", "n_validation"]] = [42, 58]
    table = guards.summary(guards.check_results(predictions, history, utterances))
    assert (table["tripped"] > 0).all()
    assert (table["tripped"] <= table["checked"]).all()


def test_units_are_those_of_the_grid():
    assert guard_parts.UNIT == unit_of_work.UNIT
    assert set(guard_parts.BLOCK) == set(metrics.CELL) - {"ptm"}


def test_an_empty_table_is_not_an_honest_one(predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match=r"predictions is empty.*run the grid"):
        guards.check_results(predictions[:0], history, utterances)


@pytest.mark.parametrize("column", ["ptm", "fold", "utterance", "emotion", "predicted"])
def test_a_missing_column_is_named(column, predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match=f"table of predictions has no column {column}"):
        guards.check_results(predictions.drop(columns=column), history, utterances)


def test_a_table_without_probabilities_is_refused(predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match="no column p_<emotion>"):
        guards.check_results(predictions.drop(columns=P), history, utterances)


@pytest.mark.parametrize("column", ["ptm", "emotion"])
def test_a_key_without_a_value_is_refused(column, predictions, history, utterances):
    predictions.loc[:1, column] = None
    with pytest.raises(guard_parts.GuardError, match=f"predictions has 2 rows without {column}"):
        guards.check_results(predictions, history, utterances)


@pytest.mark.parametrize("column", ["epoch", "val_loss", "train_accuracy"])
def test_learning_curves_need_their_columns(column, predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match=f"learning curves has no column {column}"):
        guards.check_results(predictions, history.drop(columns=column), utterances)


def test_a_corpus_without_utterances_is_refused(predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match="urdu is in the results but not in the table of utterances"):
        guards.check_results(predictions, history, utterances[utterances["corpus"] != "urdu"])


def test_utterances_passed_twice_are_refused(predictions, history, utterances):
    with pytest.raises(guard_parts.GuardError, match="anger0 of emodb is twice"):
        guards.check_results(predictions, history, pd.concat([utterances, utterances[:1]]))


# -- wrong utterances -----------------------------------------------------------------------------------------

WHOLE_CELL = without(["fold"], **ONE_FOLD)


def test_a_lost_utterance_trips(predictions, utterances):
    lost = predictions.index[rows_of(predictions, **ONE_FOLD)][0]
    tripped = guards_of_predictions.wrong_utterances(predictions.drop(lost), utterances)
    assert names_only(tripped, **WHOLE_CELL)
    assert "1 of 100 utterances are not tested, and 0 rows" in tripped["message"].iloc[0]


def test_a_lost_fold_trips(predictions, utterances):
    tripped = guards_of_predictions.wrong_utterances(predictions[~rows_of(predictions, **ONE_FOLD)], utterances)
    assert names_only(tripped, **WHOLE_CELL)
    assert "20 of 100 utterances" in tripped["message"].iloc[0]


def test_an_utterance_tested_twice_trips(predictions, utterances):
    twice = predictions[rows_of(predictions, **ONE_FOLD)].iloc[[0]].assign(fold=4)
    tripped = guards_of_predictions.wrong_utterances(pd.concat([predictions, twice]), utterances)
    assert names_only(tripped, **WHOLE_CELL)
    assert "0 of 100 utterances are not tested, and 1 rows" in tripped["message"].iloc[0]


def test_one_too_many_does_not_make_up_for_one_too_few(predictions, utterances):
    chosen = predictions.index[rows_of(predictions, **ONE_FOLD)]
    predictions.loc[chosen[0], "utterance"] = predictions.loc[chosen[1], "utterance"]
    assert names_only(guards_of_predictions.wrong_utterances(predictions, utterances), **WHOLE_CELL)


@pytest.mark.parametrize(("column", "value"), [("utterance", "unheard"), ("emotion", "fear")])
def test_an_unknown_utterance_or_another_label_trips(column, value, predictions, utterances):
    chosen = predictions.index[rows_of(predictions, **ONE_FOLD, emotion="anger")]
    predictions.loc[chosen[0], column] = value
    tripped = guards_of_predictions.wrong_utterances(predictions, utterances)
    assert names_only(tripped, **WHOLE_CELL)
    assert "1 of 100 utterances are not tested, and 1 rows" in tripped["message"].iloc[0]


# -- probabilities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * np.float32(1.1), "do not sum to 1"),
        (lambda p: p * np.float32(0.9), "do not sum to 1"),
        (lambda p: p + np.float32(0.0005), "do not sum to 1"),
        (lambda p: p * np.float32(np.nan), "1 rows have an empty or infinite"),
        (lambda p: p + np.array([np.inf, 0, 0, 0, 0], np.float32), "1 rows have an empty or infinite"),
        (lambda p: p + np.array([-1, 1, 0, 0, 0], np.float32), "or are negative"),
    ],
)
def test_probabilities_that_are_none_trip(change, message, predictions, utterances):
    row = predictions.index[rows_of(predictions, **ONE_FOLD)][0]
    predictions.loc[row, P] = change(predictions.loc[row, P].to_numpy(dtype=np.float32))
    tripped = guards_of_predictions.wrong_probabilities(predictions, utterances)
    assert names_only(tripped, **ONE_FOLD)
    assert message in tripped["message"].iloc[0]


def test_one_empty_probability_trips(predictions, utterances):
    row = predictions.index[rows_of(predictions, **ONE_FOLD)][0]
    least = predictions.loc[row, P].astype(float).idxmin()
    predictions.loc[row, least] = np.nan
    tripped = guards_of_predictions.wrong_probabilities(predictions, utterances)
    assert names_only(tripped, **ONE_FOLD)
    assert tripped["message"].iloc[0].startswith("1 rows have an empty")


def test_a_probability_of_an_emotion_that_was_not_trained_trips(predictions, utterances):
    where = {**ONE_FOLD, "train_corpus": "urdu"}
    predictions.loc[predictions.index[rows_of(predictions, **where)][0], "p_fear"] = 0.0
    assert names_only(guards_of_predictions.wrong_probabilities(predictions, utterances), **where)


@pytest.mark.parametrize("prediction", ["least", "boredom", None])
def test_a_prediction_that_is_not_the_most_probable_trips(prediction, predictions, utterances):
    row = predictions.index[rows_of(predictions, **ONE_FOLD)][0]
    least = predictions.loc[row, P].astype(float).idxmin()[2:]
    predictions.loc[row, "predicted"] = least if prediction == "least" else prediction
    tripped = guards_of_predictions.wrong_probabilities(predictions, utterances)
    assert names_only(tripped, **ONE_FOLD)
    assert "0 do not sum to 1 or are negative, 1 predict" in tripped["message"].iloc[0]


def test_rounded_probabilities_are_honest(predictions, utterances):
    predictions[P] = predictions[P].round(4)
    assert guards_of_predictions.wrong_probabilities(predictions, utterances).empty


# -- missing class --------------------------------------------------------------------------------------------


def test_a_fold_without_an_emotion_trips_once_for_all_models(predictions, utterances):
    gone = rows_of(predictions, train_corpus="emodb", test_corpus="ravdess", fold=3, emotion="fear")
    tripped = guards_of_predictions.missing_class(predictions[~gone], utterances)
    group = without(["ptm", "head", "seed"], **ONE_FOLD)
    assert names_only(tripped, **group)
    assert tripped["message"].iloc[0] == "no test utterance of fear"


def test_emotions_that_corpora_do_not_share_are_not_missed(predictions, utterances):
    assert set(predictions.loc[predictions["train_corpus"] == "urdu", "emotion"]) == set(OF_CORPUS["urdu"])
    assert guards_of_predictions.missing_class(predictions, utterances).empty


def test_emotions_outside_the_protocol_are_not_missed(predictions, utterances):
    neutral = utterances[:1].assign(utterance="neutral0", emotion="neutral")
    both = pd.concat([utterances, neutral, neutral.assign(corpus="ravdess")])
    assert guards_of_predictions.missing_class(predictions, both).empty
    assert guards_of_predictions.wrong_utterances(predictions, both).empty


# -- single class ---------------------------------------------------------------------------------------------


def test_a_single_class_trips(predictions):
    predict(predictions, rows_of(predictions, **ONE_FOLD), "fear")
    tripped = guards_of_predictions.single_class(predictions)
    assert names_only(tripped, **ONE_FOLD)
    assert tripped["message"].iloc[0] == "all 20 predicted as fear"


def test_one_other_prediction_is_enough(predictions):
    chosen = rows_of(predictions, **ONE_FOLD)
    predict(predictions, chosen, "fear")
    predictions.loc[predictions.index[chosen][0], "predicted"] = "anger"
    assert guards_of_predictions.single_class(predictions).empty


def test_no_prediction_at_all_trips(predictions):
    predictions.loc[rows_of(predictions, **ONE_FOLD), "predicted"] = None
    assert names_only(guards_of_predictions.single_class(predictions), **ONE_FOLD)


def test_two_emotions_are_enough_to_tell(predictions):
    predict(predictions, rows_of(predictions, **ONE_FOLD), "fear")
    two = predictions[~rows_of(predictions, **ONE_FOLD) | predictions["emotion"].isin(["anger", "fear"])]
    assert names_only(guards_of_predictions.single_class(two), **ONE_FOLD)


def test_one_prediction_is_right_where_there_is_one_emotion(predictions):
    predict(predictions, rows_of(predictions, **ONE_FOLD), "fear")
    one = predictions[~rows_of(predictions, **ONE_FOLD) | (predictions["emotion"] == "fear")]
    tripped = guards_of_predictions.single_class(one)
    assert tripped.empty
    assert tripped.attrs["checked"] == {"single class": 5 * len(MODELS) * 2 * 9 - 1}


# -- constant probabilities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("spread", "trips"), [(0, True), (0.8e-4, True), (1.2e-4, False)])
def test_constant_probabilities_trip(spread, trips, predictions):
    chosen = rows_of(predictions, **ONE_FOLD)
    shift = np.linspace(0, spread, int(chosen.sum()))
    predictions[P] = predictions[P].astype(float)
    predictions.loc[chosen, P] = 0.2
    predictions.loc[chosen, "p_anger"] += shift
    predictions.loc[chosen, "p_fear"] -= shift
    tripped = guards_of_predictions.constant(predictions)
    assert names_only(tripped, **ONE_FOLD) if trips else tripped.empty


def test_one_emotion_that_varies_is_enough(predictions):
    chosen = rows_of(predictions, **ONE_FOLD)
    predictions.loc[chosen, [c for c in P if c != "p_fear"]] = np.float32(0.2)
    assert guards_of_predictions.constant(predictions).empty


def test_a_single_utterance_is_not_constant(predictions):
    chosen = predictions.index[rows_of(predictions, **ONE_FOLD)]
    assert guards_of_predictions.constant(predictions.drop(chosen[1:])).empty


# -- same predictions -----------------------------------------------------------------------------------------

GUESS = ["predicted", *P]


def copy_from(predictions, ptm, where, change=lambda p: p):
    """Give the rows of one model in a fold what another model predicts there."""
    to, source = (rows_of(predictions, **{**where, "ptm": name}) for name in (where["ptm"], ptm))
    predictions.loc[to, "predicted"] = predictions.loc[source, "predicted"].to_numpy()
    predictions.loc[to, P] = change(predictions.loc[source, P].to_numpy())


def two_trip(tripped, where, words):
    assert [tuple(row) for row in tripped[["ptm", "message"]].to_numpy()] == [
        ("mms-1b", f"the {words} of whisper-base"),
        ("whisper-base", f"the {words} of mms-1b"),
    ]
    for column in without(["ptm"], **where):
        assert (tripped[column] == where[column]).all()


@pytest.mark.parametrize("train_corpus", ["emodb", "urdu"])
def test_copied_probabilities_trip(train_corpus, predictions):
    where = {**ONE_FOLD, "train_corpus": train_corpus}
    copy_from(predictions, "mms-1b", where)
    two_trip(guards_of_predictions.same_predictions(predictions), where, "probabilities")


def test_nearly_the_same_probabilities_trip(predictions):
    copy_from(predictions, "mms-1b", ONE_FOLD, lambda p: p * np.float32(1 + 5e-4))
    two_trip(guards_of_predictions.same_predictions(predictions), ONE_FOLD, "probabilities")


def test_one_utterance_with_other_probabilities_is_enough(predictions):
    copy_from(predictions, "mms-1b", ONE_FOLD)
    chosen = predictions.index[rows_of(predictions, **ONE_FOLD)]
    predictions.loc[chosen[-1], P] = np.float32(0.2)
    predictions.loc[chosen[-1], "predicted"] = "boredom"
    assert guards_of_predictions.same_predictions(predictions).empty


def test_one_emotion_with_other_probabilities_is_enough(predictions):
    chosen = rows_of(predictions, **ONE_FOLD)
    copy_from(predictions, "mms-1b", ONE_FOLD)
    predictions.loc[chosen, "predicted"] = predictions.loc[chosen, "emotion"]  # no shared mistakes
    predictions.loc[chosen, "p_sadness"] *= np.float32(1.01)
    assert guards_of_predictions.same_predictions(predictions).empty


def test_two_strong_models_may_both_be_sure_and_right(predictions):
    rng = np.random.default_rng(0)
    for ptm in MODELS[:2]:
        chosen = rows_of(predictions, **{**ONE_FOLD, "ptm": ptm})
        truth = predictions.loc[chosen, "emotion"]
        predictions.loc[chosen, "predicted"] = truth
        rest = np.exp(rng.uniform(-30, -20, size=(len(truth), 5))).astype(np.float32)
        rest[np.arange(len(truth)), truth.map(EMOTIONS.index)] = 1
        predictions.loc[chosen, P] = rest
    assert guards_of_predictions.same_predictions(predictions).empty


@pytest.mark.parametrize(("mistakes", "trips"), [(10, True), (9, False)])
def test_equal_labels_trip_with_enough_mistakes(mistakes, trips, predictions):
    for ptm in MODELS[:2]:
        chosen = predictions.index[rows_of(predictions, **{**ONE_FOLD, "ptm": ptm})]
        predictions.loc[chosen, "predicted"] = predictions.loc[chosen, "emotion"]
        predictions.loc[chosen[:mistakes], "predicted"] = [
            "anger" if emotion == "fear" else "fear" for emotion in predictions.loc[chosen[:mistakes], "emotion"]
        ]
    tripped = guards_of_predictions.same_predictions(predictions)
    if trips:
        two_trip(tripped, ONE_FOLD, "labels")
    else:
        assert tripped.empty


def test_one_other_label_is_enough(predictions):
    for ptm in MODELS[:2]:
        chosen = rows_of(predictions, **{**ONE_FOLD, "ptm": ptm})
        predictions.loc[chosen, "predicted"] = "fear"
    predictions.loc[predictions.index[chosen][-1], "predicted"] = "anger"
    assert guards_of_predictions.same_predictions(predictions).empty


def test_other_seeds_folds_and_corpora_are_other_blocks(predictions):
    for change in ({"seed": 0}, {"fold": 4}, {"train_corpus": "ravdess"}, {"test_corpus": "emodb"}):
        source = rows_of(predictions, **{**ONE_FOLD, "ptm": "mms-1b", **change})
        to = rows_of(predictions, **ONE_FOLD)
        predictions.loc[to, GUESS] = predictions.loc[source, GUESS].to_numpy()
        assert guards_of_predictions.same_predictions(predictions).empty


def test_all_three_models_are_named(predictions):
    for ptm in MODELS[1:]:
        copy_from(predictions, "mms-1b", {**ONE_FOLD, "ptm": ptm})
    tripped = guards_of_predictions.same_predictions(predictions)
    assert list(tripped["ptm"]) == MODELS
    assert tripped["message"].iloc[0] == "the probabilities of whisper-base, probabilities of x-vector"


def test_models_are_compared_on_what_both_tested(predictions):
    copy_from(predictions, "mms-1b", ONE_FOLD)
    chosen = predictions.index[rows_of(predictions, **ONE_FOLD)]
    two_trip(guards_of_predictions.same_predictions(predictions.drop(chosen[:5])), ONE_FOLD, "probabilities")


def test_one_model_alone_is_not_compared(predictions):
    alone = predictions[predictions["ptm"] == "mms-1b"]
    tripped = guards_of_predictions.same_predictions(alone)
    assert tripped.empty
    assert tripped.attrs["checked"] == {"same predictions": 0}


def test_models_that_share_no_cell_are_not_compared(predictions):
    one = rows_of(predictions, ptm="mms-1b", test_corpus="emodb")
    other = rows_of(predictions, ptm="x-vector", test_corpus="ravdess")
    assert guards_of_predictions.same_predictions(predictions[one | other]).attrs["checked"] == {
        "same predictions": 0
    }


# -- same scores ----------------------------------------------------------------------------------------------


def scores(accuracy, macro_f1, **columns):
    table = pd.DataFrame({"ptm": MODELS, "accuracy": accuracy, "macro_f1": macro_f1})
    cell = {"head": "fcn", "regime": "stratified", "train_corpus": "emodb", "test_corpus": "ravdess"}
    return table.assign(**(cell | columns))


def test_a_row_that_is_the_same_for_every_model_trips():
    fine = scores([50.0, 60.0, 55.0], [40.0, 45.0, 41.0], test_corpus="emodb")
    tripped = guards_of_scores.same_scores(pd.concat([fine, scores([20.31] * 3, [7.67] * 3)]))
    assert names_only(tripped, **without(["ptm", "seed", "fold"], **ONE_FOLD))
    assert tripped["message"].iloc[0] == "all 3 models: accuracy 20.31 %, macro-F1 7.67 %"
    assert tripped.attrs["checked"] == {"same scores": 2}


@pytest.mark.parametrize(
    ("accuracy", "macro_f1"),
    [
        ([20.0, 20.0, 20.1], [7.0, 7.0, 7.0]),
        ([20.1, 20.0, 20.0], [7.0, 7.0, 7.0]),
        ([20.0, 20.0, 20.0], [7.0, 7.1, 7.0]),
        ([100.0, 100.0, 100.0], [100.0, 100.0, 100.0]),
    ],
)
def test_scores_that_differ_or_are_perfect_are_honest(accuracy, macro_f1):
    assert guards_of_scores.same_scores(scores(accuracy, macro_f1)).empty


def test_one_model_has_no_other_to_be_the_same_as():
    tripped = guards_of_scores.same_scores(scores([20.0] * 3, [7.0] * 3)[:1])
    assert tripped.empty
    assert tripped.attrs["checked"] == {"same scores": 0}


def test_published_tables_can_be_read():
    assert guards_of_scores.same_scores(published_tables.table1()).attrs["checked"] == {"same scores": 50}


def test_scores_without_cells_are_refused():
    with pytest.raises(guard_parts.GuardError, match="none of the columns head, regime"):
        guards_of_scores.same_scores(scores([20.0] * 3, [7.0] * 3)[["ptm", "accuracy", "macro_f1"]])


def test_a_prior_that_decides_everything_is_seen_from_all_sides(predictions, history, utterances):
    block = without(["ptm", "seed", "fold"], **ONE_FOLD)
    chosen = rows_of(predictions, **block)
    predictions.loc[chosen, P] = np.float32([0.4, 0.15, 0.15, 0.15, 0.15])
    predictions.loc[chosen, "predicted"] = "anger"
    found = guards.check_results(predictions, history, utterances)["guard"].value_counts().to_dict()
    each = len(MODELS) * 2 * 5
    assert found == {"single class": each, "constant": each, "same predictions": each, "same scores": 1}


# -- loss -----------------------------------------------------------------------------------------------------

ONE_TRAINING = without(["test_corpus"], **ONE_FOLD)


@pytest.mark.parametrize("column", ["loss", "val_loss"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_trips(column, value, history):
    history.loc[rows_of(history, **ONE_TRAINING, epoch=2), column] = value
    tripped = guards_of_scores.loss(history)
    assert names_only(tripped, **ONE_TRAINING)
    assert tripped["message"].iloc[0] == "the loss is not finite in epoch 2"
    with pytest.raises(guard_parts.GuardError, match="whisper-base, fcn, stratified, 1, emodb, fold 3: the loss"):
        hard_guards.check_history(history)


def test_the_error_counts_the_other_trainings(history):
    history["loss"] = np.nan
    with pytest.raises(guard_parts.GuardError, match=r"and 89 more trainings.*epoch 1; look at the embeddings"):
        hard_guards.check_history(history)


def test_a_finite_loss_stops_nothing(history):
    hard_guards.check_history(history)


def test_classifiers_without_epochs_have_no_loss(history):
    other = history.assign(head="svm", loss=np.nan, val_loss=np.nan)
    tripped = guards_of_scores.loss(pd.concat([history, other]))
    assert tripped.empty
    assert tripped.attrs["checked"] == {"loss": 90}


# -- at chance ------------------------------------------------------------------------------------------------


def bound(n, share):
    """What guessing exceeds once in a thousand times, found by simulation."""
    rng = np.random.default_rng(0)
    return np.quantile(rng.binomial(n, share, size=1_000_000), 0.999) / n


@pytest.mark.parametrize(("above", "trips"), [(-0.02, True), (0.02, False)])
def test_a_head_at_chance_trips(above, trips, predictions, history, utterances):
    limit = bound(80, 0.2)  # four folds of a hundred utterances, five emotions alike
    history.loc[rows_of(history, **ONE_TRAINING), "train_accuracy"] = limit + above
    tripped = guards_of_scores.at_chance(predictions, history, utterances)
    assert names_only(tripped, **ONE_TRAINING) if trips else tripped.empty


@pytest.mark.parametrize(("above", "trips"), [(-0.02, True), (0.02, False)])
def test_chance_is_that_of_the_corpus_and_its_labels(above, trips, predictions, history, utterances):
    extra = pd.DataFrame({"corpus": "urdu", "utterance": [f"more{i}" for i in range(40)], "emotion": "anger"})
    others = pd.DataFrame(
        {"corpus": "urdu", "utterance": [f"neutral{i}" for i in range(90)], "emotion": "neutral"}
    )
    where = {**ONE_TRAINING, "train_corpus": "urdu"}
    history.loc[rows_of(history, **where), "train_accuracy"] = bound(80, 0.6) + above
    tripped = guards_of_scores.at_chance(predictions, history, pd.concat([utterances, extra, others]))
    assert names_only(tripped, **where) if trips else tripped.empty


def test_the_message_gives_both_accuracies(predictions, history, utterances):
    history.loc[rows_of(history, **ONE_TRAINING), "train_accuracy"] = 0.2
    message = guards_of_scores.at_chance(predictions, history, utterances)["message"].iloc[0]
    assert message.startswith("20.0 % of the training data right;")
    assert message.endswith(f"up to {100 * bound(80, 0.2):.1f} %")


@pytest.mark.parametrize("lost", ["rows", "value"])
def test_an_unknown_training_accuracy_trips(lost, predictions, history, utterances):
    chosen = rows_of(history, **ONE_TRAINING)
    history.loc[chosen, "train_accuracy"] = np.nan
    tripped = guards_of_scores.at_chance(predictions, history[~chosen] if lost == "rows" else history, utterances)
    assert names_only(tripped, **ONE_TRAINING)
    assert tripped["message"].iloc[0] == "no accuracy on the training data is known"


def test_a_training_without_predictions_is_looked_at(predictions, history, utterances):
    history.loc[rows_of(history, **ONE_TRAINING), "train_accuracy"] = 0.2
    untested = predictions[~rows_of(predictions, **ONE_TRAINING)]
    assert names_only(guards_of_scores.at_chance(untested, history, utterances), **ONE_TRAINING)


# -- heads that are blind on purpose, and those without learning curves ---------------------------------------


def test_the_majority_baseline_trips_nothing(predictions, history, utterances):
    blind = make_predictions(utterances, head="majority")
    for corpus, labels in OF_CORPUS.items():
        chosen = blind["train_corpus"] == corpus
        blind.loc[chosen, [f"p_{label}" for label in labels]] = np.float32(1 / len(labels))
        blind.loc[chosen, "predicted"] = labels[0]
    curves = make_history(blind).assign(train_accuracy=0.2, loss=np.nan)
    both, history_of_both = pd.concat([predictions, blind]), pd.concat([history, curves])
    assert guards.check_results(both, history_of_both, utterances).empty
    renamed = both.assign(head=both["head"].replace("majority", "cnn"))
    curves = history_of_both.assign(head=history_of_both["head"].replace("majority", "cnn"))
    found = set(guards.check_results(renamed, curves, utterances)["guard"])
    assert found == {"single class", "constant", "same predictions", "same scores", "loss", "at chance"}


def test_baselines_need_no_learning_curve(predictions, history, utterances):
    svm = make_predictions(utterances, head="svm")
    assert guards.check_results(pd.concat([predictions, svm]), history, utterances).empty
    curves = make_history(svm).assign(train_accuracy=0.2)
    tripped = guards.check_results(pd.concat([predictions, svm]), pd.concat([history, curves]), utterances)
    assert set(tripped["guard"]) == {"at chance"}
    assert set(tripped["head"]) == {"svm"}


# -- on a page ------------------------------------------------------------------------------------------------


def test_summary_counts_what_tripped(predictions, history, utterances):
    for fold in (2, 3):
        predict(predictions, rows_of(predictions, **{**ONE_FOLD, "fold": fold}), "fear")
    tripped = guards.check_results(predictions, history, utterances)
    table = guards.summary(tripped).set_index("guard")
    assert table["tripped"].to_dict() == dict.fromkeys(guards.GUARDS, 0) | {"single class": 2}
    assert table.loc["single class", "trips_when"] == "every utterance is predicted as the same emotion"
    assert table.loc["single class", "each"] == "test fold"


def test_summary_of_one_guard_has_its_row(predictions):
    assert list(guards.summary(guards_of_predictions.single_class(predictions))["guard"]) == ["single class"]


def test_summary_does_not_guess_what_was_checked(predictions, history, utterances):
    tripped = guards.check_results(predictions, history, utterances)
    with pytest.raises(guard_parts.GuardError, match="pass what check_results returned"):
        guards.summary(pd.DataFrame(tripped.to_dict("list"), columns=guard_parts.COLUMNS))


@pytest.fixture
def tripped(predictions, history, utterances):
    for fold in (2, 3):
        predict(predictions, rows_of(predictions, **{**ONE_FOLD, "fold": fold}), "fear")
    history.loc[rows_of(history, **ONE_TRAINING), "train_accuracy"] = 0.2
    gone = rows_of(predictions, train_corpus="ravdess", test_corpus="emodb", fold=1, emotion="fear")
    return guards.check_results(predictions[~gone], history, utterances)


def test_mark_puts_guards_beside_their_cells(tripped, predictions):
    table = metrics.summary(metrics.per_fold(predictions))[[*metrics.CELL, "accuracy"]][::-1]
    marked = guards.mark(table, tripped)
    pd.testing.assert_frame_equal(marked.drop(columns="guard"), table)
    cells = marked.set_index(["ptm", "train_corpus", "test_corpus"])["guard"]
    assert cells["whisper-base", "emodb", "ravdess"] == "single class ×2, at chance"
    assert cells["whisper-base", "emodb", "emodb"] == "at chance"
    assert cells["whisper-base", "emodb", "urdu"] == "at chance"
    assert cells["mms-1b", "ravdess", "emodb"].endswith("missing class")  # of all models
    marks = cells[cells != ""]
    assert len(marks) == 3 + len(MODELS)


def test_mark_takes_together_what_a_table_has_no_column_for(tripped):
    table = pd.DataFrame({"head": ["fcn", "cnn"], "train_corpus": "emodb"})
    assert list(guards.mark(table, tripped)["guard"]) == ["single class ×2, at chance", ""]


def test_what_tripped_without_naming_any_column_marks_every_row(tripped):
    missing = tripped[tripped["guard"] == "missing class"]
    marked = guards.mark(pd.DataFrame({"ptm": MODELS}), missing)
    assert list(marked["guard"]) == ["missing class"] * 3


def test_nothing_tripped_leaves_marks_empty(predictions, history, utterances):
    tripped = guards.check_results(predictions, history, utterances)
    table = predictions[metrics.CELL].drop_duplicates()
    assert (guards.mark(table, tripped)["guard"] == "").all()


def test_folds_and_seeds_of_a_cell_are_counted_together(predictions, history, utterances):
    where = without(("fold", "seed"), **ONE_FOLD)
    predict(predictions, rows_of(predictions, **where), "fear")
    tripped = guards_of_predictions.single_class(predictions)
    assert len(tripped) == 10
    table = guards.by_cell(tripped)
    assert table.to_dict("records") == [
        {"guard": "single class", **where, "times": 10, "message": "all 20 predicted as fear"}
    ]


def test_nothing_tripped_is_no_row_by_cell(predictions, history, utterances):
    assert guards.by_cell(guards.check_results(predictions, history, utterances)).empty


def test_mark_needs_a_column_of_the_cell(tripped):
    with pytest.raises(guard_parts.GuardError, match="none of the columns ptm, head"):
        guards.mark(pd.DataFrame({"model": MODELS}), tripped)


def test_both_tables_can_be_shown(tripped):
    assert "single class" in tables.show(guards.summary(tripped)).data
    assert "all 20 predicted as fear" in tables.show(tripped).data


# -- hard guards: folds ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed():
    return {
        corpus: file_lists.file_list(corpus).assign(sha256=lambda t: t["corpus"] + t["utterance"])
        for corpus in ("emodb", "ravdess", "mesd")
    }


@pytest.fixture(scope="module")
def committed():
    return {corpus: utterance_tables.read_table(folds.path(corpus)) for corpus in ("emodb", "ravdess", "mesd")}


N_FOLDS = protocol_settings.load()["n_folds"]
every_regime = pytest.mark.parametrize("regime", protocol_settings.DEALT)


@pytest.mark.parametrize("corpus", ["emodb", "ravdess", "mesd"])
def test_committed_folds_match_their_utterances(corpus, listed, committed):
    hard_guards.check_folds(corpus, committed[corpus], listed[corpus], N_FOLDS)
    hard_guards.check_folds(corpus, committed[corpus], listed[corpus], N_FOLDS, protocol_settings.DEALT)


def test_utterances_without_a_fold_trip(listed, committed):
    extra = pd.concat([listed["emodb"], listed["emodb"][:2].assign(utterance=["new", "newer"])])
    with pytest.raises(
        guard_parts.GuardError, match=r"emodb, speaker: new \(and 1 more\) is in no fold; leave its"
    ):
        hard_guards.check_folds("emodb", committed["emodb"], extra, N_FOLDS, ["speaker"])
    hard_guards.check_folds("emodb", committed["emodb"], extra, N_FOLDS, left_out={"new", "newer"})
    with pytest.raises(guard_parts.GuardError, match="emodb, stratified: newer is in no fold"):
        hard_guards.check_folds("emodb", committed["emodb"], extra, N_FOLDS, left_out=["new"])


@every_regime
def test_an_utterance_without_a_fold_in_one_regime_trips(regime, listed, committed):
    gone = (committed["emodb"]["regime"] == regime) & (committed["emodb"]["utterance"] == "03a01Fa")
    with pytest.raises(guard_parts.GuardError, match=f"emodb, {regime}: 03a01Fa is in no fold"):
        hard_guards.check_folds("emodb", committed["emodb"][~gone], listed["emodb"], N_FOLDS)


def test_unknown_utterances_trip(listed, committed):
    fewer = listed["emodb"][1:]
    with pytest.raises(
        guard_parts.GuardError, match="03a01Fa is in a fold but not in the table of utterances; use"
    ):
        hard_guards.check_folds("emodb", committed["emodb"], fewer, N_FOLDS)


@every_regime
@pytest.mark.parametrize("fold", [0, 6, -1, 1.5])
def test_a_fold_out_of_range_trips(fold, regime, listed, committed):
    table = committed["emodb"].astype({"fold": float if fold == 1.5 else int})
    table.loc[(table["regime"] == regime) & (table["utterance"] == "03a01Fa"), "fold"] = fold
    with pytest.raises(
        guard_parts.GuardError, match=f"emodb, {regime}: 03a01Fa is in fold {fold} where 1 to 5 are"
    ):
        hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS)


@every_regime
def test_an_utterance_in_two_folds_trips(regime, listed, committed):
    row = committed["emodb"].query("regime == @regime").iloc[[0]]
    table = pd.concat([committed["emodb"], row.assign(fold=row["fold"] % 5 + 1)])
    with pytest.raises(guard_parts.GuardError, match=f"emodb, {regime}: 03a01Fa is in more than one fold"):
        hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS)


@every_regime
def test_a_fold_without_utterances_trips(regime, listed, committed):
    table = committed["emodb"]
    table = table[(table["regime"] != regime) | ~table["fold"].isin([2, 5])]
    with pytest.raises(guard_parts.GuardError, match=f"emodb, {regime}: fold 2, 5 of 5 has no utterance"):
        hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS)


@pytest.mark.parametrize("n_folds", [4, 6])
def test_another_number_of_folds_trips(n_folds, listed, committed):
    with pytest.raises(guard_parts.GuardError, match=f"where 1 to 4 are|fold 6 of {n_folds} has no utterance"):
        hard_guards.check_folds("emodb", committed["emodb"], listed["emodb"], n_folds)


def test_a_regime_that_is_not_there_trips(listed, committed):
    table = committed["emodb"].query("regime == 'stratified'")
    hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS)
    with pytest.raises(guard_parts.GuardError, match="emodb, speaker: fold 1, 2, 3, 4, 5 of 5"):
        hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS, protocol_settings.DEALT)


def test_the_folds_of_another_corpus_trip(listed, committed):
    with pytest.raises(guard_parts.GuardError, match="emodb: the table of folds is of ravdess"):
        hard_guards.check_folds("emodb", committed["ravdess"], listed["emodb"], N_FOLDS)


def test_an_empty_table_of_folds_trips(listed, committed):
    with pytest.raises(guard_parts.GuardError, match=r"emodb: the table of folds is empty.*make folds"):
        hard_guards.check_folds("emodb", committed["emodb"][:0], listed["emodb"], N_FOLDS)


def test_an_utterance_listed_twice_trips(listed, committed):
    twice = pd.concat([listed["emodb"], listed["emodb"][:1]])
    with pytest.raises(guard_parts.GuardError, match="emodb: 03a01Fa is twice in the table of utterances"):
        hard_guards.check_folds("emodb", committed["emodb"], twice, N_FOLDS)


def test_a_missing_fold_number_trips(listed, committed):
    table = committed["emodb"].astype({"fold": float})
    table.loc[0, "fold"] = np.nan
    with pytest.raises(guard_parts.GuardError, match="table of folds has 1 rows without fold"):
        hard_guards.check_folds("emodb", table, listed["emodb"], N_FOLDS)


# -- hard guards: overlap -------------------------------------------------------------------------------------


def parts(listed, committed, regime, fold=1, source="emodb", target="emodb"):
    """Return the utterances that one fold's training and test use."""
    numbers = {}
    for corpus in (source, target):
        of_regime = committed[corpus].query("regime == @regime").set_index("utterance")["fold"]
        numbers[corpus] = listed[corpus]["utterance"].map(of_regime)
    return listed[source][numbers[source] != fold], listed[target][numbers[target] == fold]


@every_regime
@pytest.mark.parametrize(
    "pair", [("emodb", "emodb"), ("mesd", "mesd"), ("emodb", "ravdess"), ("mesd", "emodb"), ("ravdess", "mesd")]
)
def test_committed_folds_do_not_overlap(pair, regime, listed, committed):
    for fold in range(1, N_FOLDS + 1):
        hard_guards.check_overlap(*parts(listed, committed, regime, fold, *pair), regime, fold)


@every_regime
def test_an_utterance_on_both_sides_trips(regime, listed, committed):
    trained, tested = parts(listed, committed, regime)
    leaked = tested[:2].assign(sha256="")
    message = f"trained on emodb, tested on emodb, {regime}, fold 1: 2 utterances are in .* {leaked.iloc[0, 0]};"
    with pytest.raises(guard_parts.GuardError, match=message):
        hard_guards.check_overlap(pd.concat([trained, leaked]), tested, regime, 1)


def test_the_same_name_in_two_corpora_is_no_overlap(listed, committed):
    trained, tested = parts(listed, committed, "stratified", target="ravdess")
    names = trained["utterance"].to_numpy()[: len(tested)]
    hard_guards.check_overlap(trained, tested[: len(names)].assign(utterance=names), "stratified", 1)


@every_regime
@pytest.mark.parametrize(
    ("target", "remedy"), [("emodb", "same_audio in data"), ("ravdess", "not_used in data/corpora.yaml")]
)
def test_a_recording_on_both_sides_trips(target, remedy, regime, listed, committed):
    trained, tested = parts(listed, committed, regime, target=target)
    tested = tested.assign(sha256=[trained["sha256"].iloc[-1], *tested["sha256"][1:]])
    first, copy = tested["utterance"].iloc[0], trained["utterance"].iloc[-1]
    message = f"fold 1: 1 recordings are .* first {copy} of emodb, which is {first} of {target} .*{remedy}"
    with pytest.raises(guard_parts.GuardError, match=message):
        hard_guards.check_overlap(trained, tested, regime, 1)


def test_unknown_hashes_are_not_the_same(listed, committed):
    hard_guards.check_overlap(
        *(t.assign(sha256="") for t in parts(listed, committed, "stratified")), "stratified", 1
    )


def test_a_table_without_hashes_is_refused(listed, committed):
    trained, tested = parts(listed, committed, "stratified")
    with pytest.raises(guard_parts.GuardError, match="utterances tested on has no column sha256"):
        hard_guards.check_overlap(trained, tested.drop(columns="sha256"), "stratified", 1)


@pytest.mark.parametrize(("corpus", "kept"), [("emodb", "speaker '"), ("mesd", "text_id '")])
def test_a_speaker_on_both_sides_trips_in_the_regime_speaker(corpus, kept, listed, committed):
    trained, tested = parts(listed, committed, "speaker", source=corpus, target=corpus)
    trained, leaked = pd.concat([trained, tested[:1]]), tested[1:]
    with pytest.raises(guard_parts.GuardError, match=rf"{corpus}, speaker, fold 1: {kept}.*must be in one fold"):
        hard_guards.check_overlap(trained, leaked, "speaker", 1)
    hard_guards.check_overlap(trained, leaked, "stratified", 1)


def test_speakers_of_two_corpora_are_different_people(listed, committed):
    trained, tested = parts(listed, committed, "speaker", target="ravdess")
    hard_guards.check_overlap(trained, tested.assign(speaker=trained["speaker"].iloc[0]), "speaker", 1)


def test_an_empty_side_trips(listed, committed):
    trained, tested = parts(listed, committed, "speaker")
    with pytest.raises(guard_parts.GuardError, match="speaker, fold 1: no utterances trained on"):
        hard_guards.check_overlap(trained[:0], tested, "speaker", 1)
    with pytest.raises(guard_parts.GuardError, match="speaker, fold 1: no utterances tested on"):
        hard_guards.check_overlap(trained, tested[:0], "speaker", 1)


@pytest.fixture
def together(listed, committed):
    both = ["emodb", "ravdess"]
    return pd.concat([listed[c] for c in both]), pd.concat([committed[c] for c in both])


def test_the_committed_folds_of_two_corpora_do_not_overlap(together):
    hard_guards.check_overlaps(*together)


def in_fold(fold_table, corpus, regime, fold):
    part = fold_table[rows_of(fold_table, corpus=corpus, regime=regime, fold=fold)]
    return (part["corpus"] + part["utterance"]).iloc[0]


@every_regime
@pytest.mark.parametrize(("source", "target"), [("ravdess", "emodb"), ("emodb", "ravdess")])
def test_a_recording_of_two_corpora_trips_where_it_is_on_both_sides(source, target, regime, together):
    utterances, fold_table = together
    fold_table = fold_table[fold_table["regime"] == regime]
    tested = in_fold(fold_table, target, regime, 2)
    for fold in (2, 4):
        copy = in_fold(fold_table, source, regime, fold)
        shared = utterances.assign(sha256=utterances["sha256"].replace(copy, tested))
        if fold == 2:  # never trained on when the other is tested
            hard_guards.check_overlaps(shared, fold_table)
            continue
        with pytest.raises(
            guard_parts.GuardError, match=f"trained on {source}, tested on {target}, {regime}, fold 2"
        ):
            hard_guards.check_overlaps(shared, fold_table)


def test_every_regime_and_corpus_is_looked_at(together):
    utterances, fold_table = together
    for corpus, regime in itertools.product(("emodb", "ravdess"), protocol_settings.DEALT):
        row = fold_table[rows_of(fold_table, corpus=corpus, regime=regime)].iloc[[-1]]
        broken = pd.concat([fold_table, row.assign(fold=row["fold"] % 5 + 1)])
        with pytest.raises(
            guard_parts.GuardError, match=f"tested on {corpus}, {regime}, .* 1 utterances are in train"
        ):
            hard_guards.check_overlaps(utterances, broken)


def test_a_speaker_in_two_folds_trips(together):
    utterances, fold_table = together
    chosen = fold_table.reset_index(drop=True)
    at = chosen.index[rows_of(chosen, corpus="emodb", regime="speaker")][0]
    chosen.loc[at, "fold"] = chosen.loc[at, "fold"] % 5 + 1
    with pytest.raises(guard_parts.GuardError, match=r"tested on emodb, speaker, fold .: speaker '"):
        hard_guards.check_overlaps(utterances, chosen)


def test_tables_that_do_not_meet_are_refused(together):
    utterances, fold_table = together
    with pytest.raises(guard_parts.GuardError, match="no utterance has a fold"):
        hard_guards.check_overlaps(utterances.assign(corpus="tess"), fold_table)


# -- validation share -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_train", "n_validation", "trips"), [(70, 30, False), (69, 31, True), (150, 0, False)])
def test_a_large_part_held_out_trips(n_train, n_validation, trips, history):
    one = rows_of(history, **without(["test_corpus"], **ONE_FOLD))
    history.loc[one, ["n_train", "n_validation"]] = [n_train, n_validation]
    tripped = guards_of_scores.validation_share(history)
    assert len(tripped) == trips
    if trips:
        assert tripped["message"].item() == "31 of 100 utterances held out for early stopping"


# -- from counts ----------------------------------------------------------------------------------------------


def from_counts(predictions, history, utterances):
    """What guards say from counts, and the test folds whose rows they ask for."""
    speakers = utterances.assign(speaker=utterances["utterance"].str[-1])
    units = [part for _, part in predictions.groupby(guard_parts.UNIT, sort=False)]
    counted = count_tables.joined([metrics.as_counts(unit, speakers) for unit in units])
    found = pd.concat([guards_of_units.of_rows(unit, utterances) for unit in units], ignore_index=True)
    may_be = guards_of_units.perhaps_same(found, counted)
    rows = predictions.merge(may_be[guard_parts.TEST_FOLD].astype(predictions[guard_parts.TEST_FOLD].dtypes))
    return guards.check_results(counted, history, utterances, guards_of_units.with_same(found, rows)), may_be


def test_guards_say_the_same_from_counts(predictions, history, utterances):
    here, there = rows_of(predictions, **ONE_FOLD), rows_of(predictions, **{**ONE_FOLD, "seed": 0})
    other = rows_of(predictions, **{**ONE_FOLD, "ptm": "x-vector", "seed": 0})
    predict(predictions, here, "anger")
    predictions.loc[other, [*P, "predicted"]] = predictions.loc[there, [*P, "predicted"]].to_numpy()
    predictions[P] = predictions[P].astype(np.float32)
    predictions.loc[rows_of(predictions, **{**ONE_FOLD, "fold": 1}), P] = np.float32(0.2)
    predictions.loc[rows_of(predictions, **{**ONE_FOLD, "fold": 5}), "p_fear"] = np.nan
    predictions = predictions.drop(index=rows_of(predictions, **{**ONE_FOLD, "seed": 0, "fold": 2}).idxmax())
    tripped, may_be = from_counts(predictions, history, utterances)
    rows = guards.check_results(predictions, history, utterances)
    assert {"utterances", "probabilities", "single class", "constant", "same predictions"} <= set(rows["guard"])
    pd.testing.assert_frame_equal(tripped, rows)
    assert tripped.attrs == rows.attrs
    assert set(may_be["fold"]) >= {3}
    assert len(may_be) < predictions.groupby(guard_parts.TEST_FOLD).ngroups / 5


def test_honest_results_are_honest_from_counts(predictions, history, utterances):
    tripped, _ = from_counts(predictions, history, utterances)
    assert tripped.empty
    assert tripped.attrs == guards.check_results(predictions, history, utterances).attrs
