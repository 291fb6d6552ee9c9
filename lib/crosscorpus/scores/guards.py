"""Guards: what must not be true of an honest run, looked for in its tables.

Hard guards (`hard_guards`) stop a run with `GuardError`. Soft guards look at predictions (`guards_of_predictions`)
and scores (`guards_of_scores`): each returns a table with `guard_parts.COLUMNS`, a row for each thing that trips
it, and in `attrs["checked"]` how many things it looked at. `check_results` runs them all. `summary` and `mark` put
them on a page.
"""

import pandas as pd

from crosscorpus.scores import (
    count_tables,
    guard_parts,
    guards_of_predictions,
    guards_of_scores,
    guards_of_units,
    metrics,
)

GUARDS = {
    "utterances": ("cell and seed", "test utterances are missing, doubled, unknown, or with another emotion"),
    "probabilities": (
        "test fold",
        "probabilities do not sum to 1, or the prediction is not the largest of those tested",
    ),
    "missing class": ("fold and pair of corpora", "a test fold lacks an emotion that the corpora share"),
    "single class": ("test fold", "every utterance is predicted as the same emotion"),
    "constant": ("test fold", "probabilities are the same for every utterance"),
    "same predictions": ("test fold", "another model's predictions are the same"),
    "same scores": ("cell, all models", "every model has the same accuracy and macro-F1"),
    "loss": ("training", "the loss is not a number or infinite"),
    "at chance": ("training", "accuracy on the training data is no better than guessing, or not known"),
    "validation share": ("training", "more than three tenths of the utterances were held out for early stopping"),
}
"""Soft guards: what each looks at, and when it trips."""


def check_results(
    predictions: pd.DataFrame,
    history: pd.DataFrame,
    utterances: pd.DataFrame,
    found: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Run all soft guards.

    Parameters
    ----------
    predictions
        Table with `unit_of_work.COLUMNS` and `p_<emotion>`, or counts (`count_tables`).
    history
        Learning curves of the same trainings: `UNIT`, fold, epoch, loss, val_loss, train_accuracy, n_train and
        n_validation.
    utterances
        Those that have a fold, of all corpora together, once each: corpus, utterance, emotion.
    found
        With counts: what `guards_of_units.of_rows` says of all units, and `same_predictions` of some folds.

    Returns
    -------
    A table with `COLUMNS`: a row for each thing that trips a guard. Where a guard looks at a group (all models,
    all test corpora), the columns that it does not tell apart are empty. `attrs["checked"]` counts what each guard
    looked at.

    Raises
    ------
    GuardError
        A table is empty, lacks columns or values in them, or there is a corpus without utterances: then guards
        would find nothing because they see nothing.
    """
    needed = guard_parts.TEST_FOLD if found is not None else [*guard_parts.TEST_FOLD, "utterance", "emotion"]
    guard_parts.need_columns(predictions, needed, "the table of predictions")
    guard_parts.need_columns(predictions, ["predicted"], "the table of predictions", may_miss=True)
    if not len(predictions):
        raise guard_parts.GuardError(
            "the table of predictions is empty; there is nothing to guard: run the grid first"
        )
    if found is None:
        slim = _slim(predictions)
        tripped = [
            guards_of_predictions.wrong_utterances(slim, utterances),
            guards_of_predictions.wrong_probabilities(slim, utterances),
            guards_of_predictions.constant(slim),
            guards_of_predictions.same_predictions(slim),
        ]
    else:
        slim = count_tables.rows_by(predictions, "fold")
        tripped = guards_of_units.tripped(found)
    tripped += [
        guards_of_predictions.missing_class(slim, utterances),
        guards_of_predictions.single_class(slim),
        guards_of_scores.same_scores(_scores(slim)),
    ]
    if len(history) or not slim["head"].isin(guards_of_scores.WITHOUT_CURVES).all():  # baselines alone have none
        tripped += [
            guards_of_scores.loss(history),
            guards_of_scores.at_chance(slim, history, utterances),
            guards_of_scores.validation_share(history),
        ]
    tripped = sorted(tripped, key=lambda part: [*GUARDS].index(next(iter(part.attrs["checked"]))))
    together = pd.concat(tripped, ignore_index=True)
    together.attrs["checked"] = {guard: n for part in tripped for guard, n in part.attrs["checked"].items()}
    return together


def summary(tripped: pd.DataFrame) -> pd.DataFrame:
    """Count, for each soft guard that ran, what it looked at and what tripped it.

    Parameters
    ----------
    tripped
        What `check_results`, or one soft guard, returns.

    Returns
    -------
    A row for each guard: `guard`, `trips_when`, `each` (what is counted), `checked` and `tripped`. None tripped of
    none checked means that there was nothing to look at.
    """
    checked = tripped.attrs.get("checked")
    if checked is None:
        raise guard_parts.GuardError(
            "the table does not say what was checked; pass what check_results returned, as it is"
        )
    found = tripped["guard"].value_counts()
    rows = [
        (guard, when, each, checked[guard], int(found.get(guard, 0)))
        for guard, (each, when) in GUARDS.items()
        if guard in checked
    ]
    return pd.DataFrame(rows, columns=["guard", "trips_when", "each", "checked", "tripped"])


def by_cell(tripped: pd.DataFrame) -> pd.DataFrame:
    """Take together what the same guard found in the folds and seeds of a cell.

    Returns
    -------
    A row for each guard and cell: guard, `metrics.CELL`, `times` (how often it tripped there), `message` (of the
    first time), in the order of `tripped`.
    """
    cells = tripped.groupby(["guard", *metrics.CELL], sort=False)
    return cells.agg(times=("message", "size"), message=("message", "first")).reset_index()


def mark(table: pd.DataFrame, tripped: pd.DataFrame) -> pd.DataFrame:
    """Say beside each row of a table which guards its cell has tripped.

    Parameters
    ----------
    table
        Table with some of `metrics.CELL`; folds and seeds are taken together, and so is what it has no column for.
    tripped
        What `check_results` returns.

    Returns
    -------
    The table with a further column `guard`: names of guards with how often each tripped, or "". What a guard found
    in a group counts for every cell of that group.
    """
    cell = [column for column in metrics.CELL if column in table]
    if not cell:
        raise guard_parts.GuardError(
            f"the table has none of the columns {', '.join(metrics.CELL)}; mark it before they go"
        )
    rows = guard_parts.plain_texts(table[cell]).assign(row=range(len(table)))
    pairs = []
    for empty, part in tripped.groupby([tripped[column] == "" for column in cell], sort=False):
        on = [column for column, is_empty in zip(cell, empty, strict=True) if not is_empty]
        part = part[[*on, "guard"]]
        pairs.append(rows.merge(part, on=on) if on else rows.merge(part, how="cross"))
    counts = pd.concat(pairs).groupby(["guard", "row"]).size() if pairs else pd.Series(dtype=int)
    words: list[list[str]] = [[] for _ in range(len(table))]
    for guard in GUARDS:
        for row, n in counts[guard].items() if guard in counts else ():
            words[row].append(f"{guard} ×{n}" if n > 1 else guard)
    return table.assign(guard=[", ".join(of_row) for of_row in words])


def _slim(predictions: pd.DataFrame) -> pd.DataFrame:
    # Two million rows are grouped in a fraction of the time by numbers that stand for their texts.
    columns = [*guard_parts.TEST_FOLD, "utterance", "emotion", "predicted"]
    texts = [column for column in columns if column not in ("seed", "fold")]
    table = predictions[[*columns, *(f"p_{emotion}" for emotion in guard_parts.emotions_of(predictions))]]
    return table.astype(dict.fromkeys(texts, "category")).reset_index(drop=True)


def _scores(predictions: pd.DataFrame) -> pd.DataFrame:
    tested = count_tables.utterances(predictions, metrics.CELL)
    return metrics.summary(metrics.per_fold(predictions)).join(tested.rename("n_utterances"), on=metrics.CELL)
