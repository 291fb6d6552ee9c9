"""Audio is read once, and again when anything that a scan was made from has changed."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from crosscorpus.base import paths, versions
from crosscorpus.corpora import corpus_registry, scanning
from crosscorpus.embeddings import corpus_scans, store_folders
from crosscorpus.scores import guard_parts
from crosscorpus.training import beforehand

EMOTIONS = ("anger", "happiness", "sadness")


def clip(path, seed):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(8000)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 16_000)


@pytest.fixture
def own(tmp_path, monkeypatch, build_folder, no_mirror):
    """Write corpora of one's own: `own(name, first_clip)` has two clips of three emotions by five speakers."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    (tmp_path / "data" / "own").mkdir(parents=True)
    for file in ("corpora.yaml", "protocol.yaml"):
        (tmp_path / "data" / file).write_bytes((paths.ROOT / "data" / file).read_bytes())

    def write(name, first=0, change=lambda rows: rows):
        rows = []
        for number in range(30):
            path = tmp_path / name / f"{number:02d}.wav"
            if not path.exists():
                clip(path, first + number)
            rows.append((path, f"s{number % 5}", EMOTIONS[number // 10]))
        table = pd.DataFrame(change(rows), columns=["path", "speaker", "emotion"])
        table.to_csv(tmp_path / "data" / "own" / f"{name}.csv", index=False)
        corpus_registry.registry.cache_clear()
        return tmp_path / name

    yield write
    corpus_registry.registry.cache_clear()


@pytest.fixture
def readings(monkeypatch):
    """Return the corpora that were read from audio, in order."""
    read, original = [], scanning.scan

    def counted(corpus, *others):
        read.append(corpus)
        return original(corpus, *others)

    monkeypatch.setattr(scanning, "scan", counted)
    return read


def fresh(corpus="mine"):
    return corpus_scans.fresh(corpus, corpus_registry.find(corpus))


def test_a_stored_scan_is_what_reading_gives(own, readings):
    own("mine")
    first, second = fresh(), fresh()
    assert readings == ["mine"]
    for kind in ("utterances", "quality", "problems"):
        pd.testing.assert_frame_equal(getattr(first, kind), getattr(second, kind), check_dtype=False)


def test_another_content_of_the_same_size_and_time_is_seen(own, readings):
    folder = own("mine")
    before = fresh()
    file = folder / "00.wav"
    status = file.stat()
    clip(file, 999)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert fresh().utterances["sha256"].iloc[0] != before.utterances["sha256"].iloc[0]
    assert readings == ["mine", "mine"]


@pytest.mark.parametrize("change", ["gone", "label", "table", "store", "code"])
def test_what_a_scan_was_made_from_counts(own, readings, change, monkeypatch):
    folder = own("mine")
    fresh()
    stored = store_folders.folder("audio") / "utterances" / "mine.csv"
    if change == "gone":
        (folder / "00.wav").unlink()
    elif change == "label":
        own("mine", change=lambda rows: [(p, s, "sadness" if p.stem == "00" else e) for p, s, e in rows])
    elif change == "table":
        own("mine", change=lambda rows: rows[1:])
    elif change == "store":
        stored.write_text(stored.read_text().replace("anger", "happiness", 1))
    else:
        monkeypatch.setattr(versions, "of_code", lambda *modules: "other")
    now = fresh()
    assert len(readings) == 2
    assert len(now.utterances) == 30 - (change in ("gone", "table"))
    assert now.utterances["emotion"].value_counts()["sadness"] == 10 + (change == "label")


# -- beforehand -----------------------------------------------------------------------------------------------


def test_corpora_are_checked_from_their_audio_alone(own, readings):
    own("mine")
    own("other", first=100)
    lines = beforehand.check(["mine", "other"], "any", ["stratified", "speaker"])
    assert [line.split(":")[0] for line in lines[:2]] == ["mine", "other"]
    assert "30 utterances, 15 s of speech" in lines[0]
    assert readings == ["mine", "other"]
    corpus_scans.scan("mine", "audio")
    assert readings == ["mine", "other"]  # what comes after does not read again


def test_recordings_that_corpora_share_are_known_before_a_model_is_loaded(own):
    own("mine")
    own("twin", change=lambda rows: [(p, f"x{4 - int(s[1])}", e) for p, s, e in rows])
    with pytest.raises(guard_parts.GuardError, match="recordings are in training and in test"):
        beforehand.check(["mine", "twin"], "any", ["speaker"])


def test_files_that_cannot_be_used_are_counted(own):
    folder = own("mine")
    (folder / "03.wav").write_bytes(b"")
    assert "29 utterances" in beforehand.check(["mine"], "any", ["stratified"])[0]
    assert "files that are not used: 1" in beforehand.check(["mine"], "any", ["stratified"])[0]
