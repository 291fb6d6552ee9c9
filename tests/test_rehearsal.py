"""The rehearsal: names and durations of the official lists, emotions that are heard, labels everywhere."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from benchmarks import costs, rehearsal, true_sizes

from crosscorpus.base import known_names, paths
from crosscorpus.book import synthetic_vowels
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.embeddings import embedding_files
from crosscorpus.models import model_registry
from crosscorpus.training import profiles
from crosscorpus.verdict import cost_model

PAPER = [key for key, entry in corpus_registry.registry().items() if entry.in_paper]


def test_the_full_size_is_that_of_the_official_lists():
    table = rehearsal.chosen(1.0)
    assert table["corpus"].value_counts().to_dict() == {c: len(file_lists.file_list(c)) for c in PAPER}
    assert not table["seconds"].isna().any()


def test_a_small_size_leaves_every_speaker_and_enough_of_every_emotion():
    small, full = rehearsal.chosen(0.001), rehearsal.chosen(1.0)
    assert len(small) < len(full) / 5
    for corpus in PAPER:
        of_small, of_full = (t[t["corpus"] == corpus] for t in (small, full))
        assert set(of_small["speaker"]) == set(of_full["speaker"])
        least = np.minimum(of_full["emotion"].value_counts(), rehearsal.SETTINGS["least"])
        assert (of_small["emotion"].value_counts()[least.index] >= least).all()


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_a_size_that_is_no_share_is_refused(size):
    with pytest.raises(ValueError, match="SIZE"):
        rehearsal.chosen(size)


def test_manners_are_those_of_the_emotion():
    spoken = {e: rehearsal.manner(e, "one voice", "one utterance") for e in ("anger", "sadness", "neutral")}
    for cue in ("pitch", "range", "rate", "level", "tilt"):
        angry, sad = (getattr(spoken[e], cue) for e in ("anger", "sadness"))
        assert angry > sad, cue
    assert spoken["neutral"] != rehearsal.manner("neutral", "another voice", "one utterance")
    # What no manner is known for is neutral.
    assert rehearsal.manner("no such emotion", "one voice", "one utterance") == spoken["neutral"]
    assert set(rehearsal.SETTINGS["manners"]) <= known_names_of_emotions()


def known_names_of_emotions():
    return {e for c in PAPER for e in corpus_registry.get(c).emotions.values()}


def test_an_utterance_is_as_long_as_listed_at_its_rate_and_says_what_it_is(tmp_path):
    table = rehearsal.chosen(0.001)
    short = table.sort_values("seconds").groupby("corpus").head(1)
    rehearsal.write_audio(tmp_path, short, workers=1)
    for row in short.itertuples():
        with soundfile.SoundFile(tmp_path / row.corpus / row.file) as file:
            assert file.comment == "rehearsal, synthetic"
            assert file.samplerate == row.sample_rate_native
            assert file.frames / file.samplerate == pytest.approx(row.seconds, abs=1e-3)
            assert np.abs(file.read()).max() > 0


def test_audio_of_another_size_is_removed_and_what_is_there_is_kept(tmp_path):
    table = rehearsal.chosen(0.001).sort_values("seconds").head(2)
    rehearsal.write_audio(tmp_path, table, workers=1)
    kept = tmp_path / table["corpus"].iloc[0] / table["file"].iloc[0]
    before = kept.stat().st_mtime_ns
    rehearsal.write_audio(tmp_path, table.head(1), workers=1)
    assert kept.stat().st_mtime_ns == before
    assert len(list(tmp_path.rglob("*.wav"))) == 1


@pytest.mark.parametrize("architectures", rehearsal.ARCHITECTURES)
def test_the_registry_has_random_weights_and_says_so(architectures):
    text = (paths.DATA / "models.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(rehearsal.registry(text, architectures))
    for ptm in model_registry.of_paper():
        entry, own = entries[ptm], model_registry.get(ptm)
        assert rehearsal.LABEL in entry["handle"]
        assert rehearsal.LABEL in entry["note"]
        assert entry["dimension"] == own.dimension
        assert entry["trained_on"]["what"].startswith("nothing")
        known_names.check_fields(entry, model_registry.Model, ptm)
        if entry["loader"] in rehearsal.SETTINGS["tiny"]:
            smaller = entry["architecture"] != dict(own.architecture)
            assert smaller == (architectures == "tiny")
    assert entries["ecapa-tdnn"] == yaml.safe_load(text)["ecapa-tdnn"]


def test_the_profile_is_the_papers_with_what_a_small_run_changes():
    text = (paths.ROOT / "profiles" / "paper.yaml").read_text(encoding="utf-8")
    paper, small = yaml.safe_load(text), yaml.safe_load(rehearsal.profile(text, [3], "epochs=2"))
    profiles.check(small)
    assert small["ptms"] == model_registry.of_paper()
    assert (small["seeds"], small["overrides"]) == ([3], "epochs=2")
    same = set(paper) - {"profile", "ptms", "seeds", "overrides"}
    assert {key: small[key] for key in same} == {key: paper[key] for key in same}


def test_every_page_gets_a_banner():
    text = (paths.ROOT / "_config.yml").read_text(encoding="utf-8")
    made = yaml.safe_load(rehearsal.configuration(text, "Nothing is real."))
    banner = made["sphinx"]["config"]["html_theme_options"]["announcement"]
    assert "Rehearsal, synthetic" in banner
    assert "Nothing is real." in banner
    assert made["title"] == "Rehearsal, synthetic"
    with pytest.raises(ValueError, match="label"):
        rehearsal.configuration("title: x", "y")


def test_a_copy_is_whole_and_keeps_times_of_what_is_the_same(tmp_path):
    rehearsal.copy_project(tmp_path, {"_config.yml": "one"})
    same = tmp_path / "lib" / "crosscorpus" / "__init__.py"
    before = same.stat().st_mtime_ns
    (tmp_path / "lib" / "crosscorpus" / "left.py").write_text("")
    (tmp_path / "notebooks" / "cues.ipynb").write_text("changed")
    rehearsal.copy_project(tmp_path, {"_config.yml": "two"})
    assert same.stat().st_mtime_ns == before
    assert not (tmp_path / "lib" / "crosscorpus" / "left.py").exists()
    assert (tmp_path / "notebooks" / "cues.ipynb").read_bytes() == (
        paths.ROOT / "notebooks/cues.ipynb"
    ).read_bytes()
    assert (tmp_path / "_config.yml").read_text() == "two"
    pack = {file.name for file in paths.PACK.rglob("*.safetensors")}
    assert {file.name for file in (tmp_path / "data" / "embeddings").rglob("*.safetensors")} == pack
    assert not list((tmp_path / "_build").rglob("*"))
    assert not (tmp_path / "tests").exists()
    assert (tmp_path / "notebooks" / "models" / "mfcc.ipynb").is_symlink()


def test_what_ran_is_read_from_the_records(tmp_path, monkeypatch):
    table = pd.DataFrame({"corpus": ["emodb", "emodb", "mesd"], "seconds": [1800.0, 1800.0, 360.0]})
    (tmp_path / rehearsal.WRITTEN).parent.mkdir(parents=True)
    table.to_csv(tmp_path / rehearsal.WRITTEN)
    with pytest.raises(SystemExit, match="make rehearsal"):
        costs.runs(tmp_path)
    build = tmp_path / "project" / "_build"
    (build / "embeddings" / "x-vector").mkdir(parents=True)
    for corpus in ("emodb", "mesd"):  # the second was stopped and gone on with, which has no honest figure
        file = build / "embeddings" / "x-vector" / f"{corpus}-clip-0.safetensors"
        file.write_bytes(b"12345")
        if corpus == "emodb":
            embedding_files.write_run(file, {"processor_seconds": "7.50", "seconds": "9.0"})
    found = costs.runs(tmp_path)
    assert found.to_dict("records") == [
        {"ptm": "x-vector", "corpus": "emodb", "hours": 1.0, "cpu_s": 7.5, "bytes": 5}
    ]
    assert np.isnan(costs.seconds_of(tmp_path, "heads"))
    (build / rehearsal.PROFILE / "logs").mkdir(parents=True)
    times = "0m0.250s 0m0.250s\n1m2.000s 0m3.000s\n"  # as a shell writes them: its own, and its children's
    (build / rehearsal.PROFILE / "logs" / "heads.log.times").write_text(times)
    assert np.isnan(costs.seconds_of(tmp_path, "heads"))  # stopped
    (build / rehearsal.PROFILE / "timings").mkdir(parents=True)
    (build / rehearsal.PROFILE / "timings" / "heads.tsv").write_text("s\n9.0\n")
    assert costs.seconds_of(tmp_path, "heads") == 65.5


def test_only_transformers_have_operations_that_can_be_counted(monkeypatch):
    monkeypatch.setattr(costs.measures, "work", lambda ptm, seconds: 10.0 * seconds.sum())
    assert costs.operations_per_hour("wavlm-base") == pytest.approx(36000)
    assert np.isnan(costs.operations_per_hour("x-vector"))


def test_networks_of_the_true_size_get_clips_as_long_as_those_of_the_corpora(tmp_path, monkeypatch):
    made = pd.DataFrame({"corpus": "odd", "file": list("abcd"), "seconds": [9.0, 1.0, 2.0, 0.3]})
    (tmp_path / rehearsal.WRITTEN).parent.mkdir(parents=True)
    made.to_csv(tmp_path / rehearsal.WRITTEN, index=False)
    monkeypatch.setattr(true_sizes.measures, "durations", lambda: np.array([0.9, 1.1, 2.1, 2.0]))
    assert sorted(true_sizes.clips(tmp_path, 2)["file"]) == ["b", "c"]
    assert len(true_sizes.clips(tmp_path, 9)) == 9  # more than there are: some twice


def test_a_network_of_the_true_size_is_timed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(size=(8000, 2)) / 9, 8000)
    found = true_sizes.measure("mfcc", [tmp_path / "a.wav"] * 60)  # processor time is counted in hundredths
    assert found["speech_s"] == pytest.approx(60.0)
    assert found["encoded_s"] > 0
    assert found["memory"] > 0.01


def test_models_without_a_twin_and_those_that_do_not_fit_are_left_out(tmp_path, monkeypatch, capsys):
    def refuse(ptm, *_):
        raise model_registry.NotAvailableError(f"{ptm}: too large")

    monkeypatch.setattr(true_sizes, "clips", lambda folder, count: pd.DataFrame(columns=["corpus", "file"]))
    (tmp_path / rehearsal.WRITTEN).parent.mkdir(parents=True)
    pd.DataFrame({"seconds": [1.0]}).to_csv(tmp_path / rehearsal.WRITTEN)
    monkeypatch.setattr(true_sizes.model_sizes, "fitting", refuse)
    assert not len(true_sizes.table(tmp_path, 2))
    said = capsys.readouterr().out
    assert "trillsson4: its network comes with its weights alone" in said
    assert "mms-1b: too large" in said


def test_costs_have_a_row_for_each_network(tmp_path, monkeypatch):
    runs = pd.DataFrame(
        {"ptm": ["trillsson4", "x-vector"], "corpus": "odd", "hours": 2.0, "cpu_s": 8.0, "bytes": 4000}
    )
    monkeypatch.setattr(costs, "runs", lambda folder: runs)
    monkeypatch.setattr(costs, "operations_per_hour", lambda ptm: 5.0)
    true = pd.DataFrame([("x-vector", "full", 0.1, 1.0, 70.0, 0.4, 3000.0)], columns=true_sizes.COLUMNS)
    monkeypatch.setattr(costs.true_sizes, "table", lambda folder, count: true)
    table = costs.table(tmp_path, "tiny", 3)
    assert list(table.columns) == cost_model.COLUMNS
    assert list(table["networks"]) == ["stand-in", "tiny", "full"]
    assert list(table["bytes_per_hour"]) == [2000.0, 2000.0, 3000.0]
    assert table["memory"].notna().tolist() == [False, False, True]
    assert len(costs.table(tmp_path, "tiny", 0)) == 2


def test_a_manner_is_heard():
    def level(emotion):
        spoken = rehearsal.manner(emotion, "v", "u")
        return synthetic_vowels.measure(synthetic_vowels.synthesise(spoken, 0.6))["level (dB)"]

    assert level("anger") > level("sadness") + 5
