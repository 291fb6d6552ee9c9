"""Sphinx extension: what a figure answers besides its picture.

- A figure with marks (`crosscorpus.book.marks`) stands in the page itself, so that each of them says its values on
  hover, focus and tap (`_static/figures.js`); the values are a table to download.
- Below each numbered figure are a link to it and what can be downloaded: SVG, PNG, and its table, if there is one.
"""

import csv
import html
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from crosscorpus.base import stamp
from crosscorpus.book import marks

FIGURE = re.compile(r'<figure\b[^>]*\bid="([^"]+)"[^>]*>.*?</figure>', re.DOTALL)
IMAGE = re.compile(r'<img\b[^>]*\bsrc="([^"]+\.svg)"[^>]*/?>')
ALT = re.compile(r'\balt="([^"]*)"')
MARK = re.compile(rf'<a xlink:href="{re.escape(marks.ADDRESS)}([^"]*)"[^>]*>')


def finish(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Finish the figures of a page before it is written (event html-page-context)."""
    if doctree is None or app.builder.name != "html":
        return
    files = {name: Path(app.srcdir) / source for source, name in app.builder.images.items()}
    context["body"] = FIGURE.sub(lambda found: figure(app, docname, found, files), context["body"])


def figure(app: Sphinx, docname: str, found: re.Match[str], files: dict[str, Path]) -> str:
    """Return a figure with its marks, its link and its downloads."""
    name, markup = found[1], found[0]
    image = IMAGE.search(markup)
    file = files.get(image[1].rpartition("/")[2]) if image else None
    if image is None or file is None:
        return markup
    text = file.read_text(encoding="utf-8")
    offered = [
        f'<a href="{image[1]}" download="{name}.svg">SVG</a>',
        '<button type="button" class="png">PNG</button>',
    ]
    table = rows(text)
    if table:
        address = write_table(app, docname, name, table)
        offered.append(f'<a href="{address}" download="{name}.csv">data</a>')
        alt = ALT.search(image[0])
        markup = markup.replace(image[0], inline(text, name, alt[1] if alt else ""))
    links = (
        f'<p class="figure-links"><a href="#{name}">link to this figure</a> · download: {", ".join(offered)}</p>'
    )
    return markup.replace("</figcaption>", f"{links}</figcaption>", 1)


def rows(svg: str) -> list[dict[str, str]]:
    """Return what the marks of a drawing say, a row each and stamped; none where it has no marks."""
    return [dict(parse_qsl(html.unescape(address))) | stamp.facts() for address in MARK.findall(svg)]


def write_table(app: Sphinx, docname: str, name: str, table: list[dict[str, str]]) -> str:
    """Write a table beside the pages, and return its address on this one."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(column for row in table for column in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(table)
    target = Path(app.outdir) / "_downloads" / "figures" / f"{docname.replace('/', '-')}-{name}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.getvalue(), encoding="utf-8")
    return relative_uri(app.builder.get_target_uri(docname), f"_downloads/figures/{target.name}")


def inline(svg: str, name: str, alt: str) -> str:
    """Return a drawing as it stands in a page: with names of its own, and marks that a keyboard reaches."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", drawing)
    drawing = re.sub(r'xlink:href="#(?!mark\?)([^"]+)"', rf'xlink:href="#{name}-\1"', drawing)
    drawing = MARK.sub(lambda mark: f'<g class="mark" role="img" aria-label="{label(mark[1])}">', drawing)
    drawing = drawing.replace("</a>", "</g>")  # matplotlib draws no other links
    return drawing.replace("<svg", f'<svg class="marked" role="group" aria-label="{alt}"', 1)


def label(address: str) -> str:
    """Return what a mark says, as an attribute's value."""
    values = parse_qsl(html.unescape(address))
    return html.escape("; ".join(f"{name}: {value}" for name, value in values))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", finish, priority=950)  # after `pages`
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
