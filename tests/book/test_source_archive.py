"""The archive of a book's source: what is in it, and that the same files give the same bytes."""

import os
import subprocess
import tarfile

import pytest

from crosscorpus.book import source_archive

FILES = {
    "Makefile": "book:\n",
    "lib/a b.py": "x = 1\n",
    "data/embeddings/mfcc/emodb.safetensors": "vectors",
    "data/embeddings/README.md": "The pack\n",
    "data/own/mine.csv": "path,speaker,emotion\n",
    "_build/html/index.html": "made",
    "lib/__pycache__/a.pyc": "made",
    ".gitignore": "/_build/\n__pycache__/\n",
}
SOURCE = {".gitignore", "Makefile", "data/embeddings/README.md", "lib/a b.py", "link"}


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "link").symlink_to("Makefile")
    return root


def git(root, *arguments):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def names(archive):
    with tarfile.open(archive) as whole:
        return {member.name.partition("/")[2]: member for member in whole.getmembers()}


def test_without_git_it_has_all_but_what_is_made(project, tmp_path):
    source_archive.write(tmp_path / "source.tar.gz", project)
    found = names(tmp_path / "source.tar.gz")
    assert set(found) == SOURCE
    assert found["link"].issym()
    assert {member.mtime for member in found.values()} == {0}


def test_of_a_checkout_it_has_the_tracked_files_as_they_stand(project, tmp_path):
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "all")
    (project / "notes.txt").write_text("not tracked")
    (project / "Makefile").write_text("book: changed\n")
    (project / "lib" / "a b.py").unlink()
    source_archive.write(tmp_path / "source.tar.gz", project)
    assert set(names(tmp_path / "source.tar.gz")) == SOURCE - {"lib/a b.py"}
    with tarfile.open(tmp_path / "source.tar.gz") as whole:
        assert whole.extractfile("project/Makefile").read() == b"book: changed\n"
        assert whole.getmember("project/Makefile").mtime > 0


def test_the_same_files_give_the_same_bytes(project, tmp_path):
    source_archive.write(tmp_path / "one.tar.gz", project)
    for name in FILES:
        os.utime(project / name, (1e9, 1e9))
    source_archive.write(tmp_path / "two.tar.gz", project)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_that_of_this_project_can_be_worked_with_and_is_light(tmp_path):
    source_archive.write(tmp_path / "source.tar.gz")
    found = names(tmp_path / "source.tar.gz")
    assert {"Makefile", "Snakefile", "requirements.lock", "lib/crosscorpus/__init__.py", "_toc.yml"} <= set(found)
    vectors = [name for name in found if name.startswith("data/") and name.endswith(".safetensors")]
    assert vectors == []
    assert (tmp_path / "source.tar.gz").stat().st_size < 8_000_000
