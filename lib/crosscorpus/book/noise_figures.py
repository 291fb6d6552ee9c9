"""Figures of what noise and a telephone's band cost."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures
from crosscorpus.models import model_registry


def by_condition(models: pd.DataFrame, chance: float) -> Figure:
    """Draw UAR by condition: a row of panels for each head, within corpora on the left and across on the right.

    Parameters
    ----------
    models
        What `noise_study.run` returns of models, with its `OF_MODELS`; conditions in the order that is drawn. A
        bar is the 95 % interval of the loss against clean speech, drawn from the clean score down, so it is of
        the difference and not of the score.
    chance
        UAR of guessing, in percent, where a thin line is drawn.
    """
    if not len(models):
        return figures.nothing_to_draw("Not yet run. `make noise` runs it, from audio.")
    heads, kinds, conditions = (list(models[column].unique()) for column in ("head", "cells", "condition"))
    ptms = list(models["ptm"].unique())
    fig, axes = plt.subplots(
        len(heads), len(kinds), figsize=(4.2 * len(kinds), 2.7 * len(heads) + 0.5), sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    for (i, head), (j, kind) in ((a, b) for a in enumerate(heads) for b in enumerate(kinds)):
        ax = axes[i, j]
        for number, ptm in enumerate(ptms):
            of = (models["head"] == head) & (models["cells"] == kind) & (models["ptm"] == ptm)
            line = models[of].set_index("condition").loc[conditions]
            clean = (line["uar"] + line["loss"]).to_numpy()
            ends = [line["uar"] - (clean - line["high"]), (clean - line["low"]) - line["uar"]]
            at = [k + 0.08 * (number - (len(ptms) - 1) / 2) for k in range(len(conditions))]
            colour, marker, _ = figure_colours.style(number)
            # A line joins what is one disturbance in growing strength; the telephone's band stands by itself.
            ax.errorbar(
                at, line["uar"], ends, color=colour, marker=marker, markersize=5, linestyle="none",
                elinewidth=1, label=model_registry.model_name(ptm),
            )  # fmt: skip
            ax.plot(at[:-1], line["uar"].iloc[:-1], color=colour, linewidth=1.2)
        ax.axhline(chance, color="#444444", linewidth=0.8)
        ax.set_xticks(range(len(conditions)), conditions)
        ax.set_title(f"{kind} corpora, {shown_names.head_name(head)}")
    for ax in axes[:, 0]:
        ax.set_ylabel(shown_names.METRICS["uar"])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return fig
