import itertools

import pandas as pd
import pytest

from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.protocols import cells, folds, protocol_settings, text_disjoint
from crosscorpus.scores import guard_parts, hard_guards

TEXT, MATCHED = protocol_settings.CROSSED
SETTINGS = protocol_settings.load()


@pytest.fixture(scope="module", params=["emodb", "ravdess", "aesdd", "mesd", "emovo", "savee", "cremad"])
def corpus(request):
    return request.param


@pytest.fixture(scope="module")
def table(corpus):
    listed = file_lists.file_list(corpus)
    if listed is None:
        pytest.skip(f"{corpus} has no file list")
    return listed


def named(rows):
    table = pd.DataFrame(rows, columns=["speaker", "text_id", "emotion"])
    return table.assign(utterance=[f"u{i:03}" for i in range(len(table))], corpus="emovo", sha256="")


def test_every_utterance_is_tested_once_and_its_speaker_and_text_are_not_trained_on(corpus, table):
    for regime in (TEXT, MATCHED):
        dealt = folds.load(corpus, table, regime)
        assert len(set(dealt["utterance"])) == len(dealt) >= len(table) - 3  # identical audio is there once
        rows = table.merge(dealt[["utterance", "fold"]], on="utterance")
        known = text_disjoint.speakers_and_texts(corpus, rows)
        heard = 0
        for number in range(1, rows["fold"].max() + 1):
            training, validation, test = folds.parts(rows["fold"], number, regime)
            assert training.any()
            assert test.any()
            assert not validation.any()
            assert not set(known["speaker"][training]) & set(known["speaker"][test])
            heard += bool(set(known["text"][training]) & set(known["text"][test]))
        assert heard == 0 if regime == TEXT else heard > 0


def test_the_control_has_as_many_of_each_emotion_in_every_fold(corpus, table):
    groups = text_disjoint.deal(corpus, table, 5, 0)
    emotion = table["emotion"].to_numpy()
    for number in range(1, groups.n**2 + 1):
        ours, control = (text_disjoint.parts(groups.fold(control=one), number) for one in (False, True))
        for mine, other in zip(ours, control, strict=True):
            assert sorted(emotion[mine]) == sorted(emotion[other])


def test_as_many_groups_as_speakers_and_texts_allow():
    assert {c: folds.count(c, file_lists.file_list(c), TEXT) for c in ("emodb", "ravdess", "mesd")} == {
        "emodb": 25,
        "ravdess": 4,
        "mesd": 9,
    }


def test_a_deal_is_always_the_same_whatever_the_order_and_others_differ():
    listed = file_lists.file_list("emodb")
    first = folds.load("emodb", listed, TEXT)
    pd.testing.assert_frame_equal(first, folds.load("emodb", listed.sample(frac=1, random_state=1), TEXT))
    one, other = (text_disjoint.deal("emodb", listed, 5, seed) for seed in (0, 1))
    assert (one.text != other.text).any()


def test_mesds_words_are_the_same_in_all_voices_and_voices_stand_for_speakers():
    known = text_disjoint.speakers_and_texts("mesd", file_lists.file_list("mesd"))
    assert set(known["speaker"]) == {"F", "M", "C"}
    assert known[known["text"] == "A_adios"]["speaker"].nunique() == 3
    assert not known["text"].isin(["", "adios"]).any()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("", "x", "fear"), ("a", "y", "anger")], "not every utterance has a speaker"),
        ([("a", "", "fear"), ("b", "", "anger")], "no utterance has a text that is known (text_id)"),
        ([("a", "x", "fear"), ("b", "x", "anger")], "all is of one text, x"),
        ([("a", "x", "fear"), ("a", "y", "anger")], "all is of one speaker, a"),
        ([("a", "x", "fear"), ("b", "y", "anger")], "too few texts in common"),
        ([], "no utterance"),
    ],
)
def test_what_cannot_be_dealt_is_left_out_with_one_line(rows, why):
    table = named(rows)
    assert why in folds.why_not("emovo", table, TEXT)
    assert not len(folds.load("emovo", table, TEXT)) if rows else True
    said = cells.sentences(cells.left_out({"emovo": table}, [TEXT], SETTINGS))
    assert any(why in one or "no utterance" in one for one in said)
    assert all("\n" not in one for one in said)


def test_two_speakers_and_two_texts_are_enough_and_emotions_of_one_text_alone_are_not():
    rows = list(itertools.product("ab", "xy", ["anger", "fear"])) * 2
    table = named(rows)
    assert folds.count("emovo", table, TEXT) == 4
    assert not len(cells.left_out({"emovo": table}, [TEXT, MATCHED], SETTINGS))
    confounded = named([(s, t, {"x": "anger", "y": "fear"}[t]) for s, t, _ in rows])
    (said,) = cells.sentences(cells.left_out({"emovo": confounded}, [TEXT], SETTINGS))
    assert "to train on" in said


def test_groups_become_fewer_until_each_group_of_speakers_says_each_group_of_texts():
    rows = [(f"s{i}", f"t{j}", e) for i in range(6) for j in range(6) if (i + j) % 2 for e in ("anger", "fear")]
    groups = text_disjoint.deal("emovo", named(rows), 5, 0)
    assert 2 <= groups.n < 5
    assert len(set(groups.fold(control=False))) == groups.n**2


def test_a_text_that_is_trained_on_and_tested_stops_a_run():
    listed = file_lists.file_list("emodb").assign(sha256="")
    halves = listed[listed["speaker"] == "03"], listed[listed["speaker"] == "08"]
    hard_guards.check_overlap(*halves, MATCHED, 1)
    with pytest.raises(guard_parts.GuardError, match=r"text 'a01' is in training and in test"):
        hard_guards.check_overlap(*halves, TEXT, 1)
    with pytest.raises(guard_parts.GuardError, match=r"speaker '03' is in training and in test"):
        hard_guards.check_overlap(halves[0].iloc[:5], halves[0].iloc[5:], MATCHED, 1)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"pattern": "(?P<word>.)"}, "group in `texts`"),
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "(?P<voice>.)"}, "no group `text`"),
        ({"remark": "?"}, "field of `texts`"),
    ],
)
def test_what_a_registry_says_of_texts_is_checked(texts, why):
    from crosscorpus.corpora import corpus_entries

    entry = {"name": "X", "title": "X", "language": "X", "licence": "X", "home": "X", "access": "free"}
    entry |= {"pattern": "(?P<emotion>a)", "emotions": {"a": "anger"}, "counts": {"anger": 1}, "texts": texts}
    with pytest.raises(ValueError, match=why):
        corpus_entries.checked("x", entry, "a file")


def test_notes_on_texts_are_of_corpora_that_tell_them():
    for entry in corpus_registry.registry().values():
        assert not entry.texts or "text_id" in entry.pattern
