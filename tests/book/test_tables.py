import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.display import HTML, Markdown

from crosscorpus.book import score_tables, tables


def text_of(html):
    """The cells of a table as a reader sees them, without styles and tags."""
    assert isinstance(html, HTML)
    body = re.sub(r"<style.*?</style>", "", html.data, flags=re.DOTALL)
    return [cell.strip() for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", body, flags=re.DOTALL)]


def test_ids_become_names():
    table = pd.DataFrame({"ptm": ["xls-r-300m"], "head": ["fcn"], "train_corpus": ["emodb"], "n": [3]})
    assert text_of(tables.show(table)) == ["model", "head", "trained on", "n", "XLS-R", "FCN", "Emo-DB", "3"]


def test_what_is_no_id_stays():
    assert "together" in text_of(tables.show(pd.DataFrame({"corpus": ["together"]})))


@pytest.mark.parametrize(("value", "digits", "expected"), [(1.26, 1, "1.3"), (0.5, 2, "0.50"), (np.nan, 1, "–")])
def test_numbers_have_few_digits(value, digits, expected):
    assert text_of(tables.show(pd.DataFrame({"x": [value]}), digits=digits))[-1] == expected


def test_truth_is_yes_or_no_and_a_score_has_its_name():
    table = pd.DataFrame({"constant": [True, False], "score": ["uar", "macro_f1"]})
    text = tables.show(table).data
    assert re.findall(r"<td[^>]*>([^<]*)</td>", text) == ["yes", "UAR", "no", "macro-F1"]


def test_whole_numbers_may_have_commas():
    table = pd.DataFrame({"x": pd.array([94381936, None], dtype="Int64")})
    assert text_of(tables.show(table, thousands=True))[1:] == ["94,381,936", "–"]


@pytest.mark.parametrize(("value", "expected"), [(1.234e-7, "1.2e-07"), (0.0, "0"), (0.5, "0.5"), (2.5, "2.5")])
def test_tiny_numbers_may_have_exponents(value, expected):
    assert text_of(tables.show(pd.DataFrame({"x": [value]}), scientific=True))[-1] == expected


def test_signed_columns_show_a_plus():
    assert text_of(tables.show(pd.DataFrame({"difference": [2.0, -1.0]}), signed=("difference",)))[1:] == [
        "+2.0",
        "-1.0",
    ]


def test_a_difference_that_rounds_to_zero_is_not_negative():
    assert text_of(tables.show(pd.DataFrame({"difference": [-0.01]}), signed=("difference",)))[-1] == "+0.0"


@pytest.mark.parametrize(("value", "expected"), [(0.0004, "&lt; 0.001"), (0.001, "0.001"), (np.nan, "–")])
def test_p_values_have_three_decimals_and_are_never_zero(value, expected):
    assert text_of(tables.show(pd.DataFrame({"p": [value, 0.5]})))[1:] == [expected, "0.500"]


@pytest.mark.parametrize(("n", "kind"), [(20, ""), (21, "words"), (80, "words"), (81, "sentences")])
def test_long_texts_may_wrap_and_get_room(n, kind):
    table = pd.DataFrame({"x": ["short", "a" * n]}, index=[0, 0])  # an index that repeats, as after a concat
    cells = BeautifulSoup(tables.show(table).data, "html.parser").select("tbody td")
    assert [cell.get("class", []) for cell in cells] == [[], [kind] if kind else []]


def test_an_empty_table_is_a_sentence():
    shown = tables.show(pd.DataFrame(columns=["x"]), otherwise="All is well.")
    assert isinstance(shown, Markdown)
    assert shown.data == "All is well."


def test_markup_in_values_is_escaped():
    assert "&lt;speaker&gt;" in tables.show(pd.DataFrame({"x": ["<speaker>"]})).data


def test_commands_look_like_commands():
    assert "run <code>make &lt;it&gt;</code>" in tables.show(pd.DataFrame({"x": ["run `make <it>`"]})).data


def test_addresses_become_links():
    shown = tables.show(pd.DataFrame({"x": ["https://example.org/a/"]})).data
    assert re.search(r'<a href="https://example.org/a/"[^>]*>example.org/a</a>', shown)


def test_downloads_stand_beside_the_table_not_in_its_class(build_folder):
    html = tables.show(pd.DataFrame({"x": [1]}), download="demo/x").data
    assert 'class="paper-table"' in html
    assert "demo/downloads/x.csv" in html


def test_the_same_table_gives_the_same_bytes():
    table = pd.DataFrame({"x": [1.5, 2.5]})
    assert tables.show(table).data == tables.show(table.copy()).data


BESIDE = {
    "ptm": "whisper-base", "head": "cnn", "regime": "speaker", "train_corpus": "ravdess", "test_corpus": "emodb",
    "accuracy": 39.5, "accuracy_low": 35.0, "accuracy_high": 45.0, "paper_accuracy": 64.0,
    "accuracy_difference": -23.96, "macro_f1": 35.0, "macro_f1_low": 31.06, "macro_f1_high": 39.0,
    "accuracy_of_folds": 40.04, "macro_f1_of_folds": 32.0, "paper_macro_f1": np.nan, "macro_f1_difference": np.nan,
    "n_clusters": 10, "clusters": "speakers", "guard": "",
}  # fmt: skip


def test_beside_paper_names_pairs_and_signs_differences():
    cells = text_of(score_tables.beside_paper(pd.DataFrame([BESIDE])))
    # Of one model alone, what decides follows the pair; where there are several, the model.
    values = ["RAVDESS → Emo-DB", "-24.0", "–", "CNN", "speaker", "40.0", "64.00", "39.5 (35.0–45.0)"]
    assert cells[-12:] == [*values, "32.0", "–", "35.0 (31.1–39.0)", f"10{tables.NO_BREAK}speakers"]
    both = pd.DataFrame([BESIDE, BESIDE | {"ptm": "wavlm-base"}])
    assert text_of(score_tables.beside_paper(both))[-13:][:3] == ["WavLM", "-24.0", "–"]


def test_a_verdict_says_by_how_much_the_paper_is_outside():
    row = {
        "train_corpus": "emodb",
        "test_corpus": "emodb",
        "ptm": "whisper-base",
        "head": "fcn",
        "published": 86.67,
    }
    row |= {f"stratified_{name}": 80.0 for name in ("ours", "difference", "fold_low", "fold_high", "mean_low")}
    row |= {"stratified_mean_high": np.nan, "stratified_verdict": "above", "stratified_beyond": 6.67}
    cells = text_of(score_tables.verdicts(pd.DataFrame([row])))
    assert cells[-9:-7] == ["Whisper", "above by 6.7"]  # the verdict right after the model
    assert cells[-2] == "80.0–80.0"


def test_beside_paper_warns_of_few_speakers_and_shows_guards():
    table = pd.DataFrame([BESIDE | {"n_clusters": 5, "guard": "single class ×2"}])
    cells = text_of(score_tables.beside_paper(table))
    assert cells[-2:] == [f"5{tables.NO_BREAK}speakers (few)", "single class ×2"]
    assert "guard" not in text_of(score_tables.beside_paper(pd.DataFrame([BESIDE])))


def grid_rows(**changed):
    pairs = [("ravdess", "ravdess"), ("ravdess", "emodb"), ("emodb", "ravdess"), ("emodb", "emodb")]
    rows = [
        {"ptm": ptm, "head": head, "regime": "speaker", "train_corpus": a, "test_corpus": b, "macro_f1": 1.0}
        for ptm in ("whisper-base", "ecapa-tdnn")
        for a, b in pairs
        for head in ("fcn", "cnn")
    ]
    table = pd.DataFrame(rows).assign(accuracy=np.arange(len(rows), dtype=float), guard="")
    return table.assign(emotions="anger, fear", n_emotions=2).assign(**changed)


def shades(html):
    """Cell (row, column) -> depth of its shading."""
    found = {}
    for rule in re.findall(r"((?:#T_\w+,?\s*)+)\{([^}]*)\}", html.data[: html.data.index("</style>")]):
        depth = float(re.search(r"rgba\(0, 114, 178, ([\d.]+)\)", rule[1])[1])
        for row, column in re.findall(r"_row(\d+)_col(\d+)", rule[0]):
            found[int(row), int(column)] = depth
    return found


def test_the_papers_table_has_blocks_of_rows_and_pairs_of_columns():
    cells = text_of(score_tables.grid_like_paper(grid_rows()))
    corpora = [c for c in cells if c in ("RAVDESS", "Emo-DB")]
    assert corpora == ["RAVDESS", "Emo-DB", *["RAVDESS"] * 2, *["Emo-DB"] * 2]  # each row says its own
    bar = f"{tables.NO_BREAK}|{tables.NO_BREAK}"
    at = cells.index("Whisper")
    assert cells[at : at + 6] == ["Whisper", *(f"{v}.0{bar}1.0" for v in range(4)), "RAVDESS"]


def test_shading_is_within_blocks():
    depth = shades(score_tables.grid_like_paper(grid_rows()))
    for rows in ((0, 1), (2, 3)):
        for columns in ((0, 1), (2, 3)):
            block = [depth[i, j] for i in rows for j in columns]
            assert (min(block), max(block)) == (0.0, 0.45)


def test_a_block_of_equals_is_not_shaded():
    assert set(shades(score_tables.grid_like_paper(grid_rows(accuracy=50.0))).values()) == {0.0}


def test_a_tripped_guard_is_a_dagger_in_its_cell():
    guard = [""] * 16
    guard[3] = "single class"
    cells = text_of(score_tables.grid_like_paper(grid_rows(guard=guard)))
    assert [c for c in cells if "†" in c] == [f"3.0{tables.NO_BREAK}|{tables.NO_BREAK}1.0{tables.NO_BREAK}†"]


def heard_rows():
    table = grid_rows().replace({"ptm": {"ecapa-tdnn": "emotion2vec-plus-base"}})
    return table.replace({"emodb": "aesdd"})


def test_a_cell_whose_model_has_had_the_tested_corpus_has_a_double_dagger_and_a_line_says_why():
    shown = score_tables.grid_like_paper(heard_rows())
    marked = [c for c in text_of(shown) if c.endswith(f"{tables.NO_BREAK}{score_tables.HEARD}")]
    assert len(marked) == 8  # all cells of one of two models
    assert (
        "‡ emotion2vec+ base has had RAVDESS before (audio and labels); emotion2vec+ base has had AESDD before "
        "(audio and labels)." in shown.data
    )
    assert score_tables.HEARD not in score_tables.grid_like_paper(grid_rows()).data


def test_beside_the_paper_a_column_says_what_models_have_had_before():
    table = pd.DataFrame([BESIDE, BESIDE | {"ptm": "trillsson4", "test_corpus": "cremad"}])
    cells = text_of(score_tables.beside_paper(table))
    assert "heard before" in cells
    assert "chosen" in cells
    assert "heard before" not in text_of(score_tables.beside_paper(pd.DataFrame([BESIDE])))


def test_same_corpus_cells_make_a_row_for_each_model():
    table = grid_rows()
    cells = text_of(score_tables.grid_like_paper(table[table["train_corpus"] == table["test_corpus"]]))
    assert [c for c in cells if c in ("Whisper", "ECAPA-TDNN")] == ["Whisper", "ECAPA-TDNN"]
    assert "trained on" not in cells


def test_a_cell_of_other_emotions_says_of_how_many():
    table = grid_rows()
    other = (table["train_corpus"] == "ravdess") & (table["test_corpus"] == "emodb")
    table.loc[other, ["emotions", "n_emotions"]] = ["anger, fear, sadness", 3]
    shown = score_tables.grid_like_paper(table).data
    assert shown.count("<small>3 emotions</small>") == other.sum() == 4
    assert "emotions" not in text_of(score_tables.grid_like_paper(grid_rows()))
    of_three = score_tables.grid_like_paper(table, ["anger", "fear", "sadness"]).data  # then the others are marked
    assert of_three.count("<small>2 emotions</small>") == 12


def test_the_emotions_of_a_pair_stand_beside_what_needs_no_head():
    table = grid_rows(chance=50.0, majority=62.5)
    cells = text_of(tables.label_sets_of(table))
    assert cells[:2] == ["trained on", "tested on"]
    assert cells.count("anger, fear") == cells.count("62.5") == 4
    assert isinstance(tables.label_sets_of(table.iloc[:0]), Markdown)


def test_a_missing_cell_is_empty():
    cells = text_of(score_tables.grid_like_paper(grid_rows().drop(index=1)))
    assert cells[cells.index("Whisper") + 2] == ""


def test_heads_side_by_side_with_the_best_in_bold():
    table = pd.DataFrame(
        {
            "ptm": "whisper-base",
            "head": ["cnn", "logistic", "cnn", "logistic"],
            "accuracy": [50.0, 60.0, 40.0, 60.0],
        }
    )
    shown = score_tables.by_head(table, ["ptm"])
    assert text_of(shown) == ["model", "CNN", "logistic regression", "Whisper", "45.0", "60.0"]
    assert re.search(r"_row0_col2 \{\s*font-weight: bold", shown.data)


@pytest.mark.parametrize("make", [score_tables.beside_paper, score_tables.grid_like_paper])
def test_nothing_to_show_is_a_sentence(make):
    assert isinstance(make(pd.DataFrame(columns=["ptm"])), Markdown)


def test_p_values_have_three_decimals():
    table = pd.DataFrame({"a": ["x-vector"], "b": ["svm"], "p": [0.00456], "difference": [1.26]})
    assert text_of(tables.show(table, signed=("difference",)))[4:] == ["x-vector", "SVM", "+1.3", "0.005"]


def test_a_long_table_is_cut_and_says_so():
    shown = tables.show(pd.DataFrame({"x": range(1000)}), most=10).data
    assert "The first 10 of 1000 rows." in shown
    assert shown.count("<tr>") == 11


def test_ids_in_a_table_for_a_figure_become_names():
    found = tables.named(pd.DataFrame({"ptm": ["xls-r-300m"], "corpus": ["all"], "n": [3]}))
    assert found.to_dict("list") == {"ptm": ["XLS-R"], "corpus": ["all"], "n": [3]}


def test_headers_say_what_they_are_for_and_blanks_are_no_headers():
    html = tables.show(pd.DataFrame({"x": [1]}, index=pd.Index(["emodb"], name="corpus")), index=True).data
    assert re.search(r'<td class="blank level0" ?></td>', html)
    assert re.search(r'<th scope="col" [^>]*>x</th>', html)
    assert re.search(r'<th scope="row" [^>]*>Emo-DB</th>', html)
    assert html.count("<th ") == 2


def test_names_of_levels_are_headers_of_their_row():
    html = score_tables.grid_like_paper(grid_rows()).data
    assert re.search(r'<th scope="row" class="index_name level0" ?>tested on</th>', html)
    assert not re.search(r"<th (?!scope)", html)


def test_the_box_of_a_table_is_named_and_reached_by_keyboard():
    html = tables.show(pd.DataFrame({"train_corpus": ["emodb"], "a<b": [1]})).data
    assert '<div class="table-box" role="group" aria-label="Table: trained on, a&lt;b" tabindex="0">' in html


def test_rows_of_a_pair_share_a_shade():
    pairs = [("emodb", "emodb"), ("emodb", "emodb"), ("emodb", "ravdess")]
    table = pd.DataFrame([BESIDE | {"train_corpus": a, "test_corpus": b} for a, b in pairs])
    rows = re.findall(r"<tr>.*?</tr>", score_tables.beside_paper(table).data, flags=re.DOTALL)[2:]
    assert [set(re.findall(r"(?:odd|even)-block", row)) for row in rows] == [{"odd-block"}] * 2 + [{"even-block"}]


# -- downloads --------------------------------------------------------------------------------------------------


def test_a_table_is_offered_as_csv_and_parquet_with_all_its_digits(build_folder):
    table = pd.DataFrame({"ptm": ["xls-r-300m", None], "accuracy": [1 / 3, np.nan]}, index=[7, 8])
    html = tables.offer(table, "demo/all-scores").data
    folder = build_folder / "demo" / "downloads"
    for back in (pd.read_csv(folder / "all-scores.csv"), pd.read_parquet(folder / "all-scores.parquet")):
        pd.testing.assert_frame_equal(back, table.reset_index(drop=True), check_exact=True, check_dtype=False)
    assert re.findall(r'href="([^"]+)" download', html) == [
        "_build/demo/downloads/all-scores.csv",
        "_build/demo/downloads/all-scores.parquet",
    ]
    assert "Download all scores, 2 rows" in html


def test_what_is_too_large_is_named_but_not_linked(build_folder, monkeypatch):
    monkeypatch.setattr(tables, "MOST_MEGABYTES", 0)
    html = tables.offer(pd.DataFrame({"x": [1]}), "by hand/x").data
    assert "href" not in html
    assert "too large" in html
    assert "_build" not in html  # no path that a reader of the site does not have
    assert (build_folder / "by hand" / "downloads" / "x.csv").exists()


def test_a_large_csv_is_compressed_and_the_same_table_gives_the_same_bytes(build_folder, monkeypatch):
    table, folder = pd.DataFrame({"x": np.arange(1000) / 3}), build_folder / "demo" / "downloads"
    tables.offer(table, "demo/numbers")
    monkeypatch.setattr(tables, "PLAIN_MEGABYTES", 0.001)
    html = tables.offer(table, "demo/numbers").data
    first = (folder / "numbers.csv.gz").read_bytes()
    assert tables.offer(table, "demo/numbers").data == html
    assert (folder / "numbers.csv.gz").read_bytes() == first
    assert 'href="_build/demo/downloads/numbers.csv.gz" download>CSV, compressed</a>' in html
    pd.testing.assert_frame_equal(pd.read_csv(folder / "numbers.csv.gz"), table, check_exact=True)
    assert not (folder / "numbers.csv").exists()  # the one of the earlier run


def test_a_shown_table_may_be_offered_whole(build_folder):
    table = pd.DataFrame({"x": range(30)}, index=pd.RangeIndex(30, name="n"))
    html = tables.show(table, index=True, most=10, download="demo/numbers").data
    assert "The first 10 of 30 rows." in html
    assert list(pd.read_csv(build_folder / "demo" / "downloads" / "numbers.csv")["n"]) == list(range(30))


@pytest.mark.parametrize("name", ["scores", "demo/Scores", "../demo/x", "demo/x.csv", "demo/a/b"])
def test_a_name_of_another_form_is_refused(name, build_folder):
    with pytest.raises(ValueError, match="<profile>/<table>"):
        tables.offer(pd.DataFrame({"x": [1]}), name)
    assert not build_folder.exists()


def test_an_empty_text_shows_nothing():
    assert tables.said("") is None
    assert tables.said("- one").data == "- one"


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (["corpus", "ptm", "head", "difference", "low", "high", "p"],
         ["corpus", "ptm", "difference", "low", "high", "head", "p"]),
        (["place", "claim", "verdict", "low"], ["place", "verdict", "low", "claim"]),
        (["model", "low", "high", "effect", "p", "from"], ["model", "effect", "low", "high", "p", "from"]),
        (["difference", "ptm"], ["difference", "ptm"]),
        (["low", "high"], ["low", "high"]),
    ],
)  # fmt: skip
def test_what_a_row_comes_to_follows_its_model(columns, shown):
    table = pd.DataFrame([range(len(columns))], columns=columns)
    assert list(tables.decisive_first(table)) == shown
    assert tables.decisive_first(table)[columns].equals(table)
