"""Paper trading against tracked books that the test moves by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import pytest
from attrs import define, field
from framework.simulator.tests.small_venue import BTC, BUY, FEES, PERP, SELL, instrument, order
from hypothesis import given, settings
from hypothesis import strategies as st

from venuekit_simulator.paper import paper_market
from venuekit_spec import (
    SECOND,
    Accepted,
    Balance,
    DuplicateClientOrderId,
    EngineRefusal,
    FeeRates,
    Fill,
    Flow,
    InstrumentTable,
    InsufficientFunds,
    Liquidity,
    NewOrder,
    OrderNotFound,
    OrderRef,
    OrderReport,
    OrderStatus,
    OrderType,
    PaperFactory,
    PaperMarket,
    Placed,
    Position,
    Rejected,
    Side,
    TimeInForce,
    Unit,
    Unsupported,
    UserMessage,
)

D = Decimal
T = TypeVar("T")


def run(flow: Flow[T]) -> T:
    """The result of a flow that asks nothing."""
    with pytest.raises(StopIteration) as end:
        next(flow)
    result: T = end.value.value
    return result


@define
class HandBook:
    """A tracked book whose levels the test sets."""

    live: bool = True
    sides: dict[Side, list[tuple[Decimal, Decimal]]] = field(factory=lambda: {BUY: [], SELL: []})

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """As a paper market reads it."""
        return self.sides[side]


@define
class Desk:
    """A paper market over one book, and all that it told."""

    fees: FeeRates = FEES
    instrument: str = BTC
    now: int = SECOND
    book: HandBook = field(factory=HandBook)
    told: list[UserMessage] = field(factory=list)
    market: PaperMarket = field(init=False)

    def __attrs_post_init__(self) -> None:
        factory: PaperFactory = paper_market
        self.market = factory(
            instruments=InstrumentTable([instrument(self.instrument)]),
            books={self.instrument: self.book},
            balances={"BTC": D(10), "USDT": D(10_000)},
            fees=self.fees,
            emit=self.told.append,
            now=lambda: self.now,
        )
        self.show([(99, 1), (98, 5)], [(101, 1), (102, 5)])

    def show(self, bids: list[tuple[Any, Any]], asks: list[tuple[Any, Any]]) -> None:
        """The book is this now."""
        for side, rows in ((BUY, bids), (SELL, asks)):
            self.book.sides[side] = [(D(str(price)), D(str(size))) for price, size in rows]
        self.market.book_changed(self.instrument)

    def try_place(self, side: Side, quantity: object, price: object = None, **terms: Any) -> Placed:
        """Place one order."""
        if price is None:
            terms.setdefault("type", OrderType.MARKET)
        (placed,) = run(
            self.market.place([order(side, quantity, price, instrument=self.instrument, **terms)])
        )
        return placed

    def place(self, side: Side, quantity: object, price: object = None, **terms: Any) -> Accepted:
        """Place one order that is accepted."""
        placed = self.try_place(side, quantity, price, **terms)
        assert isinstance(placed, Accepted)
        return placed

    def status(self, placed: Accepted) -> OrderReport:
        """How it stands now."""
        return run(self.market.status(OrderRef(self.instrument, order_id=placed.report.order_id)))

    def money(self) -> dict[str, tuple[Decimal | None, Decimal | None]]:
        """(total, held) by asset."""
        return {each.asset: (each.total, each.held) for each in run(self.market.balances())}


def test_a_taker_walks_the_levels_and_pays_their_prices() -> None:
    """Fills per level at its price with the taker's fee, average and balances with it, in the answer and by `emit`."""
    desk = Desk()
    placed = desk.place(BUY, 3, client_order_id="x")
    assert placed.report.status is OrderStatus.FILLED
    assert [(fill.price, fill.quantity, fill.liquidity) for fill in placed.fills] == [
        (101, 1, Liquidity.TAKER),
        (102, 2, Liquidity.TAKER),
    ]
    assert placed.report.average_price == D(305) / 3
    assert desk.money() == {"BTC": (D("12.994"), 0), "USDT": (9_695, 0)}
    assert [each for each in desk.told if isinstance(each, Fill)] == list(placed.fills)
    assert [each.filled for each in desk.told if isinstance(each, OrderReport)] == [0, 1, 3]
    assert isinstance(desk.told[-1], Balance)


def test_what_was_taken_stays_taken_until_the_level_shows_another_size() -> None:
    """The real book does not know that we were there: the same size is not offered twice, a new one is."""
    desk = Desk()
    desk.place(BUY, "0.6", 101, time_in_force=TimeInForce.IOC)
    again = desk.place(BUY, 1, 101, time_in_force=TimeInForce.IOC)
    assert (again.report.status, again.report.filled) == (OrderStatus.EXPIRED, D("0.4"))
    desk.show([(99, 1)], [(101, 1), (102, 7)])
    assert desk.place(BUY, 1, 101, time_in_force=TimeInForce.IOC).report.filled == 0
    desk.show([(99, 1)], [(101, 2)])
    assert desk.place(BUY, 1, 101, time_in_force=TimeInForce.IOC).report.filled == 1
    desk.show([(99, 1)], [(102, 1)])
    desk.show([(99, 1)], [(101, 2)])
    assert desk.place(BUY, 2, 101, time_in_force=TimeInForce.IOC).report.filled == 2


def test_a_resting_order_is_filled_as_maker_when_the_book_reaches_it() -> None:
    """At its own price, by no more than is offered there, over as many changes as it takes."""
    desk = Desk()
    placed = desk.place(BUY, 3, 100)
    assert (placed.report.status, desk.money()["USDT"]) == (OrderStatus.OPEN, (10_000, 300))
    desk.show([(99, 1)], [("100.5", 9)])
    assert desk.status(placed).filled == 0
    desk.show([(99, 1)], [(100, 1), (101, 4)])
    assert (desk.status(placed).status, desk.status(placed).filled) == (OrderStatus.PARTIALLY_FILLED, 1)
    desk.show([(98, 1)], [(99, 7)])
    report = desk.status(placed)
    assert (report.status, report.average_price) == (OrderStatus.FILLED, 100)
    fills = run(desk.market.fills([BTC], 0))
    assert {(fill.price, fill.liquidity) for fill in fills} == {(D(100), Liquidity.MAKER)}
    assert desk.money() == {"BTC": (D("12.997"), 0), "USDT": (9_700, 0)}


def test_a_level_that_shows_another_size_is_offered_whole() -> None:
    """From the moment that it shows it, and also when it comes back to the size that it had."""
    desk = Desk()
    desk.place(BUY, 1, 101)
    desk.book.sides[SELL] = [(D(101), D(2))]  # and nobody has told of it yet
    assert desk.place(BUY, 2, 101).report.status is OrderStatus.FILLED
    desk.show([(99, 1)], [(101, 3)])
    desk.show([(99, 1)], [(101, 2)])
    assert desk.place(BUY, 2, 101).report.status is OrderStatus.FILLED


def test_of_two_that_rest_the_better_price_is_filled_first() -> None:
    """The older one has what is left; at one price the older is the first."""
    desk = Desk()
    worse, better, twin = (desk.place(BUY, 2, price) for price in ("99.5", 100, 100))
    desk.show([(99, 1)], [("99.5", 3)])
    assert [desk.status(each).filled for each in (better, twin, worse)] == [2, 1, 0]


def test_a_crossing_order_takes_what_is_there_and_rests_with_the_rest() -> None:
    """It does not trade again with the level that it has taken."""
    desk = Desk()
    placed = desk.place(SELL, 3, 99)
    assert (placed.report.status, placed.report.filled) == (OrderStatus.PARTIALLY_FILLED, 1)
    desk.market.book_changed(BTC)
    assert desk.status(placed).filled == 1
    desk.show([(99, 2)], [(101, 1)])
    assert desk.status(placed).status is OrderStatus.FILLED


def test_fill_or_kill_takes_all_or_nothing() -> None:
    """Nothing is taken from a book that does not have all of it."""
    desk = Desk()
    killed = desk.place(BUY, 7, 102, time_in_force=TimeInForce.FOK)
    assert (killed.report.status, killed.fills) == (OrderStatus.EXPIRED, ())
    assert desk.place(BUY, 6, 102, time_in_force=TimeInForce.FOK).report.status is OrderStatus.FILLED


def test_a_quote_sized_buy_spends_its_budget() -> None:
    """In whole steps of base, never more than asked; remaining is not told of it."""
    desk = Desk()
    placed = desk.place(BUY, "305.5", unit=Unit.QUOTE)
    assert (placed.report.status, placed.report.filled) == (OrderStatus.FILLED, 3)
    assert placed.report.remaining is None
    assert desk.money()["USDT"] == (9_695, 0)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (order(BUY, 1, 101, post_only=True), EngineRefusal.POST_ONLY),
        (order(BUY, 1, "100.3"), EngineRefusal.PRICE),
        (order(BUY, "1.001", 100), EngineRefusal.QUANTITY),
        (order(BUY, 101, 100), EngineRefusal.FUNDS),
        (order(SELL, 11, type=OrderType.MARKET), EngineRefusal.FUNDS),
        (order(BUY, 1, 100, instrument="XYZ-USDT"), EngineRefusal.UNKNOWN_INSTRUMENT),
        (order(BUY, 1, 100, reduce_only=True), EngineRefusal.REDUCE_ONLY),
    ],
)
def test_refusals_are_outcomes_of_their_item(wanted: NewOrder, code: EngineRefusal) -> None:
    """The other orders of the batch are placed."""
    desk = Desk()
    refused, taken = run(desk.market.place([wanted, order(BUY, 1, 99)]))
    assert isinstance(refused, Rejected)
    assert refused.error.code == code
    assert isinstance(taken, Accepted)


def test_a_market_order_on_an_empty_side_is_refused() -> None:
    """There is nothing to trade with, and nothing is placed."""
    desk = Desk()
    desk.show([(99, 1)], [])
    placed = desk.try_place(BUY, 1)
    assert isinstance(placed, Rejected)
    assert placed.error.code == EngineRefusal.NO_LIQUIDITY


def test_nothing_is_matched_against_a_book_that_is_not_live() -> None:
    """Placing and amending are refused, resting orders wait, cancelling works."""
    desk = Desk()
    resting = desk.place(BUY, 1, 100)
    desk.book.live = False
    desk.told.clear()
    placed = desk.try_place(BUY, 1, 101)
    assert isinstance(placed, Rejected)
    assert placed.error.code == EngineRefusal.NOT_TRADING
    desk.show([], [(90, 9)])
    assert not desk.told
    name = OrderRef(BTC, order_id=resting.report.order_id)
    assert isinstance(run(desk.market.amend(name, price=D(95), quantity=None)), Rejected)
    (cancelled,) = run(desk.market.cancel([name]))
    assert isinstance(cancelled, Accepted)
    assert desk.money()["USDT"] == (10_000, 0)


def test_orders_are_found_by_either_id_and_end_once() -> None:
    """Client ids are unique among open orders; what is over cannot be cancelled, but asked for."""
    desk = Desk()
    placed = desk.place(BUY, 1, 99, client_order_id="x")
    twin = desk.try_place(BUY, 1, 98, client_order_id="x")
    assert isinstance(twin, Rejected)
    assert isinstance(twin.error, DuplicateClientOrderId)
    assert [each.client_order_id for each in run(desk.market.open_orders(None))] == ["x"]
    assert run(desk.market.cancel_all([PERP])) == []
    assert run(desk.market.cancel_all(None)) == [placed.report.order_id]
    assert run(desk.market.status(OrderRef(BTC, client_order_id="x"))).status is OrderStatus.CANCELED
    (again,) = run(desk.market.cancel([OrderRef(BTC, client_order_id="x")]))
    assert isinstance(again, Rejected)
    assert isinstance(again.error, OrderNotFound)
    with pytest.raises(OrderNotFound):
        next(desk.market.status(OrderRef(BTC, client_order_id="y")))


def test_an_amended_order_takes_what_its_new_price_reaches() -> None:
    """Holds follow the new terms; a refused amendment changes nothing."""
    desk = Desk()
    placed = desk.place(BUY, 3, 99)
    name = OrderRef(BTC, order_id=placed.report.order_id)
    run(desk.market.amend(name, price=None, quantity=D(4)))
    assert desk.money()["USDT"] == (10_000, 396)
    refused = run(desk.market.amend(name, price=None, quantity=D(400)))
    assert isinstance(refused, Rejected)
    assert isinstance(refused.error, InsufficientFunds)
    amended = run(desk.market.amend(name, price=D(101), quantity=None))
    assert isinstance(amended, Accepted)
    assert [(fill.price, fill.quantity) for fill in amended.fills] == [(101, 1)]
    assert desk.money()["USDT"] == (9_899, 303)


def test_an_order_that_is_not_moved_stays_a_maker() -> None:
    """Another quantity takes nothing: what reaches it fills it when the book is looked at, at its own price."""
    desk = Desk()
    placed = desk.place(BUY, 1, 100)
    desk.book.sides[SELL] = [(D(99), D(9))]  # and nobody has told of it yet
    amended = run(
        desk.market.amend(OrderRef(BTC, order_id=placed.report.order_id), price=None, quantity=D(2))
    )
    assert isinstance(amended, Accepted)
    assert amended.fills == ()
    desk.market.book_changed(BTC)
    (fill,) = run(desk.market.fills([BTC], 0))
    assert (fill.price, fill.quantity, fill.liquidity) == (100, 2, Liquidity.MAKER)


def test_good_till_date_ends_by_the_clock_that_was_given() -> None:
    """Seen at the next call or change of the book."""
    desk = Desk()
    placed = desk.place(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires=5 * SECOND)
    desk.now = 5 * SECOND
    desk.market.book_changed(BTC)
    assert desk.status(placed).status is OrderStatus.EXPIRED
    assert desk.money()["USDT"] == (10_000, 0)


def test_a_stop_waits_for_the_best_price_that_it_would_meet() -> None:
    """A buy for the ask; then it is a market order. Its money is held while it waits."""
    desk = Desk()
    placed = desk.place(BUY, 2, None, type=OrderType.STOP, trigger_price=D(105))
    assert (placed.report.status, desk.money()["USDT"]) == (OrderStatus.OPEN, (10_000, 210))
    desk.show([(100, 1)], [("104.5", 9)])
    assert desk.status(placed).status is OrderStatus.OPEN
    desk.show([(100, 1)], [(106, 9)])
    assert (desk.status(placed).status, desk.status(placed).average_price) == (OrderStatus.FILLED, 106)
    assert desk.money()["USDT"] == (9_788, 0)


def test_an_order_that_waits_is_amended_and_waits_on() -> None:
    """A price that the book reaches is one for later: nothing is taken before the trigger. Its hold follows."""
    desk = Desk()
    stop = desk.place(BUY, 2, 100, type=OrderType.STOP_LIMIT, trigger_price=D(105))
    name = OrderRef(BTC, order_id=stop.report.order_id)
    amended = run(desk.market.amend(name, price=D(103), quantity=None))
    assert isinstance(amended, Accepted)
    assert (amended.report.status, amended.fills) == (OrderStatus.OPEN, ())
    assert desk.money()["USDT"] == (10_000, 206)
    desk.market.book_changed(BTC)
    assert desk.status(stop).filled == 0
    desk.show([(104, 1)], [(105, 1)])
    assert desk.status(stop).filled == 0
    desk.show([(102, 1)], [(103, 1)])
    assert desk.status(stop).average_price == 103


def test_a_reduce_only_order_ends_with_the_position() -> None:
    """What closes the position otherwise cancels it, at once."""
    desk = Desk(instrument=PERP, fees=FeeRates(D(0), D(0)))
    desk.place(BUY, 3)
    resting = desk.place(SELL, 2, 120, reduce_only=True)
    desk.place(SELL, 1, 99)
    assert desk.status(resting).status is OrderStatus.OPEN
    desk.place(SELL, 1, 98)
    report = desk.status(resting)
    assert (report.status, report.reason) == (OrderStatus.CANCELED, EngineRefusal.REDUCE_ONLY)


def test_a_change_of_the_book_fills_no_order_that_it_has_ended() -> None:
    """Two orders close one position: the first is filled, the second is over before it is looked at."""
    desk = Desk(instrument=PERP, fees=FeeRates(D(0), D(0)))
    desk.place(BUY, 3)
    second = desk.place(SELL, 3, 111, reduce_only=True)
    first = desk.place(SELL, 3, 110)
    desk.show([(112, 9)], [(113, 1)])
    assert desk.status(first).status is OrderStatus.FILLED
    assert (desk.status(second).status, desk.status(second).filled) == (OrderStatus.CANCELED, 0)
    assert run(desk.market.positions()) == []


def test_perpetuals_have_positions() -> None:
    """Margin instead of assets; positions by query and by `emit`; reduce-only orders close."""
    desk = Desk(instrument=PERP, fees=FeeRates(D(0), D(0)))
    desk.place(BUY, 3)
    (position,) = run(desk.market.positions())
    assert (position.quantity, desk.money()["USDT"]) == (3, (10_000, D("30.5")))
    desk.place(SELL, 1, 120, reduce_only=True)
    desk.show([(110, 9)], [(111, 1)])
    desk.place(SELL, 2, reduce_only=True)
    desk.show([(130, 9)], [(131, 1)])
    assert run(desk.market.positions()) == []
    told = [each.quantity for each in desk.told if isinstance(each, Position)]
    assert told == [3, 1, 0]


def test_what_a_paper_market_has_not_is_unsupported() -> None:
    """Nonces, a dead man's switch, leverage, a chain; fees, permissions and limits are told."""
    market = Desk().market
    flows = (
        market.burn_nonce(1),
        market.dead_man_switch(1.0),
        market.set_leverage(BTC, D(2)),
        market.height(),
    )
    for flow in flows:
        with pytest.raises(Unsupported):
            next(flow)
    assert run(market.fee_rates(BTC)).taker == D("0.002")
    assert run(market.permissions()).withdraw is False
    assert not run(market.limits()).used
    assert not run(market.funding(0))
    assert market.client_order_id(1) != market.client_order_id(2)


rows = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 300)), max_size=4, unique_by=lambda row: row[0])
acts = st.one_of(
    st.tuples(st.just("show"), rows, rows),
    st.tuples(
        st.just("place"),
        st.sampled_from(Side),
        st.integers(1, 400),
        st.none() | st.integers(-8, 8),
        st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(acts, min_size=8, max_size=40))
def test_money_and_holds_follow_the_fills(day: list[tuple[Any, ...]]) -> None:
    """Balances are what the fills come to, holds those of the open orders, and no level gives more than it shows."""
    desk = Desk()
    for kind, *rest in day:
        fills_before = len(run(desk.market.fills([BTC], 0)))
        offered = {side: sum((size for _, size in desk.book.levels(side)), D(0)) for side in Side}
        if kind == "show":
            bids, asks = (sorted(each) for each in rest)
            desk.show(
                [(100 - D(away) / 2, D(size) / 100) for away, size in bids],
                [(100 + D(away) / 2, D(size) / 100) for away, size in asks],
            )
        elif kind == "place":
            side, size, away, tif = rest
            price = None if away is None else 100 + D(away) / 2
            placed = desk.try_place(side, D(size) / 100, price, time_in_force=tif)
            if isinstance(placed, Accepted):
                assert sum(fill.quantity for fill in placed.fills) <= offered[side.opposite]
        else:
            mine = run(desk.market.open_orders(None))
            if mine:
                run(desk.market.cancel([OrderRef(BTC, order_id=mine[rest[0] % len(mine)].order_id)]))
        fills = run(desk.market.fills([BTC], 0))
        assert len({fill.key for fill in fills}) == len(fills) >= fills_before
        base, quote = D(10), D(10_000)
        for fill in fills:
            assert fill.fees is not None
            sign = 1 if fill.side is BUY else -1
            base += sign * fill.quantity - (fill.fees[0].amount if fill.side is BUY else 0)
            quote -= sign * fill.quantity * fill.price + (0 if fill.side is BUY else fill.fees[0].amount)
        held = {BUY: D(0), SELL: D(0)}
        for each in run(desk.market.open_orders(None)):
            assert each.side is not None
            assert each.price is not None
            assert each.remaining is not None
            held[each.side] += each.remaining * (each.price if each.side is BUY else 1)
        assert desk.money() == {"BTC": (base, held[SELL]), "USDT": (quote, held[BUY])}
