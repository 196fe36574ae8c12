"""The estimator of a venue's clock: right within what it says it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.clock_offset import ClockOffset, OffsetEstimate
from venuekit_spec import MILLISECOND, SECOND, LocalError

NOW = 1_700_000_000 * SECOND


def test_one_sample_gives_offset_and_uncertainty() -> None:
    """Half the round trip and half the resolution are what is not known."""
    offset = ClockOffset()
    offset.sample(NOW, NOW + 20 * MILLISECOND, NOW + 110 * MILLISECOND, 2 * MILLISECOND)
    assert offset.estimate(NOW + 20 * MILLISECOND) == OffsetEstimate(101 * MILLISECOND, 11 * MILLISECOND)
    assert offset.venue_time(NOW) == NOW + 101 * MILLISECOND


samples = st.lists(
    st.tuples(st.integers(0, SECOND), st.integers(0, SECOND), st.integers(0, 100 * SECOND)),
    min_size=1,
    max_size=20,
)


@given(st.integers(-10 * SECOND, 10 * SECOND), st.sampled_from([1, 1000, MILLISECOND, SECOND]), samples)
def test_the_truth_is_within_the_uncertainty(
    truth: int, resolution: int, ways: list[tuple[int, int, int]]
) -> None:
    """Whatever the delays of the two ways and the cut of the time told, the true offset is in the interval."""
    offset = ClockOffset()
    now = NOW
    for there, back, pause in ways:
        told = (now + there + truth) // resolution * resolution
        offset.sample(now, now + there + back, told, resolution)
        now += there + back + pause
    estimate = offset.estimate(now)
    assert estimate is not None
    assert abs(estimate.offset - truth) <= estimate.uncertainty + 1


def test_the_surest_recent_sample_counts() -> None:
    """A slow answer does not displace a quick one, until the quick one is older than the window."""
    offset = ClockOffset(window=60, drift=0)
    offset.sample(NOW, NOW + 2 * MILLISECOND, NOW + MILLISECOND, 0)
    offset.sample(NOW + SECOND, NOW + 2 * SECOND, NOW + 3 * SECOND, 0)
    assert offset.estimate(NOW + 2 * SECOND) == OffsetEstimate(0, MILLISECOND)
    offset.sample(NOW + 100 * SECOND, NOW + 101 * SECOND, NOW + 102 * SECOND, 0)
    assert offset.estimate(NOW + 101 * SECOND) == OffsetEstimate(3 * SECOND // 2, SECOND // 2)


def test_age_makes_unsure() -> None:
    """The uncertainty grows by the drift, also long after the last measurement, so that a newer sample wins in time."""
    offset = ClockOffset(drift=50e-6)
    offset.sample(NOW, NOW + 2 * MILLISECOND, NOW + MILLISECOND, 0)
    later = NOW + 2 * MILLISECOND + 100_000 * SECOND
    aged = offset.estimate(later)
    assert aged is not None
    assert aged.uncertainty == MILLISECOND + 5 * SECOND


def test_a_skew_error_forgets_everything_but_the_last_guess() -> None:
    """After invalidate there is no estimate, and the last offset serves until the next sample."""
    offset = ClockOffset()
    assert offset.estimate(NOW) is None
    assert offset.venue_time(NOW) == NOW
    offset.sample(NOW, NOW, NOW + SECOND, 0)
    offset.invalidate()
    assert offset.estimate(NOW) is None
    assert offset.venue_time(NOW) == NOW + SECOND
    offset.sample(NOW, NOW, NOW - SECOND, 0)
    assert offset.venue_time(NOW) == NOW - SECOND


def test_impossible_samples_are_refused() -> None:
    """An answer before its question is an error, and changes nothing."""
    offset = ClockOffset()
    with pytest.raises(LocalError):
        offset.sample(NOW, NOW - 1, NOW, 0)
    with pytest.raises(LocalError):
        offset.sample(NOW, NOW, NOW, -1)
    assert offset.estimate(NOW) is None
