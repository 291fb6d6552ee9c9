"""Bounds of macro-F1 against every confusion matrix of small test sets."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from crosscorpus.scores import f1bounds

SMALL = [
    (1, 1),
    (2, 2),
    (4, 1),
    (2, 2, 2),
    (3, 2, 1),
    (4, 3, 2),
    (5, 2, 1),
    (3, 3, 3),
    (2, 2, 1, 1),
    (1, 1, 1, 1, 1),
]


def rows(total, classes):
    """All ways to give `total` utterances one of the classes."""
    if classes == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in rows(total - first, classes - 1)]


def every(counts):
    """Smallest and largest macro-F1 for each number of right answers, over all confusion matrices."""
    n, low, high = sum(counts), np.full(sum(counts) + 1, np.inf), np.full(sum(counts) + 1, -np.inf)
    for matrix in itertools.product(*(rows(size, len(counts)) for size in counts)):
        m = np.array(matrix)
        right = m.diagonal()
        value = np.mean(2 * right / (m.sum(axis=0) + m.sum(axis=1)))
        k = int(right.sum())
        low[k], high[k] = min(low[k], value), max(high[k], value)
    assert np.isfinite(low).all()
    assert len(low) == n + 1
    return low, high


@pytest.mark.parametrize("counts", SMALL, ids=str)
def test_the_largest_value_is_that_of_some_confusion_matrix(counts):
    assert f1bounds.bounds(counts)[1] == pytest.approx(every(counts)[1])


@pytest.mark.parametrize("counts", SMALL, ids=str)
def test_no_confusion_matrix_is_below_the_smallest_value(counts):
    bound, reached = f1bounds.bounds(counts)[0], every(counts)[0]
    assert (bound <= reached + 1e-12).all()
    assert (reached - bound).max() < 0.07  # and it is near: by less with more utterances
    assert bound[[0, -1]] == pytest.approx(reached[[0, -1]])


@pytest.mark.parametrize("counts", [(9, 12, 13, 14, 27), (38, 38, 38, 39, 39), (254, 254, 254, 254, 255)], ids=str)
def test_random_confusion_matrices_are_between(counts):
    low, high = f1bounds.bounds(counts)
    rng = np.random.default_rng(0)
    for _ in range(300):
        true = np.repeat(np.arange(5), counts)
        drawn = rng.choice(5, size=len(true), p=rng.dirichlet([0.3] * 5))
        predicted = np.where(rng.random(len(true)) < rng.random(), true, drawn)
        value, k = f1_score(true, predicted, average="macro", zero_division=0), int((true == predicted).sum())
        assert low[k] - 1e-12 <= value <= high[k] + 1e-12


def test_by_hand_two_classes_of_two():
    # One wrong: class a has 1 of 2 right, b has 2 right and 1 wrong answer: (2/3 + 4/5) / 2.
    low, high = f1bounds.bounds((2, 2))
    assert high[3] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # Two right: both in one class, which then takes all answers (F1 2/3 and 0), or one in each (1/2).
    assert high[2] == pytest.approx(1 / 2)
    assert low[2] == pytest.approx(1 / 3)


def test_by_hand_one_class_takes_all_answers():
    # 15 of 75 right, five classes of 15: F1 is 2 * 15 / (15 + 75) for one class and 0 for the others.
    assert f1bounds.bounds((15,) * 5)[0][15] == pytest.approx(1 / 3 / 5)


@pytest.mark.parametrize("counts", [(9, 12, 13, 14, 27), (15,) * 5], ids=str)
def test_the_ends_are_certain_and_the_bounds_are_in_order(counts):
    low, high = f1bounds.bounds(counts)
    assert (low[0], high[0], low[-1], high[-1]) == pytest.approx((0, 0, 1, 1))
    assert (low <= high + 1e-12).all()


@pytest.mark.parametrize("counts", [(), (5,), (3, 0)])
def test_too_few_classes_are_refused(counts):
    with pytest.raises(ValueError, match="two classes or more"):
        f1bounds.bounds(counts)


# -- classes of a stratified fold -----------------------------------------------------------------------------


def test_balanced_classes_that_divide_leave_no_choice():
    assert f1bounds.compositions([10, 10], 5, 4) == {(2, 2)}


def test_a_rest_goes_to_some_of_the_classes():
    assert f1bounds.compositions([11, 12, 10], 5, 7) == {(2, 2, 3)}
    assert f1bounds.compositions([11, 12, 10], 5, 8) == {(2, 3, 3)}


def test_every_composition_of_an_emodb_fold_has_75():
    found = f1bounds.compositions([127, 46, 69, 71, 62], 5, 75)
    assert len(found) == 10  # two of five classes have one more
    assert {sum(counts) for counts in found} == {75}


def test_a_size_that_no_stratified_fold_has():
    assert f1bounds.compositions([10, 10], 5, 9) == set()


# -- bounds of a published value ------------------------------------------------------------------------------


def test_an_accuracy_of_one_fold_has_the_bounds_of_that_fold():
    low, high = f1bounds.bounds((15,) * 5)
    assert f1bounds.between([(15,) * 5], 7600, "rounding", 10_000) == (low[57], high[57], "one fold")


def test_other_accuracies_have_the_bounds_of_a_mean():
    # 75 % of two utterances in two classes is no k/2. With 0, 1 and 2 right, macro-F1 is 0, 1/3 and 1. The least
    # mean is that of equally many folds with 1 and 2 right, the largest that of one with none and three with both.
    low, high, kind = f1bounds.between([(1, 1)], 7500, "rounding", 10_000)
    assert kind == "mean of folds"
    assert (low, high) == pytest.approx(((1 / 3 + 1) / 2, 3 / 4))


def test_means_of_folds_are_within_the_bounds_of_a_mean():
    counts = (2, 2, 2)
    matrices = [np.array(m) for m in itertools.product(rows(2, 3), repeat=3)]
    scores = [(m.diagonal().sum(), np.mean(2 * m.diagonal() / (m.sum(axis=0) + 2))) for m in matrices]
    for (k1, f1), (k2, f2) in itertools.combinations(scores[::3], 2):
        low, high, _ = f1bounds.between([counts], round(10**6 * (k1 + k2) / 12), "half up", 10**6)
        if (k1 + k2) % 2:
            assert low - 1e-5 <= (f1 + f2) / 2 <= high + 1e-5


def test_without_class_counts_nothing_is_said():
    assert f1bounds.between([], 7600, "rounding", 10_000) == (None, None, "nothing")
