"""The few figures that the first page states, and the README's picture (`python -m crosscorpus.headline`)."""

import functools
from collections.abc import Iterable

import pandas as pd
import yaml

from crosscorpus import corpora, evaluate, extractors, figures, metrics, paths, protocol, reference, store


def facts(table: pd.DataFrame) -> dict[str, str | float | int]:
    """Condense results into the facts of the first page.

    Parameters
    ----------
    table
        What `reference.beside` returns.

    Returns
    -------
    `models`, `corpora`: names; `same`, `cross`: mean accuracy (percent) over the same-corpus and the
    cross-corpus cells with stratified folds (NaN where there are none); `price`: same-corpus accuracy with
    stratified minus with speaker folds, in points; `n_paper`: cells of the paper's Table I among them;
    `n_within`: those within one standard deviation over folds of ours, in at least one regime.
    """
    same = table["train_corpus"] == table["test_corpus"]
    stratified = table["regime"] == "stratified"
    by_regime = table[same].groupby("regime")["accuracy"].mean()
    published = table.dropna(subset=["paper_accuracy"])
    near = published["accuracy_difference"].abs() <= published["accuracy_sd"]
    within = near.groupby([published[c] for c in ("ptm", "head", "train_corpus", "test_corpus")]).any()
    return {
        "models": _list(extractors.get(ptm).name for ptm in table["ptm"].unique()),
        "corpora": _list(corpora.get(corpus).name for corpus in table["test_corpus"].unique()),
        "same": float(table.loc[same & stratified, "accuracy"].mean()),
        "cross": float(table.loc[~same & stratified, "accuracy"].mean()),
        "price": float(by_regime.get("stratified", float("nan")) - by_regime.get("speaker", float("nan"))),
        "n_paper": len(within),
        "n_within": int(within.sum()),
    }


def _list(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def main() -> None:
    """Draw the picture of the README from the default profile's results."""
    profile = yaml.safe_load((paths.ROOT / "profiles" / "demo.yaml").read_text(encoding="utf-8"))
    ids = profile["corpora"]
    sides = (profile["ptms"], ids, ids, profile["heads"], profile["regimes"], profile["seeds"])
    predictions, _ = evaluate.grid(*sides, protocol.load(profile["overrides"]), source=profile["source"])
    figures.use_style()
    fig = figures.scores_beside_paper(reference.beside(metrics.summary(metrics.per_fold(predictions))))
    target = paths.ROOT / "book" / "_static" / "headline.svg"
    store.replace_file(target, functools.partial(fig.savefig, format="svg", metadata={"Date": None}))
    print(target.relative_to(paths.ROOT))


if __name__ == "__main__":
    main()
