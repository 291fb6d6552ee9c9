"""Which speech corpora there are, and where each one's audio is.

Everything that is a fact about a corpus stands in `data/corpora.yaml`, in `data/corpora_of_benchmarks.yaml` beside
it, or in a CSV table in `data/own/`; nothing here knows a corpus by name.
"""

import functools
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from crosscorpus.base import known_names, paths, safe_yaml
from crosscorpus.corpora import own_sheets, own_tables
from crosscorpus.corpora.corpus_entries import Corpus, checked


@functools.cache
def registry() -> dict[str, Corpus]:
    """Return the corpora of `data/corpora*.yaml` by id, in their order; those of CSV tables are found by `get`.

    Raises
    ------
    known_names.UnknownNameError
        An entry has a field that there is not, or a name in it, as of an emotion, is not known.
    ValueError
        An entry lacks a field, cannot be used (`corpus_entries.checked`), or is in two files.
    """
    entries: dict[str, Corpus] = {}
    for file in (paths.DATA / "corpora.yaml", *sorted(paths.DATA.glob("corpora_*.yaml"))):
        found: Mapping = safe_yaml.read(file.read_text(encoding="utf-8"))
        if twice := entries.keys() & found.keys():
            one = min(twice)
            raise ValueError(f"{paths.shown(file)}: {one} is in {entries[one].file} already; keep one of the two")
        entries |= {key: checked(key, entry, paths.shown(file)) for key, entry in found.items()}
    return entries


def ids() -> list[str]:
    """Return the ids of all corpora: the registry's, then those of CSV tables in `data/own/`, unread."""
    return [*registry(), *(corpus for corpus in own_tables.tables() if corpus not in registry())]


@functools.lru_cache(maxsize=32)
def _own(corpus: str, own: own_tables.OwnTable, shown: str) -> Corpus:
    """Return the entry of a corpus that is a CSV table of paths, speakers and emotions."""
    rows = pd.DataFrame(list(own.utterances.values()))
    return Corpus(
        id=corpus,
        name=corpus,
        title=f"a corpus of your own ({shown})",
        language="not stated",
        licence="not stated",
        home=shown,
        pattern="",
        emotions=dict(sorted(set(zip(rows["emotion_native"], rows["emotion"], strict=True)))),
        counts=rows["emotion"].value_counts().sort_index().to_dict(),
        speakers=str(rows["speaker"].nunique()),
        same_audio=own.overlapping,
        table=own.utterances,
        left_out=own.left_out,
    )


def get(corpus: str) -> Corpus:
    """Return one corpus, of the registry or of a CSV table in `data/own/`; a table that was changed is read anew.

    Raises
    ------
    known_names.UnknownNameError
        There is no such corpus; the message lists those that there are, and says if a table is misnamed.
    own_sheets.OwnTableError
        Its CSV table cannot be used, or has the id of a corpus of the registry.
    """
    own = own_tables.tables().get(corpus)
    if corpus in registry():
        if own is not None:
            raise own_sheets.OwnTableError(
                f"{paths.shown(own)}: a corpus {corpus} is in {registry()[corpus].file} already; rename the file"
            )
        return registry()[corpus]
    if own is None:
        try:
            known_names.check(corpus, ids(), "corpus")
        except known_names.UnknownNameError as error:
            raise known_names.UnknownNameError(f"{error} {own_tables.misnamed(corpus)}".rstrip()) from None
    return _own(corpus, own_tables.read(corpus, emotions()), paths.shown(own_tables.tables()[corpus]))


def emotions() -> list[str]:
    """Return the names that native labels are brought to, those of all corpora of the registry, sorted."""
    return sorted({emotion for entry in registry().values() for emotion in entry.emotions.values()})


def label_map(ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return a table [corpus, emotion_native, emotion] of the native labels of some corpora, or the registry's."""
    entries = registry().values() if ids is None else [get(corpus) for corpus in ids]
    rows = [(c.id, native, emotion) for c in entries for native, emotion in c.emotions.items()]
    return pd.DataFrame(rows, columns=["corpus", "emotion_native", "emotion"])


def find(corpus: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a corpus's audio, or None.

    It is `corpora/<corpus>`, if it is not empty, below the mirror folder or else below the folder of downloads.
    Where neither has one, the paths of a CSV table count from the table's own folder.
    """
    own = [own_tables.folder()] if get(corpus).table is not None else []
    folders = [root / "corpora" / corpus for root in (paths.mirror(mirror), paths.cache()) if root]
    filled = (folder for folder in folders if folder.is_dir() and any(folder.iterdir()))
    return next(itertools.chain(filled, (folder for folder in own if folder.is_dir())), None)


def known_issues(ids: Iterable[str]) -> pd.DataFrame:
    """Return the reported defects of some corpora: corpus, files, issue, source."""
    return pd.DataFrame([{"corpus": get(c).name, **issue} for c in ids for issue in get(c).known_issues])


def corpus_name(corpus: str) -> str:
    """Return the name of a corpus as readers know it."""
    return get(corpus).name


def pair_name(train_corpus: str, test_corpus: str) -> str:
    """Return "A → B", or "A" where a corpus is tested on itself."""
    same = train_corpus == test_corpus
    return corpus_name(train_corpus) if same else f"{corpus_name(train_corpus)} → {corpus_name(test_corpus)}"
