"""Order by order: queues, single orders and one's own among them are those of the venue."""

from __future__ import annotations

from decimal import Decimal

from venuekit import OrderByOrderBook
from venuekit_simulator.faults import Fault, FaultKind
from venuekit_spec import Capability, Channel, Side
from venuekit_testkit.agreement import book_differs
from venuekit_testkit.catalogue import DIALECT, Group, Need, Unclaimed, check
from venuekit_testkit.groups.data import quiet
from venuekit_testkit.groups.frames import is_private
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


def _public_frames(there: Scene) -> list[bytes]:
    """What came on the sockets of the order feed."""
    public = [each for each in there.watched.sockets if not is_private(there.subject, each.dial.url)]
    return [frame for conversation in public for _, frame in conversation.frames]


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
            named = any(order.order_id.encode() in frame for frame in _public_frames(there))
            assert not named, f"its feed names the order {order.order_id}, and the book does not have it"
            raise Unclaimed("the ids of its order feed are not those of orders")
        told = (found.side, found.price, found.size)
        assert told == (Side.BUY, order.price, order.quantity), f"one's own order is told as {told}"
        assert found.own, "it is not marked as one's own"
        assert order.price is not None
        own = book.own_size(Side.BUY, order.price)
        assert own == order.quantity, f"{own} of its level is one's own, not {order.quantity}"
        marked = [each.order_id for each in book.own_orders]
        assert marked == [order.order_id], f"one's own orders are {marked}"


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
        ahead = book.queue_ahead(order.order_id)
        assert ahead == 0, f"{ahead} is told to be ahead, and nothing is"
