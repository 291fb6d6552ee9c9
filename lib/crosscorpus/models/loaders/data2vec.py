"""What data2vec's audio models do otherwise than wav2vec 2.0: how the transformer is told positions."""

from typing import Any

import torch


def positions(embedding: Any, states: torch.Tensor) -> torch.Tensor:
    """Return data2vec's position embeddings, in which the padding behind a clip has no part.

    Five convolutions in a row look at the frames around each one. What the first makes of padding would reach a
    clip's last frames by the second, so padding is set to zero again after each.

    Parameters
    ----------
    embedding
        The layer of transformers, whose `layers` are the convolutions.
    states
        float [batch, frames, dim]. Frames beyond a clip's own are zero, as the encoder makes them; a frame of its
        own never is in all dimensions, as a layer norm and a projection with a bias come before.
    """
    own = states.ne(0).any(dim=-1)[:, None]
    states = states.transpose(1, 2)
    for layer in embedding.layers:
        states = layer(states).masked_fill(~own, 0)
    return states.transpose(1, 2)
