"""SAVEE fits unseen: all its layouts, the published split and the balanced set give an utterance one name."""

import pytest

from crosscorpus.base import known_names
from crosscorpus.corpora import corpus_entries, corpus_registry, scanning
from crosscorpus.protocols import balanced_tests, folds, known_protocols, official_splits
from tests.corpora.test_corpus_registry import tone

SPLIT = official_splits.read("savee")
RELEASE, FLAT = "AudioData/{speaker}/{rest}.wav", "ALL/{speaker}_{rest}.wav"
LAYOUTS = {"release": RELEASE, "folders": "{speaker}/{rest}.wav", "flat": "{speaker}_{rest}.wav", "all": FLAT}


@pytest.fixture(params=LAYOUTS)
def scan(request, tmp_path):
    """A synthetic tree (a tone for each file) with the names of the published list."""
    for name in SPLIT["utterance"]:
        speaker, _, rest = name.partition("_")
        tone(tmp_path / LAYOUTS[request.param].format(speaker=speaker, rest=rest))
    return scanning.scan("savee", tmp_path)


def test_names_speakers_and_labels_are_those_of_the_published_split(scan):
    table = scan.utterances.set_index("utterance")
    assert len(scan.utterances) == 480
    assert not len(scan.problems)
    split = SPLIT.set_index("utterance").loc[table.index]
    assert (table["speaker"] == split["speaker"]).all()
    assert (table["emotion_native"] == split["emotion_native"]).all()
    dealt = folds.load("savee", scan.utterances.assign(sha256=""), "official")
    assert dealt.groupby("fold").size().to_dict() == dict.fromkeys(range(1, 5), 120)


def test_all_240_rows_of_the_balanced_set_are_found(scan):
    listed = balanced_tests.read("savee").set_index("utterance")
    table = scan.utterances.set_index("utterance").loc[listed.index]
    assert len(listed) == 240
    assert (table["speaker"] == listed["speaker"]).all()
    assert (table["emotion"] == listed["emotion"]).all()
    protocol = known_protocols.load("emobox", "track=across")
    labels = protocol.labels("savee", scan.utterances)
    assert protocol.across("savee", scan.utterances, labels, "official", 0, 1).sum() == 240


@pytest.mark.parametrize("path", ["JK/sa09.wav", "JK_sa09.wav", "AudioData/JK/sa09.wav", "a/b/JK_sa09.flac"])
def test_one_utterance_has_one_name(path):
    facts = corpus_entries.parse(corpus_registry.get("savee"), path)
    assert (facts["utterance"], facts["speaker"], facts["emotion"]) == ("JK_sa09", "JK", "sadness")


def test_a_name_is_made_of_the_pattern_s_groups_alone():
    entry = {"called": "{speaker}_{word}", "pattern": "(?P<speaker>x)(?P<emotion>y)", "access": "free"}
    texts = dict.fromkeys(["name", "title", "language", "licence", "home"], "Toys")
    labels = {"emotions": {"y": "anger"}, "counts": {"anger": 1}}
    with pytest.raises(known_names.UnknownNameError, match=r"unknown group in `called` of toys in x\.yaml 'word'"):
        corpus_entries.checked("toys", {**texts, **entry, **labels}, "x.yaml")
