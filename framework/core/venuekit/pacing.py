"""Pacing: when a request may go, so that no limit of the venue is broken.

Pure: `now` is an argument, nothing sleeps. `Pacer.acquire` answers with an instant and has reserved the request's weight at
that instant in every pool it takes from; the caller sleeps until then and sends.

Rules:

1. Whatever is granted, in no window of a pool is more granted than it holds, in whatever order callers come and go.
2. A request takes from all its pools at one instant, or waits for all of them; meanwhile it holds none of them up.
3. First come, first served: of two requests of the same costs the earlier is never granted the later instant. One that fits
   into a gap that others leave takes it, and delays nobody by it.
4. What the venue says it has counted is adopted where it exceeds what we know we have sent in that window: another process,
   or a user in a browser, spends from the same limit. Never is it taken for less than our own count.
5. A pause that the venue orders (Retry-After) holds every request of the address; so does a ban (HTTP 418), which lasts
   `DEFAULT_BAN` where the venue does not say how long. Grants that were given out before are to be exchanged: see
   `Pacer.held_until`.

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
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from attrs import define

from venuekit_spec import (
    SECOND,
    Cost,
    Instant,
    LimitReport,
    LocalError,
    PoolKind,
    PoolScope,
    RatePool,
    Seconds,
    after,
)

DEFAULT_BAN: Final[Seconds] = 120.0
"""The shortest ban that Binance documents (2 minutes to 3 days, https://developers.binance.com/docs/binance-spot-api-docs)."""

TOLERANCE: Final = 1e-9
"""Weights are floats: a pool is not overdrawn by what adding them up in another order makes of them."""

_Grant: TypeAlias = tuple[Instant, float]


class _Bucket(ABC):
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


class _FixedWindow(_Bucket):
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


class _SlidingWindow(_Bucket):
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


class _Leaky(_Bucket):
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


_BUCKETS: Final[dict[PoolKind, Callable[[RatePool, Seconds], _Bucket]]] = {
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
        self._buckets: dict[str, _Bucket] = {}

    def bucket(self, key: str, now: Instant) -> _Bucket:
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


@define
class Hold:
    """Until when nothing may be sent to a venue from this address, and whether that is a ban."""

    until: Instant = 0
    banned: bool = False


class Pacer:
    """Grants the requests of one connection their turn in the pools that they take from.

    Made over `RatePool`s it is alone with them; `PacerRegistry.pacer` makes one over pools that a process shares. To be used
    from one thread.
    """

    def __init__(
        self,
        pools: Iterable[RatePool | SharedPool] = (),
        *,
        guard: Seconds = 0.0,
        hold: Hold | None = None,
    ) -> None:
        shared = [pool if isinstance(pool, SharedPool) else SharedPool(pool, guard) for pool in pools]
        self._pools = {each.pool.name: each for each in shared}
        self._hold = Hold() if hold is None else hold

    def acquire(self, costs: Iterable[Cost], now: Instant) -> Instant:
        """Reserve `costs`; the instant from which the request may go, never before `now`.

        Raises `LocalError` for a pool that the venue's description does not have, and for a cost that its pool could not
        take at any time.
        """
        costs = tuple(costs)
        ages = sorted(
            after(cost.since, age) for cost in costs if cost.since is not None for age, _ in cost.by_age
        )
        at = max(now, self._hold.until)
        while True:
            takes = self._takes(costs, now, at)
            for bucket, weight in takes:
                if not 0 < weight <= bucket.largest() + TOLERANCE:
                    raise LocalError(
                        f"a request takes {weight} from a rate pool that holds {bucket.largest()}"
                    )
            later = max(
                (bucket.earliest(max(at, bucket.horizon), weight) for bucket, weight in takes), default=at
            )
            if later <= at:
                break
            at = min(
                [later, *(age for age in ages if age > at)]
            )  # past an age the request may have become lighter
        for bucket, weight in takes:
            bucket.add(at, weight)
        return at

    def release(self, costs: Iterable[Cost], granted: Instant) -> None:
        """Give back what was acquired for `granted` and not used: the request was given up, or is to wait anew."""
        for bucket, weight in self._takes(costs, 0, granted):
            bucket.remove(granted, weight)

    def held_until(self, now: Instant) -> Instant:
        """Until when nothing at all may be sent; `now` where nothing stands against it.

        To be asked right before a send, as the venue may have ordered a pause since the grant. Then `release` and `acquire`
        anew: all that was granted for the time of the pause cannot go at once at its end.
        """
        return max(now, self._hold.until)

    def banned(self, now: Instant) -> bool:
        """Whether the pause at `now` is a ban: every further request would prolong it."""
        return self._hold.banned and now < self._hold.until

    def report(
        self,
        report: LimitReport,
        now: Instant,
        *,
        sent: Instant | None = None,
        costs: Iterable[Cost] = (),
    ) -> None:
        """Take in what an answer, received at `now`, says of limits.

        `sent` is when its request went: usage that is counted in fixed windows belongs to that window, not to the one that
        began while the answer travelled. `costs` are the request's: they tell which bucket of a pool that has many is meant;
        where there was no request, `LimitReport.key` does.
        Pools that the description does not have are passed over: a venue may count more than a connector cares for.
        """
        keys = {cost.pool: cost.key for cost in costs}
        for name, capacity in report.capacities.items():
            if name in self._pools and capacity > 0:
                self._pools[name].resize(capacity)
        for name, spent in report.spent.items():
            if name in self._pools:
                self._pools[name].bucket(keys.get(name, report.key), now).add(now, spent)
        for name, used in report.used.items():
            if name in self._pools:
                self._pools[name].bucket(keys.get(name, report.key), now).adopt(
                    used, now if sent is None else sent, now
                )
        pause = report.penalty
        if pause is None and report.banned:
            pause = DEFAULT_BAN
        if pause is not None and (end := after(now, pause)) >= self._hold.until:
            self._hold.until, self._hold.banned = end, report.banned

    def settled(
        self,
        costs: Iterable[Cost],
        success: bool,  # noqa: FBT001 - the venue's yes or no
        now: Instant,
        *,
        granted: Instant | None = None,
    ) -> None:
        """The venue answered: give back the costs that it charges for failures only, if it was a success.

        `granted` is what `acquire` said, `now` by default.
        """
        if success:
            at = now if granted is None else granted
            for bucket, weight in self._takes([cost for cost in costs if cost.refunded_on_success], now, at):
                bucket.remove(at, weight)

    def _takes(self, costs: Iterable[Cost], now: Instant, at: Instant) -> list[tuple[_Bucket, float]]:
        """The buckets as of `now`, and what a request that goes at `at` takes from each."""
        weights: defaultdict[tuple[str, str], float] = defaultdict(float)
        for cost in costs:
            weights[cost.pool, cost.key] += _weight(cost, at)
        takes: list[tuple[_Bucket, float]] = []
        for (name, key), weight in weights.items():
            pool = self._pools.get(name)
            if pool is None:
                known = ", ".join(self._pools) or "none"
                raise LocalError(f"a request takes from rate pool {name!r}; known are: {known}")
            if weight:
                takes.append((pool.bucket(key, now), weight))
        return takes


def _weight(cost: Cost, at: Instant) -> float:
    """What a cost comes to at `at`: touching something young costs more."""
    if cost.since is not None:
        for age, extra in cost.by_age:
            if at < after(cost.since, age):
                return cost.weight + extra
    return cost.weight


class PacerRegistry:
    """The pools that the connections of a process share, by venue, scope and identity.

    One per process (`PACERS`), as the venue counts per address and per key, however our program is divided. Tests make their
    own. `guard` is every pool's.
    """

    def __init__(self, *, guard: Seconds = 0.0) -> None:
        self._guard = guard
        self._pools: dict[tuple[str, PoolScope, str, RatePool], SharedPool] = {}
        self._holds: dict[str, Hold] = {}

    def pacer(self, venue: str, pools: Iterable[RatePool], *, key: str = "", account: str = "") -> Pacer:
        """A pacer over `pools`, each shared by whom its scope says.

        `venue` names where the limits are counted: the venue and its environment. `key` and `account` identify, and do not
        reveal, the API key and the account. Pools of a socket's scope are made anew by each call.
        """
        identities = {PoolScope.ADDRESS: "", PoolScope.KEY: key, PoolScope.ACCOUNT: account}
        taken: list[SharedPool] = []
        for pool in pools:
            shared = SharedPool(pool, self._guard)
            if pool.scope in identities:
                shared = self._pools.setdefault((venue, pool.scope, identities[pool.scope], pool), shared)
            taken.append(shared)
        return Pacer(taken, hold=self._holds.setdefault(venue, Hold()))


PACERS: Final = PacerRegistry(guard=0.1)
"""The registry of this process. Its guard covers what round trips usually vary by."""
