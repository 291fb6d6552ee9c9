"""Models that nothing here runs: their embeddings are made elsewhere, and added."""

from pathlib import Path

from crosscorpus.models import extractor_types, model_registry

POOLINGS = {"clip": "one vector an utterance, however it was made elsewhere"}


def load(
    model: model_registry.Model, weights: Path | None, pooling: str, device: str, dtype: str
) -> extractor_types.Extractor:
    """Refuse; see `loading.load`.

    Raises
    ------
    NotAvailableError
        Always: it says how embeddings are added.
    """
    raise model_registry.NotAvailableError(
        f"nothing here runs {model.name}; add embeddings of it that were made elsewhere: "
        f"`python -m crosscorpus.embeddings add FILE --model {model.id} --corpus CORPUS`"
    )
