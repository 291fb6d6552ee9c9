"""Measure how far each open choice moves our results (`make sensitivity`)."""

import argparse
import dataclasses
import datetime
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import yaml

from crosscorpus.base import devices, known_names, paths, versions
from crosscorpus.embeddings import extraction, store, store_folders
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import counted_cells, metrics
from crosscorpus.training import evaluate, profiles, unit_of_work
from crosscorpus.verdict import choice_effects, open_choices, study_files

PROFILE = paths.ROOT / "profiles" / "sensitivity.yaml"


def run(
    variants: Sequence[open_choices.Variant],
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
        See `evaluate.results`.

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
        settled = protocol_settings.load(setting.overrides)
        for (corpus, e), seed in itertools.product(here.items(), setting.seeds):
            unit = unit_of_work.Unit(setting.head, setting.regime, seed, e, list(here.values()), settled)
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
    return pd.DataFrame(rows, columns=choice_effects.COLUMNS), counts


def _embeddings(
    settings: Sequence[open_choices.Setting], corpus_ids: Sequence[str], source: str
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
    variant: open_choices.Variant,
    corpus: str,
    made: dict[tuple[open_choices.Setting, str], Path],
    utterances: pd.DataFrame,
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
        ends = [difference[score] for score in choice_effects.SCORES]
        if variant.study == "default":
            ends = [(np.nan,) * 3] * len(choice_effects.SCORES)
        rows.append(
            [
                *(variant.study, variant.choice, variant.option, *block),
                " ".join(map(str, variant.setting.seeds)),
                part["utterance"].nunique(),
                metrics.with_clusters(part, utterances)["cluster"].nunique(),
                *(scores.loc[tested, score] for score in choice_effects.SCORES),
                *itertools.chain(*ends),
            ]
        )
    return rows


def _predictions(
    setting: open_choices.Setting, corpus: str, made: dict[tuple[open_choices.Setting, str], Path]
) -> pd.DataFrame | None:
    each = [made.get((dataclasses.replace(setting, seeds=(seed,)), corpus)) for seed in setting.seeds]
    files = [file for file in each if file is not None]
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else None


def effect(
    changed: pd.DataFrame,
    default: pd.DataFrame,
    utterances: pd.DataFrame,
    n_resamples: int = 2000,
    scores: Sequence[str] = choice_effects.SCORES,
) -> dict[str, tuple[float, float, float]]:
    """Return how much a change moves one cell, with 95 % bootstrap intervals over the speakers of its test corpus.

    Both score all test utterances together, over folds, averaged over seeds (as `metrics.interval`). Speakers are
    drawn once for both, so that what is easy or hard for both cancels. Another label set tests other utterances of
    the same speakers; everything else the same ones.

    Parameters
    ----------
    changed, default
        Predictions of one cell each, with `unit_of_work.COLUMNS`.
    utterances
        `corpus`, `utterance` and `speaker`; see `metrics.with_clusters`.
    n_resamples
        See `metrics.bootstrap`.
    scores
        Of `metrics.METRICS`.

    Returns
    -------
    For each of the scores: changed minus default, and the interval's two ends, in points.

    Raises
    ------
    ValueError
        The two were tested on different speakers, or an utterance was not tested once with every seed.
    """
    sides = []
    for part in (changed, default):
        counted_cells.check_tested_once(part)
        sides.append(metrics.counts(metrics.with_clusters(part, utterances), "cluster")[:2])
    (ours, speakers), (theirs, others) = sides
    if list(speakers) != list(others):
        raise ValueError(f"compared cells have different speakers: {sorted(set(speakers) ^ set(others))[:5]}")

    def difference(weights: np.ndarray) -> np.ndarray:
        a, b = (metrics.score(np.tensordot(weights, counted, 1)) for counted in (ours, theirs))
        return np.stack([a[score].mean(axis=-1) - b[score].mean(axis=-1) for score in scores])

    point = difference(np.ones((1, len(speakers))))[:, 0]
    low, high = metrics.bootstrap(difference, len(speakers), n_resamples=n_resamples)
    return {s: (float(point[i]), float(low[i]), float(high[i])) for i, s in enumerate(scores)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a part of it with other models (see `--help`)."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.sensitivity", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--ptms", help=f"models, with commas; default: {','.join(profile['ptms'])}")
    parser.add_argument(
        "--choices", help="choices of data/ambiguities.yaml, with commas; default: all, and controls"
    )
    parser.add_argument(
        "--source", choices=store_folders.SOURCES, default=profile["source"], help="where embeddings come from"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    whole = not (given.ptms or given.choices or given.source != profile["source"])
    ptms = known_names.check_all(given.ptms or profile["ptms"], model_registry.registry(), "model")
    only = given.choices.split(",") if given.choices else None
    variants = open_choices.plan(ptms, profile["heads"], profile["seeds"], profile["overrides"], only)
    started = time.perf_counter()
    table, counts = run(variants, profile["corpora"], given.source, given.workers)
    seconds = time.perf_counter() - started
    facts = {
        **{key: profile[key] for key in ("profile", "corpora", "heads", "seeds", "overrides")},
        "ptms": ptms,
        "source": given.source,
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "device": versions.of_device(devices.choose_device("auto")),
        "libraries": versions.of_libraries(),
        "workers": given.workers or joblib.cpu_count(),
        **counts,
        "seconds": round(seconds, 1),
    }
    path = choice_effects.RESULTS if whole else paths.BUILD / "sensitivity.csv"
    study_files.write(path, table, facts)
    print(choice_effects.ranges(table).to_string(index=False, float_format="{:.1f}".format))
    print(f"{paths.shown(path)}: {len(table)} rows; {counts['trained']} heads trained in {seconds:.0f} s")


if __name__ == "__main__":
    main()
