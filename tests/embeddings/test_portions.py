"""A corpus that several jobs embed, and what jobs there are."""

import itertools

import numpy as np
import pytest

from crosscorpus.base import added_files, paths
from crosscorpus.corpora import file_lists
from crosscorpus.embeddings import (
    __main__,
    corpus_scans,
    embedding_files,
    extraction,
    extraction_jobs,
    portions,
    sharding,
    store,
    store_folders,
)
from crosscorpus.models import loading, model_registry
from tests.embeddings.test_extraction import audio_mirror, put_audio  # noqa: F401

COUNT = 40


@pytest.fixture
def small(audio_mirror, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sharding, "SHARD", {"cpu": 8})
    return audio_mirror


def portion(mirror, number, count, **options):
    return portions.embed("mfcc", "emodb", number, count, mirror=mirror, device="cpu", workers=1, **options)


def only_file():
    (file,) = (store_folders.folder("audio") / "mfcc").glob("*.safetensors")
    return file


def stored():
    return sorted(embedding_files.folder_of_portions(only_file()).glob("*.safetensors"))


# -- which utterances are whose -------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "neighbours", "window"), [("cpu", 0, 0), ("cpu", 4, 0), ("cuda", 0, 30)])
def test_portions_have_every_utterance_once_and_the_batches_of_the_whole(device, neighbours, window):
    seconds = np.random.default_rng(0).gamma(2, 1.5, size=5001).round(2)  # some are equal
    whole = sharding.plan(seconds, device, neighbours)
    found = portions.divide(seconds, device, 7, neighbours, window)
    assert sorted(np.concatenate(found)) == list(range(5001))
    again = [
        [rows[batch].tolist() for batch in shard]
        for rows in found
        for shard in sharding.plan(seconds[rows], device, neighbours)
    ]
    assert again == [[batch.tolist() for batch in shard] for shard in whole]


def test_portions_take_about_as_long():
    seconds = np.random.default_rng(0).gamma(2, 1.5, size=20_000)
    for window in (0, 30):
        found = portions.divide(seconds, "cpu", 9, 0, window)
        each = [extraction_jobs.encoded(seconds[rows], window).sum() for rows in found]
        assert len(each) == 9
        assert max(each) < 1.1 * min(each)


def test_there_are_never_more_portions_than_shards():
    assert [len(rows) for rows in portions.divide([1.0, 2.0, 3.0], "cpu", 100)] == [3]


# -- embed and join -------------------------------------------------------------------------------------------


def test_portions_are_the_whole(small):
    whole = extraction.embed("mfcc", "emodb", mirror=small, device="cpu", workers=1)
    only_file().unlink()
    for number in (3, 1, 2):  # in any order
        assert portion(small, number, 3).startswith(f"portion {number} of 3 of emodb by mfcc:")
    assert not any((store_folders.folder("audio") / "mfcc").glob("*.safetensors"))
    assert portions.join("mfcc", "emodb", 3, mirror=small).endswith(f"{COUNT} utterances in 3 portions")
    joined = store.load("mfcc", "emodb", "audio")
    np.testing.assert_array_equal(joined.vectors, whole.vectors)
    assert joined.metadata == whole.metadata
    assert float(joined.run["seconds"]) > 0
    assert float(joined.run["processor_seconds"]) > 0
    assert only_file().stat().st_size < 4000  # by reference
    assert len(stored()) == 3
    assert not [file for file in only_file().parent.rglob("*") if file.is_dir() and file.suffix != ".portions"]
    # and nothing is made again, by whichever way it is asked for
    before = {file: file.stat().st_mtime_ns for file in only_file().parent.rglob("*.safetensors")}
    again = extraction.embed("mfcc", "emodb", mirror=small, device="cpu", workers=1)
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    assert "the whole corpus is stored" in portion(small, 1, 3)
    assert "stored already" in portions.join("mfcc", "emodb", 3, mirror=small)
    assert before == {file: file.stat().st_mtime_ns for file in only_file().parent.rglob("*.safetensors")}


def test_a_portion_is_made_once(small, monkeypatch):
    portion(small, 1, 2)
    monkeypatch.setattr(sharding, "run", None)
    assert "are stored" in portion(small, 1, 2)


def test_portions_are_of_the_audio_though_embeddings_were_added(small, tmp_path, monkeypatch):
    """The pack has all of Emo-DB, and its table serves those; the audio that is here is some of it, or other."""
    monkeypatch.setattr(paths, "own", lambda: tmp_path / "own")
    file = added_files.path("theirs", "emodb")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    assert len(corpus_scans.read_scan("emodb", "audio").utterances) > COUNT
    portion(small, 1, 2)
    portion(small, 2, 2)
    portions.join("mfcc", "emodb", 2, mirror=small)
    assert len(corpus_scans.read_scan("emodb", "audio").utterances) == COUNT


def test_a_portion_beyond_the_shards_is_empty(small):
    assert "nothing in it, as the corpus has shards for 5" in portion(small, 9, 9)
    assert not list((store_folders.folder("audio") / "mfcc").glob("*/*"))


def test_what_is_absent_is_named_with_its_command(small):
    portion(small, 1, 2)
    with pytest.raises(
        store_folders.NotStoredError, match=r"24 utterances are in no portion of 2, first .*--of 2 "
    ):
        portions.join("mfcc", "emodb", 2, mirror=small)
    with pytest.raises(ValueError, match="portion 3/2"):
        portion(small, 3, 2)


@pytest.mark.parametrize("damage", ["removed", "cut", "exchanged"])
def test_a_portion_that_is_not_what_was_joined_is_noticed(small, damage):
    for number in (1, 2):
        portion(small, number, 2)
    portions.join("mfcc", "emodb", 2, mirror=small)
    first, second = stored()
    if damage == "removed":
        first.unlink()
    elif damage == "cut":
        first.write_bytes(first.read_bytes()[:-9])
    else:
        first.write_bytes(second.read_bytes())
    with pytest.raises(store_folders.StoredWrongError, match=first.name):
        store.load("mfcc", "emodb", "audio")


def test_a_changed_list_of_portions_is_noticed(small):
    for number in (1, 2):
        portion(small, number, 2)
    portions.join("mfcc", "emodb", 2, mirror=small)
    whole = only_file()
    whole.write_bytes(whole.read_bytes().replace(b'"rows": 2', b'"rows": 1'))
    with pytest.raises(store_folders.StoredWrongError, match="SHA-256 differs"):
        store.load("mfcc", "emodb", "audio")


def test_equal_vectors_of_different_portions_are_noticed(small):
    for number in (1, 2):
        portion(small, number, 2)
    folder = next((store_folders.folder("audio") / "mfcc").glob("*.portions"))
    one, other = (embedding_files.read_portion(file) for file in sorted(folder.glob("*.safetensors")))
    vectors = other[0].copy()
    vectors[0] = one[0][0]
    embedding_files.write_embeddings(sorted(folder.glob("*.safetensors"))[1], vectors, other[2], other[1])
    with pytest.raises(
        store_folders.StoredWrongError, match="equal another utterance's though their audio differs"
    ):
        portions.join("mfcc", "emodb", 2, mirror=small)


def test_portions_of_other_weights_are_not_joined(small):
    for number in (1, 2):
        portion(small, number, 2)
    folder = next((store_folders.folder("audio") / "mfcc").glob("*.portions"))
    file = min(folder.glob("*.safetensors"))
    vectors, rows, facts, _ = embedding_files.read_portion(file)
    embedding_files.write_embeddings(file, vectors, facts | {"device": "another"}, rows)
    assert (
        portions._together([facts, facts | {"device": "another"}], "")["device"] == f"{facts['device']}; another"
    )
    embedding_files.write_embeddings(file, vectors, facts | {"weights_sha256": "other"}, rows)
    with pytest.raises(store_folders.StoredWrongError, match="different weights"):
        portions.join("mfcc", "emodb", 2, mirror=small)


def test_the_commands(small, capsys):
    named = ["--model", "mfcc", "--corpus", "emodb", "--of", "2", "--mirror", small]
    portion(small, 3, 5)  # of another run, with other portions
    for number in ("1", "2"):
        __main__.main(["portion", *named, "--number", number, "--workers", "1"])
    __main__.main(["join", *named])
    assert "40 utterances in 2 portions" in capsys.readouterr().out
    assert [file.name for file in stored()] == ["00001-of-00002.safetensors", "00002-of-00002.safetensors"]


# -- which jobs there are -------------------------------------------------------------------------------------


def planned(seconds, models=("mfcc", "whisper-base"), **options):
    durations = {corpus: np.full(count, 3.0) for corpus, count in seconds.items()}
    return extraction_jobs.plan(itertools.product(models, seconds), durations, **options)


def test_without_limits_every_pair_is_a_job():
    jobs = planned({"emodb": 500, "ravdess": 1000, "mesd": 0})
    assert [(job.ptm, job.what, job.corpora, job.portions) for job in jobs[:3]] == [
        ("mfcc", corpus, (corpus,), 1) for corpus in ("emodb", "ravdess", "mesd")
    ]
    assert len(jobs) == 6


def test_a_large_corpus_is_divided_by_what_is_encoded():
    large = {job.ptm: job.portions for job in planned({"crema-d": 12_000}, hours=2)}
    assert large == {"mfcc": 5, "whisper-base": 50}  # which encodes 30 s for each utterance


def test_of_thousands_of_portions_none_is_short():
    """A million utterances by a model that takes a minute for eight hours of them."""
    seconds = {"large": np.full(1_000_000, 4.0)}
    (job,) = extraction_jobs.plan([("mfcc", "large")], seconds, hours=0.01, least=30)
    assert job.portions == extraction_jobs.MANY
    (job,) = extraction_jobs.plan([("wavlm-base", "large")], seconds, hours=0.01, least=30)
    assert job.portions > extraction_jobs.MANY
    assert extraction_jobs.work("wavlm-base", 4e6 / job.portions) >= 30
    (job,) = extraction_jobs.plan([("wavlm-base", "large")], seconds, hours=8, least=30)
    assert job.portions == 139


def test_short_work_is_done_together_and_nothing_is_lost():
    """Forty models on thirty-eight corpora, most of them small: no job under 30 s of work."""
    models = [ptm for ptm, model in model_registry.registry().items() if model.loader != "elsewhere"]
    rng = np.random.default_rng(1)
    seconds = {f"corpus{n}": rng.gamma(2, 1.5, size=int(10 ** rng.uniform(2.3, 5))) for n in range(38)}
    jobs = extraction_jobs.plan(itertools.product(models, seconds), seconds, hours=8, least=30, gpu=True)
    asked = [(job.ptm, corpus) for job in jobs for corpus in job.corpora]
    assert sorted(asked) == sorted(itertools.product(models, seconds))
    assert len({(job.ptm, job.what) for job in jobs}) == len(jobs)
    for job in jobs:
        window = extraction_jobs.window(job.ptm)
        audio = sum(extraction_jobs.encoded(seconds[corpus], window).sum() for corpus in job.corpora)
        alone = sum(other.ptm == job.ptm and other.portions == 1 for other in jobs) == 1
        assert job.portions > 1 or alone or extraction_jobs.work(job.ptm, audio, gpu=True) >= 30
        assert audio / job.portions <= 8 * 3600 or job.portions == 1
    assert len(jobs) < len(asked)


def test_windows_are_those_of_the_loaders():
    for ptm in ("whisper-base", "wavlm-base", "clap", "mfcc"):
        samples = getattr(loading.loader(ptm), "WINDOW", 0)
        assert extraction_jobs.window(ptm) == samples / 16_000


def test_durations_are_those_that_were_read_or_are_listed(tmp_path, build_folder):
    listed = extraction_jobs.durations("emodb")
    assert len(listed) == len(file_lists.file_list("emodb"))
    file = store_folders.folder("audio") / "utterances" / "emodb.csv"
    file.parent.mkdir(parents=True)
    file.write_text('utterance,path,seconds\na,"x, y.wav",1.5\nb,z.wav,2\n', encoding="utf-8")
    assert extraction_jobs.durations("emodb").tolist() == [1.5, 2.0]


def test_a_plan_and_the_portions_of_its_jobs_agree():
    seconds = np.random.default_rng(0).gamma(2, 2.0, size=100_000)
    (job,) = extraction_jobs.plan([("wavlm-base", "large")], {"large": seconds}, hours=8, least=30)
    assert job.portions == -(-int(seconds.sum()) // (8 * 3600))
    assert len(portions.divide(seconds, "cuda", job.portions)) == job.portions


def test_what_is_passed_on_is_whole(small, tmp_path):
    for number in (1, 2):
        portion(small, number, 2)
    portions.join("mfcc", "emodb", 2, mirror=small)
    whole = embedding_files.undivided(only_file(), tmp_path / "elsewhere")
    vectors, facts = embedding_files.read_embeddings(whole)
    np.testing.assert_array_equal(vectors, store.load("mfcc", "emodb", "audio").vectors)
    assert facts == embedding_files.read_facts(only_file())
    assert embedding_files.portions_of(whole) == []
    assert embedding_files.undivided(whole, tmp_path) == whole
