"""EmoBox's four balanced test sets (its Table 3): 60 utterances of each of four emotions, by corpus.

They are committed in `data/protocols/emobox_balanced.csv`, called as the registry calls utterances. IEMOCAP's
"speaker" there is the beginning of the dialogue's name, not who speaks. What could be several utterances (some of
MELD's, by their names) has none.
"""

import argparse
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from crosscorpus.base import paths
from crosscorpus.corpora import corpus_entries, corpus_registry, utterance_tables
from crosscorpus.protocols import official_splits

COLUMNS = ["corpus", "file", "utterance", "emotion", "speaker"]
"""`file` is as it was published; `utterance` is empty where that does not tell which it is."""
EMOTIONS = {"angry": "anger", "happy": "happiness", "neutral": "neutral", "sad": "sadness"}


def file() -> Path:
    """Return the committed table."""
    return paths.DATA / "protocols" / "emobox_balanced.csv"


def read(corpus: str) -> pd.DataFrame:
    """Return the balanced test set of a corpus, a table with `COLUMNS`; without rows where there is none."""
    table = _read(file(), file().stat().st_mtime_ns)
    return table[table["corpus"] == corpus].reset_index(drop=True)


def corpora() -> list[str]:
    """Return the corpora that have one."""
    return list(_read(file(), file().stat().st_mtime_ns)["corpus"].unique())


@functools.lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> pd.DataFrame:
    return utterance_tables.read_table(path)


def make(corpus: str, listed: pd.DataFrame) -> pd.DataFrame:
    """Return a published list (`wav_filename`, `label`, `speaker`) as a table with `COLUMNS`, sorted by file."""
    split, entry = official_splits.read(corpus), corpus_registry.get(corpus)
    known = pd.DataFrame({"utterance": []}) if split is None else split
    last = known["utterance"].str.rpartition("/")[2]
    rows = []
    for row in listed.sort_values("wav_filename").itertuples():
        parsed = corpus_entries.parse(entry, str(row.wav_filename)) or {}
        name = parsed.get("utterance", "")
        if name not in set(known["utterance"]):
            said = EMOTIONS[str(row.label)]
            alike = (known["speaker"] == row.speaker) & (known["emotion_native"].map(entry.emotions) == said)
            same = known[(last == Path(str(row.wav_filename)).stem) & alike]
            name = same["utterance"].iloc[0] if len(same) == 1 else ""
        rows.append((corpus, row.wav_filename, name, EMOTIONS[str(row.label)], row.speaker))
    return pd.DataFrame(rows, columns=COLUMNS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the committed table from the published lists, `<corpus>.jsonl` each."""
    parser = argparse.ArgumentParser(
        description=main.__doc__, prog="python -m crosscorpus.protocols.balanced_tests"
    )
    parser.add_argument("folder", type=Path, help="of the lists")
    lists = sorted(parser.parse_args(arguments).folder.glob("*.jsonl"))
    if not lists:
        parser.error("no list (*.jsonl) is in that folder")
    made = []
    for path in lists:
        lines = path.read_text(encoding="utf-8").splitlines()
        made.append(make(path.stem, pd.DataFrame(json.loads(line) for line in lines)))
    table = pd.concat(made, ignore_index=True)
    table.to_csv(file(), index=False, lineterminator="\n")
    print(
        f"{paths.shown(file())}: {len(table)} utterances, {int((table['utterance'] == '').sum())} not told apart"
    )


if __name__ == "__main__":
    main()
