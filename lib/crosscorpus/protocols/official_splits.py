"""The split of a corpus that was published: its owners', where they have one, or EmoBox's (Ma et al. 2024).

It is taken as it is: one to six test parts, which may leave most of a corpus untested or share every speaker with
training. A number says what an utterance is for: 1 and up, tested in that fold, and trained on in the others;
`TRAINING`, trained on in every fold; `VALIDATION`, watched for early stopping in every fold. Tables are committed
in `data/splits/<corpus>.parquet`.
"""

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow
import yaml
from pyarrow import parquet

from crosscorpus.base import paths, whole_files
from crosscorpus.corpora import corpus_entries, corpus_registry

TRAINING, VALIDATION = 0, -1
COLUMNS = ["utterance", "speaker", "emotion_native", "seconds", "start", "end", "fold"]
"""Columns of a committed table: `start` and `end` (s) are missing where an utterance is a file of its own."""


class SplitError(ValueError):
    """A published split that cannot be used; the message names file and utterance."""


def folder() -> Path:
    """Return the folder of the committed tables."""
    return paths.DATA / "splits"


def ids() -> list[str]:
    """Return the corpora that have a published split, in the registry or not."""
    return sorted(file.stem for file in folder().glob("*.parquet"))


def source() -> dict[str, Any]:
    """Return whose splits they are: `source`, and `owners`, the corpora whose owners made theirs."""
    return yaml.safe_load((folder() / "source.yaml").read_text(encoding="utf-8"))


def read(corpus: str) -> pd.DataFrame | None:
    """Return the published split of a corpus, a table with `COLUMNS`, or None where there is none.

    Raises
    ------
    SplitError
        The file lacks a column, has a fold that is no number or leaves one out, or an utterance twice.
    """
    file = path(corpus)
    return _read(file, file.stat().st_mtime_ns) if file.exists() else None


def path(corpus: str) -> Path:
    """Return the file of a corpus's split, whether or not it is there."""
    return folder() / f"{corpus}.parquet"


@functools.lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> pd.DataFrame:
    remedy = "take the file of the repository, or make it again from the published lists"
    try:
        table = pd.read_parquet(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise SplitError(f"{paths.shown(file)}: cannot be read as Parquet ({error}); {remedy}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise SplitError(f"{paths.shown(file)}: has no column {', '.join(missing)}; {remedy}")
    twice = table.loc[table["utterance"].duplicated(), "utterance"]
    if len(twice):
        raise SplitError(f"{paths.shown(file)}: {twice.iloc[0]} is there twice; {remedy}")
    found = sorted(set(table["fold"]) - {TRAINING, VALIDATION})
    if not found or found != list(range(1, len(found) + 1)):
        raise SplitError(f"{paths.shown(file)}: test folds {found} where 1 and up are expected; {remedy}")
    return table[COLUMNS]


def why_not(corpus: str, utterances: pd.DataFrame) -> str:
    """Return why a table of utterances cannot be trained and tested on by the published split; "" where it can."""
    split = read(corpus)
    if split is None:
        return "no split of it is published"
    if not (split["fold"] == TRAINING).any() and split["fold"].max() == 1:
        return "its published split has no training part"
    here = set(split.loc[split["utterance"].isin(utterances["utterance"]), "fold"])
    absent = [fold for fold in range(1, split["fold"].max() + 1) if fold not in here]
    if absent:
        return f"no utterance of test part {', '.join(map(str, absent))} of its published split is here"
    return "" if here - {1, VALIDATION} else "no utterance of the training part of its published split is here"


def overview() -> pd.DataFrame:
    """Describe all published splits, from the committed tables alone.

    Returns
    -------
    One row per corpus: corpus (id), by (`owners` or `EmoBox`), utterances, hours, speakers (missing where none are
    named), folds, train, validation and test (utterances, mean over folds), has_validation, and shared: the
    percentage of test utterances whose speaker is trained on in the same fold, missing where it cannot be told.
    """
    rows, owners = [], source()["owners"]
    for corpus in ids():
        table = _read(path(corpus), path(corpus).stat().st_mtime_ns)
        folds, fold = int(table["fold"].max()), table["fold"]
        tested, watched = int((fold > TRAINING).sum()), int((fold == VALIDATION).sum())
        named = table[table["speaker"] != ""]
        rows.append(
            {
                "corpus": corpus,
                "by": "owners" if corpus in owners else "EmoBox",
                "utterances": len(table),
                "hours": table["seconds"].sum() / 3600,
                "speakers": named["speaker"].nunique() if len(named) else None,
                "folds": folds,
                "train": len(table) - watched - tested / folds,
                "validation": watched,
                "test": tested / folds,
                "has_validation": watched > 0,
                "shared": shared(named["speaker"], named["fold"]),
            }
        )
    return pd.DataFrame(rows).astype({"speakers": "Int64"})


def shared(group: pd.Series, fold: pd.Series) -> float:
    """Return the share (percent) of tested utterances whose group (a speaker, say) is trained on in the same fold.

    Missing where nothing is tested, or nothing trained on.
    """
    fold = fold[fold != VALIDATION]
    numbers = fold.unique()
    if not (numbers > TRAINING).any() or len(numbers) < 2:
        return float("nan")
    heard = fold.groupby(group[fold.index]).transform("nunique") > 1
    return 100 * float(heard[fold > TRAINING].mean())


def make(corpus: str, listed: pd.DataFrame) -> pd.DataFrame:
    """Return a published list as a table with `COLUMNS`, sorted by utterance.

    Parameters
    ----------
    corpus
        Id. Where the registry has it, its grammar reads the files' names, and tells utterance, label and speaker
        (the list does where names do not); else an utterance is called by its path without the suffix.
    listed
        `utterance`, `wav` (path of the file, below `downloads/<corpus>`), `speaker` (if known), `emotion_native`,
        `seconds`, `start_time` and `end_time` (if parts of files), and `role_1` ... (train, valid or test).

    Raises
    ------
    SplitError
        Names do not follow the grammar, or two are one; or roles are other than numbers can say: an utterance has
        no role or is tested twice, or is left out of a training part.
    """
    names = listed["utterance"].str.removeprefix(f"{corpus}-")
    files = names.where(listed["wav"].duplicated(keep=False), listed["wav"])
    files = files.str.removeprefix(f"downloads/{corpus}/")
    if listed["wav"].isna().any():
        pattern, file = source()["files"][corpus]
        files = files.where(listed["wav"].notna(), names.str.replace(f"^{pattern}$", file, regex=True))
    facts = _parsed(corpus, files)
    speaker = listed.get("speaker", pd.Series("", listed.index)).fillna("")
    # A list without speakers may name each file as one.
    is_file = [
        name in (PurePosixPath(file).name, PurePosixPath(file).stem)
        for name, file in zip(speaker, files, strict=True)
    ]
    speaker = speaker.mask(is_file, "")
    given = {
        name: listed.get(f"{name}_time", pd.Series(dtype=float)).reindex(listed.index) for name in ("start", "end")
    }
    table = pd.DataFrame(
        {
            "utterance": facts["utterance"],
            "speaker": facts["speaker"].where(facts["speaker"] != "", speaker),
            "emotion_native": facts["emotion_native"].where(
                facts["emotion_native"] != "", listed["emotion_native"]
            ),
            "seconds": listed["seconds"].round(2).astype("float32"),
            **{name: values.astype("float32") for name, values in given.items()},
            "fold": _numbers(corpus, listed),
        }
    )
    twice = table.loc[table["utterance"].duplicated(), "utterance"]
    if len(twice):
        raise SplitError(f"{corpus}: {len(twice)} files have a name that another has, first {twice.iloc[0]}")
    return table.sort_values("utterance", ignore_index=True)


def _parsed(corpus: str, files: "pd.Series[str]") -> pd.DataFrame:
    entry = corpus_registry.registry().get(corpus)
    if entry is None or any("utterance" in table for table in entry.tables):  # parts of files
        names = [PurePosixPath(file).with_suffix("").as_posix() for file in files]
        return pd.DataFrame({"utterance": names, "speaker": "", "emotion_native": ""}, files.index)
    facts = [corpus_entries.parse(entry, file) for file in files]
    unread = [file for file, found in zip(files, facts, strict=True) if found is None]
    if unread:
        raise SplitError(
            f"{corpus}: {len(unread)} of {len(files)} names do not follow its pattern in data/corpora.yaml: "
            f"{', '.join(unread[:5])}"
        )
    blank = {"speaker": "", "emotion_native": ""}  # of a corpus whose owners tell them in tables
    return pd.DataFrame([blank | (found or {}) for found in facts], files.index)


def _numbers(corpus: str, listed: pd.DataFrame) -> "pd.Series[int]":
    roles = listed[[f"role_{n}" for n in range(1, sum(c.startswith("role_") for c in listed) + 1)]].to_numpy()
    tested, watched, trained = (roles == role for role in ("test", "valid", "train"))
    number = tested @ range(1, roles.shape[1] + 1) + VALIDATION * watched.all(axis=1)
    as_said = (tested.sum(axis=1) <= 1) & (trained == ~tested & ~watched.all(axis=1)[:, None]).all(axis=1)
    if not as_said.all():
        row = int((~as_said).argmax())
        raise SplitError(
            f"{corpus}: {listed['utterance'].iloc[row]} has the roles {', '.join(map(str, roles[row]))}: an "
            "utterance is tested once at most and trained on in all other folds, or in validation in all"
        )
    return pd.Series(number, listed.index).astype("int8")


def write(table: pd.DataFrame, file: Path) -> None:
    """Write a table with `COLUMNS` as compactly as Parquet can."""
    # Sorted names share their beginnings; columns with few values are dictionaries.
    options: Mapping[str, Any] = {
        "compression": "zstd",
        "compression_level": 19,
        "use_dictionary": [column for column in COLUMNS if column != "utterance"],
        "column_encoding": {"utterance": "DELTA_BYTE_ARRAY"},
        "write_statistics": False,
    }
    as_arrow = pyarrow.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    whole_files.replace_file(file, lambda made: parquet.write_table(as_arrow, made, **options))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the committed tables of published splits from lists, `<corpus>.parquet` each (see `make`)."""
    parser = argparse.ArgumentParser(
        description=main.__doc__, prog="python -m crosscorpus.protocols.official_splits"
    )
    parser.add_argument("folder", type=Path, help="of the lists")
    lists = sorted(parser.parse_args(arguments).folder.glob("*.parquet"))
    if not lists:
        parser.error("no list (*.parquet) is in that folder")
    refused = []
    for file in lists:
        try:
            table = make(file.stem, pd.read_parquet(file))
        except SplitError as error:
            refused.append(str(error))
            continue
        target = folder() / file.name
        write(table, target)
        print(f"{paths.shown(target)}: {len(table)} utterances, {target.stat().st_size / 1000:.0f} kB")
    if refused:
        raise SystemExit("\n".join(refused))


if __name__ == "__main__":
    main()
