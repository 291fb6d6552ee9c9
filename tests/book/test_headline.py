import itertools

import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import headline
from crosscorpus.scores import label_sets
from crosscorpus.verdict import score_verdicts

FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]
ACCURACY = {("emodb", "emodb"): 80.0, ("emodb", "ravdess"): 40.0}


def table(ptms=("whisper-base", "whisper-base-untrained"), heads=("fcn", "cnn", "logistic", "majority")):
    rows = []
    for ptm, head, regime, pair in itertools.product(ptms, heads, ("stratified", "speaker"), ACCURACY):
        accuracy = ACCURACY[pair] - 10 * (regime == "speaker") - 30 * (ptm != "whisper-base")
        accuracy += {"logistic": 1 if pair[1] == "emodb" else -1, "majority": -60}.get(head, 0)
        paper = (
            accuracy + (2 if pair[1] == "emodb" else 9)
            if ptm == "whisper-base" and head in ("fcn", "cnn")
            else np.nan
        )
        rows.append(
            {
                "ptm": ptm, "head": head, "regime": regime, "train_corpus": pair[0], "test_corpus": pair[1],
                "accuracy": accuracy + 1, "accuracy_of_folds": accuracy,
                "accuracy_low": accuracy - 3, "accuracy_high": accuracy + 3,
                "paper_accuracy": paper, **label_sets.of_cell(np.ones(5), FIVE),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def judged(*verdicts, regime="stratified"):
    return pd.DataFrame({"metric": "accuracy", "regime": regime, "verdict": verdicts})


NOTHING = judged()


def test_means_are_over_the_heads_of_models_that_are_no_controls():
    facts = headline.facts(table(), NOTHING)
    assert facts["models"] == "Whisper"
    assert facts["corpora"] == "Emo-DB and RAVDESS"
    assert (facts["same_stratified"], facts["cross_stratified"], facts["price"]) == (80.0, 40.0, 10.0)
    assert (facts["same_speaker"], facts["cross_speaker"]) == (70.0, 30.0)


def with_a_corpus_of_ones_own():
    """A corpus with two emotions, which any head tells apart, beside the others."""
    made = table()
    own = made.assign(train_corpus="tess", accuracy=99.0, accuracy_of_folds=99.0, paper_accuracy=np.nan)
    two = label_sets.of_cell(np.array([3, 1]), ["anger", "fear"])
    return pd.concat([made, own.assign(**two)], ignore_index=True)


def test_cells_of_other_emotions_are_left_out_of_means_and_duels():
    facts, without = (headline.facts(made, NOTHING, FIVE) for made in (with_a_corpus_of_ones_own(), table()))
    assert {k: v for k, v in facts.items() if k != "corpora"} == {
        k: v for k, v in without.items() if k != "corpora"
    }
    assert facts["chance"] == 20


def test_what_the_paper_does_not_have_is_not_among_its_cells():
    facts = headline.facts(with_a_corpus_of_ones_own(), NOTHING, FIVE)
    assert facts["corpora_paper"] == "Emo-DB and RAVDESS"
    assert facts["models_paper"] == "Whisper"


def test_the_papers_cells_count_once_and_verdicts_are_those_of_one_regime():
    stated = judged(score_verdicts.MEANS, score_verdicts.FOLDS, score_verdicts.FOLDS, score_verdicts.ABOVE)
    facts = headline.facts(table(), pd.concat([stated, judged(score_verdicts.MEANS, regime="speaker")]))
    assert (facts["n_paper"], facts["n_means"], facts["n_folds_only"]) == (4, 1, 2)


def test_controls_alone_give_no_means_and_no_error():
    facts = headline.facts(table(ptms=("whisper-base-untrained",)), NOTHING, FIVE)
    assert (facts["models"], facts["n_paper"], facts["n_duels"], facts["rival"]) == ("none", 0, 0, "")
    assert np.isnan([facts["same_speaker"], facts["cross_speaker"], facts["price"]]).all()


def test_the_linear_model_is_held_against_the_last_head():
    facts = headline.facts(table(), NOTHING)
    assert (facts["rival"], facts["n_linear"], facts["n_duels"]) == ("CNN", 2, 4)


@pytest.mark.parametrize("heads", [("fcn",), ("fcn", "majority")])
def test_without_a_linear_model_nothing_is_claimed(heads):
    facts = headline.facts(table(heads=heads), NOTHING)
    assert (facts["rival"], facts["n_linear"], facts["n_duels"]) == ("FCN", 0, 0)
