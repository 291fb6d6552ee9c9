"""Sphinx extension: pages under notebooks/ show the copies that papermill executed.

The sources, `notebooks/<name>.ipynb`, hold no outputs; `make book` leaves executed copies in
`_build/<profile>/notebooks/`, with the profile in the environment variable CROSSCORPUS_PROFILE. A copy that is
missing, stopped, failed or out of date ends the build: a page never shows its source without results. Pages are
read again when a copy that they show, or glue values from, has changed. In the text of a notebook and in the
captions of its figures, `{{ name }}` stands for the value of that parameter, and `{{ model }}` for the name of
the model whose id is the parameter `ptm`: so one source, executed for several models, gives pages with titles of
their own.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.ext.glue.utils import PendingGlueReference
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from crosscorpus.models import model_registry

PROFILE_SETTING = "CROSSCORPUS_PROFILE"
DEFAULT_PROFILE = "demo"
FOLDER = "notebooks/"

# Labels of the two cells with parameters: shown on their closed boxes.
LABELS = {
    "parameters": "Parameters of this page, with their defaults",
    "injected-parameters": "Parameters that this run set",
}


def profile() -> str:
    """Return the profile whose executed copies are shown."""
    return os.environ.get(PROFILE_SETTING) or DEFAULT_PROFILE


def copy_of(app: Sphinx, docname: str) -> Path | None:
    """Return where the executed copy of a page should be; None for pages that are no notebooks of ours."""
    if not docname.startswith(FOLDER) or not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return None
    return Path(app.srcdir) / "_build" / profile() / f"{docname}.ipynb"


def fail(copy: Path, what: str) -> ExtensionError:
    return ExtensionError(
        f"{copy}: {what}; run `make book` (this is the copy of the profile {profile()!r}; "
        f"{PROFILE_SETTING} names another)",
        modname="executed",
    )


def swap(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a notebook's source by its executed copy (event source-read)."""
    copy = copy_of(app, docname)
    if copy is None:
        return
    try:
        data = copy.read_bytes()
    except FileNotFoundError:
        raise fail(copy, "the executed copy is missing") from None
    try:
        notebook = json.loads(data)
        cells, run = notebook["cells"], notebook["metadata"].get("papermill", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise fail(copy, "is not a whole notebook") from None
    check(copy, cells, run)
    check_same(copy, cells, json.loads(source_of(app, docname, cells) or source[0])["cells"])
    values = parameters(cells)
    if "ptm" in values:
        values.setdefault("model", model_registry.model_name(str(values["ptm"])))
    fill_in(cells, values)
    out_of_sight = any({"parameters", "remove-input"} <= set(tags(cell)) for cell in cells)
    for cell in cells:
        collapse_parameters(cell, "remove-input" if out_of_sight else "hide-input")
        for times in ("papermill", "execution"):
            cell["metadata"].pop(times, None)
    notebook["metadata"].pop("papermill", None)  # else kept as front matter of the page
    source[0] = json.dumps(notebook)
    seen(app.env).setdefault(docname, {})[docname] = hashlib.sha256(data).hexdigest()


def source_of(app: Sphinx, docname: str, cells: list[dict[str, Any]]) -> str:
    """Return the text of the notebook that a model's page was executed from; "" for other pages.

    A model that has run and one that has not have notebooks of their own; the ids of cells begin with their names.
    """
    stem = made_from(cells)
    if not docname.startswith(f"{FOLDER}models/") or stem not in ("model", "model-to-run"):
        return ""
    return (Path(app.srcdir) / FOLDER / f"{stem}.ipynb").read_text(encoding="utf-8")


def made_from(cells: list[dict[str, Any]]) -> str:
    """Return the notebook that cells are of, which their ids begin with; "" where there is none."""
    return str(cells[0].get("id", "")).rpartition("-")[0] if cells else ""


def check(copy: Path, cells: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Raise an error unless papermill executed all of a notebook without an error."""
    for number, cell in enumerate(cells, start=1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                raise fail(copy, f"cell {number} failed with {output['ename']}: {output['evalue']}")
    if run.get("exception"):
        raise fail(copy, "its execution failed")
    if not run.get("end_time"):  # papermill writes after each cell, and this at the end
        raise fail(copy, "its execution did not finish")


def check_same(copy: Path, cells: list[dict[str, Any]], source: list[dict[str, Any]]) -> None:
    """Raise an error unless a copy was made from the source as it is now."""
    copied = [cell for cell in cells if "injected-parameters" not in tags(cell)]
    for number, (ours, theirs) in enumerate(zip(copied, source, strict=False), start=1):
        if shown(ours) != shown(theirs):
            raise fail(copy, f"is out of date: cell {number} of the source has changed")
    if len(copied) != len(source):
        raise fail(copy, f"is out of date: it has {len(copied)} cells, the source {len(source)}")


def parameters(cells: list[dict[str, Any]]) -> dict[str, object]:
    """Return the values that a notebook was executed with: its defaults, and what papermill put in their place."""
    found: dict[str, object] = {}
    for cell in cells:
        if {"parameters", "injected-parameters"} & set(tags(cell)):
            for statement in ast.parse("".join(cell["source"])).body:
                if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                    target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
                    found[ast.unparse(target)] = ast.literal_eval(statement.value)
    return found


def fill_in(cells: list[dict[str, Any]], values: dict[str, object]) -> None:
    """Put parameters' values into the text of a notebook, and into the captions and names of its figures."""

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(inner) for key, inner in part.items()}
        if isinstance(part, str):
            return re.sub(r"\{\{ (\w+) \}\}", lambda name: str(values.get(name[1], name[0])), part)
        return part

    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = filled("".join(cell["source"]))
        elif "mystnb" in cell["metadata"]:
            cell["metadata"]["mystnb"] = filled(cell["metadata"]["mystnb"])


def shown(cell: dict[str, Any]) -> tuple[str, object, set[str]]:
    """Return what a cell's author decides of a page: text, captions and the like, tags."""
    return "".join(cell["source"]), cell["metadata"].get("mystnb"), set(tags(cell))


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def collapse_parameters(cell: dict[str, Any], how: str) -> None:
    """Close the box of a cell with parameters and label it ("hide-input"), or leave it out ("remove-input")."""
    for tag, label in LABELS.items():
        if tag in tags(cell):
            cell["metadata"]["tags"] = sorted({*tags(cell), how})  # papermill drops a tag of ours
            options = cell["metadata"].setdefault("mystnb", {})
            options |= {"code_prompt_show": label, "code_prompt_hide": label}


# -- which pages are out of date ------------------------------------------------------------------------------


def seen(env: BuildEnvironment) -> dict[str, dict[str, str]]:
    """Return page -> notebook -> hash of the copy that the page was read with; Sphinx keeps it between builds."""
    return vars(env).setdefault("executed_seen", {})


def hash_of(copy: Path | None) -> str:
    return hashlib.sha256(copy.read_bytes()).hexdigest() if copy is not None and copy.exists() else ""


def note_glued(app: Sphinx, doctree: nodes.document) -> None:
    """Note which notebooks a page glues values from (event doctree-read)."""
    for reference in doctree.findall(PendingGlueReference):
        now = hash_of(copy_of(app, reference.refdoc))
        seen(app.env).setdefault(app.env.docname, {})[reference.refdoc] = now


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the pages whose executed copies are not those that were read (event env-get-outdated)."""
    # The content decides, not the time: another profile's copy, or one from a cache, may be older.
    return [
        docname
        for docname, copies in seen(env).items()
        if any(hash_of(copy_of(app, notebook)) != read for notebook, read in copies.items())
    ]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what is known of a page that is read again or gone (event env-purge-doc)."""
    seen(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader learnt (event env-merge-info)."""
    seen(env).update({docname: seen(other)[docname] for docname in docnames if docname in seen(other)})


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", swap)
    app.connect("doctree-read", note_glued)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
