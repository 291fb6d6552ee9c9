"""Figures of scores by how much was trained on."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry


def by_size(table: pd.DataFrame, score: str, chance: float) -> Figure:
    """Draw a score against the number of training utterances: a column of panels for each training corpus.

    The upper panel is tested within the corpus, the lower on the others, mean over them; a colour for each model.

    Parameters
    ----------
    table
        What `data_amounts.run` returns, of one regime.
    score
        "accuracy" or "uar".
    chance
        Score of guessing evenly, in percent, where a thin line is drawn.
    """
    if not len(table):
        return figures.nothing_to_draw("There is nothing to show: no training sets of different sizes.")
    corpora, ptms = (list(table[column].unique()) for column in ("train_corpus", "ptm"))
    fig, axes = plt.subplots(
        2, len(corpora), figsize=(2.3 * len(corpora) + 0.6, 5.2), sharex="col", sharey=True, squeeze=False
    )
    same = table["train_corpus"] == table["test_corpus"]
    for row, (tested, part) in enumerate((("itself", table[same]), ("the others", table[~same]))):
        means = part.groupby(["train_corpus", "ptm", "n_train"], sort=False)[score].mean()
        for ax, corpus in zip(axes[row], corpora, strict=True):
            for number, ptm in enumerate(ptms):
                if (corpus, ptm) not in means.index.droplevel("n_train"):
                    continue
                line = means[corpus, ptm]
                colour, marker, _ = figure_colours.style(number)
                ax.plot(line.index, line, color=colour, marker=marker, markersize=4, linewidth=1.4)
            ax.axhline(chance, color="#444444", linewidth=0.8)
        axes[row, 0].set_ylabel(f"{shown_names.METRICS[score]},\ntested on {tested}")
    for column, corpus in enumerate(corpora):
        sizes = sorted(table.loc[table["train_corpus"] == corpus, "n_train"].unique())
        axes[0, column].set_title(corpus_registry.corpus_name(corpus))
        ticks = sizes[::2]
        axes[1, column].set_xscale("log")
        axes[1, column].set_xticks(ticks, [f"{n:.0f}" for n in ticks])
        axes[1, column].xaxis.set_minor_locator(NullLocator())
        axes[1, column].set_xlabel("training utterances")
    handles = [
        Line2D([], [], color=colour, marker=marker, label=model_registry.model_name(ptm))
        for (colour, marker, _), ptm in zip(map(figure_colours.style, range(len(ptms))), ptms, strict=True)
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return fig
