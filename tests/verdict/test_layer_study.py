"""What layers are worth, and how one is chosen: synthetic embeddings whose best layer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import paths
from crosscorpus.embeddings import store, store_folders
from crosscorpus.models import hidden_states, model_registry
from crosscorpus.verdict import layer_choice, layer_study, study_files

PTM = "whisper-base"
CORPORA = ["emodb", "aesdd", "ravdess"]
STRENGTH = {"0": 0.0, "1": 3.0, "last": 0.6, "mean": 0.6}
"""How much each layer's vectors say of the emotion."""


def synthetic(corpus, layer):
    """Embeddings of the pack's utterances: noise, and at some layers their emotion."""
    e = store.load("mfcc", corpus, "pack")
    seed = sum(map(ord, corpus + layer))
    emotions = pd.get_dummies(e.utterances["emotion"]).reindex(
        columns=["anger", "disgust", "fear", "happiness", "sadness"], fill_value=False
    )
    noise = np.random.default_rng(seed).standard_normal((len(e.utterances), 5))
    vectors = (noise + STRENGTH[layer] * emotions.to_numpy(dtype=float)).astype(np.float32)
    return dataclasses.replace(e, ptm=PTM, vectors=vectors)


@pytest.fixture(scope="module")
def kept():
    return {layer: {corpus: synthetic(corpus, layer) for corpus in CORPORA} for layer in STRENGTH}


@pytest.fixture
def small(monkeypatch, build_folder, kept):
    model = dataclasses.replace(model_registry.get(PTM), architecture={"encoder_layers": 2})
    monkeypatch.setattr(model_registry, "registry", lambda: {PTM: model})
    monkeypatch.setattr(
        layer_study, "stored", lambda ptm, corpora, layer, pooling="": {c: kept[layer][c] for c in corpora}
    )


def studied(corpora=CORPORA, **options):
    names = {PTM: layer_study.names(PTM)}
    return layer_study.run([PTM], corpora, "logistic", ["speaker"], names, workers=1, **options)


def test_the_layers_of_a_model(small):
    assert layer_study.names(PTM) == ["0", "1", "last", "mean"]


def test_a_row_for_each_pair_and_layer_and_what_it_is_beyond_the_last(small):
    table = studied(["emodb", "aesdd"])
    assert list(table.columns) == layer_choice.COLUMNS
    assert len(table) == 4 * 4
    assert not table.duplicated([*layer_choice.CELL, "layer"]).any()
    ends = [c for c in table if c.endswith(("_effect", "_low", "_high"))]
    assert table.loc[table["layer"] == "last", ends].isna().all(axis=None)
    others = table[table["layer"] != "last"]
    assert others[ends].notna().all(axis=None)
    assert (others["uar_low"] <= others["uar_effect"]).all()
    assert (others["uar_effect"] <= others["uar_high"]).all()
    by_layer = table.groupby("layer")["uar"].mean()
    assert by_layer["1"] > by_layer["last"] > by_layer["0"]
    assert abs(by_layer["0"] - 20) < 5  # noise alone
    assert (others.loc[others["layer"] == "1", "uar_low"] > 0).all()


def test_the_study_chooses_the_layer_that_is_best_elsewhere(small):
    chosen = layer_choice.choices(studied())
    assert len(chosen) == 9
    assert set(chosen["chosen"]) == {"1"}
    on = chosen.set_index("kind")["chosen_on"]
    assert set(on[layer_choice.WITHIN]) == {2}  # the two other corpora
    assert set(on[layer_choice.ACROSS]) == {2}  # from one of the two others to the other, and back
    worth = layer_choice.worth(chosen).set_index("kind")
    assert (worth["gain"] > 5).all()
    assert list(worth["up"]) == [3, 6]


# -- choosing, on scores by hand ------------------------------------------------------------------------------


def row(train, test, layer, uar, ptm=PTM, head="logistic", effect=np.nan):
    facts = dict.fromkeys(layer_choice.COLUMNS, np.nan)
    return facts | {
        **{"ptm": ptm, "head": head, "regime": "speaker", "train_corpus": train, "test_corpus": test},
        **{"layer": layer, "uar": uar, "uar_effect": effect, "uar_low": effect - 1, "uar_high": effect + 1},
    }


def by_hand(scores):
    """A table of cells within corpora: corpus -> scores of the layers 0, 1 and last of a model of two layers."""
    layers = ("0", "1", "last")
    return pd.DataFrame(
        row(corpus, corpus, layer, score, effect=score - given[-1] if layer != "last" else np.nan)
        for corpus, given in scores.items()
        for layer, score in zip(layers, given, strict=True)
    )


@pytest.fixture
def two_layers(monkeypatch):
    model = dataclasses.replace(model_registry.get(PTM), architecture={"encoder_layers": 2})
    monkeypatch.setattr(model_registry, "registry", lambda: {PTM: model})


def test_a_cell_has_no_part_in_its_own_choice(two_layers):
    """The tested corpus has its best score at layer 0, the others have theirs at layer 1."""
    table = by_hand({"emodb": (90, 50, 60), "aesdd": (40, 70, 60), "ravdess": (40, 80, 60)})
    chosen = layer_choice.choices(table).set_index("test_corpus")
    assert chosen.loc["emodb", ["chosen", "last", "at_chosen", "best", "at_best"]].tolist() == [
        *("1", 60, 50, "0", 90)
    ]
    assert chosen.loc["emodb", ["effect", "low", "high"]].tolist() == [-10, -11, -9]
    # whatever the tested corpus's own scores are
    other = by_hand({"emodb": (0, 0, 100), "aesdd": (40, 70, 60), "ravdess": (40, 80, 60)})
    assert layer_choice.choices(other).set_index("test_corpus").loc["emodb", "chosen"] == "1"


def test_a_table_may_be_of_a_network_with_more_layers_than_are_here(monkeypatch):
    """As in a rehearsal, where the committed table is of the true networks, and those of the run are small."""
    table = by_hand({"emodb": (90, 50, 60), "aesdd": (40, 70, 60), "ravdess": (40, 80, 60)})
    found = []
    for layers in (2, 1):
        model = dataclasses.replace(model_registry.get(PTM), architecture={"encoder_layers": layers})
        monkeypatch.setattr(model_registry, "registry", lambda model=model: {PTM: model})
        found.append(layer_choice.choices(table))
    pd.testing.assert_frame_equal(*found)


def test_across_corpora_no_pair_with_the_tested_corpus_on_either_side_has_a_part(two_layers):
    best = {("emodb", "aesdd"): "0", ("aesdd", "emodb"): "0", ("emodb", "ravdess"): "1", ("ravdess", "emodb"): "1"}
    best |= {("aesdd", "ravdess"): "last", ("ravdess", "aesdd"): "last"}
    table = pd.DataFrame(
        row(*pair, layer, 70 if layer == own else 30) for pair, own in best.items() for layer in ("0", "1", "last")
    )
    chosen = layer_choice.choices(table).set_index(["train_corpus", "test_corpus"])["chosen"]
    assert chosen["emodb", "ravdess"] == chosen["aesdd", "ravdess"] == "0"
    assert chosen["emodb", "aesdd"] == "1"
    assert chosen["ravdess", "emodb"] == "last"


def test_of_equal_layers_the_last_is_chosen_and_its_gain_is_none(two_layers):
    table = by_hand({"emodb": (50, 50, 50), "aesdd": (60, 60, 60), "ravdess": (60, 60, 60)})
    chosen = layer_choice.choices(table)
    assert set(chosen["chosen"]) == {"last"}
    assert (chosen[["effect", "low", "high"]] == 0).all(axis=None)
    worth = layer_choice.worth(chosen).iloc[0]
    assert (worth["gain"], worth["up"], worth["down"], worth["missed"]) == (0, 0, 0, 0)


def test_with_nothing_to_choose_on_no_layer_is_chosen(two_layers):
    assert layer_choice.choices(by_hand({"emodb": (90, 50, 60)})).empty


def test_the_mean_of_layers_is_not_a_layer_to_choose(two_layers):
    table = by_hand({"emodb": (10, 20, 30), "aesdd": (10, 20, 30)})
    more = pd.DataFrame(row(c, c, "mean", 99) for c in ("emodb", "aesdd"))
    chosen = layer_choice.choices(pd.concat([table, more], ignore_index=True))
    assert set(chosen["chosen"]) == {"last"}
    assert set(chosen["best"]) == {"last"}


def test_what_chosen_layers_give_to_heads(two_layers):
    probed = by_hand({"emodb": (90, 50, 60), "aesdd": (40, 70, 60)})
    chosen = layer_choice.choices(probed)  # 1 for Emo-DB, 0 for AESDD
    headed = pd.DataFrame(
        [
            row("emodb", "emodb", "last", 55, head="fcn"),
            row("emodb", "emodb", "1", 58, head="fcn", effect=3.0),
            row("aesdd", "aesdd", "last", 44, head="fcn"),
            row("aesdd", "aesdd", "0", 40, head="fcn", effect=-4.0),
        ]
    )
    found = layer_choice.with_heads(pd.concat([probed, headed]), chosen).set_index("test_corpus")
    assert found.loc["emodb", ["head", "chosen", "last", "at_chosen", "effect"]].tolist() == [
        "fcn",
        "1",
        55,
        58,
        3,
    ]
    assert found.loc["aesdd", ["chosen", "last", "at_chosen", "effect"]].tolist() == ["0", 44, 40, -4]


# -- what is committed ----------------------------------------------------------------------------------------


def test_the_committed_results_are_whole_and_say_what_made_them():
    table, facts = layer_choice.results()
    assert list(table.columns) == layer_choice.COLUMNS
    assert not table.duplicated([*layer_choice.CELL, "layer"]).any()
    for ptm in facts["ptms"]:
        own = table[(table["ptm"] == ptm) & (table["head"] == "logistic")]
        assert set(own["layer"]) == set(layer_study.names(ptm))
        assert set(own["regime"]) == set(facts["regimes"])
        corpora = set(own["train_corpus"])
        assert len(own) == len(layer_study.names(ptm)) * len(facts["regimes"]) * len(corpora) ** 2
        assert corpora == {e["corpus"] for e in facts["embeddings"] if e["ptm"] == ptm}
    assert all(table[score].between(0, 100).all() for score in layer_choice.SCORES)
    revision = model_registry.get("whisper-base").revision
    assert {e["revision"] for e in facts["embeddings"] if e["ptm"] == "whisper-base"} == {revision}
    assert facts["commit"]
    assert facts["device"]


def test_results_that_are_not_there_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(layer_choice, "RESULTS", tmp_path / "layers.csv")
    with pytest.raises(store_folders.NotStoredError, match="`make layers` makes it"):
        layer_choice.results()


def test_results_are_read_as_they_are_written(monkeypatch, tmp_path, two_layers):
    monkeypatch.setattr(layer_choice, "RESULTS", tmp_path / "layers.csv")
    table = by_hand({"emodb": (90.25, 50, 60), "aesdd": (40, 70, 60)})[layer_choice.COLUMNS]
    study_files.write(layer_choice.RESULTS, table, {"ptms": [PTM]})
    found, facts = layer_choice.results()
    assert facts == {"ptms": [PTM]}
    assert list(found["layer"]) == list(table["layer"])
    np.testing.assert_allclose(found["uar"], table["uar"], atol=1e-3)
    assert layer_choice.choices(found)["chosen"].tolist() == layer_choice.choices(table)["chosen"].tolist()


def test_models_whose_audio_or_weights_are_not_here_are_said(no_mirror, build_folder, capsys):
    layer_study.extract([PTM], ["emodb"])
    assert "Not run on Emo-DB: Emo-DB: no audio" in capsys.readouterr().out
    assert layer_study.stored(PTM, [], hidden_states.LAST) == {}
    assert not (paths.BUILD / "layers").exists()
