"""Placing: an order is what was asked for, and its outcome what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from attrs import evolve

from venuekit import OrderAccepted, OrderRejected, OrderRequest, OrderState
from venuekit_spec import (
    Accepted,
    Capability,
    DuplicateClientOrderId,
    InsufficientFunds,
    NetworkError,
    OrderStatus,
    OrderType,
    Rejected,
    Side,
    TimeInForce,
    Uniqueness,
    Unit,
    Unknown,
    VenueUnavailable,
)
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Need, Unclaimed, check
from venuekit_testkit.hand import Hand
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject


@asynccontextmanager
async def each_way(subject: Subject, number: int) -> AsyncIterator[Scene]:
    """A scene in which orders travel the one way, or the other."""
    async with scene(subject, way=subject.ways[number]) as there:
        yield there


def takes(type_: OrderType) -> Need:
    """It declares this type of orders."""

    def lacks(subject: Subject) -> str:
        return "" if type_ in subject.description.order_types else f"it takes no {type_.value} orders"

    return Need(lacks)


def stands(tif: TimeInForce) -> Need:
    """It declares this time in force."""

    def lacks(subject: Subject) -> str:
        return "" if tif in subject.description.times_in_force else f"no order of it is {tif.value}"

    return Need(lacks)


@check(Group.PLACING, ORDERS, DIALECT)
async def limit_orders_rest(subject: Subject) -> None:
    """A limit order away from the market is accepted, and rests at the venue.

    By every way that is claimed; client and venue agree on it.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            order = await there.rest()
            await there.until(lambda order=order: order.state is OrderState.OPEN, "the order is open", 60.0)  # type: ignore[misc]
            assert there.held(order).status is OrderStatus.OPEN
            await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
async def orders_are_as_asked(subject: Subject) -> None:
    """The venue gets the order that was asked for, to the last digit, and no other.

    Side, price, quantity, type, triggers and flags, and the client order id.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            for side in Side:
                order = await there.rest("0.0371234567", side, lots=13)
                held, asked = there.held(order).intent, order.intent
                for name in (
                    "instrument",
                    "side",
                    "quantity",
                    "client_order_id",
                    "type",
                    "price",
                    "unit",
                    "trigger_price",
                    "post_only",
                    "reduce_only",
                ):
                    assert getattr(held, name) == getattr(asked, name), (
                        f"{name} was {getattr(asked, name)}, the venue has {getattr(held, name)}"
                    )


@check(Group.PLACING, ORDERS, DIALECT)
async def sides_are_kept(subject: Subject) -> None:
    """A buy buys and a sell sells.

    Each takes from the other side of the market, and balances move accordingly.
    """
    async with scene(subject) as there:
        for side in Side:
            there.somebody(side.opposite, "0.001", 20)
            placed = await there.exchange.place(there.limit(side, "-0.002", 10))
            await there.until(lambda placed=placed: placed.order.complete, "the order is complete", 60.0)  # type: ignore[misc]
            assert {execution.fill.side for execution in there.executions[-1:]} == {side}
            assert {fill.side for fill in placed.order.fills} == {side}
        await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
async def fills_are_whole(subject: Subject) -> None:
    """What was filled is told whole: quantity, price, fees, maker or taker, and completed is said once.

    An order takes two others at different prices; its average price is exact.
    """
    from venuekit import OrderCompleted

    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            there.somebody(Side.SELL, "0.001", 5)
            there.somebody(Side.SELL, "0.002", 5)
            placed = await there.exchange.place(there.limit(Side.BUY, "-0.003", 10))
            order = placed.order
            await there.until(lambda order=order: order.complete, "the order is complete", 60.0)  # type: ignore[misc]
            await there.clock.sleep(5.0)
            executions = there.executions
            assert order.filled == order.quantity
            assert sorted((fill.price, fill.quantity) for fill in order.fills) == sorted(
                (each.fill.price, each.fill.quantity) for each in executions
            )
            wanted: dict[str, Decimal] = {}
            for each in executions:
                for fee in each.fees:
                    wanted[fee.asset] = wanted.get(fee.asset, Decimal(0)) + fee.amount
            assert dict(order.fees) == wanted, f"fees are {dict(order.fees)}, at the venue {wanted}"
            assert len(there.told(OrderCompleted)) == 1, "completed was not said once"
            await there.settle()


@check(Group.PLACING, ORDERS, takes(OrderType.MARKET), DIALECT)
async def market_orders_fill(subject: Subject) -> None:
    """A market order is filled from what is there.

    It needs no price, and none is invented.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            there.somebody(Side.SELL, "0.001", 50)
            placed = await there.exchange.buy(there.pair, there.quantity(10))
            await there.until(lambda placed=placed: placed.order.complete, "the order is complete", 60.0)  # type: ignore[misc]
            assert placed.order.state is OrderState.FILLED
            assert there.held(placed.order).intent.price is None
            await there.settle()


@check(Group.PLACING, ORDERS, Capability.QUOTE_SIZED, takes(OrderType.MARKET), DIALECT)
async def quote_sized_orders_fill(subject: Subject) -> None:
    """An order sized in quote units spends that much and no more.

    What was bought adds up to what the venue says.
    """
    async with scene(subject) as there:
        there.somebody(Side.SELL, "0.001", 500)
        spend = (there.instrument.minimum_notional or Decimal(10)) * 20
        placed = await there.exchange.place(
            OrderRequest(pair=there.pair, side=Side.BUY, quantity=spend, unit=Unit.QUOTE)
        )
        await there.until(lambda: placed.order.complete, "the order is complete", 60.0)
        spent = sum((fill.price * fill.quantity for fill in placed.order.fills), Decimal(0))
        assert 0 < spent <= spend, f"{spent} was spent of {spend}"
        await there.settle()


@check(Group.PLACING, ORDERS, stands(TimeInForce.IOC), DIALECT)
async def immediate_orders_do_not_rest(subject: Subject) -> None:
    """What is not filled at once of an immediate order is over.

    Half of it finds somebody; the other half never rests.
    """
    async with scene(subject) as there:
        there.somebody(Side.SELL, "0.001", 5)
        placed = await there.exchange.place(
            there.limit(Side.BUY, "-0.002", 10, time_in_force=TimeInForce.IOC)
        )
        await there.until(lambda: placed.order.complete, "the order is complete", 120.0)
        assert placed.order.filled * 2 == placed.order.quantity
        assert not there.engine.open_orders(there.account_name)
        await there.settle()


@check(Group.PLACING, ORDERS, stands(TimeInForce.FOK), DIALECT)
async def all_or_nothing_is_kept(subject: Subject) -> None:
    """An order that is to be filled whole or not at all is not filled in part.

    Only half of it could be.
    """
    async with scene(subject) as there:
        there.somebody(Side.SELL, "0.001", 5)
        placed = await there.exchange.place(
            there.limit(Side.BUY, "-0.002", 10, time_in_force=TimeInForce.FOK)
        )
        await there.until(lambda: placed.order.complete, "the order is over", 120.0)
        assert placed.order.filled == 0
        await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
async def refused_orders_are_rejected(subject: Subject) -> None:
    """What the venue definitely refused is rejected, with the venue's reason.

    An order for more than the account holds: the error is `InsufficientFunds`, and nothing is at the venue.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            held = {balance.asset: balance.free for balance in await there.exchange.balances()}
            quote = held.get(there.instrument.settle or there.instrument.quote) or Decimal(0)
            request = there.limit(Side.BUY, "0.05", 1)
            assert request.price is not None
            lots = int(quote * 3 / (request.price * request.quantity))
            placed = await there.exchange.place(there.limit(Side.BUY, "0.05", lots))
            order = placed.order
            await there.until(lambda order=order: order.done, "the refusal is known", 120.0)  # type: ignore[misc]
            assert order.state is OrderState.REJECTED, f"a refusal was taken for {order}"
            if isinstance(placed, OrderRejected):
                assert isinstance(placed.error, InsufficientFunds), f"the reason is {placed.error!r}"
            else:  # a venue of blocks refuses when the next one is made
                assert isinstance(placed, OrderAccepted), f"a refusal was told as {type(placed).__name__}"
                assert order.reason or order.error, "no reason was told"
            await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
def lost_answers_are_unknown(subject: Subject) -> None:
    """An answer that was lost says nothing: the outcome is unknown.

    The network fails after the request has left. The venue may have the order; it has, here.
    """
    hand = Hand(subject)
    market = hand.market()
    for number, error in enumerate((NetworkError("cut", sent=True), VenueUnavailable("503")), 1):
        hand.answer = lambda _request, _response, error=error: error
        (placed,) = hand.run(market.place([hand_limit(hand, number)]))
        hand.answer = None
        assert isinstance(placed, Unknown), f"{error!r} was taken for {placed}"


def hand_limit(hand: Hand, number: int) -> Any:
    """A limit order, made while nothing stands between hand and venue."""
    answer, hand.answer = hand.answer, None
    try:
        return hand.limit(number)
    finally:
        hand.answer = answer


@check(Group.PLACING, ORDERS, DIALECT)
def unsent_orders_are_rejected(subject: Subject) -> None:
    """A request that never left this machine placed nothing: the outcome is known.

    `NetworkError` with ``sent`` false is definitive evidence; unknown would have to be settled for nothing.
    """
    hand = Hand(subject)
    market = hand.market()
    hand.answer = lambda _request, _response: NetworkError("no connection", sent=False)
    (placed,) = hand.run(market.place([hand_limit(hand, 1)]))
    assert isinstance(placed, Rejected), f"it was taken for {placed}"


@check(Group.PLACING, ORDERS, DIALECT)
def doubled_ids_are_not_rejected(subject: Subject) -> None:
    """A client order id that the venue has already seen is no proof that there is no order.

    The same order is placed twice. The first attempt is there, so the second is not plainly rejected: its outcome is unknown,
    or it is accepted as the same.
    """
    hand = Hand(subject)
    ids = subject.description.client_order_ids
    if ids is None or ids.unique is Uniqueness.NEVER:
        raise Unclaimed("the venue refuses no id twice")
    market = hand.market()
    order = hand.limit(1)
    hand.run(market.place([order]))
    hand.advance(5.0)
    (placed,) = hand.run(market.place([order]))
    hand.advance(5.0)
    assert not isinstance(placed, Rejected), f"a doubled id was taken for a proof: {placed}"
    if isinstance(placed, Unknown) and placed.error is not None:
        assert isinstance(placed.error, DuplicateClientOrderId), f"it was told as {placed.error!r}"


@check(Group.PLACING, ORDERS, DIALECT)
def broken_rules_are_told(subject: Subject) -> None:
    """An order that breaks a rule of the instrument is rejected for good.

    Sent past the checks of this side; the venue refuses it, and has nothing.
    """
    hand = Hand(subject)
    market = hand.market()
    order = hand.limit(1)
    assert order.price is not None
    instrument = hand.instruments[hand.pair]
    broken = evolve(order, quantity=instrument.size.step, price=order.price)
    if instrument.minimum_notional is None:
        raise Unclaimed("there is no order too small")
    (placed,) = hand.run(market.place([broken]))
    hand.advance(5.0)
    if isinstance(placed, Accepted):
        raise Unclaimed("the venue judges orders after it has taken them")
    assert isinstance(placed, Rejected), f"a broken rule was taken for {placed}"
    assert not hand.engine.open_orders(subject.venue_side.accounts()[0].name)
