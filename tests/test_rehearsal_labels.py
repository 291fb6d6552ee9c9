"""Every page and every file of a rehearsal says what it is, and one that does not is found."""

import gzip
import tarfile

import numpy as np
import pandas as pd
import pytest
from benchmarks import labels, rehearsal

from crosscorpus.base import paths, stamp, table_files
from crosscorpus.book import chapters, tables
from crosscorpus.embeddings import embedding_files

REHEARSED = rehearsal.FOLDER / "project" / "_build" / rehearsal.PROFILE / "_build" / "html"


@pytest.fixture
def stamped(tmp_path, monkeypatch):
    (tmp_path / "stamp.txt").write_text(f"{rehearsal.LABEL}\n", encoding="utf-8")
    monkeypatch.setattr(stamp, "FILE", tmp_path / "stamp.txt")
    monkeypatch.setattr(tables.paths, "BUILD", tmp_path / "build")
    return tmp_path / "build"


def write_all(folder):
    """Write a file of every kind that a rehearsal makes, as the product writes it."""
    table = pd.DataFrame({"odd, name": ["ü", "b"], "value": [1.5, np.nan]})
    tables.offer(table, "odd run/small")
    (folder / "predictions").mkdir(parents=True)
    table_files.write(table, folder / "predictions" / "fcn.parquet", {"device": "cpu"})
    made_by = {"handle": f"random weights, seed 0 ({rehearsal.LABEL})"}
    embedding_files.write_embeddings(folder / "emb.safetensors", np.eye(2), made_by)
    packed = gzip.compress((folder / "odd run" / "downloads" / "small.csv").read_bytes())
    (folder / "odd run" / "downloads" / "large.csv.gz").write_bytes(packed)
    (folder / "page.md").write_text(rehearsal.stamped("# A title\n\ntext\n"), encoding="utf-8")
    pages = rehearsal.configuration((paths.ROOT / "_config.yml").read_text(encoding="utf-8"), "Nothing is real.")
    (folder / "page.html").write_text(f"<html>{pages}</html>", encoding="utf-8")
    with tarfile.open(folder / "source.tar.gz", "w:gz") as archive:
        archive.add(stamp.FILE, "project-1/data/stamp.txt")


def test_what_the_product_writes_says_so(stamped):
    write_all(stamped)
    assert len(list(stamped.rglob("*.*"))) >= 8
    assert list(labels.unlabelled(stamped)) == []


def test_each_kind_without_its_label_is_found(stamped, monkeypatch):
    monkeypatch.setattr(rehearsal, "LABEL", "none")
    monkeypatch.setattr(stamp, "FILE", stamped.parent / "other.txt")  # as in the project itself
    stamped.mkdir()
    (stamped.parent / "other.txt").write_text("", encoding="utf-8")
    monkeypatch.setattr(rehearsal, "configuration", lambda text, what: "a page")
    write_all(stamped)
    (stamped / "unknown.kind").write_text("rehearsal, synthetic", encoding="utf-8")
    files = {file for file in stamped.rglob("*") if file.is_file()}
    assert set(labels.unlabelled(stamped, "rehearsal, synthetic")) == files


def test_machinery_of_a_site_and_pages_that_lead_elsewhere_need_no_label(tmp_path):
    (tmp_path / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=a.html" />', encoding="utf-8")
    (tmp_path / "_static").mkdir()
    for name in ("_static/a.js", "objects.inv", "searchindex.js"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert list(labels.unlabelled(tmp_path)) == []


def test_a_chapter_shows_it_at_its_top(stamped, capsys):
    given = {name: default for name, (_, default) in chapters.declared("costs").items()}
    chapters.start("costs", given)
    assert "Markdown" in capsys.readouterr().out  # what IPython prints where there is no page
    stamp.FILE.unlink()
    chapters.start("costs", given)
    assert capsys.readouterr().out == ""


def test_a_rehearsal_of_which_nothing_is_there_is_not_called_labelled(tmp_path):
    with pytest.raises(SystemExit, match="make rehearsal"):
        labels.main(["--folder", str(tmp_path)])


@pytest.mark.skipif(not REHEARSED.exists(), reason="no rehearsal was run in this checkout: make rehearsal")
def test_the_rehearsal_of_this_checkout_is_labelled_throughout():
    labels.main([])
