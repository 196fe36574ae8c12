"""Public data over REST (the list of markets), and what its refusals mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from venuekit_bitfinex.instruments import read_instruments
from venuekit_bitfinex.payloads import VENUE
from venuekit_bitfinex.session import BitfinexSession
from venuekit_spec.errors import RateLimited, Refused, VenueError, VenueUnavailable
from venuekit_spec.flows import Cost, Flow, HttpRequest, HttpResponse, LimitReport, http
from venuekit_spec.instruments import Instrument, InstrumentTable
from venuekit_spec.listening import PublicData
from venuekit_spec.sessions import Dial, Session

REQUESTS: Final = "requests"
"""The rate limit that every request takes from."""

LISTS: Final = "conf/pub:list:pair:exchange,pub:info:pair,pub:map:currency:sym"

LIMITED: Final = (b"ERR_RATE_LIMIT", b"ratelimit")
BLOCK: Final = 60.0  # seconds that an address above a limit is refused


class BitfinexData(PublicData):
    """The public side in one environment. Heartbeats of its channels are the signs of life of a socket."""

    ping = None
    silence = 40.0

    def instruments(self) -> Flow[Sequence[Instrument]]:
        """Every pair of the exchange wallet, in one request."""
        request = HttpRequest("GET", f"{self.rest}/{LISTS}", costs=(Cost(REQUESTS),), label="conf")
        response = yield from http(request)
        if error := refusal(response):
            raise error
        return read_instruments(response.body)

    def session(self, dial: Dial, instruments: InstrumentTable) -> Session:
        """A fresh session for a socket dialled so."""
        return BitfinexSession(instruments)


def refusal(response: HttpResponse) -> VenueError | None:
    """What a response refuses. A business error has status 500 too, and says that it is one; any other is an outage."""
    if response.status == 200:
        return None
    if response.status == 429 or any(word in response.body for word in LIMITED):
        return RateLimited("too many requests", venue=VENUE, code="11010", retry_after=BLOCK)
    kind = Refused if response.body.startswith(b'["error"') else VenueUnavailable
    return kind(f"HTTP {response.status}: {response.body[:80]!r}", venue=VENUE, code=str(response.status))


def limit_report(response: HttpResponse) -> LimitReport:
    """The pause that a refusal means."""
    return LimitReport(penalty=BLOCK if isinstance(refusal(response), RateLimited) else None)
