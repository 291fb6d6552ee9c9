"""A protocol that is trained while a page is made: SER Evals', its adjustment as published and otherwise."""

import pandas as pd

from crosscorpus.embeddings import availability
from crosscorpus.protocols import known_protocols
from crosscorpus.training import protocol_grid

MODEL = "mfcc"
TRAINED_ON, TESTED_ON = "mesd", "ravdess"
"""The first has no surprise, and the second does."""
COLUMNS = ["adjustment", "answer", "share", "macro_f1", "way"]


def answers(epochs: int) -> pd.DataFrame:
    """Train SER Evals' head on one vector an utterance of the pack, and say how it answers across corpora.

    Parameters
    ----------
    epochs
        Of the training.

    Returns
    -------
    A row for each `adjustment`: the most frequent `answer`, its `share` of all answers and `macro_f1` in percent,
    and the `way` in which the head was trained. No rows where the pack is not here.
    """
    if not all(availability.is_stored(MODEL, corpus, "pack") for corpus in (TRAINED_ON, TESTED_ON)):
        return pd.DataFrame(columns=COLUMNS)
    short = known_protocols.load("serevals", {"unit": "clip", "epochs": epochs})
    ids = [TRAINED_ON, TESTED_ON]
    live = protocol_grid.run(short, [MODEL], ids, regimes=["random"], source="pack", workers=1)
    across = live[(live["train_corpus"] == TRAINED_ON) & (live["test_corpus"] == TESTED_ON)]
    found = across.groupby("adjustment", sort=False)["predicted"].agg(
        answer=lambda given: given.mode()[0],
        share=lambda given: 100 * given.value_counts(normalize=True).iloc[0],
    )
    scored = protocol_grid.scores(short, across).set_index("adjustment")["macro_f1"]
    ways = across.groupby("adjustment", sort=False)["way"].first()
    return found.assign(macro_f1=scored, way=ways).reset_index()[COLUMNS]
