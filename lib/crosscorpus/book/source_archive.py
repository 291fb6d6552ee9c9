"""The source of a book as one archive: the files that it was built from, without the pack's vectors."""

import fnmatch
import functools
import gzip
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from crosscorpus.base import paths, versions, whole_files

NAME = "crosscorpus-source.tar.gz"
LEFT_OUT = ("data/embeddings/*.safetensors", "data/own/*")
"""The pack's vectors, which weigh more than a site should; and what is a reader's own."""


def write(to: Path, root: Path = paths.ROOT) -> None:
    """Write the archive of a project; the same files give the same bytes.

    In a git checkout it has the tracked files as they stand, elsewhere all files that `.gitignore` does not name,
    and in both cases not those of `LEFT_OUT`. All times are the commit's, or 0 where there is none.
    """
    made = _commit_time(root)
    folder = f"crosscorpus-{versions.of_commit()}" if root == paths.ROOT else root.name

    def same(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = made
        entry.mode = 0o755 if entry.mode & 0o100 else 0o644
        return entry

    def archive(part: Path) -> None:
        with (
            part.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=made) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as whole,
        ):
            for name in files(root):
                whole.add(root / name, f"{folder}/{name}", recursive=False, filter=same)

    to.parent.mkdir(parents=True, exist_ok=True)
    whole_files.replace_file(to, archive)


def files(root: Path = paths.ROOT) -> list[str]:
    """Return the names, from the root, of the files that the archive has, sorted."""
    listed = _git(root, "ls-files", "-z")
    found = listed.split("\0") if listed is not None else list(_not_ignored(root))
    there = {name for name in found if name and os.path.lexists(root / name)}
    return sorted(name for name in there if not any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT))


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git says of a checkout; None where a folder is none, or there is no git."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _commit_time(root: Path) -> int:
    return int(_git(root, "log", "-1", "--format=%ct") or 0)


def _not_ignored(root: Path) -> Iterator[str]:
    lines = (root / ".gitignore").read_text(encoding="utf-8").split() if (root / ".gitignore").exists() else []
    is_ignored = functools.partial(_is_ignored, [line.rstrip("/") for line in lines])
    for folder, inner, names in os.walk(root):
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        inner[:] = [name for name in inner if not is_ignored(here / name)]
        links = [name for name in inner if (Path(folder) / name).is_symlink()]
        yield from (str(here / name) for name in [*names, *links] if not is_ignored(here / name))


def _is_ignored(patterns: list[str], name: PurePosixPath) -> bool:
    """Return whether a pattern names a file or folder: `/name` at the root, `name` anywhere."""
    return any(
        fnmatch.fnmatch(str(name), pattern[1:]) if pattern.startswith("/") else fnmatch.fnmatch(name.name, pattern)
        for pattern in patterns
    )
