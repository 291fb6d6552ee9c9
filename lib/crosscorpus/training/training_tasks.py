"""What one training takes, and which part of it is held out for early stopping.

Nothing here loads what trains heads: baselines are trained on the same parts.
"""

from dataclasses import dataclass

import numpy as np

from crosscorpus.protocols.protocol_settings import Protocol

LARGEST_SHARE = 0.3
"""More of a training set is never held out for early stopping to keep a group whole: then utterances are drawn."""
DRAWS = 50
"""Orders of groups that are tried, at most, for a validation part near the share that is asked for."""


@dataclass(frozen=True)
class Task:
    """What one training takes.

    Attributes
    ----------
    head
        Name, see `heads.HEADS`.
    X, y
        Embeddings, float32 [utterances, dim], and classes, integers from 0, [utterances].
    groups
        What the validation split keeps together (speakers, say), [utterances].
    n_classes
        How many classes there are, whether or not all occur in `y`.
    seed
        Decides the validation split, the initial weights, the order of batches and dropout.
    held_out
        Which utterances are the part for early stopping, bool [utterances], where a published split has one; None
        to split it off by the protocol.
    """

    head: str
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    n_classes: int
    seed: int
    held_out: np.ndarray | None = None


def parts(task: Task, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of what is trained on, and of what is held out for early stopping, which may be nothing."""
    if task.held_out is not None:
        return np.flatnonzero(~task.held_out), np.flatnonzero(task.held_out)
    if len(task.y) >= protocol["fixed_epochs_below"]:
        return split_validation(task.y, task.groups, protocol["validation_share"], task.seed)
    return np.arange(len(task.y)), np.arange(0)


def split_validation(y: np.ndarray, groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a training set for early stopping: near the share, groups kept whole, every class left to train on.

    Where groups are single utterances, classes are dealt evenly. Larger groups (speakers) are drawn by the seed;
    where no draw stays below `LARGEST_SHARE`, or leaves every class to train on, utterances are drawn instead,
    whose speakers are trained on too: it is the test folds that no speaker of the training set is in.

    Parameters
    ----------
    y, groups
        Class and group of each utterance, [utterances].
    share
        Of the utterances to split off, between 0 and 0.5.
    seed
        Of the draw.

    Returns
    -------
    Indices of the training and of the validation part; the latter is empty where no utterance can be spared.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    single = len(first) > len(y) / 2 and (y == y[first][group]).all()
    n_splits = round(1 / share)
    if single and np.bincount(y[first])[np.unique(y)].min() >= n_splits:
        from sklearn.model_selection import StratifiedKFold

        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
        _, held_out = next(iter(splitter.split(first, y[first])))
        held = np.isin(group, held_out)
    elif single:
        held = np.isin(group, _draw_evenly(y[first], share, seed))
    else:
        of_groups = _draw_groups(y, group, share, seed)
        by_utterance = np.isin(np.arange(len(y)), _draw_evenly(y, share, seed))
        held = by_utterance if of_groups is None else of_groups
    return np.flatnonzero(~held), np.flatnonzero(held)


def _draw_evenly(y: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return positions of about a share of y, one at least if possible; of each class in proportion, never all."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(y)
    wanted = share * counts
    taken = np.floor(wanted).astype(int)
    for kind in np.lexsort((rng.permutation(len(counts)), taken - wanted)):
        if taken.sum() < max(1, round(share * len(y))) and taken[kind] < counts[kind] - 1:
            taken[kind] += 1
    of_classes = [rng.permutation(np.flatnonzero(y == kind))[:n] for kind, n in enumerate(taken)]
    return np.concatenate(of_classes)


def _draw_groups(y: np.ndarray, group: np.ndarray, share: float, seed: int) -> np.ndarray | None:
    """Return which utterances are of groups that together come near a share, [utterances]; None where none do.

    In a random order, groups are taken as long as each brings the sum nearer to the share.
    """
    rng = np.random.default_rng(seed)
    n_of = np.zeros((group.max() + 1, y.max() + 1), dtype=int)
    np.add.at(n_of, (group, y), 1)
    sizes, target = n_of.sum(axis=1), share * len(y)
    drawn = []
    for _ in range(DRAWS):
        held: list[int] = []
        n_held, left = 0, n_of.sum(axis=0)
        for one in rng.permutation(len(sizes)):
            nearer = abs(n_held + sizes[one] - target) < abs(n_held - target)
            if (nearer or not held) and (left - n_of[one] >= (left > 0)).all():
                held.append(one)
                n_held, left = n_held + sizes[one], left - n_of[one]
        if held and n_held <= LARGEST_SHARE * len(y):
            drawn.append((abs(n_held - target), held))
            if drawn[-1][0] <= target / 4:
                return np.isin(group, held)
    if not drawn:
        return None
    nearest = min(distance for distance, _ in drawn)
    alike = [held for distance, held in drawn if distance <= 1.25 * nearest]
    return np.isin(group, alike[rng.integers(len(alike))])
