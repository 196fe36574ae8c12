"""Pools: how each kind of rate limit counts what is granted, and when something more fits.

Pure: `now` is an argument. A pool is counted in buckets, one per `Cost.key`. Taking from several pools at once is the
business of `venuekit.pacing`.

How the kinds of pool count, with P the period and C the capacity:

    fixed window     weights granted in each [n P, (n+1) P) since the epoch            <= C
    sliding window   weights granted in any stretch of P                               <= C
    leaky            level, which falls by C a period and rises by each weight         <= burst

`guard` (seconds, at most a twentieth of a pool's period) is for latency that varies: two requests that leave far enough
apart may arrive closer together. A weight that is granted that shortly before the end of a fixed window counts in the next
one too, a sliding window is that much longer, and a leaky pool keeps free what drains in that time.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from venuekit_spec import SECOND, Instant, LocalError, PoolKind, RatePool, Seconds

TOLERANCE: Final = 1e-9
"""Weights are floats: a pool is not overdrawn by what adding them up in another order makes of them."""

_Grant: TypeAlias = tuple[Instant, float]


class Bucket(ABC):
    """One counter of a pool. `grants`, ordered by instant, are those that can still matter one by one."""

    def __init__(self, pool: RatePool, guard: Seconds) -> None:
        self.capacity = pool.capacity
        self.period = round(pool.period * SECOND)
        self.guard = min(round(guard * SECOND), self.period // 20)
        self.grants: list[_Grant] = []
        self.horizon: Instant = 0
        """The latest `now` seen. What was granted long before is forgotten, so nothing may be granted before it."""

    @abstractmethod
    def see(self, now: Instant) -> None:
        """Time is at least `now`: what no longer matters is forgotten."""

    def largest(self) -> float:
        """The largest weight that an idle bucket takes at once."""
        return self.capacity

    @abstractmethod
    def earliest(self, at: Instant, weight: float) -> Instant:
        """The first instant from `at` on at which `weight` fits, among grants before and after it."""

    @abstractmethod
    def add(self, at: Instant, weight: float) -> None:
        """Grant `weight` at `at`."""

    @abstractmethod
    def remove(self, at: Instant, weight: float) -> None:
        """Take back a grant, wholly or in part; nothing happens where it no longer matters."""

    @abstractmethod
    def adopt(self, used: float, sent: Instant, now: Instant) -> None:
        """The venue counted `used` at some instant between `sent` and `now`."""

    def _take_out(self, at: Instant, weight: float) -> float:
        """Remove up to `weight` from the grants of exactly `at`; how much was removed."""
        first, end = bisect_left(self.grants, (at, -math.inf)), bisect_right(self.grants, (at, math.inf))
        left = weight
        while end > first and left > 0:
            end -= 1
            granted = self.grants[end][1]
            if granted <= left + TOLERANCE:
                del self.grants[end]
                left = max(0.0, left - granted)
            else:
                self.grants[end] = (at, granted - left)
                left = 0.0
        self.grants[first:end] = sorted(self.grants[first:end])
        return weight - left


class _FixedWindow(Bucket):
    """`used` is the total by number of window; `grants` are those after the horizon."""

    def __init__(self, pool: RatePool, guard: Seconds) -> None:
        super().__init__(pool, guard)
        self.used: defaultdict[int, float] = defaultdict(float)

    def see(self, now: Instant) -> None:
        if now > self.horizon:
            self.horizon = now
            del self.grants[: bisect_right(self.grants, (now, math.inf))]
            for number in [number for number in self.used if number < now // self.period]:
                del self.used[number]

    def earliest(self, at: Instant, weight: float) -> Instant:
        room = self.capacity + TOLERANCE - weight
        while any(self.used.get(number, 0.0) > room for number in self._windows(at)):
            at = (at // self.period + 1) * self.period
        return at

    def add(self, at: Instant, weight: float) -> None:
        if at > self.horizon:
            insort(self.grants, (at, weight))
        for number in self._windows(at):
            self.used[number] += weight

    def remove(self, at: Instant, weight: float) -> None:
        removed = self._take_out(at, weight) if at > self.horizon else weight
        for number in self._windows(at):
            if number in self.used:
                self.used[number] = max(0.0, self.used[number] - removed)

    def adopt(self, used: float, sent: Instant, now: Instant) -> None:
        number = (
            sent // self.period
        )  # an answer that came after the end of its window tells nothing about the next one
        end = (number + 1) * self.period
        later = self.grants[
            bisect_right(self.grants, (now, math.inf)) : bisect_left(self.grants, (end, -math.inf))
        ]
        ours = self.used.get(number, 0.0) - sum(weight for _, weight in later)
        if used > ours and number >= self.horizon // self.period:
            self.used[number] += used - ours

    def _windows(self, at: Instant) -> set[int]:
        return {at // self.period, (at + self.guard) // self.period}


class _SlidingWindow(Bucket):
    """`grants` are those of the last window before the horizon and all later ones; `total` is their sum."""

    def __init__(self, pool: RatePool, guard: Seconds) -> None:
        super().__init__(pool, guard)
        # Two grants exactly one period apart still share a window that is closed on both sides.
        self.span = self.period + self.guard + 1
        self.total = 0.0

    def see(self, now: Instant) -> None:
        if now > self.horizon:
            self.horizon = now
            expired = bisect_right(self.grants, (now - self.span, math.inf))
            if expired:
                self.total -= math.fsum(weight for _, weight in self.grants[:expired])
                del self.grants[:expired]

    def earliest(self, at: Instant, weight: float) -> Instant:
        room = self.capacity + TOLERANCE - weight
        if self.total <= room:
            return at
        for start, end in self._overfull(room):
            if at + self.span <= start:
                break
            at = max(at, end)
        return at

    def add(self, at: Instant, weight: float) -> None:
        insort(self.grants, (at, weight))
        self.total += weight

    def remove(self, at: Instant, weight: float) -> None:
        self.total -= self._take_out(at, weight)

    def adopt(self, used: float, sent: Instant, now: Instant) -> None:
        first = bisect_right(self.grants, (sent - self.span, math.inf))
        ours = math.fsum(
            weight for _, weight in self.grants[first : bisect_right(self.grants, (now, math.inf))]
        )
        if used > ours:
            self.add(now, used - ours)

    def _overfull(self, room: float) -> Iterator[tuple[Instant, Instant]]:
        """The stretches [start, end) of instants e at which the window (e - span, e] holds more than `room`, in order."""
        held, oldest = 0.0, 0
        start: Instant | None = None
        for at, weight in self.grants:
            while (leaves := self.grants[oldest][0] + self.span) <= at:
                held -= self.grants[oldest][1]
                oldest += 1
                if start is not None and held <= room:
                    yield start, leaves
                    start = None
            held += weight
            if start is None and held > room:
                start = at
        for granted, weight in self.grants[oldest:]:
            held -= weight
            if start is not None and held <= room:
                yield start, granted + self.span
                start = None


class _Leaky(Bucket):
    """`level` is that at the horizon; `grants` are those after it."""

    def __init__(self, pool: RatePool, guard: Seconds) -> None:
        super().__init__(pool, guard)
        self.burst = pool.burst
        self.level = 0.0

    def see(self, now: Instant) -> None:
        if now > self.horizon:
            past = bisect_right(self.grants, (now, math.inf))
            for granted, weight in self.grants[:past]:
                self.level = self._drained(self.level, granted - self.horizon) + weight
                self.horizon = granted
            self.level = self._drained(self.level, now - self.horizon)
            self.horizon = now
            del self.grants[:past]

    def largest(self) -> float:
        return self.capacity if self.burst is None else self.burst

    def earliest(self, at: Instant, weight: float) -> Instant:
        level, since = self.level, self.horizon
        for number, (granted, taken) in enumerate(self.grants):
            if granted > at:
                candidate, before = self._when_fits(max(at, since), level, since, weight)
                if candidate < granted and self._leaves_room(candidate, before + weight, number):
                    return candidate
            level, since = self._drained(level, granted - since) + taken, granted
        return self._when_fits(max(at, since), level, since, weight)[0]

    def add(self, at: Instant, weight: float) -> None:
        if at > self.horizon:
            insort(self.grants, (at, weight))
        else:
            self.level += weight

    def remove(self, at: Instant, weight: float) -> None:
        if at > self.horizon:
            self._take_out(at, weight)
        else:  # what of it may have drained since is gone already
            self.level = max(0.0, self.level - self._drained(weight, self.horizon - at))

    def adopt(self, used: float, sent: Instant, now: Instant) -> None:
        self.level = max(self.level, self._drained(used, self.horizon - now))

    def _drained(self, level: float, duration: int) -> float:
        return max(0.0, level - duration * self.capacity / self.period)

    def _limit(self, weight: float) -> float:
        """How high the level may be right after `weight`: the guard's share stays free, but what fits at all may go."""
        return max(self.largest() - self.guard * self.capacity / self.period, weight) + TOLERANCE

    def _when_fits(self, at: Instant, level: float, since: Instant, weight: float) -> tuple[Instant, float]:
        """The first instant from `at` on at which `weight` fits if nothing comes after it, and the level right before."""
        level = self._drained(level, at - since)
        excess = level + weight - self._limit(weight)
        if excess <= 0:
            return at, level
        wait = math.ceil(excess * self.period / self.capacity)
        return at + wait, self._drained(level, wait)

    def _leaves_room(self, at: Instant, level: float, number: int) -> bool:
        """Whether the grants from `number` on still fit after `level` at `at`."""
        for granted, weight in self.grants[number:]:
            level = self._drained(level, granted - at) + weight
            if level > self._limit(weight):
                return False
            at = granted
        return True


_BUCKETS: Final[dict[PoolKind, Callable[[RatePool, Seconds], Bucket]]] = {
    PoolKind.FIXED_WINDOW: _FixedWindow,
    PoolKind.SLIDING_WINDOW: _SlidingWindow,
    PoolKind.LEAKY: _Leaky,
}


class SharedPool:
    """A pool with its buckets, one per `Cost.key`. Several pacers may hold it."""

    def __init__(self, pool: RatePool, guard: Seconds = 0.0) -> None:
        if not (pool.capacity > 0 and pool.period > 0 and guard >= 0):
            raise LocalError(
                f"rate pool {pool.name!r} needs a capacity and a period above zero, and no negative guard"
            )
        self.pool = pool
        self._guard = guard
        self._capacity = pool.capacity
        self._buckets: dict[str, Bucket] = {}

    def bucket(self, key: str, now: Instant) -> Bucket:
        """The counter for one key, as of `now`."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _BUCKETS[self.pool.kind](self.pool, self._guard)
            bucket.capacity = self._capacity
        bucket.see(now)
        return bucket

    def resize(self, capacity: float) -> None:
        """The venue says that the pool's capacity is another one."""
        self._capacity = capacity
        for bucket in self._buckets.values():
            bucket.capacity = capacity
