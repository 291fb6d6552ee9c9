"""Checks of embeddings that were made elsewhere, before they are stored: shape, names, vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import added_files, paths
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.embeddings import name_matching, vector_rows
from crosscorpus.embeddings.vector_rows import Rows, refuse
from crosscorpus.models import model_registry


def check_shape(file: Path, rows: Rows, ptm: str, corpus: str) -> None:
    """Check that there is one vector a row, of the dimension that the model has; raise `ImportFileError`."""
    vectors = rows.vectors
    if vectors.dtype.kind not in "fiu":
        refuse(file, f"vectors of type {vectors.dtype}", "save them as float32")
    if vectors.ndim != 2:
        remedy = "one vector an utterance is needed, [utterances, dim]: average frames, or choose a layer, first"
        refuse(file, f"vectors of the shape {vectors.shape}", remedy)
    if not len(vectors) or vectors.shape[1] < 2:
        remedy = "it needs a row for each utterance, of two numbers or more"
        refuse(file, f"vectors of the shape {vectors.shape}", remedy)
    if len(rows.names) != len(vectors):
        refuse(file, f"{len(rows.names)} names of {len(vectors)} vectors", "give one name for each vector")
    entry = model_registry.registry().get(ptm)
    others = [other for other in added_files.files(ptm) if other != added_files.path(ptm, corpus)]
    expected = entry.dimension if entry is not None and (others or not added_files.files(ptm)) else 0
    if expected and vectors.shape[1] != expected:
        where = paths.shown(others[0]) if others or entry is None else entry.file
        remedy = f"a model has one dimension: add this by another name, or remove {ptm} first"
        refuse(file, f"{vectors.shape[1]} dimensions, where {where} has {expected}", remedy)


def check_names(
    file: Path, rows: Rows, matches: name_matching.Matches, corpus: str, scan: utterance_tables.Scan, extra: bool
) -> dict[str, list[str]]:
    """Check that each utterance has one row; return the names of rows that are left out, by reason.

    Raises
    ------
    ImportFileError
        A name is empty or twice there, could mean several utterances, or means one that another name means, too;
        utterances have no row; or, unless `extra`, rows are no utterances. The message names them.
    """
    seen: dict[str, int] = {}
    for row, name in enumerate(rows.names):
        if not name.strip():
            refuse(file, "no name", "name the utterance", rows.at(row))
        if name in seen:
            refuse(file, f"{name} is there twice ({rows.at(seen[name])})", "keep one of the two", rows.at(row))
        seen[name] = row
    if matches.ambiguous:
        row, meant = next(iter(matches.ambiguous.items()))
        more = f", and {len(matches.ambiguous) - 1} more names are like this" if len(matches.ambiguous) > 1 else ""
        refuse(
            file,
            f"{rows.names[row]} could be any of {vector_rows.listed(meant)}{more}",
            "give names with more of their folders, or the utterances' ids",
            rows.at(row),
        )
    by_utterance: dict[str, int] = {}
    for row, utterance in enumerate(matches.utterances):
        if utterance is None:
            continue
        if utterance in by_utterance:
            other = by_utterance[utterance]
            both = f"{rows.names[row]} and {rows.names[other]} ({rows.at(other)})"
            refuse(file, f"{both} are both the utterance {utterance}", "keep one of the two", rows.at(row))
        by_utterance[utterance] = row
    strange = [row for row, utterance in enumerate(matches.utterances) if utterance is None]
    unused = _known_besides(corpus, scan)
    beside = name_matching.match([rows.names[row] for row in strange], unused)
    known = {row for row, name in zip(strange, beside.utterances, strict=True) if name is not None}
    unknown = [row for row in strange if row not in known]
    missing = [name for name in scan.utterances["utterance"] if name not in by_utterance]
    problems, remedies = [], []
    if missing:
        some = vector_rows.listed(missing)
        problems.append(f"{len(missing)} of {len(scan.utterances)} utterances of {corpus} have no vector: {some}")
        remedies.append("embed what is missing, too: models are compared on the same utterances")
    if unknown and not extra:
        some = vector_rows.listed([f"{rows.names[row]} ({rows.at(row)})" for row in unknown])
        problems.append(f"{len(unknown)} rows are no utterance of {corpus}: {some}")
        remedies.append("delete what is not of the corpus, or let it be left out by --extra")
    if problems:
        refuse(file, "; ".join(problems), ", and ".join(remedies))
    left_out = {
        "of the corpus, but not among the utterances that are used": [rows.names[row] for row in sorted(known)],
        "that are no utterance of the corpus": [rows.names[row] for row in unknown],
    }
    return {why: some for why, some in left_out.items() if some}


def _known_besides(corpus: str, scan: utterance_tables.Scan) -> pd.DataFrame:
    """Return [utterance, path] of what a corpus has, and is not used: left out, or not readable."""
    entry, official = corpus_registry.get(corpus), file_lists.file_list(corpus)
    found = [(name, str(facts["path"])) for name, facts in entry.left_out.items()]
    found += [(name, str(facts["path"])) for name, facts in (entry.table or {}).items()]
    found += [(path, path) for path in scan.problems["path"]]
    if official is not None:
        found += list(zip(official["utterance"], official["file"], strict=True))
    used = set(scan.utterances["utterance"])
    table = pd.DataFrame([pair for pair in found if pair[0] not in used], columns=["utterance", "path"])
    return table.drop_duplicates("utterance")


def check_vectors(
    file: Path,
    rows: Rows,
    chosen: Sequence[int],
    vectors: np.ndarray,
    utterances: pd.DataFrame,
    corpus: str,
    equal: bool,
) -> None:
    """Check that vectors, float32 [utterances, dim], of the rows `chosen` are finite, not constant, and unlike.

    Raises
    ------
    ImportFileError
        They are not; the message names the utterances.
    """
    for wrong, problem, remedy in (
        (~np.isfinite(vectors).all(axis=1), "a number that is not finite", "embed it again, as float32"),
        (~vectors.any(axis=1), "nothing but zeros", "embed it again"),
        (vectors.max(axis=1) == vectors.min(axis=1), "one number, repeated", "embed it again"),
    ):
        if wrong.any():
            bad = np.flatnonzero(wrong)
            more = f" (and {len(bad) - 1} more: {vector_rows.listed([rows.names[chosen[n]] for n in bad[1:]], 5)})"
            where = f"{rows.at(chosen[bad[0]])}, {rows.names[chosen[bad[0]]]}"
            refuse(file, f"its vector has {problem}{more if len(bad) > 1 else ''}", remedy, where)
    names, alike = utterances["utterance"], corpus_registry.get(corpus).same_audio
    first = {name: min(same) for same in alike for name in same}
    table = pd.DataFrame({"row": [row.tobytes() for row in vectors], "utterance": names, "at": chosen})
    table["known"] = names.map(lambda name: first.get(name, name))
    table["audio"] = utterances["sha256"].where(utterances["sha256"] != "", table["known"])
    same = table[table.duplicated("row", keep=False)]
    for audio in ("audio", "known"):
        same = same[~same.duplicated(["row", audio], keep=False)]
    if len(same) and not equal:
        group = same[same["row"] == same["row"].iloc[0]]
        refuse(
            file,
            f"{len(same)} vectors equal another's, though their audio is not known to be the same: "
            f"{' = '.join(group['utterance'].iloc[:5])}",
            "embed them again, or say by --equal that equal vectors are meant",
            rows.at(int(group["at"].iloc[0])),
        )
