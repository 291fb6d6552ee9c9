import numpy as np

from crosscorpus.scores import metrics
from crosscorpus.verdict import interval_coverage


def test_the_simulation_can_be_run_again_and_is_near_the_committed_one():
    again = interval_coverage.simulate((10,), repetitions=60, n_resamples=300)
    table, _ = interval_coverage.results()
    known = table[table["speakers"] == 10].set_index("metric")["coverage"]
    for row in again.itertuples():
        error = 100 * np.sqrt(0.95 * 0.05 / 60)
        assert abs(row.coverage - known[row.metric]) < 3.5 * error
    assert again.equals(interval_coverage.simulate((10,), repetitions=60, n_resamples=300))


def test_nominal_intervals_hold_the_truth_about_as_often_as_they_say():
    table, _ = interval_coverage.results()
    assert set(table["speakers"]) == set(interval_coverage.SPEAKERS)
    assert set(table["metric"]) == set(metrics.METRICS)
    assert table["coverage"].between(92, 97.5).all()
    width = table[table["metric"] == "accuracy"].set_index("speakers")["width"]
    assert width.is_monotonic_decreasing  # few speakers, long intervals


def test_speakers_differ():
    drawn = interval_coverage.tested(40, np.random.default_rng(0))
    right = (drawn["emotion"] == drawn["predicted"]).groupby(drawn["speaker"]).mean()
    assert 0.08 < right.std() < 0.25
