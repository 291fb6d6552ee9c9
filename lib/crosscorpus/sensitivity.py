"""What the paper leaves open, and how far each choice moves our results (`make sensitivity`).

The register of choices is `data/ambiguities.yaml`. Each of its options that can be run is run with everything
else at its default, so that a difference is that option's alone. A few choices are combined in all ways, to see
how near to the paper's Table I any combination comes. What comes out is `data/results/sensitivity.csv`.
"""

import argparse
import dataclasses
import datetime
import functools
import itertools
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import yaml

from crosscorpus import (
    baselines,
    evaluate,
    extraction,
    extractors,
    metrics,
    names,
    paths,
    profiles,
    protocol,
    reference,
    store,
    versions,
)

RESULTS = paths.DATA / "results" / "sensitivity.csv"
PROFILE = paths.ROOT / "profiles" / "sensitivity.yaml"

SCORES = ("accuracy", "macro_f1")
"""What the paper prints, in percent."""
BLOCK = ["ptm", "head", "train_corpus", "test_corpus"]
KEY = ["study", "choice", "option", *BLOCK]
COLUMNS = [
    *KEY,
    "seeds",
    "n_utterances",
    "n_clusters",
    *SCORES,
    *(f"{score}_{end}" for score in SCORES for end in ("effect", "low", "high")),
]
STUDIES = ("default", "choice", "control", "combination")

Entry = dict[str, Any]


# -- the register ---------------------------------------------------------------------------------------------


@functools.cache
def register() -> Entry:
    """Return `data/ambiguities.yaml`, whose head explains it."""
    return yaml.safe_load((paths.DATA / "ambiguities.yaml").read_text(encoding="utf-8"))


def choices() -> pd.DataFrame:
    """Return the choices, a row each: choice, question, paper, default, why."""
    columns = ["question", "paper", "default", "why"]
    rows = [[choice, *(entry[c].strip() for c in columns)] for choice, entry in register()["choices"].items()]
    return pd.DataFrame(rows, columns=["choice", *columns])


def options() -> pd.DataFrame:
    """Return the options, a row each: choice, option, evidence, and `how` a run is told of it ("" for no way)."""
    rows = []
    for choice, entry in register()["choices"].items():
        for option, given in entry["options"].items():
            how = "default" if option == entry["default"] else _in_words(given.get("run", {}))
            rows.append((choice, option, given["evidence"].strip(), how))
    return pd.DataFrame(rows, columns=["choice", "option", "evidence", "how"])


def _in_words(run: Entry) -> str:
    parts = []
    for name, value in run.items():
        if name == "overrides":
            parts += [f"`overrides` {text}" for text in _texts(value)]
        elif name == "ptm":
            parts += [f"`ptms` {other}" for other in value.values()]
        else:
            parts.append(f"`{ {'regime': 'regimes', 'seed': 'seeds'}.get(name, name) }` {value}")
    return ", ".join(parts)


def _texts(overrides: Entry) -> list[str]:
    return [
        f"{name}={' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in overrides.items()
    ]


def not_run(table: pd.DataFrame) -> pd.DataFrame:
    """Return the options that a table of results has no row of: choice, option, and what running them takes."""
    run = set(zip(table["choice"], table["option"], strict=True))
    rows = []
    for choice, entry in register()["choices"].items():
        for option, given in entry["options"].items():
            if option == entry["default"] or (choice, option) in run:
                continue
            rows.append((choice, option, given.get("needs", "").strip() or f"`{command(choice, given)}`"))
    return pd.DataFrame(rows, columns=["choice", "option", "needs"])


def command(choice: str, option: Entry) -> str:
    """Return the command that runs an option from audio, with the paper's models that it concerns."""
    ptms = [ptm for ptm in extractors.of_paper() if changed(Setting(ptm, _head(choice)), choice, option)]
    return f"python -m crosscorpus.sensitivity --source audio --choices {choice!r} --ptms {','.join(ptms)}"


def _head(choice: str) -> str:
    return register()["choices"][choice].get("heads", ["fcn"])[0]


# -- the plan -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """All that decides a result, beside the corpora. "" and 0 stand for a default, and for no permutation."""

    ptm: str
    head: str
    regime: str = "stratified"
    pooling: str = ""
    overrides: str = ""
    permutation: int = 0
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Variant:
    """A setting, and the one that it is compared with: the default, with the same seeds where that can be.

    `study` is one of `STUDIES`. The reference names the block in which the comparison stands; the variant's own
    head or model may be another.
    """

    study: str
    choice: str
    option: str
    setting: Setting
    reference: Setting


def changed(setting: Setting, choice: str, option: Entry) -> Setting | None:
    """Return a setting with an option of a choice; None where it has no run, or is none for the model or head."""
    heads = register()["choices"].get(choice, {}).get("heads", [setting.head])
    run = dict(option.get("run", {}))
    if not run or setting.head not in heads:
        return None
    if "ptm" in run:
        if setting.ptm not in run["ptm"]:
            return None
        run["ptm"] = run["ptm"][setting.ptm]
    if run.get("pooling", "peak") not in extractors.poolings(run.get("ptm", setting.ptm)):
        return None
    if "seed" in run:
        run["seeds"] = (run.pop("seed"),)
    if run.get("head") in baselines.BASELINES:
        run["seeds"] = setting.seeds[:1]  # it draws no random numbers
    if "overrides" in run:
        run["overrides"] = ",".join(filter(None, [setting.overrides, *_texts(run["overrides"])]))
    return dataclasses.replace(setting, **run)


def plan(
    ptms: Sequence[str],
    heads: Sequence[str],
    seeds: Sequence[int],
    overrides: str = "",
    only: Iterable[str] | None = None,
) -> list[Variant]:
    """Return what is to be run, for each model and head.

    Parameters
    ----------
    ptms, heads
        Ids of models; "fcn" and "cnn".
    seeds
        Of the default and of controls. Choices and combinations are run with the first: what another seed does is
        a choice of its own, beside which theirs can be seen.
    overrides
        Settings of the default that differ from the protocol's.
    only
        Choices to run, without controls and combinations; None for all.
    """
    known = register()
    chosen = list(known["choices"]) if only is None else names.check_all(only, known["choices"], "choice")
    found = []
    for ptm, head in itertools.product(ptms, heads):
        whole = Setting(ptm, head, overrides=overrides, seeds=tuple(seeds))
        one = dataclasses.replace(whole, seeds=whole.seeds[:1])
        found.append(Variant("default", "", "", whole, whole))
        for choice in chosen:
            for option, given in known["choices"][choice]["options"].items():
                setting = changed(one, choice, given)
                if setting and setting != one:
                    found.append(Variant("choice", choice, option, setting, one))
        if only is None:
            for control, given in known["controls"].items():
                setting = changed(whole, control, given)
                if setting:
                    found.append(Variant("control", control, "", setting, whole))
            found += _combinations(one)
    return found


def _combinations(default: Setting) -> list[Variant]:
    sides = []
    for choice in register()["combinations"]:
        entry = register()["choices"][choice]
        here = [(choice, o, g) for o, g in entry["options"].items() if o == entry["default"]]
        here += [(choice, o, g) for o, g in entry["options"].items() if changed(default, choice, g)]
        sides.append(here)
    found = []
    for together in itertools.product(*sides):
        setting = default
        for choice, _, given in together:
            setting = changed(setting, choice, given) or setting
        name = _named((choice, option) for choice, option, _ in together)
        found.append(Variant("combination", "", name, setting, default))
    return found


def default_combination() -> str:
    """Return the name of the combination in which all choices are at their default."""
    return _named((choice, register()["choices"][choice]["default"]) for choice in register()["combinations"])


def _named(options: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{choice}: {option}" for choice, option in options)


# -- the run --------------------------------------------------------------------------------------------------


def run(
    variants: Sequence[Variant],
    corpus_ids: Sequence[str],
    source: str = "pack",
    workers: int = 0,
    device: str = "auto",
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Train what is not stored yet, and return the effects of all variants.

    Variants without embeddings are left out, with a printed line that says what they need.

    Parameters
    ----------
    variants
        See `plan`.
    corpus_ids
        Corpora to train and to test on, all with all.
    source
        Where embeddings come from: "pack", or "audio", from which they are made now if need be.
    workers, device
        See `evaluate.grid`.

    Returns
    -------
    table
        One row per variant and train-test pair, `COLUMNS`. `accuracy` and `macro_f1` are means over folds and
        seeds, as the paper has them, in percent. Effects are what `effect` returns; empty for the default. `seeds`
        are written with spaces.
    counts
        `heads_in_all`: heads, each trained on all folds of a corpus, that the table is made from; `trained`: those
        of them that were trained now, as the others were stored.
    """
    settings = list(dict.fromkeys(s for v in variants for s in (v.reference, v.setting)))
    embeddings = _embeddings(settings, corpus_ids, source)
    units = {}
    for setting in settings:
        here = embeddings[setting.ptm, setting.pooling, setting.permutation]
        settled = protocol.load(setting.overrides)
        for (corpus, e), seed in itertools.product(here.items(), setting.seeds):
            unit = evaluate.Unit(setting.head, setting.regime, seed, e, list(here.values()), settled)
            units[dataclasses.replace(setting, seeds=(seed,)), corpus] = unit
    before = set((paths.BUILD / "predictions").rglob("*.parquet"))
    files = evaluate.run(list(units.values()), workers, device)
    counts = {"heads_in_all": len(files), "trained": len({predictions for predictions, _ in files} - before)}
    made = dict(zip(units, (predictions for predictions, _ in files), strict=True))
    tables = [e.utterances for here in embeddings.values() for e in here.values()]
    utterances = pd.concat(tables)[["corpus", "utterance", "speaker"]].drop_duplicates()
    rows = [
        row
        for variant in variants
        for corpus in embeddings[variant.setting.ptm, variant.setting.pooling, variant.setting.permutation]
        for row in _rows(variant, corpus, made, utterances)
    ]
    return pd.DataFrame(rows, columns=COLUMNS), counts


def _embeddings(
    settings: Sequence[Setting], corpus_ids: Sequence[str], source: str
) -> dict[tuple[str, str, int], dict[str, store.Embeddings]]:
    """Return embeddings by model, pooling and permutation of their dimensions, and by corpus."""
    found: dict[tuple[str, str, int], dict[str, store.Embeddings]] = {}
    for ptm, pooling in dict.fromkeys((s.ptm, s.pooling) for s in settings):
        found[ptm, pooling, 0] = extraction.collect(ptm, corpus_ids, source, pooling)
    for ptm, pooling, permutation in dict.fromkeys((s.ptm, s.pooling, s.permutation) for s in settings):
        if permutation:
            same = found[ptm, pooling, 0].items()
            found[ptm, pooling, permutation] = {corpus: permuted(e, permutation) for corpus, e in same}
    return found


def permuted(embeddings: store.Embeddings, seed: int) -> store.Embeddings:
    """Return embeddings with their dimensions in another order, which the seed and their number decide."""
    order = np.random.default_rng(seed).permutation(embeddings.vectors.shape[1])
    return dataclasses.replace(embeddings, vectors=np.ascontiguousarray(embeddings.vectors[:, order]))


def _rows(
    variant: Variant, corpus: str, made: dict[tuple[Setting, str], Path], utterances: pd.DataFrame
) -> list[list[Any]]:
    ours, theirs = (_predictions(s, corpus, made) for s in (variant.setting, variant.reference))
    if theirs is None or ours is None:
        return []
    scores = metrics.summary(metrics.per_fold(ours)).set_index("test_corpus")
    rows = []
    for tested, part in ours.groupby("test_corpus", sort=False):
        other = theirs[theirs["test_corpus"] == tested]
        block = [variant.reference.ptm, variant.reference.head, corpus, tested]
        difference = effect(part, other, utterances)
        ends = [difference[score] for score in SCORES]
        if variant.study == "default":
            ends = [(np.nan,) * 3] * len(SCORES)
        rows.append(
            [
                *(variant.study, variant.choice, variant.option, *block),
                " ".join(map(str, variant.setting.seeds)),
                part["utterance"].nunique(),
                metrics.with_clusters(part, utterances)["cluster"].nunique(),
                *(scores.loc[tested, score] for score in SCORES),
                *itertools.chain(*ends),
            ]
        )
    return rows


def _predictions(setting: Setting, corpus: str, made: dict[tuple[Setting, str], Path]) -> pd.DataFrame | None:
    each = [made.get((dataclasses.replace(setting, seeds=(seed,)), corpus)) for seed in setting.seeds]
    files = [file for file in each if file is not None]
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else None


def effect(
    changed: pd.DataFrame, default: pd.DataFrame, utterances: pd.DataFrame, n_resamples: int = 2000
) -> dict[str, tuple[float, float, float]]:
    """Return how much a change moves one cell, with 95 % bootstrap intervals over the speakers of its test corpus.

    Both score all test utterances together, over folds, averaged over seeds (as `metrics.interval`). Speakers are
    drawn once for both, so that what is easy or hard for both cancels. Another label set tests other utterances of
    the same speakers; everything else the same ones.

    Parameters
    ----------
    changed, default
        Predictions of one cell each, with `evaluate.COLUMNS`.
    utterances
        `corpus`, `utterance` and `speaker`; see `metrics.with_clusters`.
    n_resamples
        See `metrics.bootstrap`.

    Returns
    -------
    For each of `SCORES`: changed minus default, and the interval's two ends, in points.

    Raises
    ------
    ValueError
        The two were tested on different speakers, or an utterance was not tested once with every seed.
    """
    sides = []
    for part in (changed, default):
        metrics.check_tested_once(part)
        sides.append(metrics.counts(metrics.with_clusters(part, utterances), "cluster")[:2])
    (ours, speakers), (theirs, others) = sides
    if list(speakers) != list(others):
        raise ValueError(f"compared cells have different speakers: {sorted(set(speakers) ^ set(others))[:5]}")

    def difference(weights: np.ndarray) -> np.ndarray:
        a, b = (metrics.score(np.tensordot(weights, counted, 1)) for counted in (ours, theirs))
        return np.stack([a[score].mean(axis=-1) - b[score].mean(axis=-1) for score in SCORES])

    point = difference(np.ones((1, len(speakers))))[:, 0]
    low, high = metrics.bootstrap(difference, len(speakers), n_resamples=n_resamples)
    return {s: (float(point[i]), float(low[i]), float(high[i])) for i, s in enumerate(SCORES)}


# -- what it says ---------------------------------------------------------------------------------------------


def ends(score: str) -> list[str]:
    """Return the columns of an effect and its interval: effect, low, high."""
    return [f"{names.check(score, SCORES, 'score')}_{end}" for end in ("effect", "low", "high")]


def n_clear(table: pd.DataFrame, score: str = "accuracy") -> int:
    """Return in how many rows of a table of results the interval of the effect leaves out zero."""
    _, low, high = ends(score)
    return int(((table[low] > 0) | (table[high] < 0)).sum())


def ranges(table: pd.DataFrame, score: str = "accuracy") -> pd.DataFrame:
    """Condense a table of results (see `run`): how far each choice moves cells.

    Returns
    -------
    One row per choice and option, largest mean first: choice, option, cells, mean (of absolute effects), least and
    most (signed effects, in points), and `clear`: cells whose interval leaves out zero.
    """
    part = table[table["study"] == "choice"]
    rows = []
    for (choice, option), cells in part.groupby(["choice", "option"], sort=False):
        moved = cells[ends(score)[0]]
        least, most = moved.min(), moved.max()
        rows.append((choice, option, len(cells), moved.abs().mean(), least, most, n_clear(cells, score)))
    columns = ["choice", "option", "cells", "mean", "least", "most", "clear"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "mean", ascending=False, kind="stable", ignore_index=True
    )


def beside_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of results with the paper's scores beside ours.

    New columns: `paper_<score>` and `<score>_off`, the absolute difference in points; missing where the paper has
    no such cell.
    """
    paper = reference.table1().rename(columns={score: f"paper_{score}" for score in SCORES})
    joined = table.merge(paper, on=BLOCK, how="left", validate="many_to_one")
    for score in SCORES:
        joined[f"{score}_off"] = (joined[score] - joined[f"paper_{score}"]).abs()
    return joined


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far each combination is from the paper, nearest by accuracy first.

    Columns: option, cells, accuracy and macro_f1 (mean absolute difference, in points), and `largest`, the largest
    of the absolute differences in accuracy.
    """
    found = (
        _combined(table)
        .groupby("option", sort=False)
        .agg(
            cells=("head", "size"),
            accuracy=("accuracy_off", "mean"),
            macro_f1=("macro_f1_off", "mean"),
            largest=("accuracy_off", "max"),
        )
    )
    return found.sort_values("accuracy", kind="stable").reset_index()


def distance_of_unseen(table: pd.DataFrame, score: str = "accuracy") -> float:
    """Return the mean distance (points) of cells under the combination that is nearest on all other cells.

    The nearest of several combinations is near by luck in part; a cell that took no part in the choice is not.
    """
    off = _combined(table).pivot(index="option", columns=BLOCK, values=f"{score}_off")
    left_out = [off[cell][off.drop(columns=[cell]).mean(axis=1).idxmin()] for cell in off]
    return float(np.mean(left_out))


def _combined(table: pd.DataFrame) -> pd.DataFrame:
    part = beside_paper(table)
    return part[(part["study"] == "combination") & part["paper_accuracy"].notna()]


# -- the committed results ------------------------------------------------------------------------------------


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and its provenance.

    Raises
    ------
    store.NotStoredError
        It is not there.
    """
    if not RESULTS.exists():
        raise store.NotStoredError(f"{paths.shown(RESULTS)}: not there; `make sensitivity` makes it")
    text = dict.fromkeys(["choice", "option", "seeds"], str)
    table = pd.read_csv(RESULTS, dtype=text, keep_default_na=False, na_values={c: [""] for c in COLUMNS[-6:]})
    return table, json.loads(RESULTS.with_suffix(".json").read_text(encoding="utf-8"))


def made(facts: dict[str, Any]) -> pd.DataFrame:
    """Return the provenance of a table of results as a table for readers: what, value."""
    minutes = f"{facts['seconds'] / 60:.1f} min, {facts['workers']} processes side by side"
    if facts["trained"] < facts["heads_in_all"]:
        minutes += ", with what an earlier run had stored"
    rows = {
        "profile": facts["profile"],
        "heads trained on all folds": f"{facts['trained']} of {facts['heads_in_all']}",
        "time": minutes,
        "device": facts["device"],
        "commit": f"`{facts['commit']}`",
        "date": facts["date"],
        "libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
    }
    return pd.DataFrame(rows.items(), columns=["what", "value"])


def write(path: Path, table: pd.DataFrame, facts: dict[str, Any]) -> None:
    """Write a table of results as CSV, and what made it as JSON beside it."""
    to_csv = functools.partial(table.to_csv, index=False, float_format="%.3f", lineterminator="\n")
    store.replace_file(path, to_csv)
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    store.replace_file(path.with_suffix(".json"), lambda part: part.write_text(text, encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a part of it with other models (see `--help`)."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    parser = argparse.ArgumentParser(prog="python -m crosscorpus.sensitivity", description=__doc__.split("\n")[0])
    parser.add_argument("--ptms", help=f"models, with commas; default: {','.join(profile['ptms'])}")
    parser.add_argument(
        "--choices", help="choices of data/ambiguities.yaml, with commas; default: all, and controls"
    )
    parser.add_argument(
        "--source", choices=store.SOURCES, default=profile["source"], help="where embeddings come from"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    whole = not (given.ptms or given.choices or given.source != profile["source"])
    ptms = names.check_all(given.ptms or profile["ptms"], extractors.registry(), "model")
    only = given.choices.split(",") if given.choices else None
    variants = plan(ptms, profile["heads"], profile["seeds"], profile["overrides"], only)
    started = time.perf_counter()
    table, counts = run(variants, profile["corpora"], given.source, given.workers)
    seconds = time.perf_counter() - started
    facts = {
        **{key: profile[key] for key in ("profile", "corpora", "heads", "seeds", "overrides")},
        "ptms": ptms,
        "source": given.source,
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "device": versions.of_device(extractors.choose_device("auto")),
        "libraries": versions.of_libraries(),
        "workers": given.workers or joblib.cpu_count(),
        **counts,
        "seconds": round(seconds, 1),
    }
    path = RESULTS if whole else paths.BUILD / "sensitivity.csv"
    write(path, table, facts)
    print(ranges(table).to_string(index=False, float_format="{:.1f}".format))
    print(f"{paths.shown(path)}: {len(table)} rows; {counts['trained']} heads trained in {seconds:.0f} s")


if __name__ == "__main__":
    main()
