"""The stamp: nothing in the project itself, and on whatever is written in a checkout that has one."""

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crosscorpus.base import stamp, table_files
from crosscorpus.book import figure_colours, tables

SAID = "made up, odd: ünlike"


@pytest.fixture
def stamped(tmp_path, monkeypatch):
    file = tmp_path / "stamp.txt"
    file.write_text(f"{SAID}\n", encoding="utf-8")
    monkeypatch.setattr(stamp, "FILE", file)
    return tmp_path


def test_the_project_itself_has_no_stamp():
    assert stamp.text() == ""
    assert stamp.facts() == {}
    table = pd.DataFrame({"a": [1]})
    assert list(stamp.on_table(table)) == ["a"]


def test_every_row_of_a_stamped_table_says_so(stamped):
    table = stamp.on_table(pd.DataFrame({"a": [1, 2]}))
    assert list(table.columns) == ["a", stamp.NAME]
    assert list(table[stamp.NAME]) == [SAID, SAID]
    assert stamp.NAME in stamp.on_table(pd.DataFrame({"a": []}))


def test_a_stored_table_has_it_beside_its_record(stamped):
    file = stamped / "predictions.parquet"
    table_files.write(pd.DataFrame({"a": [1]}), file, {"device": "cpu"})
    assert pq.read_schema(file).metadata[stamp.NAME.encode()].decode() == SAID
    assert table_files.read_record(file) == {"device": "cpu"}  # as it was, so that a store is gone on from
    assert list(pd.read_parquet(file)) == ["a"]


def test_an_offered_table_has_it_in_both_files(stamped, monkeypatch):
    monkeypatch.setattr(tables.paths, "BUILD", stamped)
    tables.offer(pd.DataFrame({"a": [1, 2]}), "run/some-table")
    for read, kind in ((pd.read_csv, "csv"), (pd.read_parquet, "parquet")):
        assert set(read(stamped / "run" / "downloads" / f"some-table.{kind}")[stamp.NAME]) == {SAID}


def test_a_figure_has_it_across(stamped):
    figure_colours.use_style()
    fig, _ = plt.subplots()
    fig.savefig(stamped / "a.svg")
    plt.close(fig)
    drawn = (stamped / "a.svg").read_text(encoding="utf-8")
    assert [part in drawn for part in SAID.split(": ")] == [True, True]  # a line each


def test_without_a_stamp_a_figure_has_none():
    figure_colours.use_style()
    fig, _ = plt.subplots()
    plt.close(fig)
    assert fig.texts == []
