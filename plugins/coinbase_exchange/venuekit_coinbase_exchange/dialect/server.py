"""The venue: public requests, and handshakes. A refusal is a status and a text; there are no codes.

https://docs.cdp.coinbase.com/exchange/rest-api/requests
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from venuekit_coinbase_exchange.dialect.feed import Feed, method_of
from venuekit_coinbase_exchange.dialect.keys import Keys
from venuekit_coinbase_exchange.dialect.listings import listed, text
from venuekit_coinbase_exchange.dialect.tape import Tape, moment, uuid
from venuekit_spec import (
    SECOND,
    CallKind,
    Engine,
    HttpRequest,
    HttpResponse,
    Instant,
    InstrumentStatus,
    RefusalKind,
    Seconds,
    ServerSession,
    Side,
    VenueAccount,
)

JSON: Final = {"content-type": "application/json; charset=utf-8"}

REFUSALS: Final[Mapping[RefusalKind, tuple[int, str]]] = MappingProxyType({
    RefusalKind.OVERLOADED: (503, "Service Unavailable"),
    RefusalKind.RATE_LIMITED: (429, "Public rate limit exceeded"),
    RefusalKind.BANNED: (429, "Public rate limit exceeded"),
})  # fmt: skip
"""How the venue words a refusal that comes before everything; it documents no bans."""


class No(Exception):
    """What ends a request: a status and a text of the venue's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class CoinbaseExchangeDialect:
    """Coinbase Exchange's market data over one engine."""

    def __init__(self, engine: Engine, accounts: Iterable[VenueAccount]) -> None:
        self._engine = engine
        self._tape = Tape(engine)
        self._keys = Keys(accounts)

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        url = urlsplit(request.url)
        path = [unquote(part) for part in url.path.strip("/").split("/")]
        try:
            return _response(200, self._answer(request.method, path, dict(parse_qsl(url.query)), now))
        except No as no:
            return _response(no.status, {"message": no.message})

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: one socket for every channel."""
        if urlsplit(request.url).path.strip("/"):
            return _response(404, {"message": "NotFound"})
        return Feed(self._engine, self._tape, self._keys)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest):
            return CallKind.SNAPSHOT if urlsplit(message.url).path.endswith("/book") else CallKind.OTHER
        return CallKind.SUBSCRIBE if method_of(message) == "subscribe" else CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the venue words a refusal that comes before everything."""
        status, message = REFUSALS[kind]
        pause = {"retry-after": str(math.ceil(wait))} if wait > 0 else {}
        return _response(status, {"message": message}, pause)

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: a login needs no token, and lasts as long as its connection."""

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None

    # Requests

    def _answer(self, method: str, path: list[str], query: Mapping[str, str], now: Instant) -> Any:
        """Raises `No`."""
        if method.upper() == "GET":
            match path:
                case ["time"]:
                    return {"iso": moment(now), "epoch": now / SECOND}
                case ["products"]:
                    return [listed(each) for each in self._engine.instruments.values()]
                case ["products", product]:
                    return listed(self._engine.instruments[self._instrument(product)])
                case ["products", product, "book"]:
                    return self._book(self._instrument(product), query.get("level", "1"), now)
                case _:
                    pass
        raise No("NotFound", 404)

    def _book(self, id_: str, level: str, now: Instant) -> Any:
        """A book: the best prices, all of them, or every order. Raises `No`."""
        if level not in {"1", "2", "3"}:
            raise No("Invalid level")
        orders = self._engine.resting(id_)
        bids: list[tuple[Any, ...]]
        asks: list[tuple[Any, ...]]
        if level == "3":
            bids, asks = (
                [(each.price, each.size, uuid(each.order_id)) for each in orders if each.side is side]
                for side in (Side.BUY, Side.SELL)
            )
        else:
            counts = Counter((order.side, Decimal(order.price)) for order in orders)
            image = self._engine.book(id_, 1 if level == "1" else None)
            bids, asks = (
                [(text(price), text(size), max(counts[side, price], 1)) for price, size in rows]
                for side, rows in ((Side.BUY, image.bids), (Side.SELL, image.asks))
            )
        return {
            "sequence": self._tape.sequence(id_),
            "bids": bids,
            "asks": asks,
            "auction_mode": self._engine.instruments[id_].status is InstrumentStatus.AUCTION,
            "auction": None,
            "time": moment(now),
        }

    def _instrument(self, product: str) -> str:
        """The canonical id of a product. Raises `No`."""
        id_ = self._engine.instruments.ids_by_native("rest").get(product)
        if id_ is None:
            raise No("NotFound", 404)
        return id_


def _response(status: int, payload: Any, headers: Mapping[str, str] = MappingProxyType({})) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode(payload), {**JSON, **headers})
