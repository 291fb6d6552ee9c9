"""Which cells of a grid can be run, and why others cannot: too few speakers, emotions or utterances.

What is wrong with one corpus leaves out its own cells and no others; `left_out` says which and why.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from crosscorpus.corpora import corpus_registry
from crosscorpus.protocols import folds
from crosscorpus.protocols.protocol_settings import Protocol

COLUMNS = ["regime", "train_corpus", "test_corpus", "reason"]
LEAST = 2
"""Emotions that a cell must tell apart, and utterances of each that every training set must have."""


class NothingLeftError(ValueError):
    """No cell of a grid can be run; the message says why, by corpus."""

    def _render_traceback_(self) -> list[str]:
        # Jupyter asks for this: the sentence, without the lines of code that led to it.
        return [f"Nothing to run: {self}"]


def left_out(
    utterances: Mapping[str, pd.DataFrame],
    regimes: Iterable[str],
    protocol: Protocol,
    train_corpora: Iterable[str] | None = None,
    test_corpora: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Return the cells that cannot be run.

    Parameters
    ----------
    utterances
        Tables with `corpora.COLUMNS`, by corpus.
    regimes
        Of folds.
    protocol
        Settings, see `protocol_settings.load`.
    train_corpora, test_corpora
        Sides of the grid; None for all corpora.

    Returns
    -------
    A table with `COLUMNS`. Where nothing can be trained on a corpus, `test_corpus` is empty, and where nothing can
    be tested on it, `train_corpus` is.
    """
    rows: list[tuple[str, str, str, str]] = []
    trained = [c for c in (utterances if train_corpora is None else train_corpora) if c in utterances]
    tested = [c for c in (utterances if test_corpora is None else test_corpora) if c in utterances]
    for regime in regimes:
        usable = {c: _usable(c, utterances[c], regime, protocol) for c in {*trained, *tested}}
        no_test = {c: _why_not_tested(c, utterances[c], usable[c], regime, protocol) for c in usable}
        no_training = {c: no_test[c] or _why_not_trained(usable[c], regime) for c in trained}
        rows += [(regime, c, "", why) for c, why in no_training.items() if why]
        rows += [(regime, "", c, no_test[c]) for c in tested if no_test[c]]
        used = {c: set(table["emotion"].unique()) for c, table in usable.items()}
        tested_on = {c: set(table.loc[table["fold"] > 0, "emotion"].unique()) for c, table in usable.items()}
        for source in (c for c in trained if not no_training[c]):
            for target in (c for c in tested if not no_test[c]):
                shared = sorted(used[source] & tested_on[target])
                if len(shared) < LEAST:
                    rows.append((regime, source, target, _too_few(shared, "they share", protocol)))
    return pd.DataFrame(rows, columns=COLUMNS)


def is_left_out(table: pd.DataFrame, regime: str, train_corpus: str, test_corpus: str) -> bool:
    """Return whether a cell is among those of `left_out`."""
    here = table[table["regime"] == regime]
    whole = (here["train_corpus"] == train_corpus) & (here["test_corpus"] == "")
    test = (here["train_corpus"] == "") & (here["test_corpus"] == test_corpus)
    pair = (here["train_corpus"] == train_corpus) & (here["test_corpus"] == test_corpus)
    return bool((whole | test | pair).any())


def sentences(table: pd.DataFrame) -> list[str]:
    """Return what `left_out` found as sentences, each reason once, with regimes and sides that it holds for."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for (source, target, reason), part in table.groupby(["train_corpus", "test_corpus", "reason"], sort=False):
        regimes = " and ".join(part["regime"])
        cell = " to ".join(_name(c) for c in (source, target) if c)
        side = "training on" if not target else "testing on" if not source else "from"
        said.setdefault((regimes, cell, reason), []).append(side)
    return [
        f"Left out with {regimes} folds: {' and '.join(sides).replace('training on and', 'training and')} {cell}: "
        f"{reason}."
        for (regimes, cell, reason), sides in said.items()
    ]


def listed(table: pd.DataFrame) -> str:
    """Return `sentences` as a list in Markdown; empty where nothing is left out."""
    return "\n".join(f"- {said}" for said in sentences(table))


def _name(corpus: str) -> str:
    return corpus_registry.get(corpus).name


def _usable(corpus: str, table: pd.DataFrame, regime: str, protocol: Protocol) -> pd.DataFrame:
    """Return the utterances that are trained and tested on, with their fold; none where there are no folds."""
    if not folds.possible(corpus, table, regime):
        return table.iloc[:0].assign(fold=0)
    dealt = folds.load(corpus, table, regime)[["utterance", "fold"]]
    return table[table["emotion"].isin(protocol["emotions"])].merge(dealt, on="utterance")


def _why_not_tested(
    corpus: str, table: pd.DataFrame, usable: pd.DataFrame, regime: str, protocol: Protocol
) -> str:
    if not len(table):
        return "it has no utterance that can be used"
    if why := folds.why_not(corpus, table, regime):
        return why
    emotions = sorted(set(usable.loc[usable["fold"] > 0, "emotion"]))
    return _too_few(emotions, "it has", protocol) if len(emotions) < LEAST else ""


def _too_few(emotions: list[str], who: str, protocol: Protocol) -> str:
    if not emotions:
        return f"{who} none of the emotions {', '.join(protocol['emotions'])}"
    return f"{who} one emotion alone, {emotions[0]}, so that every answer would be right"


def _why_not_trained(usable: pd.DataFrame, regime: str) -> str:
    tested = sorted(set(usable.loc[usable["fold"] > 0, "fold"]))
    counted = {n: usable["emotion"][folds.parts(usable["fold"], n, regime)[0]].value_counts() for n in tested}
    rest = pd.DataFrame(counted, sorted(set(usable["emotion"]))).fillna(0).astype(int)
    if (rest >= LEAST).to_numpy().all():
        return ""
    row, column = np.argwhere((rest < LEAST).to_numpy())[0]
    emotion, fold = rest.index[row], rest.columns[column]
    of_emotion = usable[usable["emotion"] == emotion]
    speakers = sorted(set(of_emotion["speaker"]))
    by = f", all by {speakers[0]}" if len(speakers) == 1 and speakers[0] else ""
    return (
        f"{emotion} has {len(of_emotion)} utterances{by}: without fold {fold} there are "
        f"{rest.loc[emotion, fold]} to train on, where {LEAST} are needed; record more, or leave the emotion out"
    )
