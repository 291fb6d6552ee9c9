import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import noise_figures
from crosscorpus.embeddings import corpus_scans, store
from crosscorpus.protocols import protocol_settings
from crosscorpus.verdict import noise_study

EMOTIONS = protocol_settings.load()["emotions"]
CONDITIONS = ("clean", "20 dB", "0 dB")


@pytest.fixture(scope="module")
def found():
    """Of two models, one that does not mind and one whose vectors drown."""
    rng, by_model = np.random.default_rng(0), {}
    for name, harm in (("deaf to noise", 0.0), ("mfcc", 3.0)):
        clean = {c: store.load("mfcc", c, "pack") for c in noise_study.CORPORA}
        tests = {}
        for corpus, e in clean.items():
            part = noise_study._part(e, noise_study.sample(e.utterances, EMOTIONS, 1))
            for level, condition in enumerate(CONDITIONS):
                shift = harm * level * part.vectors.std(axis=0) * rng.normal(size=part.vectors.shape)
                tests[corpus, condition] = dataclasses.replace(
                    part, vectors=(part.vectors + shift).astype(np.float32)
                )
        by_model[name] = noise_study.predictions("logistic", clean, tests)
    return by_model


@pytest.fixture(scope="module")
def utterances():
    return pd.concat([corpus_scans.read_scan(c, "pack").utterances for c in noise_study.CORPORA])


def test_a_sample_has_as_many_of_each_speaker_and_emotion_and_grows_around_itself(utterances):
    emodb = utterances[utterances["corpus"] == "emodb"]
    one, two, all_of_them = (noise_study.sample(emodb, EMOTIONS, each) for each in (1, 2, 0))
    assert one.groupby(["speaker", "emotion"]).size().max() == 1
    assert two.groupby(["speaker", "emotion"]).size().max() == 2
    assert set(one["utterance"]) < set(two["utterance"]) < set(all_of_them["utterance"])
    assert len(all_of_them) == emodb["emotion"].isin(EMOTIONS).sum()


def test_what_is_lost_is_against_clean_speech_and_nothing_of_it_itself(found, utterances):
    rows = noise_study.rows_of("mfcc", "clip", "logistic", found["mfcc"], utterances)
    table = pd.DataFrame(rows, columns=noise_study.COLUMNS)
    assert len(table) == 4 * len(CONDITIONS)
    clean = table[table["condition"] == "clean"]
    assert (clean[["loss", "low", "high"]] == 0).all(axis=None)
    cells = table.merge(clean, on=["train_corpus", "test_corpus"], suffixes=("", "_clean"))
    assert np.allclose(cells["uar_clean"] - cells["uar"], cells["loss"])
    assert (table["low"] <= table["loss"]).all()
    assert (table["loss"] <= table["high"]).all()
    assert table[(table["condition"] == "0 dB") & (table["train_corpus"] == table["test_corpus"])]["low"].min() > 0


def test_the_model_that_does_not_mind_loses_least_and_that_is_told(found, utterances):
    table = pd.DataFrame(noise_study.of_models("logistic", found, utterances), columns=noise_study.OF_MODELS)
    assert len(table) == 2 * len(CONDITIONS) * 2
    within = table[(table["cells"] == "within") & (table["condition"] == "0 dB")].set_index("ptm")
    assert within.loc["deaf to noise", "more"] == 0
    assert within.loc["mfcc", "more_low"] > 0
    assert within.loc["mfcc", "more"] == pytest.approx(within["loss"].diff().iloc[-1])
    assert (table["more"] >= 0).all()
    least = noise_study.least_lost(table).set_index("cells")
    assert least.loc["within", "least"] == "deaf to noise"
    assert 1 <= least.loc["within", "told"] <= least.loc["within", "others"] <= 2
    fig = noise_figures.by_condition(table, 20)
    assert len(fig.axes) == 2
    drawn = [line.get_ydata() for line in fig.axes[0].lines if len(line.get_ydata()) == len(CONDITIONS)]
    uar = table[table["cells"] == "within"].groupby("ptm", sort=False)["uar"].agg(list)
    assert [list(y) for y in drawn] == list(uar)
    wide = noise_study.by_condition(table)
    assert list(wide) == ["head", "cells", "ptm", *CONDITIONS]


def test_where_it_was_not_run_there_are_no_rows(monkeypatch, tmp_path):
    monkeypatch.setattr(noise_study, "RESULTS", tmp_path / "noise.csv")
    cells, models, facts = noise_study.results()
    assert not len(cells)
    assert not len(models)
    assert facts == {}
    assert len(noise_figures.by_condition(models, 20).axes) <= 1
    assert not len(noise_study.least_lost(models))
    assert not len(noise_study.by_condition(models))


def test_a_pooling_is_taken_where_a_model_has_it():
    assert noise_study.pooling_of("whisper-base", "exact") == "exact"
    assert noise_study.pooling_of("mfcc", "exact") == noise_study.pooling_of("mfcc", "") == "clip"
