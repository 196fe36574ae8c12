"""The venue: requests, handshakes, and what stands before them."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import {% if cookiecutter.sync in ("range", "audit") %}parse_qsl, {% endif %}urlsplit

from msgspec import Struct
from msgspec.json import Decoder, encode
from venuekit_spec import (
    MILLISECOND,
{%- if cookiecutter.auth != "none" and cookiecutter.kind == "decentralised" %}
    SECOND,
{%- endif %}
    UNREADABLE,
    CallKind,
    Engine,
{%- if cookiecutter.order_by_order == "yes" %}
    EngineEvent,
{%- endif %}
    HttpRequest,
    HttpResponse,
    Instant,
    Instrument,
    InstrumentStatus,
{%- if cookiecutter.order_by_order == "yes" %}
    OrderEvent,
{%- endif %}
    RefusalKind,
    Seconds,
    ServerSession,
)

from {{ cookiecutter.__package }}.dialect.public_socket import PublicSocket
{%- if cookiecutter.auth != "none" %}
from {{ cookiecutter.__package }}.dialect.refusals import No
from {{ cookiecutter.__package }}.dialect.requests import KINDS, Requests
from {{ cookiecutter.__package }}.dialect.user_socket import UserSocket
{%- endif %}
from {{ cookiecutter.__package }}.dialect.writing import plain{% if cookiecutter.sync in ("range", "audit") %}, rows{% endif %}
from {{ cookiecutter.__package }}.instruments import SYMBOL
from {{ cookiecutter.__package }}.payloads import (
{%- if cookiecutter.sync in ("range", "audit") %}
    Book,
{%- endif %}
    Demand,
    ErrorBody,
    InstrumentList,
    Listed,
    ServerTime,
)

STATUSES: Final = {RefusalKind.OVERLOADED: 503, RefusalKind.RATE_LIMITED: 429, RefusalKind.BANNED: 403}

JSON: Final = {"content-type": "application/json"}

_demand = Decoder(Demand)


class VenueDialect:
    """The venue's protocol over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
{%- if cookiecutter.order_by_order == "yes" %}
        self._numbers: dict[str, int] = {}
        engine.listen(self._note)
{%- endif %}
{%- if cookiecutter.auth != "none" %}
        self._requests = Requests(engine)
{%- endif %}

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        url = urlsplit(request.url)
{%- if cookiecutter.sync in ("range", "audit") %}
        query = dict(parse_qsl(url.query))
        id_ = self._engine.instruments.ids_by_native(SYMBOL).get(query.get("symbol", ""))
{%- endif %}
        if request.method == "GET" and url.path == "/time":
            return _answer(ServerTime(now // MILLISECOND))
        if request.method == "GET" and url.path == "/instruments":
            return _answer(InstrumentList([_listed(each) for each in self._engine.instruments.values()]))
{%- if cookiecutter.sync in ("range", "audit") %}
        if request.method == "GET" and url.path == "/book" and id_ is not None:
            image = self._engine.book(id_)
            return _answer(Book(query["symbol"], image.id, *rows(image)))
{%- endif %}
{%- if cookiecutter.auth != "none" %}
        try:
            return _answer(self._requests.answer(request, now))
        except No as no:
            return _answer(ErrorBody(no.code, str(no)), no.status)
{%- else %}
        return _answer(ErrorBody("unknown", "there is no such request"), 404)
{%- endif %}

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: the session of its socket, or the refusal."""
        path = urlsplit(request.url).path
        if path == "/stream":
{%- if cookiecutter.order_by_order == "yes" %}
            return PublicSocket(self._engine, self._numbers)
{%- else %}
            return PublicSocket(self._engine)
{%- endif %}
{%- if cookiecutter.auth != "none" %}
        if path == "/user":
            return UserSocket(self._requests)
{%- endif %}
        return _answer(ErrorBody("unknown", "there is no such socket"), 404)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest):
            path = urlsplit(message.url).path
{%- if cookiecutter.auth != "none" %}
            other = KINDS.get((message.method, path), CallKind.OTHER)
            return CallKind.SNAPSHOT if path == "/book" else other
{%- else %}
            return CallKind.SNAPSHOT if path == "/book" else CallKind.OTHER
{%- endif %}
        try:
            return CallKind.SUBSCRIBE if _demand.decode(message).op == "subscribe" else CallKind.OTHER
        except UNREADABLE:
            return CallKind.OTHER

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How a refusal looks that comes before everything."""
        pause = {"retry-after": str(math.ceil(wait))} if wait > 0 else {}
        return HttpResponse(STATUSES[kind], b"<html>", {"content-type": "text/html", **pause})
{%- if cookiecutter.auth != "none" %}

    def expire_tokens(self, now: Instant) -> None:
        """Every login is worthless from now on; sockets learn it when they are ticked."""
        self._requests.epoch += 1
{%- else %}

    def expire_tokens(self, now: Instant) -> None:
        """Nothing: public data need none."""
{%- endif %}
{%- if cookiecutter.auth != "none" and cookiecutter.kind == "decentralised" %}

    def tick(self, now: Instant) -> Instant | None:
        """Add a block each second: orders end with it whose height has come."""
        self._requests.expire(now)
        return (now // SECOND + 1) * SECOND
{%- else %}

    def tick(self, now: Instant) -> Instant | None:
        """Nothing happens here by itself."""
        return None
{%- endif %}
{%- if cookiecutter.order_by_order == "yes" %}

    def _note(self, event: EngineEvent) -> None:
        if isinstance(event, OrderEvent):
            self._numbers[event.instrument] = event.last or 0
{%- endif %}


def _answer(payload: Struct, status: int = 200) -> HttpResponse:
    return HttpResponse(status, encode(payload), JSON)


def _listed(instrument: Instrument) -> Listed:
    return Listed(
        instrument.native[SYMBOL],
        instrument.base,
        instrument.quote,
        plain(instrument.price.tick),
        plain(instrument.size.step),
        plain(instrument.minimum_notional or instrument.size.step),
        instrument.status is InstrumentStatus.TRADING,
    )
