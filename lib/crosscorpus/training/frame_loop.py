"""Train a head on frames the plain way: torch modules, padded batches, one training after the other.

`frame_engine` does the same several times faster, and is held to the results of this module by its tests. It is
also what trains a protocol's head that the engine has no rules for: a function (dim, classes) that returns a torch
module, which takes padded frames [utterances, frames, dim] and which are valid, bool [utterances, frames], and
returns logits; its last parameter is a bias of the classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from crosscorpus.protocols.protocol_parts import FrameHead, Recipe
from crosscorpus.training import frame_heads, frame_inputs

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Head(nn.Module):
    """A `FrameHead` on padded frames."""

    def __init__(self, head: FrameHead, weights: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.head = head
        self.weights = nn.ParameterList([nn.Parameter(weight.clone()) for weight in weights])
        self.masks: list[torch.Tensor] | None = None

    def forward(self, X: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return logits [utterances, classes]."""
        weights = list(self.weights)
        first = functional.linear(X, weights[0], weights[1])
        masks = None
        if self.masks is not None:
            masks = [torch.zeros(*valid.shape, mask.shape[1]) for mask in self.masks]
            for padded, mask in zip(masks, self.masks, strict=True):
                padded[valid] = mask
        x = frame_heads.hidden(self.head, weights, first, masks)
        if self.head.averages == "logits":
            return _mean(functional.linear(x, weights[-2], weights[-1]), valid)
        return functional.linear(_mean(x, valid), weights[-2], weights[-1])


def _mean(x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return (x * valid[..., None]).sum(dim=1) / valid.sum(dim=1).clamp(min=1)[:, None]


def padded(
    frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None, rows: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scaled frames of some utterances, float32 [rows, longest, dim], and which are valid."""
    each = []
    for row in rows:
        X, n = frames.batch([int(row)])
        if scaling is not None:
            by_utterance = scaling.by_utterance
            X = functional.layer_norm(X, X.shape) if by_utterance else scaling.apply(X, np.array([row]), n)
        each.append(X)
    counts = torch.tensor([len(X) for X in each])
    return nn.utils.rnn.pad_sequence(each, batch_first=True), torch.arange(int(counts.max())) < counts[:, None]


def build(head: FrameHead | Callable[..., nn.Module], dim: int, n_classes: int, seed: int) -> nn.Module:
    """Return a head with its first weights: one of these, or what another head, a function, makes by the seed."""
    if isinstance(head, FrameHead):
        return Head(head, frame_heads.first_weights(head, dim, n_classes, seed))
    torch.manual_seed(seed)
    return head(dim, n_classes)


def fit(task: frame_heads.Task) -> frame_heads.Fitted:
    """Train one head.

    Raises
    ------
    RuntimeError
        A loss is NaN or infinite.
    """
    dim = task.frames.vectors.shape[1]
    model = build(task.head, dim, task.n_classes, task.seed)
    keeper, optimiser = frame_heads.Keeper(task), _optimiser(task.recipe, list(model.parameters()))
    rates, betas = task.recipe.rates(frame_heads.n_steps(task))
    step = 0
    for epoch in range(1, task.recipe.epochs + 1):
        total = n = 0.0
        for rows in frame_heads.batches(task, epoch):
            X, valid = padded(task.frames, task.scaling, rows)
            if isinstance(model, Head):
                model.masks = _masks(model.head, task.seed, step, int(valid.sum()))
            for group in optimiser.param_groups:
                group["lr"], group["betas"] = rates[step], (betas[step], group["betas"][1])
            optimiser.zero_grad()
            loss = frame_heads.loss(task, model(X, valid), rows)
            loss.backward()
            if task.recipe.largest_gradient:
                nn.utils.clip_grad_norm_(model.parameters(), task.recipe.largest_gradient)
            optimiser.step()
            total, n, step = total + float(loss.detach()) * len(rows), n + len(rows), step + 1
        if isinstance(model, Head):
            model.masks = None
        size = task.recipe.batch_size
        accuracies = {name: _accuracy(model, watched, size) for name, watched in task.watched.items()}
        keeper.after(total / n, accuracies, list(model.parameters()))
    return keeper.fitted(list(model.parameters()), "plain loop")


def _masks(head: FrameHead, seed: int, step: int, n: int) -> list[torch.Tensor] | None:
    layers = range(len(head.widths))
    return [frame_heads.kept(head, seed, step, layer, n) for layer in layers] if head.dropout else None


def _accuracy(model: nn.Module, watched: frame_heads.Watched, size: int) -> float:
    logits = _in_batches(model, watched.frames, watched.scaling, watched.rows, size)
    return float((logits.argmax(axis=1) == watched.y[watched.rows]).mean())


def _optimiser(recipe: Recipe, weights: Sequence[torch.Tensor]) -> torch.optim.Adam:
    return OPTIMISERS[recipe.optimiser](weights, lr=0.0, weight_decay=recipe.weight_decay, fused=True)


@torch.no_grad()
def _in_batches(
    model: nn.Module,
    frames: frame_inputs.Ragged,
    scaling: frame_inputs.Scaling | None,
    rows: np.ndarray,
    size: int,
) -> np.ndarray:
    model.eval()
    starts = range(0, len(rows), size)
    found = [model(*padded(frames, scaling, rows[start : start + size])).numpy() for start in starts]
    model.train()
    return np.concatenate(found)


def predict(
    fitted: frame_heads.Fitted, selection: str, frames: frame_inputs.Ragged, scaling: frame_inputs.Scaling | None,
    rows: np.ndarray, size: int = 32,
) -> np.ndarray:  # fmt: skip
    """Return logits, float32 [rows, classes], of a head with the weights of a selection."""
    weights = fitted.weights[selection]
    model = build(fitted.head, frames.vectors.shape[1], len(weights[-1]), 0)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(weight)
    return _in_batches(model, frames, scaling, rows, size)
