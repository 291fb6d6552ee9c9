"""The cost model: fitted where the answer is known, predicted, and told where nothing was run."""

import json

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import paths
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.verdict import cost_model


def runs(ptm, fixed, slope, hours=(0.1, 0.5, 2.0)):
    rows = [(ptm, f"odd name {i}", h, fixed + slope * h, round(4096 * h)) for i, h in enumerate(hours)]
    return pd.DataFrame(rows, columns=["ptm", "corpus", "hours", "cpu_s", "bytes"])


def test_a_line_is_found_again():
    table = cost_model.fit(pd.concat([runs("one", 5, 300), runs("two", 0, 20)])).set_index("ptm")
    assert table.loc["one", "fixed_s"] == pytest.approx(5)
    assert table.loc["one", "s_per_hour"] == pytest.approx(300)
    assert table.loc["two", ["fixed_s", "away"]].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert table.loc["one", "bytes_per_hour"] == pytest.approx(4096, rel=0.01)


def test_nothing_costs_less_than_nothing():
    falling = runs("one", 10, -4)
    fitted = cost_model.fit(falling).iloc[0]
    assert fitted["s_per_hour"] == 0
    assert fitted["away"] > 0


def test_one_corpus_alone_has_no_fixed_part():
    fitted = cost_model.fit(runs("one", 5, 300, hours=(0.5,))).iloc[0]
    assert fitted["fixed_s"] == 0
    assert fitted["s_per_hour"] == pytest.approx(310)


COSTS = cost_model.fit(pd.concat([runs("one", 36, 3600), runs("two", 0, 20)])).assign(
    operations_per_hour=[3.6e15, np.nan], networks=cost_model.TRUE
)
CARD = {"operations": 1e12, "share": 0.5}


def test_cores_and_cards_share_the_hours():
    one = cost_model.on_cpus(COSTS, 100, 4).iloc[0]
    assert one["duration"] == pytest.approx((36 + 360000) / 3600 / 4)
    assert one["gigabytes"] == pytest.approx(100 * 4096 / 1e9, rel=0.01)
    cards = cost_model.on_gpus(COSTS, 100, 8, CARD, cost_model.gpu_results()[0])
    assert cards["duration"].iloc[0] == pytest.approx(100 * 7200 / 3600 / 8)
    assert list(cards["by"]) == ["assumed", ""]
    assert np.isnan(cards["duration"].iloc[1])


def test_a_measured_rate_takes_the_place_of_what_is_assumed():
    what = ["relative difference", cost_model.RATE, cost_model.RATE]
    measured = pd.DataFrame({"what": what, "model": ["two (random weights)"] * 3, "value": ["9999", "50", "100"]})
    cards = cost_model.on_gpus(COSTS, 100, 1, CARD, measured)
    assert cards["duration"].iloc[1] == pytest.approx(1.0)
    assert list(cards["by"]) == ["assumed", "measured"]


def test_what_was_not_run_has_no_rows_and_no_facts(monkeypatch, tmp_path):
    monkeypatch.setattr(cost_model, "RESULTS", tmp_path / "costs.csv")
    monkeypatch.setattr(cost_model, "GPU", tmp_path / "gpu.csv")
    for table, facts in (cost_model.results(), cost_model.gpu_results()):
        assert not len(table)
        assert facts == {}
    nothing = cost_model.predictions(cost_model.results()[0], cost_model.gpu_results()[0])
    assert not len(nothing)


def test_all_workloads_are_predicted_on_all_machines():
    table = cost_model.predictions(COSTS, cost_model.gpu_results()[0])
    assert {"EmoBox", "10 000 hours"} < set(table["workload"])
    assert {"1 GPU", "8 GPUs", "64 GPUs", "2 cores", "64 cores", "gigabytes", "by"} <= set(table)
    assert len(table) == 2 * table["workload"].nunique()
    assert (table.loc[table["ptm"] == "one", "1 GPU"] > table.loc[table["ptm"] == "one", "8 GPUs"]).all()


def test_the_papers_corpora_are_as_long_as_their_lists_say():
    listed = [file_lists.file_list(key) for key, entry in corpus_registry.registry().items() if entry.in_paper]
    seconds = sum(table["seconds"].fillna(table["seconds"].median()).sum() for table in listed)
    said = cost_model.settings()["workloads"]["paper's corpora"]["hours"]
    assert said == pytest.approx(seconds / 3600, rel=0.005)


def test_the_time_of_a_small_network_is_not_taken_for_that_of_the_true_one():
    small = COSTS.assign(networks="tiny")
    assert cost_model.on_cpus(small, 100, 4)["duration"].isna().all()
    assert (cost_model.on_cpus(small, 100, 4)["gigabytes"] > 0).all()
    both = pd.concat([small, COSTS[COSTS["ptm"] == "two"].assign(s_per_hour=7.0)], ignore_index=True)
    chosen = cost_model.to_predict_from(both)
    assert list(chosen["ptm"]) == ["one", "two"]
    assert list(chosen["networks"]) == ["tiny", cost_model.TRUE]
    assert chosen["s_per_hour"].iloc[1] == 7.0


def test_models_together_are_counted_where_they_are_known():
    table = cost_model.predictions(COSTS, cost_model.gpu_results()[0])
    both = cost_model.together(table).set_index(["workload", "machine"])
    assert both.loc[("EmoBox", "2 cores"), "models"] == 2
    assert both.loc[("EmoBox", "1 GPU"), "models"] == 1  # of the other, operations are not known
    own = table[table["workload"] == "EmoBox"]
    assert both.loc[("EmoBox", "2 cores"), "duration"] == pytest.approx(own["2 cores"].sum())
    assert not len(cost_model.together(cost_model.predictions(COSTS.head(0), cost_model.gpu_results()[0])))


def test_durations_are_said_as_a_person_says_them():
    table = cost_model.predictions(COSTS, cost_model.gpu_results()[0])
    said = cost_model.in_words(table).set_index(["ptm", "workload"])
    assert said.loc[("one", "EmoBox"), "2 cores"] == "147 h 0 min"  # 36 s and 3600 s an hour
    assert pd.isna(said.loc[("two", "EmoBox"), "1 GPU"])
    assert said["gigabytes"].tolist() == table["gigabytes"].tolist()
    assert cost_model.in_words(cost_model.together(table))["duration"].str.contains(" ").all()


def test_a_committed_table_says_that_it_is_a_rehearsal_and_how_large_it_was():
    if not cost_model.RESULTS.exists():
        pytest.skip("not yet run: make rehearsal")
    facts = json.loads(cost_model.RESULTS.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["what"] == "rehearsal, synthetic"
    assert facts["networks"] in ("tiny", "full")
    assert facts["utterances"] > 0
    assert facts["hours"] > 0
    assert facts["clips"] > 0
    assert facts["device"].startswith("cpu (")
    assert str(paths.ROOT) not in json.dumps(facts)
