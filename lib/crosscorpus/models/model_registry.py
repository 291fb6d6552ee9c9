"""Which models there are: the facts of `data/models.yaml`, and of `data/models_of_benchmarks.yaml` beside it."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import added_files, known_names, paths, safe_yaml
from crosscorpus.models import own_models

OWN_FILE = "data/models.yaml"
"""Of the paper's models and those beside them; what other files hold is not in every table of the book."""
USED = ("labels", "audio", "chosen", "perhaps")
"""What a model can have had of a corpus before, by `trained_on`."""
UNHEARD, UNKNOWN = "no", "not known"


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
    layers: int | None = None
    bytes: int | None = None
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    in_protocols: Sequence[str] = ()
    known_issues: Sequence[str] = ()
    # The data file that it is in; "" for what was added.
    file: str = field(default="", metadata={"of_file": False})


class NotAvailableError(RuntimeError):
    """A model that cannot be run here; the message says what is needed."""


def registry() -> dict[str, Model]:
    """Return all known models by id, in the order of the data files, `models.yaml` first, then `own_models`'."""
    known = dict(_of_file())
    for key, entry in own_models.entries().items():
        if key not in known:
            known[key] = Model(key, **entry)
        elif known[key].loader == own_models.LOADER:  # an entry of what nothing here runs
            known[key] = dataclasses.replace(known[key], handle=f"{known[key].handle}, {entry['handle']}")
    return known


@functools.cache
def _of_file() -> dict[str, Model]:
    models: dict[str, Model] = {}
    loaders = [file.stem for file in (Path(__file__).parent / "loaders").glob("*.py") if file.stem != "__init__"]
    for file in (paths.DATA / "models.yaml", *sorted(paths.DATA.glob("models_*.yaml"))):
        entries: Mapping = safe_yaml.read(file.read_text(encoding="utf-8"))
        for key, entry in entries.items():
            shown = f"data/{file.name}"
            what = f"{key} in {shown}"
            if key in models:
                raise ValueError(f"{shown}: {key} is in {models[key].file} already; keep one of the two")
            if "twin_of" in entry:
                known_names.check(entry["twin_of"], models, f"twin_of of {what}")
                models[key] = _twin(key, models[entry["twin_of"]], **entry, file=shown)
                continue
            known_names.check_fields(entry, Model, what)
            known_names.check(entry["loader"], loaders, f"loader of {what}")
            for used in entry.get("trained_on", {}).get("corpora", {}).values():
                known_names.check(used, USED, f"use of a corpus in trained_on of {what}")
            models[key] = Model(key, **entry, file=shown)
    return models


def _twin(key: str, of: Model, twin_of: str, seed: int, file: str) -> Model:
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
        bytes=None,
        trained_on={"what": "nothing", "source": of.source, "complete": True},
        in_protocols=(),
        known_issues=(),
        file=file,
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


def of_this_book() -> list[str]:
    """Return the ids of the models that the book is about: those of `data/models.yaml`, and what was added.

    Those of other benchmarks, in data files beside it, are on one page, and in the grids of profiles with them.
    """
    return [key for key, model in registry().items() if model.file in (OWN_FILE, "") or added_files.files(key)]


def heard(ptm: str, corpus: str) -> str:
    """Return what a model has had of a corpus before it was asked of it: one of `USED`, "no", or "not known"."""
    before = get(ptm).trained_on
    return before.get("corpora", {}).get(corpus, UNHEARD if before.get("complete") else UNKNOWN)


def without_controls(ptms: Iterable[str]) -> list[str]:
    """Return those of some models that stand for themselves: no untrained twins, no other controls."""
    return [ptm for ptm in ptms if get(ptm).family != "control"]


def overview() -> pd.DataFrame:
    """Return the models of `of_this_book`, a row each: id, name, family, dimension, parameters, here and there."""
    models = [registry()[key] for key in of_this_book()]
    return pd.DataFrame(
        {
            "id": [m.id for m in models],
            "name": [m.name for m in models],
            "family": [m.family for m in models],
            "dimension": [m.dimension for m in models],
            "in the paper": pd.array([m.dimension_paper for m in models], dtype="Int64"),
            "parameters (M)": [(m.parameters or np.nan) / 1e6 for m in models],
            "parameters in the paper (M)": [(m.parameters_paper or np.nan) / 1e6 for m in models],
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
        "trained on": (model.trained_on.get("what", UNKNOWN), "–"),
        "licence": (model.licence or "–", "–"),
        "source": (model.source, "–"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this project", "paper"])


def model_name(ptm: str) -> str:
    """Return the name of a model as the paper writes it; words that are no model's id stay as they are."""
    return registry()[ptm].name if ptm in registry() else ptm
