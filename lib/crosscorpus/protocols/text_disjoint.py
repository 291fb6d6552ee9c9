"""Training without the speakers and without the texts of what is tested.

Speakers and texts are dealt at random into groups. What is tested has a group of either; what is trained on has
neither. The same without regard to texts, whole and with as few utterances, tells what texts cost beside data.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

CONDITIONS = ("speaker-disjoint", "matched", "speaker-text")
"""Training without the test speakers; the same with as few utterances as the last; and without the texts, too."""


@dataclass(frozen=True)
class Split:
    """One test part, and what is trained on in each of `CONDITIONS`: indices of a table's rows."""

    test: np.ndarray
    train: dict[str, np.ndarray]


def why_not(utterances: pd.DataFrame) -> str:
    """Return why a corpus cannot be dealt so, "" where it can: it takes two speakers and two texts, all known."""
    for column, what in (("speaker", "speakers"), ("text_id", "texts")):
        values = utterances[column].fillna("")
        if (values == "").any():
            return f"its table does not name all {what}"
        if values.nunique() < 2:
            return f"all utterances share {what}"
    return ""


def splits(utterances: pd.DataFrame, n_groups: int, seed: int) -> list[Split]:
    """Return the splits of one deal; together they test every utterance once.

    Parameters
    ----------
    utterances
        Table with `speaker`, `text_id` and `emotion`.
    n_groups
        Into how many groups speakers, and texts, are dealt; as many as there are, where these are fewer.
    seed
        Of the deal, and of the draw of the matched training sets.

    Returns
    -------
    A split for each pair of groups that has utterances and leaves something to train on. The matched training set
    has as many utterances of each emotion as the one without speakers and texts, of those without the speakers.

    Raises
    ------
    ValueError
        It cannot be dealt, see `why_not`.
    """
    if reason := why_not(utterances):
        raise ValueError(f"no text-disjoint folds: {reason}")
    rng = np.random.default_rng(seed)
    speaker, text = (_dealt(utterances[column], n_groups, rng) for column in ("speaker", "text_id"))
    emotion = utterances["emotion"].to_numpy()
    found = []
    for i in range(speaker.max() + 1):
        for j in range(text.max() + 1):
            test = np.flatnonzero((speaker == i) & (text == j))
            others = np.flatnonzero(speaker != i)
            apart = others[text[others] != j]
            if len(test) and len(apart):
                matched = np.concatenate(
                    [
                        rng.permutation(others[emotion[others] == one])[: (emotion[apart] == one).sum()]
                        for one in np.unique(emotion[apart])
                    ]
                )
                train = {"speaker-disjoint": others, "matched": np.sort(matched), "speaker-text": apart}
                found.append(Split(test, train))
    return found


def _dealt(values: "pd.Series[str]", n_groups: int, rng: np.random.Generator) -> np.ndarray:
    names = sorted(values.unique())
    group = np.arange(len(names)) % n_groups
    of = dict(zip(names, rng.permutation(group), strict=True))
    return values.map(of).to_numpy()
