"""Which emotion is taken for which, from predictions or their counts (`count_tables`)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crosscorpus.scores import count_tables


def matrix(predictions: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Return how many utterances of each true emotion got each answer, over all folds and seeds given.

    Rows are true, columns predicted emotions.
    """
    rows = count_tables.rows_by(predictions, "fold")
    true, predicted = (pd.Index(emotions).get_indexer(rows[column]) for column in ("emotion", "predicted"))
    counts = np.zeros((len(emotions), len(emotions)), dtype=int)
    known = (true >= 0) & (predicted >= 0)
    np.add.at(counts, (true[known], predicted[known]), count_tables.times(rows)[known])
    return pd.DataFrame(counts, index=list(emotions), columns=list(emotions))


def percent(predictions: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Return `matrix` in percent of each true emotion; 0 where there is none."""
    counts = matrix(predictions, emotions)
    return (100 * counts.div(counts.sum(axis=1), axis=0)).fillna(0.0)


def largest(percents: pd.DataFrame) -> dict[str, str | float]:
    """Return the largest cell off the diagonal of what `percent` returns: true, predicted, percent."""
    off = percents.where(~np.eye(len(percents), dtype=bool))
    predicted = str(off.max().idxmax())
    return {"true": str(off[predicted].idxmax()), "predicted": predicted, "percent": float(off[predicted].max())}
