"""Soft guards on scores and learning curves."""

import numpy as np
import pandas as pd
import scipy

from crosscorpus.scores import guard_parts

WITHOUT_CURVES = ("majority", "logistic", "svm")
"""Heads that are not trained in epochs: they have no loss, and need no learning curve."""
FEW = 30
"""Test utterances below which models may have the same scores by chance: there are not many that they can have."""
GUESSING = 1e-3
"""Chance that a head which guesses the most frequent emotion is taken for one that has learned."""
LARGEST_SHARE = 0.3
"""Share of the utterances beyond which what is held out for early stopping is missed in training."""


def same_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Find cells where all models, two at least, have the same accuracy and macro-F1, and not all is right.

    It reads published tables as well. If it trips, the numbers are not of the models: something that they share,
    such as the shares of emotions in the training corpus, decides every prediction. Look at the predictions.

    Parameters
    ----------
    scores
        A row for each model and cell, say of `metrics.summary`: ptm, accuracy and macro_f1 (percent), and those of
        `BLOCK` that tell cells apart. With the column `n_utterances`, cells with fewer than `FEW` test utterances
        are passed over.
    """
    guard_parts.need_columns(scores, ["ptm", "accuracy", "macro_f1"], "the table of scores")
    block = [column for column in guard_parts.BLOCK if column in scores]
    if not block:
        raise guard_parts.GuardError(
            f"the table of scores has none of the columns {', '.join(guard_parts.BLOCK)}; add what it is by"
        )
    if "n_utterances" in scores:
        scores = scores[scores["n_utterances"] >= FEW]
    groups = guard_parts.sighted(scores).groupby(block, observed=True, sort=False)
    checked = groups.agg(
        models=("ptm", "nunique"),
        lowest=("accuracy", "min"),
        highest=("accuracy", "max"),
        lowest_f1=("macro_f1", "min"),
        highest_f1=("macro_f1", "max"),
    ).reset_index()
    checked = checked[checked["models"] > 1]
    same = (checked["highest"] - checked["lowest"] < 1e-6) & (checked["highest_f1"] - checked["lowest_f1"] < 1e-6)
    return guard_parts.report(
        "same scores",
        checked,
        same & (checked["highest"] < 100 - 1e-6),
        lambda row: f"all {row.models} models: accuracy {row.highest:.2f} %, macro-F1 {row.highest_f1:.2f} %",
    )


def loss(history: pd.DataFrame) -> pd.DataFrame:
    """Find trainings with a loss that is NaN or infinite in some epoch.

    If it trips, the weights are of no use, whatever their accuracy. `train.fit` refuses such a training, so the
    learning curves come from elsewhere or were damaged. Look at the embeddings, or lower the learning rate.
    """
    guard_parts.need_columns(history, [*guard_parts.TRAINING, "epoch"], "the table of learning curves")
    guard_parts.need_columns(history, ["loss", "val_loss"], "the table of learning curves", may_miss=True)
    table = history[~history["head"].isin(WITHOUT_CURVES)]
    finite = np.isfinite(table[["loss", "val_loss"]].to_numpy(dtype=float)).all(axis=1)
    table = table[guard_parts.TRAINING].assign(bad=~finite, epoch=table["epoch"].where(~finite))
    groups = table.groupby(guard_parts.TRAINING, observed=True, sort=False)
    checked = groups.agg(bad=("bad", "any"), epoch=("epoch", "min")).reset_index()
    return guard_parts.report(
        "loss", checked, checked["bad"], lambda row: f"the loss is not finite in epoch {row.epoch:.0f}"
    )


def at_chance(predictions: pd.DataFrame, history: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find heads that did not learn their own training data, or whose accuracy on it is not known.

    The accuracy of the kept weights is held against what always guessing the most frequent emotion gets in that
    many utterances: its share and, by the binomial distribution, what it exceeds with probability `GUESSING`. If
    it trips, the head has learned nothing, and its tests say nothing about the model. Look at the learning curve:
    a loss that does not fall from the first epoch on points to the scaling or the learning rate.
    """
    guard_parts.need_columns(history, guard_parts.TRAINING, "the table of learning curves")
    guard_parts.need_columns(history, ["train_accuracy"], "the table of learning curves", may_miss=True)
    known = guard_parts.sighted(history).drop_duplicates(guard_parts.TRAINING, keep="last")[
        [*guard_parts.TRAINING, "train_accuracy"]
    ]
    tested = _trainings(guard_parts.sighted(predictions), history)
    checked = guard_parts.plain_texts(tested).merge(
        guard_parts.plain_texts(known), on=guard_parts.TRAINING, how="outer", sort=False
    )
    checked = checked[checked["train_accuracy"].notna() | ~checked["head"].isin(WITHOUT_CURVES)]
    known = guard_parts.in_regimes(checked, utterances)
    sets = guard_parts.labels_told_apart(predictions, known, checked["train_corpus"].unique())
    by, limits = ["regime", "train_corpus"], []
    for (regime, corpus), fold in checked.groupby(by)["fold"]:
        table = known[(known["regime"] == regime) & (known["corpus"] == corpus)]
        table = table[table["emotion"].isin(sets[regime, corpus])]
        counts = table["emotion"].value_counts()
        total, n_tested, n_folds = int(counts.sum()), int(table["tested"].sum()), int(fold.max())
        # Folds and the part for early stopping are dealt by emotion, so the share is the whole corpus's, nearly.
        n = (total * n_folds - n_tested) // n_folds or total
        # Of few, guessing may get all; a head that knows all its training data is not held against that.
        limits.append(min(scipy.stats.binom.isf(GUESSING, n, counts.max() / total), n - 1) / n)
    group = checked.groupby(by).ngroup().to_numpy()
    checked = checked.assign(limit=np.array(limits, dtype=float)[group])
    return guard_parts.report(
        "at chance",
        checked,
        ~(checked["train_accuracy"] > checked["limit"]),
        lambda row: (
            "no accuracy on the training data is known"
            if np.isnan(row.train_accuracy)
            else f"{100 * row.train_accuracy:.1f} % of the training data right; guessing the most frequent emotion"
            f" gets up to {100 * row.limit:.1f} %"
        ),
    )


def validation_share(history: pd.DataFrame) -> pd.DataFrame:
    """Find trainings that held out more than `LARGEST_SHARE` of their utterances for early stopping.

    If it trips, heads learned from much less than the folds gave them, and a result says more about the split than
    about the model. Look at the setting `validation_share`, and at speakers with many more utterances than others.
    """
    guard_parts.need_columns(
        history, [*guard_parts.TRAINING, "n_train", "n_validation"], "the table of learning curves"
    )
    table = history[~history["head"].isin(WITHOUT_CURVES)].drop_duplicates(guard_parts.TRAINING)
    table = table.assign(n=table["n_train"] + table["n_validation"])
    return guard_parts.report(
        "validation share",
        table,
        table["n_validation"] > LARGEST_SHARE * table["n"],
        lambda row: f"{row.n_validation:.0f} of {row.n:.0f} utterances held out for early stopping",
    )


def _trainings(predictions: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings by which predictions were made: `TRAINING`, with the fold of the training corpus."""
    tested = guard_parts.plain_texts(predictions[guard_parts.TEST_FOLD].drop_duplicates())
    own = tested[tested["train_corpus"] == tested["test_corpus"]]
    by = ["regime", "train_corpus"]
    known = pd.concat([own[[*by, "fold"]], guard_parts.plain_texts(history[[*by, "fold"]])])
    n_folds = known.groupby(by)["fold"].max()
    # Where a corpus was neither tested on itself nor left curves, its folds are taken as those of the test.
    n = tested.join(n_folds.rename("n_folds"), on=by)["n_folds"].fillna(tested["fold"])
    fold = [guard_parts.training_fold(int(f), int(k)) for f, k in zip(tested["fold"], n, strict=True)]
    return tested.assign(fold=fold)[guard_parts.TRAINING].drop_duplicates()
