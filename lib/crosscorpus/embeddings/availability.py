"""Which embeddings there are, which there are not, and what those would take."""

import importlib.util
import itertools
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from crosscorpus.base import added_files
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import corpus_scans, store, store_folders
from crosscorpus.models import hidden_states, model_registry, weights

RUN = "run"
NOT_YET = "not yet run"


def needs_of_corpus(corpus: str, mirror: str | None = None) -> str:
    """Return what it takes to read a corpus's audio, or "" where it is here."""
    if corpus_scans.audio_root(corpus, mirror):
        return ""
    if corpus_registry.get(corpus).table is not None:
        return f"audio: none of the files that {corpus_registry.get(corpus).home} names is here"
    return (
        f"audio: `python -m crosscorpus.embeddings.downloads {corpus}`, or corpora/{corpus}/ of the mirror folder"
    )


def needs_of_model(ptm: str, mirror: str | None = None) -> str:
    """Return what it takes to run a model, or "" where all is here."""
    model = model_registry.get(ptm)
    if model_registry.is_made_elsewhere(ptm):
        return f"embeddings made elsewhere: `{store.command(ptm, 'CORPUS')}`"
    if model.needs and importlib.util.find_spec(model.needs) is None:
        return f"the package {model.needs}: `make {model.needs}`"
    if model.home == "none" or weights.find(ptm, mirror):
        return ""
    return f"weights: `python -m crosscorpus.embeddings.downloads {ptm}`, or weights/{ptm}/ of the mirror folder"


def commands(ptm: str, corpus: str) -> list[str]:
    """Return the commands that fetch a model and a corpus, where they can be fetched, and make the embeddings."""
    model, make = model_registry.get(ptm), store.command(ptm, corpus)
    if model_registry.is_made_elsewhere(ptm):
        return [make]
    fetched = corpus if model.home == "none" else f"{ptm} {corpus}"
    package = [f"make {model.needs}"] if model.needs else []
    return [*package, f"python -m crosscorpus.embeddings.downloads {fetched}", make]


def needed_root(corpus: str, mirror: str | None = None) -> Path:
    """Return the folder with a corpus's audio; see `corpus_registry.find`.

    Raises
    ------
    model_registry.NotAvailableError
        It is not here; the message says what is needed.
    """
    root = corpus_registry.find(corpus, mirror)
    if root is None:
        entry = corpus_registry.get(corpus)
        raise model_registry.NotAvailableError(
            f"{entry.name}: no audio; `python -m crosscorpus.embeddings.downloads {corpus}` fetches it, or put it "
            f"into corpora/{corpus}/ of the mirror folder ({entry.home})"
        )
    return root


def can_extract(ptm: str, corpus: str, mirror: str | None = None) -> bool:
    """Return whether a corpus's audio and all that a model needs are here."""
    return [needs_of_model(ptm, mirror), needs_of_corpus(corpus, mirror)] == ["", ""]


def overview(ptms: Iterable[str], corpus_ids: Iterable[str], source: str) -> pd.DataFrame:
    """Return which (model, corpus) pairs have embeddings: models as rows, corpora as columns."""
    ids = list(corpus_ids)
    rows = {
        model_registry.get(ptm).name: [RUN if is_stored(ptm, c, source) else NOT_YET for c in ids] for ptm in ptms
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[corpus_registry.get(c).name for c in ids])


def models_run(corpus_ids: Iterable[str], source: str) -> list[str]:
    """Return the models with embeddings of any of some corpora."""
    ids = list(corpus_ids)
    return [ptm for ptm in model_registry.registry() if any(is_stored(ptm, c, source) for c in ids)]


def made_elsewhere(corpus_ids: Iterable[str]) -> list[str]:
    """Return the models whose embeddings of any of some corpora were made elsewhere, and added."""
    return sorted({file.parent.name for corpus in corpus_ids for file in added_files.files(corpus=corpus)})


def is_stored(
    ptm: str,
    corpus: str,
    source: str,
    layer: str = hidden_states.LAST,
    pooling: str = "",
    dtype: str = "float32",
) -> bool:
    """Return whether the embeddings of a corpus by a model are stored; for the arguments see `store.load`."""
    if not store_folders.may_hold(ptm, corpus):
        return False
    try:
        store.load(ptm, corpus, source, pooling, dtype, layer)
    except store_folders.NotStoredError:
        return False
    return True


def needed(ptms: Iterable[str], corpus_ids: Iterable[str], source: str, mirror: str | None = None) -> pd.DataFrame:
    """Return what the corpora, models and pairs that were not run need, a row each: kind, name, needs."""
    ptms, ids = list(ptms), list(corpus_ids)
    table = overview(ptms, ids, source) == NOT_YET
    corpora_run = {c for c in ids if not table[corpus_registry.get(c).name].all()}
    models_run = {ptm for ptm in ptms if not table.loc[model_registry.get(ptm).name].all()}
    rows = [
        ("corpus", corpus_registry.get(c).name, needs_of_corpus(c, mirror)) for c in ids if c not in corpora_run
    ]
    rows += [("model", model_registry.get(p).name, needs_of_model(p, mirror)) for p in ptms if p not in models_run]
    for ptm, corpus in itertools.product(ptms, ids):
        model, name = model_registry.get(ptm).name, corpus_registry.get(corpus).name
        if ptm in models_run and corpus in corpora_run and table.loc[model, name]:
            needs = [needs_of_model(ptm, mirror)]
            if model_registry.is_made_elsewhere(ptm):
                needs = [f"embeddings made elsewhere: `{store.command(ptm, corpus)}`"]
            else:
                needs.append(needs_of_corpus(corpus, mirror))
            rows.append(("pair", f"{model} on {name}", "; ".join(filter(None, needs))))
    rows = [(kind, name, needs or "nothing more: `make paper` runs it") for kind, name, needs in rows]
    return pd.DataFrame(rows, columns=["kind", "name", "needs"])
