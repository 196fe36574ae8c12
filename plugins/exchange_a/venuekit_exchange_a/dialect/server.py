"""The venue: HTTP requests, handshakes, and what happens by itself.

A request passes, in this order: the ban, the route, the limits of the address, its signature, the limit of its key, the engine.
Nothing is counted while banned; whatever is refused after the limits has been counted. Every answer tells what is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from venuekit_exchange_a import endpoints as ask
from venuekit_exchange_a.description import USED
from venuekit_exchange_a.dialect.call_socket import CallSocket, method_of
from venuekit_exchange_a.dialect.keys import Keys
from venuekit_exchange_a.dialect.limits import DIALS, Limits, Usage
from venuekit_exchange_a.dialect.market_socket import MarketSocket
from venuekit_exchange_a.dialect.refusals import (
    JSON,
    PARAMETER,
    TOKEN,
    UNKNOWN_REQUEST,
    No,
    in_front,
    response,
)
from venuekit_exchange_a.dialect.requests import Requests
from venuekit_exchange_a.dialect.tokens import Tokens
from venuekit_exchange_a.dialect.user_socket import UserSocket
from venuekit_exchange_a.endpoints import ENDPOINTS, ORDERS, Endpoint
from venuekit_spec import (
    CallKind,
    Cost,
    Engine,
    HttpRequest,
    HttpResponse,
    Instant,
    RefusalKind,
    Seconds,
    ServerSession,
    VenueAccount,
)

KINDS: Final[Mapping[str, CallKind]] = {
    ask.PLACE.name: CallKind.PLACE,
    ask.AMEND.name: CallKind.AMEND,
    ask.CANCEL.name: CallKind.CANCEL,
    ask.CANCEL_BATCH.name: CallKind.CANCEL,
    ask.CANCEL_ALL.name: CallKind.CANCEL,
    ask.STATUS.name: CallKind.QUERY,
    ask.OPEN_ORDERS.name: CallKind.QUERY,
    ask.FILLS.name: CallKind.QUERY,
    ask.BALANCES.name: CallKind.QUERY,
    ask.DEPTH.name: CallKind.SNAPSHOT,
    ask.NEW_TOKEN.name: CallKind.TOKEN,
    ask.RENEW_TOKEN.name: CallKind.TOKEN,
    "subscribe": CallKind.SUBSCRIBE,
}
"""Name of an endpoint, or the ``op`` of a frame -> what fault plans call it; anything else is `CallKind.OTHER`."""

STREAM: Final = "/v1/stream"
CALLS: Final = "/v1/calls"
USER: Final = "/v1/user/"

_ROUTES: Final = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}


class _Client:
    """Who asks, as far as that has been found out: the account, empty where it has not."""

    account = ""


class ExchangeADialect:
    """Exchange A's protocol over one engine. `usage` is what the venue has counted."""

    def __init__(self, engine: Engine, accounts: Iterable[VenueAccount]) -> None:
        self._limits = Limits()
        self._keys = Keys(accounts)
        self._tokens = Tokens()
        self._requests = Requests(engine, self._limits, self._keys, self._tokens)

    @property
    def usage(self) -> Usage:
        """What the venue has counted since it started."""
        return self._limits.usage

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request."""
        client = _Client()
        try:
            payload = self._answer(request, client, now)
        except No as no:
            return response(no, self._used(client, now))
        return HttpResponse(200, msgspec.json.encode(payload), {**JSON, **self._used(client, now)})

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A handshake: the session of its socket, or the refusal."""
        try:
            return self._socket(urlsplit(request.url).path, now)
        except No as no:
            return response(no)

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        if isinstance(message, HttpRequest):
            endpoint = _ROUTES.get((message.method.upper(), urlsplit(message.url).path))
            return KINDS.get(endpoint.name, CallKind.OTHER) if endpoint else CallKind.OTHER
        return KINDS.get(method_of(message), CallKind.OTHER)

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the venue words a refusal that comes before everything."""
        return response(in_front(kind, wait))

    def expire_tokens(self, now: Instant) -> None:
        """Every token is worthless from now on; sockets learn it when they are ticked, or with the next event."""
        self._tokens.expire(now)

    def tick(self, now: Instant) -> Instant | None:
        """Let the dead man's switches go off that are due; when the next one is."""
        return self._requests.go_off(now)

    def _answer(self, request: HttpRequest, client: _Client, now: Instant) -> Any:
        """The payload of the answer; `client` learns who asks. Raises `No`."""
        self._limits.check_ban(now)
        url = urlsplit(request.url)
        endpoint = _ROUTES.get((request.method.upper(), url.path))
        if endpoint is None:
            self._limits.take(_UNROUTED, "", now)
            raise No(UNKNOWN_REQUEST, "no such request", 404)
        self._limits.take(_costs(endpoint, of_orders=False), "", now)
        params = _parameters(url.query)
        if endpoint.signed:
            headers = dict(request.headers)
            client.account = self._keys.request(endpoint, headers, url.query, params, now)
        self._limits.take(_costs(endpoint, of_orders=True), client.account, now)
        return self._requests.handle(endpoint, params, client.account, now)

    def _socket(self, path: str, now: Instant) -> ServerSession:
        """The session of a socket at this path. Raises `No`."""
        self._limits.check_ban(now)
        self._limits.take((Cost(DIALS),), "", now)
        if path == STREAM:
            return MarketSocket(self._requests.engine)
        if path == CALLS:
            return CallSocket(self._requests, self._limits, self._keys)
        if not path.startswith(USER):
            raise No(UNKNOWN_REQUEST, "no such socket", 404)
        token = path.removeprefix(USER)
        account = self._tokens.account(token, now)
        if not account:
            raise No(TOKEN, "no such token", 401)
        return UserSocket(self._requests.engine, self._tokens, token, account)

    def _used(self, client: _Client, now: Instant) -> dict[str, str]:
        """The headers that tell what is used."""
        pools = {header: pool for header, pool in USED.items() if client.account or pool != ORDERS}
        return {header: str(self._limits.used(pool, client.account, now)) for header, pool in pools.items()}


def _costs(endpoint: Endpoint, *, of_orders: bool) -> tuple[Cost, ...]:
    """What a request takes from the pools of its address, or (`of_orders`) of its key."""
    return tuple(cost for cost in endpoint.costs if (cost.pool == ORDERS) is of_orders)


_UNROUTED: Final = ask.TIME.costs
"""What a request for nothing costs."""


def _parameters(query: str) -> dict[str, str]:
    """The parameters of a query, decoded. Raises `No`."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict"))
    except ValueError:
        raise No(PARAMETER, "the query cannot be read") from None
