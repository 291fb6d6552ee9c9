"""What an hour of speech takes in networks of the true size, from a few clips: time of one core, and memory."""

import resource
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import measures, rehearsal
from crosscorpus.base import processes
from crosscorpus.embeddings import sharding
from crosscorpus.models import model_registry, model_sizes
from crosscorpus.verdict import cost_model

COLUMNS = ["ptm", "networks", "hours", "fixed_s", "s_per_hour", "memory", "bytes_per_hour"]


def clips(folder: Path, count: int) -> pd.DataFrame:
    """Return utterances of a rehearsal whose durations are spread as those of the paper's corpora are.

    Parameters
    ----------
    folder
        Of the rehearsal.
    count
        How many: the nearest to so many quantiles of the durations, which need not differ.
    """
    made = pd.read_csv(folder / rehearsal.WRITTEN).sort_values("seconds", ignore_index=True)
    wanted = np.quantile(measures.durations(), (np.arange(count) + 0.5) / count)
    return made.iloc[[int((made["seconds"] - one).abs().idxmin()) for one in wanted]]


def measure(ptm: str, files: Sequence[Path]) -> dict[str, float]:
    """Encode clips in this process, on one core; return seconds of processor time, of speech, and memory in GB.

    Returns
    -------
    `fixed_s`: to make the network; `encoded_s`: to read, resample and encode the clips, in batches as extraction
    makes them; `speech_s`; `memory`: the most that the process had.
    """
    import soundfile
    import torch

    from crosscorpus.base import sound

    torch.set_num_threads(1)
    started = processes.processor_time()
    load = (ptm, model_registry.get(ptm).pooling, "cpu", None, "float32")
    extract = sharding.loaded(load).extract
    loaded = processes.processor_time()
    waves = [sound.resample(*soundfile.read(file, dtype="float32", always_2d=True)) for file in files]
    seconds = [len(wave) / sound.SAMPLE_RATE for wave in waves]
    for shard in sharding.plan(seconds, "cpu"):
        for batch in shard:
            sharding.encode(extract, [waves[place] for place in batch])
    took = processes.processor_time() - loaded
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {
        "fixed_s": loaded - started,
        "encoded_s": took,
        "speech_s": sum(seconds),
        "memory": peak,
    }


def table(folder: Path, count: int) -> pd.DataFrame:
    """Measure the models of the paper that have an untrained twin and fit into memory, each in its own process.

    Returns
    -------
    A row for each: `COLUMNS`; as of `cost_model.fit`, and `memory` in GB. Bytes are those of as many utterances an
    hour as the rehearsal has.
    """
    made = pd.read_csv(folder / rehearsal.WRITTEN)
    an_hour = 3600 * len(made) / float(made["seconds"].sum())
    chosen = clips(folder, count)
    files = [folder / "mirror" / "corpora" / row.corpus / row.file for row in chosen.itertuples()]
    twins = {model.twin_of: key for key, model in model_registry.registry().items() if model.twin_of}
    rows = []
    for ptm in model_registry.of_paper():
        if ptm not in twins:
            print(f"{ptm}: its network comes with its weights alone, so its true size is not measured")
            continue
        try:
            model_sizes.fitting(ptm, "float32", 1)
        except model_registry.NotAvailableError as error:
            print(error)
            continue
        with processes.start(1) as pool:  # memory goes back, and its most is the model's own
            found = pool.submit(measure, twins[ptm], files).result()
        hours = found["speech_s"] / 3600
        per_hour = found["encoded_s"] / hours
        of_bytes = an_hour * model_registry.get(ptm).dimension * np.dtype(np.float32).itemsize
        rows.append((ptm, cost_model.TRUE, hours, found["fixed_s"], per_hour, found["memory"], of_bytes))
        print(f"{ptm}: {len(files)} clips took {found['encoded_s']:.1f} s, making it {found['fixed_s']:.1f} s")
    return pd.DataFrame(rows, columns=COLUMNS)
