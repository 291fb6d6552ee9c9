"""What one person extracted or trained, as one archive for others (`make bundle`, `make merge BUNDLE=...`).

A bundle is a zip file of embeddings, tables of utterances and predictions, as the store has them, with a list of
their hashes. It holds those of corpora alone whose embeddings may be passed on. Nothing in it is executed.
"""

import argparse
import datetime
import functools
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crosscorpus.base import added_files, archives, paths, stamp, table_files, versions, web, whole_files
from crosscorpus.corpora import corpus_registry, utterance_tables
from crosscorpus.embeddings import corpus_scans, embedding_files, imports, pack, store, store_folders
from crosscorpus.models import model_registry, weights
from crosscorpus.training import stored_units

LIST = "bundle.json"
TABLES = ("utterances", "quality", "problems")
FORMAT = 1
PLACES = (
    r"tables/(utterances|quality|problems)/[\w-]+\.csv|(embeddings|added)/[\w-]+/[\w-]+\.safetensors"
    r"|predictions/[\w-]+/[\w-]+/[\w-]+(\.history)?\.parquet"
)
"""Names of files in a bundle."""


class BundleError(ValueError):
    """A bundle that cannot be used; the message names it, the file in it, the reason and the remedy."""


def write(file: Path, by: str = "") -> list[str]:
    """Write what the store holds and may be passed on to a bundle; return what was taken and left out, in lines.

    Raises
    ------
    BundleError
        There is such a file already, or nothing may be passed on.
    """
    if file.exists():
        raise BundleError(f"{file}: is there already; move it away, or name another: make bundle BUNDLE=other.zip")
    taken: dict[str, Path] = {}
    left: dict[str, int] = {}
    for name, path, corpora in _stored():
        refused = next(filter(None, map(pack.why_not_passed_on, corpora)), "")
        if refused:
            left[refused] = left.get(refused, 0) + 1
        else:
            taken[name] = path
    if not any(name.startswith(("embeddings/", "added/", "predictions/")) for name in taken):
        said = "; ".join(left) or "nothing was extracted or trained yet"
        raise BundleError(f"{file}: there is nothing to pass on ({said}); run `make book` first")
    facts = {
        "format": FORMAT,
        "by": by,
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "libraries": versions.of_libraries(),
    } | stamp.facts()

    def zipped(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as folder:
            whole = {name: embedding_files.undivided(path, Path(folder)) for name, path in taken.items()}
            listed = facts | {"files": {name: weights.sha256(path) for name, path in whole.items()}}
            archive.writestr(LIST, json.dumps(listed, indent=1, sort_keys=True))
            for name, path in whole.items():
                archive.write(path, name)

    whole_files.replace_file(file, zipped)
    kinds = pd.Series([name.partition("/")[0] for name in taken]).value_counts().sort_index()
    lines = [f"{file}: {', '.join(f'{n} files of {kind}' for kind, n in kinds.items())}"]
    return lines + [f"left out, {n} files: {why}" for why, n in left.items()]


def _stored() -> list[tuple[str, Path, list[str]]]:
    """Return what the store holds: the name in a bundle, the file, and the corpora that it tells something of."""
    found, audio = [], store_folders.folder("audio")
    corpora = [corpus for corpus in corpus_registry.ids() if (audio / "utterances" / f"{corpus}.csv").exists()]
    for corpus in corpora:
        found += [(f"tables/{kind}/{corpus}.csv", audio / kind / f"{corpus}.csv", [corpus]) for kind in TABLES]
        for ptm in model_registry.registry():
            for path in sorted((audio / ptm).glob(f"{corpus}-*.safetensors")):
                found.append((f"embeddings/{ptm}/{path.name}", path, [corpus]))
    for path in added_files.files():
        found.append((f"added/{path.parent.name}/{path.name}", path, [path.stem]))
    below = paths.BUILD / "predictions"
    for path in sorted(below.glob("*/*/*.parquet")):
        if not path.name.endswith(".history.parquet") and _history(path).exists():
            tested = pd.read_parquet(path, columns=["test_corpus"])["test_corpus"].unique()
            for one in (path, _history(path)):
                found.append((f"predictions/{one.relative_to(below)}", one, [path.parent.name, *tested]))
    return found


def _history(path: Path) -> Path:
    return path.with_name(f"{path.stem}.history.parquet")


def merge(file: Path) -> list[str]:
    """Add what a bundle holds to the store; return what became of each file that was not simply added, in lines.

    What is here already stays. What was made of other audio, by other versions or with other folds is left out,
    since nothing would ever look for it here. All that is added says that it came with this bundle.

    Raises
    ------
    BundleError
        It is no bundle, or a file in it is not what its list says. Nothing is added.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            root = archives.unpack(file, Path(folder) / "bundle")
        except (web.DownloadError, OSError) as error:
            raise BundleError(f"{file}: no bundle ({error}); get it again") from error
        facts = _checked(file, root)
        came = f"bundle {file.name}, of {facts['date']}" + (f", by {facts['by']}" if facts["by"] else "")
        added: list[str] = []
        said: list[str] = []
        for kind, take in (
            ("tables/", _table),
            ("embeddings/", _embeddings),
            ("added/", _added),
            ("predictions/", _cell),
        ):
            for name in sorted(name for name in facts["files"] if name.startswith(kind)):
                if name.endswith(".history.parquet"):
                    continue
                why = take(root, name, came)
                said += [f"left out: {name}: {why}"] if why else []
                added += [] if why else [name]
        kinds = pd.Series([name.partition("/")[0] for name in added], dtype=str).value_counts().sort_index()
        summary = ", ".join(f"{n} of {kind}" for kind, n in kinds.items()) or "nothing"
    return [*said, f"{file}: added {summary}; {len(said)} left out"]


def _checked(file: Path, root: Path) -> dict[str, Any]:
    """Return the list of an unpacked bundle, with every file checked."""
    try:
        facts = json.loads((root / LIST).read_text(encoding="utf-8"))
        listed = {str(name): str(digest) for name, digest in facts["files"].items()}
        facts = {"by": "", "date": "", **facts}
        wrong = facts["format"] != FORMAT or not all(isinstance(facts[key], str) for key in ("by", "date"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BundleError(f"{file}: has no list {LIST} that can be read ({error}); get it again") from error
    if wrong:
        raise BundleError(f"{file}: its list is of another format than {FORMAT}; use the version that wrote it")
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} - {LIST}
    for name in sorted(found):
        if not re.fullmatch(PLACES, name):
            raise BundleError(
                f"{file}: {name} has no place in a store; nothing was added; do not trust this bundle"
            )
    for name in sorted(found ^ set(listed)):
        what = "is not on its list" if name in found else "is missing"
        raise BundleError(f"{file}: {name} {what}; nothing was added; get it again")
    for name, digest in listed.items():
        if weights.sha256(root / name) != digest:
            raise BundleError(
                f"{file}: {name} is not what was packed (its SHA-256 differs); nothing was added; get it again"
            )
    return facts


def _table(root: Path, name: str, came: str) -> str:
    """Take over the table of a corpus that was not read here; the three of a corpus go together."""
    _, kind, corpus = Path(name).with_suffix("").parts
    target = store_folders.folder("audio") / kind / f"{corpus}.csv"
    try:
        entry = corpus_registry.get(corpus)
        tables = [utterance_tables.read_table(root / "tables" / one / f"{corpus}.csv") for one in TABLES]
        utterance_tables.check_table(entry, tables[0])
    except (ValueError, OSError) as error:
        return str(error)
    if target.exists():
        same = target.read_bytes() == (root / name).read_bytes()
        return "" if same else "the corpus was read here already, from other audio or otherwise; that table stays"
    whole_files.replace_file(target, functools.partial(shutil.copyfile, root / name))
    return ""


def _embeddings(root: Path, name: str, came: str) -> str:
    _, ptm, stem = Path(name).with_suffix("").parts
    target = store_folders.folder("audio") / ptm / Path(name).name
    if target.exists():
        return "is here already"
    try:
        vectors, metadata = embedding_files.read_embeddings(root / name)
        corpus, pooling, dtype = (metadata[key] for key in ("corpus", "pooling", "dtype"))
        utterances = corpus_scans.read_scan(corpus, "audio").utterances
        asked = store.identity(ptm, pooling, utterances, dtype)
        differ = [key for key, value in asked.items() if metadata.get(key) != value]
        if differ or target != store.embeddings_path(ptm, corpus, pooling, store.key(asked), dtype=dtype):
            return f"made with other {', '.join(differ) or 'facts'} than here"
        embedding_files.check_vectors(vectors, utterances, model_registry.get(ptm).dimension, stem)
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        return str(error)
    metadata = metadata | {"device": f"{metadata.get('device', 'unknown')}, {came}", "came_with": came}
    metadata.pop("stored_as", None)
    embedding_files.write_embeddings(target, vectors, metadata)
    return ""


def _added(root: Path, name: str, came: str) -> str:
    _, ptm, corpus = Path(name).with_suffix("").parts
    target = added_files.path(ptm, corpus)
    if target.exists():
        return "is here already"
    try:
        vectors, names, facts = embedding_files.read_named(root / name, "get it again")
        imports.check_model(ptm, {key: facts.get(key, "") for key in ("by", "on", "note", "title")})
        utterances = imports.utterances_of(corpus).utterances["utterance"]
        if lacking := set(utterances) - set(names):
            return f"has no vector for {len(lacking)} utterances of {corpus}, first {min(lacking)}"
    except (ValueError, OSError) as error:
        return str(error)
    embedding_files.write_embeddings(target, vectors, facts | {"came_with": came}, utterances=names)
    return ""


def _cell(root: Path, name: str, came: str) -> str:
    place = name.removeprefix("predictions/")
    targets = [paths.BUILD / "predictions" / place, _history(paths.BUILD / "predictions" / place)]
    if all(target.exists() for target in targets):
        return "is here already"
    try:
        stored_units.of_file(root / name, place)
        files = [root / name, _history(root / name)]
        tables = [(pd.read_parquet(one), table_files.read_record(one)) for one in files]
    except (ValueError, OSError) as error:
        return str(error).removeprefix(f"{place}: ")
    for (table, record), target in reversed(list(zip(tables, targets, strict=True))):
        record = record | {"came_with": came}
        whole_files.replace_file(target, functools.partial(table_files.write, table, record=record))
    return ""


def main(argv: Sequence[str] | None = None) -> None:
    """Write a bundle, or merge one."""
    parser = argparse.ArgumentParser(prog="crosscorpus.training.bundles", description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["write", "merge"])
    parser.add_argument("file", type=Path, help="the bundle, a .zip file")
    parser.add_argument("--by", default="", help="who made what is in it")
    given = parser.parse_args(argv)
    print("\n".join(write(given.file, given.by) if given.command == "write" else merge(given.file)))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as mistake:
        sys.exit(f"crosscorpus.training.bundles: {mistake}")
