"""Tables of scores, ours and the paper's."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from crosscorpus.base import shown_names
from crosscorpus.book import tables
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.scores import label_sets

FEW = 6
"""Clusters (speakers) below which a bootstrap interval is too short; see `metrics.bootstrap`."""

WORDS = {
    "labels": "audio and labels",
    "audio": "audio",
    "chosen": "its labels, to choose among models",
    "perhaps": "perhaps",
}
"""How a use of a corpus by a model, before it was asked of it, is shown."""
HEARD = "‡"
"""Marks a cell whose model has had the tested corpus before; see `model_registry.heard`."""


def beside_paper(table: pd.DataFrame, download: str = "") -> HTML | Markdown:
    """Style our scores beside the paper's; rows of one pair of corpora share a shade.

    *Ours* and the difference are of means over folds, as the paper's are. The score of all test utterances
    together stands with its interval over test speakers, which says how far it holds for others.

    `table` is what `published_tables.beside` returns, with the column `guard` of `guards.mark` if there is one.
    Where `download` is given, the table is offered under this name, with all its digits; see `offer`.
    """
    if not len(table):
        return Markdown("No cell of the paper has been run here on its emotions.")
    named: dict[tuple[str, str], pd.Series | list[str]] = {
        ("", "model"): table["ptm"].map(tables.VALUES["ptm"]),
        ("", "train → test"): [
            corpus_registry.pair_name(*pair)
            for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ],
        ("", "head"): table["head"].map(tables.VALUES["head"]),
        ("", "folds"): table["regime"],
    }
    if len(table["ptm"].unique()) == 1:
        del named["", "model"]
    first = next(iter(named))
    # What decides stands right after the model, in sight however narrow the window is.
    columns = {first: named.pop(first)}
    labels = {"accuracy": "accuracy (%)", "macro_f1": "macro-F1 (%)"}
    for metric, label in labels.items():
        columns["difference", label.replace(" (%)", "")] = table[f"{metric}_difference"]
    columns |= named
    for metric, label in labels.items():
        columns[label, "ours"] = table[f"{metric}_of_folds"]
        columns[label, "paper"] = table[f"paper_{metric}"]
        ends = (table[c] for c in (metric, f"{metric}_low", f"{metric}_high"))
        columns[label, "together"] = [
            f"{value:.1f} ({_span(low, high)})" for value, low, high in zip(*ends, strict=True)
        ]
    if (had := _heard(table)) is not None:
        columns["", "heard before"] = had.where(had != "", "–")
    columns["", "resampled"] = [_clusters(row) for row in table.itertuples()]
    if "guard" in table and (table["guard"] != "").any():
        columns["", "guard"] = table["guard"]
    shown = pd.DataFrame(columns)
    looks = {"ours": "{:.1f}", "paper": "{:.2f}"}
    formats = {c: "{:+z.1f}" if c[0] == "difference" else looks.get(c[1]) for c in shown}
    style = shown.style.hide(axis="index").format(formats, na_rep="–")
    style = style.set_td_classes(_blocks(table[["ptm", "train_corpus", "test_corpus"]].agg(tuple, axis=1), shown))
    return tables.rendered(style, links=tables.offer(table, download).data if download else "")


def _heard(table: pd.DataFrame) -> pd.Series | None:
    """Return what each row's model has had of its tested corpus before, in words or ""; None where all are ""."""
    pairs = zip(table["ptm"], table["test_corpus"], strict=True)
    used = [model_registry.heard(*pair) if pair[0] in model_registry.registry() else "" for pair in pairs]
    had = pd.Series(used, table.index).where(lambda how: how.isin(model_registry.USED), "")
    return had if (had != "").any() else None


def _span(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{low:.1f}\N{EN DASH}{high:.1f}"


def _clusters(row: Any) -> str:
    few = " (few)" if row.n_clusters < FEW else ""
    return f"{row.n_clusters}{tables.NO_BREAK}{row.clusters}{few}"


def grid_like_paper(table: pd.DataFrame, emotions: Sequence[str] = (), download: str = "") -> HTML | Markdown:
    """Style scores as the paper's Table I: a row per training corpus and model, columns by test corpus and head.

    A cell is accuracy | macro-F1. It is the darker, the higher its accuracy is among those of its block, a pair of
    corpora; the best one is bold. Where all cells are of one corpus, the rows are models. A cell with a tripped
    guard (column `guard` of `guards.mark`) has a dagger, one whose model has had the tested corpus before a double
    dagger, which a line below explains. Cells that are scored on other emotions than the others
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
    named = {name: table[column].map(tables.VALUES[column]) for name, column in ids.items()}
    in_order = {name: pd.Categorical(values, list(dict.fromkeys(values))) for name, values in named.items()}
    block = table.groupby(["train_corpus", "test_corpus"])["accuracy"]
    low, high = block.transform("min"), block.transform("max")
    depth = ((table["accuracy"] - low) / (high - low).where(high > low)).fillna(0)
    scores = zip(table["accuracy"], table["macro_f1"], strict=True)
    text = pd.Series([f"{acc:.1f}{tables.NO_BREAK}|{tables.NO_BREAK}{f1:.1f}" for acc, f1 in scores], table.index)
    if "guard" in table:
        text += np.where(table["guard"] == "", "", f"{tables.NO_BREAK}†")
    links = tables.offer(table, download).data if download else ""
    if (had := _heard(table)) is not None:
        text += np.where(had == "", "", f"{tables.NO_BREAK}{HEARD}")
        links += f"<p>{HEARD} {heard_before(table)}</p>"
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
    return tables.rendered(wide["text"].style.apply(lambda _: wide["look"], axis=None), links=links)


def heard_before(table: pd.DataFrame) -> str:
    """Say which models of a table have had which tested corpora before, and how; "" where none is known to."""
    had = _heard(table)
    if had is None:
        return ""
    rows = table.assign(had=had)[had != ""].drop_duplicates(["ptm", "test_corpus"])
    said = [
        f"{model_registry.model_name(row.ptm)} has had {corpus_registry.corpus_name(row.test_corpus)} before "
        f"({WORDS[row.had]})"
        for row in rows.itertuples()
    ]
    return "; ".join(said) + "."


def by_head(
    table: pd.DataFrame,
    rows: Sequence[str],
    metric: str = "accuracy",
    otherwise: str = "There is nothing to show: embeddings are missing.",
) -> HTML | Markdown | None:
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
        return tables.said(otherwise)
    heads = list(dict.fromkeys(table["head"]))
    wide = table.groupby([*rows, "head"], sort=False)[metric].mean().unstack()[heads]
    wide = wide.rename(columns=shown_names.head_name).rename_axis(columns=None)
    shown = wide.reset_index()
    for column in tables.VALUES.keys() & set(rows):
        shown[column] = shown[column].map(tables.VALUES[column])
    shown = shown.rename(columns=tables.NAMES)
    style = shown.style.hide(axis="index").format(precision=1, na_rep="–")
    return tables.rendered(style.highlight_max(subset=list(wide), axis=1, props="font-weight: bold"))


def _blocks(of: Iterable[object], shown: pd.DataFrame) -> pd.DataFrame:
    """Return a class for each cell: rows next to each other that are `of` the same thing are a block."""
    block = pd.Series(list(of), index=shown.index)
    number = (block != block.shift()).cumsum() % 2
    classes = number.map({0: "even-block", 1: "odd-block"})
    return pd.DataFrame(dict.fromkeys(shown, classes), columns=shown.columns)


def verdicts(table: pd.DataFrame) -> HTML | Markdown:
    """Style the paper's cells beside ours, a row each; `table` is what `score_verdicts.wide` returns."""
    if not len(table):
        return Markdown("None of the paper's cells has been run.")
    columns: dict[tuple[str, str], pd.Series | list[str]] = {
        ("", "train → test"): [
            corpus_registry.pair_name(*pair)
            for pair in zip(table["train_corpus"], table["test_corpus"], strict=True)
        ],
        ("", "model"): table["ptm"].map(tables.VALUES["ptm"]),
        ("", "head"): table["head"].map(tables.VALUES["head"]),
        ("", "paper"): table["published"],
    }
    for regime in [c.removesuffix("_verdict") for c in table if c.endswith("_verdict")]:
        label, of = f"{regime} folds", table.filter(like=f"{regime}_")
        of = of.set_axis([column.removeprefix(f"{regime}_") for column in of], axis=1)
        columns[label, "ours"] = of["ours"]
        columns[label, "difference"] = of["difference"]
        columns[label, "single folds"] = _spans(of, "fold")
        columns[label, "one more run"] = _spans(of, "mean")
        columns[label, "paper is"] = [
            f"{verdict} by {by:.1f}" if by > 0 else verdict
            for verdict, by in zip(of["verdict"], of["beyond"], strict=True)
        ]
    shown = pd.DataFrame(columns)
    # What decides stands right after the model, in sight however narrow the window is.
    first = [("", "model"), *(column for column in shown if column[1] == "paper is")]
    shown = shown[[*first, *(column for column in shown if column not in first)]]
    formats = {c: {"ours": "{:.1f}", "paper": "{:.2f}", "difference": "{:+z.1f}"}.get(c[1]) for c in shown}
    return tables.rendered(shown.style.hide(axis="index").format(formats, na_rep="–"))


def _spans(table: pd.DataFrame, of: str) -> list[str]:
    return [_span(*ends) for ends in zip(table[f"{of}_low"], table[f"{of}_high"], strict=True)]
