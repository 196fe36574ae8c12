"""Flows: conversations of any length, without I/O.

A connector that needs to ask something writes a generator. It yields a request, receives the answer, and returns its
result; the core owns the sockets, the pacing, the signing and the clock::

    def server_time(self) -> Flow[Instant]:
        response = yield from http(HttpRequest("GET", f"{self._rest}/api/v3/time", costs=(Cost("weight", 1),)))
        return decode(response.body).serverTime * MILLISECOND

A request that gets no answer raises at its ``yield``: `NetworkError` (and `DeadlinePassed`), or for a socket call that the
venue refused whatever error the session made of it. A flow rarely catches these: the core knows what they mean.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import Factory, evolve, field, frozen

from venuekit_spec.errors import MalformedMessage
from venuekit_spec.times import Instant, Seconds
from venuekit_spec.values import fixed, shown_url

T = TypeVar("T")


@frozen
class Cost:
    """What a request takes from one rate-limit pool. `key` picks a bucket of a pool that has many (one per pair).

    `by_age` adds weight for touching something young (Kraken's cancel): ``(younger than seconds, extra weight)``, ascending,
    measured from `since` when the request is sent; the first that holds counts.
    """

    pool: str
    weight: float = 1.0
    key: str = ""
    refunded_on_success: bool = False
    """The venue charges only failures (Binance orders since 2026-04)."""
    since: Instant | None = None
    by_age: tuple[tuple[Seconds, float], ...] = ()


@frozen
class HttpRequest:
    """One HTTP request, exactly as it goes out: `url` is absolute and already percent-encoded, `body` are the bytes.

    `signed`: the core passes it through `Auth.sign` right before the send; the signed bytes are the sent bytes.
    `nonce`: sign with this one, not with the next (to burn it, to send the identical bytes again).
    `repeatable`: sending it twice changes nothing at the venue, so a network failure may be retried. By default a GET is and
    nothing else: a venue that reads by POST says so.
    `label` names it in logs and errors. The repr shows neither query, headers nor body.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    costs: tuple[Cost, ...] = ()
    signed: bool = False
    repeatable: bool = Factory(lambda request: request.method == "GET", takes_self=True)
    nonce: int | None = None
    timeout: Seconds | None = None
    label: str = ""

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} {shown_url(self.url)}>"

    def replace(self, **changes: Any) -> HttpRequest:
        """A copy with other values, as a signer makes one."""
        return evolve(self, **changes)


@frozen
class HttpResponse:
    """What came back. Header names are lower case. `received` is the driver's instant."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict, converter=fixed, repr=False, hash=False)
    received: Instant = 0
    url: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}, {len(self.body)} bytes>"


@frozen
class SocketRequest:
    """A call with an answer on an open session (Binance's WebSocket API, Kraken, Gate, OKX, Hyperliquid ``post``).

    `key` correlates it: the session sends it along or finds it in the answer. `method` and `params` are the venue's;
    `acknowledged`: the venue answers twice, first that it has it, then the result. `deadline` is when the core stops
    waiting; the outcome is then unknown.
    """

    key: str
    method: str
    params: Mapping[str, Any] = field(factory=dict, converter=fixed, repr=False, hash=False)
    deadline: Seconds = 10.0
    costs: tuple[Cost, ...] = ()
    signed: bool = False
    repeatable: bool = False
    acknowledged: bool = False
    nonce: int | None = None
    parts: int = 1
    """How many answers make the result whole, where the venue answers once per order (Kraken's cancel)."""

    def replace(self, **changes: Any) -> SocketRequest:
        """A copy with other values, as a signer makes one."""
        return evolve(self, **changes)


@frozen
class SocketResponse:
    """The answer to a `SocketRequest`: the venue's own structure, one per part."""

    parts: tuple[Any, ...] = field(repr=False)
    received: Instant = 0


@frozen
class LimitReport:
    """What an answer says of rate limits: usage so far by pool, new capacities, and whether to stop for a while.

    `used` is the venue's count, `spent` what this answer cost beyond the request's `Cost` (Hyperliquid: per row returned).
    `key` is the bucket they are of, in pools that have many (`Cost.key`), where no request tells (Kraken's counter of a pair,
    which comes with the executions); one report tells of one bucket.
    `penalty` is the pause the venue orders (Retry-After), `banned` its harder form (418): nothing may be sent meanwhile.
    """

    used: Mapping[str, float] = field(factory=dict, converter=fixed, hash=False)
    capacities: Mapping[str, float] = field(factory=dict, converter=fixed, hash=False)
    spent: Mapping[str, float] = field(factory=dict, converter=fixed, hash=False)
    penalty: Seconds | None = None
    banned: bool = False
    key: str = ""


Request: TypeAlias = HttpRequest | SocketRequest
Response: TypeAlias = HttpResponse | SocketResponse

Flow: TypeAlias = Generator[Request, Response, T]
"""A conversation: yields requests, receives responses, returns a `T`."""


def http(request: HttpRequest) -> Flow[HttpResponse]:
    """A step of a flow, typed: ask over HTTP and have the response.

    Raises what the transport throws in; `MalformedMessage` if the core answers an HTTP request with something else.
    """
    response = yield request
    if not isinstance(response, HttpResponse):
        raise MalformedMessage("an HTTP request was not answered over HTTP", topic=request.label)
    return response


def call(request: SocketRequest) -> Flow[SocketResponse]:
    """A step of a flow, typed: ask over an open session and have the answer. Raises as `http` does."""
    response = yield request
    if not isinstance(response, SocketResponse):
        raise MalformedMessage("a socket call was not answered by a socket", topic=request.method)
    return response
