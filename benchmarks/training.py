"""How fast heads are trained, against the plain way (`make bench-training`).

The task is the paper's grid: eight embeddings of its dimensions, five corpora of its sizes (synthetic embeddings
with a centre for each emotion), both heads, five folds, 20 epochs without early stopping, every train-test pair.

The plain way is one Keras `fit` per cell, as the paper's text reads: a fresh training for each fold of each
train-test pair, on the faster of Keras's backends (torch, TensorFlow) with that backend's own number of threads.
It is measured on a sample and scaled. Ours is the whole grid, run by `evaluate.run`.
"""

import argparse
import datetime
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from crosscorpus.base import paths, versions, whole_files
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.embeddings import store
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import evaluate, heads, train, unit_of_work

SETTINGS = protocol_settings.load("patience=20")  # as many as epochs: never early
BACKENDS = ("torch", "tensorflow")
SAMPLE_CORPUS = "cremad"
SAMPLE_EPOCHS = (1, 3)
PREDICTED = 1000
RESULT = paths.BUILD / "bench" / "training.json"


# -- the task -------------------------------------------------------------------------------------------------


def paper_corpora() -> list[str]:
    """Return the ids of the paper's corpora."""
    return [key for key, entry in corpus_registry.registry().items() if entry.in_paper]


def dimensions() -> dict[str, int]:
    """Return the dimension that the paper gives for each of its models."""
    return {ptm: model_registry.get(ptm).dimension_paper for ptm in model_registry.of_paper()}


def embeddings(ptm: str, corpus: str, dim: int) -> store.Embeddings:
    """Return synthetic embeddings for the utterances of a corpus: noise around a centre for each emotion."""
    listed = file_lists.file_list(corpus).sort_values("utterance", ignore_index=True)
    listed = listed[listed["emotion"].isin(SETTINGS["emotions"])].reset_index(drop=True)
    listed = listed.assign(sha256=[f"{corpus}{i}" for i in range(len(listed))])
    rng = np.random.default_rng([sum(ptm.encode()), sum(corpus.encode())])
    centres = np.random.default_rng(sum(ptm.encode())).normal(scale=0.12, size=(len(SETTINGS["emotions"]), dim))
    of_emotion = listed["emotion"].map(SETTINGS["emotions"].index).to_numpy()
    vectors = centres[of_emotion] + rng.normal(size=(len(listed), dim))
    return store.Embeddings(ptm, corpus, listed, vectors.astype(np.float32), {})


def units(ptms: dict[str, int], settings: protocol_settings.Protocol = SETTINGS) -> list[unit_of_work.Unit]:
    """Return the grid's trainings: each head on every fold of each corpus."""
    found = []
    for ptm, dim in ptms.items():
        tests = [embeddings(ptm, corpus, dim) for corpus in paper_corpora()]
        for trained_on, head in itertools.product(tests, heads.HEADS):
            found.append(unit_of_work.Unit(head, "stratified", 0, trained_on, tests, settings))
    return found


# -- the plain way, in a process of its own for each backend --------------------------------------------------


def plain_head(head: str, dim: int) -> Any:
    """Return a head as a Keras model, with the order of axes that the backend prefers."""
    import keras

    model = heads.build(head, dim, len(SETTINGS["emotions"]), SETTINGS)
    if keras.config.backend() == "torch" or head == "fcn":
        return model

    def channels_last(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Reshape):
            config["target_shape"] = config["target_shape"][::-1]
        elif "data_format" in config:
            config["data_format"] = "channels_last"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=channels_last)


def measure_plain(head: str, dim: int) -> dict[str, float]:
    """Time plain Keras fits of one head, of two numbers of epochs, on the size of the largest corpus."""
    import keras

    n = next(iter(sizes(SAMPLE_CORPUS)))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + PREDICTED, dim)).astype(np.float32)
    y = rng.integers(len(SETTINGS["emotions"]), size=len(X))
    validation = int(n * SETTINGS["validation_share"])
    seconds = []
    for epochs in SAMPLE_EPOCHS:
        start = time.perf_counter()
        model = plain_head(head, dim)
        model.compile(keras.optimizers.Adam(SETTINGS["learning_rate"]), loss="sparse_categorical_crossentropy")
        model.fit(
            X[validation:n],
            y[validation:n],
            batch_size=SETTINGS["batch_size"],
            epochs=epochs,
            validation_data=(X[:validation], y[:validation]),
            verbose=0,
        )
        model.predict(X[n:], batch_size=1024, verbose=0)
        seconds.append(time.perf_counter() - start)
    steps = -(-(n - validation) // SETTINGS["batch_size"])
    per_epoch = (seconds[1] - seconds[0]) / (SAMPLE_EPOCHS[1] - SAMPLE_EPOCHS[0])
    return {"per_step_s": per_epoch / steps, "fixed_s": max(0.0, seconds[0] - SAMPLE_EPOCHS[0] * per_epoch)}


def sizes(corpus: str) -> list[int]:
    """Return the number of utterances outside each fold."""
    one = embeddings("x", corpus, 1)
    rows, _ = unit_of_work.with_folds(one, "stratified", SETTINGS["emotions"])
    return [int((rows["fold"] != fold).sum()) for fold in range(1, SETTINGS["n_folds"] + 1)]


def scale_plain(measured: pd.DataFrame, ptms: dict[str, int]) -> float:
    """Return the seconds of the plain grid: for each cell its number of steps times the time of one, and fixed."""
    best = measured.assign(total=measured["per_step_s"] * 1000 + measured["fixed_s"])
    best = best.loc[best.groupby(["head", "dim"])["total"].idxmin()].set_index(["head", "dim"])
    seconds = 0.0
    for dim, head, corpus in itertools.product(ptms.values(), heads.HEADS, paper_corpora()):
        for n in sizes(corpus):
            steps = SETTINGS["epochs"] * -(-int(n * (1 - SETTINGS["validation_share"])) // SETTINGS["batch_size"])
            row = best.loc[(head, dim)]
            seconds += len(paper_corpora()) * (row["fixed_s"] + steps * row["per_step_s"])
    return seconds


def plain(ptms: dict[str, int]) -> pd.DataFrame:
    """Measure the plain way with every backend, head and dimension: backend, head, dim, per_step_s, fixed_s."""
    rows = []
    for backend, head, dim in itertools.product(BACKENDS, heads.HEADS, sorted(set(ptms.values()))):
        command = [sys.executable, "-m", "benchmarks.training", "--plain-cell", f"{head},{dim}"]
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        rows.append({"backend": backend, "head": head, "dim": dim} | json.loads(out.splitlines()[-1]))
        print(f"  plain {backend} {head} {dim}: {1000 * rows[-1]['per_step_s']:.1f} ms a step", flush=True)
    return pd.DataFrame(rows)


# -- ours -----------------------------------------------------------------------------------------------------


def ours(ptms: dict[str, int], workers: int, device: str) -> tuple[float, pd.DataFrame]:
    """Run the whole grid in an empty store; return the seconds it took, and the predictions."""
    todo = units(ptms)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(paths, "BUILD", Path(folder)):
        start = time.perf_counter()
        files = evaluate.run(todo, workers, device)
        seconds = time.perf_counter() - start
        predictions = pd.concat([pd.read_parquet(made) for made, _ in files], ignore_index=True)
    return seconds, predictions


def agreement(ptms: dict[str, int], device: str) -> dict[str, float]:
    """Return the share of test utterances on which the engine and the plain loop predict the same, by head.

    Sampled: every dimension, each head, trained on the smallest corpus and tested on all. On a GPU without
    dropout, whose masks are drawn there.
    """
    settings = SETTINGS if device == "cpu" else SETTINGS | {"dropout": 0.0}
    smallest = min(paper_corpora(), key=lambda corpus: sizes(corpus)[0])
    same: dict[str, list[float]] = {head: [] for head in heads.HEADS}
    by_dim = {dim: ptm for ptm, dim in ptms.items()}
    for unit in units({ptm: dim for dim, ptm in by_dim.items()}, settings):
        if unit.trained_on.corpus != smallest:
            continue
        one, _ = unit_of_work.train_and_test(unit, device)
        plain_loop = [train.fit(task, settings, device) for task in unit_of_work.trainings(unit)]
        other, _ = unit_of_work.tested_heads(unit, plain_loop)
        same[unit.head].append(float((one["predicted"] == other["predicted"]).mean()))
    return {head: float(np.mean(shares)) for head, shares in same.items()}


# -- how near to what the machine can do ----------------------------------------------------------------------


def work(ptms: dict[str, int]) -> tuple[float, float]:
    """Return floating-point operations and least bytes moved of all trainings' steps.

    A product with a kernel of p weights takes 2 p operations an utterance, and there are three in a step: forward,
    of the weights' gradient, and of the inputs' (which the first layer is spared). Adam reads weight, gradient and
    two moments, and writes all but the gradient; products read the weights twice and write the gradient: 10 floats
    a weight.
    """
    operations = moved = 0.0
    for dim, head, corpus in itertools.product(ptms.values(), heads.HEADS, paper_corpora()):
        model = heads.build(head, dim, len(SETTINGS["emotions"]), SETTINGS)
        products = []
        for layer in model.layers:
            kernel = layer.trainable_variables[0].shape if layer.trainable_variables else ()
            times = (
                layer.output.shape[-1] if len(kernel) == 3 else 1
            )  # a convolution's kernel is used at each step
            if kernel:
                products.append(int(np.prod(kernel)) * times)
        an_utterance = 2 * (3 * sum(products) - products[0])
        for n in sizes(corpus):
            in_part = int(n * (1 - SETTINGS["validation_share"]))
            steps = -(-in_part // SETTINGS["batch_size"])
            operations += SETTINGS["epochs"] * in_part * an_utterance
            moved += SETTINGS["epochs"] * steps * model.count_params() * 4 * 10
    return operations, moved


def peaks(workers: int) -> tuple[float, float]:
    """Return operations and bytes a second that are reached with one thread in each of several processes."""
    with ProcessPoolExecutor(workers) as pool:
        both = list(pool.map(_peak, range(workers)))
    return sum(a for a, _ in both), sum(b for _, b in both)


def _peak(_: int) -> tuple[float, float]:
    import torch

    torch.set_num_threads(1)
    a, b, big, copy = torch.randn(1024, 1024), torch.randn(1024, 1024), torch.randn(2**25), torch.empty(2**25)
    rates = []
    for function, amount in ((lambda: torch.mm(a, b), 2 * 1024**3), (lambda: copy.copy_(big), 8 * 2**25)):
        best = 0.0
        for _ in range(20):
            start = time.perf_counter()
            function()
            best = max(best, amount / (time.perf_counter() - start))
        rates.append(best)
    return rates[0], rates[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--ptms", nargs="*", help="only these models, for a try")
    parser.add_argument("--plain-cell", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.plain_cell:
        head, dim = given.plain_cell.split(",")
        print(json.dumps(measure_plain(head, int(dim))))
        return
    ptms = {ptm: dim for ptm, dim in dimensions().items() if not given.ptms or ptm in given.ptms}
    workers = os.cpu_count() or 1
    measured = plain(ptms)
    plain_s = scale_plain(measured, ptms)
    print(f"plain, scaled: {plain_s:.0f} s; the whole grid our way:", flush=True)
    ours_s, predictions = ours(ptms, workers, given.device)
    same = agreement(ptms, given.device)
    result: dict[str, Any] = {
        "plain_s": plain_s,
        "ours_s": ours_s,
        "ratio": plain_s / ours_s,
        "device": versions.of_device(given.device),
        "agreement": min(same.values()),
        "agreement_by_head": same,
        "plain_measured": measured.to_dict("records"),
        "plain_scaling": (
            f"each backend, head and dimension: Keras fits of {' and '.join(map(str, SAMPLE_EPOCHS))} epochs on "
            f"{SAMPLE_CORPUS}'s size give the time of a step and what is fixed; those of the faster backend, "
            "times the steps of each cell; every pair and fold trained anew; on the CPU, with its own threads"
        ),
        "trainings": {"plain": 25 * 5 * 2 * len(ptms), "ours": 5 * 5 * 2 * len(ptms)},
        "models": ptms,
        "settings": SETTINGS,
        "workers": workers,
        "predictions": len(predictions),
        "same_corpus_accuracy": float(
            (predictions["emotion"] == predictions["predicted"])[
                predictions["train_corpus"] == predictions["test_corpus"]
            ].mean()
        ),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": versions.of_commit(),
        "libraries": versions.of_libraries(),
    }
    if given.device == "cpu":
        operations, moved = work(ptms)
        peak_operations, peak_moved = peaks(workers)
        result["peaks"] = {
            "gflops": peak_operations / 1e9,
            "gbytes_per_s": peak_moved / 1e9,
            "share_of_matrix_peak": operations / ours_s / peak_operations,
            "share_of_memory_peak": moved / ours_s / peak_moved,
        }
    whole_files.replace_file(RESULT, lambda file: file.write_text(json.dumps(result, indent=1) + "\n"))
    shown = ("plain_s", "ours_s", "ratio", "agreement", "device")
    print("\n".join(f"{name:10} {result[name]}" for name in shown), result.get("peaks", ""), sep="\n")


if __name__ == "__main__":
    main()
