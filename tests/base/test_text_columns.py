import pandas as pd
import pytest

from crosscorpus.base import text_columns


@pytest.mark.parametrize(
    "names", [["b", "c"], {"b", "c"}, pd.Series(["b", "c"]), pd.Index(["b", "c", None]), iter("bc")]
)
def test_what_is_among_names_whatever_holds_them_and_a_missing_value_is_not(names):
    column = pd.Series(["a", "b", None, "c", "b"], index=[5, 4, 3, 2, 1])
    found = text_columns.isin(column, names)
    assert found.to_dict() == {5: False, 4: True, 3: False, 2: True, 1: True}
    assert found.dtype == bool


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_as_pandas_says_it(kind):
    column = pd.Series([f"utterance {n % 7}" for n in range(50)]).astype(kind)
    names = ["utterance 3", "utterance 6", "utterance 9"]
    pd.testing.assert_series_equal(text_columns.isin(column, names), column.isin(names))
    assert text_columns.isin(column, []).sum() == 0
    assert text_columns.different(column) == set(column)


def test_different_values_are_without_missing_ones():
    assert text_columns.different(pd.Series(["b", None, "a", "b"])) == {"a", "b"}
