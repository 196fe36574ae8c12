"""Every dialect against its own connector through the whole core: what is read is what the engine holds, faults or not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import cycle
from typing import Final, TypeAlias

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit import Exchange, Level, VirtualClock, open_exchange
from venuekit.loader import load_connector
from venuekit.pacing import PacerRegistry
from venuekit_simulator import Fault, FaultKind, FaultPlan, LocalVenue
from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_simulator.plugins import load_dialect
from venuekit_spec import (
    SECOND,
    CallKind,
    EngineEvent,
    HttpRequest,
    HttpResponse,
    LevelChanged,
    Seconds,
    TopOfBook,
    Trade,
    TradeHappened,
)

pytestmark = pytest.mark.anyio

START: Final = 1_790_000_000 * SECOND
LIMIT: Final[Seconds] = 3_000.0
"""Virtual time within which everything is over."""

ROUNDS: Final = 10
"""Frames of which one at least holds what is missed; others are signs of life."""

Rows: TypeAlias = list[tuple[Decimal, Decimal]]


@frozen
class Feed:
    """One kind of book of one venue. `depth` is how much of it is told, `quiet` how long until all of it has been."""

    venue: str
    pairs: tuple[str, ...]
    channel: str = "book"
    variant: str = ""
    depth: int | None = None
    quiet: Seconds = 1.0
    whole: bool = False
    """Each message is the whole book: what is lost is made good by the next, and nothing is repaired."""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.venue, self.channel, self.variant)))


FEEDS: Final = (
    Feed("exchange_a", ("BTC-USDT", "PEPE-BTC")),
    Feed("binance", ("BTC-USDT", "这是测试币-USDT")),
    Feed("bitfinex", ("BTC-USD", "DUSK-USD"), depth=100),
    Feed("bitfinex", ("ETH-BTC", "BTC-USDT"), variant="25", depth=25, quiet=3.0),
    Feed("coinbase_exchange", ("BTC-USD", "SHIB-USD")),
    Feed("coinbase_exchange", ("BTC-USD", "ETH-BTC"), channel="orders"),
    Feed("coinbase_exchange", ("ETH-USD", "SHIB-USD"), channel="orders", variant="level3"),
    Feed("hyperliquid", ("BTC-USDC-PERP", "HYPE-USDC"), depth=20, quiet=6.0, whole=True),
    Feed("hyperliquid", ("xyz:SP500-USDC-PERP", "PURR-USDC"), variant="fast", depth=5, whole=True),
    Feed("kraken", ("BTC-USD", "DOGE-USD"), depth=100),
    Feed("kraken", ("BTC-USD", "USDT-USD"), variant="10", depth=10),
)

TOPS_AT_TRADES: Final = frozenset({"coinbase_exchange"})
"""Venues that tell best prices only when something is traded."""

BARE: Final = frozenset({"bitfinex"})
"""Venues that tell neither the time nor best prices."""

each_venue = pytest.mark.parametrize("venue", sorted({feed.venue for feed in FEEDS}))
each_full_venue = pytest.mark.parametrize("venue", sorted({feed.venue for feed in FEEDS} - BARE))


def each_feed(first: str) -> pytest.MarkDecorator:
    """Every feed on one event loop, in turns, of which one is `first`: over several tests each feed meets both."""
    loops = sorted(("asyncio", "trio"), key=lambda loop: loop != first)
    found = [
        pytest.param(feed, loop, id=f"{feed}-{loop}") for feed, loop in zip(FEEDS, cycle(loops), strict=False)
    ]
    return pytest.mark.parametrize(("feed", "anyio_backend"), found)


class Stage:
    """A local venue whose market moves only when it is told to, and a client of it."""

    def __init__(self, venue: str, *faults: Fault) -> None:
        self.clock = VirtualClock(START)
        self.plugin = load_dialect(venue)
        self.connector = load_connector(venue)
        self.venue = LocalVenue(
            self.plugin, clock=self.clock, seed=1, faults=FaultPlan(faults), flow=False, latency=(0.001, 0.02)
        )
        engine = self.venue.engine
        assert isinstance(engine, MatchingEngine)
        self.flow = RandomFlow(engine, 1, depth=30)
        self.flow.fill_books(self.clock.now())

    @asynccontextmanager
    async def opened(
        self, pairs: Sequence[str], channels: Sequence[str] = ("book",), variant: str = ""
    ) -> AsyncIterator[Exchange]:
        """The exchange, as the core opens it in the environment of this machine; time runs by itself."""
        accounts = self.plugin.accounts() if self.connector.description.credentials else ()
        async with (
            self.clock.autojump(limit=LIMIT),
            open_exchange(
                self.connector,
                environment="local",
                pairs=pairs,
                channels=channels,
                variant=variant,
                clock=self.clock,
                transports=self.venue,
                pacers=PacerRegistry(),
                credentials=accounts[0].credentials if accounts else None,
                store=":memory:",
                seed=1,
            ) as exchange,
        ):
            yield exchange

    async def trade(self, steps: int, every: Seconds = 0.03) -> None:
        """The market moves so often."""
        for _ in range(steps):
            self.flow.step(self.clock.now())
            await self.clock.sleep(every)

    async def settled(self, exchange: Exchange, feed: Feed) -> None:
        """The market moves on, and rests for a while, until the books agree: at the latest by an audit."""
        while True:
            await self.trade(10)
            await self.clock.sleep(10.0)
            if self.agrees(exchange, feed):
                return

    def held(self, pair: str, depth: int | None) -> tuple[Rows, Rows]:
        """The engine's book."""
        book = self.venue.engine.book(pair, depth)
        return [*book.bids], [*book.asks]

    def agrees(self, exchange: Exchange, feed: Feed) -> bool:
        """Whether every book is live and the engine's."""
        return all(
            exchange.books[pair].live
            and (_rows(exchange.books[pair].bids(feed.depth)), _rows(exchange.books[pair].asks(feed.depth)))
            == self.held(pair, feed.depth)
            for pair in feed.pairs
        )


def _rows(levels: Sequence[Level]) -> Rows:
    return [(level.price, level.size) for level in levels]


@each_venue
async def test_instruments_come_back_as_they_are_listed(venue: str) -> None:
    """What the connector reads from the dialect's answers are the instruments of its listings, every field."""
    stage = Stage(venue)
    listed = {listing.instrument.id: listing.instrument for listing in stage.plugin.listings()}
    async with stage.opened(()) as exchange:
        assert dict(exchange.instruments) == listed


_PARTS: Final = st.sampled_from(
    [
        "api",
        "v3",
        "v1",
        "depth",
        "0",
        "public",
        "Depth",
        "products",
        "BTC-USD",
        "book",
        "info",
        "%ff",
        "é",
        "[",
        "",
        "..",
    ]
)
_QUERIES: Final = st.sampled_from(
    [
        "",
        "symbol=BTCUSDT&limit=-1",
        "limit=9999999999999",
        "pair=XBTUSD&count=²",
        "level=9",
        "a=%ff",
        "&&=",
        "symbol=%00",
    ]
)
_WORDS: Final = st.sampled_from(
    [
        "subscribe",
        "SUBSCRIBE",
        "unsubscribe",
        "UNSUBSCRIBE",
        "ping",
        "book",
        "l2Book",
        "full",
        "ticker",
        "BTC",
        "BTC-USD",
    ]
)
_NAMES: Final = st.sampled_from(
    [
        "method",
        "op",
        "type",
        "params",
        "id",
        "req_id",
        "channels",
        "product_ids",
        "channel",
        "symbol",
        "coin",
        "key",
    ]
)
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=12,
).map(json.dumps)


@each_venue
@settings(max_examples=25)
@given(
    path=st.lists(_PARTS, max_size=5),
    query=_QUERIES | st.text(),
    method=st.sampled_from(["GET", "POST", "DELETE", "?"]),
    body=_JSON.map(str.encode) | st.binary(),
    frames=st.lists(_JSON | st.text() | st.binary(), max_size=5),
)
def test_nonsense_is_answered_and_never_raises(
    venue: str, path: list[str], query: str, method: str, body: bytes, frames: list[str | bytes]
) -> None:
    """Whatever comes as a request, as a handshake or as a frame gets an answer, or the socket is closed."""
    plugin = load_dialect(venue)
    dialect = plugin.serve(MatchingEngine(plugin.listings(), plugin.accounts(), 1))
    url = f"http://127.0.0.1:8700/{'/'.join(path)}?{query}"
    request = HttpRequest(method, url, body=body)
    assert 200 <= dialect.http(request, START).status < 600
    assert dialect.kind(request) in CallKind
    dialect.connect(request, START)
    home = load_connector(venue).description.environment("local").url("stream")
    end = "/stream" if venue == "binance" else ""
    session = dialect.connect(HttpRequest("GET", home + end), START)
    assert not isinstance(session, HttpResponse)
    session.opened(START)
    for frame in frames:
        assert dialect.kind(frame) in CallKind
        session.feed(frame, START)
    session.tick(START + SECOND)
    session.closed()


@each_full_venue
async def test_the_venues_clock_is_told(venue: str) -> None:
    """What the connector reads as the venue's time is the venue's, to what the venue tells of it."""
    stage = Stage(venue)
    stage.venue.skew(3.0, 3_600.0)
    async with stage.opened(()) as exchange:
        await exchange.measure_clock()
        offset = exchange.clock_offset
        assert offset is not None
        assert abs(offset.offset - 3 * SECOND) <= offset.uncertainty + SECOND


@each_feed("asyncio")
async def test_a_live_book_is_the_engines(feed: Feed) -> None:
    """While the market moves books stay live without a repair, and whenever it rests they are equal to the engine's."""
    stage = Stage(feed.venue)
    async with stage.opened(feed.pairs, (feed.channel,), feed.variant) as exchange:
        await exchange.wait_live()
        for _ in range(2):
            await stage.trade(50)
            await stage.clock.sleep(feed.quiet)
            assert stage.agrees(exchange, feed)
        counters = exchange.counters()
        assert [counters[pair].repairs for pair in feed.pairs] == [0] * len(feed.pairs)


@each_full_venue
async def test_every_trade_and_the_best_prices_arrive(venue: str) -> None:
    """The trades of a pair come each once, in order and as they happened; its best prices are some that the engine had."""
    stage = Stage(venue)
    engine = stage.venue.engine
    pair = next(feed.pairs[0] for feed in FEEDS if feed.venue == venue)
    happened: list[TradeHappened] = []
    best = [stage.held(pair, 1)]

    def listener(event: EngineEvent) -> None:
        if isinstance(event, TradeHappened) and event.instrument == pair:
            happened.append(event)
        if isinstance(event, LevelChanged) and event.instrument == pair:
            best.append(stage.held(pair, 1))

    engine.listen(listener)
    async with (
        stage.opened((pair,), ("book", "trades", "top")) as exchange,
        exchange.trades(pair) as trades,
        exchange.tops(pair) as tops,
    ):
        await exchange.wait_live()
        await stage.clock.sleep(2.0)
        await stage.trade(250)
        await stage.clock.sleep(1.0)
        trades.close()
        tops.close()
        got = [each async for each in trades if isinstance(each, Trade)]
        told = [_top(each) async for each in tops if isinstance(each, TopOfBook)]
    assert len(happened) > 1
    assert [(Decimal(each.price), Decimal(each.size), each.side) for each in got] == [
        (each.price, each.size, each.side) for each in happened
    ]
    numbers = [each.sequence for each in got if each.sequence is not None]
    assert numbers == [*range(numbers[0], numbers[0] + len(got))] if numbers else True
    assert len(told) > 1
    assert [each for each in told if each not in best] == []
    assert told[-1] == best[-1] or venue in TOPS_AT_TRADES


def _top(top: TopOfBook) -> tuple[Rows, Rows]:
    bids, asks = ([] if row is None else [(Decimal(row[0]), Decimal(row[1]))] for row in (top.bid, top.ask))
    return bids, asks


@each_feed("trio")
async def test_what_happens_to_frames_is_noticed_and_repaired(feed: Feed) -> None:
    """Frames are lost or spoilt, sockets break: that is noticed, and in the end the books are the engine's again."""
    stage = Stage(feed.venue)
    kinds = [FaultKind.DROP, FaultKind.TRUNCATE, FaultKind.CUT]
    if feed.channel == "book":  # a spoilt id of an order is as good as any other, and nothing proves it wrong
        kinds.append(FaultKind.CORRUPT)
    async with stage.opened(feed.pairs, (feed.channel,), feed.variant) as exchange:
        await exchange.wait_live()
        for kind in kinds:
            before = _repairs(exchange)
            for done in range(1, ROUNDS + 1):
                stage.venue.inject(Fault(kind=kind, times=1))
                while stage.venue.injected[kind] < done:
                    await stage.trade(5)
                await stage.settled(exchange, feed)
                if feed.whole or _repairs(exchange) > before:
                    break
            else:
                pytest.fail(f"{kind}: {ROUNDS} frames, and nothing was noticed")


def _repairs(exchange: Exchange) -> int:
    return sum(counters.repairs for counters in exchange.counters().values())


@each_feed("asyncio")
async def test_a_venue_that_comes_back_is_found_again(feed: Feed) -> None:
    """The venue starts anew, its memory gone: the connection is opened again, and the books are the engine's."""
    stage = Stage(feed.venue, Fault(kind=FaultKind.RESTART, at=5.0, seconds=4.0))
    async with stage.opened(feed.pairs, (feed.channel,), feed.variant) as exchange:
        await exchange.wait_live()
        await stage.trade(20)
        await stage.clock.sleep(8.0)
        await stage.trade(20)
        await exchange.wait_live()
        await stage.clock.sleep(feed.quiet)
        assert stage.agrees(exchange, feed)
    assert stage.venue.injected[FaultKind.RESTART] == 1


@each_feed("trio")
async def test_a_snapshot_that_is_old_does_no_lasting_harm(feed: Feed) -> None:
    """A snapshot from a replica that lags behind is not joined, or is found out."""
    kinds = (CallKind.SNAPSHOT, CallKind.SUBSCRIBE)
    stage = Stage(feed.venue, Fault(kind=FaultKind.STALE_SNAPSHOT, on=kinds, times=2, updates=40))
    await stage.clock.settle()
    for _ in range(60):
        stage.flow.step(stage.clock.now())
    async with stage.opened(feed.pairs, (feed.channel,), feed.variant) as exchange:
        await exchange.wait_live()
        await stage.settled(exchange, feed)
