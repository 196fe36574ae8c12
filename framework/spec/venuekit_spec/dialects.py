"""Dialects: a venue's protocol seen from the venue, without I/O. The mirror of a connector.

A local venue (venuekit-simulator) has an engine that matches orders and keeps accounts, and a shell that speaks HTTP and
WebSocket. Between the two stands a dialect: it turns one venue's requests into calls of the engine, and what the engine
tells into that venue's replies and frames. Like a connector it is pure: bytes in, values out, `now` an argument.

A connector ships its dialect under an entry point of the group ``venuekit.dialects`` whose name is the venue id and whose
value is a module (or an object) that satisfies `DialectPlugin`::

    [project.entry-points."venuekit.dialects"]
    my_venue = "venuekit_my_venue.dialect"

What a dialect may ask of the engine, and hears of it, stands in `venuekit_spec.engines`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen
from msgspec import Struct

from venuekit_spec.auth import Credentials
from venuekit_spec.engines import Engine, EngineEvent
from venuekit_spec.flows import HttpRequest, HttpResponse
from venuekit_spec.instruments import Instrument
from venuekit_spec.orders import (
    FeeRates,
)
from venuekit_spec.sessions import Send, Wake
from venuekit_spec.times import Instant, Seconds
from venuekit_spec.values import fixed

DIALECTS: Final = "venuekit.dialects"
"""Entry-point group of dialects; the entry's name is the venue id."""


# What a local venue starts with


STANDARD_FEES: Final = FeeRates(maker=Decimal("0.001"), taker=Decimal("0.002"))


@frozen
class Listing:
    """An instrument that the local venue lists: where its price begins, and what its trades cost."""

    instrument: Instrument
    price: Decimal
    fees: FeeRates = STANDARD_FEES


@frozen
class VenueAccount:
    """An account of the local venue: its name there, the keys that open it, and what it holds (by asset)."""

    name: str
    credentials: Credentials
    balances: Mapping[str, Decimal] = field(factory=dict, converter=fixed, hash=False)


# What a dialect answers


class CallKind(StrEnum):
    """What a request is about: fault plans choose by it, the same on every venue."""

    PLACE = "place"
    CANCEL = "cancel"
    AMEND = "amend"
    QUERY = "query"
    """Private reads: orders, fills, balances."""
    SNAPSHOT = "snapshot"
    """A book asked for."""
    TOKEN = "token"  # noqa: S105  # a kind of call
    SUBSCRIBE = "subscribe"
    CONNECT = "connect"
    """The handshake of a socket; a dialect is not asked what it is."""
    OTHER = "other"


class RefusalKind(StrEnum):
    """Refusals that come from in front of the venue, whatever was asked."""

    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"


class Hangup(Struct, frozen=True):
    """Close this socket, with a code and a reason of the WebSocket protocol; what was said before still arrives.

    Code 0 is an end without a goodbye: the connection is gone, and the client's side makes 1006 of it.
    """

    code: int = 1000
    reason: str = ""


class Ping(Struct, frozen=True):
    """A ping of the WebSocket protocol: a sign of life that no session sees. Its pong is not told."""


ServerOutput: TypeAlias = Send | Wake | Ping | Hangup
ServerOutputs: TypeAlias = Sequence[ServerOutput]


class ServerSession(Protocol):
    """One client's socket, on the venue's side. State lives here; it dies with the socket."""

    def opened(self, now: Instant) -> ServerOutputs:
        """The handshake is done: a welcome, or nothing."""
        ...

    def feed(self, frame: str | bytes, now: Instant) -> ServerOutputs:
        """A frame of the client, text or binary; the replies to it. Never raises: nonsense is answered as the venue does."""
        ...

    def event(self, event: EngineEvent, now: Instant) -> ServerOutputs:
        """Something happened at the venue; what this client is to hear of it."""
        ...

    def tick(self, now: Instant) -> ServerOutputs:
        """The instant of the last `Wake` has come."""
        ...

    def closed(self) -> None:
        """The socket is gone."""
        ...


@runtime_checkable
class RefusingSession(ServerSession, Protocol):
    """A session that can word the refusal of one frame, where the venue takes calls by socket.

    The local venue closes a socket (1013, "try again later") whose session cannot.
    """

    def refuse(self, frame: str | bytes, kind: RefusalKind, wait: Seconds, now: Instant) -> ServerOutputs:
        """How the venue refuses this frame before everything, as `Dialect.refusal` does a request by HTTP."""
        ...


class Dialect(Protocol):
    """One venue's protocol over one engine. Made anew when the venue restarts: what only lived in its memory is gone.

    `now` is the venue's time. Headers of requests are lower case, their URLs absolute or beginning with the path.
    """

    def http(self, request: HttpRequest, now: Instant) -> HttpResponse:
        """Answer a request. Never raises: nonsense is answered as the venue does."""
        ...

    def connect(self, request: HttpRequest, now: Instant) -> ServerSession | HttpResponse:
        """A client's WebSocket handshake (its GET request): the session of its socket, or the refusal."""
        ...

    def kind(self, message: HttpRequest | str | bytes) -> CallKind:
        """What a request, or a frame of a client, is about."""
        ...

    def refusal(self, kind: RefusalKind, wait: Seconds, now: Instant) -> HttpResponse:
        """How the venue words a refusal that comes before everything; `wait` is how long it lasts (0: not told)."""
        ...

    def expire_tokens(self, now: Instant) -> None:
        """Every token of a private stream is worthless from now on, and sockets that live by one learn it as they would."""
        ...

    def tick(self, now: Instant) -> Instant | None:
        """Do what is due (blocks, timers of the venue); when to be called next, None for no need.

        Called once before anything else, and after every call of `http` and `feed` too.
        """
        ...


@runtime_checkable
class ReversibleDialect(Dialect, Protocol):
    """A dialect of a venue whose blocks can be undone: it can be told to undo one."""

    def undo_block(self) -> None:
        """The last block is undone by the next one: its trades are taken back."""
        ...


class DialectPlugin(Protocol):
    """What the entry point of a dialect names."""

    def listings(self) -> Sequence[Listing]:
        """What a fresh venue lists."""
        ...

    def accounts(self) -> Sequence[VenueAccount]:
        """The accounts of a fresh venue; the first is the one that examples use. Their keys open nothing anywhere else."""
        ...

    def serve(self, engine: Engine) -> Dialect:
        """The venue's protocol over this engine."""
        ...


__all__ = [
    "DIALECTS",
    "STANDARD_FEES",
    "CallKind",
    "Dialect",
    "DialectPlugin",
    "Hangup",
    "Listing",
    "Ping",
    "RefusalKind",
    "RefusingSession",
    "ReversibleDialect",
    "ServerOutput",
    "ServerOutputs",
    "ServerSession",
    "VenueAccount",
]
