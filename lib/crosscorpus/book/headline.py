"""The few figures that the first page states, and the README's picture (`python -m crosscorpus.book.headline`)."""

import functools
from collections.abc import Iterable, Sequence

import pandas as pd
import yaml

from crosscorpus.base import paths, shown_names, whole_files
from crosscorpus.book import figure_colours, score_figures
from crosscorpus.corpora import corpus_registry
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import label_sets, metrics, model_ranks
from crosscorpus.training import evaluate, heads
from crosscorpus.verdict import published_tables, score_verdicts

SCORE = "accuracy_of_folds"
"""What means are of: the mean over folds of a cell, as in the tables of the chapters."""


def facts(table: pd.DataFrame, cells: pd.DataFrame, emotions: Sequence[str] = ()) -> dict[str, str | float | int]:
    """Condense results into the facts of the first page.

    Parameters
    ----------
    table
        What `published_tables.beside` returns, of heads and baselines. Controls do not count.
    cells
        What `score_verdicts.judged` returns of the heads.
    emotions
        Those of the protocol. Means are over cells that are scored on the same emotions, see `label_sets`.

    Returns
    -------
    `models`, `corpora`, `heads`: names; for each regime whose folds are dealt, `same_<regime>` and
    `cross_<regime>`: mean accuracy (percent, of means over folds) of the heads over the same-corpus and the
    cross-corpus cells (NaN where there are none); `chance` and `majority`: means of these cells, in percent;
    `price`: same-corpus accuracy with stratified minus with speaker folds, in points, over cells that have both;
    `n_paper`: cells of the paper's Table I among them, and `models_paper`, `corpora_paper`: the names of what they
    are of;
    `n_means`, `n_folds_only`: those whose accuracy is within reruns, and within single folds alone, with folds
    `regime_paper`; `n_linear` of `n_duels`: cells where logistic regression is more accurate than the head
    `rival`.
    """
    table = table[table["ptm"].isin(model_registry.without_controls(table["ptm"].unique()))]
    of_heads = table[table["head"].isin(heads.HEADS)]
    alike = label_sets.alike(of_heads, emotions)
    same = alike["train_corpus"] == alike["test_corpus"]
    means = {}
    for regime in protocol_settings.DEALT:
        here = alike["regime"] == regime
        for name, which in (("same", same), ("cross", ~same)):
            means[f"{name}_{regime}"] = float(alike.loc[which & here, SCORE].mean())
    prices = alike[same].pivot_table(index=["ptm", "head", "test_corpus"], columns="regime", values=SCORE)
    both = {*protocol_settings.DEALT} <= set(prices)
    price = (prices["stratified"] - prices["speaker"]).mean() if both else float("nan")
    published = published_tables.of_paper(of_heads).drop_duplicates(published_tables.CELL)
    judged = cells[(cells["metric"] == "accuracy") & (cells["regime"] == score_verdicts.NEAREST)]
    rival = next(reversed(list(of_heads["head"].unique())), "")
    wide = model_ranks.matrix(label_sets.alike(table, emotions), "head", SCORE)
    duels = wide[["logistic", rival]].dropna() if "logistic" in wide else wide.iloc[:0]
    return {
        "models": _list(model_registry.get(ptm).name for ptm in table["ptm"].unique()),
        "corpora": _list(corpus_registry.get(corpus).name for corpus in table["test_corpus"].unique()),
        "heads": _list(shown_names.head_name(head) for head in of_heads["head"].unique()),
        **means,
        "chance": float(alike["chance"].mean()),
        "majority": float(alike["majority"].mean()),
        "price": float(price),
        "n_paper": len(published),
        "models_paper": _list(model_registry.get(ptm).name for ptm in published["ptm"].unique()),
        "corpora_paper": _list(
            corpus_registry.get(corpus).name
            for corpus in dict.fromkeys([*published["train_corpus"], *published["test_corpus"]])
        ),
        "n_means": int((judged["verdict"] == score_verdicts.MEANS).sum()),
        "n_folds_only": int((judged["verdict"] == score_verdicts.FOLDS).sum()),
        "regime_paper": score_verdicts.NEAREST,
        "rival": shown_names.head_name(rival),
        "n_linear": int((duels["logistic"] > duels[rival]).sum()) if len(duels) else 0,
        "n_duels": len(duels),
    }


def _list(names: Iterable[str]) -> str:
    *first, last = [*names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def main() -> None:
    """Draw the picture of the README from the default profile's results."""
    profile = yaml.safe_load((paths.ROOT / "profiles" / "demo.yaml").read_text(encoding="utf-8"))
    ids = profile["corpora"]
    sides = ([profile["ptm"]], ids, ids, profile["heads"], profile["regimes"], profile["seeds"])
    settings = protocol_settings.load(profile["overrides"])
    counts = evaluate.results(*sides, settings, source=profile["source"]).counts
    intervals, means = metrics.interval(counts), metrics.summary(metrics.per_fold(counts))
    figure_colours.use_style()
    fig = score_figures.scores_beside_paper(published_tables.beside(intervals, means))
    target = paths.ROOT / "book" / "_static" / "headline.svg"
    whole_files.replace_file(target, functools.partial(fig.savefig, format="svg", metadata={"Date": None}))
    print(target.relative_to(paths.ROOT))


if __name__ == "__main__":
    main()
