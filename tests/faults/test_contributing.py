"""The steps of CONTRIBUTING.md, as they stand there, in a copy of the project with a synthetic corpus."""

import json
import re
import time

import numpy as np
import pytest
import soundfile
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from crosscorpus.base import paths
from tests import newcomer
from tests.faults.conftest import is_full

PAGE = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## (Add .*)$", PAGE, re.M)
MINUTES = 10
EMOTIONS = {"anger": "ang", "happiness": "hap", "sadness": "sad"}
SPEAKERS = ("anna", "bela", "carl", "dora", "emil", "fritz")


def blocks(section):
    """Return the fenced shell blocks of a section of the page."""
    body = re.search(rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return re.findall(r"^```sh\n(.*?)^```$", body, re.M | re.S)


def put_synthetic(folder, named):
    """Write a synthetic corpus: a tone for each emotion, in noise, five clips of each by every speaker."""
    rng = np.random.default_rng(0)
    for (pitch, emotion), speaker in ((pair, s) for pair in enumerate(EMOTIONS, 2) for s in SPEAKERS):
        for number in range(5):
            seconds = np.arange(int(16_000 * rng.uniform(0.3, 0.6))) / 16_000
            clip = 0.2 * np.sin(2 * np.pi * 200 * pitch * seconds) + 0.05 * rng.standard_normal(len(seconds))
            path = folder / named(speaker, emotion, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, clip, 16_000)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, with an environment that is made; and what a newcomer has: recordings, weights."""
    folder = newcomer.copy(tmp_path_factory.mktemp("project"))
    newcomer.make_environment(folder)
    home = tmp_path_factory.mktemp("newcomer")
    put_synthetic(home / "recordings", lambda speaker, emotion, n: f"{speaker}/{emotion}_{n:02d}.wav")
    put_synthetic(
        home / "mirror/corpora/toys", lambda speaker, emotion, n: f"{speaker}_{EMOTIONS[emotion]}_{n}.wav"
    )
    weights = home / "mirror" / "weights" / "my-wav2vec2"
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "conv_dim": [8] * 7}
    Wav2Vec2Model(Wav2Vec2Config(**small, num_conv_pos_embeddings=4)).save_pretrained(weights)
    Wav2Vec2FeatureExtractor().save_pretrained(weights)
    return folder, home


def follow(project, section):
    """Run the steps of a section; return how many, and the seconds that they took.

    The page's first lines say to activate the environment. The section on a CSV table needs no variable; from the
    next on, the page speaks of the mirror folder, which one variable names.
    """
    folder, home = project
    steps, began = blocks(section), time.monotonic()
    given = {} if section == SECTIONS[0] else {"CROSSCORPUS_MIRROR": str(home / "mirror")}
    for step in steps:
        status, said = newcomer.run(f"source .venv/bin/activate\n{step}", folder, home, MINUTES, **given)
        assert status == 0, f"{step}\n{said[-8000:]}"
    return len(steps), time.monotonic() - began


def shown(notebook):
    if notebook.suffix != ".ipynb":
        return notebook.read_text(encoding="utf-8")
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [o for c in cells for o in c.get("outputs", [])]
    kinds = [{"text": o.get("text", "")} | o.get("data", {}) for o in outputs]
    return "\n".join("".join(o.get(kind, "")) for o in kinds for kind in ("text", "text/html", "text/markdown"))


EXPECTED = {
    "Add a corpus from a CSV table": (
        "_build/own-mine/notebooks/cross-corpus.ipynb",
        ["mine", "Emo-DB", "RAVDESS"],
    ),
    "Add a corpus for everybody": ("out.ipynb", ["Toys"]),
    "Add a model by its handle": ("out.ipynb", ["My wav2vec 2.0", "Toys"]),
    "Add embeddings made elsewhere": ("out.ipynb", ["cube-root", "made elsewhere, by A. Person, on 2026-03-01"]),
    "Add a model that is a Python function": ("out.ipynb", ["Spectrum", "Toys"]),
    "Add a head": ("out.ipynb", ["LINEAR", "Emo-DB"]),
    "Add a protocol": ("out.txt", ["One out, clip, one out, validation", "their heads were trained: engine"]),
    "Add a chapter": ("_build/smoke/notebooks/my-chapter.ipynb", ["Emo-DB"]),
}
"""Sections that add something: the page or file that shows it, and words there."""


def test_every_section_that_adds_something_is_followed():
    assert list(EXPECTED) == SECTIONS
    assert all(blocks(section) for section in SECTIONS)


@pytest.mark.parametrize("section", EXPECTED)
def test_the_steps_of_the_page(project, section, request, row):
    """In the page's order: a model is tried on the corpus of the section before."""
    if not is_full(request.config):
        pytest.skip("takes minutes: `make test-faults` follows the page")
    counted = row("your own: steps of CONTRIBUTING")
    steps, seconds = follow(project, section)
    page, words = EXPECTED[section]
    text = shown(project[0] / page)
    absent = [word for word in words if word not in text]
    counted.count("survived" if not absent else "lost", f"{section}: {absent} not on {page}")
    assert steps
    assert seconds < 60 * MINUTES
    counted.check()


def test_the_newcomers_corpus_has_its_column(project, request, row):
    """Trained on and tested on, with every other corpus, in the predictions that the pages are drawn from."""
    if not is_full(request.config):
        pytest.skip("takes minutes: `make test-faults` follows the page")
    import pandas as pd

    counted = row("your own: column in the grid")
    made = project[0] / "_build" / "predictions"
    table = pd.concat([pd.read_parquet(f) for f in made.rglob("*.parquet") if "history" not in f.name])
    pairs = set(zip(table["train_corpus"], table["test_corpus"], strict=True))
    for other in ("emodb", "ravdess", "mine"):
        for pair in ((other, "mine"), ("mine", other)):
            counted.count("survived" if pair in pairs else "lost", f"{pair} is not in the grid")
    assert set(table.loc[table["test_corpus"] == "mine", "emotion"]) == set(EMOTIONS)
    counted.check(at_least=6)
