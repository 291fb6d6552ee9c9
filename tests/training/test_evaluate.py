import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import known_names, table_files, versions
from crosscorpus.corpora import file_lists, utterance_tables
from crosscorpus.embeddings import corpus_scans, store, store_folders
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.scores import comparison, guard_parts, guards, metrics
from crosscorpus.training import count_files, engine, evaluate, prediction_files, unit_of_work

FAST = protocol_settings.load("epochs=2,fcn_widths=8")


def synthetic(corpus, n_per_emotion=30, dim=16, seed=0):
    """Utterances of a file list with embeddings drawn around a centre for each emotion."""
    listed = file_lists.file_list(corpus)
    table = listed.groupby("emotion").head(n_per_emotion).sort_values("utterance", ignore_index=True)
    table = table.assign(sha256=[f"{corpus}-{i}" for i in range(len(table))])
    emotions = sorted(set(table["emotion"]))
    centres = np.random.default_rng(0).normal(scale=4.0, size=(9, dim))
    noise = np.random.default_rng(seed).normal(size=(len(table), dim))
    vectors = (centres[[emotions.index(e) for e in table["emotion"]]] + noise).astype(np.float32)
    return store.Embeddings("whisper-base", corpus, table, vectors, {})


@pytest.fixture(scope="module")
def pair():
    return synthetic("emodb"), synthetic("aesdd", seed=1)


@pytest.fixture
def stored(pair, build_folder, monkeypatch):
    by_corpus = {e.corpus: e for e in pair}

    def load(ptm, corpus, source="pack", pooling="", layer="last"):
        if ptm != "whisper-base" or corpus not in by_corpus:
            raise store_folders.NotStoredError(corpus)
        return by_corpus[corpus]

    monkeypatch.setattr(store, "load", load)
    return by_corpus


def grid(train=("emodb",), heads=("fcn",), regimes=("stratified",), seeds=(0,), workers=1, settings=FAST):
    return evaluate.grid(
        ["whisper-base"], train, ["emodb", "aesdd"], heads, regimes, seeds, settings, workers=workers
    )


def test_every_test_utterance_is_predicted_once(stored):
    predictions, _ = grid()
    for corpus, part in predictions.groupby("test_corpus"):
        table = stored[corpus].utterances
        common = table.loc[table["emotion"].isin(FAST["emotions"]), "utterance"]
        assert sorted(part["utterance"]) == sorted(common)


def test_test_folds_are_those_of_the_test_corpus(stored):
    predictions, _ = grid(regimes=("speaker",))
    for corpus, part in predictions.groupby("test_corpus"):
        table = folds.load(corpus, stored[corpus].utterances)
        fold = table[table["regime"] == "speaker"].set_index("utterance")["fold"]
        assert (part["utterance"].map(fold) == part["fold"]).all()


def test_columns_are_those_of_the_schema(stored):
    predictions, _ = grid()
    assert list(predictions) == [*unit_of_work.COLUMNS, *(f"p_{e}" for e in FAST["emotions"])]
    assert predictions["p_anger"].dtype == np.float32


def test_the_predicted_emotion_has_the_largest_probability(stored):
    predictions, _ = grid()
    columns = [f"p_{e}" for e in FAST["emotions"]]
    assert (predictions[columns].idxmax(axis=1).str[2:] == predictions["predicted"]).all()


def test_no_test_utterance_is_ever_trained_on(pair, monkeypatch):
    seen = []

    def spy(tasks, settings, device):
        seen.extend({row.tobytes() for row in task.X} for task in tasks)
        return original(tasks, settings, device)

    original = engine.fit_many
    monkeypatch.setattr(engine, "fit_many", spy)
    predictions, _ = unit_of_work.train_and_test(unit_of_work.Unit("fcn", "stratified", 0, pair[0], pair, FAST))
    vectors = {c.corpus: dict(zip(c.utterances["utterance"], c.vectors, strict=True)) for c in pair}
    for fold, trained_on in enumerate(seen, start=1):
        tested = predictions[predictions["fold"] == fold]
        rows = zip(tested["test_corpus"], tested["utterance"], strict=True)
        assert not any(vectors[corpus][utterance].tobytes() in trained_on for corpus, utterance in rows)


def test_a_second_call_trains_nothing(stored, monkeypatch):
    first, _ = grid()
    monkeypatch.setattr(unit_of_work, "train_and_test", None)
    second, _ = grid()
    pd.testing.assert_frame_equal(first, second)


def test_changed_embeddings_are_trained_again(stored, monkeypatch):
    first, _ = grid()
    changed = stored["emodb"]
    stored["emodb"] = store.Embeddings("whisper-base", "emodb", changed.utterances, changed.vectors + 1e-3, {})
    second, _ = grid()
    assert not first.equals(second)


def test_poolings_of_one_model_run_together_are_told_apart(pair, build_folder):
    other = store.Embeddings("whisper-base", "emodb", pair[0].utterances, pair[0].vectors * 2 + 1, {})
    units = [unit_of_work.Unit("fcn", "stratified", 0, e, [e], FAST) for e in (pair[0], other)]
    together = evaluate.run(units, workers=1)
    assert together[0] != together[1]
    assert together == [evaluate.run([unit], workers=1)[0] for unit in units]


def test_number_of_workers_changes_no_byte(stored, build_folder):
    def tables():
        grid(seeds=(0, 1), workers=workers)
        files = sorted((build_folder / "predictions").rglob("*.parquet"))
        contents = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        return contents

    workers = 1
    one = tables()
    workers = 2
    assert one == tables()
    assert len(one) == 4


def test_a_corpus_with_fewer_emotions_is_tested_on_the_shared_ones(pair):
    three = pair[0].utterances["emotion"].isin(["anger", "fear", "sadness"]).to_numpy()
    poor = store.Embeddings("whisper-base", "emodb", pair[0].utterances[three], pair[0].vectors[three], {})
    poor = store.Embeddings(poor.ptm, poor.corpus, poor.utterances.reset_index(drop=True), poor.vectors, {})
    predictions, _ = unit_of_work.train_and_test(unit_of_work.Unit("fcn", "stratified", 0, poor, pair, FAST))
    assert set(predictions["emotion"]) == {"anger", "fear", "sadness"}
    assert "p_disgust" not in predictions


def test_models_without_embeddings_are_left_out(stored):
    predictions, _ = evaluate.grid(
        ["whisper-base", "trillsson4"], ["emodb"], ["emodb", "mesd"], ["fcn"], ["stratified"], [0], FAST, workers=1
    )
    assert set(predictions["ptm"]) == {"whisper-base"}
    assert set(predictions["test_corpus"]) == {"emodb"}


def test_no_embeddings_at_all_is_an_error_with_the_command(stored):
    with pytest.raises(store_folders.NotStoredError, match=r"papermill notebooks/model\.ipynb"):
        evaluate.grid(["trillsson4"], ["emodb"], ["emodb"], ["fcn"], ["stratified"], [0], FAST)


@pytest.mark.parametrize(("heads", "regimes"), [(("mlp",), ("stratified",)), (("fcn",), ("random",))])
def test_unknown_names_stop_before_any_work(stored, heads, regimes):
    with pytest.raises(known_names.UnknownNameError, match="Known:"):
        grid(heads=heads, regimes=regimes)


def test_training_summary_counts_trainings(stored):
    _, history = grid(seeds=(0, 1))
    table = evaluate.training_summary(history)
    assert list(table["trainings"]) == [10]
    assert (table["epochs"] == 2).all()


def test_the_test_corpus_may_have_fewer_emotions(pair):
    """Then the prediction is one of the shared emotions, though the head knows more."""
    three = pair[1].utterances["emotion"].isin(["anger", "fear", "sadness"]).to_numpy()
    table = pair[1].utterances[three].reset_index(drop=True)
    poor = store.Embeddings("whisper-base", "aesdd", table, pair[1].vectors[three][:, ::-1].copy(), {})
    predictions, _ = unit_of_work.train_and_test(
        unit_of_work.Unit("fcn", "stratified", 0, pair[0], [pair[0], poor], FAST)
    )
    cross = predictions[predictions["test_corpus"] == "aesdd"]
    assert set(cross["predicted"]) <= {"anger", "fear", "sadness"}
    p = cross[[f"p_{e}" for e in FAST["emotions"]]]
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p.idxmax(axis=1).str[2:] != cross["predicted"]).any()
    asked = predictions.groupby("test_corpus")["emotion"].unique()
    assert {corpus: len(emotions) for corpus, emotions in asked.items()} == {"emodb": 5, "aesdd": 3}
    assert set(asked["aesdd"]) == {"anger", "fear", "sadness"}


def test_baselines_stand_beside_heads(stored):
    predictions, history = grid(heads=("fcn", "logistic", "majority"), seeds=(0, 1))
    assert predictions.groupby("head")["seed"].nunique().to_dict() == {"fcn": 2, "logistic": 1, "majority": 1}
    assert set(history["head"]) == {"fcn"}
    own = predictions[predictions["test_corpus"] == "emodb"].groupby("head")
    assert own.apply(lambda part: (part["emotion"] == part["predicted"]).mean())["logistic"] > 0.9
    in_fold = predictions[predictions["head"] == "majority"].groupby(["test_corpus", "fold"])["predicted"]
    assert in_fold.agg(lambda guesses: len(set(guesses))).eq(1).all()


def test_baselines_alone_have_no_learning_curves(stored):
    predictions, history = grid(heads=("svm",))
    assert len(predictions)
    assert history.empty


def test_a_grid_hashes_each_corpus_once(stored, monkeypatch):
    hashed = []
    original = prediction_files._hash
    monkeypatch.setattr(prediction_files, "_hash", lambda e: (hashed.append(e.corpus), original(e))[1])
    grid(train=("emodb", "aesdd"), heads=("fcn", "majority"), seeds=(0, 1))
    assert sorted(hashed) == ["aesdd", "emodb"]


# -- hard guards ----------------------------------------------------------------------------------------------


def never(*_):
    raise AssertionError("something was trained")


def test_a_recording_of_two_corpora_stops_the_grid_before_training(stored, monkeypatch):
    monkeypatch.setattr(unit_of_work, "train_and_test", never)
    other, heard = stored["aesdd"], stored["emodb"].utterances
    table = other.utterances.copy()
    dealt = folds.load("emodb", heard, "stratified").merge(heard, on="utterance")
    tested = (
        folds.load("aesdd", table, "stratified").merge(table, on="utterance").query("emotion == 'anger'").iloc[0]
    )
    copied = dealt[(dealt["emotion"] == "anger") & (dealt["fold"] != tested["fold"])].iloc[0]
    table.loc[table["utterance"] == tested["utterance"], "sha256"] = copied["sha256"]
    stored["aesdd"] = store.Embeddings(other.ptm, "aesdd", table, other.vectors, {})
    with pytest.raises(guard_parts.GuardError, match="recordings are in training and in test"):
        grid()


def test_an_utterance_of_the_file_list_without_a_fold_stops_the_grid(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(unit_of_work, "train_and_test", never)
    known = stored["emodb"].utterances["utterance"].iloc[3]
    original = folds.path
    table = utterance_tables.read_table(folds.path("emodb"))
    table[table["utterance"] != known].to_csv(tmp_path / "emodb.csv", index=False)
    monkeypatch.setattr(folds, "path", lambda c: tmp_path / "emodb.csv" if c == "emodb" else original(c))
    with pytest.raises(guard_parts.GuardError, match=f"emodb, stratified: {known} is in no fold"):
        grid()


def test_an_utterance_that_no_list_knows_is_left_out_and_stops_nothing(stored):
    e = stored["emodb"]
    table = e.utterances.copy()
    table.loc[0, "utterance"] = "99a01Wz"
    stored["emodb"] = store.Embeddings(e.ptm, "emodb", table, e.vectors, {})
    predictions, _ = grid(heads=("majority",))
    assert "99a01Wz" not in set(predictions["utterance"])


def test_a_loss_that_is_not_a_number_stops_the_grid(stored, monkeypatch):
    original = unit_of_work.train_and_test

    def broken(*task):
        predictions, history = original(*task)
        history.loc[1, "val_loss"] = np.nan
        return predictions, history

    monkeypatch.setattr(unit_of_work, "train_and_test", broken)
    with pytest.raises(
        guard_parts.GuardError, match=r"whisper-base, fcn, stratified, 0, emodb, fold 1.*not finite"
    ):
        grid()


@pytest.mark.parametrize("head", ["fcn", "svm"])
def test_the_code_of_guards_is_no_part_of_what_names_a_result(head, monkeypatch):
    seen = []
    monkeypatch.setattr(versions, "of_code", lambda *modules: seen.extend(modules) or "")
    prediction_files._code.__wrapped__(head)
    assert folds in seen
    assert Path(guards.__file__) not in seen


def test_predictions_record_what_made_them(stored, build_folder):
    grid()
    for file in (build_folder / "predictions").rglob("*.parquet"):
        record = table_files.read_record(file)
        assert record["protocol"] == FAST
        assert record["changed"] == {"epochs": 2, "fcn_widths": [8]}


def test_utterances_are_those_with_a_fold_of_all_corpora_together(pair, monkeypatch):
    tables = {e.corpus: e.utterances.copy() for e in pair}
    tables["emodb"].loc[0, "utterance"] = "99a01Wz"
    scans = {corpus: utterance_tables.Scan(table, table, table) for corpus, table in tables.items()}
    monkeypatch.setattr(corpus_scans, "read_scan", lambda corpus, source: scans[corpus])
    found = evaluate.utterances(["emodb", "aesdd"])
    assert len(found) == len(tables["emodb"]) - 1 + len(tables["aesdd"])
    assert "99a01Wz" not in set(found["utterance"])


# -- counts of predictions ------------------------------------------------------------------------------------


def test_counts_are_written_beside_predictions_and_score_the_same(stored, monkeypatch):
    predictions, _ = grid(heads=("logistic",))
    utterances = pd.concat([e.utterances for e in stored.values()])
    with monkeypatch.context() as only:
        only.setattr(metrics, "as_counts", None)  # they are there
        counted = evaluate.results(*SIDES).counts
    for of in (lambda t: metrics.per_fold(t), lambda t: metrics.interval(t, utterances, n_resamples=20)):
        pd.testing.assert_frame_equal(of(counted), of(predictions), check_exact=True)


SIDES = (["whisper-base"], ["emodb"], ["emodb", "aesdd"], ["logistic"], ["stratified"], [0], FAST)


def test_counts_that_are_missing_damaged_or_stale_are_made_again(stored, build_folder):
    counted = evaluate.results(*SIDES).counts
    (file,) = (build_folder / "counts").rglob("*.parquet")
    (of_rows,) = (p for p in (build_folder / "predictions").rglob("*.parquet") if "history" not in p.name)
    assert count_files.file_of(of_rows) == file
    whole = file.read_bytes()
    for damage in (file.unlink, lambda: file.write_bytes(whole[:100]), lambda: file.write_bytes(b"")):
        damage()
        pd.testing.assert_frame_equal(evaluate.results(*SIDES).counts, counted)
        assert file.read_bytes() == whole
    rows = pd.read_parquet(of_rows)
    table_files.write(rows.assign(predicted="anger"), of_rows, table_files.read_record(of_rows))
    assert set(evaluate.results(*SIDES).counts["predicted"].dropna()) == {"anger"}


def test_counts_follow_the_names_of_speakers(stored, monkeypatch):
    counted = evaluate.results(*SIDES).counts
    renamed = {
        corpus: dataclasses.replace(e, utterances=e.utterances.assign(speaker=e.utterances["speaker"] + "!"))
        for corpus, e in stored.items()
    }
    stored.update(renamed)
    again = evaluate.results(*SIDES).counts
    assert list(again["cluster"]) == [f"{name}!" if name else "" for name in counted["cluster"]]


def test_results_are_those_of_rows_and_read_none(stored, monkeypatch):
    how = {"workers": 1}
    run = evaluate.results(*SIDES, **how)
    utterances = pd.concat([e.utterances for e in stored.values()], ignore_index=True)
    rows, read, opened = run.rows(), pd.read_parquet, []
    monkeypatch.setattr(pd, "read_parquet", lambda file, **more: opened.append(file) or read(file, **more))
    run = evaluate.results(*SIDES, **how)
    tripped, of_rows = run.tripped(utterances), guards.check_results(rows, run.history, utterances)
    pd.testing.assert_frame_equal(tripped, of_rows)
    assert tripped.attrs == of_rows.attrs
    within = guards.check_results(rows[rows["test_corpus"] == "emodb"], run.history, utterances)
    assert run.tripped(utterances, within=True).attrs == within.attrs
    assert {file.parents[2].name for file in opened} == {"counts", "found", "predictions"}
    assert all("history" in file.name for file in opened if file.parents[2].name == "predictions")
    pd.testing.assert_frame_equal(pd.concat(list(run.each()), ignore_index=True), rows)


def test_what_guards_found_is_made_again_where_folds_change(stored, monkeypatch):
    utterances = pd.concat([e.utterances for e in stored.values()], ignore_index=True)
    assert not len(evaluate.results(*SIDES, workers=1).tripped(utterances))
    named = folds.with_fold
    monkeypatch.setattr(folds, "with_fold", lambda c, table: named(c, table) - {min(named(c, table))})
    tripped = evaluate.results(*SIDES, workers=1).tripped(utterances)
    assert "utterances" in set(tripped["guard"])


def test_what_both_regimes_test_is_looked_up_in_rows(stored):
    both = (*SIDES[:4], ["stratified", "speaker"], *SIDES[5:])
    *_, file = (made for made, _ in evaluate.results(*both, workers=1).files)
    rows = pd.read_parquet(file)
    table_files.write(rows.drop(index=rows.index[::9]), file, table_files.read_record(file))
    run, utterances = evaluate.results(*both, workers=1), stored["emodb"].utterances
    rows = run.rows()
    rows = rows[rows["test_corpus"] == "emodb"]
    assert set(rows.groupby("utterance")["regime"].nunique()) == {1, 2}
    expected = comparison.leakage(rows, utterances)
    pd.testing.assert_frame_equal(comparison.leakage(run.in_both_regimes()), expected, check_exact=True)
