"""Extractors: from a batch of waveforms to one embedding per utterance.

An extractor is a function ``extract(waveforms) -> embeddings``: a list of float32 arrays (mono, 16 kHz, any
lengths) in, a float32 array [utterances, dim] out. Each module of this package serves one ecosystem and has a
function ``load(model, weights, pooling, device) -> Extractor`` and a table ``POOLINGS`` of what it can do.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import yaml

from crosscorpus import names, paths

Extract = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Model:
    """One entry of the registry; the fields are described at the head of `data/models.yaml`."""

    id: str
    name: str
    family: str
    handle: str
    dimension: int
    source: str
    citation: str = ""
    loader: str = ""
    revision: str = ""
    layer: str = ""
    pooling: str = ""
    licence: str = ""
    dimension_paper: int | None = None
    parameters: int | None = None
    parameters_paper: int | None = None


@dataclass(frozen=True)
class Extractor:
    """A model that is ready to run: the function, and the facts that name its embeddings."""

    extract: Extract
    parameters: int
    weights_dtype: str
    device: str


class NotAvailableError(RuntimeError):
    """A model that cannot be run here; the message says what is needed."""


@functools.cache
def registry() -> dict[str, Model]:
    """Return all known models by id, in the order of `data/models.yaml`."""
    entries: Mapping = yaml.safe_load((paths.DATA / "models.yaml").read_text(encoding="utf-8"))
    return {key: Model(id=key, **entry) for key, entry in entries.items()}


def get(ptm: str) -> Model:
    """Return one model; an unknown id raises `names.UnknownNameError`, which lists the known ones."""
    return registry()[names.check(ptm, registry(), "model")]


def loader(ptm: str) -> ModuleType:
    """Return the module that runs a model.

    Raises
    ------
    NotAvailableError
        This project has no loader for it yet.
    """
    model = get(ptm)
    if not model.loader:
        raise NotAvailableError(f"{model.name}: there is no loader for {model.handle} yet")
    return importlib.import_module(f"crosscorpus.extractors.{model.loader}")


def poolings(ptm: str) -> dict[str, str]:
    """Return the pooling options of a model: name and meaning."""
    return dict(loader(ptm).POOLINGS)


def local_weights(ptm: str, mirror: str | None = None) -> Path | None:
    """Return the folder of a model's weights in the mirror (`weights/<ptm>`), or None."""
    root = paths.mirror(mirror)
    folder = root / "weights" / get(ptm).id if root else None
    return folder if folder and folder.is_dir() else None


def load(ptm: str, pooling: str = "", device: str = "auto", mirror: str | None = None) -> Extractor:
    """Load a model, frozen and in evaluation mode.

    Parameters
    ----------
    ptm
        Id in the registry.
    pooling
        One of `poolings(ptm)`; "" for the registry's default.
    device
        "cpu", "cuda", or "auto" for a GPU where there is one.
    mirror
        Folder of local copies, looked in before the model's own home; see `paths.mirror`.

    Raises
    ------
    names.UnknownNameError
        The model or the pooling is not known.
    NotAvailableError
        There is no loader for the model, or its weights are neither here nor to be had.
    """
    model, module = get(ptm), loader(ptm)
    chosen = names.check(pooling or model.pooling, module.POOLINGS, "pooling")
    return module.load(model, local_weights(ptm, mirror), chosen, choose_device(device))


def choose_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cuda" or "cpu"."""
    import torch  # heavy, and not needed to read the registry

    names.check(device, ["auto", "cpu", "cuda"], "device")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def card(ptm: str) -> pd.DataFrame:
    """Return what the registry knows of a model, this project's facts beside the paper's."""
    model = get(ptm)

    def count(value: int | None) -> str:
        return f"{value / 1e6:.2f} M" if value else "–"

    rows = {
        "family": (model.family, model.family),
        "weights": (f"{model.handle} at {model.revision or 'no pinned revision yet'}", model.source),
        "dimension": (str(model.dimension), str(model.dimension_paper or "–")),
        "parameters": (count(model.parameters), count(model.parameters_paper)),
        "layer": (model.layer or "–", "last hidden states"),
        "pooling": (model.pooling or "–", "average"),
        "licence": (model.licence or "–", "–"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this project", "paper"])
