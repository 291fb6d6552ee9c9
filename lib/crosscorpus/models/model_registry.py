"""Which models there are: the facts of `data/models.yaml`."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from crosscorpus.base import added_files, known_names, paths
from crosscorpus.models import own_models


@dataclass(frozen=True)
class Model:
    """One entry of the registry; the fields are described at the head of `data/models.yaml`."""

    id: str
    name: str
    family: str
    handle: str
    dimension: int
    source: str
    loader: str
    home: str = "huggingface"
    citation: str = ""
    revision: str = ""
    layer: str = ""
    pooling: str = "clip"
    licence: str = ""
    in_paper: bool = False
    note: str = ""
    needs: str = ""
    twin_of: str = ""
    seed: int | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    also_at: Sequence[str] = ()
    dimension_paper: int | None = None
    parameters: int | None = None
    parameters_paper: int | None = None


class NotAvailableError(RuntimeError):
    """A model that cannot be run here; the message says what is needed."""


def registry() -> dict[str, Model]:
    """Return all known models by id, in the order of `data/models.yaml`, then those of `own_models`."""
    known = dict(_of_file())
    for key, entry in own_models.entries().items():
        if key not in known:
            known[key] = Model(key, **entry)
        elif known[key].loader == own_models.LOADER:  # an entry of what nothing here runs
            known[key] = dataclasses.replace(known[key], handle=f"{known[key].handle}, {entry['handle']}")
    return known


@functools.cache
def _of_file() -> dict[str, Model]:
    entries: Mapping = yaml.safe_load((paths.DATA / "models.yaml").read_text(encoding="utf-8"))
    models: dict[str, Model] = {}
    loaders = [file.stem for file in (Path(__file__).parent / "loaders").glob("*.py") if file.stem != "__init__"]
    for key, entry in entries.items():
        what = f"{key} in data/models.yaml"
        if "twin_of" in entry:
            known_names.check(entry["twin_of"], models, f"twin_of of {what}")
        else:
            known_names.check_fields(entry, Model, what)
            known_names.check(entry["loader"], loaders, f"loader of {what}")
        models[key] = _twin(key, models[entry["twin_of"]], **entry) if "twin_of" in entry else Model(key, **entry)
    return models


def _twin(key: str, of: Model, twin_of: str, seed: int) -> Model:
    return dataclasses.replace(
        of,
        id=key,
        name=f"{of.name}, untrained",
        family="control",
        home="none",
        handle=f"random weights, seed {seed}",
        revision="",
        files={},
        also_at=(),
        licence="none needed: no trained weights",
        in_paper=False,
        note=f"the architecture of {of.id} with random weights: what the architecture alone is worth",
        twin_of=twin_of,
        seed=seed,
        dimension_paper=None,
        parameters_paper=None,
    )


def get(ptm: str) -> Model:
    """Return one model.

    Raises
    ------
    known_names.UnknownNameError
        There is no such model; the message lists those that there are.
    NotAvailableError
        Embeddings were added under the id of a model that is run here.
    """
    known = registry()
    model = known[known_names.check(ptm, known, "model")]
    if model.loader != own_models.LOADER and added_files.files(ptm):
        raise NotAvailableError(
            f"{paths.shown(added_files.folder() / ptm)}: a model {ptm} is run here; remove what "
            f"was added (`python -m crosscorpus.embeddings remove --model {ptm}`), and add it by another name"
        )
    return model


def is_made_elsewhere(ptm: str) -> bool:
    """Return whether nothing here runs a model, so that its embeddings can only be added."""
    return get(ptm).loader == own_models.LOADER


def of_paper() -> list[str]:
    """Return the ids of the paper's eight models."""
    return [key for key, model in registry().items() if model.in_paper]


def without_controls(ptms: Iterable[str]) -> list[str]:
    """Return those of some models that stand for themselves: no untrained twins, no other controls."""
    return [ptm for ptm in ptms if get(ptm).family != "control"]


def overview() -> pd.DataFrame:
    """Return all models, a row each: id, name, family, dimension and parameters, here and in the paper."""
    return pd.DataFrame(
        {
            "id": [m.id for m in registry().values()],
            "name": [m.name for m in registry().values()],
            "family": [m.family for m in registry().values()],
            "dimension": [m.dimension for m in registry().values()],
            "in the paper": pd.array([m.dimension_paper for m in registry().values()], dtype="Int64"),
            "parameters (M)": [(m.parameters or np.nan) / 1e6 for m in registry().values()],
            "parameters in the paper (M)": [(m.parameters_paper or np.nan) / 1e6 for m in registry().values()],
        }
    )


def card(ptm: str) -> pd.DataFrame:
    """Return what the registry knows of a model, this project's facts beside the paper's."""
    model = get(ptm)

    def count(value: int | None) -> str:
        return f"{value / 1e6:.2f} M" if value else "–"

    rows = {
        "what": (model.note or "one of the paper's models", "–"),
        "family": (model.family, model.family if model.in_paper else "–"),
        "weights": (model.handle + (f" at {model.revision}" if model.revision else ""), "–"),
        "dimension": (str(model.dimension), str(model.dimension_paper or "–")),
        "parameters": (count(model.parameters), count(model.parameters_paper)),
        "layer": (model.layer or "–", "last hidden states" if model.in_paper else "–"),
        "pooling": (model.pooling, "average" if model.in_paper else "–"),
        "licence": (model.licence or "–", "–"),
        "source": (model.source, "–"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this project", "paper"])


def model_name(ptm: str) -> str:
    """Return the name of a model as the paper writes it; words that are no model's id stay as they are."""
    return registry()[ptm].name if ptm in registry() else ptm
