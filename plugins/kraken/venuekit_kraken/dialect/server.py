"""The venue: public REST, and handshakes.

What the API refuses is told with HTTP 200, as a text; what stands before it (a proxy, a guard against floods) has statuses.

https://docs.kraken.com/exchange/guides/rest/introduction
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from venuekit_kraken.data_source import MAXIMUM_REST_DEPTH
from venuekit_kraken.dialect.listings import listed, text
from venuekit_kraken.dialect.market import Market
from venuekit_kraken.dialect.public_socket import PublicSocket, method_of
from venuekit_spec import (
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

API: Final = "/0/public/"
SOCKET: Final = "/v2"
USUAL_LEVELS: Final = 100
"""Levels of a book where the request names no count."""

JSON: Final = {"content-type": "application/json; charset=utf-8"}

STATUSES: Final[Mapping[RefusalKind, int]] = MappingProxyType({
    RefusalKind.OVERLOADED: 503,
    RefusalKind.RATE_LIMITED: 429,
    RefusalKind.BANNED: 403,
})  # fmt: skip
"""How those refuse who stand before the API."""

Parameters: TypeAlias = Mapping[str, str]


class No(Exception):
    """What ends a request: a text of the venue's."""


class KrakenDialect:
    """Kraken's public protocol over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._market = Market(engine)
        self._routes: Mapping[str, Callable[[Parameters, Instant], Any]] = {
            "Time": self._time,
            "SystemStatus": self._system_status,
            "AssetPairs": self._asset_pairs,
            "Depth": self._depth,
        }

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        url = urlsplit(request.url)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            route = self._route(url.path)
            told = {"error": [], "result": route(parameters, now)}
        except No as no:
            told = {"error": [str(no)]}
        return HttpResponse(200, msgspec.json.encode(told), JSON)

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: one socket for everything public."""
        if urlsplit(request.url).path.rstrip("/") != SOCKET:
            return HttpResponse(404, b"")
        return PublicSocket(self._engine, self._market)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest):
            snapshot = urlsplit(message.url).path == f"{API}Depth"
            return CallKind.SNAPSHOT if snapshot else CallKind.OTHER
        return CallKind.SUBSCRIBE if method_of(message) == "subscribe" else CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How a refusal looks that comes before everything: it is not the API's."""
        pause = {"retry-after": str(math.ceil(wait))} if wait > 0 else {}
        return HttpResponse(STATUSES[kind], b"<html>", {"content-type": "text/html", **pause})

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: public data need none."""

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None

    # Requests

    def _route(self, path: str) -> Callable[[Parameters, Instant], Any]:
        """Who answers. Raises `No`."""
        route = self._routes.get(path.removeprefix(API)) if path.startswith(API) else None
        if route is None:
            raise No("EGeneral:Unknown method")
        return route

    def _time(self, _parameters: Parameters, now: Instant) -> Any:
        unix = now // SECOND
        stamp = datetime.fromtimestamp(unix, UTC)
        return {"unixtime": unix, "rfc1123": stamp.strftime("%a, %d %b %y %H:%M:%S +0000")}

    def _system_status(self, _parameters: Parameters, now: Instant) -> Any:
        stamp = datetime.fromtimestamp(now // SECOND, UTC)
        return {"status": "online", "timestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _asset_pairs(self, parameters: Parameters, now: Instant) -> Any:
        instruments = self._engine.instruments
        named = parameters.get("pair")
        ids = [*instruments] if named is None else [self._instrument(pair) for pair in named.split(",")]
        return {instruments[id_].native["rest"]: listed(instruments[id_]) for id_ in ids}

    def _depth(self, parameters: Parameters, now: Instant) -> Any:
        told = parameters.get("count", str(USUAL_LEVELS))
        depth = int(told) if told.isascii() and told.isdecimal() and len(told) < 5 else 0
        if not 1 <= depth <= MAXIMUM_REST_DEPTH:
            raise No("EGeneral:Invalid arguments:count")
        id_ = self._instrument(parameters.get("pair", ""))
        book = self._engine.book(id_, depth)
        changed = (
            now // SECOND
        )  # of each level the venue tells when it changed, which the engine does not know
        asks, bids = (
            [(text(price), text(size), changed) for price, size in side] for side in (book.asks, book.bids)
        )
        return {self._engine.instruments[id_].native["rest"]: {"asks": asks, "bids": bids}}

    def _instrument(self, pair: str) -> str:
        """The canonical id of a market by its REST key, its alternative name or its name on the socket. Raises `No`."""
        if not pair:
            raise No("EGeneral:Invalid arguments")
        for use in ("rest", "altname", "socket"):
            id_ = self._engine.instruments.ids_by_native(use).get(pair)
            if id_ is not None:
                return id_
        raise No("EQuery:Unknown asset pair")
