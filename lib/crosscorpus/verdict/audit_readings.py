"""Readings of what a printed score may be, beside the mean over folds, and how many values each explains."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import granularity
from crosscorpus.verdict import audit_cells

BATCH = 32
"""Batch size of the reading "mean over batches"; the paper's (III.B)."""
OTHER_FOLDS = range(3, 11)
"""Numbers of folds that are tried."""


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
    values: Callable[[audit_cells.Folds], set[audit_cells.Folds]]
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


def _some(j: int) -> Callable[[audit_cells.Folds], set[audit_cells.Folds]]:
    return lambda folds: {tuple(sorted(some)) for some in itertools.combinations(folds, min(j, len(folds)))}


def _one_of(f: int) -> Callable[[audit_cells.Folds], set[audit_cells.Folds]]:
    return lambda folds: {(n,) for n in granularity.deal(sum(folds), f)}


def _mean_of(f: int) -> Callable[[audit_cells.Folds], set[audit_cells.Folds]]:
    return lambda folds: {granularity.deal(sum(folds), f)}


def _batches(n: int) -> audit_cells.Folds:
    return (BATCH,) * (n // BATCH) + ((n % BATCH,) if n % BATCH else ())


def hypotheses(
    judged: pd.DataFrame,
    variants: Mapping[str, Mapping[str, audit_cells.Folds]],
    n_folds: int,
    *,
    speaker: Mapping[str, Mapping[str, audit_cells.Folds]] | None = None,
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
        As in `published_tables.Sizes`.

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
                        "p": max(float(scipy.stats.poisson_binom.sf(fit.sum() - 1, chance)), 1e-12),
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
