"""Which printed values a score can have: exact arithmetic on counts, folds and decimals.

A share of right answers is a fraction of whole numbers, so after rounding only some of the values that a table
could print can occur. Published values are whole numbers here: 72.40 percent with two decimals is 7240 units of
10000. Nothing is computed with binary fractions, so values at a rounding boundary fall on the right side.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import numpy as np

# For a printed value v, which true values x (in units of the last decimal) it stands for: the ends of an interval
# in half units relative to 2v, and whether each end belongs to it. "even" ends belong to it where v is even.
RULES: dict[str, tuple[int, int, bool | str, bool | str]] = {
    "half up": (-1, 1, True, False),
    "half even": (-1, 1, "even", "even"),
    "rounding": (-1, 1, True, "even"),  # either of the two
    "truncation": (0, 2, True, False),
    # A mean of fold values that were printed so themselves: the errors of both steps add up.
    "rounding twice": (-2, 2, True, True),
    "truncation twice": (0, 4, True, False),
}

LARGEST = 500_000
"""Sums of unequal folds that are looked through at once."""


def scale(decimals: int, unit: str = "percent") -> int:
    """Return how many units of the last decimal 100 % is: 10000 for percent with two decimals."""
    return {"percent": 100, "fraction": 1}[unit] * 10**decimals


def to_units(value: str | float | Decimal, decimals: int) -> int:
    """Return a printed value as a whole number of units of its last decimal: 72.4 with two decimals is 7240.

    Raises
    ------
    ValueError
        It is no number, or has more decimals.
    """
    try:
        exact = Decimal(str(value).strip()) * 10**decimals
        units = int(exact.to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{str(value)!r} is no number") from None
    if units != exact:
        raise ValueError(f"{str(value).strip()} has more than {decimals} decimals")
    return units


def deal(n: int, folds: int) -> tuple[int, ...]:
    """Return the sizes of folds that n utterances are dealt over as evenly as can be, the larger first."""
    return tuple(n // folds + (i < n % folds) for i in range(folds))


@functools.cache
def attainable(folds: tuple[int, ...], rule: str, full: int) -> np.ndarray:
    """Tell which printed values the mean of the accuracies on some folds can have.

    Parameters
    ----------
    folds
        Utterances in each fold; a single one for the accuracy on one test set.
    rule
        How values were printed: a key of `RULES`.
    full
        Units of 100 %, from `scale`.

    Returns
    -------
    Bool array [full + 1]: whether whole numbers k_i from 0 to n_i exist so that the mean of k_i / n_i is printed
    as this value.

    Raises
    ------
    ValueError
        No folds, an empty fold, or so many different sizes that the sums cannot be looked through.
    """
    if not folds or min(folds) < 1:
        raise ValueError(f"{folds}: every fold needs at least one utterance")
    # A mean is S / (len(folds) * common), with S a sum of k * (common / n). It fits v where
    # low <= 2 * full * S / (len(folds) * common) <= high in half units, that is first <= S <= last in whole
    # numbers.
    common = math.lcm(*folds)
    below, above, with_low, with_high = RULES[rule]
    if 4 * full * len(folds) * common > 2**62:
        raise ValueError(f"{folds}: the sizes have too large a common multiple")
    v = np.arange(full + 1, dtype=np.int64)
    low, high = (2 * v + below) * len(folds) * common, (2 * v + above) * len(folds) * common
    even = v % 2 == 0
    low_in, high_in = (even if end == "even" else np.full(full + 1, end) for end in (with_low, with_high))
    first = np.where(low_in, -(-low // (2 * full)), low // (2 * full) + 1)
    last = np.where(high_in, high // (2 * full), -(-high // (2 * full)) - 1)
    found = _hit_by_sums(first, last, [(common // n, n * c) for n, c in Counter(folds).items()])
    found.flags.writeable = False
    return found


def _hit_by_sums(first: np.ndarray, last: np.ndarray, groups: list[tuple[int, int]]) -> np.ndarray:
    """Tell which intervals [first, last] hold a sum of step * K, K <= most, over groups (step, most)."""
    total = sum(step * most for step, most in groups)
    full = len(first) - 1

    def hit(sums: np.ndarray) -> np.ndarray:
        found = np.zeros(full + 1, dtype=bool)
        floor = full * sums // total
        for away in (-1, 0, 1):  # no rule prints anything further away
            v = np.clip(floor + away, 0, full)
            found[v[(first[v] <= sums) & (sums <= last[v])]] = True
        return found

    if math.prod(most + 1 for _, most in groups) <= LARGEST:
        return hit(_sums_up_to(groups, total))
    # With so many sums nearly every value is hit, and random sums show that. What is left is near the ends, where
    # there are few sums: those are all looked through. By symmetry, S is a sum where total - S is one.
    found = hit(_random_sums(groups))
    left = np.flatnonzero(~found & (last >= first) & (last >= 0) & (first <= total))
    if len(left):
        near = _sums_up_to(groups, int(np.minimum(last[left], total - first[left]).max()))
        found |= hit(near) | hit(total - near)
    return found


def _random_sums(groups: list[tuple[int, int]]) -> np.ndarray:
    # Every value of the largest group with random ones of the others, at levels from all wrong to all right.
    # What is found does not depend on chance, only how soon.
    rng = np.random.default_rng(0)
    *others, (step, most) = sorted(groups, key=lambda group: group[1])
    levels = np.geomspace(0.005, 0.5, 20)
    each = 1 + LARGEST // (most + 1) // (2 * len(levels))
    drawn = [sum(s * rng.binomial(m, x, size=each) for s, m in others) for x in (*levels, *(1 - levels))]
    return np.add.outer(np.concatenate(drawn), step * np.arange(most + 1)).ravel()


def _sums_up_to(groups: list[tuple[int, int]], largest: int) -> np.ndarray:
    sums = np.zeros(1, dtype=np.int64)
    for step, most in groups:
        terms = step * np.arange(min(most, largest // step) + 1, dtype=np.int64)
        if len(sums) * len(terms) > 20 * LARGEST:
            raise ValueError("folds of so many different sizes have too many sums; give fewer different sizes")
        sums = np.add.outer(sums, terms).ravel()
        sums = sums[sums <= largest]
    return sums


def union(readings: Iterable[tuple[int, ...]], rule: str, full: int) -> np.ndarray:
    """Return which values any of several readings (each a tuple of folds) can have."""
    return functools.reduce(np.logical_or, [attainable(folds, rule, full) for folds in readings])


def hits(n: int, units: int, rule: str, full: int) -> list[int]:
    """Return every k for which k right answers of n are printed as `units`, in order."""
    middle = units * n // full
    candidates = range(max(0, middle - 1 - n // full), min(n, middle + 2 + 2 * n // full) + 1)
    return [k for k in candidates if _prints(k, n, units, rule, full)]


def _prints(k: int, n: int, units: int, rule: str, full: int) -> bool:
    below, above, with_low, with_high = RULES[rule]
    low, value, high = (2 * units + below) * n, 2 * full * k, (2 * units + above) * n
    ends = [units % 2 == 0 if end == "even" else end for end in (with_low, with_high)]
    return low < value < high or (value == low and bool(ends[0])) or (value == high and bool(ends[1]))
