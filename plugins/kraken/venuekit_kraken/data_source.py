"""Kraken's public side: REST for the market list, the clock and audits; one socket for everything streamed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import quote

from msgspec import Raw
from msgspec.json import Decoder

from venuekit_kraken.description import BOOK_DEPTHS, REST_POOL
from venuekit_kraken.errors import result
from venuekit_kraken.instruments import read_instruments
from venuekit_kraken.payloads import VENUE, Depth, ServerTime
from venuekit_kraken.session import SILENCE, KrakenSession
from venuekit_spec import (
    SECOND,
    BookSnapshot,
    Channel,
    Cost,
    Dial,
    Environment,
    Flow,
    HttpRequest,
    Instant,
    Instrument,
    InstrumentTable,
    MalformedMessage,
    OrderBookSnapshot,
    Session,
    Topic,
    Unsupported,
    http,
)

MAXIMUM_REST_DEPTH: Final = 500
"""The most levels a side that REST gives."""

_server_time = Decoder(ServerTime)
_pairs = Decoder(dict[str, Raw])
_depths = Decoder(dict[str, Depth])


class KrakenDataSource:
    """The public side in one environment, which needs a "rest" and a "stream" URL. Raises `LocalError` without them."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Every spot market, with its trading rules."""
        response = yield from http(self._get("AssetPairs"))
        pairs = result(response, "AssetPairs", _pairs)
        return read_instruments(pairs)

    def server_time(self) -> Flow[Instant]:
        """The venue's clock. It tells whole seconds, cut: the true time is up to one second later."""
        response = yield from http(self._get("Time"))
        return result(response, "Time", _server_time).unixtime * SECOND

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """The book by REST, for audits: without an id, and up to 500 levels a side.

        Raises `Unsupported` for anything that is not a book.
        """
        depth = BOOK_DEPTHS.get(topic.variant) if topic.channel is Channel.BOOK else None
        if depth is None:
            raise Unsupported(f"{VENUE} has no REST snapshot of {topic}")
        depth = min(depth, MAXIMUM_REST_DEPTH)
        pair = quote(instrument.native["rest"], safe="")
        response = yield from http(self._get(f"Depth?pair={pair}&count={depth}"))
        books = result(response, "Depth", _depths)
        if len(books) != 1:
            raise MalformedMessage(
                f"{len(books)} books instead of one",
                venue=VENUE,
                topic="Depth",
                instrument=instrument.id,
                frame=response.body,
            )
        (book,) = books.values()
        return BookSnapshot(
            instrument=instrument.id,
            bids=[row[:2] for row in book.bids],
            asks=[row[:2] for row in book.asks],
            depth=depth,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The public socket. No protocol pings: the session's own reach the venue behind its proxy, and it answers."""
        yield from ()
        return Dial(self._stream, ping=None, silence=SILENCE)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket opened so."""
        return KrakenSession(instruments)

    def _get(self, path: str) -> HttpRequest:
        label = path.partition("?")[0]
        return HttpRequest("GET", f"{self._rest}/0/public/{path}", costs=(Cost(REST_POOL),), label=label)
