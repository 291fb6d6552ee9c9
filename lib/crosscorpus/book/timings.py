"""What each step of the workflow took."""

import pandas as pd

from crosscorpus.base import paths


def table(profile: str) -> pd.DataFrame:
    """Return the steps of a profile in the order in which they ended: step, seconds, peak memory (MB)."""
    files = sorted((paths.BUILD / profile / "timings").glob("*.tsv"), key=lambda file: file.stat().st_mtime)
    rows = []
    for file in files:
        row = pd.read_csv(file, sep="\t").iloc[0]
        rows.append((file.stem, float(row["s"]), pd.to_numeric(row["max_rss"], errors="coerce")))
    return pd.DataFrame(rows, columns=["step", "seconds", "peak memory (MB)"])
