"""Train the paper's cells again and again, with other seeds and with other folds (`make reruns`).

What the same procedure prints from one time to the next is what a published value can be held against: see
`reproduction`.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import joblib
import pandas as pd
import yaml

from crosscorpus.base import devices, paths, table_files, versions, whole_files
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.training import evaluate, profiles, unit_of_work
from crosscorpus.verdict import study_files

PROFILE = paths.ROOT / "profiles" / "reruns.yaml"
RESULTS = paths.DATA / "results" / "reruns.parquet"
DEALS = 20
"""How often folds are dealt anew. Deal k has the seed k for its heads as well."""
COLUMNS = [*metrics.CELL, "deal", "seed", "fold", "n", "accuracy", "macro_f1"]


def plan(profile: dict[str, Any], deals: Iterable[int]) -> list[unit_of_work.Unit]:
    """Return what is trained: every seed of a profile on the committed folds (deal 0), and each other deal once.

    Parameters
    ----------
    profile
        Such as `profiles/reruns.yaml`. Corpora without embeddings of a model are left out.
    deals
        From which folds are dealt anew; none for the committed folds alone.
    """
    settings = protocol_settings.load(profile["overrides"])
    runs = [(0, seed) for seed in profile["seeds"]] + [(deal, deal) for deal in deals]
    units = []
    for ptm, (deal, seed) in itertools.product(profile["ptms"], runs):
        here = list(store.available([ptm], profile["corpora"], profile["source"]).values())
        units += [
            unit_of_work.Unit(head, regime, seed, e, here, settings, deal)
            for regime, head, e in itertools.product(profile["regimes"], profile["heads"], here)
        ]
    return units


def run(units: Sequence[unit_of_work.Unit], workers: int = 0, device: str = "auto") -> pd.DataFrame:
    """Train what is not stored yet, and return the score of every test fold.

    Parameters
    ----------
    units
        See `plan`.
    workers, device
        See `evaluate.results`.

    Returns
    -------
    A row for each cell, deal, seed and fold: `COLUMNS`; n is of test utterances, scores are in percent. Cells that
    are scored on other emotions than the protocol's are left out.
    """
    tables = []
    for unit, (made, _) in zip(units, evaluate.run(units, workers, device), strict=True):
        alike = label_sets.alike(pd.read_parquet(made), unit.protocol["emotions"])
        tables.append(metrics.per_fold(alike).assign(deal=unit.deal))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    study_files.check(RESULTS, "reruns")
    return pd.read_parquet(RESULTS), table_files.read_record(RESULTS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or fewer deals of it (see `--help`)."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.reruns", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--deals", type=int, default=DEALS, help=f"how often folds are dealt anew ({DEALS})")
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = run(plan(profile, range(1, given.deals + 1)), given.workers)
    record = {
        **{key: profile[key] for key in ("profile", "ptms", "corpora", "heads", "regimes", "seeds", "overrides")},
        "deals": given.deals,
        "device": versions.of_device(devices.choose_device("auto")),
        "workers": given.workers or joblib.cpu_count(),
        **study_files.made_since(started),
    }
    target = RESULTS if given.deals == DEALS else paths.BUILD / RESULTS.name
    small = table.astype({"deal": "int16", "seed": "int16", "fold": "int8", "n": "int16"})
    whole_files.replace_file(target, functools.partial(_write, small, record))
    print(f"{paths.shown(target)}: {len(table)} rows, {json.dumps(record)}")


def _write(table: pd.DataFrame, record: dict[str, Any], file: Any) -> None:
    table_files.write(table, file, record)


if __name__ == "__main__":
    main()
