"""The venue's own count of what it is asked. Fixed windows, aligned to the clock.

1. A request is refused if any of its pools is spent; one that is refused spends nothing.
2. Refused requests are counted too: `PATIENCE` of them without one that is allowed between, and the address is banned.
3. While it is banned everything is refused and nothing counted.

All clients of a venue on this machine come from one address. `Usage` is what the venue saw, not what a client claims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from venuekit_exchange_a.description import POOLS
from venuekit_exchange_a.dialect.refusals import TOO_MANY_ORDERS, TOO_MANY_REQUESTS, No, in_front
from venuekit_exchange_a.endpoints import ORDERS
from venuekit_spec import (
    SECOND,
    Cost,
    Instant,
    PoolKind,
    PoolScope,
    RatePool,
    RefusalKind,
    Seconds,
    after,
    seconds_between,
)

PATIENCE: Final = 20
BAN: Final[Seconds] = 120.0

DIALS: Final = "dials"
FRAMES: Final = 20
"""Frames a second that a socket takes."""


class Usage:
    """What the venue has counted since it started, by pool."""

    def __init__(self) -> None:
        self.largest: Counter[str] = Counter()
        """The most that was spent in any window, of any key."""
        self.total: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Requests refused because this pool was spent."""
        self.bans = 0


class Window:
    """One counter of a pool: how much is spent in the current window."""

    __slots__ = ("_period", "_window", "capacity", "used")

    def __init__(self, capacity: float, period: Seconds) -> None:
        self.capacity = capacity
        self.used = 0.0
        self._period = round(period * SECOND)
        self._window = -1

    def see(self, now: Instant) -> None:
        """A new window begins with nothing spent."""
        if now // self._period != self._window:
            self._window = now // self._period
            self.used = 0.0

    def left(self, now: Instant) -> Seconds:
        """How long the current window lasts."""
        return seconds_between(now, (now // self._period + 1) * self._period)


class Limits:
    """The pools of one address and of the keys that are used from it."""

    def __init__(self) -> None:
        dials = RatePool(DIALS, capacity=120, period=60.0, kind=PoolKind.FIXED_WINDOW)
        self._pools = {pool.name: pool for pool in (*POOLS, dials)}
        self._windows: dict[tuple[str, str], Window] = {}
        self._refused_in_a_row = 0
        self._banned_until: Instant = 0
        self.usage = Usage()

    def check_ban(self, now: Instant) -> None:
        """Raises `No` while the address is banned."""
        if now < self._banned_until:
            raise in_front(RefusalKind.BANNED, seconds_between(now, self._banned_until))

    def take(self, costs: Iterable[Cost], key: str, now: Instant) -> None:
        """Spend these. Raises `No` where one of the pools does not hold it."""
        wanted = [(self._window(cost.pool, key, now), cost) for cost in costs]
        for window, cost in wanted:
            if window.used + cost.weight > window.capacity:
                self._refuse(cost.pool, window.left(now), now)
        for window, cost in wanted:
            window.used += cost.weight
            self.usage.total[cost.pool] += int(cost.weight)
            self.usage.largest[cost.pool] = max(self.usage.largest[cost.pool], int(window.used))
        self._refused_in_a_row = 0

    def used(self, pool: str, key: str, now: Instant) -> int:
        """What is spent in the current window."""
        return int(self._window(pool, key, now).used)

    def _window(self, pool: str, key: str, now: Instant) -> Window:
        rule = self._pools[pool]
        bucket = (pool, key if rule.scope is PoolScope.KEY else "")
        if bucket not in self._windows:
            self._windows[bucket] = Window(rule.capacity, rule.period)
        window = self._windows[bucket]
        window.see(now)
        return window

    def _refuse(self, pool: str, wait: Seconds, now: Instant) -> None:
        self.usage.refused[pool] += 1
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= PATIENCE:
            self._refused_in_a_row = 0
            self._banned_until = after(now, BAN)
            self.usage.bans += 1
            self.check_ban(now)
        if pool == ORDERS:
            raise No(TOO_MANY_ORDERS, "too many orders", 429, wait)
        raise No(TOO_MANY_REQUESTS, f"too much {pool}", 429, wait)
