"""Checks of the paper's claims on its table of scores."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import shown_names
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.verdict import audit_cells, audit_f1, chance_leads, claim_findings, published_tables

COLUMN = ["train_corpus", "test_corpus", "head"]
"""A column of Table I."""


@functools.cache
def _judged() -> tuple[pd.DataFrame, published_tables.Sizes]:
    sizes = published_tables.sizes("phukan2025_table1")
    return audit_cells.cells(
        published_tables.load("phukan2025_table1"), next(iter(sizes.variants.values()))
    ), sizes


def average_of_folds(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Ask whether as many accuracies look like one fold's as averages of five folds would.

    A mean can have every value that one fold can, so that no number of them is impossible, only improbable.
    """
    judged, _ = _judged()
    # Of the values that an average can have, the share that one fold can have too.
    both = (judged["one_fold_chance"] / judged["mean_chance"]).to_numpy()
    n = int(judged["one_fold"].sum())
    p = float(scipy.stats.poisson_binom.sf(n - 1, both))
    evidence = {
        "accuracies": len(judged),
        "fit one fold": n,
        "expected of averages": float(both.sum()),
        "chance of so many": f"{p:.1g}" if p > 1e-12 else "below 1e-12",
        "fit an average": int((judged["verdict"] != "neither").sum()),
    }
    return claim_findings.Finding(
        claim_findings.HARD if p < claim.stated["chance"] else claim_findings.IN_TABLE, evidence
    )


def score_format(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Ask whether each macro-F1 is possible beside its accuracy."""
    judged, sizes = _judged()
    table = audit_f1.macro_f1(judged, sizes.classes)
    impossible = table[table["flag"].str.contains("possible")]
    evidence: dict[str, Any] = {"possible pairs": f"{len(table) - len(impossible)} of {len(table)}"}
    for row in impossible.itertuples():
        pair = corpus_registry.pair_name(str(row.train_corpus), str(row.test_corpus))
        beyond = max(row.lowest - row.macro_f1, row.macro_f1 - row.highest)
        size = "" if row.one_fold else "; its accuracy does not fit the assumed size of the test set"
        possible = f"{row.lowest:.2f} to {row.highest:.2f}"
        evidence[f"{claim_findings.name_of(str(row.ptm))}, {shown_names.head_name(str(row.head))}, {pair}"] = (
            f"{row.accuracy} | {row.macro_f1}, {beyond:.2f} points outside of {possible}{size}"
        )
    if impossible.empty:
        return claim_findings.Finding(claim_findings.IN_TABLE, evidence)
    few = 100 * len(impossible) <= claim.stated["few"] * len(table)
    return claim_findings.Finding(claim_findings.NEARLY if few else claim_findings.FAILS, evidence)


def row_labels(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare the labels of rows with the caption."""
    caption, rows = claim.stated["caption"], claim.stated["rows"]
    odd = [labels for labels in rows if sorted(labels) != sorted(caption)]
    missing = sorted({label for labels in odd for label in set(caption) - set(labels)})
    twice = sorted({label for labels in odd for label in labels if labels.count(label) > 1})
    evidence: dict[str, Any] = {"groups of rows": len(rows), "with other labels": len(odd)}
    evidence |= {"not there": ", ".join(missing), "there twice": ", ".join(twice)} if odd else {}
    return claim_findings.Finding(claim_findings.CONTRADICTS if odd else claim_findings.IN_TABLE, evidence)


def _columns(table: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return scores as columns of Table I × models."""
    return table.pivot(index=COLUMN, columns="ptm", values=metric)


def _where(columns: pd.DataFrame) -> pd.Series:
    same = [train == test for train, test, _ in columns.index]
    return pd.Series(np.where(same, "same", "cross"), columns.index)


def _part(table: pd.DataFrame, where: str, metric: str = "accuracy") -> pd.DataFrame:
    columns = _columns(table, metric)
    return columns[_where(columns) == where]


def _of_both(
    claim: claim_findings.Claim,
    known: claim_findings.Known,
    ask: Callable[[pd.DataFrame], tuple[bool, dict[str, Any]]],
) -> claim_findings.Finding:
    """Ask the printed table and, as far as they go, our scores; ours decide once they are complete."""
    yes, evidence = ask(known.printed)
    if not yes:
        return claim_findings.Finding(claim_findings.FAILS, evidence)
    here = len(known.ours)
    if here < len(known.printed):
        return claim_findings.Finding(
            claim_findings.IN_TABLE, evidence | {"our cells so far": f"{here} of {len(known.printed)}"}
        )
    same, of_ours = ask(known.ours)
    return claim_findings.Finding(
        claim_findings.HOLDS if same else claim_findings.FAILS,
        evidence | {f"ours, {name}": value for name, value in of_ours.items()},
    )


def best_model(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count the columns in which one model is above all others."""
    ptm, where = claim.stated["ptm"], claim.stated["where"]

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        evidence: dict[str, Any] = {}
        all_of_them = True
        for metric in ("accuracy", "macro_f1"):
            margins = _margins(_part(table, where, metric), ptm)
            evidence[f"{metric.replace('macro_f1', 'macro-F1')}, best in"] = (
                f"{int((margins > 0).sum())} of {len(margins)} columns"
            )
            evidence[f"{metric.replace('macro_f1', 'macro-F1')}, smallest margin"] = float(margins.min())
            all_of_them &= bool((margins > 0).all())
        return all_of_them, evidence

    return _of_both(claim, known, ask)


def _margins(columns: pd.DataFrame, ptm: str) -> pd.Series:
    return columns[ptm] - columns.drop(columns=ptm).max(axis=1)


def margin(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count the columns in which one model leads by far, and those in which it leads by more than chance."""
    points = claim.stated["points"]

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        margins = _margins(_part(table, claim.stated["where"]), claim.stated["ptm"])
        far = int((margins >= points).sum())
        evidence = {f"{points} points or more": f"{far} of {len(margins)} columns"}
        return far > 1, evidence | {"median": float(margins.median()), "largest": float(margins.max())}

    found = _of_both(claim, known, ask)
    counted = chance_leads.counted(chance_leads.columns(known.printed)).set_index(["cells", "best"])
    row = counted.loc["cross-corpus" if claim.stated["where"] == "cross" else "same corpus", claim.stated["ptm"]]
    chance = {
        "more than chance if one fold is printed": f"{row['one_fold']} of {row['columns']}",
        "if the mean of all is": f"{row['all_folds']} of {row['columns']}",
        "by chance alone": float(row["by_chance"]),
    }
    return claim_findings.Finding(found.verdict, found.evidence | chance)


def cnn_above_fcn(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count the pairs in which the CNN's accuracy is at or above the FCN's."""

    def pairs(table: pd.DataFrame) -> pd.Series:
        wide = table.pivot(index=["ptm", "train_corpus", "test_corpus"], columns="head", values="accuracy")
        if not {"fcn", "cnn"} <= set(wide):
            return pd.Series(dtype=bool)
        wide = wide.dropna()
        return wide["cnn"] >= wide["fcn"]

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        above = pairs(table)
        return bool(above.all()), {"at or above": f"{int(above.sum())} of {len(above)} pairs"}

    found, ours = _of_both(claim, known, ask), pairs(known.ours)
    if found.verdict == claim_findings.IN_TABLE and len(ours):
        so_far = {"of ours, at or above": f"{int(ours.sum())} of {len(ours)} pairs"}
        return claim_findings.Finding(found.verdict, found.evidence | so_far)
    return found


def _family(columns: pd.DataFrame, family: str) -> pd.DataFrame:
    return columns[[ptm for ptm in columns if model_registry.get(str(ptm)).family == family]]


def no_winner(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count how often each model of a family is its best."""

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        evidence, largest = {}, 0.0
        for where in ("same", "cross"):
            best = _family(_part(table, where), claim.stated["family"]).idxmax(axis=1).value_counts()
            wins = [f"{claim_findings.name_of(str(ptm))} {n}" for ptm, n in best.items()]
            evidence[f"{where}-corpus, best in"] = f"{', '.join(wins)} of {best.sum()}"
            largest = max(largest, 100 * best.max() / best.sum())
        return largest < claim.stated["share"], evidence

    return _of_both(claim, known, ask)


def leads(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Check single sentences on which model is above which in one corpus."""

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        columns, evidence, right = _columns(table), {}, True
        for one in claim.stated:
            rivals = _family(columns, one["above"]).drop(columns=one["ptm"], errors="ignore")
            for head in one["heads"]:
                cell = (one["corpus"], one["corpus"], head)
                mine, best = float(columns.loc[cell, one["ptm"]]), float(rivals.loc[cell].max())
                right &= mine > best
                where = (
                    f"{claim_findings.name_of(one['ptm'])}, {corpus_registry.corpus_name(one['corpus'])}, "
                    f"{shown_names.head_name(head)}"
                )
                evidence[where] = f"{mine:.2f} against {best:.2f}"
        return right, evidence

    return _of_both(claim, known, ask)


def mixed(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count the columns in which one model is above, and below, the best of some families."""

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        evidence, both = {}, True
        for where in ("same", "cross"):
            columns = _part(table, where)
            best = pd.concat([_family(columns, family) for family in claim.stated["others"]], axis=1).max(axis=1)
            mine = columns[claim.stated["ptm"]]
            above, below = int((mine > best).sum()), int((mine < best).sum())
            both &= above > 0 and below > 0
            evidence[f"{where}-corpus"] = f"above in {above}, below in {below} of {len(columns)} columns"
        return both, evidence

    return _of_both(claim, known, ask)


def harder_across(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare accuracies on a test corpus after training on it and after training on another."""

    def compared(table: pd.DataFrame) -> pd.Series:
        same = table[table["train_corpus"] == table["test_corpus"]]
        cross = table[table["train_corpus"] != table["test_corpus"]]
        keys = ["ptm", "head", "test_corpus"]
        both = cross.merge(same[[*keys, "accuracy"]], on=keys, suffixes=("", "_same"))
        return both["accuracy_same"] > both["accuracy"]

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        above = compared(table)
        share = 100 * float(above.mean()) if len(above) else float("nan")
        return share >= claim.stated["share"], {"same-corpus above": f"{int(above.sum())} of {len(above)}"}

    found, ours = _of_both(claim, known, ask), compared(known.ours)
    if found.verdict == claim_findings.IN_TABLE and len(ours):
        return claim_findings.Finding(
            found.verdict, found.evidence | {"of ours": f"{int(ours.sum())} of {len(ours)}"}
        )
    return found
