"""Public data over REST: the clock, the instruments, books, and where the socket is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import quote

from msgspec.json import Decoder
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
    Session,
    Topic,
    Unsupported,
    decode,
    http,
)

from {{ cookiecutter.__package }}.errors import raise_for_error
from {{ cookiecutter.__package }}.instruments import SYMBOL, read_instruments
from {{ cookiecutter.__package }}.payloads import REQUESTS, VENUE, Book, ServerTime
from {{ cookiecutter.__package }}.session import VenueSession

_time = Decoder(ServerTime)
_book = Decoder(Book)


class VenueData:
    """The public side in one environment. Raises `LocalError` if it lacks a "rest" or a "stream" URL."""

    def __init__(self, environment: Environment) -> None:
        self._rest = environment.url("rest")
        self._stream = environment.url("stream")

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /instruments."""
        response = yield from self._get("instruments", "instruments")
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /time, to the millisecond."""
        response = yield from self._get("time", "time")
        return decode(_time, response.body, "time", venue=VENUE).time * MILLISECOND

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /book. Raises `Unsupported` at the first step for what is no book of levels."""
        if topic.channel is not Channel.BOOK:
            raise Unsupported(f"there is no snapshot of {topic}")
        response = yield from self._get("book", f"book?symbol={quote(instrument.native[SYMBOL], safe='')}")
        book = decode(_book, response.body, "book", venue=VENUE)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            last=book.id,
            received=response.received,
        )

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The public stream, without a request; the session subscribes on it."""
        yield from ()
        return Dial(self._stream, ping=15.0, silence=40.0)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return VenueSession(instruments)

    def _get(self, label: str, path: str) -> Flow[HttpResponse]:
        request = HttpRequest("GET", f"{self._rest}/{path}", costs=(Cost(REQUESTS),), label=label)
        response = yield from http(request)
        raise_for_error(response, label)
        return response
