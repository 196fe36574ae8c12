"""The random flow: a market from a seed that is alive, never empty, and fair to users."""

from __future__ import annotations

from decimal import Decimal

import pytest
from framework.simulator.tests.small_venue import BTC, BUY, ETH, SELL, heard, instrument, order, ref

from venuekit_simulator.engine import MatchingEngine
from venuekit_simulator.market_flow import RandomFlow
from venuekit_spec import (
    SECOND,
    EngineEvent,
    InstrumentStatus,
    LevelChanged,
    Listing,
    OrderStatus,
    OrderType,
    PriceRule,
    SizeRule,
    TradeHappened,
)

D = Decimal
WIDE = instrument(
    BTC, price=PriceRule(D("0.01")), size=SizeRule(D("0.0001"), D("0.0001")), minimum_notional=D(10)
)
COARSE = instrument(ETH, price=PriceRule(D("0.0001"), 5), size=SizeRule(D(1), D(5), D(1000)))
LISTINGS = [Listing(WIDE, D(60_000)), Listing(COARSE, D("0.5"))]


def market(seed: int = 1) -> tuple[MatchingEngine, RandomFlow]:
    """An engine with filled books."""
    engine = MatchingEngine(LISTINGS, [], seed)
    flow = RandomFlow(engine, seed)
    flow.fill_books(0)
    return engine, flow


def run(flow: RandomFlow, steps: int, now: int = 0) -> int:
    """So many steps; the time after them."""
    for _ in range(steps):
        now = flow.step(now)
    return now


def test_books_begin_deep() -> None:
    """Fifty levels a side around the listed price, and nothing traded yet."""
    engine, _ = market()
    for listing in LISTINGS:
        book = engine.book(listing.instrument.id)
        assert (len(book.bids), len(book.asks)) == (50, 50)
        assert book.bids[0][0] < listing.price < book.asks[0][0]
        assert book.asks[0][0] - book.bids[0][0] < listing.price / 100


def test_one_seed_is_one_market() -> None:
    """The same events from the same seed, others from another."""

    def events(seed: int) -> list[EngineEvent]:
        engine = MatchingEngine(LISTINGS, [], 1)
        heard_events, flow = heard(engine), RandomFlow(engine, seed)
        flow.fill_books(0)
        run(flow, 300)
        return heard_events

    assert events(7) == events(7)
    assert events(7) != events(8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_alive_and_never_empty(seed: int) -> None:
    """Levels change, trades happen, both sides always have some depth, the rate is what was asked."""
    engine, flow = market(seed)
    events, now = heard(engine), 0
    for _ in range(3000):
        now = flow.step(now)
        for listing in LISTINGS:
            book = engine.book(listing.instrument.id)
            assert min(len(book.bids), len(book.asks)) > 3
    assert 45 * SECOND < now < 75 * SECOND
    traded = {each.instrument for each in events if isinstance(each, TradeHappened)}
    assert traded == {BTC, ETH}
    assert sum(isinstance(each, LevelChanged) for each in events) > 2000


def test_it_fills_a_user_at_the_front_and_leaves_one_far_away() -> None:
    """The flow's takers meet the user's order like any other; they do not go after it through the book."""
    engine, flow = market()
    engine.open_account("ann", {"USDT": D(1_000_000), "BTC": D(10)})
    best = engine.book(BTC, 1)
    near = engine.place("ann", order(BUY, "0.01", best.bids[0][0] + 1), 0)
    far = engine.place("ann", order(SELL, "0.01", best.asks[0][0] * 2), 0)
    run(flow, 2000)
    assert engine.order("ann", ref(near)).status is OrderStatus.FILLED
    assert engine.order("ann", ref(far)).status is OrderStatus.OPEN
    (execution,) = {each.fill.price for each in engine.executions("ann")}
    assert execution == near.price


def test_what_a_user_swept_away_comes_back() -> None:
    """One step after a side is empty it has depth again."""
    engine, flow = market()
    engine.open_account("whale", {"USDT": D(10**12), "BTC": D(0)})
    all_of_it = sum(size for _, size in engine.book(BTC).asks)
    engine.place("whale", order(BUY, all_of_it, type=OrderType.MARKET), 1)
    assert not engine.book(BTC).asks
    now = 1
    while not engine.book(BTC).asks:
        now = flow.step(now)
    assert len(engine.book(BTC).asks) >= 40


def test_a_halted_instrument_is_left_alone() -> None:
    """Its book stands still while the others live on."""
    engine, flow = market()
    engine.set_status(BTC, InstrumentStatus.HALTED, 0)
    before = engine.book(BTC)
    run(flow, 200)
    assert engine.book(BTC) == before
