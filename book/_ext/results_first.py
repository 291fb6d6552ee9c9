"""Sphinx extension: pages of results show what was found before how.

A page of results is a notebook with a paragraph that begins **In short.** In Jupyter it runs from top to bottom;
on its page

- that paragraph is a box below the title;
- code is folded, and one switch below the title unfolds it (`results.js` remembers that);
- cells with the tag `lead` follow the box, so that the first figure or table is in sight at once; a sentence
  before such a cell that ends with a colon goes with it;
- a section whose first cell has the tag `detail` is closed until it is asked for, and so are those below it;
- parameters and imports, and the provenance, are at the end, under *Run this page again*.
"""

import json
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

IN_SHORT = "In short."
AGAIN = "Run this page again"
SHOWN_ELSEWHERE = {"remove-input", "remove-cell", "hide-cell"}
DETAIL_MARK = "results-first: detail"
SWITCH = '<button type="button" class="code-switch" aria-pressed="false" hidden>Show code</button>'


def fold(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold code, and mark closed sections in the text, where a page is one of results (event source-read)."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    cells = notebook["cells"]
    if not any(c["cell_type"] == "markdown" and f"**{IN_SHORT}**" in "".join(c["source"]) for c in cells):
        return
    for cell in cells:
        tags = set(cell["metadata"].get("tags", []))
        if cell["cell_type"] == "code" and not tags & SHOWN_ELSEWHERE:
            cell["metadata"]["tags"] = sorted(tags | {"hide-input"})
            options = cell["metadata"].setdefault("mystnb", {})
            options.setdefault("code_prompt_show", "Show {type}")
            options.setdefault("code_prompt_hide", "Hide {type}")
        elif cell["cell_type"] == "markdown" and "detail" in tags:
            text = "".join(cell["source"])
            cell["source"] = re.sub(r"^(#+ .*)$", rf"\1\n\n% {DETAIL_MARK}\n", text, count=1, flags=re.MULTILINE)
    source[0] = json.dumps(notebook)


def arrange(app: Sphinx, doctree: nodes.document) -> None:
    """Bring what was found to the top of a page, and what runs it to its end (event doctree-read)."""
    said = next((p for p in doctree.findall(nodes.paragraph) if _is_in_short(p)), None)
    if said is None:
        return
    page = said.parent
    while not isinstance(page.parent, nodes.document):
        page = page.parent
    box = nodes.container("", _taken(said), classes=["in-short"])
    page.insert(1, box)  # after the title
    _move_leads(page, box)
    for mark in [c for c in doctree.findall(nodes.comment) if c.astext() == DETAIL_MARK]:
        mark.parent["classes"].append("detail")
        mark.parent.remove(mark)
    again = nodes.section("", nodes.title("", AGAIN), ids=[nodes.make_id(AGAIN)], names=[AGAIN.lower()])
    again += [*_start(page, app.env.docname), *map(_taken, _tagged(page, "provenance"))]
    page += again


def _is_in_short(paragraph: nodes.paragraph) -> bool:
    first = next((child for child in paragraph if child.astext()), None)  # the parser puts an empty text in front
    return isinstance(first, nodes.strong) and first.astext() == IN_SHORT


def _tagged(root: nodes.Element, tag: str) -> list[nodes.Element]:
    return [c for c in root.findall(nodes.container) if f"tag_{tag}" in c["classes"]]


def _taken(node: nodes.Element) -> nodes.Element:
    node.parent.remove(node)
    return node


def _move_leads(page: nodes.Element, box: nodes.Element) -> None:
    place = page.index(box) + 1
    for cell in _tagged(page, "lead"):
        before = cell.parent.index(cell) - 1
        said = cell.parent[before] if before >= 0 else None
        with_it = isinstance(said, nodes.paragraph) and said.astext().rstrip().endswith(":")
        for node in [said, cell] if with_it else [cell]:
            page.insert(place, _taken(node))
            place += 1


def _start(page: nodes.Element, docname: str) -> list[nodes.Element]:
    """Take the cells with parameters, the sentence after them and the cell that checks them out of a page."""
    first = next(iter(_tagged(page, "parameters")), None)
    if first is None:
        return []
    siblings = first.parent.children
    found: list[nodes.Element] = []
    for node in siblings[siblings.index(first) :]:
        found.append(node)
        if isinstance(node, nodes.container) and "chapters.start(" in node.astext():
            return [_taken(node) for node in found]
        if isinstance(node, nodes.section):
            break
    if not first.astext():  # out of sight
        return []
    raise ExtensionError(
        f"{docname}: no cell of the section that has the parameters calls chapters.start(), which checks them; "
        "expected: parameters, a sentence, and the cell that begins with it",
        modname="results_first",
    )


def close_details(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Close sections that are details, on pages for screens (event doctree-resolved)."""
    if app.builder.name != "html":
        return
    for section in [s for s in doctree.findall(nodes.section) if "detail" in s["classes"]]:
        n = sum(1 for _ in section.findall(nodes.figure)) + len(list(_outputs(section)))
        what = (
            f"Show this part ({n} {'figure or table' if n == 1 else 'figures and tables'})"
            if n
            else "Show this part"
        )
        start = f'<details class="detail-part"><summary>{what}</summary>'
        section.insert(1, nodes.raw("", start, format="html"))
        section += nodes.raw("", "</details>", format="html")


def _outputs(section: nodes.Element) -> Any:
    return (raw for raw in section.findall(nodes.raw) if "<table" in raw.astext())


def switch(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Put the switch below the title of a page of results (event html-page-context)."""
    if doctree is not None and app.builder.name == "html" and 'id="run-this-page-again"' in context["body"]:
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{SWITCH}", 1)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", fold, priority=600)  # after `executed` has put the copy in
    app.connect("doctree-read", arrange, priority=400)  # before the contents of pages are collected
    app.connect("doctree-resolved", close_details)
    app.connect("html-page-context", switch, priority=901)  # before the facts of `pages`, on their line
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
