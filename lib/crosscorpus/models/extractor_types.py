"""What an extractor is: from a batch of waveforms to one embedding per utterance.

An extractor is a function ``extract(waveforms) -> embeddings``: a list of float32 arrays (mono, 16 kHz, any
lengths) in, a float32 array [utterances, dim] out. What an utterance's embedding is does not depend on the others
in its batch, unless the pooling says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Extract = Callable[[Sequence[np.ndarray]], np.ndarray]
NEIGHBOURS = 4
"""Utterances in a batch of the pooling `padded`, as in public code of one of the paper's authors."""
PEAK = "the default, after each utterance was scaled to a largest absolute sample of 1"


@dataclass(frozen=True)
class Extractor:
    """A model that is ready to run: the function, and the facts that name its embeddings."""

    extract: Extract
    parameters: int
    weights_dtype: str
    device: str


def equal_lengths(waveforms: Sequence[np.ndarray]) -> list[list[int]]:
    """Return the indices of waveforms in groups of one length each.

    For models that cannot be told which samples of a batch are padding.
    """
    groups: dict[int, list[int]] = {}
    for index, waveform in enumerate(waveforms):
        groups.setdefault(len(waveform), []).append(index)
    return list(groups.values())
