"""Add embeddings that were made elsewhere to the store, checked, and take them away again.

All or nothing: every utterance of the corpus needs one vector, because models are compared on the same utterances.
"""

import datetime
import hashlib
import re
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import added_files, paths
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.embeddings import (
    corpus_scans,
    embedding_files,
    import_checks,
    name_matching,
    vector_arrays,
    vector_rows,
    vector_tables,
)
from crosscorpus.embeddings.vector_rows import Rows, refuse
from crosscorpus.models import model_registry, own_models

READERS = {
    ".npz": vector_arrays.read_npz,
    ".npy": vector_arrays.read_npy,
    ".safetensors": vector_arrays.read_safetensors,
    ".csv": lambda file, names: vector_tables.read_csv(file),
    ".parquet": lambda file, names: vector_tables.read_parquet(file),
}
WITH_NAMES = (".npz", ".npy", ".safetensors")
"""Files whose names may stand in a CSV table beside them."""


def read(file: Path, names: Path | None = None) -> Rows:
    """Read a file of embeddings, by its suffix.

    Raises
    ------
    vector_rows.ImportFileError
        It cannot be read, or in two ways. The message names file, row, reason and remedy.
    """
    for one in filter(None, (file, names)):
        if not one.is_file():
            refuse(one, "there is no such file", "check its path")
    kind = file.suffix.lower()
    if kind not in READERS:
        refuse(file, f"the suffix {kind or '(none)'} is not known", f"save it as {', '.join(READERS)}")
    if names is not None and kind not in WITH_NAMES:
        refuse(names, f"a {kind} file has its names itself", "leave --names out")
    return READERS[kind](file, names)


def add(
    file: Path,
    ptm: str,
    corpus: str,
    *,
    names: Path | None = None,
    by: str = "",
    on: str = "",
    note: str = "",
    title: str = "",
    extra: bool = False,
    equal: bool = False,
    mirror: str | None = None,
) -> list[str]:
    """Add the embeddings of a corpus that a file holds; return what is to be said of it, in lines.

    What was added before for the same model and corpus is replaced.

    Parameters
    ----------
    file
        `.npz`, `.npy`, `.csv`, `.parquet` or `.safetensors`.
    ptm
        The model: an id that no model has that is run here (small letters, digits, hyphens).
    corpus
        Id of the corpus, whose audio need not be here.
    names
        CSV table with the name of each vector, for arrays that come without.
    by, on, note, title
        Who made the embeddings, when, what else is to be known, and the model's name for readers.
    extra
        Whether rows of no utterance of the corpus are left out, instead of refused.
    equal
        Whether equal vectors are meant, of utterances whose audio is not known to be the same.
    mirror
        Folder of local copies; see `paths.mirror`.

    Raises
    ------
    vector_rows.ImportFileError
        The file cannot be used. Nothing is written.
    known_names.UnknownNameError
        There is no such corpus.
    ValueError
        The model's name cannot be used, or what is said of it.
    """
    said = {"by": by, "on": on, "note": note, "title": title}
    check_model(ptm, said)
    scan = utterances_of(corpus, mirror)
    rows = read(file, names)
    import_checks.check_shape(file, rows, ptm, corpus)
    matches = name_matching.match(rows.names, scan.utterances)
    unused = import_checks.check_names(file, rows, matches, corpus, scan, extra)
    row_of = {name: row for row, name in enumerate(matches.utterances) if name is not None}
    chosen = [row_of[name] for name in scan.utterances["utterance"]]
    with np.errstate(over="ignore"):
        vectors = rows.vectors[chosen].astype(np.float32)
    import_checks.check_vectors(file, rows, chosen, vectors, scan.utterances, corpus, equal)
    path = added_files.path(ptm, corpus)
    replaced = path.exists()
    facts = said | {
        "ptm": ptm,
        "corpus": corpus,
        "dim": str(vectors.shape[1]),
        "pooling": "clip",
        "dtype": added_files.UNKNOWN,
        "weights_dtype": added_files.UNKNOWN,
        "device": added_files.made(said),
        "commit": added_files.UNKNOWN,
        "file": file.name,
        "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "matched": "; ".join(f"{n} by {rule}" for rule, n in matches.rules.items()),
        "added": datetime.date.today().isoformat(),
    }
    embedding_files.write_embeddings(path, vectors, facts, utterances=list(scan.utterances["utterance"]))
    lines = [f"{file}: {rows.read}", f"names matched: {facts['matched']}"]
    lines += [f"left out, {len(names)} rows {why}: {vector_rows.listed(names)}" for why, names in unused.items()]
    lines.append(
        f"{'replaced' if replaced else 'stored'}: {len(vectors)} vectors of {vectors.shape[1]} dimensions in "
        f"{paths.shown(path)}, {added_files.made(said)}"
    )
    return lines


def check_model(ptm: str, said: Mapping[str, str]) -> None:
    """Check the id of a model to be added, and what is said of it.

    Raises
    ------
    ValueError
        The id cannot be one, or is that of a model that is run here or of a corpus; the title is another model's;
        or a text has a line break or a backtick in it.
    """
    known = model_registry.registry()
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", ptm):
        wanted = re.sub("[^a-z0-9]+", "-", unicodedata.normalize("NFKD", ptm).lower()).strip("-") or "my-model"
        raise ValueError(
            f"--model {ptm!r}: a model's id has small letters, digits and hyphens; use {wanted}, and --title for "
            "the name that readers see"
        )
    if ptm in corpus_registry.ids():
        raise ValueError(f"--model {ptm}: there is a corpus of this name; choose another, such as {ptm}-model")
    if ptm in known and known[ptm].loader != own_models.LOADER:
        raise ValueError(
            f"--model {ptm}: a model of this name is run here, and its embeddings are not to be mixed with "
            f"others; choose another name, such as {ptm}-elsewhere"
        )
    for flag, text in said.items():
        if text != " ".join(text.split()) or "`" in text or not text.isprintable():
            raise ValueError(f"--{flag} {text!r}: give one line of text without backticks, or blanks around it")
    others = {model.name.casefold() for key, model in known.items() if key != ptm}
    if said.get("title", "").casefold() in others:
        raise ValueError(f"--title {said['title']!r}: another model has this name; choose another")


def utterances_of(corpus: str, mirror: str | None = None) -> utterance_tables.Scan:
    """Return the tables of a corpus that embeddings are added for, with audio or without it.

    Raises
    ------
    known_names.UnknownNameError
        There is no such corpus.
    ValueError
        Nothing tells which utterances it has.
    """
    try:
        scan = corpus_scans.scan(corpus, "any", mirror)
    except utterance_tables.NothingUsableError:  # a CSV table whose files are elsewhere
        scan = None
    scan = file_lists.without_audio(corpus) if scan is None else scan
    if scan is None:
        raise ValueError(
            f"{corpus}: nothing tells which utterances it has; put its audio into corpora/{corpus}/ of the mirror "
            f"folder, its file list into data/reference/utterances/{corpus}.csv, or make it a table in data/own/"
        )
    return scan


def remove(ptm: str, corpus: str = "") -> list[str]:
    """Take away what was added of a model, for one corpus or for all; return what was removed, in words.

    With the embeddings go the model's predictions, what is kept of them, and its pages: nothing would use them.

    Raises
    ------
    ValueError
        Nothing was added of it.
    """
    files = added_files.files(ptm, corpus or "*")
    if not files:
        known = sorted({f"{file.parent.name} on {file.stem}" for file in added_files.files()})
        what = f"{ptm} on {corpus}" if corpus else ptm
        raise ValueError(f"nothing was added of {what}; added are: {vector_rows.listed(known) or 'none'}")
    gone = list(files)
    for file in files:
        file.unlink()
    if not any(files[0].parent.iterdir()):
        files[0].parent.rmdir()
    stale = [paths.BUILD / kind / ptm for kind in ("predictions", "counts", "found", "bins")]
    stale += [*paths.BUILD.glob(f"*/notebooks/models/{ptm}.ipynb"), *paths.BUILD.glob(f"*/train/{ptm}*.ipynb")]
    for made in stale:
        if made.is_dir():
            shutil.rmtree(made)
        elif made.exists():
            made.unlink()
        else:
            continue
        gone.append(made)
    return [f"removed: {paths.shown(one)}" for one in gone]


def added() -> pd.DataFrame:
    """Return what was added, a row for each model and corpus."""
    rows = []
    for file in added_files.files():
        facts = added_files.facts(file)
        rows.append(
            {
                "model": file.parent.name,
                "corpus": file.stem,
                "dimension": facts.get("dim", "not readable"),
                "made": added_files.made(facts),
                "note": facts.get("note", ""),
                "added": facts.get("added", ""),
            }
        )
    return pd.DataFrame(rows, columns=["model", "corpus", "dimension", "made", "note", "added"])
