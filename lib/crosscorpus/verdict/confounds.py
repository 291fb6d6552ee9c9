"""What else sets the paper's models apart, beside the class that its claim is about."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.verdict import published_tables

TRAINED, MEAN = "by the model itself", "mean of the last layer"
"""How frames became one vector."""


def table() -> pd.DataFrame:
    """Return the paper's models with what may matter beside their class, the highest accuracy first.

    Returns
    -------
    A row for each: `ptm`, `family` (its class), `of_family` (models of that class in the paper), `parameters`
    (as the paper says, else as counted here), `dimension`, `pooled` (`TRAINED` or `MEAN`), `heard` (corpora of
    the paper that it has had before, in which way; "" where none is known), and `accuracy` (percent, mean over
    Table I's cells of two corpora).
    """
    cells = published_tables.table1()
    across = cells[cells["train_corpus"] != cells["test_corpus"]].groupby("ptm")["accuracy"].mean()
    models = [model_registry.get(ptm) for ptm in model_registry.of_paper()]
    families = [model.family for model in models]
    corpora = [entry for entry in corpus_registry.registry().values() if entry.in_paper]
    rows = []
    for model in models:
        had = {corpus.name: model_registry.heard(model.id, corpus.id) for corpus in corpora}
        used = [f"{name} ({how})" for name, how in had.items() if how in model_registry.USED]
        pooled = MEAN if model.layers else TRAINED
        size = model.parameters_paper or model.parameters
        facts = (model.family, families.count(model.family), size, model.dimension, pooled, ", ".join(used))
        rows.append((model.id, *facts, across[model.id]))
    named = ["ptm", "family", "of_family", "parameters", "dimension", "pooled", "heard", "accuracy"]
    return pd.DataFrame(rows, columns=named).sort_values("accuracy", ascending=False, ignore_index=True)


def associations(models: pd.DataFrame) -> pd.DataFrame:
    """Return how far properties of models go with their accuracy.

    Parameters
    ----------
    models
        What `table` returns, or rows of it.

    Returns
    -------
    A row for each property that differs: `property`, `n` (models), `rho` (Spearman's rank correlation with
    accuracy) and `p` (two-sided, from all orders of the models).
    """
    values = {
        "parameters": models["parameters"].astype(float),
        "dimension": models["dimension"].astype(float),
        "pooled by the model itself": (models["pooled"] == TRAINED).astype(float),
    }
    rows = [
        (name, len(models), *rank_correlation(value.tolist(), models["accuracy"].tolist()))
        for name, value in values.items()
        if value.min() < value.max()
    ]
    return pd.DataFrame(rows, columns=["property", "n", "rho", "p"])


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Return Spearman's rank correlation of up to nine pairs, and its two-sided p from all orders of them."""
    x, y = (ranks - ranks.mean() for ranks in (scipy.stats.rankdata(one), scipy.stats.rankdata(other)))
    scale = np.sqrt((x @ x) * (y @ y))
    orders = np.array(list(itertools.permutations(range(len(y)))))
    every = (y[orders] @ x) / scale
    found = (x @ y) / scale
    return float(found), float(np.mean(np.abs(every) >= abs(found) - 1e-12))
