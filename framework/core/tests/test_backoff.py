"""The backoff: bounded, jittered, and reset only by what stays up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit.backoff import Backoff
from venuekit_spec import SECOND, LocalError


def upper(backoff: Backoff, times: int, now: int = 0) -> list[float]:
    """The waits of failures in a row, with dice that always show the bound."""
    return [backoff.failed(now) for _ in range(times)]


def test_waits_double_up_to_the_ceiling() -> None:
    """With the worst dice the waits are first, twice that, and so on, never above the ceiling."""
    assert upper(Backoff(lambda: 1.0, first=1, ceiling=10), 6) == [1, 2, 4, 8, 10, 10]


@given(st.integers(), st.integers(1, 2000))
def test_every_wait_is_within_zero_and_the_ceiling(seed: int, failures: int) -> None:
    """However often it fails, a wait is never negative and never above the ceiling."""
    backoff = Backoff(Random(seed).random, first=0.5, ceiling=30)
    assert all(0 <= backoff.failed(0) <= 30 for _ in range(failures))


def test_jitter_is_full() -> None:
    """The waits of many clients spread over the whole range from zero to the bound."""
    waits = [Backoff(Random(seed).random, first=8, ceiling=8).failed(0) for seed in range(1000)]
    quarters = [sum(1 for wait in waits if 2 * part <= wait < 2 * part + 2) for part in range(4)]
    assert min(quarters) > 200


def test_a_stable_period_starts_over() -> None:
    """What worked for the stable period fails with the first wait again; what worked for less goes on growing."""
    backoff = Backoff(lambda: 1.0, first=1, ceiling=100, stable=60)
    assert upper(backoff, 3) == [1, 2, 4]
    backoff.worked(0)
    assert backoff.failed(59 * SECOND) == 8
    backoff.worked(100 * SECOND)
    backoff.worked(150 * SECOND)
    assert backoff.failed(160 * SECOND) == 1
    assert backoff.failed(300 * SECOND) == 2


@pytest.mark.parametrize(
    "wrong", [{"first": 0.0}, {"first": 2.0, "ceiling": 1.0}, {"factor": 0.5}, {"stable": -1.0}]
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """Parameters that make no backoff are an error at once."""
    with pytest.raises(LocalError):
        Backoff(lambda: 0.5, **wrong)
