"""Parameters of chapters and keys of profiles that name something: what, and which names there are."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from crosscorpus.base import devices, known_names, paths, ranges
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import store_folders
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings


class ParameterError(ValueError):
    """A chapter's parameter that cannot be used; the message says what is expected."""


def check_values(values: Mapping[str, Any]) -> None:
    """Check names and ranges of parameters, so that a wrong one does not wait for its turn.

    Raises
    ------
    known_names.UnknownNameError
        A corpus, a model, a head, a regime, a source, a device or a dtype is not known.
    ParameterError
        A value is not in its range (`data/parameters.yaml`), a name is there twice, or there is no CUDA device.
    ValueError
        The overrides cannot be used; see `protocol_settings.load`.
    """
    allowed = yaml.safe_load((paths.DATA / "parameters.yaml").read_text(encoding="utf-8"))
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if name in KNOWN:
                kind, known = KNOWN[name]
                corpus_registry.get(one) if kind == "corpus" else known_names.check(
                    one, known(), kind
                )  # a table is read, too
        if name in allowed and (what := ranges.wrong(value, allowed[name])):
            raise ParameterError(f"parameter {name}: {what}")
    if values.get("device") == "cuda":
        _check_cuda()
    if "overrides" in values:
        protocol_settings.load(values["overrides"])


def _check_cuda() -> None:
    import torch  # heavy, and needed for this device alone

    if not torch.cuda.is_available():
        raise ParameterError("parameter device: 'cuda', but PyTorch sees no CUDA device here; use cpu or auto")


# Imported by name: a page does not change with what a head or a baseline does (`dependencies`), and Keras takes
# seconds, which a page without heads is spared.
def _heads() -> list[str]:
    return [*importlib.import_module("crosscorpus.training.heads").HEADS, *_baselines()]


def _baselines() -> list[str]:
    return list(importlib.import_module("crosscorpus.training.baselines").BASELINES)


KNOWN: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    "corpora": ("corpus", lambda: corpus_registry.ids()),
    "train_corpora": ("corpus", lambda: corpus_registry.ids()),
    "ptms": ("model", lambda: model_registry.registry()),
    "ptm": ("model", lambda: model_registry.registry()),
    "model": ("model", lambda: model_registry.registry()),
    "heads": ("head", _heads),
    "head": ("head", _heads),
    "baselines": ("baseline", _baselines),
    "emotions": ("emotion", corpus_registry.emotions),
    "regimes": ("regime", lambda: protocol_settings.REGIMES),
    "regime": ("regime", lambda: protocol_settings.REGIMES),
    "source": ("source", lambda: store_folders.SOURCES),
    "device": ("device", lambda: devices.DEVICES),
    "dtype": ("dtype", lambda: devices.DTYPES),
}
"""Parameters of chapters, and keys of profiles, that name something: what, and which names there are."""
