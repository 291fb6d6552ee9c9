"""Run three protocols on the same utterances (`make protocols`)."""

import argparse
import datetime
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
import yaml

from crosscorpus.base import devices, known_names, paths, versions
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import availability, extraction, frames, store, store_folders
from crosscorpus.models import model_registry
from crosscorpus.protocols import known_protocols
from crosscorpus.scores import metrics
from crosscorpus.training import evaluate, profiles, protocol_grid
from crosscorpus.verdict import protocol_results

PROFILE = paths.ROOT / "profiles" / "protocols.yaml"
Counted = dict[str, dict[tuple[str, str, str], tuple[np.ndarray, list[str]]]]


def of_profile() -> dict[str, Any]:
    """Return the study's profile, checked."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    return profile


def cells(predictions: pd.DataFrame, utterances: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Return the scores of every cell of a variant, a table with `protocol_results.COLUMNS`."""
    rows = []
    for kind, part in predictions.groupby(["selection", "adjustment", "way"], sort=False):
        named = dict(zip(("selection", "adjustment", "way"), kind, strict=True))
        rows.append(metrics.interval(part, utterances).assign(variant=variant, **named))
    return pd.concat(rows, ignore_index=True)[protocol_results.COLUMNS]


def count(
    predictions: pd.DataFrame, utterances: pd.DataFrame, variant: str, headlines: Mapping[str, Mapping[str, str]]
) -> Counted:
    """Return counts by speaker of the cells of each headline that is of this variant."""
    found: Counted = {}
    for name, condition in headlines.items():
        if condition["variant"] != variant:
            continue
        named = {column: value for column, value in condition.items() if column != "variant"}
        part = metrics.with_clusters(protocol_results.of_condition(predictions, named), utterances)
        found[name] = {}
        for cell, rows in part.groupby(["ptm", "train_corpus", "test_corpus"], sort=False):
            counted, clusters, _ = metrics.counts(rows, "cluster")
            found[name][cell] = counted, list(clusters)
    return found


def run(
    plan: Mapping[str, Any],
    ptms: Sequence[str],
    of_frames: str,
    corpora: Sequence[str],
    *,
    profile: Mapping[str, Any],
    frame_corpora: Iterable[str] = (),
    workers: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Run all variants; return cells, rank correlations, and the seconds of each variant.

    A model without embeddings of a corpus is left out there, with a printed line, and so are frames that are not
    stored.

    Parameters
    ----------
    plan
        See `protocol_results.plan`.
    ptms, corpora
        Models and corpora of variants on clips.
    of_frames, frame_corpora
        The model and the corpora of variants on frames.
    profile
        Its heads, regimes, seeds and source.
    workers
        As of `evaluate.results`.
    """
    tables, counted, seconds = [], Counted(), {}
    for name, variant in plan["variants"].items():
        start = time.perf_counter()
        protocol = known_protocols.load(variant["protocol"], variant["overrides"])
        is_frames = variant.get("unit") == "frames"
        some, here = ([of_frames], list(frame_corpora)) if is_frames else (list(ptms), list(corpora))
        here = [corpus for corpus in here if corpus in variant.get("corpora", here)]
        regimes = variant.get("regimes") or [one for one in profile["regimes"] if one in protocol.regimes]
        parts = []
        for ptm in some:
            has = _has_frames if is_frames else _has
            there = [corpus for corpus in here if has(ptm, corpus, profile["source"])]
            if there:
                parts.append(
                    protocol_grid.run(
                        protocol, [ptm], there, regimes=regimes, seeds=profile["seeds"], heads=profile["heads"],
                        source=profile["source"], workers=workers, across=variant.get("across", True),
                    )
                )  # fmt: skip
        predictions = pd.concat([pd.DataFrame(columns=protocol_grid.COLUMNS), *parts], ignore_index=True)
        if len(predictions):
            utterances = evaluate.utterances(here, profile["source"])
            tables.append(cells(predictions, utterances, name))
            counted |= count(predictions, utterances, name, plan["headlines"])
        seconds[name] = round(time.perf_counter() - start, 1)
        print(f"{name}: {seconds[name]:.0f} s", flush=True)
    utterances = evaluate.utterances(corpora, profile["source"])
    known = metrics.with_clusters(utterances.rename(columns={"corpus": "test_corpus"}), utterances)
    speakers = {corpus: sorted(set(part["cluster"])) for corpus, part in known.groupby("test_corpus")}
    ranks = [
        protocol_results.rank_correlations(counted, speakers, cells=where, score=score)
        for where in ("own", "across")
        for score in ("accuracy", "macro_f1")
    ]
    return pd.concat(tables, ignore_index=True), pd.concat(ranks, ignore_index=True), seconds


def _has(ptm: str, corpus: str, source: str) -> bool:
    try:
        store.load(ptm, corpus, source)
    except store_folders.NotStoredError as error:
        print(f"left out: {error}")
        return False
    return True


def _has_frames(ptm: str, corpus: str, source: str) -> bool:
    try:
        frames.load_frames(ptm, corpus)
    except FileNotFoundError as error:
        print(f"left out: {error}")
        return False
    return True


def extract(ptms: Sequence[str], of_frames: str, corpora: Sequence[str], frame_corpora: Sequence[str]) -> None:
    """Make what is not stored: clips of all models, frames of one; what is not here is left out with a line."""
    for corpus, ptm in itertools.product(corpora, ptms):
        if not _has(ptm, corpus, "any"):
            _try(extraction.embed, ptm, corpus)
    for corpus in frame_corpora:
        _try(frames.embed_frames, of_frames, corpus)


def time_of_extraction(
    ptms: Sequence[str], profile: Mapping[str, Any], corpora: Sequence[str], frame_corpora: Sequence[str]
) -> dict[str, float]:
    """Return the seconds that it took to make what came from audio, this time or before; the pack takes none.

    What a run made that was stopped on the way has no honest figure and is not in it.
    """
    found = {}
    for corpus, ptm in itertools.product(corpora, ptms):
        if availability.is_stored(ptm, corpus, "audio") and not availability.is_stored(ptm, corpus, "pack"):
            found[f"{ptm} on {corpus}"] = store.load(ptm, corpus, "audio").run
    for corpus in frame_corpora:
        if _has_frames(profile["ptm"], corpus, profile["source"]):
            found[f"{profile['ptm']} on {corpus}, frames"] = frames.load_frames(profile["ptm"], corpus).run
    return {what: float(run["seconds"]) for what, run in found.items() if "seconds" in run}


def _try(make: Callable[[str, str], Any], ptm: str, corpus: str) -> None:
    try:
        make(ptm, corpus)
    except (model_registry.NotAvailableError, FileNotFoundError) as error:
        print(f"left out: {ptm} on {corpus}: {error}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a part of it (see `--help`)."""
    profile = of_profile()
    parser = argparse.ArgumentParser(prog="python -m crosscorpus.verdict.protocol_study", description=__doc__)
    parser.add_argument("--ptms", nargs="+", default=profile["ptms"], help="models of variants on clips")
    parser.add_argument("--corpora", nargs="+", default=profile["corpora"])
    parser.add_argument("--variants", nargs="+", help="of data/protocol_variants.yaml; default: all")
    parser.add_argument("--frames", nargs="*", help="corpora of variants on frames; default: the plan's")
    parser.add_argument("--no-extraction", action="store_true", help="only what is stored")
    parser.add_argument("--keep", action="store_true", help="put these variants where the committed ones are")
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args(arguments)
    plan = protocol_results.plan()
    chosen = known_names.check_all(given.variants or list(plan["variants"]), plan["variants"], "variant")
    plan_of_all = {"variants": list(plan["variants"]), "headlines": plan["headlines"]}
    plan["variants"] = {name: variant for name, variant in plan["variants"].items() if name in chosen}
    known_names.check_all(given.ptms, model_registry.registry(), "model")
    known_names.check_all(given.corpora, corpus_registry.ids(), "corpus")
    of_frames = plan["frames"] if given.frames is None else given.frames
    if not given.no_extraction:
        extract(given.ptms, profile["ptm"], given.corpora, of_frames)
    taken = time_of_extraction(given.ptms, profile, given.corpora, of_frames)
    table, ranks, seconds = run(
        plan, given.ptms, profile["ptm"], given.corpora, profile=profile,
        frame_corpora=of_frames, workers=given.workers,
    )  # fmt: skip
    made = {"date": datetime.date.today().isoformat(), "commit": versions.of_commit()}
    facts = {
        **{key: profile[key] for key in ("profile", "heads", "regimes", "seeds", "ptm")},
        "ptms": given.ptms,
        "variants": chosen,
        "corpora": given.corpora,
        "corpora_of_frames": of_frames,
        "corpora_of_profile": profile["corpora"],
        "made": dict.fromkeys(chosen, made),
        "device": versions.of_device(devices.choose_device("cpu")),
        "libraries": versions.of_libraries(),
        "workers": given.workers or joblib.cpu_count(),
        "seconds_of_extraction": taken,
        "seconds_of_variants": seconds,
    }
    whole = given.variants is None and given.frames is None
    whole = whole and given.corpora == profile["corpora"] and given.ptms == profile["ptms"]
    path = protocol_results.RESULTS if whole or given.keep else paths.BUILD / "protocols.csv"
    if given.keep and not whole:
        table, ranks, facts = protocol_results.put_into(
            (table, ranks, facts), protocol_results.results(), plan_of_all
        )
    protocol_results.write(path, table, ranks, facts)
    print(ranks.to_string(index=False, float_format="{:.2f}".format))
    print(f"{paths.shown(path)}: {len(table)} cells in {sum(seconds.values()):.0f} s")


if __name__ == "__main__":
    main()
