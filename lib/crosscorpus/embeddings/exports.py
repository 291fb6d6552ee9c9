"""Write stored embeddings to files that others read: .npz and .parquet."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import table_files, whole_files
from crosscorpus.embeddings import store

COLUMNS = ["utterance", "path", "speaker", "emotion"]
KINDS = (".npz", ".parquet")


def write(embeddings: store.Embeddings, file: Path) -> None:
    """Write embeddings with their utterances, in the order of the table, by the file's suffix.

    `.npz` has the arrays `utterance`, `path`, `speaker`, `emotion` (texts [utterances]) and `vectors` (float32
    [utterances, dim]); `.parquet` the same columns, the last as lists. Both hold what made them, as JSON: in the
    array `made_by`, and among the metadata. `imports.read` reads both, bit for bit.

    Raises
    ------
    ValueError
        The suffix is none of `KINDS`, or there is such a file already.
    """
    if file.suffix.lower() not in KINDS:
        raise ValueError(
            f"{file}: the suffix {file.suffix or '(none)'} is not known; name it {' or '.join(KINDS)}"
        )
    if file.exists():
        raise ValueError(f"{file}: is there already; move it away, or name another")
    table = embeddings.utterances[COLUMNS].fillna("").astype(str)
    facts = embeddings.metadata | {"ptm": embeddings.ptm, "corpus": embeddings.corpus}
    kind = _npz if file.suffix.lower() == ".npz" else _parquet
    whole_files.replace_file(file, functools.partial(kind, table=table, vectors=embeddings.vectors, facts=facts))


def _npz(part: Path, table: pd.DataFrame, vectors: np.ndarray, facts: dict[str, str]) -> None:
    columns = {column: table[column].to_numpy().astype(str) for column in COLUMNS}
    with open(part, "wb") as opened:  # a name alone would get a suffix
        np.savez(opened, **columns, vectors=vectors, made_by=np.array(json.dumps(facts, sort_keys=True)))


def _parquet(part: Path, table: pd.DataFrame, vectors: np.ndarray, facts: dict[str, str]) -> None:
    table_files.write(table.assign(vectors=list(vectors)), part, facts)
