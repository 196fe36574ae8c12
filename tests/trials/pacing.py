"""The pacing trial, on a virtual clock: clients that want more than the venue allows, and what the venue counted of it.

Two exchange objects of one key, one that trades by requests and one by calls where the venue takes both, ask without pause.
Each message takes its own time. What is told is the venue's own count (`Counting`), by window: no pool may ever be exceeded,
so that nothing is refused; and the pool that the load presses on has to be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final, Protocol, cast

from attrs import define, evolve, field, frozen
from tests.trials.venues import credentials, dialect, pairs
from tests.trials.watching import Watched

from venuekit import Exchange, VenuekitError, VirtualClock, load_connector, open_exchange
from venuekit.drivers.tasks import helpers
from venuekit.pacing import PacerRegistry
from venuekit.trading import OrderAccepted, OrderRequest, Placement, quantise_price, quantise_quantity
from venuekit_simulator.faults import Fault, FaultPlan
from venuekit_simulator.latency import Latency
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    CallKind,
    Capability,
    DialectPlugin,
    Instant,
    LocalError,
    OrderEntry,
    PoolKind,
    RateLimited,
    RatePool,
    Seconds,
    Side,
    after,
)

START: Final = 1_700_000_033 * SECOND
"""So that clients begin shortly before a full minute: few requests are spent on a window that does not count."""
GUARD: Final[Seconds] = 0.1
"""What the pacers of a process guard by, unless told otherwise."""

OPENING: Final[Seconds] = 5.0
"""Until sockets are open and everything has been compared."""

WAYS: Final = {OrderEntry.REST: Capability.REST_ORDERS, OrderEntry.SOCKET: Capability.SOCKET_ORDERS}


class Usage(Protocol):
    """What a venue has counted, by pool, since it started."""

    total: Counter[str]
    largest: Counter[str]
    """The most that was spent in one window."""
    refused: Counter[str]
    bans: int


class Counting(Protocol):
    """A dialect that tells what it has counted."""

    @property
    def usage(self) -> Usage:
        """Since it started."""
        ...


def typical(random: Random) -> Seconds:
    """A way of 20 ms, some of them much longer: what a network is like."""
    return min(0.02 + random.expovariate(1 / 0.015), 0.2)


@frozen
class Load:
    """What clients do without pause: so many tasks of each exchange object, for so many seconds of virtual time."""

    step: Callable[[Client], AsyncIterator[None]]
    tasks: int
    seconds: Seconds
    latency: Latency = typical


@define
class Client:
    """One task that asks one exchange object."""

    exchange: Exchange
    price: Decimal
    pair: str
    random: Random

    def resting(self) -> OrderRequest:
        """A small order far from the market."""
        instrument = self.exchange.instruments[self.pair]
        price = quantise_price(instrument, self.price * Decimal("0.9"), ROUND_DOWN)
        least = max(instrument.size.minimum or instrument.size.step, instrument.size.step)
        if instrument.minimum_notional:
            least = max(least, instrument.minimum_notional / price * 2)
        quantity = quantise_quantity(instrument, least, ROUND_CEILING)
        return OrderRequest(pair=self.pair, side=Side.BUY, quantity=quantity, price=price)


def accepted(placed: Placement) -> OrderAccepted:
    """The placement, if it is one that was accepted. Raises what was told otherwise."""
    if isinstance(placed, OrderAccepted):
        return placed
    raise placed.error or LocalError(f"{placed.order} is of unknown outcome")


async def orders(client: Client) -> AsyncIterator[None]:
    """Place an order, change it where the venue can, and cancel it."""
    exchange = client.exchange
    placed = accepted(await exchange.place(client.resting()))
    yield
    if Capability.AMEND in exchange.description.capabilities:
        accepted(await exchange.amend(placed.order, quantity=placed.order.quantity * 2))
        yield
    accepted(await exchange.cancel(placed.order))
    yield


async def reads(client: Client) -> AsyncIterator[None]:
    """Ask for what is open, held and filled."""
    exchange = client.exchange
    for ask in (exchange.open_orders, exchange.balances):
        await ask()
        yield
    await exchange.fills(client.pair, exchange.clock.now())
    yield


async def light_reads(client: Client) -> AsyncIterator[None]:
    """Ask for what costs least."""
    await client.exchange.permissions()
    yield


async def everything(client: Client) -> AsyncIterator[None]:
    """Orders and reads, as it comes."""
    for step in client.random.sample((orders, reads, light_reads), 3):
        async for _ in step(client):
            yield


LOADS: Final[dict[str, Load]] = {
    "orders": Load(orders, tasks=8, seconds=3600.0),
    "reads": Load(reads, tasks=8, seconds=600.0),
    "light reads": Load(light_reads, tasks=20, seconds=680.0),
    "everything": Load(everything, tasks=8, seconds=900.0),
    "slow, uneven network": Load(everything, tasks=20, seconds=300.0, latency=(0.01, 0.5)),
}
"""By what they press on."""


@define
class Counted:
    """What the venue counted of one pool: in each whole window of it that the load lasted."""

    pool: RatePool
    windows: list[float] = field(factory=list)

    @property
    def capacity(self) -> float:
        """What it may come to in a stretch of one period."""
        burst = self.pool.burst if self.pool.burst is not None else self.pool.capacity
        return self.pool.capacity + (burst if self.pool.kind is PoolKind.LEAKY else 0.0)

    @property
    def share(self) -> float:
        """How much of what the pool allows was used."""
        return sum(self.windows) / (self.pool.capacity * len(self.windows)) if self.windows else 0.0

    @property
    def worst(self) -> float:
        """How much of it in the window that was used least."""
        return min(self.windows, default=0.0) / self.pool.capacity


@define
class Trial:
    """What came of one load."""

    load: str
    pools: Mapping[str, Counted]
    requests: int
    refused: int
    """Requests that the venue turned down for any limit of its, or while banned."""
    errors: Sequence[VenuekitError]

    @property
    def over(self) -> Sequence[str]:
        """Pools of which more was used than there is, in any window."""
        return [name for name, pool in self.pools.items() if max(pool.windows, default=0.0) > pool.capacity]

    @property
    def pressed(self) -> Counted:
        """The pool that was used most: what held the clients up."""
        return max(self.pools.values(), key=lambda counted: counted.share)


class Auditor:
    """Reads a venue's count at each end of a window, on the venue's own timeline."""

    def __init__(self, plugin: DialectPlugin, pools: Iterable[RatePool]) -> None:
        self.arrivals: list[Instant] = []
        """When each request, or frame of a client, reached the venue."""
        self.plugin = Watched(plugin, self._arrived)
        self._pools = {pool.name: pool for pool in pools}
        self._readings: dict[str, list[float]] = {name: [] for name in self._pools}
        self._now: Callable[[], Instant]

    @property
    def usage(self) -> Usage:
        """What the venue has counted since it started."""
        return cast("Counting", self.plugin.dialect).usage

    def watch(self, venue: LocalVenue) -> None:
        """Read the counts from now on."""
        self._now = lambda: venue.timeline.now
        for name in self._pools:
            self._next(venue, name)

    def clear(self) -> None:
        """Only windows that begin from now on count."""
        for readings in self._readings.values():
            readings.clear()

    def counted(self) -> dict[str, Counted]:
        """Each whole window, by pool."""
        return {
            name: Counted(self._pools[name], [later - earlier for earlier, later in pairwise(readings)])
            for name, readings in self._readings.items()
        }

    def _arrived(self, _kind: CallKind) -> None:
        self.arrivals.append(self._now())

    def _next(self, venue: LocalVenue, name: str) -> None:
        period = round(self._pools[name].period * SECOND)
        end = (venue.timeline.now // period + 1) * period
        venue.timeline.at(end, partial(self._read, venue, name))

    def _read(self, venue: LocalVenue, name: str) -> None:
        self._readings[name].append(float(self.usage.total[name]))
        self._next(venue, name)


@frozen
class Scene:
    """A quiet local venue whose count is read, and two exchange objects of one key."""

    venue: LocalVenue
    auditor: Auditor
    clock: VirtualClock
    exchanges: Sequence[Exchange]
    pair: str
    price: Decimal

    async def press(self, load: Load, errors: list[VenuekitError], seed: int = 0) -> None:
        """Put a load on the venue until its time is over; `errors` gets what the clients were refused."""
        end = after(self.clock.now(), load.seconds)

        async def client(exchange: Exchange, number: int) -> None:
            one = Client(exchange, self.price, self.pair, Random(f"{seed} {number}"))
            while self.clock.now() < end:
                try:
                    async for _ in load.step(one):
                        if self.clock.now() >= end:
                            break
                except (
                    RateLimited
                ) as refused:  # a turn too far ahead is refused here: the client waits for it
                    if refused.venue:  # it was the venue that refused
                        errors.append(refused)
                    await self.clock.sleep(refused.retry_after or 1.0)
                except VenuekitError as error:
                    errors.append(error)
                    await self.clock.sleep(1.0)

        async with helpers() as tasks:
            for number in range(load.tasks):
                for exchange in self.exchanges:
                    tasks.start_soon(client, exchange, number)
            await self.clock.sleep_until(end)


@asynccontextmanager
async def scene(
    name: str, *, latency: Latency = typical, faults: Sequence[Fault] = (), seed: int = 0
) -> AsyncIterator[Scene]:
    """The venue, and an exchange object for each way that it takes orders by, or two of the only one."""
    clock = VirtualClock(START)
    description = load_connector(name).description
    auditor = Auditor(dialect(name), description.pools)
    venue = LocalVenue(
        auditor.plugin, clock=clock, seed=seed, faults=FaultPlan(tuple(faults)), flow=False, latency=latency
    )
    auditor.watch(venue)
    ways = [way.value for way, claim in WAYS.items() if claim in description.capabilities]
    pacers = PacerRegistry(guard=GUARD)
    (pair,) = pairs(name)[:1]
    listing = auditor.plugin.listings()[0]
    async with clock.autojump(86_400.0), AsyncExitStack() as stack:
        exchanges = [
            await stack.enter_async_context(
                open_exchange(
                    name,
                    transports=venue,
                    clock=clock,
                    credentials=credentials(name),
                    store=":memory:",
                    order_entry=way,
                    pacers=pacers,
                    seed=seed,
                )
            )
            for way in (ways * 2)[:2]
        ]
        await clock.sleep(OPENING)
        yield Scene(venue, auditor, clock, exchanges, pair, listing.price)


async def trial(name: str, load: str, seconds: Seconds | None = None, seed: int = 0) -> Trial:
    """Put one of `LOADS` on a venue, for as long as it says or for `seconds`."""
    wanted = LOADS[load] if seconds is None else evolve(LOADS[load], seconds=seconds)
    errors: list[VenuekitError] = []
    async with scene(name, latency=wanted.latency, seed=seed) as there:
        there.auditor.clear()
        await there.press(wanted, errors, seed)
        counted, usage = there.auditor.counted(), there.auditor.usage
        refused = usage.refused.total() + usage.bans + there.venue.refused
        return Trial(load, counted, len(there.auditor.arrivals), refused, errors)


async def rows(name: str) -> list[tuple[object, ...]]:
    """The trial of each load as a table, its first row the heading."""
    table: list[tuple[object, ...]] = [
        ("load", "minutes", "requests", "pool", "holds", "windows", "largest", "used", "refused")
    ]
    for load in LOADS:
        done = await trial(name, load)
        for pool, counted in done.pools.items():
            table.append((
                load,
                f"{LOADS[load].seconds / 60:g}",
                done.requests,
                pool + (" *" if counted is done.pressed else ""),
                f"{counted.pool.capacity:g} in {counted.pool.period:g} s",
                len(counted.windows),
                f"{max(counted.windows, default=0):g}",
                f"{counted.share:.1%}",
                done.refused + len(done.errors),
            ))  # fmt: skip
    return table
