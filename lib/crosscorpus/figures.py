"""Every figure and table style of the book."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib_inline.backend_inline import set_matplotlib_formats

from crosscorpus import corpora, extractors, label_sets

# Okabe and Ito's palette: told apart with any kind of colour vision (https://jfly.uni-koeln.de/color/).
EMOTION_COLOURS = {
    "anger": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happiness": "#E69F00",
    "sadness": "#0072B2",
    "neutral": "#7F7F7F",
    "calm": "#56B4E9",
    "surprise": "#B8A900",
    "boredom": "#444444",
}
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<"]
SERIES_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F"]
LINES = ["-", "--", ":", "-."]
A_ROW = 4  # panels beside each other, at most: more cannot be read on a page
PAPER_COLOUR = "#000000"
HEADS = {"majority": "majority class", "logistic": "logistic regression", "svm": "SVM"}  # others: capitals
METRICS = {"accuracy": "accuracy (%)", "macro_f1": "macro-F1 (%)", "uar": "UAR (%)"}


def use_style() -> None:
    """Set the look of all figures: sharp SVG, quiet axes, a white ground that holds in dark mode too."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.08,  # inches: numbers of neighbouring axes stay apart
            "figure.facecolor": "white",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "legend.frameon": False,
            "svg.hashsalt": "crosscorpus",  # the same figure gives the same file
        }
    )


def style(number: int) -> tuple[str, str, str]:
    """Return colour, marker and line of the series of that number, from 0.

    The first seven have a colour each. Of up to 28 no two have the same colour and line, of up to 63 no two the
    same colour and marker.
    """
    again = number // len(SERIES_COLOURS)
    marker = MARKERS[(number + again) % len(MARKERS)]
    return SERIES_COLOURS[number % len(SERIES_COLOURS)], marker, LINES[again % len(LINES)]


def emotion_colours(emotions: Sequence[str]) -> dict[str, str]:
    """Return a colour for each emotion, in the order of legends; others than those of `EMOTION_COLOURS` come last.

    As there are no more colours that can be told apart, others repeat some: their markers differ.
    """
    others = [emotion for emotion in dict.fromkeys(emotions) if emotion not in EMOTION_COLOURS]
    known = {emotion: colour for emotion, colour in EMOTION_COLOURS.items() if emotion in emotions}
    return known | {emotion: style(number)[0] for number, emotion in enumerate(others)}


def _panels(n: int, a_row: int, width: float, height: float, **options: Any) -> tuple[Figure, list[plt.Axes]]:
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


def corpus_name(corpus: str) -> str:
    """Return the name of a corpus as readers know it."""
    return corpora.get(corpus).name


def pair_name(train_corpus: str, test_corpus: str) -> str:
    """Return "A → B", or "A" where a corpus is tested on itself."""
    same = train_corpus == test_corpus
    return corpus_name(train_corpus) if same else f"{corpus_name(train_corpus)} → {corpus_name(test_corpus)}"


def model_name(ptm: str) -> str:
    """Return the name of a model as the paper writes it; words that are no model's id stay as they are."""
    return extractors.registry()[ptm].name if ptm in extractors.registry() else ptm


def head_name(head: str) -> str:
    """Return the name of a head or a baseline."""
    return HEADS.get(head, head.upper())


def emotion_counts(counts: pd.DataFrame, common: Sequence[str]) -> Figure:
    """Draw utterances per emotion, a panel for each corpus; emotions that not all corpora share are pale.

    `counts` has corpora as rows, emotions as columns, 0 where a corpus lacks one.
    """
    names = list(counts.columns)[::-1]
    colour_of = emotion_colours(names)
    n_columns = min(len(counts), 5)
    height = max(2.8, 0.22 * len(names) + 0.8)
    fig, axes = _panels(len(counts), 5, 1.5 + 1.2 / n_columns, height, sharey=True)
    for ax, (corpus, row) in zip(axes, counts.iterrows(), strict=True):
        colours = [colour_of[name] for name in names]
        bars = ax.barh(names, row[names], color=colours)
        for name, bar in zip(names, bars, strict=True):
            bar.set_alpha(1.0 if name in common else 0.4)
        ax.set(title=corpus_name(str(corpus)), xlabel="utterances")
        ax.tick_params(axis="y", length=0)
    return fig


def durations(utterances: pd.DataFrame) -> Figure:
    """Draw the distribution of durations (seconds), a line for each corpus."""
    fig, ax = plt.subplots(figsize=(6.5, 2.6))
    edges = np.linspace(0, float(utterances["seconds"].max()), 60)
    for number, (corpus, part) in enumerate(utterances.groupby("corpus", sort=False)):
        colour, _, line = style(number)
        share, _ = np.histogram(part["seconds"].dropna(), edges)
        look: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.6}
        ax.stairs(100 * share / max(1, share.sum()), edges, label=corpus_name(str(corpus)), **look)
    ax.set(xlabel="duration (s)", ylabel="% of utterances", xlim=(0, None))
    _legend_inside(ax)
    return fig


def norms(vectors: Mapping[str, np.ndarray]) -> Figure | None:
    """Draw histograms of the Euclidean norm of embeddings, by corpus; None where there are no embeddings."""
    if not vectors:
        return None
    fig, ax = plt.subplots(figsize=(6.5, 2.4))
    lengths = {corpus: np.linalg.norm(x, axis=1) for corpus, x in vectors.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(lengths.values())), 50)
    for number, (corpus, values) in enumerate(lengths.items()):
        colour, _, line = style(number)
        if len(lengths) <= A_ROW:
            ax.hist(values, list(edges), color=colour, alpha=0.55, density=True, label=corpus_name(corpus))
        else:  # filled, so many would hide each other
            look: dict[str, Any] = {"histtype": "step", "linestyle": line, "linewidth": 1.4}
            ax.hist(values, list(edges), color=colour, density=True, label=corpus_name(corpus), **look)
    ax.set(xlabel="norm of the embedding", ylabel="density")
    _legend_inside(ax)
    return fig


def _legend_inside(ax: plt.Axes) -> None:
    n = len(ax.get_legend_handles_labels()[1])
    ax.legend(ncols=1 + (n > 5) + (n > 10), fontsize=10 if n <= 5 else 8)


def learning_curves(history: pd.DataFrame) -> Figure:
    """Draw loss by epoch (training and validation, mean over folds, regimes and seeds) for head and corpus."""
    if not len(history):
        return _nothing("There is nothing to show: no head was trained in epochs.")
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
        ax.set(title=f"{head.upper()} on {corpus_name(corpus)}", ylim=(0, None))
    for ax in axes[:, 0]:
        ax.set_ylabel("cross-entropy")
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


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
        return _nothing("There is nothing to show: embeddings are missing.")
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
    styles = [style(k) for k in range(len(kinds))]
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
        if paper and part[paper].notna().any():
            once = part[part[paper].notna()].drop_duplicates(list(rows))
            (handles["paper"],) = ax.plot(
                once[paper], y[_keys(once, rows)], "x", color=PAPER_COLOUR, markersize=7, markeredgewidth=1.8
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

    `table` is what `reference.beside` returns of `metrics.interval`, for one model, which the figure names.
    """
    fig = dots(
        table.assign(low=table[f"{metric}_low"], high=table[f"{metric}_high"], regime=table["regime"] + " folds"),
        metric,
        rows=["train_corpus", "test_corpus"],
        panels=["head"],
        series="regime",
        label=METRICS[metric],
        paper=f"paper_{metric}",
        levels=metric == "accuracy",
        span=(0, 100),
    )
    if len(table):
        fig.suptitle(", ".join(map(model_name, table["ptm"].unique())), fontsize=11)
    return fig


def _titles(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_keys(table, columns)))


def _keys(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    if list(columns) == ["train_corpus", "test_corpus"]:
        names = [pair_name(*pair) for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)]
        return pd.Series(names, table.index, dtype=object)
    parts = [table[column].map(lambda value, c=column: _label(c, value)).astype(object) for column in columns]
    return functools.reduce(lambda a, b: a + ", " + b, parts)


def _label(column: str, value: str) -> str:
    if column.endswith("corpus"):
        return corpus_name(value)
    return {"ptm": model_name, "head": head_name}.get(column, str)(value)


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
        return _nothing("There is nothing to show: embeddings are missing.")
    titles = _titles(table, ["ptm", "head"])
    here = list(dict.fromkeys([*table["train_corpus"], *table["test_corpus"]]))
    names = [corpus_name(corpus) for corpus in here]
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
        _matrix(ax, matrix.reindex(index=here, columns=here), "{:.0f}")
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
        return _nothing("There is nothing to show: embeddings are missing.")
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
        _matrix(ax, matrix.reindex(index=models, columns=list(emotions)), "{:.0f}", aspect="auto")
        ax.set_title(title)
        ax.set_xticks(range(len(emotions)), emotions, rotation=45, ha="right")
        ax.set_yticks(range(len(models)), [model_name(ptm) for ptm in models])
    for ax in axes.flat[len(titles) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(titles) - columns) : len(titles)]:
        ax.tick_params(labelbottom=True)
    return fig


def confusions(matrices: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw confusion matrices (percent of each true emotion), a panel for each title."""
    if not matrices:
        return _nothing("There is nothing to show: embeddings are missing.")
    fig, axes = _panels(len(matrices), 3, 3.7, 3.6)
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        _matrix(ax, matrix, "{:.0f}")
        ax.set_xticks(range(matrix.shape[1]), matrix.columns, rotation=45, ha="right")
        ax.set_yticks(range(matrix.shape[0]), matrix.index)
        ax.set(title=title, xlabel="predicted")
    for ax in axes[::3]:
        ax.set_ylabel("true")
    return fig


def _matrix(ax: plt.Axes, matrix: pd.DataFrame, text: str, aspect: Literal["equal", "auto"] = "equal") -> None:
    ax.imshow(matrix.to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=100, aspect=aspect)
    for (i, j), value in np.ndenumerate(matrix.to_numpy(dtype=float)):
        if np.isfinite(value):
            ax.text(j, i, text.format(value), ha="center", va="center", color="white" if value > 55 else "black")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def points(panels: Mapping[str, pd.DataFrame], by: str) -> Figure:
    """Draw points in the plane, a panel for each title, coloured and shaped by a column.

    Each table has the columns x, y and `by` ("emotion" or "corpus").
    """
    if not panels:
        return _nothing("There is nothing to show: embeddings are missing.")
    fig, axes = _panels(len(panels), 3, 3.9, 3.9)
    seen: dict[str, Artist] = {}
    values = list(dict.fromkeys(value for table in panels.values() for value in table[by]))
    colours = (
        {value: style(k)[0] for k, value in enumerate(values)} if by != "emotion" else emotion_colours(values)
    )
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        for k, (value, colour) in enumerate(colours.items()):
            part = table[table[by] == value]
            label = value if by == "emotion" else corpus_name(value)
            seen[label] = ax.scatter(
                part["x"], part["y"], s=14, color=colour, marker=style(k)[1], alpha=0.75, linewidths=0
            )
        ax.set(title=title, xticks=[], yticks=[])
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


def _nothing(why: str) -> Figure:
    fig = plt.figure(figsize=(6.5, 1))
    fig.text(0.5, 0.5, why, ha="center", va="center")
    return fig


def _pairs(rows: Sequence[str], columns: Sequence[str]) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    return [(row, column) for row in enumerate(rows) for column in enumerate(columns)]


def critical_difference(mean: pd.Series, difference: float, groups: Sequence[Sequence[str]]) -> Figure:
    """Draw mean ranks on a line, the best on the left, with bars that join models which do not differ.

    The diagram of Demšar (2006, https://jmlr.org/papers/v7/demsar06a.html, figure 1). The arguments are `mean`,
    `critical_difference` and `groups` of `comparison.Ranks`.
    """
    if len(mean) < 2:
        return _nothing("It takes two models and two blocks or more to rank models.")
    ranked = mean.sort_values(kind="stable").rename(index=model_name)
    k, half = len(ranked), (len(ranked) + 1) // 2
    end = max(k, 1 + difference)  # with few blocks, the ruler is longer than the axis
    # One unit of y is a line of text. From the top: the ruler, the axis at 0, the bars, half of the names a side.
    top, first = -2.6, 0.9 + 0.45 * len(groups)
    bottom = first + half - 0.4
    fig, ax = plt.subplots(figsize=(7.2, 0.21 * (bottom - top) + 0.35))
    ax.set(xlim=(1, end), ylim=(bottom, top), yticks=[])
    ax.set_title("mean rank (1 is best); bars join models that do not differ")
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
        ends = ranked[[model_name(model) for model in group]].iloc[[0, -1]]
        ax.plot(ends, [y, y], color="#0072B2", linewidth=4, solid_capstyle="round")
    return fig


def fitting_cells(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how many published accuracies fit one fold, only a mean of folds, or neither; a panel for each table.

    Each table is what `audit.totals` returns, with the groups' names in its first column.
    """
    rows = max(len(table) for table in tables.values())
    fig, axes = plt.subplots(1, len(tables), figsize=(3.9 * len(tables), 0.32 * rows + 1.2), squeeze=False)
    parts = {"one_fold": ("one fold", "#0072B2"), "mean_only": ("only a mean of folds", "#E69F00")}
    parts["neither"] = ("neither", "#444444")
    for ax, (title, table) in zip(axes[0], tables.items(), strict=True):
        labels, left = table.iloc[::-1, 0], np.zeros(len(table))
        total = float(table[list(parts)].sum(axis=1).max())
        for column, (label, colour) in parts.items():
            width = table[column].to_numpy(dtype=float)[::-1]
            bars = ax.barh(labels, width, left=left, color=colour, label=label)
            # A number that its bar has no room for is left to the table.
            shown = [f"{w:.0f}" if w > 0.02 * total else "" for w in width]
            ax.bar_label(
                bars, shown, label_type="center", color="white" if colour != "#E69F00" else "black", fontsize=8
            )
            left += width
        ax.set(title=title, xlabel="published accuracies")
        ax.tick_params(axis="y", length=0)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


def f1_within_bounds(cells: pd.DataFrame, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw macro-F1 against accuracy (percent), with the bounds of one fold; a panel for each test corpus.

    Parameters
    ----------
    cells
        What `audit.macro_f1` returns; cells with a flag are marked.
    curves
        Test corpus -> smallest and largest macro-F1 (from 0 to 1) for 0, 1, ... right answers.
    """
    columns = min(3, len(curves))
    n_rows = -(-len(curves) // columns)
    fig, axes = plt.subplots(
        n_rows, columns, figsize=(2.4 * columns + 0.6, 2.4 * n_rows + 0.6), sharex=True, sharey=True, squeeze=False
    )
    for ax, (corpus, (low, high)) in zip(axes.flat, curves.items(), strict=False):
        part = cells[cells["test_corpus"] == corpus]
        share = np.linspace(0, 100, len(low))
        ax.fill_between(share, 100 * low, 100 * high, color="#0072B2", alpha=0.18, linewidth=0, label="possible")
        for flagged, marker, colour, label in (
            (False, "o", "#444444", "published"),
            (True, "D", "#D55E00", "flagged"),
        ):
            here = part[(part["flag"] != "") == flagged]
            ax.plot(
                here["accuracy"], here["macro_f1"], marker, color=colour, markersize=3.5 + 2 * flagged, label=label
            )
        ax.set(title=corpus_name(corpus), xlim=(0, 100), ylim=(0, 100))
    for ax in axes.flat[len(curves) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(curves) - columns) : len(curves)]:
        ax.set_xlabel("accuracy (%)")
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("macro-F1 (%)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


TORNADO = {"choice": "another option", "control": "a control", "seed": "another seed"}


def tornado(table: pd.DataFrame, train_corpus: str, test_corpus: str, score: str = "accuracy") -> Figure:
    """Draw how far each change moves one train-test pair, largest first, a panel for each head.

    Parameters
    ----------
    table
        What `sensitivity.beside_paper` returns, for one model. Drawn are its choices and controls; other seeds are
        pale, because they are what chance alone does.
    train_corpus, test_corpus
        Ids of the pair.
    score
        "accuracy" or "macro_f1".
    """
    label = {"accuracy": "accuracy", "macro_f1": "macro-F1"}[score]
    here = table[(table["train_corpus"] == train_corpus) & (table["test_corpus"] == test_corpus)]
    moved = here[here["study"].isin(["choice", "control"])]
    if not len(moved):
        return _nothing("There is nothing to show: no effects of this pair.")
    heads = list(moved["head"].unique())
    n = int(moved["head"].value_counts().max())
    fig, axes = plt.subplots(1, len(heads), figsize=(4.6 * len(heads), 0.21 * n + 1.3), squeeze=False)
    ends = [f"{score}_{end}" for end in ("effect", "low", "high")]
    far = float(moved[ends].abs().to_numpy().max())
    for ax, head in zip(axes[0], heads, strict=True):
        part = moved[moved["head"] == head]
        part = part.loc[part[ends[0]].abs().sort_values(kind="stable").index]  # the last is on top
        y = np.arange(len(part))
        kinds = np.where(
            part["study"] == "control", "control", np.where(part["choice"] == "seed", "seed", "choice")
        )
        effect, low, high = (part[end].to_numpy() for end in ends)
        for kind, colour in (("choice", "#56B4E9"), ("control", "#E69F00"), ("seed", "#BBBBBB")):
            rows = kinds == kind
            ax.barh(y[rows], effect[rows], color=colour, height=0.75, label=TORNADO[kind])
        ax.hlines(y, low, high, color="#333333", linewidth=1, label="95 % interval")
        default = here[(here["study"] == "default") & (here["head"] == head)]
        gap = default[f"paper_{score}"] - default[score]
        if gap.notna().any():
            shown = ax.axvline(
                gap.iloc[0], color=PAPER_COLOUR, linestyle="--", linewidth=1, label="the paper's value"
            )
            far = max(far, abs(float(gap.iloc[0])))
            shown.set_zorder(0)
        ax.axvline(0, color="#333333", linewidth=0.8)
        ax.set_yticks(y, [f"{c}: {o}" if o else c for c, o in zip(part["choice"], part["option"], strict=True)])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        ax.set_axisbelow(True)
        ax.set(
            title=f"{head.upper()}: {default[score].iloc[0]:.1f} % by default",
            xlabel=f"change of {label} (points)",
        )
        ax.set_ylim(-0.7, n - 0.3)
    for ax in axes[0]:
        ax.set_xlim(-1.08 * far, 1.08 * far)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


VERDICTS = {  # of verdict.VERDICTS: colour, sign
    "inside our interval": ("#0072B2", "="),
    "above": ("#E69F00", "+"),
    "below": ("#CC79A7", "\N{MINUS SIGN}"),
    "not yet run": ("#E6E6E6", ""),
    "not comparable: other labels": ("#A0A0A0", ""),
}


def _verdict_name(kind: str) -> str:
    sign = VERDICTS[kind][1]
    return f"{sign} paper {kind}{'' if kind.startswith('inside') else ' it'}" if sign else kind


def verdict_map(table: pd.DataFrame) -> Figure:
    """Draw the verdict on each cell of the paper's table: rows are pairs of corpora, columns models and heads.

    `table` is what `verdict.cells` returns, of one metric; a panel for each regime.
    """
    regimes = list(dict.fromkeys(table["regime"]))
    pairs = list(dict.fromkeys(zip(table["train_corpus"], table["test_corpus"], strict=True)))
    models = list(dict.fromkeys(zip(table["ptm"], table["head"], strict=True)))
    kinds = list(VERDICTS)
    colours = ListedColormap([colour for colour, _ in VERDICTS.values()])
    size = (0.25 * len(models) * len(regimes) + 2.2, 0.22 * len(pairs) + 2.2)
    fig, axes = plt.subplots(1, len(regimes), figsize=size, sharey=True, squeeze=False)
    for ax, regime in zip(axes[0], regimes, strict=True):
        part = table[table["regime"] == regime]
        wide = part.pivot(index=["train_corpus", "test_corpus"], columns=["ptm", "head"], values="verdict")
        codes = wide.loc[pairs, models].map(kinds.index).to_numpy(dtype=int)
        ax.pcolormesh(
            codes[::-1], cmap=colours, vmin=-0.5, vmax=len(kinds) - 0.5, edgecolors="white", linewidth=0.8
        )
        for (i, j), code in np.ndenumerate(codes[::-1]):
            dark = kinds[code] == "inside our interval"
            sign = VERDICTS[kinds[code]][1]
            ax.text(
                j + 0.5, i + 0.45, sign, ha="center", va="center", color="white" if dark else "black", fontsize=9
            )
        labels = [f"{model_name(ptm)} {head_name(head)}" for ptm, head in models]
        ax.set_xticks(np.arange(len(models)) + 0.5, labels, rotation=90)
        ax.set_yticks(np.arange(len(pairs)) + 0.5, [pair_name(*pair) for pair in pairs[::-1]])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{regime} folds")
    shown = [kind for kind in kinds if not kind.startswith("not comparable") or (table["verdict"] == kind).any()]
    handles = [Patch(color=VERDICTS[kind][0], label=_verdict_name(kind)) for kind in shown]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return fig


def verdict_shares(counts: pd.DataFrame) -> Figure:
    """Draw how many of the cells that were run have the paper's value inside, above and below our interval.

    `counts` is what `verdict.counts` returns.
    """
    if not counts["run"].sum():
        return _nothing("None of the paper's cells has been run on its emotions.")
    labels = [
        f"{METRICS[metric].removesuffix(' (%)')}, {regime} folds"
        for metric, regime in zip(counts["metric"], counts["regime"], strict=True)
    ]
    fig, ax = plt.subplots(figsize=(6.5, 0.34 * len(counts) + 1.1))
    left = np.zeros(len(counts))
    for kind, colour in ((kind, colour) for kind, (colour, sign) in VERDICTS.items() if sign):
        width = counts[kind].to_numpy(dtype=float)[::-1]
        bars = ax.barh(labels[::-1], width, left=left, color=colour, label=_verdict_name(kind))
        shown = [f"{w:.0f}" if w else "" for w in width]
        ax.bar_label(bars, shown, label_type="center", color="white" if kind == "inside our interval" else "black")
        left += width
    ax.set_xlabel("cells that were run")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.tick_params(axis="y", length=0)
    fig.legend(loc="outside lower center", ncols=3)
    return fig
