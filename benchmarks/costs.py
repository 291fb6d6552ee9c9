"""Fit the cost model from the records of a rehearsal, print it, and keep it in data/results/costs.csv."""

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import measures, rehearsal
from crosscorpus.base import paths, versions
from crosscorpus.embeddings import embedding_files
from crosscorpus.models import model_registry
from crosscorpus.verdict import cost_model, study_files


def seconds_of(folder: Path, step: str) -> float:
    """Return the processor time of a step of the workflow, as Snakemake noted it; NaN where it did not run."""
    file = folder / "project" / "_build" / rehearsal.PROFILE / "timings" / f"{step}.tsv"
    return float(pd.read_csv(file, sep="\t")["cpu_time"].iloc[0]) if file.exists() else np.nan


def runs(folder: Path) -> pd.DataFrame:
    """Return what the extractions of a rehearsal took; see `cost_model.fit` for the columns.

    Raises
    ------
    SystemExit
        None has run; the message says what makes them.
    """
    hours = pd.read_csv(folder / rehearsal.WRITTEN).groupby("corpus", sort=False)["seconds"].sum() / 3600
    rows = []
    for ptm in model_registry.of_paper():
        for corpus, spoken in hours.items():
            stored = folder / "project" / "_build" / "embeddings" / ptm
            for file in stored.glob(f"{corpus}-*.safetensors"):
                took = embedding_files.read_run(file).get("processor_seconds")  # not there, if it was gone on with
                if took:
                    rows.append((ptm, corpus, spoken, float(took), file.stat().st_size))
    if not rows:
        raise SystemExit(f"{paths.shown(folder)}: no extraction has run; `make rehearsal` runs them")
    return pd.DataFrame(rows, columns=["ptm", "corpus", "hours", "cpu_s", "bytes"])


def operations_per_hour(ptm: str) -> float:
    """Return the floating-point operations that an hour of speech takes in a model of the true size, or NaN."""
    if model_registry.get(ptm).loader not in ("wav2vec2", "whisper"):
        return np.nan
    seconds = np.quantile(measures.durations(), (np.arange(20) + 0.5) / 20)
    return 3600 * measures.work(ptm, seconds) / float(seconds.sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=rehearsal.FOLDER, help="of a rehearsal")
    folder = parser.parse_args(arguments).folder
    table = cost_model.fit(runs(folder))
    table["operations_per_hour"] = table["ptm"].map(operations_per_hour)
    table["training_s"] = [seconds_of(folder, f"train-{ptm}") for ptm in table["ptm"]]
    table = table[cost_model.COLUMNS]
    given = json.loads((folder / rehearsal.GIVEN).read_text(encoding="utf-8"))
    facts = {
        "what": rehearsal.LABEL,
        "size": f"{given['size']:g} of each speaker's utterances",
        "networks": given["architectures"],
        "overrides": given["overrides"],
        "device": versions.of_device("cpu"),
        "commit": versions.of_commit(),
        "libraries": versions.of_libraries(),
        "date": datetime.date.today().isoformat(),
    }
    study_files.write(cost_model.RESULTS, table, facts)
    for one in (table, cost_model.predictions(table, cost_model.gpu_results()[0])):
        print(one.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
