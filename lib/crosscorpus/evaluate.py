"""From embeddings to the table of predictions: every head trained once, tested on every corpus.

In fold i of a regime, a head is trained on the other folds of the training corpus and tested on fold i of each
test corpus (paper, section III.C), the training corpus among them. One training serves all test corpora. Where the
test corpus has more folds than the training corpus, trainings take turns; where it has fewer, the last ones test
less.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crosscorpus import (
    baselines,
    cells,
    extractors,
    folds,
    guards,
    heads,
    names,
    paths,
    processes,
    progress,
    records,
    store,
    versions,
)
from crosscorpus import protocol as protocols
from crosscorpus.protocol import Protocol

if TYPE_CHECKING:
    from crosscorpus import train

# PyTorch and Keras take seconds to import, and a chapter whose predictions are all stored needs neither: `engine`
# and `train` are imported where something is trained.

UNIT = ["ptm", "head", "regime", "seed", "train_corpus"]
COLUMNS = [*UNIT, "test_corpus", "fold", "utterance", "emotion", "predicted"]


@dataclass(frozen=True)
class Unit:
    """What is trained together and kept in one file: a head on every fold of one corpus, tested on several."""

    head: str
    regime: str
    seed: int
    trained_on: store.Embeddings
    tests: Sequence[store.Embeddings]
    protocol: Protocol

    @property
    def keys(self) -> dict[str, str | int]:
        """The values of `UNIT`."""
        return dict(
            zip(
                UNIT, (self.trained_on.ptm, self.head, self.regime, self.seed, self.trained_on.corpus), strict=True
            )
        )

    @property
    def settings(self) -> Protocol:
        """The settings that training and testing this head can depend on."""
        is_head = self.head in heads.HEADS
        return protocols.used_by(self.protocol, self.head, "heads" if is_head else "baselines")


def classes(embeddings: store.Embeddings, protocol: Protocol) -> list[str]:
    """Return the emotions that a head trained on a corpus tells apart: the protocol's that the corpus has."""
    present = set(embeddings.utterances["emotion"])
    return [emotion for emotion in protocol["emotions"] if emotion in present]


def shared_emotions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the emotions that each pair of corpora was evaluated on: train_corpus, test_corpus, n, emotions."""
    pairs = predictions.groupby(["train_corpus", "test_corpus"], sort=False)["emotion"].unique()
    rows = [(*pair, len(found), ", ".join(sorted(found))) for pair, found in pairs.items()]
    return pd.DataFrame(rows, columns=["train_corpus", "test_corpus", "n", "emotions"])


def train_and_test(unit: Unit, device: str = "cpu") -> tuple[pd.DataFrame, pd.DataFrame]:
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
    if unit.head in baselines.BASELINES:
        fitted = [baselines.fit(unit.head, task.X, task.y, unit.settings) for task in _tasks(unit)]
        return _tested(unit, [functools.partial(baselines.predict, one) for one in fitted]), _curves(unit, [])
    from crosscorpus import engine

    return _of_heads(unit, engine.fit_many(_tasks(unit), unit.settings, device))


def _of_heads(unit: Unit, fitted: Sequence["train.Fitted"]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and learning curves of a unit whose heads are trained."""
    from crosscorpus import train

    predictions = _tested(unit, [functools.partial(train.predict, one) for one in fitted])
    return predictions, _curves(unit, [one.history for one in fitted])


def _tasks(unit: Unit) -> list["train.Task"]:
    """Return the trainings of a unit, one for each fold."""
    from crosscorpus import train

    emotions = classes(unit.trained_on, unit.protocol)
    rows, X = _with_folds(unit.trained_on, unit.regime, emotions)
    y = rows["emotion"].map(emotions.index).to_numpy()
    together = folds.groups(unit.trained_on.corpus, rows, unit.regime).to_numpy()
    tasks = []
    for fold in range(1, rows["fold"].max() + 1):
        rest = (rows["fold"] != fold).to_numpy()
        seed = 1000 * unit.seed + fold
        tasks.append(train.Task(unit.head, X[rest], y[rest], together[rest], len(emotions), seed))
    return tasks


def _tested(unit: Unit, predictors: Sequence[Callable[[np.ndarray], np.ndarray]]) -> pd.DataFrame:
    emotions = classes(unit.trained_on, unit.protocol)
    targets = [(test.corpus, *_with_folds(test, unit.regime, emotions)) for test in unit.tests]
    last = max(rows["fold"].max() for _, rows, _ in targets)
    predictions = []
    for fold, (corpus, rows, X) in itertools.product(range(1, last + 1), targets):
        here = (rows["fold"] == fold).to_numpy()
        if not here.any():
            continue
        p = predictors[(fold - 1) % len(predictors)](X[here])
        table = rows.loc[here, ["utterance", "emotion"]].reset_index(drop=True)
        table = table.assign(**unit.keys, test_corpus=corpus, fold=fold)
        shared = np.isin(emotions, rows["emotion"].unique())
        table["predicted"] = np.array(emotions)[np.where(shared, p, -1).argmax(axis=1)]
        probabilities = pd.DataFrame(p, columns=[f"p_{emotion}" for emotion in emotions])
        predictions.append(pd.concat([table[COLUMNS], probabilities], axis=1))
    return pd.concat(predictions, ignore_index=True)


def _curves(unit: Unit, histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not histories:
        return pd.DataFrame(columns=[*UNIT, "fold"])
    each = [one.assign(**unit.keys, fold=fold) for fold, one in enumerate(histories, start=1)]
    history = pd.concat(each, ignore_index=True)
    return history[[*UNIT, "fold", *(c for c in history if c not in (*UNIT, "fold"))]]


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
    device: str = "auto",
    may_be_empty: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and learning curves of a grid, training only what the store does not hold yet.

    Parameters
    ----------
    ptms, train_corpora, test_corpora, chosen_heads, regimes, seeds
        The sides of the grid. A (model, corpus) pair without embeddings is left out, and so are the cells of
        `cells.left_out`, which have too few speakers, emotions or utterances.
    protocol
        Settings, see `protocol.load`.
    source
        Where embeddings come from, "pack" or "audio".
    workers
        Processes side by side, each with one thread; 0 for one a core. Their number changes no result.
    device
        Where heads are trained: "cpu", "cuda" (one process, trainings stacked) or "auto", a GPU if there is one.

    Raises
    ------
    store.NotStoredError
        None of the pairs has embeddings.
    cells.NothingLeftError
        All cells are left out, unless `may_be_empty`: then both tables are without rows.
    guards.GuardError
        Folds do not fit the utterances, something would be in training and in test at once, or a loss is not a
        number.
    """
    for regime in regimes:
        names.check(regime, folds.REGIMES, "regime")
    for head in chosen_heads:
        names.check(head, [*heads.HEADS, *baselines.BASELINES], "head")
    units: list[Unit] = []
    embedded: dict[str, pd.DataFrame] = {}
    out = pd.DataFrame(columns=cells.COLUMNS)
    for ptm in ptms:
        here = {c: e for (_, c), e in available([ptm], {*train_corpora, *test_corpora}, source).items()}
        tables = {c: e.utterances for c, e in here.items()}
        if not all(c in embedded and table.equals(embedded[c]) for c, table in tables.items()):
            embedded |= tables
            out = cells.left_out(embedded, regimes, protocol, train_corpora, test_corpora)
        for regime, corpus in itertools.product(regimes, (c for c in train_corpora if c in here)):
            tests = [here[c] for c in test_corpora if c in here and not cells.is_left_out(out, regime, corpus, c)]
            # A baseline draws no random numbers: one seed is all.
            kinds = [(h, s) for h in chosen_heads for s in (seeds[:1] if h in baselines.BASELINES else seeds)]
            if tests:
                units += [Unit(head, regime, seed, here[corpus], tests, protocol) for head, seed in kinds]
    if not units and not embedded:
        raise store.NotStoredError(
            f"no embeddings of {', '.join(ptms)} for {', '.join(train_corpora)} in source {source!r}; the page of "
            "a model makes embeddings: papermill notebooks/model.ipynb out.ipynb -p source audio"
        )
    if not units and not may_be_empty:
        why = " ".join(cells.sentences(out)) or "the corpora to train on have no embeddings."
        raise cells.NothingLeftError(f"nothing of this grid can be run. {why}")
    if not units:
        columns = [*COLUMNS, *(f"p_{emotion}" for emotion in protocol["emotions"])]
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=[*UNIT, "fold"])
    files = run(units, workers, device)
    predictions = pd.concat([pd.read_parquet(made) for made, _ in files], ignore_index=True)
    curves = [pd.read_parquet(made) for _, made in files]
    history = pd.concat([c for c in curves if len(c)] or curves[:1], ignore_index=True)  # a baseline's has no rows
    if len(history):
        guards.check_history(history)
    return predictions, history


def run(units: Sequence[Unit], workers: int = 0, device: str = "auto") -> list[tuple[Path, Path]]:
    """Train and test what is not stored yet; return the files of predictions and of learning curves of each unit.

    See `grid` for `workers` and `device`.

    Raises
    ------
    guards.GuardError
        Folds do not fit the utterances, or something would be in training and in test at once.
    """
    device = extractors.choose_device(device)
    known: dict[tuple, str] = {}  # hashes of embeddings and folds, which many units share
    files = [_files(unit, known, device) for unit in units]
    to_do = [(unit, pair) for unit, pair in zip(units, files, strict=True) if not all(f.exists() for f in pair)]
    _check_inputs([unit for unit, _ in to_do])  # what is stored passed, with the same rows: they are in its name
    if device == "cuda":
        _run_stacked([job for job in to_do if job[0].head in heads.HEADS], device)
        to_do = [job for job in to_do if job[0].head not in heads.HEADS]
    if to_do:
        # Long ones first, so that workers end together.
        to_do.sort(key=lambda job: (job[0].head == "cnn", job[0].trained_on.vectors.size), reverse=True)
        ended = processes.run(_run, to_do, workers)
        for _ in progress.over(ended, _named(unit for unit, _ in to_do), len(to_do), "heads on all folds"):
            pass
    return files


def _named(units: Iterable[Unit]) -> str:
    """Return what a run of units is, for its lines on a screen that others share."""
    sides = {(unit.trained_on.ptm, unit.trained_on.corpus) for unit in units}
    ptm, corpus = sides.pop()
    return "training" if sides else f"training on {corpus}, {ptm}"


def _check_inputs(units: Sequence[Unit]) -> None:
    alike: dict[str, list[Unit]] = {}
    for unit in units:
        alike.setdefault(
            json.dumps([unit.regime, unit.protocol["emotions"], unit.protocol["n_folds"]]), []
        ).append(unit)
    for some in alike.values():
        of_corpus = {e.corpus: e.utterances for unit in some for e in (unit.trained_on, *unit.tests)}
        guards.check_inputs(of_corpus, [some[0].regime], some[0].protocol)


def utterances(corpus_ids: Iterable[str], source: str = "pack") -> pd.DataFrame:
    """Return the utterances that are trained and tested on, of several corpora together.

    Returns
    -------
    Their tables, `corpora.COLUMNS`, one below the other, without what has no fold in any regime.
    """
    tables = []
    for corpus in corpus_ids:
        table = store.read_scan(corpus, source).utterances
        tables.append(table[table["utterance"].isin(folds.load(corpus, table)["utterance"])])
    return pd.concat(tables, ignore_index=True)


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


def _files(unit: Unit, known: dict[tuple, str], device: str) -> tuple[Path, Path]:
    here = [unit.trained_on, *unit.tests]
    emotions = classes(unit.trained_on, unit.protocol)
    for e in here:
        # By object: one model and corpus can come with several poolings. Units keep their embeddings alive.
        if ("vectors", id(e.vectors)) not in known:
            known["vectors", id(e.vectors)] = _hash(e)
        if ("rows", unit.regime, *emotions, id(e.utterances)) not in known:
            known["rows", unit.regime, *emotions, id(e.utterances)] = _hash_rows(e, unit.regime, emotions)
    identity = {
        "unit": json.dumps(list(unit.keys.values())),
        "embeddings": json.dumps([(e.corpus, known["vectors", id(e.vectors)]) for e in here]),
        "rows": json.dumps([known["rows", unit.regime, *emotions, id(e.utterances)] for e in here]),
        "protocol": json.dumps(unit.settings, sort_keys=True),
        "code": _code(unit.head),
        "device": device if unit.head in heads.HEADS else "cpu",
        "libraries": versions.of_some("keras", "torch", "numpy", "scikit-learn"),
    }
    stem = f"{unit.head}-{unit.regime}-{unit.seed}-{store.key(identity)}"
    folder = paths.BUILD / "predictions" / unit.trained_on.ptm / unit.trained_on.corpus
    return folder / f"{stem}.parquet", folder / f"{stem}.history.parquet"


@functools.cache
def _code(head: str) -> str:
    own = ["baselines"] if head in baselines.BASELINES else ["heads", "train", "engine"]
    return versions.of_code(*(Path(__file__).with_name(f"{name}.py") for name in (*own, "folds", "evaluate")))


def _hash(embeddings: store.Embeddings) -> str:
    return hashlib.sha256(embeddings.vectors.tobytes()).hexdigest()


def _hash_rows(embeddings: store.Embeddings, regime: str, emotions: list[str]) -> str:
    """Return a hash of what training and tests take from a table of utterances, and of which vector is whose."""
    table = embeddings.utterances.rename_axis("position").reset_index()
    rows, _ = _with_folds(dataclasses.replace(embeddings, utterances=table), regime, emotions)
    used = rows[["position", "utterance", "sha256", "emotion", "fold"]]
    used = used.assign(group=folds.groups(embeddings.corpus, rows, regime))
    return hashlib.sha256(used.to_csv(index=False).encode()).hexdigest()


def _run(unit: Unit, files: tuple[Path, Path]) -> None:
    _keep(train_and_test(unit), files, records.of_run(unit.protocol))


def _run_stacked(jobs: list[tuple[Unit, tuple[Path, Path]]], device: str) -> None:
    """Train the heads of many units on a GPU at once, as many as go into a stack."""
    from crosscorpus import engine

    kinds = [
        (unit.head, unit.trained_on.vectors.shape[1], unit.trained_on.corpus, json.dumps(unit.settings))
        for unit, _ in jobs
    ]
    unlike = dict.fromkeys(kinds)
    for kind in progress.over(unlike, "training heads", len(unlike), "kinds of stacks"):
        alike = [job for job, other in zip(jobs, kinds, strict=True) if other == kind]
        settings = alike[0][0].settings
        size = max(1, engine.STACK // settings["n_folds"])
        for start in range(0, len(alike), size):
            some = alike[start : start + size]
            tasks = [_tasks(unit) for unit, _ in some]
            fitted = iter(engine.fit_many(list(itertools.chain(*tasks)), settings, device))
            for (unit, files), own in zip(some, tasks, strict=True):
                tables = _of_heads(unit, list(itertools.islice(fitted, len(own))))
                _keep(tables, files, records.of_run(unit.protocol, device))


def _keep(tables: tuple[pd.DataFrame, pd.DataFrame], files: tuple[Path, Path], record: dict[str, Any]) -> None:
    for table, file in zip(tables, files, strict=True):
        store.replace_file(file, functools.partial(records.write, table, record=record))


def training_summary(history: pd.DataFrame) -> pd.DataFrame:
    """Return how training went, by head, training corpus and regime.

    Columns: trainings, n_train and n_validation (utterances, mean), validation_share (percent), epochs (mean
    number run), best_epoch (mean, by validation loss), train_accuracy and validation_accuracy (mean, percent, of
    the weights that were kept). Nothing is held out where n_validation is 0, and validation_accuracy is missing
    there.
    """
    rows = []
    for group, part in history.groupby(["head", "train_corpus", "regime"], sort=False):
        runs = part.groupby(["ptm", "seed", "fold"])
        best = part.loc[runs["val_loss"].idxmin()]
        held_out, sizes = best["n_validation"] > 0, best[["n_train", "n_validation"]].sum()
        rows.append(
            {
                **dict(zip(("head", "train_corpus", "regime"), group, strict=True)),
                "trainings": runs.ngroups,
                "n_train": best["n_train"].mean(),
                "n_validation": best["n_validation"].mean(),
                "validation_share": 100 * sizes["n_validation"] / sizes.sum(),
                "epochs": runs["epoch"].max().mean(),
                "best_epoch": best["epoch"].mean(),
                "train_accuracy": 100 * best["train_accuracy"].mean(),
                "validation_accuracy": 100 * best.loc[held_out, "validation_accuracy"].mean(),
            }
        )
    return pd.DataFrame(rows)


def tables(corpus_ids: Iterable[str], source: str = "pack") -> dict[str, pd.DataFrame]:
    """Return the tables of utterances that are stored, by corpus."""
    found = {}
    for corpus in corpus_ids:
        with contextlib.suppress(store.NotStoredError):
            found[corpus] = store.read_scan(corpus, source).utterances
    return found


def left_out(
    corpus_ids: Sequence[str],
    regimes: Sequence[str],
    protocol: Protocol,
    source: str = "pack",
    train_corpora: Sequence[str] | None = None,
    test_corpora: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return `cells.left_out` of the corpora whose tables of utterances are stored; parameters as in `grid`."""
    return cells.left_out(tables(corpus_ids, source), regimes, protocol, train_corpora, test_corpora)
