"""Heads that predict recordings: kept, tested on corpora that they never heard, and told what is unlike."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import other_sounds, paths
from crosscorpus.book import synthetic_vowels
from crosscorpus.embeddings import store
from crosscorpus.models import loading
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import calibration, guard_parts
from crosscorpus.training import kept_heads, training_sets, unheard, unlikeness

EMOTIONS = protocol_settings.load()["emotions"]
SETTINGS = kept_heads.settings_of("fcn", "epochs=30,learning_rate=0.01")
CORPORA = ["emodb", "ravdess", "aesdd", "mesd"]


def made(corpora, n=12, dim=6, seed=0):
    """Return a training set of corpora -> emotions, two speakers each, whose emotions are far apart."""
    rng, rows, X = np.random.default_rng(seed), [], []
    for corpus, emotions in corpora.items():
        for emotion in emotions:
            for i in range(n):
                facts = {"corpus": corpus, "utterance": f"{corpus} {emotion} {i}", "speaker": f"s{i % 2}"}
                rows.append(facts | {"sha256": f"{len(rows)}", "emotion": emotion, "seconds": 1 + rng.random()})
                X.append(rng.normal(size=dim) * 0.1 + 4 * np.eye(dim)[EMOTIONS.index(emotion)])
    table = pd.DataFrame(rows)
    table["group"], table["level_dbfs"] = (
        table["corpus"] + "/" + table["speaker"],
        -20 + rng.normal(size=len(table)),
    )
    emotions = tuple(e for e in EMOTIONS if e in set(table["emotion"]))
    return training_sets.TrainingSet("mfcc", tuple(corpora), emotions, np.array(X, np.float32), table)


@pytest.fixture(scope="module")
def pack():
    return training_sets.gather([store.load("mfcc", corpus) for corpus in CORPORA], EMOTIONS)


def test_what_is_trained_on_does_not_depend_on_the_order_of_names(pack):
    """A command and a chapter named the same corpora in two orders, and got two heads and two sets of scores."""
    again = training_sets.gather([store.load("mfcc", corpus) for corpus in reversed(CORPORA)], EMOTIONS)
    assert again.digest == pack.digest
    assert kept_heads.path("fcn", again, SETTINGS) == kept_heads.path("fcn", pack, SETTINGS)


# -- heads that are kept --------------------------------------------------------------------------------------


def test_a_kept_head_is_found_again_and_says_the_same(build_folder):
    given = made({"a": EMOTIONS, "b": EMOTIONS})
    (first,), (again,) = (kept_heads.find_or_train("fcn", [given], SETTINGS) for _ in range(2))
    assert (first.is_new, again.is_new) == (True, False)
    assert np.array_equal(first.probabilities(given.X), again.probabilities(given.X))
    assert (first.probabilities(given.X).argmax(axis=1) == given.y).mean() > 0.95


@pytest.mark.parametrize("what", ["label", "embedding", "group", "setting", "corpora"])
def test_what_made_a_head_is_in_its_name(what):
    given, settings = made({"a": EMOTIONS, "b": EMOTIONS}), dict(SETTINGS)
    before = kept_heads.path("fcn", given, settings)
    rows, X = given.rows.copy(), given.X.copy()
    if what == "label":
        rows.loc[0, "emotion"] = EMOTIONS[-1]
    elif what == "embedding":
        X[0, 0] += 1e-3
    elif what == "group":
        rows.loc[0, "group"] = "a/s9"
    elif what == "setting":
        settings["dropout"] = 0.123
    changed = dataclasses.replace(
        given, X=X, rows=rows, corpora=("b", "a") if what == "corpora" else given.corpora
    )
    assert kept_heads.path("fcn", changed, settings) != before


def test_a_damaged_head_is_trained_again(build_folder):
    given = made({"a": EMOTIONS[:2]})
    (first,) = kept_heads.find_or_train("fcn", [given], SETTINGS)
    file = kept_heads.path("fcn", given, SETTINGS)
    data = bytearray(file.read_bytes())
    data[-3] ^= 0xFF
    file.write_bytes(data)
    (again,) = kept_heads.find_or_train("fcn", [given], SETTINGS)
    assert again.is_new
    assert np.array_equal(first.probabilities(given.X), again.probabilities(given.X))


def test_recordings_are_scaled_by_training_data_whatever_the_setting():
    assert kept_heads.settings_of("fcn", "scaling=speaker")["scaling"] == "standardise"


# -- corpora that were not heard ------------------------------------------------------------------------------


def test_no_head_is_tested_on_a_corpus_that_it_heard(build_folder):
    given = made({"a": EMOTIONS, "b": EMOTIONS, "c": EMOTIONS})
    evidence = unheard.gather("fcn", given.of(["a", "b"]), given, SETTINGS)
    trained = evidence.predictions.groupby("test_corpus")["train_corpus"].unique().map(list).to_dict()
    assert trained == {"a": ["b"], "b": ["a"], "c": ["a+b"]}
    scores = unheard.scores(evidence, given.rows)
    assert list(scores["test_corpus"]) == ["a", "b", "c"]
    assert (scores["uar"] > 90).all()
    assert unheard.mean(scores, given.emotions)["n"] == 3
    _, fitted_on = unheard.temperature(evidence, without="b")
    assert fitted_on == ["a", "c"]


def test_corpora_with_other_emotions_are_no_part_of_a_mean(build_folder):
    given = made({"a": EMOTIONS, "b": EMOTIONS, "c": EMOTIONS[:2]})
    evidence = unheard.gather("fcn", given, given, SETTINGS)
    scores = unheard.scores(evidence, given.rows)
    assert scores.set_index("test_corpus")["emotions"].str.count(",").to_dict() == {"a": 4, "b": 4, "c": 1}
    assert unheard.mean(scores, given.emotions)["n"] == 2
    assert unheard.temperature(evidence)[1] == ["a", "b"]


def test_one_corpus_alone_tells_nothing_of_others(build_folder):
    given = made({"a": EMOTIONS[:3]})
    evidence = unheard.gather("fcn", given, given, SETTINGS)
    scores = unheard.scores(evidence, given.rows)
    assert (len(evidence.predictions), len(scores), unheard.mean(scores, given.emotions)) == (0, 0, None)
    assert unheard.temperature(evidence) == (evidence.head.temperature, [])


def test_calibration_leaves_the_emotion_as_it_is_and_sums_to_one():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 50)
    soft = calibration.with_temperature(p, 4.0)
    assert np.allclose(soft.sum(axis=1), 1)
    assert (soft.argmax(axis=1) == p.argmax(axis=1)).all()


def test_two_emotions_are_needed():
    with pytest.raises(guard_parts.GuardError, match="two or more"):
        training_sets.gather([store.load("mfcc", "emodb")], ["anger"])


# -- what is unlike training ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sounds():
    kinds, samples = zip(*other_sounds.all_sounds(), strict=True)
    return np.array(kinds), _embedded(samples)


def _embedded(samples):
    return np.concatenate(
        [loading.load("mfcc", device="cpu").extract([one.astype(np.float32)]) for one in samples]
    )


@pytest.mark.parametrize("corpus", ["emodb", "aesdd", "ravdess"])
def test_speech_of_a_corpus_that_was_left_out_passes_mostly(pack, sounds, corpus):
    rest, tests = pack.of([one for one in CORPORA if one != corpus]), pack.of([corpus])
    known = unlikeness.know(rest.X, rest.rows, sounds[1])
    table = unlikeness.measured(known, tests.X, tests.rows["seconds"].to_numpy())
    assert (table["unlike"] != "").mean() < 0.1


def test_sounds_that_had_no_part_in_the_limit_are_unlike_speech(pack, sounds):
    known = unlikeness.know(pack.X, pack.rows, sounds[1])
    rng, time = np.random.default_rng(5), np.arange(32_000) / 16_000
    others = {
        "noise": 0.05 * rng.laplace(size=32_000),
        "nearly silent": 1e-4 * rng.normal(size=32_000),
        "two tones": 0.1 * np.sin(2 * np.pi * 620 * time) + 0.1 * np.sin(2 * np.pi * 1900 * time),
        "vowel": np.pad(synthetic_vowels.synthesise(synthetic_vowels.MANNERS["calm"]), (0, 6400)),
        "short": 0.1 * rng.normal(size=1600),
    }
    seconds = np.array([len(s) / 16_000 for s in others.values()])
    said = dict(
        zip(others, unlikeness.measured(known, _embedded(others.values()), seconds)["unlike"], strict=True)
    )
    assert [name for name, text in said.items() if not text] == []
    assert "lasts 0.10 s" in said["short"]


def test_what_the_warning_is_worth_is_measured_on_what_had_no_part_in_it(pack, sounds):
    table = unlikeness.worth(pack.X, pack.rows, sounds[1], sounds[0])
    assert list(table.loc[table["is_speech"], "left_out"]) == list(pack.corpora)
    assert set(table.loc[~table["is_speech"], "left_out"]) == set(sounds[0])
    false_alarms, caught = unlikeness.rates(table)
    assert false_alarms < 10 < 80 < caught
    # A kind of sound that is embedded like speech is told as what is not caught.
    like_speech = sounds[1].copy()
    like_speech[sounds[0] == "chord"] = pack.X[:2]
    again = unlikeness.worth(pack.X, pack.rows, like_speech, sounds[0]).set_index("left_out")
    assert again.loc["chord", "warned"] == 0
    # A corpus that is unlike the others is warned of, and that is told as well.
    moved = pack.X.copy()
    moved[(pack.rows["corpus"] == "emodb").to_numpy()] += 1000
    assert unlikeness.worth(moved, pack.rows, *sounds[::-1]).set_index("left_out").loc["emodb", "warned"] == 100


def test_every_corpus_counts_the_same_in_the_range():
    given = made({"a": EMOTIONS, "b": EMOTIONS[:1]}, n=40)
    X = np.where(given.rows["corpus"] == "a", 0, 10)[:, None] + given.X * 0
    known = unlikeness.know(X, given.rows, X[:2] + 100)
    assert (known.low == 0).all()
    assert (known.high == 10).all()  # though most utterances are at 0


def test_utterances_of_training_are_not_unlike_it(pack, sounds):
    known = unlikeness.know(pack.X, pack.rows, sounds[1])
    table = unlikeness.measured(known, pack.X, pack.rows["seconds"].to_numpy())
    assert (table["unlike"] != "").mean() < 0.05


def test_few_utterances_give_no_limit_rather_than_a_wrong_one():
    given = made({"a": EMOTIONS[:2]}, n=3)
    known = unlikeness.know(given.X, given.rows, given.X[:4] + 100)
    assert np.isnan(known.limit)
    seconds = given.rows["seconds"].to_numpy()[:1]
    assert unlikeness.measured(known, given.X[:1] + 100, seconds)["unlike"].iloc[0] == ""
    worth = unlikeness.worth(given.X, given.rows, given.X[:4] + 100, np.array(list("aabb")))
    assert worth.empty
    assert np.isnan(unlikeness.rates(worth)).all()


def test_heads_are_kept_below_the_build_folder(build_folder):
    file = kept_heads.path("fcn", made({"a": EMOTIONS[:2]}), SETTINGS)
    assert file.is_relative_to(paths.BUILD / "kept-heads" / "mfcc")
    assert file.suffix == ".safetensors"
