import pandas as pd

from crosscorpus.training import early_stopping


def curves(corpus, *sizes, regime="stratified"):
    rows = [(corpus, regime, fold, n) for fold, n in enumerate(sizes, start=1)]
    return pd.DataFrame(rows, columns=["train_corpus", "regime", "fold", "n_validation"])


def test_small_parts_are_named_with_their_sizes():
    history = pd.concat(
        [curves("emodb", 39, 52), curves("ravdess", 40, 60), curves("mesd", 8, 8, regime="speaker")]
    )
    assert early_stopping.small(history).to_dict("records") == [
        {"train_corpus": "emodb", "regime": "stratified", "n_validation": 39, "most": 52},
        {"train_corpus": "mesd", "regime": "speaker", "n_validation": 8, "most": 8},
    ]
    first, second = early_stopping.sentences(history)
    assert first.startswith("Emo-DB, stratified folds: the epoch was chosen by 39 to 52 validation utterances.")
    assert "by 8 validation utterances" in second


def test_trainings_without_a_part_held_out_say_so():
    (said,) = early_stopping.sentences(curves("emodb", 0, 0))
    assert "trained for all epochs" in said
    (said,) = early_stopping.sentences(curves("emodb", 0, 21))
    assert "where it is 0, heads were trained for all epochs" in said
    assert early_stopping.listed(curves("emodb", 0, 21)) == f"- {said}"


def test_without_curves_there_is_nothing_to_say():
    assert early_stopping.listed(pd.DataFrame(columns=["train_corpus", "regime", "fold"])) == ""
    assert early_stopping.listed(curves("emodb", 41)) == ""
