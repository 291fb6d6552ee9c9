"""Three protocols on the same utterances: `data/results/protocols.csv`, and what follows.

A table of cells has a row for each variant, regime, selection, adjustment, model and pair of corpora: `KEY`, the
size of the test, and each score of all test utterances together with its interval over speakers, in percent.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import paths, safe_yaml
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.scores import metrics
from crosscorpus.verdict import published_tables, study_files

CONDITION = ["variant", "regime", "selection", "adjustment"]
KEY = [*CONDITION, "ptm", "train_corpus", "test_corpus"]
SCORES = ("accuracy", "uar", "macro_f1")
COLUMNS = [
    *KEY, "head", "way", "n_emotions", "n_utterances", "n_clusters",
    *(f"{score}{end}" for score in SCORES for end in ("", "_low", "_high")),
]  # fmt: skip
RANKS = ["one", "other", "cells", "score", "models", "n_cells", "correlation", "low", "high"]
LEAST_MODELS = 3
RESULTS = paths.DATA / "results" / "protocols.csv"


def plan() -> dict[str, Any]:
    """Return what is run and compared, from `data/protocol_variants.yaml`."""
    return safe_yaml.read((paths.DATA / "protocol_variants.yaml").read_text(encoding="utf-8"))


def results() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the committed table of cells, that of rank correlations (`RANKS`), and their provenance.

    Raises
    ------
    store_folders.NotStoredError
        They are not there.
    """
    text = dict.fromkeys([*KEY, "head", "way"], str)
    empty = {c: [""] for c in COLUMNS[9:]}
    cells, facts = study_files.read(RESULTS, "protocols", dtype=text, keep_default_na=False, na_values=empty)
    ranks = pd.read_csv(RESULTS.with_name("protocols_ranks.csv"))
    return cells, ranks, facts


def write(path: Path, cells: pd.DataFrame, ranks: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Write both tables as CSV, and what made them as JSON beside them."""
    study_files.write_table(path.with_name(f"{path.stem}_ranks.csv"), ranks)
    study_files.write(path, cells, facts)


Results = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]


def put_into(new: Results, old: Results, plan: Mapping[str, Any]) -> Results:
    """Return committed results in which some variants are those of a later run.

    Rank correlations are those of the run that had all variants that they compare; of old ones the older.

    Parameters
    ----------
    new, old
        As of `results`.
    plan
        The names of all `variants`, and the `headlines`.
    """
    (cells, ranks, facts), (old_cells, old_ranks, old_facts) = new, old
    again = set(facts["variants"])
    both = pd.concat([old_cells[~old_cells["variant"].isin(again)], cells], ignore_index=True)
    order = both["variant"].map(plan["variants"].index)
    both = both.iloc[order.argsort(kind="stable")].reset_index(drop=True)
    compares = {condition["variant"] for condition in plan["headlines"].values()}
    of_variants = {**old_facts["made"], **facts["made"]}
    merged = {
        **old_facts,
        **{key: facts[key] for key in ("device", "libraries", "workers")},
        "variants": [name for name in plan["variants"] if name in of_variants],
        "made": {name: of_variants[name] for name in plan["variants"] if name in of_variants},
        "corpora_of_frames": sorted({*old_facts["corpora_of_frames"], *facts["corpora_of_frames"]}),
        "seconds_of_extraction": {**old_facts["seconds_of_extraction"], **facts["seconds_of_extraction"]},
        "seconds_of_variants": {**old_facts["seconds_of_variants"], **facts["seconds_of_variants"]},
    }
    return both, ranks if compares <= again else old_ranks, merged


def made(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return the provenance of the results as a table for readers: what, value."""
    trained, extracted = facts["seconds_of_variants"], facts["seconds_of_extraction"]

    def minutes(seconds: Mapping[str, float]) -> str:
        return ", ".join(f"{what} {each / 60:.1f}" for what, each in seconds.items()) or "none"

    rows = {
        "profile": facts["profile"],
        "training": f"{sum(trained.values()) / 60:.1f} min, {facts['workers']} processes side by side",
        "of that, in minutes; what was stored takes none": minutes(trained),
        "extraction from audio": f"{sum(extracted.values()) / 60:.1f} min",
        "of that, in minutes, as noted when it was made": minutes({_named(k): v for k, v in extracted.items()}),
        "device": facts["device"],
        "commits": "; ".join(f"{at}: {', '.join(names)}" for at, names in _variants_of_commits(facts).items()),
        "libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
    }
    return pd.DataFrame(rows.items(), columns=["what", "value"])


def _named(extraction: str) -> str:
    ptm, on, rest = extraction.partition(" on ")
    corpus, comma, what = rest.partition(",")
    known = corpus_registry.registry()
    name = known[corpus].name if corpus in known else corpus
    return f"{model_registry.model_name(ptm)}{on}{name}{comma}{what}"


def _variants_of_commits(facts: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for variant, at in facts["made"].items():
        found.setdefault(f"`{at['commit']}` on {at['date']}", []).append(variant)
    return found


def of_condition(table: pd.DataFrame, condition: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a condition: a variant, and regime, selection and adjustment where they are named."""
    keep = np.ones(len(table), bool)
    for column, value in condition.items():
        keep &= (table[column] == value).to_numpy()
    return table[keep]


def own(table: pd.DataFrame, cells: str = "own") -> pd.DataFrame:
    """Return the cells of a corpus itself ("own"), or those across corpora ("across")."""
    same = table["train_corpus"] == table["test_corpus"]
    return table[same if cells == "own" else ~same]


def compared(
    cells: pd.DataFrame, comparisons: Sequence[Mapping[str, Any]], score: str = "macro_f1"
) -> pd.DataFrame:
    """Return how far one part of a protocol, changed alone, moves a score.

    Cells of different corpora are different tasks, so no mean is taken over them.

    Returns
    -------
    A row for each comparison that has cells on both sides: part, says, where ("own" or "across"), moved (median of
    the cells' changes), least and most (points), rises and cells (how many of how many, of models and corpora).
    """
    rows = []
    key = ["ptm", "train_corpus", "test_corpus"]
    for one in comparisons:
        sides = [own(of_condition(cells, one[side]), one["cells"]) for side in ("before", "after")]
        both = sides[0].merge(sides[1], on=key, suffixes=("_before", "_after"), validate="one_to_one")
        if not len(both):
            continue
        moved = both[f"{score}_after"] - both[f"{score}_before"]
        ends = (moved.median(), moved.min(), moved.max(), int((moved > 0).sum()))
        rows.append([one["part"], one["says"], one["cells"], *ends, len(both)])
    columns = ["part", "says", "where", "moved", "least", "most", "rises", "cells"]
    return pd.DataFrame(rows, columns=columns)


def model_ranks(cells: pd.DataFrame, headlines: Mapping[str, Mapping[str, str]], score: str) -> pd.DataFrame:
    """Return the mean rank (1: best) of each model on corpora themselves, models x headlines.

    Models are ranked on each corpus by itself, since corpora are different tasks; over the corpora and models that
    all headlines have, so that columns can be put side by side.
    """
    parts = {
        name: own(of_condition(cells, condition)).pivot(index="ptm", columns="test_corpus", values=score)
        for name, condition in headlines.items()
    }
    shared = set.intersection(*(set(part.dropna(axis=1)) for part in parts.values()))
    return pd.DataFrame({
        name: part[sorted(shared)].rank(ascending=False).mean(axis=1) for name, part in parts.items()
    })  # fmt: skip


BESIDE = {
    "EmoBox": ("ma2024_table4", "Whisper large v3", {"wa": "accuracy", "ua": "uar", "macro_f1": "macro_f1"}, 1),
    "SER Evals": ("osman2024_results", "Whisper-medium", {"accuracy": "accuracy", "macro_f1": "macro_f1"}, 100),
}
"""Benchmark -> published table, its smallest Whisper, printed column -> our score, factor to percent."""


def beside_published(cells: pd.DataFrame, conditions: Mapping[str, Mapping[str, str]], ptm: str) -> pd.DataFrame:
    """Return our scores of a model on corpora themselves beside a benchmark's of its smallest Whisper.

    Parameters
    ----------
    cells
        See the module.
    conditions
        Benchmark (of `BESIDE`) -> the condition of ours that is put beside it.
    ptm
        Our model.

    Returns
    -------
    A row for each corpus and score that both have: benchmark, corpus, score, published_model, published, ours,
    low, high (percent).
    """
    rows = []
    for benchmark, condition in conditions.items():
        table, model, scores, unit = BESIDE[benchmark]
        printed = published_tables.load(table)
        printed = printed[printed["model"] == model]
        if "test_corpus" in printed:
            printed = printed[printed["train_corpus"] == printed["test_corpus"]].assign(
                corpus=lambda found: found["test_corpus"]
            )
        key = printed["corpus"].str.lower().str.replace("-", "")
        ours = own(of_condition(cells, condition))
        for row in ours[ours["ptm"] == ptm].to_dict("records"):
            there = printed[key == row["test_corpus"]]
            for column, score in scores.items():
                value = pd.to_numeric(there[column]).dropna()
                if len(value):
                    ends = (row[score], row[f"{score}_low"], row[f"{score}_high"])
                    rows.append([benchmark, row["test_corpus"], score, model, unit * value.iloc[0], *ends])
    columns = ["benchmark", "corpus", "score", "published_model", "published", "ours", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def rank_correlations(
    counted: Mapping[str, Mapping[tuple[str, str, str], tuple[np.ndarray, Sequence[str]]]],
    speakers: Mapping[str, Sequence[str]],
    *,
    cells: str = "own",
    score: str = "macro_f1",
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate the order of models under each pair of conditions, with 95 % intervals over speakers.

    Parameters
    ----------
    counted
        Condition -> (model, training corpus, test corpus) -> counts by speaker (`metrics.counts`), and who.
    speakers
        Those of each corpus. They are drawn once for both conditions, each corpus by itself; corpora and models
        stay as they are, so that an interval does not say what others would give.
    cells, score
        "own" or "across", and one of `SCORES`.
    n_resamples, seed
        Of the bootstrap.

    Returns
    -------
    A row for each pair of conditions that share `LEAST_MODELS` or more: `RANKS`. `correlation` is Spearman's, of
    models' mean ranks over the cells that both conditions have; models are ranked in each cell by itself.
    """
    rng = np.random.default_rng(seed)
    drawn = {}
    for corpus, names in sorted(speakers.items()):
        n = len(names)
        times = rng.multinomial(n, np.full(n, 1 / n), n_resamples)
        drawn[corpus] = pd.DataFrame(np.vstack([np.ones(n), times]), columns=list(names))
    scored = {
        condition: {
            cell: _draws(found, drawn[cell[2]], score)
            for cell, found in of_cells.items()
            if (cell[1] == cell[2]) == (cells == "own")
        }
        for condition, of_cells in counted.items()
    }
    rows = []
    for one, other in itertools.combinations(scored, 2):
        shared = set(scored[one]) & set(scored[other])
        models = sorted({cell[0] for cell in shared})
        pairs = sorted({cell[1:] for cell in shared})
        pairs = [pair for pair in pairs if all((model, *pair) in shared for model in models)]
        if len(models) < LEAST_MODELS or not pairs:
            continue
        each = _spearman(*(_mean_ranks(scored[side], models, pairs) for side in (one, other)))
        low, high = np.nanquantile(each[1:], [0.025, 0.975])
        rows.append([one, other, cells, score, len(models), len(pairs), each[0], low, high])
    return pd.DataFrame(rows, columns=RANKS)


def _draws(found: tuple[np.ndarray, Sequence[str]], weights: pd.DataFrame, score: str) -> np.ndarray:
    counted, here = found
    return metrics.score(np.tensordot(weights[list(here)].to_numpy(), counted, 1))[score].mean(axis=-1)


def _mean_ranks(
    scored: Mapping[tuple[str, str, str], np.ndarray], models: Sequence[str], pairs: Sequence[tuple[str, ...]]
) -> np.ndarray:
    """Return the mean over pairs of corpora of each model's rank there (1: worst), [models, draws]."""
    each = [_ranks(np.array([scored[model, pair[0], pair[1]] for model in models])) for pair in pairs]
    return np.mean(each, axis=0)


def _ranks(values: np.ndarray) -> np.ndarray:
    return scipy.stats.rankdata(np.round(values, 9), axis=0)


def _spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of two arrays [models, draws], for each draw."""
    ranks = [_ranks(side) for side in (one, other)]
    centred = [side - side.mean(axis=0) for side in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(axis=0) * (centred[1] ** 2).sum(axis=0))
    return np.divide(
        (centred[0] * centred[1]).sum(axis=0), spread, out=np.full(spread.shape, np.nan), where=spread > 0
    )
