"""Files that a home gives one by one: its list of them, and all that are on a list."""

import concurrent.futures
import hashlib
import os
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from crosscorpus.base import archives, paths, web


class Listed(NamedTuple):
    """A file on a list: its relative path, the addresses that give it, its bytes (0: not said), its checksums."""

    path: str
    urls: tuple[str, ...]
    size: int
    checksums: Mapping[str, str]


def of_dataverse(server: str, doi: str) -> list[Listed]:
    """Return the files of a data set's newest version that anybody may have.

    Parameters
    ----------
    server
        Address of the installation, such as `https://borealisdata.ca`.
    doi
        The data set's identifier, such as `doi:10.5683/SP2/E8H2MF`.

    Raises
    ------
    DownloadError
        As `web.pages`; or the answer is no such list.

    Source: the guides of Dataverse, *Native API* and *Data Access API*.
    """
    query = urllib.parse.urlencode({"persistentId": doi}, safe=":/")
    url = f"{server}/api/datasets/:persistentId/versions/:latest/files?{query}"
    (answer,) = web.pages(url, LIST)
    files = []
    try:
        for entry in answer["data"]:
            file = entry["dataFile"]
            path = "/".join(filter(None, (entry.get("directoryLabel"), entry.get("label") or file["filename"])))
            # Older servers know MD5 alone; newer ones name the kind as in "SHA-256".
            given = file.get("checksum") or {"type": "md5", "value": file.get("md5") or ""}
            kind = given["type"].lower().replace("-", "")
            checksums = {kind: given["value"]} if kind in hashlib.algorithms_available else {}
            address = f"{server}/api/access/datafile/{file['id']}"
            if not entry.get("restricted"):
                files.append(Listed(path, (address,), int(file.get("filesize") or 0), checksums))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_list(url, error) from error
    return _checked(url, files)


def of_huggingface(dataset: str, revision: str) -> list[Listed]:
    """Return the files of a data set at a revision; files in Git LFS have their SHA-256.

    Parameters
    ----------
    dataset
        Its name, such as `owner/name`.
    revision
        A commit, branch or tag. `HF_ENDPOINT` names another server, as for models.

    Raises
    ------
    DownloadError
        As `web.pages`; or the answer is no such list.

    Source: the Hub's API, https://huggingface.co/docs/hub/api.
    """
    server = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    at = urllib.parse.quote(revision, safe="")
    url = f"{server}/api/datasets/{dataset}/tree/{at}?recursive=true"
    files = []
    try:
        for entry in (entry for page in web.pages(url, LIST) for entry in page):
            if entry["type"] == "file":
                lfs = entry.get("lfs") or {}
                address = f"{server}/datasets/{dataset}/resolve/{at}/{urllib.parse.quote(entry['path'])}"
                checksums = {"sha256": lfs.get("oid", "")}
                files.append(Listed(entry["path"], (address,), int(lfs.get("size", entry["size"])), checksums))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_list(url, error) from error
    return _checked(url, files)


LIST = "a list of files"


def _no_list(url: str, error: Exception) -> web.DownloadError:
    return web.DownloadError(f"{url}: the answer is no list of files ({error!r}); {web.MOVED}")


def _checked(url: str, files: Iterable[Listed]) -> list[Listed]:
    """Return the files but for the notes of macOS; a path that leads elsewhere is an error."""
    files = [file for file in files if not paths.is_note(file.path.split("/"))]
    for file in files:
        if archives.climbs(file.path):
            raise web.DownloadError(f"{url}: file {file.path!r} would be written elsewhere; nothing was fetched")
    return files


def fetch(files: Iterable[Listed], folder: Path, *, what: str = "", workers: int = 8) -> None:
    """Fetch files into a folder, some at a time; what is there and right is not asked for.

    Parameters
    ----------
    files
        With paths below `folder`. A file's addresses are tried in turn.
    what
        Name for the progress bar.

    Raises
    ------
    DownloadError
        As `web.fetch`, of a file's last address. What came so far is kept.
    """

    def get(file: Listed) -> None:
        for number, url in enumerate(file.urls, start=1):
            known: dict[str, Any] = {"size": file.size, "what": file.path, "quiet": True, **file.checksums}
            try:
                web.fetch(url, folder / file.path, **known)
                return
            except web.DownloadError:
                if number == len(file.urls):
                    raise

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(get, file) for file in files]
        try:
            done = concurrent.futures.as_completed(jobs)
            for job in tqdm(done, total=len(jobs), desc=what or folder.name, unit="file", mininterval=5):
                job.result()
        except BaseException:  # also when a person stops it: do not fetch thousands of files first
            pool.shutdown(cancel_futures=True)
            raise
