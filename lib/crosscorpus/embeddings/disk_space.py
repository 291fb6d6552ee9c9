"""What hidden states take on disk, said before a run that makes them, and whether that is free."""

import shutil
from pathlib import Path

import pandas as pd

from crosscorpus.base import paths, whole_files
from crosscorpus.models import hidden_states, model_registry

COPIES = 2
"""Parts of a run and the file that they are joined to stand side by side for a while."""


def of_frames(ptm: str, seconds: float) -> int:
    """Return the bytes of all frames of a layer for so much audio, as float16."""
    return round(seconds * hidden_states.FRAMES_PER_SECOND) * model_registry.get(ptm).dimension * 2


def of_layers(ptm: str, utterances: int) -> int:
    """Return the bytes of one vector a layer for so many utterances, as float32."""
    return utterances * (hidden_states.count(ptm) + 1) * model_registry.get(ptm).dimension * 4


def in_words(size: float) -> str:
    """Return a size as a person says it: 3 kB, 140 MB, 2.5 GB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"


def check(what: str, size: int, utterances: pd.DataFrame, path: Path) -> str:
    """Return a sentence that says what a run will write, how much an hour of audio takes, and what is free.

    Parameters
    ----------
    what
        What is written, for the sentence.
    size
        Its bytes.
    utterances
        The table of its utterances, with `seconds`.
    path
        The file that will hold it.

    Raises
    ------
    whole_files.NotWrittenError
        The disk has less room than the run needs; the message has both sizes.
    """
    folder = next(folder for folder in path.parents if folder.is_dir())
    free, needed = shutil.disk_usage(folder).free, COPIES * size
    hours = float(utterances["seconds"].sum()) / 3600
    rate = f"{in_words(size / hours)} an hour of audio" if hours else "no audio"
    said = f"{what}: {in_words(size)} ({rate}), {in_words(needed)} while it is made; {in_words(free)} are free"
    if needed > free:
        raise whole_files.NotWrittenError(
            f"{said} in {paths.shown(folder)}: free {in_words(needed - free)} or more there, and run again; "
            "nothing was written"
        )
    return said
