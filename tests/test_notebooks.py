"""The chapters as regression tests: executed copies of the profile *smoke* are kept and compared by nbval.

`make reference` makes the copies in tests/notebooks/ again. Cells tagged `nbval-check-output` must give what is
kept; all others must run. A copy that is older than its source fails here too.
"""

import json
from pathlib import Path

import pytest

from crosscorpus import chapters, paths

KEPT = Path(__file__).parent / "notebooks"
NAMES = sorted(file.stem for file in (paths.ROOT / "notebooks").glob("*.ipynb"))


def cells(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [c for c in notebook["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_copy_is_of_the_present_source(name):
    kept = [(c["cell_type"], "".join(c["source"])) for c in cells(KEPT / f"{name}.ipynb")]
    assert kept == [(c["cell_type"], "".join(c["source"])) for c in cells(chapters.path(name))], (
        "run `make reference`"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_copy_ran_without_an_error(name):
    outputs = [o for c in cells(KEPT / f"{name}.ipynb") for o in c.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error"]


@pytest.mark.parametrize("name", ["data", "heads", "same-corpus", "cross-corpus"])
def test_some_outputs_are_compared(name):
    checked = [c for c in cells(KEPT / f"{name}.ipynb") if "nbval-check-output" in c["metadata"].get("tags", [])]
    assert checked
    assert all(c["outputs"] for c in checked)
