import dataclasses

import pandas as pd
import pytest

from crosscorpus.base import paths, web
from crosscorpus.corpora import corpus_registry, file_lists
from tests import local_home


@pytest.fixture
def server():
    with local_home.serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch, no_mirror):
    monkeypatch.setattr(web, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv(paths.CACHE_SETTING, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    return tmp_path / "cache"


@pytest.fixture
def registered(monkeypatch):
    """Change how a corpus is downloaded."""

    def change(corpus, **download):
        known = corpus_registry.registry() | {
            corpus: dataclasses.replace(corpus_registry.get(corpus), download=download)
        }
        monkeypatch.setattr(corpus_registry, "registry", lambda: known)

    return change


@pytest.fixture
def official(monkeypatch):
    """Say which utterances a corpus has."""

    def say(corpus, utterances):
        listed = pd.DataFrame({"utterance": utterances})
        of_others = file_lists.file_list
        monkeypatch.setattr(file_lists, "file_list", lambda asked: listed if asked == corpus else of_others(asked))

    return say
