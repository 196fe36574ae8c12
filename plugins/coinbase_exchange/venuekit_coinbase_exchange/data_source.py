"""Public data over REST: the clock, the products, snapshots, and where the socket is.

https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-book
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from venuekit_coinbase_exchange.description import PUBLIC
from venuekit_coinbase_exchange.errors import raise_for_error
from venuekit_coinbase_exchange.instruments import PRODUCTS, read_instruments
from venuekit_coinbase_exchange.payloads import VENUE, Book, OrderBook, ServerTime
from venuekit_coinbase_exchange.session import CoinbaseExchangeSession
from venuekit_spec import (
    BookSnapshot,
    Channel,
    Cost,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentTable,
    OrderBookSnapshot,
    RestingOrder,
    Seconds,
    Session,
    Side,
    Topic,
    Unsupported,
    VenueUnavailable,
    decode,
    http,
    instant_of,
)

PING: Final[Seconds] = 15.0
"""How often the socket is pinged: a socket without books has no heartbeats."""

SILENCE: Final[Seconds] = 40.0
"""After so long without a frame or a pong the connection counts as dead."""

SNAPSHOT_TIMEOUT: Final[Seconds] = 30.0
"""A whole book has megabytes."""

_server_time = msgspec.json.Decoder(ServerTime)
_book = msgspec.json.Decoder(Book)
_order_book = msgspec.json.Decoder(OrderBook)


class CoinbaseExchangeDataSource:
    """The public side in one environment, which needs a "rest" and a "stream" URL. Raises `LocalError` without them."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /products: everything that is listed, tradable or not."""
        response = yield from self._get("products", PRODUCTS)
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /time, in milliseconds."""
        response = yield from self._get("time", "time")
        return instant_of(decode(_server_time, response.body, "time", venue=VENUE).iso)

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /products/{id}/book: for an audit the whole book by level, to start an order-by-order book every order.

        The audit's book has no id, as the feed that it is compared with has none. Raises `Unsupported` at the first step for
        a topic that is no book, and `VenueUnavailable` in an auction, when the book is only indicative.
        """
        if topic.channel is Channel.BOOK:
            return (yield from self._levels(instrument))
        if topic.channel is Channel.ORDERS:
            return (yield from self._orders(instrument))
        raise Unsupported(f"{VENUE} has no snapshot of {topic}")

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The feed, without a request; the session subscribes on it."""
        yield from ()
        return Dial(self._stream, ping=PING, silence=SILENCE)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return CoinbaseExchangeSession(instruments)

    def _levels(self, instrument: Instrument) -> Flow[BookSnapshot]:
        label, response = yield from self._book_of(instrument, level=2)
        book = decode(_book, response.body, label, venue=VENUE)
        _refuse_auction(book, label)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            time=instant_of(book.time),
            received=response.received,
        )

    def _orders(self, instrument: Instrument) -> Flow[OrderBookSnapshot]:
        label, response = yield from self._book_of(instrument, level=3)
        book = decode(_order_book, response.body, label, venue=VENUE)
        _refuse_auction(book, label)
        orders = [RestingOrder(id_, Side.BUY, price, size) for price, size, id_ in book.bids]
        orders += [RestingOrder(id_, Side.SELL, price, size) for price, size, id_ in book.asks]
        return OrderBookSnapshot(
            instrument=instrument.id,
            orders=orders,
            last=book.sequence,
            time=instant_of(book.time),
            received=response.received,
        )

    def _book_of(self, instrument: Instrument, *, level: int) -> Flow[tuple[str, HttpResponse]]:
        product = instrument.native["rest"]
        label = f"book {product}"
        path = f"products/{quote(product, safe='')}/book?level={level}"
        response = yield from self._get(path, label, timeout=SNAPSHOT_TIMEOUT)
        return label, response

    def _get(self, path: str, label: str, *, timeout: Seconds | None = None) -> Flow[HttpResponse]:
        """Ask; the response if it is a success. Raises what `raise_for_error` does."""
        request = HttpRequest(
            "GET", f"{self._rest}/{path}", costs=(Cost(PUBLIC),), timeout=timeout, label=label
        )
        response = yield from http(request)
        raise_for_error(response, label)
        return response


def _refuse_auction(book: Book | OrderBook, label: str) -> None:
    """Raise for a book that is not the one which is traded on."""
    if book.auction_mode:
        raise VenueUnavailable(f"{label} is in an auction", venue=VENUE)
