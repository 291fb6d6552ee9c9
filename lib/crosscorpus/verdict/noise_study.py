"""What noise and a telephone's band cost heads that were trained on clean speech (`make noise`)."""

import argparse
import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import disturbances, known_names, paths, progress
from crosscorpus.embeddings import corpus_scans, disturbed, extraction, store, store_folders
from crosscorpus.models import loading, model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import unit_of_work
from crosscorpus.verdict import sensitivity, study_files

RESULTS = paths.DATA / "results" / "noise.csv"
MODELS = RESULTS.with_name("noise_models.csv")
PTMS = ("whisper-base", "ecapa-tdnn", "egemaps", "mfcc")
CORPORA = ("emodb", "aesdd")
HEADS = ("logistic", "fcn")
REGIME = "speaker"
EACH = 1
"""Utterances of each speaker and emotion that are tested."""
SCORES = ("uar", "accuracy")
COLUMNS = ["ptm", "pooling", "head", "regime", "train_corpus", "test_corpus", "condition", "n_utterances"]
COLUMNS += ["n_speakers", *SCORES, "loss", "low", "high"]
OF_MODELS = ["head", "cells", "condition", "ptm", "uar", "loss", "low", "high", "more", "more_low", "more_high"]
Cell = tuple[str, str, str]
"""Corpus trained on, corpus tested, condition."""


def sample(utterances: pd.DataFrame, emotions: Sequence[str], each: int, seed: int = 0) -> pd.DataFrame:
    """Draw the utterances that are tested: so many of each speaker and emotion, or all there are.

    Parameters
    ----------
    utterances
        A corpus's table; with one more of each, what was drawn before is drawn again.
    emotions
        Those that are tested.
    each
        How many; 0 for all.
    seed
        Of the draw.

    Returns
    -------
    Rows of the table, in its order.
    """
    chosen = utterances[utterances["emotion"].isin(emotions)]
    order = np.random.default_rng(seed).permutation(len(chosen))
    rank = pd.Series(order, chosen.index).groupby([chosen["speaker"], chosen["emotion"]]).rank()
    return chosen[rank <= each] if each else chosen


def pooling_of(ptm: str, pooling: str) -> str:
    """Return the pooling that a model is run with: the one that is asked for where it has it, else its own."""
    return pooling if pooling in loading.poolings(ptm) else model_registry.get(ptm).pooling


def predictions(
    head: str,
    clean: Mapping[str, store.Embeddings],
    tests: Mapping[tuple[str, str], store.Embeddings],
) -> dict[Cell, pd.DataFrame]:
    """Train a head on clean speech of each corpus, and test it on all corpora in all conditions.

    Parameters
    ----------
    head
        Of the paper's, or a baseline.
    clean
        Embeddings of whole corpora by one model, by corpus.
    tests
        Embeddings of what is tested, by corpus and condition.

    Returns
    -------
    Tables with `unit_of_work.COLUMNS`. A condition has the trainings of all others: each is made once.
    """
    settings, found = protocol_settings.load(), {}
    conditions = list(dict.fromkeys(condition for _, condition in tests))
    for corpus, embeddings in clean.items():
        unit = unit_of_work.Unit(head, REGIME, 0, embeddings, list(clean.values()), settings)
        trained = unit_of_work.predictors(unit)
        for condition in conditions:
            here = [e for (_, one), e in tests.items() if one == condition]
            table = unit_of_work.tested(dataclasses.replace(unit, tests=here), trained)
            for tested, part in table.groupby("test_corpus"):
                found[corpus, str(tested), condition] = part
    return found


def rows_of(
    ptm: str, pooling: str, head: str, found: Mapping[Cell, pd.DataFrame], utterances: pd.DataFrame
) -> list:
    """Return rows with `COLUMNS` of a model's predictions; `utterances` names their speakers.

    The loss is the UAR of clean speech minus that in the condition, in points, with its 95 % interval over the
    speakers of the test corpus.
    """
    rows = []
    for (trained, tested, condition), part in found.items():
        counted, speakers, _ = metrics.counts(metrics.with_clusters(part, utterances), "cluster")
        scores = metrics.score(counted.sum(axis=0))
        moved = sensitivity.effect(part, found[trained, tested, disturbances.CLEAN], utterances, scores=["uar"])[
            "uar"
        ]
        loss, low, high = (0.0 - moved[i] for i in (0, 2, 1))  # 0 of itself, not -0
        sizes = (condition, part["utterance"].nunique(), len(speakers))
        values = (*(float(scores[score].mean()) for score in SCORES), loss, low, high)
        rows.append((ptm, pooling, head, REGIME, trained, tested, *sizes, *values))
    return rows


def of_models(
    head: str, by_model: Mapping[str, Mapping[Cell, pd.DataFrame]], utterances: pd.DataFrame
) -> list[tuple]:
    """Return rows with `OF_MODELS`: what each model loses within corpora, and across them.

    Parameters
    ----------
    head
        That was trained.
    by_model
        Predictions of each model, as from `predictions`; all of the same utterances.
    utterances
        Names their speakers.

    Returns
    -------
    For each kind of cell, "within" and "across", and each condition: uar (percent) and loss (points of UAR), means
    over cells, and `more`, what a model loses above the one that loses least; both with 95 % intervals over the
    speakers of the test corpora, which are drawn corpus by corpus, and for all models the same.
    """
    cells = list(next(iter(by_model.values())))
    corpora = list(dict.fromkeys(tested for _, tested, _ in cells))
    counted, sizes = {}, {}
    for ptm, found in by_model.items():
        for cell, part in found.items():
            counts, speakers, _ = metrics.counts(metrics.with_clusters(part, utterances), "cluster")
            counted[ptm, cell], sizes[cell[1]] = counts, len(speakers)
    ends = np.cumsum([0, *(sizes[corpus] for corpus in corpora)])
    rows = []
    for kind, condition in itertools.product(("within", "across"), dict.fromkeys(cell[2] for cell in cells)):
        pairs = [(a, b) for a, b, one in cells if one == condition and (a == b) == (kind == "within")]

        def scores(weights: np.ndarray, condition: str, pairs: list[tuple[str, str]] = pairs) -> np.ndarray:
            """Return mean UAR over pairs, [models, resamples]."""
            means = []
            for ptm in by_model:
                each = []
                for trained, tested in pairs:
                    at = corpora.index(tested)
                    of_corpus = weights[:, ends[at] : ends[at + 1]]
                    counts = np.tensordot(of_corpus, counted[ptm, (trained, tested, condition)], 1)
                    each.append(metrics.score(counts)["uar"].mean(axis=-1))
                means.append(np.mean(each, axis=0))
            return np.array(means)

        def losses(weights: np.ndarray, condition: str = condition, scores: Any = scores) -> np.ndarray:
            return scores(weights, disturbances.CLEAN) - scores(weights, condition)

        one = np.ones((1, ends[-1]))
        loss = losses(one)[:, 0]
        least = int(loss.argmin())

        def both(weights: np.ndarray, least: int = least, losses: Any = losses) -> np.ndarray:
            drawn = losses(weights)
            return np.concatenate([drawn, drawn - drawn[least]])

        low, high = metrics.bootstrap(both, [sizes[corpus] for corpus in corpora])
        uar, n = scores(one, condition)[:, 0], len(by_model)
        for i, ptm in enumerate(by_model):
            of_loss = (loss[i], low[i], high[i])
            of_more = (loss[i] - loss[least], low[n + i], high[n + i])
            rows.append((head, kind, condition, ptm, uar[i], *of_loss, *of_more))
    return rows


def run(
    ptms: Sequence[str], corpus_ids: Sequence[str], pooling: str = "", each: int = EACH, workers: int = 0,
    conditions: Sequence[str] = disturbances.CONDITIONS, heads: Sequence[str] = HEADS,
) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, str]]]:  # fmt: skip
    """Extract what is not stored, train and test.

    Parameters
    ----------
    ptms, corpus_ids
        Models and corpora; all corpora are to be here as audio, with speakers named.
    pooling
        Of the models that have it, for clean and for disturbed speech; "" for each model's own.
    each
        See `sample`.
    workers
        Processes side by side; 0 for one a core.
    conditions, heads
        Of `disturbances.CONDITIONS`, clean among them; heads or baselines.

    Returns
    -------
    A table with `COLUMNS`, one with `OF_MODELS`, and what made the embeddings of each model and corpus.

    Raises
    ------
    model_registry.NotAvailableError
        A model or a corpus is not here; the message says what is needed.
    """
    emotions = protocol_settings.load()["emotions"]
    tables = {c: sample(corpus_scans.read_scan(c, "any").utterances, emotions, each) for c in corpus_ids}
    spectra = {corpus: disturbed.speech_spectrum(corpus, table) for corpus, table in tables.items()}
    by_head: dict[str, dict[str, dict[Cell, pd.DataFrame]]] = {head: {} for head in heads}
    rows, made_by = [], []
    for ptm in progress.over(ptms, "speech in noise", len(ptms), "models"):
        how = pooling_of(ptm, pooling)
        clean = extraction.collect(ptm, corpus_ids, "any", how, workers=workers)
        if set(clean) != set(corpus_ids):
            raise model_registry.NotAvailableError(
                f"{ptm}: needs clean speech of {', '.join(corpus_ids)}, see above"
            )
        tests = {}
        for corpus, condition in itertools.product(corpus_ids, conditions):
            if condition == disturbances.CLEAN:
                tests[corpus, condition] = _part(clean[corpus], tables[corpus])
            else:
                given: dict[str, Any] = {"pooling": how, "workers": workers}
                found = disturbed.embed(ptm, corpus, tables[corpus], condition, spectra[corpus], **given)
                tests[corpus, condition] = found
        made_by += [
            {
                "ptm": ptm,
                "corpus": c,
                **{k: e.metadata.get(k, "") for k in ("pooling", "device", "weights_sha256")},
            }
            for c, e in clean.items()
        ]
        utterances = pd.concat(tables.values())
        for head in heads:
            by_head[head][ptm] = predictions(head, clean, tests)
            rows += rows_of(ptm, how, head, by_head[head][ptm], utterances)
    compared = [
        row for head, found in by_head.items() for row in of_models(head, found, pd.concat(tables.values()))
    ]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(compared, columns=OF_MODELS), made_by


def _part(embeddings: store.Embeddings, utterances: pd.DataFrame) -> store.Embeddings:
    keep = embeddings.utterances["utterance"].isin(utterances["utterance"]).to_numpy()
    table = embeddings.utterances[keep].reset_index(drop=True)
    return dataclasses.replace(embeddings, utterances=table, vectors=embeddings.vectors[keep])


def by_condition(models: pd.DataFrame) -> pd.DataFrame:
    """Return UAR (percent), a column for each condition, of a table with `OF_MODELS`: head, cells, ptm, ..."""
    keys = ["head", "cells", "ptm"]
    wide = models.pivot_table(index=keys, columns="condition", values="uar", sort=False).reset_index()
    return wide.rename_axis(columns=None)


def least_lost(models: pd.DataFrame) -> pd.DataFrame:
    """Condense a table with `OF_MODELS` to who loses least, by head and kind of cell.

    Returns
    -------
    Columns head, cells; least and most (models) with least_loss and most_loss (points, means over the conditions
    that are not clean); others, how many other models and conditions there are, and told, how many of them lose
    more than the best one there by more than the interval.
    """
    rows = []
    disturbed_alone = models[models["condition"] != disturbances.CLEAN]
    for of, part in disturbed_alone.groupby(["head", "cells"], sort=False):
        mean = part.groupby("ptm")["loss"].mean()
        others = part[part["more"] > 0]
        ends = (mean.idxmin(), mean.min(), mean.idxmax(), mean.max())
        rows.append((*of, *ends, len(others), int((others["more_low"] > 0).sum())))
    columns = ["head", "cells", "least", "least_loss", "most", "most_loss", "others", "told"]
    return pd.DataFrame(rows, columns=columns)


def results() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the committed tables (see `run`), and what made them; without rows where it was not run."""
    try:
        cells, facts = study_files.read(RESULTS, "noise")
        study_files.check(MODELS, "noise")
    except store_folders.NotStoredError:
        return pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=OF_MODELS), {}
    return cells, pd.read_csv(MODELS), facts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a part of it (see `--help`)."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.noise_study", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--ptms", help=f"models, with commas; default: {','.join(PTMS)}")
    parser.add_argument("--pooling", default="", help="of models that have it; default: each model's own")
    parser.add_argument(
        "--each", type=int, default=EACH, help=f"utterances of a speaker and emotion; 0: all ({EACH})"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    ptms = known_names.check_all(given.ptms or list(PTMS), model_registry.registry(), "model")
    started = time.perf_counter()
    cells, models, made_by = run(ptms, CORPORA, given.pooling, given.each, given.workers)
    facts = {
        "ptms": ptms,
        "corpora": list(CORPORA),
        "heads": list(HEADS),
        "regimes": [REGIME],
        "pooling": given.pooling,
        "each": given.each,
        "embeddings": made_by,
        **study_files.made_since(started),
    }
    whole = not given.ptms
    path, second = (RESULTS, MODELS) if whole else (paths.BUILD / RESULTS.name, paths.BUILD / MODELS.name)
    study_files.write(path, cells, facts)
    study_files.write_table(second, models)
    print(f"{paths.shown(path)}: {len(cells)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
