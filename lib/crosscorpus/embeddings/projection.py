"""Embeddings in the plane, by t-SNE."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from crosscorpus.corpora import spoken_texts
from crosscorpus.embeddings import embedding_checks, store

NEIGHBOURS = ["corpus", "texts", "same_text", "text_chance", "same_emotion", "emotion_chance"]

FEWEST = 4


def tsne(vectors: np.ndarray, utterances: pd.DataFrame, seed: int = 0, perplexity: float = 30.0) -> pd.DataFrame:
    """Project standardised embeddings to two dimensions with t-SNE.

    Parameters
    ----------
    vectors
        Embeddings [utterances, dim].
    utterances
        Their table; its columns are kept.
    seed, perplexity
        Of t-SNE; the perplexity is lowered where there are few utterances.

    Returns
    -------
    The table with the columns `x` and `y`. Fewer than `FEWEST` utterances, which have no neighbours to speak of,
    are put in a row.
    """
    if len(vectors) < FEWEST:
        return utterances.assign(x=np.arange(len(vectors), dtype=float), y=0.0)
    scaled = StandardScaler().fit_transform(vectors)
    model = TSNE(init="pca", random_state=seed, perplexity=min(perplexity, (len(vectors) - 1) / 3))
    with threadpool_limits(1):  # sums in a fixed order: the same picture however many cores
        plane = model.fit_transform(scaled)
    return utterances.assign(x=plane[:, 0], y=plane[:, 1])


def neighbours_in_plane(planes: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how often a point's nearest neighbour in the plane has the same text, and the same emotion.

    Parameters
    ----------
    planes
        Corpus -> what `tsne` returns. Corpora that do not name all texts, or have one alone, are left out.

    Returns
    -------
    A row for each corpus, `NEIGHBOURS`: texts (how many), same_text and same_emotion (percent of points), and
    text_chance and emotion_chance, the same for a neighbour drawn at random.
    """
    rows = []
    for corpus, plane in planes.items():
        text = plane["text_id"].fillna("").to_numpy()
        if len(plane) < FEWEST or (text == "").any() or len(set(text)) < 2:
            continue
        _, nearest = NearestNeighbors(n_neighbors=2).fit(plane[["x", "y"]]).kneighbors(plane[["x", "y"]])
        other = np.where(nearest[:, 0] == np.arange(len(plane)), nearest[:, 1], nearest[:, 0])
        row: dict[str, object] = {"corpus": corpus, "texts": len(set(text))}
        for what, values in (("text", text), ("emotion", plane["emotion"].to_numpy())):
            sizes = np.unique(values, return_counts=True)[1]
            row[f"same_{what}"] = 100 * float((values[other] == values).mean())
            row[f"{what}_chance"] = 100 * float((sizes * (sizes - 1)).sum()) / (len(values) * (len(values) - 1))
        rows.append(row)
    return pd.DataFrame(rows, columns=NEIGHBOURS)


def gathers(same: float, chance: float) -> bool:
    """Return whether neighbours have more in common than not: more than halfway from chance to all, in percent."""
    return same - chance > (100 - chance) / 2


Part = tuple[np.ndarray, pd.DataFrame]


def common(ptm: str, corpus_ids: Sequence[str], source: str, emotions: Sequence[str]) -> dict[str, Part]:
    """Return embeddings and utterances of some emotions, by corpus; corpora without embeddings are left out.

    The column `text_id` is what is said, whoever says it: see `spoken_texts`.
    """
    parts = {}
    for (_, corpus), e in store.available([ptm], corpus_ids, source).items():
        keep = e.utterances["emotion"].isin(emotions).to_numpy()
        table = spoken_texts.named(corpus, e.utterances)
        parts[corpus] = (e.vectors[keep], table[keep].reset_index(drop=True))
    return parts


def of_emotion(parts: Mapping[str, Part], emotion: str) -> Part:
    """Return embeddings and utterances of one emotion from all corpora together."""
    masks = {corpus: (table["emotion"] == emotion).to_numpy() for corpus, (_, table) in parts.items()}
    vectors = np.concatenate([x[masks[corpus]] for corpus, (x, _) in parts.items()])
    return vectors, pd.concat([t[masks[corpus]] for corpus, (_, t) in parts.items()], ignore_index=True)


def silhouettes(parts: Mapping[str, Part], emotions: Sequence[str]) -> pd.DataFrame:
    """Return silhouettes (cosine, standardised embeddings) of several groupings.

    Rows are corpora, grouped by emotion, text and speaker, and emotions over all corpora, grouped by corpus; NaN
    where a grouping has one group only or does not apply.
    """
    groupings = {"by emotion": "emotion", "by text": "text_id", "by speaker": "speaker"}
    rows = {corpus: (*part, groupings) for corpus, part in parts.items()}
    for emotion in emotions if parts else ():
        part = of_emotion(parts, emotion)
        if len(part[0]):
            rows[emotion] = (*part, {"by corpus": "corpus"})
    table: dict[str, dict[str, float]] = {}
    for name, (x, utterances, columns) in rows.items():
        scaled = StandardScaler().fit_transform(x)
        # A silhouette takes two groups, and one of them with two members.
        several = {
            by: column for by, column in columns.items() if 1 < len(utterances[column].unique()) < len(utterances)
        }
        table[name] = {
            by: embedding_checks.separation(scaled, utterances[column]) for by, column in several.items()
        }
    return pd.DataFrame.from_dict(table, orient="index", columns=[*groupings, "by corpus"])
