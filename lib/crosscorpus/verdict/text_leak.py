"""What it is worth that test speakers, and test sentences, are heard in training (`make texts`)."""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy

from crosscorpus.base import paths, processes, progress
from crosscorpus.corpora import corpus_registry, spoken_texts
from crosscorpus.embeddings import store
from crosscorpus.protocols import protocol_settings, text_disjoint
from crosscorpus.scores import metrics
from crosscorpus.training import baselines
from crosscorpus.verdict import study_files

RESULTS = paths.DATA / "results" / "texts.csv"
PTMS = ("whisper-base", "ecapa-tdnn", "egemaps", "mfcc")
CORPORA = ("emodb", "ravdess", "aesdd", "mesd", "emovo")
HEAD = "logistic"
DEALS = 5
HEARD, SPEAKER, (TEXT, MATCHED) = "heard", "speaker-disjoint", protocol_settings.CROSSED
CONDITIONS = (HEARD, SPEAKER, MATCHED, TEXT)
"""Speakers and texts heard; without the test speakers, and as many utterances; likewise without texts, too."""
PRICES = {HEARD: SPEAKER, MATCHED: TEXT}
"""What is compared with what: the same number of each emotion is trained on, the speakers or the texts are not."""
LEAST = 6
"""Speakers, or texts, that an interval is over; fewer are too few to draw from, see `metrics.bootstrap`."""
COLUMNS = ["ptm", "corpus", "condition", "deals", "groups", "n_train", "accuracy", "uar"]
COLUMNS += ["price", "low", "high", "n_speakers", "n_texts", "over"]


def right_answers(embeddings: store.Embeddings, deals: int) -> tuple[pd.DataFrame, dict[str, float], int]:
    """Train and test in every condition.

    Parameters
    ----------
    embeddings
        Of one model and corpus.
    deals
        How often speakers and texts are dealt; see `text_disjoint.deal`.

    Returns
    -------
    A row for each utterance: speaker, text, emotion, and for each of `CONDITIONS` the share of deals in which it
    was recognised (0 to 1); by condition the mean number of utterances trained on; and into how many groups
    speakers, and texts, were dealt.

    Raises
    ------
    ValueError
        The corpus cannot be dealt so, see `text_disjoint.why_not`.
    """
    settings, corpus = protocol_settings.load(), embeddings.corpus
    keep = embeddings.utterances["emotion"].isin(settings["emotions"]).to_numpy()
    table, X = embeddings.utterances[keep].reset_index(drop=True), embeddings.vectors[keep]
    if reason := text_disjoint.why_not(corpus, table, settings["n_folds"]):
        raise ValueError(f"{corpus} has no folds that part texts: {reason}")
    y = pd.factorize(table["emotion"], sort=True)[0]
    right = {condition: np.zeros(len(table)) for condition in CONDITIONS}
    sizes: dict[str, list[int]] = {condition: [] for condition in CONDITIONS}
    n_groups = 0
    for deal in range(deals):
        groups = text_disjoint.deal(corpus, table, settings["n_folds"], deal)
        if groups is None:
            raise ValueError(f"{corpus}: deal {deal} leaves a group of speakers without a group of texts")
        n_groups = groups.n
        for condition, splits in _splits(groups, y, deal).items():
            for training, tested in splits:
                fitted = baselines.fit(HEAD, X[training], y[training], settings)
                guess = baselines.predict(fitted, X[tested]).argmax(axis=1)
                right[condition][tested] += (guess == y[tested]) / deals
                sizes[condition].append(int(training.sum()))
    found = spoken_texts.told(corpus, table).assign(emotion=table["emotion"], **right)
    return found, {condition: float(np.mean(n)) for condition, n in sizes.items()}, n_groups


def _splits(
    groups: text_disjoint.Groups, y: np.ndarray, seed: int
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return who is trained on and who is tested, boolean [utterances], of every fold of every condition."""
    heard, rng = groups.speaker.copy(), np.random.default_rng(seed)
    for one in np.unique(y):  # the groups of speakers change places among the utterances of an emotion
        heard[y == one] = rng.permutation(groups.speaker[y == one])
    single = {HEARD: heard, SPEAKER: groups.speaker}
    found = {name: [(of != one, of == one) for one in range(groups.n)] for name, of in single.items()}
    for name in (MATCHED, TEXT):
        fold = groups.fold(control=name == MATCHED)
        found[name] = [text_disjoint.parts(fold, number) for number in range(1, groups.n**2 + 1)]
    return found


def price(
    right: pd.DataFrame, condition: str, against: str, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float, str]:
    """Return what a condition's accuracy is above another's, with its 95 % interval over speakers and texts.

    Speakers and texts are drawn with replacement, each by itself: an utterance counts as often as its speaker
    times as often as its text. That is the pigeonhole bootstrap of crossed factors, which is wide rather than
    narrow (Owen 2007, https://doi.org/10.1214/07-AOAS122). Of fewer than `LEAST` speakers or texts, those that
    there are are taken as they are, so that the interval is over the others alone.

    Returns
    -------
    Difference and ends of the interval, in points, and what it is over, "" where there are too few of both.
    """
    speaker, speakers = pd.factorize(right["speaker"], sort=True)
    text, texts = pd.factorize(right["text"], sort=True)
    gain = np.zeros((len(speakers), len(texts)))
    n = np.zeros_like(gain)
    np.add.at(gain, (speaker, text), (right[condition] - right[against]).to_numpy())
    np.add.at(n, (speaker, text), 1)
    drawn = [axis for axis in (0, 1) if gain.shape[axis] >= LEAST]
    sizes = [gain.shape[axis] for axis in drawn]

    def statistic(weights: np.ndarray) -> np.ndarray:
        of = [np.ones((len(weights), k)) for k in gain.shape]
        for axis, part in zip(drawn, np.split(weights, np.cumsum(sizes)[:-1], axis=1), strict=True):
            of[axis] = part
        total, counted = (np.einsum("ri,ij,rj->r", of[0], values, of[1]) for values in (gain, n))
        return 100 * (total / np.maximum(counted, 1))[np.newaxis]

    worth = 100 * gain.sum() / n.sum()
    if not drawn:
        return worth, np.nan, np.nan, ""
    low, high = metrics.bootstrap(statistic, sizes, n_resamples=n_resamples, seed=seed)
    return worth, float(low[0]), float(high[0]), " and ".join(("speakers", "texts")[axis] for axis in drawn)


def of_pair(ptm: str, corpus: str, source: str, deals: int) -> pd.DataFrame:
    """Return the rows of a model and a corpus, `COLUMNS`; prices are of the conditions in `PRICES`."""
    right, sizes, groups = right_answers(store.load(ptm, corpus, source), deals)
    rows = []
    for condition in CONDITIONS:
        by_emotion = right.groupby("emotion")[condition].mean()
        scores = (100 * right[condition].mean(), 100 * by_emotion.mean())
        *worth, over = price(right, condition, PRICES[condition]) if condition in PRICES else (np.nan,) * 3 + ("",)
        counts = (right["speaker"].nunique(), right["text"].nunique())
        rows.append((ptm, corpus, condition, deals, groups, sizes[condition], *scores, *worth, *counts, over))
    return pd.DataFrame(rows, columns=COLUMNS)


def run(
    ptms: Sequence[str], corpus_ids: Sequence[str], source: str = "any", deals: int = DEALS, workers: int = 0
) -> pd.DataFrame:
    """Return `of_pair` of all models and corpora that can be dealt and have embeddings.

    A row for each condition: `COLUMNS`. Scores are of all utterances together, mean over deals, in percent. What
    is left out is printed, with the reason.
    """
    jobs, said = [], set()
    emotions, n_folds = (protocol_settings.load()[name] for name in ("emotions", "n_folds"))
    for (ptm, corpus), e in store.available(ptms, corpus_ids, source).items():
        table = e.utterances[e.utterances["emotion"].isin(emotions)]
        reason = text_disjoint.why_not(corpus, table, n_folds)
        if not reason:
            jobs.append((ptm, corpus, source, deals))
        elif corpus not in said:
            said.add(corpus)
            print(f"Left out: {corpus_registry.get(corpus).name}, because {reason}.", flush=True)
    ended = processes.run(of_pair, jobs, workers)
    tables = list(progress.over(ended, "texts apart", len(jobs), "models and corpora"))
    order = {pair[:2]: place for place, pair in enumerate(jobs)}
    tables.sort(key=lambda table: order[table["ptm"].iloc[0], table["corpus"].iloc[0]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def beside(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of results with a row for each corpus and model.

    Columns: corpus, ptm, accuracy in each condition (percent), and the price of speakers and of texts with their
    intervals, in points: speakers, speakers_low, speakers_high, texts, texts_low, texts_high.
    """
    keys = ["corpus", "ptm"]
    wide = table.pivot(index=keys, columns="condition", values="accuracy")[list(CONDITIONS)]
    for condition, what in zip(PRICES, ("speakers", "texts"), strict=True):
        of = table[table["condition"] == condition].set_index(keys)
        wide = wide.join(of["price"].rename(what)).join(of[["low", "high"]].add_prefix(f"{what}_"))
    return table[keys].drop_duplicates().merge(wide.reset_index(), on=keys)


def foretold(priced: pd.DataFrame, scores: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Compare the price of texts within a corpus with the loss of what was trained on it across corpora.

    Parameters
    ----------
    priced
        As from `beside`.
    scores
        Of the same head, with a row for each model and pair of corpora: ptm, train_corpus, test_corpus, a metric.
    metric
        Of the scores, in percent.

    Returns
    -------
    A row for each corpus, and one for the means over them, "all": points (models), Spearman's rho between price
    and loss (within minus the mean across, in points), its exact two-sided p under permutation, and the smallest p
    that so many points can have. Missing with fewer than three models.
    """
    same = scores["train_corpus"] == scores["test_corpus"]
    keys = ["train_corpus", "ptm"]
    within, across = (scores[part].groupby(keys)[metric].mean() for part in (same, ~same))
    loss = (within - across).rename("loss").rename_axis(["corpus", "ptm"]).reset_index()
    both = priced[["corpus", "ptm", "texts"]].merge(loss, on=["corpus", "ptm"])
    parts = {str(corpus): part for corpus, part in both.groupby("corpus", sort=False)}
    if len(parts) > 1:
        parts["all"] = both.groupby("ptm")[["texts", "loss"]].mean()
    rows = []
    for corpus, part in parts.items():
        n = len(part)
        rho = p = least = np.nan
        if n > 2:
            exact = scipy.stats.permutation_test(
                (part["texts"].to_numpy(),),
                lambda one, part=part: scipy.stats.spearmanr(one, part["loss"]).statistic,
                permutation_type="pairings", n_resamples=np.inf if n < 8 else 9999, rng=np.random.default_rng(0),
            )  # fmt: skip
            rho, p, least = exact.statistic, exact.pvalue, 2 / np.prod(np.arange(1.0, n + 1))
        rows.append((corpus, n, rho, p, least))
    return pd.DataFrame(rows, columns=["corpus", "points", "rho", "p", "least_p"])


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
        "corpora": list(table["corpus"].unique()),
        "head": HEAD,
        "deals": given.deals,
        **study_files.made_since(started),
    }
    study_files.write(RESULTS, table, facts)
    print(f"{paths.shown(RESULTS)}: {len(table)} rows in {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
