"""Placing: an order is what was asked for, and its outcome what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from attrs import evolve

from venuekit import (
    OrderAccepted,
    OrderCompleted,
    OrderRejected,
    OrderRequest,
    OrderState,
)
from venuekit_spec import (
    Accepted,
    Capability,
    DuplicateClientOrderId,
    Fee,
    Flow,
    HttpRequest,
    HttpResponse,
    InsufficientFunds,
    NetworkError,
    OrderStatus,
    OrderType,
    Outcome,
    Placed,
    Rejected,
    RuleViolated,
    Side,
    TimeInForce,
    Uniqueness,
    Unit,
    Unknown,
    Unsupported,
    VenueError,
    VenueUnavailable,
    after,
    seconds_between,
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
            status = there.held(order).status
            assert status is OrderStatus.OPEN, f"it is {status} at the venue"
            await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
async def post_only_orders_never_take(subject: Subject) -> None:
    """An order that is to make the market, and would take, trades nothing.

    Somebody sells at its price. Skipped where the venue has no such orders.
    """
    async with scene(subject) as there:
        there.somebody(Side.SELL, "0.001", 20)
        placed = await there.exchange.place(there.limit(Side.BUY, "-0.002", 10, post_only=True))
        if isinstance(placed, OrderRejected) and isinstance(placed.error, Unsupported):
            raise Unclaimed("it has no post-only orders")
        await there.clock.sleep(10.0)
        assert not there.executions, "a post-only order took what was there"
        await there.settle()


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
            (execution,) = there.executions[-1:]
            assert execution.fill.side is side, f"a {side} became a {execution.fill.side} at the venue"
            told = {fill.side.value for fill in placed.order.fills}
            assert told == {side.value}, f"a {side} is told as a {', '.join(told)}"
        await there.settle()


@check(Group.PLACING, ORDERS, DIALECT)
async def fills_are_whole(subject: Subject) -> None:
    """What was filled is told whole: quantity, price, fees, maker or taker, and completed is said once.

    An order takes two others at different prices; its average price is exact.
    """
    for number in range(len(subject.ways)):
        async with each_way(subject, number) as there:
            there.somebody(Side.SELL, "0.001", 5)
            there.somebody(Side.SELL, "0.002", 5)
            placed = await there.exchange.place(there.limit(Side.BUY, "-0.003", 10))
            order = placed.order
            await there.until(lambda order=order: order.complete, "the order is complete", 60.0)  # type: ignore[misc]
            await there.clock.sleep(5.0)
            executions = there.executions
            assert order.filled == order.quantity, f"{order.filled} of {order.quantity} is filled"
            asked = await there.exchange.fills(there.pair, 0)
            traded = sorted(whole(each.fill) for each in executions)
            for fills, source in ((order.fills, "the order"), (asked, "Market.fills")):
                told = sorted(map(whole, fills))
                assert told == traded, f"the fills of {source} are {told}, at the venue {traded}"
            began = {each.fill.key: each.fill.time for each in executions}
            late = [fill for fill in asked if abs(seconds_between(fill.time, began[fill.key])) > 1.0]
            assert not late, f"a fill of {began[late[0].key]} is told as of {late[0].time}"
            paid = {fill.key: paid_of(fill.fees or ()) for fill in asked}
            for each in executions:
                fees = paid.get(each.fill.key)
                assert fees == paid_of(each.fees), (
                    f"Market.fills tells the fees {fees}, the venue {paid_of(each.fees)}"
                )
            wanted: dict[str, Decimal] = {}
            for each in executions:
                for fee in each.fees:
                    wanted[fee.asset] = wanted.get(fee.asset, Decimal(0)) + fee.amount
            assert dict(order.fees) == wanted, f"fees are {dict(order.fees)}, at the venue {wanted}"
            assert len(there.told(OrderCompleted)) == 1, "completed was not said once"
            await there.settle()


def whole(fill: Any) -> tuple[Any, ...]:
    """What there is to know of a fill, its fees aside."""
    return (
        fill.price,
        fill.quantity,
        fill.side.value,
        "" if fill.liquidity is None else fill.liquidity.value,
    )


def paid_of(fees: Iterable[Fee]) -> dict[str, Decimal]:
    """Fees by asset, those of nothing left out."""
    return {fee.asset: fee.amount for fee in fees if fee.amount}


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
            assert placed.order.state is OrderState.FILLED, f"it came to {placed.order}"
            price = there.held(placed.order).intent.price
            assert price is None, f"a price of {price} was invented"
            await there.settle()


@check(Group.PLACING, ORDERS, Capability.QUOTE_SIZED, takes(OrderType.MARKET), DIALECT)
async def quote_sized_orders_fill(subject: Subject) -> None:
    """An order sized in quote units spends that much: no more, and hardly less.

    Less by what one step of the quantity costs. What was bought adds up to what the venue says.
    """
    async with scene(subject) as there:
        there.somebody(Side.SELL, "0.001", 500)
        spend = (there.instrument.minimum_notional or Decimal(10)) * 20
        placed = await there.exchange.place(
            OrderRequest(pair=there.pair, side=Side.BUY, quantity=spend, unit=Unit.QUOTE)
        )
        await there.until(lambda: placed.order.complete, "the order is complete", 60.0)
        spent = sum((fill.price * fill.quantity for fill in placed.order.fills), Decimal(0))
        assert spend * Decimal("0.95") < spent <= spend, f"{spent} was spent of {spend}"
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
        filled = placed.order.filled
        assert filled * 2 == placed.order.quantity, f"{filled} of {placed.order.quantity} is filled, not half"
        assert not there.engine.open_orders(there.account_name), "the other half rests"
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
        assert placed.order.filled == 0, f"{placed.order.filled} was filled"
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

    The network fails after the request has left, or a proxy answers with a 5xx. The venue may have the order; it has, here. A
    market may say so itself, or let the error through where it is about all that was asked: its ``outcome`` is taken.
    """
    hand = Hand(subject)
    market = hand.market()
    page = b"<html><body>try again</body></html>"
    answers = (
        NetworkError("cut", sent=True),
        VenueUnavailable("503"),
        *(HttpResponse(status, body) for status in (500, 502, 503, 504) for body in (page, b"")),
    )
    for number, answer in enumerate(answers, 1):
        order = hand.limit(number)
        hand.answer = lambda _request, _response, answer=answer: answer
        (placed,) = came_to(hand, market.place([order]), 1)
        hand.answer = None
        assert isinstance(placed, Unknown), f"{answer!r} was taken for {placed}"


def came_to(hand: Hand, flow: Flow[Sequence[Placed]], orders: int) -> Sequence[Placed]:
    """What a flow over so many orders came to. An error that leaves it is the outcome of each, as the core takes it."""
    try:
        return hand.run(flow)
    except VenueError as error:
        return [Rejected(error) if error.outcome is Outcome.REJECTED else Unknown(error)] * orders


@check(Group.PLACING, ORDERS, DIALECT)
def unsent_orders_are_rejected(subject: Subject) -> None:
    """A request that never left this machine placed nothing: the outcome is known.

    `NetworkError` with ``sent`` false is definitive evidence; unknown would have to be settled for nothing.
    """
    hand = Hand(subject)
    market = hand.market()
    order = hand.limit(1)
    hand.answer = lambda _request, _response: NetworkError("no connection", sent=False)
    (placed,) = came_to(hand, market.place([order]), 1)
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
    (placed,) = came_to(hand, market.place([order]), 1)
    hand.advance(5.0)
    assert not isinstance(placed, Rejected), f"a doubled id was taken for a proof: {placed}"
    if isinstance(placed, Unknown) and placed.error is not None:
        assert isinstance(placed.error, DuplicateClientOrderId), f"it was told as {placed.error!r}"


@check(Group.PLACING, ORDERS, DIALECT)
def broken_rules_are_told(subject: Subject) -> None:
    """An order that breaks a rule of the instrument is rejected for good, and told as that: `RuleViolated`.

    Sent past the checks of this side; the venue refuses it, and has nothing. Taken for want of funds it would be sent again.
    """
    hand = Hand(subject)
    market = hand.market()
    order = hand.limit(1)
    assert order.price is not None
    instrument = hand.instruments[hand.pair]
    broken = evolve(order, quantity=instrument.size.step, price=order.price)
    if instrument.minimum_notional is None:
        raise Unclaimed("there is no order too small")
    (placed,) = came_to(hand, market.place([broken]), 1)
    hand.advance(5.0)
    if isinstance(placed, Accepted):
        raise Unclaimed("the venue judges orders after it has taken them")
    assert isinstance(placed, Rejected), f"a broken rule was taken for {placed}"
    assert isinstance(placed.error, RuleViolated), f"a broken rule is told as {placed.error!r}"
    assert not hand.engine.open_orders(hand.account), "the venue has it"


@check(Group.PLACING, ORDERS, DIALECT)
def absence_is_final_when_it_says(subject: Subject) -> None:
    """When absence counts as final, what was sent can no longer act.

    A signed placement is held up on its way for as long as `Resolver.absence` waits; then the venue must refuse it. An order
    that were taken after that would live on, taken for one that never was.
    """
    resolver = subject.description.resolver
    assert resolver is not None, "it has no resolver"
    absence, hand = resolver.absence, Hand(subject)
    order = hand.limit(1)
    if absence.after_deadline is not None:
        order = evolve(order, deadline=after(hand.now, 30.0))

    def hold_up(request: HttpRequest) -> HttpRequest:
        if request.method != "GET" and request.signed:
            for wait in (absence.after, absence.after_deadline and absence.after_deadline + 30.0):
                hand.advance(wait or 0.0)
            if absence.above_expiry_height and order.expires_at_height is not None:
                hand.rewrite = None
                while hand.run(hand.market().height()).height <= order.expires_at_height:
                    hand.advance(30.0)
        return request

    market = hand.market()
    hand.rewrite = hold_up
    (placed,) = came_to(hand, market.place([order]), 1)
    hand.rewrite = None
    hand.advance(5.0)
    taken = [each for each in hand.orders if each.status is not OrderStatus.REJECTED]
    assert not taken, f"after absence was final the venue took the order; it came to {placed}"
