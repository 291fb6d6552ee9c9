"""What chapters load before they compute anything: a page that looks things up pays for nothing else."""

import ast
import json
import subprocess
import sys

from crosscorpus.base import paths

HEAVY = {"keras", "tensorflow", "torch", "transformers", "speechbrain", "opensmile"}
SLOW = {"matplotlib", "scipy.stats", "sklearn"}
TRAINS = {"three-protocols"}
"""Has heads on frames in reach, which are torch modules."""
WITHOUT_FIGURES = {"corpora", "models"}
CHAPTERS = sorted(path.stem for path in (paths.ROOT / "notebooks").glob("*.ipynb"))


def imports(chapter):
    """Return a chapter's own imports, as Python."""
    cells = json.loads((paths.ROOT / "notebooks" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = (node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom))
    return "\n".join(map(ast.unparse, found))


def loaded(source, names):
    """Return which of some modules are loaded by Python, in a process of its own."""
    code = f"import sys\n{source}\nprint(*({names!r} & {{*sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=paths.ROOT)
    return set(ran.stdout.split())


def test_no_chapter_loads_what_computes_embeddings_or_trains():
    assert set(CHAPTERS) >= TRAINS
    chapters = "\n".join(imports(chapter) for chapter in CHAPTERS if chapter not in TRAINS)
    together = f"{chapters}\nfrom crosscorpus.book import first_grid"
    assert loaded(together, HEAVY) == set()


def test_pages_without_figures_and_scores_load_neither():
    assert loaded("\n".join(map(imports, sorted(WITHOUT_FIGURES))), SLOW) == set()


def test_scores_alone_load_no_statistics():
    """Pages that only show published numbers take these names from there."""
    assert loaded("from crosscorpus.scores import metrics, model_ranks", SLOW) == set()


def test_what_is_loaded_is_seen():
    assert loaded("from crosscorpus.book import figures", SLOW) == {"matplotlib"}
