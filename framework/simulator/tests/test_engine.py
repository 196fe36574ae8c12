"""The engine's behaviour, one rule at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from framework.simulator.tests.small_venue import (
    BTC,
    BUY,
    ETH,
    SELL,
    heard,
    instrument,
    money,
    order,
    ref,
    venue,
)

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.reasons import SELF_TRADE
from venuekit_spec import (
    SECOND,
    BalanceChanged,
    DuplicateClientOrderId,
    Engine,
    EngineEvent,
    EngineRefusal,
    FeeRates,
    InstrumentStatus,
    InsufficientFunds,
    LevelChanged,
    Listing,
    LocalError,
    NewOrder,
    OrderChanged,
    OrderEvent,
    OrderNotFound,
    OrderRef,
    OrderStatus,
    OrderType,
    PriceRule,
    Refused,
    RuleViolated,
    SelfTradePrevention,
    SizeRule,
    StatusChange,
    TimeInForce,
    TradeHappened,
    Unit,
)

D = Decimal
FREE = FeeRates(D(0), D(0))


def test_it_satisfies_the_contract() -> None:
    """The engine is an `Engine` of the spec (for the type checker), and lists its instruments."""
    engine: Engine = venue()
    assert BTC in engine.instruments


def test_a_resting_buy_holds_its_quote_and_a_sell_its_base() -> None:
    """Limit price times quantity is held of a buy, the quantity of a sell; nothing for fees."""
    engine = venue()
    bid = engine.place("ann", order(BUY, 2, 99), 1)
    engine.place("ann", order(SELL, 3, 101), 1)
    assert bid.status is OrderStatus.OPEN
    assert money(engine, "ann") == {"BTC": (100, 3), "ETH": (100, 0), "USDT": (100_000, 198)}


def test_a_trade_is_at_the_makers_price_and_costs_both_their_rate() -> None:
    """Each pays from what is received; the difference to the taker's limit is given back."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    taken = engine.place("bob", order(BUY, 2, 105), 2)
    assert (taken.status, taken.filled, taken.spent) == (OrderStatus.PARTIALLY_FILLED, 1, 100)
    assert money(engine, "bob") == {"BTC": (D("100.998"), 0), "ETH": (100, 0), "USDT": (99_900, 105)}
    assert money(engine, "ann")["USDT"] == (D("100099.9"), 0)
    (execution,) = engine.executions("bob")
    assert [(fee.asset, fee.amount) for fee in execution.fees] == [("BTC", D("0.002"))]


def test_the_better_price_and_then_the_older_order_comes_first() -> None:
    """A taker meets prices best first, and at one price the orders in the order of their arrival."""
    engine = venue()
    late = [
        engine.place(who, order(SELL, 1, price), 1)
        for who, price in [("ann", 102), ("ann", 101), ("bob", 101)]
    ]
    engine.place("cid", order(BUY, "1.5", 102), 2)
    assert [engine.order(each.account, ref(each)).filled for each in late] == [0, 1, D("0.5")]


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_is_immediate_never_rests(tif: TimeInForce) -> None:
    """IOC takes what is there and ends; FOK takes nothing unless it gets all. Both are EXPIRED with a reason."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    placed = engine.place("bob", order(BUY, 2, 100, time_in_force=tif), 2)
    assert placed.status is OrderStatus.EXPIRED
    assert placed.filled == (1 if tif is TimeInForce.IOC else 0)
    assert placed.reason
    assert not engine.book(BTC).bids
    assert not engine.open_orders("bob")


def test_fill_or_kill_is_filled_where_all_of_it_is_there() -> None:
    """Over several makers and prices, once the sum suffices."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    engine.place("bob", order(SELL, 1, 101), 1)
    placed = engine.place("cid", order(BUY, 2, 101, time_in_force=TimeInForce.FOK), 2)
    assert (placed.status, placed.spent) == (OrderStatus.FILLED, 201)


def test_market_orders_take_and_never_rest() -> None:
    """What the book does not have is not waited for, and nothing stays held."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    placed = engine.place("bob", order(BUY, 3, type=OrderType.MARKET), 2)
    assert (placed.status, placed.filled) == (OrderStatus.EXPIRED, 1)
    assert money(engine, "bob")["USDT"] == (99_900, 0)


def test_a_quote_sized_market_buy_spends_at_most_its_budget() -> None:
    """It buys whole steps over several levels, never spends more than asked, and is FILLED when no step is left."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    engine.place("ann", order(SELL, 9, 103), 1)
    placed = engine.place("bob", order(BUY, "250.5", type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    assert placed.quantity is None
    assert (placed.status, placed.filled) == (OrderStatus.FILLED, D("2.46"))
    assert placed.spent == D("250.38")


def test_a_quote_sized_market_sell_sells_for_at_most_that_much() -> None:
    """The same on the other side."""
    engine = venue()
    engine.place("ann", order(BUY, 5, 99), 1)
    placed = engine.place("bob", order(SELL, 200, type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    assert (placed.status, placed.filled, placed.spent) == (OrderStatus.FILLED, D("2.02"), D("199.98"))


def test_an_instrument_without_steps_costs_no_more_than_is_asked_either() -> None:
    """What a budget buys is cut, never rounded up; nothing is finer than what is added up exactly."""
    stepless = instrument(BTC, price=PriceRule(D(0)), size=SizeRule(D(0)))
    engine = venue(stepless, fees=FREE)
    deposited = dict(engine.ledger.sums())
    engine.place("ann", order(SELL, 5, 70_000), 1)
    placed = engine.place("bob", order(BUY, 90_000, type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    assert (placed.status, placed.filled) == (OrderStatus.FILLED, D("1.285714285714285714"))
    assert 0 < 90_000 - placed.spent < D("1e-13")
    assert engine.ledger.sums() == deposited
    for wanted in (order(BUY, "1e-19", 1), order(BUY, 1, "1.0000000000000000001")):
        with pytest.raises(RuleViolated):
            engine.place("bob", wanted, 3)


def test_a_quote_sized_market_sell_needs_all_that_it_would_sell() -> None:
    """How much that is depends on the book; one step more than there is, and nothing is sold."""
    engine = venue()
    engine.place("ann", order(BUY, 150, 100), 1)
    for quote in (10_001, 15_000):
        with pytest.raises(InsufficientFunds):
            engine.place("bob", order(SELL, quote, type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    placed = engine.place("bob", order(SELL, 10_000, type=OrderType.MARKET, unit=Unit.QUOTE), 2)
    assert (placed.status, placed.filled) == (OrderStatus.FILLED, 100)
    assert money(engine, "bob")["BTC"] == (0, 0)


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        (SelfTradePrevention.CANCEL_TAKER, OrderStatus.CANCELED, OrderStatus.OPEN),
        (SelfTradePrevention.CANCEL_MAKER, OrderStatus.FILLED, OrderStatus.CANCELED),
        (SelfTradePrevention.CANCEL_BOTH, OrderStatus.CANCELED, OrderStatus.CANCELED),
        (SelfTradePrevention.NONE, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED),
    ],
)
def test_an_order_does_not_trade_with_its_own_account(
    mode: SelfTradePrevention, taker: OrderStatus, maker: OrderStatus
) -> None:
    """Which of the two is cancelled is the order's choice; strangers before it in the queue are traded with."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    own = engine.place("bob", order(SELL, 1, 100), 1)
    engine.place("cid", order(SELL, 1, 100), 1)
    quantity = 2 if mode is not SelfTradePrevention.NONE else 4
    placed = engine.place("bob", order(BUY, quantity, 100), 2, self_trade=mode)
    assert placed.status is taker
    assert engine.order("bob", ref(own)).status is maker
    assert placed.filled >= 1


def test_a_market_order_that_meets_its_own_account_first_is_cancelled() -> None:
    """There is something to trade with, so it is taken; that it may not is how it ends."""
    engine = venue()
    own = engine.place("ann", order(SELL, 1, 101), 1)
    engine.place("bob", order(SELL, 1, 102), 1)
    placed = engine.place("ann", order(BUY, 1, type=OrderType.MARKET), 2)
    assert (placed.status, placed.filled, placed.reason) == (OrderStatus.CANCELED, 0, SELF_TRADE)
    assert engine.order("ann", ref(own)).status is OrderStatus.OPEN


def stop(side: Any, quantity: int, trigger: int, kind: OrderType = OrderType.STOP, **terms: Any) -> NewOrder:
    """An order that waits for a trigger."""
    return order(side, quantity, terms.pop("price", None), type=kind, trigger_price=D(trigger), **terms)


def trade_at(engine: Any, price: int) -> None:
    """Let two others trade at a price."""
    engine.place("ann", order(SELL, 1, price), 1)
    engine.place("cid", order(BUY, 1, price, time_in_force=TimeInForce.IOC), 1)


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "short_of_it", "at_it"),
    [
        (OrderType.STOP, BUY, 110, 109, 110),
        (OrderType.STOP, SELL, 90, 91, 90),
        (OrderType.TAKE_PROFIT, BUY, 90, 91, 90),
        (OrderType.TAKE_PROFIT, SELL, 110, 109, 110),
    ],
)
def test_a_trigger_is_reached_by_a_trade(
    kind: OrderType, side: Any, trigger: int, short_of_it: int, at_it: int
) -> None:
    """A waiting order is open, holds its money, is in no book, and becomes a market order when a trade reaches its trigger."""
    engine = venue()
    waiting = engine.place("bob", stop(side, 1, trigger, kind), 1)
    assert (waiting.status, waiting.triggered) == (OrderStatus.OPEN, False)
    assert money(engine, "bob")["USDT" if side is BUY else "BTC"][1] == (trigger if side is BUY else 1)
    trade_at(engine, short_of_it)
    assert not engine.order("bob", ref(waiting)).triggered
    engine.place("ann", order(BUY, 1, 80), 1)
    engine.place("ann", order(SELL, 1, 120), 1)
    trade_at(engine, at_it)
    after = engine.order("bob", ref(waiting))
    assert (after.status, after.triggered) == (OrderStatus.FILLED, True)


def test_a_triggered_stop_limit_rests_at_its_price() -> None:
    """It is a limit order from then on; the hold stays that of its limit."""
    engine = venue()
    waiting = engine.place("bob", stop(BUY, 1, 110, OrderType.STOP_LIMIT, price=D(105)), 1)
    trade_at(engine, 110)
    assert engine.order("bob", ref(waiting)).status is OrderStatus.OPEN
    assert engine.book(BTC).bids == ((105, 1),)
    assert money(engine, "bob")["USDT"] == (100_000, 105)


def test_one_stop_may_trigger_the_next() -> None:
    """A trade of a triggered order is a trade like any other."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 120), 1)
    engine.place("ann", order(SELL, 1, 130), 1)
    first = engine.place("bob", stop(BUY, 1, 110), 1)
    second = engine.place("bob", stop(BUY, 1, 120), 1)
    trade_at(engine, 110)
    statuses = [engine.order("bob", ref(each)).status for each in (first, second)]
    assert statuses == [OrderStatus.FILLED, OrderStatus.FILLED]


def test_a_triggered_order_that_cannot_be_paid_is_cancelled() -> None:
    """The price ran away between the trigger and the book; what was held comes back."""
    engine = venue()
    waiting = engine.place("bob", stop(BUY, 900, 110), 1)
    engine.open_account("dan", {"BTC": D(1000)})
    engine.place("dan", order(SELL, 1000, 120), 1)
    trade_at(engine, 110)
    ended = engine.order("bob", ref(waiting))
    assert (ended.status, ended.reason) == (OrderStatus.CANCELED, EngineRefusal.FUNDS)
    assert money(engine, "bob")["USDT"] == (100_000, 0)


def test_good_till_date_ends_at_its_date() -> None:
    """At the first command or tick at or after it; the tick says when the next one is due."""
    engine = venue()
    dated = order(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires=5 * SECOND)
    placed = engine.place("ann", dated, SECOND)
    assert engine.tick(4 * SECOND) == 5 * SECOND
    assert engine.order("ann", ref(placed)).status is OrderStatus.OPEN
    assert engine.tick(5 * SECOND) is None
    assert engine.order("ann", ref(placed)).status is OrderStatus.EXPIRED
    assert not engine.book(BTC).bids


STRICT = instrument(
    BTC,
    price=PriceRule(D("0.5"), significant_figures=4, minimum=D(10), maximum=D(500)),
    size=SizeRule(D("0.01"), D("0.1"), D(50), market_step=D("0.1"), market_maximum=D(20), quote_step=D(1)),
    minimum_notional=D(20),
    maximum_notional=D(4000),
    maximum_open_orders=2,
)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (order(BUY, 1, "99.7"), EngineRefusal.PRICE),
        (order(BUY, 1, "9.5"), EngineRefusal.PRICE),
        (order(BUY, 1, 501), EngineRefusal.PRICE),
        (order(BUY, 1), EngineRefusal.PRICE),
        (order(BUY, 1, 100, type=OrderType.MARKET), EngineRefusal.PRICE),
        (order(BUY, 1, type=OrderType.STOP), EngineRefusal.PRICE),
        (order(BUY, 1, 100, trigger_price=D(100)), EngineRefusal.PRICE),
        (order(BUY, "1.001", 100), EngineRefusal.QUANTITY),
        (order(BUY, "0.05", 500), EngineRefusal.QUANTITY),
        (order(BUY, 51, 20), EngineRefusal.QUANTITY),
        (order(BUY, 0, 100), EngineRefusal.QUANTITY),
        (order(BUY, -1, 100), EngineRefusal.QUANTITY),
        (order(BUY, "nan", 100), EngineRefusal.QUANTITY),
        (order(BUY, "1.05", type=OrderType.MARKET), EngineRefusal.QUANTITY),
        (order(BUY, 21, type=OrderType.MARKET), EngineRefusal.QUANTITY),
        (order(BUY, "50.5", type=OrderType.MARKET, unit=Unit.QUOTE), EngineRefusal.QUANTITY),
        (order(BUY, "0.1", 100), EngineRefusal.NOTIONAL),
        (order(BUY, 50, 100), EngineRefusal.NOTIONAL),
        (order(BUY, 19, type=OrderType.MARKET, unit=Unit.QUOTE), EngineRefusal.NOTIONAL),
        (order(BUY, 50, 100, unit=Unit.QUOTE), EngineRefusal.UNSUPPORTED),
        (order(BUY, 1, 100, post_only=True, time_in_force=TimeInForce.IOC), EngineRefusal.UNSUPPORTED),
        (order(BUY, 1, 100, time_in_force=TimeInForce.GTD), EngineRefusal.UNSUPPORTED),
        (order(BUY, 1, 100, reduce_only=True), EngineRefusal.REDUCE_ONLY),
        (order(BUY, 1, 100, deadline=9), EngineRefusal.DEADLINE),
        (order(BUY, 1, type=OrderType.MARKET), EngineRefusal.NO_LIQUIDITY),
        (order(BUY, 1, 100, instrument="XYZ-USDT"), EngineRefusal.UNKNOWN_INSTRUMENT),
    ],
)
def test_a_broken_rule_is_refused_by_its_name(wanted: NewOrder, code: EngineRefusal) -> None:
    """Nothing is placed, nothing is told, and the error's code says which rule."""
    engine = venue(STRICT)
    events = heard(engine)
    with pytest.raises(Refused) as refused:
        engine.place("ann", wanted, 10)
    assert refused.value.code == code
    assert not engine.orders("ann")
    assert not events


def test_rules_of_price_size_and_notional_are_rule_violations() -> None:
    """Their type says so, which dialects and the core's errors depend on."""
    with pytest.raises(RuleViolated):
        venue(STRICT).place("ann", order(BUY, 1, "99.7"), 1)


def test_post_only_is_refused_where_it_would_take() -> None:
    """Locked counts as taking; one tick away it rests."""
    engine = venue()
    engine.place("ann", order(SELL, 1, 100), 1)
    with pytest.raises(Refused) as refused:
        engine.place("bob", order(BUY, 1, 100, post_only=True), 1)
    assert refused.value.code == EngineRefusal.POST_ONLY
    assert engine.place("bob", order(BUY, 1, "99.5", post_only=True), 1).status is OrderStatus.OPEN


def test_what_cannot_be_paid_is_refused() -> None:
    """Also what other orders hold already is not there; a market order is valued by the book."""
    engine = venue()
    engine.place("ann", order(BUY, 999, 100), 1)
    with pytest.raises(InsufficientFunds):
        engine.place("ann", order(BUY, "1.01", 100), 1)
    engine.place("bob", order(SELL, 100, 900), 1)
    with pytest.raises(InsufficientFunds) as refused:
        engine.place("ann", order(BUY, 1, type=OrderType.MARKET), 1)
    assert refused.value.code == EngineRefusal.FUNDS
    with pytest.raises(InsufficientFunds):
        engine.place("bob", order(SELL, 1, 901), 1)


def test_a_client_order_id_is_unique_among_the_open_orders_of_an_account() -> None:
    """Another account may use it, and so may a later order; it then means the later one."""
    engine = venue()
    first = engine.place("ann", order(BUY, 1, 99, client_order_id="x"), 1)
    with pytest.raises(DuplicateClientOrderId) as refused:
        engine.place("ann", order(BUY, 1, 98, client_order_id="x"), 1)
    assert refused.value.code == EngineRefusal.DUPLICATE
    engine.place("bob", order(BUY, 1, 98, client_order_id="x"), 1)
    engine.cancel("ann", OrderRef(BTC, client_order_id="x"), 2)
    second = engine.place("ann", order(BUY, 1, 97, client_order_id="x"), 3)
    assert engine.order("ann", OrderRef(BTC, client_order_id="x")).number == second.number
    assert engine.order("ann", ref(first)).status is OrderStatus.CANCELED


def test_open_orders_are_counted_per_instrument() -> None:
    """The limit counts open orders only."""
    engine = venue(STRICT)
    first = engine.place("ann", order(BUY, 1, 99), 1)
    engine.place("ann", order(BUY, 1, 98), 1)
    with pytest.raises(RuleViolated) as refused:
        engine.place("ann", order(BUY, 1, 97), 1)
    assert refused.value.code == EngineRefusal.OPEN_ORDERS
    engine.cancel("ann", ref(first), 2)
    assert engine.place("ann", order(BUY, 1, 97), 3).status is OrderStatus.OPEN


def test_cancelling_what_is_not_open_is_not_found() -> None:
    """Unknown, over, of another account, or named with another instrument: all the same."""
    engine = venue()
    placed = engine.place("ann", order(BUY, 1, 99), 1)
    other = OrderRef(ETH, order_id=placed.order_id)
    for who, name in [("bob", ref(placed)), ("ann", other), ("ann", OrderRef(BTC, order_id="\u0661"))]:
        with pytest.raises(OrderNotFound):
            engine.cancel(who, name, 2)
    assert engine.cancel("ann", ref(placed), 3, reason="user").reason == "user"
    with pytest.raises(OrderNotFound) as missing:
        engine.cancel("ann", ref(placed), 4)
    assert missing.value.code == EngineRefusal.NOT_FOUND
    assert money(engine, "ann")["USDT"] == (100_000, 0)


def test_an_amended_order_keeps_its_place_only_where_the_quantity_falls() -> None:
    """More, or another price, is the end of the queue; a price that crosses takes."""
    engine = venue()
    first = engine.place("ann", order(SELL, 2, 100), 1)
    second = engine.place("bob", order(SELL, 2, 100), 1)

    def queue() -> list[str]:
        return [each.order_id for each in engine.resting(BTC)]

    engine.amend("ann", ref(first), 2, price=None, quantity=D(1))
    assert queue() == [first.order_id, second.order_id]
    engine.amend("ann", ref(first), 2, price=None, quantity=D(3))
    assert queue() == [second.order_id, first.order_id]
    bid = engine.place("cid", order(BUY, 1, 99), 3)
    taken = engine.amend("cid", ref(bid), 4, price=D(100), quantity=None)
    assert (taken.status, taken.order_id) == (OrderStatus.FILLED, bid.order_id)
    assert engine.order("bob", ref(second)).filled == 1


def test_an_order_may_be_amended_with_the_money_that_it_holds() -> None:
    """All that there is, and not a tick more."""
    engine = venue()
    placed = engine.place("bob", order(BUY, 1000, 100), 1)
    assert money(engine, "bob")["USDT"] == (100_000, 100_000)
    engine.amend("bob", ref(placed), 2, price=D("99.5"), quantity=None)
    engine.amend("bob", ref(placed), 2, price=D(80), quantity=D(1250))
    assert money(engine, "bob")["USDT"] == (100_000, 100_000)
    with pytest.raises(InsufficientFunds):
        engine.amend("bob", ref(placed), 2, price=D("80.5"), quantity=None)


def test_a_refused_amendment_changes_nothing() -> None:
    """Money, rules, post-only, and less than what is filled already."""
    engine = venue()
    engine.place("bob", order(SELL, 2, 100), 1)
    placed = engine.place("ann", order(BUY, 10, 99, post_only=True), 1)
    engine.place("bob", order(SELL, 4, 99), 1)
    events, before = heard(engine), engine.order("ann", ref(placed))
    for price, quantity in [(None, D(2000)), (D("99.7"), None), (D(100), None), (None, D(4))]:
        with pytest.raises(Refused):
            engine.amend("ann", ref(placed), 2, price=price, quantity=quantity)
    assert engine.order("ann", ref(placed)) == before
    assert not events


@pytest.mark.parametrize("status", [InstrumentStatus.HALTED, InstrumentStatus.CANCEL_ONLY])
def test_a_halted_instrument_takes_no_orders_but_cancels(status: InstrumentStatus) -> None:
    """The status is an event, stands in the table, and is refused by name."""
    engine = venue()
    placed, events = engine.place("ann", order(BUY, 1, 99), 1), heard(engine)
    engine.set_status(BTC, status, 2)
    assert events == [StatusChange(instrument=BTC, status=status, time=2)]
    assert engine.instruments[BTC].status is status
    with pytest.raises(Refused) as refused:
        engine.place("ann", order(BUY, 1, 99), 3)
    assert refused.value.code == EngineRefusal.NOT_TRADING
    assert engine.cancel("ann", ref(placed), 4).status is OrderStatus.CANCELED


def test_a_delisted_instrument_has_no_orders() -> None:
    """All of them end, those that wait for a trigger too."""
    engine = venue()
    engine.place("ann", order(BUY, 1, 99), 1)
    engine.place("bob", stop(BUY, 1, 110), 1)
    engine.place("bob", order(BUY, 1, 99, instrument=ETH), 1)
    engine.set_status(BTC, InstrumentStatus.DELISTED, 2)
    assert [each.intent.instrument for who in ("ann", "bob") for each in engine.open_orders(who)] == [ETH]


def kinds(events: list[EngineEvent]) -> list[str]:
    """What was told, in short."""
    return [type(event).__name__ for event in events]


def test_the_events_of_a_command_come_in_the_documented_order() -> None:
    """Taken, trade, maker, taker, book by order; then levels; then balances, each once."""
    engine = venue()
    maker = engine.place("ann", order(SELL, 1, 100), 1)
    events = heard(engine)
    taker = engine.place("bob", order(BUY, 2, 100), 2)
    happened = [OrderChanged, TradeHappened, OrderChanged, OrderChanged, OrderEvent, OrderEvent]
    told = [*happened, LevelChanged, LevelChanged, *[BalanceChanged] * 4]
    assert kinds(events) == [kind.__name__ for kind in told]
    changes = [event.order.order_id for event in events if isinstance(event, OrderChanged)]
    assert changes == [taker.order_id, maker.order_id, taker.order_id]
    levels = [event for event in events if isinstance(event, LevelChanged)]
    assert [(each.id, each.side, each.price, each.size) for each in levels] == [
        (2, SELL, 100, 0),
        (3, BUY, 100, 1),
    ]
    assert engine.book(BTC).id == 3


def test_a_listener_may_give_commands() -> None:
    """Their events are told after those of the command it heard of, and everyone hears them in the same order."""
    engine = venue()
    first: list[EngineEvent] = []
    second: list[EngineEvent] = []

    def answer(event: EngineEvent) -> None:
        first.append(event)
        if isinstance(event, TradeHappened):
            engine.place("cid", order(BUY, 1, 50), 3)

    engine.listen(answer)
    end = engine.listen(second.append)
    engine.place("ann", order(SELL, 1, 100), 1)
    engine.place("bob", order(BUY, 1, 100), 2)
    assert first == second
    assert isinstance(first[-1], BalanceChanged)
    assert first[-1].account == "cid"
    end()
    engine.tick(9)
    engine.place("ann", order(SELL, 1, 100), 1)
    assert len(first) > len(second)


def test_orders_and_executions_are_kept_after_the_end() -> None:
    """Every order of an account, oldest first; executions from an instant on, by instrument."""
    engine = venue()
    sold = engine.place("ann", order(SELL, 2, 100), 1)
    engine.place("bob", order(BUY, 1, 100), 5)
    engine.place("bob", order(BUY, 1, 100), 7)
    gone = engine.place("ann", order(SELL, 1, 100, instrument=ETH), 8)
    engine.cancel("ann", ref(gone), 9)
    assert [each.order_id for each in engine.orders("ann")] == [sold.order_id, gone.order_id]
    assert [each.fill.time for each in engine.executions("ann")] == [5, 7]
    assert [each.fill.time for each in engine.executions("ann", since=6)] == [7]
    assert not engine.executions("ann", ETH)


def test_equal_seeds_number_equally_and_others_elsewhere() -> None:
    """Numbers begin somewhere that the seed decides."""
    listings = [Listing(instrument(BTC), D(100))]

    def number(seed: int) -> int:
        engine = MatchingEngine(listings, [], seed)
        engine.open_account("ann", {"USDT": D(1000)})
        return engine.place("ann", order(BUY, 1, 99), 1).number

    assert number(1) == number(1)
    assert number(1) != number(2)


def test_an_unknown_account_is_our_mistake() -> None:
    """A dialect knows its accounts: this is no refusal of the venue; an account opens once."""
    engine = venue()
    with pytest.raises(LocalError):
        engine.balances("nobody")
    with pytest.raises(LocalError):
        engine.open_account("ann", {})
