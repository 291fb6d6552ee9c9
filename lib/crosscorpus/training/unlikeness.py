"""Whether a recording is unlike all that a head was trained on, by measures that a reader can check.

- outside: percent of its embedding's dimensions that are outside the range of training utterances of about the same
  duration. Each corpus in turn is left out (each speaker, where there is one corpus), and its utterances are measured
  against the others: the limit is what nearly all of them stay below. So speech of a corpus that was not heard passes,
  on which the head's accuracy was measured too; noise and tones do not.
- level: root mean square relative to full scale (dB), beside that of all training utterances.
- seconds: its duration, beside all of them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

ALIKE = 300
"""Training utterances of the nearest durations that a recording is compared with, at most."""
RANGE = 0.98
"""Share of those utterances that a dimension's range has inside."""
WITHIN = 0.99
"""Share of utterances that the limits of the level leave inside."""
UNHEARD = 0.95
"""Share of utterances of corpora that were left out which are below the limit of `outside`."""
DRAWN = 400
"""Utterances that are left out to find that limit, the same number of each corpus, at most."""
SMALLEST = 20
"""With fewer training utterances than this, an embedding's ranges mean nothing, and have no limit."""
MEASURES = ["outside", "level", "seconds"]


@dataclass(frozen=True)
class Known:
    """What is known of training utterances: embeddings, `MEASURES` but for the first, and the limit of the first."""

    X: np.ndarray
    table: pd.DataFrame
    limit: float


def know(X: np.ndarray, rows: pd.DataFrame) -> Known:
    """Measure training utterances.

    Parameters
    ----------
    X
        Embeddings, float32 [utterances, dim].
    rows
        `corpus`, `group` (a speaker), `seconds`, and `level_dbfs`, which may be missing.
    """
    column = "corpus" if rows["corpus"].nunique() > 1 else "group"
    parts = rows[column].to_numpy()
    counts = rows.groupby("corpus", sort=True).indices
    rng = np.random.default_rng(0)
    share = DRAWN // len(counts)
    drawn = np.concatenate([rng.permutation(places)[:share] for places in counts.values()])
    seconds, found = rows["seconds"].to_numpy(dtype=float), []
    for one in drawn:
        others = parts != parts[one]
        if others.sum() >= SMALLEST:
            found.append(_outside(X[one], X[others], _alike(seconds[others], seconds[one])))
    limit = float(np.quantile(found, UNHEARD)) if found else float("nan")
    return Known(X, pd.DataFrame(_of_sound(rows)), limit)


def _of_sound(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        "level": rows["level_dbfs"].to_numpy(dtype=float),
        "seconds": rows["seconds"].to_numpy(dtype=float),
    }


def _alike(known: np.ndarray, seconds: float) -> np.ndarray:
    """Return the places of the utterances of the nearest durations."""
    return np.argsort(np.abs(np.log(known) - np.log(seconds)), kind="stable")[:ALIKE]


def _outside(x: np.ndarray, X: np.ndarray, alike: np.ndarray) -> float:
    """Return the percentage of dimensions of x [dim] that are outside the range of some rows of X."""
    first = int((1 - RANGE) / 2 * len(alike))
    last = len(alike) - 1 - first
    ends = np.partition(X[alike], [first, last], axis=0)
    return 100 * float(((x < ends[first]) | (x > ends[last])).mean())


def measured(known: Known, X: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Measure recordings, and say what of each is unlike training.

    Parameters
    ----------
    X
        Embeddings, float32 [recordings, dim], finite.
    rows
        `seconds` and `level_dbfs` of each.

    Returns
    -------
    `MEASURES` and `unlike`: what is beyond its limit, in words, "" where nothing is.
    """
    table, said = pd.DataFrame(_of_sound(rows)), []
    table.insert(0, "outside", np.nan)
    level = _ends(known.table["level"])
    duration = (float(known.table["seconds"].min()), float(known.table["seconds"].max()))
    for n, row in enumerate(table.to_dict("records")):
        alike = _alike(known.table["seconds"].to_numpy(), row["seconds"])
        row["outside"] = table.loc[n, "outside"] = _outside(X[n], known.X, alike)
        limits = {"outside": (0.0, known.limit), "level": level, "seconds": duration}
        said.append(_said(row, limits))
    return table.assign(unlike=said)


def _ends(values: pd.Series) -> tuple[float, float]:
    there = values.dropna().to_numpy()
    low, high = np.quantile(there, [(1 - WITHIN) / 2, (1 + WITHIN) / 2]) if len(there) else (np.nan, np.nan)
    return float(low), float(high)


SAID = {
    "outside": "{value:.0f} % of its embedding is outside the range of training utterances of like duration, where "
    f"{100 * UNHEARD:.0f} % of utterances of a corpus that was left out stay below "
    "{high:.0f} %",
    "level": "its level is {value:.1f} dB, "
    f"where {100 * WITHIN:.0f} % of training utterances are between "
    "{low:.1f} and {high:.1f} dB",
    "seconds": "it lasts {value:.2f} s, where training utterances last {low:.2f} to {high:.2f} s",
}


def _said(row: dict[str, float], limits: dict[str, tuple[float, float]]) -> str:
    said = []
    for measure in MEASURES:
        value, (low, high) = row[measure], limits[measure]
        if value < low or value > high:  # never so where a limit is not known
            said.append(SAID[measure].format(value=value, low=low, high=high))
    return "; ".join(said)
