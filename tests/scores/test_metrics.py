from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from crosscorpus.scores import confusions, label_sets, metrics

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


@pytest.mark.filterwarnings("error")
def test_a_fold_that_lacks_an_emotion_is_scored_on_those_it_has():
    table = pd.concat([predictions("aaffss", "aaffss", fold=1), predictions("aaff", "aafs", fold=2)])
    row = metrics.per_fold(table).iloc[1]
    # anger: recall and F1 1; fear: recall 1/2, F1 2/3
    assert row["uar"] == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert row["macro_f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_few_utterances_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    rows = pd.concat(
        predictions(rng.choice(FIVE, 6), rng.choice(FIVE, 6), fold=fold, seed=s)
        for fold in range(1, 6)
        for s in (0, 1)
    )
    for (s, fold), part in rows.groupby(["seed", "fold"]):
        truth, guess = part["emotion"], part["predicted"]
        row = metrics.per_fold(rows).set_index(["seed", "fold"]).loc[(s, fold)]
        with (
            pytest.warns(UserWarning, match="y_pred contains classes")
            if set(guess) - set(truth)
            else nullcontext()
        ):
            assert row["uar"] == pytest.approx(100 * balanced_accuracy_score(truth, guess))
        f1 = f1_score(truth, guess, labels=sorted(set(truth)), average="macro", zero_division=0)
        assert row["macro_f1"] == pytest.approx(100 * f1)


def test_a_fold_that_a_seed_did_not_run_has_no_row():
    table = pd.concat([predictions("aaff", "aaff", seed=s, fold=f) for s, f in [(0, 1), (0, 2), (1, 1)]])
    assert metrics.per_fold(table)[["seed", "fold"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1]]


def test_no_predictions_have_no_scores():
    none = predictions("af", "af", utterance="u")[:0]
    scored = metrics.per_fold(none)
    assert list(scored) == [*metrics.CELL, "seed", "fold", "n", *metrics.METRICS, *label_sets.COLUMNS]
    assert metrics.summary(scored).empty
    assert metrics.recalls(none).empty
    assert metrics.interval(none, spoken(none, ["s"])).empty


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


def test_the_spread_over_seeds_is_that_of_means_over_folds():
    # means over folds: 60 with seed 0, 70 with seed 1
    rows = [(1, 0, 50, {}), (2, 0, 70, {}), (1, 1, 70, {}), (2, 1, 70, {})]
    assert metrics.summary(scores(rows))["accuracy_seed_sd"].item() == pytest.approx(50**0.5)
    assert np.isnan(metrics.summary(scores(rows[:2]))["accuracy_seed_sd"].item())


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


# -- recalls --------------------------------------------------------------------------------------------------


def with_names(table):
    return table.assign(utterance=[f"u{i:03d}" for i in range(len(table))])


def test_recalls_of_a_hand_worked_case():
    table = metrics.recalls(with_names(predictions("aaaaff", "aaafsa")))
    assert table[["emotion", "n", "recall"]].to_numpy().tolist() == [["a", 4, 75.0], ["f", 2, 0.0]]


def test_recalls_are_over_folds_and_seeds_together():
    one = with_names(pd.concat([predictions("aaff", "aaff", fold=1), predictions("af", "fa", fold=2)]))
    table = pd.concat([one, one.assign(seed=1, predicted=one["emotion"])])
    recalls = metrics.recalls(table)
    assert list(recalls["n"]) == [3, 3]
    np.testing.assert_allclose(recalls["recall"], [100 * 5 / 6, 100 * 5 / 6])
    expected = recall_score(table["emotion"], table["predicted"], average=None)
    np.testing.assert_allclose(recalls["recall"], 100 * expected)
    np.testing.assert_allclose(recalls["recall"], np.diag(confusions.percent(table, ["a", "f"])))


def test_recalls_of_cells_are_apart():
    table = pd.concat([predictions("af", "af"), predictions("af", "aa", test_corpus="ravdess")])
    recalls = metrics.recalls(with_names(table)).set_index(["test_corpus", "emotion"])["recall"]
    assert recalls.to_dict() == {
        ("emodb", "a"): 100,
        ("emodb", "f"): 100,
        ("ravdess", "a"): 100,
        ("ravdess", "f"): 0,
    }


# -- intervals ------------------------------------------------------------------------------------------------


def spoken(table, speakers):
    """The table of utterances of predictions, with speakers dealt in turn."""
    names = table[["test_corpus", "utterance"]].drop_duplicates().rename(columns={"test_corpus": "corpus"})
    return names.assign(speaker=np.resize(speakers, len(names)))


def random_table(n=120, seeds=2, seed=0, **changed):
    rng = np.random.default_rng(seed)
    truth = np.resize(FIVE, n)
    runs = []
    for s in range(seeds):
        guess = np.where(rng.random(n) < 0.5, truth, rng.choice(FIVE, n))
        runs.append(with_names(predictions(truth, guess, seed=s, **changed)).assign(fold=1 + np.arange(n) % 5))
    return pd.concat(runs, ignore_index=True)


def worlds(n, speakers, per_speaker, seed=0):
    """Independent cells with speakers who differ in how easy they are; over all speakers, accuracy is 50 %."""
    rng = np.random.default_rng(seed)
    tables = []
    for world in range(n):
        easy = np.repeat(rng.beta(1.5, 1.5, speakers), per_speaker)
        truth = np.resize(["a", "f"], len(easy))
        guess = np.where(rng.random(len(easy)) < easy, truth, "wrong")
        tables.append(with_names(predictions(truth, guess, ptm=f"world {world}")))
    table = pd.concat(tables, ignore_index=True)
    names = table["utterance"].unique()
    who = pd.DataFrame(
        {"corpus": "emodb", "utterance": names, "speaker": np.repeat(np.arange(speakers), per_speaker)}
    )
    return table, who.astype({"speaker": str})


def test_the_score_is_of_all_test_utterances_averaged_over_seeds():
    table = random_table()
    row = metrics.interval(table, spoken(table, list("pqrstu"))).iloc[0]
    truth, guess = ([part[c] for _, part in table.groupby("seed")] for c in ("emotion", "predicted"))
    pairs = list(zip(truth, guess, strict=True))
    assert row["accuracy"] == pytest.approx(100 * np.mean([accuracy_score(*pair) for pair in pairs]))
    assert row["uar"] == pytest.approx(100 * np.mean([balanced_accuracy_score(*pair) for pair in pairs]))
    assert row["macro_f1"] == pytest.approx(100 * np.mean([f1_score(*pair, average="macro") for pair in pairs]))
    assert (row["n_seeds"], row["n_utterances"], row["n_clusters"], row["clusters"]) == (2, 120, 6, "speakers")
    for metric in metrics.METRICS:
        assert row[f"{metric}_low"] < row[metric] < row[f"{metric}_high"]


def test_with_folds_of_one_size_accuracy_is_the_summarys():
    table = random_table()
    row = metrics.interval(table, spoken(table, list("pqrstu"))).iloc[0]
    assert row["accuracy"] == pytest.approx(metrics.summary(metrics.per_fold(table))["accuracy"].item())
    assert row["uar"] == pytest.approx(metrics.recalls(table)["recall"].mean())


def test_two_speakers_give_the_range_between_them():
    table = with_names(predictions("aaff" * 2, "aaffaaaa"))
    row = metrics.interval(table, spoken(table, ["p"] * 4 + ["q"] * 4)).iloc[0]
    assert tuple(row[["accuracy", "accuracy_low", "accuracy_high"]]) == (75, 50, 100)


def test_a_single_cluster_has_no_interval():
    table = with_names(predictions("aaff", "aafa"))
    row = metrics.interval(table, spoken(table, ["p"])).iloc[0]
    assert row["n_clusters"] == 1
    assert row["accuracy"] == 75
    assert row[["accuracy_low", "uar_high", "macro_f1_low"]].isna().all()


def test_without_errors_the_interval_has_no_width():
    table = with_names(predictions("aaff", "aaff"))
    row = metrics.interval(table, spoken(table, ["p", "q"])).iloc[0]
    assert set(row[[f"{m}{end}" for m in metrics.METRICS for end in ("", "_low", "_high")]]) == {100}


@pytest.mark.parametrize("missing", ["", None])
def test_utterances_without_a_speaker_are_resampled_by_themselves(missing):
    table = random_table(40)
    row = metrics.interval(table, spoken(table, [missing])).iloc[0]
    assert (row["n_clusters"], row["clusters"]) == (40, "utterances")
    mixed = spoken(table, ["p"] * 10 + [missing] * 30)
    row = metrics.interval(table, mixed).iloc[0]
    assert (row["n_clusters"], row["clusters"]) == (31, "speakers")


@pytest.mark.filterwarnings("error")
def test_a_resample_may_lack_an_emotion():
    # only speaker p has fear
    table = with_names(predictions("affaaaaa", "afaaaaas"))
    row = metrics.interval(table, spoken(table, ["p"] * 4 + ["q", "r", "s", "t"])).iloc[0]
    assert row.notna().all()


def test_intervals_are_the_same_again_and_change_with_the_seed():
    table = random_table()
    who = spoken(table, list("pqrstuvw"))
    pd.testing.assert_frame_equal(metrics.interval(table, who), metrics.interval(table, who))
    other = metrics.interval(table, who, seed=1)
    assert other["accuracy"].item() == metrics.interval(table, who)["accuracy"].item()
    assert other["accuracy_low"].item() != metrics.interval(table, who)["accuracy_low"].item()


def test_intervals_do_not_depend_on_the_order_of_rows_nor_on_other_cells():
    table, other = random_table(), random_table(60, seed=1, test_corpus="ravdess")
    who = pd.concat([spoken(table, list("pqrstu")), spoken(other, ["x", "y", "z"])])
    alone = metrics.interval(table, who)
    shuffled = pd.concat([other, table]).sample(frac=1, random_state=0)
    together = metrics.interval(shuffled, who.sample(frac=1, random_state=1))
    together = together[together["test_corpus"] == "emodb"].reset_index(drop=True)
    pd.testing.assert_frame_equal(together, alone)


def test_columns_of_categories_give_the_same():
    table = random_table()
    who = spoken(table, list("pqrstu"))
    text = [*metrics.CELL, "utterance", "emotion", "predicted"]
    numbers = [c for c in metrics.interval(table, who) if c.startswith(tuple(metrics.METRICS))]
    as_categories = metrics.interval(table.astype(dict.fromkeys(text, "category")), who)
    pd.testing.assert_frame_equal(as_categories[numbers], metrics.interval(table, who)[numbers])


def test_a_higher_confidence_is_a_wider_interval():
    table = random_table()
    who = spoken(table, list("pqrstuvw"))
    wide, narrow = (metrics.interval(table, who, confidence=c).iloc[0] for c in (0.99, 0.8))
    assert wide["uar_low"] < narrow["uar_low"] < narrow["uar_high"] < wide["uar_high"]


def test_with_many_utterances_alone_the_interval_is_the_binomial_one():
    table = random_table(1000, seeds=1)
    row = metrics.interval(table, spoken(table, [""])).iloc[0]
    p = row["accuracy"] / 100
    width = 2 * 1.96 * 100 * (p * (1 - p) / 1000) ** 0.5
    assert row["accuracy_high"] - row["accuracy_low"] == pytest.approx(width, rel=0.06)


def test_intervals_over_speakers_hold_the_truth_where_those_over_utterances_do_not():
    table, who = worlds(200, speakers=10, per_speaker=30)

    def share_of_hits(utterances):
        found = metrics.interval(table, utterances, n_resamples=500)
        return ((found["accuracy_low"] <= 50) & (found["accuracy_high"] >= 50)).mean()

    assert 0.90 <= share_of_hits(who) <= 0.99
    assert share_of_hits(who.assign(speaker="")) < 0.75


@pytest.mark.parametrize("n", [6, 9, 30])
def test_the_bootstrap_of_a_mean_is_near_students_interval(n):
    values = np.linspace(-1, 1, n)
    low, high = metrics.bootstrap(lambda weights: (weights @ values / n)[np.newaxis], n, n_resamples=20_000)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (low.item(), high.item()) == pytest.approx(tuple(expected), rel=0.07)


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.iloc[:-1], "u119 was tested 0 times with seed 1"),
    (lambda t: pd.concat([t, t.iloc[[3]]]), "whisper-base, fcn, stratified, emodb, emodb: u003 was tested 2"),
])  # fmt: skip
def test_every_utterance_is_tested_once_with_every_seed(change, message):
    table = random_table()
    with pytest.raises(ValueError, match=message):
        metrics.interval(change(table), spoken(table, ["p", "q"]))


def test_an_unknown_utterance_is_named():
    table = random_table()
    with pytest.raises(ValueError, match="emodb: u000 is not in the table of utterances"):
        metrics.interval(table, spoken(table, ["p", "q"]).iloc[1:])


def test_the_utterance_of_another_corpus_is_another():
    table = random_table()
    with pytest.raises(ValueError, match="is not in the table"):
        metrics.interval(table, spoken(table, ["p", "q"]).assign(corpus="ravdess"))


def test_two_speakers_of_one_utterance_are_an_error():
    table = random_table()
    who = spoken(table, ["p", "q"])
    with pytest.raises(ValueError, match="emodb: u000 has two speakers"):
        metrics.interval(table, pd.concat([who, who.iloc[[0]].assign(speaker="z")]))
    assert len(metrics.interval(table, pd.concat([who, who])))


# -- confusion ------------------------------------------------------------------------------------------------


def test_confusion_is_in_percent_of_each_true_emotion():
    matrix = confusions.percent(predictions("aaaaff", "aaaffa"), ["a", "f"])
    np.testing.assert_allclose(matrix, [[75, 25], [50, 50]])
    assert list(matrix.index) == list(matrix.columns) == ["a", "f"]


def test_confusion_keeps_the_given_order():
    matrix = confusions.percent(predictions("aaaaff", "aaaffa"), ["f", "a"])
    np.testing.assert_allclose(matrix, [[50, 50], [25, 75]])


@pytest.mark.filterwarnings("error")
def test_an_emotion_without_utterances_has_no_confusions():
    matrix = confusions.percent(predictions("aa", "af"), ["a", "f"])
    np.testing.assert_allclose(np.nan_to_num(matrix.to_numpy()), [[50, 50], [0, 0]])


def test_the_largest_confusion_is_off_the_diagonal():
    matrix = pd.DataFrame([[90, 10, 0], [5, 75, 20], [0, 30, 70]], index=list("afs"), columns=list("afs"))
    assert confusions.largest(matrix) == {"true": "s", "predicted": "f", "percent": 30.0}


def test_the_largest_confusion_of_a_real_table():
    found = confusions.largest(confusions.percent(predictions("aaaaff", "aaaffa"), ["a", "f"]))
    assert found == {"true": "f", "predicted": "a", "percent": 50.0}
