"""How much of what does not carry over between corpora is a shift of mean and variance (`make scaling`)."""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd
import yaml

from crosscorpus.base import devices, paths, versions
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.training import evaluate, profiles
from crosscorpus.verdict import study_files

PROFILE = paths.ROOT / "profiles" / "scaling.yaml"
RESULTS = paths.DATA / "results" / "scaling.csv"
SCALINGS = ("standardise", "corpus", "speaker")
"""By the training part's statistics, by each corpus's own, and by each speaker's own."""
COLUMNS = ["scaling", *metrics.CELL, *metrics.METRICS]


def run(profile: dict[str, Any], workers: int = 0, with_heads: bool = False) -> pd.DataFrame:
    """Train what is not stored yet, and return scores with each scaling.

    Parameters
    ----------
    profile
        Such as `profiles/scaling.yaml`.
    workers
        See `evaluate.results`.
    with_heads
        Whether the profile's heads are run as well as its baselines, which takes many times longer.

    Returns
    -------
    A row for each scaling and cell: `COLUMNS`; scores are means over folds, in percent. Cells that are scored on
    other emotions than the protocol's are left out.
    """
    tables = []
    for scaling in SCALINGS:
        overrides = ",".join(filter(None, [profile["overrides"], f"scaling={scaling}"]))
        settings = protocol_settings.load(overrides)
        heads = [*profile["baselines"], *(profile["heads"] if with_heads else [])]
        sides = (
            profile["ptms"],
            profile["corpora"],
            profile["corpora"],
            heads,
            profile["regimes"],
            profile["seeds"],
        )
        counts = evaluate.results(*sides, settings, source=profile["source"], workers=workers).counts
        alike = label_sets.alike(counts, settings["emotions"])
        tables.append(metrics.summary(metrics.per_fold(alike)).assign(scaling=scaling))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def carried_over(table: pd.DataFrame, metric: str = "uar") -> pd.DataFrame:
    """Condense a table of results: what is lost across corpora, and what scaling brings back.

    Parameters
    ----------
    table
        What `run` returns, of one regime.
    metric
        One of `metrics.METRICS`.

    Returns
    -------
    A row for each head and model, in percent: head, ptm, within (mean over corpora, by the training part's
    statistics), `<scaling>` for each of `SCALINGS` (mean over pairs of corpora), and, in percent of the loss
    across corpora with the first of them, `back_corpus` and `back_speaker`: how much of it the others bring back.
    """
    same = table["train_corpus"] == table["test_corpus"]
    keys = ["head", "ptm"]
    inside = table[same & (table["scaling"] == SCALINGS[0])].groupby(keys, sort=False)[metric].mean()
    across = table[~same].groupby([*keys, "scaling"], sort=False)[metric].mean().unstack()[list(SCALINGS)]
    found = across.assign(within=inside)
    loss = found["within"] - found[SCALINGS[0]]
    for scaling in SCALINGS[1:]:
        found[f"back_{scaling}"] = 100 * (found[scaling] - found[SCALINGS[0]]) / loss
    columns = ["within", *SCALINGS, *(f"back_{scaling}" for scaling in SCALINGS[1:])]
    return found[columns].rename_axis(columns=None).reset_index()


def wide(table: pd.DataFrame, metric: str = "uar") -> pd.DataFrame:
    """Return one metric with a column for each scaling: head, train_corpus, test_corpus, ptm, `SCALINGS`."""
    keys = ["head", "train_corpus", "test_corpus", "ptm"]
    found = table.pivot(index=keys, columns="scaling", values=metric)[list(SCALINGS)]
    return found.rename_axis(columns=None).reset_index()


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "scaling")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study (see `--help`)."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.scaling_effects", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    parser.add_argument("--heads", action="store_true", help="run the profile's heads as well")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = run(profile, given.workers, given.heads)
    facts = {
        **{key: profile[key] for key in ("profile", "ptms", "corpora", "baselines", "regimes", "seeds")},
        "heads": profile["heads"] if given.heads else [],
        "device": versions.of_device(devices.choose_device("auto")),
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(f"{paths.shown(RESULTS)}: {len(table)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
