"""Where things are: the repository's data, what is generated, and the user's local copies."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
PACK = DATA / "embeddings"
BUILD = ROOT / "_build"

MIRROR_SETTING = "CROSSCORPUS_MIRROR"


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
