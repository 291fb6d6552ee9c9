"""Sanity checks of extractors: padding, and the network that is run."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import sound
from crosscorpus.models import loading, model_registry

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
        As of `loading.load`.

    Returns
    -------
    What was run, in words, and a table with a row for each clip: `seconds`, `together` (relative L2 difference
    between the embedding in a batch of all clips and alone), and `zero_padded` where the model has that pooling.
    The table is empty for a model that cannot be built without its files, or needs a package that is not here.
    """
    model = model_registry.get(ptm)
    if model.home == "none" or folder:
        what = "the model itself" if model.home != "none" or not model.seed else "the untrained model itself"
    elif model.architecture:
        model, what = small(model), "a network of the same kind with two layers and random weights"
    else:
        return "nothing: its network comes with its weights", pd.DataFrame(columns=["seconds", "together"])
    rng = np.random.default_rng(0)
    noise = (rng.normal(scale=0.1, size=round(s * sound.SAMPLE_RATE)) for s in LENGTHS)
    clips = [clip.astype(np.float32) for clip in noise]
    columns: dict[str, object] = {"seconds": LENGTHS}
    loader = loading.loader(ptm)
    for pooling, column in ((model.pooling, "together"), ("padded", "zero_padded")):
        if pooling in loader.POOLINGS:
            try:
                extract = loader.load(model, folder, pooling, device, "float32").extract
            except model_registry.NotAvailableError as error:
                return f"nothing: {error}", pd.DataFrame(columns=["seconds", "together"])
            alone = np.concatenate([extract([clip]) for clip in clips])
            columns[column] = relative_difference(extract(clips), alone)
    return what, pd.DataFrame(columns)


def small(model: model_registry.Model) -> model_registry.Model:
    """Return a model of the same kind with two layers and random weights."""
    layers = {"num_hidden_layers": 2, "encoder_layers": 2}
    shallow = {key: layers.get(key, value) for key, value in model.architecture.items()}
    if "class" in shallow and "preprocessing" in shallow:
        shallow["num_hidden_layers"] = 2
    return dataclasses.replace(model, seed=0, parameters=None, architecture=shallow)


def network(ptm: str) -> pd.DataFrame:
    """Count a model's parameters and dimension in its network itself, beside the registry and the paper.

    The network is built without memory for its weights.
    """
    model, loader = model_registry.get(ptm), loading.loader(ptm)
    counted, width = None, None
    if hasattr(loader, "build"):
        import torch  # heavy, and only needed here

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
