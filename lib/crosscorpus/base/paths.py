"""Where things are: the repository's data, what is generated, and the user's local copies."""

import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "data"
PACK = DATA / "embeddings"
BUILD = ROOT / "_build"

LOADED = ROOT
"""The checkout whose library this is."""

MIRROR_SETTING = "CROSSCORPUS_MIRROR"
CACHE_SETTING = "CROSSCORPUS_CACHE"
STORE_SETTING = "CROSSCORPUS_STORE"


def own() -> Path:
    """Return the folder of whoever works here: tables of corpora, and embeddings that were made elsewhere."""
    return DATA / "own"


def mirror(folder: str | None = None) -> Path | None:
    """Return the folder of local copies: `corpora/<corpus>/` with audio and `weights/<ptm>/` with models.

    Parameters
    ----------
    folder
        The folder itself; None or "" reads the environment variable `CROSSCORPUS_MIRROR`.

    Returns
    -------
    The folder, or None where neither names one.

    Raises
    ------
    FileNotFoundError
        The folder was named but does not exist.
    """
    named = folder or os.environ.get(MIRROR_SETTING)
    if not named:
        return None
    path = Path(named).expanduser().resolve()
    if not path.is_dir():
        raise FileNotFoundError(
            f"{named}: no such folder; {MIRROR_SETTING} (or the parameter `mirror`) must name a folder with "
            "corpora/<corpus>/ and weights/<ptm>/ in it, or be left empty"
        )
    return path


def cache() -> Path:
    """Return the folder of what was downloaded, which may not exist yet; laid out as the mirror folder.

    It is the one that the environment variable `CROSSCORPUS_CACHE` names, else the user's cache folder.
    """
    named = os.environ.get(CACHE_SETTING)
    return Path(named).expanduser().resolve() if named else platformdirs.user_cache_path("crosscorpus")


def shown(path: Path) -> str:
    """Return a path as a reader wants to see it: from the project's root on, where it is below that."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


class OtherCheckoutError(ValueError):
    """Another checkout's library was loaded than that of the checkout which is worked in."""


def check_here(folder: str | Path = ".") -> None:
    """Check that a folder is not in another checkout of this project than the library that was loaded.

    Raises
    ------
    OtherCheckoutError
        It is, as with the environment of a checkout that was copied or moved: that one's data and code would be
        used. The message names both.
    """
    here = Path(folder).resolve()
    root = next(
        (f for f in (here, *here.parents) if (f / "lib" / "crosscorpus" / "__init__.py").is_file()), LOADED
    )
    if root != LOADED:
        raise OtherCheckoutError(
            f"this is the checkout {root}, but the library of another, {LOADED}, was loaded, and its data; run "
            f"`make env` in {root} and use the environment that it makes (source {root}/.venv/bin/activate), or "
            f"work in {LOADED}"
        )


def is_note(parts: Sequence[str]) -> bool:
    """Return whether a path, in parts, is one of the notes that macOS keeps on files, in archives and on disks."""
    return "__MACOSX" in parts or parts[-1].startswith("._")
