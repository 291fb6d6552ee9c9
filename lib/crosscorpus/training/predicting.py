"""Predict the emotion of recordings, and say what the prediction is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.corpora.utterance_tables import Scan
from crosscorpus.embeddings import availability, loose_embeddings, store, store_folders
from crosscorpus.models import model_registry, weights
from crosscorpus.scores import calibration
from crosscorpus.training import kept_heads, training_sets, unheard, unlikeness

FIRST = ["recording", "emotion", "sure"]
LAST = ["unlike", *unlikeness.MEASURES, "problem", "remedy"]
LEAST_CAUGHT = 90.0
"""Percent of sounds that are no speech which the warning of the default model catches, where any does."""


@dataclass(frozen=True)
class Ready:
    """A head that is ready to predict, and all that is known of it.

    Attributes
    ----------
    ptm, head, trained_on, emotions
        What it is.
    n_trained_on
        Utterances of each emotion that it was trained on, by corpus: emotions as columns.
    evidence, scores
        See `unheard.gather` and `unheard.scores`.
    temperature, fitted_on
        By which its probabilities are softened, and the corpora that it fits best, none of which was heard; none
        where it was fitted on what was held out at home.
    known, warning
        See `unlikeness.know` and `unlikeness.worth`, of all corpora that it was trained or tested on.
    """

    ptm: str
    head: str
    trained_on: tuple[str, ...]
    emotions: tuple[str, ...]
    n_trained_on: pd.DataFrame
    evidence: unheard.Evidence
    scores: pd.DataFrame
    temperature: float
    fitted_on: list[str]
    known: unlikeness.Known
    warning: pd.DataFrame


def ready(
    ptm: str,
    corpora: Sequence[str] = (),
    head: str = "fcn",
    overrides: str = "",
    *,
    source: str = "any",
    mirror: str | None = None,
) -> Ready:
    """Find or train a head and its like for corpora that it never heard.

    Parameters
    ----------
    ptm, head
        Model and head, by id.
    corpora
        What it is trained on; none for all of the pack.
    overrides
        Changed settings; see `protocol_settings.load`.
    source
        Of the embeddings; see `store.load`.
    mirror
        Folder of local copies; see `paths.mirror`.

    Raises
    ------
    model_registry.NotAvailableError
        The model cannot be run here; the message says what it needs.
    store_folders.NotStoredError
        Embeddings of a corpus are not here; the message has the command that makes them.
    store_folders.StoredWrongError
        The model's weights here are others than those that the stored embeddings were made with.
    guard_parts.GuardError
        The corpora have fewer than two emotions to tell apart.
    """
    settings = kept_heads.settings_of(head, overrides)
    chosen = training_sets.stored(ptm, corpora, source)
    others = store.available([ptm], set(store_folders.packed_corpora()) - {e.corpus for e in chosen}, source)
    for e in (*chosen, *others.values()):
        _check_weights(e, mirror)
    every = training_sets.gather([*chosen, *others.values()], settings["emotions"])
    given = every.of([e.corpus for e in chosen])
    if len(given.emotions) < 2:
        given = training_sets.gather(chosen, settings["emotions"])  # whose error says so
    evidence = unheard.gather(head, given, every, settings)
    t, fitted_on = unheard.temperature(evidence)
    counts = pd.crosstab(given.rows["corpus"], given.rows["emotion"])
    kinds, sounds = loose_embeddings.of_other_sounds(ptm, mirror)
    return Ready(
        ptm,
        head,
        given.corpora,
        given.emotions,
        counts.reindex(index=list(given.corpora), columns=list(given.emotions)),
        evidence,
        unheard.scores(evidence, every.rows),
        t,
        fitted_on,
        unlikeness.know(every.X, every.rows, sounds),
        unlikeness.worth(every.X, every.rows, sounds, kinds),
    )


def _check_weights(e: store.Embeddings, mirror: str | None) -> None:
    if weights.are_others(e.ptm, e.metadata.get("weights_sha256"), mirror):
        raise store_folders.StoredWrongError(
            f"{model_registry.get(e.ptm).name}: its weights in {weights.find(e.ptm, mirror)} are others than "
            f"those that made the stored embeddings of {e.corpus}: recordings would not be comparable with them; "
            f"fetch the model again (python -m crosscorpus.embeddings.downloads {e.ptm})"
        )


def candidates(corpora: Sequence[str] = (), mirror: str | None = None) -> list[str]:
    """Return the models that recordings can be read with here, and nothing need be fetched: trained ones alone.

    Those of the book that have embeddings of all corpora that are named, or of the pack's where none is; whose
    library is installed; and whose weights, if there are any, are in the mirror or in a cache.
    """
    wanted = list(corpora) or store_folders.packed_corpora()
    return [
        ptm
        for ptm in model_registry.of_this_book()
        if not model_registry.get(ptm).twin_of
        and not model_registry.is_made_elsewhere(ptm)
        and availability.needs_of_model(ptm, mirror) == ""
        and (all if corpora else any)(store_folders.may_hold(ptm, corpus) for corpus in wanted)
    ]


def check_can_run(ptm: str, mirror: str | None = None) -> None:
    """Check that recordings can be read with a model here, before anything long begins.

    Raises
    ------
    known_names.UnknownNameError
        There is no such model.
    model_registry.NotAvailableError
        It cannot be run here; the message says what it needs.
    """
    if needs := availability.needs_of_model(ptm, mirror):
        raise model_registry.NotAvailableError(
            f"{model_registry.get(ptm).name} cannot be run here; it needs {needs}"
        )


def best(
    corpora: Sequence[str] = (),
    head: str = "fcn",
    overrides: str = "",
    *,
    mirror: str | None = None,
    workers: int = 0,
) -> tuple[Ready, pd.DataFrame]:
    """Return the head on the best model of `candidates`, and how they compare.

    Best is the highest mean UAR over corpora that the heads never heard, of the models whose warning catches
    `LEAST_CAUGHT` of sounds that are no speech (of all, where none does); where none can be compared, the first.

    Returns
    -------
    The head, and a row for each candidate: ptm, uar, n (corpora), false_alarms, caught (see `unlikeness.rates`),
    chosen.

    Raises
    ------
    model_registry.NotAvailableError
        There is no candidate.
    """
    found = candidates(corpora, mirror)
    if not found:
        raise model_registry.NotAvailableError(
            f"no model with embeddings of {', '.join(corpora) or 'the pack'} can be run here without a download; "
            "fetch one (python -m crosscorpus.embeddings.downloads whisper-base), or name other corpora"
        )
    each = [ready(ptm, corpora, head, overrides, mirror=mirror) for ptm in found]
    table = pd.DataFrame([_compared(one) for one in each])
    warns = table["caught"] >= LEAST_CAUGHT
    uar = table["uar"].where(warns | ~warns.any()).to_numpy(dtype=float)
    first = int(np.nanargmax(uar)) if not np.isnan(uar).all() else 0
    return each[first], table.assign(chosen=[number == first for number in range(len(found))])


def _compared(one: Ready) -> dict[str, str | float | int]:
    mean = unheard.mean(one.scores, one.evidence.head.emotions)
    false_alarms, caught = unlikeness.rates(one.warning)
    uar, n = (mean["uar"], int(mean["n"])) if mean else (np.nan, 0)
    return {"ptm": one.ptm, "uar": uar, "n": n, "false_alarms": false_alarms, "caught": caught}


def of_recordings(
    head: Ready, scan: Scan, root: Path, folder: Path, *, mirror: str | None = None, workers: int = 0
) -> pd.DataFrame:
    """Return what a head says of recordings.

    Parameters
    ----------
    head
        See `ready`.
    scan, root
        Recordings and the folder that paths count from; see `loose_recordings`.
    folder
        Where their embeddings are kept.

    Returns
    -------
    A row for each recording, those that cannot be used too, in the order of their paths: `FIRST`, with the most
    probable emotion and its calibrated probability in percent; `p_<emotion>`, calibrated probabilities (0 to 1);
    and `LAST`: what is unlike known speech, in words and by each of `unlikeness.MEASURES`; why a recording cannot
    be used; and what to do about it.
    """
    bad = scan.problems.rename(columns={"path": "recording", "reason": "problem"}).drop(columns="corpus")
    good = scan.utterances.merge(scan.quality, on=["corpus", "utterance"], validate="one_to_one")
    X = loose_embeddings.embed(head.ptm, scan.utterances, root, folder, mirror=mirror, workers=workers)
    finite = np.isfinite(X).all(axis=1)
    lost = good.loc[~finite, ["utterance"]].rename(columns={"utterance": "recording"})
    lost = lost.assign(problem="the model gives it no finite embedding", remedy="listen to it, or leave it out")
    good, X = good[finite].reset_index(drop=True), X[finite]
    columns = [*FIRST, *(f"p_{emotion}" for emotion in head.emotions), *LAST]
    parts = [bad, lost]
    if len(good):
        p = calibration.with_temperature(head.evidence.head.probabilities(X), head.temperature)
        table = pd.DataFrame(p, columns=[f"p_{emotion}" for emotion in head.emotions])
        said = {
            "recording": good["utterance"],
            "emotion": np.array(head.emotions)[p.argmax(axis=1)],
            "sure": 100 * p.max(axis=1),
        }
        parts.append(
            pd.concat(
                [table.assign(**said), unlikeness.measured(head.known, X, good["seconds"].to_numpy())], axis=1
            )
        )
    whole = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    whole = whole.reindex(columns=columns)
    text = {name: whole[name].astype(object).fillna("") for name in ("emotion", "unlike", "problem", "remedy")}
    return whole.assign(**text).sort_values("recording", ignore_index=True)
