"""Every dialect against its own connector through the whole core: what is read is what the engine holds, faults or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve, frozen

from venuekit import Exchange, Side, VirtualClock, open_exchange
from venuekit.loader import load_connector
from venuekit.pacing import PacerRegistry
from venuekit_simulator import Fault, FaultKind, FaultPlan, LocalVenue
from venuekit_simulator.market_flow import RandomFlow
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.plugins import load_dialect
from venuekit_spec import SECOND, CallKind, DialectPlugin, RestingOrder, TradeHappened

pytestmark = pytest.mark.anyio

START: Final = 1_790_000_000 * SECOND
VENUES: Final = ("binance", "coinbase_exchange", "exchange_a", "hyperliquid", "kraken")


@frozen
class Feed:
    """One kind of book of one venue. `depth` is how much of it is told, `quiet` how long until all of it has been."""

    venue: str
    pairs: tuple[str, ...]
    channel: str = "book"
    variant: str = ""
    depth: int | None = None
    quiet: float = 1.0
    faults: bool = True
    """Whether a lost or spoilt frame is noticed sooner than at the next audit."""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.venue, self.channel, self.variant)))


FEEDS: Final = (
    Feed("exchange_a", ("BTC-USDT", "PEPE-BTC")),
    Feed("binance", ("BTC-USDT", "这是测试币-USDT")),
    Feed("kraken", ("BTC-USD", "DOGE-USD"), depth=100),
    Feed("kraken", ("BTC-USD", "USDT-USD"), variant="10", depth=10),
    Feed("hyperliquid", ("BTC-USDC-PERP", "HYPE-USDC", "xyz:SP500-USDC-PERP"), depth=20, quiet=6.0),
    Feed("coinbase_exchange", ("BTC-USD", "SHIB-USD")),
    Feed("coinbase_exchange", ("BTC-USD", "ETH-BTC"), channel="orders"),
    Feed("coinbase_exchange", ("ETH-USD", "SHIB-USD"), channel="orders", variant="level3"),
    Feed("hyperliquid", ("ETH-USDC-PERP", "PURR-USDC"), variant="fast", depth=5),
)

each_feed = pytest.mark.parametrize("feed", FEEDS, ids=str)
each_venue = pytest.mark.parametrize("venue", sorted({feed.venue for feed in FEEDS}))


class Stage:
    """A local venue whose market moves only when it is told to, and a client of it."""

    def __init__(self, venue: str, *, faults: Sequence[Fault] = (), seed: int = 1) -> None:
        self.clock = VirtualClock(START)
        self.plugin: DialectPlugin = load_dialect(venue)
        self.name = venue
        self.venue = LocalVenue(
            self.plugin,
            clock=self.clock,
            seed=seed,
            faults=FaultPlan(faults),
            flow=False,
            latency=(0.001, 0.02),
        )
        engine = self.venue.engine
        assert isinstance(engine, MatchingEngine)
        self.flow = RandomFlow(engine, seed, depth=30)
        self.flow.fill_books(self.clock.now())

    @asynccontextmanager
    async def opened(
        self, pairs: Sequence[str], channels: Sequence[str] = ("book",), variant: str = ""
    ) -> AsyncIterator[Exchange]:
        """The exchange, as the core opens it at the environment of this machine."""
        accounts = self.plugin.accounts()
        description = load_connector(self.name).description
        async with open_exchange(
            self.name,
            environment="local",
            pairs=pairs,
            channels=channels,
            variant=variant,
            clock=self.clock,
            transports=self.venue,
            pacers=PacerRegistry(),
            credentials=accounts[0].credentials if accounts and description.credentials else None,
            store=":memory:",
            seed=1,
        ) as exchange:
            yield exchange

    async def trade(self, steps: int, every: float = 0.02) -> None:
        """The market moves so often."""
        for _ in range(steps):
            self.flow.step(self.clock.now())
            await self.clock.sleep(every)


def levels(exchange: Exchange, pair: str, depth: int | None) -> list[list[tuple[Decimal, Decimal]]]:
    """A live book, bids and asks, as the engine tells one."""
    book = exchange.books[pair]
    return [[(level.price, level.size) for level in side] for side in (book.bids(depth), book.asks(depth))]


def held(stage: Stage, pair: str, depth: int | None) -> list[list[tuple[Decimal, Decimal]]]:
    """The engine's book."""
    book = stage.venue.engine.book(pair, depth)
    return [list(book.bids), list(book.asks)]


async def agrees(stage: Stage, exchange: Exchange, feed: Feed) -> None:
    """Every book is live and that of the engine, once the market has been quiet for a while."""
    for pair in feed.pairs:
        await exchange.books[pair].wait_live()
    await stage.clock.sleep(feed.quiet)
    for pair in feed.pairs:
        assert exchange.books[pair].live
        assert levels(exchange, pair, feed.depth) == held(stage, pair, feed.depth)


@each_venue
async def test_instruments_come_back_as_they_are_listed(venue: str) -> None:
    """What the connector reads from the dialect's answers are the instruments of its listings, every field."""
    stage = Stage(venue)
    listed = {listing.instrument.id: listing.instrument for listing in stage.plugin.listings()}
    async with stage.clock.autojump(), stage.opened(()) as exchange:
        assert dict(exchange.instruments) == listed


@each_feed
async def test_a_live_book_is_the_engines(feed: Feed) -> None:
    """While the market moves books stay live without a repair, and whenever it rests they are equal to the engine's."""
    stage = Stage(feed.venue)
    async with stage.clock.autojump(), stage.opened(feed.pairs, (feed.channel,), feed.variant) as exchange:
        for _ in range(3):
            await stage.trade(150)
            await agrees(stage, exchange, feed)
        counters = exchange.counters()
        assert [counters[pair].repairs for pair in feed.pairs] == [0] * len(feed.pairs)
