"""Changing: cancels, amendments, batches, and the switches. One outcome per order, always."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from attrs import evolve

from venuekit import OrderAccepted, OrderState
from venuekit_spec import (
    Accepted,
    Capability,
    NetworkError,
    OrderNotFound,
    Rejected,
    Side,
    VenuekitError,
    VenueUnavailable,
)
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.groups.placing import came_to, each_way
from venuekit_testkit.hand import Hand, ref
from venuekit_testkit.scene import scene
from venuekit_testkit.subject import Subject


@check(Group.CHANGING, ORDERS, DIALECT)
async def cancels_end_orders(subject: Subject) -> None:
    """A cancelled order is over, at the venue and here.

    By every way that is claimed; what was filled before stays filled.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            order = await there.rest("0.001")
            there.somebody(Side.SELL, "-0.002", 4)
            await there.until(lambda order=order: order.filled > 0, "the fill is told", 60.0)  # type: ignore[misc]
            placed = await there.exchange.cancel(order)
            assert isinstance(placed, OrderAccepted), f"the cancel came to {placed}"
            await there.until(lambda order=order: order.complete, "the order is over", 60.0)  # type: ignore[misc]
            assert order.state is OrderState.CANCELED, f"it came to {order}"
            assert order.filled == there.quantity(4), f"{order.filled} is filled, not what was before"
            await there.settle()


@check(Group.CHANGING, ORDERS, DIALECT)
def cancels_of_filled_orders_are_refused(subject: Subject) -> None:
    """A cancel that comes too late is rejected, and never taken for the order's end.

    The order was filled. `OrderNotFound` says that it is not open; why, the venue is asked.
    """
    hand = Hand(subject)
    market = hand.market()
    accounts = subject.venue_side.accounts()
    if len(accounts) < 2:
        raise Unclaimed("there is nobody to trade with")
    order = hand.limit(1)
    hand.run(market.place([order]))
    hand.advance(5.0)
    theirs = evolve(order, side=Side.SELL, client_order_id=market.client_order_id(9))
    hand.engine.place(accounts[1].name, theirs, hand.now)
    hand.advance(5.0)
    (placed,) = came_to(hand, market.cancel([ref(order)]), 1)
    hand.advance(5.0)
    assert isinstance(placed, Rejected), f"a cancel of a filled order came to {placed}"
    assert isinstance(placed.error, OrderNotFound), f"it was told as {placed.error!r}"


@check(Group.CHANGING, ORDERS, DIALECT)
def cancel_of_nothing_is_not_found(subject: Subject) -> None:
    """Cancelling an order that the venue does not have is rejected as not found.

    `OrderNotFound`, a definitive answer; what it means for the order is for the reconciler to find out.
    """
    hand = Hand(subject)
    order = hand.limit(77)
    (placed,) = came_to(hand, hand.market().cancel([ref(order)]), 1)
    hand.advance(5.0)
    assert isinstance(placed, Rejected), f"it came to {placed}"
    assert isinstance(placed.error, OrderNotFound), f"it was told as {placed.error!r}"


@check(Group.CHANGING, ORDERS, DIALECT)
def status_of_nothing_is_not_found(subject: Subject) -> None:
    """Asking for an order that the venue does not have raises `OrderNotFound`.

    Nothing else settles an unknown outcome.
    """
    hand = Hand(subject)
    order = hand.limit(78)
    try:
        hand.run(hand.market().status(ref(order)))
    except OrderNotFound:
        return
    raise AssertionError("an order that is nowhere was found")


@check(Group.CHANGING, ORDERS, DIALECT)
def failures_are_not_absence(subject: Subject) -> None:
    """A network or venue that fails is never "order not found".

    An outage must not make an order vanish. The answer to a status query is lost, a 503, a page of a proxy, a server's 404
    that is no answer of the venue.
    """
    from venuekit_spec import HttpResponse

    hand = Hand(subject)
    market = hand.market()
    order = hand.limit(1)
    hand.run(market.place([order]))
    hand.advance(5.0)
    page = b"<html><body>not here</body></html>"
    answers = (
        NetworkError("cut", sent=True),
        NetworkError("no connection", sent=False),
        VenueUnavailable("503"),
        HttpResponse(503, page, {}, hand.now),
        HttpResponse(502, b"", {}, hand.now),
        HttpResponse(404, page, {}, hand.now),
        HttpResponse(200, b"", {}, hand.now),
    )
    for answer in answers:
        hand.answer = lambda _request, _response, answer=answer: answer
        try:
            hand.run(market.status(ref(order)))
        except OrderNotFound as error:
            raise AssertionError(f"{answer!r} was taken for absence") from error
        except VenuekitError:
            continue
        finally:
            hand.answer = None
        raise AssertionError(f"{answer!r} was taken for an answer")


@check(Group.CHANGING, Capability.AMEND, DIALECT)
async def amendments_change_orders(subject: Subject) -> None:
    """An amended order has its new price and quantity, at the venue and here.

    Under the same intent, whatever ids the venue gives it; what was filled stays filled.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            order = await there.rest("0.001")
            there.somebody(Side.SELL, "-0.002", 4)
            await there.until(lambda order=order: order.filled > 0, "the fill is told", 60.0)  # type: ignore[misc]
            price, quantity = there.limit(Side.BUY, "0.04").price, order.quantity * 2
            placed = await there.exchange.amend(order, price=price, quantity=quantity)
            assert isinstance(placed, OrderAccepted), f"the amendment came to {placed}"
            await there.clock.sleep(10.0)
            held = there.held(order)
            for told, source in ((held, "the venue's order"), (order, "the order here")):
                now = (told.price, told.quantity, told.filled)
                assert now == (price, quantity, there.quantity(4)), (
                    f"{source} has price, quantity and filled {now}, not {(price, quantity, there.quantity(4))}"
                )
            await there.settle()


@check(Group.CHANGING, ORDERS, DIALECT)
def batches_of_cancels_are_per_item(subject: Subject) -> None:
    """Cancelling several orders gives one outcome for each, in their order.

    The second of three does not exist. Its error is its own: the others are cancelled.
    """
    hand = Hand(subject)
    market = hand.market()
    orders = [hand.limit(number) for number in (1, 2)]
    for order in orders:
        hand.run(market.place([order]))
    hand.advance(5.0)
    asked = [ref(orders[0]), ref(hand.limit(99)), ref(orders[1])]
    if Capability.BATCH_CANCEL in subject.description.capabilities:
        outcomes = [*came_to(hand, market.cancel(asked), len(asked))]
    else:
        outcomes = [outcome for each in asked for outcome in came_to(hand, market.cancel([each]), 1)]
    hand.advance(5.0)
    assert len(outcomes) == 3, f"{len(outcomes)} outcomes of three cancels"
    assert isinstance(outcomes[0], Accepted), f"the first came to {outcomes[0]}"
    assert isinstance(outcomes[1], Rejected), f"the one that is not there came to {outcomes[1]}"
    assert isinstance(outcomes[1].error, OrderNotFound), f"it was told as {outcomes[1].error!r}"
    assert isinstance(outcomes[2], Accepted), f"the last came to {outcomes[2]}"
    assert not hand.engine.open_orders(hand.account), "the others were not cancelled"


@check(Group.CHANGING, Capability.BATCH_CANCEL, ORDERS, DIALECT)
def lost_batches_are_unknown(subject: Subject) -> None:
    """Where the answer to a batch of cancels is lost each of them is unknown.

    Not rejected: the venue may have cancelled all of them; it has, here.
    """
    hand = Hand(subject)
    market = hand.market()
    orders = [hand.limit(number) for number in (1, 2)]
    for order in orders:
        hand.run(market.place([order]))
    hand.advance(5.0)
    hand.answer = lambda _request, _response: NetworkError("cut", sent=True)
    outcomes = came_to(hand, market.cancel([ref(order) for order in orders]), len(orders))
    assert [type(each).__name__ for each in outcomes] == ["Unknown", "Unknown"], f"they came to {outcomes}"


@check(Group.CHANGING, Capability.BATCH_PLACE, DIALECT)
async def batches_of_orders_are_per_item(subject: Subject) -> None:
    """Placing several orders gives one outcome for each, and the venue has each once.

    As many as two batches hold.
    """
    async with scene(subject) as there:
        count = min(2 * subject.description.maximum_batch, 30)
        requests = [there.limit(Side.BUY, f"0.0{number + 10}", 1) for number in range(count)]
        placements = await there.exchange.place_many(requests)
        assert len(placements) == count, f"{len(placements)} outcomes of {count} orders"
        for request, placement in zip(requests, placements, strict=True):
            assert placement.order.price == request.price, "outcomes are not in the order of the requests"
        await there.settle()
        assert len(there.orders) == count, f"the venue has {len(there.orders)} orders of {count}"


@check(Group.CHANGING, ORDERS, DIALECT)
async def cancel_all_leaves_nothing(subject: Subject) -> None:
    """After cancelling all nothing is open, at the venue and here.

    By the venue's own call where that is claimed, one by one otherwise.
    """
    async with scene(subject) as there:
        for away in ("0.03", "0.04", "0.05"):
            await there.rest(away)
        await there.exchange.cancel_all()
        await there.until(lambda: not there.account.open, "nothing is open here", 120.0)
        assert not there.engine.open_orders(there.account_name), "orders are open at the venue"
        await there.settle()


@check(Group.CHANGING, Capability.DEAD_MAN_SWITCH, DIALECT)
async def dead_mans_switch_cancels(subject: Subject) -> None:
    """A venue that has not been told again in time cancels everything, and the orders are known to be over.

    While the client lives it tells again; then the way is gone for longer than the switch waits.
    """
    from venuekit_simulator.faults import Unreachable

    async with scene(subject) as there:
        order = await there.rest()
        await there.exchange.dead_man_switch(30.0)
        await there.clock.sleep(120.0)
        assert there.engine.open_orders(there.account_name), "the switch went off under a living client"
        there.venue.unreachable(Unreachable.BLACK_HOLE, 90.0)
        await there.clock.sleep(95.0)
        assert not there.engine.open_orders(there.account_name), "the switch did not go off"
        await there.until(lambda: order.done, "the order is known to be over")
        await there.settle()


@check(Group.CHANGING, ORDERS, DIALECT)
def orders_are_named_by_either_id(subject: Subject) -> None:
    """An order can be asked for by our id alone, and by both.

    The venue's id is not known while an outcome is not.
    """
    hand = Hand(subject)
    market = hand.market()
    order = hand.limit(1)
    hand.run(market.place([order]))
    hand.advance(5.0)
    by_ours = hand.run(market.status(ref(order)))
    by_both = hand.run(market.status(ref(order, by_ours.order_id)))
    for report in (by_ours, by_both):
        assert report.client_order_id in {"", order.client_order_id}, f"it names {report.client_order_id}"
        assert report.order_id == by_ours.order_id, f"another order was found: {report.order_id}"
        assert report.instrument == order.instrument, f"it is of {report.instrument}"


MANY: Final = 25
ABSENT: Final = frozenset({1, 12, 22})


@check(Group.CHANGING, Capability.BATCH_CANCEL, ORDERS, DIALECT)
def large_batches_are_whole(subject: Subject) -> None:
    """More cancels than one request holds are all made, each with the outcome of its own order, in their order.

    Twenty-five, of which the second, the thirteenth and the twenty-third name orders that do not exist.
    """
    hand = Hand(subject)
    market = hand.market()
    orders = [hand.limit(number) for number in range(1, MANY + 1)]
    for place, order in enumerate(orders):
        if place not in ABSENT:
            hand.run(market.place([order]))
    hand.advance(5.0)
    outcomes = came_to(hand, market.cancel([ref(order) for order in orders]), MANY)
    hand.advance(5.0)
    left = len(hand.engine.open_orders(hand.account))
    assert not left, f"{left} of {MANY} orders are still open"
    refused = {place for place, each in enumerate(outcomes) if isinstance(each, Rejected)}
    assert refused == ABSENT, f"refused were {sorted(refused)}, not there are {sorted(ABSENT)}"


@check(Group.CHANGING, Capability.CANCEL_ALL, ORDERS, DIALECT)
def cancel_all_keeps_to_its_markets(subject: Subject) -> None:
    """Cancelling all orders of one market leaves those of the others alone.

    An order rests in each of two markets; one of them is named.
    """
    hand = Hand(subject)
    market = hand.market()
    pairs = [*hand.prices][:2]
    if len(pairs) < 2:
        raise Unclaimed("its dialect lists one market only")
    for number, pair in enumerate(pairs, 1):
        hand.run(market.place([hand.limit(number, pair=pair)]))
    hand.advance(5.0)
    hand.run(market.cancel_all([pairs[0]]))
    hand.advance(5.0)
    left = [order.intent.instrument for order in hand.engine.open_orders(hand.account)]
    assert left == pairs[1:], f"{pairs[0]} was named, and left are the orders of {left or 'no market'}"


@check(Group.CHANGING, Capability.DEAD_MAN_SWITCH, DIALECT)
def short_switches_do_not_disarm(subject: Subject) -> None:
    """A time that is too short for the venue is refused, and never sent as "never".

    A tenth of a microsecond, rounded to the venue's unit, would be nothing: many venues take that for "no switch".
    """
    hand = Hand(subject)
    market = hand.market()
    hand.run(market.dead_man_switch(30.0))
    hand.run(market.place([hand.limit(1)]))
    hand.advance(1.0)
    with suppress(VenuekitError):  # as it should be, on this side or on the venue's
        hand.run(market.dead_man_switch(1e-7))
    hand.advance(60.0)
    assert not hand.engine.open_orders(hand.account), "the switch was disarmed"
