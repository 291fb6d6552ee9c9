"""Whether every page and every file of a rehearsal says what it is; `make rehearsal` ends with this."""

import argparse
import gzip
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import rehearsal
from crosscorpus.base import paths, stamp
from crosscorpus.book import ending

MACHINERY = ("_static/", "_sphinx_design_static/")
"""Folders of a site that hold nothing of a run: fonts, scripts, styles, icons."""
NO_RESULTS = ("searchindex.js", "objects.inv", ".buildinfo")
SAFETENSORS_HEADER = 100_000


def _parquet(file: Path) -> str:
    schema = pq.read_schema(file)
    said = [value.decode() for value in (schema.metadata or {}).values()]
    if stamp.NAME in schema.names:
        said += map(str, pq.read_table(file, columns=[stamp.NAME])[stamp.NAME].unique().to_pylist())
    return " ".join(said)


def _archive(file: Path) -> str:
    with tarfile.open(file) as whole:
        found = [member for member in whole.getmembers() if member.name.endswith(f"/{stamp.PLACE}")]
        inner = whole.extractfile(found[0]) if found else None
        return inner.read().decode() if inner else ""


def _header(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(SAFETENSORS_HEADER).decode("latin-1")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


READ: Mapping[str, Callable[[Path], str]] = {
    **dict.fromkeys((".html", ".csv", ".svg", ".ipynb", ".md", ".txt"), _text),
    ".csv.gz": lambda file: gzip.decompress(file.read_bytes()).decode(),
    ".tar.gz": _archive,
    ".parquet": _parquet,
    ".safetensors": _header,
}
"""What a file says of itself, by its suffix."""


def places(folder: Path) -> list[Path]:
    """Return the folders of a rehearsal in which all is labelled: site, chapters, downloads, stored things."""
    build = folder / "project" / "_build"
    run = build / rehearsal.PROFILE
    site = folder / "project" / ending.site_of(rehearsal.PROFILE).parent.relative_to(paths.ROOT)
    of_run = [run / name for name in ("notebooks", "embed", "downloads")]
    stored = [build / name for name in ("predictions", "counts", *(f"embeddings/{p}" for p in _models(build)))]
    return [site, *of_run, *stored]


def _models(build: Path) -> list[str]:
    return sorted({file.parent.name for file in (build / "embeddings").glob("*/*.safetensors")})


def unlabelled(folder: Path, label: str = rehearsal.LABEL) -> Iterator[Path]:
    """Yield the files below a folder that do not say the label, in whatever case; of kinds unknown, all.

    Pages that only lead to another one are not seen, and need none.
    """
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.is_file() or name.startswith(MACHINERY) or name in NO_RESULTS or name.endswith(".run.json"):
            continue
        suffix = "".join(file.suffixes[-2:]) if file.suffix == ".gz" else file.suffix
        read = READ.get(suffix)
        said = read(file).lower() if read else ""
        if label not in said and 'http-equiv="refresh"' not in said:
            yield file


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk a rehearsal, and say which files lack the label.

    Raises
    ------
    SystemExit
        Some do, or there is nothing to walk; the message names them.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=rehearsal.FOLDER, help="of a rehearsal")
    folder = parser.parse_args(arguments).folder
    empty = [place for place in places(folder) if not any(place.rglob("*"))]
    if empty:
        raise SystemExit(f"{paths.shown(empty[0])}: nothing is there; `make rehearsal` runs all of it")
    lacking = [file for place in places(folder) for file in unlabelled(place)]
    if lacking:
        shown = "\n".join(f"  {file.relative_to(folder)}" for file in lacking)
        raise SystemExit(f"{len(lacking)} files of the rehearsal do not say {rehearsal.LABEL!r}:\n{shown}")
    print(f"all files of the rehearsal say {rehearsal.LABEL!r}")


if __name__ == "__main__":
    main()
