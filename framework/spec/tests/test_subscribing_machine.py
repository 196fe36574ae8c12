"""Subscriptions against a model of a venue that answers late, refuses, ends streams by itself, or says nothing for a while."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit_spec import (
    SECOND,
    Channel,
    Instant,
    InstrumentTable,
    Outputs,
    Redial,
    Send,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopicLive,
    TopicLost,
    Wake,
    after,
)
from venuekit_spec.instruments import Instrument, InstrumentKind, PriceRule, SizeRule

IDS = ("A-USD", "B-USD", "C-USD", "BAD-USD")
TABLE = InstrumentTable(
    Instrument(id_, InstrumentKind.SPOT, id_[:-4], "USD", {}, PriceRule(Decimal(1)), SizeRule(Decimal(1)))
    for id_ in IDS
)
TOPICS = [Topic(Channel.BOOK, id_) for id_ in IDS]
FAST = Topic(Channel.BOOK, "A-USD", "fast")
BAD = "BAD-USD"


class Event(NamedTuple):
    """What the venue sends: `word` is answer, end or data; `subject` is a request's number or a stream's name.

    `run` counts the venue's subscriptions, so that data of two of them are told apart.
    """

    word: str
    subject: Any
    run: int = 0
    refused: bool = False


class Toy(SubscribingSession):
    """Answers come by the number of the request, and a bad name refuses all of it."""

    batch = 3
    spacing = 0.5

    def __init__(self) -> None:
        super().__init__(TABLE)
        self.frames: list[StreamRequest] = []
        self.given_up: set[Any] = set()

    def serves(self, topic: Topic) -> bool:
        return True

    def name(self, topic: Topic) -> str:
        return topic.instrument

    def alike(self, topic: Topic) -> str:
        return topic.variant

    def frame(self, request: StreamRequest) -> Send:
        self.frames.append(request)
        return Send(str(len(self.frames) - 1))

    def overdue(self, request: StreamRequest, now: Instant) -> Outputs:
        self.given_up |= {stream.name for stream in request.open}
        return super().overdue(request, now)

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        raise NotImplementedError

    def hear(self, event: Event, now: Instant) -> Outputs:
        """What `feed` does with a frame of a real venue. Data become a `Redial` with the number of their subscription."""
        if event.word == "data":
            return self.passed(event.subject, [Redial(str(event.run))], now)
        if event.word == "end":
            stream = self.streams.get(event.subject)
            return [] if stream is None or not stream.asked else self.ended(stream, now, "the venue ended it")
        request = self.requests.get(event.subject)
        if request is None:
            return []
        if event.refused:
            return self.narrowed(request, now, "no such stream", final=True)
        return self.carried_out(request, now)


class OneByOne(Toy):
    """A stream in a frame, one request at a time, and none is left before it is confirmed."""

    batch = 1
    spacing = 0.0
    window = 1
    leaves_asked = False


class Hasty(Toy):
    """Nothing is asked twice, and frames go out as they come."""

    spacing = 0.0
    tries = 1
    window = 2


class World:
    """A session, the venue it talks with, and a core that wants again what was lost for now."""

    def __init__(self, session: Toy) -> None:
        self.session = session
        self.now: Instant = 0
        self.wake: Instant | None = None
        self.wanted = frozenset[Topic]()
        self.refused: set[Topic] = set()
        self.lost: set[Topic] = set()
        self.live: set[Topic] = set()
        self.runs = 0
        self.oldest: dict[str, int] = {}
        """The first run whose data may pass for a name: what was left out goes by no longer."""
        self.at_venue: dict[str, tuple[Topic, int]] = {}
        self.inbox: deque[StreamRequest] = deque()
        self.outbox: deque[Event] = deque()
        self.take(session.opened(0))

    # What the session says

    def take(self, outputs: Outputs) -> list[str]:
        """Note what it says, each once per change; the runs of the data that passed."""
        passed: list[str] = []
        for output in outputs:
            match output:
                case Send():
                    request = self.session.frames[int(output.frame)]
                    assert not request.asks or not self.live & {stream.topic for stream in request.streams}
                    assert len(self.session.requests) <= (self.session.window or 100)
                    self.inbox.append(request)
                case Wake():
                    self.wake = output.at
                case TopicLive():
                    assert output.topic in self.wanted - self.live - self.lost
                    self.live.add(output.topic)
                case TopicLost():
                    assert output.topic in self.wanted - self.lost
                    self.live.discard(output.topic)
                    self.lost.add(output.topic)
                    if output.final:
                        self.refused.add(output.topic)
                case Redial():
                    passed.append(output.reason)
                case _:
                    raise AssertionError(output)
        return passed

    # What happens

    def want(self, topics: frozenset[Topic]) -> None:
        """Exactly these, as the core wants them: nothing that was refused."""
        topics -= self.refused
        for topic in self.wanted - topics:
            stream = self.session.streams.get(topic.instrument)
            if stream is not None and stream.topic == topic and (self.session.leaves_asked or stream.live):
                self.oldest[topic.instrument] = self.runs + 1
        self.live &= topics
        self.lost.clear()
        self.wanted = topics
        self.take(self.session.want(topics, self.now))

    def renew(self, topics: frozenset[Topic]) -> None:
        """Left out and wanted again, at once."""
        whole = self.wanted
        self.want(whole - topics)
        self.want(whole)

    def pass_time(self, seconds: float) -> None:
        """Tick whenever the session asked for it."""
        until = after(self.now, seconds)
        while self.wake is not None and self.wake <= until:
            self.now, self.wake = max(self.now, self.wake), None
            self.take(self.session.tick(self.now))
        self.now = until

    def process(self, answers: bool) -> None:
        """The venue does what it was asked longest ago; its answer may get lost."""
        if not self.inbox:
            return
        request = self.inbox.popleft()
        names = {stream.name: stream.topic for stream in request.streams}
        refused = request.asks and BAD in names
        if request.asks and not refused:
            for name, topic in names.items():
                assert name not in self.at_venue or name in self.session.given_up, "subscribed to twice"
                self.runs += 1
                self.at_venue[name] = (topic, self.runs)
        elif not request.asks:
            for name in names:
                self.at_venue.pop(name, None)
        if answers:
            self.outbox.append(Event("answer", request.number, refused=refused))

    def emit(self, name: str) -> None:
        """Data of a stream leave the venue."""
        if name in self.at_venue:
            self.outbox.append(Event("data", name, self.at_venue[name][1]))

    def end(self, name: str) -> None:
        """The venue ends a stream by itself."""
        if self.at_venue.pop(name, None) is not None:
            self.outbox.append(Event("end", name))

    def deliver(self) -> None:
        """The oldest frame arrives. Data of what is live pass, those of a subscription that was left do not.

        An end that was wished loses nothing.
        """
        if not self.outbox:
            return
        event, lost = self.outbox.popleft(), set(self.lost)
        wished = any(
            not each.asks
            for each in self.session.frames
            if (event.word, event.subject) == ("answer", each.number)
        )
        must_pass = event.word == "data" and event.subject in {topic.instrument for topic in self.live}
        passed = self.take(self.session.hear(event, self.now))
        assert passed or not must_pass
        assert not wished or self.lost == lost
        if passed and event.subject not in self.session.given_up:
            assert event.run >= self.oldest.get(event.subject, 0)

    def serve(self) -> None:
        """The venue does all that it was asked, and says so."""
        while self.inbox or self.outbox:
            self.process(answers=True)
            self.deliver()
            assert len(self.session.frames) < 1_000, "it asks without end"

    def settle(self) -> None:
        """The venue answers all it is asked from now on, and what was lost for now is wanted again, until nothing happens."""
        for _ in range(100):
            self.serve()
            if self.lost - self.refused:
                self.want(self.wanted)
            elif not self.session.unsettled:
                return
            self.pass_time(1)
        raise AssertionError("it does not come to rest")


names = st.sampled_from(IDS)
wishes = st.frozensets(st.sampled_from([*TOPICS, FAST]))
steps = st.one_of(
    st.tuples(st.just("want"), wishes),
    st.tuples(st.just("renew"), wishes),
    st.tuples(st.just("serve")),
    st.tuples(st.just("process"), st.booleans()),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("emit"), names),
    st.tuples(st.just("end"), names),
    st.tuples(st.just("pass_time"), st.sampled_from([0.3, 1.0, 4.0, 11.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([Toy, OneByOne, Hasty]), wishes, st.lists(steps, max_size=30))
def test_whatever_happens_the_venue_ends_up_with_what_is_wanted(
    kind: type[Toy], wanted: frozenset[Topic], happenings: list[tuple[Any, ...]]
) -> None:
    """Every change is told once, nothing is asked for twice, no old data pass; in the end the venue has what is wanted."""
    world = World(kind())
    world.want(wanted)
    world.serve()
    for verb, *arguments in happenings:
        getattr(world, verb)(*arguments)
    world.settle()
    held = world.wanted - world.refused
    session = world.session
    at_venue = {topic for topic, _ in world.at_venue.values()}
    assert held == world.live <= at_venue
    # A request that the venue takes so late that the session has long given it up may leave a stream that nobody reads.
    assert {topic.instrument for topic in at_venue - held} <= session.given_up
    assert {stream.topic for stream in session.streams.values()} == held
    assert not session.requests
    assert {topic.instrument for topic in world.refused} <= {BAD, "A-USD"}
    assert world.now < 10_000 * SECOND
