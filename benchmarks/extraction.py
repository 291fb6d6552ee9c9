"""How fast embeddings are extracted, against the plain way (`make bench-extraction`).

The plain way is what peers do: one file at a time, float32, transformers' own network and preprocessing, with as
many threads as torch takes by itself. Ours is the extraction of this project, end to end (reading, checking,
encoding, writing), on the same files in the same run. The files are noise of the durations of utterances of the
paper's five corpora; speed does not depend on what is said. Networks have random weights, but for those whose
weights are here. Loading a network is left out on both sides: it is done before the clock starts.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import psutil
import soundfile
import torch

from benchmarks.measures import durations, peak_flops, plain, work
from crosscorpus.base import devices, known_names, paths, processes, sound, versions, whole_files
from crosscorpus.base.progress import Progress
from crosscorpus.corpora import corpus_registry, decoding, file_lists, scanning
from crosscorpus.embeddings import embedding_files, extraction, sharding
from crosscorpus.models import extractor_checks, loading, model_registry, weights
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import unit_of_work

MODELS = {
    "wavlm-base": 48,
    "unispeech-sat-base": 48,
    "wav2vec2-base": 48,
    "xls-r-300m": 48,
    "whisper-base": 24,
    "mms-1b": 32,
    "x-vector": 96,
    "trillsson4": 48,
}
"""The paper's models, and how many utterances are encoded on a CPU: enough for several batches a process."""
ON_GPU = 200
"""Utterances that the plain way encodes on a GPU; ours encodes all of the five corpora."""
TRANSFORMERS = [m for m in MODELS if model_registry.get(m).loader in ("wav2vec2", "whisper")]
EFFECTS: list[tuple[str, dict[str, str]]] = [
    ("emodb", {}),
    ("emodb", {"pooling": "exact"}),
    ("emodb", {"dtype": "bfloat16"}),
    ("emodb", {"pooling": "exact", "dtype": "bfloat16"}),
    ("ravdess", {}),
    ("ravdess", {"pooling": "exact"}),
    ("ravdess", {"pooling": "exact", "dtype": "bfloat16"}),
]
"""Options of Whisper whose effect is measured; the first of a corpus is what the others are compared with."""
MEMORY = "x-vector-untrained", (500, 7442)
RESULT = paths.BUILD / "bench" / "extraction.json"


# -- what is encoded ------------------------------------------------------------------------------------------


def make_corpus(folder: Path, seconds: np.ndarray) -> pd.DataFrame:
    """Write a WAV file of noise for each duration; return their table of utterances."""
    rng, rows = np.random.default_rng(0), []
    for number, duration in enumerate(seconds):
        path, samples = f"{number:05d}.wav", rng.normal(scale=0.1, size=round(duration * sound.SAMPLE_RATE))
        soundfile.write(folder / path, samples, sound.SAMPLE_RATE)
        read, rate = decoding.read(folder / path)
        row = {"corpus": "noise", "utterance": path[:-4], "path": path, "seconds": len(read) / rate}
        rows.append(row | {"sha256": sound.fingerprint(read, rate)})
    return pd.DataFrame(rows)


# -- the two ways ---------------------------------------------------------------------------------------------


def plain_by_us(ptm: str, folder: Path | None, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the extractor of a model of another kind, given one waveform at a time."""
    extract = loading.load(ptm, "", device, folder).extract
    return lambda waveform: extract([waveform])[0]


def run_plain(ptm: str, folder: Path | None, device: str, root: Path, table: pd.DataFrame) -> tuple[float, Any]:
    """Return utterances per second of the plain way, and its embeddings."""
    kind = plain if model_registry.get(ptm).loader in ("wav2vec2", "whisper") else plain_by_us
    encode = kind(ptm, folder, device)

    def one(path: str) -> np.ndarray:
        waveform, _ = soundfile.read(root / path, dtype="float32")
        return encode(waveform)

    one(table["path"].iloc[0])
    started = time.perf_counter()
    vectors = np.stack([one(path) for path in table["path"]])
    return len(table) / (time.perf_counter() - started), vectors


def run_ours(load: sharding.Load, root: Path, table: pd.DataFrame) -> tuple[float, np.ndarray]:
    """Return utterances per second of this project's extraction, and its embeddings."""
    device, count = load[2], joblib.cpu_count()

    def run(shards: list, to: Path, pool: Any) -> list[Path]:
        files = [to / f"{number}.safetensors" for number in range(len(shards))]
        tasks = list(zip(shards, files, strict=True))
        with Progress("a sample", len(table), "utterances") as bar:
            if device == "cpu":
                sharding.on_cpu(load, table, root, tasks, count, bar, pool)
            else:
                sharding.on_gpu(load, table, root, tasks, 0, bar)
        return files

    shards = sharding.plan(table["seconds"].tolist(), device)
    if device == "cpu":  # a sample is smaller than a corpus: all processes must have their share of it
        shards = [[batch] for shard in shards for batch in shard]
    with tempfile.TemporaryDirectory() as folder, processes.start(count) as pool:
        if device == "cpu":
            load_everywhere(load, pool, count)
        else:
            run([[np.array([0])]], Path(folder) / "warm", pool)
        started = time.perf_counter()
        files = run(shards, Path(folder) / "run", pool)
        elapsed = time.perf_counter() - started
        vectors = np.empty((len(table), model_registry.get(load[0]).dimension), dtype=np.float32)
        for file in files:
            part, rows = embedding_files.read_part(file)
            vectors[rows] = part
    return len(table) / elapsed, vectors


def load_everywhere(load: sharding.Load, pool: Any, count: int) -> None:
    """Load the network in every worker process, so that the clock starts with all of them ready."""
    ready: set[int] = set()
    while len(ready) < count:  # a process may take two of these jobs while another starts
        ready |= {job.result() for job in [pool.submit(load_here, load) for _ in range(count)]}


def load_here(load: sharding.Load) -> int:
    """Load the network in this process, use it once, and return the process's number."""
    torch.set_num_threads(1)
    sharding.loaded(load).extract([np.zeros(sound.SAMPLE_RATE, dtype=np.float32)])
    time.sleep(1)
    return os.getpid()


# -- memory ---------------------------------------------------------------------------------------------------


def peak_memory(count: int) -> float:
    """Return the peak memory (MB, all processes together) of extracting so many utterances.

    They are noise under CREMA-D's names, written before the extraction starts.
    """
    seconds = np.random.default_rng(0).choice(durations(), size=7442)[:count].clip(max=5.0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "mirror" / "corpora" / "cremad"
        root.mkdir(parents=True)
        table = make_corpus(root, seconds)
        for row, name in zip(table.itertuples(), file_lists.file_list("cremad")["utterance"], strict=False):
            (root / row.path).rename(root / f"{name}.wav")
        command = [sys.executable, "-m", "benchmarks.extraction", "--memory-of", folder]
        run = subprocess.Popen(command, cwd=paths.ROOT, stderr=subprocess.DEVNULL)
        peak, process = 0, psutil.Process(run.pid)
        while run.poll() is None:
            total = 0
            for member in [process, *_children(process)]:
                try:
                    total += member.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, total)
            time.sleep(0.1)
    if run.returncode:
        raise RuntimeError(f"the extraction of {count} utterances failed")
    return peak / 1e6


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def extract_from(folder: str) -> None:
    """Extract the corpus that `peak_memory` has written into a folder."""
    paths.BUILD = Path(folder) / "_build"
    extraction.embed(MEMORY[0], "cremad", device="cpu", mirror=str(Path(folder) / "mirror"))


# -- effects --------------------------------------------------------------------------------------------------


def effects() -> list[dict[str, Any]]:
    """Return what Whisper's faster options do to embeddings and to accuracy, on the pack's corpora."""
    rows: list[dict[str, Any]] = []
    default: dict[str, np.ndarray] = {}
    settings = protocol_settings.load("")
    for corpus, options in EFFECTS:
        e = extraction.embed("whisper-base", corpus, device="cpu", **options)  # type: ignore[arg-type]
        plain = default.setdefault(corpus, e.vectors)
        norms = np.linalg.norm(e.vectors, axis=1) * np.linalg.norm(plain, axis=1)
        cosine = (e.vectors * plain).sum(axis=1) / norms
        predictions, _ = unit_of_work.train_and_test("fcn", "stratified", 0, e, [e], settings)
        right = predictions["emotion"] == predictions["predicted"]
        rows.append(
            {
                "corpus": corpus,
                "option": ", ".join(options.values()) or "clip",
                "cosine_mean": float(cosine.mean()),
                "cosine_least": float(cosine.min()),
                "accuracy": 100 * float(right.groupby(predictions["fold"]).mean().mean()),
            }
        )
    return rows


# -- all of it ------------------------------------------------------------------------------------------------


def exact_against_window(ptm: str, folder: Path | None, device: str) -> dict[str, float]:
    """Return the rates of the plain way, of ours, and of ours with `exact`, on every 40th utterance of RAVDESS.

    Noise of the same durations takes its place where its audio is not here.
    """
    listed = file_lists.file_list("ravdess")
    root = corpus_registry.find("ravdess")
    with tempfile.TemporaryDirectory() as empty:
        if root:
            table = scanning.scan("ravdess", root).utterances.iloc[::40].reset_index(drop=True)
        else:
            root = Path(empty)
            table = make_corpus(root, listed["seconds"].to_numpy()[::40])
        plain_rate, _ = run_plain(ptm, folder, device, root, table)
        window, exact = (run_ours((ptm, p, device, folder, "float32"), root, table)[0] for p in ("clip", "exact"))
    return {
        "ravdess_plain_utt_per_s": plain_rate,
        "ravdess_window_utt_per_s": window,
        "ravdess_exact_utt_per_s": exact,
        "exact_against_plain": exact / plain_rate,
        "exact_against_window": exact / window,
    }


def bench(ptm: str, device: str) -> dict[str, Any]:
    """Measure one model; return its row of the result."""
    model = model_registry.get(ptm)
    here = weights.find(ptm)
    run = ptm if here or model.home == "none" else f"{ptm}-untrained"
    row: dict[str, Any] = {"model": ptm, "device": versions.of_device(device), "dtype": "float32"}
    if run not in model_registry.registry():
        return row | {
            "not_measured": f"its network comes with its weights: python -m crosscorpus.embeddings.downloads {ptm}"
        }
    row |= {"weights": "real" if here else "random"}
    count = MODELS[ptm] if device == "cpu" else ON_GPU
    # Evenly spread over all lengths, so that a small sample is like the whole.
    seconds = np.quantile(durations(), (np.arange(count) + 0.5) / count)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        table = make_corpus(root, np.random.default_rng(0).permutation(seconds))
        plain_rate, expected = run_plain(run, here, device, root, table)
        load = (run, model.pooling, device, here, "float32")
        ours_rate, vectors = run_ours(load, root, table)
        row |= {"plain_utt_per_s": plain_rate, "ours_utt_per_s": ours_rate, "ratio": ours_rate / plain_rate}
        row |= {"utterances": count, "mean_seconds": float(seconds.mean())}
        row["max_rel_l2"] = float(extractor_checks.relative_difference(vectors, expected).max())
        if ptm in TRANSFORMERS:
            operations = work(run, seconds) / count
            peak = peak_flops(device, torch.float32 if device == "cpu" else torch.bfloat16)
            row |= {"fraction_of_peak": ours_rate * operations / peak, "peak_flops": peak}
            fast_rate, fast = run_ours((*load[:4], "bfloat16"), root, table)
            cosine = (
                (fast * expected).sum(axis=1) / np.linalg.norm(fast, axis=1) / np.linalg.norm(expected, axis=1)
            )
            row |= {"bfloat16_utt_per_s": fast_rate, "bfloat16_ratio": fast_rate / plain_rate}
            row["bfloat16_least_cosine"] = float(cosine.min())
        else:
            row |= {"fraction_of_peak": None}
        if ptm == "whisper-base":
            row |= exact_against_window(run, here, device)
        if device == "cuda":
            everything = make_corpus(root, durations())
            rate, _ = run_ours((*load[:4], "bfloat16" if ptm in TRANSFORMERS else "float32"), root, everything)
            row |= {"all_utt_per_s": rate, "all_utterances": len(everything), "all_ratio": rate / plain_rate}
            if ptm in TRANSFORMERS:
                row["all_fraction_of_peak"] = rate * work(run, durations()) / len(everything) / peak
    return row


def write(part: str, value: Any) -> None:
    """Put a part of the result into its file; models are replaced one by one, so nothing measured is lost."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    if part == "models":
        others = [row for row in result.get(part, []) if row["model"] != value["model"]]
        value = [*others, value]
    result |= {part: value, "libraries": versions.of_libraries(), "cores": psutil.cpu_count()}
    text = json.dumps(result, indent=1) + "\n"
    whole_files.replace_file(RESULT, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = [*MODELS, "effects", "memory"]
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(choices)}; all if none is named")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        extract_from(given.memory_of)
        return
    device = devices.choose_device(given.device)
    made = {"date": datetime.date.today().isoformat(), "commit": versions.of_commit()}
    for part in given.parts or choices:
        if known_names.check(part, choices, "part of the benchmark") in MODELS:
            row = bench(part, device) | made
            write("models", row)
            print(json.dumps(row), flush=True)
        elif part == "effects" and not (
            weights.find("whisper-base") and corpus_registry.find("emodb") and corpus_registry.find("ravdess")
        ):
            print("effects: not measured, as Whisper's weights, Emo-DB and RAVDESS are not all here")
        elif part == "effects":
            rows = effects()
            write(part, {"rows": rows, **made})
            print(pd.DataFrame(rows).to_string(index=False))
        else:
            few, many = (peak_memory(count) for count in MEMORY[1])
            megabytes = dict(zip(map(str, MEMORY[1]), (few, many), strict=True))
            write(part, {"model": MEMORY[0], "mb": megabytes, "ratio": many / few, **made})
            print(f"peak memory: {few:.0f} MB for {MEMORY[1][0]} utterances, {many:.0f} MB for {MEMORY[1][1]}")
    print(f"written to {RESULT.relative_to(paths.ROOT)}")


if __name__ == "__main__":
    main()
