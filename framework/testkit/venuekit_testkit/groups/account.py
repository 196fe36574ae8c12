"""The account: balances, positions, fees, permissions, fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve

from venuekit_spec import MILLISECOND, Capability, InstrumentKind, Side, Unsupported, seconds_between
from venuekit_testkit.catalogue import DIALECT, ORDERS, Group, Unclaimed, check
from venuekit_testkit.hand import START, Hand, ref
from venuekit_testkit.scene import Scene, scene
from venuekit_testkit.subject import Subject

BUSY: Final = 1_100
"""More executions than one answer of any venue holds."""


def _balances(there: Scene) -> dict[str, Decimal]:
    """What the venue says that the account holds, less what is nothing."""
    return {
        balance.asset: balance.total for balance in there.engine.balances(there.account_name) if balance.total
    }


@check(Group.RECONCILING, ORDERS, DIALECT)
async def balances_are_the_venues(subject: Subject) -> None:
    """The account holds here what it holds at the venue, before and after a trade.

    Every asset, exact: in all, what is free, and what an order that rests has bound. What the venue does not tell (None) is not
    compared.
    """
    async with scene(subject) as there:
        await there.rest("0.03")
        for _ in range(2):
            told = {balance.asset: balance for balance in await there.exchange.balances() if balance.total}
            held = {each.asset: each for each in there.engine.balances(there.account_name) if each.total}
            assert told.keys() == held.keys(), f"it holds {sorted(told)}, at the venue {sorted(held)}"
            for asset, ours in told.items():
                for name in ("total", "free", "held"):
                    here, truth = getattr(ours, name), getattr(held[asset], name)
                    assert here in {None, truth}, f"{here} {asset} are told as {name}, it is {truth}"
            there.somebody(Side.SELL, "0.001", 10)
            placed = await there.exchange.place(there.limit(Side.BUY, "-0.002", 10))
            await there.until(lambda placed=placed: placed.order.complete, "the trade", 60.0)  # type: ignore[misc]
            await there.clock.sleep(5.0)


@check(Group.STREAM, Capability.BALANCE_STREAM, ORDERS, DIALECT)
async def balances_come_by_stream(subject: Subject) -> None:
    """After a trade the new balances are known without being asked for.

    Within ten seconds of the trade.
    """
    async with scene(subject) as there:
        await there.until(lambda: there.account.streaming, "the stream is live", 60.0)
        order = await there.rest("0.001")
        there.somebody(Side.SELL, "-0.002", 20)
        await there.until(lambda: order.complete, "the trade", 60.0)

        def same() -> bool:
            held = {
                balance.asset: balance.total
                for balance in there.account.holdings.balances.values()
                if balance.total
            }
            return held == _balances(there)

        await there.until(same, "the balances are the venue's", 10.0)


@check(Group.RECONCILING, Capability.POSITIONS, DIALECT)
async def positions_are_the_venues(subject: Subject) -> None:
    """A position here is the position at the venue: quantity, sign and entry price.

    Opened by a sell: short is negative.
    """
    async with scene(subject, pairs=8) as there:
        perpetuals = [
            pair for pair in there.pairs if there.exchange.instruments[pair].kind is InstrumentKind.PERPETUAL
        ]
        if not perpetuals:
            raise Unclaimed("its dialect lists no derivative")
        pair = perpetuals[0]
        there.somebody(Side.BUY, "0.001", 20, pair=pair)
        placed = await there.exchange.place(there.limit(Side.SELL, "-0.002", 10, pair=pair))
        await there.until(lambda: placed.order.complete, "the trade", 60.0)
        await there.clock.sleep(5.0)
        told, held = await there.exchange.positions(), there.engine.positions(there.account_name)
        ours, theirs = ({each.instrument: each for each in side if each.quantity} for side in (told, held))
        assert set(ours) == set(theirs), f"positions are told in {sorted(ours)}, held in {sorted(theirs)}"
        for name in ("quantity", "entry_price"):
            here, there_ = getattr(ours[pair], name), getattr(theirs[pair], name)
            told_at_all = here is not None or name == "quantity"
            assert not told_at_all or here == there_, f"the {name} is {here}, at the venue {there_}"
        assert ours[pair].quantity < 0, "a short position is negative"


@check(Group.RECONCILING, ORDERS, DIALECT)
async def fees_are_the_venues(subject: Subject) -> None:
    """What the account pays is what the venue takes.

    As fractions of the notional, maker and taker told apart.
    """
    async with scene(subject) as there:
        told = await there.exchange.fee_rates(there.pair)
        taken = there.engine.fee_rates(there.account_name, there.pair)
        assert told == taken, f"told are {told}, the venue takes {taken}"


@check(Group.RECONCILING, ORDERS, DIALECT)
async def permissions_are_told(subject: Subject) -> None:
    """What the key may do is told, as far as the venue tells.

    The dialect's first account may trade: it must not be told that it may not.
    """
    async with scene(subject) as there:
        permissions = await there.exchange.permissions()
        assert permissions.trade is not False, "a key that may trade is told that it may not"


@check(Group.RECONCILING, ORDERS, DIALECT)
async def open_orders_are_all(subject: Subject) -> None:
    """The open orders are all that the venue has, those that are not ours among them.

    Three of ours, and two that somebody placed past this client.
    """
    async with scene(subject) as there:
        for away in ("0.03", "0.04", "0.05"):
            await there.rest(away)
        for away in ("0.06", "0.07"):
            there.somebody(Side.BUY, away, ours=True)
        await there.clock.sleep(5.0)
        told = {report.client_order_id for report in await there.exchange.open_orders()}
        wanted = {order.intent.client_order_id for order in there.engine.open_orders(there.account_name)}
        assert told == wanted, f"told are {len(told)} open orders, {len(wanted)} are"
        only = await there.exchange.open_orders([there.pair])
        markets = {report.instrument for report in only}
        assert markets == {there.pair}, f"asked for one market, it tells of {sorted(markets)}"


@check(Group.RECONCILING, ORDERS, DIALECT)
async def fills_are_all_and_in_order(subject: Subject) -> None:
    """The executions since an instant are all there, oldest first, and none before it.

    Twelve trades; then the last half of them.
    """
    async with scene(subject) as there:
        began = there.clock.now()
        middle = began
        for number in range(12):
            if number == 6:
                await there.clock.sleep(5.0)
                middle = there.clock.now()
            there.somebody(Side.SELL, "0.001", 2)
            placed = await there.exchange.place(there.limit(Side.BUY, "-0.002", 2))
            await there.until(lambda placed=placed: placed.order.complete, "the trade", 60.0)  # type: ignore[misc]
        fills = await there.exchange.fills(there.pair, began)
        assert len(fills) == len(there.executions) == 12, f"{len(fills)} fills of 12"
        times = [fill.time for fill in fills]
        assert times == sorted(times), "the oldest does not come first"
        late = len(await there.exchange.fills(there.pair, middle))
        assert late == 6, f"{late} fills since the middle, 6 there were"


@check(Group.RECONCILING, ORDERS, DIALECT)
def fills_go_on_page_after_page(subject: Subject) -> None:
    """More executions than one answer holds are all told, each once.

    Eleven hundred, as a reconciler finds them after a busy night. A first page that is taken for all loses trades for good.
    """
    hand = Hand(subject)
    market, accounts = hand.market(), subject.venue_side.accounts()
    if len(accounts) < 2:
        raise Unclaimed("there is nobody to trade with")
    order = hand.limit(1)
    order = evolve(order, quantity=order.quantity / 10)
    for number in range(BUSY):
        for name, side in ((accounts[1].name, Side.SELL), (hand.account, Side.BUY)):
            id_ = market.client_order_id(2 * number + (side is Side.BUY) + 10)
            hand.engine.place(name, evolve(order, side=side, client_order_id=id_), hand.now)
        hand.now += MILLISECOND
    hand.advance(5.0)
    told = [fill.key for fill in hand.run(market.fills([hand.pair], START))]
    wanted = {execution.fill.key for execution in hand.engine.executions(hand.account)}
    assert len(told) == len(set(told)), f"{len(told) - len(set(told))} fills were told twice"
    assert set(told) == wanted, f"{len(set(told) & wanted)} fills were told of {len(wanted)}"


@check(Group.RECONCILING, ORDERS, DIALECT)
def reports_are_the_venues(subject: Subject) -> None:
    """What the venue is asked of an order is told as it is there, field by field.

    Of an order that is filled in part: side, type, price, quantity, what is filled, what remains, at which price on average,
    and when that was. What is not told (None, or no time) is not compared.
    """
    hand = Hand(subject)
    market, accounts = hand.market(), subject.venue_side.accounts()
    if len(accounts) < 2:
        raise Unclaimed("there is nobody to trade with")
    order = hand.limit(1)
    hand.run(market.place([order]))
    hand.advance(5.0)
    part = evolve(
        order, side=Side.SELL, quantity=order.quantity * 3 / 10, client_order_id=market.client_order_id(9)
    )
    hand.engine.place(accounts[1].name, part, hand.now)
    traded = hand.now
    hand.advance(5.0)
    (held,) = hand.orders
    told = hand.run(market.status(ref(order, held.order_id)))
    wanted = {
        "side": order.side,
        "type": order.type,
        "price": held.price,
        "quantity": held.quantity,
        "filled": held.filled,
        "remaining": order.quantity - held.filled,
        "average_price": held.spent / held.filled,
    }
    for name, truth in wanted.items():
        ours = getattr(told, name)
        assert ours is None or ours == truth, f"the {name} of an order is told as {ours}, it is {truth}"
    late = told.time and abs(seconds_between(told.time, traded)) > 60.0
    assert not late, f"a report of {traded} is told as of {told.time}"


@check(Group.RECONCILING, ORDERS, DIALECT)
def used_limits_are_told(subject: Subject) -> None:
    """Where the venue can be asked for its limits, what is used and what there is are not mixed up.

    Little was asked yet: of no pool more than a half is used, and no pool holds nothing.
    """
    hand = Hand(subject)
    try:
        report = hand.run(hand.market().limits())
    except Unsupported as error:
        raise Unclaimed("its venue is not asked for limits") from error
    held = {pool.name: pool.capacity for pool in subject.description.pools} | dict(report.capacities)
    if not (report.used or report.capacities):
        raise Unclaimed("its venue tells no limits")
    for pool, used in report.used.items():
        assert used * 2 < held[pool], f"{used:g} of {held[pool]:g} {pool} are told as used by hardly anything"
    empty = [pool for pool, capacity in report.capacities.items() if capacity <= 0]
    assert not empty, f"{', '.join(empty)} hold nothing"
