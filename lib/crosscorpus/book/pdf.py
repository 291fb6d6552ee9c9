"""The book as one PDF (`make pdf`): all pages in the order of the contents, printed by a Chromium."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from crosscorpus.base import paths

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Menus and buttons are of no use on paper. Long lines of code and wide tables are folded and shrunk, not cut.
STYLE = """
.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-footer, .headerlink, .copybtn,
.choices, .table-search, .note, .skip-link, #pst-back-to-top { display: none !important; }
.bd-main, .bd-content, .bd-article-container { display: block !important; max-width: none !important; }
.table-box, .output.text_html, .matrix-box { max-height: none !important; overflow: visible !important; }
table { font-size: 7pt !important; }
table :is(th, td) { max-width: none !important; min-width: 0 !important; padding: 2px 4px !important;
  white-space: normal !important; overflow-wrap: anywhere; }
table code { white-space: normal !important; }
thead { position: static !important; }
pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
figure, tr { break-inside: avoid; }
h1, h2, h3 { break-after: avoid; }
h1 { break-before: page; }
"""
PLACE = re.compile(r'(<span class="book-as-pdf">).*?(</span>)', re.DOTALL)
"""Where a page of the site has a link to the PDF, once there is one."""
FOOTER = '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'


def find_browser() -> str:
    """Return the path of a Chromium.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise FileNotFoundError(
            f"none of {', '.join(BROWSERS)} is on this machine; Debian: apt-get install chromium"
        )
    return found


def single_page(profile: str, root: Path = paths.ROOT) -> Path:
    """Build the book below a folder as one page of HTML, from the chapters that a profile executed.

    Returns
    -------
    The page's file.

    Raises
    ------
    subprocess.CalledProcessError
        It cannot be built; jupyter-book has printed why.
    """
    program = str(Path(sys.executable).with_name("jupyter-book"))
    command = [program, "build", str(root), "--builder", "singlehtml"]
    environment = os.environ | {"CROSSCORPUS_PROFILE": profile}
    subprocess.run([*command, "--quiet", "-W", "-n", "--keep-going"], env=environment, check=True)
    return root / "_build" / "singlehtml" / "notebooks" / "index.html"


def print_page(page: Path, to: Path) -> None:
    """Print a page of HTML, as it looks in light mode, to an A4 PDF with page numbers and an outline."""
    from playwright.sync_api import sync_playwright  # with the tools for tests

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.add_style_tag(content=STYLE)
        tab.evaluate("window.MathJax?.startup?.promise")
        to.parent.mkdir(parents=True, exist_ok=True)
        tab.pdf(
            path=to,
            format="A4",
            margin={"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            outline=True,
            tagged=True,
        )
        browser.close()


def make_small(file: Path) -> None:
    """Write a PDF anew with the objects that say what is a heading or a cell compressed: a fifth, nothing lost."""
    import pikepdf  # with the tools for tests

    with pikepdf.open(file, allow_overwriting_input=True) as printed:
        printed.save(file, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def offer(printed: Path, site: Path) -> int:
    """Put the PDF among a site's downloads, link it from the pages that have a `PLACE`, and return how many do."""
    target = site / "_downloads" / printed.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(printed, target)
    linked = 0
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        address = os.path.relpath(target, page.parent)
        link = f'; <a href="{address}" download>the whole book as PDF</a> ({target.stat().st_size / 1e6:.1f} MB)'
        changed, found = PLACE.subn(rf"\g<1>{link}\g<2>", text)
        if found:
            page.write_text(changed, encoding="utf-8")
            linked += 1
    return linked


def main() -> None:
    """Write `_build/crosscorpus.pdf`, and link it in the site in `_build/html/`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", nargs="?", default="demo")
    target = paths.BUILD / "crosscorpus.pdf"
    print_page(single_page(parser.parse_args().profile), target)
    make_small(target)
    if (paths.BUILD / "html").is_dir():
        offer(target, paths.BUILD / "html")
    print(f"The book as PDF: {target.as_uri()} ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
