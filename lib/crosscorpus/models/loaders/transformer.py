"""What the extractors that run transformers share: a network from weights or from a seed, and how it is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.utils import logging

from crosscorpus.models.model_registry import Model, NotAvailableError


def load(
    model: Model, weights: Path | None, loaded: Callable[..., Any], built: Callable[[], nn.Module]
) -> nn.Module:
    """Return a model's network.

    Parameters
    ----------
    model
        Its entry in the registry.
    weights
        Folder with its files; None for random weights, seeded with `model.seed`.
    loaded
        `from_pretrained` of its class.
    built
        Makes the network with random weights.

    Raises
    ------
    model_registry.NotAvailableError
        The files in the folder are not there or cannot be read.
    ValueError
        The files hold weights of another network.
    """
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(model.seed or 0)
            return built()
    logging.disable_progress_bar()  # loading takes a second
    try:
        # Weights in pickles are read by torch's restricted unpickler alone, which is transformers' default too.
        options = {"local_files_only": True, "weights_only": True, "dtype": "auto", "output_loading_info": True}
        network, info = loaded(weights, **options)
    except OSError as error:
        raise NotAvailableError(
            f"{model.name}: {weights} cannot be read ({str(error).splitlines()[0]}); it must hold "
            f"{', '.join(model.files)} of {model.handle}"
        ) from error
    missing = sorted(set(info["missing_keys"]) - {"masked_spec_embed"})  # used in training only
    if missing:
        raise ValueError(
            f"{model.name}: {weights} lacks {len(missing)} of the network's tensors, the first {missing[0]}; "
            f"they would be left random; fetch {model.handle} again"
        )
    return network


def count(network: nn.Module, model: Model) -> int:
    """Return the parameters of a network; raise ValueError if they are not as many as the registry says."""
    parameters = sum(p.numel() for p in network.parameters())
    if model.parameters not in (None, parameters):
        raise ValueError(
            f"{model.name}: {parameters} parameters where data/models.yaml says {model.parameters}; these are the "
            f"weights of another model than {model.handle}"
        )
    return parameters


def place(network: nn.Module, device: str, dtype: str) -> nn.Module:
    """Return a network in evaluation mode, frozen, on its device and in its dtype."""
    network = network.eval().requires_grad_(False).to(device, getattr(torch, dtype))
    if device == "cpu" and dtype == "float32" and torch.backends.mkldnn.is_available():
        use_onednn(network)
    return network


def use_onednn(network: nn.Module) -> None:
    """Let linear layers use oneDNN's matrix product, in place."""
    for name, child in network.named_children():
        if isinstance(child, nn.Linear):
            setattr(network, name, OneDnnLinear(child))
        else:
            use_onednn(child)


class OneDnnLinear(nn.Module):
    """A frozen float32 linear layer on a CPU, computed by oneDNN.

    torch takes MKL's product, which runs at less than half of oneDNN's speed on processors that are not Intel's.
    The two differ by rounding alone. The operations are those that `torch.compile` puts in place of a layer.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), 1000)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return float32 [..., features out] of float32 [..., features in]."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
