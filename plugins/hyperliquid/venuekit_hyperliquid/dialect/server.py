"""The venue: one endpoint that is read by POST, and handshakes.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from venuekit_hyperliquid.description import BOOK_DEPTHS
from venuekit_hyperliquid.dialect.books import Books
from venuekit_hyperliquid.dialect.data_socket import DataSocket, method_of
from venuekit_hyperliquid.dialect.listings import BUILDERS, perpetuals, spot
from venuekit_spec import (
    MILLISECOND,
    UNREADABLE,
    CallKind,
    Engine,
    HttpRequest,
    HttpResponse,
    Instant,
    RefusalKind,
    Seconds,
    ServerSession,
)

INFO: Final = "/info"
SOCKET: Final = "/ws"

JSON: Final = {"content-type": "application/json"}
TEXT: Final = {"content-type": "text/plain; charset=utf-8"}

UNREAD: Final = HttpResponse(422, b"Failed to deserialize the JSON body into the target type", TEXT)
NOT_FOUND: Final = HttpResponse(404, b"")
NOT_ALLOWED: Final = HttpResponse(405, b"")

REFUSALS: Final[Mapping[RefusalKind, tuple[int, bytes]]] = MappingProxyType({
    RefusalKind.OVERLOADED: (503, b"Service Unavailable"),
    RefusalKind.RATE_LIMITED: (429, b"null"),
    RefusalKind.BANNED: (429, b"null"),
})  # fmt: skip
"""How a refusal looks that comes before everything; the venue bans nobody, and tells no time to wait."""


class _Ask(Struct, frozen=True):
    """``{"type":"l2Book","coin":"BTC"}``"""

    type: str
    coin: str = ""
    dex: str = ""


_ask = msgspec.json.Decoder(_Ask)


class HyperliquidDialect:
    """Hyperliquid's public protocol over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._books = Books(engine)
        self._coins = engine.instruments.ids_by_native("socket")
        self._routes: Mapping[str, Callable[[_Ask, Instant], Any]] = {
            "allPerpMetas": lambda _ask, _now: perpetuals(engine.instruments),
            "meta": self._meta,
            "spotMeta": lambda _ask, _now: spot(),
            "exchangeStatus": lambda _ask, now: {"time": now // MILLISECOND, "specialStatuses": None},
            "l2Book": self._book,
            "recentTrades": self._recent,
        }

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        if urlsplit(request.url).path != INFO:
            return NOT_FOUND
        if request.method.upper() != "POST":
            return NOT_ALLOWED
        try:
            asked = _ask.decode(request.body)
        except UNREADABLE:
            return UNREAD
        route = self._routes.get(asked.type)
        return UNREAD if route is None else HttpResponse(200, msgspec.json.encode(route(asked, now)), JSON)

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: one socket for everything."""
        if urlsplit(request.url).path != SOCKET:
            return NOT_FOUND
        return DataSocket(self._engine, self._books)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if not isinstance(message, HttpRequest):
            return CallKind.SUBSCRIBE if method_of(message) == "subscribe" else CallKind.OTHER
        try:
            return CallKind.SNAPSHOT if _ask.decode(message.body).type == "l2Book" else CallKind.OTHER
        except UNREADABLE:
            return CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How a refusal looks that comes before everything."""
        status, body = REFUSALS[kind]
        return HttpResponse(status, body, TEXT)

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: public data need none."""

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None

    # Requests

    def _meta(self, asked: _Ask, _now: Instant) -> Any:
        known = asked.dex in BUILDERS
        return perpetuals(self._engine.instruments)[BUILDERS.index(asked.dex)] if known else None

    def _book(self, asked: _Ask, now: Instant) -> Any:
        id_ = self._coins.get(asked.coin)
        return None if id_ is None else self._books.book(id_, BOOK_DEPTHS[""], now)

    def _recent(self, asked: _Ask, _now: Instant) -> Any:
        id_ = self._coins.get(asked.coin)
        return None if id_ is None else [self._books.trade(each) for each in self._books.recent(id_)]
