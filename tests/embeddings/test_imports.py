"""Embeddings made elsewhere: files as people have them, of corpora with and without audio."""

import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from crosscorpus.base import added_files, known_names, paths, table_files
from crosscorpus.corpora import corpus_registry, file_lists
from crosscorpus.embeddings import __main__ as commands
from crosscorpus.embeddings import availability, corpus_scans, exports, imports, store, store_folders, vector_rows
from crosscorpus.models import extractor_checks, loading, model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import evaluate

SPEAKERS, EMOTIONS = ("ann", "ბელა", "c.d"), ("anger", "sadness")
FILES = [f"{speaker}/{emotion}_{n}.wav" for speaker in SPEAKERS for emotion in EMOTIONS for n in range(3)]
DIM = 5


@pytest.fixture
def own(tmp_path, monkeypatch, build_folder, no_mirror):
    """A folder of data with a table of utterances, `mine`, none of whose files is here."""
    data = tmp_path / "data"
    data.mkdir()
    for file in paths.DATA.iterdir():
        if file.name != "own":  # a corpus of whoever runs the tests
            (data / file.name).symlink_to(file)
    monkeypatch.setattr(paths, "DATA", data)
    (data / "own").mkdir()
    rows = [f"/elsewhere/{file},{file.split('/')[0]},{file.split('/')[1].split('_')[0]}" for file in FILES]
    (data / "own" / "mine.csv").write_text("\n".join(["path,speaker,emotion", *rows]) + "\n", encoding="utf-8")
    return data / "own"


@pytest.fixture
def vectors():
    return np.random.default_rng(3).standard_normal((len(FILES), DIM)).astype(np.float32)


def everything(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def stored(ptm="theirs", corpus="mine"):
    return store.load(ptm, corpus, "any")


def by_file(vectors, names=FILES):
    """Return vectors in the order of the table, which is sorted."""
    order = sorted(range(len(names)), key=lambda n: f"/elsewhere/{FILES[n]}")
    return vectors[order]


# -- files as people have them ----------------------------------------------------------------------------------


def npz(folder, names, vectors):
    np.savez(folder / "f.npz", files=np.arange(3), filename=np.array(names), emb=vectors)


def npz_of_bytes(folder, names, vectors):
    np.savez(folder / "f.npz", utt_id=np.array([name.encode() for name in names]), x=vectors)


def npz_by_name(folder, names, vectors):
    with zipfile.ZipFile(folder / "f.npz", "w") as archive:
        for name, vector in zip(names, vectors, strict=True):
            with archive.open(f"{name}.npy", "w") as opened:
                np.lib.format.write_array(opened, vector[None])


def npy(folder, names, vectors):
    np.save(folder / "f.npy", vectors)
    (folder / "names.csv").write_text("\n".join(names), encoding="utf-8")


def npy_with_columns(folder, names, vectors):
    np.save(folder / "f.npy", vectors.astype(np.float64))
    text = pd.DataFrame({"n": range(len(names)), "Path": names}).to_csv(index=False, sep=";")
    (folder / "names.csv").write_text(text, encoding="utf-8-sig")


def csv(folder, names, vectors):
    table = pd.DataFrame(vectors, columns=[f"dim_{n}" for n in range(DIM)]).assign(speaker=1, fold=2, file=names)
    table.iloc[:, ::-1].to_csv(folder / "f.csv")  # with pandas' index, and dimensions from the last to the first


def csv_of_features(folder, names, vectors):
    table = pd.DataFrame(vectors, columns=["F0", "loudness mean", "jitter", "hnr", "alpha ratio"])
    table.assign(file=names, start="0 days", text="a, b").to_csv(folder / "f.csv", sep="\t", index=False)


def csv_of_one_column(folder, names, vectors):
    texts = [str([float(value) for value in vector]) for vector in vectors]
    pd.DataFrame({"name": names, "embedding": texts}).to_csv(folder / "f.csv", index=False)


def parquet(folder, names, vectors):
    pd.DataFrame({"audio_path": names, "vec": list(vectors), "label": 1}).to_parquet(folder / "f.parquet")


def parquet_of_columns(folder, names, vectors):
    pd.DataFrame(vectors, index=pd.Index(names, name="file")).rename(columns=str).to_parquet(folder / "f.parquet")


def safetensors(folder, names, vectors):
    save_file({"features": vectors}, folder / "f.safetensors", metadata={"names": json.dumps(names)})


def safetensors_with_names(folder, names, vectors):
    save_file({"features": vectors}, folder / "f.safetensors")
    (folder / "names.csv").write_text("\n".join(["file", *names]), encoding="utf-8")


def safetensors_by_name(folder, names, vectors):
    tensors = {name: torch.from_numpy(v.copy()) for name, v in zip(names, vectors, strict=True)}
    save_torch(tensors, folder / "f.safetensors")


KINDS = [
    npz,
    npz_of_bytes,
    npz_by_name,
    npy,
    npy_with_columns,
    csv,
    csv_of_features,
    csv_of_one_column,
    parquet,
    parquet_of_columns,
    safetensors,
    safetensors_with_names,
    safetensors_by_name,
]


def put(kind, folder, names, vectors):
    """Write a file of a kind; return it, and the table of names where it has one."""
    folder.mkdir(exist_ok=True)
    kind(folder, list(names), vectors)
    return next(folder.glob("f.*")), next(folder.glob("names.csv"), None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_file_is_read_bit_for_bit(own, tmp_path, vectors, kind, shuffled):
    order = np.random.default_rng(1).permutation(len(FILES)) if shuffled else np.arange(len(FILES))
    file, names = put(kind, tmp_path / "given", [f"rec/{FILES[n]}" for n in order], vectors[order])
    imports.add(file, "theirs", "mine", names=names)
    assert stored().vectors.tobytes() == by_file(vectors).tobytes()


def test_bfloat16_is_read(own, tmp_path, vectors):
    half = torch.from_numpy(vectors).bfloat16()
    save_torch({"x": half}, tmp_path / "f.safetensors", metadata={"utterance": json.dumps(FILES)})
    imports.add(tmp_path / "f.safetensors", "theirs", "mine")
    assert np.array_equal(stored().vectors, by_file(half.float().numpy()))


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        (lambda file: f"/elsewhere/{file}", "path"),
        (lambda file: f"D:\\data\\{file}".replace("/", "\\"), "path"),
        (lambda file: f"./{file}", "path"),
        (lambda file: f"rec/{file}".removesuffix(".wav"), "path without suffix"),
        (lambda file: f"{file}".replace(".wav", ".npy"), "path without suffix"),
    ],
)
def test_names_of_other_machines_are_matched_by_folders(own, tmp_path, vectors, named, rule):
    file, _ = put(npz, tmp_path / "given", map(named, FILES), vectors)
    assert f"names matched: {len(FILES)} by {rule}" in imports.add(file, "theirs", "mine")
    assert np.array_equal(stored().vectors, by_file(vectors))


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        (lambda name: f"x/y/{name}.flac", "file name"),
        (lambda name: f"{name}.flac", "path"),
        (lambda name: name, "path without suffix"),
        (lambda name: f"x/{name}.pt", "file name without suffix"),
    ],
)
@pytest.mark.usefixtures("own")
def test_names_of_a_corpus_of_the_pack(tmp_path, named, rule):
    names = corpus_scans.read_scan("emodb").utterances["utterance"]
    rows = np.random.default_rng(0).standard_normal((len(names), 3))
    file, _ = put(npz, tmp_path / "given", map(named, names), rows)
    assert f"names matched: {len(names)} by {rule}" in imports.add(file, "theirs", "emodb")
    assert np.array_equal(stored(corpus="emodb").vectors, rows.astype(np.float32))


def test_ids_name_segments_of_one_file(own, tmp_path):
    rows = ["path,start,end,speaker,emotion", "a.wav,0,1.5,x,anger", "a.wav,1.5,,y,sadness", "b.wav,,,y,anger"]
    (own / "parts.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    three = np.eye(3, 4) + 1
    file, _ = put(npz, tmp_path / "given", ["a.wav#0-1.5", "a.wav#1.5-", "b.wav"], three)
    assert "names matched: 1 by path; 2 by id" in imports.add(file, "theirs", "parts")
    found = stored(corpus="parts")
    assert list(found.utterances["utterance"]) == ["a.wav#0-1.5", "a.wav#1.5-", "b.wav"]
    assert np.array_equal(found.vectors, three.astype(np.float32))
    other, _ = put(npz, tmp_path / "other", ["a.wav", "b.wav"], three[:2])
    with pytest.raises(
        vector_rows.ImportFileError, match=r"row 1: a.wav could be any of a.wav#0-1.5, a.wav#1.5-;"
    ):
        imports.add(other, "theirs", "parts")


# -- files that are refused, and nothing is written -------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def wrong_text(folder, names, vectors):
    (folder / "f.npz").write_bytes(b"no archive at all, and no array")


def wrong_kind(folder, names, vectors):
    npz(folder, names, vectors)
    (folder / "f.npz").rename(folder / "f.parquet")


def wrong_tensors(folder, names, vectors):
    (folder / "f.safetensors").write_bytes(pickle.dumps(Evil()))


def wrong_cut(folder, names, vectors):
    npz(folder, names, vectors)
    file = folder / "f.npz"
    file.write_bytes(file.read_bytes()[:-200])


def wrong_pickle(folder, names, vectors):
    (folder / "f.npy").write_bytes(pickle.dumps(Evil()))
    (folder / "names.csv").write_text("\n".join(names), encoding="utf-8")


def wrong_objects(folder, names, vectors):
    np.savez(folder / "f.npz", utterance=np.array([Evil(), *names[1:]], dtype=object), x=vectors)


def wrong_suffix(folder, names, vectors):
    (folder / "f.pkl").write_bytes(pickle.dumps(Evil()))


def wrong_frames(folder, names, vectors):
    npz(folder, names, np.stack([vectors] * 4, axis=1))


def wrong_complex(folder, names, vectors):
    npz(folder, names, vectors * 1j)


def wrong_two_arrays(folder, names, vectors):
    np.savez(folder / "f.npz", utterance=np.array(names), layer1=vectors, layer2=vectors)


def wrong_no_names(folder, names, vectors):
    np.savez(folder / "f.npz", x=vectors)


def wrong_fewer_names(folder, names, vectors):
    npy(folder, names[:-2], vectors)


def wrong_missing(folder, names, vectors):
    npz(folder, names[:-2], vectors[:-2])


def wrong_extra(folder, names, vectors):
    npz(folder, [*names, "zoe/anger_0.wav"], np.vstack([vectors, vectors[:1] + 1]))


def wrong_twice(folder, names, vectors):
    npz(folder, [*names, names[0]], np.vstack([vectors, vectors[:1] + 1]))


def wrong_two_for_one(folder, names, vectors):
    npz(folder, [*names, f"other/{names[0]}"], np.vstack([vectors, vectors[:1] + 1]))


def wrong_ambiguous(folder, names, vectors):
    npz(folder, [f"{n}/{name.split('/')[-1]}" for n, name in enumerate(names)], vectors)


def wrong_empty_name(folder, names, vectors):
    npz(folder, ["", *names[1:]], vectors)


def wrong_nan(folder, names, vectors):
    vectors[4, 1] = np.nan
    parquet(folder, names, vectors)


def wrong_overflow(folder, names, vectors):
    wide = vectors.astype(float)
    wide[2, 0] = 1e300
    npz(folder, names, wide)


def wrong_zeros(folder, names, vectors):
    vectors[3] = 0
    csv(folder, names, vectors)


def wrong_constant(folder, names, vectors):
    vectors[3] = 7
    npz(folder, names, vectors)


def wrong_equal(folder, names, vectors):
    vectors[5] = vectors[1]
    npz(folder, names, vectors)


def wrong_number(folder, names, vectors):
    csv(folder, names, vectors)
    file = folder / "f.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[6] = lines[6].rsplit(",", 1)[0] + ",n/a"
    file.write_text("\n".join(lines), encoding="utf-8")


def wrong_cells(folder, names, vectors):
    csv(folder, names, vectors)
    with open(folder / "f.csv", "a", encoding="utf-8") as file:
        file.write("1,2,3\n")


def wrong_lengths(folder, names, vectors):
    rows = [list(vector) for vector in vectors]
    rows[2] = rows[2][:-1]
    pd.DataFrame({"file": names, "vec": rows}).to_parquet(folder / "f.parquet")


def wrong_lengths_of_keys(folder, names, vectors):
    rows = dict(zip(names, vectors, strict=True))
    save_file(rows | {names[2]: rows[names[2]][:-1].copy()}, folder / "f.safetensors")


def wrong_gap(folder, names, vectors):
    columns = ["f0", "f1", "f3", "f4", "f5"]
    pd.DataFrame(vectors, columns=columns).assign(file=names).to_csv(folder / "f.csv", index=False)


def wrong_more_numbers(folder, names, vectors):
    table = pd.DataFrame(vectors).rename(columns=str).assign(file=names, arousal=0.5)
    table.to_parquet(folder / "f.parquet")


def wrong_encoding(folder, names, vectors):
    (folder / "f.csv").write_bytes("file,f0,f1\nJürgen.wav,1,2\n".encode("latin-1"))


def wrong_empty(folder, names, vectors):
    (folder / "f.csv").write_text("file,f0,f1\n", encoding="utf-8")


WRONG = {
    wrong_text: "f.npz: could only be read as Python objects",
    wrong_kind: "f.parquet: no whole .parquet file",
    wrong_tensors: "f.safetensors: no whole .safetensors file",
    wrong_cut: "f.npz: no whole .npz file",
    wrong_pickle: "f.npy: could only be read as Python objects",
    wrong_objects: "f.npz, key 'utterance': could only be read as Python objects",
    wrong_suffix: "f.pkl: the suffix .pkl is not known; save it as .npz",
    wrong_frames: r"f.npz: vectors of the shape \(18, 4, 5\); .* average frames",
    wrong_complex: "f.npz: vectors of type complex64; save them as float32",
    wrong_two_arrays: r"f.npz: which array holds the vectors cannot be told \(.*layer1.*layer2",
    wrong_no_names: "f.npz: no array names the utterances; call it `utterance`",
    wrong_fewer_names: "names.csv: 16 names of 18 vectors",
    wrong_missing: "f.npz: 2 of 18 utterances of mine have no vector: .*sadness_1.wav, .*sadness_2.wav; embed",
    wrong_extra: r"f.npz: 1 rows are no utterance of mine: zoe/anger_0.wav \(row 19\); delete .*--extra",
    wrong_twice: r"f.npz, row 19: ann/anger_0.wav is there twice \(row 1\); keep one",
    wrong_two_for_one: r"row 19: other/ann/anger_0.wav and ann/anger_0.wav \(row 1\) are both the utterance",
    wrong_ambiguous: "row 1: 0/anger_0.wav could be any of .*ann/anger_0.wav, .*17 more names",
    wrong_empty_name: "row 1: no name",
    wrong_nan: r"f.parquet, row 5, .*: its vector has a number that is not finite; embed",
    wrong_overflow: "row 3, .* not finite",
    wrong_zeros: "f.csv, line 5, ann/sadness_0.wav: its vector has nothing but zeros",
    wrong_constant: "row 4, .* one number, repeated",
    wrong_equal: "2 vectors equal another's, .*: .*anger_1.wav = .*sadness_2.wav; .*--equal",
    wrong_number: "f.csv, line 7: 'n/a' in the column 'dim_0' is no number",
    wrong_cells: "f.csv, line 20: 3 cells, where there are 9 columns",
    wrong_lengths: "f.parquet, row 3: 4 numbers, where row 1 has 5",
    wrong_lengths_of_keys: "4 numbers, where .* has 5; every vector must have one dimension",
    wrong_gap: "f.csv: the column f2 is missing",
    wrong_more_numbers: r"beside the numbered columns 0 to 4 there are other numbers \(arousal\)",
    wrong_encoding: "f.csv, line 2: the byte 0xFC",
    wrong_empty: "f.csv: has no rows",
}


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.__name__)
def test_a_wrong_file_is_refused_and_nothing_is_written(own, tmp_path, vectors, kind):
    file, names = put(kind, tmp_path / "given", FILES, vectors)
    before = everything(tmp_path)
    with pytest.raises(vector_rows.ImportFileError, match=WRONG[kind]) as refused:
        imports.add(file, "theirs", "mine", names=names)
    assert ";" in str(refused.value)  # a remedy
    assert everything(tmp_path) == before


def test_at_least_fifteen_kinds_are_refused():
    assert len(WRONG) >= 15


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ptm": "whisper-base"}, "a model of this name is run here"),
        ({"ptm": "emodb"}, "there is a corpus of this name"),
        ({"ptm": "E2V (large)"}, "use e2v-large, and --title"),
        ({"title": "whisper"}, "another model has this name"),
        ({"note": "two\nlines"}, "--note .*one line"),
        ({"corpus": "mien"}, "did you mean 'mine'"),
    ],
)
def test_a_wrong_name_is_refused(own, tmp_path, vectors, given, message):
    file, _ = put(npz, tmp_path / "given", FILES, vectors)
    with pytest.raises(ValueError, match=message):
        imports.add(file, **{"ptm": "theirs", "corpus": "mine"} | given)
    assert not added_files.files()


def test_files_that_are_not_there_are_named(own, tmp_path):
    with pytest.raises(vector_rows.ImportFileError, match=r"no.npz: there is no such file"):
        imports.add(tmp_path / "no.npz", "theirs", "mine")


# -- what is accepted on request ------------------------------------------------------------------------------


def test_rows_of_other_corpora_are_left_out_on_request(own, tmp_path, vectors):
    file, _ = put(wrong_extra, tmp_path / "given", FILES, vectors)
    said = "\n".join(imports.add(file, "theirs", "mine", extra=True))
    assert "left out, 1 rows that are no utterance of the corpus: zoe/anger_0.wav" in said
    assert np.array_equal(stored().vectors, by_file(vectors))


def test_equal_vectors_are_taken_on_request(own, tmp_path, vectors):
    file, _ = put(wrong_equal, tmp_path / "given", FILES, vectors)
    imports.add(file, "theirs", "mine", equal=True)
    assert len(np.unique(stored().vectors, axis=0)) == len(FILES) - 1


@pytest.mark.usefixtures("own")
def test_equal_vectors_of_audio_that_is_known_to_be_the_same(tmp_path):
    names = list(file_lists.file_list("cremad")["utterance"])
    rows = np.random.default_rng(0).standard_normal((len(names), 3))
    one, other = next(iter(corpus_registry.get("cremad").same_audio))
    rows[names.index(one)] = rows[names.index(other)]
    file, _ = put(npz, tmp_path / "given", names, rows)
    imports.add(file, "theirs", "cremad")
    assert len(stored(corpus="cremad").vectors) == len(names)


def test_rows_whose_label_stands_for_nothing_may_be_there(own, tmp_path, vectors):
    (own / "mine.yaml").write_text("emotions: {sadness: }\n", encoding="utf-8")
    file, _ = put(npz, tmp_path / "given", FILES, vectors)
    said = "\n".join(imports.add(file, "theirs", "mine"))
    assert "left out, 9 rows of the corpus, but not among the utterances that are used: ann/sadness_0.wav" in said
    assert len(stored().vectors) == 9


# -- in the store, and away again -----------------------------------------------------------------------------


@pytest.fixture
def added(own, tmp_path, vectors):
    file, _ = put(npz, tmp_path / "given", FILES, vectors)
    imports.add(file, "theirs", "mine", by="A. Person", on="2026-03-01", note="layer 9", title="Theirs!")
    return file


@pytest.mark.parametrize("source", store_folders.SOURCES)
@pytest.mark.usefixtures("added")
def test_a_corpus_without_audio_has_its_table(source):
    table = store.load("theirs", "mine", source).utterances
    assert set(table["speaker"]) == set(SPEAKERS)
    assert set(table["sha256"]) == {""}
    assert corpus_scans.read_scan("mine", source).utterances.equals(table)
    assert availability.needs_of_corpus("mine") == (
        f"audio: none of the files that {corpus_registry.get('mine').home} names is here"
    )


@pytest.mark.usefixtures("added")
def test_the_model_is_one_of_the_registry_and_says_where_it_is_from():
    model = model_registry.get("theirs")
    assert (model.name, model.dimension, model.family) == ("Theirs!", DIM, "made elsewhere")
    assert model.handle == "made elsewhere, by A. Person, on 2026-03-01 (layer 9)"
    assert "theirs" in set(model_registry.overview()["id"])
    assert loading.poolings("theirs")["clip"]
    assert extractor_checks.padding("theirs", None)[0].startswith("nothing: nothing here runs Theirs!")
    assert extractor_checks.network("theirs").loc["dimension", "registry"] == DIM
    assert availability.made_elsewhere(["mine", "emodb"]) == ["theirs"]
    assert not availability.can_extract("theirs", "emodb")
    assert "add FILE --model theirs --corpus" in availability.needs_of_model("theirs")


def test_a_model_of_the_registry_that_nothing_here_runs_keeps_its_entry_and_is_in_the_book(own, tmp_path):
    wide = np.random.default_rng(3).standard_normal((len(FILES), 768)).astype(np.float32)
    assert "emotion2vec-base" not in model_registry.of_this_book()
    file, _ = put(npz, tmp_path / "given", FILES, wide)
    imports.add(file, "emotion2vec-base", "mine", by="A. Person")
    model = model_registry.get("emotion2vec-base")
    assert model.name == "emotion2vec"
    assert model.handle.startswith("emotion2vec/emotion2vec_base, made elsewhere, by A. Person")
    assert model_registry.heard("emotion2vec-base", "iemocap") == "audio"
    assert "emotion2vec-base" in model_registry.of_this_book()
    assert availability.is_stored("emotion2vec-base", "mine", "any")


def test_of_such_a_model_another_dimension_is_refused(own, tmp_path, vectors):
    file, _ = put(npz, tmp_path / "given", FILES, vectors)
    with pytest.raises(vector_rows.ImportFileError, match=r"5 dim.* data/models_of_benchmarks\.yaml has 768"):
        imports.add(file, "emotion2vec-base", "mine")


def test_unknown_makers_are_said_to_be_unknown(own, tmp_path, vectors):
    file, _ = put(npz, tmp_path / "given", FILES, vectors)
    imports.add(file, "theirs", "mine")
    assert model_registry.get("theirs").handle == "made elsewhere; by whom and when is not known"


def grid():
    settings = protocol_settings.load("epochs=2,fcn_widths=4")
    heads, regimes = ["fcn", "logistic"], ["stratified", "speaker"]
    return evaluate.grid(
        ["theirs"], ["mine"], ["mine"], heads, regimes, [0], settings, source="any", workers=1, device="cpu"
    )[0]


@pytest.mark.usefixtures("added")
def test_it_is_trained_and_tested_on_and_predictions_say_where_it_is_from():
    predictions = grid()
    assert len(predictions) == 2 * 2 * len(FILES)
    file = next(file for file in (paths.BUILD / "predictions" / "theirs" / "mine").glob("fcn-*.parquet"))
    record = table_files.read_record(file)["embeddings"]["mine"]
    assert record["device"] == "made elsewhere, by A. Person, on 2026-03-01"
    assert record["note"] == "layer 9"


def test_a_changed_file_makes_predictions_anew_and_nothing_stale_stays(own, added, tmp_path, vectors):
    first = grid()
    changed, _ = put(npz, tmp_path / "changed", FILES, vectors[::-1])
    assert "replaced" in imports.add(changed, "theirs", "mine")[-1]
    assert not grid().equals(first)
    page = paths.BUILD / "demo" / "notebooks" / "models" / "theirs.ipynb"
    page.parent.mkdir(parents=True)
    page.touch()
    said = "\n".join(imports.remove("theirs"))
    assert "predictions/theirs" in said
    assert not list(paths.BUILD.rglob("*theirs*"))
    assert not added_files.files()
    with pytest.raises(known_names.UnknownNameError):
        model_registry.get("theirs")
    with pytest.raises(store_folders.NotStoredError):
        corpus_scans.read_scan("mine", "any")
    imports.add(added, "theirs", "mine")
    assert grid().equals(first)


def test_one_corpus_can_be_taken_away(own, added, tmp_path, vectors):
    (own / "other.csv").write_bytes((own / "mine.csv").read_bytes())
    imports.add(added, "theirs", "other")
    imports.remove("theirs", "mine")
    assert [file.stem for file in added_files.files("theirs")] == ["other"]
    with pytest.raises(ValueError, match="nothing was added of theirs on mine; added are: theirs on other"):
        imports.remove("theirs", "mine")


def test_a_model_has_one_dimension(own, added, tmp_path, vectors):
    (own / "other.csv").write_bytes((own / "mine.csv").read_bytes())
    file, _ = put(npz, tmp_path / "wide", FILES, np.hstack([vectors, vectors]))
    with pytest.raises(vector_rows.ImportFileError, match=r"10 dimensions, where .*mine.safetensors has 5"):
        imports.add(file, "theirs", "other")
    imports.add(file, "theirs", "mine")  # in its place, it may have another
    assert stored().vectors.shape == (len(FILES), 10)


def test_a_table_that_got_more_rows_asks_for_their_vectors(own, added):
    with open(own / "mine.csv", "a", encoding="utf-8") as file:
        file.write("/elsewhere/ann/anger_9.wav,ann,anger\n")
    with pytest.raises(
        store_folders.StoredWrongError, match=r"no vector for 1 utterances .*anger_9.wav; add it again"
    ):
        stored()


@pytest.mark.usefixtures("added")
def test_a_damaged_file_is_named_with_its_remedy():
    file = added_files.path("theirs", "mine")
    file.write_bytes(file.read_bytes()[:-9])
    assert model_registry.get("theirs")
    with pytest.raises(
        store_folders.StoredWrongError, match=r"mine.safetensors: not a whole.*add it again: `python"
    ):
        stored()
    file.write_bytes(b"")
    with pytest.raises(store_folders.StoredWrongError, match="take it away: `python"):
        stored()
    imports.remove("theirs")


@pytest.mark.usefixtures("added")
def test_a_model_that_came_to_be_run_here_is_not_mixed_with_what_was_added():
    added_files.path("theirs", "mine").parent.rename(added_files.folder() / "mfcc")
    with pytest.raises(model_registry.NotAvailableError, match="a model mfcc is run here; remove what was added"):
        model_registry.get("mfcc")
    imports.remove("mfcc")
    assert model_registry.get("mfcc").loader == "mfcc"


# -- the other way --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", exports.KINDS)
@pytest.mark.parametrize(("ptm", "pooling"), [("mfcc", ""), ("whisper-base", "window")])
@pytest.mark.usefixtures("own")
def test_what_is_written_comes_back_bit_for_bit(tmp_path, suffix, ptm, pooling):
    written = store.load(ptm, "emodb", "pack", pooling)
    exports.write(written, tmp_path / f"f{suffix}")
    imports.add(tmp_path / f"f{suffix}", "theirs", "emodb")
    assert stored(corpus="emodb").vectors.tobytes() == written.vectors.tobytes()
    exports.write(stored(corpus="emodb"), tmp_path / f"again{suffix}")
    rows = imports.read(tmp_path / f"again{suffix}")
    assert rows.vectors.astype(np.float32).tobytes() == written.vectors.tobytes()
    assert rows.names == list(written.utterances["utterance"])


@pytest.mark.usefixtures("own")
def test_what_is_written_says_what_made_it(tmp_path):
    exports.write(store.load("mfcc", "emodb"), tmp_path / "f.npz")
    exports.write(store.load("mfcc", "emodb"), tmp_path / "f.parquet")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as opened:
        facts = json.loads(str(opened["made_by"]))
        assert set(opened["emotion"]) == set(pd.read_parquet(tmp_path / "f.parquet")["emotion"])
    assert facts == table_files.read_record(tmp_path / "f.parquet")
    assert facts["ptm"] == "mfcc"
    assert facts["libraries"]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"), [("f.npz", "is there already"), ("f.txt", "name it .npz or .parquet")]
)
def test_no_file_is_overwritten_or_of_another_kind(tmp_path, name, message):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=message):
        exports.write(store.load("mfcc", "emodb"), tmp_path / name)


# -- commands -------------------------------------------------------------------------------------------------


def test_the_commands(own, tmp_path, vectors, capsys):
    file, names = put(npy, tmp_path / "given", FILES, vectors)
    given = ["--model", "theirs", "--corpus", "mine"]
    commands.main(["add", str(file), *given, "--names", str(names), "--by", "B", "--date", "May"])
    assert "18 by path" in capsys.readouterr().out
    commands.main(["list"])
    assert "made elsewhere, by B, on May" in capsys.readouterr().out
    commands.main(["export", str(tmp_path / "out.npz"), *given])
    assert "18 vectors of 5 dimensions" in capsys.readouterr().out
    commands.main(["remove", "--model", "theirs"])
    assert "removed" in capsys.readouterr().out
    commands.main(["list"])
    assert "nothing was added" in capsys.readouterr().out
