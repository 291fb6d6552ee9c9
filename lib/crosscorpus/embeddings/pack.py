"""The pack: the embeddings that the repository carries (`make pack`, or `python -m crosscorpus.embeddings.pack`).

What is extracted from audio is compared with what is committed. Where the two agree, the committed files stay as
they are, unless they are the same vectors by another version of the code, which is then noted; where they do not
agree, or nothing is committed, they are replaced.
"""

import datetime
import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from crosscorpus.base import paths, whole_files
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import embedding_files, extraction, store, store_folders
from crosscorpus.models import model_registry

TOLERANCE = 1e-4
"""Largest relative L2 difference of one embedding between machines; the same machine gives the same bytes."""
ROUNDED = 5e-4
"""The same where the pack holds vectors as float16: half a unit in its last place is 2^-11, or 4.9e-4."""


def difference(fresh: np.ndarray, committed: np.ndarray) -> float:
    """Return the largest relative L2 difference of any row (0 for identical bytes, inf for unlike shapes)."""
    if fresh.shape != committed.shape:
        return float("inf")
    if np.array_equal(fresh, committed):
        return 0.0
    gap = np.linalg.norm(fresh - committed, axis=1) / np.linalg.norm(committed, axis=1)
    return float(gap.max())


def update(ptm: str, corpus: str, pooling: str = "") -> str:
    """Bring one model and corpus of the pack up to date from the store; return a line that says what was done.

    A pooling other than the model's default is there for comparisons alone, and is stored as float16.

    Raises
    ------
    store_folders.NotStoredError
        The store has no such embeddings; the message names the command that makes them.
    """
    fresh = store.load(ptm, corpus, "audio", pooling)
    target = store.embeddings_path(ptm, corpus, pooling, "", "pack")
    what = f"{model_registry.get(ptm).name} on {corpus}" + (f", pooling {pooling}" if pooling else "")
    stored_as, tolerance = ("float16", ROUNDED) if pooling else ("float32", TOLERANCE)
    rounded = fresh.vectors.astype(stored_as).astype(np.float32)
    try:
        committed = store.load(ptm, corpus, "pack", pooling)
        gap = difference(rounded, committed.vectors)
        same_rows = list(fresh.utterances["utterance"]) == list(committed.utterances["utterance"])
        same_code = committed.metadata.get("code") == fresh.metadata["code"]
    except (store_folders.NotStoredError, store_folders.StoredWrongError):
        gap, same_rows, same_code = float("inf"), False, False
    if same_rows and gap == 0 and same_code:
        return f"{what}: bit for bit what is committed"
    if same_rows and 0 < gap <= tolerance:
        return f"{what}: equal to what is committed within {tolerance:g} (largest relative difference {gap:.1e})"
    for kind in ("utterances", "quality", "problems"):
        source = store_folders.folder("audio") / kind / f"{corpus}.csv"
        to = paths.PACK / kind / source.name
        whole_files.replace_file(to, functools.partial(shutil.copyfile, source))
    embedding_files.write_embeddings(target, fresh.vectors, fresh.metadata, stored_as=stored_as)
    embedding_files.write_run(target, fresh.run)
    _note(target, corpus, fresh.run)
    found = "nothing like it was committed" if gap == float("inf") else f"largest relative difference {gap:.1e}"
    found = "the same vectors bit for bit, by newer code" if same_rows and gap == 0 else found
    return f"{what}: written to {target.relative_to(paths.ROOT)} ({found})"


def _note(target: Path, corpus: str, run: Mapping[str, str]) -> None:
    vectors, metadata = embedding_files.read_embeddings(target)
    path = paths.PACK / "provenance.json"
    notes = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    notes[f"{target.parent.name}/{target.stem}"] = {
        "date": datetime.date.today().isoformat(),
        "utterances": len(vectors),
        "vectors_sha256": hashlib.sha256(vectors.tobytes()).hexdigest(),
        **metadata,
        **run,
    }
    table = paths.PACK / "utterances" / f"{corpus}.csv"
    copy = _contents()["copies"].get(corpus, "not stated")
    notes[f"utterances/{corpus}"] = {"sha256": store_folders.table_hash(table), "copy": copy}
    text = json.dumps(notes, indent=2, sort_keys=True) + "\n"
    whole_files.replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def _contents() -> dict[str, Any]:
    return yaml.safe_load((paths.DATA / "pack.yaml").read_text(encoding="utf-8"))


def contents() -> list[tuple[str, str, str]]:
    """Return what the pack holds: model, corpus, and pooling, "" for the model's default."""
    listed = _contents()
    kinds = [(ptm, "") for ptm in listed["ptms"]]
    kinds += [(ptm, pooling) for ptm, poolings in listed["poolings"].items() for pooling in poolings]
    of = {kind: listed["only"].get("-".join(filter(None, kind)), listed["corpora"]) for kind in kinds}
    return [(ptm, corpus, pooling) for ptm, pooling in kinds for corpus in of[ptm, pooling]]


def why_not_passed_on(corpus: str) -> str:
    """Return why embeddings of a corpus are not passed on; "" where its licence lets them, as the pack's do."""
    entry = corpus_registry.get(corpus)
    if entry.pack.get("carry"):
        return ""
    why = entry.pack.get("why", "nothing is known of its licence")
    return f"embeddings of {corpus} are not passed on: {why} (field `pack` of {entry.file})"


def main() -> None:
    """Extract what the store lacks, then update every part of the pack; say what a missing part needs."""
    missing = 0
    for ptm, corpus, pooling in contents():
        try:
            extraction.embed(ptm, corpus, pooling=pooling)
            print(update(ptm, corpus, pooling))
        except model_registry.NotAvailableError as error:
            print(f"left as it is: {ptm} on {corpus}: {error}")
            missing += 1
    sys.exit(missing > 0)


if __name__ == "__main__":
    main()
