import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from crosscorpus.base import known_names, paths, sound
from crosscorpus.corpora import corpus_entries, corpus_registry, decoding, file_lists, scanning, utterance_tables

IN_PAPER = {"cremad": 7442, "ravdess": 1440, "emodb": 535, "mesd": 862, "aesdd": 604}
WITHOUT_LIST = ["urdu", "tess"]


def facts(corpus, path):
    return corpus_entries.parse(corpus_registry.get(corpus), path)


# -- names of files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corpus", "path", "utterance", "speaker", "emotion", "text_id"),
    [
        ("cremad", "1001_DFA_ANG_XX.wav", "1001_DFA_ANG_XX", "1001", "anger", "DFA"),
        ("cremad", "AudioWAV/1091_WSI_SAD_XX.wav", "1091_WSI_SAD_XX", "1091", "sadness", "WSI"),
        ("cremad", "1022_IEO_FEA_HI.wav", "1022_IEO_FEA_HI", "1022", "fear", "IEO"),
        ("ravdess", "03-01-05-01-02-01-18.wav", "03-01-05-01-02-01-18", "18", "anger", "02"),
        ("ravdess", "Actor_01/03-01-01-01-01-01-01.wav", "03-01-01-01-01-01-01", "01", "neutral", "01"),
        ("ravdess", "a/b/03-01-08-02-02-02-24.flac", "03-01-08-02-02-02-24", "24", "surprise", "02"),
        ("emodb", "03a01Fa.wav", "03a01Fa", "03", "happiness", "a01"),
        ("emodb", "wav/16b10Wb.wav", "16b10Wb", "16", "anger", "b10"),
        ("emodb", "08a05La.wav", "08a05La", "08", "boredom", "a05"),
        ("mesd", "Anger_C_A_abajo.wav", "Anger_C_A_abajo", "", "anger", "C_A_abajo"),
        ("mesd", "MESD/Disgust_F_A_basta_ya.wav", "Disgust_F_A_basta_ya", "", "disgust", "F_A_basta_ya"),
        ("mesd", "Neutral_M_A_por_favor.wav", "Neutral_M_A_por_favor", "", "neutral", "M_A_por_favor"),
        ("aesdd", "anger/a01 (3).wav", "a01 (3)", "3", "anger", "01"),
        ("aesdd", "anger/a06 (5)b.wav", "a06 (5)b", "5", "anger", "06"),
        ("aesdd", "disgust/d03 (01).wav", "d03 (01)", "1", "disgust", "03"),
        ("aesdd", "s01 (5)a.wav", "s01 (5)a", "5", "sadness", "01"),
        ("urdu", "Angry/SM1_F10_A010.wav", "SM1_F10_A010", "SM1", "anger", ""),
        ("urdu", "SF12_F3_N03.wav", "SF12_F3_N03", "SF12", "neutral", ""),
        ("tess", "OAF_angry/OAF_back_angry.wav", "OAF_back_angry", "OAF", "anger", "back"),
        ("tess", "YAF_pleasant_surprised/YAF_bar_ps.wav", "YAF_bar_ps", "YAF", "surprise", "bar"),
    ],
)
def test_a_name_tells_its_facts(corpus, path, utterance, speaker, emotion, text_id):
    found = facts(corpus, path)
    assert found["utterance"] == utterance
    assert (found["speaker"], found["emotion"], found["text_id"]) == (speaker, emotion, text_id)


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        ("cremad", "1001_DFA_ANG.wav"),
        ("cremad", "1001_DFA_JOY_XX.wav"),
        ("cremad", "2001_DFA_ANG_XX.wav"),
        ("cremad", "1001_DFA_ANG_XX (1).wav"),
        ("cremad", "x1001_DFA_ANG_XX.wav"),
        ("cremad", "._1001_DFA_ANG_XX.wav"),
        ("ravdess", "03-01-09-01-01-01-01.wav"),
        ("ravdess", "03-01-05-01-01-01-25.wav"),
        ("ravdess", "03-01-05-01-01-01-00.wav"),
        ("ravdess", "03-01-05-03-01-01-01.wav"),
        ("ravdess", "03-01-05-01-01-01.wav"),
        ("ravdess", "03-02-05-01-01-01-01.wav"),
        ("ravdess", "03-01-05-01-01-01-01 copy.wav"),
        ("emodb", "03a01Xa.wav"),
        ("emodb", "03c01Fa.wav"),
        ("emodb", "3a01Fa.wav"),
        ("emodb", "103a01Fa.wav"),
        ("emodb", "03a01F.wav"),
        ("mesd", "Angry_C_A_abajo.wav"),
        ("mesd", "Anger_X_A_abajo.wav"),
        ("mesd", "Anger_C_C_abajo.wav"),
        ("mesd", "Anger_C_A_.wav"),
        ("aesdd", "a01.wav"),
        ("aesdd", "n01 (3).wav"),
        ("aesdd", "a01(3).wav"),
        ("aesdd", "a1 (3).wav"),
        ("aesdd", "a01 (3)c.wav"),
        ("urdu", "SM1_F10_X010.wav"),
        ("urdu", "M1_F10_A010.wav"),
        ("urdu", "SM1_A010.wav"),
        ("tess", "OAF_back_joy.wav"),
        ("tess", "MAF_back_angry.wav"),
        ("tess", "OA_back_neutral.wav"),
    ],
)
def test_a_wrong_name_tells_nothing(corpus, path):
    assert facts(corpus, path) is None


def test_a_native_label_is_kept_beside_the_harmonised_one():
    assert facts("ravdess", "03-01-05-01-02-01-18.wav")["emotion_native"] == "05"


def test_the_one_misnamed_file_of_tess_gets_its_meant_name():
    found = facts("tess", "OAF_neutral/OA_bite_neutral.wav")
    assert (found["utterance"], found["speaker"], found["text_id"]) == ("OAF_bite_neutral", "OAF", "bite")


def test_the_one_misnamed_file_of_cremad_is_found_in_its_list():
    # CREMA-D's repository holds 1040_ITH_SAD_X.wav; its tables and EmoBox's manifest say 1040_ITH_SAD_XX.
    found = facts("cremad", "AudioWAV/1040_ITH_SAD_X.wav")
    assert found["utterance"] in set(file_lists.file_list("cremad")["utterance"])


# -- registry -------------------------------------------------------------------------------------------------


def test_an_unknown_corpus_lists_the_known_ones_and_suggests():
    with pytest.raises(known_names.UnknownNameError) as error:
        corpus_registry.get("ravdes")
    assert "did you mean 'ravdess'" in str(error.value)
    assert all(corpus in str(error.value) for corpus in corpus_registry.registry())


def test_the_five_corpora_of_the_paper_are_marked():
    assert {key for key, entry in corpus_registry.registry().items() if entry.in_paper} == set(IN_PAPER)


def test_the_label_map_has_one_row_for_each_native_label():
    table = corpus_registry.label_map()
    assert not table.duplicated(["corpus", "emotion_native"]).any()
    assert len(table) == sum(len(entry.emotions) for entry in corpus_registry.registry().values())


def test_the_corpora_of_the_paper_share_five_emotions():
    table = corpus_registry.label_map()
    of_corpus = [set(table.loc[table["corpus"] == corpus, "emotion"]) for corpus in IN_PAPER]
    assert set.intersection(*of_corpus) == {"anger", "disgust", "fear", "happiness", "sadness"}


def test_overview_has_a_row_for_each_corpus_in_the_given_order():
    assert list(file_lists.overview(["ravdess", "emodb"])["Utterances"]) == [1440, 535]


def test_known_issues_name_files_issue_and_source():
    table = corpus_registry.known_issues(IN_PAPER)
    assert list(table.columns) == ["corpus", "files", "issue", "source"]
    assert table.notna().all(axis=None)


# -- file lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("corpus", "n"), IN_PAPER.items())
def test_a_file_list_is_complete(corpus, n):
    assert len(file_lists.file_list(corpus)) == n


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,emotion\n03a01Fa.wav,happiness\n",
            r"has no column sample_rate_native, seconds; a file list has",
        ),
        ("{head}03a01Fa.wav,happiness,16000,1.9\nwrong.wav,anger,1,1\n", r"line 3: wrong.wav: .* the pattern"),
        ("{head}03a01Fa.wav,anger,16000,1.9\n", "line 2: 03a01Fa.wav: the name tells another emotion"),
        ("{head}03a01Fa.wav,happiness,16 kHz,1.9\n", "the sample rate is no number"),
        ("{head}03a01Fa.wav,happiness,16000,1.9\n03a01Fa.wav,happiness,16000,1.9\n", "is there twice"),
    ],
)
def test_a_file_list_that_cannot_be_used_is_named_by_line(text, message, tmp_path, monkeypatch):
    folder = tmp_path / "reference" / "utterances"
    folder.mkdir(parents=True)
    corpus_registry.registry()  # read before data is elsewhere
    monkeypatch.setattr(paths, "DATA", tmp_path)
    (folder / "emodb.csv").write_text(text.format(head=",".join(file_lists.LIST_COLUMNS) + "\n"))
    with pytest.raises(file_lists.FileListError, match=rf"emodb\.csv.*{message}"):
        file_lists.file_list("emodb")


@pytest.mark.parametrize("corpus", IN_PAPER)
def test_names_in_a_file_list_are_unique(corpus):
    listed = file_lists.file_list(corpus)
    assert listed["utterance"].is_unique
    assert listed["file"].is_unique


@pytest.mark.parametrize("corpus", IN_PAPER)
def test_a_file_list_is_sorted_by_utterance(corpus):
    assert file_lists.file_list(corpus)["utterance"].is_monotonic_increasing


@pytest.mark.parametrize("corpus", IN_PAPER)
def test_counts_in_a_file_list_are_the_official_ones(corpus):
    table = file_lists.counts(corpus)
    assert (table["official"] == table["listed"]).all()
    assert table["here"].isna().all()


@pytest.mark.parametrize("corpus", IN_PAPER)
def test_the_emotion_in_a_file_list_is_the_one_that_the_name_tells(corpus):
    listed = file_lists.file_list(corpus)
    assert list(listed["emotion"]) == [facts(corpus, file)["emotion"] for file in listed["file"]]


@pytest.mark.parametrize(
    ("corpus", "speakers"), [("cremad", 91), ("ravdess", 24), ("emodb", 10), ("aesdd", 6), ("mesd", 1)]
)
def test_a_file_list_has_the_speakers_of_its_corpus(corpus, speakers):
    assert file_lists.file_list(corpus)["speaker"].nunique() == speakers


@pytest.mark.parametrize("corpus", ["cremad", "ravdess", "emodb", "aesdd"])
def test_every_duration_in_a_file_list_is_that_of_a_spoken_sentence(corpus):
    assert file_lists.file_list(corpus)["seconds"].between(0.5, 15).all()


@pytest.mark.parametrize("corpus", WITHOUT_LIST)
def test_a_corpus_without_a_list_has_none(corpus):
    assert file_lists.file_list(corpus) is None


def test_numbers_in_names_stay_text():
    assert set(file_lists.file_list("emodb")["speaker"]) >= {"03", "08", "09", "16"}


# -- scan -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audio").mkdir()
    return tmp_path / "audio"


def tone(path, hertz=200, rate=16_000, seconds=0.1, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 2**14 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    samples = np.repeat(wave.astype(np.int16)[:, None], channels, axis=1)
    soundfile.write(path, samples, rate, format=path.suffix[1:].upper())


def utterances(scan):
    return list(scan.utterances["utterance"])


def problems_of_nothing(corpus, folder):
    """Scan a folder in which not one file can be used; return why not."""
    with pytest.raises(utterance_tables.NothingUsableError) as error:
        scanning.scan(corpus, folder)
    return error.value.problems


def reasons(scan):
    return dict(zip(scan.problems["path"], scan.problems["reason"], strict=True))


@pytest.mark.parametrize("layout", ["{}", "wav/{}", "a/b/c/{}", "Actor_03 (1)/{}", "2025/{}", "01-01-2025/{}"])
def test_files_are_found_under_any_layout(folder, layout):
    tone(folder / layout.format("03a01Fa.wav"))
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == ["03a01Fa"]
    assert list(scan.utterances["path"]) == [layout.format("03a01Fa.wav")]


@pytest.mark.parametrize("layout", ["{}", "Actor_03/{}", "Audio_Speech/Actor_03/{}", "01-01-2025/{}"])
def test_no_folder_name_hides_speech_of_ravdess(folder, layout):
    tone(folder / layout.format("03-01-05-01-02-01-03.wav"))
    assert utterances(scanning.scan("ravdess", folder)) == ["03-01-05-01-02-01-03"]


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".Wav", ".flac", ".FLAC", ".mp3", ".Mp3"])
def test_suffixes_may_be_in_any_case(folder, suffix):
    tone(folder / f"03a01Fa{suffix}")
    assert utterances(scanning.scan("emodb", folder)) == ["03a01Fa"]


def test_a_row_tells_all_about_an_utterance(folder):
    tone(folder / "x" / "03-01-05-01-02-01-03.wav", rate=48_000, channels=2)
    scan = scanning.scan("ravdess", folder)
    row = scan.utterances.iloc[0].to_dict()
    assert np.isnan(row.pop("start"))
    assert np.isnan(row.pop("end"))  # a whole file
    assert row.pop("sha256") == sound.fingerprint(*decoding.read(folder / row["path"]))
    assert row == {
        "corpus": "ravdess",
        "utterance": "03-01-05-01-02-01-03",
        "path": "x/03-01-05-01-02-01-03.wav",
        "speaker": "03",
        "emotion_native": "05",
        "emotion": "anger",
        "text_id": "02",
        "seconds": 0.1,
        "sample_rate_native": 48_000,
    }


def test_quality_tells_channels_and_levels(folder):
    tone(folder / "03a01Fa.wav", channels=2)
    row = scanning.scan("emodb", folder).quality.iloc[0]
    assert row["channels"] == 2
    assert row["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert row["level_dbfs"] == pytest.approx(-9.03, abs=0.01)


def test_tables_have_their_columns_and_order(folder):
    for name in ("16b10Wb", "03a01Fa", "08a05La"):
        tone(folder / f"{name}.wav")
    tone(folder / "z.wav")
    tone(folder / "b.wav")
    scan = scanning.scan("emodb", folder)
    assert list(scan.utterances.columns) == utterance_tables.COLUMNS
    assert list(scan.quality.columns) == utterance_tables.QUALITY_COLUMNS
    assert list(scan.problems.columns) == utterance_tables.PROBLEM_COLUMNS
    assert utterances(scan) == list(scan.quality["utterance"]) == ["03a01Fa", "08a05La", "16b10Wb"]
    assert list(scan.problems["path"]) == ["b.wav", "z.wav"]


def test_the_number_of_threads_changes_nothing(folder):
    for hertz, name in enumerate(("16b10Wb", "03a01Fa", "08a05La", "09a02Ea"), start=200):
        tone(folder / f"{name}.wav", hertz)
    one, three = (scanning.scan("emodb", folder, workers=n).utterances for n in (1, 3))
    pd.testing.assert_frame_equal(one, three)


def test_the_second_copy_of_an_utterance_is_reported(folder):
    for suffix in (".mp3", ".wav", ".flac"):
        tone(folder / f"03a01Fa{suffix}")
    scan = scanning.scan("emodb", folder)
    assert list(scan.utterances["path"]) == ["03a01Fa.wav"]
    assert list(scan.problems["path"]) == ["03a01Fa.flac", "03a01Fa.mp3"]
    assert set(scan.problems["reason"]) == {"second copy of utterance 03a01Fa"}
    assert set(scan.problems["remedy"]) == {"03a01Fa.wav is used"}


def test_a_copy_in_another_folder_is_reported(folder):
    for place in ("Actor_01", "speech/Actor_01"):
        tone(folder / place / "03-01-05-01-02-01-01.wav")
    scan = scanning.scan("ravdess", folder)
    assert len(scan.utterances) == len(scan.problems) == 1


def test_a_good_copy_takes_the_place_of_a_broken_one(folder):
    (folder / "03a01Fa.wav").write_bytes(b"")
    tone(folder / "03a01Fa.flac")
    scan = scanning.scan("emodb", folder)
    assert list(scan.utterances["path"]) == ["03a01Fa.flac"]
    assert reasons(scan) == {"03a01Fa.wav": "is empty (0 bytes)"}


def test_a_wrongly_named_file_is_reported_and_the_rest_goes_on(folder):
    tone(folder / "03a01Fa.wav")
    tone(folder / "03a01F.wav")
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == ["03a01Fa"]
    assert reasons(scan) == {"03a01F.wav": "wrongly named"}


def test_broken_files_are_reported_and_the_rest_goes_on(folder):
    for name in ("03a01Fa", "03a01Nc", "03a01Wa"):
        tone(folder / f"{name}.wav")
    (folder / "03a01Nc.wav").write_bytes(b"")
    (folder / "03a01Wa.wav").write_bytes((folder / "03a01Wa.wav").read_bytes()[:500])
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == list(scan.quality["utterance"]) == ["03a01Fa"]
    assert "empty" in reasons(scan)["03a01Nc.wav"]
    assert "truncated" in reasons(scan)["03a01Wa.wav"]
    assert (scan.problems["remedy"] == decoding.FETCH_AGAIN).all()


def test_what_cannot_be_read_is_reported_and_not_passed_over(folder):
    tone(folder / "03a01Fa.ogg")
    (folder / "03a01Nc.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == ["03a01Fa"]
    assert reasons(scan) == {"03a01Nc.m4a": "is of a format that cannot be read (.m4a)"}
    assert list(scan.problems["remedy"]) == ["convert it to WAV or FLAC"]


def test_of_two_copies_the_one_that_can_be_read_is_used(folder):
    tone(folder / "03a01Fa.wav")
    (folder / "03a01Fa.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    scan = scanning.scan("emodb", folder)
    assert list(scan.utterances["path"]) == ["03a01Fa.wav"]
    assert reasons(scan) == {"03a01Fa.m4a": "second copy of utterance 03a01Fa"}


def test_levels_are_those_of_what_is_embedded(folder, noise):
    soundfile.write(folder / "03a01Fa.wav", np.stack([noise, 0 * noise], axis=1), 16_000)
    soundfile.write(folder / "03a01Nc.wav", noise / 2, 16_000, subtype="FLOAT")
    soundfile.write(folder / "03a01Wa.wav", np.stack([noise, -noise], axis=1), 16_000)
    scan = scanning.scan("emodb", folder)
    stereo, mono = scan.quality[["channels", "peak_dbfs", "level_dbfs"]].to_numpy()
    assert (stereo[0], mono[0]) == (2, 1)
    np.testing.assert_array_equal(stereo[1:], mono[1:])
    assert reasons(scan) == {"03a01Wa.wav": "its channels cancel out when averaged"}


def test_a_link_that_leads_nowhere_is_reported(folder):
    (folder / "03a01Fa.wav").symlink_to(folder / "annexed.wav")
    assert "cannot be opened" in problems_of_nothing("emodb", folder)["reason"].item()


def test_git_lfs_pointers_are_reported_with_their_remedy(folder):
    (folder / "1001_DFA_ANG_XX.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    problems = problems_of_nothing("cremad", folder)
    assert "git lfs pull" in problems["remedy"].item()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("Actor_01/03-02-05-01-01-01-01.wav", "song"),
        ("Actor_01/01-01-05-01-01-01-01.wav", "video"),
        ("Actor_01/01-02-05-01-01-01-01.wav", "song"),
        ("02-01-05-01-01-01-01.wav", "video"),
    ],
)
def test_song_and_video_of_ravdess_are_not_used(folder, path, why):
    tone(folder / path)
    tone(folder / "03-01-05-01-01-01-01.wav")
    scan = scanning.scan("ravdess", folder)
    assert utterances(scan) == ["03-01-05-01-01-01-01"]
    assert reasons(scan)[path].startswith("not used: ")
    assert why in reasons(scan)[path]


def test_synthetic_voices_of_mesd_are_not_used(folder):
    path = "Speaker-embedded naturalness-reduced female voices/Anger_F_A_abajo.wav"
    tone(folder / path)
    tone(folder / "Anger_F_A_abajo.wav")
    scan = scanning.scan("mesd", folder)
    assert list(scan.utterances["path"]) == ["Anger_F_A_abajo.wav"]
    assert reasons(scan) == {path: "not used: a synthetic variant"}


def test_other_files_and_folders_are_ignored(folder):
    (folder / "readme.txt").write_text("about")
    (folder / "03a01Fa.lab").write_text("labels")
    (folder / "03a02Fc.wav").mkdir()
    tone(folder / "03a01Fa.wav")
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == ["03a01Fa"]
    assert scan.problems.empty
    assert len(file_lists.compare(scan.utterances, "emodb")) == 534


def test_an_empty_folder_is_refused_by_name(folder):
    with pytest.raises(
        utterance_tables.NothingUsableError, match=r"Emo-DB in .*audio: no file could be used: there is none"
    ):
        scanning.scan("emodb", folder)


def test_a_folder_in_which_nothing_can_be_used_names_the_first_file(folder):
    tone(folder / "b.wav")
    tone(folder / "a.wav")
    with pytest.raises(
        utterance_tables.NothingUsableError, match=r"none of 2 files .*a\.wav: wrongly named; rename it"
    ):
        scanning.scan("emodb", folder)


def test_what_is_lost_is_counted_without_copies_and_what_is_not_used(folder):
    tone(folder / "03-01-05-01-01-01-01.wav")
    tone(folder / "copy" / "03-01-05-01-01-01-01.wav")
    tone(folder / "03-02-05-01-01-01-01.wav")
    assert utterance_tables.lost(scanning.scan("ravdess", folder)) == ""
    (folder / "03-01-05-01-01-01-02.wav").write_bytes(b"")
    said = utterance_tables.lost(scanning.scan("ravdess", folder))
    assert said.startswith("1 of 2 could not be used, the first 03-01-05-01-01-01-02.wav: is empty")


def test_a_table_that_was_stored_before_there_were_segments_is_of_whole_files(folder):
    tone(folder / "03a01Fa.wav")
    table = scanning.scan("emodb", folder).utterances
    old = folder / "old.csv"
    table.drop(columns=["start", "end"]).to_csv(old, index=False)
    pd.testing.assert_frame_equal(utterance_tables.read_table(old), table, check_dtype=False)
    utterance_tables.check_table(corpus_registry.get("emodb"), utterance_tables.read_table(old))


def test_a_table_may_not_call_a_part_of_a_file_of_the_registry_an_utterance(folder):
    tone(folder / "03a01Fa.wav")
    table = scanning.scan("emodb", folder).utterances
    with pytest.raises(ValueError, match=r"03a01Fa has the start 0\.5"):
        utterance_tables.check_table(corpus_registry.get("emodb"), table.assign(start=0.5))


def test_a_missing_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder; put the audio of Emo-DB there"):
        scanning.scan("emodb", tmp_path / "nowhere")


def test_repeated_audio_is_found_under_other_names_and_formats(folder):
    tone(folder / "03a01Fa.wav")
    tone(folder / "03a01Nc.flac")
    tone(folder / "03a01Wa.wav", hertz=300)
    table = file_lists.repeated_audio(scanning.scan("emodb", folder).utterances)
    assert list(table["utterance"]) == ["03a01Fa", "03a01Nc"]


# -- compare --------------------------------------------------------------------------------------------------


def test_a_whole_corpus_has_no_differences():
    assert file_lists.compare(file_lists.file_list("emodb"), "emodb").empty


def test_missing_and_extra_names_are_told():
    table = file_lists.file_list("emodb")
    here = pd.concat([table.iloc[1:], table.iloc[:1].assign(utterance="99a01Fa")])
    assert [tuple(row) for row in file_lists.compare(here, "emodb").to_numpy()] == [
        ("emodb", "03a01Fa", "missing"),
        ("emodb", "99a01Fa", "extra"),
    ]


def with_counts(counts):
    emotions = [emotion for emotion, n in counts.items() for _ in range(n)]
    return pd.DataFrame({"utterance": range(len(emotions)), "emotion": emotions})


@pytest.mark.parametrize("corpus", WITHOUT_LIST)
def test_without_a_list_counts_are_compared(corpus):
    official = dict(corpus_registry.get(corpus).counts)
    assert file_lists.compare(with_counts(official), corpus).empty
    table = file_lists.compare(with_counts(official | {"anger": official["anger"] - 1}), corpus)
    assert table["utterance"].item() == "(anger)"
    assert (
        table["difference"].item() == f"{official['anger'] - 1} utterances where {official['anger']} are official"
    )


def test_without_a_list_an_absent_emotion_is_told():
    official = dict(corpus_registry.get("urdu").counts)
    assert list(file_lists.compare(with_counts(official | {"anger": 0}), "urdu")["utterance"]) == ["(anger)"]


def test_counts_put_official_listed_and_here_side_by_side():
    here = file_lists.file_list("emodb").query("emotion != 'boredom'")
    table = file_lists.counts("emodb", here).set_index("emotion")
    assert table.loc["boredom", ["official", "listed", "here"]].to_list() == [81, 81, 0]
    assert table.loc["anger", ["official", "listed", "here"]].to_list() == [127, 127, 127]


def test_counts_without_a_list_leave_it_open():
    table = file_lists.counts("urdu", with_counts({"anger": 3}))
    assert table["listed"].isna().all()
    assert table.set_index("emotion").loc["anger", "here"] == 3


# -- where audio is -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_mirror")
def test_without_a_mirror_no_audio_is_found():
    assert corpus_registry.find("emodb") is None


@pytest.mark.usefixtures("no_mirror")
def test_audio_is_found_below_the_mirror_that_is_named(tmp_path):
    (tmp_path / "corpora" / "emodb").mkdir(parents=True)
    assert corpus_registry.find("emodb", str(tmp_path)) is None  # an empty folder is no corpus
    (tmp_path / "corpora" / "emodb" / "a.wav").touch()
    assert corpus_registry.find("emodb", str(tmp_path)) == tmp_path / "corpora" / "emodb"
    assert corpus_registry.find("ravdess", str(tmp_path)) is None


def test_audio_is_found_below_the_mirror_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "corpora" / "emodb").mkdir(parents=True)
    (tmp_path / "corpora" / "emodb" / "a.wav").touch()
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path))
    assert corpus_registry.find("emodb") == tmp_path / "corpora" / "emodb"


def test_a_mirror_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder; CROSSCORPUS_MIRROR"):
        corpus_registry.find("emodb", str(tmp_path / "nowhere"))


# -- a corpus of one's own ------------------------------------------------------------------------------------

SAVEE = r"""
name: SAVEE
title: Surrey Audio-Visual Expressed Emotion
language: English
licence: free for research
home: http://kahlan.eps.surrey.ac.uk/savee/
speakers: 4 (male)
pattern: '(?P<speaker>DC|JE|JK|KL)/(?P<emotion>sa|su|[adfhn])(?P<text_id>\d{2})'
emotions: {a: anger, d: disgust, f: fear, h: happiness, n: neutral, sa: sadness, su: surprise}
counts: {anger: 2, sadness: 1}
"""


@pytest.fixture
def savee(monkeypatch):
    entry = corpus_entries.Corpus(id="savee", **yaml.safe_load(SAVEE))
    known = corpus_registry.registry() | {"savee": entry}
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    return entry


@pytest.mark.usefixtures("savee")
def test_one_entry_of_the_registry_adds_a_corpus(folder):
    for name in ("DC/a01.wav", "JE/a01.wav", "AudioData/KL/sa02.wav", "XX/a01.wav"):
        tone(folder / name)
    scan = scanning.scan("savee", folder)
    assert [tuple(row) for row in scan.utterances[["utterance", "speaker", "emotion", "text_id"]].to_numpy()] == [
        ("DC/a01", "DC", "anger", "01"),
        ("JE/a01", "JE", "anger", "01"),
        ("KL/sa02", "KL", "sadness", "02"),
    ]
    assert reasons(scan) == {"XX/a01.wav": "wrongly named"}
    assert file_lists.compare(scan.utterances, "savee").empty


@pytest.mark.usefixtures("savee")
def test_an_added_corpus_is_in_every_table():
    assert "savee" in set(corpus_registry.label_map()["corpus"])
    assert file_lists.overview(["savee"])["Utterances"].item() == 3
    assert file_lists.counts("savee").set_index("emotion").loc["anger", "official"] == 2


# -- real audio -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("corpus", "n"), [("emodb", 535), ("ravdess", 1440), ("urdu", 400)])
def test_a_real_corpus_is_read_whole(real, corpus, n):
    scan = real(corpus)
    assert len(scan.utterances) == n
    assert scan.problems.empty
    assert file_lists.compare(scan.utterances, corpus).empty


def test_real_urdu_has_one_hundred_of_each_emotion(real):
    assert real("urdu").utterances["emotion"].value_counts().to_dict() == dict(corpus_registry.get("urdu").counts)


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_real_audio_that_occurs_twice_is_what_the_registry_says(real, corpus):
    repeated = file_lists.repeated_audio(real(corpus).utterances)
    pairs = tuple(tuple(same["utterance"]) for _, same in repeated.groupby("sha256"))
    assert pairs == tuple(map(tuple, corpus_registry.get(corpus).same_audio))


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_real_durations_are_those_of_the_list(real, corpus):
    both = real(corpus).utterances.merge(file_lists.file_list(corpus), on="utterance", suffixes=("", "_listed"))
    assert (both["seconds"] - both["seconds_listed"]).abs().max() < 0.01


def test_a_real_file_that_lost_its_end_is_a_problem_and_nothing_else(mirror, folder):
    source = mirror / "corpora" / "emodb"
    if not source.is_dir():
        pytest.skip("the mirror has no corpora/emodb")
    for name in ("03a01Fa.flac", "03a01Nc.flac"):
        shutil.copy(source / name, folder)
    (folder / "03a01Fa.flac").write_bytes((source / "03a01Fa.flac").read_bytes()[:-1_000])
    scan = scanning.scan("emodb", folder)
    assert utterances(scan) == ["03a01Nc"]
    assert list(reasons(scan)) == ["03a01Fa.flac"]
