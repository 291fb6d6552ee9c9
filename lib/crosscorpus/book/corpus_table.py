"""All corpora of the registry in tables: what they are, who may have them, who uses them, what of them was run."""

import pandas as pd

from crosscorpus.corpora import corpus_downloads, corpus_registry
from crosscorpus.corpora.corpus_entries import Corpus
from crosscorpus.embeddings import availability
from crosscorpus.protocols import official_splits

BENCHMARKS = {"emobox": "EmoBox", "serevals": "SER Evals"}
"""Names of the benchmarks in a corpus's `in_protocols`."""
HEARD = 98
"""Percent of tested utterances from which a split is marked: nearly all its speakers are trained on, too."""


NEEDED = {"paid": "payment", "request": "a request"}
"""What a corpus's access takes, where that is another word."""


def corpora(source: str) -> pd.DataFrame:
    """Return all corpora of the registry, a row each, as a reader wants to see them.

    Parameters
    ----------
    source
        Where embeddings are looked for: "pack", "audio" or "any".

    Returns
    -------
    Columns: corpus (id), language, utterances, hours and speakers (missing where not known), access, used by,
    models run (how many), get it (a command), emotions (those that are told apart).
    """
    hours = official_splits.overview().set_index("corpus")["hours"]
    rows = []
    for key, entry in corpus_registry.registry().items():
        rows.append(
            {
                "corpus": key,
                "language": entry.language,
                "utterances": entry.size,
                "hours": hours.get(key),
                "speakers": entry.n_speakers,
                "access": entry.access,
                "used by": ", ".join(_used_by(entry)),
                "models run": len(availability.models_run([key], source)),
                "get it": f"`python -m crosscorpus.embeddings.downloads {key}`",
                "emotions": ", ".join(sorted({*entry.emotions.values()})),
            }
        )
    return pd.DataFrame(rows).astype({"speakers": "Int64"})


def in_short(table: pd.DataFrame) -> str:
    """Say in two sentences which corpora of `corpora` can be had today without asking anyone, and which cannot."""
    is_free = table["access"] == "free"
    free = [str(corpus) for corpus in table.loc[is_free, "corpus"]]
    fetched = [corpus for corpus in free if corpus_downloads.homes(corpus_registry.get(corpus))]
    by_hand = [corpus for corpus in free if corpus not in fetched]
    others = table.loc[~is_free, "access"].value_counts(sort=False)
    last = f"; {_names(by_hand)} have to be downloaded by hand" if by_hand else ""
    rest = ", ".join(f"{NEEDED.get(str(how), how)} ({n})" for how, n in others.items())
    return (
        f"Of {len(table)} corpora, {len(free)} can be had today without asking anyone: one command fetches "
        f"{_names(fetched)}{last}. " + (f"Others need {rest}." if rest else "")
    ).strip()


def _names(corpora: list[str]) -> str:
    return ", ".join(map(corpus_registry.corpus_name, corpora))


def languages(table: pd.DataFrame) -> pd.DataFrame:
    """Return `corpora` by language: how many corpora, their hours (missing where unknown), and their names."""
    by_language = table.assign(name=table["corpus"].map(corpus_registry.corpus_name)).groupby("language")
    found = by_language.agg(
        corpora=("corpus", "size"),
        hours=("hours", lambda hours: hours.sum(min_count=1)),
        names=("name", ", ".join),
    )
    return found.sort_values(["hours", "corpora"], ascending=False, na_position="last").reset_index()


def _used_by(entry: Corpus) -> list[str]:
    return ["the paper"] * entry.in_paper + [BENCHMARKS[name] for name in entry.in_protocols]


def terms() -> pd.DataFrame:
    """Return on what terms each corpus is had: licence, access, where they are stated, how audio comes, the pack.

    `comes` is "by itself" where a program can fetch the audio, else what a person has to do. `in the pack` says
    whether embeddings of it may be in this repository, and why.
    """
    rows = []
    for key, entry in corpus_registry.registry().items():
        carried = "may be" if entry.pack["carry"] else "no"
        rows.append(
            {
                "corpus": key,
                "licence": entry.licence,
                "access": entry.access,
                "stated at": entry.terms,
                "comes": "by itself" if corpus_downloads.homes(entry) else f"by hand: {entry.download['by_hand']}",
                "in the pack": f"{carried}: {entry.pack['why']}",
            }
        )
    return pd.DataFrame(rows)


def splits() -> pd.DataFrame:
    """Return the published splits, a row each: `official_splits.overview`, marked where all speakers are heard.

    `mark` is a sentence where `HEARD` percent or more of what is tested is of a speaker who is also trained on.
    """
    table = official_splits.overview()
    heard = table["shared"] >= HEARD
    table["mark"] = heard.map({True: "tests the voices it trains on", False: ""})
    return table.drop(columns="has_validation")


def heard(table: pd.DataFrame) -> str:
    """Say in a sentence how many splits of `splits` are marked, and which of them are the owners' own."""
    marked = table[table["mark"] != ""]
    names = [corpus_registry.corpus_name(c) for c in marked.loc[marked["by"] == "owners", "corpus"]]
    owners = f", among them those that the owners of {', '.join(names)} published themselves" if names else ""
    return (
        f"Of {len(table)} published splits, {len(marked)} test voices that they also train on "
        f"(at least {HEARD} % of what is tested){owners}."
    )
