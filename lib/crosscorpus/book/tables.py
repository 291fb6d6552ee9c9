"""Every table of the book, in one style."""

import contextlib
import functools
import gzip
import hashlib
import html
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from IPython.display import HTML, Markdown
from pandas.io.formats.style import Styler

from crosscorpus.base import known_names, paths, shown_names, stamp, whole_files
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.scores import label_sets

NO_BREAK = "\N{NO-BREAK SPACE}"
P_VALUES = ("p", "p_adjusted")  # columns that need three decimals
# Characters from which the text of a cell may wrap, and then is given room; see book/_static/custom.css.
WORDS, SENTENCES = 20, 80
# A file for download is not larger than this: a page's reader waits for it, and the site holds them all.
MOST_MEGABYTES = 10
# Up to this a CSV is not compressed: it opens with a click.
PLAIN_MEGABYTES = 1
# Columns that say what a row comes to, and those that are read with them where they follow.
DECISIVE = ("verdict", "flag", "difference", "effect")
ENDS = ("low", "high", "from", "to")
# Columns of identifiers: how their values are shown.
VALUES: dict[str, Callable[[str], str]] = {
    "corpus": lambda corpus: corpus_registry.get(corpus).name,
    "train_corpus": lambda corpus: corpus_registry.get(corpus).name,
    "test_corpus": lambda corpus: corpus_registry.get(corpus).name,
    "ptm": model_registry.model_name,
    "a": lambda value: (
        model_registry.model_name(value) if value in model_registry.registry() else shown_names.head_name(value)
    ),
    "b": lambda value: (
        model_registry.model_name(value) if value in model_registry.registry() else shown_names.head_name(value)
    ),
    "head": shown_names.head_name,
    "metric": lambda score: NAMES.get(score, score),
}
VALUES["score"] = VALUES["metric"]
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
    "same_emotion": "same emotion (%)",
    "same_text": "same text (%)",
    "text_chance": "text, by chance (%)",
    "emotion_chance": "emotion, by chance (%)",
    "chance": "by chance (%)",
    "majority": "most frequent (%)",
    "n_emotions": "number of emotions",
    "ece": "ECE",
    "ece_scaled": "ECE, with temperature",
    "ece_calibrated": "ECE, calibrated",
    "together": "together against alone",
    "zero_padded": "zero-padded against alone",
    "uar": "UAR",
    "macro_f1": "macro-F1",
    "uar_low": "UAR, low",
    "uar_high": "UAR, high",
    "ua": "UA",
    "wa": "WA",
    "paper_accuracy": "paper's accuracy",
    "paper_macro_f1": "paper's macro-F1",
    "seed_sd": "seed, ±",
    "deal_sd": "deal, ±",
    "least_p": "least possible p",
    "rho": "ρ",
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


def said(text: str) -> Markdown | None:
    """Return text as Markdown, to be shown; None, which shows nothing, where it is empty."""
    return Markdown(text) if text else None


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
) -> HTML | Markdown | None:
    """Style a table: names for ids, few digits, a dash where there is no value.

    Parameters
    ----------
    digits
        Decimals of numbers that are not whole. True and False are shown as yes and no.
    index
        Whether the index is shown. An index of corpora gets their names.
    signed
        Columns that show a plus sign.
    otherwise
        What to say where the table has no rows; nothing is shown where this is empty.
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
        return said(otherwise)
    shown = table.head(most) if index else table.head(most).reset_index(drop=True)
    shown = decisive_first(shown.copy())
    for column in VALUES.keys() & set(shown):
        shown[column] = [_shown_id(column, value) for value in shown[column]]
    wrapped = shown.map(_wraps)
    shown = shown.map(_plain)
    if index:
        shown.index = shown.index.map(
            lambda value: corpus_registry.get(value).name if value in corpus_registry.registry() else value
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
    return rendered(style, links=links)


def decisive_first(table: pd.DataFrame) -> pd.DataFrame:
    """Put what a row comes to (`DECISIVE`) right after its model, or its first column if it names none.

    So it is in sight however narrow a window is. Of two models, `a` and `b`, it follows the second. The ends of
    its interval, where they follow, go with it.
    """
    columns = list(table)
    moved = [
        column
        for place, column in enumerate(columns)
        if column in DECISIVE or (column in ENDS and set(_before(columns, place)) & {*DECISIVE})
    ]
    rest = [column for column in columns if column not in moved]
    lead = next((rest.index(name) for name in ("b", "ptm", "model") if name in rest), 0) + 1
    return table[[*rest[:lead], *moved, *rest[lead:]]] if moved and columns[0] not in moved else table


def _before(columns: list[str], place: int) -> list[str]:
    """Return the column that the ends of an interval at some place follow, and the ends between."""
    first = place
    while first and columns[first] in ENDS:
        first -= 1
    return columns[first:place]


def _markup(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _wraps(value: object) -> str:
    length = len(value) if isinstance(value, str) else 0
    return "sentences" if length > SENTENCES else "words" if length > WORDS else ""


def _p_value(value: float) -> str:
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def _scientific(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 0.01 else f"{value:.3g}"


def _plain(value: Any) -> Any:
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    return _markup(value) if isinstance(value, str) else value


def _shown_id(column: str, value: str) -> str:
    try:
        return VALUES[column](value)
    except known_names.UnknownNameError:  # a name already, or a word such as "together"
        return value


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns of ids hold names, for a figure."""
    return table.assign(**{c: [_shown_id(c, value) for value in table[c]] for c in VALUES.keys() & set(table)})


def label_sets_of(table: pd.DataFrame, download: str = "") -> HTML | Markdown | None:
    """Style what each pair of corpora is scored on, with what needs no head; see `label_sets.of_pairs`.

    Chance and the share of the most frequent emotion are in percent. `table` is predictions or scores.
    """
    both = ["train_corpus", "test_corpus"]
    by_regime = label_sets.of_pairs(table)
    pairs = by_regime[[*both, *label_sets.COLUMNS]].drop_duplicates()
    shown = by_regime if pairs.duplicated(both).any() else pairs  # as a rule, regimes do not differ in this
    return show(shown, otherwise="There is no pair of corpora.", download=download, most=400)


def rendered(style: Styler, links: str = "") -> HTML:
    # The same table gives the same bytes: pandas would draw its ids at random.
    """Return a table as HTML in the book's style."""
    digest = hashlib.sha256(style.data.to_csv().encode()).hexdigest()
    named = style.set_uuid(digest[:8]).set_table_attributes('class="paper-table"')
    table = named.to_html(sparse_index=False)  # a row that is sorted or found alone must say what it is of
    # What readers who listen need: no headers without text, and which cells a header is for.
    table = re.sub(r"<th( [^>]*)>(?:&nbsp;)?</th>", r"<td\1></td>", table)
    table = re.sub(r'<th (id="[^"]*level\d+_)(row|col)', r'<th scope="\2" \1\2', table)
    table = table.replace(
        '<th class="index_name', '<th scope="row" class="index_name'
    )  # names a row of the header
    table = _lean(table)
    columns = ", ".join(dict.fromkeys(str(c[-1] if isinstance(c, tuple) else c) for c in style.data.columns))
    label = html.escape(f"Table: {columns}")
    # Addresses are read without their beginning.
    table = re.sub(r'(<a href="https?://([^"]+?)/?"[^>]*>)[^<]*</a>', r"\1\2</a>", table)
    # A box that scrolls must be reached by keyboard too.
    box = f'<div class="table-box" role="group" aria-label="{label}" tabindex="0">\n{table}</div>'
    return HTML(box + links)


def _lean(table: str) -> str:
    """Drop what pandas writes into each cell and nothing refers to: two thirds of a large table."""
    styled = set(re.findall(r"#(\w+)", table.partition("</style>")[0]))
    table = re.sub(r' id="(\w+_row\d+_col\d+|\w+_level\d+_(?:row|col)\d+)"', _if_in(styled), table)
    table = re.sub(r' class="data row\d+ col\d+ ?([^"]*)" ?', lambda c: f' class="{c[1]}"' * bool(c[1]), table)
    table = re.sub(r' class="((?:row|col)_heading) level\d+ (?:row|col)\d+" ?', r' class="\1"', table)
    return re.sub(r"\n +", "\n", table)


def _if_in(styled: set[str]) -> Callable[[re.Match[str]], str]:
    return lambda found: found[0] if found[1] in styled else ""


def offer(table: pd.DataFrame | Callable[[], Iterable[pd.DataFrame]], name: str) -> HTML:
    """Write a table for download, as CSV and as Parquet, and return the links.

    The files are `_build/<profile>/downloads/<table>.csv` and `.parquet`, and have the table's own names of
    columns and all digits; a CSV of more than `PLAIN_MEGABYTES` is compressed, `.csv.gz`. Links are relative to
    the project's root, where notebooks are executed; in the book they lead to copies beside the pages. Above
    `MOST_MEGABYTES` a file is written but not linked.

    Parameters
    ----------
    table
        What is offered, without its index; or what gives it in parts with the same columns, one at a time.
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
    made = (lambda: [table]) if isinstance(table, pd.DataFrame) else table

    def parts() -> Iterable[pd.DataFrame]:
        return map(stamp.on_table, made())

    for kind, write in (("csv", _write_csv), ("parquet", _write_parquet)):
        path = paths.BUILD / profile / "downloads" / f"{file}.{kind}"
        whole_files.replace_file(path, functools.partial(write, parts))
        if kind == "csv":
            path = _compressed(path)
        size, label = path.stat().st_size / 1e6, {"csv": "CSV", "parquet": "Parquet"}[kind]
        label += ", compressed" if path.suffix == ".gz" else ""
        shown = f"{size:.1f} MB" if size >= 1 else f"{max(1, 1000 * size):.0f} kB"
        address = f"_build/{quote(profile)}/downloads/{path.name}"
        if size <= MOST_MEGABYTES:
            links.append(f'<a href="{address}" download>{label}</a> ({shown})')
        else:
            links.append(f"{label} (too large for a site, {shown}: the command at the end of this page writes it)")
    rows = f"{pq.read_metadata(path).num_rows:,} rows"
    return HTML(f'<p class="downloads">Download {file.replace("-", " ")}, {rows}: {", ".join(links)}</p>')


def _write_csv(parts: Callable[[], Iterable[pd.DataFrame]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as opened:
        for number, part in enumerate(parts()):
            part.to_csv(opened, index=False, header=number == 0)


def _write_parquet(parts: Callable[[], Iterable[pd.DataFrame]], path: Path) -> None:
    """Write tables as small as it can be without loss: bytes of probabilities apart, the alike ones together."""
    with contextlib.ExitStack() as stack:
        writer = None
        for part in parts():
            rows = pa.Table.from_pandas(part, preserve_index=False)
            writer = writer or stack.enter_context(pq.ParquetWriter(path, rows.schema, **_small(rows.schema)))
            writer.write_table(rows)


def _small(schema: pa.Schema) -> dict[str, Any]:
    apart = [field.name for field in schema if field.type == pa.float32()]
    others = [field.name for field in schema if field.name not in apart]
    encoding = dict.fromkeys(apart, "BYTE_STREAM_SPLIT")
    return {"compression": "zstd", "compression_level": 15, "use_dictionary": others, "column_encoding": encoding}


def marks(table: pd.DataFrame, full: str) -> HTML:
    """Show a table of words as a grid of marks: a full one for one of the words, an empty one for any other.

    A mark has its word as its name, for readers who listen or point at it.
    """

    def mark(word: str) -> str:
        name, sign = html.escape(word), "●" if word == full else "○"
        return f'<span role="img" aria-label="{name}" title="{name}">{sign}</span>'

    return rendered(table.style.format(mark))


def _compressed(path: Path) -> Path:
    """Compress a file in its place if it is large, always to the same bytes; return the one that is left."""
    small = path.with_name(f"{path.name}.gz")
    if path.stat().st_size <= 1e6 * PLAIN_MEGABYTES:
        small.unlink(missing_ok=True)  # of an earlier run
        return path
    data = gzip.compress(path.read_bytes(), 6, mtime=0)
    whole_files.replace_file(small, lambda part: part.write_bytes(data))
    path.unlink()
    return small
