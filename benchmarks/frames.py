"""How fast heads on frames are trained, against the plain way (`make bench-frames`).

The task is EmoBox's sweep on a corpus of CREMA-D's size: 7442 utterances of its lengths, 50 frames a second of 768
dimensions, half precision, on disk (synthetic, a centre for each emotion). Two folds of it, each with the four
trainings of the sweep; a fifth of the rest is watched after each epoch, and so is the test part.

The plain way is `frame_loop.fit`, over padded batches, one training after the other, with torch's own number of
threads. It is measured on a sample of the trainings and scaled. Ours is `frame_engine.fit_many`, all of them.
"""

import argparse
import datetime
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from benchmarks import training
from crosscorpus.base import paths, versions, whole_files
from crosscorpus.corpora import file_lists
from crosscorpus.protocols import known_protocols
from crosscorpus.training import frame_engine, frame_heads, frame_inputs, frame_loop

DIM, CLASSES, FRAMES_A_SECOND, FOLDS = 768, 6, 50, 2
SAMPLE = (0, 1)
"""Trainings of the first fold that the plain way is measured on: one of each width."""
RESULT = paths.BUILD / "bench" / "frames.json"


def write(folder: Path, share: float) -> tuple[frame_inputs.Ragged, np.ndarray]:
    """Write synthetic frames to a file, part by part, and return them, memory-mapped, with their classes."""
    seconds = file_lists.file_list("cremad")["seconds"].to_numpy()
    seconds = seconds[: max(200, round(share * len(seconds)))]
    counts = np.maximum((seconds * FRAMES_A_SECOND).astype(int), 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=len(counts))
    centres = rng.normal(scale=0.05, size=(CLASSES, DIM)).astype(np.float32)
    file = folder / "frames.npy"
    whole = np.lib.format.open_memmap(file, "w+", np.float16, (int(offsets[-1]), DIM))
    for row, count in enumerate(counts):
        noise = rng.standard_normal((count, DIM), dtype=np.float32)
        whole[offsets[row] : offsets[row + 1]] = noise + centres[y[row]] + rng.normal(scale=0.2, size=DIM)
    whole.flush()
    del whole
    return frame_inputs.Ragged(offsets, np.load(file, mmap_mode="r")), y


def tasks(frames: frame_inputs.Ragged, y: np.ndarray, epochs: int) -> list[frame_heads.Task]:
    """Return the sweep's trainings on every fold."""
    protocol = known_protocols.load("emobox", {"epochs": epochs, "schedule": "constant"})
    scaling = frame_inputs.scaling(frames, protocol.representation.normalisation, np.arange(len(y)))
    found = []
    for fold in range(FOLDS):
        test, validation, rest = np.split(
            np.random.default_rng(fold).permutation(len(y)), [len(y) // 5, len(y) // 5 + len(y) * 4 // 25]
        )
        watched = {
            name: frame_heads.Watched(frames, scaling, y, np.sort(rows))
            for name, rows in (("validation", validation), ("test", test))
        }
        found += [
            frame_heads.Task(v.head, v.recipe, frames, scaling, y, rest, watched, CLASSES, fold)
            for v in protocol.sweep
        ]
    return found


def operations(some: Sequence[frame_heads.Task]) -> float:
    """Return floating-point operations of the first layers' products, nearly all that there are."""
    total = 0.0
    for task in some:
        length = np.diff(task.frames.offsets)
        trained, watched = (
            length[task.training].sum(),
            sum(length[one.rows].sum() for one in task.watched.values()),
        )
        total += task.recipe.epochs * 2 * DIM * task.head.widths[0] * (2 * trained + watched)
    return total


def measure(share: float, epochs: int, workers: int) -> dict[str, Any]:
    """Train all of it our way and a sample the plain way, and return what was measured."""
    (paths.BUILD / "bench").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.BUILD / "bench") as folder:
        frames, y = write(Path(folder), share)
        some = tasks(frames, y, epochs)
        start = time.perf_counter()
        fast = frame_engine.fit_many(some, workers)
        ours = time.perf_counter() - start
        peak_mb = [
            resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        start = time.perf_counter()
        plain = [frame_loop.fit(some[i]) for i in SAMPLE]
        theirs = (time.perf_counter() - start) * len(some) / len(SAMPLE)
        rows = np.arange(len(y))
        same = []
        for i, other in zip(SAMPLE, plain, strict=True):
            both = [
                module.predict(one, "last", frames, some[i].scaling, rows).argmax(axis=1)
                for module, one in ((frame_engine, fast[i]), (frame_loop, other))
            ]
            same.append(float((both[0] == both[1]).mean()))
        reached = operations(some) / ours
    return {
        "utterances": len(y), "frames": int(frames.offsets[-1]), "dimensions": DIM, "trainings": len(some),
        "epochs": epochs, "plain_s": theirs, "ours_s": ours, "ratio": theirs / ours, "same_predictions": min(same),
        "test_accuracy": float(fast[0].history["test_accuracy"].iloc[-1]),
        "largest_process_mb": max(peak_mb), "share_of_peak": reached / training.peaks(workers)[0],
        "threads_of_plain": torch.get_num_threads(), "workers": workers,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the utterances, for a try")
    parser.add_argument("--epochs", type=int, default=2, help="of the 20 or 100; loading modules is in the time")
    given = parser.parse_args(arguments)
    found = measure(given.share, given.epochs, joblib.cpu_count())
    result = {
        "date": datetime.date.today().isoformat(),
        "commit": versions.of_commit(),
        "device": versions.of_device("cpu"),
        "libraries": versions.of_libraries(),
        **found,
    }
    whole_files.replace_file(RESULT, lambda part: part.write_text(json.dumps(result, indent=2) + "\n"))
    print(
        f"{found['trainings']} trainings, {found['epochs']} epoch(s), {found['utterances']} utterances, "
        f"{found['frames']} frames:\n"
        f"  plain   {found['plain_s']:.0f} s ({found['threads_of_plain']} threads)\n"
        f"  ours    {found['ours_s']:.0f} s ({found['workers']} processes), {found['ratio']:.1f} times as fast\n"
        f"  same predictions: {100 * found['same_predictions']:.2f} %; test accuracy "
        f"{100 * found['test_accuracy']:.0f} %\n"
        f"  largest process: {found['largest_process_mb']:.0f} MB, with what it mapped; "
        f"{100 * found['share_of_peak']:.0f} % of the machine's measured matrix peak\n"
        f"{paths.shown(RESULT)}"
    )


if __name__ == "__main__":
    main()
