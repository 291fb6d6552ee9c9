"""How often intervals over speakers hold the truth: a simulation that can be run again (`make coverage`)."""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import paths
from crosscorpus.scores import metrics
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "coverage.csv"
SPEAKERS = (6, 10, 24)
"""As many as AESDD, Emo-DB and RAVDESS have."""
UTTERANCES = 40
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness")
SPREAD = 0.8
"""Standard deviation of speakers' difficulty, in logits: scores of speakers then differ by some 15 points."""


def tested(n_speakers: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw predictions of speakers of different difficulty, `UTTERANCES` each, with a head of middling skill.

    Each emotion has a difficulty of its own, the same in all draws. Errors are dealt evenly over the others.
    """
    difficulty = rng.normal(0.7, SPREAD, n_speakers)[:, None] + np.linspace(-0.6, 0.6, len(EMOTIONS))
    speaker = np.repeat(np.arange(n_speakers), UTTERANCES)
    truth = np.tile(np.arange(UTTERANCES) % len(EMOTIONS), n_speakers)
    right = rng.random(len(truth)) < 1 / (1 + np.exp(-difficulty[speaker, truth]))
    guess = np.where(right, truth, (truth + rng.integers(1, len(EMOTIONS), len(truth))) % len(EMOTIONS))
    names = np.array(EMOTIONS)
    cell = dict(zip(metrics.CELL, ("x", "x", "x", "x", "x"), strict=True))
    return pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(len(truth))],
            "speaker": speaker.astype(str),
            "emotion": names[truth],
            "predicted": names[guess],
            "fold": 1,
            "seed": 0,
            "corpus": "x",
        }
    ).assign(**cell)


def simulate(
    speakers: Sequence[int] = SPEAKERS, repetitions: int = 1000, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return how often intervals hold the score of all the speakers that there could be.

    Parameters
    ----------
    speakers
        Numbers of test speakers.
    repetitions
        Draws of speakers, for each number.
    n_resamples
        See `metrics.bootstrap`.
    seed
        Of the draws.

    Returns
    -------
    A row for each number of speakers and metric of `metrics.METRICS`: speakers, metric, repetitions, coverage
    (percent of nominal 95 % intervals that hold the truth) and width (their mean length, in points).
    """
    rng = np.random.default_rng(seed)
    everybody = tested(4000, rng)
    truth = {m: float(v) for m, v in _scores(everybody).items()}
    rows = []
    for n in speakers:
        held: dict[str, list[bool]] = {metric: [] for metric in metrics.METRICS}
        width: dict[str, list[float]] = {metric: [] for metric in metrics.METRICS}
        for _ in range(repetitions):
            drawn = tested(n, rng)
            found = metrics.interval(drawn, drawn, n_resamples=n_resamples).iloc[0]
            for metric in metrics.METRICS:
                low, high = found[f"{metric}_low"], found[f"{metric}_high"]
                held[metric].append(low <= truth[metric] <= high)
                width[metric].append(high - low)
        rows += [(n, m, repetitions, 100 * np.mean(held[m]), np.mean(width[m])) for m in metrics.METRICS]
    return pd.DataFrame(rows, columns=["speakers", "metric", "repetitions", "coverage", "width"])


def _scores(predictions: pd.DataFrame) -> dict[str, np.ndarray]:
    return metrics.score(metrics.counts(predictions, "fold")[0].sum(axis=(0, 1)))


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `simulate`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "coverage")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulation (see `--help`)."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.interval_coverage", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--repetitions", type=int, default=1000, help="draws of speakers for each number (1000)")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = simulate(repetitions=given.repetitions)
    facts = {
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(table.to_string(index=False, float_format="{:.1f}".format))


if __name__ == "__main__":
    main()
