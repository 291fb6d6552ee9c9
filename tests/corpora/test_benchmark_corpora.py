"""The corpora of other benchmarks: what names tell, and what the owners' tables tell, as the lists say."""

import dataclasses
import json
import math
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_downloads, corpus_entries, corpus_registry, corpus_tables, scanning
from crosscorpus.corpora.utterance_tables import check_table
from crosscorpus.embeddings import corpus_scans

NAMES = pd.read_csv(paths.ROOT / "tests" / "corpora" / "names.csv", dtype=str, keep_default_na=False)
EMOBOX = [entry.id for entry in corpus_registry.registry().values() if "emobox" in entry.in_protocols]
LABELS = {"Angry": "anger", "Happy": "happiness", "Sad": "sadness", "Fearful": "fear", "Surprised": "surprise"}
LABELS |= {"Amused": "amusement", "Sleepy": "sleepiness", "Excited": "excitement", "Enthusiastic": "enthusiasm"}
LABELS |= {"Concerned": "concern", "Apologetic": "apology", "Assertive": "assertiveness", "Anxious": "anxiety"}
LABELS |= {"Encouraging": "encouragement", "pain, groan": "pain", "breath": "", "UnKnown": ""}
LABELS |= {"disappointment, disapproval": "disappointment"}
"""EmoBox's labels whose harmonised emotion is not the same word."""
COARSER = {"mesd", "m3ed", "enterface"}
"""Names tell the kind of voice, the series, or the folder's subject, where EmoBox's list has other speakers."""
COUNTED = {"emovdb", "enterface", "iemocap", "meld", "msppodcast", "shemo"}
"""Their owners count otherwise than EmoBox's list, or the list is a part: the entry says so."""

each_emobox = pytest.mark.parametrize("corpus", EMOBOX)


@pytest.mark.parametrize("corpus", list(corpus_registry.registry()))
def test_the_grammar_reads_names_as_they_are_released(corpus):
    entry, some = corpus_registry.get(corpus), NAMES[NAMES["corpus"] == corpus]
    assert len(some) >= 1
    for row in some.itertuples():
        told = corpus_entries.parse(entry, row.path)
        assert told["utterance"] == row.utterance
        for column in ("speaker", "emotion", "text_id"):
            assert told.get(column, "") == getattr(row, column)


@pytest.mark.parametrize("corpus", list(corpus_registry.registry()))
def test_what_is_named_otherwise_is_not_read(corpus):
    entry = corpus_registry.get(corpus)
    for name in ("music.wav", "notes/read_me_2.wav", "x/01 - intro.wav"):
        assert corpus == "ekk" or corpus_entries.parse(entry, name) is None


def emobox(corpus):
    """Return EmoBox's list of a corpus, with paths; skip without it."""
    mirror = paths.mirror()
    file = mirror / "reference" / "emobox" / f"{corpus}.parquet" if mirror else None
    if file is None or not file.exists():
        pytest.skip("EmoBox's lists (reference/emobox of CROSSCORPUS_MIRROR) are not here")
    table = pd.read_parquet(file)
    if table["wav"].isna().any():  # MEAD's training part, of which the list has the ids alone
        said = table["utterance"].str.extract(r"^mead-([MW]\d+)-([a-z]+)-level-(\d)-(\d+)$")
        table["wav"] = said[0] + "/audio/" + said[1] + "/level_" + said[2] + "/" + said[3] + ".m4a"
    return table


@each_emobox
def test_every_name_of_the_list_is_read_as_the_list_says(corpus):
    entry, table = corpus_registry.get(corpus), emobox(corpus)
    read = [corpus_entries.parse(entry, path) for path in table["wav"]]
    assert [path for path, told in zip(table["wav"], read, strict=True) if told is None] == []
    told = pd.DataFrame(read)
    segments = any("start" in one for one in entry.tables)
    assert segments or not told["utterance"].duplicated().any()
    label = table["label"].map(lambda one: LABELS.get(one, one.lower()))
    if "emotion" in told:
        assert (told["emotion"] == label).all()
        counted = told.loc[told["emotion"] != "", "emotion"].value_counts().to_dict()
        assert (counted == dict(entry.counts)) == (corpus not in COUNTED)
    else:
        assert set(label) <= {*entry.emotions.values(), *LABELS.values(), "poker", "sarcastic", "worried"} | {
            "no-agreement",
            "other",
        }
    if corpus in COUNTED:
        assert any(re.search("list|manifest", issue["source"]) for issue in entry.known_issues)
    if "speaker" in table and "speaker" in told and corpus not in ("iemocap", "resd"):
        pairs = pd.DataFrame({"ours": told["speaker"], "listed": table["speaker"]}).dropna().drop_duplicates()
        assert not pairs["listed"].duplicated().any()
        assert corpus in COARSER or not pairs["ours"].duplicated().any()
        assert corpus in COARSER or pairs["ours"].nunique() == entry.n_speakers or corpus == "urdu"


def test_who_speaks_in_iemocap_is_told_by_the_last_letter():
    entry, table = corpus_registry.get("iemocap"), emobox("iemocap")
    told = {corpus_entries.parse(entry, path)["speaker"] for path in table["wav"]}
    assert told == {f"0{session}{who}" for session in range(1, 6) for who in "FM"}


def test_counts_add_up_to_the_sizes_that_the_benchmarks_state():
    sizes = {c: corpus_registry.get(c).size for c in corpus_registry.registry()}
    assert (sizes["msppodcast"], sizes["masc"], sizes["demos"], sizes["enterface"]) == (73042, 25636, 9697, 1293)
    assert (sizes["ekk"], sizes["baum"], sizes["expresso"]) == (1164, 1398, 11954)


# -- speed ----------------------------------------------------------------------------------------------------
# In seconds of a processor, which other work on the machine does not change.

LOAD = """
import time, crosscorpus.corpora.corpus_registry as registry
began = time.process_time()
print(len(registry.registry()), time.process_time() - began)
"""


def test_the_registry_loads_at_once():
    said = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) == len(corpus_registry.registry())
    assert float(said[1]) < 0.3


READ = """
import re, time
import pandas as pd
from crosscorpus.corpora import corpus_registry, corpus_tables
entry = corpus_registry.get("esd")
paths = [f"{s:04}/Sad/train/{s:04}_{n:06}.wav" for s in range(1, 21) for n in range(13_200)]
began = time.process_time()
told = corpus_tables.of_files(entry, None, paths)
table = pd.DataFrame([facts for _, found in told for facts in found])
seconds = time.process_time() - began
status = open("/proc/self/status").read()  # getrusage would give the peak of the process that started this one
print(table["utterance"].nunique(), seconds, re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


def test_a_corpus_of_a_quarter_of_a_million_utterances_is_a_table_in_seconds():
    said = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True).stdout
    n, seconds, kilobytes = map(float, said.split())
    assert n == 264_000
    assert seconds < 20
    assert kilobytes < 2**20


def test_all_names_of_the_lists_are_read_in_seconds():
    lists = [(corpus_registry.get(corpus), emobox(corpus)["wav"]) for corpus in EMOBOX]
    began = time.process_time()
    n = sum(len(pd.DataFrame([corpus_entries.parse(entry, path) for path in names])) for entry, names in lists)
    assert n > 212_000
    assert time.process_time() - began < 20


# -- owners' tables -------------------------------------------------------------------------------------------


@pytest.fixture
def put(tmp_path):
    """Return a function that writes audio of a length in seconds, or the text of a table, below the folder."""
    rng = np.random.default_rng(0)

    def write(name, content=0.4):
        path = tmp_path / "corpora" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            soundfile.write(path, 0.1 * rng.standard_normal(int(8000 * content)), 8000)

    write.folder = tmp_path / "corpora"
    return write


def told_of(corpus, put):
    scan = scanning.scan(corpus, put.folder)
    check_table(corpus_registry.get(corpus), scan.utterances)
    return scan, {row.utterance: (row.speaker, row.emotion) for row in scan.utterances.itertuples()}


def test_labels_that_stand_for_nothing_are_left_out_and_counted(put):
    put("Labels/labels_consensus.csv", "FileName,EmoClass,EmoAct,SpkrID\nMSP-PODCAST_0001_0008.wav,N,3.2,Unknown\n"
        "MSP-PODCAST_0001_0019.wav,X,4.0,127\nMSP-PODCAST_0002_0033_0001.wav,C,4.0,127\n")  # fmt: skip
    for name in ("0001_0008", "0001_0019", "0002_0033_0001", "9999_0001"):
        put(f"Audios/MSP-PODCAST_{name}.wav")
    scan, told = told_of("msppodcast", put)
    assert told == {
        "MSP-PODCAST_0001_0008": ("Unknown", "neutral"),
        "MSP-PODCAST_0002_0033_0001": ("127", "contempt"),
    }
    problems = scan.problems.set_index("path")["reason"]
    assert problems["Audios/MSP-PODCAST_0001_0019.wav"] == "left out: the label 'X' stands for no emotion"
    assert problems["Audios/MSP-PODCAST_9999_0001.wav"] == "in none of its owners' tables"


def test_segments_of_long_files_are_cut_as_the_table_says(put):
    rows = [
        {"prompt": "a0001", "style": "angry", "start": 0.25, "end": 1.0, "text": "Nein!"},
        {"prompt": "a0002", "style": "angry", "start": 1.0, "end": 1.5, "text": "Doch!"},
        {"prompt": "spike0001", "style": "poker", "start": 2, "end": 2.75, "text": "Oh."},
    ]
    put("Recordings/pavoque-angry.yaml", yaml.safe_dump(rows))
    put("Recordings/pavoque-angry.flac", 3.0)
    scan, told = told_of("pavoque", put)
    assert told["a0001-angry"] == ("Stefan Röttig", "anger")
    assert told["spike0001-poker"] == ("Stefan Röttig", "composure")
    table = scan.utterances.set_index("utterance")
    assert list(table["seconds"]) == [0.75, 0.5, 0.75]
    assert tuple(table.loc["a0002-angry", ["start", "end", "path"]]) == (1.0, 1.5, "Recordings/pavoque-angry.flac")
    assert scan.problems.empty


def test_one_name_in_three_parts_has_the_label_of_its_part(put):
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    put("train/train_sent_emo.csv", head + '1,"Also, hi","Chandler",joy,positive,0,1\n')
    put("dev_sent_emo.csv", head + "1,Hi,Phoebe Sr.,fear,negative,0,1\n")
    put("test_sent_emo.csv", head + "1,Hi,Mark,neutral,neutral,0,1\n")
    for folder in ("train/train_splits", "dev_splits_complete", "output_repeated_splits_test"):
        put(f"{folder}/dia0_utt1.wav")
    put("output_repeated_splits_test/final_videos_testdia0_utt1.wav")
    scan, told = told_of("meld", put)
    assert told == {
        "train_splits/dia0_utt1": ("Chandler", "happiness"),
        "dev_splits_complete/dia0_utt1": ("Phoebe Sr.", "fear"),
        "output_repeated_splits_test/dia0_utt1": ("Mark", "neutral"),
    }
    assert list(scan.problems["reason"]) == ["not used: a second version of a test clip"]


def test_nested_tables_are_read(put):
    said = {"EmoAnnotation": {"EmoAnnotator1": ["Sad"], "final_main_emo": "Sad"}, "Speaker": "A"}
    one = {"SpeakerInfo": {"A": {"Name": "?"}}, "Dialog": {"qihun_8_7": said}}
    put("annotation.json", json.dumps({"qihun": {"qihun_8": one}}))
    put("A_qihun_8_7.wav")
    assert told_of("m3ed", put)[1] == {"A_qihun_8_7": ("qihun", "sadness")}


def test_lines_of_transcripts_are_read(put):
    turn = "[6.2901 - 8.2357]\tSes01F_impro01_M000\texc\t[2.5000, 2.5000, 2.5000]\nC-E1:\tNeutral;\t()\n"
    put("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "% comment\n\n" + turn)
    put(
        "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt", "Ses01F_impro01_M000 :Sadness; ()\n"
    )
    put("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav")
    assert told_of("iemocap", put)[1] == {"Ses01F_impro01_M000": ("01M", "excitement")}


def test_a_label_beside_each_file_is_read(put):
    put("7.TextGrid", 'item [1]:\n name = "emotion"\n xmin = 0\n intervals [1]:\n text = "joy"\n')
    put("7.wav")
    assert told_of("ekk", put)[1] == {"7": ("", "happiness")}


def test_separators_other_than_commas_and_names_with_folders(put):
    put("metadata.csv", "id|user_id|emotion|audio_recording\n1|3|Sarcastic|wavs/recorded_audio_a1.webm\n")
    put("wav/recorded_audio_a1.wav")
    assert told_of("emns", put)[1] == {"recorded_audio_a1": ("3", "sarcasm")}


def test_a_missing_table_is_named_with_the_remedy(put):
    put("sample_00000001.wav")
    with pytest.raises(corpus_tables.CorpusTableError, match=r"has no \*label\*\.csv.*put it there"):
        scanning.scan("mer2023", put.folder)
    entry = corpus_registry.get("mer2023")
    assert corpus_downloads.missing(entry, put.folder)  # not whole without its table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            "name,valence\nsample_00000001,3\n",
            r"row 1: no 'discrete'; it has file, name, valence",
        ),
        ("name,discrete\nsample_00000001,joyous\n", r"row 1: the label 'joyous' is not among the emotions"),
    ],
)
def test_a_table_that_says_otherwise_is_refused_by_file_and_row(put, table, words):
    put("train-label.csv", table)
    put("sample_00000001.wav")
    with pytest.raises(corpus_tables.CorpusTableError, match=r"train-label\.csv, " + words):
        scanning.scan("mer2023", put.folder)


def test_damaged_tables_are_refused(put):
    put("a/annotation.json", "{")
    with pytest.raises(corpus_tables.CorpusTableError, match=r"annotation\.json: cannot be read .*fetch it again"):
        list(corpus_tables.of_files(corpus_registry.get("m3ed"), put.folder, []))
    put("b/pavoque-sad.yaml", "- {prompt: a, style: sad, start: soon, end: 2}\n")
    with pytest.raises(corpus_tables.CorpusTableError, match=r"pavoque-sad\.yaml, row 1: could not convert"):
        list(corpus_tables.of_files(corpus_registry.get("pavoque"), put.folder, []))


def test_a_label_that_changes_its_meaning_does_so_in_a_stored_table(put, build_folder, monkeypatch):
    put("train-label.csv", "name,discrete\nsample_00000001,worried\nsample_00000002,sad\n")
    for number in (1, 2):
        put(f"sample_0000000{number}.wav")
    corpus_scans.fresh("mer2023", put.folder)
    entry = corpus_registry.get("mer2023")
    changed = {**entry.emotions, "worried": "fear"}
    changed.pop("sad")
    other = dataclasses.replace(entry, emotions=changed, no_emotion=("sad",))
    known = corpus_registry.registry() | {"mer2023": other}
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    table = corpus_scans.read_scan("mer2023", "audio").utterances
    assert [tuple(row) for row in table[["utterance", "emotion"]].to_numpy()] == [("sample_00000001", "fear")]


# -- entries --------------------------------------------------------------------------------------------------

TOYS = """
name: Toys
title: Talking toys
language: English
licence: CC0 1.0
access: free
home: https://example.org/toys
pattern: '(?P<speaker>[a-z]+)_(?P<emotion>ang|hap)_\\d+'
emotions: {ang: anger, hap: happiness}
counts: {anger: 1, happiness: 1}
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"access": None}, "has no access; it is one of free, registration, request, paid"),
        ({"access": "fre"}, "unknown access of toys in toys.yaml 'fre'; did you mean 'free'"),
        ({"in_protocols": ["emobx"]}, "unknown protocol of toys in toys.yaml 'emobx'; did you mean 'emobox'"),
        ({"n_speakers": "4"}, "n_speakers is '4'; write a number above 0"),
        ({"speakers": 4}, "speakers is 4, which is no text; put it in quotation marks"),
        ({"pack": {"carry": "yes", "why": "so"}}, "write `carry: yes` or `carry: no`, and `why"),
        ({"pack": {"carry": True, "why": ""}}, "write `carry: yes` or `carry: no`, and `why"),
        (
            {"pattern": "(?P<emotion>a)(?P<speker>b)"},
            "group in the pattern of toys .* did you mean 'speaker'",
        ),
        ({"tables": [{"file": "a.csv", "names": "{x}"}]}, "field of a table of toys .* did you mean 'name'"),
        ({"tables": [{"file": "a.csv"}]}, "a table has no name"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(change, words):
    entry = yaml.safe_load(TOYS) | change
    entry = {name: value for name, value in entry.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        corpus_entries.checked("toys", entry, "toys.yaml")


def test_a_corpus_in_two_files_is_refused(tmp_path, monkeypatch):
    for name in ("corpora.yaml", "corpora_of_benchmarks.yaml"):
        (tmp_path / name).write_text("toys:" + TOYS.replace("\n", "\n  ").rstrip() + "\n", encoding="utf-8")
    monkeypatch.setattr(paths, "DATA", tmp_path)
    with pytest.raises(ValueError, match=r"corpora_of_benchmarks\.yaml: toys is in .*corpora\.yaml already"):
        corpus_registry.registry.__wrapped__()


def test_a_label_without_a_value_is_no_emotion():
    entry = corpus_entries.checked("toys", yaml.safe_load(TOYS) | {"emotions": {"ang": "anger", "hap": None},
                                   "counts": {"anger": 1}}, "toys.yaml")  # fmt: skip
    assert entry.emotions == {"ang": "anger"}
    assert corpus_entries.parse(entry, "bear_hap_1.wav")["emotion"] == ""
    assert corpus_entries.parse(entry, "bear_sad_1.wav") is None


def test_an_own_table_may_use_every_emotion_and_no_other():
    known = set(corpus_registry.label_map()["emotion"])
    assert {"excitement", "contempt", "guilt"} <= known
    with pytest.raises(known_names.UnknownNameError):
        known_names.check("poker", sorted(known), "emotion")


def test_whole_files_have_no_start():
    facts = next(corpus_tables.of_files(corpus_registry.get("savee"), paths.ROOT, ["DC/a01.wav"]))[1][0]
    assert math.isnan(facts["start"])
    assert math.isnan(facts["end"])
