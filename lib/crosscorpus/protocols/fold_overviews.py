"""What the folds of corpora are, as a table: how many utterances each tests, and what it shares with training."""

from collections.abc import Mapping, Sequence

import pandas as pd

from crosscorpus.protocols import folds, official_splits, protocol_settings


def overview(corpus: str, utterances: pd.DataFrame, emotions: list[str]) -> pd.DataFrame:
    """Describe the folds of a corpus.

    Returns
    -------
    One row per regime that is `possible`, without those that part texts, whose folds are many: utterances of the
    given emotions that each fold tests (`fold 1` ...), the smallest class in any fold, and `shared`: the share
    (percent) of test utterances whose group in the regime ``speaker`` (a speaker, or what stands for one) is
    also trained on.
    """
    rows = []
    chosen = utterances[utterances["emotion"].isin(emotions)]
    for regime in (r for r in (*folds.DEALT, folds.PUBLISHED) if folds.possible(corpus, utterances, r)):
        part = chosen.merge(folds.load(corpus, utterances, regime)[["utterance", "fold"]], on="utterance")
        tested = part[part["fold"] > 0]
        sizes = tested["fold"].value_counts().sort_index()
        rows.append(
            {
                "corpus": corpus,
                "regime": regime,
                **{f"fold {fold}": size for fold, size in sizes.items()},
                "smallest class": int(tested.groupby(["fold", "emotion"]).size().min()),
                "shared": official_splits.shared(folds.groups(corpus, part, "speaker"), part["fold"]),
            }
        )
    return pd.DataFrame(rows)


def overviews(tables: Mapping[str, pd.DataFrame], emotions: Sequence[str]) -> pd.DataFrame:
    """Return `overview` of each table of utterances, by corpus, that has folds and some of the given emotions."""
    found = [
        overview(corpus, table, list(emotions))
        for corpus, table in tables.items()
        if table["emotion"].isin(emotions).any()
        and any(folds.possible(corpus, table, regime) for regime in protocol_settings.REGIMES)
    ]
    table = pd.concat([pd.DataFrame(), *found], ignore_index=True)
    numbered = sorted((c for c in table if c.startswith("fold ")), key=lambda column: int(column[5:]))
    last = [column for column in ("smallest class", "shared") if column in table]
    return table[[*(c for c in table if c not in (*numbered, *last)), *numbered, *last]]
