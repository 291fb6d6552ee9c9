"""A model's files: in the mirror folder, in the cache of its ecosystem, or downloaded into that cache and checked.

Hugging Face's cache is where `HF_HOME` or `HF_HUB_CACHE` says, TensorFlow Hub's where `TFHUB_CACHE_DIR` says (by
default in this project's own cache, as that of the library is a temporary folder).
"""

import functools
import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from crosscorpus.base import archives, paths, web
from crosscorpus.models import model_registry
from crosscorpus.models.model_registry import Model, NotAvailableError

TFHUB = "https://tfhub.dev"
SAVED_MODEL = ("saved_model.pb", "variables/variables.index")
"""What a whole SavedModel has at least."""
NOTES = (".json", ".yaml", ".txt", ".md")
"""Suffixes of files that hold no weights."""
AGAIN = "check the connection and run again: files that came whole are kept"
STORAGE = f"{AGAIN}; where the storage of large files, Xet, is out of reach, set HF_HUB_DISABLE_XET=1"
LOGIN = f"{web.TERMS}, and then `hf auth login`"


def find(ptm: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a model's files if it is here, without looking at the network or into the files.

    Parameters
    ----------
    ptm
        Id in the registry.
    mirror
        Folder of local copies, of which `weights/<ptm>` is looked in first; see `paths.mirror`.
    """
    model = model_registry.get(ptm)
    if model.home == "none":
        return None
    if own := _own(model, mirror):
        return own
    if model.home == "tfhub":
        folder = _tfhub_folder(model)
        return folder if _is_saved_model(model, folder) else None
    found = [
        huggingface_hub.try_to_load_from_cache(model.handle, file, revision=model.revision) for file in model.files
    ]
    return Path(str(found[0])).parent if found and all(isinstance(f, str) for f in found) else None


def fetch(ptm: str, mirror: str | None = None) -> Path | None:
    """Return the folder with a model's files, downloading what is neither in the mirror nor in the cache.

    Returns
    -------
    The folder; None for a model that needs no files.

    Raises
    ------
    model_registry.NotAvailableError
        They cannot be had, or their checksum is wrong; the message says why and what to do.
    """
    model = model_registry.get(ptm)
    if model.home == "none":
        return None
    if own := _own(model, mirror):
        return own  # its checksum goes into the embeddings' metadata
    folder = find(ptm, mirror) or (_from_tfhub(model) if model.home == "tfhub" else _from_huggingface(model))
    for name, expected in model.files.items():
        if expected and (got := sha256(folder / name)) != expected:
            raise NotAvailableError(
                f"{model.name}: {folder / name} has SHA-256 {got}, {model.file} expects {expected}; "
                f"{_remove(model, folder, name)}; run again, and if the same comes back, do not use it"
            )
    return folder


def fingerprint(folder: Path, files: Iterable[str] = ()) -> str:
    """Return one SHA-256 of the files of weights in a folder: their names and contents.

    Parameters
    ----------
    folder
        As `find` or `fetch` returns it.
    files
        Those that count, as a registry entry lists them. Where none of them is there, all files do, but for hidden
        ones: download tools keep their notes there.
    """
    names = [Path(file) for file in sorted(files) if Path(file).suffix not in NOTES and (folder / file).is_file()]
    if not names:
        every = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
        names = [n for n in every if n.suffix not in NOTES and not any(part.startswith(".") for part in n.parts)]
    lines = "\n".join(f"{name.as_posix()} {sha256(folder / name)}" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()


def are_others(ptm: str, made_with: str | None, mirror: str | None = None) -> bool:
    """Return whether a model's weights are here and have another `fingerprint` than those that made something."""
    here = find(ptm, mirror)
    return here is not None and made_with != fingerprint(here, model_registry.get(ptm).files)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file; computed once a process while the file stays as it is."""
    stat = file.stat()
    return _sha256(file.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _sha256(file: Path, size: int, changed: int) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _own(model: Model, mirror: str | None) -> Path | None:
    """Return the user's own copy, or None."""
    root = paths.mirror(mirror)
    return root / "weights" / model.id if root and (root / "weights" / model.id).is_dir() else None


def _remove(model: Model, folder: Path, name: str) -> str:
    """Remove a wrong file from its cache, so that it comes anew; return what became of it."""
    try:
        if model.home == "tfhub":
            shutil.rmtree(folder)  # it came as one archive
        else:
            _remove_links(folder / name, [folder.parents[2].resolve(), folder.parents[1].resolve()])
    except OSError as error:
        return f"it could not be removed ({error}): delete it"
    return "it was removed from the cache"


def _remove_links(file: Path, inside: list[Path]) -> None:
    """Remove a file and, where it is a link, all that it leads to inside some folders.

    Hugging Face's cache keeps content once, for all revisions or even for all models, and links to it. If only a
    link were removed, the wrong content would be linked again. A link to what was removed does no harm: for that
    library such a file is not there.
    """
    while True:
        target = os.readlink(file) if file.is_symlink() else ""
        file.unlink(missing_ok=True)
        file = file.parent / target
        file = file.parent.resolve() / file.name
        if not target or not any(file.is_relative_to(folder) for folder in inside):
            break


def _from_huggingface(model: Model) -> Path:
    for file in model.files:
        try:
            cached = huggingface_hub.try_to_load_from_cache(model.handle, file, revision=model.revision)
            if not isinstance(cached, str):
                web.check_host(huggingface_hub.hf_hub_url(model.handle, file, revision=model.revision))
            path = _download(model, file)
        except Exception as error:  # of the hub, of two libraries for connections, of the file system
            why, remedy = _reason(error)
            url = huggingface_hub.hf_hub_url(model.handle, file, revision=model.revision)
            raise NotAvailableError(
                f"{model.name}: {url}: {why}; {remedy}; or put {', '.join(model.files)} from "
                f"{model.source} into weights/{model.id}/ of the mirror folder"
            ) from error
    return Path(path).parent


def _download(model: Model, file: str) -> str:
    for pause in web.PAUSES:
        try:
            return huggingface_hub.hf_hub_download(model.handle, file, revision=model.revision)
        except HfHubHTTPError as error:
            if error.response.status_code != 403 or isinstance(error, GatedRepoError):
                raise
            time.sleep(pause)  # an address that was signed, and has expired, is signed again
        except OSError:
            raise  # the hub's answer, or no connection in spite of the library's own tries
        except HTTPError:
            time.sleep(pause)  # the connection was reset, after which the library does not try again
    return huggingface_hub.hf_hub_download(model.handle, file, revision=model.revision)


def _reason(error: BaseException) -> tuple[str, str]:
    """Return in a few words what went wrong at Hugging Face, and what to do."""
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        error = error.__cause__  # it says nothing but that the file is not in the cache
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        remedy = {401: LOGIN, 403: f"{web.REFUSED}; {AGAIN}"}.get(status) or web.REMEDIES.get(status, AGAIN)
        remedy = LOGIN if isinstance(error, GatedRepoError) else remedy
        return f"the server answered {status} {error.response.reason_phrase} where a file was expected", remedy
    if isinstance(error, web.NoNetworkError):
        return str(error), AGAIN
    if isinstance(error, OfflineModeIsEnabled):
        return "offline mode forbids to ask for it", "unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE, and run again"
    remedy = STORAGE if isinstance(error, RuntimeError) else AGAIN
    return f"{type(error).__name__} ({' '.join(str(error).split()) or 'no details'})", remedy


def _tfhub_folder(model: Model) -> Path:
    # TensorFlow Hub's own name for it in its cache, so that both find what the other has fetched.
    cache = Path(os.environ.get("TFHUB_CACHE_DIR") or paths.cache() / "tfhub")
    return cache / hashlib.sha1(f"{TFHUB}/{model.handle}".encode()).hexdigest()


def _is_saved_model(model: Model, folder: Path) -> bool:
    return all((folder / name).is_file() for name in (*SAVED_MODEL, *model.files))


def _from_tfhub(model: Model) -> Path:
    folder = _tfhub_folder(model)
    troubles: list[Exception] = []
    for number, url in enumerate((f"{TFHUB}/{model.handle}?tf-hub-format=compressed", *model.also_at), start=1):
        # A name for each, so that what is left of one address is never continued from another.
        archive = folder.with_suffix(".tar.gz" if number == 1 else f".{number}.tar.gz")
        try:
            _saved_model(model, url, archive, folder)
        except (web.DownloadError, OSError) as error:
            troubles.append(error)
        else:
            return folder
    cause = next((t for t in troubles if not isinstance(t, web.NoNetworkError)), troubles[0])
    raise NotAvailableError(
        f"{model.name}: {'; '.join(map(str, troubles))}; or put the SavedModel from {model.source} into "
        f"weights/{model.id}/ of the mirror folder"
    ) from cause


def _saved_model(model: Model, url: str, archive: Path, folder: Path) -> None:
    web.fetch(url, archive, what=model.name)
    try:
        if folder.exists():
            shutil.rmtree(folder)  # it is not whole, or it would have been found
        archives.unpack(archive, folder)
    finally:
        archive.unlink()  # without a checksum, a damaged one would be taken for the right one again
    if not _is_saved_model(model, folder):
        shutil.rmtree(folder)
        expected = ", ".join((*SAVED_MODEL, *model.files))
        raise web.DownloadError(f"{url}: no SavedModel came; expected {expected}; run again")
