"""How far something long has come, in lines."""

import pytest

from crosscorpus.base import progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (8, "8 s"), (89, "89 s"), (150, "2 min"), (3600, "1 h 0 min"), (7800, "2 h 10 min")],
)
def test_times_as_a_person_says_them(seconds, words):
    assert progress.duration(seconds) == words


def test_the_first_part_gives_an_estimate_and_the_rest_what_is_left(clock, capsys):
    with progress.Progress("Whisper base on mine", 1200, "utterances") as bar:
        for _ in range(12):
            clock(15)
            bar.update(100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "   - Whisper base on mine: about 3 min for 1100 utterances"
    assert lines[1] == "   - Whisper base on mine: 300 of 1200 utterances, about 2 min left"
    assert lines[-1] == "   - Whisper base on mine: 1200 utterances done in 3 min"
    assert all(line.startswith(progress.MARK) for line in lines)
    assert "\r" not in "".join(lines)


def test_what_was_stored_before_makes_nothing_look_fast(clock, capsys):
    bar = progress.Progress("model", 1000, "utterances", done=900)
    clock(10)
    bar.update(10)
    assert "about 2 min for 90 utterances" in capsys.readouterr().err


def test_unlike_things_count_by_the_work_that_each_is(clock, capsys):
    """The longest come first: by their number, what is left would seem ten times as much."""

    def ended():
        for work, seconds in ((90, 90), (5, 5), (5, 5)):
            clock(seconds)
            yield work

    assert list(progress.over(ended(), "training", 3, "heads", 100, float)) == [90, 5, 5]
    assert capsys.readouterr().err.splitlines() == [
        "   - training: about 10 s for 2 heads",
        "   - training: 3 heads done in 2 min",
    ]


def test_what_takes_no_time_says_nothing(clock, capsys):
    assert list(progress.over(range(5), "quick", 5, "things")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""


def test_a_failure_is_not_called_done(clock, capsys):
    def broken():
        yield 1
        clock(30)
        yield 2
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(progress.over(broken(), "model", 10, "utterances"))
    assert "done in" not in capsys.readouterr().err
