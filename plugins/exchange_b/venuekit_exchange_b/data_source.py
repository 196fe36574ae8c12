"""Public data over REST: the clock, the markets, books to audit by, and where the socket is.

PROTOCOL.md, "Chain", "Markets" and "Order books".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from venuekit_exchange_b.codec import GzipCodec
from venuekit_exchange_b.description import BOOK, ONE
from venuekit_exchange_b.errors import raise_for_error
from venuekit_exchange_b.instruments import MARKET, read_instruments
from venuekit_exchange_b.payloads import VENUE, Book, ChainState
from venuekit_exchange_b.session import ExchangeBSession, resting
from venuekit_spec import (
    MILLISECOND,
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
    Seconds,
    Session,
    Topic,
    Unsupported,
    decode,
    http,
)

SILENCE: Final[Seconds] = 15.0
"""The venue tells every height, one a second, and pings every ten."""

_chain = msgspec.json.Decoder(ChainState)
_book = msgspec.json.Decoder(Book)


def dial_of(url: str) -> Dial:
    """How every socket of Exchange B is opened: the pings are the venue's, the frames are packed by it."""
    return Dial(url, compression=False, ping=None, silence=SILENCE, codec=GzipCodec())


class ExchangeBDataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /v1/markets."""
        response = yield from self._get("markets", "markets")
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /v1/chain, to the millisecond."""
        response = yield from self._get("chain", "chain")
        return decode(_chain, response.body, "chain", venue=VENUE).time * MILLISECOND

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /v1/book, every resting order. Raises `Unsupported` at the first step for a topic that is no book."""
        if topic.channel is not Channel.ORDERS:
            raise Unsupported(f"Exchange B has no snapshot of {topic}")
        response = yield from self._get("book", f"book?market={instrument.native[MARKET]}", BOOK)
        book = decode(_book, response.body, f"book {instrument.id}", venue=VENUE)
        return OrderBookSnapshot(
            instrument=instrument.id, orders=resting(book.orders, instrument), received=response.received
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The public stream, without a request; the session subscribes on it."""
        yield from ()
        return dial_of(self._stream)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return ExchangeBSession(instruments)

    def _get(self, what: str, path: str, costs: tuple[Cost, ...] = ONE) -> Flow[HttpResponse]:
        response = yield from http(HttpRequest("GET", f"{self._rest}/v1/{path}", costs=costs, label=what))
        raise_for_error(response, what)
        return response
