import subprocess
import sys

import nbformat
import pytest

from crosscorpus.base import paths
from crosscorpus.book import dependencies

CHAPTERS = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))
ALWAYS = ["__init__.py", "base/__init__.py", "base/old_names.py", "base/paths.py"]


@pytest.fixture
def modules_of(tmp_path):
    def modules(*cells, markdown=""):
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_markdown_cell(markdown), *map(nbformat.v4.new_code_cell, cells)]
        )
        nbformat.write(notebook, tmp_path / "chapter.ipynb")
        files = dependencies.of_notebook(tmp_path / "chapter.ipynb")
        return [file.removeprefix("lib/crosscorpus/") for file in files]

    return modules


def depending_on(module):
    """Return the chapters that depend on a module."""
    return {path.stem for path in CHAPTERS if f"lib/crosscorpus/{module}.py" in dependencies.of_notebook(path)}


def test_a_notebook_without_the_library_depends_on_the_package_alone(modules_of):
    assert modules_of("import numpy as np\nnp.zeros(3)") == ALWAYS


@pytest.mark.parametrize(
    "source",
    [
        "from crosscorpus.base import known_names",
        "import crosscorpus.base.known_names",
        "import crosscorpus.base.known_names as n",
        "from crosscorpus.base.known_names import check",
        "from crosscorpus.base import (\n    known_names,\n)",
        "def late():\n    from crosscorpus.base import known_names",
    ],
)
def test_every_form_of_import_is_seen(modules_of, source):
    assert modules_of(source) == sorted([*ALWAYS, "base/known_names.py"])


def test_a_room_alone_is_no_more_than_its_docstring(modules_of):
    assert modules_of("from crosscorpus import scores") == sorted([*ALWAYS, "scores/__init__.py"])


def test_modules_behind_modules_are_listed(modules_of):
    files = modules_of("from crosscorpus.protocols import folds")
    assert {"protocols/protocol_settings.py", "corpora/corpus_registry.py", "base/known_names.py"} <= set(files)
    assert not [file for file in files if file.startswith(("models/", "scores/", "training/"))]


def test_all_cells_count(modules_of):
    cells = "from crosscorpus.base import known_names", "import crosscorpus.base.paths"
    assert modules_of(*cells) == sorted({*ALWAYS, "base/known_names.py", "base/paths.py"})


def test_text_does_not_count(modules_of):
    assert modules_of("x = 1", markdown="from crosscorpus.embeddings import store") == ALWAYS


def test_modules_that_are_loaded_by_name_count(modules_of):
    files = modules_of("from crosscorpus.models import loading")
    assert {"models/loaders/__init__.py", "models/loaders/whisper.py", "models/extractor_types.py"} <= set(files)
    assert "models/loaders/whisper.py" not in modules_of("from crosscorpus.models import model_registry")


def test_the_list_is_sorted_and_without_repeats(modules_of):
    one = "from crosscorpus.corpora import corpus_registry"
    files = modules_of(f"from crosscorpus.embeddings import store\n{one}", one)
    assert files == sorted(set(files))


@pytest.mark.parametrize("notebook", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_depends_on_files_that_exist(notebook):
    files = dependencies.of_notebook(notebook)
    assert "lib/crosscorpus/book/chapters.py" in files
    assert all((paths.ROOT / file).is_file() for file in files)


@pytest.mark.parametrize("chapter", ["synthetic", "data", "extraction", "claims", "cross-corpus"])
def test_what_a_chapter_loads_is_among_what_it_depends_on(chapter, tmp_path):
    """Python itself says what is imported; what comes late, in a function or by name, counts too."""
    stem = "cues" if chapter == "synthetic" else chapter
    notebook = paths.ROOT / "notebooks" / f"{stem}.ipynb"
    cells = nbformat.read(notebook, as_version=4).cells
    lines = [m for c in cells if c.cell_type == "code" for m in dependencies.imported(c.source)]
    code = "import sys\n" + "".join(f"import {module}\n" for module in lines)
    code += "print(*sorted(name for name in sys.modules if name.split('.')[0] == 'crosscorpus'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = {f"lib/{name.replace('.', '/')}" for name in done.stdout.split()}
    files = {file.removesuffix(".py").removesuffix("/__init__") for file in dependencies.of_notebook(notebook)}
    assert loaded <= files


@pytest.mark.parametrize(
    ("module", "some", "others"),
    [
        ("base/paths", {"data", "heads", "audit"}, set()),
        ("base/web", {"extraction", "model"}, {"heads", "audit", "cues"}),
        ("corpora/decoding", {"data", "extraction", "heads"}, {"cues"}),
        ("models/loaders/whisper", {"extraction", "model"}, {"audit", "cues"}),
        ("embeddings/extraction", {"extraction", "model"}, {"data", "heads", "cross-corpus"}),
        ("protocols/folds", {"data", "heads", "cross-corpus"}, {"cues"}),
        ("scores/metrics", {"same-corpus", "cross-corpus", "paper-and-ours"}, {"data", "extraction", "cues"}),
        ("training/heads", {"heads", "cross-corpus"}, {"data", "extraction", "cues", "audit"}),
        ("verdict/published_tables", {"audit", "same-corpus", "claims"}, {"data", "extraction", "heads", "cues"}),
        (
            "book/synthetic_vowels",
            {"cues", "own-recordings"},
            {path.stem for path in CHAPTERS} - {"cues", "own-recordings"},
        ),
    ],
)
def test_a_change_in_a_room_runs_the_chapters_that_import_it_and_no_others(module, some, others):
    found = depending_on(module)
    assert some <= found
    assert not found & others
