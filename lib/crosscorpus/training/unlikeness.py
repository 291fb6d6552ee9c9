"""Whether a recording is unlike all that a head was trained on, by measures that a reader can check.

- outside: percent of its embedding's dimensions that are outside the range of training utterances of about the
  same duration. Each corpus in turn is left out (each speaker, where there is one corpus), and its utterances are
  measured against the others: the limit is what nearly all of them stay below. So speech of a corpus that was not
  heard passes, on which the head's accuracy was measured too; noise and tones do not.
- seconds: its duration, beside that of all training utterances.

Level is no such measure: corpora differ in it by tens of decibels, and most models hardly notice.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

ALIKE = 300
"""Training utterances of the nearest durations that a recording is compared with, at most."""
RANGE = 0.98
"""Share of those utterances that a dimension's range has inside."""
UNHEARD = 0.95
"""Share of utterances of corpora that were left out which are below the limit of `outside`."""
DRAWN = 400
"""Utterances that are left out to find that limit, the same number of each corpus, at most."""
SMALLEST = 20
"""With fewer training utterances than this, an embedding's ranges mean nothing, and have no limit."""
MEASURES = ["outside", "seconds"]


@dataclass(frozen=True)
class Known:
    """What is known of training utterances: embeddings [utterances, dim], durations, the limit of `outside`."""

    X: np.ndarray
    seconds: np.ndarray
    limit: float


def know(X: np.ndarray, rows: pd.DataFrame) -> Known:
    """Measure training utterances.

    Parameters
    ----------
    X
        Embeddings, float32 [utterances, dim].
    rows
        `corpus`, `group` (a speaker) and `seconds` of each.
    """
    counts = rows.groupby("corpus", sort=True).indices
    parts = rows["corpus" if len(counts) > 1 else "group"].to_numpy()
    rng = np.random.default_rng(0)
    share = DRAWN // len(counts)
    drawn = np.concatenate([rng.permutation(places)[:share] for places in counts.values()])
    seconds, found = rows["seconds"].to_numpy(dtype=float), []
    for one in drawn:
        others = parts != parts[one]
        if others.sum() >= SMALLEST:
            found.append(_outside(X[one], X[others], _alike(seconds[others], seconds[one])))
    limit = float(np.quantile(found, UNHEARD)) if found else float("nan")
    return Known(X, seconds, limit)


def _alike(known: np.ndarray, seconds: float) -> np.ndarray:
    """Return the places of the utterances of the nearest durations."""
    return np.argsort(np.abs(np.log(known) - np.log(seconds)), kind="stable")[:ALIKE]


def _outside(x: np.ndarray, X: np.ndarray, alike: np.ndarray) -> float:
    """Return the percentage of dimensions of x [dim] that are outside the range of some rows of X."""
    first = int((1 - RANGE) / 2 * len(alike))
    last = len(alike) - 1 - first
    ends = np.partition(X[alike], [first, last], axis=0)
    return 100 * float(((x < ends[first]) | (x > ends[last])).mean())


def measured(known: Known, X: np.ndarray, seconds: np.ndarray) -> pd.DataFrame:
    """Measure recordings, and say what of each is unlike training.

    Parameters
    ----------
    X
        Embeddings, float32 [recordings, dim], finite.
    seconds
        Durations, [recordings].

    Returns
    -------
    `MEASURES` and `unlike`: what is beyond its limit, in words, "" where nothing is.
    """
    low, high = float(known.seconds.min()), float(known.seconds.max())
    rows = []
    for x, duration in zip(X, seconds, strict=True):
        outside, said = _outside(x, known.X, _alike(known.seconds, duration)), []
        if outside > known.limit:  # never so where the limit is not known
            said.append(
                f"{outside:.0f} % of its embedding is outside the range of training utterances of like duration, "
                f"where {100 * UNHEARD:.0f} % of utterances of a corpus that was left out stay below "
                f"{known.limit:.0f} %"
            )
        if not low <= duration <= high:
            said.append(f"it lasts {duration:.2f} s, where training utterances last {low:.2f} to {high:.2f} s")
        rows.append((outside, duration, "; ".join(said)))
    return pd.DataFrame(rows, columns=[*MEASURES, "unlike"])
