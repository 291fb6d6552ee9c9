"""Folds of a corpus for cross-validation, in five regimes.

``stratified`` deals the utterances of each emotion evenly over the folds, whoever speaks: the likely reading of
the paper. ``speaker`` never has a speaker in two folds, so a test speaker was never heard in training; a corpus of
two to four speakers has a fold for each. Folds are numbered from 1 and committed in `data/folds/<corpus>.csv`.
``speaker-text`` and ``speaker-matched`` part texts as well, or are the control of that; see `text_disjoint`.
``official`` is not dealt: it is the split that was published, whose folds are test parts, see `official_splits`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from crosscorpus.base import known_names, paths, text_columns
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.protocols import dealing, official_splits, protocol_settings, remembered_folds, text_disjoint

COLUMNS = ["corpus", "utterance", "regime", "fold"]
DEALT = protocol_settings.DEALT
CROSSED = protocol_settings.CROSSED
PUBLISHED = "official"


class FoldError(ValueError):
    """Folds that break what their regime promises; the message names corpus, regime and utterance."""


def audio_groups(corpus: str, utterances: pd.DataFrame) -> pd.Series:
    """Return a group label per utterance: one for those with identical audio.

    By the registry's `same_audio`, and by the column `sha256` where the table has it.
    """
    first = {name: min(same) for same in corpus_registry.get(corpus).same_audio for name in same}
    label = utterances["utterance"].map(lambda name: first.get(name, name))
    if "sha256" in utterances:
        by_hash = utterances["sha256"].where(utterances["sha256"] != "", utterances["utterance"])
        label = _joined(label, by_hash)
    return label


def _joined(one: pd.Series, other: pd.Series) -> pd.Series:
    """Return a label of `one` for each row: the same for rows that share either, directly or by way of others."""
    these, those = pd.factorize(one)[0], pd.factorize(other)[0] + len(one)
    graph = coo_array((np.ones(len(one)), (these, those)), shape=(2 * len(one), 2 * len(one)))
    return one.groupby(connected_components(graph, directed=False)[1][these]).transform("min")


def groups(corpus: str, utterances: pd.DataFrame, regime: str) -> pd.Series:
    """Return the label, per utterance, of what a regime keeps together in one fold.

    Speakers for ``speaker``, or what the registry's `folds_keep_together` names for a corpus without speakers
    (MESD: a word in one kind of voice), two of which are one where they share audio; identical audio for the other
    regimes.
    """
    if known_names.check(regime, protocol_settings.REGIMES, "regime") != "speaker":
        return audio_groups(corpus, utterances)
    column = corpus_registry.get(corpus).folds_keep_together
    if column == "speaker":
        return utterances[column]
    return _joined(utterances[column], audio_groups(corpus, utterances))


def parts(fold: "pd.Series[int]", number: int, regime: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who is trained on, who is watched for early stopping and who is tested in one fold.

    Three boolean arrays, [utterances], of the column `fold` of a table. Without a published validation part the
    second is all False, and training splits off one of its own.
    """
    if regime in CROSSED:
        training, tested = text_disjoint.parts(fold.to_numpy(), number)
        return training, np.zeros_like(tested), tested
    test, validation = (fold == n for n in (number, official_splits.VALIDATION))
    return (~test & ~validation).to_numpy(), validation.to_numpy(), test.to_numpy()


def numbers(regime: str, n_folds: int) -> range:
    """Return what may stand in the column `fold`: 1 to the count; of a published split, what is untested, too."""
    return range(official_splits.VALIDATION if regime == PUBLISHED else 1, n_folds + 1)


def published(corpus: str, regime: str) -> "pd.Series[int] | None":
    """Return the fold of each utterance, by name, as it was published; None for a regime whose folds are dealt."""
    split = official_splits.read(corpus) if regime == PUBLISHED else None
    return None if split is None else split.set_index("utterance")["fold"]


def make(corpus: str, utterances: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Assign every utterance to a fold in each regime.

    Parameters
    ----------
    corpus
        Id in the registry.
    utterances
        Table with `utterance`, `emotion`, `speaker` and `text_id`; its order does not matter.
    seed
        Of the shuffle.

    Returns
    -------
    A table with `COLUMNS`, sorted by regime and utterance.
    """
    settings = protocol_settings.load()
    ordered = utterances.sort_values("utterance", ignore_index=True)
    together = audio_groups(corpus, ordered)
    dealt = {"stratified": dealing.evenly(ordered, together, settings["emotions"], settings["n_folds"], seed)}
    if possible(corpus, utterances, "speaker"):
        dealt["speaker"] = dealing.by_group(ordered, groups(corpus, ordered, "speaker"), settings["n_folds"], seed)
    tables = [
        pd.DataFrame({"corpus": corpus, "utterance": ordered["utterance"], "regime": regime, "fold": fold})
        for regime, fold in dealt.items()
    ]
    return pd.concat(tables, ignore_index=True)


def possible(corpus: str, utterances: pd.DataFrame, regime: str) -> bool:
    """Return whether a corpus can be trained and tested on in a regime."""
    return not why_not(corpus, utterances, regime)


def why_not(corpus: str, utterances: pd.DataFrame, regime: str) -> str:
    """Return why a corpus has no folds in a regime, "" where it has: one speaker cannot be kept from others."""
    if regime == PUBLISHED:
        return official_splits.why_not(corpus, utterances)
    if regime in CROSSED:
        return text_disjoint.why_not(corpus, utterances, protocol_settings.load()["n_folds"])
    if count(corpus, utterances, regime) > 1:
        return ""
    if regime == "stratified":
        return "it has one utterance"
    column, named = corpus_registry.get(corpus).folds_keep_together, set(groups(corpus, utterances, regime)) - {""}
    return f"all is of one {column}, {min(named)}" if named else f"its table names no {column}"


def count(corpus: str, utterances: pd.DataFrame, regime: str) -> int:
    """Return how many folds a regime has: the protocol's, or one a group where there are fewer groups.

    Of a published split, its test parts; none where there is no split.
    """
    if regime in CROSSED:
        dealt = text_disjoint.deal(corpus, _in_folds(corpus, utterances), protocol_settings.load()["n_folds"], 0)
        return dealt.n**2 if dealt else 0
    if regime == PUBLISHED:
        fold = published(corpus, regime)
        return 0 if fold is None else int(fold.max())
    return min(protocol_settings.load()["n_folds"], groups(corpus, utterances, regime).nunique())


def path(corpus: str) -> Path:
    """Return the file of a corpus's committed folds."""
    return paths.DATA / "folds" / f"{corpus_registry.get(corpus).id}.csv"


def read(corpus: str) -> pd.DataFrame:
    """Return the committed folds of a corpus, a table with `COLUMNS`.

    Raises
    ------
    FoldError
        The file has other columns, another corpus, an unknown regime, a fold that is no number from 1 to the
        protocol's count, or an utterance twice in a regime; the message names file and line.
    """
    file, n_folds = path(corpus), protocol_settings.load()["n_folds"]
    table = utterance_tables.read_table(file)
    again = "correct it, or deal the folds again with `make folds`"
    if list(table) != COLUMNS:
        expected = ", ".join(COLUMNS)
        raise FoldError(f"{file}: its columns are {', '.join(table)} where {expected} are expected; {again}")
    number = pd.to_numeric(table["fold"], errors="coerce")
    for wrong, what in (
        (table["corpus"] != corpus, f"the corpus must be {corpus}"),
        (
            ~table["regime"].isin(DEALT),
            f"the regime must be one of {', '.join(DEALT)}",
        ),
        (~number.isin(range(1, n_folds + 1)), f"the fold must be a number from 1 to {n_folds}"),
        (table.duplicated(["regime", "utterance"]), "the utterance is in more than one fold of the regime"),
    ):
        if wrong.any():
            line = int(np.argmax(wrong))
            found = ",".join(map(str, table.iloc[line]))
            raise FoldError(f"{file}, line {line + 2}: {found}: {what}; {again}")
    return table.assign(fold=number.astype(int))


def load(corpus: str, utterances: pd.DataFrame, regime: str | None = None) -> pd.DataFrame:
    """Return the folds of a table of utterances, in one regime or in all that are dealt.

    The committed folds where there are some (an utterance that they do not have is left out, and one that is
    not here is dropped), else new ones, as for a regime in which no utterance of some fold is here. Where audio
    turns out to be identical to that of another fold, new folds keep the first utterance alone, so that nothing is
    in training and test at once. A published split is taken as it is, but for such audio: it stays where it is
    tested (see `left_out`).

    Returns
    -------
    A table with `COLUMNS`, checked by `check`; a published split is as `official_splits` numbers it. The regime
    `speaker` is missing where it is not `possible`, and the table is empty where no split is published.

    Raises
    ------
    FoldError
        Committed folds cannot be read, or put apart what turned out to be identical audio; or `check` fails.
    """
    if regime is not None:
        known_names.check(regime, protocol_settings.REGIMES, "regime")
    entry, settings = corpus_registry.get(corpus), protocol_settings.load()
    columns = {*COLUMNS, "emotion", "speaker", "text_id", "sha256", entry.folds_keep_together} & set(utterances)
    of_corpus = (corpus, entry.folds_keep_together, str(entry.same_audio), str(entry.texts))
    facts = (*of_corpus, regime, settings["n_folds"], *settings["emotions"])
    return remembered_folds.find_or_make(
        facts, utterances[sorted(columns)], [path(corpus), official_splits.path(corpus)],
        lambda: _load(corpus, utterances, regime),
    )  # fmt: skip


def _load(corpus: str, utterances: pd.DataFrame, regime: str | None) -> pd.DataFrame:
    if regime == PUBLISHED:
        return _published(corpus, utterances, regime)
    if regime in CROSSED:
        return _crossed(corpus, utterances, str(regime))
    committed: list[str] = []  # regimes whose folds are as the file has them
    if path(corpus).exists():
        table = read(corpus)
        n_folds = table.groupby("regime")["fold"].nunique()
        table = table[text_columns.isin(table["utterance"], utterances["utterance"])].reset_index(drop=True)
        short = n_folds.index[table.groupby("regime")["fold"].nunique().reindex(n_folds.index) != n_folds]
        of_corpus = text_columns.isin(utterances["utterance"], table["utterance"])
        if len(short) and of_corpus.all():  # a part of the corpus is here
            anew = make(corpus, utterances)
            kept = [table[~table["regime"].isin(short)], anew[anew["regime"].isin(short)]]
            table = pd.concat(kept, ignore_index=True)
            n_folds = n_folds.drop(short)
        committed = list(n_folds.index)
    else:
        table = make(corpus, utterances)
    label = dict(zip(utterances["utterance"], audio_groups(corpus, utterances), strict=True))
    of_audio = [table["regime"], table["utterance"].map(label)]
    first = table.groupby(of_audio)[["utterance", "fold"]].transform("first")
    apart = table["fold"] != first["fold"]
    refused = apart & table["regime"].isin(committed)
    if refused.any():
        raise FoldError(_put_apart(corpus, table[refused], first["utterance"][refused]))
    table = table[~apart]
    if regime is not None:
        table = table[table["regime"] == regime]
    table = table.reset_index(drop=True)
    check(corpus, table, utterances, DEALT if regime is None else [regime])
    return table


def _put_apart(corpus: str, table: pd.DataFrame, first: pd.Series) -> str:
    pairs = list(dict.fromkeys(f"{one} = {other}" for one, other in zip(first, table["utterance"], strict=True)))
    regimes = ", ".join(table["regime"].unique())
    return (
        f"{paths.shown(path(corpus))}: identical audio in different folds ({regimes}), so that a recording would "
        f"be in training and in test: {', '.join(pairs)}. Two names must not have one recording: fetch the corpus "
        "again if this copy is wrong; if every copy has it, add the names to same_audio in "
        f"{corpus_registry.get(corpus).file} (or leave one out there, not_used) and run `make folds`"
    )


def _published(corpus: str, utterances: pd.DataFrame, regime: str) -> pd.DataFrame:
    fold = published(corpus, regime)
    if fold is None:
        return pd.DataFrame(columns=COLUMNS).astype({"fold": int})
    ordered = utterances.sort_values("utterance", ignore_index=True)
    ordered = ordered[text_columns.isin(ordered["utterance"], fold.index)]
    table = pd.DataFrame({"corpus": corpus, "utterance": ordered["utterance"], "regime": regime})
    table["fold"] = ordered["utterance"].map(fold).astype(int)
    # Folds of tests are numbered above that of training, which is above that of validation.
    highest = table.groupby(audio_groups(corpus, ordered))["fold"].transform("max")
    table = table[table["fold"] == highest].reset_index(drop=True)
    check(corpus, table, utterances, [regime])
    return table


def _in_folds(corpus: str, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return the utterances that have folds in the regime ``stratified``, in the order of their names."""
    names = load(corpus, utterances, "stratified")["utterance"]
    kept = text_columns.isin(utterances["utterance"], names)
    return utterances[kept].sort_values("utterance", ignore_index=True)


def _crossed(corpus: str, utterances: pd.DataFrame, regime: str) -> pd.DataFrame:
    if why_not(corpus, utterances, regime):
        return pd.DataFrame(columns=COLUMNS).astype({"fold": int})
    ordered = _in_folds(corpus, utterances)
    dealt = text_disjoint.deal(corpus, ordered, protocol_settings.load()["n_folds"], 0)
    assert dealt is not None  # else `why_not` said so
    fold = dealt.fold(control=regime == CROSSED[1])
    table = pd.DataFrame({"corpus": corpus, "utterance": ordered["utterance"], "regime": regime, "fold": fold})
    # Identical audio that is said to be of two texts stays in the first one's fold.
    first = table.groupby(audio_groups(corpus, ordered))["fold"].transform("first")
    table = table[table["fold"] == first].reset_index(drop=True)
    check(corpus, table, utterances, [regime])
    return table


def left_out(corpus: str, utterances: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Return the utterances that have no fold in a regime, and why: corpus, utterance, regime, reason."""
    here = load(corpus, utterances, regime)["utterance"]
    table = utterances[["utterance"]].assign(corpus=corpus, regime=regime)
    kept = table["utterance"].where(text_columns.isin(table["utterance"], here))
    same = kept.groupby(audio_groups(corpus, utterances)).transform("first")
    table["reason"] = np.where(same.isna(), "in no fold", "its audio is that of " + same.astype(str))
    return table.loc[kept.isna(), ["corpus", "utterance", "regime", "reason"]].reset_index(drop=True)


def with_fold(corpus: str, utterances: pd.DataFrame) -> set[str]:
    """Return the utterances that have a fold in some regime."""
    split = official_splits.read(corpus)
    names = set() if split is None else text_columns.different(split["utterance"])
    names |= text_columns.different(load(corpus, utterances)["utterance"])
    return names & text_columns.different(utterances["utterance"])


def without_fold(corpus: str, utterances: pd.DataFrame, regime: str) -> set[str]:
    """Return the utterances that `load` may leave without a fold.

    Where folds are committed, those that the official file list does not have (the chapter on data shows them);
    those in no part of a published split; and those whose audio another utterance has too.
    """
    listed, split = file_lists.file_list(corpus), published(corpus, regime)
    may_be = set(utterances.loc[audio_groups(corpus, utterances).duplicated(keep=False), "utterance"])
    if split is not None:
        may_be |= set(utterances["utterance"]) - set(split.index)
    elif path(corpus).exists() and listed is not None:
        may_be |= set(utterances["utterance"]) - set(listed["utterance"])
    return may_be


def check(corpus: str, folds: pd.DataFrame, utterances: pd.DataFrame, regimes: Sequence[str] = DEALT) -> None:
    """Check that folds keep their regime's promises for a table of utterances.

    Raises
    ------
    FoldError
        An utterance is in two folds of a regime; a regime is missing or has empty folds; a fold's utterance is
        not in the table; or what belongs together (identical audio, a speaker) is in two folds.
    """
    for regime in regimes:
        if not possible(corpus, utterances, regime):
            continue
        n_folds = count(corpus, utterances, regime)
        part = folds[folds["regime"] == regime]
        twice = part.loc[part["utterance"].duplicated(), "utterance"]
        if len(twice):
            raise FoldError(f"{corpus}, {regime}: {twice.iloc[0]} is in more than one fold")
        untested = set(numbers(regime, 0)) & set(part["fold"])
        if set(part["fold"]) - untested != set(range(1, n_folds + 1)):
            raise FoldError(
                f"{corpus}, {regime}: folds {sorted(set(part['fold']))} where 1 to {n_folds} are expected"
            )
        joined = utterances.merge(part[["utterance", "fold"]], on="utterance", how="right", validate="one_to_one")
        unknown = joined.loc[joined["emotion"].isna(), "utterance"]
        if len(unknown):
            raise FoldError(
                f"{corpus}, {regime}: {unknown.iloc[0]} has a fold but is not in the table of utterances"
            )
        for kind, together in (
            ("identical audio", audio_groups(corpus, joined)),
            (regime, groups(corpus, joined, regime)),
        ):
            spread = joined.groupby(together)["fold"].nunique()
            if (spread > 1).any():
                raise FoldError(f"{corpus}, {regime}: {kind} {spread.idxmax()} is in more than one fold")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folds of corpora that have an official file list (`make folds`), or of those that are named.

    A corpus without a list is dealt from its table of utterances, which the chapter on data makes.
    """
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m crosscorpus.protocols.folds")
    parser.add_argument("corpora", nargs="*", help="ids; without, all that have an official file list")
    named = parser.parse_args(arguments).corpora
    for corpus in named or corpus_registry.registry():
        listed = file_lists.file_list(corpus)
        if listed is None and named:
            from crosscorpus.embeddings import corpus_scans  # heavy, and not needed for lists

            listed = corpus_scans.read_scan(corpus, "any").utterances
        if listed is not None:
            make(corpus, listed).to_csv(path(corpus), index=False)
            print(f"{path(corpus).relative_to(paths.ROOT)}: {len(listed)} utterances")


if __name__ == "__main__":
    main()
