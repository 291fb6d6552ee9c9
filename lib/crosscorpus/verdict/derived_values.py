"""Recompute what other papers derive from their scores: SER Evals' Table 3, and EmoBox's equation 1."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

TABLE3 = ["in_domain", "in_domain_sd", "out_of_domain", "out_of_domain_sd", "weighted_average"]
SPREADS: dict[str, Callable[[np.ndarray, int], float]] = {
    "row means": lambda cells, ddof: float(np.nanstd(np.nanmean(cells, axis=1), ddof=ddof)),
    "column means": lambda cells, ddof: float(np.nanstd(np.nanmean(cells, axis=0), ddof=ddof)),
    "cells": lambda cells, ddof: float(np.nanstd(cells, ddof=ddof)),
}
"""What the standard deviation out of domain may be taken over; cells [corpora, corpora], their diagonal nan."""


def eligible(results: pd.DataFrame) -> list[str]:
    """Return the corpora that are tested on the most others: in SER Evals, those eligible out of domain.

    `results` has a row for each model and pair (`model, train_corpus, test_corpus`).
    """
    pairs = results[["train_corpus", "test_corpus"]].drop_duplicates().query("train_corpus != test_corpus")
    counts = pairs["train_corpus"].value_counts(sort=False)
    return list(counts[counts == counts.max()].index)


def matrices(results: pd.DataFrame, corpora: Sequence[str], score: str = "macro_f1") -> dict[str, pd.DataFrame]:
    """Return a matrix of scores for each model: training corpora by test corpora, the diagonal nan.

    Raises
    ------
    ValueError
        A pair of these corpora has no score; the message names the model and how many.
    """
    found = {}
    off_diagonal = ~np.eye(len(corpora), dtype=bool)
    for model, part in results.groupby("model", sort=False):
        table = part.pivot(index="train_corpus", columns="test_corpus", values=score)
        table = table.reindex(index=corpora, columns=corpora).astype(float).where(off_diagonal)
        gaps = int(table.isna().sum(axis=None)) - len(corpora)
        if gaps:
            raise ValueError(
                f"{model}: {gaps} pairs of {', '.join(corpora)} have no {score}; expected one for each"
            )
        found[str(model)] = table
    return found


def ser_evals_table3(
    results: pd.DataFrame, *, spread: str = "row means", ddof: int = 1, without: Sequence[str] = ()
) -> pd.DataFrame:
    """Recompute SER Evals' Table 3 from matrices of macro-F1.

    Parameters
    ----------
    results
        A row for each model and pair: `model, train_corpus, test_corpus, macro_f1` (fractions).
    spread
        What the standard deviation out of domain is taken over: a key of `SPREADS`. The printed values are those
        of "row means".
    ddof
        1 for sample standard deviations, as printed; 0 for those of a population.
    without
        Training corpora whose rows are left out of domain.

    Returns
    -------
    A row for each model: `model` and the columns `TABLE3`. In domain over the diagonal of all corpora; out of
    domain over pairs of eligible corpora; weighted average = (mean out + mean in) / 2 - (SD out + SD in) / 2, as
    its section 4.4 has it.
    """
    own = results[results["train_corpus"] == results["test_corpus"]].groupby("model")["macro_f1"]
    rows = []
    for model, matrix in matrices(results, eligible(results)).items():
        cells = matrix.drop(index=list(without)).to_numpy()
        diagonal = own.get_group(model).to_numpy(dtype=float)
        inside, inside_sd = float(diagonal.mean()), float(diagonal.std(ddof=ddof))
        outside, outside_sd = float(np.nanmean(cells)), SPREADS[spread](cells, ddof)
        weighted = (outside + inside) / 2 - (outside_sd + inside_sd) / 2
        rows.append([model, inside, inside_sd, outside, outside_sd, weighted])
    return pd.DataFrame(rows, columns=["model", *TABLE3])


def away(recomputed: pd.DataFrame, printed: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """Return how far recomputed values are from printed ones, in units of the last printed decimal.

    Both have `model` and the columns `TABLE3`; the result has a row for each printed model, in that order. A value
    is reproduced to the printed digits where this is at most a half.
    """
    keyed = recomputed.set_index("model").reindex(printed["model"])[TABLE3]
    return ((keyed - printed.set_index("model")[TABLE3].astype(float)) * 10**decimals).abs().round(3)


def reproduced_by(results: pd.DataFrame, printed: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """Count the printed values of Table 3 that each definition of the spread reproduces: the control of `away`.

    Returns
    -------
    `taken over` (a key of `SPREADS`), `SD` ("sample" or "population") and for each column of `TABLE3` how many
    models' values are reproduced to the printed digits.
    """
    rows = []
    for spread in SPREADS:
        for kind, ddof in (("sample", 1), ("population", 0)):
            distance = away(ser_evals_table3(results, spread=spread, ddof=ddof), printed, decimals)
            rows.append({"taken over": spread, "SD": kind, **(distance <= 0.5).sum().to_dict()})
    return pd.DataFrame(rows)


def with_and_without(results: pd.DataFrame, row: str) -> pd.DataFrame:
    """Return what of Table 3 changes if the row of a training corpus is left out of domain.

    Returns
    -------
    `model`, then `out_of_domain, out_of_domain_sd, weighted_average, rank` (by the latter) with all rows, and the
    same with `_without` after the names, ordered by the first rank.
    """
    columns = ["out_of_domain", "out_of_domain_sd", "weighted_average"]
    both = []
    for without in ([], [row]):
        table = ser_evals_table3(results, without=without).set_index("model")[columns]
        both.append(table.assign(rank=table["weighted_average"].rank(ascending=False, method="min").astype(int)))
    return both[0].join(both[1].add_suffix("_without")).sort_values("rank").reset_index()


def average_across(table: pd.DataFrame, score: str = "accuracy") -> pd.DataFrame:
    """Return equation 1 of EmoBox for each model: the mean score over ordered pairs of different corpora.

    Parameters
    ----------
    table
        A row for each `model`, `train_corpus` and `test_corpus`; pairs of a corpus with itself are left out.

    Returns
    -------
    `model, pairs, average`, the best first. It is the same whichever side of a matrix was trained on.

    Raises
    ------
    ValueError
        A model lacks a pair; the message names it, and how many there should be.
    """
    across = table[table["train_corpus"] != table["test_corpus"]]
    n = len(set(across["train_corpus"]) | set(across["test_corpus"]))
    found = across.groupby("model", sort=False)[score].agg(["count", "mean"]).reset_index()
    found.columns = pd.Index(["model", "pairs", "average"])
    short = found[found["pairs"] != n * n - n]
    if len(short):
        names = ", ".join(short["model"])
        raise ValueError(f"{names}: expected {n * n - n} pairs of {n} corpora, got {short['pairs'].iloc[0]}")
    return found.sort_values("average", ascending=False, kind="stable", ignore_index=True)
