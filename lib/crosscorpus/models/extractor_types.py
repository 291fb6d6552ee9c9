"""What an extractor is: from a batch of waveforms to one embedding per utterance.

An extractor is a function ``extract(waveforms) -> embeddings``: a list of float32 arrays (mono, 16 kHz, any
lengths) in, a float32 array [utterances, dim] out. What an utterance's embedding is does not depend on the others
in its batch, unless the pooling says so.

One that runs a transformer has a second function, ``states(waveforms, layers, pooled)``: hidden states of the
layers that are asked for by number, as `hidden_states` counts them. It returns one float32 array an utterance,
[layers, frames, dim], or, where they are pooled, [layers, dim]: the mean over the frames that the pooling takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Extract = Callable[[Sequence[np.ndarray]], np.ndarray]
States = Callable[[Sequence[np.ndarray], Sequence[int], bool], list[np.ndarray]]
NEIGHBOURS = 4
"""Utterances in a batch of the pooling `padded`, as in public code of one of the paper's authors."""
PEAK = "the default, after each utterance was scaled to a largest absolute sample of 1"


@dataclass(frozen=True)
class Extractor:
    """A model that is ready to run: the functions (`states` is None without layers), and facts for their names."""

    extract: Extract
    parameters: int
    weights_dtype: str
    device: str
    states: States | None = None


def equal_lengths(waveforms: Sequence[np.ndarray]) -> list[list[int]]:
    """Return the indices of waveforms in groups of one length each.

    For models that cannot be told which samples of a batch are padding.
    """
    groups: dict[int, list[int]] = {}
    for index, waveform in enumerate(waveforms):
        groups.setdefault(len(waveform), []).append(index)
    return list(groups.values())
