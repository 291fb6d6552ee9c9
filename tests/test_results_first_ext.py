"""The Sphinx extension that puts what was found before how, on a tiny project."""

import json

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.errors import ExtensionError

from tests.test_executed_ext import EXTENSION, FINISHED, KERNEL, Project


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSION))
    monkeypatch.delenv("CROSSCORPUS_PROFILE", raising=False)


def code(text, *tags, shows=""):
    cell = new_code_cell(text, metadata={"tags": list(tags)})
    if shows:
        cell["outputs"] = [new_output("execute_result", data={"text/html": shows}, execution_count=1)]
    return cell


def chapter(start="p = chapters.start('one', globals())", short="**In short.** It is 4."):
    cells = [
        new_markdown_cell(f"# One\n\nWhat this is about.\n\n{short}"),
        code("seed: int = 0", "parameters"),
        code("seed = 3", "injected-parameters"),
        new_markdown_cell("The parameters are checked first."),
        code(start, "hide-input"),
        new_markdown_cell("(label-of-how)=\n## How\n\nDone so."),
        code("how()", shows="<table><tr><td>how</td></tr></table>"),
        new_markdown_cell("## What\n\nText.\n\nAll of it:"),
        code("what()", "lead", shows="<table><tr><td>lead</td></tr></table>"),
        code("unseen()", "remove-input", shows="<p>unseen</p>"),
        code("footer()", "remove-input", "provenance", shows="<p>Provenance.</p>"),
    ]
    cells[5]["metadata"]["tags"] = ["detail"]
    for number, cell in enumerate(cells):
        cell["id"] = f"one-{number}"
    return new_notebook(cells=cells, metadata=KERNEL)


@pytest.fixture
def shown(tmp_path):
    def show(notebook):
        project = Project(tmp_path, ["one"])
        (tmp_path / "index.md").write_text("# Start\n\n```{toctree}\nnotebooks/one\n```\n", encoding="utf-8")
        source = json.loads(nbformat.writes(notebook))
        source["cells"] = [
            c for c in source["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])
        ]
        nbformat.write(nbformat.from_dict(source), project.source("one"))
        notebook["metadata"]["papermill"] = dict(FINISHED)
        project.put("one", notebook)
        project.build(extensions=["myst_nb", "executed", "results_first"])
        return BeautifulSoup(project.page("notebooks/one"), "html.parser")

    return show


def order(page, *words):
    text = page.find(attrs={"class": "body"}).get_text()
    places = [text.index(word) for word in words]
    return places == sorted(places)


def test_what_was_found_comes_first_and_what_runs_it_last(shown):
    page = shown(chapter())
    words = ["In short.", "All of it:", "lead", "What this is about.", "Done so.", "Text."]
    assert order(page, *words, "Run this page again", "seed: int = 0", "seed = 3", "checked first", "Provenance.")
    assert "It is 4." in page.find(class_="in-short").text
    assert page.find(id="run-this-page-again")
    (button,) = page.find_all("button", class_="code-switch")
    assert button["aria-pressed"] == "false"


def test_code_is_folded_and_what_had_none_stays_without(shown):
    page = shown(chapter())
    boxes = [d for d in page.find_all("details") if "detail-part" not in d.get("class", [])]
    folded = "".join(box.text for box in boxes)
    words = ("seed: int", "seed = 3", "start(", "how()", "what()")
    assert [folded.count(word) for word in words] == [1] * len(words)
    assert "footer()" not in page.text
    assert "unseen()" not in page.text
    assert not any(box.has_attr("open") for box in boxes)


def test_a_part_with_details_is_closed_below_its_heading(shown):
    page = shown(chapter())
    (part,) = page.find_all("details", class_="detail-part")
    assert part.find("summary").text == "Show this part (1 figure or table)"
    assert "Done so." in part.text
    assert "how" in part.text
    assert "Text." not in part.text
    assert part.find_previous_sibling("h2").text.startswith("How")
    assert "results-first" not in str(page)


def test_a_page_without_a_summary_stays_as_it_was_written(shown):
    page = shown(chapter(short="**Asked.** What is it?"))
    assert order(page, "What this is about.", "seed: int = 0", "checked first", "Done so.", "Text.", "lead")
    assert "Run this page again" not in page.text
    assert not page.find("button", class_="code-switch")
    assert not page.find("details", class_="detail-part")


def test_a_chapter_that_does_not_check_its_parameters_stops_the_build(shown):
    with pytest.raises(ExtensionError, match=r"notebooks/one: no cell .* calls chapters.start\(\)"):
        shown(chapter(start="p = None"))
