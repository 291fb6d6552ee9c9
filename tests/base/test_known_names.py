import pytest

from crosscorpus.base import known_names

KNOWN = ["cremad", "emodb", "ravdess"]


def test_a_known_name_is_returned():
    assert known_names.check("emodb", KNOWN, "corpus") == "emodb"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        known_names.UnknownNameError, match=r"unknown corpus 'zzz'.*Known: cremad, emodb, ravdess\."
    ):
        known_names.check("zzz", KNOWN, "corpus")


@pytest.mark.parametrize("typed", ["emo-db", "ravdes", "crema_d", "RAVDESS", "EmoDB"])
def test_the_nearest_name_is_suggested(typed):
    meant = {"e": "emodb", "r": "ravdess", "c": "cremad"}[typed[0].lower()]
    with pytest.raises(known_names.UnknownNameError, match=f"did you mean '{meant}'"):
        known_names.check(typed, KNOWN, "corpus")


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(known_names.UnknownNameError) as caught:
        known_names.check("zzz", KNOWN, "corpus")
    assert "did you mean" not in str(caught.value)


def test_a_message_without_a_suggestion_is_two_sentences():
    with pytest.raises(known_names.UnknownNameError, match=r"'zzz'[.;] Known"):
        known_names.check("zzz", KNOWN, "corpus")


@pytest.mark.parametrize("given", ["emodb,ravdess", "emodb, ravdess", ["emodb", "ravdess"], ("emodb", "ravdess")])
def test_check_all_takes_lists_and_text(given):
    assert known_names.check_all(given, KNOWN, "corpus") == ["emodb", "ravdess"]


@pytest.mark.parametrize("given", ["", " ", [], ()])
def test_check_all_refuses_nothing(given):
    with pytest.raises(ValueError, match="no corpus was named; known: cremad, emodb, ravdess"):
        known_names.check_all(given, KNOWN, "corpus")


def test_check_all_names_the_unknown_one():
    with pytest.raises(known_names.UnknownNameError, match="unknown corpus 'ravdes'"):
        known_names.check_all("emodb,ravdes", KNOWN, "corpus")


def test_known_names_may_come_from_an_iterator():
    assert known_names.check_all(["emodb", "ravdess"], iter(KNOWN), "corpus") == ["emodb", "ravdess"]
