import dataclasses
import os

import pandas as pd
import pytest

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_registry, utterance_tables
from crosscorpus.embeddings import corpus_scans
from tests.corpora.test_corpus_registry import tone


@pytest.fixture
def mirror_folder(tmp_path):
    tone(tmp_path / "mirror" / "corpora" / "emodb" / "03a01Fa.wav")
    tone(tmp_path / "mirror" / "corpora" / "emodb" / "03a01Nc.wav", rate=48_000, channels=2)
    return tmp_path / "mirror"


@pytest.mark.usefixtures("pack_folder")
def test_a_corpus_that_the_pack_lacks_gives_none():
    assert corpus_scans.scan("urdu", "pack") is None


def test_the_pack_is_read(pack_folder, build_folder, mirror_folder):
    fresh = corpus_scans.scan("emodb", "audio", str(mirror_folder))
    corpus_scans.write_scan("emodb", fresh, pack_folder)
    pd.testing.assert_frame_equal(corpus_scans.scan("emodb", "pack").utterances, fresh.utterances)
    assert build_folder.exists()


@pytest.mark.usefixtures("no_mirror", "build_folder")
def test_a_corpus_without_audio_gives_none(mirror_folder):
    assert corpus_scans.scan("emodb", "audio") is None
    assert corpus_scans.scan("ravdess", "audio", str(mirror_folder)) is None


@pytest.mark.usefixtures("build_folder")
def test_fresh_tables_are_stored(mirror_folder):
    fresh = corpus_scans.scan("emodb", "audio", str(mirror_folder))
    assert list(fresh.utterances["utterance"]) == ["03a01Fa", "03a01Nc"]
    pd.testing.assert_frame_equal(corpus_scans.read_scan("emodb", "audio").utterances, fresh.utterances)


def test_an_empty_mirror_parameter_means_the_setting(build_folder, mirror_folder, monkeypatch):
    monkeypatch.setenv(paths.MIRROR_SETTING, str(mirror_folder))
    assert len(corpus_scans.scan("emodb", "audio", "").utterances) == 2
    assert build_folder.exists()


@pytest.fixture
def checked(monkeypatch, build_folder, mirror_folder):
    """Store a scan, and note how often its table is checked from then on."""
    corpus_scans.scan("emodb", "audio", str(mirror_folder))
    monkeypatch.setattr(corpus_scans, "_read", {})
    noted, check = [], utterance_tables.check_table
    monkeypatch.setattr(utterance_tables, "check_table", lambda *given: noted.append(given) or check(*given))
    return noted


def test_tables_that_are_as_they_were_are_checked_once_and_belong_to_who_asked(checked):
    first = corpus_scans.read_scan("emodb", "audio").utterances
    first.loc[0, "emotion"] = "fear"
    assert list(corpus_scans.read_scan("emodb", "audio").utterances["emotion"]) == ["happiness", "neutral"]
    assert len(checked) == 1


def test_a_table_that_changed_within_its_size_and_time_is_checked_again(checked, build_folder):
    corpus_scans.read_scan("emodb", "audio")
    file = build_folder / "embeddings" / "utterances" / "emodb.csv"
    text, status = file.read_text(encoding="utf-8"), file.stat()
    (sha256,) = set(corpus_scans.read_scan("emodb", "audio").utterances["sha256"][:1])
    file.write_text(text.replace(sha256, "0" * 64), encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert corpus_scans.read_scan("emodb", "audio").utterances["sha256"][0] == "0" * 64
    assert len(checked) == 2


def test_an_entry_that_changed_counts_at_once(checked, monkeypatch):
    corpus_scans.read_scan("emodb", "audio")
    entry = corpus_registry.get("emodb")
    other = dataclasses.replace(entry, emotions=entry.emotions | {"N": "boredom"})
    monkeypatch.setattr(corpus_registry, "registry", lambda: {"emodb": other})
    assert list(corpus_scans.read_scan("emodb", "audio").utterances["emotion"]) == ["happiness", "boredom"]


@pytest.mark.parametrize(("corpus", "source"), [("emo-db", "pack"), ("emodb", "packs")])
def test_a_misspelt_name_is_refused(corpus, source):
    with pytest.raises(known_names.UnknownNameError, match="did you mean"):
        corpus_scans.scan(corpus, source)


@pytest.mark.usefixtures("build_folder")
def test_formats_stand_beside_the_list(mirror_folder):
    table = corpus_scans.formats({"emodb": corpus_scans.scan("emodb", "audio", str(mirror_folder))})
    assert [tuple(row) for row in table.to_numpy()] == [
        ("Emo-DB", 16_000, "16000", 1, 1),
        ("Emo-DB", 48_000, "16000", 2, 1),
    ]


@pytest.mark.usefixtures("build_folder")
def test_formats_of_a_corpus_without_a_list_have_a_dash(tmp_path):
    tone(tmp_path / "corpora" / "urdu" / "SM1_F1_A01.wav")
    table = corpus_scans.formats({"urdu": corpus_scans.scan("urdu", "audio", str(tmp_path))})
    assert table["rate in the file list (Hz)"].item() == "–"


def test_formats_of_nothing_have_columns():
    assert corpus_scans.formats({}).empty
    assert "channels" in corpus_scans.formats({})


def test_near_silence_comes_with_the_quietest_first():
    quality = pd.DataFrame({"utterance": list("abcd"), "peak_dbfs": [-3.0, -50.0, -float("inf"), -45.0]})
    assert list(corpus_scans.near_silence(quality)["utterance"]) == ["c", "b"]


def test_tables_come_together():
    a, b = pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [2]})
    assert list(corpus_scans.together([a, b])["x"]) == [1, 2]
    assert corpus_scans.together([]).empty
