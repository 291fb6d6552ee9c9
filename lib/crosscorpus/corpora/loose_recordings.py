"""Recordings that belong to no corpus: of a folder or one file, without labels, each read or told why not."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import soundfile

from crosscorpus.base import progress
from crosscorpus.corpora import decoding, recordings
from crosscorpus.corpora.utterance_tables import COLUMNS, PROBLEM_COLUMNS, QUALITY_COLUMNS, Scan

NAME = "your recordings"
"""What tables have in the column `corpus`."""
LONGEST = 600.0
"""Seconds; a longer recording is no utterance, and is not decoded."""
FACTS = {"start": np.nan, "end": np.nan, "speaker": "", "emotion_native": "", "emotion": "", "text_id": ""}


class NoRecordingsError(ValueError):
    """A place that holds no audio; the message names it and says what is read."""


def root_of(audio: str | Path) -> Path:
    """Return the folder that paths count from: the one that is named, or that of the file that is named.

    Raises
    ------
    NoRecordingsError
        Nothing is named, or there is no such folder or file.
    """
    path = Path(audio).expanduser()
    if not str(audio).strip() or not path.exists():
        what = f"{audio}: no such folder or file" if str(audio).strip() else "no recordings were named"
        raise NoRecordingsError(f"{what}; name a folder with audio in it, or one audio file")
    return path.resolve() if path.is_dir() else path.resolve().parent


def read(audio: str | Path, workers: int = 4) -> Scan:
    """Read all audio of a folder and the folders in it, or one audio file.

    Parameters
    ----------
    audio
        The folder or file; see `root_of`.
    workers
        Threads that decode side by side.

    Returns
    -------
    Recordings that can be used, their quality, and those that cannot, with reason and remedy, as
    `utterance_tables.Scan` has them. `utterance` is the path below the folder; nobody says who speaks, or how.

    Raises
    ------
    NoRecordingsError
        There is nothing of that name, or no audio in it.
    """
    root, named = root_of(audio), Path(audio).expanduser()
    files, problems = ([named.name], []) if not named.is_dir() else recordings.listed(root)
    if not files and not problems:
        raise NoRecordingsError(
            f"{audio}: no audio in this folder; files are read whose names end in {', '.join(decoding.SUFFIXES)}"
        )
    check = recordings.checker(root)

    def measured(path: str) -> tuple:
        if (seconds := _declared_seconds(root / path)) > LONGEST:
            reason = f"lasts {seconds / 60:.0f} min, and at most {LONGEST / 60:.0f} min are taken for an utterance"
            return None, None, [(path, reason, "cut it into utterances")]
        return recordings.measure_first_good(root, [{"utterance": path, "path": path, **FACTS}], check)

    parallel = joblib.Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    reading = parallel(joblib.delayed(measured)(path) for path in files)
    rows, qualities = [], []
    for row, quality, found in progress.over(reading, f"reading {NAME}", len(files), "files"):
        problems = [*problems, *found]
        if row is not None:
            rows.append(row)
            qualities.append(quality)
    return Scan(
        pd.DataFrame(rows, columns=COLUMNS[1:]).assign(corpus=NAME)[COLUMNS],
        pd.DataFrame(qualities, columns=QUALITY_COLUMNS[1:]).assign(corpus=NAME)[QUALITY_COLUMNS],
        pd.DataFrame(sorted(problems), columns=PROBLEM_COLUMNS[1:]).assign(corpus=NAME)[PROBLEM_COLUMNS],
    )


def _declared_seconds(path: Path) -> float:
    """Return what a header says; 0 where it says nothing, or is none, which `recordings` tells."""
    try:
        info = soundfile.info(str(path))
    except (OSError, soundfile.LibsndfileError):
        return 0.0
    return info.frames / info.samplerate if info.samplerate else 0.0
