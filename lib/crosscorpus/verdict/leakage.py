"""What folds share between training and test, and what it is worth."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from crosscorpus.base import shown_names
from crosscorpus.corpora import corpus_registry, file_lists, spoken_texts
from crosscorpus.models import model_registry
from crosscorpus.protocols import folds, official_splits, protocol_settings
from crosscorpus.scores import comparison

COLUMNS = ["ptm", "head", "train_corpus", "test_corpus", "difference", "low", "high", "p", "p_adjusted"]
KNOWN = {"speaker": "speaker", "text": "text_id"}


def shared(utterances: pd.DataFrame, dealt: pd.DataFrame) -> pd.DataFrame:
    """Count test utterances whose speaker, or whose text, is in the training part too.

    Parameters
    ----------
    utterances
        `utterance`, `speaker` and `text_id`, empty where they are not known.
    dealt
        Folds of them: `folds.COLUMNS`.

    Returns
    -------
    One row per regime: n (test utterances over all folds), speaker and text (percent of them), missing where no
    utterance has one.
    """
    joined = dealt.merge(utterances[["utterance", *KNOWN.values()]], on="utterance")
    rows = []
    for regime, part in joined.groupby("regime", sort=False):
        row: dict[str, object] = {"regime": regime, "n": int((part["fold"] > 0).sum())}
        for name, column in KNOWN.items():
            given = part[part[column].fillna("") != ""]
            row[name] = official_splits.shared(given[column], given["fold"])
        rows.append(row)
    return pd.DataFrame(rows, columns=["regime", "n", *KNOWN])


def of_file_lists(corpus_ids: Iterable[str]) -> pd.DataFrame:
    """Return `shared` for the committed folds of some corpora, with the emotions of the protocol; no audio needed.

    Corpora without a file list are left out.
    """
    tables = [pd.DataFrame(columns=["corpus", "regime", "n", *KNOWN])]
    for corpus in corpus_ids:
        listed = file_lists.file_list(corpus)
        if listed is not None:
            kept = listed[listed["emotion"].isin(protocol_settings.load()["emotions"])]
            tables.append(shared(spoken_texts.named(corpus, kept), folds.load(corpus, kept)).assign(corpus=corpus))
    found = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return found[["corpus", "regime", "n", *KNOWN]]


def of_tables(tables: Mapping[str, pd.DataFrame], emotions: Sequence[str]) -> pd.DataFrame:
    """Return `shared` for tables of utterances, by corpus, with the given emotions and the folds they get here."""
    found = [pd.DataFrame(columns=["corpus", "regime", "n", *KNOWN])]
    for corpus, table in tables.items():
        kept = table[table["emotion"].isin(emotions)]
        if len(kept):
            found.append(shared(spoken_texts.named(corpus, kept), folds.load(corpus, table)).assign(corpus=corpus))
    together = pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)
    return together[["corpus", "regime", "n", *KNOWN]]


def within(
    predictions: pd.DataFrame, utterances: pd.DataFrame | None = None, metric: str = "accuracy"
) -> pd.DataFrame:
    """Return the difference between the regimes within corpora, in any metric of `comparison.PAIRED`.

    `comparison.leakage` has the accuracies themselves, too.

    Parameters
    ----------
    predictions, utterances, metric
        As of `comparison.leakage`; cross-corpus cells are not looked at.

    Returns
    -------
    One row per model, head and corpus: `COLUMNS`, where difference is the score with stratified minus with speaker
    folds, in points, and p_adjusted is by Benjamini and Hochberg.
    """
    same = predictions["train_corpus"] == predictions["test_corpus"]
    return _between_regimes(predictions[same], utterances, metric)


def across(predictions: pd.DataFrame, utterances: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the difference between the regimes where no test speaker can be heard in training: across corpora.

    A control for `comparison.leakage`: what remains here has another cause than speakers.

    Parameters
    ----------
    predictions, utterances
        As of `comparison.leakage`; same-corpus cells are not looked at.

    Returns
    -------
    One row per model, head and pair of corpora: `COLUMNS`, where difference is accuracy with stratified minus with
    speaker folds, in points, and p_adjusted is by Benjamini and Hochberg.
    """
    cross = predictions["train_corpus"] != predictions["test_corpus"]
    return _between_regimes(predictions[cross], utterances, "accuracy")


def _between_regimes(predictions: pd.DataFrame, utterances: pd.DataFrame | None, metric: str) -> pd.DataFrame:
    both = comparison.in_both_regimes(predictions, ["ptm", "head", "train_corpus", "test_corpus"])
    if not len(both):
        return pd.DataFrame(columns=COLUMNS)
    return comparison.pairs(both, utterances, "regime", metric, baseline="speaker", correction="bh")[COLUMNS]


def summary(leaks: pd.DataFrame, alpha: float = 0.05) -> dict[str, str | float | int]:
    """Condense what `comparison.leakage` returns into facts for a sentence.

    Returns
    -------
    n_rows; n_above and n_significant: those with a difference above zero, and with p_adjusted below `alpha` too;
    mean_difference, largest, largest_low, largest_high in points; largest_model, largest_corpus, largest_head by
    name. Numbers are missing and names empty where there are no rows.
    """
    above = leaks["difference"] > 0
    found: dict[str, str | float | int] = {
        "n_rows": len(leaks),
        "n_above": int(above.sum()),
        "n_significant": int((above & (leaks["p_adjusted"] < alpha)).sum()),
        "mean_difference": float(leaks["difference"].mean()) if len(leaks) else float("nan"),
    }
    if not len(leaks):
        nothing = dict.fromkeys(("largest", "largest_low", "largest_high"), float("nan"))
        return found | nothing | dict.fromkeys(("largest_model", "largest_corpus", "largest_head"), "")
    top = leaks.loc[leaks["difference"].astype(float).idxmax()]
    return found | {
        "largest": float(top["difference"]),
        "largest_low": float(top["low"]),
        "largest_high": float(top["high"]),
        "largest_model": model_registry.model_name(top["ptm"]),
        "largest_corpus": corpus_registry.corpus_name(top["corpus"]),
        "largest_head": shown_names.head_name(top["head"]),
    }


def winners(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the best model under both regimes.

    Parameters
    ----------
    scores
        What `metrics.summary` or `metrics.interval` returns; same-corpus cells alone are looked at.

    Returns
    -------
    One row per corpus and head that has two models or more in both regimes: models, stratified and speaker (the
    most accurate model with either folds), and kendall (tau-b of the two orders of all models).
    """
    same = scores[scores["train_corpus"] == scores["test_corpus"]]
    rows = []
    for (corpus, head), part in same.groupby(["test_corpus", "head"], sort=False):
        table = part.pivot(index="ptm", columns="regime", values="accuracy").round(9)
        if {"stratified", "speaker"} <= set(table) and len(table.dropna()) > 1:
            both = table.dropna()
            tau = both["stratified"].corr(both["speaker"], method="kendall")
            rows.append((corpus, head, len(both), both["stratified"].idxmax(), both["speaker"].idxmax(), tau))
    return pd.DataFrame(rows, columns=["corpus", "head", "models", "stratified", "speaker", "kendall"])
