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

How each kind of pool counts stands in `venuekit.pools`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from attrs import define

from venuekit.pools import TOLERANCE, Bucket, SharedPool
from venuekit_spec import (
    Cost,
    Instant,
    LimitReport,
    LocalError,
    PoolScope,
    RatePool,
    Seconds,
    after,
)

DEFAULT_BAN: Final[Seconds] = 120.0
"""The shortest ban that Binance documents (2 minutes to 3 days, https://developers.binance.com/docs/binance-spot-api-docs)."""


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

    def _takes(self, costs: Iterable[Cost], now: Instant, at: Instant) -> list[tuple[Bucket, float]]:
        """The buckets as of `now`, and what a request that goes at `at` takes from each."""
        weights: defaultdict[tuple[str, str], float] = defaultdict(float)
        for cost in costs:
            weights[cost.pool, cost.key] += _weight(cost, at)
        takes: list[tuple[Bucket, float]] = []
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
