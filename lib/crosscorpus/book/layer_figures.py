"""Figures of layers: scores by layer, beside the untrained twin's."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry


def by_layer(table: pd.DataFrame, ptm: str, score: str, chance: float) -> Figure:
    """Draw a score against the layer's number: a panel for each regime, a colour for each pair of corpora.

    Parameters
    ----------
    table
        What `layer_choice.numbered` returns, of one head and one kind of cell.
    ptm
        The model whose lines are drawn through; those of its untrained twin are dotted.
    score
        "accuracy" or "uar".
    chance
        Score of guessing, in percent, where a thin line is drawn.
    """
    if not len(table):
        return figures.nothing_to_draw("There is nothing to show: no layers of these corpora.")
    regimes = list(table["regime"].unique())
    fig, axes = plt.subplots(1, len(regimes), figsize=(3.7 * len(regimes), 3.4), sharey=True, squeeze=False)
    pairs = list(table[["train_corpus", "test_corpus"]].drop_duplicates().itertuples(index=False, name=None))
    looks: dict[str, Any] = {ptm: "-"} | {
        key: ":" for key, model in model_registry.registry().items() if model.twin_of == ptm
    }
    for ax, regime in zip(axes[0], regimes, strict=True):
        for number, pair in enumerate(pairs):
            colour, marker, _ = figure_colours.style(number)
            for drawn, line in looks.items():
                here = table[(table["regime"] == regime) & (table["ptm"] == drawn)]
                own = here[(here["train_corpus"] == pair[0]) & (here["test_corpus"] == pair[1])]
                own = own.sort_values("number")
                ax.plot(own["number"], own[score], line, color=colour, marker=marker, markersize=4, linewidth=1.4)
        ax.axhline(chance, color="#444444", linewidth=0.8)
        ax.set(title=f"{regime} folds", xlabel="layer (0: input embedding)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel(shown_names.METRICS[score])
    handles = [
        Line2D([], [], color=figure_colours.style(i)[0], marker=figure_colours.style(i)[1], label=_name(*pair))
        for i, pair in enumerate(pairs)
    ]
    handles += [
        Line2D([], [], color="#444444", linestyle=line, label=model_registry.get(drawn).name)
        for drawn, line in looks.items()
        if drawn in set(table["ptm"])
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)))
    return fig


def _name(train_corpus: str, test_corpus: str) -> str:
    trained, tested = corpus_registry.corpus_name(train_corpus), corpus_registry.corpus_name(test_corpus)
    return trained if train_corpus == test_corpus else f"{trained} to {tested}"
