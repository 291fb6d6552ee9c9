"""What has been run, what has not, and what that would take."""

import importlib.util
import itertools
from collections.abc import Iterable

import pandas as pd

from crosscorpus import corpora, extractors, store, weights

RUN = "run"
NOT_YET = "not yet run"


def needs_of_corpus(corpus: str, mirror: str | None = None) -> str:
    """Return what it takes to read a corpus's audio, or "" where it is here."""
    if corpora.find(corpus, mirror):
        return ""
    return f"audio: `python -m crosscorpus.downloads {corpus}`, or corpora/{corpus}/ of the mirror folder"


def needs_of_model(ptm: str, mirror: str | None = None) -> str:
    """Return what it takes to run a model, or "" where all is here."""
    model = extractors.get(ptm)
    if model.needs and importlib.util.find_spec(model.needs) is None:
        return f"the package {model.needs}: `make {model.needs}`"
    if model.home == "none" or weights.find(ptm, mirror):
        return ""
    return f"weights: `python -m crosscorpus.downloads {ptm}`, or weights/{ptm}/ of the mirror folder"


def can_extract(ptm: str, corpus: str, mirror: str | None = None) -> bool:
    """Return whether a corpus's audio and all that a model needs are here."""
    return [needs_of_model(ptm, mirror), needs_of_corpus(corpus, mirror)] == ["", ""]


def overview(ptms: Iterable[str], corpus_ids: Iterable[str], source: str) -> pd.DataFrame:
    """Return which (model, corpus) pairs have embeddings: models as rows, corpora as columns."""
    ids = list(corpus_ids)
    rows = {extractors.get(ptm).name: [RUN if is_stored(ptm, c, source) else NOT_YET for c in ids] for ptm in ptms}
    return pd.DataFrame.from_dict(rows, orient="index", columns=[corpora.get(c).name for c in ids])


def models_run(corpus_ids: Iterable[str], source: str) -> list[str]:
    """Return the models with embeddings of any of some corpora."""
    ids = list(corpus_ids)
    return [ptm for ptm in extractors.registry() if any(is_stored(ptm, c, source) for c in ids)]


def is_stored(ptm: str, corpus: str, source: str) -> bool:
    """Return whether the embeddings of a corpus by a model are stored."""
    try:
        store.load(ptm, corpus, source)
    except store.NotStoredError:
        return False
    return True


def needed(ptms: Iterable[str], corpus_ids: Iterable[str], source: str, mirror: str | None = None) -> pd.DataFrame:
    """Return what the corpora, models and pairs that were not run need, a row each: kind, name, needs."""
    ptms, ids = list(ptms), list(corpus_ids)
    table = overview(ptms, ids, source) == NOT_YET
    corpora_run = {c for c in ids if not table[corpora.get(c).name].all()}
    models_run = {ptm for ptm in ptms if not table.loc[extractors.get(ptm).name].all()}
    rows = [("corpus", corpora.get(c).name, needs_of_corpus(c, mirror)) for c in ids if c not in corpora_run]
    rows += [("model", extractors.get(p).name, needs_of_model(p, mirror)) for p in ptms if p not in models_run]
    for ptm, corpus in itertools.product(ptms, ids):
        model, name = extractors.get(ptm).name, corpora.get(corpus).name
        if ptm in models_run and corpus in corpora_run and table.loc[model, name]:
            needs = [needs_of_model(ptm, mirror), needs_of_corpus(corpus, mirror)]
            rows.append(("pair", f"{model} on {name}", "; ".join(filter(None, needs))))
    rows = [(kind, name, needs or "nothing more: `make paper` runs it") for kind, name, needs in rows]
    return pd.DataFrame(rows, columns=["kind", "name", "needs"])
