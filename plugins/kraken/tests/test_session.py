"""The session: subscriptions and repairs, life and death, data, and bytes that mean nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from venuekit_kraken.instruments import instruments_of
from venuekit_kraken.payloads import AssetPair
from venuekit_kraken.session import KrakenSession
from venuekit_spec import (
    BookDelta,
    BookSnapshot,
    Channel,
    InstrumentStatus,
    InstrumentTable,
    MalformedMessage,
    Side,
    SocketRequest,
    StatusChange,
    Topic,
    TopicLive,
    TopicLost,
    TopOfBook,
    Trade,
    Unsupported,
)
from venuekit_testkit import Driver, read_or_malformed

BTC = Topic(Channel.BOOK, "BTC-USD")
BTC_10 = Topic(Channel.BOOK, "BTC-USD", "10")
MATIC = Topic(Channel.BOOK, "MATIC-USD")
DOGE = Topic(Channel.BOOK, "DOGE-USD")
BTC_TRADES = Topic(Channel.TRADES, "BTC-USD")
BTC_TOP = Topic(Channel.TOP, "BTC-USD")

SNAPSHOT = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"MATIC/USD","bids":[{"price":0.566,"qty":4831.75496356}],'
    '"asks":[{"price":0.5668,"qty":4410.79769741}],"checksum":2439117997,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
UPDATE = (
    '{"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558},'
    '{"price":0.5657,"qty":0.00000000}],"asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
TRADE = (
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.2,"qty":0.00027625,'
    '"ord_type":"limit","trade_id":10218208,"timestamp":"2025-11-11T00:17:28.123456Z"}]}'
)
TICKER = (
    '{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":105944.20,"bid_qty":2.5,"ask":105944.30,'
    '"ask_qty":3.2,"last":105899.40,"volume":163.28908096,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
STAMP = 1696613755_440295000


class Socket(Driver):
    """A session of Kraken, and how the venue answers it."""

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(KrakenSession(instruments))

    def answer(self, request: dict[str, Any], symbol: str, error: str = "") -> list[Any]:
        """The venue's answer to a request about one symbol."""
        head = {"method": request["method"], "req_id": request["req_id"]}
        if error:
            return self.hear({**head, "success": False, "error": error, "symbol": symbol})
        result = {"channel": request["params"]["channel"], "symbol": symbol}
        return self.hear({**head, "success": True, "result": result})


@pytest.fixture
def talk(markets: InstrumentTable) -> Socket:
    """A session on an open socket."""
    return Socket(markets).open()


def live(talk: Socket, *topics: Topic) -> None:
    """Subscribe to `topics`, and let the venue confirm them."""
    talk.want(*topics)
    for request in talk.said():
        for symbol in request["params"]["symbol"]:
            talk.answer(request, symbol)


def status(system: str) -> dict[str, Any]:
    """A status frame. The connection id is beyond 63 bits, as it is on the wire."""
    data = {"api_version": "v2", "connection_id": 13834774380200032777, "system": system, "version": "2.0.0"}
    return {"channel": "status", "type": "update", "data": [data]}


# Subscriptions


def test_one_frame_subscribes_many_symbols(talk: Socket) -> None:
    """One request per channel and depth, with every symbol of it; the default depth is 100."""
    talk.want(BTC, MATIC, BTC_TRADES, BTC_TOP)
    book, ticker, trade = sorted(talk.said(), key=lambda request: request["params"]["channel"])
    assert book["method"] == "subscribe"
    assert book["params"] == {
        "channel": "book",
        "symbol": ["BTC/USD", "MATIC/USD"],
        "depth": 100,
        "snapshot": True,
    }
    assert trade["params"] == {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}
    assert ticker["params"] == {
        "channel": "ticker",
        "symbol": ["BTC/USD"],
        "snapshot": True,
        "event_trigger": "bbo",
    }
    assert len({request["req_id"] for request in (book, ticker, trade)}) == 3


def test_a_long_list_goes_in_batches() -> None:
    """No frame names more than a hundred symbols, and none is left out or named twice."""
    pairs = {f"A{n}USD": AssetPair(f"A{n}USD", 1, 8, wsname=f"A{n}/USD") for n in range(250)}
    talk = Socket(InstrumentTable(instruments_of(pairs))).open()
    talk.want(*(Topic(Channel.BOOK, f"A{n}-USD") for n in range(250)))
    batches = [request["params"]["symbol"] for request in talk.said()]
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert {symbol for batch in batches for symbol in batch} == {f"A{n}/USD" for n in range(250)}


def test_only_the_difference_is_asked_for(talk: Socket) -> None:
    """Wanting the same again sends nothing; one more or one less sends that one."""
    live(talk, BTC)
    assert talk.want(BTC) == []
    assert talk.said() == []
    talk.want(BTC, MATIC)
    (more,) = talk.said()
    assert (more["method"], more["params"]["symbol"]) == ("subscribe", ["MATIC/USD"])
    talk.want(MATIC)
    (less,) = talk.said()
    assert less["method"] == "unsubscribe"
    assert less["params"] == {"channel": "book", "symbol": ["BTC/USD"], "depth": 100}


def test_acks_come_one_per_symbol(talk: Socket) -> None:
    """Each answer confirms its own symbol, in whatever order they come."""
    talk.want(BTC, MATIC)
    (request,) = talk.said()
    assert talk.answer(request, "MATIC/USD") == [TopicLive(MATIC)]
    assert talk.answer(request, "BTC/USD") == [TopicLive(BTC)]
    assert talk.answer(request, "BTC/USD") == []


def test_a_list_may_half_succeed(talk: Socket) -> None:
    """The symbol that the venue refuses is lost for good, and only that one."""
    talk.want(BTC, MATIC)
    (request,) = talk.said()
    error = "Currency pair not supported MATIC/USD"
    assert talk.answer(request, "MATIC/USD", error) == [TopicLost(MATIC, error, final=True)]
    assert talk.answer(request, "BTC/USD") == [TopicLive(BTC)]
    assert talk.want(BTC, MATIC) == []
    assert talk.said() == [], "what is refused for good is not asked for again"
    talk.want(BTC)
    talk.want(BTC, MATIC)
    (again,) = talk.said()
    assert again["params"]["symbol"] == ["MATIC/USD"], "unless it was left out in between"


def test_a_passing_refusal_may_be_asked_again(talk: Socket) -> None:
    """A refusal that says nothing of the symbol is not final: the next wish asks again."""
    talk.want(BTC)
    (request,) = talk.said()
    assert talk.answer(request, "BTC/USD", "Exceeded msg rate") == [
        TopicLost(BTC, "Exceeded msg rate", final=False)
    ]
    talk.want(BTC)
    (again,) = talk.said()
    assert talk.answer(again, "BTC/USD") == [TopicLive(BTC)]


def test_a_refusal_without_a_symbol_concerns_the_whole_request(talk: Socket) -> None:
    """An error that names no symbol loses what of the request is still open."""
    talk.want(BTC, MATIC)
    (request,) = talk.said()
    talk.answer(request, "BTC/USD")
    lost = talk.hear({"method": "error", "req_id": request["req_id"], "error": "Malformed request"})
    assert lost == [TopicLost(MATIC, "Malformed request", final=False)]


def test_an_answer_without_a_request_id_is_taken_by_its_names(talk: Socket) -> None:
    """The request id is optional: channel and symbol say as well which subscription is meant."""
    talk.want(BTC, BTC_TRADES)
    frame = {"method": "subscribe", "success": True, "result": {"channel": "trade", "symbol": "BTC/USD"}}
    assert talk.hear(frame) == [TopicLive(BTC_TRADES)]
    assert talk.sleep(11.0) == [TopicLost(BTC, "no answer within 10 s", final=False)]


def test_an_answer_to_nothing_is_ignored(talk: Socket) -> None:
    """An unknown request id changes nothing."""
    talk.want(BTC)
    result = {"channel": "book", "symbol": "BTC/USD"}
    assert talk.hear({"method": "subscribe", "req_id": 999, "success": True, "result": result}) == []


def test_the_venue_may_end_a_subscription(talk: Socket) -> None:
    """An end that nobody asked for loses the topic, and its data with it."""
    live(talk, BTC, MATIC)
    frame = {"method": "unsubscribe", "success": True, "result": {"channel": "book", "symbol": "MATIC/USD"}}
    (lost,) = talk.hear(frame)
    assert (lost.topic, lost.final) == (MATIC, False)
    assert talk.hear(UPDATE) == []


def test_wishes_before_the_socket_is_open_wait(markets: InstrumentTable) -> None:
    """Nothing is sent before the socket is open, and everything wanted then."""
    talk = Socket(markets)
    talk.want(BTC)
    talk.want(BTC, MATIC)
    assert talk.said() == []
    talk.open()
    (request,) = talk.said()
    assert request["params"]["symbol"] == ["BTC/USD", "MATIC/USD"]


@pytest.mark.parametrize(
    "topic",
    [
        Topic(Channel.BOOK, "NO-SUCH"),
        Topic(Channel.BOOK, "BTC-USD", "7"),
        Topic(Channel.ORDERS, "BTC-USD"),
        Topic(Channel.TOP, "BTC-USD", "10"),
    ],
)
def test_what_does_not_exist_is_lost_and_harms_nobody(talk: Socket, topic: Topic) -> None:
    """An unknown instrument, depth or channel is told once, and the rest is subscribed to."""
    (lost,) = talk.want(topic, BTC)
    assert (lost.topic, lost.final) == (topic, True)
    (request,) = talk.said()
    assert request["params"]["symbol"] == ["BTC/USD"]
    assert talk.want(topic, BTC) == []


def test_one_depth_of_a_symbol_per_socket(talk: Socket) -> None:
    """A second depth of a book that streams is refused, and the first is left alone."""
    live(talk, BTC)
    (lost,) = talk.want(BTC, BTC_10)
    assert (lost.topic, lost.final) == (BTC_10, True)
    assert talk.said() == []


def test_the_depth_that_streams_stays(talk: Socket) -> None:
    """Of two depths it is the newcomer that is refused, whichever it is."""
    live(talk, BTC_10)
    (lost,) = talk.want(BTC, BTC_10)
    assert lost.topic == BTC
    assert talk.said() == []


def test_a_changed_depth_ends_the_old_one_first(talk: Socket) -> None:
    """Another depth instead of this one: unsubscribe with the old depth, then subscribe with the new."""
    live(talk, BTC)
    talk.want(BTC_10)
    (end,) = talk.said()
    assert (end["method"], end["params"]["depth"]) == ("unsubscribe", 100)
    talk.answer(end, "BTC/USD")
    (start,) = talk.said()
    assert (start["method"], start["params"]["depth"]) == ("subscribe", 10)
    assert talk.answer(start, "BTC/USD") == [TopicLive(BTC_10)]


# Repairs


def test_left_out_and_wanted_again_is_a_new_subscription(talk: Socket) -> None:
    """A repair: the new subscription goes out once the end of the old one is confirmed."""
    live(talk, MATIC, BTC)
    talk.want(BTC)
    talk.want(BTC, MATIC)
    (end,) = talk.said()
    assert (end["method"], end["params"]["symbol"]) == ("unsubscribe", ["MATIC/USD"])
    talk.answer(end, "MATIC/USD")
    (start,) = talk.said()
    assert (start["method"], start["params"]["symbol"]) == ("subscribe", ["MATIC/USD"])
    assert talk.answer(start, "MATIC/USD") == [TopicLive(MATIC)]
    (snapshot,) = talk.hear(SNAPSHOT)
    assert isinstance(snapshot, BookSnapshot)


def test_late_data_of_the_old_subscription_is_dropped(talk: Socket) -> None:
    """Between the end of the old subscription and its confirmation nothing passes, neither update nor snapshot."""
    live(talk, MATIC)
    talk.want()
    talk.want(MATIC)
    (end,) = talk.said()
    assert talk.hear(UPDATE) == []
    assert talk.hear(SNAPSHOT) == []
    talk.answer(end, "MATIC/USD")
    assert len(talk.hear(SNAPSHOT)) == 1
    assert len(talk.hear(UPDATE)) == 1


def test_a_repair_before_the_first_answer(talk: Socket) -> None:
    """The answer to a subscription that is being ended does not pass for the answer to the new one."""
    talk.want(BTC)
    (first,) = talk.said()
    talk.want()
    talk.want(BTC)
    (end,) = talk.said()
    assert talk.answer(first, "BTC/USD") == []
    assert talk.said() == []
    talk.answer(end, "BTC/USD")
    (second,) = talk.said()
    assert talk.answer(second, "BTC/USD") == [TopicLive(BTC)]


def test_an_answer_that_was_overtaken_is_not_the_new_ones(talk: Socket) -> None:
    """The answer to the first subscription, come after the second was asked for, neither confirms nor refuses it."""
    talk.want(BTC)
    (first,) = talk.said()
    talk.want()
    talk.want(BTC)
    (end,) = talk.said()
    talk.answer(end, "BTC/USD")
    (second,) = talk.said()
    assert talk.answer(first, "BTC/USD", "Currency pair not supported BTC/USD") == []
    assert talk.answer(first, "BTC/USD") == []
    assert talk.answer(second, "BTC/USD") == [TopicLive(BTC)]


def test_the_wait_of_the_new_subscription_is_its_own(talk: Socket) -> None:
    """A first subscription that was never answered does not shorten the wait of the second."""
    talk.want(BTC)
    talk.said()
    talk.want()
    talk.want(BTC)
    (end,) = talk.said()
    talk.sleep(8.0)
    talk.answer(end, "BTC/USD")
    assert talk.sleep(9.0) == []
    assert [lost.topic for lost in talk.sleep(1.0)] == [BTC]


def test_an_end_that_fails_is_an_end(talk: Socket) -> None:
    """The venue knows no such subscription: it may begin anew."""
    live(talk, BTC)
    talk.want()
    talk.want(BTC)
    (end,) = talk.said()
    assert talk.answer(end, "BTC/USD", "Subscription not found") == []
    (start,) = talk.said()
    assert start["method"] == "subscribe"


def test_changing_ones_mind_twice_ends_in_nothing(talk: Socket) -> None:
    """Wanted again while leaving, and then not: after the confirmation nothing is subscribed to."""
    live(talk, BTC)
    talk.want()
    talk.want(BTC)
    talk.want()
    (end,) = talk.said()
    talk.answer(end, "BTC/USD")
    assert talk.said() == []


def test_an_unanswered_subscription_is_lost_alone(talk: Socket) -> None:
    """After ten seconds the silent symbol is lost and ended, the answered one lives; later it may be wanted again."""
    talk.want(BTC, MATIC)
    (request,) = talk.said()
    talk.answer(request, "BTC/USD")
    assert talk.sleep(9.9) == []
    assert talk.sleep(0.2) == [TopicLost(MATIC, "no answer within 10 s", final=False)]
    (end,) = (request for request in talk.said() if request["method"] != "ping")
    assert (end["method"], end["params"]["symbol"]) == ("unsubscribe", ["MATIC/USD"])
    talk.answer(end, "MATIC/USD")
    assert talk.said() == []
    talk.want(BTC, MATIC)
    (again,) = talk.said()
    assert (again["method"], again["params"]["symbol"]) == ("subscribe", ["MATIC/USD"])


def test_heartbeats_do_not_hide_a_missing_answer(talk: Socket) -> None:
    """On a busy socket, too, the session is woken when an answer is overdue."""
    talk.sleep(2.5)
    talk.want(BTC)
    lost = []
    for _ in range(101):
        lost += talk.sleep(0.1)
        talk.hear('{"channel":"heartbeat"}')
    assert [topic.topic for topic in lost] == [BTC]


def test_an_unanswered_end_is_taken_for_one(talk: Socket) -> None:
    """A repair does not wait for ever: after ten seconds the subscription is asked for all the same."""
    live(talk, BTC)
    talk.want()
    talk.want(BTC)
    talk.said()
    talk.sleep(10.0)
    assert [request["method"] for request in talk.said() if request["method"] != "ping"] == ["subscribe"]


# Life and death


def test_a_quiet_venue_is_asked_for_a_sign_of_life(talk: Socket) -> None:
    """After five quiet seconds a ping goes out, and another after five more; its answer says nothing."""
    talk.sleep(4.9)
    assert talk.said() == []
    talk.sleep(0.1)
    (ping,) = talk.said()
    assert ping["method"] == "ping"
    assert talk.hear({"method": "pong", "req_id": ping["req_id"]}) == []
    talk.sleep(5.0)
    assert [request["method"] for request in talk.said()] == ["ping"]


def test_a_busy_venue_is_not_asked(talk: Socket) -> None:
    """Any frame counts as life: with a heartbeat each second no ping is sent, and no outputs are made."""
    for _ in range(60):
        assert talk.hear('{"channel":"heartbeat"}') == []
        talk.sleep(1.0)
    assert talk.said() == []


def test_the_first_status_is_told_for_what_is_wanted(talk: Socket) -> None:
    """An engine that is online leaves each instrument what the list says of it."""
    talk.want(BTC, BTC_TRADES, DOGE)
    assert talk.hear(status("online")) == [
        StatusChange(instrument="BTC-USD", status=InstrumentStatus.TRADING, received=talk.now),
        StatusChange(instrument="DOGE-USD", status=InstrumentStatus.POST_ONLY, received=talk.now),
    ]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("maintenance", InstrumentStatus.HALTED),
        ("cancel_only", InstrumentStatus.CANCEL_ONLY),
        ("post_only", InstrumentStatus.POST_ONLY),
    ],
)
def test_the_engine_may_stop_and_go_on(talk: Socket, system: str, expected: InstrumentStatus) -> None:
    """A status of the whole engine is that of every instrument, until it is online again; the socket is kept."""
    talk.hear(status("online"))
    talk.want(BTC)
    assert talk.hear(status(system)) == [
        StatusChange(instrument="BTC-USD", status=expected, received=talk.now)
    ]
    (later,) = talk.want(BTC, MATIC)
    assert (later.instrument, later.status) == ("MATIC-USD", expected)
    assert [(change.instrument, change.status) for change in talk.hear(status("online"))] == [
        ("BTC-USD", InstrumentStatus.TRADING),
        ("MATIC-USD", InstrumentStatus.TRADING),
    ]


def test_an_unknown_status_changes_nothing(talk: Socket) -> None:
    """A word that is not documented is no reason to halt."""
    talk.want(BTC)
    assert talk.hear(status("brand_new")) == []


def test_a_closed_socket_sends_nothing(talk: Socket) -> None:
    """After the end neither wishes nor time lead to a frame."""
    live(talk, BTC)
    talk.session.closed("gone")
    talk.want(BTC, MATIC)
    talk.sleep(60.0)
    assert talk.said() == []


def test_the_socket_takes_no_calls(talk: Socket) -> None:
    """Orders go elsewhere."""
    with pytest.raises(Unsupported):
        talk.session.call(SocketRequest("1", "add_order"), talk.now)


# Data


def test_the_documented_snapshot(talk: Socket) -> None:
    """A snapshot: rows of exact text, the depth it is limited to, its checksum and its time, even before the ack."""
    talk.want(Topic(Channel.BOOK, "MATIC-USD", "25"))
    assert talk.hear(SNAPSHOT) == [
        BookSnapshot(
            instrument="MATIC-USD",
            bids=[("0.566", "4831.75496356")],
            asks=[("0.5668", "4410.79769741")],
            depth=25,
            checksum=2439117997,
            time=STAMP,
            received=talk.now,
        )
    ]


def test_the_documented_update(talk: Socket) -> None:
    """An update: levels in the order sent, the same price twice, and a removal as a plain zero."""
    live(talk, MATIC)
    assert talk.hear(UPDATE) == [
        BookDelta(
            instrument="MATIC-USD",
            bids=[("0.5657", "1098.3947558"), ("0.5657", "0")],
            asks=[],
            checksum=2114181697,
            time=STAMP,
            received=talk.now,
        )
    ]


def test_a_snapshot_may_lack_its_checksum_and_time(talk: Socket) -> None:
    """Both are optional, as in recordings of the older protocol."""
    live(talk, MATIC)
    (snapshot,) = talk.hear('{"channel":"book","type":"snapshot","data":[{"symbol":"MATIC/USD"}]}')
    assert (snapshot.checksum, snapshot.time, snapshot.bids, snapshot.asks) == (None, 0, [], [])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("45281.0", "45281.0"),
        ("0.10000000", "0.10000000"),
        ("0.0000001", "0.0000001"),
        ("1e-7", "0.0000001"),
        ("2.29E-5", "0.0000229"),
        ("1E3", "1000"),
        ("12345678901234567890.12345678", "12345678901234567890.12345678"),
        ("7", "7"),
    ],
)
def test_numbers_keep_every_digit(talk: Socket, number: str, text: str) -> None:
    """A bare JSON number becomes its own text, without an exponent, at any length."""
    live(talk, MATIC)
    frame = UPDATE.replace("1098.3947558", number).replace("0.5657", number, 1)
    assert talk.hear(frame)[0].bids[0] == (text, text)


def test_a_frame_may_hold_several_symbols(talk: Socket) -> None:
    """One is documented; more would each be taken, and what is not subscribed to is dropped."""
    live(talk, MATIC, BTC)
    head, tail = UPDATE.split("[", 1)
    datum = tail[:-2]
    both = f"{head}[{datum},{datum.replace('MATIC', 'BTC')},{datum.replace('MATIC', 'ETH')}]}}"
    assert [delta.instrument for delta in talk.hear(both)] == ["MATIC-USD", "BTC-USD"]


def test_the_documented_trade(talk: Socket) -> None:
    """A trade: the taker's side, exact text, and the id as key and as sequence."""
    live(talk, BTC_TRADES)
    assert talk.hear(TRADE) == [
        Trade(
            instrument="BTC-USD",
            price="105944.2",
            size="0.00027625",
            side=Side.BUY,
            key="10218208",
            sequence=10218208,
            time=1762820248_123456000,
            received=talk.now,
        )
    ]
    assert talk.hear(TRADE.replace('"update"', '"snapshot"')) == [], "old trades were not asked for"


def test_a_ticker_tells_the_top_of_the_book(talk: Socket) -> None:
    """Snapshot and update alike are best bid and best ask; a side without a price is empty."""
    live(talk, BTC_TOP)
    top = TopOfBook(
        instrument="BTC-USD",
        bid=("105944.20", "2.5"),
        ask=("105944.30", "3.2"),
        time=STAMP,
        received=talk.now,
    )
    assert talk.hear(TICKER) == [top]
    assert talk.hear(TICKER.replace("snapshot", "update")) == [top]
    (empty,) = talk.hear(
        '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":0.0,"bid_qty":0.0,"ask":null}]}'
    )
    assert (empty.bid, empty.ask, empty.time) == (None, None, 0)


def test_data_that_nobody_wants_are_dropped(talk: Socket) -> None:
    """A book that is not subscribed to makes no message."""
    assert talk.hear(UPDATE) == []
    live(talk, Topic(Channel.TRADES, "MATIC-USD"))
    assert talk.hear(UPDATE) == []


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel":"ohlc","type":"update","data":[{"symbol":5}]}',
        '{"method":"add_order","success":7}',
        "{}",
        '{"x":[1]}',
    ],
)
def test_what_is_unknown_is_ignored(talk: Socket, frame: str) -> None:
    """Channels and methods that the connector does not know are not read."""
    assert talk.hear(frame) == []


# Bytes that mean nothing


@pytest.mark.parametrize(
    "frame", [b"", b"\xff", b"[]", b'{"channel":', b'{"channel":7}', b'{"a":' + b"[" * 100_000]
)
def test_bytes_that_are_no_frame(talk: Socket, frame: bytes) -> None:
    """They are malformed, and the session goes on."""
    live(talk, MATIC)
    with pytest.raises(MalformedMessage) as raised:
        talk.hear(frame)
    assert raised.value.venue == "kraken"
    assert len(talk.hear(UPDATE)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5657", '"NaN"'),
        ("0.5657", '"Infinity"'),
        ("0.5657", "-0.5657"),
        ("0.5657", "1e999999999"),
        ("0.5657", "1e-999999999"),
        ("0.5657", "null"),
        ("1098.3947558", "true"),
        ('"qty":1098.3947558', '"size":1'),
        ("2023-10-06T17:35:55.440295Z", "yesterday"),
        ("2023-10-06T17:35:55.440295Z", "2023-10-06T17:35:55.440295"),
        ("2114181697", "2.5"),
        ('"update"', '"upset"'),
    ],
)
def test_a_book_that_cannot_be_read_names_its_instrument(talk: Socket, old: str, new: str) -> None:
    """The book that lost a message is known wherever the frame says so, as the topic it is, and the frame is shown."""
    live(talk, MATIC)
    with pytest.raises(MalformedMessage) as raised:
        talk.hear(UPDATE.replace(old, new, 1))
    error = raised.value
    assert (error.venue, error.topic, error.instrument) == ("kraken", str(MATIC), "MATIC-USD")
    assert error.excerpt.startswith('{"channel":"book"')
    assert len(talk.hear(UPDATE)) == 1


@pytest.mark.parametrize(
    "frame",
    [
        UPDATE[:80],
        UPDATE[:-1],
        UPDATE.replace(",", ";", 1),
        UPDATE.replace("0.5657", "0.5\ufffd").encode("utf-8")[:-3] + b"\xff",
        UPDATE.replace('"channel":"book"', '"chan'),
    ],
)
def test_a_frame_that_is_no_json_names_its_book_too(talk: Socket, frame: bytes | str) -> None:
    """The checksum of ten levels would not show a loss below them, so the loser is looked for in the bytes."""
    live(talk, BTC_10, MATIC)
    with pytest.raises(MalformedMessage) as raised:
        talk.hear(frame)
    assert (raised.value.topic, raised.value.instrument) == (str(MATIC), "MATIC-USD")


def test_a_book_of_another_depth_is_named_with_it(talk: Socket) -> None:
    """The topic that lost a message is the one that was subscribed to, variant and all."""
    live(talk, BTC_10)
    with pytest.raises(MalformedMessage) as raised:
        talk.hear(UPDATE.replace("MATIC/USD", "BTC/USD").replace("0.5657", "null", 1))
    assert (raised.value.topic, raised.value.instrument) == (str(BTC_10), "BTC-USD")


@pytest.mark.parametrize(
    "frame", [UPDATE[:40], UPDATE + UPDATE.replace("MATIC", "BTC"), UPDATE.replace("MATIC", "DOGE")[:-1]]
)
def test_a_frame_that_is_no_json_and_names_none_or_several(talk: Socket, frame: str) -> None:
    """Nobody is blamed where nothing, or more than one book, or one that nobody subscribed to is named."""
    live(talk, BTC, MATIC)
    with pytest.raises(MalformedMessage) as raised:
        talk.hear(frame)
    assert raised.value.instrument == ""


def test_a_frame_that_names_nobody(talk: Socket) -> None:
    """Data without a readable symbol are malformed for no instrument in particular."""
    with pytest.raises(MalformedMessage) as raised:
        talk.hear('{"channel":"trade","type":"update","data":[{"symbol":[]}]}')
    assert (raised.value.topic, raised.value.instrument) == ("trade", "")


def test_an_answer_that_cannot_be_read(talk: Socket) -> None:
    """An answer with a field of another type names the method."""
    with pytest.raises(MalformedMessage) as raised:
        talk.hear('{"method":"subscribe","req_id":"one"}')
    assert raised.value.topic == "subscribe"


EVERYTHING = (
    SNAPSHOT,
    UPDATE,
    TRADE,
    TICKER,
    *(json.dumps(status(system)) for system in ("online", "cancel_only")),
    '{"channel":"heartbeat"}',
    '{"method":"subscribe","req_id":1,"success":true,"result":{"channel":"book","symbol":"MATIC/USD","depth":100}}',
    '{"method":"subscribe","req_id":2,"success":false,"error":"Exceeded msg rate","symbol":"BTC/USD"}',
    '{"method":"unsubscribe","req_id":3,"success":true,"result":{"channel":"book","symbol":"MATIC/USD"}}',
    '{"method":"error","req_id":1,"error":"Malformed request"}',
    '{"method":"pong","req_id":4}',
)


def test_any_bytes_are_read_or_malformed(talk: Socket) -> None:
    """Whatever arrives, nothing but `MalformedMessage` is raised, then and later; a good book is read as ever."""
    talk.want(BTC, MATIC, BTC_TRADES, BTC_TOP)
    read_or_malformed(talk, [frame.encode() for frame in EVERYTHING])
    talk.want()
    talk.sleep(60.0)
    talk.said()
    live(talk, MATIC)
    assert [type(output) for output in talk.hear(UPDATE)] == [BookDelta]
