"""Which printed values a score can have: exact arithmetic on counts, folds and decimals.

A share of right answers is a fraction of whole numbers, so after rounding only some of the values that a table could
print can occur. Published values are whole numbers here: 72.40 percent with two decimals is 7240 units of 10000.
Nothing is computed with binary fractions, so values at a rounding boundary fall on the right side.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import numpy as np

# For a printed value v, which true values x (in units of the last decimal) it stands for: the ends of an interval in
# half units relative to 2v, and whether each end belongs to it. "even" ends belong to it where v is even.
RULES: dict[str, tuple[int, int, bool | str, bool | str]] = {
    "half up": (-1, 1, True, False),
    "half even": (-1, 1, "even", "even"),
    "rounding": (-1, 1, True, True),  # either of the two
    "truncation": (0, 2, True, False),
    # A mean of fold values that were printed so themselves: the errors of both steps add up.
    "rounding twice": (-2, 2, True, True),
    "truncation twice": (0, 4, True, False),
}

LARGEST = 5_000_000
"""Sums of unequal folds that are looked through at most."""


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
    Bool array [full + 1]: whether whole numbers k_i from 0 to n_i exist so that the mean of k_i / n_i is printed as
    this value.

    Raises
    ------
    ValueError
        No folds, an empty fold, or so many different sizes that the sums cannot be looked through.
    """
    if not folds or min(folds) < 1:
        raise ValueError(f"{folds}: every fold needs at least one utterance")
    # A mean is S / (len(folds) * common), with S a sum of k * (common / n). It fits v where
    # low <= 2 * full * S / (len(folds) * common) <= high in half units, that is first <= S <= last in whole numbers.
    groups = sorted(Counter(folds).items(), key=lambda group: -group[0] * group[1])
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
    (size, count), *others = groups
    found = _sums_between(first, last, common // size, size * count, [(common // n, n * c) for n, c in others])
    found.flags.writeable = False
    return found


def _sums_between(
    first: np.ndarray, last: np.ndarray, step: int, most: int, others: list[tuple[int, int]]
) -> np.ndarray:
    """Tell for each pair whether a sum step * K (K from 0 to most) plus the like of others is from first to last."""

    def reached(rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        down = -(-(first[rows][:, None] - offsets) // step)
        up = (last[rows][:, None] - offsets) // step
        return (np.maximum(down, 0) <= np.minimum(up, most)).any(axis=1)

    total = step * most + sum(s * m for s, m in others)
    found = np.zeros(len(first), dtype=bool)
    few = math.prod(m + 1 for _, m in others) <= 4000
    # With many sums nearly all values are reached, and random sums show that fast.
    some = _sums_up_to(others, total) if few else _random_sums(others)
    for offsets in np.array_split(some, -(-len(some) // 16)):
        rows = np.flatnonzero(~found)
        found[rows] = reached(rows, offsets)
    if few:
        return found
    # Left are values near the ends, which few sums come near: all of those are looked through. By symmetry (S and
    # total - S) a value near the upper end is one near the lower end.
    rows = np.flatnonzero(~found & (last >= first) & (first <= total) & (last >= 0))
    upper = first[rows] > total // 2
    near_first = np.where(upper, total - last[rows], first[rows])
    near_last = np.where(upper, total - first[rows], last[rows])
    if len(rows):
        offsets = _sums_up_to(others, int(near_last.max()))
        for row, least, largest in zip(rows, near_first, near_last, strict=True):
            down, up = -(-(least - offsets) // step), (largest - offsets) // step
            found[row] = bool((np.maximum(down, 0) <= np.minimum(up, most)).any())
    return found


def _random_sums(groups: list[tuple[int, int]]) -> np.ndarray:
    rng = np.random.default_rng(0)  # what is found does not depend on it, only how soon
    levels = np.concatenate([[0.5], np.geomspace(0.005, 0.2, 14), 1 - np.geomspace(0.005, 0.2, 14)])
    sums = [sum(step * rng.binomial(most, level, size=400) for step, most in groups) for level in levels]
    sums.append(sum(step * rng.integers(0, most + 1, size=4000) for step, most in groups))
    return rng.permutation(np.unique(np.concatenate(sums)))


def _sums_up_to(groups: list[tuple[int, int]], largest: int) -> np.ndarray:
    sums = np.zeros(1, dtype=np.int64)
    for step, most in groups:
        terms = step * np.arange(min(most, largest // step) + 1, dtype=np.int64)
        if len(sums) * len(terms) > LARGEST:
            raise ValueError(f"too many sums of unequal folds (more than {LARGEST}); give fewer different sizes")
        sums = np.add.outer(sums, terms).ravel()
        sums = np.unique(sums[sums <= largest])
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
