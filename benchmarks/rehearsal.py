"""The whole of `make paper` without a corpus and without a model: `make rehearsal` prepares it here.

A copy of the project gets a mirror of synthetic audio, with file names and durations of the official lists, and
a registry whose models have random weights. All chapters then run in that copy, as they would on real ones. It is
apart, so that nothing synthetic is ever found beside what is real. Results mean nothing; times and sizes do.
"""

import argparse
import filecmp
import functools
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
import yaml

from benchmarks import stand_in
from crosscorpus.base import paths, processes, progress, safe_yaml, stamp, whole_files
from crosscorpus.book import source_archive, synthetic_vowels
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.models import model_registry

SETTINGS: Mapping[str, Any] = safe_yaml.read(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
LABEL: str = SETTINGS["label"]
STAMP = f"{LABEL}: {SETTINGS['meaning']}"
PROFILE = "rehearsal-synthetic"
FOLDER = paths.BUILD / PROFILE
ARCHITECTURES = ("tiny", "full")
WRITTEN = "mirror/corpora.csv"
"""What was synthesised, below the folder: columns of file lists, and `speaker`."""
GIVEN = "given.json"
"""How large a rehearsal is, below the folder."""
LEFT_OUT = ("tests/",)
"""Of the project, in the copy."""


# -- audio ----------------------------------------------------------------------------------------------------


def chosen(share: float) -> pd.DataFrame:
    """Return the utterances of the paper's corpora that are synthesised, as their official lists have them.

    Parameters
    ----------
    share
        Of each speaker's utterances of each emotion, above 0 and up to 1. However small, it leaves each speaker
        one, and each corpus `least` utterances of each emotion, if it has them.
    """
    if not 0 < share <= 1:
        raise ValueError(f"SIZE is {share}; it must be above 0, and 1 at most (all utterances)")
    parts = []
    for corpus, entry in corpus_registry.registry().items():
        listed = file_lists.file_list(corpus) if entry.in_paper else None
        if listed is None:
            continue
        listed["seconds"] = listed["seconds"].fillna(listed["seconds"].median())
        mixed = listed.sample(frac=1, random_state=0)
        speakers = mixed.groupby("emotion")["speaker"].transform("nunique")
        of_one = mixed.groupby(["speaker", "emotion"])
        wanted = np.maximum(share * of_one["file"].transform("size"), SETTINGS["least"] / speakers)
        parts.append(mixed[of_one.cumcount() < np.ceil(wanted)].sort_values("utterance"))
    return pd.concat(parts, ignore_index=True)


def manner(emotion: str, speaker: str, utterance: str) -> synthetic_vowels.Manner:
    """Return how an utterance is spoken: by its emotion, by its speaker's voice, and a little by chance."""
    offset = dict.fromkeys(SETTINGS["neutral"], 0.0) | {"range": SETTINGS["neutral"]["range"], "rate": 1.0}
    offset |= SETTINGS["manners"].get(emotion, {})
    for name, spread in ((speaker, SETTINGS["of_speakers"]), (utterance, SETTINGS["of_utterances"])):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for cue, deviation in spread.items():
            offset[cue] += deviation * float(np.clip(rng.standard_normal(), -2, 2))
    neutral = SETTINGS["neutral"]
    return synthetic_vowels.Manner(
        pitch=neutral["pitch"] * 2 ** (offset["pitch"] / 12),
        range=max(0.1, offset["range"]),
        rate=neutral["rate"] * max(0.3, offset["rate"]),
        level=min(-9.0, neutral["level"] + offset["level"]),
        tilt=neutral["tilt"] + offset["tilt"],
    )


def write_utterance(path: Path, row: Mapping[str, Any]) -> None:
    """Write one utterance as WAV at its corpus's sample rate, labelled in the file itself."""
    spoken = manner(row["emotion"], f"{row['corpus']} {row['speaker']}", row["utterance"])
    seed = zlib.crc32(f"{row['corpus']} {row['utterance']}".encode())
    wave = synthetic_vowels.synthesise(spoken, row["seconds"], seed)
    rate = int(row["sample_rate_native"])
    wave = soxr.resample(wave, synthetic_vowels.RATE, rate) if rate != synthetic_vowels.RATE else wave

    def write(part: Path) -> None:
        with soundfile.SoundFile(part, "w", rate, 1, "PCM_16", format="WAV") as file:
            file.comment = LABEL
            file.write(wave)

    whole_files.replace_file(path, write)


def write_some(folder: Path, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write those utterances that are not there yet; return how many there are now."""
    for row in rows:
        path = folder / row["corpus"] / row["file"]
        if not path.exists():
            write_utterance(path, row)
    return len(rows)


def write_audio(folder: Path, table: pd.DataFrame, workers: int = 0) -> None:
    """Write all utterances of a table below a folder, processes side by side, and remove what is not in it."""
    rows = table.to_dict("records")
    jobs = [(folder, rows[start : start + 50]) for start in range(0, len(rows), 50)]
    wanted = {folder / row["corpus"] / row["file"] for row in rows}
    for left in set(folder.rglob("*.wav")) - wanted:  # of a run of another size
        left.unlink()
    with progress.Progress("synthetic audio", len(rows), "utterances") as bar:
        for done in processes.run(write_some, jobs, workers):
            bar.update(done)


# -- models ---------------------------------------------------------------------------------------------------


def registry(text: str, architectures: str) -> str:
    """Return `data/models.yaml` with random weights for the paper's models, in tiny or true architectures."""
    entries = yaml.safe_load(text)
    for seed, entry in enumerate(e for e in entries.values() if e.get("in_paper")):
        entry |= {"handle": f"random weights, seed {seed} ({LABEL})", "revision": "", "files": {}, "also_at": []}
        entry["trained_on"] = {"what": f"nothing ({LABEL})", "source": entry["source"], "complete": True}
        entry["note"] = f"{LABEL}: the {architectures} architecture with random weights"
        if entry.get("home") == "tfhub":
            entry["note"] = f"{LABEL}: a stand-in with its interface, as its network comes with its weights alone"
            continue
        entry |= {"home": "none", "seed": seed}
        smaller = SETTINGS["tiny"].get(entry["loader"], {}) if architectures == "tiny" else {}
        if smaller:
            entry.pop("parameters", None)
            entry["layers"] = smaller.get("num_hidden_layers", smaller.get("encoder_layers"))
            entry["architecture"] = entry["architecture"] | smaller
    dump = functools.partial(yaml.dump, sort_keys=False, allow_unicode=True, width=110)
    return f"# {LABEL}\n{dump(entries)}"


# -- the copy -------------------------------------------------------------------------------------------------


def profile(text: str, seeds: Sequence[int], overrides: str) -> str:
    """Return `profiles/paper.yaml` for the rehearsal: the paper's models, and what a small run changes."""
    values = yaml.safe_load(text) | {"profile": PROFILE, "ptms": model_registry.of_paper()}
    values |= ({"seeds": list(seeds)} if seeds else {}) | ({"overrides": overrides} if overrides else {})
    return f"# {LABEL}\n{yaml.safe_dump(values, sort_keys=False)}"


def configuration(text: str, what: str) -> str:
    """Return `_config.yml` for the rehearsal: a banner on every page says what it is."""
    banner = f"<strong>{LABEL.capitalize()}.</strong> {what}"
    options = "    html_theme_options:\n"
    if options not in text or "\ntitle: " not in text:
        raise ValueError("_config.yml has no title or no html_theme_options, where the rehearsal puts its label")
    text = text.replace(options, f"{options}      announcement: '{banner}'\n")
    return text.replace("\ntitle: ", "\ntitle: 'Rehearsal, synthetic' # ")


def stamped(text: str) -> str:
    """Return a page of prose with the label below its title, or at its end where it has none."""
    title = re.search(r"^# .*\n", text, flags=re.MULTILINE)
    place = title.end() if title else len(text)
    return f"{text[:place]}\n**{LABEL.capitalize()}.**\n{text[place:]}"


def changed_files(architectures: str, utterances: int, seeds: Sequence[int], overrides: str) -> dict[str, str]:
    """Return the files that differ in the copy: name -> text."""
    what = (
        f"The audio is made by a program ({utterances} utterances), all networks are {architectures} ones with "
        "random weights: results mean nothing. Tables of committed studies, and the embeddings of the pack, which "
        "a section and a page train on, are those of the project."
    )
    pages = [name for name in source_archive.files() if name.endswith(".md") and not name.startswith(LEFT_OUT)]
    texts = {
        name: (paths.ROOT / name).read_text(encoding="utf-8")
        for name in ("data/models.yaml", "profiles/paper.yaml", "_config.yml", *pages)
    }
    return {
        "data/models.yaml": registry(texts["data/models.yaml"], architectures),
        "profiles/paper.yaml": profile(texts["profiles/paper.yaml"], seeds, overrides),
        "_config.yml": configuration(texts["_config.yml"], what),
        "REHEARSAL.md": f"# {LABEL}\n\n{what}\n",
        stamp.PLACE: f"{STAMP}\n",
        **{name: stamped(text) for name, text in texts.items() if name.endswith(".md")},
    }


def copy_project(folder: Path, changed: Mapping[str, str]) -> None:
    """Bring a copy of the project up to date; a file that is the same keeps its time, so a run goes on."""
    pack = [str(file.relative_to(paths.ROOT)) for file in paths.PACK.rglob("*.safetensors")]  # in no archive
    names = [*source_archive.files(), *pack]
    names = [name for name in names if not name.startswith(LEFT_OUT) and name not in changed]
    for name in names:
        source, to = paths.ROOT / name, folder / name
        if os.path.lexists(to) and (source.is_symlink() or filecmp.cmp(source, to, shallow=False)):
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to, follow_symlinks=False)
    for name, text in changed.items():
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text:
            write = functools.partial(Path.write_text, data=text, encoding="utf-8")
            whole_files.replace_file(folder / name, write)
    for left in _not_in(folder, {*names, *changed}):  # of an earlier commit
        left.unlink()


def _not_in(folder: Path, names: set[str]) -> Iterator[Path]:
    for top in ("lib", "notebooks", "book", "data", "profiles"):
        for file in (folder / top).rglob("*"):
            name = str(file.relative_to(folder))
            if file.is_file() and name not in names and "__pycache__" not in name and "data/own/" not in name:
                yield file


def prepare(
    folder: Path, share: float, architectures: str, seeds: Sequence[int], overrides: str, workers: int = 0
) -> pd.DataFrame:
    """Make the copy of the project and its mirror in a folder; return the table of utterances.

    Parameters
    ----------
    folder
        Where all of it goes: `project/` and `mirror/`.
    share
        See `chosen`.
    architectures
        One of `ARCHITECTURES`.
    seeds, overrides
        Of the run; what is empty stays as in `profiles/paper.yaml`.
    workers
        Processes that make audio; 0 for one a core.
    """
    table = chosen(share)
    write_audio(folder / "mirror" / "corpora", table, workers)
    whole_files.replace_file(folder / WRITTEN, functools.partial(table.to_csv, index=False))
    for model in map(model_registry.get, model_registry.of_paper()):
        weights = folder / "mirror" / "weights" / model.id
        if model.home == "tfhub" and not (weights / "saved_model.pb").exists():
            stand_in.save(weights, model.dimension)
    given = {"size": share, "architectures": architectures, "seeds": list(seeds), "overrides": overrides}
    whole_files.replace_file(
        folder / GIVEN, lambda part: part.write_text(json.dumps(given) + "\n", encoding="utf-8")
    )
    copy_project(folder / "project", changed_files(architectures, len(table), seeds, overrides))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare a rehearsal, and say what it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=1.0, help="share of each speaker's utterances")
    parser.add_argument("--architectures", choices=ARCHITECTURES, default="full")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="instead of the paper profile's")
    parser.add_argument("--overrides", default="", help="of settings of the protocol, such as epochs=2")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    table = prepare(folder, given.size, given.architectures, given.seeds, given.overrides)
    hours = table.groupby("corpus", sort=False)["seconds"].sum() / 3600
    said = ", ".join(
        f"{corpus} {size} ({hours[corpus]:.2f} h)" for corpus, size in table.value_counts("corpus").items()
    )
    print(f"{LABEL}: {said}; in {paths.shown(folder)}")


if __name__ == "__main__":
    main()
