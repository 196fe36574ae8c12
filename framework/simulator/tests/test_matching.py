"""Plans: what an order would meet, before anything is changed."""

from __future__ import annotations

from decimal import Decimal

from framework.simulator.tests.small_venue import BUY, SELL, order

from venuekit_simulator.accounts import LiveOrder
from venuekit_simulator.matching import BookSide, plan, reaches
from venuekit_spec import OrderType, SelfTradePrevention, Side, Unit

D = Decimal
STEP = D("0.01")


def live(
    number: int, side: Side, quantity: object, price: object = None, account: str = "ann", **terms: object
) -> LiveOrder:
    """An order as the engine holds it."""
    wanted = order(side, quantity, price, **terms)
    sized = None if wanted.unit is Unit.QUOTE else wanted.quantity
    return LiveOrder(account, number, wanted, sized, wanted.price, 1, 1, SelfTradePrevention.CANCEL_TAKER)


def asks(*orders: LiveOrder) -> BookSide:
    """A side with these orders."""
    side = BookSide(Side.SELL)
    for each in orders:
        side.add(each)
    return side


def test_a_plan_changes_nothing_and_says_who_gives_how_much() -> None:
    """Best price first, then the older; sums in base and quote; complete once nothing is wanted."""
    first, second, third = live(1, SELL, 1, 101), live(2, SELL, 1, 100), live(3, SELL, 1, 101)
    side = asks(first, second, third)
    found = plan(live(4, BUY, "2.5", 101, "bob"), side, STEP)
    assert found.matches == [(second, 1), (first, 1), (third, D("0.5"))]
    assert (found.base, found.quote, found.complete) == (D("2.5"), D("251.5"), True)
    assert (side.best(), side.size(D(101))) == (100, 2)


def test_a_limit_ends_the_walk() -> None:
    """Prices beyond it are not reached; equal is."""
    found = plan(live(4, BUY, 3, 100, "bob"), asks(live(1, SELL, 1, 100), live(2, SELL, 1, "100.5")), STEP)
    assert (found.base, found.complete) == (1, False)
    assert reaches(BUY, D(100), D(100))
    assert not reaches(SELL, D(100), D("99.5"))


def test_a_budget_buys_whole_steps() -> None:
    """It is complete when not one more step can be paid, and not when the book ends first."""
    book = asks(live(1, SELL, 1, 100), live(2, SELL, 1, 300))
    budget = live(3, BUY, 102, None, "bob", type=OrderType.MARKET, unit=Unit.QUOTE)
    found = plan(budget, book, STEP)
    assert (found.base, found.quote, found.complete) == (1, 100, True)
    large = live(3, BUY, 1000, None, "bob", type=OrderType.MARKET, unit=Unit.QUOTE)
    assert not plan(large, book, STEP).complete
    small = live(3, BUY, "0.5", None, "bob", type=OrderType.MARKET, unit=Unit.QUOTE)
    assert (plan(small, book, STEP).matches, plan(small, book, STEP).complete) == ([], False)


def test_a_level_goes_with_its_last_order() -> None:
    """Until then its size is the sum of what remains; an order knows whether it rests."""
    first, second = live(1, SELL, 1, 100), live(2, SELL, 2, 100)
    side = asks(first, second)
    side.remove(first)
    assert (side.size(D(100)), len(side), first.resting, second.resting) == (2, 1, False, True)
    side.remove(second)
    assert (side.size(D(100)), len(side), side.best()) == (0, 0, None)
