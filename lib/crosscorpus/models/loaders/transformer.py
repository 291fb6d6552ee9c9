"""What the extractors that run transformers share: a network from weights or from a seed, and how it is run."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers.utils import logging

from crosscorpus.models.model_registry import Model, NotAvailableError


def load(
    model: Model,
    weights: Path | None,
    loaded: Callable[..., Any],
    built: Callable[[], nn.Module],
    dtype: str = "float32",
) -> tuple[nn.Module, str]:
    """Return a model's network, and the dtype that its weights are stored in.

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
    dtype
        What is computed in. In half precision, weights are never held in more than that.

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
            return built(), "float32"
    logging.disable_progress_bar()  # loading takes a second
    try:
        # Weights in pickles are read by torch's restricted unpickler alone, which is transformers' default too.
        options: dict[str, Any] = {"local_files_only": True, "weights_only": True, "output_loading_info": True}
        network, info = loaded(weights, dtype="auto" if dtype == "float32" else getattr(torch, dtype), **options)
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
    stored = network.dtype if dtype == "float32" else _stored(model, weights) or network.dtype
    return network, str(stored).removeprefix("torch.")


def _stored(model: Model, weights: Path) -> torch.dtype | None:
    """Return the dtype of the first weights in a folder, without reading them; None where it is not told."""
    found = [weights / f for f in model.files if not f.endswith(".json") and (weights / f).is_file()]
    for file in found or [*weights.glob("*.safetensors"), *weights.glob("*.bin")]:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                return next(
                    (t.dtype for t in map(opened.get_tensor, opened.keys()) if t.is_floating_point()), None
                )
        elif zipfile.is_zipfile(file):  # not torch's format before 1.6, which cannot be looked into
            tensors = torch.load(file, map_location="cpu", mmap=True, weights_only=True).values()
            return next((t.dtype for t in tensors if torch.is_tensor(t) and t.is_floating_point()), None)
    return None


def count(network: nn.Module, model: Model) -> int:
    """Return the parameters of a network; raise ValueError if they are not as many as the registry says."""
    parameters = sum(p.numel() for p in network.parameters())
    if model.parameters not in (None, parameters):
        raise ValueError(
            f"{model.name}: {parameters} parameters where {model.file} says {model.parameters}; these are the "
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
