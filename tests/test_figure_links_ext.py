"""The Sphinx extension that lets figures answer, on a tiny project; test_site.py tries them in a browser."""

import io

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_output

from crosscorpus.book import marks
from tests.test_executed_ext import EXTENSION, Project, executed, source

ROWS = [
    {"model": "Whisper & <co>", "accuracy": 73.256, "paper": float("nan")},
    {"model": 'the "other"', "accuracy": 60.0, "paper": None},
]


def drawing(*rows):
    fig, ax = plt.subplots()
    ax.plot([1, 2], [3, 4])
    marks.put(ax, [1, 2, float("nan")][: len(rows)], [3, 4, 5][: len(rows)], rows)
    text = io.StringIO()
    fig.savefig(text, format="svg")
    plt.close(fig)
    return text.getvalue()


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return a function that builds a page with a drawing in a figure."""
    monkeypatch.syspath_prepend(str(EXTENSION))
    monkeypatch.delenv("CROSSCORPUS_PROFILE", raising=False)

    def build(svg):
        project = Project(tmp_path, ["one"])
        figure = {"caption": "Two scores.", "name": "fig-two"}
        metadata = {"mystnb": {"figure": figure, "image": {"alt": "Two dots."}}}
        copy, original = executed("one"), source("one")
        for notebook in (copy, original):
            notebook.cells.append(new_code_cell("draw()", metadata=metadata, id="drawn"))
        copy.cells[-1]["outputs"] = [new_output("display_data", data={"image/svg+xml": svg})]
        nbformat.write(original, project.source("one"))
        project.put("one", copy)
        project.build(extensions=["myst_nb", "executed", "figure_links"])
        return project.root / "_build" / "html", BeautifulSoup(project.page("notebooks/one"), "html.parser")

    return build


def test_marks_say_their_values_and_are_a_table(page):
    out, found = page(drawing(*ROWS))
    figure = found.find("figure", id="fig-two")
    assert [mark["aria-label"] for mark in figure.find_all(class_="mark")] == [
        "model: Whisper & <co>; accuracy: 73.26",
        'model: the "other"; accuracy: 60',
    ]
    assert figure.find("svg")["aria-label"] == "Two dots."
    assert not figure.find_all("a", href=lambda to: to and to.startswith("#mark"))
    names = [one["id"] for one in figure.find_all(id=True)]
    assert len(names) == len(set(names))
    used = {one["xlink:href"] for one in figure.find_all("use")}
    assert used <= {f"#{name}" for name in names}
    data = figure.find("a", string="data")
    table = pd.read_csv((out / "notebooks" / data["href"]).resolve())
    assert table.to_dict("list") == {"model": ["Whisper & <co>", 'the "other"'], "accuracy": [73.26, 60.0]}
    assert (out / "notebooks" / figure.find("a", string="SVG")["href"]).resolve().exists()
    assert figure.find("a", string="link to this figure")["href"] == "#fig-two"


def test_a_figure_without_marks_stays_a_picture(page):
    _, found = page(drawing())
    figure = found.find("figure", id="fig-two")
    assert figure.find("img")["alt"] == "Two dots."
    assert figure.find("svg") is None
    assert figure.find("a", string="data") is None
    assert figure.find("button", string="PNG")


def test_marks_leave_a_plot_as_it_is():
    fig, ax = plt.subplots()
    ax.plot([1, 2], [3, 4])
    before = ax.axis()
    marks.put(ax, [1, 50], [3, 4], [{"a": 1}, {"a": 2}])
    assert ax.axis() == before
    ax.plot([0], [9])
    assert ax.get_ylim()[1] > 9  # limits still follow what is drawn
    plt.close(fig)
