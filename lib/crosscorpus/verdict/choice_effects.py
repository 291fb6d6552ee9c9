"""How far each open choice moves our results: `data/results/sensitivity.csv`, and what follows."""

from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import known_names, paths
from crosscorpus.verdict import published_tables, study_files

RESULTS = paths.DATA / "results" / "sensitivity.csv"
SCORES = ("accuracy", "macro_f1")
"""What the paper prints, in percent."""
BLOCK = ["ptm", "head", "train_corpus", "test_corpus"]
KEY = ["study", "choice", "option", *BLOCK]
COLUMNS = [
    *KEY,
    "seeds",
    "n_utterances",
    "n_clusters",
    *SCORES,
    *(f"{score}_{end}" for score in SCORES for end in ("effect", "low", "high")),
]
STUDIES = ("default", "choice", "control", "combination")


def ends(score: str) -> list[str]:
    """Return the columns of an effect and its interval: effect, low, high."""
    return [f"{known_names.check(score, SCORES, 'score')}_{end}" for end in ("effect", "low", "high")]


FIRST_SEED = "first seed"
"""Option of the default's row that has the first seed alone: what choices are compared with."""


def baseline(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of results that the effects of choices start from: the first seed's."""
    return table[(table["study"] == "default") & (table["option"] == FIRST_SEED)]


def n_clear(table: pd.DataFrame, score: str = "accuracy") -> int:
    """Return in how many rows of a table of results the interval of the effect leaves out zero."""
    _, low, high = ends(score)
    return int(((table[low] > 0) | (table[high] < 0)).sum())


def ranges(table: pd.DataFrame, score: str = "accuracy") -> pd.DataFrame:
    """Condense a table of results (see `run`): how far each choice moves cells.

    Returns
    -------
    One row per choice and option, largest mean first: choice, option, cells, mean (of absolute effects), least and
    most (signed effects, in points), and `clear`: cells whose interval leaves out zero.
    """
    part = table[table["study"] == "choice"]
    rows = []
    for (choice, option), cells in part.groupby(["choice", "option"], sort=False):
        moved = cells[ends(score)[0]]
        least, most = moved.min(), moved.max()
        rows.append((choice, option, len(cells), moved.abs().mean(), least, most, n_clear(cells, score)))
    columns = ["choice", "option", "cells", "mean", "least", "most", "clear"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "mean", ascending=False, kind="stable", ignore_index=True
    )


def beside_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of results with the paper's scores beside ours.

    New columns: `paper_<score>` and `<score>_off`, the absolute difference in points; missing where the paper has
    no such cell.
    """
    paper = published_tables.table1().rename(columns={score: f"paper_{score}" for score in SCORES})
    joined = table.merge(paper, on=BLOCK, how="left", validate="many_to_one")
    for score in SCORES:
        joined[f"{score}_off"] = (joined[score] - joined[f"paper_{score}"]).abs()
    return joined


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far each combination is from the paper, nearest by accuracy first.

    Columns: option, cells, accuracy and macro_f1 (mean absolute difference, in points), and `largest`, the largest
    of the absolute differences in accuracy.
    """
    found = (
        _combined(table)
        .groupby("option", sort=False)
        .agg(
            cells=("head", "size"),
            accuracy=("accuracy_off", "mean"),
            macro_f1=("macro_f1_off", "mean"),
            largest=("accuracy_off", "max"),
        )
    )
    return found.sort_values("accuracy", kind="stable").reset_index()


def distance_of_unseen(table: pd.DataFrame, score: str = "accuracy") -> float:
    """Return the mean distance (points) of cells under the combination that is nearest on all other cells.

    The nearest of several combinations is near by luck in part; a cell that took no part in the choice is not.
    """
    off = _combined(table).pivot(index="option", columns=BLOCK, values=f"{score}_off")
    left_out = [off[cell][off.drop(columns=[cell]).mean(axis=1).idxmin()] for cell in off]
    return float(np.mean(left_out))


def _combined(table: pd.DataFrame) -> pd.DataFrame:
    part = beside_paper(table)
    return part[(part["study"] == "combination") & part["paper_accuracy"].notna()]


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and its provenance.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    text = dict.fromkeys(["choice", "option", "seeds"], str)
    empty = {c: [""] for c in COLUMNS[-6:]}
    return study_files.read(RESULTS, "sensitivity", dtype=text, keep_default_na=False, na_values=empty)


def made(facts: dict[str, Any]) -> pd.DataFrame:
    """Return the provenance of a table of results as a table for readers: what, value."""
    minutes = f"{facts['seconds'] / 60:.1f} min, {facts['workers']} processes side by side"
    if facts["trained"] < facts["heads_in_all"]:
        minutes += ", with what an earlier run had stored"
    rows = {
        "profile": facts["profile"],
        "heads trained on all folds": f"{facts['trained']} of {facts['heads_in_all']}",
        "time": minutes,
        "device": facts["device"],
        "commit": f"`{facts['commit']}`",
        "date": facts["date"],
        "libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
    } | ({"rows added later": facts["added"]} if "added" in facts else {})
    return pd.DataFrame(rows.items(), columns=["what", "value"])
