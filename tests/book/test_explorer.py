"""The view of all scores: what is sent to it, and what it does in a browser, by keyboard and by touch."""

import csv
import html
import json
import re

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import paths
from crosscorpus.book import explorer
from crosscorpus.verdict import all_scores

STATIC = paths.ROOT / "book" / "_static"
ROWS, MOST_MS, MEGABYTE = 10_000, 100, 1_000_000


def rows(n=ROWS, emotions=("anger, fear", "joy")):
    """A table of other sizes than the book's: many models, odd names, and two label sets."""
    rng = np.random.default_rng(3)
    published = all_scores.table().iloc[:0]
    i = np.arange(n)
    source = np.where(i % 3 == 0, all_scores.PAPER, all_scores.RUN)
    value = rng.uniform(10, 90, n).round(3)
    pool = ["emodb", "ravdess", "aesdd", "mesd", "cremad", "urdu"]
    table = {
        "source": source, "protocol": "the paper's", "ptm": [f"m{k % 17}" for k in i], "family": "speaker",
        "model": [f'Model "{k % 17}" <b> & Söhne, 1.0' for k in i], "train_corpus": [pool[k // 17 % 6] for k in i],
        "test_corpus": [pool[k // 102 % 6] for k in i], "head": [f"H{k // 612}" for k in i], "folds": "speaker",
        "emotions": [emotions[k // 17 % 6 % 2 if len(emotions) > 1 else 0] for k in i], "score": "accuracy",
        "kind": all_scores.OF_FOLDS, "value": value, "ours": np.where(i % 3, value, np.nan), "published": 50.0,
        "difference": np.where(i % 3, value - 50, np.nan), "rank": 1, "of": 17, "low": value - 5,
        "high": value + 5, "together": value, "n_folds": 5, "n": 123, "note": "",
    }  # fmt: skip
    return pd.DataFrame(table).reindex(columns=published.columns)


def page_of(table, folder):
    """Write the view into a page of its own, with the book's scripts and styles from disk."""
    scripts = "".join(f'<script src="{(STATIC / file).as_uri()}"></script>' for file in
                      ("table_boxes.js", "interactive.js", "datatables/dataTables.min.js", "explorer_scores.js",
                       "explorer_views.js", "explorer.js"))  # fmt: skip
    styles = "".join(
        f'<link rel="stylesheet" href="{(STATIC / f).as_uri()}">' for f in ("custom.css", "explorer.css")
    )
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>All scores</title>{styles}{scripts}'
        f'</head><body><main class="bd-content"><h1>All scores</h1>{explorer.view(table).data}</main></body>'
    )
    file = folder / "explorer.html"
    file.write_text(text, encoding="utf-8")
    return file


# -- what is sent ---------------------------------------------------------------------------------------------


def sent(table):
    return json.loads(
        re.search(r'<script type="application/json">(.*?)</script>', explorer.view(table).data, re.S)[1]
    )


def test_every_row_is_sent_with_the_numbers_of_the_table():
    table = all_scores.table()
    data = sent(table)
    for column in ("source", "model", "family", "emotions", "score", "folds"):
        coded = data["texts"][column]
        there = table[column].replace("", "not in the registry") if column == "family" else table[column]
        assert [coded["values"][place] for place in coded["rows"]] == there.tolist()
    for column in ("value", "published", "difference", "low", "n"):
        found = pd.Series(data["numbers"][column], dtype=float)
        pd.testing.assert_series_equal(found, table[column].astype(float), check_names=False, atol=5.1e-7, rtol=0)
    paper = table["source"] == all_scores.PAPER
    assert np.array(data["numbers"]["value"])[paper].tolist() == table.loc[paper, "value"].tolist()


def test_without_scripts_it_says_how_much_there_is():
    table = all_scores.table()
    by_source = explorer.sources(table).set_index("source")
    assert by_source.loc[all_scores.PAPER, ["cells", "models", "corpora"]].tolist() == [400, 8, 5]
    assert html.unescape(explorer.view(table).data).count(all_scores.EMOBOX) >= 1


def test_a_name_does_not_end_the_data():
    table = rows(3).assign(model="</script><b>")
    assert sent(table)["texts"]["model"]["values"] == ["</script><b>"]


def test_the_page_of_many_rows_is_not_heavy(tmp_path):
    scripts = [*STATIC.glob("explorer*"), STATIC / "datatables" / "dataTables.min.js"]
    whole = [page_of(rows(), tmp_path), *scripts]
    assert sum(file.stat().st_size for file in whole) < 2 * MEGABYTE  # of three; the theme has the rest


# -- in a browser ---------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, tmp_path):
    """Open the view of a table; errors and requests for anything but files fail the test at its end."""
    found, contexts = [], []

    def open_page(table, address="", **options):
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda m: found.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: found.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "blob:")) else found.append(r.url))
        page.goto(page_of(table, tmp_path).as_uri() + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert found == []


def status(page):
    return page.locator(".explorer .count").inner_text()


def address(page):
    """The page's address as it knows it: what the driver was told of it may come later."""
    return page.evaluate("location.href")


def choose(page, facet, *names):
    box = page.locator("details.facet", has=page.locator("legend", has_text=re.compile(f"^{facet}$")))
    box.locator("summary").click()
    for name in names:
        box.get_by_role("checkbox", name=name).check()
    box.locator("summary").click()


def test_a_filter_answers_at_once_with_many_rows(opened):
    page = opened(rows())
    assert "10,000 rows of 10,000" in status(page)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # not what else the machine does meanwhile

    def so_far():
        found = session.send("Performance.getMetrics")["metrics"]
        return next(1000 * metric["value"] for metric in found if metric["name"] == "TaskDuration")

    took = []
    for place in range(20):
        before = so_far()
        page.evaluate(
            """place => {
                document.querySelectorAll("details.facet input")[place].click();
                document.body.offsetHeight;  // with its layout
            }""",
            place,
        )
        took.append(so_far() - before)
    assert 0 < max(took) < MOST_MS, took


def test_it_is_driven_by_the_keyboard_alone(opened):
    page = opened(all_scores.table())
    page.keyboard.press("Tab")  # how to show it
    page.keyboard.press("ArrowRight")
    assert "view=means" in address(page)
    assert "50 cells that all of them have" in page.locator(".stage").inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")  # the score
    page.keyboard.press("m")
    assert "score=macro_f1" in address(page)
    page.keyboard.press("Tab")  # the first filter, the source
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert status(page).startswith("400 rows of")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('th') && document.activeElement.innerText.length >= 0"):
            break
    page.keyboard.press("Tab")  # the second column, the difference
    page.keyboard.press("Tab")  # the third, what was published
    page.keyboard.press("Enter")
    column = [float(t) for t in page.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert len(column) == 25
    assert column == sorted(column)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "TD":
            break
    note = page.locator(".note").inner_text()
    assert "interval and number of utterances not published" in note
    assert "of 8 models on this task" in note


def test_values_are_shown_with_their_decimals(opened):
    table = all_scores.table()
    page = opened(table, "#source=" + all_scores.PAPER.replace(" ", "+"))
    first = table[(table["source"] == all_scores.PAPER) & (table["score"] == "accuracy")].head(25)
    assert page.locator("tbody td:nth-child(3)").all_inner_texts() == [f"{value:.2f}" for value in first["value"]]
    assert page.locator("tbody td:nth-child(9)").first.inner_text() == f"{first['rank'].iloc[0]} of 8"


def test_no_value_is_rounded_twice(opened):
    table = all_scores.table().query("score == 'accuracy'").head(3).assign(value=[44.4447, 44.4453, 7.0])
    shown = opened(table).locator("tbody td:nth-child(3)").all_inner_texts()
    assert sorted(shown) == ["44.44", "44.45", "7.00"]


def test_the_address_gives_the_same_view_again(opened):
    page = opened(all_scores.table())
    choose(page, "source", all_scores.PAPER)
    choose(page, "trained on", "Emo-DB", "AESDD")
    page.locator("th", has_text="published").click()
    page.locator("th[aria-sort]", has_text="published").wait_for()  # rows are sorted a moment later
    before, link = page.locator("tbody").inner_text(), address(page)
    assert "160 rows" in status(page)
    again = opened(all_scores.table(), "#" + link.partition("#")[2])
    assert again.locator("tbody").inner_text() == before
    assert status(again) == status(page)


def test_an_address_of_something_else_is_said(opened):
    page = opened(all_scores.table(), "#source=" + all_scores.PAPER.replace(" ", "+") + "&model=None+such")
    assert "400 rows" in status(page)
    assert "not in this table: model: None such" in status(page)
    assert "800" not in status(opened(all_scores.table(), "#how-to-read-it"))  # a place in the page is no choice


def test_values_are_told_by_hover_and_by_tap(opened):
    table = rows(60)
    page = opened(table, has_touch=True)
    page.locator("tbody tr").nth(2).locator("td").nth(2).tap()
    told = f"{table['value'].iloc[2]:.2f} (mean of folds"
    page.wait_for_function("told => document.querySelector('.note').innerText.includes(told)", arg=told)
    page = opened(table)
    page.locator("tbody tr").nth(1).locator("td").nth(2).hover()
    said, value = page.locator(".note").inner_text(), table["value"].iloc[1]
    assert f"95 % interval {value - 5:.2f} to {value + 5:.2f}" in said
    assert "123 test utterances" in said


def test_names_are_no_markup(opened):
    page = opened(rows(60))
    assert 'Model "0" <b> & Söhne, 1.0' in page.locator("tbody tr").first.inner_text()
    two = opened(rows(60), "#view=two")
    assert 'Model "1" <b> & Söhne, 1.0' in two.locator("thead").inner_text()
    assert two.locator(".stage b").count() == 0


def test_a_mean_of_unlike_tasks_is_refused_with_the_reason(opened):
    page = opened(rows(612), "#view=means")
    assert "No mean: 2 different label sets" in page.locator(".stage").inner_text()
    assert page.locator(".stage table").count() == 0
    choose(page, "emotions", "joy")
    assert "No mean" not in page.locator(".stage").inner_text()
    mixed = opened(rows(612), "#view=map&map=model-test")
    assert "≠" in mixed.locator(".stage table").inner_text()
    both = opened(rows(612), "#view=two")
    assert "No mean" in both.locator(".stage").inner_text()


def test_means_and_ranks_are_those_of_the_table(opened):
    table = all_scores.table()
    page = opened(table, "#view=means&source=" + all_scores.PAPER.replace(" ", "+"))
    shown = {r[0]: r[1:] for r in (row.split("\t") for row in page.locator("tbody tr").all_inner_texts())}
    paper = table[(table["source"] == all_scores.PAPER) & (table["score"] == "accuracy")]
    ranks = paper.groupby(all_scores.TASK)["value"].rank(ascending=False)
    expected = paper.assign(mean_rank=ranks).groupby("model")[["value", "mean_rank"]].mean()
    assert set(shown) == set(expected.index)
    for model, (mean, rank, _) in shown.items():
        assert float(mean) == pytest.approx(expected.loc[model, "value"], abs=0.0051)
        assert float(rank) == pytest.approx(expected.loc[model, "mean_rank"], abs=0.0051)


def test_a_model_that_lacks_cells_is_not_ranked(opened):
    table = rows(204, emotions=("anger",)).assign(source=all_scores.RUN)
    table = table.drop(table[(table["ptm"] == "m4") & (table["train_corpus"] == "emodb")].index)
    page = opened(table, "#view=means")
    text = page.locator(".stage").inner_text()
    assert "16 models over 12 cells that all of them have" in text
    assert 'lack cells that others have: Model "4" <b> & Söhne, 1.0' in text


def test_two_models_stand_side_by_side(opened):
    table = all_scores.table()
    page = opened(table, "#view=two&a=TRILLsson&b=MMS&source=" + all_scores.PAPER.replace(" ", "+"))
    paper = table[(table["source"] == all_scores.PAPER) & (table["score"] == "accuracy")]
    wide = paper.pivot(index=all_scores.TASK, columns="model", values="value")
    gap = wide["TRILLsson"] - wide["MMS"]
    text = page.locator(".stage").inner_text()
    assert f"TRILLsson is higher than MMS in {(gap > 0).sum()} of 50 cells that both have" in text
    assert f"TRILLsson is +{gap.mean():.2f} points from MMS" in text


def test_a_heat_map_has_the_means_of_the_selection(opened):
    table = all_scores.table()
    page = opened(table, "#view=map&head=CNN&model=MMS&source=" + all_scores.PAPER.replace(" ", "+"))
    paper = table[(table["source"] == all_scores.PAPER) & (table["score"] == "accuracy")]
    one = paper[(paper["head"] == "CNN") & (paper["model"] == "MMS")]
    shown = [float(t) for t in page.locator(".matrix tbody td").all_inner_texts()]
    assert sorted(shown) == pytest.approx(sorted(one["value"]), abs=0.051)


def test_the_view_is_downloaded_as_it_is(opened, tmp_path):
    table = rows(300)
    page = opened(table)
    choose(page, "trained on", "MESD")
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download this view").click()
    waited.value.save_as(tmp_path / "view.csv")
    with (tmp_path / "view.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    wanted = table[table["train_corpus"] == "mesd"]
    assert [row["model"] for row in found] == wanted["model"].tolist()
    assert [float(row["ours"] or row["published"]) for row in found] == wanted["value"].round(3).tolist()
