import subprocess
import sys

import numpy as np
import pytest
from benchmarks.stand_in import save

from crosscorpus.base import known_names, sound
from crosscorpus.embeddings import pack
from crosscorpus.models import model_registry
from crosscorpus.models.loaders import trillsson

SECONDS = [0.2, 0.7, 1.0, 1.0, 2.5, 30.0]
ORDER = [3, 5, 0, 2, 4, 1]


def load(folder, pooling="clip"):
    return trillsson.load(model_registry.get("trillsson4"), folder, pooling, "cpu", "float32")


def waveforms(seconds):
    rng = np.random.default_rng(0)
    sizes = [max(1, round(s * sound.SAMPLE_RATE)) for s in seconds]
    return [(rng.normal(size=n) * np.linspace(0.01, 0.2, n)).astype(np.float32) for n in sizes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("trillsson"))


@pytest.fixture(scope="module")
def extractor(folder):
    return load(folder)


def test_a_batch_equals_batches_of_one_in_any_order(extractor):
    batch = waveforms(SECONDS)
    single = np.concatenate([extractor.extract([w]) for w in batch])
    assert pack.difference(extractor.extract(batch), single) <= 1e-5
    assert pack.difference(extractor.extract([batch[i] for i in ORDER]), single[ORDER]) <= 1e-5


def test_embeddings_are_float32_rows_that_differ(extractor):
    got = extractor.extract(waveforms([0.5, 2.5, 2.5]))
    assert got.shape == (3, 1024)
    assert got.dtype == np.float32
    assert min(pack.difference(got[[a]], got[[b]]) for a, b in [(0, 1), (0, 2), (1, 2)]) > 1e-3


def test_facts(extractor):
    assert extractor.parameters == 500 * 1024 + 1024  # and not the counter
    assert (extractor.weights_dtype, extractor.device) == ("float32", "cpu")


def test_two_loads_agree(folder, extractor):
    batch = waveforms([0.3, 2.2])
    np.testing.assert_array_equal(extractor.extract(batch), load(folder).extract(batch))


def test_the_model_gets_the_samples_as_they_are(folder, extractor):
    import tensorflow as tf

    wave = waveforms([4.1])[0]
    expected = tf.saved_model.load(str(folder))(wave[None])["embedding"].numpy()
    assert pack.difference(extractor.extract([wave]), expected) <= 1e-6


def test_a_short_clip_is_mirrored_until_it_has_2_s(folder, extractor):
    import tensorflow as tf

    (wave,) = waveforms([0.9])
    mirrored = np.concatenate([wave, wave[::-1], wave])[:32_000]
    np.testing.assert_array_equal(trillsson.lengthen(wave), mirrored)
    expected = tf.saved_model.load(str(folder))(mirrored[None])["embedding"].numpy()
    assert pack.difference(extractor.extract([wave]), expected) <= 1e-6


@pytest.mark.parametrize("samples", [32_000, 32_001, 50_000])
def test_a_long_clip_stays_as_it_is(samples):
    wave = np.arange(samples, dtype=np.float32)
    np.testing.assert_array_equal(trillsson.lengthen(wave), wave)


@pytest.mark.parametrize("samples", [1, 2, 31_999])
def test_any_length_gives_a_finite_embedding(extractor, samples):
    assert trillsson.lengthen(np.ones(samples, dtype=np.float32)).shape == (32_000,)
    assert np.isfinite(extractor.extract([np.full(samples, 0.01, dtype=np.float32)])).all()


def test_silence_gives_a_finite_embedding(extractor):
    assert np.isfinite(extractor.extract([np.zeros(16_000, dtype=np.float32)])).all()


def test_padding_counts_in_padded_batches_only(folder, extractor):
    padded = load(folder, "padded")
    batch = waveforms([0.5, 4.0])
    got = padded.extract(batch)
    assert pack.difference(got[1:], extractor.extract(batch)[1:]) <= 1e-5
    assert pack.difference(got[:1], extractor.extract(batch)[:1]) > 1e-3
    zeros = np.pad(batch[0], (0, len(batch[1]) - len(batch[0])))
    assert pack.difference(got[:1], extractor.extract([zeros])) <= 1e-5
    assert padded.extract(waveforms([0.1, 0.2])).shape == (2, 1024)


def test_no_saved_model_says_what_is_needed(tmp_path):
    with pytest.raises(model_registry.NotAvailableError, match=r"TRILLsson: no SavedModel in .*saved_model\.pb"):
        load(tmp_path)
    with pytest.raises(model_registry.NotAvailableError, match=r"TRILLsson: no SavedModel in .*absent"):
        load(tmp_path / "absent")


def test_a_damaged_saved_model_says_so(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"<html>not a model</html>")
    with pytest.raises(model_registry.NotAvailableError, match=r"TRILLsson: the SavedModel in .* cannot be read"):
        load(tmp_path)


def test_a_saved_model_without_its_variables_says_so(tmp_path):
    folder = save(tmp_path / "model", dimension=8)
    for file in (folder / "variables").iterdir():
        file.unlink()
    with pytest.raises(model_registry.NotAvailableError, match=r"TRILLsson: the SavedModel in .* cannot be read"):
        load(folder)


def test_another_dimension_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"this is not .*trillsson4.*\[2, 1024\]; it gave \[2, 512\]"):
        load(save(tmp_path / "model", dimension=512))


def test_another_output_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must give `embedding` \[2, 1024\]; it gave KeyError: 'embedding'"):
        load(save(tmp_path / "model", key="layer19"))


def test_another_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must give `embedding` .*; it gave InvalidArgumentError: .*too short"):
        load(save(tmp_path / "model", shortest=48_000))


def test_a_model_that_cannot_be_called_is_refused(tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ValueError, match=r"must give `embedding` .*; it gave TypeError: .*not callable"):
        load(tmp_path)


def test_other_dtypes_are_refused(folder):
    with pytest.raises(known_names.UnknownNameError, match="dtype of TRILLsson 'bfloat16'"):
        trillsson.load(model_registry.get("trillsson4"), folder, "clip", "cpu", "bfloat16")


def test_a_worker_runs_one_thread_and_says_nothing(folder):
    code = (
        "import sys, torch; from pathlib import Path; torch.set_num_threads(1);"
        "from crosscorpus.models import model_registry; from crosscorpus.models.loaders import trillsson;"
        "trillsson.load(model_registry.get('trillsson4'), Path(sys.argv[1]), 'clip', 'cpu', 'float32');"
        "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    run = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1"]
    assert run.stderr == ""
