"""Every command of every page, as it stands there, in a shell without any variable of ours.

Each is run, or its workflow is asked what it would run, or `NOT_HERE` says why it cannot be run; a command that is
nowhere fails. The steps of CONTRIBUTING.md are followed whole, in `tests/faults/test_contributing.py`.
"""

import json
import re
import shutil

import pytest
import soundfile

from crosscorpus.base import paths
from tests import newcomer
from tests.faults.conftest import is_full

PAGES = [paths.ROOT / "README.md", *sorted((paths.ROOT / "book").glob("*.md"))]
ACTIVATE = "source .venv/bin/activate"
MAKEFILE = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.M)

DRY = [
    "make book",
    "make book TORCH_INDEX=https://download.pytorch.org/whl/cpu",
    "make smoke",
    "make listen",
    "make own CORPUS=mine",
    "make own CORPUS=mine GOAL=book",
    'make own CORPUS="mine other"',
    "make own CORPUS=mine,other",
    "snakemake --cores all --configfile profiles/demo.yaml",
]
"""Workflows that take minutes: what they would run is looked at."""
RUN = ["make help", "make clean", "papermill --help-notebook notebooks/same-corpus.ipynb"]
MINUTES = [
    "papermill notebooks/same-corpus.ipynb out.ipynb -p corpora emodb -p heads fcn -p seeds 0",
    "papermill notebooks/model.ipynb out.ipynb -p source audio -p ptm wavlm-base -p corpora emodb",
]
"""Run by `make test-faults` alone."""
NETWORK = "fetches corpora, models or packages from the network"
LONG = "takes minutes to hours; what it calls has tests of its own"
STORE = "works on a store that a run has filled; `tests/training/test_bundles.py` calls what it calls"
RECORDINGS = "needs recordings; `tests/book/test_own_recordings.py` calls what it calls"
CLUSTER = "needs a SLURM cluster; `tests/cluster` runs it on one"
PORTION = "needs audio; `tests/embeddings/test_portions.py` runs it on some"
BUCKET = "needs a bucket; `tests/base/test_remote_store.py` writes to one"
GPU = "needs a CUDA GPU; `tests/test_gpu_check.py` runs what it runs with the CPU standing in"
QUICK = "`tests/book/test_first_grid.py` calls what it calls"
ITSELF = "would start these tests again"
NOT_HERE = {
    "make download": NETWORK,
    "make paper": NETWORK,
    "CROSSCORPUS_MIRROR=my-copies make paper": NETWORK,
    "python -m crosscorpus.embeddings.downloads emodb ravdess wavlm-base": NETWORK,
    "make env": NETWORK,
    "make opensmile": NETWORK,
    "make cluster": NETWORK,
    "make audit-packages": NETWORK,
    "make lock": NETWORK,
    "make predict AUDIO=my-recordings": RECORDINGS,
    'make quick CORPUS="emodb ravdess"': QUICK,
    "make bundle": STORE,
    "make merge BUNDLE=their.zip": STORE,
    "make verify": STORE,
    "make pack": LONG,
    "make sensitivity": LONG,
    "make layers": LONG,
    "make bench-layers": LONG,
    "make protocols": LONG,
    "make reruns": LONG,
    "make scaling": LONG,
    "make texts": LONG,
    "make noise": LONG,
    "make amounts": LONG,
    "make temperatures": LONG,
    "make coverage": LONG,
    "make bench-extraction": LONG,
    "make bench-training": LONG,
    "make bench-frames": LONG,
    "make bench-small": LONG,
    "make bench-portions": LONG,
    "make bench-scores": LONG,
    "snakemake --workflow-profile profiles/slurm --configfile profiles/paper.yaml --config gpus=1 "
    "hours_per_job=8": CLUSTER,
    "python -m crosscorpus.embeddings portion --model mfcc --corpus emodb --number 1 --of 2": PORTION,
    "CROSSCORPUS_STORE=s3://my-bucket/crosscorpus make paper": BUCKET,
    "make rehearsal": LONG,
    "make rehearsal SIZE=0.02 ARCHITECTURES=tiny SEEDS=0 OVERRIDES=epochs=2": LONG,
    "make check-gpu": GPU,
    "make picture": LONG,
    "make pdf": LONG,
    "make reference": LONG,
    "make folds": LONG,
    "make lint": ITSELF,
    "make format": ITSELF,
    "make test": ITSELF,
    "make test-site": ITSELF,
    "make test-mutations": ITSELF,
    "make test-faults": ITSELF,
    "make test-cluster": ITSELF,
}


def fenced(page):
    """Return the commands of a page's shell blocks, a line each, without remarks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = [re.sub(r"\s{2,}#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and line != ACTIVATE]


def inline(page):
    """Return the commands that a page names in its text."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return [" ".join(code.split()) for code in re.findall(r"`(make [^`]+)`", text)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A copy of the project, whose Snakemake runs nothing; and a home folder."""
    folder = newcomer.copy(tmp_path_factory.mktemp("machine") / "project")
    newcomer.make_environment(folder, dry=True)
    for name in ("mine", "other"):
        rows = "".join(f"/audio/{name}/{n}.wav,s{n},anger\n" for n in range(6))
        own = folder / "data" / "own" / f"{name}.csv"
        own.parent.mkdir(exist_ok=True)
        own.write_text(f"path,speaker,emotion\n{rows}", encoding="utf-8")
    return folder, tmp_path_factory.mktemp("home")


def follow(machine, command):
    folder, home = machine
    return newcomer.run(command if command.startswith("make") else f"{ACTIVATE} && {command}", folder, home)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_run_or_it_is_said_why_not(page):
    known = {*DRY, *RUN, *MINUTES, *NOT_HERE}
    assert [command for command in fenced(page) if command not in known] == []


def test_every_target_is_run_or_it_is_said_why_not():
    known = {" ".join(command.split()[:2]) for command in (*DRY, *RUN, *NOT_HERE)}
    assert [target for target in TARGETS if f"make {target}" not in known] == []


@pytest.mark.parametrize("page", [*PAGES, paths.ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_commands_in_the_text_name_targets_and_variables_that_there_are(page):
    for command in inline(page):
        _, *words = command.split()
        for word in words:
            name, given, _ = word.partition("=")
            assert f"$({name})" in MAKEFILE if given else word.strip("\"'") in TARGETS or "=" in command, command


@pytest.mark.parametrize("command", DRY)
def test_a_workflow_starts(machine, command):
    status, said = follow(machine, command)
    assert status == 0, said
    assert "papermill" in said or ".ipynb" in said
    assert "rror" not in said


@pytest.mark.parametrize("command", RUN)
def test_a_short_command_works(machine, command):
    status, said = follow(machine, command)
    assert status == 0, said


@pytest.mark.parametrize("command", MINUTES)
def test_a_command_that_takes_a_minute_works(machine, command, request):
    if not is_full(request.config):
        pytest.skip("takes minutes: `make test-faults` runs it")
    status, said = follow(machine, command)
    assert status == 0, said


@pytest.mark.parametrize("command", [c for c in NOT_HERE if c.startswith("make")])
def test_what_a_target_calls_is_there(machine, command):
    folder, home = machine
    status, said = newcomer.run(command.replace("make", "make --dry-run", 1), folder, home)
    assert status == 0, said
    for module in re.findall(r"python -m ((?:crosscorpus|benchmarks|tests)[\w.]*)", said):
        assert (paths.ROOT / f"{module.replace('.', '/')}.py").exists() or (
            paths.ROOT / "lib" / f"{module.replace('.', '/')}.py"
        ).exists(), module
    for file in re.findall(r"pytest .*?(tests/[\w./]+)", said):
        assert (paths.ROOT / file).exists(), file


# -- your own corpora -----------------------------------------------------------------------------------------


def would_make(machine, command):
    status, said = follow(machine, command)
    assert status == 0, said
    return set(re.findall(r"_build/[^ ,]*(?:\.ipynb|\.html)", said))


def test_runs_of_other_corpora_share_no_page(machine):
    runs = [
        would_make(machine, f"make own {c} GOAL=book")
        for c in ("CORPUS=mine", "CORPUS=other", 'CORPUS="mine other"')
    ]
    assert all(any(page.endswith("index.html") for page in run) for run in runs)
    assert not runs[0] & runs[1] | runs[0] & runs[2] | runs[1] & runs[2]
    assert not any(page.startswith("_build/html") for run in runs for page in run)


def test_corpora_are_named_with_spaces_or_commas_in_any_order(machine):
    spelled = ["other,mine", '"other mine"', '"mine, other"', '"mine other mine"']
    status, said = follow(machine, "; ".join(f"make --dry-run own CORPUS={given}; echo ---" for given in spelled))
    assert status == 0, said
    runs = {run.strip() for run in said.split("---\n")[: len(spelled)]}
    assert len(runs) == 1
    assert "own-mine_other" in runs.pop()
    for given, name in (("other,mine", "own-mine_other"), ('"emodb mine other"', "own-emodb_mine_other")):
        made = would_make(machine, f"make own CORPUS={given}")
        assert {page.split("/")[1] for page in made} == {name}


def test_no_corpus_is_asked_for(machine):
    status, said = follow(machine, "make own")
    assert status
    assert "Name your corpus: make own CORPUS=<id>" in said


def test_an_unknown_corpus_is_named(machine):
    status, said = follow(machine, "make own CORPUS=Mine")
    assert status
    assert "unknown corpus 'Mine'; did you mean 'mine'?" in said
    assert "Traceback" not in said


def test_a_page_of_a_model_never_extracts(machine):
    """What the profile asks for is extracted by the rule `embed` alone, for its own models."""
    folder, home = machine
    command = (
        f"{ACTIVATE} && snakemake --cores 1 --nolock --printshellcmds --configfile profiles/own.yaml --config "
        '\'corpora=["emodb", "mine"]\' -- book'
    )
    status, said = newcomer.run(command, folder, home)
    assert status == 0, said
    calls = [json.loads(v) for v in re.findall(r"papermill .*notebooks/model\.ipynb .* -y '(\{.*?\})'", said)]
    calls += [json.loads(v) for v in re.findall(r"papermill .*models/[\w-]+\.ipynb .* -y '(\{.*?\})'", said)]
    assert len(calls) > 5
    extracting = [call for call in calls if call.get("extract", True)]
    assert {call["ptm"] for call in extracting} <= {"mfcc", "whisper-base"}
    assert all(call["corpora"] == ["mine"] for call in extracting)


def test_a_run_for_a_cluster_is_divided(machine, noise):
    """Large corpora in portions, trainings by model and corpus; what is in the pack is not made."""
    folder, home = machine
    rows = ["path,speaker,emotion"]
    for n in range(40):
        file = folder / "heard" / f"{n}.wav"
        file.parent.mkdir(exist_ok=True)
        soundfile.write(file, noise[: 8000 + 10 * n], 16_000)
        rows.append(f"{file},{'abc'[n % 3]},{('anger', 'fear')[n % 2]}")
    (folder / "data" / "own" / "heard.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    target = "_build/own/notebooks/same-corpus.ipynb"
    command = (
        f"{ACTIVATE} && snakemake --cores 1 --nolock --logger crosscorpus --configfile profiles/own.yaml --config "
        f'\'corpora=["emodb", "heard"]\' \'ptms=["mfcc"]\' hours_per_job=0.003 -- {target}'
    )
    status, said = newcomer.run(command, folder, home)
    assert status == 0, said
    made = dict(re.findall(r"would run: (.*): (\S+)$", said, re.M))
    for name, file in {
        "embeddings of heard by mfcc, 1 of 2": "embed/mfcc-heard/1-of-2.txt",
        "embeddings of heard by mfcc, 2 of 2": "embed/mfcc-heard/2-of-2.txt",
        "embeddings of heard by mfcc, joined": "embed/mfcc-heard.txt",
        "training heads on mfcc-emodb": "train/mfcc-emodb.ipynb",
        "training heads on mfcc-heard": "train/mfcc-heard.ipynb",
        "chapter same-corpus": "notebooks/same-corpus.ipynb",
    }.items():
        assert made.pop(name) == f"_build/own/{file}"
    assert not made
    assert not (folder / "_build" / "own" / "plan.json").exists()  # a dry run writes none


# -- a checkout that was copied or moved ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["copied", "moved", "linked"])
def test_an_environment_of_another_folder_is_made_anew(tmp_path, how):
    first = newcomer.copy(tmp_path / "first")
    newcomer.make_environment(first)
    second = tmp_path / "second"
    if how == "linked":
        newcomer.copy(second)
        (second / ".venv").symlink_to(first / ".venv")
    elif how == "copied":
        shutil.copytree(first, second, symlinks=True)
    else:
        shutil.move(first, second)
    stand_in = tmp_path / "python"  # says what it is asked for; nothing is installed
    stand_in.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "made: $@"; exit 1\n', encoding="utf-8")
    stand_in.chmod(0o755)
    status, said = newcomer.run(f"make env PYTHON={stand_in}", second, tmp_path)
    assert status
    assert "The environment in .venv is of another folder" in said
    assert "made: -m venv .venv" in said
    assert not (second / ".venv").is_symlink()
    assert how == "moved" or (first / ".venv" / "bin" / "python").exists()


def test_an_environment_of_this_folder_is_used(machine):
    assert follow(machine, "make env") == (0, "make: Nothing to be done for 'env'.\n")


def test_the_library_of_another_checkout_is_refused(tmp_path, machine):
    """Whatever starts it: papermill or Snakemake of the one, in the folder of the other."""
    folder, home = machine
    other = newcomer.copy(tmp_path / "other")
    for command in (
        "papermill notebooks/ambiguities.ipynb out.ipynb",
        "snakemake --cores 1 --nolock --configfile profiles/smoke.yaml",
    ):
        status, said = newcomer.run(f"source {folder}/.venv/bin/activate && {command}", other, home)
        assert status
        assert f"this is the checkout {other}, but the library of another, {folder}, was loaded" in said


def test_a_folder_below_the_checkout_is_here():
    paths.check_here(paths.ROOT / "notebooks")
    paths.check_here("/")
