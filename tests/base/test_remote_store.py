"""A store in a bucket: what is sent and fetched, and that nothing half-written is found there."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import uuid

import fsspec
import numpy as np
import pytest

from crosscorpus.base import paths, remote_store
from crosscorpus.embeddings import embedding_files, extraction, portions, sharding, store, store_folders
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import evaluate
from tests.embeddings.test_extraction import audio_mirror  # noqa: F401

NO_SERVER = "no moto on this machine (pip install 'moto[server]'): no bucket was written to"


@pytest.fixture
def build(build_folder):
    """Two machines that share a store, one after the other: `build("other")` changes to it."""

    def change(name):
        paths.BUILD = build_folder.with_name(name)  # undone by `build_folder`
        return paths.BUILD

    return change


@pytest.fixture(scope="module")
def server():
    if importlib.util.find_spec("moto") is None:
        pytest.skip(NO_SERVER)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["memory", "file", "s3"])
def address(request, tmp_path, monkeypatch):
    where = f"memory://{uuid.uuid4().hex}/store"
    if request.param == "file":
        where = f"file://{tmp_path}/shared"
    if request.param == "s3":
        where = bucket(request.getfixturevalue("server"), monkeypatch)
    monkeypatch.setenv(paths.STORE_SETTING, where)
    return where


def bucket(server, monkeypatch):
    """Return the address of a new bucket; where it is, and for whom, is told as Amazon's tools are."""
    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    from pyarrow import fs

    name = uuid.uuid4().hex
    fs.S3FileSystem(endpoint_override=server, region="us-east-1", allow_bucket_creation=True).create_dir(name)
    return f"s3://{name}/store"


def listed(address):
    files, root = remote_store._opened(address), remote_store._root(address)
    return sorted(name.removeprefix(root).lstrip("/") for name in files.find(root))


def put(name, content=b"content"):
    file = paths.BUILD / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


# -- files ----------------------------------------------------------------------------------------------------


def test_without_a_setting_nothing_is_sent_or_fetched(build_folder, monkeypatch):
    monkeypatch.delenv(paths.STORE_SETTING, raising=False)
    monkeypatch.setattr(remote_store, "_opened", None)
    remote_store.send(put("embeddings/a.bin"))
    assert remote_store.here(build_folder / "embeddings" / "a.bin")
    assert not remote_store.here(build_folder / "embeddings" / "b.bin")


def test_what_one_machine_sends_another_finds(build, address):
    build("one")
    remote_store.send(put("embeddings/a b/ä.bin"), put("embeddings/empty.bin", b""))
    assert listed(address) == ["embeddings/a b/ä.bin", "embeddings/empty.bin"]
    other = build("other")
    assert remote_store.here(other / "embeddings" / "a b" / "ä.bin")
    assert (other / "embeddings" / "a b" / "ä.bin").read_bytes() == b"content"
    assert not remote_store.here(other / "embeddings" / "absent.bin")
    assert not remote_store.here(paths.PACK / "absent.bin")
    remote_store.send(put("embeddings/empty.bin", b"new"))  # what is there is replaced
    assert remote_store.here(build("third") / "embeddings" / "empty.bin")
    assert (paths.BUILD / "embeddings" / "empty.bin").read_bytes() == b"new"
    assert [f.name for f in paths.BUILD.rglob("*") if f.is_file()] == ["empty.bin"]


def test_what_fails_in_the_middle_is_not_found(build, address, monkeypatch):
    build("one")
    file = put("embeddings/a.bin", bytes(100_000))
    files = type(remote_store._opened(address))
    put_file = files.put_file

    def breaks(self, local, name, **options):
        put_file(self, local, name, **options)
        with self.open(name, "wb") as opened:
            opened.write(b"half")
        raise OSError("the line is cut")

    monkeypatch.setattr(files, "put_file", breaks)
    with pytest.raises(remote_store.RemoteStoreError, match=r"a\.bin cannot be written there \(the line is cut\)"):
        remote_store.send(file)
    assert listed(address) == []
    monkeypatch.setattr(files, "put_file", put_file)
    assert not remote_store.here(build("other") / "embeddings" / "a.bin")


def test_a_store_that_is_not_there_is_named(build_folder, server, monkeypatch):
    monkeypatch.setenv(paths.STORE_SETTING, bucket(server, monkeypatch).replace("s3://", "s3://absent-"))
    with pytest.raises(remote_store.RemoteStoreError, match=r"s3://absent-.*a\.bin cannot be written there"):
        remote_store.send(put("embeddings/a.bin"))


def test_an_address_of_no_known_kind_is_named(build_folder, monkeypatch):
    monkeypatch.setenv(paths.STORE_SETTING, "pigeon://post")
    with pytest.raises(remote_store.RemoteStoreError, match=r"pigeon://post: .* check the address"):
        remote_store.here(paths.BUILD / "embeddings" / "a.bin")


SENDS = """
import sys
from pathlib import Path
from crosscorpus.base import paths, remote_store
paths.BUILD = Path(sys.argv[1])
print("ready", flush=True)
for file in sys.argv[2:]:
    remote_store.send(paths.BUILD / file)
    print(file, flush=True)
"""


@pytest.mark.parametrize("address", ["file", "s3"], indirect=True)
def test_of_a_killed_upload_nothing_half_written_is_found(build, address):
    """Killed at any instant, after a file or in the middle of one: what is found is whole."""
    folder = build("one")
    content = np.random.default_rng(0).bytes(12_000_000)
    counts = []
    for after in (0.0, 0.03, 0.1, 0.3):
        names = [f"embeddings/{after}/{n}.bin" for n in range(4)]
        for name in names:
            put(name, content)
        command = [sys.executable, "-c", SENDS, str(folder), *names]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=paths.ROOT) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(after)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        other = build("other")
        found = [name for name in names if remote_store.here(other / name)]
        assert all((other / name).read_bytes() == content for name in found)
        counts.append(len(found))
        build("one")
    assert min(counts) < 4  # some were killed before their end
    remote_store.send(*(folder / name for name in names))
    assert set(names) <= set(listed(address))


# -- the product's stores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["memory", "s3"], indirect=True)
def test_what_is_made_on_one_machine_is_found_on_another(build, address, audio_mirror, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sharding, "SHARD", {"cpu": 8})
    grid = (["mfcc"], ["emodb"], ["emodb"], ["majority"], ["stratified"], [0])
    settings = protocol_settings.load("")
    build("one")
    for number in (1, 2):
        portions.embed("mfcc", "emodb", number, 2, mirror=audio_mirror, device="cpu", workers=1)
    portions.join("mfcc", "emodb", 2, mirror=audio_mirror)
    made = store.load("mfcc", "emodb", "audio")
    predictions, _ = evaluate.grid(*grid, settings, source="audio", workers=1)
    assert not [name for name in listed(address) if ".part" in name or "/." in name]

    build("other")
    monkeypatch.setattr(sharding, "run", None)  # nothing is encoded
    monkeypatch.setattr(evaluate, "_run", None)  # and nothing trained
    found = store.load("mfcc", "emodb", "audio")
    np.testing.assert_array_equal(found.vectors, made.vectors)
    assert (found.metadata, found.run) == (made.metadata, made.run)
    again, _ = evaluate.grid(*grid, settings, source="audio", workers=1)
    assert again.equals(predictions)
    extraction.embed("mfcc", "emodb", mirror=audio_mirror, device="cpu", workers=1)
    (whole,) = (store_folders.folder("audio") / "mfcc").glob("*.safetensors")
    assert len(embedding_files.portions_of(whole)) == 2


def test_the_store_of_a_file_system_is_laid_out_as_the_folder(build, tmp_path, monkeypatch):
    monkeypatch.setenv(paths.STORE_SETTING, f"file://{tmp_path}/shared/")
    build("one")
    remote_store.send(put("predictions/mfcc/a.parquet"))
    assert (tmp_path / "shared" / "predictions" / "mfcc" / "a.parquet").read_bytes() == b"content"
    assert fsspec.filesystem("file").isfile(f"{tmp_path}/shared/predictions/mfcc/a.parquet")
