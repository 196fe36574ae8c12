"""Three venues at once, each of another kind of feed, on one event loop and one virtual clock."""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any, Final

import anyio
import pytest
from attrs import define, field
from demo.tape import Market

import venuekit_binance
import venuekit_hyperliquid
import venuekit_kraken
from venuekit import BookState, Exchange, NetworkTransports, OrderBook, Overflow, VirtualClock, connect
from venuekit import open_exchange as open_one
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.websocket import MockWebSocket, MockWebSocketTransport
from venuekit.pacing import PacerRegistry
from venuekit_spec import MILLISECOND, SECOND, HttpRequest, HttpResponse

pytestmark = pytest.mark.anyio

START: Final = 1_790_000_000 * SECOND
STEP: Final = 0.1
"""Seconds between two moves of each market."""
BUFFER: Final = 10


class FakeVenue(ABC):
    """A venue's side of its own protocol: markets of BTC and ETH, the answers to requests, and one socket at a time.

    Prices and sizes of its markets are whole numbers in units of their last decimal.
    """

    name: str
    plugin: object
    decimals: tuple[int, int] = (2, 5)
    depth: int | None = None

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self.clock = clock
        self.markets = {
            base: Market(self.symbol(base), base, mid, Random(seed), 45_000)
            for base, mid in (("BTC", 64_000), ("ETH", 31_000))
        }
        self.pairs = {self.pair(base): market for base, market in self.markets.items()}
        self.http = MockHttpTransport(self.answer, clock=clock)
        self.websockets = MockWebSocketTransport(clock, on_open=self._script)
        self.subscribed: dict[str, MockWebSocket] = {}

    @abstractmethod
    def symbol(self, base: str) -> str:
        """What the venue calls the market of an asset."""

    @abstractmethod
    def pair(self, base: str) -> str:
        """What we call it."""

    @abstractmethod
    def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request."""

    @abstractmethod
    def heard(self, said: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """The frames that answer what a client said."""

    @abstractmethod
    def told(self, market: Market, step: dict[str, Any]) -> dict[str, Any]:
        """The frame about a move, of which `step` are the changed levels."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.clock.now() // MILLISECOND

    def move(self) -> None:
        """Every market moves, and whoever subscribed is told."""
        for market in self.markets.values():
            step = market.step()
            if market.symbol in self.subscribed:
                self.subscribed[market.symbol].push(json.dumps(self.told(market, step)))

    def wrong(self, exchange: Exchange) -> list[str]:
        """The pairs whose book is not LIVE or not as the market is at this moment."""
        return [pair for pair in self.pairs if not self.right(exchange.books[pair], pair)]

    def right(self, book: OrderBook, pair: str) -> bool:
        """Whether a book is LIVE and as its market is at this moment."""
        market, (price_decimals, size_decimals) = self.pairs[pair], self.decimals
        if not book.live:
            return False
        for levels, seen, best_first in ((market.bids, book.bids(), True), (market.asks, book.asks(), False)):
            truth = [
                (Decimal(price).scaleb(-price_decimals), Decimal(levels[price]).scaleb(-size_decimals))
                for price in sorted(levels, reverse=best_first)
            ]
            if [*seen] != truth[: self.depth]:
                return False
        return True

    def text(self, price: int, size: int) -> tuple[str, str]:
        """A level as numbers on the wire."""
        price_decimals, size_decimals = self.decimals
        return (
            f"{Decimal(price).scaleb(-price_decimals):f}",
            f"{Decimal(size).scaleb(-size_decimals):f}",
        )

    def side(self, levels: dict[int, int], *, best_first: bool) -> list[tuple[str, str]]:
        """The levels of one side for the wire, best first."""
        return [self.text(price, levels[price]) for price in sorted(levels, reverse=best_first)]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Exchange]:
        """An exchange on this venue, with all its pairs."""
        async with open_one(
            connect(self.plugin, self.name),
            pairs=self.pairs,
            clock=self.clock,
            transports=NetworkTransports(self.http, self.websockets),
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange:
            yield exchange

    def _script(self, socket: MockWebSocket) -> None:
        self.subscribed.clear()

        def on_send(frame: str | bytes) -> None:
            for said in self.heard(json.loads(frame)):
                socket.push(json.dumps(said))

        socket.on_send = on_send


def ok(body: Any) -> HttpResponse:
    """A response of JSON."""
    return HttpResponse(200, json.dumps(body).encode())


class FakeBinance(FakeVenue):
    """Id ranges joined to a snapshot by REST."""

    name = "binance"
    plugin = venuekit_binance

    def symbol(self, base: str) -> str:
        return f"{base}USDT"

    def pair(self, base: str) -> str:
        return f"{base}-USDT"

    def answer(self, request: HttpRequest) -> HttpResponse:
        if "/exchangeInfo" in request.url:
            return ok({"symbols": [market.instrument() for market in self.markets.values()]})
        if "/time" in request.url:
            return ok({"serverTime": self.now})
        (market,) = (each for each in self.markets.values() if f"symbol={each.symbol}" in request.url)
        return ok(market.snapshot())

    def heard(self, said: dict[str, Any]) -> Iterable[dict[str, Any]]:
        for stream in said["params"] if said["method"] == "SUBSCRIBE" else ():
            self.subscribed[stream.partition("@")[0].upper()] = self.websockets.latest
        yield {"result": None, "id": said["id"]}

    def told(self, market: Market, step: dict[str, Any]) -> dict[str, Any]:
        return {"stream": f"{market.symbol.lower()}@depth@100ms", "data": step | {"E": self.now}}


class FakeKraken(FakeVenue):
    """Snapshots on the socket, the order of arrival, and a checksum with each message."""

    name = "kraken"
    plugin = venuekit_kraken
    depth = 100

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        super().__init__(clock, seed)
        self._windows: dict[str, list[dict[int, int]]] = {}

    def symbol(self, base: str) -> str:
        return f"{base}/USD"

    def pair(self, base: str) -> str:
        return f"{base}-USD"

    def answer(self, request: HttpRequest) -> HttpResponse:
        if request.url.endswith("/Time"):
            return ok({"error": [], "result": {"unixtime": self.now // 1000}})
        pairs = {
            base: {"altname": base, "wsname": market.symbol, "pair_decimals": 2, "lot_decimals": 5}
            for base, market in self.markets.items()
        }
        return ok({"error": [], "result": pairs})

    def heard(self, said: dict[str, Any]) -> Iterable[dict[str, Any]]:
        for symbol in said.get("params", {}).get("symbol", ()):
            yield {
                "method": said["method"],
                "req_id": said["req_id"],
                "success": True,
                "result": {"channel": "book", "symbol": symbol},
            }
            if said["method"] == "subscribe":
                market = next(each for each in self.markets.values() if each.symbol == symbol)
                self.subscribed[symbol] = self.websockets.latest
                self._windows[symbol] = [{}, {}]
                yield self._book("snapshot", market)

    def told(self, market: Market, step: dict[str, Any]) -> dict[str, Any]:
        return self._book("update", market)

    def _book(self, type_: str, market: Market) -> dict[str, Any]:
        """What changed among the best levels; nothing is said of those that others have pushed out."""
        sides = (market.bids, sorted(market.bids, reverse=True)), (market.asks, sorted(market.asks))
        windows = [{price: levels[price] for price in best[: self.depth]} for levels, best in sides]
        changes = [
            {price: size for price, size in new.items() if old.get(price) != size}
            | {price: 0 for price in old if price not in levels}
            for old, new, (levels, _) in zip(self._windows[market.symbol], windows, sides, strict=True)
        ]
        self._windows[market.symbol] = windows
        bids, asks = (
            [{"price": price / 100, "qty": size / 100_000} for price, size in changed.items()]
            for changed in changes
        )
        checked = [*list(windows[1].items())[:10], *list(windows[0].items())[:10]]
        book = {
            "symbol": market.symbol,
            "bids": bids,
            "asks": asks,
            "checksum": zlib.crc32("".join(f"{price}{size}" for price, size in checked).encode()),
            "timestamp": "2026-09-21T14:13:20.000000Z",
        }
        return {"channel": "book", "type": type_, "data": [book]}


class FakeHyperliquid(FakeVenue):
    """Every message is the whole book, of twenty levels."""

    name = "hyperliquid"
    plugin = venuekit_hyperliquid
    decimals = (0, 5)
    depth = 20

    def symbol(self, base: str) -> str:
        return base

    def pair(self, base: str) -> str:
        return f"{base}-USDC-PERP"

    def answer(self, request: HttpRequest) -> HttpResponse:
        asked = json.loads(request.body)["type"]
        listed = [{"name": base, "szDecimals": 5, "maxLeverage": 40} for base in self.markets]
        token = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "isCanonical": True}
        return ok({
            "allPerpMetas": [{"universe": listed, "marginTables": [], "collateralToken": 0}],
            "spotMeta": {"tokens": [token], "universe": []},
            "exchangeStatus": {"time": self.now, "specialStatuses": None},
        }[asked])  # fmt: skip

    def heard(self, said: dict[str, Any]) -> Iterable[dict[str, Any]]:
        if said["method"] == "ping":
            yield {"channel": "pong"}
            return
        yield {"channel": "subscriptionResponse", "data": said}
        if said["method"] == "subscribe":
            coin = said["subscription"]["coin"]
            self.subscribed[coin] = self.websockets.latest
            yield self.told(self.markets[coin], {})

    def told(self, market: Market, step: dict[str, Any]) -> dict[str, Any]:
        sides = (self.side(market.bids, best_first=True), self.side(market.asks, best_first=False))
        levels = [[{"px": price, "sz": size, "n": 1} for price, size in side[:20]] for side in sides]
        return {"channel": "l2Book", "data": {"coin": market.symbol, "time": self.now, "levels": levels}}


@define
class World:
    """Three venues, opened."""

    clock: VirtualClock
    venues: list[FakeVenue]
    exchanges: list[Exchange] = field(factory=list)

    def wrong(self) -> list[str]:
        """The books, of all venues, that are not LIVE or not right at this moment."""
        return [
            f"{venue.name} {pair}"
            for venue, exchange in zip(self.venues, self.exchanges, strict=True)
            for pair in venue.wrong(exchange)
        ]

    async def step(self) -> None:
        """Every market of every venue moves, and whoever has something to do now does it."""
        for venue in self.venues:
            venue.move()
        await self.clock.settle()


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Three venues whose books are all LIVE."""
    clock = VirtualClock(START)
    venues = [FakeBinance(clock, 1), FakeKraken(clock, 2), FakeHyperliquid(clock, 3)]
    opened = World(clock, list(venues))
    async with AsyncExitStack() as stack:
        for venue in venues:
            opened.exchanges.append(await stack.enter_async_context(venue.opened()))
        books = [book for exchange in opened.exchanges for book in exchange.books.values()]
        await clock.run_until(lambda: all(book.live for book in books))
        yield opened


async def test_books_of_three_venues_are_right_at_every_step() -> None:
    """Six books of three kinds of feed follow their markets at once, each step, without a loss or a repair."""
    async with world() as opened:
        for _ in range(60):
            await opened.step()
            assert opened.wrong() == []
            await opened.clock.advance(STEP)
        for exchange in opened.exchanges:
            for counters in exchange.counters().values():
                assert (counters.gaps, counters.malformed, counters.repairs) == (0, 0, 0)


@pytest.mark.parametrize("name", ["binance", "kraken", "hyperliquid"])
async def test_outage_of_one_venue_is_no_other_ones(name: str) -> None:
    """While one venue's socket is gone its books are STALE, and the others' are right at every step; then all are."""
    async with world() as opened:
        place = [venue.name for venue in opened.venues].index(name)
        venue, exchange = opened.venues[place], opened.exchanges[place]
        venue.websockets.latest.cut("reset by peer")
        await opened.clock.settle()
        assert {book.state for book in exchange.books.values()} == {BookState.STALE}
        states = set()
        for _ in range(60):
            await opened.step()
            states |= {book.state for book in exchange.books.values()}
            assert [told for told in opened.wrong() if not told.startswith(name)] == []
            await opened.clock.advance(STEP)
        await opened.step()
        assert opened.wrong() == []
        assert states >= {BookState.STALE, BookState.LIVE}


async def test_slow_consumer_slows_nobody() -> None:
    """One slow consumer a venue overflows and is told so; at every step all books and all other consumers are up to date."""
    async with world() as opened, anyio.create_task_group() as tasks:
        books = [next(iter(exchange.books.values())) for exchange in opened.exchanges]
        slow = [book.every_change(buffer=BUFFER) for book in books]
        read: list[list[Any]] = [[] for _ in books]
        complete: list[list[Any]] = [[] for _ in books]
        latest = [0] * len(books)

        async def dawdle(place: int) -> None:
            async for message in slow[place]:
                read[place].append(message)
                await opened.clock.sleep(0.5)

        async def keep_up(place: int) -> None:
            async for message in books[place].every_change():
                complete[place].append(message)

        async def look(place: int) -> None:
            async for book in books[place].changes():
                latest[place] = book.revision

        for place in range(len(books)):
            for consumer in (dawdle, keep_up, look):
                tasks.start_soon(consumer, place)
        await opened.clock.settle()
        for step in range(1, 81):
            await opened.step()
            assert opened.wrong() == []
            assert [len(told) for told in complete] == [step] * len(books)
            assert latest == [book.revision for book in books]
            await opened.clock.advance(STEP)
        for place, stream in enumerate(slow):
            told = sum(message.missed for message in read[place] if isinstance(message, Overflow))
            assert stream.overflowed > 30
            assert told > 0
            messages = [message for message in read[place] if not isinstance(message, Overflow)]
            assert messages == [each for each in complete[place] if each in messages], "in order, none twice"
        for exchange in opened.exchanges:
            exchange.close()
        await opened.clock.advance(60)
        for place, stream in enumerate(slow):
            told = sum(message.missed for message in read[place] if isinstance(message, Overflow))
            messages = [message for message in read[place] if not isinstance(message, Overflow)]
            assert told == stream.overflowed
            assert told + len(messages) == len(complete[place])
