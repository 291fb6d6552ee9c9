"""What the paper leaves open: the register `data/ambiguities.yaml`, and the runs that follow from it.

Each of its options that can be run is run with everything else at its default, so that a difference is that
option's alone. A few choices are combined in all ways, to see how near to the paper's Table I any combination
comes.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.models import loading, model_registry
from crosscorpus.training import baselines
from crosscorpus.verdict import choice_effects

Entry = dict[str, Any]


@functools.cache
def register() -> Entry:
    """Return `data/ambiguities.yaml`, whose head explains it."""
    return yaml.safe_load((paths.DATA / "ambiguities.yaml").read_text(encoding="utf-8"))


def choices() -> pd.DataFrame:
    """Return the choices, a row each: choice, question, paper, default, why."""
    columns = ["question", "paper", "default", "why"]
    rows = [[choice, *(entry[c].strip() for c in columns)] for choice, entry in register()["choices"].items()]
    return pd.DataFrame(rows, columns=["choice", *columns])


def options() -> pd.DataFrame:
    """Return the options, a row each: choice, option, evidence, and `how` a run is told of it ("" for no way)."""
    rows = []
    for choice, entry in register()["choices"].items():
        for option, given in entry["options"].items():
            how = "default" if option == entry["default"] else _in_words(given.get("run", {}))
            rows.append((choice, option, given["evidence"].strip(), how))
    return pd.DataFrame(rows, columns=["choice", "option", "evidence", "how"])


def _in_words(run: Entry) -> str:
    parts = []
    for name, value in run.items():
        if name == "overrides":
            parts += [f"`overrides` {text}" for text in _texts(value)]
        elif name == "ptm":
            parts += [f"`ptms` {other}" for other in value.values()]
        else:
            parts.append(f"`{ {'regime': 'regimes', 'seed': 'seeds'}.get(name, name) }` {value}")
    return ", ".join(parts)


def _texts(overrides: Entry) -> list[str]:
    return [
        f"{name}={' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in overrides.items()
    ]


def not_run(table: pd.DataFrame) -> pd.DataFrame:
    """Return the options that a table of results has no row of: choice, option, and what running them takes."""
    run = set(zip(table["choice"], table["option"], strict=True))
    rows = []
    for choice, entry in register()["choices"].items():
        for option, given in entry["options"].items():
            if option == entry["default"] or (choice, option) in run:
                continue
            rows.append((choice, option, given.get("needs", "").strip() or f"`{command(choice, given)}`"))
    return pd.DataFrame(rows, columns=["choice", "option", "needs"])


def command(choice: str, option: Entry) -> str:
    """Return the command that runs an option from audio, with the paper's models that it concerns."""
    ptms = [ptm for ptm in model_registry.of_paper() if changed(Setting(ptm, _head(choice)), choice, option)]
    return f"python -m crosscorpus.verdict.sensitivity --source audio --choices {choice!r} --ptms {','.join(ptms)}"


def _head(choice: str) -> str:
    return register()["choices"][choice].get("heads", ["fcn"])[0]


@dataclass(frozen=True)
class Setting:
    """All that decides a result, beside the corpora. "" and 0 stand for a default, and for no permutation."""

    ptm: str
    head: str
    regime: str = "stratified"
    pooling: str = ""
    overrides: str = ""
    permutation: int = 0
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Variant:
    """A setting, and the one that it is compared with: the default, with the same seeds where that can be.

    `study` is one of `STUDIES`. The reference names the block in which the comparison stands; the variant's own
    head or model may be another.
    """

    study: str
    choice: str
    option: str
    setting: Setting
    reference: Setting


def changed(setting: Setting, choice: str, option: Entry) -> Setting | None:
    """Return a setting with an option of a choice; None where it has no run, or is none for the model or head."""
    heads = register()["choices"].get(choice, {}).get("heads", [setting.head])
    run = dict(option.get("run", {}))
    if not run or setting.head not in heads:
        return None
    if "ptm" in run:
        if setting.ptm not in run["ptm"]:
            return None
        run["ptm"] = run["ptm"][setting.ptm]
    if run.get("pooling", "peak") not in loading.poolings(run.get("ptm", setting.ptm)):
        return None
    if "seed" in run:
        run["seeds"] = (run.pop("seed"),)
    if run.get("head") in baselines.BASELINES:
        run["seeds"] = setting.seeds[:1]  # it draws no random numbers
    if "overrides" in run:
        run["overrides"] = ",".join(filter(None, [setting.overrides, *_texts(run["overrides"])]))
    return dataclasses.replace(setting, **run)


def plan(
    ptms: Sequence[str],
    heads: Sequence[str],
    seeds: Sequence[int],
    overrides: str = "",
    only: Iterable[str] | None = None,
) -> list[Variant]:
    """Return what is to be run, for each model and head.

    Parameters
    ----------
    ptms, heads
        Ids of models; "fcn" and "cnn".
    seeds
        Of the default and of controls. Choices and combinations are run with the first: what another seed does is
        a choice of its own, beside which theirs can be seen.
    overrides
        Settings of the default that differ from the protocol's.
    only
        Choices to run, without controls and combinations; None for all.
    """
    known = register()
    chosen = list(known["choices"]) if only is None else known_names.check_all(only, known["choices"], "choice")
    found = []
    for ptm, head in itertools.product(ptms, heads):
        whole = Setting(ptm, head, overrides=overrides, seeds=tuple(seeds))
        one = dataclasses.replace(whole, seeds=whole.seeds[:1])
        found.append(Variant("default", "", "", whole, whole))
        if one != whole:
            found.append(Variant("default", "", choice_effects.FIRST_SEED, one, one))
        for choice in chosen:
            for option, given in known["choices"][choice]["options"].items():
                setting = changed(one, choice, given)
                if setting and setting != one:
                    found.append(Variant("choice", choice, option, setting, one))
        if only is None:
            for control, given in known["controls"].items():
                setting = changed(whole, control, given)
                if setting:
                    found.append(Variant("control", control, "", setting, whole))
            found += _combinations(one)
    return found


def _combinations(default: Setting) -> list[Variant]:
    sides = []
    for choice in register()["combinations"]:
        entry = register()["choices"][choice]
        here = [(choice, o, g) for o, g in entry["options"].items() if o == entry["default"]]
        apart = register().get("not_combined", {}).get(choice, [])
        here += [
            (choice, o, g) for o, g in entry["options"].items() if o not in apart and changed(default, choice, g)
        ]
        sides.append(here)
    found = []
    for together in itertools.product(*sides):
        setting = default
        for choice, _, given in together:
            setting = changed(setting, choice, given) or setting
        name = _named((choice, option) for choice, option, _ in together)
        found.append(Variant("combination", "", name, setting, default))
    return found


def default_combination() -> str:
    """Return the name of the combination in which all choices are at their default."""
    return _named((choice, register()["choices"][choice]["default"]) for choice in register()["combinations"])


def _named(options: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{choice}: {option}" for choice, option in options)
