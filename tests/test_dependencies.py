import nbformat
import pytest

from crosscorpus import dependencies, paths

CHAPTERS = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))


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


def test_a_notebook_without_the_library_depends_on_the_package_alone(modules_of):
    assert modules_of("import numpy as np\nnp.zeros(3)") == ["__init__.py"]


@pytest.mark.parametrize(
    "source",
    [
        "from crosscorpus import names",
        "import crosscorpus.names",
        "import crosscorpus.names as n",
        "from crosscorpus.names import check",
        "from crosscorpus import (\n    names,\n)",
        "def late():\n    from crosscorpus import names",
    ],
)
def test_every_form_of_import_is_seen(modules_of, source):
    assert modules_of(source) == ["__init__.py", "names.py"]


def test_modules_behind_modules_are_listed(modules_of):
    assert modules_of("from crosscorpus import protocol") == [
        "__init__.py", "audio.py", "containers.py", "corpora.py", "entries.py", "mp3.py", "names.py",
        "own_tables.py", "paths.py", "progress.py", "protocol.py", "ranges.py", "recordings.py", "soundness.py",
        "utterances.py",
    ]  # fmt: skip


def test_a_module_that_the_notebook_does_not_need_is_not_listed(modules_of):
    files = modules_of("from crosscorpus import corpora")
    assert {"audio.py", "corpora.py"} <= set(files)
    assert not {"store.py", "train.py", "evaluate.py", "metrics.py", "figures.py"} & set(files)


def test_all_cells_count(modules_of):
    assert modules_of("from crosscorpus import names", "import crosscorpus.paths") == [
        "__init__.py",
        "names.py",
        "paths.py",
    ]


def test_text_does_not_count(modules_of):
    assert modules_of("x = 1", markdown="from crosscorpus import store") == ["__init__.py"]


def test_modules_that_are_loaded_by_name_count(modules_of):
    assert {"extractors/__init__.py", "extractors/whisper.py"} <= set(
        modules_of("from crosscorpus import extractors")
    )


def test_the_list_is_sorted_and_without_repeats(modules_of):
    files = modules_of("from crosscorpus import store, corpora", "from crosscorpus import corpora")
    assert files == sorted(set(files))


@pytest.mark.parametrize("notebook", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_depends_on_files_that_exist(notebook):
    files = dependencies.of_notebook(notebook)
    assert "lib/crosscorpus/chapters.py" in files
    assert all((paths.ROOT / file).is_file() for file in files)


@pytest.mark.parametrize(
    ("chapter", "needs", "leaves"),
    [
        ("data", ["corpora.py", "audio.py", "folds.py"], ["train.py", "heads.py", "evaluate.py", "metrics.py"]),
        (
            "extraction",
            ["extraction.py", "extractors/whisper.py", "store.py"],
            ["train.py", "heads.py", "metrics.py"],
        ),
        ("heads", ["heads.py", "train.py", "evaluate.py", "folds.py"], ["extraction.py", "reference.py"]),
        ("cross-corpus", ["metrics.py", "reference.py", "train.py"], ["extraction.py", "projection.py"]),
    ],
)
def test_a_chapter_depends_on_its_own_work_alone(chapter, needs, leaves):
    files = dependencies.of_notebook(paths.ROOT / "notebooks" / f"{chapter}.ipynb")
    assert {f"lib/crosscorpus/{file}" for file in needs} <= set(files)
    assert not {f"lib/crosscorpus/{file}" for file in leaves} & set(files)
