"""Read a corpus's audio once: a stored scan is used again where nothing that it was made from has changed."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from crosscorpus import (
    audio,
    containers,
    corpora,
    entries,
    mp3,
    own_tables,
    recordings,
    soundness,
    store,
    utterances,
    versions,
)

READING = (audio, containers, entries, mp3, own_tables, recordings, soundness, utterances)
"""Modules that decide what a scan is."""


def fresh(corpus: str, root: Path, workers: int = 1) -> corpora.Scan:
    """Return the scan of a corpus as its audio is now, and store it; see `corpora.scan`.

    Files count as unchanged where path, size, and the times that a file system keeps (of content, and of any other
    change, which cannot be set by hand) are those of the stored scan, and the corpus's entry or table, the code
    that reads, and its libraries are the same.
    """
    file = store.folder("audio") / "scans" / f"{corpus}.json"
    now = {"made_of": _made_of(corpus, root)}
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) == now | _tables(corpus):
        return store.read_scan(corpus, "audio")
    scan = corpora.scan(corpus, root, workers)
    store.write_scan(corpus, scan, store.folder("audio"))
    text = json.dumps(now | _tables(corpus), indent=2) + "\n"
    store.replace_file(file, functools.partial(Path.write_bytes, data=text.encode()))
    return scan


def _tables(corpus: str) -> dict[str, str]:
    """Return the hashes of the stored tables, which must be those that were written; none where one is absent."""
    files = [store.folder("audio") / kind / f"{corpus}.csv" for kind in ("utterances", "quality", "problems")]
    return {file.parent.name: store.table_hash(file) for file in files if file.exists()}


def _made_of(corpus: str, root: Path) -> str:
    entry, digest = corpora.get(corpus), hashlib.sha256()
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
