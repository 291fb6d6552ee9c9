"""Which cells may be put together: hand-worked."""

import numpy as np
import pandas as pd
import pytest

from crosscorpus.scores import label_sets, metrics

THREE = ["anger", "fear", "sadness"]
OF_CORPUS = {"emodb": THREE, "ravdess": THREE, "tess": ["anger", "fear"], "urdu": ["sadness", "boredom"]}


def predictions(*corpora, seeds=(0, 1)):
    """All pairs that share an emotion; anger has three utterances for one of each other emotion."""
    rows = [
        ("stratified", a, b, seed, f"{emotion}{i}", emotion)
        for a in corpora
        for b in corpora
        for seed in seeds
        for emotion in OF_CORPUS[b]
        if emotion in OF_CORPUS[a]
        for i in range(3 if emotion == "anger" else 1)
    ]
    table = pd.DataFrame(rows, columns=[*label_sets.PAIR, "seed", "utterance", "emotion"])
    return table.assign(predicted="anger", ptm="mfcc", head="fcn", fold=1)


def pairs(table):
    return sorted(set(zip(table["train_corpus"], table["test_corpus"], strict=True)))


def test_a_cell_has_its_emotions_chance_and_the_most_frequent_one():
    assert label_sets.of_cell(np.array([6, 0, 2]), ["b", "x", "a"]) == {
        "emotions": "a, b",
        "n_emotions": 2,
        "chance": 50.0,
        "majority": 75.0,
    }


def test_pairs_are_scored_on_what_both_have_and_seeds_count_once():
    found = label_sets.of_pairs(predictions("emodb", "tess", "urdu")).set_index(["train_corpus", "test_corpus"])
    assert found.loc[("emodb", "emodb"), "emotions"] == "anger, fear, sadness"
    assert found.loc[("emodb", "emodb"), "majority"] == 60
    assert found.loc[("emodb", "tess"), ["emotions", "chance", "majority"]].tolist() == ["anger, fear", 50, 75]
    assert found.loc[("urdu", "emodb"), ["n_emotions", "chance", "majority"]].tolist() == [1, 100, 100]
    assert ("tess", "urdu") not in found.index


def test_scores_say_the_same_as_predictions():
    table = predictions("emodb", "tess", "urdu")
    scores = metrics.summary(metrics.per_fold(table))
    pd.testing.assert_frame_equal(label_sets.of_pairs(scores), label_sets.of_pairs(table))


def test_the_label_set_of_the_protocol_comes_first():
    table = predictions("emodb", "tess")  # one pair of four has all three
    assert label_sets.chosen(table, THREE) == "anger, fear, sadness"
    assert pairs(label_sets.alike(table, THREE)) == [("emodb", "emodb")]


def test_without_it_the_most_frequent_one_is_taken():
    table = predictions("emodb", "tess")
    assert label_sets.chosen(table, [*THREE, "disgust"]) == "anger, fear"
    assert len(pairs(label_sets.alike(table))) == 3
    assert label_sets.chosen(predictions("tess", "urdu")) in ("anger, fear", "boredom, sadness")


@pytest.mark.parametrize("of", [lambda table: table, lambda table: metrics.per_fold(table)])
def test_what_is_alike_is_left_as_it_is(of):
    table = of(predictions("emodb", "ravdess"))
    assert label_sets.alike(table, THREE) is table
    assert label_sets.said(table, THREE) == ""
    assert label_sets.differing(table, THREE).empty


def test_predictions_and_scores_keep_the_same_cells():
    table = predictions("emodb", "ravdess", "tess", "urdu")
    kept = label_sets.alike(table.sample(frac=1, random_state=0), THREE)
    assert pairs(kept) == pairs(label_sets.alike(metrics.per_fold(table), THREE))
    assert set(kept["emotion"]) == set(THREE)
    assert pairs(kept) == [(a, b) for a in ("emodb", "ravdess") for b in ("emodb", "ravdess")]


def test_means_are_over_the_whole_task_or_within_equal_ones():
    scores = metrics.summary(metrics.per_fold(predictions("emodb", "tess")))
    whole, apart = label_sets.comparable(scores, THREE)
    assert (pairs(whole), apart) == ([("emodb", "emodb")], [])
    every, apart = label_sets.comparable(scores, [*THREE, "disgust"])
    assert (len(every), apart) == (4, ["emotions"])


def test_a_page_says_what_is_left_out_and_why():
    said = label_sets.said(predictions("emodb", "ravdess", "tess"), THREE)
    assert said.startswith("5 of 9 pairs of corpora are scored on fewer emotions")
    assert "emodb → tess (2 emotions)" in said
    named = label_sets.said(predictions("emodb", "ravdess", "tess"), THREE, str.upper)
    assert "EMODB → TESS (2 emotions)" in named
    assert "tess (2 emotions)" in said
    said = label_sets.said(predictions("emodb", "tess"), [*THREE, "disgust"])
    assert said.startswith("No pair of corpora has all of anger, disgust, fear, sadness.")
    assert "over the 3 of 4 pairs with anger, fear; others: emodb (3 emotions)" in said


def test_long_lists_are_cut():
    table = predictions("emodb", "ravdess", "tess", "urdu")
    assert " more." in label_sets.said(table, THREE)


def test_nothing_is_no_label_set():
    none = predictions("emodb")[:0]
    assert label_sets.chosen(none, THREE) == ""
    assert label_sets.alike(none, THREE).empty
    assert label_sets.said(none, THREE) == ""
