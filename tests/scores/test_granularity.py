"""Hand-worked cases: which printed values k right answers of n can have."""

import itertools
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest

from crosscorpus.scores import granularity

FULL = 10_000  # percent with two decimals
MODES = {"half up": ROUND_HALF_UP, "half even": ROUND_HALF_EVEN, "truncation": ROUND_DOWN}


def printed(value: Fraction, rule: str, full: int = FULL) -> int:
    """Print a share as a whole number of units, by Python's decimal arithmetic."""
    exact = value * full
    whole, rest = divmod(exact.numerator, exact.denominator)
    if rest == 0:
        return whole
    twice = 2 * rest - exact.denominator  # below, at or above the middle
    stand_in = (
        Decimal(whole) + {-1: Decimal("0.25"), 0: Decimal("0.5"), 1: Decimal("0.75")}[(twice > 0) - (twice < 0)]
    )
    return int(stand_in.to_integral_value(MODES[rule]))


def slow(folds, rule, full=FULL):
    """All values by looking at every combination of right answers."""
    found = np.zeros(full + 1, dtype=bool)
    for right in itertools.product(*(range(n + 1) for n in folds)):
        mean = sum(Fraction(k, n) for k, n in zip(right, folds, strict=True)) / len(folds)
        found[printed(mean, rule, full)] = True
    return found


# -- by hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "text", "rule", "expected"),
    [
        (75, "17.33", "rounding", [13]),  # 13/75 = 0.17333...
        (75, "38.67", "half up", [29]),  # 29/75 = 0.38666...
        (75, "38.66", "half up", []),
        (75, "38.66", "truncation", [29]),
        (75, "38.67", "truncation", []),
        (75, "35.74", "rounding", []),  # 26/75 = 34.67, 27/75 = 36.00
        (192, "40.62", "half even", [78]),  # 78/192 = 40.625 exactly: 2 is even
        (192, "40.63", "half even", []),
        (192, "40.63", "half up", [78]),
        (192, "40.62", "half up", []),
        (192, "40.62", "truncation", [78]),
        (192, "40.62", "rounding", [78]),  # either way of rounding will do
        (192, "40.63", "rounding", [78]),
        (192, "34.38", "half even", [66]),  # 66/192 = 34.375 exactly: 7 is odd, 8 even
        (192, "34.37", "half even", []),
        (192, "34.37", "truncation", [66]),
        (192, "34.37", "rounding", []),  # neither way of rounding goes down to an odd digit
        (192, "34.38", "half up", [66]),
        (121, "24.79", "rounding", [30]),  # 30/121 = 0.247933...
        (121, "24.80", "rounding", []),
        (144, "76.39", "rounding", [110]),  # 110/144 = 0.763888...
        (144, "76.38", "truncation", [110]),
        (1271, "76.00", "rounding", [966]),  # 966/1271 = 0.760031
        (75, "100.00", "rounding", [75]),
        (75, "0.00", "truncation", [0]),
        (20_000, "50.00", "rounding", [9999, 10_000, 10_001]),  # 49.995 and 50.005 are boundaries
        (20_000, "50.00", "half up", [9999, 10_000]),
        (20_000, "50.00", "half even", [9999, 10_000, 10_001]),
        (20_000, "50.01", "half even", [10_002]),
    ],
)
def test_right_answers_that_are_printed_so(n, text, rule, expected):
    units = granularity.to_units(text, 2)
    assert granularity.hits(n, units, rule, FULL) == expected
    assert granularity.attainable((n,), rule, FULL)[units] == bool(expected)


@pytest.mark.parametrize(
    ("folds", "text", "rule", "expected"),
    [
        ((75,) * 5, "86.93", "rounding", True),  # 326/375 = 0.869333...
        ((75,) * 5, "86.95", "rounding", False),
        ((2, 3), "41.67", "rounding", True),  # (1/2 + 1/3) / 2
        ((2, 3), "41.66", "truncation", True),
        ((2, 3), "40.00", "rounding", False),  # 2 of all 5 is no mean of the two
        ((3,) * 3, "33.34", "rounding", False),  # 3/9 = 33.333...
        ((3,) * 3, "33.34", "rounding twice", True),  # at most 0.01 from 33.333...
        ((3,) * 3, "33.35", "rounding twice", False),
        ((3,) * 3, "33.32", "truncation twice", True),  # from 33.32 up to below 33.34
        ((3,) * 3, "33.31", "truncation twice", False),
        ((3,) * 3, "33.34", "truncation twice", False),
    ],
)
def test_means_over_folds(folds, text, rule, expected):
    assert granularity.attainable(folds, rule, FULL)[granularity.to_units(text, 2)] == expected


# -- against every combination --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["half up", "half even", "truncation"])
@pytest.mark.parametrize("folds", [(1,), (7,), (16,), (192,), (2, 3), (4, 4, 3), (5, 3, 2), (8, 8)])
def test_values_are_those_of_all_combinations(folds, rule):
    assert (granularity.attainable(folds, rule, FULL) == slow(folds, rule)).all()


@pytest.mark.parametrize("folds", [(16,), (192,), (4, 4, 3), (32, 32)])
def test_rounding_is_either_way_of_rounding(folds):
    both = granularity.attainable(folds, "half up", FULL) | granularity.attainable(folds, "half even", FULL)
    assert (granularity.attainable(folds, "rounding", FULL) == both).all()


@pytest.mark.parametrize("rule", sorted(granularity.RULES))
def test_looking_at_some_sums_gives_what_looking_at_all_gives(rule, monkeypatch):
    folds = (31, 29, 23, 19)
    whole = granularity.attainable(folds, rule, FULL)
    monkeypatch.setattr(granularity, "LARGEST", 40_000)  # fewer than there are sums
    granularity.attainable.cache_clear()
    assert (granularity.attainable(folds, rule, FULL) == whole).all()
    granularity.attainable.cache_clear()
    assert not whole.all()


@pytest.mark.parametrize("printing", ["rounding", "truncation"])
def test_printing_twice_allows_what_printing_fold_values_first_gives(printing):
    mode = {"rounding": "half up", "truncation": "truncation"}[printing]
    allowed = granularity.attainable((7, 7, 7), f"{printing} twice", FULL)
    for right in itertools.product(range(8), repeat=3):
        mean = Fraction(sum(printed(Fraction(k, 7), mode) for k in right), 3 * FULL)
        assert allowed[printed(mean, mode)]


def test_the_first_fits_are_those_that_hits_lists():
    for units in range(0, FULL + 1, 7):
        for rule in granularity.RULES:
            assert granularity.attainable((121,), rule, FULL)[units] == bool(
                granularity.hits(121, units, rule, FULL)
            )


def test_fractions_with_five_decimals():
    full = granularity.scale(5, "fraction")
    assert full == 100_000
    assert granularity.hits(588, granularity.to_units("0.14286", 5), "rounding", full) == [
        84
    ]  # one of seven classes
    assert granularity.hits(936, granularity.to_units("0.15385", 5), "rounding", full) == [144]
    assert granularity.hits(80, granularity.to_units("0.9", 5), "rounding", full) == [72]


# -- small things ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "units"), [("72.40", 7240), (72.4, 7240), (" 5 ", 500), (86.67, 8667), (0.07, 7)]
)
def test_printed_values_become_whole_numbers(text, units):
    assert granularity.to_units(text, 2) == units


@pytest.mark.parametrize("text", ["72.405", "abc", "", "nan", "inf", "1,5"])
def test_what_is_no_such_value_is_refused(text):
    with pytest.raises(ValueError, match=r"no number|more than 2 decimals"):
        granularity.to_units(text, 2)


@pytest.mark.parametrize(
    ("n", "folds", "expected"),
    [(605, 5, (121,) * 5), (604, 5, (121, 121, 121, 121, 120)), (862, 5, (173, 173, 172, 172, 172)), (7, 1, (7,))],
)
def test_utterances_are_dealt_evenly(n, folds, expected):
    assert granularity.deal(n, folds) == expected


@pytest.mark.parametrize("folds", [(), (3, 0), (-1,)])
def test_folds_without_utterances_are_refused(folds):
    with pytest.raises(ValueError, match="at least one"):
        granularity.attainable(folds, "rounding", FULL)


def test_too_many_sizes_are_refused():
    with pytest.raises(ValueError, match="common multiple"):
        granularity.attainable((997, 991, 983, 977, 971, 967), "rounding", FULL)
