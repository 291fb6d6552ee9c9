"""The study of protocols: what it compares is there, arithmetic of ranks against hand-worked cases."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crosscorpus.base import paths
from crosscorpus.embeddings import store_folders
from crosscorpus.protocols import known_protocols
from crosscorpus.verdict import live_protocol, protocol_results, protocol_study

PLAN = protocol_results.plan()


@pytest.mark.parametrize("name", PLAN["variants"])
def test_every_variant_is_of_a_protocol_with_such_settings(name):
    variant = PLAN["variants"][name]
    protocol = known_protocols.load(variant["protocol"], variant["overrides"])
    assert protocol.representation.unit == ("frames" if variant.get("unit") == "frames" else "clip")
    assert set(variant) <= {"protocol", "overrides", "shown", "unit", "across", "corpora", "regimes"}
    assert set(variant.get("regimes", [])) <= set(protocol.regimes)
    assert set(variant.get("corpora", [])) <= set(protocol_study.of_profile()["corpora"])


def conditions():
    yield from PLAN["headlines"].values()
    for one in PLAN["comparisons"]:
        yield from (one["before"], one["after"])


def test_every_condition_is_one_that_its_protocol_has():
    for condition in conditions():
        protocol = known_protocols.load(PLAN["variants"][condition["variant"]]["protocol"])
        assert condition.get("regime", protocol.regimes[0]) in protocol.regimes
        assert condition.get("selection", protocol.selections[0]) in protocol.selections
        assert condition.get("adjustment", protocol.adjustments[0]) in protocol.adjustments
        assert "regime" in condition or len(protocol.regimes) == 1
        assert "adjustment" in condition or len(protocol.adjustments) == 1
        assert "selection" in condition or len(protocol.selections) == 1


def test_a_comparison_changes_one_part_alone():
    for one in PLAN["comparisons"]:
        before, after = one["before"], one["after"]
        same = [before.get(name) == after.get(name) for name in protocol_results.CONDITION]
        assert same.count(False) == 1


def table(**columns):
    base = {"variant": "a", "regime": "r", "selection": "s", "adjustment": "n", "train_corpus": "x"}
    return pd.DataFrame({**base, **columns})


def test_compared_is_the_median_difference_of_the_same_cells():
    cells = pd.concat(
        [
            table(ptm=["m", "n", "o", "q"], test_corpus=["x", "x", "y", "x"], macro_f1=[50.0, 60.0, 1.0, 20.0]),
            table(ptm=["m", "n", "q"], test_corpus="x", macro_f1=[53.0, 59.0, 20.5], variant="b"),
        ]
    )
    plan = [
        {"part": "head", "says": "b for a", "cells": "own", "before": {"variant": "a"}, "after": {"variant": "b"}},
        {"part": "head", "says": "c for a", "cells": "own", "before": {"variant": "a"}, "after": {"variant": "c"}},
    ]
    (row,) = protocol_results.compared(cells, plan).to_dict("records")
    assert (row["moved"], row["rises"], row["cells"]) == (0.5, 2, 3)
    assert (row["least"], row["most"]) == (-1, 3)


def test_models_are_ranked_on_each_corpus_by_itself_and_on_those_that_all_headlines_have():
    """The easy corpus decides no more than the hard one: a mean of scores would put m first."""
    of = {"ptm": ["m", "n"] * 3, "test_corpus": list("xxyyzz"), "train_corpus": list("xxyyzz")}
    cells = pd.concat(
        [
            table(**of, macro_f1=[90.0, 50.0, 20.0, 21.0, 20.0, 21.0]),
            table(**of, macro_f1=[90.0, 50.0, 20.0, 21.0, 20.0, np.nan], variant="b"),
        ]
    )
    headlines = {"A": {"variant": "a"}, "B": {"variant": "b"}}
    found = protocol_results.model_ranks(cells, headlines, "macro_f1")
    assert found.loc["m"].tolist() == [1.5, 1.5]
    found = protocol_results.model_ranks(cells, {"A": {"variant": "a"}}, "macro_f1")
    assert found["A"].to_dict() == {"m": pytest.approx(5 / 3), "n": pytest.approx(4 / 3)}


def test_rank_correlations_rank_models_in_each_cell_by_itself():
    """One corpus where they are far apart does not outweigh two where they are near."""
    near = {("a", c, c): counted(10) for c in "xy"} | {("b", c, c): counted(11) for c in "xy"}
    near |= {("c", c, c): counted(12) for c in "xy"}
    one = near | {("a", "z", "z"): counted(20), ("b", "z", "z"): counted(4), ("c", "z", "z"): counted(2)}
    other = {(m, c, c): counted(n) for m, n in zip("abc", (2, 8, 12), strict=True) for c in "xyz"}
    people = {corpus: ["anna", "bela"] for corpus in "xyz"}
    found = protocol_results.rank_correlations({"1": one, "2": other}, people, score="accuracy")
    assert (
        found["correlation"].item() == pytest.approx(stats.spearmanr([5 / 3, 2, 7 / 3], [1, 2, 3]).statistic) == 1
    )


def counted(right_of_20):
    """Two speakers and two emotions, ten utterances each; so many right of each emotion and speaker."""
    counts = np.zeros((2, 1, 2, 3))
    counts[..., 0] = 10
    counts[..., 1] = 10
    counts[..., 2] = right_of_20 / 2
    return counts, ["anna", "bela"]


def test_rank_correlations_are_spearman_s_and_certain_where_speakers_are_alike():
    one = {(m, "x", "x"): counted(n) for m, n in zip("abcd", (4, 8, 12, 16), strict=True)}
    other = {(m, "x", "x"): counted(n) for m, n in zip("abcd", (4, 12, 8, 16), strict=True)}
    across = {("a", "y", "x"): counted(2)}
    found = protocol_results.rank_correlations(
        {"one": one | across, "other": other, "third": across},
        {"x": ["anna", "bela"]},
        score="accuracy",
        n_resamples=50,
    )
    (row,) = found.to_dict("records")
    expected = stats.spearmanr([4, 8, 12, 16], [4, 12, 8, 16]).statistic
    assert row["correlation"] == pytest.approx(expected)
    assert (row["low"], row["high"]) == (pytest.approx(expected), pytest.approx(expected))
    assert (row["models"], row["n_cells"]) == (4, 1)


def test_an_interval_is_wide_where_speakers_disagree():
    def of(first, second):
        counts = np.zeros((2, 1, 2, 3))
        counts[..., :2] = 10
        counts[0, ..., 2], counts[1, ..., 2] = first, second
        return counts, ["anna", "bela"]

    one = {(m, "x", "x"): of(n, 5 - n / 2) for m, n in zip("abc", (1, 5, 7), strict=True)}
    other = {(m, "x", "x"): of(n, n) for m, n in zip("abc", (1, 5, 7), strict=True)}
    (row,) = protocol_results.rank_correlations(
        {"one": one, "other": other}, {"x": ["anna", "bela"]}, n_resamples=200
    ).to_dict("records")
    assert row["correlation"] == 1
    assert row["low"] < row["high"]


def test_the_study_runs_end_to_end_on_what_the_pack_has(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "BUILD", tmp_path / "_build")
    quick = {
        "paper": {"protocol": "paper", "overrides": {"epochs": 1}},
        "serevals": {"protocol": "serevals", "overrides": {"unit": "clip", "epochs": 1}},
        "some": {
            "protocol": "serevals",
            "overrides": {"unit": "clip", "epochs": 1},
            "corpora": ["mesd"],
            "regimes": ["disjoint"],
        },
    }
    headlines = {
        "p": {"variant": "paper", "regime": "speaker"},
        "s": {"variant": "serevals", "regime": "disjoint", "adjustment": "corrected"},
    }
    profile = {"source": "pack", "regimes": ["speaker"], "seeds": [0], "heads": ["logistic"]}
    cells, ranks, seconds = protocol_study.run(
        {"variants": quick, "headlines": headlines}, ["mfcc", "egemaps", "ecapa-tdnn"], "whisper-base",
        ["aesdd", "mesd"], profile=profile, workers=1,
    )  # fmt: skip
    assert set(seconds) == set(quick)
    assert list(cells) == protocol_results.COLUMNS
    assert set(cells["variant"]) == set(quick)
    assert len(cells[cells["variant"] == "paper"]) == 3 * 4
    assert len(cells[cells["variant"] == "serevals"]) == 3 * 4 * 2 * 3
    some = cells[cells["variant"] == "some"]
    assert len(some) == 3 * 3
    assert (set(some["train_corpus"]), set(some["regime"])) == ({"mesd"}, {"disjoint"})
    assert set(ranks["cells"]) == {"own", "across"}
    assert ranks["correlation"].between(-1, 1).all()
    file = tmp_path / "protocols.csv"
    monkeypatch.setattr(protocol_results, "RESULTS", file)
    with pytest.raises(store_folders.NotStoredError, match="make protocols"):
        protocol_results.results()
    protocol_results.write(file, cells, ranks, {"date": "today"})
    again, ranks_again, facts = protocol_results.results()
    pd.testing.assert_frame_equal(again, cells, check_dtype=False, atol=1e-3)
    pd.testing.assert_frame_equal(ranks_again, ranks, check_dtype=False, atol=1e-3)
    assert facts == {"date": "today"}


def test_what_made_it_says_what_training_and_extraction_took():
    facts = {"profile": "p", "workers": 2, "device": "d", "libraries": {}}
    facts["made"] = {
        "a": {"commit": "c", "date": "t"},
        "b": {"commit": "e", "date": "t"},
        "f": {"commit": "c", "date": "t"},
    }
    facts |= {"seconds_of_variants": {"a": 60, "b": 30.0}, "seconds_of_extraction": {"m on x": 600.0}}
    facts["seconds_of_extraction"]["whisper-base on emodb, frames"] = 0.0
    shown = protocol_results.made(facts).set_index("what")["value"]
    assert shown["training"] == "1.5 min, 2 processes side by side"
    assert shown["extraction from audio"] == "10.0 min"
    assert {"a 1.0, b 0.5", "m on x 10.0, Whisper on Emo-DB, frames 0.0"} <= set(shown)
    assert shown["commits"] == "`c` on t: a, f; `e` on t: b"


def of_run(names, **facts):
    """Return results of a run of some variants: a cell of each, and what made them."""
    base = {"device": "d", "libraries": {}, "workers": 2, "corpora": ["x"], "variants": names}
    base |= {"made": dict.fromkeys(names, facts), "seconds_of_extraction": {"m on x": 1.0}}
    base |= {"seconds_of_variants": dict.fromkeys(names, facts["seconds"])}
    cells = pd.concat(
        [table(ptm="m", test_corpus=["x"], macro_f1=[facts["score"]], variant=name) for name in names]
    )
    return cells, pd.DataFrame({"one": [facts["commit"]]}), {**base, "corpora_of_frames": facts["frames"]}


def test_a_later_run_of_some_variants_takes_the_place_of_the_older_one_s():
    plan = {"variants": ["a", "b", "c"], "headlines": {"A": {"variant": "a"}, "B": {"variant": "b"}}}
    old = of_run(["a", "b"], commit="old", score=1.0, seconds=9, frames=["x"])
    cells, ranks, facts = protocol_results.put_into(
        of_run(["a", "c"], commit="new", score=2.0, seconds=5, frames=["y"]), old, plan
    )
    assert cells.set_index("variant")["macro_f1"].to_dict() == {"a": 2.0, "b": 1.0, "c": 2.0}
    assert list(cells["variant"]) == facts["variants"] == ["a", "b", "c"]
    assert ranks["one"].tolist() == ["old"]  # b was not run again
    assert {name: at["commit"] for name, at in facts["made"].items()} == {"a": "new", "b": "old", "c": "new"}
    assert facts["seconds_of_variants"] == {"a": 5, "b": 9, "c": 5}
    assert facts["corpora_of_frames"] == ["x", "y"]
    again = of_run(["a", "b"], commit="new", score=2.0, seconds=5, frames=[])
    assert protocol_results.put_into(again, old, plan)[1]["one"].tolist() == ["new"]


def test_published_scores_are_put_beside_ours_of_the_same_corpus():
    scores = {f"{score}{end}": 50.0 for score in protocol_results.SCORES for end in ("", "_low", "_high")}
    cells = table(ptm="whisper-base", train_corpus="emodb", test_corpus=["emodb"], **scores)
    conditions = {"EmoBox": {"variant": "a"}, "SER Evals": {"variant": "a"}}
    found = protocol_results.beside_published(cells, conditions, "whisper-base").set_index(["benchmark", "score"])
    assert found.loc[("EmoBox", "accuracy"), "published"] == 92.43
    assert found.loc[("EmoBox", "uar"), "published"] == 91.26
    assert 50 < found.loc[("SER Evals", "macro_f1"), "published"] < 100
    assert set(found["ours"]) == {50.0}


def test_without_the_pack_nothing_is_trained_for_the_page(monkeypatch):
    monkeypatch.setattr(live_protocol.availability, "is_stored", lambda *_: False)
    live = live_protocol.answers(1)
    assert list(live.columns) == live_protocol.COLUMNS
    assert not len(live)


def test_what_is_trained_for_the_page_is_said_by_adjustment(monkeypatch):
    monkeypatch.setattr(live_protocol.availability, "is_stored", lambda *_: True)
    rows = [("mesd", "ravdess", how, answer) for how in ("published", "own") for answer in "aab"]
    found = pd.DataFrame(
        [*rows, ("mesd", "mesd", "published", "b")],
        columns=["train_corpus", "test_corpus", "adjustment", "predicted"],
    )
    monkeypatch.setattr(live_protocol.protocol_grid, "run", lambda *_, **__: found.assign(way="plain loop"))
    scored = pd.DataFrame({"adjustment": ["own", "published"], "macro_f1": [7.0, 5.0]})
    monkeypatch.setattr(live_protocol.protocol_grid, "scores", lambda *_: scored)
    live = live_protocol.answers(1).set_index("adjustment")
    assert live.loc["published"].to_dict() == {
        "answer": "a",
        "share": pytest.approx(200 / 3),
        "macro_f1": 5.0,
        "way": "plain loop",
    }
    assert live.loc["own", "macro_f1"] == 7.0
