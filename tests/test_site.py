"""The whole site, built strictly from the kept copies of the notebooks, and looked at in a browser."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crosscorpus import paths

ROOT = paths.ROOT
KEPT = Path(__file__).parent / "notebooks"
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the book in a copy of the sources; kept copies have no images, so each figure gets a small one."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, folder / name)
    executed = folder / "_build" / "smoke" / "notebooks"
    executed.mkdir(parents=True)
    kept = {file.relative_to(KEPT): file for file in KEPT.rglob("*.ipynb")}
    for page in (ROOT / "notebooks" / "models").iterdir():  # pages that are not kept look like one that is
        kept.setdefault(Path("models") / page.name, KEPT / "models" / "wavlm-base.ipynb")
    (executed / "models").mkdir()
    for name, file in kept.items():
        notebook = json.loads(file.read_text(encoding="utf-8"))
        notebook["metadata"]["papermill"] = {"end_time": "2026-01-01T00:00:00"}
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if "<Figure" in "".join(output.get("data", {}).get("text/plain", "")):
                    output["data"]["image/svg+xml"] = PICTURE
        (executed / name).write_text(json.dumps(notebook), encoding="utf-8")
    command = [
        Path(sys.executable).with_name("jupyter-book"),
        "build",
        str(folder),
        "-W",
        "-n",
        "--keep-going",
        "--quiet",
    ]
    environment = os.environ | {"CROSSCORPUS_PROFILE": "smoke"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return folder / "_build" / "html"


def pages(site):
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.parts)


def test_every_page_of_the_contents_is_there(site):
    listed = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert [name for name in listed if not (site / f"{name}.html").exists()] == []


def test_internal_links_and_anchors_exist(site):
    broken = []
    ids = {page: set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))) for page in pages(site)}
    for page in ids:
        for link in re.findall(r'\b(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link) or (not target and not anchor):
                continue
            file = (page.parent / target.partition("?")[0]).resolve() if target else page
            if not file.exists() or (anchor and file in ids and anchor not in ids[file]):
                broken.append((page.name, link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    remote = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]+"')
    assert [p.name for p in pages(site) if remote.search(p.read_text(encoding="utf-8"))] == []


def test_each_chapter_ends_with_its_command_and_provenance(site):
    for page in sorted((site / "notebooks").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        assert "Provenance." in text
        assert f"papermill notebooks/{page.stem}.ipynb" in re.sub(r"<[^>]+>", "", text)


def test_a_models_page_has_its_name_and_command(site):
    text = (site / "notebooks" / "models" / "wavlm-base.html").read_text(encoding="utf-8")
    assert re.search(r"<h1>wavlm-base<", text)
    assert "papermill notebooks/model.ipynb out.ipynb" in re.sub(r"<[^>]+>", "", text)
    assert "Not yet run" in text


def test_the_address_that_is_printed_leads_to_the_first_page(site):
    assert 'url=notebooks/index.html"' in (site / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: pages were not looked at in a browser")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pages_open_from_disk_without_errors_at_phone_width(site, browser, mode):
    context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=mode)
    found = []
    for file in set(pages(site)) - {site / "index.html"}:  # which leads on to the first page at once
        page = context.new_page()
        page.on("console", lambda m, f=file: found.append((f.name, m.text)) if m.type == "error" else None)
        page.on("pageerror", lambda e, f=file: found.append((f.name, str(e))))
        page.on(
            "request",
            lambda r, f=file: (
                None if r.url.startswith(("file:", "data:", "blob:")) else found.append((f.name, r.url))
            ),
        )
        page.on("requestfailed", lambda r, f=file: found.append((f.name, r.url)))
        page.goto(file.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            found.append((file.name, f"{width} px wide"))
        page.close()
    context.close()
    assert found == []
