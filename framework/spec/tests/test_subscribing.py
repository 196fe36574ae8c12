"""Subscriptions of venues that answer by number, take many topics in a frame, and few frames a second."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from venuekit_spec import (
    SECOND,
    Channel,
    Heard,
    Instant,
    InstrumentTable,
    Output,
    Outputs,
    Send,
    Sign,
    StreamRequest,
    SubscribingSession,
    Topic,
    TopicLive,
    TopicLost,
    Wake,
)
from venuekit_spec.instruments import Instrument, InstrumentKind, PriceRule, SizeRule

IDS = tuple(f"A{n}-USD" for n in range(8))
TABLE = InstrumentTable(
    Instrument(id_, InstrumentKind.SPOT, id_[:2], "USD", {}, PriceRule(Decimal(1)), SizeRule(Decimal(1)))
    for id_ in IDS
)
BOOKS = [Topic(Channel.BOOK, id_) for id_ in IDS]


class Toy(SubscribingSession):
    """Takes up to four instruments of one variant in a frame, one frame a second, and has one variant of each a socket."""

    batch = 4
    spacing = 1.0
    quiet = 100.0

    def serves(self, topic: Topic) -> bool:
        return True

    def name(self, topic: Topic) -> str:
        return topic.instrument

    def alike(self, topic: Topic) -> str:
        return topic.variant

    def frame(self, request: StreamRequest) -> Output:
        return Send(" ".join(["+" if request.asks else "-", *(each.name for each in request.streams)]))

    def ping(self) -> Send:
        return Send("ping")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        self.heard = now
        return self.passed(frame.decode(), [Heard(Topic(Channel.BOOK, frame.decode()))], now)


class Signed(Toy):
    """A frame needs a signature, and there is no key."""

    window = 1

    def frame(self, request: StreamRequest) -> Output:
        return Sign(str(request.number), request.streams[0].topic)

    def answered(self, tag: str, result: Any, now: Instant) -> Outputs:
        return self.refused(self.requests[int(tag)], now, "no key", final=True)


class Talk:
    """A socket on a clock of its own: `sent` has each frame with its instant, `told` all else.

    A signature is answered in the midst of what the session says, as the core does.
    """

    def __init__(self, kind: type[Toy] = Toy) -> None:
        self.session = kind(TABLE)
        self.now: Instant = 0
        self.wake: Instant | None = None
        self.sent: list[tuple[float, Any]] = []
        self.told: list[object] = []
        self.take(self.session.opened(0))

    def take(self, outputs: Outputs) -> None:
        """Note what a session says."""
        for output in outputs:
            if isinstance(output, Send):
                assert self.session.now == self.now
                self.sent.append((self.now / SECOND, output.frame))
            elif isinstance(output, Wake):
                self.wake = output.at
            elif isinstance(output, Sign):
                self.take(self.session.answered(output.tag, None, self.now))
            else:
                self.told.append(output)

    def want(self, *topics: Topic) -> None:
        """Exactly these are wanted from now on."""
        self.take(self.session.want(frozenset(topics), self.now))

    def until(self, seconds: float) -> None:
        """Tick whenever the session asked for it, up to an instant."""
        while self.wake is not None and self.wake <= seconds * SECOND:
            self.now, self.wake = self.wake, None
            self.take(self.session.tick(self.now))
        self.now = round(seconds * SECOND)

    def carry_out(self) -> None:
        """The venue does whatever it was asked, until it is asked nothing more."""
        while self.session.requests:
            for request in [*self.session.requests.values()]:
                self.take(self.session.carried_out(request, self.now))
            self.until(self.now / SECOND + 1)


def test_frames_are_batched_and_paced() -> None:
    """Ends go first, topics that differ in what matters go apart, and each waits for its turn."""
    talk = Talk()
    talk.want(*BOOKS[:5], Topic(Channel.BOOK, "A7-USD", "fast"))
    talk.until(5)
    assert talk.sent == [(0, "+ A0-USD A1-USD A2-USD A3-USD"), (1, "+ A4-USD"), (2, "+ A7-USD")]
    talk.carry_out()
    talk.sent.clear()
    talk.want(BOOKS[6])
    talk.until(15)
    assert [frame[0] for _, frame in talk.sent] == ["-", "-", "-", "+"]


def test_of_two_topics_with_one_name_the_first_is_served() -> None:
    """The newcomer is lost for good, whichever it is; the one that is held goes on."""
    talk = Talk()
    fast = Topic(Channel.BOOK, "A0-USD", "fast")
    talk.want(fast)
    talk.want(fast, BOOKS[0])
    [lost] = talk.told
    assert isinstance(lost, TopicLost)
    assert (lost.topic, lost.final) == (BOOKS[0], True)
    assert len(talk.sent) == 1


def test_data_confirm_until_the_topic_is_left() -> None:
    """The first data make a topic live, answer or not; those that come while it is left are dropped."""
    talk = Talk()
    talk.want(BOOKS[0])
    for _ in range(2):
        talk.take(talk.session.feed(b"A0-USD", 1))
    assert talk.told == [TopicLive(BOOKS[0]), Heard(BOOKS[0]), Heard(BOOKS[0])]
    talk.want()
    talk.want(BOOKS[0])
    talk.take(talk.session.feed(b"A0-USD", 2))
    assert len(talk.told) == 3


def test_what_is_not_answered_is_asked_again_then_lost_and_left() -> None:
    """A stream may begin all the same, so it is ended before it is asked for anew; an end that is not told is taken for one."""
    talk = Talk()
    talk.want(BOOKS[0])
    talk.until(20)
    assert talk.told == [TopicLost(BOOKS[0], "no answer within 10 s", final=False)]
    talk.want(BOOKS[0])
    talk.until(45)
    frames = [(0, "+ A0-USD"), (10, "+ A0-USD"), (20, "- A0-USD"), (30, "- A0-USD"), (40, "+ A0-USD")]
    assert talk.sent == frames


def test_a_refused_topic_is_narrowed_down() -> None:
    """It is lost alone, for good: not asked for again while it stays wanted."""
    talk = Talk()
    talk.want(*BOOKS[:4])
    while talk.session.requests:
        for request in [*talk.session.requests.values()]:
            bad = any(stream.topic == BOOKS[2] for stream in request.open)
            session, now = talk.session, talk.now
            talk.take(
                session.narrowed(request, now, "bad", final=True)
                if bad
                else session.carried_out(request, now)
            )
        talk.until(talk.now / SECOND + 2)
    assert TopicLost(BOOKS[2], "bad") in talk.told
    frames = len(talk.sent)
    talk.want(*BOOKS[:4])
    talk.until(60)
    assert len(talk.sent) == frames


def test_a_signature_that_fails_at_once_holds_up_nothing() -> None:
    """What comes after it is asked for when its turn is, not when the answer to it would have been overdue."""
    talk = Talk(Signed)
    talk.want(*BOOKS)
    talk.until(1.5)
    assert {lost.topic for lost in talk.told if isinstance(lost, TopicLost)} == {*BOOKS}


def test_a_quiet_venue_is_asked_for_a_sign_of_life() -> None:
    """A hundred seconds after the last frame or ping; a frame puts it off."""
    talk = Talk()
    talk.until(60)
    talk.take(talk.session.feed(b"", talk.now))
    talk.until(300)
    assert talk.sent == [(160, "ping"), (260, "ping")]


@settings(max_examples=100)
@example([(frozenset(BOOKS[:1]), 9, False)] * 2)
@example([(frozenset(BOOKS[:1]), 6, False), (frozenset(BOOKS[:1]), 10, False)])
@given(
    st.lists(st.tuples(st.frozensets(st.sampled_from(BOOKS)), st.integers(0, 12), st.booleans()), max_size=8)
)
def test_the_venue_ends_up_with_what_is_wanted(steps: list[tuple[frozenset[Topic], int, bool]]) -> None:
    """Whatever is wanted when, answered or not: in the end exactly the last set streams, and each frame kept its distance."""
    talk = Talk()
    for wanted, pause, answers in steps:
        talk.want(*wanted)
        talk.until(talk.now / SECOND + pause)
        if answers:
            talk.carry_out()
    last = steps[-1][0] if steps else frozenset[Topic]()
    lost = True
    while lost:  # what was asked for in vain is lost for now, and had by wanting it again
        talk.told.clear()
        talk.want(*last)
        talk.until(talk.now / SECOND + 2)
        lost = any(isinstance(each, TopicLost) for each in talk.told)
    talk.carry_out()
    streams: set[str] = set()
    for _, frame in talk.sent:
        sign, *names = frame.split()
        streams = streams | {*names} if sign == "+" else streams - {*names}
    assert streams - {"ping"} == {topic.instrument for topic in last}
    instants = [instant for instant, frame in talk.sent if frame != "ping"]
    assert all(later - earlier >= 1 for earlier, later in pairwise(instants))


def test_who_listens_for_silence_says_how_to_ask() -> None:
    """A session that would ask a quiet venue, and has no words for it, cannot be made."""
    with pytest.raises(TypeError, match="no `ping`"):
        type("Mute", (SubscribingSession,), {"quiet": 5.0})
