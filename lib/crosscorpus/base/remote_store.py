"""A store elsewhere, which machines share: what is made is sent to it, and what is not here is fetched from it.

`CROSSCORPUS_STORE` names it by an address that fsspec knows, such as `s3://bucket/folder`; without it, nothing is
sent or fetched. What is worked on are the files below `_build/`, as ever; they have the same names there. A file
is sent under another name, and has its own only when it is whole.
"""

import contextlib
import functools
import os
import uuid
from pathlib import Path
from typing import Any

from crosscorpus.base import paths, whole_files


class RemoteStoreError(OSError):
    """A store that cannot be used; the message names the file in it, the reason and the remedy."""


def address() -> str:
    """Return the address of the store, or "" where none is named."""
    return os.environ.get(paths.STORE_SETTING, "").rstrip("/")


def here(path: Path) -> bool:
    """Return whether a file is here, after it was fetched from the store if it was not.

    Raises
    ------
    RemoteStoreError
        The store cannot be read.
    """
    if path.exists() or not address() or not path.is_relative_to(paths.BUILD):
        return path.exists()
    with _named(path, "read"):
        files, name = _opened(address()), _name(path)
        if not files.isfile(name):
            return False
        whole_files.replace_file(path, lambda part: files.get_file(name, str(part)))
    return True


def send(*made: Path) -> None:
    """Send files to the store, if one is named, in this order; each is found there whole, or not at all.

    Raises
    ------
    RemoteStoreError
        The store cannot be written.
    """
    for path in made:
        if address() and path.is_relative_to(paths.BUILD):
            with _named(path, "written"):
                _send(_opened(address()), path, _name(path))


def _send(files: Any, path: Path, name: str) -> None:
    folder, _, last = name.rpartition("/")
    part = f"{folder}/.{last}.{uuid.uuid4().hex[:8]}.part"
    files.makedirs(folder, exist_ok=True)
    try:
        files.put_file(str(path), part)
        files.mv(part, name)  # of a bucket: a copy on its own side, which is there at once or not at all
    except BaseException:
        with contextlib.suppress(Exception):
            files.rm_file(part)
        raise


def _name(path: Path) -> str:
    return f"{_root(address())}/{path.relative_to(paths.BUILD).as_posix()}"


@functools.lru_cache(maxsize=4)
def _opened(where: str) -> Any:
    """Return the file system of an address; that of a bucket of Amazon's kind is pyarrow's, which is here."""
    if where.startswith("s3://"):
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow import fs

        return ArrowFSWrapper(fs.FileSystem.from_uri(where)[0], use_listings_cache=False)
    import fsspec

    return fsspec.core.url_to_fs(where, use_listings_cache=False)[0]


@functools.lru_cache(maxsize=4)
def _root(where: str) -> str:
    if where.startswith("s3://"):
        from pyarrow import fs

        return fs.FileSystem.from_uri(where)[1]
    import fsspec

    return fsspec.core.url_to_fs(where)[1].rstrip("/")


@contextlib.contextmanager
def _named(path: Path, what: str) -> Any:
    """Give errors of any kind of store, which has its own, the name of the file and a remedy."""
    try:
        yield
    except (whole_files.NotWrittenError, RemoteStoreError):
        raise
    except Exception as error:
        raise RemoteStoreError(
            f"{address()}: {paths.shown(path)} cannot be {what} there ({error}); check the address, your "
            f"credentials and the network, or leave {paths.STORE_SETTING} empty to work on this machine alone"
        ) from error
