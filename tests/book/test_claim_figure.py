import numpy as np
import pandas as pd
import pytest

from crosscorpus.book import claim_figure, tables
from crosscorpus.models import model_registry


def means(n_here):
    """The paper's eight models, of which the first were run."""
    ptms = model_registry.of_paper()
    here = np.arange(len(ptms)) < n_here
    missing = np.where(here, 1.0, np.nan)
    paper = np.linspace(60, 30, len(ptms))
    return pd.DataFrame(
        {"ptm": ptms, "paper": paper, "paper_run": paper * missing, "ours": 35 * missing, "low": 30 * missing,
         "high": 41 * missing, "n": 40, "n_run": 24 * here}
    )  # fmt: skip


@pytest.mark.parametrize("n_here", [0, 2, 8])
def test_every_model_has_a_row_and_those_not_run_are_grey(n_here):
    fig = claim_figure.claim_and_answer(means(n_here), 24 * n_here, 400)
    (ax,) = fig.axes
    labels = ax.get_yticklabels()
    assert [label.get_text() for label in labels] == [
        model_registry.model_name(ptm) for ptm in model_registry.of_paper()
    ]
    assert [label.get_color() == claim_figure.NOT_RUN for label in labels] == [False] * n_here + [True] * (
        8 - n_here
    )
    assert f"{24 * n_here} of 400 cells" in ax.get_title()
    dots = [path for path in ax.collections if path.get_urls() and path.get_urls()[0]]
    assert len(dots[0].get_urls()) == 8  # a mark for each model, run or not


def test_a_grid_of_marks_names_each_mark():
    table = pd.DataFrame({"Emo-DB": ["run", "not yet run"]}, index=["Whisper", "WavLM"])
    made = tables.marks(table, "run").data
    assert 'aria-label="run" title="run">●<' in made
    assert 'aria-label="not yet run" title="not yet run">○<' in made
