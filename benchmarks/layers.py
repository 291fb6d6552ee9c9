"""What layers and frames cost (`make bench-layers`); the result goes to _build/bench/layers.json.

- Layers against the last alone, and frames against the last alone: the same clips, taken in turns in one run, and
  the ratio of the medians of their times.
- Frames by slice: those of 32 random utterances of a store of 20 000, read again and again, and the memory that
  the process takes beyond what it had before it opened the file.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.extraction import durations
from crosscorpus.base import paths, sound, versions, whole_files
from crosscorpus.embeddings import block_files
from crosscorpus.models import hidden_states, loading, model_registry, weights

RESULT = paths.BUILD / "bench" / "layers.json"
BARS = {"layers_ratio": 1.05, "frames_ratio": 1.15, "read_ms": 50.0, "memory_mb": 200.0}
"""What each may be at most."""
UTTERANCES, DRAWN = 20_000, 32


def cost(ptm: str, clips: int, rounds: int) -> dict[str, Any]:
    """Measure one vector, all layers, and all frames of the last layer, of the same clips in turns."""
    torch.set_num_threads(1)
    here = weights.find(ptm)
    run = ptm if here or model_registry.get(ptm).home == "none" else f"{ptm}-untrained"
    load = (run, model_registry.get(run).pooling, "cpu", here, "float32")
    seconds = np.quantile(durations(), (np.arange(clips) + 0.5) / clips)
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1, size=round(s * sound.SAMPLE_RATE)).astype(np.float32) for s in seconds]
    extractor = loading.load(*load[:3], weights=here)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "some.safetensors"
        ways: dict[str, Callable[[], object]] = {
            "last": lambda: extractor.extract(waveforms),
            "layers": lambda: _write(file, hidden_states.pooled(run, extractor, waveforms)),
            "frames": lambda: _write(file, _halves(run, extractor, waveforms)),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):  # the first warms up
            for way, do in ways.items():
                # The processor's time: another process beside this one does not count.
                started = time.process_time()
                do()
                if number:
                    times[way].append(time.process_time() - started)
    medians = {way: statistics.median(taken) for way, taken in times.items()}
    return {
        "model": run,
        "weights": "real" if here else "random",
        "clips": clips,
        "rounds": rounds,
        **{f"{way}_s": taken for way, taken in medians.items()},
        "layers_ratio": medians["layers"] / medians["last"],
        "frames_ratio": medians["frames"] / medians["last"],
    }


def _halves(ptm: str, extractor: Any, waveforms: list[np.ndarray]) -> list[np.ndarray]:
    return [one.astype(np.float16) for one in hidden_states.frames(ptm, extractor, waveforms)]


def _write(file: Path, blocks: Any) -> None:
    block_files.write(file, list(blocks), {}, np.arange(len(blocks)))


def reading(utterances: int, dimension: int = 512) -> dict[str, Any]:
    """Measure reading frames of a store of so many utterances, as long as those of the paper's corpora."""
    rng = np.random.default_rng(0)
    lengths = np.ceil(rng.choice(durations(), utterances) * hidden_states.FRAMES_PER_SECOND).astype(int)
    with tempfile.TemporaryDirectory(dir=paths.BUILD) as folder:
        parts = []
        for start in range(0, utterances, 1000):
            some = np.arange(start, min(start + 1000, utterances))
            blocks = [
                rng.standard_normal((n, dimension), dtype=np.float32).astype(np.float16) for n in lengths[some]
            ]
            parts.append(Path(folder) / f"{start}.safetensors")
            block_files.write(parts[-1], blocks, {"dim": str(dimension)}, some)
        whole = Path(folder) / "whole.safetensors"
        block_files.join(whole, parts, {})
        del blocks
        process = psutil.Process()
        before = process.memory_info().rss
        opened = block_files.read(whole)
        times, most = [], 0
        for _ in range(30):
            drawn = rng.choice(utterances, DRAWN, replace=False)
            for _ in range(2):  # the second time they are warm
                started = time.perf_counter()
                found = [opened[i] for i in drawn]
                taken = time.perf_counter() - started
            times.append(1000 * taken)
            most = max(most, process.memory_info().rss)
            assert [len(block) for block in found] == list(lengths[drawn])
        size = whole.stat().st_size
    return {
        "utterances": utterances,
        "store_gb": size / 1e9,
        "read_ms": statistics.median(times),
        "read_ms_most": max(times),
        "memory_mb": (most - before) / 1e6,
    }


def main() -> None:
    """Measure, print beside the bars, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ptm", default="whisper-base")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    result = cost(given.ptm, given.clips, given.rounds) | reading(UTTERANCES)
    result |= {"commit": versions.of_commit(), "device": versions.of_device("cpu")}
    for name, bar in BARS.items():
        result[f"{name}_holds"] = result[name] <= bar
        print(
            f"{name}: {result[name]:.3f} (at most {bar:g}): {'holds' if result[name] <= bar else 'DOES NOT HOLD'}"
        )
    text = json.dumps(result, indent=1) + "\n"
    whole_files.replace_file(RESULT, lambda part: part.write_text(text, encoding="utf-8"))
    print(f"written to {paths.shown(RESULT)}")


if __name__ == "__main__":
    main()
