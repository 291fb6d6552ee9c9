"""What a stored file of predictions was made of, put together again from the embeddings that are here."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from crosscorpus.base import known_names, table_files
from crosscorpus.embeddings import store, store_folders
from crosscorpus.protocols import official_splits, protocol_settings
from crosscorpus.training import baselines, heads, prediction_files, unit_of_work


class NotTheSameError(ValueError):
    """Predictions that cannot be made of what is here; the message says why."""


def of_file(file: Path, name: str) -> tuple[unit_of_work.Unit, str, pd.DataFrame]:
    """Return the unit of work of a file of predictions, its device, and the predictions, checked.

    Parameters
    ----------
    file
        Where it is.
    name
        Its place below the folder of predictions: `<model>/<corpus>/<what>-<key>.parquet`.

    Raises
    ------
    NotTheSameError
        It is no file of predictions; or the embeddings, folds, settings, code and libraries that are here would
        give it another key; or its utterances, their emotions and their folds are not those of the unit.
    """
    try:
        record = table_files.read_record(file)
        predictions = pd.read_parquet(file)
        keys = {column: predictions[column].unique() for column in unit_of_work.UNIT}
        tests = [str(corpus) for corpus in predictions["test_corpus"].unique()]
        (ptm,), (head,), (regime,), (seed,), (train_corpus,) = (keys[column] for column in unit_of_work.UNIT)
        known_names.check(head, [*heads.HEADS, *baselines.BASELINES], "head")
        protocol = {**protocol_settings.load(), **record["protocol"]}
        device = str(record["device"]).partition(" ")[0]
    except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
        raise NotTheSameError(f"{name}: no file of predictions of this project ({error})") from error
    reasons = []
    for source in ("any", "audio"):
        try:
            named = dict.fromkeys([train_corpus, *tests])
            here = {corpus: store.load(ptm, corpus, source, layer=protocol["layer"]) for corpus in named}
            unit = unit_of_work.Unit(
                head, regime, int(seed), here[train_corpus], [here[corpus] for corpus in tests], protocol
            )
            if str(prediction_files.of_unit(unit, {}, device)[0]).endswith(f"/{name}"):
                _check_rows(unit, predictions, name)
                return unit, device, predictions
            reasons.append("made of other embeddings, utterances, folds, settings, code or libraries than here")
        except NotTheSameError:
            raise
        except (store_folders.NotStoredError, ValueError, RuntimeError, KeyError) as error:
            reasons.append(str(error))
    raise NotTheSameError(f"{name}: {reasons[0]}")


def _check_rows(unit: unit_of_work.Unit, predictions: pd.DataFrame, name: str) -> None:
    """Check that predictions are of the unit's test utterances, once each, with probabilities."""
    emotions = unit_of_work.classes(unit.trained_on, unit.regime, unit.protocol)
    expected = [
        unit_of_work.with_folds(test, unit.regime, emotions)[0][["corpus", "utterance", "emotion", "fold"]]
        for test in unit.tests
    ]
    columns = ["test_corpus", "utterance", "emotion", "fold"]
    wanted = pd.concat(expected).set_axis(columns, axis=1).sort_values(columns, ignore_index=True)
    wanted = wanted[wanted["fold"] > official_splits.TRAINING].reset_index(drop=True)  # what is tested
    found = predictions[columns].sort_values(columns, ignore_index=True)
    if not wanted.astype(str).equals(found.astype(str)):
        raise NotTheSameError(
            f"{name}: its utterances, emotions and folds are not those of {unit.regime} folds here"
        )
    probabilities = predictions.reindex(columns=[f"p_{emotion}" for emotion in emotions])
    if (
        not (probabilities.sum(axis=1) - 1).abs().lt(1e-3).all()
        or not predictions["predicted"].isin(emotions).all()
    ):
        raise NotTheSameError(
            f"{name}: its probabilities are none, or it predicts what is no emotion of the corpus"
        )
