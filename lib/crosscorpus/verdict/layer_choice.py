"""Which layer to take, chosen on other corpora than the tested one: what `data/results/layers.csv` says of it.

A layer that is chosen by the scores that are then reported looks better than it is. So a cell's layer is chosen by
cells in which its test corpus has no part: within corpora by the other corpora's own, across corpora by the pairs
of the others.
"""

from typing import Any

import pandas as pd

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import hidden_states, model_registry
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "layers.csv"
SCORES = ("accuracy", "uar")
"""In percent."""
CELL = ["ptm", "head", "regime", "train_corpus", "test_corpus"]
COLUMNS = [
    *CELL,
    "layer",
    "n_utterances",
    "n_clusters",
    *SCORES,
    *(f"{score}_{end}" for score in SCORES for end in ("effect", "low", "high")),
]
WITHIN, ACROSS = "within corpora", "across corpora"


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `layer_study.run`), and its provenance.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "layers", dtype={"layer": str})


def made(facts: dict[str, Any]) -> pd.DataFrame:
    """Return the provenance of a table of results as a table for readers: what, value."""
    rows = {
        "profile": facts["profile"],
        "embeddings": "; ".join(map(_embeddings, facts["embeddings"])),
        "pooling": ", ".join(dict.fromkeys(e["pooling"] for e in facts["embeddings"])),
        "time, beside what an earlier run had stored": (
            f"{facts['seconds'] / 60:.1f} min, {facts['workers']} processes side by side"
        ),
        "device": facts["device"],
        "commit": f"`{facts['commit']}`",
        "date": facts["date"],
        "libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
    }
    return pd.DataFrame(rows.items(), columns=["what", "value"])


def _embeddings(of: dict[str, Any]) -> str:
    model, corpus = model_registry.model_name(of["ptm"]), corpus_registry.corpus_name(of["corpus"])
    weights = ", ".join(filter(None, [of["handle"], of["revision"][:12]]))
    return f"{model} ({weights}) on {of['utterances']} utterances of {corpus}"


def kind(table: pd.DataFrame) -> pd.Series:
    """Return, for each row, whether it is a cell within one corpus or across two."""
    return (table["train_corpus"] == table["test_corpus"]).map({True: WITHIN, False: ACROSS})


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single layers with a column `number`, from 0 to the last; `mean` is left out.

    A table may be of a network with more layers than its model has here, as in a rehearsal with small ones.
    """
    single = table[table["layer"] != hidden_states.MEAN]
    last = {ptm: hidden_states.count(ptm) for ptm in single["ptm"].unique()}
    inner = single[single["layer"] != hidden_states.LAST]
    for ptm, layers in inner.groupby("ptm")["layer"]:
        last[ptm] = max(last[ptm], 1 + int(layers.astype(int).max()))
    number = [
        last[ptm] if layer == hidden_states.LAST else int(layer)
        for ptm, layer in zip(single["ptm"], single["layer"], strict=True)
    ]
    return single.assign(number=number)


def choices(table: pd.DataFrame, score: str = "uar") -> pd.DataFrame:
    """Choose a layer for every cell, by cells in which its test corpus has no part.

    Parameters
    ----------
    table
        What `layer_study.run` returns, for one head or baseline that has all layers.
    score
        What is chosen by, and compared: one of `SCORES`.

    Returns
    -------
    A row for each cell, `CELL`, with `kind`, `chosen` (the layer with the highest mean over the other cells, among
    single layers; of equals the last), `chosen_on` (how many cells that mean is over), and in percent or points:
    `last` and `at_chosen` (scores), `effect`, `low`, `high` (the gain over the last, with its 95 % interval; 0
    where the last is chosen), `best` (the layer that the test itself would choose) and `at_best` (its score).
    Cells without others to choose on are left out.
    """
    known_names.check(score, SCORES, "score")
    single = numbered(table).assign(kind=kind(table))
    rows = []
    for cell, own in single.groupby(CELL, sort=False):
        *same, _train_corpus, test_corpus = cell
        others = single[(single[CELL[:3]] == same).all(axis=1) & (single["kind"] == own["kind"].iloc[0])]
        others = others[(others[["train_corpus", "test_corpus"]] != test_corpus).all(axis=1)]
        if others.empty:
            continue
        means = others.groupby("number")[score].mean()
        mine = own.set_index("number")
        chosen, best = _highest(means), _highest(mine[score])
        gain = mine.loc[chosen, [f"{score}_{end}" for end in ("effect", "low", "high")]].astype(float).fillna(0.0)
        rows.append(
            [
                *cell,
                own["kind"].iloc[0],
                mine.loc[chosen, "layer"],
                others.groupby(CELL).ngroups,
                mine.loc[means.index.max(), score],
                mine.loc[chosen, score],
                *gain,
                mine.loc[best, "layer"],
                mine.loc[best, score],
            ]
        )
    columns = ["kind", "chosen", "chosen_on", "last", "at_chosen", "effect", "low", "high", "best", "at_best"]
    return pd.DataFrame(rows, columns=[*CELL, *columns])


def _highest(scores: pd.Series) -> int:
    return int(scores[scores == scores.max()].index.max())


def worth(chosen: pd.DataFrame) -> pd.DataFrame:
    """Condense choices: what choosing gives, and what it costs that the test may not be chosen on.

    Returns
    -------
    A row for each model, regime and kind of cell: `cells`; `gain`, `least` and `most` (the chosen layer minus the
    last, in points); `up` and `down` (cells whose interval lies above zero, or below); and `missed`, the mean of
    what the test's own best layer would have had beyond the chosen one: no choice can be made so, and chance is in
    it.
    """
    rows = []
    for group, part in chosen.groupby(["ptm", "regime", "kind"], sort=False):
        moved = part["at_chosen"] - part["last"]
        up, down = (part["low"] > 0).sum(), (part["high"] < 0).sum()
        missed = (part["at_best"] - part["at_chosen"]).mean()
        rows.append((*group, len(part), moved.mean(), moved.min(), moved.max(), int(up), int(down), missed))
    columns = ["ptm", "regime", "kind", "cells", "gain", "least", "most", "up", "down", "missed"]
    return pd.DataFrame(rows, columns=columns)


def with_heads(table: pd.DataFrame, chosen: pd.DataFrame, score: str = "uar") -> pd.DataFrame:
    """Return what the chosen layers give to the paper's heads: a row for each cell and head.

    Columns: `CELL`, `kind`, `chosen`, `last` and `at_chosen` (scores, in percent), `effect`, `low`, `high`.
    """
    known_names.check(score, SCORES, "score")
    by_cell = ["ptm", "regime", "train_corpus", "test_corpus"]
    heads = table[~table["head"].isin(chosen["head"].unique())]
    last = heads.loc[heads["layer"] == hidden_states.LAST, [*CELL, score]].rename(columns={score: "last"})
    ends = {f"{score}_{end}": end for end in ("effect", "low", "high")}
    picked = chosen[[*by_cell, "kind", "chosen"]].merge(
        heads.rename(columns={score: "at_chosen", **ends}),
        left_on=[*by_cell, "chosen"],
        right_on=[*by_cell, "layer"],
    )
    found = picked.merge(last, on=CELL).fillna(dict.fromkeys(ends.values(), 0.0))
    return found[[*CELL, "kind", "chosen", "last", "at_chosen", *ends.values()]]
