"""One unit of work: a head trained on every fold of one corpus, and tested on all corpora.

Corpora may have different numbers of folds: fold i of a test corpus is tested by the training of fold
((i - 1) mod n) + 1 of a training corpus with n folds, see `guard_parts.training_fold`.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crosscorpus.base import text_columns
from crosscorpus.embeddings import store
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import guard_parts
from crosscorpus.training import baselines, heads, own_scaling, training_tasks

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from crosscorpus.training import train

# PyTorch and Keras take seconds to import, and a chapter whose predictions are all stored needs neither: `engine`
# and `train` are imported where a head is trained.

UNIT = ["ptm", "head", "regime", "seed", "train_corpus"]
COLUMNS = [*UNIT, "test_corpus", "fold", "utterance", "emotion", "predicted"]


@dataclass(frozen=True)
class Unit:
    """What is trained together and kept in one file: a head on every fold of one corpus, tested on several.

    `deal` is 0 for the folds that all results have, and from 1 for others: the number from which they are dealt.
    """

    head: str
    regime: str
    seed: int
    trained_on: store.Embeddings
    tests: Sequence[store.Embeddings]
    protocol: Protocol
    deal: int = 0

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
        return protocol_settings.used_by(self.protocol, self.head, "heads" if is_head else "baselines")


def classes(embeddings: store.Embeddings, regime: str, protocol: Protocol) -> list[str]:
    """Return the emotions that a head trained on a corpus tells apart: the protocol's that the corpus has.

    Of a published split, those that it has: it may leave out an emotion altogether.
    """
    table, published = embeddings.utterances, folds.published(embeddings.corpus, regime)
    if published is not None:
        table = table[text_columns.isin(table["utterance"], published.index)]
    present = set(table["emotion"].unique())
    return [emotion for emotion in protocol["emotions"] if emotion in present]


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
        return tested(unit, predictors(unit)), _curves(unit, [])
    from crosscorpus.training import engine

    return tested_heads(unit, engine.fit_many(trainings(unit), unit.settings, device))


def predictors(unit: Unit, device: str = "cpu") -> list[Callable[[np.ndarray], np.ndarray]]:
    """Train a unit's head on every fold; return what `tested` takes, for whichever embeddings are tested."""
    if unit.head in baselines.BASELINES:
        return [functools.partial(baselines.predict, _fitted_baseline(unit, task)) for task in trainings(unit)]
    from crosscorpus.training import engine, train

    fitted = engine.fit_many(trainings(unit), unit.settings, device)
    return [functools.partial(train.predict, one) for one in fitted]


def _fitted_baseline(unit: Unit, task: training_tasks.Task) -> "Pipeline":
    """Train a baseline on what a head is trained on: without the part that is held out for early stopping."""
    part, _ = training_tasks.parts(task, unit.settings)
    return baselines.fit(unit.head, task.X[part], task.y[part], unit.settings)


def _scaled(unit: Unit, of: tuple[pd.DataFrame, np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    rows, X = of
    return rows, own_scaling.scaled(X, rows, unit.settings["scaling"])


def tested_heads(unit: Unit, fitted: Sequence["train.Fitted"]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and learning curves of a unit whose heads are trained."""
    from crosscorpus.training import train

    predictions = tested(unit, [functools.partial(train.predict, one) for one in fitted])
    return predictions, _curves(unit, [one.history for one in fitted])


def trainings(unit: Unit) -> list[training_tasks.Task]:
    """Return the trainings of a unit, one for each fold."""
    emotions = classes(unit.trained_on, unit.regime, unit.protocol)
    rows, X = _scaled(unit, with_folds(unit.trained_on, unit.regime, emotions, unit.deal))
    y = rows["emotion"].map(emotions.index).to_numpy()
    # Where texts are parted from those of the test, too, early stopping still watches other speakers.
    kept = "speaker" if unit.regime in folds.CROSSED else unit.regime
    together = folds.groups(unit.trained_on.corpus, rows, kept).to_numpy()
    tasks = []
    for fold in range(1, rows["fold"].max() + 1):
        training, validation, _ = folds.parts(rows["fold"], fold, unit.regime)
        rest = training | validation
        held_out = validation[rest] if validation[rest].any() else None
        seed = 1000 * unit.seed + fold
        tasks.append(
            training_tasks.Task(unit.head, X[rest], y[rest], together[rest], len(emotions), seed, held_out)
        )
    return tasks


def tested(unit: Unit, predictors: Sequence[Callable[[np.ndarray], np.ndarray]]) -> pd.DataFrame:
    """Return the predictions of a unit (see `train_and_test`), by what has been trained on each of its folds.

    `predictors` are as many as `trainings`, in their order: each takes embeddings, float32 [utterances, dim], and
    returns class probabilities [utterances, classes].
    """
    emotions = classes(unit.trained_on, unit.regime, unit.protocol)
    targets = [
        (test.corpus, *_scaled(unit, with_folds(test, unit.regime, emotions, unit.deal))) for test in unit.tests
    ]
    shared = [np.isin(emotions, rows.loc[rows["fold"] > 0, "emotion"].unique()) for _, rows, _ in targets]
    last = max(rows["fold"].max() for _, rows, _ in targets)
    tables, probabilities, predicted = [], [], []
    for fold, ((corpus, rows, X), may_be) in itertools.product(
        range(1, last + 1), zip(targets, shared, strict=True)
    ):
        here = (rows["fold"] == fold).to_numpy()
        if here.any():
            p = predictors[guard_parts.training_fold(fold, len(predictors)) - 1](X[here])
            tables.append(rows.loc[here, ["utterance", "emotion", "fold"]].assign(test_corpus=corpus))
            probabilities.append(p)
            predicted.append(np.where(may_be, p, -1).argmax(axis=1))
    table = pd.concat(tables, ignore_index=True).assign(**unit.keys)
    table["predicted"] = np.array(emotions)[np.concatenate(predicted)]
    p_of = pd.DataFrame(np.concatenate(probabilities), columns=[f"p_{emotion}" for emotion in emotions])
    return pd.concat([table[COLUMNS], p_of], axis=1)


def _curves(unit: Unit, histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not histories:
        return pd.DataFrame(columns=[*UNIT, "fold"])
    each = [one.assign(**unit.keys, fold=fold) for fold, one in enumerate(histories, start=1)]
    history = pd.concat(each, ignore_index=True)
    return history[[*UNIT, "fold", *(c for c in history if c not in (*UNIT, "fold"))]]


def with_folds(
    embeddings: store.Embeddings, regime: str, emotions: list[str], deal: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the utterances that are trained or tested on, with folds (see `folds.parts`), and embeddings.

    `deal` is a unit's: the same utterances have folds in all of them.

    Raises
    ------
    ValueError
        Folds are to be dealt anew in a regime that does not draw them: whole speakers are dealt as evenly as can
        be, which leaves little to chance, and published splits are what they are.
    """
    corpus, table = embeddings.corpus, embeddings.utterances
    dealt = folds.load(corpus, table, regime)
    if deal:
        if regime != "stratified":
            raise ValueError(f"deal {deal}: folds are dealt anew in the regime stratified alone, not in {regime}")
        again = folds.make(corpus, table[text_columns.isin(table["utterance"], dealt["utterance"])], deal)
        dealt = again[again["regime"] == regime]
    rows = table.assign(fold=table["utterance"].map(dealt.set_index("utterance")["fold"]))
    keep = (rows["emotion"].isin(emotions) & rows["fold"].notna()).to_numpy()
    return rows[keep].reset_index(drop=True).astype({"fold": int}), embeddings.vectors[keep]
