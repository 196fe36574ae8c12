"""Public data over REST: the clock, the instruments{% if cookiecutter.sync in ("range", "audit") %}, books{% endif %}. `PublicData` knows where the socket is."""

from __future__ import annotations

from collections.abc import Sequence
{%- if cookiecutter.sync in ("range", "audit") %}
from urllib.parse import quote
{%- endif %}

from msgspec.json import Decoder
from venuekit_spec import (
    MILLISECOND,
{%- if cookiecutter.sync in ("range", "audit") %}
    BookSnapshot,
    Channel,
{%- endif %}
    Cost,
    Dial,
    Flow,
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentTable,
{%- if cookiecutter.sync in ("range", "audit") %}
    OrderBookSnapshot,
{%- endif %}
    PublicData,
    Session,
{%- if cookiecutter.sync in ("range", "audit") %}
    Topic,
{%- endif %}
    decode,
    http,
)

from {{ cookiecutter.__package }}.errors import raise_for_error
from {{ cookiecutter.__package }}.instruments import {% if cookiecutter.sync in ("range", "audit") %}SYMBOL, {% endif %}read_instruments
from {{ cookiecutter.__package }}.payloads import REQUESTS, VENUE, {% if cookiecutter.sync in ("range", "audit") %}Book, {% endif %}ServerTime
from {{ cookiecutter.__package }}.session import VenueSession

_time = Decoder(ServerTime)
{%- if cookiecutter.sync in ("range", "audit") %}
_book = Decoder(Book)
{%- endif %}


class VenueData(PublicData):
    """The public side in one environment."""

    ping = 15.0
    silence = 40.0

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """GET /instruments."""
        response = yield from self._get("instruments", "instruments")
        return read_instruments(response.body)

    def server_time(self) -> Flow[Instant]:
        """GET /time, to the millisecond."""
        response = yield from self._get("time", "time")
        return decode(_time, response.body, "time", venue=VENUE).time * MILLISECOND
{%- if cookiecutter.sync in ("range", "audit") %}

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """GET /book. Raises `Unsupported` for what is no book of levels."""
        if topic.channel is not Channel.BOOK:
            return (yield from super().snapshot(topic, instrument))
        response = yield from self._get("book", f"book?symbol={quote(instrument.native[SYMBOL], safe='')}")
        book = decode(_book, response.body, "book", venue=VENUE)
        return BookSnapshot(
            instrument=instrument.id,
            bids=book.bids,
            asks=book.asks,
            last=book.id,
            received=response.received,
        )
{%- endif %}

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return VenueSession(instruments)

    def _get(self, label: str, path: str) -> Flow[HttpResponse]:
        request = HttpRequest("GET", f"{self.rest}/{path}", costs=(Cost(REQUESTS),), label=label)
        response = yield from http(request)
        raise_for_error(response, label)
        return response
