"""The session: subscriptions, suspicions, life, data, and bytes that mean nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, Self

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from venuekit_hyperliquid.instruments import read_instruments
from venuekit_hyperliquid.session import REMEMBERED, HyperliquidSession
from venuekit_hyperliquid.suspects import STRIKES, Suspects
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    BookSnapshot,
    Channel,
    InstrumentTable,
    MalformedMessage,
    PriceRule,
    Side,
    SocketRequest,
    Topic,
    TopicLive,
    TopicLost,
    TopOfBook,
    Trade,
    Unsupported,
)
from venuekit_testkit import Driver, read_or_malformed

PATIENCE, WINDOW = HyperliquidSession.answer_within, HyperliquidSession.window
BTC = Topic(Channel.BOOK, "BTC-USDC-PERP")
BTC_FAST = Topic(Channel.BOOK, "BTC-USDC-PERP", "fast")
BTC_TRADES = Topic(Channel.TRADES, "BTC-USDC-PERP")
BTC_TOP = Topic(Channel.TOP, "BTC-USDC-PERP")
HYPE = Topic(Channel.BOOK, "HYPE-USDC")
SP500 = Topic(Channel.BOOK, "xyz:SP500-USDE-PERP")
MANY = [Topic(Channel.BOOK, f"A{n:03}-USDC-PERP") for n in range(100)]

BOOK = (
    b'{"channel":"l2Book","data":{"coin":"BTC","time":1790232236546,"levels":[[{"px":"84143.0","sz":"10.25923","n":36},'
    b'{"px":"84142.0","sz":"0.5","n":1}],[{"px":"84144.0","sz":"50.66449","n":18}]]}}'
)
TOP = b'{"channel":"bbo","data":{"coin":"BTC","time":1790232236546,"bbo":[{"px":"84143.0","sz":"10.25923","n":36},null]}}'
TRADE = {
    "coin": "BTC",
    "side": "A",
    "px": "84143.0",
    "sz": "0.00036",
    "time": 1790232216193,
    "hash": "0x7a",
    "tid": 1045359869404765,
    "users": ["0x01", "0x02"],
}


class Socket(Driver):
    """A session of Hyperliquid, and how the venue answers it."""

    def __init__(self, instruments: InstrumentTable, suspects: Suspects | None = None) -> None:
        super().__init__(HyperliquidSession(instruments, suspects))

    def open(self, *topics: Topic) -> Self:
        """The socket opens, and the venue greets."""
        super().open(*topics)
        assert self.hear("Websocket connection established.") == []
        return self

    def answer(self, request: dict[str, Any]) -> list[Any]:
        """The venue carries a request out: it echoes it with the defaults filled in."""
        filled = request["subscription"]
        if filled["type"] == "l2Book":
            filled = {"nSigFigs": None, "mantissa": None, "fast": False, **filled}
        data = {"method": request["method"], "subscription": filled}
        return self.hear({"channel": "subscriptionResponse", "data": data})

    def settle(self) -> list[Any]:
        """Let the venue carry out whatever it is asked for, until nothing more is asked."""
        told: list[Any] = []
        while requests := [frame for frame in self.said() if frame["method"] != "ping"]:
            for request in requests:
                told += self.answer(request)
            told += self.sleep(0.1)
        return told


@pytest.fixture
def talk(instruments: InstrumentTable) -> Socket:
    """A session on an open socket."""
    return Socket(instruments).open()


@pytest.fixture
def talks(instruments: InstrumentTable) -> Callable[[], Socket]:
    """Sessions on open sockets, one after another, that hold the same suspicions."""
    suspects = Suspects()
    return lambda: Socket(instruments, suspects).open()


def subscribe(**subscription: Any) -> dict[str, Any]:
    """The request that subscribes to something."""
    return {"method": "subscribe", "subscription": subscription}


def unsubscribe(**subscription: Any) -> dict[str, Any]:
    """The request that ends a subscription."""
    return {"method": "unsubscribe", "subscription": subscription}


def trades(*changes: dict[str, Any]) -> dict[str, Any]:
    """A frame of trades, each with changes."""
    return {"channel": "trades", "data": [{**TRADE, **change} for change in changes]}


# Subscriptions


def test_one_frame_subscribes_one_stream(talk: Socket) -> None:
    """Each stream is asked for in a frame of its own, by the venue's name; the fast kind of book says so."""
    talk.want(BTC_FAST, BTC_TRADES, BTC_TOP, HYPE, SP500)
    live = talk.settle()
    assert {topic.topic for topic in live} == {BTC_FAST, BTC_TRADES, BTC_TOP, HYPE, SP500}
    assert all(type(topic) is TopicLive for topic in live)


def test_what_is_sent(talk: Socket) -> None:
    """The frames hold nothing but what was asked for: no default is spelled out."""
    talk.want(BTC_FAST, BTC_TRADES, BTC_TOP, HYPE, SP500)
    talk.sleep(1)
    assert sorted(talk.said(), key=str) == sorted(
        [
            subscribe(type="l2Book", coin="BTC", fast=True),
            subscribe(type="trades", coin="BTC"),
            subscribe(type="bbo", coin="BTC"),
            subscribe(type="l2Book", coin="@107"),
            subscribe(type="l2Book", coin="xyz:SP500"),
        ],
        key=str,
    )


def test_topics_may_be_wanted_before_the_socket_is_open(instruments: InstrumentTable) -> None:
    """They are subscribed to once it is."""
    talk = Socket(instruments)
    talk.want(BTC)
    assert talk.said() == []
    talk.open()
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]


def test_frames_are_paced(talk: Socket) -> None:
    """However much is wanted, no more than 2,000 frames a minute go out, and few are unanswered at once."""
    talk.want(*MANY)
    talk.sleep(5)
    assert len(talk.sent) == WINDOW
    instants = [each.at for each in talk.sent]
    assert all(later - earlier >= 0.03 * SECOND for earlier, later in pairwise(instants))
    assert {output.topic for output in talk.settle()} == set(MANY)


def test_leaving_and_coming_back_subscribes_anew(talk: Socket) -> None:
    """The new subscription waits for the end of the old one to be confirmed, and what comes between is dropped."""
    talk.want(BTC)
    talk.settle()
    talk.want()
    talk.want(BTC)
    talk.sleep(0.1)
    assert talk.said() == [unsubscribe(type="l2Book", coin="BTC")]
    assert talk.hear(BOOK) == []
    talk.answer(unsubscribe(type="l2Book", coin="BTC"))
    talk.sleep(0.1)
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]
    assert talk.answer(subscribe(type="l2Book", coin="BTC")) == [TopicLive(BTC)]


def test_an_end_names_what_was_subscribed_to(talk: Socket) -> None:
    """A fast book is unsubscribed from as the fast one it is, also when the other kind takes its place."""
    talk.want(BTC_FAST)
    talk.settle()
    talk.want(BTC)
    assert talk.said() == [unsubscribe(type="l2Book", coin="BTC", fast=True)]
    talk.answer(unsubscribe(type="l2Book", coin="BTC", fast=True))
    talk.sleep(0.1)
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]


def test_two_kinds_of_one_book(talk: Socket) -> None:
    """On one socket they could not be told apart: the one that is held stays, the newcomer is refused for good."""
    talk.want(BTC_FAST)
    talk.settle()
    [lost] = talk.want(BTC, BTC_FAST)
    assert (lost.topic, lost.final) == (BTC, True)
    talk.sleep(1)
    assert talk.said() == []


@pytest.mark.parametrize(
    "topic",
    [
        Topic(Channel.BOOK, "MATIC-USDC-PERP"),
        Topic(Channel.TRADES, "MATIC-USDC-PERP"),
        Topic(Channel.BOOK, "btc-USDC-PERP"),
        Topic(Channel.BOOK, "BTC-USDC-PERP", "slow"),
        Topic(Channel.TOP, "BTC-USDC-PERP", "fast"),
        Topic(Channel.ORDERS, "BTC-USDC-PERP"),
    ],
)
def test_nothing_is_asked_for_that_closes_sockets(talk: Socket, topic: Topic) -> None:
    """Delisted and unknown instruments, and streams that the venue does not have, are lost for good, once."""
    [lost] = talk.want(topic, HYPE)
    assert (lost.topic, lost.final) == (topic, True)
    assert talk.settle() == [TopicLive(HYPE)]
    assert talk.want(topic, HYPE) == []


def test_data_confirm_a_subscription(talk: Socket) -> None:
    """Data that come without an answer show that the stream is live, and are passed on."""
    talk.want(BTC)
    live, book = talk.hear(BOOK)
    assert live == TopicLive(BTC)
    assert isinstance(book, BookSnapshot)
    assert [type(output) for output in talk.hear(BOOK)] == [BookSnapshot]


def test_no_answer(talk: Socket) -> None:
    """What is not answered is lost for now and ended, and asked for again when it is wanted again."""
    talk.want(BTC)
    talk.said()
    [lost] = talk.sleep(PATIENCE + 1)
    assert (lost.topic, lost.final) == (BTC, False)
    assert talk.said() == [unsubscribe(type="l2Book", coin="BTC")]
    talk.want(BTC)
    assert talk.sleep(PATIENCE + 1) == []
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]


@pytest.mark.parametrize(
    "named", ['{"type":"trades","coin":"BTC"}', '{"coin":"BTC","type":"trades","user":null}']
)
def test_already_subscribed(talk: Socket, named: str) -> None:
    """An error that says so confirms the stream that it names."""
    talk.want(BTC_TRADES, HYPE)
    talk.sleep(1)
    assert talk.hear({"channel": "error", "data": f"Already subscribed: {named}"}) == [TopicLive(BTC_TRADES)]


def test_already_unsubscribed(talk: Socket) -> None:
    """An error that says so ends the stream that it names."""
    talk.want(BTC_TRADES)
    talk.settle()
    talk.want()
    assert talk.said() == [unsubscribe(type="trades", coin="BTC")]
    talk.hear({"channel": "error", "data": 'Already unsubscribed: {"type":"trades","coin":"BTC"}'})
    talk.want(BTC_TRADES)
    talk.sleep(1)
    assert talk.said() == [subscribe(type="trades", coin="BTC")]


def test_an_error_about_the_only_request(talk: Socket) -> None:
    """It refuses that one for now; it is asked for again when it is wanted again."""
    talk.want(BTC)
    talk.said()
    text = "Error parsing JSON into valid websocket request"
    assert talk.hear({"channel": "error", "data": text}) == [TopicLost(BTC, text, final=False)]
    talk.want(BTC)
    talk.sleep(1)
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]


@pytest.mark.parametrize("text", ["Too much", "Already subscribed: what", "Already unsubscribed"])
def test_an_error_about_any_of_several_requests(talk: Socket, text: str) -> None:
    """It is told as malformed, and costs no stream."""
    talk.want(BTC, HYPE)
    talk.sleep(1)
    with pytest.raises(MalformedMessage, match=text.partition(":")[0]):
        talk.hear({"channel": "error", "data": text})
    assert len(talk.settle()) == 2


def test_answers_to_nobody(talk: Socket) -> None:
    """Answers that come twice, late, or for streams of others, mean nothing."""
    talk.want(BTC)
    talk.settle()
    assert talk.answer(subscribe(type="l2Book", coin="BTC")) == []
    assert talk.answer(unsubscribe(type="l2Book", coin="BTC")) == []
    assert talk.answer(subscribe(type="userFills", user="0x01")) == []
    assert [type(output) for output in talk.hear(BOOK)] == [BookSnapshot]


# Suspicions


def die(talk: Socket, *, at: str) -> list[str]:
    """The venue carries out what it is asked for, until it is asked for the coin `at`; what was asked for in turn."""
    asked: list[str] = []
    for _ in range(1_000):
        for request in talk.said():
            if request["method"] == "ping":
                talk.hear({"channel": "pong"})
            elif request["subscription"]["coin"] == at:
                talk.session.closed("1006")
                return [*asked, at]
            else:
                asked.append(request["subscription"]["coin"])
                talk.answer(request)
        talk.sleep(0.05)
    return asked


def test_a_coin_that_closes_sockets_is_found(talks: Callable[[], Socket]) -> None:
    """It is asked for last and alone on the next sockets, and lost for good after its strikes; the others live on."""
    wanted = [BTC, HYPE, *MANY[:10]]
    talk = talks()
    talk.want(*wanted)
    die(talk, at="@107")
    for _ in range(STRIKES):
        talk = talks()
        assert talk.want(*wanted) == []
        asked = die(talk, at="@107")
        assert asked[-1] == "@107"
        assert set(asked[:-1]) == {"BTC", *(f"A{n:03}" for n in range(10))}
    talk = talks()
    [lost] = talk.want(*wanted)
    assert (lost.topic, lost.final) == (HYPE, True)
    assert "@107" not in die(talk, at="@107")


def test_the_only_coin_may_be_the_one(talks: Callable[[], Socket]) -> None:
    """A pong shows that a socket works before a suspected coin is asked for; no other stream is needed for that."""
    for _ in range(1 + STRIKES):
        talk = talks()
        assert talk.want(HYPE) == []
        assert die(talk, at="@107") == ["@107"]
    assert [type(output) for output in talks().want(HYPE)] == [TopicLost]


def test_a_venue_that_is_down_makes_nobody_guilty(talks: Callable[[], Socket]) -> None:
    """Sockets that end without having answered anything prove nothing, however many there are."""
    for _ in range(20):
        talk = talks()
        assert talk.want(BTC, HYPE) == []
        talk.sleep(1)
        talk.session.closed("1006")
    talk = talks()
    assert talk.want(BTC, HYPE) == []
    assert sorted(die(talk, at="")) == ["@107", "BTC"]


def test_an_answer_clears_of_suspicion(talks: Callable[[], Socket]) -> None:
    """Once the venue has answered, nothing is held against a coin."""
    talk = talks()
    talk.want(BTC, HYPE)
    talk.session.closed("1006")
    talk = talks()
    talk.want(BTC, HYPE)
    die(talk, at="")
    talk.session.closed("1006")
    talk = talks()
    talk.want(BTC)
    assert talk.said() == [subscribe(type="l2Book", coin="BTC")]


# Life


def test_a_quiet_venue_is_asked_for_a_sign_of_life(talk: Socket) -> None:
    """After thirty seconds without a frame a ping goes out, and again every thirty seconds; the pong is no news."""
    talk.want(BTC)
    talk.settle()
    talk.sleep(29)
    assert talk.said() == []
    talk.sleep(2)
    assert talk.said() == [{"method": "ping"}]
    assert talk.hear({"channel": "pong"}) == []
    talk.sleep(31)
    assert talk.said() == [{"method": "ping"}]


def test_a_talking_venue_is_left_alone(talk: Socket) -> None:
    """As long as frames come there is no ping."""
    talk.want(BTC)
    talk.settle()
    for _ in range(20):
        talk.sleep(5.4)
        talk.hear(BOOK)
    assert talk.said() == []


def test_a_closed_session_says_nothing(talk: Socket) -> None:
    """After the end of the socket no verb returns anything for it."""
    talk.want(BTC)
    talk.session.closed("over")
    talk.said()
    talk.want(BTC, HYPE)
    assert talk.session.tick(talk.now + 100 * SECOND) == ()
    assert talk.said() == []


def test_it_takes_no_calls(talk: Socket) -> None:
    """The data socket carries no calls."""
    with pytest.raises(Unsupported):
        talk.session.call(SocketRequest("1", "post"), talk.now)
    assert talk.session.answered("tag", None, talk.now) == ()


# Data


@pytest.mark.parametrize(("topic", "depth"), [(BTC, 20), (BTC_FAST, 5)])
def test_a_book(talk: Socket, topic: Topic, depth: int) -> None:
    """A frame is a snapshot: prices are doubles of their text, sizes are text, and beyond the depth is unknown."""
    talk.want(topic)
    talk.settle()
    assert talk.hear(BOOK) == [
        BookSnapshot(
            instrument=topic.instrument,
            bids=[(84143.0, "10.25923"), (84142.0, "0.5")],
            asks=[(84144.0, "50.66449")],
            depth=depth,
            time=1790232236546 * MILLISECOND,
            received=talk.now,
        )
    ]


def test_an_empty_book(talk: Socket) -> None:
    """A book without levels is a legal one."""
    talk.want(BTC)
    talk.settle()
    [book] = talk.hear({"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": [[], []]}})
    assert (book.bids, book.asks) == ([], [])


def test_prices_stay_text_where_doubles_are_not_exact(lists: tuple[bytes, bytes]) -> None:
    """One instrument whose prices may have more than fifteen digits is enough."""
    first, *others = read_instruments(*lists)
    huge = evolve(first, price=PriceRule(Decimal(1), integers_always=True, maximum=Decimal(10) ** 20))
    talk = Socket(InstrumentTable([huge, *others])).open()
    talk.want(BTC, BTC_TOP)
    talk.settle()
    assert talk.hear(BOOK)[0].bids[0] == ("84143.0", "10.25923")
    assert talk.hear(TOP)[0].bid == ("84143.0", "10.25923")


def test_the_top(talk: Socket) -> None:
    """Best bid and ask with the time of their block; an empty side is none."""
    talk.want(BTC_TOP)
    talk.settle()
    assert talk.hear(TOP) == [
        TopOfBook(
            instrument=BTC.instrument,
            bid=(84143.0, "10.25923"),
            ask=None,
            time=1790232236546 * MILLISECOND,
            received=talk.now,
        )
    ]


def test_a_trade(talk: Socket) -> None:
    """The side is the taker's, price and size are text, and the key is made of time and id."""
    talk.want(BTC_TRADES)
    talk.settle()
    sold, bought = talk.hear(trades({}, {"side": "B", "tid": 2}))
    assert sold == Trade(
        instrument=BTC.instrument,
        price="84143.0",
        size="0.00036",
        side=Side.SELL,
        key="1790232216193:1045359869404765",
        time=1790232216193 * MILLISECOND,
        received=talk.now,
    )
    assert bought.side is Side.BUY


def test_a_trade_is_told_once(talk: Socket) -> None:
    """The venue repeats trades after each subscription; ids alone are not unique, and the time makes them so."""
    talk.want(BTC_TRADES)
    talk.settle()
    assert len(talk.hear(trades({}, {"tid": 2}))) == 2
    talk.want()
    talk.settle()
    talk.want(BTC_TRADES)
    talk.settle()
    [fresh] = talk.hear(trades({}, {"tid": 2}, {"tid": 2, "time": 1790232216194}))
    assert fresh.key == "1790232216194:2"


def test_system_fills_have_no_id(talk: Socket) -> None:
    """With id 0 the rest of a trade tells it from others."""
    talk.want(BTC_TRADES)
    talk.settle()
    dust = [{"tid": 0, "sz": "0.1"}, {"tid": 0, "sz": "0.2"}]
    first, second = talk.hear(trades(*dust))
    assert first.key != second.key
    assert talk.hear(trades(*dust)) == []


def test_only_so_many_trades_are_remembered(talk: Socket) -> None:
    """The oldest is forgotten first."""
    talk.want(BTC_TRADES)
    talk.settle()
    numbers = [{"tid": number} for number in range(1, REMEMBERED + 2)]
    assert len(talk.hear(trades(*numbers))) == REMEMBERED + 1
    assert [trade.key for trade in talk.hear(trades(numbers[-1], numbers[0]))] == ["1790232216193:1"]


@pytest.mark.parametrize(
    "frame",
    [
        BOOK.replace(b"BTC", b"ETH"),
        TOP.replace(b"BTC", b"ETH"),
        b'{"channel":"trades","data":[]}',
        b'{"channel":"allMids","data":{"mids":{"BTC":"84143.5"}}}',
        b'{"channel":"post","data":{"id":1}}',
        b"Websocket connection established.",
    ],
)
def test_what_nobody_wants_is_left_alone(talk: Socket, frame: bytes) -> None:
    """Data of other coins, channels that are not read, and the greeting are no news and no error."""
    talk.want(BTC, BTC_TOP, BTC_TRADES)
    talk.settle()
    assert talk.hear(frame) == []


@pytest.mark.parametrize(
    ("topic", "frame"),
    [
        (BTC, BOOK.replace(b'"10.25923"', b"10.25923")),
        (BTC, BOOK.replace(b'"84143.0"', b'"eighty"')),
        (BTC, BOOK.replace(b",[{", b",{").replace(b"}]]", b"}]")),
        (BTC, BOOK.replace(b"1790232236546", b"-1")),
        (BTC_TOP, TOP.replace(b",null]", b"]")),
        (BTC_TRADES, json.dumps(trades({"side": "C"})).encode()),
        (BTC_TRADES, json.dumps(trades({"px": "-1"})).encode()),
        (BTC_TRADES, json.dumps(trades({"sz": "1e9"})).encode()),
        (BTC_TRADES, json.dumps(trades({"px": "1\n"})).encode()),
    ],
)
def test_a_malformed_frame_names_who_lost_it(talk: Socket, topic: Topic, frame: bytes) -> None:
    """The topic and the instrument are in the error, and the session stays usable."""
    talk.want(BTC, BTC_TOP, BTC_TRADES)
    talk.settle()
    with pytest.raises(MalformedMessage) as caught:
        talk.hear(frame)
    assert (caught.value.topic, caught.value.instrument) == (str(topic), topic.instrument)
    assert len(talk.hear(BOOK)) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"hello",
        b"[" * 5_000,
        b'{"channel":"l2Book"}',
        b'{"channel":"error"}',
    ],
)
def test_what_means_nothing(talk: Socket, frame: bytes) -> None:
    """Bytes that are no frame are malformed and name no instrument."""
    talk.want(BTC)
    with pytest.raises(MalformedMessage) as caught:
        talk.hear(frame)
    assert caught.value.instrument == ""


EVERYTHING = (
    BOOK,
    TOP,
    json.dumps(trades({}, {"tid": 0})).encode(),
    b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}}',
    b'{"channel":"subscriptionResponse","data":{"method":"unsubscribe","subscription":{"type":"bbo","coin":"BTC"}}}',
    b'{"channel":"error","data":"Already subscribed: {\\"type\\":\\"trades\\",\\"coin\\":\\"BTC\\"}"}',
    b'{"channel":"error","data":"Error parsing JSON into valid websocket request"}',
    b'{"channel":"pong"}',
    b'{"channel":"allMids","data":{"mids":{"BTC":"84143.5"}}}',
)


def test_any_bytes_are_read_or_malformed(talk: Socket) -> None:
    """Whatever arrives is read or malformed, and afterwards a good frame is read as ever."""
    talk.want(BTC, BTC_TOP, BTC_TRADES)
    read_or_malformed(talk, EVERYTHING)
    talk.want(BTC)
    talk.sleep(3 * PATIENCE)
    talk.want(BTC)
    talk.settle()
    assert [type(output) for output in talk.hear(BOOK)][-1:] == [BookSnapshot]


WANTS = st.sets(st.sampled_from([BTC, BTC_FAST, BTC_TRADES, HYPE, SP500]), max_size=4)


@given(st.lists(st.tuples(WANTS, st.sampled_from([0.0, 0.04, 1.0, 11.0]), st.booleans()), max_size=10), WANTS)
def test_any_wants_end_in_what_is_wanted(
    instruments: InstrumentTable, steps: list[tuple[set[Topic], float, bool]], last: set[Topic]
) -> None:
    """However wishes change, and whichever answers are lost, in the end the venue streams exactly what is wanted."""
    if {BTC, BTC_FAST} <= last:
        last = last - {BTC}
    talk = Socket(instruments).open()
    venue: dict[tuple[str, str], bool] = {}

    def carry_out(*, answering: bool) -> None:
        """The venue does what it is asked for, and answers or not."""
        requests = [request for request in talk.said() if request["method"] != "ping"]
        for request in requests:
            subscription = request["subscription"]
            key = (subscription["type"], subscription["coin"])
            streaming = request["method"] == "subscribe"
            said = venue.get(key, False) is streaming
            venue[key] = streaming
            if answering and said:
                already = "Already subscribed" if streaming else "Already unsubscribed"
                talk.hear({"channel": "error", "data": f"{already}: {json.dumps(subscription)}"})
            elif answering:
                talk.answer(request)

    for wanted, pause, answering in steps:
        talk.want(*wanted)
        talk.sleep(pause)
        carry_out(answering=answering)
    talk.want()
    for _ in range(30):
        talk.sleep(1)
        carry_out(answering=True)
    talk.want(*last)
    for _ in range(30):
        talk.sleep(1)
        carry_out(answering=True)
    names = {BTC: ("l2Book", "BTC"), BTC_FAST: ("l2Book", "BTC"), BTC_TRADES: ("trades", "BTC")}
    names |= {HYPE: ("l2Book", "@107"), SP500: ("l2Book", "xyz:SP500")}
    assert {key for key, streaming in venue.items() if streaming} == {names[topic] for topic in last}
