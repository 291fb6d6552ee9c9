"""Tables of a corpus's utterances: from the pack or from audio, read, written and checked."""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from crosscorpus.base import added_files, known_names, paths, remote_store, sound, versions, whole_files
from crosscorpus.corpora import (
    audio_damage,
    containers,
    corpus_entries,
    corpus_registry,
    corpus_tables,
    decoding,
    file_lists,
    mp3,
    own_sheets,
    own_tables,
    recordings,
    scanning,
    utterance_tables,
)
from crosscorpus.embeddings import store_folders

NEAR_SILENCE_DBFS = -45.0
_read: dict[tuple[str, str], tuple[corpus_entries.Corpus, list[bytes], utterance_tables.Scan]] = {}
"""What was read last of a corpus from a source, of which entry, and from files with which content: a chapter asks
for the same tables with each model."""


def scan(corpus: str, source: str, mirror: str | None = None, workers: int = 1) -> utterance_tables.Scan | None:
    """Return the tables of a corpus: the pack's, or fresh ones from its audio, which are stored too.

    None where the pack does not have the corpus, or its audio is not in the mirror folder. With the source `any`,
    audio is read where the pack does not have the corpus.
    """
    corpus_registry.get(corpus)
    if known_names.check(source, store_folders.SOURCES, "source") != "audio":
        try:
            return read_scan(corpus, "pack")
        except store_folders.NotStoredError:
            if source == "pack":
                return None
    root = audio_root(corpus, mirror)
    return _from_elsewhere(corpus, source) if root is None else fresh(corpus, root, workers)


def audio_root(corpus: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a corpus's audio; see `corpus_registry.find`.

    None, too, for a CSV table none of whose files are here, if embeddings were added that do without.
    """
    entry, root = corpus_registry.get(corpus), corpus_registry.find(corpus, mirror)
    if root is None or entry.table is None or not added_files.files(corpus=corpus):
        return root
    return root if any((root / facts["path"]).is_file() for facts in entry.table.values()) else None


def _from_elsewhere(corpus: str, source: str) -> utterance_tables.Scan | None:
    """Return the tables of a corpus that a source does not have, if embeddings of it were added.

    They are another source's or, where audio was never read, what names and lists tell.
    """
    if not added_files.files(corpus=corpus):
        return None
    for other in store_folders.SOURCES[:2]:
        if other != source and (store_folders.folder(other) / "utterances" / f"{corpus}.csv").exists():
            return read_scan(corpus, other)
    return file_lists.without_audio(corpus)


def stored(corpus_ids: Iterable[str], source: str) -> dict[str, utterance_tables.Scan]:
    """Return what was read of some corpora, by corpus; those that were not read yet are left out."""
    found = {}
    for corpus in corpus_ids:
        with contextlib.suppress(store_folders.NotStoredError):
            found[corpus] = read_scan(corpus, source)
    return found


def introduction(corpus_ids: Sequence[str], read: Mapping[str, utterance_tables.Scan], source: str) -> str:
    """Return a line of Markdown for each corpus: how many utterances were read, and what of it is not used.

    Of what the pack has (`source` is not "audio"), also which copy of the corpus that was.
    """
    said = []
    for corpus in corpus_ids:
        entry = corpus_registry.get(corpus)
        if corpus not in read:
            said.append(
                f"**{entry.name}**, {entry.title}, was not read: its audio or its embeddings are not here."
            )
            continue
        parts = [f"**{entry.name}**, {entry.title}: {len(read[corpus].utterances)} utterances were read."]
        if source != "audio" and (copy := store_folders.pack_note(f"utterances/{corpus}").get("copy")):
            parts.append(f"The pack has them from {copy}.")
        parts.append(utterance_tables.lost(read[corpus]))
        if unused := own_tables.unused_columns(corpus):
            columns = ", ".join(f"`{column}`" for column in unused)
            parts.append(f"Nothing is read from the {'column' if len(unused) == 1 else 'columns'} {columns}.")
        for suffix, n in audio_damage.unchecked(read[corpus].utterances["path"].unique()).items():
            parts.append(f"Damage of its {n} {suffix} files cannot be told: the format has no sizes to compare.")
        said.append(" ".join(filter(None, parts)))
    return "\n".join(f"- {one}" for one in said)


def listed(corpus: str, scan: utterance_tables.Scan | None) -> pd.DataFrame | None:
    """Return the utterances that a corpus has: of its official list, or else those that were read, if it was."""
    official = file_lists.file_list(corpus)
    return official if official is not None or scan is None else scan.utterances


def formats(scans: Mapping[str, utterance_tables.Scan]) -> pd.DataFrame:
    """Count utterances by sample rate (Hz) and channels, beside the rates in the file list."""
    rows = []
    for corpus, tables in scans.items():
        listed = file_lists.file_list(corpus)
        rates = "–" if listed is None else ", ".join(str(r) for r in sorted(listed["sample_rate_native"].unique()))
        joined = tables.utterances.merge(tables.quality, on=["corpus", "utterance"])
        for (rate, channels), part in joined.groupby(["sample_rate_native", "channels"]):
            rows.append((corpus_registry.get(corpus).name, rate, rates, channels, len(part)))
    columns = ["corpus", "rate as read (Hz)", "rate in the file list (Hz)", "channels", "utterances"]
    return pd.DataFrame(rows, columns=columns)


def near_silence(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances whose peak stays below `NEAR_SILENCE_DBFS`, the quietest first."""
    return quality[quality["peak_dbfs"] < NEAR_SILENCE_DBFS].sort_values("peak_dbfs", ignore_index=True)


def together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other; an empty table where there are none."""
    return pd.concat([pd.DataFrame(), *tables], ignore_index=True)


READING = (
    sound,
    decoding,
    containers,
    corpus_entries,
    corpus_tables,
    mp3,
    own_sheets,
    own_tables,
    recordings,
    audio_damage,
    utterance_tables,
)
"""Modules that decide what a scan is."""


def fresh(corpus: str, root: Path, workers: int = 1) -> utterance_tables.Scan:
    """Return the scan of a corpus as its audio is now, and store it; see `scanning.scan`.

    Files count as unchanged where path, size, and the times that a file system keeps (of content, and of any other
    change, which cannot be set by hand) are those of the stored scan, and the corpus's entry or table, the code
    that reads, and its libraries are the same.
    """
    file = store_folders.folder("audio") / "scans" / f"{corpus}.json"
    now = {"made_of": _made_of(corpus, root)}
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) == now | _tables(corpus):
        return read_scan(corpus, "audio")
    scan = scanning.scan(corpus, root, workers)
    write_scan(corpus, scan, store_folders.folder("audio"))
    text = json.dumps(now | _tables(corpus), indent=2) + "\n"
    whole_files.replace_file(file, functools.partial(Path.write_bytes, data=text.encode()))
    return scan


def _tables(corpus: str) -> dict[str, str]:
    """Return the hashes of the stored tables, which must be those that were written; none where one is absent."""
    files = [
        store_folders.folder("audio") / kind / f"{corpus}.csv" for kind in ("utterances", "quality", "problems")
    ]
    return {file.parent.name: store_folders.table_hash(file) for file in files if file.exists()}


def _made_of(corpus: str, root: Path) -> str:
    entry, digest = corpus_registry.get(corpus), hashlib.sha256()
    libraries = versions.of_libraries()
    digest.update(repr(entry).encode())
    digest.update(versions.of_code(*READING).encode())
    digest.update(f"{libraries['soundfile']} {libraries['numpy']} {root}".encode())
    files = _below(root) if entry.table is None else {str(root / facts["path"]) for facts in entry.table.values()}
    for file in sorted(files):
        try:
            status = os.stat(file)
            facts: tuple = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        except OSError as error:
            facts = (error.errno,)
        digest.update(f"{os.fspath(file)!r} {facts}\n".encode())
    return digest.hexdigest()


def _below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        yield from (os.path.join(folder, name) for name in [*folders, *files])


def write_scan(corpus: str, scan: utterance_tables.Scan, to: Path) -> None:
    """Write a scan below a folder: `utterances/`, `quality/` and `problems/<corpus>.csv`."""
    tables = {"utterances": scan.utterances, "quality": scan.quality, "problems": scan.problems}
    for kind, table in tables.items():
        path, text = to / kind / f"{corpus}.csv", table.to_csv(index=False)
        if not path.exists() or path.read_bytes() != text.encode():  # so a store that is whole may be read-only
            whole_files.replace_file(path, functools.partial(Path.write_bytes, data=text.encode()))
            remote_store.send(path)


def is_stored(corpus: str, source: str) -> bool:
    """Return whether a source itself, "pack" or "audio", has the tables of a corpus."""
    return remote_store.here(store_folders.folder(source) / "utterances" / f"{corpus}.csv")


def read_scan(corpus: str, source: str = "pack") -> utterance_tables.Scan:
    """Read what `write_scan` wrote; where a source has nothing, but embeddings were added, see `_from_elsewhere`.

    What was read from audio keeps what was measured; emotions, speakers and the like are as names and tables say
    now, so that a corrected table counts without the audio being read again.

    Raises
    ------
    NotStoredError
        This source has no such table, or the corpus's own table names files that were not read yet.
    StoredWrongError
        The table of utterances is not what a scan of the corpus gives.
    """
    entry = corpus_registry.get(corpus)
    if source == "any":
        return read_scan(corpus, "pack" if is_stored(corpus, "pack") else "audio")
    if not is_stored(corpus, source) and (found := _from_elsewhere(corpus, source)) is not None:
        return found
    files = [
        store_folders.folder(source) / kind / f"{corpus}.csv" for kind in ("utterances", "quality", "problems")
    ]
    for path in files:
        if not remote_store.here(path):
            raise store_folders.NotStoredError(
                f"{paths.shown(path)}: not there; "
                + (
                    "the pack has no such corpus"
                    if source == "pack"
                    else f"run `papermill notebooks/data.ipynb out.ipynb -p source audio -p corpora {corpus}`"
                )
            )
    contents = [path.read_bytes() for path in files]
    known = _read.get((corpus, source))
    if known is None or known[:2] != (entry, contents):
        known = entry, contents, _checked(entry, source, files)
        _read[corpus, source] = known
    if source == "pack":
        sha256 = hashlib.sha256(contents[0]).hexdigest()
        store_folders.check_pack(files[0], f"utterances/{corpus}", {"sha256": sha256})
    # Copies that share memory until one is written to: what a caller does to its tables is seen by no other.
    scan = utterance_tables.Scan(*(table.copy(deep=False) for table in vars(known[2]).values()))
    read = {*scan.utterances["utterance"], *scan.problems["path"]}
    unread = [name for name in (entry.table or {} if source == "audio" else {}) if name not in read]
    if unread:
        raise store_folders.NotStoredError(
            f"{entry.home} was changed: {len(unread)} of its utterances were not read yet, first {unread[0]}; "
            f"run `papermill notebooks/data.ipynb out.ipynb -p source audio -p corpora {corpus}`"
        )
    return scan


def _checked(entry: corpus_entries.Corpus, source: str, files: Sequence[Path]) -> utterance_tables.Scan:
    tables = []
    for path in files:
        try:
            tables.append(utterance_tables.read_table(path))
            if path == files[0]:
                if source == "audio":
                    tables[-1] = _as_named_now(entry, tables[-1])
                utterance_tables.check_table(entry, tables[-1])
        except ValueError as error:
            again = (
                "make it again, or fetch the repository's again" if source == "pack" else "delete it and run again"
            )
            raise store_folders.StoredWrongError(f"{paths.shown(path)}: {error}; {again}") from error
    return utterance_tables.Scan(*tables)


def _as_named_now(entry: corpus_entries.Corpus, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of utterances with the facts that names, or the corpus's own table, tell today."""
    if entry.tables:  # who speaks when is told by its owners' tables, which are not here: what a label means is
        emotion = table["emotion_native"].map(lambda label: corpus_entries.harmonised(entry, label) or "")
        return table.assign(emotion=emotion)[emotion != ""].reset_index(drop=True)
    known = table["path" if entry.table is None else "utterance"]
    told = [corpus_entries.parse(entry, name) for name in known]
    used = [facts is not None and facts["emotion"] != "" for facts in told]
    kept = table[used].reset_index(drop=True)
    facts = pd.DataFrame([facts for facts, use in zip(told, used, strict=True) if use], index=kept.index)
    return kept.assign(**facts).sort_values("utterance", ignore_index=True)
