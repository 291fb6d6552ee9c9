"""Scores from the table of predictions alone."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

CELL = ["ptm", "head", "regime", "train_corpus", "test_corpus"]
METRICS = ["accuracy", "uar", "macro_f1"]


def per_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score every test fold.

    Parameters
    ----------
    predictions
        Table with `evaluate.COLUMNS`.

    Returns
    -------
    One row per cell, seed and fold: `CELL`, seed, fold, n (test utterances), and in percent
    `accuracy` (also called WA), `uar` (unweighted average recall, UA) and `macro_f1` (mean F1 of the classes
    that the cell's test utterances have).
    """
    rows = []
    for cell, of_cell in predictions.groupby(CELL, sort=False):
        labels = sorted(of_cell["emotion"].unique())
        for (seed, fold), part in of_cell.groupby(["seed", "fold"], sort=True):
            truth, guess = part["emotion"], part["predicted"]
            scores = {
                "accuracy": accuracy_score(truth, guess),
                "uar": recall_score(truth, guess, labels=labels, average="macro", zero_division=0),
                "macro_f1": f1_score(truth, guess, labels=labels, average="macro", zero_division=0),
            }
            in_percent = {metric: 100 * float(score) for metric, score in scores.items()}
            rows.append(
                dict(zip(CELL, cell, strict=True)) | {"seed": seed, "fold": fold, "n": len(part)} | in_percent
            )
    return pd.DataFrame(rows)


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Average scores per cell: over seeds within each fold, then mean and spread over folds.

    Returns
    -------
    One row per cell: `CELL`, n_folds, n_seeds, and for each metric its mean and `<metric>_sd`, the standard
    deviation over folds (with n - 1), in percentage points.
    """
    folds = scores.groupby([*CELL, "fold"], sort=False)[METRICS].mean().reset_index()
    cells = folds.groupby(CELL, sort=False)[METRICS]
    table = cells.mean().join(cells.std().add_suffix("_sd")).reset_index()
    sizes = scores.groupby(CELL, sort=False).agg(n_folds=("fold", "nunique"), n_seeds=("seed", "nunique"))
    return table.merge(sizes.reset_index(), on=CELL)


def confusion(predictions: pd.DataFrame, emotions: list[str]) -> pd.DataFrame:
    """Return the confusion matrix in percent of each true emotion, over all folds and seeds given.

    Rows are true, columns predicted emotions.
    """
    counts = confusion_matrix(predictions["emotion"], predictions["predicted"], labels=emotions, normalize="true")
    return pd.DataFrame(100 * counts, index=emotions, columns=emotions)


def largest_confusion(matrix: pd.DataFrame) -> dict[str, str | float]:
    """Return the largest cell off the diagonal of a `confusion` matrix: true, predicted, percent."""
    off = matrix.where(~np.eye(len(matrix), dtype=bool))
    predicted = str(off.max().idxmax())
    return {"true": str(off[predicted].idxmax()), "predicted": predicted, "percent": float(off[predicted].max())}


def regime_price(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the regimes on same-corpus cells.

    Parameters
    ----------
    scores
        What `per_fold` returns.

    Returns
    -------
    A row per model, head and corpus: accuracy (percent) in each regime, and `difference`, stratified minus
    speaker. Empty unless both regimes are there.
    """
    same = scores[scores["train_corpus"] == scores["test_corpus"]].rename(columns={"test_corpus": "corpus"})
    table = same.pivot_table(index=["ptm", "head", "corpus"], columns="regime", values="accuracy", sort=False)
    if not {"stratified", "speaker"} <= set(table):
        return pd.DataFrame(columns=["ptm", "head", "corpus", "stratified", "speaker", "difference"])
    table = table[["stratified", "speaker"]]
    return table.assign(difference=table["stratified"] - table["speaker"]).reset_index().rename_axis(columns=None)


def domain_loss(table: pd.DataFrame) -> pd.DataFrame:
    """Compare cross-corpus cells with the same-corpus cell of their test corpus.

    Parameters
    ----------
    table
        What `summary` returns.

    Returns
    -------
    A row per cross-corpus cell: `CELL`, `in_domain` and `out_of_domain` accuracy (percent), and `loss`, the
    first minus the second.
    """
    own = table[table["train_corpus"] == table["test_corpus"]]
    own = own[["ptm", "head", "regime", "test_corpus", "accuracy"]].rename(columns={"accuracy": "in_domain"})
    other = table[table["train_corpus"] != table["test_corpus"]]
    other = other[[*CELL, "accuracy"]].rename(columns={"accuracy": "out_of_domain"})
    joined = other.merge(own, on=["ptm", "head", "regime", "test_corpus"])[[*CELL, "in_domain", "out_of_domain"]]
    return joined.assign(loss=joined["in_domain"] - joined["out_of_domain"])
