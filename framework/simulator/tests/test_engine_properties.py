"""What holds of the engine after any sequence of commands."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from attrs import define
from framework.simulator.tests.small_venue import BTC, FUNDS, PERP, USERS, instrument, order, ref, venue
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.ledger import Ledger
from venuekit_simulator.perpetual import PerpetualSettlement
from venuekit_spec import (
    Balance,
    BalanceChanged,
    EngineEvent,
    Execution,
    FeeRates,
    LevelChanged,
    Liquidity,
    Listing,
    NewOrder,
    OrderAction,
    OrderChanged,
    OrderEvent,
    OrderStatus,
    OrderType,
    Refused,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradeHappened,
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


undos = st.tuples(st.just("undo"), users, st.lists(st.integers(0, 5), min_size=1, max_size=3))


def commands(
    instrument_id: str, *besides: st.SearchStrategy[tuple[Any, ...]]
) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """A day at the venue."""
    return st.lists(
        st.one_of(
            placements(instrument_id),
            placements(instrument_id),
            placements(instrument_id),
            st.tuples(st.just("cancel"), users, numbers),
            st.tuples(st.just("amend"), users, numbers, st.none() | prices, st.none() | sizes),
            *besides,
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
        if kind == "undo":
            newest = list(reversed(engine.executions(user)))
            engine.undo([newest[age].key for age in rest[0] if age < len(newest)], now)
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
        assert (book.id, self.engine.event_id(instrument_id)) == (self.last, self.sequence)
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
        if value is None or (each.price is None and each.triggered):
            continue  # a market order that comes back holds nothing
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


def owned(engine: MatchingEngine, user: str) -> dict[str, Decimal]:
    """What a user must have on a spot market, worked out from the list of executions alone."""
    owned = {"BTC": FUNDS["BTC"], "USDT": FUNDS["USDT"]}
    for each in engine.executions(user):
        sign = 1 if each.fill.side is Side.BUY else -1
        owned["BTC"] += sign * each.fill.quantity
        owned["USDT"] -= sign * each.fill.quantity * each.fill.price
        for fee in each.fees:
            owned[fee.asset] -= fee.amount
    return owned


def check_fills(engine: MatchingEngine) -> None:
    """What is filled and spent of each order is what its executions add up to."""
    for user in USERS:
        filled: dict[int, Decimal] = {}
        spent: dict[int, Decimal] = {}
        for each in engine.executions(user):
            number, fill = each.order.number, each.fill
            filled[number] = filled.get(number, D(0)) + fill.quantity
            spent[number] = spent.get(number, D(0)) + fill.quantity * fill.price
        for known in engine.orders(user):
            assert (known.filled, known.spent) == (filled.get(known.number, 0), spent.get(known.number, 0))
            assert (known.status is OrderStatus.FILLED) <= bool(known.filled)
            assert known.quantity is None or (known.status is OrderStatus.FILLED) is not bool(known.remaining)


@settings(max_examples=60, deadline=None)
@given(commands(BTC, undos, undos))
def test_trades_that_are_taken_back_never_were(day: Iterable[tuple[Any, ...]]) -> None:
    """Money is what the trades that stay make it, to the last digit; orders, books and events agree with them."""
    engine = venue(fees=FEES)
    follower = follow(engine)
    deposited = dict(engine.ledger.sums())
    for now, command in enumerate(day):
        carry_out(engine, command, now)
        assert engine.ledger.sums() == deposited
        check_books(engine, BTC)
        follower.agrees(BTC)
        check_fills(engine)
        for user in USERS:
            held, has = held_by(engine, user), owned(engine, user)
            for balance in engine.balances(user):
                assert balance.held == held.get(balance.asset, 0)
                assert balance.total == has.get(balance.asset, FUNDS[balance.asset])
                assert not balance.held or (balance.free is not None and balance.free >= 0)


@settings(max_examples=40, deadline=None)
@given(commands(PERP, undos, undos))
def test_positions_never_knew_trades_that_are_taken_back(day: Iterable[tuple[Any, ...]]) -> None:
    """Position, entry price and balance are those of a fresh settlement of the trades that stay."""
    engine = venue(fees=FEES)
    follower = follow(engine)
    settlement = engine.settlement(PERP)
    assert isinstance(settlement, PerpetualSettlement)
    for now, command in enumerate(day):
        carry_out(engine, command, now)
        follower.agrees(PERP)
        check_fills(engine)
        check_books(engine, PERP)
        assert engine.ledger.sums()["USDT"] - settlement.costs() == len(USERS) * FUNDS["USDT"]
        for user in USERS:
            ledger = Ledger()
            ledger.open(user, FUNDS)
            fresh = PerpetualSettlement(instrument(PERP), ledger)
            for each in engine.executions(user):
                rate = FEES.maker if each.fill.liquidity is Liquidity.MAKER else FEES.taker
                fresh.settle(user, each.fill.side, each.fill.price, each.fill.quantity, rate)
            assert settlement.position(user, 0) == fresh.position(user, 0)
            totals = {each.asset: each.total for each in engine.balances(user)}
            assert totals == {each.asset: each.total for each in ledger.balances(user)}


@settings(max_examples=40, deadline=None)
@given(commands(BTC), placements(BTC))
def test_undoing_the_last_trades_gives_the_money_of_before(
    day: Iterable[tuple[Any, ...]], last: tuple[Any, ...]
) -> None:
    """Whatever an order traded: after its undo everybody has what he had, and each maker is filled as it was."""
    engine = venue(fees=FEES)
    for now, command in enumerate(day):
        carry_out(engine, command, now)
    before = {user: [each.total for each in engine.balances(user)] for user in USERS}
    filled = {each.number: (each.filled, each.spent) for user in USERS for each in engine.orders(user)}
    trades: list[Execution] = []
    engine.listen(
        lambda told: (
            trades.append(told.execution) if isinstance(told, OrderChanged) and told.execution else None
        )
    )
    carry_out(engine, last, 100)
    engine.undo([each.key for each in trades], 100)
    assert {user: [each.total for each in engine.balances(user)] for user in USERS} == before
    now_filled = {each.number: (each.filled, each.spent) for user in USERS for each in engine.orders(user)}
    assert {number: now_filled[number] for number in filled} == filled
    check_books(engine, BTC)


@define
class Naive:
    """Price-time priority written down as it is said: a list, sorted again for each order."""

    resting: list[list[Any]]
    """[number, user, side, price, left]"""

    def place(
        self, number: int, user: str, wanted: NewOrder, self_trade: SelfTradePrevention
    ) -> tuple[OrderStatus, list[tuple[int, Decimal, Decimal]]]:
        """How the order stands afterwards, and (number of the maker, price, size) of each trade; what may rest, rests."""
        sign = 1 if wanted.side is Side.BUY else -1
        met = [
            each
            for each in self.resting
            if each[2] is not wanted.side and (wanted.price is None or sign * each[3] <= sign * wanted.price)
        ]
        met.sort(key=lambda each: (sign * each[3], each[0]))
        own = user if self_trade is not SelfTradePrevention.NONE else None
        stops = self_trade in {SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.CANCEL_BOTH}
        if stops:
            ends = next((place for place, each in enumerate(met) if each[1] == own), len(met))
            others, first_own = met[:ends], met[ends : ends + 1]
        else:
            others, first_own = [each for each in met if each[1] != own], []
        there = sum((each[4] for each in others), D(0))
        if wanted.time_in_force is TimeInForce.FOK and there < wanted.quantity:
            return OrderStatus.EXPIRED, []
        left, trades, gone = wanted.quantity, [], []
        for maker in met:
            if not left:
                break
            if maker[1] == own:
                if self_trade is not SelfTradePrevention.CANCEL_TAKER:
                    gone.append(maker)
                if stops:
                    break
                continue
            taken = min(left, maker[4])
            trades.append((maker[0], maker[3], taken))
            maker[4] -= taken
            left -= taken
        self.resting = [each for each in self.resting if each[4] and each not in gone]
        if not left:
            return OrderStatus.FILLED, trades
        if first_own:
            return OrderStatus.CANCELED, trades
        if wanted.price is None or wanted.time_in_force is TimeInForce.IOC:
            return OrderStatus.EXPIRED, trades
        self.resting.append([number, user, wanted.side, wanted.price, left])
        return OrderStatus.PARTIALLY_FILLED if trades else OrderStatus.OPEN, trades

    def refuses(self, user: str, wanted: NewOrder, self_trade: SelfTradePrevention) -> bool:
        """Whether an order is not taken at all: post-only, and it would trade; market, and nothing is there."""
        sign = 1 if wanted.side is Side.BUY else -1
        others = [each for each in self.resting if each[2] is not wanted.side]
        if wanted.price is not None:
            return wanted.post_only and any(sign * each[3] <= sign * wanted.price for each in others)
        if self_trade is SelfTradePrevention.CANCEL_MAKER:
            return all(each[1] == user for each in others)
        return not others


@st.composite
def simple_orders(draw: st.DrawFn) -> tuple[str, NewOrder, SelfTradePrevention]:
    """Who gives which order: limit (GTC, IOC, FOK, post-only) or market."""
    market = draw(st.integers(0, 5)) == 0
    tif = draw(st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]))
    wanted = order(
        draw(st.sampled_from(Side)),
        draw(sizes),
        None if market else draw(prices),
        type=OrderType.MARKET if market else OrderType.LIMIT,
        time_in_force=tif,
        post_only=not market and tif is TimeInForce.GTC and draw(st.booleans()),
    )
    return draw(users), wanted, draw(st.sampled_from(SelfTradePrevention))


@settings(max_examples=100, deadline=None)
@given(st.lists(simple_orders(), min_size=8, max_size=50))
def test_matching_is_that_of_a_naive_model(
    orders: list[tuple[str, NewOrder, SelfTradePrevention]],
) -> None:
    """The same trades with the same makers in the same order, the same ends, and the same queue afterwards."""
    engine = MatchingEngine([Listing(instrument(BTC), D(100))])
    for user in USERS:
        engine.open_account(user, dict.fromkeys(FUNDS, D("1e9")))
    model = Naive([])
    trades: list[tuple[int, Decimal, Decimal]] = []
    engine.listen(
        lambda told: (
            trades.append((int(told.maker_order_id), told.price, told.size))
            if isinstance(told, TradeHappened)
            else None
        )
    )
    for now, (user, wanted, self_trade) in enumerate(orders):
        trades.clear()
        if model.refuses(user, wanted, self_trade):
            with pytest.raises(Refused):
                engine.place(user, wanted, now, self_trade=self_trade)
            continue
        placed = engine.place(user, wanted, now, self_trade=self_trade)
        status, expected = model.place(placed.number, user, wanted, self_trade)
        assert trades == expected
        assert placed.status is status
        resting = [(int(each.order_id), D(each.size)) for each in engine.resting(BTC)]
        assert sorted(resting) == sorted((each[0], each[4]) for each in model.resting)
