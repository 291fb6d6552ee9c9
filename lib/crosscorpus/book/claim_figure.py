"""The first page's figure: the paper's claim, and what was found here."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.book import figure_colours, marks
from crosscorpus.models import model_registry

NOT_RUN = "#8A8A8A"


def claim_and_answer(means: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Draw each model's mean score across corpora: the paper's, and ours with its spread.

    Parameters
    ----------
    means
        What `first_findings.means_across` returns.
    cells
        Those of Table I: train_corpus, test_corpus, and ours, NaN where it was not run. The title counts them.
    """
    y = np.arange(len(means))[::-1]
    fig, ax = plt.subplots(figsize=(7.2, 0.34 * len(means) + 1.5))
    here = means["n_run"].to_numpy() > 0
    ours, low, high = (means[name].to_numpy(dtype=float) for name in ("ours", "low", "high"))
    paper, paper_run = means["paper"].to_numpy(dtype=float), means["paper_run"].to_numpy(dtype=float)
    colours = np.where(here, figure_colours.PAPER_COLOUR, NOT_RUN)
    for shown, colour in ((here, figure_colours.PAPER_COLOUR), (~here, NOT_RUN)):
        label = "paper, all cells" + ("" if colour != NOT_RUN else " (not yet run here)")
        if shown.any():
            ax.plot(paper[shown], y[shown], "x", color=colour, markersize=8, markeredgewidth=2, label=label)
    ax.plot(
        paper_run, y + 0.16, "D", color="none", markeredgecolor=figure_colours.PAPER_COLOUR, markersize=6,
        label="paper, cells that were run here",
    )  # fmt: skip
    colour, marker, _ = figure_colours.style(0)
    spread = np.nan_to_num(np.stack([ours - low, high - ours])).clip(0)
    ax.errorbar(
        ours,
        y - 0.16,
        xerr=spread,
        fmt=marker,
        color=colour,
        markersize=6,
        capsize=3,
        label="ours, the same cells",
    )
    names = [model_registry.model_name(ptm) for ptm in means["ptm"]]
    ax.set_yticks(y, names)
    for tick, shade in zip(ax.get_yticklabels(), colours, strict=True):
        tick.set_color(shade)
    told = means.assign(model=names).rename(
        columns={"paper_run": "paper, same cells", "low": "one more run, from", "high": "to", "n_run": "cells run"}
    )
    rows = told.drop(columns=["ptm", "n"]).to_dict("records")
    marks.put(ax, np.where(here, ours, paper), np.where(here, y - 0.16, y), rows)
    ax.set_title(_counted(cells))
    ax.set(xlabel="mean accuracy over pairs of two different corpora (%)", ylim=(-0.6, len(means) - 0.4))
    ax.set_xlim(left=0)
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def _counted(cells: pd.DataFrame) -> str:
    """Return how many cells were run, of all and of each kind."""
    run, apart = cells["ours"].notna(), cells["train_corpus"] != cells["test_corpus"]
    return (
        f"{run.sum()} of the paper's {len(cells)} cells run here: "
        f"{run[apart].sum()} of {apart.sum()} across corpora\n"
        f"(this figure), {run[~apart].sum()} of {(~apart).sum()} within one"
    )
