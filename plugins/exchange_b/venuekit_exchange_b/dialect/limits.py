"""The venue's own count of what it is asked: one window for the address, aligned to the clock. PROTOCOL.md, "Limits".

All clients of a venue on this machine come from one address. A request too many is refused by the proxy in front.
"""

from __future__ import annotations

from venuekit_exchange_b.description import POOLS
from venuekit_spec import SECOND, Instant, Seconds, seconds_between


class Limits:
    """How much was asked in the current window; `refused` counts what was too much."""

    def __init__(self) -> None:
        (self._pool,) = POOLS
        self._period = round(self._pool.period * SECOND)
        self._window = -1
        self._used = 0.0
        self.refused = 0

    def take(self, weight: float, now: Instant) -> Seconds:
        """Spend this; how long to wait where the window does not hold it, and 0.0 where it does."""
        window = now // self._period
        if window != self._window:
            self._window, self._used = window, 0.0
        if self._used + weight > self._pool.capacity:
            self.refused += 1
            return seconds_between(now, (window + 1) * self._period)
        self._used += weight
        return 0.0
