"""Arithmetic checks on published tables: whether their scores can come from test sets of given sizes.

For a table of this project's references, or any CSV file:

    python -m crosscorpus.audit phukan2025_table1
    python -m crosscorpus.audit TABLE.csv --n EmoDB=75 --n RAVDESS=192

The checks say what is possible, not what was done: a value that does not fit may have an origin that is not among
the readings here.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from crosscorpus import f1bounds, granularity, names, reference

Folds = tuple[int, ...]

BATCH = 32
"""Batch size of the reading "mean over batches"; the paper's (III.B)."""

OTHER_FOLDS = range(3, 11)
"""Numbers of folds that are tried."""

WEAK = 0.05
"""A cell that would fit by chance with more than this probability does not count as evidence."""

FAR = 2.0
"""Percentage points above accuracy from which macro-F1 is listed as far above it."""

DRAWS = 20_000
"""Random tables of the permutation test."""


class AuditError(ValueError):
    """A table or an option that cannot be audited; the message says what is expected."""


# -- one cell at a time ----------------------------------------------------------------------------------------


def cells(
    table: pd.DataFrame,
    folds: Mapping[str, Folds],
    *,
    accuracy: str = "accuracy",
    test: str = "test_corpus",
    decimals: int = 2,
    unit: str = "percent",
) -> pd.DataFrame:
    """Judge whether each published accuracy can be of one held-out fold, of a mean of the folds, or neither.

    Parameters
    ----------
    table
        A row for each cell, with the columns `accuracy` and `test`; all others are kept. Rows without an accuracy
        or with a test corpus that is not in `folds` are left out.
    folds
        Test corpus -> sizes of its test folds.
    decimals, unit
        How accuracies are printed ("percent" or "fraction").

    Returns
    -------
    The table with the columns
    `units` (accuracy in units of the last decimal), `one_fold` and `mean_of_folds` (whether the value is k/n for
    a fold, or the mean of such values over all folds, rounded half up or half to even), `one_fold_cut` and
    `mean_cut` (the same where digits are cut off), `right` ("55 of 75", the first that fits), `verdict` under
    rounding ("either", "mean of folds" or "neither"), and the chances that any value fits, `one_fold_chance` and
    `mean_chance`: the share of all values that can be printed which fit. What fits one of f folds always fits a
    mean, too: f k / n is a whole number q and r / n, which q folds all right and r right answers in this one give.

    Raises
    ------
    AuditError
        An accuracy is no number, has too many decimals or is outside 0 to 100 %.
    """
    full = granularity.scale(decimals, unit)
    rows = table[table[accuracy].notna() & table[test].isin(list(folds))].copy()
    rows["units"] = [_checked(value, decimals, full, accuracy, row) for row, value in rows[accuracy].items()]
    strict: dict[str, tuple[str, Callable[[Folds], list[Folds]]]] = {
        "one_fold": ("rounding", lambda sizes: [(n,) for n in sorted(set(sizes))]),
        "mean_of_folds": ("rounding", lambda sizes: [sizes]),
        "one_fold_cut": ("truncation", lambda sizes: [(n,) for n in sorted(set(sizes))]),
        "mean_cut": ("truncation", lambda sizes: [sizes]),
    }
    for name, (rule, of) in strict.items():
        fits = {corpus: granularity.union(of(sizes), rule, full) for corpus, sizes in folds.items()}
        values = zip(rows[test], rows["units"], strict=True)
        rows[name] = np.array([fits[corpus][units] for corpus, units in values], dtype=bool)
        if rule == "rounding":
            chance = {corpus: float(fit.mean()) for corpus, fit in fits.items()}
            rows[name.replace("_of_folds", "") + "_chance"] = rows[test].map(chance)
    rows["right"] = [
        _right(folds[corpus], units, full) for corpus, units in zip(rows[test], rows["units"], strict=True)
    ]
    rows["verdict"] = np.select([rows["one_fold"], rows["mean_of_folds"]], ["either", "mean of folds"], "neither")
    rows.attrs = {"full": full, "test": test, "folds": dict(folds)}
    return rows


def _checked(value: object, decimals: int, full: int, column: str, row: object) -> int:
    try:
        units = granularity.to_units(str(value), decimals)
    except ValueError as error:
        raise AuditError(
            f"row {row}, column {column}: {error}; decimals and unit say how values are read"
        ) from None
    if not 0 <= units <= full:
        raise AuditError(f"row {row}, column {column}: {value} is not from 0 to 100 %; percent or fraction?")
    return units


def _right(folds: Folds, units: int, full: int) -> str:
    for n in sorted(set(folds)):
        found = granularity.hits(n, units, "rounding", full)
        if found:
            return f"{found[0]} of {n}"
    return ""


# -- hypotheses for the table as a whole -----------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """One way in which a printed accuracy may have come about.

    Attributes
    ----------
    name
        In words.
    values
        Test sets whose mean accuracy it may be, for the folds of a corpus; several if it may be any of them.
    twice
        Whether the fold accuracies were themselves printed before they were averaged.
    """

    name: str
    values: Callable[[Folds], set[Folds]]
    twice: bool = False


def readings(n_folds: int, other_folds: Sequence[int] = OTHER_FOLDS, regular: bool = True) -> list[Reading]:
    """Return the readings that are tried, the stricter first.

    Parameters
    ----------
    n_folds
        Folds that the table states.
    other_folds
        Other numbers of folds to try.
    regular
        Whether folds are dealt evenly; only then other numbers of folds make sense.
    """
    found = [Reading("one fold", lambda folds: {(n,) for n in folds})]
    if n_folds > 1:
        found += [
            Reading("mean of the folds", lambda folds: {folds}),
            Reading("mean of fold values rounded before", lambda folds: {folds}, twice=True),
            Reading("whole corpus at once", lambda folds: {(sum(folds),)}),
        ]
        found += [Reading(f"mean of {j} of the folds", _some(j)) for j in range(2, n_folds) if regular]
    found.append(Reading(f"mean over batches of {BATCH} in a fold", lambda folds: {_batches(n) for n in folds}))
    for f in other_folds if regular else []:
        if f != n_folds:
            found += [Reading(f"one of {f} folds", _one_of(f)), Reading(f"mean of {f} folds", _mean_of(f))]
    return found


def _some(j: int) -> Callable[[Folds], set[Folds]]:
    return lambda folds: {tuple(sorted(some)) for some in itertools.combinations(folds, min(j, len(folds)))}


def _one_of(f: int) -> Callable[[Folds], set[Folds]]:
    return lambda folds: {(n,) for n in granularity.deal(sum(folds), f)}


def _mean_of(f: int) -> Callable[[Folds], set[Folds]]:
    return lambda folds: {granularity.deal(sum(folds), f)}


def _batches(n: int) -> Folds:
    return (BATCH,) * (n // BATCH) + ((n % BATCH,) if n % BATCH else ())


def hypotheses(
    judged: pd.DataFrame,
    variants: Mapping[str, Mapping[str, Folds]],
    n_folds: int,
    *,
    speaker: Mapping[str, Mapping[str, Folds]] | None = None,
    other_folds: Sequence[int] = OTHER_FOLDS,
) -> pd.DataFrame:
    r"""Rank ways in which the whole table may have come about by how well they explain it.

    A hypothesis is a variant of the test sets, a reading, and rounding or truncation. A cell that fits by accident
    with chance c tells little where c is large, so hypotheses are not ranked by the cells that they explain, but
    by evidence: suppose that a share s of the cells follows the hypothesis, each printing one of the values that
    it allows with equal chance, and the others any value. Against "any value everywhere", the logarithm of the
    likelihood ratio is \sum log2(1 - s + s / c) over cells that fit and log2(1 - s) over those that do not, at the
    s that makes it largest. Trying many hypotheses finds some evidence by luck: about log2 of their number.

    Parameters
    ----------
    judged
        What `cells` returns.
    variants, n_folds, speaker
        As in `reference.Sizes`.

    Returns
    -------
    A row for each hypothesis, by falling evidence: `variant, reading, printing, cells`, `explained`, `expected`
    (by chance), `p` (chance of so many or more: the tail of a Poisson binomial, 1e-12 where below that), `share`
    (s, percent), `bits`; and of the cells that the first variant explains neither as one fold nor as a mean:
    `of_misses`, `misses_expected`. Other numbers of folds are tried for variants whose corpora are dealt evenly
    over `n_folds`, which must be more than one.
    """
    full, test, first = judged.attrs["full"], judged.attrs["test"], judged.attrs["folds"]
    units = judged["units"].to_numpy(dtype=int)
    corpora = judged[test].to_numpy()
    missed = (judged["verdict"] == "neither").to_numpy()
    # What a value that the strict readings do not explain can still be.
    strict = {c: granularity.union([f, *((n,) for n in set(f))], "rounding", full) for c, f in first.items()}
    rows = []
    for group, regular in ((variants, True), (speaker or {}, False)):
        for variant, folds in group.items():
            even = regular and all(granularity.deal(sum(f), n_folds) == tuple(f) for f in folds.values())
            several = n_folds if even else max(map(len, folds.values()))
            for reading in readings(several, other_folds, even and n_folds > 1):
                values = {corpus: reading.values(sizes) for corpus, sizes in folds.items()}
                for printing in ("rounding", "truncation"):
                    rule = f"{printing} twice" if reading.twice else printing
                    fits = {corpus: granularity.union(v, rule, full) for corpus, v in values.items()}
                    fit = np.array([fits[c][u] for c, u in zip(corpora, units, strict=True)], dtype=bool)
                    chances = {c: float(fits[c].mean()) for c in fits}
                    chance = np.array([chances[c] for c in corpora])
                    chance_missed = {
                        c: float(fits[c][~strict[c]].mean()) if (~strict[c]).any() else 1 for c in fits
                    }
                    share, bits = evidence(fit, chance)
                    rows.append({
                        "variant": variant, "reading": reading.name, "printing": printing,
                        "cells": len(fit), "explained": int(fit.sum()), "expected": float(chance.sum()),
                        "p": max(float(stats.poisson_binom.sf(fit.sum() - 1, chance)), 1e-12),
                        "share": 100 * share, "bits": bits, "of_misses": int((fit & missed).sum()),
                        "misses_expected": float(sum(chance_missed[c] for c in corpora[missed])),
                    })  # fmt: skip
    return pd.DataFrame(rows).sort_values("bits", ascending=False, kind="stable", ignore_index=True)


def evidence(fit: np.ndarray, chance: np.ndarray) -> tuple[float, float]:
    """Return the share of cells that follow a hypothesis, and the evidence for it in bits; see `hypotheses`.

    Parameters
    ----------
    fit, chance
        For each cell, whether it fits, and the chance (above 0) that any value would.
    """
    if not len(fit):
        return 0.0, 0.0
    ratio = fit / chance
    share = 0.5
    for _ in range(200):  # expectation maximisation: the likelihood of the share rises with each step
        share = float(np.mean(share * ratio / (1 - share + share * ratio)))
        if share in (0.0, 1.0):
            break
    with np.errstate(divide="ignore"):
        bits = float(np.sum(np.log2(1 - share + share * ratio)))
    return share, max(bits, 0.0)


# -- how the misses are spread ---------------------------------------------------------------------------------


def totals(judged: pd.DataFrame, by: str) -> pd.DataFrame:
    """Count verdicts by a column (model, test corpus), the most misses first.

    Returns
    -------
    `by`, `cells`, `one_fold`, `mean_only`, `neither`, and `by_chance`: how many would fit as one fold if all
    values were arbitrary.
    """
    grouped = judged.groupby(by, sort=False)
    table = pd.DataFrame({
        "cells": grouped.size(),
        "one_fold": grouped["one_fold"].sum(),
        "mean_only": grouped.apply(lambda part: int((part["mean_of_folds"] & ~part["one_fold"]).sum())),
        "neither": grouped.apply(lambda part: int((part["verdict"] == "neither").sum())),
        "by_chance": grouped["one_fold_chance"].sum(),
    })  # fmt: skip
    return table.sort_values(["one_fold", "neither"], ascending=[True, False], kind="stable").reset_index()


def evenness(
    judged: pd.DataFrame, by: str, within: str | None = None, *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Test whether the cells that do not fit are spread evenly over the values of a column.

    A permutation test, exact but for the number of draws: with the number of misses in each stratum (a value of
    `within`) and the cells of each group fixed, misses are dealt at random, each cell of a stratum being as likely
    as any other; the statistic is Pearson's chi-square of misses per group. It assumes that cells are independent
    and, within a stratum, would fit by chance alike; for groups of test corpora, that is so only nearly, so the
    test is also made without cells whose chance is above `WEAK`.

    Returns
    -------
    A row for each kind of miss ("not one fold", "neither") and choice of cells ("all", "strong"): `misses_are,
    which, cells, misses, chi_square, p`. p is never below 1 / (draws + 1).
    """
    rows = []
    kinds = {"not one fold": ~judged["one_fold"], "neither": judged["verdict"] == "neither"}
    chances = {
        "not one fold": judged["one_fold_chance"],
        "neither": judged[["one_fold_chance", "mean_chance"]].max(axis=1),
    }
    for kind, missed in kinds.items():
        for which in ("all", "strong"):
            here = judged[(chances[kind] <= WEAK) | (which == "all")]
            if here.empty:
                continue
            strata = here[within] if within else pd.Series("all", index=here.index)
            chi_square, p = _spread(missed.loc[here.index], here[by], strata, draws, seed)
            rows.append((kind, which, len(here), int(missed.loc[here.index].sum()), chi_square, p))
    return pd.DataFrame(rows, columns=["misses_are", "which", "cells", "misses", "chi_square", "p"])


def _spread(missed: pd.Series, groups: pd.Series, strata: pd.Series, draws: int, seed: int) -> tuple[float, float]:
    sizes = pd.crosstab(strata, groups)
    misses = missed.groupby(strata).sum().reindex(sizes.index).to_numpy(dtype=int)
    expected = (sizes.to_numpy() / sizes.sum(axis=1).to_numpy()[:, None] * misses[:, None]).sum(axis=0)
    observed = missed.groupby(groups).sum().reindex(sizes.columns).to_numpy(dtype=int)
    used = expected > 0
    if not used.any():
        return 0.0, 1.0
    rng = np.random.default_rng(seed)
    dealt = np.zeros((draws, len(expected)), dtype=np.int64)
    for row, m in zip(sizes.to_numpy(), misses, strict=True):
        dealt += rng.multivariate_hypergeometric(row, m, size=draws)

    def chi_square(counts: np.ndarray) -> np.ndarray:
        return ((counts[..., used] - expected[used]) ** 2 / expected[used]).sum(axis=-1)

    statistic = float(chi_square(observed))
    as_large = int((chi_square(dealt) >= statistic - 1e-9).sum())
    return statistic, (1 + as_large) / (draws + 1)


# -- macro-F1 --------------------------------------------------------------------------------------------------


def macro_f1(
    judged: pd.DataFrame,
    classes: Mapping[str, Sequence[Folds]],
    *,
    column: str = "macro_f1",
    decimals: int = 2,
    far: float = FAR,
) -> pd.DataFrame:
    """Hold each published macro-F1 against what its accuracy allows.

    Parameters
    ----------
    judged
        What `cells` returns, with the column `column`.
    classes
        Test corpus -> class counts of the test folds in question; cells of others get no bounds.
    far
        Percentage points above accuracy from which a value is listed.

    Returns
    -------
    The cells that have a macro-F1, with `difference` (macro-F1 minus accuracy, percentage points), `lowest` and
    `highest` (bounds in percent, from `f1bounds.between`), `bounds_for` ("one fold", "mean of folds" or
    "nothing"), `flag` ("above what is possible", "below what is possible", "far above accuracy" or ""), and
    `f1_fits_one_fold`: whether macro-F1 has a value that an accuracy on one fold could have, which is rare
    (`f1_chance`) unless the two columns were exchanged.
    """
    full, test, folds = judged.attrs["full"], judged.attrs["test"], judged.attrs["folds"]
    rows = judged[judged[column].notna()].copy()
    printed = [_checked(value, decimals, full, column, row) for row, value in rows[column].items()]
    to_percent = 100 / full
    rows["difference"] = (np.array(printed, dtype=int) - rows["units"]) * to_percent
    known: dict[tuple[str, int], tuple] = {}
    for key in set(zip(rows[test], rows["units"], strict=True)):
        known[key] = f1bounds.between(classes.get(key[0], []), key[1], "rounding", full)
    found = [known[key] for key in zip(rows[test], rows["units"], strict=True)]
    rows["lowest"] = [100 * low if low is not None else np.nan for low, _, _ in found]
    rows["highest"] = [100 * high if high is not None else np.nan for _, high, _ in found]
    rows["bounds_for"] = [kind for _, _, kind in found]
    slack = to_percent / 2 + 1e-9  # of printing; bounds are floats
    value = np.array(printed, dtype=float) * to_percent
    rows["flag"] = np.select(
        [value > rows["highest"] + slack, value < rows["lowest"] - slack, rows["difference"] >= far - 1e-9],
        ["above what is possible", "below what is possible", "far above accuracy"],
        default="",
    )
    fits = {c: granularity.union([(n,) for n in set(sizes)], "rounding", full) for c, sizes in folds.items()}
    rows["f1_fits_one_fold"] = [bool(fits[c][u]) for c, u in zip(rows[test], printed, strict=True)]
    rows["f1_chance"] = rows[test].map({c: float(fit.mean()) for c, fit in fits.items()})
    return rows


# -- repeats ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repeats:
    """Cells that share accuracy and macro-F1.

    Attributes
    ----------
    cells
        Cells of one test corpus with the same two values, group by group (`group`, from 1), with `constant`: the
        values are those of a classifier that always answers one class, which cells at chance level may well share.
    pairs
        Pairs of such cells.
    same_accuracy
        Pairs of cells of one test corpus with the same accuracy.
    expected
        Pairs that also share macro-F1, by chance.
    p
        Chance of so many or more (Poisson).
    """

    cells: pd.DataFrame
    pairs: int
    same_accuracy: int
    expected: float
    p: float


def repeats(
    judged: pd.DataFrame,
    classes: Mapping[str, Sequence[Folds]] | None = None,
    *,
    column: str = "macro_f1",
    decimals: int = 2,
    near: float = 1.0,
) -> Repeats:
    """List cells of one test corpus that share accuracy and macro-F1, with the chance of so many.

    The chance is conditional: equal accuracies are taken as they are, as few values are possible. How likely two
    cells with about the same accuracy (within `near` percentage points) have the same macro-F1 is read off the
    table itself: the share of such pairs of one test corpus whose macro-F1 differ by at most `near` points,
    divided by the number of printed differences in that range. This takes differences within the range as equally
    likely, and pairs as independent. Both heads of one model see the same embeddings, so some likeness is natural.
    """
    full, test = judged.attrs["full"], judged.attrs["test"]
    rows = judged[judged[column].notna()].copy()
    rows["f1_units"] = [_checked(value, decimals, full, column, row) for row, value in rows[column].items()]
    reach = round(near * full / 100)
    pairs, same_accuracy, expected = 0, 0, 0.0
    for _, part in rows.groupby(test, sort=False):
        one, other = np.triu_indices(len(part), 1)
        by_accuracy = np.abs(np.subtract(*(part["units"].to_numpy()[side] for side in (one, other))))
        by_f1 = np.abs(np.subtract(*(part["f1_units"].to_numpy()[side] for side in (one, other))))
        equal, close = by_accuracy == 0, by_accuracy <= reach
        pairs += int((equal & (by_f1 == 0)).sum())
        same_accuracy += int(equal.sum())
        if close.any():
            expected += int(equal.sum()) * float((by_f1[close] <= reach).mean()) / (2 * reach + 1)
    keys = [test, "units", "f1_units"]
    shown = rows[rows.duplicated(keys, keep=False)].sort_values(keys, kind="stable")
    shown["group"] = shown.groupby(keys, sort=False).ngroup() + 1
    constants = {c: _constants(given, full) for c, given in (classes or {}).items()}
    shown["constant"] = [
        pair in constants.get(c, set())
        for c, pair in zip(shown[test], zip(shown["units"], shown["f1_units"], strict=True), strict=True)
    ]
    return Repeats(shown, pairs, same_accuracy, expected, float(stats.poisson.sf(pairs - 1, expected)))


def _constants(classes: Sequence[Folds], full: int) -> set[tuple[int, int]]:
    # Accuracy and macro-F1 in units, both of half up and half even, where one class takes all answers.
    found = set()
    for counts in classes:
        n = sum(counts)
        for size in set(counts):
            f1 = full * 2 * size / (n + size) / len(counts)
            accuracies = {full * size // n, -(-full * size // n)}
            found |= {
                (a, f) for a in accuracies for f in {round(f1), int(f1 + 0.5)} if abs(a - full * size / n) <= 0.5
            }
    return found


# -- a whole table ---------------------------------------------------------------------------------------------


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
    repeats: Repeats | None


def run(
    table: pd.DataFrame,
    sizes: reference.Sizes,
    *,
    name: str = "table",
    decimals: int = 2,
    unit: str = "percent",
    draws: int = DRAWS,
) -> Audit:
    """Make all checks on a table; `sizes` names its columns and possible test sets."""
    accuracy, test, by = (sizes.columns[key] for key in ("accuracy", "test", "by"))
    f1 = sizes.columns.get("macro_f1")
    first = next(iter(sizes.variants.values()))
    judged = cells(table, first, accuracy=accuracy, test=test, decimals=decimals, unit=unit)
    if judged.empty:
        raise AuditError(f"{name}: no row has an accuracy and one of the test sets {', '.join(first)}")
    grouping = {by: test, test: by}
    return Audit(
        name=name,
        n_rows=len(table),
        cells=judged,
        totals={column: totals(judged, column) for column in grouping},
        evenness={column: evenness(judged, column, within, draws=draws) for column, within in grouping.items()},
        hypotheses=hypotheses(judged, sizes.variants, sizes.n_folds, speaker=sizes.speaker),
        macro_f1=macro_f1(judged, sizes.classes, column=f1, decimals=decimals) if f1 else None,
        repeats=repeats(judged, sizes.classes, column=f1, decimals=decimals) if f1 else None,
    )


def of_reference(name: str, *, draws: int = DRAWS) -> Audit:
    """Audit one of the published tables in data/reference, by its name in tables.yaml."""
    facts = reference.tables()[names.check(name, reference.tables(), "published table")]
    sizes = reference.sizes(name)
    how = {"decimals": facts["decimals"], "unit": facts["unit"], "draws": draws}
    return run(reference.load(name), sizes, name=name, **how)


# -- what a page shows -----------------------------------------------------------------------------------------


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
            "f1_p": max(float(stats.poisson_binom.sf(n - 1, chance)), 1e-12) if len(chance) else 1.0,
            "f1_far": int((audit.macro_f1["difference"] >= FAR - 1e-9).sum()),
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


# -- the command -----------------------------------------------------------------------------------------------


def read(path: str | Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table to audit from a CSV file; all values stay text, so that decimals are as printed.

    Parameters
    ----------
    path
        The file, with a header.
    columns
        What the table's columns are called, as in `reference.Sizes`.

    Raises
    ------
    AuditError
        There is no such file, it is no CSV table, or it lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except FileNotFoundError:
        raise AuditError(
            f"{path}: no such file, nor a published table; those are {', '.join(reference.tables())}"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, IsADirectoryError) as error:
        raise AuditError(f"{path}: not a CSV table with a header ({str(error).strip()})") from None
    for what, column in columns.items():
        if column not in table:
            raise AuditError(
                f"{path}, line 1: no column {column!r} (for --{what.replace('_', '-')}); "
                f"its columns are {', '.join(map(str, table.columns))}"
            )
    table.index = pd.RangeIndex(2, len(table) + 2)  # lines of the file, for messages
    return table


def _counts(text: str, option: str) -> tuple[str, Folds]:
    name, equals, numbers = text.rpartition("=")
    parts = [part.strip() for part in numbers.split(",")]
    if not equals or not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise AuditError(f"--{option} {text}: expected NAME=NUMBER or NAME=NUMBER,NUMBER,..., as in EmoDB=75")
    return name.strip(), tuple(int(part) for part in parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Audit a table from the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.audit",
        description="Could the accuracies and macro-F1 of a published table come from test sets of these sizes?",
    )
    parser.add_argument(
        "table", help="CSV file with a row for each cell, or the name of a table in data/reference"
    )
    parser.add_argument(
        "--n", action="append", default=[], metavar="CORPUS=SIZE[,SIZE...]",
        help="utterances in one test fold of a test corpus; several if folds differ. Once for each test corpus",
    )  # fmt: skip
    parser.add_argument(
        "--classes", action="append", default=[], metavar="CORPUS=N,N,...",
        help="utterances of each class in a test fold, for bounds of macro-F1; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=int, default=5, help="folds of the cross-validation (default 5; 1: one split)"
    )
    parser.add_argument("--accuracy", default="accuracy", help="its column (default accuracy)")
    parser.add_argument("--macro-f1", default=None, help="its column (default macro_f1 where there is one)")
    parser.add_argument("--test", default="test_corpus", help="column of the test corpus (default test_corpus)")
    parser.add_argument("--by", default=None, help="column to group by (default ptm or model)")
    parser.add_argument("--decimals", type=int, default=2, help="decimals as printed (default 2)")
    parser.add_argument("--unit", choices=["percent", "fraction"], default="percent")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="also write the verdict on each cell to this file")
    options = parser.parse_args(argv)
    try:
        if options.table in reference.tables() and not options.n:
            found = of_reference(options.table)
        else:
            found = _of_file(options)
        if options.csv:
            per_cell(found).to_csv(options.csv, index=False)
    except (AuditError, names.UnknownNameError, OSError, ValueError) as error:
        print(f"audit: {str(error).replace('row ', f'{options.table}, line ', 1)}", file=sys.stderr)
        return 2
    print(report(found))
    return 0


def _of_file(options: argparse.Namespace) -> Audit:
    columns = {"accuracy": options.accuracy, "test": options.test}
    header = read(options.table, columns)
    by = options.by or next((c for c in ("ptm", "model") if c in header), None)
    if by is None:
        raise AuditError(f"{options.table}, line 1: no column ptm or model; name the column to group by with --by")
    columns["by"] = by
    if options.macro_f1 or "macro_f1" in header:
        columns["macro_f1"] = options.macro_f1 or "macro_f1"
    table = read(options.table, columns)
    if options.folds < 1 or not 0 <= options.decimals <= 6:
        raise AuditError("--folds must be at least 1, and --decimals between 0 and 6")
    tested = sorted(table[options.test].dropna().unique())
    folds: dict[str, Folds] = {}
    for text in options.n:
        name, given = _counts(text, "n")
        names.check(name, tested, f"test corpus in column {options.test} of {options.table}:")
        folds[name] = given * options.folds if len(given) == 1 else given
    missing = [name for name in tested if name not in folds]
    if missing:
        raise AuditError(f"{options.table}: no test size for {', '.join(missing)}; add --n {missing[0]}=SIZE")
    classes: dict[str, list[Folds]] = {}
    for text in options.classes:
        name, given = _counts(text, "classes")
        names.check(name, tested, f"test corpus in column {options.test} of {options.table}:")
        if sum(given) not in folds[name]:
            raise AuditError(
                f"--classes {text}: they sum to {sum(given)}, which is no size of a fold given with --n"
            )
        classes.setdefault(name, []).append(given)
    sizes = reference.Sizes(options.folds, {"as given": folds}, {}, classes, columns)
    return run(table, sizes, name=str(options.table), decimals=options.decimals, unit=options.unit)


def per_cell(audit: Audit) -> pd.DataFrame:
    """Return the verdict on each cell as one table: what `cells` and `macro_f1` say."""
    table = audit.cells.copy()
    if audit.macro_f1 is not None:
        columns = ["difference", "lowest", "highest", "bounds_for", "flag", "f1_fits_one_fold", "f1_chance"]
        table = table.join(audit.macro_f1[columns])
    return table


def report(audit: Audit) -> str:
    """Return an audit as text in Markdown."""
    judged, best = audit.cells, audit.hypotheses.iloc[0]
    counts = judged["verdict"].value_counts()
    lines = [
        f"# Arithmetic of {audit.name}",
        "",
        f"{len(judged)} of {audit.n_rows} rows have an accuracy and a known test set. Under rounding, "
        f"{int(judged['one_fold'].sum())} fit one fold ({judged['one_fold_chance'].sum():.1f} by chance), "
        f"{counts.get('mean of folds', 0)} only a mean of the folds, {counts.get('neither', 0)} neither. "
        f"With digits cut off, {int(judged['one_fold_cut'].sum())} fit one fold.",
        "",
        f"Of {len(audit.hypotheses)} hypotheses, the one with the most evidence is: {best['variant']}, "
        f"{best['reading']}, {best['printing']} ({best['explained']} of {best['cells']} cells, "
        f"{best['expected']:.1f} expected by chance, {best['bits']:.0f} bits).",
        "",
        "A value that does not fit may have an origin that is not among these. This is arithmetic, no judgement.",
    ]
    columns = ["variant", "reading", "printing", "explained", "expected", "share", "bits"]
    lines += ["", "## Hypotheses", "", _markdown(audit.hypotheses[columns].head(10))]
    for by, table in audit.totals.items():
        lines += ["", f"## By {by}", "", _markdown(table), "", _markdown(audit.evenness[by])]
    keys = [c for c in judged.columns[: list(judged.columns).index("units")] if c != "note"]
    missed = judged[judged["verdict"] == "neither"]
    lines += ["", "## Cells that fit neither", "", _markdown(missed[keys])]
    if audit.macro_f1 is not None:
        flagged = audit.macro_f1[audit.macro_f1["flag"] != ""]
        lines += ["", "## Macro-F1 that stands out", "", _markdown(flagged[[*keys, "lowest", "highest", "flag"]])]
    if audit.repeats is not None:
        found = audit.repeats
        lines += [
            "", "## Repeated pairs of accuracy and macro-F1", "",
            f"{found.pairs} pairs of cells ({found.expected:.2g} expected by chance, given {found.same_accuracy} "
            f"pairs of the same accuracy).",
            "", _markdown(found.cells[["group", *keys, "constant"]]),
        ]  # fmt: skip
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, floatfmt=".4g") if len(table) else "None."


if __name__ == "__main__":
    sys.exit(main())
