"""Listening: what connectors of public data would write alike. Inherit it and say what differs, or leave it alone.

`PublicSession` is for a venue whose frames are about one subscription each, and whose answers name it: the usual case. It is
a `SubscribingSession` (see `subscribing` for its table) that gives the socket up when an answer is overdue, and leaves a
stream only once it is confirmed, as the venue's id for it may be needed. Venues that answer by the number of a request, take
many topics in a frame or few frames a second inherit the `SubscribingSession` itself.

`PublicData` is the rest of the public side where books come with their socket.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import ClassVar

from venuekit_spec.description import Environment
from venuekit_spec.errors import Unsupported
from venuekit_spec.flows import Flow
from venuekit_spec.instruments import Instrument
from venuekit_spec.messages import BookSnapshot, OrderBookSnapshot
from venuekit_spec.sessions import Dial, Outputs, Redial, Send, Topic
from venuekit_spec.streams import Stream, StreamRequest
from venuekit_spec.subscribing import SubscribingSession
from venuekit_spec.times import Instant, Seconds


class PublicSession(SubscribingSession):
    """A socket that listens: see the module. A venue says its words (`greeting`, `serves`, `ask`, `leave`) and reads frames.

    Reading them, it says `confirmed` and `ended` where the venue does, and finds its streams by topic or by the venue's id.
    """

    answer_within: ClassVar[Seconds] = 30.0
    """How long an answer may take; later the socket is given up."""

    leaves_asked = False

    @abstractmethod
    def ask(self, topic: Topic) -> Send:
        """The frame that subscribes."""

    @abstractmethod
    def leave(self, stream: Stream) -> Send:
        """The frame that ends a stream."""

    def frame(self, request: StreamRequest) -> Send:
        """`ask` or `leave`."""
        (stream,) = request.streams
        return self.ask(stream.topic) if request.asks else self.leave(stream)

    def overdue(self, request: StreamRequest, now: Instant) -> Outputs:
        """The socket is done for: nothing is said on it any more."""
        self.closed("no answer")
        return [Redial(f"no answer within {self.answer_within:g} s")]


class PublicData:
    """A public side whose books come with their socket: neither a clock nor snapshots by request.

    The environment needs a "rest" and a "stream" URL. Raises `LocalError` without them.
    """

    ping: ClassVar[Seconds | None] = 20.0
    """As in `Dial`."""
    silence: ClassVar[Seconds | None] = None
    """As in `Dial`."""
    compression: ClassVar[bool] = True
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
        return Dial(self.stream, compression=self.compression, ping=self.ping, silence=self.silence)
