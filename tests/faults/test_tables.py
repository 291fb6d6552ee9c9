"""Bad tables and settings: each is a clear error before anything long has started."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import papermill
import pytest
import yaml

from crosscorpus.base import paths
from crosscorpus.book import chapters
from crosscorpus.corpora import corpus_registry, utterance_tables
from crosscorpus.embeddings import embedding_files, store, store_folders
from crosscorpus.models import model_registry
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.training import evaluate, profiles, unit_of_work

ERRORS = (
    ValueError,
    store_folders.NotStoredError,
)  # a clear error of this project is one of these, with a message


@pytest.fixture
def no_long_work(monkeypatch):
    """Training fails the test: the error must come before."""

    def begun(*_):
        raise AssertionError("training has begun")

    monkeypatch.setattr(unit_of_work, "train_and_test", begun)


@pytest.fixture
def attempt(row):
    """Do something that must be refused with words; count it."""

    def run(kind, what, action, *words):
        counted = row(kind)
        try:
            action()
        except ERRORS as error:
            absent = [word for word in words if word not in str(error)]
            counted.count("lost" if absent else "survived", f"{what}: {absent} not in: {error}")
        except Exception as error:
            counted.count("lost", f"{what}: {error!r}")
        else:
            counted.count("silently_wrong", f"{what} was taken")
        counted.check()

    return run


# -- fold tables ----------------------------------------------------------------------------------------------


@pytest.fixture
def fold_file(tmp_path, monkeypatch):
    """A copy of Emo-DB's folds that a test may spoil."""
    file = tmp_path / "emodb.csv"
    shutil.copy(folds.path("emodb"), file)
    original = folds.path
    monkeypatch.setattr(folds, "path", lambda corpus: file if corpus == "emodb" else original(corpus))
    return file


def other_speaker_in_fold(table):
    """Move one utterance of a speaker to the next fold."""
    first = table.index[table["regime"] == "speaker"][0]
    return table.assign(fold=table["fold"].where(table.index != first, table["fold"] % 5 + 1))


SPOILED_FOLDS = {
    "an overlap: a speaker in two folds": (other_speaker_in_fold, ("speaker", "more than one fold")),
    "an utterance twice": (lambda t: pd.concat([t, t.tail(1)]), ("line 1072", "more than one fold")),
    "an utterance in two folds": (
        lambda t: pd.concat([t, t.tail(1).assign(fold=lambda r: r["fold"] % 5 + 1)]),
        ("line 1072", "more than one fold"),
    ),
    "a fold that is no number": (lambda t: t.assign(fold="first"), ("line 2", "number from 1 to 5")),
    "a fold beyond the last": (lambda t: t.assign(fold=t["fold"] + 1), ("6", "number from 1 to 5")),
    "half a fold": (lambda t: t.assign(fold=t["fold"] + 0.5), ("line 2", "number from 1 to 5")),
    "an unknown regime": (lambda t: t.replace("speaker", "speakers"), ("speakers", "stratified, speaker")),
    "another corpus's table": (lambda t: t.assign(corpus="ravdess"), ("line 2", "must be emodb")),
    "no column of folds": (lambda t: t.drop(columns="fold"), ("columns are", "fold are expected")),
    "no rows": (lambda t: t.head(0), ("emodb", "1 to 5 are expected")),
    "an empty fold": (lambda t: t[t["fold"] != 3], ("emodb", "[1, 2, 4, 5]")),
    "another edition's names": (lambda t: t.assign(utterance="x" + t["utterance"]), ("emodb", "1 to 5")),
}


@pytest.mark.usefixtures("no_long_work", "build_folder")
@pytest.mark.parametrize("what", SPOILED_FOLDS)
def test_folds(what, fold_file, attempt):
    spoil, words = SPOILED_FOLDS[what]
    spoil(utterance_tables.read_table(fold_file)).to_csv(fold_file, index=False)

    def train():
        evaluate.grid(
            ["mfcc"],
            ["emodb"],
            ["emodb"],
            ["fcn"],
            list(protocol_settings.DEALT),
            [0],
            protocol_settings.load("epochs=1"),
            workers=1,
        )

    attempt("tables: folds", what, train, *words)


# -- utterances and embeddings --------------------------------------------------------------------------------


@pytest.fixture
def small_pack(tmp_path, monkeypatch):
    folder = tmp_path / "pack"
    for kind in ("mfcc", "utterances", "quality", "problems"):
        shutil.copytree(paths.PACK / kind, folder / kind)
    monkeypatch.setattr(paths, "PACK", folder)
    return folder


def at(row, column, value):
    def change(table):
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return change


SPOILED_TABLES = {
    "an unknown label": (at(3, "emotion", "angr"), ("03a02Fc", "angr", "did you mean 'anger'")),
    "another label than the file's name": (at(0, "emotion", "sadness"), ("03a01Fa", "sadness", "happiness")),
    "another speaker than the file's name": (at(0, "speaker", "04"), ("03a01Fa", "'04'", "'03'")),
    "an utterance twice": (lambda t: pd.concat([t, t.head(1)]), ("03a01Fa", "twice")),
    "rows in another order": (lambda t: t.iloc[::-1], ("made from other audio",)),
    "an utterance too few": (lambda t: t.iloc[1:], ("(535, 120)", "(534, 120)")),
    "a duration that is none": (at(0, "seconds", -1), ("03a01Fa", "seconds")),
    "a hash that is none": (at(0, "sha256", "0"), ("03a01Fa", "sha256")),
    "no column of labels": (lambda t: t.drop(columns="emotion"), ("columns",)),
    "another corpus": (lambda t: t.assign(corpus="ravdess"), ("ravdess", "emodb")),
}


@pytest.mark.usefixtures("no_long_work", "build_folder")
@pytest.mark.parametrize("what", SPOILED_TABLES)
def test_utterances(what, small_pack, attempt):
    spoil, words = SPOILED_TABLES[what]
    file = small_pack / "utterances" / "emodb.csv"
    spoil(utterance_tables.read_table(file)).to_csv(file, index=False)
    attempt("tables: utterances", what, lambda: store.load("mfcc", "emodb", "pack"), "emodb", *words)


def one_of(vectors, value):
    vectors[7] = value
    return vectors


SPOILED_VECTORS = {
    "a wrong dimension": (lambda v: v[:, :60], ("(535, 60)", "(535, 120)")),
    "a row too many": (lambda v: np.concatenate([v, v[:1]]), ("(536, 120)", "(535, 120)")),
    "not a number": (lambda v: one_of(v, np.nan), ("not finite", "03a02Wc")),
    "a constant row": (lambda v: one_of(v, 0.0), ("constant", "03a02Wc")),
    "another utterance's row": (lambda v: one_of(v, v[0]), ("equal", "03a01Fa")),
}


@pytest.mark.usefixtures("no_long_work", "build_folder")
@pytest.mark.parametrize("what", SPOILED_VECTORS)
def test_embeddings(what, small_pack, attempt):
    spoil, words = SPOILED_VECTORS[what]
    file = small_pack / "mfcc" / "emodb.safetensors"
    vectors, metadata = embedding_files.read_embeddings(file)
    embedding_files.write_embeddings(file, spoil(vectors.copy()), metadata)
    attempt("tables: embeddings", what, lambda: store.load("mfcc", "emodb", "pack"), "emodb", *words)


@pytest.mark.usefixtures("no_long_work", "build_folder")
def test_embeddings_of_another_corpus(small_pack, attempt):
    shutil.copy(small_pack / "mfcc" / "ravdess.safetensors", small_pack / "mfcc" / "emodb.safetensors")
    attempt("tables: embeddings", "another corpus's", lambda: store.load("mfcc", "emodb", "pack"), "(535, 120)")


# -- registries -----------------------------------------------------------------------------------------------


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A copy of the registries that a test may spoil."""
    for file in ("corpora.yaml", "models.yaml", "protocol.yaml"):
        shutil.copy(paths.DATA / file, tmp_path / file)
    (tmp_path / "own").mkdir()
    monkeypatch.setattr(paths, "DATA", tmp_path)
    for read in (corpus_registry.registry, model_registry._of_file):
        read.cache_clear()
    yield tmp_path
    for read in (corpus_registry.registry, model_registry._of_file):
        read.cache_clear()


SPOILED_ENTRIES = {
    "a misspelt field of a corpus": ("corpora", "speakers:", "speaker:", ("cremad", "did you mean 'speakers'")),
    "a misspelt emotion": ("corpora", "ANG: anger", "ANG: angr", ("cremad", "angr", "did you mean 'anger'")),
    "a pattern that is none": ("corpora", "'(?P<speaker>1", "'((?P<speaker>1", ("cremad", "no regular exp")),
    "a field that is missing": ("corpora", "  language: English\n", "", ("cremad", "has no language")),
    "a misspelt field of a model": ("models", "  loader: wav", "  loder: wav", ("wavlm-base", "mean 'loader'")),
    "an unknown loader": ("models", "loader: wav2vec2", "loader: wav2vec", ("wavlm-base", "mean 'wav2vec2'")),
}


@pytest.mark.parametrize("what", SPOILED_ENTRIES)
def test_registries(what, own_data, attempt):
    kind, right, wrong, words = SPOILED_ENTRIES[what]
    file = own_data / f"{kind}.yaml"
    text = file.read_text(encoding="utf-8")
    assert right in text
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    read = corpus_registry.registry if kind == "corpora" else model_registry.registry
    attempt("tables: registries", what, read, *words)


SPOILED_CSV = {
    "an unknown label": ("path,speaker,emotion\na.wav,1,angr\n", ("line 2", "angr", "did you mean 'anger'")),
    "a path twice": ("path,speaker,emotion\na.wav,1,anger\na.wav,2,fear\n", ("a.wav", "twice")),
    "no column of speakers": ("path,emotion\na.wav,anger\n", ("no column speaker",)),
    "no rows": ("path,speaker,emotion\n", ("no rows",)),
    "no path": ("path,speaker,emotion\n,1,anger\n", ("line 2", "no path")),
    "no label": ("path,speaker,emotion\na.wav,1,\n", ("line 2", "no emotion")),
    "a speaker in two spellings": (
        "path,speaker,emotion\na.wav,anna,fear\nb.wav,Anna,anger\n",
        ("'anna' (line 2)", "'Anna' (line 3)"),
    ),
    "a row without its speaker": ("path,speaker,emotion\na.wav,1,anger\nb.wav,,anger\n", ("line 3", "no speaker")),
    "a segment that ends before it starts": (
        "path,start,end,speaker,emotion\na.wav,2,1,1,anger\n",
        ("line 2", "start 2 and end 1"),
    ),
    "a comma in a path": ("path,speaker,emotion\na, b.wav,1,anger\n", ("line 2", "4 cells", "quotation marks")),
    "nothing at all": ("", ("is empty",)),
}


@pytest.mark.parametrize("what", SPOILED_CSV)
def test_a_table_of_an_own_corpus(what, own_data, attempt):
    content, words = SPOILED_CSV[what]
    (own_data / "own" / "mine.csv").write_text(content)
    attempt("tables: own corpus", what, lambda: corpus_registry.get("mine"), "mine.csv", *words)


# -- profiles and parameters ----------------------------------------------------------------------------------

DEMO = yaml.safe_load((paths.ROOT / "profiles" / "demo.yaml").read_text(encoding="utf-8"))

SPOILED_PROFILES = {
    "a misspelt key": ({"corpra": ["emodb"]}, ("corpra", "did you mean 'corpora'")),
    "a misspelt corpus": ({"corpora": ["emo-db"]}, ("emo-db", "did you mean 'emodb'")),
    "a misspelt model": ({"ptms": ["wisper-base"]}, ("wisper-base", "did you mean 'whisper-base'")),
    "a misspelt head": ({"heads": ["fcnn"]}, ("fcnn", "did you mean 'fcn'")),
    "a misspelt regime": ({"regimes": ["speakers"]}, ("speakers", "did you mean 'speaker'")),
    "a misspelt source": ({"source": "packs"}, ("packs", "pack")),
    "a misspelt setting": ({"overrides": "epoch=3"}, ("epoch", "did you mean 'epochs'")),
    "a setting of another type": ({"overrides": "epochs=many"}, ("epochs", "many", "int")),
    "a text for a list": ({"corpora": "emodb"}, ("corpora", "array")),
    "a text for a number": ({"seeds": ["zero"]}, ("seeds.0", "integer")),
    "no corpus": ({"corpora": []}, ("corpora",)),
    "a corpus twice": ({"corpora": ["emodb", "emodb"]}, ("corpora", "'emodb' is there twice")),
    "a seed twice": ({"seeds": [0, 0]}, ("seeds", "0 is there twice")),
    "a seed below 0": ({"seeds": [0, -1]}, ("seeds", "-1 is not allowed", "0 or more")),
    "a seed that is no whole number": ({"seeds": [1.0]}, ("seeds.0", "integer")),
    "no seed": ({"seeds": []}, ("seeds", "1 or more of them")),
    "no heads": ({"heads": []}, ("heads", "1 or more of them")),
    "a setting out of its range": ({"overrides": "epochs=0"}, ("epochs", "0 is not allowed", "1 or more")),
    "a name that is no file's": ({"profile": "../up"}, ("profile", "../up")),
}


@pytest.mark.parametrize("what", SPOILED_PROFILES)
def test_profiles(what, attempt):
    changes, words = SPOILED_PROFILES[what]
    attempt("settings: profile", what, lambda: profiles.check(DEMO | changes), *words)


@pytest.mark.parametrize("key", ["corpora", "seeds"])
def test_a_profile_that_lacks_a_key(key, attempt):
    without = {name: value for name, value in DEMO.items() if name != key}
    attempt("settings: profile", f"no {key}", lambda: profiles.check(without), f"no {key}", "demo.yaml")


@pytest.mark.parametrize("profile", ["demo", "paper", "smoke"])
def test_our_own_profiles_pass(profile):
    profiles.check(yaml.safe_load((paths.ROOT / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8")))


def test_the_workflow_refuses_a_misspelt_key_before_any_rule(tmp_path, row):
    counted = row("settings: profile")
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(DEMO | {"profile": "spoiled", "corpra": ["emodb"]}))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", "--configfile", str(file)]
    run = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    said = "did you mean 'corpora'?" in run.stderr and run.returncode != 0
    counted.count("survived" if said and not (paths.BUILD / "spoiled").exists() else "lost", run.stderr)
    counted.check()


SPOILED_PARAMETERS = {
    "a text for a number": ({"seeds": ["one"]}, ("seeds", "'one' is a str, int is expected")),
    "a number for a text": ({"source": 3}, ("source", "3 is a int, str is expected")),
    "a fraction for a number": ({"workers": 1.5}, ("workers", "1.5 is a float, int is expected")),
    "yes for a number": ({"workers": True}, ("workers", "True is a bool")),
    "a number for a corpus": ({"corpora": [1]}, ("corpora", "1 is a int, str is expected")),
    "a misspelt parameter": ({"corpra": ["emodb"]}, ("corpra", "did you mean 'corpora'")),
    "a misspelt corpus": ({"corpora": ["emodb", "ravdes"]}, ("ravdes", "did you mean 'ravdess'")),
    "a misspelt head": ({"heads": "fcn,cn"}, ("'cn'", "Known: fcn, cnn")),
    "a seed below 0": ({"seeds": "0,-1"}, ("seeds", "-1 is not allowed", "0 or more")),
    "a setting out of its range": ({"overrides": "dropout=1"}, ("dropout", "1.0 is not allowed", "below 1")),
    "a misspelt setting": ({"overrides": "dropuot=0.1"}, ("dropuot", "did you mean 'dropout'")),
}


@pytest.mark.parametrize("what", SPOILED_PARAMETERS)
def test_parameters_of_a_chapter(what, attempt):
    changes, words = SPOILED_PARAMETERS[what]
    given = {name: default for name, (_, default) in chapters.declared("cross-corpus").items()} | changes
    attempt("settings: notebook parameter", what, lambda: chapters.start("cross-corpus", given), *words)


def test_papermill_stops_at_the_first_cell(tmp_path, row):
    """The real thing: the wrong type is found by the cell after the parameters, and no other has run."""
    counted = row("settings: notebook parameter")
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="int is expected"):
        papermill.execute_notebook(chapters.path("same-corpus"), out, {"seeds": ["x"]}, progress_bar=False)
    cells = json.loads(out.read_text(encoding="utf-8"))["cells"]
    run = [cell for cell in cells if cell["cell_type"] == "code" and cell["execution_count"]]
    counted.count("survived" if len(run) <= 4 else "lost", f"{len(run)} cells ran")
    counted.check()


def test_a_dimension_of_the_registry_that_is_not_the_files(monkeypatch, attempt):
    wide = model_registry.registry() | {"mfcc": dataclasses.replace(model_registry.get("mfcc"), dimension=768)}
    monkeypatch.setattr(model_registry, "registry", lambda: wide)
    words = ("(535, 120)", "(535, 768)")
    attempt("tables: embeddings", "another dimension", lambda: store.load("mfcc", "emodb", "pack"), *words)
