"""Folds without the speakers and without the texts of what is tested, and the control of equal size.

Speakers and texts are dealt into as many groups each. A fold is a pair of groups: the utterances of those speakers
with those texts are tested, and trained on is what has neither. In the control (`speaker-matched`) the groups of
texts change places at random among the utterances of a group of speakers and an emotion: every fold has as many
of each emotion to test and to train on, no test speaker is heard, and texts are. So the two differ in texts alone.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from crosscorpus.corpora import spoken_texts

TRIES = 20
"""Deals into a number of groups, before there is one fewer, where groups of speakers lack groups of texts."""


speakers_and_texts = spoken_texts.told  # guards of scores ask here, as scores know no corpora


class Groups(NamedTuple):
    """Groups of speakers, of texts, and of texts that changed places: whole numbers from 0, [utterances] each."""

    speaker: np.ndarray
    text: np.ndarray
    control: np.ndarray

    @property
    def n(self) -> int:
        """How many groups there are of speakers, and of texts."""
        return int(self.speaker.max()) + 1

    def fold(self, control: bool) -> np.ndarray:
        """Return the fold of each utterance, from 1, [utterances]; see `parts`."""
        return self.speaker * self.n + (self.control if control else self.text) + 1


def parts(fold: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who is trained on and who is tested in one fold, two boolean arrays [utterances].

    `fold` is what `Groups.fold` returns: of n groups, 1 to n² (every group has utterances, so n follows).
    """
    n = math.isqrt(int(fold.max()) - 1) + 1
    speaker, text = np.divmod(fold - 1, n)
    mine = divmod(number - 1, n)
    return (speaker != mine[0]) & (text != mine[1]), fold == number


def why_not(corpus: str, utterances: pd.DataFrame, n_folds: int) -> str:
    """Return why a corpus cannot be dealt so, "" where it can."""
    known = speakers_and_texts(corpus, utterances)
    if not len(known):
        return "it has no utterance that can be used"
    for column, what, where in (("speaker", "speaker", "speaker"), ("text", "text", "text_id")):
        named = set(known[column])
        if "" in named:
            some = "no utterance" if named == {""} else "not every utterance"
            return f"{some} has a {what} that is known ({where})"
        if len(named) == 1:
            return f"all is of one {what}, {min(named)}"
    if deal(corpus, utterances, n_folds, 0) is None:
        return "its speakers say too few texts in common to be parted into groups that all say all groups of texts"
    return ""


def deal(corpus: str, utterances: pd.DataFrame, n_folds: int, seed: int) -> Groups | None:
    """Deal speakers and texts into groups.

    Parameters
    ----------
    corpus
        Id in the registry.
    utterances
        Table with `speaker`, `text_id` and `emotion`, all speakers and texts of it known; see `why_not`.
    n_folds
        How many groups of either, at most: there are no more than speakers or texts, and so few that every group
        of speakers says texts of every group.
    seed
        Of the deal, and of the control.

    Returns
    -------
    The groups, or None where not even two are possible.
    """
    known = speakers_and_texts(corpus, utterances)
    rng = np.random.default_rng(seed)
    most = min(n_folds, *known.nunique())
    for n in [n for n in range(most, 1, -1) for _ in range(TRIES)]:
        speaker, text = (_dealt(known[column], n, rng) for column in known)
        if len(set(speaker * n + text)) == n * n:
            control = text.copy()
            alike = utterances.groupby([speaker, utterances["emotion"].to_numpy()]).indices
            for rows in alike.values():
                control[rows] = rng.permutation(text[rows])
            return Groups(speaker, text, control)
    return None


def _dealt(values: "pd.Series[str]", n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a group from 0 for each value: as many names in each group, at random."""
    names = sorted(values.unique())
    group = rng.permutation(np.arange(len(names)) % n)
    return values.map(dict(zip(names, group, strict=True))).to_numpy()
