"""All models of the registry in tables: what they are and take, what they have heard, what of them was run."""

import pandas as pd

from crosscorpus.book.corpus_table import BENCHMARKS
from crosscorpus.book.score_tables import WORDS
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import availability, store
from crosscorpus.models import model_registry, model_sizes
from crosscorpus.models.model_registry import Model


def listed() -> list[Model]:
    """Return the models that are shown: all but untrained twins, in the order of the registry."""
    return [model for model in model_registry.registry().values() if not model.twin_of]


def models(source: str) -> pd.DataFrame:
    """Return all models, a row each, as a reader wants to see them.

    Parameters
    ----------
    source
        Where embeddings are looked for: "pack", "audio" or "any".

    Returns
    -------
    Columns: ptm (id), used by, family, run on (how many corpora), dimension, layers, size (M), memory (GB),
    and in half precision after a slash where that is possible, download (GB), heard (corpora of this project),
    licence, get it (a command). What is not known is missing.
    """
    rows = []
    for model in listed():
        count = float("nan") if model.parameters is None else model.parameters
        rows.append(
            {
                "ptm": model.id,
                "used by": ", ".join(["the paper"] * model.in_paper + [BENCHMARKS[p] for p in model.in_protocols]),
                "family": model.family,
                "run on": sum(availability.is_stored(model.id, c, source) for c in corpus_registry.ids()),
                "dimension": model.dimension,
                "layers": model.layers,
                "size (M)": count / 1e6,
                "memory (GB)": _memory(model),
                "download (GB)": (model.bytes or float("nan")) / 1e9,
                "heard": _heard(model),
                "licence": model.licence,
                "get it": how(model),
            }
        )
    return pd.DataFrame(rows).astype({"layers": "Int64"})


def _memory(model: Model) -> str:
    if model.parameters is None:
        return "–"
    names = ["float32"] if model.loader in ("speaker", "trillsson") else ["float32", "bfloat16"]
    return " / ".join(f"{model.parameters * model_sizes.BYTES[name] / 1e9:.2f}" for name in names)


def how(model: Model) -> str:
    """Return what gets a model, in words with the command."""
    if model.loader == "elsewhere":
        return f"embeddings made elsewhere: `{store.command(model.id, 'CORPUS')}`"
    if model.needs:
        return f"`make {model.needs}`"
    if model.home == "none":
        return "nothing to get"
    return f"`python -m crosscorpus.embeddings.downloads {model.id}`"


def _heard(model: Model) -> str:
    corpora = model.trained_on.get("corpora", {})
    if not corpora:
        return "none" if model.trained_on.get("complete") else model_registry.UNKNOWN
    many = f"{len(corpora)} corpora" if len(corpora) > 4 else ", ".join(map(corpus_registry.corpus_name, corpora))
    return many if model.trained_on.get("complete") else f"{many}; others are {model_registry.UNKNOWN}"


def trained_on() -> pd.DataFrame:
    """Return what each model was trained on before: in words, whether all of it is public, and the source."""
    rows = [
        {
            "ptm": model.id,
            "trained on": model.trained_on.get("what", model_registry.UNKNOWN),
            "all of it is public": "yes" if model.trained_on.get("complete") else "no",
            "stated at": model.trained_on.get("source", "").replace(
                "the model's card, under `source`", model.source
            ),
        }
        for model in listed()
    ]
    return pd.DataFrame(rows)


def heard() -> pd.DataFrame:
    """Return the corpora that models have heard before: a row for each model and use, with the corpora's names."""
    rows = []
    for model in listed():
        corpora = model.trained_on.get("corpora", {})
        for use in model_registry.USED:
            names = [corpus_registry.corpus_name(corpus) for corpus, how in corpora.items() if how == use]
            if names:
                rows.append({"ptm": model.id, "what was used": WORDS[use], "corpora": ", ".join(names)})
    return pd.DataFrame(rows, columns=["ptm", "what was used", "corpora"])


def issues() -> pd.DataFrame:
    """Return what is not known of models, or wrong: a row for each."""
    rows = [{"ptm": model.id, "issue": issue} for model in listed() for issue in model.known_issues]
    return pd.DataFrame(rows, columns=["ptm", "issue"])


def summary() -> str:
    """Say in two sentences how many models there are, which can be run, and how many need nothing fetched."""
    run = [model for model in listed() if model.loader != "elsewhere"]
    free = [model.name for model in run if model.home == "none" and not model.needs]
    return (
        f"{len(listed())} models are listed, of which {len(run)} can be run here; of the others, embeddings made "
        f"elsewhere can be added. Nothing has to be fetched for {', '.join(free)}."
    )
