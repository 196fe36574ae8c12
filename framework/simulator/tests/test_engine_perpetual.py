"""Perpetuals: positions, margin, profit, reduce-only."""

from __future__ import annotations

from decimal import Decimal

import pytest
from framework.simulator.tests.small_venue import BTC, BUY, PERP, SELL, heard, money, order, ref, venue

from venuekit_simulator.engine import MatchingEngine
from venuekit_spec import (
    EngineRefusal,
    FeeRates,
    FundingPaid,
    InsufficientFunds,
    NewOrder,
    OrderStatus,
    OrderType,
    PositionChanged,
    RuleViolated,
    Side,
)

D = Decimal
FREE = FeeRates(D(0), D(0))


def perp(side: Side, quantity: object, price: object = None, *, reduce_only: bool = False) -> NewOrder:
    """An order on the perpetual; without a price a market order."""
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return order(side, quantity, price, instrument=PERP, type=kind, reduce_only=reduce_only)


def trade(engine: MatchingEngine, buyer: str, seller: str, quantity: int, price: int) -> None:
    """One trade."""
    engine.place(seller, perp(SELL, quantity, price), 1)
    engine.place(buyer, perp(BUY, quantity, price), 1)


def test_a_position_has_an_entry_price_and_holds_margin() -> None:
    """Both sides hold a tenth of what they traded for; assets do not change hands."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 2, 100)
    trade(engine, "ann", "bob", 2, 110)
    (long,), (short,) = engine.positions("ann"), engine.positions("bob")
    assert (long.quantity, long.entry_price) == (4, 105)
    assert (short.quantity, short.entry_price) == (-4, 105)
    assert money(engine, "ann") == {"BTC": (100, 0), "ETH": (100, 0), "USDT": (100_000, 42)}


def test_closing_realises_the_profit_of_the_closed_part() -> None:
    """Half is closed: half of the difference is paid, the entry price of the rest stays."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 4, 100)
    trade(engine, "cid", "ann", 2, 110)
    assert money(engine, "ann")["USDT"] == (100_020, 20)
    (left,) = engine.positions("ann")
    assert (left.quantity, left.entry_price) == (2, 100)


def test_a_trade_beyond_the_position_turns_it_round() -> None:
    """All of the old side is realised; the rest is entered at the price of the trade. Flat is told as zero."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 2, 100)
    trade(engine, "cid", "ann", 5, 90)
    (turned,) = engine.positions("ann")
    assert (turned.quantity, turned.entry_price) == (-3, 90)
    assert money(engine, "ann")["USDT"][0] == 99_980
    events = heard(engine)
    trade(engine, "ann", "bob", 3, 90)
    assert not engine.positions("ann")
    told = [
        each.position.quantity
        for each in events
        if isinstance(each, PositionChanged) and each.account == "ann"
    ]
    assert told == [0]


def test_margin_bounds_what_can_be_ordered() -> None:
    """Ten times the free collateral; what positions hold is not free."""
    engine = venue(fees=FREE)
    with pytest.raises(InsufficientFunds):
        engine.place("ann", perp(BUY, 10_001, 100), 1)
    assert engine.place("ann", perp(BUY, 10_000, 100), 1).status is OrderStatus.OPEN
    assert money(engine, "ann")["USDT"] == (100_000, 100_000)


def test_reduce_only_needs_a_position_of_the_other_side() -> None:
    """No more than the position, all such orders together; they hold nothing."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 3, 100)
    engine.place("ann", perp(SELL, 2, 120, reduce_only=True), 2)
    assert money(engine, "ann")["USDT"][1] == 30
    for refused in (perp(SELL, 2, 120, reduce_only=True), perp(BUY, 1, 80, reduce_only=True)):
        with pytest.raises(RuleViolated) as error:
            engine.place("ann", refused, 2)
        assert error.value.code == EngineRefusal.REDUCE_ONLY


def test_reduce_only_orders_end_with_the_position() -> None:
    """A trade that leaves less than they would close cancels the newest of them."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 3, 100)
    old = engine.place("ann", perp(SELL, 1, 120, reduce_only=True), 2)
    new = engine.place("ann", perp(SELL, 2, 110, reduce_only=True), 2)
    trade(engine, "cid", "ann", 1, 105)
    assert engine.order("ann", ref(old)).status is OrderStatus.OPEN
    ended = engine.order("ann", ref(new))
    assert (ended.status, ended.reason) == (OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY)


def test_a_reduce_only_order_that_one_trade_makes_pointless_is_not_traded_by_the_next() -> None:
    """One taker meets two orders of one account: the first closes the position, the second is gone before its turn."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 10, 100)
    last = engine.place("ann", perp(SELL, 10, 111, reduce_only=True), 2)
    engine.place("ann", perp(SELL, 10, 110), 2)
    taker = engine.place("cid", perp(BUY, 20, 111), 3)
    assert (taker.filled, taker.status) == (10, OrderStatus.PARTIALLY_FILLED)
    assert engine.order("ann", ref(last)).status is OrderStatus.CANCELED
    assert not engine.positions("ann")
    assert engine.book(PERP).bids == ((111, 10),)


def test_a_taker_meets_others_where_one_it_counted_on_is_gone() -> None:
    """It looks at the book again: nothing that it reaches is left behind, and the book is not crossed."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 10, 100)
    engine.place("ann", perp(SELL, 10, 111, reduce_only=True), 2)
    engine.place("ann", perp(SELL, 10, 110), 2)
    engine.place("bob", perp(SELL, 4, 112), 2)
    taker = engine.place("cid", perp(BUY, 20, 112), 3)
    assert (taker.filled, taker.spent) == (14, 10 * 110 + 4 * 112)
    assert engine.book(PERP).bids == ((112, 6),)
    assert engine.book(PERP).asks == ()


def test_leverage_decides_the_margin_of_positions_and_orders() -> None:
    """Told with the position; refused where it is no leverage, on spot, or where the margin would not be there."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 10, 100)
    engine.place("ann", perp(BUY, 10, 90), 1)
    engine.set_leverage("ann", PERP, D(4), 2)
    assert (engine.leverage("ann", PERP), engine.leverage("bob", PERP), engine.leverage("ann", BTC)) == (
        4,
        10,
        1,
    )
    assert money(engine, "ann")["USDT"] == (100_000, 475)
    assert [each.leverage for each in engine.positions("ann")] == [4]
    engine.place("ann", perp(BUY, 3_900, 90), 3)
    before = money(engine, "ann")
    for instrument, leverage in [(PERP, D(2)), (PERP, D(51)), (PERP, D("nan")), (BTC, D(2))]:
        with pytest.raises(RuleViolated):
            engine.set_leverage("ann", instrument, leverage, 4)
    assert (money(engine, "ann"), engine.leverage("ann", PERP)) == (before, 4)


def test_funding_goes_from_longs_to_shorts() -> None:
    """The rate times the notional at the last price; told for each, and conserved."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 10, 100)
    events, deposited = heard(engine), dict(engine.ledger.sums())
    engine.pay_funding(PERP, D("0.001"), 5)
    paid = [(each.account, each.payment.amount) for each in events if isinstance(each, FundingPaid)]
    assert sorted(paid) == [("ann", -1), ("bob", 1)]
    assert (money(engine, "ann")["USDT"][0], money(engine, "bob")["USDT"][0]) == (99_999, 100_001)
    assert engine.ledger.sums() == deposited


def test_funding_is_remembered() -> None:
    """By account, oldest first, from an instant on."""
    engine = venue(fees=FREE)
    trade(engine, "ann", "bob", 10, 100)
    engine.pay_funding(PERP, D("0.001"), 5)
    engine.pay_funding(PERP, D("0.002"), 6)
    assert [(each.amount, each.time) for each in engine.funding("ann")] == [(-1, 5), (-2, 6)]
    assert [each.amount for each in engine.funding("bob", 6)] == [2]
    assert not engine.funding("bob", 7)
