"""The outage trials, on a virtual clock: the way to the venue is gone for an hour; an answer is lost in every way there is.

While nobody can be asked no order may be taken for failed. Afterwards client and venue must agree on every one of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import ROUND_DOWN, Decimal
from typing import Final

from attrs import define, frozen
from tests.trials.comparing import Findings, compare, settled, told
from tests.trials.venues import credentials, dialect, pairs

from venuekit import Exchange, VirtualClock, open_exchange
from venuekit.drivers.tasks import helpers
from venuekit.orders import InFlightOrder
from venuekit.pacing import PacerRegistry
from venuekit.trading import (
    OrderRequest,
    OrderUnknown,
    Placement,
    quantise_price,
    quantise_quantity,
)
from venuekit_simulator.faults import Fault, FaultKind, FaultPlan, Unreachable
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    CallKind,
    Instrument,
    Seconds,
    Side,
    VenuekitError,
    after,
)

START: Final = 1_700_000_000 * SECOND
HOUR: Final[Seconds] = 3600.0
SETTLING: Final[Seconds] = 600.0
"""How long everything may take to be known after the return."""

LATENCY: Final = 0.02


@frozen
class Scene:
    """A local venue, a client of it, and somebody else who makes its market."""

    venue: LocalVenue
    exchange: Exchange
    clock: VirtualClock
    account: str
    instrument: Instrument
    price: Decimal

    def limit(self, side: Side, away: str, lots: int = 10) -> OrderRequest:
        """A limit order so far from the middle (a fraction of it, positive: it rests)."""
        sign = -1 if side is Side.BUY else 1
        price = quantise_price(self.instrument, self.price * (1 + sign * Decimal(away)), ROUND_DOWN)
        return OrderRequest(pair=self.instrument.id, side=side, quantity=self.quantity(lots), price=price)

    def quantity(self, lots: int) -> Decimal:
        """A valid quantity, so many times the smallest."""
        size = self.instrument.size
        least = max(
            size.minimum or size.step, (self.instrument.minimum_notional or Decimal(0)) * 2 / self.price
        )
        return quantise_quantity(self.instrument, least * lots)

    def somebody(self, side: Side, away: str, lots: int) -> None:
        """Somebody else places a limit order, at the engine itself."""
        other = self.venue.plugin.accounts()[1].name
        number = len(self.venue.engine.orders(other))
        intent = self.limit(side, away, lots).intent(f"other{number}")
        self.venue.engine.place(other, intent, self.venue.venue_now)

    def over(self, order: InFlightOrder) -> bool:
        """Whether the venue says that an order is over."""
        held = [
            each
            for each in self.venue.engine.orders(self.account)
            if each.intent.client_order_id == order.client_order_id
        ]
        return bool(held) and held[-1].status.terminal

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let virtual time pass until it is so. Raises `TimeoutError` after `SETTLING` seconds."""
        end = after(self.clock.now(), SETTLING)
        while not condition():
            if self.clock.now() > end:
                open_ = [order for order in self.exchange.account().orders.values() if not settled(order)]
                raise TimeoutError(f"not settled after {SETTLING:g} s: {open_}")
            await self.clock.sleep(1.0)

    async def settle(self) -> Findings:
        """Wait until everything is known, and compare."""
        orders = self.exchange.account().orders
        await self.until(lambda: all(map(settled, orders.values())))
        return compare(self.venue.engine, self.account, [told(order) for order in orders.values()])


@asynccontextmanager
async def scene(name: str, faults: Sequence[Fault] = (), order_entry: str = "") -> AsyncIterator[Scene]:
    """A quiet venue with a market of somebody else's orders, and an exchange opened on it."""
    clock = VirtualClock(START)
    plugin = dialect(name)
    venue = LocalVenue(plugin, clock=clock, faults=FaultPlan(tuple(faults)), flow=False, latency=LATENCY)
    listing = plugin.listings()[0]
    opened = open_exchange(
        name,
        pairs=pairs(name)[:1],
        transports=venue,
        clock=clock,
        credentials=credentials(name),
        store=":memory:",
        order_entry=order_entry,
        pacers=PacerRegistry(),
    )
    async with clock.autojump(10 * HOUR), opened as exchange:
        yield Scene(venue, exchange, clock, plugin.accounts()[0].name, listing.instrument, listing.price)


@define
class Outage:
    """An hour out of reach, and what was found after it."""

    how: Unreachable
    failed: int
    """Orders that were taken for over, though nobody could be asked."""
    found: Findings


async def outage(name: str, how: Unreachable, order_entry: str = "") -> Outage:
    """Orders rest when the way is lost; some are filled meanwhile, others are placed into the void."""
    async with scene(name, order_entry=order_entry) as there:
        exchange, venue = there.exchange, there.venue
        there.somebody(Side.SELL, "0.01", 100)
        resting = [
            await exchange.place(there.limit(Side.BUY, away)) for away in ("0.005", "0.01", "0.02", "0.03")
        ]
        resting.append(await exchange.place(there.limit(Side.BUY, "-0.015")))
        before = [each.order for each in resting]
        await there.until(lambda: all(order.confirmed for order in before))
        venue.unreachable(how, HOUR)
        there.somebody(Side.SELL, "-0.007", 15)  # fills the best of ours, and half of the next
        into_the_void: list[Placement] = []
        async with helpers() as tasks:
            for away in ("0.005", "-0.02"):

                async def place(away: str = away) -> None:
                    try:
                        into_the_void.append(await exchange.place(there.limit(Side.BUY, away)))
                    except VenuekitError:  # refused here: nothing was stored
                        return

                tasks.start_soon(place)
            await there.clock.sleep(HOUR - 60.0)
        unsure = [each.order for each in into_the_void if isinstance(each, OrderUnknown)]
        failed = [order for order in (*before, *unsure) if order.done and not there.over(order)]
        await there.clock.sleep(120.0)
        return Outage(how, len(failed), await there.settle())


UNKNOWNS: Final[dict[str, Fault]] = {
    "reply lost": Fault(kind=FaultKind.LOST, on={CallKind.PLACE}, nth=1),
    "reply lost, socket cut": Fault(kind=FaultKind.LOST, on={CallKind.PLACE}, nth=1, cut=True),
    "5xx before": Fault(kind=FaultKind.ERROR_BEFORE, on={CallKind.PLACE}, nth=1),
    "5xx after": Fault(kind=FaultKind.ERROR_AFTER, on={CallKind.PLACE}, nth=1),
    "502 of a proxy, after": Fault(kind=FaultKind.ERROR_AFTER, on={CallKind.PLACE}, nth=1, status=502),
    "reply too late": Fault(kind=FaultKind.SLOW, on={CallKind.PLACE}, nth=1, seconds=45.0),
    "reply cut short": Fault(kind=FaultKind.TRUNCATE, on={CallKind.PLACE}, nth=1),
    "reply corrupted": Fault(kind=FaultKind.CORRUPT, on={CallKind.PLACE}, nth=1),
    "connection cut": Fault(kind=FaultKind.CUT, on={CallKind.PLACE}, nth=1),
    "connection stalled": Fault(kind=FaultKind.STALL, on={CallKind.PLACE}, nth=1),
    "events first": Fault(kind=FaultKind.EVENTS_FIRST, on={CallKind.PLACE}, nth=1),
    "rate limited": Fault(kind=FaultKind.RATE_LIMITED, on={CallKind.PLACE}, nth=1, seconds=5.0),
    "banned": Fault(kind=FaultKind.BANNED, on={CallKind.PLACE}, nth=1, seconds=60.0),
    "clock skewed": Fault(kind=FaultKind.CLOCK_SKEW, on={CallKind.PLACE}, nth=1, offset=30.0, seconds=60.0),
    "venue restarted": Fault(kind=FaultKind.RESTART, on={CallKind.PLACE}, nth=1, seconds=10.0),
    "name not found": Fault(
        kind=FaultKind.UNREACHABLE, on={CallKind.PLACE}, nth=1, how=Unreachable.DNS, seconds=60.0
    ),
    "refused": Fault(
        kind=FaultKind.UNREACHABLE, on={CallKind.PLACE}, nth=1, how=Unreachable.REFUSED, seconds=60.0
    ),
    "black hole": Fault(
        kind=FaultKind.UNREACHABLE, on={CallKind.PLACE}, nth=1, how=Unreachable.BLACK_HOLE, seconds=60.0
    ),
}
"""Every way for the answer to a placement to go astray."""


@define
class Answerless:
    """One placement whose answer went astray: what it was taken for, and what was found when it was settled."""

    fault: str
    order_entry: str
    taken_for: str
    found: Findings


async def answerless(name: str, fault: str, order_entry: str, away: str) -> Answerless:
    """Place an order under a fault, and wait until its outcome is known. `away` as in `Scene.limit`."""
    async with scene(name, [UNKNOWNS[fault]], order_entry) as there:
        there.somebody(Side.SELL, "0.01", 100)
        placement = await there.exchange.place(there.limit(Side.BUY, away))
        taken_for = type(placement).__name__.removeprefix("Order").lower()
        return Answerless(fault, order_entry, taken_for, await there.settle())
