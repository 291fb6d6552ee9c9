"""Figures of how often heads are right, by how sure they are."""

import itertools

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures


def reliability(bins: pd.DataFrame) -> Figure:
    """Draw accuracy against sureness: a panel for each head and kind of cell, a line for each way.

    Parameters
    ----------
    bins
        What `temperatures.reliability` returns: head, cell, way, sure, right (percent) and n, to which the area of
        a dot is proportional.
    """
    if not len(bins):
        return figures.nothing_to_draw("There is nothing to show: no predictions with probabilities.")
    heads, cells, ways = (list(bins[column].unique()) for column in ("head", "cell", "way"))
    width, height = 3.0 * len(heads) + 0.4, 2.8 * len(cells) + 0.6
    fig, axes = plt.subplots(
        len(cells), len(heads), figsize=(width, height), sharex=True, sharey=True, squeeze=False
    )
    for ax, (cell, head) in zip(axes.flat, itertools.product(cells, heads), strict=True):
        ax.plot([20, 100], [20, 100], color="#444444", linewidth=0.8)
        for number, way in enumerate(ways):
            line = bins[(bins["cell"] == cell) & (bins["head"] == head) & (bins["way"] == way)]
            colour, marker, _ = figure_colours.style(number)
            ax.plot(line["sure"], line["right"], color=colour, linewidth=1.2, label=way)
            ax.scatter(line["sure"], line["right"], 200 * line["n"] / line["n"].sum(), color=colour, marker=marker)
        ax.set_title(f"{shown_names.head_name(head)}, {cell} corpora")
    for ax in axes[-1]:
        ax.set_xlabel("sure (%)")
    for ax in axes[:, 0]:
        ax.set_ylabel("right (%)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    return fig
