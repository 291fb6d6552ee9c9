"""A first grid of two corpora or more, in seconds: baselines alone, on one model's embeddings.

One page is written without a notebook's kernel, and nothing is loaded that trains heads. `make own` has the heads,
both ways to make folds, and all chapters.
"""

import argparse
import datetime
import functools
import html
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.base import paths, versions, whole_files
from crosscorpus.book import figure_colours, score_figures, score_tables
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import extraction
from crosscorpus.models import model_registry
from crosscorpus.protocols import cells, protocol_settings
from crosscorpus.scores import guards, metrics
from crosscorpus.training import baselines, evaluate, run_parameters

REGIME = "speaker"
FOLDER = paths.BUILD / "quick"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{font-family: sans-serif; max-width: 60em; margin: 1em auto; padding: 0 1em}}
svg {{max-width: 100%; height: auto}}
.scroll {{overflow-x: auto}} td, th {{padding: 0.2em 0.6em; text-align: left}}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def check(corpora: Sequence[str], model: str) -> None:
    """Raise an error where a first grid cannot be made of these.

    Raises
    ------
    known_names.UnknownNameError
        A corpus or the model is not known.
    run_parameters.ParameterError
        There are fewer than two corpora, or one is there twice.
    """
    if len(corpora) < 2:
        raise run_parameters.ParameterError(
            f'corpora: {" ".join(corpora) or "none"}, two or more are expected: make quick CORPUS="<id> <id>"'
        )
    run_parameters.check_values({"corpora": list(corpora), "ptms": [model]})


def make(corpora: Sequence[str], model: str, mirror: str | None = None, workers: int = 0) -> list[Path]:
    """Embed what is not stored yet, train and score the baselines; return the page, and its tables as files.

    Parameters
    ----------
    corpora, model
        Ids in the registries, of two corpora or more.
    mirror, workers
        See `extraction.embed`; baselines train in this process, which is faster than to start others.

    Raises
    ------
    ValueError
        As `check`, or no row of a corpus can be used, or a guard trips (`guard_parts.GuardError`).
    model_registry.NotAvailableError
        Fewer than two of the corpora have embeddings; what the others need was printed.
    """
    check(corpora, model)
    here = list(extraction.collect(model, corpora, "any", mirror=mirror, workers=workers))
    if len(here) < 2:
        raise model_registry.NotAvailableError("Nothing can be compared: a grid needs two corpora or more")
    settings, heads = protocol_settings.load(""), list(baselines.BASELINES)
    run = evaluate.results([model], here, here, heads, [REGIME], [0], settings, source="any", workers=1)
    tripped = run.tripped(evaluate.utterances(here, "any"))
    scores = guards.mark(metrics.summary(metrics.per_fold(run.counts)), tripped)
    intervals = guards.mark(metrics.interval(run.counts), tripped)
    said = cells.sentences(evaluate.left_out(here, [REGIME], settings, "any"))
    said += [f"† {message}" for message in dict.fromkeys(tripped["message"])]
    return write(scores, intervals, settings, said)


def write(
    scores: pd.DataFrame, intervals: pd.DataFrame, settings: protocol_settings.Protocol, said: Sequence[str]
) -> list[Path]:
    """Write the page and its tables; return their files.

    Parameters
    ----------
    scores, intervals
        What `metrics.summary` and `metrics.interval` return.
    settings
        See `protocol_settings.load`.
    said
        Sentences on what was left out.
    """
    names = " and ".join(map(corpus_registry.corpus_name, dict.fromkeys(scores["test_corpus"])))
    title = f"{names}: a first grid with baselines"
    figure_colours.use_style()
    grid = score_figures.grids(scores, settings["emotions"])
    ends = intervals.assign(low=intervals["uar_low"], high=intervals["uar_high"])
    dots = score_figures.dots(
        ends, "uar", rows=["train_corpus", "test_corpus"], panels=["head"], series="ptm",
        label="UAR (%), 95 % interval over speakers",
    )  # fmt: skip
    ids = " ".join(dict.fromkeys(scores["test_corpus"]))
    of_model = model_registry.model_name(scores["ptm"].iloc[0])
    facts = [
        f"Embeddings: {of_model}. Folds keep speakers apart; the darker a cell, the better among those of its two "
        "corpora, and the best is bold. Trained are baselines alone; heads, and "
        f'the chapters with all they say, are made by: make own CORPUS="{ids}"',
        *said,
        f"Commit {versions.of_commit()}, {datetime.date.today().isoformat()}",
    ]
    table = score_tables.grid_like_paper(scores, settings["emotions"]).data
    parts = [
        "<h2>Accuracy | macro-F1 (%), mean over folds</h2>", f"<div class=scroll>{table}</div>", _svg(grid),
        "<h2>UAR of all test utterances together</h2>", _svg(dots),
        *(f"<p>{html.escape(one)}</p>" for one in facts),
    ]  # fmt: skip
    texts = {
        "index.html": PAGE.format(title=html.escape(title), body="\n".join(parts)),
        "scores.csv": scores.to_csv(index=False, float_format="%.4f"),
        "intervals.csv": intervals.to_csv(index=False, float_format="%.4f"),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        whole_files.replace_file(FOLDER / name, functools.partial(Path.write_bytes, data=text.encode("utf-8")))
    return [FOLDER / name for name in texts]


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the page and say where it is; return 0, or 2 where it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m crosscorpus.book.first_grid", description=__doc__)
    parser.add_argument("corpora", nargs="*", help="ids of two corpora or more, with blanks or commas between")
    parser.add_argument("--model", default="mfcc", help="id of a model; default: mfcc")
    parser.add_argument("--mirror", default=None, help="folder of local copies; default: CROSSCORPUS_MIRROR")
    parser.add_argument("--workers", type=int, default=0, help="processes that embed side by side; 0: one a core")
    given = parser.parse_args(arguments)
    corpora = [corpus for corpus in re.split(r"[,\s]+", " ".join(given.corpora)) if corpus]
    mpl.use("agg")
    try:
        files = make(corpora, given.model, given.mirror, given.workers)
    except (ValueError, OSError, model_registry.NotAvailableError) as error:
        print(error, file=sys.stderr)
        return 2
    print("Look at:\n")
    print("\n".join(f"  {paths.shown(file)}" for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
