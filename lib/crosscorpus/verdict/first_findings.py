"""What the first page says of the paper's claim: scores across corpora, there and here, and four findings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crosscorpus.scores import label_sets, model_ranks
from crosscorpus.verdict import audit_cells, published_tables, reproduction

SCORE = "accuracy"
BLOCK = ["train_corpus", "test_corpus", "head"]


def means_across(folds: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Return the mean cross-corpus accuracy of each model of the paper, there and here.

    Parameters
    ----------
    folds
        Scores of single folds, with `reruns.COLUMNS`, of one fold regime: what `reproduction.known_folds` returns.
    emotions
        Those that they are scored on. Where they are not the paper's, nothing of ours stands beside it.

    Returns
    -------
    A row for each model of Table I, in the order of its mean there: `ptm`; in percent, means over pairs of two
    different corpora and both heads: `paper`, of all cells; `paper_run`, of those that were run here; `ours`, of
    the same; and `low` and `high`, between which the mean of one more run would lie in 95 % of runs
    (`reproduction.one_more`; missing with too few runs that have all these cells). `n` and `n_run` count cells.
    What is of cells that were run is missing where there are none.
    """
    printed = published_tables.table1()
    printed = printed[printed["train_corpus"] != printed["test_corpus"]]
    comparable = label_sets.text(emotions) == published_tables.published_labels()
    ours = folds.merge(printed[published_tables.CELL], on=published_tables.CELL) if comparable else folds.iloc[:0]
    rows = []
    for ptm, there in printed.groupby("ptm", sort=False):
        here = ours[ours["ptm"] == ptm]
        cells = here[BLOCK].drop_duplicates()
        run = there.merge(cells, on=BLOCK)
        runs = here.groupby(["deal", "seed", *BLOCK])[SCORE].mean().groupby(["deal", "seed"]).agg(["mean", "size"])
        whole = runs.loc[runs["size"] == len(cells), "mean"]
        # Folds that were dealt anew, where there are some: `reproduction.spans` has the reasons.
        dealt = whole[whole.index.get_level_values("deal") > 0]
        low, high = reproduction.one_more(dealt if len(dealt) else whole)
        own = here[here["deal"] == 0].groupby(BLOCK)[SCORE].mean().mean()
        means = (there[SCORE].mean(), run[SCORE].mean(), own)
        rows.append((ptm, *means, low, high, len(there), len(run)))
    columns = ["ptm", "paper", "paper_run", "ours", "low", "high", "n", "n_run"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("paper", ascending=False, kind="stable", ignore_index=True)


def furthest(cells: pd.DataFrame, tried: pd.DataFrame, *, only_tried: bool = False) -> dict[str, str | float]:
    """Return the cell where our accuracy and the paper's are furthest apart.

    Parameters
    ----------
    cells
        What `score_verdicts.cells` returns.
    tried
        What `choice_effects.results` has: the same cells under other settings.
    only_tried
        Whether to look among the cells alone that other settings were tried for.

    Returns
    -------
    `published_tables.CELL`, `published`, `ours` and `difference` (ours minus theirs, points); `most`, the highest
    accuracy of that cell that any of `n_settings` settings gave (missing, and 0, where none was tried). Empty
    where no such cell was run.
    """
    keys = published_tables.CELL
    ran = cells[(cells["metric"] == SCORE) & cells["difference"].notna()]
    if only_tried:
        ran = ran.merge(tried[keys].drop_duplicates(), on=keys)
    if not len(ran):
        return {}
    cell = ran.loc[ran["difference"].abs().idxmax()]
    same = tried[(tried[keys] == cell[keys]).all(axis=1)]
    found = {name: str(cell[name]) for name in keys}
    numbers = {name: float(cell[name]) for name in ("published", "ours", "difference")}
    return found | numbers | {"most": float(same[SCORE].max()), "n_settings": len(same)}


def heads_compared(table: pd.DataFrame, score: str = SCORE) -> dict[str, float]:
    """Compare the CNN with the FCN on the same models and pairs of corpora.

    `table` has `published_tables.CELL` and a score in percent, once for each cell.

    Returns
    -------
    `n`: pairs that have both heads; `above`: those in which the CNN scores higher; `mean`: CNN minus FCN on
    average, in points (missing where there are no pairs).
    """
    wide = table.pivot(index=["ptm", "train_corpus", "test_corpus"], columns="head", values=score)
    if not {"fcn", "cnn"} <= set(wide):
        return {"n": 0, "above": 0, "mean": float("nan")}
    more = (wide["cnn"] - wide["fcn"]).dropna()
    return {"n": len(more), "above": int((more > 0).sum()), "mean": float(more.mean())}


def leader(scores: pd.DataFrame, score: str = SCORE) -> dict[str, str | float]:
    """Return which model leads, and whether that is more than chance.

    Parameters
    ----------
    scores
        What `metrics.summary` returns of the cells, heads and models in question, of one regime and one label set.

    Returns
    -------
    `first` and `second`, ids by the mean score over pairs of corpora, heads averaged; `mean`, that of the first
    in percent, and `ahead`, that minus the second's; `by_rank`, the first by mean rank, "" where it is the same;
    `n_blocks`: pairs; `p`: Friedman's, that all rank alike; `apart`: 1 where the first ranks above the second and
    is told apart from it (Nemenyi's test, as in `model_ranks.Ranks`), else 0; `n_tests` and `p_tests`: the same of
    test corpora, which have no utterance in common. Empty with fewer than two models or pairs.
    """
    if not len(scores):
        return {}
    pairs = model_ranks.matrix(scores, metric=score, over=["head"])
    ranks, _ = model_ranks.ranking(pairs)
    few, _ = model_ranks.ranking(model_ranks.matrix(scores, metric=score, over=["head", "train_corpus"]))
    if len(ranks.mean) < 2:
        return {}
    means = pairs[ranks.mean.index].dropna().mean().sort_values(ascending=False, kind="stable")
    first, second = means.index[:2]
    together = any({first, second} <= set(group) for group in ranks.groups)
    is_above = ranks.mean[first] < ranks.mean[second]
    return {
        "first": str(first),
        "second": str(second),
        "mean": float(means[first]),
        "ahead": float(means[first] - means[second]),
        "by_rank": "" if ranks.mean.index[0] == first else str(ranks.mean.index[0]),
        "n_blocks": ranks.n_blocks,
        "p": ranks.p,
        "apart": int(ranks.could_differ and is_above and not together),
        "n_tests": few.n_blocks,
        "p_tests": few.p if len(few.mean) > 1 else np.nan,
    }


def fractions_of_one_fold() -> dict[str, int]:
    """Return how many accuracies of Table I are a whole number of right answers in one test fold.

    `n`: all; `n_one_fold`: those that are; `by_chance`: how many would be if the values were arbitrary.
    """
    name = "phukan2025_table1"
    judged = audit_cells.cells(
        published_tables.load(name), next(iter(published_tables.sizes(name).variants.values()))
    )
    return {
        "n": len(judged),
        "n_one_fold": int(judged["one_fold"].sum()),
        "by_chance": round(float(judged["one_fold_chance"].sum())),
    }
