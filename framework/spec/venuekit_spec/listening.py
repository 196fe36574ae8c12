"""Listening: what connectors of public data would write alike. Inherit it and say what differs, or leave it alone.

`PublicSession` keeps the subscriptions of a socket that is told what is wanted, and hears what the venue answers. Each is a
`Stream`, in one phase:

========  ======================  ===================  ======================  =======================
phase     no longer wanted        `confirmed`          `ended`                 overdue
========  ======================  ===================  ======================  =======================
(none)    (wanted: ask -> asked)
asked     remembered              `TopicLive` -> live  `TopicLost` -> (none)   `Redial`
live      leave -> leaving                             `TopicLost` -> (none)
leaving   (wanted: remembered)                         -> (none), or asked     `Redial`
========  ======================  ===================  ======================  =======================

A stream is asked for again only once its end is confirmed: so nothing old passes for the new one's, and no venue sees it
twice. A topic that the venue does not have is lost at once, alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

from venuekit_spec.description import Environment
from venuekit_spec.errors import Unsupported
from venuekit_spec.flows import Flow, SocketRequest
from venuekit_spec.instruments import Instrument, InstrumentTable
from venuekit_spec.messages import BookSnapshot, OrderBookSnapshot
from venuekit_spec.sessions import (
    NOTHING,
    Dial,
    Output,
    Outputs,
    Redial,
    Send,
    Topic,
    TopicLive,
    TopicLost,
    Wake,
)
from venuekit_spec.times import Instant, Seconds, after


class Stream:
    """A subscription. `since` is when it was asked for or left; `id` what the venue calls it, once confirmed.

    `fresh` until the session says otherwise: nothing of it has come yet.
    """

    __slots__ = ("fresh", "id", "leaving", "live", "since", "topic")

    def __init__(self, topic: Topic, since: Instant) -> None:
        self.topic = topic
        self.since = since
        self.id: Any = None
        self.live = False
        self.leaving = False
        self.fresh = True


class PublicSession(ABC):
    """A socket that listens: see the module. A venue says its words (`greeting`, `serves`, `ask`, `leave`) and reads frames.

    Reading them, it says `confirmed` and `ended` where the venue does, and finds its streams by topic or by the venue's id.
    """

    answer_within: ClassVar[Seconds] = 30.0
    """How long an answer may take; later the socket is given up."""

    def __init__(self, instruments: InstrumentTable) -> None:
        self.instruments = instruments
        self.streams: dict[Topic, Stream] = {}
        self.by_id: dict[Any, Stream] = {}
        self._wanted: frozenset[Topic] = frozenset()
        self._open = False

    # What a venue says

    def greeting(self) -> Outputs:
        """What comes before any subscription."""
        return NOTHING

    @abstractmethod
    def serves(self, topic: Topic) -> bool:
        """Whether the venue has this topic, of an instrument that it lists."""

    @abstractmethod
    def ask(self, topic: Topic) -> Send:
        """The frame that subscribes."""

    @abstractmethod
    def leave(self, stream: Stream) -> Send:
        """The frame that ends a stream."""

    @abstractmethod
    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Raises `MalformedMessage`."""

    def confirmed(self, stream: Stream, now: Instant, id_: Any = None) -> Outputs:
        """The venue has taken this subscription, and calls it `id_` where it has a name for it."""
        if stream.live:
            return NOTHING
        stream.live, stream.id = True, id_
        if id_ is not None:
            self.by_id[id_] = stream
        live = [TopicLive(stream.topic)] if stream.topic in self._wanted else []
        return [*live, *self._ask(now)]

    def ended(self, stream: Stream, now: Instant, reason: str = "", *, final: bool = False) -> Outputs:
        """The venue has refused or ended this subscription: its topic is lost, unless that was wished."""
        self.streams.pop(stream.topic, None)
        self.by_id.pop(stream.id, None)
        if stream.leaving or stream.topic not in self._wanted:
            return self._ask(now)
        self._wanted -= {stream.topic}
        return [TopicLost(stream.topic, reason, final=final)]

    # The verbs

    def opened(self, now: Instant) -> Outputs:
        """Greet, and ask for what is wanted already."""
        self._open = True
        return [*self.greeting(), *self._ask(now)]

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics."""
        lost = [topic for topic in topics - self._wanted if not self._has(topic)]
        self._wanted = topics
        return [*(TopicLost(topic, "there is no such topic") for topic in lost), *self._ask(now)]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: a socket that listens takes no calls."""
        raise Unsupported(f"a public socket takes no calls, so no {request.method}")

    def tick(self, now: Instant) -> Outputs:
        """Give the socket up if an answer is overdue."""
        due = self._due() if self._open else None
        if due is not None and now >= due:
            return [Redial(f"no answer within {self.answer_within:g} s")]
        return [Wake(due)]

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: no flow is asked for."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone."""
        self._open = False

    def _has(self, topic: Topic) -> bool:
        return topic.instrument in self.instruments and self.serves(topic)

    def _ask(self, now: Instant) -> Outputs:
        """What leads from what was asked for to what is wanted, as far as the venue's answers allow."""
        if not self._open:
            return NOTHING
        out: list[Output] = []
        for stream in self.streams.values():
            if stream.live and not stream.leaving and stream.topic not in self._wanted:
                stream.leaving, stream.since = True, now
                out.append(self.leave(stream))
        for topic in sorted(filter(self._has, self._wanted - self.streams.keys()), key=str):
            self.streams[topic] = Stream(topic, now)
            out.append(self.ask(topic))
        return [*out, Wake(self._due())] if out else NOTHING

    def _due(self) -> Instant | None:
        """When the oldest answer that is still to come is overdue."""
        since = [each.since for each in self.streams.values() if each.leaving or not each.live]
        return after(min(since), self.answer_within) if since else None


class PublicData:
    """A public side whose books come with their socket: neither a clock nor snapshots by request.

    The environment needs a "rest" and a "stream" URL. Raises `LocalError` without them.
    """

    ping: ClassVar[Seconds | None] = 20.0
    silence: ClassVar[Seconds | None] = None
    """As in `Dial`."""

    def __init__(self, environment: Environment) -> None:
        self.rest = environment.url("rest")
        self.stream = environment.url("stream")

    def server_time(self) -> Flow[Instant]:
        """Raises `Unsupported`, unless it is overridden: the venue tells none."""
        raise Unsupported("this venue has no clock to ask")

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[BookSnapshot | OrderBookSnapshot]:
        """Raises `Unsupported`, unless it is overridden: snapshots come in band."""
        raise Unsupported(f"there is no snapshot of {topic} by request")

    def dial(self, topics: Collection[Topic]) -> Flow[Dial]:
        """The one socket, without a request."""
        yield from ()
        return Dial(self.stream, ping=self.ping, silence=self.silence)
