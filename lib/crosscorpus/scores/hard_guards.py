"""Hard guards: what stops a run with `GuardError`."""

from collections.abc import Collection, Sequence

import pandas as pd

from crosscorpus.base import text_columns
from crosscorpus.protocols import folds, text_disjoint
from crosscorpus.scores import guard_parts, guards_of_scores


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
        How many folds each regime has: test parts, where its split was published.
    regimes
        Those that must be there; without them, those of the table are checked.
    left_out
        Utterances that are known to have no fold.

    Raises
    ------
    GuardError
        They are not. The message names corpus, regime and utterance.
    """
    guard_parts.need_columns(fold_table, folds.COLUMNS, "the table of folds")
    guard_parts.need_columns(utterances, ["utterance"], "the table of utterances")
    if not len(fold_table):
        raise guard_parts.GuardError(f"{corpus}: the table of folds is empty; deal them with `make folds`")
    strangers = fold_table.loc[fold_table["corpus"] != corpus, "corpus"]
    if len(strangers):
        raise guard_parts.GuardError(
            f"{corpus}: the table of folds is of {strangers.iloc[0]}; load this corpus's folds"
        )
    names = utterances["utterance"]
    if names.duplicated().any():
        twice = names[names.duplicated()].iloc[0]
        raise guard_parts.GuardError(f"{corpus}: {twice} is twice in the table of utterances; keep one of the two")
    for regime in regimes or fold_table["regime"].unique():
        part, where = fold_table[fold_table["regime"] == regime], f"{corpus}, {regime}"
        wrong = part[~part["fold"].isin(folds.numbers(regime, n_folds))]
        if len(wrong):
            raise guard_parts.GuardError(
                f"{where}: {wrong['utterance'].iloc[0]} is in fold {wrong['fold'].iloc[0]} where 1 to {n_folds} "
                "are expected; deal the folds again with `make folds`"
            )
        empty = sorted(set(range(1, n_folds + 1)) - set(part["fold"]))
        if empty:
            raise guard_parts.GuardError(
                f"{where}: fold {', '.join(map(str, empty))} of {n_folds} has no utterance; deal the folds again "
                "with `make folds`, or leave this regime out if the corpus is too small for it"
            )
        tested = part["utterance"]
        twice, unknown = tested[tested.duplicated()], tested[~text_columns.isin(tested, names)]
        missing = names[~text_columns.isin(names, tested) & ~text_columns.isin(names, left_out)]
        for found, problem in (
            (twice, "in more than one fold; keep it in one"),
            (unknown, "in a fold but not in the table of utterances; use the folds of this edition of the corpus"),
            (missing, "in no fold; leave its file out, or deal the folds again with `make folds`"),
        ):
            if len(found):
                others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                raise guard_parts.GuardError(f"{where}: {found.iloc[0]}{others} is {problem}")


def check_overlap(trained_on: pd.DataFrame, tested_on: pd.DataFrame, regime: str, fold: int) -> None:
    """Check that nothing is in training and in test at once: no utterance, no recording, no speaker.

    Recordings are compared across corpora as well; within one corpus, speakers (or what stands for them, see
    `folds.groups`) in the regime ``speaker``, and speakers and texts in the regimes that part them. If it trips,
    the head is tested on what it was trained on, and its score is not one of generalisation. Correct the folds;
    where two corpora share a recording, leave it out of one (`not_used` in `data/corpora.yaml`).

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
        guard_parts.need_columns(table, ["corpus", "utterance", "sha256"], f"the table of {what}")
        if not len(table):
            raise guard_parts.GuardError(
                f"{regime}, fold {fold}: no {what}; compare the folds with the table of utterances"
            )
    source, target = trained_on["corpus"].iloc[0], tested_on["corpus"].iloc[0]
    where = f"trained on {source}, tested on {target}, {regime}, fold {fold}"
    shared = tested_on[text_columns.isin(tested_on["sha256"], trained_on["sha256"]) & (tested_on["sha256"] != "")]
    if source == target:
        twice = tested_on.loc[text_columns.isin(tested_on["utterance"], trained_on["utterance"]), "utterance"]
        if len(twice):
            raise guard_parts.GuardError(
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
        raise guard_parts.GuardError(
            f"{where}: {len(shared)} recordings are in training and in test, first {copy} of {source}, which is "
            f"{first['utterance']} of {target} (sha256 {first['sha256'][:12]}); {remedy}"
        )
    if regime in folds.CROSSED and source == target:
        heard, tested = (text_disjoint.speakers_and_texts(source, table) for table in (trained_on, tested_on))
        for column in ("speaker", "text") if regime == folds.CROSSED[0] else ("speaker",):
            known = tested[column][text_columns.isin(tested[column], heard[column])]
            if len(known):
                raise guard_parts.GuardError(
                    f"{where}: {column} {known.iloc[0]!r} is in training and in test ({len(known)} utterances "
                    "tested); this regime keeps them apart: report it"
                )
    if regime == "speaker" and source == target:
        heard, tested = (folds.groups(source, table, regime) for table in (trained_on, tested_on))
        known = tested[text_columns.isin(tested, heard)]
        if len(known):
            raise guard_parts.GuardError(
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
    guard_parts.need_columns(fold_table, folds.COLUMNS, "the table of folds")
    guard_parts.need_columns(utterances, ["corpus", "utterance", "sha256"], "the table of utterances")
    joined = utterances.merge(fold_table, on=["corpus", "utterance"])
    if not len(joined):
        raise guard_parts.GuardError(
            "no utterance has a fold; pass the utterances and the folds of the same corpora"
        )
    for regime, of_regime in joined.groupby("regime", sort=False):
        tables = [table for _, table in of_regime.groupby("corpus", sort=False)]
        tables = [table for table in tables if table["fold"].max() > 0]  # else nothing of it is tested
        for fold in range(1, int(of_regime["fold"].max()) + 1):
            tests = [test for table in tables if len(test := table[table["fold"] == fold])]
            for table in tables:
                kept_out = guard_parts.training_fold(fold, int(table["fold"].max()))
                training, validation, _ = folds.parts(table["fold"], kept_out, str(regime))
                for test in tests:
                    check_overlap(table[training | validation], test, str(regime), fold)


def check_history(history: pd.DataFrame) -> None:
    """Check that no loss of some learning curves is NaN or infinite; `loss` says what it means.

    Raises
    ------
    GuardError
        One is. The message names the training.
    """
    tripped = guards_of_scores.loss(history)
    if len(tripped):
        first = tripped.iloc[0]
        training = ", ".join(str(first[column]) for column in guard_parts.UNIT)
        others = f" (and {len(tripped) - 1} more trainings)" if len(tripped) > 1 else ""
        raise guard_parts.GuardError(
            f"{training}, fold {first['fold']}{others}: {first['message']}; look at the embeddings, or lower "
            "learning_rate"
        )
