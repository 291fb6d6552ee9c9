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
from crosscorpus.verdict import published_tables


def facts(table: pd.DataFrame, emotions: Sequence[str] = ()) -> dict[str, str | float | int]:
    """Condense results into the facts of the first page.

    Parameters
    ----------
    table
        What `published_tables.beside` returns of `metrics.interval`, of heads and baselines. Controls do not
        count.
    emotions
        Those of the protocol. Means are over cells that are scored on the same emotions, see `label_sets`.

    Returns
    -------
    `models`, `corpora`: names; `same`, `cross`: mean accuracy (percent) of the heads over the same-corpus and the
    cross-corpus cells with stratified folds (NaN where there are none); `chance`: of these cells, in percent;
    `price`: same-corpus accuracy with stratified minus with speaker folds, in points, over corpora that have both;
    `n_paper`: cells of the paper's Table I among them, and `models_paper`, `corpora_paper`: the names of what they
    are of;
    `n_within`: those that lie within our interval in at least one regime; `n_linear` of `n_duels`: cells where
    logistic regression is more accurate than the head `rival`.
    """
    table = table[table["ptm"].isin(model_registry.without_controls(table["ptm"].unique()))]
    of_heads = table[table["head"].isin(heads.HEADS)]
    alike = label_sets.alike(of_heads, emotions)
    same = alike["train_corpus"] == alike["test_corpus"]
    stratified = alike["regime"] == "stratified"
    prices = alike[same].pivot_table(index=["ptm", "head", "test_corpus"], columns="regime", values="accuracy")
    both = {"stratified", "speaker"} <= set(prices)
    price = (prices["stratified"] - prices["speaker"]).mean() if both else float("nan")
    published = published_tables.of_paper(of_heads)
    near = published["paper_accuracy"].between(published["accuracy_low"], published["accuracy_high"])
    within = near.groupby([published[c] for c in published_tables.CELL]).any()
    rival = next(reversed(list(of_heads["head"].unique())), "")
    wide = model_ranks.matrix(label_sets.alike(table, emotions), "head")
    duels = wide[["logistic", rival]].dropna() if "logistic" in wide else wide.iloc[:0]
    return {
        "models": _list(model_registry.get(ptm).name for ptm in table["ptm"].unique()),
        "corpora": _list(corpus_registry.get(corpus).name for corpus in table["test_corpus"].unique()),
        "same": float(alike.loc[same & stratified, "accuracy"].mean()),
        "cross": float(alike.loc[~same & stratified, "accuracy"].mean()),
        "chance": float(alike["chance"].mean()),
        "price": float(price),
        "n_paper": len(within),
        "models_paper": _list(model_registry.get(ptm).name for ptm in published["ptm"].unique()),
        "corpora_paper": _list(
            corpus_registry.get(corpus).name
            for corpus in dict.fromkeys([*published["train_corpus"], *published["test_corpus"]])
        ),
        "n_within": int(within.sum()),
        "rival": shown_names.head_name(rival),
        "n_linear": int((duels["logistic"] > duels[rival]).sum()) if len(duels) else 0,
        "n_duels": len(duels),
    }


def pictured(table: pd.DataFrame, ptm: str) -> str:
    """Return the model of the first page's figure: `ptm`, or the first that is no control where `ptm` is one."""
    models = model_registry.without_controls(table["ptm"].unique())
    return ptm if ptm in models else next(iter(models), ptm)


def _list(names: Iterable[str]) -> str:
    *first, last = [*names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def main() -> None:
    """Draw the picture of the README from the default profile's results."""
    profile = yaml.safe_load((paths.ROOT / "profiles" / "demo.yaml").read_text(encoding="utf-8"))
    ids = profile["corpora"]
    sides = ([profile["ptm"]], ids, ids, profile["heads"], profile["regimes"], profile["seeds"])
    predictions, _ = evaluate.grid(*sides, protocol_settings.load(profile["overrides"]), source=profile["source"])
    intervals = metrics.interval(predictions, evaluate.utterances(ids, profile["source"]))
    figure_colours.use_style()
    fig = score_figures.scores_beside_paper(published_tables.beside(intervals))
    target = paths.ROOT / "book" / "_static" / "headline.svg"
    whole_files.replace_file(target, functools.partial(fig.savefig, format="svg", metadata={"Date": None}))
    print(target.relative_to(paths.ROOT))


if __name__ == "__main__":
    main()
