"""The whole site: built strictly from the kept copies of the notebooks, and looked at in a browser.

`pytest tests/test_site.py --site _build/html` (`make test-site`) tests a site that was built already.
"""

import collections
import contextlib
import functools
import http.server
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup

from crosscorpus.base import paths
from crosscorpus.book import marks, pdf

ROOT = paths.ROOT
MOVED = {
    file.relative_to(paths.ROOT / "book" / "_moved") for file in (paths.ROOT / "book" / "_moved").rglob("*.html")
}
"""Pages that lead from an old name to the new one."""
KEPT = Path(__file__).parent / "notebooks"
KEPT_MODELS = {file.stem for file in (KEPT / "models").iterdir()}
CONTENTS = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
MEGABYTE = 1_000_000
MOST_FIRST, MOST_PAGE, MOST_SITE, MOST_SMOKE = MEGABYTE, 3 * MEGABYTE, 40 * MEGABYTE, 20 * MEGABYTE


@pytest.fixture(scope="module")
def site(request, tmp_path_factory):
    """Return a built site's folder: the one that was named, or one built here from the kept notebooks."""
    named = request.config.getoption("--site")
    if named:
        folder = Path(named).resolve()
        assert (folder / "index.html").exists(), f"{named} holds no built site: run `make book`"
        return folder
    return build(tmp_path_factory.mktemp("site"))


def build(folder):
    """Build the book in a copy of the sources; kept copies have no images, so each figure gets a small one."""
    for name in ("_config.yml", "_toc.yml", "CONTRIBUTING.md", "CITATION.cff"):
        shutil.copy(ROOT / name, folder)
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, folder / name)
    executed = folder / "_build" / "smoke" / "notebooks"
    executed.mkdir(parents=True)
    kept = {file.relative_to(KEPT): file for file in KEPT.rglob("*.ipynb")}
    for page in (ROOT / "notebooks" / "models").iterdir():  # pages that are not kept look like one that is
        kept.setdefault(Path("models") / page.name, KEPT / "models" / "wavlm-base.ipynb")
    (executed / "models").mkdir()
    timings = folder / "_build" / "smoke" / "timings"
    timings.mkdir()
    for name, file in kept.items():
        text = file.read_text(encoding="utf-8")
        notebook = json.loads(text)
        notebook["metadata"]["papermill"] = {"end_time": "2026-01-01T00:00:00"}
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if "<Figure" in "".join(output.get("data", {}).get("text/plain", "")):
                    output["data"]["image/svg+xml"] = picture()
        (executed / name).write_text(json.dumps(notebook), encoding="utf-8")
        for offered in re.findall(r"_build/smoke/downloads/[\w.-]+", text):  # files are not kept
            (folder / offered).parent.mkdir(exist_ok=True)
            (folder / offered).write_text("kept copies have no files\n")
        step = str(name.with_suffix("")).replace("models/", "model-")
        (timings / f"{step}.tsv").write_text("s\tmax_rss\n7.4\t100\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", str(folder), "-W", "-n", "--keep-going"]
    environment = os.environ | {"CROSSCORPUS_PROFILE": "smoke"}
    run = subprocess.run([*command, "--quiet"], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return folder / "_build" / "html"


@functools.cache
def picture():
    """Return a drawing of two panels with marks."""
    fig, axes = plt.subplots(1, 2, sharey=True, figsize=(6, 2))
    for ax in axes:
        ax.plot([60, 70], [0, 1], "o", label="ours")
        said = [
            {"tested on": corpus, "accuracy": 60.0, "low": 50.0, "high": 70.0} for corpus in ("Emo-DB", "AESDD")
        ]
        marks.put(ax, [60, 70], [0, 1], said)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    text = io.StringIO()
    fig.savefig(text, format="svg")
    plt.close(fig)
    return text.getvalue()


def pages(site):
    found = (p for p in site.rglob("*.html") if "_static" not in p.parts)
    return sorted(p for p in found if p.relative_to(site) not in MOVED)


@pytest.fixture(scope="module")
def parsed(site):
    """Return the pages of the contents, parsed, by name."""
    return {n: BeautifulSoup((site / f"{n}.html").read_text(encoding="utf-8"), "html.parser") for n in CONTENTS}


# -- what needs no browser --------------------------------------------------------------------------------------


def test_every_page_of_the_contents_is_there(site):
    assert [name for name in CONTENTS if not (site / f"{name}.html").exists()] == []


def test_internal_links_and_anchors_exist(site):
    broken = []
    ids = {page: set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))) for page in pages(site)}
    for page in ids:
        for link in re.findall(r'\b(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link) or (not target and not anchor):
                continue
            file = (page.parent / unquote(target.partition("?")[0])).resolve() if target else page
            if not file.exists() or (anchor and file in ids and anchor not in ids[file]):
                broken.append((page.name, link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    remote = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]+"')
    assert [p.name for p in pages(site) if remote.search(p.read_text(encoding="utf-8"))] == []


def test_no_page_shows_the_name_of_an_object(site):
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"&lt;(IPython|pandas|crosscorpus|Figure)[. ]", text), page.name


def test_pages_under_old_names_lead_to_the_new_ones(site):
    assert MOVED
    for page in MOVED:
        to = re.search(r"url=([^\"]+)", (site / page).read_text(encoding="utf-8"))[1]
        assert (site / page.parent / to).is_file()


def test_each_chapter_ends_with_its_command_and_provenance(site):
    for page in sorted((site / "notebooks").glob("*.html")):
        if page.relative_to(site) in MOVED:
            continue
        text = page.read_text(encoding="utf-8")
        assert "Provenance." in text
        assert f"papermill notebooks/{page.stem}.ipynb" in re.sub(r"<[^>]+>", "", text)


def test_a_models_page_has_its_name_and_command(site):
    text = (site / "notebooks" / "models" / "wavlm-base.html").read_text(encoding="utf-8")
    assert re.search(r"<h1>WavLM<", text)
    assert "papermill notebooks/model.ipynb out.ipynb" in re.sub(r"<[^>]+>", "", text)
    assert "Not yet run" in text


def test_the_address_that_is_printed_leads_to_the_first_page(site):
    assert 'url=notebooks/index.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_pages_lead_on_in_the_order_of_the_contents(site, parsed):
    for name, following in itertools.pairwise(CONTENTS):
        for page, title, other in ((name, "next page", following), (following, "previous page", name)):
            (link,) = parsed[page].find_all("a", title=title)
            assert (site / page).parent.joinpath(link["href"]).resolve() == site / f"{other}.html"


def test_each_page_says_how_long_it_takes(parsed):
    for name, page in parsed.items():
        (line,) = page.find_all("p", class_="page-facts")
        assert re.match(r"\d+ min to read", line.text), name
        assert ("when it last ran" in line.text) == name.startswith("notebooks/"), name


def test_the_download_button_of_a_chapter_gives_the_executed_notebook(site, parsed):
    for name in CONTENTS:
        if name.startswith("notebooks/"):
            (link,) = parsed[name].find_all("a", class_="btn-download-source-button")
            assert link["href"].endswith(".ipynb")
            cells = json.loads((site / name).parent.joinpath(link["href"]).read_text(encoding="utf-8"))["cells"]
            assert any(cell.get("outputs") for cell in cells), name


def test_figures_have_text_and_number_and_are_referred_to(parsed):
    referred = {a["href"].partition("#")[2] for page in parsed.values() for a in page.find_all("a", href=True)
                if a.find(class_="std-numref")}  # fmt: skip
    for name, page in parsed.items():
        for figure in page.select(".bd-article figure"):
            text = figure.img["alt"] if figure.img else figure.svg["aria-label"]  # drawings with marks are inline
            assert len(text) > 30, (name, figure.get("id"))
            assert figure.find(class_="caption-number"), (name, figure.get("id"))
            assert figure["id"] in referred, f"{name}: no text refers to {figure['id']}"
        for image in page.select(".bd-article img"):
            assert image.find_parent("figure"), f"{name}: {image['src']} has no caption"


def test_formulas_that_stand_alone_are_numbered(parsed):
    formulas = [(name, f) for name, page in parsed.items() for f in page.select(".bd-article div.math")]
    assert formulas
    assert [name for name, formula in formulas if not formula.find(class_="eqno")] == []


def test_terms_of_the_glossary_are_linked_from_the_text(parsed):
    defined = {dt["id"]: dt.text for dt in parsed["book/glossary"].select("dl.glossary dt[id]")}
    linked = {a["href"].partition("#")[2] for name, page in parsed.items() if name != "book/glossary"
              for a in page.select("a[href*='glossary.html#term-']")}  # fmt: skip
    groups = [[dt["id"] for dt in dl] for dl in _entries(parsed["book/glossary"])]
    assert [defined[group[0]] for group in groups if not linked & set(group)] == []


def _entries(page):
    """Group the terms that share a definition."""
    group = []
    for child in page.select("dl.glossary > *"):
        if child.name == "dt":
            group.append(child)
        elif group:
            yield group
            group = []


def test_tables_that_scroll_are_named_and_reached_by_keyboard(parsed):
    boxes = [box for page in parsed.values() for box in page.select(".table-box")]
    assert boxes
    for box in boxes:
        assert box["tabindex"] == "0"
        assert box["aria-label"].startswith("Table: ")
        assert all(th.text.strip() and th.get("scope") for th in box.select("thead th"))


def test_the_site_is_not_heavy(request, site):
    # Of kept copies, drawings are small and tables to download are missing: what is left has a bar of its own.
    most = MOST_SITE if request.config.getoption("--site") else MOST_SMOKE
    sizes = {file.relative_to(site): file.stat().st_size for file in site.rglob("*") if file.is_file()}
    heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    assert sum(sizes.values()) < most, heaviest
    assert [str(file) for file in sizes if file.suffix == ".map"] == []


QUESTIONS = yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text(encoding="utf-8"))
WORDS_PER_SECOND = 200 / 60


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked["question"])
def test_a_newcomers_question_is_answered_in_two_clicks_and_twenty_seconds(parsed, asked):
    clicks, words = asked["path"], 0
    assert len(clicks) <= 2
    for here, following in itertools.pairwise(["notebooks/index", *clicks]):
        there = f"{following.rpartition('/')[2]}.html"
        link = next((a for a in _article(parsed[here]).find_all("a", href=True) if _leads(a, there)), None)
        assert link is not None, f"no text of {here} links to {following}"
        words += _skimmed(link) + len(link.text.split())
    article = _article(parsed[["notebooks/index", *clicks][-1]])
    holders = (e for e in article.find_all(["p", "li", "dd", "td"]) if re.search(asked["answer"], _text(e)))
    holder = min(holders, key=lambda e: len(e.text), default=None)
    assert holder is not None, f"no sentence says {asked['answer']}"
    words += _skimmed(holder) + len(re.search(asked["answer"], _text(holder))[0].split())
    assert words / WORDS_PER_SECOND <= 20, f"{words} words"


def _article(page):
    return page.select_one(".bd-article")


def _leads(link, name):
    return link["href"].partition("#")[0].rpartition("/")[2] == name and not link.find_parent("nav")


def _text(element):
    return " ".join(element.text.split())


def _skimmed(element):
    """Count the words skimmed from the top of a page to a place: headings, and what is bold below the last one."""
    found = []
    for one in reversed(element.find_all_previous(["h1", "h2", "h3", "strong"])):
        if one.find_parent(class_="bd-article"):
            found = [one] if one.name == "h1" else [*found, one]
            if one.name in ("h2", "h3"):  # what was bold above it is passed over
                found = [each for each in found if each.name != "strong"]
    return sum(len(one.text.split()) for one in found)


# -- in a browser -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(request, site):
    """Return the pages that are looked at: not those of models that are not kept, which are copies of one."""
    copies = set() if request.config.getoption("--site") else {p.stem for p in pages(site)} - KEPT_MODELS
    leads_on = {site / "index.html"}
    return [p for p in pages(site) if p not in leads_on and not (p.parent.name == "models" and p.stem in copies)]


@pytest.fixture(scope="module")
def server(site):
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def watched(browser, found, *, width=1440, mode="light", own=("file:", "data:", "blob:")):
    """Open a page whose errors, failed and foreign requests are noted in `found`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=mode, reduced_motion="reduce"
    )
    page = context.new_page()

    def name():
        return page.url.rpartition("/")[2]

    page.on("console", lambda m: found.append((name(), m.text)) if m.type == "error" else None)
    page.on("pageerror", lambda e: found.append((name(), str(e))))
    page.on("request", lambda r: None if r.url.startswith(own) else found.append((name(), "asks for", r.url)))
    # A request that is under way when the page is left is aborted: no failure of the page.
    page.on(
        "requestfailed", lambda r: None if "ABORTED" in r.failure else found.append((name(), r.failure, r.url))
    )
    yield page
    context.close()


def violations(page, of=None, **options):
    """Return what axe-core finds on a page, or in what a selector names there."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"], "preload": False, **options}  # it would ask for the styles once more
    results = Axe().run(page, context=of and {"include": [[of]]}, options=options).response
    return [
        (page.url.rpartition("/")[2], violation["id"], node["target"], node["html"][:200])
        for violation in results["violations"]
        for node in violation["nodes"]
    ]


OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules that a mode decides: it changes colours alone."""
MARK_UNSEEN = """seen => {
  const known = new Set(seen), fresh = [];
  const looks = at => [at.tagName, at.getAttribute("class"), at.getAttribute("style"), at.getAttribute("fill"),
    at.id.startsWith("T_") && at.id, at.tagName === "TR" && at.rowIndex % 2].join(" ");
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
    let path = "";
    for (let at = element; at !== document.documentElement; at = at.parentElement) path += looks(at) + "/";
    if (known.has(path)) continue;
    known.add(path);
    fresh.push(path);
    element.setAttribute("data-unseen", "");
  }
  return fresh;
}"""
"""Marks texts that no earlier page has: not with these tags, classes and styles from the body down to them."""


def faults_of_colours(page, seen):
    """Return violations of colour rules, which take minutes, in texts that look like none of an earlier page."""
    fresh = page.evaluate(MARK_UNSEEN, list(seen))
    seen |= set(fresh)
    return violations(page, "[data-unseen]", runOnly=OF_COLOURS) if fresh else []


@pytest.fixture
def colours(request):
    """Look at the colours of one page after another: of a named site all, else what no earlier page has."""
    if request.config.getoption("--site"):
        return functools.partial(violations, runOnly=OF_COLOURS)
    return functools.partial(faults_of_colours, seen=set())


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pages_from_disk_work_and_can_be_used_by_everyone(request, shown, browser, colours, mode):
    if mode == "dark" and not request.config.getoption("--site"):
        pytest.skip("with --site (`make test-site`); of kept notebooks, the phone's test looks at dark pages")
    found = []
    with watched(browser, found, mode=mode) as page:
        for file in shown:
            page.goto(file.as_uri())
            found += violations(page, rules={rule: {"enabled": False} for rule in OF_COLOURS})
            found += colours(page)
    assert found == []


def test_pages_fit_a_phone_and_are_dark_there(shown, browser, colours):
    found = []
    with watched(browser, found, width=360, mode="dark") as page:
        for file in shown:
            page.goto(file.as_uri())
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 360:
                found.append((file.name, f"{width} px wide"))
            found += violations(page, runOnly=["scrollable-region-focusable"])
            found += colours(page)
    assert found == []


def test_texts_of_a_colour_too_pale_are_found_once(browser, tmp_path):
    """What the tests above look at: what is pale, in a style that an earlier page did not have."""
    pale = "<style>.pale { color: #ccc; background: #fff }</style>"
    pages = [
        "<p class=pale>one</p><p class=pale>two</p><p>three</p>",
        "<p class=pale>four</p>",
        "<i class=pale>five</i>",
    ]
    found, seen = [], set()
    with watched(browser, []) as page:
        for number, body in enumerate(pages):
            file = tmp_path / f"{number}.html"
            file.write_text(f"<html lang=en><title>x</title>{pale}<body>{body}", encoding="utf-8")
            page.goto(file.as_uri())
            found.append([node for _, _, _, node in faults_of_colours(page, seen)])
    assert found == [['<p class="pale" data-unseen="">one</p>'], [], ['<i class="pale" data-unseen="">five</i>']]


def test_pages_from_a_server_work_and_are_not_heavy(site, shown, server, browser):
    found, weight = [], collections.Counter()
    with watched(browser, found, own=(server, "data:", "blob:")) as page:
        page.on("response", lambda r: weight.update({page.url: int(r.headers.get("content-length", 0))}))
        for file in shown:
            # A fresh cache for each page: its whole weight counts.
            page.context.new_cdp_session(page).send("Network.clearBrowserCache")
            page.goto(f"{server}/{file.relative_to(site)}")
    assert found == []
    assert len(weight) >= len(shown)
    assert {url: size for url, size in weight.items() if size > MOST_PAGE} == {}


def test_the_first_page_is_light(server, browser):
    found, sizes = [], []
    with watched(browser, found, own=(server, "data:", "blob:")) as page:
        page.on("response", lambda r: sizes.append(int(r.headers.get("content-length", 0))))
        page.goto(f"{server}/notebooks/index.html", wait_until="networkidle")
    assert found == []
    assert MEGABYTE / 10 < sum(sizes) < MOST_FIRST


def test_search_works_from_disk(site, browser):
    found = []
    with watched(browser, found) as page:
        page.goto((site / "notebooks" / "index.html").as_uri())
        page.keyboard.press("Control+k")
        page.keyboard.type("silhouette")
        page.keyboard.press("Enter")
        page.locator("#search-results li a[href*='visualization.html']").first.wait_for()
        page.locator("#search-results li a").first.click()
        page.wait_for_url("**/glossary.html#term-silhouette")  # what the word means comes first
    assert found == []


def test_tables_are_searched_and_sorted(site, browser):
    found = []
    with watched(browser, found) as page:
        page.goto((site / "notebooks" / "extraction.html").as_uri())
        box = page.locator(".table-box", has=page.locator("th", has_text="dimension")).first
        rows = box.locator("tbody tr")
        column = [cell.text.strip() for cell in _cells(box, "dimension")]
        box.get_by_role("button", name="dimension").click()
        assert [c.text.strip() for c in _cells(box, "dimension")] == sorted(column, key=int)
        box.get_by_role("button", name="dimension").press("Enter")
        assert [int(c.text) for c in _cells(box, "dimension")] == sorted(map(int, column), reverse=True)
        box.get_by_role("button", name="dimension").click()
        assert [cell.text.strip() for cell in _cells(box, "dimension")] == column
        page.get_by_role("searchbox", name="Find rows").first.fill("whisper")
        assert 0 < rows.locator("visible=true").count() < len(column)
        assert all("whisper" in row.lower() for row in rows.locator("visible=true").all_inner_texts())
    assert found == []


def _cells(box, column):
    table = BeautifulSoup(box.inner_html(), "html.parser")
    place = [cell.text.strip() for cell in table.select("thead tr")[-1].find_all(["th", "td"])].index(column)
    return [row.find_all(["th", "td"])[place] for row in table.select("tbody tr")]


def _open(part):
    """Open what a part is folded into, as a reader does, with one click."""
    closed = part.locator("xpath=ancestor::details[not(@open)]")
    if closed.count():
        closed.locator("summary").first.click()


def test_views_are_chosen_from_and_tell_counts(site, browser):
    found = []
    with watched(browser, found) as page:
        page.goto((site / "notebooks" / "cross-corpus.html").as_uri())
        grid = page.locator("div.interactive[data-view=grid]")
        _open(grid)
        before = grid.locator("tbody td").all_inner_texts()
        shown = grid.get_by_label("folds").input_value()
        grid.get_by_label("folds").select_option("speaker" if shown == "stratified" else "stratified")
        assert grid.locator("tbody td").all_inner_texts() != before
        grid.locator("tbody td").first.hover()
        assert re.search(
            r"trained on .* tested on .*: [\d.]+.*; \d+ test utterances", grid.locator("output").inner_text()
        )
        confusion = page.locator("div.interactive[data-view=predictions]")
        confusion.get_by_label("tested on").select_option(index=1)
        confusion.locator("tbody td").first.focus()
        assert re.search(r"taken for .*: \d+ of \d+", confusion.locator("output").inner_text())
        page.goto((site / "notebooks" / "visualization.html").as_uri())
        points = page.locator("div.interactive[data-view=points]")
        drawn = points.locator(".plane > svg path").count()
        assert drawn > 10
        points.get_by_label("panel").select_option(index=1)
        assert points.locator(".plane > svg path").count() != drawn
        points.locator(".plane > svg path").first.dispatch_event("mouseenter")
        assert ": " in points.locator("output").inner_text()
    assert found == []


def test_figures_answer_to_keyboard_and_pointer(site, browser):
    found = []
    with watched(browser, found) as page:
        page.goto((site / "notebooks" / "same-corpus.html").as_uri())
        figure = page.locator("figure#fig-same")
        marks, said = figure.locator(".mark"), figure.locator("output.mark-said")
        assert not said.is_visible()
        marks.first.focus()
        first = said.inner_text()
        assert re.search(r"tested on: .*; accuracy: [\d.]+; low: [\d.]+; high: [\d.]+", first)
        page.keyboard.press("ArrowRight")
        assert said.inner_text() != first
        assert figure.locator(".mark[tabindex='0']").count() == 1  # a figure is one stop of the Tab key
        page.keyboard.press("Escape")
        assert not said.is_visible()
        marks.first.hover(force=True)
        assert said.inner_text() == first
        with page.expect_download() as saved:
            figure.get_by_role("button", name="PNG").click()
        assert saved.value.path().read_bytes().startswith(b"\x89PNG")
        data = pd.read_csv(site / "notebooks" / figure.get_by_role("link", name="data").get_attribute("href"))
        assert len(data) == marks.count()
        assert first.startswith(f"tested on: {data['tested on'][0]}")
    assert found == []


def test_on_a_phone_panels_stand_below_each_other(site, browser):
    found = []
    with watched(browser, found, width=390) as page:
        page.goto((site / "notebooks" / "same-corpus.html").as_uri())
        panels = page.locator("figure#fig-same .panels svg.marked")
        boxes = [panel.bounding_box() for panel in panels.all()]
        assert len(boxes) >= 3  # two panels and the legend at least
        assert all(a["y"] + a["height"] <= b["y"] + 1 for a, b in itertools.pairwise(boxes))
        assert max(box["x"] + box["width"] for box in boxes) <= 390
        assert panels.first.locator(".mark").count() == 0  # what colours mean comes before all panels
        panels.nth(1).locator(".mark").first.focus()
        assert "tested on" in page.locator("figure#fig-same output.mark-said").inner_text()
    assert found == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_each_view_of_all_scores_can_be_used_by_everyone(site, browser, mode):
    page_file = site / "notebooks" / "explorer.html"
    assert page_file.stat().st_size < MOST_PAGE
    found = []
    with watched(browser, found, mode=mode) as page:
        for view in ("table", "means", "two", "map"):
            page.goto("about:blank")
            page.goto(f"{page_file.as_uri()}#view={view}&source=Phukan+et+al.+2025")
            assert page.locator(".explorer .count").inner_text().startswith("400 rows")
            assert page.locator(".explorer .stage table").first.is_visible()
            page.locator("details.facet summary").nth(2).click()
            found += violations(page)
    assert found == []


def test_all_scores_fit_a_phone_in_each_view(site, browser):
    found = []
    with watched(browser, found, width=360) as page:
        for view in ("table", "means", "two", "map"):
            page.goto("about:blank")
            page.goto(f"{(site / 'notebooks' / 'explorer.html').as_uri()}#view={view}")
            page.locator("details.facet summary").nth(4).click()
            assert page.evaluate("document.documentElement.scrollWidth") == 360, view
    assert found == []


RESULTS = [
    "same-corpus", "cross-corpus", "claims", "audit", "paper-and-ours", "ambiguities", "leakage", "carried-over",
    "noise", "which-layer", "rivals-tables", "three-protocols",
]  # fmt: skip
OPEN = "document.querySelectorAll('.bd-article details:not(.facet)').forEach(one => { one.open = true; })"
BOXES = """boxes => boxes.map(b => [b.getAttribute("aria-label"), b.scrollWidth - b.clientWidth,
    b.scrollHeight - b.clientHeight, Math.round(b.getBoundingClientRect().right)])"""


def boxes_that_hide(page):
    """Open all of a page, and return its tables that hide a column or rows, or are wider than the window."""
    page.evaluate(OPEN)
    page.wait_for_timeout(50)  # the boxes in them are fitted when they open
    boxes = page.locator(".bd-article .table-box").evaluate_all(BOXES)
    assert boxes
    assert page.evaluate("document.documentElement.scrollWidth") == 1440
    return [box for box in boxes if box[1] > 0 or box[2] > 2 or box[3] > 1440]


def test_tables_hide_no_column_at_1440_and_none_scrolls_down(site, browser):
    """Those of results have the same test, where their page is open anyway."""
    found = []
    with watched(browser, found) as page:
        for name in ["explorer", "own-recordings", "models", "corpora"]:
            page.goto((site / "notebooks" / f"{name}.html").as_uri())
            found += [(name, *box) for box in boxes_that_hide(page)]
    assert found == []


def test_tables_of_the_text_hide_nothing(site, browser):
    hidden = "boxes => boxes.map(b => b.scrollWidth - b.clientWidth).filter(n => n > 1)"
    found = []
    for width in (1024, 1440):
        with watched(browser, found, width=width) as page:
            for file in sorted((site / "book").glob("*.html")):
                page.goto(file.as_uri())
                boxes = page.locator(".bd-article .pst-scrollable-table-container")
                found += [(file.name, width, n) for n in boxes.evaluate_all(hidden)]
                assert boxes.count() or file.stem not in ("rerun", "schemas"), file
    assert found == []


def test_on_a_phone_more_columns_show_and_the_first_stays(site, browser):
    with watched(browser, [], width=390) as page:
        page.goto((site / "notebooks" / "paper-and-ours.html").as_uri())
        box = page.locator(".table-box", has=page.locator("th", has_text="paper is")).first
        assert box.evaluate("b => b.classList.contains('more') && getComputedStyle(b).maskImage !== 'none'")
        names = box.locator("thead tr").last.locator("th").all_inner_texts()
        assert [name.strip("\u2195\n ") for name in names[:2]] == ["model", "paper is"]
        verdict = box.locator("thead tr").last.locator("th").nth(1).bounding_box()
        assert verdict["x"] + verdict["width"] < 390
        left = box.locator("tbody tr").first.locator("> *").first.bounding_box()["x"]
        box.evaluate("b => { b.scrollLeft = b.scrollWidth; }")
        page.wait_for_function("document.querySelectorAll('.table-box.scrolled:not(.more)').length === 1")
        assert abs(box.locator("tbody tr").first.locator("> *").first.bounding_box()["x"] - left) < 1


def test_long_tables_show_all_rows_when_asked(site, browser):
    with watched(browser, []) as page:
        page.goto((site / "notebooks" / "ambiguities.html").as_uri())
        page.evaluate(OPEN)
        button = page.locator("button.show-rows").first
        button.wait_for()
        box = page.locator(".table-box:has(+ button.show-rows)").first
        n = box.locator("tbody tr").count()
        assert box.locator("tbody tr:visible").count() < n
        button.press("Enter")
        assert (box.locator("tbody tr:visible").count(), button.get_attribute("aria-expanded")) == (n, "true")
        button.press("Enter")
        shown = box.locator("tbody tr:visible").count()
        assert shown < n
        box.locator("button.sort").last.click()  # other rows are the first ones now, as many
        assert box.locator("tbody tr:visible").count() > 0
        assert not box.locator("tbody tr").last.is_visible()


@pytest.mark.parametrize("name", RESULTS)
def test_a_page_of_results_begins_with_what_was_found(site, browser, name):
    found = []
    with watched(browser, found) as page:
        page.goto((site / "notebooks" / f"{name}.html").as_uri())
        assert page.locator(".in-short").bounding_box()["y"] < 300
        first = page.locator(".bd-article :is(figure, .table-box)").first.bounding_box()
        assert first["y"] < 900
        assert page.evaluate("document.documentElement.scrollHeight") < 7000
        assert page.locator("section#run-this-page-again .tag_parameters").count() == 1
        assert boxes_that_hide(page) == []
    assert found == []


def test_one_switch_shows_all_code_and_is_remembered(site, browser):
    with watched(browser, []) as page:
        page.goto((site / "notebooks" / "audit.html").as_uri())
        code = page.locator(".bd-article .cell_input:visible")
        switch = page.locator("button.code-switch")
        assert code.count() == 0
        switch.focus()
        page.keyboard.press("Enter")
        assert switch.get_attribute("aria-pressed") == "true"
        n = code.count()
        assert n > 5
        page.reload()
        assert code.count() == n
        page.goto((site / "notebooks" / "claims.html").as_uri())
        assert code.count() > 0
        switch.click()
        assert code.count() == 0


def test_a_link_into_a_closed_part_opens_it(site, browser):
    with watched(browser, []) as page:
        page.goto((site / "notebooks" / "cross-corpus.html").as_uri() + "#checked-cross")
        assert page.locator("section:has(> #checked-cross) > details.detail-part[open]").count() == 1


def test_the_contents_follow_the_scroll(site, browser):
    with watched(browser, []) as page:
        page.goto((site / "notebooks" / "audit.html").as_uri())
        parts = page.locator(".bd-sidebar-secondary .toc-entry > a").evaluate_all(
            "links => links.map(l => l.hash)"
        )
        heights = page.locator(".bd-article section[id]").evaluate_all("s => s.map(one => one.offsetHeight)")
        assert max(heights) > 900  # a part that is longer than the window
        for part in parts[:-3]:  # the last are below the end of the page
            page.evaluate("id => document.getElementById(id).scrollIntoView()", part[1:])
            page.wait_for_timeout(200)
            page.mouse.wheel(0, 300)
            page.wait_for_timeout(300)
            current = page.locator(".bd-sidebar-secondary .toc-entry > a[aria-current]")
            tops = page.evaluate(
                "ids => ids.filter(i => document.getElementById(i.slice(1)).getBoundingClientRect().top < 150)",
                parts,
            )
            assert current.evaluate_all("links => links.map(l => l.hash)") == tops[-1:]


def test_contents_name_models_and_mark_those_that_ran(site, parsed):
    links = {
        a["href"].rpartition("/")[2]: a for a in parsed["notebooks/extraction"].select("nav a[href*='models/']")
    }
    assert links["whisper-base.html"].text.strip() == "Whisper● (run)"
    assert "(not yet run)" in links["wavlm-base.html"].text


def test_without_scripts_the_views_are_tables(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "notebooks" / "cross-corpus.html").as_uri())
    grid = page.locator("div.interactive[data-view=grid]")
    _open(grid)
    assert grid.locator("table").is_visible()
    assert page.locator(".table-box tbody tr").first.is_visible()
    context.close()


def test_the_page_that_is_printed_has_all_chapters(request, site):
    profile = "demo" if request.config.getoption("--site") else "smoke"
    text = pdf.single_page(profile, site.parents[1]).read_text(encoding="utf-8")
    assert [name for name in CONTENTS[1:] if f'id="document-{name}"' not in text] == []
    assert 'href="_build/' not in text
