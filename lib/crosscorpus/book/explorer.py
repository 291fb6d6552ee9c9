"""All scores as one view to filter, rank, compare and draw, by book/_static/explorer.js, without a network."""

import json

import pandas as pd
from IPython.display import HTML

from crosscorpus.base import shown_names, stamp
from crosscorpus.book import tables
from crosscorpus.corpora import corpus_registry
from crosscorpus.verdict import all_scores

FACETS = {
    "source": "source",
    "protocol": "protocol",
    "model": "model",
    "family": "family",
    "train_corpus": "trained on",
    "test_corpus": "tested on",
    "cells": "cells",
    "head": "head",
    "folds": "folds",
    "emotions": "emotions",
}
"""What rows are filtered by: column -> its name for readers."""
TEXTS = ("score", "kind", "note")
NUMBERS = ("value", "published", "difference", "rank", "of", "together", "low", "high", "sd", "n_folds", "n")
DECIMALS = 6
"""Far more than are shown, so that nothing is rounded twice: by way of 44.445, 44.4447 would be shown as 44.45."""
WITHIN, ACROSS = "same corpus", "cross-corpus"


def view(table: pd.DataFrame) -> HTML:
    """Return what `all_scores.table` returns as a view; without scripts, it says how much there is of each source.

    Columns of texts are sent as their different values and, for each row, the place of its own.
    """
    shown = table.assign(
        train_corpus=table["train_corpus"].map(corpus_registry.corpus_name),
        test_corpus=table["test_corpus"].map(corpus_registry.corpus_name),
        cells=(table["train_corpus"] == table["test_corpus"]).map({True: WITHIN, False: ACROSS}),
        family=table["family"].replace("", "not in the registry"),
    )
    data = {
        "facets": FACETS,
        "scores": shown_names.METRICS,
        "ours": all_scores.OURS,
        **stamp.facts(),
        "texts": {column: _coded(shown[column]) for column in (*FACETS, *TEXTS)},
        "numbers": {column: _rounded(shown[column]) for column in NUMBERS},
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    plain = tables.show(sources(table), thousands=True)
    assert isinstance(plain, HTML)
    return HTML(
        f'<div class="explorer"><script type="application/json">{text}</script>'
        f'<div class="without-script">{plain.data}</div></div>'
    )


def sources(table: pd.DataFrame) -> pd.DataFrame:
    """Return how much there is of each source: source, cells, models, corpora, values."""
    by = table.groupby("source", sort=False)
    cell = ["source", "protocol", "ptm", "head", "folds", "train_corpus", "test_corpus"]
    cells = table.drop_duplicates(cell).groupby("source", sort=False).size()
    found = {"cells": cells, "models": by["ptm"].nunique(), "corpora": by["test_corpus"].nunique()}
    return pd.DataFrame(found | {"values": by.size()}).reset_index()


def _coded(column: pd.Series) -> dict[str, list]:
    places, values = pd.factorize(column)
    return {"values": list(values), "rows": places.tolist()}


def _rounded(column: pd.Series) -> list[float | int | None]:
    def one(value: float) -> float | int | None:
        if pd.isna(value):
            return None
        near = round(float(value), DECIMALS)
        return int(near) if near.is_integer() else near

    return [one(value) for value in column]
