"""The grid on published splits: one to six folds, and validation parts as they were published."""

import numpy as np
import pandas as pd
import pytest
import yaml

from crosscorpus.base import paths
from crosscorpus.embeddings import store
from crosscorpus.protocols import folds, official_splits, protocol_settings
from crosscorpus.scores import guards, metrics
from crosscorpus.training import baselines, engine, evaluate, profiles, train, training_tasks, unit_of_work

FAST = protocol_settings.load("epochs=2,fcn_widths=8")
FIVE = FAST["emotions"]


def run(corpora, heads=("logistic",), regimes=("official",), train_on=None):
    asked = (["mfcc"], train_on or corpora, corpora, heads, regimes, [0], FAST)
    return evaluate.grid(*asked, workers=1, device="cpu")


def split_of(monkeypatch, numbers, tmp_path):
    """Publish splits in place of those that are committed: {corpus: function from utterances to numbers}."""
    monkeypatch.setattr(official_splits, "folder", lambda: tmp_path)
    for corpus, number in numbers.items():
        names = store.load("mfcc", corpus).utterances["utterance"]
        table = pd.DataFrame({"utterance": names, "fold": number(np.arange(len(names)))})
        table = table[table["fold"].notna()].astype({"fold": int})
        rest = dict.fromkeys(set(official_splits.COLUMNS) - set(table), "")
        official_splits.write(table.assign(**rest)[official_splits.COLUMNS], tmp_path / f"{corpus}.parquet")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crosscorpus.base.paths.BUILD", tmp_path_factory.mktemp("build"))
        return run(["emodb", "ravdess"], ("fcn", "logistic"))


def test_each_corpus_has_the_folds_of_its_split(both):
    predictions, history = both
    for corpus, n_folds in (("emodb", 5), ("ravdess", 6)):
        split = official_splits.read(corpus).set_index("utterance")["fold"]
        tested = predictions[predictions["test_corpus"] == corpus]
        assert (tested["utterance"].map(split) == tested["fold"]).all()
        assert set(tested["fold"]) == set(range(1, n_folds + 1))
        assert history.loc[history["train_corpus"] == corpus, "fold"].max() == n_folds


def test_every_guard_and_every_score_takes_other_numbers_of_folds(both):
    predictions, history = both
    found = guards.check_results(predictions, history, evaluate.utterances(["emodb", "ravdess"]))
    assert not set(found["guard"]) & {"utterances", "probabilities", "missing class", "validation share"}
    table = metrics.summary(metrics.per_fold(predictions)).set_index(["head", "train_corpus", "test_corpus"])
    assert table.loc[("fcn", "emodb", "ravdess"), "n_folds"] == 6
    assert table.loc[("fcn", "ravdess", "emodb"), "n_folds"] == 5


def test_fold_six_is_tested_by_the_first_training_of_five(both):
    """The rule of pairs: fold i by training ((i - 1) mod n) + 1."""
    one = store.load("mfcc", "emodb")
    unit = unit_of_work.Unit("logistic", "official", 0, one, [store.load("mfcc", "ravdess")], FAST)
    tasks = unit_of_work.trainings(unit)
    assert len(tasks) == 5
    again, _ = unit_of_work.train_and_test(unit)
    stored = both[0].query("head == 'logistic' and train_corpus == 'emodb' and test_corpus == 'ravdess'")
    columns = ["utterance", "fold", "predicted"]
    assert again[columns].to_numpy().tolist() == stored[columns].to_numpy().tolist()
    part, _ = training_tasks.parts(tasks[0], unit.settings)  # a baseline is trained without what stops a head
    first = baselines.fit("logistic", tasks[0].X[part], tasks[0].y[part], unit.settings)
    rows, X = unit_of_work.with_folds(unit.tests[0], "official", FIVE)
    sixth = (rows["fold"] == 6).to_numpy()
    p = baselines.predict(first, X[sixth])
    np.testing.assert_allclose(again.loc[again["fold"] == 6, [f"p_{e}" for e in FIVE]], p, rtol=1e-5)


def test_a_split_of_one_part_is_trained_once_and_tests_that_part(monkeypatch, tmp_path, build_folder):
    split_of(
        monkeypatch, {"emodb": lambda i: np.where(i % 4 == 0, 1, 0), "ravdess": lambda i: i % 3 + 1}, tmp_path
    )
    predictions, history = run(["emodb", "ravdess"], ("fcn", "logistic"))
    own = predictions.query("train_corpus == 'emodb' and test_corpus == 'emodb' and head == 'fcn'")
    table = store.load("mfcc", "emodb").utterances
    used = table["emotion"].isin(FIVE)
    assert sorted(own["utterance"]) == sorted(table.loc[used & (table.index % 4 == 0), "utterance"])
    assert set(own["fold"]) == {1}
    of_emodb = history[history["train_corpus"] == "emodb"].drop_duplicates("fold")
    assert (of_emodb["n_train"] + of_emodb["n_validation"]).tolist() == [(used & (table.index % 4 != 0)).sum()]
    crossed = predictions.query("train_corpus == 'emodb' and test_corpus == 'ravdess'")
    assert set(crossed["fold"]) == {1, 2, 3}  # all by the one training
    back = predictions.query("train_corpus == 'ravdess' and test_corpus == 'emodb'")
    assert set(back["fold"]) == {1}
    found = guards.check_results(predictions, history, evaluate.utterances(["emodb", "ravdess"]))
    assert not set(found["guard"]) & {"utterances", "probabilities", "missing class"}
    summary = metrics.summary(metrics.per_fold(own))
    assert summary["n_folds"].tolist() == [1]
    assert summary["accuracy_sd"].isna().all()


def test_a_published_validation_part_stops_heads_and_baselines_never_see_it(monkeypatch, tmp_path, build_folder):
    split_of(monkeypatch, {"emodb": lambda i: np.select([i % 4 == 0, i % 4 == 1], [1, -1], 0)}, tmp_path)
    one = store.load("mfcc", "emodb")
    rows, _ = unit_of_work.with_folds(one, "official", FIVE)
    n_validation, n_train = (int((rows["fold"] == number).sum()) for number in (-1, 0))
    (task,) = unit_of_work.trainings(unit_of_work.Unit("fcn", "official", 0, one, [one], FAST))
    (plain,) = unit_of_work.trainings(unit_of_work.Unit("logistic", "official", 0, one, [one], FAST))
    part, held_out = training_tasks.parts(plain, FAST)  # the published one is kept from a baseline
    assert (len(part), len(held_out)) == (n_train, n_validation)
    ready = train.prepare(task, FAST)
    assert (len(ready.y), ready.n_validation) == (n_train, n_validation)
    _, history = run(["emodb"], ("fcn",))
    assert set(history["n_train"]) == {n_train}
    assert set(history["n_validation"]) == {n_validation}
    fitted = engine.fit_many([task], FAST)[0].history
    pd.testing.assert_frame_equal(fitted, train.fit(task, FAST).history)


def test_an_emotion_in_no_part_is_not_told_apart(monkeypatch, tmp_path, build_folder):
    """As in IEMOCAP, whose published split has four of its ten emotions."""
    emotion = store.load("mfcc", "emodb").utterances["emotion"].to_numpy()
    split_of(monkeypatch, {"emodb": lambda i: np.where(emotion == "fear", np.nan, i % 2 + 1)}, tmp_path)
    predictions, history = run(["emodb"], ("fcn", "majority"))
    assert "fear" not in set(predictions["emotion"])
    assert "p_fear" not in predictions
    found = guards.check_results(predictions, history, evaluate.utterances(["emodb"]))
    assert not set(found["guard"]) & {"utterances", "probabilities", "missing class"}


def test_what_is_in_no_part_is_tested_by_other_regimes_alone(monkeypatch, tmp_path, build_folder):
    split_of(monkeypatch, {"emodb": lambda i: np.where(i % 5 == 4, np.nan, i % 2 + 1)}, tmp_path)
    predictions, history = run(["emodb", "ravdess"], ["fcn"], ("stratified", "official"), ["emodb"])
    assert set(predictions.loc[predictions["regime"] == "official", "test_corpus"]) == {"emodb"}
    sizes = predictions.query("test_corpus == 'emodb'").groupby("regime").size()
    assert sizes["official"] < sizes["stratified"]
    found = guards.check_results(predictions, history, evaluate.utterances(["emodb", "ravdess"]))
    assert not set(found["guard"]) & {"utterances", "probabilities", "missing class"}


def test_a_copy_in_training_of_what_is_tested_is_not_trained_on(monkeypatch, tmp_path, build_folder):
    split_of(monkeypatch, {"emodb": lambda i: np.where(i % 4 == 0, 1, 0)}, tmp_path)
    loaded = store.load("mfcc", "emodb")
    copied = loaded.utterances.copy()
    copied.loc[1, "sha256"] = copied.loc[0, "sha256"]
    changed = store.Embeddings(loaded.ptm, loaded.corpus, copied, loaded.vectors, loaded.metadata)
    monkeypatch.setattr(store, "available", lambda *_: {("mfcc", "emodb"): changed})
    predictions, _ = run(["emodb"])
    assert copied.loc[0, "utterance"] in set(predictions["utterance"])
    assert folds.left_out("emodb", copied, "official")["utterance"].tolist() == [copied.loc[1, "utterance"]]


def test_a_profile_may_ask_for_published_splits():
    profile = yaml.safe_load((paths.ROOT / "profiles" / "demo.yaml").read_text(encoding="utf-8"))
    assert profile["regimes"] == list(protocol_settings.DEALT)
    profiles.check(profile | {"regimes": list(protocol_settings.REGIMES)})
