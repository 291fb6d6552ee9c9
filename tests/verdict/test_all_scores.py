"""The one table of all scores: every published cell, with the numbers of its source."""

import pandas as pd
import pytest

from crosscorpus.models import model_registry
from crosscorpus.scores import metrics
from crosscorpus.verdict import all_scores, every_cell, protocol_results, published_tables
from tests.verdict.test_every_cell import predictions, utterances

SIDES = ["train_corpus", "test_corpus"]


@pytest.fixture(scope="module")
def published():
    return all_scores.table()


@pytest.fixture(scope="module")
def cells():
    return every_cell.table(predictions(), utterances())


@pytest.fixture(scope="module")
def found(cells):
    return all_scores.table(cells)


def test_every_cell_of_the_paper_is_there_with_its_printed_numbers(published):
    paper = published[published["source"] == all_scores.PAPER]
    wide = paper.assign(head=paper["head"].str.lower()).pivot(
        index=published_tables.CELL, columns="score", values="published"
    )
    source = published_tables.table1().set_index(published_tables.CELL)[["accuracy", "macro_f1"]]
    assert len(wide) == len(source) == 400
    pd.testing.assert_frame_equal(wide.loc[source.index], source, check_names=False, check_exact=True)


@pytest.mark.parametrize(
    ("source", "table", "columns", "factor"),
    [
        (all_scores.EMOBOX, "ma2024_table4", {"wa": "accuracy", "ua": "uar", "macro_f1": "macro_f1"}, 1),
        (all_scores.SER_EVALS, "osman2024_results", {"accuracy": "accuracy", "macro_f1": "macro_f1"}, 100),
    ],
)
def test_rivals_cells_on_the_same_corpora_are_there_with_their_numbers(published, source, table, columns, factor):
    ours = published[published["source"] == source]
    printed = published_tables.load(table)
    printed["train_corpus"] = printed.get("train_corpus", printed.get("corpus"))
    printed["test_corpus"] = printed.get("test_corpus", printed.get("corpus"))
    for side in SIDES:
        printed[side] = printed[side].str.lower().str.replace("-", "")
    shared = {corpus for s in (all_scores.PAPER, all_scores.STUDY) for side in SIDES
              for corpus in published.loc[published["source"] == s, side]}  # fmt: skip
    wanted = printed[printed[SIDES].isin(shared).all(axis=1)]
    assert len(wanted) > 10
    for column, score in columns.items():
        values = pd.to_numeric(wanted[column]).dropna() * factor
        assert sorted(ours.loc[ours["score"] == score, "published"]) == pytest.approx(sorted(values))


def test_models_of_rivals_are_those_of_the_registry(published):
    printed = {"WavLM base": "wavlm-base", "wav2vec 2.0 base": "wav2vec2-base", "HuBERT base": "hubert-base",
               "Whisper large v3": "whisper-large-v3", "data2vec 2.0 base": "data2vec2-base"}  # fmt: skip
    table = published_tables.load("ma2024_table4").query("corpus == 'AESDD'").set_index("model")["ua"]
    here = published[(published["source"] == all_scores.EMOBOX) & (published["score"] == "uar")]
    here = here[here["test_corpus"] == "aesdd"].set_index("ptm")["published"]
    assert {ptm: here[ptm] for ptm in printed.values()} == {ptm: table[name] for name, ptm in printed.items()}
    known = model_registry.registry()
    unknown = {ptm for ptm in published["ptm"] if ptm not in known}
    assert unknown == {"emotion-whisper"}


def test_all_of_a_run_is_there_within_and_across_with_its_numbers(found, cells):
    run = found[found["source"] == all_scores.RUN]
    assert len(run) == len(cells) * len(metrics.METRICS)
    for metric in metrics.METRICS:
        of_metric = run[run["score"] == metric]
        assert of_metric["ours"].tolist() == cells[metric].tolist()
        assert of_metric["together"].tolist() == cells[f"{metric}_pooled"].tolist()
        assert of_metric["low"].tolist() == cells[f"{metric}_low"].tolist()


def test_a_difference_is_of_means_over_folds(found):
    both = found[found["difference"].notna()]
    assert len(both)
    assert set(both["kind"]) == {all_scores.OF_FOLDS}
    assert (both["difference"] == both["ours"] - both["published"]).all()
    study = found[(found["source"] == all_scores.STUDY) & found["published"].notna()]
    assert len(study)  # the paper's cells are beside the study's, which have no mean over folds
    assert study["difference"].isna().all()


def test_nothing_is_beside_a_published_value_of_other_labels(found):
    run = found[found["source"] == all_scores.RUN]
    assert run.loc[run["test_corpus"] == "tess", "published"].isna().all()
    six = found[found["protocol"].str.contains("neutral", regex=False)]
    assert len(six)
    assert six["published"].isna().all()


def test_models_are_ranked_within_a_task(published):
    task = published[(published["source"] == all_scores.PAPER) & (published["score"] == "accuracy")]
    task = task[(task["head"] == "CNN") & (task["train_corpus"] == "emodb") & (task["test_corpus"] == "cremad")]
    ordered = task.sort_values("value", ascending=False)
    assert set(ordered["of"]) == {8}
    assert ordered["rank"].iloc[0] == 1
    assert ordered["rank"].is_monotonic_increasing


def test_changed_settings_are_another_protocol(cells):
    changed = all_scores.table(cells, {"epochs": 2, "emotions": ["anger", "fear"]})
    names = set(changed.loc[changed["source"] == all_scores.RUN, "protocol"])
    assert names == {"the paper's, but epochs 2, emotions anger fear"}


def test_without_a_run_and_a_study_the_published_cells_are_left(monkeypatch, tmp_path, cells):
    monkeypatch.setattr(protocol_results, "RESULTS", tmp_path / "none.csv")
    for nothing in (None, cells.iloc[:0]):
        left = all_scores.table(nothing)
        assert set(left["source"]) == set(all_scores.PUBLISHED)
        assert list(left) == all_scores.COLUMNS


def test_a_task_has_a_model_once(found):
    assert not found.duplicated([*all_scores.TASK, "ptm"]).any()
    assert not found.duplicated([*all_scores.TASK, "model"]).any()


def test_names_are_shown_and_texts_are_never_missing(found):
    texts = ["source", "protocol", "model", "family", "head", "folds", "emotions", "score", "kind", "note"]
    assert found[texts].notna().all(axis=None)
    assert found["value"].between(0, 100).all()
