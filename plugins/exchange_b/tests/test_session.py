"""The public stream: books order by order, trades, pings and subscriptions."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import pytest
from plugins.exchange_b.tests.local import START, LocalB

from venuekit.books.orders import ActiveOrders
from venuekit_exchange_b.dialect import listings
from venuekit_exchange_b.dialect.frames import NO_PONG, TOO_MANY
from venuekit_exchange_b.session import ExchangeBSession
from venuekit_simulator.market_flow import RandomFlow
from venuekit_spec import (
    NOTHING,
    Channel,
    Hangup,
    InstrumentStatus,
    InstrumentTable,
    MalformedMessage,
    NewOrder,
    OrderAction,
    OrderBookSnapshot,
    OrderEvent,
    Send,
    Side,
    SocketRequest,
    StatusChange,
    TimeInForce,
    Topic,
    TopicLive,
    TopicLost,
    Trade,
    Unsupported,
    after,
)
from venuekit_testkit import Pair
from venuekit_testkit.talking import NONSENSE, mutations

BTC = "BTC-USDC"
PATIENCE = ExchangeBSession.answer_within
TABLE = InstrumentTable(listing.instrument for listing in listings())


def played(pair: Pair, instrument: str) -> ActiveOrders:
    """The book that the messages of a session come to."""
    book = ActiveOrders()
    for message in pair.told:
        if isinstance(message, OrderBookSnapshot) and message.instrument == instrument:
            book.restart(message)
        elif isinstance(message, OrderEvent) and message.instrument == instrument:
            book.apply(message)
    return book


def same(local: LocalB, book: ActiveOrders, instrument: str) -> None:
    """The book is the engine's: every order under its hash, per price in queue order."""
    resting = local.engine.resting(instrument)
    assert len(book) == len(resting)
    queues: dict[tuple[Side, str], list[tuple[str, Decimal]]] = {}
    for order in resting:
        queue = queues.setdefault((order.side, order.price), [])
        queue.append((local.chain.hash(order.order_id), Decimal(order.size)))
    for (side, price), queue in queues.items():
        told = [(order.order_id, Decimal(order.size)) for order in book.queue(side, price)]
        assert told == queue


@pytest.mark.parametrize("seed", range(3))
def test_the_book_is_the_engines_after_a_random_flow(seed: int) -> None:
    """Snapshot and changes come to the engine's book, order by order, with own orders, cancels and undone blocks between."""
    local = LocalB()
    flow = RandomFlow(local.engine, seed)
    wake = flow.step(local.now)
    pair = local.books(BTC, "ETH-USDC-PERP")
    for turn in range(400):
        local.advance(max(wake - local.now, 1) / 1e9)
        wake = flow.step(local.now)
        if turn % 40 == 0:
            best = max((price for price, _ in local.engine.book(BTC, 1).asks), default=Decimal(60_000))
            local.place(
                local.order(Side.BUY, str(best), "0.01"),
                local.order(Side.BUY, str(best - 5), "0.01", blocks=2),
            )
        if turn % 90 == 50:
            local.server.undo_block()
    local.advance(0.5)
    for instrument in (BTC, "ETH-USDC-PERP"):
        book = played(pair, instrument)
        same(local, book, instrument)
        assert (book.counters.unknown, book.counters.overmatched) == (0, 0)
    events = pair.of(OrderEvent)
    assert {event.action for event in events} >= {OrderAction.OPEN, OrderAction.MATCH, OrderAction.DONE}
    assert any(event.more for event in events)
    assert all(event.time == 0 and event.last is None for event in events)
    assert all(not event.price for event in events if event.action is OrderAction.DONE)


def test_ones_own_order_is_found_by_its_hash(local: LocalB) -> None:
    """The feed calls an order by the hash that its placement returned, so the user's size is seen at its price."""
    pair = local.books(BTC)
    local.engine.place("bob", NewOrder(BTC, Side.BUY, Decimal(2), "", price=Decimal(50_000)), local.now)
    [placed] = local.place(local.order(Side.BUY, "50000", "0.5"))
    local.block(2)
    book = played(pair, BTC)
    [row] = book.own([placed.report.order_id])
    assert (Decimal(row.size), Decimal(row.own_size), row.orders) == (Decimal("2.5"), Decimal("0.5"), 2)
    assert book.queue_ahead(placed.report.order_id) == 2


def test_a_snapshot_by_rest_is_the_same_book(local: LocalB) -> None:
    """What an audit compares with is the engine's book in the words of the feed."""
    RandomFlow(local.engine, 1).step(local.now)
    topic = Topic(Channel.ORDERS, BTC)
    snapshot = local.run(local.source.snapshot(topic, local.instruments[BTC]))
    assert isinstance(snapshot, OrderBookSnapshot)
    book = ActiveOrders()
    book.restart(snapshot)
    same(local, book, BTC)
    assert len(book) > 10
    with pytest.raises(Unsupported):
        local.run(local.source.snapshot(Topic(Channel.TRADES, BTC), local.instruments[BTC]))


def test_trades(local: LocalB) -> None:
    """Each trade is told once, with the taker's side and no time."""
    local.engine.place("bob", NewOrder(BTC, Side.SELL, Decimal(1), "", price=Decimal(60_000)), local.now)
    pair = local.books(BTC)
    take = NewOrder(
        BTC, Side.BUY, Decimal("0.3"), "", price=Decimal("60000.5"), time_in_force=TimeInForce.IOC
    )
    local.engine.place("carol", take, local.now)
    local.advance(0.1)
    [trade] = pair.of(Trade)
    assert (Decimal(trade.price), Decimal(trade.size), trade.side) == (60_000, Decimal("0.3"), Side.BUY)
    assert (trade.time, trade.received, bool(trade.key)) == (0, trade.received, True)


def test_a_repair_is_a_fresh_snapshot(local: LocalB) -> None:
    """A topic that is left out and wanted again comes with another snapshot, and the book goes on from there."""
    pair = local.books(BTC)
    local.engine.place("bob", NewOrder(BTC, Side.BUY, Decimal(2), "", price=Decimal(50_000)), local.now)
    pair.lose = 1
    local.advance(0.1)
    trades = Topic(Channel.TRADES, BTC)
    pair.want(trades)
    pair.want(trades, Topic(Channel.ORDERS, BTC))
    local.advance(0.5)
    local.engine.place("bob", NewOrder(BTC, Side.BUY, Decimal(1), "", price=Decimal(50_000)), local.now)
    local.advance(0.1)
    assert len(pair.of(OrderBookSnapshot)) == 2
    same(local, played(pair, BTC), BTC)


def test_a_status(local: LocalB) -> None:
    """A halt is told to whoever is subscribed to the market."""
    pair = local.books(BTC)
    local.engine.set_status(BTC, InstrumentStatus.HALTED, local.now)
    assert [(each.instrument, each.status) for each in pair.of(StatusChange)] == [
        (BTC, InstrumentStatus.HALTED)
    ]


def test_topics_become_live_or_are_lost(local: LocalB) -> None:
    """What the venue has becomes live, one frame a topic; what it has not is lost for good at once."""
    pair = local.books(BTC, "ETH-USDC")
    assert {each.topic for each in pair.of(TopicLive)} == {
        Topic(channel, id_) for id_ in (BTC, "ETH-USDC") for channel in (Channel.ORDERS, Channel.TRADES)
    }
    nowhere = Topic(Channel.BOOK, BTC)
    told = pair.want(nowhere)
    assert [each for each in told if isinstance(each, TopicLost)] == [
        TopicLost(nowhere, "there is no such topic")
    ]


def test_a_market_that_the_venue_refuses() -> None:
    """A market that is gone at the venue costs its own topic, for good, with the venue's label."""
    session = ExchangeBSession(TABLE)
    session.opened(START)
    topic = Topic(Channel.ORDERS, BTC)
    session.want(frozenset({topic}), START)
    told = session.feed(b'{"id":1,"error":{"label":"unknownMarket"}}', START)
    assert [each for each in told if isinstance(each, TopicLost)] == [TopicLost(topic, "unknownMarket")]


def test_a_subscription_that_nobody_answers() -> None:
    """It is sent once more, then lost for now and ended; wanting it again asks again, once that is confirmed."""
    session = ExchangeBSession(TABLE)
    topic = Topic(Channel.ORDERS, BTC)
    session.opened(START)
    session.want(frozenset({topic}), START)
    now = after(START, PATIENCE)
    assert len(session.tick(now)) == 2
    now = after(now, PATIENCE)
    [lost, *_] = session.tick(now)
    assert isinstance(lost, TopicLost)
    assert not lost.final
    now = after(now, 1.0)
    assert not session.want(frozenset({topic}), now)
    [asked] = session.feed(b'{"id":3}', now)
    assert isinstance(asked, Send)
    [live, *_] = session.feed(b'{"market":1,"snapshot":[]}', now)
    assert live == TopicLive(topic)


def test_pings_and_heights(local: LocalB) -> None:
    """Pings are echoed, heights tell of life each block, and a client that does not answer is hung up on."""
    pair, silent = local.books(BTC), local.books(BTC)
    silent.mute = True
    local.block(45)
    assert {"pong": 1} in pair.said()
    heights = [
        msgspec.json.decode(frame)["height"] for frame in pair.frames if frame.startswith(b'{"height"')
    ]
    assert heights == list(range(heights[0], local.chain.height + 1))
    assert pair.hung_up is None
    assert silent.hung_up == NO_PONG.code


def test_a_client_that_talks_too_much(local: LocalB) -> None:
    """More frames in a second than are allowed end the socket."""
    pair = local.books(BTC)
    told = [pair.line.server.feed("nonsense", local.now) for _ in range(30)]
    assert told[-1] == TOO_MANY
    assert isinstance(told[-1][0], Hangup)


@pytest.mark.parametrize(
    ("frame", "instrument"),
    [
        (b"", ""),
        (b"{}", ""),
        (b'{"market":"x"}', ""),
        (b'{"market":1,"changes":[{"do":"dance","order":"0x1"}]}', BTC),
        (b'{"market":1,"changes":[{"do":"done","order":""}]}', BTC),
        (b'{"market":1,"changes":[{"do":"open","order":"0x1","price":-4}]}', BTC),
        (b'{"market":1,"snapshot":[["0x1",true,1,1]]}', BTC),
        (b'{"market":1,"trades":{}}', BTC),
        (b'{"market":4294967296}', ""),
        (b"\xff\xfe", ""),
    ],
)
def test_nonsense_names_the_book_that_lost_it(frame: bytes, instrument: str) -> None:
    """A frame that cannot be read raises `MalformedMessage`, with the market where that much can be read; others go on."""
    session = ExchangeBSession(TABLE)
    with pytest.raises(MalformedMessage) as caught:
        session.feed(frame, START)
    assert caught.value.instrument == instrument
    assert session.feed(b'{"height":5}', START) == NOTHING


@pytest.mark.parametrize("private", [False, True])
def test_no_frame_breaks_the_venue(local: LocalB, *, private: bool) -> None:
    """Whatever a client sends is answered or ends its socket, and the venue lives on."""
    dice = Random(3)
    pair = local.watch() if private else local.books(BTC)
    frames = [frame.encode() if isinstance(frame, str) else frame for _, frame in pair.sent]
    nearly = [each for frame in frames for each in mutations(frame, dice, 60)]
    for frame in (*NONSENSE, *nearly):
        if pair.hung_up is not None:
            pair = local.watch() if private else local.books(BTC)
        pair.line.say(frame, local.now)
        local.advance(0.1)
    local.block()
    assert local.watch().live


def test_the_verbs_that_do_nothing() -> None:
    """The session runs no flows and takes no calls; markets that are not read are left alone."""
    session = ExchangeBSession(TABLE)
    assert session.answered("x", None, START) == NOTHING
    assert session.feed(b'{"market":999,"trades":[]}', START) == NOTHING
    with pytest.raises(Unsupported):
        session.call(SocketRequest("1", "x"), START)
    session.closed("over")
    assert session.tick(after(START, 60.0)) == NOTHING
