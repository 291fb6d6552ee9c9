"""The ledger of the paper's claims: each entry of `data/claims.yaml` is checked by one small function.

A check gets the claim and what is known (`Known`), and returns a verdict with its evidence, both computed.
"""

import functools
from typing import Any

import pandas as pd
import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.verdict import claim_findings, claims_on_data, claims_on_scores, claims_on_training


@functools.cache
def ledger() -> dict[str, claim_findings.Claim]:
    """Return all claims by id, in the order of `data/claims.yaml`."""
    entries = yaml.safe_load((paths.DATA / "claims.yaml").read_text(encoding="utf-8"))
    return {key: claim_findings.Claim(key, **entry) for key, entry in entries.items()}


def find(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Check one claim."""
    return CHECKS[known_names.check(claim.check, CHECKS, f"check of the claim {claim.id}")](claim, known)


def check_all(known: claim_findings.Known) -> pd.DataFrame:
    """Check all claims.

    Returns
    -------
    A row for each: id, claim, place, kind, check, verdict (one of `VERDICTS`), evidence (text such as
    "name: value; name: value"), assumptions.
    """
    rows = []
    for claim in ledger().values():
        found = find(claim, known)
        known_names.check(found.verdict, claim_findings.VERDICTS, f"verdict of the claim {claim.id}")
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


CHECKS: dict[str, claim_findings.Check] = {
    check.__name__: check
    for check in (
        claims_on_data.dimensions,
        claims_on_data.parameters,
        claims_on_data.corpus,
        claims_on_data.collection,
        claims_on_data.language,
        claims_on_data.common_emotions,
        claims_on_data.whisper_first,
        claims_on_training.fcn_parameters,
        claims_on_training.cnn_parameters,
        claims_on_training.epochs,
        claims_on_scores.average_of_folds,
        claims_on_scores.score_format,
        claims_on_scores.row_labels,
        claims_on_scores.best_model,
        claims_on_scores.margin,
        claims_on_scores.cnn_above_fcn,
        claims_on_scores.no_winner,
        claims_on_scores.leads,
        claims_on_scores.mixed,
        claims_on_scores.harder_across,
        claims_on_training.clusters,
    )
}
"""The checks by name."""
