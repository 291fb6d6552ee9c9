"""Homes that give a corpus file by file, and zips that lack files, as the real ones do."""

import hashlib
import io
import json
import re
import tarfile
import urllib.parse
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from crosscorpus.base import archives, listed_files, web
from crosscorpus.corpora import corpus_downloads, corpus_registry, file_lists, parquet_audio
from crosscorpus.embeddings import downloads

pytestmark = pytest.mark.usefixtures("cache")

DOI = "doi:10.1234/ABC/XYZ"
DATAVERSE = f"/api/datasets/:persistentId/versions/:latest/files?persistentId={DOI}"
DATASET, COMMIT = "somebody/copy", "5ec" + 37 * "0"
SPOKEN = {f"YAF_{word}_sad.wav": word.encode() * 50 for word in ("back", "bean", "zone")}


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tabled(rows, **columns):
    """Return a Parquet table of (path, content), with a column `audio` as Hugging Face makes it."""
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    audio = pyarrow.array([{"bytes": content, "path": path} for path, content in rows], kind)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({**columns, "audio": audio}), buffer)
    return buffer.getvalue()


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def names(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


def entry_of(number, path, content, **changed):
    folder, _, name = path.rpartition("/")
    md5 = hashlib.md5(content).hexdigest()
    file = {"id": number, "filename": name, "filesize": len(content), "md5": md5}
    file["checksum"] = {"type": "MD5", "value": md5}
    where = {"directoryLabel": folder} if folder else {}
    return {"label": name, "restricted": False, **where, "dataFile": file | changed.pop("file", {}), **changed}


@pytest.fixture
def dataverse(server, registered, official):
    """Publish files in a Dataverse and make it the home of TESS, all of whose utterances these are."""

    def publish(files, **changed):
        entries = [entry_of(n, *file, **changed.get(file[0], {})) for n, file in enumerate(files.items(), start=1)]
        server.files[DATAVERSE] = json.dumps({"status": "OK", "data": entries}).encode()
        server.files |= {f"/api/access/datafile/{n}": c for n, c in enumerate(files.values(), start=1)}
        registered("tess", dataverse={"server": server.url, "doi": DOI})
        official("tess", [name.removesuffix(".wav") for name in SPOKEN])
        return server

    return publish


@pytest.fixture
def hub(server, registered, official, monkeypatch):
    """Publish files as a data set of a hub and make it the home of TESS, all of whose utterances these are."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    registered("tess", huggingface={"dataset": DATASET, "revision": COMMIT})
    official("tess", [name.removesuffix(".wav") for name in SPOKEN])

    def publish(files, dataset=DATASET, revision=COMMIT, page=1_000):
        at = urllib.parse.quote(revision, safe="")
        tree = f"/api/datasets/{dataset}/tree/{at}?recursive=true"
        rows = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "data"}]
        for path, content in files.items():
            large = {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
            rows.append({"type": "file", "oid": "0" * 40, "size": len(content), "path": path, **large})
            server.files[f"/datasets/{dataset}/resolve/{at}/{urllib.parse.quote(path)}"] = content
        for n in range(0, len(rows), page):
            here = tree + f"&cursor={n}" * bool(n)
            server.files[here] = json.dumps(rows[n : n + page]).encode()
            if n + page < len(rows):
                link = f'<{server.url}{tree}&cursor={n + page}>; rel="next"'
                server.plans[here] = [{"headers": {"Link": link}} for _ in range(9)]
        return server

    return publish


def asked_for(server):
    return sorted(path for path, *_ in server.seen)


# -- Dataverse ------------------------------------------------------------------------------------------------


def test_a_data_set_of_dataverse_comes_file_by_file(dataverse, cache, capsys):
    server = dataverse({f"YAF sad/{name}": content for name, content in SPOKEN.items()})
    folder = corpus_downloads.corpus("tess")
    assert contents(folder) == {f"YAF sad/{name}": content for name, content in SPOKEN.items()}
    assert asked_for(server) == [*(f"/api/access/datafile/{n}" for n in (1, 2, 3)), DATAVERSE]
    assert f"from {server.url}/dataset.xhtml?persistentId={DOI}" in capsys.readouterr().out
    assert list((cache / "downloads").iterdir()) == []


def test_a_home_that_limits_and_refuses_for_a_moment_is_waited_for(dataverse, monkeypatch):
    slept = []
    monkeypatch.setattr(web.time, "sleep", slept.append)
    server = dataverse(SPOKEN)
    server.refused_agents = ("python-requests",)
    server.plans[DATAVERSE] = [{"status": 429, "headers": {"Retry-After": "31"}}]
    server.plans["/api/access/datafile/2"] = [{"status": 403}, {"status": 503, "headers": {"Retry-After": "7"}}]
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN
    assert sorted(slept) == [0, 7, 31]
    assert all(agent.startswith("crosscorpus/") for agent in server.agents)


def test_an_address_that_was_signed_and_has_expired_is_signed_again(dataverse):
    server = dataverse(SPOKEN)
    path = "/api/access/datafile/1"
    content = server.files[path]
    server.files["/bucket/1?signature=new"] = content
    server.plans[path] = [
        {"status": 303, "headers": {"Location": f"{server.url}/bucket/1?signature={key}"}}
        for key in ("old", "new")
    ]
    server.plans["/bucket/1?signature=old"] = [{"status": 403}]
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN
    assert [path for path in asked_for(server) if "bucket" in path] == [
        "/bucket/1?signature=new",
        "/bucket/1?signature=old",
    ]


def test_what_came_is_not_fetched_again(dataverse, capsys):
    server = dataverse(SPOKEN)
    lost = server.files.pop("/api/access/datafile/3")
    assert downloads.main(["tess"]) == 1
    printed = capsys.readouterr().out
    assert f"tess  not here  {server.url}/api/access/datafile/3: the server answered 404" in printed
    assert "TESS by hand" in printed
    assert corpus_registry.find("tess") is None
    came = {path for path, _, status, _ in server.seen if status == 200} - {DATAVERSE}
    server.files["/api/access/datafile/3"] = lost
    server.seen.clear()
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN
    assert not came & set(asked_for(server))


def test_a_file_that_changed_on_the_way_is_refused(dataverse):
    server = dataverse(SPOKEN)
    server.files["/api/access/datafile/1"] = b"x" * len(next(iter(SPOKEN.values())))
    with pytest.raises(web.DownloadError, match=r"/api/access/datafile/1: md5 is .*; what came was removed"):
        corpus_downloads.corpus("tess")


@pytest.mark.parametrize("kind", ["MD5", "SHA-1", "SHA-256", "SHA-512", "none", "of another kind"])
def test_checksums_are_of_any_kind(dataverse, kind):
    name, content = next(iter(SPOKEN.items()))
    known = kind.replace("-", "").lower()
    right = hashlib.new(known, content).hexdigest() if known in hashlib.algorithms_available else "?"
    given = {"checksum": None} if kind == "none" else {"checksum": {"type": kind, "value": right}, "md5": None}
    server = dataverse(SPOKEN, **{name: {"file": given}})
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN
    (file, *_) = listed_files.of_dataverse(server.url, DOI)
    assert file.checksums == (
        {} if kind == "of another kind" else {known: right} if right != "?" else file.checksums
    )


def test_what_not_everybody_may_have_is_missing_by_name(dataverse, capsys):
    dataverse(SPOKEN, **{"YAF_bean_sad.wav": {"restricted": True}})
    assert downloads.main(["tess"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"tess  incomplete  \S+/corpora/tess: not whole: missing YAF_bean_sad; TESS by hand", printed)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"<html>maintenance</html>", r"no JSON came .*; expected a list of files; it may have moved"),
        (b'{"status": "ERROR"}', r"the answer is no list of files \(KeyError\('data'\)\)"),
        (b"[]", "the answer is no list of files"),
        (b'{"data": [{"label": "a.wav"}]}', "the answer is no list of files"),
    ],
)
def test_what_is_no_list_is_told(dataverse, answer, says):
    server = dataverse(SPOKEN)
    server.files[DATAVERSE] = answer
    with pytest.raises(web.DownloadError, match=f"files.persistentId={DOI}: {says}"):
        corpus_downloads.corpus("tess")


@pytest.mark.parametrize("folder", ["..", "/etc", "a/../..", "C:"])
def test_a_listed_path_that_climbs_out_is_refused(dataverse, cache, folder):
    dataverse(SPOKEN, **{"YAF_back_sad.wav": {"directoryLabel": folder}})
    with pytest.raises(web.DownloadError, match=r"file '.*YAF_back_sad.wav' would be written elsewhere"):
        corpus_downloads.corpus("tess")
    assert not cache.exists()


def test_archives_on_a_list_are_unpacked_and_fetched_once(dataverse):
    half, rest = dict(list(SPOKEN.items())[:2]), dict(list(SPOKEN.items())[2:])
    server = dataverse({"a.zip": zipped(half), "b.zip": b"PK broken", "paper.pdf": b"%PDF"})
    for asked in (["1", "2"], ["2"]):
        server.seen.clear()
        with pytest.raises(web.DownloadError, match=r"b\.zip: cannot be unpacked"):
            corpus_downloads.corpus("tess")
        assert asked_for(server) == [*(f"/api/access/datafile/{n}" for n in asked), DATAVERSE]
    dataverse({"a.zip": zipped(half), "b.zip": zipped(rest), "paper.pdf": b"%PDF"})
    assert names(corpus_downloads.corpus("tess")) == set(SPOKEN)


def test_what_is_left_of_another_version_is_not_taken(dataverse):
    server = dataverse(SPOKEN | {"YAF_old_sad.wav": b"old"})
    del server.files["/api/access/datafile/1"]
    with pytest.raises(web.DownloadError, match="404"):
        corpus_downloads.corpus("tess")
    dataverse(SPOKEN)
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN


def test_only_the_files_that_are_wanted_are_fetched(dataverse, registered):
    server = dataverse(SPOKEN | {"song/la.wav": b"la"})
    registered("tess", dataverse={"server": server.url, "doi": DOI}, wanted="YAF*")
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN


# -- a zip that lacks files -----------------------------------------------------------------------------------

SKIPPED = (
    "(audio/x-wav)  skipped because the total size of the download bundle exceeded the limit of 104857600 bytes."
)


def manifest(*lines):
    return "\r\n".join(["YAF_back_sad.wav (audio/x-wav) 200 bytes.", *lines, ""]).encode()


@pytest.mark.parametrize("wanted", ["*", "*.wav"])
def test_an_incomplete_zip_with_a_manifest_is_noticed_and_named(server, registered, capsys, wanted):
    left_out = [f"{name} {SKIPPED}" for name in ("YAF_zone_sad.wav", "song (2).wav", "more.zip", "read me.txt")]
    said = manifest(*left_out, "YAF_bean_sad.wav IS RESTRICTED AND CANNOT BE DOWNLOADED")
    server.files["/tess.zip"] = zipped({"YAF_back_sad.wav": b"audio", "MANIFEST.TXT": said})
    registered("tess", url=f"{server.url}/tess.zip", wanted=wanted)
    assert downloads.main(["tess"]) == 1
    missing = re.search(r"tess  incomplete  \S+: not whole: missing (.*); TESS by hand", capsys.readouterr().out)
    why = " (left out of the zip, says its MANIFEST.TXT)"
    named = f"YAF_zone_sad.wav{why}, more.zip{why}, YAF_bean_sad.wav{why} and 7 more"
    assert missing[1] == named


def test_what_a_manifest_names_and_is_here_is_not_missing(tmp_path, official):
    official("tess", ["YAF_back_sad"])
    (tmp_path / "MANIFEST.TXT").write_bytes(manifest(f"YAF_back_sad.wav {SKIPPED}"))
    (tmp_path / "YAF_back_sad.wav").touch()
    assert corpus_downloads.missing(corpus_registry.get("tess"), tmp_path) == []


def test_after_an_incomplete_zip_the_next_home_is_tried(dataverse, registered, cache):
    server = dataverse(SPOKEN)
    part = dict(list(SPOKEN.items())[:2])
    server.files["/tess.zip"] = zipped(part | {"MANIFEST.TXT": manifest(f"YAF_zone_sad.wav {SKIPPED}")})
    zip_home = {"url": f"{server.url}/tess.zip"}
    registered("tess", homes=[zip_home, {"dataverse": {"server": server.url, "doi": DOI}}])
    assert contents(corpus_downloads.corpus("tess")) == SPOKEN
    assert list((cache / "downloads").iterdir()) == []  # what the other gave in part is not kept


def test_a_whole_home_is_preferred_to_one_with_more_files(server, registered, official):
    official("tess", ["YAF_back_sad", "YAF_bean_sad"])
    server.files["/more.zip"] = zipped({"YAF_back_sad.wav": b"a", "YAF_x_sad.wav": b"b", "YAF_y_sad.wav": b"c"})
    server.files["/whole.zip"] = zipped({"YAF_back_sad.wav": b"a", "YAF_bean_sad.wav": b"b"})
    registered("tess", homes=[{"url": f"{server.url}/{name}.zip"} for name in ("more", "whole")])
    assert names(corpus_downloads.corpus("tess")) == {"YAF_back_sad.wav", "YAF_bean_sad.wav"}


# -- Hugging Face ---------------------------------------------------------------------------------------------


def test_audio_in_folders_comes_from_a_list_of_several_pages(hub, capsys):
    files = {f"sad#1/{name}": content for name, content in SPOKEN.items()}
    server = hub({**files, "README.md": b"#", "load.py": b"raise SystemExit", "._a.wav": b"notes"}, page=2)
    assert contents(corpus_downloads.corpus("tess")) == files
    assert sum("/tree/" in path for path in asked_for(server)) == 4
    assert f"from https://huggingface.co/datasets/{DATASET}/tree/{COMMIT}" in capsys.readouterr().out


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "pack"), [("data/all.zip", zipped), ("all.tar.gz", tarred)])
def test_an_archive_is_unpacked(hub, name, pack):
    hub({name: pack(SPOKEN), "words.json.gz": b"no archive", "example.wav": b"RIFF"})
    assert names(corpus_downloads.corpus("tess")) == set(SPOKEN)


@pytest.mark.parametrize("where", ["", "/storage/extracted/7415/tess/", "C:\\data\\", "sad/"])
def test_a_table_gives_its_files_by_name(hub, where):
    first, *others = [(f"{where}{name}", content) for name, content in SPOKEN.items()]
    hub({"data/train-00000-of-00002.parquet": tabled([first], label=pyarrow.array([0])),
         "data/train-00001-of-00002.parquet": tabled(others, label=pyarrow.array([0, 1]))})  # fmt: skip
    folder = corpus_downloads.corpus("tess")
    assert {path.name: path.read_bytes() for path in folder.rglob("*.wav")} == SPOKEN
    assert names(folder) == set(SPOKEN)


def test_a_table_is_read_in_parts(tmp_path):
    rows = [(f"{n:04}.wav", b"%d" % n) for n in range(3 * parquet_audio.ROWS + 1)]
    (tmp_path / "a.parquet").write_bytes(tabled(rows))
    assert contents(parquet_audio.unpack(tmp_path / "a.parquet", tmp_path / "a")) == dict(rows)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"PAR1 broken", "cannot be read"),
        (tabled([("a.wav", b"one")])[:-20], "cannot be read"),
        (tabled([("x/a.wav", b"one"), ("y/a.wav", b"two")]), "two files are called a.wav"),
        (tabled([("", b"one")]), "'' is no name for a file"),
        (tabled([(None, b"one")]), "None is no name for a file"),
        (tabled([("x/..", b"one")]), "'x/..' is no name for a file"),
    ],
    ids=["broken", "cut", "twice", "empty", "none", "climbs"],
)
def test_a_table_that_cannot_be_used_is_told_and_comes_anew(hub, tmp_path, table, says):
    server = hub({"a.parquet": table})
    with pytest.raises(web.DownloadError, match=rf"a\.parquet: {re.escape(says)}.*nothing was unpacked"):
        corpus_downloads.corpus("tess")
    assert not list(tmp_path.rglob("*.wav"))
    hub({"a.parquet": tabled(list(SPOKEN.items()))})
    assert names(corpus_downloads.corpus("tess")) == set(SPOKEN)
    assert server.seen


def test_a_table_without_files_is_told(hub):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "label": [0]}), buffer)
    hub({"a.parquet": buffer.getvalue()})
    with pytest.raises(web.DownloadError, match=r"no column of files among text, label; expected a Parquet table"):
        corpus_downloads.corpus("tess")


def test_a_table_that_only_points_to_files_has_none(hub):
    hub({"a.parquet": tabled([("YAF_back_sad.wav", None)])})
    with pytest.raises(web.DownloadError, match=r"none of its 0 audio files is named as TESS names them"):
        corpus_downloads.corpus("tess")


def test_a_table_may_not_be_too_large(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(tabled([("a.wav", bytes(600)), ("b.wav", bytes(401))]))
    monkeypatch.setattr(archives, "LARGEST", 1_000)
    with pytest.raises(web.DownloadError, match="it holds more than 1000 bytes"):
        parquet_audio.unpack(tmp_path / "a.parquet", tmp_path / "a")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet"]


def test_a_program_that_loads_a_data_set_is_not_run(hub, capsys):
    hub({"copy.py": b"raise SystemExit", "README.md": b"#"})
    assert downloads.main(["tess"]) == 1
    printed = capsys.readouterr().out
    assert f"{DATASET}/tree/{COMMIT}: none of its 2 files (README.md, copy.py) is audio, an archive" in printed
    assert "TESS by hand" in printed


def test_a_data_set_that_is_gone_says_so(hub):
    with pytest.raises(
        web.DownloadError, match="404 Not Found where a list of files was expected; it may have moved"
    ):
        corpus_downloads.corpus("tess")


def test_a_pointer_as_content_is_named(hub):
    server = hub(SPOKEN)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n".encode()
    server.files[f"/datasets/{DATASET}/resolve/{COMMIT}/YAF_back_sad.wav"] = pointer
    with pytest.raises(web.DownloadError, match="a Git-LFS pointer came in place of the content"):
        corpus_downloads.corpus("tess")


def test_pointers_in_an_archive_are_no_audio(server, registered, cache):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n".encode()
    server.files["/repo.zip"] = zipped({f"repo/{name}": pointer for name in SPOKEN})
    registered("tess", url=f"{server.url}/repo.zip")
    says = r"repo\.zip: a Git-LFS pointer came in place of the content of repo/YAF_back_sad\.wav and 2 more"
    with pytest.raises(web.DownloadError, match=says):
        corpus_downloads.corpus("tess")
    assert list((cache / "downloads").iterdir()) == []


# -- AESDD, as it is registered -------------------------------------------------------------------------------


@pytest.fixture
def aesdd():
    """Return the files of AESDD as copies have them: the list but for one, and one without samples."""
    listed = file_lists.file_list("aesdd")
    return {file: file.encode() for file in listed["file"] if file != "s01 (1).wav"} | {"s05 (3).wav": bytes(36)}


SCRIPT = {"AESDD.py": b"raise SystemExit", "README.md": b"#", ".DS_Store": b"notes"}


@pytest.mark.parametrize("home", [0, 1, 2, 3])
def test_each_home_of_aesdd_gives_all_that_there_is(hub, aesdd, capsys, home):
    homes = [h["huggingface"] for h in corpus_downloads.homes(corpus_registry.get("aesdd"))]
    folders = {f"{name[0]}/{name}": content for name, content in aesdd.items() if name != "s05 (3).wav"}
    forms = [{"AESDD.zip": zipped(aesdd)}, folders, {"data/train.parquet": tabled(list(aesdd.items()))}]
    hub(SCRIPT, **homes[0])
    hub(forms[min(home, 2)], **homes[home])
    assert downloads.main(["aesdd"]) == 0
    printed = capsys.readouterr().out
    more = "" if home == 1 else "; not on the official list: s05 (3)"
    where = corpus_registry.find("aesdd")
    copy = f"https://huggingface.co/datasets/{homes[home]['dataset']}/tree/{homes[home]['revision']}"
    assert f"AESDD: 603 of 604 utterances in {where}; no home has s01 (1){more}; from {copy}\n" in printed
    assert downloads.main(["aesdd"]) == 0  # and so it stays
    assert "603 of 604 utterances" in capsys.readouterr().out


def test_a_copy_of_aesdd_that_lacks_more_is_not_whole(hub, aesdd, capsys):
    homes = corpus_downloads.homes(corpus_registry.get("aesdd"))
    del aesdd["f07 (4).wav"]
    hub({"AESDD.zip": zipped(aesdd)}, **homes[0]["huggingface"])
    assert downloads.main(["aesdd"]) == 1
    assert "not whole: missing f07 (4); " in capsys.readouterr().out


def test_where_no_home_of_aesdd_answers_a_person_can(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    with pytest.raises(web.DownloadError) as error:
        corpus_downloads.corpus("aesdd")
    assert str(error.value).count("404 Not Found where a list of files was expected") == 4
    assert "AESDD by hand: open http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/" in str(
        error.value
    )


def test_a_refusal_is_not_hidden_by_a_host_that_is_not_found(server, registered, monkeypatch, capsys):
    monkeypatch.setattr(web, "_unresolved", {"nowhere.invalid": web.RESOLVE})
    registered("tess", homes=[{"url": f"{server.url}/gone.zip"}, {"url": "http://nowhere.invalid/a.zip"}])
    assert downloads.main(["tess"]) == 1
    printed = capsys.readouterr().out
    assert "tess  not here  " in printed
    assert "gone.zip: the server answered 404" in printed
