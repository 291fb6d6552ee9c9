"""What the workflow shows on a screen (`snakemake --logger crosscorpus`): a line for each step, for people.

A line has the step's number of how many, its name, what it took, and what the rest may still take. A step that
fails gives its last error, which is the one that helps, and the place of its log. Lines are plain: they read the
same in a terminal and in a log.
"""

import re
import sys
import time
from collections import Counter
from logging import ERROR, WARNING, LogRecord
from pathlib import Path
from statistics import fmean
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from crosscorpus.base.progress import duration

NAMES = {
    "embed": "embeddings of {corpora} by {ptm}",
    "portion": "embeddings of {corpora} by {ptm}, {number} of {total}",
    "join": "embeddings of {corpora} by {ptm}, joined",
    "train": "training heads on {side}",
    "model": "page of the model {ptm}",
    "book": "building the site",
}
"""Steps that are no chapters."""
LONG = {"embed": "embeddings", "portion": "portions of embeddings", "train": "trainings"}
LONG["heads"] = "the chapter that trains"
"""Steps that take long, and are announced."""
GOALS = ("chapters", "added")
"""Rules that do nothing: they ask for others."""


class LogHandler(LogHandlerBase):
    """Snakemake's events as lines on stderr."""

    def __post_init__(self) -> None:
        """Begin with no step."""
        self.steps: dict[int, dict[str, Any]] = {}
        self.total, self.done, self.failed = 0, 0, 0
        self.left: Counter[str] = Counter()
        self.took: dict[str, list[float]] = {}
        self.began = time.time()

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        """Show an event, if a person wants to know of it."""
        facts, event = vars(record), getattr(record, "event", None)
        known = {
            LogEvent.RUN_INFO: self.begin,
            LogEvent.JOB_INFO: self.announce,
            LogEvent.JOB_STARTED: self.start,
            LogEvent.JOB_FINISHED: self.finish,
            LogEvent.JOB_ERROR: self.fail,
        }
        if event in known:
            known[event](facts)
        elif record.levelno >= WARNING and not self.failed and (message := record.getMessage().strip()):
            say(without_heading(message) if record.levelno >= ERROR else message)

    def begin(self, facts: dict[str, Any]) -> None:
        """Say how many steps there are."""
        counts = {rule: n for rule, n in facts["stats"].items() if rule not in (*GOALS, "total")}
        if not self.total:  # a dry run gives it twice
            self.total = sum(counts.values())
            for rule, n in counts.items():
                self.left[kind(rule)] += n
            long = [f"{what} ({counts[rule]})" for rule, what in LONG.items() if counts.get(rule)]
            say(
                f"{self.total} step{'s' * (self.total != 1)}"
                + (f", among them {' and '.join(long)}" if long else "")
            )

    def announce(self, facts: dict[str, Any]) -> None:
        """Note a step that is about to start."""
        rule = facts["rule_name"]
        if rule in GOALS:
            return
        names = {**dict(facts.get("wildcards") or {})}
        name = NAMES.get(rule, f"chapter {rule}").format_map(names)
        self.steps.setdefault(facts["jobid"], {}).update(name=name, kind=kind(rule))
        if self.common_settings.dryrun:
            say(f"would run: {name}: {', '.join(facts['output'])}")

    def start(self, facts: dict[str, Any]) -> None:
        """Note when steps start."""
        for job in facts["jobs"]:
            self.steps.setdefault(job, {})["began"] = facts["created"]

    def finish(self, facts: dict[str, Any]) -> None:
        """Say what a step took, and what the rest may take."""
        step = self.steps.get(facts["job_id"], {})
        if "name" not in step:
            return
        self.done += 1
        now, left = facts["created"], self.total - self.done
        at_once = sum({"name", "began"} <= one.keys() for one in self.steps.values())
        seconds = now - step.pop("began", now)
        self.took.setdefault(step["kind"], []).append(seconds)
        self.left[step["kind"]] -= 1
        then = f", {left} to go, perhaps {duration(self.rest(at_once))}" if left > 0 else ""
        width = len(str(self.total))
        say(f"{self.done:>{width}} of {self.total}  {step['name']}: {duration(seconds)}{then}")

    def rest(self, at_once: int) -> float:
        """Return the seconds that are left, if steps take what those of their kind took, so many side by side."""
        each = [seconds for took in self.took.values() for seconds in took]
        return sum(n * fmean(self.took.get(what, each)) for what, n in self.left.items()) / max(1, at_once)

    def fail(self, facts: dict[str, Any]) -> None:
        """Say why a step failed, and where all of it can be read."""
        self.failed += 1
        step = self.steps.get(facts["jobid"], {})
        step.pop("began", None)  # it may be tried again
        name = step.get("name", facts["rule_name"])
        logs = [Path(str(log).split(" (")[0]) for log in facts["log"]]
        text = "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs if log.exists())
        place = f"\nAll that was said: {', '.join(map(str, logs))}" if logs else ""
        say(f"\nStopped at: {name}\n{last_error(text) or 'It said nothing.'}{place}\n")


def kind(rule: str) -> str:
    """Return what steps of a rule are like: those that take long are a kind each, all pages are one."""
    return rule if rule in LONG else ""


def say(line: str) -> None:
    """Write a line on the screen."""
    print(line, file=sys.stderr, flush=True)


def last_error(text: str) -> str:
    """Return the last error of a log with its message, without the traceback before it and without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip().split("\n")
    named = [n for n, line in enumerate(lines) if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b", line)]
    found = lines[named[-1] :] if named else lines[-5:]
    return "\n".join(line for line in found if line.strip())


def without_heading(message: str) -> str:
    """Return a message without the lines that say where in the Snakefile it came up."""
    return re.sub(r"^\w+ in file .*:\n|\n  File .*, line \d+, in .*$", "", message)
