"""Fit the cost model from the records of a rehearsal, print it, and keep it in data/results/costs.csv."""

import argparse
import datetime
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import measures, rehearsal, true_sizes
from crosscorpus.base import paths, versions
from crosscorpus.embeddings import embedding_files
from crosscorpus.models import model_registry
from crosscorpus.verdict import cost_model, study_files


def seconds_of(folder: Path, step: str) -> float:
    """Return the processor time of a step of the workflow when it last ran; NaN where it has not ended."""
    run = folder / "project" / "_build" / rehearsal.PROFILE
    file = run / "logs" / f"{step}.log.times"  # of one that was stopped, too
    if not (run / "timings" / f"{step}.tsv").exists() or not file.exists():
        return np.nan
    return sum(map(_seconds, file.read_text(encoding="ascii").split()))


def _seconds(said: str) -> float:
    # as the shell's `times` writes it: 1m2.345s
    minutes, _, seconds = said.rstrip("s").partition("m")
    return 60 * float(minutes) + float(seconds)


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


def networks_of(ptm: str, architectures: str) -> str:
    """Return what network a rehearsal had for a model: of its `architectures`, or a stand-in for what it lacks."""
    return "stand-in" if model_registry.get(ptm).home == "tfhub" else architectures


def table(folder: Path, architectures: str, clips: int) -> pd.DataFrame:
    """Return what a rehearsal cost, and what its models cost at their true size; columns of `cost_model.COLUMNS`.

    Parameters
    ----------
    folder
        Of the rehearsal.
    architectures
        What it was run with, one of `rehearsal.ARCHITECTURES`.
    clips
        How many of its recordings go through networks of the true size; 0 for none.
    """
    fitted = cost_model.fit(runs(folder))
    fitted["networks"] = [networks_of(ptm, architectures) for ptm in fitted["ptm"]]
    tables = [fitted]
    if clips:
        tables.append(true_sizes.table(folder, clips))
    found = pd.concat(tables, ignore_index=True)
    found["corpora"] = found["corpora"].astype("Int64")
    found["operations_per_hour"] = found["ptm"].map(functools.cache(operations_per_hour))
    return found.reindex(columns=cost_model.COLUMNS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=rehearsal.FOLDER, help="of a rehearsal")
    parser.add_argument("--clips", type=int, default=0, help="recordings for networks of the true size; 0: none")
    asked = parser.parse_args(arguments)
    given = json.loads((asked.folder / rehearsal.GIVEN).read_text(encoding="utf-8"))
    costs = table(asked.folder, given["architectures"], asked.clips)
    made, trained = pd.read_csv(asked.folder / rehearsal.WRITTEN), seconds_of(asked.folder, "heads")
    facts = {
        "what": rehearsal.LABEL,
        "utterances": len(made),
        "hours": round(float(made["seconds"].sum()) / 3600, 2),
        "networks": given["architectures"],
        "clips": asked.clips,
        "overrides": given["overrides"],
        "training_s": round(trained, 1) if np.isfinite(trained) else "",
        "device": versions.of_device("cpu"),
        "commit": versions.of_commit(),
        "libraries": versions.of_libraries(),
        "date": datetime.date.today().isoformat(),
    }
    study_files.write(cost_model.RESULTS, costs, facts)
    for one in (costs, cost_model.predictions(costs, cost_model.gpu_results()[0])):
        print(one.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
