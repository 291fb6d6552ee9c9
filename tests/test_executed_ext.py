"""The Sphinx extension that puts executed notebooks into the pages, on a tiny project."""

import json
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from myst_nb.ext.glue.crossref import read_glue_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace, patch_docutils

EXTENSION = Path(__file__).resolve().parents[1] / "book" / "_ext"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
FINISHED = {"end_time": "2026-01-01T00:00:00", "exception": None, "parameters": {"seed": 3}}


def source(name: str, prose: str = "Some prose.") -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell(f"# {name}\n\n{prose}"),
        new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]}),
        new_code_cell("seed + 1", metadata={"tags": ["result"]}),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells, metadata=KERNEL)


def executed(name: str, result: str = "4") -> nbformat.NotebookNode:
    """What papermill would make of `source`, with a parameter injected."""
    notebook = source(name)
    output = new_output("execute_result", data={"text/plain": result}, execution_count=1)
    output["metadata"] = {"scrapbook": {"name": "result", "mime_prefix": ""}}  # a glued value
    notebook.cells[-1]["outputs"] = [output]
    injected = new_code_cell("# Parameters\nseed = 3", metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(2, injected)
    for cell in notebook.cells:
        cell["metadata"]["papermill"] = {"duration": 0.12345, "status": "completed"}
    notebook["metadata"]["papermill"] = dict(FINISHED)
    return notebook


class Project:
    """A book with one page of Markdown, which glues a value, and some notebooks."""

    def __init__(self, root: Path, names: list[str]) -> None:
        self.root = root
        (root / "notebooks").mkdir()
        pages = "\n".join(f"notebooks/{name}" for name in names)
        text = f"# Start\n\nGlued {{glue:text}}`notebooks/one.ipynb::result:s`.\n\n```{{toctree}}\n{pages}\n```\n"
        (root / "index.md").write_text(text, encoding="utf-8")
        for name in names:
            nbformat.write(source(name), self.source(name))
            self.put(name, executed(name))

    def source(self, name: str) -> Path:
        return self.root / "notebooks" / f"{name}.ipynb"

    def copy(self, name: str, profile: str = "demo") -> Path:
        return self.root / "_build" / profile / "notebooks" / f"{name}.ipynb"

    def put(self, name: str, notebook: nbformat.NotebookNode, profile: str = "demo") -> None:
        self.copy(name, profile).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, self.copy(name, profile))

    def build(self, jobs: int = 1, extensions: Sequence[str] = ("myst_nb", "executed")) -> list[str]:
        """Build as `jupyter-book build -W` does, and return the pages that were read."""
        config = {
            "extensions": list(extensions),
            "exclude_patterns": ["_build"],
            "nb_execution_mode": "off",
            "html_theme": "basic",
        }
        read_glue_cache.cache_clear()  # kept for one process: each of our builds stands for a new one
        read: list[str] = []
        out, trees = self.root / "_build" / "html", self.root / "_build" / ".doctrees"
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                self.root, None, out, trees, "html", config, status=None, warningiserror=True, parallel=jobs
            )
            app.connect("env-before-read-docs", lambda app, env, docnames: read.extend(sorted(docnames)))
            app.build()
        return read

    def page(self, docname: str) -> str:
        return (self.root / "_build" / "html" / f"{docname}.html").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXTENSION))
    monkeypatch.delenv("CROSSCORPUS_PROFILE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, ["one", "two"])


def test_page_shows_the_executed_copy(project: Project) -> None:
    project.put("one", executed("one", result="'the executed result'"))
    project.build()
    page = project.page("notebooks/one")
    assert "the executed result" in page
    assert "0.12345" not in page


def test_both_parameter_cells_are_collapsed_and_labelled(project: Project) -> None:
    project.build()
    page = project.page("notebooks/one")
    assert page.count("<details") == 2
    assert "Parameters of this page, with their defaults" in page
    assert "Parameters that this run set" in page


def test_text_may_name_parameters(project: Project) -> None:
    nbformat.write(source("{{ seed }}", "Not {{ other }}."), project.source("one"))
    copy = executed("{{ seed }}")
    copy.cells[0]["source"] += "\n\nNot {{ other }}."
    copy.cells[0]["source"] = copy.cells[0]["source"].replace("\n\nSome prose.", "")
    project.put("one", copy)
    project.build()
    assert "<h1>3<" in project.page("notebooks/one")
    assert "Not {{ other }}." in project.page("notebooks/one")


def test_captions_may_name_parameters() -> None:
    import executed as extension

    cell = {"cell_type": "code", "metadata": {"mystnb": {"figure": {"name": "fig-{{ seed }}", "width": 3}}}}
    extension.fill_in([cell], {"seed": 3})
    assert cell["metadata"]["mystnb"] == {"figure": {"name": "fig-3", "width": 3}}


def test_profile_is_chosen_by_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build()
    for name in ("one", "two"):
        project.put(name, executed(name, result="'of the smoke profile'"), profile="smoke")
    monkeypatch.setenv("CROSSCORPUS_PROFILE", "smoke")
    assert project.build() == ["index", "notebooks/one", "notebooks/two"]
    assert "of the smoke profile" in project.page("notebooks/two")


def test_nothing_is_read_again_without_a_change(project: Project) -> None:
    project.build()
    project.copy("one").touch()
    assert project.build() == []


def test_changed_copy_updates_its_page_and_those_that_glue_from_it(project: Project) -> None:
    project.build()
    project.put("two", executed("two", result="'new'"))
    assert project.build() == ["notebooks/two"]
    project.put("one", executed("one", result="'new'"))
    assert project.build() == ["index", "notebooks/one"]
    assert '<span class="pasted-text">new</span>' in project.page("index")


def test_parallel_readers_know_the_same(tmp_path: Path) -> None:
    names = ["one", "two", "three", "four", "five", "six"]  # Sphinx reads up to five pages in one process
    project = Project(tmp_path, names)
    assert len(project.build(jobs=2)) == 7
    assert project.build() == []
    project.put("six", executed("six", result="'new'"))
    assert project.build() == ["notebooks/six"]


def failing(project: Project) -> str:
    with pytest.raises(ExtensionError) as caught:
        project.build()
    message = str(caught.value)
    assert str(project.copy("one")) in message
    assert "run `make book`" in message
    assert "'demo'" in message
    return message


def test_missing_copy_stops_the_build(project: Project) -> None:
    project.copy("one").unlink()
    assert "missing" in failing(project)


def test_copy_that_vanished_after_a_build_stops_the_next(project: Project) -> None:
    project.build()
    project.copy("one").unlink()
    assert "missing" in failing(project)


@pytest.mark.parametrize("text", ["", '{"cells": [', '{"cells": []}', "[]"])
def test_half_written_copy_stops_the_build(project: Project, text: str) -> None:
    project.copy("one").write_text(text, encoding="utf-8")
    assert "not a whole notebook" in failing(project)


def test_failed_copy_stops_the_build(project: Project) -> None:
    notebook = executed("one")
    notebook["metadata"]["papermill"]["exception"] = True
    project.put("one", notebook)
    assert "its execution failed" in failing(project)


def test_error_output_stops_the_build_even_where_papermill_went_on(project: Project) -> None:
    notebook = executed("one")
    notebook.cells[-1]["outputs"] = [new_output("error", ename="ValueError", evalue="no such corpus")]
    project.put("one", notebook)
    assert "cell 4 failed with ValueError: no such corpus" in failing(project)


def test_stopped_copy_stops_the_build(project: Project) -> None:
    notebook = executed("one")
    notebook["metadata"]["papermill"]["end_time"] = None
    project.put("one", notebook)
    assert "did not finish" in failing(project)


def test_source_in_the_copys_place_stops_the_build(project: Project) -> None:
    project.put("one", source("one"))
    assert "did not finish" in failing(project)


def test_copy_of_an_older_source_stops_the_build(project: Project) -> None:
    nbformat.write(source("one", prose="Other prose."), project.source("one"))
    assert "out of date: cell 1 of the source has changed" in failing(project)
    shorter = source("one")
    del shorter.cells[-1]
    nbformat.write(shorter, project.source("one"))
    assert "out of date: it has 3 cells, the source 2" in failing(project)


def test_copy_with_an_older_caption_stops_the_build(project: Project) -> None:
    captioned = source("one")
    captioned.cells[-1]["metadata"]["mystnb"] = {"figure": {"caption": "New."}}
    nbformat.write(captioned, project.source("one"))
    assert "out of date: cell 3 of the source has changed" in failing(project)


def test_cell_sources_may_be_lists_of_lines(project: Project) -> None:
    data = json.loads(project.source("one").read_text(encoding="utf-8"))
    for cell in data["cells"]:
        cell["source"] = "".join(cell["source"])
    project.source("one").write_text(json.dumps(data), encoding="utf-8")
    project.build()
