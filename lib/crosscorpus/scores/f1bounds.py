"""Between which bounds macro-F1 is, when accuracy and the sizes of the classes are known."""

import functools
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from crosscorpus.scores import granularity


@functools.cache
def bounds(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    r"""Bound the macro-F1 of one test set, for each number of right answers.

    With n_c utterances of class c, d_c of them right and f_c wrongly given to c, F1 of the class is
    2 d_c / (n_c + d_c + f_c) and macro-F1 is the mean over the C classes. Let n = sum n_c, k = sum d_c and
    e = n - k = sum f_c. A confusion matrix with these d and f exists if and only if m_c + f_c <= e for each class,
    where m_c = n_c - d_c (all of a class's errors lie between it and the others).

    *Largest value, exact.* For given d, the sum is convex in f, so it is largest at a corner of
    {f_c >= 0, sum f = e, f_c <= e - m_c}. If f_a is at its cap e - m_a, the rest, m_a, fits below any other cap,
    so a corner has f_a = e - m_a and f_b = m_a for two classes a and b, and no wrong answer elsewhere (a corner
    with one class alone is the case m_a = 0). Then F1 is 2 d_a / (2 d_a + e) for a,
    2 d_b / (n_b + n_a - d_a + d_b) for b and 2 d_c / (n_c + d_c) elsewhere. For each pair and each d_a, the last
    two are concave and rising in d, so right answers are given out one at a time to where they add most, which is
    exact in whole numbers.

    *Smallest value, a bound.* Leave out the caps and let f be real: no confusion matrix is lost. For given f, the
    sum is concave in d, so it is smallest at a corner of {0 <= d_c <= n_c, sum d = k}: each class all right or all
    wrong, but for one. For given d it is convex in f and smallest where its slopes are equal:
    f_c = t sqrt(d_c) - n_c - d_c, or 0 where that is negative. All corners are tried. With several utterances in
    each class the bound is close to what whole numbers reach.

    Parameters
    ----------
    counts
        Utterances of each class in the test set, at least one; two classes or more.

    Returns
    -------
    Two float arrays [n + 1], smallest and largest macro-F1 (from 0 to 1) with k right answers.
    """
    if len(counts) < 2 or min(counts) < 1:
        raise ValueError(f"{counts}: two classes or more, each with an utterance, are needed")
    return _smallest(counts), _largest(counts)


def _largest(counts: tuple[int, ...]) -> np.ndarray:
    n, classes = sum(counts), len(counts)
    best = np.zeros(n + 1)
    tried = set()
    for a, b in itertools.permutations(range(classes), 2):
        rest = tuple(sorted(counts[c] for c in range(classes) if c not in (a, b)))
        if (counts[a], counts[b], rest) in tried:  # classes of one size are alike
            continue
        tried.add((counts[a], counts[b], rest))
        gains = [np.diff(2 * d / (c + d)) for c in rest for d in [np.arange(c + 1)]]
        d_b = np.arange(counts[b] + 1)
        for d_a in range(counts[a] + 1):
            of_b = 2 * d_b / np.maximum(counts[b] + counts[a] - d_a + d_b, 1)
            sorted_gains = np.sort(np.concatenate([np.diff(of_b), *gains]))[::-1]
            others = np.concatenate([[0], np.cumsum(sorted_gains)])
            k = d_a + np.arange(len(others))
            of_a = 2 * d_a / np.maximum(2 * d_a + n - k, 1)
            best[k] = np.maximum(best[k], (of_a + others) / classes)
    return best


def _smallest(counts: tuple[int, ...]) -> np.ndarray:
    n, classes = sum(counts), len(counts)
    best = np.ones(n + 1)
    tried = set()
    for x in range(classes):
        for size in range(classes):
            for right in itertools.combinations([c for c in range(classes) if c != x], size):
                whole = tuple(sorted(counts[c] for c in right))
                if (counts[x], whole) in tried:
                    continue
                tried.add((counts[x], whole))
                k = sum(whole) + np.arange(counts[x] + 1)
                d = np.vstack([*(np.full(len(k), float(c)) for c in whole), k - sum(whole)])
                sizes = np.array([*whole, counts[x]], dtype=float)[:, None] + d
                value = (2 * d / (sizes + _worst_errors(d, sizes, n - k))).sum(axis=0) / classes
                best[k] = np.minimum(best[k], value)
    return best


def _worst_errors(d: np.ndarray, sizes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    # Errors per class that make the sum of 2 d / (sizes + f) least; classes whose share is negative leave in turn.
    takes = d > 0
    for _ in range(len(d)):
        weight = np.sqrt(d) * takes
        share = (errors + (sizes * takes).sum(axis=0)) / np.maximum(weight.sum(axis=0), 1e-300)
        given = np.where(takes, weight * share - sizes, 0)
        stays = takes & (given >= 0)
        if (stays == takes).all():
            break
        takes = stays
    return np.maximum(given, 0)


def compositions(totals: Sequence[int], folds: int, n: int) -> set[tuple[int, ...]]:
    """Return how many utterances of each class a stratified fold of n can have (sorted, as order does not matter).

    Each class gives a fold its share of `totals`, rounded down or up. Empty if that cannot make n.
    """
    floors = [total // folds for total in totals]
    open_classes = [c for c, total in enumerate(totals) if total % folds]
    extra = n - sum(floors)
    if not 0 <= extra <= len(open_classes):
        return set()
    chosen = itertools.combinations(open_classes, extra)
    return {tuple(sorted(f + (c in more) for c, f in enumerate(floors))) for more in chosen}


def between(
    folds: Iterable[tuple[int, ...]], units: int, rule: str, full: int
) -> tuple[float, float, str] | tuple[None, None, str]:
    """Bound macro-F1 where accuracy was printed as `units`.

    Parameters
    ----------
    folds
        Class counts of the test sets that come in question.
    units, rule, full
        As in `granularity.hits`.

    Returns
    -------
    Smallest and largest macro-F1 (from 0 to 1), and what they hold for. "one fold" where a test set can have this
    accuracy. Else "mean of folds": then each fold is between its own bounds, so the mean is between the convex
    minorant of the smallest and the concave majorant of the largest values. (None, None, "nothing") without folds.
    """
    low, high, curves = [], [], []
    for counts in folds:
        smallest, largest = bounds(counts)
        n = sum(counts)
        curves.append((np.arange(n + 1) / n, smallest, largest))
        for k in granularity.hits(n, units, rule, full):
            low.append(float(smallest[k]))
            high.append(float(largest[k]))
    if low:
        return min(low), max(high), "one fold"
    if not curves:
        return None, None, "nothing"
    share = np.concatenate([curve[0] for curve in curves])
    at = units / full
    least = -_majorant(share, -np.concatenate([curve[1] for curve in curves]), at)
    return least, _majorant(share, np.concatenate([curve[2] for curve in curves]), at), "mean of folds"


def _majorant(x: np.ndarray, y: np.ndarray, at: float) -> float:
    # The upper convex hull of points, by Andrew's monotone chain, read off at one place.
    hull: list[tuple[float, float]] = []
    for px, py in sorted(zip(x.tolist(), y.tolist(), strict=True)):
        while hull and hull[-1][0] == px and hull[-1][1] <= py:
            hull.pop()
        if hull and hull[-1][0] == px:
            continue
        while len(hull) > 1 and _turns_left(hull[-2], hull[-1], (px, py)):
            hull.pop()
        hull.append((px, py))
    return float(np.interp(at, [px for px, _ in hull], [py for _, py in hull]))


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0])
