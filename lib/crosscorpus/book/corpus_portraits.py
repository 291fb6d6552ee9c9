"""A corpus that is not the paper's, in tables: what was read and left out, speakers, emotions, folds, scores."""

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace

import pandas as pd

from crosscorpus.corpora import corpus_registry, utterance_tables
from crosscorpus.embeddings import store_folders
from crosscorpus.protocols.protocol_settings import Protocol
from crosscorpus.scores import count_tables, label_sets, metrics
from crosscorpus.training import evaluate, unit_of_work

NONE = (
    "This run has no corpus besides the paper's. Once the table of yours is in `data/own/`, one command gives it "
    "its column in the grid, and fills this page: `make own CORPUS=mine`."
)


def of_run(corpus_ids: Iterable[str]) -> list[str]:
    """Return the corpora of a run that are not the paper's."""
    return [corpus for corpus in corpus_ids if not corpus_registry.get(corpus).in_paper]


def summary(read: Mapping[str, utterance_tables.Scan], emotions: Sequence[str]) -> pd.DataFrame:
    """Return a row for each corpus: speakers, utterances, minutes, and how many are trained and tested on.

    `used` are the utterances with one of the given emotions; `not_used` has files that could not be used as well.
    """
    rows = []
    for corpus, scan in read.items():
        table = scan.utterances
        used = table["emotion"].isin(emotions)
        rows.append(
            {
                "corpus": corpus,
                "speakers": table.loc[table["speaker"].fillna("") != "", "speaker"].nunique(),
                "utterances": len(table),
                "minutes": table["seconds"].sum() / 60,
                "median seconds": table["seconds"].median(),
                "used": int(used.sum()),
                "other emotions": int((~used).sum()),
                "files not used": len(scan.problems),
            }
        )
    return pd.DataFrame(rows)


def emotions_of(read: Mapping[str, utterance_tables.Scan], emotions: Sequence[str]) -> pd.DataFrame:
    """Return a row for each corpus and emotion: utterances, speakers, and whether it is used or why not."""
    rows = []
    for corpus, scan in read.items():
        groups = scan.utterances.groupby("emotion")
        counts, speakers = groups.size(), groups["speaker"].nunique()
        for emotion in dict.fromkeys([*emotions, *sorted(counts.index)]):
            n = int(counts.get(emotion, 0))
            used = "used" if n else "not in the corpus"
            why = used if emotion in emotions else "dropped: not among the emotions of the run"
            rows.append((corpus, emotion, n, int(speakers.get(emotion, 0)), why))
    return pd.DataFrame(rows, columns=["corpus", "emotion", "utterances", "speakers", "in the grid"])


def speakers(read: Mapping[str, utterance_tables.Scan]) -> pd.DataFrame:
    """Return a row for each corpus and speaker: utterances, and of how many emotions they are."""
    tables = [
        scan.utterances.groupby("speaker", dropna=False)
        .agg(utterances=("utterance", "size"), emotions=("emotion", "nunique"))
        .reset_index()
        .assign(corpus=corpus)
        for corpus, scan in read.items()
    ]
    together = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["speaker"])
    return together.reindex(columns=["corpus", "speaker", "utterances", "emotions"])


def grid(corpus_ids: Sequence[str], run: SimpleNamespace, settings: Protocol) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts and learning curves of a chapter's whole grid, or none where it has nothing of a corpus.

    `run` are the parameters of the chapter: ptms, corpora, heads, baselines, regimes, seeds, source and workers.
    The grid is that of the chapters before, so that nothing is trained for this alone.
    """
    nothing = pd.DataFrame(columns=count_tables.COLUMNS), pd.DataFrame(columns=[*unit_of_work.UNIT, "fold"])
    if not corpus_ids:
        return nothing
    sides = (run.ptms, run.corpora, run.corpora, [*run.heads, *run.baselines], run.regimes, run.seeds)
    how = {"source": run.source, "workers": run.workers, "may_be_empty": True}
    try:
        made = evaluate.results(*sides, settings, **how)
        return made.counts, made.history
    except store_folders.NotStoredError:
        return nothing


def scores(counts: pd.DataFrame, corpus_ids: Sequence[str]) -> pd.DataFrame:
    """Return intervals of the cells in which one of some corpora is trained or tested on; same-corpus ones first.

    Columns are those of `metrics.interval`.
    """
    here = counts[counts["train_corpus"].isin(corpus_ids) | counts["test_corpus"].isin(corpus_ids)]
    if not len(here):
        return pd.DataFrame(columns=[*metrics.CELL, "accuracy", *label_sets.COLUMNS])
    return here_first(metrics.interval(here))


def here_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the same-corpus cells first, else in their order."""
    cross = table["train_corpus"] != table["test_corpus"]
    return table.iloc[cross.to_numpy().argsort(kind="stable")].reset_index(drop=True)
