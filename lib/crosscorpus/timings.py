"""What each step of the workflow took, and where the book is (`python -m crosscorpus.timings PROFILE`)."""

import argparse
from pathlib import Path

import pandas as pd

from crosscorpus import paths


def table(profile: str) -> pd.DataFrame:
    """Return the steps of a profile in the order in which they ended: step, seconds, peak memory (MB)."""
    files = sorted((paths.BUILD / profile / "timings").glob("*.tsv"), key=lambda file: file.stat().st_mtime)
    rows = []
    for file in files:
        row = pd.read_csv(file, sep="\t").iloc[0]
        rows.append((file.stem, float(row["s"]), pd.to_numeric(row["max_rss"], errors="coerce")))
    return pd.DataFrame(rows, columns=["step", "seconds", "peak memory (MB)"])


def main() -> None:
    """Print the table and the address of the book."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile")
    profile = parser.parse_args().profile
    steps = table(profile)
    print(f"\nWhat each step of the profile `{profile}` took when it last ran:\n")
    print(steps.to_string(index=False, float_format="{:.0f}".format))
    book: Path = paths.BUILD / "html" / "index.html"
    if book.exists():
        print(f"\nThe book: {book.as_uri()}")


if __name__ == "__main__":
    main()
