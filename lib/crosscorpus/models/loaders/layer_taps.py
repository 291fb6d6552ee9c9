"""Hidden states of a transformer's layers, taken while it runs.

Layer 0 is what goes into the first layer, the input embedding; layer n is what the n-th puts out; the last is what
the network itself calls its last hidden states, after a final norm where it has one.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

Run = Callable[[], torch.Tensor]
"""Runs a network on a batch, and returns its last hidden states [batch, frames, dim]."""
See = Callable[[int, torch.Tensor], None]


def last(run: Run, frames: Sequence[int]) -> list[torch.Tensor]:
    """Return the last hidden states of each row's own frames, [frames, dim]."""
    return [hidden[:n] for hidden, n in zip(run(), frames, strict=True)]


def every(
    run: Run, frames: Sequence[int], stack: nn.ModuleList, layers: Sequence[int], pooled: bool
) -> list[torch.Tensor]:
    """Return hidden states of several layers, of each row's own frames.

    Parameters
    ----------
    run
        Called once.
    frames
        How many of each row's frames, from the first on, are its own.
    stack
        The layers that it runs, in their order.
    layers
        Numbers from 0 to the number of layers.
    pooled
        True for sums over frames, which need no memory for the frames of all layers at once.

    Returns
    -------
    One tensor a row: float32 [layers, frames, dim], or float64 [layers, dim] where pooled.
    """
    seen: dict[int, list[torch.Tensor]] = {}

    def see(number: int, hidden: torch.Tensor) -> None:
        own = [row[:n] for row, n in zip(hidden, frames, strict=True)]
        seen[number] = [one.sum(dim=0, dtype=torch.float64) if pooled else one.float() for one in own]

    with _tapped(stack, set(layers), see):
        hidden = run()
    if len(stack) in layers:
        see(len(stack), hidden)
    return [torch.stack([seen[number][row] for number in layers]) for row in range(len(frames))]


@contextlib.contextmanager
def _tapped(stack: nn.ModuleList, wanted: set[int], see: See) -> Iterator[None]:
    handles = []
    if 0 in wanted:
        handles.append(stack[0].register_forward_pre_hook(functools.partial(_before, see), with_kwargs=True))
    for number in sorted(wanted - {0, len(stack)}):
        handles.append(stack[number - 1].register_forward_hook(functools.partial(_after, see, number)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _before(see: See, layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    see(0, given[0] if given else named["hidden_states"])


def _after(see: See, number: int, layer: nn.Module, given: tuple[Any, ...], out: Any) -> None:
    see(number, out[0] if isinstance(out, tuple) else out)
