"""Deal utterances into folds: each emotion evenly, or whole groups (speakers, say), which are never parted."""

import warnings

import numpy as np
import pandas as pd


def evenly(utterances: pd.DataFrame, together: pd.Series, first: list[str], n_folds: int, seed: int) -> np.ndarray:
    """Return a fold (from 1) for each utterance: each emotion evenly over the folds, those of `first` first.

    `together` has a label per utterance: those with the same are in one fold.
    """
    # scikit-learn's StratifiedKFold evens out each class; this evens out the sum of the paper's five as well,
    # so that every test fold has the size that the paper's accuracies can be counted in.
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(utterances), dtype=int)
    total = np.zeros(n_folds, dtype=int)
    emotions = [*first, *sorted(set(utterances["emotion"]) - set(first))]
    fold_of: dict[str, int] = {}  # identical audio can carry two labels: the second follows the first
    for emotion in emotions:
        members = utterances.index[utterances["emotion"] == emotion]
        units = [list(unit) for _, unit in members.to_series().groupby(together[members], sort=True)]
        units = sorted((units[i] for i in rng.permutation(len(units))), key=len, reverse=True)
        of_emotion = np.zeros(n_folds, dtype=int)
        for unit in units:
            group = together[unit[0]]
            chosen = fold_of.get(group, min(range(n_folds), key=lambda f: (of_emotion[f], total[f], f)))
            fold_of[group] = chosen
            fold[unit] = chosen + 1
            of_emotion[chosen] += len(unit)
            total[chosen] += len(unit)
    return fold


def by_group(utterances: pd.DataFrame, together: pd.Series, n_folds: int, seed: int) -> np.ndarray:
    """Return a fold (from 1) for each utterance: groups are kept whole, emotions as even as they then can be."""
    names_of, of_group = np.unique(together, return_inverse=True)
    if len(names_of) <= n_folds:  # leave one out
        return of_group + 1
    if utterances["emotion"].value_counts().max() < n_folds:  # which scikit-learn's splitter refuses
        return _deal_groups(of_group, n_folds, seed)
    from sklearn.model_selection import StratifiedGroupKFold  # takes seconds, and most folds are read, not dealt

    fold = np.zeros(len(utterances), dtype=int)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # an emotion with fewer utterances than folds; pages say so
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, test) in enumerate(splitter.split(utterances, utterances["emotion"], together), start=1):
            fold[test] = number
    return fold if fold.min() and len(set(fold)) == n_folds else _deal_groups(of_group, n_folds, seed)


def _deal_groups(of_group: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    sizes = np.bincount(of_group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    total = np.zeros(n_folds, dtype=int)
    fold_of = np.zeros(len(sizes), dtype=int)
    for one in sorted(order, key=lambda group: -sizes[group]):
        fold_of[one] = int(total.argmin())
        total[fold_of[one]] += sizes[one]
    return fold_of[of_group] + 1
