"""Bad audio: nothing crashes a run, each bad file is reported once, and odd but valid files are read right."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from crosscorpus.base import paths, sound
from crosscorpus.corpora import corpus_entries, corpus_registry, decoding, scanning, utterance_tables
from crosscorpus.embeddings import corpus_scans, extraction, store_folders
from tests.faults import mutants

pytestmark = pytest.mark.filterwarnings("ignore:Chunk .non-data. not understood")  # SciPy's, of a valid file

PATTERN = r"m(?P<speaker>\d\d)(?P<text_id>\d{4})(?P<emotion>[AF])"
NOBODY = 65534


@pytest.fixture
def fuzz(monkeypatch, tmp_path, build_folder):
    """A corpus of mutants, named by their number; return its folder."""
    entry = corpus_entries.Corpus(
        "fuzz", "Fuzz", "made by a test", "none", "none", "none", PATTERN,
        {"A": "anger", "F": "fear"}, {"anger": 0, "fear": 0},
    )  # fmt: skip
    monkeypatch.setattr(corpus_registry, "registry", lambda: {"fuzz": entry})
    folder = tmp_path / "mirror" / "corpora" / "fuzz"
    folder.mkdir(parents=True)
    return folder


def name(number):
    return f"m{number % 7:02d}{number:04d}{'AF'[number % 2]}"


def judge(mutant, path, scan, relative):
    """Return what became of a mutant, and a note."""
    problems = scan.problems[scan.problems["path"] == relative]
    read = scan.utterances[scan.utterances["path"] == relative]
    if len(problems) + len(read) != 1:
        return "lost", f"{mutant.what}: {len(problems)} reports and {len(read)} utterances"
    if len(problems):
        reason, remedy = problems.iloc[0][["reason", "remedy"]]
        if mutant.samples is not None and not mutant.either:
            return "lost", f"{mutant.what}: refused though it is valid: {reason}"
        return ("survived", "") if reason and remedy else ("lost", f"{mutant.what}: no reason or remedy")
    if mutant.samples is None:
        return "silently_wrong", f"{mutant.what}: read, without a word"
    samples, rate = decoding.read(path)
    right = rate == mutant.rate and samples.shape == mutant.samples.shape
    # float32 has 24 bits: exact for integers up to those, rounded for longer ones
    right = right and np.allclose(samples, mutant.samples, rtol=2**-24, atol=2**-25)
    right = right and abs(read.iloc[0]["seconds"] - len(mutant.samples) / mutant.rate) < 1e-3
    return ("survived", "") if right else ("silently_wrong", f"{mutant.what}: read as other samples")


def test_a_folder_of_mutants(fuzz, rng, many, row):
    """All kinds in one folder, as one run reads it; then all that was read goes through an extractor."""
    kinds = {
        "audio: valid but odd": mutants.valid(rng, many(25, 120)),
        "audio: cut": mutants.truncated(rng, many(54, 240)),
        "audio: wrong header": mutants.wrong_headers(rng, many(88, 352)),
        "audio: unusable content": mutants.odd(rng, many(40, 120)),
    }
    every = [(kind, mutant) for kind, made in kinds.items() for mutant in made]
    files = [mutants.put(fuzz, name(number), mutant) for number, (_, mutant) in enumerate(every)]
    scan = scanning.scan("fuzz", fuzz)
    rows = {kind: row(kind) for kind in kinds}
    for (kind, mutant), file in zip(every, files, strict=True):
        rows[kind].count(*judge(mutant, file, scan, file.name))
    for kind, counted in rows.items():
        counted.check(at_least=len(kinds[kind]))
    assert len(every) >= many(200, 800)

    made = extraction.embed("mfcc", "fuzz", mirror=str(fuzz.parents[1]), device="cpu", workers=1)
    assert list(made.utterances["path"]) == list(scan.utterances["path"])
    assert np.isfinite(made.vectors).all()
    kept = corpus_scans.read_scan("fuzz", "audio")  # what went through CSV is what was found
    assert kept.problems.astype(str).equals(scan.problems.astype(str))


def test_each_refusal_names_the_file_the_reason_and_the_remedy(fuzz, rng):
    mutants.put(fuzz, name(0), mutants.Mutant("", b""))
    mutants.put(fuzz, name(1), mutants.truncated(rng, 52)[51])
    with pytest.raises(utterance_tables.NothingUsableError) as error:  # there is no other file
        scanning.scan("fuzz", fuzz)
    found = error.value.problems
    assert list(found["path"]) == ["m000000A.wav", "m010001F.wav"]
    assert found["reason"].tolist()[0] == "is empty (0 bytes)"
    assert re.fullmatch(r"is truncated \(\d+ of \d+ bytes of samples\)", found["reason"].tolist()[1])
    assert set(found["remedy"]) == {"copy, export or download the file again"}


@pytest.mark.parametrize("rate", mutants.RATES)
def test_every_rate_comes_to_16_khz_as_by_another_resampler(tmp_path, rng, rate, row):
    """SciPy's polyphase filter against soxr, on tones that both pass; 1e-3 of the signal's root mean square.

    The ends are left out, where the two extend the clip differently.
    """
    counted = row("audio: valid but odd")
    seconds = np.arange(rate)[:, None] / rate
    tones = 0.3 * np.sin(2 * np.pi * np.array([210.0, 340.0]) * seconds)
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        file = tmp_path / f"{subtype}.wav"
        file.write_bytes(mutants.encoded(tones, rate, subtype))
        samples, found = mutants.reference(file.read_bytes())
        down = np.gcd(rate, sound.SAMPLE_RATE)
        expected = scipy.signal.resample_poly(samples.mean(axis=1), sound.SAMPLE_RATE // down, rate // down)
        ours = sound.resample(*decoding.read(file))
        assert found == rate
        assert len(ours) == len(expected) == sound.SAMPLE_RATE
        inside = slice(1600, -1600)
        error = np.sqrt(np.mean((ours[inside] - expected[inside]) ** 2) / np.mean(expected[inside] ** 2))
        counted.count("survived" if error < 1e-3 else "silently_wrong", f"{subtype} at {rate} Hz: {error:.1e}")
    counted.check()


def test_names_with_anything_in_them(fuzz, rng, row):
    counted = row("audio: names")
    good = mutants.valid(rng, 8)[1:]
    for number, folder in enumerate(mutants.NAMES):
        mutants.put(fuzz / folder, name(number), good[number % len(good)])
    for number, folder in enumerate(mutants.BAD_NAMES, start=len(mutants.NAMES)):
        try:
            mutants.put(fuzz / os.fsdecode(folder), name(number), good[0])
        except OSError:
            pytest.skip("this file system takes UTF-8 names alone")
    corpus_scans.write_scan("fuzz", scanning.scan("fuzz", fuzz), store_folders.folder("audio"))
    scan = corpus_scans.read_scan("fuzz", "audio")  # through CSV and back
    for number, folder in enumerate(mutants.NAMES):
        mutant, relative = good[number % len(good)], f"{folder}/{name(number)}.wav"
        counted.count(*judge(mutant, fuzz / relative, scan, relative))
    for number in range(len(mutants.NAMES), len(mutants.NAMES) + len(mutants.BAD_NAMES)):
        said = scan.problems["path"].str.contains(name(number), regex=False)
        reported = said.sum() == 1 and scan.problems.loc[said, "reason"].item().startswith("has a name that")
        counted.count("survived" if reported else "lost", f"{mutants.BAD_NAMES[number - len(mutants.NAMES)]!r}")
    counted.check(at_least=len(mutants.NAMES) + len(mutants.BAD_NAMES))


def test_links_and_what_is_no_file(fuzz, rng, row):
    counted = row("audio: links and special files")
    good = mutants.valid(rng, 2)[1]
    mutants.put(fuzz, name(0), good)
    (fuzz / "loop").symlink_to(fuzz, target_is_directory=True)
    (fuzz / f"{name(1)}.wav").symlink_to(fuzz / f"{name(1)}.wav")  # to itself
    (fuzz / f"{name(2)}.wav").symlink_to(fuzz / f"{name(3)}.wav")  # in a circle of two
    (fuzz / f"{name(3)}.wav").symlink_to(fuzz / f"{name(2)}.wav")
    (fuzz / f"{name(4)}.wav").symlink_to("nowhere.wav")
    (fuzz / f"{name(5)}.wav").symlink_to(fuzz / f"{name(0)}.wav")  # a good one: read as what it leads to
    os.mkfifo(fuzz / f"{name(6)}.wav")  # who opens it waits for ever
    (fuzz / f"{name(7)}.wav").mkdir()
    (fuzz / f"{name(8)}.wav").symlink_to("/dev/zero")
    scan = scanning.scan("fuzz", fuzz)
    assert list(scan.utterances["path"]) == [f"{name(0)}.wav", f"{name(5)}.wav"]
    for bad in ["loop", *(f"{name(number)}.wav" for number in (1, 2, 3, 4, 6, 8))]:
        said = scan.problems[scan.problems["path"] == bad]
        whole = len(said) == 1 and all(said.iloc[0][["reason", "remedy"]])
        counted.count("survived" if whole else "lost", f"{bad}: {len(said)} reports")
    counted.check(at_least=7)


def test_what_may_not_be_read_is_reported(fuzz, rng, row):
    """As another user where the tests run as root, whom no permission stops."""
    counted = row("audio: permissions")
    good = mutants.valid(rng, 2)[1]
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a path that every user may follow
    try:
        folder.chmod(0o755)
        mutants.put(folder, name(0), good)
        for number in (1, 2):
            mutants.put(folder, name(number), good).chmod(0)
        mutants.put(folder / "closed", name(3), good)
        (folder / "closed").chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            scan = scanning.scan("fuzz", folder)
        finally:
            if root:
                os.seteuid(0)
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)
    assert list(scan.utterances["path"]) == [f"{name(0)}.wav"]
    expected = {
        f"{name(1)}.wav": "cannot be opened (Permission denied)",
        f"{name(2)}.wav": "cannot be opened (Permission denied)",
        "closed": "folder cannot be listed (Permission denied)",
    }
    said = dict(zip(scan.problems["path"], scan.problems["reason"], strict=True))
    for path, reason in expected.items():
        counted.count("survived" if said.get(path) == reason else "lost", f"{path}: {said.get(path)}")
    counted.check(at_least=3)


def test_a_decoder_that_runs_out_of_memory_stops_nothing(fuzz, rng, monkeypatch, row):
    counted = row("audio: unusable content")
    for number in range(3):
        mutants.put(fuzz, name(number), mutants.valid(rng, 2)[1])
    original = decoding.read

    def read(path):
        if name(1) in str(path):
            raise MemoryError
        return original(path)

    monkeypatch.setattr(decoding, "read", read)
    scan = scanning.scan("fuzz", fuzz)
    said = scan.problems.loc[scan.problems["path"] == f"{name(1)}.wav", "reason"].tolist()
    counted.count("survived" if said == ["does not fit into memory"] else "lost")
    assert len(scan.utterances) == 2
    counted.check()


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_no_real_recording_is_taken_for_a_damaged_one(mirror, corpus):
    folder = mirror / "corpora" / corpus
    if not folder.is_dir():
        pytest.skip(f"the mirror has no corpora/{corpus}")
    known = utterance_tables.read_table(paths.PACK / "problems" / f"{corpus}.csv")
    assert list(scanning.scan(corpus, folder).problems["path"]) == list(known["path"])
