import dataclasses
import hashlib
import http.server
import io
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import textwrap
import threading
import types
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http, _shared_blobs

from crosscorpus.base import paths, web
from crosscorpus.embeddings import availability
from crosscorpus.models import model_registry, weights

BODY = random.Random(0).randbytes(1_000_000)
BLOCK = 2**14
NOTES = (".json", ".yaml")
HEAVY = ("torch", "transformers", "tensorflow", "tensorflow_hub", "keras", "speechbrain", "hf_xet")
PTM = "whisper-base"
BIG = "model.safetensors"
KAGGLE_PATH = "/api/v1/models/google/trillsson/tensorFlow2/4/1/download"
TFHUB_PATH = "/google/nonsemantic-speech-benchmark/trillsson4/1?tf-hub-format=compressed"
HUB_MODELS = [key for key, model in model_registry.registry().items() if model.home == "huggingface"]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` as the hub does, each request as the next entry of `server.plans[path]` says.

    What is large is not in the repository: the hub sends on to where it is, here a second server.
    """

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        server, asked = self.server, self.headers.get("Range", "")
        plans = server.plans.get(f"{self.command} {self.path}") or server.plans.get(self.path) or [{}]
        plan = plans.pop(0)
        server.seen.append((self.command, self.path, asked))
        body = server.files.get(self.path)
        large = server.stores and self.path in server.large
        code = plan.get("status") or (404 if body is None else 302 if large else 200)
        headers = {"X-Repo-Commit": self.path.split("/")[4]} if "/resolve/" in self.path else {}
        if code in (200, 302):
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            sent = body[start:]
            if large:
                headers |= {"X-Linked-Etag": f'"{sha256(body)}"', "X-Linked-Size": str(len(body))}
                headers |= {"Location": server.stores + self.path}
                sent = b""
            else:
                headers |= {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "Accept-Ranges": "bytes"}
            if start:
                code = 206
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        else:
            sent = b"no"
            headers["X-Error-Code"] = plan.get("code", "EntryNotFound")
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(sent)), **plan.get("headers", {})}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = plan.get("cut", len(sent))
        self.wfile.write(sent[:cut])
        if plan.get("then") == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wfile.flush()
            server.stopping.wait(0.1)  # until what was sent is read: a reset throws away the rest
            self.connection.close()
        elif plan.get("then") == "stall":
            server.stopping.wait(5)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, stores=""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.large, self.plans, self.seen, self.stores = {}, set(), {}, [], stores
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):  # such as of a client that has gone
        pass

    def asked(self):
        return [(method, path) for method, path, _ in self.seen]


@pytest.fixture
def serve():
    servers = []

    def start(stores=""):
        server = Server(stores)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        servers.append((server, thread))
        thread.start()
        return server

    yield start
    for server, thread in servers:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch, no_mirror):
    clock = types.SimpleNamespace(sleep=lambda seconds: None)
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(web, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv(paths.CACHE_SETTING, str(tmp_path / "cache"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", BLOCK)


def point_at(monkeypatch, url):
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def path_of(ptm, file):
    model = model_registry.get(ptm)
    return f"/{model.handle}/resolve/{model.revision}/{file}"


def content_of(ptm, file):
    return json.dumps({ptm: file}).encode() if file.endswith(NOTES) else ptm.encode() + BODY


def change(monkeypatch, ptm, **fields):
    """Let the registry say something else of a model."""
    models = {**model_registry.registry(), ptm: dataclasses.replace(model_registry.get(ptm), **fields)}
    monkeypatch.setattr(model_registry, "registry", lambda: models)


@pytest.fixture
def store(serve):
    """Stand in for where the hub has its large files."""
    return serve()


@pytest.fixture
def hub(serve, store, monkeypatch):
    """Stand in for the hub, with all of the registry's models, and checksums of what it serves."""
    server = serve(store.url)
    models = dict(model_registry.registry())
    for ptm in HUB_MODELS:
        sums = {}
        for file in models[ptm].files:
            path, content = path_of(ptm, file), content_of(ptm, file)
            server.files[path] = content
            sums[file] = "" if file.endswith(NOTES) else sha256(content)
            if sums[file]:
                server.large.add(path)
                store.files[path] = content
        models[ptm] = dataclasses.replace(models[ptm], files={**models[ptm].files, **sums})
    monkeypatch.setattr(model_registry, "registry", lambda: models)
    point_at(monkeypatch, server.url)
    return server


def failure(ptm=PTM, mirror=None):
    with pytest.raises(model_registry.NotAvailableError) as caught:
        weights.fetch(ptm, mirror)
    message = str(caught.value)
    assert message.startswith(f"{model_registry.get(ptm).name}: ")
    assert "\n" not in message
    return message


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expected_contents(ptm=PTM):
    return {file: content_of(ptm, file) for file in model_registry.get(ptm).files}


# -- Hugging Face: what goes well -----------------------------------------------------------------------------


@pytest.mark.parametrize("ptm", HUB_MODELS)
def test_the_files_of_the_entry_come_at_its_revision_and_nothing_else_is_asked_for(ptm, hub, store):
    assert weights.find(ptm) is None
    folder = weights.fetch(ptm)
    assert contents(folder) == expected_contents(ptm)
    assert folder.name == model_registry.get(ptm).revision
    small = [path_of(ptm, file) for file in model_registry.get(ptm).files if file.endswith(NOTES)]
    large = [path_of(ptm, file) for file in model_registry.get(ptm).files if not file.endswith(NOTES)]
    assert sorted(hub.asked()) == sorted(
        [("HEAD", path) for path in small + large] + [("GET", path) for path in small]
    )
    assert store.asked() == [("GET", path) for path in large]


def test_they_are_in_the_cache_of_hugging_face_and_found_there_without_a_request(hub, store, tmp_path):
    folder = weights.fetch(PTM)
    assert (
        folder
        == tmp_path / "hub" / "models--openai--whisper-base" / "snapshots" / model_registry.get(PTM).revision
    )
    hub.seen.clear()
    store.seen.clear()
    assert weights.find(PTM) == folder
    assert weights.fetch(PTM) == folder
    assert hub.seen == store.seen == []


def test_what_other_programs_left_in_the_cache_is_used(hub, store):
    model = model_registry.get(PTM)
    for file in model.files:
        huggingface_hub.hf_hub_download(model.handle, file, revision=model.revision)
    hub.seen.clear()
    store.seen.clear()
    assert contents(weights.fetch(PTM)) == expected_contents()
    assert hub.seen == store.seen == []


def test_other_revisions_are_not_used(hub):
    for file in model_registry.get(PTM).files:
        path = path_of(PTM, file).replace(model_registry.get(PTM).revision, "main")
        hub.files[path] = b"other"
        huggingface_hub.hf_hub_download(model_registry.get(PTM).handle, file)
    assert weights.find(PTM) is None


def test_a_model_that_is_there_in_part_is_not_found_and_only_the_rest_is_asked_for(hub, store):
    (weights.fetch(PTM) / "config.json").unlink()
    hub.seen.clear()
    store.seen.clear()
    assert weights.find(PTM) is None
    assert contents(weights.fetch(PTM)) == expected_contents()
    # Its content was still there.
    assert hub.asked() == [("HEAD", path_of(PTM, "config.json"))]
    assert store.seen == []


def test_to_find_a_model_its_files_are_not_read(hub, monkeypatch):
    folder = weights.fetch(PTM)
    monkeypatch.setattr(weights, "sha256", None)
    assert weights.find(PTM) == folder


def run(code, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**kept, "NO_PROXY": "*", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


FETCH = """
    import dataclasses, sys
    from crosscorpus.base import web
    from crosscorpus.models import model_registry, weights
    web.PAUSES = (0,) * len(web.PAUSES)  # as often, without the waiting
    models = model_registry.registry()
    entry = dataclasses.replace(models["x-vector"], files={"config.json": ""})
    model_registry.registry = lambda: {**models, "x-vector": entry}
    try:
        print(weights.fetch("x-vector"))
    except model_registry.NotAvailableError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("setting", "below"), [({"HF_HOME": "home"}, "home/hub"), ({"HF_HUB_CACHE": "own"}, "own")], ids=str
)
def test_the_settings_of_hugging_face_are_followed(hub, tmp_path, setting, below):
    path = path_of("x-vector", "config.json")
    hub.files[path] = b"{}"
    setting = {"HF_HOME": "elsewhere"} | setting
    values = {name: str(tmp_path / folder) for name, folder in setting.items()}
    printed = run(FETCH, HF_ENDPOINT=hub.url, **values)
    revision = model_registry.get("x-vector").revision
    model = tmp_path / below / "models--speechbrain--spkrec-xvect-voxceleb"
    assert printed == [str(model / "snapshots" / revision)]
    # Once a day, the library asks the hub for a list of programs that may have called it, unless the user has set
    # HF_HUB_DISABLE_TELEMETRY.
    assert [asked for asked in hub.asked() if asked != ("GET", "/api/agent-harnesses")] == [
        ("HEAD", path),
        ("GET", path),
    ]


@pytest.mark.parametrize("setting", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode_is_followed(hub, tmp_path, setting):
    printed = run(FETCH, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "home"), **{setting: "1"})
    assert len(printed) == 1
    assert f"{hub.url}{path_of('x-vector', 'config.json')}: offline mode forbids to ask for it; " in printed[0]
    assert "; unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE, and run again; or put config.json from " in printed[0]
    assert hub.seen == []


def test_offline_mode_does_not_matter_where_all_is_here(hub, monkeypatch):
    folder = weights.fetch(PTM)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert weights.fetch(PTM) == folder


def test_to_look_for_all_models_takes_no_heavy_library_and_no_request(hub):
    code = f"""
        import sys
        from crosscorpus.embeddings import availability
        from crosscorpus.models import model_registry, weights
        for ptm in model_registry.registry():
            weights.find(ptm)
            availability.needs_of_model(ptm)
        print([name for name in {HEAVY} if name in sys.modules])
    """
    assert run(code, HF_ENDPOINT=hub.url) == ["[]"]
    assert hub.seen == []


def test_the_status_tells_whether_a_model_is_here(hub):
    assert availability.needs_of_model(PTM) == (
        "weights: `python -m crosscorpus.embeddings.downloads whisper-base`, or weights/whisper-base/ of the "
        "mirror folder"
    )
    weights.fetch(PTM)
    assert availability.needs_of_model(PTM) == ""


# -- Hugging Face: wrong content ------------------------------------------------------------------------------


def assert_refused(got):
    message = failure()
    revision = model_registry.get(PTM).revision
    assert f"{revision}/{BIG} has SHA-256 {sha256(got)}, data/models.yaml expects " in message
    assert sha256(content_of(PTM, BIG)) in message
    return message


def test_wrong_content_is_refused_removed_and_comes_anew(hub, store):
    store.files[path_of(PTM, BIG)] = bytes(len(content_of(PTM, BIG)))
    for _ in range(2):
        message = assert_refused(bytes(len(content_of(PTM, BIG))))
        assert message.endswith(
            "; it was removed from the cache; run again, and if the same comes back, do not use it"
        )
        assert weights.find(PTM) is None
    assert len(store.seen) == 2
    store.files[path_of(PTM, BIG)] = content_of(PTM, BIG)
    hub.seen.clear()
    assert contents(weights.fetch(PTM)) == expected_contents()
    assert hub.asked() == [("HEAD", path_of(PTM, BIG))]  # the others were kept


def damage(folder):
    blob = (folder / BIG).resolve()
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    return blob


def test_a_file_damaged_in_the_cache_is_refused_removed_and_comes_anew(hub):
    blob = damage(weights.fetch(PTM))
    assert_refused(b"damaged")
    assert not blob.exists()
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_a_file_that_the_cache_holds_itself_is_removed(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    folder = weights.fetch(PTM)
    assert not (folder / BIG).is_symlink()
    damage(folder)
    assert_refused(b"damaged")
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_a_cache_behind_a_link_is_no_other(hub, monkeypatch, tmp_path):
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "large-disk")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "link"))
    blob = damage(weights.fetch(PTM))
    assert_refused(b"damaged")
    assert not blob.exists()
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_a_model_that_was_moved_and_linked_is_no_other(hub, tmp_path):
    model = weights.fetch(PTM).parents[1]
    model.rename(tmp_path / "moved")
    model.symlink_to(tmp_path / "moved")
    blob = damage(weights.find(PTM))
    assert_refused(b"damaged")
    assert not blob.exists()
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_wrong_content_goes_although_another_revision_has_it_too(hub):
    folder = weights.fetch(PTM)
    other = folder.with_name("f" * 40)
    shutil.copytree(folder, other, symlinks=True)
    damage(folder)
    assert_refused(b"damaged")
    assert contents(weights.fetch(PTM)) == expected_contents()
    assert contents(other) == expected_contents()  # the same link


def test_wrong_content_goes_although_all_models_share_it(hub, tmp_path):
    folder = weights.fetch(PTM)
    blob = (folder / BIG).resolve()
    shared = {"xet_hash": "ab" * 32, "cache_dir": tmp_path / "hub", "expected_size": blob.stat().st_size}
    assert _shared_blobs.publish_blob_to_shared_store(blob_path=str(blob), **shared)
    payload = blob.resolve()
    assert blob.is_symlink()
    assert payload.is_relative_to(tmp_path / "hub" / "blobs")
    damage(folder)
    assert_refused(b"damaged")
    assert not blob.is_symlink()
    assert not payload.exists()
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_what_a_link_leads_to_outside_the_cache_is_left_alone(hub, tmp_path):
    folder = weights.fetch(PTM)
    (folder / BIG).unlink()
    own = tmp_path / BIG
    own.write_bytes(b"own")
    (folder / BIG).symlink_to(own)
    assert_refused(b"own")
    assert own.read_bytes() == b"own"
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_where_nothing_can_be_removed_the_message_says_so(hub, monkeypatch):
    damage(weights.fetch(PTM))

    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    for _ in range(2):
        message = assert_refused(b"damaged")
        assert "it could not be removed ([Errno 13] Permission denied: '" in message
        assert "): delete it; run again" in message


def test_without_a_checksum_the_revision_decides(hub, store, monkeypatch):
    change(monkeypatch, PTM, files=dict.fromkeys(model_registry.get(PTM).files, ""))
    store.files[path_of(PTM, BIG)] = bytes(len(content_of(PTM, BIG)))
    assert (weights.fetch(PTM) / BIG).read_bytes() == bytes(len(content_of(PTM, BIG)))


# -- Hugging Face: what it answers ----------------------------------------------------------------------------

GONE = "; it may have moved: see its home page, or put a copy where it is looked for; "
TERMS = "; its terms may have to be accepted by a person, on its home page, and then `hf auth login`; "
AGAIN = "; check the connection and run again: files that came whole are kept; "
REFUSED = f"; {web.REFUSED}{AGAIN}"


@pytest.mark.parametrize(
    ("plan", "answer", "remedy"),
    [
        ({"status": 404, "code": "EntryNotFound"}, "404 Not Found", GONE),
        ({"status": 404, "code": "RevisionNotFound"}, "404 Not Found", GONE),
        ({"status": 404, "code": "RepoNotFound"}, "404 Not Found", GONE),
        ({"status": 404, "code": None}, "404 Not Found", GONE),
        ({"status": 401, "code": "RepoNotFound"}, "401 Unauthorized", TERMS),
        ({"status": 401, "code": "GatedRepo"}, "401 Unauthorized", TERMS),
        ({"status": 401, "code": None}, "401 Unauthorized", TERMS),
        ({"status": 403, "code": "GatedRepo"}, "403 Forbidden", TERMS),
        ({"status": 403, "code": None}, "403 Forbidden", REFUSED),
        ({"status": 410, "code": None}, "410 Gone", GONE),
        ({"status": 429, "code": None}, "429 Too Many Requests", AGAIN),
        ({"status": 500, "code": None}, "500 Internal Server Error", AGAIN),
        ({"status": 503, "code": None}, "503 Service Unavailable", AGAIN),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("file", ["config.json", BIG])
def test_what_the_hub_refuses_is_told_with_a_remedy(hub, plan, answer, remedy, file):
    path = path_of(PTM, file)
    hub.plans[f"HEAD {path}"] = [dict(plan) for _ in range(20)]
    message = failure()
    assert f"{hub.url}{path}: the server answered {answer} where a file was expected{remedy}" in message
    assert message.endswith(
        "or put config.json, preprocessor_config.json, model.safetensors from "
        "https://huggingface.co/openai/whisper-base into weights/whisper-base/ of the mirror folder"
    )
    assert weights.find(PTM) is None
    hub.plans.clear()
    hub.seen.clear()
    assert contents(weights.fetch(PTM)) == expected_contents()
    files = list(model_registry.get(PTM).files)
    missing = files[files.index(file) :]
    assert {path for _, path in hub.asked()} == {path_of(PTM, name) for name in missing}  # the others were kept


def test_a_passing_failure_of_the_hub_is_overcome(hub, store):
    path = path_of(PTM, BIG)
    hub.plans[f"HEAD {path}"] = [{"status": 503, "code": None}, {"status": 503, "code": None}]
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_an_address_that_was_signed_and_has_expired_is_signed_again(hub, store):
    store.plans[path_of(PTM, BIG)] = [{"status": 403, "code": None}]
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_without_a_network_the_host_is_asked_for_once(hub, monkeypatch):
    asked = []

    def nobody(host, port):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    point_at(monkeypatch, "http://hub.example")
    monkeypatch.setattr(web, "_unresolved", {})
    monkeypatch.setattr(web.socket, "getaddrinfo", nobody)
    for ptm in (PTM, "wavlm-base", "x-vector"):
        assert "no network, or no such host: hub.example; connect, and run again" in failure(ptm)
    assert asked == ["hub.example"] * web.RESOLVE
    assert hub.seen == []


def test_what_is_no_hub_is_told(hub):
    nothing = dict.fromkeys(["X-Repo-Commit", "ETag"])
    hub.plans[path_of(PTM, "config.json")] = [{"headers": nothing}]
    message = failure()
    assert "is missing the 'X-Repo-Commit' header" in message
    assert "If HF_ENDPOINT is set, check" in message


def test_a_refused_connection_is_told(hub, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        point_at(monkeypatch, url)
        message = failure()
    path = path_of(PTM, "config.json")
    assert f"{url}{path}: ConnectError ([Errno 111] Connection refused){AGAIN}or put config.json" in message


@pytest.fixture
def xet(hub):
    """Let the hub say that x-vector's file is in a Xet storage, which takes hf_xet, and tell where that is."""
    model = model_registry.get("x-vector")
    path, route = path_of("x-vector", "config.json"), f"/api/models/{model.handle}/xet-read-token/{model.revision}"
    hub.files |= {path: b"{}", route: b"{}"}
    hub.plans[f"HEAD {path}"] = [{"headers": {"X-Xet-Hash": "ab" * 32, "X-Xet-Refresh-Route": hub.url + route}}]
    token = {"X-Xet-Cas-Url": hub.url, "X-Xet-Access-Token": "t", "X-Xet-Token-Expiration": "9999999999"}
    hub.plans[route] = [{"headers": token}]
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(Path(constants.HF_HUB_CACHE).parent / "home")}, path, route


def test_a_storage_that_refuses_is_told(hub, xet):
    environment, path, route = xet
    hub.plans[route] = [{"status": 403, "code": None} for _ in range(20)]
    hub.plans[f"HEAD {path}"] *= 20
    (message,) = run(FETCH, **environment)
    assert f"{hub.url}{path}: the server answered 403 Forbidden where a file was expected{REFUSED}" in message


def test_a_storage_that_lacks_the_file_is_told(hub, xet):
    environment, path, _ = xet
    (message,) = run(FETCH, **environment)
    assert f"{hub.url}{path}: RuntimeError (Task error: " in message
    assert "kept; where the storage of large files, Xet, is out of reach, set HF_HUB_DISABLE_XET=1; or" in message
    (folder,) = run(FETCH, **environment, HF_HUB_DISABLE_XET="1")
    assert contents(Path(folder)) == {"config.json": b"{}"}


# -- Hugging Face: connections that are cut -------------------------------------------------------------------

HALF = BLOCK * 30


def begun():
    return [path.name for path in Path(constants.HF_HUB_CACHE).rglob("*.incomplete")]


@pytest.mark.parametrize("then", ["close", "stall"])
def test_a_connection_that_is_cut_is_taken_up_where_it_stopped(hub, store, then, monkeypatch):
    if then == "stall":
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    path = path_of(PTM, BIG)
    store.plans[path] = [{"cut": HALF, "then": then}, {"cut": HALF // 2, "then": then}]
    assert contents(weights.fetch(PTM)) == expected_contents()
    assert [asked for _, _, asked in store.seen] == ["", f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert begun() == []


@pytest.mark.parametrize("cut", [0, HALF])
def test_a_connection_that_is_reset_is_tried_again(hub, store, cut):
    path = path_of(PTM, BIG)
    store.plans[path] = [{"cut": cut, "then": "reset"}] * 3
    assert contents(weights.fetch(PTM)) == expected_contents()
    assert len(store.seen) == 4
    assert begun() == []


@pytest.mark.parametrize(
    ("then", "what"), [("close", "RemoteProtocolError (peer closed"), ("reset", "ReadError (")]
)
def test_a_connection_that_is_always_cut_is_told_and_leaves_nothing(hub, store, then, what):
    path = path_of(PTM, BIG)
    store.plans[path] = [{"cut": 0, "then": then} for _ in range(100)]
    message = failure()
    assert f"{hub.url}{path}: {what}" in message
    assert AGAIN in message
    assert weights.find(PTM) is None
    assert begun() == []
    store.plans.clear()
    assert contents(weights.fetch(PTM)) == expected_contents()


def test_a_file_that_ends_early_is_not_taken_for_whole(hub, store):
    path = path_of(PTM, BIG)
    store.files[path] = content_of(PTM, BIG)[:HALF]
    message = failure()
    assert f"file should be of size {len(content_of(PTM, BIG))} but has size {HALF}" in message
    assert weights.find(PTM) is None
    assert begun() == []


# -- the mirror -----------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Make a mirror folder with a user's own copy of a model."""
    folder = tmp_path / "mirror" / "weights" / PTM
    folder.mkdir(parents=True)
    (folder / BIG).write_bytes(b"converted")
    (folder / "config.json").write_bytes(b"{}")
    return folder


@pytest.mark.parametrize("named", ["argument", "environment"])
def test_the_users_own_copy_comes_first_and_may_be_another(hub, own, monkeypatch, named):
    mirror = str(own.parents[1])
    if named == "environment":
        monkeypatch.setenv(paths.MIRROR_SETTING, mirror)
    given = mirror if named == "argument" else None
    assert weights.find(PTM, given) == own
    assert weights.fetch(PTM, given) == own
    assert hub.seen == []
    assert (own / BIG).read_bytes() == b"converted"


def test_the_users_own_copy_comes_before_the_cache(hub, own):
    cached = weights.fetch(PTM)
    assert weights.fetch(PTM, str(own.parents[1])) == own
    assert weights.fetch(PTM) == cached


def test_a_model_that_the_mirror_lacks_is_downloaded(hub, own):
    folder = weights.fetch("wavlm-base", str(own.parents[1]))
    assert contents(folder) == expected_contents("wavlm-base")


def test_a_cache_inside_the_mirror_folder_is_still_checked(hub, monkeypatch, tmp_path):
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path))
    damage(weights.fetch(PTM))
    assert_refused(b"damaged")


def test_a_mirror_that_is_not_there_is_told(hub, tmp_path):
    for function in (weights.find, weights.fetch):
        with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
            function(PTM, str(tmp_path / "nowhere"))


def test_an_unknown_model_is_refused():
    for function in (weights.find, weights.fetch):
        with pytest.raises(ValueError, match="unknown model 'wavlm'; did you mean 'wavlm-base'"):
            function("wavlm")


@pytest.mark.parametrize("ptm", ["mfcc", "egemaps", "wavlm-base-untrained"])
def test_a_model_that_needs_no_weights_has_none(hub, ptm, tmp_path):
    (tmp_path / "weights" / ptm).mkdir(parents=True)
    assert weights.fetch(ptm) is None
    assert weights.fetch(ptm, str(tmp_path)) is None
    assert weights.find(ptm, str(tmp_path)) is None
    assert hub.seen == []


# -- fingerprints ---------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """Make a folder of weights."""
    folder = tmp_path / "copy"
    (folder / "variables").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a")
    (folder / "variables" / "b").write_bytes(b"b")
    return folder


def test_a_fingerprint_is_of_names_and_contents(copy, tmp_path):
    assert weights.fingerprint(copy) == sha256(f"a.bin {sha256(b'a')}\nvariables/b {sha256(b'b')}".encode())
    moved = copy.rename(tmp_path / "moved")
    assert weights.fingerprint(moved) == sha256(f"a.bin {sha256(b'a')}\nvariables/b {sha256(b'b')}".encode())


@pytest.mark.parametrize(
    "touch",
    [
        lambda folder: (folder / "a.bin").write_bytes(b"c"),
        lambda folder: (folder / "a.bin").write_bytes(b""),
        lambda folder: (folder / "a.bin").rename(folder / "c.bin"),
        lambda folder: (folder / "a.bin").rename(folder / "variables" / "a.bin"),
        lambda folder: (folder / "a.bin").unlink(),
        lambda folder: (folder / "variables" / "c").write_bytes(b""),
    ],
    ids=["content", "emptied", "name", "folder", "gone", "added"],
)
def test_another_copy_has_another_fingerprint(copy, touch):
    before = weights.fingerprint(copy)
    touch(copy)
    assert weights.fingerprint(copy) != before


def test_contents_that_change_places_change_the_fingerprint(copy):
    before = weights.fingerprint(copy)
    (copy / "a.bin").write_bytes(b"b")
    (copy / "variables" / "b").write_bytes(b"a")
    assert weights.fingerprint(copy) != before


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "hyperparams.yaml",
        "label_encoder.txt",
        "README.md",
        ".gitattributes",
        ".cache/huggingface/download/a.bin.metadata",
        ".git/objects/ab",
    ],
)
def test_notes_do_not_change_the_fingerprint(copy, name):
    before = weights.fingerprint(copy)
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("note")
    assert weights.fingerprint(copy) == before


def test_a_hidden_folder_above_does_not_matter(copy, tmp_path):
    (tmp_path / ".cache").mkdir()
    before = weights.fingerprint(copy)
    assert weights.fingerprint(copy.rename(tmp_path / ".cache" / "copy")) == before


def test_only_the_listed_files_count_where_they_are_there(copy):
    assert weights.fingerprint(copy, ["config.json", "a.bin"]) == sha256(f"a.bin {sha256(b'a')}".encode())
    assert weights.fingerprint(copy, ["config.json", "c.bin"]) == weights.fingerprint(copy)


def test_the_cache_and_a_copy_of_it_have_one_fingerprint(hub, own):
    cached = weights.fetch(PTM)
    converted = weights.fingerprint(own)
    shutil.copyfile(cached / BIG, own / BIG)
    assert weights.fingerprint(own) == weights.fingerprint(cached) != converted


def test_a_file_is_read_again_when_it_has_changed(copy):
    assert weights.sha256(copy / "a.bin") == sha256(b"a")
    (copy / "a.bin").write_bytes(b"aa")
    assert weights.sha256(copy / "a.bin") == sha256(b"aa")


# -- TensorFlow Hub -------------------------------------------------------------------------------------------

SAVED = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": BODY,
}


def tar(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for folder in (".", "./variables"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def tfhub(serve, monkeypatch):
    server = serve()
    server.files[TFHUB_PATH] = tar({f"./{name}": content for name, content in SAVED.items()})
    monkeypatch.setattr(weights, "TFHUB", server.url)
    change_homes(monkeypatch)
    return server


def change_homes(monkeypatch, *also_at):
    model = dataclasses.replace(model_registry.get("trillsson4"), also_at=also_at)
    known = model_registry.registry() | {"trillsson4": model}
    monkeypatch.setattr(model_registry, "registry", lambda: known)


@pytest.fixture
def kaggle(tfhub, serve, monkeypatch):
    """Serve the model there as Kaggle does: sent on to storage, without folders in the archive."""
    server, storage = serve(), serve()
    server.files[KAGGLE_PATH], storage.files["/bucket/archive.tar.gz"] = b"", tar(SAVED)
    location = f"{storage.url}/bucket/archive.tar.gz"
    server.plans[KAGGLE_PATH] = [{"status": 302, "headers": {"Location": location}} for _ in range(9)]
    change_homes(monkeypatch, server.url + KAGGLE_PATH)
    return server


def test_trillsson_has_a_second_home():
    assert model_registry.get("trillsson4").also_at == [f"https://www.kaggle.com{KAGGLE_PATH}"]


@pytest.mark.parametrize("trouble", ["403", "404", "page", "part"])
def test_where_tensorflow_hub_fails_kaggle_is_asked(tfhub, kaggle, trouble, tmp_path):
    if trouble in ("403", "404"):
        tfhub.plans[TFHUB_PATH] = [{"status": int(trouble)} for _ in range(9)]
    else:
        bodies = {"page": b"<html>sign in</html>", "part": tar({"saved_model.pb": b"graph"})}
        tfhub.files[TFHUB_PATH] = bodies[trouble]
    folder = weights.fetch("trillsson4")
    assert all_below(folder) == SAVED
    assert list(folder.parent.iterdir()) == [folder]
    assert weights.find("trillsson4") == folder


def test_while_tensorflow_hub_answers_kaggle_is_not_asked(tfhub, kaggle):
    weights.fetch("trillsson4")
    assert kaggle.seen == []


def test_where_both_fail_both_are_named(tfhub, kaggle, tmp_path):
    tfhub.plans[TFHUB_PATH] = [{"status": 403} for _ in range(9)]
    kaggle.plans[KAGGLE_PATH] = [{"status": 404}]
    message = failure("trillsson4")
    assert message.index(f"{tfhub.url}{TFHUB_PATH}: the server answered 403") < message.index(
        f"; {kaggle.url}{KAGGLE_PATH}: the server answered 404"
    )
    assert message.endswith(MIRROR_OF_TRILLSSON)
    assert_nothing_came(tmp_path)


def test_what_is_left_of_one_home_is_not_continued_from_another(tfhub, kaggle, tmp_path):
    tfhub.plans[TFHUB_PATH] = [{"cut": 5_000} for _ in range(9)]
    assert all_below(weights.fetch("trillsson4")) == SAVED
    assert [asked for _, _, asked in kaggle.seen] == [""]


def handle_of(server):
    return f"{server.url}/google/nonsemantic-speech-benchmark/trillsson4/1"


def all_below(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("named", [True, False])
def test_a_model_of_tensorflow_hub_comes_into_its_cache(tfhub, tmp_path, monkeypatch, named):
    if named:
        monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "own"))
    assert weights.find("trillsson4") is None
    folder = weights.fetch("trillsson4")
    cache = tmp_path / "own" if named else tmp_path / "cache" / "tfhub"
    assert folder == cache / hashlib.sha1(handle_of(tfhub).encode()).hexdigest()
    assert all_below(folder) == SAVED
    assert list(cache.iterdir()) == [folder]
    assert tfhub.asked() == [("GET", TFHUB_PATH)]


def test_it_is_found_again_without_a_request(tfhub):
    folder = weights.fetch("trillsson4")
    tfhub.seen.clear()
    assert weights.find("trillsson4") == folder
    assert weights.fetch("trillsson4") == folder
    assert tfhub.seen == []


def test_where_it_is_sent_on_to_is_followed(tfhub, serve):
    storage = serve()
    storage.files["/tfhub-modules/trillsson4.tar.gz"] = tfhub.files[TFHUB_PATH]
    location = f"{storage.url}/tfhub-modules/trillsson4.tar.gz"
    tfhub.plans[TFHUB_PATH] = [{"status": 302, "headers": {"Location": location}}]
    assert all_below(weights.fetch("trillsson4")) == SAVED


def test_the_users_own_saved_model_comes_first(tfhub, tmp_path):
    own = tmp_path / "mirror" / "weights" / "trillsson4"
    own.mkdir(parents=True)
    assert weights.fetch("trillsson4", str(tmp_path / "mirror")) == own
    assert tfhub.seen == []


TFHUB_ITSELF = """
    import importlib.util, os, sys, types

    def no_error(name):
        return type(name, (Exception,), {})

    # TensorFlow Hub's code, on the plain file system in place of TensorFlow's.
    gfile = types.SimpleNamespace(
        Exists=os.path.exists, ListDirectory=os.listdir, MakeDirs=lambda path: os.makedirs(path, exist_ok=True)
    )
    tensorflow = types.ModuleType("tensorflow")
    tensorflow.compat = types.SimpleNamespace(v1=types.SimpleNamespace(gfile=gfile), as_bytes=str.encode)
    tensorflow.Tensor = tensorflow.SparseTensor = tensorflow.RaggedTensor = object
    tensorflow.errors = types.SimpleNamespace(OpError=no_error("OpError"), NotFoundError=no_error("NotFoundError"))
    sys.modules["tensorflow"] = tensorflow
    package = types.ModuleType("tensorflow_hub")
    package.__path__ = importlib.util.find_spec("tensorflow_hub").submodule_search_locations
    sys.modules["tensorflow_hub"] = package
    from tensorflow_hub import compressed_module_resolver

    def resolve(handle):
        resolver = compressed_module_resolver.HttpCompressedFileResolver()
        assert resolver.is_supported(handle)
        return resolver(handle)
"""


def test_tensorflow_hub_finds_what_came(tfhub, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "own"))
    folder = weights.fetch("trillsson4")
    tfhub.seen.clear()
    code = textwrap.dedent(TFHUB_ITSELF) + f"print(resolve({handle_of(tfhub)!r}))"
    assert run(code) == [str(folder)]
    assert tfhub.seen == []


def test_tensorflow_hub_has_it_under_the_name_of_its_handle(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    handle = "https://tfhub.dev/google/nonsemantic-speech-benchmark/trillsson4/1"
    code = textwrap.dedent(TFHUB_ITSELF) + f"print(compressed_module_resolver._module_dir({handle!r}))"
    (named,) = run(code)
    assert Path(named).parent == tmp_path
    for name, content in SAVED.items():
        (Path(named) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(named) / name).write_bytes(content)
    assert weights.find("trillsson4") == weights.fetch("trillsson4") == Path(named)


MIRROR_OF_TRILLSSON = (
    "; or put the SavedModel from https://tfhub.dev/google/nonsemantic-speech-benchmark/trillsson4/1 into "
    "weights/trillsson4/ of the mirror folder"
)


def assert_nothing_came(tmp_path):
    assert weights.find("trillsson4") is None
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("code", "answer"), [(404, "404 Not Found"), (403, "403 Forbidden"), (503, "503 Service")]
)
def test_what_tensorflow_hub_refuses_is_told(tfhub, tmp_path, code, answer):
    tfhub.plans[TFHUB_PATH] = [{"status": code} for _ in range(9)]
    message = failure("trillsson4")
    assert f"{tfhub.url}{TFHUB_PATH}: the server answered {answer}" in message
    assert message.endswith(MIRROR_OF_TRILLSSON)
    assert_nothing_came(tmp_path)
    tfhub.plans.clear()
    assert all_below(weights.fetch("trillsson4")) == SAVED


def test_a_connection_to_tensorflow_hub_that_is_cut_is_taken_up(tfhub):
    body = os.urandom(20 * BLOCK)  # what cannot be compressed
    tfhub.files[TFHUB_PATH] = tar({**SAVED, "variables/variables.data-00000-of-00001": body})
    tfhub.plans[TFHUB_PATH] = [{"cut": 10 * BLOCK}, {"cut": BLOCK, "then": "reset"}]
    folder = weights.fetch("trillsson4")
    assert (folder / "variables" / "variables.data-00000-of-00001").read_bytes() == body
    assert [asked for _, _, asked in tfhub.seen][:2] == ["", f"bytes={10 * BLOCK}-"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (tar({**SAVED, "../../elsewhere.bin": b"x"}), "member '../../elsewhere.bin' would be written elsewhere"),
        (tar({**SAVED, "/elsewhere.bin": b"x"}), "member '/elsewhere.bin' would be written elsewhere"),
        (b"<html>sign in</html>", "cannot be unpacked"),
        (tar(SAVED)[:-3_000], "cannot be unpacked"),
        (
            tar({"saved_model.pb": b"graph"}),
            "no SavedModel came; expected saved_model.pb, variables/variables.index",
        ),
        (tar({f"inner/{name}": content for name, content in SAVED.items()}), "no SavedModel came"),
    ],
    ids=["climbs", "absolute", "page", "damaged", "part", "other"],
)
def test_what_is_no_saved_model_is_refused_and_comes_anew(tfhub, tmp_path, body, says):
    right, tfhub.files[TFHUB_PATH] = tfhub.files[TFHUB_PATH], body
    message = failure("trillsson4")
    assert says in message
    assert message.endswith(MIRROR_OF_TRILLSSON)
    assert_nothing_came(tmp_path)
    assert not list(tmp_path.rglob("elsewhere.bin"))
    tfhub.files[TFHUB_PATH] = right
    assert all_below(weights.fetch("trillsson4")) == SAVED


@pytest.fixture
def final(tfhub, tmp_path):
    """Name the folder that the model will have."""
    folder = weights.fetch("trillsson4")
    shutil.rmtree(folder)
    tfhub.seen.clear()
    return folder


@pytest.mark.parametrize("there", [[], ["saved_model.pb"], ["variables/variables.index"], ["other"]], ids=str)
def test_a_folder_that_lacks_files_is_not_taken_for_the_model(tfhub, final, there):
    final.mkdir()
    for name in there:
        (final / name).parent.mkdir(exist_ok=True)
        (final / name).write_bytes(b"old")
    assert weights.find("trillsson4") is None
    assert all_below(weights.fetch("trillsson4")) == SAVED


def test_a_folder_that_lacks_files_stays_where_no_other_comes(tfhub, final):
    final.mkdir()
    (final / "saved_model.pb").write_bytes(b"old")
    tfhub.plans[TFHUB_PATH] = [{"status": 404}]
    failure("trillsson4")
    assert all_below(final) == {"saved_model.pb": b"old"}


def test_what_killed_runs_left_is_not_taken_for_the_model(tfhub, final):
    for name in (f".{final.name}.part", f"{final.name}.0123456789abcdef.tmp"):  # here, and by TensorFlow Hub
        for file in SAVED:
            path = final.with_name(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
    assert weights.find("trillsson4") is None
    assert all_below(weights.fetch("trillsson4")) == SAVED


def test_a_run_that_is_killed_leaves_nothing_that_is_taken_for_the_model(tfhub, tmp_path, final):
    code = f"""
        import os, shutil
        from crosscorpus.models import weights
        weights.TFHUB = {tfhub.url!r}
        whole = shutil.copyfileobj

        def killed(source, file, *rest):
            file.write(source.read(3))
            file.flush()
            if "index" in file.name:
                os._exit(0)

        shutil.copyfileobj = killed
        weights.fetch("trillsson4")
    """
    run(code)
    assert list(final.parent.rglob("variables.index"))  # of the killed run
    assert weights.find("trillsson4") is None
    tfhub.seen.clear()
    assert all_below(weights.fetch("trillsson4")) == SAVED
    assert tfhub.seen == []  # the archive had come whole


def test_checksums_of_a_saved_model_count_too(tfhub, monkeypatch, tmp_path):
    change(monkeypatch, "trillsson4", files={"saved_model.pb": sha256(b"graph")})
    weights.fetch("trillsson4")
    change(monkeypatch, "trillsson4", files={"saved_model.pb": sha256(b"another")})
    message = failure("trillsson4")
    assert (
        f"saved_model.pb has SHA-256 {sha256(b'graph')}, data/models.yaml expects {sha256(b'another')}" in message
    )
    assert_nothing_came(tmp_path)


def test_a_cache_that_cannot_be_written_is_told(tfhub, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "file"))
    assert f"File exists: '{tmp_path / 'file'}'{MIRROR_OF_TRILLSSON}" in failure("trillsson4")
