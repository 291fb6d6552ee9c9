"""Sphinx extension: what every page of the site gets besides its text.

- A line below the title: how long the page takes to read and, for a chapter, how long it took to run.
- The tables that a chapter offers (`tables.offer`) stand beside the pages, and links lead there.
- The download button of a chapter gives the executed notebook, without what its readers do not need.
- What only debuggers of the theme would ask for (3 MB) is left out.
- The source of the book stands beside the pages as one archive, where a page links to it.
- The page with the explorer loads its scripts, and no other page does; pages without formulas do not load MathJax.
- Where the site will be published (environment variable CROSSCORPUS_REPOSITORY, the address of the public
  repository), chapters have a button that opens them on Binder.
- The contents at the left have a mark for each model: full where it has run, empty where it has not.
- Small repairs of the markup for readers who listen to pages or use a keyboard: formulas scroll on a phone.
"""

import html
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.osutil import relative_uri

import executed
from crosscorpus.base import versions
from crosscorpus.book import source_archive

REPOSITORY_SETTING = "CROSSCORPUS_REPOSITORY"
WORDS_PER_MINUTE = 200
NOT_READ = (nodes.literal_block, nodes.raw, nodes.math_block, nodes.comment)
EXPLORER = '<div class="explorer">'
EXPLORER_FILES = ("datatables/dataTables.min.js", "explorer_scores.js", "explorer_views.js", "explorer.js")
SOURCE = "_build/source/downloads/" + source_archive.NAME  # where pages link to it
COMMIT = "COMMIT-OF-THIS-BOOK"  # stands in pages for it
OFFERED = re.compile(r'href="(_build/[^"]+/downloads/[^"]+)"')


def launch(app: Sphinx, config: Config) -> None:
    """Give chapters a launch button where the public repository is named (event config-inited)."""
    repository = os.environ.get(REPOSITORY_SETTING)
    if repository:
        config.html_theme_options |= {
            "repository_url": repository,
            "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
        }


def finish(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Finish a page before it is written (event html-page-context)."""
    toctree = context.get("generate_toctree_html")
    if toctree is not None:
        run = models_run(app)
        context["generate_toctree_html"] = lambda *args, **options: mark_models(
            name_toggles(toctree(*args, **options)), run
        )
    if doctree is None:
        return
    if COMMIT in context["body"]:
        context["body"] = context["body"].replace(COMMIT, versions.of_commit())
    if EXPLORER in context["body"] and app.builder.name == "html":  # what no other page needs to load
        for file in EXPLORER_FILES:
            app.add_js_file(file, priority=900)  # after interactive.js
        app.add_css_file("explorer.css")
    if "math notranslate" not in context["body"]:  # Sphinx has them on pages above those with formulas, too
        context["script_files"] = [file for file in context["script_files"] if not is_of_formulas(file)]
    body = plain_sentences(plain_citations(context["body"])).replace(
        '<div class="math ', '<div tabindex="0" class="math '
    )
    if app.builder.name == "html":
        body = body.replace("</h1>", f'</h1>\n<p class="page-facts">{facts(app, docname, doctree)}</p>', 1)
        context["body"] = OFFERED.sub(lambda link: f'href="{offer(app, docname, link[1])}"', body)
    else:  # the book as one page, for printing: no files lie beside it
        context["body"] = OFFERED.sub("", body)


def is_of_formulas(file: Any) -> bool:
    """Return whether a script that a page loads draws formulas, or says how."""
    return "mathjax" in f"{file.filename} {file.attributes.get('body', '')}".lower()


def facts(app: Sphinx, docname: str, doctree: nodes.document) -> str:
    """Return how long a page takes to read and, for a chapter, took to run, with all that it made anew."""
    minutes = math.ceil(words(doctree) / WORDS_PER_MINUTE)
    parts = [f"{minutes} min to read"]
    seconds = seconds_to_run(app, docname)
    if seconds is not None:
        took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        parts.append(f"took {took} when it last ran (profile {html.escape(executed.profile())})")
    return " · ".join(parts)


def words(doctree: nodes.document) -> int:
    """Count the words of a page's prose: code, formulas and computed tables are not read word by word."""
    texts = (text for text in doctree.findall(nodes.Text) if not isinstance(text.parent, NOT_READ))
    return sum(len(re.findall(r"\w\S*", text)) for text in texts)


def seconds_to_run(app: Sphinx, docname: str) -> float | None:
    """Return what a chapter took when it last ran, as Snakemake noted it; None where it did not."""
    if executed.copy_of(app, docname) is None:
        return None
    step = docname.removeprefix(executed.FOLDER).replace("models/", "model-")
    file = Path(app.srcdir) / "_build" / executed.profile() / "timings" / f"{step}.tsv"
    return float(pd.read_csv(file, sep="\t")["s"].iloc[0]) if file.exists() else None


def offer(app: Sphinx, docname: str, link: str) -> str:
    """Copy a table that a chapter offers beside the pages, and return the address of the copy."""
    source = Path(app.srcdir) / unquote(html.unescape(link))
    if link == SOURCE and not source.exists():
        source_archive.write(source)
    if not source.exists():
        copy = executed.copy_of(app, docname)
        raise executed.fail(source, f"{docname} offers it, but it is not there; delete {copy}")
    target = Path(app.outdir) / "_downloads" / source.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    return relative_uri(app.builder.get_target_uri(docname), f"_downloads/{source.name}")


def name_toggles(toctree: str) -> str:
    """Name the arrows that open a part of the table of contents."""
    return str(toctree).replace("<summary>", '<summary aria-label="Pages of this chapter">')


def models_run(app: Sphinx) -> dict[str, bool]:
    """Return model -> whether its page is of a model that has run, for all models that have a page."""
    known = vars(app).setdefault("models_that_ran", {})
    pages = [name for name in app.env.found_docs if name.startswith(f"{executed.FOLDER}models/")]
    for docname in pages if not known else []:
        copy = executed.copy_of(app, docname)
        cells = json.loads(copy.read_text(encoding="utf-8"))["cells"] if copy is not None else []
        known[docname.rpartition("/")[2]] = executed.made_from(cells) == "model"
    return known


def mark_models(toctree: str, run: dict[str, bool]) -> str:
    """Put a mark after the name of each model in the contents; a link of the page itself has no file in it."""

    def marked(link: re.Match[str]) -> str:
        sign, says = ("●", "run") if run[link[2]] else ("○", "not yet run")
        mark = f'<span class="run-mark" title="{says}" aria-hidden="true">{sign}</span>'
        return f'{link[1]}{mark}<span class="visually-hidden"> ({says})</span></a>'

    names = "|".join(map(re.escape, sorted(run, key=len, reverse=True)))
    return (
        re.sub(rf'(<a [^>]*href="(?:[^"]*/)?({names})\.html"[^>]*>[^<]*)</a>', marked, toctree) if run else toctree
    )


def plain_citations(body: str) -> str:
    """Drop roles of the bibliography that its markup does not fulfil: a list without items."""
    body = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    return body.replace(' role="doc-biblioentry"', "")


def plain_sentences(body: str) -> str:
    """Return a page on which computed values are bold, as everywhere, and computed sentences are not."""
    return re.sub(r'(?<=<span class="pasted-text)(?=">[^<]{60})', " sentence", body)


def give_executed(app: Sphinx, exception: Exception | None) -> None:
    """Put executed notebooks where the download buttons lead (event build-finished)."""
    if exception is None and app.builder.name == "html":
        for docname in app.env.found_docs:
            copy = executed.copy_of(app, docname)
            if copy is not None:
                target = Path(app.outdir) / "_sources" / f"{docname}.ipynb"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(lean(json.loads(copy.read_text(encoding="utf-8"))), encoding="utf-8")


def lean(notebook: dict[str, Any]) -> str:
    """Return a notebook as text without what its readers do not need: lists of lines, times of cells."""
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        for times in ("papermill", "execution"):
            cell["metadata"].pop(times, None)
        for output in cell.get("outputs", []):
            for kind, value in output.get("data", {}).items():
                if isinstance(value, list) and not kind.endswith("json"):  # lines of a text
                    value = "".join(value)
                is_drawing = kind == "image/svg+xml"
                output["data"][kind] = re.sub(r"\s*\n\s*", "\n", value) if is_drawing else value
    return json.dumps(notebook, ensure_ascii=False, separators=(",", ":"))


def drop_maps(app: Sphinx, exception: Exception | None) -> None:
    """Drop from scripts and styles what only their authors and debuggers read (event build-finished)."""
    if exception is None and app.builder.name == "html":
        for file in Path(app.outdir, "_static").rglob("*.map"):
            file.unlink()
        for file in (Path(app.outdir, "_static", name) for name in ("basic.css", "custom.css", "pygments.css")):
            if file.exists():  # comments and the margins of lines, of the styles that every page loads
                text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
                file.write_text(re.sub(r"\s*\n\s*", "\n", text), encoding="utf-8")


def give_source(app: Sphinx, exception: Exception | None) -> None:
    """Write the archive of the source anew where a page links to it (event build-finished)."""
    target = Path(app.outdir) / "_downloads" / source_archive.NAME
    if exception is None and target.exists():  # the page that links to it need not have been written again
        source_archive.write(target)


def note_commit(app: Sphinx, doctree: nodes.document) -> None:
    """Note which commit a page shows (event doctree-read)."""
    if COMMIT in doctree.astext():
        vars(app.env).setdefault("commit_shown", {})[app.env.docname] = versions.of_commit()


def of_other_commit(app: Sphinx, env: BuildEnvironment, *pages: set[str]) -> list[str]:
    """Return the pages that show another commit than this one (event env-get-outdated)."""
    shown = vars(env).get("commit_shown", {})
    now = versions.of_commit()
    return [docname for docname, commit in shown.items() if commit != now and docname in env.found_docs]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", launch)
    app.connect("html-page-context", finish, priority=900)  # after the theme's
    app.connect("doctree-read", note_commit)
    app.connect("env-get-outdated", of_other_commit)
    app.connect("build-finished", give_executed)
    app.connect("build-finished", give_source)
    app.connect("build-finished", drop_maps)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
