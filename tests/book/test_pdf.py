import re

import pikepdf
import pytest

from crosscorpus.book import pdf

PAGE = """<!doctype html><html lang="en"><title>Book</title><body>
<div class="bd-sidebar-primary"><h1>Menu</h1></div>
<h1>One</h1><p>text</p><h1>Two</h1><pre>{line}</pre></body></html>"""


def test_without_a_browser_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        pdf.find_browser()


def test_a_page_is_printed_with_chapters_apart_and_without_menus(tmp_path):
    try:
        pdf.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    (tmp_path / "page.html").write_text(PAGE.format(line="word " * 200), encoding="utf-8")
    pdf.print_page(tmp_path / "page.html", tmp_path / "made" / "book.pdf")
    printed = (tmp_path / "made" / "book.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", printed)) == 2  # a chapter each, and no menu
    assert b"/Outlines" in printed


def test_it_is_made_small_with_its_pages_its_outline_and_what_is_a_cell(tmp_path):
    try:
        pdf.find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    rows = "<tr><td>a cell</td><td>another</td></tr>" * 300
    page = PAGE.format(line="word").replace("<pre>", f"<table>{rows}</table><pre>")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    file = tmp_path / "book.pdf"
    pdf.print_page(tmp_path / "page.html", file)
    before = file.stat().st_size
    pdf.make_small(file)
    assert file.stat().st_size < before / 2
    with pikepdf.open(file) as made, made.open_outline() as outline:
        assert [entry.title for entry in outline.root] == ["One", "Two"]
        assert len(made.pages) > 2
        kinds = [str(one.get("/S")) for one in made.objects if isinstance(one, pikepdf.Dictionary)]
    assert kinds.count("/TD") == 600


def test_the_pdf_is_linked_from_pages_that_have_a_place_for_it(tmp_path):
    site, place = tmp_path / "html", '<p>Take it. <span class="book-as-pdf"></span></p>'
    (site / "deep").mkdir(parents=True)
    for page, text in {"index.html": place, "deep/page.html": place, "other.html": "<p>none</p>"}.items():
        (site / page).write_text(text, encoding="utf-8")
    (tmp_path / "book.pdf").write_bytes(b"%PDF-")
    for _ in range(2):  # printing again replaces the link
        assert pdf.offer(tmp_path / "book.pdf", site) == 2
    for page in (site / "index.html", site / "deep" / "page.html"):
        (link,) = re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))
        assert (page.parent / link).read_bytes() == b"%PDF-"
    assert (site / "other.html").read_text(encoding="utf-8") == "<p>none</p>"
