import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crosscorpus.base import known_names, sound
from crosscorpus.embeddings import pack
from crosscorpus.models import model_registry
from crosscorpus.models.loaders import egemaps

SECONDS = [0.2, 0.7, 1.0, 1.0, 2.5, 30.0]
ORDER = [3, 5, 0, 2, 4, 1]


@pytest.fixture(scope="module")
def extractor():
    try:
        return egemaps.load(model_registry.get("egemaps"), None, "clip", "cpu", "float32")
    except model_registry.NotAvailableError as error:
        pytest.skip(str(error))


def buzz(seconds, seed=0):
    """A tone with twenty harmonics and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * sound.SAMPLE_RATE))) / sound.SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 20))
    return (0.1 * wave + rng.normal(scale=0.01, size=len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def batch():
    return [buzz(s, seed) for seed, s in enumerate(SECONDS)]


def test_a_batch_equals_batches_of_one_in_any_order(extractor, batch):
    single = np.concatenate([extractor.extract([w]) for w in batch])
    np.testing.assert_array_equal(extractor.extract(batch), single)
    np.testing.assert_array_equal(extractor.extract([batch[i] for i in ORDER]), single[ORDER])


def test_embeddings_are_float32_rows(extractor, batch):
    got = extractor.extract(batch[:3])
    assert got.shape == (3, 88)
    assert got.dtype == np.float32
    assert np.isfinite(got).all()


def test_the_numbers_have_names(extractor):
    found = egemaps.feature_names()
    assert len(found) == len(set(found)) == 88
    pitch = extractor.extract([buzz(2.0)])[0, found.index("F0semitoneFrom27.5Hz_sma3nz_amean")]
    assert pitch == pytest.approx(12 * np.log2(150 / 27.5), abs=0.2)


def test_it_is_what_opensmile_gives_as_a_table(extractor):
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    table = smile.process_signal(buzz(1.5), sound.SAMPLE_RATE)
    assert list(table.columns) == egemaps.feature_names()
    np.testing.assert_array_equal(extractor.extract([buzz(1.5)]), table.to_numpy())


@pytest.mark.parametrize("samples", [1, 400, 800, 959, 960])
def test_any_length_gives_a_finite_embedding(extractor, samples):
    assert np.isfinite(extractor.extract([buzz(samples / sound.SAMPLE_RATE)])).all()
    assert np.isfinite(extractor.extract([np.zeros(samples, dtype=np.float32)])).all()


def test_a_full_scale_sample_does_not_turn_over(extractor):
    """16-bit integers end at 32767; 1.0 would be 32768."""
    wave = buzz(1.0)
    loud = wave / wave.max()
    softer = loud * np.float32(32_766 / 32_768)
    assert loud.max() == 1
    assert pack.difference(extractor.extract([loud]), extractor.extract([softer])) < 0.001


def test_threads_do_not_disturb_each_other(extractor):
    batch = [buzz(0.3 + 0.1 * seed, seed) for seed in range(12)]
    with ThreadPoolExecutor(3) as pool:
        together = np.concatenate(list(pool.map(lambda wave: extractor.extract([wave]), batch)))
    np.testing.assert_array_equal(together, extractor.extract(batch))


def test_it_works_where_tensorflow_came_first(extractor, tmp_path):
    """Both have a function `rdft`, among others; openSMILE must not call TensorFlow's."""
    pytest.importorskip("tensorflow")
    np.save(tmp_path / "wave.npy", buzz(1.0))
    code = (
        "import sys, tensorflow, numpy as np; from crosscorpus.models import model_registry;"
        "from crosscorpus.models.loaders import egemaps;"
        "loaded = egemaps.load(model_registry.get('egemaps'), None, 'clip', 'cpu', 'float32');"
        "np.save(sys.argv[2], loaded.extract([np.load(sys.argv[1])]))"
    )
    files = [str(tmp_path / "wave.npy"), str(tmp_path / "found.npy")]
    run = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(np.load(files[1]), extractor.extract([buzz(1.0)]))


def test_nothing_in_it_is_learned(extractor, batch):
    assert (extractor.parameters, extractor.weights_dtype, extractor.device) == (0, "none", "cpu")
    again = egemaps.load(model_registry.get("egemaps"), None, "clip", "cpu", "float32")
    np.testing.assert_array_equal(extractor.extract(batch), again.extract(batch))


def test_other_dtypes_are_refused():
    with pytest.raises(known_names.UnknownNameError, match="dtype of eGeMAPS 'bfloat16'"):
        egemaps.load(model_registry.get("egemaps"), None, "clip", "cpu", "bfloat16")


def test_without_opensmile_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(
        model_registry.NotAvailableError, match=r"`make opensmile` installs it; .* for research only"
    ):
        egemaps.load(model_registry.get("egemaps"), None, "clip", "cpu", "float32")
