from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from framework.core.tests.order_feeds import Market, Model, event, snapshot
from framework.core.tests.venues import START, instrument
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit.books import ActiveOrders, OrderByOrderEntry, OrderCounters
from venuekit_spec import (
    Channel,
    Ids,
    MalformedMessage,
    OrderAction,
    OrderBookRow,
    OrderEvent,
    OrderQueues,
    RestingOrder,
    Side,
    SnapshotSource,
    SyncRule,
    Topic,
)

OPEN, CHANGE, MATCH, DONE, NOTHING = OrderAction
BUY, SELL = Side

A = RestingOrder("a", BUY, "100", "1")
B = RestingOrder("b", BUY, "100.0", "2.50")
C = RestingOrder("c", BUY, "99", "4")
D = RestingOrder("d", SELL, "101", "8")


def tracker(*orders: RestingOrder) -> ActiveOrders:
    """The standard tracker, started from these orders."""
    active = ActiveOrders()
    active.restart(snapshot(*orders))
    return active


def queue(active: ActiveOrders, side: Side, price: str) -> list[tuple[str, str]]:
    """Ids and sizes at one price, in queue order."""
    return [(order.order_id, order.size) for order in active.queue(side, price)]


def row(price: str, size: str, orders: int = 0, own: str = "0", side: Side = BUY) -> OrderBookRow:
    """A row, of bids by default."""
    return OrderBookRow(side, price, size, orders, own)


NONE: tuple[OrderBookRow, ...] = ()
AS_IT_WAS = [("a", "1"), ("b", "2.50")]

TABLE = {
    # The table at the head of venuekit.books.orders, from top to bottom. The book has A and B at 100, C at 99, D at 101.
    "open unknown": (
        event(OPEN, "x", side=BUY, price="100", size="3"),
        [row("100", "6.50", 3)],
        [*AS_IT_WAS, ("x", "3")],
        {},
    ),
    "open known": (
        event(OPEN, "a", side=BUY, price="100", size="3"),
        [row("100", "5.50", 2)],
        [("b", "2.50"), ("a", "3")],
        {"replaced": 1},
    ),
    "open known, as it is": (event(OPEN, "a", side=BUY, price="100.0", size="1.0"), NONE, AS_IT_WAS, {}),
    "open known elsewhere": (
        event(OPEN, "a", side=BUY, price="99", size="3"),
        [row("100", "2.50", 1), row("99", "7", 2)],
        [("b", "2.50")],
        {"replaced": 1},
    ),
    "open known on the other side": (
        event(OPEN, "a", side=SELL, price="101", size="3"),
        [row("100", "2.50", 1), row("101", "11", 2, side=SELL)],
        [("b", "2.50")],
        {"replaced": 1},
    ),
    "open unknown, size zero": (event(OPEN, "x", side=BUY, price="100", size="0.00"), NONE, AS_IT_WAS, {"empty": 1}),
    "open known, size zero": (
        event(OPEN, "a", side=BUY, price="100", size="0"),
        [row("100", "2.50", 1)],
        [("b", "2.50")],
        {"replaced": 1},
    ),
    "change unknown": (event(CHANGE, "x", size="1"), NONE, AS_IT_WAS, {"unknown": 1}),
    "change to less": (event(CHANGE, "a", size="0.5"), [row("100", "3.00", 2)], [("a", "0.5"), ("b", "2.50")], {}),
    "change to the same": (event(CHANGE, "a", size="1.0", price="100.00"), NONE, AS_IT_WAS, {}),
    "change to more": (event(CHANGE, "a", size="2"), [row("100", "4.50", 2)], [("b", "2.50"), ("a", "2")], {}),
    "change to more that keeps its place": (
        event(CHANGE, "a", size="2", keeps_place=True),
        [row("100", "4.50", 2)],
        [("a", "2"), ("b", "2.50")],
        {},
    ),
    "change of price": (
        event(CHANGE, "a", size="1", price="99"),
        [row("100", "2.50", 1), row("99", "5", 2)],
        [("b", "2.50")],
        {},
    ),
    "change of price alone": (
        event(CHANGE, "a", price="99"),
        [row("100", "2.50", 1), row("99", "5", 2)],
        [("b", "2.50")],
        {},
    ),
    "change of price and size": (
        event(CHANGE, "a", price="98", size="7"),
        [row("100", "2.50", 1), row("98", "7", 1)],
        [("b", "2.50")],
        {},
    ),
    "change to zero": (event(CHANGE, "a", size="0"), [row("100", "2.50", 1)], [("b", "2.50")], {}),
    "change of nothing": (event(CHANGE, "a"), NONE, AS_IT_WAS, {}),
    "change with another side": (
        event(CHANGE, "a", side=SELL, size="0.5"),
        [row("100", "3.00", 2)],
        [("a", "0.5"), ("b", "2.50")],
        {},
    ),
    "match unknown": (event(MATCH, "x", size="1"), NONE, AS_IT_WAS, {"unknown": 1}),
    "match a part": (event(MATCH, "b", size="1"), [row("100", "2.50", 2)], [("a", "1"), ("b", "1.50")], {}),
    "match the whole": (event(MATCH, "a", size="1.0"), [row("100", "2.50", 1)], [("b", "2.50")], {}),
    "match more than rests": (event(MATCH, "a", size="1.1"), [row("100", "2.50", 1)], [("b", "2.50")], {"overmatched": 1}),
    "match nothing": (event(MATCH, "a", size="0"), NONE, AS_IT_WAS, {}),
    "match the last of a level": (event(MATCH, "c", size="4"), [row("99", "0")], AS_IT_WAS, {}),
    "done unknown": (event(DONE, "x"), NONE, AS_IT_WAS, {"unknown": 1}),
    "done": (event(DONE, "a"), [row("100", "2.50", 1)], [("b", "2.50")], {}),
    "done at another price": (event(DONE, "a", price="55", size="77"), [row("100", "2.50", 1)], [("b", "2.50")], {}),
    "done, the last of a level": (event(DONE, "c"), [row("99", "0")], AS_IT_WAS, {}),
    "nothing": (event(NOTHING), NONE, AS_IT_WAS, {}),
    "nothing of a known order": (event(NOTHING, "a", size="7"), NONE, AS_IT_WAS, {}),
}  # fmt: skip


@pytest.mark.parametrize(("told", "rows", "best", "counted"), TABLE.values(), ids=TABLE)
def test_every_event_has_its_effect(
    told: OrderEvent, rows: Sequence[OrderBookRow], best: list[tuple[str, str]], counted: dict[str, int]
) -> None:
    """Each row of the event table: the rows that come out, the queue at the best price after it, and what is counted."""
    active = tracker(A, B, C, D)
    assert list(active.apply(told)) == list(rows)
    assert queue(active, BUY, "100") == best
    assert active.counters == OrderCounters(**counted)


def test_the_table_is_complete() -> None:
    """Every action is tried with an order that is known and with one that is not."""
    tried = {(told.action, told.order_id in {"a", "b", "c", "d"}) for told, *_ in TABLE.values()}
    assert tried >= {(action, known) for action in OrderAction for known in (True, False)}


def test_a_snapshot_becomes_rows_best_first() -> None:
    """Orders of one price become one row, with the text of the first; orders of size zero rest nowhere."""
    active = ActiveOrders()
    empty = RestingOrder("e", SELL, "102", "0")
    bids, asks = active.restart(snapshot(C, A, D, B, empty))
    assert bids == [row("100", "3.50", 2), row("99", "4", 1)]
    assert asks == [row("101", "8", 1, side=SELL)]
    assert len(active) == 4
    assert "e" not in active
    assert active.counters == OrderCounters(empty=1)


def test_a_snapshot_replaces() -> None:
    """Nothing from before a snapshot remains, and of an id that it has twice the later one counts."""
    active = tracker(A, B, C)
    bids, asks = active.restart(
        snapshot(D, RestingOrder("d", SELL, "103", "1"), RestingOrder("f", SELL, "103", "2"))
    )
    assert (bids, asks) == ([], [row("103", "3", 2, side=SELL)])
    assert active.counters == OrderCounters(replaced=1)
    assert active.apply(event(DONE, "a")) == ()


def test_an_order_comes_back() -> None:
    """An order that was done, or left the window, is unknown, and may open again: at the tail."""
    active = tracker(A, B, C)
    active.forget(BUY, "99.00")
    assert active.find("c") is None
    assert active.apply(event(CHANGE, "c", size="1")) == ()
    assert active.apply(event(OPEN, "c", side=BUY, price="99", size="4")) == (row("99", "4", 1),)
    active.apply(event(DONE, "a"))
    assert active.apply(event(OPEN, "a", side=BUY, price="100", size="1")) == (row("100", "3.50", 2),)
    assert queue(active, BUY, "100") == [("b", "2.50"), ("a", "1")]


def test_own_orders_are_marked() -> None:
    """What of a level is the user's follows the ids told and the events, also for orders that open later."""
    active = tracker(A, B, C)
    assert active.own(["b", "later"]) == [row("100", "3.50", 2, "2.50")]
    assert active.apply(event(MATCH, "b", size="1")) == (row("100", "2.50", 2, "1.50"),)
    assert active.apply(event(OPEN, "later", side=BUY, price="99", size="3")) == (row("99", "7", 2, "3"),)
    assert active.apply(event(CHANGE, "later", price="100")) == (
        row("99", "4", 1),
        row("100", "5.50", 3, "4.50"),
    )
    assert active.own(["a"]) == [row("100", "5.50", 3, "1")]
    bids, _ = active.restart(snapshot(B, A))
    assert bids == [row("100.0", "3.50", 2, "1")]


def test_the_place_in_the_queue() -> None:
    """What is ahead of an order shrinks with matches and cancels before it, and not with those behind it."""
    active = tracker(A, B, RestingOrder("x", BUY, "100", "7"))
    assert [active.queue_ahead(id_) for id_ in "abx"] == [0, 1, Decimal("3.5")]
    active.apply(event(MATCH, "a", size="0.4"))
    active.apply(event(DONE, "b"))
    assert active.queue_ahead("x") == Decimal("0.6")
    active.apply(event(OPEN, "y", side=BUY, price="100", size="9"))
    assert active.queue_ahead("x") == Decimal("0.6")
    assert active.queue_ahead("nobody") is None


def test_sums_are_exact() -> None:
    """Sizes of very different magnitude add up to the last digit, and come apart again."""
    small, large = "0.000000000000000001", "123456789012345678901"
    active = tracker(RestingOrder("a", BUY, "1", large), RestingOrder("b", BUY, "1", small))
    assert (
        active.apply(event(OPEN, "c", side=BUY, price="1", size="1e-7"))[0].size
        == large + ".000000100000000001"
    )
    active.apply(event(DONE, "a"))
    assert active.apply(event(DONE, "c"))[0].size == small


def test_prices_are_told_apart_beyond_a_double() -> None:
    """Two prices that are one double are two levels, also for orders that came before the first such price."""
    active = tracker(RestingOrder("a", BUY, "0.3", "1"))
    near, nearer = "0.10000000000000000001", "0.10000000000000000002"
    active.apply(event(OPEN, "b", side=BUY, price=near, size="2"))
    assert active.apply(event(OPEN, "c", side=BUY, price=nearer, size="3")) == (row(nearer, "3", 1),)
    assert active.apply(event(OPEN, "d", side=BUY, price="0.30", size="4")) == (row("0.3", "5", 2),)
    assert active.apply(event(OPEN, "e", side=SELL, price=near, size="4")) == (row(near, "4", 1, side=SELL),)


BAD_NUMBERS = ["", "-1", "NaN", "Infinity", "x", "1e31", "1e-99999"]


@pytest.mark.parametrize("bad", BAD_NUMBERS)
def test_bad_numbers_are_refused(bad: str) -> None:
    """A size or price that is none is malformed, wherever an event or a snapshot wants one."""
    active = tracker(A, B)
    told = [event(OPEN, "x", side=BUY, price="1", size=bad), event(MATCH, "a", size=bad)]
    if bad:
        told += [event(CHANGE, "a", size=bad)]
    if bad not in {"", "1e31", "1e-99999"}:
        told += [event(OPEN, "x", side=BUY, price=bad, size="1"), event(CHANGE, "a", price=bad)]
    for each in told:
        with pytest.raises(MalformedMessage, match="no order") as caught:
            tracker(A, B).apply(each)
        assert caught.value.instrument == "P1-USD"
    with pytest.raises(MalformedMessage):
        active.restart(snapshot(A, RestingOrder("x", SELL, "1", bad)))


@pytest.mark.parametrize(
    "told", [{"side": BUY}, {"side": None, "order_id": "x"}, {"side": BUY, "order_id": "x", "price": "0"}]
)
def test_an_open_says_what_and_where(told: dict[str, Any]) -> None:
    """An open without id, side or a price above zero is malformed."""
    with pytest.raises(MalformedMessage):
        tracker().apply(event(OPEN, **{"price": "1", "size": "1"} | told))


def test_it_is_what_the_contract_asks_for() -> None:
    """The standard tracker satisfies the protocol that a venue's own would."""
    active: OrderQueues = ActiveOrders()
    assert isinstance(active, OrderQueues)
    assert active.own([]) == []


# Against a model: a list of orders, searched from one end to the other.


IDS = st.sampled_from("abcdefgh")
PRICES = st.sampled_from(["99", "99.0", "100", "100.00", "101", "0.1234567890123456789"])
SIZES = st.sampled_from(["0", "0.00", "0.5", "1", "1.50", "2", "3"])

EVENTS = st.one_of(
    st.builds(event, st.just(OPEN), IDS, side=st.sampled_from(Side), price=PRICES, size=SIZES),
    st.builds(event, st.just(CHANGE), IDS, price=st.just("") | PRICES, size=st.just("") | SIZES),
    st.builds(event, st.just(MATCH), IDS, size=SIZES),
    st.builds(event, st.just(DONE), IDS, price=st.just("") | PRICES),
    st.builds(event, st.just(NOTHING), IDS),
    st.frozensets(IDS, max_size=3),
)


def told_levels(rows: Sequence[OrderBookRow]) -> dict[tuple[Side, Decimal], tuple[Decimal, int, Decimal]]:
    """Rows as the model has them."""
    return {
        (each.side, Decimal(each.price)): (Decimal(each.size), each.orders, Decimal(each.own_size))
        for each in rows
    }


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=40), st.lists(IDS, unique=True, max_size=5))
def test_any_history_equals_a_list_of_orders(
    history: list[OrderEvent | frozenset[str]], resting: list[str]
) -> None:
    """At every step of any history the rows told, the queues and the places in them are those of a plain list."""
    first = [RestingOrder(id_, Side.BUY if id_ < "d" else Side.SELL, "100", "2") for id_ in resting]
    model = Model(
        [[order.order_id, order.side, Decimal(order.price), Decimal(order.size)] for order in first]
    )
    active = ActiveOrders()
    bids, asks = active.restart(snapshot(*first))
    levels = told_levels([*bids, *asks])
    for told in history:
        if isinstance(told, frozenset):
            model.own = told
            changed = active.own(told)
        else:
            model.apply(told)
            changed = active.apply(told)
        for key, level in told_levels(changed).items():
            levels[key] = level
            if not level[0]:
                assert level == (0, 0, 0)
                del levels[key]
        assert levels == model.levels()
        assert len(active) == len(model.orders)
        for (side, price), orders in model.queues().items():
            found = active.queue(side, str(price))
            assert [(order.order_id, Decimal(order.size)) for order in found] == orders
            ahead = Decimal(0)
            for order_id, size in orders:
                assert active.queue_ahead(order_id) == ahead
                ahead += size


# A soak: through the whole tracker entry, compared at checkpoints.

CHECKPOINTS = 20


@pytest.mark.parametrize("events", [60_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_a_long_day_of_events(events: int) -> None:
    """At every checkpoint of a long day the book, its counts and all its queues are what they should be."""
    rule = SyncRule(snapshot=SnapshotSource.REST, ids=Ids.NEXT)
    entry = OrderByOrderEntry(Topic(Channel.ORDERS, "P1-USD"), instrument(), rule, lambda *_: None)
    entry.subscribed(START)
    entry.snapshot(snapshot(last=0))
    market = Market(Random(7))
    for _ in range(CHECKPOINTS):
        for _ in range(events // CHECKPOINTS):
            entry.delta(market.next())
        assert entry.book.live
        for side in Side:
            expected = market.queues(side)
            book = entry.order_book
            rows = [(Decimal(row[0]), Decimal(row[1]), row[2]) for row in book.rows(side)]
            assert rows == [
                (price, sum(size for _, size in orders), len(orders)) for price, orders in expected
            ]
            assert [
                [(order.order_id, order.size) for order in book.orders(side, price)] for price, _ in expected
            ] == [orders for _, orders in expected]
    assert entry.counters.deltas == events
    assert entry.order_counters.overmatched == entry.order_counters.replaced == 0
    assert entry.order_counters.unknown > 0
