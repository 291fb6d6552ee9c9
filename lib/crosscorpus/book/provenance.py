"""The line at a chapter's end that says where its numbers come from, and the command that makes them again."""

import datetime
import shlex
import types
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from crosscorpus.base import devices, shown_names, versions
from crosscorpus.book import chapters
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings


def command(chapter: str, parameters: types.SimpleNamespace) -> str:
    """Return the papermill command that executes a chapter with these parameters, from the project's root.

    It leaves out `workers`, which are a matter of the machine and change no result.
    """
    parts = ["papermill", f"notebooks/{chapter}.ipynb", "out.ipynb"]
    for name, (_, default) in chapters.declared(chapter).items():
        value = getattr(parameters, name)
        if value != default and name != "workers":
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            parts += ["-p", name, text]
    return shlex.join(parts)


def _weights_of(model: model_registry.Model) -> str:
    return f"{model.name} (`{model.handle}{'@' if model.revision else ''}{model.revision[:12]}`)"


def _settings(parameters: types.SimpleNamespace) -> str:
    changed = protocol_settings.changes(protocol_settings.load(getattr(parameters, "overrides", "")))
    words = [f"{name} {' '.join(map(str, v)) if isinstance(v, list) else v}" for name, v in changed.items()]
    return f"{', '.join(words)}, all else as in the protocol" if words else "as in the protocol"


def footer(
    chapter: str, parameters: types.SimpleNamespace, corpus_ids: Sequence[str] = (), ptms: Sequence[str] = ()
) -> Markdown:
    """Return the provenance line of a chapter.

    Parameters
    ----------
    chapter, parameters
        As given to and returned by `chapters.start`.
    corpus_ids, ptms
        What the chapter's numbers were computed from.
    """
    used = [corpus_registry.get(corpus).name for corpus in corpus_ids]
    models = [_weights_of(model_registry.get(ptm)) for ptm in ptms]
    facts = {
        "Profile": parameters.profile,
        "Corpora": ", ".join(used) or "none",
        "Models": ", ".join(models) or "none",
        "Settings": _settings(parameters),
        "Device": versions.of_device(devices.choose_device("auto")),
        "Commit": f"`{versions.of_commit()}`",
        "Date": datetime.date.today().isoformat(),
    }
    line = " · ".join(f"{name}: {value}" for name, value in facts.items())
    again = command(chapter, parameters)
    return Markdown(f"**Provenance.** {line}\n\nRun this page again:\n\n```sh\n{again}\n```")


def commands(lines: Sequence[str]) -> Markdown:
    """Return commands as the block of a shell."""
    return Markdown("\n".join(["```sh", *lines, "```"]))


IDS: dict[str, Callable[[str], str]] = {
    "ptms": model_registry.model_name,
    "corpora": corpus_registry.corpus_name,
    "head": shown_names.head_name,
    "heads": shown_names.head_name,
}
"""Facts of a study that are identifiers, or lists of them: how they are shown."""


def _embeddings(of: Mapping[str, str]) -> str:
    weights = f", weights {of['weights_sha256'][:12]}" if of["weights_sha256"] else ""
    model, corpus = model_registry.model_name(of["ptm"]), corpus_registry.corpus_name(of["corpus"])
    return f"{model} on {corpus} (pooling {of['pooling']}, {of['device']}{weights})"


def made(facts: Mapping[str, object]) -> pd.DataFrame:
    """Return what made a study as a table for readers: what, value; facts that are empty are left out.

    Parameters
    ----------
    facts
        As in the file `.json` beside a table in data/results/: names, with values, lists, or versions by name.
    """

    def text(name: str, value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {inner}" for key, inner in value.items())
        if name == "embeddings" and isinstance(value, list):
            return "; ".join(map(_embeddings, value))
        if isinstance(value, list):
            return ", ".join(str(IDS.get(name, str)(one)) for one in value)
        if name in IDS:
            return IDS[name](str(value))
        if name == "each":  # 0 is all of them
            return f"{value} of each speaker and emotion" if value else "all"
        if name in ("seconds", "training_s") and isinstance(value, int | float):
            return f"{value / 60:.1f} min"
        return f"`{value}`" if name == "commit" else str(value)

    words = {"ptms": "models", "seconds": "time", "regimes": "folds", "each": "test utterances"}
    words["training_s"] = "training of all heads, processor time"
    rows = [
        (words.get(name, name), text(name, value)) for name, value in facts.items() if value not in ([], "", None)
    ]
    return pd.DataFrame(rows, columns=["what", "value"])
