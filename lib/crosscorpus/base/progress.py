"""Say how far something long has come, in whole lines: runs side by side share a screen, and logs keep all."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

EVERY = 20.0
"""Seconds between two lines."""
WORTH_SAYING = 5.0
"""Seconds that something must still take for its first line."""

MARK = "   - "
"""What each line begins with: of all that a chapter says, the workflow shows these lines."""

T = TypeVar("T")


def duration(seconds: float) -> str:
    """Return a time as a person says it: 8 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Count what is done, and say now and then what is left; the first line comes with the first thing done.

    Parameters
    ----------
    what
        What is done, such as "Whisper base on mine".
    total
        How many there are.
    unit
        What is counted, in the plural.
    done
        How many were there already; they say nothing of how long the others take.
    work
        What all that are left take, in any unit, where they are unlike: then each counts by its own.
    """

    def __init__(self, what: str, total: int, unit: str, done: int = 0, work: float | None = None) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self._began, self._said = time.monotonic(), 0.0
        self._work, self._worked = float(total - done) if work is None else work, 0.0

    def update(self, count: int = 1, work: float | None = None) -> None:
        """Count some more, and what they took of `work`; as many as they are, where that is not given."""
        self.done += count
        self._worked += count if work is None else work
        now, left = time.monotonic(), self.total - self.done
        if left <= 0 or self._worked <= 0:
            return
        seconds = (now - self._began) / self._worked * (self._work - self._worked)
        if now - self._said >= EVERY and (self._said or seconds >= WORTH_SAYING):
            if self._said:
                self._say(f"{self.done} of {self.total} {self.unit}, about {duration(seconds)} left")
            else:
                self._say(f"about {duration(seconds)} for {left} {self.unit}")
            self._said = now

    def _say(self, words: str) -> None:
        print(f"{MARK}{self.what}: {words}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how long all took, where that was long."""
        took = time.monotonic() - self._began
        if kind is None and self._said:
            self._say(f"{self.total} {self.unit} done in {duration(took)}")


def over(
    things: Iterable[T],
    what: str,
    total: int,
    unit: str,
    work: float | None = None,
    of: Callable[[T], float | None] = lambda _: None,
) -> Iterator[T]:
    """Yield what is given, and count it; `of` says what each is of all the `work`, see `Progress`."""
    with Progress(what, total, unit, work=work) as progress:
        for thing in things:
            yield thing
            progress.update(work=of(thing))
