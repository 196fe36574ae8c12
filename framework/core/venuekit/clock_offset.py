"""How far a venue's clock is from ours, and how surely we know.

A request for the venue's time leaves at `sent` and its answer comes at `received`, both by our clock. The venue read its
clock somewhere in between, so

    offset       = its time - the middle of ours          (add it to our time to get the venue's)
    uncertainty  = half the round trip + half the resolution of the time it told

Of the recent measurements the surest counts, not the latest or the mean: a slow answer says little. A measurement gets less
sure with age, by the rate at which two clocks may drift apart.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import frozen

from venuekit_spec import SECOND, Instant, LocalError, Seconds

DRIFT: Final = 50e-6
"""Seconds per second: quartz clocks stay within some 20 ppm each; two of them and a margin."""


@frozen
class OffsetEstimate:
    """The venue's clock minus ours, give or take `uncertainty`; both nanoseconds."""

    offset: int
    uncertainty: int


@frozen
class _Sample:
    offset: int
    uncertainty: int
    at: Instant


class ClockOffset:
    """Estimates the offset of one venue's clock from samples. Pure.

    `window`: for how many seconds a measurement competes with newer ones. The surest of them is kept beyond that while no
    newer one comes, ever less sure.
    """

    def __init__(self, *, window: Seconds = 600.0, drift: float = DRIFT) -> None:
        self._window = round(window * SECOND)
        self._drift = drift
        self._samples: deque[_Sample] = deque()
        self._last_offset = 0

    def sample(self, sent: Instant, received: Instant, venue_time: Instant, resolution: int) -> None:
        """Take in a measurement. `resolution` (ns) is the unit in which the venue cut its time off: 10**6 for whole ms.

        Raises `LocalError` for an answer received before it was asked for, or a resolution below zero.
        """
        if received < sent or resolution < 0:
            raise LocalError("a clock sample needs sent <= received and a resolution of at least zero")
        offset = venue_time + resolution // 2 - (sent + received) // 2
        uncertainty = (received - sent + 1) // 2 + (resolution + 1) // 2
        while self._samples and self._samples[0].at < received - self._window:
            self._samples.popleft()
        self._samples.append(_Sample(offset, uncertainty, received))
        self._last_offset = min(self._samples, key=lambda each: self._aged(each, received)).offset

    def estimate(self, now: Instant) -> OffsetEstimate | None:
        """What is known at `now`; None before the first measurement and after `invalidate`."""
        if not self._samples:
            return None
        best = min(self._samples, key=lambda each: self._aged(each, now))
        return OffsetEstimate(best.offset, self._aged(best, now))

    def venue_time(self, now: Instant) -> Instant:
        """Our `now` in the venue's time.

        Without a valid estimate the last one is used, zero at first: after a skew error it is still the best guess there is.
        """
        best = self.estimate(now)
        return now + (self._last_offset if best is None else best.offset)

    def invalidate(self) -> None:
        """The venue found our timestamps wrong: forget every measurement, measure again."""
        self._samples.clear()

    def _aged(self, sample: _Sample, now: Instant) -> int:
        return sample.uncertainty + round(max(0, now - sample.at) * self._drift)
