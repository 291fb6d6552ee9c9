"""How good a head is on a corpus that it never heard: each corpus in turn is left out of training, and tested."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import calibration, label_sets, metrics
from crosscorpus.training import kept_heads, unit_of_work
from crosscorpus.training.training_sets import TrainingSet

REGIME = "unheard"
"""What tables have as folds: there are none, all of a corpus is tested."""
COLUMNS = ["test_corpus", "n_utterances", "emotions", "chance", "uar", "uar_low", "uar_high", "accuracy"]
SURENESS = ["sure", "ece", "sure_calibrated", "ece_calibrated"]


@dataclass(frozen=True)
class Evidence:
    """A head, and what heads made like it are worth on corpora that they never heard.

    Attributes
    ----------
    head
        Trained on all corpora that were chosen.
    predictions
        By heads of the same recipe, each on a corpus that was left out of its training, or never in it:
        `unit_of_work.COLUMNS` and `p_<emotion>`.
    """

    head: kept_heads.KeptHead
    predictions: pd.DataFrame


def gather(name: str, given: TrainingSet, every: TrainingSet, settings: Protocol) -> Evidence:
    """Train a head on some corpora, and test its recipe on each corpus that there is.

    Parameters
    ----------
    name
        The head's, see `heads.HEADS`.
    given
        What the head is trained on.
    every
        All that may be tested on, the corpora of `given` among it.
    settings
        See `kept_heads.settings_of`.
    """
    rests = {corpus: given.of([one for one in given.corpora if one != corpus]) for corpus in every.corpora}
    rests = {corpus: rest for corpus, rest in rests.items() if len(rest.emotions) > 1}
    head, *others = kept_heads.find_or_train(name, [given, *rests.values()], settings)
    tables = [
        _tested(name, rest, other, every.of([corpus]))
        for (corpus, rest), other in zip(rests.items(), others, strict=True)
    ]
    found = [table for table in tables if len(table)]
    return Evidence(head, pd.concat(found, ignore_index=True) if found else pd.DataFrame())


def _tested(name: str, rest: TrainingSet, head: kept_heads.KeptHead, tests: TrainingSet) -> pd.DataFrame:
    told = tests.rows["emotion"].isin(head.emotions).to_numpy()
    rows = tests.rows.loc[told, ["utterance", "emotion"]].reset_index(drop=True)
    if rows["emotion"].nunique() < 2:
        return pd.DataFrame()
    p = head.probabilities(tests.X[told])
    shared = np.isin(head.emotions, rows["emotion"].unique())
    keys = (rest.ptm, name, REGIME, kept_heads.SEED, "+".join(rest.corpora))
    table = rows.assign(**dict(zip(unit_of_work.UNIT, keys, strict=True)), test_corpus=tests.corpora[0], fold=1)
    table["predicted"] = np.array(head.emotions)[np.where(shared, p, -1).argmax(axis=1)]
    columns = [f"p_{emotion}" for emotion in head.emotions]
    return pd.concat([table[unit_of_work.COLUMNS], pd.DataFrame(p, columns=columns)], axis=1)


def scores(evidence: Evidence, utterances: pd.DataFrame) -> pd.DataFrame:
    """Score the recipe on each corpus that it never heard.

    Parameters
    ----------
    utterances
        `corpus`, `utterance` and `speaker` of all that were tested.

    Returns
    -------
    A row for each corpus: `COLUMNS`, with a 95 % interval of UAR over its speakers, and `SURENESS`: mean
    confidence and expected calibration error as trained, and with the temperature that fits the other corpora
    best; all but counts and emotions in percent or points. Without rows where no corpus could be left out.
    """
    if evidence.predictions.empty:
        return pd.DataFrame(columns=[*COLUMNS, *SURENESS])
    table = metrics.interval(evidence.predictions, utterances)
    table = table.merge(calibration.calibration(evidence.predictions)[["test_corpus", "sure", "ece"]])
    softened = []
    for corpus, part in evidence.predictions.groupby("test_corpus", sort=False):
        t = temperature(evidence, without=str(corpus))[0]
        softened.append(_softened(part, t))
    again = calibration.calibration(pd.concat(softened, ignore_index=True))[["test_corpus", "sure", "ece"]]
    return table.merge(again, on="test_corpus", suffixes=("", "_calibrated"))[[*COLUMNS, *SURENESS]]


def temperature(evidence: Evidence, without: str = "") -> tuple[float, list[str]]:
    """Return the temperature that fits corpora which were not heard best, and which these are.

    Only corpora with all of the head's emotions count. Where there is none, it is that of the part of the training
    corpora that was held out, and the list is empty: that one does not tell how sure a head is elsewhere.

    `without` leaves out a corpus, so that what is said of it was not fitted on it.
    """
    emotions, table = evidence.head.emotions, evidence.predictions
    if len(table):
        table = label_sets.alike(table, emotions, label_sets.text(emotions))
        table = table[table["test_corpus"] != without]
    columns = [f"p_{emotion}" for emotion in emotions]
    if table.empty or not set(columns) <= set(table):
        return evidence.head.temperature, []
    known = table[table[columns].notna().all(axis=1)]
    y = known["emotion"].map(list(emotions).index).to_numpy()
    return calibration.temperature(known[columns].to_numpy(), y), list(known["test_corpus"].unique())


def _softened(part: pd.DataFrame, t: float) -> pd.DataFrame:
    columns = [c for c in part if str(c).startswith("p_") and part[c].notna().all()]
    return part.assign(
        **dict(zip(columns, calibration.with_temperature(part[columns].to_numpy(), t).T, strict=True))
    )


def mean(table: pd.DataFrame, emotions: Sequence[str]) -> dict[str, float] | None:
    """Return means over the corpora that are tested on all of a head's emotions, and how many these are.

    To tell fewer emotions apart is another task: other corpora are left out. `uar`, `accuracy`, `ece` and
    `ece_calibrated`, the lowest and highest UAR, `chance` and `n`; None where there is no such corpus.
    """
    alike = table[table["emotions"] == label_sets.text(emotions)] if len(table) else table
    if not len(alike):
        return None
    means = {name: float(alike[name].mean()) for name in ("uar", "accuracy", "ece", "ece_calibrated", "chance")}
    return means | {"lowest": float(alike["uar"].min()), "highest": float(alike["uar"].max()), "n": len(alike)}
