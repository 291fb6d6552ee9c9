"""Figures of the verdict: what fits the paper's table, and what open choices move."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours, figures, marks
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.verdict import choice_effects


def fitting_cells(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how many published accuracies fit one fold, only a mean of folds, or neither; a panel for each table.

    Each table is what `audit_spread.totals` returns, with the groups' names in its first column.
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
        What `audit_f1.macro_f1` returns; cells with a flag are marked.
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
        ax.set(title=corpus_registry.corpus_name(corpus), xlim=(0, 100), ylim=(0, 100))
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


TORNADO = {"choice": "another option", "seed": "another seed"}


def tornado(table: pd.DataFrame, train_corpus: str, test_corpus: str, score: str = "accuracy") -> Figure:
    """Draw how far each change moves one train-test pair, largest first, a panel for each head.

    Parameters
    ----------
    table
        What `choice_effects.beside_paper` returns, for one model. Drawn are its choices, whose effects, as the
        score in the title and the paper's distance, start from the first seed's default. Controls start from the
        mean of all seeds, and are not drawn. Other seeds are pale, because they are what chance alone does.
    train_corpus, test_corpus
        Ids of the pair.
    score
        "accuracy" or "macro_f1".
    """
    label = {"accuracy": "accuracy", "macro_f1": "macro-F1"}[score]
    here = table[(table["train_corpus"] == train_corpus) & (table["test_corpus"] == test_corpus)]
    moved = here[here["study"] == "choice"]
    if not len(moved):
        return figures.nothing_to_draw("There is nothing to show: no effects of this pair.")
    heads = list(moved["head"].unique())
    n = int(moved["head"].value_counts().max())
    fig, axes = plt.subplots(1, len(heads), figsize=(4.6 * len(heads), 0.21 * n + 1.3), squeeze=False)
    ends = [f"{score}_{end}" for end in ("effect", "low", "high")]
    far = float(moved[ends].abs().to_numpy().max())
    for ax, head in zip(axes[0], heads, strict=True):
        part = moved[moved["head"] == head]
        part = part.loc[part[ends[0]].abs().sort_values(kind="stable").index]  # the last is on top
        y = np.arange(len(part))
        kinds = np.where(part["choice"] == "seed", "seed", "choice")
        effect, low, high = (part[end].to_numpy() for end in ends)
        for kind, colour in (("choice", "#56B4E9"), ("seed", "#BBBBBB")):
            rows = kinds == kind
            ax.barh(y[rows], effect[rows], color=colour, height=0.75, label=TORNADO[kind])
        ax.hlines(y, low, high, color="#333333", linewidth=1, label="95 % interval")
        columns = {
            "choice": "choice",
            "option": "option",
            **dict(zip(ends, ("change", "low", "high"), strict=True)),
        }
        marks.put(ax, effect, y, part[list(columns)].rename(columns=columns).assign(head=head).to_dict("records"))
        default = choice_effects.baseline(here[here["head"] == head])
        gap = default[f"paper_{score}"] - default[score]
        if gap.notna().any():
            shown = ax.axvline(
                gap.iloc[0],
                color=figure_colours.PAPER_COLOUR,
                linestyle="--",
                linewidth=1,
                label="the paper's value",
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
            title=f"{head.upper()}: {default[score].iloc[0]:.1f} % by default, first seed",
            xlabel=f"change of {label} (points)",
        )
        ax.set_ylim(-0.7, n - 0.3)
    for ax in axes[0]:
        ax.set_xlim(-1.08 * far, 1.08 * far)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


VERDICTS = {  # of score_verdicts.VERDICTS: colour, sign
    "within reruns": ("#0072B2", "="),
    "within single folds": ("#56B4E9", "\N{ALMOST EQUAL TO}"),
    "above": ("#E69F00", "+"),
    "below": ("#CC79A7", "\N{MINUS SIGN}"),
    "not yet run": ("#E6E6E6", ""),
    "not comparable: other labels": ("#A0A0A0", ""),
}


def _verdict_name(kind: str) -> str:
    sign = VERDICTS[kind][1]
    return f"{sign} paper {kind}{'' if kind.startswith('within') else ' both'}" if sign else kind


def verdict_map(table: pd.DataFrame) -> Figure:
    """Draw the verdict on each cell of the paper's table: rows are pairs of corpora, columns models and heads.

    `table` is what `score_verdicts.cells` returns, of one metric; a panel for each regime.
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
            dark = kinds[code] == "within reruns"
            sign = VERDICTS[kinds[code]][1]
            ax.text(
                j + 0.5, i + 0.45, sign, ha="center", va="center", color="white" if dark else "black", fontsize=9
            )
        labels = [f"{model_registry.model_name(ptm)} {shown_names.head_name(head)}" for ptm, head in models]
        marks.put(ax, *_centres(wide.loc[pairs, models]), _verdicts_said(part, pairs, models))
        ax.set_xticks(np.arange(len(models)) + 0.5, labels, rotation=90)
        ax.set_yticks(np.arange(len(pairs)) + 0.5, [corpus_registry.pair_name(*pair) for pair in pairs[::-1]])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{regime} folds")
    shown = [kind for kind in kinds if not kind.startswith("not comparable") or (table["verdict"] == kind).any()]
    handles = [Patch(color=VERDICTS[kind][0], label=_verdict_name(kind)) for kind in shown]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return fig


def _centres(wide: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the cells of a map, row by row from the top: x and y."""
    rows, columns = wide.shape
    return np.tile(np.arange(columns) + 0.5, rows), np.repeat(np.arange(rows)[::-1] + 0.5, columns)


def _verdicts_said(
    part: pd.DataFrame, pairs: Sequence[tuple[str, str]], models: Sequence[tuple[str, str]]
) -> list[dict[str, object]]:
    verdicts = part.set_index(["train_corpus", "test_corpus", "ptm", "head"])["verdict"]
    return [
        {
            "model": model_registry.model_name(ptm),
            "head": shown_names.head_name(head),
            "pair": corpus_registry.pair_name(*pair),
            "paper": verdicts[(*pair, ptm, head)],
        }
        for pair in pairs
        for ptm, head in models
    ]


def verdict_shares(counts: pd.DataFrame) -> Figure:
    """Draw of how many of the cells that were run the paper's value is within ours, above and below.

    `counts` is what `score_verdicts.counts` returns.
    """
    if not counts["run"].sum():
        return figures.nothing_to_draw("None of the paper's cells has been run on its emotions.")
    labels = [
        f"{shown_names.METRICS[metric].removesuffix(' (%)')}, {regime} folds"
        for metric, regime in zip(counts["metric"], counts["regime"], strict=True)
    ]
    fig, ax = plt.subplots(figsize=(6.5, 0.34 * len(counts) + 1.1))
    left = np.zeros(len(counts))
    for kind, colour in ((kind, colour) for kind, (colour, sign) in VERDICTS.items() if sign):
        width = counts[kind].to_numpy(dtype=float)[::-1]
        bars = ax.barh(labels[::-1], width, left=left, color=colour, label=_verdict_name(kind))
        shown = [f"{w:.0f}" if w else "" for w in width]
        ax.bar_label(bars, shown, label_type="center", color="white" if kind == "within reruns" else "black")
        left += width
    ax.set_xlabel("cells that were run")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.tick_params(axis="y", length=0)
    fig.legend(loc="outside lower center", ncols=3)
    return fig
