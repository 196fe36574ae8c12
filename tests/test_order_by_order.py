"""Coinbase's order-by-order feed through the whole core: login, level-3 snapshot, one sequence per product, own orders."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import venuekit_coinbase_exchange
from venuekit import BookState, Exchange, Level, NetworkTransports, Side, VirtualClock, connect, open_exchange
from venuekit.drivers.http import MockHttpTransport
from venuekit.drivers.websocket import MockWebSocket, MockWebSocketTransport
from venuekit.pacing import PacerRegistry
from venuekit_spec import SECOND, Credentials, HttpRequest, HttpResponse, Secret

pytestmark = pytest.mark.anyio

PRODUCT = {
    "id": "BTC-USD",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "quote_increment": "0.01",
    "base_increment": "0.00000001",
    "min_market_funds": "1",
    "status": "online",
}
BIDS = [["100.00", "1.0", "bid-1"], ["100.00", "2.0", "bid-2"], ["99.00", "5.0", "bid-3"]]
ASKS = [["101.00", "3.0", "ask-1"]]
KEYS = Credentials(
    {"key": Secret("k"), "secret": Secret("c2VjcmV0"), "passphrase": Secret("hidden passphrase")}
)


class CoinbaseDouble:
    """The venue: a level-3 book that stands at `sequence`, and a feed that numbers its messages from there."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1_700_000_000 * SECOND)
        self.http = MockHttpTransport(self.answer, clock=self.clock)
        self.sockets = MockWebSocketTransport(self.clock, on_open=self.script)
        self.sequence = 10
        self.subscribed: list[dict[str, Any]] = []

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Products, the book of level 3, the time."""
        if request.url.endswith("/products"):
            return HttpResponse(200, json.dumps([PRODUCT]).encode())
        if "/book?" in request.url:
            assert "level=3" in request.url
            return HttpResponse(
                200, json.dumps({"sequence": self.sequence, "bids": BIDS, "asks": ASKS}).encode()
            )
        return HttpResponse(200, b'{"iso":"2023-11-14T22:13:20Z","epoch":1700000000.0}')

    def script(self, socket: MockWebSocket) -> None:
        """Acknowledge whatever is subscribed to."""

        def on_send(frame: str | bytes) -> None:
            said = json.loads(frame)
            self.subscribed.append(said)
            names = [each if isinstance(each, str) else each["name"] for each in said["channels"]]
            channels = [{"name": name, "product_ids": ["BTC-USD"]} for name in names]
            socket.push(json.dumps({"type": "subscriptions", "channels": channels}))

        socket.on_send = on_send

    def tell(self, kind: str, *, lost: bool = False, **fields: Any) -> None:
        """The next message of the feed, or one that never arrives."""
        self.sequence += 1
        common = {
            "type": kind,
            "product_id": "BTC-USD",
            "sequence": self.sequence,
            "time": "2023-11-14T22:13:20.000001Z",
        }
        if not lost:
            self.sockets.latest.push(json.dumps({**common, **fields}))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Exchange]:
        """An exchange on it, with the order-by-order book LIVE."""
        async with open_exchange(
            connect(venuekit_coinbase_exchange, "coinbase_exchange"),
            pairs=["BTC-USD"],
            channels=["orders"],
            credentials=KEYS,
            clock=self.clock,
            transports=NetworkTransports(self.http, self.sockets),
            pacers=PacerRegistry(),
            seed=1,
        ) as exchange:
            await self.clock.run_until(lambda: exchange.books["BTC-USD"].live)
            yield exchange


async def test_events_of_orders_become_levels_with_own_orders_marked() -> None:
    """Open, match, change and done move queues and levels; the user's order has its own size and its place."""
    venue = CoinbaseDouble()
    async with venue.opened() as exchange:
        book = exchange.order_books["BTC-USD"]
        signed = next(said for said in venue.subscribed if "signature" in said)
        assert signed["key"] == "k"
        assert "hidden passphrase" not in repr((book, exchange, venue.sockets.latest))
        book.mark_own(["mine"])
        venue.tell("received", order_id="mine", side="buy", price="100.00", size="4.0", order_type="limit")
        venue.tell("open", order_id="mine", side="buy", price="100.00", remaining_size="4.0")
        venue.tell(
            "match",
            maker_order_id="bid-1",
            taker_order_id="x",
            side="buy",
            price="100.00",
            size="0.4",
            trade_id=1,
        )
        venue.tell(
            "done", order_id="ask-1", side="sell", price="101.00", remaining_size="3.0", reason="canceled"
        )
        venue.tell("open", order_id="ask-2", side="sell", price="102.50", remaining_size="7")
        await venue.clock.settle()
        assert book.best_bid == Level(Decimal(100), Decimal("6.6"))
        assert book.best_ask == Level(Decimal("102.5"), Decimal(7))
        assert [order.order_id for order in book.orders(Side.BUY, "100")] == ["bid-1", "bid-2", "mine"]
        assert book.own_size(Side.BUY, "100") == 4
        assert book.queue_ahead("mine") == Decimal("2.6")


async def test_a_lost_event_takes_the_book_out_of_service_until_the_next_snapshot() -> None:
    """One number missing is noticed on the next message; a new level-3 book repairs it."""
    venue = CoinbaseDouble()
    async with venue.opened() as exchange:
        book = exchange.order_books["BTC-USD"]
        venue.tell("received", order_id="x", side="buy", price="1.00", size="1.0", order_type="limit")
        venue.tell("open", lost=True, order_id="unseen", side="buy", price="100.50", remaining_size="1")
        venue.tell("done", order_id="bid-3", side="buy", price="99.00", remaining_size="5", reason="canceled")
        await venue.clock.settle()
        await venue.clock.run_until(lambda: book.live)
        assert exchange.counters()["BTC-USD"].gaps == 1
        assert exchange.counters()["BTC-USD"].repairs == 1
        assert book.state is BookState.LIVE
