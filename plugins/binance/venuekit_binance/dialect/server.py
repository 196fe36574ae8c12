"""The venue: public requests by HTTP, and handshakes.

A request passes, in this order: its route, the weight of its address, its parameters, the engine. Every answer of a route
tells the weight that is used in this minute; windows are aligned to the clock.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from venuekit_binance.data_source import DEEPEST, DEPTH_WEIGHTS
from venuekit_binance.description import POOLS
from venuekit_binance.dialect.listings import listed, number
from venuekit_binance.dialect.market_stream import MarketStream, Method, method_of
from venuekit_spec import (
    MICROSECOND,
    MILLISECOND,
    SECOND,
    CallKind,
    Engine,
    HttpRequest,
    HttpResponse,
    Instant,
    RefusalKind,
    Seconds,
    ServerSession,
)

API: Final = "/api/v3/"
USUAL_LEVELS: Final = 100
"""Levels of a book where the request names no limit."""

MINUTE: Final = 60 * SECOND
CAPACITIES: Final = {pool.name: int(pool.capacity) for pool in POOLS}
WEIGHT: Final = CAPACITIES["REQUEST_WEIGHT"]

JSON: Final = {"content-type": "application/json;charset=UTF-8"}

Parameters: TypeAlias = Mapping[str, str]


class No(Exception):
    """What ends a request: a status, a code and a text of the venue's."""

    def __init__(self, code: int, message: str, status: int = 400, wait: Seconds = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.wait = wait

    def response(self, headers: Mapping[str, str] = MappingProxyType({})) -> HttpResponse:
        """It, as the venue answers it."""
        pause = {"retry-after": str(math.ceil(self.wait))} if self.wait > 0 else {}
        body = msgspec.json.encode({"code": self.code, "msg": self.message})
        return HttpResponse(self.status, body, {**JSON, **headers, **pause})


NOT_FOUND: Final = HttpResponse(404, b"<html><body><h2>404 Not found</h2></body></html>")
"""There is no such path: a page, and no error of the venue's."""


class BinanceDialect:
    """Binance's public protocol over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._window = 0
        self._used = 0
        self._routes: Mapping[str, Callable[[HttpRequest, Parameters, Instant], Any]] = {
            "ping": self._ping,
            "time": self._time,
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
        }

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        url = urlsplit(request.url)
        route = self._routes.get(url.path.removeprefix(API)) if url.path.startswith(API) else None
        if route is None or request.method.upper() != "GET":
            return NOT_FOUND
        try:
            body = msgspec.json.encode(route(request, _parameters(url.query), now))
        except No as no:
            return no.response(self._told())
        return HttpResponse(200, body, {**JSON, **self._told()})

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: ``/stream`` wraps its events, ``/ws`` does not; both may name streams."""
        url = urlsplit(request.url)
        first, _, rest = url.path.removeprefix("/").partition("/")
        if first == "stream" and not rest:
            named = dict(parse_qsl(url.query)).get("streams", "")
            return MarketStream(self._engine, filter(None, named.split("/")), wrapped=True)
        if first == "ws":
            return MarketStream(self._engine, filter(None, rest.split("/")), wrapped=False)
        return NOT_FOUND

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest):
            snapshot = urlsplit(message.url).path == f"{API}depth"
            return CallKind.SNAPSHOT if snapshot else CallKind.OTHER
        return CallKind.SUBSCRIBE if method_of(message) == Method.SUBSCRIBE else CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the venue words a refusal that comes before everything."""
        if kind is RefusalKind.OVERLOADED:
            return No(-1008, "Server is currently overloaded with other requests.", 503).response()
        if kind is RefusalKind.BANNED:
            until = (now + round(wait * SECOND)) // MILLISECOND
            return No(-1003, f"Way too many requests; IP banned until {until}.", 418, wait).response()
        return _too_heavy(wait).response()

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: public data need none."""

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None

    # Requests

    def _ping(self, _request: HttpRequest, parameters: Parameters, now: Instant) -> Any:
        self._take(1, now)
        _only(parameters)
        return {}

    def _time(self, request: HttpRequest, parameters: Parameters, now: Instant) -> Any:
        self._take(1, now)
        _only(parameters)
        finer = dict(request.headers).get("x-mbx-time-unit", "").upper() == "MICROSECOND"
        return {"serverTime": now // (MICROSECOND if finer else MILLISECOND)}

    def _exchange_info(self, _request: HttpRequest, parameters: Parameters, now: Instant) -> Any:
        self._take(20, now)
        _only(parameters, "symbol")
        instruments = self._engine.instruments
        wanted = [self._instrument(parameters)] if "symbol" in parameters else [*instruments]
        return {
            "timezone": "UTC",
            "serverTime": now // MILLISECOND,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT},
                {
                    "rateLimitType": "RAW_REQUESTS",
                    "interval": "MINUTE",
                    "intervalNum": 5,
                    "limit": CAPACITIES["RAW_REQUESTS"],
                },
            ],
            "exchangeFilters": [],
            "symbols": [listed(instruments[id_]) for id_ in wanted],
        }

    def _depth(self, _request: HttpRequest, parameters: Parameters, now: Instant) -> Any:
        told = parameters.get("limit", str(USUAL_LEVELS))
        limit = min(int(told), DEEPEST) if told.isascii() and told.isdecimal() and len(told) < 10 else 0
        self._take(next(weight for deepest, weight in DEPTH_WEIGHTS if limit <= deepest), now)
        _only(parameters, "symbol", "limit")
        if not limit:
            raise No(-1100, "Illegal characters found in parameter 'limit'.")
        book = self._engine.book(self._instrument(parameters), limit)
        return {
            "lastUpdateId": book.id,
            "bids": [(number(price), number(size)) for price, size in book.bids],
            "asks": [(number(price), number(size)) for price, size in book.asks],
        }

    # Inside

    def _instrument(self, parameters: Parameters) -> str:
        """The canonical id of the symbol that is named. Raises `No`."""
        symbol = parameters.get("symbol")
        if not symbol:
            raise No(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        id_ = self._engine.instruments.ids_by_native("rest").get(symbol)
        if id_ is None:
            raise No(-1121, "Invalid symbol.")
        return id_

    def _take(self, weight: int, now: Instant) -> None:
        """Count a request. Raises `No` where it is one too many; those are counted too."""
        window = now // MINUTE
        if window != self._window:
            self._window, self._used = window, 0
        self._used += weight
        if self._used > WEIGHT:
            raise _too_heavy((MINUTE - now % MINUTE) / SECOND)

    def _told(self) -> dict[str, str]:
        used = str(self._used)
        return {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}


def _too_heavy(wait: Seconds) -> No:
    return No(-1003, f"Too many requests; current limit of weight is {WEIGHT} per 1 MINUTE.", 429, wait)


def _parameters(query: str) -> Parameters:
    """The parameters of a query, decoded; what cannot be read is left out."""
    return dict(parse_qsl(query, keep_blank_values=True))


def _only(parameters: Parameters, *known: str) -> None:
    """Refuse parameters that the route does not read. Raises `No`."""
    read = len(parameters.keys() & set(known))
    if read < len(parameters):
        raise No(
            -1104,
            f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(parameters)}'.",
        )
