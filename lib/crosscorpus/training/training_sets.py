"""Utterances of several corpora together, to train one head on."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crosscorpus.base import text_columns
from crosscorpus.embeddings import store, store_folders
from crosscorpus.protocols import folds
from crosscorpus.scores import guard_parts


@dataclass(frozen=True)
class TrainingSet:
    """Utterances with the emotions that are told apart, one corpus below the other.

    Attributes
    ----------
    ptm
        The model.
    corpora
        In the order of the rows.
    emotions
        That at least one of the corpora has, in the protocol's order.
    X
        Embeddings, float32 [utterances, dim].
    rows
        `corpus`, `utterance`, `speaker`, `sha256`, `emotion`, `seconds`, and `group`: what is kept whole where a
        part is held out (a speaker of a corpus), [utterances].
    """

    ptm: str
    corpora: tuple[str, ...]
    emotions: tuple[str, ...]
    X: np.ndarray
    rows: pd.DataFrame

    @property
    def y(self) -> np.ndarray:
        """Classes, places in `emotions`, [utterances]."""
        return self.rows["emotion"].map(list(self.emotions).index).to_numpy()

    def of(self, corpora: Sequence[str]) -> "TrainingSet":
        """Return the part that is of some corpora; emotions that they lack are gone."""
        here = self.rows["corpus"].isin(corpora).to_numpy()
        rows = self.rows[here].reset_index(drop=True)
        emotions = tuple(emotion for emotion in self.emotions if emotion in set(rows["emotion"]))
        kept = tuple(corpus for corpus in self.corpora if corpus in set(rows["corpus"]))
        return dataclasses.replace(self, corpora=kept, emotions=emotions, X=self.X[here], rows=rows)

    @property
    def digest(self) -> str:
        """A hash of all of it (64 hex digits)."""
        text = self.rows[["corpus", "utterance", "sha256", "emotion", "group"]].to_csv(index=False)
        return hashlib.sha256(text.encode() + np.ascontiguousarray(self.X).tobytes()).hexdigest()


def gather(embedded: Sequence[store.Embeddings], emotions: Sequence[str]) -> TrainingSet:
    """Return the utterances of some corpora that have one of the emotions, with a model's embeddings.

    Corpora are in the order of their ids: what is trained does not depend on the order in which they are named.
    Utterances that no regime has a fold for (repeated audio, say) are left out, as in the grid.

    Raises
    ------
    guard_parts.GuardError
        There are fewer than two emotions: nothing could be told apart.
    """
    embedded = sorted(embedded, key=lambda e: e.corpus)
    parts, vectors = [], []
    for e in embedded:
        table = e.utterances
        dealt = text_columns.isin(table["utterance"], folds.with_fold(e.corpus, table))
        kept = (table["emotion"].isin(emotions) & dealt).to_numpy()
        part = table[kept].reset_index(drop=True)
        regime = "speaker" if folds.possible(e.corpus, part, "speaker") else "stratified"
        group = e.corpus + "/" + folds.groups(e.corpus, part, regime).astype(str)
        parts.append(part[["corpus", "utterance", "speaker", "sha256", "emotion", "seconds"]].assign(group=group))
        vectors.append(e.vectors[kept])
    rows = pd.concat(parts, ignore_index=True)
    found = tuple(emotion for emotion in emotions if emotion in set(rows["emotion"]))
    if len(found) < 2:
        named = ", ".join(e.corpus for e in embedded)
        raise guard_parts.GuardError(
            f"{named}: of {', '.join(emotions)} these corpora have {', '.join(found) or 'none'}; a head needs "
            "two or more to tell apart: train on other corpora"
        )
    return TrainingSet(embedded[0].ptm, tuple(e.corpus for e in embedded), found, np.concatenate(vectors), rows)


def stored(ptm: str, corpora: Sequence[str], source: str) -> list[store.Embeddings]:
    """Return the embeddings of all corpora that are named; of none named, of all that the pack has.

    Raises
    ------
    store_folders.NotStoredError
        One of those that are named, or all, are not stored; the message has the command that makes them.
    known_names.UnknownNameError
        There is no such corpus.
    """
    if corpora:
        return [store.load(ptm, corpus, source) for corpus in dict.fromkeys(corpora)]
    found = list(store.available([ptm], store_folders.packed_corpora(), source).values())
    if not found:
        raise store_folders.NotStoredError(f"the pack has no embeddings by {ptm}; name corpora to train on")
    return found
