"""What extraction and training cost: fitted from the records of a run, and predicted for larger ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import paths, progress, safe_yaml
from crosscorpus.embeddings import store_folders
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "costs.csv"
GPU = paths.DATA / "results" / "gpu.csv"
COLUMNS = [
    *("ptm", "networks", "corpora", "hours", "fixed_s", "s_per_hour", "away", "memory", "bytes_per_hour"),
    "operations_per_hour",
]
FITTED = ["ptm", "corpora", "hours", "fixed_s", "s_per_hour", "away", "bytes_per_hour"]
TRUE = "full"
"""What `networks` is where they are of the true size: the others' time says nothing of a large run's."""
RATE = "hours of speech an hour"
"""What the table of `benchmarks.gpu` calls the rate of an extraction."""


def settings() -> dict[str, Any]:
    """Return `data/costs.yaml`: workloads, machines, and what is assumed."""
    return safe_yaml.read((paths.DATA / "costs.yaml").read_text(encoding="utf-8"))


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table of costs, and what made it; no rows and no facts where it is not there."""
    try:
        return study_files.read(RESULTS, "rehearsal", dtype={"corpora": "Int64"})
    except store_folders.NotStoredError:
        return pd.DataFrame(columns=COLUMNS), {}


def gpu_results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table of `make check-gpu`, and what made it; no rows and no facts where it is not."""
    try:
        return study_files.read(GPU, "check-gpu")
    except store_folders.NotStoredError:
        return pd.DataFrame(columns=["check", "model", "dtype", "what", "value", "bar", "passed"]), {}


def fit(runs: pd.DataFrame) -> pd.DataFrame:
    """Fit the cost of extraction by model.

    Parameters
    ----------
    runs
        A row for each corpus and model: `ptm`, `corpus`, `hours` (of speech), `cpu_s` (processor time of all
        processes) and `bytes` (of embeddings).

    Returns
    -------
    A row for each model: `ptm`; `corpora`, how many; their `hours`; `fixed_s`, seconds of processor time for each
    corpus, and `s_per_hour`, for each hour of speech, neither below 0 (least squares); `away`, the mean distance
    from measured seconds, in percent of them; `bytes_per_hour`. With one corpus alone, nothing is taken as fixed.
    """
    rows = []
    for ptm, own in runs.groupby("ptm", sort=False):
        hours, seconds = own["hours"].to_numpy(float), own["cpu_s"].to_numpy(float)
        design = np.column_stack([np.full(len(own), float(len(own) > 1)), hours])
        (fixed, slope), _ = scipy.optimize.nnls(design, seconds)
        away = 100 * float(np.mean(np.abs(design @ [fixed, slope] - seconds) / seconds))
        of_bytes = float(own["bytes"].sum()) / float(hours.sum())
        rows.append((ptm, len(own), float(hours.sum()), fixed, slope, away, of_bytes))
    return pd.DataFrame(rows, columns=FITTED)


def on_cpus(costs: pd.DataFrame, hours: float, cores: int) -> pd.DataFrame:
    """Predict extraction on CPUs alone.

    Parameters
    ----------
    costs
        As `fit` returns it, with `networks`.
    hours
        Of speech.
    cores
        That share the work evenly.

    Returns
    -------
    `ptm`, `duration` in hours, missing for networks that are not of the true size, and `gigabytes` of embeddings.
    """
    seconds = (costs["fixed_s"] + hours * costs["s_per_hour"]).where(costs["networks"] == TRUE)
    stored = hours * costs["bytes_per_hour"] / 1e9
    return pd.DataFrame({"ptm": costs["ptm"], "duration": seconds / 3600 / cores, "gigabytes": stored})


def on_gpus(
    costs: pd.DataFrame, hours: float, gpus: int, assumed: Mapping[str, Any], measured: pd.DataFrame
) -> pd.DataFrame:
    """Predict extraction on GPUs.

    Parameters
    ----------
    costs
        With `ptm` and `operations_per_hour`: what an hour of speech takes, where it is known.
    hours, gpus
        Of speech, and how many share it evenly.
    assumed
        `operations` a second of a card, and the `share` of them that is reached.
    measured
        The table of `benchmarks.gpu`; its rates take the place of what is assumed.

    Returns
    -------
    `ptm`, `duration` in hours, missing where nothing tells it, and `by`: `measured`, `assumed` or "".
    """
    rows = []
    rates = measured[measured["what"] == RATE]
    for cost in costs.itertuples():
        own = rates[rates["model"].str.startswith(f"{cost.ptm} (")]
        if len(own):
            rows.append((cost.ptm, hours / float(own["value"].astype(float).max()) / gpus, "measured"))
            continue
        seconds = hours * cost.operations_per_hour / (assumed["operations"] * assumed["share"]) / gpus
        rows.append((cost.ptm, seconds / 3600, "assumed" if np.isfinite(seconds) else ""))
    return pd.DataFrame(rows, columns=["ptm", "duration", "by"])


def to_predict_from(costs: pd.DataFrame) -> pd.DataFrame:
    """Return a row of costs for each model: that of its network of the true size, where this was measured."""
    true_first = costs.sort_values("networks", key=lambda networks: networks != TRUE, kind="stable")
    chosen = true_first.drop_duplicates("ptm").set_index("ptm")
    return chosen.loc[costs["ptm"].drop_duplicates()].reset_index()


def predictions(costs: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Predict extraction of all workloads of `settings` on all its machines.

    Returns
    -------
    `ptm`, `workload`, a column of hours for each machine, `by` (of the GPUs'; see `on_gpus`) and `gigabytes`.
    """
    known, tables, costs = settings(), [], to_predict_from(costs)
    for name, workload in known["workloads"].items():
        table = pd.DataFrame({"ptm": costs["ptm"], "workload": name})
        for cores in known["cores"]:
            cpus = on_cpus(costs, workload["hours"], cores)
            table[f"{cores} cores"] = cpus["duration"]
        for gpus in known["gpus"]:
            cards = on_gpus(costs, workload["hours"], gpus, known["gpu"], measured)
            table[f"{gpus} GPU" + "s" * (gpus > 1)] = cards["duration"]
        tables.append(table.assign(by=cards["by"], gigabytes=cpus["gigabytes"]))
    return pd.concat(tables, ignore_index=True)


def together(predicted: pd.DataFrame) -> pd.DataFrame:
    """Return what all models take together, as far as each is known, one after the other.

    Parameters
    ----------
    predicted
        As `predictions` returns it.

    Returns
    -------
    `workload`, `machine`, `models` (how many are known there) and `duration` in hours; in the order of `settings`.
    """
    machines = [column for column in predicted if column not in ("ptm", "workload", "by", "gigabytes")]
    long = predicted.melt(["ptm", "workload"], machines, "machine", "duration").dropna(subset="duration")
    by = long.groupby(["workload", "machine"], sort=False)["duration"]
    found = pd.DataFrame({"models": by.size(), "duration": by.sum()})
    order = [(name, machine) for name in settings()["workloads"] for machine in machines]
    return found.loc[[one for one in order if one in found.index]].reset_index()


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `predictions` or `together` with its durations as a person says them: 8 s, 2 h 10 min."""
    hours = [column for column in table if column.endswith(("cores", "GPU", "GPUs")) or column == "duration"]
    said = {
        column: [progress.duration(3600 * one) if np.isfinite(one) else None for one in table[column]]
        for column in hours
    }
    return table.assign(**said)
