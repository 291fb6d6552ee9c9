import itertools
import re
import shlex

import numpy as np
import pandas as pd
import pytest
import yaml

from crosscorpus.book import verdict_figures
from crosscorpus.corpora import file_lists
from crosscorpus.embeddings import store, store_folders
from crosscorpus.models import loading, model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import baselines, evaluate, heads
from crosscorpus.verdict import choice_effects, open_choices, published_tables, sensitivity, study_files

CHOICES = open_choices.register()["choices"]
OPTIONS = [(choice, option) for choice, entry in CHOICES.items() for option in entry["options"]]
PROFILE = yaml.safe_load(sensitivity.PROFILE.read_text(encoding="utf-8"))

each_choice = pytest.mark.parametrize("choice", CHOICES)
each_option = pytest.mark.parametrize(("choice", "option"), OPTIONS)


def given(choice, option):
    return CHOICES[choice]["options"][option]


# -- the register ---------------------------------------------------------------------------------------------


@each_choice
def test_a_choice_says_what_it_is(choice):
    entry = CHOICES[choice]
    assert {"question", "paper", "default", "why", "options"} <= set(entry) <= {*entry, "heads"}
    assert entry["question"].endswith("?")
    assert entry["default"] in entry["options"]
    assert len(entry["options"]) >= 2
    assert set(entry.get("heads", [])) <= set(heads.HEADS)


@each_option
def test_an_option_has_evidence_and_is_the_default_or_can_be_run_or_says_what_it_needs(choice, option):
    entry = given(choice, option)
    assert entry["evidence"]
    ways = set(entry) - {"evidence"}
    assert ways == set() if option == CHOICES[choice]["default"] else ways in ({"run"}, {"needs"})


def test_every_setting_that_the_paper_does_not_state_is_a_choice():
    entries = protocol_settings.entries()
    own = {"logistic_c", "svm_c"}  # of baselines that the paper does not have
    unstated = {name for name, entry in entries.items() if not entry["stated"]} - own
    runs = [given(choice, option).get("run", {}) for choice, option in OPTIONS]
    assert unstated <= {name for run in runs for name in run.get("overrides", {})}


@each_option
def test_the_settings_of_an_option_exist_and_differ_from_the_default(choice, option):
    for name, value in given(choice, option).get("run", {}).get("overrides", {}).items():
        text = open_choices._texts({name: value})[0]
        assert protocol_settings.load(text)[name] == value != protocol_settings.load()[name]
        if name != "emotions":
            default = protocol_settings.load()[name]
            shown = ", ".join(map(str, default)) if isinstance(default, list) else str(default)
            assert CHOICES[choice]["default"] in (shown, default)


def test_choices_and_options_are_listed_whole():
    assert list(open_choices.choices()["choice"]) == list(CHOICES)
    listed = open_choices.options()
    assert list(zip(listed["choice"], listed["option"], strict=True)) == OPTIONS
    assert (listed["how"] == "default").sum() == len(CHOICES)
    how = listed.set_index(["choice", "option"])["how"]
    assert how["folds", "speaker"] == "`regimes` speaker"
    assert how["widths", "256, 128, 64"] == "`overrides` fcn_widths=256 128 64"
    assert how["kept weights", "last"] == "`overrides` kept_weights=last"
    assert how["convolution", "frames"] == ""


# -- the plan -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    return open_choices.plan(["whisper-base"], ["fcn", "cnn"], [0, 1, 2])


def of(variants, study):
    return [v for v in variants if v.study == study]


def test_a_choice_changes_one_thing_alone(whole):
    for variant in of(whole, "choice"):
        differing = [n for n in vars(variant.setting) if vars(variant.setting)[n] != vars(variant.reference)[n]]
        assert len(differing) == 1


def test_every_option_with_a_run_is_planned_for_the_heads_that_it_concerns(whole):
    planned = {(v.choice, v.option, v.setting.head) for v in of(whole, "choice")}
    for choice, option in OPTIONS:
        pooling = given(choice, option).get("run", {}).get("pooling", "clip")
        concerned = "run" in given(choice, option) and pooling in loading.poolings("whisper-base")
        concerned = concerned and "ptm" not in given(choice, option)["run"]
        for head in ("fcn", "cnn"):
            here = concerned and head in CHOICES[choice].get("heads", ["fcn", "cnn"])
            assert ((choice, option, head) in planned) == here


@pytest.mark.parametrize(
    ("ptm", "choice", "options"),
    [
        ("whisper-base", "padding", []),
        ("wavlm-base", "padding", ["padded"]),
        ("wavlm-base", "pooling", []),
        ("xls-r-300m", "checkpoint", ["xls-r-1b"]),
        ("unispeech-sat-base", "checkpoint", ["unispeech-sat-base-100h"]),
        ("trillsson4", "checkpoint", []),
    ],
)
def test_an_option_is_planned_for_models_that_have_it(ptm, choice, options):
    variants = open_choices.plan([ptm], ["fcn"], [0], only=[choice])
    assert [v.option for v in of(variants, "choice")] == options
    assert all(v.reference.ptm == ptm for v in variants)


def test_default_and_controls_have_all_seeds_and_choices_the_first(whole):
    assert {(v.option, v.setting.seeds) for v in of(whole, "default")} == {
        ("", (0, 1, 2)),
        (choice_effects.FIRST_SEED, (0,)),
    }
    assert {v.reference.seeds for v in of(whole, "control")} == {(0, 1, 2)}
    seeds = {v.option: v.setting.seeds for v in of(whole, "choice") if v.choice == "seed"}
    assert seeds == {"1": (1,), "2": (2,)}
    others = [v for v in of(whole, "choice") if v.choice != "seed"] + of(whole, "combination")
    assert {v.setting.seeds for v in others} == {v.reference.seeds for v in of(whole, "choice")} == {(0,)}


def test_controls_are_a_permutation_and_a_linear_head(whole):
    settings = {(v.choice, v.reference.head): v.setting for v in of(whole, "control")}
    assert settings["permutation", "cnn"].permutation != 0
    assert settings["permutation", "cnn"].head == "cnn"
    assert settings["logistic", "cnn"].head in baselines.BASELINES
    assert len(settings) == 4


def test_combinations_are_all_ways_and_the_default_is_among_them(whole):
    here = [v for v in of(whole, "combination") if v.setting.head == "fcn"]
    assert len({v.option for v in here}) == len({v.setting for v in here}) == len(here) == 2 * 2 * 3
    default = next(v for v in here if v.option == open_choices.default_combination())
    assert default.setting == default.reference
    last = next(v for v in here if v.option == "folds: speaker, scaling: none, pooling: exact")
    changes = {"regime": "speaker", "overrides": "scaling=none", "pooling": "exact"}
    assert vars(last.setting) == vars(last.reference) | changes


def test_a_part_of_the_plan_has_no_controls_and_an_unknown_choice_is_refused():
    assert {v.study for v in open_choices.plan(["whisper-base"], ["fcn"], [0], only=["folds"])} == {
        "default",
        "choice",
    }
    with pytest.raises(ValueError, match="unknown choice 'fold'; did you mean 'folds'"):
        open_choices.plan(["whisper-base"], ["fcn"], [0], only=["fold"])


def test_overrides_of_the_default_hold_in_every_variant():
    for variant in open_choices.plan(["whisper-base"], ["fcn"], [0], "epochs=2"):
        assert protocol_settings.load(variant.setting.overrides)["epochs"] == 2


# -- effects, by hand -----------------------------------------------------------------------------------------

TRUTH = ["anger", "fear", "anger", "fear"]
SPEAKERS = pd.DataFrame(
    {"corpus": "emodb", "utterance": ["u0", "u1", "u2", "u3"], "speaker": ["x", "x", "y", "y"]}
)


def predicted(*guesses, seed=0, truth=TRUTH):
    """Predictions of one cell, one text of initials (a, f) for each seed."""
    words = {"a": "anger", "f": "fear"}
    parts = []
    for number, guess in enumerate(guesses):
        table = pd.DataFrame({"utterance": [f"u{i}" for i in range(len(guess))], "emotion": truth[: len(guess)]})
        table["predicted"] = [words[letter] for letter in guess]
        parts.append(table.assign(seed=seed + number, fold=1, train_corpus="emodb", test_corpus="emodb"))
    return pd.concat(parts, ignore_index=True).assign(ptm="whisper-base", head="fcn", regime="stratified")


def test_an_effect_worked_by_hand():
    """3 of 4 right against 2 of 4; F1 of anger and fear 0.8 and 2/3 against 2/3 and 0."""
    found = sensitivity.effect(predicted("afaa"), predicted("aaaa"), SPEAKERS)
    assert found["accuracy"] == pytest.approx((25, 0, 50))  # x gains half of its answers, y none
    assert found["macro_f1"][0] == pytest.approx(100 * ((0.8 + 2 / 3) / 2 - (2 / 3 + 0) / 2))


def test_no_change_is_no_effect():
    found = sensitivity.effect(predicted("afff"), predicted("afff"), SPEAKERS)
    assert found == {"accuracy": (0, 0, 0), "macro_f1": (0, 0, 0)}


def test_what_is_hard_for_both_cancels():
    """Speaker x goes from one right answer to two, y from none to one: the same gain, beyond doubt."""
    found = sensitivity.effect(predicted("afaa"), predicted("aafa"), SPEAKERS)
    assert found["accuracy"] == pytest.approx((50, 50, 50))


def test_seeds_are_averaged():
    found = sensitivity.effect(predicted("afaf", "aaaa"), predicted("aaaa", "ffff"), SPEAKERS)
    assert found["accuracy"][0] == pytest.approx((100 + 50) / 2 - 50)


def test_another_label_set_may_test_other_utterances_of_the_same_speakers():
    more = pd.concat([SPEAKERS, pd.DataFrame({"corpus": "emodb", "utterance": ["u4"], "speaker": ["y"]})])
    truth = [*TRUTH, "fear"]
    found = sensitivity.effect(predicted("afaff", truth=truth), predicted("afaa"), more)
    assert found["accuracy"][0] == pytest.approx(100 - 75)


def test_other_speakers_are_refused():
    with pytest.raises(ValueError, match=r"different speakers: \['y'\]"):
        sensitivity.effect(predicted("af"), predicted("afaf"), SPEAKERS)


# -- what it says, by hand ------------------------------------------------------------------------------------


def results_of(*rows):
    """A table of results from study, choice, option, head, accuracy, effect, low, high."""
    columns = ["study", "choice", "option", "head", "accuracy", *choice_effects.ends("accuracy")]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(ptm="whisper-base", train_corpus="emodb", test_corpus="emodb", macro_f1=table["accuracy"])


def test_ranges_are_sorted_by_mean_size():
    table = results_of(
        ("choice", "folds", "speaker", "fcn", 0, -4, -6, -1),
        ("choice", "folds", "speaker", "cnn", 0, 2, -1, 3),
        ("choice", "rate", "0.01", "fcn", 0, 5, 1, 9),
        ("control", "logistic", "", "fcn", 0, 50, 40, 60),
    )
    found = choice_effects.ranges(table)
    assert found.to_numpy().tolist() == [["rate", "0.01", 1, 5, 5, 5, 1], ["folds", "speaker", 2, 3, -4, 2, 1]]


@pytest.fixture
def published(monkeypatch):
    cells = [
        ("whisper-base", head, "emodb", "emodb", accuracy, 0.0) for head, accuracy in (("fcn", 50), ("cnn", 60))
    ]
    table = pd.DataFrame(cells, columns=[*choice_effects.BLOCK, "accuracy", "macro_f1"])
    monkeypatch.setattr(published_tables, "table1", lambda: table)


@pytest.mark.usefixtures("published")
def test_the_nearest_combination_and_its_distance_on_cells_that_it_was_not_chosen_by():
    none = (np.nan,) * 3
    table = results_of(
        ("default", "", "", "fcn", 0, *none),
        ("combination", "", "A", "fcn", 52, *none),  # 2 and 10 points off
        ("combination", "", "A", "cnn", 70, *none),
        ("combination", "", "B", "fcn", 56, *none),  # 6 and 1
        ("combination", "", "B", "cnn", 61, *none),
    )
    found = choice_effects.distances(table)
    assert found[["option", "cells", "accuracy", "largest"]].to_numpy().tolist() == [
        ["B", 2, 3.5, 6],
        ["A", 2, 6, 10],
    ]
    # By the CNN's cell alone B is nearest, which is 6 off on the FCN's; by the FCN's A, which is 10 off.
    assert choice_effects.distance_of_unseen(table) == 8


def test_tornado_has_a_panel_for_each_head_and_the_largest_change_on_top():
    none = (np.nan,) * 3
    table = results_of(
        ("default", "", "", "fcn", 77, *none),  # the mean of all seeds, from which no choice starts
        ("default", "", choice_effects.FIRST_SEED, "fcn", 80, *none),
        ("default", "", choice_effects.FIRST_SEED, "cnn", 80, *none),
        ("choice", "folds", "speaker", "fcn", 0, -4, -6, -1),
        ("choice", "seed", "1", "fcn", 0, 1, -1, 2),
        ("control", "logistic", "", "fcn", 0, 9, 5, 12),
        ("choice", "folds", "speaker", "cnn", 0, -2, -3, -1),
        ("choice", "widths", "90", "fcn", 0, 7, 5, 12),
    )
    fig = verdict_figures.tornado(table.assign(paper_accuracy=85.0), "emodb", "emodb")
    fcn, cnn = fig.axes
    assert [t.get_text() for t in fcn.get_yticklabels()] == ["seed: 1", "folds: speaker", "widths: 90"]
    assert len(cnn.get_yticklabels()) == 1
    assert max(bar.get_width() for bar in fcn.patches) == 7
    (dashed,) = (line for line in fcn.lines if line.get_linestyle() == "--")
    assert set(dashed.get_xdata()) == {5}  # from the same 80 as the title
    assert min(bar.get_width() for bar in fcn.patches) == -4
    assert "80.0 %" in fcn.get_title()
    assert verdict_figures.tornado(table.assign(paper_accuracy=np.nan), "ravdess", "emodb").axes == []


# -- the run --------------------------------------------------------------------------------------------------


def synthetic(corpus, seed=0, dim=16):
    """Utterances of a file list with embeddings drawn around a centre for each emotion."""
    listed = file_lists.file_list(corpus)
    table = listed.groupby("emotion").head(30).sort_values("utterance", ignore_index=True)
    table = table.assign(sha256=[f"{corpus}-{i:058d}" for i in range(len(table))])
    emotions = sorted(set(table["emotion"]))
    centres = np.random.default_rng(0).normal(scale=4.0, size=(9, dim))
    noise = np.random.default_rng(seed).normal(size=(len(table), dim))
    vectors = (centres[[emotions.index(e) for e in table["emotion"]]] + noise).astype(np.float32)
    return store.Embeddings("whisper-base", corpus, table, vectors, {})


@pytest.fixture
def stored(build_folder, monkeypatch):
    by_pooling = {
        "": {"emodb": synthetic("emodb"), "aesdd": synthetic("aesdd", 1)},
        "window": {"emodb": synthetic("emodb", 2), "aesdd": synthetic("aesdd", 3)},
    }

    def load(ptm, corpus, source="pack", pooling="", dtype="float32", layer="last"):
        if ptm != "whisper-base" or corpus not in by_pooling.get(pooling, {}):
            raise store_folders.NotStoredError(corpus)
        return by_pooling[pooling][corpus]

    monkeypatch.setattr(store, "load", load)


def run(only=None, seeds=(0,)):
    variants = open_choices.plan(["whisper-base"], ["fcn"], seeds, "epochs=2,fcn_widths=8", only)
    return sensitivity.run(variants, ["emodb", "aesdd"], workers=1)


@pytest.mark.usefixtures("stored")
def test_a_run_has_a_row_for_each_change_and_pair(capsys):
    table, counts = run(["folds", "pooling", "seed"])
    assert list(table) == choice_effects.COLUMNS
    options = [("", ""), ("folds", "speaker"), ("pooling", "window"), ("seed", "1"), ("seed", "2")]
    pairs = list(itertools.product(["emodb", "aesdd"], repeat=2))
    found = list(table[["choice", "option", "train_corpus", "test_corpus"]].itertuples(index=False, name=None))
    assert sorted(found) == sorted((*option, *pair) for option in options for pair in pairs)
    assert counts == {"heads_in_all": 10, "trained": 10}
    assert "-p pooling exact" in capsys.readouterr().out  # which the store does not have
    _, counts = run(["folds", "pooling", "seed"])
    assert counts["trained"] == 0


@pytest.mark.usefixtures("stored")
def test_scores_are_those_of_the_grid_and_effects_their_differences():
    table, _ = run(["folds"])
    sides = (["whisper-base"], ["emodb"], ["emodb", "aesdd"], ["fcn"], ["stratified", "speaker"], [0])
    predictions, _ = evaluate.grid(*sides, protocol_settings.load("epochs=2,fcn_widths=8"), workers=1)
    grid = metrics.summary(metrics.per_fold(predictions)).set_index(["regime", "test_corpus"])["accuracy"]
    ours = table[table["train_corpus"] == "emodb"].set_index(["study", "test_corpus"])
    for tested in ("emodb", "aesdd"):
        assert ours.loc[("default", tested), "accuracy"] == pytest.approx(grid["stratified", tested])
        assert ours.loc[("choice", tested), "accuracy"] == pytest.approx(grid["speaker", tested])
        both = predictions[predictions["test_corpus"] == tested]
        right = (both["emotion"] == both["predicted"]).groupby(both["regime"]).mean()
        effect = ours.loc[("choice", tested), "accuracy_effect"]
        assert effect == pytest.approx(100 * (right["speaker"] - right["stratified"]))


@pytest.mark.usefixtures("stored")
def test_defaults_have_no_effect_and_the_default_among_combinations_none_either():
    table, _ = run()
    default = table["study"] == "default"
    assert table.loc[default, choice_effects.ends("accuracy")].isna().all(axis=None)
    assert table.loc[~default, choice_effects.ends("accuracy")].notna().all(axis=None)
    same = table[table["option"] == open_choices.default_combination()]
    assert (same[choice_effects.ends("accuracy")] == 0).all(axis=None)
    assert set(table["study"]) == set(choice_effects.STUDIES)
    labels = table[(table["choice"] == "labels") & (table["option"] == "all") & (table["test_corpus"] == "emodb")]
    own = labels.set_index("train_corpus")["n_utterances"]
    assert own["emodb"] == 7 * 30
    assert own["aesdd"] == 5 * 30


def test_a_permutation_reorders_dimensions_and_nothing_else():
    before = synthetic("emodb")
    after = sensitivity.permuted(before, 1)
    assert not np.array_equal(after.vectors, before.vectors)
    np.testing.assert_array_equal(np.sort(after.vectors, axis=1), np.sort(before.vectors, axis=1))
    order = [int(np.flatnonzero(before.vectors[0] == value)[0]) for value in after.vectors[0]]
    np.testing.assert_array_equal(after.vectors, before.vectors[:, order])
    assert after.utterances is before.utterances
    np.testing.assert_array_equal(sensitivity.permuted(before, 1).vectors, after.vectors)
    assert not np.array_equal(sensitivity.permuted(before, 2).vectors, after.vectors)


def test_what_was_not_run_comes_with_the_command_that_plans_it(monkeypatch, build_folder):
    nothing = pd.DataFrame(columns=choice_effects.COLUMNS)
    listed = open_choices.not_run(nothing)
    assert len(listed) == len(OPTIONS) - len(CHOICES)
    planned = []

    def run(variants, corpora, source, workers):
        assert source == "audio"
        planned.extend((v.choice, v.option) for v in variants)
        return nothing.assign(**{end: [] for end in choice_effects.ends("accuracy")}), {
            "heads_in_all": 0,
            "trained": 0,
        }

    monkeypatch.setattr(sensitivity, "run", run)
    for choice, option, needs in listed.itertuples(index=False):
        if "needs" in given(choice, option):
            assert needs == given(choice, option)["needs"]
            continue
        assert re.fullmatch("`[^`]+`", needs)
        words = shlex.split(needs.strip("`"))
        assert words[:3] == ["python", "-m", "crosscorpus.verdict.sensitivity"]
        planned.clear()
        sensitivity.main(words[3:])
        assert (choice, option) in planned
    assert (build_folder / "sensitivity.csv").exists()


def test_no_results_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(choice_effects, "RESULTS", tmp_path / "sensitivity.csv")
    with pytest.raises(store_folders.NotStoredError, match="`make sensitivity` makes it"):
        choice_effects.results()


@pytest.mark.usefixtures("stored")
def test_what_is_written_is_read_again(monkeypatch, tmp_path):
    monkeypatch.setattr(choice_effects, "RESULTS", tmp_path / "sensitivity.csv")
    table, counts = run(["folds", "seed"])
    study_files.write(choice_effects.RESULTS, table, counts)
    back, facts = choice_effects.results()
    pd.testing.assert_frame_equal(back, table.round(3), check_dtype=False)
    assert facts == counts


# -- the committed results ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed():
    return choice_effects.results()


def in_pack(setting):
    try:
        return all(store.load(setting.ptm, corpus, "pack", setting.pooling) for corpus in PROFILE["corpora"])
    except store_folders.NotStoredError:
        return False


def test_the_committed_table_has_all_that_can_be_run_from_the_pack_and_no_more(committed):
    table, _ = committed
    variants = open_choices.plan(PROFILE["ptms"], PROFILE["heads"], PROFILE["seeds"], PROFILE["overrides"])
    expected = [
        (v.study, v.choice, v.option, v.reference.ptm, v.reference.head, *pair)
        for v in variants
        if in_pack(v.setting)
        for pair in itertools.product(PROFILE["corpora"], repeat=2)
    ]
    assert list(table) == choice_effects.COLUMNS
    assert sorted(table[choice_effects.KEY].itertuples(index=False, name=None)) == sorted(expected)


def test_the_committed_table_holds_scores_and_intervals(committed):
    table, _ = committed
    rest = table[table["study"] != "default"]
    assert table[["accuracy", "macro_f1"]].to_numpy().min() >= 0
    assert table[["accuracy", "macro_f1"]].to_numpy().max() <= 100
    for score in choice_effects.SCORES:
        effect, low, high = (rest[end] for end in choice_effects.ends(score))
        assert (low <= high).all()
        assert ((low <= effect + 1e-6) & (effect <= high + 1e-6)).mean() > 0.95


def test_the_committed_tables_provenance_is_whole(committed):
    table, facts = committed
    made = {
        "date",
        "commit",
        "device",
        "libraries",
        "workers",
        "trained",
        "heads_in_all",
        "seconds",
        "source",
        "ptms",
    }
    assert set(facts) - {"added"} == made | {"profile", "corpora", "heads", "seeds", "overrides"}
    assert "added" not in facts or facts["added"] in choice_effects.made(facts)["value"].tolist()
    for key in ("profile", "source", "ptms", "corpora", "heads", "seeds", "overrides"):
        assert facts[key] == PROFILE[key]
    assert re.fullmatch("[0-9a-f]{12}", facts["commit"])  # of a tree without changes
    assert set(table["ptm"]) == set(facts["ptms"])
    assert set(table["test_corpus"]) == set(facts["corpora"])
    assert set(choice_effects.made(facts)["what"]) >= {"profile", "time", "device", "commit", "date"}


def test_the_profile_is_the_registers_default():
    assert PROFILE["regimes"] == [CHOICES["folds"]["default"]] == [open_choices.Setting("", "").regime]
    assert str(PROFILE["seeds"][0]) == CHOICES["seed"]["default"]
    assert CHOICES["pooling"]["default"] == model_registry.get("whisper-base").pooling


def test_a_committed_cell_is_what_training_gives_now(committed, build_folder):
    """Two points for another processor: a head on all folds of Emo-DB, which takes seconds."""
    table, _ = committed
    predictions, _ = evaluate.grid(
        ["whisper-base"],
        ["emodb"],
        ["emodb", "ravdess"],
        ["fcn"],
        ["stratified"],
        [0],
        protocol_settings.load(),
        workers=1,
    )
    now = metrics.summary(metrics.per_fold(predictions)).set_index("test_corpus")["accuracy"]
    rows = table[(table["option"] == open_choices.default_combination()) & (table["head"] == "fcn")]
    kept = rows[rows["train_corpus"] == "emodb"].set_index("test_corpus")["accuracy"]
    assert (now - kept).abs().max() < 2
