"""Extractors: from a batch of waveforms to one embedding per utterance.

An extractor is a function ``extract(waveforms) -> embeddings``: a list of float32 arrays (mono, 16 kHz, any
lengths) in, a float32 array [utterances, dim] out. What an utterance's embedding is does not depend on the others
in its batch, unless the pooling says so. Each module of this package serves one family of models and has a
function ``load(model, weights, pooling, device, dtype) -> Extractor`` and a table ``POOLINGS`` of what it can do.
"""

import ast
import contextlib
import ctypes
import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import yaml

from crosscorpus import audio, names, paths

Extract = Callable[[Sequence[np.ndarray]], np.ndarray]

DTYPES = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda")

NEIGHBOURS = 4
"""Utterances in a batch of the pooling `padded`, as in public code of one of the paper's authors."""

PEAK = "the default, after each utterance was scaled to a largest absolute sample of 1"


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
    models: dict[str, Model] = {}
    loaders = [file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__"]
    for key, entry in entries.items():
        what = f"{key} in data/models.yaml"
        if "twin_of" in entry:
            names.check(entry["twin_of"], models, f"twin_of of {what}")
        else:
            names.check_fields(entry, Model, what)
            names.check(entry["loader"], loaders, f"loader of {what}")
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
        licence="none needed: no trained weights",
        in_paper=False,
        note=f"the architecture of {of.id} with random weights: what the architecture alone is worth",
        twin_of=twin_of,
        seed=seed,
        dimension_paper=None,
        parameters_paper=None,
    )


def get(ptm: str) -> Model:
    """Return one model; an unknown id raises `names.UnknownNameError`, which lists the known ones."""
    return registry()[names.check(ptm, registry(), "model")]


def of_paper() -> list[str]:
    """Return the ids of the paper's eight models."""
    return [key for key, model in registry().items() if model.in_paper]


def without_controls(ptms: Iterable[str]) -> list[str]:
    """Return those of some models that stand for themselves: no untrained twins, no other controls."""
    return [ptm for ptm in ptms if get(ptm).family != "control"]


def loader(ptm: str) -> ModuleType:
    """Return the module that runs a model."""
    return importlib.import_module(f"crosscorpus.extractors.{get(ptm).loader}")


def sources(ptm: str) -> list[Path]:
    """Return the files that run a model, unimported: its loader, and the loaders that this one imports."""
    file = Path(__file__).parent / f"{get(ptm).loader}.py"
    imported = [
        file.with_name(f"{alias.name}.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == __name__
        for alias in node.names
    ]
    return [file, *(one for one in imported if one.exists())]


@functools.cache
def _declared_poolings(loader: str) -> dict[str, str]:
    """Return a loader's table `POOLINGS`, read from its file: to import it takes seconds with what it imports."""
    for node in ast.parse((Path(__file__).parent / f"{loader}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POOLINGS":
            return ast.literal_eval(node.value)
    raise AttributeError(f"{__name__}.{loader} has no table POOLINGS, written out as a dict of texts")


def poolings(ptm: str) -> dict[str, str]:
    """Return the pooling options of a model: name and meaning."""
    return {**_declared_poolings(get(ptm).loader), "peak": PEAK}


def pooling_options() -> pd.DataFrame:
    """Return the poolings of all models, a row each: pooling, meaning, models."""
    by_meaning: dict[tuple[str, str], list[str]] = {}
    for model in registry().values():
        if not model.twin_of:
            for option in _declared_poolings(model.loader).items():
                by_meaning.setdefault(option, []).append(model.name)
    rows = [(pooling, meaning, ", ".join(models)) for (pooling, meaning), models in by_meaning.items()]
    return pd.DataFrame([*rows, ("peak", PEAK, "all")], columns=["pooling", "meaning", "models"])


def load(
    ptm: str, pooling: str = "", device: str = "auto", weights: Path | None = None, dtype: str = "float32"
) -> Extractor:
    """Load a model, frozen and in evaluation mode.

    Parameters
    ----------
    ptm
        Id in the registry.
    pooling
        One of `poolings(ptm)`; "" for the registry's default.
    device
        "cpu", "cuda", or "auto" for a GPU where there is one.
    weights
        Folder with its files, as `weights.fetch(ptm)` returns it; None for models that need none.
    dtype
        What is computed in: "float32", or "bfloat16" for transformers, which is faster and less exact.

    Raises
    ------
    names.UnknownNameError
        The model, the pooling or the dtype is not known.
    NotAvailableError
        A library that the model needs is not installed, its weights were not given, or they are a pickle of more
        than tensors or no safetensors file: then nothing of it was run.
    """
    model = get(ptm)
    chosen = names.check(pooling or model.pooling, poolings(ptm), "pooling")
    names.check(dtype, DTYPES, "dtype")
    if model.home != "none" and weights is None:
        raise NotAvailableError(f"{model.name}: the folder with the weights of {model.handle} was not given")
    inner, on = model.pooling if chosen == "peak" else chosen, choose_device(device)
    if on == "cuda":
        _use_whole_float32()
    try:
        extractor = loader(ptm).load(model, weights, inner, on, dtype)
    except Exception as error:
        if type(error).__name__ not in ("UnpicklingError", "SafetensorError"):
            raise
        # Without torch's own message, which advises to execute the file.
        raise NotAvailableError(
            f"{model.name}: a file in {weights} is no plain file of weights ({type(error).__name__}), and nothing "
            f"of it was executed; expected {', '.join(model.files)} of {model.handle}: remove it, fetch it again"
        ) from None
    if chosen == "peak":
        plain = extractor.extract
        extractor = dataclasses.replace(extractor, extract=lambda w: plain([audio.scale_to_peak(x) for x in w]))
    return extractor


def _use_whole_float32() -> None:
    # A GPU's convolutions cut float32 to 10 bits of mantissa by default, and embeddings would follow their batch.
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def choose_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cuda" or "cpu"."""
    if names.check(device, DEVICES, "device") != "auto":
        return device
    if not _has_driver():
        return "cpu"
    import torch  # seconds to import, and not needed where there is no driver

    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def _has_driver() -> bool:
    """Return whether NVIDIA's driver is installed, without which PyTorch finds no GPU."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
            return True
    return False


def equal_lengths(waveforms: Sequence[np.ndarray]) -> list[list[int]]:
    """Return the indices of waveforms in groups of one length each.

    For models that cannot be told which samples of a batch are padding.
    """
    groups: dict[int, list[int]] = {}
    for index, waveform in enumerate(waveforms):
        groups.setdefault(len(waveform), []).append(index)
    return list(groups.values())


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
