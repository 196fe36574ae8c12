"""What holds of the engine after any sequence of commands."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from attrs import define
from framework.simulator.tests.small_venue import BTC, FUNDS, PERP, USERS, instrument, order, ref, venue
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.perpetual import PerpetualSettlement
from venuekit_spec import (
    Balance,
    BalanceChanged,
    EngineEvent,
    FeeRates,
    LevelChanged,
    OrderAction,
    OrderChanged,
    OrderEvent,
    OrderType,
    Refused,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Unit,
)

D = Decimal
FEES = FeeRates(maker=D("-0.0003"), taker=D("0.0017"))
TRIGGERED = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)

prices = st.integers(196, 204).map(lambda ticks: D(ticks) / 2)
sizes = st.integers(1, 900).map(lambda steps: D(steps) / 100)
numbers = st.integers(0, 30)
users = st.sampled_from(USERS)


@st.composite
def placements(draw: st.DrawFn, instrument_id: str) -> tuple[Any, ...]:
    """A command that places some order, valid or not."""
    kind = draw(st.sampled_from([OrderType.LIMIT] * 5 + [OrderType.MARKET] * 2 + list(TRIGGERED)))
    market = kind is OrderType.MARKET
    limited = kind in LIMITED
    tif = draw(st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD]))
    reduce_only = instrument_id == PERP and draw(st.booleans())
    size = draw(sizes)
    wanted = order(
        draw(st.sampled_from(Side)),
        min(size, D(1)) if reduce_only else size,
        draw(prices) if limited else None,
        instrument=instrument_id,
        type=kind,
        trigger_price=draw(prices) if kind in TRIGGERED else None,
        time_in_force=tif,
        expires=draw(st.integers(0, 60)) if tif is TimeInForce.GTD else None,
        post_only=limited and tif is TimeInForce.GTC and draw(st.booleans()),
        unit=draw(st.sampled_from(Unit)) if market and not reduce_only else Unit.BASE,
        reduce_only=reduce_only,
    )
    return "place", draw(users), wanted, draw(st.sampled_from(SelfTradePrevention))


def commands(instrument_id: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """A day at the venue."""
    return st.lists(
        st.one_of(
            placements(instrument_id),
            placements(instrument_id),
            placements(instrument_id),
            st.tuples(st.just("cancel"), users, numbers),
            st.tuples(st.just("amend"), users, numbers, st.none() | prices, st.none() | sizes),
        ),
        min_size=12,
        max_size=60,
    )


def carry_out(engine: MatchingEngine, command: tuple[Any, ...], now: int) -> None:
    """Give one command; a refusal is an answer too."""
    kind, user, *rest = command
    try:
        if kind == "place":
            engine.place(user, rest[0], now, self_trade=rest[1])
            return
        mine = engine.open_orders(user)
        if not mine:
            return
        name = ref(mine[rest[0] % len(mine)])
        if kind == "cancel":
            engine.cancel(user, name, now)
        else:
            engine.amend(user, name, now, price=rest[1], quantity=rest[2])
    except Refused:
        return


@define
class Follower:
    """Rebuilds books and balances from what the engine tells, and from nothing else."""

    engine: MatchingEngine
    levels: dict[Side, dict[Decimal, Decimal]]
    orders: dict[str, tuple[Side, Decimal, Decimal]]
    balances: dict[tuple[str, str], Balance]
    last: int = 0
    sequence: int = 0

    def hear(self, event: EngineEvent) -> None:
        """Apply one event."""
        if isinstance(event, LevelChanged):
            assert event.id == self.last + 1
            self.last = event.id
            if event.size:
                self.levels[event.side][event.price] = event.size
            else:
                self.levels[event.side].pop(event.price, None)
        elif isinstance(event, OrderEvent):
            assert event.last == self.sequence + 1
            self.sequence += 1
            self._by_order(event)
        elif isinstance(event, BalanceChanged):
            self.balances[event.account, event.balance.asset] = event.balance
        elif isinstance(event, OrderChanged) and event.order.quantity is not None:
            assert event.order.filled + event.order.remaining == event.order.quantity
            assert event.order.filled <= event.order.quantity

    def _by_order(self, event: OrderEvent) -> None:
        if event.action is OrderAction.OPEN:
            assert event.order_id not in self.orders
            assert event.side is not None
            self.orders[event.order_id] = (event.side, D(event.price), D(event.size))
        elif event.action is OrderAction.DONE:
            del self.orders[event.order_id]
        else:
            side, price, size = self.orders[event.order_id]
            left = size - D(event.size) if event.action is OrderAction.MATCH else D(event.size)
            assert 0 <= left < size
            if left:
                self.orders[event.order_id] = (side, price, left)
            else:
                del self.orders[event.order_id]

    def agrees(self, instrument_id: str) -> None:
        """What was rebuilt is what the engine says."""
        book = self.engine.book(instrument_id)
        assert book.id == self.last
        assert dict(book.bids) == self.levels[Side.BUY]
        assert dict(book.asks) == self.levels[Side.SELL]
        assert list(book.bids) == sorted(book.bids, reverse=True)
        assert list(book.asks) == sorted(book.asks)
        resting = self.engine.resting(instrument_id)
        for side in Side:
            told = [(i, p, s) for i, (each, p, s) in self.orders.items() if each is side]
            told.sort(key=lambda row: row[1], reverse=side is Side.BUY)
            assert [(r.order_id, D(r.price), D(r.size)) for r in resting if r.side is side] == told
            sums: dict[Decimal, Decimal] = {}
            for _, price, size in told:
                sums[price] = sums.get(price, D(0)) + size
            assert sums == self.levels[side]
        for user in USERS:
            for balance in self.engine.balances(user):
                heard = self.balances.get((user, balance.asset))
                assert (
                    (heard.total, heard.held) == (balance.total, balance.held) if heard else not balance.held
                )


def follow(engine: MatchingEngine) -> Follower:
    """A follower from now on."""
    follower = Follower(engine, {side: {} for side in Side}, {}, {})
    engine.listen(follower.hear)
    return follower


def check_books(engine: MatchingEngine, instrument_id: str) -> None:
    """Never crossed, and not locked either: orders that meet trade."""
    book = engine.book(instrument_id, 1)
    assert not book.bids or not book.asks or book.bids[0][0] < book.asks[0][0]


def held_by(engine: MatchingEngine, user: str) -> dict[str, Decimal]:
    """What the open orders of a user must hold, worked out from their terms alone."""
    held = {"USDT": D(0), "BTC": D(0)}
    for each in engine.open_orders(user):
        value = each.price or each.intent.trigger_price
        assert value is not None
        if each.intent.side is Side.BUY:
            held["USDT"] += value * each.remaining
        else:
            held["BTC"] += each.remaining
    return held


@settings(max_examples=60, deadline=None)
@given(commands(BTC))
def test_nothing_is_lost_or_made_and_events_tell_it_all(day: Iterable[tuple[Any, ...]]) -> None:
    """Every asset is conserved, holds are those of the open orders, books are uncrossed, events rebuild everything."""
    engine = venue(fees=FEES)
    follower = follow(engine)
    deposited = dict(engine.ledger.sums())
    for now, command in enumerate(day):
        carry_out(engine, command, now)
        assert engine.ledger.sums() == deposited
        check_books(engine, BTC)
        follower.agrees(BTC)
        for user in USERS:
            held = held_by(engine, user)
            for balance in engine.balances(user):
                assert balance.held == held.get(balance.asset, 0)
                assert balance.free is not None
                assert balance.free >= 0


@settings(max_examples=40, deadline=None)
@given(commands(PERP))
def test_positions_are_a_game_of_zero_sum(day: Iterable[tuple[Any, ...]]) -> None:
    """Longs and shorts cancel out, balances less the costs of positions are conserved, reduce-only never turns one round."""
    engine = venue(fees=FEES)
    follower = follow(engine)
    settlement = engine.settlement(PERP)
    assert isinstance(settlement, PerpetualSettlement)
    deposited = dict(engine.ledger.sums())
    for now, command in enumerate(day):
        carry_out(engine, command, now)
        positions = {user: D(0) for user in USERS}
        for user in USERS:
            positions[user] = sum((each.quantity for each in engine.positions(user)), D(0))
            for side in Side:
                reducing = [
                    each.remaining
                    for each in engine.open_orders(user)
                    if each.intent.reduce_only and each.intent.side is side
                ]
                room = -positions[user] if side is Side.BUY else positions[user]
                assert sum(reducing, D(0)) <= max(room, D(0))
        assert sum(positions.values()) == 0
        sums = dict(engine.ledger.sums())
        sums["USDT"] -= settlement.costs()
        assert sums == deposited
        check_books(engine, PERP)
        follower.agrees(PERP)


@define
class Naive:
    """Price-time priority written down as it is said: a list, sorted again for each order."""

    resting: list[list[Any]]
    """[number, user, side, price, left]"""

    def place(
        self, number: int, user: str, side: Side, price: Decimal, size: Decimal
    ) -> list[tuple[int, Decimal]]:
        """(number of the maker, size) of each trade; what is left rests."""
        trades = []
        sign = 1 if side is Side.BUY else -1
        others = [each for each in self.resting if each[2] is not side and sign * each[3] <= sign * price]
        for maker in sorted(others, key=lambda each: (sign * each[3], each[0])):
            taken = min(size, maker[4])
            if taken:
                trades.append((maker[0], taken))
                maker[4] -= taken
                size -= taken
        self.resting = [each for each in self.resting if each[4]]
        if size:
            self.resting.append([number, user, side, price, size])
        return trades


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(users, st.sampled_from(Side), prices, sizes), max_size=60))
def test_priority_is_that_of_a_naive_model(orders: list[tuple[str, Side, Decimal, Decimal]]) -> None:
    """The same trades with the same makers in the same order, and the same queue afterwards."""
    engine = venue(instrument(BTC))
    rich = {asset: amount * 1000 for asset, amount in FUNDS.items()}
    engine.open_account("rich", rich)
    model = Naive([])
    for now, (_, side, price, size) in enumerate(orders):
        placed = engine.place("rich", order(side, size, price), now, self_trade=SelfTradePrevention.NONE)
        expected = model.place(placed.number, "rich", side, price, size)
        mine = [each for each in engine.executions("rich", since=now) if each.order.number != placed.number]
        assert [(each.order.number, each.fill.quantity) for each in mine] == expected
    resting = {int(each.order_id): D(each.size) for each in engine.resting(BTC)}
    assert resting == {each[0]: each[4] for each in model.resting}
