"""Figures of scores: by pair, by model, by emotion, and ranks."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures, marks
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.scores import label_sets, model_ranks


def dots(
    table: pd.DataFrame,
    value: str,
    *,
    rows: Sequence[str],
    panels: Sequence[str],
    series: str,
    label: str,
    paper: str = "",
    line: float | None = None,
    levels: bool = False,
    span: tuple[float, float] | None = None,
) -> Figure:
    """Draw values with their intervals as dots: panels, rows and colours for what columns name.

    Parameters
    ----------
    table
        A row for each dot: the columns named below, and the ends of the interval, `low` and `high`.
    value
        Column that is drawn; `label` is what the axis says.
    rows, panels, series
        Columns of ids, such as ["train_corpus", "test_corpus"], ["head"] and "regime".
    paper
        Column of the paper's value for the same panel and row.
    line
        Where a thin line is drawn, say at no difference.
    levels
        Whether each row shows what needs no head: its columns `chance` (dotted) and `majority` (dashed).
    span
        Ends of the axis; by default what there is.
    """
    if not len(table):
        return figures.nothing_to_draw("There is nothing to show: embeddings are missing.")
    titles, names = _titles(table, panels), _titles(table, rows)
    kinds = list(dict.fromkeys(table[series]))
    columns = min(2, len(titles))
    n_rows = -(-len(titles) // columns)
    # A row of text is about 0.2 inch high, and each series takes some of it.
    height = len(names) * max(0.24, 0.09 * len(kinds) + 0.1) + 0.5
    fig, axes = plt.subplots(
        n_rows,
        columns,
        figsize=(3.7 * columns + 1, height * n_rows + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    y = pd.Series(np.arange(len(names))[::-1], names)
    styles = [figure_colours.style(k) for k in range(len(kinds))]
    handles: dict[str, Artist] = {}
    for ax, title in zip(axes.flat, titles, strict=False):
        part = table[_keys(table, panels) == title]
        for k, kind in enumerate(kinds):
            of_kind = part[part[series] == kind]
            where = y[_keys(of_kind, rows)].to_numpy() + 0.6 / len(kinds) * ((len(kinds) - 1) / 2 - k)
            bar = np.stack([of_kind[value] - of_kind["low"], of_kind["high"] - of_kind[value]]).clip(0)
            colour, marker, _ = styles[k]
            handles[_label(series, kind)] = ax.errorbar(
                of_kind[value], where, xerr=bar, fmt=marker, color=colour, markersize=5, capsize=2
            )
            says = [*panels, *rows, series]
            values = [value, "low", "high", *([paper] if paper else [])]
            marks.put(ax, of_kind[value].to_list(), where, _said(of_kind, says, values))
        if paper and part[paper].notna().any():
            once = part[part[paper].notna()].drop_duplicates(list(rows))
            (handles["paper"],) = ax.plot(
                once[paper],
                y[_keys(once, rows)],
                "x",
                color=figure_colours.PAPER_COLOUR,
                markersize=7,
                markeredgewidth=1.8,
            )
        if levels:
            lines = (("chance", ":", "#777777"), ("majority", "--", "#BBBBBB"))
            for level, dashes, colour in lines:
                of_row = part.groupby(_keys(part, rows), sort=False)[level].max()
                at = y[of_row.index].to_numpy()
                handles[LEVELS[level]] = ax.vlines(
                    of_row, at - 0.5, at + 0.5, color=colour, linewidth=1, linestyle=dashes, zorder=0.5
                )
        ax.set(title=title, ylim=(-0.6, len(names) - 0.4))
        ax.set_yticks(y, names)
        if line is not None:
            ax.axvline(line, color="#999999", linewidth=0.8, linestyle=":")
        ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        ax.set_axisbelow(True)
    for ax in axes.flat[len(titles) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(titles) - columns) : len(titles)]:
        ax.set_xlabel(label)
        ax.tick_params(labelbottom=True)
    if span:
        axes[0, 0].set_xlim(*span)
    fig.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 5))
    return fig


LEVELS = {"chance": "chance", "majority": "always the most frequent"}


def scores_beside_paper(table: pd.DataFrame, metric: str = "accuracy") -> Figure:
    """Draw our scores by regime, with their intervals, beside the paper's, a panel for each head.

    `table` is what `published_tables.beside` returns of `metrics.interval`, for one model, which the figure names.
    """
    fig = dots(
        table.assign(low=table[f"{metric}_low"], high=table[f"{metric}_high"], regime=table["regime"] + " folds"),
        metric,
        rows=["train_corpus", "test_corpus"],
        panels=["head"],
        series="regime",
        label=shown_names.METRICS[metric],
        paper=f"paper_{metric}",
        levels=metric == "accuracy",
        span=(0, 100),
    )
    if len(table):
        fig.suptitle(", ".join(map(model_registry.model_name, table["ptm"].unique())), fontsize=11)
    return fig


def _said(table: pd.DataFrame, names: Sequence[str], values: Sequence[str]) -> list[dict[str, Any]]:
    """Return what marks say of rows: their names as readers know them, and their values."""
    shown = {SAID.get(c, c.replace("_", " ")): table[c].map(functools.partial(_label, c)) for c in names}
    numbers = {c.replace("_", " "): table[c].astype(float) for c in values}
    return pd.DataFrame({**shown, **numbers}).to_dict("records")


SHOWN_IN = {
    "model": model_registry.model_name,
    "trained on": corpus_registry.corpus_name,
    "tested on": corpus_registry.corpus_name,
}
"""How rows and columns of a heat map are named, where their names are ids."""
SAID = {"ptm": "model", "train_corpus": "trained on", "test_corpus": "tested on", "regime": "folds"}


def _titles(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_keys(table, columns)))


def _keys(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    if list(columns) == ["train_corpus", "test_corpus"]:
        names = [
            corpus_registry.pair_name(*pair)
            for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ]
        return pd.Series(names, table.index, dtype=object)
    parts = [table[column].map(lambda value, c=column: _label(c, value)).astype(object) for column in columns]
    return functools.reduce(lambda a, b: a + ", " + b, parts)


def _label(column: str, value: str) -> str:
    if column.endswith("corpus"):
        return corpus_registry.corpus_name(value)
    return {"ptm": model_registry.model_name, "head": shown_names.head_name}.get(column, str)(value)


def grids(table: pd.DataFrame, emotions: Sequence[str] = (), metric: str = "accuracy") -> Figure:
    """Draw training corpora against test corpora as small heat maps, one for each model and head.

    Cells that are scored on other emotions than most (`label_sets.chosen`) have no colour, as it would compare
    them, and tell how many they are.

    Parameters
    ----------
    table
        What `metrics.summary` returns, of one regime.
    emotions
        Those of the protocol.
    metric
        Column that is drawn.
    """
    if not len(table):
        return figures.nothing_to_draw("There is nothing to show: embeddings are missing.")
    titles = _titles(table, ["ptm", "head"])
    here = list(dict.fromkeys([*table["train_corpus"], *table["test_corpus"]]))
    names = [corpus_registry.corpus_name(corpus) for corpus in here]
    size = (0.46 if len(here) < 4 else 0.36) * len(here) + 0.4
    columns = max(1, min(len(titles), 4, int(9 / size)))
    n_rows = -(-len(titles) // columns)
    alike = label_sets.alike(table, emotions).index
    fig, axes = plt.subplots(
        n_rows, columns, figsize=(size * columns + 1.2, (size + 0.25) * n_rows + 0.8), squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    for ax, title in zip(axes.flat, titles, strict=False):
        part = table[_keys(table, ["ptm", "head"]) == title]
        coloured = part[part.index.isin(alike)]
        matrix = coloured.pivot(index="train_corpus", columns="test_corpus", values=metric)
        _matrix(ax, matrix.reindex(index=here, columns=here), (title, "trained on", "tested on", metric))
        for row in part[~part.index.isin(alike)].to_dict("records"):
            place = (here.index(row["test_corpus"]), here.index(row["train_corpus"]))
            ax.text(
                *place, f"{row[metric]:.0f}\n({row['n_emotions']})", ha="center", va="center", color="#555555",
                fontsize=7, fontstyle="italic", linespacing=0.9,
            )  # fmt: skip
        model, _, head = title.rpartition(", ")
        ax.set_title(f"{model}\n{head}", fontsize=9)
        ax.set_xticks(range(len(here)), names, rotation=45, ha="right")
        ax.set_yticks(range(len(here)), names)
    for ax in axes.flat[len(titles) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(titles) - columns) : len(titles)]:
        ax.tick_params(labelbottom=True)
    note = "" if len(alike) == len(table) else "\nno colour: scored on other emotions, their number in brackets"
    fig.supxlabel(f"tested on{note}", fontsize=10)
    fig.supylabel("trained on", fontsize=10)
    return fig


def recalls(table: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """Draw the recall (percent) of each emotion by model as heat maps, one for each test corpus and head.

    `table` has ptm, head, test_corpus, emotion and recall; what is there more than once is averaged.
    """
    if not len(table):
        return figures.nothing_to_draw("There is nothing to show: embeddings are missing.")
    titles, models = _titles(table, ["test_corpus", "head"]), list(dict.fromkeys(table["ptm"]))
    columns = min(2, len(titles))
    n_rows = -(-len(titles) // columns)
    fig, axes = plt.subplots(
        n_rows, columns, figsize=(0.62 * len(emotions) * columns + 2.2, (0.24 * len(models) + 0.4) * n_rows + 0.9),
        squeeze=False, sharex=True, sharey=True,
    )  # fmt: skip
    for ax, title in zip(axes.flat, titles, strict=False):
        part = table[_keys(table, ["test_corpus", "head"]) == title]
        matrix = part.pivot_table(index="ptm", columns="emotion", values="recall")
        matrix = matrix.reindex(index=models, columns=list(emotions))
        _matrix(ax, matrix, (title, "model", "emotion", "recall"), aspect="auto")
        ax.set_title(title)
        ax.set_xticks(range(len(emotions)), emotions, rotation=45, ha="right")
        ax.set_yticks(range(len(models)), [model_registry.model_name(ptm) for ptm in models])
    for ax in axes.flat[len(titles) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(titles) - columns) : len(titles)]:
        ax.tick_params(labelbottom=True)
    return fig


def confusions(matrices: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Draw confusion matrices (percent of each true emotion), a panel for each name, below a title of all."""
    if not matrices:
        return figures.nothing_to_draw("There is nothing to show: embeddings are missing.")
    fig, axes = figures.panel_grid(len(matrices), 3, 3.7, 3.6)
    fig.suptitle(title)
    for ax, (name, matrix) in zip(axes, matrices.items(), strict=True):
        _matrix(ax, matrix, (name, "true", "predicted", "percent"))
        ax.set_xticks(range(matrix.shape[1]), matrix.columns, rotation=45, ha="right")
        ax.set_yticks(range(matrix.shape[0]), matrix.index)
        ax.set(title=name, xlabel="predicted")
    for ax in axes[::3]:
        ax.set_ylabel("true")
    return fig


def _matrix(
    ax: plt.Axes,
    matrix: pd.DataFrame,
    says: tuple[str, str, str, str],
    aspect: Literal["equal", "auto"] = "equal",
) -> None:
    """Draw percentages as a heat map; `says` is of what it is, and what its rows, columns and values are."""
    ax.imshow(matrix.to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=100, aspect=aspect)
    of, in_rows, in_columns, what = says
    x: list[float] = []
    y: list[float] = []
    said = []
    for (i, j), value in np.ndenumerate(matrix.to_numpy(dtype=float)):
        if np.isfinite(value):
            ax.text(j, i, f"{value:.0f}", ha="center", va="center", color="white" if value > 55 else "black")
            row, column = (
                SHOWN_IN.get(where, str)(name)
                for where, name in ((in_rows, matrix.index[i]), (in_columns, matrix.columns[j]))
            )
            x.append(j)
            y.append(i)
            said.append({"of": of, in_rows: row, in_columns: column, what: float(value)})
    marks.put(ax, x, y, said)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def critical_difference(ranks: model_ranks.Ranks) -> Figure:
    """Draw mean ranks on a line, the best on the left, with bars that join models which are not told apart.

    The diagram of Demšar (2006, https://jmlr.org/papers/v7/demsar06a.html, figure 1). None is drawn with fewer
    blocks than could tell any two of the models apart: its bar would join whatever there is.
    """
    mean, difference, groups = ranks.mean, ranks.critical_difference, ranks.groups
    if len(mean) < 2:
        return figures.nothing_to_draw("It takes two models and two blocks or more to rank models.")
    if not ranks.could_differ:
        return figures.nothing_to_draw(
            f"With {ranks.n_blocks} blocks, no two of {len(mean)} models could be told apart.\n"
            f"It takes {ranks.n_least}."
        )
    ranked = mean.sort_values(kind="stable").rename(index=model_registry.model_name)
    k, half = len(ranked), (len(ranked) + 1) // 2
    end = max(k, 1 + difference)  # with few blocks, the ruler is longer than the axis
    # One unit of y is a line of text. From the top: the ruler, the axis at 0, the bars, half of the names a side.
    top, first = -2.6, 0.9 + 0.45 * len(groups)
    bottom = first + half - 0.4
    fig, ax = plt.subplots(figsize=(7.2, 0.21 * (bottom - top) + 0.35))
    ax.set(xlim=(1, end), ylim=(bottom, top), yticks=[])
    ax.set_title("mean rank (1 is best); bars join models that are not told apart")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.spines["top"].set(visible=True, position=("data", 0), bounds=(1, k))
    ax.xaxis.tick_top()
    ax.set_xticks(range(1, k + 1, 1 + k // 10))
    ax.plot([1, 1 + difference], [-1.5, -1.5], "|-", color="black", clip_on=False)
    ax.text(1, -1.8, f"critical difference {difference:.2f}", va="bottom")
    for models, edge, left in ((ranked[:half], 1, True), (ranked[half:][::-1], end, False)):
        for row, (model, rank) in enumerate(models.items()):
            ax.plot([rank, rank, edge], [0, first + row, first + row], color="#7F7F7F", linewidth=0.9)
            ax.annotate(
                f"{model}  {rank:.2f}" if left else f"{rank:.2f}  {model}", (edge, first + row),
                (-5 if left else 5, 0), textcoords="offset points", ha="right" if left else "left", va="center",
            )  # fmt: skip
    for y, group in zip(0.55 + 0.45 * np.arange(len(groups)), groups, strict=True):
        ends = ranked[[model_registry.model_name(model) for model in group]].iloc[[0, -1]]
        ax.plot(ends, [y, y], color="#0072B2", linewidth=4, solid_capstyle="round")
    return fig
