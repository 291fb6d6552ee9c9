"""Arithmetic checks on published tables: whether their scores can come from test sets of given sizes.

The checks say what is possible, not what was done: a value that does not fit may have an origin that is not among
the readings here (`audit_readings`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import known_names
from crosscorpus.verdict import audit_cells, audit_f1, audit_readings, audit_spread, published_tables


@dataclass(frozen=True)
class Audit:
    """All that the checks say of a table; each is what the function of that name returns.

    `totals` and `evenness` have an entry for each column that cells are grouped by. `macro_f1` and `repeats` are
    None where the table has no macro-F1.
    """

    name: str
    n_rows: int
    cells: pd.DataFrame
    totals: dict[str, pd.DataFrame]
    evenness: dict[str, pd.DataFrame]
    hypotheses: pd.DataFrame
    macro_f1: pd.DataFrame | None
    repeats: audit_spread.Repeats | None


def run(
    table: pd.DataFrame,
    sizes: published_tables.Sizes,
    *,
    name: str = "table",
    decimals: int = 2,
    unit: str = "percent",
    draws: int = audit_spread.DRAWS,
) -> Audit:
    """Make all checks on a table; `sizes` names its columns and possible test sets."""
    accuracy, test, by = (sizes.columns[key] for key in ("accuracy", "test", "by"))
    f1 = sizes.columns.get("macro_f1")
    first = next(iter(sizes.variants.values()))
    judged = audit_cells.cells(table, first, accuracy=accuracy, test=test, decimals=decimals, unit=unit)
    if judged.empty:
        raise audit_cells.AuditError(f"{name}: no row has an accuracy and one of the test sets {', '.join(first)}")
    grouping = {by: test, test: by}
    return Audit(
        name=name,
        n_rows=len(table),
        cells=judged,
        totals={column: audit_spread.totals(judged, column) for column in grouping},
        evenness={
            column: audit_spread.evenness(judged, column, within, draws=draws)
            for column, within in grouping.items()
        },
        hypotheses=audit_readings.hypotheses(judged, sizes.variants, sizes.n_folds, speaker=sizes.speaker),
        macro_f1=audit_f1.macro_f1(judged, sizes.classes, column=f1, decimals=decimals) if f1 else None,
        repeats=audit_spread.repeats(judged, sizes.classes, column=f1, decimals=decimals) if f1 else None,
    )


def of_reference(name: str, *, draws: int = audit_spread.DRAWS) -> Audit:
    """Audit one of the published tables in data/reference, by its name in tables.yaml."""
    facts = published_tables.tables()[known_names.check(name, published_tables.tables(), "published table")]
    sizes = published_tables.sizes(name)
    how = {"decimals": facts["decimals"], "unit": facts["unit"], "draws": draws}
    return run(published_tables.load(name), sizes, name=name, **how)


def facts(audit: Audit) -> dict[str, float | int | str]:
    """Condense an audit into single facts, by name; percentages where a share is meant.

    Those on macro-F1 (`f1_...`) and on repeats (`repeat_...`) are there where the table has macro-F1. `f1_p` is
    the chance that so many of the cells that fit no fold have a macro-F1 that does.
    """
    judged, best = audit.cells, audit.hypotheses.iloc[0]
    verdicts = judged["verdict"].value_counts()
    found: dict[str, float | int | str] = {
        "n_cells": len(judged),
        "n_one_fold": int(judged["one_fold"].sum()),
        "one_fold_by_chance": float(judged["one_fold_chance"].sum()),
        "one_fold_of_means": float((judged["one_fold_chance"] / judged["mean_chance"]).sum()),
        "n_cut_only": int((judged["one_fold_cut"] & ~judged["one_fold"]).sum()),
        "n_misses": int((~judged["one_fold"]).sum()),
        "n_mean_only": int(verdicts.get("mean of folds", 0)),
        "n_neither": int(verdicts.get("neither", 0)),
        "n_hypotheses": len(audit.hypotheses),
        "luck_bits": float(np.log2(len(audit.hypotheses))),
        "best_variant": best["variant"],
        "best_reading": best["reading"],
        "best_printing": best["printing"],
        "best_expected": float(best["expected"]),
        "best_share": float(best["share"]),
        "best_bits": float(best["bits"]),
        "best_explained": int(best["explained"]),
    }
    if audit.macro_f1 is not None:
        missed = audit.macro_f1[~audit.macro_f1["one_fold"]]
        n, chance = int(missed["f1_fits_one_fold"].sum()), missed["f1_chance"].to_numpy()
        found |= {
            "f1_fitting": n,
            "f1_by_chance": float(chance.sum()),
            "f1_p": max(float(scipy.stats.poisson_binom.sf(n - 1, chance)), 1e-12) if len(chance) else 1.0,
            "f1_far": int((audit.macro_f1["difference"] >= audit_f1.FAR - 1e-9).sum()),
            "f1_impossible": int(audit.macro_f1["flag"].str.contains("possible").sum()),
        }
    if audit.repeats is not None:
        found |= {
            "repeat_pairs": audit.repeats.pairs,
            "repeat_expected": audit.repeats.expected,
            "repeat_same_accuracy": audit.repeats.same_accuracy,
            "repeat_p": audit.repeats.p,
            "repeat_constant": int(audit.repeats.cells.groupby("group")["constant"].all().sum()),
        }
    return found


def gentler(audit: Audit) -> pd.DataFrame:
    """Return, for each reading, how many of the cells that fit neither it explains, beyond chance.

    Returns
    -------
    `reading, variant, printing, of_misses, misses_expected, excess` of the variant and way of printing with the
    largest excess, by falling excess. Readings that explain none are left out.
    """
    table = audit.hypotheses[audit.hypotheses["of_misses"] > 0].copy()
    table["excess"] = table["of_misses"] - table["misses_expected"]
    table = table.sort_values("excess", ascending=False, kind="stable").drop_duplicates("reading")
    columns = ["reading", "variant", "printing", "of_misses", "misses_expected", "excess"]
    return table[columns].reset_index(drop=True)


def summary(audits: Sequence[Audit]) -> pd.DataFrame:
    """Put audits side by side: a row for each, with the counts of `facts`."""
    columns = [
        "n_cells",
        "n_one_fold",
        "one_fold_by_chance",
        "n_mean_only",
        "n_neither",
        "best_reading",
        "best_bits",
    ]
    found = pd.DataFrame([facts(a) for a in audits])[columns]
    found.insert(0, "table", [a.name for a in audits])
    return found
