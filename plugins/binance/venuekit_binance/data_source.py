"""Public data over REST: the clock, the instruments, snapshots, and where the socket is.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from venuekit_binance.description import RAW_REQUESTS, WEIGHT
from venuekit_binance.errors import raise_for_error
from venuekit_binance.instruments import read_instruments
from venuekit_binance.payloads import VENUE, Depth, ServerTime
from venuekit_binance.session import BinanceSession
from venuekit_spec import (
    MICROSECOND,
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
    LocalError,
    OrderBookSnapshot,
    Seconds,
    Session,
    Topic,
    Unsupported,
    decode,
    http,
)

DEEPEST: Final = 5_000
DEPTH: Final = 1_000
"""Levels a side that are asked for unless told otherwise: a fifth of the weight of all that can be had, so that many pairs
start at once; when the market moves towards the last of them, the core asks again."""
DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (DEEPEST, 250))
"""Levels a side up to which a snapshot costs this weight.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#order-book
"""

SILENCE: Final[Seconds] = 60.0
"""The server pings every 20 s, so three pings have gone missing."""

SILENCES: Final[Mapping[str, Seconds]] = MappingProxyType({"us": 400.0})
"""Where the server pings less often: Binance.US every three minutes."""

LIFETIME: Final[Seconds] = 86_400.0
"""A connection is valid for 24 hours."""

IN_MICROSECONDS: Final = 10**14
"""A time since 1970 from this number on counts microseconds, below it milliseconds (until the year 5138)."""

_server_time = msgspec.json.Decoder(ServerTime)
_depth = msgspec.json.Decoder(Depth)


class BinanceDataSource:
    """The public side in one environment, which needs a "rest" and a "stream" URL.

    `depth` is the number of levels a side that a snapshot asks for, 1 to 5000; what lies beyond is unknown. Raises
    `LocalError` for another depth and for an environment without one of its URLs.
    """

    def __init__(self, environment: Environment, depth: int = DEPTH) -> None:
        if not 1 <= depth <= DEEPEST:
            raise LocalError(f"a snapshot has 1 to {DEEPEST} levels a side, not {depth}")
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")
        self._silence = SILENCES.get(environment.name, SILENCE)
        self._depth = depth
        self._depth_weight = next(weight for deepest, weight in DEPTH_WEIGHTS if depth <= deepest)

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /exchangeInfo: every symbol that may be traded spot, on margin or leveraged."""
        response = yield from self._get("exchangeInfo", weight=20)
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /time, to the microsecond where the venue knows the header that asks for it."""
        headers = (("X-MBX-TIME-UNIT", "MICROSECOND"),)
        response = yield from self._get("time", weight=1, headers=headers)
        told = decode(_server_time, response.body, "time", venue=VENUE).server_time
        return told * (MICROSECOND if told >= IN_MICROSECONDS else MILLISECOND)

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /depth. Raises `Unsupported` at the first step for a topic that is no book."""
        if topic.channel is not Channel.BOOK:
            raise Unsupported(f"Binance has no snapshot of {topic}")
        symbol = instrument.native["rest"]
        response = yield from self._get(
            "depth",
            weight=self._depth_weight,
            query=f"symbol={quote(symbol, safe='')}&limit={self._depth}",
        )
        book = decode(_depth, response.body, f"depth {symbol}", venue=VENUE)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            last=book.last_update_id,
            depth=self._limit(response),
            received=response.received,
        )

    def _limit(self, response: HttpResponse) -> int:
        """How many levels a side the response was limited to: what was asked for, also where a tape answers in its place."""
        told = parse_qs(urlsplit(response.url).query).get("limit", ())
        return int(told[0]) if told and told[0].isdecimal() else self._depth

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The combined stream, without a request; the session subscribes on it. The server pings, we do not."""
        yield from ()
        return Dial(f"{self._stream}/stream", ping=None, silence=self._silence, lifetime=LIFETIME)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return BinanceSession(instruments)

    def _get(
        self, endpoint: str, *, weight: int, query: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> Flow[HttpResponse]:
        """Ask; the response if it is a success. Raises what `raise_for_error` does."""
        request = HttpRequest(
            "GET",
            f"{self._rest}/api/v3/{endpoint}{'?' if query else ''}{query}",
            headers=headers,
            costs=(Cost(WEIGHT, weight), Cost(RAW_REQUESTS)),
            label=endpoint,
        )
        response = yield from http(request)
        raise_for_error(response, endpoint)
        return response
