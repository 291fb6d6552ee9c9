"""What every chapter's notebook does first: check its parameters, and set up how it shows things."""

import ast
import functools
import importlib
import json
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from crosscorpus import corpora, extractors, figures, folds, names, paths, protocol, ranges, store

IPYTHON_NAMES = {"In", "Out", "exit", "quit", "open"}


class ParameterError(ValueError):
    """A chapter's parameter that cannot be used; the message says what is expected."""


def path(chapter: str) -> Path:
    """Return the source notebook of a chapter; an unknown name raises an error that lists the known ones."""
    known = sorted(file.stem for file in (paths.ROOT / "notebooks").glob("*.ipynb"))
    return paths.ROOT / "notebooks" / f"{names.check(chapter, known, 'chapter')}.ipynb"


@functools.cache
def declared(chapter: str) -> dict[str, tuple[str, Any]]:
    """Return a chapter's parameters: name -> (type as written, default), in the notebook's order."""
    notebook = json.loads(path(chapter).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            statements = ast.parse("".join(cell["source"])).body
            return {
                ast.unparse(s.target): (ast.unparse(s.annotation), ast.literal_eval(s.value))
                for s in statements
                if isinstance(s, ast.AnnAssign) and s.value is not None
            }
    raise ParameterError(f"{path(chapter)}: no cell has the tag `parameters`")


def start(chapter: str, namespace: Mapping[str, Any]) -> types.SimpleNamespace:
    """Check the parameters that a notebook was given, and set the figure style.

    A list may be given as one text with commas ("emodb,ravdess") or as a single value, which is what
    papermill's `-p` can pass.

    Parameters
    ----------
    chapter
        Name of the notebook, without suffix.
    namespace
        The notebook's `globals()`, right after its parameter cells.

    Returns
    -------
    The parameters as attributes, with lists as lists.

    Raises
    ------
    paths.OtherCheckoutError
        The present folder is in another checkout than the library that was loaded.
    names.UnknownNameError
        A parameter was given that the chapter does not have (papermill itself only warns), or a corpus, a model,
        a head or the like that is not known.
    ParameterError
        A parameter has the wrong type, or is not in its range.
    ValueError
        A setting of the protocol, among the overrides, cannot be used.
    """
    paths.check_here()
    parameters = declared(chapter)
    for name, value in namespace.items():
        ours = (
            name.startswith("_") or name in IPYTHON_NAMES or callable(value) or isinstance(value, types.ModuleType)
        )
        if not ours:
            names.check(name, parameters, f"parameter of chapter {chapter}")
    values = {name: _typed(name, namespace[name], kind) for name, (kind, _) in parameters.items()}
    check_values(values)
    figures.use_style()
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, where there are no widgets
    pd.set_option("display.max_colwidth", None, "display.precision", 2)
    return types.SimpleNamespace(**values)


def check_values(values: Mapping[str, Any]) -> None:
    """Check names and ranges of parameters, so that a wrong one does not wait for its turn.

    Raises
    ------
    names.UnknownNameError
        A corpus, a model, a head, a regime, a source, a device or a dtype is not known.
    ParameterError
        A value is not in its range (`data/parameters.yaml`), a name is there twice, or there is no CUDA device.
    ValueError
        The overrides cannot be used; see `protocol.load`.
    """
    allowed = yaml.safe_load((paths.DATA / "parameters.yaml").read_text(encoding="utf-8"))
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if name in KNOWN:
                kind, known = KNOWN[name]
                corpora.get(one) if kind == "corpus" else names.check(one, known(), kind)  # a table is read, too
        if name in allowed and (what := ranges.wrong(value, allowed[name])):
            raise ParameterError(f"parameter {name}: {what}")
    if values.get("device") == "cuda":
        _check_cuda()
    if "overrides" in values:
        protocol.load(values["overrides"])


def _check_cuda() -> None:
    import torch  # heavy, and needed for this device alone

    if not torch.cuda.is_available():
        raise ParameterError("parameter device: 'cuda', but PyTorch sees no CUDA device here; use cpu or auto")


# Imported by name: a page does not change with what a head or a baseline does (`dependencies`), and Keras takes
# seconds, which a page without heads is spared.
def _heads() -> list[str]:
    return [*importlib.import_module("crosscorpus.heads").HEADS, *_baselines()]


def _baselines() -> list[str]:
    return list(importlib.import_module("crosscorpus.baselines").BASELINES)


KNOWN: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    "corpora": ("corpus", lambda: corpora.ids()),
    "train_corpora": ("corpus", lambda: corpora.ids()),
    "ptms": ("model", lambda: extractors.registry()),
    "ptm": ("model", lambda: extractors.registry()),
    "heads": ("head", _heads),
    "head": ("head", _heads),
    "baselines": ("baseline", _baselines),
    "emotions": ("emotion", lambda: sorted(set(corpora.label_map()["emotion"]))),
    "regimes": ("regime", lambda: folds.REGIMES),
    "regime": ("regime", lambda: folds.REGIMES),
    "source": ("source", lambda: store.SOURCES),
    "device": ("device", lambda: extractors.DEVICES),
    "dtype": ("dtype", lambda: extractors.DTYPES),
}
"""Parameters of chapters, and keys of profiles, that name something: what, and which names there are."""


def _typed(name: str, value: Any, kind: str) -> Any:
    basic: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
    if kind.startswith("list["):
        item = kind[5:-1]
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")] if value.strip() else []
        parts = list(value) if isinstance(value, list | tuple) else [value]
        return [_typed(name, _from_text(part, item), item) for part in parts]
    if kind == "float" and type(value) is int:
        value = float(value)
    if type(value) is not basic[kind]:
        raise ParameterError(f"parameter {name}: {value!r} is a {type(value).__name__}, {kind} is expected")
    return value


def _from_text(text: Any, kind: str) -> Any:
    # A part of "0,1" that is to be a number; what is none is left for the check that follows.
    if not isinstance(text, str):
        return text
    try:
        return {"int": int, "float": float}[kind](text)
    except (KeyError, ValueError):
        return text
