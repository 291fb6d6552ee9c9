"""What it is worth that test sentences are heard in training, beside test speakers (`make texts`)."""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crosscorpus.base import paths, processes, progress
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings, text_disjoint
from crosscorpus.training import baselines
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "texts.csv"
PTMS = ("whisper-base", "ecapa-tdnn", "egemaps", "mfcc")
CORPORA = ("emodb", "ravdess", "aesdd", "mesd")
HEAD = "logistic"
DEALS = 5
COLUMNS = ["ptm", "corpus", "condition", "deals", "n_train", "accuracy", "uar"]
COLUMNS += ["price", "low", "high", "n_speakers", "n_texts"]


def right_answers(embeddings: store.Embeddings, deals: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Train and test in every condition.

    Parameters
    ----------
    embeddings
        Of one model and corpus.
    deals
        How often speakers and texts are dealt.

    Returns
    -------
    A row for each utterance: speaker, text_id, emotion, and for each of `text_disjoint.CONDITIONS` the share of
    deals in which it was recognised (0 to 1); and by condition the mean number of utterances trained on.

    Raises
    ------
    ValueError
        The corpus cannot be dealt so, see `text_disjoint.why_not`.
    """
    settings = protocol_settings.load()
    emotions = settings["emotions"]
    keep = embeddings.utterances["emotion"].isin(emotions).to_numpy()
    table, X = embeddings.utterances[keep].reset_index(drop=True), embeddings.vectors[keep]
    y = table["emotion"].map(sorted(set(table["emotion"])).index).to_numpy()
    right = {condition: np.zeros(len(table)) for condition in text_disjoint.CONDITIONS}
    sizes: dict[str, list[int]] = {condition: [] for condition in right}
    for deal in range(deals):
        whole: dict[bytes, Any] = {}  # training without the speakers is the same for all groups of texts
        for split in text_disjoint.splits(table, settings["n_folds"], deal):
            for condition, rows in split.train.items():
                key = rows.tobytes()
                if key not in whole:
                    whole[key] = baselines.fit(HEAD, X[rows], y[rows], settings)
                guess = baselines.predict(whole[key], X[split.test]).argmax(axis=1)
                right[condition][split.test] += (guess == y[split.test]) / deals
                sizes[condition].append(len(rows))
    found = table[["speaker", "text_id", "emotion"]].assign(**right)
    return found, {condition: float(np.mean(n)) for condition, n in sizes.items()}


def price(
    right: pd.DataFrame, condition: str, against: str = "speaker-text", n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return what a condition's accuracy is above another's, with its 95 % interval over speakers and texts.

    Speakers and texts are drawn with replacement, both at once: an utterance counts as often as its speaker times
    as often as its text.

    Returns
    -------
    Difference and ends of the interval, in points.
    """
    speaker, speakers = pd.factorize(right["speaker"], sort=True)
    text, texts = pd.factorize(right["text_id"], sort=True)
    gain = np.zeros((len(speakers), len(texts)))
    n = np.zeros_like(gain)
    np.add.at(gain, (speaker, text), (right[condition] - right[against]).to_numpy())
    np.add.at(n, (speaker, text), 1)
    rng = np.random.default_rng(seed)
    draws = [rng.multinomial(k, np.full(k, 1 / k), n_resamples).astype(float) for k in (len(speakers), len(texts))]
    drawn, counted = (np.einsum("ri,ij,rj->r", draws[0], values, draws[1]) for values in (gain, n))
    low, high = np.nanquantile(100 * drawn / np.where(counted > 0, counted, np.nan), [0.025, 0.975])
    return 100 * gain.sum() / n.sum(), float(low), float(high)


def of_pair(ptm: str, corpus: str, source: str, deals: int) -> pd.DataFrame:
    """Return the rows of a model and a corpus, `COLUMNS`; the price is that above the condition speaker-text."""
    right, sizes = right_answers(store.load(ptm, corpus, source), deals)
    rows = []
    for condition in text_disjoint.CONDITIONS:
        by_emotion = right.groupby("emotion")[condition].mean()
        scores = (100 * right[condition].mean(), 100 * by_emotion.mean())
        counts = (right["speaker"].nunique(), right["text_id"].nunique())
        rows.append((ptm, corpus, condition, deals, sizes[condition], *scores, *price(right, condition), *counts))
    return pd.DataFrame(rows, columns=COLUMNS)


def run(
    ptms: Sequence[str], corpus_ids: Sequence[str], source: str = "pack", deals: int = DEALS, workers: int = 0
) -> pd.DataFrame:
    """Return `of_pair` of all models and corpora that can be dealt and have embeddings.

    A row for each condition: `COLUMNS`. Scores are of all utterances together, mean over deals, in percent.
    """
    jobs = []
    for (ptm, corpus), e in store.available(ptms, corpus_ids, source).items():
        if not text_disjoint.why_not(e.utterances):
            jobs.append((ptm, corpus, source, deals))
    ended = processes.run(of_pair, jobs, workers)
    tables = list(progress.over(ended, "texts apart", len(jobs), "models and corpora"))
    order = {pair[:2]: place for place, pair in enumerate(jobs)}
    tables.sort(key=lambda table: order[table["ptm"].iloc[0], table["corpus"].iloc[0]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def beside(table: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return a table of results with a row for each corpus and model.

    Columns: corpus, ptm, a score for each condition (percent), and of the matched condition against the last the
    price with its interval, low and high, in points.
    """
    wide = table.pivot(index=["corpus", "ptm"], columns="condition", values=metric)
    wide = wide[list(text_disjoint.CONDITIONS)]
    matched = table[table["condition"] == "matched"].set_index(["corpus", "ptm"])[["price", "low", "high"]]
    order = table[["corpus", "ptm"]].drop_duplicates()
    return order.merge(wide.join(matched).reset_index(), on=["corpus", "ptm"])


def results() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the committed table (see `run`), and what made it.

    Raises
    ------
    store_folders.NotStoredError
        It is not there.
    """
    return study_files.read(RESULTS, "texts")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study (see `--help`)."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.text_leak", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--deals", type=int, default=DEALS, help=f"deals of speakers and texts ({DEALS})")
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    table = run(PTMS, CORPORA, deals=given.deals, workers=given.workers)
    facts = {
        "ptms": list(PTMS),
        "head": HEAD,
        "deals": given.deals,
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(f"{paths.shown(RESULTS)}: {len(table)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
