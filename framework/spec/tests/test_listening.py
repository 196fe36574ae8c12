"""What connectors of public data share: the subscriptions of a socket, and a public side with nothing but it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_spec import (
    SECOND,
    Channel,
    Dial,
    Environment,
    Instant,
    InstrumentTable,
    LocalError,
    Outputs,
    PublicData,
    PublicSession,
    Redial,
    Send,
    SocketRequest,
    Stream,
    Topic,
    TopicLive,
    TopicLost,
    Unsupported,
    Wake,
)
from venuekit_spec.instruments import Instrument, InstrumentKind, PriceRule, SizeRule


def listed(id_: str) -> Instrument:
    """A market."""
    base, quote = id_.split("-")
    rules = PriceRule(Decimal(1)), SizeRule(Decimal(1))
    return Instrument(id_, InstrumentKind.SPOT, base, quote, {"symbol": id_}, *rules)


IDS = ("BTC-USD", "ETH-USD", "ETH-BTC")
TABLE = InstrumentTable(map(listed, IDS))
TOPICS = [Topic(Channel.BOOK, id_) for id_ in IDS]
A, B, _ = TOPICS


class Toy(PublicSession):
    """A venue of books that says ``+`` and ``-``."""

    def greeting(self) -> Outputs:
        return [Send("hello")]

    def serves(self, topic: Topic) -> bool:
        return topic.channel is Channel.BOOK

    def ask(self, topic: Topic) -> Send:
        return Send(f"+{topic.instrument}")

    def leave(self, stream: Stream) -> Send:
        return Send(f"-{stream.id}")

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        return []


def opened(*topics: Topic) -> Toy:
    """A session on an open socket that wants these."""
    session = Toy(TABLE)
    session.opened(0)
    session.want(frozenset(topics), 0)
    return session


def sent(outputs: Outputs) -> list[str | bytes]:
    """The frames for the venue."""
    return [output.frame for output in outputs if isinstance(output, Send)]


def test_greeting_comes_first() -> None:
    """What is wanted before the socket is open is asked for when it is; wanting it again says nothing."""
    session = Toy(TABLE)
    assert not session.want(frozenset({A, B}), 0)
    assert sent(session.opened(5)) == ["hello", "+BTC-USD", "+ETH-USD"]
    assert not session.want(frozenset({A, B}), 6)


def test_a_topic_that_is_not_served_is_lost_alone() -> None:
    """For good and at once, whether the channel or the instrument is unknown; told once."""
    bad = {Topic(Channel.TRADES, "BTC-USD"), Topic(Channel.BOOK, "NO-SUCH")}
    session = opened()
    outputs = session.want(frozenset({A, *bad}), 0)
    lost = [output for output in outputs if isinstance(output, TopicLost)]
    assert ({each.topic for each in lost}, {each.final for each in lost}) == (bad, {True})
    assert sent(outputs) == ["+BTC-USD"]
    assert not session.want(frozenset({A, *bad}), 1)


def test_a_confirmation_is_told_once() -> None:
    """And the stream is found by the venue's id from then on."""
    session = opened(A)
    stream = session.streams[A]
    assert session.confirmed(stream, 1, 77) == [TopicLive(A)]
    assert not session.confirmed(stream, 1, 77)
    assert session.by_id[77] is stream


def test_a_stream_is_asked_for_again_once_its_end_is_confirmed() -> None:
    """So is one that was left before it had been confirmed: it is left only then."""
    session = opened(A)
    session.want(frozenset(), 1)
    assert sent(session.confirmed(session.streams[A], 2, 77)) == ["-77"]
    assert not session.want(frozenset({A}), 3)
    assert sent(session.ended(session.by_id[77], 4)) == ["+BTC-USD"]
    assert not session.by_id
    assert session.streams[A].fresh


@pytest.mark.parametrize("final", [True, False])
def test_a_topic_that_the_venue_ends_is_lost(final: bool) -> None:
    """Refused or ended later: it is asked for again when it is wanted again, after a final loss only once it was left out."""
    session = opened(A, B)
    assert session.ended(session.streams[A], 1, "no", final=final) == [TopicLost(A, "no", final=final)]
    if final:
        assert not session.want(frozenset({A, B}), 2)
        assert not session.want(frozenset({B}), 2)
    assert sent(session.want(frozenset({A, B}), 2)) == ["+BTC-USD"]


def test_an_answer_that_does_not_come_costs_the_socket() -> None:
    """Asked or left; a session that waits for nothing is not woken, and one that gave up says nothing more."""
    session = opened(A)
    due = round(session.answer_within * SECOND)
    assert session.tick(due - 1) == [Wake(due)]
    session.confirmed(session.streams[A], due, 77)
    assert not session.tick(due)
    session.want(frozenset(), due)
    (redial,) = session.tick(2 * due)
    assert isinstance(redial, Redial)
    assert not session.tick(3 * due)
    assert not session.want(frozenset({B}), 3 * due)
    session = opened(A)
    assert isinstance(session.tick(due)[0], Redial)


def test_what_it_does_not_do() -> None:
    """It takes no calls and runs no flows."""
    with pytest.raises(Unsupported):
        opened().call(SocketRequest("1", "place"), 0)
    assert not opened().answered("tag", None, 0)


@given(st.lists(st.one_of(st.frozensets(st.sampled_from(TOPICS)), st.booleans()), max_size=30))
def test_the_venue_ends_up_with_what_is_wanted(steps: list[frozenset[Topic] | bool]) -> None:
    """Whatever is wanted in between, the venue never sees a topic twice, and in the end streams exactly what is wanted.

    A step is a wish, or that the venue answers its oldest (True) or newest (False) open frame.
    """
    session, asked, streams = opened(), list[str](), set[str]()
    wanted = frozenset[Topic]()

    def take(outputs: Outputs) -> None:
        asked.extend(map(str, sent(outputs)))

    def answer(place: int) -> None:
        verb, id_ = (told := asked.pop(place))[0], told[1:]
        stream = session.streams[Topic(Channel.BOOK, id_)]
        if verb == "+":
            assert id_ not in streams
            streams.add(id_)
            take(session.confirmed(stream, 0, id_))
        else:
            streams.remove(id_)
            take(session.ended(stream, 0))

    for step in steps:
        if isinstance(step, frozenset):
            wanted = step
            take(session.want(wanted, 0))
        elif asked:
            answer(0 if step else -1)
    while asked:
        answer(0)
    assert streams == {topic.instrument for topic in wanted}


def test_the_public_side() -> None:
    """One address for lists, one for the socket, and nothing else that can be asked for."""
    with pytest.raises(LocalError):
        PublicData(Environment("local", {"rest": "http://127.0.0.1"}))

    class Plain(PublicData):
        silence = 40.0
        compression = False

    place = Environment("local", {"rest": "http://127.0.0.1", "stream": "ws://127.0.0.1"})
    data = PublicData(place)
    for side, dial in (
        (data, Dial("ws://127.0.0.1")),
        (Plain(place), Dial("ws://127.0.0.1", compression=False, silence=40.0)),
    ):
        with pytest.raises(StopIteration) as end:
            next(side.dial([A]))
        assert end.value.value == dial
    for flow in (data.server_time, lambda: data.snapshot(A, TABLE["BTC-USD"])):
        with pytest.raises(Unsupported):
            flow()
