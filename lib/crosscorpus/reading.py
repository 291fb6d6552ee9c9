"""Read corpora for the data chapter: from the pack or from audio, and what was found in them."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from crosscorpus import corpora, names, own_tables, scans, soundness, store

NEAR_SILENCE_DBFS = -45.0


def scan(corpus: str, source: str, mirror: str | None = None, workers: int = 1) -> corpora.Scan | None:
    """Return the tables of a corpus: the pack's, or fresh ones from its audio, which are stored too.

    None where the pack does not have the corpus, or its audio is not in the mirror folder. With the source `any`,
    audio is read where the pack does not have the corpus.
    """
    corpora.get(corpus)
    if names.check(source, store.SOURCES, "source") != "audio":
        try:
            return store.read_scan(corpus, "pack")
        except store.NotStoredError:
            if source == "pack":
                return None
    root = corpora.find(corpus, mirror)
    if root is None:
        return None
    return scans.fresh(corpus, root, workers)


def introduction(corpus_ids: Sequence[str], read: Mapping[str, corpora.Scan]) -> str:
    """Return a line of Markdown for each corpus: how many utterances were read, and what of it is not used."""
    said = []
    for corpus in corpus_ids:
        entry = corpora.get(corpus)
        if corpus not in read:
            said.append(
                f"**{entry.name}**, {entry.title}, was not read: its audio or its embeddings are not here."
            )
            continue
        parts = [f"**{entry.name}**, {entry.title}: {len(read[corpus].utterances)} utterances were read."]
        parts.append(corpora.lost(read[corpus]))
        if unused := own_tables.unused_columns(corpus):
            columns = ", ".join(f"`{column}`" for column in unused)
            parts.append(f"Nothing is read from the {'column' if len(unused) == 1 else 'columns'} {columns}.")
        for suffix, n in soundness.unchecked(read[corpus].utterances["path"].unique()).items():
            parts.append(f"Damage of its {n} {suffix} files cannot be told: the format has no sizes to compare.")
        said.append(" ".join(filter(None, parts)))
    return "\n".join(f"- {one}" for one in said)


def listed(corpus: str, scan: corpora.Scan | None) -> pd.DataFrame | None:
    """Return the utterances that a corpus has: of its official list, or else those that were read, if it was."""
    official = corpora.file_list(corpus)
    return official if official is not None or scan is None else scan.utterances


def formats(scans: Mapping[str, corpora.Scan]) -> pd.DataFrame:
    """Count utterances by sample rate (Hz) and channels, beside the rates in the file list."""
    rows = []
    for corpus, tables in scans.items():
        listed = corpora.file_list(corpus)
        rates = "–" if listed is None else ", ".join(str(r) for r in sorted(listed["sample_rate_native"].unique()))
        joined = tables.utterances.merge(tables.quality, on=["corpus", "utterance"])
        for (rate, channels), part in joined.groupby(["sample_rate_native", "channels"]):
            rows.append((corpora.get(corpus).name, rate, rates, channels, len(part)))
    columns = ["corpus", "rate as read (Hz)", "rate in the file list (Hz)", "channels", "utterances"]
    return pd.DataFrame(rows, columns=columns)


def near_silence(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances whose peak stays below `NEAR_SILENCE_DBFS`, the quietest first."""
    return quality[quality["peak_dbfs"] < NEAR_SILENCE_DBFS].sort_values("peak_dbfs", ignore_index=True)


def together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other; an empty table where there are none."""
    return pd.concat([pd.DataFrame(), *tables], ignore_index=True)
