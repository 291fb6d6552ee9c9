import numpy as np
import pandas as pd
import pytest

from crosscorpus.embeddings import embedding_checks, store, store_folders
from crosscorpus.models import extractor_checks, extractor_types, loading, model_registry


def test_relative_difference_is_by_row():
    a, b = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[3.0, 4.0], [2.0, 0.0]])
    np.testing.assert_allclose(extractor_checks.relative_difference(a, b), [0, 0.5])


@pytest.mark.parametrize("ptm", ["wavlm-base", "xls-r-300m", "x-vector", "mfcc"])
def test_padding_of_a_model_without_its_files(ptm):
    what, table = extractor_checks.padding(ptm, None)
    assert list(table["seconds"]) == list(extractor_checks.LENGTHS)
    assert (table["together"] <= 1e-5).all()
    assert ("random weights" in what) == (ptm != "mfcc")
    if "zero_padded" in table:
        assert table["zero_padded"].max() > 1e-3


def test_padding_of_a_model_that_comes_whole_says_so():
    what, table = extractor_checks.padding("trillsson4", None)
    assert what.startswith("nothing")
    assert table.empty


def test_padding_would_show_an_extractor_that_looks_at_its_batch(monkeypatch):
    loader = loading.loader("mfcc")

    def load(model, weights, pooling, device, dtype):
        extract = lambda ws: np.stack([np.full(4, sum(map(len, ws)) + len(w)) for w in ws])  # noqa: E731
        return extractor_types.Extractor(extract, 0, "none", device)

    monkeypatch.setattr(loader, "load", load)
    assert (extractor_checks.padding("mfcc", None)[1]["together"] > 1e-2).all()


def test_a_network_is_counted_beside_registry_and_paper():
    table = extractor_checks.network("xls-r-300m")
    assert table.loc["dimension"].tolist() == [1024, 1024, 1280]
    assert table.loc["parameters"].tolist() == [315438720, 315438720, 300000000]


def test_what_cannot_be_counted_is_missing():
    assert extractor_checks.network("trillsson4")["counted here"].isna().all()


def embeddings(vectors, speakers, emotions):
    table = pd.DataFrame({"utterance": list("abcdef")[: len(vectors)], "speaker": speakers, "emotion": emotions})
    table["sha256"] = table["utterance"]
    return store.Embeddings("mfcc", "emodb", table, np.array(vectors, dtype=np.float32), {})


def test_nearest_neighbours_are_of_other_speakers():
    vectors = [[1, 0], [1, 0.01], [0, 1], [0.01, 1]]
    made = embeddings(vectors, ["1", "2", "1", "2"], ["x", "x", "y", "y"])
    found = embedding_checks.nearest_neighbour(made)
    assert (found["agreement"], found["chance"]) == (100.0, 50.0)
    alone = embeddings(vectors, ["1", "1", "2", "2"], ["x", "x", "y", "y"])
    assert embedding_checks.nearest_neighbour(alone)["agreement"] == 0.0


def test_nearest_neighbours_leave_out_what_is_not_stored(monkeypatch):
    made = embeddings([[1, 0], [1, 0.01]], ["1", "2"], ["x", "x"])

    def load(ptm, corpus, source):
        if ptm != "mfcc":
            raise store_folders.NotStoredError("no")
        return made

    monkeypatch.setattr(store, "load", load)
    table = embedding_checks.nearest_neighbours(["mfcc", "egemaps"], ["emodb"], "pack")
    known = table.drop(columns="same_text").to_dict("records")
    assert known == [{"ptm": "mfcc", "corpus": "emodb", "agreement": 100.0, "chance": 100.0}]


def test_a_model_whose_package_is_not_here_says_so(monkeypatch):
    def missing(*_):
        raise model_registry.NotAvailableError("openSMILE is not installed; `make opensmile` installs it")

    monkeypatch.setattr(loading.loader("egemaps"), "load", missing)
    what, differences = extractor_checks.padding("egemaps", None)
    assert what == "nothing: openSMILE is not installed; `make opensmile` installs it"
    assert not len(differences)


@pytest.mark.parametrize("speakers", [["", "", "", ""], ["1", "1", "1", "1"], ["1", "", "1", "2"]])
def test_without_another_speaker_there_is_no_neighbour(speakers):
    made = embeddings([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], speakers, ["x", "x", "y", "y"])
    assert np.isnan(list(embedding_checks.nearest_neighbour(made).values())).all()


def test_the_kind_of_voice_stands_for_the_speaker_where_it_is_named_alone():
    """As in MESD: a neighbour is of another kind of voice, and the word is the text whoever says it."""
    words = ["F_A_abajo", "M_A_abajo", "F_A_adios", "C_A_adios"]
    table = pd.DataFrame({"utterance": list("abcd"), "speaker": "", "emotion": ["x", "x", "y", "y"]})
    table = table.assign(sha256=table["utterance"], text_id=words)
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=np.float32)
    found = embedding_checks.nearest_neighbour(store.Embeddings("mfcc", "mesd", table, vectors, {}))
    assert (found["agreement"], found["same_text"]) == (100.0, 100.0)


def test_neighbours_of_the_pack_say_what_is_near_not_what_stands_first():
    for corpus in ("emodb", "mesd"):
        e = store.load("whisper-base", corpus, "pack")
        found = embedding_checks.nearest_neighbour(e)
        backwards = store.Embeddings(e.ptm, corpus, e.utterances[::-1].reset_index(drop=True), e.vectors[::-1], {})
        assert embedding_checks.nearest_neighbour(backwards)["agreement"] == pytest.approx(
            found["agreement"], abs=1
        )
        assert found["agreement"] > found["chance"] + 5
