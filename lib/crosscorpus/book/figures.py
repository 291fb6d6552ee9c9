"""Figures of corpora, embeddings and learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from crosscorpus.book import figure_colours
from crosscorpus.corpora import corpus_registry

A_ROW = 4  # panels beside each other, at most: more cannot be read on a page


def panel_grid(n: int, a_row: int, width: float, height: float, **options: Any) -> tuple[Figure, list[plt.Axes]]:
    """Return a figure with `n` axes, at most `a_row` in a row, each of that width and height in inches."""
    columns = max(1, min(n, a_row))
    n_rows = max(1, -(-n // columns))
    fig, axes = plt.subplots(n_rows, columns, figsize=(width * columns, height * n_rows), squeeze=False, **options)
    flat = list(axes.flat)
    for ax in flat[n:]:
        ax.set_visible(False)
    for ax in flat[max(0, n - columns) : n]:  # the lowest of each column, where axes are shared
        ax.tick_params(labelbottom=True)
    return fig, flat[:n]


def emotion_counts(counts: pd.DataFrame, common: Sequence[str]) -> Figure:
    """Draw utterances per emotion, a panel for each corpus; emotions that not all corpora share are pale.

    `counts` has corpora as rows, emotions as columns, 0 where a corpus lacks one.
    """
    names = list(counts.columns)[::-1]
    colour_of = figure_colours.emotion_colours(names)
    n_columns = min(len(counts), 5)
    height = max(2.8, 0.22 * len(names) + 0.8)
    fig, axes = panel_grid(len(counts), 5, 1.5 + 1.2 / n_columns, height, sharey=True)
    for ax, (corpus, row) in zip(axes, counts.iterrows(), strict=True):
        colours = [colour_of[name] for name in names]
        bars = ax.barh(names, row[names], color=colours)
        for name, bar in zip(names, bars, strict=True):
            bar.set_alpha(1.0 if name in common else 0.4)
        ax.set(title=corpus_registry.corpus_name(str(corpus)), xlabel="utterances")
        ax.tick_params(axis="y", length=0)
    return fig


def durations(utterances: pd.DataFrame) -> Figure:
    """Draw the distribution of durations (seconds), a line for each corpus."""
    fig, ax = plt.subplots(figsize=(6.5, 2.6))
    edges = np.linspace(0, float(utterances["seconds"].max()), 60)
    for number, (corpus, part) in enumerate(utterances.groupby("corpus", sort=False)):
        colour, _, line = figure_colours.style(number)
        share, _ = np.histogram(part["seconds"].dropna(), edges)
        look: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.6}
        ax.stairs(100 * share / max(1, share.sum()), edges, label=corpus_registry.corpus_name(str(corpus)), **look)
    ax.set(xlabel="duration (s)", ylabel="% of utterances", xlim=(0, None))
    _legend_inside(ax)
    return fig


FAR_NORM = 1.5
"""Times the norm that 99.5 % of embeddings do not exceed: what is above is not drawn, for it would be all axis."""


def norms(vectors: Mapping[str, np.ndarray]) -> Figure | None:
    """Draw histograms of the Euclidean norm of embeddings, by corpus; None where there are no embeddings.

    Where the largest norms are far from nearly all others (`FAR_NORM`), they are counted below the axis instead.
    """
    if not vectors:
        return None
    fig, ax = plt.subplots(figsize=(6.5, 2.4))
    lengths = {corpus: np.linalg.norm(x, axis=1) for corpus, x in vectors.items()}
    every = np.concatenate(list(lengths.values()))
    end = FAR_NORM * float(np.quantile(every, 0.995))
    beyond = every[every > end]
    edges = np.histogram_bin_edges(every[every <= end], 50)
    for number, (corpus, values) in enumerate(lengths.items()):
        colour, _, line = figure_colours.style(number)
        if len(lengths) <= A_ROW:
            ax.hist(
                values,
                list(edges),
                color=colour,
                alpha=0.55,
                density=True,
                label=corpus_registry.corpus_name(corpus),
            )
        else:  # filled, so many would hide each other
            look: dict[str, Any] = {"histtype": "step", "linestyle": line, "linewidth": 1.4}
            ax.hist(
                values, list(edges), color=colour, density=True, label=corpus_registry.corpus_name(corpus), **look
            )
    far = f"\nnot drawn: {len(beyond)} of {len(every)}, up to {beyond.max():,.0f}" if len(beyond) else ""
    ax.set(xlabel=f"norm of the embedding{far}", ylabel="density")
    _legend_inside(ax)
    return fig


def _legend_inside(ax: plt.Axes) -> None:
    n = len(ax.get_legend_handles_labels()[1])
    ax.legend(ncols=1 + (n > 5) + (n > 10), fontsize=10 if n <= 5 else 8)


def learning_curves(history: pd.DataFrame) -> Figure:
    """Draw loss by epoch (training and validation, mean over folds, regimes and seeds) for head and corpus."""
    if not len(history):
        return nothing_to_draw("There is nothing to show: no head was trained in epochs.")
    heads, trained_on = list(history["head"].unique()), list(history["train_corpus"].unique())
    a_row = min(3, len(trained_on))
    each = -(-len(trained_on) // a_row)  # rows of a head
    fig, axes = plt.subplots(
        len(heads) * each,
        a_row,
        figsize=(3.2 * a_row, 2.2 * len(heads) * each),
        sharex=True,
        squeeze=False,
    )
    for ax in axes.flat:
        ax.set_visible(False)
    for (i, head), (j, corpus) in _pairs(heads, trained_on):
        ax = axes[i * each + j // a_row, j % a_row]
        ax.set_visible(True)
        if j + a_row >= len(trained_on):
            ax.set_xlabel("epoch")
            ax.tick_params(labelbottom=True)
        part = history[(history["head"] == head) & (history["train_corpus"] == corpus)]
        for column, label, colour in (("loss", "training", "#0072B2"), ("val_loss", "validation", "#D55E00")):
            by_epoch = part.groupby("epoch")[column]
            ax.plot(by_epoch.mean(), color=colour, label=label)
            ax.fill_between(by_epoch.min().index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.15)
        ax.set(title=f"{head.upper()} on {corpus_registry.corpus_name(corpus)}", ylim=(0, None))
    for ax in axes[:, 0]:
        ax.set_ylabel("cross-entropy")
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


def points(panels: Mapping[str, pd.DataFrame], by: str, title: str = "") -> Figure:
    """Draw points in the plane, a panel for each title, coloured and shaped by a column.

    Each table has the columns x, y and `by` ("emotion" or "corpus"). The title of all stands above the panels.
    """
    if not panels:
        return nothing_to_draw("There is nothing to show: embeddings are missing.")
    fig, axes = panel_grid(len(panels), 3, 3.9, 3.9)
    fig.suptitle(title)
    seen: dict[str, Artist] = {}
    values = list(dict.fromkeys(value for table in panels.values() for value in table[by]))
    colours = (
        {value: figure_colours.style(k)[0] for k, value in enumerate(values)}
        if by != "emotion"
        else figure_colours.emotion_colours(values)
    )
    for ax, (name, table) in zip(axes, panels.items(), strict=True):
        for k, (value, colour) in enumerate(colours.items()):
            part = table[table[by] == value]
            label = value if by == "emotion" else corpus_registry.corpus_name(value)
            seen[label] = ax.scatter(
                part["x"],
                part["y"],
                s=14,
                color=colour,
                marker=figure_colours.style(k)[1],
                alpha=0.75,
                linewidths=0,
            )
        ax.set(title=name, xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    fig.legend(list(seen.values()), list(seen), loc="outside lower center", ncols=min(len(seen), 5), markerscale=2)
    return fig


def spectrograms(waveforms: Mapping[str, np.ndarray], rate: int, highest: float = 4000.0) -> Figure:
    """Draw narrow-band spectrograms up to a frequency (Hz), a panel for each title, on one scale of level (dB)."""
    fig, axes = plt.subplots(
        1, len(waveforms), figsize=(2.7 * len(waveforms) + 0.6, 2.8), squeeze=False, sharey=True
    )
    drawn = None
    for ax, (title, samples) in zip(axes[0], waveforms.items(), strict=True):
        *_, drawn = ax.specgram(
            samples, NFFT=512, Fs=rate, noverlap=384, cmap="Blues", vmin=-110, vmax=-30, rasterized=True
        )
        ax.set(title=title, xlabel="time (s)", ylim=(0, highest))
    axes[0, 0].set_ylabel("frequency (Hz)")
    if drawn is not None:
        fig.colorbar(drawn, ax=axes[0], label="level (dB/Hz)")
    return fig


def nothing_to_draw(why: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    fig = plt.figure(figsize=(6.5, 1))
    fig.text(0.5, 0.5, why, ha="center", va="center")
    return fig


def _pairs(rows: Sequence[str], columns: Sequence[str]) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    return [(row, column) for row in enumerate(rows) for column in enumerate(columns)]
