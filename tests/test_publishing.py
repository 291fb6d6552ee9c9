"""What a public forge and an archive read: workflows, citation, archive metadata."""

import json
import re

import pytest
import yaml

from crosscorpus.base import paths

WORKFLOWS = sorted((paths.ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(
    re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
)


def read(path):
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # else the key `on` is the value true


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_for_tests_site_and_the_full_graph():
    by_name = {path.stem: read(path) for path in WORKFLOWS}
    assert "push" in by_name["tests"]["on"]
    assert {"run": "make test"} in steps(by_name["tests"])
    assert any("deploy-pages" in step.get("uses", "") for step in steps(by_name["site"]))
    assert "schedule" in by_name["weekly"]["on"]
    assert by_name["weekly"]["jobs"]["paper"]["runs-on"] == ["self-hosted", "linux", "gpu"]
    assert {"run": "make paper"} in steps(by_name["weekly"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_calls_commands_that_exist(path):
    called = [
        target for step in steps(read(path)) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    ]
    assert called
    assert set(called) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_actions_are_pinned_to_a_commit(path):
    used = [step["uses"] for step in steps(read(path)) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_ends_and_may_only_read_unless_a_job_says_more(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(int(job["timeout-minutes"]) > 0 for job in workflow["jobs"].values())


def test_citation_archive_and_package_agree():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    archive = json.loads((paths.ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    package = (paths.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for key in ("title", "version", "license", "keywords"):
        assert citation[key] == archive[key], key
    assert citation["authors"] == archive["creators"]
    assert archive["upload_type"] == citation["type"] == "software"
    assert f'version = "{citation["version"]}"' in package
    (paper,) = citation["references"]
    (reference,) = archive["references"]
    assert paper["title"] in reference
    assert paper["title"].rstrip("?") in archive["description"].replace("?", "")
    assert all(author.get("family-names", author.get("name")) in reference for author in paper["authors"])


def test_the_bibtex_entry_of_this_book_agrees_with_its_citation():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    entry = (paths.ROOT / "book" / "crosscorpus.bib").read_text(encoding="utf-8")
    assert f"title = {{{citation['title']}}}" in entry
    assert citation["authors"][0]["name"] in entry
    assert f"Version {citation['version']}, commit COMMIT-OF-THIS-BOOK" in entry  # filled in by book/_ext/pages.py
    assert citation["license"] in entry
