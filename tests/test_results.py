"""The published results of the default profile, from the embeddings that the repository carries."""

import pytest

from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import metrics
from crosscorpus.training import evaluate


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    predictions, _ = evaluate.grid(
        ["whisper-base"], ["emodb", "ravdess"], ["emodb", "ravdess"], ["fcn"], ["stratified", "speaker"], [0],
        protocol_settings.load(), workers=1,
    )  # fmt: skip
    table = metrics.summary(metrics.per_fold(predictions))
    return table.set_index(["regime", "train_corpus", "test_corpus"])["accuracy"]


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_same_corpus_accuracy_is_in_its_known_range(accuracy, corpus):
    assert 80 <= accuracy["stratified", corpus, corpus] <= 92


def test_speakers_kept_apart_cost_at_least_six_points_on_ravdess(accuracy):
    assert accuracy["stratified", "ravdess", "ravdess"] - accuracy["speaker", "ravdess", "ravdess"] >= 6


@pytest.mark.parametrize(("trained", "tested"), [("emodb", "ravdess"), ("ravdess", "emodb")])
def test_cross_corpus_is_above_chance_and_below_same_corpus(accuracy, trained, tested):
    assert 25 < accuracy["stratified", trained, tested] < accuracy["stratified", tested, tested]
