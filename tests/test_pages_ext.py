"""The Sphinx extension that finishes pages, on a tiny project; the whole site is the matter of test_site.py."""

import json
import tarfile
import types

import nbformat
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.core import publish_doctree
from sphinx.errors import ExtensionError

from tests.test_executed_ext import EXTENSION, Project, executed, new_output


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSION))
    monkeypatch.delenv("CROSSCORPUS_PROFILE", raising=False)


@pytest.fixture
def project(tmp_path):
    """One chapter, which offers a table and took 7.4 s."""
    project = Project(tmp_path, ["one"])
    copy = executed("one")
    link = '<a href="_build/demo/downloads/scores.csv" download>CSV</a>'
    copy.cells[-1]["outputs"].append(new_output("display_data", data={"text/html": link}))
    project.put("one", copy)
    (tmp_path / "_build" / "demo" / "timings").mkdir()
    (tmp_path / "_build" / "demo" / "timings" / "one.tsv").write_text("s\tmax_rss\n7.4\t100\n")
    (tmp_path / "_build" / "demo" / "downloads").mkdir()
    (tmp_path / "_build" / "demo" / "downloads" / "scores.csv").write_text("x\n1\n")
    return project


def shown(project, *more):
    project.build(extensions=["myst_nb", "executed", "pages", *more])
    return {name: BeautifulSoup(project.page(name), "html.parser") for name in ("index", "notebooks/one")}


def test_a_chapter_says_how_long_it_takes_to_read_and_to_run(project):
    pages = shown(project)
    assert pages["index"].find(class_="page-facts").text == "1 min to read"
    facts = pages["notebooks/one"].find(class_="page-facts").text
    assert facts == "1 min to read · took 7 s when it last ran (profile demo)"


def test_a_chapter_that_nobody_timed_says_how_long_it_takes_to_read(project):
    (project.root / "_build" / "demo" / "timings" / "one.tsv").unlink()
    assert shown(project)["notebooks/one"].find(class_="page-facts").text == "1 min to read"


def test_an_offered_table_stands_beside_the_pages(project):
    link = shown(project)["notebooks/one"].find("a", download=True)["href"]
    assert (project.root / "_build" / "html" / "notebooks" / link).resolve().read_text() == "x\n1\n"


def test_a_table_that_is_offered_but_gone_stops_the_build(project):
    (project.root / "_build" / "demo" / "downloads" / "scores.csv").unlink()
    with pytest.raises(ExtensionError, match=r"scores.csv.*not there; delete .*one.ipynb"):
        shown(project)


def test_the_source_of_the_book_is_written_where_a_page_links_to_it(project):
    shown(project)
    archive = project.root / "_build" / "html" / "_downloads" / "crosscorpus-source.tar.gz"
    assert not archive.exists()
    copy = executed("one")
    link = '<a href="_build/source/downloads/crosscorpus-source.tar.gz" download>source</a>'
    copy.cells[-1]["outputs"].append(new_output("display_data", data={"text/html": link}))
    project.put("one", copy)
    page = shown(project)["notebooks/one"]
    target = project.root / "_build" / "html" / "notebooks" / page.find("a", download=True)["href"]
    assert target.resolve() == archive
    with tarfile.open(archive) as whole:
        assert any(name.endswith("/Makefile") for name in whole.getnames())
    archive.write_text("of an earlier build")
    shown(project)  # no page has changed
    assert tarfile.is_tarfile(archive)


def test_a_page_that_shows_the_commit_is_read_again_when_it_changes(project, monkeypatch):
    import pages

    copy = executed("one")
    copy.cells[-1]["outputs"].append(new_output("stream", text="commit COMMIT-OF-THIS-BOOK"))
    project.put("one", copy)
    for commit in ("0123abcd", "4567ef01+"):
        monkeypatch.setattr(pages.versions, "of_commit", lambda commit=commit: commit)
        assert f"commit {commit}" in shown(project)["notebooks/one"].text


def test_the_explorer_loads_its_scripts_on_its_own_page_alone(project):
    copy = executed("one")
    copy.cells[-1]["outputs"].append(
        new_output("display_data", data={"text/html": '<div class="explorer"></div>'})
    )
    project.put("one", copy)
    pages = shown(project)
    loaded = {name: str(page.find_all("script")) for name, page in pages.items()}
    assert "explorer.js" in loaded["notebooks/one"]
    assert "explorer.js" not in loaded["index"]


def test_only_a_page_with_formulas_loads_what_draws_them(project):
    copy = executed("one")
    copy.cells[-1]["outputs"].append(new_output("display_data", data={"text/latex": "$$x + 1$$"}))
    project.put("one", copy)
    loaded = {
        name: str(page.find_all("script")).lower() for name, page in shown(project, "sphinx.ext.mathjax").items()
    }
    assert "mathjax" in loaded["notebooks/one"]
    assert "mathjax" not in loaded["index"]


def test_the_source_of_a_page_is_the_executed_notebook(project):
    shown(project)
    source = json.loads((project.root / "_build" / "html" / "_sources" / "notebooks" / "one.ipynb").read_text())
    assert source["cells"][-1]["outputs"]


def test_the_source_of_a_page_has_all_results_and_no_more_than_a_reader_needs():
    import pages

    notebook = executed("one")
    drawing = "<svg>\n    <g>\n      <path d='M 1 2 \n L 3 4'/>\n    </g>\n</svg>"
    data = {"image/svg+xml": drawing, "text/html": "<pre>a\n  b</pre>", "application/json": ["x"]}
    notebook.cells[-1]["outputs"].append(new_output("display_data", data=data))
    notebook.cells[-1]["metadata"]["papermill"] = {"duration": 1.0}
    before = nbformat.writes(notebook)
    text = pages.lean(json.loads(before))
    found = nbformat.reads(text, as_version=4)
    nbformat.validate(found)
    assert len(text) < len(before)
    assert "papermill" not in found.cells[-1]["metadata"]
    assert [c["source"] for c in found.cells] == [c["source"] for c in notebook.cells]
    kept = found.cells[-1]["outputs"][-1]["data"]
    assert kept["image/svg+xml"].split() == drawing.split()
    assert (kept["text/html"], kept["application/json"]) == (data["text/html"], ["x"])


def test_what_only_debuggers_ask_for_is_left_out(project):
    static = project.root / "_build" / "html" / "_static" / "scripts"
    static.mkdir(parents=True)
    for name in ("some.js", "some.js.map"):
        (static / name).write_text("0")
    shown(project)
    assert [file.name for file in static.iterdir()] == ["some.js"]


def test_words_are_those_of_the_prose():
    import pages

    tree = publish_doctree("Three short words::\n\n    and = code\n\nTwo *more*.\n")
    assert pages.words(tree) == 5
    assert isinstance(tree, nodes.document)


def test_only_a_named_repository_gives_a_launch_button(monkeypatch):
    import pages

    config = types.SimpleNamespace(html_theme_options={"kept": 1})
    monkeypatch.delenv(pages.REPOSITORY_SETTING, raising=False)
    pages.launch(None, config)
    assert config.html_theme_options == {"kept": 1}
    monkeypatch.setenv(pages.REPOSITORY_SETTING, "https://github.com/someone/crosscorpus")
    pages.launch(None, config)
    assert config.html_theme_options["repository_url"] == "https://github.com/someone/crosscorpus"
    assert config.html_theme_options["launch_buttons"]["binderhub_url"]


def test_markup_is_repaired():
    import pages

    assert pages.name_toggles("<summary><i></i></summary>").startswith('<summary aria-label="')
    body = '<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry">x</div></div>'
    assert "role" not in pages.plain_citations(body)


def test_computed_sentences_are_not_bold_and_values_are():
    import pages

    value = '<span class="pasted-text">{}</span>'.format
    sentence = "What was found is said in more than sixty letters, of course."
    body = pages.plain_sentences(value("39.0") + value(sentence) + value("40.0"))
    assert body == value("39.0") + value(sentence).replace("pasted-text", "pasted-text sentence") + value("40.0")
