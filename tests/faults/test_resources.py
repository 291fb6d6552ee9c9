"""No room, no permission, no memory, and another run of the same: named, gone on from, and never wrong."""

import logging
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from crosscorpus.embeddings import extraction, sharding, store_folders
from crosscorpus.models import extractor_types, loading
from tests.faults.test_kill import files_of, half_written, mirror, nursery  # noqa: F401 - fixtures


@pytest.fixture
def tiny_disk():
    """Mount disks of so many kilobytes: `tiny_disk(64)`; skipped where nothing may be mounted."""
    mounted = []

    def make(kilobytes):
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        try:
            made = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            made = None
        if made is None or made.returncode:
            folder.rmdir()
            pytest.skip("no tmpfs may be mounted here (it takes root)")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def grow(folder, kilobytes):
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)


@pytest.mark.parametrize("job", ["extract", "fit"])
def test_a_full_disk(nursery, mirror, tiny_disk, tmp_path, many, row, job):  # noqa: F811
    """A tmpfs of each size, from too small for the first table to nearly enough; then it grows."""
    counted = row("full disk")
    options = {"mirror": mirror} if job == "extract" else {}
    assert nursery(job, tmp_path / "whole", **options)["exit"] == 0
    expected = files_of(tmp_path / "whole")
    needed = sum(4 * -(-len(data) // 4096) for data in expected.values())
    sizes = np.unique(np.linspace(4, needed - 4, many(2 if job == "extract" else 1, 12)).astype(int) // 4 * 4)
    for size in sizes:
        disk = tiny_disk(int(size))
        struck = nursery(job, disk / "store", log=str(tmp_path / "struck.log"), **options)
        said = struck["error"].strip().rpartition("\n")[2]
        told = struck["exit"] == 1 and "No space left on device" in said and "free some space" in said
        wrong = half_written(disk / "store") if (disk / "store").exists() else []
        grow(disk, needed + 4096)
        resumed = nursery(job, disk / "store", **options)
        if wrong:
            counted.count("silently_wrong", f"{size} kB: {wrong}")
        elif not told or resumed["exit"]:
            counted.count("lost", f"{size} kB: {struck} {resumed}")
        else:
            same = files_of(disk / "store") == expected
            counted.count("survived" if same else "silently_wrong", f"{size} kB")
    counted.check(at_least=len(sizes))


@pytest.fixture
def read_only(tmp_path, request):
    """A folder that can be closed for writing: by permissions, or for root, whom none stops, as a disk."""
    if os.geteuid():
        folder = tmp_path / "store"
        folder.mkdir()
    else:
        folder = request.getfixturevalue("tiny_disk")(8192)

    def close():
        if not os.geteuid():
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        for path in [folder, *folder.rglob("*")] if os.geteuid() else []:
            path.chmod(0o555 if path.is_dir() else 0o444)

    yield folder, close
    for path in [folder, *folder.rglob("*")] if os.geteuid() else []:
        path.chmod(0o755)


@pytest.mark.parametrize("job", ["extract", "fit"])
def test_a_read_only_store(nursery, mirror, read_only, row, job):  # noqa: F811
    """What is there is read; what is not is refused by name, and nothing is left."""
    counted = row("read-only store")
    folder, close = read_only
    options = {"mirror": mirror} if job == "extract" else {}
    assert nursery(job, folder / "there", **options)["exit"] == 0
    (folder / "empty").mkdir()
    Path(folder / "empty.log").touch()
    before = files_of(folder / "there")
    close()
    again = nursery(job, folder / "there", log=os.devnull, **options)
    read = again["exit"] == 0 and files_of(folder / "there") == before
    counted.count("survived" if read else "lost", f"{job}: {again}")
    with tempfile.NamedTemporaryFile() as log:
        refused = nursery(job, folder / "empty", log=log.name, **options)
    said = refused["error"].strip().rpartition("\n")[2]
    reason = "Permission denied" if os.geteuid() else "Read-only file system"
    told = refused["exit"] == 1 and f"cannot be written ({reason})" in said and "make its folder writable" in said
    counted.count("survived" if told and not list((folder / "empty").iterdir()) else "lost", f"{job}: {refused}")
    counted.check(at_least=2)


def test_two_runs_at_once_on_one_store(nursery, mirror, tmp_path, many, row):  # noqa: F811
    """Both end well with the same bytes, whether they keep step or one comes late."""
    counted = row("two runs at once")
    for job, options in (("extract", {"mirror": mirror}), ("fit", {})):
        alone = nursery(job, tmp_path / f"{job}-alone", **options)
        assert alone["exit"] == 0, alone["error"]
        expected = files_of(tmp_path / f"{job}-alone")
        times = many(2, 10)
        for number in range(times):
            folder = tmp_path / f"{job}-{number}"
            late = alone["seconds"] * number / times
            ended = nursery("twice", folder, of=job, given=options, late=late)
            same = files_of(folder) == expected and not half_written(folder)
            outcome = "lost" if ended["exit"] else "survived" if same else "silently_wrong"
            counted.count(outcome, f"{job}, the other {late:.2f} s late: {ended['error']}")
    counted.check(at_least=2 * many(2, 10))


# -- memory ---------------------------------------------------------------------------------------------------


def bounded(limit, error):
    """Return an extractor's function that holds `limit` samples, and a list of the batches it was asked for."""
    asked = []

    def extract(waveforms):
        asked.append(len(waveforms))
        if sum(map(len, waveforms)) > limit:
            raise error
        return np.array([[w.mean(), w.std(), len(w)] for w in waveforms], dtype=np.float32)

    return extract, asked


class ResourceExhaustedError(Exception):
    """What TensorFlow raises, by name."""


ERRORS = {
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "host": MemoryError(),
    "torch, host": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    "TensorFlow": ResourceExhaustedError("OOM when allocating tensor"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_a_batch_that_does_not_fit_is_halved(kind, rng, caplog, row):
    counted = row("out of memory")
    clips = [rng.standard_normal(100).astype(np.float32) for _ in range(13)]
    expected = bounded(10**6, None)[0](clips)
    for limit in (100, 200, 650, 1299):
        extract, asked = bounded(limit, ERRORS[kind])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            got = sharding.encode(extract, clips)
        logged = "out of memory with 13 utterances" in caplog.text and asked[:2] == [13, 6]
        same = np.array_equal(got, expected)
        counted.count("silently_wrong" if not same else "survived" if logged else "lost", caplog.text)
    counted.check(at_least=4)


def test_one_utterance_that_does_not_fit_says_what_to_do(row):
    counted = row("out of memory")
    extract, _ = bounded(50, ERRORS["torch"])
    with pytest.raises(MemoryError, match=r"1 utterances \(0\.0 s\) does not fit.*longest utterances"):
        sharding.encode(extract, [np.ones(100, np.float32)] * 3)
    counted.count("survived")
    counted.check()


def test_a_batch_that_decides_on_its_embeddings_is_not_divided():
    extract, asked = bounded(150, ERRORS["torch"])
    with pytest.raises(MemoryError, match="cannot be divided"):
        sharding.encode(extract, [np.ones(100, np.float32)] * 4, divide=False)
    assert asked == [4]


def test_another_error_is_not_taken_for_one_of_memory():
    extract, asked = bounded(0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        sharding.encode(extract, [np.ones(100, np.float32)] * 4)
    assert asked == [4]


def test_a_gpu_that_runs_out_of_memory_halfway(mirror, build_folder, monkeypatch, caplog, row):  # noqa: F811
    """The way of a GPU, on a CPU whose extractor raises torch's error for large batches after the first shard."""
    counted = row("out of memory")
    sharding._loaded.clear()
    whole = extraction.embed("mfcc", "emodb", mirror=mirror, device="cpu", workers=1)
    (file,) = (store_folders.folder("audio") / "mfcc").glob("*.safetensors")
    file.unlink()
    sharding._loaded.clear()
    original, calls = loading.load, []

    def load(*arguments, **options):
        plain = original(*arguments, **options)

        def extract(waveforms):
            calls.append(len(waveforms))
            if len(calls) > 1 and len(waveforms) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return plain.extract(waveforms)

        return extractor_types.Extractor(extract, plain.parameters, plain.weights_dtype, plain.device)

    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setattr(sharding, "on_cpu", sharding.on_gpu)
    with caplog.at_level(logging.WARNING):
        again = extraction.embed("mfcc", "emodb", mirror=mirror, device="cpu", workers=1)
    sharding._loaded.clear()
    close = np.allclose(again.vectors, whole.vectors, rtol=1e-5, atol=1e-5)
    logged = "out of memory with 8 utterances" in caplog.text
    counted.count("silently_wrong" if not close else "survived" if logged else "lost")
    counted.check()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_real_gpu_that_is_too_small(rng):
    """A tenth of a gigabyte is allowed: the first batch is too large for it, its halves are not."""

    def extract(waveforms):
        batch = torch.from_numpy(np.stack(waveforms)).cuda()
        wide = batch.repeat(1, 64) * 2.0
        return wide.mean(dim=1, keepdim=True).cpu().numpy()

    clips = [rng.standard_normal(16_000).astype(np.float32) for _ in range(32)]
    expected = sharding.encode(extract, clips)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(0.1e9 / total)
    try:
        got = sharding.encode(extract, clips)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
