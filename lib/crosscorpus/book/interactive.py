"""Views that a reader can turn: HTML with data inside, drawn by book/_static/interactive.js without a network.

Each view holds a static version of itself, which readers see where the script does not run: in Jupyter, on paper.
"""

import html
import json
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import HTML, Markdown

from crosscorpus.base import shown_names
from crosscorpus.book import figure_colours
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.scores import confusions, label_sets, metrics

METRIC_NAMES = {"accuracy": "accuracy (%)", "uar": "UAR (%)", "macro_f1": "macro-F1 (%)"}
NOTHING = "There is nothing to choose from yet: embeddings are missing."


def grid(scores: pd.DataFrame, emotions: Sequence[str] = (), regime: str = "") -> HTML | Markdown:
    """Show training against test corpora, to choose model, head, folds and score; cells tell spread and counts.

    Parameters
    ----------
    scores
        What `metrics.per_fold` returns.
    emotions
        Those of the protocol. Cells that are scored on others (see `label_sets.chosen`) have no colour.
    regime
        Whose folds are shown first: those of the figure that the view stands below.
    """
    if not len(scores):
        return Markdown(NOTHING)
    table = metrics.summary(scores)
    tested = scores.groupby([*metrics.CELL, "seed"])["n"].sum().groupby(metrics.CELL).max()  # utterances
    ids = list(dict.fromkeys([*table["train_corpus"], *table["test_corpus"]]))
    places = {corpus: place for place, corpus in enumerate(ids)}
    models, heads, regimes = (list(table[column].unique()) for column in ("ptm", "head", "regime"))
    regimes.sort(key=lambda one: one != regime)
    alike = set(label_sets.alike(table, emotions).index)
    matrices: dict[str, list[list[list[float | None] | None]]] = {}
    for number_of_row, row in table.to_dict("index").items():
        cell = tuple(row[column] for column in metrics.CELL)
        which = (models.index(row["ptm"]), heads.index(row["head"]), regimes.index(row["regime"]))
        for number, metric in enumerate(METRIC_NAMES):
            empty: list[list[list[float | None] | None]] = [[None] * len(ids) for _ in ids]
            matrix = matrices.setdefault(_key(*which, number), empty)
            values = [_rounded(row[metric]), _rounded(row[f"{metric}_sd"]), int(tested[cell])]
            values += [] if number_of_row in alike else [int(row["n_emotions"])]
            matrix[places[row["train_corpus"]]][places[row["test_corpus"]]] = values
    names = [corpus_registry.get(corpus).name for corpus in ids]
    data = {
        "choices": {
            "model": [model_registry.get(ptm).name for ptm in models],
            "head": [shown_names.head_name(head) for head in heads],
            "folds": regimes,
            "score": list(METRIC_NAMES.values()),
        },
        "corner": "trained on ↓, tested on →",
        "rows": names,
        "columns": names,
        "matrices": matrices,
    }
    first = [
        [_static(cell) for cell in row] for row in matrices.get(_key(0, 0, 0, 0), next(iter(matrices.values())))
    ]
    return _view("grid", data, _plain(first, data))


def predictions(table: pd.DataFrame, emotions: Sequence[str], regime: str = "") -> HTML | Markdown:
    """Show counts of predicted against true emotions, to choose model, head, folds and both corpora.

    Parameters
    ----------
    table
        Predictions, or their counts.
    emotions
        Rows and columns, in this order.
    regime
        Whose folds are shown first.
    """
    if not len(table):
        return Markdown(NOTHING)
    columns: dict[str, Callable[[str], str]] = {
        "ptm": lambda ptm: model_registry.get(ptm).name,
        "head": shown_names.head_name,
        "regime": str,
        "train_corpus": lambda corpus: corpus_registry.get(corpus).name,
        "test_corpus": lambda corpus: corpus_registry.get(corpus).name,
    }
    values = {column: list(table[column].unique()) for column in columns}
    values["regime"].sort(key=lambda one: one != regime)
    matrices = {}
    for cell, part in table.groupby(list(columns), sort=False):
        counts = confusions.matrix(part, emotions).to_numpy()
        where = [values[column].index(value) for column, value in zip(columns, cell, strict=True)]
        matrices[_key(*where)] = counts.tolist()
    labels = ["model", "head", "folds", "trained on", "tested on"]
    data = {
        "choices": {
            label: [columns[column](value) for value in values[column]]
            for label, column in zip(labels, columns, strict=True)
        },
        "corner": "true ↓, predicted →",
        "rows": list(emotions),
        "columns": list(emotions),
        "matrices": matrices,
    }
    return _view(
        "predictions", data, _plain(matrices.get(_key(0, 0, 0, 0, 0), next(iter(matrices.values()))), data)
    )


def predictions_by(table: pd.DataFrame, utterances: pd.DataFrame, emotions: Sequence[str]) -> HTML | Markdown:
    """Show what is predicted for each emotion, speaker or text of a corpus, to see whose a confusion is.

    Parameters
    ----------
    table
        Predictions of one model and head, trained on one corpus, in one regime; none may be here.
    utterances
        `corpus`, `utterance`, `speaker` and `text_id` of all that was tested, "" or NaN where it is not known.
    emotions
        Columns, in this order.
    """
    if not len(table):
        return Markdown(NOTHING)
    named = utterances.rename(columns={"corpus": "test_corpus", "text_id": "text"})
    named = named[["test_corpus", "utterance", "speaker", "text"]].fillna({"speaker": "", "text": ""})
    whole = table.merge(named, on=["test_corpus", "utterance"], validate="many_to_one")
    rows_of, matrices = {}, {}
    corpora = list(whole["test_corpus"].unique())
    groupings = {"true emotion": "emotion", "speaker": "speaker", "text": "text"}
    for place, corpus in enumerate(corpora):
        of_corpus = whole[whole["test_corpus"] == corpus]
        for by, column in enumerate(groupings.values()):
            found = sorted(set(of_corpus[column]) - {""})
            names = list(emotions) if column == "emotion" else found
            rows_of[_key(place, by)] = [name if column == "emotion" else f"{column} {name}" for name in names]
            for of, emotion in enumerate(["", *emotions]):
                part = of_corpus[of_corpus["emotion"] == emotion] if emotion else of_corpus
                counts = pd.crosstab(part[column], part["predicted"])
                counts = counts.reindex(index=names, columns=list(emotions), fill_value=0)
                matrices[_key(place, by, of)] = counts.to_numpy().tolist()
    data = {
        "choices": {
            "tested on": [corpus_registry.corpus_name(corpus) for corpus in corpora],
            "rows are": list(groupings),
            "utterances of": ["all emotions", *emotions],
        },
        "corner": "rows ↓, predicted →",
        "rows": list(emotions),
        "rows_of": rows_of,
        "columns": list(emotions),
        "matrices": matrices,
    }
    return _view("predictions", data, _plain(matrices[_key(0, 0, 0)], data))


def points(panels: Mapping[str, pd.DataFrame], listen: bool = False) -> HTML | Markdown:
    """Show points in the plane, to choose the panel and what colours stand for; each point tells its utterance.

    Parameters
    ----------
    panels
        Title of a panel -> a table with x, y, utterance, path, start, end, emotion, corpus, speaker and text_id:
        what `projection.tsne` returns.
    listen
        Whether a point plays its utterance, from the corpora on this machine: a page for its owner alone.
    """
    if not panels:
        return Markdown(NOTHING)
    drawn = {}
    for title, table in panels.items():
        plane = table[["x", "y"]]
        scaled = 1000 * (plane - plane.min()) / ((plane.max() - plane.min()).max() or 1)
        drawn[title] = {
            "x": scaled["x"].round().astype(int).tolist(),
            "y": scaled["y"].round().astype(int).tolist(),
            "name": table["utterance"].tolist(),
            "emotion": table["emotion"].tolist(),
            "corpus": [corpus_registry.get(corpus).name for corpus in table["corpus"]],
            "speaker": _of_corpus(table, "speaker"),
            "text": _of_corpus(table, "text_id"),
            **({"audio": _audio(table)} if listen else {}),
        }
    ids = dict.fromkeys(corpus for table in panels.values() for corpus in table["corpus"])
    emotions = dict.fromkeys(emotion for table in panels.values() for emotion in table["emotion"])
    groups = {by: sorted({name for one in drawn.values() for name in one[by]}) for by in ("speaker", "text")}
    data = {
        "choices": {
            "panel": list(drawn),
            "colour": ["emotion", "corpus", *(by for by in groups if groups[by] != [""])],
        },
        "panels": drawn,
        "colours": {
            "emotion": figure_colours.emotion_colours(list(emotions)),
            "corpus": {corpus_registry.get(c).name: figure_colours.style(k)[0] for k, c in enumerate(ids)},
            **{by: _colours(names) for by, names in groups.items()},
        },
    }
    sizes = ", ".join(f"{title} ({len(table)})" for title, table in panels.items())
    return _view("points", data, f"<p>Panels, with their points: {html.escape(sizes)}. The figures show them.</p>")


def _of_corpus(table: pd.DataFrame, column: str) -> list[str]:
    """Return speakers or texts, which are those of a corpus: where there are several, it is named."""
    names = table[column].fillna("").astype(str)
    if len(set(table["corpus"])) > 1:
        names = names.where(names == "", table["corpus"].map(corpus_registry.corpus_name) + " " + names)
    return names.tolist()


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, grey for none; with the shapes of the page, 63 can be told apart."""
    known = (name for name in names if name)
    return {name: figure_colours.style(k)[0] for k, name in enumerate(known)} | (
        {"": "#7F7F7F"} if "" in names else {}
    )


def _audio(table: pd.DataFrame) -> list[str]:
    """Return where each utterance's audio is on this machine, with its part of a longer file; "" for none."""
    roots = {corpus: corpus_registry.find(corpus) for corpus in table["corpus"].unique()}
    found = []
    for row in table.itertuples():
        root = roots[row.corpus]
        file = root / row.path if root else None
        span = "" if pd.isna(row.start) else f"#t={row.start},{'' if pd.isna(row.end) else row.end}"
        found.append(file.resolve().as_uri() + span if file and file.exists() else "")
    return found


def _static(cell: list[float | None] | None) -> float | str | None:
    """Return what a cell shows: its value, and the number of emotions where it is unlike the others."""
    if not cell:
        return None
    value = cell[0]
    return f"{value:.1f} ({cell[3]})" if len(cell) > 3 and value is not None else value


def _key(*numbers: int) -> str:
    return ",".join(map(str, numbers))


def _rounded(value: float) -> float | None:
    # Once, to what is shown: rounded to two decimals before, 34.151 is 34.2 in a table and 34.1 here.
    return None if pd.isna(value) else round(float(value), 1)


def _plain(matrix: Sequence[Sequence[float | str | None]], data: Mapping) -> str:
    """Return the static version: the first matrix, with what was chosen as its caption."""
    chosen = ", ".join(values[0] for values in data["choices"].values())
    table = pd.DataFrame(matrix, index=data["rows"], columns=data["columns"])
    style = table.style.format(precision=1, na_rep="–").set_caption(chosen).set_uuid("plain")
    return style.set_table_attributes('class="paper-table"').to_html(exclude_styles=True)


def _view(kind: str, data: Mapping, plain: str) -> HTML:
    # "</script>" in a name would end the data.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return HTML(
        f'<div class="interactive" data-view="{kind}"><script type="application/json">{text}</script>{plain}</div>'
    )
