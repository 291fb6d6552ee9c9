import os
import re
import subprocess
import time
import unicodedata

import numpy as np
import pytest
import soundfile

from crosscorpus.base import known_names, paths, sound
from crosscorpus.corpora import corpus_registry, decoding, own_sheets, own_tables, scanning, utterance_tables
from crosscorpus.embeddings import corpus_scans, extraction
from crosscorpus.models import weights
from crosscorpus.protocols import folds, protocol_settings
from crosscorpus.training import run_parameters

HEADER = "path,speaker,emotion\n"
RATE = 16_000


@pytest.fixture
def own(tmp_path, monkeypatch, no_mirror):
    """The folder of own tables, empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(own_tables, "folder", lambda: folder)
    return folder


@pytest.fixture
def write(own):
    def table(text, name="mine.csv"):
        (own / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return table


def rows(corpus="mine"):
    table = corpus_registry.get(corpus).table.values()
    return [(facts["path"], facts["speaker"], facts["emotion"]) for facts in table]


def tone(file, seconds=1.0, hertz=300, rate=RATE, **how):
    file.parent.mkdir(parents=True, exist_ok=True)
    time_ = np.arange(round(seconds * rate)) / rate
    sweep = 0.3 * np.sin(2 * np.pi * hertz * time_ * (1 + time_))  # no second is like another
    soundfile.write(file, sweep, rate, **how)
    return sweep


# -- only what is asked for -----------------------------------------------------------------------------------


def test_a_bad_table_stops_its_own_corpus_alone(write):
    write(HEADER + "a.wav,anna,angr\n", "bad.csv")
    write(HEADER + "a.wav,anna,anger\n")
    assert "bad" not in corpus_registry.registry()
    assert corpus_registry.ids()[-2:] == ["bad", "mine"]
    assert rows() == [("a.wav", "anna", "anger")]
    assert corpus_registry.get("emodb").name == "Emo-DB"
    protocol_settings.load()
    corpus_registry.label_map()
    run_parameters.check_values({"corpora": ["emodb", "mine"]})
    with pytest.raises(ValueError, match=r"bad\.csv, line 2"):
        corpus_registry.get("bad")
    with pytest.raises(ValueError, match=r"bad\.csv, line 2"):
        run_parameters.check_values({"corpora": ["bad"]})


@pytest.mark.parametrize("name", ["._mine.csv", ".~lock.mine.csv#", "~$mine.csv", ".hidden.csv"])
def test_files_that_programs_leave_behind_are_passed_over(write, name):
    write(b"\x00\x05\x16\x07", name)
    write(HEADER + "a.wav,anna,anger\n")
    assert [i for i in corpus_registry.ids() if i not in corpus_registry.registry()] == ["mine"]
    assert rows()


@pytest.mark.parametrize("name", ["Mine.csv", "my corpus.csv", "mine_2.csv", "mine.CSV", "mine.xlsx", "Möwe.csv"])
def test_a_table_whose_name_is_no_id_stops_nobody_and_is_told_how_to_be_named(write, name):
    write(HEADER + "a.wav,anna,anger\n", name)
    assert set(corpus_registry.ids()) == set(corpus_registry.registry())
    for asked in (name.rpartition(".")[0], name.rpartition(".")[0].lower()):
        with pytest.raises(known_names.UnknownNameError) as error:
            corpus_registry.get(asked)
        assert name in str(error.value)
        assert "it " in str(error.value).split(name)[1]
    wanted = {"Mine": "mine", "my corpus": "my-corpus", "mine_2": "mine-2", "Möwe": "mo-we"}
    stem = name.rpartition(".")[0]
    assert f"{wanted.get(stem, stem)}.csv" in str(error.value)


def test_a_table_with_the_id_of_a_known_corpus_is_refused_when_that_is_asked_for(write):
    write(HEADER + "a.wav,anna,anger\n", "tess.csv")
    assert corpus_registry.ids().count("tess") == 1
    corpus_registry.get("emodb")
    with pytest.raises(
        own_sheets.OwnTableError, match=r"tess\.csv: a corpus tess is in data/corpora\.yaml already"
    ):
        corpus_registry.get("tess")


def test_a_table_that_was_changed_is_read_anew_even_at_once(write):
    for speaker in ("anna", "bela", "carl"):
        write(HEADER + f"a.wav,{speaker},anger\n")
        assert rows() == [("a.wav", speaker, "anger")]


def test_a_table_that_stays_is_read_once(write, own):
    write(HEADER + "a.wav,anna,anger\n")
    before = time.time() - 60
    os.utime(own / "mine.csv", (before, before))
    assert corpus_registry.get("mine") is corpus_registry.get("mine")


# -- as spreadsheets save them --------------------------------------------------------------------------------

TEXT = "path,speaker,emotion\na.wav,Jürgen,anger\nb.wav,Łucja,fear\n"
READ = [("a.wav", "Jürgen", "anger"), ("b.wav", "Łucja", "fear")]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.rstrip().encode(),
        TEXT.replace(",", ";").encode("utf-8-sig"),
        TEXT.replace(",", "\t").encode("utf-16"),
        ("sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n")).encode(),
        TEXT.replace("path,speaker", " Path ,SPEAKER").encode(),
        TEXT.replace(",", " , ").encode(),
        TEXT.replace("a.wav", '"a.wav"').replace("Jürgen", ' "Jürgen"').encode(),
        TEXT.replace("\n", "\n\n,,\n").encode(),
        TEXT.replace("\n", ",,\n").encode(),
        b"\n\n" + TEXT.encode(),
        TEXT.replace("Jürgen", "Jürgen\u00a0").replace("anger", "\u200banger").encode(),
    ],
    ids=[
        "UTF-8", "with its mark", "UTF-16", "big-endian UTF-16", "UTF-32", "CRLF", "CR", "no last line end",
        "semicolons", "tabs", "a stated separator", "capitals and blanks in the header", "blanks around cells",
        "quoted cells", "empty rows", "empty columns at the end", "empty lines first", "blanks that no one sees",
    ],
)  # fmt: skip
def test_a_table_is_read(write, data):
    write(data)
    assert rows() == READ


def test_a_quoted_comma_and_a_quoted_quotation_mark_are_read(write):
    write(HEADER + '"a, b.wav",anna,anger\n"say ""no"".wav",anna,fear\n')
    assert [path for path, *_ in rows()] == ["a, b.wav", 'say "no".wav']


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ("is empty (0 bytes)", "path, speaker, emotion")),
        (b"\xef\xbb\xbf \r\n", ("is empty",)),
        (TEXT.replace("Łucja", "Lucy").encode("cp1252"), ("line 2", "0xFC", "after 'a.wav,J'", "'ü'", "UTF-8")),
        (TEXT.encode("utf-16-le"), ("line 1", "zero bytes", "UTF-8")),
        (TEXT.encode("utf-16")[:-1], ("line 3", "UTF-16")),
        ("path,speaker,emotion\na.wav,J\ufffdrgen,anger\n".encode(), ("line 2", "letter that was lost")),
        (TEXT.encode() + b"c, d.wav,anna,anger\n", ("line 4", "4 cells where there are 3", "quotation marks")),
        (TEXT.encode() + b"c.wav,anna\n", ("line 4", "2 cells where there are 3")),
        (TEXT.encode().replace(b"\n", b"\r\n") + b"\r\n\r\nc.wav,anna\r\n", ("line 6", "2 cells")),
        (TEXT.encode() + b'"c.wav,anna,anger\n', ("line 4", "quotation mark")),
        (TEXT.encode() + b'"c\nd.wav",anna,anger\n', ("line 4", "line break")),
        (b"path,speaker,Speaker,emotion\na.wav,1,1,anger\n", ("line 1", "column speaker is there twice")),
        (b"path|speaker|emotion\na.wav|1|anger\n", ("line 1", "no column path", "'path|speaker|emotion'", "tab")),
        (b"a.wav,anna,anger\n", ("line 1", "no column path, speaker, emotion")),
        (HEADER.encode(), ("has no rows",)),
        (b"PK\x03\x04\x14\x00\x06\x00", ("mine.csv",)),
    ],
)
def test_a_table_that_is_not_certain_is_refused_by_file_and_line(write, data, words):
    write(data)
    with pytest.raises(ValueError, match=r"mine\.csv") as error:
        corpus_registry.get("mine")
    assert all(word in str(error.value) for word in words), str(error.value)


def test_columns_that_are_not_used_are_named(write):
    write("id,path,Speaker ID,speaker,emotion,split,text-id,,\n1,a.wav,7,anna,anger,train,t1,x,\n")
    assert own_tables.unused_columns("mine") == ["id", "speaker_id", "split", "(column 8)"]
    assert own_tables.unused_columns("emodb") == []
    assert corpus_registry.get("mine").table["a.wav"]["text_id"] == "t1"


# -- speakers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["anna ", "\tanna", "anna\u00a0", '" anna"'])
def test_blanks_around_a_name_make_no_other_speaker(write, other):
    write(HEADER + f"a.wav,anna,anger\nb.wav,{other},fear\n")
    assert {speaker for _, speaker, _ in rows()} == {"anna"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna", "Anna"),
        ("anna", "ANNA"),
        ("1", "1.0"),
        ("1", "01"),
        ('"1,0"', "1"),
        ("010", "10"),
        ("anna b", "anna  b"),
        ("an\u200bna", "anna"),
        (unicodedata.normalize("NFC", "Zoë"), unicodedata.normalize("NFD", "Zoë")),
        ("Ａnna", "anna"),
    ],
)
def test_speakers_that_look_like_one_person_are_refused_with_both_names(write, one, other):
    write(HEADER + f"a.wav,{one},anger\nb.wav,carl,fear\nc.wav,{other},fear\n")
    with pytest.raises(ValueError, match=r"mine\.csv: the speakers .* \(line 2\) and .* \(line 4\) look like one"):
        corpus_registry.get("mine")


@pytest.mark.parametrize(
    ("one", "other"), [("1", "10"), ("1.5", "15"), ("s1", "s01"), ("anna", "anne"), ("0", "o")]
)
def test_speakers_that_are_two_are_two(write, one, other):
    write(HEADER + f"a.wav,{one},anger\nb.wav,{other},fear\n")
    assert len({speaker for _, speaker, _ in rows()}) == 2


def test_a_table_may_name_no_speaker_at_all_but_not_some_of_them(write):
    write(HEADER + "a.wav,,anger\nb.wav,,fear\n")
    assert len(rows()) == 2
    write(HEADER + "a.wav,,anger\nb.wav,anna,fear\n")
    with pytest.raises(ValueError, match="line 2: no speaker"):
        corpus_registry.get("mine")


# -- where files are ------------------------------------------------------------------------------------------


def test_home_is_expanded(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(HEADER + "~/a.wav,anna,anger\n$HOME/b.wav,anna,fear\n./c/../d.wav,anna,fear\n")
    assert [path for path, *_ in rows()] == [f"{tmp_path}/a.wav", f"{tmp_path}/b.wav", "c/../d.wav"]
    tone(tmp_path / "a.wav")
    assert list(scanning.scan("mine", tmp_path).utterances["path"]) == [f"{tmp_path}/a.wav"]


def test_where_no_file_can_be_used_the_first_is_named_before_any_model_is_loaded(
    write, own, build_folder, monkeypatch
):
    write(HEADER + "rec/b.wav,anna,anger\nrec/a.wav,anna,fear\n")
    monkeypatch.setattr(weights, "fetch", lambda *_: pytest.fail("a model was looked for"))
    with pytest.raises(utterance_tables.NothingUsableError) as error:
        extraction.embed("whisper-base", "mine", workers=1)
    said = str(error.value)
    assert "mine.csv): none of 2 files could be used" in said
    assert f"{own}/rec/a.wav: cannot be opened (No such file or directory)" in said
    assert f"{own} has no rec; paths count from {own}, or are absolute" in said


def remedy(own, path):
    tone(own / "good.wav")
    (own / "mine.csv").write_text(HEADER + f"good.wav,anna,anger\n{path},anna,fear\n", encoding="utf-8")
    return scanning.scan("mine", own).problems["remedy"].item()


def test_another_unicode_normalisation_of_the_name_is_named(own):
    tone(own / "rec" / unicodedata.normalize("NFD", "señal.wav"))
    said = remedy(own, "rec/" + unicodedata.normalize("NFC", "señal.wav"))
    assert "another Unicode normalisation, NFD" in said
    assert "sen\\u0303al.wav" in said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("rec\\a.wav", "it is there as rec/a.wav"),
        ("D:\\rec\\a.wav", "a path of Windows"),
        ("D:/rec/a.wav", "a path of Windows"),
        ("Rec/a.wav", "has rec: write it so"),
        ("rec/A.WAV", "has a.wav: write it so"),
        ("rec/c.wav", "rec has no c.wav; paths count from"),
        ("/nowhere/c.wav", "correct the path: / has no nowhere"),
    ],
)
def test_the_remedy_for_a_file_that_is_not_there(own, path, words):
    tone(own / "rec" / "a.wav")
    assert words in remedy(own, path)


def test_how_many_are_lost_is_said(own):
    remedy(own, "c.wav")
    assert utterance_tables.lost(scanning.scan("mine", own)).startswith(
        "1 of 2 could not be used, the first c.wav: cannot be"
    )


# -- labels ---------------------------------------------------------------------------------------------------


@pytest.fixture
def coded(write, own):
    write(HEADER + "a.wav,anna,w\nb.wav,anna,no\nc.wav,anna,xxx\nd.wav,anna,fear\ne.wav,anna,xxx\n")
    for number, name in enumerate("abcde"):
        tone(own / f"{name}.wav", hertz=200 + 50 * number)


def test_a_map_beside_the_table_says_what_labels_stand_for(coded, write, own):
    write("emotions:\n  w: anger\n  no: neutral\n  xxx:\n", "mine.yaml")
    scan = scanning.scan("mine", own)
    table = scan.utterances
    assert list(zip(table["emotion_native"], table["emotion"], strict=True)) == [
        ("w", "anger"), ("no", "neutral"), ("fear", "fear")
    ]  # fmt: skip
    assert list(scan.problems["path"]) == ["c.wav", "e.wav"]
    assert scan.problems["reason"].unique().item() == "left out: the label 'xxx' stands for no emotion"
    said = utterance_tables.lost(scan)
    assert said == "2 rows are left out by their label, which stands for no emotion: 'xxx' 2."
    assert corpus_registry.get("mine").counts == {"anger": 1, "fear": 1, "neutral": 1}
    assert dict(corpus_registry.get("mine").emotions) == {"fear": "fear", "no": "neutral", "w": "anger"}


def test_a_label_that_nothing_is_said_of_is_refused_and_the_map_named(coded):
    with pytest.raises(known_names.UnknownNameError) as error:
        corpus_registry.get("mine")
    for words in ("unknown emotion in", "mine.csv, line 2,", "'w'", "mine.yaml", "emotions: {w: "):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("emotions: {w: angr, no: neutral, xxx: }", ("line 1", "'angr'; did you mean 'anger'")),
        ("w: anger", ("one entry `emotions`", "emotions: {w: anger, xxx: }")),
        ("emotions: [w]", ("one entry `emotions`",)),
        ("emotions:\n  w: anger\n  w: fear\n", ("line 3", "label w is there twice")),
        ("emotions: {w: [anger, fear]}", ("one emotion, or for none",)),
        ("emotions: {w: anger", ("is no YAML", "line 1")),
        ("", ("is empty",)),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(coded, write, text, words):
    write(text, "mine.yaml")
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        corpus_registry.get("mine")
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_map_with_another_ending_is_not_passed_over(coded, write):
    write("emotions: {w: anger, no: neutral, xxx: }", "mine.yml")
    with pytest.raises(own_sheets.OwnTableError, match=r"mine\.yml: a map of labels ends in \.yaml"):
        corpus_registry.get("mine")


def test_a_map_that_leaves_everything_out_is_refused(write):
    write(HEADER + "a.wav,anna,x\n")
    write("emotions: {x: }", "mine.yaml")
    with pytest.raises(own_sheets.OwnTableError, match="every row's label stands for no emotion"):
        corpus_registry.get("mine")


# -- segments -------------------------------------------------------------------------------------------------

SEGMENTS = "path,start,end,speaker,emotion\n"


@pytest.fixture
def hour(own):
    """A recording of four seconds, in three formats."""
    return {suffix: tone(own / f"long{suffix}", 4.0) for suffix in (".wav", ".flac", ".mp3")}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_segment_is_what_is_between_its_times(write, own, hour, suffix):
    write(SEGMENTS + f"long{suffix},0.5,1.5,a,anger\nlong{suffix},2.25,,b,fear\nlong{suffix},,1,c,fear\n")
    scan = scanning.scan("mine", own)
    table = scan.utterances
    assert list(table["utterance"]) == [f"long{suffix}#0-1", f"long{suffix}#0.5-1.5", f"long{suffix}#2.25-"]
    assert list(table["path"]) == [f"long{suffix}"] * 3
    assert list(table["start"]) == [0, 0.5, 2.25]
    whole = decoding.read(own / f"long{suffix}")[0]
    until = [RATE, 24_000, len(whole)]
    for row, first, last in zip(table.itertuples(), (0, 8_000, 36_000), until, strict=True):
        assert row.seconds == round((last - first) / RATE, 4)
        assert row.sha256 == sound.fingerprint(whole[first:last], RATE)
    assert table["sha256"].is_unique
    assert len(scan.quality) == 3


def test_segments_are_embedded_as_the_same_recordings_cut_are(write, own, build_folder):
    sweep = tone(own / "long.flac", 4.0)
    for number, cut in enumerate((slice(8_000, 24_000), slice(32_000, 64_000))):
        soundfile.write(own / f"cut{number}.flac", sweep[cut], RATE)
    write(SEGMENTS + "long.flac,0.5,1.5,a,anger\nlong.flac,2,4,b,fear\n")
    write(HEADER + "cut0.flac,a,anger\ncut1.flac,b,fear\n", "cut.csv")
    segments, cuts = (extraction.embed("mfcc", corpus, workers=1, device="cpu") for corpus in ("mine", "cut"))
    np.testing.assert_array_equal(segments.vectors, cuts.vectors)
    again = corpus_scans.read_scan("mine", "audio").utterances  # through CSV and back
    assert list(again["end"]) == [1.5, 4]


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_of_a_long_file_only_the_segment_is_decoded(own, hour, suffix, monkeypatch):
    original, frames = soundfile.read, []

    def counted(*given, **named):
        samples, rate = original(*given, **named)
        frames.append(len(samples))
        return samples, rate

    monkeypatch.setattr(soundfile, "read", counted)
    decoding.read(own / f"long{suffix}", 1.0, 1.25)
    assert frames == [4_000]


def test_a_segment_may_end_with_rounding_after_its_file(own, hour):
    assert len(decoding.read(own / "long.wav", 3, 4.009)[0]) == RATE
    with pytest.raises(
        decoding.AudioError, match=r"lasts 4\.000 s and has no segment 3 to 4\.1 s; correct start and end"
    ):
        decoding.read(own / "long.wav", 3, 4.1)
    with pytest.raises(decoding.AudioError, match=r"has no segment 4 to its end s"):
        decoding.read(own / "long.wav", 4, None)


def test_segments_that_are_not_there_are_problems_and_the_rest_goes_on(write, own, hour):
    write(SEGMENTS + "long.wav,0.5,1.5,a,anger\nlong.wav,3,9,b,fear\nnot.wav,3,9,b,fear\n")
    problems = scanning.scan("mine", own).problems
    assert list(problems["path"]) == ["long.wav#3-9", "not.wav#3-9"]
    assert "lasts 4.000 s" in problems["reason"].iloc[0]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("2,1", ("line 3", "start 2 and end 1")),
        ("1,1", ("line 3", "start 1 and end 1")),
        ("-1,1", ("line 3", "start -1")),
        ("one,2", ("line 3", "start 'one' is no number of seconds")),
        ("nan,2", ("line 3", "start 'nan'")),
        ("1,inf", ("line 3", "end 'inf'")),
        ("1e999,", ("line 3", "1e999")),
        ("00:01,00:02", ("line 3", "'00:01' is no number of seconds")),
        ('"1,5",2', ("line 3", "'1,5' is no number")),
        ("0.50,1.50", ("line 3", "long.wav#0.5-1.5 is there twice (line 2)")),
    ],
)
def test_wrong_times_are_refused_by_line(write, times, words):
    write(SEGMENTS + f"long.wav,0.5,1.5,a,anger\nlong.wav,{times},a,fear\n")
    with pytest.raises(ValueError, match=r"mine\.csv") as error:
        corpus_registry.get("mine")
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_comma_before_the_decimals_is_read_where_semicolons_separate(write):
    write("path;start;end;speaker;emotion\na.wav;0,5;1,25;anna;anger\n")
    assert list(corpus_registry.get("mine").table) == ["a.wav#0.5-1.25"]


def test_segments_that_share_much_audio_are_kept_in_one_fold(write, own):
    tone(own / "long.wav", 40.0)
    lines = [f"long.wav,{n},{n + 0.9},s{n % 5},{'anger' if n % 2 else 'fear'}\n" for n in range(30)]
    lines += ["long.wav,3.1,4,s3,anger\n", "long.wav,5.5,6.4,s0,fear\n", "long.wav,39,,s1,anger\n"]
    write(SEGMENTS + "".join(lines))
    same = corpus_registry.get("mine").same_audio
    assert same == (("long.wav#3-3.9", "long.wav#3.1-4"),)  # the other shares less than half of the shorter
    table = scanning.scan("mine", own).utterances
    fold = folds.load("mine", table, "stratified").set_index("utterance")["fold"]
    assert fold[same[0][0]] == fold[same[0][1]]


def test_a_whole_file_and_its_segments_share_audio(write):
    write(SEGMENTS + "a.wav,,,x,anger\na.wav,1,2,x,anger\na.wav,5,,y,fear\na.wav,7,,y,fear\nb.wav,1,2,z,fear\n")
    assert corpus_registry.get("mine").same_audio == (("a.wav", "a.wav#1-2", "a.wav#5-", "a.wav#7-"),)


# -- a stored table and a corrected one -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corrected", "words"),
    [
        (HEADER + "a.wav,anna,fear\nb.wav,bela,fear\n", "a.wav has the emotion_native 'anger'"),
        (HEADER + "a.wav,carl,anger\nb.wav,bela,fear\n", "a.wav has the speaker 'anna'"),
        ("path,speaker,emotion,text_id\na.wav,anna,anger,t\nb.wav,bela,fear,t\n", "has the text_id ''"),
        (HEADER + "a.wav,anna,anger\n", "b.wav is not in"),
        (SEGMENTS + "a.wav,,,anna,anger\nb.wav,0,0.5,bela,fear\n", "b.wav is not in"),
        (HEADER + "a.wav,anna,anger\nb.wav,bela,fear\nc.wav,bela,fear\n", "it has no utterance c.wav"),
    ],
)
def test_a_stored_table_that_was_corrected_since_is_told_from_a_damaged_one(write, own, corrected, words):
    write(HEADER + "a.wav,anna,anger\nb.wav,bela,fear\n")
    tone(own / "a.wav")
    tone(own / "b.wav", hertz=500)
    scan = scanning.scan("mine", own)
    utterance_tables.check_table(corpus_registry.get("mine"), scan.utterances, scan.problems)
    write(corrected)
    with pytest.raises(utterance_tables.OwnTableChangedError, match=words):
        utterance_tables.check_table(corpus_registry.get("mine"), scan.utterances, scan.problems)


def test_the_downloads_know_a_corpus_of_ones_own(write, own, capsys):
    from crosscorpus.embeddings import downloads

    write(HEADER + "a.wav,anna,anger\n")
    assert downloads.main(["mine"]) == 0
    assert str(own) in capsys.readouterr().out
    assert paths.shown(own / "mine.csv") == corpus_registry.get("mine").home


# -- the steps for newcomers ----------------------------------------------------------------------------------

PAGE = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Add a corpus from a CSV table")[2].partition("\n## ")[0]


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", SECTION, re.M | re.S)


def make_table(tmp_path):
    """Do the page's first step; return what came of it."""
    given = os.environ | {"AUDIO": str(tmp_path / "recordings")}
    command = ["bash", "-euo", "pipefail", "-c", blocks("sh")[0]]
    return subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True)


def test_the_documented_loop_finds_audio_in_any_spelling(own, tmp_path):
    found = ("anna/anger_1.wav", "anna/fear_1.WAV", "bela b/fear_2, loud.flac", "carl/anger_1.Mp3")
    for name in (*found, "carl/._anger_1.wav"):
        tone(tmp_path / "recordings" / name, format=name[-3:].replace("lac", "flac"))
    (tmp_path / "recordings" / "carl" / "anger_2.txt").write_text("notes")
    assert make_table(tmp_path).returncode == 0
    (tmp_path / "data" / "own" / "mine.csv").rename(own / "mine.csv")
    speakers = ["anna", "anna", "bela b", "carl"]
    expected = zip((f"{tmp_path}/recordings/{name}" for name in found), speakers, strict=True)
    assert sorted((path, speaker) for path, speaker, _ in rows()) == sorted(expected)


@pytest.mark.parametrize("folder", ["recordings", "elsewhere"])
def test_the_documented_loop_stops_where_there_is_no_audio(tmp_path, folder):
    (tmp_path / folder / "anna").mkdir(parents=True)
    done = make_table(tmp_path)
    assert done.returncode
    assert "recordings" in done.stderr
    assert not (tmp_path / "data" / "own" / "mine.csv").exists() or folder == "elsewhere"


def test_the_documented_segments_and_map_are_what_is_read(write, own):
    write(blocks("text")[0])
    assert list(corpus_registry.get("mine").table) == [
        "interview.wav#12.5-15.25",
        "interview.wav#15.25-18",
        "greeting.wav",
    ]
    write(blocks("yaml")[0], "mine.yaml")
    write(HEADER + "a.wav,anna,excited\nb.wav,anna,xxx\n")
    assert rows() == [("a.wav", "anna", "happiness")]


def test_the_page_says_which_emotions_are_used():
    used, _, others = SECTION.partition("Others (")
    assert set(re.findall("`([a-z]+)`", used)) >= set(protocol_settings.load()["emotions"])
    known = set(corpus_registry.label_map()["emotion"])
    assert set(re.findall("`([a-z]+)`", others.partition(")")[0])) == known - set(
        protocol_settings.load()["emotions"]
    )
