"""Public data over REST: the clock, the instruments, snapshots, and where the socket is.

PROTOCOL.md, "Market data" and "Order books".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from venuekit_exchange_a.endpoints import DEPTH, INSTRUMENTS, TIME, Endpoint
from venuekit_exchange_a.errors import raise_for_error
from venuekit_exchange_a.instruments import SYMBOL, read_instruments
from venuekit_exchange_a.payloads import VENUE, Depth, ServerTime
from venuekit_exchange_a.session import ExchangeASession
from venuekit_spec import (
    MILLISECOND,
    BookSnapshot,
    Channel,
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

LEVELS: Final = 1_000
"""The most levels a side that a snapshot has."""

PING: Final[Seconds] = 15.0
SILENCE: Final[Seconds] = 40.0
"""Two of our pings have gone unanswered."""

LIFETIME: Final[Seconds] = 86_400.0
"""The venue closes a socket after 24 hours."""

_server_time = msgspec.json.Decoder(ServerTime)
_depth = msgspec.json.Decoder(Depth)


class ExchangeADataSource:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /v1/instruments."""
        response = yield from self._get(INSTRUMENTS)
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /v1/time, to the millisecond."""
        response = yield from self._get(TIME)
        return decode(_server_time, response.body, TIME.name, venue=VENUE).time * MILLISECOND

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /v1/depth. Raises `Unsupported` at the first step for a topic that is no book."""
        if topic.channel is not Channel.BOOK:
            raise Unsupported(f"Exchange A has no snapshot of {topic}")
        symbol = instrument.native[SYMBOL]
        response = yield from self._get(DEPTH, f"?symbol={quote(symbol, safe='')}&limit={LEVELS}")
        book = decode(_depth, response.body, f"depth {symbol}", venue=VENUE)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            last=book.id,
            depth=_limit(response),
            time=book.time * MILLISECOND,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The market stream, without a request; the session subscribes on it."""
        yield from ()
        return Dial(self._stream, ping=PING, silence=SILENCE, lifetime=LIFETIME)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return ExchangeASession(instruments)

    def _get(self, endpoint: Endpoint, query: str = "") -> Flow[HttpResponse]:
        """Ask; the response if it is a success. Raises what `raise_for_error` does."""
        request = HttpRequest(
            endpoint.method,
            f"{self._rest}{endpoint.path}{query}",
            costs=endpoint.costs,
            label=endpoint.name,
        )
        response = yield from http(request)
        raise_for_error(response, endpoint.name)
        return response


def _limit(response: HttpResponse) -> int:
    """How many levels a side the response was limited to: what was asked for, also where a tape answers in its place."""
    told = parse_qs(urlsplit(response.url).query).get("limit", ())
    return int(told[0]) if told and told[0].isdecimal() else LEVELS
