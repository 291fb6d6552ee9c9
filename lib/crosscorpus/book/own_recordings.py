"""Emotions of recordings of one's own: a table, a picture and what they are worth (`make predict AUDIO=...`)."""

import argparse
import functools
import hashlib
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile

from crosscorpus.base import paths, processes, shown_names, whole_files
from crosscorpus.book import figure_colours, prediction_figures, synthetic_vowels
from crosscorpus.corpora import corpus_registry, loose_recordings
from crosscorpus.embeddings import availability
from crosscorpus.models import model_registry
from crosscorpus.training import predicting, unheard, unlikeness
from crosscorpus.training.predicting import Ready

MOST_SAID = 20
"""Recordings that the summary names one by one, of each kind."""


@dataclass(frozen=True)
class Answer:
    """What is said of some recordings.

    Attributes
    ----------
    ready
        The head; see `predicting.ready`.
    recordings
        See `predicting.of_recordings`.
    compared
        The models that the default was chosen from, see `predicting.best`; without rows where one was named.
    folder
        Where all of it is kept.
    """

    ready: Ready
    recordings: pd.DataFrame
    compared: pd.DataFrame
    folder: Path


def answer(
    audio: str,
    model: str = "",
    trained_on: Sequence[str] = (),
    head: str = "fcn",
    overrides: str = "",
    *,
    mirror: str | None = None,
    workers: int = 0,
) -> Answer:
    """Predict the emotion of recordings.

    Parameters
    ----------
    audio
        A folder or a file; see `loose_recordings.read`.
    model
        Id; "" for the best that needs no download, see `predicting.best`.
    trained_on
        Ids of corpora; none for all of the pack.
    head, overrides, mirror
        See `predicting.ready`.
    workers
        Processes that encode side by side; 0 for one a core.

    Raises
    ------
    loose_recordings.NoRecordingsError
        There is no audio. Other errors are those of `predicting.ready` and `predicting.best`.
    """
    scan, root = loose_recordings.read(audio), loose_recordings.root_of(audio)
    if model:
        predicting.check_can_run(model, mirror)
        found, compared = predicting.ready(model, trained_on, head, overrides, mirror=mirror), pd.DataFrame()
    else:
        found, compared = predicting.best(trained_on, head, overrides, mirror=mirror)
    folder = folder_of(audio)
    recordings = predicting.of_recordings(found, scan, root, folder, mirror=mirror, workers=workers)
    return Answer(found, recordings, compared, folder)


def with_embeddings(corpora: Sequence[str], model: str) -> list[str]:
    """Return those of some corpora that a model's embeddings are stored of."""
    return [corpus for corpus in corpora if availability.is_stored(model, corpus, "any")]


def synthetic() -> Path:
    """Write synthetic clips, speech of nobody, for a page that has no recordings, and return their folder."""
    folder = paths.BUILD / "recordings" / "synthetic-clips"
    clips = {name: synthetic_vowels.synthesise(manner) for name, manner in synthetic_vowels.MANNERS.items()}
    clips["noise"] = 0.1 * np.random.default_rng(0).standard_normal(2 * synthetic_vowels.RATE)
    for name, clip in clips.items():
        write_clip = functools.partial(soundfile.write, data=clip, samplerate=synthetic_vowels.RATE, format="WAV")
        whole_files.replace_file(folder / f"synthetic {name}.wav", write_clip)
    data = b"This is text, and no audio.\n"
    whole_files.replace_file(folder / "text, no audio.wav", functools.partial(Path.write_bytes, data=data))
    return folder


def in_short(of: Answer) -> str:
    """Return three sentences for the head of a page."""
    used, means = of.recordings[of.recordings["problem"] == ""], unheard.mean(of.ready.scores, of.ready.emotions)
    n = int((used["unlike"] != "").sum())
    worth = (
        f"Heads like this one have a mean UAR of {means['uar']:.1f} % on corpora that they never heard, where "
        f"chance is {means['chance']:.1f} %."
        if means
        else "What such a head is worth on other corpora is not known: there was none to leave out."
    )
    return (
        f"Of {len(used)} recordings that could be used, {n} are unlike all speech that the head was trained or "
        f"tested on. {_rates(of.ready)} {worth}"
    )


def folder_of(audio: str) -> Path:
    """Return the folder for what is said of a folder or file: named like it, and told apart by where it is."""
    place = Path(audio).expanduser().resolve()
    name = re.sub(r"[^\w.-]+", "-", place.name).strip("-.") or "recordings"
    return paths.BUILD / "recordings" / f"{name[:60]}-{hashlib.sha256(bytes(place)).hexdigest()[:8]}"


def sentences(of: Answer) -> list[str]:
    """Return in plain words what was used, what it is worth and how that is known, a paragraph each."""
    ready, name = of.ready, model_registry.model_name(of.ready.ptm)
    trained_on = ", ".join(corpus_registry.corpus_name(corpus) for corpus in ready.trained_on)
    kept = (
        "It was kept from before."
        if not ready.evidence.head.is_new
        else "No kept head fitted: it was trained now."
    )
    n = int(ready.n_trained_on.fillna(0).to_numpy().sum())
    return [
        f"Model: {name}{_why(of.compared)}. Head: {shown_names.head_name(ready.head)}, trained on {n} utterances "
        f"of {trained_on}. {kept}",
        f"It tells these emotions apart, and no others: {', '.join(ready.emotions)}. Every recording gets one of "
        "them, whatever it holds.",
        *_worth(ready),
        _sureness(ready),
        _unlike(of.recordings),
        _rates(ready),
    ]


def _why(compared: pd.DataFrame) -> str:
    if compared.empty:
        return ", as named"
    rule = (
        "the best mean UAR on unheard corpora of the models that run here without a download, and whose warning "
        f"catches {predicting.LEAST_CAUGHT:.0f} % of sounds that are no speech, if any does"
    )
    each = [
        f"{model_registry.model_name(row.ptm)} {row.uar:.1f} %, catches {row.caught:.0f} %"
        for row in compared.itertuples()
    ]
    return f", by the rule: {rule} ({'; '.join(each)})"


def _worth(ready: Ready) -> list[str]:
    table = ready.scores
    if table.empty:
        return [
            "How good it is on a corpus that it never heard is not known: there is no other corpus to leave out."
        ]
    each = [
        f"{corpus_registry.corpus_name(row.test_corpus)} {row.uar:.1f} % ({row.uar_low:.1f} to {row.uar_high:.1f})"
        + ("" if row.emotions == _all(ready) else f", told apart: {row.emotions} only")
        for row in table.itertuples()
    ]
    means, said = unheard.mean(table, ready.emotions), ""
    if means and means["n"] > 1:
        said = (
            f"On a corpus that it never heard, such a head has a mean UAR of {means['uar']:.1f} % (accuracy "
            f"{means['accuracy']:.1f} %), between {means['lowest']:.1f} and {means['highest']:.1f} %; by chance "
            f"it would be {means['chance']:.1f} %. "
        )
    return [
        f"{said}Each corpus was left out of training in turn, and all of it was tested: {'; '.join(each)}. In "
        "brackets are 95 % intervals over speakers (over utterances where a corpus names none)."
    ]


def _all(ready: Ready) -> str:
    return ", ".join(sorted(ready.emotions))


def _sureness(ready: Ready) -> str:
    t = f"Probabilities are calibrated by a temperature of {ready.temperature:.2f}"
    means = unheard.mean(ready.scores, ready.emotions) if len(ready.scores) else None
    if not ready.fitted_on or means is None:
        return (
            f"{t}, fitted on a part of the training corpora. Such a temperature does not tell how sure to be of "
            "other recordings: take the probabilities as an order of emotions, not as odds."
        )
    before, after = means["ece"], means["ece_calibrated"]
    verdict = (
        f"which helps little: before, it was {before:.1f}" if before - after < 5 else f"down from {before:.1f}"
    )
    named = ", ".join(corpus_registry.corpus_name(corpus) for corpus in ready.fitted_on)
    return (
        f"{t}, which fits what heads like it said of corpora that they had not heard ({named}). On a corpus that "
        f"the temperature was not fitted on either, sureness and accuracy still differ by {after:.1f} points on "
        f"average (expected calibration error), {verdict}. Do not take a probability for the odds of being right."
    )


def _unlike(recordings: pd.DataFrame) -> str:
    used = recordings[recordings["problem"] == ""]
    n = int((used["unlike"] != "").sum())
    if used.empty:
        return "No recording could be used."
    measure = (
        "all speech that the head was trained or tested on, by the share of its embedding that is outside the "
        f"range of {100 * unlikeness.RANGE:.0f} % of that speech, or by its duration"
    )
    if not n:
        return f"None of {len(used)} recordings is unlike {measure}."
    return (
        f"WARNING: {n} of {len(used)} recordings are unlike {measure}. What is said of their emotion means "
        "little, and the accuracy above is not theirs."
    )


def _rates(ready: Ready) -> str:
    false_alarms, caught = unlikeness.rates(ready.warning)
    if np.isnan(caught):
        return "What such a warning is worth is not known: there is too little speech to find its limit by."
    sounds = f"{caught:.0f} % of sounds that are no speech, each kind of which was left out in turn"
    if np.isnan(false_alarms):
        return f"The warning catches {sounds}; false alarms are not known: there are too few corpora to leave out."
    speech = ready.warning[ready.warning["is_speech"].astype(bool)]
    each = ", ".join(
        f"{corpus_registry.corpus_name(row.left_out)} {row.warned:.0f}" for row in speech.itertuples()
    )
    return (
        f"The warning catches {sounds}; of the speech of a corpus that was left out, it is false for a median of "
        f"{false_alarms:.0f} % ({each})."
    )


def warning_shown(ready: Ready) -> pd.DataFrame:
    """Return what the warning is worth as a page shows it: left out, is (speech or not), n, warned (percent)."""
    kinds = ready.warning["is_speech"].map({True: "speech", False: "synthetic sound"})
    names = [
        corpus_registry.corpus_name(row.left_out) if row.is_speech else row.left_out
        for row in ready.warning.itertuples()
    ]
    return pd.DataFrame(
        {"left out": names, "is": kinds, "n": ready.warning["n"], "warned": ready.warning["warned"]}
    )


def shown(recordings: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Return the recordings that could be used as a page shows them: probabilities in percent, and the warning."""
    used = recordings[recordings["problem"] == ""]
    percent = {emotion: 100 * used[f"p_{emotion}"].astype(float) for emotion in emotions}
    return pd.DataFrame(
        {
            "recording": used["recording"],
            "most probable": used["emotion"],
            "unlike known speech": used["unlike"],  # before all numbers, which it takes the meaning from
            **percent,
        }
    )


def problems(recordings: pd.DataFrame) -> pd.DataFrame:
    """Return the recordings that could not be used: recording, problem, remedy."""
    return recordings.loc[recordings["problem"] != "", ["recording", "problem", "remedy"]].reset_index(drop=True)


def lines(of: Answer) -> list[str]:
    """Return the summary as the command prints it."""
    used, bad = of.recordings[of.recordings["problem"] == ""], problems(of.recordings)
    said = [f"{len(of.recordings)} recordings: {len(used)} used, {len(bad)} not", ""]
    for row in used.head(MOST_SAID).to_dict("records"):
        others = ", ".join(f"{e} {100 * row[f'p_{e}']:.0f}" for e in of.ready.emotions if e != row["emotion"])
        warning = f"\n      UNLIKE KNOWN SPEECH: {row['unlike']}" if row["unlike"] else ""
        said.append(f"  {row['recording']}: {row['emotion']} {row['sure']:.0f} % ({others}){warning}")
    if len(used) > MOST_SAID:
        said.append(f"  and {len(used) - MOST_SAID} more, in the table")
    if len(bad):
        said += ["", "Not used:", ""]
        said += [
            f"  {row['recording']}: {row['problem']}; {row['remedy']}"
            for row in bad.head(MOST_SAID).to_dict("records")
        ]
        said += [f"  and {len(bad) - MOST_SAID} more, in the table"] if len(bad) > MOST_SAID else []
    return [*said, "", *(f"{one}\n" for one in sentences(of))]


def write(of: Answer) -> list[Path]:
    """Write the table, the picture, what head and warning are worth, and the summary; return their files."""
    figure_colours.use_style()
    names = ("predictions.csv", "predictions.svg", "predictions.png", "unheard.csv", "warning.csv")
    files = [of.folder / name for name in names]
    texts = {files[0]: of.recordings, files[3]: of.ready.scores, files[4]: of.ready.warning}
    for file, table in texts.items():
        data = table.to_csv(index=False, float_format="%.4f").encode("utf-8")
        whole_files.replace_file(file, functools.partial(Path.write_bytes, data=data))
    figure = prediction_figures.probabilities(of.recordings, of.ready.emotions)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of names in scripts that the font does not have
        for file in files[1:3]:
            kind = file.suffix.removeprefix(".")
            whole_files.replace_file(file, functools.partial(figure.savefig, format=kind, dpi=150))
    plt.close(figure)
    summary = of.folder / "summary.txt"
    data = ("\n".join(lines(of)) + "\n").encode("utf-8", "backslashreplace")
    whole_files.replace_file(summary, functools.partial(Path.write_bytes, data=data))
    return [*files, summary]


EXPECTED = (
    ValueError,
    OSError,
    MemoryError,
    model_registry.NotAvailableError,
    processes.WorkerEndedError,
)
"""What can go wrong with what a person gave; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is said of recordings; return 0, 1 where none could be used, or 2 where nothing could begin."""
    parser = argparse.ArgumentParser(prog="python -m crosscorpus.book.own_recordings", description=__doc__)
    parser.add_argument("audio", help="a folder with audio in it, or one audio file")
    parser.add_argument("--model", default="", help="id of a model; default: the best that needs no download")
    parser.add_argument("--trained-on", default="", help="ids of corpora, with commas; default: all of the pack")
    parser.add_argument("--head", default="fcn", help="fcn (default), cnn, or a head of your own")
    parser.add_argument("--overrides", default="", help="changed settings, such as epochs=5, as in the chapters")
    parser.add_argument("--mirror", default=None, help="folder of local copies; default: CROSSCORPUS_MIRROR")
    parser.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    given = parser.parse_args(arguments)
    corpora = [corpus for corpus in re.split(r"[,\s]+", given.trained_on) if corpus]
    try:
        how = {"mirror": given.mirror, "workers": given.workers}
        found = answer(given.audio, given.model, corpora, given.head, given.overrides, **how)
        files = write(found)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines(found)))
    print("Look at:\n")
    print("\n".join(f"  {paths.shown(file)}" for file in files))
    return int((found.recordings["problem"] != "").all())


if __name__ == "__main__":
    sys.exit(main())
