"""Scaling by a corpus's or a speaker's own mean and variance: it takes the audio that is tested, and no labels."""

import numpy as np
import pandas as pd

GROUPS = {"corpus": None, "speaker": "speaker"}
"""Scalings that are made of all utterances of a group: the column of the group, None for the whole corpus."""


def scaled(X: np.ndarray, utterances: pd.DataFrame, scaling: str) -> np.ndarray:
    """Return embeddings with mean 0 and variance 1 within each group, by dimension.

    All utterances of a group count, those of test folds too: what is tested is known as a whole, without its
    labels, and with ``speaker`` it is known who speaks. That is another question than that of the paper.

    Parameters
    ----------
    X
        Embeddings of one corpus, float32 [utterances, dim].
    utterances
        Their table, with `speaker`; utterances without one are a group of their own.
    scaling
        The setting. Of those that are not in `GROUPS`, embeddings are returned as they are: they are scaled, if at
        all, where a head is trained.

    Returns
    -------
    Float32 [utterances, dim]. A dimension without variance in a group becomes 0 there.
    """
    if scaling not in GROUPS:
        return X
    column = GROUPS[scaling]
    label = pd.Series("", utterances.index) if column is None else utterances[column].fillna("")
    found = np.empty_like(X)
    for rows in label.groupby(label.to_numpy()).indices.values():
        part = X[rows].astype(np.float64)
        spread = part.std(axis=0)
        found[rows] = (part - part.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return found
