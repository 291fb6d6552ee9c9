"""All scores in one tidy table: every published cell, rivals' on the same corpora, a study's, and a run's own."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crosscorpus.base import shown_names
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics
from crosscorpus.verdict import protocol_results, published_tables

PAPER, EMOBOX, SER_EVALS = "Phukan et al. 2025", "EmoBox", "SER Evals"
STUDY, RUN = "here, study of protocols", "here, this run"
PUBLISHED, OURS = (PAPER, EMOBOX, SER_EVALS), (STUDY, RUN)
PAPERS_PROTOCOL = "the paper's"
PRINTED, OF_FOLDS, TOGETHER = "as printed", "mean of folds", "all test utterances together"
FOUR = "the four of EmoBox across corpora"
OWN_HEAD = "its own"
"""The head of a protocol that has one."""
NOT_HEARD = (model_registry.UNHEARD, model_registry.UNKNOWN)

TASK = ["source", "protocol", "head", "folds", "train_corpus", "test_corpus", "emotions", "score"]
"""Within a task, models are ranked."""
COLUMNS = [
    "source", "protocol", "ptm", "model", "family", "train_corpus", "test_corpus", "head", "folds", "emotions",
    "n_emotions", "score", "kind", "value", "published", "ours", "difference", "rank", "of", "together", "low",
    "high", "sd", "n_folds", "n", "note",
]  # fmt: skip
SAME = ["of_protocol", "ptm", "head", "train_corpus", "test_corpus", "emotions", "score"]
"""A published value and ours are of the same cell where these are the same."""


def table(cells: pd.DataFrame | None = None, changes: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return a row for each score of each cell, published or ours.

    Parameters
    ----------
    cells
        What `every_cell.table` returns of a run; None, or a table without rows, where nothing was run.
    changes
        The run's settings that are not the protocol's; see `protocol_settings.changes`.

    Returns
    -------
    `COLUMNS`. `ptm` is an id of the registry, or the printed name of a model that it does not have; `model` and
    `family` are shown names. `emotions` is the label set, or says whose labels they are; `n_emotions` is missing
    where they were not published. `score` is one of `metrics.METRICS`, and all values are in percent: `value` is
    `ours` or, in a row of a published source, `published`; `kind` says what it is of. `difference`, in points, is
    ours minus the published value of the same cell, of means over folds alone. `rank` is that of the model among
    the `of` models of its `TASK`, 1 the highest, where equal ones share the better rank. `together`, `low`, `high`
    are the score of all test utterances together with its 95 % interval over speakers, `sd` the spread over folds,
    `n` the number of test utterances.

    Rivals' cells are those whose corpora the paper, the study or the run has too. Nothing here is a mean over
    cells.
    """
    ours = [part for part in (_study(), _run(cells, changes or {})) if len(part)]
    here = [_paper(), *ours]
    corpora = {corpus for part in here for side in ("train_corpus", "test_corpus") for corpus in part[side]}
    rivals = [
        rows[rows[["train_corpus", "test_corpus"]].isin(corpora).all(axis=1)] for rows in (_emobox(), _ser())
    ]
    found = pd.concat([here[0], *rivals, *ours], ignore_index=True)
    found = found[found["value"].notna()].reset_index(drop=True)
    is_ours = found["source"].isin(OURS)
    printed = found[~is_ours].set_index(SAME)["value"].rename("printed")
    found = found.join(printed, on=SAME)
    found["ours"], found["published"] = found["value"].where(is_ours), found["printed"]
    found["difference"] = (found["ours"] - found["published"]).where(found["kind"] == OF_FOLDS)
    by_task = found.groupby(TASK, sort=False)["value"]
    found["rank"] = by_task.rank(ascending=False, method="min").astype(int)
    found["of"] = by_task.transform("size").astype(int)
    known = model_registry.registry()
    found["model"] = [known[ptm].name if ptm in known else ptm for ptm in found["ptm"]]
    found["family"] = [known[ptm].family if ptm in known else "" for ptm in found["ptm"]]
    found["head"] = [head if head == OWN_HEAD else shown_names.head_name(head) for head in found["head"]]
    found["note"] = found["note"].fillna("")
    return found.reindex(columns=COLUMNS)


def _long(rows: pd.DataFrame, scores: Mapping[str, str], factor: float = 1.0) -> pd.DataFrame:
    """Return a row for each score, with its `value`; `scores` is the column of each."""
    kept = rows.drop(columns=list(scores))
    parts = [
        kept.assign(score=score, value=factor * pd.to_numeric(rows[column])) for column, score in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _published(source: str, protocol: str, rows: pd.DataFrame, folds: str) -> pd.DataFrame:
    return rows.assign(source=source, protocol=protocol, of_protocol=protocol, folds=folds, kind=PRINTED)


def _paper() -> pd.DataFrame:
    rows = _long(published_tables.table1(), {"accuracy": "accuracy", "macro_f1": "macro_f1"})
    labels = protocol_settings.load()["emotions"]
    rows = rows.assign(emotions=label_sets.text(labels), n_emotions=len(labels), note="")
    return _published(PAPER, PAPERS_PROTOCOL, rows, "not said")


def _emobox() -> pd.DataFrame:
    within = _in_our_names("ma2024_table4")
    within = within.assign(
        train_corpus=within["corpus"], test_corpus=within["corpus"],
        emotions=[_labels(EMOBOX, corpus, corpus) for corpus in within["corpus"]],
    ).drop(columns="corpus")  # fmt: skip
    across = _in_our_names("ma2024_table5").assign(emotions=FOUR, n_emotions=4)
    rows = pd.concat(
        [
            _long(within, {"wa": "accuracy", "ua": "uar", "macro_f1": "macro_f1"}),
            _long(across, {"accuracy": "accuracy"}),
        ]
    )
    return _published(EMOBOX, EMOBOX, rows.assign(head=OWN_HEAD), "EmoBox's")


def _ser() -> pd.DataFrame:
    rows = _in_our_names("osman2024_results").drop(columns="test_set")
    both = zip(rows["train_corpus"], rows["test_corpus"], strict=True)
    rows = rows.assign(emotions=[_labels(SER_EVALS, *pair) for pair in both], head=OWN_HEAD)
    rows = _long(rows, {"accuracy": "accuracy", "macro_f1": "macro_f1"}, 100)
    return _published(SER_EVALS, SER_EVALS, rows, "one split")


def _labels(source: str, train: str, test: str) -> str:
    """Return words for labels of a rival, whose pairs of corpora each have their own."""
    names = dict.fromkeys(corpus_registry.corpus_name(corpus) for corpus in (train, test))
    return f"as {source} has them in {' and '.join(names)}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _in_our_names(name: str) -> pd.DataFrame:
    """Return a rival's table with this project's ids of models and corpora; unknown models keep their names."""
    rows = published_tables.load(name).rename(columns={"model": "ptm"})
    known = {_plain(words): key for key, entry in model_registry.registry().items() for words in (entry.name, key)}
    known |= {_plain(name): key for name, key in published_tables.tables()[name].get("models", {}).items()}
    rows["ptm"] = [known.get(_plain(printed), printed) for printed in rows["ptm"]]
    for side in {"corpus", "train_corpus", "test_corpus"} & {*rows}:
        rows[side] = rows[side].map(_plain)
    return rows


def _study() -> pd.DataFrame:
    """Return the cells of the study of protocols, which have no means over folds."""
    if not protocol_results.RESULTS.exists():
        return pd.DataFrame()
    cells, _, _ = protocol_results.results()
    plan = protocol_results.plan()["variants"]
    papers = protocol_settings.load()["emotions"]
    of_protocol = {"paper": PAPERS_PROTOCOL, "emobox": EMOBOX, "serevals": SER_EVALS}
    choices = cells.groupby("variant")[["selection", "adjustment"]].nunique()
    rows = []
    for cell in cells.to_dict("records"):
        variant = plan[cell["variant"]]
        protocol = of_protocol[variant["protocol"]]
        emotions = label_sets.text(variant["overrides"].get("emotions", papers))
        if protocol != PAPERS_PROTOCOL:
            is_across = variant["overrides"].get("track") == "across"
            emotions = FOUR if is_across else _labels(protocol, cell["train_corpus"], cell["test_corpus"])
        elif cell["n_emotions"] != emotions.count(",") + 1:
            emotions = f"those that {_pair(cell)} has"
        several = choices.loc[cell["variant"]]
        words = [variant["shown"]]
        words += [f"chosen on {cell['selection']}"] if several["selection"] > 1 else []
        words += [f"adjustment: {cell['adjustment']}"] if several["adjustment"] > 1 else []
        same = {
            "source": STUDY, "protocol": ", ".join(words), "of_protocol": protocol, "folds": cell["regime"],
            "head": cell["head"] if protocol == PAPERS_PROTOCOL else OWN_HEAD, "emotions": emotions,
            "n_emotions": cell["n_emotions"], "n": cell["n_utterances"], "kind": TOGETHER, "note": "",
            **{name: cell[name] for name in ("ptm", "train_corpus", "test_corpus")},
        }  # fmt: skip
        for score in metrics.METRICS:
            value, low, high = (cell[f"{score}{end}"] for end in ("", "_low", "_high"))
            rows.append(same | {"score": score, "value": value, "together": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def _pair(cell: Mapping[str, Any]) -> str:
    return corpus_registry.pair_name(cell["train_corpus"], cell["test_corpus"])


def _run(cells: pd.DataFrame | None, changes: Mapping[str, Any]) -> pd.DataFrame:
    if cells is None or not len(cells):
        return pd.DataFrame()
    settings = ", ".join(f"{name} {_words(value)}" for name, value in changes.items())
    protocol = f"{PAPERS_PROTOCOL}, but {settings}" if settings else PAPERS_PROTOCOL
    same = [*metrics.CELL, "emotions", "n_emotions", "n_folds"]
    parts = []
    for score in metrics.METRICS:
        named = {score: "value", f"{score}_pooled": "together", f"{score}_low": "low", f"{score}_high": "high"}
        named[f"{score}_sd"] = "sd"
        parts.append(cells[[*same, "n_utterances", *named]].rename(columns=named).assign(score=score))
    rows = pd.concat(parts, ignore_index=True).rename(columns={"regime": "folds", "n_utterances": "n"})
    notes = [_note(cell) for cell in cells.to_dict("records")] * len(metrics.METRICS)
    return rows.assign(source=RUN, protocol=protocol, of_protocol=PAPERS_PROTOCOL, kind=OF_FOLDS, note=notes)


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _note(cell: Mapping[str, Any]) -> str:
    heard = "" if cell["heard"] in NOT_HEARD else f"the model had the test corpus before ({cell['heard']})"
    return "; ".join(filter(None, [heard, cell.get("guard") and f"guard: {cell['guard']}"]))
