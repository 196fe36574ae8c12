"""Order by order: queues, single orders and one's own among them are those of the venue."""

from __future__ import annotations

from decimal import Decimal

from venuekit import OrderByOrderBook
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import Capability, Channel, Side
from venuekit_testkit.agreement import book_differs
from venuekit_testkit.catalogue import DIALECT, Group, Need, Unclaimed, check
from venuekit_testkit.groups.data import quiet
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject

CHANNELS = (Channel.ORDERS.value,)


def _lacks_feed(subject: Subject) -> str:
    rules = [rule for rule in subject.description.topics if rule.channel is Channel.ORDERS]
    if rules and all(rule.authenticated for rule in rules) and subject.credentials is None:
        return "its order feed wants a login, and its dialect has no account"
    return ""


FEED = Need(_lacks_feed)


def _book(there: Scene) -> OrderByOrderBook:
    return there.exchange.order_books[there.pair]


async def _live(there: Scene) -> None:
    await there.until(lambda: _book(there).live, "the book of orders is LIVE", 60.0)


def _same_queues(there: Scene) -> None:
    """Raises `AssertionError` where the orders at the best prices are not the venue's, in its order."""
    book, theirs = _book(there), there.engine.resting(there.pair)
    differs = book_differs(book, there.engine, there.pair)
    assert not differs, differs
    for side, levels in ((Side.BUY, book.bids(5)), (Side.SELL, book.asks(5))):
        for level in levels:
            ours = [order.size for order in book.orders(side, level.price)]
            wanted = [
                Decimal(order.size)
                for order in theirs
                if order.side is side and Decimal(order.price) == level.price
            ]
            assert ours == wanted, f"the {side} queue at {level.price} is {ours}, at the venue {wanted}"


@check(Group.ORDER_BY_ORDER, Capability.ORDER_BY_ORDER, FEED, DIALECT)
async def queues_equal_the_venues(subject: Subject) -> None:
    """The orders at each price are the venue's, in the order of their queue.

    Sizes of single orders after ten seconds of quotes, trades and cancels; their sums are the levels.
    """
    async with scene(subject, trade=False, channels=CHANNELS) as there:
        crowd = there.crowd()
        await _live(there)
        await there.clock.sleep(10.0)
        crowd.leave()
        await quiet(there)
        _same_queues(there)


@check(Group.ORDER_BY_ORDER, Capability.ORDER_BY_ORDER, FEED, DIALECT)
async def orders_survive_lost_sockets(subject: Subject) -> None:
    """After a reconnect the queues are the venue's again.

    Orders that ended meanwhile are gone, others are in their place.
    """
    async with scene(subject, trade=False, channels=CHANNELS) as there:
        crowd = there.crowd()
        await _live(there)
        there.venue.inject(Fault(kind=FaultKind.CUT, at=1.0))
        await there.clock.sleep(10.0)
        crowd.leave()
        await quiet(there)
        await _live(there)
        await quiet(there)
        _same_queues(there)


@check(Group.ORDER_BY_ORDER, Capability.ORDER_BY_ORDER, Capability.REST_ORDERS, FEED, DIALECT)
async def own_orders_are_found(subject: Subject) -> None:
    """One's own order is found in the book by the venue's id, with its size and side.

    And is marked as one's own once the book has been told.
    """
    async with scene(subject, channels=CHANNELS) as there:
        await _live(there)
        order = await there.rest("0.02", lots=7)
        await quiet(there)
        book = _book(there)
        book.mark_own([order.order_id])
        found = book.order(order.order_id)
        if found is None:
            raise Unclaimed("the ids of its order feed are not those of orders")
        assert (found.side, found.price, found.size, found.own) == (
            Side.BUY,
            order.price,
            order.quantity,
            True,
        )
        assert order.price is not None
        assert book.own_size(Side.BUY, order.price) == order.quantity
        assert [each.order_id for each in book.own_orders] == [order.order_id]


@check(Group.ORDER_BY_ORDER, Capability.ORDER_BY_ORDER, Capability.REST_ORDERS, FEED, DIALECT)
async def queue_ahead_is_known(subject: Subject) -> None:
    """What is before one's own order in the queue is known, and falls as it trades or is cancelled.

    Somebody else's order is there first; then it is gone.
    """
    async with scene(subject, channels=CHANNELS) as there:
        await _live(there)
        first = there.somebody(Side.BUY, "0.02", 5)
        await quiet(there)
        order = await there.rest("0.02", lots=7)
        await quiet(there)
        book = _book(there)
        book.mark_own([order.order_id])
        if book.order(order.order_id) is None:
            raise Unclaimed("the ids of its order feed are not those of orders")
        ahead = book.queue_ahead(order.order_id)
        if ahead is None:
            raise Unclaimed("its feed does not tell the queue")
        assert ahead == first.quantity, f"{ahead} is told to be ahead, {first.quantity} is"
        there.cancel(there.subject.venue_side.accounts()[1].name, first)
        await quiet(there)
        assert book.queue_ahead(order.order_id) == 0
