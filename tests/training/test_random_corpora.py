"""Fifty corpora that nobody planned: each gives scores, or a sentence that says why not; none a traceback.

2 to 12 speakers, 1 to 8 emotions, 5 to 400 utterances, dealt unequally, all drawn from a seed.
"""

import numpy as np
import pandas as pd
import pytest

from crosscorpus.corpora import corpus_registry, own_tables, utterance_tables
from crosscorpus.embeddings import corpus_scans, embedding_files, store, store_folders
from crosscorpus.protocols import cells, protocol_settings
from crosscorpus.scores import guards, metrics
from crosscorpus.training import evaluate, unit_of_work

EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "neutral", "boredom", "calm"]
FAST = protocol_settings.load("epochs=1,fcn_widths=4")
REGIMES = ["stratified", "speaker"]
HEADS = ["fcn", "logistic", "majority"]


def drawn(seed):
    """Return the rows of a corpus: path, speaker, emotion."""
    rng = np.random.default_rng(seed)
    n_speakers, n_emotions, n = (
        rng.integers(2, 13),
        rng.integers(1, 9),
        int(np.exp(rng.uniform(np.log(5), np.log(400)))),
    )
    emotions = rng.choice(EMOTIONS, n_emotions, replace=False)
    of_emotion = rng.dirichlet(np.full(n_emotions, rng.choice([0.3, 1, 10])))
    of_speaker = rng.dirichlet(np.full(n_speakers, rng.choice([0.3, 1, 10])))
    return [
        (f"f{i:03d}.wav", f"s{rng.choice(n_speakers, p=of_speaker)}", rng.choice(emotions, p=of_emotion))
        for i in range(n)
    ]


@pytest.fixture
def own(tmp_path, build_folder, monkeypatch):
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(own_tables, "folder", lambda: folder)
    return folder


def put(own, corpus, rows, seed):
    """Write a table, and store what scan and extraction would: durations, hashes, vectors that tell emotions."""
    lines = "\n".join(",".join(row) for row in rows)
    (own / f"{corpus}.csv").write_text(f"path,speaker,emotion\n{lines}\n", encoding="utf-8")
    facts = pd.DataFrame(list(corpus_registry.get(corpus).table.values()))
    hashes = [f"{seed:032x}{i:032x}" for i in range(len(facts))]
    table = facts.assign(corpus=corpus, seconds=1.0, sample_rate_native=16_000, sha256=hashes)[
        utterance_tables.COLUMNS
    ]
    quality = pd.DataFrame(columns=utterance_tables.QUALITY_COLUMNS)
    corpus_scans.write_scan(
        corpus,
        utterance_tables.Scan(table, quality, pd.DataFrame(columns=utterance_tables.PROBLEM_COLUMNS)),
        store_folders.folder("audio"),
    )
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(len(EMOTIONS), 120))
    vectors = centres[[EMOTIONS.index(e) for e in table["emotion"]]] + rng.normal(size=(len(table), 120))
    identity = store.identity("mfcc", "clip", table)
    path = store.embeddings_path("mfcc", corpus, "clip", store.key(identity))
    embedding_files.write_embeddings(path, vectors, identity | {"corpus": corpus, "dim": "120"})


@pytest.mark.parametrize("seed", range(25))
def test_two_random_corpora_give_scores_or_sentences(own, seed):
    ids = ["one", "other"]
    for i, corpus in enumerate(ids):
        put(own, corpus, drawn(2 * seed + i), 2 * seed + i)
    out = evaluate.left_out(ids, REGIMES, FAST, "audio")
    said = cells.sentences(out)
    asked = (["mfcc"], ids, ids, HEADS, REGIMES, [0], FAST)
    if len(out) and all(cells.is_left_out(out, r, a, b) for r in REGIMES for a in ids for b in ids):
        with pytest.raises(cells.NothingLeftError, match="nothing of this grid can be run"):
            evaluate.grid(*asked, source="audio", workers=1)
        return
    predictions, history = evaluate.grid(*asked, source="audio", workers=1)
    made = set(zip(predictions["regime"], predictions["train_corpus"], predictions["test_corpus"], strict=True))
    for regime, source, target in ((r, a, b) for r in REGIMES for a in ids for b in ids):
        left = cells.is_left_out(out, regime, source, target)
        assert left != ((regime, source, target) in made)
        assert not left or any(source in one or target in one for one in said)
    utterances = evaluate.utterances(ids, "audio")
    tripped = guards.check_results(predictions, history, utterances)
    false = tripped[tripped["guard"].isin(["utterances", "probabilities", "loss"])]
    assert false.empty, false["message"].iloc[0]
    scores = metrics.summary(metrics.per_fold(predictions))
    assert scores[metrics.METRICS].notna().to_numpy().all()
    assert len(metrics.interval(predictions, utterances)) == len(scores)
    per_cell = predictions.groupby([*unit_of_work.UNIT, "test_corpus"])["emotion"].nunique()
    assert (per_cell >= 2).all()
    if len(history):
        assert len(evaluate.training_summary(history))


def test_the_corpora_are_as_unlike_as_they_are_meant_to_be():
    tables = [pd.DataFrame(drawn(seed), columns=["path", "speaker", "emotion"]) for seed in range(50)]
    assert min(map(len, tables)) < 10
    assert max(map(len, tables)) > 300
    assert {t["emotion"].nunique() for t in tables} >= {1, 2, 3, 5, 7}
    assert {t["speaker"].nunique() for t in tables} >= {2, 3, 4, 5, 10}
