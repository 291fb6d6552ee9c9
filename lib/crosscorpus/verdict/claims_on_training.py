"""Checks of the paper's claims on heads, training and the clusters of embeddings."""

import numpy as np
import pandas as pd

from crosscorpus.embeddings import projection
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import heads, unit_of_work
from crosscorpus.verdict import claim_findings

CLUSTERED = 0.25
"""Silhouette from which groups count as clusters (Kaufman and Rousseeuw 1990: below it, no structure)."""


def fcn_parameters(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count the FCN's parameters with the stated layers."""
    return _sizes(claim, "FCN", protocol_settings.load({"fcn_widths": claim.stated["widths"]}), known)


def _sizes(
    claim: claim_findings.Claim, head: str, settings: protocol_settings.Protocol, known: claim_findings.Known
) -> claim_findings.Finding:
    dims, (low, high) = claim.stated["dimensions"], claim.stated["millions"]
    n_classes = len(protocol_settings.load()["emotions"])  # the paper's, whatever was run here
    stated = heads.sizes(dims, n_classes, settings)[head]
    ours = heads.sizes(dims, n_classes, known.settings)[head]
    inside = bool(stated.between(low, high).all())
    evidence = {
        "stated": f"{low} to {high} M",
        "with the stated layers": _millions(stated),
        "with this project's": _millions(ours),
    }
    return claim_findings.Finding(claim_findings.HOLDS if inside else claim_findings.CONTRADICTS, evidence)


def _millions(counts: pd.Series) -> str:
    return ", ".join(f"{value:.2f} M ({dim})" for dim, value in counts.items())


def cnn_parameters(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
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
    return claim_findings.Finding(
        claim_findings.HOLDS if most == len(dims) else claim_findings.CONTRADICTS, evidence
    )


def filters_that_fit(dims: list[int], low: float, high: float, widths: list[int], most: int) -> pd.Series:
    """Return, for 1 to `most` filters, at how many dimensions the CNN has `low` to `high` million parameters."""

    def counts(filters: int) -> np.ndarray:
        settings = protocol_settings.load({"cnn_filters": filters, "cnn_widths": widths})
        return heads.sizes(dims, len(settings["emotions"]), settings)["CNN"].to_numpy()

    one, two = counts(1), counts(2)  # each filter more adds the same number
    n = np.arange(1, most + 1)
    millions = one + np.outer(n - 1, two - one)
    return pd.Series(((millions >= low) & (millions <= high)).sum(axis=1), n)


def epochs(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Count in how many of our trainings the best epoch comes before the last that is allowed.

    It is beside the statement, which is about what others did: no run of ours can confirm that, or refute it.
    """
    history, settings = known.history, known.settings
    if not len(history) or settings["epochs"] != claim.stated:
        return claim_findings.Finding(
            claim_findings.OPEN, {"stated": f"{claim.stated} epochs", "here": f"{settings['epochs']} epochs"}
        )
    runs = history.groupby([*unit_of_work.UNIT, "fold"], sort=False)
    best = history.loc[runs["val_loss"].idxmin(), "epoch"]
    evidence = {
        "stated": f"{claim.stated} epochs",
        "our trainings": runs.ngroups,
        "best epoch, mean": float(best.mean()),
        "best before the last": f"{100 * float((best < claim.stated).mean()):.0f} %",
        "stopped early": f"{100 * float((runs['epoch'].max() < claim.stated).mean()):.0f} %",
    }
    return claim_findings.Finding(claim_findings.OPEN, evidence)


def clusters(claim: claim_findings.Claim, known: claim_findings.Known) -> claim_findings.Finding:
    """Measure how far apart groups of embeddings are; it takes the embeddings of all stated corpora."""
    stated = claim.stated
    parts = projection.common(stated["ptm"], stated["corpora"], known.source, protocol_settings.load()["emotions"])
    if len(parts) < len(stated["corpora"]):
        some = f"{len(parts)} of {len(stated['corpora'])} corpora"
        return claim_findings.Finding(
            claim_findings.OPEN, {f"embeddings of {claim_findings.name_of(stated['ptm'])}": some}
        )
    rows = stated.get("emotions", [])
    values = projection.silhouettes(parts, rows)[f"by {stated['by']}"].loc[rows or list(parts)]
    found = (values >= CLUSTERED) if stated["separated"] else (values < CLUSTERED)
    evidence = {f"silhouette, {name}": float(value) for name, value in values.items()}
    return claim_findings.Finding(claim_findings.HOLDS if bool(found.all()) else claim_findings.FAILS, evidence)
