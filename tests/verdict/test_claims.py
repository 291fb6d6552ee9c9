"""The ledger: its entries and their checks belong together, and checks can come out either way."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import yaml

from crosscorpus.base import paths
from crosscorpus.embeddings import store
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.verdict import (
    claim_findings,
    claims,
    claims_on_data,
    claims_on_scores,
    claims_on_training,
    published_tables,
)

EMPTY = pd.DataFrame(columns=["ptm", "head", "regime", "seed", "train_corpus", "test_corpus", "fold", "utterance"])
EMPTY = EMPTY.assign(emotion=[], predicted=[])
ENTRIES = yaml.safe_load((paths.DATA / "claims.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def known():
    return claim_findings.Known(published_tables.table1(), EMPTY, pd.DataFrame(), protocol_settings.load())


@pytest.fixture(scope="module")
def ledger(known):
    return claims.check_all(known).set_index("id")


def claim_with(stated, check="dimensions"):
    return claim_findings.Claim("x", "", "", "", check, stated, "")


def entry(key, **changed):
    return dataclasses.replace(claims.ledger()[key], **changed)


# -- the ledger -----------------------------------------------------------------------------------------------


def test_every_claim_is_in_the_table_once(ledger):
    assert list(ledger.index) == list(ENTRIES)
    assert 20 <= len(ENTRIES) <= 40


def test_every_claim_has_a_check_and_every_check_a_claim():
    assert {one.check for one in claims.ledger().values()} == set(claims.CHECKS)


def test_every_verdict_is_of_the_fixed_set(ledger):
    assert set(ledger["verdict"]) <= set(claim_findings.VERDICTS)


@pytest.mark.parametrize("key", ENTRIES)
def test_every_row_has_evidence_with_a_number_or_two_statements(ledger, key):
    evidence = ledger.loc[key, "evidence"]
    assert ": " in evidence
    assert any(c.isdigit() for c in evidence) or ledger.loc[key, "check"] in ("language", "row_labels")


@pytest.mark.parametrize("key", ENTRIES)
def test_every_entry_is_complete(key):
    assert set(ENTRIES[key]) == {"claim", "place", "kind", "check", "stated", "assumptions"}
    assert all(ENTRIES[key][field] for field in ("claim", "place", "kind", "check", "assumptions"))


def test_verdicts_are_computed_and_not_stored():
    assert not any(
        verdict in str(ENTRIES)
        for verdict in (claim_findings.IN_TABLE, claim_findings.CONTRADICTS, claim_findings.OPEN)
    )


def test_a_check_that_does_not_exist_is_refused(known):
    with pytest.raises(ValueError, match="unknown check of the claim x 'dimension'; did you mean 'dimensions'"):
        claims.find(claim_with({}, "dimension"), known)


# -- what the paper's own entries come out as: known by other means -------------------------------------------


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("dimensions-base", claim_findings.HOLDS),
        ("dimensions-multilingual", claim_findings.CONTRADICTS),  # XLS-R-300M is 1024 wide
        ("emodb-language", claim_findings.CONTRADICTS),  # English in I, German in III.A
        ("emodb-size", claim_findings.HOLDS),
        ("aesdd-actors", claim_findings.FAILS),  # six numbers in brackets
        ("common-emotions", claim_findings.HOLDS),
        ("fcn-parameters", claim_findings.CONTRADICTS),
        ("cnn-parameters", claim_findings.CONTRADICTS),
        ("row-labels", claim_findings.CONTRADICTS),  # W2 where W is due
        ("five-folds", claim_findings.HARD),  # a mean can have what one fold can, so nothing is contradicted
        ("score-format", claim_findings.NEARLY),
        ("twenty-epochs", claim_findings.OPEN),
        ("trillsson-same-corpus", claim_findings.IN_TABLE),
        ("trillsson-cross-corpus", claim_findings.IN_TABLE),
        ("cnn-above-fcn", claim_findings.IN_TABLE),
    ],
)
def test_a_verdict_that_is_known(ledger, key, verdict):
    assert ledger.loc[key, "verdict"] == verdict


def test_counts_of_the_printed_table(ledger):
    assert "200 of 200 pairs" in ledger.loc["cnn-above-fcn", "evidence"]
    assert "best in: 40 of 40 columns" in ledger.loc["trillsson-cross-corpus", "evidence"]
    assert "331" in ledger.loc["five-folds", "evidence"]
    assert "possible pairs: 399 of 400" in ledger.loc["score-format", "evidence"]
    assert "0.03 points outside" in ledger.loc["score-format", "evidence"]
    assert "does not fit the assumed size" in ledger.loc["score-format", "evidence"]
    assert "7356" in ledger.loc["ravdess-size", "evidence"]
    assert "88 of 91" in ledger.loc["cremad-size", "evidence"]


# -- models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "count", "same"),
    [
        ("74M", 74_400_000, True),
        ("74M", 73_400_000, True),  # within 2 %
        ("74M", 72_520_000, True),  # exactly 2 % below
        ("74M", 72_500_000, False),
        ("300M", 315_438_720, True),  # one digit that counts
        ("300M", 349_999_999, True),
        ("300M", 350_000_001, False),
        ("1B", 962_497_408, True),
        ("1B", 1_600_000_000, False),
        ("63.4M", 63_449_999, True),
        ("63.4M", 20_000_000, False),
        ("94.70M", 94_371_712, True),
        ("94.70M", 90_000_000, False),
    ],
)
def test_counts_of_parameters_are_compared_in_the_stated_digits(stated, count, same):
    assert claims_on_data.same_count(stated, count) == same


def test_a_dimension_that_agrees_holds(known):
    assert claims.find(claim_with({"mms-1b": 1280}), known).verdict == claim_findings.HOLDS


def test_a_dimension_of_a_sister_is_named(known):
    found = claims.find(claim_with({"xls-r-300m": 1280}), known)
    assert found.verdict == claim_findings.CONTRADICTS
    assert found.evidence["1280 is that of"] == "facebook/wav2vec2-xls-r-1b"


def test_a_model_that_is_not_counted_is_open_and_a_wrong_count_decides(known):
    nothing = {"trillsson4": {"count": "63.4M"}}
    wrong = {"wavlm-base": {"count": "300M"}}
    assert claims.find(claim_with(nothing, "parameters"), known).verdict == claim_findings.OPEN
    assert claims.find(claim_with(nothing | wrong, "parameters"), known).verdict == claim_findings.FAILS


def test_the_whole_network_is_counted():
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    small |= {"vocab_size": 10, "max_position_embeddings": 4, "type_vocab_size": 1}
    # Embeddings 10*8 + 4*8 + 8, their norm 16; attention 4*(64+8) and norm 16; 8*8+8 twice and norm 16; pooler 72.
    assert claims_on_data.count_parameters("BertModel", small) == 120 + 16 + 288 + 16 + 144 + 16 + 72


def test_counts_of_whole_networks_in_the_ledger_are_those_of_the_networks():
    each = [claim.stated for claim in claims.ledger().values() if claim.check == "parameters"]
    whole = [one for stated in each for one in stated.values() if "whole" in one]
    assert len(whole) == 2
    for one in whole:
        assert one["counted"] == claims_on_data.count_parameters(one["whole"], one["settings"])


# -- corpora --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, claim_findings.HOLDS),
        ({"utterances": 536}, claim_findings.FAILS),
        ({"speakers": 11}, claim_findings.FAILS),
        ({"male": 4}, claim_findings.FAILS),
        ({"language": "English"}, claim_findings.FAILS),
        ({"emotions": ["anger", "fear"]}, claim_findings.FAILS),
        ({"no such fact": 1}, claim_findings.FAILS),
    ],
)
def test_each_fact_on_a_corpus_counts(known, changed, verdict):
    stated = claims.ledger()["emodb-size"].stated | changed
    assert claims.find(entry("emodb-size", stated=stated), known).verdict == verdict


@pytest.mark.parametrize(
    ("about", "verdict"), [(576, claim_findings.HOLDS), (575, claim_findings.FAILS), (700, claim_findings.FAILS)]
)
def test_about_is_within_five_percent(known, about, verdict):
    stated = {"corpus": "aesdd", "about": about}  # 604 files
    assert claims.find(claim_with(stated, "corpus"), known).verdict == verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (("German", "German"), claim_findings.HOLDS),
        (("English", "English"), claim_findings.FAILS),
        (("German", "Dutch"), claim_findings.CONTRADICTS),
    ],
)
def test_two_places_on_one_language(known, said, verdict):
    stated = dict(zip(("I", "II"), said, strict=True)) | {"corpus": "emodb"}
    assert claims.find(claim_with(stated, "language"), known).verdict == verdict


def test_another_size_of_a_collection_fails(known):
    stated = claims.ledger()["ravdess-size"].stated | {"files": 7355}
    assert claims.find(entry("ravdess-size", stated=stated), known).verdict == claim_findings.FAILS


def test_common_emotions_that_are_not_common_fail(known):
    assert claims.find(claim_with(["anger", "neutral"], "common_emotions"), known).verdict == claim_findings.FAILS


def test_another_model_does_not_lead_other_papers(known):
    assert claims.find(claim_with("WavLM", "whisper_first"), known).verdict == claim_findings.FAILS


# -- layers ---------------------------------------------------------------------------------------------------


def test_fcn_parameters_by_hand(known):
    # 512 * 90 + 90 and 90 * 5 + 5: 46,625. A range around it holds.
    stated = {"millions": [0.046, 0.047], "widths": [90], "dimensions": [512]}
    found = claims.find(claim_with(stated, "fcn_parameters"), known)
    assert found.verdict == claim_findings.HOLDS
    assert found.evidence["with the stated layers"] == "0.05 M (512)"


def test_filters_by_hand():
    # 512 steps, kernel 3: 510, pooled to 255. Per filter 3 + 1 + 255 * 90 = 22,954; beside them 90 + 455 = 545.
    fits = claims_on_training.filters_that_fit([512], 1, 2, [90], 100)
    assert list(fits.index[fits == 1]) == list(
        range(44, 88)
    )  # 1,009,976 + 545 with 44, and 1,996,998 + 545 with 87


def test_a_number_of_filters_for_one_dimension_holds(known):
    stated = claims.ledger()["cnn-parameters"].stated | {"dimensions": [512]}
    assert claims.find(entry("cnn-parameters", stated=stated), known).verdict == claim_findings.HOLDS


# -- training -------------------------------------------------------------------------------------------------


def curves(best):
    """Curves of 20 epochs, one for each fold, with the smallest loss at the given epochs."""
    unit = {"ptm": "x", "head": "fcn", "regime": "stratified", "seed": 0, "train_corpus": "emodb"}
    rows = [
        unit | {"fold": fold, "epoch": epoch, "val_loss": abs(epoch - at)}
        for fold, at in enumerate(best)
        for epoch in range(1, 21)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("best", "share"), [([5] * 9 + [20], "90 %"), ([20] * 10, "0 %")])
def test_our_trainings_stand_beside_twenty_epochs_and_confirm_nothing(known, best, share):
    with_history = dataclasses.replace(known, history=curves(best))
    found = claims.find(claims.ledger()["twenty-epochs"], with_history)
    assert found.verdict == claim_findings.OPEN
    assert found.evidence["best before the last"] == share


def test_other_epochs_say_nothing(known):
    other = dataclasses.replace(known, history=curves([5] * 10), settings=protocol_settings.load("epochs=2"))
    assert claims.find(claims.ledger()["twenty-epochs"], other).verdict == claim_findings.OPEN


# -- the printed table, changed -------------------------------------------------------------------------------


def printed(known, change):
    table = known.printed.copy()
    change(table)
    return dataclasses.replace(known, printed=table)


def cell(table, ptm, head, train, test):
    keys = zip(published_tables.CELL, (ptm, head, train, test), strict=True)
    return np.logical_and.reduce([table[column] == value for column, value in keys])


def test_one_column_less_and_the_best_model_fails(known):
    def change(table):
        table.loc[cell(table, "mms-1b", "cnn", "mesd", "mesd"), "macro_f1"] = 99.0

    found = claims.find(claims.ledger()["trillsson-same-corpus"], printed(known, change))
    assert found.verdict == claim_findings.FAILS
    assert found.evidence["accuracy, best in"] == "10 of 10 columns"
    assert found.evidence["macro-F1, best in"] == "9 of 10 columns"


def test_a_tie_is_not_best(known):
    def change(table):
        there = cell(table, "trillsson4", "cnn", "mesd", "mesd")
        table.loc[cell(table, "mms-1b", "cnn", "mesd", "mesd"), "accuracy"] = table.loc[there, "accuracy"].item()

    assert (
        claims.find(claims.ledger()["trillsson-same-corpus"], printed(known, change)).verdict
        == claim_findings.FAILS
    )


def test_one_pair_less_and_the_cnn_fails(known):
    def change(table):
        table.loc[cell(table, "x-vector", "cnn", "emodb", "mesd"), "accuracy"] = 1.0

    found = claims.find(claims.ledger()["cnn-above-fcn"], printed(known, change))
    assert found.verdict == claim_findings.FAILS
    assert found.evidence["at or above"] == "199 of 200 pairs"


def test_small_margins_are_not_very_large(known):
    def change(table):
        others = table["ptm"] != "trillsson4"
        best = table[~others].set_index(claims_on_scores.COLUMN)["accuracy"] - 9.99
        table.loc[others, "accuracy"] = [
            best[tuple(key)] for key in table.loc[others, claims_on_scores.COLUMN].to_numpy()
        ]

    assert claims.find(claims.ledger()["trillsson-margin"], printed(known, change)).verdict == claim_findings.FAILS


def test_a_model_that_leads_everywhere_is_a_winner(known):
    def change(table):
        table.loc[table["ptm"] == "wavlm-base", "accuracy"] = 99.5

    assert (
        claims.find(claims.ledger()["monolingual-winner"], printed(known, change)).verdict == claim_findings.FAILS
    )
    assert (
        claims.find(claims.ledger()["multilingual-winner"], printed(known, change)).verdict
        == claim_findings.IN_TABLE
    )


def test_a_lead_that_is_lost_fails(known):
    def change(table):
        table.loc[cell(table, "xls-r-300m", "cnn", "emodb", "emodb"), "accuracy"] = 93.34

    assert claims.find(claims.ledger()["named-leads"], printed(known, change)).verdict == claim_findings.FAILS


def test_a_model_that_is_always_above_is_not_mixed(known):
    def change(table):
        table.loc[table["ptm"] == "x-vector", "accuracy"] = 99.5

    assert claims.find(claims.ledger()["x-vector-mixed"], printed(known, change)).verdict == claim_findings.FAILS


def test_a_table_in_which_other_corpora_help_fails(known):
    def change(table):
        table.loc[table["train_corpus"] != table["test_corpus"], "accuracy"] += 60

    assert (
        claims.find(claims.ledger()["cross-corpus-is-harder"], printed(known, change)).verdict
        == claim_findings.FAILS
    )


def test_labels_that_agree_with_the_caption_hold_in_the_table(known):
    stated = claims.ledger()["row-labels"].stated
    right = stated | {"rows": [stated["caption"]] * 5}
    assert claims.find(entry("row-labels", stated=right), known).verdict == claim_findings.IN_TABLE


# -- ours decide once they are complete -----------------------------------------------------------------------


def ours(table):
    """Predictions whose accuracies are in the order of a table's, with 200 utterances a cell."""
    parts, five = [], np.array(protocol_settings.load()["emotions"])
    for row in table.itertuples():
        right = np.arange(200) < round(2 * row.accuracy)
        part = pd.DataFrame({"utterance": [f"u{i}" for i in range(200)], "emotion": np.tile(five, 40)})
        part["predicted"] = np.where(right, part["emotion"], np.tile(np.roll(five, 1), 40))
        keys = {column: getattr(row, column) for column in published_tables.CELL}
        parts.append(part.assign(**keys, regime="stratified", seed=0, fold=1))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def complete(known):
    return dataclasses.replace(known, predictions=ours(known.printed))


def test_our_scores_are_of_all_test_utterances_together(complete):
    there = cell(complete.ours, "trillsson4", "cnn", "emodb", "emodb")
    assert len(complete.ours) == 400
    assert complete.ours.loc[there, "accuracy"].item() == pytest.approx(98.5)  # 98.67 with 200 utterances


def test_a_claim_that_all_our_cells_show_holds(complete):
    found = claims.find(claims.ledger()["trillsson-same-corpus"], complete)
    assert found.verdict == claim_findings.HOLDS
    assert found.evidence["ours, accuracy, best in"] == "10 of 10 columns"


def test_a_claim_that_our_cells_do_not_show_does_not_hold(known):
    reversed_table = known.printed.assign(accuracy=100 - known.printed["accuracy"])
    other = dataclasses.replace(known, predictions=ours(reversed_table))
    for key in ("trillsson-cross-corpus", "cnn-above-fcn", "trillsson-margin", "cross-corpus-is-harder"):
        assert claims.find(claims.ledger()[key], other).verdict == claim_findings.FAILS


def test_cells_with_other_labels_than_the_papers_are_none_of_its(known):
    predictions = ours(known.printed)
    three = predictions[predictions["emotion"].isin(["anger", "fear", "sadness"])]
    there = dataclasses.replace(known, predictions=three)
    assert len(there.ours) == 0
    assert claims.find(claims.ledger()["cnn-above-fcn"], there).verdict == claim_findings.IN_TABLE


def test_some_cells_of_ours_decide_nothing_but_are_told(known):
    some = known.printed[known.printed["ptm"] == "whisper-base"]
    reversed_some = dataclasses.replace(known, predictions=ours(some.assign(accuracy=100 - some["accuracy"])))
    found = claims.find(claims.ledger()["cnn-above-fcn"], reversed_some)
    assert found.verdict == claim_findings.IN_TABLE
    assert found.evidence["our cells so far"] == "50 of 400"
    assert found.evidence["of ours, at or above"].endswith("of 25 pairs")


# -- embeddings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spread", "verdict"), [(0.01, claim_findings.HOLDS), (50.0, claim_findings.FAILS)])
def test_clusters_of_emotions(known, monkeypatch, spread, verdict):
    rng = np.random.default_rng(0)
    emotions = protocol_settings.load()["emotions"]
    rows = list(itertools.product(emotions, range(12)))
    table = pd.DataFrame({"emotion": [e for e, _ in rows], "speaker": [str(i % 3) for _, i in rows]})
    table = table.assign(utterance=[f"{e}{i}" for e, i in rows], text_id="", corpus="emodb")
    centres = {emotion: rng.standard_normal(16) for emotion in emotions}
    vectors = np.stack([centres[e] for e, _ in rows]) + spread * rng.standard_normal((len(rows), 16))
    made = store.Embeddings("trillsson4", "emodb", table, vectors.astype(np.float32), {})
    monkeypatch.setattr(store, "load", lambda *_, **__: made)
    stated = {"ptm": "trillsson4", "corpora": ["emodb"], "by": "emotion", "separated": True}
    assert claims.find(claim_with(stated, "clusters"), known).verdict == verdict


def test_clusters_of_a_model_that_was_not_run_are_open(known):
    assert claims.find(claims.ledger()["clusters-of-corpora"], known).verdict == claim_findings.OPEN


def test_the_models_and_corpora_of_the_ledger_are_known():
    text = (paths.DATA / "claims.yaml").read_text(encoding="utf-8")
    for ptm in model_registry.of_paper():
        assert ptm in text
