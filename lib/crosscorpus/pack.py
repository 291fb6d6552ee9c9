"""The pack: the embeddings that the repository carries (`make pack`, or `python -m crosscorpus.pack`).

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

import numpy as np
import yaml

from crosscorpus import extraction, extractors, paths, store

TOLERANCE = 1e-4
"""Largest relative L2 difference of one embedding between machines; the same machine gives the same bytes."""


def difference(fresh: np.ndarray, committed: np.ndarray) -> float:
    """Return the largest relative L2 difference of any row (0 for identical bytes, inf for unlike shapes)."""
    if fresh.shape != committed.shape:
        return float("inf")
    if np.array_equal(fresh, committed):
        return 0.0
    gap = np.linalg.norm(fresh - committed, axis=1) / np.linalg.norm(committed, axis=1)
    return float(gap.max())


def update(ptm: str, corpus: str) -> str:
    """Bring one model and corpus of the pack up to date from the store; return a line that says what was done.

    Raises
    ------
    store.NotStoredError
        The store has no such embeddings; the message names the command that makes them.
    """
    fresh = store.load(ptm, corpus, "audio")
    target = store.embeddings_path(ptm, corpus, "", "", "pack")
    what = f"{extractors.get(ptm).name} on {corpus}"
    try:
        committed = store.load(ptm, corpus, "pack")
        gap = difference(fresh.vectors, committed.vectors)
        same_rows = list(fresh.utterances["utterance"]) == list(committed.utterances["utterance"])
        same_code = committed.metadata.get("code") == fresh.metadata["code"]
    except (store.NotStoredError, store.StoredWrongError):
        gap, same_rows, same_code = float("inf"), False, False
    if same_rows and gap == 0 and same_code:
        return f"{what}: bit for bit what is committed"
    if same_rows and 0 < gap <= TOLERANCE:
        return f"{what}: equal to what is committed within {TOLERANCE:g} (largest relative difference {gap:.1e})"
    for kind in ("utterances", "quality", "problems"):
        source = store.folder("audio") / kind / f"{corpus}.csv"
        to = paths.PACK / kind / source.name
        store.replace_file(to, functools.partial(shutil.copyfile, source))
    store.write_embeddings(target, fresh.vectors, fresh.metadata)
    store.write_run(target, fresh.run)
    _note(ptm, corpus, fresh)
    found = "nothing like it was committed" if gap == float("inf") else f"largest relative difference {gap:.1e}"
    found = "the same vectors bit for bit, by newer code" if same_rows and gap == 0 else found
    return f"{what}: written to {target.relative_to(paths.ROOT)} ({found})"


def _note(ptm: str, corpus: str, embeddings: store.Embeddings) -> None:
    path = paths.PACK / "provenance.json"
    notes = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    notes[f"{ptm}/{corpus}"] = {
        "date": datetime.date.today().isoformat(),
        "utterances": len(embeddings.vectors),
        "vectors_sha256": hashlib.sha256(embeddings.vectors.tobytes()).hexdigest(),
        **embeddings.metadata,
        **embeddings.run,
    }
    table = paths.PACK / "utterances" / f"{corpus}.csv"
    notes[f"utterances/{corpus}"] = {"sha256": store.table_hash(table)}
    text = json.dumps(notes, indent=2, sort_keys=True) + "\n"
    store.replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def contents() -> list[tuple[str, str]]:
    """Return the (model, corpus) pairs of the pack."""
    listed = yaml.safe_load((paths.DATA / "pack.yaml").read_text(encoding="utf-8"))
    return [(ptm, corpus) for ptm in listed["ptms"] for corpus in listed["corpora"]]


def main() -> None:
    """Extract what the store lacks, then update every part of the pack; say what a missing part needs."""
    missing = 0
    for ptm, corpus in contents():
        try:
            extraction.embed(ptm, corpus)
            print(update(ptm, corpus))
        except extractors.NotAvailableError as error:
            print(f"left as it is: {ptm} on {corpus}: {error}")
            missing += 1
    sys.exit(missing > 0)


if __name__ == "__main__":
    main()
