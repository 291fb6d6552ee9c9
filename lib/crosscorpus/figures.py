"""Every figure and table style of the book."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from crosscorpus import corpora

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
PAPER_COLOUR = "#000000"


def use_style() -> None:
    """Set the look of all figures: sharp SVG, quiet axes, a white ground that holds in dark mode too."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "legend.frameon": False,
            "svg.hashsalt": "crosscorpus",  # the same figure gives the same file
        }
    )


def corpus_name(corpus: str) -> str:
    """Return the name of a corpus as readers know it."""
    return corpora.get(corpus).name


def pair_name(train_corpus: str, test_corpus: str) -> str:
    """Return "A → B", or "A" where a corpus is tested on itself."""
    same = train_corpus == test_corpus
    return corpus_name(train_corpus) if same else f"{corpus_name(train_corpus)} → {corpus_name(test_corpus)}"


def emotion_counts(counts: pd.DataFrame, common: Sequence[str]) -> Figure:
    """Draw utterances per emotion, a panel for each corpus; emotions that not all corpora share are pale.

    `counts` has corpora as rows, emotions as columns, 0 where a corpus lacks one.
    """
    fig, axes = plt.subplots(1, len(counts), figsize=(1.9 * len(counts) + 1, 2.8), sharey=True)
    for ax, (corpus, row) in zip(np.atleast_1d(axes), counts.iterrows(), strict=True):
        names = list(counts.columns)[::-1]
        colours = [EMOTION_COLOURS[name] for name in names]
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
    for colour, (corpus, part) in zip(SERIES_COLOURS, utterances.groupby("corpus", sort=False), strict=False):
        share, _ = np.histogram(part["seconds"].dropna(), edges)
        ax.stairs(100 * share / share.sum(), edges, color=colour, label=corpus_name(str(corpus)), linewidth=1.6)
    ax.set(xlabel="duration (s)", ylabel="% of utterances", xlim=(0, None))
    ax.legend()
    return fig


def norms(vectors: Mapping[str, np.ndarray]) -> Figure | None:
    """Draw histograms of the Euclidean norm of embeddings, by corpus; None where there are no embeddings."""
    if not vectors:
        return None
    fig, ax = plt.subplots(figsize=(6.5, 2.4))
    lengths = {corpus: np.linalg.norm(x, axis=1) for corpus, x in vectors.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(lengths.values())), 50)
    for colour, (corpus, values) in zip(SERIES_COLOURS, lengths.items(), strict=False):
        ax.hist(values, list(edges), color=colour, alpha=0.55, density=True, label=corpus_name(corpus))
    ax.set(xlabel="norm of the embedding", ylabel="density")
    ax.legend()
    return fig


def learning_curves(history: pd.DataFrame) -> Figure:
    """Draw loss by epoch (training and validation, mean over folds, regimes and seeds) for head and corpus."""
    heads, trained_on = list(history["head"].unique()), list(history["train_corpus"].unique())
    fig, axes = plt.subplots(
        len(heads),
        len(trained_on),
        figsize=(3.2 * len(trained_on), 2.2 * len(heads)),
        sharex=True,
        squeeze=False,
    )
    for (i, head), (j, corpus) in _pairs(heads, trained_on):
        ax = axes[i, j]
        part = history[(history["head"] == head) & (history["train_corpus"] == corpus)]
        for column, label, colour in (("loss", "training", "#0072B2"), ("val_loss", "validation", "#D55E00")):
            by_epoch = part.groupby("epoch")[column]
            ax.plot(by_epoch.mean(), color=colour, label=label)
            ax.fill_between(by_epoch.min().index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.15)
        ax.set(title=f"{head.upper()} on {corpus_name(corpus)}", ylim=(0, None))
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("cross-entropy")
    axes[0, 0].legend()
    return fig


def scores_beside_paper(table: pd.DataFrame, metric: str = "accuracy") -> Figure:
    """Draw our scores, by regime with their spread over folds, beside the paper's, a panel for each head.

    `table` is what `reference.beside` returns, for one model.
    """
    if not len(table):
        return _nothing("There is no pair of corpora to show: embeddings are missing.")
    labels = {"accuracy": "accuracy (%)", "macro_f1": "macro-F1 (%)", "uar": "UAR (%)"}
    heads = list(table["head"].unique())
    cells = list(dict.fromkeys(zip(table["train_corpus"], table["test_corpus"], strict=True)))
    fig, axes = plt.subplots(
        1, len(heads), figsize=(3.6 * len(heads), 0.62 * len(cells) + 1.4), sharey=True, squeeze=False
    )
    regimes = list(table["regime"].unique())
    y = np.arange(len(cells))[::-1]
    for ax, head in zip(axes[0], heads, strict=True):
        for k, regime in enumerate(regimes):
            part = table[(table["head"] == head) & (table["regime"] == regime)]
            part = part.set_index(["train_corpus", "test_corpus"]).loc[cells]
            offset = y + 0.24 * ((len(regimes) - 1) / 2 - k)
            ax.errorbar(
                part[metric], offset, xerr=part[f"{metric}_sd"], fmt=MARKERS[k], color=SERIES_COLOURS[k],
                capsize=2.5, label=f"ours, {regime} folds",
            )  # fmt: skip
        if f"paper_{metric}" in part and part[f"paper_{metric}"].notna().any():
            ax.plot(
                part[f"paper_{metric}"],
                y,
                "x",
                color=PAPER_COLOUR,
                markersize=8,
                markeredgewidth=2,
                label="paper",
            )
        ax.set(title=head.upper(), xlabel=labels[metric], xlim=(0, 100), ylim=(-0.6, len(cells) - 0.4))
        ax.set_yticks(y, [pair_name(*cell) for cell in cells])
        ax.axvline(20, color="#999999", linewidth=0.8, linestyle=":")
        ax.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        ax.set_axisbelow(True)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


def grid(table: pd.DataFrame, metric: str = "accuracy") -> Figure:
    """Draw training corpora against test corpora as heat maps: a row for each regime, a column for each head."""
    regimes, heads = list(table["regime"].unique()), list(table["head"].unique())
    here = list(dict.fromkeys([*table["train_corpus"], *table["test_corpus"]]))
    names = [corpus_name(corpus) for corpus in here]
    size = 0.8 * len(here) + 0.8
    shape = (len(regimes), len(heads))
    fig, axes = plt.subplots(*shape, figsize=(1.4 * size * shape[1], size * shape[0]), squeeze=False, sharey=True)
    for (i, regime), (j, head) in _pairs(regimes, heads):
        part = table[(table["head"] == head) & (table["regime"] == regime)]
        matrix = part.pivot(index="train_corpus", columns="test_corpus", values=metric)
        _matrix(axes[i, j], matrix.reindex(index=here, columns=here), "{:.1f}")
        axes[i, j].set_title(f"{head.upper()}, {regime} folds")
        axes[i, j].set_xticks(range(len(here)), names)
        axes[i, j].set_yticks(range(len(here)), names)
    for ax in axes[-1]:
        ax.set_xlabel("tested on")
    for ax in axes[:, 0]:
        ax.set_ylabel("trained on")
    return fig


def confusions(matrices: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw confusion matrices (percent of each true emotion), a panel for each title."""
    fig, axes = plt.subplots(1, len(matrices), figsize=(3.7 * len(matrices), 3.6), squeeze=False, sharey=True)
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        _matrix(ax, matrix, "{:.0f}")
        ax.set_xticks(range(matrix.shape[1]), matrix.columns, rotation=45, ha="right")
        ax.set_yticks(range(matrix.shape[0]), matrix.index)
        ax.set(title=title, xlabel="predicted")
    axes[0, 0].set_ylabel("true")
    return fig


def _matrix(ax: plt.Axes, matrix: pd.DataFrame, text: str) -> None:
    ax.imshow(matrix.to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=100)
    for (i, j), value in np.ndenumerate(matrix.to_numpy(dtype=float)):
        if np.isfinite(value):
            ax.text(j, i, text.format(value), ha="center", va="center", color="white" if value > 55 else "black")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def points(panels: Mapping[str, pd.DataFrame], by: str) -> Figure:
    """Draw points in the plane, a panel for each title, coloured and shaped by a column.

    Each table has the columns x, y and `by` ("emotion" or "corpus").
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(3.9 * len(panels), 3.9), squeeze=False)
    seen: dict[str, Artist] = {}
    values = list(dict.fromkeys(value for table in panels.values() for value in table[by]))
    if by == "emotion":
        values = [emotion for emotion in EMOTION_COLOURS if emotion in values]
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        for k, value in enumerate(values):
            part = table[table[by] == value]
            colour = EMOTION_COLOURS[value] if by == "emotion" else SERIES_COLOURS[k]
            label = value if by == "emotion" else corpus_name(value)
            seen[label] = ax.scatter(
                part["x"], part["y"], s=14, color=colour, marker=MARKERS[k], alpha=0.75, linewidths=0
            )
        ax.set(title=title, xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    fig.legend(list(seen.values()), list(seen), loc="outside lower center", ncols=min(len(seen), 5), markerscale=2)
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
    `critical_difference` and `groups` of `comparison.Ranks`; models are shown by the names they have there.
    """
    if len(mean) < 2:
        return _nothing("It takes two models or more to rank them.")
    ranked = mean.sort_values(kind="stable")
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
        ends = ranked[list(group)].iloc[[0, -1]]
        ax.plot(ends, [y, y], color="#0072B2", linewidth=4, solid_capstyle="round")
    return fig


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


TORNADO = {"choice": "another option", "control": "a control", "seed": "another seed"}
