"""Whether a recording is unlike all speech that a head was trained or tested on, by measures that can be checked.

- outside: percent of its embedding's dimensions that are outside the range of that speech, in which every corpus
  counts the same. Each corpus in turn is left out (each speaker, where there is one corpus), and measured against
  the others; so are sounds that are no speech. The limit is where the least speech is warned of for the most
  sounds caught. So speech of a corpus that was not heard passes, on which the head's accuracy was measured too.
- seconds: its duration, which is more than twice as long as all of this speech, or less than half as long.

What the warning is worth is measured, too: on each corpus, and each kind of sound, that had no part in the limit.

Level is no such measure: corpora differ in it by tens of decibels, and most models hardly notice.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

RANGE = 0.98
"""Share of the speech that a dimension's range has inside."""
BEYOND = 2.0
"""How many times shorter or longer than all speech a recording must be for its duration to be unlike."""
SMALLEST = 20
"""With fewer utterances than this, an embedding's ranges mean nothing, and have no limit."""
MEASURES = ["outside", "seconds"]


@dataclass(frozen=True)
class Known:
    """What is known of speech.

    Attributes
    ----------
    low, high
        Ends of the range, [dim].
    shortest, longest
        Durations, in seconds.
    limit
        Of `outside`, in percent; not a number where there was too little to find it.
    """

    low: np.ndarray
    high: np.ndarray
    shortest: float
    longest: float
    limit: float


def know(X: np.ndarray, rows: pd.DataFrame, sounds: np.ndarray) -> Known:
    """Measure speech.

    Parameters
    ----------
    X
        Embeddings, float32 [utterances, dim].
    rows
        `corpus`, `group` (a speaker) and `seconds` of each.
    sounds
        Embeddings of sounds that are no speech, float32 [sounds, dim].
    """
    low, high = _range(X, rows)
    seconds = rows["seconds"].to_numpy(dtype=float)
    limit = _limit(_left_out(X, rows), _outside(sounds, low, high))
    return Known(low, high, float(seconds.min()), float(seconds.max()), limit)


def _range(X: np.ndarray, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends [dim] of the range of each dimension, in which every corpus counts the same."""
    counting = 1 / rows.groupby("corpus")["corpus"].transform("size").to_numpy(dtype=float)
    ends = [(1 - RANGE) / 2, (1 + RANGE) / 2]
    low, high = np.quantile(X, ends, axis=0, weights=counting, method="inverted_cdf")
    return low, high


def _outside(X: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the percentage of dimensions that are outside a range, [rows of X]."""
    return 100 * ((low > X) | (high < X)).mean(axis=1)


def _left_out(X: np.ndarray, rows: pd.DataFrame) -> list[np.ndarray]:
    """Return `outside` of the utterances of each corpus (speaker of the only one), by the range of the others."""
    parts = rows["corpus" if len(set(rows["corpus"])) > 1 else "group"].to_numpy()
    here = [parts == part for part in sorted(set(parts))]
    return [_outside(X[one], *_range(X[~one], rows[~one])) for one in here if (~one).sum() >= SMALLEST]


def _limit(speech: list[np.ndarray], sounds: np.ndarray) -> float:
    """Return the limit of `outside` with the smallest sum of speech above it (median over parts) and sounds below.

    Of many that are as good, it is the middle one. Not a number where there is no speech to find it by.
    """
    if not speech:
        return float("nan")
    values = np.unique(np.concatenate([*speech, sounds]))
    above = np.median([(one > values[:, None]).mean(axis=1) for one in speech], axis=0)
    wrong = above + (sounds <= values[:, None]).mean(axis=1)
    best = np.flatnonzero(wrong <= wrong.min() + 1e-9)
    following = values[min(best[-1] + 1, len(values) - 1)]  # up to there, nothing changes
    return float((values[best[0]] + following) / 2)


def measured(known: Known, X: np.ndarray, seconds: np.ndarray) -> pd.DataFrame:
    """Measure recordings, and say what of each is unlike that speech.

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
    rows = []
    for outside, duration in zip(_outside(X, known.low, known.high), seconds, strict=True):
        said = []
        if outside > known.limit:  # never so where the limit is not known
            said.append(
                f"{outside:.0f} % of its embedding is outside the range of known speech, and up to "
                f"{known.limit:.0f} % would pass"
            )
        if not known.shortest / BEYOND <= duration <= known.longest * BEYOND:
            said.append(
                f"it lasts {duration:.2f} s, where known speech lasts {known.shortest:.2f} to "
                f"{known.longest:.2f} s"
            )
        rows.append((outside, duration, "; ".join(said)))
    return pd.DataFrame(rows, columns=[*MEASURES, "unlike"])


def worth(X: np.ndarray, rows: pd.DataFrame, sounds: np.ndarray, kinds: np.ndarray) -> pd.DataFrame:
    """Measure the warning on corpora and sounds that had no part in it, each left out in turn.

    Parameters
    ----------
    X, rows, sounds
        See `know`.
    kinds
        What each sound is; all of a kind are left out together.

    Returns
    -------
    `left_out`, `is_speech`, `n`, `warned` (percent): a row for each corpus that leaves two or more others, and
    for each kind of sound. Without rows where no limit can be found.
    """
    found = []
    for corpus, part in rows.groupby("corpus", sort=False):
        here = (rows["corpus"] == corpus).to_numpy()
        if len(set(rows.loc[~here, "corpus"])) > 1:
            known = know(X[~here], rows[~here], sounds)
            said = measured(known, X[here], part["seconds"].to_numpy(dtype=float))["unlike"]
            found.append((corpus, True, len(part), 100 * float((said != "").mean())))
    speech, outside = _left_out(X, rows), _outside(sounds, *_range(X, rows))
    for kind in dict.fromkeys(kinds) if speech else []:
        here = kinds == kind
        caught = outside[here] > _limit(speech, outside[~here])
        found.append((kind, False, int(here.sum()), 100 * float(caught.mean())))
    return pd.DataFrame(found, columns=["left_out", "is_speech", "n", "warned"])


def rates(table: pd.DataFrame) -> tuple[float, float]:
    """Return false alarms and sounds caught, in percent, of what `worth` returns.

    The median over corpora, since one unlike the others is warned of whole, and the mean over kinds of sounds; not
    numbers where there are none of them.
    """
    of = table["is_speech"].astype(bool)
    return float(table.loc[of, "warned"].median()), float(table.loc[~of, "warned"].mean())
