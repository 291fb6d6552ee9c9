import dataclasses
import email.utils
import errno
import hashlib
import io
import re
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from crosscorpus.base import archives, known_names, paths, web
from crosscorpus.corpora import corpus_downloads, corpus_registry, home_files, scanning
from crosscorpus.embeddings import downloads
from crosscorpus.models import model_registry
from tests import local_home

BODY = bytes(range(256)) * 4_000
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
BLOCK, PAUSES = web.BLOCK, web.PAUSES
LABELLED = ["03a01Fa", "03a01Nc", "16b10Wb"]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def server(server):
    server.files["/a.zip"] = BODY
    return server


@pytest.fixture
def to(tmp_path):
    return tmp_path / "new" / "a.zip"


def part_of(to, content):
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.part")
    part.write_bytes(content)
    return part


def ranges(server):
    return [asked for _, asked, _, _ in server.seen]


def bytes_served(server):
    return sum(sent for _, _, status, sent in server.seen if status in (200, 206))


# -- fetch: what goes well ------------------------------------------------------------------------------------


def test_a_file_arrives_whole_and_alone(server, to):
    assert web.fetch(f"{server.url}/a.zip", to, sha256=SHA256, md5=MD5, size=len(BODY)) == to
    assert to.read_bytes() == BODY
    assert list(to.parent.iterdir()) == [to]


def test_checksums_may_be_in_capitals(server, to):
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256.upper(), md5=MD5.upper())
    assert to.exists()


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"md5": MD5}, {"size": len(BODY)}, {}])
def test_a_file_that_is_there_and_right_is_not_asked_for(server, to, known):
    to.parent.mkdir()
    to.write_bytes(BODY)
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert server.seen == []


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"md5": MD5}, {"size": len(BODY)}])
def test_a_file_that_is_there_and_wrong_is_replaced(server, to, known):
    to.parent.mkdir()
    to.write_bytes(b"wrong")
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert to.read_bytes() == BODY


def test_without_a_checksum_the_sha256_is_printed(server, to, capsys):
    web.fetch(f"{server.url}/a.zip", to, size=len(BODY), what="Corpus")
    printed = capsys.readouterr().out
    assert printed.startswith(f"Corpus: {len(BODY)} bytes from {server.url}/a.zip")
    assert f"SHA-256 {SHA256}, none is known" in printed


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"md5": MD5}])
def test_with_a_checksum_the_report_says_that_it_is_right(server, to, known, capsys):
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert capsys.readouterr().out.endswith("; checksum right\n")


def test_quiet_prints_nothing(server, to, capfd):
    web.fetch(f"{server.url}/a.zip", to, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_is_called_as_the_thing(server, to, capfd):
    web.fetch(f"{server.url}/a.zip", to, what="Corpus")
    assert "Corpus: 100%" in capfd.readouterr().err


def test_nothing_is_fetched_compressed(server, to, monkeypatch):
    heads = []
    monkeypatch.setattr(
        local_home.Handler, "end_headers", lambda self: (heads.append(self.headers), _end_headers(self))
    )
    web.fetch(f"{server.url}/a.zip", to)
    assert heads[0]["Accept-Encoding"] == "identity"


_end_headers = local_home.Handler.end_headers


# -- fetch: going on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{"sha256": SHA256, "size": len(BODY)}, {"sha256": SHA256}, {}])
def test_a_cut_connection_is_taken_up_where_it_was_cut(server, to, known):
    server.plans["/a.zip"] = [{"cut": 40 * BLOCK}, {"cut": 10 * BLOCK}]
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert to.read_bytes() == BODY
    assert ranges(server) == ["", f"bytes={40 * BLOCK}-", f"bytes={50 * BLOCK}-"]
    assert bytes_served(server) == len(BODY)


def test_a_cut_that_no_header_tells_is_seen_by_the_size(server, to):
    server.plans["/a.zip"] = [{"cut": 40 * BLOCK, "says_length": False}]
    web.fetch(f"{server.url}/a.zip", to, size=len(BODY))
    assert to.read_bytes() == BODY
    assert ranges(server) == ["", f"bytes={40 * BLOCK}-"]


def test_an_earlier_part_is_continued(server, to):
    part_of(to, BODY[:1_000])
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert to.read_bytes() == BODY
    assert ranges(server) == ["bytes=1000-"]
    assert bytes_served(server) == len(BODY) - 1_000


def test_a_server_without_ranges_starts_over(server, to):
    part_of(to, b"x" * 1_000)
    server.plans["/a.zip"] = [{"ranges": False}]
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert to.read_bytes() == BODY
    assert ranges(server) == ["bytes=1000-"]


def test_a_cut_at_a_server_without_ranges_starts_over(server, to):
    server.plans["/a.zip"] = [{"cut": 600_000}, {"ranges": False}]
    web.fetch(f"{server.url}/a.zip", to)
    assert to.read_bytes() == BODY
    assert bytes_served(server) == len(BODY) + 600_000


def test_a_range_that_was_not_asked_for_is_not_appended(server, to):
    part_of(to, BODY[:1_000])
    server.plans["/a.zip"] = [{"shift": -10}]
    web.fetch(f"{server.url}/a.zip", to)
    assert to.read_bytes() == BODY
    assert ranges(server) == ["bytes=1000-", ""]


def test_a_part_of_the_right_size_is_checked_without_asking(server, to):
    part_of(to, BODY)
    web.fetch(f"{server.url}/a.zip", to, size=len(BODY), md5=MD5)
    assert to.read_bytes() == BODY
    assert server.seen == []


@pytest.mark.parametrize(("known", "plan"), [({}, {}), ({"md5": MD5}, {"says_range": False})])
def test_a_part_beyond_which_there_is_nothing_is_the_whole(server, to, known, plan):
    part_of(to, BODY)
    server.plans["/a.zip"] = [plan]
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert to.read_bytes() == BODY
    assert [status for _, _, status, _ in server.seen] == [416]


@pytest.mark.parametrize(
    ("known", "plan", "content"),
    [
        ({}, {}, BODY + b"more"),
        ({"md5": MD5}, {}, BODY + b"more"),
        ({}, {"says_range": False}, BODY),  # nothing tells that it is whole
        ({"md5": MD5}, {"says_range": False}, b"x" * len(BODY)),
    ],
)
def test_a_part_that_cannot_be_the_whole_is_started_over(server, to, known, plan, content):
    part_of(to, content)
    server.plans["/a.zip"] = [plan]
    web.fetch(f"{server.url}/a.zip", to, **known)
    assert to.read_bytes() == BODY
    assert [status for _, _, status, _ in server.seen] == [416, 200]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_again(server, to, status):
    server.plans["/a.zip"] = [{"status": status}, {"status": status}, {"status": status}]
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert to.read_bytes() == BODY
    assert len(server.seen) == 4


def test_a_passing_trouble_keeps_the_part(server, to):
    part_of(to, BODY[:1_000])
    server.plans["/a.zip"] = [{"status": 503}]
    web.fetch(f"{server.url}/a.zip", to)
    assert ranges(server) == ["bytes=1000-", "bytes=1000-"]
    assert to.read_bytes() == BODY


def test_pauses_grow(server, to, monkeypatch):
    slept = []
    monkeypatch.setattr(web, "PAUSES", PAUSES)
    monkeypatch.setattr(web.time, "sleep", slept.append)
    server.plans["/a.zip"] = [{"status": 503}] * len(PAUSES)
    web.fetch(f"{server.url}/a.zip", to)
    assert len(slept) >= 3
    assert slept == sorted(slept)
    assert 60 < sum(slept) < 120  # homes count requests by the minute


@pytest.mark.parametrize("says", ["30", "date"])
def test_a_server_that_says_how_long_to_wait_is_waited_for(server, to, monkeypatch, says):
    slept = []
    monkeypatch.setattr(web.time, "sleep", slept.append)
    when = email.utils.formatdate(time.time() + 30, usegmt=True) if says == "date" else says
    server.plans["/a.zip"] = [{"status": 429, "headers": {"Retry-After": when}}]
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert 27 < slept[0] <= 30
    server.plans["/a.zip"] = [{"status": 429, "headers": {"Retry-After": "86400"}}]
    to.unlink()
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert slept[-1] == web.LONGEST_PAUSE


def test_a_home_that_refuses_a_librarys_own_name_is_asked_by_ours(server, to):
    server.refused_agents = ("python-requests",)
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert re.match(r"crosscorpus/\d+\.\d+\.\d+ \(\S+ https://\S+\)", server.agents[0])


def test_a_home_that_refuses_for_a_moment_is_asked_again(server, to):
    server.plans["/a.zip"] = [{"status": 403}, {"status": 403}]
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert to.read_bytes() == BODY


def test_a_home_that_goes_on_refusing_is_said_to_refuse(server, to):
    server.plans["/a.zip"] = [{"status": 403}] * 4
    with pytest.raises(web.DownloadError, match=r"403 Forbidden, after 4 tries; .*blocked, a quota is spent"):
        web.fetch(f"{server.url}/a.zip", to)


def test_a_pointer_in_place_of_content_is_named(server, to):
    server.files["/a.zip"] = pointer(BODY)
    with pytest.raises(web.DownloadError, match="a Git-LFS pointer came in place of the content"):
        web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)


def test_a_host_without_an_address_is_asked_for_once(to, monkeypatch):
    slept = []
    monkeypatch.setattr(web, "_unresolved", {})
    monkeypatch.setattr(web.time, "sleep", slept.append)
    for name in ("a", "b", "c"):
        with pytest.raises(web.NoNetworkError, match=r"no network, or no such host: nowhere\.invalid; connect"):
            web.fetch(f"http://nowhere.invalid/{name}", to)
    assert len(slept) == web.RESOLVE - 1


def test_a_network_that_was_down_for_a_moment_is_forgiven(server, to, monkeypatch):
    host = server.url.removeprefix("http://").partition(":")[0]
    monkeypatch.setattr(web, "_unresolved", {host: web.RESOLVE - 1})
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert web._unresolved == {}


# -- fetch: what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "right"), [("sha256", SHA256), ("md5", MD5)])
def test_a_wrong_checksum_says_both_and_removes_what_came(server, to, name, right):
    wrong = "0" * len(right)
    with pytest.raises(web.DownloadError) as error:
        web.fetch(f"{server.url}/a.zip", to, **{name: wrong})
    assert f"{server.url}/a.zip: {name} is {right}, expected {wrong}; what came was removed" in str(error.value)
    assert list(to.parent.iterdir()) == []


def test_one_wrong_checksum_of_two_is_enough(server, to):
    with pytest.raises(web.DownloadError, match="md5 is"):
        web.fetch(f"{server.url}/a.zip", to, sha256=SHA256, md5="0" * 32)
    assert not to.exists()


@pytest.mark.parametrize("off", [-1, 1, -500_000])
def test_a_wrong_size_says_both_and_removes_what_came(server, to, off):
    with pytest.raises(web.DownloadError, match=rf"size is \d+ bytes, expected {len(BODY) + off}; what came"):
        web.fetch(f"{server.url}/a.zip", to, size=len(BODY) + off)
    assert list(to.parent.iterdir()) == []


def test_a_file_that_is_too_long_is_not_read_to_its_end(server, to):
    server.files["/a.zip"] = bytes(20_000_000)
    with pytest.raises(web.DownloadError, match=r"size is (\d{1,6}) bytes, expected 10;"):
        web.fetch(f"{server.url}/a.zip", to, size=10)


def test_a_wrong_part_of_the_right_size_is_removed(server, to):
    part_of(to, b"x" * len(BODY))
    with pytest.raises(web.DownloadError, match=f"expected {SHA256}"):
        web.fetch(f"{server.url}/a.zip", to, size=len(BODY), sha256=SHA256)
    web.fetch(f"{server.url}/a.zip", to, size=len(BODY), sha256=SHA256)
    assert to.read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "terms"), (404, "moved"), (410, "moved"), (418, "home page")],
)
def test_a_refusal_says_what_happened_and_what_to_do_and_is_not_repeated(server, to, status, remedy):
    server.plans["/a.zip"] = [{"status": status}]
    with pytest.raises(web.DownloadError) as error:
        web.fetch(f"{server.url}/a.zip", to)
    assert f"{server.url}/a.zip: the server answered {status} " in str(error.value)
    assert "where a file was expected" in str(error.value)
    assert remedy in str(error.value)
    assert len(server.seen) == 1
    assert not to.exists()


def test_a_refusal_keeps_an_earlier_part(server, to):
    part = part_of(to, BODY[:1_000])
    server.plans["/a.zip"] = [{"status": 404}]
    with pytest.raises(web.DownloadError):
        web.fetch(f"{server.url}/a.zip", to)
    assert part.read_bytes() == BODY[:1_000]


def test_a_connection_that_is_cut_every_time_is_given_up_and_its_part_kept(server, to):
    server.plans["/a.zip"] = [{"cut": BLOCK}] * 4
    with pytest.raises(web.DownloadError) as error:
        web.fetch(f"{server.url}/a.zip", to, sha256=SHA256, what="Corpus")
    assert f"{server.url}/a.zip: connection trouble" in str(error.value)
    assert "after 4 tries; expected Corpus; check the connection" in str(error.value)
    assert not to.exists()
    web.fetch(f"{server.url}/a.zip", to, sha256=SHA256)
    assert ranges(server)[-1] == f"bytes={4 * BLOCK}-"
    assert to.read_bytes() == BODY


def test_a_server_in_trouble_is_given_up(server, to):
    server.plans["/a.zip"] = [{"status": 500}] * 4
    with pytest.raises(
        web.DownloadError, match=r"the server answered 500 .* after 4 tries; .*; check the connection"
    ):
        web.fetch(f"{server.url}/a.zip", to)


def test_a_refused_connection_is_given_up(to):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(web.DownloadError, match=rf"http://127.0.0.1:{port}/a: connection trouble .* 4 tries"):
        web.fetch(f"http://127.0.0.1:{port}/a", to)
    assert list(to.parent.iterdir()) == []


def test_a_server_that_sends_nothing_is_given_up(server, to, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", (1, 0.1))
    server.plans["/a.zip"] = [{"stall": True}] * 4
    with pytest.raises(web.DownloadError, match=r"connection trouble .*timed out"):
        web.fetch(f"{server.url}/a.zip", to)


def test_an_address_that_is_none_is_refused(to):
    with pytest.raises(web.DownloadError, match=r"^htp:/nowhere: connection trouble"):
        web.fetch("htp:/nowhere", to)


# -- unpack ---------------------------------------------------------------------------------------------------


def zipped(members, compression=zipfile.ZIP_STORED):
    """Return a zip of {name or ZipInfo: content}, with names as they are given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for member, content in members.items():
            info = member if isinstance(member, zipfile.ZipInfo) else zipfile.ZipInfo("x")
            info.filename = info.filename if info is member else member
            archive.writestr(info, content, compression)
    return buffer.getvalue()


def tarred(*entries, mode="w"):
    """Return a tar of (name, content) and of TarInfos."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
            content = b"" if info is entry else entry[1]
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_entry(kind, name="evil", target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def zip_link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {info: target}


@pytest.fixture
def unpack(tmp_path):
    """Unpack bytes into `<tmp_path>/out/corpus`."""

    def run(content, **options):
        archive = tmp_path / "corpus.archive"
        archive.write_bytes(content)
        (tmp_path / "out").mkdir(exist_ok=True)
        return archives.unpack(archive, tmp_path / "out" / "corpus", **options)

    return run


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


FILES = {"top/a.wav": b"one", "top/deep/b.wav": b"two", "c.txt": b""}


@pytest.mark.parametrize(
    "archive",
    [
        zipped(FILES),
        zipped({**FILES, "top/empty/": b""}, zipfile.ZIP_DEFLATED),
        tarred(*FILES.items()),
        tarred(tar_entry(tarfile.DIRTYPE, "top"), *FILES.items(), mode="w:gz"),
        zipped({"top\\a.wav": b"one", "top\\deep/b.wav": b"two", "./c.txt": b""}),
    ],
    ids=["zip", "deflated", "tar", "tar.gz", "of Windows"],
)
def test_an_archive_is_unpacked(unpack, archive):
    folder = unpack(archive)
    assert contents(folder) == FILES
    assert list(folder.parent.iterdir()) == [folder]


def test_only_what_is_wanted_is_unpacked(unpack):
    assert contents(unpack(zipped(FILES), wanted="*/*.wav")) == {k: v for k, v in FILES.items() if k != "c.txt"}


def test_zips_in_a_zip_are_unpacked_one_level(unpack):
    inner = zipped({"d.wav": b"three", "inmost.ZIP": zipped({"e.wav": b"four"})})
    found = contents(unpack(zipped({**FILES, "top/inner.Zip": inner, "folder.zip/f.wav": b"five"})))
    assert found.pop("folder.zip/f.wav") == b"five"
    assert found.pop("top/inner/inmost.ZIP") == zipped({"e.wav": b"four"})
    assert found == {**FILES, "top/inner/d.wav": b"three"}


def test_notes_of_macos_are_passed_over(unpack):
    found = contents(unpack(zipped({"__MACOSX/._inner.zip": b"notes", "inner.zip": zipped({"d.wav": b"three"})})))
    assert found == {"inner/d.wav": b"three"}


def test_folders_that_end_with_a_backslash_are_folders(unpack):
    members = {"audio\\": b"", "audio\\sub\\": b"", "audio\\sub\\a.wav": b"one"}
    assert contents(unpack(zipped(members))) == {"audio/sub/a.wav": b"one"}


def test_a_tar_that_ends_with_a_zip_is_a_tar(unpack):
    found = contents(unpack(tarred(("a.wav", b"one"), ("z.zip", zipped({"d.wav": b"three"})))))
    assert found == {"a.wav": b"one", "z/d.wav": b"three"}


CLIMBING = ["../evil", "a/../../evil", "/evil", "\\evil", "..\\evil", "C:\\evil", "c:evil", "a/..", ""]


@pytest.mark.parametrize("name", [*CLIMBING, "ok.wav\0evil"])
def test_a_zip_member_that_climbs_out_is_refused(unpack, tmp_path, name):
    with pytest.raises(web.DownloadError) as error:
        unpack(zipped({"ok.wav": b"one", name: b"evil"}))
    assert f"corpus.archive: member {name!r} would be written elsewhere" in str(error.value)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "corpus.archive", tmp_path / "out"]


@pytest.mark.parametrize("name", CLIMBING)
def test_a_tar_member_that_climbs_out_is_refused(unpack, tmp_path, name):
    with pytest.raises(web.DownloadError) as error:
        unpack(tarred(("ok.wav", b"one"), (name, b"evil")))
    assert f"corpus.archive: member {name!r} would be written elsewhere" in str(error.value)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "corpus.archive", tmp_path / "out"]


@pytest.mark.parametrize(
    "archive",
    [
        zipped({"ok.wav": b"one", **zip_link("evil", "/etc/passwd")}),
        tarred(("ok.wav", b"one"), tar_entry(tarfile.SYMTYPE, target="/etc/passwd")),
        tarred(("ok.wav", b"one"), tar_entry(tarfile.SYMTYPE, target="ok.wav")),
        tarred(("ok.wav", b"one"), tar_entry(tarfile.LNKTYPE, target="ok.wav")),
        tarred(("ok.wav", b"one"), tar_entry(tarfile.FIFOTYPE)),
        tarred(("ok.wav", b"one"), tar_entry(tarfile.CHRTYPE)),
        zipped({"inner.zip": zipped(zip_link("evil", "/etc/passwd"))}),
    ],
    ids=["zip, link", "tar, link", "tar, link inside", "tar, hard link", "tar, pipe", "tar, device", "nested"],
)
def test_links_and_devices_are_refused(unpack, tmp_path, archive):
    with pytest.raises(web.DownloadError, match="member 'evil' is a link or a device"):
        unpack(archive)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_wanted_is_checked_too(unpack):
    with pytest.raises(web.DownloadError, match="elsewhere"):
        unpack(zipped({"ok.wav": b"one", "../evil.txt": b""}), wanted="*.wav")


@pytest.mark.parametrize(
    "archive",
    [
        zipped({"ok.wav": b"one", "big": bytes(10**7)}, zipfile.ZIP_DEFLATED),
        tarred(("ok.wav", b"one"), ("big", bytes(10**7)), mode="w:gz"),
        zipped({"inner.zip": zipped({"big": bytes(10**7)}, zipfile.ZIP_DEFLATED)}),
    ],
    ids=["zip", "tar.gz", "nested"],
)
def test_a_bomb_is_refused(unpack, tmp_path, archive):
    assert len(archive) < 10**7 / archives.LARGEST_RATIO
    with pytest.raises(web.DownloadError, match=r"corpus.*unpacks to more than \d+ bytes"):
        unpack(archive)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("make", [lambda files: zipped(files), lambda files: tarred(*files.items())])
def test_the_limit_is_the_sum_over_all_members(unpack, make):
    archive = make({"a": bytes(600), "b": bytes(400)})
    with pytest.raises(web.DownloadError, match="more than 999 bytes"):
        unpack(archive, limit=999)
    assert unpack(archive, limit=1_000).is_dir()


def test_the_limit_includes_the_zips_inside(unpack):
    inner = zipped({"b": bytes(200)})
    archive = zipped({"a": bytes(600), "one.zip": inner, "two.zip": inner})
    with pytest.raises(web.DownloadError, match=r"(one|two)\.zip: it unpacks to more than 199 bytes"):
        unpack(archive, limit=999 + 2 * len(inner))
    assert unpack(archive, limit=1_000 + 2 * len(inner)).is_dir()


def test_a_zip_that_lies_about_its_size_gives_no_more_than_it_declares(unpack, tmp_path, monkeypatch):
    written = []
    copy = archives.shutil.copyfileobj
    monkeypatch.setattr(
        archives.shutil, "copyfileobj", lambda a, b: (written.append(b), copy(a, b))
    )  # keeps the file, to see how long it was
    honest = zipped({"big": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    lying = honest.replace(struct.pack("<L", 10**6), struct.pack("<L", 10))
    assert lying != honest
    with pytest.raises(web.DownloadError, match=r"cannot be unpacked.*CRC"):
        unpack(lying)
    assert len(written) == 1
    assert list((tmp_path / "out").iterdir()) == []


def changed(content, at):
    return content[:at] + b"x" * 300 + content[at + 300 :]


def encrypted():
    archive = bytearray(zipped({"a.wav": b"one"}))
    archive[6] |= 1  # the flags in the member's header, and in the list of members
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"<html>Please log in</html>",
        zipped(FILES)[:-30],
        changed(zipped({"a.wav": BODY}), at=500),
        tarred(*FILES.items(), mode="w:gz")[:-40],
        tarred(("a.wav", BODY))[:50_000],
        changed(zipped({"a.wav": BODY[:10_000]}, zipfile.ZIP_BZIP2), at=60),
        zipped({"ä.wav": b"one"}).replace("ä".encode(), b"\xff\xff"),
        encrypted(),
        zipped({"inner.zip": b"broken"}),
    ],
    ids=[
        "empty",
        "html",
        "zip, cut",
        "zip, changed",
        "tar.gz, cut",
        "tar, cut",
        "bzip2, changed",
        "name, changed",
        "encrypted",
        "nested",
    ],
)
def test_what_is_no_whole_archive_is_refused(unpack, tmp_path, archive):
    with pytest.raises(web.DownloadError, match=r"cannot be unpacked .*expected a whole zip or tar"):
        unpack(archive)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_named(unpack, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    with pytest.raises(web.DownloadError, match=r"No space left on device.*room for its content"):
        unpack(zipped(FILES))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interruption_leaves_nothing_behind(unpack, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(archives.shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(zipped(FILES))
    assert list((tmp_path / "out").iterdir()) == []


KILLED = """
import os, pathlib, shutil, sys
from crosscorpus.base import archives
shutil.copyfileobj = lambda source, file: (file.write(b"half"), file.flush(), os._exit(9))
archives.unpack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
"""


def test_what_a_kill_leaves_is_no_corpus_and_is_swept_by_the_next_run(tmp_path, cache):
    archive, folder = tmp_path / "a.zip", cache / "corpora" / "emodb"
    archive.write_bytes(zipped({"03a01Fa.wav": b"whole", "03a01Nc.wav": b"whole"}))
    killed = subprocess.run([sys.executable, "-c", KILLED, archive, folder], check=False)
    assert killed.returncode == 9
    (left,) = folder.parent.iterdir()
    assert contents(left) == {"03a01Fa.wav": b"half"}
    assert corpus_registry.find("emodb") is None
    (left / "stale.wav").touch()
    archives.unpack(archive, folder)
    assert contents(folder) == {"03a01Fa.wav": b"whole", "03a01Nc.wav": b"whole"}
    assert list(folder.parent.iterdir()) == [folder]


# -- corpora --------------------------------------------------------------------------------------------------


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.fixture
def emodb(server, registered, official, recordings):
    audio = recordings[".wav"].read_bytes()
    server.files["/emodb.zip"] = zipped({f"download/wav/{name}.wav": audio for name in LABELLED})
    registered("emodb", url=f"{server.url}/emodb.zip")
    official("emodb", LABELLED)
    return server


@pytest.mark.usefixtures("emodb")
def test_a_corpus_is_put_where_it_is_found_and_read(cache, capsys):
    assert corpus_registry.find("emodb") is None
    folder = corpus_downloads.corpus("emodb")
    assert folder == cache / "corpora" / "emodb" == corpus_registry.find("emodb")
    scan = scanning.scan("emodb", folder)
    assert list(scan.utterances["utterance"]) == LABELLED
    assert scan.problems.empty
    assert f"Emo-DB: 3 of 535 utterances in {folder}" in capsys.readouterr().out
    assert list((cache / "downloads").iterdir()) == []


def test_a_corpus_that_is_here_is_not_fetched_again(emodb):
    corpus_downloads.corpus("emodb")
    before = len(emodb.seen)
    corpus_downloads.corpus("emodb")
    assert len(emodb.seen) == before


def test_a_corpus_of_the_mirror_is_not_fetched(emodb, tmp_path, monkeypatch):
    put(tmp_path / "mirror" / "corpora" / "emodb", *(f"{name}.wav" for name in LABELLED))
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path / "mirror"))
    assert corpus_downloads.corpus("emodb") == tmp_path / "mirror" / "corpora" / "emodb"
    assert emodb.seen == []


def test_the_mirror_comes_before_the_cache(tmp_path, cache, monkeypatch):
    mirrored, cached = tmp_path / "mirror" / "corpora" / "emodb", cache / "corpora" / "emodb"
    put(cached, "a.wav")
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path / "mirror"))
    assert corpus_registry.find("emodb") == corpus_registry.find("emodb", str(tmp_path / "mirror")) == cached
    mirrored.mkdir(parents=True)
    assert corpus_registry.find("emodb") == cached  # an empty folder is no corpus
    put(mirrored, "a.wav")
    assert corpus_registry.find("emodb") == corpus_registry.find("emodb", str(tmp_path / "mirror")) == mirrored


def test_the_cache_is_the_users_where_none_is_named(monkeypatch):
    monkeypatch.delenv(paths.CACHE_SETTING)
    monkeypatch.setattr(paths.platformdirs, "user_cache_path", lambda name: Path("/users") / name)
    assert paths.cache() == Path("/users/crosscorpus")
    monkeypatch.setenv(paths.CACHE_SETTING, "~/own")
    assert paths.cache() == Path.home() / "own"


def test_the_checksum_of_the_registry_is_checked(emodb, registered):
    registered("emodb", url=f"{emodb.url}/emodb.zip", md5="0" * 32)
    with pytest.raises(web.DownloadError, match=r"md5 is .* expected 0000"):
        corpus_downloads.corpus("emodb")
    registered("emodb", url=f"{emodb.url}/emodb.zip", size=1)
    with pytest.raises(web.DownloadError, match=r"size is .* expected 1;"):
        corpus_downloads.corpus("emodb")
    assert corpus_registry.find("emodb") is None


def test_a_page_instead_of_an_archive_is_not_kept(emodb, cache):
    archive, emodb.files["/emodb.zip"] = emodb.files["/emodb.zip"], b"<html>moved</html>"
    with pytest.raises(web.DownloadError, match="cannot be unpacked"):
        corpus_downloads.corpus("emodb")
    assert list((cache / "downloads").iterdir()) == []
    emodb.files["/emodb.zip"] = archive
    assert corpus_downloads.corpus("emodb").is_dir()


def test_an_archive_of_something_else_is_not_kept(emodb, cache):
    emodb.files["/emodb.zip"] = zipped({"song.wav": b"la", "03a01Fa.txt": b"no audio"})
    with pytest.raises(web.DownloadError, match=r"none of its 1 audio files .* Emo-DB .* 535 utterances"):
        corpus_downloads.corpus("emodb")
    assert list((cache / "downloads").iterdir()) == []
    assert corpus_registry.find("emodb") is None


def test_a_failed_download_says_how_to_do_it_by_hand(emodb, cache):
    emodb.plans["/emodb.zip"] = [{"status": 404}]
    with pytest.raises(web.DownloadError) as error:
        corpus_downloads.corpus("emodb")
    reason, by_hand = str(error.value).splitlines()
    assert reason.startswith(f"{emodb.url}/emodb.zip: the server answered 404")
    assert by_hand.startswith("Emo-DB by hand: fetch it from http://emodb.bilderbar.info/; unpack it")
    assert f"{cache / 'corpora' / 'emodb'}/" in by_hand


def test_a_part_of_another_address_is_not_continued(emodb, registered):
    emodb.plans["/emodb.zip"] = [{"cut": BLOCK}] * 4
    with pytest.raises(web.DownloadError):
        corpus_downloads.corpus("emodb")
    emodb.files["/newer.zip"] = emodb.files["/emodb.zip"]
    registered("emodb", url=f"{emodb.url}/newer.zip")
    corpus_downloads.corpus("emodb")
    assert emodb.seen[-1][:2] == ("/newer.zip", "")


def test_what_only_a_person_can_fetch_says_what_and_where(tmp_path, cache, monkeypatch, registered):
    registered("aesdd", by_hand=corpus_registry.get("aesdd").download["by_hand"])
    with pytest.raises(web.DownloadError) as error:
        corpus_downloads.corpus("aesdd")
    assert "http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/" in str(error.value)
    assert "https://mega.nz/#F!0ShVXY7C!-73kVoK05OjTPEA95UUvMw" in str(error.value)
    assert "corpora/aesdd/ of the folder that CROSSCORPUS_MIRROR names" in str(error.value)
    assert f"{cache / 'corpora' / 'aesdd'}/" in str(error.value)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path / "mirror"))
    with pytest.raises(web.DownloadError, match=f"corpora/aesdd/ of {tmp_path / 'mirror'}"):
        corpus_downloads.corpus("aesdd")


def test_what_a_person_has_put_into_the_cache_is_found(cache, official):
    official("aesdd", ["a01 (1)"])
    put(cache / "corpora" / "aesdd", "a01 (1).wav")
    assert corpus_downloads.corpus("aesdd") == cache / "corpora" / "aesdd"


def test_a_corpus_without_an_entry_for_downloads_is_fetched_by_hand(registered):
    registered("emodb")
    with pytest.raises(web.DownloadError, match="Emo-DB by hand: fetch it from http://emodb"):
        corpus_downloads.corpus("emodb")


def test_an_unknown_corpus_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="did you mean 'emodb'"):
        corpus_downloads.corpus("emo-db")


def test_homes_are_tried_in_turn_until_one_gives_all(emodb, registered, capsys):
    audio = emodb.files["/emodb.zip"]
    emodb.files["/part.zip"] = zipped({f"{LABELLED[0]}.wav": b"audio"})
    registered("emodb", homes=[{"url": f"{emodb.url}/{name}.zip"} for name in ("gone", "part", "emodb")])
    folder = corpus_downloads.corpus("emodb")
    assert len(contents(folder)) == 3
    assert [path for path, *_ in emodb.seen] == ["/gone.zip", "/part.zip", "/emodb.zip"]
    assert audio


def test_what_came_incomplete_is_kept_and_not_taken_for_whole(emodb, official, cache, capsys):
    official("emodb", [*LABELLED, "16b10Wa", "16b10Ab", "16b09Fd", "16b09La"])
    for _ in range(2):  # when it comes, and when it is here
        with pytest.raises(corpus_downloads.IncompleteError, match="missing 16b09Fd, 16b09La, 16b10Ab and 1 more"):
            corpus_downloads.corpus("emodb")
    assert len(contents(cache / "corpora" / "emodb")) == 3
    assert len(emodb.seen) == 1
    assert downloads.main(["emodb"]) == 1
    assert "emodb  incomplete  " in capsys.readouterr().out


def test_without_a_list_counts_tell_what_is_missing(tmp_path):
    entry = corpus_registry.get("urdu")
    put(tmp_path, "SM1_F1_A01.wav")
    assert corpus_downloads.missing(entry, tmp_path)[0].startswith("anger (1 of 100 utterances)")


def test_without_a_network_one_line_names_all(capsys, monkeypatch):
    monkeypatch.setattr(web, "_unresolved", {})
    monkeypatch.setattr(web.time, "sleep", lambda seconds: None)
    home = {"url": "http://nowhere.invalid/a.zip"}
    known = {name: dataclasses.replace(corpus_registry.get(name), download=home) for name in ("emodb", "ravdess")}
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    assert downloads.main(["emodb", "ravdess"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "not here" in line]
    reason = "no network, or no such host: nowhere.invalid; connect, and run again"
    assert lines == [f"not here: emodb, ravdess: {reason}"]


# -- Git LFS --------------------------------------------------------------------------------------------------

ACTED = [f"{actor}_DFA_ANG_XX.wav" for actor in range(1001, 1021)]


def pointer(content):
    sha256 = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()


@pytest.fixture
def cremad(server, registered, official):
    audio = {name: name.encode() * 100 for name in ACTED}
    members = {f"CREMA-D-1658/AudioWAV/{name}": pointer(content) for name, content in audio.items()}
    members |= {
        "CREMA-D-1658/AudioMP3/1001_DFA_ANG_XX.mp3": pointer(b"compressed"),
        "CREMA-D-1658/README.md": b"#",
    }
    server.files["/repo.zip"] = zipped(members)
    server.files |= {f"/media/AudioWAV/{name}": content for name, content in audio.items()}
    registered("cremad", url=f"{server.url}/repo.zip", wanted="*/AudioWAV/*.wav", lfs=[f"{server.url}/media"])
    official("cremad", [Path(name).stem for name in ACTED])
    return server


def asked_for(server):
    return sorted(path for path, *_ in server.seen)


def test_pointers_become_content(cremad):
    folder = corpus_downloads.corpus("cremad")
    assert contents(folder) == {f"CREMA-D-1658/AudioWAV/{name}": name.encode() * 100 for name in ACTED}
    assert asked_for(cremad) == ["/media/AudioWAV/" + name for name in ACTED] + ["/repo.zip"]


def test_one_bar_counts_the_files(cremad, capfd):
    corpus_downloads.corpus("cremad")
    bars = capfd.readouterr().err
    assert "CREMA-D: 100%" in bars
    assert "20/20" in bars
    assert "1001_DFA" not in bars


@pytest.mark.parametrize("wrong", [b"short", b"x" * len(ACTED[0]) * 100], ids=["size", "content"])
def test_wrong_content_of_a_pointer_is_refused(cremad, wrong):
    cremad.files["/media/AudioWAV/1001_DFA_ANG_XX.wav"] = wrong
    with pytest.raises(web.DownloadError, match=r"/media/AudioWAV/1001_DFA_ANG_XX\.wav: (size|sha256) is"):
        corpus_downloads.corpus("cremad")
    assert corpus_registry.find("cremad") is None


def test_what_came_before_a_failure_is_not_fetched_again(cremad):
    lost = "/media/AudioWAV/1020_DFA_ANG_XX.wav"
    content = cremad.files.pop(lost)
    with pytest.raises(web.DownloadError) as error:
        corpus_downloads.corpus("cremad")
    assert f"{cremad.url}{lost}: the server answered 404" in str(error.value)
    assert "CREMA-D by hand" in str(error.value)
    came = {path for path, _, status, _ in cremad.seen if status == 200}
    assert "/repo.zip" in came
    assert len(came) > 1
    cremad.seen.clear()
    cremad.files[lost] = content
    folder = corpus_downloads.corpus("cremad")
    assert not came & {path for path, *_ in cremad.seen}
    assert contents(folder) == {f"CREMA-D-1658/AudioWAV/{name}": name.encode() * 100 for name in ACTED}


def test_a_failure_stops_the_files_that_were_not_begun(tmp_path, server):
    folder = tmp_path / "repo"
    (folder / "top").mkdir(parents=True)
    for n in range(1_000):
        (folder / "top" / f"{n:04}.wav").write_bytes(pointer(b"%d" % n))
    with pytest.raises(web.DownloadError):
        home_files.fetch_lfs(folder, [f"{server.url}/media"], workers=2)
    assert len(server.seen) < 500


def test_another_home_of_the_content_is_tried(tmp_path, server):
    path = tmp_path / "repo" / "top" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(pointer(b"one"))
    server.files |= {"/first/a.wav": pointer(b"one"), "/second/a.wav": b"one"}
    home_files.fetch_lfs(tmp_path / "repo", [f"{server.url}/first", f"{server.url}/second"])
    assert path.read_bytes() == b"one"


def test_names_are_quoted_in_addresses(tmp_path, server):
    path = tmp_path / "repo" / "top" / "sub" / "a 1#.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(pointer(b"one"))
    server.files["/media/sub/a%201%23.wav"] = b"one"
    home_files.fetch_lfs(tmp_path / "repo", [f"{server.url}/media"])
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize(
    "content",
    [b"RIFF", b"", pointer(b"one") + b"x" * 2_000, b"about\n" + pointer(b"one")],
    ids=["audio", "empty", "longer", "later"],
)
def test_what_is_no_pointer_is_left_alone(tmp_path, server, content):
    path = tmp_path / "repo" / "top" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    home_files.fetch_lfs(tmp_path / "repo", [f"{server.url}/media"])
    assert path.read_bytes() == content
    assert server.seen == []


# -- command --------------------------------------------------------------------------------------------------


@pytest.fixture
def weights(monkeypatch):
    """Stand in for the module that fetches models: whisper-base is here, x-vector is not, others need none."""

    def fetch(ptm, mirror=None):
        if ptm == "x-vector":
            raise model_registry.NotAvailableError("x-vector: not to be had")
        if ptm == "mms-1b":
            raise KeyError("broken")
        return Path("/weights/whisper-base") if ptm == "whisper-base" else None

    monkeypatch.setattr("crosscorpus.models.weights.fetch", fetch)


def table_of(printed):
    lines = [line for line in printed.splitlines() if "here  " in line]
    return {line.split()[0]: "not here" not in line for line in lines}


@pytest.mark.usefixtures("emodb", "weights")
def test_the_table_tells_what_is_here_and_where(cache, capsys):
    assert downloads.main(["emodb", "whisper-base", "wavlm-base"]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines == [
        f"emodb         here      {cache / 'corpora' / 'emodb'}",
        "whisper-base  here      /weights/whisper-base",
        "wavlm-base    here      needs no weights",
    ]


@pytest.mark.usefixtures("emodb", "weights")
def test_one_failure_does_not_stop_the_others(capsys):
    assert downloads.main(["aesdd", "x-vector", "mms-1b", "emodb", "whisper-base"]) == 1
    printed = capsys.readouterr().out
    assert table_of(printed) == {
        "aesdd": False, "x-vector": False, "mms-1b": False, "emodb": True, "whisper-base": True
    }  # fmt: skip
    assert "x-vector      not here  x-vector: not to be had" in printed
    assert "mms-1b        not here  KeyError('broken')" in printed
    assert "AESDD by hand" in printed


@pytest.mark.usefixtures("emodb", "weights")
def test_a_name_that_is_given_twice_has_one_row(capsys):
    downloads.main(["emodb", "x-vector", "emodb"])
    assert sum("here  " in line for line in capsys.readouterr().out.splitlines()) == 2


@pytest.mark.usefixtures("weights")
def test_a_mirror_that_is_not_there_is_reported(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(paths.MIRROR_SETTING, str(tmp_path / "nowhere"))
    assert downloads.main(["emodb"]) == 1
    assert "nowhere: no such folder" in capsys.readouterr().out


@pytest.mark.usefixtures("weights")
def test_reasons_of_several_lines_stay_in_their_column(emodb, capsys):
    emodb.plans["/emodb.zip"] = [{"status": 404}]
    assert downloads.main(["emodb"]) == 1
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.index("http") == second.index("Emo-DB by hand") == len("emodb  not here  ")


@pytest.fixture
def profile(tmp_path, monkeypatch):
    (tmp_path / "profiles").mkdir()
    values = {"corpora": ["aesdd", "emodb"], "ptms": ["whisper-base", "x-vector"]}
    (tmp_path / "profiles" / "own.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "profiles" / "schema.yaml").write_text("type: object")
    monkeypatch.setattr(paths, "ROOT", tmp_path)


@pytest.mark.usefixtures("emodb", "weights", "profile")
def test_a_profile_names_corpora_and_models_and_does_not_fail(capsys):
    assert downloads.main(["--profile", "own"]) == 0
    assert table_of(capsys.readouterr().out) == {
        "aesdd": False, "emodb": True, "whisper-base": True, "x-vector": False
    }  # fmt: skip


@pytest.mark.usefixtures("emodb", "weights", "profile")
@pytest.mark.parametrize(("name", "status"), [("aesdd", 1), ("emodb", 0), ("mms-1b", 1)])
def test_what_is_named_beside_a_profile_counts(name, status, capsys):
    assert downloads.main(["--profile", "own", name]) == status
    assert len(table_of(capsys.readouterr().out)) == (5 if name == "mms-1b" else 4)


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("name", ["owm", "schema"])
def test_an_unknown_profile_is_refused(name):
    with pytest.raises(known_names.UnknownNameError, match=r"unknown profile .*Known: own\."):
        downloads.main(["--profile", name])


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(("name", "meant"), [("emo-db", "emodb"), ("wavlm", "wavlm-base")])
def test_an_unknown_name_is_refused_before_anything_is_fetched(server, name, meant):
    with pytest.raises(
        known_names.UnknownNameError, match=f"unknown corpus or model '{name}'; did you mean '{meant}'"
    ):
        downloads.main(["emodb", name])
    assert server.seen == []


def test_no_name_is_refused():
    with pytest.raises(ValueError, match="no corpus or model was named"):
        downloads.main([])


def test_the_command_says_in_one_line_what_was_misspelt():
    command = [sys.executable, "-m", "crosscorpus.embeddings.downloads", "emo-db"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(
        "crosscorpus.embeddings.downloads: unknown corpus or model 'emo-db'; did you mean 'emodb'?"
    )
    assert len(run.stderr.splitlines()) == 1
