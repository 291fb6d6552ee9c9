"""British spelling in what readers read; known misspellings are found by codespell (`make lint`)."""

import ast
import json
import re
from importlib import resources

import pytest

from crosscorpus.base import paths

ROOT = paths.ROOT
# Words that are British too, in another sense or as a verb.
BOTH = {
    "biased",
    "check",
    "checks",
    "program",
    "programs",
    "practice",
    "license",
    "meter",
    "disk",
    "disks",
    "story",
    "draft",
}
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("book/*.md"), *ROOT.glob("data/**/*.md")]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
MODULES = sorted(ROOT.glob("lib/**/*.py"))


@pytest.fixture(scope="module")
def american():
    """Return American spelling -> British, from codespell's list for the other direction."""
    text = (resources.files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt").read_text("utf-8")
    pairs = [line.partition("->")[::2] for line in text.splitlines() if "->" in line]
    british = {ours for ours, _ in pairs}
    found = {theirs.strip(" ,"): ours for ours, theirs in pairs if "," not in theirs.strip(" ,")}
    assert found["color"] == "colour"
    return {theirs: ours for theirs, ours in found.items() if theirs not in british | BOTH}


def prose(path):
    """Return a file's prose: without code, addresses, names of files and what is quoted from elsewhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    elif path.suffix == ".py":
        documented = ast.Module | ast.ClassDef | ast.FunctionDef
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
        text = "\n\n".join(filter(None, map(ast.get_docstring, nodes)))
    text = re.sub(
        r"```(?!\{glossary\}).*?```|`[^`\n]*`|\*[^*\n]+\*|\]\([^)]*\)|https?://\S+", " ", text, flags=re.DOTALL
    )
    return text


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS, *MODULES], ids=lambda p: str(p.relative_to(ROOT)))
def test_spelling_is_british(path, american):
    words = re.findall(r"[a-z]+", prose(path).lower())
    assert {word: american[word] for word in words if word in american} == {}


def test_american_words_would_be_found(tmp_path, american):
    page = tmp_path / "page.md"
    page.write_text("The color of `color`, [analyzed](color.md)\n\n```py\ncolor\n```\n", encoding="utf-8")
    words = re.findall(r"[a-z]+", prose(page).lower())
    assert [word for word in words if word in american] == ["color", "analyzed"]
