"""Soft guards on tables of predictions: utterances, probabilities, classes, copies."""

from itertools import combinations

import numpy as np
import pandas as pd

from crosscorpus.base import text_columns
from crosscorpus.scores import count_tables, guard_parts

CONSTANT = 1e-4
"""Probabilities that vary by less over a test fold are constant. A head moves them by far more after one epoch."""
SAME = 1e-3
"""Relative difference up to which two probabilities are the same. Relative, because two strong models may both
give 1.000000 to every true emotion of an easy corpus: what they leave for the others differs by orders of
magnitude."""
MISTAKES = 10
"""Shared mistakes that make equal labels suspicious. Two strong models may honestly agree on every utterance of a
fold and share a few hard ones. To err on the same ten and on no others, with the same wrong emotions, they hardly
can."""
ROUNDING = 1e-3
"""How far probabilities may be from a sum of 1: more than float32 or a table with four digits needs."""


def wrong_utterances(predictions: pd.DataFrame, utterances: pd.DataFrame, every: bool = False) -> pd.DataFrame:
    """Find cells that are not tested on every utterance once.

    Expected are the utterances of the test corpus whose emotion the training corpus has, over all folds (of a
    published split, those of its test parts); of those with identical audio, one is enough (`folds.load` leaves a
    copy out where it would be in another fold). If it trips, scores of this cell are of another set of utterances
    than those beside it: results of two runs were mixed, or rows were lost. Delete the stored predictions of the
    cell and run it again; if it trips again, compare folds and utterances (`check_folds`).
    """
    cell = [*guard_parts.UNIT, "test_corpus"]
    known = guard_parts.in_regimes(predictions, utterances)
    sets = guard_parts.labels_told_apart(predictions, known)
    known = known[known["tested"]].rename(columns={"corpus": "test_corpus"})
    expected = pd.concat(
        [
            known[(known["regime"] == regime) & known["emotion"].isin(labels)].assign(train_corpus=corpus)
            for (regime, corpus), labels in sets.items()
        ]
    )
    pair = ["regime", "train_corpus", "test_corpus"]
    sizes = expected.groupby(pair).size()
    spared = expected.merge(
        _copies_without_fold(predictions, utterances), on=["regime", "test_corpus", "utterance"]
    )
    spared_sizes = spared.groupby(pair).size()
    of_pair = [*pair, "utterance", "emotion"]
    seen = guard_parts.plain_texts(predictions[of_pair].drop_duplicates())
    unknown = seen.merge(expected, how="left", on=of_pair, indicator=True)
    unknown = unknown.loc[unknown["_merge"] == "left_only", of_pair]
    good = ~predictions.duplicated([*cell, "utterance"]).to_numpy()
    if len(unknown):  # else the tests are spared a merge of everything
        rows = guard_parts.plain_texts(predictions[of_pair]).merge(unknown, how="left", on=of_pair, indicator=True)
        good &= (rows["_merge"] == "left_only").to_numpy()
    groups = predictions.assign(good=good).groupby(cell, observed=True, sort=False)["good"]
    checked = groups.agg(n="size", good="sum").reset_index()
    wanted = [
        int(sizes.get((row.regime, row.train_corpus, row.test_corpus), 0))
        - int(spared_sizes.get((row.regime, row.train_corpus, row.test_corpus), 0))
        for row in checked.itertuples()
    ]
    checked = checked.assign(expected=wanted, absent=lambda t: t["expected"] - t["good"])
    checked["extra"] = checked["n"] - checked["good"]
    return guard_parts.report(
        "utterances",
        checked,
        (checked["absent"] != 0) | (checked["extra"] != 0),
        lambda row: (
            f"{row.absent} of {row.expected} utterances are not tested, and {row.extra} rows are of an utterance "
            "that is doubled, unknown, or has another emotion"
        ),
        every,
    )


def wrong_probabilities(predictions: pd.DataFrame, utterances: pd.DataFrame, every: bool = False) -> pd.DataFrame:
    """Find test folds with probabilities that are none, or predictions that are not the most probable emotion.

    Emotions that the training corpus does not have must be empty. The prediction is looked for among the emotions
    that the pair is scored on, those of the utterances tested: another one may be more probable, and is no answer.
    If it trips, predictions do not come from the head alone: its output was not normalised, is NaN, or was shifted
    afterwards (by a prior, say). Look at what `train.predict` returns there.
    """
    emotions = guard_parts.emotions_of(predictions)
    sets = guard_parts.labels_told_apart(predictions, guard_parts.in_regimes(predictions, utterances))
    by = predictions.groupby(["regime", "train_corpus"], observed=True)
    told = np.array([[emotion in sets[key] for emotion in emotions] for key in by.size().index])
    allowed = told[by.ngroup().to_numpy()]
    p = guard_parts.probabilities_of(predictions)
    answers = np.where(_scored_on(predictions, emotions), p, np.nan)
    code = pd.Index(emotions).get_indexer(predictions["predicted"])
    chosen = np.where(code >= 0, answers[np.arange(len(p)), code], np.nan)
    with np.errstate(invalid="ignore"):
        bad = {
            "numbers": ~(np.isfinite(p) == allowed).all(axis=1),
            "sums": ~(np.abs(np.nansum(p, axis=1) - 1) <= ROUNDING) | (p < 0).any(axis=1),
            "others": ~(chosen >= np.fmax.reduce(answers, axis=1) - ROUNDING),
        }
    table = predictions[guard_parts.TEST_FOLD].assign(**bad)
    checked = table.groupby(guard_parts.TEST_FOLD, observed=True, sort=False)[list(bad)].sum().reset_index()
    return guard_parts.report(
        "probabilities",
        checked,
        checked[list(bad)].any(axis=1),
        lambda row: (
            f"{row.numbers} rows have an empty or infinite probability or one too many, {row.sums} do not sum to "
            f"1 or are negative, {row.others} predict an emotion that is not the most probable one tested"
        ),
        every,
    )


def missing_class(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find test folds without an utterance of some emotion that both corpora have.

    If it trips, macro-F1 and UAR of that fold are over fewer emotions than those of the others, and cannot be
    averaged with them. Deal the folds anew, or read the accuracy of that cell alone.
    """
    group = ["regime", "train_corpus", "test_corpus", "fold"]
    known = guard_parts.in_regimes(predictions, utterances)
    sets = guard_parts.labels_told_apart(predictions, known)
    of_corpus = known[known["tested"]].groupby(["regime", "corpus"])["emotion"].agg(set)
    present = guard_parts.plain_texts(predictions[[*group, "emotion"]].drop_duplicates())
    checked = present.groupby(group, sort=False)["emotion"].agg(set).reset_index()
    checked["absent"] = [
        sorted(set(sets[row.regime, row.train_corpus]) & of_corpus[row.regime, row.test_corpus] - row.emotion)
        for row in checked.itertuples()
    ]
    return guard_parts.report(
        "missing class",
        checked,
        checked["absent"].map(len) > 0,
        lambda row: f"no test utterance of {', '.join(row.absent)}",
    )


def single_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Find test folds with utterances of several emotions that are all predicted as one.

    If it trips, the accuracy is the share of that emotion, and says nothing of the model. Across corpora it can be
    a true result: a head whose input is far from all it was trained on. It must then be reported as chance, not
    compared with other models. Within a corpus, look at scaling, learning rate and learning curves.
    """
    table = guard_parts.sighted(predictions)
    table = table.assign(times=count_tables.times(table))
    groups = table.groupby(guard_parts.TEST_FOLD, observed=True, sort=False)
    checked = groups.agg(
        n=("times", "sum"),
        emotions=("emotion", "nunique"),
        kinds=("predicted", "nunique"),
        predicted=("predicted", "first"),
    ).reset_index()
    checked = checked[checked["emotions"] > 1]  # where all are of one emotion, one prediction is right
    return guard_parts.report(
        "single class", checked, checked["kinds"] <= 1, lambda row: f"all {row.n} predicted as {row.predicted}"
    )


def constant(predictions: pd.DataFrame, every: bool = False) -> pd.DataFrame:
    """Find test folds of several emotions whose probabilities vary by less than `CONSTANT` between utterances.

    If it trips, the head does not look at its input there: the embeddings are constant, its hidden units are dead,
    or a prior has drowned its output. Look at the embeddings of the test corpus, and at the scaling.
    """
    columns = [f"p_{emotion}" for emotion in guard_parts.emotions_of(predictions)]
    groups = guard_parts.sighted(predictions).groupby(guard_parts.TEST_FOLD, observed=True, sort=False)
    spread = (groups[columns].max() - groups[columns].min()).max(axis=1)
    emotions = groups["emotion"].nunique()
    checked = pd.DataFrame({"n": groups.size(), "spread": spread, "emotions": emotions}).reset_index()
    checked = checked[checked["emotions"] > 1]  # a head may be as sure of all that are of one emotion
    return guard_parts.report(
        "constant",
        checked,
        checked["spread"] < CONSTANT,
        lambda row: f"no probability varies by more than {row.spread:.0e} over {row.n} utterances",
        every,
    )


def same_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Find test folds where two models give the same predictions, compared on the utterances of both.

    The same are probabilities that differ by at most `SAME`, relatively, for every utterance, or labels that are
    equal for every utterance with at least `MISTAKES` mistakes, and are of two emotions at least (`single_class`
    tells of the others). If it trips, one model's embeddings or results
    were stored under another's name, or heads do not look at their input (see `constant`). Compare the two models'
    embeddings first.
    """
    table = guard_parts.sighted(predictions)
    block = [column for column in guard_parts.TEST_FOLD if column != "ptm"]
    of_block = table.groupby(block, observed=True, sort=False).ngroup().to_numpy()
    blocks = table.loc[~pd.Series(of_block, table.index).duplicated(), block]
    place = table.groupby([*block, "utterance"], observed=True, sort=False).ngroup().to_numpy()
    n_places = place.max(initial=-1) + 1
    block_of = np.zeros(n_places, dtype=np.int64)
    block_of[place] = of_block
    # One slice for each model, with a place for each utterance of each block, so that two models are two slices.
    model = pd.Categorical(table["ptm"])
    models = [str(ptm) for ptm in model.categories]
    here = np.zeros((len(models), n_places), dtype=bool)
    label = np.zeros(here.shape, dtype=np.int16)
    wrong = np.zeros(here.shape, dtype=bool)
    p = np.full((len(guard_parts.emotions_of(table)), *here.shape), np.nan, dtype=np.float32)
    where = (model.codes, place)
    here[where] = True
    label[where] = pd.Categorical(
        table["predicted"], categories=sorted(table["predicted"].dropna().unique())
    ).codes
    wrong[where] = table["predicted"].astype(str) != table["emotion"].astype(str)
    for of_emotion, values in zip(p, guard_parts.probabilities_of(table).T, strict=True):
        of_emotion[where] = values

    def count(places: np.ndarray) -> np.ndarray:
        return np.bincount(block_of[places], minlength=len(blocks))

    kinds = range(int(label.max(initial=-1)) + 1)
    several = np.array(
        [
            sum(count(there & (of_model == kind)) > 0 for kind in kinds) > 1
            for there, of_model in zip(here, label, strict=True)
        ]
    )
    compared = np.zeros((len(models), len(blocks)), dtype=bool)
    found: dict[tuple[int, int], list[str]] = {}
    for a, b in combinations(range(len(models)), 2):
        both = here[a] & here[b]
        shared = count(both) > 0
        compared[[a, b]] |= shared
        same_labels = (count(both & (label[a] != label[b])) == 0) & (count(both & wrong[a]) >= MISTAKES)
        same_labels &= several[a]
        same_p = shared
        for one, other in p[:, [a, b]]:
            far = np.abs(one - other) > SAME * np.maximum(one, other)
            same_p = same_p & (count(both & (far | (np.isnan(one) != np.isnan(other)))) == 0)
            if not same_p.any():  # as a rule after the first emotion
                break
        for at in np.flatnonzero(shared & (same_p | same_labels)).tolist():
            what = "probabilities" if same_p[at] else "labels"
            found.setdefault((a, at), []).append(f"{what} of {models[b]}")
            found.setdefault((b, at), []).append(f"{what} of {models[a]}")
    pairs = np.argwhere(compared)
    checked = blocks.iloc[pairs[:, 1]].assign(
        ptm=[models[a] for a, _ in pairs], same_as=[", ".join(found.get((a, at), [])) for a, at in pairs]
    )
    return guard_parts.report(
        "same predictions", checked, checked["same_as"] != "", lambda row: f"the {row.same_as}"
    )


def _copies_without_fold(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances with the audio of another one that no cell of a regime tests."""
    columns = ["regime", "test_corpus", "utterance"]
    if "sha256" not in utterances:
        return pd.DataFrame(columns=columns)
    hashed = utterances[utterances["sha256"].fillna("") != ""]
    copies = hashed[hashed.duplicated(["corpus", "sha256"], keep=False)]
    copies = guard_parts.plain_texts(
        copies.rename(columns={"corpus": "test_corpus"})[["test_corpus", "utterance", "sha256"]]
    )
    of_copies = predictions.loc[text_columns.isin(predictions["utterance"], copies["utterance"]), columns]
    tested = guard_parts.plain_texts(of_copies.drop_duplicates())
    every = copies.merge(guard_parts.plain_texts(predictions[["regime"]].drop_duplicates()), how="cross")
    every = every.merge(tested.assign(tested=True), on=columns, how="left")
    every["tested"] = every["tested"].notna()
    a_copy_is = every.groupby(["regime", "test_corpus", "sha256"])["tested"].transform("any")
    return every.loc[a_copy_is & ~every["tested"], columns]


def _scored_on(predictions: pd.DataFrame, emotions: list[str]) -> np.ndarray:
    """Return, [rows, emotions], whether a row's pair of corpora has test utterances of an emotion."""
    pair = ["regime", "train_corpus", "test_corpus"]
    number = predictions.groupby(pair, observed=True, sort=False).ngroup().to_numpy()
    code = pd.Index(emotions).get_indexer(predictions["emotion"])
    scored = np.zeros((number.max(initial=-1) + 1, len(emotions)), dtype=bool)
    scored[number[code >= 0], code[code >= 0]] = True
    return scored[number]
