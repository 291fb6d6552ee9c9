"""The hard guards that come before training, on the folds that it would use."""

from collections.abc import Mapping, Sequence

import pandas as pd

from crosscorpus.protocols import folds
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import hard_guards


def check_inputs(utterances: Mapping[str, pd.DataFrame], regimes: Sequence[str], protocol: Protocol) -> None:
    """Run `check_folds` on corpora that are about to be trained and tested on, and `check_overlaps` on all pairs.

    Parameters
    ----------
    utterances
        Tables with `corpora.COLUMNS`, by corpus.
    regimes
        Those to be used. A corpus is left out of one that is not `folds.possible`.
    protocol
        Settings, see `protocol_settings.load`.

    Raises
    ------
    GuardError
        One of them trips.
    """
    tables = []
    for corpus, table in utterances.items():
        here = [regime for regime in regimes if folds.possible(corpus, table, regime)]
        dealt = [folds.load(corpus, table, regime) for regime in here]
        if dealt:
            tables.append(pd.concat(dealt, ignore_index=True))
        for regime in here:
            # With fewer groups than folds, each group is a fold: one is left out at a time.
            n_folds = folds.count(corpus, table, regime)
            hard_guards.check_folds(
                corpus, tables[-1], table, n_folds, [regime], folds.without_fold(corpus, table, regime)
            )
    if tables:
        together = pd.concat(utterances.values(), ignore_index=True)
        used = together[together["emotion"].isin(protocol["emotions"])]
        hard_guards.check_overlaps(used, pd.concat(tables, ignore_index=True))
