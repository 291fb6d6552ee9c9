import pytest

from crosscorpus.models import model_registry
from crosscorpus.verdict import published_ranks, published_tables


def test_each_models_means_are_of_its_25_cells_and_ranks_are_of_eight():
    table = published_ranks.table()
    assert len(table) == 8 * 2 * 2
    assert table.groupby("cells")["n"].unique().map(list).to_dict() == {"cross-corpus": [20], "same corpus": [5]}
    assert set(table["of"]) == {8}
    assert all(sorted(block["rank"])[0] == 1 for _, block in table.groupby(["head", "cells"]))


@pytest.mark.parametrize("ptm", ["trillsson4", "whisper-base"])
def test_means_and_ranks_are_those_counted_from_the_table(ptm):
    cells = published_tables.table1()
    cross = cells[(cells["train_corpus"] != cells["test_corpus"]) & (cells["head"] == "cnn")]
    means = cross.groupby("ptm")["accuracy"].mean()
    row = published_ranks.of_model(ptm).set_index(["head", "cells"]).loc[("cnn", "cross-corpus")]
    assert row["accuracy"] == pytest.approx(means[ptm])
    assert row["rank"] == 1 + sum(means > means[ptm])


def test_a_model_that_the_paper_does_not_have_has_no_rows():
    assert published_ranks.of_model("mfcc").empty
    assert set(published_ranks.table()["ptm"]) == {m.id for m in model_registry.registry().values() if m.in_paper}
