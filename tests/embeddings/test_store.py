import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import known_names, whole_files
from crosscorpus.corpora import file_lists, utterance_tables
from crosscorpus.embeddings import corpus_scans, embedding_files, store, store_folders
from crosscorpus.models import model_registry

PTM = "whisper-base"
DIM = 512


def scan_of(corpus="emodb", n=6):
    table = file_lists.file_list(corpus).head(n).assign(path=lambda t: t["file"])
    table = table.assign(start=np.nan, end=np.nan, sha256=[f"{i:x}" * 64 for i in range(10, 10 + n)])[
        utterance_tables.COLUMNS
    ]
    quality = table[["corpus", "utterance"]].assign(channels=1, peak_dbfs=-3.0, level_dbfs=-20.5)
    problems = pd.DataFrame(columns=utterance_tables.PROBLEM_COLUMNS)
    return utterance_tables.Scan(table, quality, problems)


def vectors_of(table, seed=0):
    return np.random.default_rng(seed).standard_normal((len(table), DIM)).astype(np.float32)


def metadata_of(table, pooling="clip"):
    return {"audio_hash": store.audio_hash(table), "pooling": pooling, "dtype": "float32"}


@pytest.fixture
def packed(pack_folder):
    scan = scan_of()
    corpus_scans.write_scan("emodb", scan, pack_folder)
    path = store.embeddings_path(PTM, "emodb", "", "", "pack")
    embedding_files.write_embeddings(path, vectors_of(scan.utterances), metadata_of(scan.utterances))
    return path


@pytest.fixture
def made(build_folder):
    """Embeddings in the folder of what was made from audio, under the name that their identity gives."""
    scan = scan_of()
    corpus_scans.write_scan("emodb", scan, store_folders.folder("audio"))
    identity = store.identity(PTM, "clip", scan.utterances)
    path = store.embeddings_path(PTM, "emodb", "clip", store.key(identity))
    embedding_files.write_embeddings(path, vectors_of(scan.utterances), identity)
    return path


# -- replace_file ---------------------------------------------------------------------------------------------


def test_a_file_is_written_with_its_folders(tmp_path):
    whole_files.replace_file(tmp_path / "a" / "b" / "c.txt", lambda part: part.write_text("new"))
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, error):
    def write(part):
        part.write_text("half")
        raise error

    with pytest.raises(error):
        whole_files.replace_file(tmp_path / "c.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_keeps_the_old_file(tmp_path):
    def write(part):
        part.write_text("half")
        raise OSError("disk full")

    (tmp_path / "c.txt").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        whole_files.replace_file(tmp_path / "c.txt", write)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_part_is_never_taken_for_the_whole(tmp_path):
    seen = []

    def write(part):
        part.write_text("new")
        seen.extend(tmp_path.glob("*.txt"))

    whole_files.replace_file(tmp_path / "c.txt", write)
    assert seen == []


# -- tables of utterances -------------------------------------------------------------------------------------


def test_a_scan_comes_back_as_it_was(pack_folder):
    scan = scan_of()
    corpus_scans.write_scan("emodb", scan, pack_folder)
    back = corpus_scans.read_scan("emodb")
    pd.testing.assert_frame_equal(back.utterances, scan.utterances)
    pd.testing.assert_frame_equal(back.quality, scan.quality)
    assert list(back.problems.columns) == utterance_tables.PROBLEM_COLUMNS
    assert back.problems.empty


@pytest.mark.parametrize(("corpus", "column", "value"), [("emodb", "speaker", "03"), ("ravdess", "text_id", "01")])
def test_identifiers_stay_text(pack_folder, corpus, column, value):
    corpus_scans.write_scan(corpus, scan_of(corpus), pack_folder)
    assert set(corpus_scans.read_scan(corpus).utterances[column]) == {value}


def test_native_labels_of_ravdess_stay_text(pack_folder):
    corpus_scans.write_scan("ravdess", scan_of("ravdess"), pack_folder)
    assert set(corpus_scans.read_scan("ravdess").utterances["emotion_native"]) == {"01"}


def test_an_absent_speaker_stays_empty_text(pack_folder):
    corpus_scans.write_scan("mesd", scan_of("mesd"), pack_folder)
    assert set(corpus_scans.read_scan("mesd").utterances["speaker"]) == {""}


def test_the_level_of_silence_survives(pack_folder):
    scan = scan_of()
    scan.quality.loc[0, ["peak_dbfs", "level_dbfs"]] = -np.inf
    corpus_scans.write_scan("emodb", scan, pack_folder)
    assert corpus_scans.read_scan("emodb").quality.loc[0, "peak_dbfs"] == -np.inf


def test_problems_come_back(pack_folder):
    scan = scan_of()
    problems = pd.DataFrame(
        [("emodb", "a, b.wav", "wrongly named", "rename it")], columns=utterance_tables.PROBLEM_COLUMNS
    )
    corpus_scans.write_scan("emodb", utterance_tables.Scan(scan.utterances, scan.quality, problems), pack_folder)
    pd.testing.assert_frame_equal(corpus_scans.read_scan("emodb").problems, problems)


@pytest.mark.usefixtures("pack_folder")
def test_a_table_that_the_pack_lacks_says_so():
    with pytest.raises(store_folders.NotStoredError, match=r"emodb\.csv: not there; the pack has no such corpus"):
        corpus_scans.read_scan("emodb")


@pytest.mark.usefixtures("build_folder")
def test_a_table_that_was_not_made_names_the_command():
    with pytest.raises(store_folders.NotStoredError, match=r"papermill notebooks/data\.ipynb .*-p corpora emodb"):
        corpus_scans.read_scan("emodb", "audio")


def test_an_unknown_source_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="unknown source 'packed'; did you mean 'pack'"):
        corpus_scans.read_scan("emodb", "packed")


def test_an_unknown_corpus_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="unknown corpus"):
        corpus_scans.read_scan("emo")


# -- files of embeddings --------------------------------------------------------------------------------------


def test_embeddings_come_back_bit_for_bit(tmp_path):
    vectors = vectors_of(range(5))
    embedding_files.write_embeddings(tmp_path / "a.safetensors", vectors, {"pooling": "clip"})
    back, metadata = embedding_files.read_embeddings(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(back, vectors)
    assert back.dtype == np.float32
    assert metadata == {"pooling": "clip"}


def test_equal_embeddings_give_equal_bytes(tmp_path):
    for name in "ab":
        embedding_files.write_embeddings(tmp_path / name, vectors_of(range(5)), {"pooling": "clip"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("change", [np.asfortranarray, lambda v: v[:, ::-1], lambda v: v.astype(np.float64)])
def test_any_layout_and_precision_is_stored_as_float32(tmp_path, change):
    vectors = change(vectors_of(range(5)))
    embedding_files.write_embeddings(tmp_path / "a.safetensors", vectors, {})
    back, _ = embedding_files.read_embeddings(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(back, vectors.astype(np.float32))


def test_half_precision_is_read_as_float32_and_noted(tmp_path):
    vectors = vectors_of(range(5)) / 3
    embedding_files.write_embeddings(
        tmp_path / "a.safetensors", vectors, {"pooling": "window"}, stored_as="float16"
    )
    back, metadata = embedding_files.read_embeddings(tmp_path / "a.safetensors")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, vectors.astype(np.float16))
    assert metadata == {"pooling": "window", "stored_as": "float16"}


@pytest.mark.parametrize("left", [0, 4, 20, 1_000, -1])
def test_a_truncated_file_is_refused(tmp_path, left):
    path = tmp_path / "a.safetensors"
    embedding_files.write_embeddings(path, vectors_of(range(5)), {"pooling": "clip"})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(
        store_folders.StoredWrongError, match=r"a\.safetensors: not a whole safetensors file.*delete it"
    ):
        embedding_files.read_embeddings(path)


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 100, b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(store_folders.StoredWrongError, match="not a whole safetensors file"):
        embedding_files.read_embeddings(path)


def test_a_file_of_an_older_version_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"embeddings": vectors_of(range(5))}, tmp_path / "a.safetensors", metadata={"pooling": "clip"})
    with pytest.raises(
        store_folders.StoredWrongError, match=r"a\.safetensors: written by another version.*delete it"
    ):
        embedding_files.read_embeddings(tmp_path / "a.safetensors")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(store_folders.NotStoredError, match=r"a\.safetensors: not there"):
        embedding_files.read_embeddings(tmp_path / "a.safetensors")


@pytest.mark.parametrize("at", [-1, -2000, 20])
def test_a_changed_byte_is_noticed(tmp_path, at):
    path = tmp_path / "a.safetensors"
    embedding_files.write_embeddings(path, vectors_of(range(5)), {"pooling": "clip"})
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(store_folders.StoredWrongError, match=r"a\.safetensors: .*delete it"):
        embedding_files.read_embeddings(path)


def test_a_part_keeps_its_rows(tmp_path):
    embedding_files.write_embeddings(tmp_path / "a", vectors_of(range(3)), {}, np.array([4, 0, 2]))
    vectors, rows = embedding_files.read_part(tmp_path / "a")
    np.testing.assert_array_equal(vectors, vectors_of(range(3)))
    assert rows.tolist() == [4, 0, 2]


def test_how_a_run_went_stands_beside_its_file(tmp_path):
    path = tmp_path / "a.safetensors"
    assert embedding_files.read_run(path) == {}
    embedding_files.write_run(path, {"seconds": "1.5"})
    assert embedding_files.read_run(path) == {"seconds": "1.5"}


# -- checks ---------------------------------------------------------------------------------------------------


def test_good_embeddings_pass():
    table = scan_of().utterances
    embedding_files.check_vectors(vectors_of(table), table, DIM, "these")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_not_finite_is_named(value):
    table = scan_of().utterances
    vectors = vectors_of(table)
    vectors[[2, 4], 7] = value
    expected = rf"these: 2 embeddings are not finite or constant, the first of utterance {table['utterance'][2]}"
    with pytest.raises(store_folders.StoredWrongError, match=expected):
        embedding_files.check_vectors(vectors, table, DIM, "these")


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_constant_embedding_is_named(value):
    table = scan_of().utterances
    vectors = vectors_of(table)
    vectors[5] = value
    with pytest.raises(store_folders.StoredWrongError, match=f"utterance {table['utterance'][5]}"):
        embedding_files.check_vectors(vectors, table, DIM, "these")


def test_equal_embeddings_of_different_audio_are_named():
    table = scan_of().utterances
    vectors = vectors_of(table)
    vectors[4] = vectors[1]
    expected = (
        rf"these: 2 embeddings equal another utterance's .*{table['utterance'][1]} and {table['utterance'][4]}"
    )
    with pytest.raises(store_folders.StoredWrongError, match=expected):
        embedding_files.check_vectors(vectors, table, DIM, "these")


def test_equal_embeddings_of_equal_audio_pass():
    table = scan_of().utterances
    table.loc[4, "sha256"] = table.loc[1, "sha256"]
    vectors = vectors_of(table)
    vectors[4] = vectors[1]
    embedding_files.check_vectors(vectors, table, DIM, "these")


@pytest.mark.parametrize("shape", [(5, DIM), (7, DIM), (6, DIM - 1), (6, DIM, 1), (DIM, 6), (6,)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(store_folders.StoredWrongError, match=rf"these: shape .* where \(6, {DIM}\) is expected"):
        embedding_files.check_vectors(np.ones(shape, np.float32), scan_of().utterances, DIM, "these")


# -- keys -----------------------------------------------------------------------------------------------------


def test_a_key_does_not_depend_on_the_order_of_facts():
    assert store.key({"a": "1", "b": "2"}) == store.key({"b": "2", "a": "1"})


def test_the_audio_hash_changes_with_audio_names_and_order():
    table = scan_of().utterances
    changed = [
        table,
        table.assign(start=np.nan, end=np.nan, sha256=table["sha256"].where(table.index != 3, "0" * 64)),
        table.assign(utterance=table["utterance"].where(table.index != 3, "99a01Fa")),
        table.iloc[::-1],
        table.iloc[:-1],
    ]
    assert len({store.audio_hash(other) for other in changed}) == len(changed)


def test_the_audio_hash_does_not_change_with_the_folder():
    table = scan_of().utterances
    assert store.audio_hash(table.assign(path="elsewhere/" + table["path"])) == store.audio_hash(table)


@pytest.mark.parametrize(
    "fact", ["ptm", "handle", "revision", "pooling", "dtype", "architecture", "audio_hash", "code"]
)
def test_the_key_changes_with_each_fact(fact):
    identity = store.identity(PTM, "clip", scan_of().utterances)
    assert store.key(identity | {fact: "other"}) != store.key(identity)


def test_the_identity_follows_audio_pooling_and_model():
    table = scan_of().utterances
    identity = store.identity(PTM, "clip", table)
    assert store.identity(PTM, "window", table) == identity | {"pooling": "window"}
    assert store.identity(PTM, "clip", table.iloc[1:])["audio_hash"] != identity["audio_hash"]
    assert identity["revision"] == model_registry.get(PTM).revision


def test_a_new_revision_of_a_model_gives_a_new_key(monkeypatch):
    table = scan_of().utterances
    before = store.key(store.identity(PTM, "clip", table))
    newer = model_registry.Model(**(vars(model_registry.get(PTM)) | {"revision": "0" * 40}))
    monkeypatch.setattr(model_registry, "registry", lambda: {PTM: newer})
    assert store.key(store.identity(PTM, "clip", table)) != before


# -- load -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("packed")
def test_load_reads_the_pack():
    embeddings = store.load(PTM, "emodb")
    assert (embeddings.ptm, embeddings.corpus) == (PTM, "emodb")
    assert list(embeddings.utterances.columns) == utterance_tables.COLUMNS
    np.testing.assert_array_equal(embeddings.vectors, vectors_of(embeddings.utterances))


@pytest.mark.usefixtures("made")
def test_load_reads_what_was_made_from_audio():
    assert store.load(PTM, "emodb", "audio").vectors.shape == (6, DIM)


def test_load_refuses_embeddings_of_other_audio(packed):
    table = scan_of().utterances
    other = metadata_of(table.assign(start=np.nan, end=np.nan, sha256=table["sha256"].iloc[::-1].to_list()))
    embedding_files.write_embeddings(packed, vectors_of(table), other)
    with pytest.raises(store_folders.StoredWrongError, match=r"emodb\.safetensors: made from other audio"):
        store.load(PTM, "emodb")


@pytest.mark.usefixtures("packed")
def test_load_does_not_find_another_pooling_than_the_packs():
    with pytest.raises(
        store_folders.NotStoredError, match=r"emodb-window\.safetensors: not there; .*-p pooling window"
    ):
        store.load(PTM, "emodb", pooling="window")


def test_load_refuses_another_pooling_under_the_name_of_the_one_asked_for(packed):
    packed.rename(packed.with_name("emodb-window.safetensors"))
    with pytest.raises(
        store_folders.StoredWrongError, match=r"\(pooling clip\) than asked for \(pooling window\)"
    ):
        store.load(PTM, "emodb", pooling="window")


def test_load_refuses_a_file_that_does_not_say_what_made_it(packed):
    embedding_files.write_embeddings(packed, vectors_of(scan_of().utterances), {})
    with pytest.raises(store_folders.StoredWrongError, match=r"emodb\.safetensors"):
        store.load(PTM, "emodb")


def test_load_names_file_and_utterance_of_a_broken_embedding(packed):
    table = scan_of().utterances
    vectors = vectors_of(table)
    vectors[1] = np.nan
    embedding_files.write_embeddings(packed, vectors, metadata_of(table))
    with pytest.raises(store_folders.StoredWrongError, match=rf"emodb\.safetensors: .*{table['utterance'][1]}"):
        store.load(PTM, "emodb")


def test_load_refuses_rows_that_do_not_fit_the_table(packed):
    table = scan_of().utterances
    embedding_files.write_embeddings(packed, vectors_of(table)[:-1], metadata_of(table))
    with pytest.raises(store_folders.StoredWrongError, match="shape"):
        store.load(PTM, "emodb")


def test_load_does_not_find_what_was_made_from_other_audio(made):
    scan = scan_of()
    changed = scan.utterances.assign(sha256=scan.utterances["sha256"].where(scan.utterances.index != 0, "0" * 64))
    corpus_scans.write_scan(
        "emodb", utterance_tables.Scan(changed, scan.quality, scan.problems), store_folders.folder("audio")
    )
    assert made.exists()
    with pytest.raises(store_folders.NotStoredError):
        store.load(PTM, "emodb", "audio")


def test_what_was_not_made_names_the_command_that_makes_it(made):
    made.unlink()
    with pytest.raises(store_folders.NotStoredError) as error:
        store.load(PTM, "emodb", "audio")
    assert "papermill notebooks/model.ipynb" in str(error.value)
    assert f"-p ptm {PTM} -p corpora emodb" in str(error.value)


@pytest.mark.usefixtures("made")
def test_what_was_not_made_with_a_pooling_names_a_command_with_that_pooling():
    with pytest.raises(store_folders.NotStoredError, match=r"model\.ipynb.*-p pooling window"):
        store.load(PTM, "emodb", "audio", "window")


@pytest.mark.parametrize("source", store_folders.SOURCES)
@pytest.mark.usefixtures("packed", "made")
def test_a_model_that_was_not_run_is_not_stored(source):
    with pytest.raises(store_folders.NotStoredError):
        store.load("wavlm-base", "emodb", source)


@pytest.mark.parametrize(("ptm", "corpus"), [("whisper", "emodb"), (PTM, "emodbb")])
def test_load_suggests_what_was_meant(ptm, corpus):
    with pytest.raises(known_names.UnknownNameError, match="did you mean"):
        store.load(ptm, corpus)
