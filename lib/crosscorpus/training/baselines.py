"""Classical classifiers beside the paper's heads: cheap, and telling where they do better.

Each is a scikit-learn pipeline with the same scaling as the heads. They need no part of the training set for early
stopping, but are not given it either: `unit_of_work` trains them on the same utterances as the heads.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from crosscorpus.base import known_names
from crosscorpus.protocols.protocol_settings import Protocol

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# scikit-learn takes seconds to import, and what asks for names of baselines trains none: functions import it.

BASELINES = {
    "majority": "the most frequent emotion of the training folds, whatever the embedding",
    "logistic": "multinomial logistic regression, L2 penalty, C = {logistic_c}",
    "svm": "support vector machine with a radial kernel, C = {svm_c}",
}
"""What they are, by name; settings of the protocol stand in braces."""


def describe(protocol: Protocol) -> pd.DataFrame:
    """Return what the baselines are with some settings, a row each: baseline, what."""
    rows = [(baseline, BASELINES[baseline].format(**protocol)) for baseline in BASELINES]
    return pd.DataFrame(rows, columns=["baseline", "what"])


def fit(baseline: str, X: np.ndarray, y: np.ndarray, protocol: Protocol) -> Pipeline:
    """Train a baseline.

    Parameters
    ----------
    baseline
        "majority", "logistic" or "svm".
    X, y
        Embeddings float32 [utterances, dim] and classes, whole numbers from 0 without gaps, [utterances].
    protocol
        Settings, see `protocol_settings.load`.

    Raises
    ------
    known_names.UnknownNameError
        There is no such baseline.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    scaler = StandardScaler() if protocol["scaling"] == "standardise" else FunctionTransformer()
    classifier = _classifier(known_names.check(baseline, BASELINES, "baseline"), protocol)
    with _one_thread():  # workers stand side by side, and the same bytes however many cores
        return Pipeline([("scale", scaler), ("classify", classifier)]).fit(X, y)


@functools.cache
def _libraries() -> ThreadpoolController:
    # Looked for once all that computes is loaded, and once: it reads the map of the process's memory each time.
    return ThreadpoolController()


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    return _libraries().limit(limits=1)


def _classifier(baseline: str, protocol: Protocol) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    if baseline == "majority":
        return DummyClassifier(strategy="prior")
    if baseline == "logistic":
        return LogisticRegression(C=protocol["logistic_c"], max_iter=2000)
    return SVC(C=protocol["svm_c"], kernel="rbf", gamma="scale", break_ties=True)


def predict(fitted: Pipeline, X: np.ndarray) -> np.ndarray:
    """Return class probabilities, float32 [utterances, classes], of embeddings [utterances, dim].

    Those of the SVM are the softmax of its one-against-rest decision values: they rank classes as it does, and are
    not calibrated.
    """
    from scipy.special import softmax
    from sklearn.svm import SVC

    with _one_thread():
        if isinstance(fitted["classify"], SVC):
            values = fitted.decision_function(X)
            if values.ndim == 1:  # two classes
                values = np.stack([-values, values], axis=1)
            return softmax(values, axis=1).astype(np.float32)
        return fitted.predict_proba(X).astype(np.float32)
