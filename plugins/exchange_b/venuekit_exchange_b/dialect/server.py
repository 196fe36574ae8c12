"""The dialect: HTTP requests, handshakes, and time. PROTOCOL.md, "REST" and "Sockets"."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from venuekit_exchange_b.description import BOOK, ONE
from venuekit_exchange_b.dialect import refusals
from venuekit_exchange_b.dialect.account_socket import AccountSocket
from venuekit_exchange_b.dialect.chain import Chain
from venuekit_exchange_b.dialect.limits import Limits
from venuekit_exchange_b.dialect.market_socket import MarketSocket
from venuekit_exchange_b.dialect.refusals import JSON, No, in_front, refused
from venuekit_exchange_b.dialect.requests import CHAIN, Requests
from venuekit_exchange_b.dialect.signers import Signers
from venuekit_spec import (
    UNREADABLE,
    CallKind,
    HttpRequest,
    HttpResponse,
    Instant,
    RefusalKind,
    Seconds,
    ServerSession,
)

API: Final = "/v1/"
ACTIONS: Final = "actions"

KINDS: Final[Mapping[str, CallKind]] = MappingProxyType({
    "place": CallKind.PLACE,
    "cancel": CallKind.CANCEL,
    "login": CallKind.TOKEN,
    "subscribe": CallKind.SUBSCRIBE,
    "unsubscribe": CallKind.SUBSCRIBE,
    "book": CallKind.SNAPSHOT,
    "order": CallKind.QUERY,
    "orders": CallKind.QUERY,
    "fills": CallKind.QUERY,
    "balances": CallKind.QUERY,
    "positions": CallKind.QUERY,
    "funding": CallKind.QUERY,
    "fees": CallKind.QUERY,
})  # fmt: skip
"""By the type of an action, the operation of a demand, or what is asked for."""


class _Typed(Struct, frozen=True):
    type: str = ""


class _Sketch(Struct, frozen=True):
    """What a message is about, an envelope or a demand."""

    action: _Typed = _Typed()
    op: str = ""


_sketch = msgspec.json.Decoder(_Sketch)


class ExchangeBDialect:
    """Exchange B's protocol over one chain. `limits` counts what was asked."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.limits = Limits()
        self.signers = Signers(chain.accounts, CHAIN)
        self._requests = Requests(chain, self.signers)
        self._challenges = itertools.count()
        self._epoch = 0
        self._started = False

    def undo_block(self) -> None:
        """The last block is undone by the next one: its trades are taken back, its orders return to the pool."""
        self.chain.undo_block()

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        self.tick(now)
        url = urlsplit(request.url)
        what = url.path.removeprefix(API)
        wait = self.limits.take((BOOK if what == "book" else ONE)[0].weight, now)
        if wait:
            return in_front(RefusalKind.RATE_LIMITED, wait)
        try:
            payload = self._answer(request, what, url.query, now)
        except No as no:
            return refused(no)
        return HttpResponse(200, msgspec.json.encode(payload), JSON)

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: the session of its socket, or the refusal."""
        self.tick(now)
        match urlsplit(request.url).path:
            case "/v1/stream":
                return MarketSocket(self._requests)
            case "/v1/account":
                seed = f"challenge {next(self._challenges)} {now}".encode()
                challenge = f"0x{hashlib.sha256(seed).hexdigest()}"
                return AccountSocket(self._requests, challenge, lambda: self._epoch)
            case _:
                return refused(No(refusals.UNKNOWN_REQUEST, "no such socket"))

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest) and message.method != "POST":
            return KINDS.get(urlsplit(message.url).path.removeprefix(API), CallKind.OTHER)
        try:
            sketch = _sketch.decode(message.body if isinstance(message, HttpRequest) else message)
        except UNREADABLE:
            return CallKind.OTHER
        return KINDS.get(sketch.action.type or sketch.op, CallKind.OTHER)

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the proxy in front words a refusal that comes before everything."""
        return in_front(kind, wait)

    def expire_tokens(self, now: Instant) -> None:
        """Every login is worthless from now on; sockets learn it when they are ticked."""
        self._epoch += 1

    def tick(self, now: Instant) -> Instant | None:
        """Add the blocks that are due; when the next one is."""
        if not self._started:
            self._started = True
            if any(self.chain.engine.orders(account.name) for account in self.chain.accounts):
                self.signers.start_after_another_life(now)
        return self.chain.advance(now)

    def _answer(self, request: HttpRequest, what: str, query: str, now: Instant) -> Any:
        """The payload of the answer. Raises `No`."""
        if request.method == "POST" and what == ACTIONS:
            return self._requests.act(request.body, now)
        handler = self._requests.gets.get(what)
        if request.method != "GET" or handler is None:
            raise No(refusals.UNKNOWN_REQUEST, "no such request")
        try:
            params = dict(
                parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
            )
        except ValueError:
            raise No(refusals.MALFORMED, "the query cannot be read") from None
        return handler(params, now)
