"""Every table of the book, in one style."""

import functools
import hashlib
import html
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from pandas.io.formats.style import Styler

from crosscorpus import corpora, extractors, figures, label_sets, names, paths, store

NO_BREAK = "\N{NO-BREAK SPACE}"

P_VALUES = ("p", "p_adjusted")  # columns that need three decimals

# Characters from which the text of a cell may wrap, and then is given room; see book/_static/custom.css.
WORDS, SENTENCES = 20, 80

FEW = 6
"""Clusters (speakers) below which a bootstrap interval is too short; see `metrics.bootstrap`."""

# A file for download is not larger than this: a page's reader waits for it, and the site holds them all.
MOST_MEGABYTES = 10

# Columns of identifiers: how their values are shown.
VALUES: dict[str, Callable[[str], str]] = {
    "corpus": lambda corpus: corpora.get(corpus).name,
    "train_corpus": lambda corpus: corpora.get(corpus).name,
    "test_corpus": lambda corpus: corpora.get(corpus).name,
    "ptm": figures.model_name,
    "a": lambda value: figures.model_name(value) if value in extractors.registry() else figures.head_name(value),
    "b": lambda value: figures.model_name(value) if value in extractors.registry() else figures.head_name(value),
    "head": figures.head_name,
    "metric": lambda metric: NAMES.get(metric, metric),
}

# Columns whose names readers would not want to see.
NAMES: dict[str, str] = {
    "ptm": "model",
    "train_corpus": "trained on",
    "test_corpus": "tested on",
    "regime": "folds",
    "text_id": "text",
    "emotion_native": "native label",
    "sample_rate_native": "rate (Hz)",
    "peak_dbfs": "peak (dB)",
    "level_dbfs": "level (dB)",
    "agreement": "same emotion (%)",
    "chance": "by chance (%)",
    "majority": "most frequent (%)",
    "n_emotions": "number of emotions",
    "together": "together against alone",
    "zero_padded": "zero-padded against alone",
    "uar": "UAR",
    "macro_f1": "macro-F1",
    "one_fold_chance": "one fold",
    "mean_chance": "mean of folds",
    "f1_fits_one_fold": "macro-F1 fits one fold",
    "misses_expected": "expected",
    "n_cells": "cells",
    "n_one_fold": "one fold",
    "one_fold_by_chance": "by chance",
    "n_mean_only": "mean only",
    "n_neither": "neither",
    "trips_when": "trips when",
    "n_utterances": "utterances",
    "n_clusters": "resampled",
    "n_folds": "folds run",
    "n_seeds": "seeds",
    "p_adjusted": "p, corrected",
    "kendall": "Kendall's τ",
    "spearman": "Spearman's ρ",
    "accuracy_sd": "accuracy, ± folds",
    "uar_sd": "UAR, ± folds",
    "macro_f1_sd": "macro-F1, ± folds",
    "accuracy_seed_sd": "accuracy, ± seeds",
    "uar_seed_sd": "UAR, ± seeds",
    "macro_f1_seed_sd": "macro-F1, ± seeds",
}


def show(
    table: pd.DataFrame,
    *,
    digits: int = 1,
    index: bool = False,
    signed: tuple[str, ...] = (),
    otherwise: str = "Nothing to show.",
    most: int = 200,
    thousands: bool = False,
    scientific: bool = False,
    download: str = "",
) -> HTML | Markdown:
    """Style a table: names for ids, few digits, a dash where there is no value.

    Parameters
    ----------
    digits
        Decimals of numbers that are not whole.
    index
        Whether the index is shown. An index of corpora gets their names.
    signed
        Columns that show a plus sign.
    otherwise
        What to say where the table has no rows.
    most
        Rows shown; a caption counts the others.
    thousands
        Whether whole numbers get commas.
    scientific
        Whether numbers far below 1 are shown as 1.2e-07.
    download
        Where given, the whole table is offered under this name; see `offer`.
    """
    if not len(table):
        return Markdown(otherwise)
    shown = table.head(most) if index else table.head(most).reset_index(drop=True)
    shown = shown.copy()
    for column in VALUES.keys() & set(shown):
        shown[column] = [_shown_id(column, value) for value in shown[column]]
    wrapped = shown.map(_wraps)
    shown = shown.map(lambda value: _markup(value) if isinstance(value, str) else value)
    if index:
        shown.index = shown.index.map(
            lambda value: corpora.get(value).name if value in corpora.registry() else value
        )
    shown = shown.rename_axis(index=None, columns=None)  # else the header has a second row for these
    shown.columns = shown.columns.map(lambda name: NAMES.get(name, str(name).replace("_", " ")))
    wrapped = wrapped.set_axis(shown.index).set_axis(shown.columns, axis=1)
    plus: dict[str, str | Callable] = {
        NAMES.get(name, name.replace("_", " ")): f"{{:+z.{digits}f}}" for name in signed
    }
    plus |= {NAMES.get(name, name): _p_value for name in P_VALUES}
    how = {c: plus.get(c, _scientific if scientific and shown[c].dtype.kind == "f" else None) for c in shown}
    look = {"precision": digits, "na_rep": "–", "hyperlinks": "html", "thousands": "," if thousands else None}
    style = shown.style.format(how, **look).set_td_classes(wrapped)
    style = style if index else style.hide(axis="index")
    if len(table) > most:
        style = style.set_caption(f"The first {most} of {len(table)} rows.")
    links = offer(table.reset_index() if index else table, download).data if download else ""
    return _rendered(style, links=links)


def _markup(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _wraps(value: object) -> str:
    length = len(value) if isinstance(value, str) else 0
    return "sentences" if length > SENTENCES else "words" if length > WORDS else ""


def _p_value(value: float) -> str:
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def _scientific(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 0.01 else f"{value:.3g}"


def _shown_id(column: str, value: str) -> str:
    try:
        return VALUES[column](value)
    except names.UnknownNameError:  # a name already, or a word such as "together"
        return value


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns of ids hold names, for a figure."""
    return table.assign(**{c: [_shown_id(c, value) for value in table[c]] for c in VALUES.keys() & set(table)})


def beside_paper(table: pd.DataFrame, download: str = "") -> HTML | Markdown:
    """Style our scores with their intervals beside the paper's; rows of one pair of corpora share a shade.

    `table` is what `reference.beside` returns of `metrics.interval`, with the column `guard` of `guards.mark` if
    there is one. A difference is bold where the paper's value is outside the interval. Where `download` is given,
    the table is offered under this name, with all its digits; see `offer`.
    """
    if not len(table):
        return Markdown("No cell of the paper has been run here on its emotions.")
    columns: dict[tuple[str, str], pd.Series | list[str]] = {
        ("", "model"): table["ptm"].map(VALUES["ptm"]),
        ("", "train → test"): [
            figures.pair_name(*pair) for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ],
        ("", "head"): table["head"].map(VALUES["head"]),
        ("", "folds"): table["regime"],
    }
    bold: dict[tuple[str, str], pd.Series] = {}
    for metric, label in (("accuracy", "accuracy (%)"), ("macro_f1", "macro-F1 (%)")):
        low, high, paper = table[f"{metric}_low"], table[f"{metric}_high"], table[f"paper_{metric}"]
        columns[label, "ours"] = table[metric]
        columns[label, "interval"] = [_span(*ends) for ends in zip(low, high, strict=True)]
        columns[label, "paper"] = paper
        columns[label, "difference"] = table[f"{metric}_difference"]
        bold[label, "difference"] = (paper < low) | (paper > high)
    columns["", "resampled"] = [_clusters(row) for row in table.itertuples()]
    if "guard" in table and (table["guard"] != "").any():
        columns["", "guard"] = table["guard"]
    shown = pd.DataFrame(columns)
    if len(table["ptm"].unique()) == 1:
        shown = shown.drop(columns=[("", "model")])
    formats = {c: {"ours": "{:.1f}", "paper": "{:.2f}", "difference": "{:+z.1f}"}.get(c[1]) for c in shown}
    style = shown.style.hide(axis="index").format(formats, na_rep="–")
    for column, which in bold.items():
        style = style.apply(lambda _, w=which: np.where(w, "font-weight: bold", ""), subset=[column])
    style = style.set_td_classes(_blocks(table[["ptm", "train_corpus", "test_corpus"]].agg(tuple, axis=1), shown))
    return _rendered(style, links=offer(table, download).data if download else "")


def _span(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{low:.1f}\N{EN DASH}{high:.1f}"


def _clusters(row: Any) -> str:
    few = " (few)" if row.n_clusters < FEW else ""
    return f"{row.n_clusters}{NO_BREAK}{row.clusters}{few}"


def grid_like_paper(table: pd.DataFrame, emotions: Sequence[str] = (), download: str = "") -> HTML | Markdown:
    """Style scores as the paper's Table I: a row per training corpus and model, columns by test corpus and head.

    A cell is accuracy | macro-F1. It is the darker, the higher its accuracy is among those of its block, a pair of
    corpora; the best one is bold. Where all cells are of one corpus, the rows are models. A cell with a tripped
    guard (column `guard` of `guards.mark`) has a dagger. Cells that are scored on other emotions than the others
    (`label_sets.chosen`) say on how many.

    Parameters
    ----------
    table
        What `metrics.summary` returns, of one regime.
    emotions
        Those of the protocol.
    download
        Where given, the table is offered under this name, with all its digits; see `offer`.
    """
    if not len(table):
        return Markdown("There is nothing to show: embeddings are missing.")
    ids = {"trained on": "train_corpus", "model": "ptm", "tested on": "test_corpus", "head": "head"}
    named = {name: table[column].map(VALUES[column]) for name, column in ids.items()}
    in_order = {name: pd.Categorical(values, list(dict.fromkeys(values))) for name, values in named.items()}
    block = table.groupby(["train_corpus", "test_corpus"])["accuracy"]
    low, high = block.transform("min"), block.transform("max")
    depth = ((table["accuracy"] - low) / (high - low).where(high > low)).fillna(0)
    scores = zip(table["accuracy"], table["macro_f1"], strict=True)
    text = pd.Series([f"{acc:.1f}{NO_BREAK}|{NO_BREAK}{f1:.1f}" for acc, f1 in scores], table.index)
    if "guard" in table:
        text += np.where(table["guard"] == "", "", f"{NO_BREAK}†")
    others = table.drop(label_sets.alike(table, emotions).index)
    for row in others.itertuples():
        text[row.Index] += f"<br><small>{label_sets.counted(row.n_emotions)}</small>"
    look = [f"background-color: rgba(0, 114, 178, {0.45 * d:.2f})" for d in depth]
    look = [css + "; font-weight: bold" if d == 1 else css for css, d in zip(look, depth, strict=True)]
    same = (table["train_corpus"] == table["test_corpus"]).all()
    wide = pd.DataFrame({**in_order, "text": text.to_numpy(), "look": look}).pivot(
        index=["model"] if same else ["trained on", "model"],
        columns=["tested on", "head"],
        values=["text", "look"],
    )
    wide = wide.sort_index().sort_index(axis=1).astype(object).fillna("")
    wide.index.names = [None] * wide.index.nlevels
    links = offer(table, download).data if download else ""
    return _rendered(wide["text"].style.apply(lambda _: wide["look"], axis=None), links=links)


def label_sets_of(table: pd.DataFrame, download: str = "") -> HTML | Markdown:
    """Style what each pair of corpora is scored on, with what needs no head; see `label_sets.of_pairs`.

    Chance and the share of the most frequent emotion are in percent. `table` is predictions or scores.
    """
    both = ["train_corpus", "test_corpus"]
    by_regime = label_sets.of_pairs(table)
    pairs = by_regime[[*both, *label_sets.COLUMNS]].drop_duplicates()
    shown = by_regime if pairs.duplicated(both).any() else pairs  # as a rule, regimes do not differ in this
    return show(shown, otherwise="There is no pair of corpora.", download=download, most=400)


def by_head(
    table: pd.DataFrame,
    rows: Sequence[str],
    metric: str = "accuracy",
    otherwise: str = "There is nothing to show: embeddings are missing.",
) -> HTML | Markdown:
    """Style scores with a column for each head and baseline, the highest of a row bold.

    Parameters
    ----------
    table
        A row for each score: the columns `rows` (ids), head, and the metric.
    rows
        What a row of the table is; scores that share one are averaged.
    metric
        Column that is shown.
    otherwise
        What to say where there is no score.
    """
    if not len(table):
        return Markdown(otherwise)
    heads = list(dict.fromkeys(table["head"]))
    wide = table.groupby([*rows, "head"], sort=False)[metric].mean().unstack()[heads]
    wide = wide.rename(columns=figures.head_name).rename_axis(columns=None)
    shown = wide.reset_index()
    for column in VALUES.keys() & set(rows):
        shown[column] = shown[column].map(VALUES[column])
    shown = shown.rename(columns=NAMES)
    style = shown.style.hide(axis="index").format(precision=1, na_rep="–")
    return _rendered(style.highlight_max(subset=list(wide), axis=1, props="font-weight: bold"))


def _blocks(of: Iterable[object], shown: pd.DataFrame) -> pd.DataFrame:
    """Return a class for each cell: rows next to each other that are `of` the same thing are a block."""
    block = pd.Series(list(of), index=shown.index)
    number = (block != block.shift()).cumsum() % 2
    classes = number.map({0: "even-block", 1: "odd-block"})
    return pd.DataFrame(dict.fromkeys(shown, classes), columns=shown.columns)


def verdicts(table: pd.DataFrame) -> HTML | Markdown:
    """Style the paper's cells beside ours, a row each; `table` is what `verdict.wide` returns."""
    if not len(table):
        return Markdown("None of the paper's cells has been run.")
    columns: dict[tuple[str, str], pd.Series | list[str]] = {
        ("", "train → test"): [
            figures.pair_name(*pair) for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ],
        ("", "model"): table["ptm"].map(VALUES["ptm"]),
        ("", "head"): table["head"].map(VALUES["head"]),
        ("", "paper"): table["published"],
    }
    for regime in [c.removesuffix("_verdict") for c in table if c.endswith("_verdict")]:
        label, of = f"{regime} folds", {end: table[f"{regime}_{end}"] for end in ("ours", "low", "high")}
        columns[label, "ours"] = of["ours"]
        columns[label, "interval"] = [_span(*ends) for ends in zip(of["low"], of["high"], strict=True)]
        columns[label, "difference"] = table[f"{regime}_difference"]
        columns[label, "paper is"] = table[f"{regime}_verdict"].str.replace("inside our interval", "inside")
    shown = pd.DataFrame(columns)
    formats = {c: {"ours": "{:.1f}", "paper": "{:.2f}", "difference": "{:+z.1f}"}.get(c[1]) for c in shown}
    return _rendered(shown.style.hide(axis="index").format(formats, na_rep="–"))


def _rendered(style: Styler, links: str = "") -> HTML:
    # The same table gives the same bytes: pandas would draw its ids at random.
    digest = hashlib.sha256(style.data.to_csv().encode()).hexdigest()
    named = style.set_uuid(digest[:8]).set_table_attributes('class="paper-table"')
    table = named.to_html(sparse_index=False)  # a row that is sorted or found alone must say what it is of
    # What readers who listen need: no headers without text, and which cells a header is for.
    table = re.sub(r"<th( [^>]*)>(?:&nbsp;)?</th>", r"<td\1></td>", table)
    table = re.sub(r'<th (id="[^"]*level\d+_)(row|col)', r'<th scope="\2" \1\2', table)
    table = table.replace(
        '<th class="index_name', '<th scope="row" class="index_name'
    )  # names a row of the header
    columns = ", ".join(dict.fromkeys(str(c[-1] if isinstance(c, tuple) else c) for c in style.data.columns))
    label = html.escape(f"Table: {columns}")
    # Addresses are read without their beginning.
    table = re.sub(r'(<a href="https?://([^"]+?)/?"[^>]*>)[^<]*</a>', r"\1\2</a>", table)
    # A box that scrolls must be reached by keyboard too.
    box = f'<div class="table-box" role="group" aria-label="{label}" tabindex="0">\n{table}</div>'
    return HTML(box + links)


def offer(table: pd.DataFrame, name: str) -> HTML:
    """Write a table for download, as CSV and as Parquet, and return the links.

    The files are `_build/<profile>/downloads/<table>.csv` and `.parquet`, and have the table's own names of
    columns and all digits. Links are relative to the project's root, where notebooks are executed; in the book
    they lead to copies beside the pages. Above `MOST_MEGABYTES` a file is written but not linked.

    Parameters
    ----------
    table
        What is offered, without its index.
    name
        `<profile>/<table>`, such as "demo/cross-corpus".

    Raises
    ------
    ValueError
        The name is not of this form.
    """
    if not re.fullmatch(r"[\w -]+/[a-z0-9-]+", name):
        raise ValueError(f"{name}: a table is offered as <profile>/<table>, such as demo/cross-corpus")
    profile, file = name.split("/")
    links = []
    for kind, write in (("csv", table.to_csv), ("parquet", table.to_parquet)):
        path = paths.BUILD / profile / "downloads" / f"{file}.{kind}"
        store.replace_file(path, functools.partial(write, index=False))
        size, label = path.stat().st_size / 1e6, {"csv": "CSV", "parquet": "Parquet"}[kind]
        shown = f"{size:.1f} MB" if size >= 1 else f"{max(1, 1000 * size):.0f} kB"
        address = f"_build/{quote(profile)}/downloads/{path.name}"
        if size <= MOST_MEGABYTES:
            links.append(f'<a href="{address}" download>{label}</a> ({shown})')
        else:
            links.append(f"{label} (too large for a page, {shown}: <code>{html.escape(address)}</code>)")
    rows = f"{len(table):,} rows"
    return HTML(f'<p class="downloads">Download {file.replace("-", " ")}, {rows}: {", ".join(links)}</p>')
