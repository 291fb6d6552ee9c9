import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from crosscorpus import metrics

FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]


def predictions(truth, guess, **changed):
    cell = {
        "ptm": "whisper-base",
        "head": "fcn",
        "regime": "stratified",
        "seed": 0,
        "train_corpus": "emodb",
        "test_corpus": "emodb",
        "fold": 1,
    }
    return pd.DataFrame({"emotion": list(truth), "predicted": list(guess)}).assign(**(cell | changed))


def scores(rows):
    """A table as `per_fold` returns it, from (fold, seed, accuracy) and changes of the cell."""
    table = [
        {
            "ptm": "whisper-base",
            "head": "fcn",
            "regime": "stratified",
            "train_corpus": "emodb",
            "test_corpus": "emodb",
            "seed": seed,
            "fold": fold,
            "n": 10,
            "accuracy": accuracy,
            "uar": accuracy,
            "macro_f1": accuracy,
        }
        | changed
        for fold, seed, accuracy, changed in rows
    ]
    return pd.DataFrame(table)


# -- per fold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = [*FIVE, *rng.choice(FIVE, 95, p=[0.4, 0.3, 0.1, 0.1, 0.1])]
    guess = np.where(rng.random(100) < 0.5, truth, rng.choice(FIVE, 100))
    row = metrics.per_fold(predictions(truth, guess)).iloc[0]
    assert row["accuracy"] == pytest.approx(100 * accuracy_score(truth, guess))
    assert row["uar"] == pytest.approx(100 * balanced_accuracy_score(truth, guess))
    assert row["macro_f1"] == pytest.approx(100 * f1_score(truth, guess, average="macro"))
    assert row["n"] == 100


def test_scores_of_a_hand_worked_case():
    # anger: 3 of 4 right, 1 wrong guess: recall 3/4, precision 3/4, F1 3/4; fear: 1 of 2 right: all 1/2
    row = metrics.per_fold(predictions("aaaaff", "aaaffa")).iloc[0]
    assert row["accuracy"] == pytest.approx(100 * 4 / 6)
    assert row["uar"] == pytest.approx(100 * (3 / 4 + 1 / 2) / 2)
    assert row["macro_f1"] == pytest.approx(100 * (3 / 4 + 1 / 2) / 2)


@pytest.mark.filterwarnings("error")
def test_a_class_that_is_never_predicted_scores_zero():
    # anger: recall 1, precision 4/6, F1 4/5; fear: 0
    row = metrics.per_fold(predictions("aaaaff", "aaaaaa")).iloc[0]
    assert row["uar"] == pytest.approx(50)
    assert row["macro_f1"] == pytest.approx(40)


def test_a_class_that_is_only_predicted_is_no_class_of_the_average():
    # anger: recall 3/4, precision 1, F1 6/7; fear: recall 1, precision 1, F1 1; "sad" is never true
    row = metrics.per_fold(predictions("aaaaff", "aaasff")).iloc[0]
    assert row["uar"] == pytest.approx(100 * (3 / 4 + 1) / 2)
    assert row["macro_f1"] == pytest.approx(100 * (6 / 7 + 1) / 2)


@pytest.mark.parametrize(("guess", "expected"), [("aaff", 100), ("ffaa", 0)])
def test_all_right_and_all_wrong(guess, expected):
    row = metrics.per_fold(predictions("aaff", guess)).iloc[0]
    assert list(row[metrics.METRICS]) == [expected] * 3


def test_every_cell_seed_and_fold_has_a_row():
    sides = [(seed, fold, test) for seed in (0, 1) for fold in (1, 2, 3) for test in ("emodb", "ravdess")]
    table = pd.concat([predictions("aaff", "aaff", seed=s, fold=f, test_corpus=t) for s, f, t in sides])
    result = metrics.per_fold(table)
    assert len(result) == len(sides)
    assert not result.duplicated([*metrics.CELL, "seed", "fold"]).any()


def test_folds_are_scored_apart():
    table = pd.concat([predictions("aaff", "aaff", fold=1), predictions("aaff", "aaaa", fold=2)])
    assert list(metrics.per_fold(table)["accuracy"]) == [100, 50]


# -- summary --------------------------------------------------------------------------------------------------


def test_seeds_are_averaged_before_folds():
    # fold means 60 and 80: mean 70, standard deviation with n - 1 of (60, 80) = sqrt(200)
    table = metrics.summary(scores([(1, 0, 50, {}), (1, 1, 70, {}), (2, 0, 80, {})])).iloc[0]
    assert table["accuracy"] == pytest.approx(70)
    assert table["accuracy_sd"] == pytest.approx(200**0.5)
    assert (table["n_folds"], table["n_seeds"]) == (2, 2)


def test_the_spread_over_seeds_is_no_part_of_the_spread():
    table = metrics.summary(scores([(1, 0, 40, {}), (1, 1, 80, {}), (2, 0, 80, {}), (2, 1, 40, {})])).iloc[0]
    assert table["accuracy_sd"] == 0


def test_cells_are_summarised_apart_and_in_their_order():
    other = {"head": "cnn"}
    table = metrics.summary(scores([(1, 0, 50, {}), (2, 0, 70, {}), (1, 0, 10, other), (2, 0, 30, other)]))
    assert list(table["head"]) == ["fcn", "cnn"]
    assert list(table["accuracy"]) == [60, 20]


def test_every_metric_has_mean_and_spread():
    table = metrics.summary(scores([(1, 0, 50, {}), (2, 0, 70, {})]))
    for metric in metrics.METRICS:
        assert table[metric].item() == 60
        assert table[f"{metric}_sd"].item() == pytest.approx(200**0.5)


# -- confusion ------------------------------------------------------------------------------------------------


def test_confusion_is_in_percent_of_each_true_emotion():
    matrix = metrics.confusion(predictions("aaaaff", "aaaffa"), ["a", "f"])
    np.testing.assert_allclose(matrix, [[75, 25], [50, 50]])
    assert list(matrix.index) == list(matrix.columns) == ["a", "f"]


def test_confusion_keeps_the_given_order():
    matrix = metrics.confusion(predictions("aaaaff", "aaaffa"), ["f", "a"])
    np.testing.assert_allclose(matrix, [[50, 50], [25, 75]])


@pytest.mark.filterwarnings("error")
def test_an_emotion_without_utterances_has_no_confusions():
    matrix = metrics.confusion(predictions("aa", "af"), ["a", "f"])
    np.testing.assert_allclose(np.nan_to_num(matrix.to_numpy()), [[50, 50], [0, 0]])


def test_the_largest_confusion_is_off_the_diagonal():
    matrix = pd.DataFrame([[90, 10, 0], [5, 75, 20], [0, 30, 70]], index=list("afs"), columns=list("afs"))
    assert metrics.largest_confusion(matrix) == {"true": "s", "predicted": "f", "percent": 30.0}


def test_the_largest_confusion_of_a_real_table():
    found = metrics.largest_confusion(metrics.confusion(predictions("aaaaff", "aaaffa"), ["a", "f"]))
    assert found == {"true": "f", "predicted": "a", "percent": 50.0}


# -- regimes and domains --------------------------------------------------------------------------------------

SPEAKER = {"regime": "speaker"}
CROSS = {"train_corpus": "ravdess"}


def test_the_price_is_stratified_minus_speaker():
    table = metrics.regime_price(
        scores([(1, 0, 80, {}), (2, 0, 90, {}), (1, 0, 70, SPEAKER), (2, 0, 75, SPEAKER), (1, 0, 10, CROSS)])
    )
    assert table.to_dict("records") == [
        {
            "ptm": "whisper-base",
            "head": "fcn",
            "corpus": "emodb",
            "stratified": 85.0,
            "speaker": 72.5,
            "difference": 12.5,
        }
    ]


@pytest.mark.parametrize("rows", [[(1, 0, 80, {})], [(1, 0, 80, SPEAKER)], [(1, 0, 80, CROSS)]])
def test_without_both_regimes_there_is_no_price(rows):
    table = metrics.regime_price(scores(rows))
    assert table.empty
    assert "difference" in table


def test_the_loss_is_against_the_test_corpus_own_head():
    own = {"train_corpus": "ravdess", "test_corpus": "ravdess"}
    table = metrics.domain_loss(
        metrics.summary(scores([(1, 0, 90, {}), (1, 0, 60, own), (1, 0, 40, CROSS), (1, 0, 20, CROSS | SPEAKER)]))
    )
    row = table.query("regime == 'stratified'").iloc[0]
    assert (row["train_corpus"], row["test_corpus"]) == ("ravdess", "emodb")
    assert (row["in_domain"], row["out_of_domain"], row["loss"]) == (90, 40, 50)


def test_the_loss_does_not_mix_regimes_heads_and_models():
    changes = [{}, SPEAKER, {"head": "cnn"}, {"ptm": "x-vector"}]
    rows = [(1, 0, 90 - i, c) for i, c in enumerate(changes)] + [(1, 0, 40, c | CROSS) for c in changes]
    table = metrics.domain_loss(metrics.summary(scores(rows)))
    assert list(table["in_domain"]) == [90, 89, 88, 87]
