"""Trades that are taken back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from framework.simulator.tests.small_venue import (
    BTC,
    BUY,
    ETH,
    PERP,
    SELL,
    heard,
    instrument,
    money,
    order,
    ref,
    venue,
)

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.perpetual import PerpetualSettlement
from venuekit_simulator.reasons import IMMEDIATE_OR_CANCEL, UNFUNDED
from venuekit_spec import (
    BalanceChanged,
    EngineRefusal,
    FeeRates,
    InstrumentStatus,
    InsufficientFunds,
    LevelChanged,
    OrderAction,
    OrderChanged,
    OrderEvent,
    OrderRef,
    OrderStatus,
    OrderType,
    PositionChanged,
    Refused,
    Side,
    TimeInForce,
    TradeHappened,
    Unit,
    VenueOrder,
)

D = Decimal
FREE = FeeRates(D(0), D(0))


def keys(engine: MatchingEngine, account: str) -> list[str]:
    """Of all that an account has traded."""
    return [each.key for each in engine.executions(account)]


def stands(engine: MatchingEngine, account: str, placed: VenueOrder) -> tuple[OrderStatus, Decimal, Decimal]:
    """How an order stands: status, filled, spent."""
    now = engine.order(account, ref(placed))
    return now.status, now.filled, now.spent


def ids(engine: MatchingEngine, side: Side) -> list[str]:
    """Who rests on a side of BTC-USDT, in queue order."""
    return [each.order_id for each in engine.resting(BTC) if each.side is side]


def test_balances_orders_and_executions_are_those_of_before() -> None:
    """Both sides get back what they gave, fees too; the maker rests again, the taker is open; nothing is listed."""
    engine = venue()
    maker = engine.place("bob", order(SELL, 5, 101), 1)
    before = {user: money(engine, user) for user in ("ann", "bob")}
    deposited = dict(engine.ledger.sums())
    taker = engine.place("ann", order(BUY, 2, 102), 2)
    stood = engine.undo(keys(engine, "ann"), 3)
    assert [each.order_id for each in stood] == [maker.order_id, taker.order_id]
    assert stands(engine, "bob", maker) == (OrderStatus.OPEN, 0, 0)
    assert stands(engine, "ann", taker) == (OrderStatus.OPEN, 0, 0)
    assert money(engine, "bob") == before["bob"]
    assert money(engine, "ann") == before["ann"] | {"USDT": (100_000, 204)}
    assert not engine.executions("ann")
    assert not engine.executions("bob")
    assert engine.ledger.sums() == deposited
    assert engine.last_price(BTC) == 100


def test_one_side_names_the_whole_trade() -> None:
    """The maker's key, the taker's, or both of one trade: the same."""
    for sides in (["ann"], ["bob"], ["ann", "bob"]):
        engine = venue()
        engine.place("bob", order(SELL, 5, 101), 1)
        engine.place("ann", order(BUY, 2, 101), 2)
        engine.undo([key for side in sides for key in keys(engine, side)], 3)
        assert money(engine, "bob")["BTC"] == (100, 5)
        assert money(engine, "ann")["BTC"] == (100, 0)


def test_the_last_price_never_knew_trades_that_are_taken_back() -> None:
    """An older one goes, then the newer one: the price is that of before both."""
    engine = venue()
    for price in (101, 102):
        engine.place("bob", order(SELL, 1, price), 1)
        engine.place("ann", order(BUY, 1, price, time_in_force=TimeInForce.IOC), 1)
    older, newer = keys(engine, "ann")
    engine.undo([older], 2)
    assert engine.last_price(BTC) == 102
    engine.undo([newer], 2)
    assert engine.last_price(BTC) == 100


def test_what_is_told_of_it() -> None:
    """One new revision of each order, the book by order and by level, the balances; of public trades nothing."""
    engine = venue()
    maker = engine.place("bob", order(SELL, 5, 101), 1)
    taker = engine.place("ann", order(BUY, 2, 101, type=OrderType.LIMIT), 2)
    revisions = {each: engine.order(each, ref(o)).revision for each, o in (("ann", taker), ("bob", maker))}
    events = heard(engine)
    engine.undo(keys(engine, "ann"), 3)
    changed = [each.order for each in events if isinstance(each, OrderChanged)]
    assert {each.account: each.revision for each in changed} == {
        user: revision + 1 for user, revision in revisions.items()
    }
    assert len(changed) == 2
    by_order = [(each.action, each.order_id, each.size) for each in events if isinstance(each, OrderEvent)]
    assert by_order == [
        (OrderAction.DONE, maker.order_id, "3"),
        (OrderAction.OPEN, maker.order_id, "5"),
    ]
    assert [(each.price, each.size) for each in events if isinstance(each, LevelChanged)] == [(101, 5)]
    assert {(each.account, each.balance.asset) for each in events if isinstance(each, BalanceChanged)} == {
        (user, asset) for user in ("ann", "bob") for asset in ("BTC", "USDT")
    }
    assert not [each for each in events if isinstance(each, TradeHappened)]


def test_an_order_that_comes_back_is_at_the_tail_of_its_price() -> None:
    """Those that rest there meanwhile are before it, and one that was only partly filled loses its place too."""
    engine = venue()
    full = engine.place("bob", order(SELL, 1, 101), 1)
    part = engine.place("bob", order(SELL, 2, 101), 1)
    other = engine.place("cid", order(SELL, 1, 101), 1)
    engine.place("ann", order(BUY, 2, 101, time_in_force=TimeInForce.IOC), 2)
    engine.undo(keys(engine, "ann"), 3)
    assert ids(engine, SELL) == [other.order_id, full.order_id, part.order_id]
    assert engine.open_orders("bob")[0].order_id == full.order_id


def test_one_that_would_trade_at_once_enters_again_later() -> None:
    """At the instant of the undo nothing trades; a later tick, of which the engine says when, matches it anew."""
    engine = venue()
    engine.place("bob", order(SELL, 1, 101), 1)
    taker = engine.place("ann", order(BUY, 2, 102), 2)
    (old,) = keys(engine, "ann")
    engine.undo([old], 3)
    assert engine.tick(3) == 4
    assert not ids(engine, BUY)
    assert not engine.executions("ann")
    assert engine.tick(4) is None
    (again,) = engine.executions("ann")
    assert again.key != old
    assert stands(engine, "ann", taker) == (OrderStatus.PARTIALLY_FILLED, 1, 101)
    assert ids(engine, BUY) == [taker.order_id]


def test_one_that_waits_to_enter_can_be_cancelled_or_amended() -> None:
    """It is open; other terms are those that it enters with."""
    engine = venue()
    engine.place("bob", order(SELL, 2, 101), 1)
    taker = engine.place("ann", order(BUY, 2, 102), 2)
    engine.undo(keys(engine, "ann"), 3)
    engine.amend("ann", ref(taker), 3, price=D(100), quantity=D(1))
    engine.tick(4)
    assert ids(engine, BUY) == [taker.order_id]
    assert not engine.executions("ann")
    other = engine.place("cid", order(BUY, 2, 101), 5)
    engine.undo(keys(engine, "cid"), 6)
    engine.cancel("cid", ref(other), 6)
    assert engine.tick(7) is None
    assert not engine.executions("cid")
    assert not any(held for _, held in money(engine, "cid").values())


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"time_in_force": TimeInForce.IOC, "price": 101}, OrderStatus.EXPIRED),
        ({"time_in_force": TimeInForce.FOK, "price": 101}, OrderStatus.EXPIRED),
        ({"type": OrderType.MARKET}, OrderStatus.CANCELED),
        ({"type": OrderType.MARKET, "unit": Unit.QUOTE}, OrderStatus.CANCELED),
    ],
)
def test_one_that_may_not_rest_tries_once_more(terms: dict[str, Any], status: OrderStatus) -> None:
    """It is filled again where it can be, and ends where nothing is there any more."""
    for there in (True, False):
        engine = venue()
        maker = engine.place("bob", order(SELL, 60, 101), 1)
        placed = engine.place("ann", order(BUY, 50, **terms), 2)
        assert placed.status is OrderStatus.FILLED
        engine.undo(keys(engine, "ann"), 3)
        assert stands(engine, "ann", placed)[:2] == (OrderStatus.OPEN, 0)
        if not there:
            engine.cancel("bob", ref(maker), 3)
        engine.tick(4)
        assert stands(engine, "ann", placed)[0] is (OrderStatus.FILLED if there else status)
        assert bool(engine.executions("ann")) is there


def test_an_order_sized_in_quote_that_is_open_has_no_other_terms() -> None:
    """It is refused by name."""
    engine = venue()
    engine.place("bob", order(SELL, 5, 101), 1)
    placed = engine.place("ann", order(BUY, 101, type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    engine.undo(keys(engine, "ann"), 3)
    with pytest.raises(Refused) as refused:
        engine.amend("ann", ref(placed), 3, price=None, quantity=None)
    assert refused.value.code == EngineRefusal.UNSUPPORTED


def test_an_order_that_ended_otherwise_stays_ended() -> None:
    """What it had filled is taken from it, and that is all."""
    engine = venue()
    maker = engine.place("bob", order(SELL, 5, 101), 1)
    placed = engine.place("ann", order(BUY, 9, 101, time_in_force=TimeInForce.IOC), 2)
    engine.undo(keys(engine, "ann"), 3)
    assert stands(engine, "ann", placed) == (OrderStatus.EXPIRED, 0, 0)
    assert engine.order("ann", ref(placed)).reason == IMMEDIATE_OR_CANCEL
    assert ids(engine, SELL) == [maker.order_id]
    assert engine.tick(4) is None


def test_the_newest_orders_that_cannot_be_paid_any_more_are_cancelled() -> None:
    """Ann sells what she bought, in two orders; when the purchase is taken back, the newer one goes."""
    engine = venue(fees=FREE)
    engine.place("bob", order(SELL, 1, 101), 1)
    engine.place("ann", order(BUY, 1, 101, time_in_force=TimeInForce.FOK), 2)
    older = engine.place("ann", order(SELL, 100, 110), 3)
    newer = engine.place("ann", order(SELL, 1, 110), 3)
    engine.undo(keys(engine, "ann"), 4)
    assert engine.order("ann", ref(older)).status is OrderStatus.OPEN
    gone = engine.order("ann", ref(newer))
    assert (gone.status, gone.reason) == (OrderStatus.CANCELED, UNFUNDED)
    assert money(engine, "ann")["BTC"] == (100, 100)


def test_what_was_spent_since_is_owed() -> None:
    """Ann sold all that she had and what she bought: she owes it, nothing is lost, and she can sell no more."""
    engine = venue(fees=FREE)
    deposited = dict(engine.ledger.sums())
    engine.place("bob", order(SELL, 1, 101), 1)
    bought = engine.place("ann", order(BUY, 1, 101), 2)
    (key,) = keys(engine, "ann")
    engine.place("cid", order(BUY, 101, 99), 3)
    engine.place("ann", order(SELL, 101, 99), 3)
    engine.undo([key], 4)
    engine.cancel("ann", ref(bought), 4)
    assert money(engine, "ann")["BTC"] == (-1, 0)
    assert engine.ledger.sums() == deposited
    with pytest.raises(InsufficientFunds):
        engine.place("ann", order(SELL, "0.01", 120), 5)


def test_what_is_no_trade_cannot_be_undone() -> None:
    """An unknown key, nonsense, or a trade that is taken back already: refused, and nothing of the others is done."""
    engine = venue()
    engine.place("bob", order(SELL, 5, 101), 1)
    engine.place("ann", order(BUY, 2, 101), 2)
    (key,) = keys(engine, "ann")
    for wrong in ("", "t", "1t", key[:-1], f"{key[:-1]}x", f"²{key}"):
        with pytest.raises(Refused) as refused:
            engine.undo([key, wrong], 3)
        assert refused.value.code == EngineRefusal.NOT_FOUND
    assert keys(engine, "ann") == [key]
    engine.undo([key], 3)
    with pytest.raises(Refused):
        engine.undo([key], 3)


def test_trades_of_several_instruments_are_taken_back_at_once() -> None:
    """A block knows no instruments."""
    engine = venue(fees=FREE)
    before = money(engine, "bob")
    for each in (BTC, ETH, PERP):
        engine.place("bob", order(SELL, 1, 100, instrument=each), 1)
        engine.place("ann", order(BUY, 1, 100, instrument=each, time_in_force=TimeInForce.IOC), 1)
    stood = engine.undo(keys(engine, "ann"), 2)
    assert len(stood) == 6
    assert [each.number for each in stood] == sorted(each.number for each in stood)
    assert {asset: total for asset, (total, _) in money(engine, "bob").items()} == {
        asset: total for asset, (total, _) in before.items()
    }
    assert not engine.positions("bob")


def test_an_older_trade_of_a_position_can_go() -> None:
    """Entry price, margin and realised profit are those of the trades that stay."""

    def trades(engine: MatchingEngine, left_out: int | None = None) -> None:
        for number, (side, quantity, price) in enumerate([(BUY, 4, 100), (BUY, 2, 110), (SELL, 5, 120)]):
            if number != left_out:
                engine.place("bob", order(side.opposite, quantity, price, instrument=PERP), number)
                engine.place(
                    "ann",
                    order(side, quantity, price, instrument=PERP, time_in_force=TimeInForce.IOC),
                    number,
                )

    for left_out in range(3):
        engine, wanted = venue(), venue()
        trades(engine)
        trades(wanted, left_out)
        events = heard(engine)
        engine.undo([keys(engine, "ann")[left_out]], 5)
        for each in engine.open_orders("ann"):
            engine.cancel("ann", ref(each), 5)
        assert money(engine, "ann") == money(wanted, "ann")
        (mine,), (theirs,) = engine.positions("ann"), wanted.positions("ann")
        assert (mine.quantity, mine.entry_price) == (theirs.quantity, theirs.entry_price)
        assert engine.last_price(PERP) == wanted.last_price(PERP)
        assert {each.account for each in events if isinstance(each, PositionChanged)} == {"ann", "bob"}
        settlement = engine.settlement(PERP)
        assert isinstance(settlement, PerpetualSettlement)
        assert engine.ledger.sums()["USDT"] - settlement.costs() == 300_000


def test_reduce_only_orders_are_trimmed_to_what_is_left() -> None:
    """When the position that they reduce was not opened after all, they are cancelled."""
    engine = venue(fees=FREE)
    engine.place("bob", order(SELL, 2, 100, instrument=PERP), 1)
    engine.place("ann", order(BUY, 2, 100, instrument=PERP, time_in_force=TimeInForce.IOC), 1)
    placed = engine.place("ann", order(SELL, 1, 120, instrument=PERP, reduce_only=True), 2)
    engine.undo(keys(engine, "ann"), 3)
    gone = engine.order("ann", ref(placed))
    assert (gone.status, gone.reason) == (OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY)


def test_the_venues_own_orders_come_back_too() -> None:
    """A house account remembers no ended order, and yet gets its own back."""
    engine = venue(fees=FREE)
    engine.open_account("house", {"BTC": D(9)}, house=True)
    placed = engine.place("house", order(SELL, 9, 101), 1)
    engine.place("ann", order(BUY, 9, 101, time_in_force=TimeInForce.IOC), 2)
    assert not engine.is_open("house", ref(placed))
    engine.undo(keys(engine, "ann"), 3)
    assert engine.is_open("house", ref(placed))
    assert money(engine, "house") == {"BTC": (9, 9), "USDT": (0, 0)}


def test_dates_halts_and_delistings_hold_for_orders_that_come_back() -> None:
    """A date that has come ends one, a halt keeps one waiting, a delisting cancels it."""
    engine = venue(instrument(BTC), fees=FREE)
    dated = engine.place("bob", order(SELL, 1, 101, time_in_force=TimeInForce.GTD, expires=5), 1)
    taker = engine.place("ann", order(BUY, 1, 101), 2)
    engine.tick(6)
    engine.set_status(BTC, InstrumentStatus.HALTED, 6)
    engine.undo(keys(engine, "ann"), 6)
    engine.tick(7)
    assert engine.order("bob", ref(dated)).status is OrderStatus.EXPIRED
    assert ids(engine, BUY) == []
    engine.set_status(BTC, InstrumentStatus.TRADING, 8)
    engine.tick(9)
    assert ids(engine, BUY) == [taker.order_id]
    engine.place("cid", order(SELL, 1, 101), 10)
    engine.set_status(BTC, InstrumentStatus.DELISTED, 11)
    engine.undo(keys(engine, "cid"), 12)
    assert not engine.open_orders("cid")
    assert not engine.open_orders("ann")


def test_a_client_id_that_is_used_anew_stays_that_of_the_new_order() -> None:
    """Both are open then; by the client id one finds the new one."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 101, client_order_id="mine"), 1)
    engine.place("bob", order(BUY, 1, 101), 2)
    second = engine.place("ann", order(SELL, 1, 105, client_order_id="mine"), 3)
    engine.undo(keys(engine, "ann"), 4)
    assert len(engine.open_orders("ann")) == 2
    assert engine.order("ann", OrderRef(BTC, client_order_id="mine")).number == second.number
