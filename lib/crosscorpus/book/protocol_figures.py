"""Figures of protocols: how models rank under each, and what one changed part moves."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.book import figure_colours, marks

SHOWN = {"macro_f1": "macro-F1", "uar": "UAR"}


def ranks(mean_ranks: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw the mean rank of each model under each condition, a line for each model.

    Parameters
    ----------
    mean_ranks
        Models x conditions, as of `protocol_results.model_ranks`; a model that a condition lacks has a gap there.
    names
        Of the models, as shown, in the order of rows.
    """
    columns, n = list(mean_ranks), len(mean_ranks)
    fig, ax = plt.subplots(figsize=(1.35 * len(columns) + 2.2, 0.45 * n + 1.9))
    places = np.arange(len(columns))
    for number, (name, row) in enumerate(zip(names, mean_ranks.to_numpy(), strict=True)):
        colour, marker, line = figure_colours.style(number)
        ax.plot(places, row, color=colour, marker=marker, linestyle=line, markersize=8, label=name)
        said = [
            {"model": name, "condition": condition, "mean rank": rank}
            for condition, rank in zip(columns, row, strict=True)
        ]
        marks.put(ax, list(places), row, said)
        there = np.flatnonzero(~np.isnan(row))
        if len(there):
            ax.annotate(
                name, (places[there[-1]], row[there[-1]]), (10, 0), textcoords="offset points", va="center"
            )
    labels = [name.replace(", ", ",\n") for name in columns]
    ax.set(xticks=places, xticklabels=labels, ylabel="mean rank over corpora", yticks=np.arange(1, n + 1))
    ax.set_xlim(-0.3, len(places) - 1 + 1.6)
    ax.invert_yaxis()
    ax.tick_params(axis="x", labelsize=8)
    return fig


def moved(compared: pd.DataFrame, score: str) -> Figure:
    """Draw how far each changed part moves a score (points): the median as a bar, all cells as a line.

    `compared` is what `protocol_results.compared` returns, of this score.
    """
    fig, ax = plt.subplots(figsize=(8, 0.42 * len(compared) + 1.1))
    places = np.arange(len(compared))[::-1]
    ax.barh(places, compared["moved"], color="#56B4E9", height=0.6)
    ax.hlines(places, compared["least"], compared["most"], color="#444444", linewidth=1.2)
    ax.axvline(0, color="black", linewidth=0.8)
    said = compared[["part", "says", "moved", "least", "most", "rises", "cells"]].to_dict("records")
    marks.put(ax, compared["moved"].to_list(), list(places), said)
    texts = [f"{row.part}: {row.says}" for row in compared.itertuples()]
    ax.set(
        yticks=places,
        yticklabels=[_wrapped(text) for text in texts],
        xlabel=f"points of {SHOWN.get(score, score)}",
    )
    ax.tick_params(axis="y", length=0, labelsize=8)
    return fig


def _wrapped(text: str, width: int = 52) -> str:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)
