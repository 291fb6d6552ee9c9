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


def cells(n_here):
    """A cell across corpora and one within for each model; of some that were run, only the former."""
    ours = [1.0 if k < n_here else np.nan for k in range(8)]
    within = [value if k else np.nan for k, value in enumerate(ours)]
    pairs = [("emodb", "aesdd"), ("aesdd", "aesdd")]
    parts = [
        pd.DataFrame({"train_corpus": a, "test_corpus": b, "ours": of})
        for (a, b), of in zip(pairs, [ours, within], strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("n_here", [0, 2, 8])
def test_every_model_has_a_row_and_those_not_run_are_grey(n_here):
    fig = claim_figure.claim_and_answer(means(n_here), cells(n_here))
    (ax,) = fig.axes
    labels = ax.get_yticklabels()
    assert [label.get_text() for label in labels] == [
        model_registry.model_name(ptm) for ptm in model_registry.of_paper()
    ]
    assert [label.get_color() == claim_figure.NOT_RUN for label in labels] == [False] * n_here + [True] * (
        8 - n_here
    )
    within = max(0, n_here - 1)
    assert ax.get_title() == (
        f"{n_here + within} of the paper's 16 cells run here: {n_here} of 8 across corpora\n"
        f"(this figure), {within} of 8 within one"
    )
    dots = [path for path in ax.collections if path.get_urls() and path.get_urls()[0]]
    assert len(dots[0].get_urls()) == 8  # a mark for each model, run or not


def test_a_grid_of_marks_names_each_mark():
    table = pd.DataFrame({"Emo-DB": ["run", "not yet run"]}, index=["Whisper", "WavLM"])
    made = tables.marks(table, "run").data
    assert 'aria-label="run" title="run">●<' in made
    assert 'aria-label="not yet run" title="not yet run">○<' in made
