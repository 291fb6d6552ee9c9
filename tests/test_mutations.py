"""Would a fault be noticed? Each is put into a copy of the library, and the tests named beside it must turn red.

A few run with the rest; `make test-mutations` runs them all.
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from crosscorpus.base import paths

COPIED = ("lib", "tests")
SECONDS = 120  # a fault may also hang; alone on a machine each takes a few


class Fault(NamedTuple):
    """Text of a module that is replaced, what it stands for, and the tests that must notice."""

    name: str
    module: str
    old: str
    new: str
    tests: str
    often: bool = False  # runs with all other tests, not only with --all-faults


FAULTS = [
    Fault(
        "F1 without its factor of two", "scores/metrics.py",
        "_ratio(2 * right, n + predicted)", "_ratio(right, n + predicted)",
        "tests/scores/test_metrics.py::test_scores_of_a_hand_worked_case", often=True,
    ),
    Fault(
        "spread over folds with n, not n - 1", "scores/metrics.py",
        "cells.std().add_suffix", "cells.std(ddof=0).add_suffix",
        "tests/scores/test_metrics.py::test_seeds_are_averaged_before_folds",
    ),
    Fault(
        "loss out of domain from the wrong side", "scores/comparison.py",
        'joined["out_of_domain"] + joined["difference"]', 'joined["out_of_domain"] - joined["difference"]',
        "tests/scores/test_comparison.py::test_the_loss_is_in_domain_minus_out_of_domain",
    ),
    Fault(
        "ours minus paper turned round", "verdict/published_tables.py",
        'table[f"{score}_of_folds"] - table[f"paper_{score}"]',
        'table[f"paper_{score}"] - table[f"{score}_of_folds"]',
        "tests/verdict/test_published_tables.py",
    ),
    Fault(
        "a difference to the paper that is not of means of folds", "verdict/published_tables.py",
        'table[f"{score}_of_folds"] - table', "table[score] - table",
        "tests/verdict/test_published_tables.py",
    ),
    Fault(
        "one more run that is as sure as a mean", "verdict/reproduction.py",
        "values.std() * np.sqrt(1 + 1 / n)", "values.std() * np.sqrt(1 / n)",
        "tests/verdict/test_reproduction.py",
    ),
    Fault(
        "scaling that sees the validation part", "training/train.py",
        "StandardScaler().fit(task.X[part])", "StandardScaler().fit(task.X)",
        "tests/training/test_train.py::test_scaling_uses_the_training_part_alone",
    ),
    Fault(
        "the last epoch kept, not the best", "training/train.py",
        "ready, stopping.kept, losses", "ready, weights, losses",
        "tests/training/test_train.py::test_early_stopping_keeps_the_best_epoch_or_the_last",
    ),
    Fault(
        "validation that parts what belongs together", "training/training_tasks.py",
        "_draw_groups(y, group, share, seed)\n", "None\n",
        "tests/training/test_train.py::test_validation_keeps_groups_whole",
    ),
    Fault(
        "folds of speakers that part speakers", "protocols/dealing.py",
        'utterances["emotion"], together), start=1)', 'utterances["emotion"], utterances.index), start=1)',
        "tests/protocols/test_folds.py::test_committed_folds_are_what_make_builds",
    ),
    Fault(
        "a head tested on what it was trained on", "protocols/folds.py",
        "return (~test & ~validation)", "return (~validation)",
        "tests/training/test_evaluate.py::test_no_test_utterance_is_ever_trained_on",
    ),
    Fault(
        "a head with one hidden layer fewer", "training/heads.py",
        'protocol["fcn_widths"], protocol)', 'protocol["fcn_widths"][1:], protocol)',
        "tests/notebooks/heads.ipynb --nbval-lax --nbval-current-env",
    ),
    Fault(
        "channels added up, not averaged", "base/sound.py",
        "samples.mean(axis=1, dtype=np.float32)", "samples.sum(axis=1, dtype=np.float32)",
        "tests/corpora/test_decoding.py",
    ),
    Fault(
        "a layer chosen on the corpus that it is tested on", "verdict/layer_choice.py",
        "!= test_corpus).all(axis=1)", '!= "").all(axis=1)',
        "tests/verdict/test_layer_study.py::test_a_cell_has_no_part_in_its_own_choice",
    ),
    Fault(
        "frames whose checksum nobody looks at", "embeddings/block_files.py",
        "if _checksum(block) != self.checksums[index]", "if False",
        "tests/embeddings/test_states.py::test_a_damaged_utterance_is_named",
    ),
    Fault(
        "a key that forgets the model's revision", "embeddings/store.py",
        '"revision": model.revision,', '"revision": "",',
        "tests/embeddings/test_store.py::test_a_new_revision_of_a_model_gives_a_new_key",
    ),
    Fault(
        "stored embeddings that nobody checks", "embeddings/embedding_files.py",
        'metadata.pop("sha256", None) != digest', 'metadata.pop("sha256", None) is None',
        "tests/embeddings/test_store.py::test_a_changed_byte_is_noticed", often=True,
    ),
    Fault(
        "a portion that is not what was joined", "embeddings/embedding_files.py",
        "if found != reference:", "if not found:",
        "tests/embeddings/test_portions.py::test_a_portion_that_is_not_what_was_joined_is_noticed",
    ),
    Fault(
        "a file that has its name before it is whole", "base/remote_store.py",
        "files.put_file(str(path), part)", "files.put_file(str(path), name)",
        "tests/base/test_remote_store.py::test_what_fails_in_the_middle_is_not_found",
    ),
    Fault(
        "p-values that are not adjusted", "scores/comparison.py",
        'return holm(p) if correction == "holm"', 'return p if correction == "holm"',
        "tests/scores/test_comparison.py::test_the_correction_is_over_all_rows",
    ),
    Fault(
        "ranks from the worst", "scores/model_ranks.py",
        "whole.rank(axis=1, ascending=False)", "whole.rank(axis=1, ascending=True)",
        "tests/scores/test_comparison.py::test_the_highest_score_ranks_first_and_ties_share_a_rank",
    ),
    Fault(
        "neighbours from the same speaker", "embeddings/embedding_checks.py",
        "other = speaker[:, None] != speaker[None, :]", "other = ~np.eye(len(speaker), dtype=bool)",
        "tests/embeddings/test_checks.py::test_nearest_neighbours_are_of_other_speakers",
    ),
    Fault(
        "a misspelt name let through", "base/known_names.py",
        "    raise UnknownNameError(", "    return name\n    raise UnknownNameError(",
        "tests/base/test_known_names.py", often=True,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Copy the library and its tests; the rest of the project is linked."""
    root = tmp_path_factory.mktemp("mutant")
    for entry in paths.ROOT.iterdir():
        if entry.name in COPIED:
            skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(entry, root / entry.name, ignore=skip)
        elif entry.name not in ("_build", ".git"):
            (root / entry.name).symlink_to(entry)
    return root


def run(root, tests):
    environment = os.environ | {"PYTHONPATH": str(root / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests.split()]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_place_and_its_tests(fault):
    module = (paths.ROOT / "lib" / "crosscorpus" / fault.module).read_text(encoding="utf-8")
    assert module.count(fault.old) == 1, f"{fault.module} has changed: put the fault where it would be now"
    for file, _, name in (test.partition("::") for test in fault.tests.split() if not test.startswith("-")):
        assert f"def {name}" in (paths.ROOT / file).read_text(encoding="utf-8") or not name


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_noticed(fault, sources, request):
    if not (fault.often or request.config.getoption("--all-faults")):
        pytest.skip("`make test-mutations` puts every fault into the library")
    module = sources / "lib" / "crosscorpus" / fault.module
    right = module.read_text(encoding="utf-8")
    module.write_text(right.replace(fault.old, fault.new), encoding="utf-8")
    try:
        result = run(sources, fault.tests)
    finally:
        module.write_text(right, encoding="utf-8")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout[-2000:] + result.stderr[-2000:]
    assert " failed" in result.stdout.splitlines()[-1]


def test_without_a_fault_the_same_tests_pass(sources, request):
    everything = request.config.getoption("--all-faults")
    tests = dict.fromkeys(test for f in FAULTS if f.often or everything for test in f.tests.split())
    result = run(sources, " ".join(tests))
    assert result.returncode == pytest.ExitCode.OK, result.stdout[-3000:]
