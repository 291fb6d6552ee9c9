"""Guards: what must not be true of an honest run, looked for in its tables.

Hard guards (`check_folds`, `check_overlap`, `check_overlaps`, `check_history`) stop a run with `GuardError`;
`check_inputs` runs those that come before training. Soft guards look at results: each returns a table with
`COLUMNS`, a row for each thing that trips it, and in `attrs["checked"]` how many things it looked at.
`check_results` runs them all. `summary` and `mark` put them on a page.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from crosscorpus import folds, metrics
from crosscorpus.protocol import Protocol

UNIT = ["ptm", "head", "regime", "seed", "train_corpus"]
TRAINING = [*UNIT, "fold"]
TEST_FOLD = [*UNIT, "test_corpus", "fold"]
BLOCK = ["head", "regime", "train_corpus", "test_corpus"]
COLUMNS = ["guard", *TEST_FOLD, "message"]

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

BLIND = ("majority",)
"""Heads that look at no input, on purpose: guards against heads that do not look at it pass them by."""

WITHOUT_CURVES = ("majority", "logistic", "svm")
"""Heads that are not trained in epochs: they have no loss, and need no learning curve."""

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

FEW = 30
"""Test utterances below which models may have the same scores by chance: there are not many that they can have."""

ROUNDING = 1e-3
"""How far probabilities may be from a sum of 1: more than float32 or a table with four digits needs."""

GUESSING = 1e-3
"""Chance that a head which guesses the most frequent emotion is taken for one that has learned."""


LARGEST_SHARE = 0.3
"""Share of the utterances beyond which what is held out for early stopping is missed in training."""


class GuardError(ValueError):
    """A table that no honest run has; the message says what is wrong, where, and what to do."""


# -- hard guards: folds and utterances, before training -----------------------------------------------------


def check_inputs(utterances: Mapping[str, pd.DataFrame], regimes: Sequence[str], protocol: Protocol) -> None:
    """Run `check_folds` on corpora that are about to be trained and tested on, and `check_overlaps` on all pairs.

    Parameters
    ----------
    utterances
        Tables with `corpora.COLUMNS`, by corpus.
    regimes
        Those to be used. A corpus is left out of one that is not `folds.possible`.
    protocol
        Settings, see `protocol.load`.

    Raises
    ------
    GuardError
        One of them trips.
    """
    tables = []
    for corpus, table in utterances.items():
        here = [regime for regime in regimes if folds.possible(corpus, table, regime)]
        dealt = [folds.load(corpus, table, regime) for regime in here]
        if dealt:
            tables.append(pd.concat(dealt, ignore_index=True))
        for regime in here:
            # With fewer groups than folds, each group is a fold: one is left out at a time.
            n_folds = folds.count(corpus, table, regime)
            check_folds(corpus, tables[-1], table, n_folds, [regime], folds.without_fold(corpus, table))
    if tables:
        together = pd.concat(utterances.values(), ignore_index=True)
        used = together[together["emotion"].isin(protocol["emotions"])]
        check_overlaps(used, pd.concat(tables, ignore_index=True))


def check_folds(
    corpus: str,
    fold_table: pd.DataFrame,
    utterances: pd.DataFrame,
    n_folds: int,
    regimes: Sequence[str] = (),
    left_out: Collection[str] = (),
) -> None:
    """Check that the folds of a corpus are those of its table of utterances: each in one fold, none empty.

    If it trips, some utterances would never be tested, or be tested twice, or the folds are of another edition of
    the corpus. Compare the two tables in the chapter on data, and deal the folds anew (`make folds`) only if the
    corpus did change: results on other folds cannot be compared.

    Parameters
    ----------
    corpus
        Id that the fold table must have.
    fold_table
        Table with `folds.COLUMNS`.
    utterances
        Table with `utterance`, a row for each.
    n_folds
        How many folds each regime has.
    regimes
        Those that must be there; without them, those of the table are checked.
    left_out
        Utterances that are known to have no fold.

    Raises
    ------
    GuardError
        They are not. The message names corpus, regime and utterance.
    """
    _need(fold_table, folds.COLUMNS, "the table of folds")
    _need(utterances, ["utterance"], "the table of utterances")
    if not len(fold_table):
        raise GuardError(f"{corpus}: the table of folds is empty; deal them with `make folds`")
    strangers = fold_table.loc[fold_table["corpus"] != corpus, "corpus"]
    if len(strangers):
        raise GuardError(f"{corpus}: the table of folds is of {strangers.iloc[0]}; load this corpus's folds")
    names = utterances["utterance"]
    if names.duplicated().any():
        twice = names[names.duplicated()].iloc[0]
        raise GuardError(f"{corpus}: {twice} is twice in the table of utterances; keep one of the two")
    for regime in regimes or fold_table["regime"].unique():
        part, where = fold_table[fold_table["regime"] == regime], f"{corpus}, {regime}"
        wrong = part[~part["fold"].isin(range(1, n_folds + 1))]
        if len(wrong):
            raise GuardError(
                f"{where}: {wrong['utterance'].iloc[0]} is in fold {wrong['fold'].iloc[0]} where 1 to {n_folds} "
                "are expected; deal the folds again with `make folds`"
            )
        empty = sorted(set(range(1, n_folds + 1)) - set(part["fold"]))
        if empty:
            raise GuardError(
                f"{where}: fold {', '.join(map(str, empty))} of {n_folds} has no utterance; deal the folds again "
                "with `make folds`, or leave this regime out if the corpus is too small for it"
            )
        tested = part["utterance"]
        twice, unknown = tested[tested.duplicated()], tested[~tested.isin(names)]
        missing = names[~names.isin(tested) & ~names.isin(list(left_out))]
        for found, problem in (
            (twice, "in more than one fold; keep it in one"),
            (unknown, "in a fold but not in the table of utterances; use the folds of this edition of the corpus"),
            (missing, "in no fold; leave its file out, or deal the folds again with `make folds`"),
        ):
            if len(found):
                others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                raise GuardError(f"{where}: {found.iloc[0]}{others} is {problem}")


def check_overlap(trained_on: pd.DataFrame, tested_on: pd.DataFrame, regime: str, fold: int) -> None:
    """Check that nothing is in training and in test at once: no utterance, no recording, no speaker.

    Recordings are compared across corpora as well; speakers (or what stands for them, see `folds.groups`) within
    one corpus in the regime ``speaker``. If it trips, the head is tested on what it was trained on, and its score
    is not one of generalisation. Correct the folds; where two corpora share a recording, leave it out of one
    (`not_used` in `data/corpora.yaml`).

    Parameters
    ----------
    trained_on, tested_on
        The utterances of one training and one test, each of one corpus: corpus, utterance, sha256, and the column
        that the corpus keeps together.
    regime, fold
        Of this test.

    Raises
    ------
    GuardError
        There is an overlap, one of the tables is empty, or hashes are missing. The message names the first.
    """
    for table, what in ((trained_on, "utterances trained on"), (tested_on, "utterances tested on")):
        _need(table, ["corpus", "utterance", "sha256"], f"the table of {what}")
        if not len(table):
            raise GuardError(f"{regime}, fold {fold}: no {what}; compare the folds with the table of utterances")
    source, target = trained_on["corpus"].iloc[0], tested_on["corpus"].iloc[0]
    where = f"trained on {source}, tested on {target}, {regime}, fold {fold}"
    shared = tested_on[tested_on["sha256"].isin(trained_on["sha256"]) & (tested_on["sha256"] != "")]
    if source == target:
        twice = tested_on.loc[tested_on["utterance"].isin(trained_on["utterance"]), "utterance"]
        if len(twice):
            raise GuardError(
                f"{where}: {len(twice)} utterances are in training and in test, first {twice.iloc[0]}; "
                "an utterance must be in one fold: correct the folds"
            )
    if len(shared):
        first = shared.iloc[0]
        copy = trained_on.loc[trained_on["sha256"] == first["sha256"], "utterance"].iloc[0]
        remedy = (
            "identical audio must be in one fold: add it to same_audio in data/corpora.yaml"
            if source == target
            else "the test is not of another corpus: leave it out of one of them (not_used in data/corpora.yaml)"
        )
        raise GuardError(
            f"{where}: {len(shared)} recordings are in training and in test, first {copy} of {source}, which is "
            f"{first['utterance']} of {target} (sha256 {first['sha256'][:12]}); {remedy}"
        )
    if regime == "speaker" and source == target:
        heard, tested = (folds.groups(source, table, regime) for table in (trained_on, tested_on))
        known = tested[tested.isin(heard)]
        if len(known):
            raise GuardError(
                f"{where}: {known.name} {known.iloc[0]!r} is in training and in test ({len(known)} utterances "
                "tested); what a corpus keeps together must be in one fold: correct the folds"
            )


def check_overlaps(utterances: pd.DataFrame, fold_table: pd.DataFrame) -> None:
    """Run `check_overlap` on every fold of every pair of corpora, in every regime of a table of folds.

    Corpora may have different numbers of folds: fold j is tested by the training that `training_fold` names.

    Parameters
    ----------
    utterances
        Table with `corpora.COLUMNS` of all corpora together; only those that are used, say of some emotions.
    fold_table
        Table with `folds.COLUMNS` of all corpora together.

    Raises
    ------
    GuardError
        There is an overlap.
    """
    _need(fold_table, folds.COLUMNS, "the table of folds")
    _need(utterances, ["corpus", "utterance", "sha256"], "the table of utterances")
    joined = utterances.merge(fold_table, on=["corpus", "utterance"])
    if not len(joined):
        raise GuardError("no utterance has a fold; pass the utterances and the folds of the same corpora")
    for regime, of_regime in joined.groupby("regime", sort=False):
        tables = [table for _, table in of_regime.groupby("corpus", sort=False)]
        for fold in sorted(of_regime["fold"].unique()):
            tests = [test for table in tables if len(test := table[table["fold"] == fold])]
            for table in tables:
                kept_out = training_fold(int(fold), int(table["fold"].max()))
                for test in tests:
                    check_overlap(table[table["fold"] != kept_out], test, str(regime), int(fold))


def training_fold(fold: int, n_folds: int) -> int:
    """Return the training by which fold `fold` of a test corpus is tested, of a training corpus with `n_folds`.

    It is the training that keeps out its own fold of that number; where the training corpus has fewer folds, they
    are counted through again: fold 4 is tested by the first of three.
    """
    return (fold - 1) % n_folds + 1


def check_history(history: pd.DataFrame) -> None:
    """Check that no loss of some learning curves is NaN or infinite; `loss` says what it means.

    Raises
    ------
    GuardError
        One is. The message names the training.
    """
    tripped = loss(history)
    if len(tripped):
        first = tripped.iloc[0]
        training = ", ".join(str(first[column]) for column in UNIT)
        others = f" (and {len(tripped) - 1} more trainings)" if len(tripped) > 1 else ""
        raise GuardError(
            f"{training}, fold {first['fold']}{others}: {first['message']}; look at the embeddings, or lower "
            "learning_rate"
        )


# -- soft guards: results -----------------------------------------------------------------------------------


def check_results(predictions: pd.DataFrame, history: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Run all soft guards.

    Parameters
    ----------
    predictions
        Table with `evaluate.COLUMNS` and `p_<emotion>`.
    history
        Learning curves of the same trainings: `UNIT`, fold, epoch, loss, val_loss, train_accuracy, n_train and
        n_validation.
    utterances
        Those that have a fold, of all corpora together, once each: corpus, utterance, emotion.

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
    _need(predictions, [*TEST_FOLD, "utterance", "emotion"], "the table of predictions")
    _need(predictions, ["predicted"], "the table of predictions", may_miss=True)
    if not len(predictions):
        raise GuardError("the table of predictions is empty; there is nothing to guard: run the grid first")
    slim = _slim(predictions)
    tripped = [
        wrong_utterances(slim, utterances),
        wrong_probabilities(slim, utterances),
        missing_class(slim, utterances),
        single_class(slim),
        constant(slim),
        same_predictions(slim),
        same_scores(_scores(slim)),
        loss(history),
        at_chance(slim, history, utterances),
        validation_share(history),
    ]
    together = pd.concat(tripped, ignore_index=True)
    together.attrs["checked"] = {guard: n for part in tripped for guard, n in part.attrs["checked"].items()}
    return together


def wrong_utterances(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find cells that are not tested on every utterance once.

    Expected are the utterances of the test corpus whose emotion the training corpus has, over all folds; of those
    with identical audio, one is enough (`folds.load` leaves a copy out where it would be in another fold). If it
    trips, scores of this cell are of another set of utterances than those beside it: results of two runs were
    mixed, or rows were lost. Delete the stored predictions of the cell and run it again; if it trips again,
    compare folds and utterances (`check_folds`).
    """
    cell = [*UNIT, "test_corpus"]
    known = _known(utterances).rename(columns={"corpus": "test_corpus"})
    sets = _label_sets(predictions, utterances)
    expected = pd.concat(
        [known[known["emotion"].isin(labels)].assign(train_corpus=corpus) for corpus, labels in sets.items()]
    )
    pair = ["train_corpus", "test_corpus"]
    sizes = expected.groupby(pair).size()
    spared = expected.merge(_copies_without_fold(predictions, utterances), on=["test_corpus", "utterance"])
    spared_sizes = spared.groupby(["regime", *pair]).size()
    of_pair = [*pair, "utterance", "emotion"]
    seen = _plain(predictions[of_pair].drop_duplicates())
    unknown = seen.merge(expected, how="left", on=of_pair, indicator=True)
    unknown = unknown.loc[unknown["_merge"] == "left_only", of_pair]
    good = ~predictions.duplicated([*cell, "utterance"]).to_numpy()
    if len(unknown):  # else the tests are spared a merge of everything
        rows = _plain(predictions[of_pair]).merge(unknown, how="left", on=of_pair, indicator=True)
        good &= (rows["_merge"] == "left_only").to_numpy()
    groups = predictions.assign(good=good).groupby(cell, observed=True, sort=False)["good"]
    checked = groups.agg(n="size", good="sum").reset_index()
    wanted = [
        int(sizes.get((row.train_corpus, row.test_corpus), 0))
        - int(spared_sizes.get((row.regime, row.train_corpus, row.test_corpus), 0))
        for row in checked.itertuples()
    ]
    checked = checked.assign(expected=wanted, absent=lambda t: t["expected"] - t["good"])
    checked["extra"] = checked["n"] - checked["good"]
    return _report(
        "utterances",
        checked,
        (checked["absent"] != 0) | (checked["extra"] != 0),
        lambda row: (
            f"{row.absent} of {row.expected} utterances are not tested, and {row.extra} rows are of an utterance "
            "that is doubled, unknown, or has another emotion"
        ),
    )


def wrong_probabilities(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find test folds with probabilities that are none, or predictions that are not the most probable emotion.

    Emotions that the training corpus does not have must be empty. The prediction is looked for among the emotions
    that the pair is scored on, those of the utterances tested: another one may be more probable, and is no answer.
    If it trips, predictions do not come from the head alone: its output was not normalised, is NaN, or was shifted
    afterwards (by a prior, say). Look at what `train.predict` returns there.
    """
    emotions = _emotions(predictions)
    sets = _label_sets(predictions, utterances)
    corpus = pd.Categorical(predictions["train_corpus"])
    of_corpus = np.array([[emotion in sets[name] for emotion in emotions] for name in corpus.categories])
    allowed = of_corpus[corpus.codes]
    p = _probabilities(predictions)
    answers = np.where(_scored_on(predictions, emotions), p, np.nan)
    code = pd.Index(emotions).get_indexer(predictions["predicted"])
    chosen = np.where(code >= 0, answers[np.arange(len(p)), code], np.nan)
    with np.errstate(invalid="ignore"):
        bad = {
            "numbers": ~(np.isfinite(p) == allowed).all(axis=1),
            "sums": ~(np.abs(np.nansum(p, axis=1) - 1) <= ROUNDING) | (p < 0).any(axis=1),
            "others": ~(chosen >= np.fmax.reduce(answers, axis=1) - ROUNDING),
        }
    table = predictions[TEST_FOLD].assign(**bad)
    checked = table.groupby(TEST_FOLD, observed=True, sort=False)[list(bad)].sum().reset_index()
    return _report(
        "probabilities",
        checked,
        checked[list(bad)].any(axis=1),
        lambda row: (
            f"{row.numbers} rows have an empty or infinite probability or one too many, {row.sums} do not sum to "
            f"1 or are negative, {row.others} predict an emotion that is not the most probable one tested"
        ),
    )


def missing_class(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find test folds without an utterance of some emotion that both corpora have.

    If it trips, macro-F1 and UAR of that fold are over fewer emotions than those of the others, and cannot be
    averaged with them. Deal the folds anew, or read the accuracy of that cell alone.
    """
    group = ["regime", "train_corpus", "test_corpus", "fold"]
    sets = _label_sets(predictions, utterances)
    of_corpus = _known(utterances).groupby("corpus")["emotion"].agg(set)
    present = _plain(predictions[[*group, "emotion"]].drop_duplicates())
    checked = present.groupby(group, sort=False)["emotion"].agg(set).reset_index()
    checked["absent"] = [
        sorted(set(sets[row.train_corpus]) & of_corpus[row.test_corpus] - row.emotion)
        for row in checked.itertuples()
    ]
    return _report(
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
    groups = _sighted(predictions).groupby(TEST_FOLD, observed=True, sort=False)
    checked = groups.agg(
        n=("predicted", "size"),
        emotions=("emotion", "nunique"),
        kinds=("predicted", "nunique"),
        predicted=("predicted", "first"),
    ).reset_index()
    checked = checked[checked["emotions"] > 1]  # where all are of one emotion, one prediction is right
    return _report(
        "single class", checked, checked["kinds"] <= 1, lambda row: f"all {row.n} predicted as {row.predicted}"
    )


def constant(predictions: pd.DataFrame) -> pd.DataFrame:
    """Find test folds of several emotions whose probabilities vary by less than `CONSTANT` between utterances.

    If it trips, the head does not look at its input there: the embeddings are constant, its hidden units are dead,
    or a prior has drowned its output. Look at the embeddings of the test corpus, and at the scaling.
    """
    columns = [f"p_{emotion}" for emotion in _emotions(predictions)]
    groups = _sighted(predictions).groupby(TEST_FOLD, observed=True, sort=False)
    spread = (groups[columns].max() - groups[columns].min()).max(axis=1)
    emotions = groups["emotion"].nunique()
    checked = pd.DataFrame({"n": groups.size(), "spread": spread, "emotions": emotions}).reset_index()
    checked = checked[checked["emotions"] > 1]  # a head may be as sure of all that are of one emotion
    return _report(
        "constant",
        checked,
        checked["spread"] < CONSTANT,
        lambda row: f"no probability varies by more than {row.spread:.0e} over {row.n} utterances",
    )


def same_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Find test folds where two models give the same predictions, compared on the utterances of both.

    The same are probabilities that differ by at most `SAME`, relatively, for every utterance, or labels that are
    equal for every utterance with at least `MISTAKES` mistakes, and are of two emotions at least (`single_class`
    tells of the others). If it trips, one model's embeddings or results
    were stored under another's name, or heads do not look at their input (see `constant`). Compare the two models'
    embeddings first.
    """
    table = _sighted(predictions)
    block = [column for column in TEST_FOLD if column != "ptm"]
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
    p = np.full((len(_emotions(table)), *here.shape), np.nan, dtype=np.float32)
    where = (model.codes, place)
    here[where] = True
    label[where] = pd.Categorical(
        table["predicted"], categories=sorted(table["predicted"].dropna().unique())
    ).codes
    wrong[where] = table["predicted"].astype(str) != table["emotion"].astype(str)
    for of_emotion, values in zip(p, _probabilities(table).T, strict=True):
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
    return _report("same predictions", checked, checked["same_as"] != "", lambda row: f"the {row.same_as}")


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
    _need(scores, ["ptm", "accuracy", "macro_f1"], "the table of scores")
    block = [column for column in BLOCK if column in scores]
    if not block:
        raise GuardError(f"the table of scores has none of the columns {', '.join(BLOCK)}; add what it is by")
    if "n_utterances" in scores:
        scores = scores[scores["n_utterances"] >= FEW]
    groups = _sighted(scores).groupby(block, observed=True, sort=False)
    checked = groups.agg(
        models=("ptm", "nunique"),
        lowest=("accuracy", "min"),
        highest=("accuracy", "max"),
        lowest_f1=("macro_f1", "min"),
        highest_f1=("macro_f1", "max"),
    ).reset_index()
    checked = checked[checked["models"] > 1]
    same = (checked["highest"] - checked["lowest"] < 1e-6) & (checked["highest_f1"] - checked["lowest_f1"] < 1e-6)
    return _report(
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
    _need(history, [*TRAINING, "epoch"], "the table of learning curves")
    _need(history, ["loss", "val_loss"], "the table of learning curves", may_miss=True)
    table = history[~history["head"].isin(WITHOUT_CURVES)]
    finite = np.isfinite(table[["loss", "val_loss"]].to_numpy(dtype=float)).all(axis=1)
    table = table[TRAINING].assign(bad=~finite, epoch=table["epoch"].where(~finite))
    groups = table.groupby(TRAINING, observed=True, sort=False)
    checked = groups.agg(bad=("bad", "any"), epoch=("epoch", "min")).reset_index()
    return _report("loss", checked, checked["bad"], lambda row: f"the loss is not finite in epoch {row.epoch:.0f}")


def at_chance(predictions: pd.DataFrame, history: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Find heads that did not learn their own training data, or whose accuracy on it is not known.

    The accuracy of the kept weights is held against what always guessing the most frequent emotion gets in that
    many utterances: its share and, by the binomial distribution, what it exceeds with probability `GUESSING`. If
    it trips, the head has learned nothing, and its tests say nothing about the model. Look at the learning curve:
    a loss that does not fall from the first epoch on points to the scaling or the learning rate.
    """
    _need(history, TRAINING, "the table of learning curves")
    _need(history, ["train_accuracy"], "the table of learning curves", may_miss=True)
    known = _sighted(history).drop_duplicates(TRAINING, keep="last")[[*TRAINING, "train_accuracy"]]
    tested = _trainings(_sighted(predictions), history)
    checked = _plain(tested).merge(_plain(known), on=TRAINING, how="outer", sort=False)
    checked = checked[checked["train_accuracy"].notna() | ~checked["head"].isin(WITHOUT_CURVES)]
    sets = _label_sets(predictions, utterances, checked["train_corpus"].unique())
    table = _known(utterances)
    by, limits = ["regime", "train_corpus"], []
    for (_, corpus), fold in checked.groupby(by)["fold"]:
        emotion = table.loc[table["corpus"] == corpus, "emotion"]
        counts = emotion[emotion.isin(sets[corpus])].value_counts()
        total, n_folds = int(counts.sum()), int(fold.max())
        # Folds and the part for early stopping are dealt by emotion, so the share is the whole corpus's, nearly.
        n = total * (n_folds - 1) // n_folds or total
        # Of few, guessing may get all; a head that knows all its training data is not held against that.
        limits.append(min(binom.isf(GUESSING, n, counts.max() / total), n - 1) / n)
    group = checked.groupby(by).ngroup().to_numpy()
    checked = checked.assign(limit=np.array(limits, dtype=float)[group])
    return _report(
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
    _need(history, [*TRAINING, "n_train", "n_validation"], "the table of learning curves")
    table = history[~history["head"].isin(WITHOUT_CURVES)].drop_duplicates(TRAINING)
    table = table.assign(n=table["n_train"] + table["n_validation"])
    return _report(
        "validation share",
        table,
        table["n_validation"] > LARGEST_SHARE * table["n"],
        lambda row: f"{row.n_validation:.0f} of {row.n:.0f} utterances held out for early stopping",
    )


# -- on a page ----------------------------------------------------------------------------------------------


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
        raise GuardError("the table does not say what was checked; pass what check_results returned, as it is")
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
        raise GuardError(f"the table has none of the columns {', '.join(metrics.CELL)}; mark it before they go")
    rows = _plain(table[cell]).assign(row=range(len(table)))
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


# -- helpers ------------------------------------------------------------------------------------------------


def _report(
    guard: str, checked: pd.DataFrame, bad: "pd.Series[bool]", message: Callable[[Any], str]
) -> pd.DataFrame:
    # `checked` has a row for each thing looked at, with those columns of TEST_FOLD that name it.
    rows = checked[bad.to_numpy(dtype=bool)]
    table = pd.DataFrame(index=range(len(rows)), columns=COLUMNS)
    for column in TEST_FOLD:
        kind = "Int64" if column in ("seed", "fold") else str
        blank = pd.NA if column in ("seed", "fold") else ""
        table[column] = pd.Series(rows[column].to_numpy() if column in rows else blank, table.index, dtype=kind)
    table["guard"] = pd.Series(guard, table.index, dtype=str)
    table["message"] = pd.Series([message(row) for row in rows.itertuples()], table.index, dtype=str)
    table.attrs["checked"] = {guard: len(checked)}
    return table


def _need(table: pd.DataFrame, columns: Iterable[str], what: str, may_miss: bool = False) -> None:
    # Values that are missing in a key would drop out of every group unseen.
    for column in columns:
        if column not in table:
            raise GuardError(f"{what} has no column {column}, only {', '.join(map(str, table))}; make it again")
        if not may_miss and table[column].isna().any():
            raise GuardError(f"{what} has {table[column].isna().sum()} rows without {column}; make it again")


def _slim(predictions: pd.DataFrame) -> pd.DataFrame:
    # Two million rows are grouped in a fraction of the time by numbers that stand for their texts.
    columns = [*TEST_FOLD, "utterance", "emotion", "predicted"]
    texts = [column for column in columns if column not in ("seed", "fold")]
    table = predictions[[*columns, *(f"p_{emotion}" for emotion in _emotions(predictions))]]
    return table.astype(dict.fromkeys(texts, "category")).reset_index(drop=True)


def _scores(predictions: pd.DataFrame) -> pd.DataFrame:
    tested = predictions.groupby(metrics.CELL, observed=True)["utterance"].nunique()
    return metrics.summary(metrics.per_fold(predictions)).join(tested.rename("n_utterances"), on=metrics.CELL)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    # Categories of two tables do not merge; texts do.
    return table.astype({column: str for column in table if table[column].dtype.name in ("category", "object")})


def _sighted(table: pd.DataFrame) -> pd.DataFrame:
    blind = table["head"].isin(BLIND) if "head" in table else pd.Series(False, table.index)
    return table[~blind] if blind.any() else table


def _emotions(predictions: pd.DataFrame) -> list[str]:
    emotions = [column[2:] for column in predictions if column.startswith("p_")]
    if not emotions:
        raise GuardError("the table of predictions has no column p_<emotion>; make it again")
    return emotions


def _probabilities(predictions: pd.DataFrame) -> np.ndarray:
    return predictions[[f"p_{emotion}" for emotion in _emotions(predictions)]].to_numpy(dtype=np.float32)


def _copies_without_fold(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances with the audio of another one that no cell of a regime tests."""
    columns = ["regime", "test_corpus", "utterance"]
    if "sha256" not in utterances:
        return pd.DataFrame(columns=columns)
    hashed = utterances[utterances["sha256"].fillna("") != ""]
    copies = hashed[hashed.duplicated(["corpus", "sha256"], keep=False)]
    copies = _plain(copies.rename(columns={"corpus": "test_corpus"})[["test_corpus", "utterance", "sha256"]])
    tested = _plain(predictions.loc[predictions["utterance"].isin(copies["utterance"]), columns].drop_duplicates())
    every = copies.merge(_plain(predictions[["regime"]].drop_duplicates()), how="cross")
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


def _trainings(predictions: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings by which predictions were made: `TRAINING`, with the fold of the training corpus."""
    tested = _plain(predictions[TEST_FOLD].drop_duplicates())
    own = tested[tested["train_corpus"] == tested["test_corpus"]]
    by = ["regime", "train_corpus"]
    known = pd.concat([own[[*by, "fold"]], _plain(history[[*by, "fold"]])])
    n_folds = known.groupby(by)["fold"].max()
    # Where a corpus was neither tested on itself nor left curves, its folds are taken as those of the test.
    n = tested.join(n_folds.rename("n_folds"), on=by)["n_folds"].fillna(tested["fold"])
    fold = [training_fold(int(f), int(k)) for f, k in zip(tested["fold"], n, strict=True)]
    return tested.assign(fold=fold)[TRAINING].drop_duplicates()


def _known(utterances: pd.DataFrame) -> pd.DataFrame:
    columns = ["corpus", "utterance", "emotion"]
    _need(utterances, columns, "the table of utterances")
    known = _plain(utterances[columns])
    twice = known[known.duplicated(["corpus", "utterance"])]
    if len(twice):
        corpus, name = twice.iloc[0][["corpus", "utterance"]]
        raise GuardError(f"{name} of {corpus} is twice in the table of utterances; pass each corpus once")
    return known


def _label_sets(
    predictions: pd.DataFrame, utterances: pd.DataFrame, more: Iterable[str] = ()
) -> dict[str, list[str]]:
    # What a head tells apart, by its training corpus: the emotions of the table that the corpus has.
    emotions = _emotions(predictions)
    of_corpus = utterances.groupby("corpus")["emotion"].agg(set)
    trained = {*predictions["train_corpus"].unique(), *more}
    for corpus in sorted({*trained, *predictions["test_corpus"].unique()}):
        if corpus not in of_corpus.index:
            raise GuardError(
                f"{corpus} is in the results but not in the table of utterances; pass those of all corpora"
            )
    return {corpus: [e for e in emotions if e in of_corpus[corpus]] for corpus in sorted(trained)}
