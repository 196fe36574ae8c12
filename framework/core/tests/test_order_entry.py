from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any
from zlib import crc32

import msgspec
import pytest
from attrs import evolve
from framework.core.tests.order_feeds import (
    BUY,
    CHANGE,
    DONE,
    MATCH,
    NOTHING,
    OPEN,
    SELL,
    Model,
    event,
    snapshot,
)
from framework.core.tests.venues import (
    RANGES,
    SOCKET,
    START,
    ToyConnector,
    ToySession,
    ToySource,
    ToyVenue,
    delta,
    instrument,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from venuekit import LoadedConnector, NetworkTransports, connect, open_exchange
from venuekit.books import (
    ActiveOrders,
    BookDrift,
    BookNotLive,
    BookOrder,
    BookState,
    LevelsUnknown,
    Need,
    OrderByOrderBook,
    OrderByOrderEntry,
    OrderCounters,
)
from venuekit.pacing import PacerRegistry
from venuekit_spec import (
    SECOND,
    ActiveOrderTracker,
    BookChecksum,
    Channel,
    Checksum,
    Flow,
    HttpRequest,
    Ids,
    Instant,
    Instrument,
    InstrumentStatus,
    InstrumentTable,
    Join,
    LocalError,
    MalformedMessage,
    OrderBookRow,
    OrderBookSnapshot,
    OrderEvent,
    Output,
    Outputs,
    RestingOrder,
    Rows,
    Side,
    SnapshotSource,
    StatusChange,
    SyncRule,
    Topic,
    TopicLive,
    TopicRule,
    Unsupported,
    VenueUnavailable,
    hookimpl,
    http,
)

pytestmark = pytest.mark.anyio

NEXT = SyncRule(snapshot=SnapshotSource.REST, ids=Ids.NEXT, audit=60)
WINDOW = SyncRule(snapshot=SnapshotSource.IN_BAND, depth=2)

A = RestingOrder("a", BUY, "100", "1")
B = RestingOrder("b", BUY, "100", "2")
C = RestingOrder("c", BUY, "99", "4")
D = RestingOrder("d", SELL, "101", "8")
ORDERS = (A, B, C, D)


def entry(rule: SyncRule = NEXT, needs: list[Need] | None = None, **more: Any) -> OrderByOrderEntry:
    """A tracked order-by-order book that nobody drives; what it needs is noted in `needs`."""

    def note(_entry: object, need: Need) -> None:
        if needs is not None:
            needs.append(need)

    tracked = OrderByOrderEntry(
        Topic(Channel.ORDERS, "P1-USD"), instrument(), rule, note, venue="toy", **more
    )
    tracked.started(START)
    return tracked


def live(
    rule: SyncRule = NEXT, orders: Iterable[RestingOrder] = ORDERS, needs: list[Need] | None = None
) -> OrderByOrderEntry:
    """One that is LIVE at id 10, with A and B at 100, C at 99 and D at 101."""
    tracked = entry(rule, needs)
    tracked.snapshot(snapshot(*orders, last=10))
    assert tracked.book.live
    return tracked


def levels(book: OrderByOrderBook) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Prices and sizes of bids and asks, whatever the state."""
    bids, asks = ([(str(row[0]), row[1]) for row in book.unproven.rows(side)] for side in Side)
    return bids, asks


def heard(tracked: OrderByOrderEntry) -> list[Any]:
    """What the listeners of its book are told from now on."""
    told: list[Any] = []
    tracked.book.listeners.append(told.append)
    return told


# The sequence


def test_what_waited_is_joined_by_id() -> None:
    """Events before the snapshot are kept, those it has already are stale: no match counts twice."""
    needs: list[Need] = []
    tracked = entry(needs=needs)
    for last in range(9, 13):
        tracked.delta(event(MATCH, "d", size="1", last=last))
    assert needs == [Need.SNAPSHOT]
    tracked.snapshot(snapshot(*ORDERS, last=10))
    assert tracked.book.live
    assert levels(tracked.order_book) == ([("100", "3"), ("99", "4")], [("101", "6")])
    assert (tracked.counters.buffered, tracked.counters.stale, tracked.counters.deltas) == (4, 2, 2)
    assert tracked.book.last == 12


def test_a_gap_is_noticed_and_repaired() -> None:
    """An event that does not follow takes the book out of LIVE at once; a newer snapshot, joined to it, repairs."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    tracked.delta(event(DONE, "a", last=11))
    tracked.delta(event(DONE, "c", last=13))
    assert tracked.book.state is BookState.GAP
    assert needs[-1] is Need.SNAPSHOT
    with pytest.raises(BookNotLive, match="after 11 came 13"):
        tracked.order_book.orders(BUY, "100")
    tracked.snapshot(snapshot(B, C, D, last=12))
    assert levels(tracked.order_book) == ([("100", "2")], [("101", "8")])
    assert tracked.counters.repairs == 1


def test_events_that_only_move_the_sequence() -> None:
    """A noop keeps the sequence together and is not published; nor is an event without effect."""
    tracked = live()
    told = heard(tracked)
    tracked.delta(event(NOTHING, last=11))
    tracked.delta(event(DONE, "nobody", last=12))
    tracked.delta(event(DONE, "a", last=13))
    assert tracked.book.live
    assert tracked.book.last == 13
    assert [message.order_id for message in told] == ["a"]
    assert tracked.order_counters == OrderCounters(unknown=1)


def test_everything_kept_is_replayed_where_snapshots_have_no_id() -> None:
    """Replaying what the snapshot has already changes nothing where events are idempotent."""
    tracked = entry(SyncRule(snapshot=SnapshotSource.REST, join=Join.ANYWHERE))
    tracked.delta(event(OPEN, "b", side=BUY, price="100", size="2"))
    tracked.delta(event(DONE, "gone"))
    tracked.delta(event(CHANGE, "c", size="3"))
    tracked.snapshot(snapshot(*ORDERS))
    assert tracked.book.live
    assert levels(tracked.order_book) == ([("100", "3"), ("99", "3")], [("101", "8")])
    assert [order.order_id for order in tracked.order_book.orders(BUY, "100")] == ["a", "b"]


# Frames


def test_a_frame_is_one_step() -> None:
    """Inside a frame the book may be crossed, and nobody hears of it before the frame is complete."""
    tracked = live(SyncRule(snapshot=SnapshotSource.IN_BAND))
    told = heard(tracked)
    tracked.delta(event(OPEN, "x", side=BUY, price="102", size="1", more=True))
    assert tracked.book.crossed
    assert told == []
    tracked.delta(event(DONE, "d"))
    assert tracked.book.live
    assert [message.order_id for message in told] == ["x", "d"]
    tracked.delta(event(OPEN, "y", side=SELL, price="100", size="1"))
    assert tracked.book.state is BookState.GAP


@pytest.mark.parametrize("ids", [(11, 11, 11), (11, 12, 13)])
def test_ids_of_a_frame(ids: tuple[int, int, int]) -> None:
    """The events of a frame carry its id, or one each; both follow, and both are stale after a newer snapshot."""
    frame = [
        event(MATCH, id_, size="1", last=last, more=more)
        for id_, last, more in zip("bcd", ids, (True, True, False), strict=True)
    ]
    tracked = live()
    for each in frame:
        tracked.delta(each)
    assert tracked.book.live
    assert levels(tracked.order_book) == ([("100", "2"), ("99", "3")], [("101", "7")])
    for each in frame:
        tracked.delta(each)
    assert tracked.counters.stale == 3
    tracked.delta(event(NOTHING, last=ids[-1] + 2))
    assert tracked.book.state is BookState.GAP


def test_a_snapshot_in_the_middle_of_a_frame_of_ids() -> None:
    """Of a frame whose events have an id each, those that the snapshot has are stale and the others apply."""
    tracked = entry()
    for id_, last, more in (("b", 9, True), ("c", 10, True), ("d", 11, False)):
        tracked.delta(event(MATCH, id_, size="1", last=last, more=more))
    tracked.snapshot(snapshot(*ORDERS, last=10))
    assert levels(tracked.order_book) == ([("100", "3"), ("99", "4")], [("101", "7")])


def test_a_frame_that_makes_no_sense_is_lost_as_a_whole() -> None:
    """After a malformed event the rest of its frame is dropped: no repair is joined to a part of it."""
    needs: list[Need] = []
    tracked = live(needs=needs)
    told = heard(tracked)
    tracked.delta(event(MATCH, "b", size="1", last=11, more=True))
    with pytest.raises(MalformedMessage, match="on orders:P1-USD: no order") as caught:
        tracked.delta(event(MATCH, "c", size="NaN", last=11, more=True))
    assert (caught.value.venue, caught.value.instrument) == ("toy", "P1-USD")
    assert "NaN" in caught.value.excerpt
    tracked.delta(event(MATCH, "d", size="1", last=11, more=True))
    tracked.delta(event(MATCH, "d", size="1", last=11))
    tracked.delta(event(DONE, "a", last=12))
    assert tracked.counters.buffered == 1
    tracked.snapshot(snapshot(*ORDERS, last=10))
    assert not tracked.book.live
    tracked.snapshot(snapshot(*ORDERS, last=11))
    assert levels(tracked.order_book) == ([("100", "2"), ("99", "4")], [("101", "8")])
    assert [message.order_id for message in told if isinstance(message, OrderEvent)] == ["a"]
    assert needs == [Need.SNAPSHOT, Need.SNAPSHOT, Need.SNAPSHOT]


def test_a_waiting_frame_that_makes_no_sense() -> None:
    """A malformed event among those that waited takes the rest of its frame along; the next snapshot starts after it."""
    tracked = entry()
    tracked.delta(event(MATCH, "c", size="x", last=11, more=True))
    tracked.delta(event(MATCH, "c", size="1", last=11, more=True))
    tracked.delta(event(MATCH, "d", size="1", last=11))
    tracked.delta(event(DONE, "a", last=12))
    with pytest.raises(MalformedMessage):
        tracked.snapshot(snapshot(*ORDERS, last=10))
    assert tracked.waits_for_snapshot
    tracked.snapshot(snapshot(*ORDERS, last=10))
    assert not tracked.book.live
    tracked.snapshot(snapshot(*ORDERS, last=11))
    assert levels(tracked.order_book) == ([("100", "2"), ("99", "4")], [("101", "8")])


def test_a_snapshot_that_makes_no_sense() -> None:
    """A malformed snapshot is refused by name, and another is asked for."""
    needs: list[Need] = []
    tracked = entry(needs=needs)
    with pytest.raises(MalformedMessage, match="price '0'"):
        tracked.snapshot(snapshot(RestingOrder("a", BUY, "0", "1"), last=10))
    assert needs == [Need.SNAPSHOT, Need.SNAPSHOT]
    assert tracked.counters.malformed == 1


# The window


def test_levels_leave_the_window_with_their_orders() -> None:
    """Levels beyond the depth are cut after each frame; their orders are unknown until the venue tells them anew."""
    tracked = live(WINDOW)
    book = tracked.order_book
    tracked.delta(event(OPEN, "x", side=BUY, price="100.5", size="1"))
    assert levels(book)[0] == [("100.5", "1"), ("100", "3")]
    assert book.order("c") is None
    with pytest.raises(LevelsUnknown):
        book.orders(BUY, "99")
    tracked.delta(event(MATCH, "c", size="1"))
    assert tracked.order_counters.unknown == 1
    tracked.delta(event(DONE, "x", more=True))
    tracked.delta(event(OPEN, "c", side=BUY, price="99", size="3"))
    assert levels(book)[0] == [("100", "3"), ("99", "3")]
    assert book.orders(BUY, "99") == [BookOrder("c", BUY, Decimal(99), Decimal(3), own=False)]
    assert tracked.order_counters.replaced == 0


def test_a_frame_is_cut_after_its_last_event() -> None:
    """A level that is beyond the depth only while a frame is being applied stays."""
    tracked = live(WINDOW)
    tracked.delta(event(OPEN, "x", side=BUY, price="100.5", size="1", more=True))
    tracked.delta(event(DONE, "a", more=True))
    tracked.delta(event(DONE, "b"))
    assert levels(tracked.order_book)[0] == [("100.5", "1"), ("99", "4")]


IDS = st.sampled_from("abcdefghij")
PRICES = st.integers(95, 99).map(str)
SIZES = st.sampled_from(["1", "1.50", "2", "3"])
HAPPENINGS = st.one_of(
    st.builds(event, st.just(OPEN), IDS, side=st.just(BUY), price=PRICES, size=SIZES),
    st.builds(event, st.just(CHANGE), IDS, price=st.just("") | PRICES, size=SIZES),
    st.builds(event, st.just(MATCH), IDS, size=SIZES),
    st.builds(event, st.just(DONE), IDS),
)


def window(model: Model, depth: int) -> dict[Decimal, list[tuple[str, Decimal]]]:
    """The queues of the best bids of a model."""
    queues = {price: queue for (_, price), queue in model.queues().items()}
    return {price: queues[price] for price in sorted(queues, reverse=True)[:depth]}


def frame_of(told: OrderEvent, model: Model, depth: int) -> list[OrderEvent]:
    """What a venue that shows `depth` levels says when `told` happens, which it lets happen in the model.

    Of orders that leave the window it says nothing; a level that enters is told order by order, oldest first.
    """
    before = window(model, depth)
    shown = {id_ for queue in before.values() for id_, _ in queue}
    model.apply(told)
    after = window(model, depth)
    found = model.find(told.order_id)
    remains = found is not None and found[2] in before and found[2] in after
    said = []
    if told.order_id in shown:
        said.append(told if remains else event(DONE, told.order_id))
    elif remains:
        assert found is not None
        said.append(event(OPEN, told.order_id, side=BUY, price=str(found[2]), size=str(found[3])))
    for price, queue in after.items():
        if price not in before:
            said += [event(OPEN, id_, side=BUY, price=str(price), size=str(size)) for id_, size in queue]
    return [msgspec.structs.replace(each, more=place < len(said)) for place, each in enumerate(said, start=1)]


@settings(deadline=None)
@given(st.lists(HAPPENINGS, max_size=40))
def test_a_window_equals_the_best_of_the_whole_book(happenings: list[OrderEvent]) -> None:
    """After every frame of a venue that shows two levels, the book is the best two levels of the venue's whole book."""
    model = Model()
    tracked = live(WINDOW, ())
    for told in happenings:
        for said in frame_of(told, model, 2):
            tracked.delta(said)
        book = tracked.order_book
        found = {
            level.price: [(order.order_id, order.size) for order in book.orders(BUY, level.price)]
            for level in book.bids()
        }
        assert found == window(model, 2)
        assert [level.size for level in book.bids()] == [
            sum(size for _, size in queue) for queue in found.values()
        ]
    assert tracked.order_counters.unknown == 0


# Checksums


def kraken(bids: Rows, asks: Rows, _instrument: Instrument) -> int:
    """https://docs.kraken.com/api/docs/guides/spot-ws-l3-v2: price and size of each order without point and leading zeros."""
    texts = [text.replace(".", "").lstrip("0") for row in (*asks, *bids) for text in (str(row[0]), row[1])]
    return crc32("".join(texts).encode())


OVER_ORDERS = SyncRule(
    snapshot=SnapshotSource.IN_BAND, depth=10, checksum=Checksum(kraken, levels=10, orders=True)
)

KRAKEN_ASKS = """44939.5:4.52308393,0.00111261,0.00100000,0.01000000 44950.0:0.10334926 44953.0:0.00064537
    44955.0:0.00250000 44959.6:0.35630000,0.35630000 44960.1:0.00338072 44960.2:0.88967575 44967.0:3.14392283
    44978.5:0.06778960 44979.2:0.35630000"""
KRAKEN_BIDS = """44939.4:0.88968699,0.45210000,0.10000000,0.14296323,0.25000000,0.10292988,0.33880000,1.28140860
    44937.1:0.03346877 44934.7:0.35630000 44930.2:0.22734299,0.01000000,0.05550000,0.70000000,0.15000000
    44928.0:0.00105240 44919.6:0.33870000 44919.5:0.07610000 44912.0:0.35630000 44909.7:0.06690000 44901.9:0.00088982"""
KRAKEN_CHECKSUM = 1063832831
"""The venue's own example."""


def kraken_orders() -> list[RestingOrder]:
    """The orders of the venue's example."""
    return [
        RestingOrder(f"{price}-{place}", side, price, size)
        for side, text in ((BUY, KRAKEN_BIDS), (SELL, KRAKEN_ASKS))
        for price, _, sizes in (level.partition(":") for level in text.split())
        for place, size in enumerate(sizes.split(","))
    ]


def test_a_checksum_over_orders() -> None:
    """The venue's documented checksum comes out of the queues; orders in another sequence do not give it."""
    tracked = live(OVER_ORDERS, kraken_orders())
    tracked.checksum(BookChecksum(instrument="P1-USD", checksum=KRAKEN_CHECKSUM, received=START + 5))
    assert tracked.book.live
    assert tracked.book.proof.checksums == tracked.counters.checksums == 1
    assert tracked.book.proof.checked == START + 5
    tracked.delta(event(DONE, "44939.5-0", more=True))
    tracked.delta(event(OPEN, "44939.5-0", side=SELL, price="44939.5", size="4.52308393"))
    tracked.checksum(BookChecksum(instrument="P1-USD", checksum=KRAKEN_CHECKSUM, received=START))
    assert tracked.book.state is BookState.GAP
    assert tracked.counters.checksum_failures == 1


def test_a_checksum_comes_with_its_snapshot_and_its_frame() -> None:
    """Nobody hears of a frame whose checksum is not the book's; the checksum of a frame is that of its last event."""
    good = OrderBookSnapshot(instrument="P1-USD", orders=kraken_orders(), checksum=KRAKEN_CHECKSUM)
    wrong = OrderBookSnapshot(instrument="P1-USD", orders=kraken_orders()[1:], checksum=KRAKEN_CHECKSUM)
    tracked = entry(OVER_ORDERS)
    told = heard(tracked)
    tracked.snapshot(wrong)
    assert not tracked.book.live
    tracked.snapshot(good)
    assert tracked.book.live
    tracked.delta(event(DONE, "44939.5-3", more=True, checksum=1))
    tracked.delta(
        event(OPEN, "44939.5-3", side=SELL, price="44939.5", size="0.01000000", checksum=KRAKEN_CHECKSUM)
    )
    assert tracked.book.proof.checksums == 2
    told.clear()
    tracked.delta(event(DONE, "44939.5-0", checksum=KRAKEN_CHECKSUM))
    assert tracked.book.state is BookState.GAP
    assert not [message for message in told if isinstance(message, OrderEvent)]


def test_orders_beyond_a_limited_snapshot_are_unknown() -> None:
    """A snapshot that was limited to so many levels says nothing of what lies beyond the last."""
    tracked = entry(SyncRule(snapshot=SnapshotSource.IN_BAND))
    tracked.snapshot(OrderBookSnapshot(instrument="P1-USD", orders=ORDERS, depth=2))
    book = tracked.order_book
    assert (book.bids_known_to, book.asks_known_to) == (Decimal(99), None)
    with pytest.raises(LevelsUnknown):
        book.orders(BUY, "98")
    assert book.orders(SELL, "102") == []


def test_a_checksum_over_the_levels_of_orders() -> None:
    """A checksum that does not ask for orders gets the aggregated rows."""
    got: list[Rows] = []

    def compute(bids: Rows, asks: Rows, _instrument: Instrument) -> int:
        got.extend((bids, asks))
        return 7

    tracked = live(SyncRule(snapshot=SnapshotSource.IN_BAND, checksum=Checksum(compute, levels=1)))
    tracked.checksum(BookChecksum(instrument="P1-USD", checksum=7))
    assert tracked.book.live
    assert [list(rows) for rows in got] == [[("100", "3", 2, "0")], [("101", "8", 1, "0")]]


# Audits


def test_an_audit_at_the_same_id_agrees() -> None:
    """A snapshot from the middle of the events is brought to where the book stands, and equals it; queues and marks stay."""
    tracked = live()
    tracked.order_book.mark_own(["b"])
    assert tracked.begin_audit()
    tracked.delta(event(DONE, "nobody", last=11))
    tracked.delta(event(MATCH, "a", size="0.5", last=12))
    tracked.delta(event(DONE, "d", last=13))
    tracked.audit(snapshot(*ORDERS, last=11))
    assert tracked.counters.audits == 1
    assert tracked.counters.drifts == 0
    assert tracked.book.proof.audits == 1
    assert tracked.order_counters.unknown == 1
    assert tracked.order_book.queue_ahead("b") == Decimal("0.5")
    assert tracked.order_book.own_size(BUY, "100") == 2
    tracked.delta(event(MATCH, "b", size="1", last=14))
    assert levels(tracked.order_book) == ([("100", "1.5"), ("99", "4")], [])


def test_an_audit_waits_for_the_stream() -> None:
    """A snapshot ahead of the stream is compared when the book gets there, after a whole frame."""
    tracked = live()
    tracked.begin_audit()
    tracked.audit(snapshot(B, C, last=12))
    tracked.delta(event(DONE, "a", last=11))
    assert tracked.counters.audits == 0
    tracked.delta(event(MATCH, "d", size="3", last=12, more=True))
    assert tracked.counters.audits == 0
    tracked.delta(event(MATCH, "d", size="5", last=12))
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)


def test_an_audit_repairs_what_has_drifted() -> None:
    """A snapshot that disagrees is told level by level, and the book is the snapshot's from then on, orders and all."""
    tracked = live()
    told = heard(tracked)
    tracked.begin_audit()
    tracked.delta(event(DONE, "nobody", last=11))
    tracked.audit(snapshot(A, B, RestingOrder("new", BUY, "99", "5"), D, last=11))
    (drift,) = [message for message in told if isinstance(message, BookDrift)]
    assert [(each.price, each.live, each.fresh) for each in drift.levels] == [(99, 4, 5)]
    assert tracked.book.live
    assert tracked.order_book.order("new") is not None
    assert tracked.order_book.order("c") is None
    assert tracked.order_counters.unknown == 1


def test_an_audit_by_window() -> None:
    """Without ids the orders that changed meanwhile are left out, told by id only or not; the others must be equal."""
    tracked = live(SyncRule(snapshot=SnapshotSource.REST, join=Join.ANYWHERE, audit=60))
    tracked.begin_audit()
    tracked.delta(event(DONE, "d"))
    tracked.audit(snapshot(*ORDERS))
    tracked.tick(START + 3 * SECOND)
    assert (tracked.counters.audits, tracked.counters.drifts) == (1, 0)
    tracked.begin_audit()
    tracked.delta(event(DONE, "a"))
    tracked.audit(snapshot(B, RestingOrder("c", BUY, "99", "3")))
    tracked.tick(START + 3 * SECOND)
    assert tracked.counters.drifts == 1
    assert tracked.book.state is BookState.GAP


def test_an_audit_by_window_finds_an_order_in_a_busy_level() -> None:
    """Other orders of its level come and go all the time; the one that should have gone is found all the same."""
    tracked = live(SyncRule(snapshot=SnapshotSource.REST, join=Join.ANYWHERE, audit=60))
    tracked.begin_audit()
    tracked.delta(event(OPEN, order_id="new", side=BUY, price="100", size="1"))
    tracked.audit(snapshot(*(order for order in ORDERS if order.order_id != "a")))
    tracked.tick(START + 3 * SECOND)
    assert tracked.counters.drifts == 1
    assert tracked.book.state is BookState.GAP


# Another socket


def test_a_book_goes_on_from_its_shadow() -> None:
    """A book built beside the first, from a copy of it, takes over with its queues; marks and counts are the first one's."""
    rule = evolve(NEXT, global_ids=True)
    first, shadow = live(rule), entry(rule)
    first.order_book.mark_own(["b"])
    first.delta(event(DONE, "nobody", last=11))
    shadow.delta(event(MATCH, "a", size="0.5", last=12))
    shadow.copy(first, START)
    assert first.as_good(shadow)
    first.take_over(shadow, START)
    assert first.book.live
    assert first.book.last == 12
    assert first.order_book.queue_ahead("b") == Decimal("0.5")
    assert first.order_book.rows(BUY, 1) == [("100", "2.5", 2, "2")]
    first.delta(event(MATCH, "b", size="1", last=13))
    assert first.order_book.own_size(BUY, "100") == 1
    assert first.order_counters == OrderCounters(unknown=1)


# Reading


def test_orders_are_read() -> None:
    """Queues, single orders, counts and own sizes, with exact numbers."""
    book = live().order_book
    book.mark_own(["b", "d", "elsewhere"])
    a = BookOrder("a", BUY, Decimal(100), Decimal(1), own=False)
    b = BookOrder("b", BUY, Decimal(100), Decimal(2), own=True)
    d = BookOrder("d", SELL, Decimal(101), Decimal(8), own=True)
    assert book.orders(BUY, "100.00") == [a, b]
    assert book.orders(BUY, Decimal(98)) == []
    assert (book.order("b"), book.order("elsewhere")) == (b, None)
    assert (book.order_count(BUY, "100"), book.order_count(SELL, "100")) == (2, 0)
    assert (book.own_size(BUY, "100"), book.own_size(BUY, "99"), book.own_size(BUY, "98")) == (2, 0, 0)
    assert book.own_orders == [b, d]
    assert [book.queue_ahead(id_) for id_ in ("a", "b", "elsewhere")] == [0, 1, None]
    assert book.rows(BUY) == [("100", "3", 2, "2"), ("99", "4", 1, "0")]
    assert book.best_bid == (100, 3)


def test_own_orders_are_listed_best_first() -> None:
    """Bids before asks, each side from the best price on."""
    book = live().order_book
    book.mark_own(["c", "d", "a"])
    assert [order.order_id for order in book.own_orders] == ["a", "c", "d"]


READINGS: dict[str, Callable[[OrderByOrderBook], object]] = {
    "order": lambda book: book.order("a"),
    "orders": lambda book: book.orders(BUY, "100"),
    "order_count": lambda book: book.order_count(BUY, "100"),
    "own_size": lambda book: book.own_size(BUY, "100"),
    "own_orders": lambda book: book.own_orders,
    "queue_ahead": lambda book: book.queue_ahead("a"),
}


@pytest.mark.parametrize("read", READINGS.values(), ids=READINGS)
def test_only_a_proven_book_is_read(read: Callable[[Any], object]) -> None:
    """Each reading of orders raises while the book is not LIVE; the unproven view answers all the same."""
    tracked = live()
    proven = read(tracked.order_book)
    tracked.disconnected("cable", START)
    with pytest.raises(BookNotLive, match="cable"):
        read(tracked.order_book)
    assert read(tracked.order_book.unproven) == proven


def test_marks_survive_a_repair() -> None:
    """The user's orders are marked in whatever state, and in the snapshots that come."""
    tracked = entry()
    tracked.order_book.mark_own(["c"])
    tracked.snapshot(snapshot(*ORDERS, last=10))
    assert tracked.order_book.own_size(BUY, "99") == 4
    tracked.subscribed(START)
    tracked.snapshot(snapshot(C, last=20))
    assert tracked.order_book.own_size(BUY, "99") == 4


# A venue's own tracker


class Halves:
    """A venue's tracker that knows no queues: each event halves the bid at 100."""

    def __init__(self) -> None:
        self.size = Decimal(1)

    def restart(self, snapshot: OrderBookSnapshot) -> tuple[Sequence[OrderBookRow], Sequence[OrderBookRow]]:
        return [OrderBookRow(BUY, "100", str(self.size), 1)], []

    def apply(self, event: OrderEvent) -> Sequence[OrderBookRow]:
        self.size /= 2
        return [OrderBookRow(BUY, "100", str(self.size), 1)]

    def own(self, order_ids: Iterable[str]) -> Sequence[OrderBookRow]:
        return [OrderBookRow(BUY, "100", str(self.size), 1, str(self.size))] if order_ids else []

    def queue_ahead(self, order_id: str) -> Decimal | None:
        return None


def test_a_tracker_of_the_venue() -> None:
    """What the venue's own tracker says is the book; what it cannot say is refused by name."""
    tracked = entry(tracker=Halves)
    tracked.snapshot(snapshot(last=10))
    tracked.delta(event(NOTHING, last=11))
    book = tracked.order_book
    book.mark_own(["a"])
    assert (book.best_bid, book.own_size(BUY, "100")) == ((100, Decimal("0.5")), Decimal("0.5"))
    assert book.queue_ahead("a") is None
    with pytest.raises(Unsupported, match="P1-USD"):
        book.orders(BUY, "100")
    tracked.begin_audit()
    tracked.audit(snapshot(last=11))
    assert tracked.counters.drifts == 1
    assert book.best_bid == (100, 1)
    assert tracked.order_counters == OrderCounters()


def test_a_venue_may_leave_it_to_the_standard_tracker() -> None:
    """A venue whose hook returns None for an instrument gets the standard tracker."""
    tracked = entry(tracker=lambda: None)
    assert isinstance(tracked.order_book.sides.tracker, ActiveOrders)


@pytest.mark.parametrize("rule", [WINDOW, evolve(OVER_ORDERS, depth=None), evolve(NEXT, global_ids=True)])
def test_a_tracker_must_tell_its_queues_where_they_are_wanted(rule: SyncRule) -> None:
    """A depth, a checksum over orders and a copy need queues: a tracker without them is refused at the start."""
    with pytest.raises(LocalError, match="orders:P1-USD of toy"):
        entry(rule, tracker=Halves)


# The whole way, from frames to a user


class OrderFrame(Struct):
    """What the venue says in tests of the whole way."""

    live: str = ""
    snapshot: OrderBookSnapshot | None = None
    events: list[OrderEvent] = []
    bids: list[tuple[str, str]] = []
    """A delta of levels, with the id two."""
    status: StatusChange | None = None


class OrderSession(ToySession):
    def feed(self, frame: bytes, now: Instant) -> Outputs:
        told = msgspec.json.decode(frame, type=OrderFrame)
        said: list[Output] = list(told.events)
        said += [message for message in (told.snapshot, told.status) if message is not None]
        if told.bids:
            said.append(delta(2, bids=told.bids))
        if told.live:
            channel, _, pair = told.live.partition(":")
            said.append(TopicLive(Topic(Channel(channel), pair)))
        return said


class OrderSource(ToySource):
    """By REST the orders are one per level."""

    def snapshot(self, topic: Topic, instrument: Instrument) -> Flow[Any]:
        if topic.channel is Channel.BOOK:
            return (yield from super().snapshot(topic, instrument))
        response = yield from http(HttpRequest("GET", f"toy://rest/book/{instrument.id}"))
        if response.status != 200:
            raise VenueUnavailable(f"HTTP {response.status}", venue="toy")
        told = msgspec.json.decode(response.body)
        return OrderBookSnapshot(
            instrument=instrument.id,
            orders=[
                RestingOrder(f"{side}{price}", side, price, size)
                for side, name in ((BUY, "bids"), (SELL, "asks"))
                for price, size in told[name]
            ],
            last=told["last"],
            received=response.received,
        )

    def session(self, dial: Any, instruments: InstrumentTable) -> OrderSession:
        return OrderSession()


class OrderConnector(ToyConnector):
    def __init__(self, orders: SyncRule) -> None:
        super().__init__(RANGES, SOCKET, 1000)
        deep = TopicRule(Channel.ORDERS, sync=orders, variant="deep")
        self._description = evolve(
            self._description,
            topics=(*self._description.topics, TopicRule(Channel.ORDERS, sync=orders), deep),
        )

    @hookimpl
    def data_source(self, environment: Any) -> OrderSource:
        return OrderSource(self._dial)


class HalvingConnector(OrderConnector):
    @hookimpl
    def active_order_tracker(self, instrument: Instrument) -> ActiveOrderTracker | None:
        return Halves() if instrument.id == "P1-USD" else None


def orders_of(rule: SyncRule = NEXT, make: type[OrderConnector] = OrderConnector) -> LoadedConnector:
    """The connector of a venue that has both channels."""
    return connect(make(rule), "toy")


async def test_both_channels_on_one_socket() -> None:
    """A book of levels and one of orders of the same pair live side by side, each fed by its own messages."""
    venue = ToyVenue(["P1-USD"])
    async with venue.opened(orders_of(), channels=["book", "orders"]) as exchange:
        levels, orders = exchange.books["P1-USD"], exchange.order_books["P1-USD"]
        await venue.until(lambda: levels.live and orders.live)
        assert levels is not orders
        assert not isinstance(levels, OrderByOrderBook)
        assert repr(exchange).endswith("2 of 2 books live>")
        venue.push(
            {
                "events": [event(MATCH, "buy100", size="0.25", last=2)],
                "bids": [("100", "7")],
            }
        )
        await venue.settle()
        assert (levels.size_at(BUY, "100"), orders.size_at(BUY, "100")) == (7, Decimal("0.75"))
        venue.push({"events": [event(NOTHING, last=4)]})
        venue.push(
            {"status": StatusChange(instrument="P1-USD", status=InstrumentStatus.AUCTION, received=START)}
        )
        await venue.settle()
        assert levels.live
        assert not orders.live
        assert levels.status is orders.status is InstrumentStatus.AUCTION
        assert exchange.counters()["P1-USD"].deltas == 1


async def test_orders_alone() -> None:
    """Where only orders are opened, their book is the pair's book; a gap is repaired by REST."""
    venue = ToyVenue(["P1-USD", "P2-USD"])
    async with venue.opened(orders_of(), channels=["orders"]) as exchange:
        await exchange.wait_live()
        book = exchange.order_books["P2-USD"]
        assert exchange.books["P2-USD"] is book
        venue.push({"events": [msgspec.structs.replace(event(DONE, "nobody", last=2), instrument="P2-USD")]})
        await venue.settle()
        assert exchange.order_counters()["P2-USD"].unknown == 1
        venue.push({"events": [msgspec.structs.replace(event(NOTHING, last=4), instrument="P2-USD")]})
        await venue.settle()
        assert not book.live
        for _ in range(3):
            venue.move("P2-USD")
        await venue.until(lambda: book.live)
        assert exchange.counters()["P2-USD"].repairs == 1
        assert exchange.books["P1-USD"].live


async def test_a_malformed_event_costs_one_book() -> None:
    """An event that makes no sense takes its own book out of LIVE, and no other; it is told as an event."""
    venue = ToyVenue(["P1-USD", "P2-USD"])
    async with venue.opened(orders_of(), channels=["book", "orders"]) as exchange:
        await exchange.wait_live()
        venue.failing.add("P1-USD")
        venue.push({"events": [event(MATCH, "buy100", size="-1", last=2)]})
        await venue.settle()
        assert [pair for pair, book in exchange.order_books.items() if not book.live] == ["P1-USD"]
        assert all(book.live for book in exchange.books.values())
        assert exchange.link_counters()["toy.1"].malformed == 1


async def test_orders_that_were_not_opened() -> None:
    """Asking for the orders of a pair that was opened without says so."""
    venue = ToyVenue(["P1-USD"])
    async with venue.opened(orders_of()) as exchange:
        assert dict(exchange.order_books) == {}
        with pytest.raises(LocalError, match="'P1-USD' was not opened"):
            exchange.order_books["P1-USD"]


async def test_in_band_snapshots_of_orders() -> None:
    """A snapshot on the socket starts the book of orders, and no other."""
    venue = ToyVenue(["P1-USD"])
    rule = SyncRule(snapshot=SnapshotSource.IN_BAND)
    async with venue.opened(orders_of(rule), channels=["orders"]) as exchange:
        await venue.until(lambda: exchange.books["P1-USD"].state is BookState.BUFFERING)
        venue.push({"snapshot": snapshot(*ORDERS)})
        await exchange.wait_live()
        assert exchange.order_books["P1-USD"].best_bid == (100, 3)


async def test_the_hook_makes_the_tracker() -> None:
    """The venue's own tracker serves the instruments it wants, the standard one the others."""
    venue = ToyVenue(["P1-USD", "P2-USD"])
    async with venue.opened(orders_of(make=HalvingConnector), channels=["orders"]) as exchange:
        await exchange.wait_live()
        kinds = [type(book.sides.tracker) for book in exchange.order_books.values()]
        assert kinds == [Halves, ActiveOrders]


async def test_a_variant_of_orders() -> None:
    """A variant names a feed of orders where no book of levels is opened; with one, it names that one's."""
    venue = ToyVenue(["P1-USD"])
    options: dict[str, Any] = {
        "pairs": venue.pairs,
        "variant": "deep",
        "clock": venue.clock,
        "transports": NetworkTransports(venue.http, venue.websockets),
        "pacers": PacerRegistry(),
    }
    async with open_exchange(orders_of(), channels=["orders"], **options) as exchange:
        await venue.until(lambda: bool(venue.told))
        assert venue.told == [{"op": "subscribe", "topics": ["orders:P1-USD:deep"]}]
        assert list(exchange.order_books) == ["P1-USD"]
    with pytest.raises(LocalError, match="no channel book:deep"):
        async with open_exchange(orders_of(), channels=["book", "orders"], **options):
            pass
