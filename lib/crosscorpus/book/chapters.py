"""What every chapter's notebook does first: check its parameters, and set up how it shows things."""

import ast
import functools
import json
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from crosscorpus.base import known_names, paths, stamp
from crosscorpus.training import run_parameters

IPYTHON_NAMES = {"In", "Out", "exit", "quit", "open"}


def path(chapter: str) -> Path:
    """Return the source notebook of a chapter; an unknown name raises an error that lists the known ones."""
    known = sorted(file.stem for file in (paths.ROOT / "notebooks").glob("*.ipynb"))
    return paths.ROOT / "notebooks" / f"{known_names.check(chapter, known, 'chapter')}.ipynb"


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
    raise run_parameters.ParameterError(f"{path(chapter)}: no cell has the tag `parameters`")


def start(chapter: str, namespace: Mapping[str, Any]) -> types.SimpleNamespace:
    """Check the parameters that a notebook was given, set the figure style, and show the checkout's stamp, if any.

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
    known_names.UnknownNameError
        A parameter was given that the chapter does not have (papermill itself only warns), or a corpus, a model,
        a head or the like that is not known.
    ParameterError
        A parameter has the wrong type, or is not in its range.
    ValueError
        A setting of the protocol, among the overrides, cannot be used.
    """
    from IPython.display import Markdown, display  # slow to load, and the workflow asks for names alone

    from crosscorpus.book import figure_colours

    paths.check_here()
    parameters = declared(chapter)
    for name, value in namespace.items():
        ours = (
            name.startswith("_") or name in IPYTHON_NAMES or callable(value) or isinstance(value, types.ModuleType)
        )
        if not ours:
            known_names.check(name, parameters, f"parameter of chapter {chapter}")
    values = {name: _typed(name, namespace[name], kind) for name, (kind, _) in parameters.items()}
    run_parameters.check_values(values)
    figure_colours.use_style()
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, where there are no widgets
    for said in stamp.facts().values():
        display(Markdown(f"**{said}**"))
    pd.set_option("display.max_colwidth", None, "display.precision", 2)
    return types.SimpleNamespace(**values)


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
        raise run_parameters.ParameterError(
            f"parameter {name}: {value!r} is a {type(value).__name__}, {kind} is expected"
        )
    return value


def _from_text(text: Any, kind: str) -> Any:
    # A part of "0,1" that is to be a number; what is none is left for the check that follows.
    if not isinstance(text, str):
        return text
    try:
        return {"int": int, "float": float}[kind](text)
    except (KeyError, ValueError):
        return text
