"""Folds of a corpus for cross-validation, in two regimes.

``stratified`` deals the utterances of each emotion evenly over the folds, whoever speaks: the likely reading of
the paper. ``speaker`` never has a speaker in two folds, so a test speaker was never heard in training; a corpus of
two to four speakers has a fold for each. Folds are numbered from 1 and committed in `data/folds/<corpus>.csv`.
"""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.protocols import protocol_settings

COLUMNS = ["corpus", "utterance", "regime", "fold"]


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

    Identical audio for ``stratified``; speakers for ``speaker``, or what the registry's `folds_keep_together`
    names for a corpus without speakers (MESD: a word in one kind of voice), two of which are one where they share
    audio.
    """
    if known_names.check(regime, protocol_settings.REGIMES, "regime") == "stratified":
        return audio_groups(corpus, utterances)
    column = corpus_registry.get(corpus).folds_keep_together
    if column == "speaker":
        return utterances[column]
    return _joined(utterances[column], audio_groups(corpus, utterances))


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
    dealt = {"stratified": _deal(ordered, together, settings["emotions"], settings["n_folds"], seed)}
    if possible(corpus, utterances, "speaker"):
        dealt["speaker"] = _split(ordered, groups(corpus, ordered, "speaker"), settings["n_folds"], seed)
    tables = [
        pd.DataFrame({"corpus": corpus, "utterance": ordered["utterance"], "regime": regime, "fold": fold})
        for regime, fold in dealt.items()
    ]
    return pd.concat(tables, ignore_index=True)


def possible(corpus: str, utterances: pd.DataFrame, regime: str) -> bool:
    """Return whether a corpus has enough groups for a regime: one speaker cannot be kept apart from others."""
    return count(corpus, utterances, regime) > 1


def count(corpus: str, utterances: pd.DataFrame, regime: str) -> int:
    """Return how many folds a regime has: the protocol's, or one a group where there are fewer groups."""
    return min(protocol_settings.load()["n_folds"], groups(corpus, utterances, regime).nunique())


def _deal(utterances: pd.DataFrame, together: pd.Series, first: list[str], n_folds: int, seed: int) -> np.ndarray:
    # scikit-learn's StratifiedKFold evens out each class; this evens out the sum of the paper's five as well,
    # so that every test fold has the size that the paper's accuracies can be counted in.
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(utterances), dtype=int)
    total = np.zeros(n_folds, dtype=int)
    emotions = [*first, *sorted(set(utterances["emotion"]) - set(first))]
    fold_of: dict[str, int] = {}  # identical audio can carry two labels: the second follows the first
    for emotion in emotions:
        members = utterances.index[utterances["emotion"] == emotion]
        units = [list(unit) for _, unit in members.to_series().groupby(together[members], sort=True)]
        units = sorted((units[i] for i in rng.permutation(len(units))), key=len, reverse=True)
        of_emotion = np.zeros(n_folds, dtype=int)
        for unit in units:
            group = together[unit[0]]
            chosen = fold_of.get(group, min(range(n_folds), key=lambda f: (of_emotion[f], total[f], f)))
            fold_of[group] = chosen
            fold[unit] = chosen + 1
            of_emotion[chosen] += len(unit)
            total[chosen] += len(unit)
    return fold


def _split(utterances: pd.DataFrame, together: pd.Series, n_folds: int, seed: int) -> np.ndarray:
    names_of, of_group = np.unique(together, return_inverse=True)
    if len(names_of) <= n_folds:  # leave one out
        return of_group + 1
    if utterances["emotion"].value_counts().max() < n_folds:  # which scikit-learn's splitter refuses
        return _deal_groups(of_group, n_folds, seed)
    fold = np.zeros(len(utterances), dtype=int)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # an emotion with fewer utterances than folds; pages say so
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, test) in enumerate(splitter.split(utterances, utterances["emotion"], together), start=1):
            fold[test] = number
    return fold if fold.min() and len(set(fold)) == n_folds else _deal_groups(of_group, n_folds, seed)


def _deal_groups(of_group: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    sizes = np.bincount(of_group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    total = np.zeros(n_folds, dtype=int)
    fold_of = np.zeros(len(sizes), dtype=int)
    for one in sorted(order, key=lambda group: -sizes[group]):
        fold_of[one] = int(total.argmin())
        total[fold_of[one]] += sizes[one]
    return fold_of[of_group] + 1


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
            ~table["regime"].isin(protocol_settings.REGIMES),
            f"the regime must be one of {', '.join(protocol_settings.REGIMES)}",
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
    """Return the folds of a table of utterances, in one regime or in all.

    The committed folds where there are some (an utterance that they do not have is left out, and one that is
    not here is dropped), else new ones, as for a regime in which no utterance of some fold is here. Where audio
    turns out to be identical to that of another fold, new folds keep the first utterance alone, so that nothing is
    in training and test at once.

    Returns
    -------
    A table with `COLUMNS`, checked by `check`. The regime `speaker` is missing where it is not `possible`.

    Raises
    ------
    FoldError
        Committed folds cannot be read, or put apart what turned out to be identical audio; or `check` fails.
    """
    if path(corpus).exists():
        table = read(corpus)
        n_folds = table.groupby("regime")["fold"].nunique()
        table = table[table["utterance"].isin(utterances["utterance"])].reset_index(drop=True)
        short = n_folds.index[table.groupby("regime")["fold"].nunique().reindex(n_folds.index) != n_folds]
        if len(short) and utterances["utterance"].isin(table["utterance"]).all():  # a part of the corpus is here
            anew = make(corpus, utterances)
            kept = [table[~table["regime"].isin(short)], anew[anew["regime"].isin(short)]]
            table = pd.concat(kept, ignore_index=True)
    else:
        table = make(corpus, utterances)
    label = dict(zip(utterances["utterance"], audio_groups(corpus, utterances), strict=True))
    of_audio = [table["regime"], table["utterance"].map(label)]
    first = table.groupby(of_audio)[["utterance", "fold"]].transform("first")
    apart = table["fold"] != first["fold"]
    if apart.any() and path(corpus).exists():
        raise FoldError(_put_apart(corpus, table[apart], first["utterance"][apart]))
    table = table[~apart]
    if regime is not None:
        table = table[table["regime"] == known_names.check(regime, protocol_settings.REGIMES, "regime")]
    table = table.reset_index(drop=True)
    check(corpus, table, utterances, protocol_settings.REGIMES if regime is None else [regime])
    return table


def _put_apart(corpus: str, table: pd.DataFrame, first: pd.Series) -> str:
    pairs = list(dict.fromkeys(f"{one} = {other}" for one, other in zip(first, table["utterance"], strict=True)))
    return (
        f"{paths.shown(path(corpus))}: identical audio in different folds ({', '.join(table['regime'].unique())}), so "
        f"that a recording would be in training and in test: {', '.join(pairs)}. Two names must not have one "
        "recording: fetch the corpus again if this copy is wrong; if every copy has it, add the names to same_audio in "
        "data/corpora.yaml (or leave one out there, not_used) and run `make folds`"
    )


def without_fold(corpus: str, utterances: pd.DataFrame) -> set[str]:
    """Return the utterances that `load` may leave without a fold.

    Where folds are committed, those that the official file list does not have (the chapter on data shows them);
    and those whose audio another utterance has too.
    """
    listed = file_lists.file_list(corpus)
    may_be = set(utterances.loc[audio_groups(corpus, utterances).duplicated(keep=False), "utterance"])
    if path(corpus).exists() and listed is not None:
        may_be |= set(utterances["utterance"]) - set(listed["utterance"])
    return may_be


def check(
    corpus: str, folds: pd.DataFrame, utterances: pd.DataFrame, regimes: Sequence[str] = protocol_settings.REGIMES
) -> None:
    """Check that folds keep their regime's promises for a table of utterances.

    Raises
    ------
    FoldError
        An utterance is in two folds of a regime; a regime is missing or has empty folds; a fold's utterance is
        not in the table; or what belongs together (identical audio, a speaker) is in two folds.
    """
    for regime in regimes:
        n_folds = count(corpus, utterances, regime)
        if n_folds < 2:
            continue
        part = folds[folds["regime"] == regime]
        twice = part.loc[part["utterance"].duplicated(), "utterance"]
        if len(twice):
            raise FoldError(f"{corpus}, {regime}: {twice.iloc[0]} is in more than one fold")
        if set(part["fold"]) != set(range(1, n_folds + 1)):
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


def overview(corpus: str, utterances: pd.DataFrame, emotions: list[str]) -> pd.DataFrame:
    """Describe the folds of a corpus.

    Returns
    -------
    One row per regime: utterances of the given emotions in each fold (`fold 1` ...), the smallest class in any
    fold, and `shared`: the share (percent) of test utterances whose group in the regime ``speaker`` (a speaker,
    or what stands for one) is also among the training folds.
    """
    rows = []
    table = load(corpus, utterances)
    for regime in table["regime"].unique():
        part = table.loc[table["regime"] == regime, ["utterance", "fold"]]
        part = utterances[utterances["emotion"].isin(emotions)].merge(part, on="utterance")
        together = groups(corpus, part, "speaker")
        spread = part.groupby(together)["fold"].transform("nunique")
        sizes = part["fold"].value_counts().sort_index()
        rows.append(
            {
                "corpus": corpus,
                "regime": regime,
                **{f"fold {fold}": size for fold, size in sizes.items()},
                "smallest class": int(part.groupby(["fold", "emotion"]).size().min()),
                "shared": 100 * float((spread > 1).mean()),
            }
        )
    return pd.DataFrame(rows)


def overviews(tables: Mapping[str, pd.DataFrame], emotions: Sequence[str]) -> pd.DataFrame:
    """Return `overview` of each table of utterances, by corpus, that has folds and some of the given emotions."""
    found = [
        overview(corpus, table, list(emotions))
        for corpus, table in tables.items()
        if table["emotion"].isin(emotions).any()
        and any(possible(corpus, table, regime) for regime in protocol_settings.REGIMES)
    ]
    return pd.concat([pd.DataFrame(), *found], ignore_index=True)


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
