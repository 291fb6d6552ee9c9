import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosscorpus.base import paths
from crosscorpus.corpora import scanning

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = (
    "no Chromium on this machine (Debian: apt-get install chromium): pages were not looked at in a browser"
)


DATA, OWN = paths.DATA, paths.own()
paths.own = lambda: paths.DATA / "own" if paths.DATA != DATA else Path("/nobody/own")
"""What whoever runs the tests has added is no part of them; a test that adds something has a folder of data."""
LISTS_WHAT_IS_HERE = "extraction.ipynb"


def pytest_addoption(parser):
    parser.addoption(
        "--site", metavar="FOLDER", help="a built site to test, instead of one made of kept notebooks"
    )
    parser.addoption("--all-faults", action="store_true", help="test every fault of test_mutations, not a few")


LONG = ("test_site.py", "test_commands.py", "test_random_corpora.py", "test_sensitivity.py", "faults")
"""Files that take minutes. They come first, so that no worker waits for another one at the end."""
STORED = ("claims.ipynb", "explorer.ipynb")
"""Chapters that need the heads that another one trains. They come last: side by side, both would train them."""


def pytest_collection_modifyitems(items):
    def place(item):
        return next((at for names, at in ((LONG, 0), (STORED, 2)) if {*names} & {*item.path.parts}), 1)

    items.sort(key=place)
    if any(OWN.glob("embeddings/*/*.safetensors")):
        skip = pytest.mark.skip(reason=f"embeddings were added to {OWN}, which {LISTS_WHAT_IS_HERE} would list")
        for item in items:
            if item.path.name == LISTS_WHAT_IS_HERE:
                item.add_marker(skip)


def pytest_unconfigure(config):
    """Say in the last line what was not looked at; xdist's workers stay silent."""
    if CHROMIUM is None and not hasattr(config, "workerinput"):
        print(f"Note: {NO_CHROMIUM}.")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def mirror():
    named = os.environ.get(paths.MIRROR_SETTING)
    if not named:
        pytest.skip("CROSSCORPUS_MIRROR is not set: no local copies of corpora and weights")
    return Path(named)


@pytest.fixture
def no_mirror(tmp_path, monkeypatch):
    """No local copies, and no earlier downloads."""
    monkeypatch.delenv(paths.MIRROR_SETTING, raising=False)
    monkeypatch.setenv(paths.CACHE_SETTING, str(tmp_path / "cache"))


@pytest.fixture
def build_folder(tmp_path, monkeypatch):
    folder = tmp_path / "_build"
    monkeypatch.setattr(paths, "BUILD", folder)
    return folder


@pytest.fixture
def pack_folder(tmp_path, monkeypatch):
    folder = tmp_path / "pack"
    monkeypatch.setattr(paths, "PACK", folder)
    return folder


@pytest.fixture(scope="session")
def noise():
    samples = 0.2 * np.random.default_rng(0).standard_normal(16_000)
    return (np.round(samples.clip(-1, 1) * 32_767) / 32_768).astype(np.float32)


@pytest.fixture(scope="session")
def recordings(noise, tmp_path_factory):
    """One second of one recording in each format, by suffix."""
    folder = tmp_path_factory.mktemp("recordings")
    files = {suffix: folder / f"noise{suffix}" for suffix in (".wav", ".flac", ".mp3")}
    for file in files.values():
        soundfile.write(file, noise, 16_000)
    return files


@pytest.fixture(scope="session")
def real_scans():
    return {}


@pytest.fixture
def real(mirror, real_scans):
    """Scan a corpus of the mirror, once a session."""

    def scan(corpus):
        folder = mirror / "corpora" / corpus
        if not folder.is_dir():
            pytest.skip(f"the mirror has no corpora/{corpus}")
        if corpus not in real_scans:
            real_scans[corpus] = scanning.scan(corpus, folder, workers=2)
        return real_scans[corpus]

    return scan
