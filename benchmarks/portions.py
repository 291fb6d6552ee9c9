"""How extraction in portions grows with a corpus (`make bench-portions`); written to _build/bench/portions.json.

- Time and memory: corpora of noise, each twice as large as the one before, in portions of one size, each by a
  process of its own, as a job of a cluster is. The processor's time of all, and the peak memory of the largest.
- Planning: a table of a million utterances (synthetic, without audio) read, its jobs planned, and what one of
  these jobs does before it encodes anything.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from crosscorpus.base import paths, sound, versions, whole_files
from crosscorpus.corpora import corpus_entries, corpus_registry, utterance_tables
from crosscorpus.embeddings import corpus_scans, extraction_jobs, portions, store

RESULT = paths.BUILD / "bench" / "portions.json"
BARS = {"time_ratio": 1.15, "memory_ratio": 1.05, "plan_seconds": 60.0, "plan_gb": 2.0}
"""What each may be at most; `time_ratio` is of the time of an utterance, of the largest corpus to the smallest."""
MODEL, CORPUS = "x-vector-untrained", "urdu"
EACH, SIZES, MILLION = 160, (1, 2, 4), 1_000_000
SECONDS = 3.0


def names(count: int) -> list[str]:
    """Return names of utterances as URDU's grammar has them, of thousands of speakers."""
    return [f"S{'MF'[n % 2]}{n % 5000}_F{n}_{'AHNS'[n % 4]}{n % 97}" for n in range(count)]


def table_of(count: int) -> pd.DataFrame:
    """Return a table of utterances that are not there."""
    entry, rng = corpus_registry.get(CORPUS), np.random.default_rng(0)
    table = pd.DataFrame([corpus_entries.parse(entry, name) for name in names(count)])
    facts = {"corpus": CORPUS, "path": table["utterance"] + ".wav", "start": np.nan, "end": np.nan}
    facts |= {"seconds": (rng.gamma(2, 2, count) + 0.1).round(3), "sample_rate_native": sound.SAMPLE_RATE}
    facts |= {"sha256": [hashlib.sha256(name.encode()).hexdigest() for name in table["utterance"]]}
    return table.assign(**facts)[utterance_tables.COLUMNS].sort_values("utterance")


def measured(*arguments: str) -> dict[str, float]:
    """Return what a process of this module's says of itself: `seconds` of the processor, peak memory in `gb`."""
    command = [sys.executable, "-m", "benchmarks.portions", *arguments]
    run = subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def growing() -> list[dict[str, float]]:
    """Measure corpora of several sizes, a row each."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            audio, rng = Path(folder) / "mirror" / "corpora" / CORPUS, np.random.default_rng(0)
            audio.mkdir(parents=True)
            for name in names(EACH * size):
                clip = 0.1 * rng.standard_normal(int(SECONDS * sound.SAMPLE_RATE))
                soundfile.write(audio / f"{name}.wav", clip, sound.SAMPLE_RATE)
            measured("read", folder)
            jobs = [measured("portion", folder, str(number), str(size)) for number in range(1, size + 1)]
            jobs.append(measured("join", folder, "0", str(size)))
        row = {"size": size, "seconds": sum(job["seconds"] for job in jobs), "gb": max(job["gb"] for job in jobs)}
        print(f"{EACH * size} utterances: {row['seconds']:.1f} s, {row['gb']:.3f} GB at most", flush=True)
        rows.append(row)
    return rows


def step(what: str, folder: Path, number: int, count: int) -> None:
    """Do what a job does, and print what it took."""
    paths.BUILD = folder / "_build"
    mirror, started = str(folder / "mirror"), time.process_time()
    if what == "read":
        corpus_scans.fresh(CORPUS, folder / "mirror" / "corpora" / CORPUS)
    elif what == "portion":
        portions.embed(MODEL, CORPUS, number, count, mirror=mirror, device="cpu", workers=1)
    elif what == "join":
        portions.join(MODEL, CORPUS, count, mirror=mirror)
    elif what == "table":
        none = (utterance_tables.QUALITY_COLUMNS, utterance_tables.PROBLEM_COLUMNS)
        scan = utterance_tables.Scan(table_of(MILLION), *(pd.DataFrame(columns=columns) for columns in none))
        corpus_scans.write_scan(CORPUS, scan, paths.BUILD / "embeddings")
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": time.process_time() - started, "gb": usage * 1024 / 1e9}))


def plan(folder: Path) -> None:
    """Plan the jobs of a million utterances, and begin one; print what that took."""
    paths.BUILD = folder / "_build"
    seconds = extraction_jobs.durations(CORPUS)
    (job,) = extraction_jobs.plan([("wavlm-base", CORPUS)], {CORPUS: seconds}, hours=8, least=30)
    utterances = corpus_scans.read_scan(CORPUS, "audio").utterances
    store.key(store.identity("wavlm-base", "clip", utterances))
    shared = portions.divide(utterances["seconds"].to_numpy(), "cuda", job.portions)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": time.process_time(), "gb": usage * 1024 / 1e9, "jobs": len(shared)}))


def main() -> None:
    """Measure, compare with the bars, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", nargs="*", help="a part of it, in a process of its own")
    given = parser.parse_args().step
    if given and given[0] == "plan":
        return plan(Path(given[1]))
    if given:
        return step(given[0], Path(given[1]), *map(int, given[2:] or (0, 0)))
    rows = growing()
    with tempfile.TemporaryDirectory() as folder:
        measured("table", folder)
        planned = measured("plan", folder)
    first, last = rows[0], rows[-1]
    found = {
        "time_ratio": last["seconds"] / last["size"] / first["seconds"],
        "memory_ratio": last["gb"] / first["gb"],
        "plan_seconds": planned["seconds"],
        "plan_gb": planned["gb"],
    }
    facts = {"model": MODEL, "rows": rows, "planned": planned, **found, "device": versions.of_device("cpu")}
    text = json.dumps(facts | {"commit": versions.of_commit()}, indent=1) + "\n"
    whole_files.replace_file(RESULT, lambda part: part.write_text(text, encoding="utf-8"))
    for name, value in found.items():
        print(f"{name}: {value:.2f}, at most {BARS[name]:g}: {'yes' if value <= BARS[name] else 'NO'}")
    print(f"written to {paths.shown(RESULT)}")


if __name__ == "__main__":
    main()
