"""Pre-trade limits: what this program may do at most, judged exactly and before anything is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from framework.core.tests.venues import entry, instrument, live

from venuekit import LimitBroken, LocalError, OrderRequest, PreTradeLimits
from venuekit.books import OrderBook
from venuekit.trading.limits import Standing, check_limits
from venuekit_spec import NewOrder, Side

PAIR = "P1-USD"
INSTRUMENTS = {PAIR: instrument()}
BOOK = live(bids=[("99", "5")], asks=[("101", "1"), ("111", "1")]).book
"""Its middle is 100."""


def order(**more: Any) -> NewOrder:
    """An order to buy one at 100, with other values."""
    asked: dict[str, Any] = {"pair": PAIR, "side": Side.BUY, "quantity": "1", "price": "100"} | more
    return OrderRequest(**asked).intent("c")


def judge(
    limits: PreTradeLimits,
    *orders: NewOrder,
    resting: tuple[NewOrder, ...] = (),
    book: OrderBook | None = BOOK,
) -> None:
    """Check these orders beside those that rest."""
    beside = Standing(len(resting), {}, resting)
    check_limits(limits, orders, beside, INSTRUMENTS, {} if book is None else {PAIR: book})


def test_the_notional_of_one_order_is_bounded() -> None:
    """At the limit it passes, above not; the error has both numbers."""
    limits = PreTradeLimits(order_notional="100")
    judge(limits, order())
    with pytest.raises(LimitBroken, match=r"worth 100\.0100 is above the limit of 100") as caught:
        judge(limits, order(quantity="1.0001"))
    assert caught.value.limit == "order notional"


def test_a_market_order_is_worth_the_best_price_of_the_other_side() -> None:
    """Bought at the ask, sold at the bid."""
    limits = PreTradeLimits(order_notional="100")
    judge(limits, order(side="sell", price=None))
    with pytest.raises(LimitBroken, match="worth 101"):
        judge(limits, order(price=None))


def test_a_limit_by_quote_asset_refuses_other_assets() -> None:
    """What is not in the mapping may not be traded in."""
    judge(PreTradeLimits(order_notional={"USD": "100"}), order())
    with pytest.raises(LimitBroken, match="no order notional limit in USD"):
        judge(PreTradeLimits(order_notional={"EUR": "100"}), order())


def test_the_number_of_open_orders_counts_those_of_the_same_call() -> None:
    """One rests, one is new: a third is too many."""
    limits = PreTradeLimits(open_orders=2)
    judge(limits, order(), resting=(order(),))
    with pytest.raises(LimitBroken, match="2 orders are open, the limit is 2"):
        judge(limits, order(), order(), resting=(order(),))


def test_everything_open_is_bounded_together() -> None:
    """What rests and what is new are added up in their quote asset."""
    limits = PreTradeLimits(open_notional="250")
    judge(limits, order(), resting=(order(),))
    with pytest.raises(LimitBroken, match="worth 300 USD, the limit is 250"):
        judge(limits, order(), resting=(order(), order()))


@pytest.mark.parametrize(
    ("price", "passes"), [("95", True), ("94.99", False), ("105", True), ("105.01", False)]
)
def test_the_collar_holds_prices_around_the_middle(price: str, passes: bool) -> None:
    """Five per cent either way."""
    limits = PreTradeLimits(price_collar="0.05")
    if passes:
        judge(limits, order(price=price))
    else:
        with pytest.raises(LimitBroken, match="is outside"):
            judge(limits, order(price=price))


def test_the_collar_judges_a_market_order_by_what_it_would_pay() -> None:
    """One at 101 passes; two would pay 106 on average; three are more than the book shows."""
    limits = PreTradeLimits(price_collar="0.05")
    judge(limits, order(price=None))
    with pytest.raises(LimitBroken, match="price 106 is outside"):
        judge(limits, order(price=None, quantity="2"))
    with pytest.raises(LimitBroken):
        judge(limits, order(price=None, quantity="3"))


def test_a_price_behind_a_trigger_is_measured_from_the_trigger() -> None:
    """The middle of now says nothing about then."""
    limits = PreTradeLimits(price_collar="0.05")
    judge(limits, order(type="stop_limit", price="201", trigger_price="200"))
    with pytest.raises(LimitBroken, match="trigger price"):
        judge(limits, order(type="stop_limit", price="250", trigger_price="200"))


@pytest.mark.parametrize("book", [None, entry().book])
def test_without_a_live_book_a_limit_that_needs_it_refuses(book: OrderBook | None) -> None:
    """Unless it is told to allow; a limit that needs no book is not touched."""
    with pytest.raises(LimitBroken, match="needs the live book"):
        judge(PreTradeLimits(price_collar="0.05"), order(), book=book)
    judge(PreTradeLimits(price_collar="0.05", without_book="allow"), order(), book=book)
    judge(PreTradeLimits(order_notional="100"), order(), book=book)


def test_an_empty_book_has_no_middle() -> None:
    """One side is enough; none refuses."""
    limits = PreTradeLimits(price_collar="0.05")
    judge(limits, order(), book=live(bids=[("100", "1")], asks=[]).book)
    with pytest.raises(LimitBroken, match="is empty"):
        judge(limits, order(), book=live(bids=[], asks=[]).book)


def test_limits_are_exact_numbers() -> None:
    """A float, and a collar that is none, are refused."""
    number: Any = 0.1
    with pytest.raises(LocalError):
        PreTradeLimits(order_notional=number)
    with pytest.raises(LocalError):
        PreTradeLimits(price_collar="0")
    assert PreTradeLimits(order_notional=5).order_notional == Decimal(5)
