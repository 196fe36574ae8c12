"""The venue: the list of markets by REST, handshakes, and the books as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.json import encode

from venuekit_bitfinex.data_source import LISTS
from venuekit_bitfinex.dialect.public_socket import Market, PublicSocket, event_of
from venuekit_bitfinex.instruments import SYMBOL, read_instruments
from venuekit_spec import (
    CallKind,
    Engine,
    HttpRequest,
    HttpResponse,
    Instant,
    Listing,
    RefusalKind,
    Seconds,
    ServerSession,
)

PRICES: Final = {"BTCUSD": "60000", "ETHUSD": "3000", "ETHBTC": "0.05", "BTCUST": "60010", "DUSK:USD": "0.2"}
CODES: Final = (("UST", "USDt"),)
STATUSES: Final = {RefusalKind.OVERLOADED: 503, RefusalKind.RATE_LIMITED: 429, RefusalKind.BANNED: 429}
JSON: Final = {"content-type": "application/json; charset=utf-8"}


def listings() -> Sequence[Listing]:
    """Five spot markets: one of them has a colon in its name, another an asset that the venue calls otherwise."""
    body = lists((pair, Decimal("0.00004"), Decimal(2000)) for pair in PRICES)
    return [
        Listing(instrument, Decimal(price))
        for instrument, price in zip(read_instruments(body), PRICES.values(), strict=True)
    ]


def lists(markets: Iterable[tuple[str, Decimal | None, Decimal | None]]) -> bytes:
    """Pairs, with the smallest and largest size of their orders, as the venue lists them."""
    rules = [
        (pair, [None, None, None, least, most, None, None, None, 0.2, 0.1]) for pair, least, most in markets
    ]
    return encode([[pair for pair, _ in rules], rules, CODES])


class BitfinexDialect:
    """Bitfinex's public protocol over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._market = Market(engine)

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        if request.method != "GET" or urlsplit(request.url).path != f"/v2/{LISTS}":
            return _answer(["error", 10020, "request: invalid"], 500)
        told = self._engine.instruments.values()
        body = lists((each.native[SYMBOL][1:], each.size.minimum, each.size.maximum) for each in told)
        return HttpResponse(200, body, JSON)

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: one socket for everything public."""
        if urlsplit(request.url).path != "/ws/2":
            return HttpResponse(404, b"")
        return PublicSocket(self._engine, self._market)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        subscribes = not isinstance(message, HttpRequest) and event_of(message) == "subscribe"
        return CallKind.SUBSCRIBE if subscribes else CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How a refusal looks that comes before everything."""
        if kind is RefusalKind.OVERLOADED:
            return HttpResponse(STATUSES[kind], b"<html>", {"content-type": "text/html"})
        pause = {"retry-after": str(math.ceil(wait))} if wait > 0 else {}
        return HttpResponse(STATUSES[kind], b'{"error":"ERR_RATE_LIMIT"}', {**JSON, **pause})

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: public data need none."""

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None


def _answer(payload: Any, status: int) -> HttpResponse:
    return HttpResponse(status, encode(payload), JSON)
