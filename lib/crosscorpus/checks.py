"""Sanity checks of extractors and embeddings: whether they hold what they should, and nothing odd."""

import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances, silhouette_score

from crosscorpus import audio, corpora, extractors, store

LENGTHS = (0.2, 0.4, 0.6, 0.9)
"""Seconds of the noise that `padding` encodes."""


def relative_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the relative L2 difference of each row of two arrays [utterances, dim]."""
    return np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)


def padding(ptm: str, folder: Path | None, device: str = "cpu") -> tuple[str, pd.DataFrame]:
    """Encode clips of noise alone and together, and compare.

    Parameters
    ----------
    ptm
        Id in the registry.
    folder
        The model's files. None where there are none: then the network is a small one of the same kind, with two
        layers and random weights.
    device
        As of `extractors.load`.

    Returns
    -------
    What was run, in words, and a table with a row for each clip: `seconds`, `together` (relative L2 difference
    between the embedding in a batch of all clips and alone), and `zero_padded` where the model has that pooling.
    The table is empty for a model that cannot be built without its files, or needs a package that is not here.
    """
    model = extractors.get(ptm)
    if model.home == "none" or folder:
        what = "the model itself" if model.home != "none" or not model.seed else "the untrained model itself"
    elif model.architecture:
        model, what = _small(model), "a network of the same kind with two layers and random weights"
    else:
        return "nothing: its network comes with its weights", pd.DataFrame(columns=["seconds", "together"])
    rng = np.random.default_rng(0)
    noise = (rng.normal(scale=0.1, size=round(s * audio.SAMPLE_RATE)) for s in LENGTHS)
    clips = [clip.astype(np.float32) for clip in noise]
    columns: dict[str, object] = {"seconds": LENGTHS}
    loader = extractors.loader(ptm)
    for pooling, column in ((model.pooling, "together"), ("padded", "zero_padded")):
        if pooling in loader.POOLINGS:
            try:
                extract = loader.load(model, folder, pooling, device, "float32").extract
            except extractors.NotAvailableError as error:
                return f"nothing: {error}", pd.DataFrame(columns=["seconds", "together"])
            alone = np.concatenate([extract([clip]) for clip in clips])
            columns[column] = relative_difference(extract(clips), alone)
    return what, pd.DataFrame(columns)


def _small(model: extractors.Model) -> extractors.Model:
    layers = {"num_hidden_layers": 2, "encoder_layers": 2}
    shallow = {key: layers.get(key, value) for key, value in model.architecture.items()}
    if "class" in shallow and "preprocessing" in shallow:
        shallow["num_hidden_layers"] = 2
    return dataclasses.replace(model, seed=0, parameters=None, architecture=shallow)


def network(ptm: str) -> pd.DataFrame:
    """Count a model's parameters and dimension in its network itself, beside the registry and the paper.

    The network is built without memory for its weights.
    """
    import torch  # heavy, and not needed for the other checks

    model, loader = extractors.get(ptm), extractors.loader(ptm)
    counted, width = None, None
    if hasattr(loader, "build"):
        with torch.device("meta"):
            built = loader.build(model)
        counted = sum(p.numel() for p in built.parameters())
        width = getattr(getattr(built, "config", None), "hidden_size", None)
    rows = {
        "dimension": (width, model.dimension, model.dimension_paper),
        "parameters": (counted, model.parameters, model.parameters_paper),
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["counted here", "registry", "paper"])
    return table.astype("Int64")


def nearest_neighbour(embeddings: store.Embeddings) -> dict[str, float]:
    """Compare each utterance with its nearest neighbour (cosine) spoken by somebody else.

    Returns
    -------
    `agreement`: percent of utterances whose neighbour has the same emotion; `chance`: the same for a neighbour
    drawn at random from the other speakers' utterances.
    """
    table = embeddings.utterances
    emotion, speaker = table["emotion"].to_numpy(), table["speaker"].to_numpy()
    distance = pairwise_distances(embeddings.vectors, metric="cosine")
    other = speaker[:, None] != speaker[None, :]
    nearest = np.where(other, distance, np.inf).argmin(axis=1)
    same = emotion[:, None] == emotion[None, :]
    return {
        "agreement": 100 * float((emotion[nearest] == emotion).mean()),
        "chance": 100 * float(((same & other).sum(axis=1) / other.sum(axis=1)).mean()),
    }


def nearest_neighbours(ptms: Iterable[str], corpus_ids: Iterable[str], source: str) -> pd.DataFrame:
    """Return `nearest_neighbour` for every model and corpus with embeddings, a row each."""
    rows = []
    for ptm, corpus in itertools.product(ptms, corpus_ids):
        try:
            rows.append({"ptm": ptm, "corpus": corpus, **nearest_neighbour(store.load(ptm, corpus, source))})
        except store.NotStoredError:
            continue
    return pd.DataFrame(rows)


def repeated_audio(embeddings: store.Embeddings) -> pd.DataFrame:
    """Compare the embeddings of utterances with identical audio: they must be identical too.

    Returns
    -------
    A table [first, second, largest_difference] of such pairs.
    """
    rows = []
    table = corpora.repeated_audio(embeddings.utterances)
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
