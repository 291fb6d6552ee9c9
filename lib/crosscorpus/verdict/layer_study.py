"""Measure what each layer of a transformer is worth (`make layers`).

Every layer is scored by a linear probe: logistic regression, the baseline of the same name. The paper's heads are
trained on the last layer of trained models, and on those layers that the probes choose on other corpora than the
tested one.
"""

import argparse
import datetime
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import joblib
import pandas as pd
import yaml

from crosscorpus.base import devices, known_names, paths, versions
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import layers, store, store_folders
from crosscorpus.models import hidden_states, model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import evaluate, profiles, unit_of_work
from crosscorpus.verdict import layer_choice, sensitivity, study_files

PROFILE = paths.ROOT / "profiles" / "layers.yaml"
MADE_BY = ("handle", "revision", "weights_sha256", "pooling", "dtype", "device", "commit")
"""What the results say of the embeddings that they are made from."""


def extract(
    ptms: Sequence[str], corpus_ids: Sequence[str], workers: int = 0, pooling: str = "", mirror: str | None = None
) -> None:
    """Extract the layers that are not stored; say what is not here and what it needs."""
    for ptm, corpus in itertools.product(ptms, corpus_ids):
        try:
            layers.embed_layers(ptm, corpus, pooling=pooling, workers=workers, mirror=mirror)
        except model_registry.NotAvailableError as error:
            print(f"Not run on {corpus_registry.get(corpus).name}: {error}", flush=True)


def stored(ptm: str, corpus_ids: Sequence[str], layer: str, pooling: str = "") -> dict[str, store.Embeddings]:
    """Return one layer of the corpora of which a model's layers are stored, by corpus."""
    found = {}
    for corpus in corpus_ids:
        try:
            found[corpus] = store.from_layers(ptm, corpus, layer, pooling)
        except store_folders.NotStoredError:
            continue
    return found


def names(ptm: str) -> list[str]:
    """Return the layers that are scored: all numbers but the last's, `last`, and `mean`."""
    return [*map(str, range(hidden_states.count(ptm))), hidden_states.LAST, hidden_states.MEAN]


def run(
    ptms: Sequence[str],
    corpus_ids: Sequence[str],
    head: str,
    regimes: Sequence[str],
    wanted: Mapping[str, Sequence[str]],
    seeds: Sequence[int] = (0,),
    overrides: str = "",
    workers: int = 0,
    pooling: str = "",
) -> pd.DataFrame:
    """Score layers of models by a head or a baseline, on all pairs of the corpora whose layers are stored.

    Parameters
    ----------
    ptms, corpus_ids, regimes, seeds, overrides
        As a profile has them.
    head
        Of the paper's, or a baseline.
    wanted
        The layers of each model; the last is added, as the others are compared with it.
    workers
        See `evaluate.results`.
    pooling
        As of `extraction.embed`.

    Returns
    -------
    A row for each model, regime, pair and layer, `layer_choice.COLUMNS`. Scores are means over folds and seeds, in
    percent. Effects, with 95 % intervals over the speakers of the test corpus, are the layer's score minus the
    last one's, in points, over all test utterances together (`sensitivity.effect`); they are missing for the last.
    """
    rows = []
    for ptm in ptms:
        chosen = list(dict.fromkeys([hidden_states.LAST, *wanted[ptm]]))
        made: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
        for layer in chosen:
            settings = protocol_settings.load(f"{overrides},layer={layer}".strip(","))
            here = stored(ptm, corpus_ids, layer, pooling)
            sides = list(itertools.product(regimes, here, seeds))
            units = [
                unit_of_work.Unit(head, regime, seed, here[corpus], list(here.values()), settings)
                for regime, corpus, seed in sides
            ]
            files = evaluate.run(units, workers, "cpu")
            for (regime, corpus, _), (predictions, _) in zip(sides, files, strict=True):
                made.setdefault((layer, regime, corpus), []).append(pd.read_parquet(predictions))
        tables = [e.utterances for e in stored(ptm, corpus_ids, hidden_states.LAST, pooling).values()]
        if not tables:
            continue
        utterances = pd.concat(tables)[["corpus", "utterance", "speaker"]]
        for (layer, regime, corpus), parts in made.items():
            last = pd.concat(made[hidden_states.LAST, regime, corpus], ignore_index=True)
            ours = pd.concat(parts, ignore_index=True)
            rows += _rows([ptm, head, regime, corpus], layer, ours, last, utterances)
    return pd.DataFrame(rows, columns=layer_choice.COLUMNS)


def _rows(
    cell: list[str], layer: str, ours: pd.DataFrame, last: pd.DataFrame, utterances: pd.DataFrame
) -> list[list[Any]]:
    scores = metrics.summary(metrics.per_fold(ours)).set_index("test_corpus")
    rows = []
    for tested, part in ours.groupby("test_corpus", sort=False):
        ends: list[float] = [math.nan] * 3 * len(layer_choice.SCORES)
        if layer != hidden_states.LAST:
            other = last[last["test_corpus"] == tested]
            moved = sensitivity.effect(part, other, utterances, scores=layer_choice.SCORES)
            ends = list(itertools.chain(*(moved[score] for score in layer_choice.SCORES)))
        size = [part["utterance"].nunique(), metrics.with_clusters(part, utterances)["cluster"].nunique()]
        means = [scores.loc[tested, score] for score in layer_choice.SCORES]
        rows.append([*cell, tested, layer, *size, *means, *ends])
    return rows


def made_from(ptms: Sequence[str], corpus_ids: Sequence[str], pooling: str = "") -> list[dict[str, str]]:
    """Return what made the layers of each model and corpus, of those that are stored."""
    return [
        {"ptm": ptm, "corpus": corpus, "utterances": str(len(e.vectors)), **{k: e.metadata[k] for k in MADE_BY}}
        for ptm in ptms
        for corpus, e in stored(ptm, corpus_ids, hidden_states.LAST, pooling).items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a part of it with other models (see `--help`)."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    profiles.check(profile)
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.layer_study", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--ptms", help=f"models, with commas; default: {','.join(profile['ptms'])}")
    parser.add_argument("--pooling", default="", help="of all models; default: each model's own")
    parser.add_argument("--stored", action="store_true", help="extract nothing: take the layers that are stored")
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    ptms = known_names.check_all(given.ptms or profile["ptms"], model_registry.registry(), "model")
    corpus_ids, regimes = profile["corpora"], profile["regimes"]
    if not given.stored:
        extract(ptms, corpus_ids, given.workers, given.pooling)
    started = time.perf_counter()
    shared = {"seeds": profile["seeds"], "overrides": profile["overrides"], "workers": given.workers}
    shared["pooling"] = given.pooling
    (probe,) = profile["baselines"]
    parts = [run(ptms, corpus_ids, probe, regimes, {ptm: names(ptm) for ptm in ptms}, **shared)]
    chosen = layer_choice.choices(parts[0])
    trained = [ptm for ptm in ptms if not model_registry.get(ptm).twin_of]
    wanted = {ptm: list(chosen.loc[chosen["ptm"] == ptm, "chosen"].unique()) for ptm in trained}
    parts += [run(trained, corpus_ids, head, regimes, wanted, **shared) for head in profile["heads"]]
    table = pd.concat(parts, ignore_index=True)
    facts = {
        **{key: profile[key] for key in ("profile", "corpora", "heads", "baselines", "regimes", "seeds")},
        "ptms": ptms,
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "device": versions.of_device(devices.choose_device("cpu")),
        "libraries": versions.of_libraries(),
        "workers": given.workers or joblib.cpu_count(),
        "seconds": round(time.perf_counter() - started, 1),
        "embeddings": made_from(ptms, corpus_ids, given.pooling),
    }
    path = layer_choice.RESULTS if not given.ptms else paths.BUILD / "layers.csv"
    study_files.write(path, table, facts)
    print(layer_choice.worth(chosen).to_string(index=False, float_format="{:.1f}".format))
    print(f"{paths.shown(path)}: {len(table)} rows, in {facts['seconds']:.0f} s beside the extraction")


if __name__ == "__main__":
    main()
