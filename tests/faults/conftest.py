"""Counting of faults: each test says what became of each fault it made, and the rows are put together at the end.

`make test` runs every test with small counts. `make test-faults` runs them with full counts (`--faults full`),
prints the table and writes `_build/bench/faults.json`.
"""

import json
import os
import random
import time

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import paths, versions, whole_files

OUTCOMES = ("survived", "lost", "silently_wrong")
SEED = 7
"""Of everything that is drawn at random here."""


class Row:
    """What became of the faults of one kind.

    survived: refused by name, or read right, or gone on from, with the result of an undisturbed run. lost: a run
    crashed or hung, or work that was done or a message that was due is missing. silently_wrong: a wrong result,
    and no word of it.
    """

    def __init__(self, counts):
        self.counts = counts
        self.notes = []

    def count(self, outcome, note=""):
        assert outcome in OUTCOMES
        self.counts["tried"] += 1
        self.counts[outcome] += 1
        if outcome != "survived":
            self.notes.append(f"{outcome}: {note}")

    def check(self, at_least=1):
        """End of a test: every fault was survived, and faults there were."""
        assert not self.notes, "\n".join(self.notes[:20])
        assert self.counts["tried"] == self.counts["survived"] >= at_least


def pytest_addoption(parser):
    parser.addoption("--faults", choices=["few", "full"], default="few", help="how many faults to make")


def is_full(config):
    return config.getoption("--faults", "few") == "full"


@pytest.fixture
def row(request):
    """Make a row of the table: `row("kind of fault")`."""

    def make(kind):
        counts = {"kind": kind, "tried": 0, **dict.fromkeys(OUTCOMES, 0)}
        request.node.user_properties.append(("faults", counts))
        return Row(counts)

    return make


@pytest.fixture
def many(request):
    """Choose a count: `many(few, full)`."""
    return lambda few, full: full if is_full(request.config) else few


@pytest.fixture
def draw():
    return random.Random(SEED)


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


STARTED = time.monotonic()


def pytest_terminal_summary(terminalreporter, config):
    if not is_full(config) or hasattr(config, "workerinput"):
        return
    reports = [r for rs in terminalreporter.stats.values() for r in rs if getattr(r, "when", "") == "call"]
    counts = [counts for report in reports for name, counts in report.user_properties if name == "faults"]
    if not counts:
        return
    table = pd.DataFrame(counts).groupby("kind", sort=True).sum().reset_index()
    terminalreporter.section("faults")
    terminalreporter.write_line(table.to_string(index=False))
    skipped = [str(report.longrepr[-1]) for report in terminalreporter.stats.get("skipped", [])]
    facts = {
        "seed": SEED,
        "seconds": round(time.monotonic() - STARTED, 1),
        "cores": os.cpu_count(),
        "commit": versions.of_commit(),
        "device": versions.of_device("cpu"),
        "not_run": skipped,
        "rows": table.to_dict("records"),
    }
    to = paths.BUILD / "bench" / "faults.json"
    whole_files.replace_file(
        to, lambda part: part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    )
    terminalreporter.write_line(f"written to {paths.shown(to)}")
