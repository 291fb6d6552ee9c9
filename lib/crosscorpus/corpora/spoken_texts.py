"""Who says which words, as far as a corpus tells: what stands for a speaker or a text where names are coarser."""

import re

import pandas as pd

from crosscorpus.corpora import corpus_registry


def named(corpus: str, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return a table of utterances whose `text_id` is what is said, whoever says it: see `told`."""
    return utterances.assign(text_id=told(corpus, utterances)["text"])


def told(corpus: str, utterances: pd.DataFrame) -> pd.DataFrame:
    """Return who says which text, "" where it is not known: columns speaker and text, in the table's order.

    The text is the column `text_id`, or what the registry's `texts` says that it tells; so is the speaker. MESD
    names no speakers, and each word with the kind of voice that says it: there the kind of voice stands for the
    speaker, and the word is the text.
    """
    columns = {"speaker": "speaker", "text": "text_id"}
    given = {name: utterances.get(column, "") for name, column in columns.items()}
    known = pd.DataFrame(given, utterances.index).fillna("").astype(str)
    pattern = corpus_registry.get(corpus).texts.get("pattern")
    if pattern:
        parts = [match.groupdict() if (match := re.fullmatch(pattern, one)) else {} for one in known["text"]]
        known["text"] = [one.get("text", "") for one in parts]
        if "voice" in re.compile(pattern).groupindex:
            known["speaker"] = [one.get("voice", "") for one in parts]
    return known
