"""Which jobs make the embeddings of a run: large corpora in portions, and short work together.

All is decided from durations, before a model is loaded, and the same whoever asks: the workflow that starts jobs,
and each job that is asked for its part.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crosscorpus.base import remote_store
from crosscorpus.corpora import file_lists
from crosscorpus.embeddings import store_folders
from crosscorpus.models import model_registry

WINDOWS = {"whisper": 30.0}
"""Seconds that models of a loader encode at least, however short an utterance."""
OPERATIONS = {False: 5e10, True: 5e13}
"""Floating-point operations a second, at most, of a core and of a GPU."""
FRAMES = 50
"""Vectors a second of audio: each takes a multiplication and an addition for each parameter."""
LEAST = 30.0
"""Seconds of work of a job of a cluster, at least."""
MANY = 1000
"""Portions of a corpus, above which each has the least work, too, however few hours were asked for."""
FEATURES = 500
"""Seconds of audio a second, at most, of what has no parameters or is not known to have any."""


@dataclass(frozen=True)
class Job:
    """What is embedded together: several corpora, or one, in so many portions (1 for all of it at once)."""

    ptm: str
    corpora: tuple[str, ...]
    portions: int = 1

    @property
    def what(self) -> str:
        """The corpora as a name, which no other job of the model has in a run."""
        more = f"-and-{len(self.corpora) - 1}-more" if len(self.corpora) > 1 else ""
        return f"{self.corpora[0]}{more}"


def plan(
    pairs: Iterable[tuple[str, str]],
    seconds: Mapping[str, Sequence[float] | np.ndarray],
    hours: float = 0,
    least: float = 0,
    gpu: bool = False,
) -> list[Job]:
    """Divide the embeddings of a run among jobs.

    Parameters
    ----------
    pairs
        Models and corpora.
    seconds
        Durations of the utterances of each corpus, in any order; empty where they are not known.
    hours
        Of audio that is encoded in a job, at most, windows of fixed length counted as such; 0: nothing is divided.
    least
        Seconds of work that a job has at least, by an estimate that is rather too low: what has less is put
        together with other corpora of the same model. 0: nothing is put together.
    gpu
        Whether the work is done on a GPU.

    Returns
    -------
    Jobs, in the order of their models and corpora.
    """
    jobs: list[Job] = []
    by_model: dict[str, list[str]] = {}
    for ptm, corpus in pairs:
        by_model.setdefault(ptm, []).append(corpus)
    for ptm, corpora in by_model.items():
        audio = {corpus: float(encoded(seconds[corpus], window(ptm)).sum()) for corpus in corpora}
        bundles: list[list[str]] = []
        for corpus in corpora:
            count = math.ceil(audio[corpus] / 3600 / hours) if hours else 1
            if least and count > MANY:
                count = max(MANY, min(count, int(work(ptm, audio[corpus], gpu) / least)))
            if count > 1:
                jobs.append(Job(ptm, (corpus,), count))
            elif bundles and least and work(ptm, sum(audio[c] for c in bundles[-1]), gpu) < least:
                bundles[-1].append(corpus)
            else:
                bundles.append([corpus])
        if len(bundles) > 1 and work(ptm, sum(audio[corpus] for corpus in bundles[-1]), gpu) < least:
            bundles[-2:] = [bundles[-2] + bundles[-1]]
        jobs += [Job(ptm, tuple(bundle)) for bundle in bundles]
    return jobs


def work(ptm: str, audio: float, gpu: bool = False) -> float:
    """Return the seconds that a model takes at least for some seconds of audio, on one core or on a GPU."""
    parameters = model_registry.get(ptm).parameters
    return audio * (2 * parameters * FRAMES / OPERATIONS[gpu] if parameters else 1 / FEATURES)


def window(ptm: str) -> float:
    """Return the seconds that a model encodes at least, however short an utterance: 0 for most."""
    return WINDOWS.get(model_registry.get(ptm).loader, 0.0)


def encoded(seconds: Sequence[float] | np.ndarray, window: float) -> np.ndarray:
    """Return the seconds that are encoded for utterances of some durations: whole windows, where there are any."""
    lengths = np.asarray(seconds, dtype=float)
    return np.ceil(lengths / window) * window if window else lengths


def durations(corpus: str) -> np.ndarray:
    """Return the durations (seconds) of a corpus's utterances: as read, or else as its list says; or none."""
    file = store_folders.folder("audio") / "utterances" / f"{corpus}.csv"
    if remote_store.here(file):
        from pyarrow import csv  # a column of a million rows in a fraction of a second

        wanted = csv.ConvertOptions(include_columns=["seconds"])
        return csv.read_csv(file, convert_options=wanted)["seconds"].to_numpy().astype(float)
    listed = file_lists.file_list(corpus)
    return np.zeros(0) if listed is None else listed["seconds"].dropna().to_numpy(dtype=float)
