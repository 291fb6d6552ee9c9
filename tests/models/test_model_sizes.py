import subprocess
import sys

import pytest

from crosscorpus.models import model_registry, model_sizes

LARGE = "whisper-large-v3"


def test_weights_take_four_bytes_a_parameter_and_two_in_half_precision():
    assert model_sizes.weights_in_memory(LARGE) == 4 * 636968960
    assert model_sizes.weights_in_memory(LARGE, "bfloat16") == 2 * 636968960


def test_what_the_registry_does_not_count_is_counted_in_the_network():
    assert model_registry.get("data2vec-large").parameters is None
    assert model_sizes.parameters("data2vec-large") == 313276416


@pytest.mark.parametrize("ptm", ["mert-330m", "egemaps", "trillsson4"])
def test_what_has_no_network_here_has_no_size(ptm):
    assert model_sizes.weights_in_memory(ptm) is None
    assert model_sizes.fitting(ptm, "float32", 7) == 7


def test_as_many_processes_as_fit_are_said_beforehand(monkeypatch, capsys):
    monkeypatch.setattr(model_sizes, "free_memory", lambda: 8 * 10**9)
    assert model_sizes.fitting(LARGE, "float32", 4) == 2
    said = capsys.readouterr().err
    assert said == (
        "   - Whisper large-v3: weights take 2.5 GB in float32, in each of 2 processes (4 do not fit into "
        "8.0 GB)\n"
    )
    assert model_sizes.fitting(LARGE, "bfloat16", 3) == 3
    assert "1.3 GB in bfloat16, in each of 3 processes\n" in capsys.readouterr().err


@pytest.mark.parametrize(("free", "words"), [(3, "; dtype=bfloat16 takes 1.3 GB; free"), (1, "are free; free")])
def test_what_does_not_fit_is_refused_with_what_takes_less(monkeypatch, free, words):
    monkeypatch.setattr(model_sizes, "free_memory", lambda: free * 10**9)
    with pytest.raises(model_registry.NotAvailableError, match=r"Whisper large-v3: weights take 2\.5 GB") as error:
        model_sizes.fitting(LARGE, "float32", 2)
    assert words in str(error.value)


def test_where_memory_is_not_told_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(model_sizes, "free_memory", lambda: None)
    assert model_sizes.fitting(LARGE, "float32", 64) == 64


def test_a_limit_of_the_group_of_processes_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(model_sizes, "GROUP", tmp_path)
    machine = model_sizes.free_memory()
    for name, text in {"max": "5000000", "current": "3000000", "stat": "anon 2\ninactive_file 500000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert model_sizes.free_memory() == 2_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine is None or model_sizes.free_memory() > 2_500_000


def test_to_know_a_size_takes_no_heavy_library():
    code = (
        "import sys; from crosscorpus.models import model_sizes as m; "
        f"m.fitting({LARGE!r}, 'float32', 1); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
