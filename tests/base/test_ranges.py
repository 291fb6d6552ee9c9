import pytest

from crosscorpus.base import ranges


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (1, {"minimum": 1}),
        (0.5, {"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        ([1, 2], {"uniqueItems": True, "minItems": 2, "items": {"minimum": 1}}),
        ([1, 1], {}),
        ("a", {}),
    ],
)
def test_a_value_in_its_range_is_allowed(value, allowed):
    assert ranges.wrong(value, allowed) == ""


@pytest.mark.parametrize(
    ("value", "allowed", "words"),
    [
        (0, {"minimum": 1}, "0 is not allowed; allowed is 1 or more"),
        (0, {"type": "integer", "minimum": 1}, "0 is not allowed; allowed is a whole number, 1 or more"),
        (2.0, {"type": "integer"}, "2.0 is not allowed; allowed is a whole number"),
        (True, {"type": "integer"}, "True is not allowed; allowed is a whole number"),
        (1.0, {"minimum": 0, "exclusiveMaximum": 1}, "1.0 is not allowed; allowed is 0 or more, below 1"),
        (float("nan"), {"minimum": 0}, "nan is not allowed; allowed is 0 or more"),
        ([1, float("inf")], {"items": {"maximum": 9}}, "inf is not allowed; allowed is 9 or less"),
        ([1, 0], {"items": {"minimum": 1}}, "0 is not allowed; allowed is 1 or more"),
        (["a", "b", "a"], {"uniqueItems": True}, "'a' is there twice; name each once"),
        (
            [],
            {"minItems": 2, "items": {"minimum": 1}},
            "[] is not allowed; allowed is 2 or more of them, each 1 or more",
        ),
        ("c", {"enum": ["a", "b"]}, "'c' is not allowed; allowed is one of a, b"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(value, allowed, words):
    assert ranges.wrong(value, allowed) == words
