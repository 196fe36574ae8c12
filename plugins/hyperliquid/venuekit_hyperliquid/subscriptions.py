"""Subscriptions on one socket: what is wanted, and what the venue knows of it.

A *stream* is one type of one coin; the venue knows no finer name in its data, so a coin's two kinds of book are one stream.
Requests have no number and are answered by what they name. Each stream is in one phase:

========  =====================  =================  ====================  ==================  ====================
phase     wanted                 no longer wanted   its turn to send      answered            data
========  =====================  =================  ====================  ==================  ====================
(none)    -> WAITING                                                                          dropped
WAITING                          -> (none)          subscribe -> ASKED                        passed on
ASKED                            -> PARTING                               TopicLive -> LIVE   passed on, -> LIVE
LIVE                             -> PARTING                                                   passed on
PARTING   remembered             forgotten          unsubscribe ->                            dropped
                                                    LEAVING
LEAVING   remembered             forgotten                                if wanted again:    dropped
                                                                          WAITING, else
                                                                          (none)
========  =====================  =================  ====================  ==================  ====================

* One frame at a time goes out, `SPACING` apart, and at most `WINDOW` requests are unanswered.
* What is not answered within `PATIENCE` is lost for now, and unsubscribed from in case it begins after all; an end that is
  not confirmed counts as one.
* An error names its request in its text, if at all. "Already" is an answer like any other; another text refuses the request
  if only one is unanswered.
* Delisted instruments, and whatever the socket or the venue is known not to have, are lost for good at once: asking for them
  would close the socket. See `suspects` for what the instrument list does not tell.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.json import encode

from venuekit_hyperliquid.description import BOOK_DEPTHS, FAST
from venuekit_hyperliquid.payloads import (
    PING,
    SUBSCRIPTION,
    VENUE,
    Acknowledged,
    Request,
    Subscription,
)
from venuekit_hyperliquid.suspects import Suspects
from venuekit_spec import (
    NOTHING,
    UNREADABLE,
    Channel,
    Instant,
    InstrumentStatus,
    InstrumentTable,
    Output,
    Outputs,
    Seconds,
    Send,
    Topic,
    TopicLive,
    TopicLost,
    after,
)

SPACING: Final[Seconds] = 0.03
"""Between two frames of ours: 2,000 a minute are allowed."""

WINDOW: Final = 20
"""Requests that may be unanswered at once."""

PATIENCE: Final[Seconds] = 10.0
"""How long an answer is waited for."""

TYPES: Final[Mapping[Channel, str]] = MappingProxyType({
    Channel.BOOK: "l2Book",
    Channel.TRADES: "trades",
    Channel.TOP: "bbo",
})  # fmt: skip
"""What the venue calls the channels."""

ALREADY: Final[Mapping[str, str]] = MappingProxyType({
    "Already subscribed": "subscribe",
    "Already unsubscribed": "unsubscribe",
})  # fmt: skip
"""How an error begins that says that a request was carried out before."""

_Key: TypeAlias = tuple[str, str]
"""A stream in the venue's words: type and coin."""


class _Phase(Enum):
    WAITING = auto()
    ASKED = auto()
    LIVE = auto()
    PARTING = auto()
    LEAVING = auto()


_UNANSWERED: Final = frozenset({_Phase.ASKED, _Phase.LEAVING})
_ENDING: Final = frozenset({_Phase.PARTING, _Phase.LEAVING})


class _Stream(Struct):
    """What is known of a stream on the wire. `deadline` is that of the unanswered request."""

    topic: Topic
    phase: _Phase = _Phase.WAITING
    deadline: Instant = 0


class Subscriptions:
    """The streams of one connection. See the module."""

    __slots__ = (
        "_instruments",
        "_next_frame",
        "_open",
        "_refused",
        "_streams",
        "_suspects",
        "_wanted",
        "_worked",
    )

    def __init__(self, instruments: InstrumentTable, suspects: Suspects) -> None:
        self._instruments = instruments
        self._suspects = suspects
        self._wanted: dict[_Key, Topic] = {}
        self._refused: set[Topic] = set()
        self._streams: dict[_Key, _Stream] = {}
        self._open = False
        self._worked = False
        self._next_frame: Instant = 0

    @property
    def due(self) -> Instant | None:
        """When the next frame may go out or the first request has waited too long; None while nothing is to be done."""
        instants = [stream.deadline for stream in self._streams.values() if stream.phase in _UNANSWERED]
        if self._next() is not None:
            instants.append(self._next_frame)
        return min(instants, default=None)

    def opened(self, now: Instant) -> list[Output]:
        """The socket is open. Where anything is suspected, a ping shows that the socket works before that is asked for."""
        self._open = True
        probe: list[Output] = [Send(PING)] if self._suspects else []
        return [*probe, *self._advance(now)]

    def closed(self) -> None:
        """The socket is gone, and every stream with it."""
        if self._open:
            asked = [stream.topic for stream in self._streams.values() if stream.phase is _Phase.ASKED]
            self._suspects.died(asked, worked=self._worked)
        self._open = False
        self._streams.clear()

    def want(self, topics: frozenset[Topic], now: Instant) -> list[Output]:
        """Subscribe and unsubscribe until exactly `topics` are subscribed."""
        self._wanted, out = self._sort_out(topics)
        for key, stream in [*self._streams.items()]:
            if self._wanted.get(key) == stream.topic:
                continue
            if stream.phase is _Phase.WAITING:
                del self._streams[key]
            elif stream.phase not in _ENDING:
                stream.phase = _Phase.PARTING
        for key, topic in self._wanted.items():
            if key not in self._streams:
                self._streams[key] = _Stream(topic)
        return [*out, *self._advance(now)]

    def acknowledged(self, told: Acknowledged, now: Instant) -> list[Output]:
        """The venue carried a request out."""
        self._worked = True
        out = self._answered(told.method, (told.subscription.type, told.subscription.coin))
        return [*out, *self._advance(now)]

    def error(self, text: str, now: Instant) -> list[Output] | None:
        """The venue did not carry a request out. None if the text does not tell which."""
        self._worked = True
        told, _, named = text.partition(":")
        out = self._already(ALREADY[told], named) if told in ALREADY else self._refuse(text)
        return None if out is None else [*out, *self._advance(now)]

    def pong(self, now: Instant) -> list[Output]:
        """The venue answered a ping."""
        self._worked = True
        return self._advance(now)

    def data(self, type_: str, coin: str, now: Instant) -> tuple[Topic | None, Outputs]:
        """The topic that data belong to, None if to none or to one that is being left; and what they confirm."""
        stream = self._streams.get((type_, coin))
        if stream is None or stream.phase in _ENDING:
            return None, NOTHING
        if stream.phase is not _Phase.ASKED:
            return stream.topic, NOTHING
        self._worked = True
        return stream.topic, [*self._confirmed(stream), *self._advance(now)]

    def topic(self, type_: str, coin: str) -> Topic | None:
        """The topic that a stream was wanted as."""
        return self._wanted.get((type_, coin))

    def tick(self, now: Instant) -> list[Output]:
        """Give up on what has waited too long, and send what may be sent by now."""
        out: list[Output] = []
        for key, stream in [*self._streams.items()]:
            if stream.phase not in _UNANSWERED or now < stream.deadline:
                continue
            if stream.phase is _Phase.ASKED:
                stream.phase = _Phase.PARTING
                out.append(self._lost(key, f"no answer within {PATIENCE:g} s"))
            else:
                self._left(key)
        return [*out, *self._advance(now)]

    # Inside

    def _sort_out(self, topics: frozenset[Topic]) -> tuple[dict[_Key, Topic], list[Output]]:
        """The streams that `topics` come to, and the loss of those that come to none.

        A topic that is held already goes first: of two kinds of one book it is the newcomer that is refused.
        """
        held = set(self._wanted.values())
        self._refused &= topics
        wanted: dict[_Key, Topic] = {}
        lost: list[Output] = []
        for topic in sorted(topics - self._refused, key=lambda topic: (topic not in held, str(topic))):
            reason = self._obstacle(topic)
            if not reason:
                key = (TYPES[topic.channel], self._instruments[topic.instrument].native["socket"])
                if wanted.setdefault(key, topic) is topic:
                    continue
                reason = f"one kind of book per socket, and {wanted[key]} is subscribed to"
            self._refused.add(topic)
            lost.append(TopicLost(topic, reason))
        return wanted, lost

    def _obstacle(self, topic: Topic) -> str:
        """Why a topic can never be had; empty where nothing is known against it."""
        variants = BOOK_DEPTHS.keys() if topic.channel is Channel.BOOK else {""}
        if topic.channel not in TYPES or topic.variant not in variants:
            return f"{VENUE} has no such stream"
        if topic.instrument not in self._instruments:
            return f"{VENUE} has no such instrument"
        if self._instruments[topic.instrument].status is InstrumentStatus.DELISTED:
            return "the instrument is delisted"
        if self._suspects.guilty(topic):
            return "the venue closes the socket when it is asked for this"
        return ""

    def _already(self, method: str, named: str) -> list[Output] | None:
        """What an error comes to that says that a request had been carried out before."""
        try:
            subscription = SUBSCRIPTION.decode(named)
        except UNREADABLE:
            return None
        return self._answered(method, (subscription.type, subscription.coin))

    def _refuse(self, reason: str) -> list[Output] | None:
        """The only unanswered request was refused; None where it could be any of several, or none."""
        unanswered = [key for key, stream in self._streams.items() if stream.phase in _UNANSWERED]
        if len(unanswered) != 1:
            return None
        (key,) = unanswered
        stream = self._streams[key]
        if stream.phase is _Phase.LEAVING:
            self._left(key)
            return []
        self._suspects.cleared(stream.topic)
        del self._streams[key]
        return [self._lost(key, reason)]

    def _answered(self, method: str, key: _Key) -> list[Output]:
        stream = self._streams.get(key)
        if stream is None:
            return []
        if method == "subscribe" and stream.phase is _Phase.ASKED:
            return self._confirmed(stream)
        if method == "unsubscribe" and stream.phase is _Phase.LEAVING:
            self._left(key)
        return []

    def _confirmed(self, stream: _Stream) -> list[Output]:
        stream.phase = _Phase.LIVE
        self._suspects.cleared(stream.topic)
        return [TopicLive(stream.topic)]

    def _left(self, key: _Key) -> None:
        """The end of a stream is certain: it may begin again."""
        del self._streams[key]
        if key in self._wanted:
            self._streams[key] = _Stream(self._wanted[key])

    def _lost(self, key: _Key, reason: str) -> TopicLost:
        """Not to be had for now: it is asked for again when it is wanted again."""
        return TopicLost(self._wanted.pop(key), reason, final=False)

    def _advance(self, now: Instant) -> list[Output]:
        """Send the next frame if it is time for one."""
        key = self._next() if now >= self._next_frame else None
        if key is None:
            return []
        stream = self._streams[key]
        asking = stream.phase is _Phase.WAITING
        stream.phase = _Phase.ASKED if asking else _Phase.LEAVING
        stream.deadline = after(now, PATIENCE)
        self._next_frame = after(now, SPACING)
        type_, coin = key
        named = Subscription(type_, coin, fast=True if stream.topic.variant == FAST else None)
        return [Send(encode(Request("subscribe" if asking else "unsubscribe", named)).decode())]

    def _next(self) -> _Key | None:
        """The stream that the next frame is about: one to be left, then one to be had, a suspected one last and alone."""
        if not self._open:
            return None
        unanswered = 0
        best: dict[int, _Key] = {}
        for key, stream in self._streams.items():
            phase, suspected = stream.phase, stream.topic in self._suspects
            if phase in _UNANSWERED:
                unanswered += 1
                if suspected and phase is _Phase.ASKED:
                    return None
            elif phase is _Phase.PARTING:
                best.setdefault(0, key)
            elif phase is _Phase.WAITING:
                best.setdefault(2 if suspected else 1, key)
        if unanswered >= WINDOW or not best:
            return None
        rank = min(best)
        return best[rank] if rank < 2 or (self._worked and not unanswered) else None
