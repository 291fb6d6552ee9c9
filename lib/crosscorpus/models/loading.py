"""Load the extractor of a model by the loader that the registry names for it."""

import ast
import dataclasses
import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import devices, known_names, sound
from crosscorpus.models import extractor_types, loaders, model_registry

LOADERS = Path(__file__).parent / "loaders"


def loader(ptm: str) -> ModuleType:
    """Return the module that runs a model."""
    return importlib.import_module(f"{loaders.__name__}.{model_registry.get(ptm).loader}")


def sources(ptm: str) -> list[Path]:
    """Return the files that run a model, unimported: its loader, and the loaders that this one imports."""
    file = LOADERS / f"{model_registry.get(ptm).loader}.py"
    imported = [
        file.with_name(f"{alias.name}.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == loaders.__name__
        for alias in node.names
    ]
    return [file, *(one for one in imported if one.exists())]


@functools.cache
def declared(loader: str, name: str) -> dict[str, Any]:
    """Return a table of a loader, read from its file: to import it takes seconds with what it imports.

    Empty where the loader has no such table.
    """
    for node in ast.parse((LOADERS / f"{loader}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return {}


def _declared_poolings(loader: str) -> dict[str, str]:
    if found := declared(loader, "POOLINGS"):
        return found
    raise AttributeError(f"{loaders.__name__}.{loader} has no table POOLINGS, written out as a dict of texts")


def poolings(ptm: str) -> dict[str, str]:
    """Return the pooling options of a model: name and meaning."""
    return {**_declared_poolings(model_registry.get(ptm).loader), "peak": extractor_types.PEAK}


def pooling_options() -> pd.DataFrame:
    """Return the poolings of the models that the book is about, a row each: pooling, meaning, models."""
    by_meaning: dict[tuple[str, str], list[str]] = {}
    for model in (model_registry.registry()[key] for key in model_registry.of_this_book()):
        if not model.twin_of:
            for option in _declared_poolings(model.loader).items():
                by_meaning.setdefault(option, []).append(model.name)
    rows = [(pooling, meaning, ", ".join(models)) for (pooling, meaning), models in by_meaning.items()]
    return pd.DataFrame([*rows, ("peak", extractor_types.PEAK, "all")], columns=["pooling", "meaning", "models"])


def load(
    ptm: str, pooling: str = "", device: str = "auto", weights: Path | None = None, dtype: str = "float32"
) -> extractor_types.Extractor:
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
    known_names.UnknownNameError
        The model, the pooling or the dtype is not known.
    NotAvailableError
        A library that the model needs is not installed, its weights were not given, or they are a pickle of more
        than tensors or no safetensors file: then nothing of it was run.
    """
    model = model_registry.get(ptm)
    chosen = known_names.check(pooling or model.pooling, poolings(ptm), "pooling")
    known_names.check(dtype, devices.DTYPES, "dtype")
    if model.home != "none" and weights is None:
        raise model_registry.NotAvailableError(
            f"{model.name}: the folder with the weights of {model.handle} was not given"
        )
    inner, on = model.pooling if chosen == "peak" else chosen, devices.choose_device(device)
    if on == "cuda":
        _use_whole_float32()
    try:
        extractor = loader(ptm).load(model, weights, inner, on, dtype)
    except Exception as error:
        if type(error).__name__ not in ("UnpicklingError", "SafetensorError"):
            raise
        # Without torch's own message, which advises to execute the file.
        raise model_registry.NotAvailableError(
            f"{model.name}: a file in {weights} is no plain file of weights ({type(error).__name__}), and nothing "
            f"of it was executed; expected {', '.join(model.files)} of {model.handle}: remove it, fetch it again"
        ) from None
    if chosen == "peak":
        extractor = _on_scaled(extractor)
    return extractor


def _on_scaled(extractor: extractor_types.Extractor) -> extractor_types.Extractor:
    plain, states = extractor.extract, extractor.states

    def scaled(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [sound.scale_to_peak(w) for w in waveforms]

    return dataclasses.replace(
        extractor,
        extract=lambda waveforms: plain(scaled(waveforms)),
        states=states and (lambda waveforms, layers, pooled: states(scaled(waveforms), layers, pooled)),
    )


def _use_whole_float32() -> None:
    # A GPU's convolutions cut float32 to 10 bits of mantissa by default, and embeddings would follow their batch.
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
