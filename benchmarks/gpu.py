"""Every path that a CUDA GPU takes, compared with the CPU's results and timed (`make check-gpu`).

It runs with what a machine with a GPU mostly has: Python 3.11 or 3.12, torch, transformers, numpy, pandas,
scikit-learn, safetensors and pyarrow; and with wheels that are brought along: soxr, soundfile, platformdirs,
requests, and, for heads, keras and jsonschema. A part whose library is not there is shown as not run. Networks
have random weights where theirs are not here. The table goes to data/results/gpu.csv; never with `--device cpu`, a
rehearsal of this program.
"""

import argparse
import datetime
import functools
import importlib.metadata
import logging
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import measures
from crosscorpus.base import devices, paths, sound, versions
from crosscorpus.embeddings import sharding
from crosscorpus.models import extractor_checks, loading, model_registry, weights
from crosscorpus.verdict import study_files

RESULT = paths.DATA / "results" / "gpu.csv"
MODELS = ("wavlm-base", "unispeech-sat-base", "wav2vec2-base", "xls-r-300m", "whisper-base", "mms-1b", "x-vector")
"""The paper's models, but for TRILLsson, which runs through TensorFlow."""
LARGE = ("xls-r-300m", "mms-1b")
CLIPS = (0.3, 0.7, 1.0, 1.0, 2.5, 3.1, 6.0, 11.0)
"""Seconds of the clips that embeddings are compared on."""
TIMED = 400
"""Utterances that are timed."""
CLOSE = 1e-3
"""Largest relative difference of embeddings in float32."""
AGREE = 0.01
"""By how much less than the CPU's own stacking a GPU's may agree with the plain loop."""
PEAK_SHARE, TIMES_PLAIN = 0.4, 40.0
"""Bars: share of the measured bfloat16 peak, of the large models; the paper's grid against the plain way."""
COLUMNS = ["check", "model", "dtype", "what", "value", "bar", "passed"]
Row = dict[str, Any]


def row(check: str, what: str, value: float, bar: float | None = None, *, most: bool = False, **of: str) -> Row:
    """Return a row of the table; `bar` is the least that passes, or with `most` the largest."""
    passed = None if bar is None else bool(value <= bar if most else value >= bar)
    return {"check": check, "what": what, "value": f"{value:.4g}", "bar": bar, "passed": passed} | of


def noise(seconds: Sequence[float]) -> list[np.ndarray]:
    """Return clips of noise, float32 at 16 kHz."""
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=round(s * sound.SAMPLE_RATE)).astype(np.float32) for s in seconds]


def extractor(model: model_registry.Model, folder: Path | None, device: str, dtype: str) -> Callable[..., Any]:
    """Return a function from waveforms to embeddings, of a model that need not be registered (`loading.load`)."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # as there
    return loading.loader(model.id).load(model, folder, model.pooling, device, dtype).extract


def runnable(ptm: str) -> tuple[model_registry.Model, Path | None, str]:
    """Return a model with its weights where they are here, or its untrained twin; and which of both it is."""
    if here := weights.find(ptm):
        return model_registry.get(ptm), here, "real weights"
    return model_registry.get(f"{ptm}-untrained"), None, "random weights"


def compared(ptm: str, device: str, small: bool) -> Iterator[Row]:
    """Compare a model's embeddings on a device with the CPU's in float32, in both dtypes; yield rows.

    In bfloat16, the device may be twice as far from them as the CPU's own bfloat16 is.
    """
    model, folder, said = runnable(ptm)
    if small:
        model, folder, said = extractor_checks.small(model), None, "two layers, random weights"
    clips = noise(CLIPS)
    expected = extractor(model, folder, "cpu", "float32")(clips)

    def off(on: str, dtype: str) -> tuple[float, np.ndarray]:
        got = extractor(model, folder, on, dtype)(clips)
        return float(np.linalg.norm(got - expected) / np.linalg.norm(expected)), got

    named = {"model": f"{ptm} ({said})"}
    difference, together = off(device, "float32")
    yield row("extraction", "relative difference", difference, CLOSE, most=True, dtype="float32", **named)
    alone = np.concatenate([extractor(model, folder, device, "float32")([clip]) for clip in clips[:3]])
    apart = float(np.linalg.norm(together[:3] - alone) / np.linalg.norm(alone))
    yield row("extraction", "batch against clips alone", apart, CLOSE, most=True, dtype="float32", **named)
    if model.loader in ("wav2vec2", "whisper"):
        allowed = 2 * off("cpu", "bfloat16")[0] + CLOSE
        difference = off(device, "bfloat16")[0]
        yield row("extraction", "relative difference", difference, allowed, most=True, dtype="bfloat16", **named)


class Counted(logging.Handler):
    """Counts warnings of `sharding` that a batch was halved."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += "out of memory" in record.getMessage()


def out_of_memory(ptm: str, device: str, seconds: float = 10.0) -> Iterator[Row]:
    """Let a batch exceed the memory, and see that halves of it give what they give by themselves; yield rows.

    On a GPU the process may take what lies between half of the batch and all of it. A CPU stands in by an
    extractor that refuses more than half.
    """
    model = extractor_checks.small(runnable(ptm)[0])
    extract, clips = extractor(model, None, device, "float32"), noise([seconds] * 16)
    half = len(clips) // 2
    expected = np.concatenate([extract(clips[:half]), extract(clips[half:])])
    counted = Counted()
    sharding.logger.addHandler(counted)
    try:
        if device == "cuda":
            needs = []
            for some in (clips[:half], clips):
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                extract(some)
                needs.append(torch.cuda.max_memory_reserved())
            torch.cuda.empty_cache()
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(sum(needs) / 2 / total)
            got = sharding.encode(extract, clips)
        else:
            got = sharding.encode(functools.partial(_refusing, extract, half), clips)
    finally:
        sharding.logger.removeHandler(counted)
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
    difference = float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
    named = {"model": f"{ptm} (two layers, random weights)", "dtype": "float32"}
    yield row("out of memory", "halvings", counted.count, 1, **named)
    yield row("out of memory", "relative difference", difference, CLOSE, most=True, **named)


def _refusing(extract: Callable[..., Any], most: int, clips: list[np.ndarray]) -> Any:
    if len(clips) > most:
        raise torch.OutOfMemoryError("out of memory, as a stand-in")
    return extract(clips)


def training(device: str, n: int = 400, dim: int = 96, epochs: int = 10) -> Iterator[Row]:
    """Compare heads that are trained in a stack on a device with the CPU's plain loop; yield rows.

    Without dropout, whose masks a GPU draws itself. The CPU's own stack adds in another order, too: its agreement
    with the plain loop is what rounding allows.
    """
    from crosscorpus.protocols import protocol_settings
    from crosscorpus.training import engine, heads, train, training_tasks

    settings = protocol_settings.load("") | {"dropout": 0.0, "epochs": epochs, "patience": epochs}
    classes = len(settings["emotions"])
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=0.25, size=(classes, dim))
    y = rng.integers(classes, size=2 * n)
    X = (centres[y] + rng.normal(size=(2 * n, dim))).astype(np.float32)
    for head in heads.HEADS:
        tasks = [
            training_tasks.Task(head, X[: n - 16 * i], y[: n - 16 * i], np.arange(n - 16 * i), classes, i)
            for i in range(4)
        ]

        def predicted(fitted: list[Any]) -> np.ndarray:
            return np.stack([train.predict(one, X[n:]).argmax(axis=1) for one in fitted])

        plain = predicted([train.fit(task, settings) for task in tasks])
        stacked = predicted(engine.fit_stack(tasks, settings, "cpu"))
        there, again = (predicted(engine.fit_stack(tasks, settings, device)) for _ in range(2))
        allowed = float((stacked == plain).mean()) - AGREE
        named = {"model": head, "dtype": "float32"}
        yield row(
            "training", "same predictions as the plain loop", float((there == plain).mean()), allowed, **named
        )
        yield row("training", "same predictions a second time", float((there == again).mean()), 1.0, **named)


def timed(ptm: str, device: str, dtype: str, count: int, peak: float) -> Iterator[Row]:
    """Time the encoding of utterances of the paper's durations, in batches, against the plain way; yield rows."""
    model, folder, said = runnable(ptm)
    seconds = np.quantile(measures.durations(), (np.arange(count) + 0.5) / count)
    clips, extract = noise(seconds), extractor(model, folder, device, dtype)
    batches = [batch for shard in sharding.plan(seconds.tolist(), device) for batch in shard]
    extract([clips[i] for i in batches[0]])
    ours = _seconds(lambda: [sharding.encode(extract, [clips[i] for i in batch]) for batch in batches], device)
    named = {"model": f"{ptm} ({said})", "dtype": dtype}
    yield row("speed of extraction", "hours of speech an hour", float(seconds.sum()) / ours, **named)
    if model.loader in ("wav2vec2", "whisper"):
        share = measures.work(ptm, seconds) / ours / peak
        bar = PEAK_SHARE if ptm in LARGE and dtype == "bfloat16" else None
        yield row("speed of extraction", "share of the measured peak", share, bar, **named)
        one = measures.plain(model.id, folder, device)
        some = clips[:: max(1, count // 50)]
        one(some[0])
        plain = _seconds(lambda: [one(clip) for clip in some], device) / sum(map(len, some)) * sound.SAMPLE_RATE
        yield row("speed of extraction", "times the plain way", plain * float(seconds.sum()) / ours, **named)


def _seconds(work: Callable[[], Any], device: str) -> float:
    started = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def grid(device: str, ptms: Sequence[str]) -> Iterator[Row]:
    """Time the paper's grid on a device against one Keras fit for each cell, measured and scaled; yield rows."""
    from benchmarks import training as bench

    dims = {ptm: dim for ptm, dim in bench.dimensions().items() if ptm in ptms}
    kinds = [(head, dim) for head in ("fcn", "cnn") for dim in sorted(set(dims.values()))]
    measured = pd.DataFrame([{"head": h, "dim": d} | bench.measure_plain(h, d) for h, d in kinds])
    plain, (ours, _) = bench.scale_plain(measured, dims), bench.ours(dims, 0, device)
    named = {"model": f"{len(dims)} models, both heads", "dtype": "float32"}
    yield row("speed of training", "seconds of the paper's grid", ours, **named)
    yield row("speed of training", "times the plain way", plain / ours, TIMES_PLAIN, **named)


def attempted(check: str, model: str, rows: Callable[[], Iterator[Row]]) -> list[Row]:
    """Return the rows of a check; one that says why where a library, weights or memory are not there."""
    found: list[Row] = []
    try:
        found.extend(rows())
    except (ImportError, importlib.metadata.PackageNotFoundError, model_registry.NotAvailableError) as error:
        found.append({"check": check, "model": model, "what": f"not run: {' '.join(str(error).split())}"})
    except (MemoryError, torch.OutOfMemoryError) as error:
        reason = str(error).splitlines()[0]
        found.append({"check": check, "model": model, "what": f"failed: {reason}", "passed": False})
    for one in found:
        print(*(one.get(column, "") for column in COLUMNS), sep="\t", flush=True)
    return found


def check(
    device: str, ptms: Sequence[str] = MODELS, count: int = TIMED, grid_of: Sequence[str] = ()
) -> pd.DataFrame:
    """Run all checks; return a table of `COLUMNS`.

    Parameters
    ----------
    device
        "cuda", or "cpu" to rehearse this program.
    ptms
        Models that run as they are; small ones of their kinds run in any case.
    count
        Utterances that are timed.
    grid_of
        Models in whose dimensions the grid of trainings is timed.
    """
    rows: list[Row] = []
    for ptm in MODELS:
        rows += attempted("extraction", ptm, functools.partial(compared, ptm, device, small=True))
    for ptm in ptms:
        rows += attempted("extraction", ptm, functools.partial(compared, ptm, device, small=False))
    rows += attempted("out of memory", "wav2vec2-base", functools.partial(out_of_memory, "wav2vec2-base", device))
    rows += attempted("training", "heads", functools.partial(training, device))
    for dtype in devices.DTYPES:
        peak = measures.peak_flops(device, getattr(torch, dtype))
        rows.append(row("peak", "10^12 operations a second of a matrix product", peak / 1e12, dtype=dtype))
        for ptm in ptms:
            part = functools.partial(timed, ptm, device, dtype, count, peak)
            rows += attempted("speed of extraction", ptm, part)
    if grid_of:
        rows += attempted("speed of training", "heads", functools.partial(grid, device, grid_of))
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def facts(device: str, started: float) -> dict[str, Any]:
    """Return what made the table: date, machine, versions of what is installed, commit and time."""
    libraries = {"python": platform.python_version()}
    for name in versions.LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            libraries[name] = "not installed"
    return {
        "date": datetime.date.today().isoformat(),
        "device": versions.of_device(device),
        "commit": versions.of_commit(),
        "libraries": libraries,
        "seconds": round(time.perf_counter() - started, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all checks, print them as they end, and write the table where a GPU was checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu rehearses the program")
    parser.add_argument("--models", nargs="*", default=MODELS, choices=MODELS, metavar="MODEL")
    parser.add_argument("--count", type=int, default=TIMED, help="utterances that are timed")
    parser.add_argument("--no-grid", action="store_true", help="leave out the time of the paper's grid")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.exit(2, "no CUDA GPU here (torch.cuda.is_available() is False): nothing was run\n")
    started = time.perf_counter()
    dims = () if given.no_grid else model_registry.of_paper()
    table = check(given.device, given.models, given.count, dims)
    failed = table[table["passed"].eq(False)]
    if given.device == "cuda":
        study_files.write(RESULT, table, facts("cuda", started))
        print(f"{paths.shown(RESULT)}: {len(table)} rows, {len(failed)} below their bar")
    else:
        print(f"A rehearsal on the CPU: nothing was written ({len(failed)} of {len(table)} rows below their bar)")
    if len(failed):
        parser.exit(1, f"{failed.to_string(index=False)}\n")


if __name__ == "__main__":
    main()
