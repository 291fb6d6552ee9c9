"""Every protocol has the same parts; those of EmoBox and SER Evals against what was published."""

import ast

import numpy as np
import pandas as pd
import pytest
import torch

from crosscorpus.base import known_names, paths, ranges
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import corpus_scans
from crosscorpus.protocols import balanced_tests, folds, known_protocols, official_splits, protocol_settings
from crosscorpus.protocols.known import emobox, serevals
from crosscorpus.protocols.protocol_parts import PARTS, Protocol
from crosscorpus.verdict import derived_values, published_tables

NAMES = known_protocols.names()
each_protocol = pytest.mark.parametrize("name", NAMES)


def utterances(corpus):
    return corpus_scans.read_scan(corpus, "pack").utterances


# -- parts ----------------------------------------------------------------------------------------------------


def test_there_are_three_or_more():
    assert {"emobox", "paper", "serevals"} <= set(NAMES)
    with pytest.raises(known_names.UnknownNameError, match="did you mean 'emobox'"):
        known_protocols.load("EmoBoxx")


@each_protocol
def test_every_setting_is_of_a_part_and_has_origin_and_reason(name):
    for entry in protocol_settings.entries(known_protocols.file(name)).values():
        assert set(entry) - {"of"} == {"value", "allowed", "part", "stated", "why"}
        assert entry["part"] in PARTS
        assert ranges.wrong(entry["value"], entry["allowed"]) == ""
        assert entry["why"].strip().endswith(".")


@pytest.mark.parametrize("name", ["emobox", "serevals"])  # the paper's are read where its heads are trained
def test_every_setting_is_used_by_its_module(name):
    source = known_protocols.code(name).read_text(encoding="utf-8")
    asked = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert set(protocol_settings.entries(known_protocols.file(name))) <= asked


@each_protocol
@pytest.mark.parametrize("corpus", ["emodb", "aesdd", "mesd", "ravdess"])
def test_parts_fit_together(name, corpus):
    protocol = known_protocols.load(name)
    assert isinstance(protocol, Protocol)
    table = utterances(corpus)
    labels = protocol.labels(corpus, table)
    classes = protocol.classes(labels)
    assert set(labels.dropna()) <= set(classes)
    for regime in protocol.regimes:
        found = protocol.partition(corpus, table, labels, regime, 0)
        for fold in found:
            together = np.stack([fold.training, fold.validation, fold.test]).sum(axis=0)
            assert together.max() == 1
            assert not together[labels.isna()].any()
            assert fold.training.any()
            assert fold.test.any()
    logits, prior = np.zeros((2, len(classes))), np.full(len(classes), 1 / len(classes))
    for how in protocol.adjustments:
        assert np.isfinite(protocol.adjust(how, logits, prior, prior, True)).any(axis=1).all()


def test_no_protocol_s_name_stands_outside_its_module():
    """No code asks which protocol it is: a name in a comparison, a key or a match would be a branch."""
    for file in (paths.ROOT / "lib").rglob("*.py"):
        if file.parent.name == "known":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare | ast.Match | ast.IfExp | ast.If):
                said = {
                    part.value for part in ast.walk(getattr(node, "test", node)) if isinstance(part, ast.Constant)
                }
                assert not said & {"emobox", "serevals"}, file


# -- the paper's ----------------------------------------------------------------------------------------------


def test_the_paper_s_partition_is_that_of_the_grid():
    protocol, table = known_protocols.load("paper"), utterances("emodb")
    labels = protocol.labels("emodb", table)
    dealt = folds.load("emodb", table, "speaker").set_index("utterance")["fold"]
    for number, fold in enumerate(protocol.partition("emodb", table, labels, "speaker", 0), start=1):
        assert set(table["utterance"][fold.test]) == set(dealt.index[dealt == number]) & set(
            table["utterance"][labels.notna()]
        )


def test_folds_that_are_more_come_round():
    protocol, table = known_protocols.load("paper"), utterances("ravdess")
    labels = protocol.labels("ravdess", table)
    each = [protocol.across("ravdess", table, labels, "official", n, 5) for n in range(5)]
    assert np.stack(each).sum(axis=0).tolist() == labels.notna().astype(int).tolist()


# -- EmoBox's -------------------------------------------------------------------------------------------------


def test_emobox_takes_the_published_folds():
    protocol, table = known_protocols.load("emobox"), utterances("ravdess")
    labels = protocol.labels("ravdess", table)
    assert protocol.classes(labels) == sorted(set(corpus_registry.get("ravdess").emotions.values()))
    found, split = protocol.partition("ravdess", table, labels, "official", 0), official_splits.read("ravdess")
    for number, fold in enumerate(found, start=1):
        assert set(table["utterance"][fold.test]) <= set(split["utterance"][split["fold"] == number])
        assert fold.validation.sum() == pytest.approx(0.2 * (fold.training | fold.validation).sum(), abs=1)
    assert len(found) == 6


def test_emobox_s_rate_is_set_at_the_end_of_an_epoch():
    """Epoch 1 at the full rate, 2 at none, 3 to 12 in tenths, then a line to a 45th in epoch 100."""
    each, first = emobox.rates(1.0, 100, 10, "published", 3)
    by_epoch = each[::3]
    assert len(each) == 300
    assert by_epoch[:12].tolist() == pytest.approx([1, 0, *(np.arange(1, 11) / 10)])
    assert np.allclose(np.diff(by_epoch[11:]), -1 / 90)
    assert by_epoch[-1] == pytest.approx(1 / 45)
    assert set(first) == {0.9}


def test_emobox_s_sweep_and_selections():
    protocol = known_protocols.load("emobox")
    assert [(v.head.widths, v.recipe.rates(1)[0][0]) for v in protocol.sweep] == [
        ((128,), 0.001), ((256,), 0.001), ((128,), 0.0001), ((256,), 0.0001)
    ]  # fmt: skip
    assert list(protocol.selections) == ["validation", "last", "test"]
    assert known_protocols.load("emobox", "selection=test").selections[0] == "test"


def test_balanced_sets_have_sixty_of_each_emotion_and_name_what_the_registry_does():
    assert balanced_tests.corpora() == ["iemocap", "meld", "ravdess", "savee"]
    unknown = 0
    for corpus in balanced_tests.corpora():
        table, split = balanced_tests.read(corpus), official_splits.read(corpus)
        assert table["emotion"].value_counts().tolist() == [60] * 4
        named = table[table["utterance"] != ""]
        assert named["utterance"].is_unique
        native = split.set_index("utterance")["emotion_native"].reindex(named["utterance"])
        table_of = pd.DataFrame({"emotion": native.map(corpus_registry.get(corpus).emotions).to_numpy()})
        labels = known_protocols.load("emobox").labels(corpus, table_of)
        assert labels.tolist() == named["emotion"].tolist()
        unknown += len(table) - len(named)
    assert unknown == 4  # of MELD
    speakers = balanced_tests.read("iemocap")["speaker"].value_counts()
    assert len(speakers) == 10


def test_across_corpora_emobox_tests_on_the_balanced_set_alone():
    protocol, table = known_protocols.load("emobox", "track=across"), utterances("ravdess")
    labels = protocol.labels("ravdess", table)
    assert protocol.across("ravdess", table, labels, "official", 0, 1).sum() == 240
    assert not protocol.across("emodb", utterances("emodb"), labels, "official", 0, 1).any()
    (fold,) = protocol.partition("ravdess", table, labels, "official", 0)
    assert fold.test.sum() == 240
    assert set(labels[fold.training]) == {"anger", "happiness", "neutral", "sadness"}


def test_equation_1_of_emobox_is_recomputed_from_its_table_5():
    table = published_tables.load("ma2024_table5").assign(accuracy=lambda t: t["accuracy"].astype(float))
    found = known_protocols.load("emobox").aggregate(table.rename(columns={"model": "ptm"}), "accuracy")
    expected = derived_values.average_across(table).set_index("model")["average"]
    assert len(found) == 10
    assert found.set_index("ptm")["across"].to_dict() == pytest.approx(expected.to_dict())


# -- SER Evals' -----------------------------------------------------------------------------------------------


def test_ser_evals_has_eight_classes_whatever_the_corpus():
    protocol, table = known_protocols.load("serevals"), utterances("emodb")
    labels = protocol.labels("emodb", table)
    assert protocol.classes(labels)[-2:] == ["other", "neutral"]
    assert set(labels[table["emotion"] == "boredom"]) == {"sadness"}
    assert set(protocol.labels("ravdess", utterances("ravdess"))[lambda s: s == "other"]) == {"other"}


@pytest.mark.parametrize("regime", ["random", "disjoint"])
def test_ser_evals_splits_once(regime):
    protocol, table = known_protocols.load("serevals"), utterances("ravdess")
    labels = protocol.labels("ravdess", table)
    (fold,) = protocol.partition("ravdess", table, labels, regime, 0)
    assert fold.test.mean() == pytest.approx(0.2, abs=0.02)
    assert not fold.validation.any()
    shared = set(table["speaker"][fold.test]) & set(table["speaker"][fold.training])
    assert bool(shared) == (regime == "random")


def test_one_cycle_is_torch_s():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([weight], lr=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-4, epochs=7, steps_per_epoch=13, pct_start=0.1)
    rates, betas = serevals.one_cycle(1e-4, 7, 13)
    assert len(rates) == 91
    for rate, beta in zip(rates, betas, strict=True):
        group = optimiser.param_groups[0]
        assert (rate, beta) == (pytest.approx(group["lr"], rel=1e-9), pytest.approx(group["betas"][0]))
        optimiser.step()
        if schedule.last_epoch < 90:
            schedule.step()


def adjusted(how, elsewhere=True):
    protocol = known_protocols.load("serevals")
    # As MESD: no surprise, no other; tested on a corpus that has surprise.
    trained = np.array([1, 1, 1, 1, 0, 1, 0, 1]) / 6
    tested = np.array([1, 1, 1, 1, 1, 1, 0, 1]) / 7
    logits = np.random.default_rng(0).normal(size=(50, 8))
    return protocol.adjust(how, logits, trained, tested, elsewhere), logits


def test_a_prior_of_zero_takes_all_answers_as_published_and_none_as_corrected():
    """The MESD row: a class without training gains 27.6 nats less the log of its prior in the test corpus."""
    found, logits = adjusted("published")
    assert set(found.argmax(axis=1)) == {4}
    assert found[0, 4] - logits[0, 4] == pytest.approx(27.631 + np.log(1 / 7), abs=1e-3)
    found, logits = adjusted("corrected")
    assert not {4, 6} & set(found.argmax(axis=1))
    assert np.isneginf(found[:, [4, 6]]).all()
    found, logits = adjusted("none")
    assert np.isneginf(found[:, 6]).all()
    assert (found[:, :6] == logits[:, :6]).all()


def test_in_domain_nothing_is_adjusted():
    for how in serevals.ADJUSTMENTS:
        found, logits = adjusted(how, elsewhere=False)
        assert (found == logits).all()


def test_table_3_of_ser_evals_is_reproduced_to_its_printed_digits():
    results = published_tables.load("osman2024_results")
    results = results.assign(macro_f1=results["macro_f1"].astype(float)).rename(columns={"model": "ptm"})
    for side in ("train_corpus", "test_corpus"):
        results[side] = results[side].str.lower()
    protocol = known_protocols.load("serevals")
    assert sorted(derived_values.eligible(results)) == sorted(protocol.settings["eligible"])
    found = protocol.aggregate(results, "macro_f1")
    found = found.rename(columns={"ptm": "model"})[["model", *derived_values.TABLE3]]
    printed = published_tables.load("osman2024_table3")
    assert len(printed) == 9
    assert (derived_values.away(found, printed, 6) <= 0.5).all(axis=None)
