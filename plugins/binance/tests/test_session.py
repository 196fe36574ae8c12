from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from venuekit_binance.session import BinanceSession
from venuekit_spec import (
    MILLISECOND,
    SECOND,
    BookDelta,
    Channel,
    Instrument,
    InstrumentTable,
    MalformedMessage,
    Output,
    Redial,
    Send,
    Side,
    SocketRequest,
    Topic,
    TopicLive,
    TopOfBook,
    Trade,
    Unsupported,
    after,
)
from venuekit_testkit import START, Driver, read_or_malformed

BATCH, PATIENCE = BinanceSession.batch, BinanceSession.answer_within

DEPTH = b'{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'
TRADE = b'{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782135,"m":true,"M":true}'
TICKER = (
    b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
)

DELTA = BookDelta(
    instrument="BNB-BTC",
    bids=[(0.0024, "10")],
    asks=[(0.0026, "100")],
    first=157,
    last=160,
    time=1672515782136 * MILLISECOND,
    received=START,
)
DELTA_OF_TEXT = replace(DELTA, bids=[("0.0024", "10")], asks=[("0.0026", "100")])
TRADED = Trade(
    instrument="BNB-BTC",
    price="0.001",
    size="100",
    side=Side.SELL,
    key="12345",
    time=1672515782135 * MILLISECOND,
    received=START,
)
BEST = TopOfBook(
    instrument="BNB-USDT",
    bid=("25.35190000", "31.21000000"),
    ask=("25.36520000", "40.66000000"),
    last=400900217,
    received=START,
)


def wrapped(stream: str, data: bytes) -> bytes:
    """An event as a combined stream carries it."""
    return b'{"stream":"' + stream.encode() + b'","data":' + data + b"}"


def books(*instruments: str) -> frozenset[Topic]:
    """The book topics of these instruments."""
    return frozenset(Topic(Channel.BOOK, instrument) for instrument in instruments)


class Socket(Driver):
    """A session of Binance, and how the venue answers it."""

    def __init__(self, instruments: InstrumentTable) -> None:
        super().__init__(BinanceSession(instruments))

    def acknowledge(self, number: int) -> None:
        """The venue has done what a request asked for."""
        self.hear({"result": None, "id": number})

    def asked(self, method: str) -> list[list[str]]:
        """The streams that each request of a method named."""
        return [each.said["params"] for each in self.sent if each.said["method"] == method]


@pytest.fixture
def driver(instruments: InstrumentTable) -> Socket:
    """A session that has not been opened yet, in the hands of a core."""
    return Socket(instruments)


# --- frames


@pytest.mark.parametrize(
    ("stream", "data", "message"),
    [
        ("bnbbtc@depth@100ms", DEPTH, DELTA),
        ("bnbbtc@depth", DEPTH, DELTA),
        ("bnbbtc@trade", TRADE, TRADED),
        ("bnbusdt@bookTicker", TICKER, BEST),
    ],
)
def test_documented_events(driver: Socket, stream: str, data: bytes, message: Output) -> None:
    """Each documented event is understood, at first and ever after, in a session that asked for nothing."""
    for _ in range(3):
        assert list(driver.session.feed(wrapped(stream, data), START)) == [message]


@pytest.mark.parametrize(("data", "message"), [(DEPTH, DELTA_OF_TEXT), (TRADE, TRADED), (TICKER, BEST)])
def test_bare_events(driver: Socket, data: bytes, message: Output) -> None:
    """A socket of one raw stream sends events without a wrapper; they say the same, prices as text."""
    assert list(driver.session.feed(data, START)) == [message]


def test_prices_that_a_double_cannot_hold_stay_text(make_instrument: Callable[..., Instrument]) -> None:
    """Where an instrument's prices have more than 15 digits, its rows keep the text of the wire."""
    fine = make_instrument("BNB", "BTC", tick="0.0000000001")
    assert not fine.float_keys
    session = BinanceSession(InstrumentTable([fine]))
    for _ in range(2):
        assert list(session.feed(wrapped("bnbbtc@depth@100ms", DEPTH), START)) == [DELTA_OF_TEXT]


def test_a_wrapper_in_another_order_is_understood(driver: Socket) -> None:
    """The order of keys and the spaces between them mean nothing."""
    frame = b'{ "data": ' + DEPTH + b', "stream": "bnbbtc@depth@100ms" }'
    assert list(driver.session.feed(frame, START)) == [DELTA]


def test_the_takers_side(driver: Socket) -> None:
    """A buyer who was not the maker took: the trade is a buy."""
    [trade] = driver.session.feed(wrapped("bnbbtc@trade", TRADE.replace(b'"m":true', b'"m":false')), START)
    assert isinstance(trade, Trade)
    assert trade.side is Side.BUY


def test_an_empty_side_of_the_top(driver: Socket) -> None:
    """A best level of zeros is no level."""
    data = b'{"u":7,"s":"BNBUSDT","b":"0.00000000","B":"0.00000000","a":"25.36520000","A":"0.00000010"}'
    [top] = driver.session.feed(wrapped("bnbusdt@bookTicker", data), START)
    assert isinstance(top, TopOfBook)
    assert (top.bid, top.ask) == (None, ("25.36520000", "0.00000010"))


def test_symbols_need_not_be_latin(driver: Socket) -> None:
    """A Chinese symbol is subscribed to by its own characters and its events find their instrument, escaped or not."""
    driver.open(*books("这是测试币-456"))
    assert driver.asked("SUBSCRIBE") == [["这是测试币456@depth@100ms"]]
    data = DEPTH.decode().replace("BNBBTC", "这是测试币456")
    driver.hear(wrapped("这是测试币456@depth@100ms", data.encode()))
    escaped = json.dumps(
        {"stream": "这是测试币456@depth@100ms", "data": json.loads(data)}, separators=(",", ":")
    )
    driver.hear(escaped.encode())
    deltas = [output for output in driver.told if isinstance(output, BookDelta)]
    assert [delta.instrument for delta in deltas] == ["这是测试币-456"] * 2
    assert driver.live == books("这是测试币-456")


@pytest.mark.parametrize(
    "frame",
    [
        wrapped("bnbbtc@kline_1m", b'{"e":"kline","E":1,"s":"BNBBTC","k":{}}'),
        wrapped("!miniTicker@arr", b"[]"),
        wrapped("bnbbtc@depth5@100ms", b'{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[]}'),
        b'{"lastUpdateId":160,"bids":[],"asks":[]}',
        b'{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100"}',
        b'{"e":"of another year","u":[],"A":{}}',
        b"{}",
        wrapped("nobodyknows@depth@100ms", DEPTH.replace(b"BNBBTC", b"NOBODYKNOWS")),
        DEPTH.replace(b"BNBBTC", b"NOBODYKNOWS"),
        b'{"result":null,"id":77}',
        b'{"result":null,"id":null}',
        b'{"result":["btcusdt@depth"],"id":"another"}',
        b'{"code":2,"msg":"Invalid request","id":77}',
    ],
)
def test_what_is_not_ours_is_left_alone(driver: Socket, frame: bytes) -> None:
    """Other streams, unknown events, instruments that are not listed and answers to nobody say nothing."""
    assert list(driver.open().session.feed(frame, START)) == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        wrapped("!serverShutdown", b'{"e":"serverShutdown","E":1770123456789}'),
    ],
)
def test_a_shutdown_notice_asks_for_a_planned_redial(driver: Socket, frame: bytes) -> None:
    """The socket still works after the notice: the next one is opened first."""
    [redial] = driver.session.feed(frame, START)
    assert isinstance(redial, Redial)
    assert redial.planned


DEPTH_STREAM = "bnbbtc@depth@100ms"


@pytest.mark.parametrize(
    "frame",
    [
        wrapped(DEPTH_STREAM, DEPTH)[:-1],
        wrapped(DEPTH_STREAM, DEPTH) + b"}",
        wrapped(DEPTH_STREAM, DEPTH.replace(b'"U":157', b'"U":"one"')),
        wrapped(DEPTH_STREAM, DEPTH.replace(b"0.0024", b"0.0o24")),
        wrapped(DEPTH_STREAM, DEPTH.replace(b"BNBBTC", b"BNBUSDT")),
        wrapped(DEPTH_STREAM, DEPTH.replace(b'"10"', b"10")),
        wrapped(DEPTH_STREAM, DEPTH.replace(b'["0.0024","10"]', b'["0.0024"]')),
        wrapped(DEPTH_STREAM, DEPTH.replace(b'["0.0024","10"]', b'["0.0024","10","0"]')),
        wrapped(DEPTH_STREAM, DEPTH.replace(b'"u":160,', b"")),
        wrapped(DEPTH_STREAM, DEPTH.replace(b"0.0024", b"\xff")),
        wrapped(DEPTH_STREAM, DEPTH.replace(b'"U":157', b'"U":1e400')),
        wrapped(DEPTH_STREAM, b"[" * 100_000),
        wrapped(DEPTH_STREAM, b"null"),
        wrapped(DEPTH_STREAM, b"[]"),
        b'{"stream":"bnbbtc@depth@100ms"}',
        b'{"data":[],"stream":"bnbbtc@depth@100ms"}',
    ],
)
def test_a_malformed_event_names_the_book_that_lost_it(driver: Socket, frame: bytes) -> None:
    """Bad JSON, wrong types, missing fields and bad UTF-8 cost the frame, name the book, and the session goes on."""
    driver.want(*books("BNB-BTC"))
    with pytest.raises(MalformedMessage) as raised:
        driver.session.feed(frame, START)
    assert (raised.value.topic, raised.value.instrument) == ("book:BNB-BTC", "BNB-BTC")
    assert raised.value.venue == "binance"
    assert list(driver.session.feed(wrapped(DEPTH_STREAM, DEPTH), START)) == [DELTA]


def test_a_malformed_first_frame_names_the_book_too(driver: Socket) -> None:
    """What can be told of a stream from its very first frame is told."""
    with pytest.raises(MalformedMessage) as raised:
        driver.session.feed(wrapped("bnbusdt@bookTicker", b"{}"), START)
    assert (raised.value.topic, raised.value.instrument) == ("top:BNB-USDT", "BNB-USDT")


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff", b"null", b"[]", b"{", b'{"id":1.5}', b'{"stream":1}', b'{"e":"\xff"}', b"[" * 100_000],
)
def test_what_cannot_be_placed_is_malformed_without_a_book(driver: Socket, frame: bytes) -> None:
    """A frame of which not even the stream can be read names none."""
    with pytest.raises(MalformedMessage) as raised:
        driver.session.feed(frame, START)
    assert (raised.value.topic, raised.value.instrument) == ("", "")


def test_a_malformed_bare_event_names_its_channel(driver: Socket) -> None:
    """Without a stream's name the type of the event is all that is known."""
    with pytest.raises(MalformedMessage) as raised:
        driver.session.feed(DEPTH.replace(b'"U":157', b'"U":null'), START)
    assert (raised.value.topic, raised.value.instrument) == ("book", "")


# --- subscriptions


def test_topics_are_asked_for_in_one_frame(driver: Socket) -> None:
    """The three channels become their streams, in one request, and one answer confirms them all."""
    topics = books("BTC-USDT") | {Topic(Channel.TRADES, "BTC-USDT"), Topic(Channel.TOP, "BTC-USDT")}
    driver.open(*topics)
    [request] = driver.said()
    assert request["method"] == "SUBSCRIBE"
    assert sorted(request["params"]) == ["btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@trade"]
    driver.acknowledge(request["id"])
    assert driver.live == topics
    driver.sleep_until(after(START, 60))
    assert (len(driver.sent), driver.wake) == (1, None)


def test_nothing_is_sent_before_the_socket_is_open(driver: Socket) -> None:
    """Topics wanted early are asked for when the socket opens."""
    driver.want(*books("BNB-BTC"))
    assert (driver.sent, driver.wake) == ([], None)
    driver.open()
    assert driver.asked("SUBSCRIBE") == [["bnbbtc@depth@100ms"]]


def test_frames_are_paced(driver: Socket, instruments: InstrumentTable) -> None:
    """304 instruments on three channels go out in batches, never five frames in any second, each stream once."""
    topics = frozenset(
        Topic(channel, instrument)
        for channel in (Channel.BOOK, Channel.TRADES, Channel.TOP)
        for instrument in instruments
    )
    driver.open(*topics)
    driver.sleep_until(after(START, 5))
    instants = [each.at for each in driver.sent]
    assert len(instants) == -(-len(topics) // BATCH)
    assert all(later - earlier >= SECOND for earlier, later in zip(instants, instants[4:], strict=False))
    streams = [stream for batch in driver.asked("SUBSCRIBE") for stream in batch]
    assert len(streams) == len(set(streams)) == len(topics)
    assert max(len(each.frame) for each in driver.sent) < 8_000


def test_only_differences_are_asked_for(driver: Socket) -> None:
    """A new set unsubscribes what is gone and subscribes what is new, and leaves alone what stays."""
    driver.open(*books("BNB-BTC", "BNB-USDT"))
    driver.acknowledge(1)
    driver.want(*books("BNB-USDT", "BTC-USDT"))
    driver.sleep_until(after(START, 1))
    assert driver.asked("UNSUBSCRIBE") == [["bnbbtc@depth@100ms"]]
    assert driver.asked("SUBSCRIBE")[1:] == [["btcusdt@depth@100ms"]]


def test_the_same_set_again_asks_for_nothing(driver: Socket) -> None:
    """Wanting what is there already sends no frame."""
    driver.open(*books("BNB-BTC"))
    driver.acknowledge(1)
    driver.want(*books("BNB-BTC"))
    driver.sleep_until(after(START, 60))
    assert len(driver.sent) == 1


def test_left_out_and_wanted_again_is_subscribed_again(driver: Socket) -> None:
    """Once its end is confirmed, the same topic is asked for and confirmed anew; data that come between are dropped."""
    driver.open(*books("BNB-BTC"))
    driver.acknowledge(1)
    driver.want()
    driver.sleep_until(after(START, 1))
    driver.take()
    driver.want(*books("BNB-BTC"))
    driver.hear(wrapped(DEPTH_STREAM, DEPTH))
    driver.sleep_until(after(START, 2))
    assert (len(driver.sent), driver.told) == (2, [])
    driver.acknowledge(2)
    assert [each.said["method"] for each in driver.sent] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
    driver.acknowledge(3)
    assert driver.live == books("BNB-BTC")


def test_a_change_of_mind_within_the_pacing_is_a_new_subscription(driver: Socket) -> None:
    """A topic wanted again before its unsubscription went out is left all the same, and had anew."""
    driver.open(*books("BNB-BTC"))
    driver.acknowledge(1)
    driver.take()
    driver.want()
    driver.want(*books("BNB-BTC"))
    driver.sleep_until(after(START, 1))
    driver.acknowledge(2)
    driver.acknowledge(3)
    assert driver.live == books("BNB-BTC")
    assert [each.said["method"] for each in driver.sent] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]


def test_data_confirms_without_an_answer(driver: Socket) -> None:
    """Data before the answer makes a topic live, once, before its first message; no time-out follows."""
    driver.open(*books("BNB-BTC"))
    driver.hear(wrapped(DEPTH_STREAM, DEPTH))
    assert driver.told == [TopicLive(Topic(Channel.BOOK, "BNB-BTC")), DELTA]
    driver.hear(wrapped(DEPTH_STREAM, DEPTH))
    driver.sleep_until(after(START, 60))
    assert driver.told == [TopicLive(Topic(Channel.BOOK, "BNB-BTC")), DELTA, DELTA]
    assert len(driver.sent) == 1


def test_an_answer_after_the_data_confirms_nothing_twice(driver: Socket) -> None:
    """The late answer of a batch speaks only for the streams that were silent."""
    driver.open(*books("BNB-BTC", "BNB-USDT"))
    driver.hear(wrapped(DEPTH_STREAM, DEPTH))
    driver.acknowledge(1)
    live = [output.topic.instrument for output in driver.told if isinstance(output, TopicLive)]
    assert live == ["BNB-BTC", "BNB-USDT"]


def test_no_answer_is_asked_again_once_then_lost_for_now(driver: Socket) -> None:
    """Silence is asked about once more; then the topic is lost, not for good, and ended in case it begins after all."""
    driver.open(*books("BNB-BTC"))
    driver.sleep_until(after(START, PATIENCE))
    assert (len(driver.sent), driver.lost) == (2, [])
    driver.sleep_until(after(START, 10 * PATIENCE))
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (Topic(Channel.BOOK, "BNB-BTC"), False)
    assert (len(driver.asked("SUBSCRIBE")), driver.wake) == (2, None)


def test_what_was_lost_for_now_is_asked_for_by_the_next_want(driver: Socket) -> None:
    """The core tries again by wanting the same set."""
    driver.open(*books("BNB-BTC"))
    driver.sleep_until(after(START, 2 * PATIENCE))
    driver.acknowledge(3)
    driver.want(*books("BNB-BTC"))
    driver.sleep_until(after(driver.now, 1))
    driver.acknowledge(4)
    assert driver.live == books("BNB-BTC")


def refuse(driver: Socket, stream: str, **error: Any) -> None:
    """Play a venue that answers each request, half a second late, with `error` if it names `stream`."""
    answered = 0
    while answered < len(driver.sent):
        request = driver.sent[answered].said
        answered += 1
        if stream in request["params"]:
            driver.hear({"id": request["id"], **error})
        else:
            driver.acknowledge(request["id"])
        driver.sleep_until(after(driver.now, 0.5))


HUNDRED = tuple(f"A{n:03}-USDT" for n in range(BATCH))
FLAT = {"code": 2, "msg": "Invalid request"}


@pytest.mark.parametrize("error", [FLAT, {"error": FLAT}], ids=["flat", "nested"])
@pytest.mark.parametrize("bad", [0, 41, 99])
def test_an_error_is_narrowed_down_to_the_bad_topic(driver: Socket, error: dict[str, Any], bad: int) -> None:
    """Of a hundred streams the venue refuses one: that one is lost for good, all others are live."""
    wanted = books(*HUNDRED)
    driver.open(*wanted)
    refuse(driver, f"a{bad:03}usdt@depth@100ms", **error)
    [lost] = driver.lost
    assert (lost.topic.instrument, lost.final) == (HUNDRED[bad], True)
    assert "Invalid request (2)" in lost.reason
    assert driver.live == wanted - {lost.topic}
    frames = len(driver.sent)
    assert frames <= 16
    driver.want(*wanted)
    driver.sleep_until(after(driver.now, 60))
    assert len(driver.sent) == frames, "what was refused is not asked for again"


@pytest.mark.parametrize("error", [{**FLAT, "id": None}, {"error": FLAT, "id": None}], ids=["flat", "nested"])
@pytest.mark.parametrize("bad", [0, 41, 99])
def test_an_error_without_an_id_is_narrowed_down_too(driver: Socket, error: dict[str, Any], bad: int) -> None:
    """Errors that name no request belong to the oldest one: the same topic is lost, and no other."""
    wanted = books(*HUNDRED)
    driver.open(*wanted)
    refuse(driver, f"a{bad:03}usdt@depth@100ms", **error)
    [lost] = driver.lost
    assert lost.topic.instrument == HUNDRED[bad]
    assert driver.live == wanted - {lost.topic}


def test_a_refused_topic_is_asked_for_again_after_it_was_left_out(driver: Socket) -> None:
    """Leaving a refused topic out forgets the refusal."""
    driver.open(*books("BNB-BTC"))
    driver.hear({"code": 2, "msg": "Invalid request", "id": 1})
    driver.want()
    driver.want(*books("BNB-BTC"))
    driver.sleep_until(after(START, 1))
    assert driver.asked("SUBSCRIBE") == [["bnbbtc@depth@100ms"]] * 2


def test_an_error_that_may_be_another_requests_loses_nothing_for_good(driver: Socket) -> None:
    """Without an id and with two requests under way the older one is suspected, so its topic is lost only for now."""
    driver.open(*books("BNB-BTC"))
    driver.want(*books("BNB-BTC", "BNB-USDT"))
    driver.sleep_until(after(START, 1))
    driver.hear({"code": 2, "msg": "Invalid request"})
    [lost] = driver.lost
    assert (lost.topic.instrument, lost.final) == ("BNB-BTC", False)


def test_an_error_that_answers_nothing_is_seen(driver: Socket) -> None:
    """An error without an id while nothing was asked is not swallowed."""
    driver.open()
    with pytest.raises(MalformedMessage, match="answers no request"):
        driver.hear({"code": 3, "msg": "Invalid JSON"})


def test_an_unsubscription_without_answer_is_repeated_once(driver: Socket) -> None:
    """The venue is told twice; then its data are welcome to go on."""
    driver.open(*books("BNB-BTC"))
    driver.acknowledge(1)
    driver.want()
    driver.sleep_until(after(START, 10 * PATIENCE))
    assert driver.asked("UNSUBSCRIBE") == [["bnbbtc@depth@100ms"]] * 2
    assert driver.lost == []


def test_an_unsubscription_that_nobody_answers_is_taken_for_carried_out(driver: Socket) -> None:
    """It is repeated once; then the stream may begin anew, and is not unsubscribed from any more."""
    driver.open(*books("BNB-BTC"))
    driver.acknowledge(1)
    driver.want()
    driver.sleep_until(after(START, 1))
    driver.want(*books("BNB-BTC"))
    driver.sleep_until(after(START, 3 * PATIENCE))
    driver.acknowledge(4)
    driver.sleep_until(after(START, 10 * PATIENCE))
    methods = [each.said["method"] for each in driver.sent]
    assert methods == ["SUBSCRIBE", "UNSUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]


@pytest.mark.parametrize(
    "topic",
    [
        Topic(Channel.ORDERS, "BNB-BTC"),
        Topic(Channel.BOOK, "BNB-BTC", "hourly"),
        Topic(Channel.BOOK, "NOBODY-KNOWS"),
    ],
    ids=str,
)
def test_a_topic_without_a_stream_is_lost_at_once(driver: Socket, topic: Topic) -> None:
    """A channel, a variant or an instrument that Binance lacks is refused here, once, and costs the others nothing."""
    driver.open(*books("BNB-USDT"), topic)
    driver.want(*books("BNB-USDT"), topic)
    [lost] = driver.lost
    assert (lost.topic, lost.final) == (topic, True)
    assert driver.asked("SUBSCRIBE") == [["bnbusdt@depth@100ms"]]


def test_data_of_unwanted_streams_still_come_through(driver: Socket) -> None:
    """A stream named in the URL is delivered beside those that were asked for."""
    driver.open(*books("BNB-USDT"))
    driver.hear(wrapped(DEPTH_STREAM, DEPTH))
    assert driver.told == [DELTA]


def test_calls_are_not_taken(driver: Socket) -> None:
    """A market stream answers no calls, and says so."""
    with pytest.raises(Unsupported):
        driver.session.call(SocketRequest("1", "order.place"), START)


def test_a_closed_session_sends_nothing(driver: Socket) -> None:
    """After the end nothing is sent or awaited."""
    driver.open(*books("BNB-BTC"))
    driver.session.closed("gone")
    assert list(driver.session.tick(after(START, PATIENCE))) == []
    assert not any(isinstance(output, Send) for output in driver.session.want(books("BTC-USDT"), START))


# --- properties

NAMES = st.sampled_from(["BNB-BTC", "BNB-USDT", "BTC-USDT", "这是测试币-456"])


@settings(max_examples=200)
@given(steps=st.lists(st.tuples(st.frozensets(NAMES), st.booleans(), st.integers(0, 2_000)), max_size=8))
def test_what_is_wanted_last_is_what_is_subscribed(
    instruments: InstrumentTable, steps: list[tuple[frozenset[str], bool, int]]
) -> None:
    """Whatever was wanted when, answered or not: in the end the venue sends exactly the last set, and all of it is live."""
    driver = Socket(instruments).open()
    answered = 0
    for wanted, answers, pause in [*steps, (steps[-1][0] if steps else frozenset(), True, 0)]:
        driver.want(*books(*wanted))
        driver.sleep_until(after(driver.now, pause / 1000))
        while answers and answered < len(driver.sent):
            driver.acknowledge(driver.sent[answered].said["id"])
            answered += 1
    while driver.wake is not None:
        driver.sleep_until(driver.wake)
        while answered < len(driver.sent):
            driver.acknowledge(driver.sent[answered].said["id"])
            answered += 1
    streams: set[str] = set()
    for request in driver.said():
        params = set(request["params"])
        streams = streams | params if request["method"] == "SUBSCRIBE" else streams - params
    last = steps[-1][0] if steps else frozenset()
    assert streams == {name.replace("-", "").lower() + "@depth@100ms" for name in last}
    assert driver.live >= books(*last)
    instants = [each.at for each in driver.sent]
    assert all(later - earlier >= SECOND for earlier, later in zip(instants, instants[4:], strict=False))


def test_any_bytes_are_read_or_malformed(driver: Socket) -> None:
    """Whatever comes, `feed` returns outputs or raises `MalformedMessage`, never anything else, and goes on."""
    driver.open(*books("BNB-BTC"))
    answer, refusal = b'{"result":null,"id":1}', b'{"code":2,"msg":"Invalid request","id":1}'
    notice = b'{"e":"serverShutdown","E":1770123456789}'
    bare = [DEPTH, TRADE, TICKER, notice, answer, refusal]
    streams = ["bnbbtc@depth@100ms", "bnbbtc@trade", "bnbusdt@bookTicker", "bnbbtc@kline_1m", "é@"]
    read_or_malformed(driver, [*bare, *(wrapped(name, data) for name in streams for data in bare[:4])])
    assert driver.hear(wrapped(DEPTH_STREAM, DEPTH))[-1] == replace(DELTA, received=driver.now)
