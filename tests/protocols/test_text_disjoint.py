import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.corpora import file_lists
from crosscorpus.protocols import protocol_settings, text_disjoint


@pytest.fixture(scope="module", params=["emodb", "ravdess", "aesdd"])
def table(request):
    listed = file_lists.file_list(request.param)
    return listed[listed["emotion"].isin(protocol_settings.load()["emotions"])].reset_index(drop=True)


def test_every_utterance_is_tested_once(table):
    tested = np.concatenate([split.test for split in text_disjoint.splits(table, 5, 0)])
    assert sorted(tested) == list(range(len(table)))


def test_nothing_of_the_test_part_is_trained_on(table):
    for split in text_disjoint.splits(table, 5, 1):
        test = table.iloc[split.test]
        for condition, rows in split.train.items():
            train = table.iloc[rows]
            assert not set(train["speaker"]) & set(test["speaker"])
            if condition == "speaker-text":
                assert not set(train["text_id"]) & set(test["text_id"])
            else:
                assert set(rows) <= set(split.train["speaker-disjoint"])


def test_the_control_has_as_many_of_each_emotion_and_texts_of_the_test_part(table):
    heard = 0
    for split in text_disjoint.splits(table, 5, 2):
        counts = [
            table.iloc[split.train[c]]["emotion"].value_counts().to_dict() for c in ("matched", "speaker-text")
        ]
        assert counts[0] == counts[1]
        heard += bool(set(table.iloc[split.train["matched"]]["text_id"]) & set(table.iloc[split.test]["text_id"]))
    assert heard


def test_deals_differ_and_a_deal_is_always_the_same(table):
    first, again, other = (text_disjoint.splits(table, 5, seed) for seed in (0, 0, 1))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert [len(s.test) for s in first] != [len(s.test) for s in other] or any(
        (a.test != b.test).any() for a, b in zip(first, other, strict=True)
    )


@pytest.mark.parametrize(
    ("speakers", "texts", "why"),
    [(["", "a"], ["x", "y"], "name all speakers"), (["a", "b"], ["x", "x"], "share texts")],
)
def test_what_cannot_be_dealt_says_why(speakers, texts, why):
    table = pd.DataFrame({"speaker": speakers, "text_id": texts, "emotion": "anger"})
    assert why in text_disjoint.why_not(table)
    with pytest.raises(ValueError, match=why):
        text_disjoint.splits(table, 5, 0)


def test_mesd_names_no_speakers():
    assert "speakers" in text_disjoint.why_not(file_lists.file_list("mesd"))


def test_fewer_texts_than_groups_are_a_group_each():
    rows = list(itertools.product("abcdefgh", "xy", ["anger", "fear"]))
    table = pd.DataFrame(rows, columns=["speaker", "text_id", "emotion"])
    assert len(text_disjoint.splits(table, 5, 0)) == 5 * 2
