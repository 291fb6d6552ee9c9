"""What a grid gave: counts and learning curves of all units of work, what guards say, and rows if asked for."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from crosscorpus.base import text_columns
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import count_tables, guard_parts, guards, guards_of_units, metrics
from crosscorpus.training import count_files, unit_of_work


@dataclass(frozen=True)
class Results:
    """The results of some units of work, which are stored.

    Attributes
    ----------
    units, files
        Units, and of each its files of predictions and of learning curves.
    emotions
        Those of the protocol.
    """

    units: Sequence[unit_of_work.Unit]
    files: Sequence[tuple[Path, Path]]
    emotions: Sequence[str]

    @functools.cached_property
    def counts(self) -> pd.DataFrame:
        """Counts of the predictions (`count_tables`), for scores, intervals and paired tests."""
        read = [count_files.read(*side, self._known) for side in self._sides()]
        return count_tables.joined(read) if read else pd.DataFrame(columns=count_tables.COLUMNS)

    @functools.cached_property
    def bins(self) -> pd.DataFrame:
        """Sums of predictions by their confidence, see `calibration.binned`."""
        return pd.concat([count_files.read_bins(*side, self._known) for side in self._sides()], ignore_index=True)

    @functools.cached_property
    def history(self) -> pd.DataFrame:
        """Learning curves: `UNIT`, fold, and the columns of `train.Fitted.history`."""
        curves = [pd.read_parquet(file) for _, file in self.files]
        with_rows = [c for c in curves if len(c)] or curves[:1]  # a baseline's has none
        empty = pd.DataFrame(columns=[*unit_of_work.UNIT, "fold"])
        return pd.concat(with_rows, ignore_index=True) if curves else empty

    def tripped(self, utterances: pd.DataFrame, within: bool = False) -> pd.DataFrame:
        """Return what soft guards say, as `guards.check_results`; `within` corpora alone, or of all cells."""
        tables = [self.counts, self._found]
        if within:
            tables = [t[t["train_corpus"].astype(str) == t["test_corpus"].astype(str)] for t in tables]
        return guards.check_results(tables[0], self.history, utterances, tables[1])

    def rows(self) -> pd.DataFrame:
        """Return all predictions: `unit_of_work.COLUMNS` and `p_<emotion>`."""
        return pd.concat(list(self.each()), ignore_index=True)

    def each(self) -> Iterator[pd.DataFrame]:
        """Yield the predictions of one unit of work after the other, with the same columns."""
        files = [file for file, _ in self.files]
        named = itertools.chain(*(pq.read_schema(file).names for file in files))
        empty = dict.fromkeys(f"p_{emotion}" for emotion in self.emotions)
        p = [column for column in dict.fromkeys(named if files else empty) if column.startswith("p_")]
        columns = [*unit_of_work.COLUMNS, *p]
        if not files:
            yield pd.DataFrame(columns=columns)
        for file in files:
            yield pd.read_parquet(file).reindex(columns=columns).astype(dict.fromkeys(p, "float32"))

    def in_both_regimes(self) -> pd.DataFrame:
        """Return counts of the test utterances that both dealt regimes have, each model and cell by itself.

        As a rule all have; rows are read where a regime leaves one out, such as a copy of another's audio.
        """
        counts = self.counts[self.counts["regime"].isin(protocol_settings.DEALT)]
        sides = ["ptm", "head", "seed", "train_corpus", "test_corpus"]
        sums = count_tables.tested(counts, [*sides, "cluster", "emotion", "regime"]).unstack(fill_value=0)
        if sums.shape[1] < 2:
            return counts.iloc[:0]
        unlike = sums[sums.iloc[:, 0] != sums.iloc[:, 1]].index.droplevel(["cluster", "emotion"]).unique()
        is_unlike = pd.MultiIndex.from_frame(counts[sides]).isin(unlike)
        again = [self._shared(*side) for side in unlike]
        return count_tables.joined([counts[~is_unlike], *again])

    def _shared(self, ptm: str, head: str, seed: int, train_corpus: str, test_corpus: str) -> pd.DataFrame:
        units = [self._places.get((ptm, head, regime, seed, train_corpus)) for regime in protocol_settings.DEALT]
        here = [("test_corpus", "==", test_corpus)]
        both = [pd.read_parquet(self.files[at][0], filters=here) for at in units if at is not None]
        each = [text_columns.different(rows["utterance"]) for rows in both]
        shared = set.intersection(*each) if len(each) > 1 else set()
        rows = pd.concat(both, ignore_index=True)
        tested = pd.concat([test.utterances for at in units if at is not None for test in self.units[at].tests])
        return metrics.as_counts(rows[text_columns.isin(rows["utterance"], shared)], tested)

    @functools.cached_property
    def _found(self) -> pd.DataFrame:
        """What guards found in rows; those of two models are compared only where they may be the same."""
        each = [count_files.read_found(*side, self._known) for side in self._sides()]
        found = pd.concat(each, ignore_index=True)
        may_be = guards_of_units.perhaps_same(found, self.counts)
        if not len(may_be):
            return found
        rows = [self._of_fold(fold) for fold in may_be[guard_parts.TEST_FOLD].itertuples(index=False)]
        return guards_of_units.with_same(found, pd.concat(rows, ignore_index=True))

    def _of_fold(self, fold: tuple) -> pd.DataFrame:
        *unit, corpus, number = fold
        file = self.files[self._places[tuple(unit)]][0]
        return pd.read_parquet(file, filters=[("test_corpus", "==", corpus), ("fold", "==", number)])

    @functools.cached_property
    def _places(self) -> dict[tuple, int]:
        return {tuple(unit.keys.values()): at for at, unit in enumerate(self.units)}

    def _sides(self) -> Iterator[tuple[Path, list[store.Embeddings]]]:
        for unit, (file, _) in zip(self.units, self.files, strict=True):
            yield file, [unit.trained_on, *unit.tests]

    @functools.cached_property
    def _known(self) -> count_files.Known:
        return {}
