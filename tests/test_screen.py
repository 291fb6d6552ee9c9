"""What the workflow shows, and what a run says at its end."""

import logging
import os
import types

import nbformat
import pytest
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_crosscorpus as screen
from crosscorpus.base import paths
from crosscorpus.book import ending

PAPERMILL = """
Traceback (most recent call last):
  File "papermill/execute.py", line 251, in raise_for_execution_errors
    raise error
papermill.exceptions.PapermillExecutionError:
---------------------------------------------------------------------------
Exception encountered at "In [3]":
---------------------------------------------------------------------------
\x1b[31mGuardError\x1b[39m                    Traceback (most recent call last)
Cell In[3], line 1
----> 1 grid()

\x1b[31mGuardError\x1b[39m: 30 recordings are in training and in test:
leave them out of one of the two

"""


@pytest.fixture
def handler():
    return screen.LogHandler(types.SimpleNamespace(dryrun=False), None)


def send(handler, event=None, level=logging.INFO, message="", at=0.0, **facts):
    record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    vars(record).update(facts, created=handler.began + at, **({"event": event} if event else {}))
    handler.emit(record)


def job(handler, number, rule, at=0.0, **wildcards):
    facts = {"jobid": number, "rule_name": rule, "wildcards": wildcards, "output": [], "log": []}
    send(handler, LogEvent.JOB_STARTED, jobs=[number], at=at)
    send(handler, LogEvent.JOB_INFO, **facts)


def test_each_step_has_its_number_name_and_times(handler, capsys):
    send(handler, LogEvent.RUN_INFO, stats={"embed": 1, "train": 1, "data": 1, "chapters": 1, "total": 4})
    job(handler, 1, "embed", ptm="mfcc", corpora="mine")
    send(handler, LogEvent.JOB_FINISHED, job_id=1, at=60)
    job(handler, 2, "data", at=60)
    send(handler, LogEvent.JOB_FINISHED, job_id=2, at=75)
    send(handler, LogEvent.JOB_FINISHED, job_id=9)  # the rule that only asks for others
    assert capsys.readouterr().err.splitlines() == [
        "3 steps, among them embeddings (1) and trainings (1)",
        "1 of 3  embeddings of mine by mfcc: 60 s, 2 to go, perhaps 2 min",
        "2 of 3  chapter data: 15 s, 1 to go, perhaps 38 s",
    ]


def test_what_is_left_goes_by_kind_of_step_and_by_how_many_run_at_once(handler, capsys):
    send(handler, LogEvent.RUN_INFO, stats={"train": 3, "data": 1, "model": 9, "total": 13})
    job(handler, 1, "train", side="mfcc")
    job(handler, 2, "train", side="egemaps")
    send(handler, LogEvent.JOB_FINISHED, job_id=1, at=100)
    job(handler, 3, "data", at=100)
    send(handler, LogEvent.JOB_FINISHED, job_id=3, at=110)
    *_, last = capsys.readouterr().err.splitlines()
    # Two trainings of 100 s and nine pages of 10 s, two at once.
    assert last == " 2 of 13  chapter data: 10 s, 11 to go, perhaps 2 min"
    job(handler, 4, "model", at=110, ptm="mfcc")
    send(handler, LogEvent.JOB_FINISHED, job_id=4, at=120)
    send(handler, LogEvent.JOB_FINISHED, job_id=2, at=130)
    *_, last = capsys.readouterr().err.splitlines()
    # One training of 115 s and eight pages of 10 s, one at a time: nothing else ran.
    assert last.endswith("training heads on egemaps: 2 min, 9 to go, perhaps 3 min")


def test_a_failure_is_one_message_with_its_log(handler, capsys, tmp_path):
    log = tmp_path / "data.log"
    log.write_text(PAPERMILL)
    job(handler, 1, "data")
    send(handler, LogEvent.JOB_ERROR, logging.ERROR, jobid=1, rule_name="data", log=[f"{log} (check log file)"])
    send(handler, None, logging.ERROR, "Exiting because a job execution failed. Look below for error messages")
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert said == [
        "Stopped at: chapter data",
        "GuardError: 30 recordings are in training and in test:",
        "leave them out of one of the two",
        f"All that was said: {log}",
    ]


def test_an_error_before_any_step_is_shown_without_the_workflows_lines(handler, capsys):
    place = 'file "/p/Snakefile", line 17'
    message = f"WorkflowError in {place}:\nunknown corpus 'x'\n  {place.capitalize()}, in <module>"
    send(handler, LogEvent.ERROR, logging.ERROR, message)
    assert capsys.readouterr().err == "unknown corpus 'x'\n"


def test_the_workflows_own_talk_is_not_shown(handler, capsys):
    send(handler, None, logging.INFO, "Building DAG of jobs...")
    send(handler, LogEvent.PROGRESS, done=1, total=2)
    send(handler, LogEvent.SHELLCMD, shellcmd="papermill")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "last"), [("", ""), ("one\ntwo\n", "one\ntwo"), ("ValueError: a\nKeyError: 'b'", "KeyError: 'b'")]
)
def test_the_last_error_of_a_log(text, last):
    assert screen.last_error(text) == last


# -- the end of a run -----------------------------------------------------------------------------------------


def put_page(build, name, run="own-mine", **metadata):
    file = build / run / "notebooks" / f"{name}.ipynb"
    file.parent.mkdir(parents=True, exist_ok=True)
    given = {
        "corpora": ["emodb", "cremad"],
        "ptms": ["mfcc"],
        "source": "pack",
        "regimes": ["speaker"],
        "overrides": "",
    }
    notebook = nbformat.v4.new_notebook(
        metadata={"papermill": {"parameters": given, "end_time": "now"} | metadata}
    )
    nbformat.write(notebook, file)
    return file


def end(monkeypatch, capsys, run="own-mine"):
    monkeypatch.setattr("sys.argv", ["ending", run])
    ending.main()
    return capsys.readouterr().out


def test_a_run_ends_with_its_pages_and_what_it_left_out(build_folder, monkeypatch, capsys):
    put_page(build_folder, "data")
    put_page(build_folder, "cross-corpus")
    put_page(build_folder, "heads", end_time=None)
    put_page(build_folder, "cues", run="demo")
    said = end(monkeypatch, capsys)
    pages = said.partition("Look at:")[2].split()
    assert [page.rpartition("/")[2] for page in pages] == ["cross-corpus.ipynb", "data.ipynb"]
    assert "CREMA-D: not run; it needs" in said
    assert "index.html" not in said


def test_a_site_is_named_where_the_run_built_it(build_folder, monkeypatch, capsys):
    page = put_page(build_folder, "cross-corpus")
    (build_folder / "html").mkdir()
    (build_folder / "html" / "index.html").touch()  # the demo's
    assert "index.html" not in end(monkeypatch, capsys)
    site = build_folder / "own-mine" / "_build" / "html" / "index.html"
    site.parent.mkdir(parents=True)
    site.touch()
    assert f"{site.as_uri()}  (the book)" in end(monkeypatch, capsys)
    (page.parent / "new.ipynb").write_bytes(page.read_bytes())
    os.utime(site, (0, 0))
    assert "(the book)" not in end(monkeypatch, capsys)


def test_a_run_without_pages_says_so(build_folder, monkeypatch, capsys):
    assert "No page was made in" in end(monkeypatch, capsys)


def test_no_input_of_the_workflow_is_passed_over():
    """Snakemake takes what depends on a step that is run again, by an `ancient` input alone, for up to date."""
    assert "ancient(" not in (paths.ROOT / "Snakefile").read_text(encoding="utf-8")
