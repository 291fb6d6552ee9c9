"""`make predict`: whatever a stranger has in a folder ends in a row or in a message."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from crosscorpus.base import paths
from crosscorpus.book import own_recordings, synthetic_vowels
from crosscorpus.corpora import loose_recordings

QUICK = ["--model", "mfcc", "--overrides", "epochs=1", "--workers", "1"]
RATE = synthetic_vowels.RATE


def voice(**changed):
    return synthetic_vowels.synthesise(synthetic_vowels.MANNERS["aroused"], **changed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Synthetic clips, and all that a folder may hold besides."""
    root = tmp_path_factory.mktemp("my recordings")
    deep = root / "büro, montag" / "日本"
    deep.mkdir(parents=True)
    soundfile.write(root / "plain.wav", voice(), RATE)
    soundfile.write(root / "costs $1 or $x_2$.flac", voice(seed=1), RATE)
    soundfile.write(deep / "é.ogg", voice(seed=2), RATE)
    soundfile.write(deep / "music.mp3", voice(seed=3), RATE)
    soundfile.write(root / "stereo.wav", np.stack([voice(), voice()], axis=1), RATE)
    soundfile.write(root / "telephone.wav", voice()[::2], 8_000)
    soundfile.write(root / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(2 * RATE), RATE)
    soundfile.write(root / "tenth.wav", voice(seconds=0.1), RATE)
    soundfile.write(root / "silence.wav", np.zeros(RATE), RATE)
    soundfile.write(root / "long.flac", np.tile(voice(), 400), RATE)
    (root / "text.wav").write_text("no audio", encoding="utf-8")
    (root / "empty.wav").write_bytes(b"")
    (root / "phone.m4a").write_bytes(b"1234")
    (root / "notes.txt").write_text("of no concern", encoding="utf-8")
    return root


GOOD = {
    "plain.wav", "costs $1 or $x_2$.flac", "büro, montag/日本/é.ogg", "büro, montag/日本/music.mp3", "stereo.wav",
    "telephone.wav", "noise.wav", "tenth.wav",
}  # fmt: skip
BAD = {"silence.wav", "long.flac", "text.wav", "empty.wav", "phone.m4a"}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "BUILD", tmp_path_factory.mktemp("build") / "_build")
        yield paths.BUILD


@pytest.fixture(scope="module")
def run(build, folder):
    assert own_recordings.main([str(folder), *QUICK]) == 0
    return own_recordings.folder_of(str(folder))


def test_every_recording_has_a_row(run):
    table = pd.read_csv(run / "predictions.csv", keep_default_na=False)
    assert set(table["recording"]) == GOOD | BAD
    assert set(table.loc[table["problem"] != "", "recording"]) == BAD
    used = table[table["problem"] == ""]
    p = used[[c for c in table if c.startswith("p_")]].astype(float)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-3)
    assert (p.idxmax(axis=1).str.removeprefix("p_") == used["emotion"]).all()
    assert (table.loc[table["problem"] != "", "remedy"] != "").all()


def test_one_recording_in_two_channels_gets_one_answer(run):
    table = pd.read_csv(run / "predictions.csv").set_index("recording")
    columns = [c for c in table if c.startswith("p_")]
    assert table.loc["plain.wav", columns].equals(table.loc["stereo.wav", columns])


def test_what_is_unlike_training_is_said(run):
    table = pd.read_csv(run / "predictions.csv", keep_default_na=False).set_index("recording")
    assert "outside the range" in table.loc["noise.wav", "unlike"]
    assert "lasts 0.10 s" in table.loc["tenth.wav", "unlike"]
    said = (run / "summary.txt").read_text(encoding="utf-8")
    assert "WARNING" in said
    worth = pd.read_csv(run / "warning.csv")
    speech = worth[worth["is_speech"]]
    assert set(speech["left_out"]) == {"emodb", "ravdess", "aesdd", "mesd"}
    assert f"false for a median of {speech['warned'].median():.0f} %" in said
    assert f"catches {worth.loc[~worth['is_speech'], 'warned'].mean():.0f} % of sounds" in said


def test_the_summary_says_what_it_is_worth(run):
    said = (run / "summary.txt").read_text(encoding="utf-8")
    scores = pd.read_csv(run / "unheard.csv")
    assert set(scores["test_corpus"]) == {"emodb", "ravdess", "aesdd", "mesd"}
    assert f"mean UAR of {scores['uar'].mean():.1f} %" in said
    for words in ("anger, disgust, fear, happiness, sadness", "never heard", "temperature", "MFCC", "not used: "):
        assert words.lower() in said.lower().replace("not used:\n", "not used: ")


def test_there_is_a_picture(run):
    assert (run / "predictions.svg").read_text(encoding="utf-8").count("<path") > 20
    assert (run / "predictions.png").stat().st_size > 10_000


def test_a_second_run_trains_nothing(run, folder, capsys):
    assert own_recordings.main([str(folder / "plain.wav"), *QUICK]) == 0
    assert "It was kept from before" in capsys.readouterr().out


def test_trained_on_one_corpus_it_is_tested_on_the_others(build, folder):
    found = own_recordings.answer(str(folder / "plain.wav"), "mfcc", ["emodb"], overrides="epochs=1", workers=1)
    assert found.ready.trained_on == ("emodb",)
    assert set(found.ready.scores["test_corpus"]) == {"ravdess", "aesdd", "mesd"}


def test_only_bad_audio_ends_with_its_reasons(build, folder, tmp_path, capsys):
    os.link(folder / "text.wav", tmp_path / "text.wav")
    assert own_recordings.main([str(tmp_path), *QUICK]) == 1
    assert "cannot be decoded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["{tmp}/nowhere"], "no such folder or file"),
        ([""], "no recordings were named"),
        (["{tmp}"], "no audio in this folder"),
        (["{good}", "--model", "mfc"], "did you mean 'mfcc'"),
        (["{good}", "--model", "trillsson4"], "cannot be run here; it needs"),
        (["{good}", "--model", "mfcc", "--trained-on", "emodbb"], "did you mean 'emodb'"),
        (["{good}", "--model", "mfcc", "--trained-on", "cremad"], "not there"),
        (["{good}", "--model", "mfcc", "--head", "fnc"], "did you mean 'fcn'"),
        (["{good}", "--model", "mfcc", "--overrides", "epochs=no"], "epochs"),
    ],
)
def test_a_slip_is_answered_in_words(build, folder, tmp_path, no_mirror, given, expected, capsys):
    places = {"tmp": tmp_path, "good": folder / "plain.wav"}
    assert own_recordings.main([one.format(**places) for one in given]) == 2
    assert expected in capsys.readouterr().err


def test_the_default_is_the_best_model_that_runs_here(build, folder, no_mirror, monkeypatch):
    from crosscorpus.training import predicting

    assert "mfcc" in predicting.candidates()
    assert not [ptm for ptm in predicting.candidates() if "untrained" in ptm]
    monkeypatch.setattr(predicting, "candidates", lambda *_: ["mfcc"])
    found = own_recordings.answer(str(folder / "plain.wav"), overrides="epochs=1", workers=1)
    assert list(found.compared["ptm"]) == ["mfcc"]
    assert found.compared["chosen"].tolist() == [True]
    ready = found.ready
    better = dataclasses.replace(ready, scores=ready.scores.assign(uar=90.0))
    deaf = dataclasses.replace(better, warning=ready.warning.assign(warned=10.0))  # it warns of nothing
    for each, chosen in (([ready, deaf], 0), ([ready, better], 1), ([deaf, deaf], 0)):
        answers = iter(each)
        monkeypatch.setattr(predicting, "candidates", lambda *_: ["mfcc"] * 2)
        monkeypatch.setattr(predicting, "ready", lambda *_, answers=answers, **__: next(answers))
        assert predicting.best()[1]["chosen"].tolist() == [number == chosen for number in range(len(each))]


def test_a_folder_may_be_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert set(loose_recordings.read(tmp_path / "link").utterances["utterance"]) == GOOD


def test_real_speech_of_a_corpus_that_no_head_heard_passes_mostly(build, mirror, tmp_path):
    files = sorted(file for file in (mirror / "corpora" / "emovo").rglob("*") if file.suffix in (".wav", ".flac"))
    if not files:
        pytest.skip("the mirror has no corpora/emovo")
    for file in files[:: len(files) // 12][:12]:
        (tmp_path / file.name).symlink_to(file)
    found = own_recordings.answer(str(tmp_path), "mfcc", overrides="epochs=1", workers=1)
    assert len(found.recordings) == 12
    assert (found.recordings["problem"] == "").all()
    assert (found.recordings["unlike"] == "").mean() > 0.9
