"""What drives flows, sessions and dialects by hand does what its documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from venuekit_exchange_a import dialect as dialect_a
from venuekit_spec import (
    NOTHING,
    SECOND,
    Accepted,
    Answer,
    Channel,
    Flow,
    HttpRequest,
    Instant,
    MalformedMessage,
    NetworkError,
    OrderEntry,
    OrderReport,
    Outputs,
    Run,
    Send,
    SocketRequest,
    Topic,
    TopicLive,
    VenueUnavailable,
    Wake,
    http,
)
from venuekit_testkit import (
    START,
    Driver,
    Hand,
    Pair,
    Subject,
    Visitor,
    answered,
    first_request,
    read_or_malformed,
    reply,
)

README = Path(__file__).parents[1] / "README.md"
BOOK = Topic(Channel.BOOK, "BTC-USDT")


def test_the_example_of_the_readme_runs() -> None:
    """Its program, which drives one of each by hand, does what it asserts."""
    section = README.read_text(encoding="utf-8").split("## Tests of a venue's own")[1].split("\n## ")[0]
    [example] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(example, str(README), "exec"), {"__name__": "testkit_readme"})


def asking(*urls: str) -> Flow[list[bytes | str]]:
    """A flow of these requests; what was answered, or what was raised."""
    heard: list[bytes | str] = []
    for url in urls:
        try:
            response = yield from http(HttpRequest("GET", url))
        except NetworkError as error:
            heard.append(str(error))
        else:
            heard.append(response.body)
    return heard


def test_a_flow_is_answered_in_turn() -> None:
    """Answers are bytes, JSON, or errors; what it asked is told."""
    found, asked = answered(asking("a", "b", "c"), reply(b"1"), NetworkError("gone"), reply({"x": 1}))
    assert found == [b"1", "gone", b'{"x": 1}']
    assert [request.url for request in asked] == ["a", "b", "c"]
    assert first_request(asking("a")).url == "a"


@pytest.mark.parametrize(("urls", "complaint"), [("a", "asked 1 times only"), ("abc", "asks for more: c")])
def test_a_flow_asks_as_often_as_it_is_answered(urls: str, complaint: str) -> None:
    """An answer that nobody asked for, and a question that nobody answers, fail the test."""
    with pytest.raises(AssertionError, match=complaint):
        answered(asking(*urls), reply(b"1"), reply(b"2"))


class Clockwork:
    """A session that says what is wanted, wakes every second, confirms by a number, and breaks at a null."""

    heard: object = None

    def __init__(self) -> None:
        self.wanted: frozenset[Topic] = frozenset()

    def opened(self, now: Instant) -> Outputs:
        """Nothing comes first."""
        return NOTHING

    def want(self, topics: frozenset[Topic], now: Instant) -> Outputs:
        """As text, or as bytes where it is nothing."""
        self.wanted = topics
        return [Send(f'{{"want":"{topic}"}}') for topic in topics] or [Send(b"{}")]

    def call(self, request: SocketRequest, now: Instant) -> Outputs:
        """Answered at once."""
        return [Answer(request.key)]

    def tick(self, now: Instant) -> Outputs:
        """Again in a second."""
        return [Wake(now + SECOND), Send(b'"tick"')]

    def feed(self, frame: bytes, now: Instant) -> Outputs:
        """A number confirms, once."""
        if b":null" in frame:
            raise KeyError("null")
        if not frame.isdigit():
            raise MalformedMessage("no number", venue="clockwork")
        wanted, self.wanted = self.wanted, frozenset()
        return [TopicLive(topic) for topic in wanted]

    def answered(self, tag: str, result: object, now: Instant) -> Outputs:
        """Kept."""
        self.heard = result
        return NOTHING

    def closed(self, reason: str) -> None:
        """Nothing is left."""


@pytest.fixture
def driver() -> Driver:
    """A session in hand."""
    return Driver(Clockwork())


def test_a_session_is_driven(driver: Driver) -> None:
    """Frames that it sends are kept with their instants, wakes are kept for it, everything else is told."""
    driver.open(BOOK)
    assert driver.said() == [{"want": str(BOOK)}]
    assert driver.hear(7) == driver.take() == [TopicLive(BOOK)]
    assert (driver.hear("7"), driver.take(), driver.live) == ([], [], set())
    driver.wake = START + SECOND
    driver.sleep(2.5)
    assert driver.said() == ["tick", "tick"]
    assert [sent.at for sent in driver.sent] == [START, START + SECOND, START + 2 * SECOND]
    assert (driver.now, driver.wake) == (START + 5 * SECOND // 2, START + 3 * SECOND)
    driver.want()
    assert driver.said() == [{}]
    assert driver.call(SocketRequest("7", "x")) == [Answer("7")]


def test_a_wake_in_the_past_fails_the_test(driver: Driver) -> None:
    """The core would wake such a session for ever."""
    driver.wake = START - 1
    with pytest.raises(AssertionError, match="in the past"):
        driver.sleep(1.0)


def test_a_session_that_raises_anything_else_is_found(driver: Driver) -> None:
    """One of many frames that are nearly right is the one that breaks it, and it is shown."""
    driver.open()
    read_or_malformed(driver, [b"1", b"abc"], each=40)
    with pytest.raises(KeyError) as caught:
        read_or_malformed(driver, [b'{"a":1,"b":[2]}'])
    assert "null" in caught.value.__notes__[0]


@pytest.mark.parametrize("way", list(OrderEntry))
def test_both_ways_of_an_order_reach_the_venue(way: OrderEntry) -> None:
    """By request and by call; the stream tells of it, and time brings what is due."""
    hand = Hand(Subject.of("exchange_a"), way=way, silent=True)
    assert hand.asked == []
    socket = hand.watch()
    [placed] = hand.run(hand.market().place([hand.limit()]))
    assert isinstance(placed, Accepted)
    assert [report.order_id for report in socket.of(OrderReport)] == [hand.orders[0].order_id]
    sent = len(socket.frames)
    hand.advance(60.0)
    assert len(socket.frames) > sent
    assert socket.now == hand.now == START + 60 * SECOND


def test_a_reply_is_lost_and_the_venue_has_acted() -> None:
    """What is answered instead is heard in place of the venue's word, once."""
    hand = Hand(Subject.of("exchange_a"), silent=True)
    hand.replies = [VenueUnavailable("down")]
    placed = hand.run(hand.market().place([hand.limit(1), hand.limit(2)]))
    assert [type(each).__name__ for each in placed] == ["Unknown", "Accepted"]
    assert len(hand.orders) == 2


def test_a_restart_breaks_the_sockets() -> None:
    """What the engine has stays; nothing more is heard on a socket that was open."""
    hand = Hand(Subject.of("exchange_a"), silent=True)
    socket = hand.watch()
    hand.restart()
    hand.run(hand.market().place([hand.limit()]))
    assert socket.hung_up == 1006
    assert socket.of(OrderReport) == []
    assert len(hand.orders) == 1


def test_frames_can_be_lost_on_both_ways() -> None:
    """`lose` counts those of the venue, `mute` is for those of the session."""
    hand = Hand(Subject.of("exchange_a"), silent=True)
    socket = hand.open(BOOK)
    socket.lose = 1
    told = len(socket.told)
    socket.want()
    socket.sleep(1.0)
    assert (len(socket.told), socket.lose) == (told, 0)
    socket.mute = True
    frames = len(socket.frames)
    socket.want(BOOK)
    socket.sleep(1.0)
    assert len(socket.frames) == frames


def test_a_handshake_that_is_refused() -> None:
    """It is a failure of the network, as it is for the core."""
    with pytest.raises(NetworkError, match="handshake was refused: 404"):
        Visitor(dialect_a, "ws://127.0.0.1:8701/v1/nowhere")


def test_the_parts_that_need_a_driver_are_carried_out() -> None:
    """A flow that a session runs has its result brought back, and is not told."""
    hand = Hand(Subject.of("exchange_a"), silent=True)
    dial = hand.run(hand.source.dial([]))
    session = Clockwork()
    session.opened = lambda now: [Run("time", hand.source.server_time())]  # type: ignore[method-assign]
    socket = Pair(hand, dial, session).open()
    assert (session.heard, socket.told) == (START, [])
