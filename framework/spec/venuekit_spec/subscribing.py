"""Subscribing: from what a socket is subscribed to, to what is wanted. `PublicSession` is the short way to it.

What is wanted of a socket changes at any time, and the venue answers later, or never. So each subscription is a `Stream`, in
one phase, and a frame to the venue a `StreamRequest` about some of them:

========  ======================  ===================  ====================  =====================  =====================
phase     no longer wanted        its turn to send     `confirmed`           `ended`                overdue
========  ======================  ===================  ====================  =====================  =====================
(none)    (wanted: -> WAITING)
WAITING   -> (none); if asked     subscribe -> ASKED   if asked before:      `TopicLost` -> (none)
          before: -> PARTING                           as when ASKED
ASKED     -> PARTING                                   `TopicLive` -> LIVE   `TopicLost` -> (none)  -> WAITING; after
                                                                                                    `tries`: `TopicLost`
                                                                                                    -> PARTING
LIVE      -> PARTING                                                         `TopicLost` -> (none)
PARTING   (wanted: remembered)    leave -> LEAVING                           -> (none), or
LEAVING   (wanted: remembered)                                               WAITING if wanted      -> PARTING; after
                                                                                                    `tries`: as `ended`
========  ======================  ===================  ====================  =====================  =====================

* A stream is asked for again only once its end is confirmed, and its data are dropped until then (`passed`): so nothing old
  passes for the new one's, and no venue sees it twice.
* A topic that the venue does not have is lost at once, alone. One that it refused for good is not asked for again until it has
  been left out once; one that was lost for now is asked for by the next `want`.
* Frames have up to `batch` streams, go out `spacing` apart, ends first, and at most `window` are unanswered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, ClassVar, Final

from venuekit_spec.errors import Unsupported
from venuekit_spec.flows import SocketRequest
from venuekit_spec.instruments import InstrumentTable
from venuekit_spec.sessions import NOTHING, Output, Outputs, Topic, TopicLive, TopicLost, Wake
from venuekit_spec.streams import Phase, Stream, StreamRequest
from venuekit_spec.times import Instant, Seconds, after

_READY: Final = frozenset({Phase.WAITING, Phase.PARTING})


class SubscribingSession(ABC):
    """A socket that listens: see the module.

    A venue says its words (`serves`, `name`, `frame`, ...) and reads frames. Reading them, it says `confirmed` and `ended`
    where the venue does, and finds its streams by their name, by the venue's id, or by the number of the request.
    """

    batch: ClassVar[int] = 1
    """The most streams in a frame."""

    spacing: ClassVar[Seconds] = 0.0
    """Between two frames of ours."""

    window: ClassVar[int | None] = None
    """The most requests that may be unanswered at once."""

    answer_within: ClassVar[Seconds] = 10.0
    """How long an answer may take."""

    tries: ClassVar[int] = 2
    """How often the same is asked before it is given up."""

    leaves_asked: ClassVar[bool] = True
    """Whether a stream can be left before it is confirmed; otherwise it is left right after."""

    quiet: ClassVar[Seconds | None] = None
    """After so long without a frame the venue is asked for a sign of life (`ping`); None where that is not needed."""

    def __init_subclass__(cls) -> None:
        if cls.quiet is not None and cls.ping is SubscribingSession.ping:
            raise TypeError(f"{cls.__name__} has a `quiet` and no `ping`")

    def __init__(self, instruments: InstrumentTable) -> None:
        self.instruments = instruments
        self.wanted: dict[Any, Topic] = {}
        """What is wanted, and neither refused nor lost, by name."""
        self.streams: dict[Any, Stream] = {}
        self.by_id: dict[Any, Stream] = {}
        self.requests: dict[int, StreamRequest] = {}
        """Those that are not answered yet, the oldest first."""
        self.unsettled: set[Any] = set()
        """The names of streams that are not live; always the same set."""
        self.heard: Instant = 0
        """When a frame came last; `feed` keeps it where `quiet` is set."""
        self.is_open = False
        self.next_frame: Instant = 0
        """When a frame may go out."""
        self.now: Instant = 0
        """The instant at which a frame is being written: some venues want it inside (Gate)."""
        self._ready: dict[Any, Stream] = {}
        self._refused: set[Topic] = set()
        self._number = 0
        self._pinged: Instant = 0
        self._wake: Instant | None = None

    # What a venue says

    def greeting(self) -> Outputs:
        """What comes before any subscription."""
        return NOTHING

    @abstractmethod
    def serves(self, topic: Topic) -> bool:
        """Whether the venue has this topic, of an instrument that it lists."""

    def obstacle(self, topic: Topic) -> str:
        """Why a topic can never be had; empty where nothing is known against it."""
        return "" if topic.instrument in self.instruments and self.serves(topic) else "there is no such topic"

    def name(self, topic: Topic) -> Any:
        """What tells the data and answers of this topic from others'. Of two topics with one name the first is served."""
        return topic

    def alike(self, topic: Topic) -> Hashable:
        """Topics of which this differs cannot be in one frame."""
        return None

    def held_back(self, stream: Stream) -> bool:
        """Whether a stream must wait, although a frame could be sent."""
        return False

    @abstractmethod
    def frame(self, request: StreamRequest) -> Output:
        """The frame that asks for the streams of a request, or leaves them."""

    def ping(self) -> Output:
        """What asks for a sign of life. A class that sets `quiet` and does not say it cannot be made."""
        raise Unsupported("this venue is asked for no signs of life")

    @abstractmethod
    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A frame arrived. Raises `MalformedMessage`."""

    # What a venue has said

    def confirmed(self, stream: Stream, now: Instant, id_: Any = None) -> Outputs:
        """The venue has taken this subscription, and calls it `id_` where it has a name of its own for it."""
        if stream.live or not stream.asked:
            return NOTHING
        stream.id, stream.vain = id_, 0
        if id_ is not None:
            self.by_id[id_] = stream
        wanted = self._is_wanted(stream)
        self._move(stream, Phase.LIVE if wanted else Phase.PARTING)
        return [*([TopicLive(stream.topic)] if wanted else []), *self.advance(now)]

    def ended(self, stream: Stream, now: Instant, reason: str = "", *, final: bool = False) -> Outputs:
        """The venue has refused or ended this subscription: its topic is lost, unless that was wished."""
        lost = self._lost(stream, reason, final=final)
        self._forget(stream)
        self._begin(stream.name)
        return [*lost, *self.advance(now)]

    def carried_out(self, request: StreamRequest, now: Instant) -> Outputs:
        """The venue has done what it was asked."""
        answer = self.confirmed if request.asks else self.ended
        return [output for stream in request.open for output in answer(stream, now)]

    def refused(self, request: StreamRequest, now: Instant, reason: str, *, final: bool = False) -> Outputs:
        """The venue has done nothing of what it was asked."""
        ends = (self.ended(stream, now, reason, final=final) for stream in request.open)
        return [output for end in ends for output in end]

    def narrowed(self, request: StreamRequest, now: Instant, reason: str, *, final: bool) -> Outputs:
        """One of the streams is refused, and all with it: they are asked for again in two halves, until it is alone."""
        if not request.asks or len(request.streams) == 1:
            return self.refused(request, now, reason, final=final)
        streams = request.open
        middle = (len(streams) + 1) // 2
        for half in (streams[:middle], streams[middle:]):
            group = object()
            for stream in half:
                stream.group = group
                self._move(stream, Phase.WAITING)
        return self.advance(now)

    def passed(self, name: Any, messages: Outputs, now: Instant) -> Outputs:
        """Data of a stream. They confirm one that was asked for; of one that is being left they are dropped."""
        if name not in self.unsettled:
            return messages
        stream = self.streams[name]
        news = self.confirmed(stream, now)
        return NOTHING if stream.leaving else [*news, *messages]

    def found(self, topic: Topic, now: Instant) -> Outputs:
        """The venue has a subscription to what nobody wants, and is rid of it."""
        name = self.name(topic)
        if name not in self.streams:
            self.streams[name] = stream = Stream(topic, name)
            stream.asked = True
            self._move(stream, Phase.PARTING)
        return self.advance(now)

    def overdue(self, request: StreamRequest, now: Instant) -> Outputs:
        """The answer did not come in time. What was asked for in vain may begin all the same, so it is left."""
        out: list[Output] = []
        for stream in request.open:
            stream.vain += 1
            again = stream.vain < self.tries
            if again and (stream.leaving or self._is_wanted(stream)):
                self._move(stream, Phase.WAITING if request.asks else Phase.PARTING)
            elif stream.leaving:
                out += self.ended(stream, now)
            else:
                stream.vain = 0
                out += self._lost(stream, f"no answer within {self.answer_within:g} s", final=False)
                self._move(stream, Phase.PARTING)
        return out

    # The verbs

    def opened(self, now: Instant) -> Outputs:
        """Greet, and ask for what is wanted already."""
        self.is_open, self.heard, self.now = True, now, now
        return [*self.greeting(), *self.advance(now)]

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """Ask for exactly these topics."""
        lost = self._sort_out(topics)
        for stream in [*self.streams.values()]:
            if self._is_wanted(stream):
                continue
            if not stream.asked:
                self._forget(stream)
            elif not stream.leaving and (self.leaves_asked or stream.phase is not Phase.ASKED):
                stream.vain = 0
                self._move(stream, Phase.PARTING)
        for name in self.wanted:
            self._begin(name)
        return [*lost, *self.advance(now)]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Raises `Unsupported`: a socket that listens takes no calls."""
        raise Unsupported(f"a public socket takes no calls, so no {request.method}")

    def tick(self, now: Instant) -> Outputs:
        """Give up on what is overdue, send what may be sent by now, and ask a quiet venue for a sign of life."""
        if not self.is_open:
            return NOTHING
        self._wake, self.now = None, now
        out: list[Output] = []
        for request in [*self.requests.values()]:
            if request.number in self.requests and now >= request.due:
                out += self.overdue(request, now)
        if (quiet_at := self._quiet_at()) is not None and now >= quiet_at:
            self._pinged = now
            out.append(self.ping())
        return [*out, *self.advance(now)]

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        """Nothing: no flow is asked for."""
        return NOTHING

    def closed(self, reason: str) -> None:
        """The socket is gone, and every stream with it."""
        self.is_open = False
        for stream in [*self.streams.values()]:
            self._forget(stream)

    # Inside

    def advance(self, now: Instant) -> Outputs:
        """Send what may be sent by now, and ask to be woken where something falls due before the instant that is set.

        The instant is said first: a `Sign` may be `answered` in the midst, and that may ask for an earlier one.
        """
        self.now = now
        out: list[Output] = []
        while self.is_open and now >= self.next_frame and (streams := self._turn()):
            out.append(self._send(streams, now))
        due = self._due() if self.is_open else None
        if due is not None and (self._wake is None or due < self._wake):
            self._wake = due
            out.insert(0, Wake(due))
        return out or NOTHING

    def next_number(self) -> int:
        """A number that nothing on this socket has yet."""
        self._number += 1
        return self._number

    def _sort_out(self, topics: frozenset[Topic]) -> list[TopicLost]:
        """Note what is wanted, by name; the loss of what cannot be had. What is held already goes before its newer rivals."""
        held = set(self.wanted.values())
        self._refused &= topics
        self.wanted = {}
        lost: list[TopicLost] = []
        for topic in sorted(topics - self._refused, key=lambda topic: (topic not in held, str(topic))):
            reason = self.obstacle(topic)
            if not reason:
                rival = self.wanted.setdefault(self.name(topic), topic)
                reason = "" if rival is topic else f"this socket has {rival}, and takes one of them only"
            if reason:
                self._refused.add(topic)
                lost.append(TopicLost(topic, reason))
        return lost

    def _is_wanted(self, stream: Stream) -> bool:
        return self.wanted.get(stream.name) == stream.topic

    def _begin(self, name: Any) -> None:
        """A stream for what is wanted, unless there is one of that name."""
        if name in self.wanted and name not in self.streams:
            self.streams[name] = stream = Stream(self.wanted[name], name)
            self._move(stream, Phase.WAITING)

    def _move(self, stream: Stream, phase: Phase) -> None:
        self._settle(stream)
        stream.phase = phase
        if phase in _READY:
            self._ready[stream.name] = stream
        if phase is not Phase.LIVE:
            self.unsettled.add(stream.name)

    def _settle(self, stream: Stream) -> None:
        """Nothing is awaited and nothing is to be sent for a stream."""
        request, stream.request = stream.request, None
        if request is not None and not request.open:
            self.requests.pop(request.number, None)
        self._ready.pop(stream.name, None)
        self.unsettled.discard(stream.name)

    def _forget(self, stream: Stream) -> None:
        """As if it had never been asked for."""
        self._settle(stream)
        self.streams.pop(stream.name, None)
        self.by_id.pop(stream.id, None)

    def _lost(self, stream: Stream, reason: str, *, final: bool) -> list[TopicLost]:
        """The loss of a topic, unless it is not wanted, or its end was wished."""
        if stream.leaving or not self._is_wanted(stream):
            return []
        if final:
            self._refused.add(stream.topic)
        return [TopicLost(self.wanted.pop(stream.name), reason, final=final)]

    def _turn(self) -> Sequence[Stream]:
        """The streams of the next frame: those to be left first, and only what can be in one frame."""
        if not self._ready or (self.window is not None and len(self.requests) >= self.window):
            return ()
        ready: Iterable[Stream] = [stream for stream in self._ready.values() if not self.held_back(stream)]
        ready = [stream for stream in ready if stream.leaving] or ready
        kinds: dict[Hashable, list[Stream]] = {}
        for stream in ready:
            kinds.setdefault((stream.group, self.alike(stream.topic)), []).append(stream)
        return next(iter(kinds.values()), [])[: self.batch]

    def _send(self, streams: Sequence[Stream], now: Instant) -> Output:
        asks = not streams[0].leaving
        request = StreamRequest(self.next_number(), streams, after(now, self.answer_within), asks=asks)
        for stream in streams:
            self._move(stream, Phase.ASKED if asks else Phase.LEAVING)
            stream.request, stream.asked = request, True
        self.requests[request.number] = request
        self.next_frame = after(now, self.spacing)
        return self.frame(request)

    def _due(self) -> Instant | None:
        """When the next thing is to be done: an answer is overdue, a frame may go out, the venue has been quiet."""
        dues = [request.due for request in self.requests.values()][:1]
        if (quiet_at := self._quiet_at()) is not None:
            dues.append(quiet_at)
        if self._turn():
            dues.append(self.next_frame)
        return min(dues, default=None)

    def _quiet_at(self) -> Instant | None:
        return None if self.quiet is None else after(max(self.heard, self._pinged), self.quiet)
