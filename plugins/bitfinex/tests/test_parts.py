"""The parts of the connector, fed by hand: what the venue documents is what the core is told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venuekit_bitfinex.books import book_checksum, script_text
from venuekit_bitfinex.data_source import LISTS, BitfinexData, limit_report, refusal
from venuekit_bitfinex.description import DESCRIPTION
from venuekit_bitfinex.instruments import read_instruments
from venuekit_bitfinex.session import BitfinexSession
from venuekit_spec import (
    SECOND,
    BookChecksum,
    BookDelta,
    BookSnapshot,
    Channel,
    Continuity,
    Heard,
    HttpRequest,
    HttpResponse,
    InstrumentTable,
    MalformedMessage,
    RateLimited,
    Redial,
    Refused,
    Row,
    Send,
    Side,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
    VenueUnavailable,
    Wake,
)

RULES = [["BTCUSD", [None, None, None, "0.00004", "2000.0", None, None, None, 0.2, 0.1]]]
LISTED = json.dumps([["BTCUSD", "DUSK:USD", "ETHUST"], RULES, [["UST", "USDt"]]]).encode()

BOOK, TRADES = (Topic(channel, "BTC-USD") for channel in (Channel.BOOK, Channel.TRADES))

BIDS = """0.0000011:266122.94 0.00000109:500793.10790141 0.00000108:776367.43 0.00000107:23329.54842056
0.00000106:116868.87735849 0.00000105:205000 0.00000103:227308.25386407 0.00000102:105000 0.00000101:2970 0.000001:21000
7e-7:10000 6.6e-7:10000 6e-7:100000 4.9e-7:10000 2.5e-7:2000 6e-8:100000 5e-8:200000 1e-8:640000"""
ASKS = """0.00000111:4847.13 0.00000112:528102.69042633 0.00000113:302397.07 0.00000114:339088.93 0.00000126:245944.06
0.00000127:5000 0.0000013:5000 0.00000134:8249.18938656 0.00000136:13161.25184766 0.00000145:2914 0.0000015:54448.5
0.00000152:5538.54849594 0.00000153:62691.75475079 0.00000159:2914 0.0000016:52631.10296831 0.00000164:4000
0.00000166:3831.46784605 0.00000171:14575.17730379 0.00000174:3124.81815395 0.0000018:18000 0.00000182:16000 0.00000186:4000
0.00000189:10000.686624 0.00000191:14500 0.00000193:2422"""
"""A book of tXRPBTC that the venue's own client has in its tests, and its checksum."""
CHECKSUM = -1175357890

INSTRUMENTS = InstrumentTable(read_instruments(LISTED))


def rows(text: str) -> list[Row]:
    """Rows as the core has them: in plain notation."""
    pairs = (level.split(":") for level in text.split())
    return [(format(Decimal(price), "f"), size) for price, size in pairs]


def opened(*topics: Topic) -> BitfinexSession:
    """A session on an open socket that wants these."""
    session = BitfinexSession(INSTRUMENTS)
    session.opened(0)
    session.want(frozenset(topics), 0)
    return session


def event(**told: Any) -> bytes:
    """An event."""
    return json.dumps(told).encode()


def subscribed(topic: Topic, number: int) -> bytes:
    """The confirmation of a topic of BTC-USD."""
    return event(event="subscribed", channel=topic.channel.value, symbol="tBTCUSD", chanId=number)


def live(topic: Topic) -> BitfinexSession:
    """A session whose topic is channel 5."""
    session = opened(topic)
    assert session.feed(subscribed(topic, 5), 0) == [TopicLive(topic)]
    return session


def frames(outputs: Any) -> list[Any]:
    """What was sent to the venue."""
    return [json.loads(output.frame) for output in outputs if isinstance(output, Send)]


def test_checksum_is_the_venues() -> None:
    """Of the venue's own example, whose prices have exponents; trailing zeros and further levels change nothing."""
    assert book_checksum(rows(BIDS), rows(ASKS), INSTRUMENTS["BTC-USD"]) == CHECKSUM
    padded = [(f"{price}00", size) for price, size, *_ in rows(BIDS)]
    assert book_checksum(padded, [*rows(ASKS), ("1", "1")], INSTRUMENTS["BTC-USD"]) == CHECKSUM
    doubles = [(float(price), size) for price, size, *_ in rows(BIDS)]
    assert book_checksum(doubles, rows(ASKS), INSTRUMENTS["BTC-USD"]) == CHECKSUM


@pytest.mark.parametrize(
    ("bids", "asks", "checksum"),
    [
        ([("6000", "1"), ("5900", "2")], [("6100", "3"), ("6200", "4")], 1756193398),
        ([], [], 0),
    ],
)
def test_checksum_of_small_books(bids: list[Row], asks: list[Row], checksum: int) -> None:
    """Sides are told in turn, and what is missing is skipped."""
    assert book_checksum(bids, asks, INSTRUMENTS["BTC-USD"]) == checksum


@given(st.decimals(min_value="1e-12", max_value="1e12", places=12))
def test_script_text_is_the_number(number: Decimal) -> None:
    """Whatever the notation, it is the same number, with an exponent exactly below a millionth."""
    text = script_text(str(number))
    assert Decimal(text) == number
    assert ("e" in text) == (number < Decimal("0.000001"))


def test_instruments() -> None:
    """Ids are made of translated codes, names are kept, bounds are those of the pair's rule where it has one."""
    assert {each.id: each.native["symbol"] for each in INSTRUMENTS.values()} == {
        "BTC-USD": "tBTCUSD",
        "DUSK-USD": "tDUSK:USD",
        "ETH-USDT": "tETHUST",
    }
    btc, dusk = INSTRUMENTS["BTC-USD"], INSTRUMENTS["DUSK-USD"]
    assert (btc.size.minimum, btc.size.maximum, dusk.size.minimum) == (
        Decimal("0.00004"),
        Decimal(2000),
        None,
    )
    assert btc.price.allows(Decimal(60001))
    assert btc.price.allows(Decimal(600010))
    assert not btc.price.allows(Decimal("60000.5"))


def test_two_pairs_of_one_id() -> None:
    """The first has it: the table would refuse both."""
    (only,) = read_instruments(b'[["BTCUST","BTC:USDT"],[],[["UST","USDt"]]]')
    assert only.native["symbol"] == "tBTCUST"


@pytest.mark.parametrize(
    "body", [b"[[],[]]", b'[["BTC"],[],[]]', b'[["BTCUSD"],[["BTCUSD",[0,0,0,"NaN"]]],[]]']
)
def test_lists_that_make_no_sense(body: bytes) -> None:
    """Missing lists, a name without two codes, a size that is none."""
    with pytest.raises(MalformedMessage):
        read_instruments(body)


def test_the_lists_are_asked_for_at_once() -> None:
    """One request for all three."""
    flow = BitfinexData(DESCRIPTION.environment()).instruments()
    request = next(flow)
    assert isinstance(request, HttpRequest)
    assert request.url == f"https://api-pub.bitfinex.com/v2/{LISTS}"
    with pytest.raises(StopIteration) as end:
        flow.send(HttpResponse(200, LISTED))
    assert len(end.value.value) == 3


@pytest.mark.parametrize(
    ("status", "body", "error", "pause"),
    [
        (429, b"", RateLimited, 60.0),
        (500, b'["error",11010,"ratelimit: error"]', RateLimited, 60.0),
        (500, b'{"error":"ERR_RATE_LIMIT"}', RateLimited, 60.0),
        (500, b'["error",10020,"symbol: invalid"]', Refused, None),
        (503, b"<html>", VenueUnavailable, None),
        (200, b"[]", type(None), None),
    ],
)
def test_refusals(status: int, body: bytes, error: type, pause: float | None) -> None:
    """A status of 500 may be a definite refusal; limits are told in three ways, each of which costs a minute."""
    response = HttpResponse(status, body)
    assert type(refusal(response)) is error
    assert limit_report(response).penalty == pause


def test_flags_come_first() -> None:
    """Then one frame for each topic, with the venue's names; wanting the same again says nothing."""
    session = BitfinexSession(INSTRUMENTS)
    assert not session.want(frozenset({BOOK, TRADES}), 0)
    assert frames(session.opened(0)) == [
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
    assert not session.want(frozenset({BOOK, TRADES}), 1)


def test_books_are_read() -> None:
    """Signs are sides, count 0 removes, numbers are exact and plain; each array tells its number, and the venue's time."""
    session = live(BOOK)
    number, snapshot = session.feed(b"[5,[[7e-7,2,1.50],[8E-7,1,-3]],1,1618677543829]", 9)
    assert number == Continuity(n=1)
    assert snapshot == BookSnapshot(
        instrument="BTC-USD",
        bids=[("0.0000007", "1.50")],
        asks=[("0.0000008", "3")],
        last=1,
        depth=100,
        time=1618677543829 * 10**6,
        received=9,
    )
    _, delta = session.feed(b"[5,[7e-7,0,1],2]", 9)
    assert delta == BookDelta(instrument="BTC-USD", bids=[("0.0000007", "0")], asks=[], last=2, received=9)
    assert session.feed(b'[5,"cs",-7,3]', 9) == [
        Continuity(n=3),
        BookChecksum(instrument="BTC-USD", checksum=-7, received=9),
    ]
    assert session.feed(b'[5,"hb",4]', 9) == [Continuity(n=4), Heard(BOOK)]
    assert session.feed(b"[77,[1,2,3,4],5]", 9) == [Continuity(n=5)]


def test_trades_come_once() -> None:
    """Each is told by te; the history and tu only count."""
    session = live(TRADES)
    assert session.feed(b"[5,[[1,2,3,4]],1]", 9) == [Continuity(n=1)]
    told = b'[5,"te",[401597395,1618677543829,-0.005,54000],2]'
    trade = Trade(
        instrument="BTC-USD",
        price="54000",
        size="0.005",
        side=Side.SELL,
        key="401597395",
        time=1618677543829 * 10**6,
        received=9,
    )
    assert session.feed(told, 9) == [Continuity(n=2), trade]
    assert session.feed(told.replace(b"te", b"tu").replace(b",2]", b",3]"), 9) == [Continuity(n=3)]


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
def test_what_cannot_be_read_is_malformed(frame: bytes) -> None:
    """Also a change before the snapshot. The snapshot is still awaited afterwards."""
    session = live(BOOK)
    with pytest.raises(MalformedMessage):
        session.feed(frame, 0)
    _, snapshot = session.feed(b"[5,[],1]", 0)
    assert isinstance(snapshot, BookSnapshot)


@pytest.mark.parametrize(("code", "final"), [(10001, True), (10305, False)])
def test_a_refusal_costs_one_topic(code: int, final: bool) -> None:
    """It is lost, for good where asking again is useless, and asked for again when it is wanted again."""
    session = opened(BOOK, TRADES)
    refused = event(event="error", msg="no", code=code, channel="book", symbol="tBTCUSD")
    assert session.feed(refused, 0) == [TopicLost(BOOK, f"no ({code})", final=final)]
    assert session.feed(subscribed(TRADES, 5), 0) == [TopicLive(TRADES)]
    (again,) = frames(session.want(frozenset({BOOK, TRADES}), 1))
    assert again["channel"] == "book"


@pytest.mark.parametrize(
    ("told", "redial"),
    [
        ({"event": "info", "code": 20051}, Redial("the venue restarts", planned=True)),
        ({"event": "info", "code": 20060}, Redial("maintenance begins", after=60.0)),
        ({"event": "error", "code": 10050}, Redial("the flags were refused: nothing is numbered")),
    ],
)
def test_notices(told: dict[str, Any], redial: Redial) -> None:
    """What ends a socket, and how."""
    assert opened(BOOK).feed(event(**told), 0) == [redial]


def test_the_welcome_says_nothing() -> None:
    """Nor do the flags, once they are confirmed."""
    session = opened(BOOK)
    assert not session.feed(event(event="info", version=2, platform={"status": 1}), 0)
    assert not session.feed(event(event="conf", status="OK", flags=229376), 0)


def test_a_book_that_is_slow_to_come_is_waited_for() -> None:
    """A quiet market was confirmed after 13 seconds; after a minute the socket is given up."""
    session = opened(BOOK)
    assert session.tick(13 * SECOND) == [Wake(60 * SECOND)]
    (redial,) = session.tick(60 * SECOND)
    assert isinstance(redial, Redial)
