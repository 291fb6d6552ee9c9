"""The ledger of the paper's claims: each entry of `data/claims.yaml` is checked by one small function.

A check gets the claim and what is known (`Known`), and returns a verdict with its evidence, both computed.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from crosscorpus import (
    audit,
    corpora,
    evaluate,
    extractors,
    figures,
    heads,
    label_sets,
    metrics,
    names,
    paths,
    projection,
    protocol,
    reference,
)

HOLDS = "holds"
IN_TABLE = "holds in the printed table"
FAILS = "does not hold"
OPEN = "cannot be checked yet"
CONTRADICTS = "contradicts another statement"
BY_NAME = {"holds": HOLDS, "in_table": IN_TABLE, "fails": FAILS, "open": OPEN, "contradicts": CONTRADICTS}
VERDICTS = tuple(BY_NAME.values())

COLUMN = ["train_corpus", "test_corpus", "head"]
"""A column of Table I."""

NEAR = 0.02
"""Relative difference up to which two counts of parameters are the same."""

CLUSTERED = 0.25
"""Silhouette from which groups count as clusters (Kaufman and Rousseeuw 1990: below it, no structure)."""

ENOUGH = 0.9
"""Share of trainings that must have their best epoch before the last."""


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; the fields are described at the head of `data/claims.yaml`."""

    id: str
    claim: str
    place: str
    kind: str
    check: str
    stated: Any
    assumptions: str


@dataclass(frozen=True)
class Finding:
    """What a check found: one of `VERDICTS`, and the numbers that it follows from, by name."""

    verdict: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What checks look at, besides the registries of models and corpora.

    Attributes
    ----------
    printed
        Table I, as from `reference.table1`.
    predictions, history
        Ours, as from `evaluate.grid`, with any fold regimes; may be empty.
    settings
        That they were made with.
    source
        Of embeddings, "pack" or "audio".
    """

    printed: pd.DataFrame
    predictions: pd.DataFrame
    history: pd.DataFrame
    settings: protocol.Protocol
    source: str = "pack"

    @functools.cached_property
    def ours(self) -> pd.DataFrame:
        """Our accuracy and macro-F1 for cells of Table I, with stratified folds, in the form of `printed`.

        Cells that are scored on other emotions than the paper's are left out.
        """
        here = self.predictions[self.predictions["regime"] == "stratified"]
        here = label_sets.alike(here, only=reference.published_labels())
        rows = []
        for cell, part in here.groupby(reference.CELL, sort=False):
            scores = metrics.score(metrics.counts(part, "regime")[0])  # all folds together, for each seed
            rows.append((*cell, scores["accuracy"].mean(), scores["macro_f1"].mean()))
        table = pd.DataFrame(rows, columns=[*reference.CELL, "accuracy", "macro_f1"])
        return self.printed[reference.CELL].merge(table, on=reference.CELL)


Check = Callable[[Claim, Known], Finding]


@functools.cache
def ledger() -> dict[str, Claim]:
    """Return all claims by id, in the order of `data/claims.yaml`."""
    entries = yaml.safe_load((paths.DATA / "claims.yaml").read_text(encoding="utf-8"))
    return {key: Claim(key, **entry) for key, entry in entries.items()}


def find(claim: Claim, known: Known) -> Finding:
    """Check one claim."""
    return CHECKS[names.check(claim.check, CHECKS, f"check of the claim {claim.id}")](claim, known)


def check_all(known: Known) -> pd.DataFrame:
    """Check all claims.

    Returns
    -------
    A row for each: id, claim, place, kind, check, verdict (one of `VERDICTS`), evidence (text such as
    "name: value; name: value"), assumptions.
    """
    rows = []
    for claim in ledger().values():
        found = find(claim, known)
        names.check(found.verdict, VERDICTS, f"verdict of the claim {claim.id}")
        rows.append(
            {
                "id": claim.id,
                "claim": claim.claim,
                "place": claim.place,
                "kind": claim.kind,
                "check": claim.check,
                "verdict": found.verdict,
                "evidence": "; ".join(f"{name}: {_text(value)}" for name, value in found.evidence.items()),
                "assumptions": claim.assumptions,
            }
        )
    return pd.DataFrame(rows)


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _name(ptm: str) -> str:
    return extractors.get(ptm).name


# -- models ----------------------------------------------------------------------------------------------------


def dimensions(claim: Claim, known: Known) -> Finding:
    """Compare dimensions with those of the checkpoints that the paper names."""
    evidence, wrong = {}, False
    for ptm, stated in claim.stated.items():
        model = extractors.get(ptm)
        evidence[model.name] = f"{stated} stated, {model.dimension} in {model.handle}"
        if model.dimension != stated:
            wrong = True
            others = [
                other.handle
                for other in extractors.registry().values()
                if other.id != ptm and not other.twin_of and other.name.startswith(model.name)
                if other.dimension == stated
            ]
            evidence |= {f"{stated} is that of": ", ".join(others)} if others else {}
    return Finding(CONTRADICTS if wrong else HOLDS, evidence)


def parameters(claim: Claim, known: Known) -> Finding:
    """Compare counts of parameters, of the part that gives embeddings and of the whole network."""
    evidence, verdicts = {}, set()
    for ptm, stated in claim.stated.items():
        model = extractors.get(ptm)
        counts = {"embedding part": model.parameters}
        if "whole" in stated:
            counts["whole network"] = count_parameters(stated["whole"], stated["settings"])
        of_any = [count for count in counts.values() if count is not None]
        agrees = any(same_count(stated["count"], count) for count in of_any)
        verdicts.add(OPEN if not of_any else HOLDS if agrees else FAILS)
        shown = [f"{count / 1e6:.2f}M ({part})" for part, count in counts.items() if count is not None]
        evidence[model.name] = f"{stated['count']} stated, {' and '.join(shown) or 'not counted here'}"
    return Finding(next(v for v in (FAILS, OPEN, HOLDS) if v in verdicts), evidence)


def same_count(stated: str, count: int) -> bool:
    """Return whether a count is what is stated ("74M", "1B"): rounded to its digits, or within `NEAR`."""
    number, unit = stated[:-1], stated[-1]
    value = float(number) * (1e6 if unit == "M" else 1e9)
    digits = len((number if "." in number else number.rstrip("0")).replace(".", "").lstrip("0"))
    return bool(float(f"{count:.{digits - 1}e}") == value or abs(count - value) <= NEAR * value)


@functools.cache
def _counted(name: str, settings: tuple[tuple[str, Any], ...]) -> int:
    import torch  # heavy, as is what follows, and needed here alone
    import transformers

    kind = getattr(transformers, name)
    with torch.device("meta"):  # shapes without memory
        network = kind(kind.config_class(**dict(settings)))
    return sum(p.numel() for p in network.parameters())


def count_parameters(name: str, settings: dict[str, Any]) -> int:
    """Return the parameters of a class of transformers, with settings that differ from its defaults."""
    return _counted(name, tuple(sorted(settings.items())))


# -- corpora ---------------------------------------------------------------------------------------------------


def _listed(corpus: str) -> pd.DataFrame:
    listed = corpora.file_list(corpus)
    if listed is None:
        raise FileNotFoundError(f"{corpus}: no list of files in data/reference/utterances, which the check needs")
    return listed


def corpus(claim: Claim, known: Known) -> Finding:
    """Compare what is stated of a corpus with its file list, and with its owners' statements."""
    entry, listed = corpora.get(claim.stated["corpus"]), _listed(claim.stated["corpus"])
    gender = {kind: int(n) for n, kind in re.findall(r"(\d+) (male|female)", entry.speakers)}
    found: dict[str, Any] = {
        "utterances": len(listed),
        "about": len(listed),
        "speakers": listed["speaker"].nunique(),
        "emotions": sorted(listed["emotion"].unique()),
        "language": entry.language,
        "texts": listed["text_id"].nunique(),
        "voices": listed["text_id"].str[0].nunique(),
        **gender,
    }
    evidence, wrong = {}, False
    for fact, stated in claim.stated.items():
        if fact == "corpus":
            continue
        here = found.get(fact)
        if fact == "about":
            same = here is not None and abs(here / stated - 1) <= 0.05
        elif fact == "emotions":
            same = here == sorted(stated)
            stated, here = len(stated), f"{len(found[fact])}{'' if same else ', others'}"
        else:
            same = here == stated
        wrong |= not same
        evidence[fact] = f"{stated} stated, {here} here"
    if "texts" in claim.stated:
        each = listed.groupby("speaker")["text_id"].nunique()
        evidence["actors with all texts"] = f"{int((each == claim.stated['texts']).sum())} of {len(each)}"
    return Finding(FAILS if wrong else HOLDS, evidence)


def collection(claim: Claim, known: Known) -> Finding:
    """Compare the size of a whole collection with its design, and its used part with the file list."""
    stated = claim.stated
    design = {name: part["forms"] * part["actors"] * part["clips"] for name, part in stated["parts"].items()}
    used = stated["parts"][stated["used"]]
    listed = len(_listed(stated["corpus"]))
    evidence = {
        "stated": stated["files"],
        **{f"{name} by design": n for name, n in design.items()},
        "together": sum(design.values()),
        f"{stated['used']} in the file list": listed,
    }
    right = sum(design.values()) == stated["files"] and listed == used["actors"] * used["clips"]
    return Finding(HOLDS if right else FAILS, evidence)


def language(claim: Claim, known: Known) -> Finding:
    """Compare what two places of the paper say of a corpus's language."""
    said = {place: value for place, value in claim.stated.items() if place != "corpus"}
    entry = corpora.get(claim.stated["corpus"])
    evidence = {**said, "its owners": entry.language}
    if len(set(said.values())) > 1:
        return Finding(CONTRADICTS, evidence)
    return Finding(HOLDS if entry.language in said.values() else FAILS, evidence)


def common_emotions(claim: Claim, known: Known) -> Finding:
    """Compare the common emotions with those that all file lists share."""
    lists = {key: set(_listed(key)["emotion"]) for key, entry in corpora.registry().items() if entry.in_paper}
    common = set.intersection(*lists.values())
    evidence: dict[str, Any] = {figures.corpus_name(key): f"{len(found)} emotions" for key, found in lists.items()}
    evidence["in all"] = ", ".join(sorted(common))
    return Finding(HOLDS if common == set(claim.stated) else FAILS, evidence)


# -- other papers ----------------------------------------------------------------------------------------------


def whisper_first(claim: Claim, known: Known) -> Finding:
    """Look up which model leads across corpora in two other papers' tables."""
    evals = reference.load("osman2024_table3").set_index("model")["out_of_domain"].astype(float)
    emobox = reference.load("ma2024_table5").assign(accuracy=lambda t: t["accuracy"].astype(float))
    emobox = emobox.groupby("model")["accuracy"].mean()
    evidence, first = {}, []
    for paper, scores, form in (("SER Evals", 100 * evals, ".1f"), ("EmoBox", emobox, ".1f")):
        best, rest = scores.idxmax(), scores[~scores.index.str.startswith(claim.stated)]
        evidence[paper] = f"{best} {scores.max():{form}}, best other {rest.idxmax()} {rest.max():{form}}"
        first.append(str(best).startswith(claim.stated))
    return Finding(HOLDS if all(first) else FAILS, evidence)


# -- layers ----------------------------------------------------------------------------------------------------


def fcn_parameters(claim: Claim, known: Known) -> Finding:
    """Count the FCN's parameters with the stated layers."""
    return _sizes(claim, "FCN", protocol.load({"fcn_widths": claim.stated["widths"]}), known)


def _sizes(claim: Claim, head: str, settings: protocol.Protocol, known: Known) -> Finding:
    dims, (low, high) = claim.stated["dimensions"], claim.stated["millions"]
    n_classes = len(protocol.load()["emotions"])  # the paper's, whatever was run here
    stated = heads.sizes(dims, n_classes, settings)[head]
    ours = heads.sizes(dims, n_classes, known.settings)[head]
    inside = bool(stated.between(low, high).all())
    evidence = {
        "stated": f"{low} to {high} M",
        "with the stated layers": _millions(stated),
        "with this project's": _millions(ours),
    }
    return Finding(HOLDS if inside else CONTRADICTS, evidence)


def _millions(counts: pd.Series) -> str:
    return ", ".join(f"{value:.2f} M ({dim})" for dim, value in counts.items())


def cnn_parameters(claim: Claim, known: Known) -> Finding:
    """Look for a number of filters that gives the CNN the stated parameters at all dimensions."""
    dims, (low, high) = claim.stated["dimensions"], claim.stated["millions"]
    fits = filters_that_fit(dims, low, high, claim.stated["widths"], claim.stated["filters"])
    most = int(fits.max())
    evidence = {
        "stated": f"{low} to {high} M",
        "numbers of filters that fit all": int((fits == len(dims)).sum()),
        "most dimensions that one fits": f"{most} of {len(dims)}",
        "with": ", ".join(f"{n}" for n in fits.index[fits == most][:3]) + " filters, the smallest",
    }
    return Finding(HOLDS if most == len(dims) else CONTRADICTS, evidence)


def filters_that_fit(dims: list[int], low: float, high: float, widths: list[int], most: int) -> pd.Series:
    """Return, for 1 to `most` filters, at how many dimensions the CNN has `low` to `high` million parameters."""

    def counts(filters: int) -> np.ndarray:
        settings = protocol.load({"cnn_filters": filters, "cnn_widths": widths})
        return heads.sizes(dims, len(settings["emotions"]), settings)["CNN"].to_numpy()

    one, two = counts(1), counts(2)  # each filter more adds the same number
    n = np.arange(1, most + 1)
    millions = one + np.outer(n - 1, two - one)
    return pd.Series(((millions >= low) & (millions <= high)).sum(axis=1), n)


# -- training --------------------------------------------------------------------------------------------------


def epochs(claim: Claim, known: Known) -> Finding:
    """Count in how many of our trainings the best epoch comes before the last that is allowed."""
    history, settings = known.history, known.settings
    if not len(history) or settings["epochs"] != claim.stated:
        return Finding(OPEN, {"stated": f"{claim.stated} epochs", "here": f"{settings['epochs']} epochs"})
    runs = history.groupby([*evaluate.UNIT, "fold"], sort=False)
    best = history.loc[runs["val_loss"].idxmin(), "epoch"]
    before = float((best < claim.stated).mean())
    evidence = {
        "our trainings": runs.ngroups,
        "best epoch, mean": float(best.mean()),
        "best before the last": f"{100 * before:.0f} %",
        "stopped early": f"{100 * float((runs['epoch'].max() < claim.stated).mean()):.0f} %",
    }
    return Finding(HOLDS if before >= ENOUGH else FAILS, evidence)


# -- the printed table ------------------------------------------------------------------------------------------


@functools.cache
def _judged() -> tuple[pd.DataFrame, reference.Sizes]:
    sizes = reference.sizes("phukan2025_table1")
    return audit.cells(reference.load("phukan2025_table1"), next(iter(sizes.variants.values()))), sizes


def average_of_folds(claim: Claim, known: Known) -> Finding:
    """Ask whether as many accuracies look like one fold's as averages of five folds would."""
    judged, _ = _judged()
    # Of the values that an average can have, the share that one fold can have too.
    both = (judged["one_fold_chance"] / judged["mean_chance"]).to_numpy()
    n = int(judged["one_fold"].sum())
    p = float(stats.poisson_binom.sf(n - 1, both))
    evidence = {
        "accuracies": len(judged),
        "fit one fold": n,
        "expected of averages": float(both.sum()),
        "chance of so many": f"{p:.1g}" if p > 1e-12 else "below 1e-12",
        "fit an average": int((judged["verdict"] != "neither").sum()),
    }
    return Finding(CONTRADICTS if p < claim.stated["chance"] else IN_TABLE, evidence)


def score_format(claim: Claim, known: Known) -> Finding:
    """Ask whether each macro-F1 is possible beside its accuracy."""
    judged, sizes = _judged()
    table = audit.macro_f1(judged, sizes.classes)
    impossible = table[table["flag"].str.contains("possible")]
    evidence: dict[str, Any] = {"cells": len(table), "impossible pairs": len(impossible)}
    for row in impossible.itertuples():
        pair = figures.pair_name(str(row.train_corpus), str(row.test_corpus))
        evidence[f"{_name(str(row.ptm))}, {figures.head_name(str(row.head))}, {pair}"] = (
            f"{row.accuracy} | {row.macro_f1}, macro-F1 from {row.lowest:.2f} to {row.highest:.2f} is possible"
        )
    return Finding(IN_TABLE if impossible.empty else FAILS, evidence)


def row_labels(claim: Claim, known: Known) -> Finding:
    """Compare the labels of rows with the caption."""
    caption, rows = claim.stated["caption"], claim.stated["rows"]
    odd = [labels for labels in rows if sorted(labels) != sorted(caption)]
    missing = sorted({label for labels in odd for label in set(caption) - set(labels)})
    twice = sorted({label for labels in odd for label in labels if labels.count(label) > 1})
    evidence: dict[str, Any] = {"groups of rows": len(rows), "with other labels": len(odd)}
    evidence |= {"not there": ", ".join(missing), "there twice": ", ".join(twice)} if odd else {}
    return Finding(CONTRADICTS if odd else IN_TABLE, evidence)


def _columns(table: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return scores as columns of Table I × models."""
    return table.pivot(index=COLUMN, columns="ptm", values=metric)


def _where(columns: pd.DataFrame) -> pd.Series:
    same = [train == test for train, test, _ in columns.index]
    return pd.Series(np.where(same, "same", "cross"), columns.index)


def _part(table: pd.DataFrame, where: str, metric: str = "accuracy") -> pd.DataFrame:
    columns = _columns(table, metric)
    return columns[_where(columns) == where]


def _of_both(claim: Claim, known: Known, ask: Callable[[pd.DataFrame], tuple[bool, dict[str, Any]]]) -> Finding:
    """Ask the printed table and, as far as they go, our scores; ours decide once they are complete."""
    yes, evidence = ask(known.printed)
    if not yes:
        return Finding(FAILS, evidence)
    here = len(known.ours)
    if here < len(known.printed):
        return Finding(IN_TABLE, evidence | {"our cells so far": f"{here} of {len(known.printed)}"})
    same, of_ours = ask(known.ours)
    return Finding(
        HOLDS if same else FAILS, evidence | {f"ours, {name}": value for name, value in of_ours.items()}
    )


def best_model(claim: Claim, known: Known) -> Finding:
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


def margin(claim: Claim, known: Known) -> Finding:
    """Count the columns in which one model leads by far."""
    points = claim.stated["points"]

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        margins = _margins(_part(table, claim.stated["where"]), claim.stated["ptm"])
        far = int((margins >= points).sum())
        evidence = {f"{points} points or more": f"{far} of {len(margins)} columns"}
        return far > 1, evidence | {"median": float(margins.median()), "largest": float(margins.max())}

    return _of_both(claim, known, ask)


def cnn_above_fcn(claim: Claim, known: Known) -> Finding:
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
    if found.verdict == IN_TABLE and len(ours):
        so_far = {"of ours, at or above": f"{int(ours.sum())} of {len(ours)} pairs"}
        return Finding(found.verdict, found.evidence | so_far)
    return found


def _family(columns: pd.DataFrame, family: str) -> pd.DataFrame:
    return columns[[ptm for ptm in columns if extractors.get(str(ptm)).family == family]]


def no_winner(claim: Claim, known: Known) -> Finding:
    """Count how often each model of a family is its best."""

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        evidence, largest = {}, 0.0
        for where in ("same", "cross"):
            best = _family(_part(table, where), claim.stated["family"]).idxmax(axis=1).value_counts()
            wins = [f"{_name(str(ptm))} {n}" for ptm, n in best.items()]
            evidence[f"{where}-corpus, best in"] = f"{', '.join(wins)} of {best.sum()}"
            largest = max(largest, 100 * best.max() / best.sum())
        return largest < claim.stated["share"], evidence

    return _of_both(claim, known, ask)


def leads(claim: Claim, known: Known) -> Finding:
    """Check single sentences on which model is above which in one corpus."""

    def ask(table: pd.DataFrame) -> tuple[bool, dict[str, Any]]:
        columns, evidence, right = _columns(table), {}, True
        for one in claim.stated:
            rivals = _family(columns, one["above"]).drop(columns=one["ptm"], errors="ignore")
            for head in one["heads"]:
                cell = (one["corpus"], one["corpus"], head)
                mine, best = float(columns.loc[cell, one["ptm"]]), float(rivals.loc[cell].max())
                right &= mine > best
                where = f"{_name(one['ptm'])}, {figures.corpus_name(one['corpus'])}, {figures.head_name(head)}"
                evidence[where] = f"{mine:.2f} against {best:.2f}"
        return right, evidence

    return _of_both(claim, known, ask)


def mixed(claim: Claim, known: Known) -> Finding:
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


def harder_across(claim: Claim, known: Known) -> Finding:
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
    if found.verdict == IN_TABLE and len(ours):
        return Finding(found.verdict, found.evidence | {"of ours": f"{int(ours.sum())} of {len(ours)}"})
    return found


# -- embeddings ------------------------------------------------------------------------------------------------


def clusters(claim: Claim, known: Known) -> Finding:
    """Measure how far apart groups of embeddings are; it takes the embeddings of all stated corpora."""
    stated = claim.stated
    parts = projection.common(stated["ptm"], stated["corpora"], known.source, protocol.load()["emotions"])
    if len(parts) < len(stated["corpora"]):
        return Finding(
            OPEN, {f"embeddings of {_name(stated['ptm'])}": f"{len(parts)} of {len(stated['corpora'])} corpora"}
        )
    rows = stated.get("emotions", [])
    values = projection.silhouettes(parts, rows)[f"by {stated['by']}"].loc[rows or list(parts)]
    found = (values >= CLUSTERED) if stated["separated"] else (values < CLUSTERED)
    evidence = {f"silhouette, {name}": float(value) for name, value in values.items()}
    return Finding(HOLDS if bool(found.all()) else FAILS, evidence)


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        dimensions,
        parameters,
        corpus,
        collection,
        language,
        common_emotions,
        whisper_first,
        fcn_parameters,
        cnn_parameters,
        epochs,
        average_of_folds,
        score_format,
        row_labels,
        best_model,
        margin,
        cnn_above_fcn,
        no_winner,
        leads,
        mixed,
        harder_across,
        clusters,
    )
}
"""The checks by name."""
