"""What the paper's Table I says of one model as a whole: its means, and its rank among the others."""

import pandas as pd

from crosscorpus.verdict import published_tables


def table() -> pd.DataFrame:
    """Return the means of each model of Table I, with its rank.

    Returns
    -------
    A row for each model, head and kind of cell: `ptm`, `head`, `cells` ("same corpus", "cross-corpus"), `n` (cells
    that the mean is of), `accuracy` and `macro_f1` (percent), `rank` (by accuracy, 1 the highest; equal ones share
    the better rank) and `of` (models ranked).
    """
    cells = published_tables.table1()
    same = cells["train_corpus"] == cells["test_corpus"]
    cells["cells"] = same.map({True: "same corpus", False: "cross-corpus"})
    by = cells.groupby(["ptm", "head", "cells"], sort=False)
    means = by.agg(n=("accuracy", "size"), accuracy=("accuracy", "mean"), macro_f1=("macro_f1", "mean"))
    block = means.groupby(["head", "cells"])["accuracy"]
    means["rank"] = block.rank(ascending=False, method="min").astype(int)
    means["of"] = block.transform("size").astype(int)
    return means.reset_index()


def of_model(ptm: str) -> pd.DataFrame:
    """Return the rows of `table` that are one model's; none for a model that the paper does not have."""
    found = table()
    return found[found["ptm"] == ptm].drop(columns="ptm").reset_index(drop=True)
