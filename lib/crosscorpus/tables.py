"""Every table of the book, in one style."""

import hashlib
import html
import re
from collections.abc import Callable

import pandas as pd
from IPython.display import HTML, Markdown
from pandas.io.formats.style import Styler

from crosscorpus import corpora, extractors, figures, names

NO_BREAK = "\N{NO-BREAK SPACE}"

# Columns of identifiers: how their values are shown.
VALUES: dict[str, Callable[[str], str]] = {
    "corpus": lambda corpus: corpora.get(corpus).name,
    "train_corpus": lambda corpus: corpora.get(corpus).name,
    "test_corpus": lambda corpus: corpora.get(corpus).name,
    "ptm": lambda ptm: extractors.get(ptm).name,
    "head": str.upper,
}

# Columns whose names readers would not want to see.
NAMES = {
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
    """
    if not len(table):
        return Markdown(otherwise)
    shown = table.head(most).copy()
    for column in VALUES.keys() & set(shown):
        shown[column] = [_shown_id(column, value) for value in shown[column]]
    shown = shown.map(lambda value: _markup(value) if isinstance(value, str) else value)
    if index:
        shown.index = shown.index.map(
            lambda value: corpora.get(value).name if value in corpora.registry() else value
        )
    shown.columns = shown.columns.map(lambda name: NAMES.get(name, str(name).replace("_", " ")))
    plus = {NAMES.get(name, name.replace("_", " ")): f"{{:+.{digits}f}}" for name in signed}
    how = {c: plus.get(c, _scientific if scientific and shown[c].dtype.kind == "f" else None) for c in shown}
    look = {"precision": digits, "na_rep": "–", "hyperlinks": "html", "thousands": "," if thousands else None}
    style = shown.style.format(how, **look)
    style = style if index else style.hide(axis="index")
    if len(table) > most:
        style = style.set_caption(f"The first {most} of {len(table)} rows.")
    return _rendered(style)


def _markup(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


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


def beside_paper(table: pd.DataFrame) -> HTML | Markdown:
    """Style our scores beside the paper's, a row per cell and regime.

    `table` is what `reference.beside` returns; ours are mean ± standard deviation over folds.
    """
    if not len(table):
        return Markdown("There is no pair of corpora to show: embeddings are missing.")
    columns: dict[tuple[str, str], pd.Series | list[str]] = {
        ("", "model"): table["ptm"].map(VALUES["ptm"]),
        ("", "train → test"): [
            figures.pair_name(*pair) for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ],
        ("", "head"): table["head"].str.upper(),
        ("", "folds"): table["regime"],
    }
    for metric, label in (("accuracy", "accuracy (%)"), ("macro_f1", "macro-F1 (%)")):
        pairs = zip(table[metric], table[f"{metric}_sd"], strict=True)
        columns[label, "ours"] = [f"{mean:.1f}{NO_BREAK}±{NO_BREAK}{sd:.1f}" for mean, sd in pairs]
        columns[label, "paper"] = table[f"paper_{metric}"]
        columns[label, "difference"] = table[f"{metric}_difference"]
    shown = pd.DataFrame(columns)
    if len(table["ptm"].unique()) == 1:
        shown = shown.drop(columns=[("", "model")])
    formats = {c: {"paper": "{:.2f}", "difference": "{:+.1f}"}.get(c[1]) for c in shown}
    style = shown.style.hide(axis="index").format(formats, na_rep="–")
    return _rendered(style)


def _rendered(style: Styler) -> HTML:
    # The same table gives the same bytes: pandas would draw its ids at random.
    digest = hashlib.sha256(style.data.to_csv().encode()).hexdigest()
    return HTML(style.set_uuid(digest[:8]).set_table_attributes('class="paper-table"').to_html())
