"""Which protocols there are: a module of `crosscorpus.protocols.known` and a file of settings each."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pandas as pd

from crosscorpus.base import known_names, paths
from crosscorpus.protocols import known, protocol_settings
from crosscorpus.protocols.protocol_parts import PARTS, Protocol


def names() -> list[str]:
    """Return the ids of all protocols."""
    return sorted(module.name for module in pkgutil.iter_modules(known.__path__))


def _module(name: str) -> Any:
    known_names.check(name, names(), "protocol")
    return importlib.import_module(f"{known.__name__}.{name}")


def file(name: str) -> Path:
    """Return the settings of a protocol: `data/protocols/<name>.yaml`, or the file that its module names."""
    own: Path | None = getattr(_module(name), "FILE", None)
    return own or paths.DATA / "protocols" / f"{name}.yaml"


def code(name: str) -> Path:
    """Return the source file of a protocol's module."""
    return Path(_module(name).__file__)


def load(name: str, overrides: str | dict[str, Any] = "") -> Protocol:
    """Return a protocol with its settings; `overrides` as for `protocol_settings.load`.

    Raises
    ------
    known_names.UnknownNameError
        There is no such protocol, or no such setting of it.
    ValueError
        A value is not of its type or not in its range; see `protocol_settings.load`.
    """
    module = _module(name)
    return module.parts(protocol_settings.load(overrides, file(name)))


def settings(name: str, overrides: str | dict[str, Any] = "") -> pd.DataFrame:
    """Return the settings of a protocol by part: part, setting, value, origin, why."""
    table = protocol_settings.table(overrides, file(name))
    of = {setting: entry["part"] for setting, entry in protocol_settings.entries(file(name)).items()}
    table.insert(0, "part", pd.Categorical(table["setting"].map(of), PARTS, ordered=True))
    return table.sort_values("part", kind="stable", ignore_index=True).astype({"part": str})
