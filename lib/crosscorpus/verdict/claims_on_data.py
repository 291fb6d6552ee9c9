"""Checks of the paper's claims on corpora and models."""

import re
from typing import Any

import pandas as pd

from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.models import model_registry
from crosscorpus.verdict import claim_findings, published_tables

NEAR = 0.02
"""Relative difference up to which two counts of parameters are the same."""


def dimensions(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare dimensions with those of the checkpoints that the paper names."""
    evidence, wrong = {}, False
    for ptm, stated in claim.stated.items():
        model = model_registry.get(ptm)
        evidence[model.name] = f"{stated} stated, {model.dimension} in {model.handle}"
        if model.dimension != stated:
            wrong = True
            others = [
                other.handle
                for other in model_registry.registry().values()
                if other.id != ptm and not other.twin_of and other.name.startswith(model.name)
                if other.dimension == stated
            ]
            evidence |= {f"{stated} is that of": ", ".join(others)} if others else {}
    return claim_findings.Finding(claim_findings.CONTRADICTS if wrong else claim_findings.HOLDS, evidence)


def parameters(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare counts of parameters, of the part that gives embeddings and of the whole network."""
    evidence, verdicts = {}, set()
    for ptm, stated in claim.stated.items():
        model = model_registry.get(ptm)
        counts = {"embedding part": model.parameters}
        if "whole" in stated:  # `count_parameters` takes seconds, so a test compares the two
            counts["whole network"] = stated["counted"]
        of_any = [count for count in counts.values() if count is not None]
        agrees = any(same_count(stated["count"], count) for count in of_any)
        verdicts.add(
            claim_findings.OPEN if not of_any else claim_findings.HOLDS if agrees else claim_findings.FAILS
        )
        shown = [f"{count / 1e6:.2f}M ({part})" for part, count in counts.items() if count is not None]
        evidence[model.name] = f"{stated['count']} stated, {' and '.join(shown) or 'not counted here'}"
    return claim_findings.Finding(
        next(v for v in (claim_findings.FAILS, claim_findings.OPEN, claim_findings.HOLDS) if v in verdicts),
        evidence,
    )


def same_count(stated: str, count: int) -> bool:
    """Return whether a count is what is stated ("74M", "1B"): rounded to its digits, or within `NEAR`."""
    number, unit = stated[:-1], stated[-1]
    value = float(number) * (1e6 if unit == "M" else 1e9)
    digits = len((number if "." in number else number.rstrip("0")).replace(".", "").lstrip("0"))
    return bool(float(f"{count:.{digits - 1}e}") == value or abs(count - value) <= NEAR * value)


def count_parameters(name: str, settings: dict[str, Any]) -> int:
    """Return the parameters of a class of transformers, with settings that differ from its defaults."""
    import torch  # heavy, as is what follows, and needed here alone
    import transformers

    kind = getattr(transformers, name)
    with torch.device("meta"):  # shapes without memory
        network = kind(kind.config_class(**settings))
    return sum(p.numel() for p in network.parameters())


def _listed(corpus: str) -> pd.DataFrame:
    listed = file_lists.file_list(corpus)
    if listed is None:
        raise FileNotFoundError(f"{corpus}: no list of files in data/reference/utterances, which the check needs")
    return listed


def corpus(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare what is stated of a corpus with its file list, and with its owners' statements."""
    entry, listed = corpus_registry.get(claim.stated["corpus"]), _listed(claim.stated["corpus"])
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
    return claim_findings.Finding(claim_findings.FAILS if wrong else claim_findings.HOLDS, evidence)


def collection(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
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
    return claim_findings.Finding(claim_findings.HOLDS if right else claim_findings.FAILS, evidence)


def language(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare what two places of the paper say of a corpus's language."""
    said = {place: value for place, value in claim.stated.items() if place != "corpus"}
    entry = corpus_registry.get(claim.stated["corpus"])
    evidence = {**said, "its owners": entry.language}
    if len(set(said.values())) > 1:
        return claim_findings.Finding(claim_findings.CONTRADICTS, evidence)
    return claim_findings.Finding(
        claim_findings.HOLDS if entry.language in said.values() else claim_findings.FAILS, evidence
    )


def common_emotions(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Compare the common emotions with those that all file lists share."""
    lists = {
        key: set(_listed(key)["emotion"]) for key, entry in corpus_registry.registry().items() if entry.in_paper
    }
    common = set.intersection(*lists.values())
    evidence: dict[str, Any] = {
        corpus_registry.corpus_name(key): f"{len(found)} emotions" for key, found in lists.items()
    }
    evidence["in all"] = ", ".join(sorted(common))
    return claim_findings.Finding(
        claim_findings.HOLDS if common == set(claim.stated) else claim_findings.FAILS, evidence
    )


def whisper_first(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Look up which model leads across corpora in two other papers' tables."""
    evals = published_tables.load("osman2024_table3").set_index("model")["out_of_domain"].astype(float)
    emobox = published_tables.load("ma2024_table5").assign(accuracy=lambda t: t["accuracy"].astype(float))
    emobox = emobox.groupby("model")["accuracy"].mean()
    evidence, first = {}, []
    for paper, scores, form in (("SER Evals", 100 * evals, ".1f"), ("EmoBox", emobox, ".1f")):
        best, rest = scores.idxmax(), scores[~scores.index.str.startswith(claim.stated)]
        evidence[paper] = f"{best} {scores.max():{form}}, best other {rest.idxmax()} {rest.max():{form}}"
        first.append(str(best).startswith(claim.stated))
    return claim_findings.Finding(claim_findings.HOLDS if all(first) else claim_findings.FAILS, evidence)
