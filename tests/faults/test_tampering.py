"""Files that somebody or something has changed: refused by name, and nothing of them is executed."""

import ast
import dataclasses
import hashlib
import http.server
import io
import json
import pickle
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, WhisperConfig

from crosscorpus.base import archives, paths, web
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.embeddings import corpus_scans, embedding_files, store, store_folders
from crosscorpus.models import loading, model_registry, weights

# -- stored files ---------------------------------------------------------------------------------------------


@pytest.fixture
def stored(build_folder, rng):
    """Embeddings of a few real file names in the store, with tables as a scan leaves them."""
    listed = file_lists.file_list("emodb").head(6)
    table = listed.assign(
        path=listed["utterance"] + ".wav", start=np.nan, end=np.nan, seconds=1.5, sample_rate_native=16_000
    )
    table["emotion"] = table["emotion_native"].map(corpus_registry.get("emodb").emotions)
    table["sha256"] = [hashlib.sha256(name.encode()).hexdigest() for name in table["utterance"]]
    empty = pd.DataFrame(columns=utterance_tables.PROBLEM_COLUMNS)
    scan = utterance_tables.Scan(
        table[utterance_tables.COLUMNS], pd.DataFrame(columns=utterance_tables.QUALITY_COLUMNS), empty
    )
    corpus_scans.write_scan("emodb", scan, store_folders.folder("audio"))
    identity = store.identity("mfcc", "clip", scan.utterances)
    path = store.embeddings_path("mfcc", "emodb", "clip", store.key(identity))
    embedding_files.write_embeddings(path, rng.standard_normal((6, 120)).astype(np.float32), identity)
    return path, store.load("mfcc", "emodb", "audio")


def test_a_flipped_byte_in_a_stored_embedding(stored, draw, many, row):
    """Anywhere in the file: in the vectors, in what made them, in the header's own words."""
    counted = row("tampering: flipped byte in embeddings")
    path, whole = stored
    data = path.read_bytes()
    positions = [*range(16), *(draw.randrange(len(data)) for _ in range(many(60, 600)))]
    for at in positions:
        changed = bytearray(data)
        changed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            found = store.load("mfcc", "emodb", "audio")
        except store_folders.StoredWrongError as error:
            named = path.name in str(error) and "delete it" in str(error)
            counted.count("survived" if named else "lost", f"byte {at}: {error}")
        else:
            same = np.array_equal(found.vectors, whole.vectors) and found.metadata == whole.metadata
            counted.count("survived" if same else "silently_wrong", f"byte {at} of {len(data)}")
    counted.check(at_least=len(positions))


def test_a_flipped_byte_in_the_pack(tmp_path, monkeypatch, draw, many, row):
    counted = row("tampering: flipped byte in the pack")
    folder = tmp_path / "pack"
    shutil.copytree(paths.PACK, folder, ignore=lambda _, names: {"whisper-base", "ecapa-tdnn"} & set(names))
    monkeypatch.setattr(paths, "PACK", folder)
    whole = store.load("mfcc", "emodb", "pack")
    for file in (folder / "mfcc" / "emodb.safetensors", folder / "utterances" / "emodb.csv"):
        data = file.read_bytes()
        head = 8 + int.from_bytes(data[:8], "little") if file.suffix == ".safetensors" else len(data)
        for number in range(many(15, 150)):
            at = draw.randrange(head if number % 2 else len(data))
            changed = bytearray(data)
            changed[at] ^= 1 << draw.randrange(8)
            file.write_bytes(changed)
            try:
                found = store.load("mfcc", "emodb", "pack")
            except (store_folders.StoredWrongError, store_folders.NotStoredError) as error:
                counted.count("survived" if file.name in str(error) else "lost", f"{file.name}: {error}")
                continue
            same = found.metadata == whole.metadata and np.array_equal(found.vectors, whole.vectors)
            same = same and found.utterances.equals(whole.utterances)
            counted.count("survived" if same else "silently_wrong", f"{file.name}, byte {at}")
        file.write_bytes(data)
    counted.check()


# -- downloads and archives -----------------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serve one body at an address of this machine."""
    monkeypatch.setattr(web, "PAUSES", ())
    monkeypatch.setenv("NO_PROXY", "*")
    servers = []

    def start(body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/corpus.zip"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_archive_with_a_wrong_hash(serve, tmp_path, draw, row):
    counted = row("tampering: archive with a wrong hash")
    body = zipped({"wav/03a01Fa.wav": b"\0" * 2000})
    right = hashlib.sha256(body).hexdigest()
    for number in range(10):
        changed = bytearray(body)
        changed[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
        to = tmp_path / f"{number}.zip"
        try:
            web.fetch(serve(bytes(changed)), to, sha256=right, quiet=True)
        except web.DownloadError as error:
            refused = right in str(error) and "corpus.zip" in str(error) and not list(tmp_path.glob(f"{number}.*"))
            counted.count("survived" if refused else "lost", str(error))
        else:
            counted.count("silently_wrong", f"change {number} was taken")
    counted.check()


def test_weights_with_a_wrong_hash(monkeypatch, tmp_path, row, no_mirror):
    """In the ecosystem's cache: the registry's hash decides, and the file is removed, so that it comes anew."""
    counted = row("tampering: weights with a wrong hash")
    model = dataclasses.replace(model_registry.get("wavlm-base"), files={"pytorch_model.bin": "0" * 64})
    monkeypatch.setattr(model_registry, "registry", lambda: {"wavlm-base": model})
    folder = tmp_path / "models--x" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder / "pytorch_model.bin").write_bytes(b"other weights")
    monkeypatch.setattr(weights, "find", lambda *_: folder)
    with pytest.raises(model_registry.NotAvailableError, match=r"pytorch_model\.bin has SHA-256 .* expects 0000"):
        weights.fetch("wavlm-base")
    counted.count("survived" if not (folder / "pytorch_model.bin").exists() else "lost")
    counted.check()


def test_a_wheel_with_a_wrong_hash(tmp_path, row):
    """As the environment is made: pip, with the hashes of the lock."""
    counted = row("tampering: wheel with a wrong hash")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    facts = "Metadata-Version: 2.1\nName: tampered\nVersion: 1.0\n"
    notes = {"METADATA": facts, "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n", "RECORD": ""}
    members = {f"tampered-1.0.dist-info/{name}": text.encode() for name, text in notes.items()}
    wheel = wheels / "tampered-1.0-py3-none-any.whl"
    wheel.write_bytes(zipped({"tampered.py": b"", **members}))
    for expected in (hashlib.sha256(wheel.read_bytes()).hexdigest(), "0" * 64):
        lock, target = tmp_path / "lock.txt", tmp_path / f"site-{expected[:4]}"
        lock.write_text(f"tampered==1.0 --hash=sha256:{expected}\n")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--no-index",
            "--require-hashes",
            "--quiet",
        ]
        command += ["--find-links", str(wheels), "--target", str(target), "-r", str(lock)]
        run = subprocess.run(command, capture_output=True, text=True)
        if expected == "0" * 64:
            refused = run.returncode and "DO NOT MATCH THE HASHES" in run.stderr and not target.exists()
            counted.count("survived" if refused else "silently_wrong", run.stderr)
        else:
            assert run.returncode == 0, run.stderr
            assert (target / "tampered.py").exists()
    counted.check()


def zipped(members, kind=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(name, *, kind=tarfile.REGTYPE, link="", content=b"x", how="w:gz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=how) as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def linked(name, to):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, to)
    return file.getvalue()


CLIMBING = (
    "../out.wav",
    "a/../../out.wav",
    "/tmp/out.wav",
    "..\\out.wav",
    "C:\\out.wav",
    "a/\\..\\..\\out.wav",
    "..",
)


def climbers():
    for name in CLIMBING:
        yield f"zip member {name}", zipped({name: b"x"})
        yield f"zip in a zip with {name}", zipped({"inner.zip": zipped({name: b"x"})})
        yield f"tar member {name}", tarred(name)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        yield f"tar entry of type {kind!r}", tarred("a.wav", kind=kind, link="/etc/passwd")
    yield "link in a zip", linked("a.wav", "/etc/passwd")


def bombs():
    zeros = bytes(10**7)
    yield "zip", zipped({"a.wav": zeros})
    yield "zip of many", zipped({f"{n}.wav": zeros[: 10**6] for n in range(10)})
    yield "zip in a zip", zipped({"inner.zip": zipped({"a.wav": zeros})})
    yield "tar", tarred("a.wav", content=zeros)
    yield "tar, xz", tarred("a.wav", content=zeros, how="w:xz")
    lies = bytearray(zipped({"a.wav": zeros}))
    for at in (lies.index(b"PK\1\2") + 24, 22):  # the sizes that the directory and the member declare
        lies[at : at + 4] = (1000).to_bytes(4, "little")
    yield "zip that lies about its size", bytes(lies)


@pytest.mark.parametrize(("kind", "made"), [("climbing archive", climbers), ("bomb", bombs)])
def test_an_archive_that_means_harm(tmp_path, kind, made, row):
    counted = row(f"tampering: {kind}")
    outside = tmp_path / "outside"
    outside.mkdir()
    for number, (what, body) in enumerate(made()):
        archive = outside / f"{number}.archive"
        archive.write_bytes(body)
        before = sorted(tmp_path.rglob("*"))
        try:
            archives.unpack(archive, outside / "in" / "corpus")
        except web.DownloadError as error:
            (outside / "in").rmdir()
            named = archive.name in str(error) and sorted(tmp_path.rglob("*")) == before
            counted.count("survived" if named else "lost", f"{what}: {error}")
        else:
            counted.count("silently_wrong", f"{what} was unpacked")
            shutil.rmtree(outside / "in")
    counted.check(at_least=6)


# -- pickles --------------------------------------------------------------------------------------------------

TINY = Wav2Vec2Config(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=[16] * 7,
    num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
)  # fmt: skip


class Evil:
    """What makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


def load_model(ptm):
    return lambda folder: loading.load(ptm, device="cpu", weights=folder)


def read_embeddings(folder):
    return embedding_files.read_embeddings(folder / "a.safetensors")


def write_transformer(folder, config):
    config.save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def pickles(mark):
    """Yield what is attacked, the file, its content, and how the product reads it."""
    plain, by_torch = pickle.dumps({"w": Evil(mark)}), io.BytesIO()
    torch.save({"w": Evil(mark)}, by_torch)
    old = io.BytesIO()
    torch.save({"w": Evil(mark)}, old, _use_new_zipfile_serialization=False)
    for how, content in (("pickle", plain), ("torch", by_torch.getvalue()), ("torch, old form", old.getvalue())):
        yield f"{how} as stored embeddings", "a.safetensors", content, None, read_embeddings
        for file in ("model.safetensors", "pytorch_model.bin"):
            yield f"{how} as {file} of wav2vec 2.0", file, content, TINY, load_model("wav2vec2-base")
            yield f"{how} as {file} of Whisper", file, content, WhisperConfig(), load_model("whisper-base")
        for ptm in ("ecapa-tdnn", "x-vector"):
            yield f"{how} as embedding_model.ckpt of {ptm}", "embedding_model.ckpt", content, None, load_model(ptm)


def test_a_pickle_in_place_of_anything_is_not_executed(tmp_path, row):
    counted = row("tampering: pickle")
    mark = tmp_path / "was-executed"
    pickle.loads(pickle.dumps(Evil(mark)))  # it does its harm where it is let
    assert mark.exists()
    mark.unlink()
    for number, (what, file, content, config, read) in enumerate(pickles(mark)):
        folder = tmp_path / str(number)
        folder.mkdir()
        if config:
            write_transformer(folder, config)
        (folder / file).write_bytes(content)
        try:
            read(folder)
        except Exception as error:
            named = isinstance(error, store_folders.StoredWrongError | model_registry.NotAvailableError)
            named = named and str(folder) in str(error) and "weights_only" not in str(error)
            counted.count(
                "silently_wrong" if mark.exists() else "survived" if named else "lost", f"{what}: {error!r}"
            )
        else:
            counted.count("silently_wrong", f"{what} was read")
        mark.unlink(missing_ok=True)
    counted.check(at_least=20)


UNSAFE = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "hickle",
    "hyperpyyaml",
}  # fmt: skip
"""Modules that run what a file says."""

CALLS = {
    "eval", "exec", "read_pickle", "unsafe_load", "full_load", "load_model", "from_hparams", "load_all", "system",
}  # fmt: skip
"""Functions that do."""


def product_sources():
    """Yield the name and the code of all that the product runs: library, chapters, extensions, workflow."""
    for file in [
        *paths.ROOT.glob("lib/**/*.py"),
        *paths.ROOT.glob("book/**/*.py"),
        *paths.ROOT.glob("benchmarks/*.py"),
    ]:
        yield paths.shown(file), file.read_text(encoding="utf-8")
    for file in paths.ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        yield paths.shown(file), "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def unsafe(source):
    """Yield the places of a source where something may be unpickled or executed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: imports {m}" for m in modules if m.split(".")[0] in UNSAFE)
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        owner, _, name = called.rpartition(".")
        allowed = {"torch.load": given.get("weights_only") == "True", "np.load": "allow_pickle" not in given}
        is_load = name == "load" and owner in ("torch", "np", "numpy", "joblib", "yaml")
        trusts = given.get("trust_remote_code", "False") != "False" or given.get("weights_only", "True") != "True"
        trusts = trusts or given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False"
        model = name == "eval" and owner  # a network's: `network.eval()`
        if (name in CALLS and not model) or (is_load and not allowed.get(called, False)) or trusts:
            yield f"line {node.lineno}: {ast.unparse(node)[:80]}"


def test_no_path_of_the_product_unpickles_or_executes_what_it_reads():
    found = [f"{name}, {place}" for name, source in product_sources() for place in unsafe(source)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load\nimport dill", "torch.load(f)",
        "torch.load(f, weights_only=False)", "np.load(f, allow_pickle=True)", "joblib.load(f)",
        "yaml.load(f, Loader=L)", "keras.models.load_model(f)", "pd.read_pickle(f)", "eval(text)",
        "AutoModel.from_pretrained(f, trust_remote_code=True)", "subprocess.run(text, shell=True)",
        "keras.saving.load_model(f)", "os.system(x)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    assert list(unsafe(source))


def test_a_network_may_be_set_to_evaluate():
    assert not list(unsafe("network.eval()\ntorch.load(f, weights_only=True)\nyaml.safe_load(f)"))
