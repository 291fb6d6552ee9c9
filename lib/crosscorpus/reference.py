"""Published results, and ours beside them."""

import pandas as pd

from crosscorpus import corpora, extractors, paths

CELL = ["ptm", "head", "train_corpus", "test_corpus"]


def table1() -> pd.DataFrame:
    """Return Table I of Phukan et al. (2025), 400 cells, in this project's names.

    Columns: ptm, head, train_corpus, test_corpus, accuracy and macro_f1 (percent). In two blocks the table
    prints a second row "W2" where WavLM's is due; it is read as WavLM's by its position.
    """
    table = pd.read_csv(paths.DATA / "reference" / "phukan2025_table1.csv")
    corpus_ids = {entry.name: key for key, entry in corpora.registry().items()}
    ptm_ids = {entry.name: key for key, entry in extractors.registry().items()}
    table["ptm"] = table["ptm"].map(ptm_ids)
    table["head"] = table["head"].str.lower()
    for side in ("train_corpus", "test_corpus"):
        table[side] = table[side].map(corpus_ids)
    return table[[*CELL, "accuracy", "macro_f1"]]


def beside(ours: pd.DataFrame) -> pd.DataFrame:
    """Put the paper's accuracy and macro-F1 beside ours (`metrics.interval` or `metrics.summary`).

    Returns
    -------
    The table with `paper_accuracy`, `paper_macro_f1`, and the differences ours minus paper
    (`accuracy_difference`, `macro_f1_difference`); missing where the paper has no such cell.
    """
    paper = table1().rename(columns={"accuracy": "paper_accuracy", "macro_f1": "paper_macro_f1"})
    table = ours.merge(paper, on=CELL, how="left", validate="many_to_one")
    for metric in ("accuracy", "macro_f1"):
        table[f"{metric}_difference"] = table[metric] - table[f"paper_{metric}"]
    return table


def of_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of what `beside` returns that the paper has too."""
    return table[table["paper_accuracy"].notna()]


def to_picture(table: pd.DataFrame, ptm: str) -> pd.DataFrame:
    """Return the rows of one model: of `ptm` if it has some, else of the first one."""
    chosen = ptm if ptm in set(table["ptm"]) else next(iter(table["ptm"]), ptm)
    return table[table["ptm"] == chosen]
