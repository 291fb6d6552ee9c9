"""Settings of a protocol with values, origins and reasons: the paper's, `data/protocol.yaml`, or another's file.

A variant is a small YAML file of settings that replace those values, such as `profiles/variants/no-scaling.yaml`.
"""

import copy
import functools
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from crosscorpus.base import known_names, paths, ranges
from crosscorpus.corpora import corpus_registry

Protocol = dict[str, Any]


def of_paper() -> Path:
    """Return the file of the paper's own protocol."""
    return paths.DATA / "protocol.yaml"


def entries(file: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the entries of a file of settings, by default the paper's: its head explains their fields."""
    return copy.deepcopy(_parsed((file or of_paper()).read_bytes()))


@functools.cache
def _parsed(text: bytes) -> dict[str, dict[str, Any]]:
    # Settings are asked for some hundred times in a run, and parsing takes 50 ms.
    return yaml.safe_load(text)


def load(overrides: str | dict[str, Any] = "", file: Path | None = None) -> Protocol:
    """Return the values of all settings.

    Parameters
    ----------
    overrides
        Values that replace the file's: a dict, or text such as "epochs=5,dropout=0.5". A list is written with
        spaces or commas: "fcn_widths=256 90" or "fcn_widths=256,90,epochs=5"; after a setting that is a list, a
        part without "=" goes on with it. A part that ends in ".yaml" is a file with such values, below the
        project's root or the present folder: "profiles/variants/no-scaling.yaml,epochs=5". What comes later wins.
    file
        Of the settings and their defaults; None for the paper's.

    Raises
    ------
    known_names.UnknownNameError
        A setting, or a choice such as a scaling, of that name does not exist.
    ValueError
        A value has another type than the one it replaces or is not in its range (`allowed` in the file), or the
        text or a file cannot be read. The message names setting, value and range.
    FileNotFoundError
        There is no such file.
    """
    known = _parsed((file or of_paper()).read_bytes())  # only read: a copy of all takes longer than the rest
    values = {name: copy.deepcopy(entry["value"]) for name, entry in known.items()}
    changes = overrides if isinstance(overrides, dict) else _from_text(overrides, values)
    for name, value in changes.items():
        default = values[known_names.check(name, values, "setting")]
        as_text = type(value) in (int, float) and "pattern" in known[name]["allowed"]  # a layer by its number
        values[name] = str(value) if as_text else _like(name, value, default)
        _check(name, values[name], known[name]["allowed"])
    if "n_folds" in known and values["n_folds"] != known["n_folds"]["value"]:
        raise ValueError(
            "setting n_folds: folds are committed; change it in data/protocol.yaml and run `make folds`"
        )
    if "emotions" in known:
        known_names.check_all(values["emotions"], corpus_registry.emotions(), "emotion")
    return values


def _check(name: str, value: Any, allowed: dict[str, Any]) -> None:
    if "enum" in allowed:
        known_names.check(value, allowed["enum"], name)
    elif what := ranges.wrong(value, allowed):
        raise ValueError(f"setting {name}: {what}")


def _like(name: str, value: Any, default: Any) -> Any:
    # A value of the type that the default has; a whole number will do for a float.
    if isinstance(default, list):
        if isinstance(value, list) and value:
            return [_like(name, item, default[0]) for item in value]
    elif isinstance(default, float) and type(value) is int:
        return float(value)
    elif type(value) is type(default):
        return value
    raise ValueError(f"setting {name}: {value!r} is no {type(default).__name__} such as {default!r}")


def _from_text(text: str, defaults: Protocol) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    goes_on = ""  # the list that a part without "=" goes on with
    for part in _parts(text):
        if _is_file(part):
            changes |= _from_file(_find(part), defaults)
            goes_on = ""
            continue
        if goes_on and "=" not in part:
            changes[goes_on] += [_number_or_text(v) for v in part.split()]
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"override {part!r} has no '='; write it as name=value, or name a .yaml file")
        is_list = isinstance(defaults.get(name), list)
        changes[name] = [_number_or_text(v) for v in value.split()] if is_list else _number_or_text(value)
        goes_on = name if is_list else ""
    return changes


def files(overrides: str) -> list[Path]:
    """Return the files of settings that overrides name; see `load`."""
    return [_find(part) for part in _parts(overrides) if _is_file(part)]


def _parts(text: str) -> list[str]:
    return [part for part in (p.strip() for p in text.split(",")) if part]


def _is_file(part: str) -> bool:
    return "=" not in part and part.endswith((".yaml", ".yml"))


def _find(name: str) -> Path:
    for folder in (paths.ROOT, Path.cwd()):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name}: no such file of settings below {paths.ROOT} or {Path.cwd()}; those of the project are in "
        "profiles/variants/"
    )


def _from_file(file: Path, defaults: Protocol) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(
            f"{paths.shown(file)}: not YAML ({error}); write one setting a line, name: value"
        ) from error
    if not isinstance(values, dict):
        raise ValueError(f"{paths.shown(file)}: holds no settings; write one a line, name: value")
    for name in values:
        known_names.check(name, defaults, f"setting of {paths.shown(file)}")
    return values


def used_by(values: Protocol, head: str, kind: str) -> Protocol:
    """Return the settings that a head can depend on: those of all, of its kind (heads or baselines), and its own.

    The field `of` in `data/protocol.yaml` says whose a setting is. Training gets no others, so that none can
    change a result whose name in the store does not have it.
    """
    known = entries()
    return Settings({name: v for name, v in values.items() if known[name].get("of") in (None, kind, head)})


class Settings(dict[str, Any]):
    """Settings of one head; asking for another one's is an error that says where it is declared."""

    def __missing__(self, name: str) -> Any:
        """Raise the error for a setting that is not among these."""
        raise KeyError(f"setting {name} is not this head's: see the field `of` in data/protocol.yaml")


def changes(values: Protocol) -> Protocol:
    """Return those of some settings that differ from `data/protocol.yaml`."""
    defaults = load()
    return {name: value for name, value in values.items() if value != defaults[name]}


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def table(overrides: str | dict[str, Any] = "", file: Path | None = None) -> pd.DataFrame:
    """Return the settings as a table [setting, value, origin, why]; parameters as of `load`.

    The origin is "paper", "this project", or "this run" for an overridden value.
    """
    values, rows = load(overrides, file), []
    for name, entry in entries(file).items():
        origin = "paper" if entry["stated"] else "this project"
        value = values[name] if isinstance(values[name], list) else [values[name]]
        if isinstance(values[name], dict):
            value = [f"{key}: {one}" for key, one in values[name].items()]
        # As text, all digits of it: a table rounds numbers, and a learning rate of 0.001 would be shown as 0.0.
        shown = ", ".join(str(one) for one in value)
        rows.append((name, shown, origin if values[name] == entry["value"] else "this run", entry["why"].strip()))
    return pd.DataFrame(rows, columns=["setting", "value", "origin", "why"])


DEALT = ("stratified", "speaker")
"""Regimes whose folds this project deals, and commits."""
CROSSED = ("speaker-text", "speaker-matched")
"""Regimes that part speakers and texts at once, and their control of equal size; see `text_disjoint`."""
REGIMES = (*DEALT, *CROSSED, "official")
"""All regimes: the last has the split that was published of a corpus, see `official_splits`."""
