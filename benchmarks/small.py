"""What early stopping costs on small training sets: the FCN with and without it, beside logistic regression.

Subsets of two corpora of the pack, five folds, three draws: `make bench-small`, two minutes. Writes
`_build/bench/small.json`: mean accuracy (percent) by model, corpus and size of the training set.
"""

import itertools
import json

import numpy as np
from sklearn.model_selection import StratifiedKFold

from crosscorpus.base import paths
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import baselines, engine, train, training_tasks

PTMS, CORPORA = ("whisper-base", "ecapa-tdnn"), ("emodb", "ravdess")
SIZES = (40, 80, 160, 320)
"""Utterances before the split into folds, the same number of each emotion."""
DRAWS = 3
WAYS = {"early stopping": "fixed_epochs_below=0", "all epochs": "fixed_epochs_below=1000"}


def accuracies(ptm: str, corpus: str, size: int) -> dict[str, float]:
    """Return the mean accuracy (percent) of each way over draws and folds."""
    emotions = protocol_settings.load()["emotions"]
    e = store.load(ptm, corpus)
    kept = e.utterances["emotion"].isin(emotions).to_numpy()
    X, y = e.vectors[kept], e.utterances.loc[kept, "emotion"].map(emotions.index).to_numpy()
    found: dict[str, list[float]] = {way: [] for way in (*WAYS, "logistic regression")}
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        of_emotions = [np.flatnonzero(y == k) for k in range(len(emotions))]
        chosen = np.concatenate([rng.permutation(rows)[: size // len(emotions)] for rows in of_emotions])
        folds = StratifiedKFold(5, shuffle=True, random_state=draw).split(chosen, y[chosen])
        for fold, (rest, test) in enumerate(folds):
            X_train, y_train, X_test, y_test = X[chosen[rest]], y[chosen[rest]], X[chosen[test]], y[chosen[test]]
            task = training_tasks.Task("fcn", X_train, y_train, np.arange(len(rest)), len(emotions), fold)
            for way, overrides in WAYS.items():
                p = train.predict(engine.fit_one(task, protocol_settings.load(overrides)), X_test)
                found[way].append(float((p.argmax(axis=1) == y_test).mean()))
            linear = baselines.fit("logistic", X_train, y_train, protocol_settings.load())
            right = baselines.predict(linear, X_test).argmax(axis=1) == y_test
            found["logistic regression"].append(float(right.mean()))
    return {way: round(100 * float(np.mean(values)), 1) for way, values in found.items()}


def main() -> None:
    """Measure, print and write."""
    rows = []
    for ptm, corpus, size in itertools.product(PTMS, CORPORA, SIZES):
        rows.append({"ptm": ptm, "corpus": corpus, "trained on": size * 4 // 5, **accuracies(ptm, corpus, size)})
        print(", ".join(f"{name}: {value}" for name, value in rows[-1].items()), flush=True)
    file = paths.BUILD / "bench" / "small.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
