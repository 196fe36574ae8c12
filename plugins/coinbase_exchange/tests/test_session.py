from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from venuekit_coinbase_exchange.session import CoinbaseExchangeSession
from venuekit_spec import (
    MICROSECOND,
    BookDelta,
    BookSnapshot,
    Channel,
    Heard,
    Instrument,
    InstrumentTable,
    MalformedMessage,
    OrderAction,
    OrderEvent,
    Side,
    SocketRequest,
    Topic,
    TopOfBook,
    Trade,
    Unsupported,
)
from venuekit_testkit import START, Driver, read_or_malformed

IN_2014 = 1_415_348_367_028_459 * MICROSECOND

SNAPSHOT = (
    b'{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45054140"]],'
    b'"asks":[["10102.55","0.57753524"]]}'
)
UPDATE = (
    b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","22356.270000","0.00000000"],'
    b'["sell","22357.5","2"],["buy","22356.300000","1.00000000"]],"time":"2022-08-04T15:25:05.010758Z"}'
)
FINE_UPDATE = (
    b'{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],'
    b'"time":"2021-04-17T16:43:37.075687Z"}'
)
MATCH = (
    b'{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae",'
    b'"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}'
)
TICKER = (
    b'{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","open_24h":"1310.79",'
    b'"best_bid":"1285.04","best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040",'
    b'"side":"buy","time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}'
)
HEARTBEAT = (
    b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD",'
    b'"time":"2014-11-07T08:19:28.464459Z"}'
)
RECEIVED = (
    b'{"type":"received","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,'
    b'"order_id":"d50ec984","size":"1.34","price":"502.1","side":"buy","order_type":"limit"}'
)
OPEN = (
    b'{"type":"open","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,'
    b'"order_id":"d50ec984","price":"200.2","remaining_size":"1.00","side":"sell"}'
)
DONE = (
    b'{"type":"done","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","sequence":10,"price":"200.2",'
    b'"order_id":"d50ec984","reason":"filled","side":"sell","remaining_size":"0"}'
)
STP = (
    b'{"type":"change","reason":"STP","time":"2014-11-07T08:19:27.028459Z","sequence":80,"order_id":"ac928c66",'
    b'"side":"sell","product_id":"BTC-USD","old_size":"12.234412","new_size":"5.23512","price":"400.23"}'
)
MODIFIED = (
    b'{"type":"change","reason":"modify_order","time":"2014-11-07T08:19:27.028459Z","sequence":80,'
    b'"order_id":"c3f16063","side":"buy","product_id":"BTC-USD","old_size":"80","new_size":"80","old_price":"7",'
    b'"new_price":"6"}'
)
ACTIVATE = (
    b'{"type":"activate","product_id":"BTC-USD","timestamp":"1483736448.299000","order_id":"7b52009b",'
    b'"stop_type":"entry","side":"buy","stop_price":"80","size":"2","funds":"50","private":true}'
)

BOOK_TOPIC = Topic(Channel.BOOK, "BTC-USD")
ORDERS_TOPIC = Topic(Channel.ORDERS, "BTC-USD")

DELTA = BookDelta(
    instrument="BTC-USD",
    bids=[(22356.27, "0.00000000"), (22356.3, "1.00000000")],
    asks=[(22357.5, "2")],
    time=1_659_626_705_010_758 * MICROSECOND,
    received=START,
)
TRADED = Trade(
    instrument="BTC-USD",
    price="400.23",
    size="5.23512",
    side=Side.BUY,
    key="10",
    sequence=10,
    time=IN_2014,
    received=START,
)


def event(action: OrderAction, order_id: str, last: int, **fields: Any) -> OrderEvent:
    """An order event of the documented examples."""
    common: dict[str, Any] = {"instrument": "BTC-USD", "time": IN_2014, "received": START}
    return OrderEvent(action=action, order_id=order_id, last=last, **common, **fields)


MATCHED = event(OrderAction.MATCH, "ac928c66", 50, side=Side.SELL, size="5.23512")


@pytest.fixture
def session(instruments: InstrumentTable) -> CoinbaseExchangeSession:
    """A session that asked for nothing."""
    return CoinbaseExchangeSession(instruments)


# --- books


def test_a_snapshot(session: CoinbaseExchangeSession) -> None:
    """The documented snapshot is the whole book, prices as doubles where those hold them."""
    assert list(session.feed(SNAPSHOT, START)) == [
        BookSnapshot(
            instrument="BTC-USD",
            bids=[(10101.1, "0.45054140")],
            asks=[(10102.55, "0.57753524")],
            received=START,
        )
    ]


def test_changes_become_rows_of_their_sides(session: CoinbaseExchangeSession) -> None:
    """The changes of an update are told apart by side and keep their order, at first and ever after."""
    for _ in range(3):
        assert list(session.feed(UPDATE, START)) == [DELTA]


def test_prices_that_a_double_cannot_hold_stay_text(session: CoinbaseExchangeSession) -> None:
    """Where an instrument's prices may have more than 15 digits, its rows keep the text of the wire."""
    [snapshot] = session.feed(SNAPSHOT.replace(b"BTC-USD", b"SKL-BTC"), START)
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.bids == [("10101.10", "0.45054140")]
    for _ in range(2):
        [delta] = session.feed(FINE_UPDATE, START)
        assert isinstance(delta, BookDelta)
        assert (delta.bids, delta.asks) == ([], [("0.00001306", "660.5")])


@pytest.mark.parametrize(
    "frame",
    [
        UPDATE.replace(b":", b": ").replace(b"15: 25: 05", b"15:25:05"),
        b'{"product_id":"BTC-USD",'
        + UPDATE[len(b'{"type":"l2update","product_id":"BTC-USD",') : -1]
        + b',"type":"l2update"}',
    ],
    ids=["spaces", "order"],
)
def test_the_form_of_an_update_means_nothing(session: CoinbaseExchangeSession, frame: bytes) -> None:
    """Spaces and the order of fields change nothing."""
    session.feed(UPDATE, START)
    assert list(session.feed(frame, START)) == [DELTA]


# --- trades and tops


def test_a_trade_has_the_takers_side(session: CoinbaseExchangeSession) -> None:
    """The maker sold, so the taker bought; the trade's number is its place in the sequence of trades."""
    assert list(session.feed(MATCH, START)) == [TRADED]


def test_the_last_match_is_no_news(session: CoinbaseExchangeSession) -> None:
    """The trade that the channel begins with happened before."""
    assert list(session.feed(MATCH.replace(b'"match"', b'"last_match"'), START)) == []


def test_a_ticker_is_the_top(session: CoinbaseExchangeSession) -> None:
    """The documented ticker tells both best levels with their sizes."""
    assert list(session.feed(TICKER, START)) == [
        TopOfBook(
            instrument="ETH-USD",
            bid=("1285.04", "0.46688654"),
            ask=("1285.27", "1.56637040"),
            last=37475248783,
            time=1_666_222_102_061_769 * MICROSECOND,
            received=START,
        )
    ]


def test_an_empty_side_of_the_top(session: CoinbaseExchangeSession) -> None:
    """A best level of zeros is no level."""
    [top] = session.feed(TICKER.replace(b"1285.04", b"0").replace(b"0.46688654", b"0.00000000"), START)
    assert isinstance(top, TopOfBook)
    assert (top.bid, top.ask) == (None, ("1285.27", "1.56637040"))


def test_a_ticker_without_sizes_tells_no_top(session: CoinbaseExchangeSession) -> None:
    """Tickers of 2021 had prices only, which are no levels."""
    frame = TICKER.replace(b'"best_bid_size":"0.46688654",', b"").replace(
        b'"best_ask_size":"1.56637040",', b""
    )
    assert list(session.feed(frame, START)) == []


def test_a_heartbeat_is_heard_by_the_books_of_its_product(session: CoinbaseExchangeSession) -> None:
    """Every book that is wanted of the product lives, however quiet its market; others hear nothing."""
    assert list(session.feed(HEARTBEAT, START)) == []
    others = {Topic(Channel.TRADES, "BTC-USD"), Topic(Channel.BOOK, "ETH-USD")}
    session.want(frozenset({BOOK_TOPIC, ORDERS_TOPIC, *others}), START)
    assert list(session.feed(HEARTBEAT, START)) == [Heard(BOOK_TOPIC), Heard(ORDERS_TOPIC)]


# --- orders


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (RECEIVED, event(OrderAction.NOTHING, "d50ec984", 10)),
        (OPEN, event(OrderAction.OPEN, "d50ec984", 10, side=Side.SELL, price="200.2", size="1.00")),
        (DONE, event(OrderAction.DONE, "d50ec984", 10, side=Side.SELL)),
        (DONE.replace(b'"price":"200.2",', b""), event(OrderAction.DONE, "d50ec984", 10, side=Side.SELL)),
        (STP, event(OrderAction.CHANGE, "ac928c66", 80, side=Side.SELL, size="5.23512")),
        (
            STP.replace(b'"400.23"', b"null"),
            event(OrderAction.CHANGE, "ac928c66", 80, side=Side.SELL, size="5.23512"),
        ),
        (MODIFIED, event(OrderAction.CHANGE, "c3f16063", 80, side=Side.BUY, size="80", price="6")),
        (
            STP.replace(b"_size", b"_funds"),
            event(OrderAction.NOTHING, "ac928c66", 80, side=Side.SELL),
        ),
    ],
    ids=[
        "received",
        "open",
        "done",
        "done of a market order",
        "STP",
        "STP without price",
        "modified",
        "funds",
    ],
)
def test_order_messages(session: CoinbaseExchangeSession, frame: bytes, expected: OrderEvent) -> None:
    """Each documented message of the full channel has its effect on the book, and all count in the sequence."""
    assert list(session.feed(frame, START)) == [expected]


def test_a_match_is_an_event_where_orders_are_wanted(session: CoinbaseExchangeSession) -> None:
    """With the full channel a match takes from the maker's order; it is a trade too where trades are wanted."""
    session.want(frozenset({ORDERS_TOPIC}), START)
    assert list(session.feed(MATCH, START)) == [MATCHED]
    session.want(frozenset({ORDERS_TOPIC, Topic(Channel.TRADES, "BTC-USD")}), START)
    assert list(session.feed(MATCH, START)) == [MATCHED, TRADED]


@pytest.mark.parametrize(
    "frame", [ACTIVATE, DONE.replace(b'"sequence":10,', b"")], ids=["activate", "private"]
)
def test_private_messages_are_in_no_sequence(session: CoinbaseExchangeSession, frame: bytes) -> None:
    """A message that only its owner gets has no number, so it must not move the sequence."""
    session.want(frozenset({ORDERS_TOPIC}), START)
    assert list(session.feed(frame, START)) == []


# --- what is not ours, and what is broken


@pytest.mark.parametrize(
    "frame",
    [
        b"{}",
        b'{"type":"status","products":[],"currencies":[]}',
        b'{"type":"of another year","product_id":"BTC-USD","sequence":7,"changes":null}',
        *(
            frame.replace(b"BTC-USD", b"NOBODY-KNOWS").replace(b"ETH-USD", b"NOBODY-KNOWS")
            for frame in (SNAPSHOT, UPDATE, MATCH, TICKER, HEARTBEAT, RECEIVED, OPEN, DONE, STP)
        ),
    ],
)
def test_what_is_not_ours_is_left_alone(session: CoinbaseExchangeSession, frame: bytes) -> None:
    """New kinds of message and products that are not listed say nothing."""
    assert list(session.feed(frame, START)) == []


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (UPDATE[:-1], "book:BTC-USD"),
        (UPDATE + b"}", "book:BTC-USD"),
        (UPDATE.replace(b'"buy"', b'"bid"'), "book:BTC-USD"),
        (UPDATE.replace(b"22357.5", b"2235.7.5"), "book:BTC-USD"),
        (UPDATE.replace(b'"2"', b"2"), "book:BTC-USD"),
        (UPDATE.replace(b'"22357.5","2"', b'"22357.5"'), "book:BTC-USD"),
        (UPDATE.replace(b"changes", b"charges"), "book:BTC-USD"),
        (UPDATE.replace(b"22357.5", b"\xff"), "book:BTC-USD"),
        (UPDATE.replace(b"05.010758Z", b"05.010758"), "book:BTC-USD"),
        (SNAPSHOT.replace(b'"bids"', b'"beds"'), "book:BTC-USD"),
        (MATCH.replace(b'"sell"', b'"both"'), "trades:BTC-USD"),
        (MATCH.replace(b'"trade_id":10', b'"trade_id":"x"'), "trades:BTC-USD"),
        (TICKER.replace(b'"1285.04"', b"null"), "top:ETH-USD"),
        (OPEN.replace(b'"sequence":10', b'"sequence":1.5'), "orders:BTC-USD"),
        (DONE.replace(b"order_id", b"order"), "orders:BTC-USD"),
    ],
)
def test_a_malformed_message_names_the_book_that_lost_it(
    session: CoinbaseExchangeSession, frame: bytes, topic: str
) -> None:
    """Bad JSON, wrong types, missing fields and bad UTF-8 cost the frame, name the topic, and the session goes on."""
    session.feed(UPDATE, START)
    with pytest.raises(MalformedMessage) as raised:
        session.feed(frame, START)
    assert (raised.value.topic, raised.value.instrument) == (topic, topic.partition(":")[2])
    assert raised.value.venue == "coinbase_exchange"
    assert list(session.feed(UPDATE, START)) == [DELTA]


def test_a_malformed_match_is_a_loss_of_the_orders_that_are_wanted(session: CoinbaseExchangeSession) -> None:
    """On the full channel a match that cannot be read is missing from the book of orders."""
    session.want(frozenset({ORDERS_TOPIC}), START)
    with pytest.raises(MalformedMessage) as raised:
        session.feed(MATCH.replace(b'"sell"', b'"both"'), START)
    assert raised.value.topic == str(ORDERS_TOPIC)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        b"null",
        b"{",
        b"7",
        b'{"type":1}',
        b'{"type":"heartbeat"}',
        b'{"type":"subscriptions"}',
        b'{"type":"snapshot","bids":[],"asks":[]}',
        b'{"type":"\xff"}',
        b'{"type":"level3","schema":[]}',
        b"{" * 100_000,
        b"[" * 100_000,
        b'["open"]',
    ],
)
def test_what_cannot_be_placed_is_malformed_without_a_book(
    session: CoinbaseExchangeSession, frame: bytes
) -> None:
    """A frame of which not even the product can be read names none."""
    with pytest.raises(MalformedMessage) as raised:
        session.feed(frame, START)
    assert raised.value.instrument == ""


def test_calls_are_not_taken(session: CoinbaseExchangeSession) -> None:
    """The feed answers no calls, and says so."""
    with pytest.raises(Unsupported):
        session.call(SocketRequest("1", "order.place"), START)


# --- level3


SCHEMA = (
    b'{"type":"level3","schema":{"change":["type","product_id","sequence","order_id","price","size","time"],'
    b'"done":["type","product_id","sequence","order_id","time"],"match":["type","product_id","sequence",'
    b'"maker_order_id","taker_order_id","price","size","time"],"noop":["type","product_id","sequence","time"],'
    b'"open":["type","product_id","sequence","order_id","side","price","size","time"]}}'
)
COMPACT_TOPIC = Topic(Channel.ORDERS, "BTC-USD", "level3")


def row(*cells: str | int | None) -> bytes:
    """A row of the level3 channel."""
    return json.dumps([*cells, "2014-11-07T08:19:27.028459Z"]).encode()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            row("open", "BTC-USD", "57", "12aca6e0", "buy", "27268.09", "0.02"),
            event(OrderAction.OPEN, "12aca6e0", 57, side=Side.BUY, price="27268.09", size="0.02"),
        ),
        (
            row("match", "BTC-USD", "57", "ac928c66", "132fb6ae", "27268.09", "0.01"),
            event(OrderAction.MATCH, "ac928c66", 57, price="27268.09", size="0.01"),
        ),
        (
            row("change", "BTC-USD", "57", "12aca6e0", "27268.10", "0.01"),
            event(OrderAction.CHANGE, "12aca6e0", 57, price="27268.10", size="0.01"),
        ),
        (
            row("change", "BTC-USD", "57", "12aca6e0", None, "0.01"),
            event(OrderAction.CHANGE, "12aca6e0", 57, size="0.01"),
        ),
        (row("done", "BTC-USD", "57", "12aca6e0"), event(OrderAction.DONE, "12aca6e0", 57)),
        (row("noop", "BTC-USD", "57"), event(OrderAction.NOTHING, "", 57)),
    ],
)
def test_compact_rows(session: CoinbaseExchangeSession, frame: bytes, expected: OrderEvent) -> None:
    """Rows are read by the documented schema, and say what the messages of the full channel say."""
    assert list(session.feed(SCHEMA, START)) == []
    assert list(session.feed(frame, START)) == [expected]


def test_the_schema_is_read_and_not_assumed(session: CoinbaseExchangeSession) -> None:
    """Columns may change places, and kinds that are not known move the sequence and nothing else."""
    session.feed(
        b'{"type":"level3","schema":{"done":["type","order_id","sequence","product_id"],'
        b'"new":["type","product_id","sequence"]}}',
        START,
    )
    [done] = session.feed(b'["done","12aca6e0","57","BTC-USD"]', START)
    assert isinstance(done, OrderEvent)
    assert (done.action, done.order_id, done.last) == (OrderAction.DONE, "12aca6e0", 57)
    [new] = session.feed(b'["new","BTC-USD",58]', START)
    assert isinstance(new, OrderEvent)
    assert (new.action, new.last) == (OrderAction.NOTHING, 58)
    assert list(session.feed(b'["new","NOBODY-KNOWS",58]', START)) == []


@pytest.mark.parametrize(
    "frame",
    [
        row("open", "BTC-USD", "57", "12aca6e0", "buy", "27268.09"),
        row("unheard", "BTC-USD", "57"),
        row("noop", "BTC-USD", "-1"),
        row("noop", "BTC-USD", "²"),
        row("noop", "BTC-USD", "9" * 5_000),
        row("noop", "BTC-USD", None),
        row("done", "BTC-USD", "57", None),
        b"[]",
        b"[{}]",
        b'["noop",',
    ],
)
def test_a_malformed_row(session: CoinbaseExchangeSession, frame: bytes) -> None:
    """Rows that the schema does not fit, or that tell no number or no order, are malformed."""
    session.feed(SCHEMA, START)
    with pytest.raises(MalformedMessage):
        session.feed(frame, START)


def test_a_malformed_row_names_the_book_that_lost_it(session: CoinbaseExchangeSession) -> None:
    """Where a row tells its product, the loss is that book's."""
    session.feed(SCHEMA, START)
    with pytest.raises(MalformedMessage) as raised:
        session.feed(row("done", "BTC-USD", "57", None), START)
    assert (raised.value.topic, raised.value.instrument) == (str(COMPACT_TOPIC), "BTC-USD")


# --- properties

EVERYTHING = (
    SNAPSHOT,
    UPDATE,
    FINE_UPDATE,
    MATCH,
    TICKER,
    HEARTBEAT,
    RECEIVED,
    OPEN,
    DONE,
    STP,
    MODIFIED,
    ACTIVATE,
    SCHEMA,
    row("open", "BTC-USD", "57", "12aca6e0", "buy", "27268.09", "0.02"),
    b'{"type":"subscriptions","channels":[{"name":"full","product_ids":["BTC-USD"]}]}',
    b'{"type":"error","message":"Failed to subscribe","reason":"BTC-USD is not a valid product"}',
    b'{"type":"status","products":[],"currencies":[]}',
)


def test_any_bytes_are_read_or_malformed(session: CoinbaseExchangeSession) -> None:
    """Whatever comes, `feed` returns outputs or raises `MalformedMessage`, never anything else, and goes on."""
    driver = Driver(session).open(BOOK_TOPIC, ORDERS_TOPIC)
    driver.hear(SCHEMA)
    read_or_malformed(driver, EVERYTHING)
    driver.sleep(60.0)
    driver.want(BOOK_TOPIC)
    assert driver.hear(UPDATE)[-1] == replace(DELTA, received=driver.now)


PRICES = st.decimals(min_value="0.01", max_value="999999999", places=2).map(str)
SIZES = st.decimals(min_value=0, max_value="999999999", places=8).map(lambda size: f"{size:f}")


@given(changes=st.lists(st.tuples(st.sampled_from(["buy", "sell"]), PRICES, SIZES), max_size=30))
def test_every_change_arrives_once_in_order(
    make_instrument: Callable[..., Instrument], changes: list[tuple[str, str, str]]
) -> None:
    """Rows by side are the changes by side, in order, whether prices are doubles or text, and doubles are exact."""
    table = InstrumentTable([make_instrument("BTC-USD"), make_instrument("SKL-BTC", "0.00000001")])
    session = CoinbaseExchangeSession(table)
    for product, price_of in (("BTC-USD", float), ("SKL-BTC", str)):
        update = {"type": "l2update", "product_id": product, "changes": changes}
        [delta] = session.feed(json.dumps(update, separators=(",", ":")).encode(), START)
        assert isinstance(delta, BookDelta)
        for side, rows in (("buy", delta.bids), ("sell", delta.asks)):
            assert rows == [(price_of(price), size) for each, price, size in changes if each == side]
