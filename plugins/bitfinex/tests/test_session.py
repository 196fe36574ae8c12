"""The session, fed by hand: what the venue documents is what the core is told."""

from __future__ import annotations

from typing import Any

import pytest

from venuekit_bitfinex.session import BitfinexSession
from venuekit_spec import (
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Heard,
    InstrumentTable,
    MalformedMessage,
    Redial,
    Side,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
)
from venuekit_testkit import Driver, read_or_malformed

BOOK, TRADES = (Topic(channel, "BTC-USD") for channel in (Channel.BOOK, Channel.TRADES))

SNAPSHOT = b"[5,[[7e-7,2,1.50],[8E-7,1,-3]],1,1618677543829]"
TRADED = b'[5,"te",[401597395,1618677543829,-0.005,54000],2]'


def subscribed(topic: Topic, number: int) -> dict[str, Any]:
    """The confirmation of a topic of BTC-USD."""
    return {"event": "subscribed", "channel": topic.channel.value, "symbol": "tBTCUSD", "chanId": number}


@pytest.fixture
def driver(instruments: InstrumentTable) -> Driver:
    """A session that has not been opened yet."""
    return Driver(BitfinexSession(instruments))


def live(driver: Driver, topic: Topic) -> Driver:
    """Let it be open, with a topic that is channel 5."""
    driver.open(topic)
    assert driver.hear(subscribed(topic, 5)) == [TopicLive(topic)]
    return driver


def test_flags_come_first(driver: Driver) -> None:
    """Then one frame for each topic, with the venue's names; wanting the same again says nothing."""
    driver.want(BOOK, TRADES)
    assert driver.said() == []
    driver.open()
    assert driver.said() == [
        {"event": "conf", "flags": 229376},
        {
            "event": "subscribe",
            "channel": "book",
            "symbol": "tBTCUSD",
            "prec": "P0",
            "freq": "F0",
            "len": "100",
        },
        {"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"},
    ]
    driver.want(BOOK, TRADES)
    assert driver.said() == []


def test_books_are_read(driver: Driver) -> None:
    """Signs are sides, count 0 removes, numbers are exact and plain; each array tells its number, and the venue's time."""
    live(driver, BOOK)
    number, snapshot = driver.hear(SNAPSHOT)
    assert number == Continuity(n=1)
    assert snapshot == BookSnapshot(
        instrument="BTC-USD",
        bids=[("0.0000007", "1.50")],
        asks=[("0.0000008", "3")],
        last=1,
        depth=100,
        time=1618677543829 * 10**6,
        received=driver.now,
    )
    _, delta = driver.hear(b"[5,[7e-7,0,1],2]")
    assert delta == BookDelta(
        instrument="BTC-USD", bids=[("0.0000007", "0")], asks=[], last=2, received=driver.now
    )
    assert driver.hear(b'[5,"cs",-7,3]') == [
        Continuity(n=3),
        BookChecksum(instrument="BTC-USD", checksum=-7, received=driver.now),
    ]
    assert driver.hear(b'[5,"hb",4]') == [Continuity(n=4), Heard(BOOK)]
    assert driver.hear(b"[77,[1,2,3,4],5]") == [Continuity(n=5)]


def test_trades_come_once(driver: Driver) -> None:
    """Each is told by te; the history and tu only count."""
    live(driver, TRADES)
    assert driver.hear(b"[5,[[1,2,3,4]],1]") == [Continuity(n=1)]
    trade = Trade(
        instrument="BTC-USD",
        price="54000",
        size="0.005",
        side=Side.SELL,
        key="401597395",
        time=1618677543829 * 10**6,
        received=driver.now,
    )
    assert driver.hear(TRADED) == [Continuity(n=2), trade]
    assert driver.hear(TRADED.replace(b"te", b"tu").replace(b",2]", b",3]")) == [Continuity(n=3)]


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b"[5]",
        b"[5,[1,2,3]]",
        b"[5,[[1,2]],1]",
        b"[5,[[1,2,3],4],1]",
        b'[5,[["NaN",2,3]],1]',
        b"[5,7,1]",
        b'["5",[[1,2,3]],1]',
        b"[5,[[-1,2,3]],1]",
        b"[5,[[1e999999,2,3]],1]",
        b"[5,[1,2,3],1]",
        b'[5,"te",[1,2,3,4]',
    ],
)
def test_what_cannot_be_read_is_malformed(driver: Driver, frame: bytes) -> None:
    """Also a change before the snapshot. The snapshot is still awaited afterwards."""
    live(driver, BOOK)
    with pytest.raises(MalformedMessage):
        driver.hear(frame)
    _, snapshot = driver.hear(b"[5,[],1]")
    assert isinstance(snapshot, BookSnapshot)


def test_any_bytes_are_read_or_malformed(driver: Driver) -> None:
    """Whatever comes, nothing but `MalformedMessage` is raised."""
    live(driver, BOOK)
    frames = [SNAPSHOT, TRADED, b"[5,[7e-7,0,1],2]", b'[5,"cs",-7,3]', b'{"event":"info","code":20051}']
    read_or_malformed(driver, frames)


@pytest.mark.parametrize(("code", "final"), [(10001, True), (10305, False)])
def test_a_refusal_costs_one_topic(driver: Driver, code: int, final: bool) -> None:
    """It is lost, and asked for again when it is wanted again; where that is useless, only once it was left out."""
    driver.open(BOOK, TRADES)
    refused = {"event": "error", "msg": "no", "code": code, "channel": "book", "symbol": "tBTCUSD"}
    assert driver.hear(refused) == [TopicLost(BOOK, f"no ({code})", final=final)]
    assert driver.hear(subscribed(TRADES, 5)) == [TopicLive(TRADES)]
    driver.said()
    if final:
        driver.want(BOOK, TRADES)
        assert driver.said() == []
        driver.want(TRADES)
    driver.want(BOOK, TRADES)
    [again] = driver.said()
    assert again["channel"] == "book"


@pytest.mark.parametrize(
    ("told", "redial"),
    [
        ({"event": "info", "code": 20051}, Redial("the venue restarts", planned=True)),
        ({"event": "info", "code": 20060}, Redial("maintenance begins", after=60.0)),
        ({"event": "error", "code": 10050}, Redial("the flags were refused: nothing is numbered")),
    ],
)
def test_notices(driver: Driver, told: dict[str, Any], redial: Redial) -> None:
    """What ends a socket, and how."""
    assert driver.open(BOOK).hear(told) == [redial]


def test_the_welcome_says_nothing(driver: Driver) -> None:
    """Nor do the flags, once they are confirmed."""
    driver.open(BOOK)
    assert driver.hear({"event": "info", "version": 2, "platform": {"status": 1}}) == []
    assert driver.hear({"event": "conf", "status": "OK", "flags": 229376}) == []


def test_a_book_that_is_slow_to_come_is_waited_for(driver: Driver) -> None:
    """A quiet market was confirmed after 13 seconds; after a minute the socket is given up."""
    driver.open(BOOK)
    assert driver.sleep(59.0) == []
    [redial] = driver.sleep(1.0)
    assert isinstance(redial, Redial)
