"""Numbers that pages state, computed again by other means from the tables that the book offers for download.

Without a built book, a small grid is run and offered as the chapters do. With `--site _build/html`
(`make test-site`), the numbers are those of that book's pages.
"""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from crosscorpus.base import paths
from crosscorpus.book import headline, tables
from crosscorpus.embeddings import embedding_checks, store
from crosscorpus.models import model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.scores import comparison, metrics, model_ranks
from crosscorpus.training import evaluate, training_tasks, unit_of_work
from crosscorpus.verdict import choice_effects, every_cell, leakage, published_tables, score_verdicts

CELL = ["ptm", "head", "regime", "train_corpus", "test_corpus"]
HEADS = ["fcn", "cnn"]
MODELS, CORPORA = ["whisper-base", "ecapa-tdnn", "mfcc"], ["emodb", "ravdess"]


@pytest.fixture(scope="module")
def book(request, tmp_path_factory):
    """Stated numbers, by name, and the folder of what is offered for download."""
    named = request.config.getoption("--site")
    if named:
        profile = Path(named).resolve().parent / "demo"
        yield stated_by(profile / "notebooks"), profile / "downloads"
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "BUILD", tmp_path_factory.mktemp("book"))
        yield small_book(), paths.BUILD / "test" / "downloads"


def small_book():
    """Run a small grid, offer its tables, and return what the chapters' functions say of it."""
    settings = protocol_settings.load("epochs=2")
    sides = (MODELS, CORPORA, CORPORA, ["fcn", "majority", "logistic"], ["stratified", "speaker"], [0])
    predictions, _ = evaluate.grid(*sides, settings, workers=1)
    utterances = evaluate.utterances(CORPORA)
    means = metrics.summary(metrics.per_fold(predictions))
    beside = published_tables.beside(metrics.interval(predictions, utterances, n_resamples=50), means)
    of_heads = predictions[predictions["head"] == "fcn"]
    cells, folds = score_verdicts.judged(of_heads, settings)
    same = predictions[predictions["train_corpus"] == predictions["test_corpus"]]
    leaks = comparison.leakage(same, utterances)
    real = leaks[(leaks["head"] != "majority") & leaks["ptm"].isin(model_registry.without_controls(MODELS))]
    stated = headline.facts(beside, cells, settings["emotions"]) | leakage.summary(real)
    offered = {
        "predictions": predictions,
        "scores": every_cell.table(predictions, utterances),
        "paper-and-ours-folds": score_verdicts.for_download(folds),
        "paper-and-ours-verdicts": cells,
    }
    for name, table in offered.items():
        tables.offer(table, f"test/{name}")
    return stated


def stated_by(notebooks):
    """What chapters glue, by name; the later of two wins, and they share no name that is looked at here."""
    found = {}
    for name in ("audit", "claims", "ambiguities", "paper-and-ours", "leakage", "index"):
        for cell in json.loads((notebooks / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                if "scrapbook" in output.get("metadata", {}):
                    key = output["metadata"]["scrapbook"]["name"].removeprefix("application/papermill.record/")
                    text = next(v for k, v in output["data"].items() if k.endswith("text/plain"))
                    text = "".join(text)
                    found[key] = text.strip("'") if text[0] in "'\"" else float(text)
    return found


@pytest.fixture(scope="module")
def stated(book):
    return book[0]


@pytest.fixture(scope="module")
def offered(book):
    return lambda name: pd.read_parquet(book[1] / f"{name}.parquet")


@pytest.fixture(scope="module")
def of_folds(offered):
    """Accuracy of each fold by scikit-learn, without controls."""
    table = offered("predictions")
    table = table[table["ptm"].isin(model_registry.without_controls(table["ptm"].unique()))]
    keys = [*CELL, "seed", "fold"]
    return pd.Series(
        {key: 100 * accuracy_score(p["emotion"], p["predicted"]) for key, p in table.groupby(keys)}
    ).rename_axis(keys)


def mean(of_folds, where, regime):
    cells = of_folds.groupby(level=[*CELL, "fold"]).mean().groupby(level=CELL).mean()
    cells = cells[cells.index.get_level_values("head").isin(HEADS)].xs(regime, level="regime")
    same = cells.index.get_level_values("train_corpus") == cells.index.get_level_values("test_corpus")
    return cells[same] if where == "same" else cells[~same]


@pytest.mark.parametrize(
    ("where", "regime"), list(itertools.product(["same", "cross"], ["speaker", "stratified"]))
)
def test_the_first_page_states_whose_means_and_of_which_folds(stated, of_folds, where, regime):
    assert stated[f"{where}_{regime}"] == pytest.approx(mean(of_folds, where, regime).mean())


def test_the_price_of_the_leak_is_the_difference_of_the_two(stated, of_folds):
    sides = [mean(of_folds, "same", regime).mean() for regime in ("stratified", "speaker")]
    assert stated["price"] == pytest.approx(sides[0] - sides[1])


def test_cells_that_reproduce_are_counted_by_one_rule(stated, offered):
    """On the first page as beside the paper; from the scores of single folds."""
    counted = {"means": 0, "folds": 0, "outside": 0}
    table = offered("paper-and-ours-folds")
    for _, cell in table[table["regime"] == "stratified"].groupby(CELL):
        printed = cell["published_accuracy"].iloc[0]
        runs = cell.groupby(["deal", "seed"])["accuracy"].mean()
        again = runs[runs.index.get_level_values("deal") > 0]
        again = again if len(again) else runs
        ends = (np.nan, np.nan)
        if len(again) > 2:
            wide = stats.t(len(again) - 1).ppf(0.975) * again.std() * np.sqrt(1 + 1 / len(again))
            ends = (round(again.mean() - wide, 2), round(again.mean() + wide, 2))
        single = (round(cell["accuracy"].min(), 2), round(cell["accuracy"].max(), 2))
        low, high = np.nanmin([*ends, *single]), np.nanmax([*ends, *single])
        kind = "means" if ends[0] <= printed <= ends[1] else "folds" if low <= printed <= high else "outside"
        counted[kind] += 1
    assert (stated["n_means"], stated["n_folds_only"]) == (counted["means"], counted["folds"])
    assert stated["n_paper"] == sum(counted.values())


def test_differences_to_the_paper_are_of_means_of_folds(offered, of_folds):
    cells = of_folds.groupby(level=[*CELL, "fold"]).mean().groupby(level=CELL).mean()
    table = offered("scores")
    table = table[table["paper_accuracy"].notna()].set_index(CELL)
    assert len(table)
    np.testing.assert_allclose(table["accuracy_difference"], cells[table.index] - table["paper_accuracy"])
    whole = offered("predictions").groupby(CELL)
    for cell, row in table.iterrows():
        part = whole.get_group(cell)
        f1 = f1_score(part["emotion"], part["predicted"], average="macro", zero_division=0)
        if set(part["seed"]) == {0}:
            assert row["macro_f1_pooled"] == pytest.approx(100 * f1)


def test_the_leak_is_counted_without_controls(stated, of_folds, offered):
    table = offered("predictions")
    table = table[table["ptm"].isin(model_registry.without_controls(table["ptm"].unique()))]
    table = table[(table["train_corpus"] == table["test_corpus"]) & (table["head"] != "majority")]
    right = 100 * (table["emotion"] == table["predicted"])
    wide = right.groupby([table[c] for c in ("ptm", "head", "test_corpus", "regime")]).mean().unstack()
    worth = wide["stratified"] - wide["speaker"]
    assert stated["n_rows"] == len(worth)
    assert stated["n_above"] == (worth > 0).sum()
    assert stated["mean_difference"] == pytest.approx(worth.mean())


def test_friedmans_p_is_at_least_the_smallest_that_there_is(of_folds):
    cells = of_folds.groupby(level=CELL).mean().reset_index(name="accuracy")
    cells = cells[(cells["regime"] == "speaker") & (cells["train_corpus"] == cells["test_corpus"])]
    ranks, _ = model_ranks.ranking(model_ranks.matrix(cells[cells["head"].isin(HEADS)], over=["head"]))
    k, n = len(ranks.mean), ranks.n_blocks
    smallest = 1 / np.prod(range(1, k + 1)) ** (n - 1)
    assert ranks.p >= smallest * (1 - 1e-9)
    assert ranks.could_differ == (ranks.critical_difference <= k - 1 and smallest < 0.05)


# -- tables that are in the repository, and offered as they are -----------------------------------------------


def test_ambiguities_start_from_one_training():
    """Bars, title and dashed line: the first seed's."""
    table, _ = choice_effects.results()
    first = choice_effects.baseline(table)
    assert set(first["seeds"]) == {"0"}
    assert len(first) == len(table[choice_effects.BLOCK].drop_duplicates())


def test_more_than_one_in_twenty_seeds_alone_leaves_out_zero():
    table, _ = choice_effects.results()
    of_seed = table[(table["study"] == "choice") & (table["choice"] == "seed")]
    clear = (of_seed["accuracy_low"] > 0) | (of_seed["accuracy_high"] < 0)
    assert choice_effects.n_clear(of_seed) == clear.sum()


def test_values_of_one_fold_and_those_of_averages(stated):
    """331 of 400 accuracies fit one fold; the chance of so many among averages, by counting."""
    table = published_tables.table1()
    sizes = {"cremad": 1271, "ravdess": 192, "emodb": 75, "mesd": 144, "aesdd": 121}

    def values(n, full):  # all that n answers can print, either way of rounding halves
        exact = [100 * k / n for k in range(n + 1)]
        return {round(x + d, 2) for x in exact for d in (-1e-9, 1e-9)} if full else exact

    one = {c: values(n, True) for c, n in sizes.items()}
    five = {c: values(5 * n, True) for c, n in sizes.items()}
    fits = sum(round(a, 2) in one[c] for a, c in zip(table["accuracy"], table["test_corpus"], strict=True))
    expected = sum(len(one[c] & five[c]) / len(five[c]) for c in table["test_corpus"])
    assert fits == 331
    assert 75 < expected < 90
    if "one_fold_of_means" in stated:
        assert stated["n_one_fold"] == fits
        assert stated["one_fold_of_means"] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("ptm", ["egemaps", "whisper-base"])
def test_neighbours_are_of_standardised_embeddings(ptm):
    e = store.load(ptm, "emodb", "pack")
    X = StandardScaler().fit_transform(e.vectors)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    table = e.utterances
    _, order = NearestNeighbors(n_neighbors=len(X)).fit(X).kneighbors(X)
    speaker = table["speaker"].to_numpy()
    first = [next(j for j in row if speaker[j] != speaker[i]) for i, row in enumerate(order)]
    found = embedding_checks.nearest_neighbour(e)
    for column, name in (("emotion", "agreement"), ("text_id", "same_text")):
        same = table[column].to_numpy()[first] == table[column].to_numpy()
        assert found[name] == pytest.approx(100 * same.mean(), abs=0.3)
    if ptm == "egemaps":
        assert found["agreement"] == pytest.approx(53.1, abs=0.3)  # 33.8 on the unscaled features
    else:
        assert found["same_text"] > 99


@pytest.mark.parametrize("regime", ["stratified", "speaker"])
def test_baselines_have_the_same_training_set_as_heads(regime):
    e = store.load("mfcc", "emodb", "pack")
    sizes = {}
    for head in ("fcn", "logistic"):
        unit = unit_of_work.Unit(head, regime, 0, e, [e], protocol_settings.load())
        sizes[head] = [training_tasks.parts(task, unit.settings) for task in unit_of_work.trainings(unit)]
    for one, other in zip(sizes["fcn"], sizes["logistic"], strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
        assert len(one[1]) > 20  # something is held out


def test_no_caption_leaves_out_which_folds():
    """Pictures of our scores name model, head, folds and score, in the caption or above the panels."""
    for name in ("same-corpus", "cross-corpus", "visualization", "leakage", "index", "paper-and-ours"):
        for cell in json.loads((paths.ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
            caption = cell["metadata"].get("mystnb", {}).get("figure", {}).get("caption", "")
            if not caption or "t-SNE" in caption:
                continue
            assert re.search(r"folds?\b|regime", caption), caption
            assert re.search(r"\bmodel", caption), caption
            assert re.search(r"head|FCN", caption), caption
            assert re.search(r"ccuracy|ecall|core|value|percent", caption), caption
