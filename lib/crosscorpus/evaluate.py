"""From embeddings to the table of predictions: every head trained once, tested on every corpus.

In fold i of a regime, a head is trained on the four other folds of the training corpus and tested on fold i of
each test corpus (paper, section III.C), the training corpus among them. One training serves all test corpora.
"""

import functools
import hashlib
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from crosscorpus import baselines, folds, heads, names, paths, store, train, versions
from crosscorpus.protocol import Protocol

UNIT = ["ptm", "head", "regime", "seed", "train_corpus"]
COLUMNS = [*UNIT, "test_corpus", "fold", "utterance", "emotion", "predicted"]


def classes(embeddings: store.Embeddings, protocol: Protocol) -> list[str]:
    """Return the emotions that a head trained on a corpus tells apart: the protocol's that the corpus has."""
    present = set(embeddings.utterances["emotion"])
    return [emotion for emotion in protocol["emotions"] if emotion in present]


def shared_emotions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the emotions that each pair of corpora was evaluated on: train_corpus, test_corpus, n, emotions."""
    pairs = predictions.groupby(["train_corpus", "test_corpus"], sort=False)["emotion"].unique()
    rows = [(*pair, len(found), ", ".join(sorted(found))) for pair, found in pairs.items()]
    return pd.DataFrame(rows, columns=["train_corpus", "test_corpus", "n", "emotions"])


def train_and_test(
    head: str,
    regime: str,
    seed: int,
    trained_on: store.Embeddings,
    tests: Sequence[store.Embeddings],
    protocol: Protocol,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a head on every fold of one corpus and test it on the same fold of several.

    Returns
    -------
    predictions
        One row per test utterance: `COLUMNS` and `p_<emotion>` (float32) for each class. A pair is evaluated on
        the emotions that both corpora have: utterances with others are not tested, and the prediction is the most
        probable of the shared ones.
    history
        Learning curves: `UNIT`, fold, and the columns of `train.Fitted.history`; without rows for a baseline.
    """
    emotions = classes(trained_on, protocol)
    unit = dict(zip(UNIT, (trained_on.ptm, head, regime, seed, trained_on.corpus), strict=True))
    rows, X = _with_folds(trained_on, regime, emotions)
    y = rows["emotion"].map(emotions.index).to_numpy()
    together = folds.groups(trained_on.corpus, rows, regime).to_numpy()
    targets = [(test.corpus, *_with_folds(test, regime, emotions)) for test in tests]
    predictions, histories = [], []
    for fold in range(1, protocol["n_folds"] + 1):
        rest = (rows["fold"] != fold).to_numpy()
        if head in baselines.BASELINES:
            predict = functools.partial(baselines.predict, baselines.fit(head, X[rest], y[rest], protocol))
            histories.append(pd.DataFrame(columns=[*UNIT, "fold"]))
        else:
            seed_of_fold = 1000 * seed + fold
            fitted = train.fit(head, X[rest], y[rest], together[rest], len(emotions), protocol, seed_of_fold)
            predict = functools.partial(train.predict, fitted)
            histories.append(fitted.history.assign(**unit, fold=fold))
        for corpus, test_rows, test_X in targets:
            here = (test_rows["fold"] == fold).to_numpy()
            p = predict(test_X[here])
            table = test_rows.loc[here, ["utterance", "emotion"]].reset_index(drop=True)
            table = table.assign(**unit, test_corpus=corpus, fold=fold)
            shared = np.isin(emotions, test_rows["emotion"].unique())
            table["predicted"] = np.array(emotions)[np.where(shared, p, -1).argmax(axis=1)]
            probabilities = pd.DataFrame(p, columns=[f"p_{emotion}" for emotion in emotions])
            predictions.append(pd.concat([table[COLUMNS], probabilities], axis=1))
    history = pd.concat(histories, ignore_index=True)
    history = history[[*UNIT, "fold", *(c for c in history if c not in (*UNIT, "fold"))]]
    return pd.concat(predictions, ignore_index=True), history


def _with_folds(embeddings: store.Embeddings, regime: str, emotions: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    fold = folds.load(embeddings.corpus, embeddings.utterances, regime).set_index("utterance")["fold"]
    rows = embeddings.utterances.assign(fold=embeddings.utterances["utterance"].map(fold))
    keep = (rows["emotion"].isin(emotions) & rows["fold"].notna()).to_numpy()
    return rows[keep].reset_index(drop=True).astype({"fold": int}), embeddings.vectors[keep]


def grid(
    ptms: Sequence[str],
    train_corpora: Sequence[str],
    test_corpora: Sequence[str],
    chosen_heads: Sequence[str],
    regimes: Sequence[str],
    seeds: Sequence[int],
    protocol: Protocol,
    *,
    source: str = "pack",
    workers: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and learning curves of a grid, training only what the store does not hold yet.

    Parameters
    ----------
    ptms, train_corpora, test_corpora, chosen_heads, regimes, seeds
        The sides of the grid. A (model, corpus) pair without embeddings is left out, and so is a corpus from a
        regime that it has too few speakers for.
    protocol
        Settings, see `protocol.load`.
    source
        Where embeddings come from, "pack" or "audio".
    workers
        Processes side by side, each with one thread; 0 for one a core. Their number changes no result.

    Raises
    ------
    store.NotStoredError
        None of the pairs has embeddings.
    """
    for regime in regimes:
        names.check(regime, folds.REGIMES, "regime")
    for head in chosen_heads:
        names.check(head, [*heads.HEADS, *baselines.BASELINES], "head")
    tasks = []
    for ptm, regime in itertools.product(ptms, regimes):
        here = {
            corpus: e
            for (_, corpus), e in available([ptm], {*train_corpora, *test_corpora}, source).items()
            if folds.possible(corpus, e.utterances, regime)
        }
        tests = [here[c] for c in test_corpora if c in here]
        # A baseline draws no random numbers: one seed is all.
        kinds = [(h, s) for h in chosen_heads for s in (seeds[:1] if h in baselines.BASELINES else seeds)]
        for corpus, (head, seed) in itertools.product(train_corpora, kinds):
            if corpus in here and tests:
                tasks.append((head, regime, seed, here[corpus], tests, protocol))
    if not tasks:
        raise store.NotStoredError(
            f"no embeddings of {', '.join(ptms)} for {', '.join(train_corpora)} in source {source!r}, or too few "
            f"speakers for {', '.join(regimes)} folds; the page of a model makes embeddings: "
            "papermill notebooks/model.ipynb out.ipynb -p source audio"
        )
    known: dict[tuple, str] = {}  # hashes of embeddings and folds, which many tasks share
    files = [_files(*task, known) for task in tasks]
    to_do = [(task, pair) for task, pair in zip(tasks, files, strict=True) if not all(f.exists() for f in pair)]
    if to_do:
        jobs = (joblib.delayed(_run)(task, pair) for task, pair in to_do)
        run = joblib.Parallel(n_jobs=workers or -1, return_as="generator_unordered")
        for _ in tqdm(run(jobs), total=len(to_do), desc="training heads", unit="head on all folds", mininterval=5):
            pass
    predictions = pd.concat([pd.read_parquet(made) for made, _ in files], ignore_index=True)
    curves = [pd.read_parquet(made) for _, made in files]
    history = pd.concat([c for c in curves if len(c)] or curves[:1], ignore_index=True)  # a baseline's has no rows
    return predictions, history


def available(
    ptms: Sequence[str], corpora: Sequence[str] | set[str], source: str
) -> dict[tuple[str, str], store.Embeddings]:
    """Return the embeddings that are stored, by (model, corpus)."""
    found = {}
    for ptm, corpus in itertools.product(ptms, sorted(corpora)):
        try:
            found[ptm, corpus] = store.load(ptm, corpus, source)
        except store.NotStoredError:
            continue
    return found


def _files(
    head: str,
    regime: str,
    seed: int,
    trained_on: store.Embeddings,
    tests: Sequence[store.Embeddings],
    protocol: Protocol,
    known: dict[tuple, str],
) -> tuple[Path, Path]:
    libraries = versions.of_libraries()
    here = [(e, e.ptm, e.corpus) for e in (trained_on, *tests)]
    for e, *which in here:
        if ("vectors", *which) not in known:
            known["vectors", *which] = _hash(e)
        if ("folds", regime, e.corpus) not in known:
            known["folds", regime, e.corpus] = _hash_folds(e, regime)
    identity = {
        "unit": json.dumps([trained_on.ptm, head, regime, seed, trained_on.corpus]),
        "embeddings": json.dumps([(e.corpus, known["vectors", *which]) for e, *which in here]),
        "folds": json.dumps([known["folds", regime, e.corpus] for e, *_ in here]),
        "protocol": json.dumps(protocol, sort_keys=True),
        "code": _code(head),
        "libraries": " ".join(libraries[name] for name in ("keras", "torch", "numpy", "scikit-learn")),
    }
    stem = f"{head}-{regime}-{seed}-{store.key(identity)}"
    folder = paths.BUILD / "predictions" / trained_on.ptm / trained_on.corpus
    return folder / f"{stem}.parquet", folder / f"{stem}.history.parquet"


@functools.cache
def _code(head: str) -> str:
    own = [baselines] if head in baselines.BASELINES else [heads, train]
    return versions.of_code(*own, folds, sys.modules[__name__])


def _hash(embeddings: store.Embeddings) -> str:
    return hashlib.sha256(embeddings.vectors.tobytes()).hexdigest() + store.audio_hash(embeddings.utterances)


def _hash_folds(embeddings: store.Embeddings, regime: str) -> str:
    text = folds.load(embeddings.corpus, embeddings.utterances, regime).to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _run(task: tuple, files: tuple[Path, Path]) -> None:
    for table, file in zip(train_and_test(*task), files, strict=True):
        store.replace_file(file, functools.partial(table.to_parquet, index=False))


def training_summary(history: pd.DataFrame) -> pd.DataFrame:
    """Return how training went, by head, training corpus and regime, at the epoch whose weights are kept.

    Columns: trainings, epochs (mean number run), best_epoch (mean), train_accuracy and validation_accuracy
    (mean, percent).
    """
    rows = []
    for group, part in history.groupby(["head", "train_corpus", "regime"], sort=False):
        runs = part.groupby(["ptm", "seed", "fold"])
        best = part.loc[runs["val_loss"].idxmin()]
        rows.append(
            {
                **dict(zip(("head", "train_corpus", "regime"), group, strict=True)),
                "trainings": runs.ngroups,
                "epochs": runs["epoch"].max().mean(),
                "best_epoch": best["epoch"].mean(),
                "train_accuracy": 100 * best["train_accuracy"].mean(),
                "validation_accuracy": 100 * best["validation_accuracy"].mean(),
            }
        )
    return pd.DataFrame(rows)
