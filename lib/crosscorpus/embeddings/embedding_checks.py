"""Sanity checks of embeddings: whether they hold what they should, and nothing odd."""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.preprocessing import StandardScaler

from crosscorpus.corpora import file_lists, spoken_texts
from crosscorpus.embeddings import store, store_folders


def nearest_neighbour(embeddings: store.Embeddings) -> dict[str, float]:
    """Compare each utterance with its nearest neighbour (cosine, standardised) spoken by somebody else.

    Dimensions are standardised over the corpus: features of unlike units, such as those of eGeMAPS, would else be
    compared by the largest ones alone. Who speaks, and which text, is what `spoken_texts` tells.

    Returns
    -------
    `agreement`: percent of utterances whose neighbour has the same emotion; `chance`: the same for a neighbour
    drawn at random from the other speakers' utterances; `same_text`: percent of utterances whose neighbour says
    the same text. Missing where nobody else speaks, or not every speaker is known; the last where not every text
    is.
    """
    table = embeddings.utterances
    known = spoken_texts.told(embeddings.corpus, table)
    emotion, speaker, text = (of.to_numpy() for of in (table["emotion"], known["speaker"], known["text"]))
    if (speaker == "").any() or len(set(speaker)) < 2:
        return dict.fromkeys(("agreement", "chance", "same_text"), np.nan)
    distance = pairwise_distances(StandardScaler().fit_transform(embeddings.vectors), metric="cosine")
    other = speaker[:, None] != speaker[None, :]
    nearest = np.where(other, distance, np.inf).argmin(axis=1)
    same = emotion[:, None] == emotion[None, :]
    return {
        "agreement": 100 * float((emotion[nearest] == emotion).mean()),
        "chance": 100 * float(((same & other).sum(axis=1) / other.sum(axis=1)).mean()),
        "same_text": 100 * float((text[nearest] == text).mean()) if (text != "").all() else np.nan,
    }


def nearest_neighbours(ptms: Iterable[str], corpus_ids: Iterable[str], source: str) -> pd.DataFrame:
    """Return `nearest_neighbour` for every model and corpus with embeddings, a row each."""
    rows = []
    for ptm, corpus in itertools.product(ptms, corpus_ids):
        try:
            rows.append({"ptm": ptm, "corpus": corpus, **nearest_neighbour(store.load(ptm, corpus, source))})
        except store_folders.NotStoredError:
            continue
    return pd.DataFrame(rows)


def repeated_audio(embeddings: store.Embeddings) -> pd.DataFrame:
    """Compare the embeddings of utterances with identical audio: they must be identical too.

    Returns
    -------
    A table [first, second, largest_difference] of such pairs.
    """
    rows = []
    table = file_lists.repeated_audio(embeddings.utterances)
    for _, same in table.groupby("sha256"):
        where = embeddings.utterances.index[embeddings.utterances["utterance"].isin(same["utterance"])]
        for other in where[1:]:
            gap = np.abs(embeddings.vectors[where[0]] - embeddings.vectors[other]).max()
            names = embeddings.utterances.loc[[where[0], other], "utterance"]
            rows.append((*names, float(gap)))
    return pd.DataFrame(rows, columns=["first", "second", "largest_difference"])


def separation(vectors: np.ndarray, labels: pd.Series) -> float:
    """Return the silhouette (cosine, -1 to 1) of labelled vectors: near 0 where labels do not form clusters."""
    return float(silhouette_score(vectors, labels, metric="cosine"))
