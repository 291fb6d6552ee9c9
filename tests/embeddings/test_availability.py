import pytest

from crosscorpus.base import known_names, paths
from crosscorpus.embeddings import availability, corpus_scans, embedding_files, store, store_folders
from crosscorpus.models import model_registry
from tests.embeddings.test_store import PTM, metadata_of, scan_of, vectors_of

pytestmark = pytest.mark.usefixtures("no_mirror", "empty_caches")


@pytest.fixture
def empty_caches(tmp_path, monkeypatch):
    """No weights and no audio but what a test puts there."""
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)


@pytest.fixture
def store_pair(pack_folder):
    def put(ptm, corpus):
        scan = scan_of(corpus)
        corpus_scans.write_scan(corpus, scan, pack_folder)
        vectors = vectors_of(scan.utterances)[:, : model_registry.get(ptm).dimension]
        metadata = metadata_of(scan.utterances, model_registry.get(ptm).pooling)
        embedding_files.write_embeddings(store.embeddings_path(ptm, corpus, "", "", "pack"), vectors, metadata)

    return put


@pytest.fixture
def mirror_with(tmp_path):
    def make(*folders):
        for folder in folders:
            (tmp_path / "mirror" / folder).mkdir(parents=True)
            (tmp_path / "mirror" / folder / "a.wav").touch()  # an empty folder is no corpus
        return str(tmp_path / "mirror")

    return make


def rows(table):
    return {(row.kind, row.name): row.needs for row in table.itertuples(index=False)}


def test_overview_tells_run_from_not_yet_run(store_pair):
    store_pair(PTM, "emodb")
    table = availability.overview([PTM, "trillsson4"], ["emodb", "ravdess"], "pack")
    assert list(table.index) == ["Whisper", "TRILLsson"]
    assert list(table.columns) == ["Emo-DB", "RAVDESS"]
    assert table.to_numpy().tolist() == [
        [availability.RUN, availability.NOT_YET],
        [availability.NOT_YET, availability.NOT_YET],
    ]


def test_overview_takes_the_whole_registry(store_pair):
    store_pair(PTM, "emodb")
    table = availability.overview(model_registry.registry(), iter(["emodb"]), "pack")
    assert (table == availability.RUN).sum().sum() == 1
    assert len(table) == len(model_registry.registry())


@pytest.mark.usefixtures("build_folder")
def test_without_any_store_nothing_is_run():
    table = availability.overview([PTM, "trillsson4"], ["emodb", "cremad"], "audio")
    assert (table == availability.NOT_YET).all(axis=None)


def test_a_corpus_that_was_not_run_needs_its_audio(store_pair):
    store_pair(PTM, "emodb")
    found = rows(availability.needed([PTM], ["emodb", "cremad"], "pack"))
    assert list(found) == [("corpus", "CREMA-D")]
    assert "corpora/cremad/" in found["corpus", "CREMA-D"]
    assert "downloads cremad" in found["corpus", "CREMA-D"]


@pytest.mark.usefixtures("pack_folder")
def test_a_model_needs_its_weights():
    needs = rows(availability.needed([PTM], ["emodb"], "pack"))["model", "Whisper"]
    assert "downloads whisper-base" in needs
    assert "weights/whisper-base/" in needs


@pytest.mark.usefixtures("pack_folder")
def test_a_model_that_takes_a_package_of_its_own_names_it(monkeypatch):
    monkeypatch.setattr(availability.importlib.util, "find_spec", lambda name: None)
    assert availability.needs_of_model("egemaps") == "the package opensmile: `make opensmile`"


@pytest.mark.usefixtures("pack_folder")
def test_what_is_here_needs_nothing_but_a_run(mirror_with):
    mirror = mirror_with("corpora/emodb", "weights/whisper-base")
    found = rows(availability.needed([PTM], ["emodb"], "pack", mirror))
    assert set(found.values()) == {"nothing more: `make paper` runs it"}


def test_models_that_were_run(store_pair):
    store_pair(PTM, "emodb")
    assert availability.models_run(["ravdess", "emodb"], "pack") == [PTM]


def test_what_was_run_is_not_listed(store_pair):
    store_pair(PTM, "emodb")
    assert availability.needed([PTM], ["emodb"], "pack").empty


def test_a_pair_that_was_not_run_is_listed_though_its_model_and_corpus_were(store_pair, monkeypatch):
    other = model_registry.Model(**(vars(model_registry.get(PTM)) | {"id": "whisper-own", "name": "Own"}))
    known = model_registry.registry() | {"whisper-own": other}
    monkeypatch.setattr(model_registry, "registry", lambda: known)
    store_pair(PTM, "emodb")
    store_pair(PTM, "ravdess")
    store_pair("whisper-own", "emodb")
    table = availability.overview([PTM, "whisper-own"], ["emodb", "ravdess"], "pack")
    assert table.loc["Own", "RAVDESS"] == availability.NOT_YET
    assert not availability.needed([PTM, "whisper-own"], ["emodb", "ravdess"], "pack").empty


@pytest.mark.parametrize(
    ("ptm", "folders", "expected"),
    [
        (PTM, ["corpora/emodb", "weights/whisper-base"], True),
        (PTM, ["corpora/emodb"], False),
        (PTM, ["corpora/ravdess", "weights/whisper-base"], False),
        (PTM, ["weights/whisper-base"], False),
        ("mfcc", ["corpora/emodb"], True),
        ("wavlm-base-untrained", ["corpora/emodb"], True),
    ],
)
def test_a_pair_can_be_extracted_with_weights_and_audio(mirror_with, ptm, folders, expected):
    assert availability.can_extract(ptm, "emodb", mirror_with(*folders)) is expected


def test_nothing_can_be_extracted_without_a_mirror():
    assert not availability.can_extract(PTM, "emodb")


@pytest.mark.parametrize(("ptm", "corpus"), [("whisper", "emodb"), (PTM, "emo-db")])
def test_a_misspelt_name_is_refused(ptm, corpus):
    with pytest.raises(known_names.UnknownNameError, match="did you mean"):
        availability.can_extract(ptm, corpus)


def test_a_broken_store_is_not_taken_for_not_yet_run(store_pair):
    store_pair(PTM, "emodb")
    store.embeddings_path(PTM, "emodb", "", "", "pack").write_bytes(b"half")
    with pytest.raises(store_folders.StoredWrongError):
        availability.overview([PTM], ["emodb"], "pack")


def test_commands_fetch_what_can_be_fetched_and_then_make_the_embeddings():
    fetch, make = availability.commands("wavlm-base", "emodb")
    assert fetch == "python -m crosscorpus.embeddings.downloads wavlm-base emodb"
    assert make.endswith("-p ptm wavlm-base -p corpora emodb")
    assert availability.commands("whisper-base-untrained", "emodb")[0].endswith("downloads emodb")
    assert availability.commands("egemaps", "emodb")[0] == "make opensmile"
