"""A scene: a local venue, an exchange opened on it, and others who trade there, all on one virtual clock.

The market is quiet until `Scene.crowd` is let in; `Scene.somebody` is one other account that does as it is told. What is
true at the venue is read from its engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from attrs import define, field, frozen

from venuekit import (
    Account,
    Event,
    Exchange,
    FrameRefused,
    InFlightOrder,
    OrderBook,
    OrderRequest,
    Overflow,
    SnapshotFailed,
    Subscription,
    TopicRefused,
    VirtualClock,
    open_exchange,
    quantise_price,
    quantise_quantity,
)
from venuekit.drivers.tasks import helpers
from venuekit.pacing import PacerRegistry
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.faults import Fault, FaultPlan
from venuekit_simulator.latency import Latency
from venuekit_simulator.market_flow import RandomFlow
from venuekit_simulator.sockets import MINIMUM_WAIT
from venuekit_simulator.venue import LocalVenue
from venuekit_spec import (
    SECOND,
    Channel,
    Credentials,
    Execution,
    Instrument,
    InstrumentStatus,
    Market,
    OrderEntry,
    OrderRef,
    Seconds,
    Side,
    VenueOrder,
    after,
)
from venuekit_testkit.agreement import disagreements, settled
from venuekit_testkit.catalogue import Unclaimed
from venuekit_testkit.subject import Subject
from venuekit_testkit.watching import Watched

T = TypeVar("T")

START: Final = 1_767_225_600 * SECOND
HOUR: Final[Seconds] = 3600.0
SETTLING: Final[Seconds] = 900.0
"""How long everything may take to be known."""
LATENCY: Final[Seconds] = 0.02
RATE: Final = 8.0
"""Actions of the crowd a second."""


class NotSo(AssertionError):
    """What was waited for did not come."""


class Narrow:
    """An engine of which only some markets are seen."""

    def __init__(self, within: MatchingEngine, pairs: Sequence[str]) -> None:
        self._within = within
        self._pairs = pairs

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Those that are seen, as they are now."""
        return {pair: self._within.instruments[pair] for pair in self._pairs}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)


class Crowd:
    """Random participants, who come and go."""

    def __init__(self, venue: LocalVenue, engine: MatchingEngine, pairs: Sequence[str], seed: int) -> None:
        self._venue = venue
        seen = cast("MatchingEngine", Narrow(engine, pairs))
        self._flow = RandomFlow(seen, seed, rate=RATE, depth=20)
        self._here = False
        venue.did(lambda: self._flow.fill_books(venue.venue_now))

    def come(self) -> Crowd:
        """They trade from now on."""
        if not self._here:
            self._here = True
            self._step()
        return self

    def leave(self) -> None:
        """The market is quiet from now on."""
        self._here = False

    def _step(self) -> None:
        if self._here:
            venue = self._venue
            wakes = [0]
            venue.did(lambda: wakes.append(self._flow.step(venue.venue_now)))
            wake = venue.machine_time(wakes[-1])
            venue.timeline.at(max(wake, venue.timeline.now + MINIMUM_WAIT), self._step)


@frozen
class Scene:
    """One venue and one client of it."""

    subject: Subject
    stage: Stage
    venue: LocalVenue
    engine: MatchingEngine
    exchange: Exchange
    clock: VirtualClock
    watched: Watched
    pairs: Sequence[str]
    prices: Mapping[str, Decimal]
    events: list[Event | Overflow]
    """Everything that the exchange told."""

    # the venue

    def crowd(self) -> Crowd:
        """Let random participants in. The same ones each time."""
        if not self.stage.crowds:
            self.stage.crowds.append(Crowd(self.venue, self.engine, self.pairs, self.venue.seed))
        return self.stage.crowds[0].come()

    @property
    def account_name(self) -> str:
        """The venue's name of our account."""
        return self.subject.venue_side.accounts()[0].name

    @property
    def orders(self) -> Sequence[VenueOrder]:
        """Every order of our account, as the venue holds it."""
        return self.engine.orders(self.account_name)

    @property
    def executions(self) -> Sequence[Execution]:
        """Everything that our account traded."""
        return self.engine.executions(self.account_name)

    def has(self, order: InFlightOrder) -> bool:
        """Whether the venue has an order of ours."""
        return any(each.intent.client_order_id == order.client_order_id for each in self.orders)

    def held(self, order: InFlightOrder) -> VenueOrder:
        """An order of ours as the venue holds it. Raises `OrderNotFound`."""
        return self.engine.order(
            self.account_name, OrderRef(order.instrument, client_order_id=order.client_order_id)
        )

    def somebody(
        self, side: Side, away: str, lots: int = 10, *, pair: str = "", ours: bool = False
    ) -> VenueOrder:
        """Somebody else places a limit order, at the engine itself; `ours`: in our account, past our client."""
        name = self.subject.venue_side.accounts()[0 if ours else 1].name
        number = len(self.engine.orders(name)) + (1 << 40)
        intent = self.limit(side, away, lots, pair=pair).intent(self._id(number))
        placed: list[VenueOrder] = []
        self.venue.did(lambda: placed.append(self.engine.place(name, intent, self.venue.venue_now)))
        return placed[0]

    def _id(self, number: int) -> str:
        """A client order id in the venue's form."""
        return market_of(self.subject, self.exchange).client_order_id(number)

    def cancel(self, account: str, order: VenueOrder) -> None:
        """Cancel an order at the engine itself."""
        named = OrderRef(order.intent.instrument, order_id=order.order_id)

        def cancel() -> None:
            self.engine.cancel(account, named, self.venue.venue_now)

        self.venue.did(cancel)

    # the client

    @property
    def pair(self) -> str:
        """The pair that is traded."""
        return self.pairs[0]

    @property
    def instrument(self) -> Instrument:
        """The instrument that is traded."""
        return self.exchange.instruments[self.pair]

    @property
    def account(self) -> Account:
        """Our account."""
        return self.exchange.account()

    @property
    def book(self) -> OrderBook:
        """The book of the pair that is traded."""
        return self.exchange.books[self.pair]

    def limit(self, side: Side, away: str, lots: int = 10, *, pair: str = "", **more: Any) -> OrderRequest:
        """A limit order so far from the middle (a fraction of it, positive: it rests)."""
        instrument = self.exchange.instruments[pair or self.pair]
        sign = -1 if side is Side.BUY else 1
        price = quantise_price(
            instrument, self.prices[instrument.id] * (1 + sign * Decimal(away)), ROUND_DOWN
        )
        return OrderRequest(
            pair=instrument.id, side=side, quantity=self.quantity(lots, pair=pair), price=price, **more
        )

    def quantity(self, lots: int, *, pair: str = "") -> Decimal:
        """A valid quantity, so many times the least."""
        instrument = self.exchange.instruments[pair or self.pair]
        size, price = instrument.size, self.prices[instrument.id]
        least = max(size.minimum or size.step, (instrument.minimum_notional or Decimal(0)) * 2 / price)
        return quantise_quantity(instrument, least, ROUND_CEILING) * lots

    async def rest(self, away: str = "0.05", side: Side = Side.BUY, lots: int = 10) -> InFlightOrder:
        """Place an order that rests, and wait until the venue has said that it does."""
        placed = await self.exchange.place(self.limit(side, away, lots))
        order = placed.order
        await self.until(
            lambda: order.done or (order.confirmed and self.has(order)), "a good order rests", 120.0
        )
        assert not order.done, f"a good order came to {order}: {order.reason or order.error}"
        return order

    async def until(self, condition: Callable[[], bool], what: str = "", seconds: Seconds = SETTLING) -> None:
        """Let time pass until it is so. Raises `NotSo` after so many seconds without."""
        end = after(self.clock.now(), seconds)
        while not condition():
            if self.clock.now() > end:
                raise NotSo(
                    "; ".join(
                        (f"not so after {seconds:g} s: {what or 'what was waited for'}", *self.troubles)
                    )
                )
            await self.clock.sleep(0.1 if seconds < 60 else 1.0)

    async def settle(self) -> None:
        """Wait until everything is known. Raises `NotSo` where client and venue do not come to agree on every order."""
        orders = self.account.orders
        end = after(self.clock.now(), SETTLING)
        while True:
            await self.clock.sleep(1.0)
            unsettled = [order for order in orders.values() if not settled(order)]
            found = disagreements(self.engine, self.account_name, orders.values())
            if not unsettled and not found:
                return
            if self.clock.now() > end:
                raise NotSo("; ".join(found) or f"not settled after {SETTLING:g} s: {unsettled}")

    def told(self, kind: type[T]) -> list[T]:
        """The events of one kind, so far."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def troubles(self) -> list[str]:
        """Why books are not LIVE, as far as the exchange told: what each is waiting for, and what failed last and how often."""
        found = [
            f"{book.instrument.id} is {book.state}: {book.reason}"
            for book in self.exchange.books.values()
            if not book.live
        ]
        told = {
            "snapshots failed": [str(each.error) for each in self.told(SnapshotFailed)],
            "subscriptions were refused": [each.reason for each in self.told(TopicRefused)],
            "frames could not be read": [str(each.error) for each in self.told(FrameRefused)],
        }
        return found[:1] + [
            f"{len(why)} {what}, the last: {why[-1]}" for what, why in told.items() if found and why
        ]


@asynccontextmanager
async def collected(subscription: Subscription[T]) -> AsyncIterator[list[T | Overflow]]:
    """Everything that a subscription yields while the body runs."""
    found: list[T | Overflow] = []

    async def collect() -> None:
        async for each in subscription:
            found.append(each)  # noqa: PERF401  # one by one: it is read meanwhile

    async with helpers() as tasks:
        tasks.start_soon(collect)
        yield found


def market_of(subject: Subject, exchange: Exchange, way: OrderEntry = OrderEntry.REST) -> Market:
    """A `Market` of the connector, apart from the exchange's own."""
    credentials = subject.credentials
    assert credentials is not None
    return subject.connector.hooks.market(
        environment=subject.environment,
        instruments=exchange.instruments,
        credentials=credentials,
        order_entry=way,
    )


@define
class Stage:
    """What outlasts a client: the venue, its clock, its engine."""

    subject: Subject
    clock: VirtualClock
    venue: LocalVenue
    engine: MatchingEngine
    listings: Mapping[str, Decimal] = field(factory=dict)
    crowds: list[Crowd] = field(factory=list)

    @asynccontextmanager
    async def client(
        self,
        *,
        pairs: int = 1,
        channels: Iterable[str] | None = None,
        way: OrderEntry | None = None,
        store: Any = ":memory:",
        record: Path | None = None,
        trade: bool | None = None,
        seed: int = 1,
        variant: str | None = None,
    ) -> AsyncIterator[Scene]:
        """An exchange opened on the venue, and closed at the end. `variant` is that of its books: without, the one to check on.

        Raises `AssertionError` where an error came out of the connector that is none of the contract's: the core lives on with
        a new socket, so nothing else might show it.
        """
        subject = self.subject
        rule = subject.book_topic
        if variant is None:
            variant = rule.variant if rule is not None and rule.channel is Channel.BOOK else ""
        if channels is None:
            channels = (rule.channel.value,) if rule is not None else ()
        channels = tuple(channels)
        trade = subject.trades if trade is None else trade
        login = any(
            each.authenticated and each.channel.value in channels for each in subject.description.topics
        )
        watched = Watched(self.venue, self.clock)
        ids = list(self.listings)[:pairs]
        opened = open_exchange(
            subject.connector,
            pairs=ids,
            channels=channels,
            variant=variant,
            transports=watched,
            clock=self.clock,
            credentials=subject.credentials if trade or login else None,
            store=store if trade else None,
            order_entry=way.value if way is not None else "",
            pacers=PacerRegistry(),
            record=record,
            seed=seed,
        )
        async with opened as exchange, collected(exchange.events()) as events:
            yield Scene(
                subject,
                self,
                self.venue,
                self.engine,
                exchange,
                self.clock,
                watched,
                ids,
                self.listings,
                events,
            )
            broken = [each for each in events if f"{subject.venue}: unexpected " in f"{each}"]
            assert not broken, f"an error that is none of the contract's came out of it: {broken[0]}"


@asynccontextmanager
async def stage(
    subject: Subject,
    faults: Sequence[Fault] = (),
    *,
    latency: Latency = LATENCY,
    seed: int = 1,
) -> AsyncIterator[Stage]:
    """A quiet venue on a virtual clock that jumps while everybody waits."""
    clock = VirtualClock(START)
    plugin = subject.venue_side
    venue = LocalVenue(
        plugin, clock=clock, seed=seed, faults=FaultPlan(tuple(faults)), flow=False, latency=latency
    )
    engine = venue.engine
    assert isinstance(engine, MatchingEngine)
    listings = {
        listing.instrument.id: listing.price
        for listing in plugin.listings()
        if listing.instrument.status is InstrumentStatus.TRADING
    }
    async with clock.autojump(100 * HOUR):
        yield Stage(subject, clock, venue, engine, listings)


@asynccontextmanager
async def scene(
    subject: Subject,
    faults: Sequence[Fault] = (),
    *,
    latency: Latency = LATENCY,
    seed: int = 1,
    **client: Any,
) -> AsyncIterator[Scene]:
    """A stage with one client."""
    opened = stage(subject, faults, latency=latency, seed=seed)
    async with opened as there, there.client(**client) as scene:
        yield scene


def other(subject: Subject) -> Credentials:
    """The keys of the dialect's second account. Raises `Unclaimed` where there is none."""
    accounts = subject.venue_side.accounts()
    if len(accounts) < 2:
        raise Unclaimed("its dialect has only one account")
    return accounts[1].credentials
