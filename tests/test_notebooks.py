"""The chapters as regression tests: executed copies of the profile *smoke* are kept and compared by nbval.

`make reference` makes the copies in tests/notebooks/ again. Cells tagged `nbval-check-output` must give what is
kept; all others must run. A copy that is older than its source fails here too.
"""

import json
import re
from pathlib import Path

import pytest

from crosscorpus.base import paths
from crosscorpus.book import chapters
from crosscorpus.models import model_registry

KEPT = Path(__file__).parent / "notebooks"
# The page of a model is one of two notebooks: of one that is in the pack, and of one that is not.
NAMES = sorted({file.stem for file in (paths.ROOT / "notebooks").glob("*.ipynb")} - {"model", "model-to-run"})
NAMES += ["models/whisper-base", "models/wavlm-base"]
SOURCES = {"models/whisper-base": "model", "models/wavlm-base": "model-to-run"}


def cells(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [c for c in notebook["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_copy_is_of_the_present_source(name):
    kept = [(c["cell_type"], "".join(c["source"])) for c in cells(KEPT / f"{name}.ipynb")]
    source = chapters.path(SOURCES.get(name, name))
    assert kept == [(c["cell_type"], "".join(c["source"])) for c in cells(source)], "run `make reference`"


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_copy_ran_without_an_error(name):
    outputs = [o for c in cells(KEPT / f"{name}.ipynb") for o in c.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error"]


@pytest.mark.parametrize("model", sorted(file.name for file in (paths.ROOT / "notebooks" / "models").iterdir()))
def test_a_models_page_is_the_common_notebook(model):
    file = paths.ROOT / "notebooks" / "models" / model
    assert file.resolve() == chapters.path("model")
    assert file.stem in model_registry.registry()


def test_every_model_of_the_paper_has_a_page_and_all_pages_are_in_the_contents():
    pages = {file.stem for file in (paths.ROOT / "notebooks" / "models").iterdir()}
    listed = re.findall(r"file: notebooks/models/(\S+)", (paths.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert {m.id for m in model_registry.registry().values() if m.in_paper} <= pages
    assert sorted(pages) == sorted(listed)


@pytest.mark.parametrize(
    "name",
    [
        "data",
        "heads",
        "same-corpus",
        "cross-corpus",
        "extraction",
        "audit",
        "rivals-tables",
        "three-protocols",
        "ambiguities",
        "which-layer",
        "claims",
        "paper-and-ours",
        "leakage",
        *NAMES[-2:],
    ],
)
def test_some_outputs_are_compared(name):
    checked = [c for c in cells(KEPT / f"{name}.ipynb") if "nbval-check-output" in c["metadata"].get("tags", [])]
    assert checked
    assert all(c["outputs"] for c in checked)
