import pytest
from scipy import stats

from crosscorpus.models import model_registry
from crosscorpus.verdict import confounds, published_tables


def test_every_model_of_the_paper_is_there_with_its_printed_mean():
    table = confounds.table()
    assert sorted(table["ptm"]) == sorted(model_registry.of_paper())
    cells = published_tables.table1().query("train_corpus != test_corpus and ptm == 'whisper-base'")["accuracy"]
    assert table.set_index("ptm").loc["whisper-base", "accuracy"] == pytest.approx(cells.mean())
    assert table["accuracy"].is_monotonic_decreasing


def test_one_model_stands_for_its_class_where_there_is_one():
    table = confounds.table().set_index("ptm")
    assert table.loc["trillsson4", "of_family"] == 1
    assert table.loc["trillsson4", "pooled"] == table.loc["x-vector", "pooled"] == confounds.TRAINED
    assert set(table.drop(["trillsson4", "x-vector"])["pooled"]) == {confounds.MEAN}
    assert table.loc["trillsson4", "heard"] == "CREMA-D (chosen)"


@pytest.mark.parametrize("other", [[1, 2, 3, 4, 5], [2, 1, 4, 3, 5], [5, 1, 4, 2, 3], [1, 1, 2, 2, 3]])
def test_the_rank_correlation_is_scipys_and_its_p_is_exact(other):
    one = [1, 2, 3, 4, 5]
    rho, p = confounds.rank_correlation(one, other)
    assert rho == pytest.approx(stats.spearmanr(one, other).statistic)
    exact = stats.permutation_test(
        (one,), lambda x: stats.spearmanr(x, other).statistic, permutation_type="pairings", n_resamples=1000
    )
    assert p == pytest.approx(exact.pvalue)


def test_a_property_that_all_share_is_left_out():
    table = confounds.table()
    found = confounds.associations(table[table["pooled"] == confounds.MEAN])
    assert list(found["property"]) == ["parameters", "dimension"]
    assert set(found["n"]) == {6}
