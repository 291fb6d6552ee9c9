import re

import numpy as np
import pandas as pd
import pytest
from IPython.display import HTML, Markdown

from crosscorpus import tables


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


def test_an_empty_table_is_a_sentence():
    shown = tables.show(pd.DataFrame(columns=["x"]), otherwise="All is well.")
    assert isinstance(shown, Markdown)
    assert shown.data == "All is well."


def test_markup_in_values_is_escaped():
    assert "&lt;speaker&gt;" in tables.show(pd.DataFrame({"x": ["<speaker>"]})).data


def test_commands_look_like_commands():
    assert "run <code>make &lt;it&gt;</code>" in tables.show(pd.DataFrame({"x": ["run `make <it>`"]})).data


def test_addresses_become_links():
    assert '<a href="https://example.org/a"' in tables.show(pd.DataFrame({"x": ["https://example.org/a"]})).data


def test_the_same_table_gives_the_same_bytes():
    table = pd.DataFrame({"x": [1.5, 2.5]})
    assert tables.show(table).data == tables.show(table.copy()).data


def test_beside_paper_names_pairs_and_signs_differences():
    row = {
        "ptm": "whisper-base", "head": "cnn", "regime": "speaker", "train_corpus": "ravdess",
        "test_corpus": "emodb",
        "accuracy": 40.04, "accuracy_sd": 5.0, "paper_accuracy": 64.0, "accuracy_difference": -23.96,
        "macro_f1": 35.0, "macro_f1_sd": 4.0, "paper_macro_f1": np.nan, "macro_f1_difference": np.nan,
    }  # fmt: skip
    cells = text_of(tables.beside_paper(pd.DataFrame([row])))
    plus_minus = f"{tables.NO_BREAK}±{tables.NO_BREAK}"
    values = [
        "RAVDESS → Emo-DB",
        "CNN",
        "speaker",
        f"40.0{plus_minus}5.0",
        "64.00",
        "-24.0",
        f"35.0{plus_minus}4.0",
    ]
    assert cells[-9:] == [*values, "–", "–"]


def test_a_long_table_is_cut_and_says_so():
    shown = tables.show(pd.DataFrame({"x": range(1000)}), most=10).data
    assert "The first 10 of 1000 rows." in shown
    assert shown.count("<tr>") == 11


def test_ids_in_a_table_for_a_figure_become_names():
    found = tables.named(pd.DataFrame({"ptm": ["xls-r-300m"], "corpus": ["all"], "n": [3]}))
    assert found.to_dict("list") == {"ptm": ["XLS-R"], "corpus": ["all"], "n": [3]}
