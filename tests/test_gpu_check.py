"""The check of a GPU (`benchmarks.gpu`), with the CPU standing in, and on a machine that has little installed."""

import subprocess
import sys

import numpy as np
import pytest
from benchmarks import gpu

from crosscorpus.base import paths
from tests.models.test_transformers import SMALL, small

LACKS = ("keras", "speechbrain", "tensorflow", "tensorflow_hub", "papermill", "matplotlib", "snakemake", "IPython")
LACKS += ("jsonschema", "grimp", "opensmile", "jupyter_book", "psutil", "threadpoolctl", "tabulate")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Clips and networks that take little."""
    monkeypatch.setattr(gpu.extractor_checks, "small", lambda model: small(model.id.removesuffix("-untrained")))
    monkeypatch.setattr(gpu, "CLIPS", (0.1, 0.3, 0.2))
    monkeypatch.setattr(gpu.measures, "durations", lambda: np.array([0.2, 0.3, 0.4]))


def test_extraction_on_the_stand_in_is_within_its_bars():
    rows = list(gpu.compared("xls-r-300m", "cpu", small=True))
    assert [row["dtype"] for row in rows] == ["float32", "float32", "bfloat16"]
    assert all(row["passed"] for row in rows)


def test_an_extractor_that_is_off_is_below_its_bar(monkeypatch):
    right = gpu.extractor

    def wrong(model, folder, device, dtype):
        extract = right(model, folder, "cpu", dtype)
        return extract if device == "cpu" else (lambda clips: 1.01 * extract(clips))

    monkeypatch.setattr(gpu, "extractor", wrong)
    rows = list(gpu.compared("wav2vec2-base", "cuda", small=True))
    assert rows[0]["passed"] is False


def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same():
    halvings, difference = gpu.out_of_memory("wav2vec2-base", "cpu", 0.1)
    assert float(halvings["value"]) == 1
    assert halvings["passed"]
    assert difference["passed"]


def test_an_extractor_that_is_never_refused_is_not_taken_for_a_halving(monkeypatch):
    monkeypatch.setattr(gpu, "_refusing", lambda extract, most, clips: extract(clips))
    halvings, _ = gpu.out_of_memory("wav2vec2-base", "cpu", 0.1)
    assert halvings["passed"] is False


def test_heads_in_a_stack_agree_with_the_plain_loop():
    rows = list(gpu.training("cpu", n=80, dim=8, epochs=1))
    assert len(rows) == 4
    assert all(row["passed"] for row in rows)
    assert min(float(row["value"]) for row in rows) > 0.9


def test_speed_is_told_with_its_share_of_the_peak(monkeypatch):
    monkeypatch.setattr(gpu, "runnable", lambda ptm: (small(ptm), None, "tiny"))
    monkeypatch.setattr(gpu.measures, "work", lambda *_: 1e9)
    monkeypatch.setattr(gpu.measures, "plain", lambda *_: lambda clip: clip)
    rows = list(gpu.timed("wav2vec2-base", "cpu", "float32", 3, 1e12))
    assert [row["what"] for row in rows][:2] == ["hours of speech an hour", "share of the measured peak"]
    assert all(float(row["value"]) > 0 for row in rows)
    rate, share = (float(row["value"]) for row in rows[:2])
    assert share == pytest.approx(rate / 0.9 * 3600 * 1e9 / 3600 / 1e12, rel=0.01)  # 0.9 s of speech


def test_a_machine_without_a_gpu_runs_nothing(monkeypatch, capsys):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "check", lambda *_: pytest.fail("ran"))
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "no CUDA GPU" in capsys.readouterr().err


def table(*passed):
    rows = [gpu.row("peak", "x", 1.0, 1.0 if one else 2.0, dtype="float32") for one in passed]
    return gpu.pd.DataFrame(rows).reindex(columns=gpu.COLUMNS)


def test_a_stand_in_never_writes_the_table(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "check", lambda *_: table(True))
    monkeypatch.setattr(gpu.study_files, "write", lambda *_: pytest.fail("written"))
    gpu.main(["--device", "cpu"])
    assert "nothing was written" in capsys.readouterr().out


def test_a_gpus_table_is_dated_names_the_card_and_fails_with_what_is_below_its_bar(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu.torch.cuda, "get_device_name", lambda: "A Card")
    monkeypatch.setattr(gpu, "check", lambda *_: table(True, False))
    monkeypatch.setattr(gpu, "RESULT", tmp_path / "gpu.csv")
    with pytest.raises(SystemExit):
        gpu.main([])
    read, made = gpu.study_files.read(tmp_path / "gpu.csv", "check-gpu")
    assert list(read["passed"]) == [True, False]
    assert made["device"] == "cuda (A Card)"
    assert made["date"]


BARE = """
import dataclasses, functools, importlib.abc, sys
LACKS = {lacks!r}
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKS:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from benchmarks import gpu
gpu.MODELS, gpu.CLIPS = ("wav2vec2-base", "x-vector"), (0.1, 0.2, 0.2)
small = gpu.extractor_checks.small(gpu.model_registry.get("wav2vec2-base"))
small = dataclasses.replace(small, architecture={{**small.architecture, **{small!r}}})
gpu.extractor_checks.small = lambda model: small if model.loader == "wav2vec2" else model
gpu.measures.peak_flops = lambda *_: 1e12
gpu.noise = functools.partial(lambda make, seconds: make([min(s, 0.2) for s in seconds]), gpu.noise)
table = gpu.check("cpu", [], 2, ["x-vector"])
print(table.to_csv(index=False))
print(gpu.facts("cpu", 0)["libraries"])
"""


def test_it_runs_where_little_is_installed():
    """In a process of its own, because here all is imported."""
    run = subprocess.run(
        [sys.executable, "-c", BARE.format(lacks=LACKS, small=SMALL)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "extraction,wav2vec2-base" in run.stdout
    assert "not run: " in run.stdout
    assert "keras" in run.stdout  # what heads lack is said
    assert "False" not in [line.rsplit(",", 1)[-1] for line in run.stdout.splitlines()]


def test_noise_is_the_same_each_time():
    assert all(np.array_equal(a, b) for a, b in zip(gpu.noise([0.1]), gpu.noise([0.1]), strict=True))
