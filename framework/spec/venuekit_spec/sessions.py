"""Sessions: the protocol of one socket, without the socket.

A `Session` is made for one connection and dies with it; all state of the conversation lives there. The core tells it what
happened, with one verb each, and it returns what to make of it: messages for the books, and commands for the driver.
Everything is data, so a session runs the same on any event loop, from a tape, and under a fuzzer.

    opened    the socket is open                        feed      a frame arrived
    want      these topics are wanted now (all of them) tick      the instant asked for with `Wake` has come
    call      send this call                            answered  a flow asked for with `Run` has ended
    closed    the socket is gone; nothing may be returned that needs it

`want` always carries the complete set: the session compares it with what it asked for before. A topic that is left out and
then wanted again is subscribed again, which is how an in-band snapshot is had anew.

Pings and pongs of the WebSocket protocol are the driver's; they count as signs of life without reaching the session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen
from msgspec import Struct

from venuekit_spec.errors import VenueError
from venuekit_spec.flows import Cost, Flow, LimitReport, SocketRequest
from venuekit_spec.messages import OrderBookMessage
from venuekit_spec.orders import UserMessage
from venuekit_spec.times import Instant, Seconds
from venuekit_spec.values import fixed, shown_url


class Channel(StrEnum):
    """What can be subscribed to, in the words of the contract."""

    BOOK = "book"
    ORDERS = "orders"
    """Order by order (level 3)."""
    TOP = "top"
    TRADES = "trades"
    STATUS = "status"
    CALLS = "calls"
    """No data: a socket that takes calls (`SocketRequest`); live once it is logged in."""
    USER = "user"
    """The user stream; its topic has no instrument where the venue streams a whole account."""


@frozen(cache_hash=True)
class Topic:
    """One stream of one instrument. `variant` picks among several feeds of a channel (a depth, a speed)."""

    channel: Channel
    instrument: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.channel.value, self.instrument, self.variant) if part)


class Codec(Protocol):
    """Compressed or binary frames: reassembly before a session sees them (gzip, raw deflate, SBE)."""

    def decode(self, frame: bytes) -> Sequence[bytes]:
        """The messages in a frame: none, one or many. Raises `MalformedMessage`."""
        ...


@frozen
class Dial:
    """How to open a socket. The result of a flow: URL and token may come from a REST call.

    `ping`: seconds between protocol pings that the driver sends, None for none. `silence`: seconds without any sign of
    life after which the connection counts as dead. `lifetime`: seconds after which the venue ends it, so the core redials
    before. `secret_url`: the path carries a token too, so only scheme and host may be shown.
    `context` is what the session needs to know of it (KuCoin's ping interval, which endpoint this is).
    `codec` unpacks frames.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    subprotocols: tuple[str, ...] = ()
    compression: bool = True
    ping: Seconds | None = 20.0
    silence: Seconds | None = None
    lifetime: Seconds | None = None
    maximum_frame: int = 64 * 2**20
    secret_url: bool = False
    context: Mapping[str, str] = field(factory=dict, converter=fixed, repr=False, hash=False)
    codec: Codec | None = field(default=None, repr=False)

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: without user, query, and (`secret_url`) path."""
        return shown_url(self.url, path=not self.secret_url)

    def __repr__(self) -> str:
        return f"<Dial {self.shown_url}>"


class Send(Struct, frozen=True):
    """Send this frame: text if `str`, binary if `bytes`. The repr shows no content: it may carry a signature."""

    frame: str | bytes
    costs: tuple[Cost, ...] = ()

    def __repr__(self) -> str:
        return f"Send({len(self.frame)} {'characters' if isinstance(self.frame, str) else 'bytes'})"


class Run(Struct, frozen=True):
    """Run this flow (a token, a listen key); its result comes back through `Session.answered` under `tag`."""

    tag: str
    flow: Flow[Any]

    def __repr__(self) -> str:
        return f"Run({self.tag!r})"


class Login(Struct, frozen=True):
    """Send the frame that `Auth.login` makes, of a challenge where the venue sent one to be signed."""

    challenge: str = ""


class Sign(Struct, frozen=True):
    """Make what `Auth.topic_fields` says of this topic; it comes back through `Session.answered` under `tag`."""

    tag: str
    topic: Topic


class Wake(Struct, frozen=True):
    """Call `Session.tick` at this instant. The latest one counts; None sleeps."""

    at: Instant | None


class Redial(Struct, frozen=True):
    """This socket is done for. `planned`: it still works, open the next one first (a shutdown notice).

    `after`: not before so many seconds have passed (Kraken after maintenance).
    """

    reason: str
    planned: bool = False
    after: Seconds = 0.0


class TopicLive(Struct, frozen=True):
    """The venue confirmed this subscription."""

    topic: Topic


class TopicLost(Struct, frozen=True):
    """The venue refused or ended this subscription, and only this. `final`: asking again is useless."""

    topic: Topic
    reason: str
    final: bool = True


class Answer(Struct, frozen=True):
    """An answer to a `call`: one part of the result, or the error. ``acknowledgement``: the result is still to come."""

    key: str
    payload: Any = None
    error: VenueError | None = None
    acknowledgement: bool = False

    def __repr__(self) -> str:
        return f"Answer({self.key!r}, error={self.error!r}, acknowledgement={self.acknowledgement})"


class Heard(Struct, frozen=True):
    """A sign of life of this topic without content (a heartbeat per product)."""

    topic: Topic


Command: TypeAlias = (
    Send | Run | Login | Sign | Wake | Redial | TopicLive | TopicLost | Answer | Heard | LimitReport
)
Output: TypeAlias = OrderBookMessage | UserMessage | Command
Outputs: TypeAlias = Sequence[Output]

NOTHING: tuple[Output, ...] = ()


class Session(Protocol):
    """The conversation on one socket. Every verb is synchronous, does no I/O, and may raise `MalformedMessage` only.

    A `MalformedMessage` costs that frame and nothing else: the session stays usable.
    """

    def opened(self, now: Instant) -> Outputs:
        """The socket is open: log in, configure, say nothing."""
        ...

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Subscribe and unsubscribe until exactly `topics` are subscribed. May come before `opened` has settled.

        A topic that was lost, and not for good, is asked for again when it is wanted again.
        """
        ...

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Send a call; its `Answer` comes out of a later verb. Raises `Unsupported` where the socket takes none."""
        ...

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A data frame arrived, text or binary, reassembled by the driver."""
        ...

    def tick(self, now: Instant) -> Outputs:
        """The instant of the last `Wake` has come."""
        ...

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """What `Run` or `Sign` asked for is there: `result`, which is a `VenueError` if it failed."""
        ...

    def closed(self, reason: str) -> None:
        """The socket is gone. Pending calls become unknown; the core sees to that."""
        ...
